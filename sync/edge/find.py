"""Customers by name, phone, e-mail, order number, case number or band, from the first letters on.

Terms are made from rows as they come and go: words without accents and case, phone numbers from both ends ("...4512" is
how people say them), addresses, numbers, band ids. `refresh` makes them in slices after the head is reached, so that the
first sync is not slowed; a search refreshes one slice first, so that a clerk finds what was changed a moment ago.
"""

import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from sync.edge.lookup import Lookup
from sync.edge.store import EdgeStore, Transaction
from sync.model.errors import Malformed
from sync.model.records import Band, Case, ContactPoint, Customer, Order, Record, key_of
from sync.model.row import body_of

FOUND_MAX: Final = 50
"""More than a clerk can read; whoever finds so many types another letter."""

QUERY_MAX: Final = 100
"""Characters of a search that are looked at."""

WORDS_MAX: Final = 5
"""Words of a search that are looked at."""

CANDIDATES_MAX: Final = 2_000
"""Owners of the longest word that are tried against the other words; bounds a search for two common letters."""

SLICE: Final = 500
"""Rows whose terms are made in one transaction."""

BAND_DIGITS_MIN: Final = 6
"""Hex digits of a band id that say which band is meant; with fewer, words and numbers of people are more likely."""

PHONE_DIGITS_MIN: Final = 3
"""Fewer digits match half the town."""

_LETTERS: Final = str.maketrans(
    {"ø": "o", "ł": "l", "đ": "d", "æ": "ae", "œ": "oe", "ð": "d", "þ": "th"}
)
"""Letters that are no accent over another one."""


@dataclass(frozen=True, slots=True)
class Hit:
    """One customer a search found.

    Attributes:
        title: Their name; the owner's id when this device does not hold the person.
        hint: What matched, as it is written: an order number, the end of a phone number.
        how: name | phone | email | handle | order | case | band.
    """

    owner: str
    title: str
    hint: str
    how: str


class Finder:
    """The search of a counter."""

    def __init__(self, store: EdgeStore) -> None:
        self._store = store
        self._lookup = Lookup(store)

    def find(self, text: str, limit: int = 20) -> tuple[Hit, ...]:
        """Customers all words of `text` match, best first; nothing for an empty text. Raises StoreError."""
        wanted = _wanted(text)
        if not wanted:
            return ()
        self.refresh()
        limit = max(0, min(limit, FOUND_MAX))
        found = self._store.cache.look(lambda file: _matching(file, wanted, limit))
        return tuple(self._hit(owner, how, term) for owner, how, term in found)

    def refresh(self, n_max: int = SLICE) -> int:
        """Make the terms of up to `n_max` changed rows; how many were done. Raises StoreError."""
        waiting = self._store.cache.look(lambda file: _stale(file, 1))
        if not waiting:
            return 0
        with self._store.cache.write() as file:
            keys = _stale(file, n_max)
            file.many("DELETE FROM term WHERE key = ?", ((key,) for key in keys))
            for key in keys:
                found = file.read("SELECT owner, kind, body FROM row WHERE key = ?", (key,))
                for owner, kind, body in found:
                    terms = _terms_of(kind, body) if owner else ()
                    file.many(
                        "INSERT OR REPLACE INTO term VALUES (?, ?, ?, ?)",
                        ((term, key, owner, how) for term, how in terms),
                    )
            file.many("DELETE FROM stale WHERE key = ?", ((key,) for key in keys))
        return len(keys)

    def _hit(self, owner: str, how: str, key: str) -> Hit:
        row = self._lookup.row(key_of("customer", owner))
        title = (
            _name_of(row.body) if row is not None and isinstance(row.body, Customer) else owner
        )
        matched = self._lookup.row(key)
        return Hit(owner, title, _hint(matched.body) if matched is not None else "", how)


def plain(text: str) -> str:
    """Text without case and accents, as terms are compared."""
    bare = unicodedata.normalize("NFKD", text.casefold().translate(_LETTERS))
    return "".join(sign for sign in bare if not unicodedata.combining(sign))


@dataclass(frozen=True, slots=True)
class _Word:
    """One word of a search: any of these prefixes will do."""

    prefixes: tuple[str, ...]


def _wanted(text: str) -> tuple[_Word, ...]:
    text = plain(text[:QUERY_MAX])
    digits = _phone_digits(text)
    if digits:
        national = digits.lstrip("0")
        ends = (f"p:{digits}", f"p:{national}", f"q:{national[::-1]}")
        return (_Word(tuple(dict.fromkeys((*ends, f"n:{digits}", *_band_prefix(digits))))),)
    words = [word.lstrip("@") for word in re.findall(r"[^\s,;]+", text)[:WORDS_MAX]]
    return tuple(
        _Word((f"n:{word}", f"m:{word}", *_band_prefix(word))) for word in words if word
    )


