"""Many writers at once: all durable, each alone when it fails, written together, also from several nodes."""

import threading
from collections import Counter
from collections.abc import Callable, Iterator

import msgspec
import pytest

from sync.central.batch import Batch, Work
from sync.central.errors import StoreConflict, StoreUnreachable
from sync.central.moment import Snapshot
from sync.central.op_rows import OpRecord
from sync.central.scopes import GLOBAL
from sync.central.store import Store
from sync.central.transaction import Transaction, owner_lock
from sync.model.errors import StoreError, StoreFull
from sync.model.records import Customer, Product
from sync.model.row import Row, row_of
from sync.model.sums import SUM_MASK, pointer_hash
from tests.support.postgres import Server

WAIT_S = 30


@pytest.fixture
def store(laid_database: str) -> Iterator[Store]:
    opened = Store(laid_database, fresh_epoch="e")
    yield opened
    opened.close()


def quiet(_scopes: tuple[str, ...]) -> None:
    """Nobody listens."""


def product(index: int, title: str = "Scarf") -> Row:
    return row_of(Product(f"p{index}", title, "wool"), owner="", as_of=1, source="erp")


def putting(index: int) -> Work[int]:
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


def together(*jobs: Callable[[], object]) -> list[BaseException | None]:
    """Run these at once; what each raised."""
    errors: list[BaseException | None] = [None] * len(jobs)

    def run(index: int) -> None:
        try:
            jobs[index]()
        except (Exception, KeyboardInterrupt) as error:  # noqa: BLE001  # it is what we return
            errors[index] = error

    threads = [threading.Thread(target=run, args=(index,)) for index in range(len(jobs))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=WAIT_S)
        assert not thread.is_alive()
    return errors


def in_one_transaction(
    batch: Batch, first: Work[object], *others: Work[object]
) -> list[BaseException | None]:
    """Do these in one transaction; what each raised."""
    is_inside, may_go_on = threading.Event(), threading.Event()

    def slow(transaction: Transaction) -> Callable[[], object]:
        is_inside.set()
        assert may_go_on.wait(timeout=WAIT_S)
        return lambda: None

    def hold() -> None:
        batch.run(slow)

    def then(work: Work[object]) -> Callable[[], object]:
        def run() -> object:
            assert is_inside.wait(timeout=WAIT_S)
            return batch.run(work)

        return run

    def let_go() -> None:
        assert is_inside.wait(timeout=WAIT_S)
        while len(batch._waiting) < 1 + len(others):
            assert not may_go_on.wait(timeout=0.001)
        may_go_on.set()

    return together(hold, let_go, then(first), *map(then, others))[2:]


def test_each_writer_learns_its_own_number_after_it_is_durable(store: Store) -> None:
    rung: list[tuple[str, ...]] = []
    batch = Batch(store, on_commit=rung.append)

    numbers = [batch.run(putting(index)) for index in range(3)]

    assert numbers == [1, 2, 3]
    assert rung == [(GLOBAL,)] * 3


def test_writers_that_come_together_are_written_together(store: Store) -> None:
    commits: list[tuple[str, ...]] = []
    batch = Batch(store, on_commit=commits.append)
    numbers: list[int] = []

    def work(index: int) -> Work[object]:
        def put(transaction: Transaction) -> Callable[[], object]:
            finish = putting(index)(transaction)
            return lambda: numbers.append(finish())

        return put

    in_one_transaction(batch, *(work(index) for index in range(20)))

    assert sorted(numbers) == list(range(1, 21))
    assert len(commits) == 1


def test_a_writer_that_fails_fails_alone(store: Store) -> None:
    batch = Batch(store, on_commit=quiet)

    errors = in_one_transaction(batch, putting(1), failing, putting(2))

    assert [type(error) for error in errors] == [type(None), KeyError, type(None)]
    assert look(store, lambda it: it.count("doc")) == 2


