"""`tapthread bench tap`: what it prints, and what it says where it cannot measure. No figure is judged here."""

import json
from pathlib import Path

import pytest

from hardware.virtual import private_pcscd
from kiosk.bench import tap, tap_peers
from kiosk.bench.figures import BenchImpossible
from kiosk.bench.rig import Subject
from kiosk.demo.bands import DEMO_TEST_GROUP_KEY, demo_bands
from kiosk.demo.virtual_bands import application_of, band_key_of
from tests.support.commands import run

METRICS = {
    "tap.own": "ms",
    "tap.vs_raw": "x",
    "tap.ours": "ms",
    "tap.raw": "ms",
    "tap.reader": "ms",
}
BAND = demo_bands()[0]
SUBJECT = Subject(
    uid=BAND.uid,
    ev=2,
    application=application_of(uid=BAND.uid, reference=BAND.reference),
    group_key=DEMO_TEST_GROUP_KEY,
    band_key=band_key_of(BAND.uid),
)
WHOLE = {
    "tap.whole.pn532": "ms",
    "tap.whole_ev1.pn532": "ms",
    "tap.nfcpy": "ms",
    "tap.vs_nfcpy": "x",
    "tap.libfreefare": "ms",
    "tap.vs_libfreefare": "x",
    "tap.air.106": "ms",
    "tap.air.212": "ms",
    "tap.air.424": "ms",
    "tap.air.848": "ms",
}


@pytest.mark.slow
def test_every_metric_is_printed_for_both_readers() -> None:
    done = run("bench", "tap", "--runs", "2", "--json")

    assert done.returncode == 0, done.stderr
    printed = json.loads(done.stdout)
    assert {name: each["unit"] for name, each in printed["results"].items()} == {
        f"{name}.{reader}": unit
        for reader in ("pn532", "vpcd")
        for name, unit in METRICS.items()
    } | WHOLE
    measured = {name: each for name, each in printed["results"].items() if "air" not in name}
    assert {each["runs"] for each in measured.values()} == {2}


@pytest.mark.slow
def test_a_machine_without_daemon_and_libfreefare_still_measures_the_rest(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(private_pcscd, "DRIVER", Path("/no/such/driver.so"))
    monkeypatch.setattr(tap_peers, "HEADER", Path("/no/such/header.h"))
    missing: list[BenchImpossible] = []

    results = tap.measure(subject=SUBJECT, runs=1, report_missing=missing.append)

    theirs = {"tap.libfreefare", "tap.vs_libfreefare"}
    assert set(results) == {f"{name}.pn532" for name in METRICS} | set(WHOLE) - theirs
    assert [each.code for each in missing] == ["pcscd-absent", "libfreefare"]
    assert "vsmartcard-vpcd" in str(missing[0])
