"""PouchDB in the sync bench: what is said where it cannot run, what npm is asked, and how its answers become figures."""

import json
import sys
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from kiosk.bench import pouchdb, sync
from kiosk.bench.figures import BenchImpossible, Figure
from kiosk.bench.pouchdb import PACKAGES, Pouchdb, compared, installed
from kiosk.commands import bench

FIRST = {
    "took_s": 2.0, "n_rows": 8, "wire": 1_600, "cpu_s": 0.5, "rss_mb": 90.0, "server_cpu_s": 0.25, "server_rss_mb": 80.0,
}  # fmt: skip
LIVE = {
    "idle_ms": [4.0, 6.0, 5.0], "idle_requests": [5, 5, 5], "idle_wire": [1_900, 1_900, 1_900],
    "change_ms": [10.0], "push_per_s": [400.0],
}  # fmt: skip
SERVED = {"url": "http://127.0.0.1:1/shop", "counts": "http://127.0.0.1:2/"}


def program(folder: Path, name: str, *lines: str) -> Path:
    """A small program that stands where node or npm would."""
    folder.mkdir(exist_ok=True)
    path = folder / name
    path.write_text("\n".join([f"#!{sys.executable}", "import json, os, sys", *lines]) + "\n")
    path.chmod(0o755)
    return path


def nothing_missing(error: BenchImpossible) -> None:
    raise error


def node_that_answers(folder: Path, **answers: object) -> Path:
    return program(
        folder,
        "node",
        f"answers = json.loads({json.dumps(answers)!r})",
        "print(json.dumps(answers[json.loads(sys.stdin.readline())['what']]))",
    )


def measured_by(node: Path, missing: list[BenchImpossible]) -> Pouchdb:
    return Pouchdb(str(node), node.parent, missing.append)


def test_where_there_is_no_node_a_sentence_says_so_and_ours_is_printed_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(sync, "measure", lambda *_, **__: {"sync.idle": Figure(1, 2, "ms", 3)})

    app = typer.Typer()
    app.command()(bench.run)

    said = CliRunner().invoke(app, ["sync", "--pouchdb", "--json"])

    assert said.exit_code == 1
    assert said.stderr == (
        "tapthread bench: PouchDB was not measured: there is no node here. [node]\n"
    )
    assert json.loads(said.stdout)["results"]["sync.idle"]["median"] == 1


def test_where_node_came_without_npm_that_is_what_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program(tmp_path, "node")
    monkeypatch.setenv("PATH", str(tmp_path))

    with pytest.raises(BenchImpossible, match="there is no npm here"):
        installed(report_missing=nothing_missing, cache=tmp_path / "cache")


def test_npm_installs_the_pinned_packages_once_and_runs_none_of_their_scripts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    programs, cache, asked = tmp_path / "bin", tmp_path / "cache", tmp_path / "asked"
    program(programs, "node")
    program(
        programs, "npm", "os.mkdir('node_modules')", "wanted = json.load(open('package.json'))",
        f"open({str(asked)!r}, 'a').write(json.dumps([sys.argv[1:], wanted]) + chr(10))",
    )  # fmt: skip
    monkeypatch.setenv("PATH", str(programs))

    installed(report_missing=nothing_missing, cache=cache)
    installed(report_missing=nothing_missing, cache=cache)

    [line] = asked.read_text().splitlines()
    arguments, wanted = json.loads(line)
    assert "--ignore-scripts" in arguments
    assert wanted == json.loads(PACKAGES.read_bytes())
    assert all(version[0].isdigit() for version in wanted["dependencies"].values())
    assert [path.name for path in cache.glob("*/node_modules")] == ["node_modules"]


