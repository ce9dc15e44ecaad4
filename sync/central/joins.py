"""What a customer shows who was put together from several records.

Every record another system has of a customer tells a name, a language, consents, contact points; they stay told by that
record (`said`, `point`) for ever. The rows `customer`, `contact` and `consent` of a joined customer are made of all of them:

    name, language      told last
    contact points      each once; verified where one record has it verified
    consents            of words said before they were joined the stricter counts; what is said after that counts for all
    the rest of a person (household, tier ...)   the kept record's, or the first that has it

All other rows change hands as they stand (`folding`).
"""

import hashlib
import sys
from collections.abc import Mapping, Sequence
from typing import Final

import msgspec

from sync.central.canonical import members, members_of
from sync.central.lines import (
    ALIAS,
    FOLDED,
    LIKENESS,
    MADE,
    POINT,
    Wanted,
    docs_of,
)
from sync.central.lines import wanted as asked_for
from sync.central.sql import Connection
from sync.central.told import (
    CONSENT,
    DAY_US,
    LANGUAGE,
    NAME,
    RECORD,
    Old,
    Said,
    keep_word,
    newest,
    old_of,
    said_by,
    said_of,
    source_of,
    stamp_of,
    tell,
    text_of,
)
from sync.central.transaction import Transaction, owner_lock
from sync.model import forms
from sync.model.contacts import contact_term
from sync.model.errors import Malformed
from sync.model.records import (
    CHANNELS,
    Consent,
    ContactPoint,
    Customer,
    Join,
    Likeness,
    key_of,
)
from sync.model.row import Row, body_of, row_of

FILLED: Final = ("nickname", "preferred_channel", "household", "guardian", "tier")
"""Fields of a person that no channel tells."""


LIKE_MAX: Final = 5
"""Suggestions a customer's rows say; the next come when these are settled."""


JOINS_MAX: Final = 20
"""Joins a customer's rows say; the oldest of them names the records of all before it too."""

CHANNEL_OF: Final[Mapping[str, str]] = {"phone": "phone", "email": "email"}
"""Kind of a contact point to its channel; a handle's is its network."""


# What they show


def show(transaction: Transaction, root: str, *, is_whole: bool = False) -> None:
    """Write what a customer shows: person, contact points, consents; what stays as it is is not written.

    Args:
        transaction: Where it is written.
        root: The customer.
        is_whole: All that others wrote into these rows was absorbed, so that a consent no record tells is none.
    """
    transaction.load(
        (key_of("customer", root), owner_lock(root)),
        lines=[*shown_of(root), *docs_of(root, *MADE)],
    )
    owners = members_of(transaction, root)
    said = [it for owner in sorted(owners) for it in said_by(transaction, owner)]
    wanted: dict[str, Row] = {}
    person = _person(transaction, root, owners, said)
    if person is not None:
        wanted[person.key] = person
    since = _since(transaction.read.sql, owners)
    for purpose in sorted({it.field for it in said if it.field.startswith(CONSENT)}):
        consent = consent_of(root, [it for it in said if it.field == purpose], since=since)
        wanted[consent.key] = consent
    own, terms = _made(transaction, root, is_whole=is_whole)
    for row in _points(transaction, root, owners):
        if isinstance(row.body, ContactPoint) and contact_term(row.body.value) not in terms:
            wanted[row.key] = row
    for row in (
        *_joins(transaction.read.sql, root, owners),
        *_likenesses(transaction, root, owners),
    ):
        wanted[row.key] = row
    transaction.load(wanted)
    for key in own - wanted.keys():
        transaction.remove(key)
    for key, row in wanted.items():
        known = row_at(transaction, key)
        if known is None or (known.body, known.owner, known.as_of, known.source) != (
            row.body,
            root,
            row.as_of,
            row.source,
        ):
            transaction.put(row, form=forms.newest(row.kind))


