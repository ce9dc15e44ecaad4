"""What a customer shows who was put together from several records, and how their rows go together and apart.

Every record another system has of a customer tells a name, a language, consents, contact points; they stay told by that
record (`said`, `point`) for ever. The rows `customer`, `contact` and `consent` of a joined customer are made of all of them:

    name, language      told last
    contact points      each once; verified where one record has it verified
    consents            of words said before they were joined the stricter counts; what is said after that counts for all
    the rest of a person (household, tier ...)   the kept record's, or the first that has it

All other rows change hands as they stand, and `origin` remembers whose they were. So a join is undone by giving each row back
to the record it came from, and by making those three again from what is left on each side.
"""

import hashlib
import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import Final

import msgspec

from sync.central import interests
from sync.central.channels.facts import Who
from sync.central.lines import (
    ALIAS,
    FOLDED,
    LIKENESS,
    MADE,
    ORIGIN,
    POINT,
    SAID,
    Wanted,
    docs_of,
)
from sync.central.lines import wanted as asked_for
from sync.central.sql import Connection
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
    Pin,
    key_of,
)
from sync.model.row import Row, body_of, raw_of, row_of

RECORD: Final = "record"
NAME: Final = "name"
LANGUAGE: Final = "language"
CONSENT: Final = "consent:"
FILLED: Final = ("nickname", "preferred_channel", "household", "guardian", "tier")
"""Fields of a person that no channel tells."""

DAY_US: Final = 86_400 * 1_000_000
"""A person's row is as of the day they were last told of: not written anew with everything that is told of them."""

SINGLE: Final = ("pin", "serving", "handle_code")
"""Kinds of which a customer has one row, named by them: the kept one's counts, the other's is kept aside."""

LIKE_MAX: Final = 5
"""Suggestions a customer's rows say; the next come when these are settled."""

SWEPT_MAX: Final = 500
"""Rows given to who is kept in one transaction."""

JOINS_MAX: Final = 20
"""Joins a customer's rows say."""

CHANNEL_OF: Final[Mapping[str, str]] = {"phone": "phone", "email": "email"}
"""Kind of a contact point to its channel; a handle's is its network."""


class Said(msgspec.Struct, frozen=True):
    """One thing a record told of a customer: which field, when, and who says so (`stamp_of`)."""

    owner: str
    field: str
    value: str
    at: int
    stamp: str


class _Old(msgspec.Struct, frozen=True):
    """A row as it stood, to be told by its record from then on."""

    as_of: int
    source: str
    body: msgspec.Raw


class _Interest(msgspec.Struct, frozen=True):
    """How long a scope was to hold a customer: before a join, and by it. `before` is None where it did not."""

    before: tuple[int, str] | None
    after: tuple[int, str]


def stamp_of(source: str, event: str) -> str:
    """Who says something, and by which event: of two of one time the greater counts."""
    return f"{source}|{event}"


def _source_of(stamp: str) -> str:
    return stamp.partition("|")[0]


# What a record tells


def told_in(who: Who) -> dict[str, str]:
    """What an event tells of a customer, by field."""
    told: dict[str, str] = {}
    if who.given_name or who.family_name:
        told[NAME] = _text_of((clean(who.given_name, 120), clean(who.family_name, 120)))
    if who.language:
        told[LANGUAGE] = clean(who.language, 35)
    if who.birth_date:
        told["birth_date"] = clean(who.birth_date, 20)
    if who.postcode or who.street or who.city:
        told["address"] = _text_of(
            tuple(clean(part, 120) for part in (who.street, who.postcode, who.city))
        )
    return told


def clean(text: str, size: int) -> str:
    """Text from outside as a database can hold it, cut to so many characters; markup stays text."""
    plain = text.replace("\0", "").encode("utf-8", "replace").decode()
    return plain if len(plain) <= size else f"{plain[: size - 1]}…"


def tell(
    transaction: Transaction, record: str, told: Mapping[str, str], *, at: int, stamp: str
) -> bool:
    """A record says this of its customer; whether it is news. What is older than what it said before changes nothing."""
    if not told:
        return False
    known = {it.field: it for it in _said_by(transaction, record)}
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


def _said(sql: Connection, owners: Sequence[str]) -> list[Said]:
    found = sql.all(
        "SELECT owner, field, value, at, stamp FROM said WHERE owner IN [:owners] ORDER BY owner, field",
        owners=list(owners),
    )
    return [Said(*line) for line in found]


def _said_by(transaction: Transaction, owner: str) -> list[Said]:
    return [Said(*line) for line in transaction.lines(SAID, owner=owner)]


def _text_of(value: object) -> str:
    return msgspec.json.encode(value).decode()


