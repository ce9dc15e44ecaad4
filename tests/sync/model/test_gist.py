"""A thread in a few words says what the pages say, names nothing it should not, and is as short as a band needs it."""

from datetime import UTC, datetime
from typing import Any

import pytest

from hardware.moments import micros_of
from kiosk.core import page as pages
from kiosk.core.page import BlockKind
from kiosk.core.policy import Assurance
from kiosk.demo.catalogue import catalogue_rows
from kiosk.demo.people import people_rows
from sync.model.gist import Gist, gist_of
from sync.model.profile import Profile
from sync.model.records import (
    Case,
    Consent,
    Customer,
    Entitlement,
    Interaction,
    Pickup,
    Promise,
    Record,
)
from sync.model.row import row_of
from sync.model.thread_parts import DAY_MAX, Part, PartKind, packed

NOW = datetime(2026, 5, 8, 14, 2, tzinfo=UTC)
NOW_US = micros_of(NOW)
DAY = 86_400_000_000
TODAY = NOW_US // DAY
C_1 = Part(PartKind.CASE, "phone", "C-1")
ME = Customer(id="me", given_name="Mia", family_name="Secretname", language="de")
ROWS = people_rows(NOW)
OWNERS = sorted({row.owner for row in ROWS if row.owner})
HELD = {row.key: row for row in catalogue_rows(NOW)}


def gist(*bodies: Record, customer: Customer = ME) -> Gist:
    rows = tuple(
        row_of(body, owner="me", as_of=NOW_US, source="web") for body in (customer, *bodies)
    )
    made = gist_of(Profile("me", rows), now=NOW_US)
    assert made is not None
    return made


def case(number: str, **changed: Any) -> Case:
    values: dict[str, Any] = {
        "id": number, "number": number, "state": "open", "topic": "Secretname", "channel": "phone",
        "opened_at": NOW_US - DAY, "missing": ("Secretname",), "payer": "Secretname",
    }  # fmt: skip
    return Case(**{**values, **changed})


def promised(days: int) -> Promise:
    return Promise(by="Ana", text="Secretname", due_at=NOW_US + days * DAY)


@pytest.mark.parametrize("owner", OWNERS)
def test_it_says_that_something_waits_and_that_we_owe_when_the_page_of_a_name_does(
    owner: str,
) -> None:
    profile = Profile(owner, tuple(row for row in ROWS if row.owner == owner))
    shop = pages.Shop(store="harbour", now_us=NOW_US, synced_at=NOW_US, held=HELD.get)
    page = pages.decide(profile, assurance=Assurance.A1, shop=shop)
    made = gist_of(profile, now=NOW_US)

    kinds = {block.kind for block in page.blocks}
    assert made is not None
    assert made.is_waiting == (BlockKind.WAITING in kinds)
    assert made.is_owed == (BlockKind.OWED in kinds)
    assert (made.name,) == (page.names or ("",))


def test_the_line_names_what_presses_most_first() -> None:
    made = gist(
        case("C-1", opened_at=NOW_US - 9 * DAY),
        case("C-2", promise=promised(3)),
        case("C-3", promise=promised(-1), channel="x"),
        case("C-4", state="solved"),
        Pickup(id="p1", order="W-1", store="lakeside", state="ready"),
        Pickup(id="p2", order="W-2", store="harbour", state="handed_over"),
        Entitlement(id="e1", title="Secretname", kind="ticket"),
        Entitlement(id="e2", title="over", kind="ticket", until=NOW_US - 1),
    )

    assert made.parts == (
        Part(PartKind.CASE, "x", "C-3", day=TODAY - 1),
        Part(PartKind.CASE, "phone", "C-2", day=TODAY + 3),
        Part(PartKind.MORE_CASES, count=1),
        Part(PartKind.PICKUPS, count=1),
        Part(PartKind.TICKETS, count=1),
    )
    assert (made.is_waiting, made.is_owed) == (True, True)


def test_a_message_nobody_answered_is_named_unless_a_case_is_about_it() -> None:
    message = Interaction(
        id="i1", at=NOW_US - 3 * DAY, channel="whatsapp", direction="in", by="Mia",
        text="Secretname", due_at=NOW_US - DAY,
    )  # fmt: skip
    about = Interaction(
        id="i2", at=NOW_US - 4 * DAY, channel="email", direction="in", by="Mia", text="x",
        due_at=NOW_US, about="case/C-1",
    )  # fmt: skip

    assert gist(message).parts == (Part(PartKind.UNANSWERED, "whatsapp", day=TODAY - 3),)
    assert gist(about, case("C-1")).parts == (C_1,)
    assert gist(message).is_owed


def test_nothing_of_what_it_is_about_is_ever_carried() -> None:
    made = gist(case("C-1", promise=promised(1), told=(), next_step="Secretname"))

    assert "Secretname" not in made.name
    assert b"Secret" not in packed(made.parts)
    assert made.name == "Mia"


def test_a_nickname_comes_before_a_name() -> None:
    nicked = Customer(id="me", given_name="Maximiliane", nickname="Maxi")

    assert gist(customer=nicked).name == "Maxi"


def test_a_childs_band_carries_a_nickname_and_nothing_else() -> None:
    child = Customer(id="me", given_name="Kofi", nickname="Ko", guardian="ama", language="en")

    made = gist(case("C-1"), Entitlement(id="e1", title="t", kind="ticket"), customer=child)

    assert made == Gist("Ko", "en")


def test_who_withdraws_consent_to_be_named_is_not_named_and_may_agree_again() -> None:
    no = Consent(id="n", purpose="band_words", is_granted=False, at=2)
    yes = Consent(id="y", purpose="band_words", is_granted=True, at=3)
    other = Consent(id="o", purpose="marketing", is_granted=False, at=4)

    silent = gist(no, other, case("C-1"))
    again = gist(no, yes, case("C-1"))

    assert (silent.name, silent.parts, silent.is_owed, silent.language) == ("", (), True, "de")
    assert (again.name, again.parts) == ("Mia", (C_1,))


def test_rows_without_a_person_have_no_gist() -> None:
    rows = (row_of(case("C-1"), owner="me", as_of=NOW_US, source="web"),)

    assert gist_of(Profile("me", rows), now=NOW_US) is None


@pytest.mark.parametrize("at", [-1, 0, 2**62])
def test_a_time_that_is_none_is_still_said(at: int) -> None:
    made = gist(case("C-1", promise=Promise(by="Ana", text="", due_at=at)))

    (part,) = made.parts
    assert part.number == "C-1"
    assert 1 <= part.day <= DAY_MAX


def test_its_words_are_not_in_what_is_printed_of_it() -> None:
    assert "Mia" not in repr(gist())
