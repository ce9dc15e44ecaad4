"""What an agent was typing outlives a reload, a crash and being signed out, and goes with the customer."""

import pytest

from hardware.clock import FixedClock
from sync.central import suggestions
from sync.central.centre import Centre
from sync.central.pages import drafts
from sync.central.pages.agents import LASTS_US
from sync.central.pages.drafts import KEPT_US
from sync.central.pages.finding import OPEN_US
from sync.model.records import Customer, Interaction
from tests.support import shop
from tests.support.pages import TOM, Browser

CARD = "4111 1111 1111 1111"


@pytest.fixture
def at_tom(ana: Browser) -> Browser:
    """Ana at Tom's page."""
    ana.find(phone="+447700900102")
    return ana


def type_in(browser: Browser, form: str, **typed: str) -> int:
    """What the script sends while somebody types; the status of the answer."""
    (place,) = (said for _, said in browser.page.elements if "data-draft" in said)
    shown = browser.page.forms[f"{browser.path}/{form}"]
    fields = {name: value for name, value in shown.items() if name != "op"}
    body = {**fields, **typed, "form": form, "key": place["data-key"]}
    return sent(browser, place["data-draft"], body)


def sent(browser: Browser, path: str, fields: dict[str, str]) -> int:
    """Beside the page, which stays."""
    shown = browser.path, browser.response
    status = browser.post(path, fields).status
    browser.path, browser.response = shown
    return status


def form(browser: Browser, name: str) -> dict[str, str]:
    return browser.page.forms[f"{browser.path}/{name}"]


def kept(centre: Centre) -> list[tuple[object, ...]]:
    with centre._parts.store.reading() as snapshot:
        return list(snapshot.sql.all("SELECT agent, owner, form, fields FROM draft"))


def test_what_was_typed_stands_in_its_form_again_when_the_page_is_loaded_anew(
    at_tom: Browser,
) -> None:
    status = type_in(at_tom, "note", text="half a <th>", audience="customer", case="")
    type_in(at_tom, "promise", text="a call", due="2026-01-09T17:00")
    at_tom.go(at_tom.path)

    assert status == 204
    note, promise = form(at_tom, "note"), form(at_tom, "promise")
    assert (note["audience"], note["case"]) == ("customer", "")
    assert "half a &lt;th&gt;</textarea>" in at_tom.response.body.decode()
    assert (promise["text"], promise["due"]) == ("a call", "2026-01-09T17:00")
    assert at_tom.page.text.count("Typed before, not sent yet.") == 2


