"""What the sync does next: pure steps, no network."""

from hypothesis import given
from hypothesis import strategies as st

from sync.edge import engine, schedule
from sync.edge.engine import (
    Answer,
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
    next_due_ms,
    step,
)
from sync.model.wire import PUSH_OPS_MAX, WAIT_MS_MAX

ALL = Push(PUSH_OPS_MAX, frozenset())


def after(*events: Event, at: int = 0) -> tuple[State, tuple[Effect, ...]]:
    """The state after these events, and what the last one led to."""
    state = State()
    effects: tuple[Effect, ...] = ()
    for event in events:
        state, effects = step(state, event, at)
    return state, effects


def settled() -> State:
    """Greeted, leased, at the head with a held poll out, nothing to push."""
    return after(
        Started(), Greeted(), Leased(), Pulled(8, is_head=True, took_ms=5), Pushed(0, 0)
    )[0]


def failed(job: Job, code: str = "centre_unreachable", **fields: object) -> Failed:
    return Failed(job, code, chance=schedule.CHANCES - 1, **fields)  # type: ignore[arg-type]


def test_it_says_hello_first_and_nothing_else() -> None:
    _, effects = after(Started())

    assert effects == (SayHello(),)


def test_after_hello_leases_pull_and_push_go_at_the_same_time() -> None:
    state, effects = after(Started(), Greeted())

    assert effects == (FetchLeases(), Pull(0), ALL)
    assert state.code == "ok"


def test_at_the_head_the_next_pull_is_held_and_before_it_is_not() -> None:
    _, more = after(Started(), Greeted(), Pulled(1_000, is_head=False, took_ms=9))
    _, held = after(Started(), Greeted(), Pulled(8, is_head=True, took_ms=9))

    assert more == (Pull(0),)
    assert held == (Pull(WAIT_MS_MAX),)


def test_a_centre_that_does_not_hold_polls_is_not_asked_in_a_tight_loop() -> None:
    state, effects = step(settled(), Pulled(0, is_head=True, took_ms=3), 1_000)

    assert effects == ()
    assert next_due_ms(state) == 1_000 + engine.HELD_MIN_MS


def test_a_held_poll_that_came_back_empty_in_its_time_is_followed_by_the_next() -> None:
    _, effects = step(settled(), Pulled(0, is_head=True, took_ms=WAIT_MS_MAX), 30_000)

    assert effects == (Pull(WAIT_MS_MAX),)


def test_a_recorded_operation_is_pushed_while_the_pull_is_held() -> None:
    _, effects = step(settled(), Woken(), 50)

    assert effects == (ALL,)


def test_an_operation_recorded_while_a_push_looked_is_not_forgotten() -> None:
    state, _ = after(Started(), Greeted(), Leased(), Pulled(1, is_head=True, took_ms=5))

    state, nothing = step(state, Woken(), 20)
    _, effects = step(state, Pushed(0, 0), 30)

    assert nothing == ()
    assert effects == (ALL,)


def test_batch_follows_batch_until_nothing_waits() -> None:
    state, more = step(settled(), Woken(), 50)
    state, more = step(state, Pushed(200, 200), 60)
    assert more == (ALL,)

    state, done = step(state, Pushed(0, 0), 70)

    assert done == ()


def test_a_batch_of_which_nothing_was_settled_waits() -> None:
    state, _ = step(settled(), Woken(), 50)

    state, effects = step(state, Pushed(3, 0), 60)

    assert effects == ()
    assert next_due_ms(state) == 60 + engine.RETRY_MS


def test_pull_goes_on_while_push_fails() -> None:
    state, _ = step(settled(), Woken(), 0)
    state, _ = step(state, failed(Job.PUSH, "centre_busy", retry_after_ms=60_000), 10)

    state, effects = step(state, Pulled(1, is_head=True, took_ms=5), 20)

    assert effects == (Pull(WAIT_MS_MAX),)


def test_push_goes_on_while_pull_fails() -> None:
    state, _ = step(settled(), failed(Job.PULL, "centre_busy"), 10)

    _, effects = step(state, Woken(), 20)

    assert effects == (ALL,)


def test_nobody_answering_is_said_and_tried_again_later() -> None:
    state, _ = after(Started())

    state, effects = step(state, failed(Job.HELLO), 0)

    assert effects == ()
    assert state.code == "centre_unreachable"
    due_ms = next_due_ms(state)
    assert due_ms is not None
    assert 0 < due_ms <= schedule.FIRST_MS
    assert step(state, Ticked(), due_ms)[1] == (SayHello(),)


def test_lanes_that_lost_the_centre_go_on_when_it_answers_on_another() -> None:
    state = settled()
    state, _ = step(state, failed(Job.PULL), 0)
    state, _ = step(state, Woken(), 0)

    state, effects = step(state, Pushed(1, 1), 5)

    assert Pull(0) in effects or Pull(WAIT_MS_MAX) in effects