def test_when_the_disk_fails_nobody_in_the_transaction_believes_otherwise(store: Store) -> None:
    rung: list[tuple[str, ...]] = []
    batch = Batch(store, on_commit=rung.append)

    def full(transaction: Transaction) -> Callable[[], int]:
        transaction.put(product(5))
        raise StoreFull("the disk")

    errors = in_one_transaction(batch, putting(1), full, putting(2))

    assert [type(error) for error in errors] == [StoreFull] * 3
    assert rung == []
    assert look(store, lambda it: it.count("doc")) == 0
    assert batch.run(putting(1)) == 1


def test_one_that_breaks_the_transaction_itself_does_not_take_the_others_along(
    store: Store,
) -> None:
    batch = Batch(store, on_commit=quiet)

    def poison(transaction: Transaction) -> Callable[[], int]:
        raise StoreError("whatever the database says of it")

    errors = in_one_transaction(batch, *map(putting, range(5)), poison, *map(putting, (7, 8)))

    assert [type(error) for error in errors] == [
        *[type(None)] * 5,
        StoreError,
        *[type(None)] * 2,
    ]
    assert look(store, lambda it: it.count("doc")) == 7


def test_a_writer_who_is_interrupted_leaves_nobody_waiting_and_nothing_written(
    store: Store,
) -> None:
    rung: list[tuple[str, ...]] = []
    batch = Batch(store, on_commit=rung.append)

    def interrupted(transaction: Transaction) -> Callable[[], int]:
        transaction.put(product(5))
        raise KeyboardInterrupt

    errors = in_one_transaction(batch, putting(1), interrupted, putting(2))

    assert Counter(map(type, errors)) == {KeyboardInterrupt: 1, StoreError: 2}
    assert {str(error) for error in errors if isinstance(error, StoreError)} == {"interrupted"}
    assert rung == []
    assert look(store, lambda it: it.count("doc")) == 0
    assert batch.run(putting(1)) == 1


def test_who_is_in_anothers_way_is_tried_again_and_at_last_told(store: Store) -> None:
    batch = Batch(store, on_commit=quiet)
    n_tried = 0

    def unlucky(n_conflicts: int) -> Work[int]:
        def work(transaction: Transaction) -> Callable[[], int]:
            nonlocal n_tried
            n_tried += 1
            transaction.put(product(n_tried))
            if n_tried <= n_conflicts:
                raise StoreConflict
            return lambda: n_tried

        return work

    assert batch.run(unlucky(3)) == 4
    assert look(store, lambda it: it.count("doc")) == 1
    n_tried = 0
    with pytest.raises(StoreConflict):
        batch.run(unlucky(1_000))


def test_a_reader_sees_one_moment_while_others_write(store: Store) -> None:
    batch = Batch(store, on_commit=quiet)
    batch.run(putting(1))

    with store.reading() as snapshot:
        before = snapshot.head(GLOBAL)
        batch.run(putting(2))
        rows = snapshot.rows_since(GLOBAL, 0, limit=10)

    assert before == 1
    assert len(rows) == 1
    assert look(store, lambda it: it.head(GLOBAL)) == 2


# Several nodes on one PostgreSQL


@pytest.fixture
def nodes(database: str) -> Iterator[tuple[Store, Store, Store]]:
    opened = tuple(Store(database, fresh_epoch="e") for _ in range(3))
    yield opened[0], opened[1], opened[2]
    for store in opened:
        store.close()


def counting(key: str, *, by: int = 1) -> Work[int]:
    """Reads a number and writes the next one, as a handler does."""

    def work(transaction: Transaction) -> Callable[[], int]:
        row = transaction.read.row(f"product/{key}")
        number = 0
        if row is not None:
            assert isinstance(row.body, Product)
            number = int(row.body.title)
        body = Product(key, str(number + by), "wool")
        transaction.put(row_of(body, owner="", as_of=1, source="erp"))
        return lambda: number + by

    return work