def test_what_npm_could_not_install_whole_is_not_used_later(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    programs, cache = tmp_path / "bin", tmp_path / "cache"
    program(programs, "node")
    program(programs, "npm", "os.mkdir('node_modules')", "sys.exit(1)")
    monkeypatch.setenv("PATH", str(programs))

    for _ in range(2):
        with pytest.raises(BenchImpossible, match="npm could not install it") as caught:
            installed(report_missing=nothing_missing, cache=cache)
        assert caught.value.code == "npm"

    assert not list(cache.iterdir())


def test_its_answers_become_figures(tmp_path: Path) -> None:
    missing: list[BenchImpossible] = []
    node = node_that_answers(tmp_path, fill={"n_rows": 8}, serve=SERVED, first=FIRST, live=LIVE)
    other = measured_by(node, missing)

    results = other.first_sync(8, 2) | other.live(8, 3)

    assert not missing
    assert {name: (each.median, each.unit, each.runs) for name, each in results.items()} == {
        "pouchdb.first@8": (4.0, "docs/s", 2),
        "pouchdb.wire@8": (200.0, "B/doc", 2),
        "pouchdb.cpu.client@8": (0.5, "s", 2),
        "pouchdb.cpu.server@8": (0.25, "s", 2),
        "pouchdb.rss.client@8": (90.0, "MB", 2),
        "pouchdb.rss.server@8": (80.0, "MB", 1),
        "pouchdb.idle": (5.0, "ms", 3),
        "pouchdb.idle_requests": (5.0, "requests", 3),
        "pouchdb.idle_wire": (1_900.0, "B", 3),
        "pouchdb.change": (10.0, "ms", 1),
        "pouchdb.push": (400.0, "docs/s", 1),
    }


@pytest.mark.parametrize(
    ("answers", "why"),
    [
        ({"fill": {"n_rows": 7}}, "its server did not hold all 8 rows"),
        (
            {"fill": {"n_rows": 8}, "serve": SERVED, "first": {**FIRST, "n_rows": 7}},
            "a client of it did not hold all 8 rows",
        ),
        ({"fill": {"n_rows": 8}, "serve": SERVED, "first": {}}, "it answered something else"),
        ({}, "it did not finish; its words are above"),
    ],
)
def test_a_side_that_fails_is_reported_and_has_no_figures(
    tmp_path: Path, answers: dict[str, object], why: str
) -> None:
    missing: list[BenchImpossible] = []

    results = measured_by(node_that_answers(tmp_path, **answers), missing).first_sync(8, 1)

    assert not results
    assert [str(each) for each in missing] == [f"PouchDB was not measured: {why}."]


def test_ours_is_followed_by_how_many_times_better_it_is() -> None:
    results = {
        "sync.first.pages@10": Figure(20_000, 0, "docs/s", 3),
        "pouchdb.first@10": Figure(4_000, 0, "docs/s", 2),
        "sync.first.pages@20": Figure(20_000, 0, "docs/s", 3),
        "sync.rss.centre@10": Figure(200, 0, "MB", 1),
        "pouchdb.rss.server@10": Figure(100, 0, "MB", 1),
        "sync.idle": Figure(2, 0, "ms", 60),
        "pouchdb.idle": Figure(7, 0, "ms", 60),
    }

    said = compared(results)

    assert [name for name in said if name not in results] == [
        "sync.first.pages.vs_pouchdb@10", "sync.rss.centre.vs_pouchdb@10", "sync.idle.vs_pouchdb",
    ]  # fmt: skip
    assert said["sync.first.pages.vs_pouchdb@10"] == Figure(
        5.0, 5.0, "x", 2, "PouchDB 4,000.0 docs/s"
    )
    assert said["sync.rss.centre.vs_pouchdb@10"].median == 0.5
    assert said["sync.idle.vs_pouchdb"].median == 3.5
    assert list(said).index("sync.idle.vs_pouchdb") == list(said).index("sync.idle") + 1
    assert compared({"sync.idle": results["sync.idle"]}).keys() == {"sync.idle"}


@pytest.mark.soak
@pytest.mark.timeout(600)
def test_pouchdb_from_npm_does_every_job_that_ours_is_compared_at(tmp_path: Path) -> None:
    missing: list[BenchImpossible] = []
    other = installed(report_missing=missing.append, cache=tmp_path)

    results = other.first_sync(2_100, 1) | other.live(500, 3)

    assert not missing
    assert {name.partition("@")[0] for name in results} == set(pouchdb.PAIRS.values())
    assert all(figure.median > 0 for figure in results.values())
