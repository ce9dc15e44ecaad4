"""People who sign in to the centre's pages: their names, passwords, lock-outs and browsers.

    waiting for a password --counted--> right: signed in, the count is zero again
                                        wrong: five in a row lock for a quarter of an hour, a hundred until a reset

An attempt is counted before the password is looked at, so that many at once are not more guesses; all nodes of a centre count
together, by name and in all: more than TRIES_MAX within TRIES_US wait. A name nobody has costs the
same time and gets the same answer. A browser holds 32 random bytes; we keep their digest. Reset and off end every browser.
"""

import hashlib
import re
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from threading import BoundedSemaphore
from typing import TYPE_CHECKING, Final

import msgspec

from hardware.entropy import Entropy
from sync.central import alerts
from sync.central.parts import Parts
from sync.central.sql import Connection
from sync.central.transaction import Transaction
from sync.model.errors import Malformed
from sync.model.records import CHANNELS

if TYPE_CHECKING:
    from argon2 import PasswordHasher

MINUTE_US: Final = 60_000_000

LASTS_US: Final = 8 * 60 * MINUTE_US
"""After this a browser has to sign in again: a shift."""

IDLE_US: Final = 30 * MINUTE_US
"""After this without a page asked for, too."""

TOUCH_US: Final = MINUTE_US
"""How exactly it is known when a page was last asked for."""

WRONG_MAX: Final = 5
"""Wrong passwords in a row before a name is locked for LOCKED_US, and again after as many more."""

LOCKED_US: Final = 15 * MINUTE_US

WRONG_ALL: Final = 100
"""Wrong passwords in a row after which only a reset helps. Source: NIST SP 800-63B-4, 3.2.2."""

PASSWORD_MIN: Final = 15
"""Characters. Source: NIST SP 800-63B-4, 3.1.1.2, for a password that is the only factor."""

PASSWORD_MAX: Final = 128

CHECKED_AT_ONCE: Final = 2
"""Passwords looked at in one moment: each takes 19 MiB and a tenth of a second of a processor that devices need too."""

TRIES_MAX: Final = 30
"""Attempts by whomever, at all nodes of a centre, within TRIES_US: a shop's whole call centre signs in in two minutes."""

TRIES_US: Final = MINUTE_US

OFF: Final = "off"
ON: Final = "on"
ROLE: Final = "agent"

_NAME: Final = re.compile(r"[a-z0-9][a-z0-9._-]{1,39}")
_AGENT: Final = "name, shown, password, role, state, n_wrong, locked_until, changed_at, channel"
_LETTERS: Final = "abcdefghjkmnpqrstuvwxyz23456789"


class Agent(msgspec.Struct, frozen=True):
    """Somebody who signs in. Its `repr` does not show the password's hash.

    Attributes:
        name: What they sign in with.
        shown: What others see: "Ana (call centre)".
        role: ROLE.
        state: on | off.
        channel: Where they serve, one of CHANNELS.
    """

    name: str
    shown: str
    password: str
    role: str
    state: str
    n_wrong: int = 0
    locked_until: int = 0
    changed_at: int = 0
    channel: str = "phone"

    def __repr__(self) -> str:
        return f"Agent({self.name!r}, {self.state!r})"

    @property
    def actor(self) -> str:
        """How their operations name them; no member of staff of a store has such an id."""
        return f"agent:{self.name}"


class Busy(Exception):
    """Too many passwords are being looked at; nothing was counted."""


class SignedIn(msgspec.Struct, frozen=True):
    """A browser somebody signed in with. `digest` names it in the database."""

    agent: Agent
    digest: str


# What a person at the centre does


def add(sql: Connection, agent: Agent) -> None:
    """Add an agent. Raises Malformed: the name is taken, or something is not as it must be."""
    if not _NAME.fullmatch(agent.name):
        raise Malformed("a name has 2 to 40 of a-z, 0-9, dot, dash and underscore")
    if not 1 <= len(agent.shown.strip()) <= 60 or "\0" in agent.shown:
        raise Malformed("what others see has 1 to 60 characters")
    if agent.channel not in CHANNELS:
        raise Malformed(f"a channel is one of {', '.join(CHANNELS)}")
    if known(sql, agent.name) is not None:
        raise Malformed(f"there is an agent {agent.name}")
    _put(sql, agent)


def reset(sql: Connection, name: str, password: str, *, now: int) -> None:
    """Give an agent another password, and end every browser of theirs. Raises Malformed: there is none."""
    agent = _of(sql, name)
    _put(
        sql,
        msgspec.structs.replace(
            agent, password=password, n_wrong=0, locked_until=0, changed_at=now
        ),
    )
    end_all(sql, name)


