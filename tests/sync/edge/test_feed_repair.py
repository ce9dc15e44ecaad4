"""Agreeing with the centre for sure: sums, repair by bucket, histories that part, rows an operation still needs, much at once."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hardware.clock import FixedClock
from sync.edge.feed import FULL_ROWS, MISMATCHES_MAX, TOGETHER_ROWS, Feed
from sync.edge.lookup import Lookup
from sync.edge.store import EdgeStore
from sync.model.records import Band, Customer, Decision
from sync.model.row import Row
from sync.model.sums import SUM_MASK, bucket_of, pointer_hash, sum_text
from sync.model.wire import (
    MARKS_MAX,
    Checkpoint,
    Cursor,
    DiffAnswer,
    Grant,
    Mark,
    Page,
    Wanted,
    WireRow,
)
from tests.support import edge, shop
from tests.support.edge import SCOPE, START


@pytest.fixture
def store(tmp_path: Path) -> Iterator[EdgeStore]:
    store = edge.opened(tmp_path)
    yield store
    store.close()


def person(owner: str, *, name: str = "", version: int = 1) -> Row:
    return shop.row(Customer(id=owner, given_name=name or owner), owner=owner, version=version)


def people(count: int) -> list[Row]:
    return [person(f"p{n:05}") for n in range(count)]


def asked(seq: int, scope: str = SCOPE) -> tuple[Cursor, ...]:
    return (Cursor(scope, seq),)


def head(seq: int, rows: dict[str, tuple[int, int]], *, mark: Mark | None = None) -> Checkpoint:
    """The checkpoint of a centre that has these rows: by key seq and version."""
    total = sum(pointer_hash(key, at, version) for key, (at, version) in rows.items())
    return Checkpoint(SCOPE, seq, True, mark, len(rows), total & SUM_MASK)


def held(store: EdgeStore, scope: str = SCOPE) -> dict[str, tuple[int, int]]:
    found = store.cache.look(
        lambda file: file.read(
            "SELECT key, seq, version FROM row WHERE scope = ? AND seq > 0", (scope,)
        )
    )
    return {key: (seq, version) for key, seq, version in found}


def names(store: EdgeStore) -> list[str]:
    return sorted(row.key for row in Lookup(store).everything())


# Sums


def test_a_cache_that_holds_what_the_centre_holds_does_not_differ(store: EdgeStore) -> None:
    feed = edge.filled(store, people(3))
    rows = {f"customer/p{n:05}": (n + 1, 1) for n in range(3)}

    applied = feed.apply_page(Page((), (head(3, rows),)), asked=asked(3))

    assert applied.differing == ()


@pytest.mark.parametrize(
    "fault", ["lacks one", "has one more", "another version", "another seq"]
)
def test_whatever_row_is_wrong_the_sum_says_so(store: EdgeStore, fault: str) -> None:
    feed = edge.filled(store, people(3))
    rows = {f"customer/p{n:05}": (n + 1, 1) for n in range(3)}
    match fault:
        case "lacks one":
            rows["customer/lost"] = (2, 1)
        case "has one more":
            del rows["customer/p00001"]
        case "another version":
            rows["customer/p00001"] = (2, 9)
        case _:
            rows["customer/p00001"] = (1, 1)

    applied = feed.apply_page(Page((), (head(3, rows),)), asked=asked(3))

    assert applied.differing == (SCOPE,)


def test_an_answer_that_nothing_changed_writes_only_when_that_was(tmp_path: Path) -> None:
    clock = FixedClock(START)
    store = edge.opened(tmp_path, clock=clock)
    feed = edge.filled(store, people(3))
    mark = Mark(3, "aa", False)
    nothing = Page((), (head(3, held(store), mark=mark),))
    feed.apply_page(nothing, asked=asked(3))
    told = feed.cursors()
    written = store.cache.look(lambda file: file.read("SELECT total_changes()"))[0][0]
    clock.sleep_ms(60_000)

    applied = feed.apply_page(nothing, asked=told)

    after = store.cache.look(lambda file: file.read("SELECT total_changes()"))[0][0]
    assert (applied.n_rows, applied.is_head, applied.differing) == (0, True, ())
    assert (feed.state().synced_at, feed.cursors()) == (store.now(), told)
    assert after == written + 1
    clock.sleep_ms(999)
    feed.apply_page(nothing, asked=told)
    assert store.cache.glance("SELECT total_changes()")[0][0] == after, (
        "no disk needs it every time"
    )
    store.close()


def test_a_moment_that_has_another_name_now_is_remembered_by_that(store: EdgeStore) -> None:
    feed = edge.filled(store, people(3))
    feed.apply_page(
        Page((), (head(3, held(store), mark=Mark(3, "aa", False)),)), asked=asked(3)
    )

    renamed = Mark(3, "aa", True)
    feed.apply_page(Page((), (head(3, held(store), mark=renamed),)), asked=feed.cursors())

    assert feed.cursors()[0].marks == (renamed,)


def test_a_page_that_is_not_the_last_is_not_compared(store: EdgeStore) -> None:
    feed = edge.filled(store, people(3))
    checkpoint = Checkpoint(SCOPE, 4, is_head=False, count=900, sum=1)

    assert feed.apply_page(Page((), (checkpoint,)), asked=asked(3)).differing == ()


CHANGES = st.lists(
    st.tuples(st.sampled_from("abcd"), st.sampled_from(["put", "drop"])),
    min_size=1,
    max_size=25,
)


@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(changes=CHANGES, cut=st.integers(1, 6))
def test_count_and_sum_follow_every_change(
    tmp_path_factory: pytest.TempPathFactory, changes: list[tuple[str, str]], cut: int
) -> None:
    store = edge.opened(tmp_path_factory.mktemp("device"))
    feed = edge.granted(store)
    there: dict[str, tuple[int, int]] = {}
    versions: dict[str, int] = {}
    lines: list[WireRow] = []
    for seq, (owner, what) in enumerate(changes, start=1):
        key = f"customer/{owner}"
        if what == "put":
            versions[key] = versions.get(key, 0) + 1
            there[key] = (seq, versions[key])
            lines.append(edge.wire_row(person(owner, version=versions[key]), seq))
        else:
            there.pop(key, None)
            lines.append(edge.gone_row(key, seq))
        if seq % cut and seq != len(changes):
            continue
        (cursor,) = feed.cursors()

        applied = feed.apply_page(Page(tuple(lines), (head(seq, there),)), asked=(cursor,))

        lines.clear()
        assert applied.differing == ()
        assert held(store) == there
    store.close()


# Repair by bucket


def diff_of(feed: Feed, truth: dict[str, WireRow], *, limit: int = 8) -> DiffAnswer:
    """What a centre with these rows answers to the sums of this device."""
    sums = [0] * 256
    for row in truth.values():
        bucket = bucket_of(row.key)
        sums[bucket] = (sums[bucket] + pointer_hash(row.key, row.seq, row.version)) & SUM_MASK
    ours = feed.bucket_sums(SCOPE)
    wrong = [n for n, total in enumerate(sums) if sum_text(total) != ours[n]]
    chosen = tuple(wrong[:limit])
    rows = tuple(row for row in truth.values() if bucket_of(row.key) in chosen)
    return DiffAnswer(SCOPE, chosen, rows, len(wrong) - len(chosen))


@settings(
    max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    lost=st.sets(st.integers(0, 39), max_size=12), stale=st.sets(st.integers(0, 39), max_size=12),
    extra=st.sets(st.integers(0, 39), max_size=12),
)  # fmt: skip
def test_whatever_differs_is_mended_bucket_by_bucket_and_nothing_else_is_touched(
    tmp_path_factory: pytest.TempPathFactory, lost: set[int], stale: set[int], extra: set[int]
) -> None:
    store = edge.opened(tmp_path_factory.mktemp("device"))
    feed = edge.filled(store, people(40))
    truth = {
        row.key: edge.wire_row(row, seq)
        for seq, row in enumerate((person(f"p{n:05}") for n in range(40)), start=1)
    }
    with store.cache.write() as file:
        for n in lost:
            file.execute("DELETE FROM row WHERE key = ?", (f"customer/p{n:05}",))
        for n in stale:
            file.execute("UPDATE row SET version = 7 WHERE key = ?", (f"customer/p{n:05}",))
        for n in extra:
            file.execute(
                "UPDATE row SET key = key || 'x' WHERE key = ?", (f"customer/p{n:05}",)
            )

    rounds = 0
    while (answer := diff_of(feed, truth)).buckets:
        feed.apply_diff(answer)
        rounds += 1

    assert rounds <= 10
    assert held(store) == {key: (row.seq, row.version) for key, row in truth.items()}
    rows = {key: (row.seq, row.version) for key, row in truth.items()}
    assert feed.apply_page(Page((), (head(40, rows),)), asked=asked(40)).differing == ()
    store.close()


def test_a_repair_that_holds_rows_of_other_scopes_and_buckets_changes_none_of_them(
    store: EdgeStore,
) -> None:
    feed = edge.filled(store, people(10))
    before = held(store)
    odd = edge.wire_row(person("odd"), 3, scope="s:other")
    empty = next(n for n in range(256) if n not in {bucket_of(key) for key in before})

    feed.apply_diff(DiffAnswer(SCOPE, (empty,), (odd, edge.wire_row(person("p00001"), 99)), 0))

    assert held(store) == before
    assert held(store, "s:other") == {}


def test_the_third_wrong_sum_of_a_day_pulls_the_scope_again_and_wipes_nothing(
    tmp_path: Path,
) -> None:
    clock = FixedClock(START)
    store = edge.opened(tmp_path, clock=clock)
    feed = edge.filled(store, people(3))

    told = [feed.note_mismatch(SCOPE) for _ in range(MISMATCHES_MAX)]

    assert told == [False, False, True]
    assert feed.cursors() == asked(0)
    assert len(names(store)) == 3, "nothing is wiped first"
    feed.apply_page(edge.page_of(people(2)), asked=asked(0))
    assert len(names(store)) == 2
    store.close()


def test_wrong_sums_days_apart_are_mended_and_no_more(tmp_path: Path) -> None:
    clock = FixedClock(START)
    store = edge.opened(tmp_path, clock=clock)
    feed = edge.filled(store, people(3))

    told = []
    for _ in range(6):
        told.append(feed.note_mismatch(SCOPE))
        clock.sleep_ms(13 * 3_600_000)

    assert told == [False] * 6
    store.close()


# Marks and histories


def marked(seq: int, token: str, *, is_kept: bool = False) -> Page:
    mark = Mark(seq, token, is_kept)
    return Page((), (Checkpoint(SCOPE, seq, is_head=True, mark=mark),))


def test_the_newest_mark_and_the_newest_kept_one_behind_it_are_presented(
    store: EdgeStore,
) -> None:
    feed = edge.granted(store)
    for seq in range(1, 8):
        feed.apply_page(marked(seq, f"t{seq}", is_kept=seq % 3 == 0), asked=asked(seq - 1))

    (cursor,) = feed.cursors()

    assert cursor == Cursor(SCOPE, 7, (Mark(7, "t7"), Mark(6, "t6", is_kept=True)))
    assert [mark.seq for mark in feed.all_marks(SCOPE)] == [7, 6, 3]


def test_no_more_marks_are_kept_than_may_be_presented(store: EdgeStore) -> None:
    feed = edge.granted(store)
    for seq in range(1, 60):
        feed.apply_page(marked(seq, f"t{seq}", is_kept=True), asked=asked(seq - 1))

    marks = feed.all_marks(SCOPE)

    assert len(marks) == MARKS_MAX
    assert [mark.seq for mark in marks] == list(range(59, 59 - MARKS_MAX, -1))


def test_where_histories_part_what_came_after_is_renewed_and_the_rest_stays(
    store: EdgeStore,
) -> None:
    feed = edge.granted(store)
    feed.apply_page(marked(0, "t0", is_kept=True), asked=asked(0))
    feed.apply_page(edge.page_of(people(4)), asked=asked(0))
    feed.apply_page(marked(4, "t4"), asked=asked(4))

    feed.part_ways(SCOPE, 2)

    assert feed.cursors() == (Cursor(SCOPE, 2, (Mark(0, "t0", is_kept=True),)),)
    assert len(names(store)) == 4, "all is shown until the other history is here"
    other = {"customer/p00000": (1, 1), "customer/p00001": (2, 1), "customer/new": (3, 1)}
    page = Page((edge.wire_row(person("new"), 3),), (head(3, other),))
    applied = feed.apply_page(page, asked=asked(2))
    assert applied.differing == ()
    assert names(store) == ["customer/new", "customer/p00000", "customer/p00001"]


def test_parting_ahead_of_the_cursor_changes_no_row(store: EdgeStore) -> None:
    feed = edge.filled(store, people(4))
    before = held(store)

    feed.part_ways(SCOPE, 90)

    assert held(store) == before
    assert feed.cursors() == asked(4)


# Rows that operations need


def test_a_row_that_leaves_while_an_operation_needs_it_stays_until_that_is_settled(
    store: EdgeStore,
) -> None:
    feed = edge.filled(store, people(2))
    gone = Page((edge.gone_row("customer/p00000", 3),), (head(3, {"customer/p00001": (2, 1)}),))

    applied = feed.apply_page(gone, asked=asked(2), pinned=frozenset({"customer/p00000"}))

    assert applied.differing == (), "it is not counted as held"
    assert Lookup(store).row("customer/p00000") is not None
    feed.apply_page(Page((), (head(3, {"customer/p00001": (2, 1)}),)), asked=asked(3))
    assert Lookup(store).row("customer/p00000") is None


def test_a_scope_that_is_taken_away_and_given_back_leaves_no_row_behind(
    store: EdgeStore,
) -> None:
    feed = edge.filled(store, people(2))
    pinned = frozenset({"customer/p00000"})

    feed.grant([Grant("g", "e1", 0)], pinned=pinned)
    assert names(store) == ["customer/p00000"]
    feed.grant([Grant(SCOPE, "e1", 0)], pinned=pinned)
    feed.apply_page(edge.page_of(people(1)), asked=asked(0))

    assert held(store) == {"customer/p00000": (1, 1)}
    feed.grant([Grant("g", "e1", 0)])
    feed.apply_page(Page((), (Checkpoint("g", 0, is_head=True),)), asked=asked(0, "g"))
    assert names(store) == []


# Decisions and customers asked for


def test_what_a_person_decided_is_found_by_the_operations_id(store: EdgeStore) -> None:
    decision = Decision("op-1", "applied", "replay", "ana", "looked into it", 5)
    feed = edge.filled(store, [shop.row(decision, owner="")])

    assert feed.decisions(["op-1", "op-2"]) == {"op-1": decision}


def test_a_customer_asked_for_is_here_at_once_and_stays_when_the_feed_brings_them(
    store: EdgeStore,
) -> None:
    feed = edge.filled(store, people(2))

    feed.keep_wanted([Wanted("lena", (edge.wire_row(person("lena"), 3),)), Wanted("", ())])

    assert Lookup(store).profile("lena").rows != ()
    feed.apply_page(edge.page_of([person("lena")], since=2), asked=asked(2))
    assert Lookup(store).profile("lena").rows != ()
    assert store.cache.look(lambda file: file.read("SELECT count(*) FROM answered")) == [(0,)]


def test_a_band_asked_for_tells_whose_it_is_before_the_feed_brings_it(store: EdgeStore) -> None:
    feed = edge.filled(store, people(2))
    band = shop.row(Band(id="b1", state="active"), owner="lena")
    rows = (edge.wire_row(band, 3), edge.wire_row(person("lena"), 4))

    feed.keep_wanted([Wanted("lena", rows)])

    sighting = Lookup(store).by_band("b1")
    assert sighting is not None
    assert sighting.profile.customer == Customer(id="lena", given_name="lena")


# Much at once


def pages_of(rows: list[Row], size: int) -> list[Page]:
    """The pages of a first sync; the last one is at the head, with count and sum."""
    lines = [edge.wire_row(row, seq) for seq, row in enumerate(rows, start=1)]
    pages = [
        Page(
            tuple(lines[at : at + size]),
            (Checkpoint(SCOPE, min(at + size, len(lines)), is_head=False),),
        )
        for at in range(0, len(lines), size)
    ]
    there = {line.key: (line.seq, line.version) for line in lines}
    pages.append(Page((), (head(len(lines), there),)))
    return pages


def test_a_first_sync_of_many_full_pages_holds_every_row_at_its_head(store: EdgeStore) -> None:
    rows = people(TOGETHER_ROWS * 2 + FULL_ROWS * 3)
    feed = edge.granted(store)

    n_rows = 0
    for page in pages_of(rows, FULL_ROWS):
        applied = feed.apply_page(page, asked=feed.cursors())
        n_rows += applied.n_rows

    assert (applied.is_head, applied.differing) == (True, ())
    assert n_rows == len(rows)
    assert len(held(store)) == len(rows)


def test_pages_kept_back_count_here_and_are_asked_for_again_where_they_were_not_written(
    store: EdgeStore,
) -> None:
    feed = edge.granted(store)
    first, second, *_ = pages_of(people(FULL_ROWS * 3), FULL_ROWS)

    feed.apply_page(first, asked=feed.cursors())

    assert feed.cursors() == asked(FULL_ROWS), "so that the next page follows it"
    assert Feed(store).cursors() == asked(0), "as after a start: no cursor is ahead of its rows"
    assert held(store) == {}
    again = Feed(store)
    again.apply_page(first, asked=again.cursors())
    again.apply_page(second, asked=again.cursors())
    again.flush()
    assert Feed(store).cursors() == asked(FULL_ROWS * 2)
    assert len(held(store)) == FULL_ROWS * 2


@pytest.mark.parametrize("doing", ["part_ways", "bucket_sums", "keep_wanted", "decisions"])
def test_whatever_else_is_asked_of_the_feed_finds_the_pages_that_came_before(
    store: EdgeStore, doing: str
) -> None:
    feed = edge.granted(store)
    feed.apply_page(pages_of(people(FULL_ROWS), FULL_ROWS)[0], asked=feed.cursors())

    match doing:
        case "part_ways":
            feed.part_ways(SCOPE, FULL_ROWS)
        case "bucket_sums":
            feed.bucket_sums(SCOPE)
        case "keep_wanted":
            feed.keep_wanted([])
        case _:
            feed.decisions(["x"])

    assert len(held(store)) == FULL_ROWS


def test_new_grants_forget_what_was_kept_back_so_that_it_is_pulled_again(
    store: EdgeStore,
) -> None:
    feed = edge.granted(store)
    page = pages_of(people(FULL_ROWS), FULL_ROWS)[0]
    feed.apply_page(page, asked=feed.cursors())

    feed.grant([Grant(SCOPE, "e2", 0)])

    assert feed.cursors() == asked(0)
    feed.flush()
    assert held(store) == {}


def test_a_row_that_moves_to_the_head_during_the_first_sync_is_counted_once(
    store: EdgeStore,
) -> None:
    feed = edge.granted(store)
    feed.apply_page(edge.page_of(people(3), is_head=False), asked=asked(0))
    moved = {"customer/p00000": (4, 2), "customer/p00001": (2, 1), "customer/p00002": (3, 1)}
    page = Page((edge.wire_row(person("p00000", version=2), 4),), (head(4, moved),))

    applied = feed.apply_page(page, asked=asked(3))

    assert applied.differing == ()
    assert held(store) == moved


def test_the_log_of_a_first_sync_is_brought_into_the_file_behind_it(
    store: EdgeStore, tmp_path: Path
) -> None:
    feed = edge.granted(store)
    for page in pages_of(people(TOGETHER_ROWS + FULL_ROWS), FULL_ROWS):
        feed.apply_page(page, asked=feed.cursors())
    in_file = (tmp_path / "cache.db").stat().st_size

    assert store.cache.tidy()

    assert (tmp_path / "cache.db").stat().st_size > 4 * in_file
    assert not store.cache.tidy(), "there is nothing more to do"
    assert len(held(store)) == TOGETHER_ROWS + FULL_ROWS
