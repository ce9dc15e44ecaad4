"""Whatever happens in whatever order: no lane twice at once, none forgotten, nothing asked in a tight loop, nothing lost."""

from dataclasses import replace

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from sync.edge.engine import (
    BATCH_FAULTS,
    GREET_AGAIN,
    Answer,
    Answered,
    Asked,
    CacheRenewed,
    Effect,
    Event,
    Failed,
    Fetch,
    Fetched,
    FetchLeases,
    Forked,
    GiveAway,
    GivenAway,
    Greeted,
    Job,
    Leased,
    Mend,
    Mended,
    Pull,
    Pulled,
    Push,
    Pushed,
    SayHello,
    Started,
    State,
    Ticked,
    Woken,
    job_of,
    next_due_ms,
    step,
)
from sync.edge.outbox import FAILURES_MAX
from sync.edge.schedule import CHANCES
from sync.model.wire import PUSH_OPS_MAX

SCOPES = ("g", "s:harbour")
CODES = (
    "centre_unreachable",
    "centre_certificate",
    "centre_busy",
    "centre_refused",
    "not_trusted",
    "",
)
PROBLEMS = ("", *sorted(BATCH_FAULTS), *sorted(GREET_AGAIN))
QUIET_MS = 7 * 3_600_000
"""Longer than the pause between two renewals of leases."""

POLL_MS = 600_000
"""A held poll lasts so long here, or until something is due."""


class Outboxed:
    """One operation of a model outbox: its lane, and how often the centre failed at it alone."""

    def __init__(self, number: int) -> None:
        self.id = f"op{number}"
        self.lane = f"owner{number % 3}"
        self.is_poison = number % 5 == 4
        self.n_failed = 0
        self.first_ms = 0


