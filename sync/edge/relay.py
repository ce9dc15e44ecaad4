"""The mailbox of one store: what its devices recorded, in one order, for the others to see. In memory, pure.

    offered -> recorded -> settled       offered: a request that wants its place; nothing stands on a disk yet
       |          |                      recorded: durable at its owner; settled: the centre's feed has it from `at` on
       +----------+--> withdrawn         it was never recorded, or refused, or is held: it changed nothing

Compare and append: a request gets its place only when its device has seen all others that touch one of the same rows.
Of two devices that race for one voucher the second is shown the first, and judges again. What is recorded happened
already and always gets a place. The mailbox never applies, numbers for the centre, or forwards; it does not read what it
keeps. Its `life` is drawn when it starts: in another life nothing of what was known of it counts.
"""

import itertools
from collections.abc import Iterable, Sequence
from typing import Annotated, Final, Literal

import msgspec

from sync.model.wire import Id

N_MAX: Final = 20_000
"""Entries kept; a store of ten devices fills it in about a week without a network."""

SIZE_MAX: Final = 32 * 1_048_576
"""Bytes of operations kept in memory."""

RESERVED_MS: Final = 600_000
"""How long a place is kept for a request that its device never recorded: it lost its power in between, and withdraws when it is back."""

OVER_MS: Final = 24 * 3_600_000
"""How long what is over stays in memory, for devices that were away: a shop is closed at night."""

ENTRY_OVERHEAD: Final = 400
"""What an entry costs beside its operation; a bound, not a measurement."""

KEYS_MAX: Final = 64
RAW_MAX: Final = 32_768
"""Bytes of one operation, as in the outbox."""

State = Literal["offered", "recorded", "settled", "withdrawn"]
Key = Annotated[str, msgspec.Meta(min_length=1, max_length=200)]
At = Annotated[dict[Id, Annotated[int, msgspec.Meta(ge=0)]], msgspec.Meta(max_length=16)]
"""By scope the seq from which on its rows have what the operation did."""


class Item(msgspec.Struct, frozen=True, omit_defaults=True):
    """What a device says of one of its operations. Without `raw` it is only the state of one the mailbox has."""

    op: Id
    state: State
    raw: Annotated[bytes, msgspec.Meta(max_length=RAW_MAX)] = b""
    keys: Annotated[tuple[Key, ...], msgspec.Meta(max_length=KEYS_MAX)] = ()
    at: At = {}


class Entry(msgspec.Struct, frozen=True, omit_defaults=True):
    """An operation in the mailbox.

    Attributes:
        n: Its place in the order.
        change: Number of its last change; both come from one counter.
        device: Whose it is.
        at: Once it is settled: by scope the seq from which on the feed has it.
    """

    n: int
    change: int
    op: str
    device: str
    state: State
    keys: tuple[str, ...] = ()
    raw: bytes = b""
    at: dict[str, int] = {}


class Changes(msgspec.Struct, frozen=True, omit_defaults=True):
    """What changed in the mailbox, up to `to`.

    Attributes:
        present: Devices that told everything they have since `since`.
        is_whole: `since` is longer ago than the mailbox remembers: all it has begins here.
        whole_at: With `is_whole`, what to say with each further question until it is all here.
        is_more: There is more after `to`.
    """

    life: str
    to: int
    entries: tuple[Entry, ...] = ()
    present: tuple[str, ...] = ()
    is_whole: bool = False
    is_more: bool = False
    whole_at: int = 0


class Offered(msgspec.Struct, frozen=True, omit_defaults=True):
    """What became of an offer.

    Attributes:
        status: accepted | behind (others touch the same rows: `ahead`; judge again) | withdrawn (its device took it
            back meanwhile) | full.
        seen: What the device has seen of these rows once it took `ahead` in.
        ahead: In their order.
    """

    status: Literal["accepted", "behind", "withdrawn", "full"]
    seen: int = 0
    ahead: tuple[Entry, ...] = ()


