"""Customers by name, phone, e-mail, order number, case number or band, from the first letters on; then by names that are near.

    terms_due in meta    all     nothing is indexed; whoever fills the cache need not say whose rows changed
                         rest    the index is being made, owner by owner; `terms_after` is the last one done
                         (none)  the index is whole; owners whose rows changed stand in `stale`

The index is made in slices after the head is reached, so that the first sync is not slowed, and anew when the cache is. A
small change is taken in by the search itself, so that a clerk finds what was changed a moment ago. Every hit is held
against the customer's rows as they are: what is gone is not found, whatever the index still says.
"""

import re
import threading
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from operator import itemgetter
from typing import Final
from weakref import WeakKeyDictionary

import msgspec

from sync.edge.lease import lease_of
from sync.edge.store import EdgeStore, Transaction
from sync.edge.terms import (
    SEARCHED_KINDS,
    TERM_MAX,
    how_of,
    line_of,
    phone_digits,
    plain,
    terms_of_row,
    words_of,
)
from sync.edge.typos import edits_for, near
from sync.model.errors import Malformed
from sync.model.records import Band, Case, ContactPoint, Customer, Order, Record
from sync.model.row import body_of

FOUND_MAX: Final = 50
"""More than a clerk can read; whoever finds so many types another letter."""

QUERY_MAX: Final = 100
"""Characters of a search that are looked at."""

WORDS_MAX: Final = 5
"""Words of a search that are looked at."""

SLICE: Final = 400
"""Owners whose terms are made in one transaction: about 25 ms, and somebody else has a turn."""

OWN_ROWS_MAX: Final = 2_000
"""Rows that wait for their terms, up to which a search makes them itself; more are made behind it."""

WORDS_AT_ONCE: Final = 5_000
"""Distinct words of names that are read within a search, 5 ms; more are read behind it."""

BAND_DIGITS_MIN: Final = 6
"""Hex digits of a band id that say which band is meant; with fewer, words and numbers of people are more likely."""

_KINDS: Final = ", ".join(f"'{kind}'" for kind in SEARCHED_KINDS)
_SEARCHED: Final = f"SELECT kind, key, body FROM row WHERE owner = ? AND kind IN ({_KINDS})"  # noqa: S608  # constants
_MAYBE_DUE: Final = (
    "SELECT 1 FROM meta WHERE name = 'terms_due' UNION ALL SELECT 1 FROM stale LIMIT 1"
)

_SEARCHED_OF: Final = f"""SELECT owner, kind, body FROM row
    WHERE owner IN (SELECT value FROM json_each(?)) AND kind IN ({_KINDS})"""  # noqa: S608  # constants
_SPAN: Final = f"""SELECT owner, kind, body FROM row WHERE owner > ? AND owner <= ? AND kind IN ({_KINDS})
    ORDER BY owner"""  # noqa: S608  # constants
_NEXT_OWNERS: Final = """
    WITH RECURSIVE one(owner) AS (SELECT min(owner) FROM row WHERE owner > ? UNION ALL
    SELECT (SELECT min(owner) FROM row WHERE owner > one.owner) FROM one WHERE one.owner IS NOT NULL LIMIT ?)
    SELECT max(owner), count(owner) FROM one"""

_UNSWEPT: Final = "INSERT OR IGNORE INTO meta VALUES ('unswept', 1)"
"""Terms were deleted: `erase` empties the log they are still in."""

_MATCHING: Final = """SELECT found.owner FROM term JOIN found ON found.id = term.rowid WHERE term MATCH ? LIMIT ?"""


@dataclass(frozen=True, slots=True)
class Hit:
    """One customer a search found.

    Attributes:
        title: Their name; the owner's id when this device does not hold the person.
        hint: What matched, as it is written: an order number, the end of a phone number.
        how: name | phone | email | handle | order | case | band | near (a name like it).
    """

    owner: str
    title: str
    hint: str
    how: str


@dataclass(frozen=True, slots=True)
class _Word:
    """One word of a search.

    Attributes:
        prefixes: Beginnings of terms, any of which will do.
        whole: The word itself, as the term of a name.
        typed: The word where it may be a name with a slip in it, else "".
        near: Beginnings of names it may have been meant as.
    """

    prefixes: tuple[str, ...]
    whole: str
    typed: str = ""
    near: tuple[str, ...] = ()

    def matches(self, term: str) -> bool:
        """Whether a term has what was typed or may have been meant."""
        return self.distance(term) <= len(self.prefixes)

    def distance(self, term: str) -> int:
        """How far a term is from what was typed: by prefix; after them what may have been meant, then nothing."""
        for index, prefix in enumerate(self.prefixes):
            if term.startswith(prefix):
                return index
        return len(self.prefixes) + (not term.startswith(self.near))


