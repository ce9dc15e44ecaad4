"""No number is printed on two bands: what the journal says of those before decides where a run begins."""

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from drivers.issuing.errors import PlanMalformed
from drivers.issuing.journal import NUMBERS, Entry, Journal, State
from drivers.issuing.numbering import Span, check_labels, first_number, is_reserved, reserve
from drivers.issuing.plan import Plan, plan_of
from drivers.issuing.sheet import wanted_of
from hardware.clock import FixedClock
from hardware.disk import SystemDisk
from hardware.entropy import SeededEntropy

PLAN = plan_of(b'layout = 1\nlabel = "Band {number}"\n')
BY_CODE = plan_of(b'layout = 1\nlabel = "Band {code}"\n')


def issued(name: str, *numbers: int, label: str = "Band {}") -> list[Entry]:
    """Bands of one run, begun and done."""
    return [
        Entry(0, "r", f"b{number}", "issue", state, values | {"line": f"{name}:{number}"})
        for number in numbers
        for state, values in (
            (State.BEGUN, {"label": label.format(number), "code": f"C{number}"}),
            (State.DONE, {"band_id": f"id {number}"}),
        )
    ]


def reserved(name: str, first: int, count: int, *, label: str = "Band {number}") -> list[Entry]:
    values = {"line": f"{name}:{first}", "count": str(count), "label": label}
    return [Entry(0, "r", "", NUMBERS, State.DONE, values)]


def first(
    entries: list[Entry],
    *,
    plan: Plan = PLAN,
    name: str = "x",
    count: int = 2,
    reported: tuple[int, ...] | None = (),
) -> int:
    ids = None if reported is None else {f"id {number}" for number in reported}
    return first_number(entries, plan, name=name, count=count, reported=ids)


def test_the_first_run_begins_with_one_and_another_where_it_ended() -> None:
    assert first([]) == 1
    assert first(issued("a", 1, 2, 3)) == 4


def test_a_run_that_is_not_over_keeps_its_numbers_whatever_came_between() -> None:
    entries = [*reserved("x", 4, 2), *issued("x", 4), *issued("b", 6)]

    assert first(entries, reported=(4,)) == 4


def test_all_numbers_of_a_run_are_its_own_before_any_of_its_bands_is_issued() -> None:
    begun = [*reserved("a", 1, 3), *issued("a", 1)]
    refused = [*reserved("a", 1, 3), Entry(0, "r", "b1", "issue", State.FAILED, {"code": "x"})]

    assert first(begun) == first(refused) == 4
    assert first(begun, name="a", count=3, reported=(1,)) == 1
    assert first(refused, name="a", count=3) == 1


def test_a_run_whose_report_lost_a_band_begins_another_and_repeats_no_number() -> None:
    entries = [*reserved("x", 1, 3), *issued("x", 1, 2)]

    assert first(entries, count=3, reported=(1, 2)) == 1
    assert first(entries, count=3, reported=(1,)) == 4
    assert first(entries, count=3) == 4


def test_a_sheet_that_names_each_band_keeps_its_numbers_without_its_report() -> None:
    assert first([*reserved("x", 1, 2), *issued("x", 1, 2)], reported=None) == 1


def test_a_run_that_is_over_keeps_its_numbers_while_its_report_is_there() -> None:
    entries = [*issued("x", 1, 2), *issued("x", 5, 6)]

    assert first(entries, reported=(1, 2, 5, 6)) == 5
    assert first(entries) == 7


def test_a_number_that_was_begun_and_given_up_is_the_runs_own_again() -> None:
    begun = issued("x", 1, 2)[:-1]
    given_up = Entry(0, "r", "b2", "issue", State.FAILED, {"line": "x:2", "code": "given_up"})

    assert first([*begun, given_up], reported=(1,)) == 1


@pytest.mark.parametrize("label", ["Maya", "Band", "Band 01", "Band 0", "PRACTICE Band {}"])
def test_labels_without_a_number_of_this_plan_take_none(label: str) -> None:
    assert first(issued("sheet", 1, 2, label=label)) == 1


def test_a_label_somebody_wrote_is_stepped_over_and_does_not_drive_the_numbers_up() -> None:
    far = issued("sheet", 1, label="Band 2026")
    near = issued("sheet", 1, label="Band 4")

    assert first(far) == 1
    assert first([*issued("a", 1, 2), *near], count=1) == 3
    assert first([*issued("a", 1, 2), *near], count=2) == 5


def test_another_plan_whose_labels_come_out_the_same_repeats_none() -> None:
    tens = plan_of(b'layout = 1\nlabel = "Band 1{number}"\n')
    shirts = plan_of(b'layout = 1\nlabel = "Shirt {number}"\n')
    bands = [*reserved("a", 10, 3), *issued("a", 10)]

    assert first(bands, plan=tens, count=1) == 3
    assert first(bands, plan=shirts) == 1


def test_a_run_gone_on_with_by_a_plan_whose_labels_are_given_takes_other_numbers() -> None:
    entries = [*reserved("x", 1, 2, label="Shirt {number}"), *reserved("a", 1, 2)]

    assert first(entries) == 3


@pytest.mark.parametrize("label", ["{number} of {number}", "{code}/{number}", "a.b {number}"])
def test_a_number_is_told_from_the_rest_of_its_label(label: str) -> None:
    plan = plan_of(f'layout = 1\nlabel = "{label}"\n'.encode())
    given = label.replace("{code}", "C1").replace("{number}", "1")

    assert first(issued("a", 1, label=given), plan=plan) == 2
    assert first(issued("sheet", 7, label=given), plan=plan) == 2


def test_a_plan_that_prints_no_number_begins_with_one_each_time() -> None:
    entries = issued("a", 1, 2, label="Band C{}")

    assert first(entries, plan=BY_CODE) == 1


def test_a_label_the_plan_gives_is_not_one_that_stands_in_the_same_sheet() -> None:
    wanted = wanted_of(b"label,store\nBand 2,a\n,a\n,a\n")

    with pytest.raises(PlanMalformed, match=r"line 3 .* gives it, Band 2, has line 2"):
        check_labels(wanted, PLAN)
    check_labels([replace(each, number=each.number + 4) for each in wanted], PLAN)
    check_labels(wanted, BY_CODE)


def test_numbers_are_reserved_once_and_stand_on_the_disk_where_a_plan_prints_them(
    tmp_path: Path,
) -> None:
    def journal() -> Journal:
        clock = FixedClock(datetime(2026, 5, 4, tzinfo=UTC))
        path = tmp_path / "bands.journal"
        return Journal(path, disk=SystemDisk(), clock=clock, entropy=SeededEntropy("numbers"))

    for plan in (BY_CODE, PLAN, PLAN):
        reserve(journal(), Span("x", 4, 2, plan.label))

    (entry,) = journal().entries
    assert entry.values["line"] == "x:4"
    assert is_reserved([entry], Span("x", 4, 2, PLAN.label))
    assert first([entry], name="y") == 6
