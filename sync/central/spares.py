"""Bands an encoder station made: the centre learns which chip is in each, and which store may link the sealed ones.

A band nobody owns is a spare. One that is of one store stands in that store's scope alone: its counters know it without a network,
and its key is leased there although nobody wears it yet, so that it proves itself on the spot. When it is linked it follows its
owner; unlinked again, it is that store's spare as before.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final

import msgspec

from sync.central import band_rows
from sync.central.enrolment import scope_of
from sync.central.transaction import Transaction
from sync.model import forms
from sync.model.errors import Malformed
from sync.model.records import Band, key_of
from sync.model.row import Row

UID_SIZES: Final = (4, 7, 10)
BAND_ID_SIZE: Final = 32
ENTER_MAX: Final = 1_000
"""Bands of one transaction."""


@dataclass(frozen=True, slots=True)
class MadeBand:
    """One band as an encoder station reports it.

    Attributes:
        band: Its id, 32 hex digits.
        uid: The true UID of its chip.
        label: What people call it.
        store: The store that may link it; "" for any.
        replaces: Id of the band it stands in for, "" for none.
    """

    band: str
    uid: bytes = field(repr=False)
    label: str = ""
    store: str = ""
    replaces: str = ""


@dataclass(frozen=True, slots=True)
class Entered:
    """How many bands are new, how many were known before, and how many others are retired for them."""

    n_new: int = 0
    n_known: int = 0
    n_retired: int = 0


def check(made: MadeBand) -> None:
    """Raises Malformed for what is no band."""
    is_id = len(made.band) == BAND_ID_SIZE and set(made.band) <= set("0123456789abcdef")
    if not is_id or len(made.uid) not in UID_SIZES:
        raise Malformed("a band has an id of 32 hex digits and a UID of 4, 7 or 10 bytes")


def enter(transaction: Transaction, bands: Iterable[MadeBand], *, now: int) -> Entered:
    """Write down bands; one that is known is left as it is, but for its chip. The caller commits.

    Args:
        transaction: Where they are written.
        bands: At most ENTER_MAX.
        now: Microseconds since 1970.

    Raises:
        Malformed: one of them is no band.
        StoreError: the disk failed.
    """
    n_new = n_known = n_retired = 0
    made = tuple(bands)
    for each in made:
        check(each)
    keys = [key_of("band", each) for one in made for each in (one.band, one.replaces) if each]
    transaction.load(keys)
    for each in made:
        if transaction.read.row(key_of("band", each.band)) is None:
            n_new += 1
            body = Band(id=each.band, state="unlinked", label=each.label, changed_at=now)
            _put(transaction, body, owner="", store=each.store, now=now)
        else:
            n_known += 1
        band_rows.link_chip(transaction, each.band, each.uid)
        n_retired += _retired(transaction, each.replaces, now=now)
    return Entered(n_new, n_known, n_retired)


def _retired(transaction: Transaction, band: str, *, now: int) -> bool:
    row = transaction.read.row(key_of("band", band)) if band else None
    if row is None or not isinstance(row.body, Band) or row.body.state == "retired":
        return False
    body = msgspec.structs.replace(row.body, state="retired", changed_at=now)
    _put(transaction, body, owner=row.owner, store="", now=now)
    return True


def _put(transaction: Transaction, body: Band, *, owner: str, store: str, now: int) -> None:
    row = Row(
        key=key_of("band", body.id), kind="band", owner=owner, version=0, as_of=now,
        source="store", body=body,
    )  # fmt: skip
    scope = scope_of(store) if store else ""
    transaction.put(row, scope=scope, form=forms.newest("band"))