def set_state(sql: Connection, name: str, state: str, *, now: int) -> None:
    """Let an agent sign in or not; off ends every browser of theirs. Raises Malformed: there is none."""
    _put(sql, msgspec.structs.replace(_of(sql, name), state=state, changed_at=now))
    if state == OFF:
        end_all(sql, name)


def everybody(sql: Connection) -> list[Agent]:
    """All agents, by name."""
    return [Agent(*line) for line in sql.all(f"SELECT {_AGENT} FROM agent ORDER BY name")]  # noqa: S608  # a constant


def known(sql: Connection, name: str) -> Agent | None:
    """The agent of that name."""
    found = sql.all(f"SELECT {_AGENT} FROM agent WHERE name = :name", name=name)  # noqa: S608  # a constant
    return Agent(*found[0]) if found else None


def end_all(sql: Connection, name: str) -> None:
    """End every browser of an agent."""
    sql.run("DELETE FROM sign_in WHERE agent = :name", name=name)


def _of(sql: Connection, name: str) -> Agent:
    agent = known(sql, name)
    if agent is None:
        raise Malformed(f"there is no agent {name[:40]}")
    return agent


def _put(sql: Connection, agent: Agent) -> None:
    sql.run(
        f"INSERT INTO agent ({_AGENT}) VALUES (:name, :shown, :password, :role, :state, :n_wrong, :locked_until,"  # noqa: S608  # a constant
        " :changed_at, :channel) ON CONFLICT (name) DO UPDATE SET shown = excluded.shown, password = excluded.password,"
        " role = excluded.role, state = excluded.state, n_wrong = excluded.n_wrong, locked_until = excluded.locked_until,"
        " changed_at = excluded.changed_at, channel = excluded.channel",
        **msgspec.structs.asdict(agent),
    )


# Passwords


def hashed(password: str, *, entropy: Entropy) -> str:
    """A password as it is kept.

    Raises:
        Malformed: it is too short, too long, or one sign again and again.
    """
    if not PASSWORD_MIN <= len(password) <= PASSWORD_MAX:
        raise Malformed(f"a password has {PASSWORD_MIN} to {PASSWORD_MAX} characters")
    if len(set(password)) < 5:
        raise Malformed("a password has more than four different characters")
    return _hasher().hash(password, salt=entropy.draw(16))


def drawn(*, entropy: Entropy) -> str:
    """A password to be handed over once: 20 letters and digits nobody mistakes, in groups, 98 bits."""
    signs = [_LETTERS[byte % len(_LETTERS)] for byte in _fair(entropy, 20)]
    return "-".join("".join(signs[at : at + 5]) for at in range(0, 20, 5))


def _fair(entropy: Entropy, count: int) -> list[int]:
    """Bytes of which each letter is as likely as the others."""
    top = 256 - 256 % len(_LETTERS)
    found: list[int] = []
    while len(found) < count:
        found += [byte for byte in entropy.draw(32) if byte < top]
    return found[:count]


@lru_cache(maxsize=1)
def _hasher() -> "PasswordHasher":
    """Argon2id. Source: OWASP Password Storage Cheat Sheet 2024: 19 MiB, 2 passes, 1 lane."""
    from argon2 import PasswordHasher  # 15 ms; not for a centre where nobody signs in

    return PasswordHasher(time_cost=2, memory_cost=19_456, parallelism=1)


@lru_cache(maxsize=1)
def _nobodys() -> str:
    """A hash to look at where there is no agent, so that it takes as long."""
    return _hasher().hash("nobody has this password", salt=b"\0" * 16)


def _is_right(kept: str, password: str) -> bool:
    from argon2.exceptions import InvalidHashError, VerificationError  # see `_hasher`

    try:
        return _hasher().verify(kept, password[:PASSWORD_MAX])
    except (VerificationError, InvalidHashError):
        return False


# Signing in


