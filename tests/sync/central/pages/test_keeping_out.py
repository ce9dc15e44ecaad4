"""What must not happen on the agents' pages: foreign forms, foreign text as markup, frames, more than an agent may."""

import re
from pathlib import Path

import pytest

from hardware.moments import micros_of
from sync.central.centre import Centre
from sync.central.errors import StoreUnreachable
from sync.central.pages import browsers
from sync.model.operation import Operation
from sync.model.ports import Request, Response
from sync.model.records import (
    Case,
    ContactPoint,
    Customer,
    Interaction,
    Join,
    Likeness,
    Order,
    OrderLine,
    Pickup,
    Promise,
    Referral,
    Remedy,
    Server,
    Serving,
    Store,
    Told,
)
from tests.support import hostile, pages, shop
from tests.support.pages import TOM, Browser, Page

DATABASES = ("sqlite",)
OUR_SCRIPT = '<script src="/agent/draft.js" defer></script>'
"""The one there may be, once, on the page with the forms."""

XSS = "</p></textarea></option><script>alert(1)</script><img src=x onerror=alert(2)>\"'><b onmouseover=a> &amp; {{7*7}}"
STYLE = Path(browsers.__file__).parent / "templates" / "style.css"


def hostile_rows(text: str) -> tuple[object, ...]:
    """Every kind of row a page shows, with this text in every field of theirs."""
    return (
        Customer(id=TOM, given_name=text, family_name=text),
        ContactPoint(id="tom-phone", channel=text, value=text, is_verified=True),
        Interaction(
            id="h-1", at=shop.NOON, channel=text, direction="in", by=text, text=text, topic=text,
            due_at=1,
        ),
        Interaction(id="h-2", at=shop.NOON, channel=text, direction=text, by=text, text=text),
        Case(
            id=f"case {text[:40]}", number=text, state="open", topic=text, opened_at=1, channel=text,
            promise=Promise(by=text, text=text, due_at=2), told=(Told(text, text, text, 1),),
            missing=(text,), tried=(Remedy(text, 3, 3), Remedy(text, 1, 0)), payer=text,
            next_step=text,
        ),
        Order(id=f"o {text[:20]}", at=1, channel=text, state=text, lines=(OrderLine(text, text),), total_minor=1),
        Pickup(id="pk", order=text, store=text, state="ready"),
        Likeness(id="lk", other=text, name=text, why=text, risk_ppm=1, at=1),
        Join(id="jn", one=text, other=text, why=text, risk_ppm=1, by=text, at=1),
        Referral(id="rf", store=text, by=text, text=text, at=1, card=text, note=text),
        Serving(TOM, (Server("x", text, text, shop.NOON, 2**60),)),
    )  # fmt: skip


def post(browser: Browser, path: str, fields: dict[str, str], *more: tuple[str, str]) -> int:
    return browser.post(path, fields, *more).status


@pytest.fixture
def at_tom(ana: Browser) -> Browser:
    ana.find(phone="+447700900102")
    assert "Tom" in ana.page.text
    return ana


def form(browser: Browser, ending: str) -> tuple[str, dict[str, str]]:
    return next(it for it in browser.page.forms.items() if it[0].endswith(ending))


# Forms


def test_a_form_without_its_key_does_nothing(centre: Centre, at_tom: Browser) -> None:
    before = centre.count("op")
    for ending in ("/note", "/promise", "/tell", "/need", "/try", "/refer", "/leave"):
        path, fields = form(at_tom, ending)
        page = at_tom.response
        for key in ("", "0" * 64, fields["key"][:-1] + "x", "\u00e9"):
            assert post(at_tom, path, {**fields, "text": "x", "key": key}) == 403, (ending, key)
        del fields["key"]
        assert post(at_tom, path, fields) == 403
        at_tom.response = page

    assert centre.count("op") == before


def test_every_form_of_every_page_has_a_key(ana: Browser, at_tom: Browser) -> None:
    for path in ("/agent", at_tom.path):
        at_tom.go(path)
        assert at_tom.page.forms
        assert all(
            re.fullmatch(r"[0-9a-f]{64}", it["key"]) for it in at_tom.page.forms.values()
        )


