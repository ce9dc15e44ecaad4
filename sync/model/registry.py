"""The kinds of operation this version knows, and how an operation is read and applied by both ends.

An operation of an unknown kind, of a newer version, or with arguments that do not parse is not an error that could lose
it: it is `Unjudged` with a code, and the centre holds it for a person.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final

import msgspec

from sync.model.operation import Kind, Operation, Outcome
from sync.model.operations import hand_over_pickup, note_case, record_interaction
from sync.model.row import Cell

KINDS: Final[Mapping[str, Kind[Any]]] = MappingProxyType(
    {
        kind.name: kind
        for kind in (record_interaction.KIND, hand_over_pickup.KIND, note_case.KIND)
    }
)
"""Name to kind. Names are never reused."""

ASSURANCE_OF: Final[Mapping[str, str]] = MappingProxyType(
    {kind.name: kind.assurance for kind in KINDS.values()}
)
"""Least assurance a customer needs, by kind."""


@dataclass(frozen=True, slots=True)
class Unjudged:
    """An operation this version cannot read. `code` is unknown_kind, unknown_version or malformed_args; public."""

    code: str


@dataclass(frozen=True, slots=True)
class Readable:
    """An operation with its kind and its decoded arguments."""

    op: Operation
    kind: Kind[Any]
    args: msgspec.Struct

    @property
    def keys(self) -> tuple[str, ...]:
        """All rows it needs to see."""
        return self.kind.keys(self.op, self.args)

    def apply(self, rows: Mapping[str, Cell], now: int) -> Outcome:
        """What it does to them at `now`, microseconds since 1970."""
        return self.kind.apply(rows, self.op, self.args, now)


def read(op: Operation) -> Readable | Unjudged:
    """The operation with its arguments decoded, or why this version cannot."""
    kind = KINDS.get(op.kind)
    if kind is None:
        return Unjudged("unknown_kind")
    if not 1 <= op.v <= kind.v:
        return Unjudged("unknown_version")
    try:
        args = msgspec.json.decode(op.args, type=kind.args)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return Unjudged("malformed_args")
    return Readable(op, kind, args)


def raw_args(args: msgspec.Struct) -> msgspec.Raw:
    """Arguments as they stand in an operation."""
    return msgspec.Raw(msgspec.json.encode(args))
