"""What to do next to agree with the centre, as a pure step from state and event to state and effects.

Four lanes that never wait for each other once a session stands: hello, leases, pull, push. A lane is busy, due at some
time, or has nothing to do. Pull goes on while push fails and the other way round.

    hello --> leases (and again before they end, and when new bands came down)
          |-> pull, page by page; at the head one held poll after another
          |-> push, batch by batch, until nothing waits; a recorded operation wakes it

A session that is over, and a cache that had to be made anew, begin with hello again. A batch the centre fails at is halved
until the one operation is alone; then its owner waits and all others go on.
"""

from dataclasses import dataclass, replace
from enum import Enum
from typing import Final, assert_never

from sync.edge.schedule import pause_ms
from sync.model.wire import PUSH_OPS_MAX, WAIT_MS_MAX

LEASES_EVERY_MS: Final = 6 * 3_600_000
"""Leases are for 72 hours; asked for this often, a day without a network costs nothing."""

LEASES_AFTER_BANDS_MS: Final = 2_000
"""Pause after new bands came down, so that a page after page of them asks once."""

HELD_MIN_MS: Final = 1_000
"""A held poll that comes back empty sooner was not held; the next one waits this long."""

RETRY_MS: Final = 5_000
"""When the centre answered and settled nothing of a batch."""

BLOCK_MS: Final = 600_000
"""How long the owner of an operation the centre fails at waits. Long enough that one customer's trouble does not load a centre."""

GREET_AGAIN: Final = frozenset({"session_over", "wrong_clock", "replayed"})
"""Problems that a new session heals."""

BATCH_FAULTS: Final = frozenset({"failed", "malformed", "too_large"})
"""Problems that one operation of a batch can cause for all."""


class Job(Enum):
    """A lane."""

    HELLO = "hello"
    LEASES = "leases"
    PULL = "pull"
    PUSH = "push"


@dataclass(frozen=True, slots=True)
class Lane:
    """One lane.

    Attributes:
        is_busy: Its effect is under way.
        due_ms: When it is next to be done, ticks; None when there is nothing to do.
        n_failed: Failures in a row.
        is_lost: The last one was that nobody answered: any answer on another lane ends the wait.
    """

    is_busy: bool = False
    due_ms: int | None = None
    n_failed: int = 0
    is_lost: bool = False


@dataclass(frozen=True, slots=True)
class State:
    """Where the sync stands.

    Attributes:
        is_greeted: A session stands.
        code: "ok" after an answer, else the code of the last error.
        wait_ms: How long the next pull may be held; 0 until the head is reached.
        batch_max: Operations in the next push.
        blocked: Owners whose operations wait, with the time until.
    """

    hello: Lane = Lane()
    leases: Lane = Lane()
    pull: Lane = Lane()
    push: Lane = Lane()
    is_greeted: bool = False
    code: str = "centre_unreachable"
    wait_ms: int = 0
    batch_max: int = PUSH_OPS_MAX
    blocked: tuple[tuple[str, int], ...] = ()


# Events


@dataclass(frozen=True, slots=True)
class Started:
    """Begin."""


@dataclass(frozen=True, slots=True)
class Woken:
    """An operation was recorded; with `is_hurry` somebody wants to know now whether the network is back."""

    is_hurry: bool = False


@dataclass(frozen=True, slots=True)
class Ticked:
    """Something is due."""


@dataclass(frozen=True, slots=True)
class Greeted:
    """A session stands."""


@dataclass(frozen=True, slots=True)
class Leased:
    """The leases are here."""


@dataclass(frozen=True, slots=True)
class Pulled:
    """A page was applied.

    Attributes:
        is_head: Every scope is held up to the head.
        took_ms: From question to answer.
        has_bands: Rows of bands came with it.
    """

    n_rows: int
    is_head: bool
    took_ms: int
    has_bands: bool = False


@dataclass(frozen=True, slots=True)
class Pushed:
    """A batch was answered; `n_sent` is 0 when nothing waited."""

    n_sent: int
    n_settled: int


@dataclass(frozen=True, slots=True)
class CacheRenewed:
    """The cache was made anew while `job` wanted to use it: scopes, cursors and leases are gone."""

    job: Job