def members(sql: Connection, root: str) -> tuple[str, ...]:
    """All records that are this customer now, the kept one first."""
    found = sql.all("SELECT owner FROM folded WHERE kept = :kept ORDER BY owner", kept=root)
    return (root, *(str(owner) for (owner,) in found))


def members_of(transaction: Transaction, root: str) -> tuple[str, ...]:
    """The same, for who takes events."""
    found = transaction.lines(FOLDED, kept=root)
    return (root, *(str(owner) for owner, _ in found))


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
    said = [it for owner in sorted(owners) for it in _said_by(transaction, owner)]
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
        known = _row(transaction, key)
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


def _row(transaction: Transaction, key: str) -> Row | None:
    try:
        return transaction.read.row(key)
    except Malformed:
        return None  # a newer version wrote it; ours takes its place


def _person(
    transaction: Transaction, root: str, owners: Sequence[str], said: Sequence[Said]
) -> Row | None:
    olds = {it.owner: _old_of(it.value) for it in said if it.field == RECORD}
    records = {owner: _customer_of(old) for owner, old in olds.items()}
    known = _row(transaction, key_of("customer", root))
    base = records.get(root)
    as_of, source = (olds[root].as_of, olds[root].source) if root in olds else (0, "")
    if base is None and known is not None and isinstance(known.body, Customer):
        base, as_of, source = known.body, known.as_of, known.source
    names = _newest(said, NAME)
    languages = _newest(said, LANGUAGE)
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
        as_of, source = at, _source_of(stamp)
    return row_of(body, owner=root, as_of=as_of, source=source)


def _is_told(transaction: Transaction, root: str) -> bool:
    """Whether a channel knows this customer, so that there must be a person, if only without a name."""
    return bool(transaction.lines(ALIAS, owner=root))


def _newest(said: Iterable[Said], field: str) -> Said | None:
    return max(
        (it for it in said if it.field == field), key=lambda it: (it.at, it.stamp), default=None
    )


def _old_of(value: str) -> _Old:
    return msgspec.json.decode(value, type=_Old)


def _customer_of(old: _Old) -> Customer | None:
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
    olds = {it.owner: _old_of(it.value) for it in words}
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


def consent_value(purpose: str, *, is_granted: bool, at: int, source: str) -> str:
    """A word about a consent as `tell` keeps it, under the field CONSENT + purpose."""
    body = Consent("", purpose, is_granted, at)
    return _text_of(_Old(at, source, msgspec.Raw(raw_of(body))))


