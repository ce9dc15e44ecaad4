"""Messages on their way out: takes what is due from the queue, has a sender make its calls, and writes down what came of it.

    due -> who is she now, which way, may it (consent, 24 hours) -> claim -> calls -> sent | later | failed

A claim is written before the first call and the outcome after the last, each in its own transaction. A node that dies between
the two leaves a claim that ends after CLAIM_US; then another goes on, and its sender knows that nobody knows whether the message
arrived. Which vendors can be asked, and which make twice the same as once, is said in the head of each sender; where neither is
so it is `unsure`, nothing is sent again by itself, and a person decides. Its way is then closed for UNSURE_PAUSE_MS, so that a
vendor that takes and does not answer leaves few such messages.

What cannot be sent is never sent another way by itself: the reason names the other way, and a person decides.
The only module of the centre that opens connections by HTTP (`httpx`); mails go by `sync.central.mail`.
"""

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from threading import Lock
from typing import TYPE_CHECKING, Final

from sync.central import mail, outgoing_rows
from sync.central.channels.adapter import Settings
from sync.central.composing import Composed, Waits, Wrong, composed
from sync.central.outgoing_rows import OutgoingRecord
from sync.central.parts import Parts
from sync.central.senders.registry import SENDERS
from sync.central.senders.sender import (
    AnyCall,
    AnyReply,
    Call,
    Later,
    Mail,
    Never,
    NoReply,
    Outcome,
    Reply,
    Sent,
    Steps,
    Unsure,
)

if TYPE_CHECKING:
    import httpx

log = logging.getLogger(__name__)

CLAIM_US: Final = 180 * 1_000_000
"""How long a message may be on its way before another node sends it: more than all calls of one together can take."""

PAUSES_S: Final = (5, 30, 120, 600, 1_800, 3_600, 10_800, 21_600, 43_200)
"""Waits between attempts: a passing fault costs seconds, a night without the vendor costs nothing. Then it has failed."""

WAY_PAUSE_MS: Final = 5_000
"""How long nothing goes a way that is wholly closed, where the vendor does not say."""

UNSURE_PAUSE_MS: Final = 60_000
"""How long nothing goes a way by which one went of which nobody knows."""

CALL_S: Final = 15
"""How long one call may take."""

CALLS_MAX: Final = 8
"""Calls of one message; a sender that asks for more runs in a circle."""

REPLY_SIZE_MAX: Final = 1_048_576
"""Bytes of an answer that are read; a vendor says an id or a reason."""

JITTER: Final = 5
"""Waits are up to a fifth longer by chance, so that nodes do not come back together."""


class Web:
    """Carries calls to vendors; blocking, from any thread. Close it."""

    def __init__(self, *, timeout_s: float = CALL_S) -> None:
        """Connections are made when they are needed and kept for the next call."""
        self._timeout_s = timeout_s
        self._client: httpx.Client | None = None
        self._lock = Lock()

    def _connected(self) -> "httpx.Client":
        import httpx  # 100 ms; not for who has nothing to send

        with self._lock:
            if self._client is None:
                self._client = httpx.Client(
                    timeout=self._timeout_s, follow_redirects=False, trust_env=False
                )
            return self._client

    def carry(self, call: AnyCall) -> AnyReply:
        """Make one call; what came back, or that nothing did."""
        match call:
            case Mail():
                return mail.send(call)
            case Call():
                return self._asked(call)

    def _asked(self, call: Call) -> AnyReply:
        import httpx

        try:
            with self._connected().stream(
                call.method, call.url, headers=dict(call.headers), content=call.body
            ) as got:
                body = bytearray()
                for part in got.iter_bytes():
                    body += part
                    if len(body) > REPLY_SIZE_MAX:
                        return NoReply(
                            "it answered more than an answer can be", is_maybe_done=True
                        )
                return Reply(got.status_code, dict(got.headers), bytes(body))
        except (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout):
            return NoReply("it cannot be reached", is_maybe_done=False)
        except httpx.TimeoutException:
            return NoReply("it did not answer in time", is_maybe_done=True)
        except httpx.TransportError:
            return NoReply("the connection broke", is_maybe_done=True)
        except (httpx.InvalidURL, httpx.DecodingError, ValueError):
            return NoReply("its address is none, or it answered nonsense", is_maybe_done=False)

    def close(self) -> None:
        """Let go of all connections."""
        with self._lock:
            if self._client is not None:
                self._client.close()


