"""What goes over the network between a device and the centre. One place for both ends.

    POST /v1/hello      signed with the device's key; both ends agree on a session key (`sync.model.signatures`)
    POST /v1/push       operations up; one result an operation, with the rows as they are now
    POST /v1/pull       cursors up; changed rows down, scope by scope
    POST /v1/want       hold these customers for some time, or no more; their rows come at once
    POST /v1/snapshot   of which parts a scope can be had whole
    GET  /v1/snap/HASH  one such part; the only answer that may be cached
    POST /v1/diff       sums of 256 buckets up; the rows of those that differ down
    POST /v1/custody    operations this device cannot get through by itself, as raw bytes
    POST /v1/erased     notes of erasures that a centre which was set back may lack
    POST /v1/inbox      operations of this store that wait for a person
    POST /v1/decide     what a person decided about one of them
    POST /v1/capsule    what a band is to carry of its wearer's thread, signed
    POST /v1/leases     the keys of the bands whose owners this store holds, sealed with the session key
    POST /v1/band       prove a band whose key this store does not hold, in two steps
    POST /v1/deny       the newest deny list, signed
    GET  /v1/health     is the centre up; says nothing else
    GET  /v1/openapi.json   this, for programs

Requests are JSON. Answers of push, pull and leases are lines of JSON that end with a record carrying the number of rows and a
digest keyed with the session key: an answer that is cut, altered or not the centre's is thrown away before a byte of
it is applied. A stored body is spliced into its line and never decoded on the way out. Every answer echoes the request
id (`x-req`) and is `no-store`. Errors are problem+json with a `code` of `PROBLEMS`.
"""

import hashlib
import hmac
from typing import Annotated, Final, Literal, TypeVar

import msgspec

from sync.model.errors import Malformed
from sync.model.operation import Operation
from sync.model.records import KINDS
from sync.model.sums import sum_text

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
MARKS_MAX: Final = 20
"""History marks a device keeps and may present for one scope."""

WANTS_MAX: Final = 100
"""Customers asked for in one request."""

WANT_DAYS_MAX: Final = 90
"""How long a store may hold a customer it asked for."""

DIFF_BUCKETS_MAX: Final = 8
"""Buckets one diff answer repairs; a hundredth of the scope each third."""

NOTES_MAX: Final = 100
"""Notes of erasures in one request; each is about 300 bytes, and 8 KB at most."""

CUSTODY_OPS_MAX: Final = 20
INBOX_MAX: Final = 200
"""Operations in one inbox answer."""

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
    "not_proved": (403, "The band did not prove itself."),
    "too_often": (429, "That is asked too often; come again in a minute."),
}
"""Code to status and sentence. Public; never renamed."""

CAPSULE_SIZE_MIN: Final = 96
CAPSULE_SIZE_MAX: Final = 256
"""Bytes of the places chips have for a capsule; a capsule without words takes the least of them."""

_One = TypeVar("_One")

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
    """Who is calling.

    Attributes:
        share: A fresh P-256 public key in uncompressed hex, for the session key.
        reads: Newest form of the body this program reads, by kind; kinds at form 1 may be left out.
        token: What the last push answer of this lineage said, "" before the first.
        version: Of the program, as "0.1.0"; "" is older than all.
        writes: Newest version of each kind of operation this program records.
        free_size: Bytes that are free where it keeps its files; -1 is not said.
    """

    device: Id
    lineage: Id
    program: Short
    share: Annotated[str, msgspec.Meta(min_length=130, max_length=130)]
    reads: dict[str, int] = {}
    token: Annotated[str, msgspec.Meta(max_length=32)] = ""
    version: Annotated[str, msgspec.Meta(max_length=80)] = ""
    writes: dict[str, int] = {}
    free_size: Annotated[int, msgspec.Meta(ge=-1, le=2**63 - 1)] = -1


class Grant(msgspec.Struct, frozen=True, omit_defaults=True):
    """A scope this device may pull, and how far it goes now.

    Attributes:
        count: Rows in it now, for a progress bar; a hint.
        snapshot: Seq up to which a snapshot has it whole, 0 when there is none; a hint.
    """

    id: str
    epoch: str
    head: int
    count: int = 0
    snapshot: int = 0


