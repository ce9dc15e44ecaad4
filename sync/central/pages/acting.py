"""A form of an agent's page as an operation, applied by the same function as any device's.

Agents have a place of their own, AGENTS, beside the stores: an operation of theirs that is held waits there for a person.
What they may record is ALLOWED; each form names what it does, and its id was drawn when the form was shown, so that a form
sent twice is done once.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, tzinfo
from types import MappingProxyType
from typing import Any, Final

import msgspec

from hardware.moments import micros_of
from sync.central.apply import REFUSED, apply_operations, keys_of
from sync.central.device_rows import DeviceRecord
from sync.central.enrolment import State
from sync.central.op_rows import OpRecord
from sync.central.pages.agents import Agent
from sync.central.parts import Parts
from sync.central.sql import Connection
from sync.central.transaction import Transaction, owner_lock
from sync.model.operation import Evidence, Operation
from sync.model.operations.decline_likeness import DeclineLikeness
from sync.model.operations.join_customers import JoinCustomers
from sync.model.operations.keep_promise import KeepPromise
from sync.model.operations.leave_customer import LeaveCustomer
from sync.model.operations.need_fact import NeedFact
from sync.model.operations.note_case import NoteCase
from sync.model.operations.open_case import OpenCase
from sync.model.operations.promise_answer import PromiseAnswer
from sync.model.operations.record_interaction import RecordInteraction
from sync.model.operations.refer_customer import ReferCustomer
from sync.model.operations.serve_customer import ServeCustomer
from sync.model.operations.tell_fact import TellFact
from sync.model.operations.try_remedy import TryRemedy
from sync.model.registry import KINDS, Readable, raw_args, read
from sync.model.rules import TEXT_MAX, UNDO_WITHIN_US

AGENTS: Final = "agents"
"""The place and the device of people outside the stores."""

DEVICE: Final = DeviceRecord(AGENTS, "", AGENTS, "agents", State.ACTIVE.value)

ALLOWED: Final = frozenset({
    "record_interaction", "note_case", "promise_answer", "keep_promise", "open_case", "need_fact", "tell_fact", "try_remedy",
    "refer_customer", "serve_customer", "leave_customer", "take_back_note", "take_back_case", "take_back_fact",
    "take_back_referral", "join_customers", "unjoin_customers", "decline_likeness",
})  # fmt: skip
"""Kinds an agent may record; the last three only of what the centre suggests. No band, no stock, no money, no parcel, no consent."""

SHORT_MAX: Final = 200
REFER_MAX: Final = 1_000
AHEAD_MAX_US: Final = 400 * 86_400 * 1_000_000
"""How far ahead a promise or an appointment may be: beyond is a slip of the hand."""

_OP: Final = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}")
_CARD_NUMBER: Final = re.compile(r"(?:\d[ -]?){13,19}")


class WrongField(Exception):
    """A field of a form is not as it must be. `field` is its name, the text a sentence for the agent."""

    def __init__(self, field: str, sentence: str) -> None:
        super().__init__(sentence)
        self.field = field


class Done(msgspec.Struct, frozen=True):
    """What an agent did a moment ago and may take back; `said` is what they wrote."""

    op: str
    kind: str
    at: int
    said: str = ""


@dataclass(frozen=True, slots=True)
class Desk:
    """What a form is judged by.

    Attributes:
        agent: Who sent it.
        cases: Ids of the customer's open cases.
        stores: Ids of the stores there are.
        alike: Ids of customers who the centre thinks may be the same person.
        card: The hand-over card as text.
        now: Microseconds since 1970.
        zone: Local time of the agents.
    """

    agent: Agent
    cases: frozenset[str]
    stores: frozenset[str]
    alike: frozenset[str]
    card: str = field(repr=False)
    now: int
    zone: tzinfo


_SAID: Final = ("topic", "label", "value", "facts", "text", "promise_text", "why")
"""Arguments in which is what an agent wrote, in the order in which it is read."""


def is_op_id(text: str) -> bool:
    """Whether this is an id as we draw them."""
    return _OP.fullmatch(text) is not None


# Forms


def note(fields: Mapping[str, str], desk: Desk) -> msgspec.Struct:
    """A note, on a case or on the customer alone. Raises WrongField."""
    text = _text(fields, "text", "Write what is to be kept.", limit=TEXT_MAX)
    audience = "customer" if fields.get("audience") == "customer" else "internal"
    case = _case(fields, desk, is_needed=False)
    by, channel = desk.agent.shown, desk.agent.channel
    if case:
        return NoteCase(case=case, by=by, text=text, audience=audience)
    return RecordInteraction(
        channel=channel, direction="note", by=by, text=text, audience=audience
    )


def promise(fields: Mapping[str, str], desk: Desk) -> msgspec.Struct:
    """A promise, on a case or on a new one. Raises WrongField."""
    text = _text(fields, "text", "Write what the customer will hear.")
    due_at = _time(fields, "due", desk)
    if not due_at:
        raise WrongField("due", "Say until when.")
    case = _case(fields, desk, is_needed=False)
    by = desk.agent.shown
    if case:
        return PromiseAnswer(case=case, by=by, text=text, due_at=due_at)
    topic = _text(fields, "topic", "Say what the new case is about, or choose a case.")
    return OpenCase(
        topic=topic, channel=desk.agent.channel, by=by, promise_text=text, promise_due_at=due_at
    )


def keep(fields: Mapping[str, str], desk: Desk) -> msgspec.Struct:
    """What was promised on a case is done. Raises WrongField."""
    text = _optional(fields, "text")
    return KeepPromise(case=_case(fields, desk), by=desk.agent.shown, text=text)


def tell(fields: Mapping[str, str], desk: Desk) -> msgspec.Struct:
    """Something the customer told us. Raises WrongField."""
    settles = _optional(fields, "settles")
    label = _optional(fields, "label") or settles
    if not label:
        raise WrongField("label", "Say what it is, or choose what is missing.")
    value = _text(fields, "value", "Write what the customer said.")
    return TellFact(
        case=_case(fields, desk), by=desk.agent.shown, label=label, value=value,
        channel=desk.agent.channel, settles=settles,
    )  # fmt: skip


def need(fields: Mapping[str, str], desk: Desk) -> msgspec.Struct:
    """Something that must be known. Raises WrongField."""
    fact = _text(fields, "fact", "Write what must be known.")
    return NeedFact(case=_case(fields, desk), by=desk.agent.shown, facts=(fact,))


def attempt(fields: Mapping[str, str], desk: Desk) -> msgspec.Struct:
    """Something that was tried. Raises WrongField."""
    text = _text(fields, "text", "Write what was tried.")
    return TryRemedy(
        case=_case(fields, desk), by=desk.agent.shown, text=text,
        has_failed=fields.get("outcome") == "failed", reason=_optional(fields, "reason"),
    )  # fmt: skip


def refer(fields: Mapping[str, str], desk: Desk) -> msgspec.Struct:
    """The customer is sent to a store, with the card. Raises WrongField."""
    store = fields.get("store", "")
    if store not in desk.stores:
        raise WrongField("store", "Choose a store.")
    text = _text(fields, "text", "Write what is to be done there.", limit=REFER_MAX)
    return ReferCustomer(
        to=store, by=desk.agent.shown, text=text, card=desk.card[:TEXT_MAX],
        due_at=_time(fields, "due", desk), case=_case(fields, desk, is_needed=False),
    )  # fmt: skip


def join(fields: Mapping[str, str], desk: Desk) -> msgspec.Struct:
    """The centre thinks two customers are one person, and they are. Raises WrongField."""
    why = _text(fields, "why", "Say how you know: what the customer told you.")
    return JoinCustomers(
        other=_alike(fields, desk), why=f"{why} ({desk.agent.shown})"[:SHORT_MAX]
    )


def apart(fields: Mapping[str, str], desk: Desk) -> msgspec.Struct:
    """The centre thinks two customers are one person, and they are not. Raises WrongField."""
    return DeclineLikeness(other=_alike(fields, desk))


def _alike(fields: Mapping[str, str], desk: Desk) -> str:
    other = fields.get("other", "")
    if other not in desk.alike:
        raise WrongField("other", "That is not suggested any more.")
    return other


def leave(_fields: Mapping[str, str], _desk: Desk) -> msgspec.Struct:
    """The agent is with the customer no more."""
    return LeaveCustomer()


FORMS: Final[Mapping[str, Callable[[Mapping[str, str], Desk], msgspec.Struct]]] = (
    MappingProxyType({
        "note": note, "promise": promise, "keep": keep, "tell": tell, "need": need, "try": attempt, "refer": refer, "leave": leave,
        "join": join, "apart": apart,
    })
)  # fmt: skip
"""By the last part of the address a form is sent to."""


def serve(agent: Agent) -> msgspec.Struct:
    """The agent is with the customer now."""
    return ServeCustomer(by=agent.shown, channel=agent.channel)


def is_card_number(text: str) -> bool:
    """Whether there is a payment card's number in a text; those go nowhere here. Source: ISO/IEC 7812-1, annex B (Luhn)."""
    for found in _CARD_NUMBER.finditer(text):
        digits = [int(sign) for sign in found.group() if sign.isdigit()]
        odd, even = digits[-1::-2], digits[-2::-2]
        if (sum(odd) + sum(sum(divmod(2 * one, 10)) for one in even)) % 10 == 0:
            return True
    return False