def _made(transaction: Transaction, root: str, *, is_whole: bool) -> tuple[set[str], set[str]]:
    """Keys of the rows made here, and terms of the contacts that somebody wrote down otherwise."""
    found = transaction.docs_of(root, *MADE, *(["consent"] if is_whole else []))
    own = {key for key in found if _is_made(key, root)}
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
        known = _row(transaction, key)
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
        " AND one IN [:owners] AND other IN [:owners] ORDER BY at DESC, id LIMIT :limit",
        owners=list(owners), limit=JOINS_MAX,
    )  # fmt: skip
    names = _names(sql, owners)
    return [
        row_of(
            Join(str(made), names.get(one, ""), names.get(other, ""), str(why), int(ppm), str(by), int(at)),
            owner=root, as_of=int(at), source="centre",
        )
        for made, one, other, why, ppm, by, at in found
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
    said, since = _said(sql, owners), _since(sql, owners)
    person = _row(transaction, key_of("customer", root))
    if person is not None and len(owners) == 1:
        _keep_word(transaction, root, RECORD, person)
        body = person.body
        if isinstance(body, Customer):
            told = {}
            if _newest(said, NAME) is None and (body.given_name or body.family_name):
                told[NAME] = _text_of((body.given_name, body.family_name))
            if _newest(said, LANGUAGE) is None and body.language != Customer("", "").language:
                told[LANGUAGE] = body.language
            tell(transaction, root, told, at=person.as_of, stamp=stamp_of(person.source, ""))
    found = sql.all("SELECT key FROM doc WHERE owner = :owner AND kind = 'consent'", owner=root)
    for (key,) in found:
        row = _row(transaction, str(key))
        if (
            row is None
            or not isinstance(row.body, Consent)
            or row.body.id != f"{root}:{row.body.purpose}"
        ):
            continue
        words = [it for it in said if it.field == CONSENT + row.body.purpose]
        shown = consent_of(root, words, since=since) if words else None
        if shown is None or shown.body != row.body:
            _keep_word(transaction, root, CONSENT + row.body.purpose, row, at=row.body.at)


def _keep_word(
    transaction: Transaction, owner: str, field: str, row: Row, *, at: int | None = None
) -> None:
    old = _Old(row.as_of, row.source, msgspec.Raw(raw_of(row.body)))
    transaction.direct().run(
        "INSERT INTO said (owner, field, value, at, stamp) VALUES (:owner, :field, :value, :at, :stamp)"
        " ON CONFLICT (owner, field) DO UPDATE SET value = excluded.value, at = excluded.at, stamp = excluded.stamp",
        owner=owner, field=field, value=_text_of(old), at=row.as_of if at is None else at, stamp=stamp_of(row.source, ""),
    )  # fmt: skip


# Together and apart


def fold(transaction: Transaction, joined: str, *, kept: str, folded: str) -> None:
    """Give all rows of one customer to another, and whoever holds them holds that one. Both are nobody else's part."""
    absorb(transaction, kept)
    absorb(transaction, folded)
    sql = transaction.direct()
    keys = [
        str(key)
        for (key,) in sql.all(
            "SELECT key FROM doc WHERE owner = :owner ORDER BY key", owner=folded
        )
    ]
    transaction.load(keys)
    moved = []
    for key in keys:
        if _is_made(key, folded) or _is_set_aside(
            transaction, joined, key, kept=kept, folded=folded
        ):
            transaction.remove(key)
        else:
            transaction.give(key, kept)
            moved.append(key)
    sql = transaction.direct()
    note_origin(transaction, moved, folded)
    sql.run("UPDATE folded SET kept = :kept WHERE kept = :folded", kept=kept, folded=folded)
    sql.run(
        "INSERT INTO folded (owner, kept) VALUES (:folded, :kept)", kept=kept, folded=folded
    )
    _hold_for(transaction, joined, kept=kept, folded=folded)
    show(transaction, kept, is_whole=True)
    for partner in partners(transaction.direct(), kept):
        show_likenesses(transaction, partner)


def unfold(transaction: Transaction, joined: str, *, root: str, one: str, other: str) -> str:
    """Take apart what that join put together; the customer that leaves.

    Args:
        transaction: Where it is written; the join itself counts no more.
        joined: Which.
        root: Whom all of them are now.
        one: A record the join was between.
        other: The other one.
    """
    sql = transaction.direct()
    owners = members(sql, root)
    stays = _connected(sql, owners, root)
    leaving = [owner for owner in owners if owner not in stays]
    kept, folded = sql.all("SELECT kept, folded FROM joined WHERE id = :id", id=joined)[0]
    left = next(owner for owner in (str(folded), str(kept), one, other) if owner in leaving)
    transaction.lock_keys(owner_lock(owner) for owner in leaving)
    found = sql.all(
        "SELECT origin.key FROM origin JOIN doc ON doc.key = origin.key WHERE doc.owner = :root"
        " AND origin.owner IN [:owners] ORDER BY origin.key",
        root=root, owners=leaving,
    )  # fmt: skip
    keys = [str(key) for (key,) in found]
    transaction.load(keys)
    for key in keys:
        transaction.give(key, left)
    sql = transaction.direct()
    sql.run("DELETE FROM origin WHERE owner = :owner", owner=left)
    sql.run("DELETE FROM folded WHERE owner IN [:owners]", owners=leaving)
    sql.many(
        "INSERT INTO folded (owner, kept) VALUES (:owner, :kept)",
        [{"owner": owner, "kept": left} for owner in leaving if owner != left],
    )
    _hold_no_more(transaction, joined, root=root, left=left)
    _put_back_single(transaction, joined, root=root, left=left)
    for owner in (root, left):
        show(transaction, owner, is_whole=True)
        for partner in partners(transaction.direct(), owner):
            show_likenesses(transaction, partner)
    return left


def sweep(transaction: Transaction, *, limit: int = SWEPT_MAX) -> int:
    """Give rows that somebody wrote for a customer who is joined into another to the one who is kept; how many."""
    found = transaction.direct().all(
        "SELECT doc.key, doc.owner, folded.kept FROM doc JOIN folded ON folded.owner = doc.owner"
        " ORDER BY doc.key LIMIT :limit",
        limit=limit,
    )
    transaction.load(str(key) for key, *_ in found)
    for key, owner, kept in found:
        if _is_made(str(key), str(owner)):
            transaction.remove(str(key))
        else:
            transaction.give(str(key), str(kept))
            note_origin(transaction, (str(key),), str(owner))
    return len(found)


def note_origin(transaction: Transaction, keys: Iterable[str], record: str) -> None:
    """These rows came from this record, which is joined into another; or from one that was joined into it before."""
    ours = frozenset(members_of(transaction, record))
    for key in sorted(keys):
        known = transaction.lines(ORIGIN, key=key)
        if not known or known[0][1] not in ours:
            transaction.put_line(ORIGIN, (key, record))


def _is_made(key: str, owner: str) -> bool:
    """Whether `show` makes this row."""
    return key == f"customer/{owner}" or key.startswith(
        (f"consent/{owner}:", f"contact/{owner}~", "join/", f"likeness/{owner}~")
    )


def _is_set_aside(
    transaction: Transaction, joined: str, key: str, *, kept: str, folded: str
) -> bool:
    """Keep a row aside of which a customer has one; whether it is such a row. A PIN counts for both where one has none."""
    kind, _, name = key.partition("/")
    row = _row(transaction, key)
    if kind not in SINGLE or name != folded or row is None:
        return False
    _set_aside(transaction, joined, row)
    if isinstance(row.body, Pin) and _row(transaction, key_of(kind, kept)) is None:
        body = msgspec.structs.replace(row.body, id=kept)
        lent = row_of(body, owner=kept, as_of=row.as_of, source=row.source)
        transaction.put(lent, form=forms.newest(kind))
    return True


def _set_aside(transaction: Transaction, joined: str, row: Row) -> None:
    old = _Old(row.as_of, row.source, msgspec.Raw(raw_of(row.body)))
    transaction.direct().run(
        "INSERT INTO joined_row (joined, key, owner, before) VALUES (:joined, :key, :owner, :before)",
        joined=joined, key=row.key, owner=row.owner, before=_text_of(old),
    )  # fmt: skip


def _put_back_single(transaction: Transaction, joined: str, *, root: str, left: str) -> None:
    found = transaction.direct().all(
        "SELECT key, before FROM joined_row WHERE joined = :joined AND key NOT LIKE :interests ORDER BY key",
        joined=joined, interests="interest/%",
    )  # fmt: skip
    for key, text in found:
        kind, old = str(key).partition("/")[0], _old_of(text)
        body = body_of(kind, bytes(old.body))
        row = row_of(body, owner=left, as_of=old.as_of, source=old.source)
        transaction.put(row, form=forms.newest(kind))
        lent = _row(transaction, key_of(kind, root))
        if (
            isinstance(body, Pin)
            and lent is not None
            and lent.body == msgspec.structs.replace(body, id=root)
        ):
            transaction.remove(lent.key)


def _connected(sql: Connection, owners: Sequence[str], start: str) -> set[str]:
    """Which of these records are still joined to that one."""
    edges = sql.all(
        "SELECT one, other FROM joined WHERE undone_at = 0 AND one IN [:owners] AND other IN [:owners]",
        owners=list(owners),
    )
    found, grown = {start}, True
    while grown:
        grown = False
        for pair in edges:
            if (pair[0] in found) != (pair[1] in found):
                found |= {str(pair[0]), str(pair[1])}
                grown = True
    return found


def _hold_for(transaction: Transaction, joined: str, *, kept: str, folded: str) -> None:
    """Stores that hold the one hold the other; how it was before is kept with the join."""
    ours = {
        it.scope: (it.until, it.why) for it in interests.of_owner(transaction.read.sql, kept)
    }
    for it in interests.of_owner(transaction.read.sql, folded):
        before = ours.get(it.scope)
        if before is not None and (before[0] == 0 or (it.until and it.until <= before[0])):
            continue
        transaction.add_interest(it.scope, kept, until=it.until, why=it.why)
        after = {
            now.scope: (now.until, now.why)
            for now in interests.of_owner(transaction.read.sql, kept)
        }[it.scope]
        transaction.direct().run(
            "INSERT INTO joined_row (joined, key, owner, before) VALUES (:joined, :key, :owner, :before)"
            " ON CONFLICT (joined, key) DO NOTHING",
            joined=joined, key=f"interest/{it.scope}", owner=folded, before=_text_of(_Interest(before, after)),
        )  # fmt: skip


def _hold_no_more(transaction: Transaction, joined: str, *, root: str, left: str) -> None:
    """Stores hold whom they held before; one that has seen them since holds both, for nobody knows which of them came."""
    now = {
        it.scope: (it.until, it.why) for it in interests.of_owner(transaction.read.sql, root)
    }
    found = transaction.direct().all(
        "SELECT key, before FROM joined_row WHERE joined = :joined AND key LIKE :interests ORDER BY key",
        joined=joined, interests="interest/%",
    )  # fmt: skip
    for key, text in found:
        scope = str(key).partition("/")[2]
        told = msgspec.json.decode(text, type=_Interest)
        if now.get(scope) != told.after:
            until, why = now.get(scope, (0, ""))
            if scope in now:
                transaction.add_interest(scope, left, until=until, why=why)
            continue
        transaction.end_interest(scope, root)
        if told.before is not None:
            transaction.add_interest(scope, root, until=told.before[0], why=told.before[1])
