"""Agents sign in by name and password; whoever guesses is locked out, and nobody stays signed in for ever."""

import pytest

from hardware.clock import FixedClock
from sync.central.centre import Centre
from sync.central.pages import agents
from sync.central.pages.agents import LOCKED_US, TRIES_MAX, WRONG_ALL, WRONG_MAX, Doors
from sync.model.ports import Response
from tests.support.pages import PASSWORD, Browser

DATABASES = ("sqlite",)
MINUTE = 60_000


def is_out(response: Response) -> bool:
    return b'name="password"' in response.body


def test_name_and_password_open_the_page(browser: Browser) -> None:
    response = browser.sign_in()

    assert response.status == 200
    assert "Find a customer" in browser.page.text
    assert "Ana (call centre)" in browser.page.text


def test_the_cookie_is_out_of_reach_of_scripts_and_other_sites(browser: Browser) -> None:
    browser.sign_in()
    cookies = [
        value for _, got in browser.sent for name, value in got.headers if name == "set-cookie"
    ]

    assert len(cookies) == 2
    for cookie in cookies:
        assert {"HttpOnly", "SameSite=Strict", "Path=/"} <= set(cookie.split("; "))
        assert "Secure" not in cookie
    assert cookies[0].split(";")[0] != cookies[1].split(";")[0]


def test_with_tls_the_cookie_never_goes_without_and_no_other_host_can_set_it(
    centre: Centre,
) -> None:
    browser = Browser(centre.sites["agent"].answer, base="https://centre.test")
    browser.sign_in()

    cookie = next(
        v for _, it in reversed(browser.sent) for n, v in it.headers if n == "set-cookie"
    )
    assert cookie.startswith("__Host-agent=")
    assert {"Secure", "HttpOnly", "SameSite=Strict", "Path=/"} <= set(cookie.split("; "))
    assert browser.response.header("strict-transport-security")
    plain = Browser(centre.sites["agent"].answer)
    plain.cookies = {"agent": browser.cookies["__Host-agent"]}
    assert not is_out(
        plain.go("/agent")
    )  # the same value by another name is another browser's choice
    tls = Browser(centre.sites["agent"].answer, base="https://centre.test")
    tls.cookies = {"agent": browser.cookies["__Host-agent"]}
    assert is_out(tls.go("/agent"))


def test_the_database_does_not_hold_what_would_open_a_page(
    centre: Centre, ana: Browser
) -> None:
    with centre._parts.store.reading() as snapshot:
        lines = snapshot.sql.all("SELECT digest FROM sign_in")
        kept = snapshot.sql.all("SELECT password FROM agent")

    assert [len(digest) for (digest,) in lines] == [64]
    assert ana.cookies["agent"] not in str(lines)
    assert all(line.startswith("$argon2id$") for (line,) in kept)


@pytest.mark.parametrize(
    ("name", "password"),
    [
        ("ana", "wrong"), ("nobody", PASSWORD), ("", ""), ("ana", ""), ("ANA'--", PASSWORD),
        ("ana", PASSWORD + "x" * 500), ("\u202eana", PASSWORD),
    ],
)  # fmt: skip
def test_what_is_wrong_is_not_told(browser: Browser, name: str, password: str) -> None:
    response = browser.sign_in(name, password)

    assert response.status == 403
    assert "Name or password is not right." in browser.page.text
    assert is_out(browser.go("/agent"))


