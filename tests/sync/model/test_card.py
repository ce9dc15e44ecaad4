"""The hand-over card: whoever serves a customer next knows what they told us, what we owe them and what not to offer again."""

import unicodedata
from datetime import timedelta, timezone

import pytest

from sync.model import promises
from sync.model.card import (
    STAFF_ONLY,
    Card,
    card_lines,
    card_of,
    card_rows,
    card_slip,
    card_text,
)
from sync.model.profile import Profile
from sync.model.records import (
    Case,
    Customer,
    Interaction,
    Order,
    OrderLine,
    Pickup,
    Promise,
    Record,
    Referral,
    Remedy,
    Server,
    Serving,
    Store,
    Told,
)
from tests.support import shop

NOW = shop.NOON
MINUTE = 60_000_000
HOUR = 60 * MINUTE
DAY = 24 * HOUR
TOM = "tom"


def card(*bodies: Record, now: int = NOW, viewer: str = "", ages: int = HOUR) -> Card:
    rows = tuple(shop.row(body, owner=TOM, as_of=now - ages) for body in bodies)
    return card_of(Profile(TOM, rows), now=now, viewer=viewer)


def contact(index: int, **fields: object) -> Interaction:
    values: dict[str, object] = {
        "id": f"c{index}", "at": NOW - 5 * DAY + index * HOUR, "channel": "phone", "direction": "in", "by": "Tom",
        "text": "again", "topic": "password reset", "answered_at": NOW,
    }  # fmt: skip
    return Interaction(**(values | fields))  # type: ignore[arg-type]  # as the struct has them


def bill(**fields: object) -> Case:
    values: dict[str, object] = {
        "id": "k1", "number": "C-4711", "state": "open", "topic": "bill his employer", "opened_at": NOW - 3 * DAY,
        "channel": "phone",
        "promise": Promise(by="Ana", text="an answer on the bill", due_at=NOW - 50 * HOUR),
        "told": (Told("Employer", "Brightwater", "phone", NOW - 3 * DAY), Told("Card", "ends 4471", "x", NOW)),
        "missing": ("the payer's consent",),
        "tried": (Remedy("reset the password", 7, 7), Remedy("call the bank", 1, 1)),
        "payer": "Acme", "next_step": "ask Brightwater",
    }  # fmt: skip
    return Case(**(values | fields))  # type: ignore[arg-type]  # as the struct has them


PERSON = Customer(id=TOM, given_name="Tom", family_name="Becker")


def test_toms_card_says_all_that_nobody_may_ask_him_again() -> None:
    calls = [contact(index) for index in range(7)]
    made = card(PERSON, bill(), *calls)

    assert card_text(made).splitlines() == [
        "Tom Becker, last change 11:00",
        "PROMISED by Ana until Mon 10:00, 2 days late: an answer on the bill",
        "C-4711 bill his employer (phone, Sun)",
        "have 1/3 Employer: Brightwater (phone, Sun)",
        "have 2/3 Card: ends 4471 (X, today)",
        "MISSING: the payer's consent",
        "DO NOT OFFER AGAIN: reset the password (failed 7 of 7; needs a reason)",
        "tried: call the bank (failed 1 of 1)",
        "pays: Acme",
        "NEXT: ask Brightwater",
        "phone: password reset x7, last Fri 18:00",
        "Built from 1 case, 1 customer, 7 interactions.",
    ]


def promised_again(**fields: object) -> Case:
    """Broken two days ago, and promised again since by somebody else."""
    newer = Promise(
        "Ben", "an answer by mail", NOW + 3 * HOUR, op="b", at=NOW - HOUR, place="harbour"
    )
    return promises.with_promise(bill(**fields), newer)


def test_a_promise_that_was_broken_stays_to_be_read_when_somebody_promises_again() -> None:
    harbour = shop.row(Store("harbour", "Harbour"), owner="")
    rows = [shop.row(body, owner=TOM) for body in (PERSON, promised_again())]
    made = card_of(Profile(TOM, (*rows, harbour)), now=NOW)

    first, again = (line for line in made.lines if line.part == "promised")
    assert first.text == "PROMISED by Ana until Mon 10:00, 2 days late: an answer on the bill"
    assert again.text == (
        "PROMISED AGAIN by Ben in Harbour until 15:00 (promised 2 times, 1 broken): an answer by mail"
    )
    assert (first.tone, again.tone) == ("alert", "plain")
    for said in (card_text(made), " ".join(card_slip(made).split())):
        assert "promised 2 times, 1 broken" in said
    assert "2 days late" in " ".join(" ".join(card_lines(made)).split())


