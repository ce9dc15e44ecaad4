"""The bands to issue, one a line of CSV, and the report of what became of each, as CSV too.

What comes in has a heading line; every column may be left out, others are refused:

    label   what people call the band; without it the plan says
    uid     the UID the band must have, hex, where the maker delivered a list
    store   the store that may link it, for sealed spares
    id, pin columns of makers' lists; read over, never kept

What comes out, a row for each band, also for those that were refused:

    number     counts the rows of the report from 1
    line       line of the sheet the band was for, its heading being line 1; without a sheet the how-manieth band; "" for none
    outcome    issued | already | failed | retired
    label, code, band, uid, store, qr, replaces, problem
    mark       PRACTICE in every row of a run that was only for practice

It holds true UIDs, which the centre must learn to lease keys, so it is written with mode 0600.
"""

import csv
import io
from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import Enum
from typing import Final

from drivers.credential.layout import UID_SIZES
from drivers.issuing.errors import PlanMalformed
from drivers.issuing.plan import LABEL_SIZE_MAX

ROW_COUNT_MAX: Final = 100_000
"""Bands of one sheet; a festival's."""

SIZE_MAX: Final = 16 * 1_024 * 1_024
"""Bytes of a sheet."""

COLUMNS: Final = ("label", "uid", "store")
READ_OVER: Final = ("id", "pin")

REPORT_COLUMNS: Final = (
    "number", "line", "outcome", "label", "code", "band", "uid", "store", "qr", "replaces", "problem",
    "mark",
)  # fmt: skip

