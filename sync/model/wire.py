"""What goes over the network between a device and the centre. One place for both ends.

    POST /v1/hello    signed with the device's key; both ends agree on a session key (`sync.model.signatures`)
    POST /v1/push     operations up; one result an operation, with the rows as they are now
    POST /v1/pull     cursors up; changed rows down, scope by scope
    POST /v1/leases   the keys of the bands whose owners this store holds, sealed with the session key
    GET  /v1/health   is the centre up; says nothing else

Requests are JSON. Answers of push, pull and leases are lines of JSON that end with a record carrying the number of rows and a
digest keyed with the session key: an answer that is cut, altered or not the centre's is thrown away before a byte of
it is applied. A stored body is spliced into its line and never decoded on the way out. Every answer echoes the request
id (`x-req`) and is `no-store`. Errors are problem+json with a `code` of `PROBLEMS`.
"""

import hashlib
import hmac
from typing import Annotated, Final

import msgspec

from sync.model.errors import Malformed
from sync.model.operation import Operation
from sync.model.records import KINDS

PROTOCOL: Final = 1
"""Sent as `x-proto`; a centre that speaks another answers `incompatible`."""

NDJSON: Final = "application/x-ndjson"
PROBLEM: Final = "application/problem+json"

PUSH_OPS_MAX: Final = 200
"""Operations in one push; bounds what a lost answer costs to repeat."""

BODY_SIZE_MAX: Final = 1_048_576
"""A request body larger than this is refused unread; 200 operations are about 200 KB."""

ANSWER_SIZE_MAX: Final = 16 * 1_048_576
"""An answer larger than this after decompression is refused; a page of 1,000 rows is about 1 MB."""

PAGE_ROWS_MAX: Final = 1_000
SCOPES_MAX: Final = 16
WAIT_MS_MAX: Final = 25_000

PROBLEMS: Final[dict[str, tuple[int, str]]] = {
    "malformed": (400, "The request does not parse."),
    "not_trusted": (401, "The request is not signed by a device this centre knows."),
    "wrong_clock": (
        401,
        "The clock of this device is off; `x-server-time` says what time it is.",
    ),
    "replayed": (401, "This request was already made."),
    "not_allowed": (403, "This device may not ask for that."),
    "not_found": (404, "There is no such address."),
    "wrong_method": (405, "This address takes another method."),
    "session_over": (401, "The session is over; say hello again."),
    "too_large": (413, "The request is too large."),
    "wrong_type": (415, "The request must be JSON."),
    "incompatible": (426, "This centre speaks another version of the protocol."),
    "busy": (503, "The centre cannot do this now; come again."),
    "failed": (500, "The centre failed at this; nothing of it was done."),
}
"""Code to status and sentence. Public; never renamed."""

Id = Annotated[str, msgspec.Meta(min_length=1, max_length=80)]
Short = Annotated[str, msgspec.Meta(max_length=200)]


class Problem(msgspec.Struct, frozen=True):
    """An error answer. Source: RFC 9457; `code` is ours."""

    code: str
    title: str
    status: int
    type: str = "about:blank"
    detail: str = ""


class HelloRequest(msgspec.Struct, frozen=True):
    """Who is calling. `share` is a fresh P-256 public key in uncompressed hex, for the session key."""

    device: Id
    lineage: Id
    program: Short
    share: Annotated[str, msgspec.Meta(min_length=130, max_length=130)]


class Grant(msgspec.Struct, frozen=True):
    """A scope this device may pull, and how far it goes now."""

    id: str
    epoch: str
    head: int


class HelloAnswer(msgspec.Struct, frozen=True):
    """The session. `share` is the centre's fresh public key; `proof` shows that it holds the key the device pinned."""

    session: str
    share: str
    proof: str
    store: str
    server_time: int
    grants: tuple[Grant, ...]


class PushRequest(msgspec.Struct, frozen=True):
    """Operations, oldest first."""

    lineage: Id
    ops: Annotated[tuple[Operation, ...], msgspec.Meta(max_length=PUSH_OPS_MAX)]


class Cursor(msgspec.Struct, frozen=True):
    """How far this device holds a scope."""

    id: Id
    seq: Annotated[int, msgspec.Meta(ge=0)]


