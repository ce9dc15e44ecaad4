"""An agent finds one customer by what only that customer tells; every look is written down, and no address names anybody."""

import io
import logging
from typing import Final

import pytest

from hardware.clock import FixedClock
from hardware.log import started
from sync.central import wants
from sync.central.centre import Centre
from sync.central.pages import finding
from sync.central.pages.finding import LOOKS_MAX, LOOKS_US, OPEN_US
from sync.central.pages.site import AgentSite
from sync.model.contacts import contact_term, name_term
from sync.model.records import ContactPoint, Customer
from sync.model.wire import Want
from tests.support import shop
from tests.support.pages import TOM, Browser

DATABASES = ("sqlite",)
MINUTE = 60_000


def looks(centre: Centre, owner: str) -> list[finding.Look]:
    with centre._parts.store.reading() as snapshot:
        return finding.looked_at(snapshot.sql, owner)


@pytest.mark.parametrize(
    ("facts", "how"),
    [
        ({"order": "w-1077"}, "order"),
        ({"phone": "0049 171 / 234 56 78"}, "phone"),
        ({"email": "LENA@example.org"}, "e-mail"),
        ({"name": "mueller LENA", "last_four": "5678"}, "name+last four"),
        ({"name": "Müller Léna", "last_four": "5678"}, "name+last four"),
        ({"name": "Lena Muller", "order": "W-1077"}, "order+name"),
    ],
)
def test_what_a_customer_tells_finds_her_and_is_written_down_without_what_it_said(
    centre: Centre, ana: Browser, facts: dict[str, str], how: str
) -> None:
    if facts.get("name") == "mueller LENA":
        centre.put_rows(
            [shop.row(Customer(id=shop.LENA, given_name="Lena", family_name="Mueller"))]
        )

    ana.find(**facts)

    assert "parcel W-1077 waits in Harbour" in ana.page.text
    (look,) = looks(centre, shop.LENA)
    assert (look.agent, look.how, look.seen_at > 0) == ("ana", how, True)


@pytest.mark.parametrize("phone", ["0171 2345678", "(0171) 234-5678", "+49 171 2345678"])
def test_a_number_as_people_of_the_country_say_it_finds_her(centre: Centre, phone: str) -> None:
    browser = Browser(AgentSite(centre._parts, countries=("FR", "DE")).answer)
    browser.sign_in()

    browser.find(phone=phone)

    assert "parcel W-1077 waits in Harbour" in browser.page.text


def test_a_national_number_of_another_country_finds_nobody(centre: Centre) -> None:
    browser = Browser(AgentSite(centre._parts, countries=("FR",)).answer)
    browser.sign_in()

    browser.find(phone="0171 2345678")

    assert "Nobody fits" in browser.page.text


TOO_LITTLE: Final[tuple[dict[str, str], ...]] = (
    {},
    {"name": "Léna Müller"},
    {"last_four": "5678"},
    {"phone": "5678"},
    {"phone": "+49"},
    {"email": "lena"},
    {"email": "@example.org"},
    {"phone": "%", "order": ""},
    {"name": "Lena", "last_four": "56"},
    {"email": "name lena"},
    {"phone": "LENT"},
    {"last_four": "____", "name": "Léna Müller"},
)
"""What is asked for by less than is enough."""


def test_less_finds_nobody_and_says_what_to_ask_for(centre: Centre, ana: Browser) -> None:
    for facts in TOO_LITTLE:
        response = ana.find(**facts)

        assert response.status == 422, facts
        assert any(said.get("role") == "alert" for _, said in ana.page.elements), facts
    assert looks(centre, shop.LENA) == []


NOT_OF_ONE: Final = (
    {"order": "W-9999"},
    {"order": "case-1"},
    {"order": "%"},
    {"order": "lena-phone"},
    {"phone": "+49 171 2345679"},
    {"email": "lena@example.com"},
    {"name": "Léna Müller", "last_four": "0102"},
    {"name": "Léna", "last_four": "5678"},
    {"order": "W-1077", "phone": "+447700900102"},
    {"order": "W-1077", "last_four": "0102"},
    {"order": "W-1077' OR '1'='1"},
)
"""What is true of nobody, or of two."""


def test_facts_that_do_not_agree_find_nobody_and_are_written_down_too(
    centre: Centre, ana: Browser
) -> None:
    for facts in NOT_OF_ONE:
        response = ana.find(**facts)

        assert response.status == 200, facts
        assert "Nobody fits." in ana.page.text, facts
    assert looks(centre, shop.LENA) == []
    assert {look.agent for look in looks(centre, finding.NOBODY)} == {"ana"}
    assert len(looks(centre, finding.NOBODY)) == len(NOT_OF_ONE)


def test_a_child_is_not_found(centre: Centre, ana: Browser) -> None:
    child = Customer(id="kofi", given_name="Kofi", family_name="Mensah", guardian="sam")
    phone = ContactPoint(id="kofi-phone", channel="phone", value="+447700900777")
    centre.put_rows([shop.row(child, owner="kofi"), shop.row(phone, owner="kofi")])

    ana.find(phone="+447700900777")

    assert "Nobody fits." in ana.page.text