def shown_of(root: str) -> list[Wanted]:
    """What else is looked at of who is shown, beside their rows."""
    return [asked_for(FOLDED, kept=root), asked_for(ALIAS, owner=root), *_like_of(root)]


def contact_key(root: str, term: str) -> str:
    """The key of the row that says how a customer is reached."""
    return key_of("contact", f"{root}~{hashlib.sha256(term.encode()).hexdigest()[:12]}")


def row_at(transaction: Transaction, key: str) -> Row | None:
    """A row; None where there is none, or one that a newer version wrote."""
    try:
        return transaction.read.row(key)
    except Malformed:
        return None  # a newer version wrote it; ours takes its place


def _person(
    transaction: Transaction, root: str, owners: Sequence[str], said: Sequence[Said]
) -> Row | None:
    olds = {it.owner: old_of(it.value) for it in said if it.field == RECORD}
    records = {owner: _customer_of(old) for owner, old in olds.items()}
    known = row_at(transaction, key_of("customer", root))
    base = records.get(root)
    as_of, source = (olds[root].as_of, olds[root].source) if root in olds else (0, "")
    if base is None and known is not None and isinstance(known.body, Customer):
        base, as_of, source = known.body, known.as_of, known.source
    names = newest(said, NAME)
    languages = newest(said, LANGUAGE)
    if (
        base is None
        and len(owners) == 1
        and names is None
        and languages is None
        and not _is_told(transaction, root)
    ):
        return None
    body = base or Customer(root, "")
    for owner in owners:
        other = records.get(owner)
        if other is not None and owner != root:
            blank = {name: getattr(other, name) for name in FILLED if not getattr(body, name)}
            body = msgspec.structs.replace(body, **blank)
    if body.guardian in owners:  # a child that staff joined to an adult of theirs
        body = msgspec.structs.replace(body, guardian="")
    if names is not None:
        given, family = msgspec.json.decode(names.value, type=tuple[str, str])
        body = msgspec.structs.replace(body, given_name=given, family_name=family)
    if languages is not None:
        # Interned, it is the default itself where it is equal to it, and not written.
        body = msgspec.structs.replace(body, language=sys.intern(languages.value))
    told = [(it.at, it.stamp) for it in (names, languages) if it is not None]
    at, stamp = max(told, default=(as_of, source))
    at = at // DAY_US * DAY_US if told else at
    if at >= as_of:
        as_of, source = at, source_of(stamp)
    return row_of(body, owner=root, as_of=as_of, source=source)


def _is_told(transaction: Transaction, root: str) -> bool:
    """Whether a channel knows this customer, so that there must be a person, if only without a name."""
    return bool(transaction.lines(ALIAS, owner=root))


def _customer_of(old: Old) -> Customer | None:
    body = body_of("customer", bytes(old.body))
    return body if isinstance(body, Customer) else None


def _since(sql: Connection, owners: Sequence[str]) -> int:
    """When the last of these records was joined to the others; 0 for one alone."""
    if len(owners) == 1:
        return 0
    found = sql.all(
        "SELECT MAX(at) FROM joined WHERE undone_at = 0 AND one IN [:owners] AND other IN [:owners]",
        owners=list(owners),
    )
    return int(found[0][0] or 0)


def consent_of(root: str, words: Sequence[Said], *, since: int) -> Row:
    """What counts of what several records say about one purpose.

    Args:
        root: The customer.
        words: One word of each record, at least one.
        since: When they were joined, microseconds since 1970.
    """
    olds = {it.owner: old_of(it.value) for it in words}
    bodies = {
        owner: body
        for owner, old in olds.items()
        if isinstance(body := body_of("consent", bytes(old.body)), Consent)
    }
    later = [it for it in words if it.at > since]
    if later or len(words) == 1:
        word = max(later or words, key=lambda it: (it.at, it.stamp))
        at = word.at
    else:
        # The stricter word counts. Where they differ, nothing that was said before they were joined changes it.
        word = min(words, key=lambda it: (bodies[it.owner].is_granted, -it.at, it.stamp))
        granted = {body.is_granted for body in bodies.values()}
        at = since if len(granted) > 1 else min(it.at for it in words)
    said = bodies[word.owner]
    body = msgspec.structs.replace(said, id=f"{root}:{said.purpose}", at=at)
    return row_of(
        body, owner=root, as_of=olds[word.owner].as_of, source=olds[word.owner].source
    )


