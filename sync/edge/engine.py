"""What to do next to agree with the centre, as a pure step from state and event to state and effects.

Five lanes that never wait for each other once a session stands. A lane is busy, due at some time, or has nothing to do. Pull
goes on while push fails and the other way round.

    hello --> leases (and again before they end, and when new bands came down)
          |-> pull: scopes to be had whole first, then page by page; at the head one held poll after another, and
          |         repair of a scope whose sum differs
          |-> push, batch by batch, until nothing waits; a recorded operation wakes it
          |-> ask: what a person wants to know now

A session that is over, and a cache that had to be made anew, begin with hello again. A batch the centre fails at is halved
until the one operation, or the one group, is alone; then its lane of the outbox waits and all others go on. What it failed at
often enough and long enough is given into custody. So is a push that nobody answers again and again while the other lanes are
answered: something on the way does not let it through, its size or what is in it.
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

BLOCK_MS: Final = 160_000
"""How long what the centre fails at waits: five failures are more than ten minutes, and nobody's trouble loads a centre."""

ODD_MAX: Final = 3
"""So often a push may go without an answer, each time while another lane had one, until it is halved."""

SNAPSHOT_TRIES: Final = 5
"""So often nobody may answer while a scope is fetched whole; then it is pulled page by page."""

PARTED_MAX: Final = 3
"""Partings in a row that are followed up at once; a centre that parts for ever is asked at RETRY_MS."""

REPAIR_MS: Final = 60_000
REPAIR_MAX_MS: Final = 6 * 3_600_000
DAY_MS: Final = 86_400_000
"""Pause between repairs of one scope; it doubles, and is short again after a day in which none was needed."""

SHUT_MS: Final = 600_000
"""How often a device that may hold nothing any more asks whether it may again."""

GREET_AGAIN: Final = frozenset({"session_over", "wrong_clock", "replayed"})
"""Problems that a new session heals."""

LOST: Final = frozenset({"centre_unreachable", "centre_certificate"})
"""Codes that mean that it was not the centre who answered, if anybody."""

BATCH_FAULTS: Final = frozenset({"failed", "malformed", "too_large"})
"""Problems that one operation of a batch can cause for all."""


class Job(Enum):
    """A lane."""

    HELLO = "hello"
    LEASES = "leases"
    PULL = "pull"
    PUSH = "push"
    ASK = "ask"


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
class Repaired:
    """When a scope may be repaired next, ticks, and how often it was without a quiet day in between."""

    scope: str
    n: int
    next_ms: int


@dataclass(frozen=True, slots=True)
class State:
    """Where the sync stands.

    Attributes:
        is_greeted: A session stands.
        code: "ok" after an answer, else the code of the last error.
        wait_ms: How long the next pull may be held; 0 until the head is reached.
        batch_max: Operations in the next push.
        blocked: Lanes of the outbox that wait, with the time until.
        custody: Operations to be given into custody next.
        snapshots: Scopes to be fetched whole before they are pulled.
        repairs: Scopes whose sum differs, to be repaired before the next pull.
        repaired: Those that were, so that no repair follows the other in a loop.
        is_mending: The first of `repairs` to be done was begun, and is not over.
        n_odd: Pushes in a row that nobody answered although another lane was answered in between.
        is_heard: Another lane was answered since the last push that was not.
        n_parted: Answers in a row that said our histories part.
        spread_ms: Over how long a fleet comes back, as the centre said last.
    """

    hello: Lane = Lane()
    leases: Lane = Lane()
    pull: Lane = Lane()
    push: Lane = Lane()
    ask: Lane = Lane()
    is_greeted: bool = False
    code: str = "centre_unreachable"
    wait_ms: int = 0
    batch_max: int = PUSH_OPS_MAX
    blocked: tuple[tuple[str, int], ...] = ()
    custody: tuple[str, ...] = ()
    snapshots: tuple[str, ...] = ()
    repairs: tuple[str, ...] = ()
    repaired: tuple[Repaired, ...] = ()
    is_mending: bool = False
    n_odd: int = 0
    is_heard: bool = False
    n_parted: int = 0
    spread_ms: int = 0


# Events


@dataclass(frozen=True, slots=True)
class Started:
    """Begin."""


