"""The demo's people come in through the channels, and what is on their pages is what those told."""

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TypeVar

import pytest

from hardware.disk import SystemDisk
from hardware.moments import micros_of, moment_of
from kiosk.demo.brand import demo_rows
from kiosk.demo.catalogue import CONTRADICTIONS, HOME_STORE, JACKET
from kiosk.demo.channels import Addresses, demo_channels, write_channels
from kiosk.demo.crowd import CROWD
from kiosk.demo.letters import Letter, Person, lost_call, whatsapp
from kiosk.demo.people import PEOPLE
from kiosk.demo.seeding import NotTaken, deliver
from kiosk.demo.telling import rows_around, story_letters
from kiosk.demo.threads import HOUR_US
from sync.central import channels_file
from sync.central.centre import Centre
from sync.model.records import (
    KINDS,
    Case,
    Consent,
    ContactPoint,
    Customer,
    Interaction,
    Order,
    Pickup,
    Price,
    Record,
    Stock,
)
from sync.model.row import Row
from sync.model.sins import scoreboard_of

NOW = datetime(2026, 11, 21, 14, 2, tzinfo=UTC)
NOW_US = micros_of(NOW)

Body = TypeVar("Body", bound=Record)


@pytest.fixture
def rows(centre: Centre) -> tuple[Row, ...]:
    return rows_of(centre)


def rows_of(centre: Centre) -> tuple[Row, ...]:
    with centre._store.reading() as snapshot:
        return tuple(row for kind in KINDS for row in snapshot.rows_of_kind(kind))


def of(rows: tuple[Row, ...], kind: type[Body], owner: str) -> list[Body]:
    return [row.body for row in rows if row.owner == owner and isinstance(row.body, kind)]


def test_every_event_of_every_channel_was_taken(centre: Centre) -> None:
    with centre._store.reading() as snapshot:
        states = snapshot.sql.all(
            "SELECT DISTINCT channel, state FROM event WHERE id NOT LIKE 'forged%'"
        )

    assert {state for _, state in states} == {"done"}
    assert {name for name, _ in states} >= {
        "web", "phone", "chat", "whatsapp", "instagram", "tiktok", "email", "app", "till", "visits",
    }  # fmt: skip


def test_nobody_is_there_twice_and_nobody_is_missing(rows: tuple[Row, ...]) -> None:
    owners = {row.owner for row in rows if row.owner}

    assert owners == {*PEOPLE, *CROWD}
    assert len([row for row in rows if isinstance(row.body, Customer)]) == len(owners)


def test_what_goes_around_the_channels_tells_nothing_that_was_said_bought_or_asked() -> None:
    around = rows_around(demo_rows(NOW))

    told = (Interaction, Order, Case, Consent, ContactPoint, Price)
    assert not [row.key for row in around if isinstance(row.body, told)]
    assert [row.key for row in around if isinstance(row.body, Stock)] == [
        "stock/denim-jacket@harbour"
    ]


def test_mayas_order_and_her_chat_are_one_customers(rows: tuple[Row, ...]) -> None:
    shirt = next(order for order in of(rows, Order, "maya") if order.id == "W-1042")
    wrote = next(
        it
        for it in of(rows, Interaction, "maya")
        if it.channel == "chat" and it.direction == "in"
    )

    assert (shirt.lines[0].paid_minor, shirt.lines[0].list_minor, shirt.code) == (
        3192,
        3990,
        "WELCOME20",
    )
    assert (shirt.state, shirt.lines[0].variant) == ("delivered", "M")
    assert "too small, have you L?" in wrote.text
    assert moment_of(wrote.at).strftime("%A") == "Tuesday"
    assert wrote.answered_at


def test_toms_ten_calls_six_posts_and_one_visit_are_one_thread(rows: tuple[Row, ...]) -> None:
    came = [it for it in of(rows, Interaction, "tom") if it.direction == "in"]
    (case,) = of(rows, Case, "tom")

    by_channel = {
        channel: sum(it.channel == channel for it in came)
        for channel in ("phone", "x", "store")
    }
    assert by_channel == {"phone": 10, "x": 6, "store": 1}
    assert sum(it.topic == "password reset" for it in came) == 7
    assert (len(case.told), case.missing, case.payer) == (
        3,
        ("the payer's consent",),
        "Brightwater Ltd",
    )
    assert case.promise is not None
    assert case.promise.by.startswith("Ana")
    assert moment_of(case.promise.due_at).strftime("%A %H:%M") == "Friday 17:00"
    assert case.promise.due_at < NOW_US