class Mark(msgspec.Struct, frozen=True, array_like=True):
    """A random name of one moment in the history of a scope: `[seq, token, kept]`.

    Who knows another name for that moment has another history. `kept` marks, one an hour, outlive the others.
    """

    seq: Annotated[int, msgspec.Meta(ge=0)]
    token: Annotated[str, msgspec.Meta(max_length=32)]
    is_kept: bool = False


class HelloAnswer(msgspec.Struct, frozen=True):
    """The session.

    Attributes:
        share: The centre's fresh public key.
        proof: Shows that it holds the key the device pinned.
        degraded: Kinds whose rows come in a newer form than this device reads; it keeps them raw.
        spread_ms: Over how long a fleet should spread its next hello after nobody answered, a hint.
        state: "revoked" or "retired" when this device may hold nothing any more: no grants, and only push is answered.
        statement: Shows that the centre itself says so (`signatures.holds_statement`); without it `state` says nothing.
        knows_token: False when it never said the token it was told: it may have lost what that push did, so all that
            was answered is offered again. A cache that lost its newest marks as well could not tell otherwise.
        unread: Kinds of operation this device writes and this centre cannot read yet: it holds them, and loses none.
        least_version: The oldest program that is answered from `least_from` on, microseconds since 1970; "" for any.
            An older one is `incompatible` then.
    """

    session: str
    share: str
    proof: str
    store: str
    server_time: int
    grants: tuple[Grant, ...]
    degraded: tuple[str, ...] = ()
    spread_ms: int = 0
    state: str = ""
    statement: str = ""
    knows_token: bool = True
    unread: tuple[str, ...] = ()
    least_version: str = ""
    least_from: int = 0


SAID_MAX: Final = 64
"""Pushes without an answer that the next one names."""


class PushRequest(msgspec.Struct, frozen=True):
    """Operations, oldest first.

    Attributes:
        token: What the last push answer of this lineage said, "" before the first. An outbox that was restored from a
            copy, or copied to a second device, presents an old one: then its lineage has forked.
        said: The last operation of each push that went out with this token and was not answered, at most SAID_MAX, the newest.
            Who knows it is no copy, also where it holds that operation back for now.
    """

    lineage: Id
    ops: Annotated[tuple[Operation, ...], msgspec.Meta(max_length=PUSH_OPS_MAX)]
    token: Annotated[str, msgspec.Meta(max_length=32)] = ""
    said: Annotated[tuple[Id, ...], msgspec.Meta(max_length=SAID_MAX)] = ()


class PushAnswer(msgspec.Struct, frozen=True):
    """What became of a push. `is_forked`: nothing was done; begin a new lineage and send again under the same ids.

    With `is_lost` it is the centre that forgot, and nothing is wrong with the device.
    """

    results: tuple["OpResult", ...]
    token: str = ""
    is_forked: bool = False
    is_lost: bool = False


class Cursor(msgspec.Struct, frozen=True, omit_defaults=True):
    """How far this device holds a scope, and the marks it knows of its history, newest first."""

    id: Id
    seq: Annotated[int, msgspec.Meta(ge=0)]
    marks: Annotated[tuple[Mark, ...], msgspec.Meta(max_length=MARKS_MAX)] = ()


class PullRequest(msgspec.Struct, frozen=True):
    """What changed since these cursors? `wait_ms` holds the answer until something did.

    Attributes:
        lineage: This life of the outbox.
        token: What the last push answer of it said; "" where hello said that it is not known.
    """

    scopes: Annotated[tuple[Cursor, ...], msgspec.Meta(max_length=SCOPES_MAX)]
    limit: Annotated[int, msgspec.Meta(ge=1, le=PAGE_ROWS_MAX)] = PAGE_ROWS_MAX
    wait_ms: Annotated[int, msgspec.Meta(ge=0, le=WAIT_MS_MAX)] = 0
    lineage: Annotated[str, msgspec.Meta(max_length=80)] = ""
    token: Annotated[str, msgspec.Meta(max_length=80)] = ""


class Want(msgspec.Struct, frozen=True, omit_defaults=True):
    """A customer by one of these; the first that is set counts."""

    owner: Annotated[str, msgspec.Meta(max_length=80)] = ""
    band: Annotated[str, msgspec.Meta(max_length=80)] = ""
    order: Annotated[str, msgspec.Meta(max_length=80)] = ""
    contact: Annotated[str, msgspec.Meta(max_length=200)] = ""


