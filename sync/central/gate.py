"""Who asks, and may they: signatures, sessions, replays, device states, roles. Deny by default.

`hello` is signed by the device's key and its nonce is remembered on disk for as long as its time could pass. Everything
else is signed in a session; a session lives in memory only, so that its key never touches the disk, and dies with this
process or after SESSION_MS: the device says hello again. Within a session each `device-seq` is taken once, so a replay is
noticed without a write; requests may overtake each other by SEQ_WINDOW. The state of the device is looked up every time.
"""

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from threading import Lock
from typing import Final

from cryptography.hazmat.primitives.asymmetric import ec

from hardware.clock import Clock
from hardware.moments import micros_of
from sync.central.batch import Batch
from sync.central.enrolment import State, may_ask
from sync.central.store import DeviceRecord, Store, Transaction
from sync.model.errors import CentreRefused, NotTrusted
from sync.model.ports import Request
from sync.model.signatures import (
    CLOCK_WINDOW_S,
    DEVICE_TAG,
    KeyOf,
    Verified,
    authentic,
    is_in_time,
    public_key_of,
)
from sync.model.wire import PROBLEMS, PROTOCOL

SESSION_MS: Final = 12 * 3_600_000
"""A session ends after a shop's day, so that a key that leaked is of one day."""

SESSIONS_MAX: Final = 50_000
"""Five times the fleet this design is for; the one that was quiet longest goes first. About 1 KB each."""

SEQ_WINDOW: Final = 1_024
"""How far a request may be overtaken by others of its session; a device reserves 1,000 numbers at a time."""


def denied(code: str, reason: str = "") -> CentreRefused:
    """The error that becomes a problem answer; `reason` is sent as its detail and never holds anything personal."""
    return CentreRefused(reason, status=PROBLEMS[code][0], problem=code)


@dataclass(slots=True)
class Session:
    """One hello of one device; mutable, under the lock of `Sessions`.

    Attributes:
        key: What both ends agreed on.
        started_ms: Ticks.
        highest: The highest `device-seq` taken; `taken` are those within SEQ_WINDOW below it.
    """

    id: str
    device_id: str
    lineage: str
    started_ms: int
    key: bytes = field(repr=False)
    highest: int = -1
    taken: set[int] = field(default_factory=set, repr=False)

    def take(self, seq: int) -> bool:
        """Whether this number is new in this session; it is then used up."""
        if seq in self.taken or seq <= self.highest - SEQ_WINDOW:
            return False
        self.taken.add(seq)
        if seq > self.highest:
            self.highest = seq
            if len(self.taken) > 2 * SEQ_WINDOW:
                self.taken = {old for old in self.taken if old > seq - SEQ_WINDOW}
        return True


class Sessions:
    """Sessions by id, in memory."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._by_id: OrderedDict[str, Session] = OrderedDict()
        self._id_of: dict[tuple[str, str], str] = {}
        self._lock = Lock()

    def add(self, session: Session) -> None:
        """A new session; it ends the one before of the same device and lineage."""
        whose = (session.device_id, session.lineage)
        with self._lock:
            self._by_id.pop(self._id_of.get(whose, ""), None)
            self._by_id[session.id] = session
            self._id_of[whose] = session.id
            if len(self._by_id) > SESSIONS_MAX:
                _, quiet = self._by_id.popitem(last=False)
                self._id_of.pop((quiet.device_id, quiet.lineage), None)

    def get(self, session_id: str) -> Session | None:
        """A session that is not over."""
        with self._lock:
            session = self._by_id.get(session_id)
            if session is None:
                return None
            if self._clock.ticks_ms() - session.started_ms > SESSION_MS:
                del self._by_id[session_id]
                del self._id_of[session.device_id, session.lineage]
                return None
            self._by_id.move_to_end(session_id)
            return session

    def end_all(self) -> None:
        """Every device says hello again."""
        with self._lock:
            self._by_id.clear()
            self._id_of.clear()

    def take(self, session: Session, seq: int) -> bool:
        """As `Session.take`, from any thread."""
        with self._lock:
            return session.take(seq)


@dataclass(frozen=True, slots=True)
class Caller:
    """A request that may be answered.

    Attributes:
        session: None for `hello`.
        request_id: `x-req`.
        nonce: Of its signature.
    """

    device: DeviceRecord
    session: Session | None
    request_id: str
    nonce: str


class Gate:
    """Lets requests in."""

    def __init__(self, store: Store, batch: Batch, sessions: Sessions, clock: Clock) -> None:
        self._store = store
        self._batch = batch
        self._sessions = sessions
        self._clock = clock

    def admit(self, endpoint: str, request: Request) -> Caller:
        """The caller of a whole, bounded request. Blocks for a read, for `hello` also for a write.

        Raises:
            CentreRefused: with the `problem` to answer. Who is not known learns nothing but `not_trusted`, or
                `session_over` for a session that is not, or no more, there.
        """
        if request.header("x-proto") != str(PROTOCOL):
            raise denied("incompatible")
        is_hello = endpoint == "hello"
        found = _Found()
        try:
            verified = authentic(request, key_of=self._key_of(found, is_hello=is_hello))
        except NotTrusted as error:
            raise denied("session_over" if found.is_over else "not_trusted") from error
        device = found.device
        if device is None:
            raise denied("not_trusted")
        if not is_in_time(verified, self._clock.now()):
            raise denied("wrong_clock")
        if device.state != State.ACTIVE.value:
            raise denied("not_allowed", device.state)
        if not may_ask(device, endpoint):
            raise denied("not_allowed", "role")
        self._refuse_replay(request, verified, found.session)
        return Caller(device, found.session, request.header("x-req"), verified.nonce)

    def still_may(self, caller: Caller, endpoint: str) -> None:
        """Look again, after a long wait. Raises CentreRefused."""
        with self._store.reading() as snapshot:
            device = snapshot.device(caller.device.id)
        if device is None or not may_ask(device, endpoint):
            raise denied("not_allowed", device.state if device else "")

    def _key_of(self, found: "_Found", *, is_hello: bool) -> KeyOf:
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
            with self._store.reading() as snapshot:
                found.device = snapshot.device(device_id)
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
            is_new = self._sessions.take(session, int(number))
        else:
            is_new = self._batch.run(
                lambda transaction: _seen(transaction, verified, micros_of(self._clock.now()))
            )
        if not is_new:
            raise denied("replayed")


@dataclass(slots=True)
class _Found:
    """What looking for the key found beside it."""

    device: DeviceRecord | None = None
    session: Session | None = None
    is_over: bool = False


def _seen(transaction: Transaction, verified: Verified, now: int) -> Callable[[], bool]:
    is_new = transaction.see_nonce(
        verified.key_id,
        verified.nonce,
        at=now,
        forget_before=now - 2 * CLOCK_WINDOW_S * 1_000_000,
    )
    return lambda: is_new
