"""After a copy of the database was put back: whoever was erased since that copy was made is erased again.

    a node starts          the notes in its file that the database lacks      before it answers anybody
    now and then           the same; and what the database has goes into the file: of this node, or of another
    a device               the notes it holds that its centre may lack         when it finds the histories part, before it pulls

Of a note that the database lacks, the digests are remembered first, so that no operation and no event makes anybody again; then
each record it means is erased, without those it was joined to only in the copy; then the note is a row again. Who was erased here
then or later is left alone: it is done, and whoever has that id now came back to us. Ended anywhere
in between, the next who brings the note has it done. Looking for whom digests mean takes about 2 s for 200,000
customers, and is done only where a note is lacking.
"""

import logging
from collections.abc import Collection, Iterable, Iterator, Sequence
from threading import Lock
from typing import Final, TypeVar

from hardware.errors import DeviceError
from sync.central import erasure, erasure_notes, joining
from sync.central.canonical import canonical, members
from sync.central.denials import Denials
from sync.central.erasure_notes import Note
from sync.central.forgetting import erased_at, hold, owner_mark, remember
from sync.central.gate import denied
from sync.central.moment import Snapshot
from sync.central.parts import Parts, decoded, key_of
from sync.central.suggestions import CENTRE
from sync.central.transaction import Transaction
from sync.model.answers import erased_page
from sync.model.ports import Request
from sync.model.wire import ErasedAnswer, ErasedRequest

OWNERS_SLICE: Final = 5_000
"""Customers whose digests are made at once."""

NOTES_SLICE: Final = 200
"""Notes written in one transaction."""

_TABLES: Final = (
    "doc", "op", "alias", "folded", "point", "said", "event_of", "outgoing", "change", "draft",
)  # fmt: skip
"""Where somebody may be known, by `owner`, with an index by that."""

_NEXT_OF: Final = (
    "SELECT owner FROM (SELECT DISTINCT owner FROM {0} WHERE owner > :last AND owner <> ''"
    " ORDER BY owner LIMIT :n) AS of_{0}"
)
"""That it is not empty is said too: by that, SQLite knows that an index of all others will do."""

_NEXT: Final = " UNION ".join(map(_NEXT_OF.format, _TABLES)) + " ORDER BY owner LIMIT :n"
"""The next customers of all of these, each once."""

One = TypeVar("One")

log = logging.getLogger(__name__)


