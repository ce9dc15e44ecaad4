"""`tapthread bench tap`: what it prints, and what it says where it cannot measure. No figure is judged here."""

import json
from pathlib import Path

import pytest

from hardware.virtual import private_pcscd
from kiosk.bench import tap
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


@pytest.mark.slow
def test_every_metric_is_printed_for_both_readers() -> None:
    done = run("bench", "tap", "--runs", "2", "--json")

    assert done.returncode == 0, done.stderr
    printed = json.loads(done.stdout)
    assert {name: each["unit"] for name, each in printed["results"].items()} == {
        f"{name}.{reader}": unit
        for reader in ("pn532", "vpcd")
        for name, unit in METRICS.items()
    }
    assert {each["runs"] for each in printed["results"].values()} == {2}


@pytest.mark.slow
def test_a_machine_without_the_daemon_still_measures_the_pn532(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    band = demo_bands()[0]
    subject = Subject(
        uid=band.uid,
        ev=2,
        application=application_of(uid=band.uid, reference=band.reference),
        group_key=DEMO_TEST_GROUP_KEY,
        band_key=band_key_of(band.uid),
    )
    monkeypatch.setattr(private_pcscd, "DRIVER", Path("/no/such/driver.so"))
    missing: list[BenchImpossible] = []

    results = tap.measure(subject=subject, runs=1, report_missing=missing.append)

    assert set(results) == {f"{name}.pn532" for name in METRICS}
    assert [each.code for each in missing] == ["pcscd-absent"]
    assert "vsmartcard-vpcd" in str(missing[0])


def test_an_unknown_bench_is_refused_with_the_known_ones() -> None:
    done = run("bench", "tapp")

    assert done.returncode == 2
    assert "tap, screen" in done.stderr
    assert done.stdout == ""