def _made(transaction: Transaction, root: str, *, is_whole: bool) -> tuple[set[str], set[str]]:
    """Keys of the rows made here, and terms of the contacts that somebody wrote down otherwise."""
    found = transaction.docs_of(root, *MADE, *(["consent"] if is_whole else []))
    own = {key for key in found if is_made(key, root)}
    terms = {doc.term for key, doc in found.items() if doc.kind == "contact" and key not in own}
    return own, terms


def _points(transaction: Transaction, root: str, owners: Sequence[str]) -> list[Row]:
    by_term: dict[str, list[tuple[int, int, str]]] = {}
    for owner in owners:
        for term, _, kind, is_verified, channel, at in transaction.lines(POINT, owner=owner):
            if kind != "name":
                by_term.setdefault(str(term), []).append((is_verified, at, channel))
    found = [
        (term, max(verified), min(at), min(channel))
        for term, lines in sorted(by_term.items())
        for verified, at, channel in [tuple(zip(*lines, strict=True))]
    ]
    rows = []
    for term, is_verified, at, source in found:
        network, _, value = str(term).partition(":")
        channel = {"tel": "phone", "mailto": "email"}.get(
            network, network if network in CHANNELS else "chat"
        )
        body = ContactPoint(
            contact_key(root, str(term)).partition("/")[2],
            channel,
            value,
            is_verified=bool(is_verified),
        )
        rows.append(row_of(body, owner=root, as_of=int(at), source=str(source)))
    return rows


def show_likenesses(transaction: Transaction, owner: str) -> None:
    """Write whom a customer may be the same person as; the rest of what they show stays."""
    ours = members_of(transaction, owner)
    wanted = {row.key: row for row in _likenesses(transaction, owner, ours)}
    for key in transaction.docs_of(owner, "likeness").keys() - wanted.keys():
        transaction.remove(key)
    for key, row in wanted.items():
        known = row_at(transaction, key)
        if known is None or (known.body, known.owner) != (row.body, owner):
            transaction.put(row, form=forms.newest(row.kind))


def partners(sql: Connection, root: str) -> tuple[str, ...]:
    """Whom a customer may be the same person as, nobody having said yet."""
    owners = list(members(sql, root))
    found = sql.all(
        "SELECT one, other FROM likeness WHERE state = 'open' AND (one IN [:owners] OR other IN [:owners])",
        owners=owners,
    )
    others = sorted({str(one) for pair in found for one in pair} - set(owners))
    kept = dict(
        sql.all("SELECT owner, kept FROM folded WHERE owner IN [:others]", others=others)
    )
    return tuple(sorted({str(kept.get(one, one)) for one in others} - set(owners)))


def _like_of(owner: str) -> tuple[Wanted, ...]:
    return asked_for(LIKENESS, one=owner), asked_for(LIKENESS, other=owner)


def _likenesses(transaction: Transaction, root: str, owners: Sequence[str]) -> list[Row]:
    ours = frozenset(owners)
    found = {
        (ppm, str(one), str(other), str(why), at)
        for owner in owners
        for asked in _like_of(owner)
        for one, other, state, ppm, why, _, at in transaction.lines_of(asked)
        if state == "open"
    }
    pairs = [
        (other if one in ours else one, why, int(ppm), int(at))
        for ppm, one, other, why, at in sorted(found)
    ]
    sql = transaction.read.sql
    asked = sorted({other for other, *_ in pairs})
    kept = (
        dict(sql.all("SELECT owner, kept FROM folded WHERE owner IN [:asked]", asked=asked))
        if asked
        else {}
    )
    rows: dict[str, Row] = {}
    for other, why, ppm, at in pairs:
        partner = str(kept.get(other, other))
        if partner in ours or partner in rows or len(rows) >= LIKE_MAX:
            continue
        name = _shown_name(sql, partner)
        body = Likeness(f"{root}~{partner}", partner, name, why, ppm, at)
        rows[partner] = row_of(body, owner=root, as_of=at, source="centre")
    return list(rows.values())