class PullRequest(msgspec.Struct, frozen=True):
    """What changed since these cursors? `wait_ms` holds the answer until something did."""

    scopes: Annotated[tuple[Cursor, ...], msgspec.Meta(max_length=SCOPES_MAX)]
    limit: Annotated[int, msgspec.Meta(ge=1, le=PAGE_ROWS_MAX)] = PAGE_ROWS_MAX
    wait_ms: Annotated[int, msgspec.Meta(ge=0, le=WAIT_MS_MAX)] = 0


class Lease(msgspec.Struct, frozen=True):
    """One leased band key. `uid` is the keyed hash of the UID, `sealed` the key under the session key, both hex."""

    uid: str
    sealed: str
    version: int
    until: int


class LeasesAnswer(msgspec.Struct, frozen=True):
    """All keys this store may hold now; what is not in it is no longer leased. `group` is `K_uid`, sealed.

    On the wire one line with the group key, one for each lease, and the end: nobody in between may leave one out, or give
    an older answer again in which a key that was taken back is still lent.
    """

    group: str
    group_version: int
    leases: tuple[Lease, ...]


class Line(msgspec.Struct, frozen=True, omit_defaults=True):
    """One line of a push or pull answer; which fields are set says which line it is.

    A row:        scope q k t o v a src d    (t kind, o owner, v version, a as_of, d body)
    A row gone:   scope q k x=1
    A result:     op status code clash       (push: followed by its rows)
    A checkpoint: ckpt seq head              (pull: this scope is held up to seq; head=1 when that is all there is)
    The end:      end=1 rows digest          (digest covers the request id and every byte before this line)
    """

    scope: str = ""
    q: int = 0
    k: str = ""
    t: str = ""
    o: str = ""
    v: int = 0
    a: int = 0
    src: str = ""
    d: msgspec.Raw = msgspec.Raw(b"")
    x: int = 0
    op: str = ""
    status: str = ""
    code: str = ""
    clash: str = ""
    ckpt: str = ""
    seq: int = 0
    head: int = 0
    end: int = 0
    rows: int = 0
    digest: str = ""


class WireRow(msgspec.Struct, frozen=True):
    """A row as received: its body still raw. `is_gone` says that it left the scope."""

    scope: str
    seq: int
    key: str
    kind: str
    owner: str
    version: int
    as_of: int
    source: str
    body: bytes
    is_gone: bool


class Checkpoint(msgspec.Struct, frozen=True):
    """The scope is held up to `seq` once the rows before are applied."""

    scope: str
    seq: int
    is_head: bool


class OpResult(msgspec.Struct, frozen=True):
    """What became of one operation, with the rows of its keys as they are now."""

    op: str
    status: str
    code: str
    clash: str
    rows: tuple[WireRow, ...]


class Page(msgspec.Struct, frozen=True):
    """A pull answer that is complete and the centre's."""

    rows: tuple[WireRow, ...]
    checkpoints: tuple[Checkpoint, ...]


_encoder = msgspec.json.Encoder()
_line = msgspec.json.Decoder(Line)


def row_line(row: WireRow) -> bytes:
    """One row as a line, newline included; its stored body is spliced in as it is."""
    if row.is_gone:
        return _encoder.encode(Line(scope=row.scope, q=row.seq, k=row.key, x=1)) + b"\n"
    head = _encoder.encode(
        Line(
            scope=row.scope, q=row.seq, k=row.key, t=row.kind, o=row.owner, v=row.version,
            a=row.as_of, src=row.source,
        )
    )  # fmt: skip
    return head[:-1] + b',"d":' + row.body + b"}\n"


def result_line(*, op: str, status: str, code: str = "", clash: str = "") -> bytes:
    """One result as a line; its rows follow it."""
    return _encoder.encode(Line(op=op, status=status, code=code, clash=clash)) + b"\n"


def checkpoint_line(checkpoint: Checkpoint) -> bytes:
    """One checkpoint as a line."""
    line = Line(ckpt=checkpoint.scope, seq=checkpoint.seq, head=int(checkpoint.is_head))
    return _encoder.encode(line) + b"\n"


def ended(lines: bytes, *, n_rows: int, session_key: bytes, request_id: str) -> bytes:
    """The whole answer: the lines and the end record that makes them checkable."""
    digest = _digest(lines, session_key, request_id)
    return lines + _encoder.encode(Line(end=1, rows=n_rows, digest=digest)) + b"\n"


