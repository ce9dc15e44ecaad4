"""The loop of the reader process: owns a reader, reads what comes into its field, and says values.

    open -> wait for a band -> seen -> read -> proved | failed -> wait for its removal -> left -> wait ...
      ^                                                                                      |
      +------- pause ------- reader or service gone: said once, then opened again -----------+

One tap is one band on the reader once. The same band again within 2.5 s of being last there is the same tap and nothing
is said of it, with two exceptions, where it is said to be proved as before, in the same tap. Could it be proved from afar and was
not, then whoever holds it there again because nothing happened has the proof tried again, a few times. Was it proved with its
leased key, then it is proved so again, for whoever was asked to hold it there again so that it can witness a use, or be brought a capsule.

It is the same when its reference is the same, or its UID if that is one that stays; a random UID says nothing, so such a band is
read first and `seen` is said when it turns out to be another. So is one that was proved with its leased key: another chip can show its UID.
A key may thus be wanted for a tap that is never said to be seen.

While a band that was proved is still there, orders are followed: `Prove` asks whoever has its key to prove it, and it is
said to be proved again; `Refresh` writes a capsule to it. Nothing that goes wrong then is a failed tap: the page stands.

A band torn away is said at once as failed and left; if it is still there it is read again as another tap, a few times.
"""

import logging
import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field, replace

from drivers.chips.afterwards import (
    Chip,
    FromAfar,
    capsule_place_of,
    is_provable,
    opened_leased,
    prove_remotely,
)
from drivers.chips.capsules import refreshed
from drivers.chips.identify import has_true_uid, leasable_uid
from drivers.chips.reading import read_band
from drivers.chips.witnessing import UNSURE, carried_out, witness_place_of
from drivers.connection import Connection, CountingConnection, Work
from drivers.credential.afar import TOKEN_SIZE, Dialect, OneSession
from drivers.credential.layout import KEY_SIZE
from drivers.errors import (
    BandError,
    BandLeft,
    BandMalformed,
    BandRefused,
    BandUntrusted,
    Delivery,
    DriverError,
    ReaderError,
    ReaderFault,
)
from drivers.lines import (
    Challenge,
    Failed,
    GroupKey,
    Key,
    KeyWanted,
    Left,
    Prove,
    Proved,
    ReaderState,
    Refresh,
    Refreshed,
    Response,
    Said,
    Seen,
    Stop,
    Told,
    Use,
    Used,
)
from drivers.ports import LeasedKey
from drivers.proof import Proof, ProofKind
from drivers.readers.base import WAIT_MS_MAX, Reader
from drivers.readers.signals import Signal
from drivers.target import Target, Technology
from hardware.clock import Clock
from hardware.entropy import Entropy

log = logging.getLogger(__name__)

REOPEN_MS = (200, 500, 1_000, 2_000)
"""Pauses before the reader is opened again; the last one repeats."""

KEY_WAIT_MS = 400
"""How long a key is waited for; a key that is not in the kiosk's cache by then counts as not leased."""

FAULT_SAID_MS = 1_500
"""A reader that answers nonsense for less than this is opened again and nobody is told; an overloaded machine does that."""

REMOTE_MS = 400
"""How long a proof from afar may take, from the chip's challenge to the keys: after that the wrist is gone."""

ORDER_WAIT_MS = 100
"""How long an order is waited for right after a band was proved that somebody else could prove better."""

ATTENTIVE_MS = 1_500
"""So long after the last thing that was said or done an order is followed within ATTENTIVE_LOOK_MS, later within half a second."""

ATTENTIVE_LOOK_MS = 60

ORDERS_MAX = 8
"""Orders that wait; more are somebody's mistake."""

SAME_TAP_MS = 2_500
"""The same band again within this time of being last on the reader is the same tap."""

TORN_MAX = 3
"""Readings torn in a row, or broken off by the reader, after which the band has to be taken away first.

So that a mute one, or one that makes the reader fail, is not read for ever.
"""

STILL_MS = 300
"""A band that was read so often, left by the reader's word, and is there again within this time never left.

One that answers nothing, or shows another UID at each look, seems to leave at each. It is read, but nothing is said of it
unless it answers: it may be another one.
"""

