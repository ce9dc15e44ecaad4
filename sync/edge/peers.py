"""This device among the others of its store: tells the relay what happens here, hears what happened there. In its own thread.

    lost -> greet -> catch up -> tell all -> up: hear (held), tell (when woken)        anything fails: lost, and again

A request asks for its place before it is recorded (`ordered`, at most OFFER_MS): others that came in between are folded in
and it is judged again. A fact is recorded first and told after. Without the relay a device carries on alone, by the
rights it has to act alone; that is said, and healed when the relay is back: what was offered and never recorded is
withdrawn, and what was recorded meanwhile is told. Nothing waits for the relay but an offer, and that not for long.
"""

import asyncio
import contextlib
import logging
import threading
from collections.abc import Callable, Coroutine, Iterable, Iterator, Sequence
from concurrent import futures
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final, TypeVar

import msgspec

from hardware.clock import Clock
from hardware.entropy import Entropy
from hardware.moments import micros_of
from sync.edge.peer_ops import PeerOps, decoded
from sync.edge.recorder import Kept
from sync.edge.relay import Changes, Item
from sync.edge.relay_client import RelayClient
from sync.edge.relay_wire import (
    ITEMS_MAX,
    WAIT_MS_MAX,
    RelayError,
    RelayFull,
    RelayLost,
    SessionOver,
)
from sync.edge.store import EdgeStore, Transaction
from sync.model.errors import StoreError
from sync.model.operation import Operation, OperationClass, Refusal
from sync.model.registry import KINDS, Readable, read

log = logging.getLogger(__name__)

OFFER_MS: Final = 300
"""How long a request may wait for its place; after that the device carries on alone."""

AGAIN_MS: Final = 1_000
"""Pause before a relay that does not answer is asked again, drawn between half of it and one and a half."""

AGAIN_MAX_MS: Final = 60_000
"""Longest pause, where another machine with this device's keys takes the session each time: both are here now and then, and the
others are left alone in between. A session that stood as long was nobody's to take, or is over."""

STOP_S: Final = 2.0
HEARD_WAIT_MS: Final = WAIT_MS_MAX
LATELY_US: Final = 24 * 3_600 * 1_000_000
"""How long ago something can have been settled and still be told to a new mailbox: a device without a network may need it."""

LATELY_MAX: Final = 1_000
KEEPING_MAX: Final = 2
"""Parts on their way to the relay at once; one that comes meanwhile is not given to it."""

TELL_SIZE_MAX: Final = 524_288
"""Bytes of operations in one request."""

OFF: Final = "off"
UP: Final = "ok"

Value = TypeVar("Value")

_NEW = """SELECT n, id, raw, state FROM op WHERE state IN ('recorded', 'sending') AND n > ? ORDER BY n LIMIT 200"""
_LATELY = """SELECT n, id, raw, state FROM op WHERE state = 'applied' AND settled_at > ? ORDER BY n DESC LIMIT ?"""
_N_WAITING = "SELECT count(*) FROM op WHERE state IN ('recorded', 'sending')"
_STATES = "SELECT id, state, raw FROM op WHERE id IN (SELECT value FROM json_each(?))"
_REACH = """
    SELECT scope, max(seq) FROM (
        SELECT scope, seq FROM held WHERE key IN (SELECT value FROM json_each(?1)) AND seq > 0
        UNION ALL SELECT scope, seq FROM answered WHERE key IN (SELECT value FROM json_each(?1))
    ) GROUP BY scope"""


@dataclass(frozen=True, slots=True)
class RelayStatus:
    """How this device stands with the relay of its store.

    Attributes:
        code: "off" without one, "ok", or an error code of `relay_wire`.
        since: Since when, microseconds since 1970.
        n_theirs: Operations of other devices that the feed has not brought yet.
    """

    code: str = OFF
    since: int = 0
    n_theirs: int = 0