class Syncing(RuleBasedStateMachine):
    """The engine against a world that answers, fails, forks and forgets as it likes; and then is well."""

    def __init__(self) -> None:
        super().__init__()
        self.state = State()
        self.now_ms = 0
        self.under_way: list[Effect] = []
        self.waiting: list[Outboxed] = []
        self.settled: list[str] = []
        self.n_recorded = 0
        self.sent: list[Outboxed] = []

    def hear(self, event: Event) -> None:
        self.state, effects = step(self.state, event, self.now_ms)
        for effect in effects:
            lanes = [job_of(one) for one in self.under_way]
            assert job_of(effect) not in lanes, "one of a lane at a time"
            self.under_way.append(effect)
            if isinstance(effect, Push):
                allowed = [one for one in self.waiting if one.lane not in effect.without]
                self.sent = allowed[: effect.n_max]

    @initialize()
    def begin(self) -> None:
        self.hear(Started())

    @rule(ms=st.sampled_from([0, 1, 100, 1_000, 30_000, 600_000]))
    def time_passes(self, ms: int) -> None:
        self.now_ms += ms
        self.hear(Ticked())

    @rule()
    def somebody_records(self) -> None:
        self.waiting.append(Outboxed(self.n_recorded))
        self.n_recorded += 1
        self.hear(Woken())

    @rule(is_hurry=st.booleans())
    def somebody_asks(self, is_hurry: bool) -> None:
        self.hear(Woken(is_hurry=True) if is_hurry else Asked())

    @precondition(lambda self: self.under_way)
    @rule(data=st.data())
    def something_fails(self, data: st.DataObject) -> None:
        effect = self.under_way.pop(data.draw(st.integers(0, len(self.under_way) - 1)))
        problem = data.draw(st.sampled_from(PROBLEMS))
        code = "centre_refused" if problem else data.draw(st.sampled_from(CODES))
        event = Failed(
            job_of(effect), code, data.draw(st.integers(0, CHANCES - 1)), problem,
            retry_after_ms=data.draw(st.sampled_from([0, 1_000])),
            scope=effect.scope if isinstance(effect, Fetch | Mend) else "",
        )  # fmt: skip
        if isinstance(effect, Push):
            event = replace(event, n_sent=len(self.sent))
            if len(self.sent) == 1:
                event = self.alone(event)
        self.hear(event)

    def alone(self, event: Failed) -> Failed:
        (one,) = self.sent
        if event.problem in BATCH_FAULTS:
            one.first_ms = one.first_ms or self.now_ms
            one.n_failed += 1
        is_hopeless = one.n_failed >= FAILURES_MAX and self.now_ms - one.first_ms >= 600_000
        return replace(event, lanes=(one.lane,), hopeless=(one.id,) if is_hopeless else ())

    @precondition(lambda self: self.under_way)
    @rule(data=st.data())
    def the_cache_is_new(self, data: st.DataObject) -> None:
        effect = self.under_way.pop(data.draw(st.integers(0, len(self.under_way) - 1)))
        self.hear(CacheRenewed(job_of(effect)))

    @precondition(lambda self: self.under_way)
    @rule(data=st.data())
    def something_is_answered(self, data: st.DataObject) -> None:
        effect = self.under_way.pop(data.draw(st.integers(0, len(self.under_way) - 1)))
        self.hear(data.draw(self.answers(effect)))

    @precondition(lambda self: any(isinstance(one, Push) for one in self.under_way))
    @rule()
    def the_outbox_is_a_copy(self) -> None:
        self.under_way = [one for one in self.under_way if not isinstance(one, Push)]
        self.hear(Forked())

    def answers(self, effect: Effect) -> st.SearchStrategy[Event]:  # noqa: PLR0911  # one an effect
        scopes = st.lists(st.sampled_from(SCOPES), unique=True).map(tuple)
        match effect:
            case SayHello():
                return st.builds(
                    Greeted, snapshots=scopes, spread_ms=st.sampled_from([0, 60_000])
                )
            case FetchLeases():
                return st.just(Leased())
            case Pull():
                return st.builds(
                    Pulled, st.integers(0, 9), st.booleans(), st.sampled_from([1, 25_000]),
                    has_bands=st.booleans(), differing=scopes, n_parted=st.integers(0, 1),
                    n_offered=st.integers(0, 1), whole=scopes,
                )  # fmt: skip
            case Fetch(scope):
                return st.just(Fetched(scope))
            case Mend(scope):
                return st.builds(Mended, st.just(scope), st.integers(0, 3))
            case Push():
                return st.just(self.taken())
            case GiveAway(ops):
                return st.just(self.given(ops))
            case Answer():
                return st.just(Answered())

    def taken(self) -> Event:
        """The centre settles what it does not fail at."""
        n_sent = len(self.sent)
        if not any(one.is_poison for one in self.sent):
            self.settle([one.id for one in self.sent])
            return Pushed(n_sent, n_sent)
        failed = Failed(Job.PUSH, "centre_refused", 0, "failed", n_sent=n_sent)
        return self.alone(failed) if n_sent == 1 else failed

    def given(self, ops: tuple[str, ...]) -> Event:
        self.settle(list(ops))
        return GivenAway(len(ops))

    def settle(self, ops: list[str]) -> None:
        self.settled += ops
        self.waiting = [one for one in self.waiting if one.id not in ops]

    @invariant()
    def lanes_are_busy_only_with_what_is_under_way(self) -> None:
        busy = {job for job in Job if getattr(self.state, job.value).is_busy}
        assert busy == {job_of(one) for one in self.under_way}

    @invariant()
    def something_will_happen(self) -> None:
        assert self.under_way or next_due_ms(self.state) is not None

    @invariant()
    def the_next_push_is_of_some_size(self) -> None:
        assert 1 <= self.state.batch_max <= PUSH_OPS_MAX

    def well_answer(self, effect: Effect) -> Event:  # noqa: PLR0911  # one an effect
        match effect:
            case SayHello():
                return Greeted()
            case FetchLeases():
                return Leased()
            case Pull():
                return Pulled(0, is_head=True, took_ms=25_000)
            case Fetch(scope):
                return Fetched(scope)
            case Mend(scope):
                return Mended(scope, 0)
            case Push():
                return self.taken()
            case GiveAway(ops):
                return self.given(ops)
            case Answer():
                return Answered()

    def teardown(self) -> None:
        """Once all is well everything is settled, once, and each lane has had its turn."""
        seen: set[Job] = set()
        self.now_ms += 1
        self.hear(Asked())
        end_ms = self.now_ms + QUIET_MS
        for _ in range(5_000):
            if self.now_ms >= end_ms:
                break
            held = [one for one in self.under_way if isinstance(one, Pull) and one.wait_ms]
            others = [one for one in self.under_way if one not in held]
            if others:
                effect = others[0]
            elif held:
                due_ms = next_due_ms(self.state)
                self.now_ms = min(self.now_ms + POLL_MS, max(due_ms or end_ms, self.now_ms))
                effect = held[0]
            else:
                due_ms = next_due_ms(self.state)
                assert due_ms is not None
                self.now_ms = max(self.now_ms, due_ms)
                self.hear(Ticked())
                continue
            seen.add(job_of(effect))
            self.under_way.remove(effect)
            self.hear(self.well_answer(effect))
            self.hear(Ticked())
        assert self.now_ms >= end_ms, "asked in a tight loop"
        assert self.waiting == []
        assert sorted(self.settled) == sorted(f"op{n}" for n in range(self.n_recorded))
        assert {Job.LEASES, Job.PULL, Job.ASK} <= seen
        assert self.state.code == "ok"


Syncing.TestCase.settings = settings(max_examples=200, stateful_step_count=50, deadline=None)
TestSyncing = Syncing.TestCase
