"""What the counter shows of a customer."""

import unicodedata
from dataclasses import replace

import msgspec
import pytest

from kiosk.core import counter, counter_thread
from kiosk.core.carried import Carried
from kiosk.core.counter_card import beside_card, card_entries, counter_card
from kiosk.core.entries import Entry, Opened, Telling, Tone, found
from kiosk.core.ports import Unsettled
from kiosk.core.staff_words import DAY_US, HOUR_US
from kiosk.core.wording.catalogue import sentence_of
from sync.model import promises
from sync.model.card import whole_lines
from sync.model.operation import Evidence, OperationState
from sync.model.profile import Profile
from sync.model.records import (
    Account,
    Allowance,
    Band,
    Case,
    Customer,
    Entitlement,
    Interaction,
    Offer,
    Order,
    OrderLine,
    Pickup,
    Price,
    Product,
    Promise,
    Record,
    Remedy,
    Side,
    Stock,
    Told,
)
from sync.model.row import row_of
from sync.model.thread_parts import Part, PartKind
from tests.support import hostile
from tests.support.demo_side import NOW_US, POST, WORDS, profile

TELL = Telling(WORDS, POST, NOW_US)
TAPPED = Opened(Evidence("A2", "mutual", "band"))


def held(*bodies: Record, owner: str = "lena") -> Profile:
    return Profile(
        owner, tuple(row_of(one, owner=owner, as_of=NOW_US, source="web") for one in bodies)
    )


def sheet(
    of: Profile, *, opened: Opened = TAPPED, is_unfolded: bool = False, tell: Telling = TELL
) -> counter.Sheet:
    return counter.sheet_of(of, tell=tell, opened=opened, is_unfolded=is_unfolded)


def knowing(*bodies: Record) -> Telling:
    """With rows of no customer at hand."""
    rows = {row.key: row for row in held(*bodies).rows}
    return Telling(WORDS, POST, NOW_US, held=rows.get)


def said(entries: tuple[Entry, ...]) -> str:
    return "\n".join(f"{one.label} | {one.lead} | {one.text}" for one in entries)


def contact(number: int, **changes: object) -> Interaction:
    first = Interaction(
        id=f"i{number}", at=NOW_US - number * HOUR_US, channel="phone", direction="in", by="Lena",
        text=f"text {number}",
    )  # fmt: skip
    return msgspec.structs.replace(first, **changes)


def case(**changes: object) -> Case:
    first = Case(
        id="c1", number="C-1", state="open", topic="late parcel", opened_at=NOW_US - DAY_US, channel="phone"
    )  # fmt: skip
    return msgspec.structs.replace(first, **changes)


def parcel(**changes: object) -> Pickup:
    first = Pickup(
        id="p1", order="W-1", store="harbour", state="ready", shelf="C7", n_items=2, ready_at=NOW_US - HOUR_US
    )  # fmt: skip
    return msgspec.structs.replace(first, **changes)


# Now


def test_a_parcel_that_lies_here_stands_first_with_its_shelf_and_a_digit() -> None:
    of = held(case(next_step="call"), parcel())

    first = sheet(of).now[0]

    assert (first.tone, first.digit, first.lead) == (Tone.READY, "1", "Shelf C7")


def test_parcels_have_digits_from_the_longest_waiting_on() -> None:
    of = held(
        parcel(id="new", order="W-2"), parcel(id="old", order="W-3", ready_at=NOW_US - DAY_US)
    )

    parcels = sheet(of).parcels

    assert [(one.digit, one.order) for one in parcels] == [("1", "W-3"), ("2", "W-2")]


def test_a_tenth_parcel_waits_until_another_is_handed_over() -> None:
    of = held(*(parcel(id=f"p{index}", order=f"W-{index}") for index in range(10)))

    parcels = sheet(of).parcels

    assert [one.digit for one in parcels] == list("123456789")