class Finder:
    """The search of a counter. Any thread."""

    def __init__(self, store: EdgeStore) -> None:
        self._store = store
        self._lease = lease_of(store)
        self._names = _names_of(store)

    def find(self, text: str, limit: int = 20) -> tuple[Hit, ...]:
        """Customers all words of `text` match, best first; nothing for an empty text. Raises StoreError."""
        wanted = _wanted(text)
        if not wanted or self._lease.is_over():
            return ()
        self._take_in_little()
        limit = max(0, min(limit, FOUND_MAX))
        found: dict[str, Hit] = {}
        for asked, question in self._questions(wanted, found):
            owners = [one for one in self._owners(question, limit) if one not in found]
            found.update(self._hits(owners[: limit - len(found)], asked))
            if len(found) >= limit:
                break
        return tuple(found.values())

    def _owners(self, question: str, limit: int) -> list[str]:
        found = self._store.cache.look(lambda file: file.read(_MATCHING, (question, limit)))
        return [owner for (owner,) in found]

    def _questions(
        self, wanted: Sequence[_Word], found: Collection[str]
    ) -> Iterator[tuple[Sequence[_Word], str]]:
        """What the index is asked, the best first: whole words, beginnings; only where nobody is `found` one slip, then two."""
        if all(word.whole for word in wanted):
            yield wanted, " AND ".join(_quoted(word.whole) for word in wanted)
            if len(wanted) > 1:
                *full, last = wanted
                heads = [_quoted(word.whole) for word in full]
                yield wanted, " AND ".join((*heads, _any_of(last.prefixes)))
        yield wanted, " AND ".join(_any_of(word.prefixes) for word in wanted)
        for n_edits in (1, 2):
            is_long = any(word.typed and edits_for(word.typed) >= n_edits for word in wanted)
            if found or not is_long:
                return
            names = self._names.words(self._store)
            slipped = [_slipped(word, names, n_edits) for word in wanted]
            if slipped != list(wanted):
                yield (
                    slipped,
                    " AND ".join(_any_of(word.prefixes + word.near) for word in slipped),
                )

    def refresh(self, n_max: int = SLICE) -> int:
        """Make the terms of up to `n_max` owners; how many were done, 0 when all are. Raises StoreError."""
        if self._store.is_beside:
            return 0  # whoever owns the files makes them
        if not self._store.cache.glance(_MAYBE_DUE) or not self._store.cache.look(_is_due):
            return 0
        with self._store.cache.write() as file:
            due = _meta(file, "terms_due")
            if due == "all":
                _begin(file)
            done = _made_rest(file, n_max) if due else _made_stale(file, n_max)
        self._names.is_old = True
        return max(done, 1)

    def warm(self) -> None:
        """Read the words of names that a search with slips walks through, if they changed. Up to 0.1 s; not on the UI thread. Raises StoreError."""
        self._names.read(self._store)

    def _take_in_little(self) -> None:
        """Make the terms of what changed, unless that is so much that whoever types would notice."""
        if self._store.cache.look(_is_little):
            while self.refresh():
                pass

    def _hits(self, owners: Sequence[str], wanted: Sequence[_Word]) -> dict[str, Hit]:
        """Those of these customers who match as they are held now, by id and in the same order."""
        asked = msgspec.json.encode(owners).decode()
        found = self._store.cache.look(lambda file: file.read(_SEARCHED_OF, (asked,)))
        rows: dict[str, list[tuple[str, bytes]]] = {owner: [] for owner in owners}
        for owner, kind, body in found:
            rows[owner].append((kind, body))
        hits = ((owner, _hit(owner, rows[owner], wanted)) for owner in owners)
        return {owner: hit for owner, hit in hits if hit is not None}


def _hit(owner: str, rows: Sequence[tuple[str, bytes]], wanted: Sequence[_Word]) -> Hit | None:
    terms = [(term, kind, body) for kind, body in rows for term in terms_of_row(kind, body)]
    if not all(any(word.matches(term) for term, _, _ in terms) for word in wanted):
        return None
    first = max(wanted, key=lambda word: len(word.prefixes[0]))
    term, kind, body = min(terms, key=lambda one: first.distance(one[0]))
    how = how_of(term, kind) if term.startswith(first.prefixes) else "near"
    names = (_name_of(_read(kind, body)) for kind, body in rows if kind == "customer")
    return Hit(owner, next(names, "") or owner, _hint(_read(kind, body)), how)


