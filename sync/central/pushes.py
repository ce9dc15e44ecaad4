"""Push and custody: operations in, each answered once for ever; and who it is that brings them.

A lineage is one life of a device's outbox; `token` is what its last push answer said. By what a push presents:

    lineage unknown, token ""              a new life; from now on it is the device's
    the token we said last                 the next push
    the one before, and an id we know      the answer was lost, or the push came late: the same token again; the id may be in `said`
    a later one than we remember           lost: this centre was set back, or took over without its tail; nothing is done
    anything else                          forked: the outbox was restored or copied; nothing is done, and people hear of it once
                                           another life begins, for it may be a push that came late
    a life that was followed by another    the device was cloned: from now on its requests are held, its facts taken
"""

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Final

import msgspec

from sync.central import alerts, device_rows
from sync.central.apply import apply_operations, is_plausible, keys_of, show_held
from sync.central.device_rows import DeviceRecord, LineageRecord
from sync.central.enrolment import device_lock, scope_of, scopes_of
from sync.central.feed import row_for
from sync.central.gate import Caller, denied
from sync.central.op_rows import OpRecord
from sync.central.parts import Parts, decoded, key_of
from sync.central.performing import Whom
from sync.central.transaction import Transaction, owner_lock
from sync.model.answers import push_page
from sync.model.operation import Operation
from sync.model.ports import Request
from sync.model.wire import CustodyRequest, OpResult, PushAnswer, PushRequest, Raw

TOKEN_SIZE: Final = 8
COUNT_DIGITS: Final = 8
"""A token begins with how many pushes of its lineage were answered, in hex, so that of two it is known which came later."""

FORKED: Final = "device_forked"
CLONED: Final = "device_cloned"
LIVE: Final = "live"
DOUBTED: Final = "doubted"
"""The life a device spoke last as, when a copy may have spoken for that or an earlier one, or a push that came very late, which
nobody hears the answer of. Where the next push carries on, it was late; where another life begins, somebody heard that it is a copy."""

_HEX: Final = re.compile("[0-9a-f]+")

CUSTODY: Final = "custody"
INTEREST_US: Final = 90 * 86_400 * 1_000_000
"""How much longer a store holds a customer after something was recorded about them there."""


@dataclass(frozen=True, slots=True)
class Pushed:
    """What a push is answered; `is_forked` is its status 409."""

    body: bytes
    is_forked: bool = False


