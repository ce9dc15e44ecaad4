"""The answers of push, want, snapshot, diff, erased and inbox as lines, written and read; the page of a pull is in `wire`. Pure.

Each reader takes the whole answer, checks its end record, and raises Malformed for anything that does not hold.
"""

from collections.abc import Iterable
from typing import TypeVar

import msgspec

from sync.model.errors import Malformed
from sync.model.sums import sum_text
from sync.model.wire import (
    DiffAnswer,
    ErasedAnswer,
    InboxEntry,
    Line,
    Mark,
    OpResult,
    PushAnswer,
    SnapshotAnswer,
    SnapshotPart,
    Wanted,
    WireRow,
    checked,
    checked_lines,
    ended,
    result_line,
    row_line,
    row_of_line,
    row_or_line,
)

_encoder = msgspec.json.Encoder()

Shape = TypeVar("Shape")


def _line(line: object) -> bytes:
    return _encoder.encode(line) + b"\n"


# Push, custody and decide


def push_page(answer: PushAnswer, *, session_key: bytes, request_id: str) -> bytes:
    """The answer of push: its token, then each result followed by the rows of its keys."""
    lines = [_line(Line(forked=1 + answer.is_lost))] if answer.is_forked else []
    if answer.token:
        lines.append(_line(Line(token=answer.token)))
    n_rows = 0
    for result in answer.results:
        lines.append(result_line(result))
        lines += map(row_line, result.rows)
        n_rows += len(result.rows)
    return ended(b"".join(lines), n_rows=n_rows, session_key=session_key, request_id=request_id)


def push_of(answer: bytes, *, session_key: bytes, request_id: str) -> PushAnswer:
    """A push answer, checked whole. Raises Malformed."""
    lines, n_rows = checked(answer, session_key=session_key, request_id=request_id)
    results: list[tuple[Line, list[WireRow]]] = []
    token, forked = "", 0
    for line in map(row_or_line, lines):
        if isinstance(line, WireRow):
            if not results:
                raise Malformed("a row before the first result")
            results[-1][1].append(line)
        elif line.op:
            results.append((line, []))
        elif line.token:
            token = line.token
        elif line.forked:
            forked = line.forked
        else:
            raise Malformed("a line of another answer")
    if sum(len(rows) for _, rows in results) != n_rows:
        raise Malformed("the answer does not hold as many rows as it says")
    return PushAnswer(
        tuple(
            OpResult(head.op, head.status, head.code, head.clash, tuple(rows))
            for head, rows in results
        ),
        token,
        is_forked=forked > 0,
        is_lost=forked > 1,
    )


# Want


def want_page(found: Iterable[Wanted], *, session_key: bytes, request_id: str) -> bytes:
    """The answer of want: for each one asked, whom it found and their rows."""
    lines: list[bytes] = []
    n_rows = 0
    for number, wanted in enumerate(found):
        lines.append(_line(Line(want=number, owner=wanted.owner)))
        lines += map(row_line, wanted.rows)
        n_rows += len(wanted.rows)
    return ended(b"".join(lines), n_rows=n_rows, session_key=session_key, request_id=request_id)


def want_of(answer: bytes, *, session_key: bytes, request_id: str) -> tuple[Wanted, ...]:
    """A want answer, checked whole, in the order asked. Raises Malformed."""
    found: list[tuple[str, list[WireRow]]] = []
    for line in checked_lines(answer, session_key=session_key, request_id=request_id):
        if line.want >= 0:
            if line.want != len(found):
                raise Malformed("an answer out of its order")
            found.append((line.owner, []))
        elif line.k and found:
            found[-1][1].append(row_of_line(line))
        else:
            raise Malformed("a row before the first customer")
    return tuple(Wanted(owner, tuple(rows)) for owner, rows in found)


# Snapshot


class _Whole(msgspec.Struct, frozen=True, omit_defaults=True):
    """The first line of a snapshot answer."""

    snap: str
    seq: int
    epoch: str = ""
    mark: Mark | None = None
    n: int = 0
    sum: str = ""
    key: str = ""


