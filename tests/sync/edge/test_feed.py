"""Pages of changes: applied at once or not at all, in any order, any number of times."""

from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sync.edge.lookup import Lookup
from sync.edge.outbox import Outbox
from sync.edge.store import EdgeStore, Transaction
from sync.model.operation import Operation
from sync.model.records import Case, Customer, Pickup, Product
from sync.model.row import Row
from sync.model.wire import Checkpoint, Cursor, Grant, OpResult, Page, WireRow
from tests.support import edge, shop
from tests.support.edge import SCOPE


@pytest.fixture
def store(tmp_path: Path) -> Iterator[EdgeStore]:
    store = edge.opened(tmp_path)
    yield store
    store.close()


def asked(seq: int, scope: str = SCOPE) -> tuple[Cursor, ...]:
    return (Cursor(scope, seq),)


def everything(store: EdgeStore) -> dict[str, list[tuple[object, ...]]]:
    """The rows of all tables of the cache, but for when it was synced."""

    def reading(file: Transaction) -> dict[str, list[tuple[object, ...]]]:
        return {
            "row": file.read("SELECT * FROM row ORDER BY key"),
            "held": file.read("SELECT * FROM held ORDER BY scope, key"),
            "cursor": file.read("SELECT scope, seq, is_head FROM cursor ORDER BY scope"),
            "answered": file.read("SELECT * FROM answered ORDER BY key, scope"),
        }

    return store.cache.look(reading)


def person(name: str, *, version: int = 1, owner: str = "lena") -> Row:
    return shop.row(Customer(id=owner, given_name=name), owner=owner, version=version)


def test_a_page_twice_is_the_same_as_once(store: EdgeStore) -> None:
    page = edge.page_of(shop.lenas_rows())
    feed = edge.granted(store)
    feed.apply_page(page, asked=asked(0))
    once = everything(store)

    feed.apply_page(page, asked=asked(0))

    assert everything(store) == once


def test_an_old_page_never_lowers_a_cursor_or_brings_back_a_row(store: EdgeStore) -> None:
    feed = edge.filled(store, shop.lenas_rows())
    old = edge.page_of(shop.lenas_rows()[:4])
    gone = Page((edge.gone_row("order/W-1077", 9),), (Checkpoint(SCOPE, 9, is_head=True),))
    feed.apply_page(gone, asked=asked(8))
    before = everything(store)

    feed.apply_page(old, asked=asked(0))

    assert everything(store) == before
    assert feed.cursors() == asked(9)


def test_a_page_that_does_not_carry_on_from_here_is_left_out(store: EdgeStore) -> None:
    feed = edge.granted(store)
    later = edge.page_of(shop.lenas_rows(), since=40)

    applied = feed.apply_page(later, asked=asked(40))

    assert applied.n_rows == 0
    assert feed.cursors() == asked(0)
    assert Lookup(store).row("customer/lena") is None


def test_rows_of_a_scope_without_its_checkpoint_are_left_out(store: EdgeStore) -> None:
    feed = edge.granted(store)
    page = msgspec.structs.replace(edge.page_of(shop.lenas_rows()), checkpoints=())

    feed.apply_page(page, asked=asked(0))

    assert everything(store)["row"] == []


def test_a_scope_nobody_asked_for_is_left_out(store: EdgeStore) -> None:
    feed = edge.granted(store)

    feed.apply_page(edge.page_of(shop.lenas_rows(), scope="s:other"), asked=asked(0))

    assert everything(store)["row"] == []


def test_a_row_two_scopes_hold_stays_until_both_let_go(store: EdgeStore) -> None:
    feed = edge.granted(store, SCOPE, "g")
    feed.apply_page(edge.page_of([person("Lena")]), asked=asked(0))
    feed.apply_page(edge.page_of([person("Lena")], scope="g"), asked=asked(0, "g"))

    feed.apply_page(
        Page((edge.gone_row("customer/lena", 2),), (Checkpoint(SCOPE, 2, is_head=True),)),
        asked=asked(1),
    )
    assert Lookup(store).row("customer/lena") is not None
    feed.apply_page(
        Page(
            (edge.gone_row("customer/lena", 2, scope="g"),), (Checkpoint("g", 2, is_head=True),)
        ),
        asked=asked(1, "g"),
    )

    assert Lookup(store).row("customer/lena") is None


def test_the_older_of_two_scopes_never_wins(store: EdgeStore) -> None:
    feed = edge.granted(store, SCOPE, "g")
    feed.apply_page(edge.page_of([person("New", version=5)]), asked=asked(0))

    feed.apply_page(edge.page_of([person("Old", version=4)], scope="g"), asked=asked(0, "g"))

    row = Lookup(store).row("customer/lena")
    assert row is not None
    assert row.body == Customer(id="lena", given_name="New")