RETRIES_MAX = 3
"""Times that a band which is held there again is said again, so that a proof from afar is tried again; then it is another tap's."""

READ_MS = 2_000
"""How long a band is read: no command is sent to it after that.

The slowest takes half of it. Whoever started this process takes it for hung when nothing comes of a band for three seconds.
"""

STUCK_PAUSE_MS = 200
"""Between two looks at a field that holds something that cannot be read, for example two bands."""


class Hearing:
    """What the reader process was told, shared between the thread that hears and the pump."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._is_over = False
        self._group_key: LeasedKey | None = None
        self._is_group_key_awaited = True
        self._key: Key | None = None
        self._response: Response | None = None
        self._orders: deque[Prove | Refresh | Use] = deque(maxlen=ORDERS_MAX)

    def tell(self, value: Told) -> None:
        """Take in one value; on any thread."""
        with self._changed:
            match value:
                case GroupKey():
                    self._group_key = _leased(value.key, value.version)
                case Key():
                    self._key = value
                case Response():
                    self._response = value
                case Prove() | Refresh() | Use():
                    self._orders.append(value)
                case Stop():
                    self._is_over = True
            self._changed.notify_all()

    def end(self) -> None:
        """Nothing more will be told: stop. On any thread, and in a signal handler."""
        self.tell(Stop())

    @property
    def is_over(self) -> bool:
        """Was it told to stop?"""
        return self._is_over

    def wait_for_end(self, timeout_ms: int) -> bool:
        """Wait at most `timeout_ms` to be told to stop."""
        with self._changed:
            return self._changed.wait_for(lambda: self._is_over, timeout_ms / 1_000)

    def group_key(self, timeout_ms: int) -> LeasedKey | None:
        """`K_uid`; only the first call waits for it, since it is told once, at the start."""
        with self._changed:
            if self._is_group_key_awaited:
                self._is_group_key_awaited = False
                self._changed.wait_for(
                    lambda: self._is_over or self._group_key is not None, timeout_ms / 1_000
                )
            return self._group_key

    def key_of(self, tap: int, timeout_ms: int) -> LeasedKey | None:
        """The key told for this tap; None when there is none, or none in time."""
        with self._changed:
            self._changed.wait_for(
                lambda: self._is_over or (self._key is not None and self._key.tap == tap),
                timeout_ms / 1_000,
            )
            told = self._key
            if told is None or told.tap != tap or told.key is None:
                return None
            self._key = None
            return _leased(told.key, told.version)

    def response_to(self, tap: int, step: int, timeout_ms: int) -> Response | None:
        """The answer to that challenge; None when none came in time."""

        def is_here() -> bool:
            told = self._response
            return told is not None and (told.tap, told.step) == (tap, step)

        with self._changed:
            self._changed.wait_for(lambda: self._is_over or is_here(), timeout_ms / 1_000)
            told, self._response = self._response if is_here() else None, None
            return told

    def forget_response(self) -> None:
        """A challenge is to be said: what answered an earlier one too late is no answer to it."""
        with self._changed:
            self._response = None

    def forget_told(self) -> None:
        """Nothing lies there: a key that came too late, an answer and an order for a tap that is over are nobody's any more."""
        with self._changed:
            self._key = self._response = None
            self._orders.clear()

    def order(self, tap: int, timeout_ms: int) -> Prove | Refresh | Use | None:
        """The next order about this tap; those about others are dropped. None when there is none in time."""

        def is_here() -> bool:
            while self._orders and self._orders[0].tap != tap:
                self._orders.popleft()
            return bool(self._orders)

        with self._changed:
            self._changed.wait_for(lambda: self._is_over or is_here(), timeout_ms / 1_000)
            return None if self._is_over or not is_here() else self._orders.popleft()


def _leased(key: str, version: int) -> LeasedKey | None:
    try:
        value = bytes.fromhex(key)
    except ValueError:
        value = b""
    if len(value) != KEY_SIZE:
        log.warning("a key of the wrong size was ignored")
        return None
    return LeasedKey(value, version)