def _text(fields: Mapping[str, str], name: str, sentence: str, limit: int = SHORT_MAX) -> str:
    said = fields.get(name, "")
    if not said:
        raise WrongField(name, sentence)
    if len(said) > limit:
        raise WrongField(name, f"At most {limit} characters.")
    if is_card_number(said):
        raise WrongField(name, "Write no whole card number: the last four digits are enough.")
    return said


def _optional(fields: Mapping[str, str], name: str) -> str:
    return _text(fields, name, "") if fields.get(name) else ""


def _case(fields: Mapping[str, str], desk: Desk, *, is_needed: bool = True) -> str:
    case = fields.get("case", "")
    if case in desk.cases:
        return case
    if case or is_needed:
        raise WrongField("case", "Choose a case.")
    return ""


def _time(fields: Mapping[str, str], name: str, desk: Desk) -> int:
    said = fields.get(name, "")
    if not said:
        return 0
    try:
        moment = datetime.fromisoformat(said)
        at = micros_of(moment if moment.tzinfo else moment.replace(tzinfo=desk.zone))
    except (ValueError, OverflowError):
        raise WrongField(name, "Write it as 2026-05-08 17:00.") from None
    if at <= desk.now:
        raise WrongField(name, "That is over already.")
    if at > desk.now + AHEAD_MAX_US:
        raise WrongField(name, "That is too far ahead.")
    return at