def test_a_row_of_a_kind_unknown_here_is_kept_raw_and_counted(store: EdgeStore) -> None:
    odd = WireRow(
        SCOPE, 1, "robot/r2", "robot", "lena", 1, 1, "web", b'{"id":"r2"}', is_gone=False
    )
    torn = WireRow(
        SCOPE, 2, "order/W-2", "order", "lena", 1, 1, "web", b'{"id":1}', is_gone=False
    )
    page = edge.page_of([person("Lena")], since=2)
    feed = edge.granted(store)

    feed.apply_page(msgspec.structs.replace(page, rows=(odd, torn, *page.rows)), asked=asked(0))

    assert [row.key for row in Lookup(store).profile("lena").rows] == ["customer/lena"]
    assert feed.state().n_unread == 2
    assert len(everything(store)["row"]) == 3


def test_a_customer_who_became_another_ones_account_moves_with_all_rows(
    store: EdgeStore,
) -> None:
    feed = edge.filled(store, [person("Lena"), *shop.lenas_rows()[4:5]])
    moved = msgspec.structs.replace(shop.lenas_rows()[4], owner="lena-2", version=2)

    feed.apply_page(edge.page_of([moved], since=2), asked=asked(2))

    assert [row.key for row in Lookup(store).profile("lena-2").rows] == ["order/W-1077"]
    assert [row.key for row in Lookup(store).profile("lena").rows] == ["customer/lena"]


def test_a_scope_that_was_taken_away_leaves_nothing(store: EdgeStore) -> None:
    feed = edge.filled(store, shop.lenas_rows())

    feed.grant([Grant("s:elsewhere", "e1", 0)])

    assert everything(store)["row"] == []
    assert feed.cursors() == asked(0, "s:elsewhere")


def test_a_centre_that_went_back_in_time_is_pulled_again_over_what_is_here(
    store: EdgeStore,
) -> None:
    feed = edge.filled(
        store, [person("Lena", version=9), person("Tom", owner="tom", version=9)]
    )

    edge.granted(store, epoch="e2")
    assert Lookup(store).row("customer/tom") is not None, "nothing is wiped first"
    feed.apply_page(
        edge.page_of([person("Lena then", version=3)], is_head=False), asked=asked(0)
    )
    assert Lookup(store).row("customer/tom") is not None
    feed.apply_page(edge.page_of([], since=1), asked=asked(1))

    lena = Lookup(store).row("customer/lena")
    assert lena is not None
    assert (lena.version, lena.body) == (3, Customer(id="lena", given_name="Lena then"))
    assert Lookup(store).row("customer/tom") is None


def test_it_is_complete_only_when_every_scope_is_at_its_head(tmp_path: Path) -> None:
    store = edge.opened(tmp_path)
    feed = edge.granted(store, SCOPE, "g")

    first = feed.apply_page(edge.page_of([person("Lena")]), asked=asked(0))
    assert (first.is_head, feed.state().synced_at) == (False, 0)
    second = feed.apply_page(edge.page_of([], scope="g"), asked=asked(0, "g"))

    assert second.is_head
    assert feed.state().synced_at == store.now()
    store.close()


def test_products_and_stores_belong_to_nobody_and_are_found_by_kind(store: EdgeStore) -> None:
    shirt = Product(id="p1", title="Shirt", category="tops")
    edge.filled(store, [shop.row(shirt, owner=""), person("Lena")])

    assert [row.body for row in Lookup(store).rows("product")] == [shirt]


# Answers, and the view over them


def answer(op: Operation, *rows: Row, seq: int = 20) -> OpResult:
    lines = tuple(edge.wire_row(row, seq + n) for n, row in enumerate(rows))
    return OpResult(op=op.id, status="applied", code="", clash="", rows=lines)


def handed_over(op: Operation, *, version: int = 2) -> Row:
    pickup = shop.lenas_rows()[5].body
    assert isinstance(pickup, Pickup)
    done = msgspec.structs.replace(
        pickup, state="handed_over", handed_over_op=op.id, shelf="by the centre"
    )
    return shop.row(done, version=version)


def pickup_of(store: EdgeStore) -> tuple[Row, Pickup]:
    ((row, pickup),) = Lookup(store).profile(shop.LENA).of(Pickup)
    return row, pickup


def test_an_unanswered_operation_is_shown_as_unsettled_and_the_base_row_stays(
    store: EdgeStore,
) -> None:
    edge.filled(store, shop.lenas_rows())
    Outbox(store).record(shop.hand_over())

    row, pickup = pickup_of(store)

    assert (pickup.state, row.is_unsettled, row.source) == ("handed_over", True, "here")
    base = Lookup(store).row("pickup/pk-1077")
    assert base is not None
    assert isinstance(base.body, Pickup)
    assert base.body.state == "ready"


def test_the_answered_row_is_shown_until_the_feed_brings_it(store: EdgeStore) -> None:
    feed = edge.filled(store, shop.lenas_rows())
    op = shop.hand_over()
    Outbox(store).record(op)
    results = (answer(op, handed_over(op)),)
    feed.keep_answers(results)
    Outbox(store).settle(results)

    row, pickup = pickup_of(store)
    assert (pickup.shelf, row.is_unsettled, row.version) == ("by the centre", False, 2)
    assert len(everything(store)["answered"]) == 1

    feed.apply_page(edge.page_of([handed_over(op)], since=19), asked=asked(8))
    assert everything(store)["answered"] == []
    assert pickup_of(store)[1].shelf == "by the centre"


