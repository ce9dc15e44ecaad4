"""A record with what must be known about it: key, owner, version, age, source. And the two ways of not having one."""

from enum import Enum
from typing import Final

import msgspec

from sync.model.errors import Malformed
from sync.model.records import KINDS, Record, key_of, kind_of


class Row(msgspec.Struct, frozen=True):
    """One row of the shop's knowledge.

    Attributes:
        owner: Customer id the row belongs to, "" for products, stores and the like.
        version: Counted by the centre, from 1; 0 for a row no centre has seen.
        as_of: When this was known to be true, microseconds since 1970.
        source: Who said so: a channel, a system, or "here" for what this device recorded itself.
        is_unsettled: An operation recorded here made it so and the centre has not answered yet.
    """

    key: str
    kind: str
    owner: str
    version: int
    as_of: int
    source: str
    body: Record
    is_unsettled: bool = False


class Missing(Enum):
    """Why there is no row."""

    ABSENT = "absent"  # the centre looked: there is none
    UNKNOWN = "unknown"  # this device does not hold it, which says nothing


Cell = Row | Missing
"""What an operation sees under one of its keys."""


_decoders: Final = {kind: msgspec.json.Decoder(struct) for kind, struct in KINDS.items()}
_encoder: Final = msgspec.json.Encoder()


def body_of(kind: str, raw: bytes) -> Record:
    """The record of stored or received JSON. Raises Malformed."""
    decoder = _decoders.get(kind)
    if decoder is None:
        raise Malformed(f"unknown kind of record: {kind[:40]}")
    try:
        return decoder.decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise Malformed(f"a {kind} does not parse") from error


def raw_of(body: Record) -> bytes:
    """The JSON of a record, as stored and sent."""
    return _encoder.encode(body)


def row_of(body: Record, *, owner: str, as_of: int, source: str, version: int = 0) -> Row:
    """A row around a record; its key follows from kind and id."""
    kind = kind_of(body)
    record_id: str = body.id  # type: ignore[attr-defined]  # every struct in KINDS has one
    return Row(
        key=key_of(kind, record_id), kind=kind, owner=owner, version=version, as_of=as_of,
        source=source, body=body,
    )  # fmt: skip