def test_the_key_of_one_form_opens_no_other(
    centre: Centre, at_tom: Browser, leo: Browser
) -> None:
    path, fields = form(at_tom, "/note")
    other, _ = form(at_tom, "/need")
    leo.find(phone="+447700900102")
    leos, _ = form(leo, "/note")
    ana_at = at_tom.path
    at_tom.find(order="W-1077")
    lenas, _ = form(at_tom, "/note")
    before = centre.count("op")

    filled = {**fields, "text": "x", "fact": "x", "case": ""}
    assert post(at_tom, other, filled) == 403  # another form
    assert post(at_tom, lenas, filled) == 403  # another customer
    assert post(leo, leos, filled) == 403  # another agent
    assert post(at_tom, path, {**filled, "op": "0190a1b2-0000-7000-8000-00000000000a"}) == 403
    assert post(at_tom, "/agent/sign-out", {"key": fields["key"]}) == 403
    assert centre.count("op") == before
    assert at_tom.go(ana_at).status == 200


def test_the_key_of_another_browser_of_the_same_agent_opens_nothing(
    centre: Centre, at_tom: Browser
) -> None:
    path, fields = form(at_tom, "/note")
    again = Browser(centre.sites["agent"].answer)
    again.sign_in()

    assert post(again, path, {**fields, "text": "x"}) == 403


@pytest.mark.parametrize(
    "header",
    [
        ("origin", "https://evil.example"), ("origin", "null"), ("origin", "http://centre.test.evil.example"),
        ("origin", "http://[bad"), ("sec-fetch-site", "cross-site"), ("sec-fetch-site", "same-site"),
    ],
)  # fmt: skip
def test_a_form_that_a_page_from_elsewhere_sent_does_nothing(
    centre: Centre, at_tom: Browser, header: tuple[str, str]
) -> None:
    path, fields = form(at_tom, "/note")
    before = centre.count("op")

    assert post(at_tom, path, {**fields, "text": "x"}, header) == 403
    assert centre.count("op") == before
    same = (("origin", "http://centre.test"), ("sec-fetch-site", "same-origin"))
    assert post(at_tom, path, {**fields, "text": "x"}, *same) == 200


@pytest.mark.parametrize("op", [{}, {"op": "in-1"}, {"op": "chat:m1"}])
def test_a_form_with_an_id_that_is_none_of_ours_does_nothing(
    centre: Centre, at_tom: Browser, op: dict[str, str]
) -> None:
    at, (cookie,) = at_tom.path, at_tom.cookies.values()
    key = browsers.form_key(cookie, f"/at/{at.rpartition('/')[2]}/note ")
    n_before = centre.count("op")

    status = post(at_tom, f"{at}/note", {"key": key, "text": "hello", **op})

    assert status == 400
    assert centre.count("op") == n_before


def test_what_no_form_of_ours_sends_is_refused_and_does_nothing(
    centre: Centre, at_tom: Browser
) -> None:
    path, fields = form(at_tom, "/note")
    before = centre.count("op")
    kind = "application/x-www-form-urlencoded"
    key = f"key={fields['key']}&op={fields['op']}"
    for sent, body in (
        ("application/json", b'{"text":"x"}'), ("multipart/form-data; boundary=x", b"--x--"), ("", key.encode()),
        (kind, b"\xff\xfe"), (kind, f"{key}&text=a&text=b".encode()), (kind, f"{key}&text=%00".encode()),
        (kind, f"{key}&text=%ff".encode()), (kind, b"&".join([b"a=1"] * 100)), (kind, b"text"),
        (kind, key.encode() + b"&text=" + b"x" * browsers.BODY_MAX),
    ):  # fmt: skip
        got = at_tom.ask("POST", path, body, ("content-type", sent))
        assert got.status == 400, (sent, body[:40])
    for method in ("PUT", "DELETE", "PATCH", "OPTIONS", "TRACE"):
        assert at_tom.ask(method, path).status == 405

    assert centre.count("op") == before


# Markup


def test_foreign_text_is_never_markup(centre: Centre, ana: Browser) -> None:
    centre.put_rows([shop.row(body, owner=TOM) for body in hostile_rows(XSS)])  # type: ignore[arg-type]  # records
    centre.put_rows([shop.row(Store(id=f"s{XSS[:40]}", name=XSS), owner="")])
    pages.add_agent(centre, "eve", XSS[:60])
    eve = Browser(centre.sites["agent"].answer)
    eve.sign_in("eve")

    for browser in (ana, eve):
        browser.find(email="tom@example.com", order=XSS)
        assert "Nobody fits" in browser.page.text
        _assert_harmless(browser.response)
        browser.find(email="tom@example.com")
        assert "alert(1)" in browser.page.text
        for found in (browser.response, browser.ask("GET", f"{browser.path}/now")):
            _assert_harmless(found)
        typed = dict.fromkeys(("text", "due", "topic", "case", "store", "audience", "op"), XSS)
        path, fields = form(browser, "/promise")
        browser.post(
            path, {**typed, **{name: fields[name] for name in ("key", "op")}, "text": XSS}
        )
        assert browser.response.status == 422
        _assert_harmless(browser.response)