def test_an_operation_recorded_without_a_network_tries_the_network_once() -> None:
    state, _ = after(Started(), failed(Job.HELLO), failed(Job.HELLO))

    state, effects = step(state, Woken(), 1)
    assert effects == (SayHello(),)
    _, again = step(state, Woken(), 2)

    assert again == ()


def test_a_session_that_is_over_is_begun_again_at_once_but_not_in_a_tight_loop() -> None:
    state, effects = step(
        settled(), failed(Job.PULL, "centre_refused", problem="session_over"), 100
    )
    assert effects == (SayHello(),)
    assert state.code == "ok", "a restart of the centre is no news for staff"

    state, _ = step(state, Greeted(), 110)
    state, effects = step(
        state, failed(Job.PULL, "centre_refused", problem="session_over"), 120
    )

    assert effects == ()
    assert state.code == "centre_refused"


def test_a_centre_that_restarted_after_a_long_outage_is_greeted_as_soon_as_it_answers() -> None:
    state = settled()
    now = 0
    for _ in range(9):
        state, _effects = step(state, failed(Job.PULL), now)
        now = state.pull.due_ms or 0
        state, _effects = step(state, Ticked(), now)

    over = failed(Job.PULL, "centre_refused", problem="session_over")
    state, effects = step(state, over, now)

    assert effects == (SayHello(),)
    state, effects = step(state, Greeted(), now)
    assert any(isinstance(effect, Pull) for effect in effects)


def test_a_cache_made_anew_begins_with_hello_because_scopes_and_leases_are_gone() -> None:
    state, effects = step(settled(), CacheRenewed(Job.PULL), 100)
    assert effects == (SayHello(),)

    _, effects = step(state, Greeted(), 110)

    assert effects == (FetchLeases(), Pull(0), ALL)


def test_new_bands_bring_new_leases_soon_and_once() -> None:
    state, _ = step(settled(), Pulled(1, is_head=True, took_ms=5, has_bands=True), 100)
    state, _ = step(state, Pulled(1, is_head=True, took_ms=5, has_bands=True), 200)

    assert next_due_ms(state) == 100 + engine.LEASES_AFTER_BANDS_MS
    assert step(state, Ticked(), 100 + engine.LEASES_AFTER_BANDS_MS)[1] == (FetchLeases(),)


def test_a_batch_the_centre_fails_at_is_halved_until_one_operation_is_alone() -> None:
    state, _ = step(settled(), Woken(), 0)
    sizes = []
    n_sent = 8
    while n_sent > 1:
        state, (effect,) = step(
            state, failed(Job.PUSH, "centre_refused", problem="failed", n_sent=n_sent), 0
        )
        assert isinstance(effect, Push)
        n_sent = effect.n_max
        sizes.append(n_sent)

    state, (effect,) = step(
        state,
        failed(Job.PUSH, "centre_refused", problem="failed", n_sent=1, lanes=("tom",)),
        0,
    )

    assert sizes == [4, 2, 1]
    assert effect == Push(PUSH_OPS_MAX, frozenset({"tom"}))
    state, _ = step(state, Pushed(0, 0), 5)
    assert next_due_ms(state) is not None
    assert step(state, Ticked(), engine.BLOCK_MS)[1] == (ALL,)


def test_a_broken_store_says_nothing_of_the_network() -> None:
    state, _ = step(settled(), failed(Job.PULL, ""), 10)

    assert state.code == "ok"
    assert next_due_ms(state) is not None


EVENTS = st.one_of(
    st.builds(Woken, st.booleans()),
    st.just(Ticked()),
    st.sampled_from(["done", "fail", "over", "renewed"]),
)


@given(st.lists(st.tuples(EVENTS, st.integers(0, 3), st.integers(0, 20_000)), max_size=40))
def test_no_lane_is_ever_busy_twice_or_stuck(script: list[tuple[object, int, int]]) -> None:
    """Whatever happens, each job is under way at most once, and something is always under way or due."""
    now = 0
    state, effects = step(State(), Started(), now)
    under_way: list[Job] = [_job(effect) for effect in effects]

    for what, which, passed in script:
        now += passed
        event: Event = Ticked()
        if isinstance(what, Woken | Ticked):
            event = what
        elif under_way:
            event = _ending(under_way.pop(which % len(under_way)), str(what))
        state, effects = step(state, event, now)
        under_way += [_job(effect) for effect in effects]

        assert len(under_way) == len(set(under_way))
        assert under_way or next_due_ms(state) is not None


def _job(effect: Effect) -> Job:
    jobs = {SayHello: Job.HELLO, FetchLeases: Job.LEASES, Pull: Job.PULL, Push: Job.PUSH}
    return jobs[type(effect)]