def test_of_two_with_one_phone_the_agent_chooses(centre: Centre, ana: Browser) -> None:
    centre.put_rows(
        [
            shop.row(Customer(id="max", given_name="Max", family_name="Müller"), owner="max"),
            shop.row(ContactPoint("max-p", "phone", "+491712345678"), owner="max"),
        ]
    )

    ana.find(phone="+49 171 2345678")

    links = [
        said["href"] for tag, said in ana.page.elements if tag == "a" and "/at/" in said["href"]
    ]
    assert len(links) == 2
    assert {"Max Müller", "Léna Müller"} <= {
        name for name in ("Max Müller", "Léna Müller") if name in ana.page.text
    }
    assert looks(centre, "max")[0].seen_at == 0  # found, and not opened
    assert (
        "Max Müller"
        in ana.go(next(it for it in links if _owner_of(centre, it) == "max")).body.decode()
    )
    assert looks(centre, "max")[0].seen_at > 0


def _owner_of(centre: Centre, path: str) -> str:
    with centre._parts.store.reading() as snapshot:
        lines = snapshot.sql.all(
            "SELECT owner FROM looked WHERE id = :id", id=path.rpartition("/")[2]
        )
    return str(lines[0][0])


def test_of_a_crowd_nobody_is_shown(centre: Centre, ana: Browser) -> None:
    rows = [
        row
        for index in range(6)
        for row in (
            shop.row(Customer(id=f"c{index}", given_name=f"Cat{index}"), owner=f"c{index}"),
            shop.row(ContactPoint(f"p{index}", "phone", "+4930123456"), owner=f"c{index}"),
        )
    ]
    centre.put_rows(rows)

    assert ana.find(phone="+4930123456").status == 422
    assert "More than five" in ana.page.text
    assert "Cat1" not in ana.page.text


def test_who_searches_all_the_time_is_stopped_and_told_of(
    centre: Centre, ana: Browser, clock: FixedClock
) -> None:
    for index in range(LOOKS_MAX):
        centre.sites["agent"]._looks(  # type: ignore[attr-defined]  # the page would take a minute
            _signed_in(centre, ana), finding.Asked(order=f"W-{index}")
        )

    assert ana.find(order="W-1077").status == 429
    assert ("agent_looks_often", "agent:ana") in {
        (it.code, it.device) for it in centre.alerts()
    }
    clock.sleep_ms(LOOKS_US // 1_000)
    assert ana.find(order="W-1077").status == 200


def _signed_in(centre: Centre, browser: Browser) -> object:
    return centre.sites["agent"]._doors.who(browser.cookies["agent"])  # type: ignore[attr-defined]


def test_a_search_opens_for_its_own_browser_alone_and_not_for_ever(
    centre: Centre, ana: Browser, leo: Browser, clock: FixedClock
) -> None:
    ana.find(order="W-1077")
    at = ana.path
    again = Browser(centre.sites["agent"].answer)
    again.sign_in()

    assert ana.go(at).status == 200
    assert leo.go(at).status == 404
    assert again.go(at).status == 404
    for minutes in range(0, OPEN_US // 60_000_000, 20):
        clock.sleep_ms(20 * MINUTE)
        ana.go("/agent")
        assert minutes < OPEN_US // 60_000_000
    assert ana.go(at).status == 404


def test_no_address_and_no_line_of_the_log_names_a_customer(
    centre: Centre, ana: Browser
) -> None:
    lines = io.StringIO()
    with started(lines, is_strict=True, level=logging.DEBUG):
        ana.find(name="Tom Becker", last_four="0102")
        ana.submit("/note", text="he is called Becker")
        ana.submit("/note", text="", case="case-tom")
        ana.find(name="Nobody Becker", last_four="0102")
        ana.post(ana.path, {"key": "0", "name": "Becker"})

    said = [f"{request.url} {got.header('location')}" for request, got in ana.sent]
    for canary in (TOM, "Becker", "cker", "0102", "case-tom", "+44", "example.com"):
        assert canary not in lines.getvalue()
        assert not any(canary in one for one in said), canary
    assert "form refused" in lines.getvalue()


def test_a_customer_who_was_erased_is_not_open_any_more(centre: Centre, ana: Browser) -> None:
    ana.find(order="W-1077")
    at = ana.path

    centre.erase(shop.LENA)

    assert ana.go(at).status == 404
    assert "Nobody fits" in ana.find(order="W-1077").body.decode()
    assert looks(centre, shop.LENA)  # who looked is still known


def test_names_are_found_by_no_kiosk_that_asks_for_a_contact(centre: Centre) -> None:
    with centre._parts.store.reading() as snapshot:
        assert wants.owner_of(snapshot.sql, Want(contact=name_term("Léna Müller"))) == ""
        assert wants.owner_of(snapshot.sql, Want(contact="+49 171 2345678")) == shop.LENA
    assert contact_term(name_term("Léna Müller")) != name_term("Léna Müller")


def test_names_are_compared_without_case_accents_and_order() -> None:
    assert name_term("  Müller   LÉNA ") == name_term("lena muller")
    assert name_term(" ") == ""
    assert len(name_term("x" * 5_000)) <= 200
