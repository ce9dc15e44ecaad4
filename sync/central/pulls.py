"""Pull: a page now, or held until one of its scopes moves; and how far each device holds each scope, as it said itself."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from threading import Lock
from typing import Final

from sync.central import feed
from sync.central.enrolment import scopes_of
from sync.central.gate import Caller, denied
from sync.central.parts import Parts, decoded, key_of
from sync.central.store import Snapshot, Transaction
from sync.model.errors import CentreRefused
from sync.model.ports import Request
from sync.model.wire import PullRequest

SEQ_MAX: Final = 2**62
"""Cursors beyond this are no numbers of ours."""


@dataclass(frozen=True, slots=True)
class Held:
    """A pull on its way; `page` is None while nothing changed and the caller would wait."""

    caller: Caller
    pull: PullRequest
    page: bytes | None = None
    status: int = feed.OK

    @property
    def scopes(self) -> tuple[str, ...]:
        """What it waits for."""
        return tuple(cursor.id for cursor in self.pull.scopes)


class Pulls:
    """Answers pulls."""

    def __init__(self, parts: Parts) -> None:
        """Over the parts of one centre."""
        self._parts = parts
        self._lock = Lock()
        self._cursors: dict[tuple[str, str], tuple[int, int]] = {}
        self._noted: dict[tuple[str, str], int] = {}

    def begin(self, request: Request) -> Held:
        """What changed since the cursors; without a page when nothing did and the caller would wait."""
        caller = self._parts.gate.admit("pull", request)
        pull = decoded(request.body, PullRequest)
        self._check(caller, pull)
        for cursor in pull.scopes:
            self._cursors[caller.device.id, cursor.id] = (cursor.seq, self._parts.now)
        with self._parts.store.reading() as snapshot:
            return self._looked(snapshot, Held(caller, pull), is_last=pull.wait_ms == 0)

    def look(self, held: Held) -> Held:
        """The same with a page, when there is news by now. Raises CentreRefused."""
        with self._parts.store.reading() as snapshot:
            return self._again(snapshot, held, is_last=False)

    def end(self, waited: Sequence[Held]) -> list[Held | CentreRefused]:
        """The pages after a wait, all of one moment; or why a device may have none any more."""
        with self._parts.store.reading() as snapshot:
            return [self._ended(snapshot, held) for held in waited]

    def _ended(self, snapshot: Snapshot, held: Held) -> Held | CentreRefused:
        try:
            return self._again(snapshot, held, is_last=True)
        except CentreRefused as error:
            return error

    def _again(self, snapshot: Snapshot, held: Held, *, is_last: bool) -> Held:
        device = self._parts.gate.still_may(snapshot, held.caller, "pull")
        self._check(replace(held.caller, device=device), held.pull)
        return self._looked(snapshot, held, is_last=is_last)

    def _looked(self, snapshot: Snapshot, held: Held, *, is_last: bool) -> Held:
        page = self._page(snapshot, held, is_last=is_last)
        if page is None:
            return held
        self._count(page)
        whole = page.ended(session_key=key_of(held.caller), request_id=held.caller.request_id)
        return replace(held, page=whole, status=page.status)

    def _check(self, caller: Caller, pull: PullRequest) -> None:
        scopes = [cursor.id for cursor in pull.scopes]
        if not set(scopes) <= set(scopes_of(caller.device)):
            raise denied("not_allowed", "scope")
        if len(set(scopes)) < len(scopes) or any(it.seq > SEQ_MAX for it in pull.scopes):
            raise denied("malformed", "scopes")
        if any(mark.seq > SEQ_MAX for it in pull.scopes for mark in it.marks):
            raise denied("malformed", "marks")

    def _page(self, snapshot: Snapshot, held: Held, *, is_last: bool) -> feed.Page | None:
        cursors = held.pull.scopes
        if not is_last:
            records = snapshot.scopes(cursor.id for cursor in cursors)
            if not feed.has_news(cursors, records):
                return feed.apart(snapshot, cursors, records)
        assert held.caller.session is not None  # a pull is signed in one
        line_of = feed.line_maker(held.caller.session.reads)
        return feed.page(snapshot, cursors, limit=held.pull.limit, line_of=line_of)

    def _count(self, page: feed.Page) -> None:
        for name, n in (
            ("rows.sent", page.n_rows), ("pull.parted", page.n_parted), ("pull.too_old", page.n_too_old),
        ):  # fmt: skip
            if n:
                self._parts.counters.add(name, n)

    def note_cursors(self) -> int:
        """Write down how far the devices said they are since the last time; how many moved. Raises StoreError."""
        with self._lock:
            said = dict(self._cursors)
            moved = {who: it for who, it in said.items() if self._noted.get(who) != it[0]}
            if moved:
                self._parts.write(lambda it: _note(it, moved))
            self._noted |= {who: seq for who, (seq, _) in moved.items()}
            return len(moved)


def _note(transaction: Transaction, moved: dict[tuple[str, str], tuple[int, int]]) -> None:
    for (device, scope), (seq, at) in sorted(moved.items()):
        transaction.note_cursor(device, scope, seq=seq, at=at)
