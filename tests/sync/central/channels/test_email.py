"""What mails say."""

from typing import Any

import pytest

from sync.central.channels.adapter import Unmapped
from sync.central.channels.email import unquoted
from sync.central.channels.facts import Delivered, Point, Said
from sync.central.channels.parts import instant, text_of_html
from tests.support.deliveries import NOW_S, vendor

EMAIL = vendor("email")


def letter(type_: str, **changes: bytes) -> Said:
    body = EMAIL.raw(type_)
    for old, new in changes.items():
        assert old.encode() in body
        body = body.replace(old.encode(), new)
    (fact,) = EMAIL.facts(type_, body)
    assert isinstance(fact, Said)
    return fact


def with_header(type_: str, header: bytes) -> Said:
    (fact,) = EMAIL.facts(type_, header + b"\r\n" + EMAIL.raw(type_))
    assert isinstance(fact, Said)
    return fact


def test_a_question_is_told_with_its_subject_and_without_the_card_below() -> None:
    said = letter("question")

    assert said.text == (
        "Bill for my phone \u2013 C-4711\n\nMy employer should pay. <b>Why</b> does nobody answer?\nGrüße\nTom"
    )
    assert (said.ref, said.thread, said.about, said.direction) == (
        "q1@example.com",
        "q1@example.com",
        "C-4711",
        "in",
    )
    assert said.at == instant("2026-09-09T07:00:00Z")


def test_a_sender_is_proved_by_our_own_server_alone() -> None:
    who = letter("question").who
    forged = letter("question", **{"mx.shop.example": b"mx.evil.example"}).who
    other = letter("question", **{"header.from=example.com": b"header.from=example.org"}).who

    assert who is not None
    assert (who.given_name, who.family_name) == ("Tom", "Berger")
    assert who.points == (Point("email", "tom@example.com", is_verified=True),)
    for one in (forged, other):
        assert one is not None
        assert not one.points[0].is_verified


def test_a_reply_is_of_the_thread_it_began_in_and_quotes_nothing() -> None:
    said = letter("reply")

    assert (said.thread, said.text) == ("q1@example.com", "Danke, übermorgen passt.")
    assert letter("reply", References=b"X-Was").thread == "a1@shop.example"


def test_a_letter_in_html_is_told_in_words_with_what_came_along() -> None:
    said = letter("marked")

    assert said.text == "Too small\n\nThe shirt is too small \u2013 have you L?\n[Foto.jpg]"


@pytest.mark.parametrize(
    "header",
    [
        b"Auto-Submitted: auto-generated",
        b"Precedence: bulk",
        b"X-Auto-Response-Suppress: All",
        b"List-Id: <x>",
        b"Return-Path: <>",
    ],
)
def test_what_a_program_wrote_is_automatic(header: bytes) -> None:
    assert letter("away").is_automatic
    assert with_header("reply", header).is_automatic
    assert not with_header("reply", b"Auto-Submitted: no").is_automatic


def test_what_we_sent_ourselves_is_to_the_customer() -> None:
    said = letter("sent")

    assert (said.direction, said.by, said.ref) == ("out", "Ana", "a1@shop.example")
    assert said.who is not None
    assert said.who.points == (Point("email", "tom@example.com"),)


def test_a_mail_of_ours_that_stands_in_our_mailbox_is_here_already() -> None:
    ours = b"X-Tapthread-Id: a-1\r\n"

    assert EMAIL.facts("sent", ours + EMAIL.raw("sent")) == ()
    assert len(EMAIL.facts("question", ours + EMAIL.raw("question"))) == 1


def test_what_a_form_of_the_shop_passes_on_is_of_who_is_to_be_answered() -> None:
    said = letter("form")

    assert (said.direction, said.about) == ("in", "W-1077")
    assert said.who is not None
    assert (said.who.given_name, said.who.points) == (
        "Lena",
        (Point("email", "lena@example.com"),),
    )


def test_a_letter_in_another_encoding_is_read() -> None:
    said = letter("japanese")

    assert said.text == "質問\n\n質問"
    assert said.by == "山本"