def _band_prefix(word: str) -> tuple[str, ...]:
    """The prefix of a band id this word may be."""
    is_band = len(word) >= BAND_DIGITS_MIN and re.fullmatch(r"[0-9a-f]+", word)
    return (f"b:{word}",) if is_band else ()


def _terms_of(kind: str, body: bytes) -> tuple[tuple[str, str], ...]:
    try:
        return tuple(dict.fromkeys(_terms(body_of(kind, body))))
    except Malformed:
        return ()


def _terms(body: Record) -> Iterator[tuple[str, str]]:
    """Term and how it would match. n: words and numbers; m: addresses; b: hex digits of a band; p, q: phone digits from the front, from the end."""
    match body:
        case Customer():
            names = plain(f"{body.given_name} {body.family_name} {body.nickname}")
            for word in re.findall(r"[^\s,;]+", names):
                yield f"n:{word}", "name"
                for part in word.split("-")[1:]:
                    yield f"n:{part}", "name"
        case ContactPoint():
            yield from _contact_terms(body.value)
        case Order():
            yield from _numbers(body.id, "order")
        case Case():
            yield from _numbers(body.number, "case")
        case Band():
            # What we put before the digits is nothing anybody types.
            yield f"b:{plain(body.id).rpartition('-')[2]}", "band"
        case _:
            return


def _contact_terms(value: str) -> Iterator[tuple[str, str]]:
    digits = _phone_digits(value)
    if digits:
        # Without a table of countries: their codes have one to three digits, and people leave them out.
        for code_size in range(4 if value.lstrip().startswith("+") else 1):
            yield f"p:{digits[code_size:]}", "phone"
        yield f"q:{digits[::-1]}", "phone"
    elif value:
        yield f"m:{plain(value.lstrip('@'))}", "email" if "@" in value[1:] else "handle"


def _phone_digits(value: str) -> str:
    """The digits of a telephone number, "" for anything else."""
    digits = re.sub(r"\D", "", value)
    is_phone = len(digits) >= PHONE_DIGITS_MIN and not re.search(r"[^\d\s+()/.-]", value)
    return digits if is_phone else ""


def _numbers(number: str, how: str) -> Iterator[tuple[str, str]]:
    """W-1077 is found by w-1077, w1077 and 1077."""
    yield f"n:{plain(number)}", how
    bare = plain(re.sub(r"[\W_]", "", number))
    yield f"n:{bare}", how
    yield f"n:{re.sub(r'[^0-9]', '', bare)}", how


def _matching(
    file: Transaction, wanted: tuple[_Word, ...], limit: int
) -> list[tuple[str, str, str]]:
    """Owner, how, key of those whom every word matches; each owner once."""
    first, *others = sorted(wanted, key=lambda word: -len(word.prefixes[0]))
    found: dict[str, tuple[str, str, str]] = {}
    for prefix in first.prefixes:
        rows = file.read(
            "SELECT owner, how, key FROM term WHERE term >= ? AND term < ? ORDER BY term LIMIT ?",
            (prefix, _after(prefix), CANDIDATES_MAX if others else limit * 4),
        )
        for owner, how, key in rows:
            if len(found) == limit:
                break
            if owner not in found and all(_matches(file, owner, word) for word in others):
                found[owner] = (owner, how, key)
    return list(found.values())


def _matches(file: Transaction, owner: str, word: _Word) -> bool:
    return any(
        file.read(
            "SELECT 1 FROM term WHERE owner = ? AND term >= ? AND term < ? LIMIT 1",
            (owner, prefix, _after(prefix)),
        )
        for prefix in word.prefixes
    )


def _after(prefix: str) -> str:
    """The first text that is after everything that starts with `prefix`."""
    return prefix + "\U0010ffff"


def _stale(file: Transaction, n_max: int) -> list[str]:
    return [key for (key,) in file.read("SELECT key FROM stale LIMIT ?", (n_max,))]


def _name_of(customer: Customer) -> str:
    name = f"{customer.given_name} {customer.family_name}".strip()
    return name or customer.nickname or customer.id


def _hint(body: Record) -> str:
    match body:
        case ContactPoint():
            digits = _phone_digits(body.value)
            return f"...{digits[-4:]}" if digits else body.value
        case Order():
            return body.id
        case Case():
            return body.number
        case Band():
            return body.label
        case _:
            return ""
