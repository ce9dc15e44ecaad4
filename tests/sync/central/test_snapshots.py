"""Snapshots of a scope, as the centre makes them, on each database it can be."""

import threading
from collections.abc import Callable, Iterator
from typing import TypeVar

import pytest

from hardware.entropy import SeededEntropy
from sync.central import erasure, housekeeping, snapshot_rows, snapshots
from sync.central.batch import Batch
from sync.central.moment import Snapshot
from sync.central.snapshot_rows import SnapshotRecord
from sync.central.snapshots import ROWS_MIN, due, make
from sync.central.store import Store
from sync.central.transaction import Transaction
from sync.model.records import Customer, Product
from sync.model.row import Row, row_of
from sync.model.snapshot import StoredRow, opened
from sync.model.sums import SUM_MASK, pointer_hash

HARBOUR = "s:harbour"
NOW = 1_790_000_000_000_000
ENTROPY = SeededEntropy("snapshots")

Value = TypeVar("Value")


@pytest.fixture
def store(laid_database: str) -> Iterator[Store]:
    opened_store = Store(laid_database, fresh_epoch="e-1", entropy=SeededEntropy("store"))
    yield opened_store
    opened_store.close()


@pytest.fixture
def batch(store: Store) -> Batch:
    return Batch(store, on_commit=lambda _scopes: None)


def write(batch: Batch, change: Callable[[Transaction], object]) -> None:
    def work(transaction: Transaction) -> Callable[[], None]:
        change(transaction)
        return lambda: None

    batch.run(work)


def look(store: Store, question: Callable[[Snapshot], Value]) -> Value:
    with store.reading() as snapshot:
        return question(snapshot)


def people(count: int, *, first: int = 0) -> list[Row]:
    numbers = range(first, first + count)
    return [
        row_of(Customer(f"c{n}", "Lena"), owner=f"c{n}", as_of=n, source="crm") for n in numbers
    ]


def put(rows: list[Row]) -> Callable[[Transaction], None]:
    def change(transaction: Transaction) -> None:
        for row in rows:
            if row.owner:
                transaction.add_interest(HARBOUR, row.owner)
            transaction.put(row)

    return change


def rows_in(store: Store, made: SnapshotRecord) -> list[StoredRow]:
    """All rows of a snapshot, by way of its parts."""

    def reading(snapshot: Snapshot) -> list[StoredRow]:
        found: list[StoredRow] = []
        for part in snapshot_rows.parts(snapshot.sql, made.scope, made.format, made.seq):
            content = snapshot_rows.part(snapshot.sql, part.hash)
            assert content is not None
            assert len(content) == part.size
            rows = opened(
                content,
                key=bytes.fromhex(made.key),
                scope=made.scope,
                seq=made.seq,
                number=part.n,
            )
            assert len(rows) == part.rows
            found += rows
        return found

    return look(store, reading)


def made_of(store: Store, batch: Batch, scope: str = HARBOUR) -> SnapshotRecord:
    made = make(store, batch, scope, entropy=ENTROPY, now=NOW)
    assert made is not None
    return made


