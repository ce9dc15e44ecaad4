"""Tables in bulk: CSV with a header, or NDJSON of facts in our own form, from a file or by HTTP, signed as for `app`.

A record of NDJSON is one fact. A row of CSV is one too, its columns named as the fields of the fact, and of the customer:

    fact            which one, "said"; or the option `fact`
    id              of the row, for a file that comes again; without it, equal rows are one
    at, *_at, until, due_at     "2026-09-12T08:00:00Z", or microseconds since 1970
    who             the customer's number there; given_name family_name language birth_date street postcode city
    email phone handle country  ways to reach them; email_verified phone_verified handle_verified: yes | no
    missing         several, with semicolons
    total amount    money in major units, beside `currency`, instead of total_minor and amount_minor

    secrets     signing: for what comes by HTTP
    options     fact: what every row is, where there is no such column
                columns: "Kundennummer=who, Vorname=given_name": our names of theirs
                delimiter, encoding, decimal: where they are not found out: ";", "cp1252", ","

Source: RFC 4180 (CSV), github.com/ndjson/ndjson-spec (NDJSON), `facts.py`.
"""

from collections.abc import Iterable, Iterator
from typing import Any, Final

import msgspec

from sync.central.channels.adapter import Delivery, Event, Settings, Unmapped
from sync.central.channels.facts import AnyFact
from sync.central.channels.files import (
    Piece,
    id_of,
    is_called_json,
    number_of,
    pieces_of,
    records_of,
)
from sync.central.channels.parts import check_ours, fact_of, instant, minor

WHO: Final = frozenset(
    ("given_name", "family_name", "language", "birth_date", "street", "postcode", "city")
)
POINTS: Final = ("email", "phone", "handle")
HAPPENED: Final = frozenset(("said", "called", "bought", "problem"))
"""Facts that say when: without a time nobody could tell what came first."""


class Table:
    """One file an adapter: verify, greeting, events, facts, in this order everywhere."""

    name = "table"

    def verify(self, delivery: Delivery, settings: Settings) -> None:
        """The time and the body are signed, unless it is a file of ours."""
        check_ours(delivery, settings)

    def greeting(self, delivery: Delivery, settings: Settings) -> bytes | None:  # noqa: ARG002
        """There is none."""
        return None

    def pieces(
        self,
        lines: Iterable[bytes],
        settings: Settings,  # noqa: ARG002
        *,
        line: int,
        header: bytes,
    ) -> Iterator[Piece]:
        """Each record alone; see `files.pieces_of`."""
        return pieces_of(lines, line=line, header=header)

    def events(self, delivery: Delivery, settings: Settings) -> tuple[Event, ...]:
        """One a record."""
        found = list(records_of(delivery.body, settings, is_json=is_called_json(delivery)))
        if not found:
            raise Unmapped("no record")
        kinds = [one.get("fact") or settings.options.get("fact") for one in found]
        each = zip(found, kinds, strict=True)
        return tuple(
            Event(id_of(one), kind if isinstance(kind, str) else "", 0, one)
            for one, kind in each
        )

    def facts(self, event: Event, settings: Settings) -> tuple[AnyFact, ...]:
        """One a record."""
        told = event.body
        if not isinstance(told, dict):
            raise Unmapped("no record")
        if isinstance(told.get("wrong"), str):
            raise Unmapped(told["wrong"])
        if event.type not in _FIELDS:
            raise Unmapped(
                f"there is no fact {event.type[:40]!r}"
                if event.type
                else "no column, field or option 'fact' says what this is"
            )
        fact = fact_of(
            {**told, "fact": event.type}
            if "at" in told and not isinstance(told["at"], str)
            else _fact(told, event.type, settings)
        )
        if event.type in HAPPENED and not fact.at:
            raise Unmapped("it does not say when: at")
        return (fact,)


ADAPTER: Final = Table()

_FIELDS: Final[dict[str, dict[str, Any]]] = {
    str(one.__struct_config__.tag): {
        each.name: each.type for each in msgspec.structs.fields(one)
    }
    for one in AnyFact.__args__
}
"""Types of the fields of every fact, by its tag."""


def _fact(row: dict[str, Any], tag: str, settings: Settings) -> dict[str, Any]:
    """The JSON of a fact of a row of text."""
    row = {name: value for name, value in row.items() if isinstance(value, str) and value}
    fields: dict[str, Any] = {"fact": tag}
    for name, kind in _FIELDS[tag].items():
        if name in row and name not in {"who", "also", "lines", "told", "tried"}:
            fields[name] = _value(row[name], name, kind, settings)
    for name, column in (("total_minor", "total"), ("amount_minor", "amount")):
        if column in row and name in _FIELDS[tag]:
            fields[name] = minor(
                number_of(row[column], settings), row.get("currency", ""), column
            )
    if tag == "bought":
        fields.setdefault("ordered_at", fields.get("at", 0))
        fields.setdefault("lines", [])
    if tag == "problem":
        fields.setdefault("opened_at", fields.get("at", 0))
    if tag == "known":
        fields.setdefault("ref", row.get("who", ""))
    fields.setdefault("at", 0)
    who = _who(row)
    return fields | ({"who": who} if who else {})


def _value(text: str, name: str, kind: Any, settings: Settings) -> Any:
    if name == "at" or name.endswith("_at") or name == "until":
        return (
            int(text)
            if text.isascii() and text.isdecimal() and len(text) < 19
            else instant(text, name)
        )
    if kind is bool:
        if text.casefold() not in _YES | _NO:
            raise Unmapped(f"{name} is yes or no")
        return text.casefold() in _YES
    if kind is int or kind == int | None:
        told = number_of(text, settings)
        if not told.lstrip("-").isdecimal() or not told.isascii() or len(told) > 18:
            raise Unmapped(f"{name} is not a whole number")
        return int(told)
    if kind is str:
        return text
    return [one.strip() for one in text.split(";") if one.strip()]


_YES: Final = frozenset(("yes", "true", "1", "y", "ja", "oui", "si", "x"))
_NO: Final = frozenset(("no", "false", "0", "n", "nein", "non"))


def _who(row: dict[str, str]) -> dict[str, Any]:
    who: dict[str, Any] = {name: row[name] for name in WHO if name in row}
    points = [
        {
            "kind": kind,
            "value": row[kind],
            "is_verified": row.get(f"{kind}_verified", "").casefold() in _YES,
            "country": row.get("country", ""),
        }
        for kind in POINTS
        if kind in row
    ]
    if "who" in row:
        who["ref"] = row["who"]
    return who | ({"points": points} if points else {})
