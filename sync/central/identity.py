"""Who somebody is: from what another system says of a customer to the one customer we keep, and two of them made one.

Each record another system has of a customer is a customer of its own here (`alias`), named by a digest of channel and id, so
that the order in which events come decides nothing. Records that are the same person are *joined*: all rows go to one of
them, the *kept* one, and `folded` says who is whom now. The rules, in this order:

    alias        an id that this channel used before is the same record, for ever
    guest        without an id: the same verified contact point in the same channel, else the conversation, else alone
    verified     two records with one e-mail address, number or handle that is verified in both places are joined by
                 themselves; that is a deterministic join, and it says on which point it rests
    two people   one system that keeps two records with one verified *telephone number* says that two people share it, and
                 so do two members of one household of whatever point, a child and its parent say: it joins nobody, and
                 what it joined before is taken apart
    suspicion    a point that is not verified in both places, a shared number, or a name: never joined silently; a
                 suggestion (`likeness`, state open) with its reason waits for a clerk
    no means no  whom a person declined to join, or took apart, is joined only by a person, until a person takes that no back:
                 then it is a suggestion again, which says who had said no, who asks again, and when
    two names    of a joined customer the name told last is shown; the others are kept with the record that told them
    a child      who has a guardian is joined, by whomever, only inside the family: with a record of that guardian, or of the same
                 guardian or household. A record of which no family is known counts as another one; only a point of the child's
                 own, verified in both places, says that it is the child's
    erased       a record of an erased customer is never made again; a contact point of one not for what happened before

A join is an edge between two records, so any of them can be undone at any time: the edge goes, and each row goes with the
record it came from (`origin`), also rows that came in since. `joins` says what a joined customer shows.

Points are compared as terms: "tel:+447700900123", "mailto:lena@example.org", "x:tom_b", "name:lena müller".
"""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from sync.central import forgetting, joining, joins, told
from sync.central.canonical import canonical, canonical_of
from sync.central.channels.adapter import Settings
from sync.central.channels.facts import Who
from sync.central.contact_terms import kind_of, named, normal
from sync.central.errors import Erased
from sync.central.forgetting import GUEST
from sync.central.lines import (
    ALIAS,
    ERASURE,
    FOLDED,
    FORGOTTEN,
    MADE,
    POINT,
    SAID,
    Wanted,
    docs_of,
    wanted,
)
from sync.central.suggestions import CENTRE, are_apart, suggest
from sync.central.transaction import Transaction, owner_lock
from sync.model.records import Customer, key_of

HOLDERS_MAX: Final = 20
"""Records that may share a contact point or a name before it says nothing any more: a switchboard, a common name."""

NAMES_MAX: Final = 5
"""The same for a name, which says less."""

ALIAS_MAX: Final = 300
"""Characters of what names a record in its own system; an entry of an index of PostgreSQL holds 2,704 bytes."""


@dataclass(frozen=True, slots=True)
class Met:
    """Whom an event is about.

    Attributes:
        record: The customer that this other system's record is.
        owner: The customer it is joined into; the same where it is joined into none.
    """

    record: str
    owner: str


def record_id(channel: str, ref: str) -> str:
    """The customer that this record of a channel is, before anything joins it."""
    return f"c-{hashlib.sha256(f'{channel}/{ref}'.encode()).hexdigest()[:24]}"


# An event's customer


def meet(  # noqa: PLR0913  # what an event says of somebody
    transaction: Transaction,
    settings: Settings,
    who: Who,
    *,
    ref: str = "",
    at: int = 0,
    now: int = 0,
    event: str = "",
) -> Met:
    """Whom an event is about: found, or made.

    Args:
        transaction: Where it is written.
        settings: The channel that tells it.
        who: What it says of them.
        ref: What names them where the channel has no id and no verified point: a conversation, an order.
        at: When it was so, microseconds since 1970; decides which of two names is newer.
        now: Microseconds since 1970.
        event: Id of the event.

    Raises:
        Erased: they were erased.
    """
    terms = _terms(settings, who)
    alias = _short(who.ref or _guest(terms, ref))
    transaction.lock_keys(
        (f"alias/{settings.name}/{alias}", *(f"point/{term}" for term in terms))
    )
    record, is_new = _record(transaction, settings.name, alias, terms, at=at, now=now)
    whole = named(who)
    fresh = _note_points(
        transaction,
        record,
        terms | ({whole: False} if whole else {}),
        channel=settings.name,
        at=at,
    )
    stamp = told.stamp_of(settings.name, event)
    is_told = told.tell(transaction, record, told.told_in(who), at=at, stamp=stamp)
    if fresh or is_told or is_new:
        link(transaction, record, fresh, now=now)
        joins.show(transaction, canonical(transaction, record))
    return Met(record, canonical(transaction, record))