def _ending(job: Job, how: str) -> Event:
    if how == "fail":
        return failed(job)
    if how == "over":
        return failed(job, "centre_refused", problem="session_over")
    if how == "renewed":
        return CacheRenewed(job)
    done: dict[Job, Event] = {
        Job.HELLO: Greeted(), Job.LEASES: Leased(), Job.PUSH: Pushed(0, 0),
        Job.PULL: Pulled(0, is_head=True, took_ms=1),
    }  # fmt: skip
    return done[job]


@given(st.integers(-3, 500), st.integers(0, schedule.CHANCES - 1), st.integers(-5, 10**9))
def test_a_wait_is_never_nothing_and_never_without_end(
    n_failed: int, chance: int, retry_after_ms: int
) -> None:
    wait_ms = schedule.pause_ms(n_failed, chance, retry_after_ms=retry_after_ms)

    longest = schedule.LONGEST_MS + schedule.RETRY_AFTER_MAX_MS
    assert schedule.SHORTEST_MS <= wait_ms <= longest
    assert wait_ms >= min(max(retry_after_ms, 0), schedule.RETRY_AFTER_MAX_MS)


def test_kiosks_that_lost_the_same_centre_do_not_come_back_together() -> None:
    waits = {schedule.pause_ms(9, chance) for chance in range(0, schedule.CHANCES, 64)}

    assert len(waits) > 900
    assert max(waits) > 50_000


def test_a_device_that_was_moved_to_another_store_asks_what_it_may_hold_now() -> None:
    refused = failed(Job.PULL, "centre_refused", problem="not_allowed")

    state, effects = step(settled(), refused, 0)
    again, waits = step(step(state, Greeted(), 0)[0], refused, 0)

    assert effects == (SayHello(),)
    assert SayHello() not in waits, "not in a tight loop"
    assert (next_due_ms(again) or 0) > 0


# Scopes whole, repair, partings, custody, forks, questions


def test_a_scope_that_can_be_had_whole_is_fetched_before_its_pages_while_push_goes_on() -> None:
    state, effects = after(Started(), Greeted(snapshots=("s:harbour",)))
    state, then = step(state, Fetched("s:harbour"), 900)

    assert effects == (FetchLeases(), Fetch("s:harbour"), ALL)
    assert then == (Pull(0),)


def test_a_scope_that_does_not_come_whole_comes_page_by_page() -> None:
    refused, _ = after(Started(), Greeted(snapshots=("s:harbour",)))
    lost = refused
    refused, _ = step(refused, failed(Job.PULL, "centre_refused", scope="s:harbour"), 0)
    due_ms = next_due_ms(refused) or 0
    n_tried = 1
    while step(lost, Ticked(), 0)[0].snapshots:
        lost, _ = step(lost, failed(Job.PULL, scope="s:harbour"), n_tried * 100_000)
        lost, _ = step(lost, Ticked(), n_tried * 100_000 + 90_000)
        n_tried += 1

    assert step(refused, Ticked(), due_ms)[1] == (Pull(0),)
    assert n_tried - 1 == engine.SNAPSHOT_TRIES
    assert lost.pull.is_busy


def test_a_wrong_sum_is_repaired_at_once_until_no_bucket_differs_and_then_compared() -> None:
    state, first = step(settled(), Pulled(3, is_head=True, took_ms=9, differing=("g",)), 1_000)
    state, more = step(state, Mended("g", n_more=5), 1_010)
    state, compared = step(state, Mended("g", n_more=0), 1_020)

    assert first == (Mend("g", is_first=True),)
    assert more == (Mend("g", is_first=False),)
    assert compared == (Pull(0),)


def test_a_sum_that_stays_wrong_is_not_repaired_in_a_loop() -> None:
    differing = Pulled(3, is_head=True, took_ms=9, differing=("g",))
    state, _ = step(settled(), differing, 0)
    state, _ = step(state, Mended("g", n_more=0), 10)

    state, soon = step(state, differing, 20)
    state, later = step(state, differing, engine.REPAIR_MS + 10)

    assert soon == (Pull(WAIT_MS_MAX),)
    assert later == (Mend("g", is_first=True),)


def test_parted_histories_are_pulled_at_once_and_what_is_offered_again_is_pushed() -> None:
    parted = Pulled(0, is_head=False, took_ms=9, n_parted=1, n_offered=4, whole=("g",))

    _, effects = step(settled(), parted, 50)

    assert effects == (Fetch("g"), ALL)


def test_a_centre_that_parts_for_ever_is_not_asked_in_a_tight_loop() -> None:
    state, n_at_once = settled(), 0
    parted = Pulled(0, is_head=False, took_ms=9, n_parted=1)
    while step(state, parted, 50)[1]:
        state, _ = step(state, parted, 50)
        n_at_once += 1

    assert n_at_once == engine.PARTED_MAX