@pytest.mark.parametrize("change", [{"store": "market"}, {"state": "expected"}])
def test_a_parcel_that_is_not_here_is_told_last_and_cannot_be_handed_over(
    change: dict[str, str],
) -> None:
    of = held(parcel(**change), case(next_step="call"))

    result = sheet(of)

    assert result.parcels == ()
    assert (result.now[-1].tone, result.now[-1].digit) == (Tone.MUTED, "")


def test_a_parcel_our_own_clerk_handed_over_names_the_clerk() -> None:
    of = held(parcel(state="handed_over", handed_over_at=NOW_US, handed_over_by="mira"))

    assert "in Harbour by Mira (Harbour)" in said(sheet(of).timeline)


def test_what_others_recorded_names_them_where_we_know_their_name() -> None:
    post = replace(POST, staff={"ben": "Ben", "mira": "Mira"})
    of = held(
        parcel(state="handed_over", handed_over_at=NOW_US, handed_over_by="ben"),
        parcel(id="p2", state="handed_over", handed_over_at=NOW_US, handed_over_by="mira"),
    )

    timeline = said(sheet(of, tell=Telling(WORDS, post, NOW_US)).timeline)

    assert "in Harbour by Ben" in timeline
    assert "in Harbour by Mira\n" in f"{timeline}\n"


def test_what_is_too_long_for_an_operation_is_shown_and_left_out_of_it() -> None:
    long = "W" * 81
    of = held(parcel(order=long), parcel(id=long), case(id=long), case(id="c2", opened_at=1))

    result = sheet(of)

    assert [(one.pickup, one.order) for one in result.parcels] == [("p1", "")]
    assert result.case == "c2"


def test_a_parcel_handed_over_waits_no_more_and_stands_in_the_timeline() -> None:
    of = held(
        parcel(
            state="handed_over",
            handed_over_at=NOW_US,
            handed_over_by="ben",
            handed_over_store="market",
        )
    )

    result = sheet(of)

    assert result.parcels == ()
    assert "2 items of order W-1 handed over in Market by ben" in said(result.timeline)


def test_a_promise_past_its_time_says_how_late_it_is_and_who_made_it() -> None:
    promise = Promise(by="Ana", text="call back.", due_at=NOW_US - 21 * HOUR_US)

    entry = sheet(held(case(promise=promise))).now[0]

    assert (entry.label, entry.lead, entry.tone) == ("Owed", "21 h late", Tone.ALERT)
    assert "Ana promised: call back, by yesterday 17:02" in entry.text


def test_a_promise_made_again_leaves_the_broken_one_to_be_read() -> None:
    broken = case(promise=Promise(by="Ana", text="call back", due_at=NOW_US - 21 * HOUR_US))
    newer = Promise("Ben", "a mail", NOW_US + HOUR_US, op="b", at=NOW_US)

    result = sheet(held(promises.with_promise(broken, newer)))

    assert (result.now[0].lead, result.now[0].tone) == ("21 h late", Tone.ALERT)
    assert (result.now[1].lead, result.now[1].text) == (
        "again by today 15:02", "Ben promised: a mail (promised 2 times, 1 broken)",
    )  # fmt: skip
    first, again = (it for it in result.told if it.label in ("Promised", "Again"))
    assert (first.text, first.tone) == (
        "Ana: call back, by yesterday 17:02. 21 h late",
        Tone.ALERT,
    )
    assert again.text == "Ben: a mail, by today 15:02 (promised 2 times, 1 broken)"


def test_a_promise_still_in_time_is_no_alarm() -> None:
    promise = Promise(by="Ana", text="call back", due_at=NOW_US + HOUR_US)

    entry = sheet(held(case(promise=promise))).now[0]

    assert (entry.lead, entry.tone) == ("by today 15:02", Tone.PLAIN)


def test_a_promise_that_was_kept_is_owed_no_more() -> None:
    promise = Promise(by="Ana", text="call back", due_at=NOW_US - HOUR_US, kept_at=NOW_US)

    result = sheet(held(case(promise=promise)))

    assert "Owed" not in said(result.now)
    assert "Ana: call back. Kept today 14:02" in said(result.told)