class WantRequest(msgspec.Struct, frozen=True):
    """Hold these customers in this store for `days`, and these owners no more."""

    want: Annotated[tuple[Want, ...], msgspec.Meta(max_length=WANTS_MAX)] = ()
    drop: Annotated[tuple[Id, ...], msgspec.Meta(max_length=WANTS_MAX)] = ()
    days: Annotated[int, msgspec.Meta(ge=1, le=WANT_DAYS_MAX)] = 1


class Wanted(msgspec.Struct, frozen=True):
    """Whom one `Want` found, "" for nobody, and the rows of that owner."""

    owner: str
    rows: tuple["WireRow", ...]


class SnapshotRequest(msgspec.Struct, frozen=True):
    """Of which parts can this scope be had whole, in this format?"""

    scope: Id
    format: Annotated[int, msgspec.Meta(ge=1, le=99)] = 1


class SnapshotPart(msgspec.Struct, frozen=True):
    """One part: SHA-256 of the bytes as they are served (hex), how many bytes, how many rows."""

    part: str
    size: int
    rows: int


class SnapshotAnswer(msgspec.Struct, frozen=True):
    """A scope whole up to `seq`; seq 0 when there is none. `key` opens the parts: sealed with the session key, hex."""

    scope: str
    seq: int
    epoch: str = ""
    mark: Mark | None = None
    count: int = 0
    sum: int = 0
    key: str = ""
    parts: tuple[SnapshotPart, ...] = ()


class DiffRequest(msgspec.Struct, frozen=True):
    """The sum of each bucket of a scope as this device holds it, 16 hex digits each."""

    scope: Id
    buckets: Annotated[
        tuple[Annotated[str, msgspec.Meta(pattern="^[0-9a-f]{16}$")], ...],
        msgspec.Meta(min_length=256, max_length=256),
    ]


class DiffAnswer(msgspec.Struct, frozen=True):
    """Buckets that differ, with *all* rows the scope has in them, and how many more differ."""

    scope: str
    buckets: tuple[int, ...]
    rows: tuple["WireRow", ...]
    n_more: int


class Raw(msgspec.Struct, frozen=True):
    """An operation as opaque bytes, base64 in JSON, and why it does not get through otherwise."""

    id: Id
    raw: Annotated[bytes, msgspec.Meta(max_length=65_536)]
    reason: Short = ""


class CustodyRequest(msgspec.Struct, frozen=True):
    """Operations the centre failed at whenever they came; it keeps them for a person. `token` and `said` as of a push."""

    lineage: Id
    ops: Annotated[tuple[Raw, ...], msgspec.Meta(max_length=CUSTODY_OPS_MAX)]
    token: Annotated[str, msgspec.Meta(max_length=32)] = ""
    said: Annotated[tuple[Id, ...], msgspec.Meta(max_length=SAID_MAX)] = ()


class ErasedRequest(msgspec.Struct, frozen=True):
    """Notes of erasures a device holds and its centre, which was set back, may lack."""

    notes: Annotated[
        tuple[Annotated[str, msgspec.Meta(max_length=8_192)], ...],
        msgspec.Meta(max_length=NOTES_MAX),
    ]


class ErasedAnswer(msgspec.Struct, frozen=True):
    """How many customers were erased again for them."""

    erased: int


class InboxRequest(msgspec.Struct, frozen=True):
    """Operations of this store that wait for a person, after this id."""

    after: Annotated[str, msgspec.Meta(max_length=80)] = ""


class InboxEntry(msgspec.Struct, frozen=True):
    """One of them; `raw` is the operation as it was recorded, base64."""

    op: str
    kind: str
    code: str
    owner: str
    store: str
    device: str
    at: int
    raw: bytes


class DecideRequest(msgspec.Struct, frozen=True, omit_defaults=True):
    """What a person decided about a held operation.

    Attributes:
        decision: replay (try it again as it is) | edit (try it with these arguments) | void (it is settled otherwise).
        args: For edit; the same kind, the same owner.
        by, reason: Who, and why in words; kept for ever.
    """

    op: Id
    decision: Literal["replay", "edit", "void"]
    by: Short
    reason: Short = ""
    args: msgspec.Raw = msgspec.Raw(b"")


class Lease(msgspec.Struct, frozen=True):
    """One leased band key. `uid` is the keyed hash of the UID, `sealed` the key under the session key, both hex."""

    uid: str
    sealed: str
    version: int
    until: int