class Doors:
    """Signs agents of one centre in and out."""

    def __init__(self, parts: Parts) -> None:
        """Over the parts of one centre."""
        self._parts = parts
        self._room = BoundedSemaphore(CHECKED_AT_ONCE)

    def enter(self, name: str, password: str) -> str:
        """The value for the cookie of a browser; "" where name or password is wrong, or the name locked.

        Raises:
            Busy: ask again; nothing was counted.
            StoreError: nothing was written.
        """
        with self._turn():
            agent = self._counted(name) if _NAME.fullmatch(name) else None
            is_right = _is_right(agent.password if agent else _nobodys(), password)
            if agent is None or not is_right:
                return ""
            value = self._parts.entropy.draw(32).hex()
            return value if self._entered(agent, value) else ""

    def is_crowded(self) -> bool:
        """Whether too many tried of late, at any node; otherwise this attempt is counted. Raises StoreError."""
        since = self._parts.now - TRIES_US
        with self._parts.store.reading() as snapshot:
            if _n_tried(snapshot.sql, since) >= TRIES_MAX:
                return True  # nothing is written for who hammers at the door

        def count(transaction: Transaction) -> bool:
            sql = transaction.direct()
            sql.run("DELETE FROM tried WHERE at <= :since", since=since)
            if _n_tried(sql, since) >= TRIES_MAX:
                return True
            sql.run("INSERT INTO tried (at) VALUES (:at)", at=since + TRIES_US)
            return False

        return self._parts.write(count, keys=(_lock(""),))

    @contextmanager
    def _turn(self) -> Iterator[None]:
        if not self._room.acquire(blocking=False):
            raise Busy
        try:
            yield
        finally:
            self._room.release()

    def _counted(self, name: str) -> Agent | None:
        """The agent, with one attempt more; None where none may be made."""
        now = self._parts.now

        def count(transaction: Transaction) -> Agent | None:
            sql = transaction.direct()
            agent = known(sql, name)
            if agent is None or agent.state != ON or agent.n_wrong >= WRONG_ALL:
                return None
            if agent.locked_until > now:
                return None
            n_wrong = agent.n_wrong + 1
            locked_until = now + LOCKED_US if n_wrong % WRONG_MAX == 0 else 0
            sql.run(
                "UPDATE agent SET n_wrong = :n, locked_until = :until WHERE name = :name",
                n=n_wrong, until=locked_until, name=name,
            )  # fmt: skip
            if locked_until:
                alerts.add(transaction, "agent_locked", agent.actor, at=now)
            return agent

        return self._parts.write(count, keys=(_lock(name),))

    def _entered(self, agent: Agent, value: str) -> bool:
        now = self._parts.now

        def enter(transaction: Transaction) -> bool:
            sql = transaction.direct()
            current = known(sql, agent.name)
            if current is None or current.state != ON or current.password != agent.password:
                return False  # it was reset meanwhile
            sql.run(
                "UPDATE agent SET n_wrong = 0, locked_until = 0 WHERE name = :name",
                name=agent.name,
            )
            sql.run("DELETE FROM sign_in WHERE at < :before", before=now - LASTS_US)
            sql.run(
                "INSERT INTO sign_in (digest, agent, at, seen_at) VALUES (:digest, :agent, :at, :at)",
                digest=digest_of(value), agent=agent.name, at=now,
            )  # fmt: skip
            return True

        return self._parts.write(enter, keys=(_lock(agent.name),))

    def who(self, value: str, *, is_touch: bool = True) -> SignedIn | None:
        """Who signed in with this browser, if that still holds.

        Args:
            value: What its cookie says.
            is_touch: A person asked for the page; one that asks for itself does not keep the browser signed in.
        """
        if len(value) != 64:
            return None
        now, digest = self._parts.now, digest_of(value)
        with self._parts.store.reading() as snapshot:
            found = snapshot.sql.all(
                "SELECT agent, at, seen_at FROM sign_in WHERE digest = :digest", digest=digest
            )
            agent = known(snapshot.sql, found[0][0]) if found else None
        if agent is None or agent.state != ON or agent.role != ROLE:
            return None
        _, at, seen_at = found[0]
        if not 0 <= now - at < LASTS_US or now - seen_at >= IDLE_US:
            return None
        if is_touch and now - seen_at >= TOUCH_US:
            self._parts.write(
                lambda it: it.direct().run(
                    "UPDATE sign_in SET seen_at = :now WHERE digest = :digest",
                    now=now, digest=digest,
                )
            )  # fmt: skip
        return SignedIn(agent, digest)

    def leave(self, signed_in: SignedIn) -> None:
        """Sign a browser out."""
        self._parts.write(
            lambda it: it.direct().run(
                "DELETE FROM sign_in WHERE digest = :digest", digest=signed_in.digest
            )
        )


def _n_tried(sql: Connection, since: int) -> int:
    return int(sql.all("SELECT COUNT(*) FROM tried WHERE at > :since", since=since)[0][0])


def digest_of(value: str) -> str:
    """How a browser is named in the database: who reads that cannot be that browser."""
    return hashlib.sha256(value.encode()).hexdigest()


def _lock(name: str) -> str:
    return f"agent/{name}"