@dataclass(frozen=True, slots=True)
class Failed:
    """A job failed.

    Attributes:
        code: Of the error; "" when it was this device's own store, which says nothing of the centre.
        problem: Of the centre's problem answer, "" for another failure.
        chance: 0 to 65535, for the wait.
        retry_after_ms: What the centre asked for.
        n_sent: Operations in the batch, for a push.
        owner: Of the only operation of that batch.
    """

    job: Job
    code: str
    chance: int
    problem: str = ""
    retry_after_ms: int = 0
    n_sent: int = 0
    owner: str = ""


Event = Started | Woken | Ticked | Greeted | Leased | Pulled | Pushed | CacheRenewed | Failed


# Effects


@dataclass(frozen=True, slots=True)
class SayHello:
    """Agree on a session, learn the scopes."""


@dataclass(frozen=True, slots=True)
class FetchLeases:
    """Get the keys lent to this store."""


@dataclass(frozen=True, slots=True)
class Pull:
    """Get what changed; held up to `wait_ms` until something did."""

    wait_ms: int


@dataclass(frozen=True, slots=True)
class Push:
    """Send what waits, at most `n_max`, without these owners'."""

    n_max: int
    without: frozenset[str]


Effect = SayHello | FetchLeases | Pull | Push


def step(state: State, event: Event, now_ms: int) -> tuple[State, tuple[Effect, ...]]:
    """Next state and what to do about it."""
    return _launched(_heard(state, event, now_ms), now_ms)


def next_due_ms(state: State) -> int | None:
    """When the next lane that is not busy is due; None when only an event can bring something to do."""
    lanes = (state.leases, state.pull, state.push) if state.is_greeted else ()
    due = [
        lane.due_ms
        for lane in (state.hello, *lanes)
        if not lane.is_busy and lane.due_ms is not None
    ]
    return min(due, default=None)


def _heard(state: State, event: Event, now_ms: int) -> State:
    match event:
        case Started():
            return replace(state, hello=Lane(due_ms=now_ms))
        case Woken(is_hurry):
            return _woken(state, now_ms, is_hurry=is_hurry)
        case Ticked():
            return state
        case CacheRenewed(job):
            return _ungreeted(_with(state, job, Lane()), now_ms)
        case _:
            return _done(state, event, now_ms)


def _done(
    state: State, event: Greeted | Leased | Pulled | Pushed | Failed, now_ms: int
) -> State:
    match event:
        case Greeted():
            return _greeted(state, now_ms)
        case Leased():
            return _answered(state, now_ms, leases=Lane(due_ms=now_ms + LEASES_EVERY_MS))
        case Pulled():
            return _pulled(state, event, now_ms)
        case Pushed():
            return _pushed(state, event, now_ms)
        case Failed():
            return _failed(state, event, now_ms)
        case _:
            assert_never(event)


def _woken(state: State, now_ms: int, *, is_hurry: bool) -> State:
    hello = state.hello if state.is_greeted else _sooner(state.hello, now_ms)
    state = replace(state, hello=hello, push=_sooner(state.push, now_ms))
    if not is_hurry:
        return state
    pull = _sooner(state.pull, now_ms) if state.pull.n_failed else state.pull
    return replace(state, pull=pull, blocked=())


def _greeted(state: State, now_ms: int) -> State:
    state = replace(
        state,
        is_greeted=True,
        leases=_sooner(state.leases, now_ms),
        push=_sooner(state.push, now_ms),
        # A pull that was refused again right after a hello keeps its growing wait.
        pull=state.pull if state.pull.n_failed > 1 else _sooner(state.pull, now_ms),
    )
    return _answered(state, now_ms, hello=Lane())


def _pulled(state: State, event: Pulled, now_ms: int) -> State:
    was_held = not state.wait_ms or event.n_rows or event.took_ms >= HELD_MIN_MS
    pull = Lane(due_ms=now_ms if was_held else now_ms + HELD_MIN_MS)
    state = replace(state, wait_ms=WAIT_MS_MAX if event.is_head else 0)
    if event.has_bands and not state.leases.is_busy:
        soon = _sooner(state.leases, now_ms + LEASES_AFTER_BANDS_MS)
        return _answered(state, now_ms, pull=pull, leases=soon)
    return _answered(state, now_ms, pull=pull)


def _pushed(state: State, event: Pushed, now_ms: int) -> State:
    if not event.n_sent:
        later = min((until for _, until in state.blocked), default=None)
        return replace(state, push=Lane(due_ms=_pending(state.push, later)))
    due_ms = now_ms if event.n_settled else now_ms + RETRY_MS
    state = replace(state, batch_max=min(PUSH_OPS_MAX, state.batch_max * 2))
    return _answered(state, now_ms, push=Lane(due_ms=due_ms))