@pytest.mark.parametrize("is_declared", [True, False], ids=["declared", "undeclared"])
def test_what_one_node_read_another_does_not_change_before_it_has_written(
    nodes: tuple[Store, ...], *, is_declared: bool
) -> None:
    keys = ["a", "b", "c"]

    def node(store: Store, turn: int) -> Callable[[], object]:
        def run() -> None:
            batch = Batch(store, on_commit=quiet)
            for index in range(40):
                key = keys[(index + turn) % 3]
                batch.run(counting(key), keys=[f"product/{key}"] if is_declared else [])

        return run

    errors = together(*(node(store, turn) for turn, store in enumerate(nodes)))

    assert errors == [None] * 3
    with nodes[0].reading() as snapshot:
        bodies = [row.body for key in keys if (row := snapshot.row(f"product/{key}"))]
    assert bodies == [Product(key, "40", "wool") for key in keys]


def test_nodes_that_want_the_same_rows_in_another_order_all_get_them(
    nodes: tuple[Store, ...],
) -> None:
    def node(store: Store, order: list[str]) -> Callable[[], object]:
        def work(transaction: Transaction) -> Callable[[], None]:
            for key in order:
                counting(key)(transaction)
            return lambda: None

        def run() -> None:
            batch = Batch(store, on_commit=quiet)
            for _ in range(25):
                batch.run(work)

        return run

    keys = ["a", "b", "c", "d"]
    errors = together(node(nodes[0], keys), node(nodes[1], keys[::-1]))

    assert errors == [None, None]
    row = look(nodes[0], lambda it: it.row("product/a"))
    assert isinstance(row, Row)
    assert row.version == 50


def test_the_same_operation_at_two_nodes_is_applied_once(nodes: tuple[Store, ...]) -> None:
    applied: Counter[str] = Counter()

    def node(store: Store) -> Callable[[], object]:
        def apply(op: str) -> Work[None]:
            def work(transaction: Transaction) -> Callable[[], None]:
                is_new = transaction.reserve_op(op)
                if is_new:
                    record = OpRecord(op, "d", "k", "applied", "", "", (), 1)
                    transaction.add_op(record, raw=b"{}")
                    counting("a")(transaction)
                return lambda: applied.update([op] if is_new else [])

            return work

        def run() -> None:
            batch = Batch(store, on_commit=quiet)
            for index in range(30):
                batch.run(apply(f"op-{index}"), ops=[f"op-{index}"])

        return run

    errors = together(*map(node, nodes))

    assert errors == [None] * 3
    assert set(applied.values()) == {1}
    row = look(nodes[0], lambda it: it.row("product/a"))
    assert isinstance(row, Row)
    assert row.version == 30


def test_what_two_nodes_decide_at_once_is_decided_once(nodes: tuple[Store, ...]) -> None:
    ops = [f"op-{index}" for index in range(20)]
    held = [OpRecord(op, "d", "k", "held", "", "", (), 1) for op in ops]

    def keep(transaction: Transaction) -> Callable[[], None]:
        for record in held:
            transaction.add_op(record, raw=b"{}")
        return lambda: None

    def deciding(record: OpRecord) -> Work[None]:
        def work(transaction: Transaction) -> Callable[[], None]:
            known = transaction.read.op(record.id)
            assert known is not None
            if known.status == "held":
                counting("a")(transaction)
                transaction.settle_op(msgspec.structs.replace(known, status="applied"))
            return lambda: None

        return work

    def node(store: Store) -> Callable[[], object]:
        def run() -> None:
            batch = Batch(store, on_commit=quiet)
            for record in held:
                batch.run(deciding(record), ops=[record.id])

        return run

    Batch(nodes[0], on_commit=quiet).run(keep)
    errors = together(*map(node, nodes))

    assert errors == [None] * 3
    row = look(nodes[0], lambda it: it.row("product/a"))
    assert isinstance(row, Row)
    assert row.version == len(ops)


