"""What the centre's database holds and says, the same on each database it can be."""

import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeVar

import msgspec
import pytest

from hardware.entropy import SeededEntropy
from sync.central import (
    alerts,
    band_rows,
    device_rows,
    erasure,
    forgetting,
    housekeeping,
    interests,
    op_rows,
    snapshot_rows,
    wants,
)
from sync.central.device_rows import DeviceRecord, LineageRecord
from sync.central.doc_rows import ROW_SIZE_MAX
from sync.central.errors import StoreUnreachable
from sync.central.feed import PAGE_SIZE_MAX
from sync.central.housekeeping import FINE_MARKS_US
from sync.central.moment import Snapshot
from sync.central.op_rows import OpRecord
from sync.central.schema import MIGRATIONS
from sync.central.scopes import GLOBAL, HOUR_US
from sync.central.snapshot_rows import PartRecord, SnapshotRecord
from sync.central.store import Store
from sync.central.transaction import Transaction
from sync.model.errors import Malformed, StoreError
from sync.model.records import Band, ContactPoint, Customer, Order, Product
from sync.model.row import Row, row_of
from sync.model.sums import SUM_MASK, pointer_hash
from sync.model.wire import ANSWER_SIZE_MAX, Mark, Want

NOW = 1_790_000_000_000_000
HARBOUR, STATION = "s:harbour", "s:station"

Value = TypeVar("Value")


@pytest.fixture
def store(laid_database: str) -> Iterator[Store]:
    opened = Store(laid_database, fresh_epoch="e-1", entropy=SeededEntropy("store"))
    yield opened
    opened.close()


def write(store: Store, change: Callable[[Transaction], Value], *, now: int = NOW) -> Value:
    with store.writing() as transaction:
        value = change(transaction)
        transaction.take_heads(now)
    return value


def look(store: Store, question: Callable[[Snapshot], Value]) -> Value:
    with store.reading() as snapshot:
        return question(snapshot)


def product(index: int, title: str = "Scarf") -> Row:
    return row_of(Product(f"p{index}", title, "wool"), owner="", as_of=1, source="erp")


def customer(owner: str, name: str = "Lena") -> Row:
    return row_of(Customer(owner, name), owner=owner, as_of=1, source="crm")


def phone(owner: str, value: str) -> Row:
    return row_of(
        ContactPoint(f"{owner}-1", "phone", value), owner=owner, as_of=1, source="crm"
    )


def op(op_id: str = "op-1", *, status: str = "applied", owner: str = "c1") -> OpRecord:
    return OpRecord(
        op_id, "d1", "note_case", status, "", "", ("case/k1",), NOW, "harbour", owner
    )


def put_all(*rows: Row) -> Callable[[Transaction], None]:
    def change(transaction: Transaction) -> None:
        for row in rows:
            transaction.put(row)

    return change


def hold(scope: str, owner: str, until: int = 0) -> Callable[[Transaction], None]:
    return lambda it: it.add_interest(scope, owner, until=until)


def keys_of(store: Store, scope: str) -> list[tuple[str, bool]]:
    return look(
        store, lambda it: [(r.key, r.is_gone) for r in it.rows_since(scope, 0, limit=99)]
    )


def failing(transaction: Transaction, change: Callable[[], None]) -> None:
    """A part in which this is done and which then fails."""

    def part() -> None:
        with transaction.part():
            change()
            raise KeyError

    with pytest.raises(KeyError):
        part()


def assert_sums_hold(store: Store) -> None:
    with store.reading() as snapshot:
        for scope in snapshot.every_scope():
            rows = [r for r in snapshot.rows_since(scope.id, 0, limit=9_999) if not r.is_gone]
            total = sum(pointer_hash(r.key, r.seq, r.version) for r in rows) & SUM_MASK
            assert (scope.count, scope.sum) == (len(rows), total)
            assert sum(h for _, h in wants.pointers(snapshot.sql, scope.id)) & SUM_MASK == total


