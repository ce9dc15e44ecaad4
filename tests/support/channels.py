"""Channels for tests: an adapter whose events are our own facts, signed by a shared word, that can be told to misbehave."""

from collections.abc import Iterable
from typing import Any

import msgspec

from sync.central.centre import Centre
from sync.central.channels.adapter import Delivery, Event, Forged, Settings, Unmapped
from sync.central.channels.facts import AnyFact, Bought, Point, Said, Who
from sync.central.intake import Intake
from sync.model.records import OrderLine
from sync.model.row import Row

NOW = 1_767_787_200_000_000
HOUR = 3_600 * 1_000_000
DAY = 24 * HOUR

SHOP = Settings("shop", "plain", "web", {"word": "open"}, {"country": "GB"})
CHAT = Settings("chat", "plain", "whatsapp", {"word": "sesame"}, {"country": "GB"})
CALLS = Settings("calls", "plain", "phone", {"word": "ring"}, {"country": "GB"})
MAIL = Settings("mail", "plain", "email", {"word": "post"}, {"country": "GB"}, promise_s=3_600)
CHANNELS = (SHOP, CHAT, CALLS, MAIL)


class Plain:
    """Its body is a JSON list of {"id", "type", "at", "facts": [...]}; the header `x-word` has the secret."""

    name = "plain"

    def verify(self, delivery: Delivery, settings: Settings) -> None:
        if delivery.headers.get("x-word") != settings.secrets["word"]:
            raise Forged("the word does not fit")
        if delivery.headers.get("x-at", str(delivery.now)) != str(delivery.now):
            raise Forged("signed too long ago")

    def greeting(self, delivery: Delivery, settings: Settings) -> bytes | None:
        _, _, challenge = delivery.url.partition("?hello=")
        return challenge.encode() or None

    def events(self, delivery: Delivery, settings: Settings) -> tuple[Event, ...]:
        try:
            found = msgspec.json.decode(delivery.body, type=list[dict[str, Any]])
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise Unmapped("not JSON") from error
        return tuple(
            Event(one["id"], one.get("type", "facts"), one.get("at", 0), one) for one in found
        )

    def facts(self, event: Event, settings: Settings) -> tuple[AnyFact, ...]:
        if event.type == "broken":
            raise ZeroDivisionError
        if event.type == "strange":
            raise Unmapped("no mapping for 'strange'")
        try:
            return msgspec.convert(event.body["facts"], tuple[AnyFact, ...])
        except msgspec.ValidationError as error:
            raise Unmapped(str(error)) from error


ADAPTERS = {"plain": Plain()}


def intake_of(centre: Centre, *channels: Settings) -> Intake:
    """Channels over an open centre, with the adapter above."""
    return Intake(centre._parts, ADAPTERS, channels or CHANNELS)


def event(
    event_id: str, *facts: AnyFact, event_type: str = "facts", at: int = 0
) -> dict[str, Any]:
    """One event that says these facts."""
    return {"id": event_id, "type": event_type, "at": at, "facts": msgspec.to_builtins(facts)}


def delivery(
    *events: dict[str, Any], to: Settings = SHOP, now: int = NOW, **headers: str
) -> Delivery:
    """A delivery of these events as that channel's vendor signs it."""
    said = {
        "x-word": to.secrets["word"],
        **{name.replace("_", "-"): it for name, it in headers.items()},
    }
    return Delivery(
        msgspec.json.encode(events),
        said,
        f"http://centre.test/in/{to.name}",
        "POST",
        now // 1_000_000,
    )


def mail(address: str, *, is_verified: bool = True) -> Point:
    return Point("email", address, is_verified=is_verified)


def phone(number: str, *, is_verified: bool = True) -> Point:
    return Point("phone", number, is_verified=is_verified)


def who(ref: str, given: str = "", family: str = "", *points: Point, language: str = "") -> Who:
    return Who(ref=ref, given_name=given, family_name=family, points=points, language=language)


def bought(number: str, of: Who | None, *, at: int = NOW - DAY, state: str = "paid") -> Bought:
    return Bought(
        ref=number, at=at, who=of, channel="web", state=state, ordered_at=at, total_minor=3_192,
        lines=(OrderLine("shirt", "Linen shirt", paid_minor=3_192),), currency="EUR",
    )  # fmt: skip


def wrote(
    ref: str, of: Who | None, text: str = "hello?", *, at: int = NOW - DAY, direction: str = "in",
    channel: str = "whatsapp", thread: str = "t1", **more: Any,
) -> Said:  # fmt: skip
    return Said(
        ref=ref, at=at, who=of, channel=channel, direction=direction, text=text, thread=thread,
        by=of.given_name if of else "", **more,
    )  # fmt: skip


def rows_of(centre: Centre, *owners: str) -> list[Row]:
    """All rows of these customers, by key."""
    with centre._parts.store.reading() as snapshot:
        return [row for owner in owners for row in snapshot.all_of_owner(owner)]


def all_rows(centre: Centre) -> dict[str, tuple[str, int, str, Any]]:
    """Every row but the sealed notes of erasures: owner, age, source, body."""
    with centre._parts.store.reading() as snapshot:
        found = snapshot.sql.all(
            "SELECT key, owner, as_of, source, body FROM doc WHERE kind <> 'erasure' ORDER BY key"
        )
        return {
            key: (owner, as_of, source, msgspec.json.decode(body))
            for key, owner, as_of, source, body in found
        }


def owners_named(centre: Centre, name: str) -> Iterable[str]:
    """Customers of that given name, by id."""
    return [
        owner for key, (owner, _, _, body) in all_rows(centre).items()
        if key.startswith("customer/") and body["given_name"] == name
    ]  # fmt: skip


def changed(centre: Centre, change: Any) -> Any:
    """Do one change of a transaction at that centre."""
    return centre._parts.write(change)


def database_rows(centre: Centre, table: str) -> list[tuple[Any, ...]]:
    """All lines of a table, to compare."""
    with centre._parts.store.reading() as snapshot:
        return sorted(snapshot.sql.all(f"SELECT * FROM {table}"), key=repr)
