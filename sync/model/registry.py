"""The kinds of operation this version knows, and how an operation is read and applied by both ends.

A kind is a file in `operations/` with a `KIND` in it; nothing else has to be told of it.
An operation of an unknown kind, of a newer version, or with arguments that do not parse is not an error that could lose
it: it is `Unjudged` with a code, and the centre holds it for a person.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib import import_module
from pkgutil import iter_modules
from types import MappingProxyType
from typing import Any, Final

import msgspec

from sync.model import operations
from sync.model.operation import CannotPredict, Kind, Operation, OperationClass, Outcome
from sync.model.row import Cell


def _found() -> Iterator[tuple[str, Kind[Any]]]:
    for module in iter_modules(operations.__path__):
        kind: Kind[Any] = import_module(f"{operations.__name__}.{module.name}").KIND
        assert kind.name == module.name, "a kind is called as its file"
        yield kind.name, kind


KINDS: Final[Mapping[str, Kind[Any]]] = MappingProxyType(dict(_found()))
"""Name to kind. Names are never reused."""

ASSURANCE_OF: Final[Mapping[str, str]] = MappingProxyType(
    {kind.name: kind.assurance for kind in KINDS.values()}
)
"""Least assurance a customer needs, by kind."""


UNREAD_MAX: Final = 50
"""Kinds a device is told that cannot be read; a hello answer is small."""


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

    @property
    def is_fact(self) -> bool:
        """Whether it already happened, so that the centre cannot say no: by its kind, or by the right it was done under."""
        is_claimed = self.kind.is_claimed is not None and self.kind.is_claimed(self.args)
        return is_claimed or self.kind.op_class is OperationClass.FACT

    def apply(self, rows: Mapping[str, Cell], now: int) -> Outcome:
        """What it does to them at `now`, microseconds since 1970."""
        return self.kind.apply(rows, self.op, self.args, now)

    def predict(self, rows: Mapping[str, Cell], now: int) -> Outcome:
        """The same as a device may foresee it: what only the centre can decide is not guessed at."""
        if self.kind.claim is not None and not self.is_fact:
            return CannotPredict()
        return self.apply(rows, now)

    def claimed(self, rows: Mapping[str, Cell], now: int) -> "Readable":
        """The same with the right in it under which this device does it alone, where these rows give it one."""
        if self.kind.claim is None:
            return self
        args = self.kind.claim(rows, self.op, self.args, now)
        op = msgspec.structs.replace(self.op, args=raw_args(args))
        return Readable(op, self.kind, args)

    def undo(self, op_id: str, at: int) -> Operation | None:
        """The operation that takes this one back, by the same person at the same place; None when nothing does."""
        if not self.kind.undo or self.kind.undo_args is None:
            return None
        return msgspec.structs.replace(
            self.op,
            id=op_id,
            kind=self.kind.undo,
            v=KINDS[self.kind.undo].v,
            at=at,
            args=raw_args(self.kind.undo_args(self.op, self.args)),
            undoes=self.op.id,
            replaces="",
            group="",
            saw={},
        )


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


def writes() -> dict[str, int]:
    """What a hello says of this program: the newest version of each kind it records."""
    return {kind.name: kind.v for kind in KINDS.values()}


def unread(device_writes: Mapping[str, int]) -> tuple[str, ...]:
    """Kinds a device records that this version cannot read, or not as new as they are; the first UNREAD_MAX by name."""
    found = (
        name for name, v in device_writes.items() if name not in KINDS or v > KINDS[name].v
    )
    return tuple(sorted(found)[:UNREAD_MAX])


def raw_args(args: msgspec.Struct) -> msgspec.Raw:
    """Arguments as they stand in an operation."""
    return msgspec.Raw(msgspec.json.encode(args))