def test_a_row_without_an_owner_goes_everywhere_and_one_with_an_owner_where_it_is_held(
    store: Store,
) -> None:
    write(store, hold(HARBOUR, "c1"))

    write(store, put_all(product(1), customer("c1"), customer("c2")))

    assert keys_of(store, GLOBAL) == [("product/p1", False)]
    assert keys_of(store, HARBOUR) == [("customer/c1", False)]
    assert_sums_hold(store)


def test_a_change_moves_a_row_to_the_head_and_counts_its_version(store: Store) -> None:
    write(store, put_all(product(1), product(2)))

    write(store, put_all(product(1, "Hat")))

    rows = look(store, lambda it: it.rows_since(GLOBAL, 0, limit=9))
    assert [(row.key, row.seq, row.version) for row in rows] == [
        ("product/p2", 2, 1),
        ("product/p1", 3, 2),
    ]
    assert b"Hat" in rows[1].body
    assert_sums_hold(store)


def test_a_row_written_twice_in_one_transaction_moves_once_with_both_versions_counted(
    store: Store,
) -> None:
    write(store, put_all(product(1, "Hat"), product(1, "Cap")))

    (row,) = look(store, lambda it: it.rows_since(GLOBAL, 0, limit=9))
    assert (row.seq, row.version) == (1, 2)
    assert b"Cap" in row.body


def test_a_scope_that_begins_to_hold_a_customer_gets_what_is_there(store: Store) -> None:
    write(store, put_all(customer("c1"), phone("c1", "+49 40 123")))

    write(store, hold(STATION, "c1"))

    assert keys_of(store, STATION) == [("contact/c1-1", False), ("customer/c1", False)]
    assert_sums_hold(store)


def test_what_leaves_a_scope_is_said_there_and_taken_out_of_its_sum(store: Store) -> None:
    write(store, hold(HARBOUR, "c1"))
    write(store, put_all(customer("c1"), phone("c1", "1")))

    write(store, lambda it: it.end_interest(HARBOUR, "c1"))

    assert [is_gone for _, is_gone in keys_of(store, HARBOUR)] == [True, True]
    scope = look(store, lambda it: it.scope(HARBOUR))
    assert scope is not None
    assert (scope.head, scope.count, scope.sum) == (4, 0, 0)


def test_a_row_said_to_go_to_one_scope_goes_there_alone_and_stays_there(store: Store) -> None:
    write(store, hold(STATION, "c1"))

    write(store, lambda it: it.put(customer("c1"), scope=HARBOUR))
    write(store, put_all(customer("c1", "Lena M.")))

    assert keys_of(store, STATION) == []
    assert keys_of(store, HARBOUR) == [("customer/c1", False)]
    assert_sums_hold(store)


def test_a_row_of_another_owner_than_before_changes_its_scopes(store: Store) -> None:
    write(store, hold(HARBOUR, "c1"))
    write(store, hold(STATION, "c2"))
    write(store, put_all(phone("c1", "1")))

    write(store, put_all(msgspec.structs.replace(phone("c1", "1"), owner="c2")))

    assert keys_of(store, HARBOUR) == [("contact/c1-1", True)]
    assert keys_of(store, STATION) == [("contact/c1-1", False)]
    assert_sums_hold(store)


def test_an_interest_ends_when_its_time_is_over(store: Store) -> None:
    write(store, put_all(customer("c1"), customer("c2")))
    write(store, hold(HARBOUR, "c1", NOW + 5))
    write(store, hold(HARBOUR, "c2"))

    early = write(store, lambda it: interests.end_over(it, NOW + 4))
    late = write(store, lambda it: interests.end_over(it, NOW + 5))

    assert (early, late) == (0, 1)
    assert keys_of(store, HARBOUR) == [("customer/c2", False), ("customer/c1", True)]
    assert_sums_hold(store)


