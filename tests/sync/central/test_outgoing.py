"""Messages on their way out: queued with the operation, sent once they cannot be taken back, and what comes of them."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sync.central import erasure, events, outgoing_rows
from sync.central.channels.adapter import Settings
from sync.central.channels.facts import Said
from sync.central.outgoing import (
    CLAIM_US,
    PAUSES_S,
    UNSURE_PAUSE_MS,
    Outgoing,
    Web,
    run_steps,
)
from sync.central.outward import hear_said
from sync.central.senders.registry import SENDERS
from sync.central.senders.sender import (
    AnyCall,
    AnyReply,
    Call,
    Later,
    Message,
    Never,
    NoReply,
    Reply,
    Sent,
    Unsure,
)
from sync.central.store import Store
from sync.central.transaction import Transaction
from sync.model.records import Case, Consent, ContactPoint, Interaction
from tests.support import shop
from tests.support.operations import undo_of
from tests.support.sending import (
    HOUR_US,
    MINUTE_US,
    NOON,
    SECOND_US,
    Killed,
    SendingShop,
    answer,
    channel,
    dies_after,
    notice,
)
from tests.support.vendor_servers import Chatwoot, Twilio, WhatsAppCloud, running

LENAS_NUMBER = "491712345678"


on_both = pytest.mark.parametrize("store", ["sqlite", "postgresql"], indirect=True)
"""For tests of what the database does; the others need only one."""


@pytest.fixture
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    is_file = getattr(request, "param", "sqlite") == "sqlite"
    where = tmp_path / "centre.db" if is_file else request.getfixturevalue("made_database")
    opened = Store(where, fresh_epoch="e-1")
    yield opened
    opened.close()


@pytest.fixture(scope="module")
def web() -> Iterator[Web]:
    made = Web(timeout_s=2)
    yield made
    made.close()


@pytest.fixture
def harbour(store: Store) -> SendingShop:
    made = SendingShop(store)
    made.put(*shop.lenas_rows())
    return made


@pytest.fixture
def meta() -> Iterator[WhatsAppCloud]:
    vendor = WhatsAppCloud()
    vendor.open_windows.add(LENAS_NUMBER)
    with running(vendor):
        yield vendor


@pytest.fixture
def woot() -> Iterator[Chatwoot]:
    vendor = Chatwoot()
    with running(vendor):
        yield vendor


Sending = Callable[..., Outgoing]


@pytest.fixture
def sending(web: Web) -> Sending:
    def make(
        of: SendingShop,
        *channels: Settings,
        carry: Callable[[AnyCall], AnyReply] = web.carry,
    ) -> Outgoing:
        return Outgoing(of.parts, channels, carry=carry)

    return make


def whatsapp(vendor: WhatsAppCloud, **options: str) -> Settings:
    return channel("wa", "whatsapp", "whatsapp", vendor.settings(), **options)


def write(of: SendingShop, change: Callable[[Transaction], object]) -> None:
    of.parts.write(change)


@on_both
def test_an_answer_waits_out_the_time_in_which_it_can_be_taken_back(
    harbour: SendingShop, meta: WhatsAppCloud, sending: Sending
) -> None:
    outgoing = sending(harbour, whatsapp(meta))
    harbour.push(answer())

    n_early = outgoing.send_due()
    before = harbour.state("a-1")
    harbour.passes(5 * MINUTE_US)
    outgoing.send_due()

    assert (n_early, before) == (0, ("queued", "queued"))
    assert harbour.state("a-1") == ("sent", "sent")
    assert [(one["to"], one["text"]["body"]) for one in meta.sent] == [
        (LENAS_NUMBER, "It is here.")
    ]


@on_both
def test_what_was_taken_back_in_time_is_never_sent(
    harbour: SendingShop, meta: WhatsAppCloud, sending: Sending
) -> None:
    outgoing = sending(harbour, whatsapp(meta))
    harbour.push(answer())
    harbour.passes(4 * MINUTE_US)

    harbour.push(undo_of(answer(), op_id="u-1", at=harbour.now))
    harbour.passes(HOUR_US)
    outgoing.send_due()

    assert meta.sent == []
    assert harbour.state("a-1") == ("dropped", "")
    asked = harbour.message("in-1")
    assert (asked.answered_at, asked.answered_op) == (0, "")


@on_both
def test_what_is_taken_back_too_late_becomes_a_case(
    harbour: SendingShop, meta: WhatsAppCloud, sending: Sending
) -> None:
    outgoing = sending(harbour, whatsapp(meta))
    harbour.push(answer(is_now=True))
    outgoing.send_due()

    (record,) = harbour.push(undo_of(answer(), op_id="u-1", at=harbour.now))

    assert (record.status, record.clash) == ("applied", "already_sent")
    assert harbour.state("a-1") == ("sent", "sent")
    assert isinstance(harbour.body("case/u-1"), Case)


def test_what_the_shop_tells_waits_too_unless_somebody_says_now(
    harbour: SendingShop, sending: Sending
) -> None:
    twilio = Twilio()
    with running(twilio):
        outgoing = sending(harbour, channel("sms", "twilio", "phone", twilio.settings()))
        harbour.push(
            notice("order", channel="phone"),
            notice("text", "now", op_id="n-2", channel="phone", is_now=True),
        )

        outgoing.send_due()
        at_once = [one["Body"] for one in twilio.sent]
        harbour.passes(5 * MINUTE_US - SECOND_US)
        outgoing.send_due()
        n_early = len(twilio.sent)
        harbour.passes(SECOND_US)
        outgoing.send_due()

    assert (at_once, n_early, len(twilio.sent)) == (["now"], 1, 2)


def test_a_parcel_that_is_ready_is_told_at_once(
    harbour: SendingShop, meta: WhatsAppCloud, sending: Sending
) -> None:
    outgoing = sending(harbour, whatsapp(meta))
    harbour.push(notice("parcel_ready", channel="whatsapp"))

    outgoing.send_due()

    assert len(meta.sent) == 1


@on_both
def test_kiosks_that_hold_the_customer_hear_what_became_of_a_message(
    harbour: SendingShop, meta: WhatsAppCloud, sending: Sending
) -> None:
    outgoing = sending(harbour, whatsapp(meta))
    harbour.push(answer(is_now=True))
    harbour.rung.clear()

    outgoing.send_due()

    assert harbour.rung == ["s:harbour", "s:harbour"], "once on its way, once sent"


def test_an_operation_that_is_not_applied_queues_nothing(harbour: SendingShop) -> None:
    stranger = msgspec.structs.replace(answer(), owner="tom")

    (record,) = harbour.push(stranger)

    assert record.status == "refused"
    assert harbour.queued("a-1") is None


def test_an_operation_that_comes_again_is_one_message(
    harbour: SendingShop, meta: WhatsAppCloud, sending: Sending
) -> None:
    outgoing = sending(harbour, whatsapp(meta))
    harbour.push(answer(is_now=True))
    outgoing.send_due()

    harbour.push(answer(is_now=True))
    outgoing.send_due()

    assert len(meta.sent) == 1


@on_both
def test_what_one_of_a_group_may_not_do_sends_nothing_of_the_others(
    harbour: SendingShop,
) -> None:
    good = msgspec.structs.replace(answer(), group="g")
    bad = msgspec.structs.replace(notice("offer", channel="email"), group="g")

    records = harbour.push(good, bad)

    assert {record.status for record in records} == {"refused"}
    assert harbour.queued("a-1") is None


# What goes wrong


@pytest.mark.parametrize(
    ("status", "body", "reason"),
    [
        (503, None, "failed (status 503)"),
        (429, None, "asks to come later"),
        (400, {"error": {"code": 131056, "message": "pair"}}, "131056"),
        (500, {"error": {"code": 131000, "message": "Something went wrong"}}, "131000"),
    ],
)
def test_a_passing_fault_is_tried_again_a_little_later(
    harbour: SendingShop,
    meta: WhatsAppCloud,
    sending: Sending,
    status: int,
    body: object,
    reason: str,
) -> None:
    outgoing = sending(harbour, whatsapp(meta))
    harbour.push(answer(is_now=True))
    meta.fail_next(status, body)

    outgoing.send_due()
    waiting = harbour.message("a-1")
    outgoing.send_due()
    n_at_once = len(meta.asked)
    harbour.passes(10 * SECOND_US)
    outgoing.send_due()

    assert waiting.delivery == "queued"
    assert reason in waiting.delivery_reason
    assert n_at_once == 1, "it is not asked again at once"
    assert harbour.state("a-1") == ("sent", "sent")
    assert harbour.message("a-1").delivery_reason == ""


def test_a_vendor_that_says_when_is_left_alone_until_then(
    harbour: SendingShop, meta: WhatsAppCloud, sending: Sending
) -> None:
    outgoing = sending(harbour, whatsapp(meta))
    harbour.push(answer(is_now=True), notice(op_id="n-1", channel="whatsapp", is_now=True))
    meta.fail_next(429, None, retry_after="120")

    outgoing.send_due()
    outgoing.send_due()
    harbour.passes(100 * SECOND_US)
    outgoing.send_due()
    n_meanwhile = len(meta.asked)
    harbour.passes(60 * SECOND_US)
    outgoing.send_due()
    outgoing.send_due()

    assert n_meanwhile == 1, "also the other message waits"
    assert len(meta.sent) == 2


@pytest.mark.parametrize(
    ("status", "body", "reason"),
    [
        (400, {"error": {"code": 131026, "message": "Message undeliverable"}}, "undeliverable"),
        (400, {"error": {"code": 100, "message": "Invalid parameter"}}, "Invalid parameter"),
        (204, None, "something unknown"),
    ],
)
def test_a_final_fault_is_shown_to_staff_with_its_reason(
    harbour: SendingShop,
    meta: WhatsAppCloud,
    sending: Sending,
    status: int,
    body: object,
    reason: str,
) -> None:
    outgoing = sending(harbour, whatsapp(meta))
    harbour.push(answer(is_now=True))
    meta.fail_next(status, body)

    outgoing.send_due()
    harbour.passes(HOUR_US)
    outgoing.send_due()

    assert harbour.state("a-1") == ("failed", "failed")
    assert reason in harbour.message("a-1").delivery_reason
    assert len(meta.asked) == 1


@on_both
def test_what_goes_on_failing_has_failed_in_the_end_and_can_be_sent_again_by_a_person(
    harbour: SendingShop, meta: WhatsAppCloud, sending: Sending
) -> None:
    outgoing = sending(harbour, whatsapp(meta, template_answer="news/de"))
    harbour.push(answer(is_now=True))
    for _ in range(len(PAUSES_S) + 1):
        meta.fail_next(503)

    for pause_s in (*PAUSES_S, 0):
        outgoing.send_due()
        harbour.passes(2 * pause_s * SECOND_US)
    given_up = harbour.state("a-1")
    write(harbour, lambda it: outgoing_rows.retry(it, "a-1", now=harbour.now))
    outgoing.send_due()

    assert given_up == ("failed", "failed")
    assert len(meta.asked) == len(PAUSES_S) + 2
    assert harbour.state("a-1") == ("sent", "sent")


def test_a_way_that_cannot_be_reached_holds_its_messages(
    harbour: SendingShop, sending: Sending
) -> None:
    gone = WhatsAppCloud()
    gone.close()
    outgoing = sending(harbour, whatsapp(gone))
    harbour.push(answer(is_now=True), notice(channel="whatsapp", is_now=True))

    outgoing.send_due()

    assert harbour.state("a-1") == harbour.state("n-1") == ("queued", "queued")
    assert "cannot be reached" in harbour.message("a-1").delivery_reason


def test_an_answer_that_did_not_arrive_is_none_and_she_waits_again(
    harbour: SendingShop, meta: WhatsAppCloud, sending: Sending
) -> None:
    outgoing = sending(harbour, whatsapp(meta))
    harbour.push(answer(is_now=True))
    answered = harbour.message("in-1").answered_op
    meta.fail_next(400, {"error": {"code": 131026, "message": "Message undeliverable"}})
    outgoing.send_due()
    waiting = harbour.message("in-1")
    write(harbour, lambda it: outgoing_rows.retry(it, "a-1", now=harbour.now))
    outgoing.send_due()

    assert answered == "a-1"
    assert (waiting.answered_at, waiting.answered_op) == (0, "")
    assert harbour.message("in-1").answered_op == "a-1"


def test_an_answer_that_failed_at_the_vendor_later_is_none_either(
    harbour: SendingShop, meta: WhatsAppCloud, sending: Sending
) -> None:
    harbour.push(answer(is_now=True))
    sending(harbour, whatsapp(meta)).send_due()

    hears(harbour, "wamid.1", "failed", "blocked us")
    waiting = harbour.message("in-1").answered_op
    hears(harbour, "wamid.1", "delivered")

    assert waiting == ""
    assert harbour.message("in-1").answered_op == "a-1"


def test_an_answer_given_up_leaves_her_waiting(harbour: SendingShop) -> None:
    harbour.push(answer())

    write(harbour, lambda it: outgoing_rows.drop(it, "a-1", reason="wrong", now=harbour.now))

    assert harbour.message("in-1").answered_op == ""


def test_an_answer_does_not_wait_past_the_end_of_the_window(
    harbour: SendingShop, meta: WhatsAppCloud, sending: Sending
) -> None:
    outgoing = sending(harbour, whatsapp(meta))
    harbour.passes(24 * HOUR_US - 3 * MINUTE_US)
    harbour.push(answer(at=harbour.now))

    outgoing.send_due()
    n_at_once = len(meta.sent)
    harbour.passes(2 * MINUTE_US)
    outgoing.send_due()

    assert (n_at_once, len(meta.sent)) == (0, 1)
    assert meta.sent[0]["type"] == "text"


@on_both
def test_messages_of_one_channel_do_not_overtake_each_other(
    harbour: SendingShop, meta: WhatsAppCloud, sending: Sending
) -> None:
    outgoing = sending(harbour, whatsapp(meta))
    harbour.push(answer("first", is_now=True))
    meta.fail_next(400, {"error": {"code": 131056, "message": "pair"}})
    outgoing.send_due()
    harbour.push(notice(text="second", at=harbour.now + 1, channel="whatsapp", is_now=True))

    outgoing.send_due()
    n_meanwhile = len(meta.sent)
    harbour.passes(10 * SECOND_US)
    outgoing.send_due()
    outgoing.send_due()

    assert n_meanwhile == 0
    assert [one["text"]["body"] for one in meta.sent] == ["first", "second"]


# A node that dies, and answers that are lost


@on_both
def test_what_a_node_that_died_may_have_sent_is_not_sent_again_but_shown_to_a_person(
    harbour: SendingShop, meta: WhatsAppCloud, sending: Sending
) -> None:
    """This vendor knows no message by our id and cannot be asked."""
    harbour.push(answer(is_now=True))
    real = sending(harbour, whatsapp(meta))

    with pytest.raises(Killed):
        sending(harbour, whatsapp(meta), carry=dies_after(real.carry)).send_due()
    seen = harbour.state("a-1")
    n_at_once = real.send_due()
    harbour.passes(CLAIM_US)
    real.send_due()
    harbour.passes(24 * HOUR_US)
    real.send_due()

    assert seen == ("sending", "sending")
    assert n_at_once == 0
    assert harbour.state("a-1") == ("unsure", "unsure")
    assert harbour.message("a-1").delivery_reason == (
        "WhatsApp: nobody knows whether it went before this centre stopped"
    )
    assert harbour.message("in-1").answered_at == 0  # she waits again, for a person to look
    assert len(meta.sent) == 1


@on_both
@pytest.mark.parametrize("how", ["lose_next", "stall_next"])
def test_a_whatsapp_message_whose_answer_was_lost_goes_again_only_by_a_person(
    harbour: SendingShop, meta: WhatsAppCloud, sending: Sending, how: str
) -> None:
    harbour.push(answer(is_now=True))
    getattr(meta, how)()
    hasty = Web(timeout_s=0.2)
    outgoing = sending(harbour, whatsapp(meta), carry=hasty.carry)

    outgoing.send_due()
    unsure = harbour.state("a-1")
    harbour.passes(HOUR_US)
    outgoing.send_due()
    n_alone = len(meta.sent)
    write(harbour, lambda it: outgoing_rows.retry(it, "a-1", now=harbour.now))
    outgoing.send_due()
    hasty.close()

    assert unsure == ("unsure", "unsure")
    assert n_alone == 1
    assert harbour.state("a-1") == ("sent", "sent")
    assert len(meta.sent) == 2


def test_while_one_is_unsure_others_of_that_way_wait_a_minute(
    harbour: SendingShop, meta: WhatsAppCloud, sending: Sending
) -> None:
    harbour.push(answer(is_now=True), notice(channel="whatsapp", is_now=True))
    meta.lose_next()
    outgoing = sending(harbour, whatsapp(meta))

    outgoing.send_due()
    first = [harbour.state(one)[0] for one in ("a-1", "n-1")]
    harbour.passes(UNSURE_PAUSE_MS * 1_000)
    outgoing.send_due()

    assert sorted(first) == ["queued", "unsure"]
    assert sorted(harbour.state(one)[0] for one in ("a-1", "n-1")) == ["sent", "unsure"]


@pytest.mark.parametrize(
    ("told", "state", "answers"),
    [("sent", "sent", True), ("delivered", "delivered", True), ("failed", "failed", False)],
)
def test_a_report_settles_what_was_unsure(
    harbour: SendingShop,
    meta: WhatsAppCloud,
    sending: Sending,
    told: str,
    state: str,
    answers: bool,  # of the cases above
) -> None:
    harbour.push(answer(is_now=True))
    meta.lose_next()
    sending(harbour, whatsapp(meta)).send_due()

    write(harbour, lambda it: outgoing_rows.told(it, "a-1", told, now=harbour.now))

    assert harbour.state("a-1") == (state, state)
    assert bool(harbour.message("in-1").answered_at) == answers


@on_both
def test_a_person_says_that_what_was_unsure_arrived_or_gives_it_up(
    harbour: SendingShop, meta: WhatsAppCloud, sending: Sending
) -> None:
    harbour.push(answer(is_now=True))
    meta.lose_next()
    sending(harbour, whatsapp(meta)).send_due()
    before = harbour.message("in-1").answered_at

    write(harbour, lambda it: outgoing_rows.arrived(it, "a-1", now=harbour.now))
    again = harbour.parts.write(lambda it: outgoing_rows.arrived(it, "a-1", now=harbour.now))

    assert before == 0
    assert harbour.state("a-1") == ("sent", "sent")
    assert harbour.message("in-1").answered_at > 0
    assert not again


@on_both
@pytest.mark.parametrize("how", ["lose_next", "stall_next"])
def test_a_text_message_whose_answer_was_lost_is_found_in_twilios_list_and_goes_once(
    harbour: SendingShop, sending: Sending, how: str
) -> None:
    twilio, hasty = Twilio(), Web(timeout_s=0.2)
    twilio.now_s = harbour.now // SECOND_US
    with running(twilio):
        harbour.push(notice(channel="phone", is_now=True))
        outgoing = sending(
            harbour, channel("sms", "twilio", "phone", twilio.settings()), carry=hasty.carry
        )
        getattr(twilio, how)()

        outgoing.send_due()
        unknown = harbour.state("n-1")
        harbour.passes(10 * SECOND_US)
        outgoing.send_due()
    hasty.close()

    assert unknown == ("queued", "queued")
    assert harbour.state("n-1") == ("sent", "sent")
    record = harbour.queued("n-1")
    assert record is not None
    assert record.ref == "SM1"
    assert len(twilio.sent) == 1


def test_a_text_message_that_twilio_does_not_list_goes_again_only_after_ten_minutes(
    harbour: SendingShop, sending: Sending
) -> None:
    twilio = Twilio()
    with running(twilio):
        harbour.push(notice(channel="phone", is_now=True))
        real = sending(harbour, channel("sms", "twilio", "phone", twilio.settings()))
        lost = [True]

        def carry(call: AnyCall) -> AnyReply:
            if lost.pop() if lost else False:
                return NoReply("it did not answer in time", is_maybe_done=True)
            return real.carry(call)

        outgoing = sending(
            harbour, channel("sms", "twilio", "phone", twilio.settings()), carry=carry
        )
        outgoing.send_due()
        n_sent = []
        for _ in range(3):
            harbour.passes(3 * MINUTE_US)
            outgoing.send_due()
            n_sent.append(len(twilio.sent))
        harbour.passes(12 * MINUTE_US)
        outgoing.send_due()

    assert n_sent == [0, 0, 0]
    assert len(twilio.sent) == 1
    assert harbour.state("n-1") == ("sent", "sent")


def test_another_message_in_twilios_list_is_not_taken_for_it(
    harbour: SendingShop, sending: Sending
) -> None:
    twilio = Twilio()
    twilio.now_s = harbour.now // SECOND_US
    with running(twilio):
        settings = channel("sms", "twilio", "phone", twilio.settings())
        harbour.push(notice(channel="phone", is_now=True))
        sending(harbour, settings).send_due()
        twilio.listed[0]["body"] = "Another text."
        before = {
            **twilio.listed[0],
            "body": "It waits.",
            "date_created": "Thu, 01 Jan 2015 00:00:00 +0000",
        }
        came = {**twilio.listed[0], "body": "It waits.", "direction": "inbound"}
        twilio.listed += [before, came, {"to": "+491712345678", "body": "It waits."}]
        message = Message(
            "n-1", "text", "phone", "It waits.", "+491712345678",
            unknown_at=twilio.now_s, now_s=twilio.now_s + 60,
        )  # fmt: skip

        found = run_steps(SENDERS["twilio"].send(message, settings), sending(harbour).carry)

    assert isinstance(found, Later)
    assert found.is_unknown
    assert found.reason == "Twilio does not list it yet; it is looked for again"
    assert len(twilio.sent) == 1


@on_both
def test_a_report_that_comes_before_the_claim_ends_spares_the_second_sending(
    harbour: SendingShop, meta: WhatsAppCloud, sending: Sending
) -> None:
    harbour.push(answer(is_now=True))
    real = sending(harbour, whatsapp(meta))

    with pytest.raises(Killed):
        sending(harbour, whatsapp(meta), carry=dies_after(real.carry)).send_due()

    write(harbour, lambda it: outgoing_rows.told(it, "a-1", "delivered", now=harbour.now))
    harbour.passes(CLAIM_US)
    real.send_due()

    assert len(meta.sent) == 1
    assert harbour.state("a-1") == ("delivered", "delivered")


@pytest.mark.parametrize("how", ["lose_next", "stall_next"])
def test_a_message_whose_answer_was_lost_is_in_its_conversation_once(
    harbour: SendingShop, woot: Chatwoot, sending: Sending, how: str
) -> None:
    said = Interaction(
        id="in-1", at=NOON, channel="chat", direction="in", by="Lena", text="?", thread="77"
    )
    harbour.put(shop.row(said))
    harbour.push(answer(is_now=True))
    getattr(woot, how)()
    hasty = Web(timeout_s=0.2)
    outgoing = sending(
        harbour, channel("desk", "chatwoot", "chat", woot.settings()), carry=hasty.carry
    )

    outgoing.send_due()
    unknown = harbour.state("a-1")
    harbour.passes(10 * SECOND_US)
    outgoing.send_due()
    hasty.close()

    assert unknown == ("queued", "queued")
    assert harbour.state("a-1") == ("sent", "sent")
    assert [one["content"] for one in woot.conversations["77"]] == ["It is here."]


@on_both
def test_two_nodes_send_a_message_once(
    store: Store, harbour: SendingShop, meta: WhatsAppCloud, sending: Sending
) -> None:
    harbour.push(answer(is_now=True))
    other = SendingShop(store, seed="other")
    second = sending(other, whatsapp(meta))
    real = sending(harbour, whatsapp(meta))

    def meanwhile(call: AnyCall) -> AnyReply:
        second.send_due()
        return real.carry(call)

    sending(harbour, whatsapp(meta), carry=meanwhile).send_due()

    assert len(meta.sent) == 1


def test_nodes_that_send_at_once_send_each_message_once(
    made_database: str, meta: WhatsAppCloud, sending: Sending
) -> None:
    stores = [Store(made_database, fresh_epoch="e-1") for _ in range(3)]
    nodes = [SendingShop(store, seed=f"node-{n}") for n, store in enumerate(stores)]
    people = [f"p{n}" for n in range(12)]
    for n, person in enumerate(people):
        number = f"+4915000000{n:02d}"
        meta.open_windows.add(number[1:])
        wrote = Interaction(f"in-{n}", NOON, "whatsapp", "in", "x", "?")
        nodes[0].put(
            shop.row(ContactPoint(f"c-{n}", "whatsapp", number), owner=person),
            shop.row(wrote, owner=person),
        )
        op = answer(f"to {person}", op_id=f"a-{n}", answers=f"in-{n}", is_now=True)
        nodes[0].push(msgspec.structs.replace(op, owner=person))

    with ThreadPoolExecutor(len(nodes)) as pool:
        jobs = [pool.submit(sending(node, whatsapp(meta)).send_due) for node in nodes]
        n_done = sum(job.result() for job in jobs)

    assert sorted(one["text"]["body"] for one in meta.sent) == sorted(
        f"to {person}" for person in people
    )
    assert n_done == len(people)
    assert {nodes[1].state(f"a-{n}") for n in range(12)} == {("sent", "sent")}
    for store in stores:
        store.close()


@given(
    body=st.binary(max_size=120)
    | st.sampled_from([b"{}", b"[]", b'{"error":{"code":"x"}}', b"9"]),
    status=st.integers(100, 599),
    adapter=st.sampled_from(["whatsapp", "chatwoot", "twilio"]),
    is_again=st.booleans(),
)
def test_whatever_a_vendor_answers_ends_in_an_outcome(
    body: bytes, status: int, adapter: str, is_again: bool
) -> None:
    settings = Settings("x", adapter, "", {}, {"api_url": "http://v"})
    message = Message("a-1", "answer", "chat", "hello", to="+1", thread="7", is_again=is_again)

    outcome = run_steps(
        SENDERS[adapter].send(message, settings),
        lambda _: Reply(status, {"retry-after": "soon"}, body),
    )

    assert isinstance(outcome, (Sent, Later, Never, Unsure))


# WhatsApp's 24 hours


def test_after_24_hours_only_a_template_goes_out(
    harbour: SendingShop, meta: WhatsAppCloud, sending: Sending
) -> None:
    meta.open_windows.clear()
    outgoing = sending(harbour, whatsapp(meta, template_parcel_ready="parcel_ready/en"))
    harbour.passes(24 * HOUR_US)
    ready = notice(
        "parcel_ready", channel="whatsapp", at=harbour.now, params=("Lena", "W-1077")
    )

    harbour.push(ready)
    outgoing.send_due()

    (sent,) = meta.sent
    assert (sent["type"], sent["template"]["name"]) == ("template", "parcel_ready")
    places = sent["template"]["components"][0]["parameters"]
    assert [place["text"] for place in places] == ["Lena", "W-1077"]


def test_without_a_template_it_waits_with_a_sentence_until_she_writes_again(
    harbour: SendingShop, meta: WhatsAppCloud, sending: Sending
) -> None:
    outgoing = sending(harbour, whatsapp(meta))
    harbour.passes(24 * HOUR_US)
    harbour.push(answer(at=harbour.now, is_now=True))

    outgoing.send_due()
    held = harbour.message("a-1")
    wrote = Interaction(
        id="in-2", at=harbour.now, channel="whatsapp", direction="in", by="Lena", text="??"
    )
    harbour.put(shop.row(wrote))
    harbour.passes(MINUTE_US)
    outgoing.send_due()

    assert held.delivery == "queued"
    assert "24 hours" in held.delivery_reason
    assert harbour.state("a-1") == ("sent", "sent")


def test_free_text_goes_out_until_the_last_moment_of_the_window(
    harbour: SendingShop, meta: WhatsAppCloud, sending: Sending
) -> None:
    outgoing = sending(harbour, whatsapp(meta))
    harbour.passes(24 * HOUR_US - SECOND_US)
    harbour.push(answer(at=harbour.now, is_now=True))

    outgoing.send_due()

    assert [one["type"] for one in meta.sent] == ["text"]


# Which way, and whether at all


def test_no_other_way_is_taken_silently_but_a_verified_one_is_named(
    harbour: SendingShop, sending: Sending
) -> None:
    mail = channel(
        "mail", "email", "email", None, **{"smtp_host": "127.0.0.1", "from": "a@b.example"}
    )
    verified = ContactPoint("lena-mail", "email", "lena@example.org", is_verified=True)
    harbour.put(shop.row(verified))
    outgoing = sending(harbour, mail)
    harbour.push(answer(is_now=True))

    outgoing.send_due()

    said = harbour.message("a-1")
    assert said.delivery == "failed"
    assert "no way out is set up for whatsapp" in said.delivery_reason
    assert "can be reached by email" in said.delivery_reason


def test_a_customer_without_a_number_is_told_so(
    store: Store, meta: WhatsAppCloud, sending: Sending
) -> None:
    harbour = SendingShop(store)
    harbour.put(*(row for row in shop.lenas_rows() if row.kind != "contact"))
    harbour.push(answer(is_now=True))

    sending(harbour, whatsapp(meta)).send_due()

    assert "no address of the customer" in harbour.message("a-1").delivery_reason


@pytest.mark.parametrize(
    ("country", "sent"), [("DE", [LENAS_NUMBER]), ("", [])], ids=["known", "unknown"]
)
def test_a_national_number_is_read_as_of_the_shops_country(
    store: Store, meta: WhatsAppCloud, sending: Sending, country: str, sent: list[str]
) -> None:
    harbour = SendingShop(store)
    harbour.put(*(row for row in shop.lenas_rows() if row.kind != "contact"))
    harbour.put(shop.row(ContactPoint("p", "phone", "0171 2345678")))
    harbour.push(answer(is_now=True))

    sending(harbour, whatsapp(meta, country=country)).send_due()

    assert [one["to"] for one in meta.sent] == sent


def test_an_offer_is_not_sent_when_the_consent_went_meanwhile(
    harbour: SendingShop, meta: WhatsAppCloud, sending: Sending
) -> None:
    agreed = Consent("lena:marketing", "marketing", is_granted=True, at=NOON)
    harbour.put(shop.row(agreed))
    harbour.push(notice("offer", channel="whatsapp"))
    harbour.put(shop.row(msgspec.structs.replace(agreed, is_granted=False, at=NOON + 1)))

    harbour.passes(5 * MINUTE_US)
    sending(harbour, whatsapp(meta)).send_due()

    assert meta.sent == []
    assert harbour.state("n-1") == ("failed", "failed")


@on_both
def test_a_paused_channel_sends_nothing_and_loses_nothing(
    harbour: SendingShop, meta: WhatsAppCloud, sending: Sending
) -> None:
    def pause(state: str) -> Callable[[Transaction], object]:
        return lambda it: it.direct().run(
            "INSERT INTO channel (name, state, reason, changed_at) VALUES ('wa', :state, '', 1)"
            " ON CONFLICT (name) DO UPDATE SET state = excluded.state",
            state=state,
        )

    outgoing = sending(harbour, whatsapp(meta))
    harbour.push(answer(is_now=True))
    write(harbour, pause("paused"))

    outgoing.send_due()
    paused = harbour.state("a-1"), len(meta.asked)
    write(harbour, pause("open"))
    harbour.passes(MINUTE_US)
    outgoing.send_due()

    assert paused == (("queued", "queued"), 0)
    assert harbour.state("a-1") == ("sent", "sent")


def test_an_answer_goes_back_the_way_the_question_came(
    harbour: SendingShop, meta: WhatsAppCloud, woot: Chatwoot, sending: Sending
) -> None:
    said = Interaction(
        id="desk:5",
        at=NOON,
        channel="whatsapp",
        direction="in",
        by="Lena",
        text="?",
        thread="77",
    )
    harbour.put(shop.row(said))
    desk = channel("desk", "chatwoot", "", woot.settings(), serves="whatsapp, instagram, chat")

    harbour.push(answer(is_now=True, answers="desk:5"))
    sending(harbour, whatsapp(meta), desk).send_due()

    assert (len(meta.sent), len(woot.conversations["77"])) == (0, 1)


@on_both
def test_a_note_is_put_beside_its_conversation_for_staff_alone(
    harbour: SendingShop, woot: Chatwoot, sending: Sending
) -> None:
    desk = channel("desk", "chatwoot", "chat", woot.settings())
    write(
        harbour,
        lambda it: outgoing_rows.queue_note(
            it, note_id="note-1", owner="lena", via="desk", channel="chat", thread="77",
            text="promised by Ana until Friday", now=harbour.now,
        ),
    )  # fmt: skip

    sending(harbour, desk).send_due()

    (note,) = woot.conversations["77"]
    assert (note["content"], note["private"]) == ("promised by Ana until Friday", True)
    record = harbour.queued("note-1")
    assert record is not None
    assert (record.state, record.body) == ("sent", "")


@on_both
def test_the_card_beside_a_conversation_says_what_is_known_when_it_is_sent(
    harbour: SendingShop, woot: Chatwoot, sending: Sending
) -> None:
    desk = channel("desk", "chatwoot", "chat", woot.settings(), card_note="yes")
    said = Said(ref="5", at=NOON, channel="chat", direction="in", text="?", thread="77")

    for _ in range(2):  # a second message of the same conversation
        write(harbour, lambda it: hear_said(it, desk, said))
    wrote = Interaction("desk:5", NOON, "chat", "in", "Lena", "?", thread="77")
    harbour.put(shop.row(wrote))
    sending(harbour, desk).send_due()

    (note,) = woot.conversations["77"]
    assert note["private"]
    assert "C-4711" in note["content"]


def test_no_card_is_written_where_it_was_not_asked_for(
    harbour: SendingShop, woot: Chatwoot
) -> None:
    desk = channel("desk", "chatwoot", "chat", woot.settings())
    off = channel("desk", "chatwoot", "chat", None, card_note="yes")
    said = Said(ref="5", at=NOON, channel="chat", direction="in", text="?", thread="77")
    ours = msgspec.structs.replace(said, direction="out")

    for settings, fact in ((desk, said), (off, said)):
        write(harbour, lambda it, s=settings, f=fact: hear_said(it, s, f))  # type: ignore[misc]
    write(harbour, lambda it: hear_said(it, channel("d", "chatwoot", "chat", woot.settings(), card_note="yes"), ours))  # fmt: skip

    with harbour.store.reading() as snapshot:
        assert snapshot.count("outgoing") == 0


def test_a_text_message_goes_to_the_telephone(harbour: SendingShop, sending: Sending) -> None:
    twilio = Twilio()
    with running(twilio):
        harbour.push(notice(channel="phone", is_now=True))

        sending(harbour, channel("sms", "twilio", "phone", twilio.settings())).send_due()

    assert [one["To"] for one in twilio.sent] == ["+491712345678"]
    assert harbour.state("n-1") == ("sent", "sent")


def test_what_we_are_not_let_in_for_waits_until_somebody_mends_it(
    harbour: SendingShop, sending: Sending
) -> None:
    meta, twilio, woot = WhatsAppCloud(), Twilio(), Chatwoot()
    with running(meta, twilio, woot):
        wrong = {"secrets": {"access": "old", "auth": "old", "api_access": "old"}}
        write(
            harbour,
            lambda it: outgoing_rows.queue_note(
                it, note_id="note-1", owner="lena", via="desk", channel="chat", thread="77", text="x",
                now=harbour.now,
            ),
        )  # fmt: skip
        harbour.push(answer(is_now=True), notice(channel="phone", is_now=True))

        sending(
            harbour,
            channel("wa", "whatsapp", "whatsapp", meta.settings() | wrong),
            channel("sms", "twilio", "phone", twilio.settings() | wrong),
            channel("desk", "chatwoot", "chat", woot.settings() | wrong),
        ).send_due()

    assert harbour.state("a-1") == harbour.state("n-1") == ("queued", "queued")
    assert "190" in harbour.message("a-1").delivery_reason
    assert "20003" in harbour.message("n-1").delivery_reason
    note = harbour.queued("note-1")
    assert note is not None
    assert (note.state, note.reason) == ("queued", "Chatwoot does not let us in (401)")


# What vendors tell later


def hears(of: SendingShop, ref: str, state: str, reason: str = "") -> str:
    return of.parts.write(lambda it: outgoing_rows.told(it, ref, state, reason, now=of.now))


@pytest.mark.parametrize(
    ("told", "state"),
    [
        (("delivered", "read"), "read"),
        (("read", "delivered", "sent"), "read"),
        (("failed",), "failed"),
        (("delivered", "failed"), "delivered"),
        (("failed", "delivered"), "delivered"),
        (("failed", "sent"), "failed"),
        (("delivered", "delivered"), "delivered"),
        (("nonsense",), "sent"),
    ],
)
def test_what_a_vendor_tells_only_moves_a_message_forward(
    harbour: SendingShop,
    meta: WhatsAppCloud,
    sending: Sending,
    told: tuple[str, ...],
    state: str,
) -> None:
    harbour.push(answer(is_now=True))
    sending(harbour, whatsapp(meta)).send_due()

    for each in told:
        hears(harbour, "wamid.1", each, "no such number")

    assert harbour.state("a-1") == (state, state)
    reason = "no such number" if state == "failed" else ""
    assert harbour.message("a-1").delivery_reason == reason


@on_both
def test_what_is_told_before_we_know_its_name_is_kept(
    harbour: SendingShop, meta: WhatsAppCloud, sending: Sending
) -> None:
    harbour.push(answer(is_now=True))
    owners = [hears(harbour, "wamid.1", state) for state in ("read", "delivered")]

    sending(harbour, whatsapp(meta)).send_due()

    assert owners == ["", ""]
    assert harbour.state("a-1") == ("read", "read")


@on_both
def test_who_is_erased_leaves_nothing_in_the_queue(
    harbour: SendingShop, meta: WhatsAppCloud, sending: Sending
) -> None:
    harbour.push(answer(is_now=True))

    def erase(transaction: Transaction) -> None:
        erasure.erase_rows(transaction, "lena", at=harbour.now)
        outgoing_rows.forget(transaction, "lena")

    write(harbour, erase)
    sending(harbour, whatsapp(meta)).send_due()

    assert meta.asked == []
    assert harbour.queued("a-1") is None


@on_both
def test_a_message_given_up_by_a_person_stays_failed_for_staff(
    harbour: SendingShop, sending: Sending
) -> None:
    harbour.push(answer(is_now=True))
    outgoing = sending(harbour)
    outgoing.send_due()

    write(
        harbour, lambda it: outgoing_rows.drop(it, "a-1", reason="called her", now=harbour.now)
    )

    assert harbour.state("a-1") == ("dropped", "failed")
    assert harbour.message("a-1").delivery_reason == "called her"


@on_both
def test_a_message_whose_node_died_fails_where_there_is_no_way_out_any_more(
    harbour: SendingShop, meta: WhatsAppCloud, sending: Sending
) -> None:
    def die(_call: AnyCall) -> AnyReply:
        raise KeyboardInterrupt

    harbour.push(answer(is_now=True))
    with pytest.raises(KeyboardInterrupt):
        sending(harbour, whatsapp(meta), carry=die).send_due()
    harbour.passes(CLAIM_US)
    other = sending(harbour)

    other.send_due()

    assert harbour.state("a-1") == ("failed", "failed")
    assert other.send_due() == 0


def test_a_message_whose_node_died_waits_while_its_channel_is_paused(
    harbour: SendingShop, meta: WhatsAppCloud, sending: Sending
) -> None:
    def die(_call: AnyCall) -> AnyReply:
        raise KeyboardInterrupt

    harbour.push(answer(is_now=True))
    with pytest.raises(KeyboardInterrupt):
        sending(harbour, whatsapp(meta), carry=die).send_due()
    harbour.passes(CLAIM_US)
    write(
        harbour,
        lambda it: events.set_paused(it, "wa", is_paused=True, reason="", now=harbour.now),
    )
    other = sending(harbour, whatsapp(meta))

    other.send_due()

    assert harbour.state("a-1") == ("queued", "queued")
    assert other.send_due() == 0


@on_both
def test_a_card_that_waits_holds_up_no_card_of_somebody_else(harbour: SendingShop) -> None:
    def queue(it: Transaction) -> None:
        for number in (1, 2):
            outgoing_rows.queue_card(
                it, said="in-1", via="desk", channel="chat", thread=str(number), now=NOON + number
            )  # fmt: skip

    write(harbour, queue)
    harbour.passes(SECOND_US)
    with harbour.store.reading() as snapshot:
        first, second = outgoing_rows.due(snapshot, now=harbour.now, limit=9)
    write(
        harbour,
        lambda it: outgoing_rows.claim(
            it, first.id, via="desk", node="n", now=harbour.now, until=harbour.now + HOUR_US
        ),
    )

    with harbour.store.reading() as snapshot:
        left = outgoing_rows.due(snapshot, now=harbour.now, limit=9)

    assert [one.id for one in left] == [second.id]


@on_both
def test_of_two_who_were_one_only_the_erased_ones_messages_go(
    harbour: SendingShop,
) -> None:
    harbour.push(answer(), notice("text", op_id="n-1", channel="whatsapp"))
    write(harbour, lambda it: it.give("interaction/n-1", "tom"))

    write(harbour, lambda it: outgoing_rows.forget(it, "tom"))
    after_tom = (harbour.queued("a-1"), harbour.queued("n-1"))
    write(harbour, lambda it: outgoing_rows.forget(it, "lena"))

    assert after_tom[0] is not None
    assert after_tom[1] is None
    assert harbour.queued("a-1") is None


def test_a_message_that_a_sender_cannot_make_fails_in_the_end(
    harbour: SendingShop,
    meta: WhatsAppCloud,
    sending: Sending,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def broken(*_: object) -> Never:
        raise ZeroDivisionError

    monkeypatch.setattr("sync.central.senders.whatsapp.json_call", broken)
    outgoing = sending(harbour, whatsapp(meta, template_answer="again"))
    harbour.push(answer(is_now=True))
    outgoing.send_due()
    first = harbour.state("a-1")

    for _ in PAUSES_S:
        harbour.passes(2 * max(PAUSES_S) * SECOND_US)
        outgoing.send_due()

    assert first == ("queued", "queued")
    assert harbour.message("a-1").delivery == "failed"
    assert "the sender raised ZeroDivisionError" in harbour.message("a-1").delivery_reason


def test_a_message_whose_call_raises_may_have_arrived(
    harbour: SendingShop, meta: WhatsAppCloud, sending: Sending
) -> None:
    def broken(_call: AnyCall) -> AnyReply:
        raise ZeroDivisionError

    outgoing = sending(harbour, whatsapp(meta, template_answer="again"), carry=broken)
    harbour.push(answer(is_now=True))

    outgoing.send_due()
    harbour.passes(HOUR_US)
    outgoing.send_due()

    assert harbour.state("a-1") == ("unsure", "unsure")


def test_what_another_node_tried_while_vendors_took_their_time_is_asked_for_and_not_sent_twice(
    store: Store, harbour: SendingShop, sending: Sending
) -> None:
    """Both nodes had read what is due; the one is at the first message still when the other has lost the second's answer."""
    twilio = Twilio()
    twilio.now_s = harbour.now // SECOND_US
    other = SendingShop(store, seed="other")
    with running(twilio):
        sms = channel("sms", "twilio", "phone", twilio.settings())
        harbour.put(shop.row(ContactPoint("c-9", "phone", "+491500000001"), owner="pia"))
        more = notice(channel="phone", text="And more.", op_id="n-2", at=NOON + 1, is_now=True)
        harbour.push(
            notice(channel="phone", is_now=True), msgspec.structs.replace(more, owner="pia")
        )
        real = sending(harbour, sms)

        def loses(call: AnyCall) -> AnyReply:
            real.carry(call)
            return NoReply("it did not answer in time", is_maybe_done=True)

        def meanwhile(call: AnyCall) -> AnyReply:
            if not twilio.sent:
                sending(other, sms, carry=loses).send_due()
                harbour.passes(10 * SECOND_US)
            return real.carry(call)

        sending(harbour, sms, carry=meanwhile).send_due()
        for _ in range(2):
            harbour.passes(10 * SECOND_US)
            real.send_due()

    assert sorted(one["Body"] for one in twilio.sent) == ["And more.", "It waits."]
    assert harbour.state("n-2") == ("sent", "sent")


