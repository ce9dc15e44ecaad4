"""No number is printed on two bands: what the journal says of those before decides where a run begins."""

import pytest

from drivers.issuing.journal import Entry, State
from drivers.issuing.numbering import first_number
from drivers.issuing.plan import plan_of

PLAN = plan_of(b'layout = 1\nlabel = "Band {number}"\n')
BY_CODE = plan_of(b'layout = 1\nlabel = "Band {code}"\n')


def issued(name: str, *numbers: int, label: str = "Band {}") -> list[Entry]:
    """Bands of one run, begun and done."""
    return [
        Entry(0, "r", f"b{number}", "issue", state, values | {"line": f"{name}:{number}"})
        for number in numbers
        for state, values in (
            (State.BEGUN, {"label": label.format(number), "code": f"C{number}"}),
            (State.DONE, {}),
        )
    ]


def first(entries: list[Entry], *, name: str = "x", count: int = 2, there: bool = True) -> int:
    return first_number(entries, PLAN, name=name, count=count, is_reported=there)


def test_the_first_run_begins_with_one_and_another_where_it_ended() -> None:
    assert first([]) == 1
    assert first(issued("a", 1, 2, 3)) == 4


def test_a_run_that_is_not_over_keeps_its_numbers_whatever_came_between() -> None:
    entries = [*issued("a", 1, 2, 3), *issued("x", 4), *issued("b", 6)]

    assert first(entries) == 4
    assert first(entries, there=False) == 4


def test_a_run_that_is_over_keeps_its_numbers_while_its_report_is_there() -> None:
    entries = [*issued("x", 1, 2), *issued("x", 5, 6)]

    assert first(entries) == 5
    assert first(entries, there=False) == 7


def test_a_number_that_was_begun_and_given_up_is_the_runs_own_again() -> None:
    begun = issued("x", 1, 2)[:-1]
    given_up = Entry(0, "r", "b2", "issue", State.FAILED, {"line": "x:2", "code": "given_up"})

    assert first([*begun, given_up], there=False) == 1


@pytest.mark.parametrize("label", ["Maya", "Band", "PRACTICE Band {}"])
def test_labels_without_a_number_of_this_plan_take_none(label: str) -> None:
    assert first(issued("sheet", 1, 2, label=label)) == 1


def test_a_plan_that_prints_no_number_begins_with_one_each_time() -> None:
    entries = issued("a", 1, 2, label="Band C{}")

    assert first_number(entries, BY_CODE, name="x", count=2, is_reported=True) == 1
