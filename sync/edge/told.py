"""What the last hello said of this program, kept for the next start: until when it is answered, and what one of the two cannot read."""

from dataclasses import dataclass

import msgspec

from sync.edge.store import EdgeStore
from sync.model.versions import is_older
from sync.model.wire import HelloAnswer

_NAME = "told"
"""In `meta` of the outbox, which outlives a cache that is made anew."""


@dataclass(frozen=True, slots=True)
class Update:
    """The centre answers no program older than `version` from `at` on, microseconds since 1970; this one is."""

    version: str
    at: int


class Told(msgspec.Struct, frozen=True, omit_defaults=True):
    """What a hello said.

    Attributes:
        to: The version of the program it was said to; of another one only the rule counts.
        degraded: Kinds of rows that come in a form newer than that program reads.
        unread: Kinds of operation that program records and the centre cannot read.
        least_version, least_from: The centre's rule: no older program is answered from then on, microseconds since 1970.
    """

    to: str = ""
    degraded: tuple[str, ...] = ()
    unread: tuple[str, ...] = ()
    least_version: str = ""
    least_from: int = 0

    @classmethod
    def of(cls, answer: HelloAnswer, *, to: str) -> "Told":
        """What this answer says to the program of that version."""
        return cls(to, answer.degraded, answer.unread, answer.least_version, answer.least_from)

    def heard_by(self, version: str) -> "Told":
        """The same for a program of this version, which may have been put in the place of that one."""
        if version == self.to:
            return self
        return Told(version, least_version=self.least_version, least_from=self.least_from)

    @property
    def update(self) -> Update | None:
        """That this program is too old for the rule; None where it is not."""
        is_too_old = is_older(self.to, self.least_version)
        return Update(self.least_version, self.least_from) if is_too_old else None


def keep(store: EdgeStore, told: Told) -> None:
    """Remember it, where it is not what is remembered already. Raises StoreError."""
    if told != kept(store):
        with store.outbox.write() as file:
            text = msgspec.json.encode(told).decode()
            file.execute("INSERT OR REPLACE INTO meta VALUES (?, ?)", (_NAME, text))


def kept(store: EdgeStore) -> Told:
    """What was said last; nothing before the first hello. Raises StoreError."""
    found = store.outbox.glance("SELECT value FROM meta WHERE name = ?", (_NAME,))
    try:
        return msgspec.json.decode(str(found[0][0]), type=Told) if found else Told()
    except msgspec.DecodeError:
        return Told()
