"""The databases under the centre: what is the same on both, and which of our errors each failure becomes."""

import signal
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from sync.central.errors import StoreConflict, StoreUnreachable
from sync.central.schema import MIGRATIONS
from sync.central.sql import (
    BULK_MIN,
    Connection,
    Engine,
    PostgresEngine,
    SqliteEngine,
    lock_number,
    open_engine,
)
from sync.central.store import Store
from sync.model.errors import Malformed, StoreCorrupt, StoreError, StoreFull
from tests.support.postgres import USER, Server, server

WAIT_S = 30
INSERT = "INSERT INTO thing (name, n, raw) VALUES (:name, :n, :raw) ON CONFLICT (name) DO UPDATE SET n = excluded.n"


@pytest.fixture
def engine(any_database: str) -> Iterator[Engine]:
    opened = open_engine(any_database)
    with opened.writing() as sql:
        sql.run(
            "CREATE TABLE thing (name TEXT PRIMARY KEY, n BIGINT NOT NULL, raw BLOB NOT NULL)"
        )
    yield opened
    opened.close()


@pytest.fixture
def server_engine(database: str) -> Iterator[PostgresEngine]:
    opened = PostgresEngine(database)
    yield opened
    opened.close()


def things(engine: Engine) -> list[tuple[object, ...]]:
    with engine.reading() as sql:
        return sql.all("SELECT name, n, raw FROM thing ORDER BY name")


@pytest.mark.parametrize("count", [1, BULK_MIN - 1, BULK_MIN, 500])
def test_many_rows_are_written_as_one_would_be(engine: Engine, count: int) -> None:
    lines = [
        {"name": f"{index:04}", "n": index - 2**62, "raw": bytes([0, index % 256, 255])}
        for index in range(count)
    ]

    with engine.writing() as sql:
        n_written = sql.many(INSERT, lines)
        n_again = sql.many(INSERT, lines)
        n_none = sql.many(INSERT, [])

    assert (n_written, n_again, n_none) == (count, count, 0)
    assert things(engine) == [tuple(line.values()) for line in lines]


def test_many_rows_that_are_there_already_are_not_counted(engine: Engine) -> None:
    insert = "INSERT INTO thing (name, n, raw) VALUES (:name, :n, :raw) ON CONFLICT DO NOTHING"
    lines = [{"name": str(index), "n": 1, "raw": b""} for index in range(9)]

    with engine.writing() as sql:
        sql.many(insert, lines[:4])
        n_new = sql.many(insert, lines)

    assert n_new == 5


@pytest.mark.parametrize("names", [[], ["a"], ["a", "c", "none", "quoted \" ' %s :x"]])
def test_a_statement_can_ask_for_each_of_a_list(engine: Engine, names: list[str]) -> None:
    with engine.writing() as sql:
        sql.many(INSERT, [{"name": name, "n": 1, "raw": b""} for name in "abc"])

    with engine.reading() as sql:
        found = sql.all(
            "SELECT name FROM thing WHERE name IN [:names] ORDER BY name", names=names
        )

    assert [name for (name,) in found] == sorted(set(names) & set("abc"))


@pytest.mark.parametrize(
    "value",
    [{"n": 2**63}, {"n": -(2**63) - 1}, {"name": "\ud800"}],
    ids=["large", "small", "half"],
)
def test_a_value_no_database_can_hold_is_malformed(
    engine: Engine, value: dict[str, object]
) -> None:
    line = {"name": "a", "n": 1, "raw": b"", **value}

    with pytest.raises(Malformed), engine.writing() as sql:
        sql.run(INSERT, **line)

    assert things(engine) == []


def test_a_write_that_raises_leaves_nothing_and_the_next_one_works(engine: Engine) -> None:
    def fail() -> None:
        with engine.writing() as sql:
            sql.run(INSERT, name="a", n=1, raw=b"")
            raise KeyError

    with pytest.raises(KeyError):
        fail()
    with pytest.raises(StoreError), engine.writing() as sql:
        sql.run("this is no statement")
    with engine.writing() as sql:
        sql.run(INSERT, name="b", n=1, raw=b"")

    assert [name for name, *_ in things(engine)] == ["b"]


def test_an_interrupt_in_the_middle_leaves_nothing(engine: Engine) -> None:
    def interrupted() -> None:
        with engine.writing() as sql:
            sql.run(INSERT, name="a", n=1, raw=b"")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()

    assert things(engine) == []


