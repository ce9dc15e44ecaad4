"""The sync bench: the same rows in every run, and a figure for each metric it promises."""

import hashlib
from itertools import islice

import pytest

from kiosk.bench import sync
from kiosk.bench.profiles import ROWS_EACH, owners_of, profiles
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


@pytest.mark.slow
def test_every_metric_is_measured_against_a_centre_in_a_process_of_its_own(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(sync, "LIVE_SAMPLES", 3)

    results = sync.measure([2_100], 1)

    assert {name.partition("@")[0] for name in results} == {
        "base.sqlite", "base.copy", "sync.index", "sync.rss.centre", "sync.idle", "sync.idle_bytes",
        "sync.idle_wire", "sync.change_to_commit", "sync.push",
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
