"""From an act of somebody at this device to operations on its disk: judged on the rows it holds, kept, taken back, settled.

A fact is recorded as it is. A request is recorded with the right this store has to act alone on it, where it has one;
without one it is recorded all the same and *waits*: nothing may be handed out before the centre answered. What a rule
forbids here is not recorded. Several acts can be done all or none, as a group.

Taking back is a compensating operation, for five minutes; both travel. Settling is for what the centre refused or holds:
the same again, the same with other arguments, or nothing more, with who and why.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from typing import Final, Protocol

import msgspec

from hardware.clock import Clock
from hardware.entropy import Entropy, new_id
from sync.edge.lease import trusted_now
from sync.edge.lookup import Lookup
from sync.edge.outbox import Outbox
from sync.edge.store import EdgeStore
from sync.edge.view import has_theirs
from sync.model.operation import (
    CannotPredict,
    Effects,
    Evidence,
    Operation,
    OperationClass,
    OperationState,
    Refusal,
)
from sync.model.operations.void_operation import VoidOperation
from sync.model.records import Decision, key_of
from sync.model.registry import ASSURANCE_OF, KINDS, Readable, raw_args, read
from sync.model.row import Cell, Missing, Row
from sync.model.rules import UNDO_WITHIN_US, may_record

RECENT_MAX: Final = 200
"""Groups remembered to be taken back whole: what twenty clerks do in five minutes."""


@dataclass(frozen=True, slots=True)
class Act:
    """What somebody does: the kind of operation and its arguments."""

    kind: str
    args: msgspec.Struct


@dataclass(frozen=True, slots=True)
class Doer:
    """Who does it, about whom, and how sure we are of that."""

    actor: str
    owner: str
    evidence: Evidence


@dataclass(frozen=True, slots=True)
class Kept:
    """Operations that are durable on this device. `waits`: nothing may be handed out before the centre answered."""

    ops: tuple[Operation, ...]
    waits: bool = False


class Order(Protocol):
    """Whoever gives the devices of a store one order."""

    def ordered(
        self, judge: Callable[[], Kept | Refusal]
    ) -> AbstractContextManager[Kept | Refusal]:
        """What `judge` says once everything that came before is folded in; it is recorded within the block."""
        ...


class Alone:
    """The order of a device that no other shares its store with."""

    @contextmanager
    def ordered(self, judge: Callable[[], Kept | Refusal]) -> Iterator[Kept | Refusal]:
        """Judged once, as things are."""
        yield judge()


class Recorder:
    """Records for one device; used on one thread."""

    def __init__(
        self,
        store: EdgeStore,
        *,
        device: str,
        place: str,
        clock: Clock,
        entropy: Entropy,
        order: Order | None = None,
    ) -> None:
        """Args: `device` is its id, `place` the id of its store; without `order` it is alone there."""
        self._order = order or Alone()
        self._store = store
        self._lookup = Lookup(store)
        self._outbox = Outbox(store)
        self._device = device
        self._place = place
        self._clock = clock
        self._entropy = entropy
        self._boot = entropy.draw(8).hex()
        self._groups: dict[str, tuple[Operation, ...]] = {}
        self._undone: dict[str, None] = {}

    # Recording

    def record(self, act: Act, doer: Doer) -> Kept | Refusal:
        """Record one operation; durable when this returns. Refusal when a rule forbids it here. Raises StoreError."""
        return self._kept((self._operation(act, doer),))

    def foreseen(self, act: Act, doer: Doer) -> Kept | Refusal:
        """What `record` would do now, with the operation it would record; nothing is kept. Raises StoreError."""
        return self._judged((self._operation(act, doer),))

    def record_as(self, op_id: str, act: Act, doer: Doer) -> Kept | Refusal:
        """As `record`, under an id that was drawn before: that of an operation that was `foreseen`. Raises StoreError."""
        op = msgspec.structs.replace(self._operation(act, doer), id=op_id)
        return self._kept((op,))

    def record_group(self, acts: Sequence[Act], doer: Doer) -> Kept | Refusal:
        """Record several that are done all or none. Refusal when one of them is forbidden. Raises StoreError."""
        group = self._new_id()
        ops = tuple(
            msgspec.structs.replace(self._operation(act, doer), group=group) for act in acts
        )
        return self._kept(ops)

    def _operation(self, act: Act, doer: Doer) -> Operation:
        return self._stamped(
            Operation(
                id=self._new_id(),
                kind=act.kind,
                v=KINDS[act.kind].v,
                at=0,
                device=self._device,
                store=self._place,
                actor=doer.actor,
                owner=doer.owner,
                evidence=doer.evidence,
                args=raw_args(act.args),
            )
        )

    def _stamped(self, op: Operation) -> Operation:
        return msgspec.structs.replace(
            op,
            at=self._store.now_or_later(),
            boot=self._boot,
            mono_ms=self._clock.ticks_ms(),
        )

    def _new_id(self) -> str:
        return new_id(clock=self._clock, entropy=self._entropy)

    def _kept(self, ops: tuple[Operation, ...]) -> Kept | Refusal:
        with self._order.ordered(lambda: self._judged(ops)) as judged:
            if isinstance(judged, Kept):
                self._outbox.record_all(judged.ops)
                self._remember(judged.ops)
        return judged

    def _judged(self, ops: tuple[Operation, ...]) -> Kept | Refusal:
        """The operations with their rights, each judged on what those before it did."""
        if not all(may_record(ASSURANCE_OF, op) for op in ops):
            return Refusal("assurance")
        plain = [read(op) for op in ops]
        readable = [one for one in plain if isinstance(one, Readable)]
        assert len(readable) == len(plain), "its own arguments must be readable"
        view = self._view(readable)
        now = trusted_now(self._store)  # a clock set back gives no right back
        claimed: list[Operation] = []
        waits = False
        for one in readable:
            ours = one.claimed(view, max(one.op.at, now))
            outcome = ours.predict(view, ours.op.at)
            match outcome:
                case Refusal():
                    return outcome
                case Effects(rows=rows):
                    view |= {row.key: row for row in rows}
                case CannotPredict() if refusal := _taken_there(ours, view):
                    return refusal
                case CannotPredict():
                    waits = waits or ours.kind.op_class is OperationClass.REQUEST
            claimed.append(ours.op)
        # All or none: where one waits, none of them is done before the answer.
        kept = [one.op for one in readable] if waits else claimed
        return Kept(tuple(self._seen(op, view) for op in kept), waits)

    def _seen(self, op: Operation, view: Mapping[str, Cell]) -> Operation:
        readable = read(op)
        assert isinstance(readable, Readable), "it was readable just now"
        rows = (view.get(key) for key in readable.keys)
        saw = {row.key: row.version for row in rows if isinstance(row, Row) and row.version}
        return msgspec.structs.replace(op, saw=saw)

    def _view(self, readable: Sequence[Readable]) -> dict[str, Cell]:
        """The rows they need as this device sees them; what it does not hold is unknown, never absent."""
        view: dict[str, Cell] = {}
        for one in readable:
            # A row that is named after the operation itself is not there yet.
            own = {key: Missing.ABSENT for key in one.keys if key.endswith(f"/{one.op.id}")}
            keys = [key for key in one.keys if key not in view and key not in own]
            view |= own | self._lookup.cells(keys, owner=one.op.owner)
        return view

    def _remember(self, ops: tuple[Operation, ...]) -> None:
        for op in ops:
            if op.group:
                self._groups[op.id] = ops
            if op.undoes:
                self._undone[op.undoes] = None
        for remembered in (self._groups, self._undone):
            while len(remembered) > RECENT_MAX:
                remembered.pop(next(iter(remembered)))

    # Taking back

    def undo(self, op_id: str, doer: Doer) -> Kept | Refusal:
        """Take an operation back, with all of its group.

        Returns:
            Refusal too_late after five minutes, or when it is not known here; undone when it was taken back already;
            no_undo for a kind that has none; unsettled when it waits for a person, who settles it instead.

        Raises:
            StoreError: nothing was recorded.
        """
        first = self._outbox.operation(op_id)
        if first is None or not 0 <= self._age_us(first) <= UNDO_WITHIN_US:
            return Refusal("too_late")
        if op_id in self._undone:
            return Refusal("undone")
        ops = self._groups.get(op_id, (first,))
        if first.group and len(ops) < 2:
            return Refusal(
                "too_late"
            )  # the program was started anew: its group is not known any more
        unsettled = (OperationState.REFUSED, OperationState.HELD, OperationState.VOID)
        if any(self._outbox.state_of(op.id) in unsettled for op in ops):
            return Refusal("unsettled")
        group = self._new_id() if len(ops) > 1 else ""
        undone = [self._undo_of(op, doer, group) for op in reversed(ops)]
        if None in undone:
            return Refusal("no_undo")
        return self._kept(tuple(op for op in undone if op is not None))

    def _age_us(self, op: Operation) -> int:
        """How long ago it was recorded; by the ticks where this program did, for a clock may be set meanwhile."""
        if op.boot == self._boot:
            return (self._clock.ticks_ms() - op.mono_ms) * 1_000
        return self._store.now_or_later() - op.at

    def _undo_of(self, op: Operation, doer: Doer, group: str) -> Operation | None:
        readable = read(op)
        undo = readable.undo(self._new_id(), 0) if isinstance(readable, Readable) else None
        if undo is None:
            return None
        return self._stamped(
            msgspec.structs.replace(
                undo, actor=doer.actor, evidence=doer.evidence, device=self._device, group=group
            )
        )

    # Settling what the centre refused or holds

    def replay(
        self, op_id: str, doer: Doer, *, args: msgspec.Struct | None = None, reason: str = ""
    ) -> Kept | Refusal:
        """Try it again as a new operation, as it was or with other arguments.

        Returns:
            Refusal gone when nothing of that id waits for a person here, or what forbids it.

        Raises:
            StoreError: nothing was recorded.
        """
        first, state = self._outbox.operation(op_id), self._outbox.state_of(op_id)
        waiting = (OperationState.REFUSED, OperationState.HELD)
        if first is None or state not in waiting or not isinstance(read(first), Readable):
            return Refusal("gone")
        again = self._stamped(
            msgspec.structs.replace(
                first,
                id=self._new_id(),
                actor=doer.actor,
                evidence=doer.evidence,
                args=first.args if args is None else raw_args(args),
                group="",
                replaces=op_id,
            )
        )
        with self._order.ordered(lambda: self._judged((again,))) as judged:
            if isinstance(judged, Refusal):
                return judged
            if state is OperationState.HELD:
                self._outbox.record_all(judged.ops)
                return judged
            is_settled = self._outbox.decide(
                op_id,
                decision="replay" if args is None else "edit",
                by=doer.actor,
                reason=reason,
                instead=judged.ops[0],
            )
        return judged if is_settled else Refusal("gone")

    def void(self, op_id: str, doer: Doer, *, reason: str) -> Kept | Refusal:
        """Settle it as nothing more to be done; a held one, also of another device of this store, when the centre has heard of it.

        Returns:
            Refusal gone when nothing of that id waits for a person here, reason without one.

        Raises:
            StoreError: nothing was settled.
        """
        if not reason.strip():
            return Refusal("reason")
        state = self._outbox.state_of(op_id)
        if state is OperationState.HELD or (state is None and self._is_held_elsewhere(op_id)):
            return self.record(
                Act("void_operation", VoidOperation(op=op_id, reason=reason)), doer
            )
        if state is not OperationState.REFUSED or not self._outbox.decide(
            op_id, decision="void", by=doer.actor, reason=reason
        ):
            return Refusal("gone")
        return Kept(())

    def _is_held_elsewhere(self, op_id: str) -> bool:
        """Whether the centre holds one that another device of this store recorded."""
        return _held_by_centre(self._lookup.row(key_of("decision", op_id)))


def _held_by_centre(row: Row | None) -> bool:
    body = None if row is None else row.body
    return isinstance(body, Decision) and body.status == OperationState.HELD.value


def _taken_there(request: Readable, view: Mapping[str, Cell]) -> Refusal | None:
    """Why a request that would wait cannot be done after what this store's other devices did, and the centre does not know yet.

    It is not sent: the centre may hear of it first, and would give out once more what they gave out.
    """
    outcome = request.apply(view, request.op.at)
    is_theirs = any(has_theirs(view.get(key)) for key in request.keys)
    return outcome if is_theirs and isinstance(outcome, Refusal) else None
