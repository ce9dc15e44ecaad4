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
import hmac
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

import phonenumbers
from email_validator import EmailNotValidError, validate_email

from hardware.moments import moment_of
from sync.central import changes, joins, threads
from sync.central.channels.adapter import Settings
from sync.central.channels.facts import Point, Who
from sync.central.errors import CannotJoin, Erased
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
from sync.central.mentions import Mentions
from sync.central.moment import Snapshot
from sync.central.sql import Connection
from sync.central.transaction import Transaction, owner_lock
from sync.model.records import Customer, key_of

CENTRE: Final = "centre"
"""Who joins by a rule."""

GUEST: Final = "~"
"""How the id of a record begins that the other system has no id for."""

HOLDERS_MAX: Final = 20
"""Records that may share a contact point or a name before it says nothing any more: a switchboard, a common name."""

NAMES_MAX: Final = 5
"""The same for a name, which says less."""

TERM_MAX: Final = 254
"""Characters of a point. Source: the longest e-mail address, RFC 5321 4.5.3.1.3 with its erratum 1690."""

ALIAS_MAX: Final = 300
"""Characters of what names a record in its own system; an entry of an index of PostgreSQL holds 2,704 bytes."""

VERIFIED_PPM: Final = 100
"""Risk that a join by a point verified on both sides is wrong: addresses and numbers are given to others after years.
An assumption, to be replaced by a measured one."""

RISKS_PPM: Final[Mapping[str, int]] = {
    "shared": 500_000,
    "name": 400_000,
    "phone": 150_000,
    "email": 50_000,
    "handle": 100_000,
}
"""Risk of a suggestion, by what it rests on; assumptions, for the order in which they are shown."""


@dataclass(frozen=True, slots=True)
class Met:
    """Whom an event is about.

    Attributes:
        record: The customer that this other system's record is.
        owner: The customer it is joined into; the same where it is joined into none.
    """

    record: str
    owner: str


# Terms


def normal(point: Point, country: str = "") -> str:
    """The one form of a contact point; "" for what is none.

    Args:
        point: As the channel says it.
        country: ISO 3166 code that a national number is read with where the point has none.
    """
    text = unicodedata.normalize("NFKC", point.value).strip()
    if not text or len(text) > TERM_MAX or "\0" in text:
        return ""
    if point.kind == "phone":
        return _phone(text, point.country or country)
    if point.kind == "email":
        return _email(text)
    network, colon, name = text.casefold().partition(":")
    name = name.strip().lstrip("@")
    return f"{network.strip()}:{name}" if colon and network.strip() and name else ""


def _phone(text: str, country: str) -> str:
    try:
        number = phonenumbers.parse(text, country.upper() or None)
    except phonenumbers.NumberParseException:
        return ""
    if not phonenumbers.is_possible_number(number):
        return ""
    return f"tel:{phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)}"


def _email(text: str) -> str:
    try:
        # Nothing is asked over the network; test domains are as good as others.
        address = validate_email(text, check_deliverability=False, test_environment=True)
    except EmailNotValidError:
        return ""
    return f"mailto:{address.normalized.casefold()}"


def named(who: Who) -> str:
    """The term of a whole name; "" where only a part of it is known."""
    parts = (who.given_name, who.family_name)
    text = " ".join(unicodedata.normalize("NFKC", part).casefold() for part in parts).split()
    whole = " ".join(text)
    return (
        f"name:{whole}"
        if all(part.strip() for part in parts) and len(whole) <= TERM_MAX
        else ""
    )


def kind_of(term: str) -> str:
    """Phone | email | name | handle."""
    return {"tel": "phone", "mailto": "email", "name": "name"}.get(
        term.partition(":")[0], "handle"
    )


def record_id(channel: str, ref: str) -> str:
    """The customer that this record of a channel is, before anything joins it."""
    return f"c-{hashlib.sha256(f'{channel}/{ref}'.encode()).hexdigest()[:24]}"


# Who is whom now


def canonical_of(sql: Connection, owners: Iterable[str]) -> dict[str, str]:
    """Of these customers those that are joined into another one, and into whom."""
    asked = sorted({owner for owner in owners if owner})
    if not asked:
        return {}
    found = sql.all("SELECT owner, kept FROM folded WHERE owner IN [:owners]", owners=asked)
    return {str(owner): str(kept) for owner, kept in found}


