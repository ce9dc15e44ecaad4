"""Who must not be advertised what: for mailing tools, by digests of how people are reached, never by name.

    no_consent   the customer did not agree to marketing, or withdrew         everything, for good
    open_case    a complaint is open                                          everything, while it is
    returned     something was given back in the last days                    everything, until then
    bought       this product was bought in the last days                     that product, until then
    erased       the customer is gone                                         everything, for good

A row that bears on it marks its customer in the transaction that writes it (`mark`); `make` then says anew what holds for
them. What holds for a digest is all that holds for any customer reached by it; where that changed it gets the next number, and
a tool asks for what is newer than the number it has. A digest is SHA-256 of the normalised value in hex, as mailing and advertising tools take them: an address in small letters
without outer spaces; a number in E.164 with its +.
"""

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from typing import Final

import msgspec

from sync.central.sql import Connection
from sync.central.transaction import Transaction
from sync.model.contacts import contact_term
from sync.model.records import Case, Consent, ContactPoint, Order
from sync.model.row import Row

TYPE: Final = "suppression.changed"

KINDS: Final = frozenset({"order", "case", "consent", "contact", "customer"})
"""Kinds of rows that bear on it."""

BOUGHT_US: Final = 30 * 86_400 * 1_000_000
RETURNED_US: Final = 30 * 86_400 * 1_000_000
"""How long nobody is advertised what they just bought, nor anything after they gave something back."""

PURPOSE: Final = "marketing"
ERASED: Final = "-erased-"
"""Whose a digest is once its owner was erased."""

SOLD: Final = frozenset({"placed", "paid", "ready", "shipped", "delivered", "collected"})
OWNERS_MAX: Final = 50
"""Customers made anew in one transaction."""

PRODUCTS_MAX: Final = 200
"""Products of one customer that are named."""


class Line(msgspec.Struct, frozen=True, omit_defaults=True):
    """One reason why somebody must not be advertised.

    Attributes:
        until: When it ends, microseconds since 1970; 0 for as long as nothing else is said.
        product: The one product it is about, "" for everything.
    """

    reason: str
    until: int = 0
    product: str = ""


class Suppression(msgspec.Struct, frozen=True):
    """What holds for one customer.

    Attributes:
        points: (kind, digest) of each way they are reached.
    """

    points: tuple[tuple[str, str], ...]
    lines: tuple[Line, ...]


class Suppressed(msgspec.Struct, frozen=True):
    """What holds for one way somebody is reached, with the number of its latest change and when that was.

    Attributes:
        kind: email | phone.
        lines: Of all customers reached by it; () when nothing holds any more.
    """

    seq: int
    at: int
    kind: str
    digest: str
    lines: tuple[Line, ...]


def digest_of(value: str) -> str:
    """How mailing tools know an address or a number."""
    return hashlib.sha256(value.encode()).hexdigest()


def suppression_of(rows: Iterable[Row], *, now: int) -> Suppression:
    """What holds for the customer of these rows at this moment."""
    known = tuple(rows)
    points = sorted({point for row in known if (point := _point(row)) is not None})
    lines = sorted(
        set(_lines(known, now=now)), key=lambda it: (it.reason, it.product, it.until)
    )
    return Suppression(tuple(points), tuple(lines))


def _point(row: Row) -> tuple[str, str] | None:
    body = row.body
    if not isinstance(body, ContactPoint):
        return None
    if body.channel == "email":
        return ("email", digest_of(body.value.strip().lower()))
    term = contact_term(body.value)
    return ("phone", digest_of(term)) if term.startswith("+") else None


def _lines(rows: Sequence[Row], *, now: int) -> Iterator[Line]:
    said = [
        it.body for it in rows if isinstance(it.body, Consent) and it.body.purpose == PURPOSE
    ]
    if not said or not max(said, key=lambda it: (it.at, not it.is_granted)).is_granted:
        yield Line("no_consent")
    bought: dict[str, int] = {}
    for row in rows:
        match row.body:
            case Case(state="open"):
                yield Line("open_case")
            case Order(state="returned") if row.as_of + RETURNED_US > now:
                yield Line("returned", row.as_of + RETURNED_US)
            case Order(at=at, state=state, lines=lines) if (
                state in SOLD and at + BOUGHT_US > now
            ):
                for line in lines:
                    bought[line.product] = max(bought.get(line.product, 0), at + BOUGHT_US)
            case _:
                pass
    for product, until in sorted(bought.items())[:PRODUCTS_MAX]:
        yield Line("bought", until, product)


# As rows


def mark(sql: Connection, owners: Iterable[str]) -> None:
    """What holds for these customers is to be made anew."""
    sql.many(
        "INSERT INTO suppression_due (owner) VALUES (:owner) ON CONFLICT (owner) DO NOTHING",
        [{"owner": owner} for owner in sorted(set(owners)) if owner],
    )


def mark_all(transaction: Transaction) -> None:
    """A tool asks for the first time: make it for everybody."""
    transaction.direct().run(
        "INSERT INTO suppression_due (owner) SELECT DISTINCT owner FROM doc WHERE kind = 'customer' AND owner <> ''"
        " ON CONFLICT (owner) DO NOTHING"
    )


def is_due(sql: Connection, *, now: int) -> bool:
    """Whether there is somebody to make it anew for."""
    found = sql.all(
        "SELECT 1 FROM suppression_due UNION ALL"
        " SELECT 1 FROM suppression WHERE again_at > 0 AND again_at <= :now LIMIT 1",
        now=now,
    )
    return bool(found)


