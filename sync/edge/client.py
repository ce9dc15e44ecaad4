"""One call to the centre, signed on its way out, and its answer checked whole before a byte of it is believed.

An answer counts only when it echoes the request's id and is of the type and status that it says it is; all but hello's also
end with a digest under the session key, a hello answer proves the centre's pinned key, and a part of a snapshot has the
hash it was asked for by. Whatever does not hold, a captive portal's page, half a body, a cache's old answer, another status
put on by a proxy, is CentreUnreachable: it is not the centre that spoke.
"""

import hashlib
import hmac
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final, TypeVar

import msgspec
import zstandard

from hardware.clock import Clock
from hardware.entropy import Entropy
from hardware.identity import DeviceIdentity
from hardware.moments import micros_of
from sync.edge.band_auth import BAND_MS, BandStep, step_of
from sync.edge.leases import BandLease, LeasedKey, Lent
from sync.model import forms, registry
from sync.model.answers import diff_of, erased_of, inbox_of, push_of, snapshot_of, want_of
from sync.model.deny import deny_list_of
from sync.model.errors import (
    CentreBusy,
    CentreError,
    CentreIncompatible,
    CentreRefused,
    CentreUnreachable,
    Malformed,
    NotTrusted,
)
from sync.model.ports import Request, Response, Transport
from sync.model.signatures import (
    Agreement,
    group_label,
    holds_statement,
    lease_label,
    sign_as_device,
    sign_in_session,
    snapshot_label,
    unseal,
)
from sync.model.wire import (
    ANSWER_SIZE_MAX,
    NDJSON,
    PAGE_ROWS_MAX,
    PROBLEM,
    PROTOCOL,
    BandRequest,
    CapsuleRequest,
    Cursor,
    CustodyRequest,
    DecideRequest,
    DiffAnswer,
    DiffRequest,
    ErasedRequest,
    HelloAnswer,
    HelloRequest,
    InboxEntry,
    InboxRequest,
    Page,
    Problem,
    PullRequest,
    PushAnswer,
    Raw,
    SnapshotAnswer,
    SnapshotPart,
    SnapshotRequest,
    Unread,
    Wanted,
    WantRequest,
    band_of,
    capsule_of,
    deny_of,
    leases_of,
    unread_of,
)

CAPSULE_KEY_SIZE: Final = 32
"""Bytes of an Ed25519 public key. Source: RFC 8032, 5.1.5."""

CALL_MS: Final = 10_000
"""Deadline of a call that is not held; a mobile line in a cellar needs seconds."""

PART_MS: Final = 60_000
"""Deadline of one part of a snapshot; 2 MB over a mobile line. Parts that came stay, so giving up costs one part."""

PART_SIZE_MAX: Final = 16 * 1_048_576
"""A part larger than this is not asked for."""

JSON: Final = "application/json"
OCTETS: Final = "application/octet-stream"
HELLO_SIZE_MAX: Final = 65_536
"""A hello answer is under 1 KB; each scope adds 60 bytes."""

WINDOW_SIZE_MAX: Final = 8 * 1_048_576
"""A compressed answer that asks for more memory than this to be read is not ours."""

Shape = TypeVar("Shape", bound=msgspec.Struct)
Answer = TypeVar("Answer")


@dataclass(slots=True)
class _Session:
    """What hello agreed on; `seq` is the last number used."""

    id: str
    key: bytes = field(repr=False)
    skew_ms: int
    seq: int = 0


class _Push(msgspec.Struct, frozen=True, omit_defaults=True):
    """`wire.PushRequest` with each operation as the bytes it was recorded as."""

    lineage: str
    ops: tuple[msgspec.Raw, ...]
    token: str = ""
    said: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Program:
    """What calls the centre, as hello says it.

    Attributes:
        version: Of it, "" is older than all; the centre may answer no older one some day.
        free_size: Bytes free where the device keeps its files; -1 where nobody can say.
    """

    name: str = "tapthread"
    version: str = ""
    free_size: Callable[[], int] = lambda: -1


_UNSAID: Final = Program()


