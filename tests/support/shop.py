"""A small shop for tests: one customer with an order, a parcel, an unanswered message and a case; and operations."""

from typing import Any

import msgspec

from sync.model import registry
from sync.model.operation import Evidence, Operation
from sync.model.operations.hand_over_pickup import HandOverPickup
from sync.model.operations.note_case import NoteCase
from sync.model.operations.record_interaction import RecordInteraction
from sync.model.records import (
    Band,
    Case,
    ContactPoint,
    Customer,
    Interaction,
    Order,
    OrderLine,
    Pickup,
    Promise,
    Record,
)
from sync.model.row import Row, row_of

NOON = 1_767_787_200_000_000
"""2026-01-07 12:00 UTC, microseconds."""

LENA = "lena"
BAND = "b1" * 16


def row(body: Record, *, owner: str = LENA, version: int = 1, as_of: int = NOON) -> Row:
    return row_of(body, owner=owner, as_of=as_of, source="web", version=version)


def lenas_rows() -> tuple[Row, ...]:
    return (
        row(Customer(id=LENA, given_name="Léna", family_name="Müller", nickname="Leni")),
        row(Band(id=BAND, state="active")),
        row(ContactPoint(id="lena-phone", channel="phone", value="+49 171 2345678")),
        row(ContactPoint(id="lena-mail", channel="email", value="Lena@Example.org")),
        row(
            Order(
                id="W-1077", at=NOON, channel="web", state="ready", total_minor=5_000,
                lines=(OrderLine(product="p1", title="Scarf", count=2),),
            )
        ),
        row(Pickup(id="pk-1077", order="W-1077", store="harbour", state="ready", shelf="C7")),
        row(
            Interaction(
                id="in-1", at=NOON, channel="whatsapp", direction="in", by="Lena", text="hello?",
                due_at=NOON + 1,
            )
        ),
        row(
            Case(
                id="case-1", number="C-4711", state="open", topic="late parcel", opened_at=NOON,
                channel="phone", promise=Promise(by="Ana", text="call back", due_at=NOON + 9),
                next_step="call the carrier",
            )
        ),
    )  # fmt: skip


def operation(
    args: msgspec.Struct, *, op_id: str = "0190a1b2-0000-7000-8000-00000000000a", **fields: Any
) -> Operation:
    kind = next(kind for kind in registry.KINDS.values() if kind.args is type(args))
    values: dict[str, Any] = {
        "at": NOON, "device": "d1", "store": "harbour", "actor": "ben", "owner": LENA,
        "evidence": Evidence("S1", "found"),
    }  # fmt: skip
    return Operation(
        id=op_id, kind=kind.name, args=registry.raw_args(args), **(values | fields)
    )


def hand_over(**fields: Any) -> Operation:
    return operation(HandOverPickup(pickup="pk-1077", order="W-1077", to="Lena"), **fields)


def said(text: str = "I am here", **fields: Any) -> Operation:
    args = RecordInteraction(channel="store", direction="in", by="Lena", text=text)
    return operation(args, **fields)


def noted(text: str = "called her", **fields: Any) -> Operation:
    return operation(NoteCase(case="case-1", by="Ben", text=text), **fields)
