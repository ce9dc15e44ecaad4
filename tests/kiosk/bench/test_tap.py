"""`tapthread bench tap`: what it prints, and what it says where it cannot measure. No figure is judged here."""

import json
from pathlib import Path
from typing import Any

import pytest

from hardware.virtual import private_pcscd
from kiosk.bench import tap, tap_peers
from kiosk.bench.figures import BenchImpossible, Figure
from kiosk.bench.rig import Subject
from kiosk.demo.bands import DEMO_TEST_GROUP_KEY, demo_bands
from kiosk.demo.virtual_bands import application_of, band_key_of
from tests.support.commands import run

AFTER_REPORT = {
    "tap.own": "ms",
    "tap.vs_raw": "x",
    "tap.ours": "ms",
    "tap.raw": "ms",
    "tap.reader": "ms",
}
WHOLE = {
    "whole.pn532": "ms",
    "whole_raw.pn532": "ms",
    "whole_vs_raw.pn532": "x",
    "nfcpy": "ms",
    "vs_nfcpy": "x",
    "line.pn532": "ms",
    "line_nfcpy": "ms",
}
OLD = {"tap.whole_ev1.pn532": "ms", "tap.libfreefare": "ms", "tap.vs_libfreefare": "x"}
AIR = {f"tap.air.{kbit}": "ms" for kbit in (106, 212, 424, 848)}
NAMES = enumerate(("search", "5A", "71", "AF", "AD"))
BYTES = {f"tap.bytes.{number}.{name}": "B" for number, name in NAMES}
BAND = demo_bands()[0]
SUBJECT = Subject(
    uid=BAND.uid,
    ev=2,
    application=application_of(uid=BAND.uid, reference=BAND.reference),
    group_key=DEMO_TEST_GROUP_KEY,
    band_key=band_key_of(BAND.uid),
)


def _after_report(reader: str) -> dict[str, str]:
    return {f"{name}.{reader}": unit for name, unit in AFTER_REPORT.items()}


def _on_lines() -> dict[str, str]:
    jobs = ("", "leased.", "slow.")
    return {f"tap.{job}{name}": unit for job in jobs for name, unit in WHOLE.items()}


@pytest.fixture(scope="module")
def printed() -> dict[str, dict[str, Any]]:
    """What the command prints, by metric."""
    done = run("bench", "tap", "--runs", "2", "--json")
    assert done.returncode == 0, done.stderr
    results: dict[str, dict[str, Any]] = json.loads(done.stdout)["results"]
    return results


@pytest.mark.slow
def test_every_metric_is_printed_for_both_readers(printed: dict[str, dict[str, Any]]) -> None:
    assert {name: each["unit"] for name, each in printed.items()} == (
        _after_report("pn532") | _after_report("vpcd") | _on_lines() | AIR | BYTES | OLD
    )
    is_computed = {
        name: bool({"air", "bytes"} & {*name.split(".")}) or "line" in name for name in printed
    }
    assert {printed[name]["runs"] for name in printed if not is_computed[name]} == {2}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("job", "baud", "n_ours", "n_theirs"),
    [("", 921_600, 393, 920), ("slow.", 115_200, 393, 920), ("leased.", 921_600, 297, 824)],
)
def test_a_tap_puts_as_few_bytes_on_the_line_as_its_exchanges_take(
    printed: dict[str, dict[str, Any]], job: str, baud: int, n_ours: int, n_theirs: int
) -> None:
    ours, theirs = (printed[f"tap.{job}{name}"] for name in ("line.pn532", "line_nfcpy"))

    assert round(ours["median"] * baud / 10_000) == n_ours
    assert round(theirs["median"] * baud / 10_000) == n_theirs


@pytest.mark.slow
def test_the_bytes_of_a_tap_are_accounted_for_command_by_command(
    printed: dict[str, dict[str, Any]],
) -> None:
    sizes = [printed[name]["median"] for name in BYTES]

    assert sizes == [45, 31, 46, 92, 179]


@pytest.mark.slow
def test_a_goal_is_said_beside_what_is_held_to_it_and_what_the_bytes_alone_allow(
    printed: dict[str, dict[str, Any]],
) -> None:
    goals = {name: each["goals"][0] for name, each in printed.items() if "goals" in each}

    assert {name: (goal["what"], goal["value"]) for name, goal in goals.items()} == {
        **dict.fromkeys(("tap.vs_raw.pn532", "tap.vs_raw.vpcd"), ("limit", 1.15)),
        **dict.fromkeys(
            ("tap.vs_nfcpy", "tap.leased.vs_nfcpy", "tap.slow.vs_nfcpy"), ("floor", 2.5)
        ),
    }
    assert all(
        goal["is_met"]
        == (
            printed[name]["median"] >= 2.5
            if goal["what"] == "floor"
            else printed[name]["median"] <= 1.15
        )
        for name, goal in goals.items()
    )
    for reader in ("pn532", "vpcd"):
        own, air = printed[f"tap.own.{reader}"]["median"], printed["tap.air.848"]["median"]
        said = printed[f"tap.vs_raw.{reader}"]["note"]
        assert f"; {1 + own / air:.2f} with the least air time, at 848 kbit/s" in said
    assert "2.34 by the bytes" in printed["tap.vs_nfcpy"]["note"]
    assert "capsule" in printed["tap.vs_nfcpy"]["note"]
    assert "2.77 by the bytes on the line" in printed["tap.leased.vs_nfcpy"]["note"]
    assert "half of them" not in printed["tap.leased.vs_nfcpy"]["note"]


@pytest.mark.slow
def test_every_metric_says_what_it_is(printed: dict[str, dict[str, Any]]) -> None:
    assert all(each["note"] for each in printed.values())
    assert printed["tap.slow.nfcpy"]["note"] == (
        "line held at 115,200 baud: the same commands by nfcpy's tag layer"
    )


def _taps(*, raw_p95: float) -> dict[str, Figure]:
    def ms(median: float, p95: float = 0) -> Figure:
        return Figure(median, p95 or median, "ms", 20)

    return tap.judged(
        {
            "tap.whole_raw.pn532": ms(5, raw_p95),
            "tap.vs_raw.pn532": Figure(1.1, 1.3, "x", 20),
            "tap.vs_nfcpy": Figure(2.6, 2.9, "x", 20),
            "tap.line.pn532": ms(4.3),
            "tap.line_nfcpy": ms(10),
        }
    )


def test_a_ratio_of_a_busy_machine_is_said_to_be_doubtful() -> None:
    quiet, busy = _taps(raw_p95=5.6), _taps(raw_p95=7.5)

    for name in ("tap.vs_raw.pn532", "tap.vs_nfcpy"):
        assert "doubtful" not in quiet[name].words
        assert "doubtful, the machine was busy: raw took 1.5 times" in busy[name].words


@pytest.mark.slow
def test_a_machine_without_daemon_and_libfreefare_still_measures_the_rest(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(private_pcscd, "DRIVER", Path("/no/such/driver.so"))
    monkeypatch.setattr(tap_peers, "HEADER", Path("/no/such/header.h"))
    missing: list[BenchImpossible] = []

    results = tap.measure(subject=SUBJECT, runs=1, report_missing=missing.append)

    assert set(results) == set(_after_report("pn532") | _on_lines() | AIR | BYTES)
    assert [each.code for each in missing] == ["pcscd-absent", "libfreefare"]
    assert str(missing[0]).startswith("Without vpcd: ")
    assert "vsmartcard-vpcd" in str(missing[0])
