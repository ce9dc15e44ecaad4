"""Who asks, and may they: signatures, sessions, replays, device states, roles. Deny by default.

`hello` is signed by the device's key and its nonce is remembered on disk for as long as its time could pass. Everything
else is signed in a session. The id of a session is what both ends agreed on, sealed under a key that follows from the
centre's own: any node with that key opens it, nothing of it is stored, and it is over after SESSION_MS. Within a session
each node takes each `device-seq` once, so a replay is noticed without a write; requests may overtake each other by
SEQ_WINDOW. What was signed before a node started is refused by it, so a restart forgets nothing that could be repeated;
to *another* node a request can be repeated for CLOCK_WINDOW_S by who broke the TLS around it, and gains nothing: operations have ids.
The state of the device is looked up every time.
"""

import base64
import binascii
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from threading import Lock
from typing import Final

import msgspec
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from hardware.clock import Clock
from hardware.entropy import Entropy
from hardware.identity import public_hex
from hardware.moments import micros_of
from sync.central import device_rows
from sync.central.batch import Batch
from sync.central.device_rows import DeviceRecord
from sync.central.enrolment import why_not
from sync.central.moment import Snapshot
from sync.central.store import Store
from sync.central.transaction import Transaction
from sync.model import forms
from sync.model.errors import CentreRefused, NotTrusted
from sync.model.ports import Request
from sync.model.records import KINDS
from sync.model.signatures import (
    CLOCK_WINDOW_S,
    DEVICE_TAG,
    KeyOf,
    Shared,
    Verified,
    authentic,
    is_in_time,
    public_key_of,
)
from sync.model.wire import PROBLEMS, PROTOCOL

SESSION_MS: Final = 12 * 3_600_000
"""A session ends after a shop's day, so that a key that leaked is of one day."""

SESSIONS_MAX: Final = 50_000
"""Sessions a node has open at a time, five times the fleet this design is for; the quietest goes first. About 1 KB each."""

SEQ_WINDOW: Final = 1_024
"""How far a request may be overtaken by others of its session; a device reserves 1,000 numbers at a time."""

FORM_MAX: Final = 1_000
"""Forms a kind will ever have; a larger number is nobody's."""

_WINDOW: Final = (1 << SEQ_WINDOW) - 1
_NONCE_SIZE: Final = 12


def denied(code: str, reason: str = "") -> CentreRefused:
    """The error that becomes a problem answer; `reason` is sent as its detail and never holds anything personal."""
    return CentreRefused(reason, status=PROBLEMS[code][0], problem=code)


@dataclass(slots=True)
class Session:
    """One hello of one device; mutable, under the lock of `Sessions`.

    Attributes:
        key: What both ends agreed on.
        started_at: Microseconds since 1970.
        reads: Newest form this device reads, of those kinds of which there is a newer one.
        highest: The highest `device-seq` taken; bit N of `taken` says that the number N below it was taken as well.
    """

    id: str
    device_id: str
    started_at: int
    reads: Mapping[str, int]
    key: bytes = field(repr=False)
    highest: int = -1
    taken: int = field(default=0, repr=False)

    def take(self, seq: int) -> bool:
        """Whether this number is new in this session; it is then used up."""
        above = seq - self.highest
        if above > 0:
            older = (self.taken << above) & _WINDOW if above < SEQ_WINDOW else 0
            self.highest, self.taken = seq, older | 1
            return True
        bit = 1 << -above if -above < SEQ_WINDOW else 0
        if not bit or self.taken & bit:
            return False
        self.taken |= bit
        return True


class _Sealed(msgspec.Struct, frozen=True, array_like=True):
    """What the id of a session holds."""

    device: str
    theirs: bytes
    ours: bytes
    secret: bytes
    started_at: int
    reads: dict[str, int]


def _worth_saying(reads: Mapping[str, int]) -> dict[str, int]:
    """Of what a hello says it reads, the kinds there are, beyond form 1."""
    return {kind: form for kind, form in reads.items() if kind in KINDS and 1 < form < FORM_MAX}


_packed = msgspec.msgpack.Encoder()
_unpacked = msgspec.msgpack.Decoder(_Sealed)