def test_a_promise_that_was_moved_in_time_says_that_none_was_broken() -> None:
    soon = bill(promise=Promise("Ana", "a call", NOW + HOUR, op="a", at=NOW - HOUR))
    moved = promises.with_promise(
        soon, Promise("Ana", "a call", NOW + 4 * HOUR, op="b", at=NOW)
    )

    (line,) = (line for line in card(PERSON, moved).lines if line.part == "promised")

    assert line.text == "PROMISED by Ana until 16:00 (promised 2 times, none broken): a call"


def test_it_names_the_rows_it_was_built_from_and_is_as_new_as_the_newest() -> None:
    rows = (
        shop.row(PERSON, owner=TOM, as_of=NOW - MINUTE),
        shop.row(bill(), owner=TOM, as_of=NOW - 2 * HOUR),
        shop.row(Order("W-1", NOW, "web", "paid", (), 1), owner=TOM, as_of=NOW),
    )
    made = card_of(Profile(TOM, rows), now=NOW)

    assert made.keys == ("case/k1", "customer/tom")
    assert made.as_of == NOW - MINUTE  # of the order nothing is said
    assert all(line.keys == ("case/k1",) for line in made.lines)


def test_what_ran_out_first_stands_first_and_is_an_alert() -> None:
    later = bill(id="k2", number="C-2", promise=Promise("Ben", "a call", NOW + HOUR))
    kept = bill(id="k3", number="C-3", promise=Promise("Cleo", "a mail", 1, kept_at=2))

    lines = [line for line in card(kept, later, bill()).lines if line.part == "promised"]

    assert [(line.text.split()[2], line.tone) for line in lines] == [
        ("Ana", "alert"),
        ("Ben", "plain"),
    ]


def test_what_nobody_answered_is_said_with_its_channel_and_age_and_once_a_channel() -> None:
    waiting = [
        contact(
            at, answered_at=0, due_at=NOW - 2 * HOUR, channel="whatsapp", text=f"hello {at}"
        )
        for at in (1, 2)
    ]
    (line,) = (line for line in card(*waiting).lines if line.part == "waiting")

    assert line.text == 'NOT ANSWERED: WhatsApp of Fri 13:00 (2 of them), 2 h late: "hello 1"'
    assert line.keys == ("interaction/c1", "interaction/c2")


def test_what_came_by_sms_is_told_as_such() -> None:
    sms = contact(1, form="sms", answered_at=0, due_at=NOW + DAY, topic="")

    waiting, contacts = (line.text for line in card(sms).lines)

    assert waiting.startswith("NOT ANSWERED: SMS of ")
    assert contacts.startswith("SMS: 1 contact")


def test_what_did_not_arrive_is_said_until_something_did() -> None:
    def sent(index: int, delivery: str, channel: str = "whatsapp") -> Interaction:
        return contact(
            index, direction="out", delivery=delivery, channel=channel, text="it is ready",
            delivery_reason="no such number" if delivery == "failed" else "",
        )  # fmt: skip

    said = [line.text for line in card(sent(1, "failed"), sent(2, "delivered", "email")).lines]

    assert said == ['NOT DELIVERED: WhatsApp of Fri 13:00 (no such number): "it is ready"']
    (unsure,) = card(sent(1, "unsure")).lines
    assert unsure.text == 'NOT SURE IT ARRIVED: WhatsApp of Fri 13:00: "it is ready"'
    assert card(sent(1, "failed"), sent(2, "delivered")).lines == ()
    assert len(card(sent(2, "failed"), sent(1, "delivered")).lines) == 1


def test_what_a_program_sent_is_nobodys_contact() -> None:
    assert card(contact(1, is_automatic=True, answered_at=0, due_at=1)).lines == ()


def test_who_serves_now_is_told_to_everybody_else_and_only_while_it_lasts() -> None:
    ana = Server("ana", "Ana (call centre)", "chat", NOW - MINUTE, NOW + 9 * MINUTE)
    gone = Server("ben", "Ben", "store", NOW - HOUR, NOW - 1)
    serving = Serving(TOM, (gone, ana))

    said = [line.text for line in card(serving).lines]

    assert said == ["Ana (call centre) is on this now in chat, since 11:59"]
    assert card(serving, viewer="ana").lines == ()


def test_a_solved_case_and_what_was_taken_back_are_not_told() -> None:
    solved, back = bill(state="solved"), bill(id="k2", state="taken_back")

    assert card(solved, back, contact(1, taken_back_at=NOW)).lines == ()


def test_a_parcel_and_a_referral_say_where_in_the_words_of_the_shop() -> None:
    made = card(
        Store(id="harbour", name="Harbour"),
        Pickup(id="p", order="W-1", store="harbour", state="ready"),
        Pickup(id="q", order="W-2", store="harbour", state="handed_over"),
        Referral("r", "harbour", "Ana", "show the bill", NOW, due_at=NOW + HOUR),
        Referral("s", "harbour", "Ana", "old", NOW, state="done"),
    )

    assert [line.text for line in made.lines] == [
        "REFERRED to Harbour for 13:00 (sent by Ana): show the bill",
        "parcel W-1 waits in Harbour",
    ]