# Recording


def operation(
    args: msgspec.Struct, agent: Agent, owner: str, *, op_id: str, now: int
) -> Operation:
    """What a form does, as an operation."""
    kind = next(kind for kind in KINDS.values() if kind.args is type(args))
    assert kind.name in ALLOWED, "a form does something an agent may not"
    return Operation(
        id=op_id,
        kind=kind.name,
        v=kind.v,
        at=now,
        device=AGENTS,
        store=AGENTS,
        actor=agent.actor,
        owner=owner,
        evidence=Evidence("S1", "found"),
        args=raw_args(args),
    )


def record(
    parts: Parts, op: Operation, beside: Callable[[Transaction], Any] | None = None
) -> OpRecord:
    """Apply an operation, or find what became of it; `beside` is written with it, unless it is refused. Raises StoreError."""
    assert op.kind in ALLOWED

    def work(transaction: Transaction) -> Callable[[], OpRecord]:
        (done,) = apply_operations(transaction, (op,), device=DEVICE, now=parts.now)
        if beside is not None and done.status != REFUSED:
            beside(transaction)
        return lambda: done

    keys = (*keys_of((op,)), owner_lock(op.owner))
    done = parts.batch.run(work, keys=keys, ops=(op.id,))
    parts.counters.add(f"agents.{done.status}")
    return done


def done_lately(sql: Connection, agent: Agent, owner: str, *, now: int) -> tuple[Done, ...]:
    """What this agent did for this customer and may still take back, the newest first."""
    lines = sql.all(
        "SELECT raw, at FROM op WHERE owner = :owner AND device = :device AND status = 'applied' AND at > :since"
        " ORDER BY at DESC, id DESC LIMIT 50",
        owner=owner, device=AGENTS, since=now - UNDO_WITHIN_US,
    )  # fmt: skip
    ops = [(op, at) for raw, at in lines if (op := _op_of(raw)) and op.actor == agent.actor]
    undone = {op.undoes for op, _ in ops}
    return tuple(
        Done(op.id, op.kind, at, _said(op))
        for op, at in ops
        if op.id not in undone and KINDS[op.kind].undo and op.kind != "serve_customer"
    )


def undo_of(
    sql: Connection, agent: Agent, owner: str, *, op_id: str, undo_id: str, now: int
) -> Operation | None:
    """The operation that takes this one back; None where it is not this agent's, or too old, or cannot be."""
    if op_id not in {one.op for one in done_lately(sql, agent, owner, now=now)}:
        return None
    lines = sql.all("SELECT raw FROM op WHERE id = :id", id=op_id)
    op = _op_of(lines[0][0]) if lines else None
    readable = read(op) if op else None
    if not isinstance(readable, Readable):
        return None
    undo = readable.undo(undo_id, now)
    return undo if undo is not None and undo.kind in ALLOWED else None


def _said(op: Operation) -> str:
    """What somebody wrote in a form, for themselves to read again; "" where there was nothing to write."""
    readable = read(op)
    args = readable.args if isinstance(readable, Readable) else None
    found = [getattr(args, name, "") for name in _SAID]
    parts = [", ".join(one) if isinstance(one, tuple) else str(one) for one in found if one]
    who = {"customer": "the customer will read this", "internal": "internal"}
    audience = who.get(getattr(args, "audience", ""), "")
    return ": ".join(parts) + (f" ({audience})" if parts and audience else "")


def _op_of(raw: object) -> Operation | None:
    try:
        return msgspec.json.decode(bytes(raw or b""), type=Operation)  # type: ignore[call-overload]  # bytes of a database
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None