@dataclass(frozen=True, slots=True)
class Woken:
    """An operation was recorded; with `is_hurry` somebody wants to know now whether the network is back."""

    is_hurry: bool = False


@dataclass(frozen=True, slots=True)
class Asked:
    """A person wants something of the centre now."""


@dataclass(frozen=True, slots=True)
class Ticked:
    """Something is due."""


@dataclass(frozen=True, slots=True)
class Greeted:
    """A session stands.

    Attributes:
        snapshots: Scopes this device has nothing of and the centre has whole.
        spread_ms: Over how long the fleet comes back after an outage.
        is_shut: This device may hold nothing any more; only what it recorded is still taken.
    """

    snapshots: tuple[str, ...] = ()
    spread_ms: int = 0
    is_shut: bool = False


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
        differing: Scopes at their head whose sum is not the centre's.
        n_parted: Scopes whose history parts from the centre's; they were set back.
        n_offered: Operations that are to be sent again for it.
        whole: Scopes that begin from nothing again and can be had whole.
    """

    n_rows: int
    is_head: bool
    took_ms: int
    has_bands: bool = False
    differing: tuple[str, ...] = ()
    n_parted: int = 0
    n_offered: int = 0
    whole: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Fetched:
    """A scope was fetched whole, or there was nothing to fetch; what is missing comes page by page."""

    scope: str


@dataclass(frozen=True, slots=True)
class Mended:
    """Rows of some buckets of a scope were put right; `n_more` buckets differ still."""

    scope: str
    n_more: int


@dataclass(frozen=True, slots=True)
class Pushed:
    """A batch was answered; `n_sent` is 0 when nothing waited."""

    n_sent: int
    n_settled: int


@dataclass(frozen=True, slots=True)
class GivenAway:
    """The centre has operations in custody."""

    n_settled: int


@dataclass(frozen=True, slots=True)
class Forked:
    """The outbox is a copy; it has a new lineage now, and everything is sent again under it."""


@dataclass(frozen=True, slots=True)
class Answered:
    """Whoever asked has an answer."""


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
        n_sent: Operations in the batch, for a push; a group counts as one.
        lanes: Lanes of that batch, where it was one operation or one group.
        hopeless: Its operations, once the centre failed at them often and long enough.
        scope: That was to be fetched whole or repaired.
    """

    job: Job
    code: str
    chance: int
    problem: str = ""
    retry_after_ms: int = 0
    n_sent: int = 0
    lanes: tuple[str, ...] = ()
    hopeless: tuple[str, ...] = ()
    scope: str = ""


Done = (
    Greeted
    | Leased
    | Pulled
    | Fetched
    | Mended
    | Pushed
    | GivenAway
    | Forked
    | Answered
    | Failed
)
Event = Started | Woken | Asked | Ticked | CacheRenewed | Done


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
class Fetch:
    """Get a scope whole, part by part."""

    scope: str


@dataclass(frozen=True, slots=True)
class Mend:
    """Find the buckets of a scope that differ and put them right; `is_first` of this repair."""

    scope: str
    is_first: bool


@dataclass(frozen=True, slots=True)
class Push:
    """Send what waits, at most `n_max`, without these lanes'. `is_odd`: pushes get no answer while all else does."""

    n_max: int
    without: frozenset[str]
    is_odd: bool = False


@dataclass(frozen=True, slots=True)
class GiveAway:
    """Give these operations into the centre's custody, as bytes."""

    ops: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Answer:
    """Ask the centre what people here want to know."""


Effect = SayHello | FetchLeases | Pull | Fetch | Mend | Push | GiveAway | Answer


def step(state: State, event: Event, now_ms: int) -> tuple[State, tuple[Effect, ...]]:
    """Next state and what to do about it."""
    return _launched(_heard(state, event, now_ms), now_ms)


def next_due_ms(state: State) -> int | None:
    """When the next lane that is not busy is due; None when only an event can bring something to do."""
    lanes = (state.leases, state.pull, state.push, state.ask) if state.is_greeted else ()
    due = [
        lane.due_ms
        for lane in (state.hello, *lanes)
        if not lane.is_busy and lane.due_ms is not None
    ]
    return min(due, default=None)


