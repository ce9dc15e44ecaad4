"""A six-digit code that was shown to a customer after a tap, sent to us where they write: whoever sent it is that customer.

    exactly six digits, within ten minutes, of one code alone    the handle is theirs, verified; the two are joined
    anything else                                                a message like every other

A code shown to a child is a message like every other where nothing says that the handle is of the child's family: nobody knows whose
telephone it is, and a child is joined only inside its family (`identity`). A code counts once. Two codes that are alike by chance prove nothing, and who sends many codes in a short time is not believed:
of a million numbers at most TRIES_MAX are tried from one handle while a code lasts.
"""

import re
from typing import Final

import msgspec

from sync.central import contact_terms, identity, joining, suggestions
from sync.central.canonical import canonical
from sync.central.channels.adapter import Settings
from sync.central.channels.facts import Said
from sync.central.errors import CannotJoin
from sync.central.identity import Met
from sync.central.transaction import Transaction
from sync.model.operations.prove_handle import CODE_US, code_digest
from sync.model.records import HandleCode, Interaction
from sync.model.row import Row

CODE: Final = re.compile(r"\s*([0-9]{3})[ -]?([0-9]{3})\s*", re.ASCII)
"""What a customer may write: "482913", "482 913", and nothing beside it."""

TRIES_MAX: Final = 5
"""Codes of one handle that prove nothing, before none is looked at while a code lasts."""

RISK_PPM: Final = 20
"""Risk that a stranger sent a right code by chance: TRIES_MAX of a million for each of a few codes that count at once."""


def proved_by(
    transaction: Transaction, settings: Settings, said: Said, *, event: str, now: int
) -> Met | None:
    """Whose handle a message proves; None where it is a message like every other. May raise Erased.

    Args:
        transaction: Where it is written.
        settings: The channel it came by.
        said: The message.
        event: Id of the event.
        now: Microseconds since 1970.
    """
    found = CODE.fullmatch(said.text) if said.direction == "in" and said.who else None
    if found is None or said.who is None:
        return None
    shown = _of_code(transaction, found[1] + found[2], at=said.at, now=now)
    # Read again under its lock: another node may have heard it meanwhile.
    row = transaction.read.row(shown.key) if shown is not None else None
    if row is None or not isinstance(row.body, HandleCode) or row != shown:
        return None
    met = identity.meet(
        transaction,
        settings,
        said.who,
        ref=f"said:{said.ref}",
        at=said.at,
        now=now,
        event=event,
    )
    if _n_tries(transaction, met.owner, now=now) >= TRIES_MAX:
        return None
    shown_to = canonical(transaction, row.owner)
    if shown_to != met.owner and joining.is_another_familys_child(
        transaction, shown_to, met.owner, is_proved=False
    ):
        return None
    used = msgspec.structs.replace(
        row.body, digest="", channel=said.channel or settings.channel, proved_at=now
    )
    transaction.put(msgspec.structs.replace(row, body=used, as_of=now, source=settings.name))
    country = settings.options.get("country", "")
    terms = {
        term: True
        for point in said.who.points
        if (term := contact_terms.normal(point, country))
    }
    identity.note_points(
        transaction, met.record, terms, channel=settings.name, at=said.at, now=now
    )
    try:
        joining.join(
            transaction, row.owner, met.record, why="a code shown after a tap was sent from there",
            risk_ppm=RISK_PPM, by=suggestions.CENTRE, at=now,
        )  # fmt: skip
    except CannotJoin:
        return met  # they are one already
    return Met(met.record, canonical(transaction, met.record))


def _of_code(transaction: Transaction, code: str, *, at: int, now: int) -> Row | None:
    """The one row this code is of, while it counts."""
    rows = [
        row
        for row in transaction.read.rows_of_kind("handle_code", since=now - CODE_US)
        if isinstance(row.body, HandleCode)
        and row.body.digest
        and at <= row.body.until
        and now <= row.body.until
        and row.body.digest == code_digest(row.body.id, code)
    ]
    return rows[0] if len(rows) == 1 else None


def _n_tries(transaction: Transaction, owner: str, *, now: int) -> int:
    """How many codes that proved nothing came from there lately."""
    said = transaction.read.rows_of_kind("interaction", since=now - CODE_US)
    return sum(
        row.owner == owner
        and isinstance(row.body, Interaction)
        and row.body.direction == "in"
        and CODE.fullmatch(row.body.text) is not None
        for row in said
    )
