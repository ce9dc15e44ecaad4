"""What an agent does is an operation like any other: applied once, seen everywhere, taken back by a press."""

from typing import Final
from zoneinfo import ZoneInfo

import pytest

from hardware.clock import FixedClock
from hardware.moments import micros_of, moment_of
from sync.central.centre import Centre
from sync.central.pages import acting
from sync.central.pages.site import AgentSite
from sync.model.records import Case, Interaction, Record, Referral
from sync.model.registry import KINDS
from sync.model.row import Row
from tests.support import shop
from tests.support.pages import TOM, Browser

DATABASES = ("sqlite",)
MINUTE = 60_000


@pytest.fixture
def at_tom(ana: Browser) -> Browser:
    """Ana with Tom's page before her."""
    ana.find(phone="+447700900102")
    assert "Tom Bécker" in ana.page.text
    return ana


def rows(centre: Centre, kind: type[Record]) -> list[Row]:
    with centre._parts.store.reading() as snapshot:
        return [row for row in snapshot.all_of_owner(TOM) if isinstance(row.body, kind)]


def case_of(centre: Centre) -> Case:
    row = centre.row("case/case-tom")
    assert row is not None
    assert isinstance(row.body, Case)
    return row.body


def notes(centre: Centre) -> list[Interaction]:
    found = [row.body for row in rows(centre, Interaction)]
    return [it for it in found if isinstance(it, Interaction) and it.direction == "note"]


def test_the_card_is_on_top_and_says_it_all(at_tom: Browser) -> None:
    text = at_tom.page.text

    said = ("PROMISED by Ana", "have 1/2 Employer: Brightwater", "MISSING: the payer's consent",
            "DO NOT OFFER AGAIN: reset the password", "NEXT: ask Brightwater", "password reset x7", "Note")  # fmt: skip
    places = [text.index(one) for one in said]
    assert places == sorted(places)
    assert "last change" in text
    assert "Built by rules from 9 rows." in text


def test_equal_contacts_fold_in_the_thread_and_one_that_waits_does_not(
    centre: Centre, at_tom: Browser
) -> None:
    waits = Interaction(
        id="tom-now", at=shop.NOON, channel="phone", direction="in", by="Tom", text="and now?",
        topic="password reset", due_at=shop.NOON + 1,
    )  # fmt: skip
    centre.put_rows([shop.row(waits, owner=TOM)])
    at_tom.go(at_tom.path)

    said = [tag for tag, said in at_tom.page.elements if tag == "li"]
    assert len(said) == 2
    assert "not answered and now? " in at_tom.page.text
    assert "password reset x7, first 31 Dec 2025 12:00" in at_tom.page.text


def test_the_three_sins_stand_on_top_once_they_were_counted(
    centre: Centre, at_tom: Browser, clock: FixedClock
) -> None:
    assert "Unanswered" not in at_tom.page.text

    clock.sleep_ms(1_000)
    centre.tidy()
    at_tom.go("/agent")

    assert "Asked twice0 Unanswered1 Contradictions0" in at_tom.page.text


def test_of_how_he_is_reached_only_the_end_is_shown(at_tom: Browser) -> None:
    html = at_tom.response.body.decode()

    assert "phone ...0102, proved" in at_tom.page.text
    assert "e-mail T...@Example.com" in at_tom.page.text
    assert not any(whole in html for whole in ("7700", "Tom@", "tom@"))


def test_a_note_stands_in_the_thread_with_who_wrote_it(centre: Centre, at_tom: Browser) -> None:
    response = at_tom.submit("/note", text="He is\r\nfriendly", audience="customer")

    assert response.status == 200
    (note,) = notes(centre)
    assert (note.by, note.text, note.audience) == (
        "Ana (call centre)",
        "He is\nfriendly",
        "customer",
    )
    assert note.about == "case/case-tom"
    assert "He is friendly" in at_tom.page.text
    record = next(it for it in _ops(centre) if it[1] == "note_case")
    assert record[2:] == ("agents", "applied")


def _ops(centre: Centre) -> list[tuple[object, ...]]:
    with centre._parts.store.reading() as snapshot:
        return list(snapshot.sql.all("SELECT id, kind, device, status FROM op"))


