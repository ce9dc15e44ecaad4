"""A clerk at the counter and the other channels: the card, an answer, who waits, who was sent here, who may be one."""

import pytest

from kiosk.core.promising import due_choices
from kiosk.core.staff_words import HOUR_US, MINUTE_US, SECOND_US
from kiosk.ui.screens.alike import AlikeQuestion
from kiosk.ui.screens.remedy import RemedyQuestion
from kiosk.ui.views.counter import OPEN_EVERY_US
from kiosk.ui.views.counter_late import COUNTED_US
from kiosk.ui.views.counter_presence import SERVES_AFTER_US
from kiosk.ui.widgets.card_rows import CardRows
from kiosk.ui.widgets.note import NoteWriter
from sync.model.operation import OperationState
from sync.model.operations.answer_interaction import AnswerInteraction
from sync.model.operations.decline_likeness import DeclineLikeness
from sync.model.operations.join_customers import JoinCustomers
from sync.model.operations.leave_customer import LeaveCustomer
from sync.model.operations.promise_answer import PromiseAnswer
from sync.model.operations.refer_customer import ReferCustomer
from sync.model.operations.serve_customer import ServeCustomer
from sync.model.operations.take_referral import TakeReferral
from sync.model.operations.try_remedy import TryRemedy
from sync.model.records import (
    ChannelWatch,
    ContactPoint,
    Interaction,
    Likeness,
    Record,
    Referral,
    Server,
    Serving,
)
from sync.model.row import Row, row_of
from tests.support.counter_side import Counter, counter
from tests.support.demo_side import NOW_US, POST, brand_rows
from tests.support.pictures import clipped

SMALLEST = (53, 17)


def told(owner: str, *bodies: Record) -> tuple[Row, ...]:
    made = (row_of(one, owner=owner, as_of=NOW_US, source="centre") for one in bodies)
    return (*brand_rows(), *made)


ALIKE = Likeness("lena~c-9", "c-9", "L. Hoffmann", "same phone", 8_000, NOW_US)
REFERRAL = Referral("r-1", "harbour", "Ana (call centre)", "show the form", NOW_US)


def card_of(at: Counter) -> str:
    return " ".join(at.view.query_one(CardRows).text.split())


# The card


@pytest.mark.parametrize("size", [SMALLEST, (80, 24)])
async def test_a_page_with_an_open_case_begins_with_the_card_in_the_room_there_is(
    size: tuple[int, int],
) -> None:
    async with counter(size=size) as at:
        await at.find("tom beck")

        card = card_of(at)
        assert clipped(at.app) == []
        assert card.splitlines()[0].startswith("Tom Becker")
        assert "PROMISED by Ana (call centre) until Fri 17:00, 21 h late" in card
        assert "DO NOT OFFER AGAIN: reset the password" in card
        assert "built from 19 rows" in at.screen


async def test_the_card_comes_and_goes_on_a_key_and_says_on_another_what_it_was_built_from() -> (
    None
):
    async with counter() as at:
        await at.find("tom beck")
        await at.press("c")
        assert "PROMISED" not in at.screen
        assert at.entries("now").startswith("Owed|21 h late")

        await at.press("c", "a")

        whole = at.entries("card-whole")
        assert "Contacts||phone: password reset x7" in whole
        assert "tapthread card tom" in whole
        assert "from a case, today 13:56" in at.screen


async def test_who_else_is_with_the_customer_now_is_on_the_first_line_of_the_page() -> None:
    ana = Server("ana", "Ana (call centre)", "chat", NOW_US - MINUTE_US, NOW_US + MINUTE_US)
    mira = Server("mira", "Mira", "store", NOW_US - MINUTE_US, NOW_US + MINUTE_US)
    async with counter(rows=told("lena", Serving("lena", (ana, mira)))) as at:
        await at.find("lena")

        first, *others = at.entries("now").splitlines()
        assert first == "With them now|Ana (call centre)|is on this in Chat, since today 14:01"
        assert not [line for line in others if line.startswith("With them now")]