def test_a_person_in_a_hurry_has_what_nobody_knows_asked_for_first(
    harbour: SendingShop, sending: Sending
) -> None:
    twilio = Twilio()
    twilio.now_s = harbour.now // SECOND_US
    with running(twilio):
        harbour.push(notice(channel="phone", is_now=True))
        outgoing = sending(harbour, channel("sms", "twilio", "phone", twilio.settings()))
        twilio.lose_next()
        outgoing.send_due()
        harbour.passes(10 * SECOND_US)

        write(harbour, lambda it: outgoing_rows.retry(it, "n-1", now=harbour.now))
        outgoing.send_due()

    assert harbour.state("n-1") == ("sent", "sent")
    assert len(twilio.sent) == 1


def test_what_chatwoot_may_have_is_looked_for_also_when_a_person_sends_it_again(
    harbour: SendingShop, woot: Chatwoot, sending: Sending
) -> None:
    said = Interaction(
        id="in-1", at=NOON, channel="chat", direction="in", by="Lena", text="?", thread="77"
    )
    harbour.put(shop.row(said))
    harbour.push(answer(is_now=True))
    real = sending(harbour, channel("desk", "chatwoot", "chat", woot.settings()))

    def loses(call: AnyCall) -> AnyReply:
        real.carry(call)
        return NoReply("it did not answer in time", is_maybe_done=True)

    outgoing = sending(
        harbour, channel("desk", "chatwoot", "chat", woot.settings()), carry=loses
    )
    for pause_s in (*PAUSES_S, 0):
        outgoing.send_due()
        harbour.passes(2 * pause_s * SECOND_US)

    given_up = harbour.state("a-1")
    write(harbour, lambda it: outgoing_rows.retry(it, "a-1", now=harbour.now))
    real.send_due()

    assert given_up == ("failed", "failed")
    assert harbour.state("a-1") == ("sent", "sent")
    assert [one["content"] for one in woot.conversations["77"]] == ["It is here."]