def test_contacts_nobody_answered_are_one_line_a_channel_as_late_as_the_oldest() -> None:
    due = NOW_US - HOUR_US
    of = held(
        contact(71, channel="whatsapp", due_at=due),
        contact(2, channel="whatsapp", due_at=NOW_US + HOUR_US, text="hello?"),
        contact(3, channel="x", due_at=due, answered_at=NOW_US),
    )

    entries = [one for one in sheet(of).now if one.label == "Unanswered"]

    assert [(one.lead, one.text) for one in entries] == [("WhatsApp, 60 min late", "hello?")]


def test_a_contact_whose_answer_is_not_due_yet_says_until_when() -> None:
    of = held(contact(1, due_at=NOW_US + HOUR_US))

    entry = sheet(of).now[0]

    assert (entry.label, entry.lead) == ("To answer", "Phone, by today 15:02")
    assert entry.tone is Tone.PLAIN


@pytest.mark.parametrize(("n_failed", "is_struck"), [(1, False), (2, True)])
def test_a_remedy_that_failed_twice_is_struck_out(n_failed: int, is_struck: bool) -> None:
    of = held(case(tried=(Remedy("reset the password", n_tried=3, n_failed=n_failed),)))

    result = sheet(of)

    assert any(one.tone is Tone.STRUCK for one in result.now) is is_struck
    assert any(one.tone is Tone.STRUCK for one in result.told) is is_struck


def test_the_one_thing_still_missing_is_the_only_thing_to_ask() -> None:
    entry = sheet(held(case(missing=("the payer's consent",)))).now[0]

    assert (entry.label, entry.lead, entry.tone) == (
        "Ask only",
        "the payer's consent",
        Tone.ASK,
    )


def test_a_blocked_band_is_told_only_while_no_other_works() -> None:
    lost = Band(id="b1", state="blocked", label="blue band")
    spare = Band(id="b2", state="active")

    assert sheet(held(lost)).now[0].lead == "blue band"
    assert "blocked" not in said(sheet(held(lost, spare)).now)


def test_a_collision_tells_both_sides_and_what_to_try() -> None:
    first = Side(op="o1", store="market", by="Ines", to="", at=NOW_US - DAY_US)
    second = Side(op="o2", store="harbour", by="Mira", to="her husband", at=NOW_US)
    of = held(case(clash="handed_over_twice", sides=(first, second)))

    entry = sheet(of).now[0]

    assert entry.text == (
        "handed over twice: yesterday 14:02 in Market by Ines; and today 14:02 in Harbour by Mira, to her husband."
        " Call them, or hand to a supervisor."
    )


JACKET = (
    Product(id="jacket", title="Rain jacket", category="clothes"),
    Stock(id="jacket@web", product="jacket", place="web", count=3, counted_at=NOW_US),
    Stock(id="jacket@harbour", product="jacket", place="harbour", count=0, counted_at=NOW_US - DAY_US),
    Price(id="jacket@web", product="jacket", channel="web", amount_minor=4100),
    Price(id="jacket@store", product="jacket", channel="store", amount_minor=4500),
)  # fmt: skip


@pytest.mark.parametrize(
    "reason",
    [
        Offer(id="o", title="Rain jacket", reason="", product="jacket"),
        Order(id="W-1", at=NOW_US, channel="web", state="paid", lines=(OrderLine("jacket", "Rain jacket"),), total_minor=1),
    ],
)  # fmt: skip
def test_where_web_and_shop_differ_about_what_they_come_for_the_clerk_sees_both(
    reason: Record,
) -> None:
    entry = sheet(held(reason), tell=knowing(*JACKET)).now[0]

    assert (entry.label, entry.lead, entry.tone) == ("Differs", "Rain jacket", Tone.ALERT)
    assert entry.text == (
        "web says 3, counted 0 here (yesterday 14:02); 41.00 EUR on the web, 45.00 EUR here: the lower counts"
    )