def test_a_form_sent_twice_is_done_once(centre: Centre, at_tom: Browser) -> None:
    path, fields = next(it for it in at_tom.page.forms.items() if it[0].endswith("/note"))

    for _ in range(3):
        assert at_tom.post(path, {**fields, "text": "once"}).status == 200

    assert [note.text for note in notes(centre)] == ["once"]


def test_a_promise_stands_with_name_and_time_and_on_the_card(
    centre: Centre, at_tom: Browser, clock: FixedClock
) -> None:
    at_tom.submit(
        "/promise", text="an answer from billing", due="2026-01-09T17:00", case="case-tom"
    )

    promise = case_of(centre).promise
    assert promise is not None
    assert (promise.by, promise.text) == ("Ana (call centre)", "an answer from billing")
    local = clock.now().astimezone().tzinfo
    assert promise.due_at == micros_of(clock.now().replace(day=9, hour=17, tzinfo=local))
    said = at_tom.page.text
    assert "PROMISED by Ana until Tue 12:00, 24 h late: an answer on the bill" in said
    assert (
        "PROMISED AGAIN by Ana (call centre) until Fri 17:00 (promised 2 times, 1 broken"
        in said
    )


def test_what_was_promised_can_be_said_to_be_kept_and_that_be_taken_back(
    at_tom: Browser,
) -> None:
    at_tom.submit("/keep", text="told him by phone")

    assert "PROMISED" not in at_tom.page.text
    assert "You kept a promise: told him by phone" in at_tom.page.text
    assert not any(
        path.endswith("/keep") for path in at_tom.page.forms
    )  # nothing is left to keep

    at_tom.submit("/undo")

    assert "PROMISED by Ana until Tue 12:00, 24 h late" in at_tom.page.text


def test_what_was_just_written_stands_beside_its_undo_with_who_may_read_it(
    at_tom: Browser,
) -> None:
    at_tom.submit("/note", text="he sounded <b>tired</b>")
    assert "You wrote a note: he sounded <b>tired</b> (internal) Undo" in at_tom.page.text

    at_tom.submit("/note", text="we call back", audience="customer")
    assert (
        "You wrote a note: we call back (the customer will read this) Undo" in at_tom.page.text
    )

    at_tom.submit("/need", fact="the cost centre", case="case-tom")
    assert "You asked for something: the cost centre Undo" in at_tom.page.text


def test_times_are_the_brands_own_with_the_zone_named(centre: Centre) -> None:
    tokyo = Browser(AgentSite(centre._parts, zone=ZoneInfo("Asia/Tokyo")).answer)
    tokyo.sign_in()
    tokyo.find(phone="+447700900102")

    assert "last change 21:00; times: JST, Asia/Tokyo" in tokyo.page.text
    tokyo.submit("/promise", text="a call", due="2026-01-09T17:00", case="case-tom")
    promise = case_of(centre).promise
    assert promise is not None
    assert moment_of(promise.due_at).isoformat() == "2026-01-09T08:00:00+00:00"
    assert "until Fri 17:00 (promised 2 times" in tokyo.page.text
    tokyo.go("/agent/waiting")
    assert "Times: JST, Asia/Tokyo." in tokyo.page.text


def test_a_promise_without_a_case_opens_one(centre: Centre, at_tom: Browser) -> None:
    at_tom.submit("/promise", case="", topic="new phone", text="a call", due="2026-01-09T17:00")

    made = [row.body for row in rows(centre, Case) if row.key != "case/case-tom"]
    (case,) = made
    assert isinstance(case, Case)
    assert (case.topic, case.channel) == ("new phone", "phone")
    assert case.promise is not None


def test_what_he_told_is_missing_no_more(centre: Centre, at_tom: Browser) -> None:
    at_tom.submit("/tell", value="yes, by mail")

    assert case_of(centre).missing == ()
    assert case_of(centre).told[-1].value == "yes, by mail"
    assert "MISSING" not in at_tom.page.text
    at_tom.submit("/need", fact="the cost centre")
    assert case_of(centre).missing == ("the cost centre",)


