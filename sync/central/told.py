"""What each record tells of a customer, kept as that record's word for ever."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Final

import msgspec

from sync.central.channels.facts import Who
from sync.central.lines import (
    SAID,
    clean,
)
from sync.central.sql import Connection
from sync.central.transaction import Transaction
from sync.model.records import (
    Consent,
)
from sync.model.row import Row, raw_of

RECORD: Final = "record"
NAME: Final = "name"
LANGUAGE: Final = "language"
CONSENT: Final = "consent:"
DAY_US: Final = 86_400 * 1_000_000
"""A person's row is as of the day they were last told of: not written anew with everything that is told of them."""


class Said(msgspec.Struct, frozen=True):
    """One thing a record told of a customer: which field, when, and who says so (`stamp_of`)."""

    owner: str
    field: str
    value: str
    at: int
    stamp: str


class Old(msgspec.Struct, frozen=True):
    """A row as it stood, to be told by its record from then on."""

    as_of: int
    source: str
    body: msgspec.Raw


def stamp_of(source: str, event: str) -> str:
    """Who says something, and by which event: of two of one time the greater counts."""
    return f"{source}|{event}"


def source_of(stamp: str) -> str:
    """Which source a stamp is of."""
    return stamp.partition("|")[0]


def told_in(who: Who) -> dict[str, str]:
    """What an event tells of a customer, by field."""
    told: dict[str, str] = {}
    if who.given_name or who.family_name:
        told[NAME] = text_of((clean(who.given_name, 120), clean(who.family_name, 120)))
    if who.language:
        told[LANGUAGE] = clean(who.language, 35)
    if who.birth_date:
        told["birth_date"] = clean(who.birth_date, 20)
    if who.postcode or who.street or who.city:
        told["address"] = text_of(
            tuple(clean(part, 120) for part in (who.street, who.postcode, who.city))
        )
    return told


def tell(
    transaction: Transaction, record: str, told: Mapping[str, str], *, at: int, stamp: str
) -> bool:
    """A record says this of its customer; whether it is news. What is older than what it said before changes nothing."""
    if not told:
        return False
    known = {it.field: it for it in said_by(transaction, record)}
    newer = {
        field: value
        for field, value in sorted(told.items())
        if field not in known or (at, stamp) > (known[field].at, known[field].stamp)
    }
    for field, value in newer.items():
        transaction.put_line(SAID, (record, field, value, at, stamp))
    return any(
        field not in known
        or known[field].value != value
        or known[field].at // DAY_US != at // DAY_US
        for field, value in newer.items()
    )


def said_of(sql: Connection, owners: Sequence[str]) -> list[Said]:
    """What these records told, by record and field."""
    found = sql.all(
        "SELECT owner, field, value, at, stamp FROM said WHERE owner IN [:owners] ORDER BY owner, field",
        owners=list(owners),
    )
    return [Said(*line) for line in found]


def said_by(transaction: Transaction, owner: str) -> list[Said]:
    """What a record told, as this transaction leaves it so far."""
    return [Said(*line) for line in transaction.lines(SAID, owner=owner)]


def text_of(value: object) -> str:
    """A value as it is kept."""
    return msgspec.json.encode(value).decode()


def newest(said: Iterable[Said], field: str) -> Said | None:
    """What was told last of a field; None where nobody told it."""
    return max(
        (it for it in said if it.field == field), key=lambda it: (it.at, it.stamp), default=None
    )


def old_of(value: str) -> Old:
    """A row as it was kept."""
    return msgspec.json.decode(value, type=Old)


def consent_value(purpose: str, *, is_granted: bool, at: int, source: str) -> str:
    """A word about a consent as `tell` keeps it, under the field CONSENT + purpose."""
    body = Consent("", purpose, is_granted, at)
    return text_of(Old(at, source, msgspec.Raw(raw_of(body))))


def keep_word(
    transaction: Transaction, owner: str, field: str, row: Row, *, at: int | None = None
) -> None:
    """What stands in a row becomes its record's word."""
    old = Old(row.as_of, row.source, msgspec.Raw(raw_of(row.body)))
    transaction.direct().run(
        "INSERT INTO said (owner, field, value, at, stamp) VALUES (:owner, :field, :value, :at, :stamp)"
        " ON CONFLICT (owner, field) DO UPDATE SET value = excluded.value, at = excluded.at, stamp = excluded.stamp",
        owner=owner, field=field, value=text_of(old), at=row.as_of if at is None else at, stamp=stamp_of(row.source, ""),
    )  # fmt: skip
