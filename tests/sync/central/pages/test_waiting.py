"""The list of who waits: from the number in the head, what is over longest first, and no more of anybody than that."""

import msgspec

from hardware.moments import micros_of
from sync.central.centre import Centre
from sync.central.pages import finding, waiting
from sync.central.pages.site import AgentSite
from sync.model import promises
from sync.model.records import Case, Customer, Interaction, Promise
from sync.model.sins import Scoreboard
from tests.support import shop
from tests.support.pages import START, TOM, Browser
from tests.support.shop import LENA

NOW = micros_of(START)
HOUR = 3_600_000_000
SECRET = "a ring for Max"


def wrote(
    centre: Centre, owner: str, hours_ago: int, *, name: str = "", guardian: str = ""
) -> None:
    at = NOW - hours_ago * HOUR
    contact = Interaction(
        f"whatsapp:{owner}", at, "whatsapp", "in", name, SECRET, due_at=at + 24 * HOUR
    )
    person = Customer(id=owner, given_name=name, family_name="Test", guardian=guardian)
    centre.put_rows(shop.row(body, owner=owner, as_of=at) for body in (person, contact))


def names(browser: Browser) -> list[str]:
    """Who is on the list, in its order."""
    html = browser.response.body.decode()
    return [one.partition("</button>")[0] for one in html.split('<button class="quiet">')[1:]]


def open_first(browser: Browser) -> None:
    browser.submit("/waiting")


def test_the_number_of_who_waits_leads_to_them_what_is_over_longest_first(
    centre: Centre, ana: Browser
) -> None:
    wrote(centre, "priya", 71, name="Priya")
    wrote(centre, "una", 2, name="Una")
    ana.go("/agent")
    links = [said["href"] for tag, said in ana.page.elements if tag == "a" and "href" in said]
    assert "/agent/waiting" in links

    ana.go("/agent/waiting")

    shown = [name for name in names(ana) if name != "Sign out"]
    assert shown == ["Priya Test", "Tom Bécker", "Léna Müller", "Léna Müller", "Una Test"]
    said = ana.page.text
    assert "wrote: WhatsApp, since " in said
    assert ", 47 h late" in said
    assert "2 late" in said


def test_the_list_says_nothing_of_what_they_wrote_and_names_no_id(
    centre: Centre, ana: Browser
) -> None:
    wrote(centre, "priya-4711", 71, name="Priya")
    wrote(centre, "kofi", 71, name="Kofi", guardian="ama")

    html = ana.go("/agent/waiting").body.decode()

    for secret in (SECRET, "priya-4711", TOM, "hello?", "case-tom", "Kofi", "call back"):
        assert secret not in html, secret


def test_whom_an_agent_opens_from_the_list_is_written_down(
    centre: Centre, ana: Browser
) -> None:
    wrote(centre, "priya", 71, name="Priya")
    ana.go("/agent/waiting")

    open_first(ana)

    assert ana.path.startswith("/agent/at/")
    assert "NOT ANSWERED: WhatsApp" in ana.page.text
    with centre._parts.store.reading() as snapshot:
        (look,) = finding.looked_at(snapshot.sql, "priya")
    assert (look.agent, look.how) == ("ana", waiting.HOW)


def test_one_who_waits_no_more_cannot_be_opened_by_an_old_list(
    centre: Centre, ana: Browser
) -> None:
    wrote(centre, "priya", 71, name="Priya")
    ana.go("/agent/waiting")
    with centre._parts.store.reading() as snapshot:
        (row,) = (it for it in snapshot.all_of_owner("priya") if it.kind == "interaction")
    answered = msgspec.structs.replace(row.body, answered_at=NOW)
    centre.put_rows([msgspec.structs.replace(row, body=answered)])

    open_first(ana)

    assert "They do not wait any more" in ana.page.text
    with centre._parts.store.reading() as snapshot:
        assert finding.looked_at(snapshot.sql, "priya") == []


def test_the_mark_of_one_browser_opens_nobody_in_another(
    centre: Centre, ana: Browser, leo: Browser
) -> None:
    wrote(centre, "priya", 71, name="Priya")
    ana.go("/agent/waiting")
    leo.go("/agent/waiting")
    marked = ana.page.forms["/agent/waiting"]["who"]

    leo.submit("/waiting", who=marked)

    assert leo.path == "/agent/waiting"
    assert "They do not wait any more" in leo.page.text


def test_opening_many_is_as_many_searches(centre: Centre, ana: Browser) -> None:
    wrote(centre, "priya", 71, name="Priya")
    for _ in range(finding.LOOKS_MAX):
        ana.go("/agent/waiting")
        open_first(ana)
    ana.go("/agent/waiting")

    open_first(ana)

    assert ana.response.status == 429
    assert "agent_looks_often" in {it.code for it in centre.alerts()}


def test_who_is_not_signed_in_sees_no_list(browser: Browser) -> None:
    browser.go("/agent/waiting")

    assert browser.path == "/agent"
    assert b'name="password"' in browser.response.body


def test_a_broken_promise_is_on_the_list_with_how_often_it_was_promised(
    centre: Centre, ana: Browser
) -> None:
    bill = Case(
        "c-1", "C-1", "open", "bill", NOW - 90 * HOUR, "phone",
        promise=Promise("Ana", "call", NOW - 90 * HOUR),
    )  # fmt: skip
    again = Promise("Ben", "mail", NOW + HOUR, op="b", at=NOW)
    person = Customer(id="zoe", given_name="Zoe")
    bodies = (person, promises.with_promise(bill, again))
    centre.put_rows(shop.row(body, owner="zoe") for body in bodies)

    ana.go("/agent/waiting")

    assert names(ana)[1] == "Zoe"
    assert "promise (promised 2 times, 1 broken), until" in ana.page.text


def test_nobody_waits(centre: Centre, ana: Browser) -> None:
    with centre._parts.store.reading() as snapshot:
        rows = [*snapshot.all_of_owner(LENA), *snapshot.all_of_owner(TOM)]
    for row in rows:
        if isinstance(row.body, Case):
            solved = msgspec.structs.replace(row.body, state="solved")
            centre.put_rows([msgspec.structs.replace(row, body=solved)])
        elif isinstance(row.body, Interaction):
            answered = msgspec.structs.replace(row.body, answered_at=NOW)
            centre.put_rows([msgspec.structs.replace(row, body=answered)])

    ana.go("/agent/waiting")

    assert "Nobody waits. Nothing is owed." in ana.page.text


def test_the_head_counts_broken_promises(centre: Centre) -> None:
    site = AgentSite(centre._parts, sins=lambda: Scoreboard(4, 15, 2, promises_broken=5))
    leo = Browser(site.answer)
    leo.sign_in("leo")

    leo.go("/agent")

    assert "Unanswered15 Contradictions2 Promises broken5" in leo.page.text.replace(" ", " ")