def test_five_wrong_passwords_lock_the_name_for_a_quarter_of_an_hour(
    centre: Centre, browser: Browser, clock: FixedClock
) -> None:
    said = [browser.sign_in("ana", "wrong").body for _ in range(WRONG_MAX)]

    locked = browser.sign_in()
    assert locked.status == 403
    assert (
        len({len(body) for body in (*said, locked.body)}) == 1
    )  # a guesser is not told either
    assert ("agent_locked", "agent:ana") in {(it.code, it.device) for it in centre.alerts()}
    assert browser.sign_in("leo").status == 200

    clock.sleep_ms(LOCKED_US // 1_000)
    assert Browser(centre.sites["agent"].answer).sign_in().status == 200


def test_a_right_password_begins_the_count_again(browser: Browser, clock: FixedClock) -> None:
    for _ in range(3):
        for _ in range(WRONG_MAX - 1):
            browser.sign_in("ana", "wrong")
        clock.sleep_ms(MINUTE)
        assert browser.sign_in().status == 200
        browser.cookies.clear()


def test_after_a_hundred_wrong_ones_only_a_reset_helps(
    centre: Centre, clock: FixedClock
) -> None:
    doors = Doors(centre._parts)
    centre._parts.write(
        lambda it: it.direct().run("UPDATE agent SET n_wrong = :n", n=WRONG_ALL - 1)
    )
    assert not doors.enter("ana", "wrong")
    clock.sleep_ms(7 * 24 * 60 * MINUTE)
    assert not doors.enter("ana", PASSWORD)

    hashed = agents.hashed(PASSWORD, entropy=centre._parts.entropy)
    centre._parts.write(lambda it: agents.reset(it.direct(), "ana", hashed, now=1))

    assert doors.enter("ana", PASSWORD)


def test_a_crowd_at_the_door_waits(browser: Browser, clock: FixedClock) -> None:
    for _ in range(TRIES_MAX):
        browser.sign_in("nobody", "wrong")

    assert browser.sign_in().status == 429
    clock.sleep_ms(MINUTE)
    assert browser.sign_in().status == 200


def test_half_an_hour_without_a_page_signs_out_and_a_page_in_between_does_not(
    ana: Browser, clock: FixedClock
) -> None:
    for _ in range(3):
        clock.sleep_ms(29 * MINUTE)
        assert not is_out(ana.go("/agent"))

    clock.sleep_ms(30 * MINUTE)
    assert is_out(ana.go("/agent"))


def test_a_page_that_loads_itself_keeps_nobody_signed_in(
    ana: Browser, clock: FixedClock
) -> None:
    ana.find(order="W-1077")
    at = ana.path
    for _ in range(4):
        clock.sleep_ms(10 * MINUTE)
        now = ana.ask("GET", f"{at}/now")

    assert b"You are signed out" in now.body
    assert is_out(ana.go("/agent"))


def test_a_shift_ends_after_eight_hours(ana: Browser, clock: FixedClock) -> None:
    for _ in range(24):
        clock.sleep_ms(20 * MINUTE)
        response = ana.go("/agent")

    assert is_out(response)


def test_a_clock_that_went_back_lets_nobody_in(centre: Centre, ana: Browser) -> None:
    centre._parts.write(lambda it: it.direct().run("UPDATE sign_in SET at = at + 90000000"))

    assert is_out(ana.go("/agent"))


def test_signing_out_ends_this_browser_and_no_other(centre: Centre, ana: Browser) -> None:
    other = Browser(centre.sites["agent"].answer)
    other.sign_in()
    old = dict(ana.cookies)

    ana.submit("/sign-out")

    ana.cookies = old
    assert is_out(ana.go("/agent"))
    assert not is_out(other.go("/agent"))


def test_a_made_up_cookie_and_that_of_the_door_open_nothing(browser: Browser) -> None:
    browser.go("/agent")
    door = browser.cookies["agent"]

    for value in (door, "0" * 64, "", "' OR 1=1 --", "0" * 5_000):
        browser.cookies = {"agent": value}
        assert is_out(browser.go("/agent"))
        assert browser.go("/agent/at/" + "0" * 32).status == 200
        assert is_out(browser.response)


def test_nobody_can_be_signed_in_as_somebody_else_by_a_foreign_page(browser: Browser) -> None:
    fields = {"name": "ana", "password": PASSWORD, "key": "0" * 64}
    assert browser.post("/agent/sign-in", fields).status == 403

    browser.go("/agent")
    (form,) = browser.page.forms.values()
    foreign = ("origin", "https://evil.example")
    assert (
        browser.post("/agent/sign-in", {**form, **fields, "key": form["key"]}, foreign).status
        == 403
    )
    assert is_out(browser.go("/agent"))