async def test_that_the_clerk_is_with_a_customer_is_told_the_others_until_the_page_is_left() -> (
    None
):
    async with counter() as at:
        await at.find("lena")
        at.view.look()
        assert at.desk.done == []

        at.desk.stand(now=NOW_US + SERVES_AFTER_US)
        at.view.look()
        at.view.look()
        await at.press("f")

        (served, left) = (one.args for one in at.desk.done)
        assert served == ServeCustomer(by=POST.clerk_name, channel="store", minutes=10)
        assert left == LeaveCustomer(serve="op-1")
        assert [one.owner for one in at.desk.done] == ["lena", "lena"]


async def test_a_counter_that_is_closed_is_with_nobody_any_more() -> None:
    async with counter() as at:
        await at.find("lena")
        at.desk.stand(now=NOW_US + SERVES_AFTER_US)
        at.view.look()

    assert at.desk.done[-1].args == LeaveCustomer(serve="op-1")


async def test_a_page_nobody_touches_is_not_served_from_for_ever() -> None:
    async with counter() as at:
        await at.find("lena")
        for minutes in (1, 10, 20, 30):
            at.desk.stand(now=NOW_US + minutes * MINUTE_US)
            at.view.look()

        assert len(at.desk.done) == 1


# Answering


@pytest.mark.parametrize("key", ["r", "R"])
async def test_a_key_of_the_counter_does_the_same_with_caps_lock(key: str) -> None:
    async with counter() as at:
        await at.find("priya")
        await at.press(key)
        await at.type("We swap it")
        await at.press("enter")

        (done,) = at.desk.done
        assert isinstance(done.args, AnswerInteraction)
        assert done.args.text == "We swap it"


async def test_an_answer_goes_out_in_the_customers_channel_and_can_be_taken_back() -> None:
    async with counter() as at:
        await at.find("priya")
        await at.press("r")
        await at.type("We swap it")
        await at.press("enter")

        (done,) = at.desk.done
        assert isinstance(done.args, AnswerInteraction)
        assert (done.args.channel, done.args.text, done.args.by) == (
            "whatsapp", "We swap it", POST.clerk_name,
        )  # fmt: skip
        assert "goes as the template at 14:07, or waits till they write" in at.notice("message")
        newest = at.entries("timeline").splitlines()[0]
        assert (
            "Mira (Harbour): We swap it [can be taken back until 14:07;"
            " then goes as the template, or waits till they write]" in newest
        )

        await at.press("z", "y")

        assert at.desk.done[-1].kind == "take_back_answer"
        assert "We swap it" not in at.entries("timeline")


def counted(at: Counter, n_late: int, *, after_s: int = 0) -> None:
    """The centre counted anew, and this counter looks a second after that."""
    watch = ChannelWatch("x", n_waiting=20, n_late=n_late)
    as_of = NOW_US + after_s * SECOND_US
    at.desk.learn(row_of(watch, owner="", as_of=as_of, source="centre"))
    at.desk.stand(now=max(as_of + SECOND_US, at.desk.standing().now))
    at.view.look()


def arrived(at: Counter) -> None:
    """The centre has all that was recorded."""
    at.desk.states.update(dict.fromkeys(at.desk.ops, OperationState.APPLIED))


async def answer_tom(at: Counter) -> None:
    await at.find("tom beck")
    await at.press("r")
    await at.type("It is billed")
    await at.press("enter")


async def test_whom_this_counter_answered_is_taken_off_the_centres_number_until_it_counts_them() -> (
    None
):
    async with counter() as at:
        counted(at, 14)
        first = at.strip
        await answer_tom(at)
        answered = at.strip
        arrived(at)
        counted(at, 13, after_s=10)
        known = at.strip
        await at.press("z", "y")
        back = at.strip
        arrived(at)
        counted(at, 14, after_s=20)

        assert "14 unanswered" in first
        assert "13 unanswered" in answered
        assert "13 unanswered" in known
        assert "14 unanswered" in back
        assert "14 unanswered" in at.strip


