"""Whom an agent may find by what, and who looked at whom.

    an order number                                    enough
    a whole phone number, a whole e-mail address       enough; a number without its country is read as the brand's are
    a name                                             with one of these, or with the last four digits of a phone number
    the list of who waits                              what we owe them is known; what they wrote is not on it

Where several facts are given, all must be true. Nobody is found by less, there is no list of everybody, and a child is found
by an adult of the household. Every search is written down, also one that finds nobody; whom it found can be opened for
OPEN_US by that browser alone. So an address of a page names a search, and never a customer.
"""

import re
from collections.abc import Iterable
from contextlib import suppress
from typing import Final

import msgspec

from hardware.entropy import Entropy
from sync.central.channels.facts import Point
from sync.central.contact_terms import normal
from sync.central.sql import Connection
from sync.model.contacts import contact_term, name_term
from sync.model.errors import Malformed
from sync.model.records import Order, key_of
from sync.model.row import Row, body_of

FOUND_MAX: Final = 5
"""Customers shown as found; of more it is only said that there are more."""

NAMED_MAX: Final = 1_000
"""Customers of one name looked at; beyond, another fact is needed anyway."""

OPEN_US: Final = 60 * 60_000_000
"""How long whom a search found can be opened by it."""

LOOKS_MAX: Final = 60
LOOKS_US: Final = 10 * 60_000_000
"""Searches of one agent in that time; one a call is far less."""

KEPT_US: Final = 400 * 86_400 * 1_000_000
"""How long it is kept who looked at whom."""

NOBODY: Final = ""

_PHONE: Final = re.compile(r"\+?[0-9]{7,15}")
_EMAIL: Final = re.compile(r"[^@\s]{1,64}@[^@\s]+\.[^@\s]+")
_FOUR: Final = re.compile(r"[0-9]{4}")
_PHONES: Final = ("phone", "whatsapp")


class Asked(msgspec.Struct, frozen=True):
    """What an agent gave to find a customer; "" for what they did not."""

    order: str = ""
    phone: str = ""
    email: str = ""
    name: str = ""
    last_four: str = ""