def job_of(effect: Effect) -> Job:
    """The lane an effect is done on."""
    match effect:
        case SayHello():
            return Job.HELLO
        case FetchLeases():
            return Job.LEASES
        case Pull() | Fetch() | Mend():
            return Job.PULL
        case Push() | GiveAway():
            return Job.PUSH
        case Answer():
            return Job.ASK
        case _:
            assert_never(effect)


def _heard(state: State, event: Event, now_ms: int) -> State:
    match event:
        case Started():
            return replace(state, hello=Lane(due_ms=now_ms))
        case Woken(is_hurry):
            return _woken(state, now_ms, is_hurry=is_hurry)
        case Asked():
            hello = state.hello if state.is_greeted else _sooner(state.hello, now_ms)
            return replace(state, hello=hello, ask=_sooner(state.ask, now_ms))
        case Ticked():
            return state
        case CacheRenewed(job):
            state = replace(state, snapshots=(), repairs=())
            # Hello wakes the others; a question that was not answered is asked again.
            lane = Lane(due_ms=now_ms) if job is Job.ASK else Lane()
            return _ungreeted(_with(state, job, lane), now_ms)
        case _:
            return _done(state, event, now_ms)


def _done(state: State, event: Done, now_ms: int) -> State:
    match event:
        case Greeted():
            return _greeted(state, event, now_ms)
        case Leased():
            return _answered(state, now_ms, leases=Lane(due_ms=now_ms + LEASES_EVERY_MS))
        case Answered():
            return _answered(state, now_ms, ask=Lane(due_ms=state.ask.due_ms))
        case Failed():
            return _failed(state, event, now_ms)
        case Pulled() | Fetched() | Mended():
            return _pull_done(state, event, now_ms)
        case Pushed() | GivenAway() | Forked():
            return _push_done(state, event, now_ms)
        case _:
            assert_never(event)


def _pull_done(state: State, event: Pulled | Fetched | Mended, now_ms: int) -> State:
    match event:
        case Pulled():
            return _pulled(state, event, now_ms)
        case Mended():
            return _mended(state, event, now_ms)
        case Fetched(scope):
            left = tuple(one for one in state.snapshots if one != scope)
            return _answered(replace(state, snapshots=left), now_ms, pull=Lane(due_ms=now_ms))
        case _:
            assert_never(event)


def _push_done(state: State, event: Pushed | GivenAway | Forked, now_ms: int) -> State:
    match event:
        case Pushed():
            return _pushed(state, event, now_ms)
        case GivenAway():
            state = _answered(replace(state, custody=()), now_ms, push=Lane(due_ms=now_ms))
            return replace(state, n_odd=0, is_heard=False)
        case Forked():
            return _forked(state, now_ms)
        case _:
            assert_never(event)


def _woken(state: State, now_ms: int, *, is_hurry: bool) -> State:
    hello = state.hello if state.is_greeted else _sooner(state.hello, now_ms)
    state = replace(state, hello=hello, push=_sooner(state.push, now_ms))
    if not is_hurry:
        return state
    pull = _sooner(state.pull, now_ms) if state.pull.n_failed else state.pull
    return replace(state, pull=pull, blocked=())


def _greeted(state: State, event: Greeted, now_ms: int) -> State:
    state = replace(
        state,
        is_greeted=True,
        spread_ms=event.spread_ms,
        snapshots=event.snapshots,
        push=_sooner(state.push, now_ms),
        ask=_sooner(state.ask, now_ms) if state.ask.due_ms is not None else state.ask,
    )
    if event.is_shut:
        idle = replace(state, leases=_idle(state.leases), pull=_idle(state.pull))
        return _answered(idle, now_ms, hello=Lane(due_ms=now_ms + SHUT_MS))
    return _answered(
        state,
        now_ms,
        hello=Lane(),
        leases=_sooner(state.leases, now_ms),
        # A pull that was refused again right after a hello keeps its growing wait.
        pull=state.pull if state.pull.n_failed > 1 else _sooner(state.pull, now_ms),
    )