class PipeKeys:
    """Keys for one tap, asked for over the pipe."""

    def __init__(
        self, tap: int, say: Callable[[Said], None], hearing: Hearing, *, wait_ms: int
    ) -> None:
        self._tap = tap
        self._say = say
        self._hearing = hearing
        self._wait_ms = wait_ms
        self._asked: bytes | None = None
        self.held: LeasedKey | None = None

    def ask(self, uid: bytes) -> None:
        """Say which key is wanted, so that it is looked up while the band is spoken to."""
        if self._asked is None:
            self._asked = uid
            self._say(KeyWanted(self._tap, uid.hex()))

    def group_key(self) -> LeasedKey | None:
        """`K_uid`, or None."""
        return self._hearing.group_key(self._wait_ms)

    def band_key(self, uid: bytes) -> LeasedKey | None:
        """The key leased for this UID; None when there is none in time, or another was asked for in this tap."""
        self.ask(uid)
        if uid != self._asked:
            return None
        if self.held is None:
            self.held = self._hearing.key_of(self._tap, self._wait_ms)
        return self.held


@dataclass(frozen=True, slots=True)
class Means:
    """Time, chance, and how long the pump waits for what.

    Attributes:
        reopen_ms: Pauses before the reader is opened again; the last one repeats.
        key_wait_ms: How long a key is waited for.
        stuck_pause_ms: Between two looks at a field that holds something that cannot be read.
        order_wait_ms: How long an order is waited for right after a band was said that could be proved from afar.
        remote_ms: How long that may take.
    """

    clock: Clock
    entropy: Entropy
    reopen_ms: tuple[int, ...] = REOPEN_MS
    key_wait_ms: int = KEY_WAIT_MS
    stuck_pause_ms: int = STUCK_PAUSE_MS
    order_wait_ms: int = ORDER_WAIT_MS
    remote_ms: int = REMOTE_MS


@dataclass(frozen=True, slots=True)
class _There:
    """A band that was said to be proved, while it is on the reader."""

    tap: int
    target: Target
    proof: Proof
    keys: PipeKeys
    said: Proved


@dataclass(frozen=True, slots=True)
class _Recent:
    """The band that was read last, and when it was last on the reader.

    `there` where more may come of it when it is held there again: its proof from afar did not come, or its key is leased. It
    holds no key.
    """

    uid: bytes | None = field(repr=False)
    band: bytes | None = field(repr=False)
    at_ms: int
    there: _There | None = None
    n_retries: int = 0


class _Hurried(CountingConnection):
    """A connection for one reading, which has an end: a chip may be slow, or ask for more time before every answer."""

    def __init__(self, connection: Connection, clock: Clock) -> None:
        super().__init__(connection)
        self._clock = clock
        self._until_ms = clock.ticks_ms() + READ_MS

    def transmit(self, command: bytes) -> bytes:
        """As in the connection underneath. Raises BandLeft, too, when the time is over."""
        self._check()
        return super().transmit(command)

    def transmit_while(self, command: bytes, work: Work) -> bytes:
        """The same, `work` done meanwhile."""
        self._check()
        return super().transmit_while(command, work)

    def _check(self) -> None:
        if self._clock.ticks_ms() >= self._until_ms:
            raise BandLeft("it takes too long", delivery=Delivery.NOT_SENT)


