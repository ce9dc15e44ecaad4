"""What a transaction keeps in memory of the tables events are taken into, where parts of it fail, and beside another node."""

import hashlib
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec
import pytest

from hardware.clock import FixedClock
from hardware.entropy import SeededEntropy
from hardware.moments import moment_of
from sync.central import events, interests, joins, threads
from sync.central.centre import Centre
from sync.central.channels.adapter import Settings
from sync.central.channels.facts import Became, Bought
from sync.central.lines import NAMED, POINT
from sync.central.scopes import GLOBAL
from sync.central.sql import ALL_NAMES, lock_number, open_engine
from sync.central.store import Store
from sync.central.transaction import Transaction, owner_lock
from sync.model.errors import Malformed, StoreError
from sync.model.records import Customer, Product
from sync.model.row import Row, row_of
from tests.support.centre import open_centre
from tests.support.channels import (
    NOW,
    all_rows,
    bought,
    changed,
    delivery,
    event,
    intake_of,
    mail,
    who,
    wrote,
)

MAYA = who("17", "Maya", "Stone", mail("maya@example.org"))
POINT_OF_MAYA = ("mailto:maya@example.org", "c-maya", "email", 1, "shop", NOW)


@pytest.fixture
def store(laid_database: str) -> Iterator[Store]:
    opened = Store(laid_database, fresh_epoch="e-1", entropy=SeededEntropy("lines"))
    yield opened
    opened.close()


@pytest.fixture
def shared(made_database: str) -> Iterator[Store]:
    opened = Store(made_database, fresh_epoch="e-1", entropy=SeededEntropy("lines"))
    yield opened
    opened.close()


@pytest.fixture
def shop(centre_on: str, request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Centre]:
    address = "" if centre_on == "sqlite" else request.getfixturevalue("made_database")
    opened = open_centre(
        tmp_path / "centre",
        database=address,
        clock=FixedClock(moment_of(NOW)),
        entropy=SeededEntropy("lines"),
    )
    yield opened
    opened.close()


def failing(transaction: Transaction, change: Callable[[], object]) -> None:
    """A part in which this is done and which then fails."""

    def part() -> None:
        with transaction.part():
            change()
            raise KeyError

    with pytest.raises(KeyError):
        part()


def product(title: str) -> Row:
    return row_of(Product("p1", title, "wool"), owner="", as_of=1, source="erp")


def unheld(address: str, number: int) -> bool:
    """Whether nobody holds this name."""
    engine = open_engine(address)
    with engine.writing() as sql:
        found = sql.all("SELECT pg_try_advisory_xact_lock(:number)", number=number)
    engine.close()
    return bool(found[0][0])


def states(centre: Centre) -> dict[str, tuple[str, str]]:
    with centre._parts.store.reading() as snapshot:
        return {it.id: (it.state, it.reason) for it in events.listed(snapshot.sql)}


@pytest.mark.parametrize("has_written", [False, True])
def test_what_a_part_before_left_in_memory_is_there_after_one_that_asked_for_it_and_failed(
    store: Store, has_written: bool
) -> None:
    with store.writing() as transaction:
        with transaction.part():
            transaction.put_line(POINT, POINT_OF_MAYA)

        def ask() -> None:
            if has_written:
                transaction.direct()
            transaction.lines(POINT, owner="c-maya")

        failing(transaction, ask)

        assert transaction.lines(POINT, owner="c-maya") == [POINT_OF_MAYA]


@pytest.mark.parametrize("has_written", [False, True])
def test_a_part_that_fails_takes_its_own_lines_back_and_those_of_no_other(
    store: Store, has_written: bool
) -> None:
    with store.writing() as transaction:
        with transaction.part():
            transaction.put_line(NAMED, ("shop", "a", "order/1"))

        def change() -> None:
            transaction.put_line(NAMED, ("shop", "a", "order/2"))
            transaction.lines(NAMED, channel="shop", ref="b")
            if has_written:
                transaction.direct()
            transaction.put_line(NAMED, ("shop", "b", "order/2"))

        failing(transaction, change)
        inside = [transaction.lines(NAMED, channel="shop", ref=ref) for ref in ("a", "b")]

    with store.reading() as snapshot:
        stored = snapshot.sql.all("SELECT channel, ref, key FROM named")
    assert inside == [[("shop", "a", "order/1")], []]
    assert stored == [("shop", "a", "order/1")]


def test_an_event_that_has_to_wait_hides_nothing_from_the_next_of_its_delivery(
    shop: Centre,
) -> None:
    order = msgspec.structs.replace(bought("W-1", MAYA), also=("gid:1",))

    intake_of(shop).deliver(
        "shop",
        delivery(
            event("e1", order),
            event(
                "e2", wrote("m2", MAYA, about="gid:1"), Became(ref="W-9", at=NOW, state="paid")
            ),
            event("e3", wrote("m3", MAYA, about="gid:1")),
        ),
    )

    assert {name: state for name, (state, _) in states(shop).items()} == {
        "e1": "done",
        "e2": "waiting",
        "e3": "done",
    }
    assert all_rows(shop)["interaction/shop:m3"][3]["about"] == "order/W-1"


@pytest.mark.parametrize("odd", ["\0", "18\0"])
def test_an_event_of_a_name_no_database_can_hold_is_held_alone_on_each_of_them(
    shop: Centre, odd: str
) -> None:
    intake = intake_of(shop)

    taken = intake.deliver(
        "shop",
        delivery(
            event("e1", bought("W-1", MAYA)),
            event("e2", bought("W-2", who(odd, "Odd"))),
            event("e3", bought("W-3", MAYA)),
        ),
    )

    assert (taken.status, taken.n_new) == (200, 3)
    assert states(shop) == {
        "e1": ("done", ""),
        "e2": ("held", "a text no database can hold"),
        "e3": ("done", ""),
    }