class CentreClient:
    """The calls of one device. Use it on one event loop; calls may overlap."""

    def __init__(
        self,
        transport: Transport,
        *,
        identity: DeviceIdentity,
        clock: Clock,
        entropy: Entropy,
        centre_url: str = "",
        program: Program = _UNSAID,
    ) -> None:
        """Put it together.

        Args:
            transport: Not shared with another client.
            identity: Of this device, with the centre's pinned key.
            clock: Time of signatures.
            entropy: Ids of requests, nonces, fresh keys.
            centre_url: Another address than the one the device was enrolled with; the pinned key stays.
            program: What calls.
        """
        self._transport = transport
        self._identity = identity
        self._url = (centre_url or identity.centre_url).rstrip("/")
        self._clock = clock
        self._entropy = entropy
        self.program = program
        self._session: _Session | None = None

    async def hello(self, *, lineage: str, token: str = "") -> HelloAnswer:
        """Agree on a session; every call after is made in it.

        Args:
            lineage: Of the outbox.
            token: What its last push answer said.

        Raises:
            NotTrusted: the centre does not know this device, or is not the centre.
            CentreError: as everywhere.
        """
        self._session = None
        try:
            return await self._greeted(lineage, token, skew_ms=0)
        except _WrongClock as error:
            # Signed again with the time the centre says; `sync.model.signatures` says why that is safe.
            return await self._greeted(lineage, token, skew_ms=error.skew_ms)

    async def _greeted(self, lineage: str, token: str, *, skew_ms: int) -> HelloAnswer:
        device = self._identity.device_id
        agreement = Agreement.begin(device=device, entropy=self._entropy)
        program = self.program
        hello = HelloRequest(
            device, lineage, program.name, agreement.share, forms.reads(), token, program.version,
            registry.writes(), program.free_size(),
        )  # fmt: skip
        request = sign_as_device(
            self._request("hello", msgspec.json.encode(hello), seq=0),
            identity=self._identity,
            clock=self._clock,
            entropy=self._entropy,
            skew_ms=skew_ms,
        )
        _, body = await self._answer(
            request, JSON, deadline_ms=CALL_MS, size_max=HELLO_SIZE_MAX
        )
        answer = _decoded(body, HelloAnswer)
        key = agreement.finish(answer, centre_key=self._identity.centre_key)
        self._session = _Session(answer.session, key, self._skew_ms(answer.server_time))
        return answer

    def is_stated(self, answer: HelloAnswer) -> bool:
        """Whether the centre itself says what `answer.state` of this session's hello says."""
        return self._session is not None and holds_statement(
            answer, self._session.key, device=self._identity.device_id
        )

    async def push(
        self, *, lineage: str, ops: Sequence[bytes], token: str = "", said: Sequence[str] = ()
    ) -> PushAnswer:
        """Send operations; one result for each the centre judged, or that this lineage forked. Raises CentreError."""
        raws = tuple(msgspec.Raw(op) for op in ops)
        body = msgspec.json.encode(_Push(lineage, raws, token, tuple(said)))
        status, answer = await self._read("push", body, push_of, statuses=(200, 409))
        return _of_its_status(answer, status, 409 if answer.is_forked else 200)

    async def pull(
        self, *, cursors: Sequence[Cursor], limit: int = PAGE_ROWS_MAX, wait_ms: int = 0
    ) -> Page:
        """What changed after these cursors; held up to `wait_ms` while nothing did. Raises CentreError."""
        return page_in(await self.pull_unread(cursors=cursors, limit=limit, wait_ms=wait_ms))

    async def pull_unread(
        self,
        *,
        cursors: Sequence[Cursor],
        limit: int = PAGE_ROWS_MAX,
        wait_ms: int = 0,
        lineage: str = "",
        token: str = "",
    ) -> Unread:
        """The same with its rows not decoded yet, for who asks for the next page first. Raises CentreError.

        Args:
            cursors: How far each scope is held.
            limit: Rows at most.
            wait_ms: How long the answer may be held.
            lineage: This life of the outbox.
            token: What its last push answer said: a centre that never said it answers `session_over`.
        """
        asked = PullRequest(tuple(cursors), limit, wait_ms, lineage, token)
        body = msgspec.json.encode(asked)
        status, page = await self._read(
            "pull", body, unread_of, statuses=(200, 409, 410), deadline_ms=wait_ms + CALL_MS
        )
        expected = 409 if page.partings else 410 if page.too_old else 200
        return _of_its_status(page, status, expected)

    async def want(self, request: WantRequest) -> tuple[Wanted, ...]:
        """Have these customers held here, in the order asked; their rows come with it. Raises CentreError."""
        _, wanted = await self._read("want", msgspec.json.encode(request), want_of)
        if len(wanted) != len(request.want):
            raise CentreUnreachable("the answer is of another question")
        return wanted

    async def snapshot(self, scope: str, *, format: int = 1) -> tuple[SnapshotAnswer, bytes]:  # noqa: A002  # its name on the wire
        """Of which parts a scope can be had whole, and the key that opens them, b"" without one. Raises CentreError."""
        body = msgspec.json.encode(SnapshotRequest(scope, format))
        session = self._session  # a hello may make another one meanwhile
        _, answer = await self._read("snapshot", body, snapshot_of)
        if answer.scope != scope:
            raise CentreUnreachable("the answer is of another scope")
        if not answer.seq:
            return answer, b""
        assert session is not None, "a call is made in one"
        label = snapshot_label(scope=scope, seq=answer.seq)
        return answer, unseal(answer.key, session.key, label)

    async def part(self, part: SnapshotPart) -> bytes:
        """One part of a snapshot, of the size and hash it must have. Raises CentreError."""
        if not 0 < part.size <= PART_SIZE_MAX:
            raise CentreUnreachable("a part of a size that is not asked for")
        _, request = self._signed(f"snap/{part.part}", b"", method="GET")
        response = await self._transport.send(
            request, deadline_ms=PART_MS, size_max=max(part.size, HELLO_SIZE_MAX)
        )
        # A cache may have kept it: nothing but the hash says whose it is.
        kind = _kind_of(response)
        if kind == PROBLEM and response.header("x-req") == request.header("x-req"):
            raise self._error_of(response, _unpacked(response, HELLO_SIZE_MAX))
        if response.status != 200 or kind != OCTETS or len(response.body) != part.size:
            raise CentreUnreachable(f"not the part that was asked for ({response.status})")
        if not hmac.compare_digest(hashlib.sha256(response.body).hexdigest(), part.part):
            raise CentreUnreachable("a part of another content")
        return response.body

    async def diff(self, scope: str, buckets: Sequence[str]) -> DiffAnswer:
        """The rows of those buckets whose sums differ from these. Raises CentreError."""
        body = msgspec.json.encode(DiffRequest(scope, tuple(buckets)))
        _, answer = await self._read("diff", body, diff_of)
        if answer.scope != scope:
            raise CentreUnreachable("the answer is of another scope")
        return answer

    async def custody(
        self, *, lineage: str, ops: Sequence[Raw], token: str = "", said: Sequence[str] = ()
    ) -> PushAnswer:
        """Give the centre operations it fails at, as bytes; each is held. `token` and `said` as of a push. Raises CentreError."""
        asked = CustodyRequest(lineage, tuple(ops), token, tuple(said))
        body = msgspec.json.encode(asked)
        _, answer = await self._read("custody", body, push_of)
        return answer

    async def erased(self, notes: Sequence[str]) -> int:
        """Bring notes of erasures to a centre that may lack them; how many customers it erased again. Raises CentreError."""
        body = msgspec.json.encode(ErasedRequest(tuple(notes)))
        _, answer = await self._read("erased", body, erased_of)
        return answer.erased

    async def inbox(self, *, after: str = "") -> tuple[InboxEntry, ...]:
        """Operations of this store that wait for a person, by id, after that one. Raises CentreError."""
        _, entries = await self._read(
            "inbox", msgspec.json.encode(InboxRequest(after)), inbox_of
        )
        return entries

    async def decide(self, request: DecideRequest) -> PushAnswer:
        """Say what a person decided about a held operation. Raises CentreError."""
        _, answer = await self._read("decide", msgspec.json.encode(request), push_of)
        return answer

    @property
    def centre_key(self) -> str:
        """The public key this device pins, 65 uncompressed bytes in hex."""
        return self._identity.centre_key

    async def deny(self) -> bytes:
        """The newest deny list, as the centre signed it. Raises CentreError."""
        _, answer = await self._read("deny", b"{}", deny_of)
        self._check_list(answer.deny)
        return answer.deny

    def _check_list(self, raw: bytes) -> None:
        try:
            deny_list_of(raw, centre_key=self._identity.centre_key)
        except (Malformed, NotTrusted) as error:
            raise CentreUnreachable(str(error)) from error

    async def leases(self) -> Lent:
        """The keys lent to this store, opened, the group key and the deny list. Raises CentreError."""
        session, request = self._signed("leases", b"{}")
        _, body = await self._answer(request, NDJSON, deadline_ms=CALL_MS)
        try:
            answer = leases_of(
                body, session_key=session.key, request_id=request.header("x-req")
            )
        except Malformed as error:
            raise CentreUnreachable(str(error)) from error
        version = answer.group_version
        group = LeasedKey(unseal(answer.group, session.key, group_label(version)), version)
        leases = tuple(
            BandLease(
                uid=one.uid,
                key=LeasedKey(
                    unseal(
                        one.sealed,
                        session.key,
                        lease_label(uid=one.uid, version=one.version, until=one.until),
                    ),
                    one.version,
                    one.until,
                ),
            )
            for one in answer.leases
        )
        if answer.deny:
            self._check_list(answer.deny)
        return Lent(leases, group, answer.deny, _keys_of(answer.capsule_keys))

    async def band(self, request: BandRequest) -> BandStep:
        """One step of the proof of a band whose key is not lent to this store. Raises CentreError."""
        body = msgspec.json.encode(request)
        session = self._session
        _, answer = await self._read("band", body, band_of, deadline_ms=BAND_MS)
        assert session is not None, "there was one to ask in"
        return step_of(answer, session_key=session.key, request=request)

    async def capsule(self, band: str, *, size: int) -> bytes:
        """What this band is to carry, as the centre signed it; whether it holds is another question. Raises CentreError."""
        body = msgspec.json.encode(CapsuleRequest(band, size))
        _, raw = await self._read("capsule", body, capsule_of)
        return raw

    async def close(self) -> None:
        """Forget the session and let go of all connections."""
        self._session = None
        await self._transport.close()

    async def _read(
        self,
        name: str,
        body: bytes,
        reader: Callable[..., Answer],
        *,
        statuses: tuple[int, ...] = (200,),
        deadline_ms: int = CALL_MS,
    ) -> tuple[int, Answer]:
        """One call in the session: status and answer, once its digest holds."""
        session, request = self._signed(name, body)
        status, answer = await self._answer(
            request, NDJSON, deadline_ms=deadline_ms, statuses=statuses
        )
        try:
            read = reader(answer, session_key=session.key, request_id=request.header("x-req"))
        except Malformed as error:
            raise CentreUnreachable(str(error)) from error
        return status, read

    def _signed(
        self, name: str, body: bytes, *, method: str = "POST"
    ) -> tuple[_Session, Request]:
        session = self._session
        if session is None:
            raise CentreRefused("no session yet", status=401, problem="session_over")
        session.seq += 1
        request = sign_in_session(
            self._request(name, body, seq=session.seq, method=method),
            session=session.id,
            session_key=session.key,
            clock=self._clock,
            entropy=self._entropy,
            skew_ms=session.skew_ms,
        )
        return session, request

    def _request(self, name: str, body: bytes, *, seq: int, method: str = "POST") -> Request:
        return Request(
            method,
            f"{self._url}/v1/{name}",
            (
                ("content-type", JSON),
                ("accept-encoding", "zstd"),
                ("x-proto", str(PROTOCOL)),
                ("x-req", self._entropy.draw(16).hex()),
                ("device-seq", str(seq)),
            ),
            body,
        )

    async def _answer(
        self,
        request: Request,
        content_type: str,
        *,
        deadline_ms: int,
        size_max: int = ANSWER_SIZE_MAX,
        statuses: tuple[int, ...] = (200,),
    ) -> tuple[int, bytes]:
        response = await self._transport.send(
            request, deadline_ms=deadline_ms, size_max=size_max
        )
        if response.header("x-req") != request.header("x-req"):
            raise CentreUnreachable(f"not the centre's answer ({response.status})")
        kind = _kind_of(response)
        body = _unpacked(response, size_max)
        if kind == PROBLEM:
            raise self._error_of(response, body)
        if response.status not in statuses or kind != content_type:
            raise CentreUnreachable(f"another kind of answer ({response.status})")
        return response.status, body

    def _error_of(self, response: Response, body: bytes) -> CentreError:
        """What a problem answer means for the caller."""
        problem = _decoded(body, Problem)
        if problem.status != response.status:
            raise CentreUnreachable(f"another status than the centre's ({response.status})")
        sentence = f"{problem.code[:40]}: {problem.detail[:80]}"
        match problem.code:
            case "not_trusted":
                return NotTrusted(sentence)
            case "busy":
                return CentreBusy(sentence, retry_after_ms=_retry_after_ms(response))
            case "incompatible":
                return CentreIncompatible(sentence)
            case "wrong_clock" if response.header("x-server-time").isdigit():
                server_time = int(response.header("x-server-time")[:18])
                return _WrongClock(sentence, skew_ms=self._skew_ms(server_time))
            case code:
                return CentreRefused(sentence, status=response.status, problem=code[:40])

    def _skew_ms(self, server_time: int) -> int:
        return (server_time - micros_of(self._clock.now())) // 1_000