class CapsuleRequest(msgspec.Struct, frozen=True):
    """Which band's capsule, and the bytes of its place on the chip."""

    band: Annotated[str, msgspec.Meta(pattern="^[0-9a-f]{32}$")]
    size: Annotated[int, msgspec.Meta(ge=CAPSULE_SIZE_MIN, le=CAPSULE_SIZE_MAX)]


class CapsuleAnswer(msgspec.Struct, frozen=True):
    """A signed capsule, hex."""

    capsule: str


class BandRequest(msgspec.Struct, frozen=True, omit_defaults=True):
    """One step of the proof of a band, all in hex.

    Attributes:
        uid: The true UID, as the band says.
        step: 1 with the chip's challenge, 2 with its last message.
        data: What the chip said.
        state: In step 2, what the answer to step 1 had.
        dialect: How the chip proves itself: ev2 AuthenticateEV2First, ev1 AuthenticateAES, lrp the first one of LRP, mful
            that of an Ultralight AES; in both steps the same.
    """

    uid: Annotated[str, msgspec.Meta(pattern="^[0-9a-f]{8,20}$")]
    step: Literal[1, 2]
    data: Annotated[str, msgspec.Meta(pattern="^([0-9a-f]{2}){1,64}$")]
    state: Annotated[str, msgspec.Meta(max_length=400)] = ""
    dialect: Annotated[str, msgspec.Meta(pattern="^(ev2|ev1|lrp|mful)$")] = "ev2"


class BandAnswer(msgspec.Struct, frozen=True, omit_defaults=True):
    """The answer to one step.

    Attributes:
        data: Step 1: what to send to the chip, hex.
        state: Step 1: for step 2.
        keys: Step 2: of this one session with the band, sealed with the session key of the device: two keys, 32 bytes, for ev2;
            one for the others, for lrp the one that both follow from.
        ti: Step 2: its transaction identifier, hex, for ev2 and lrp.
    """

    data: str = ""
    state: str = ""
    keys: str = ""
    ti: str = ""


class DenyAnswer(msgspec.Struct, frozen=True):
    """The newest deny list, as `sync.model.deny` reads it; base64 on the wire."""

    deny: bytes


class LeasesAnswer(msgspec.Struct, frozen=True):
    """All keys this store may hold now; what is not in it is no longer leased. `group` is `K_uid`, sealed.

    `deny` is the newest deny list, as `sync.model.deny` reads it: a key never comes without one of the same moment.
    `capsule_keys` are what capsules are believed by: Ed25519 public keys, hex.

    On the wire one line with the group key, one for each lease, and the end: nobody in between may leave one out, or give
    an older answer again in which a key that was taken back is still lent.
    """

    group: str
    group_version: int
    leases: tuple[Lease, ...]
    deny: bytes = b""
    capsule_keys: tuple[str, ...] = ()


class Line(msgspec.Struct, frozen=True, omit_defaults=True):
    """One line of a push or pull answer; which fields are set says which line it is.

    A row:        scope q k t o v a src rv d (t kind, o owner, v version, a as_of, rv version of the body's form, d body)
    A row gone:   scope q k x=1
    A result:     op status code clash       (push: followed by its rows)
    A checkpoint: ckpt seq head mark n sum   (pull: this scope is held up to seq; head=1 when that is all there is;
                                              n rows and their sum only with head=1)
    Parted:       parted seq more            (pull, status 409: our histories part after seq; more=1: present all marks)
    Too old:      too_old                    (pull, status 410: what left this scope since that cursor is not known any more)
    A token:      token                      (push: present it with the next)
    Forked:       forked=1                   (push, status 409; 2: it is the centre that was set back)
    Wanted:       want owner                 (want: the n-th found this owner, or nobody; rows follow)
    A bucket:     bucket                     (diff: differs; its rows follow)
    More:         more                       (diff: so many further buckets differ)
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
    rv: int = 1
    ckpt: str = ""
    seq: int = 0
    head: int = 0
    mark: Mark | None = None
    n: int = -1
    sum: str = ""
    parted: str = ""
    too_old: str = ""
    token: str = ""
    forked: int = 0
    want: int = -1
    owner: str = ""
    bucket: int = -1
    more: int = 0
    end: int = 0
    rows: int = 0
    digest: str = ""


class WireRow(msgspec.Struct, frozen=True, gc=False):
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
    form: int = 1
    """Version of the body's form; one this program does not read is kept raw."""