def snapshot_page(answer: SnapshotAnswer, *, session_key: bytes, request_id: str) -> bytes:
    """The answer of snapshot: the scope, then its parts in order."""
    whole = _Whole(
        answer.scope, answer.seq, answer.epoch, answer.mark, answer.count,
        sum_text(answer.sum), answer.key,
    )  # fmt: skip
    lines = b"".join(map(_line, (whole, *answer.parts)))
    return ended(
        lines, n_rows=len(answer.parts), session_key=session_key, request_id=request_id
    )


def snapshot_of(answer: bytes, *, session_key: bytes, request_id: str) -> SnapshotAnswer:
    """A snapshot answer, checked whole. Raises Malformed."""
    first, *parts = _counted(answer, session_key=session_key, request_id=request_id)
    whole = _decoded(first, _Whole)
    try:
        total = int(whole.sum or "0", 16)
    except ValueError as error:
        raise Malformed("a sum does not parse") from error
    return SnapshotAnswer(
        whole.snap, whole.seq, whole.epoch, whole.mark, whole.n, total, whole.key,
        tuple(_decoded(part, SnapshotPart) for part in parts),
    )  # fmt: skip


# Diff


def diff_page(answer: DiffAnswer, *, session_key: bytes, request_id: str) -> bytes:
    """The answer of diff: which buckets differ, all rows of those, and how many more differ."""
    lines = [_line(_Buckets(answer.scope, answer.buckets, answer.n_more))]
    lines += map(row_line, answer.rows)
    return ended(
        b"".join(lines),
        n_rows=len(answer.rows),
        session_key=session_key,
        request_id=request_id,
    )


class _Buckets(msgspec.Struct, frozen=True):
    """The first line of a diff answer."""

    scope: str
    buckets: tuple[int, ...]
    more: int


def diff_of(answer: bytes, *, session_key: bytes, request_id: str) -> DiffAnswer:
    """A diff answer, checked whole. Raises Malformed."""
    first, *rows = _counted(answer, session_key=session_key, request_id=request_id)
    buckets = _decoded(first, _Buckets)
    return DiffAnswer(
        buckets.scope,
        buckets.buckets,
        tuple(row_of_line(_decoded(row, Line)) for row in rows),
        buckets.more,
    )


# Erased


def erased_page(answer: ErasedAnswer, *, session_key: bytes, request_id: str) -> bytes:
    """The answer of erased: one line."""
    return ended(_line(answer), n_rows=1, session_key=session_key, request_id=request_id)


def erased_of(answer: bytes, *, session_key: bytes, request_id: str) -> ErasedAnswer:
    """An answer of erased, checked whole. Raises Malformed."""
    lines, _ = checked(answer, session_key=session_key, request_id=request_id)
    if len(lines) != 1:
        raise Malformed("the answer does not hold one line")
    return _decoded(lines[0], ErasedAnswer)


# Inbox


def inbox_page(entries: Iterable[InboxEntry], *, session_key: bytes, request_id: str) -> bytes:
    """The answer of inbox: one line an operation, after a line that says how many."""
    kept = tuple(entries)
    lines = b"".join(map(_line, (_Inbox(len(kept)), *kept)))
    return ended(lines, n_rows=len(kept), session_key=session_key, request_id=request_id)


class _Inbox(msgspec.Struct, frozen=True):
    """The first line of an inbox answer."""

    inbox: int


def inbox_of(answer: bytes, *, session_key: bytes, request_id: str) -> tuple[InboxEntry, ...]:
    """An inbox answer, checked whole. Raises Malformed."""
    _first, *entries = _counted(answer, session_key=session_key, request_id=request_id)
    return tuple(_decoded(entry, InboxEntry) for entry in entries)


def _counted(answer: bytes, *, session_key: bytes, request_id: str) -> list[bytes]:
    """A first line and as many others as the end record says. Raises Malformed."""
    lines, n_rows = checked(answer, session_key=session_key, request_id=request_id)
    if len(lines) != n_rows + 1:
        raise Malformed("the answer does not hold as many lines as it says")
    return lines


def _decoded(line: bytes, shape: type[Shape]) -> Shape:
    try:
        return msgspec.json.decode(line, type=shape)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise Malformed("a line of the answer does not parse") from error