def foreseen(
    settings: Settings, who: Who, ref: str, *, secret: str
) -> tuple[list[str], list[Wanted]]:
    """Names and lines that `meet` will ask for, where nothing was joined to anything: to lock and read all at once.

    Whoever asks for more than this is served one by one.
    """
    terms = _terms(settings, who)
    alias = _short(who.ref or _guest(terms, ref))
    record = record_id(settings.name, alias)
    names = [
        owner_lock(record),
        key_of("customer", record),
        *(joins.contact_key(record, term) for term in terms),
        *(f"point/{term}" for term in terms),
    ]
    whose = [wanted(table, owner=record) for table in (POINT, SAID, FOLDED, ERASURE)]
    marks = forgetting.marks_of(secret, record, settings.name, alias, terms)
    return names, [
        wanted(ALIAS, channel=settings.name, ref=alias),
        *whose,
        *(wanted(FORGOTTEN, mark=mark) for mark in marks),
        *docs_of(record, "interaction"),
    ]


def _terms(settings: Settings, who: Who) -> dict[str, bool]:
    """The terms of their contact points: verified or not."""
    country = settings.options.get("country", "")
    terms: dict[str, bool] = {}
    for point in who.points:
        term = normal(point, country)
        if term:
            terms[term] = terms.get(term, False) or point.is_verified
    return terms


def _short(alias: str) -> str:
    """What names a record, as an index can hold it: its digest, where it is longer than that."""
    if len(alias) <= ALIAS_MAX:
        return alias
    digest = hashlib.sha256(alias.encode("utf-8", "replace")).hexdigest()
    return f"{GUEST if alias.startswith(GUEST) else ''}digest-{digest}"


def _guest(terms: Mapping[str, bool], ref: str) -> str:
    verified = sorted(term for term, is_verified in terms.items() if is_verified)
    return f"{GUEST}{verified[0] if verified else ref}"


def _record(
    transaction: Transaction,
    channel: str,
    alias: str,
    terms: Iterable[str],
    *,
    at: int,
    now: int,
) -> tuple[str, bool]:
    """The customer a record is, and whether nobody told of it before. Raises Erased."""
    found = transaction.lines(ALIAS, channel=channel, ref=alias)
    if found:
        return str(found[0][2]), False
    record = record_id(channel, alias)
    if forgetting.was_erased(transaction, record, channel, alias, terms, at=at):
        raise Erased("this customer was erased")
    transaction.lock_keys((owner_lock(record),))
    transaction.put_line(ALIAS, (channel, alias, record, now))
    transaction.know_none([*joins.shown_of(record), *docs_of(record, *MADE)])
    return record, True


def bind(transaction: Transaction, channel: str, ref: str, owner: str, *, now: int) -> None:
    """Say that a channel's id means a customer we know already, before that channel told anything of it."""
    ref = _short(ref)
    transaction.lock_keys((f"alias/{channel}/{ref}", owner_lock(owner)))
    if not transaction.lines(ALIAS, channel=channel, ref=ref):
        transaction.put_line(ALIAS, (channel, ref, owner, now))


# Points


def note_points(
    transaction: Transaction,
    owner: str,
    terms: Mapping[str, bool],
    *,
    channel: str,
    at: int,
    now: int,
) -> None:
    """A customer has these contact points, by term: verified or not; joins whom they join.

    For what is known of a customer without an event: a clerk wrote it down, a code proved a handle.
    """
    transaction.lock_keys((*(f"point/{term}" for term in terms), owner_lock(owner)))
    fresh = _note_points(transaction, owner, terms, channel=channel, at=at)
    if fresh:
        link(transaction, owner, fresh, now=now)
        joins.show(transaction, canonical(transaction, owner))


def _note_points(
    transaction: Transaction, record: str, terms: Mapping[str, bool], *, channel: str, at: int
) -> dict[str, bool]:
    """Write points down; those that are new, or verified now."""
    if not terms:
        return {}
    known = {
        str(term): (bool(verified), int(then), str(by))
        for term, _, _, verified, by, then in transaction.lines(POINT, owner=record)
    }
    fresh: dict[str, bool] = {}
    for term, is_verified in sorted(terms.items()):
        was_verified, then, by = known.get(term, (False, at, channel))
        first = min((then, by), (at, channel))
        if term in known and first == (then, by) and was_verified >= is_verified:
            continue
        is_now = int(is_verified or was_verified)
        line = (term, record, kind_of(term), is_now, first[1], first[0])
        transaction.put_line(POINT, line)
        fresh[term] = is_verified or was_verified
    return fresh


def link(transaction: Transaction, record: str, terms: Mapping[str, bool], *, now: int) -> None:
    """Join this record with those that share a verified point; suggest those it may be."""
    holders = _holders(transaction, record, sorted(terms))
    for term, is_verified in sorted(terms.items()):
        proved, guessed = holders[term]
        kind = kind_of(term)
        if not is_verified:
            proved, guessed = [], [*proved, *guessed]
        if proved and _is_shared(transaction, (record, *proved), term):
            _take_apart(transaction, term, now=now)
            why = _why_shared(term)
            _suggest_all(transaction, record, proved, kind="shared", why=why, now=now)
        else:
            for other in proved:
                _join_by(transaction, record, other, term, now=now)
        if len(guessed) <= (NAMES_MAX if kind == "name" else HOLDERS_MAX):
            said = "the same name" if kind == "name" else "not verified in both places"
            _suggest_all(
                transaction, record, guessed, kind=kind, why=f"{said}: {term}", now=now
            )