class Pump:
    """The loop. One thread owns it, its reader and everything it says."""

    def __init__(
        self,
        spec: str,
        open_reader: Callable[[], Reader],
        *,
        say: Callable[[Said], None],
        hearing: Hearing,
        means: Means,
    ) -> None:
        self._spec = spec
        self._open_reader = open_reader
        self._say = say
        self._hearing = hearing
        self._clock = means.clock
        self._entropy = means.entropy
        self._reopen_ms = means.reopen_ms
        self._key_wait_ms = means.key_wait_ms
        self._stuck_pause_ms = means.stuck_pause_ms
        self._order_wait_ms = means.order_wait_ms
        self._remote_ms = means.remote_ms
        self._fault_since_ms: int | None = None
        self._n_taps = 0
        self._n_torn = 0
        self._torn_left_ms: int | None = None
        self._n_failures = 0
        self._recent: _Recent | None = None
        self._stuck: tuple[int, str] | None = None
        self._state: ReaderState | None = None
        self._n_steps = 0

    @property
    def n_steps(self) -> int:
        """Grows while the loop turns; one that stands still hangs in a library. On any thread."""
        return self._n_steps

    def run(self) -> None:
        """Serve until told to stop. Raises nothing a reader or a band can cause."""
        while not self._hearing.is_over:
            try:
                self._serve_one()
            except ReaderError as error:
                self._settle_stuck()
                self._note_failure(error)
                pause_ms = self._reopen_ms[min(self._n_failures, len(self._reopen_ms) - 1)]
                self._n_failures += 1
                self._n_steps += 1
                self._hearing.wait_for_end(pause_ms)

    def _note_failure(self, error: ReaderError) -> None:
        """Log why the reader failed, and tell people: at once, or when nonsense has lasted."""
        log.warning(
            "the reader failed",
            extra={"code": error.code, "cause": str(error), "attempt": self._n_failures + 1},
        )
        if isinstance(error, ReaderFault):
            now_ms = self._clock.ticks_ms()
            if self._fault_since_ms is None:
                self._fault_since_ms = now_ms
            if now_ms - self._fault_since_ms < FAULT_SAID_MS:
                return
        self._say_state(self._spec, error)

    def _serve_one(self) -> None:
        """Serve with one opened reader until it fails or we are told to stop."""
        reader = self._open_reader()
        try:
            while not self._hearing.is_over:
                self._look(reader)
        finally:
            reader.close()

    def _look(self, reader: Reader) -> None:
        """One look at the field, and all that follows from it."""
        self._n_steps += 1
        try:
            target = reader.wait_for_target(WAIT_MS_MAX)
        except BandError as error:
            self._is_well(reader)
            if self._say_stuck(error):
                reader.signal(Signal.DENY)
            self._hearing.wait_for_end(self._stuck_pause_ms)
            return
        self._is_well(reader)
        self._settle_stuck()
        if target is None:
            self._forget_torn()
            self._forget_gone()
        else:
            self._tap(reader, target)

    def _is_well(self, reader: Reader) -> None:
        self._n_failures = 0
        self._fault_since_ms = None
        self._say_state(reader.name)

    def _tap(self, reader: Reader, target: Target) -> None:
        """One band from its arrival to its leaving."""
        self._n_steps += 1
        at_us = self._clock.ticks_us()
        detect_us = max(0, at_us - reader.reported_at_us) if reader.reported_at_us else 0
        is_back = self._is_same(target.uid if has_true_uid(target) else None, None)
        if is_back and not self._is_read_again():
            self._held_again(reader, target)
            return
        is_torn_still = self._is_torn_still()
        if is_torn_still and self._torn_left_ms is None:
            # It broke the reader each time; whoever holds it was told so, and takes it away before it is read again.
            self._await_torn(reader)
            return
        self._n_taps += 1
        was_recent = self._is_recent()
        seen = Seen(self._n_taps, target.technology.value, at_us)
        is_said = not (is_back or is_torn_still) and (has_true_uid(target) or not was_recent)
        if is_said:
            self._say(seen)
        try:
            proof, n_exchanges, keys = self._read(reader, target, seen.tap)
        except DriverError as error:
            if is_torn_still and isinstance(error, BandLeft):
                self._await_torn(reader)
                return
            if is_back and isinstance(error, BandLeft | ReaderError):
                self._slipped(error)
                return
            if not is_said:
                self._say(seen)
            self._fail(reader, seen.tap, error)
            return
        self._forget_torn()
        if not is_said:
            if was_recent and self._is_of_recent(proof.uid, proof.band):
                self._held_again(reader, target, (proof, keys))
                return
            self._say(seen)
        took_us = self._clock.ticks_us() - at_us
        said = _proved(seen.tap, proof, detect_us, took_us, n_exchanges)
        self._say(said)
        reader.signal(Signal.ACCEPT)
        self._recent = _Recent(proof.uid, proof.band, self._clock.ticks_ms())
        there = _There(seen.tap, target, proof, keys, said)
        self._await_removal(reader, seen.tap, there)

    def _held_again(
        self,
        reader: Reader,
        target: Target,
        read: tuple[Proof, PipeKeys] | None = None,
    ) -> None:
        """The same tap once more: nothing is said, unless a proof from afar may come this time, or it was proved again.

        `read` is what was read of it this time, where it was.
        """
        there = self._once_more(target, read)
        if there is None:
            self._await_removal(reader, None)
            return
        self._say(there.said)
        self._await_removal(reader, there.tap, there)

    def _once_more(self, target: Target, read: tuple[Proof, PipeKeys] | None) -> _There | None:
        """The band of a moment ago, where something may be done with it now that it is there again."""
        recent = self._recent
        if recent is None or recent.there is None:
            return None
        if recent.there.proof.kind is ProofKind.MUTUAL:
            if read is None or read[0].kind is not ProofKind.MUTUAL:
                return None
            return _again(recent.there, target, *read)
        if recent.n_retries == RETRIES_MAX:
            return None
        self._recent = replace(recent, n_retries=recent.n_retries + 1)
        return replace(recent.there, target=target)

    def _slipped(self, error: BandError | ReaderError) -> None:
        """The band of a moment ago was held there again and could not be read: its tap was said, and its page stands.

        It is read again, as one whose tap failed is. Raises the error of a reader.
        """
        self._n_torn += 1
        if isinstance(error, ReaderError):
            raise error

    def _read(self, reader: Reader, target: Target, tap: int) -> tuple[Proof, int, PipeKeys]:
        keys = self._keys_of(tap)
        uid = leasable_uid(target)
        if uid is not None:
            keys.ask(uid)
        connection = _Hurried(reader.connect(target), self._clock)
        proof = read_band(connection, target, keys, self._entropy)
        return proof, connection.count, keys

    def _keys_of(self, tap: int) -> PipeKeys:
        return PipeKeys(tap, self._say, self._hearing, wait_ms=self._key_wait_ms)

    # While the band is there

    def _ordered(self, reader: Reader, there: _There, timeout_ms: int) -> _There | None:
        """Follow the next order about the band that is there; what is known of the band then, None where none came in time."""
        order = self._hearing.order(there.tap, timeout_ms)
        match order:
            case None:
                return None
            case Prove():
                return self._prove(reader, there)
            case Refresh():
                self._refresh(reader, there, order.capsule)
                return there
            case Use():
                self._witness(reader, there, order)
                return there

    def _prove(self, reader: Reader, there: _There) -> _There:
        """Have the band proved by whoever has its key, and say it again."""
        if not is_provable(there.proof):
            return there
        started_us = self._clock.ticks_us()
        try:
            proof, _, count = self._remotely(reader, there)
        except BandError as error:
            log.info("band not proved from afar", extra={"code": error.code})
            return there
        took_us = self._clock.ticks_us() - started_us
        said = _proved(
            there.tap,
            proof,
            there.said.detect_us,
            there.said.authenticate_us + took_us,
            there.said.n_exchanges + count,
        )
        self._say(said)
        return _There(there.tap, there.target, proof, there.keys, said)

    def _remotely(self, reader: Reader, there: _There) -> tuple[Proof, Chip, int]:
        """The proof, the chip in its session, and how many exchanges that took. Raises BandError, ReaderError."""
        until_ms = self._clock.ticks_ms() + self._remote_ms
        uid = (there.proof.uid or b"").hex()

        def ask(dialect: Dialect, step: int, data: bytes) -> FromAfar:
            self._hearing.forget_response()
            self._say(Challenge(there.tap, uid, step, data.hex(), dialect.value))
            left_ms = max(0, until_ms - self._clock.ticks_ms())
            told = self._hearing.response_to(there.tap, step, left_ms)
            return _from_afar(told, step, dialect)

        connection = CountingConnection(reader.connect(there.target))
        known = _as_known(there.proof)
        proof, chip = prove_remotely(connection, known, ask, self._entropy)
        return proof, chip, connection.count

    def _refresh(self, reader: Reader, there: _There, capsule: str) -> None:
        """Bring a capsule to the band, and say what became of it."""
        try:
            raw = bytes.fromhex(capsule)
            outcome = refreshed(capsule_place_of(self._opened(reader, there)), raw).value
        except (ValueError, BandRefused, BandUntrusted, BandMalformed):
            outcome = "refused"
        except BandError:
            outcome = "torn"
        self._say(Refreshed(there.tap, outcome))

    def _witness(self, reader: Reader, there: _There, order: Use) -> None:
        """Let the band witness a use, and say what became of it; for that its key must be here."""
        held = there.keys.held
        if held is None or there.proof.kind is not ProofKind.MUTUAL:
            self._say(Used(there.tap, order.operation, UNSURE))
            return
        self._say(
            carried_out(
                order,
                key=held.value,
                place=lambda: witness_place_of(self._opened(reader, there)),
            )
        )

    def _opened(self, reader: Reader, there: _There) -> Chip:
        """The chip in a session of K_band, by the leased key or by whoever has it. Raises BandError, ReaderError."""
        if there.proof.kind is not ProofKind.MUTUAL:
            raise BandUntrusted("it was not proved", delivery=Delivery.NOT_SENT)
        if there.keys.held is None:
            return self._remotely(reader, there)[1]
        connection = reader.connect(there.target)
        return opened_leased(connection, there.proof, there.keys.held, self._entropy)

    # Failing and leaving

    def _fail(self, reader: Reader, tap: int, error: DriverError) -> None:
        """Say that a band could not be read, and go on as its kind of failure allows."""
        self._say(Failed(tap, error.code, error.delivery.value))
        if not isinstance(error, ReaderError):
            reader.signal(Signal.DENY)
        self._recent = None
        self._n_torn += 1
        if isinstance(error, ReaderError):
            self._say(Left(tap))
            raise error
        if isinstance(error, BandLeft) and self._n_torn < TORN_MAX:
            self._say(Left(tap))
            return
        self._await_removal(reader, tap)
        if isinstance(error, BandLeft):
            self._torn_left_ms = self._clock.ticks_ms()
        else:
            self._forget_torn()

    def _await_torn(self, reader: Reader) -> None:
        """Until a band whose failing was said already is taken away, or seems to be."""
        self._await_removal(reader, None)
        self._torn_left_ms = self._clock.ticks_ms()

    def _is_torn_still(self) -> bool:
        """Is it the band that was read too often already, without having left since?"""
        left_ms = self._torn_left_ms
        if left_ms is not None and self._clock.ticks_ms() - left_ms >= STILL_MS:
            self._forget_torn()
        return self._n_torn >= TORN_MAX

    def _forget_torn(self) -> None:
        self._n_torn, self._torn_left_ms = 0, None

    def _await_removal(
        self, reader: Reader, tap: int | None, there: _There | None = None
    ) -> None:
        """Until the field is empty or we are told to stop; `tap` is said to have left, unless it was never said.

        Orders about a band that is `there` are followed meanwhile; the first about one that others can prove is waited for.
        """
        try:
            if there is not None and there.said.is_provable:
                there = self._ordered(reader, there, self._order_wait_ms) or there
            attentive_until_ms = self._clock.ticks_ms() + ATTENTIVE_MS
            while not self._hearing.is_over:
                is_attentive = there is not None and self._clock.ticks_ms() < attentive_until_ms
                if reader.wait_for_removal(ATTENTIVE_LOOK_MS if is_attentive else WAIT_MS_MAX):
                    reader.signal(Signal.IDLE)
                    break
                self._n_steps += 1
                if there is not None:
                    after = self._ordered(reader, there, 0)
                    if after is not None:
                        attentive_until_ms = self._clock.ticks_ms() + ATTENTIVE_MS
                        there = after
        finally:
            if self._recent is not None:
                now_ms = self._clock.ticks_ms()
                kept = self._recent.there if there is None else self._kept(there)
                self._recent = replace(self._recent, at_ms=now_ms, there=kept)
            if tap is not None:
                self._say(Left(tap))

    def _kept(self, there: _There) -> _There | None:
        """What is kept of a band that left, without its key; None where nothing more comes of it."""
        is_leased = there.proof.kind is ProofKind.MUTUAL and there.keys.held is not None
        if not (there.said.is_provable or is_leased):
            return None
        return replace(there, keys=self._keys_of(there.tap))

    def _is_read_again(self) -> bool:
        """Is the band of a moment ago one that was proved with its leased key?"""
        recent = self._recent
        return (
            recent is not None
            and recent.there is not None
            and recent.there.proof.kind is ProofKind.MUTUAL
        )

    def _forget_gone(self) -> None:
        """Keep nothing of a band that left, and nothing told about it, once it would be another tap."""
        if not self._is_recent():
            self._recent = None
            self._hearing.forget_told()

    def _is_recent(self) -> bool:
        recent = self._recent
        return recent is not None and self._clock.ticks_ms() - recent.at_ms < SAME_TAP_MS

    def _is_same(self, uid: bytes | None, band: bytes | None) -> bool:
        """Is this the band that was here a moment ago?"""
        return self._is_recent() and self._is_of_recent(uid, band)

    def _is_of_recent(self, uid: bytes | None, band: bytes | None) -> bool:
        """Is this the band that was here last, whenever that was?"""
        recent = self._recent
        if recent is None:
            return False
        if band is not None and recent.band is not None:
            return band == recent.band
        return uid is not None and uid == recent.uid

    def _say_stuck(self, error: BandError) -> bool:
        """Say once that the field holds something that cannot be read; whether it was said now."""
        if self._stuck is not None and self._stuck[1] == error.code:
            return False
        self._settle_stuck()
        self._n_taps += 1
        self._stuck = (self._n_taps, error.code)
        self._say(Seen(self._n_taps, Technology.OTHER.value, self._clock.ticks_us()))
        self._say(Failed(self._n_taps, error.code, error.delivery.value))
        return True

    def _settle_stuck(self) -> None:
        if self._stuck is not None:
            self._say(Left(self._stuck[0]))
            self._stuck = None

    def _say_state(self, name: str, error: ReaderError | None = None) -> None:
        """Say how the reader is, when that has changed."""
        state = (
            ReaderState(name) if error is None else ReaderState(name, error.code, str(error))
        )
        if self._state is None or (state.name, state.code) != (
            self._state.name,
            self._state.code,
        ):
            self._state = state
            self._say(state)


