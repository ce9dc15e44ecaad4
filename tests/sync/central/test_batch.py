"""Many writers at once: all durable, each alone when it fails, written together."""

import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from sync.central.batch import Batch
from sync.central.store import GLOBAL, Snapshot, Store, Transaction
from sync.model.errors import StoreError
from sync.model.records import Product
from sync.model.row import Row, row_of


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    opened = Store(tmp_path / "centre.db", fresh_epoch="e")
    yield opened
    opened.close()


def product(index: int) -> Row:
    return row_of(Product(f"p{index}", "Scarf", "wool"), owner="", as_of=1, source="erp")


def putting(index: int) -> Callable[[Transaction], Callable[[], int]]:
    def work(transaction: Transaction) -> Callable[[], int]:
        transaction.put(product(index))
        return lambda: next(iter(transaction.read.rows_at(f"product/p{index}", [GLOBAL]))).seq

    return work


def failing(transaction: Transaction) -> Callable[[], int]:
    transaction.put(product(99))
    raise KeyError("broken")


def look(store: Store, question: Callable[[Snapshot], object]) -> object:
    with store.reading() as snapshot:
        return question(snapshot)


def test_each_writer_learns_its_own_number_after_it_is_durable(store: Store) -> None:
    rung: list[tuple[str, ...]] = []
    batch = Batch(store, on_commit=rung.append)

    numbers = [batch.run(putting(index)) for index in range(3)]

    assert numbers == [1, 2, 3]
    assert rung == [(GLOBAL,)] * 3


def test_writers_that_come_together_are_written_together(store: Store) -> None:
    commits: list[tuple[str, ...]] = []
    is_inside, may_go_on = threading.Event(), threading.Event()
    batch = Batch(store, on_commit=commits.append)

    def slow(transaction: Transaction) -> Callable[[], int]:
        is_inside.set()
        assert may_go_on.wait(timeout=30)
        return putting(0)(transaction)

    numbers: list[int] = []
    threads = [threading.Thread(target=lambda: numbers.append(batch.run(slow)))]
    threads[0].start()
    assert is_inside.wait(timeout=30)
    for index in range(1, 21):
        threads.append(
            threading.Thread(target=lambda it=index: numbers.append(batch.run(putting(it))))
        )
        threads[-1].start()
    while len(batch._waiting) < 20:
        assert any(thread.is_alive() for thread in threads)
    may_go_on.set()
    for thread in threads:
        thread.join(timeout=30)

    assert sorted(numbers) == list(range(1, 22))
    assert len(commits) == 2


def test_a_writer_that_fails_fails_alone(store: Store) -> None:
    batch = Batch(store, on_commit=lambda _scopes: None)

    with pytest.raises(KeyError):
        batch.run(failing)
    number = batch.run(putting(1))

    assert number == 1
    assert look(store, lambda it: it.count("doc")) == 1


def test_when_the_disk_fails_nobody_in_the_transaction_believes_otherwise(
    store: Store,
) -> None:
    rung: list[tuple[str, ...]] = []
    batch = Batch(store, on_commit=rung.append)

    def lost(transaction: Transaction) -> Callable[[], int]:
        transaction.put(product(5))
        raise StoreError("the disk")

    with pytest.raises(StoreError):
        batch.run(lost)

    assert rung == []
    assert look(store, lambda it: it.count("doc")) == 0
    assert batch.run(putting(1)) == 1


def test_a_reader_sees_one_moment_while_others_write(store: Store) -> None:
    batch = Batch(store, on_commit=lambda _scopes: None)
    batch.run(putting(1))

    with store.reading() as snapshot:
        before = snapshot.head(GLOBAL)
        batch.run(putting(2))
        rows = snapshot.rows_since(GLOBAL, 0, limit=10)

    assert before == 1
    assert len(rows) == 1
    assert look(store, lambda it: it.head(GLOBAL)) == 2


def test_readers_cannot_write(store: Store) -> None:
    with store.reading() as snapshot, pytest.raises(StoreError):
        snapshot._sql.run("DELETE FROM meta")