class _WrongClock(CentreRefused):
    """The centre refused the time of a signature; `skew_ms` is how far its clock is ahead of ours."""

    def __init__(self, reason: str, *, skew_ms: int) -> None:
        super().__init__(reason, status=401, problem="wrong_clock")
        self.skew_ms = skew_ms


def _keys_of(texts: Sequence[str]) -> tuple[bytes, ...]:
    """Public keys of 32 bytes. Raises CentreUnreachable."""
    try:
        keys = tuple(bytes.fromhex(text) for text in texts)
    except ValueError as error:
        raise CentreUnreachable("a key does not parse") from error
    if any(len(key) != CAPSULE_KEY_SIZE for key in keys):
        raise CentreUnreachable("a key of another size")
    return keys


def page_in(answer: Unread) -> Page:
    """The page with its rows. Raises CentreUnreachable where one does not parse."""
    try:
        return answer.page()
    except Malformed as error:
        raise CentreUnreachable(str(error)) from error


def _of_its_status(answer: Answer, status: int, expected: int) -> Answer:
    """The answer, if it came with the status it says it has. Raises CentreUnreachable."""
    if status != expected:
        raise CentreUnreachable(f"another status than the centre's ({status})")
    return answer


def _kind_of(response: Response) -> str:
    return response.header("content-type").partition(";")[0].strip().lower()


def _unpacked(response: Response, size_max: int) -> bytes:
    """The body without its compression, as far as `size_max`. Raises CentreUnreachable."""
    coding = response.header("content-encoding").strip().lower()
    if coding in ("", "identity"):
        return response.body
    if coding != "zstd":
        raise CentreUnreachable("the answer is packed in a way that was not offered")
    unpacker = zstandard.ZstdDecompressor(max_window_size=WINDOW_SIZE_MAX)
    try:
        with unpacker.stream_reader(response.body) as stream:
            body = stream.read(size_max + 1)
    except zstandard.ZstdError as error:
        raise CentreUnreachable("the answer does not unpack") from error
    if len(body) > size_max:
        raise CentreUnreachable("the answer is too large")
    return body


def _decoded(body: bytes, shape: type[Shape]) -> Shape:
    try:
        return msgspec.json.decode(body, type=shape)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise CentreUnreachable("the answer does not parse") from error


def _retry_after_ms(response: Response) -> int:
    text = response.header("retry-after")
    return int(text) * 1_000 if text.isascii() and text.isdigit() and len(text) < 6 else 0