def _again(there: _There, target: Target, proof: Proof, keys: PipeKeys) -> _There:
    """A band that was proved again in the same tap: what it says now, its times those of the first reading."""
    was = there.said
    said = _proved(there.tap, proof, was.detect_us, was.authenticate_us, was.n_exchanges)
    return _There(there.tap, target, proof, keys, said)


def _proved(
    tap: int, proof: Proof, detect_us: int, authenticate_us: int, n_exchanges: int
) -> Proved:
    return Proved(
        tap=tap,
        kind=proof.kind.value,
        family=proof.family.value,
        generation=proof.generation,
        uid=None if proof.uid is None else proof.uid.hex(),
        band=None if proof.band is None else proof.band.hex(),
        detect_us=detect_us,
        authenticate_us=authenticate_us,
        n_exchanges=n_exchanges,
        capsule=None if proof.capsule is None else proof.capsule.hex(),
        counter=proof.counter,
        uses=proof.uses,
        is_provable=is_provable(proof),
    )


def _as_known(proof: Proof) -> Proof:
    """What is known of a band that is to be proved (again)."""
    return replace(proof, kind=ProofKind.NONE)


def _from_afar(told: Response | None, step: int, dialect: Dialect) -> FromAfar:
    """What whoever has the key answered. Raises BandUntrusted where that is nothing, or not what it should be."""
    try:
        if told is not None and step == 1 and told.data:
            return FromAfar(token=_hex(told.data, TOKEN_SIZE))
        if told is not None and step == 2 and told.keys:
            keys = _hex(told.keys, dialect.keys_size)
            return FromAfar(session=OneSession(keys, _hex(told.ti, dialect.ti_size)))
    except ValueError as error:
        raise BandUntrusted("the answer does not parse", delivery=Delivery.UNKNOWN) from error
    raise BandUntrusted("there is no answer for it", delivery=Delivery.UNKNOWN)


def _hex(text: str, size: int) -> bytes:
    value = bytes.fromhex(text)
    if len(value) != size:
        raise ValueError("another size")
    return value