class Pushes:
    """Takes operations in."""

    def __init__(self, parts: Parts) -> None:
        """Over the parts of one centre."""
        self._parts = parts

    def push(self, request: Request) -> Pushed:
        """Apply operations; durable when this returns."""
        caller = self._parts.gate.admit("push", request)
        push = decoded(request.body, PushRequest)
        raws = _raws_of(request.body, push.ops)
        if not all(is_plausible(op) for op in push.ops):
            raise denied("malformed", "ops")
        drawn, now = self._parts.entropy.draw(TOKEN_SIZE).hex(), self._parts.now

        def work(transaction: Transaction) -> Callable[[], PushAnswer]:
            device = device_rows.device(transaction.read.sql, caller.device.id) or caller.device
            known = {op.id for op in push.ops if transaction.read.op(op.id) is not None}
            life = device_rows.lineage(transaction.read.sql, device.id, push.lineage)
            if is_lost(None if life is None else life.token, push.token):
                return lambda: PushAnswer((), is_forked=True, is_lost=True)
            if not is_next(life, push.token, push.said, known):
                _doubt(transaction, device, life)
                return lambda: PushAnswer((), is_forked=True)
            device = self._told_apart(transaction, device, life, push, now)
            token = _following(life, drawn)
            if life is not None and push.token != life.token:
                token = (
                    life.token
                )  # said again: the answer was lost, or this one came late and nobody hears it
            elif push.ops:
                last = push.ops[-1].id
                device_rows.put_lineage(
                    transaction,
                    LineageRecord(device.id, push.lineage, token, push.token, last, LIVE, now),
                )
            records = apply_operations(
                transaction, push.ops, device=device, now=now, lineage=push.lineage, raws=raws
            )
            self._hold_owners(transaction, push.ops, records, now)
            answered = token if push.ops else push.token
            return lambda: self._answer(transaction, caller, records, known, answered)

        # Several nodes lock all names of all they write together at once; one alone has no need to know them yet.
        locks = _locks(caller.device, push.ops) if self._parts.store.is_shared else ()
        answer = self._parts.batch.run(work, keys=locks, ops=[op.id for op in push.ops])
        if answer.is_forked:
            self._parts.counters.add("push.lost" if answer.is_lost else "push.forked")
        page = push_page(answer, session_key=key_of(caller), request_id=caller.request_id)
        return Pushed(page, answer.is_forked)

    def _told_apart(
        self,
        transaction: Transaction,
        device: DeviceRecord,
        life: LineageRecord | None,
        push: PushRequest,
        now: int,
    ) -> DeviceRecord:
        """The device with the life of it that speaks; cloned, when an earlier one goes on."""
        if device.lineage == push.lineage:
            return device
        if life is None:
            before = device_rows.lineage(transaction.read.sql, device.id, device.lineage)
            if before is not None and before.state == DOUBTED:
                alerts.add(transaction, FORKED, device.id, at=now)
            seen = msgspec.structs.replace(device, lineage=push.lineage)
        elif not push.ops or not device.lineage:
            return device
        else:
            alerts.add(transaction, CLONED, device.id, at=now)
            self._parts.counters.add("push.cloned")
            if device.is_cloned:
                return device
            seen = msgspec.structs.replace(device, is_cloned=True)
        device_rows.put_device(transaction, seen)
        return seen

    def _hold_owners(
        self,
        transaction: Transaction,
        ops: Sequence[Operation],
        records: Sequence[OpRecord],
        now: int,
    ) -> None:
        """A store holds whom it recorded something about, for some time more."""
        whom = Whom(transaction, (op.owner for op in ops))
        held = {
            (scope_of(op.store), whom.now(op.owner)): None
            for op, record in zip(ops, records, strict=True)
            if op.owner and record.status == "applied" and record.at == now
            if not whom.is_erased(transaction, op.owner)
        }
        transaction.load_owners(owner for _, owner in held)
        for scope, owner in held:
            transaction.add_interest(scope, owner, until=now + INTEREST_US, why="operation")

    def _answer(
        self,
        transaction: Transaction,
        caller: Caller,
        records: Sequence[OpRecord],
        known: set[str],
        token: str,
    ) -> PushAnswer:
        for record in records:
            if record.id not in known:
                self._parts.counters.add(f"ops.{record.status}")
        return PushAnswer(results_of(transaction, records, caller), token)

    def custody(self, request: Request) -> bytes:
        """Keep operations that do not get through by themselves, as bytes, for a person."""
        caller = self._parts.gate.admit("custody", request)
        custody = decoded(request.body, CustodyRequest)
        drawn, now = self._parts.entropy.draw(TOKEN_SIZE).hex(), self._parts.now
        device = caller.device

        def work(transaction: Transaction) -> Callable[[], PushAnswer]:
            known = {raw.id for raw in custody.ops if transaction.read.op(raw.id) is not None}
            token = self._moved(transaction, device.id, custody, known, drawn, now)
            records = [
                _taken(transaction, raw, device, custody.lineage, now) for raw in custody.ops
            ]
            return lambda: PushAnswer(results_of(transaction, records, caller), token)

        locks = (device_lock(device.id),) if self._parts.store.is_shared else ()
        answer = self._parts.batch.run(work, keys=locks, ops=[raw.id for raw in custody.ops])
        self._parts.counters.add("custody.taken", len(custody.ops))
        return push_page(answer, session_key=key_of(caller), request_id=caller.request_id)

    def _moved(
        self,
        transaction: Transaction,
        device: str,
        custody: CustodyRequest,
        known: set[str],
        drawn: str,
        now: int,
    ) -> str:
        """What custody says as a push would; "" where its life is not the one we know, for it is taken in any case."""
        life = device_rows.lineage(transaction.read.sql, device, custody.lineage)
        if life is None or not is_next(life, custody.token, custody.said, known):
            return ""
        if custody.token != life.token or not custody.ops:
            return life.token
        token, last = _following(life, drawn), custody.ops[-1].id
        moved = LineageRecord(device, life.lineage, token, life.token, last, LIVE, now)
        device_rows.put_lineage(transaction, moved)
        return token


