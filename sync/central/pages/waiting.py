"""Who waits for us, for the agents' list: what is over the longest first.

It says who, in which channel and since when, and nothing of what they wrote; a child is not on it. Whoever opens one of them
does so by a search like any other: it is written down, and counts as one.
"""

from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import Final

from sync.central.moment import Snapshot
from sync.central.pages.browsers import form_key
from sync.central.sql import Connection
from sync.model.card import plain
from sync.model.errors import Malformed
from sync.model.records import Customer, key_of
from sync.model.row import Row, body_of
from sync.model.watch import Contact, DuePromise, contacts_of, due_promises, waiting_of

SHOWN_MAX: Final = 100
"""Lines of the list; the rest is counted."""

HOW: Final = "the list of who waits"
"""By what somebody was found, as it is kept."""

_FOR_EVER: Final = 2**62

_ROW: Final = "SELECT key, owner, version, as_of, source, body FROM doc"
_PROMISED: Final = f"{_ROW} WHERE kind = 'case' AND body LIKE '%\"promise\":{{%' AND body LIKE '%\"state\":\"open\"%'"
_OF_KEYS: Final = f"{_ROW} WHERE key IN [:keys]"


@dataclass(frozen=True, slots=True)
class Waits:
    """One who waits. Its `repr` names nobody.

    Attributes:
        what: late | waiting | promise_broken | promise_due.
        since: When they wrote; of a promise 0.
        again_at: Until when it was promised once more, 0 for not.
    """

    owner: str
    name: str
    what: str
    channel: str
    key: str
    since: int
    due_at: int
    again_at: int = 0
    n_promised: int = 0
    n_broken: int = 0

    def __repr__(self) -> str:
        return f"Waits({self.what}, {self.key})"

    @property
    def is_late(self) -> bool:
        """Whether it is over already."""
        return self.what in ("late", "promise_broken")


def waiting(snapshot: Snapshot, *, now: int) -> tuple[Waits, ...]:
    """Everybody who waits at `now`, microseconds since 1970. Raises StoreError."""
    contacts = waiting_of(contacts_of(snapshot.contacts_owed(before=_FOR_EVER)))
    cases = _rows(snapshot.sql, _PROMISED, "case")
    promises = due_promises(cases, now=now, soon_us=_FOR_EVER - now)
    owners = {it.owner for it in contacts} | {it.owner for it in promises}
    keys = sorted(key_of("customer", owner) for owner in owners)
    names = dict(_named(_rows(snapshot.sql, _OF_KEYS, "customer", keys=keys)))
    found = [_contact(it, names[it.owner], now) for it in contacts if it.owner in names]
    found += [_promise(it, names[it.owner], now) for it in promises if it.owner in names]
    return tuple(sorted(found, key=lambda it: (it.due_at, it.key)))


def mark_of(one: Waits, cookie: str) -> str:
    """What stands for one of the list in a form of this browser: no id of anybody's."""
    return form_key(cookie, f"waits {one.key}")


def _rows(sql: Connection, question: str, kind: str, **values: object) -> Iterator[Row]:
    """The rows of a kind that this version can read."""
    for key, owner, version, as_of, source, body in sql.all(question, **values):
        with suppress(Malformed):
            yield Row(
                key, kind, owner, version, as_of, source, body_of(kind, str(body).encode())
            )


def _contact(it: Contact, name: str, now: int) -> Waits:
    what = "late" if it.is_late(now) else "waiting"
    return Waits(it.owner, name, what, it.channel, it.key, it.at, it.due_at)


def _promise(it: DuePromise, name: str, now: int) -> Waits:
    what = "promise_broken" if it.is_broken(now) else "promise_due"
    return Waits(
        it.owner, name, what, "", it.key, 0, it.due_at, it.again_at, it.n_promised, it.n_broken
    )


def _named(rows: Iterable[Row]) -> Iterable[tuple[str, str]]:
    """Who is shown: grown-ups we have a row of."""
    for row in rows:
        if isinstance(row.body, Customer) and not row.body.guardian:
            name = plain(f"{row.body.given_name} {row.body.family_name}", 60)
            yield row.owner, name or "somebody without a name"
