"""What of a customer can be searched for, as terms: one letter that says the kind of term, then the text without case and accents. Pure.

    n  a word of a name          o  an order or case number       m  an address or a handle
    p  a phone number, its       q  the same from its end         b  the hex digits of a band's id
       country code left out

All terms of one customer are one line of the full-text index, so that a search for a name and the end of a phone number
is one question to it. The tables are at the bottom; `find` is who fills and asks them.
"""

import re
import unicodedata
from collections.abc import Iterable
from typing import Final

from sync.model.errors import Malformed
from sync.model.records import Band, Case, ContactPoint, Customer, Order, Record
from sync.model.row import body_of

SEARCHED_KINDS: Final = ("band", "case", "contact", "customer", "order")
"""Kinds of rows that make terms, sorted."""

PHONE_DIGITS_MIN: Final = 3
"""Fewer digits match half the town."""

TERM_MAX: Final = 64
"""Letters of a term that are kept; nobody types more of a word, and a row of garbage must not fill the index."""

TERMS_MAX: Final = 200
"""Terms of one customer that are kept: 40 orders and 20 contact points."""

_LETTERS: Final = str.maketrans(
    {"ø": "o", "ł": "l", "đ": "d", "æ": "ae", "œ": "oe", "ð": "d", "þ": "th"}
)
"""Letters that are no accent over another one."""

_QUOTES: Final = frozenset("'\"`\u00b4\u2018\u2019\u02bc")
"""Left out, so that O'Brien is found by obrien."""

_NOT_TYPED: Final = {
    number: None
    for number in range(128)
    if chr(number) in _QUOTES or not (chr(number).isprintable() or chr(number).isspace())
}
"""The same, and what is no letter at all, among the first 128."""

_BETWEEN_DIGITS: Final = {ord(sign): None for sign in " \t\u00a0+()/.-"}
"""What stands between the digits of a telephone number."""

_HOW: Final = {"n": "name", "p": "phone", "q": "phone", "b": "band"}

_PUNCTUATION: Final = "".join(
    sign for sign in map(chr, range(33, 127)) if not sign.isalnum() and sign not in "'\""
)

SCHEMA: Final = (
    "CREATE TABLE stale(owner TEXT PRIMARY KEY) WITHOUT ROWID",
    "CREATE TABLE found(id INTEGER PRIMARY KEY, owner TEXT NOT NULL UNIQUE, terms TEXT NOT NULL)",
    f"""CREATE VIRTUAL TABLE term USING fts5(terms, content='found', content_rowid='id', detail=none,
        columnsize=0, prefix='2 3 4', tokenize="ascii tokenchars '{_PUNCTUATION}'")""",
    "INSERT INTO term(term, rank) VALUES('secure-delete', 1)",
    "CREATE VIRTUAL TABLE term_word USING fts5vocab(term, row)",
)
"""stale: owners whose terms must be made again. found: the terms of each owner, blanks in between. term: the index over
them; what is deleted from it is overwritten at once. term_word: its words.
Source: sqlite.org/fts5.html, 4.4.2, 5, 6.13."""


def plain(text: str) -> str:
    """Text without case and accents, as terms are compared; what cannot be typed is left out."""
    if text.isascii():
        return text.lower().translate(_NOT_TYPED)
    bare = unicodedata.normalize("NFKD", text.casefold().translate(_LETTERS))
    return "".join(
        sign
        for sign in bare
        if sign.isspace()
        or (sign.isprintable() and sign not in _QUOTES and not unicodedata.combining(sign))
    )


def words_of(text: str) -> list[str]:
    """The words of plain text."""
    return text.replace(",", " ").replace(";", " ").split()


def terms_of_row(kind: str, body: bytes) -> list[str]:
    """The terms of one row; none for one that cannot be read."""
    try:
        record = body_of(kind, body)
    except Malformed:
        return []
    return [term[:TERM_MAX] for term in _terms(record) if len(term) > 1]


def line_of(terms: Iterable[str]) -> str:
    """All terms of one customer as one line of the index."""
    return " ".join(list(dict.fromkeys(terms))[:TERMS_MAX])


def how_of(term: str, kind: str) -> str:
    """How somebody found by this term of a row was found: name | phone | email | handle | order | case | band."""
    if term[0] == "m":
        return "email" if "@" in term[2:] else "handle"
    return kind if term[0] == "o" else _HOW[term[0]]


def _terms(body: Record) -> list[str]:
    match body:
        case Customer():
            names = words_of(plain(f"{body.given_name} {body.family_name} {body.nickname}"))
            parts = [part for word in names if "-" in word for part in word.split("-")[1:]]
            return ["n" + word for word in (*names, *parts)]
        case ContactPoint():
            return _contact_terms(body.value)
        case Order():
            return _numbers(body.id)
        case Case():
            return _numbers(body.number)
        case Band():
            # What we put before the digits is nothing anybody types.
            return ["b" + _joined(body.id).rpartition("-")[2]]
        case _:
            return []


def _contact_terms(value: str) -> list[str]:
    digits = phone_digits(value)
    if digits:
        # Without a table of countries: their codes have one to three digits, and people leave them out.
        code_sizes = range(4 if value.lstrip().startswith("+") else 1)
        return [*("p" + digits[size:] for size in code_sizes), "q" + digits[::-1]]
    return ["m" + _joined(value.lstrip("@"))]


def phone_digits(value: str) -> str:
    """The digits of a telephone number, "" for anything else."""
    digits = value.translate(_BETWEEN_DIGITS)
    is_phone = len(digits) >= PHONE_DIGITS_MIN and digits.isascii() and digits.isdigit()
    return digits if is_phone else ""


def _numbers(number: str) -> list[str]:
    """W-1077 is found by w-1077, w1077 and 1077."""
    whole = _joined(number)
    bare = re.sub(r"[\W_]", "", whole)
    return ["o" + whole, "o" + bare, "o" + re.sub(r"[^0-9]", "", bare)]


def _joined(text: str) -> str:
    """Plain text as one word."""
    return "".join(plain(text).split())
