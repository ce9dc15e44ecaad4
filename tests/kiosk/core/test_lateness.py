"""Of one thing that is late every page says the same."""

from datetime import UTC

import pytest

from kiosk.commands.watch import _alarm_said
from kiosk.core.counter import sheet_of
from kiosk.core.counter_open import channels_line, open_of
from kiosk.core.entries import Telling, found
from sync.central.pages.showing import waits_of
from sync.central.pages.waiting import Waits
from sync.central.watch import Alarm
from sync.model.card import card_of
from sync.model.profile import Profile
from sync.model.records import Case, ChannelWatch, Customer, Interaction, Promise, Record
from sync.model.row import row_of
from sync.model.spans import DAY_US, HOUR_US, MINUTE_US
from tests.support.demo_side import NOW_US, POST, WORDS

TELL = Telling(WORDS, POST, NOW_US)

BORDERS = [
    (1, "1 s late"),
    (MINUTE_US, "1 min late"),
    (90 * MINUTE_US - 1, "89 min late"),
    (90 * MINUTE_US, "1 h late"),
    (48 * HOUR_US - 1, "47 h late"),
    (48 * HOUR_US, "2 days late"),
    (50 * HOUR_US, "2 days late"),
    (8 * DAY_US, "8 days late"),
]


def of(*bodies: Record) -> Profile:
    bodies = (Customer("tom", "Tom", "Becker"), *bodies)
    rows = (row_of(one, owner="tom", as_of=NOW_US, source="phone") for one in bodies)
    return Profile("tom", tuple(rows))


def promised(due_at: int) -> Profile:
    promise = Promise("Ana", "a call", due_at)
    return of(Case("c", "C-1", "open", "bill", NOW_US - 9 * DAY_US, "phone", promise=promise))


def wrote(due_at: int) -> Profile:
    at = due_at - DAY_US
    return of(Interaction("i", at, "email", "in", "Tom", "Hello?", due_at=due_at))


@pytest.mark.parametrize(("over_us", "said"), BORDERS)
def test_a_broken_promise_is_as_late_in_the_list_on_the_page_on_the_card_and_in_the_reports(
    over_us: int, said: str
) -> None:
    due_at = NOW_US - over_us
    profile = promised(due_at)
    alarm = Alarm(
        "promise_broken", "tom", "Tom", "phone", "case/c", due_at, by="Ana", text="a call"
    )
    waits = Waits("tom", "Tom", "promise_broken", "", "case/c", 0, due_at)

    sheet = sheet_of(profile, tell=TELL, opened=found("name"))
    (one,) = open_of([profile], TELL)
    (line,) = (it for it in card_of(profile, now=NOW_US).lines if it.part == "promised")

    assert one.lead == f"Promise, {said}"
    assert sheet.now[0].lead == said
    assert any(it.text.endswith(f". {said}") for it in sheet.told)
    assert f", {said}: a call" in line.text
    assert _alarm_said(alarm, NOW_US, WORDS).endswith(f", {said}")
    assert waits_of(waits, now=NOW_US, zone=UTC).late == said


@pytest.mark.parametrize(("over_us", "said"), BORDERS)
def test_a_message_without_an_answer_is_as_late_in_the_list_on_the_page_and_on_the_card(
    over_us: int, said: str
) -> None:
    profile = wrote(NOW_US - over_us)
    watch = ChannelWatch("email", 3, 2, oldest_at=1, next_due_at=NOW_US - over_us)

    sheet = sheet_of(profile, tell=TELL, opened=found("name"))
    (one,) = open_of([profile], TELL)
    (line,) = (it for it in card_of(profile, now=NOW_US).lines if it.part == "waiting")

    assert one.lead == sheet.now[0].lead == f"E-mail, {said}"
    assert f', {said}: "Hello?"' in line.text
    assert channels_line([watch], TELL).endswith(f"E-mail 3 (2 late, the longest {said})")