def _failed(state: State, event: Failed, now_ms: int) -> State:
    lane = _lane(state, event.job)
    is_lost = event.code == "centre_unreachable"
    # An answer after nobody answered is the first of its kind: a centre that restarted is greeted again at once.
    n_failed = 1 if lane.is_lost and not is_lost else lane.n_failed + 1
    if event.job is Job.PUSH and event.problem in BATCH_FAULTS:
        return _halved(state, event, now_ms)
    wait_ms = pause_ms(n_failed, event.chance, retry_after_ms=event.retry_after_ms)
    code = event.code or state.code
    if event.job is not Job.HELLO and event.problem in GREET_AGAIN:
        wait_ms, code = (0, state.code) if n_failed == 1 else (wait_ms, code)
        state = _ungreeted(state, now_ms + wait_ms)
    state = replace(state, code=code)
    failed = Lane(due_ms=now_ms + wait_ms, n_failed=n_failed, is_lost=is_lost)
    return _with(state, event.job, failed)


def _halved(state: State, event: Failed, now_ms: int) -> State:
    """The centre is there and fails at this batch: smaller ones, down to the operation that it fails at."""
    state = replace(state, code="ok", push=Lane(due_ms=now_ms))
    if event.n_sent > 1:
        return replace(state, batch_max=max(1, event.n_sent // 2))
    blocked = {owner: until for owner, until in state.blocked if until > now_ms}
    blocked[event.owner] = now_ms + BLOCK_MS
    return replace(state, batch_max=PUSH_OPS_MAX, blocked=tuple(sorted(blocked.items())))


def _ungreeted(state: State, due_ms: int) -> State:
    hello = state.hello if state.hello.is_busy else _sooner(state.hello, due_ms)
    return replace(state, is_greeted=False, wait_ms=0, hello=hello)


def _answered(state: State, now_ms: int, **lanes: Lane) -> State:
    """The centre answered on some lane: lanes that only waited because nobody did go on now."""
    state = replace(state, code="ok", **lanes)  # type: ignore[arg-type]  # lanes are lanes
    lost = {
        job.value: _sooner(lane, now_ms)
        for job in Job
        if (lane := _lane(state, job)).is_lost and not lane.is_busy
    }
    return replace(state, **lost)  # type: ignore[arg-type]  # lanes are lanes


def _launched(state: State, now_ms: int) -> tuple[State, tuple[Effect, ...]]:
    effects: list[Effect] = []
    jobs = (Job.LEASES, Job.PULL, Job.PUSH) if state.is_greeted else (Job.HELLO,)
    for job in jobs:
        lane = _lane(state, job)
        if not lane.is_busy and lane.due_ms is not None and lane.due_ms <= now_ms:
            effects.append(_effect_of(state, job, now_ms))
            state = _with(state, job, replace(lane, is_busy=True, due_ms=None))
    return state, tuple(effects)


def _effect_of(state: State, job: Job, now_ms: int) -> Effect:
    match job:
        case Job.HELLO:
            return SayHello()
        case Job.LEASES:
            return FetchLeases()
        case Job.PULL:
            return Pull(state.wait_ms)
        case Job.PUSH:
            without = frozenset(owner for owner, until in state.blocked if until > now_ms)
            return Push(state.batch_max, without)
        case _:
            assert_never(job)


def _lane(state: State, job: Job) -> Lane:
    lanes = {
        Job.HELLO: state.hello, Job.LEASES: state.leases, Job.PULL: state.pull, Job.PUSH: state.push,
    }  # fmt: skip
    return lanes[job]


def _with(state: State, job: Job, lane: Lane) -> State:
    return replace(state, **{job.value: lane})  # type: ignore[arg-type]  # a lane is a lane


def _sooner(lane: Lane, due_ms: int) -> Lane:
    """Due then or earlier. A busy lane keeps it in mind: it may have looked before what it is woken for."""
    return replace(lane, due_ms=due_ms if lane.due_ms is None else min(lane.due_ms, due_ms))


def _pending(lane: Lane, later: int | None) -> int | None:
    """What a lane that found nothing to do has in mind still: a wake that came while it looked."""
    if lane.due_ms is None or later is None:
        return lane.due_ms if later is None else later
    return min(lane.due_ms, later)