def test_a_struck_remedy_needs_a_reason_and_what_was_typed_stays(
    centre: Centre, at_tom: Browser
) -> None:
    response = at_tom.submit("/try", text="Reset the password", outcome="failed")

    assert response.status == 422
    assert (
        "Not done: It failed twice before. Say why it should help now. To the form"
        in at_tom.page.text
    )
    ids = [
        said.get("id")
        for tag, said in at_tom.page.elements
        if tag == "details" and "open" in said
    ]
    assert ids == ["try"]  # where the form stands, and the link leads
    assert case_of(centre).tried[0].n_tried == 7
    assert (
        next(v for k, v in at_tom.page.forms.items() if k.endswith("/try"))["text"]
        == "Reset the password"
    )
    at_tom.submit("/try", reason="he has a new phone", outcome="failed")
    assert case_of(centre).tried[0].n_tried == 8


def test_a_referral_takes_customer_card_and_time_to_a_store_that_never_saw_him(
    centre: Centre, at_tom: Browser
) -> None:
    at_tom.submit("/refer", store="station", text="show him the bill", due="2026-01-08T10:00")

    (row,) = rows(centre, Referral)
    referral = row.body
    assert isinstance(referral, Referral)
    assert (referral.store, referral.by, referral.state) == (
        "station",
        "Ana (call centre)",
        "open",
    )
    assert "PROMISED by Ana" in referral.card
    assert "REFERRED to Station" in at_tom.page.text
    with centre._parts.store.reading() as snapshot:
        keys = {it.key for it in snapshot.rows_of_owner(TOM, "s:station")}
        held = snapshot.rows_of_owner(TOM, "s:harbour")
    assert {row.key, "case/case-tom", f"customer/{TOM}"} <= keys
    assert held == []


@pytest.mark.parametrize(
    ("form", "typed"),
    [
        ("/note", {"text": "a note"}),
        ("/promise", {"text": "a call", "due": "2026-01-09T17:00"}),
        ("/tell", {"value": "yes"}),
        ("/need", {"fact": "the card"}),
        ("/try", {"text": "a call to the bank"}),
        ("/refer", {"text": "come", "store": "harbour"}),
    ],
)
def test_each_act_is_taken_back_by_a_press(
    centre: Centre, at_tom: Browser, form: str, typed: dict[str, str]
) -> None:
    before = case_of(centre)
    n_before = len(at_tom.page.text)
    at_tom.submit(form, **typed)
    assert "Undo" in at_tom.page.text

    at_tom.submit("/undo")

    after = case_of(centre)
    assert (after.promise, after.told, after.missing, after.tried) == (
        before.promise, before.told, before.missing, before.tried,
    )  # fmt: skip
    assert "Undo" not in at_tom.page.text
    assert abs(len(at_tom.page.text) - n_before) < 40


def test_after_five_minutes_there_is_no_undo(
    centre: Centre, at_tom: Browser, clock: FixedClock
) -> None:
    at_tom.submit("/note", text="a note")
    path, fields = next(it for it in at_tom.page.forms.items() if it[0].endswith("/undo"))

    clock.sleep_ms(5 * MINUTE)
    at_tom.post(path, fields)

    assert notes(centre)[0].taken_back_at == 0
    assert "Undo" not in at_tom.page.text


def test_nobody_takes_back_what_another_did(
    centre: Centre, at_tom: Browser, leo: Browser
) -> None:
    at_tom.submit("/note", text="a note")
    _, fields = next(it for it in at_tom.page.forms.items() if it[0].endswith("/undo"))
    leo.find(phone="+447700900102")

    assert "Undo" not in leo.page.text
    leo.post(f"{leo.path}/undo", fields)

    assert leo.response.status == 403
    assert notes(centre)[0].taken_back_at == 0


WRONG: Final = (
    ("/note", {"text": ""}, "Write what is to be kept."),
    ("/note", {"text": "x" * 4_001}, "At most 4000 characters."),
    ("/note", {"text": "x", "case": "case-1"}, "Choose a case."),
    ("/note", {"text": "his card is 4111 1111 1111 1111"}, "no whole card number"),
    ("/promise", {"text": "x", "due": ""}, "Say until when."),
    ("/promise", {"text": "x", "due": "2026-01-07T11:00"}, "That is over already."),
    ("/promise", {"text": "x", "due": "2126-01-07T11:00"}, "too far ahead"),
    ("/promise", {"text": "x", "due": "soon"}, "Write it as"),
    ("/promise", {"text": "x", "due": "0001-01-01T00:00+14:00"}, "over already"),
    (
        "/promise",
        {"text": "x", "due": "2026-02-01T10:00", "case": ""},
        "what the new case is about",
    ),
    ("/tell", {"value": ""}, "what the customer said"),
    ("/tell", {"value": "x", "settles": "", "label": ""}, "Say what it is"),
    ("/tell", {"value": "x" * 201}, "At most 200"),
    ("/tell", {"value": "x", "case": ""}, "Choose a case."),
    ("/tell", {"value": "5555-5555-5555-4444"}, "no whole card number"),
    ("/refer", {"text": "x", "store": "moon"}, "Choose a store."),
    ("/refer", {"text": "", "store": "harbour"}, "what is to be done there"),
)
"""Form, what is typed, what is said."""