def make(
    transaction: Transaction, *, now: int, limit: int = OWNERS_MAX
) -> tuple[int, list[Suppressed]]:
    """Make anew what was marked or has ended; how many customers were looked at, and what changed."""
    transaction.lock_keys(("suppression",))
    sql = transaction.direct()
    found = sql.all(
        "SELECT owner FROM suppression_due UNION"
        " SELECT owner FROM suppression WHERE again_at > 0 AND again_at <= :now LIMIT :limit",
        now=now, limit=limit,
    )  # fmt: skip
    owners = sorted(str(owner) for (owner,) in found)
    sql.run("DELETE FROM suppression_due WHERE owner IN [:owners]", owners=owners)
    touched: dict[str, str] = {}
    for owner in owners:
        made = suppression_of(transaction.read.all_of_owner(owner), now=now)
        touched |= _keep(sql, owner, made)
    return len(owners), [
        changed
        for digest, kind in sorted(touched.items())
        if (changed := _renewed(sql, digest, kind, now=now)) is not None
    ]


def _keep(sql: Connection, owner: str, made: Suppression) -> dict[str, str]:
    """Write down what holds for a customer; the digests it bears on, or bore on, with their kinds."""
    before = sql.all(
        "SELECT digest, kind FROM suppressed WHERE digest IN (SELECT digest FROM suppressed_of WHERE owner = :owner)",
        owner=owner,
    )
    points = {digest: kind for kind, digest in made.points}
    sql.run("DELETE FROM suppressed_of WHERE owner = :owner", owner=owner)
    sql.many(
        "INSERT INTO suppressed_of (digest, owner) VALUES (:digest, :owner)",
        [{"digest": digest, "owner": owner} for digest in points],
    )
    if not any(line.reason == "no_consent" for line in made.lines):
        # Who was erased and agreed anew is no more to be left alone.
        sql.run(
            "DELETE FROM suppressed_of WHERE owner = :erased AND digest IN [:digests]",
            erased=ERASED, digests=list(points),
        )  # fmt: skip
    sql.run(
        "INSERT INTO suppression (owner, again_at, lines) VALUES (:owner, :again, :lines)"
        " ON CONFLICT (owner) DO UPDATE SET again_at = excluded.again_at, lines = excluded.lines",
        owner=owner, again=min((line.until for line in made.lines if line.until), default=0),
        lines=msgspec.json.encode(made.lines).decode(),
    )  # fmt: skip
    return {str(digest): str(kind) for digest, kind in before} | points


def _renewed(sql: Connection, digest: str, kind: str, *, now: int) -> Suppressed | None:
    """What holds for a digest now, written under the next number; None where that is what was said before."""
    found = sql.all(
        "SELECT it.owner, suppression.lines FROM suppressed_of AS it"
        " LEFT JOIN suppression ON suppression.owner = it.owner WHERE it.digest = :digest ORDER BY it.owner",
        digest=digest,
    )
    lines: set[Line] = set()
    for owner, text in found:
        lines |= {Line("erased")} if owner == ERASED else set()
        lines |= set(msgspec.json.decode(text or "[]", type=tuple[Line, ...]))
    ordered = tuple(sorted(lines, key=lambda it: (it.reason, it.product, it.until)))
    text = msgspec.json.encode(ordered).decode()
    known = sql.all("SELECT lines FROM suppressed WHERE digest = :digest", digest=digest)
    if (not known and not ordered) or (known and known[0][0] == text):
        return None
    seq = int(sql.all("SELECT COALESCE(MAX(seq), 0) FROM suppressed")[0][0]) + 1
    sql.run(
        "INSERT INTO suppressed (digest, kind, seq, at, lines) VALUES (:digest, :kind, :seq, :at, :lines)"
        " ON CONFLICT (digest) DO UPDATE SET seq = excluded.seq, at = excluded.at, lines = excluded.lines",
        digest=digest, kind=kind, seq=seq, at=now, lines=text,
    )  # fmt: skip
    return Suppressed(seq, now, kind, digest, ordered)


def since(sql: Connection, seq: int, *, limit: int) -> list[Suppressed]:
    """What changed after that number, in order."""
    found = sql.all(
        "SELECT seq, at, kind, digest, lines FROM suppressed WHERE seq > :seq ORDER BY seq LIMIT :limit",
        seq=seq, limit=limit,
    )  # fmt: skip
    return [
        Suppressed(
            int(line[0]), int(line[1]), line[2], line[3],
            msgspec.json.decode(line[4], type=tuple[Line, ...]),
        )
        for line in found
    ]  # fmt: skip


def forget(
    transaction: Transaction, owner: str, *, now: int, is_wanted: bool = True
) -> list[Suppressed]:
    """A customer is erased: what is kept is that their digests are not to be advertised, and no more whose they were.

    Where a tool wants to know, also digests of which nothing was to be said until now.
    """
    transaction.lock_keys(("suppression",))
    sql = transaction.direct()
    found = {
        str(digest): str(kind)
        for digest, kind in sql.all(
            "SELECT digest, kind FROM suppressed WHERE digest IN (SELECT digest FROM suppressed_of WHERE owner = :owner)",
            owner=owner,
        )
    }
    if is_wanted:
        rows = transaction.read.all_of_owner(owner)
        found |= {point[1]: point[0] for row in rows if (point := _point(row)) is not None}
    sql.run("DELETE FROM suppression_due WHERE owner = :owner", owner=owner)
    sql.run("DELETE FROM suppression WHERE owner = :owner", owner=owner)
    sql.run("DELETE FROM suppressed_of WHERE owner = :owner", owner=owner)
    sql.many(
        "INSERT INTO suppressed_of (digest, owner) VALUES (:digest, :owner) ON CONFLICT (digest, owner) DO NOTHING",
        [{"digest": digest, "owner": ERASED} for digest in found],
    )
    renewed = (_renewed(sql, digest, kind, now=now) for digest, kind in sorted(found.items()))
    return [one for one in renewed if one is not None]