async def test_a_number_counted_while_an_answer_waits_for_the_line_still_has_whom_it_answers() -> (
    None
):
    async with counter() as at:
        at.desk.stand(network="centre_unreachable")
        counted(at, 14)
        await answer_tom(at)
        cut = at.strip
        at.desk.stand(now=NOW_US + 60 * SECOND_US)
        at.view.look()
        arrived(at)
        at.desk.stand(network="ok")
        counted(at, 15, after_s=30)
        await at.press("w")
        listed = at.screen
        counted(at, 14, after_s=70)

        assert "13 unanswered" in cut
        assert "All stores, 14 unanswered: X 19 (14 late)" in " ".join(listed.split())
        assert "14 unanswered" in at.strip


async def test_whoever_is_answered_in_time_is_not_taken_off_the_late_ones() -> None:
    asked = Interaction(
        "x:1", NOW_US - MINUTE_US, "x", "in", "Lena", "Open late?", due_at=NOW_US + HOUR_US,
    )  # fmt: skip
    async with counter(rows=told("lena", asked)) as at:
        counted(at, 14)
        await at.find("lena")
        await at.press("r")
        await at.type("Until eight")
        await at.press("enter", "w")

        assert "All stores, 14 unanswered: X 19 (14 late)" in " ".join(at.screen.split())


async def test_an_answer_the_centre_refused_answered_nobody() -> None:
    async with counter() as at:
        counted(at, 14)
        await answer_tom(at)
        at.desk.states["op-1"] = OperationState.REFUSED
        at.view.look()

        assert "14 unanswered" in at.strip


async def test_an_answer_taken_back_before_the_centre_counted_leaves_its_number_right() -> None:
    async with counter() as at:
        counted(at, 14)
        await answer_tom(at)
        await at.press("z", "y")

        assert "14 unanswered" in at.strip


async def test_who_was_answered_waits_again_in_the_list_as_soon_as_that_is_taken_back() -> None:
    async with counter() as at:
        await at.find("tom beck")
        await at.press("r")
        await at.type("It is billed")
        await at.press("enter", "w")
        answered = at.screen
        await at.press("z", "y")

        assert "Tom Becker  ! X," not in answered
        assert "Tom Becker  ! X, 6 days late" in at.screen


async def test_a_number_nobody_changes_is_right_again_after_the_time_counting_takes() -> None:
    async with counter() as at:
        counted(at, 14)
        await answer_tom(at)
        at.desk.stand(now=NOW_US + 2 * COUNTED_US)
        at.view.look()
        waits = at.strip
        arrived(at)
        at.desk.stand(now=NOW_US + 3 * COUNTED_US)
        at.view.look()

        assert "13 unanswered" in waits
        assert "14 unanswered" in at.strip


async def test_an_answer_within_the_24_hours_is_said_to_go_out() -> None:
    asked = Interaction("whatsapp:1", NOW_US - HOUR_US, "whatsapp", "in", "Lena", "Open late?")
    async with counter(rows=told("lena", asked)) as at:
        await at.find("lena")
        await at.press("r")
        await at.type("Until eight")
        await at.press("enter")

        assert "goes out by WhatsApp in 5 minutes" in at.notice("message")


@pytest.mark.parametrize("size", [SMALLEST, (80, 24)])
async def test_while_an_answer_is_written_it_says_who_reads_it_and_until_when_that_is_possible(
    size: tuple[int, int],
) -> None:
    asked = Interaction("whatsapp:1", NOW_US - HOUR_US, "whatsapp", "in", "Lena", "Open late?")
    mail = ContactPoint("lena-mail", "email", "lena@example.com")
    async with counter(size=size, rows=told("lena", asked, mail)) as at:
        await at.find("lena")
        await at.press("r")
        assert "CUSTOMER WILL READ THIS, by WhatsApp: 23 h left" in at.screen
        assert clipped(at.app) == []

        await at.press("f5")
        assert "CUSTOMER WILL READ THIS, by E-mail" in at.screen

        await at.press("f5")
        assert "SAID HERE to Lena Hoffmann: nothing is sent" in at.screen


