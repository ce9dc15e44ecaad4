"""Which numbers the bands of a run have where the plan numbers them: they go on where those before them ended; from the journal.

A run is named after what was asked for. All its numbers are its own before its first band is looked at: they are written down,
and no other run takes one, whatever became of this one. While it is not over, the same words go on with it, under its own
numbers; when it is over and its report was taken away, they begin another, and so they do where the report says less than the
journal. No number is given twice where it stands on a label, whether a run, a replacement, a sheet without labels or one with
such labels gave it: none is on two labels.
"""

import re
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from drivers.issuing.errors import PlanMalformed
from drivers.issuing.journal import NUMBERS, Entry, Journal, State
from drivers.issuing.plan import Plan
from drivers.issuing.sheet import Wanted
from drivers.issuing.station import ISSUE

NUMBER: Final = "{number}"
CODE: Final = "{code}"


@dataclass(frozen=True, slots=True)
class Span:
    """The numbers that are a run's own.

    Attributes:
        name: Of the run, in the journal.
        first: The first of them.
        count: How many.
        label: What they stand in, as the plan of then said it; "" for what is only known from its bands.
    """

    name: str
    first: int
    count: int
    label: str = ""

    @property
    def numbers(self) -> range:
        """All of them."""
        return range(self.first, self.first + self.count)


def first_number(
    entries: Iterable[Entry],
    plan: Plan,
    *,
    name: str,
    count: int,
    reported: Collection[str] | None,
) -> int:
    """The number of the first of `count` bands.

    Args:
        entries: Of the station's journal, oldest first.
        plan: What they get.
        name: Of the run, in the journal.
        count: How many bands it has.
        reported: Ids of the bands that stand in its report; None where its lines say which band is which, and each keeps its number.
    """
    if NUMBER not in plan.label:
        return 1
    known = tuple(entries)
    of_others, of_its_own = _labelled(known, plan, name)
    own = _own(known, name, count)
    told = set(_done(known, own) if reported is None else reported)
    if own.first and of_others.isdisjoint(own.numbers) and _done(known, own) <= told:
        return own.first
    given = [
        number
        for entry, _, number in _issued(known)
        if entry.values.get("label") == _label(plan, number, entry.values.get("code", ""))
    ]
    spans = [span.numbers[-1] for span in _spans(known) if span.label == plan.label]
    first = max([*given, *spans], default=0) + 1
    for number in sorted(of_others | of_its_own):
        if number in range(first, first + count):
            first = number + 1  # a label somebody wrote has it
    return first


def check_labels(wanted: Sequence[Wanted], plan: Plan) -> None:
    """Raise PlanMalformed, naming the lines, where a label the plan gives is one somebody wrote into the same sheet."""
    lines = {each.label: each.line for each in wanted if each.label}
    for each in wanted:
        label = plan.label_of(number=each.number, code=CODE)
        if not each.label and label in lines:
            raise PlanMalformed(
                f"line {each.line} of the sheet has no label, and the one the plan gives it, {label},"
                f" has line {lines[label]}"
            )


def is_reserved(entries: Iterable[Entry], span: Span) -> bool:
    """Are these numbers the run's own already?"""
    return span in _spans(entries)


def reserve(journal: Journal, span: Span) -> None:
    """Make these numbers the run's own, where they are not; on the disk when this returns. Raises DiskFull, DiskFault."""
    if NUMBER in span.label and not is_reserved(journal.entries, span):
        line = f"{span.name}:{span.first}"
        journal.write(
            "", NUMBERS, State.DONE, line=line, count=str(span.count), label=span.label
        )


def _spans(entries: Iterable[Entry]) -> list[Span]:
    """What was reserved, oldest first."""
    return [
        Span(*_line_of(entry), int(entry.values["count"]), entry.values.get("label", ""))
        for entry in entries
        if entry.step == NUMBERS and entry.values.get("count", "").isdecimal()
    ]


def _own(entries: Sequence[Entry], name: str, count: int) -> Span:
    """The last span of a run; where it reserved none its bands tell where it began, at 0 where there are none."""
    for span in reversed(_spans(entries)):
        if span.name == name and span.count == count:
            return span
    first = 0
    for _, of, number in _issued(entries):
        if of == name and not (first and first <= number < first + count):
            first = number  # each of several runs of one name begins with its lowest
    return Span(name, first, count)


def _done(entries: Sequence[Entry], own: Span) -> set[str]:
    """Ids of the bands that have its numbers and are whole."""
    return {
        entry.values.get("band_id", "")
        for entry, of, number in _issued(entries)
        if of == own.name and number in own.numbers and entry.state is State.DONE
    }


def _labelled(entries: Sequence[Entry], plan: Plan, name: str) -> tuple[set[int], set[int]]:
    """The numbers this plan would have to print to repeat a label that is given: of other runs, and of this one."""
    pattern = _pattern_of(plan)
    others, own = set[int](), set[int]()
    for of, label in _labels(entries, plan):
        if match := pattern.fullmatch(label):
            (own if of == name else others).add(int(match["number"]))
    return others, own


def _labels(entries: Sequence[Entry], plan: Plan) -> Iterator[tuple[str, str]]:
    """Every label that is given or reserved, with the run it is for."""
    for entry in entries:
        if entry.step == ISSUE and entry.values.get("label"):
            yield _line_of(entry)[0], entry.values["label"]
    for span in _spans(entries):
        if span.label == plan.label or CODE not in span.label:
            for number in span.numbers:
                label = span.label.replace(NUMBER, str(number)).replace(CODE, "0")
                yield span.name, plan.marked(label)


def _pattern_of(plan: Plan) -> re.Pattern[str]:
    """Matches the labels of this plan."""
    parts = [re.escape(part) for part in plan.marked(plan.label).split(NUMBER)]
    pattern = "(?P=number)".join(["(?P<number>[1-9][0-9]{0,8})".join(parts[:2]), *parts[2:]])
    return re.compile(pattern.replace(re.escape(CODE), "[0-9A-Z-]+"))


def _label(plan: Plan, number: int, code: str) -> str:
    return plan.marked(plan.label_of(number=number, code=code))


def _issued(entries: Iterable[Entry]) -> Iterator[tuple[Entry, str, int]]:
    """What was begun, done and given up of lines, with the run and the number."""
    for entry in entries:
        if entry.step == ISSUE:
            yield entry, *_line_of(entry)


def _line_of(entry: Entry) -> tuple[str, int]:
    """The run and the number an entry is for; "" and 0 for none."""
    name, _, number = entry.values.get("line", "").rpartition(":")
    return (name, int(number)) if name and number.isdecimal() else ("", 0)