def _pulled(state: State, event: Pulled, now_ms: int) -> State:
    n_parted = state.n_parted + 1 if event.n_parted else 0
    state = replace(
        state,
        wait_ms=WAIT_MS_MAX if event.is_head else 0,
        n_parted=n_parted,
        snapshots=event.whole,
    )
    was_held = not state.wait_ms or event.n_rows or event.took_ms >= HELD_MIN_MS
    due_ms = now_ms if was_held else now_ms + HELD_MIN_MS
    if n_parted > PARTED_MAX:
        due_ms = now_ms + RETRY_MS
    for scope in event.differing:
        state = _to_repair(state, scope, now_ms)
    pull = Lane(due_ms=now_ms if state.repairs else due_ms)
    push = _sooner(state.push, now_ms) if event.n_offered else state.push
    leases = state.leases
    if event.has_bands and not leases.is_busy:
        leases = _sooner(leases, now_ms + LEASES_AFTER_BANDS_MS)
    return _answered(state, now_ms, pull=pull, push=push, leases=leases)


def _to_repair(state: State, scope: str, now_ms: int) -> State:
    """Repair it before the next pull, unless that was done a moment ago."""
    last = next(
        (one for one in state.repaired if one.scope == scope), Repaired(scope, 0, now_ms)
    )
    if now_ms < last.next_ms or scope in state.repairs:
        return state
    n = 0 if now_ms - last.next_ms > DAY_MS else last.n
    pause = min(REPAIR_MS << min(n, 16), REPAIR_MAX_MS)
    others = tuple(one for one in state.repaired if one.scope != scope)
    repaired = (*others, Repaired(scope, n + 1, now_ms + pause))
    return replace(state, repairs=(*state.repairs, scope), repaired=repaired)


def _mended(state: State, event: Mended, now_ms: int) -> State:
    left = tuple(one for one in state.repairs if one != event.scope)
    is_over = not event.n_more
    state = replace(
        state,
        repairs=left if is_over else (*left, event.scope),
        is_mending=not is_over,
        wait_ms=0,
    )
    return _answered(state, now_ms, pull=Lane(due_ms=now_ms))


def _pushed(state: State, event: Pushed, now_ms: int) -> State:
    if not event.n_sent:
        blocked = tuple(one for one in state.blocked if one[1] > now_ms)
        later = min((until for _, until in blocked), default=None)
        return replace(state, blocked=blocked, push=Lane(due_ms=_pending(state.push, later)))
    due_ms = now_ms if event.n_settled else now_ms + RETRY_MS
    state = replace(state, batch_max=min(PUSH_OPS_MAX, state.batch_max * 2))
    state = _answered(state, now_ms, push=Lane(due_ms=due_ms))
    return replace(state, n_odd=0, is_heard=False)


def _forked(state: State, now_ms: int) -> State:
    """Begin again with hello, at once the first time."""
    n_failed = state.push.n_failed + 1
    due_ms = now_ms if n_failed == 1 else now_ms + RETRY_MS * n_failed
    state = _answered(state, now_ms, push=Lane(due_ms=due_ms, n_failed=n_failed))
    return _ungreeted(state, due_ms)


def _failed(state: State, event: Failed, now_ms: int) -> State:
    lane = _lane(state, event.job)
    is_lost = event.code in LOST
    # An answer after nobody answered is the first of its kind: a centre that restarted is greeted again at once.
    n_failed = 1 if lane.is_lost and not is_lost else lane.n_failed + 1
    state = _without_tries(state, event, n_failed, is_lost=is_lost)
    if event.job is Job.PUSH and event.problem in BATCH_FAULTS:
        return _halved(state, event, now_ms)
    if event.job is Job.PUSH and is_lost and state.is_heard:
        state = replace(state, n_odd=state.n_odd + 1, is_heard=False)
        if state.n_odd >= ODD_MAX and event.n_sent:
            return replace(_halved(state, event, now_ms), push=Lane(due_ms=now_ms + RETRY_MS))
    wait_ms = pause_ms(
        n_failed,
        event.chance,
        retry_after_ms=event.retry_after_ms,
        spread_ms=state.spread_ms if is_lost else 0,
    )
    code = event.code or state.code
    # A pull that is not allowed asked for a scope this device had at its hello and has no more: it was moved.
    is_moved = event.job is Job.PULL and event.problem == "not_allowed"
    if (event.job is not Job.HELLO and event.problem in GREET_AGAIN) or is_moved:
        wait_ms, code = (0, state.code) if n_failed == 1 else (wait_ms, code)
        state = _ungreeted(state, now_ms + wait_ms)
    state = replace(state, code=code)
    failed = Lane(due_ms=now_ms + wait_ms, n_failed=n_failed, is_lost=is_lost)
    return _with(state, event.job, failed)