def _assert_harmless(response: Response) -> None:
    html = response.body.decode()
    page = Page(html)
    tags = {tag for tag, _ in Page(html.replace(OUR_SCRIPT, "", 1)).elements}
    assert not tags & {"script", "img", "b", "object", "embed", "style", "svg", "base"}, tags
    for _, said in page.elements:
        assert not any(name.startswith("on") or name == "style" for name in said)
        for name in ("href", "src", "action"):
            assert said.get(name, "/agent").startswith(("/agent", "#"))
    assert "{{7*7}}" in page.text or "49" not in page.text  # nothing of it is a template


@pytest.mark.parametrize("name", [it for it in hostile.NAMES if "\ud800" not in it], ids=ascii)
def test_no_name_breaks_a_page(centre: Centre, ana: Browser, name: str) -> None:
    text = name.replace("\0", "")
    centre.put_rows([shop.row(body, owner=TOM) for body in hostile_rows(text)])  # type: ignore[arg-type]  # records

    response = ana.find(email="tom@example.com")

    assert response.status == 200
    assert ana.path.startswith("/agent/at/")
    _assert_harmless(response)


# Headers


def test_every_answer_says_what_a_browser_may_do_with_it(at_tom: Browser) -> None:
    at_tom.ask("GET", f"{at_tom.path}/now")
    at_tom.ask("GET", "/agent/nothing")
    at_tom.ask("PUT", "/agent")
    at_tom.post("/agent/find", {})
    at_tom.submit("/sign-out") if at_tom.page.forms else None

    for request, got in at_tom.sent:
        assert got.header("cache-control") == "no-store", request.url
        assert got.header("x-content-type-options") == "nosniff"
        assert got.header("referrer-policy") == "same-origin"
        if got.status == 303:
            assert not got.body
            continue
        rules = dict(
            rule.strip().split(" ", 1)
            for rule in got.header("content-security-policy").split(";")
        )
        is_inner = request.url.endswith("/now")
        scripted = {
            "script-src": "'self'", "connect-src": "'self'", "require-trusted-types-for": "'script'",
        }  # fmt: skip
        has_forms = "/agent/at/" in request.url and not is_inner and got.status == 200
        assert rules == {
            "default-src": "'none'", "style-src": "'self'", "form-action": "'self'", "frame-src": "'self'",
            "base-uri": "'none'", "frame-ancestors": "'self'" if is_inner else "'none'",
            **(scripted if has_forms else {}),
        }  # fmt: skip
        assert got.header("x-frame-options") == ("SAMEORIGIN" if is_inner else "DENY")
    assert len({got.status for _, got in at_tom.sent}) >= 4


def test_the_page_that_may_stand_in_a_frame_has_nothing_to_press(at_tom: Browser) -> None:
    page = Page(at_tom.ask("GET", f"{at_tom.path}/now").body.decode())

    assert not {tag for tag, _ in page.elements} & {"form", "button", "input", "a"}


def test_nothing_on_a_page_comes_from_elsewhere_and_nothing_needs_a_script(
    at_tom: Browser,
) -> None:
    for _, got in at_tom.sent:
        html = got.body.decode()
        assert "<script" not in html.replace(OUR_SCRIPT, "", 1)
        assert "http://" not in html.replace("http://centre.test", "")
        assert "https://" not in html
    css = at_tom.ask("GET", "/agent/style.css")
    assert (css.status, css.header("content-type")) == (200, "text/css; charset=utf-8")
    assert b"url(" not in css.body
    assert b"@import" not in css.body