class Checkpoint(msgspec.Struct, frozen=True):
    """The scope is held up to `seq` once the rows before are applied.

    Attributes:
        mark: The newest mark of the scope's history up to `seq`; None when it has none.
        count, sum: Of all live rows of the scope, with `is_head`; -1 when not said.
    """

    scope: str
    seq: int
    is_head: bool
    mark: Mark | None = None
    count: int = -1
    sum: int = -1


class Parting(msgspec.Struct, frozen=True):
    """Centre and device know another history of this scope after `seq`. `needs_more`: present all marks and ask again."""

    scope: str
    seq: int
    needs_more: bool = False


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
    partings: tuple[Parting, ...] = ()
    too_old: tuple[str, ...] = ()


_encoder = msgspec.json.Encoder()
_line = msgspec.json.Decoder(Line)


class _Head(msgspec.Struct, frozen=True, omit_defaults=True):
    """The fields of a row's `Line` before its body, and no others: a page has a thousand of them."""

    scope: str = ""
    q: int = 0
    k: str = ""
    t: str = ""
    o: str = ""
    v: int = 0
    a: int = 0
    src: str = ""
    rv: int = 1


class _Result(msgspec.Struct, frozen=True, omit_defaults=True):
    """The fields of a result's `Line`, and no others."""

    op: str
    status: str
    code: str = ""
    clash: str = ""


def result_line(result: OpResult) -> bytes:
    """One result as a line, without its rows."""
    head = _Result(result.op, result.status, result.code, result.clash)
    return _encoder.encode(head) + b"\n"


def row_line(row: WireRow) -> bytes:
    """One row as a line, newline included; its stored body is spliced in as it is."""
    if row.is_gone:
        return _encoder.encode(Line(scope=row.scope, q=row.seq, k=row.key, x=1)) + b"\n"
    head = _encoder.encode(
        _Head(
            row.scope, row.seq, row.key, row.kind, row.owner, row.version, row.as_of, row.source,
            row.form,
        )
    )  # fmt: skip
    return b'%b,"d":%b}\n' % (head[:-1], row.body)


def checkpoint_line(checkpoint: Checkpoint) -> bytes:
    """One checkpoint as a line."""
    line = Line(
        ckpt=checkpoint.scope, seq=checkpoint.seq, head=int(checkpoint.is_head),
        mark=checkpoint.mark, n=checkpoint.count,
        sum=sum_text(checkpoint.sum) if checkpoint.sum >= 0 else "",
    )  # fmt: skip
    return _encoder.encode(line) + b"\n"


def parting_line(parting: Parting) -> bytes:
    """One parting as a line."""
    line = Line(parted=parting.scope, seq=parting.seq, more=int(parting.needs_more))
    return _encoder.encode(line) + b"\n"


def too_old_line(scope: str) -> bytes:
    """A scope whose cursor is below the floor, as a line."""
    return _encoder.encode(Line(too_old=scope)) + b"\n"


def ended(lines: bytes, *, n_rows: int, session_key: bytes, request_id: str) -> bytes:
    """The whole answer: the lines and the end record that makes them checkable."""
    digest = _digest(lines, session_key, request_id)
    return lines + _encoder.encode(Line(end=1, rows=n_rows, digest=digest)) + b"\n"


def _digest(lines: bytes, session_key: bytes, request_id: str) -> str:
    keyed = hashlib.blake2b(key=session_key, digest_size=16)
    keyed.update(request_id.encode() + b"\n")
    keyed.update(lines)
    return keyed.hexdigest()


def checked_lines(answer: bytes, *, session_key: bytes, request_id: str) -> list[Line]:
    """All lines before the end record, after the record was found to hold. Raises Malformed."""
    lines, n_rows = checked(answer, session_key=session_key, request_id=request_id)
    decoded = [_decoded(line) for line in lines]
    if sum(1 for line in decoded if line.k) != n_rows:
        raise Malformed("the answer does not hold as many rows as it says")
    return decoded