@pytest.mark.parametrize("at", [2**63, 2**64 - 1, -1])
def test_an_event_with_a_time_that_is_none_is_taken_as_of_now(shop: Centre, at: int) -> None:
    taken = intake_of(shop).deliver("shop", delivery(event("e1", bought("W-1", MAYA), at=at)))

    assert (taken.status, taken.n_new) == (200, 1)
    assert states(shop) == {"e1": ("done", "")}


def test_of_events_that_waited_the_one_the_store_does_not_take_is_put_off_alone(
    shop: Centre,
) -> None:
    intake = intake_of(shop)
    asked: list[str] = []

    def hear(_transaction: Transaction, _settings: Settings, fact: Bought) -> None:
        asked.append(fact.ref)
        if fact.ref == "W-2":
            raise StoreError("no room for this")

    intake.hear(Bought, hear)
    numbers = ("W-1", "W-2", "W-3")
    intake.deliver("shop", delivery(*(event(it, bought(it, MAYA)) for it in numbers)))
    before = {state for state, _ in states(shop).values()}

    intake.take_waiting()
    asked.clear()
    intake.take_waiting()

    assert before == {"waiting"}
    assert states(shop) == {
        "W-1": ("done", ""),
        "W-2": ("waiting", "the store could not take it"),
        "W-3": ("done", ""),
    }
    assert asked == []


def test_an_event_whose_kept_bytes_are_broken_is_held_and_keeps_no_other_waiting(
    shop: Centre,
) -> None:
    intake = intake_of(shop)
    intake.pause("shop", reason="a test")
    intake.deliver(
        "shop", delivery(event("e1", bought("W-1", MAYA)), event("e2", bought("W-2", MAYA)))
    )
    changed(
        shop,
        lambda it: it.direct().run("UPDATE event SET raw = :raw WHERE id = 'e1'", raw=b"{"),
    )

    intake.resume("shop")

    assert states(shop) == {"e1": ("held", "its bytes do not parse"), "e2": ("done", "")}


def test_a_customer_or_a_conversation_of_a_very_long_name_is_taken_and_known_again(
    shop: Centre,
) -> None:
    # Nothing that can be packed into less.
    name = "".join(hashlib.sha256(str(n).encode()).hexdigest() for n in range(120))

    intake_of(shop).deliver(
        "shop",
        delivery(
            event("e1", bought("W-1", who(name, "Lena"))),
            event("e2", bought("W-2", who(name, "Lena"))),
            event("e3", wrote("m3", who("", "Lena"), thread=name)),
            event("e4", wrote("m4", who("", "Lena"), thread=name)),
        ),
    )

    rows = all_rows(shop)
    assert {state for state, _ in states(shop).values()} == {"done"}
    assert rows["order/W-1"][0] == rows["order/W-2"][0]
    assert rows["interaction/shop:m3"][0] == rows["interaction/shop:m4"][0]


def test_a_row_whose_name_no_database_can_hold_is_refused_where_it_is_put(store: Store) -> None:
    with store.writing() as transaction:
        with pytest.raises(Malformed):
            transaction.put(
                row_of(Customer("c-\ud800", "Odd"), owner="c-\ud800", as_of=1, source="crm")
            )

        transaction.put(product("Scarf"))
        transaction.take_heads(NOW)

    with store.reading() as snapshot:
        assert snapshot.row("product/p1") is not None


def test_what_a_failed_part_had_locked_is_read_anew_for_another_node_may_have_changed_it(
    shared: Store,
) -> None:
    with shared.writing() as transaction:

        def read() -> None:
            transaction.direct()
            transaction.load(("product/p1", owner_lock("c-maya")))

        failing(transaction, read)
        with shared.writing() as other:
            other.put(product("Hat"))
            other.add_interest("s:harbour", "c-maya")
            other.take_heads(NOW)
        transaction.put(product("Scarf"))
        transaction.add_interest("s:station", "c-maya")
        transaction.take_heads(NOW)

    with shared.reading() as snapshot:
        (row,) = snapshot.rows_of_keys(GLOBAL, ("product/p1",))
        assert row.version == 2
        assert [it.scope for it in interests.of_owner(snapshot.sql, "c-maya")] == [
            "s:harbour",
            "s:station",
        ]


def test_names_that_are_asked_for_again_after_a_failed_part_are_locked_again(
    shared: Store, made_database: str
) -> None:
    with shared.writing() as transaction:

        def read() -> None:
            transaction.direct()
            transaction.load(("product/p1",))

        failing(transaction, read)
        transaction.load(("product/p1",))

        assert not unheld(made_database, lock_number("product/p1"))
        assert not unheld(made_database, ALL_NAMES)


def test_names_that_were_locked_before_a_part_failed_are_held_after_it(
    shared: Store, made_database: str
) -> None:
    with shared.writing() as transaction:
        transaction.load(("product/p1",))

        failing(transaction, transaction.direct)

        assert not unheld(made_database, lock_number("product/p1"))
        assert not unheld(made_database, ALL_NAMES)


def test_nobody_else_writes_for_a_customer_whose_rows_are_looked_at_to_change_them(
    shared: Store, made_database: str
) -> None:
    with shared.writing() as transaction:
        threads.settle(transaction, "c-maya", channel="web", thread="")
        joins.show(transaction, "c-lena")

        assert not unheld(made_database, lock_number(owner_lock("c-maya")))
        assert not unheld(made_database, lock_number(owner_lock("c-lena")))