@pytest.mark.parametrize(
    "no_reason",
    [
        Offer(id="o", title="Rain jacket", reason="", product="jacket", until=NOW_US - 1),
        Offer(id="o", title="Umbrella", reason="", product="umbrella"),
        Order(id="W-1", at=NOW_US, channel="web", state="cancelled", lines=(OrderLine("jacket", "J"),), total_minor=1),
        Order(id="W-1", at=NOW_US - 61 * DAY_US, channel="web", state="paid", lines=(OrderLine("jacket", "J"),), total_minor=1),
    ],
)  # fmt: skip
def test_what_they_do_not_come_for_may_differ(no_reason: Record) -> None:
    assert "Differs" not in said(sheet(held(no_reason), tell=knowing(*JACKET)).now)


def test_what_web_and_shop_say_alike_is_no_trouble() -> None:
    of = held(Offer(id="o", title="Rain jacket", reason="", product="jacket"))
    alike = (JACKET[0], msgspec.structs.replace(JACKET[1], count=0), *JACKET[2:4])

    assert "Differs" not in said(sheet(of, tell=knowing(*alike)).now)


def test_tickets_that_still_hold_are_told_and_used_ones_are_not() -> None:
    of = held(
        Entitlement(id="e1", title="Kite workshop", kind="ticket", until=NOW_US + HOUR_US, n_left=1),
        Entitlement(id="e2", title="Used", kind="ticket", n_left=0),
        Entitlement(id="e3", title="Over", kind="ticket", until=NOW_US),
    )  # fmt: skip

    assert said(sheet(of).now) == "Ticket | Kite workshop | until today 15:02, 1 left"


def test_a_childs_guardian_is_named_and_the_household_stands_there() -> None:
    of = held(Customer(id="ama", given_name="Ama", guardian="sam", household="okafor"))
    sam = Customer(id="sam", given_name="Sam", family_name="Okafor")

    rows = [(one.label, one.lead) for one in sheet(of, tell=knowing(sam)).now]

    assert rows[1:] == [("Guardian", "Sam Okafor"), ("Household", "okafor")]


def test_nothing_to_do_is_said() -> None:
    result = sheet(held(Customer(id="lena", given_name="Lena")))

    assert said(result.now) == " |  | Nothing waits and nothing is owed."


# How sure we are


def test_after_a_proved_tap_nobody_asks_for_an_identity_document() -> None:
    result = sheet(held(parcel()))

    assert result.parcels[0].evidence == Evidence("A2", "mutual", "band")
    assert result.parcels[0].yes == "Handed over"


@pytest.mark.parametrize("opened", [found("name"), Opened(Evidence("A1", "capsule", ""))])
def test_without_a_proved_band_a_parcel_goes_out_only_after_an_identity_document(
    opened: Opened,
) -> None:
    result = sheet(held(parcel()), opened=opened)

    assert result.parcels[0].evidence.proof == "id_seen"
    assert "See their ID" in "\n".join(result.parcels[0].question)
    assert result.parcels[0].yes == "ID seen, handed over"


def test_what_a_clerk_does_after_a_tap_is_vouched_for_by_staff_with_the_band_beside_it() -> (
    None
):
    assert TAPPED.by_staff == Evidence("S1", "mutual", "band")


# Header


def test_the_header_says_language_and_preferred_channel() -> None:
    of = held(
        Customer(id="lena", given_name="Lena", family_name="Hoffmann", language="de-AT", preferred_channel="whatsapp", tier="gold"),
        Account(id="a", points=1120),
    )  # fmt: skip

    result = sheet(of)

    assert (result.name, result.standing) == ("Lena Hoffmann", "gold, 1,120 points")
    assert result.about == "band proved · speaks German · reach by WhatsApp"


@pytest.mark.parametrize(
    ("balance", "said"), [(1, "1 point"), (0, "0 points"), (2, "2 points")]
)
def test_one_point_is_one_point(balance: int, said: str) -> None:
    assert sheet(held(Account(id="a", points=balance))).standing == said


def test_somebody_whose_person_is_not_held_here_is_said_to_be_so() -> None:
    result = sheet(held(parcel()))

    assert result.name == "Customer not held here"
    assert "Call the centre" in result.about