@pytest.mark.parametrize("is_row_first", [True, False], ids=["row first", "holder first"])
def test_a_row_written_while_another_node_begins_to_hold_its_owner_is_held(
    nodes: tuple[Store, ...], postgres: Server, *, is_row_first: bool
) -> None:
    is_inside = threading.Event()

    def write(transaction: Transaction) -> None:
        transaction.put(row_of(Customer("c1", "Lena"), owner="c1", as_of=1, source="crm"))

    def hold(transaction: Transaction) -> None:
        transaction.add_interest("s:harbour", "c1")

    changes = (write, hold) if is_row_first else (hold, write)

    def first(transaction: Transaction) -> Callable[[], None]:
        changes[0](transaction)
        is_inside.set()
        until_somebody_waits(postgres)
        return lambda: None

    def second(transaction: Transaction) -> Callable[[], None]:
        changes[1](transaction)
        return lambda: None

    def run_second() -> None:
        assert is_inside.wait(timeout=WAIT_S)
        Batch(nodes[1], on_commit=quiet).run(second)

    errors = together(
        lambda: Batch(nodes[0], on_commit=quiet).run(first, keys=[owner_lock("c1")]), run_second
    )

    assert errors == [None, None]
    with nodes[2].reading() as snapshot:
        (row,) = snapshot.rows_since("s:harbour", 0, limit=9)
        scope = snapshot.scope("s:harbour")
    assert row.key == "customer/c1"
    assert scope is not None
    assert (scope.count, scope.sum) == (
        1,
        pointer_hash(row.key, row.seq, row.version) & SUM_MASK,
    )


def until_somebody_waits(postgres: Server) -> None:
    """Return when a writer waits for a name that another one holds."""
    for _ in range(10_000):
        if postgres.run_sql(
            "SELECT 1 FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"
        ):
            return
    raise AssertionError("nobody waits")


def test_a_reader_that_follows_the_numbers_misses_none_while_three_nodes_write(
    nodes: tuple[Store, ...],
) -> None:
    is_over = threading.Event()
    seen: list[int] = []

    def follow() -> None:
        at = 0
        while True:
            was_over = is_over.is_set()
            with nodes[0].reading() as snapshot:
                rows = snapshot.rows_since(GLOBAL, at, limit=1_000)
                head = snapshot.head(GLOBAL)
            numbers = [row.seq for row in rows]
            seen.extend(numbers)
            at = numbers[-1] if numbers else at
            assert at == head
            if was_over:
                return

    def node(first: int) -> Callable[[], object]:
        def run() -> None:
            batch = Batch(nodes[first], on_commit=quiet)
            for index in range(50):
                batch.run(putting(first * 1_000 + index))

        return run

    def write() -> None:
        try:
            assert together(*(node(index) for index in range(3))) == [None] * 3
        finally:
            is_over.set()

    errors = together(follow, write)

    assert errors == [None, None]
    assert seen == list(range(1, 151))


def test_a_write_that_locks_more_than_the_server_has_room_for_locks_all_instead(
    nodes: tuple[Store, ...],
) -> None:
    def work(transaction: Transaction) -> Callable[[], int]:
        for index in range(2_500):
            transaction.put(product(index))
        return lambda: 1

    keys = [f"product/p{index}" for index in range(2_500)]

    errors = together(
        lambda: Batch(nodes[0], on_commit=quiet).run(work, keys=keys),
        lambda: Batch(nodes[1], on_commit=quiet).run(work, keys=keys[::-1]),
    )

    assert errors == [None, None]
    assert look(nodes[2], lambda it: it.head(GLOBAL)) == 5_000


def test_a_connection_the_server_ended_is_thrown_away_and_the_next_one_works(
    nodes: tuple[Store, ...], postgres: Server
) -> None:
    batch = Batch(nodes[0], on_commit=quiet)
    batch.run(putting(1))

    def cut(transaction: Transaction) -> Callable[[], int]:
        transaction.put(product(2))
        postgres.run_sql(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE application_name = 'tapthread central'"
        )
        return lambda: 1

    with pytest.raises(StoreUnreachable):
        batch.run(cut)

    assert batch.run(putting(3)) == 2
    assert look(nodes[0], lambda it: it.count("doc")) == 2
