"""Somebody who may be the same person: the agent sees why, and says the same person or two people."""

import pytest

from sync.central import joining, suggestions
from sync.central.centre import Centre
from sync.model.records import ContactPoint, Customer, Interaction
from tests.support import shop
from tests.support.pages import TOM, Browser

DATABASES = ("sqlite",)


@pytest.fixture
def at_tom(centre: Centre, ana: Browser) -> Browser:
    """Tom's page, who may be T. Becker of the web shop."""
    said = Interaction(
        id="web-1",
        at=shop.NOON,
        channel="web",
        direction="in",
        by="T",
        text="Where is my parcel?",
    )
    bodies = (
        Customer(id="web-tom", given_name="T.", family_name="Becker"),
        ContactPoint("web-mail", "email", "t.becker@example.net"),
        said,
    )
    centre.put_rows([shop.row(body, owner="web-tom") for body in bodies])
    centre._parts.write(
        lambda it: suggestions.suggest(
            it,
            TOM,
            "web-tom",
            why="same name, phones differ by one digit",
            risk_ppm=20_000,
            kind="name",
            now=1,
        )
    )
    ana.find(phone="+447700900102")
    return ana


def test_why_they_may_be_one_is_said(at_tom: Browser) -> None:
    assert (
        "May be the same person as T. Becker: same name, phones differ by one digit"
        in at_tom.page.text
    )
    assert "web-tom" not in at_tom.page.text


def test_the_same_person_becomes_one_page_with_how_the_agent_knew(
    centre: Centre, at_tom: Browser
) -> None:
    at = at_tom.path
    assert at_tom.submit("/join", why="").status == 422
    assert "Say how you know" in at_tom.page.text

    assert at_tom.submit("/join", why="she told me both orders").status == 200

    assert at_tom.path == at
    assert "Where is my parcel?" in at_tom.page.text
    assert "May be the same person" not in at_tom.page.text
    assert "Made one of" in at_tom.page.text
    assert "she told me both orders (Ana (call centre)) (agent:ana, " in at_tom.page.text
    with centre._parts.store.reading() as snapshot:
        (line,) = snapshot.sql.all("SELECT why, by_whom FROM joined")
    assert line == ("she told me both orders (Ana (call centre))", "agent:ana")


def test_a_join_is_taken_back_by_a_press(at_tom: Browser) -> None:
    at_tom.submit("/join", why="she told me")

    at_tom.submit("/undo")

    assert "Where is my parcel?" not in at_tom.page.text


def test_two_people_stay_two_and_are_not_suggested_again(
    centre: Centre, at_tom: Browser
) -> None:
    at_tom.submit("/apart")

    assert "May be the same person" not in at_tom.page.text
    with centre._parts.store.reading() as snapshot:
        assert snapshot.sql.all("SELECT state FROM likeness") == [("declined",)]


def test_nobody_is_joined_whom_the_centre_did_not_suggest(
    centre: Centre, at_tom: Browser
) -> None:
    for name in ("/join", "/apart"):
        assert at_tom.submit(name, other=shop.LENA, why="I like to").status == 422
        assert "That is not suggested any more." in at_tom.page.text

    assert centre.count("joined") == 0


def test_a_page_follows_a_customer_who_was_joined_elsewhere(
    centre: Centre, at_tom: Browser
) -> None:
    centre._parts.write(
        lambda it: joining.join(it, "web-tom", TOM, why="x", risk_ppm=1, by="ben", at=2)
    )

    assert at_tom.go(at_tom.path).status == 200
    assert "Where is my parcel?" in at_tom.page.text
    at_tom.submit("/note", text="kept with both")
    assert "kept with both" in at_tom.page.text


@pytest.mark.parametrize(
    ("term", "shown"),
    [
        ("mailto:t.becker@example.net", "e-mail t...@example.net"),
        ("tel:+447700900102", "number ...0102"),
        ("x:5698478713", "X ...8713"),
    ],
)
def test_why_two_were_made_one_tells_only_the_end_of_a_number_or_an_address(
    centre: Centre, at_tom: Browser, term: str, shown: str
) -> None:
    why = f"verified in both places: {term}"
    centre._parts.write(
        lambda it: joining.join(it, TOM, "web-tom", why=why, risk_ppm=1, by="centre", at=2)
    )

    at_tom.go(at_tom.path)

    assert f"verified in both places: {shown} (centre" in at_tom.page.text
    assert term not in at_tom.page.text