def test_what_a_node_that_died_sent_is_found_though_the_list_could_not_be_had_at_first(
    harbour: SendingShop, sending: Sending
) -> None:
    twilio = Twilio()
    twilio.now_s = harbour.now // SECOND_US
    with running(twilio):
        sms = channel("sms", "twilio", "phone", twilio.settings())
        harbour.push(notice(channel="phone", is_now=True))
        real = sending(harbour, sms)

        with pytest.raises(Killed):
            sending(harbour, sms, carry=dies_after(real.carry)).send_due()
        harbour.passes(CLAIM_US)
        twilio.fail_next(503)
        real.send_due()
        for _ in range(4):
            harbour.passes(10 * MINUTE_US)
            real.send_due()

    assert len(twilio.sent) == 1
    assert harbour.state("n-1") == ("sent", "sent")


def test_a_second_attempt_that_is_lost_is_looked_for_as_long_as_the_first(
    harbour: SendingShop, sending: Sending
) -> None:
    twilio, n_lost, n_posted = Twilio(), 2, []
    with running(twilio):
        sms = channel("sms", "twilio", "phone", twilio.settings())
        harbour.push(notice(channel="phone", is_now=True))
        real = sending(harbour, sms)

        def carry(call: AnyCall) -> AnyReply:
            if isinstance(call, Call) and call.method == "POST":
                n_posted.append(harbour.now)
                if len(n_posted) <= n_lost:
                    return NoReply("it did not answer in time", is_maybe_done=True)
            return real.carry(call)

        outgoing = sending(harbour, sms, carry=carry)
        outgoing.send_due()
        harbour.passes(15 * MINUTE_US)  # the channel was paused, say
        outgoing.send_due()
        for _ in range(9):
            harbour.passes(MINUTE_US)
            outgoing.send_due()

    assert len(n_posted) == 2
