"""Pull: a page now, or held until one of its scopes moves; and how far each device holds each scope, as it said itself."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from threading import Lock
from typing import Final, TypeVar

from sync.central import device_rows, feed
from sync.central.device_rows import DeviceRecord
from sync.central.enrolment import scopes_of
from sync.central.gate import Caller, denied
from sync.central.moment import Snapshot
from sync.central.parts import Parts, decoded, key_of
from sync.central.pushes import is_lost
from sync.central.transaction import Transaction
from sync.model.errors import StoreError
from sync.model.ports import Request
from sync.model.wire import Cursor, PullRequest

PIECE_SIZE_MAX: Final = 1_048_576
"""Bytes of pages after which a piece of work ends: they wait in memory until all of it is done."""

SHARED_SIZE_MAX: Final = 65_536
"""A larger page is not kept for the next who asks for the same."""

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


One = TypeVar("One")
_Alike = tuple[tuple[Cursor, ...], int, tuple[tuple[str, int], ...]]
"""Who holds the same, asks for as much and reads the same forms gets the same page, but for its end."""


@dataclass(frozen=True, slots=True)
class _Moment:
    """One moment of the store, and what was read and made of it for the polls of one piece of work."""

    snapshot: Snapshot
    feeds: feed.Remembered
    pages: dict[_Alike, feed.Page]


class Pulls:
    """Answers pulls."""

    def __init__(self, parts: Parts) -> None:
        """Over the parts of one centre."""
        self._parts = parts
        self._lock = Lock()
        self._cursors: dict[tuple[str, str], tuple[int, int]] = {}
        self._noted: dict[tuple[str, str], int] = {}

    def begin(self, requests: Sequence[Request]) -> list[Held | Exception]:
        """What changed since the cursors; without a page when nothing did and the caller would wait; or what went wrong.

        For the first of them, and for those after it until what was made is large: who gathered them asks again for the rest.
        """
        with self._moment() as moment:
            return _outcomes(lambda request: self._begun(moment, request), requests)

    def look(self, held: Held) -> Held:
        """The same with a page, when there is news by now. Raises CentreRefused."""
        with self._moment() as moment:
            return self._again(moment, held, is_last=False)

    def end(self, waited: Sequence[Held]) -> list[Held | Exception]:
        """The pages after a wait, all of one moment; or why a device may have none any more. As many as `begin`."""
        with self._moment() as moment:
            return _outcomes(lambda held: self._again(moment, held, is_last=True), waited)

    @contextmanager
    def _moment(self) -> Iterator["_Moment"]:
        with self._parts.store.reading() as snapshot:
            yield _Moment(snapshot, feed.Remembered(snapshot), {})

    def _begun(self, moment: "_Moment", request: Request) -> Held:
        caller = self._parts.gate.admit("pull", request, moment.snapshot)
        pull = decoded(request.body, PullRequest)
        self._check(caller.device, pull)
        if pull.token and is_lost(_said_to(moment.snapshot, caller, pull), pull.token):
            raise denied("session_over", "history")
        for cursor in pull.scopes:
            self._cursors[caller.device.id, cursor.id] = (cursor.seq, self._parts.now)
        return self._looked(moment, Held(caller, pull), is_last=pull.wait_ms == 0)

    def _again(self, moment: "_Moment", held: Held, *, is_last: bool) -> Held:
        device = self._parts.gate.still_may(moment.snapshot, held.caller, "pull")
        self._check(device, held.pull)
        return self._looked(moment, held, is_last=is_last)

    def _looked(self, moment: "_Moment", held: Held, *, is_last: bool) -> Held:
        page = self._page(moment, held, is_last=is_last)
        if page is None:
            return held
        self._count(page)
        whole = page.ended(session_key=key_of(held.caller), request_id=held.caller.request_id)
        return Held(held.caller, held.pull, whole, page.status)

    def _check(self, device: DeviceRecord, pull: PullRequest) -> None:
        scopes = [cursor.id for cursor in pull.scopes]
        if not set(scopes) <= set(scopes_of(device)):
            raise denied("not_allowed", "scope")
        if len(set(scopes)) < len(scopes) or any(it.seq > SEQ_MAX for it in pull.scopes):
            raise denied("malformed", "scopes")
        if any(mark.seq > SEQ_MAX for it in pull.scopes for mark in it.marks):
            raise denied("malformed", "marks")

    def _page(self, moment: "_Moment", held: Held, *, is_last: bool) -> feed.Page | None:
        feeds, cursors = moment.feeds, held.pull.scopes
        if not is_last:
            records = feeds.scopes(cursor.id for cursor in cursors)
            if not feed.has_news(cursors, records):
                return feed.apart(feeds, cursors, records)
        assert held.caller.session is not None  # a pull is signed in one
        reads = held.caller.session.reads
        alike = (cursors, held.pull.limit, tuple(reads.items()))
        page = moment.pages.get(alike)
        if page is None:
            line_of = feed.line_maker(reads)
            page = feed.page(feeds, cursors, limit=held.pull.limit, line_of=line_of)
            if len(page.lines) <= SHARED_SIZE_MAX:
                moment.pages[alike] = page
        return page

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


def _said_to(snapshot: Snapshot, caller: Caller, pull: PullRequest) -> str | None:
    """The token this centre said last to the life that pulls; None to one it does not know."""
    if pull.lineage == caller.device.lineage:
        return caller.token  # it was read with the device
    life = device_rows.lineage(snapshot.sql, caller.device.id, pull.lineage)
    return None if life is None else life.token


def _outcomes(call: Callable[[One], Held], ones: Sequence[One]) -> list[Held | Exception]:
    outcomes: list[Held | Exception] = []
    size = 0
    for one in ones:
        outcome: Held | Exception
        try:
            outcome = call(one)
        except StoreError:
            raise  # what was read for the others is as doubtful
        except Exception as error:  # noqa: BLE001  # carried to who asked, where it is raised
            outcome = error
        else:
            size += len(outcome.page or b"")
        outcomes.append(outcome)
        if size >= PIECE_SIZE_MAX:
            break
    return outcomes


def _note(transaction: Transaction, moved: dict[tuple[str, str], tuple[int, int]]) -> None:
    for (device, scope), (seq, at) in sorted(moved.items()):
        device_rows.note_cursor(transaction, device, scope, seq=seq, at=at)
