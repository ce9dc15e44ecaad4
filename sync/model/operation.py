"""An operation: an intent recorded once, applied exactly once, for ever; and what a kind of operation declares.

    recorded -> sending -> applied (maybe changed) | refused | held
                           held, refused -> applied | refused | void    when a person decided

A *fact* already happened and is never refused: where it clashes it is applied together with a case that shows both
sides. A *request* may be refused. `held` means that the centre cannot judge it yet; a person will.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Generic, TypeVar

import msgspec

from sync.model.row import Cell, Row


class Evidence(msgspec.Struct, frozen=True):
    """How sure we were who this is when the operation was recorded.

    Attributes:
        assurance: A0 to A3, S1 or S2 for staff alone.
        proof: Value of `drivers.proof.ProofKind`, or "id_seen", "found" when a clerk looked the customer up.
        band: Band id, "" without one.
    """

    assurance: str
    proof: str = "none"
    band: str = ""


class Operation(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One intent.

    Attributes:
        id: UUIDv7, drawn where it was recorded; never changes.
        kind: Name of a file in `operations/`.
        v: Version of the kind's arguments.
        at: When it was recorded, microseconds since 1970 by the device's clock.
        device, store, actor: Where and by whom; the actor is a staff id, or "customer".
        owner: Customer id it is about, "" for none.
        args: The kind's own arguments, as raw JSON.
        group: Id shared by operations that are done all or none; they travel in one push. "" for none.
        undoes: Id of the operation this one undoes, "" for none.
        replaces: Id of a refused or held operation this one stands for, "" for none.
        saw: Version of each row it was judged on, by key; 0 for a row this device did not hold.
        boot, mono_ms: Which start of the program recorded it, and when since then: order without a clock.
    """

    id: str
    kind: str
    v: int = 1
    at: int
    device: str
    store: str
    actor: str
    owner: str
    evidence: Evidence
    args: msgspec.Raw
    group: str = ""
    undoes: str = ""
    replaces: str = ""
    saw: dict[str, int] = {}
    boot: str = ""
    mono_ms: int = 0


class OperationClass(Enum):
    """May the centre say no?"""

    FACT = "fact"
    REQUEST = "request"


@dataclass(frozen=True, slots=True)
class Effects:
    """The rows as they are after the operation; `clash` is the code of a collision that became one of these rows' cases."""

    rows: tuple[Row, ...]
    clash: str = ""


@dataclass(frozen=True, slots=True)
class Refusal:
    """The operation may not be done. `code` is fixed and has words in `kiosk.core.wording`."""

    code: str


@dataclass(frozen=True, slots=True)
class CannotPredict:
    """This device does not hold enough to say what the centre will answer; the operation is recorded all the same."""


Outcome = Effects | Refusal | CannotPredict

Args = TypeVar("Args", bound=msgspec.Struct)


@dataclass(frozen=True, slots=True)
class Kind(Generic[Args]):
    """What one kind of operation declares.

    Attributes:
        name: As in `Operation.kind`.
        v: Version of `args` this code writes; it reads all up to it.
        op_class: Fact or request.
        args: Struct of the arguments.
        keys: All rows it needs to see, by key. Called with the operation and its decoded arguments.
        apply: What it does, pure: rows by key, operation, arguments, time in microseconds.
        undo: Name of the compensating kind, "" when it cannot be undone by a press.
        undo_args: Makes the arguments of the compensating operation from this one; None where there is none.
        blocks: When one is held, later ones on the same keys are held with it (`behind_held`) instead of overtaking it.
        assurance: The least assurance a customer needs to do this alone; staff (S1) always may.
        codes: Every code its refusals and clashes can have; each has words in `kiosk.core.wording`.
        claim: Of a request that a device may do alone: the arguments with the right by which it does, from the rows it
            holds. Where it has none, they come back as they are, and the device waits for the centre's answer.
        is_claimed: Whether those arguments name such a right. Then what was asked for is given out: it is a fact.
    """

    name: str
    v: int
    op_class: OperationClass
    args: type[Args]
    keys: Callable[[Operation, Args], tuple[str, ...]]
    apply: Callable[[Mapping[str, Cell], Operation, Args, int], Outcome]
    undo: str = ""
    assurance: str = "A2"
    undo_args: Callable[[Operation, Args], msgspec.Struct] | None = None
    blocks: bool = False
    codes: tuple[str, ...] = ()
    claim: Callable[[Mapping[str, Cell], Operation, Args, int], Args] | None = None
    is_claimed: Callable[[Args], bool] | None = None


class OperationState(Enum):
    """Where an operation stands, as this device knows it. Public: stored and printed."""

    RECORDED = "recorded"
    SENDING = "sending"
    APPLIED = "applied"
    REFUSED = "refused"
    HELD = "held"
    VOID = "void"
