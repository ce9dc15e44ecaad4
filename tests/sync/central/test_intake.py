"""What other systems send: verified, kept once for ever, written down in whatever order it comes; and what cannot be is held."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from hardware.clock import FixedClock
from hardware.entropy import SeededEntropy
from hardware.moments import moment_of
from sync.central import erasure, events, interests, taking
from sync.central.centre import Centre
from sync.central.channels.adapter import KEEP_DAYS, Event
from sync.central.channels.facts import (
    Became,
    Bought,
    Called,
    Delivered,
    Forget,
    Parcel,
    Priced,
    Problem,
    Said,
    Sold,
    Stocked,
    Who,
)
from sync.central.intake import ALERT, ALERT_HELD, EVENTS_MAX, FORGED_A_MINUTE, WAITS_US, Intake
from sync.model import promises
from sync.model.errors import StoreError
from sync.model.records import Back, Case, OrderLine
from tests.support.centre import open_centre
from tests.support.channels import (
    CALLS,
    CHAT,
    DAY,
    HOUR,
    MAIL,
    NOW,
    SHOP,
    all_rows,
    bought,
    database_rows,
    delivery,
    event,
    intake_of,
    mail,
    phone,
    who,
    wrote,
)

MAYA = who("17", "Maya", "Stone", mail("maya@example.org"))


DATABASES = ("sqlite",)
"""That a server says the same is tested in `test_intake_nodes`, all of it in one go."""


@pytest.fixture
def clock() -> FixedClock:
    return FixedClock(moment_of(NOW))


@pytest.fixture
def centre(
    centre_on: str, request: pytest.FixtureRequest, tmp_path: Path, clock: FixedClock
) -> Iterator[Centre]:
    address = "" if centre_on == "sqlite" else request.getfixturevalue("made_database")
    opened = open_centre(
        tmp_path / "centre", database=address, clock=clock, entropy=SeededEntropy("intake")
    )
    yield opened
    opened.close()


@pytest.fixture
def intake(centre: Centre) -> Intake:
    return intake_of(centre)


def states(centre: Centre, channel: str = "") -> dict[str, tuple[str, str]]:
    with centre._parts.store.reading() as snapshot:
        return {it.id: (it.state, it.reason) for it in events.listed(snapshot.sql, channel)}


def raw(centre: Centre, event_id: str, channel: str = "shop") -> bytes | None:
    with centre._parts.store.reading() as snapshot:
        return events.raw_of(snapshot.sql, channel, event_id)


def body(centre: Centre, key: str) -> Any:
    return all_rows(centre)[key][3]


def test_an_event_is_kept_with_its_own_bytes_and_becomes_rows(
    centre: Centre, intake: Intake
) -> None:
    sent = delivery(event("e1", bought("W-1", MAYA)))

    taken = intake.deliver("shop", sent)

    assert (taken.status, taken.n_new) == (200, 1)
    assert states(centre) == {"e1": ("done", "")}
    assert raw(centre, "e1") == sent.body
    assert body(centre, "order/W-1")["state"] == "paid"


def test_an_event_that_comes_again_is_counted_and_changes_nothing(
    centre: Centre, intake: Intake
) -> None:
    sent = delivery(event("e1", bought("W-1", MAYA)))
    intake.deliver("shop", sent)
    before = all_rows(centre)

    again = intake.deliver(
        "shop", delivery(event("e1", bought("W-1", MAYA, state="cancelled", at=NOW)))
    )

    assert (again.status, again.n_new) == (200, 0)
    assert all_rows(centre) == before
    assert raw(centre, "e1") == sent.body
    (line,) = database_rows(centre, "event")
    assert 1 in line


def test_the_same_id_of_two_channels_is_two_events(centre: Centre, intake: Intake) -> None:
    intake.deliver("shop", delivery(event("e1", bought("W-1", MAYA))))

    taken = intake.deliver("chat", delivery(event("e1", wrote("m1", who("c"))), to=CHAT))

    assert taken.n_new == 1


@pytest.mark.parametrize(
    ("change", "reason"),
    [({"x_word": "wrong"}, "the word does not fit"), ({"x_at": "1"}, "signed too long ago")],
)  # fmt: skip
def test_what_is_forged_or_old_is_refused_and_kept_with_its_reason(
    centre: Centre, intake: Intake, change: dict[str, Any], reason: str
) -> None:
    taken = intake.deliver("shop", delivery(event("e1", bought("W-1", MAYA)), **change))

    assert (taken.status, taken.code) == (401, "forged")
    assert list(states(centre).values()) == [("forged", reason)]
    assert all_rows(centre) == {}
    assert [it.code for it in centre.alerts()] == [ALERT]


def test_of_forged_deliveries_a_bounded_number_is_written_down(
    centre: Centre, intake: Intake, clock: FixedClock
) -> None:
    for index in range(FORGED_A_MINUTE + 5):
        intake.deliver("shop", delivery(event(f"e{index}"), x_word="no"))

    assert centre.count("event") == FORGED_A_MINUTE
    assert centre.metrics().counts["channel.shop.forged"] == FORGED_A_MINUTE + 5


def test_the_oldest_forged_delivery_goes_when_there_are_too_many(
    centre: Centre, intake: Intake, clock: FixedClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(events, "FORGED_MAX", 3)

    for index in range(5):
        clock.sleep_ms(1_000)
        intake.deliver("shop", delivery({"id": f"e{index}"}, now=NOW + index, x_word="no"))

    kept = [raw(centre, name) for name in states(centre)]
    assert len(kept) == 3
    assert not any(b'"e0"' in (it or b"") or b'"e1"' in (it or b"") for it in kept)


def test_only_the_beginning_of_a_forged_body_is_kept(centre: Centre, intake: Intake) -> None:
    intake.deliver("shop", delivery({"id": "x" * 9_000}, x_word="no"))

    (name,) = states(centre)
    assert len(raw(centre, name) or b"") == events.FORGED_SIZE


def test_a_channel_there_is_not_takes_nothing(centre: Centre, intake: Intake) -> None:
    assert intake.deliver("nowhere", delivery()).status == 404
    assert centre.count("event") == 0


def test_a_vendor_that_asks_who_we_are_is_told(intake: Intake) -> None:
    asked = delivery()

    taken = intake.deliver(
        "shop",
        type(asked)(
            b"", asked.headers, "http://centre.test/in/shop?hello=abc", "GET", asked.now
        ),
    )

    assert (taken.status, taken.body, taken.code) == (200, b"abc", "greeted")


@pytest.mark.parametrize(
    ("event_type", "reason"),
    [("broken", "plain raised ZeroDivisionError"), ("strange", "no mapping for 'strange'")],
)
def test_an_adapter_that_throws_holds_that_event_and_the_others_flow(
    centre: Centre, intake: Intake, event_type: str, reason: str
) -> None:
    bad = event("e1", bought("W-1", MAYA), event_type=event_type)

    taken = intake.deliver("shop", delivery(bad, event("e2", bought("W-2", MAYA))))

    assert (taken.status, taken.n_new) == (200, 2)
    assert states(centre) == {"e1": ("held", reason), "e2": ("done", "")}
    assert "order/W-2" in all_rows(centre)
    assert b"W-1" in (raw(centre, "e1") or b"")
    assert [it.code for it in centre.alerts()] == [ALERT_HELD]


def test_one_bad_fact_leaves_nothing_of_its_event_behind(
    centre: Centre, intake: Intake
) -> None:
    bad = Said(ref="m", at=NOW, channel="pigeon", direction="in", who=MAYA)

    intake.deliver("shop", delivery(event("e1", bought("W-1", MAYA), bad)))

    assert states(centre) == {"e1": ("held", "no such channel: 'pigeon'")}
    assert all_rows(centre) == {}
    assert centre.count("alias") == centre.count("point") == centre.count("named") == 0


@pytest.mark.parametrize(
    "content",
    [
        b"", b"\xff\xfe\x00", b"{", b"[1]", b'[{"no":"id"}]', b"<html>", b"[" * 5_000, b'"text"', "[{\"id\":\"é\"}]".encode("latin-1"),
    ],
)  # fmt: skip
def test_a_body_that_is_not_the_vendors_is_kept_whole_for_a_person(
    centre: Centre, intake: Intake, content: bytes
) -> None:
    sent = delivery()

    taken = intake.deliver(
        "shop", type(sent)(content, sent.headers, sent.url, sent.method, sent.now)
    )

    ((name, (state, reason)),) = states(centre).items()
    assert (taken.status, state, bool(reason)) == (200, "held", True)
    assert raw(centre, name) == content


def test_a_held_event_is_taken_once_its_adapter_can(
    centre: Centre, intake: Intake, monkeypatch: pytest.MonkeyPatch
) -> None:
    intake.deliver("shop", delivery(event("e1", bought("W-1", MAYA), event_type="strange")))
    adapter = intake.adapter("shop")
    monkeypatch.setattr(adapter, "facts", lambda one, _: (bought("W-1", MAYA),))

    record = intake.replay("shop", "e1")

    assert record is not None
    assert record.state == "done"
    assert "order/W-1" in all_rows(centre)


def test_a_delivery_that_could_not_be_taken_apart_is_once_its_adapter_can(
    centre: Centre, intake: Intake, monkeypatch: pytest.MonkeyPatch
) -> None:
    (name,) = intake.accept(SHOP, type(delivery())(b"other", {}, "", "POST", 0)).ids
    adapter = intake.adapter("shop")
    parts = Event("e1", "facts", 0, event("e1", bought("W-1", MAYA)))
    monkeypatch.setattr(adapter, "events", lambda *_: (parts,))

    intake.replay("shop", name)

    assert states(centre) == {name: ("done", "taken apart into 1"), "e1": ("done", "")}
    assert "order/W-1" in all_rows(centre)


def test_a_paused_channel_keeps_what_comes_until_it_goes_on(
    centre: Centre, intake: Intake
) -> None:
    intake.pause("shop", reason="audit")

    taken = intake.deliver("shop", delivery(event("e1", bought("W-1", MAYA))))
    intake.deliver("chat", delivery(event("c1", wrote("m1", who("c"))), to=CHAT))

    assert taken.status == 200
    assert states(centre, "shop") == {"e1": ("waiting", "")}
    assert intake.take_waiting() == 0
    assert "interaction/chat:m1" in all_rows(centre)
    assert intake.resume("shop") == 1
    assert states(centre, "shop") == {"e1": ("done", "")}


def test_older_news_changes_nothing_and_is_recorded_as_such(
    centre: Centre, intake: Intake
) -> None:
    intake.deliver(
        "shop", delivery(event("e2", bought("W-1", MAYA, at=NOW - HOUR, state="shipped")))
    )

    intake.deliver(
        "shop", delivery(event("e1", bought("W-1", MAYA, at=NOW - DAY, state="paid")))
    )

    assert body(centre, "order/W-1")["state"] == "shipped"
    state, reason = states(centre)["e1"]
    assert state == "ignored"
    assert "order/W-1" in reason


def test_a_state_that_came_before_its_order_waits_for_it(
    centre: Centre, intake: Intake
) -> None:
    became = Became(ref="order:99", at=NOW - HOUR, state="shipped")
    intake.deliver("shop", delivery(event("e2", became)))
    assert states(centre) == {"e2": ("waiting", "awaits order:99")}

    order = msgspec.structs.replace(bought("W-1", MAYA), also=("order:99",))
    intake.deliver("shop", delivery(event("e1", order)))

    assert body(centre, "order/W-1")["state"] == "shipped"
    assert states(centre)["e2"] == ("done", "")


def test_what_nobody_ever_told_of_is_held_in_the_end(
    centre: Centre, intake: Intake, clock: FixedClock
) -> None:
    intake.deliver(
        "shop", delivery(event("e2", Became(ref="order:99", at=NOW, state="shipped")))
    )

    clock.sleep_ms(WAITS_US // 1_000 + 1_000)
    intake.take_waiting()

    assert states(centre) == {"e2": ("held", "nothing was told of order:99")}


def test_an_order_of_another_channels_customer_is_not_taken_over(
    centre: Centre, intake: Intake
) -> None:
    intake.deliver("shop", delivery(event("e1", bought("W-1", MAYA))))

    intake.deliver(
        "mail", delivery(event("e2", bought("W-1", who("9", "Eve"), at=NOW)), to=MAIL)
    )

    assert states(centre, "mail") == {"e2": ("held", "order/W-1 is another customer's")}
    assert len([key for key in all_rows(centre) if key.startswith("customer/")]) == 1


def test_goods_and_parcels_become_rows(centre: Centre, intake: Intake) -> None:
    facts = (
        Sold(
            ref="p1", at=NOW - DAY, title="Scarf", category="wool", also=("inventory_item:5",)
        ),
        Priced(ref="p1", at=NOW - DAY, channel="web", amount_minor=4_100, currency="EUR"),
        Stocked(ref="inventory_item:5", at=NOW - DAY, place="web", count=3),
        Stocked(ref="p2", at=NOW - DAY, place="web", count=None),
        bought("W-1", MAYA),
        Parcel(
            ref="f1",
            at=NOW - HOUR,
            order="W-1",
            store="harbour",
            state="ready",
            shelf="C7",
            n_items=2,
        ),
    )

    intake.deliver("shop", delivery(event("e1", *facts)))

    assert states(centre) == {"e1": ("done", "")}
    assert body(centre, "stock/p1@web")["count"] == 3
    assert body(centre, "stock/p2@web")["count"] is None
    assert body(centre, "price/p1@web")["amount_minor"] == 4_100
    owner, _, source, parcel = all_rows(centre)["pickup/shop:f1"]
    assert (owner, source, parcel["shelf"]) == (all_rows(centre)["order/W-1"][0], "shop", "C7")
    with centre._parts.store.reading() as snapshot:
        assert [it.scope for it in interests.of_owner(snapshot.sql, owner)] == ["s:harbour"]


def test_a_problem_of_another_system_is_a_case_and_its_newer_word_counts(
    centre: Centre, intake: Intake
) -> None:
    def problem(state: str, at: int) -> Problem:
        return Problem(
            ref="C-4711", at=at, who=MAYA, channel="phone", state=state, topic="billing", opened_at=NOW - DAY,
            promised_by="Ana", promise="call back", due_at=NOW + HOUR, told=(("card", "4711"),), missing=("payer",),
            tried=(("password reset", 7, 7),),
        )  # fmt: skip

    intake.deliver(
        "shop",
        delivery(
            event("e2", problem("solved", NOW - HOUR)), event("e1", problem("open", NOW - DAY))
        ),
    )

    case = body(centre, "case/shop:C-4711")
    assert (case["state"], case["number"], case["promise"]["by"]) == ("solved", "C-4711", "Ana")
    assert case["tried"] == [{"text": "password reset", "n_tried": 7, "n_failed": 7}]


def test_a_problem_that_its_system_solved_in_time_is_no_broken_promise_until_it_is_opened_again(
    centre: Centre, intake: Intake
) -> None:
    def tally_after(event_id: str, state: str, at: int) -> promises.Tally:
        problem = Problem(
            ref="C-4711", at=at, who=MAYA, channel="phone", state=state, topic="billing", opened_at=NOW - DAY,
            promised_by="Ana", promise="call back", due_at=NOW + HOUR,
        )  # fmt: skip
        intake.deliver("shop", delivery(event(event_id, problem)))
        with centre._parts.store.reading() as snapshot:
            row = snapshot.row("case/shop:C-4711")
        assert row is not None
        assert isinstance(row.body, Case)
        return promises.tally(row.body, now=NOW + DAY)

    opened = tally_after("e1", "open", NOW - DAY)
    solved = tally_after("e2", "solved", NOW - HOUR)
    closed = tally_after("e3", "solved", NOW - HOUR + 1)
    again = tally_after("e4", "open", NOW - HOUR + 2)

    assert [it.n_broken for it in (opened, solved, closed, again)] == [1, 0, 0, 1]
    assert {it.n_promised for it in (opened, solved, closed, again)} == {1}


def test_three_messages_in_a_row_are_one_contact_and_thanks_opens_nothing(
    centre: Centre, intake: Intake
) -> None:
    priya = who("c", "Priya")
    said = [
        wrote("m2", priya, "anybody?", at=NOW - 8 * HOUR),
        wrote("m1", priya, "where is my order?", at=NOW - 9 * HOUR),
        wrote(
            "a1", None, "we are away", at=NOW - 8 * HOUR + 1, direction="out", is_automatic=True
        ),
        wrote("a2", None, "it is on its way", at=NOW - 7 * HOUR, direction="out"),
        wrote("m3", priya, "Thanks!", at=NOW - 6 * HOUR),
    ]

    for one in said:
        intake.deliver("chat", delivery(event(one.ref, one), to=CHAT))
    intake.take_waiting()

    found = {
        key.rpartition(":")[2]: it
        for key, (*_, it) in all_rows(centre).items()
        if key.startswith("interaction/")
    }
    assert found["m1"]["due_at"] == NOW - 9 * HOUR + DAY
    assert found["m1"]["answered_at"] == found["m2"]["answered_at"] == NOW - 7 * HOUR
    assert "due_at" not in found["m2"]
    assert "due_at" not in found["m3"]


def test_what_we_write_is_the_customers_we_answer_though_an_address_proves_nothing(
    centre: Centre, intake: Intake
) -> None:
    maya = who("", "Maya", "", mail("maya@example.org"))
    guest = who("", "", "", mail("maya@example.org", is_verified=False))
    asked = wrote("m1", maya, "where is it?", at=NOW - 9 * HOUR)
    answer = wrote("a1", guest, "on its way", at=NOW - 8 * HOUR, direction="out")

    for one in (asked, answer):
        intake.deliver("chat", delivery(event(one.ref, one), to=CHAT))

    owners = {it[0] for key, it in all_rows(centre).items() if key.startswith("interaction/")}
    assert len(owners) == 1
    assert body(centre, "interaction/chat:m1")["answered_at"] == NOW - 8 * HOUR


def test_what_is_said_of_a_gift_is_marked_as_one(centre: Centre, intake: Intake) -> None:
    gift = msgspec.structs.replace(bought("W-1081", MAYA, at=NOW - DAY), sensitivity="gift")
    asked = wrote("m1", MAYA, "in a plain box please", at=NOW - HOUR, about="W-1081")

    intake.deliver("shop", delivery(event("o", gift), to=SHOP))
    intake.deliver("chat", delivery(event("m1", asked), to=CHAT))

    assert body(centre, "interaction/chat:m1")["sensitivity"] == "gift"


def test_ids_of_members_mean_the_customers_that_were_here_before(
    centre: Centre, intake: Intake
) -> None:
    intake.know("shop", {"17": "maya"})

    intake.deliver("shop", delivery(event("o", bought("W-1", MAYA, at=NOW - DAY)), to=SHOP))

    owners = {key: it[0] for key, it in all_rows(centre).items()}
    assert owners["order/W-1"] == owners["customer/maya"] == "maya"


def test_what_is_left_on_the_telephone_waits_for_an_answer_and_nothing_else_is_left_there(
    centre: Centre, intake: Intake
) -> None:
    caller = Who(points=(phone("07700 900123"),))
    left = [
        wrote("s1", caller, channel="phone", form="sms"),
        wrote("w1", caller, channel="whatsapp", form="sms"),
        wrote("x1", caller, channel="phone", form="by pigeon", thread="t2"),
    ]

    for one in left:
        intake.deliver("calls", delivery(event(one.ref, one), to=CALLS))

    sms, chat, strange = (
        body(centre, f"interaction/calls:{ref}") for ref in ("s1", "w1", "x1")
    )
    assert (sms["form"], sms["due_at"] > 0) == ("sms", True)
    assert (chat.get("form", ""), strange.get("form", "")) == ("", "")


def test_two_dropped_calls_within_a_day_are_a_case(centre: Centre, intake: Intake) -> None:
    caller = Who(points=(phone("07700 900123"),))
    calls = [
        Called(ref=f"k{index}", at=NOW - hours * HOUR, who=caller, state="dropped")
        for index, hours in enumerate((20, 1))
    ]

    for call in reversed(calls):
        intake.deliver("calls", delivery(event(call.ref, call), to=CALLS))

    (case,) = [it for key, (*_, it) in all_rows(centre).items() if key.startswith("case/")]
    assert (case["topic"], case["next_step"]) == ("2 calls lost", "call back")
    assert len({owner for owner, *_ in all_rows(centre).values()}) == 1


def test_html_and_hostile_text_stay_text(centre: Centre, intake: Intake) -> None:
    text = "<script>alert(1)</script> [@click=app.quit]x[/] \u202e " + "y" * 9_000

    intake.deliver(
        "chat", delivery(event("e1", wrote("m1", who("c", "<b>Sam</b>"), text)), to=CHAT)
    )

    said = body(centre, "interaction/chat:m1")["text"]
    assert said.startswith("<script>alert(1)</script> [@click=app.quit]x[/]")
    assert len(said) == 4_000
    assert raw(centre, "e1", "chat") is not None
    assert b"y" * 9_000 in (raw(centre, "e1", "chat") or b"")


def test_an_unknown_field_is_no_fault_and_is_kept(centre: Centre, intake: Intake) -> None:
    sent = event("e1", bought("W-1", MAYA))
    sent["facts"][0]["loyalty_colour"] = "blue"

    intake.deliver("shop", delivery(sent))

    assert states(centre) == {"e1": ("done", "")}
    assert b"loyalty_colour" in (raw(centre, "e1") or b"")


def test_a_wrong_type_holds_the_event_and_says_where(centre: Centre, intake: Intake) -> None:
    sent = event("e1", bought("W-1", MAYA))
    sent["facts"][0]["total_minor"] = "a lot"

    intake.deliver("shop", delivery(sent))

    ((state, reason),) = states(centre).values()
    assert state == "held"
    assert "total_minor" in reason


@pytest.mark.parametrize("name", ["x" * 900, "a\0b", "a\nb", ""])
def test_an_id_no_database_can_hold_is_replaced_by_its_digest(
    centre: Centre, intake: Intake, name: str
) -> None:
    for _ in range(2):
        intake.deliver("shop", delivery(event(name, bought("W-1", MAYA))))

    ((kept, (state, _)),) = states(centre).items()
    assert (kept.startswith("digest-"), state) == (True, "done")


def test_more_events_than_a_delivery_may_hold_are_kept_whole(
    centre: Centre, intake: Intake
) -> None:
    intake.deliver("shop", delivery(*(event(f"e{index}") for index in range(EVENTS_MAX + 1))))

    ((name, (state, _)),) = states(centre).items()
    assert (name.startswith("whole-"), state) == (True, "held")


def test_what_became_of_a_message_waits_for_who_sends_them(
    centre: Centre, intake: Intake
) -> None:
    intake.deliver(
        "chat", delivery(event("e1", Delivered(ref="x", at=NOW, state="read")), to=CHAT)
    )

    assert states(centre) == {"e1": ("held", "nothing here hears of delivered")}
    heard: list[Any] = []
    intake.hear(
        Delivered, lambda _transaction, settings, fact: heard.append((settings.name, fact.ref))
    )
    intake.replay("chat", "e1")
    assert (heard, states(centre)) == ([("chat", "x")], {"e1": ("done", "")})


def test_a_wish_to_be_forgotten_is_a_case_for_a_person(centre: Centre, intake: Intake) -> None:
    intake.deliver("shop", delivery(event("e1", Forget(ref="17", at=NOW, who=MAYA))))

    (case,) = [it for key, (*_, it) in all_rows(centre).items() if key.startswith("case/")]
    assert (case["topic"], case["state"]) == ("wants to be forgotten", "open")
    with centre._parts.store.reading() as snapshot:
        (due,) = erasure.due(snapshot)
    assert due.due_at == NOW + 30 * DAY


# Erased


def erased(centre: Centre, intake: Intake) -> str:
    intake.deliver("shop", delivery(event("e1", bought("W-1", MAYA))))
    intake.deliver(
        "chat",
        delivery(
            event("c1", wrote("m1", who("c9", "Maya", "", mail("maya@example.org")))), to=CHAT
        ),
    )
    intake.deliver("shop", delivery(event("e9", bought("W-8", MAYA), event_type="strange")))
    owner = all_rows(centre)["order/W-1"][0]
    assert centre.erase(owner) > 0
    return owner


def test_nothing_of_an_erased_customer_is_left(
    centre: Centre, intake: Intake, tmp_path: Path
) -> None:
    erased(centre, intake)

    for table in ("alias", "point", "said", "folded", "origin", "event_of", "likeness"):
        assert centre.count(table) == 0
    assert all_rows(centre) == {}
    assert {state for state, _ in states(centre).values()} == {"erased"}
    for table in (
        "event",
        "joined",
        "joined_row",
        "told_at",
        "named",
        "forgotten",
        "outgoing",
        "change",
    ):
        lines = repr(database_rows(centre, table)).lower()
        assert "maya" not in lines
        assert "stone" not in lines


def test_nobody_is_said_to_be_like_who_was_erased(centre: Centre, intake: Intake) -> None:
    shared = mail("box@example.org", is_verified=False)
    intake.deliver("shop", delivery(event("a1", bought("W-1", who("1", "Ann", "Lee", shared)))))
    intake.deliver("shop", delivery(event("b1", bought("W-2", who("2", "Bob", "Box", shared)))))
    like = [key for key in all_rows(centre) if key.startswith("likeness/")]

    centre.erase(all_rows(centre)["order/W-2"][0])

    assert len(like) == 2
    assert [key for key in all_rows(centre) if key.startswith("likeness/")] == []


def test_the_bytes_of_what_was_told_of_an_erased_customers_messages_go(
    centre: Centre, intake: Intake
) -> None:
    intake.hear(Delivered, lambda *_: None)
    lena = who("c1", "Lena", "", phone("+447700900123"))
    intake.deliver("chat", delivery(event("m1", wrote("m1", lena)), to=CHAT))
    sent = {**event("s1", Delivered(ref="r1", at=NOW, state="sent")), "to": "447700900123"}
    other = {**event("s2", Delivered(ref="r2", at=NOW, state="sent")), "to": "447700900999"}
    nothing = {**event("n1"), "to": "447700900123"}
    for one in (sent, other, nothing):
        intake.deliver("chat", delivery(one, to=CHAT))

    centre.erase(all_rows(centre)["interaction/chat:m1"][0])

    gone = [raw(centre, name, "chat") is None for name in ("s1", "s2", "n1")]
    assert gone == [True, False, True]


def test_a_conversation_called_by_a_number_does_not_keep_it_when_the_customer_is_erased(
    centre: Centre, intake: Intake
) -> None:
    lena = who("447700900123", "Lena", "", phone("+447700900123"))
    intake.deliver(
        "chat", delivery(event("m1", wrote("m1", lena, thread="447700900123")), to=CHAT)
    )
    centre.erase(all_rows(centre)["interaction/chat:m1"][0])

    late = wrote("m2", None, "we are on it", direction="out", thread="447700900123")
    intake.deliver("chat", delivery(event("m2", late), to=CHAT))

    assert "447700900123" not in repr(database_rows(centre, "named"))
    assert states(centre)["m2"][0] == "erased"
    assert all_rows(centre) == {}


def test_an_old_event_of_an_erased_customer_does_not_bring_them_back(
    centre: Centre, intake: Intake
) -> None:
    erased(centre, intake)

    late = [
        (SHOP, event("e2", bought("W-2", MAYA))),
        (
            MAIL,
            event(
                "p1",
                wrote(
                    "p1",
                    who("new", "Maya", "", mail("maya@example.org")),
                    channel="email",
                    at=NOW - 1,
                ),
            ),
        ),
    ]
    for to, one in late:
        assert intake.deliver(to.name, delivery(one, to=to)).status == 200

    assert all_rows(centre) == {}
    assert [states(centre)[name][0] for name in ("e2", "p1")] == ["erased", "erased"]
    assert raw(centre, "e2") is None
    assert centre.count("alias") == 0


def test_news_of_what_an_erased_customer_bought_is_kept_without_its_bytes(
    centre: Centre, intake: Intake
) -> None:
    erased(centre, intake)
    reply = wrote("r1", None, "we are on it", direction="out", about="W-1", thread="t1")

    intake.deliver("shop", delivery(event("b1", Became(ref="W-1", at=NOW, state="shipped"))))
    intake.deliver("chat", delivery(event("r1", reply), to=CHAT))

    assert [states(centre)[name][0] for name in ("b1", "r1")] == ["erased", "erased"]
    assert raw(centre, "b1") is None
    assert all_rows(centre) == {}


def test_an_order_that_its_shop_gives_to_another_customer_goes_there(
    centre: Centre, intake: Intake
) -> None:
    guest = who("", "Maya", "", mail("maya@example.org"))
    intake.deliver("shop", delivery(event("e1", bought("W-1", guest, at=NOW - DAY))))

    intake.deliver(
        "shop", delivery(event("e2", bought("W-1", who("77", "Ama"), at=NOW - HOUR)))
    )

    owner = all_rows(centre)["order/W-1"][0]
    assert body(centre, f"customer/{owner}")["given_name"] == "Ama"


def test_who_brings_something_back_does_not_become_whose_order_it_was(
    centre: Centre, intake: Intake
) -> None:
    intake.deliver("shop", delivery(event("e1", bought("W-1", MAYA))))

    back = Became(ref="W-1", at=NOW, state="returned", who=who("9", "Tom"))
    intake.deliver("shop", delivery(event("e2", back)))

    owner, _, _, order = all_rows(centre)["order/W-1"]
    assert (order["state"], body(centre, f"customer/{owner}")["given_name"]) == (
        "returned",
        "Maya",
    )


def two_shirts(state: str = "collected", at: int = NOW - DAY) -> Bought:
    order = bought("W-1", MAYA, at=at, state=state)
    lines = (OrderLine("LS-M", "Linen shirt", 2), OrderLine("SO-1", "Socks"))
    return msgspec.structs.replace(order, lines=lines)


def came_back(name: str, *back: Back, at: int = NOW) -> dict[str, Any]:
    return event(name, Became(ref="W-1", at=at, state="returned", back=back))


def test_what_came_back_of_an_order_is_counted_until_it_is_all_of_it(
    centre: Centre, intake: Intake
) -> None:
    intake.deliver("shop", delivery(event("e1", two_shirts())))
    seen = []

    for name, back in (
        ("e2", Back("LS-M", 1)),
        ("e3", Back("SO-1", 1)),
        ("e4", Back("LS-M", 1)),
    ):
        # The last one told is the first that happened: each came back all the same.
        intake.deliver("shop", delivery(came_back(name, back, at=NOW - int(name[1]))))
        intake.deliver("shop", delivery(came_back(name, back)))
        order = body(centre, "order/W-1")
        seen.append(
            (order["state"], [(it["product"], it["count"]) for it in order.get("back", [])])
        )

    assert seen == [
        ("collected", [("LS-M", 1)]),
        ("collected", [("LS-M", 1), ("SO-1", 1)]),
        ("returned", []),
    ]


def test_an_order_that_is_told_anew_keeps_what_came_back(
    centre: Centre, intake: Intake
) -> None:
    intake.deliver("shop", delivery(event("e1", two_shirts())))
    intake.deliver("shop", delivery(came_back("e2", Back("LS-M", 1), at=NOW - HOUR)))

    intake.deliver("shop", delivery(event("e3", two_shirts(at=NOW))))

    assert body(centre, "order/W-1")["back"] == [{"product": "LS-M", "count": 1}]


@pytest.mark.parametrize(
    "back", [Back("LS-M", 3), Back("LS-M", 0), Back("LS-M", -1), Back("nothing", 1)]
)
def test_more_than_was_bought_does_not_come_back(
    centre: Centre, intake: Intake, back: Back
) -> None:
    intake.deliver("shop", delivery(event("e1", two_shirts())))

    intake.deliver("shop", delivery(came_back("e2", back)))

    assert states(centre)["e2"][0] == "held"
    assert "back" not in body(centre, "order/W-1")


def test_what_names_an_order_nobody_told_of_waits_for_it(
    centre: Centre, intake: Intake
) -> None:
    note = wrote("n1", None, "refunded", direction="note", about="W-1", thread="")
    intake.deliver("shop", delivery(event("e1", note)))
    assert states(centre)["e1"] == ("waiting", "awaits W-1")

    intake.deliver("shop", delivery(event("e2", bought("W-1", MAYA))))

    assert states(centre)["e1"][0] == "done"
    assert all_rows(centre)["interaction/shop:n1"][0] == all_rows(centre)["order/W-1"][0]


def test_who_was_erased_and_writes_again_later_is_a_new_customer(
    centre: Centre, intake: Intake, clock: FixedClock
) -> None:
    owner = erased(centre, intake)
    clock.sleep_ms(1_000)

    intake.deliver("mail", delivery(
        event("p1", wrote("p1", who("new", "Maya", "", mail("maya@example.org")), channel="email", at=NOW + 500_000)), to=MAIL,
    ))  # fmt: skip

    assert states(centre, "mail") == {"p1": ("done", "")}
    assert all_rows(centre)["interaction/mail:p1"][0] != owner


# The store


def test_what_cannot_be_written_down_now_is_kept_and_taken_later(
    centre: Centre, intake: Intake, monkeypatch: pytest.MonkeyPatch
) -> None:
    def failing(*_: object) -> None:
        raise StoreError("no room for this")

    with monkeypatch.context() as broken:
        broken.setattr(taking, "take", failing)
        taken = intake.deliver("shop", delivery(event("e1", bought("W-1", MAYA))))
    assert taken.status == 200
    assert states(centre)["e1"][0] == "waiting"

    intake.take_waiting()

    assert states(centre)["e1"] == ("done", "")


def test_the_bytes_of_what_was_taken_go_in_the_end_and_the_id_stays(
    centre: Centre, intake: Intake, clock: FixedClock
) -> None:
    intake.deliver(
        "shop", delivery(event("e1", bought("W-1", MAYA)), event("e2", event_type="broken"))
    )
    clock.sleep_ms(KEEP_DAYS["taken"] * DAY // 1_000 + 1_000)

    assert intake.tidy() == 1

    assert raw(centre, "e1") is None
    assert raw(centre, "e2") is not None
    assert intake.deliver("shop", delivery(event("e1", bought("W-2", MAYA)))).n_new == 0