def test_a_child_is_marked() -> None:
    result = sheet(held(Customer(id="ama", given_name="Ama", guardian="sam")))

    assert "the guardian decides" in result.about


# Told


def test_facts_told_name_their_channel_and_time_so_that_nobody_asks_again() -> None:
    of = held(case(told=(Told("Card", "ending 4471", "x", NOW_US - HOUR_US),)))

    assert "Card |  | ending 4471 (X, today 13:02)" in said(sheet(of).told)


def test_the_payer_is_named_once() -> None:
    told = (Told("Who pays", "Brightwater Ltd, his employer", "phone", NOW_US),)

    assert (
        said(sheet(held(case(payer="Brightwater Ltd", told=told))).told).count("Brightwater")
        == 1
    )
    assert said(sheet(held(case(payer="Brightwater Ltd"))).told).count("Brightwater") == 1


def test_open_cases_stand_before_solved_ones_and_a_solved_one_is_one_line() -> None:
    solved = case(id="c2", number="C-2", state="solved", opened_at=NOW_US, missing=("a photo",))

    told = sheet(held(solved, case())).told

    assert [one.label for one in told] == ["C-1", "C-2"]


def test_a_note_belongs_to_the_newest_open_case() -> None:
    older = case(id="c2", number="C-2", opened_at=NOW_US - 2 * DAY_US)

    result = sheet(held(older, case()))

    assert (result.case, result.case_number) == ("c1", "C-1")


def erasure(**changes: object) -> Case:
    asked = Promise(
        "kiosk", "Asked that all is deleted.", NOW_US + 30 * DAY_US, op="e", at=NOW_US
    )
    return case(
        id="e", number="C-9", topic="erasure", opened_at=NOW_US, channel="store", promise=asked,
        next_step="erasure", **changes,
    )  # fmt: skip


def test_a_note_or_a_promise_never_belongs_to_a_wish_to_be_forgotten() -> None:
    assert sheet(held(case(), erasure())).case == "c1"
    assert sheet(held(erasure())).case == ""


def test_a_wish_to_be_forgotten_is_told_in_words_and_owed_in_no_other_line() -> None:
    result = sheet(held(erasure()))

    assert [(one.label, one.lead) for one in result.now] == [("Forget them", "by 21 Dec 14:02")]
    assert [(one.label, one.lead) for one in result.told] == [("C-9", "wants to be forgotten")]


# Timeline


def test_seven_equal_calls_are_one_line_where_the_newest_stood() -> None:
    calls = [contact(number, topic="password reset") for number in range(1, 8)]
    other = contact(3, topic="billing", id="other")

    timeline = sheet(held(*calls, other)).timeline

    assert [one.text.partition(",")[0] for one in timeline] == ["password reset x7", "text 3"]
    assert "first today 07:02" in timeline[0].text
    assert timeline[0].label == "today 13:02"


def test_equal_contacts_in_another_channel_or_direction_do_not_fold_together() -> None:
    of = held(
        contact(1, topic="billing"),
        contact(2, topic="billing", channel="x"),
        contact(3, topic="billing", direction="out"),
    )

    assert len(sheet(of).timeline) == 3


def test_contacts_without_a_topic_never_fold() -> None:
    assert len(sheet(held(contact(1), contact(2))).timeline) == 2


def test_an_unanswered_contact_is_never_folded_away() -> None:
    of = held(
        contact(1, topic="billing"),
        contact(2, topic="billing"),
        contact(3, topic="billing", due_at=1),
    )

    timeline = sheet(of).timeline

    assert [one.tone for one in timeline] == [Tone.PLAIN, Tone.ALERT]


def test_folded_contacts_can_be_seen_one_by_one() -> None:
    calls = [contact(number, topic="password reset") for number in range(1, 8)]

    assert len(sheet(held(*calls), is_unfolded=True).timeline) == 7