def test_a_present_is_marked_for_staff_and_never_stands_on_paper() -> None:
    present = Order("W-9", NOW, "web", "paid", (OrderLine("p", "ring"),), 1, sensitivity="gift")
    made = card(
        PERSON,
        present,
        contact(1, about="order/W-9", text="is the ring there?", topic="ring", answered_at=0, due_at=NOW + 1),
        contact(2, sensitivity="sensitive", topic="test result"),
        contact(3),
    )  # fmt: skip

    secret = [line for line in made.lines if line.is_staff_only]
    assert [line.part for line in secret] == ["waiting", "contacts", "contacts"]
    marked = [row for row in card_text(made).splitlines() if row.startswith(STAFF_ONLY)]
    assert [row.removeprefix(f"{STAFF_ONLY} ") for row in marked] == [it.text for it in secret]
    slip = card_slip(made)
    assert not any(word in slip for word in ("ring", "test result"))
    assert "3 lines for staff only: see the screen." in " ".join(slip.split())
    assert "password reset" in slip


@pytest.mark.parametrize(("width", "height"), [(53, 17), (38, 9), (20, 3), (120, 40)])
def test_it_fits_the_screen_and_says_how_many_lines_it_left_out(
    width: int, height: int
) -> None:
    made = card(
        PERSON, bill(), bill(id="k2"), *(contact(at, topic=f"t{at}") for at in range(9))
    )

    rows = card_rows(made, width, height)

    assert len(rows) <= height
    assert max(len(row.text) for row in rows) <= width
    n_shown = len({row.text for row in rows}) - 2
    if n_shown < len(made.lines) and height < 40:
        assert rows[-1].text.split()[1:4] in (
            ["lines", "left", "out;"],
            ["lines", "left", "out..."],
        )


def test_what_is_pressing_stays_where_there_is_little_room() -> None:
    shown = " ".join(card_lines(card(PERSON, bill(), *(contact(at) for at in range(7))), 53, 7))

    assert all(
        word in shown for word in ("PROMISED", "MISSING", "C-4711", "NOT OFFER", "left out")
    )
    assert "password reset x7" not in shown


def test_a_promise_that_ran_out_is_not_cut_while_others_can_be() -> None:
    text = "an answer on the bill of his telephone"
    over = bill(promise=Promise("Ana", text, NOW - HOUR))
    soon = bill(promise=Promise("Ana", text, NOW + HOUR))

    assert text in " ".join(" ".join(card_lines(card(over), 53, 7)).split())
    assert text not in " ".join(" ".join(card_lines(card(soon), 53, 7)).split())


@pytest.mark.parametrize(("width", "height"), [(80, 12), (53, 17)])
def test_what_was_promised_again_is_whole_on_a_full_screen(width: int, height: int) -> None:
    made = card(PERSON, promised_again(), *(contact(at, topic=f"t{at}") for at in range(9)))

    shown = " ".join(" ".join(card_lines(made, width, height)).split())

    assert "left out" in shown
    assert "until 15:00 (promised 2 times, 1 broken): an answer by mail" in shown


TWO_LINES = (
    "an answer whether the employer of his is billed for the telephone as well, and since when"
)


def twice_promised() -> Case:
    """As long as promises are in a shop, with a checklist of four and one remedy struck out."""
    facts = tuple(
        Told(label, "as he told us before", "phone", NOW - DAY)
        for label in ("Who pays", "Card", "What")
    )
    by = "Ana (call centre)"
    first = Promise(by, TWO_LINES, NOW - 50 * HOUR, op="a", at=NOW - 90 * HOUR)
    newer = Promise(by, TWO_LINES, NOW + HOUR, op="b", at=NOW - HOUR)
    return promises.with_promise(bill(promise=first, told=facts, payer=""), newer)


@pytest.mark.parametrize(("width", "height"), [(78, 11), (78, 13), (53, 11)])
def test_no_promise_takes_the_room_of_the_checklist_or_of_what_is_struck_out(
    width: int, height: int
) -> None:
    made = card(PERSON, twice_promised(), *(contact(at, topic=f"t{at}") for at in range(9)))

    shown = card_lines(made, width, height)

    begins = [row[:8] for row in shown]
    for line in (
        "PROMISED",
        "C-4711 b",
        "have 1/4",
        "have 2/4",
        "have 3/4",
        "MISSING:",
        "DO NOT O",
    ):
        assert line in begins
    assert any(row.startswith("PROMISED AGAIN") for row in shown)