class Sessions:
    """Sessions of this centre: sealed into their ids, opened once a node."""

    def __init__(
        self, private_key: ec.EllipticCurvePrivateKey, clock: Clock, entropy: Entropy
    ) -> None:
        """Seal and open under a key that follows from `private_key`."""
        number = private_key.private_numbers().private_value.to_bytes(32, "big")
        info = b"tapthread v1 session ids"
        derived = HKDF(algorithm=hashes.SHA256(), length=32, salt=None, info=info)
        self._cipher = AESGCM(derived.derive(number))
        self._centre_key = public_hex(private_key.public_key())
        self._clock = clock
        self._entropy = entropy
        self._open: OrderedDict[str, Session] = OrderedDict()
        self._lock = Lock()

    def named(self, shared: Shared, *, reads: Mapping[str, int]) -> str:
        """The id of a new session: what was agreed on, sealed. `reads` as its hello says: a newer node may open it."""
        sealed = _Sealed(
            shared.device, bytes.fromhex(shared.theirs), bytes.fromhex(shared.ours), shared.secret,
            micros_of(self._clock.now()), _worth_saying(reads),
        )  # fmt: skip
        nonce = self._entropy.draw(_NONCE_SIZE)
        raw = nonce + self._cipher.encrypt(nonce, _packed.encode(sealed), None)
        return base64.urlsafe_b64encode(raw).decode().rstrip("=")

    def get(self, session_id: str) -> Session | None:
        """A session that is not over; None for one that is, or that this centre did not name."""
        with self._lock:
            session = self._open.get(session_id)
            if session is not None:
                self._open.move_to_end(session_id)
        session = session or self._opened(session_id)
        if session is None or not self._is_on(session):
            return None
        with self._lock:
            kept = self._open.setdefault(session_id, session)
            if len(self._open) > SESSIONS_MAX:
                self._open.popitem(last=False)
            return kept

    def _opened(self, session_id: str) -> Session | None:
        try:
            raw = base64.b64decode(
                session_id + "=" * (-len(session_id) % 4), b"-_", validate=True
            )
            plain = self._cipher.decrypt(raw[:_NONCE_SIZE], raw[_NONCE_SIZE:], None)
            sealed = _unpacked.decode(plain)
        except (binascii.Error, ValueError, InvalidTag, msgspec.DecodeError):
            return None
        shared = Shared(sealed.device, sealed.theirs.hex(), sealed.ours.hex(), sealed.secret)
        key = shared.session_key(session_id, centre_key=self._centre_key)
        reads = forms.behind(sealed.reads)
        return Session(session_id, sealed.device, sealed.started_at, reads, key)

    def _is_on(self, session: Session) -> bool:
        age_us = micros_of(self._clock.now()) - session.started_at
        return -CLOCK_WINDOW_S * 1_000_000 <= age_us <= SESSION_MS * 1_000

    def take(self, session: Session, seq: int) -> bool:
        """As `Session.take`, from any thread."""
        with self._lock:
            return session.take(seq)

    @property
    def n_open(self) -> int:
        """How many this node has open."""
        with self._lock:
            return len(self._open)


@dataclass(frozen=True, slots=True)
class Caller:
    """A request that may be answered.

    Attributes:
        session: None for `hello`.
        request_id: `x-req`.
        nonce: Of its signature.
        token: Of the life of the device's outbox that spoke last; None where that is not known.
    """

    device: DeviceRecord
    session: Session | None
    request_id: str
    nonce: str
    token: str | None = None