def test_the_timeline_is_newest_first_with_the_channel_named() -> None:
    order = Order(
        id="W-1", at=NOW_US - 5 * HOUR_US, channel="web", state="delivered", total_minor=3192,
        lines=(OrderLine(product="p", title="Linen shirt M", variant="M"),),
    )  # fmt: skip

    timeline = sheet(held(contact(9), order, contact(1, channel="whatsapp"))).timeline

    assert [one.lead for one in timeline] == ["WhatsApp", "Web", "Phone"]
    assert timeline[1].text == "Order W-1: Linen shirt M, 31.92 EUR, delivered"


def test_what_came_by_sms_says_so_wherever_it_stands_and_a_call_stays_a_call() -> None:
    late = {"channel": "phone", "due_at": NOW_US - HOUR_US}
    result = sheet(held(contact(1, **late, form="sms"), contact(30, channel="phone")))

    assert [one.lead for one in result.timeline] == ["SMS", "Phone"]
    assert [one.lead for one in result.now] == ["SMS, 60 min late"]


def test_notes_say_who_reads_them() -> None:
    of = held(
        contact(1, direction="note", by="Ben", audience="internal"),
        contact(2, direction="note", by="Ben", audience="customer"),
    )

    first, second = sheet(of).timeline

    assert first.text == "Ben noted: text 1"
    assert second.text == "Ben noted, customer reads this: text 2"


def test_a_question_at_the_kiosk_about_an_order_names_the_order() -> None:
    asked = contact(1, direction="note", by="kiosk", audience="internal", about="order/W-1029")
    other = msgspec.structs.replace(asked, id="o", at=1, about="offer/o-1")

    first, second = sheet(held(asked, other)).timeline

    assert first.text == "At the kiosk: text 1 (order W-1029)"
    assert second.text == "At the kiosk: text 1"


@pytest.mark.parametrize(
    ("action", "text"),
    [("ask_team", "asks about what we owe"), ("ring_counter", "collect a parcel")],
)
def test_what_a_touch_at_the_kiosk_left_says_where_and_what(action: str, text: str) -> None:
    recorded = sentence_of(f"rang.{action}", "en")
    of = held(contact(1, direction="note", by="kiosk", audience="internal", text=recorded))

    assert sheet(of).timeline[0].text == f"At the kiosk: {text}"


def test_our_label_and_the_words_of_a_customer_are_told_apart() -> None:
    of = held(contact(1, text="Friday, they say.", due_at=1))

    assert sheet(of).timeline[0].text == 'Not answered: "Friday, they say."'


@pytest.mark.parametrize("sensitivity", ["gift", "sensitive"])
def test_what_must_not_be_said_aloud_is_marked(sensitivity: str) -> None:
    of = held(contact(1, sensitivity=sensitivity))

    assert "do not say aloud" in sheet(of).timeline[0].text


def test_a_very_long_thread_ends() -> None:
    of = held(*(contact(number) for number in range(300)))

    assert len(sheet(of).timeline) == counter_thread.TIMELINE_MAX


# Ages


def test_every_line_about_a_customer_has_an_age_and_a_source() -> None:
    result = sheet(profile("tom"))

    entries = (*result.now, *result.told, *result.timeline)
    assert all("ago, from" in one.age for one in entries)


def test_what_the_centre_has_not_heard_of_says_so() -> None:
    row = row_of(contact(1), owner="lena", as_of=NOW_US - HOUR_US, source="here")
    of = Profile("lena", (msgspec.structs.replace(row, is_unsettled=True),))

    age = sheet(of).timeline[0].age

    assert age == "today 13:02, 60 min ago, from this counter, not sent yet"


# Not settled


def unsettled(state: OperationState, code: str = "", *, about: str = "") -> Unsettled:
    return Unsettled("op", "hand_over_pickup", "lena", state, code, NOW_US, about)