def _digest(lines: bytes, session_key: bytes, request_id: str) -> str:
    keyed = hashlib.blake2b(key=session_key, digest_size=16)
    keyed.update(request_id.encode() + b"\n")
    keyed.update(lines)
    return keyed.hexdigest()


def _checked_lines(answer: bytes, *, session_key: bytes, request_id: str) -> list[Line]:
    """All lines before the end record, after the record was found to hold. Raises Malformed."""
    lines, n_rows = _checked(answer, session_key=session_key, request_id=request_id)
    decoded = [_decoded(line) for line in lines]
    if sum(1 for line in decoded if line.k) != n_rows:
        raise Malformed("the answer does not hold as many rows as it says")
    return decoded


def _checked(answer: bytes, *, session_key: bytes, request_id: str) -> tuple[list[bytes], int]:
    """The lines before the end record and how many rows it says there are, once its digest holds. Raises Malformed."""
    cut = answer.rfind(b"\n", 0, -1) + 1
    lines, last = answer[:cut], answer[cut:]
    end = _decoded(last)
    if not end.end or not last.endswith(b"\n"):
        raise Malformed("the answer has no end")
    if not hmac.compare_digest(end.digest, _digest(lines, session_key, request_id)):
        raise Malformed("the digest of the answer does not hold")
    return lines.splitlines(), end.rows


def _decoded(line: bytes) -> Line:
    try:
        return _line.decode(line)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise Malformed("a line of the answer does not parse") from error


def _row_of(line: Line) -> WireRow:
    body = bytes(line.d)
    if not line.x and not body:
        raise Malformed("a row without a body")
    return WireRow(
        scope=line.scope, seq=line.q, key=line.k, kind=line.t, owner=line.o, version=line.v,
        as_of=line.a, source=line.src, body=body, is_gone=bool(line.x),
    )  # fmt: skip


def page_of(answer: bytes, *, session_key: bytes, request_id: str) -> Page:
    """A pull answer, checked whole. Raises Malformed."""
    rows: list[WireRow] = []
    checkpoints: list[Checkpoint] = []
    for line in _checked_lines(answer, session_key=session_key, request_id=request_id):
        if line.k:
            rows.append(_row_of(line))
        elif line.ckpt:
            checkpoints.append(
                Checkpoint(scope=line.ckpt, seq=line.seq, is_head=bool(line.head))
            )
    return Page(tuple(rows), tuple(checkpoints))


def results_of(answer: bytes, *, session_key: bytes, request_id: str) -> tuple[OpResult, ...]:
    """A push answer, checked whole. Raises Malformed."""
    results: list[tuple[Line, list[WireRow]]] = []
    for line in _checked_lines(answer, session_key=session_key, request_id=request_id):
        if line.op:
            results.append((line, []))
        elif line.k and results:
            results[-1][1].append(_row_of(line))
        else:
            raise Malformed("a row before the first result")
    return tuple(
        OpResult(
            op=head.op, status=head.status, code=head.code, clash=head.clash, rows=tuple(rows)
        )
        for head, rows in results
    )


class _Group(msgspec.Struct, frozen=True):
    """The first line of a leases answer."""

    group: str
    group_version: int


_group = msgspec.json.Decoder(_Group)
_lease = msgspec.json.Decoder(Lease)


def leases_page(answer: LeasesAnswer, *, session_key: bytes, request_id: str) -> bytes:
    """The leases answer as it is sent."""
    group = _Group(answer.group, answer.group_version)
    lines = b"".join(_encoder.encode(one) + b"\n" for one in (group, *answer.leases))
    return ended(
        lines, n_rows=len(answer.leases), session_key=session_key, request_id=request_id
    )


def leases_of(answer: bytes, *, session_key: bytes, request_id: str) -> LeasesAnswer:
    """A leases answer, checked whole. Raises Malformed."""
    lines, n_rows = _checked(answer, session_key=session_key, request_id=request_id)
    if len(lines) != n_rows + 1:
        raise Malformed("the answer does not hold as many leases as it says")
    try:
        group = _group.decode(lines[0])
        leases = tuple(_lease.decode(line) for line in lines[1:])
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise Malformed("a line of the answer does not parse") from error
    return LeasesAnswer(group.group, group.group_version, leases)


def is_known_kind(kind: str) -> bool:
    """Whether this version reads rows of that kind; others are kept raw and counted."""
    return kind in KINDS