def test_an_interest_is_only_ever_prolonged(store: Store) -> None:
    def until() -> list[int]:
        return look(store, lambda it: [one.until for one in interests.of_owner(it.sql, "c1")])

    write(store, hold(HARBOUR, "c1", NOW + 9 * HOUR_US))
    write(store, hold(HARBOUR, "c1", NOW + 2 * HOUR_US))
    assert until() == [NOW + 9 * HOUR_US]
    write(store, hold(HARBOUR, "c1", NOW + 11 * HOUR_US))
    assert until() == [NOW + 11 * HOUR_US]
    write(store, hold(HARBOUR, "c1", 0))
    write(store, hold(HARBOUR, "c1", NOW + 99 * HOUR_US))

    assert until() == [0]


def test_a_part_that_fails_takes_back_its_own_changes_alone(store: Store) -> None:
    def change(transaction: Transaction) -> None:
        def part() -> None:
            transaction.put(product(1, "Cap"))
            transaction.put(product(2))
            transaction.add_op(op(), raw=b"{}")
            transaction.add_interest(HARBOUR, "c1")

        transaction.put(product(1, "Hat"))
        failing(transaction, part)
        transaction.put(product(3))

    write(store, change)

    assert keys_of(store, GLOBAL) == [("product/p1", False), ("product/p3", False)]
    row = look(store, lambda it: it.row("product/p1"))
    assert row is not None
    assert (row.version, row.body) == (1, Product("p1", "Hat", "wool"))
    assert look(store, lambda it: (it.count("op"), it.count("interest"))) == (0, 0)
    assert_sums_hold(store)


def test_parts_in_parts_that_also_write_directly_are_taken_back_each_alone(
    store: Store,
) -> None:
    def change(transaction: Transaction) -> None:
        def inner(index: int) -> None:
            transaction.put(product(index))
            transaction.put(product(1, f"Changed by {index}"))
            alerts.add(transaction, f"a{index}", "d1", at=NOW)
            transaction.put(product(index + 1))

        def outer() -> None:
            transaction.add_op(op(), raw=b"{}")
            with transaction.part():
                inner(40)

        transaction.put(product(1))
        with transaction.part():
            transaction.put(product(10))
            failing(transaction, lambda: inner(20))
            with transaction.part():
                inner(30)
        failing(transaction, outer)
        transaction.add_op(op("op-2"), raw=b"{}")

    write(store, change)

    live = {key for key, _ in keys_of(store, GLOBAL)}
    assert live == {"product/p1", "product/p10", "product/p30", "product/p31"}
    assert look(store, lambda it: [one.code for one in alerts.newest(it.sql)]) == ["a30"]
    row = look(store, lambda it: it.row("product/p1"))
    assert row is not None
    assert (row.version, row.body) == (2, Product("p1", "Changed by 30", "wool"))
    assert look(store, lambda it: (it.op("op-1"), it.op("op-2"))) == (None, op("op-2"))
    assert_sums_hold(store)


def test_a_transaction_that_fails_leaves_nothing(store: Store) -> None:
    def change(transaction: Transaction) -> None:
        transaction.put(product(1))
        alerts.add(transaction, "a", "d", at=NOW)
        raise KeyError

    with pytest.raises(KeyError):
        write(store, change)

    assert look(store, lambda it: (it.count("doc"), it.count("alert"))) == (0, 0)


def test_a_transaction_reads_what_it_wrote(store: Store) -> None:
    def change(transaction: Transaction) -> tuple[object, ...]:
        transaction.put(customer("c1"))
        transaction.put(phone("c1", "0049 (40) 123-45"))
        transaction.add_op(op(status="held"), raw=b"{}")
        return (
            transaction.read.row("customer/c1") is not None,
            wants.owner_of(transaction.read.sql, Want(contact="+494012345")),
            transaction.read.op("op-1"),
            [it.id for it in transaction.read.held()],
        )

    assert write(store, change) == (True, "c1", op(status="held"), ["op-1"])


def test_rows_after_the_heads_are_taken_are_the_same_from_memory_and_from_the_database(
    store: Store,
) -> None:
    write(store, hold(HARBOUR, "c1"))

    with store.writing() as transaction:
        transaction.put(customer("c1"))
        transaction.put(product(1))
        transaction.take_heads(NOW)
        keys = ("customer/c1", "product/p1")
        inside = [
            row for key in keys for row in transaction.read.rows_at(key, (HARBOUR, GLOBAL))
        ]

    with store.reading() as snapshot:
        outside = [row for key in keys for row in snapshot.rows_at(key, (HARBOUR, GLOBAL))]
    assert inside == outside
    assert [row.key for row in inside] == list(keys)