def test_readers_see_one_moment_beside_a_writer_and_beside_each_other(engine: Engine) -> None:
    with engine.reading() as first:
        before = first.all("SELECT COUNT(*) FROM thing")
        with engine.writing() as sql:
            sql.run(INSERT, name="a", n=1, raw=b"")
        with engine.reading() as second:
            after = second.all("SELECT COUNT(*) FROM thing")
        still = first.all("SELECT COUNT(*) FROM thing")

    assert (before, after, still) == ([(0,)], [(1,)], [(0,)])


def test_many_readers_at_once_are_served(engine: Engine) -> None:
    errors: list[BaseException] = []
    all_inside = threading.Barrier(12, timeout=WAIT_S)

    def read() -> None:
        try:
            with engine.reading() as sql:
                all_inside.wait()
                sql.all("SELECT 1")
        except Exception as error:  # noqa: BLE001  # the test looks at it
            errors.append(error)

    threads = [threading.Thread(target=read) for _ in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=WAIT_S)

    assert errors == []


def test_closing_twice_is_harmless(any_database: str) -> None:
    engine = open_engine(any_database)

    engine.close()
    engine.close()


# SQLite alone


def test_a_file_that_is_no_database_is_damaged(tmp_path: Path) -> None:
    (tmp_path / "centre.db").write_bytes(b"no database" * 100)

    with pytest.raises(StoreCorrupt):
        SqliteEngine(tmp_path / "centre.db")


def test_a_full_file_is_full_and_stays_whole(tmp_path: Path) -> None:
    engine = SqliteEngine(tmp_path / "centre.db")
    with engine.writing() as sql:
        sql.run(
            "CREATE TABLE thing (name TEXT PRIMARY KEY, n BIGINT NOT NULL, raw BLOB NOT NULL)"
        )
        sql.run(INSERT, name="kept", n=1, raw=b"")
    with engine.writing() as sql:
        sql.all("PRAGMA max_page_count=10")

    with pytest.raises(StoreFull), engine.writing() as sql:
        sql.run(INSERT, name="large", n=1, raw=bytes(1_000_000))

    assert [name for name, *_ in things(engine)] == ["kept"]
    engine.close()