class Gate:
    """Lets requests in."""

    def __init__(self, store: Store, batch: Batch, sessions: Sessions, clock: Clock) -> None:
        self._store = store
        self._batch = batch
        self._sessions = sessions
        self._clock = clock
        self._started_ms = clock.ticks_ms()

    def admit(
        self, endpoint: str, request: Request, snapshot: Snapshot | None = None
    ) -> Caller:
        """The caller of a whole, bounded request. Blocks for a read, for `hello` also for a write.

        Args:
            endpoint: What is asked for.
            request: All of it.
            snapshot: One that was begun after the request came, by who has one; otherwise the device is looked up in its own.

        Raises:
            CentreRefused: with the `problem` to answer. Who is not known learns nothing but `not_trusted`, or
                `session_over` for a session that is not, or no more, there.
        """
        if request.header("x-proto") != str(PROTOCOL):
            raise denied("incompatible")
        is_hello = endpoint == "hello"
        found = _Found()
        try:
            verified = authentic(
                request, key_of=self._key_of(found, snapshot, is_hello=is_hello)
            )
        except NotTrusted as error:
            raise denied("session_over" if found.is_over else "not_trusted") from error
        device = found.device
        if device is None:
            raise denied("not_trusted")
        if not is_in_time(verified, self._clock.now()):
            raise denied("wrong_clock")
        reason = why_not(device, endpoint, now=micros_of(self._clock.now()))
        if reason:
            raise denied("not_allowed", reason)
        self._refuse_replay(request, verified, found.session)
        return Caller(
            device, found.session, request.header("x-req"), verified.nonce, found.token
        )

    def still_may(self, snapshot: Snapshot, caller: Caller, endpoint: str) -> DeviceRecord:
        """The device as it is now, after a long wait. Raises CentreRefused."""
        device = device_rows.device(snapshot.sql, caller.device.id)
        if device is None:
            raise denied("not_trusted")
        reason = why_not(device, endpoint, now=micros_of(self._clock.now()))
        if reason:
            raise denied("not_allowed", reason)
        return device

    def _key_of(self, found: "_Found", snapshot: Snapshot | None, *, is_hello: bool) -> KeyOf:
        def key_of(tag: str, key_id: str) -> ec.EllipticCurvePublicKey | bytes | None:
            if (tag == DEVICE_TAG) != is_hello:
                return None
            device_id, session = key_id, None
            if not is_hello:
                session = self._sessions.get(key_id)
                if session is None:
                    found.is_over = True
                    return None
                device_id = session.device_id
            if snapshot is not None:
                known = device_rows.asking(snapshot.sql, device_id)
            else:
                with self._store.reading() as own:
                    known = device_rows.asking(own.sql, device_id)
            found.device, found.token = known or (None, None)
            found.session = session
            if found.device is None:
                return None
            return session.key if session else public_key_of(found.device.public_key)

        return key_of

    def _refuse_replay(
        self, request: Request, verified: Verified, session: Session | None
    ) -> None:
        number = request.header("device-seq")
        if not (number.isascii() and number.isdigit() and len(number) <= 18):
            raise denied("malformed", "device-seq")
        if session is not None:
            is_new = self._is_of_this_run(verified) and self._sessions.take(
                session, int(number)
            )
        else:
            is_new = self._batch.run(
                lambda transaction: _seen(transaction, verified, micros_of(self._clock.now()))
            )
        if not is_new:
            raise denied("replayed")

    def _is_of_this_run(self, verified: Verified) -> bool:
        """Whether it was signed since this node started, whose memory of numbers is no older; to the whole second."""
        run_us = (self._clock.ticks_ms() - self._started_ms) * 1_000
        return verified.created >= (micros_of(self._clock.now()) - run_us) // 1_000_000


@dataclass(slots=True)
class _Found:
    """What looking for the key found beside it."""

    device: DeviceRecord | None = None
    token: str | None = None
    session: Session | None = None
    is_over: bool = False


def _seen(transaction: Transaction, verified: Verified, now: int) -> Callable[[], bool]:
    is_new = see_nonce(
        transaction,
        verified.key_id,
        verified.nonce,
        at=now,
        forget_before=now - 2 * CLOCK_WINDOW_S * 1_000_000,
    )
    return lambda: is_new


def see_nonce(
    transaction: Transaction, device: str, nonce: str, *, at: int, forget_before: int
) -> bool:
    """Whether this nonce is new; old ones are forgotten. Times in microseconds since 1970."""
    sql = transaction.direct()
    sql.run("DELETE FROM nonce WHERE at < :before", before=forget_before)
    return bool(
        sql.run(
            "INSERT INTO nonce (device, nonce, at) VALUES (:device, :nonce, :at)"
            " ON CONFLICT DO NOTHING",
            device=device, nonce=nonce, at=at,
        )
    )  # fmt: skip