def note_owners(file: Transaction, owners: Iterable[str]) -> None:
    """Rows of these customers came, changed or went: their terms are to be made again. Within the transaction that does it."""
    if _meta(file, "terms_due") != "all":
        file.many(
            "INSERT OR IGNORE INTO stale VALUES (?)", ((owner,) for owner in owners if owner)
        )


def note_keys(file: Transaction, keys: Iterable[str]) -> None:
    """The same for the owners of rows as they stand now: call it before the rows go, or go to another owner."""
    if _meta(file, "terms_due") != "all":
        file.many(
            "INSERT OR IGNORE INTO stale SELECT owner FROM row WHERE key = ? AND owner > ''",
            ((key,) for key in keys),
        )


def note_all(file: Transaction) -> None:
    """So much changes that the index is made anew once the head is reached; until then nothing needs to be noted."""
    file.execute("INSERT OR REPLACE INTO meta VALUES ('terms_due', 'all')")


def forget_all(file: Transaction) -> None:
    """Forget everything that can be searched for; it is made anew once the head is reached."""
    file.execute("INSERT INTO term(term) VALUES ('delete-all')")
    file.execute("DELETE FROM found")
    file.execute("DELETE FROM stale")
    file.execute(_UNSWEPT)
    note_all(file)


def _is_due(file: Transaction) -> bool:
    """Whether terms are to be made: not while the first rows are still coming."""
    due = _meta(file, "terms_due")
    if due == "all" and file.read("SELECT 1 FROM cursor WHERE is_head = 0 LIMIT 1"):
        return False
    return bool(due) or bool(file.read("SELECT 1 FROM stale LIMIT 1"))


def _is_little(file: Transaction) -> bool:
    if not _is_due(file):
        return False
    table = "row" if _meta(file, "terms_due") else "stale"
    counted = file.read(
        f"SELECT count(*) FROM (SELECT 1 FROM {table} LIMIT ?)",  # noqa: S608  # constants
        (OWN_ROWS_MAX + 1,),
    )
    return int(counted[0][0]) <= OWN_ROWS_MAX


def _begin(file: Transaction) -> None:
    """Forget the whole index and begin with the first owner."""
    forget_all(file)
    file.execute("INSERT OR REPLACE INTO meta VALUES ('terms_due', 'rest')")
    file.execute("INSERT OR REPLACE INTO meta VALUES ('terms_after', '')")


def _made_rest(file: Transaction, n_max: int) -> int:
    """Index the next owners; 0 after the last."""
    after = _meta(file, "terms_after")
    last, count = file.read(_NEXT_OWNERS, (after, n_max))[0]
    if not count:
        file.execute("DELETE FROM meta WHERE name IN ('terms_due', 'terms_after')")
        return 0
    lines = _lines(file.read(_SPAN, (after, last)))
    _add(file, lines)
    file.execute("INSERT OR REPLACE INTO meta VALUES ('terms_after', ?)", (last,))
    return int(count)


def _made_stale(file: Transaction, n_max: int) -> int:
    """Index again whom rows came to or went from; whose terms are the same as before costs nothing more."""
    owners = [owner for (owner,) in file.read("SELECT owner FROM stale LIMIT ?", (n_max,))]
    fresh: list[tuple[str, str]] = []
    for owner in owners:
        rows = [(owner, kind, body) for kind, _, body in file.read(_SEARCHED, (owner,))]
        line = next((text for _, text in _lines(rows)), "")
        had = file.read("SELECT id, terms FROM found WHERE owner = ?", (owner,))
        if had and had[0][1] == line:
            continue
        if had:
            file.execute("INSERT INTO term(term, rowid, terms) VALUES ('delete', ?, ?)", had[0])
            file.execute("DELETE FROM found WHERE id = ?", (had[0][0],))
            file.execute(_UNSWEPT)
        if line:
            fresh.append((owner, line))
    _add(file, fresh)
    file.many("DELETE FROM stale WHERE owner = ?", ((owner,) for owner in owners))
    return len(owners)


def _add(file: Transaction, lines: Iterable[tuple[str, str]]) -> None:
    last = int(file.read("SELECT coalesce(max(id), 0) FROM found")[0][0])
    numbered = [(n, owner, line) for n, (owner, line) in enumerate(lines, start=last + 1)]
    file.many("INSERT INTO found VALUES (?, ?, ?)", numbered)
    file.many(
        "INSERT INTO term(rowid, terms) VALUES (?, ?)", ((n, line) for n, _, line in numbered)
    )


