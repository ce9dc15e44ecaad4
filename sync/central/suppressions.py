"""Who must not be advertised what: for mailing tools, by digests of how people are reached, never by name.

    no_consent   the customer did not agree to marketing, or withdrew         everything, for good
    open_case    a complaint is open                                          everything, while it is
    returned     something was given back in the last days                    everything, until then
    bought       this product was bought in the last days                     that product, until then
    erased       the customer is gone                                         everything, for good

A row that bears on it marks its customer in the transaction that writes it (`mark`); `make` then says anew what holds for
them, and where that changed the customer's lines get the next number. A tool asks for what is newer than the number it has. A
digest is SHA-256 of the normalised value in hex, as mailing and advertising tools take them: an address in small letters
without outer spaces; a number in E.164 with its +.
"""

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, Final

import msgspec

from sync.central.sql import Connection
from sync.model.contacts import contact_term
from sync.model.records import Case, Consent, ContactPoint, Order
from sync.model.row import Row

if TYPE_CHECKING:
    from sync.central.store import Transaction

TYPE: Final = "suppression.changed"

KINDS: Final = frozenset({"order", "case", "consent", "contact", "customer"})
"""Kinds of rows that bear on it."""

BOUGHT_US: Final = 30 * 86_400 * 1_000_000
RETURNED_US: Final = 30 * 86_400 * 1_000_000
"""How long nobody is advertised what they just bought, nor anything after they gave something back."""

PURPOSE: Final = "marketing"
SOLD: Final = frozenset({"placed", "paid", "ready", "shipped", "delivered", "collected"})
OWNERS_MAX: Final = 200
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


class Numbered(msgspec.Struct, frozen=True):
    """The same, with the number of its latest change and when that was."""

    seq: int
    at: int
    suppression: Suppression


NOTHING: Final = Suppression((), ())


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
    return Suppression(tuple(points), tuple(lines)) if points else NOTHING


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


def mark_all(transaction: "Transaction") -> None:
    """A tool asks for the first time: make it for everybody."""
    transaction.direct().run(
        "INSERT INTO suppression_due (owner) SELECT DISTINCT owner FROM doc WHERE kind = 'customer' AND owner <> ''"
        " ON CONFLICT (owner) DO NOTHING"
    )


def make(
    transaction: "Transaction", *, now: int, limit: int = OWNERS_MAX
) -> tuple[int, list[str]]:
    """Make anew what was marked or has ended; how many customers were looked at, and for whom something changed."""
    transaction.lock_keys(("suppression",))
    sql = transaction.direct()
    found = sql.all(
        "SELECT owner FROM suppression_due UNION"
        " SELECT owner FROM suppression WHERE again_at > 0 AND again_at <= :now LIMIT :limit",
        now=now, limit=limit,
    )  # fmt: skip
    owners = sorted(str(owner) for (owner,) in found)
    sql.run("DELETE FROM suppression_due WHERE owner IN [:owners]", owners=owners)
    changed = [owner for owner in owners if _made(transaction, owner, now=now)]
    return len(owners), changed


def _made(transaction: "Transaction", owner: str, *, now: int) -> bool:
    sql = transaction.direct()
    made = suppression_of(transaction.read.all_of_owner(owner), now=now)
    known = sql.all("SELECT lines FROM suppression WHERE owner = :owner", owner=owner)
    if not known and made == NOTHING:
        return False
    again_at = min((line.until for line in made.lines if line.until), default=0)
    text = msgspec.json.encode(made).decode()
    if known and known[0][0] == text:
        sql.run(
            "UPDATE suppression SET again_at = :again WHERE owner = :owner",
            again=again_at, owner=owner,
        )  # fmt: skip
        return False
    _put(sql, owner, text, again_at=again_at, now=now)
    return True


def _put(sql: Connection, owner: str, text: str, *, again_at: int, now: int) -> None:
    seq = int(sql.all("SELECT COALESCE(MAX(seq), 0) FROM suppression")[0][0]) + 1
    sql.run(
        "INSERT INTO suppression (owner, seq, at, again_at, lines) VALUES (:owner, :seq, :at, :again, :lines)"
        " ON CONFLICT (owner) DO UPDATE SET seq = excluded.seq, at = excluded.at,"
        " again_at = excluded.again_at, lines = excluded.lines",
        owner=owner, seq=seq, at=now, again=again_at, lines=text,
    )  # fmt: skip


def since(sql: Connection, seq: int, *, limit: int) -> list[Numbered]:
    """What changed after that number, in order."""
    found = sql.all(
        "SELECT seq, at, lines FROM suppression WHERE seq > :seq ORDER BY seq LIMIT :limit",
        seq=seq, limit=limit,
    )  # fmt: skip
    return [_numbered(line) for line in found]


def of_owner(sql: Connection, owner: str) -> Numbered | None:
    """What holds for one customer; None where nothing was ever said."""
    found = sql.all("SELECT seq, at, lines FROM suppression WHERE owner = :owner", owner=owner)
    return _numbered(found[0]) if found else None


def _numbered(line: Sequence[Any]) -> Numbered:
    return Numbered(int(line[0]), int(line[1]), msgspec.json.decode(line[2], type=Suppression))


def forget(transaction: "Transaction", owner: str, *, now: int) -> None:
    """A customer is erased: what is kept is that their digests are never to be advertised, and no more whose they were."""
    transaction.lock_keys(("suppression",))
    sql = transaction.direct()
    sql.run("DELETE FROM suppression_due WHERE owner = :owner", owner=owner)
    known = of_owner(sql, owner)
    if known is None:
        return
    gone = Suppression(known.suppression.points, (Line("erased"),))
    name = f"erased:{digest_of(repr(known.suppression.points))[:32]}"
    text = msgspec.json.encode(gone).decode()
    _put(sql, name, text, again_at=0, now=now)  # first: its number must be a new one
    sql.run("DELETE FROM suppression WHERE owner = :owner", owner=owner)