def test_a_broken_letter_is_read_as_far_as_it_goes() -> None:
    said = letter("broken")

    assert said.at == NOW_S * 1_000_000
    assert "hello" in said.text
    assert said.who is not None
    assert said.who.points[0].value == "kofi@example.com"


def test_a_mail_that_could_not_be_delivered_says_so_by_its_own_number() -> None:
    assert EMAIL.facts("bounce") == (
        Delivered(
            ref="out-77@shop.example",
            at=instant("2026-09-10T12:00:00Z"),
            state="failed",
            reason="550 5.1.1 unknown mailbox nobody@example.com",
        ),
    )
    assert EMAIL.facts("delayed") == ()


def test_a_report_with_the_head_of_the_mail_alone_is_understood() -> None:
    body = EMAIL.raw("delayed").replace(b"Action: delayed", b"Action: delivered")

    (fact,) = EMAIL.facts("delayed", body)

    assert isinstance(fact, Delivered)
    assert (fact.ref, fact.state) == ("out-78@shop.example", "delivered")


def test_a_mail_server_is_no_customer() -> None:
    body = EMAIL.raw("bounce").replace(b"multipart/report", b"multipart/mixed")

    with pytest.raises(Unmapped, match="mail server"):
        EMAIL.facts("bounce", body)


def test_a_mail_with_a_time_to_come_came_now() -> None:
    assert letter("question", **{"9 Sep 2026": b"9 Sep 2036"}).at == NOW_S * 1_000_000


def test_an_address_hidden_in_a_name_is_nobodys() -> None:
    hidden = b"From: =?utf-8?q?Eve_=3Cmaya=40example=2Ecom=3E=2C?= <eve@example.com>"
    said = letter("reply", **{"From: Tom Berger <tom@example.com>": hidden})

    assert said.who is not None
    assert [point.value for point in said.who.points] == ["eve@example.com"]


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("Yes\n\nOn Wed, 9 Sep 2026 at 15:12, Ana <a@b.c> wrote:\n> old", "Yes"),
        ("Yes\n\nOn Wed, 9 Sep 2026 at 15:12, Ana Service Team\n<a@b.c> wrote:\n> old", "Yes"),
        ("Oui\n\nLe mer. 9 sept. 2026, Ana <a@b.c> a écrit :\n> vieux", "Oui"),
        ("Sí\nEl mié, 9 sept 2026, Ana escribió:\n> viejo", "Sí"),
        ("Ja\n-----Original Message-----\nFrom: Ana\nSent: x\nold", "Ja"),
        ("Ja\n________________________________\nVon: Ana\nGesendet: x\nalt", "Ja"),
        ("Ja\n\nVon: Ana <a@b.c>\nGesendet: Mittwoch\nAn: Tom\n\nalt", "Ja"),
        ("> When?\nTomorrow.\n> Where?\nHarbour.", "Tomorrow.\nHarbour."),
        ("Text\n-- \nTom Berger\n+49 40", "Text"),
        ("On the shelf there was none.\nFrom: me\nwith love", "On the shelf there was none.\nFrom: me\nwith love"),
    ],
)  # fmt: skip
def test_what_is_quoted_is_not_shown_again(text: str, shown: Any) -> None:
    assert unquoted(text) == shown


@pytest.mark.parametrize(
    "header",
    [
        b"Content-Type: " + b"x;" * 500_000,
        b"Content-Disposition: attachment;" + b"filename*0=a;" * 70_000,
        b"From: " + b"(" * 100_000,
        b"References: " + b"<a@b>" * 200_000,
        b"Subject: " + b"Re: " * 200_000,
    ],
    ids=["type", "name", "sender", "thread", "subject"],
)
def test_of_a_header_without_end_the_beginning_is_read(header: bytes) -> None:
    """It took minutes; the limit of a test is what would say so."""
    said = with_header("question", header)

    assert (said.ref, said.direction) == ("q1@example.com", "in")


@pytest.mark.parametrize(
    "markup", ["<a " * 100_000, "<!--" * 100_000, '<a b="' * 50_000, "</" * 100_000]
)
def test_markup_without_end_is_read_at_once(markup: str) -> None:
    assert len(text_of_html(markup)) <= len(markup)