def test_what_is_struck_out_stays_on_the_smallest_card() -> None:
    shown = card_lines(card(PERSON, twice_promised()), 53, 7)

    assert [row[:8] for row in shown[1:-1]] == [
        "PROMISED", "PROMISED", "C-4711 b", "MISSING:", "DO NOT O"
    ]  # fmt: skip


def test_where_not_all_facts_have_room_the_first_promise_is_whole_and_no_other() -> None:
    shown = card_lines(card(PERSON, twice_promised()), 53, 10)

    assert [row[:8] for row in shown[1:-1]] == [
        "PROMISED", "  late: ", "PROMISED", "C-4711 b", "have 1/4", "MISSING:", "DO NOT O", "NEXT: as"
    ]  # fmt: skip


def erasure(**fields: object) -> Case:
    asked = Promise(
        "kiosk", "Asked at the kiosk that all we know of them is deleted.", NOW + 30 * DAY,
        op="e", at=NOW, place="harbour",
    )  # fmt: skip
    values: dict[str, object] = {
        "id": "e", "number": "C-9", "state": "open", "topic": "erasure", "opened_at": NOW, "channel": "store",
        "promise": asked, "next_step": "erasure",
    }  # fmt: skip
    return Case(**(values | fields))  # type: ignore[arg-type]  # as the struct has them


def test_a_wish_to_be_forgotten_is_one_line_and_no_promise_of_a_case() -> None:
    said = [line for line in card(PERSON, bill(), erasure()).lines if line.keys == ("case/e",)]

    assert [(line.part, line.text) for line in said] == [
        ("forget", "WANTS TO BE FORGOTTEN (store, today): to be deleted until 6 Feb 12:00")
    ]


def test_a_wish_another_system_told_of_has_a_month_from_then() -> None:
    told = erasure(
        topic="wants to be forgotten", promise=None, channel="web", opened_at=NOW - 31 * DAY,
        next_step="decide, then erase",
    )  # fmt: skip

    (line,) = card(told).lines

    assert line.text == (
        "WANTS TO BE FORGOTTEN (web, 7 Dec 2025): to be deleted until Tue 12:00, 24 h late"
    )
    assert line.tone == "alert"


def test_a_wish_to_be_forgotten_goes_before_the_checklist_does() -> None:
    shown = card_lines(card(PERSON, twice_promised(), erasure()), 78, 11)

    begins = [row[:8] for row in shown]
    assert "have 3/4" in begins
    assert "WANTS TO" not in begins


def test_what_ran_out_stays_longest() -> None:
    over = bill(id="k1", missing=())
    later = bill(
        id="k2", number="C-2", promise=Promise("Ben", "a call", NOW + HOUR), missing=()
    )
    patient = contact(1, answered_at=0, due_at=NOW + DAY, channel="email")
    hasty = contact(2, answered_at=0, due_at=NOW - 1, channel="whatsapp")

    assert "PROMISED by Ana" in card_lines(card(later, over), 53, 3)[1]
    assert "WhatsApp" in card_lines(card(patient, hasty), 53, 3)[1]


def test_with_room_enough_nothing_is_left_out_or_cut() -> None:
    made = card(PERSON, bill(), contact(1, text="x " * 60, answered_at=0, due_at=1))

    shown = " ".join(" ".join(card_lines(made, 200, 60)).split())

    assert all(" ".join(line.text.split()) in shown for line in made.lines)
    assert "left out" not in shown


def test_foreign_text_cannot_break_the_screen() -> None:
    hostile = "a\x1b[2J\u202eb\r\n\0c\ud800\u200d" + "word" * 100 + "漢字" * 40
    made = card(
        Customer(id=TOM, given_name=hostile),
        bill(topic=hostile, number=hostile, missing=(hostile,), payer=hostile, channel=hostile),
        contact(1, topic=hostile, channel=hostile, text=hostile, answered_at=0, due_at=1),
    )

    for text in (*card_lines(made), *card_text(made).split("\n"), *card_slip(made).split("\n")):
        assert not any(unicodedata.category(sign)[0] == "C" for sign in text), text
    for row in card_lines(made):
        assert sum(1 + (unicodedata.east_asian_width(sign) in "WF") for sign in row) <= 53


def test_times_are_those_of_the_place_where_it_is_read() -> None:
    rows = (shop.row(bill(), owner=TOM, as_of=NOW),)
    made = card_of(Profile(TOM, rows), now=NOW, zone=timezone(timedelta(hours=2)))

    assert "until Mon 12:00" in made.lines[0].text


def test_nobody_known_is_said() -> None:
    made = card()

    assert card_text(made) == "tom, nothing is known here\nBuilt from no row."
    assert len(card_lines(made)) == 2


def test_it_shows_nothing_of_a_customer_in_a_traceback() -> None:
    assert "Becker" not in repr(card(PERSON, bill()))
    assert "Brightwater" not in repr(card(PERSON, bill()))
