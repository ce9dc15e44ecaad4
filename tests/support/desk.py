"""A desk that keeps everything in memory and does to its rows what the real operations do; it can be told to misbehave."""

from collections.abc import Iterable
from dataclasses import dataclass, replace

import msgspec

from kiosk.core.ports import Found, NoteDraft, Recorded, Refused, Standing, Unsettled
from sync.model import registry
from sync.model.errors import StoreError, StoreFull
from sync.model.operation import Effects, Evidence, Operation, OperationState
from sync.model.profile import Profile
from sync.model.records import ChannelWatch, ContactPoint, Customer, Order, Referral
from sync.model.row import Missing, Row
from sync.model.rules import may_record


@dataclass(frozen=True, slots=True)
class Done:
    """One operation as it was recorded."""

    kind: str
    args: msgspec.Struct
    owner: str
    actor: str
    evidence: Evidence


@dataclass(frozen=True, slots=True)
class Settled:
    """What somebody decided about one that was not settled."""

    op: str
    decision: str
    reason: str
    args: msgspec.Struct | None


class MemoryDesk:
    """The CounterDesk of `kiosk.core.ports` over a tuple of rows.

    Attributes:
        done: What was recorded, oldest first.
        fails: Raised by the next calls, until taken away.
        is_full: Nothing can be recorded; reading goes on.
        is_waiting: What is recorded only the centre can decide.
        ops: What was recorded, by id; a test puts in what it wants to be edited.
        settled: What somebody decided, oldest first.
        states: Where operations stand that are not just recorded.
        kept: What was begun and not recorded.
        holds_fail: Raised by `held` alone.
        finds: What every search answers, where it is not what the rows say.
        refuses: Code with which the next `record` is refused, "" for none.
    """

    def __init__(self, rows: Iterable[Row], *, now: int, store: str = "harbour") -> None:
        self._rows = {row.key: row for row in rows}
        self._store = store
        self._standing = Standing("ok", "ok", synced_at=now, n_waiting=0, n_refused=0, now=now)
        self.done: list[Done] = []
        self.not_settled: tuple[Unsettled, ...] = ()
        self.fails: StoreError | None = None
        self.refuses = ""
        self.holds_fail: StoreError | None = None
        self.finds: tuple[Found, ...] = ()
        self.is_full = False
        self.is_waiting = False
        self.ops: dict[str, Operation] = {}
        self.settled: list[Settled] = []
        self.states: dict[str, OperationState] = {}
        self.kept: dict[tuple[str, str], NoteDraft] = {}

    def stand(self, **changes: str | int) -> None:
        """The device stands otherwise from now on."""
        self._standing = replace(self._standing, **changes)  # type: ignore[arg-type]  # names of fields

    def learn(self, row: Row) -> None:
        """A row arrived from the centre."""
        self._rows[row.key] = row

    def find(self, text: str, *, limit: int = 20) -> tuple[Found, ...]:
        self._fail()
        if self.finds:
            return self.finds
        wanted = text.casefold()
        found = []
        for row in self._rows.values():
            match row.body:
                case Customer() as person if (
                    wanted in f"{person.given_name} {person.family_name}".casefold()
                ):
                    found.append(
                        Found(
                            row.owner,
                            f"{person.given_name} {person.family_name}",
                            person.preferred_channel,
                            "name",
                        )
                    )
                case Order(id=number) if wanted == number.casefold():
                    found.append(Found(row.owner, self._title(row.owner), number, "order"))
                case ContactPoint(value=value, channel=channel) if wanted == value.casefold():
                    found.append(Found(row.owner, self._title(row.owner), value, channel))
                case _:
                    pass
        return tuple(found[:limit])

    def held(self, key: str) -> Row | None:
        self._fail()
        if self.holds_fail is not None:
            raise self.holds_fail
        return self._rows.get(key)

    def keep_draft(self, draft: NoteDraft) -> None:
        """Kept for as long as this desk is."""
        self._fail()
        self.kept.pop((draft.owner, draft.answers), None)
        if draft.text.strip():
            self.kept[draft.owner, draft.answers] = draft

    def drafts(self) -> tuple[NoteDraft, ...]:
        """What was kept."""
        self._fail()
        return tuple(self.kept.values())

    def waiting(self) -> tuple[Profile, ...]:
        self._fail()
        owners = sorted({row.owner for row in self._rows.values() if row.owner})
        return tuple(self.profile_of(owner) for owner in owners)

    def expected(self) -> tuple[tuple[Row, Referral], ...]:
        self._fail()
        return tuple(
            (row, row.body)
            for row in self._rows.values()
            if isinstance(row.body, Referral)
            and (row.body.store, row.body.state) == (self._store, "open")
        )

    def watches(self) -> tuple[ChannelWatch, ...]:
        self._fail()
        bodies = (row.body for row in self._rows.values())
        return tuple(body for body in bodies if isinstance(body, ChannelWatch))

    def profile_of(self, owner: str) -> Profile:
        self._fail()
        return Profile(
            owner, tuple(row for row in self._rows.values() if row.owner == owner and owner)
        )

    def record(
        self, kind: str, args: msgspec.Struct, *, owner: str, actor: str, evidence: Evidence
    ) -> Recorded:
        self._fail()
        if self.is_full:
            raise StoreFull
        if self.refuses:
            raise Refused(self.refuses)
        op = Operation(
            id=f"op-{len(self.done) + 1}", kind=kind, at=self._standing.now, device="kiosk", store=self._store,
            actor=actor, owner=owner, evidence=evidence, args=registry.raw_args(args),
        )  # fmt: skip
        if not may_record(registry.ASSURANCE_OF, op):
            raise Refused("assurance")
        read = registry.read(op)
        assert isinstance(read, registry.Readable), read
        cells = {key: self._rows.get(key, Missing.ABSENT) for key in read.keys}
        outcome = read.apply(cells, self._standing.now)
        if isinstance(outcome, Effects):
            for row in outcome.rows:
                self._rows[row.key] = msgspec.structs.replace(row, is_unsettled=True)
        self.done.append(Done(kind, args, owner, actor, evidence))
        self.ops[op.id] = op
        self.stand(n_waiting=self._standing.n_waiting + 1)
        waiting = Unsettled(op.id, kind, owner, OperationState.RECORDED, "", self._standing.now)
        self.not_settled = (*self.not_settled, waiting)
        return Recorded(op.id, OperationState.RECORDED, waits=self.is_waiting)

    def undo(self, op: str, *, actor: str, evidence: Evidence) -> Recorded:
        self._fail()
        if self.refuses:
            raise Refused(self.refuses)
        first = registry.read(self.ops[op])
        assert isinstance(first, registry.Readable)
        back = first.undo(f"{op}-undo", self._standing.now)
        assert back is not None
        undo = registry.read(back)
        assert isinstance(undo, registry.Readable)
        return self.record(
            back.kind, undo.args, owner=back.owner, actor=actor, evidence=evidence
        )

    def state_of(self, op: str) -> OperationState | None:
        self._fail()
        return self.states.get(op, OperationState.RECORDED if op in self.ops else None)

    def args_of(self, op: str) -> msgspec.Struct | None:
        self._fail()
        read = registry.read(self.ops[op]) if op in self.ops else None
        return read.args if isinstance(read, registry.Readable) else None

    def replay(
        self,
        op: str,
        *,
        actor: str,
        evidence: Evidence,
        reason: str,
        args: msgspec.Struct | None = None,
    ) -> Recorded:
        self._fail()
        if self.refuses:
            raise Refused(self.refuses)
        self.settled.append(Settled(op, "replay" if args is None else "edit", reason, args))
        self._settle(op)
        self.states[f"{op}-again"] = OperationState.RECORDED
        return Recorded(f"{op}-again", OperationState.RECORDED, waits=self.is_waiting)

    def void(self, op: str, *, actor: str, evidence: Evidence, reason: str) -> None:
        self._fail()
        if self.refuses:
            raise Refused(self.refuses)
        self.settled.append(Settled(op, "void", reason, None))
        self._settle(op)

    def _settle(self, op: str) -> None:
        """A refused one is settled at once; a held one when the centre has heard of it."""
        self.not_settled = tuple(
            replace(one, is_settling=True) if one.op == op else one
            for one in self.not_settled
            if one.op != op or one.state is OperationState.HELD
        )

    def unsettled(self) -> tuple[Unsettled, ...]:
        self._fail()
        return self.not_settled

    def standing(self) -> Standing:
        return self._standing

    def _title(self, owner: str) -> str:
        customer = self.profile_of(owner).customer
        return f"{customer.given_name} {customer.family_name}" if customer else owner

    def _fail(self) -> None:
        if self.fails is not None:
            raise self.fails