@pytest.mark.parametrize(
    ("want", "owner"),
    [
        (Want(owner="c1"), "c1"),
        (Want(owner="nobody"), ""),
        (Want(band="b1"), "c1"),
        (Want(order="W-1"), "c1"),
        (Want(contact="+49 40 / 123 45"), "c1"),
        (Want(contact="LENA@example.org "), "c1"),
        (Want(contact="shared@example.org"), ""),
        (Want(contact=""), ""),
        (Want(), ""),
    ],
)
def test_a_customer_is_found_by_what_people_know_of_them(
    store: Store, want: Want, owner: str
) -> None:
    def of(holder: str, number: int, value: str) -> Row:
        body = ContactPoint(f"{holder}-{number}", "any", value)
        return row_of(body, owner=holder, as_of=1, source="crm")

    write(
        store,
        put_all(
            customer("c1"), of("c1", 1, "0049 40 12345"), of("c1", 2, "lena@Example.org"),
            of("c1", 3, "shared@example.org"), of("c2", 3, "shared@example.org"),
            row_of(Band("b1", "active"), owner="c1", as_of=1, source="crm"),
            row_of(Order("W-1", 1, "web", "paid", (), 0), owner="c1", as_of=1, source="crm"),
        ),
    )  # fmt: skip

    assert look(store, lambda it: wants.owner_of(it.sql, want)) == owner


def test_every_commit_leaves_a_mark_at_the_head_of_each_scope_it_moved(store: Store) -> None:
    write(store, put_all(product(1)))
    write(store, put_all(product(2), product(3)), now=NOW + 1)

    marks = look(store, lambda it: [it.newest_mark(GLOBAL, seq) for seq in range(4)])

    assert marks[0] is None
    assert [mark.seq for mark in marks[1:] if mark] == [1, 1, 3]
    assert [mark.is_kept for mark in marks[1:] if mark] == [True, True, False]
    assert marks[1] is not None
    first = marks[1]
    assert look(store, lambda it: it.knows_mark(GLOBAL, Mark(1, first.token)))
    assert not look(store, lambda it: it.knows_mark(GLOBAL, Mark(1, "other")))
    assert look(store, lambda it: it.oldest_fine_mark(GLOBAL)) == 3