def _lines(rows: Iterable[tuple[str, str, bytes]]) -> Iterator[tuple[str, str]]:
    """Owner and terms, of rows in the order of their owners."""
    for owner, own in groupby(rows, key=itemgetter(0)):
        line = line_of(term for _, kind, body in own for term in terms_of_row(kind, body))
        if line:
            yield owner, line


def _meta(file: Transaction, name: str) -> str:
    found = file.read("SELECT value FROM meta WHERE name = ?", (name,))
    return str(found[0][0]) if found else ""


class _Names:
    """The distinct words of all names, sorted, as they were read last; shared by all finders of a store."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._words: tuple[str, ...] = ()
        self._life = -1
        self.is_old = True

    def words(self, store: EdgeStore) -> tuple[str, ...]:
        """All words, a little old where there are many."""
        is_small = len(self._words) <= WORDS_AT_ONCE
        if self._life != store.cache.life or (self.is_old and is_small):
            self.read(store)
        return self._words

    def read(self, store: EdgeStore) -> None:
        """Read them again if they changed."""
        with self._lock:
            if not self.is_old and self._life == store.cache.life:
                return
            self.is_old, self._life = False, store.cache.life
            found = store.cache.look(
                lambda file: file.read(
                    "SELECT substr(term, 2) FROM term_word WHERE term > 'n' AND term < 'o'"
                )
            )
            self._words = tuple(sorted(word for (word,) in found))


_NAMES: Final[WeakKeyDictionary[EdgeStore, _Names]] = WeakKeyDictionary()
_NAMES_LOCK: Final = threading.Lock()


def _names_of(store: EdgeStore) -> _Names:
    with _NAMES_LOCK:
        return _NAMES.setdefault(store, _Names())


def _wanted(text: str) -> tuple[_Word, ...]:
    text = plain(text[:QUERY_MAX])
    digits = phone_digits(text)
    if digits:
        prefixes = (*_phone_prefixes(digits), f"o{digits}", *_band_prefix(digits))
        return (_Word(tuple(dict.fromkeys(prefixes)), ""),)
    words = [word.lstrip("@")[: TERM_MAX - 1] for word in words_of(text)[:WORDS_MAX]]
    return tuple(_word(word) for word in words if word)


def _word(word: str) -> _Word:
    digits = phone_digits(word)
    phones = _phone_prefixes(digits) if digits else ()
    prefixes = (f"n{word}", f"o{word}", f"m{word}", *phones, *_band_prefix(word))
    is_name = all(sign.isalpha() or sign == "-" for sign in word)
    return _Word(prefixes, f"n{word}", word if is_name else "")


def _slipped(word: _Word, names: Sequence[str], n_edits: int) -> _Word:
    n_edits = min(n_edits, edits_for(word.typed))
    if not n_edits:
        return word
    return replace(
        word, near=tuple(f"n{one}" for one in near(names, word.typed, n_edits=n_edits))
    )


def _phone_prefixes(digits: str) -> tuple[str, ...]:
    """A number as it may be kept: with its country code, without it, or known by its end."""
    national = digits.lstrip("0")
    found = (f"p{digits}", f"p{national}", f"q{national[::-1]}")
    return tuple(dict.fromkeys(one for one in found if len(one) > 1))


def _band_prefix(word: str) -> tuple[str, ...]:
    """The prefix of a band id this word may be."""
    is_band = len(word) >= BAND_DIGITS_MIN and re.fullmatch(r"[0-9a-f]+", word)
    return (f"b{word}",) if is_band else ()


def _quoted(term: str) -> str:
    return '"' + term.replace('"', "") + '"'


def _any_of(prefixes: Iterable[str]) -> str:
    return "(" + " OR ".join(f"{_quoted(prefix)} *" for prefix in prefixes) + ")"


def _read(kind: str, body: bytes) -> Record | None:
    try:
        return body_of(kind, body)
    except Malformed:
        return None


def _name_of(body: Record | None) -> str:
    if not isinstance(body, Customer):
        return ""
    return f"{body.given_name} {body.family_name}".strip() or body.nickname


def _hint(body: Record | None) -> str:
    match body:
        case ContactPoint():
            digits = phone_digits(body.value)
            return f"...{digits[-4:]}" if digits else body.value
        case Order():
            return body.id
        case Case():
            return body.number
        case Band():
            return body.label
        case _:
            return ""