def test_lenas_parcel_waits_and_what_she_wrote_is_answered(rows: tuple[Row, ...]) -> None:
    (pickup,) = of(rows, Pickup, "lena")
    wrote = [
        it
        for it in of(rows, Interaction, "lena")
        if it.channel == "whatsapp" and it.direction == "in"
    ]

    assert (pickup.order, pickup.shelf, pickup.state) == ("W-1077", "C7", "ready")
    assert len(wrote) == 2
    assert all(it.answered_at for it in wrote)


def test_the_web_shop_itself_says_three_jackets_for_41(centre: Centre) -> None:
    price, stock = centre.row(f"price/{JACKET}@web"), centre.row(f"stock/{JACKET}@web")
    shelf = centre.row(f"stock/{JACKET}@{HOME_STORE}")

    assert price is not None
    assert isinstance(price.body, Price)
    assert stock is not None
    assert isinstance(stock.body, Stock)
    assert shelf is not None
    assert isinstance(shelf.body, Stock)
    assert (price.source, price.body.amount_minor) == ("web", 4100)
    assert (stock.source, stock.body.count, shelf.body.count) == ("web", 3, 0)


def test_priya_wrote_to_the_number_nobody_watches_71_hours_ago(rows: tuple[Row, ...]) -> None:
    (row,) = (
        row
        for row in rows
        if (row.source, row.owner, row.kind) == ("whatsapp", "priya", "interaction")
    )
    wrote = row.body

    assert isinstance(wrote, Interaction)
    assert (NOW_US - wrote.at) // HOUR_US == 71
    assert 0 < wrote.due_at < NOW_US
    assert not wrote.answered_at


def test_a_gift_is_no_less_one_for_coming_by_a_channel(rows: tuple[Row, ...]) -> None:
    gift = next(order for order in of(rows, Order, "sam") if order.id == "W-1081")
    about = [it for it in of(rows, Interaction, "sam") if it.about == "order/W-1081"]

    assert gift.sensitivity == "gift"
    assert [it.sensitivity for it in about] == ["gift", "gift"]


def test_the_three_sins_are_there_to_be_seen(rows: tuple[Row, ...]) -> None:
    board = scoreboard_of(rows, now=NOW_US, home=HOME_STORE)

    assert board.asked_twice >= 5
    assert board.unanswered >= 8
    assert board.contradictions == len(CONTRADICTIONS)


def test_a_letter_that_somebody_changed_is_not_believed(centre: Centre) -> None:
    maya = Person("maya", "Maya", "Lindqvist", phone="+447700900101")
    letter = whatsapp("forged", maya, "Send it to my other address.", at=NOW_US, now=NOW_US)
    changed = replace(letter.delivery, body=letter.delivery.body.replace(b"other", b"third"))

    with pytest.raises(NotTaken, match="forged"):
        deliver(centre, Letter(letter.channel, letter.at, changed))


def test_two_lost_calls_of_a_number_we_know_are_a_case_of_that_customer(centre: Centre) -> None:
    ruth = Person("ruth", "Ruth", "Abrams", phone="+447700900109")

    for index in (1, 2):
        at = NOW_US - index * HOUR_US
        deliver(centre, lost_call(f"lost-{index}", ruth, at=at, now=NOW_US))

    assert "2 calls lost" in [it.topic for it in of(rows_of(centre), Case, "ruth")]


def test_the_story_is_told_in_the_order_it_happened_and_in_full(centre: Centre) -> None:
    told = [
        letter for letter in story_letters(demo_rows(NOW), NOW) if letter.channel != "loyalty"
    ]

    assert [letter.at for letter in told] == sorted(letter.at for letter in told)
    assert len(told) >= 60


def test_the_file_of_the_demos_channels_reads_back_as_it_was_written(tmp_path: Path) -> None:
    channels = demo_channels(vendors=Addresses("http://127.0.0.1:1", 2))

    write_channels(tmp_path / "channels.toml", channels, disk=SystemDisk())

    found = {it.name: it for it in channels_file.read_channels(tmp_path / "channels.toml")}
    assert found == {it.name: it for it in channels}
