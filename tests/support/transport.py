"""The network and the centre, for tests of the kiosk's end: in one process, without sockets, with faults to order.

FakeCentre         a Transport that is a centre: sessions, pages, marks, sums, lineages, the same operation functions, exactly once
AsgiTransport      the real centre's application in the same process
FaultyTransport    another Transport with an order of faults: lost questions, lost answers, portals, halves, garbage
"""

import asyncio
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

import httpx
import msgspec
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey

from hardware.clock import Clock
from hardware.entropy import Entropy
from hardware.identity import DeviceIdentity, create, new_private_key, public_hex
from hardware.moments import micros_of
from sync.edge.transport import HttpTransport
from sync.model import registry
from sync.model.answers import diff_page, inbox_page, push_page, snapshot_page, want_page
from sync.model.errors import CentreUnreachable, NotTrusted
from sync.model.operation import Effects, Operation, Refusal
from sync.model.ports import Request, Response, Transport
from sync.model.records import Decision
from sync.model.row import Cell, Missing, Row, raw_of, row_of
from sync.model.signatures import (
    answer_share,
    group_label,
    lease_label,
    public_key_of,
    seal,
    verify,
)
from sync.model.sums import BUCKETS, SUM_MASK, bucket_of, pointer_hash, sum_text
from sync.model.wire import (
    DIFF_BUCKETS_MAX,
    NDJSON,
    PROBLEM,
    PROBLEMS,
    Checkpoint,
    Cursor,
    CustodyRequest,
    DecideRequest,
    DiffAnswer,
    DiffRequest,
    Grant,
    HelloAnswer,
    HelloRequest,
    InboxEntry,
    InboxRequest,
    Lease,
    LeasesAnswer,
    Mark,
    OpResult,
    Parting,
    PullRequest,
    PushAnswer,
    PushRequest,
    SnapshotAnswer,
    SnapshotRequest,
    Want,
    Wanted,
    WantRequest,
    WireRow,
    checkpoint_line,
    ended,
    leases_page,
    parting_line,
    row_line,
    too_old_line,
)

URL = "http://centre.test"
GROUP_KEY = b"g" * 16


class RawPush(msgspec.Struct, frozen=True):
    """The operations of a push as the bytes they came as."""

    ops: tuple[msgspec.Raw, ...]


@dataclass
class Judged:
    """What became of one operation, for ever."""

    status: str
    code: str
    clash: str
    keys: tuple[str, ...]


@dataclass
class Lineage:
    """What one life of an outbox was told last, and before."""

    token: str
    previous: str
    last: str = ""


@dataclass
class Copy:
    """What a centre knew at some moment."""

    rows: dict[str, Row]
    seqs: dict[str, int]
    ops: dict[str, Judged]
    raws: dict[str, bytes]
    marks: list[Mark]
    lineages: dict[str, Lineage]
    head: int