class TooLittle(Exception):
    """Not enough to find anybody by; `code` is nothing | phone | email | last_four | name | many."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


class Look(msgspec.Struct, frozen=True):
    """One search that found somebody, as it is kept.

    Attributes:
        how: Which facts were given, never what they said.
        seen_at: When the page was last looked at, 0 for not.
    """

    id: str
    agent: str
    sign_in: str
    owner: str
    how: str
    at: int
    seen_at: int


def found(
    sql: Connection, asked: Asked, countries: tuple[str, ...] = ()
) -> tuple[tuple[str, ...], str]:
    """Customers of whom all that was given is true, and by which facts; `countries` are ISO 3166 codes. Raises TooLittle."""
    _check(asked)
    sets: list[set[str]] = []
    how = []
    for fact, owners in (
        ("order", _of_order(sql, asked.order)),
        ("phone", _of_terms(sql, _numbers(asked.phone, countries))),
        ("e-mail", _of_terms(sql, _terms(asked.email))),
        ("name", _of_name(sql, asked.name)),
    ):
        if owners is not None:
            sets.append(owners)
            how.append(fact)
    common = set.intersection(*sets)
    if asked.last_four:
        how.append("last four")
        common = _with_last_four(sql, common, asked.last_four)
    common -= _children(sql, common)
    if len(common) > FOUND_MAX:
        raise TooLittle("many")
    return tuple(sorted(common)), "+".join(how)


def named(sql: Connection, text: str) -> set[str]:
    """Customers whose order number, whole number, whole address or whole name this is. For who runs the centre: no agent finds by less."""
    sets = (_of_order(sql, text), _of_terms(sql, _terms(text)), _of_name(sql, text))
    return set().union(*(owners for owners in sets if owners))


def _check(asked: Asked) -> None:
    is_enough = asked.order or asked.phone or asked.email or (asked.name and asked.last_four)
    if not is_enough:
        raise TooLittle("name" if asked.name else "nothing")
    if asked.phone and not _PHONE.fullmatch(contact_term(asked.phone)):
        raise TooLittle("phone")
    if asked.email and not _EMAIL.fullmatch(asked.email):
        raise TooLittle("email")
    if asked.last_four and not _FOUR.fullmatch(asked.last_four):
        raise TooLittle("last_four")


def _of_order(sql: Connection, order: str) -> set[str] | None:
    if not order:
        return None
    keys = [key_of("order", name) for name in dict.fromkeys((order, order.upper()))]
    lines = sql.all("SELECT owner, body FROM doc WHERE key IN [:keys]", keys=keys)
    return {owner for owner, body in lines if owner and _is_order(body)}


def _is_order(body: str) -> bool:
    try:
        return isinstance(body_of("order", body.encode()), Order)
    except Malformed:
        return False


def _terms(value: str) -> list[str]:
    term = contact_term(value)
    return [term] if term else []


def _numbers(phone: str, countries: Iterable[str]) -> list[str]:
    """A number as it is written, and as each of these countries reads it: as the intake does."""
    read = (
        normal(Point("phone", phone), country).removeprefix("tel:") for country in countries
    )
    return list(dict.fromkeys([*_terms(phone), *filter(None, read)])) if phone else []


def _of_terms(sql: Connection, terms: list[str]) -> set[str] | None:
    if not terms:
        return None
    lines = sql.all(
        "SELECT DISTINCT owner FROM doc WHERE term IN [:terms] LIMIT 50", terms=terms
    )
    return {owner for (owner,) in lines if owner}


def _of_name(sql: Connection, name: str) -> set[str] | None:
    term = name_term(name)
    if not term:
        return None
    lines = sql.all(
        "SELECT owner FROM doc WHERE term = :term AND kind = 'customer' LIMIT :limit",
        term=term, limit=NAMED_MAX,
    )  # fmt: skip
    return {owner for (owner,) in lines}


def _with_last_four(sql: Connection, owners: Iterable[str], digits: str) -> set[str]:
    lines = sql.all(
        "SELECT owner, term, body FROM doc WHERE owner IN [:owners] AND kind = 'contact'",
        owners=list(owners),
    )
    return {
        owner
        for owner, term, body in lines
        if term.endswith(digits)
        and any(f'"channel":"{channel}"' in body for channel in _PHONES)
    }


def _children(sql: Connection, owners: Iterable[str]) -> set[str]:
    keys = [key_of("customer", owner) for owner in owners]
    lines = sql.all("SELECT owner, body FROM doc WHERE key IN [:keys]", keys=keys)
    return {owner for owner, body in lines if '"guardian":"' in body}


def stores(sql: Connection) -> tuple[Row, ...]:
    """The stores there are, by key."""
    lines = sql.all(
        "SELECT key, version, as_of, source, body FROM doc WHERE owner = '' AND kind = 'store' ORDER BY key"
    )
    found = []
    for key, version, as_of, source, body in lines:
        with suppress(Malformed):
            found.append(
                Row(key, "store", "", version, as_of, source, body_of("store", body.encode()))
            )
    return tuple(found)


# Who looked at whom


def n_lately(sql: Connection, agent: str, *, now: int) -> int:
    """How many searches an agent made lately."""
    lines = sql.all(
        "SELECT COUNT(*) FROM looked WHERE agent = :agent AND at > :since",
        agent=agent, since=now - LOOKS_US,
    )  # fmt: skip
    return int(lines[0][0])


def write_down(
    sql: Connection, look: Look, owners: tuple[str, ...], *, entropy: Entropy
) -> tuple[Look, ...]:
    """Keep that these were found, or that nobody was; the searches whom it found can be opened by."""
    made = tuple(
        msgspec.structs.replace(look, id=entropy.draw(16).hex(), owner=owner)
        for owner in owners or (NOBODY,)
    )
    sql.run("DELETE FROM looked WHERE at < :before", before=look.at - KEPT_US)
    sql.many(
        "INSERT INTO looked (id, agent, sign_in, owner, how, at, seen_at)"
        " VALUES (:id, :agent, :sign_in, :owner, :how, :at, :seen_at)",
        [msgspec.structs.asdict(one) for one in made],
    )
    return made if owners else ()


def opened(sql: Connection, look_id: str, *, sign_in: str, now: int) -> Look | None:
    """The search of this name, of this browser, while it can be opened."""
    lines = sql.all(
        "SELECT id, agent, sign_in, owner, how, at, seen_at FROM looked WHERE id = :id",
        id=look_id,
    )
    look = Look(*lines[0]) if lines else None
    if look is None or look.sign_in != sign_in or not look.owner:
        return None
    return look if 0 <= now - max(look.at, look.seen_at) < OPEN_US else None


def looked_at(sql: Connection, owner: str, *, limit: int = 200) -> list[Look]:
    """Who looked at a customer, the newest first."""
    lines = sql.all(
        "SELECT id, agent, sign_in, owner, how, at, seen_at FROM looked WHERE owner = :owner"
        " ORDER BY at DESC, id LIMIT :limit",
        owner=owner, limit=limit,
    )  # fmt: skip
    return [Look(*line) for line in lines]


def mark_seen(sql: Connection, look_id: str, *, now: int) -> None:
    """The page was looked at now."""
    sql.run("UPDATE looked SET seen_at = :now WHERE id = :id", now=now, id=look_id)