class Told(msgspec.Struct, frozen=True, omit_defaults=True):
    """What the mailbox did not take: operations it does not have, to be told whole; or it is full."""

    unknown: tuple[str, ...] = ()
    is_full: bool = False


class Mailbox:
    """The operations of one store's devices. Not thread-safe: one event loop owns it."""

    def __init__(self, life: str, *, n_max: int = N_MAX, size_max: int = SIZE_MAX) -> None:
        """Args: `life` is random and never used before."""
        self.life = life
        self.head = 0
        self._n_max, self._size_max = n_max, size_max
        self._kept: dict[str, Entry] = {}  # by operation, the longest unchanged first
        self._reserved: dict[str, int] = {}  # offered ones: since when, the oldest first
        self._over: dict[str, int] = {}  # those that are over: the same
        self._now_ms = 0
        self._by_key: dict[str, set[str]] = {}
        self._present: dict[str, int] = {}
        self._size = self._open_size = self._n_open = 0
        self._floor = 0

    def offer(self, device: str, items: Sequence[Item], *, seen: int, now_ms: int) -> Offered:
        """Give requests their places, all or none.

        Args:
            device: Whose they are.
            items: Not recorded yet; they are recorded together.
            seen: Number up to which that device has seen the changes of this life.
            now_ms: Ticks of a clock that never goes back.
        """
        self.expire(now_ms)
        if any(self._is_withdrawn(item.op) for item in items):
            return Offered("withdrawn")
        fresh = [item for item in items if item.op not in self._kept]
        ahead = self._ahead(device, {key for item in fresh for key in item.keys}, seen)
        if ahead:
            return Offered("behind", self.head, ahead)
        if not self._has_room(fresh):
            return Offered("full")
        for item in fresh:
            self._reserved[item.op] = now_ms
            self._put(self._placed(device, item, "offered"))
        return Offered("accepted", self.head)

    def tell(self, device: str, items: Iterable[Item], *, now_ms: int) -> Told:
        """Take in what became of a device's operations; what was recorded happened, and gets its place in any case."""
        self.expire(now_ms)
        unknown: list[str] = []
        is_full = False
        for item in items:
            known = self._kept.get(item.op)
            if known is not None and known.device != device:
                continue  # only whose it is may say what became of it
            if item.state == "withdrawn":
                self._withdraw(device, item.op)
            elif known is not None and known.state != "withdrawn":
                self._move(known, item)
            elif not item.raw:
                unknown.append(item.op)
            elif not self._has_room((item,)):
                is_full = True
            else:
                self._put(self._placed(device, item, item.state))
        return Told(tuple(unknown), is_full)

    def present(self, device: str) -> None:
        """A device told everything it has; what others remember of it beyond that is over."""
        self._present[device] = self._next()

    def since(
        self, change: int, *, limit: int, whole_at: int = 0, size_max: int = 262_144
    ) -> Changes:
        """What changed after `change`, oldest first, as far as `limit` entries and about `size_max` bytes.

        Args:
            change: Up to which number it is known.
            limit: At most so many entries.
            whole_at: As the answer said with which all began to come; 0 when that was not so.
            size_max: At most so many bytes, unless one entry alone is more.
        """
        is_whole = max(change, whole_at) < self._floor or change > self.head
        change = 0 if is_whole else change
        waiting = reversed(self._kept.values())
        newer = list(itertools.takewhile(lambda entry: entry.change > change, waiting))[::-1]
        chosen: list[Entry] = []
        size = 0
        for entry in newer:
            size += _size_of(entry.raw)
            if chosen and (len(chosen) == limit or size > size_max):
                break
            chosen.append(entry)
        is_more = len(chosen) < len(newer)
        to = chosen[-1].change if is_more else self.head
        present = tuple(one for one, at in self._present.items() if change < at <= to)
        begun = self.head if is_whole else whole_at
        return Changes(self.life, to, tuple(chosen), present, is_whole, is_more, begun)

    def expire(self, now_ms: int) -> None:
        """Free the places of requests that were never recorded, and forget what was over long ago."""
        self._now_ms = max(self._now_ms, now_ms)
        for op, since_ms in tuple(self._reserved.items()):
            if now_ms - since_ms < RESERVED_MS:
                break
            self._withdraw(self._kept[op].device, op)
        for op, since_ms in tuple(self._over.items()):
            if now_ms - since_ms < OVER_MS:
                break
            self._let_go(op)

    def _is_withdrawn(self, op: str) -> bool:
        return op in self._kept and self._kept[op].state == "withdrawn"

    def _ahead(self, device: str, keys: set[str], seen: int) -> tuple[Entry, ...]:
        """Others' operations on these rows that the device has not seen, in their order."""
        ops = {op for key in keys for op in self._by_key.get(key, ())}
        found = (self._kept[op] for op in ops)
        ahead = [one for one in found if one.n > seen and one.device != device]
        return tuple(sorted(ahead, key=lambda one: one.n))

    def _next(self) -> int:
        self.head += 1
        return self.head

    def _placed(self, device: str, item: Item, state: State) -> Entry:
        n = self._next()
        return Entry(n, n, item.op, device, state, item.keys, item.raw, item.at)

    def _move(self, entry: Entry, item: Item) -> None:
        if item.state == "offered" or (item.state, item.at) == (entry.state, entry.at):
            return
        self._put(
            msgspec.structs.replace(entry, change=self._next(), state=item.state, at=item.at)
        )

    def _withdraw(self, device: str, op: str) -> None:
        """Also one that never came: an offer may arrive after its device gave it up."""
        known = self._kept.get(op)
        if known is None or known.state != "withdrawn":
            change = self._next()
            place = change if known is None else known.n
            self._put(Entry(place, change, op, device, "withdrawn"))

    def _put(self, entry: Entry) -> None:
        self._drop(entry.op)
        if entry.state != "offered":
            self._reserved.pop(entry.op, None)
        self._kept[entry.op] = entry
        if _is_over(entry):
            self._over[entry.op] = self._now_ms
        self._count(entry, 1)
        for key in entry.keys:
            self._by_key.setdefault(key, set()).add(entry.op)
        self._forget()

    def _drop(self, op: str) -> None:
        entry = self._kept.pop(op, None)
        self._over.pop(op, None)
        if entry is None:
            return
        self._count(entry, -1)
        for key in entry.keys:
            self._by_key[key].discard(op)
            if not self._by_key[key]:
                del self._by_key[key]

    def _count(self, entry: Entry, by: int) -> None:
        self._size += by * _size_of(entry.raw)
        if not _is_over(entry):
            self._n_open += by
            self._open_size += by * _size_of(entry.raw)

    def _has_room(self, items: Sequence[Item]) -> bool:
        """Whether these fit once all that is over is forgotten."""
        size = self._open_size + sum(_size_of(item.raw) for item in items)
        return self._n_open + len(items) <= self._n_max and size <= self._size_max

    def _forget(self) -> None:
        """Where there is too much, forget a tenth of what is over, the longest unchanged first; the floor says how far."""
        if not self._is_over_full(1):
            return
        for op in tuple(self._over):
            if not self._is_over_full(0.9):
                return
            self._let_go(op)

    def _let_go(self, op: str) -> None:
        self._floor = max(self._floor, self._kept[op].change)
        self._drop(op)

    def _is_over_full(self, part: float) -> bool:
        return len(self._kept) > part * self._n_max or self._size > part * self._size_max


def _is_over(entry: Entry) -> bool:
    return entry.state in ("settled", "withdrawn")


def _size_of(raw: bytes) -> int:
    return len(raw) + ENTRY_OVERHEAD
