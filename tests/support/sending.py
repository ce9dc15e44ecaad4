"""A small shop that can send: a centre's store on any database, its parts, and the worker over its queue."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import msgspec
from cryptography.hazmat.primitives.asymmetric import ec

from hardware.clock import FixedClock
from hardware.entropy import SeededEntropy
from hardware.moments import moment_of
from sync.central import outgoing_rows
from sync.central.apply import apply_operations
from sync.central.batch import Batch
from sync.central.channels.adapter import Settings
from sync.central.counters import Counters
from sync.central.device_rows import DeviceRecord
from sync.central.enrolment import State
from sync.central.feed import Bell
from sync.central.gate import Gate, Sessions
from sync.central.op_rows import OpRecord
from sync.central.outgoing_rows import OutgoingRecord
from sync.central.parts import Parts
from sync.central.senders.sender import AnyCall, AnyReply
from sync.central.store import Store
from sync.model.operation import Operation
from sync.model.operations.answer_interaction import AnswerInteraction
from sync.model.operations.notify_customer import NotifyCustomer
from sync.model.records import Interaction, Record
from sync.model.row import Row
from tests.support import shop

NOON = shop.NOON
SECOND_US = 1_000_000
MINUTE_US = 60 * SECOND_US
HOUR_US = 60 * MINUTE_US

COUNTER = DeviceRecord("d1", "", "harbour", "counter", State.ACTIVE.value)


def answer(
    text: str = "It is here.", *, op_id: str = "a-1", at: int = NOON, **fields: Any
) -> Operation:
    args = AnswerInteraction(answers="in-1", by="Ben", text=text)
    return shop.operation(msgspec.structs.replace(args, **fields), op_id=op_id, at=at)


def notice(
    kind: str = "text",
    text: str = "It waits.",
    *,
    op_id: str = "n-1",
    at: int = NOON,
    **fields: Any,
) -> Operation:
    args = NotifyCustomer(notice=kind, by="Ben", text=text)
    return shop.operation(msgspec.structs.replace(args, **fields), op_id=op_id, at=at)


class SendingShop:
    """The parts of one node over a store. Its time stands still until it is told to pass."""

    def __init__(self, store: Store, *, at: int = NOON, seed: str = "node") -> None:
        self.store = store
        self.clock = FixedClock(moment_of(at))
        entropy = SeededEntropy(seed)
        self.rung: list[str] = []
        batch = Batch(store, on_commit=self.rung.extend, clock=self.clock)
        sessions = Sessions(ec.generate_private_key(ec.SECP256R1()), self.clock, entropy)
        gate = Gate(store, batch, sessions, self.clock)
        self.parts = Parts(
            store, batch, gate, sessions, self.clock, entropy, Counters(), Bell()
        )

    @property
    def now(self) -> int:
        return self.parts.now

    def passes(self, us: int) -> None:
        self.clock.sleep_ms(us // 1_000)

    def put(self, *rows: Row) -> None:
        def change(transaction: Any) -> None:
            for row in rows:
                transaction.add_interest("s:harbour", row.owner) if row.owner else None
                transaction.put(row)

        self.parts.write(change)

    def push(self, *ops: Operation) -> list[OpRecord]:
        now = self.now
        return self.parts.write(
            lambda it: apply_operations(it, ops, device=COUNTER, now=now, lineage="l1")
        )

    def body(self, key: str) -> Record | None:
        with self.store.reading() as snapshot:
            row = snapshot.row(key)
        return row.body if row else None

    def message(self, op_id: str) -> Interaction:
        found = self.body(f"interaction/{op_id}")
        assert isinstance(found, Interaction)
        return found

    def queued(self, op_id: str) -> OutgoingRecord | None:
        with self.store.reading() as snapshot:
            return outgoing_rows.find(snapshot, op_id)

    def state(self, op_id: str) -> tuple[str, str]:
        """What the queue says, and what kiosks see."""
        record = self.queued(op_id)
        return (record.state if record else "", self.message(op_id).delivery)


def channel(
    name: str,
    adapter: str,
    of: str = "",
    told: dict[str, dict[str, str]] | None = None,
    **options: str,
) -> Settings:
    """A configured channel."""
    told = told or {}
    return Settings(
        name=name, adapter=adapter, channel=of, secrets=told.get("secrets", {}),
        options=told.get("options", {}) | options,
    )  # fmt: skip


def moment(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


class Killed(BaseException):
    """The node is gone."""


def dies_after(carry: Callable[[AnyCall], AnyReply]) -> Callable[[AnyCall], AnyReply]:
    """What carries a call through, and then the node is gone."""

    def dies(call: AnyCall) -> AnyReply:
        carry(call)
        raise Killed

    return dies