def test_it_is_there_after_being_signed_out_and_finding_the_customer_again(
    at_tom: Browser, clock: FixedClock
) -> None:
    type_in(at_tom, "promise", text="a call")
    clock.sleep_ms(LASTS_US // 1_000 + 1)
    at_tom.sign_in()

    at_tom.find(phone="+447700900102")

    assert form(at_tom, "promise")["text"] == "a call"


def test_what_was_sent_is_no_draft_any_more(centre: Centre, at_tom: Browser) -> None:
    type_in(at_tom, "note", text="half")
    type_in(at_tom, "promise", text="a call")

    at_tom.submit("/note", text="half a thought")

    assert [line[:3] for line in kept(centre)] == [("ana", TOM, "promise")]


def test_what_was_not_done_stays_a_draft(centre: Centre, at_tom: Browser) -> None:
    type_in(at_tom, "promise", text="a call")

    at_tom.submit("/promise", text="a call", due="2020-01-01T00:00")

    assert at_tom.response.status == 422
    assert len(kept(centre)) == 1


@pytest.mark.parametrize("text", ["", f"her card is {CARD}"])
def test_an_empty_form_and_a_card_number_are_not_kept(
    centre: Centre, at_tom: Browser, text: str
) -> None:
    type_in(at_tom, "note", text="half")

    type_in(at_tom, "note", text=text)

    assert kept(centre) == []


def test_nobody_else_sees_it(at_tom: Browser, leo: Browser) -> None:
    type_in(at_tom, "promise", text="a call")

    leo.find(phone="+447700900102")

    assert form(leo, "promise")["text"] == ""


def test_it_is_kept_for_a_shift(centre: Centre, at_tom: Browser, clock: FixedClock) -> None:
    type_in(at_tom, "promise", text="a call")
    clock.sleep_ms(KEPT_US // 1_000 + 1)

    with centre._parts.store.reading() as snapshot:
        assert drafts.kept(snapshot.sql, "ana", TOM, now=centre._parts.now) == {}
    at_tom.sign_in()
    at_tom.find(phone="+447700900102")
    type_in(at_tom, "note", text="new")
    assert [line[2] for line in kept(centre)] == ["note"]


def test_with_the_customer_it_is_erased(centre: Centre, at_tom: Browser) -> None:
    type_in(at_tom, "promise", text="a call")

    centre.erase(TOM)

    assert kept(centre) == []


def test_what_is_typed_on_about_somebody_who_was_erased_is_not_kept(
    centre: Centre, at_tom: Browser
) -> None:
    centre.erase(TOM)

    status = type_in(at_tom, "promise", text="call Tom on his mobile")

    assert (status, kept(centre)) == (404, [])


def test_whoever_goes_on_typing_for_longer_than_a_search_opens_a_page_can_send_it(
    centre: Centre, at_tom: Browser, clock: FixedClock
) -> None:
    minutes = OPEN_US // 60_000_000
    statuses = set()
    for n in range(0, 2 * minutes, minutes // 3):
        clock.sleep_ms(minutes // 3 * 60_000)
        statuses.add(type_in(at_tom, "note", text=f"a long call, minute {n}"))

    at_tom.submit("/note", text="a long call")

    assert statuses == {204}
    assert at_tom.response.status == 200
    assert kept(centre) == []


def test_what_is_too_old_goes_also_where_nobody_types_any_more(
    centre: Centre, at_tom: Browser, clock: FixedClock
) -> None:
    type_in(at_tom, "promise", text="a call")
    centre.tidy(is_all=True)
    n_before = len(kept(centre))
    clock.sleep_ms(KEPT_US // 1_000 + 1)

    done = centre.tidy(is_all=True)

    assert (n_before, done["drafts"], kept(centre)) == (1, 1, [])


def test_what_the_centre_refuses_stays_a_draft(centre: Centre, at_tom: Browser) -> None:
    type_in(at_tom, "try", text="reset the password")

    at_tom.submit("/try", text="reset the password", outcome="failed")

    assert at_tom.response.status == 422
    assert "It failed twice before." in at_tom.page.text
    assert [line[2] for line in kept(centre)] == ["try"]


@pytest.mark.parametrize("is_toms", [True, False])
def test_it_is_there_still_when_the_customer_is_made_one_with_another(
    centre: Centre, at_tom: Browser, is_toms: bool
) -> None:
    said = [
        Interaction(f"web-{n}", 1, "web", "in", "T", "?") for n in range(2 if is_toms else 40)
    ]
    bodies = (Customer("web-tom", "T.", "Becker"), *said)
    centre.put_rows([shop.row(body, owner="web-tom") for body in bodies])
    centre._parts.write(
        lambda it: suggestions.suggest(
            it, TOM, "web-tom", why="alike", risk_ppm=20_000, kind="name", now=1
        )
    )
    at_tom.go(at_tom.path)
    type_in(at_tom, "note", text="half a thought")

    at_tom.submit("/join", why="he said so")

    assert at_tom.response.status == 200
    assert "half a thought</textarea>" in at_tom.response.body.decode()
    at_tom.submit("/note", text="half a thought, and the rest")
    assert kept(centre) == []


def test_a_draft_without_the_key_of_the_page_or_of_no_form_of_ours_is_not_kept(
    centre: Centre, at_tom: Browser, clock: FixedClock
) -> None:
    place = f"{at_tom.path}/draft"
    note_key = form(at_tom, "note")["key"]

    assert sent(at_tom, place, {"form": "note", "text": "x", "key": note_key}) == 403
    (said,) = (said for _, said in at_tom.page.elements if "data-draft" in said)
    bad = {"form": "x" * 99, "text": "x", "key": said["data-key"]}
    assert sent(at_tom, place, bad) == 404
    clock.sleep_ms(LASTS_US // 1_000 + 1)
    assert sent(at_tom, place, {**bad, "form": "note"}) == 403
    assert kept(centre) == []


def test_what_is_sent_when_signed_out_is_shown_once_more_to_be_copied(
    centre: Centre, at_tom: Browser, clock: FixedClock
) -> None:
    clock.sleep_ms(LASTS_US // 1_000 + 1)

    at_tom.submit("/note", text="a long <note>")

    assert at_tom.response.status == 403
    assert "You were signed out, and that was not done." in at_tom.page.text
    assert "a long &lt;note&gt;</textarea>" in at_tom.response.body.decode()
    assert b'name="password"' in at_tom.response.body
    assert kept(centre) == []