class ErasingAgain:
    """Takes notes of erasures, for one running centre."""

    def __init__(self, parts: Parts, denials: Denials) -> None:
        """Over the parts of one centre; its deny list is made anew where somebody went."""
        self._parts = parts
        self._denials = denials
        self._lock = Lock()
        self._standing: tuple[int, int] | None = None

    def start(self) -> None:
        """Before anybody is answered: note what was erased by older programs, and erase again whom our file knows.

        One that cannot be written is written later.

        Raises:
            StoreError: the database cannot be read or written.
            DiskFault: our file cannot be read.
        """
        self._compare()

    def tend(self, *, is_all: bool = False) -> int:
        """The same, where another set of notes is in the database than when this was done last; how many were erased again.

        Args:
            is_all: Also where it is the same set: another process may have written the file meanwhile.
        """
        with self._parts.store.reading() as snapshot:
            is_same = erasure_notes.standing(snapshot.sql) == self._standing
            if is_same and not is_all and not erasure.has_unnoted(snapshot.sql):
                return 0
        try:
            return self._compare()
        except DeviceError:  # what the database says stands; the file is read the next time
            log.exception("notes of erasures not read from the file")
            return 0

    def _compare(self) -> int:
        store = self._parts.store
        while self._parts.write(erasure.note_old):
            pass
        n_erased = self.take(erasure.in_file(store))
        # What is noted from here on, by whatever process, is another set the next time.
        with store.reading() as snapshot:
            standing = erasure_notes.standing(snapshot.sql)
        self._standing = standing if erasure.kept(store, now=self._parts.now) else None
        return n_erased

    def erased(self, request: Request) -> bytes:
        """Notes a device holds; how many customers were erased again for them.

        Raises:
            CentreRefused: busy, while others are erased again: who comes then must not keep a thread each.
        """
        caller = self._parts.gate.admit("erased", request)
        texts = decoded(request.body, ErasedRequest).notes
        n_erased = 0
        if self._lacking(texts):
            if not self._lock.acquire(blocking=False):
                raise denied("busy", "customers are being erased again")
            try:
                n_erased = self._take(texts)
            finally:
                self._lock.release()
        answer = ErasedAnswer(n_erased)
        return erased_page(answer, session_key=key_of(caller), request_id=caller.request_id)

    def take(self, texts: Iterable[str]) -> int:
        """Erase again whom these notes mean, of those that this database lacks; how many customers. Raises StoreError."""
        with self._lock:
            return self._take(texts)

    def _take(self, texts: Iterable[str]) -> int:
        lacking = self._lacking(texts)
        if not lacking:
            return 0
        notes = tuple(lacking.values())
        for some in _slices(notes):
            self._parts.write(lambda it: _remember(it, some))  # noqa: B023  # done within
        found = self._found(notes)
        gone, now = found.keys(), self._parts.now
        for owner in sorted(gone):
            self._parts.write(lambda it: _take_apart(it, owner, gone, at=now))  # noqa: B023  # done within
        for owner, then in sorted(found.items()):
            # Joined meanwhile to somebody who is not meant, they are taken apart once more.
            erasure.erase_again(
                self._parts.store, self._parts.write, owner,
                erased_at=then, now=now,
                before=lambda it: _take_apart(it, owner, gone, at=now),  # noqa: B023  # done within
            )  # fmt: skip
        for lines in _slices(tuple(lacking.items())):
            self._parts.write(lambda it: _put(it, lines))  # noqa: B023  # done within
        if found:
            self._parts.store.scrub()
            self._denials.forget()
            self._parts.counters.add("erased.again", len(found))
            log.warning("customers erased again", extra={"count": len(found)})
        return len(found)

    def _lacking(self, texts: Iterable[str]) -> dict[str, Note]:
        store, oldest = self._parts.store, self._parts.now - erasure_notes.KEPT_US
        keys = {erasure_notes.row_key(text): text for text in texts}
        with store.reading() as snapshot:
            known = erasure_notes.known(snapshot.sql, keys)
        opened = {
            text: erasure_notes.opened(text, store.erasure_key)
            for key, text in keys.items()
            if key not in known
        }
        return {
            text: note
            for text, note in opened.items()
            if note is not None and note.at >= oldest
        }

    def _found(self, notes: Sequence[Note]) -> dict[str, int]:
        """Who of those that are here is meant, and when they were erased."""
        wanted: dict[str, int] = {}
        for note in notes:
            wanted.update((mark, max(note.at, wanted.get(mark, 0))) for mark in note.owners)
        secret, found = self._parts.store.secret, dict[str, int]()
        with self._parts.store.reading() as snapshot:
            for owner in _everybody(snapshot):
                at = wanted.get(owner_mark(secret, owner), 0)
                # Erased here then or since: whoever has that id now came back to us.
                if at and erased_at(snapshot.sql, owner) < at:
                    found[owner] = at
        return found


def _everybody(snapshot: Snapshot) -> Iterator[str]:
    """The ids of all customers anything is known of."""
    last = ""
    while lines := snapshot.sql.all(_NEXT, last=last, n=OWNERS_SLICE):
        yield from (str(owner) for (owner,) in lines)
        last = str(lines[-1][0])


def _slices(ones: Sequence[One]) -> Iterator[Sequence[One]]:
    return (ones[at : at + NOTES_SLICE] for at in range(0, len(ones), NOTES_SLICE))


def _remember(transaction: Transaction, notes: Iterable[Note]) -> None:
    for note in notes:
        remember(transaction, (*note.owners, *note.marks), at=note.at)


def _put(transaction: Transaction, lines: Iterable[tuple[str, Note]]) -> None:
    for text, note in lines:
        erasure_notes.put(transaction, text, at=note.at)


def _take_apart(
    transaction: Transaction, owner: str, gone: Collection[str], *, at: int
) -> None:
    """Undo what joins, as the copy has it, one of those who are to be erased to somebody who is not."""
    hold(transaction, owner)
    group = members(transaction.direct(), canonical(transaction, owner))
    if all(one in gone for one in group):
        return
    joins = transaction.direct().all(
        "SELECT id, one, other FROM joined WHERE undone_at = 0 AND one IN [:group] AND other IN [:group]"
        " ORDER BY at DESC, id",
        group=list(group),
    )
    for joined, one, other in joins:
        if (one in gone) != (other in gone):
            joining.undo(transaction, str(joined), by=CENTRE, at=at)
