"""A centre's customers as records to compare, and what was found written down as suggestions for a clerk."""

import json
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from itertools import islice
from typing import Final

from sync.central import suggestions
from sync.central.likeness.model import Likely, Person
from sync.central.moment import Snapshot
from sync.central.store import Store
from sync.central.transaction import Transaction
from sync.model.contacts import contact_term
from sync.model.records import ContactPoint, Customer

BATCH: Final = 200
"""Suggestions written in one transaction."""

BY: Final = "likeness"
"""Who suggests, as a clerk sees it."""

_DIGITS: Final = frozenset("0123456789+")


def people_of(snapshot: Snapshot) -> tuple[Person, ...]:
    """Every customer as one record, those that were joined as one."""
    phones: dict[str, list[str]] = defaultdict(list)
    emails: dict[str, list[str]] = defaultdict(list)
    for row in snapshot.rows_of_kind("contact"):
        if isinstance(row.body, ContactPoint) and (term := contact_term(row.body.value)):
            if "@" in term:
                emails[row.owner].append(term)
            elif set(term) <= _DIGITS:
                phones[row.owner].append(term)
    told = _told(snapshot)
    return tuple(
        _person(row.body, phones[row.owner], emails[row.owner], told.get(row.owner, {}))
        for row in snapshot.rows_of_kind("customer")
        if isinstance(row.body, Customer)
    )


def suggest(store: Store, pairs: Iterable[Likely], *, now: int) -> int:
    """Write pairs down as suggestions; how many of them are new. Raises StoreError: those before stand."""
    waiting, n_new = iter(pairs), 0
    while some := tuple(islice(waiting, BATCH)):
        with store.writing() as transaction:
            n_new += _suggest(transaction, some, now)
            transaction.take_heads(now)
    return n_new


def _suggest(transaction: Transaction, pairs: Sequence[Likely], now: int) -> int:
    return sum(
        suggestions.suggest(
            transaction, it.one, it.other, kind="likeness", why=it.why, risk_ppm=it.risk_ppm, by=BY, now=now,
        )
        for it in pairs
    )  # fmt: skip


def _told(snapshot: Snapshot) -> dict[str, dict[str, str]]:
    """What channels told besides, by customer: the newest of each field of all records that are joined."""
    kept = dict(snapshot.sql.all("SELECT owner, kept FROM folded"))
    lines = snapshot.sql.all(
        "SELECT owner, field, value FROM said WHERE field IN [:fields] ORDER BY at",
        fields=["birth_date", "address"],
    )
    told: dict[str, dict[str, str]] = defaultdict(dict)
    for owner, field, value in lines:
        told[kept.get(owner, owner)][field] = value
    return told


def _person(
    body: Customer, phones: Sequence[str], emails: Sequence[str], told: Mapping[str, str]
) -> Person:
    street, postcode, _ = json.loads(told["address"]) if "address" in told else ("", "", "")
    return Person(
        id=body.id,
        given_name=body.given_name,
        family_name=body.family_name,
        birth_date=told.get("birth_date", ""),
        phones=tuple(sorted(set(phones))),
        emails=tuple(sorted(set(emails))),
        street=street,
        postcode=postcode,
    )
