"""What of a customer can be searched for, as terms: one letter that says the kind of term, then the text without case and accents. Pure.

    n  a word of a name          o  an order or case number       m  an address or a handle
    p  a phone number, its       q  the same from its end         b  the hex digits of a band's id
       country code left out

All terms of one customer are one line of the full-text index, so that a search for a name and the end of a phone number
is one question to it. The tables are at the bottom; `find` is who fills and asks them.
"""

import re
import unicodedata
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
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


@dataclass(frozen=True, slots=True)
class Term:
    """One term of a row, and how somebody found by it was found: name | phone | email | handle | order | case | band."""

    text: str
    how: str


def plain(text: str) -> str:
    """Text without case and accents, as terms are compared; what cannot be typed is left out."""
    if text.isalnum() and text.isascii():
        return text.lower()
    return _bare(unicodedata.normalize("NFKD", text.casefold().translate(_LETTERS)))


def _bare(text: str) -> str:
    return "".join(
        sign
        for sign in text
        if sign.isspace()
        or (sign.isprintable() and sign not in _QUOTES and not unicodedata.combining(sign))
    )


def words_of(text: str) -> list[str]:
    """The words of plain text."""
    return re.findall(r"[^\s,;]+", text)


def terms_of_row(kind: str, body: bytes) -> tuple[Term, ...]:
    """The terms of one row, each once; none for one that cannot be read."""
    try:
        return tuple(dict.fromkeys(_cut(_terms(body_of(kind, body)))))
    except Malformed:
        return ()


def line_of(terms: Iterable[Term]) -> str:
    """All terms of one customer as one line of the index."""
    return " ".join(list(dict.fromkeys(term.text for term in terms))[:TERMS_MAX])


def _cut(terms: Iterable[Term]) -> Iterator[Term]:
    return (Term(term.text[:TERM_MAX], term.how) for term in terms if len(term.text) > 1)


def _terms(body: Record) -> Iterator[Term]:
    match body:
        case Customer():
            for word in words_of(
                plain(f"{body.given_name} {body.family_name} {body.nickname}")
            ):
                yield Term(f"n{word}", "name")
                for part in word.split("-")[1:]:
                    yield Term(f"n{part}", "name")
        case ContactPoint():
            yield from _contact_terms(body.value)
        case Order():
            yield from _numbers(body.id, "order")
        case Case():
            yield from _numbers(body.number, "case")
        case Band():
            # What we put before the digits is nothing anybody types.
            yield Term(f"b{_joined(body.id).rpartition('-')[2]}", "band")
        case _:
            return


def _contact_terms(value: str) -> Iterator[Term]:
    digits = phone_digits(value)
    if digits:
        # Without a table of countries: their codes have one to three digits, and people leave them out.
        for code_size in range(4 if value.lstrip().startswith("+") else 1):
            yield Term(f"p{digits[code_size:]}", "phone")
        yield Term(f"q{digits[::-1]}", "phone")
    elif value:
        is_email = "@" in value[1:]
        yield Term(f"m{_joined(value.lstrip('@'))}", "email" if is_email else "handle")


def phone_digits(value: str) -> str:
    """The digits of a telephone number, "" for anything else."""
    digits = re.sub(r"\D", "", value)
    is_phone = len(digits) >= PHONE_DIGITS_MIN and not re.search(r"[^\d\s+()/.-]", value)
    return digits if is_phone else ""


def _numbers(number: str, how: str) -> Iterator[Term]:
    """W-1077 is found by w-1077, w1077 and 1077."""
    yield Term(f"o{_joined(number)}", how)
    bare = _joined(re.sub(r"[\W_]", "", number))
    yield Term(f"o{bare}", how)
    yield Term(f"o{re.sub(r'[^0-9]', '', bare)}", how)


def _joined(text: str) -> str:
    """Plain text as one word."""
    return "".join(plain(text).split())