_HOLDERS: Final = (
    "SELECT * FROM (SELECT owner, is_verified FROM point WHERE term = :term AND owner <> :owner"
    " AND is_verified = 1 ORDER BY owner LIMIT :limit) AS proved"
    " UNION ALL SELECT * FROM (SELECT owner, is_verified FROM point WHERE term = :term AND owner <> :owner"
    " AND is_verified = 0 ORDER BY owner LIMIT :limit) AS guessed"
)


def _holders(
    transaction: Transaction, record: str, terms: Sequence[str]
) -> dict[str, tuple[list[str], list[str]]]:
    """By point the other records that have it, verified and not, some more than are looked at."""
    limit = HOLDERS_MAX + 1
    answers = transaction.beside.several(
        [(_HOLDERS, {"term": term, "owner": record, "limit": limit}) for term in terms]
    )
    found: dict[str, dict[str, int]] = dict(zip(terms, map(dict, answers), strict=True))
    for term, owner, _, is_verified, *_ in transaction.unwritten(POINT):
        if term in found and owner != record:
            found[term][owner] = is_verified
    return {
        term: (
            sorted(owner for owner in theirs if theirs[owner])[:limit],
            sorted(owner for owner in theirs if not theirs[owner])[:limit],
        )
        for term, theirs in found.items()
    }


def _suggest_all(  # one suggestion to each
    transaction: Transaction,
    record: str,
    others: Iterable[str],
    *,
    kind: str,
    why: str,
    now: int,
) -> None:
    for other in others:
        suggest(transaction, record, other, kind=kind, why=why, now=now)


def _join_by(transaction: Transaction, record: str, other: str, term: str, *, now: int) -> None:
    one, two = canonical(transaction, record), canonical(transaction, other)
    if one == two:
        return
    if are_apart(transaction, one, two):
        suggest(
            transaction,
            record,
            other,
            kind="shared",
            why=f"a person took them apart; both have {term}",
            now=now,
        )
        return
    if joining.is_another_familys_child(transaction, one, two, is_proved=True):
        why = f"a child's record, and one of another family; both have {term}"
        suggest(transaction, record, other, kind="shared", why=why, now=now)
        return
    kept, folded = (
        (record, other)
        if joining.weight(transaction, one) > joining.weight(transaction, two)
        else (other, record)
    )
    joining.join(
        transaction,
        kept,
        folded,
        why=f"verified in both places: {term}",
        risk_ppm=joining.VERIFIED_PPM,
        by=CENTRE,
        at=now,
        term=term,
    )


def _why_shared(term: str) -> str:
    what = {"phone": "a number", "email": "an address"}.get(kind_of(term), "a handle")
    return f"{what} two people share: {term}"


def _is_shared(transaction: Transaction, holders: Sequence[str], term: str) -> bool:
    """Whether two people have this point: one system keeps two records with the number, or two of one household have it."""
    sql = transaction.direct()
    twice = kind_of(term) == "phone" and sql.all(
        "SELECT alias.channel FROM alias JOIN point ON point.owner = alias.owner"
        " WHERE point.term = :term AND point.is_verified = 1 AND alias.ref NOT LIKE :guest"
        " GROUP BY alias.channel HAVING COUNT(DISTINCT alias.owner) > 1",
        term=term, guest=f"{GUEST}%",
    )  # fmt: skip
    if twice:
        return True
    kept = canonical_of(sql, holders)
    homes: dict[str, str] = {}
    people = {kept.get(one, one) for one in holders}
    for owner in people:
        row = transaction.read.row(key_of("customer", owner))
        if row is None or not isinstance(row.body, Customer):
            continue
        if row.body.guardian in people - {owner}:
            return True
        home = row.body.household or row.body.guardian
        if home and homes.setdefault(home, owner) != owner:
            return True
    return False


def _take_apart(transaction: Transaction, term: str, *, now: int) -> None:
    """Undo what rests on a number that turned out to be shared; what else joins those records joins them again."""
    found = transaction.direct().all(
        "SELECT id, one, other FROM joined WHERE term = :term AND by_whom = :by AND undone_at = 0 ORDER BY at, id",
        term=term, by=CENTRE,
    )  # fmt: skip
    loose: dict[str, None] = {}
    for joined, one, other in found:
        joining.undo(transaction, str(joined), by=CENTRE, at=now)
        suggest(
            transaction,
            one,
            other,
            kind="shared",
            why=_why_shared(term),
            now=now,
        )
        loose |= dict.fromkeys((str(one), str(other)))
    for record in loose:
        points = transaction.direct().all(
            "SELECT term FROM point WHERE owner = :owner AND term <> :term AND is_verified = 1 ORDER BY term",
            owner=record, term=term,
        )  # fmt: skip
        link(transaction, record, {str(other): True for (other,) in points}, now=now)
