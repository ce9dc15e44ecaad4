"""Which numbers the bands of a run without a sheet have: they go on where those before them ended; from the journal, pure.

A run is named after what was asked for. While it is not over, the same words go on with it, under its own numbers; when it is
over and its report was taken away, they begin another. No number is given twice where it stands on a label, whether a run, a
replacement or a sheet without labels gave it.
"""

from collections.abc import Iterable, Sequence

from drivers.issuing.journal import Entry, State
from drivers.issuing.plan import Plan
from drivers.issuing.station import ISSUE

TWO_NUMBERS = (1, 2)
"""Two labels that differ in their number alone are equal where the plan prints none."""


def first_number(
    entries: Iterable[Entry], plan: Plan, *, name: str, count: int, is_reported: bool
) -> int:
    """The number of the first of `count` bands.

    Args:
        entries: Of the station's journal, oldest first.
        plan: What they get.
        name: Of the run, in the journal.
        count: How many bands it has.
        is_reported: Whether its report is there.
    """
    issued = [(entry, *_line_of(entry)) for entry in entries if entry.step == ISSUE]
    own = [(entry, number) for entry, of, number in issued if of == name]
    first = _first_of_last([number for _, number in own], count)
    if first:
        done = {number for entry, number in own if entry.state is State.DONE}
        if is_reported or not set(range(first, first + count)) <= done:
            return first
    given = [number for entry, _, number in issued if _is_printed(entry, number, plan)]
    return max(given, default=0) + 1


def _line_of(entry: Entry) -> tuple[str, int]:
    """The run and the number an entry is for; "" and 0 for none."""
    name, _, number = entry.values.get("line", "").rpartition(":")
    return (name, int(number)) if name and number.isdecimal() else ("", 0)


def _first_of_last(numbers: Sequence[int], count: int) -> int:
    """Where the last of several runs of one name began, each of so many bands and begun with its lowest; 0 for none."""
    first = 0
    for number in numbers:
        if not first or not first <= number < first + count:
            first = number
    return first


def _is_printed(entry: Entry, number: int, plan: Plan) -> bool:
    """Whether the label of this band has the number in it, as this plan prints it."""
    label, code = entry.values.get("label", ""), entry.values.get("code", "")
    if not number or not label:
        return False
    one, other = (plan.label_of(number=each, code=code) for each in TWO_NUMBERS)
    return one != other and label == plan.marked(plan.label_of(number=number, code=code))