@dataclass
class FakeCentre:
    """A centre in memory with one scope. Tests read and bend its fields.

    `elsewhere` are rows the scope does not hold until they are wanted; `floor` is below which it forgot what left.
    """

    clock: Clock
    entropy: Entropy
    scope: str = "s:harbour"
    epoch: str = "e1"
    page_max: int = 1_000
    rows: dict[str, Row] = field(default_factory=dict)
    seqs: dict[str, int] = field(default_factory=dict)
    ops: dict[str, Judged] = field(default_factory=dict)
    arrivals: list[str] = field(default_factory=list)
    calls: list[str] = field(default_factory=list)
    poison: set[str] = field(default_factory=set)
    problem: str = ""
    raws: dict[str, bytes] = field(default_factory=dict)
    marks: list[Mark] = field(default_factory=list)
    lineages: dict[str, Lineage] = field(default_factory=dict)
    elsewhere: dict[str, Row] = field(default_factory=dict)
    floor: int = 0
    spread_ms: int = 0

    def __post_init__(self) -> None:
        self.key = new_private_key(self.entropy)
        self.sessions: dict[str, bytes] = {}
        self.head = 0
        self._waiting: list[tuple[asyncio.AbstractEventLoop, asyncio.Event]] = []
        self.holding = asyncio.Event()
        self.devices: dict[str, str] = {}
        self.band_keys: dict[str, tuple[bytes, int, int]] = {}

    def device(self, *, store: str = "harbour") -> DeviceIdentity:
        """A device this centre knows."""
        identity = create(
            store=store, role="kiosk", centre_url=URL,
            centre_key=public_hex(self.key.public_key()), entropy=self.entropy,
        )  # fmt: skip
        self.devices[identity.device_id] = identity.public_key
        return identity

    def put(self, *rows: Row) -> None:
        """Write rows; versions are counted here."""
        for row in rows:
            self.head += 1
            before = self.rows.get(row.key)
            version = 1 if before is None else before.version + 1
            self.rows[row.key] = msgspec.structs.replace(row, version=version)
            self.seqs[row.key] = self.head
        self._mark()
        self._ring()

    def drop(self, key: str) -> None:
        """The row leaves the scope."""
        self.head += 1
        self.rows.pop(key)
        self.seqs[key] = self.head
        self._mark()
        self._ring()

    def spoil(self, key: str) -> None:
        """The row is another one, and nobody is told: a defect of the centre or of a device."""
        self.rows[key] = msgspec.structs.replace(
            self.rows[key], version=self.rows[key].version + 1
        )

    def copy(self) -> Copy:
        """A backup."""
        return Copy(
            dict(self.rows), dict(self.seqs), dict(self.ops), dict(self.raws), list(self.marks),
            dict(self.lineages), self.head,
        )  # fmt: skip

    def restore(self, copy: Copy) -> None:
        """Set back to a backup, without anybody saying so."""
        self.rows, self.seqs, self.ops = dict(copy.rows), dict(copy.seqs), dict(copy.ops)
        self.raws, self.marks = dict(copy.raws), list(copy.marks)
        self.lineages, self.head = dict(copy.lineages), copy.head

    def sums(self) -> list[int]:
        """The sum of each bucket."""
        sums = [0] * BUCKETS
        for key, row in self.rows.items():
            bucket = bucket_of(key)
            sums[bucket] = (
                sums[bucket] + pointer_hash(key, self.seqs[key], row.version)
            ) & SUM_MASK
        return sums

    def _mark(self) -> None:
        is_kept = not self.marks
        self.marks.append(Mark(self.head, self.entropy.draw(8).hex(), is_kept))

    def _ring(self) -> None:
        for loop, bell in self._waiting:
            if not loop.is_closed():
                loop.call_soon_threadsafe(bell.set)

    async def send(self, request: Request, *, deadline_ms: int, size_max: int) -> Response:
        """Answer one request, as the real one would."""
        name = request.url.removeprefix(URL + "/v1/")
        self.calls.append(name)
        if self.problem:
            return self._problem(request, self.problem)
        try:
            verified = verify(request, key_of=self._key_of, now=self.clock.now())
        except NotTrusted:
            is_over = name != "hello"
            return self._problem(request, "session_over" if is_over else "not_trusted")
        if name == "hello":
            return self._hello(request)
        key = self.sessions[verified.key_id]
        if name == "pull":
            return await self._pull(request, key)
        answer = {
            "leases": self._leases, "push": self._push, "want": self._want, "diff": self._diff,
            "custody": self._custody, "inbox": self._inbox, "decide": self._decide,
            "snapshot": self._snapshot,
        }.get(name)  # fmt: skip
        return answer(request, key) if answer else self._problem(request, "not_found")

    async def close(self) -> None:
        """Nothing is held."""

    def forget_sessions(self) -> None:
        """As after a restart."""
        self.sessions.clear()

    def _key_of(self, tag: str, key_id: str) -> EllipticCurvePublicKey | bytes | None:
        if tag == "tapthread-device":
            public = self.devices.get(key_id)
            return public_key_of(public) if public else None
        return self.sessions.get(key_id)

    def _hello(self, request: Request) -> Response:
        hello = msgspec.json.decode(request.body, type=HelloRequest)
        known = self.lineages.get(hello.lineage, Lineage("", ""))
        answer = HelloAnswer(
            session=self.entropy.draw(8).hex(), share="", proof="", store="harbour",
            server_time=micros_of(self.clock.now()),
            grants=(Grant(self.scope, self.epoch, self.head, len(self.rows)),),
            spread_ms=self.spread_ms,
            knows_token=hello.token in ("", known.token, known.previous),
        )  # fmt: skip
        answer, key = answer_share(
            hello.share,
            device=hello.device,
            centre=self.key,
            answer=answer,
            entropy=self.entropy,
        )
        self.sessions[answer.session] = key
        return self._response(request, "application/json", msgspec.json.encode(answer))

    def _leases(self, request: Request, key: bytes) -> Response:
        leases = tuple(
            Lease(
                uid,
                seal(
                    value, key, lease_label(uid=uid, version=version, until=until), self.entropy
                ),
                version,
                until,
            )
            for uid, (value, version, until) in self.band_keys.items()
        )
        group = seal(GROUP_KEY, key, group_label(3), self.entropy)
        answer = LeasesAnswer(group=group, group_version=3, leases=leases)
        body = leases_page(answer, session_key=key, request_id=request.header("x-req"))
        return self._response(request, NDJSON, body)

    def _push(self, request: Request, key: bytes) -> Response:
        push = msgspec.json.decode(request.body, type=PushRequest)
        if any(op.id in self.poison for op in push.ops):
            return self._problem(request, "failed")
        known = self.lineages.get(push.lineage, Lineage("", ""))
        is_known = any(op.id in self.ops for op in push.ops) or known.last in push.said
        is_repeated = push.token == known.previous and is_known
        if push.token != known.token and not is_repeated:
            return self._results(request, key, PushAnswer((), is_forked=True))
        raws = msgspec.json.decode(request.body, type=RawPush)
        results = tuple(
            self._result(op, bytes(raw)) for op, raw in zip(push.ops, raws.ops, strict=True)
        )
        token = self.entropy.draw(8).hex()
        self.lineages[push.lineage] = Lineage(token, push.token, push.ops[-1].id)
        return self._results(request, key, PushAnswer(results, token))

    def _result(self, op: Operation, raw: bytes) -> OpResult:
        self.arrivals.append(op.id)
        if op.id not in self.ops:
            self.ops[op.id] = self._judge(op)
            self.raws[op.id] = raw
        return self._known(op.id)

    def _known(self, op: str) -> OpResult:
        judged = self.ops[op]
        held = tuple(self._wire(name) for name in judged.keys if name in self.rows)
        return OpResult(op, judged.status, judged.code, judged.clash, held)

    def _results(self, request: Request, key: bytes, answer: PushAnswer) -> Response:
        body = push_page(answer, session_key=key, request_id=request.header("x-req"))
        return self._response(request, NDJSON, body, 409 if answer.is_forked else 200)

    def _judge(self, op: Operation) -> Judged:
        readable = registry.read(op)
        if isinstance(readable, registry.Unjudged):
            return Judged("held", readable.code, "", ())
        cells: dict[str, Cell] = {
            key: self.rows.get(key, Missing.ABSENT) for key in readable.keys
        }
        outcome = readable.apply(cells, micros_of(self.clock.now()))
        if isinstance(outcome, Refusal):
            return Judged("refused", outcome.code, "", readable.keys)
        if not isinstance(outcome, Effects):
            return Judged("held", "cannot_judge", "", readable.keys)
        self.put(*outcome.rows)
        keys = dict.fromkeys((*readable.keys, *(row.key for row in outcome.rows)))
        return Judged("applied", "", outcome.clash, tuple(keys))

    def _want(self, request: Request, key: bytes) -> Response:
        asked = msgspec.json.decode(request.body, type=WantRequest)
        found = [self._wanted(want) for want in asked.want]
        body = want_page(found, session_key=key, request_id=request.header("x-req"))
        return self._response(request, NDJSON, body)

    def _wanted(self, want: Want) -> Wanted:
        every = {**self.rows, **self.elsewhere}
        row = every.get(f"band/{want.band}") or every.get(f"order/{want.order}")
        owner = want.owner or (row.owner if row else "")
        coming = [row for row in self.elsewhere.values() if row.owner == owner]
        self.put(*coming)
        for one in coming:
            del self.elsewhere[one.key]
        keys = [name for name, row in self.rows.items() if row.owner == owner and owner]
        return Wanted(owner if keys else "", tuple(self._wire(name) for name in keys))

    def _diff(self, request: Request, key: bytes) -> Response:
        asked = msgspec.json.decode(request.body, type=DiffRequest)
        sums = map(sum_text, self.sums())
        differ = [
            number
            for number, (ours, theirs) in enumerate(zip(sums, asked.buckets, strict=True))
            if ours != theirs
        ]
        chosen = tuple(differ[:DIFF_BUCKETS_MAX])
        rows = tuple(self._wire(name) for name in self.rows if bucket_of(name) in chosen)
        answer = DiffAnswer(asked.scope, chosen, rows, len(differ) - len(chosen))
        body = diff_page(answer, session_key=key, request_id=request.header("x-req"))
        return self._response(request, NDJSON, body)

    def _custody(self, request: Request, key: bytes) -> Response:
        asked = msgspec.json.decode(request.body, type=CustodyRequest)
        for one in asked.ops:
            self.ops.setdefault(one.id, Judged("held", "custody", "", ()))
            self.raws.setdefault(one.id, one.raw)
        results = tuple(self._known(one.id) for one in asked.ops)
        known = self.lineages.get(asked.lineage)
        if known is None or asked.token != known.token:
            return self._results(request, key, PushAnswer(results))
        token = self.entropy.draw(8).hex()
        self.lineages[asked.lineage] = Lineage(token, asked.token, asked.ops[-1].id)
        return self._results(request, key, PushAnswer(results, token))

    def _inbox(self, request: Request, key: bytes) -> Response:
        asked = msgspec.json.decode(request.body, type=InboxRequest)
        ops = [
            op
            for op, one in sorted(self.ops.items())
            if one.status == "held" and op > asked.after
        ]
        entries = [
            InboxEntry(op, "", self.ops[op].code, "", "harbour", "", 0, self.raws[op])
            for op in ops
        ]
        body = inbox_page(entries, session_key=key, request_id=request.header("x-req"))
        return self._response(request, NDJSON, body)

    def _decide(self, request: Request, key: bytes) -> Response:
        asked = msgspec.json.decode(request.body, type=DecideRequest)
        status = {"void": "void", "replay": "applied", "edit": "applied"}[asked.decision]
        self.decide(asked.op, status, asked.decision, by=asked.by, reason=asked.reason)
        return self._results(request, key, PushAnswer((self._known(asked.op),)))

    def decide(
        self, op: str, status: str, decision: str, *, by: str = "ana", reason: str = "seen"
    ) -> None:
        """A person at the centre decides about a held operation."""
        self.ops[op] = Judged(status, "", "", self.ops[op].keys)
        at = micros_of(self.clock.now())
        decided = Decision(op, status, decision, by, reason, at)
        self.put(row_of(decided, owner="", as_of=at, source="store"))

    def _snapshot(self, request: Request, key: bytes) -> Response:
        asked = msgspec.json.decode(request.body, type=SnapshotRequest)
        answer = SnapshotAnswer(asked.scope, 0)
        body = snapshot_page(answer, session_key=key, request_id=request.header("x-req"))
        return self._response(request, NDJSON, body)

    async def _pull(self, request: Request, key: bytes) -> Response:
        pull = msgspec.json.decode(request.body, type=PullRequest)
        known = self.lineages.get(pull.lineage, Lineage("", ""))
        if pull.token not in ("", known.token, known.previous):
            return self._problem(request, "session_over")
        ours = (cursor for cursor in pull.scopes if cursor.id == self.scope)
        cursor = next(ours, Cursor(self.scope, 0))
        lines, status = self._trouble(cursor)
        if lines:
            return self._checked(request, key, lines, 0, status)
        since = cursor.seq
        if since >= self.head and pull.wait_ms:
            bell = asyncio.Event()
            self._waiting.append((asyncio.get_running_loop(), bell))
            self.holding.set()
            if since >= self.head:
                await bell.wait()
            self._waiting.clear()
        news = sorted((seq, name) for name, seq in self.seqs.items() if seq > since)
        news = news[: min(pull.limit, self.page_max)]
        seq = news[-1][0] if news else max(since, 0)
        lines = b"".join(row_line(self._wire(name)) for _, name in news)
        lines += checkpoint_line(self._checkpoint(seq))
        return self._checked(request, key, lines, len(news))

    def _checkpoint(self, seq: int) -> Checkpoint:
        mark = next((one for one in reversed(self.marks) if one.seq <= seq), None)
        if seq < self.head:
            return Checkpoint(self.scope, seq, is_head=False, mark=mark)
        total = sum(self.sums()) & SUM_MASK
        return Checkpoint(self.scope, seq, True, mark, len(self.rows), total)

    def _trouble(self, cursor: Cursor) -> tuple[bytes, int]:
        """What there is to say to a device that knows another history than this centre."""
        if 0 < cursor.seq < self.floor:
            return too_old_line(self.scope), 410
        if not cursor.seq or not cursor.marks:
            return b"", 200
        known = {(one.seq, one.token) for one in self.marks}
        shared = [one.seq for one in cursor.marks if (one.seq, one.token) in known]
        if shared and shared[0] == cursor.marks[0].seq:
            return b"", 200
        more = not shared and len(cursor.marks) < 3
        return parting_line(Parting(self.scope, max(shared, default=0), more)), 409

    def _wire(self, key: str) -> WireRow:
        row, seq = self.rows.get(key), self.seqs[key]
        if row is None:
            return WireRow(self.scope, seq, key, "", "", 0, 0, "", b"", is_gone=True)
        return WireRow(
            self.scope, seq, key, row.kind, row.owner, row.version, row.as_of, row.source,
            raw_of(row.body), is_gone=False,
        )  # fmt: skip

    def _checked(
        self, request: Request, key: bytes, lines: bytes, n_rows: int, status: int = 200
    ) -> Response:
        body = ended(lines, n_rows=n_rows, session_key=key, request_id=request.header("x-req"))
        return self._response(request, NDJSON, body, status)

    def _response(
        self, request: Request, content_type: str, body: bytes, status: int = 200
    ) -> Response:
        headers = (
            ("content-type", content_type),
            ("x-req", request.header("x-req")),
            ("x-server-time", str(micros_of(self.clock.now()))),
        )
        return Response(status, headers, body)

    def _problem(self, request: Request, code: str) -> Response:
        status, title = PROBLEMS[code]
        body = msgspec.json.encode({"code": code, "title": title, "status": status})
        return self._response(request, PROBLEM, body, status)