def test_a_refused_hand_over_says_when_and_where_it_already_happened() -> None:
    gone = parcel(
        state="handed_over", handed_over_at=NOW_US - 2 * DAY_US, handed_over_store="market", handed_over_op="other"
    )  # fmt: skip
    of = held(gone, Customer(id="lena", given_name="Lena"))

    entry = counter.unsettled_entry(
        unsettled(OperationState.REFUSED, "handed_over_twice", about="pickup/p1"), of, TELL
    )

    assert entry.lead == "Lena: hand-over of a parcel"
    assert entry.text == (
        "Not settled: already handed over Thu 14:02 in Market. Call them, or hand to a supervisor."
    )


def test_a_collision_that_became_a_case_is_told_from_the_case() -> None:
    side = Side(op="op", store="market", by="Ines", to="", at=NOW_US)
    of = held(case(id="op", clash="handed_over_twice", sides=(side,)))

    entry = counter.unsettled_entry(unsettled(OperationState.REFUSED), of, TELL)

    assert "handed over twice: today 14:02 in Market by Ines" in entry.text


def test_a_code_we_do_not_know_is_said_because_somebody_else_may() -> None:
    entry = counter.unsettled_entry(
        unsettled(OperationState.REFUSED, "newer_rule"), held(), TELL
    )

    assert "the centre said no (newer_rule)" in entry.text


@pytest.mark.parametrize(
    ("state", "tone"),
    [(OperationState.RECORDED, Tone.PLAIN), (OperationState.SENDING, Tone.PLAIN), (OperationState.HELD, Tone.ALERT)],
)  # fmt: skip
def test_what_only_waits_is_no_alarm_and_what_is_held_is(
    state: OperationState, tone: Tone
) -> None:
    assert counter.unsettled_entry(unsettled(state), held(), TELL).tone is tone


@pytest.mark.parametrize(
    "code", ["unknown_kind", "unknown_version", "malformed_args", "other_store"]
)
def test_why_something_is_held_is_said_in_words(code: str) -> None:
    texts = [
        counter.unsettled_entry(unsettled(state, code), held(), TELL).text
        for state in (OperationState.HELD, OperationState.REFUSED)
    ]
    plain = counter.unsettled_entry(unsettled(OperationState.HELD), held(), TELL).text

    assert code not in "".join(texts)
    assert texts[0] != plain


# Hostile text


@pytest.mark.parametrize("name", hostile.NAMES)
def test_nothing_from_outside_can_steer_the_terminal(name: str) -> None:
    result = sheet(hostile.hostile_profile(name), opened=found(name))

    entries = (*result.now, *result.told, *result.timeline)
    texts = [result.name, result.about, result.standing, result.case_number]
    texts += [part for one in entries for part in (one.label, one.lead, one.text, one.age)]
    texts += [line for one in result.parcels for line in one.question]
    assert not [
        text for text in texts if any(unicodedata.category(char)[0] == "C" for char in text)
    ]
    assert max(len(text) for text in texts) < 1_000


@pytest.mark.parametrize("name", hostile.NAMES)
def test_nothing_a_band_says_can_steer_the_terminal(name: str) -> None:
    carried = Carried(issued_at=NOW_US, name=name, line=name, parts=())
    unheard = Carried(issued_at=NOW_US, parts=(Part(PartKind.UNANSWERED, name, day=1),))

    texts = [
        counter.carried_here(carried, key="k", words=WORDS),
        *(counter.carried_said(it, now=NOW_US, words=WORDS) for it in (carried, unheard)),
    ]

    assert not [
        text for text in texts if any(unicodedata.category(char)[0] == "C" for char in text)
    ]
    assert max(len(text) for text in texts) < 1_000


def test_points_lent_to_a_store_are_still_hers() -> None:
    account = Account(id="lena:points", points=70, home_store="harbour")
    lent = Allowance(
        "station@account/lena:points", "station", "account/lena:points", 30, NOW_US
    )
    profile = Profile(
        "lena",
        tuple(row_of(one, owner="lena", as_of=NOW_US, source="x") for one in (account, lent)),
    )

    tell = Telling(WORDS, POST, NOW_US)
    sheet = counter.sheet_of(profile, tell=tell, opened=found("name"))

    assert sheet.standing == "100 points"


