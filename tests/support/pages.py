"""A browser for tests without a browser: keeps cookies, reads forms, follows what a form leads to; and a centre with agents."""

from collections.abc import Callable
from datetime import UTC, datetime
from html.parser import HTMLParser
from urllib.parse import urlencode, urljoin

from hardware.entropy import SystemEntropy
from sync.central.centre import Centre
from sync.central.pages import agents
from sync.central.pages.agents import Agent
from sync.model.ports import Request, Response
from sync.model.records import (
    Case,
    ContactPoint,
    Customer,
    Interaction,
    Promise,
    Remedy,
    Store,
    Told,
)
from sync.model.row import Row
from tests.support import shop

PASSWORD = "correct horse battery"
HASH = agents.hashed(PASSWORD, entropy=SystemEntropy())
START = datetime(2026, 1, 7, 12, 0, tzinfo=UTC)
BASE = "http://centre.test"
TOM = "owner-0190-tom"
DAY = 86_400_000_000


def add_agent(centre: Centre, name: str, shown: str, *, channel: str = "phone") -> None:
    """An agent with the password of all agents in tests."""
    agent = Agent(name, shown, HASH, agents.ROLE, agents.ON, channel=channel)
    centre._parts.write(lambda it: agents.add(it.direct(), agent))


def toms_rows(now: int) -> tuple[Row, ...]:
    """Somebody who called often, with a case that misses one fact."""
    case = Case(
        id="case-tom", number="C-4711", state="open", topic="bill his employer",
        opened_at=now - 3 * DAY, channel="phone",
        promise=Promise(by="Ana", text="an answer on the bill", due_at=now - DAY),
        told=(Told("Employer", "Brightwater", "phone", now - 3 * DAY),),
        missing=("the payer's consent",), tried=(Remedy("reset the password", 7, 7),),
        next_step="ask Brightwater",
    )  # fmt: skip
    calls = [
        Interaction(
            id=f"tom-call-{index}", at=now - DAY * index, channel="phone", direction="in", by="Tom",
            text="they reset it again", topic="password reset", answered_at=now,
        )
        for index in range(1, 8)
    ]  # fmt: skip
    bodies = (
        Customer(id=TOM, given_name="Tom", family_name="Bécker"),
        ContactPoint(
            id="tom-phone", channel="phone", value="+44 7700 900102", is_verified=True
        ),
        ContactPoint(id="tom-mail", channel="email", value="Tom@Example.com"),
        case,
        *calls,
    )
    return tuple(shop.row(body, owner=TOM, as_of=now) for body in bodies)


def stores() -> tuple[Row, ...]:
    return tuple(
        shop.row(Store(id=name.lower(), name=name), owner="") for name in ("Harbour", "Station")
    )


class Page(HTMLParser):
    """What a browser makes of a page: its forms, its words, its elements.

    Attributes:
        forms: By the address they go to: what is filled in before anybody types.
        elements: Every start tag with its attributes.
        text: The words, as a person reads them.
    """

    def __init__(self, html: str) -> None:
        super().__init__(convert_charrefs=True)
        self.forms: dict[str, dict[str, str]] = {}
        self.elements: list[tuple[str, dict[str, str]]] = []
        self._form: dict[str, str] | None = None
        self._select = ""
        self._words: list[str] = []
        self.feed(html)
        self.close()
        self.text = " ".join("".join(self._words).split())

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        said = {name: value or "" for name, value in attrs}
        self.elements.append((tag, said))
        if tag == "form":
            self._form = {}
            self.forms.setdefault(said["action"], self._form)  # of several the first
        if self._form is None:
            return
        if tag == "select":
            self._select = said["name"]
        elif tag == "option" and (self._select not in self._form or "selected" in said):
            self._form[self._select] = said.get("value", "")
        elif tag in ("input", "textarea") and "name" in said and _is_sent(said):
            self._form[said["name"]] = said.get("value", "")

    def handle_endtag(self, tag: str) -> None:
        if tag == "form":
            self._form = None

    def handle_data(self, data: str) -> None:
        self._words.append(data)


def _is_sent(said: dict[str, str]) -> bool:
    return said.get("type") != "radio" or "checked" in said


class Browser:
    """Keeps cookies and a page; `sent` has every request and its answer."""

    def __init__(self, send: Callable[[Request], Response], *, base: str = BASE) -> None:
        self._send = send
        self.base = base
        self.cookies: dict[str, str] = {}
        self.sent: list[tuple[Request, Response]] = []
        self.path = ""
        self.response = Response(0, ())

    @property
    def page(self) -> Page:
        return Page(self.response.body.decode())

    def ask(
        self, method: str, path: str, body: bytes = b"", *headers: tuple[str, str]
    ) -> Response:
        """One request, as it is; what it sets is kept."""
        cookie = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
        more = (("cookie", cookie),) if cookie else ()
        host = ("host", self.base.partition("//")[2])
        request = Request(method, self.base + path, (host, *more, *headers), body)
        response = self._send(request)
        self.sent.append((request, response))
        for name, value in response.headers:
            if name == "set-cookie":
                key, _, rest = value.partition("=")
                said, _, _ = rest.partition(";")
                self.cookies = {**self.cookies, key: said}
                if not said:
                    del self.cookies[key]
        return response

    def go(self, path: str) -> Response:
        """Load a page, and the one it leads to."""
        self.path, self.response = path, self.ask("GET", path)
        return self._led_on()

    def post(self, path: str, fields: dict[str, str], *headers: tuple[str, str]) -> Response:
        """Send these fields, whatever form there is."""
        kind = ("content-type", "application/x-www-form-urlencoded")
        body = urlencode(fields).encode()
        self.path, self.response = path, self.ask("POST", path, body, kind, *headers)
        return self._led_on()

    def submit(self, ending: str, **typed: str) -> Response:
        """Fill in the form whose address ends so, and send it."""
        ((path, fields),) = (
            (path, fields) for path, fields in self.page.forms.items() if path.endswith(ending)
        )
        return self.post(path, {**fields, **typed})

    def _led_on(self) -> Response:
        while self.response.status == 303:
            self.path = urljoin(self.path, self.response.header("location"))
            self.response = self.ask("GET", self.path)
        return self.response

    def sign_in(self, name: str = "ana", password: str = PASSWORD) -> Response:
        self.go("/agent")
        return self.submit("/sign-in", name=name, password=password)

    def find(self, **facts: str) -> Response:
        self.go("/agent")
        return self.submit("/find", **facts)