class Peers:
    """The relay as one device uses it. Start it and stop it once; `ordered` and `wake` may be called from any thread.

    Attributes:
        ops: What the other devices did.
        offer_ms: How long a request may wait for its place.
        again_ms: Pause before a relay that does not answer is asked again.
    """

    def __init__(
        self,
        client: RelayClient,
        store: EdgeStore,
        *,
        device: str,
        clock: Clock,
        entropy: Entropy,
        on_change: Callable[[], None] = lambda: None,
    ) -> None:
        """Put it together.

        Args:
            client: Not shared with another.
            store: Of the same device.
            device: Its id.
            clock: Deadlines and waiting.
            entropy: How pauses are drawn.
            on_change: Called on the relay's thread after its status, or what others did, changed; it must return at once.
        """
        self._client = client
        self._store = store
        self._clock = clock
        self._entropy = entropy
        self._on_change = on_change
        self.ops = PeerOps(store, device=device)
        self.offer_ms = OFFER_MS
        self.again_ms = AGAIN_MS
        self._device = device
        self._known: dict[
            str, str
        ] = {}  # of this device's, as the mailbox has them; the relay's thread writes it
        self._n_told = 0
        self._is_full = False  # the mailbox had no room for something that was told
        self._n_kept = 0
        self._n_taken = 0
        self._is_at_once = (
            False  # the relay ended our session: it is greeted again without a pause
        )
        self._under_way: set[str] = set()
        self._unsure: set[str] = set()
        self._lost: set[str] = set()  # settled in a history the centre lost
        self._status = RelayStatus(RelayLost.code, micros_of(clock.now()))
        self._thread: threading.Thread | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._woken: asyncio.Event | None = None
        self._stopping: asyncio.Event | None = None
        self._life = ""
        self._is_ready = threading.Event()
        self._working: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin in a thread of its own."""
        assert self._thread is None, "started once"
        self._thread = threading.Thread(target=self._main, name="peers", daemon=True)
        self._thread.start()
        self._is_ready.wait()

    def stop(self) -> None:
        """End the thread within STOP_S; harmless when done twice."""
        thread, self._thread = self._thread, None
        if thread is None:
            return
        self._call(self._stopping.set if self._stopping is not None else None)
        thread.join(STOP_S)
        if thread.is_alive():
            log.error("peers thread did not stop")

    def wake(self) -> None:
        """Something was recorded or settled here. From any thread, also before `start` and after `stop`."""
        self._call(self._woken.set if self._woken is not None else None)

    def status(self) -> RelayStatus:
        """How things stand, as of the last change."""
        return self._status

    # Parts of snapshots

    async def part(self, name: str) -> bytes | None:
        """A part of a snapshot that another device of the store already had; None without one. On any event loop."""
        loop = self._loop
        if loop is None or self._status.code != UP:
            return None
        asking = self._client.part(name)
        try:
            return await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(asking, loop))
        except RelayError:
            return None
        except RuntimeError:  # the loop is closed
            asking.close()
            return None

    def keep(self, content: bytes) -> None:
        """Give a part to the relay for the next device that needs it, when there is time for it. From any thread."""
        if self._status.code == UP and self._n_kept < KEEPING_MAX:
            self._n_kept += 1
            self._call(lambda: asyncio.ensure_future(self._kept(content)))

    async def _kept(self, content: bytes) -> None:
        try:
            await self._client.keep(content)
        except RelayError as error:
            log.info("part was not kept", extra={"code": error.code})
        finally:
            self._n_kept -= 1

    # Recording in the store's order

    @contextmanager
    def ordered(self, judge: Callable[[], Kept | Refusal]) -> Iterator[Kept | Refusal]:
        """What `judge` says once everything is folded in that came before; record it within the block.

        Args:
            judge: Judges on the rows as they are now; called again when others came in between. Its operations keep
                their ids.

        Raises:
            StoreError: this device's files.
        """
        life, seen = self.ops.seen()
        judged = judge()
        if not isinstance(judged, Kept) or not self._needs_place(judged):
            yield judged
            self.wake()
            return
        ids = {op.id for op in judged.ops}
        self._under_way |= ids
        try:
            yield self._placed(judged, judge, life=life, seen=seen)
        finally:
            self._under_way -= ids
            self.wake()

    def _needs_place(self, judged: Kept) -> bool:
        is_asking = any(KINDS[op.kind].op_class is OperationClass.REQUEST for op in judged.ops)
        return is_asking and not judged.waits and self._status.code == UP

    def _placed(
        self, judged: Kept, judge: Callable[[], Kept | Refusal], *, life: str, seen: int
    ) -> Kept | Refusal:
        until_ms = self._clock.ticks_ms() + self.offer_ms
        keys = _keys_of(judged.ops)
        while (left_ms := until_ms - self._clock.ticks_ms()) > 0:
            items = [_item_of(op, "offered") for op in judged.ops]
            try:
                offered = self._asked(
                    lambda: self._client.offer(items, seen=seen, deadline_ms=left_ms),  # noqa: B023  # done within
                    life=life,
                    deadline_ms=left_ms,
                )
            except RelayError as error:
                self._unsure |= {op.id for op in judged.ops}
                self._failed(error)
                return judged
            if offered.status == "accepted":
                self._known.update((op.id, "offered") for op in judged.ops)
            if offered.status != "behind":
                return judged  # its place; or the relay cannot give one, and it is alone's right that decides
            self.ops.show(offered.ahead)
            again = judge()
            if not isinstance(again, Kept):
                return again
            judged = again
            seen = offered.seen if _keys_of(judged.ops) <= keys else seen
            keys |= _keys_of(judged.ops)
        return judged

    def _asked(
        self, call: Callable[[], Coroutine[Any, Any, Value]], *, life: str, deadline_ms: int
    ) -> Value:
        """Run a call on the relay's loop, from another thread."""

        async def in_life() -> Value:
            if life != self._life:
                raise RelayLost("the relay began a new life")
            return await call()

        loop = self._loop
        if loop is None:
            raise RelayLost("not started")
        coroutine = in_life()
        try:
            asked = asyncio.run_coroutine_threadsafe(coroutine, loop)
        except RuntimeError as error:  # the loop is closed
            coroutine.close()
            raise RelayLost("stopped") from error
        try:
            return self._waited_for(asked, deadline_ms)
        except (TimeoutError, futures.CancelledError) as error:
            asked.cancel()
            raise RelayLost("no place in time") from error

    def _waited_for(self, asked: "futures.Future[Value]", deadline_ms: int) -> Value:
        """Block this thread; where it is the loop's own as well, whoever owns both lets the loop turn meanwhile."""
        return asked.result(deadline_ms / 1_000)

    def _failed(self, error: RelayError) -> None:
        """An offer failed: nobody waits for this relay again before it was greeted anew."""
        log.info("offer failed", extra={"code": error.code})
        self._say(error.code)
        working = self._working
        self._call(working.cancel if working is not None else None)

    # The thread

    def _call(self, what: Callable[[], object] | None) -> None:
        loop = self._loop
        if loop is not None and what is not None:
            with contextlib.suppress(
                RuntimeError
            ):  # the loop is closed: nobody is left to hear it
                loop.call_soon_threadsafe(what)

    def _main(self) -> None:
        try:
            asyncio.run(self.run())
        finally:
            self._is_ready.set()

    async def run(self) -> None:
        """Listen and tell on the running event loop until `stop` or until cancelled: for a program that has a loop of its own."""
        self._loop = asyncio.get_running_loop()
        self._woken, self._stopping = asyncio.Event(), asyncio.Event()
        self._is_ready.set()
        stopping = asyncio.ensure_future(self._stopping.wait())
        try:
            while not stopping.done():
                self._is_at_once = False
                self._working = asyncio.ensure_future(self._worked())
                await asyncio.wait(
                    {stopping, self._working}, return_when=asyncio.FIRST_COMPLETED
                )
                if not stopping.done() and not self._is_at_once:
                    pausing = asyncio.ensure_future(self._clock.pause_ms(self._pause_ms()))
                    try:
                        await asyncio.wait(
                            {stopping, pausing}, return_when=asyncio.FIRST_COMPLETED
                        )
                    finally:
                        pausing.cancel()
        finally:
            stopping.cancel()
            if self._working is not None:
                self._working.cancel()
                await asyncio.gather(self._working, return_exceptions=True)
            await self._client.close()

    def _pause_ms(self) -> int:
        drawn = int.from_bytes(self._entropy.draw(2), "big")
        again_ms = min(AGAIN_MAX_MS, self.again_ms << min(max(0, self._n_taken - 1), 16))
        return again_ms // 2 + drawn * again_ms // 65_536

    async def _worked(self) -> None:
        """Everything from hello until something fails."""
        began_ms, is_taken = self._clock.ticks_ms(), False
        try:
            await self._met()
        except SessionOver:
            # The relay was started anew, and is greeted again; or a copy of this device greeted it, and will again.
            is_taken = True
        except RelayError as error:
            self._say(error.code)
        except StoreError as error:
            log.warning("store failed", extra={"code": error.code})
        except asyncio.CancelledError:
            pass  # an offer failed, or we stop
        except Exception:
            # A defect here must not end the thread: the device would be alone for good.
            log.exception("peers job raised")
            self._say(RelayLost.code)
        finally:
            self._life = ""
        has_stood = self._clock.ticks_ms() - began_ms > AGAIN_MAX_MS
        self._n_taken = (0 if has_stood else self._n_taken) + is_taken
        # Until somebody answers, what was said before is not known to be true any more: for no longer than a hello takes.
        self._is_at_once = is_taken and self._n_taken == 1
        if is_taken and not self._is_at_once:
            self._say(RelayLost.code)

    async def _met(self) -> None:
        assert self._woken is not None
        life = await self._client.hello(lineage=self._store.lineage)
        since = self.ops.begin(life)
        self._known = self.ops.own()
        self._n_told = 0
        changes = await self._client.listen(since=since, wait_ms=0)
        self._took(changes)
        while changes.is_more:
            changes = await self._client.listen(
                since=changes.to, wait_ms=0, whole_at=changes.whole_at
            )
            self._took(changes)
        await self._tell(is_first=True)
        self._life = life
        self._say(RelayFull.code if self._is_full else UP)
        hearing = asyncio.ensure_future(self._heard(changes))
        telling = asyncio.ensure_future(self._told_on())
        try:
            done, _ = await asyncio.wait(
                {hearing, telling}, return_when=asyncio.FIRST_COMPLETED
            )
            for task in done:
                task.result()
        finally:
            hearing.cancel()
            telling.cancel()
            await asyncio.gather(hearing, telling, return_exceptions=True)

    async def _heard(self, changes: Changes) -> None:
        while True:
            changes = await self._client.listen(
                since=changes.to, wait_ms=HEARD_WAIT_MS, whole_at=changes.whole_at
            )
            if self._is_full:
                self.wake()  # there may be room by now, also for one who has no news
            if self._took(changes) | bool(self.ops.drop_reached()):
                self._say(RelayFull.code if self._is_full else UP)
                self._tell_listener()

    def _took(self, changes: Changes) -> bool:
        """Whether anything of others is different now."""
        is_other = self.ops.take(changes)
        for entry in changes.entries:
            if entry.device != self._device:
                continue
            if entry.state == "withdrawn":
                self._known.pop(entry.op, None)
            else:
                self._known[entry.op] = entry.state
        return is_other

    async def _told_on(self) -> None:
        assert self._woken is not None
        while True:
            await self._woken.wait()
            self._woken.clear()
            was_full = self._is_full
            await self._tell()
            is_over = self.ops.drop_reached()
            if is_over or was_full:
                self._say(RelayFull.code if self._is_full else UP)
                self._tell_listener()

    # Telling

    async def _tell(self, *, is_first: bool = False) -> None:
        """Say what became of this device's operations since the last time; all of it the first time, and after there was no room."""
        if self._is_full:
            self._n_told, self._is_full = 0, False
        self._lost = self.ops.lost()
        while news := self._news():
            for chunk in _chunks(news):
                await self._tell_these(chunk)
        for chunk in _chunks(self._changed()):
            await self._tell_these(chunk)
        if is_first:
            for chunk in _chunks(self._lately()):
                await self._tell_these(chunk)
            await self._client.tell((), is_all=True)

    async def _tell_these(self, items: Sequence[Item]) -> None:
        told = await self._client.tell(items)
        unknown = set(told.unknown)
        whole = [self._whole(item) for item in items if item.op in unknown]
        if whole and not told.is_full:
            told = await self._client.tell([item for item in whole if item.raw])
        if told.is_full:
            # Which of them it took is not said; all are told again with the next news, and change nothing where they are known.
            self._is_full = True
            self._say(RelayFull.code)
            return
        self._known.update((item.op, item.state) for item in items)
        self._unsure -= {item.op for item in items}
        again = {item.op: item.state for item in items if item.op in self._lost}
        if again:
            self.ops.told_again(again)
            self._lost -= again.keys()

    def _news(self) -> list[Item]:
        """The next operations recorded here that the mailbox was not told of."""

        def reading(file: Transaction) -> list[tuple[Any, ...]]:
            return file.read(_NEW, (self._n_told,))

        found = self._store.outbox.look(reading)
        while found:
            self._n_told = found[-1][0]
            items = [
                item
                for _, op, raw, _ in found
                if self._known.get(op) != "recorded"
                and (item := _item_of_raw(op, raw, "recorded")) is not None
            ]
            if items:
                return items
            found = self._store.outbox.look(reading)
        return []

    def _changed(self) -> list[Item]:
        """What became of operations the mailbox has: settled, or over without an effect."""
        known = dict(self._known)
        recorded = [op for op, state in known.items() if state == "recorded"]
        others = [op for op, state in known.items() if state == "offered"]
        others += (*self._unsure, *self._lost)
        asked = [op for op in (*recorded, *others) if op not in self._under_way]
        if not others and self._n_waiting() == len(recorded):
            return []  # the usual: all that was told still waits for the centre
        found = {
            op: (state, raw)
            for op, state, raw in self._store.outbox.look(
                lambda file: file.read(_STATES, (_json_of(asked),))
            )
        }
        items: list[Item] = []
        for op in dict.fromkeys(asked):
            state, raw = found.get(op, ("", b""))
            if state in ("recorded", "sending"):
                if known.get(op) == "offered" or op in self._lost:
                    items.append(Item(op, "recorded"))
            elif state == "applied":
                at = self._reach(raw)
                if at is not None:
                    items.append(Item(op, "settled", at=at))
            else:
                items.append(Item(op, "withdrawn"))
        return items

    def _n_waiting(self) -> int:
        found = self._store.outbox.look(lambda file: file.read(_N_WAITING))
        return int(found[0][0])

    def _lately(self) -> list[Item]:
        """What was settled lately and a new mailbox does not know: others may not have it from the centre yet."""
        after = self._store.now() - LATELY_US
        found = self._store.outbox.look(lambda file: file.read(_LATELY, (after, LATELY_MAX)))
        return [
            _settled(item, at)
            for _, op, raw, _ in reversed(found)
            if op not in self._known
            and (item := _item_of_raw(op, raw, "recorded")) is not None
            and (at := self._reach(raw)) is not None
        ]

    def _whole(self, item: Item) -> Item:
        found = self._store.outbox.look(lambda file: file.read(_STATES, (_json_of([item.op]),)))
        whole = _item_of_raw(item.op, found[0][2], item.state) if found else None
        return item if whole is None else msgspec.structs.replace(whole, at=item.at)

    def _reach(self, raw: bytes) -> dict[str, int] | None:
        """By scope the seq from which on its rows have what this operation did; None while the cache cannot say."""
        op = decoded(raw)
        keys = [] if op is None else sorted(_keys_of((op,)))

        def reading(file: Transaction) -> dict[str, int] | None:
            behind = file.read("SELECT 1 FROM cursor WHERE is_head = 0 LIMIT 1")
            at: dict[str, int] = dict(file.read(_REACH, (_json_of(keys),)))
            return at if at or not behind else None

        return self._store.cache.look(reading)

    # Saying

    def _say(self, code: str) -> None:
        was = self._status
        since = was.since if was.code == code else micros_of(self._clock.now())
        self._status = RelayStatus(code, since, self.ops.n_theirs())
        if was.code != code:
            log.info("relay changed", extra={"code": code})
            self._tell_listener()

    def _tell_listener(self) -> None:
        try:
            self._on_change()
        except Exception:
            # Whoever listens is not ours; a screen that is gone must not end the thread.
            log.exception("listener raised")


def _keys_of(ops: Iterable[Operation]) -> set[str]:
    readable = (read(op) for op in ops)
    return {key for one in readable if isinstance(one, Readable) for key in one.keys}


def _item_of(op: Operation, state: Any) -> Item:
    return Item(op.id, state, msgspec.json.encode(op), tuple(sorted(_keys_of((op,)))))


def _item_of_raw(op_id: str, raw: bytes, state: Any) -> Item | None:
    """The operation as the bytes it was recorded as; None for one of another program version."""
    op = decoded(raw)
    return None if op is None else Item(op_id, state, raw, tuple(sorted(_keys_of((op,)))))


def _settled(item: Item, at: dict[str, int]) -> Item:
    return msgspec.structs.replace(item, state="settled", at=at)


def _chunks(items: Sequence[Item]) -> Iterator[list[Item]]:
    chunk: list[Item] = []
    size = 0
    for item in items:
        size += len(item.raw) + 100
        if chunk and (len(chunk) == ITEMS_MAX or size > TELL_SIZE_MAX):
            yield chunk
            chunk, size = [], len(item.raw) + 100
        chunk.append(item)
    if chunk:
        yield chunk


def _json_of(texts: Sequence[str]) -> str:
    return msgspec.json.encode(texts).decode()