def _joins(sql: Connection, root: str, owners: Sequence[str]) -> list[Row]:
    if len(owners) == 1:
        return []
    found = sql.all(
        "SELECT id, one, other, why, risk_ppm, by_whom, at FROM joined WHERE undone_at = 0"
        " AND one IN [:owners] AND other IN [:owners] ORDER BY at DESC, id",
        owners=list(owners),
    )  # fmt: skip
    shown, untold = found[:JOINS_MAX], found[JOINS_MAX:]
    more = {str(record) for _, one, other, *_ in untold for record in (one, other)}
    names = _names(sql, owners)
    return [
        row_of(
            Join(
                str(made), names.get(one, ""), names.get(other, ""), str(why), int(ppm), str(by), int(at),
                (str(one), str(other), *(sorted(more) if number == len(shown) else ())),
            ),
            owner=root, as_of=int(at), source="centre",
        )
        for number, (made, one, other, why, ppm, by, at) in enumerate(shown, start=1)
    ]  # fmt: skip


def _names(sql: Connection, owners: Sequence[str]) -> dict[str, str]:
    """What each record told as its name."""
    told = sql.all(
        "SELECT owner, value FROM said WHERE field = :field AND owner IN [:owners]",
        field=NAME,
        owners=list(owners),
    )
    return {
        str(owner): " ".join(filter(None, msgspec.json.decode(value, type=tuple[str, str])))
        for owner, value in told
    }


def _shown_name(sql: Connection, owner: str) -> str:
    """What a customer is called now."""
    for _, text in sql.all(
        "SELECT owner, body FROM doc WHERE key = :key", key=key_of("customer", owner)
    ):
        try:
            body = body_of("customer", str(text).encode())
        except Malformed:
            continue
        if isinstance(body, Customer):
            return f"{body.given_name} {body.family_name}".strip()
    return ""


def absorb(transaction: Transaction, root: str) -> None:
    """What others wrote into the rows made here (a clerk's consent, a person put in directly) becomes that record's word."""
    sql = transaction.direct()
    owners = members(sql, root)
    said, since = said_of(sql, owners), _since(sql, owners)
    person = row_at(transaction, key_of("customer", root))
    if person is not None and len(owners) == 1:
        keep_word(transaction, root, RECORD, person)
        body = person.body
        if isinstance(body, Customer):
            told = {}
            if newest(said, NAME) is None and (body.given_name or body.family_name):
                told[NAME] = text_of((body.given_name, body.family_name))
            if newest(said, LANGUAGE) is None and body.language != Customer("", "").language:
                told[LANGUAGE] = body.language
            tell(transaction, root, told, at=person.as_of, stamp=stamp_of(person.source, ""))
    found = sql.all("SELECT key FROM doc WHERE owner = :owner AND kind = 'consent'", owner=root)
    for (key,) in found:
        row = row_at(transaction, str(key))
        if (
            row is None
            or not isinstance(row.body, Consent)
            or row.body.id != f"{root}:{row.body.purpose}"
        ):
            continue
        words = [it for it in said if it.field == CONSENT + row.body.purpose]
        shown = consent_of(root, words, since=since) if words else None
        if shown is None or shown.body != row.body:
            keep_word(transaction, root, CONSENT + row.body.purpose, row, at=row.body.at)


def is_made(key: str, owner: str) -> bool:
    """Whether `show` makes this row."""
    return key == f"customer/{owner}" or key.startswith(
        (f"consent/{owner}:", f"contact/{owner}~", "join/", f"likeness/{owner}~")
    )