Spoil = Callable[[Response], Response]


def lost(response: Response) -> Response:
    """The answer never comes."""
    raise CentreUnreachable("lost on the way back")


def portal(response: Response) -> Response:
    return Response(200, (("content-type", "text/html"),), b"<html>Welcome to our hotel</html>")


def error_page(response: Response) -> Response:
    return Response(500, (("content-type", "text/html"),), b"<h1>Internal Server Error</h1>")


def redirect(response: Response) -> Response:
    return Response(302, (("location", "http://portal.test/"),), b"")


def half(response: Response) -> Response:
    return Response(response.status, response.headers, response.body[: len(response.body) // 2])


def flipped(response: Response) -> Response:
    body = bytearray(response.body)
    body[len(body) // 3] ^= 1
    return Response(response.status, response.headers, bytes(body))


def garbage(response: Response) -> Response:
    return Response(200, response.headers, b"\x00\xff\x80garbage")


def empty(response: Response) -> Response:
    return Response(200, response.headers, b"")


def unechoed(response: Response) -> Response:
    headers = tuple(line for line in response.headers if line[0] != "x-req")
    return Response(response.status, headers, response.body)


def mistyped(response: Response) -> Response:
    headers = tuple(line for line in response.headers if line[0] != "content-type")
    return Response(200, (*headers, ("content-type", "text/plain")), response.body)


def wrong_status(response: Response) -> Response:
    return Response(500, response.headers, response.body)


def bad_packing(response: Response) -> Response:
    return Response(200, (*response.headers, ("content-encoding", "zstd")), b"not packed")


def other_packing(response: Response) -> Response:
    return Response(200, (*response.headers, ("content-encoding", "gzip")), response.body)


HOSTILE: tuple[Spoil, ...] = (
    portal, error_page, redirect, half, flipped, garbage, empty, unechoed, mistyped, wrong_status,
    bad_packing, other_packing,
)  # fmt: skip


class FaultyTransport:
    """Another transport; each call takes the next fault of the order, None for none. After the order all is well.

    "before" loses the question, "twice" sends it twice, a Spoil changes or loses the answer.
    """

    def __init__(
        self, inner: Transport, faults: Iterable[Spoil | str | None] = (), *, only: str = ""
    ) -> None:
        self._inner = inner
        self.faults = list(faults)
        self.always: Spoil | None = None
        self.only = only

    async def send(self, request: Request, *, deadline_ms: int, size_max: int) -> Response:
        if self.only and not request.url.endswith(self.only):
            return await self._inner.send(request, deadline_ms=deadline_ms, size_max=size_max)
        fault = self.faults.pop(0) if self.faults else self.always
        if fault == "before":
            raise CentreUnreachable("lost on the way")
        response = await self._inner.send(request, deadline_ms=deadline_ms, size_max=size_max)
        if fault == "twice":
            response = await self._inner.send(
                request, deadline_ms=deadline_ms, size_max=size_max
            )
        return fault(response) if callable(fault) else response

    async def close(self) -> None:
        await self._inner.close()


class AsgiTransport(HttpTransport):
    """The real centre's own application, in this process, without a socket."""

    def __init__(self, app: object) -> None:
        super().__init__()
        self._app = app

    async def _sent(self, request: Request, size_max: int) -> Response:
        inner = httpx.ASGITransport(app=self._app)  # type: ignore[arg-type]  # an application
        asked = httpx.Request(
            request.method, request.url, headers=list(request.headers), content=request.body
        )
        answer = await inner.handle_async_request(asked)
        body = b"".join([part async for part in answer.aiter_raw()])  # packed as it came
        if len(body) > size_max:
            raise CentreUnreachable("the answer is too large")
        return Response(answer.status_code, tuple(answer.headers.multi_items()), body)
