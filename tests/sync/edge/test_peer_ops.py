"""What other devices did, as long as the feed has not brought it: in the view, in the relay's order, gone for a reason only."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from sync.edge.feed import Feed
from sync.edge.lookup import Lookup
from sync.edge.outbox import Outbox
from sync.edge.peer_ops import PeerOps
from sync.edge.relay import Changes, Entry
from sync.edge.relay_wire import SessionOver
from sync.edge.store import EdgeStore
from sync.edge.view import LAST, ordered
from sync.model.operation import Operation
from sync.model.operations.block_band import BlockBand, UnblockBand
from sync.model.operations.link_band import LinkBand
from sync.model.records import Band
from sync.model.row import Row
from tests.support import shop
from tests.support.edge import SCOPE, filled, granted, opened

HERE, THERE = "here", "there"


@pytest.fixture
def store(tmp_path: Path) -> Iterator[EdgeStore]:
    made = opened(tmp_path)
    filled(made, (*shop.lenas_rows(), shop.row(Band(id=SPARE, state="unlinked"), owner="")))
    yield made
    made.close()


SPARE = "5a" * 16
BAND = f"band/{shop.BAND}"


def block(number: int = 1, **fields: Any) -> Operation:
    return shop.operation(BlockBand(band=shop.BAND, why="lost"), op_id=f"op-{number}", **fields)


def unblock(number: int) -> Operation:
    return shop.operation(UnblockBand(band=shop.BAND), op_id=f"op-{number}")


def entry(
    op: Operation, n: int, *, state: Any = "recorded", device: str = THERE, **more: Any
) -> Entry:
    values = {"keys": (BAND,), "raw": msgspec.json.encode(op), "change": n, **more}
    return Entry(n=n, op=op.id, device=device, state=state, **values)


def changes(*entries: Entry, life: str = "life-1", **more: Any) -> Changes:
    to = max((one.change for one in entries), default=0)
    return Changes(life=life, to=more.pop("to", to), entries=entries, **more)


def following(store: EdgeStore, life: str = "life-1") -> PeerOps:
    ops = PeerOps(store, device=HERE)
    ops.begin(life)
    return ops


def state_of(store: EdgeStore) -> str:
    sighting = Lookup(store).by_band(shop.BAND)
    assert sighting is not None
    assert isinstance(sighting.band.body, Band)
    return sighting.band.body.state


def test_what_another_device_did_is_in_the_view_until_it_takes_it_back(
    store: EdgeStore,
) -> None:
    ops = following(store)

    ops.take(changes(entry(block(), 1)))
    assert state_of(store) == "blocked"
    ops.take(changes(entry(block(), 1, state="withdrawn", change=2)))

    assert state_of(store) == "active"


def test_an_answer_that_was_slower_than_the_changes_brings_nothing_back(
    store: EdgeStore,
) -> None:
    ops = following(store)
    ops.take(changes(entry(block(), 1)))
    ops.take(changes(entry(block(), 1, state="withdrawn", change=2)))

    ops.show([entry(block(), 1, change=1)])
    assert (state_of(store), ops.n_theirs()) == ("active", 0)
    ops.show([entry(block(2), 3, change=3)])

    assert (state_of(store), ops.n_theirs()) == ("blocked", 1)


def test_a_new_life_of_the_mailbox_forgets_nobody_before_they_told_it_all(
    store: EdgeStore,
) -> None:
    following(store).take(changes(entry(block(), 1)))

    ops = following(store, "life-2")
    ops.take(changes(to=4, life="life-2", present=("somebody else",)))
    assert state_of(store) == "blocked"
    ops.take(changes(to=5, life="life-2", present=(THERE,)))

    assert state_of(store) == "active"


def test_what_is_told_again_to_a_new_life_stays(store: EdgeStore) -> None:
    following(store).take(changes(entry(block(), 1)))

    ops = following(store, "life-2")
    ops.take(changes(entry(block(), 3), life="life-2", present=(THERE,)))

    assert state_of(store) == "blocked"


def test_a_mailbox_that_forgot_begins_like_a_new_one(store: EdgeStore) -> None:
    ops = following(store)
    ops.take(changes(entry(block(), 1)))

    ops.take(changes(to=90, is_whole=True, is_more=True))
    assert state_of(store) == "blocked"
    ops.take(changes(to=95, present=(THERE,)))

    assert state_of(store) == "active"
    assert ops.seen() == ("life-1", 95)


@pytest.mark.parametrize(
    ("at", "is_folded"),
    [
        ({SCOPE: 99}, True),
        ({SCOPE: 1}, False),
        ({SCOPE: 1, "g": 5}, True),
        ({"r:north": 9}, False),
    ],
)
def test_it_is_folded_until_every_scope_held_here_has_it(
    store: EdgeStore, at: dict[str, int], is_folded: bool
) -> None:
    granted(store, SCOPE, "g")
    ops = following(store)

    ops.take(changes(entry(block(), 1, state="settled", at=at)))

    assert (state_of(store) == "blocked") is is_folded
    assert ops.drop_reached() == (0 if is_folded else 1)
    assert ops.n_theirs() == (1 if is_folded else 0)


def test_own_operations_come_back_from_the_relay_as_places_and_not_as_effects(
    store: EdgeStore,
) -> None:
    ops = following(store)

    ops.take(changes(entry(block(), 1, device=HERE)))

    assert state_of(store) == "active"
    assert ops.own() == {"op-1": "recorded"}


def test_own_and_others_are_folded_in_the_relays_order(store: EdgeStore) -> None:
    Outbox(store).record(unblock(2))
    ops = following(store)

    ops.take(changes(entry(block(1), 1), entry(unblock(2), 2, device=HERE)))
    assert state_of(store) == "active"
    ops.take(changes(entry(block(3), 3)))

    assert state_of(store) == "blocked"


def test_own_operations_never_overtake_each_other() -> None:
    first, second, theirs = block(1), block(2), block(3)

    order = ordered([(first, LAST), (second, (1, 5))], [(theirs, (1, 7))])

    assert [op.id for op in order] == ["op-1", "op-2", "op-3"]


def test_an_operation_of_a_newer_program_is_kept_and_not_guessed_at(store: EdgeStore) -> None:
    ops = following(store)

    ops.take(changes(entry(block(), 1, raw=b'{"of": "a newer program"}')))

    assert state_of(store) == "active"
    assert ops.seen() == ("life-1", 1)


def test_a_cache_that_was_made_anew_asks_for_everything_again(store: EdgeStore) -> None:
    ops = following(store)
    ops.take(changes(entry(block(), 1)))
    with store.cache.write() as file:
        file.execute("DELETE FROM meta")

    with pytest.raises(SessionOver):
        ops.take(changes(entry(block(2), 2)))

    assert ops.begin("life-1") == 0


# Own operations by the rows they need


def test_a_spare_that_was_linked_here_without_a_network_opens_its_page(
    store: EdgeStore,
) -> None:
    Outbox(store).record(shop.operation(LinkBand(band=SPARE), op_id="op-9"))

    sighting = Lookup(store).by_band(SPARE)

    assert sighting is not None
    assert sighting.owner == shop.LENA
    assert sighting.profile.customer is not None


def test_operations_that_came_out_of_a_damaged_file_are_found_too(store: EdgeStore) -> None:
    Outbox(store).record(shop.operation(LinkBand(band=SPARE), op_id="op-9"))
    with store.outbox.write() as file:
        file.execute("DELETE FROM op_key")
        file.execute("DELETE FROM meta WHERE name = 'keyed'")

    sighting = Lookup(store).by_band(SPARE)
    Outbox(store).record(shop.said(op_id="op-10"))

    assert sighting is not None
    assert sighting.owner == shop.LENA
    keys = store.outbox.look(lambda file: file.read("SELECT key FROM op_key"))
    assert (f"band/{SPARE}",) in keys


def test_an_operation_that_is_deleted_leaves_no_keys(store: EdgeStore) -> None:
    Outbox(store).record(shop.said(op_id="op-10"))

    with store.outbox.write() as file:
        file.execute("DELETE FROM op")

    assert not store.outbox.look(lambda file: file.read("SELECT key FROM op_key"))


def test_a_row_of_nobody_shows_what_another_device_did_to_it(store: EdgeStore) -> None:
    spare = shop.operation(LinkBand(band=SPARE), op_id="op-9")
    following(store).take(changes(entry(spare, 1, keys=(f"band/{SPARE}",))))

    cell = Lookup(store).cells((f"band/{SPARE}",), owner="")[f"band/{SPARE}"]
    assert isinstance(cell, Row)
    assert (cell.owner, cell.source) == (shop.LENA, "peer")


def test_where_the_histories_part_only_what_we_said_of_beyond_is_to_be_said_anew(
    store: EdgeStore,
) -> None:
    ops, feed = following(store), Feed(store)
    (head,) = (cursor.seq for cursor in feed.cursors() if cursor.id == SCOPE)
    told = (
        entry(block(1), 1, state="settled", device=HERE, at={SCOPE: head - 1}),
        entry(block(2), 2, state="settled", device=HERE, at={SCOPE: head}),
        entry(block(3), 3, state="settled", device=HERE, at={"elsewhere": head}),
        entry(block(4), 4, state="recorded", device=HERE),
        entry(block(5), 5, state="settled", at={SCOPE: head}),
    )
    ops.take(changes(*told))

    feed.part_ways(SCOPE, head - 1)

    assert ops.lost() == {"op-2"}
    assert ops.n_theirs() == 1
    ops.told_again({"op-2": "recorded", "op-4": "settled"})
    assert ops.lost() == set()
    assert ops.own() == {
        "op-1": "settled", "op-2": "recorded", "op-3": "settled", "op-4": "recorded",
    }  # fmt: skip


def test_what_is_pulled_again_in_the_same_history_keeps_its_place(store: EdgeStore) -> None:
    ops, feed = following(store), Feed(store)
    ops.take(changes(entry(block(1), 1, state="settled", device=HERE, at={SCOPE: 1})))

    feed.part_ways(SCOPE, 0, is_one=True)

    assert ops.lost() == set()