def test_a_push_that_gets_no_answer_while_all_else_does_is_halved_until_it_passes() -> None:
    state, _ = step(settled(), Woken(), 0)
    sizes: list[int] = []
    now = 0
    n_sent = 8
    while n_sent > 1 or not sizes:
        now += 30_000
        state, _ = step(state, Pulled(1, is_head=True, took_ms=9), now)
        lost = failed(Job.PUSH, n_sent=n_sent, lanes=("tom",))
        state, _ = step(state, lost, now)
        now += 90_000
        state, effects = step(state, Ticked(), now)
        (push,) = [effect for effect in effects if isinstance(effect, Push)]
        sizes.append(push.n_max)
        n_sent = min(n_sent, push.n_max)

    state, _ = step(state, Pulled(1, is_head=True, took_ms=9), now)
    state, _ = step(state, failed(Job.PUSH, n_sent=1, lanes=("tom",)), now)

    assert sizes == [PUSH_OPS_MAX, PUSH_OPS_MAX, 4, 2, 1]
    assert [lane for lane, _ in state.blocked] == ["tom"]


def test_pushes_that_get_no_answer_in_an_outage_stay_as_they_are() -> None:
    state, _ = step(settled(), Woken(), 0)
    for n in range(1, 9):
        state, _ = step(state, failed(Job.PUSH, n_sent=8), n * 90_000)
        state, _ = step(state, failed(Job.PULL), n * 90_000)
        state, _ = step(state, Ticked(), n * 90_000 + 80_000)

    assert state.batch_max == PUSH_OPS_MAX
    assert state.blocked == ()


def test_what_the_centre_fails_at_for_long_is_given_away_and_its_customer_goes_on() -> None:
    hopeless = failed(
        Job.PUSH, "centre_refused", problem="failed", n_sent=1, lanes=("tom",), hopeless=("o1",)
    )
    state, _ = step(settled(), Woken(), 0)

    state, given = step(state, hopeless, 10)
    state, then = step(state, GivenAway(1), 20)

    assert given == (GiveAway(("o1",)),)
    assert isinstance(then[0], Push)


def test_a_copy_begins_with_hello_and_does_not_loop() -> None:
    state, _ = step(settled(), Woken(), 0)
    state, effects = step(state, Forked(), 10)
    state, _ = step(state, Greeted(), 20)
    state, again = step(state, Forked(), 30)

    assert effects == (SayHello(),)
    assert again == ()
    assert next_due_ms(state) is not None


def test_a_question_is_asked_now_beside_everything_else() -> None:
    _, effects = step(settled(), Asked(), 50)
    _, when_lost = step(after(Started(), failed(Job.HELLO))[0], Asked(), 50)

    assert effects == (Answer(),)
    assert when_lost == (SayHello(),)


def test_a_question_that_met_a_cache_made_anew_is_asked_again_in_the_next_session() -> None:
    state, _ = step(settled(), Asked(), 50)

    state, greeting = step(state, CacheRenewed(Job.ASK), 60)
    _, effects = step(state, Greeted(), 70)

    assert greeting == (SayHello(),)
    assert Answer() in effects


def test_a_busy_centre_is_not_asked_again_before_it_said() -> None:
    busy = Failed(Job.PUSH, "centre_busy", chance=0, retry_after_ms=7_000)
    state, _ = step(step(settled(), Woken(), 0)[0], busy, 0)

    assert step(state, Ticked(), 6_999)[1] == ()
    assert step(state, Ticked(), 8_000)[1] == (ALL,)


def test_a_device_that_may_hold_nothing_any_more_only_pushes_and_asks_again_later() -> None:
    state, effects = after(Started(), Greeted(is_shut=True))

    assert effects == (ALL,)
    state, _ = step(state, Pushed(0, 0), 10)
    assert next_due_ms(state) == engine.SHUT_MS
    assert step(state, Ticked(), engine.SHUT_MS)[1] == (SayHello(),)


def test_after_an_outage_a_fleet_comes_back_over_the_time_the_centre_asked_for() -> None:
    waits = set()
    for chance in range(0, schedule.CHANCES, 1_024):
        state, _ = after(Started(), Greeted(spread_ms=300_000))
        for _ in range(2):
            state, _ = step(state, Failed(Job.PULL, "centre_unreachable", chance), 0)
        waits.add(state.pull.due_ms)

    assert len(waits) > 60
    assert max(wait for wait in waits if wait is not None) > 290_000
    assert schedule.pause_ms(1, schedule.CHANCES - 1, spread_ms=300_000) <= schedule.FIRST_MS