def test_a_file_another_program_writes_to_is_in_the_way(tmp_path: Path) -> None:
    engine = SqliteEngine(tmp_path / "centre.db", busy_s=0)
    other = sqlite3.connect(tmp_path / "centre.db", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")

    with pytest.raises(StoreConflict), engine.writing():
        pass

    other.rollback()
    other.close()
    with engine.writing():
        pass
    engine.close()


# PostgreSQL alone


def test_nodes_that_open_an_empty_database_at_once_make_it_once(database: str) -> None:
    epochs: list[str] = []
    errors: list[BaseException] = []
    together = threading.Barrier(4, timeout=WAIT_S)

    def open_it(name: str) -> None:
        try:
            together.wait()
            store = Store(database, fresh_epoch=name)
            epochs.append(store.epoch)
            store.close()
        except Exception as error:  # noqa: BLE001  # the test looks at it
            errors.append(error)

    threads = [threading.Thread(target=open_it, args=(f"e{index}",)) for index in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=WAIT_S)

    assert errors == []
    assert len(epochs) == 4
    assert len(set(epochs)) == 1
    with closing(open_engine(database)) as engine, engine.reading() as sql:
        assert sql.all("SELECT value FROM meta WHERE name = 'schema'") == [
            (str(len(MIGRATIONS)),)
        ]


def test_a_name_one_writer_holds_another_waits_for_and_others_it_does_not(
    server_engine: PostgresEngine,
) -> None:
    order: list[str] = []
    has_waited = threading.Event()

    def want(name: str) -> None:
        with server_engine.writing() as sql:
            sql.lock([name])
            order.append(name)

    with server_engine.writing() as sql:
        sql.lock(["held", "also held"])
        free = threading.Thread(target=want, args=("free",))
        free.start()
        free.join(timeout=WAIT_S)
        waiting = threading.Thread(target=want, args=("held",))
        waiting.start()
        _until_somebody_waits(sql)
        order.append("first")
        has_waited.set()
    waiting.join(timeout=WAIT_S)

    assert has_waited.is_set()
    assert order == ["free", "first", "held"]


def test_who_holds_all_names_keeps_every_writer_waiting(server_engine: PostgresEngine) -> None:
    order: list[str] = []

    def want() -> None:
        with server_engine.writing() as sql:
            sql.lock(["anything"])
            order.append("second")

    with server_engine.writing() as sql:
        sql.lock_all()
        waiting = threading.Thread(target=want)
        waiting.start()
        _until_somebody_waits(sql)
        order.append("first")
    waiting.join(timeout=WAIT_S)

    assert order == ["first", "second"]


def _until_somebody_waits(sql: Connection) -> None:
    for _ in range(10_000):
        if sql.all("SELECT 1 FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"):
            return
    raise AssertionError("nobody waits")


def test_two_that_wait_for_each_other_are_told_apart(server_engine: PostgresEngine) -> None:
    errors: list[BaseException] = []
    both_hold = threading.Barrier(2, timeout=WAIT_S)

    def cross(first: str, second: str) -> None:
        try:
            with server_engine.writing() as sql:
                sql.lock([first])
                both_hold.wait()
                sql.lock([second])
        except Exception as error:  # noqa: BLE001  # the test looks at it
            errors.append(error)

    threads = [
        threading.Thread(target=cross, args=("a", "b")),
        threading.Thread(target=cross, args=("b", "a")),
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=WAIT_S)

    assert [type(error) for error in errors] == [StoreConflict]


def test_what_is_acknowledged_is_on_disk_also_where_the_server_was_told_otherwise(
    postgres: Server, database: str
) -> None:
    engine = PostgresEngine(
        database.replace("options=", "options=-csynchronous_commit%3Doff%20")
    )

    with engine.reading() as sql:
        setting = sql.all("SHOW synchronous_commit")

    assert setting == [("on",)]
    engine.close()


def test_of_several_hosts_the_one_that_can_be_written_to_is_used(postgres: Server) -> None:
    replica = postgres.replica()
    try:
        engine = PostgresEngine(
            f"postgresql://{USER}@/postgres?host={replica.folder},{postgres.folder}"
        )
        with engine.writing() as sql:
            found = sql.all("SELECT pg_is_in_recovery()")
        engine.close()
    finally:
        replica.remove()

    assert found == [(False,)]


def test_a_server_that_was_away_is_used_again_as_soon_as_it_is_back() -> None:
    with server() as own, closing(PostgresEngine(own.address("postgres"))) as engine:
        with engine.writing() as sql:
            sql.run("CREATE TABLE thing (n BIGINT)")
        own.stop(signal.SIGQUIT)
        for _ in range(3):
            with pytest.raises(StoreUnreachable), engine.writing():
                pass

        own.start()

        with engine.writing() as sql:
            assert sql.run("INSERT INTO thing (n) VALUES (1)") == 1
        with engine.reading() as sql:
            assert sql.all("SELECT n FROM thing") == [(1,)]


def test_who_names_a_database_that_is_not_there_reads_so(postgres: Server) -> None:
    with pytest.raises(StoreUnreachable, match='database "nowhere" does not exist'):
        PostgresEngine(postgres.address("nowhere"))


def test_a_server_that_can_only_be_read_is_no_server_of_ours(postgres: Server) -> None:
    replica = postgres.replica()
    try:
        with pytest.raises(StoreUnreachable):
            PostgresEngine(replica.address("postgres"))
    finally:
        replica.remove()


@pytest.mark.parametrize("address", ["postgresql://[", "postgresql://here/x?nonsense=1"])
def test_an_address_that_does_not_parse_is_said_without_saying_it(address: str) -> None:
    with pytest.raises(StoreError, match="does not parse") as raised:
        PostgresEngine(address)

    assert address not in str(raised.value)


def test_what_failed_together_with_others_does_not_stand_in_the_way_of_what_comes_after_it(
    server_engine: PostgresEngine,
) -> None:
    def fail(sql: Connection, number: int) -> None:
        with sql.together():
            sql.run("SELECT 1 / :nothing", nothing=0)
            sql.run("SELECT :number + 1", number=number)

    found = []
    for number in range(12):  # a statement is prepared once it was asked for often enough
        with server_engine.writing() as sql:
            sql.run("SAVEPOINT part_0")
            with pytest.raises(Malformed):
                fail(sql, number)
            sql.back_to("part_0")
            found += sql.all("SELECT :number + 1", number=number)

    assert found == [(number + 1,) for number in range(12)]


def test_no_question_is_compiled_for_longer_than_it_runs(server_engine: PostgresEngine) -> None:
    with server_engine.reading() as sql:
        plan = sql.all("EXPLAIN SELECT relpages FROM pg_class WHERE relpages > 7")

    assert any("Seq Scan" in line for (line,) in plan)
    assert not any("JIT" in line for (line,) in plan)


def test_names_become_numbers_a_database_can_lock() -> None:
    numbers = {lock_number(f"customer/c{index}") for index in range(2_000)}

    assert len(numbers) == 2_000
    assert all(-(2**63) <= number < 2**63 for number in numbers)