def test_a_snapshot_holds_the_live_rows_of_its_scope_and_no_others(
    store: Store, batch: Batch, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(snapshots, "PART_ROWS_MAX", 10)
    monkeypatch.setattr(snapshots, "FIRST_ROWS", 4)
    write(batch, put(people(45)))
    write(batch, put([row_of(Product("p1", "Scarf", "wool"), owner="", as_of=1, source="erp")]))
    write(batch, lambda it: it.end_interest(HARBOUR, "c7"))

    made = made_of(store, batch)

    rows = rows_in(store, made)
    assert {row[0] for row in rows} == {f"customer/c{n}" for n in range(45) if n != 7}
    assert (made.count, made.seq) == (44, look(store, lambda it: it.head(HARBOUR)))
    total = sum(pointer_hash(row[0], row[2], row[5]) for row in rows) & SUM_MASK
    assert total == made.sum, "what the parts hold sums to what the scope sums to"
    assert [row[3] for row in rows] == sorted(row[3] for row in rows), (
        "those of a customer lie together"
    )
    parts = look(store, lambda it: snapshot_rows.parts(it.sql, HARBOUR, 1, made.seq))
    assert [part.rows for part in parts] == [4, 10, 10, 10, 10], "the first is soon here"


def test_only_a_large_scope_is_due_and_only_when_a_quarter_of_it_moved(
    store: Store, batch: Batch
) -> None:
    write(batch, put(people(ROWS_MIN - 1)))
    assert due(store) == ()
    write(batch, put(people(1, first=ROWS_MIN)))
    assert due(store) == (HARBOUR,)
    made_of(store, batch)
    assert due(store) == ()

    write(batch, put(people(ROWS_MIN // 4)))
    assert due(store) == ()
    write(batch, put(people(1)))

    assert due(store) == (HARBOUR,)


def test_who_had_a_snapshot_goes_on_from_it_days_later_when_marks_were_thinned(
    store: Store, batch: Batch
) -> None:
    write(batch, put(people(1, first=ROWS_MIN)))  # the first of an hour is kept in any case
    write(batch, put(people(ROWS_MIN)))
    made = made_of(store, batch)
    write(batch, put(people(1)))

    write(batch, lambda it: housekeeping.thin_marks(it, 2**62))

    assert not made.mark.is_kept
    assert look(store, lambda it: it.knows_mark(HARBOUR, made.mark))
    assert look(store, lambda it: snapshots.usable(it, HARBOUR)) is not None


def test_a_snapshot_whose_mark_is_gone_is_not_given_out(store: Store, batch: Batch) -> None:
    write(batch, put(people(ROWS_MIN)))
    made_of(store, batch)
    write(batch, lambda it: it.direct().run("DELETE FROM mark"))

    assert look(store, lambda it: snapshots.usable(it, HARBOUR)) is None
    assert due(store) == (HARBOUR,)


def test_another_history_makes_it_due_and_replaces_it(store: Store, batch: Batch) -> None:
    write(batch, put(people(ROWS_MIN)))
    first = made_of(store, batch)
    set_back = "UPDATE scope SET epoch = :epoch WHERE id = :id"
    write(batch, lambda it: it.direct().run(set_back, epoch="e-2", id=HARBOUR))
    assert due(store) == (HARBOUR,)

    second = made_of(store, batch)

    assert (first.epoch, second.epoch, first.seq) == ("e-1", "e-2", second.seq)
    assert look(store, lambda it: snapshot_rows.newest(it.sql, HARBOUR)) == second
    assert len(rows_in(store, second)) == ROWS_MIN
    assert due(store) == ()


def test_two_who_make_the_same_one_leave_the_parts_of_one(store: Store, batch: Batch) -> None:
    write(batch, put(people(30)))
    first = made_of(store, batch)

    second = make(store, batch, HARBOUR, entropy=ENTROPY, now=NOW)

    assert second is None
    assert look(store, lambda it: snapshot_rows.newest(it.sql, HARBOUR)) == first
    assert len(rows_in(store, first)) == 30
    assert look(store, lambda it: it.count("snap_part")) == 1


def test_a_customer_erased_while_it_was_made_is_not_in_any_snapshot(
    store: Store, batch: Batch
) -> None:
    write(batch, put(people(30)))
    real = batch.run
    n_writes = 0

    def run(work: Callable[[Transaction], Callable[[], Value]]) -> Value:
        nonlocal n_writes
        n_writes += 1
        if n_writes == 1:
            write_through(real, lambda it: erasure.erase_rows(it, "c7", at=NOW))
        return real(work)

    def write_through(
        to: Callable[..., object], change: Callable[[Transaction], object]
    ) -> None:
        def work(transaction: Transaction) -> Callable[[], None]:
            change(transaction)
            return lambda: None

        to(work)

    batch.run = run  # type: ignore[method-assign,assignment]

    made = make(store, batch, HARBOUR, entropy=ENTROPY, now=NOW)

    assert made is None
    assert look(store, lambda it: snapshot_rows.newest(it.sql, HARBOUR)) is None
    assert look(store, lambda it: it.count("snap_part")) == 0


def test_a_customer_erased_a_second_time_while_it_was_made_is_not_in_any_snapshot(
    store: Store, batch: Batch
) -> None:
    write(batch, lambda it: erasure.erase_rows(it, "c7", at=NOW - 1))
    write(batch, put(people(30)))
    real = batch.run

    def run(work: Callable[[Transaction], Callable[[], Value]]) -> Value:
        def first(transaction: Transaction) -> Callable[[], None]:
            erasure.erase_rows(transaction, "c7", at=NOW)
            return lambda: None

        real(first)
        return real(work)

    batch.run = run  # type: ignore[method-assign,assignment]

    made = make(store, batch, HARBOUR, entropy=ENTROPY, now=NOW)

    assert made is None
    assert look(store, lambda it: it.count("snap_part")) == 0


def test_an_erasure_another_node_has_not_committed_is_not_overlooked(database: str) -> None:
    stores = [Store(database, fresh_epoch="e-1") for _ in range(3)]
    makes, erases = (Batch(it, on_commit=lambda _scopes: None) for it in stores[:2])
    write(makes, put(people(30)))
    is_erased, is_made = threading.Event(), threading.Event()

    def waits() -> int:
        locks = "SELECT COUNT(*) FROM pg_locks WHERE NOT granted"
        return look(stores[2], lambda it: int(it.sql.all(locks)[0][0]))

    def erase(transaction: Transaction) -> Callable[[], None]:
        erasure.erase_rows(transaction, "c7", at=NOW)
        is_erased.set()
        while not is_made.wait(timeout=0.001) and not waits():
            pass
        return lambda: None

    eraser = threading.Thread(target=erases.run, args=(erase,))
    real = makes.run

    def run(work: Callable[[Transaction], Callable[[], Value]]) -> Value:
        if eraser.ident is None:  # what it is made of was read
            eraser.start()
            assert is_erased.wait(timeout=30)
        return real(work)

    makes.run = run  # type: ignore[method-assign,assignment]
    try:
        make(stores[0], makes, HARBOUR, entropy=ENTROPY, now=NOW)
    finally:
        is_made.set()
        eraser.join(timeout=30)

    assert look(stores[2], lambda it: snapshot_rows.newest(it.sql, HARBOUR)) is None
    assert look(stores[2], lambda it: it.count("snap_part")) == 0
    for it in stores:
        it.close()


def test_an_empty_or_unknown_scope_has_none(store: Store, batch: Batch) -> None:
    assert make(store, batch, "s:nowhere", entropy=ENTROPY, now=NOW) is None
