"""One call to the relay of this store, checked whole before a byte of it is believed.

The relay is whoever proves the key of an active device of this store, by the rows the centre wrote; the address alone
proves nothing. Whatever does not hold is RelayLost: it is not the relay that spoke.
"""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final, TypeVar

import msgspec

from hardware.clock import Clock
from hardware.entropy import Entropy
from hardware.identity import DeviceIdentity
from hardware.moments import micros_of
from sync.edge.relay import Changes, Item, Offered, Told
from sync.edge.relay_wire import (
    ANSWER_SIZE_MAX,
    HELLO,
    KEEP,
    LISTEN,
    OFFER,
    PART_SIZE_MAX,
    PROTOCOL,
    SEALED,
    SNAP,
    TELL,
    Channel,
    ListenRequest,
    OfferRequest,
    RelayHello,
    RelayLost,
    RelayNotTrusted,
    SessionOver,
    TellRequest,
    decoded,
)
from sync.model.errors import CentreUnreachable, Malformed, NotTrusted
from sync.model.ports import Request, Response, Transport
from sync.model.records import Peer
from sync.model.signatures import Agreement, sign_as_device
from sync.model.wire import PROBLEM, HelloRequest, Problem

CALL_MS: Final = 2_000
"""Deadline of a call that nobody waits for, in the shop's own network."""

PART_MS: Final = 10_000
"""Deadline of a part of a snapshot."""

Shape = TypeVar("Shape", bound=msgspec.Struct)


@dataclass(slots=True)
class _Session:
    channel: Channel
    seq: int = 0