_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r")
"""What makes a spreadsheet compute a cell. A label that begins so is refused."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """One band to issue.

    Attributes:
        number: Counts from 1.
        label: What people call it; "" leaves it to the plan.
        uid: The UID it must have; None takes any.
        store: The store that may link it, "" for none.
        line: Line of the sheet, its heading being 1; 0 where there is no sheet.
    """

    number: int
    label: str = ""
    uid: bytes | None = field(default=None, repr=False)
    store: str = ""
    line: int = 0

    @property
    def place(self) -> int:
        """What people find it by: its line of the sheet, else the how-manieth it is."""
        return self.line or self.number


class Outcome(Enum):
    """What became of one band. The values stand in reports."""

    ISSUED = "issued"
    ALREADY = "already"  # it was whole before; nothing was written
    FAILED = "failed"
    RETIRED = "retired"


@dataclass(frozen=True, slots=True)
class Reported:
    """One row of the report.

    Attributes:
        number: Counts the rows from 1; whoever appends it counts.
        line: `Wanted.place` of what it was for; 0 for none.
        outcome: What became of it.
        label, code, band, store, qr: As issued; "" when it was not.
        uid: The true UID; empty when it was never read.
        replaces: Id of the band it stands in for, "" for none.
        problem: Why it failed, in words; "" when it did not.
        mark: PRACTICE when it was only for practice, else "".
    """

    number: int
    outcome: Outcome
    label: str = ""
    code: str = ""
    band: str = ""
    uid: bytes = field(default=b"", repr=False)
    store: str = ""
    qr: str = ""
    replaces: str = ""
    problem: str = ""
    line: int = 0
    mark: str = ""


def wanted_of(content: bytes) -> tuple[Wanted, ...]:
    """The bands a sheet asks for. Raises PlanMalformed, naming the line, for anything that is not meant or twice there."""
    if len(content) > SIZE_MAX:
        raise PlanMalformed("the sheet is too large")
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise PlanMalformed("the sheet is not UTF-8") from error
    lines = csv.DictReader(io.StringIO(text, newline=""), strict=True)
    try:
        names = [name.strip().lower() for name in lines.fieldnames or ()]
        _check_names(names)
        lines.fieldnames = names
        found = tuple(
            _row(lines.line_num, line, number) for number, line in enumerate(lines, 1)
        )
    except csv.Error as error:
        raise PlanMalformed(
            f"line {lines.line_num} of the sheet is not CSV: {error}"
        ) from error
    _check_whole(found)
    return found


def _check_names(names: list[str]) -> None:
    strange = [name for name in names if name not in (*COLUMNS, *READ_OVER)]
    if strange or not names or len(set(names)) != len(names):
        wrong = strange[0][:40] if strange else ",".join(names)[:40]
        raise PlanMalformed(
            f"the sheet's first line must name columns out of {', '.join(COLUMNS)}; not {wrong!r}"
        )


def _row(line: int, cells: dict[str, str], number: int) -> Wanted:
    if number > ROW_COUNT_MAX:
        raise PlanMalformed(f"the sheet has more than {ROW_COUNT_MAX} bands")
    if None in cells or None in cells.values():
        raise PlanMalformed(
            f"line {line} of the sheet has another number of cells than the first"
        )
    label, store = cells.get("label", "").strip(), cells.get("store", "").strip()
    for cell in (label, store):
        is_fit = cell.isprintable() and len(cell) <= LABEL_SIZE_MAX
        if cell and (not is_fit or cell.startswith(_FORMULA)):
            raise PlanMalformed(f"line {line} of the sheet has a cell that cannot be printed")
    return Wanted(number, label, _uid(line, cells.get("uid", "")), store, line)


def _uid(line: int, cell: str) -> bytes | None:
    text = cell.strip().replace(":", "").replace(" ", "")
    if not text:
        return None
    try:
        uid = bytes.fromhex(text)
    except ValueError:
        uid = b""
    if len(uid) not in UID_SIZES:
        raise PlanMalformed(
            f"line {line} of the sheet has a UID that is not 4, 7 or 10 bytes of hex"
        )
    return uid


def _check_whole(found: tuple[Wanted, ...]) -> None:
    if not found:
        raise PlanMalformed("the sheet has no bands")
    uids, labels = dict[bytes, int](), dict[str, int]()
    for wanted in found:
        if wanted.label in labels:
            first = labels[wanted.label]
            raise PlanMalformed(
                f"line {wanted.line} of the sheet has the label of line {first}"
            )
        if wanted.label:
            labels[wanted.label] = wanted.line
        if wanted.uid is None:
            continue
        if wanted.uid in uids:
            first = uids[wanted.uid]
            raise PlanMalformed(f"line {wanted.line} of the sheet has the UID of line {first}")
        uids[wanted.uid] = wanted.line
    if uids and len(uids) != len(found):
        raise PlanMalformed("the sheet has UIDs for some bands only; give all or none")


def heading() -> bytes:
    """The first line of a report, ended as RFC 4180 says."""
    return _line(REPORT_COLUMNS)


def line_of_report(reported: Reported) -> bytes:
    """One line of a report."""
    return _line(
        (
            str(reported.number), str(reported.line or ""), reported.outcome.value, reported.label,
            reported.code, reported.band, reported.uid.hex(), reported.store, reported.qr,
            reported.replaces, reported.problem, reported.mark,
        )
    )  # fmt: skip


def _line(cells: Iterable[str]) -> bytes:
    out = io.StringIO(newline="")
    csv.writer(out).writerow(cells)
    return out.getvalue().encode()


def reported_of(content: bytes) -> tuple[Reported, ...]:
    """The lines of a report, as the station appended them. Raises PlanMalformed."""
    if len(content) > SIZE_MAX:
        raise PlanMalformed("the report is too large")
    try:
        lines = csv.DictReader(
            io.StringIO(content.decode("utf-8-sig"), newline=""), strict=True
        )
        if tuple(lines.fieldnames or ()) != REPORT_COLUMNS:
            raise PlanMalformed("this is not a report of issued bands")
        return tuple(_reported(line) for line in lines)
    except (csv.Error, ValueError, KeyError, TypeError) as error:
        raise PlanMalformed("this report of issued bands is damaged") from error


def _reported(cells: dict[str, str]) -> Reported:
    if None in cells or None in cells.values():
        raise ValueError("another number of cells")
    texts = {
        name: cells[name]
        for name in ("label", "code", "band", "store", "qr", "replaces", "problem", "mark")
    }
    return Reported(
        number=int(cells["number"]), outcome=Outcome(cells["outcome"]), uid=bytes.fromhex(cells["uid"]),
        line=int(cells["line"] or 0), **texts,
    )  # fmt: skip