def test_a_centre_that_cannot_read_says_so_on_a_page(
    centre: Centre, ana: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away() -> object:
        raise StoreUnreachable("gone")

    monkeypatch.setattr(centre._store, "reading", away)

    response = ana.go("/agent")

    assert (response.status, response.header("retry-after")) == (503, "5")
    assert "Try again in a moment" in ana.page.text


# Least privilege


STORE_FORMS = (
    "redeem", "link_band", "unlink_band", "block_band", "unblock_band", "correct_stock", "hand_over_pickup",
    "set_consent", "void_operation", "take_referral", "note_case", "answer", "make_good", "export", "erase", "unjoin", "redirect",
)  # fmt: skip


def test_each_form_of_a_store_is_refused(centre: Centre, at_tom: Browser) -> None:
    before = centre.count("op")
    at = at_tom.path
    for name in STORE_FORMS:
        _, fields = form(at_tom, "/note")
        path = f"{at}/{name}"
        assert post(at_tom, path, {**fields, "text": "x"}) == 403
        cookie = at_tom.cookies["agent"]
        key = browsers.form_key(cookie, f"/at/{at.rpartition('/')[2]}/{name} {fields['op']}")
        assert post(at_tom, path, {**fields, "text": "x", "key": key}) == 404
        assert at_tom.go(path).status == 404
        at_tom.go(at)

    assert centre.count("op") == before


def test_there_is_no_list_of_customers_and_no_way_to_one_without_a_search(
    centre: Centre, ana: Browser
) -> None:
    for path in (
        "/agent/customers", "/agent/export", "/agent/at/", f"/agent/at/{TOM}", "/agent/at/..", "/agent/at/%2e%2e",
        "/agent/style.css/", "/agent/templates/customer.html", "/agent/../v1/health", "/agent/at//now", "/agent//",
    ):  # fmt: skip
        got = ana.ask("GET", path)
        assert got.status == 404, path
        assert b"Becker" not in got.body


@pytest.mark.parametrize(
    "path", ["/v1/push", "/v1/pull", "/v1/want", "/v1/inbox", "/v1/decide"]
)
async def test_an_agents_browser_is_no_device(centre: Centre, ana: Browser, path: str) -> None:
    from sync.central.endpoints import Service

    cookie = ("cookie", f"agent={ana.cookies['agent']}")
    kind = ("content-type", "application/json")
    proto = (("x-proto", "1"), ("x-req", "r1"))
    request = Request("POST", f"http://centre.test{path}", (cookie, kind, *proto), b"{}")

    got = await Service(centre).answer(request)

    assert got.status in (400, 401, 403, 409, 426)
    assert b"rows" not in got.body


@pytest.mark.parametrize("what", ["role = 'clerk'", "state = 'off'"])
def test_another_role_and_who_is_off_are_let_in_nowhere(
    centre: Centre, ana: Browser, what: str
) -> None:
    centre._parts.write(lambda it: it.direct().run(f"UPDATE agent SET {what}"))

    assert 'name="password"' in ana.go("/agent").body.decode()


def test_an_agents_operation_comes_from_the_agents_own_place(
    centre: Centre, at_tom: Browser
) -> None:
    import msgspec

    at_tom.submit("/note", text="x")

    with centre._parts.store.reading() as snapshot:
        raws = [
            raw for (raw,) in snapshot.sql.all("SELECT raw FROM op WHERE kind = 'note_case'")
        ]
    op = msgspec.json.decode(bytes(raws[0]), type=Operation)
    assert (op.store, op.device, op.actor, op.owner) == ("agents", "agents", "agent:ana", TOM)
    assert op.evidence.assurance == "S1"
    assert op.at == micros_of(centre.clock.now())


# Looks


def _colours(css: str) -> list[dict[str, str]]:
    return [
        dict(re.findall(r"--([a-z-]+): (#[0-9a-f]{6})", block))
        for block in re.findall(r":root \{([^}]*--back[^}]*)\}", css)
    ]


def _luminance(colour: str) -> float:
    parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    linear = [it / 12.92 if it <= 0.04045 else ((it + 0.055) / 1.055) ** 2.4 for it in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def test_every_colour_of_text_can_be_read_by_day_and_by_night() -> None:
    themes = _colours(STYLE.read_text())
    pairs = (
        ("ink", "back"), ("ink", "paper"), ("soft", "back"), ("soft", "paper"), ("act", "back"), ("act", "paper"),
        ("on-act", "act"), ("alert", "alert-back"), ("alert", "paper"), ("ask", "ask-back"), ("ask", "paper"),
    )  # fmt: skip

    assert len(themes) == 2
    for theme in themes:
        for ink, paper in pairs:
            light, dark = sorted((_luminance(theme[ink]), _luminance(theme[paper])))[::-1]
            assert (light + 0.05) / (dark + 0.05) >= 4.5, (ink, paper, theme)