def test_after_a_day_one_mark_an_hour_stays_and_the_newest(store: Store) -> None:
    for index in range(6):
        write(store, put_all(product(index)), now=NOW + index * HOUR_US // 2)

    n_gone = write(
        store, lambda it: housekeeping.thin_marks(it, NOW + FINE_MARKS_US + 3 * HOUR_US)
    )

    known = look(store, lambda it: [it.newest_mark(GLOBAL, seq) for seq in range(1, 7)])
    kept = {mark.seq for mark in known if mark}
    assert 6 in kept
    assert (n_gone, len(kept)) == (2, 4)
    assert look(store, lambda it: it.oldest_fine_mark(GLOBAL)) == 6


def test_what_left_a_scope_is_forgotten_in_time_and_the_floor_says_so(store: Store) -> None:
    write(store, hold(HARBOUR, "c1"))
    write(store, put_all(customer("c1")), now=NOW)
    write(store, lambda it: it.end_interest(HARBOUR, "c1"), now=NOW + 5)
    write(store, hold(HARBOUR, "c2"))
    write(store, put_all(customer("c2")), now=NOW + 6)

    early = write(store, lambda it: housekeeping.drop_tombstones(it, NOW + 5))
    late = write(store, lambda it: housekeeping.drop_tombstones(it, NOW + 6))

    assert (early, late) == (0, 1)
    assert keys_of(store, HARBOUR) == [("customer/c2", False)]
    scope = look(store, lambda it: it.scope(HARBOUR))
    assert scope is not None
    assert (scope.head, scope.floor) == (3, 2)
    assert look(store, lambda it: it.newest_mark(HARBOUR, 1)) is None
    assert_sums_hold(store)


def test_an_erased_customer_leaves_every_scope_and_every_byte(store: Store) -> None:
    canary = "Zebulon-canary"
    write(store, hold(HARBOUR, "c1"))
    write(store, hold(STATION, "c1", NOW + HOUR_US))
    band = row_of(Band("b1", "active", canary), owner="c1", as_of=1, source="crm")

    def change(transaction: Transaction) -> None:
        put_all(customer("c1", canary), phone("c1", canary), band, customer("c2"))(transaction)
        band_rows.link_chip(transaction, "b1", b"\x04" * 7)
        transaction.add_op(op(), raw=canary.encode())

    write(store, change)
    record = SnapshotRecord(HARBOUR, 1, 3, "e-1", Mark(3, "t"), 3, 0, "key", NOW)
    part = PartRecord("hash", 0, 3, 9)
    write(store, lambda it: snapshot_rows.put(it, record, [(part, b"sealed")]))

    n_rows = write(store, lambda it: erasure.erase_rows(it, "c1", at=NOW + 1))

    assert n_rows == 3
    assert all(is_gone for _, is_gone in keys_of(store, HARBOUR) + keys_of(store, STATION))
    with store.reading() as snapshot:
        assert interests.of_owner(snapshot.sql, "c1") == []
        assert forgetting.erased_at(snapshot.sql, "c1") == NOW + 1
        assert [snapshot.count(t) for t in ("doc", "band_chip", "snapshot", "snap_part")] == [
            1,
            0,
            0,
            0,
        ]
        assert op_rows.raw_of(snapshot.sql, "op-1") == b""
        assert snapshot.op("op-1") is not None
    assert_sums_hold(store)


def test_an_operation_is_kept_with_its_own_bytes_and_what_was_decided(store: Store) -> None:
    raw = b"not even \xff text \x00"
    write(store, lambda it: it.add_op(op(status="held"), raw=raw))
    write(store, lambda it: it.add_op(op("op-2", status="held"), raw=b"{}"))

    (first, second) = look(store, lambda it: op_rows.inbox(it.sql, "harbour"))
    decided = msgspec.structs.replace(
        op(), status="void", decision="void", decided_by="Ana", reason="twice", decided_at=NOW
    )
    write(store, lambda it: it.settle_op(decided))

    assert (first.op, first.raw, first.store, first.owner) == ("op-1", raw, "harbour", "c1")
    assert look(store, lambda it: it.op("op-1")) == decided
    assert look(store, lambda it: op_rows.raw_of(it.sql, "op-1")) == raw
    assert look(store, lambda it: [one.op for one in op_rows.inbox(it.sql)]) == ["op-2"]
    assert look(store, lambda it: op_rows.inbox(it.sql, "harbour", after="op-2")) == []
    assert look(store, lambda it: op_rows.inbox(it.sql, "station")) == []
    assert second.op == "op-2"
    with pytest.raises(Malformed):
        write(store, lambda it: it.settle_op(op("nobody")))


def test_devices_lineages_cursors_and_alerts_are_kept(store: Store) -> None:
    device = DeviceRecord(
        "d1",
        "key",
        "harbour",
        "kiosk",
        "active",
        "l1",
        NOW,
        region="north",
        state_at=NOW - 1,
        is_cloned=True,
    )
    lineage = LineageRecord("d1", "l1", "t1", "t0", "op-1", "live", NOW)

    def change(transaction: Transaction) -> None:
        device_rows.put_device(transaction, device)
        device_rows.put_lineage(transaction, lineage)
        device_rows.note_cursor(transaction, "d1", HARBOUR, seq=5, at=NOW)
        device_rows.note_cursor(transaction, "d1", HARBOUR, seq=6, at=NOW + 1)
        alerts.add(transaction, "device_forked", "d1", at=NOW)
        alerts.add(transaction, "device_forked", "d1", at=NOW)

    write(store, change)

    with store.reading() as snapshot:
        assert device_rows.device(snapshot.sql, "d1") == device
        assert device_rows.devices(snapshot.sql) == [device]
        assert device_rows.lineage(snapshot.sql, "d1", "l1") == lineage
        assert device_rows.lineage(snapshot.sql, "d1", "l2") is None
        assert [(it.seq, it.at) for it in device_rows.cursors(snapshot.sql, HARBOUR)] == [
            (6, NOW + 1)
        ]
        assert device_rows.cursors(snapshot.sql, STATION) == []
        assert [it.code for it in alerts.newest(snapshot.sql)] == ["device_forked"]


def test_the_newest_snapshot_is_given_and_the_one_before_it_kept(store: Store) -> None:
    def keep(seq: int) -> None:
        record = SnapshotRecord(
            HARBOUR, 1, seq, "e-1", Mark(seq, "t"), seq, seq, f"key{seq}", NOW
        )
        parts = [(PartRecord(f"hash-{seq}-{n}", n, 5, 3), bytes([seq, n, 0])) for n in range(2)]
        write(store, lambda it: snapshot_rows.put(it, record, parts))

    for seq in (1, 2, 3):
        keep(seq)

    with store.reading() as snapshot:
        newest = snapshot_rows.newest(snapshot.sql, HARBOUR)
        assert newest is not None
        assert (newest.seq, newest.mark, newest.key) == (3, Mark(3, "t"), "key3")
        parts = snapshot_rows.parts(snapshot.sql, HARBOUR, 1, 3)
        assert [snapshot_rows.part(snapshot.sql, part.hash) for part in parts] == [
            b"\3\0\0",
            b"\3\1\0",
        ]
        assert snapshot_rows.part(snapshot.sql, "hash-2-0") == b"\2\0\0"
        assert snapshot_rows.part(snapshot.sql, "hash-1-0") is None
        assert snapshot_rows.scope_of_part(snapshot.sql, "hash-3-1") == HARBOUR
        assert snapshot_rows.newest(snapshot.sql, HARBOUR, 2) is None


@pytest.mark.parametrize(
    "row",
    [
        msgspec.structs.replace(product(1), key="product/\0"),
        msgspec.structs.replace(product(1), owner="c\0"),
        msgspec.structs.replace(product(1), as_of=2**63),
    ],
    ids=["key", "owner", "time"],
)
def test_a_value_that_one_database_cannot_hold_is_refused_by_both(
    store: Store, row: Row
) -> None:
    with pytest.raises(Malformed):
        write(store, put_all(row))


def test_a_row_too_large_for_any_answer_is_refused_where_it_is_written(store: Store) -> None:
    write(store, put_all(product(1, "x" * (ROW_SIZE_MAX - 1_000))))

    with pytest.raises(Malformed):
        write(store, put_all(product(2, "x" * ROW_SIZE_MAX)))

    assert look(store, lambda it: it.row("product/p1")) is not None
    assert 2 * ROW_SIZE_MAX + PAGE_SIZE_MAX < ANSWER_SIZE_MAX


def test_texts_are_ordered_by_their_bytes_on_both(store: Store) -> None:
    ids = ["Z", "a", "_", "\u00e4", "0", "a-b", "aB", "\U0001f9e3"]
    write(store, hold(HARBOUR, "c1"))
    write(
        store,
        put_all(*(row_of(Band(it, "active"), owner="c1", as_of=1, source="x") for it in ids)),
    )

    rows = look(store, lambda it: it.rows_of_owner("c1", HARBOUR))

    assert [row.key for row in rows] == sorted(f"band/{it}" for it in ids)


def test_readers_cannot_write(store: Store) -> None:
    with pytest.raises(StoreError), store.reading() as snapshot:
        snapshot._sql.run("DELETE FROM meta")

    assert look(store, lambda it: it.meta("epoch")) == "e-1"


def test_a_store_opened_again_is_the_same(any_database: str) -> None:
    first = Store(any_database, fresh_epoch="one")
    write(first, put_all(product(1)))
    first.close()

    second = Store(any_database, fresh_epoch="two")

    assert second.epoch == "one"
    assert look(second, lambda it: it.head(GLOBAL)) == 1
    second.close()


def test_a_file_of_the_first_schema_is_brought_up_to_date(tmp_path: Path) -> None:
    path = tmp_path / "centre.db"
    with sqlite3.connect(path) as raw:
        raw.executescript(MIGRATIONS[0])
        raw.execute("CREATE TABLE meta (name TEXT PRIMARY KEY, value TEXT NOT NULL)")
        raw.executemany("INSERT INTO meta VALUES (?, ?)", [("schema", "1"), ("epoch", "old")])
        raw.execute("INSERT INTO scope VALUES ('s:harbour', 3, 0, 'old')")
        for seq, (key, kind, gone) in enumerate(
            [
                ("customer/c1", "customer", 0),
                ("contact/k1", "contact", 0),
                ("band/b1", "band", 1),
            ],
            1,
        ):
            body = (
                '{"id":"k1","channel":"phone","value":"0049 40 1"}'
                if kind == "contact"
                else "{}"
            )
            raw.execute(
                "INSERT INTO doc VALUES (?, ?, 'c1', 2, 1, 'crm', ?)", (key, kind, body)
            )
            raw.execute("INSERT INTO ptr VALUES ('s:harbour', ?, ?, ?)", (key, seq, gone))
        raw.execute("INSERT INTO interest VALUES ('s:harbour', 'c1')")
        raw.execute(
            "INSERT INTO op VALUES ('op-1', 'd1', 'note', 'held', '', '', '[]', 5, ?)",
            ('{"store":"harbour","owner":"c1"}',),
        )
    raw.close()

    store = Store(path, fresh_epoch="new")

    assert store.epoch == "old"
    assert_sums_hold(store)
    with store.reading() as snapshot:
        assert wants.owner_of(snapshot.sql, Want(contact="+49401")) == "c1"
        (entry,) = op_rows.inbox(snapshot.sql, "harbour")
        assert (entry.owner, entry.raw) == ("c1", b'{"store":"harbour","owner":"c1"}')
        assert [it.until for it in interests.of_owner(snapshot.sql, "c1")] == [0]
    store.close()


def test_an_address_without_a_server_is_said_to_be_unreachable(tmp_path: Path) -> None:
    with pytest.raises(StoreUnreachable):
        Store(f"postgresql://nobody@/none?host={tmp_path}&connect_timeout=1", fresh_epoch="e")


def test_nothing_of_an_erased_customer_is_left_in_the_file(tmp_path: Path) -> None:
    canary = "Zebulon-canary"
    store = Store(tmp_path / "centre.db", fresh_epoch="e")
    rows = [customer(f"c{index}", canary if index == 50 else "Lena") for index in range(100)]
    write(store, put_all(*rows))
    write(store, put_all(customer("c50", f"{canary} again")))
    write(store, lambda it: it.add_op(op(owner="c50"), raw=canary.encode()))
    assert any(canary.encode() in path.read_bytes() for path in tmp_path.iterdir())

    write(store, lambda it: erasure.erase_rows(it, "c50", at=NOW))
    store.scrub()

    assert not any(canary.encode() in path.read_bytes() for path in tmp_path.iterdir())
    assert look(store, lambda it: it.count("doc")) == 99
    store.close()


def test_another_epoch_is_of_every_scope_and_of_those_to_come(any_database: str) -> None:
    store = Store(any_database, fresh_epoch="e-1")
    with store.writing() as transaction:
        transaction.add_interest("s:harbour", "lena")
        transaction.put(row_of(Customer("lena", "Lena"), owner="lena", as_of=1, source="crm"))
        transaction.put(row_of(Product("p1", "Scarf", "wool"), owner="", as_of=1, source="erp"))
        transaction.take_heads(1)

    n_scopes = store.begin_epoch("e-2")
    store.close()
    store = Store(any_database, fresh_epoch="e-3")

    with store.reading() as snapshot:
        assert {it.epoch for it in snapshot.every_scope()} == {"e-2"}
        assert n_scopes == len(list(snapshot.every_scope()))
    assert store.epoch == "e-2"
    store.close()