def _without_tries(state: State, event: Failed, n_failed: int, *, is_lost: bool) -> State:
    """What is not tried again by itself: a scope whole that does not come, a repair, custody, a person's question."""
    if event.job is Job.PULL and event.scope:
        is_kept = event.scope in state.snapshots and is_lost and n_failed < SNAPSHOT_TRIES
        if not is_kept:
            snapshots = tuple(one for one in state.snapshots if one != event.scope)
            repairs = tuple(one for one in state.repairs if one != event.scope)
            state = replace(state, snapshots=snapshots, repairs=repairs, is_mending=False)
    if event.job is Job.PUSH:
        state = replace(state, custody=())
    if event.job is Job.HELLO:
        state = replace(state, ask=_idle(state.ask))
    return state


def _halved(state: State, event: Failed, now_ms: int) -> State:
    """The centre is there and fails at this batch: smaller ones, down to the operation that it fails at."""
    state = replace(state, code="ok", push=Lane(due_ms=now_ms))
    if event.n_sent > 1:
        return replace(state, batch_max=max(1, event.n_sent // 2))
    blocked = {lane: until for lane, until in state.blocked if until > now_ms}
    blocked.update((lane, now_ms + BLOCK_MS) for lane in event.lanes)
    return replace(
        state,
        batch_max=PUSH_OPS_MAX,
        blocked=tuple(sorted(blocked.items())),
        custody=event.hopeless,
    )


def _ungreeted(state: State, due_ms: int) -> State:
    hello = state.hello if state.hello.is_busy else _sooner(state.hello, due_ms)
    return replace(state, is_greeted=False, wait_ms=0, hello=hello)


def _answered(state: State, now_ms: int, **lanes: Lane) -> State:
    """The centre answered on some lane: lanes that only waited because nobody did go on now."""
    state = replace(state, code="ok", is_heard=True, **lanes)  # type: ignore[arg-type]  # lanes are lanes
    lost = {
        job.value: _sooner(lane, now_ms)
        for job in Job
        if (lane := _lane(state, job)).is_lost and not lane.is_busy
    }
    return replace(state, **lost)  # type: ignore[arg-type]  # lanes are lanes


def _launched(state: State, now_ms: int) -> tuple[State, tuple[Effect, ...]]:
    effects: list[Effect] = []
    for job in Job:
        lane = _lane(state, job)
        if job is not Job.HELLO and not state.is_greeted:
            continue
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
            return _pull_of(state)
        case Job.PUSH:
            return _push_of(state, now_ms)
        case Job.ASK:
            return Answer()
        case _:
            assert_never(job)


def _pull_of(state: State) -> Effect:
    if state.snapshots:
        return Fetch(state.snapshots[0])
    if state.repairs:
        return Mend(state.repairs[-1], not state.is_mending)
    return Pull(state.wait_ms)


def _push_of(state: State, now_ms: int) -> Effect:
    if state.custody:
        return GiveAway(state.custody)
    without = frozenset(lane for lane, until in state.blocked if until > now_ms)
    return Push(state.batch_max, without, state.n_odd >= ODD_MAX - 1)


def _lane(state: State, job: Job) -> Lane:
    lanes = {
        Job.HELLO: state.hello, Job.LEASES: state.leases, Job.PULL: state.pull, Job.PUSH: state.push,
        Job.ASK: state.ask,
    }  # fmt: skip
    return lanes[job]


def _with(state: State, job: Job, lane: Lane) -> State:
    return replace(state, **{job.value: lane})  # type: ignore[arg-type]  # a lane is a lane


def _idle(lane: Lane) -> Lane:
    """Nothing to do; what is under way goes on."""
    return replace(lane, due_ms=None)


def _sooner(lane: Lane, due_ms: int) -> Lane:
    """Due then or earlier. A busy lane keeps it in mind: it may have looked before what it is woken for."""
    return replace(lane, due_ms=due_ms if lane.due_ms is None else min(lane.due_ms, due_ms))


def _pending(lane: Lane, later: int | None) -> int | None:
    """What a lane that found nothing to do has in mind still: a wake that came while it looked."""
    if lane.due_ms is None or later is None:
        return lane.due_ms if later is None else later
    return min(lane.due_ms, later)