class RelayClient:
    """The calls of one device. Use it on one event loop; calls may overlap."""

    def __init__(
        self,
        transport: Transport,
        *,
        identity: DeviceIdentity,
        peer_of: Callable[[str], Peer | None],
        url: str,
        clock: Clock,
        entropy: Entropy,
    ) -> None:
        """Args: `peer_of` gives the row of an active device of this store, None for everybody else."""
        self._transport = transport
        self._identity = identity
        self._peer_of = peer_of
        self._url = url.rstrip("/")
        self._clock = clock
        self._entropy = entropy
        self._session: _Session | None = None

    async def hello(self, *, lineage: str) -> str:
        """Agree on a session; the life of the mailbox.

        Raises:
            RelayNotTrusted: it does not know this device, or is none of this store.
            RelayLost: as everywhere.
        """
        self._session = None
        response, hello = await self._greeted(lineage, skew_ms=0)
        if _problem_of(response) == "wrong_clock":
            skew_ms = self._skew_ms(response)
            response, hello = await self._greeted(lineage, skew_ms=skew_ms)
        if response.status != 200:
            raise _error_of(response)
        try:
            said = decoded(response.body, RelayHello)
            peer = self._peer_of(said.relay)
            if peer is None:
                raise RelayNotTrusted("who answers is no device of this store")
            key = hello.finish(said.answer, centre_key=peer.public_key)
        except Malformed as error:
            raise RelayLost(str(error)) from error
        except NotTrusted as error:
            raise RelayNotTrusted(str(error)) from error
        self._session = _Session(Channel(said.answer.session, key, self._entropy))
        return said.life

    async def _greeted(self, lineage: str, *, skew_ms: int) -> tuple[Response, Agreement]:
        device = self._identity.device_id
        agreement = Agreement.begin(device=device, entropy=self._entropy)
        body = msgspec.json.encode(HelloRequest(device, lineage, "tapthread", agreement.share))
        request = sign_as_device(
            self._request(HELLO, body, ("device-seq", "0")),
            identity=self._identity,
            clock=self._clock,
            entropy=self._entropy,
            skew_ms=skew_ms,
        )
        return await self._sent(request, CALL_MS, ANSWER_SIZE_MAX), agreement

    async def offer(self, items: Sequence[Item], *, seen: int, deadline_ms: int) -> Offered:
        """Ask for places for these requests. Raises RelayError."""
        asked = OfferRequest(seen, tuple(items))
        return decoded_answer(await self._asked(OFFER, asked, deadline_ms), Offered)

    async def tell(self, items: Sequence[Item], *, is_all: bool = False) -> Told:
        """Say what became of operations. Raises RelayError."""
        asked = TellRequest(tuple(items), is_all)
        return decoded_answer(await self._asked(TELL, asked, CALL_MS), Told)

    async def listen(self, *, since: int, wait_ms: int, whole_at: int = 0) -> Changes:
        """What changed after `since`, held up to `wait_ms` while nothing did; `whole_at` as the last answer had it.

        Raises:
            RelayError: there is no answer.
        """
        asked = ListenRequest(since, whole_at, wait_ms)
        return decoded_answer(await self._asked(LISTEN, asked, wait_ms + CALL_MS), Changes)

    async def part(self, name: str) -> bytes | None:
        """The part of a snapshot with this hash; None when the relay does not have it. Raises RelayError."""
        _session, request = self._sealed(SNAP + name, b"")
        response = await self._sent(request, PART_MS, PART_SIZE_MAX)
        if _problem_of(response) == "not_found":
            return None
        if response.status != 200:
            raise _error_of(response)
        if hashlib.sha256(response.body).hexdigest() != name:
            raise RelayLost("not the part that was asked for")
        return response.body

    async def keep(self, content: bytes) -> None:
        """Have the relay keep a part of a snapshot for the next device that needs it. Raises RelayError."""
        _session, request = self._sealed(KEEP, content)
        response = await self._sent(request, PART_MS, ANSWER_SIZE_MAX)
        if response.status != 200:
            raise _error_of(response)

    async def close(self) -> None:
        """Forget the session and let go of all connections."""
        self._session = None
        await self._transport.close()

    async def _asked(self, path: str, asked: msgspec.Struct, deadline_ms: int) -> bytes:
        session, request = self._sealed(path, msgspec.json.encode(asked))
        response = await self._sent(request, deadline_ms, ANSWER_SIZE_MAX)
        if response.status != 200 or response.header("content-type") != SEALED:
            raise _error_of(response)
        seq = int(request.header("x-seq"))
        try:
            return session.channel.open(response.body, path=path, seq=seq, is_answer=True)
        except Malformed as error:
            raise RelayLost(str(error)) from error

    def _sealed(self, path: str, body: bytes) -> tuple[_Session, Request]:
        session = self._session
        if session is None:
            raise SessionOver("no session yet")
        session.seq += 1
        sealed = session.channel.seal(body, path=path, seq=session.seq, is_answer=False)
        more = (("x-session", session.channel.session), ("x-seq", str(session.seq)))
        return session, self._request(path, sealed, *more)

    def _request(self, path: str, body: bytes, *more: tuple[str, str]) -> Request:
        headers = (
            ("content-type", SEALED if path != HELLO else "application/json"),
            ("x-proto", str(PROTOCOL)),
            ("x-req", self._entropy.draw(16).hex()),
            *more,
        )
        return Request("POST", self._url + path, headers, body)

    async def _sent(self, request: Request, deadline_ms: int, size_max: int) -> Response:
        try:
            response = await self._transport.send(
                request, deadline_ms=deadline_ms, size_max=size_max
            )
        except CentreUnreachable as error:
            raise RelayLost(str(error)) from error
        if response.header("x-req") != request.header("x-req"):
            raise RelayLost(f"not the relay's answer ({response.status})")
        return response

    def _skew_ms(self, response: Response) -> int:
        """How far the relay's clock is ahead; the signature's time only keeps old ones from being used again."""
        said = response.header("x-server-time")
        if not (said.isascii() and said.isdigit() and len(said) <= 18):
            raise RelayLost("no time in the answer")
        return (int(said) - micros_of(self._clock.now())) // 1_000


def decoded_answer(body: bytes, shape: type[Shape]) -> Shape:
    """The relay's answer as a value. Raises RelayLost."""
    try:
        return decoded(body, shape)
    except Malformed as error:
        raise RelayLost(str(error)) from error


def _problem_of(response: Response) -> str:
    if response.status == 200 or response.header("content-type") != PROBLEM:
        return ""
    try:
        return decoded(response.body, Problem).code
    except Malformed:
        return ""


def _error_of(response: Response) -> RelayLost | RelayNotTrusted | SessionOver:
    code = _problem_of(response)
    if code == "not_trusted":
        return RelayNotTrusted("the relay does not know this device")
    if code in ("session_over", "replayed"):
        return SessionOver(code)
    return RelayLost(f"{response.status} {code}")
