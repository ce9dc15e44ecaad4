"""What mailing tools fetch: who must not be advertised what, for who has the secret."""

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from sync.central import channels_file
from sync.central.channels.adapter import Settings
from sync.central.channels.registry import ADAPTERS
from sync.central.out_site import OutSite
from sync.central.senders.registry import way_for
from sync.central.senders.sender import NoReply
from sync.central.store import Store
from sync.central.telling import Telling, subscriptions_of
from sync.model import wire
from sync.model.ports import Request
from sync.model.records import Consent
from tests.support import shop
from tests.support.sending import NOON, SendingShop

SECRET = "bearer-secret-1234"
MAILER = Settings("mailer", "cloudevents", "", {"suppressions": SECRET}, {})


@pytest.fixture
def harbour(tmp_path: Path) -> Iterator[SendingShop]:
    store = Store(tmp_path / "centre.db", fresh_epoch="e-1")
    made = SendingShop(store)
    made.put(*shop.lenas_rows())
    yield made
    store.close()


@pytest.fixture
def telling(harbour: SendingShop) -> Telling:
    made = Telling(
        harbour.parts, (MAILER,), carry=lambda _: NoReply("none", is_maybe_done=False)
    )
    made.open()
    return made


@pytest.fixture
def site(harbour: SendingShop) -> OutSite:
    return OutSite(harbour.parts, (MAILER,))


def asked(
    path: str = "/out/suppressions", *, secret: str = f"Bearer {SECRET}", method: str = "GET"
) -> Request:
    headers = (("authorization", secret),) if secret else ()
    return Request(method, f"http://centre.test{path}", headers)


def test_a_tool_gets_everything_once_and_then_what_changed(
    harbour: SendingShop, telling: Telling, site: OutSite
) -> None:
    telling.make_suppressions()
    first = site.answer(asked())
    nothing = site.answer(asked(f"/out/suppressions?since={first.header('x-next')}"))
    harbour.put(shop.row(Consent("lena:marketing", "marketing", is_granted=True, at=NOON)))
    telling.make_suppressions()
    second = site.answer(asked(f"/out/suppressions?since={first.header('x-next')}"))

    line, _ = map(json.loads, first.body.splitlines())
    later, _ = map(json.loads, second.body.splitlines())
    assert first.status == 200
    assert first.header("content-type") == "application/x-ndjson"
    assert [one["reason"] for one in line["lines"]] == ["bought", "no_consent", "open_case"]
    assert [one["reason"] for one in later["lines"]] == ["bought", "open_case"]
    assert later["seq"] > line["seq"]
    assert (nothing.body, nothing.header("x-next")) == (b"", first.header("x-next"))


def test_nothing_in_it_says_who_it_is(
    harbour: SendingShop, telling: Telling, site: OutSite
) -> None:
    telling.make_suppressions()

    text = site.answer(asked()).body.decode().lower()

    assert text
    assert not any(word in text for word in ("lena", "example.org", "2345678"))


@pytest.mark.parametrize(
    "secret",
    ["", "Bearer ", "Bearer wrong-secret-123456", f"Basic {SECRET}", SECRET, "Bearer é"],
)
def test_who_has_no_secret_gets_nothing(telling: Telling, site: OutSite, secret: str) -> None:
    telling.make_suppressions()

    response = site.answer(asked(secret=secret))

    assert response.status == 401
    assert response.header("www-authenticate") == "Bearer"
    assert b"seq" not in response.body


def test_without_a_secret_nobody_gets_anything(harbour: SendingShop) -> None:
    none = OutSite(harbour.parts, ())
    short = OutSite(harbour.parts, (Settings("m", "cloudevents", "", {"suppressions": ""}),))

    assert none.answer(asked(secret="Bearer ")).status == 401
    assert short.answer(asked(secret="Bearer ")).status == 401


@pytest.mark.parametrize(
    ("path", "method", "status"),
    [
        ("/out", "GET", 404),
        ("/out/other", "GET", 404),
        ("/out/suppressions", "POST", 405),
        ("/out/suppressions?since=x", "GET", 400),
        ("/out/suppressions?since=-1", "GET", 400),
        ("/out/suppressions?since=9999999999999999", "GET", 400),
        ("/out/suppressions?since=٣", "GET", 400),
        ("/out/suppressions?since=999", "GET", 200),
        ("/out/suppressions/", "GET", 200),
    ],
)
def test_whatever_is_asked_is_answered(
    site: OutSite, path: str, method: str, status: int
) -> None:
    assert site.answer(asked(path, method=method)).status == status


def test_the_page_shows_a_file_by_which_everything_goes_out(tmp_path: Path) -> None:
    page = (Path(wire.__file__).parents[1] / "README.md").read_text()
    found = re.search(r"```toml\n(.*?)```", page, re.DOTALL)
    assert found is not None
    file = tmp_path / "channels.toml"
    file.write_text(found[1])
    file.chmod(0o600)

    channels = channels_file.read_channels(file)

    channels_file.check(channels, ADAPTERS)
    ways = {
        channel: way_for(channel, channels)
        for channel in ("email", "whatsapp", "chat", "phone")
    }
    assert {channel: way.name if way else "" for channel, way in ways.items()} == {
        "email": "mail", "whatsapp": "wa", "chat": "desk", "phone": "sms",
    }  # fmt: skip
    told = {one.name: (one.wants, one.is_asking) for one in subscriptions_of(channels)}
    assert told == {
        "shop": (("stock.", "order."), False),
        "crm": (("order.", "case.", "suppression."), False),
        "crm (asks)": ((), True),
    }
