"""The sync bench: the same rows in every run, and a figure for each metric it promises."""

import hashlib
import json
from itertools import islice

import pytest

from kiosk.bench import sync
from kiosk.bench.figures import Figure, as_json, as_table
from kiosk.bench.profiles import ROWS_EACH, owners_of, profiles
from kiosk.bench.sync_goals import PLAIN_WHERE_SET, judged
from sync.model.row import raw_of


def test_profiles_are_the_same_in_every_run_and_about_0_9_kb_each() -> None:
    rows = list(profiles(400))
    raws = [raw_of(row.body) for row in rows]

    digest = hashlib.sha256(b"\n".join(raws)).hexdigest()
    assert (
        digest
        == hashlib.sha256(b"\n".join(raw_of(row.body) for row in profiles(400))).hexdigest()
    )
    assert raws[:100] == [raw_of(row.body) for row in islice(profiles(10_000), 100)]
    assert 800 < sum(map(len, raws)) / len(raws) < 1_000
    assert len({row.key for row in rows}) == len(rows)
    assert len(owners_of(rows)) == len(rows) // ROWS_EACH


def measured(speed: float) -> dict[str, Figure]:
    """A run on a machine so fast, where everything went along with it."""
    return {
        "base.sqlite@50000": Figure(PLAIN_WHERE_SET * speed, 0, "docs/s", 3),
        "sync.first.snapshot@50000": Figure(85_000 * speed, 0, "docs/s", 3),
        "sync.wire.pages@50000": Figure(190, 0, "B/doc", 3),
        "sync.idle": Figure(2.5 / speed, 0, "ms", 60),
        "sync.push": Figure(2_000 * speed, 0, "ops/s", 3),
    }


def test_a_slow_machine_is_seen_to_be_slow_and_a_slow_program_to_be_one() -> None:
    results = judged(measured(0.5))

    words = {name: figure.words for name, figure in results.items()}
    assert results["base.speed"].median == 0.5
    assert words["sync.first.snapshot@50000"] == (
        "0.56 of plain sqlite3; floor 80,000 not met, scaled to this machine 40,000 met;"
        " aim 90,000 not met, scaled to this machine 45,000 not met"
    )
    assert words["sync.idle"] == (
        "the time of 380 rows of plain sqlite3; limit 3 not met, scaled to this machine 6.0 met"
    )
    assert words["sync.wire.pages@50000"] == "limit 200 met"
    assert "floor 3,000 not met, scaled to this machine 1,500 not met" in words["sync.push"]


def test_where_floors_were_set_both_say_the_same() -> None:
    results = judged(measured(1.0))

    for figure in results.values():
        assert all(goal.is_met == goal.is_met_here for goal in figure.goals)
    assert results["sync.first.snapshot@50000"].words.endswith(
        "floor 80,000 met; aim 90,000 not met"
    )


def test_programs_and_people_are_told_the_same() -> None:
    results = judged(measured(0.5))

    printed = json.loads(as_json(results))["results"]["sync.push"]
    table = as_table(results)

    assert printed["vs_sqlite"] == pytest.approx(1_000 / 76_000, abs=1e-4)
    assert printed["goals"][0] == {
        "what": "floor", "value": 3_000, "here": 1_500, "is_met": False, "is_met_here": False,
    }  # fmt: skip
    assert results["sync.push"].words in table
    assert "0.500" in table


@pytest.mark.slow
def test_every_metric_is_measured_against_a_centre_in_a_process_of_its_own(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(sync, "LIVE_SAMPLES", 3)

    results = sync.measure([2_100], 1)

    assert {name.partition("@")[0] for name in results} == {
        "base.speed", "base.sqlite", "base.copy", "sync.index", "sync.rss.centre", "sync.idle", "sync.idle_bytes",
        "base.get", "sync.idle.vs_get", "sync.idle_requests", "sync.idle_wire", "sync.change_to_commit", "sync.push",
        *(
            f"sync.{what}.{how}"
            for how in ("pages", "snapshot")
            for what in ("first", "cpu.kiosk", "cpu.centre", "wire", "rss.kiosk")
        ),
        *(
            f"sync.{what}.{how}.plain"
            for how in ("pages", "snapshot")
            for what in ("first", "cpu.kiosk", "cpu.centre")
        ),
        *(f"sync.first.{how}.vs_sqlite" for how in ("pages", "snapshot")),
    }  # fmt: skip
    assert all(figure.median >= 0 for figure in results.values())
    assert results["sync.first.pages@2100"].median > 0
    wire = [results[f"sync.wire.{how}@2100"].median for how in ("pages", "snapshot")]
    assert all(bytes_each <= 200 for bytes_each in wire), "bytes do not depend on the machine"
    assert results["sync.idle_bytes"].median <= 300