def run_steps(steps: Steps, carry: Callable[[AnyCall], AnyReply]) -> Outcome:
    """Make the calls a sender asks for; what came of them. One that raises is tried again like a fault of its vendor."""
    n_calls = 0

    def counted(call: AnyCall) -> AnyReply:
        nonlocal n_calls
        n_calls += 1
        return carry(call)

    try:
        return _run(steps, counted)
    except Exception as error:
        # A defect that one message brings out must not leave it on its way for ever.
        log.exception("sender raised")
        return Later(f"the sender raised {type(error).__name__}", is_unknown=n_calls > 0)


def _run(steps: Steps, carry: Callable[[AnyCall], AnyReply]) -> Outcome:
    reply: AnyReply | None = None
    for _ in range(CALLS_MAX):
        try:
            call = next(steps) if reply is None else steps.send(reply)
        except StopIteration as stop:
            outcome: Outcome = stop.value
            return outcome
        reply = carry(call)
    steps.close()
    return Never("it took too many calls")


def pause_us(n_tries: int, *, after_ms: int, chance: int) -> int:
    """How long to wait after so many attempts, from 1; 0 when that was enough of them.

    Args:
        n_tries: Attempts so far.
        after_ms: What the vendor asked for.
        chance: 0 to 255.
    """
    if n_tries > len(PAUSES_S):
        return 0
    own = PAUSES_S[n_tries - 1] * 1_000_000
    return max(own, after_ms * 1_000) + own * chance // 255 // JITTER


@dataclass(slots=True)
class _Closed:
    """Ways that are wholly closed for a while, by name: until when, in ticks."""

    until_ms: dict[str, int] = field(default_factory=dict)
    lock: Lock = field(default_factory=Lock)