def test_the_answered_row_is_shown_also_while_its_scope_is_pulled_again_from_the_beginning(
    store: EdgeStore,
) -> None:
    feed = edge.filled(store, shop.lenas_rows())
    op = shop.hand_over()
    Outbox(store).record(op)
    results = (answer(op, handed_over(op)),)
    feed.keep_answers(results)
    Outbox(store).settle(results)

    assert [feed.note_mismatch(edge.SCOPE) for _ in range(3)] == [False, False, True]

    assert pickup_of(store)[1].shelf == "by the centre"


def test_between_answer_and_settling_an_operation_is_not_applied_twice(
    store: EdgeStore,
) -> None:
    feed = edge.filled(store, shop.lenas_rows())
    op = shop.hand_over()
    Outbox(store).record(op)
    feed.keep_answers((answer(op, handed_over(op)),))

    _, pickup = pickup_of(store)

    assert pickup.shelf == "by the centre"
    assert not [case for _, case in Lookup(store).profile(shop.LENA).of(Case) if case.clash]


def test_an_answer_that_is_older_than_the_feed_is_not_kept(store: EdgeStore) -> None:
    feed = edge.filled(store, shop.lenas_rows())
    op = shop.hand_over()

    feed.keep_answers((answer(op, handed_over(op), seq=3),))

    assert everything(store)["answered"] == []


def test_a_newer_base_row_wins_over_an_answered_one(store: EdgeStore) -> None:
    feed = edge.filled(store, shop.lenas_rows())
    op = shop.hand_over()
    feed.keep_answers((answer(op, handed_over(op), seq=50),))

    newer = msgspec.structs.replace(shop.lenas_rows()[5], version=3)
    feed.apply_page(edge.page_of([newer], since=8), asked=asked(8))

    assert pickup_of(store)[1].state == "ready"


@pytest.mark.parametrize("status", ["refused", "held"])
def test_a_refused_or_held_operation_is_no_longer_shown_as_done(
    store: EdgeStore, status: str
) -> None:
    edge.filled(store, shop.lenas_rows())
    op = shop.hand_over()
    Outbox(store).record(op)
    Outbox(store).settle([OpResult(op.id, status, "because", "", ())])

    row, pickup = pickup_of(store)

    assert (pickup.state, row.is_unsettled) == ("ready", False)


def test_an_operation_of_another_version_is_not_guessed_at_and_hides_nothing(
    store: EdgeStore,
) -> None:
    edge.filled(store, shop.lenas_rows())
    Outbox(store).record(msgspec.structs.replace(shop.hand_over(), v=99))

    assert pickup_of(store)[1].state == "ready"
    assert Outbox(store).counts().n_waiting == 1


CHANGES = st.lists(
    st.tuples(st.sampled_from(["a", "b", "c"]), st.one_of(st.none(), st.text("xyz", max_size=3))),
    min_size=1, max_size=12,
)  # fmt: skip


@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(changes=CHANGES, cuts=st.lists(st.integers(0, 12), max_size=8))
def test_however_pages_are_cut_repeated_and_delayed_the_end_is_the_same(
    tmp_path_factory: pytest.TempPathFactory,
    changes: list[tuple[str, str | None]],
    cuts: list[int],
) -> None:
    """The centre changes rows; pages are drawn from any earlier cursor and come in any order."""
    lines: list[WireRow] = []
    versions: dict[str, int] = {}
    truth: dict[str, str] = {}
    for seq, (owner, name) in enumerate(changes, start=1):
        key = f"customer/{owner}"
        if name is None:
            lines.append(edge.gone_row(key, seq))
            truth.pop(key, None)
        else:
            versions[key] = versions.get(key, 0) + 1
            row = person(name, owner=owner, version=versions[key])
            lines.append(edge.wire_row(row, seq))
            truth[key] = name

    def page(since: int, until: int) -> Page:
        """As a centre at `until` answers: only the last line of each key."""
        last = {line.key: line for line in lines[:until]}
        rows = tuple(
            line for line in lines[:until] if last[line.key] is line and line.seq > since
        )
        return Page(rows, (Checkpoint(SCOPE, max(until, since), is_head=until == len(lines)),))

    store = edge.opened(tmp_path_factory.mktemp("device"))
    feed = edge.granted(store)
    for since, until in zip(cuts, reversed(cuts), strict=True):
        feed.apply_page(
            page(min(since, len(lines)), min(until, len(lines))),
            asked=asked(min(since, len(lines))),
        )
    (cursor,) = feed.cursors()
    feed.apply_page(page(cursor.seq, len(lines)), asked=(cursor,))

    held = {
        row.key: row.body.given_name
        for owner in "abc"
        for row in Lookup(store).profile(owner).rows
        if isinstance(row.body, Customer)
    }
    assert held == truth
    assert feed.cursors() == asked(len(lines))
    store.close()