async def test_an_answer_begun_survives_another_customer_and_a_note_beside_it() -> None:
    async with counter() as at:
        await at.find("priya")
        await at.press("r", "f5")
        await at.type("half a")
        await at.press("escape", "n")
        await at.type("internal")
        await at.press("escape", "f")
        await at.find("lena")
        await at.press("f")
        await at.pilot.pause()
        assert "Unsaved notes: Priya Raman" in at.screen

        await at.find("priya")
        assert "An unsent answer is kept. R continues it." in at.notice("message")
        await at.press("r")

        draft = at.view.query_one(NoteWriter).draft
        assert (draft.text, draft.channel) == ("half a", "email")
        assert at.desk.done == []


async def test_a_message_that_did_not_arrive_is_a_line_to_act_on() -> None:
    failed = Interaction(
        "m-1", NOW_US - HOUR_US, "whatsapp", "out", "Mira", "Ready at two",
        delivery="failed", delivery_reason="no such number",
    )  # fmt: skip
    mail = ContactPoint("priya-mail", "email", "priya@example.com")
    async with counter(rows=told("priya", failed, mail)) as at:
        await at.find("priya")
        assert "Not sent|WhatsApp|no such number" in at.entries("now")
        assert "Mira: Ready at two [NOT SENT: no such number]" in at.entries("timeline")

        await at.press("1")

        draft = at.view.query_one(NoteWriter).draft
        assert (draft.text, draft.channel) == ("Ready at two", "email")


# What was tried


async def test_what_failed_twice_needs_a_reason_to_be_tried_again() -> None:
    async with counter(size=SMALLEST) as at:
        await at.find("tom beck")
        await at.press("t")
        await at.pilot.pause()
        assert isinstance(at.app.screen, RemedyQuestion)
        assert "Not again without a reason: reset the password" in " ".join(at.screen.split())
        assert clipped(at.app) == []

        await at.press("down", "enter", "enter", "enter")
        assert "It failed 7 of 7 times. Say why it should help now." in " ".join(
            at.screen.replace("┃", " ").split()
        )
        assert at.desk.done == []

        await at.type("new phone")
        await at.press("enter", "enter")

        (done,) = at.desk.done
        assert isinstance(done.args, TryRemedy)
        assert done.args == TryRemedy(
            case=done.args.case,
            by=POST.clerk_name,
            text="reset the password",
            has_failed=True,
            reason="new phone",
        )
        assert "8 times, failed 8 times" in at.entries("told")


# Who waits


async def test_the_list_of_who_waits_opens_a_page_by_digit() -> None:
    watch = ChannelWatch(
        "whatsapp", 12, 3, oldest_at=NOW_US - 71 * HOUR_US, next_due_at=NOW_US - 47 * HOUR_US
    )
    async with counter(size=SMALLEST, rows=told("", watch)) as at:
        await at.press("f10")
        assert at.view.page == "waiting"
        assert "All stores, 3 unanswered: WhatsApp 12 (3 late, the" in at.screen
        assert "Who waits here: 1 unanswered, promises broken: 7" in at.screen
        assert " 1 Tom Becker  ! X, 6 days late" in at.screen
        assert clipped(at.app) == []
        assert "3 unanswered, all · " in at.screen.splitlines()[-1]

        await at.press("1")

        assert at.view.owner == "tom"


async def test_the_list_says_so_when_nobody_waits() -> None:
    async with counter(rows=told("", ChannelWatch("whatsapp", 0, 0))[-1:]) as at:
        await at.press("f10")

        assert "Nobody waits. Nothing is owed." in at.screen