def checked(answer: bytes, *, session_key: bytes, request_id: str) -> tuple[list[bytes], int]:
    """The lines before the end record and how many rows it says there are, once its digest holds. Raises Malformed."""
    cut = answer.rfind(b"\n", 0, -1) + 1
    lines, last = answer[:cut], answer[cut:]
    end = _decoded(last)
    if not end.end or not last.endswith(b"\n"):
        raise Malformed("the answer has no end")
    if not hmac.compare_digest(end.digest, _digest(lines, session_key, request_id)):
        raise Malformed("the digest of the answer does not hold")
    if end.rows < 0:
        raise Malformed("the answer holds less than nothing")
    return lines.splitlines(), end.rows


def _decoded(line: bytes) -> Line:
    try:
        return _line.decode(line)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise Malformed("a line of the answer does not parse") from error


def row_of_line(line: Line) -> WireRow:
    """The row a line holds. Raises Malformed for one without a body."""
    body = bytes(line.d)
    if not line.x and not body:
        raise Malformed("a row without a body")
    return WireRow(
        scope=line.scope, seq=line.q, key=line.k, kind=line.t, owner=line.o, version=line.v,
        as_of=line.a, source=line.src, body=body, is_gone=bool(line.x), form=line.rv,
    )  # fmt: skip


class _RowLine(msgspec.Struct, frozen=True, gc=False):
    """A `Line` that is a row and nothing else: a first sync decodes 50,000 of them, and most fields of a line are not theirs."""

    scope: str
    q: int
    k: str
    t: str = ""
    o: str = ""
    v: int = 0
    a: int = 0
    src: str = ""
    rv: int = 1
    x: int = 0
    d: msgspec.Raw = msgspec.Raw(b"")


_row_line = msgspec.json.Decoder(_RowLine)
_ROW_BEGINS: Final = b'{"scope":'


def _row_of(raw: bytes) -> WireRow:
    try:
        line = _row_line.decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise Malformed("a line of the answer does not parse") from error
    body = bytes(line.d)
    if not line.x and not body:
        raise Malformed("a row without a body")
    if not line.k:
        raise Malformed("a row without a key")
    return WireRow(
        line.scope, line.q, line.k, line.t, line.o, line.v, line.a, line.src, body, bool(line.x), line.rv
    )  # fmt: skip


def row_or_line(raw: bytes) -> WireRow | Line:
    """What a line holds: a row, or anything else as it is. Raises Malformed."""
    if raw.startswith(_ROW_BEGINS):
        return _row_of(raw)
    line = _decoded(raw)
    return row_of_line(line) if line.k else line


class Unread:
    """A pull answer whose digest and number of rows hold and whose rows are not decoded yet, so that the next can be asked for.

    Attributes:
        checkpoints, partings, too_old: As in `Page`.
    """

    def __init__(self, lines: list[bytes], n_rows: int) -> None:
        """Raises Malformed."""
        rows: list[bytes] = []
        checkpoints: list[Checkpoint] = []
        partings: list[Parting] = []
        too_old: list[str] = []
        for raw in lines:
            if raw.startswith(_ROW_BEGINS):
                rows.append(raw)
                continue
            line = _decoded(raw)
            if line.k:
                rows.append(raw)
            elif line.ckpt:
                checkpoints.append(_checkpoint_of(line))
            elif line.parted:
                partings.append(Parting(line.parted, line.seq, needs_more=bool(line.more)))
            elif line.too_old:
                too_old.append(line.too_old)
        if len(rows) != n_rows:
            raise Malformed("the answer does not hold as many rows as it says")
        self._rows = rows
        self.checkpoints = tuple(checkpoints)
        self.partings = tuple(partings)
        self.too_old = tuple(too_old)

    def page(self) -> Page:
        """The page, its rows decoded. Raises Malformed."""
        rows = tuple(_row_of(raw) for raw in self._rows)
        return Page(rows, self.checkpoints, self.partings, self.too_old)


def unread_of(answer: bytes, *, session_key: bytes, request_id: str) -> Unread:
    """A pull answer, checked whole but for what its rows say. Raises Malformed."""
    lines, n_rows = checked(answer, session_key=session_key, request_id=request_id)
    return Unread(lines, n_rows)


def page_of(answer: bytes, *, session_key: bytes, request_id: str) -> Page:
    """A pull answer, checked whole. Raises Malformed."""
    return unread_of(answer, session_key=session_key, request_id=request_id).page()