def test_a_form_that_is_not_right_is_shown_again_with_the_reason(
    centre: Centre, at_tom: Browser
) -> None:
    at = at_tom.path
    for form, typed, said in WRONG:
        response = at_tom.submit(form, **typed)

        assert response.status == 422, typed
        assert said in at_tom.page.text, typed
        html = at_tom.response.body.decode()
        assert typed.get("text", "")[:100] in html, typed
        at_tom.go(at)
    assert {kind for _, kind, *_ in _ops(centre)} == {"serve_customer"}


def test_everybody_else_sees_who_is_on_it_now(
    at_tom: Browser, leo: Browser, clock: FixedClock
) -> None:
    leo.find(phone="+447700900102")
    assert (
        b"Ana (call centre) is on this now in phone" in leo.ask("GET", f"{leo.path}/now").body
    )
    assert (
        b"Leo (social team) is on this now in X" in at_tom.ask("GET", f"{at_tom.path}/now").body
    )
    assert b"Leo" not in leo.ask("GET", f"{leo.path}/now").body

    at_tom.submit("/leave")
    assert "Find a customer" in at_tom.page.text
    assert b"Nobody else is on this now." in leo.ask("GET", f"{leo.path}/now").body


def test_who_is_on_it_ends_by_itself_and_lasts_as_long_as_the_page_asks(
    at_tom: Browser, leo: Browser, clock: FixedClock
) -> None:
    leo.find(phone="+447700900102")
    for _ in range(4):
        clock.sleep_ms(4 * MINUTE)
        at_tom.ask("GET", f"{at_tom.path}/now")
    assert b"Ana" in leo.ask("GET", f"{leo.path}/now").body

    clock.sleep_ms(11 * MINUTE)

    assert b"Nobody else" in leo.ask("GET", f"{leo.path}/now").body


def test_a_sensitive_contact_is_only_there_and_a_present_is_marked(
    centre: Centre, ana: Browser
) -> None:
    bodies = tuple(
        Interaction(
            id=text, at=shop.NOON, channel="web", direction="in", by="Tom", text=text, due_at=1,
            sensitivity=sensitivity,
        )
        for text, sensitivity in (("my test result", "sensitive"), ("a ring for her", "gift"))
    )  # fmt: skip
    centre.put_rows([shop.row(it, owner=TOM) for it in bodies])

    ana.find(phone="+447700900102")

    assert "test result" not in ana.response.body.decode()
    assert "sensitive: a clerk of a store sees it" in ana.page.text
    assert "a ring for her" in ana.page.text
    assert "staff only" in ana.page.text


def test_an_agent_may_record_nothing_of_bands_stock_money_or_consent() -> None:
    forbidden = {"redeem", "link_band", "unlink_band", "block_band", "unblock_band", "correct_stock",
                 "hand_over_pickup", "set_consent", "void_operation", "take_referral"}  # fmt: skip

    assert set(KINDS) >= acting.ALLOWED
    assert not acting.ALLOWED & forbidden
    assert {KINDS[kind].undo for kind in acting.ALLOWED} - {""} <= acting.ALLOWED


@pytest.mark.parametrize(
    ("text", "is_one"),
    [
        ("4111111111111111", True), ("4111 1111 1111 1111 please", True), ("5500-0000-0000-0004", True),
        ("4111111111111112", False), ("order 1234567890123", False), ("+49 171 2345678", False), ("ends 4471", False),
        ("", False),
    ],
)  # fmt: skip
def test_a_payment_cards_number_is_known_by_its_check_digit(text: str, is_one: bool) -> None:
    assert acting.is_card_number(text) is is_one
