"""The lines of a sheet over several runs of a station: what its report says was done is done, and nothing else."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from drivers.issuing.errors import PlanMalformed
from drivers.issuing.journal import Journal
from drivers.issuing.sheet import (
    Outcome,
    Reported,
    Wanted,
    heading,
    line_of_report,
    wanted_of,
)
from drivers.issuing.station import Job
from hardware.clock import FixedClock
from hardware.disk import SystemDisk
from hardware.entropy import SeededEntropy

NAMED = wanted_of(b"label\nMaya\nTom\n")
WITH_UIDS = wanted_of(b"uid\n04a1b2c3d4e5f6\n04a1b2c3d4e5f7\n")
UID, OTHER_UID = (one.uid or b"" for one in WITH_UIDS)


def job(folder: Path, wanted: tuple[Wanted, ...]) -> Job:
    disk = SystemDisk()
    journal = Journal(
        folder / "bands.journal",
        disk=disk,
        clock=FixedClock(datetime(2026, 5, 4, tzinfo=UTC)),
        entropy=SeededEntropy("job"),
    )
    return Job(wanted, name="sheet", journal=journal, report=folder / "report.csv", disk=disk)


def reported(folder: Path, *rows: Reported) -> None:
    lines = b"".join(line_of_report(row) for row in rows)
    (folder / "report.csv").write_bytes(heading() + lines)


def test_a_band_that_failed_leaves_its_line_to_the_next_run(tmp_path: Path) -> None:
    failed = Reported(1, Outcome.FAILED, uid=UID, problem="not_genuine: no", line=2)
    reported(tmp_path, failed, Reported(2, Outcome.ISSUED, "Tom", line=3))

    again = job(tmp_path, NAMED)

    assert (again.n_done, again.n_wanted, again.is_over) == (1, 2, False)
    assert again.next == NAMED[0]


def test_a_row_for_no_line_of_the_sheet_is_none_of_its_bands(tmp_path: Path) -> None:
    reported(tmp_path, Reported(1, Outcome.ISSUED, "Maya", line=77))

    again = job(tmp_path, NAMED)

    assert (again.n_done, again.next) == (0, NAMED[0])


@pytest.mark.parametrize(
    ("wanted", "row"),
    [
        (NAMED, Reported(1, Outcome.ISSUED, "Lena", line=2)),
        (WITH_UIDS, Reported(1, Outcome.ISSUED, uid=OTHER_UID, line=2)),
    ],
    ids=["another label", "another UID"],
)
def test_a_report_of_another_sheet_is_not_gone_on_with(
    wanted: tuple[Wanted, ...], row: Reported, tmp_path: Path
) -> None:
    reported(tmp_path, row)

    with pytest.raises(PlanMalformed, match="another sheet"):
        job(tmp_path, wanted)


def test_a_row_cut_short_by_a_power_cut_is_no_band(tmp_path: Path) -> None:
    reported(
        tmp_path,
        Reported(1, Outcome.ISSUED, "Maya", line=2),
        Reported(2, Outcome.ISSUED, "Tom", line=3),
    )
    path = tmp_path / "report.csv"
    path.write_bytes(path.read_bytes()[:-3])

    again = job(tmp_path, NAMED)

    assert (again.n_done, again.next) == (1, NAMED[1])
    assert path.read_bytes().endswith(b"\n")