class Outgoing:
    """The worker over the queue; one in each node, called from any thread."""

    def __init__(
        self,
        parts: Parts,
        channels: Sequence[Settings],
        *,
        sign_off: str = "",
        brand: str = "",
        carry: Callable[[AnyCall], AnyReply] | None = None,
    ) -> None:
        """Over the parts of one centre and its configured channels.

        Args:
            parts: Its parts.
            channels: All of them; which can send is their senders' to say.
            sign_off: Under every mail, from `brand.toml`.
            brand: The shop's name.
            carry: Carries calls; the network when None.
        """
        self._parts = parts
        self._channels = tuple(channels)
        self._sign_off = sign_off
        self._brand = brand
        self._web = None if carry else Web()
        self.carry = carry or (self._web.carry if self._web else _nothing)
        self._node = parts.entropy.draw(8).hex()
        self._closed = _Closed()

    def close(self) -> None:
        """Let go of connections."""
        if self._web is not None:
            self._web.close()

    def send_due(self, limit: int = 20) -> int:
        """Send what is due, up to so many; how many messages were looked at. Blocks while vendors answer. Raises StoreError."""
        with self._parts.store.reading() as snapshot:
            found = outgoing_rows.due(snapshot, now=self._parts.now, limit=limit)
        return sum(self._sent(record) for record in found)

    def next_due(self) -> int:
        """When the next message may be sent, microseconds since 1970; 0 when none waits. Raises StoreError."""
        with self._parts.store.reading() as snapshot:
            return outgoing_rows.next_due(snapshot)

    def _sent(self, record: OutgoingRecord) -> bool:
        """Send one message, unless its way is closed or another node has it."""
        now = self._parts.now
        with self._parts.store.reading() as snapshot:
            # Others went before it, and vendors take their time: another node may have tried it since.
            fresh = outgoing_rows.find(snapshot, record.id)
            if fresh is None or not outgoing_rows.is_due(fresh, now=now):
                return False
            record = fresh
            made = composed(
                snapshot,
                record,
                self._channels,
                now=now,
                sign_off=self._sign_off,
                brand=self._brand,
            )
        match made:
            case Wrong(reason=reason):
                self._note(record, Never(reason), n_tries=record.n_tries)
                return True
            case Waits(reason=reason, until=until):
                return self._wait(record, reason, until)
            case Composed(settings=settings):
                closed_us = self._closed_us(settings.name)
                if closed_us:
                    return self._wait(record, record.reason, now + closed_us)
                return self._carried(record, made, settings)

    def _carried(self, record: OutgoingRecord, made: Composed, settings: Settings) -> bool:
        now = self._parts.now
        claimed = self._parts.write(
            lambda it: outgoing_rows.claim(
                it, record.id, via=settings.name, node=self._node, now=now, until=now + CLAIM_US
            ),
            keys=outgoing_rows.lock_of(record.id),
        )
        if claimed is None:
            return False
        steps = SENDERS[settings.adapter].send(made.message, settings)
        outcome = run_steps(steps, self.carry)
        if isinstance(outcome, Later) and outcome.is_whole:
            self._close_way(settings.name, outcome.after_ms)
        if isinstance(outcome, Unsure) and outcome.is_whole:
            self._close_way(settings.name, UNSURE_PAUSE_MS)
        self._note(record, outcome, n_tries=claimed.n_tries + 1, tried_at=now)
        return True

    def _note(
        self, record: OutgoingRecord, outcome: Outcome, *, n_tries: int, tried_at: int = 0
    ) -> None:
        """Write down what came of it."""
        now = self._parts.now
        keys = outgoing_rows.lock_of(record.id)
        match outcome:
            case Sent(ref=ref):
                self._parts.write(
                    lambda it: outgoing_rows.note_sent(it, record.id, ref=ref, now=now),
                    keys=keys,
                )
                self._parts.counters.add("outgoing.sent")
            case Later(reason=reason, after_ms=after_ms, is_unknown=is_unknown):
                looked_for_at = record.unknown_at if outcome.is_looked_for else 0
                chance = self._parts.entropy.draw(1)[0]
                wait_us = pause_us(n_tries, after_ms=after_ms, chance=chance)
                if not wait_us:
                    end = Unsure if is_unknown else Never
                    self._note(record, end(f"tried {n_tries} times: {reason}"), n_tries=n_tries)
                    return
                unknown_at = (looked_for_at or tried_at) if is_unknown else 0
                self._parts.write(
                    lambda it: outgoing_rows.note_waiting(
                        it,
                        record.id,
                        node=self._node,
                        reason=reason,
                        due_at=now + wait_us,
                        now=now,
                        unknown_at=unknown_at,
                    ),
                    keys=keys,
                )
                self._parts.counters.add("outgoing.later")
            case Unsure(reason=reason):
                self._parts.write(
                    lambda it: outgoing_rows.note_unsure(
                        it, record.id, node=self._node, reason=reason, now=now
                    ),
                    keys=keys,
                )
                self._parts.counters.add("outgoing.unsure")
                log.warning("message unsure", extra={"op": record.id, "kind": record.kind})
            case Never(reason=reason):
                self._parts.write(
                    lambda it: outgoing_rows.note_failed(
                        it, record.id, node=self._node, reason=reason, now=now
                    ),
                    keys=keys,
                )
                self._parts.counters.add("outgoing.failed")
                log.warning("message failed", extra={"op": record.id, "kind": record.kind})

    def _wait(self, record: OutgoingRecord, reason: str, until: int) -> bool:
        """Nothing is wrong with it, but it may not go yet."""
        now = self._parts.now
        self._parts.write(
            lambda it: outgoing_rows.note_waiting(
                it,
                record.id,
                node=self._node,
                reason=reason,
                due_at=until,
                now=now,
                unknown_at=record.unknown_at,  # a node that died with it is not forgotten
            ),
            keys=outgoing_rows.lock_of(record.id),
        )
        return True

    def _closed_us(self, name: str) -> int:
        """How long a way is still closed."""
        with self._closed.lock:
            until_ms = self._closed.until_ms.get(name, 0)
        return max(until_ms - self._parts.clock.ticks_ms(), 0) * 1_000

    def _close_way(self, name: str, after_ms: int) -> None:
        with self._closed.lock:
            self._closed.until_ms[name] = self._parts.clock.ticks_ms() + (
                after_ms or WAY_PAUSE_MS
            )


def _nothing(_call: AnyCall) -> AnyReply:
    return NoReply("there is no network", is_maybe_done=False)