def _told(*parts: Part, line: str = "") -> str:
    carried = Carried(issued_at=NOW_US - DAY_US, parts=parts, line=line)
    return counter.carried_said(carried, now=NOW_US, words=WORDS)


@pytest.mark.parametrize(
    ("part", "said"),
    [
        (Part(PartKind.CASE, "phone", "C-4711"), "case C-4711 (Phone)"),
        (Part(PartKind.CASE, "x", "C-1", day=20_784), "case C-1 (X), answer promised for Fri 27 Nov"),
        (Part(PartKind.CASE, ""), "a case (another way)"),
        (Part(PartKind.CASE, "web", day=1), "a case (Web), answer promised for Fri 2 Jan"),
        (Part(PartKind.MORE_CASES, count=1), "1 more case"),
        (Part(PartKind.MORE_CASES, count=3), "3 more cases"),
        (Part(PartKind.UNANSWERED, "email", day=20_784), "E-mail of Fri 27 Nov not answered"),
        (Part(PartKind.PICKUPS, count=1), "1 pick-up"),
        (Part(PartKind.PICKUPS, count=12), "12 pick-ups"),
        (Part(PartKind.TICKETS, count=1), "1 ticket"),
        (Part(PartKind.TICKETS, count=2), "2 tickets"),
    ],
)  # fmt: skip
def test_what_a_band_tells_is_said_in_the_words_of_this_shop(part: Part, said: str) -> None:
    assert f": {said}. More is known at the centre." in _told(part)


def test_a_band_tells_the_most_pressing_first_and_words_of_before_as_they_are() -> None:
    pickup, ticket = Part(PartKind.PICKUPS, count=1), Part(PartKind.TICKETS, count=1)

    assert ": 1 pick-up; 1 ticket. More" in _told(pickup, ticket)
    assert ": 1 pick-up. More" in _told(line="1 pick-up")
    assert "told nothing more" in _told()


# Under the card


def told_under(of: Profile, width: int, rows: int) -> list[str]:
    told = counter_card(of, TELL)
    entries = beside_card(sheet(of).told, whole_lines(told, width, rows), WORDS)
    return [it.label or it.text for it in entries]


def whole_case() -> Profile:
    return held(
        case(
            told=(Told("Order", "W-2088", "email", NOW_US),),
            missing=("answer of the parcel service",),
            tried=(Remedy("sent it again", n_tried=1, n_failed=1),),
            promise=Promise("Ana", "where the parcel is", NOW_US + DAY_US),
            next_step="Send it again if it is not found",
            payer="Brightwater Ltd",
        )
    )


def test_what_the_card_says_whole_is_not_told_again_under_it() -> None:
    assert told_under(whole_case(), 78, 20) == ["All of it stands on the card above."]


def test_what_the_card_cuts_or_leaves_out_is_told_under_it_in_full() -> None:
    narrow, low = told_under(whole_case(), 20, 20), told_under(whole_case(), 78, 5)

    assert {"Promised", "Order"} <= set(narrow)
    assert "Next" not in narrow
    assert "Next" in low
    assert "Promised" not in low


def test_a_solved_case_a_kept_promise_and_what_was_done_twice_stay_under_the_card() -> None:
    kept = Promise("Ana", "call back", NOW_US - DAY_US, kept_at=NOW_US)
    of = held(case(promise=kept, clash="handed_over_twice"), case(id="c2", state="solved"))

    labels = told_under(of, 78, 20)

    assert "Promised" in labels
    assert "Not settled" in labels
    assert labels.count("C-1") == 1


def test_a_line_of_the_card_does_not_say_its_label_twice() -> None:
    told = counter_card(whole_case(), TELL)

    entries = {it.label: it.text for it in card_entries(told, whole_case(), TELL)}

    assert entries["Promised"].startswith("by Ana until ")
    assert entries["Missing"] == "answer of the parcel service"
    assert entries["Next"] == "Send it again if it is not found"
    assert entries["Told us"].startswith("have 1/2 Order: W-2088")