# Who was sent here, and who is sent on


async def test_a_customer_sent_on_to_another_store_takes_the_card_along() -> None:
    async with counter(size=SMALLEST) as at:
        await at.find("tom beck")
        await at.press("g")
        await at.pilot.pause()
        assert "To " in at.screen
        assert clipped(at.app) == []

        await at.press("enter", "enter")
        assert "Say what is to be done there." in at.screen
        await at.type("sign the form")
        await at.press("enter", "enter")

        (done,) = at.desk.done
        assert isinstance(done.args, ReferCustomer)
        assert (done.args.text, done.args.by) == ("sign the form", POST.clerk_name)
        assert done.args.to in POST.stores
        assert done.args.to != POST.store
        assert "DO NOT OFFER AGAIN: reset the password" in done.args.card
        assert done.args.case


async def test_a_clerk_promises_by_a_time_people_say() -> None:
    async with counter(size=SMALLEST) as at:
        await at.find("tom beck")
        await at.press("d")
        await at.pilot.pause()
        assert "Until " in at.screen
        assert clipped(at.app) == []

        await at.press("enter", "enter")
        assert "Say what is promised." in at.screen
        await at.press("down")
        await at.type("we ring him")
        await at.press("enter", "enter")

        (done,) = at.desk.done
        assert isinstance(done.args, PromiseAnswer)
        assert (done.args.text, done.args.by) == ("we ring him", POST.clerk_name)
        assert done.args.due_at == due_choices(NOW_US, at.view._words.zone)[1]
        assert "promised until" in at.notice("message")


async def test_a_customer_sent_to_the_store_is_announced_once_opened_and_taken() -> None:
    async with counter() as at:
        at.desk.learn(row_of(REFERRAL, owner="tom", as_of=NOW_US, source="phone"))
        at.desk.stand(now=NOW_US + OPEN_EVERY_US)
        at.view.look()
        assert at.notice("here") == (
            "+ Tom Becker was sent to us by Ana (call centre): show the form."
            " F4 opens the page."
        )

        await at.press("f4")
        assert at.view.owner == "tom"
        await at.press("1", "y")

        assert at.desk.done[-1].args == TakeReferral(referral="r-1", by=POST.clerk_name)
        assert "Sent to us||taken by Mira (Harbour): show the form" in at.entries("now")

        await at.press("1", "y")
        assert at.desk.done[-1].args == TakeReferral(
            referral="r-1", by=POST.clerk_name, is_done=True
        )
        assert "Sent to us" not in at.entries("now")


# Who may be one


async def test_two_who_are_one_person_are_joined_after_one_question() -> None:
    async with counter(rows=told("lena", ALIKE)) as at:
        await at.find("lena")
        await at.press("2")
        assert isinstance(at.app.screen, AlikeQuestion)
        assert "Are Lena Hoffmann and L. Hoffmann one person?" in at.screen
        assert "same phone" in at.screen

        await at.press("y")

        (done,) = at.desk.done
        assert done.args == JoinCustomers(other="c-9", why="staff: same phone")
        assert "Same person?" not in at.entries("now")
        assert "Z takes it back" in at.notice("message")


async def test_two_people_stay_two_and_the_question_can_be_asked_again() -> None:
    async with counter(rows=told("lena", ALIKE)) as at:
        await at.find("lena")
        await at.press("2")
        await at.pilot.pause()
        await at.press("n")
        (declined,) = at.desk.done
        assert declined.args == DeclineLikeness(other="c-9")

        assert "Same person?" not in at.entries("now")
        await at.press("z")
        await at.pilot.pause()
        await at.press("y")

        assert at.desk.done[-1].args == JoinCustomers(other="c-9", why="staff: same phone")


async def test_enter_decides_nothing_about_two_who_look_alike() -> None:
    async with counter(rows=told("lena", ALIKE)) as at:
        await at.find("lena")
        await at.press("2", "enter")

        assert at.desk.done == []