def canonical(transaction: Transaction, owner: str) -> str:
    """The customer this one is now."""
    return next((str(kept) for _, kept in transaction.lines(FOLDED, owner=owner)), owner)


def canonical_in(snapshot: Snapshot, owner: str) -> str:
    """The same, for who only reads."""
    return canonical_of(snapshot.sql, (owner,)).get(owner, owner)


# An event's customer


def owner_of(  # noqa: PLR0913  # what an event says of somebody
    transaction: Transaction,
    settings: Settings,
    who: Who,
    *,
    ref: str = "",
    at: int = 0,
    now: int = 0,
    event: str = "",
) -> str:
    """The customer an event is about: found, or made.

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
    return meet(transaction, settings, who, ref=ref, at=at, now=now, event=event).owner


def meet(  # noqa: PLR0913  # the same
    transaction: Transaction,
    settings: Settings,
    who: Who,
    *,
    ref: str = "",
    at: int = 0,
    now: int = 0,
    event: str = "",
) -> Met:
    """The same with the record of that channel itself. Raises Erased."""
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
    stamp = joins.stamp_of(settings.name, event)
    is_told = joins.tell(transaction, record, joins.told_in(who), at=at, stamp=stamp)
    if fresh or is_told or is_new:
        link(transaction, record, fresh, now=now)
        joins.show(transaction, canonical(transaction, record))
    return Met(record, canonical(transaction, record))


def foreseen(
    settings: Settings, who: Who, ref: str, *, epoch: str
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
    marks = _marks(epoch.encode(), settings.name, alias, terms)
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
    if _was_erased(transaction, record, channel, alias, terms, at=at):
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
    if _are_apart(transaction, one, two):
        suggest(
            transaction,
            record,
            other,
            kind="shared",
            why=f"a person took them apart; both have {term}",
            now=now,
        )
        return
    if is_another_familys_child(transaction, one, two, is_proved=True):
        why = f"a child's record, and one of another family; both have {term}"
        suggest(transaction, record, other, kind="shared", why=why, now=now)
        return
    kept, folded = (
        (record, other)
        if weight(transaction, one) > weight(transaction, two)
        else (other, record)
    )
    join(
        transaction,
        kept,
        folded,
        why=f"verified in both places: {term}",
        risk_ppm=VERIFIED_PPM,
        by=CENTRE,
        at=now,
        term=term,
    )


def weight(transaction: Transaction, owner: str) -> tuple[int, str]:
    """Whoever has more rows is kept: fewer rows move to fewer devices."""
    found = transaction.read.sql.all(
        "SELECT COUNT(*) FROM doc WHERE owner = :owner", owner=owner
    )
    return int(found[0][0]), owner


def risk_of(transaction: Transaction, one: str, other: str) -> int:
    """The risk of the suggestion to join these two, in a million; 0 where nobody suggested it."""
    known = _likeness(transaction, canonical(transaction, one), canonical(transaction, other))
    return min((ppm for _, ppm in known), default=0)


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
        _undo(transaction, str(joined), by=CENTRE, at=now)
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


# Suggestions


def suggest(  # noqa: PLR0913  # what a suggestion says
    transaction: Transaction,
    one: str,
    other: str,
    *,
    kind: str,
    why: str,
    now: int,
    risk_ppm: int = 0,
    by: str = CENTRE,
) -> bool:
    """Let a clerk say whether these two are one; whether there was anything to suggest."""
    first, second = sorted((canonical(transaction, one), canonical(transaction, other)))
    if first == second:
        return False
    sql = transaction.direct()
    risk = risk_ppm or RISKS_PPM.get(kind, RISKS_PPM["name"])
    known = _likeness(transaction, first, second)
    if any(state != "open" for state, _ in known) or any(ppm <= risk for _, ppm in known):
        return False
    if erased_at(transaction.read.sql, first) or erased_at(transaction.read.sql, second):
        return False  # while somebody compared them with others
    sql.run(
        "INSERT INTO likeness (one, other, state, risk_ppm, why, by_whom, at)"
        " VALUES (:one, :other, 'open', :risk, :why, :by, :at)"
        " ON CONFLICT (one, other) DO UPDATE SET risk_ppm = excluded.risk_ppm, why = excluded.why, at = excluded.at",
        one=first, other=second, risk=risk, why=why[:300], by=by, at=now,
    )  # fmt: skip
    for owner in (first, second):
        joins.show_likenesses(transaction, owner)
    return True


def _likeness(transaction: Transaction, one: str, other: str) -> list[tuple[str, int]]:
    sql = transaction.direct()
    ours, theirs = list(joins.members(sql, one)), list(joins.members(sql, other))
    found = sql.all(
        "SELECT state, risk_ppm FROM likeness WHERE (one IN [:ours] AND other IN [:theirs])"
        " OR (one IN [:theirs] AND other IN [:ours])",
        ours=ours, theirs=theirs,
    )  # fmt: skip
    return [(str(state), int(ppm)) for state, ppm in found]


def _are_apart(transaction: Transaction, one: str, other: str) -> bool:
    return any(
        state in ("declined", "apart") for state, _ in _likeness(transaction, one, other)
    )


def _settle_likeness(
    transaction: Transaction, one: str, other: str, state: str, *, by: str, at: int
) -> None:
    """What became of every suggestion between two customers."""
    sql = transaction.direct()
    ours, theirs = list(joins.members(sql, one)), list(joins.members(sql, other))
    sql.run(
        "UPDATE likeness SET state = :state, by_whom = :by, at = :at WHERE (one IN [:ours] AND other IN [:theirs])"
        " OR (one IN [:theirs] AND other IN [:ours])",
        state=state, by=by, at=at, ours=ours, theirs=theirs,
    )  # fmt: skip


def decline(transaction: Transaction, one: str, other: str, *, by: str, at: int) -> None:
    """A person says that these are two people; no rule joins them from now on. Raises CannotJoin where they are one."""
    first, second = sorted((canonical(transaction, one), canonical(transaction, other)))
    if first == second:
        raise CannotJoin("They are one customer now. Take them apart first.", "same_customer")
    _settle_likeness(transaction, first, second, "declined", by=by, at=at)
    transaction.direct().run(
        "INSERT INTO likeness (one, other, state, risk_ppm, why, by_whom, at)"
        " VALUES (:one, :other, 'declined', 0, '', :by, :at) ON CONFLICT (one, other) DO UPDATE SET state = 'declined'",
        one=first, other=second, by=by, at=at,
    )  # fmt: skip
    for owner in (first, second):
        joins.show_likenesses(transaction, owner)


class Declined(NamedTuple):
    """Two customers of whom a person said that they are two, or whom one took apart, who still are."""

    one: str
    other: str
    state: str
    why: str
    by: str
    at: int


def declined(sql: Connection, *, limit: int) -> list[Declined]:
    """Whom a person said no to, the newest first."""
    found = sql.all(
        "SELECT one, other, state, why, by_whom, at FROM likeness WHERE state IN ('declined', 'apart')"
        " ORDER BY at DESC, one, other LIMIT :limit",
        limit=limit,
    )
    return [Declined(*line) for line in found]


def ask_again(
    transaction: Transaction, one: str, other: str, *, by: str, why: str, at: int
) -> None:
    """Take back that a person said no to these two: a clerk is asked again, and the rules count again.

    Args:
        transaction: Where it is written.
        one: A customer, or a record joined into them.
        other: The other one.
        by: Who takes it back.
        why: In words.
        at: When, microseconds since 1970.

    Raises:
        CannotJoin: nobody said no, or they are one now.
    """
    first, second = sorted((canonical(transaction, one), canonical(transaction, other)))
    transaction.lock_keys({owner_lock(owner) for owner in (first, second)})
    if first == second:
        raise CannotJoin("They are one customer now.", "same_customer")
    sql = transaction.direct()
    ours, theirs = list(joins.members(sql, first)), list(joins.members(sql, second))
    found = sql.all(
        "SELECT one, other, state, why, by_whom, at, risk_ppm FROM likeness WHERE state IN ('declined', 'apart')"
        " AND ((one IN [:ours] AND other IN [:theirs]) OR (one IN [:theirs] AND other IN [:ours]))",
        ours=ours, theirs=theirs,
    )  # fmt: skip
    if not found:
        raise CannotJoin("Nobody said no to these two.", "not_declined")
    for *line, ppm in found:
        was = Declined(*line)
        no = "took them apart" if was.state == "apart" else "said two people"
        told = f"{was.by} {no} on {_day(was.at)}, {by} asks again on {_day(at)}: {why}"
        sql.run(
            "UPDATE likeness SET state = 'open', by_whom = :by, at = :at, why = :why, risk_ppm = :risk"
            " WHERE one = :one AND other = :other",
            by=by, at=at, why=f"{was.why}; {told}"[:300] if was.why and was.state != "apart" else told[:300],
            risk=ppm or RISKS_PPM["name"], one=was.one, other=was.other,
        )  # fmt: skip
    for owner in (first, second):
        joins.show_likenesses(transaction, owner)


def _day(at: int) -> str:
    return moment_of(at).date().isoformat()


# Joining


def join(  # noqa: PLR0913  # a join and its reasons
    transaction: Transaction,
    kept: str,
    folded: str,
    *,
    why: str,
    risk_ppm: int,
    by: str,
    at: int = 0,
    term: str = "",
    joined_id: str = "",
) -> str:
    """Make two customers one; the id of the join, by which it can be undone.

    Args:
        transaction: Where it is written.
        kept: Whose id stays; or one joined into them.
        folded: Whose rows go there; or one joined into them.
        why: In words: which point, which rule, what a clerk saw.
        risk_ppm: How often such a join is wrong, in a million.
        by: Who joins: a staff id, or CENTRE for a rule.
        at: When, microseconds since 1970.
        term: The point it rests on, "" for none.
        joined_id: Its id where that follows from something else, "" for one made here.

    Raises:
        CannotJoin: they are one already, one of them was erased, or one is another family's child; the text says which.
    """
    one, other = canonical(transaction, kept), canonical(transaction, folded)
    transaction.lock_keys({owner_lock(owner) for owner in (kept, folded, one, other)})
    if one == other:
        raise CannotJoin("They are one customer already.", "same_customer")
    for owner in (one, other):
        if (
            not owner
            or erased_at(transaction.read.sql, owner)
            or not _is_known(transaction, owner)
        ):
            raise CannotJoin("One of them was erased, or is nobody.", "unknown_customer")
    if is_another_familys_child(transaction, one, other, is_proved=bool(term)):
        raise CannotJoin("A child's record is joined only inside its family.", "another_family")
    _settle_likeness(transaction, one, other, "joined", by=by, at=at)
    joined = joined_id or _joined_id(transaction, kept, folded, at)
    transaction.direct().run(
        "INSERT INTO joined (id, one, other, kept, folded, term, why, risk_ppm, by_whom, at, undone_at, undone_by)"
        " VALUES (:id, :one, :other, :kept, :folded, :term, :why, :risk, :by, :at, 0, '')",
        id=joined, one=kept, other=folded, kept=one, folded=other, term=term, why=why[:300],
        risk=risk_ppm, by=by, at=at,
    )  # fmt: skip
    joins.fold(transaction, joined, kept=one, folded=other)
    threads.settle_owner(transaction, one)
    changes.note_joined(transaction, kept=one, folded=other, joined_id=joined, now=at)
    return joined


def is_another_familys_child(
    transaction: Transaction, one: str, other: str, *, is_proved: bool
) -> bool:
    """Whether one of these is a child, and nothing says that the other is of its family; `is_proved` where a point says so."""
    rows = (transaction.read.row(key_of("customer", owner)) for owner in (one, other))
    people = [row.body for row in rows if row is not None and isinstance(row.body, Customer)]
    if not any(it.guardian for it in people):
        return False
    families = [{it.household, it.guardian or it.id} - {""} for it in people]
    if len(families) == 2 and families[0] & families[1]:
        return False
    # Of a record without one nobody said whose it is: a channel does not tell that.
    is_told = [bool(it.household or it.guardian) for it in people]
    return not is_proved or is_told == [True, True]


def _is_known(transaction: Transaction, owner: str) -> bool:
    return bool(
        transaction.read.sql.all("SELECT 1 FROM doc WHERE owner = :owner LIMIT 1", owner=owner)
        or transaction.direct().all(
            "SELECT 1 FROM alias WHERE owner = :owner LIMIT 1", owner=owner
        )
    )


def _joined_id(transaction: Transaction, one: str, other: str, at: int) -> str:
    first, second = sorted((one, other))
    found = transaction.direct().all("SELECT COUNT(*) FROM joined WHERE one IN [:both] AND other IN [:both]",
                                     both=[first, second])  # fmt: skip
    text = f"{first}/{second}/{at}/{found[0][0]}"
    return f"j-{hashlib.sha256(text.encode()).hexdigest()[:24]}"


def unjoin(transaction: Transaction, joined_id: str, by: str, *, at: int = 0) -> None:
    """Take two customers apart again: each has what was theirs before, and what came in for them since.

    No rule joins them again.

    Raises:
        CannotJoin: there is no such join, it was undone before, or they were erased.
    """
    one, other = _undo(transaction, joined_id, by=by, at=at)
    if by != CENTRE:
        first, second = sorted((one, other))
        transaction.direct().run(
            "INSERT INTO likeness (one, other, state, risk_ppm, why, by_whom, at)"
            " VALUES (:one, :other, 'apart', 0, :why, :by, :at)"
            " ON CONFLICT (one, other) DO UPDATE SET state = 'apart', by_whom = excluded.by_whom, at = excluded.at",
            one=first, other=second, why=f"taken apart: {joined_id}", by=by, at=at,
        )  # fmt: skip


def _undo(transaction: Transaction, joined_id: str, *, by: str, at: int) -> tuple[str, str]:
    """Undo a join; the two records it was between."""
    sql = transaction.direct()
    found = sql.all("SELECT one, other, undone_at FROM joined WHERE id = :id", id=joined_id)
    if not found:
        raise CannotJoin("There is no such join.", "unknown_join")
    if found[0][2]:
        raise CannotJoin("It was undone before.", "undone")
    one, other = str(found[0][0]), str(found[0][1])
    root = canonical(transaction, one)
    transaction.lock_keys({owner_lock(owner) for owner in (one, other, root)})
    if erased_at(transaction.read.sql, one):  # and so both
        raise CannotJoin("They were erased.", "unknown_join")
    joins.absorb(transaction, root)
    sql = transaction.direct()
    sql.run(
        "UPDATE joined SET undone_at = :at, undone_by = :by WHERE id = :id",
        at=max(at, 1),
        by=by,
        id=joined_id,
    )
    left = joins.unfold(transaction, joined_id, root=root, one=one, other=other)
    for owner in (root, left):
        threads.settle_owner(transaction, owner)
    changes.note_unjoined(transaction, kept=root, folded=left, joined_id=joined_id, now=at)
    return one, other


# Erasing


def hold(transaction: Transaction, owner: str) -> None:
    """Hold a customer, all joined into them and all they are known by: from now on no event of theirs is being taken."""
    sql, held = transaction.direct(), frozenset[str]()
    while True:
        ours = list(joins.members(sql, canonical(transaction, owner)))
        aliases = sql.all(
            "SELECT channel, ref FROM alias WHERE owner IN [:owners]", owners=ours
        )
        terms = sql.all("SELECT DISTINCT term FROM point WHERE owner IN [:owners]", owners=ours)
        names = {
            *map(owner_lock, ours),
            *(f"alias/{channel}/{ref}" for channel, ref in aliases),
            *(f"point/{term}" for (term,) in terms),
        }
        if names <= held:
            return
        transaction.lock_keys(names)
        held |= names


def _secret(transaction: Transaction) -> bytes:
    return transaction.epoch.encode()


def _mark(secret: bytes, text: str) -> str:
    return hmac.digest(secret, text.encode(), "sha256").hex()[:32]


def _marks(secret: bytes, channel: str, alias: str, terms: Mapping[str, int]) -> dict[str, int]:
    """The digests a record is forgotten by, and of each until when it counts."""
    return {_mark(secret, f"{channel}/{alias}"): 2**62} | {
        _mark(secret, term): at for term, at in terms.items()
    }


def _was_erased(
    transaction: Transaction,
    record: str,
    channel: str,
    alias: str,
    terms: Iterable[str],
    *,
    at: int,
) -> bool:
    if transaction.lines(ERASURE, owner=record):
        return True
    marks = _marks(_secret(transaction), channel, alias, dict.fromkeys(terms, at))
    transaction.load((), lines=[wanted(FORGOTTEN, mark=mark) for mark in marks])
    found = [line for mark in marks for line in transaction.lines(FORGOTTEN, mark=mark)]
    return any(
        marks[str(mark)] <= int(then) or marks[str(mark)] == 2**62 for mark, then in found
    )


def mentions(sql: Connection, root: str) -> Mentions:
    """What in the bytes of an event nobody took yet would be about this customer: addresses, numbers, handles, long ids."""
    ours = list(joins.members(sql, root))
    terms = sql.all(
        "SELECT DISTINCT term FROM point WHERE owner IN [:owners] AND kind <> 'name'",
        owners=ours,
    )
    refs = sql.all("SELECT DISTINCT ref FROM alias WHERE owner IN [:owners]", owners=ours)
    theirs = [str(ref) for (ref,) in refs if not str(ref).startswith(GUEST)]
    return Mentions([str(term) for (term,) in terms], theirs)


def mark_of(transaction: Transaction, channel: str, ref: str) -> str:
    """What stands for a name of another system that says who somebody was who was erased."""
    return mark_in(transaction.epoch, channel, ref)


def mark_in(epoch: str, channel: str, ref: str) -> str:
    """The same, by the name of the life of a database."""
    return f"forgotten:{_mark(epoch.encode(), f'{channel}/{ref}')}"


def _forget_names(
    transaction: Transaction, root: str, owners: Sequence[str], secret: bytes
) -> None:
    """A conversation that is called by a telephone number is called by a digest of it from now on."""
    sql = transaction.direct()
    theirs = mentions(sql, root)
    found = sql.all(
        "SELECT named.channel, named.ref FROM named JOIN doc ON doc.key = named.key WHERE doc.owner IN [:owners]",
        owners=list(owners),
    )
    sql.many(
        "UPDATE named SET ref = :mark WHERE channel = :channel AND ref = :ref",
        [
            {
                "channel": channel,
                "ref": ref,
                "mark": f"forgotten:{_mark(secret, f'{channel}/{ref}')}",
            }
            for channel, ref in found
            if theirs.stand_in(str(ref).encode())
        ],
    )


def forget(transaction: Transaction, owner: str, *, at: int) -> tuple[str, ...]:
    """Forget who this customer and all joined into them were, but for digests; the ids of them all, the kept one first.

    Their rows are for `Transaction.erase_owner`, events for `events.erase`.
    """
    root = canonical(transaction, owner)
    sql = transaction.direct()
    owners = joins.members(sql, root)
    ours, secret = list(owners), _secret(transaction)
    aliases = sql.all("SELECT channel, ref FROM alias WHERE owner IN [:owners]", owners=ours)
    terms = sql.all(
        "SELECT DISTINCT term FROM point WHERE owner IN [:owners] AND kind <> 'name'",
        owners=ours,
    )
    marks = {_mark(secret, f"{channel}/{ref}") for channel, ref in aliases} | {
        _mark(secret, term) for (term,) in terms
    }
    sql.many(
        "INSERT INTO forgotten (mark, at) VALUES (:mark, :at) ON CONFLICT (mark) DO UPDATE SET at = excluded.at",
        [{"mark": mark, "at": at} for mark in sorted(marks)],
    )
    _forget_names(transaction, root, ours, secret)
    alike = joins.partners(sql, root)
    for table in ("alias", "point", "said", "folded", "origin", "draft"):
        sql.run(f"DELETE FROM {table} WHERE owner IN [:owners]", owners=ours)  # noqa: S608  # of the names above
    sql.run("DELETE FROM likeness WHERE one IN [:owners] OR other IN [:owners]", owners=ours)
    for partner in alike:
        joins.show_likenesses(transaction, partner)  # it names them
    sql = transaction.direct()
    sql.run(
        "UPDATE joined SET why = '', term = '' WHERE one IN [:owners] OR other IN [:owners]",
        owners=ours,
    )
    sql.run(
        "DELETE FROM joined_row WHERE joined IN (SELECT id FROM joined WHERE one IN [:owners] OR other IN [:owners])",
        owners=ours,
    )
    return owners


def erased_at(sql: Connection, owner: str) -> int:
    """When a customer was erased, 0 for never."""
    found = sql.all("SELECT at FROM erasure WHERE owner = :owner", owner=owner)
    return int(found[0][0]) if found else 0