def _doubt(transaction: Transaction, device: DeviceRecord, life: LineageRecord | None) -> None:
    """Somebody spoke for a life of this device out of turn: look which one goes on, the one that spoke last or a new one."""
    last = device_rows.lineage(transaction.read.sql, device.id, device.lineage) or life
    if last is not None:
        device_rows.put_lineage(transaction, msgspec.structs.replace(last, state=DOUBTED))


def is_lost(said: str | None, token: str) -> bool:
    """Whether a token is one that only a centre can have said that knew more than this one, which `said` that or, None, nothing."""
    if said is None:
        return token != ""
    return _count(token) > _count(said)


def _following(life: LineageRecord | None, drawn: str) -> str:
    """The next token of a life."""
    count = 0 if life is None else _count(life.token)
    return f"{count + 1:0{COUNT_DIGITS}x}{drawn}"


def _count(token: str) -> int:
    """How many answers a token counts; 0 for one of a centre that did not count them."""
    digits = token[:COUNT_DIGITS] if len(token) == COUNT_DIGITS + 2 * TOKEN_SIZE else ""
    return int(digits, 16) if _HEX.fullmatch(digits) else 0


def is_next(
    life: LineageRecord | None, token: str, said: Sequence[str], known: set[str]
) -> bool:
    """Whether what presents this carries on from the last push of its lineage."""
    if life is None:
        return token == ""
    is_heard = bool(known) or life.last_op in said
    return token == life.token or (token == life.previous and is_heard)


def results_of(
    transaction: Transaction, records: Iterable[OpRecord], caller: Caller
) -> tuple[OpResult, ...]:
    """What became of operations, with the rows of their keys as they are now and as this device reads them."""
    assert caller.session is not None  # operations come inside one
    reads, scopes, read = caller.session.reads, scopes_of(caller.device), transaction.read
    return tuple(
        OpResult(
            one.id,
            one.status,
            one.code,
            one.clash,
            tuple(row_for(row, reads) for key in one.keys for row in read.rows_at(key, scopes)),
        )
        for one in records
    )


def _locks(device: DeviceRecord, ops: Sequence[Operation]) -> tuple[str, ...]:
    """The names of all a push works on."""
    owners = {owner_lock(op.owner) for op in ops if op.owner}
    return (device_lock(device.id), *sorted({*keys_of(ops), *owners}))


class _Bytes(msgspec.Struct, frozen=True):
    """A push whose operations are not read."""

    ops: tuple[msgspec.Raw, ...]


def _raws_of(body: bytes, ops: Sequence[Operation]) -> dict[str, bytes]:
    """The bytes each operation came as, by id: a newer device's fields are kept with them."""
    raws = msgspec.json.decode(body, type=_Bytes).ops
    return {op.id: bytes(raw) for op, raw in zip(ops, raws, strict=True)}


class _Claim(msgspec.Struct, frozen=True):
    """What an operation says of itself, as far as it can be read."""

    kind: str = ""
    store: str = ""
    owner: str = ""


def _taken(
    transaction: Transaction, raw: Raw, device: DeviceRecord, lineage: str, now: int
) -> OpRecord:
    known = transaction.read.op(raw.id)
    if known is not None:
        return known
    try:
        claim = msgspec.json.decode(raw.raw, type=_Claim)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        claim = _Claim()
    texts = (claim.kind, claim.store, claim.owner)
    if any("\0" in text or len(text) > 200 for text in texts):  # as `is_plausible` has it
        claim = _Claim()
    record = OpRecord(
        id=raw.id, device=device.id, kind=claim.kind or "unknown", status="held", code=CUSTODY, clash="",
        keys=(), at=now, store=claim.store or device.store, owner=claim.owner, lineage=lineage,
    )  # fmt: skip
    transaction.add_op(record, raw=raw.raw)
    show_held(transaction, record)
    return record