def _checkpoint_of(line: Line) -> Checkpoint:
    try:
        total = int(line.sum, 16) if line.sum else -1
    except ValueError as error:
        raise Malformed("a sum does not parse") from error
    return Checkpoint(
        scope=line.ckpt, seq=line.seq, is_head=bool(line.head), mark=line.mark, count=line.n,
        sum=total,
    )  # fmt: skip


class _Group(msgspec.Struct, frozen=True):
    """The first line of a leases answer."""

    group: str
    group_version: int
    deny: bytes = b""
    capsule_keys: tuple[str, ...] = ()


_capsule = msgspec.json.Decoder(CapsuleAnswer)
_band = msgspec.json.Decoder(BandAnswer)
_deny = msgspec.json.Decoder(DenyAnswer)
_group = msgspec.json.Decoder(_Group)
_lease = msgspec.json.Decoder(Lease)


def leases_page(answer: LeasesAnswer, *, session_key: bytes, request_id: str) -> bytes:
    """The leases answer as it is sent."""
    group = _Group(answer.group, answer.group_version, answer.deny, answer.capsule_keys)
    lines = b"".join(_encoder.encode(one) + b"\n" for one in (group, *answer.leases))
    return ended(
        lines, n_rows=len(answer.leases), session_key=session_key, request_id=request_id
    )


def leases_of(answer: bytes, *, session_key: bytes, request_id: str) -> LeasesAnswer:
    """A leases answer, checked whole. Raises Malformed."""
    lines, n_rows = checked(answer, session_key=session_key, request_id=request_id)
    if len(lines) != n_rows + 1:
        raise Malformed("the answer does not hold as many leases as it says")
    try:
        group = _group.decode(lines[0])
        leases = tuple(_lease.decode(line) for line in lines[1:])
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise Malformed("a line of the answer does not parse") from error
    return LeasesAnswer(
        group.group, group.group_version, leases, group.deny, group.capsule_keys
    )


def band_page(answer: BandAnswer, *, session_key: bytes, request_id: str) -> bytes:
    """One step's answer as it is sent."""
    line = _encoder.encode(answer) + b"\n"
    return ended(line, n_rows=1, session_key=session_key, request_id=request_id)


def band_of(answer: bytes, *, session_key: bytes, request_id: str) -> BandAnswer:
    """One step's answer, checked whole. Raises Malformed."""
    return _one_of(_band, answer, session_key=session_key, request_id=request_id)


def deny_page(answer: DenyAnswer, *, session_key: bytes, request_id: str) -> bytes:
    """The answer with the deny list as it is sent."""
    line = _encoder.encode(answer) + b"\n"
    return ended(line, n_rows=1, session_key=session_key, request_id=request_id)


def deny_of(answer: bytes, *, session_key: bytes, request_id: str) -> DenyAnswer:
    """An answer with the deny list, checked whole but for the list itself. Raises Malformed."""
    return _one_of(_deny, answer, session_key=session_key, request_id=request_id)


def _one_of(
    decoder: msgspec.json.Decoder[_One], answer: bytes, *, session_key: bytes, request_id: str
) -> _One:
    """The one value of an answer that has one line."""
    lines, _ = checked(answer, session_key=session_key, request_id=request_id)
    if len(lines) != 1:
        raise Malformed("the answer is not one line")
    try:
        return decoder.decode(lines[0])
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise Malformed("a line of the answer does not parse") from error


def capsule_page(answer: CapsuleAnswer, *, session_key: bytes, request_id: str) -> bytes:
    """The answer with one capsule as it is sent."""
    line = _encoder.encode(answer) + b"\n"
    return ended(line, n_rows=1, session_key=session_key, request_id=request_id)


def capsule_of(answer: bytes, *, session_key: bytes, request_id: str) -> bytes:
    """The capsule of an answer that was checked whole; whether it holds is another question. Raises Malformed."""
    lines, _ = checked(answer, session_key=session_key, request_id=request_id)
    if len(lines) != 1:
        raise Malformed("the answer does not hold one capsule")
    try:
        return bytes.fromhex(_capsule.decode(lines[0]).capsule)
    except (msgspec.DecodeError, ValueError) as error:
        raise Malformed("a line of the answer does not parse") from error


def is_known_kind(kind: str) -> bool:
    """Whether this version reads rows of that kind; others are kept raw and counted."""
    return kind in KINDS
