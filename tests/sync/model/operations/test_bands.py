"""A band opens its owner's page and nobody else's: linked, blocked, found again."""

from typing import Any

import pytest

from sync.model.operation import Operation, Refusal
from sync.model.operations.block_band import BlockBand, UnblockBand
from sync.model.operations.link_band import LinkBand
from sync.model.operations.unlink_band import UnlinkBand
from sync.model.records import Band, Case
from tests.support import shop
from tests.support.operations import (
    FIRST,
    MINUTE,
    NOON,
    SECOND,
    THIRD,
    Rows,
    assert_twice_is_once,
    assert_undone,
    assert_waits_where_nothing_is_held,
    body,
    done,
    outcome_of,
    rows_of,
    undo_of,
)

SPARE = "5a" * 16


def bands(spare: str = "unlinked", *, owner: str = "", own: str = "active") -> Rows:
    return rows_of(
        shop.row(Band(id=SPARE, state=spare, label="sealed spare"), owner=owner),
        shop.row(Band(id=shop.BAND, state=own)),
    )


def link(**fields: Any) -> Operation:
    return shop.operation(LinkBand(band=SPARE, label="wristband"), **fields)


def block(band: str = shop.BAND, **fields: Any) -> Operation:
    return shop.operation(BlockBand(band=band, why="lost"), **fields)


def unblock(band: str = shop.BAND, block: str = "", **fields: Any) -> Operation:
    return shop.operation(UnblockBand(band=band, block=block), **fields)


def state(rows: Rows, band: str) -> tuple[str, str]:
    row = rows[f"band/{band}"]
    assert isinstance(row.body, Band)
    return row.body.state, row.owner


def test_a_spare_becomes_hers_and_its_undo_makes_it_a_spare_again() -> None:
    rows, _ = done(bands(), link())

    assert state(rows, SPARE) == ("active", shop.LENA)
    back, _ = done(rows, undo_of(link()))
    assert state(back, SPARE) == ("unlinked", "")


@pytest.mark.parametrize(
    ("rows", "op", "code"),
    [
        (rows_of(), link(), "unknown_band"),
        (bands(), link(owner=""), "unknown_band"),
        (bands("active", owner="tom"), link(), "linked_to_other"),
        (bands("blocked"), link(), "band_blocked"),
        (bands("retired"), link(), "band_retired"),
        (rows_of(), unblock(SPARE), "unknown_band"),
        (bands("blocked", owner="tom"), unblock(SPARE), "other_customer"),
        (bands("retired"), unblock(SPARE), "band_retired"),
    ],
)
def test_a_band_that_may_not_be_is_refused(rows: Rows, op: Operation, code: str) -> None:
    assert outcome_of(rows, op) == Refusal(code)


def test_a_lost_band_is_blocked_and_found_again() -> None:
    rows, _ = done(bands(), block())

    assert state(rows, shop.BAND) == ("blocked", shop.LENA)
    found, _ = done(rows, undo_of(block()))
    assert state(found, shop.BAND) == ("active", shop.LENA)
    assert_undone(bands(), block(), f"band/{shop.BAND}")


def test_a_blocked_spare_is_a_spare_again_when_found() -> None:
    rows, _ = done(bands("blocked"), unblock(SPARE))

    assert state(rows, SPARE) == ("unlinked", "")


def test_what_somebody_else_blocked_since_is_not_unblocked_by_an_undo() -> None:
    rows, _ = done(bands(), block())
    rows, _ = done(rows, block(op_id=SECOND, store="station"))

    assert outcome_of(rows, undo_of(block())) == Refusal("blocked_again")
    found, _ = done(rows, unblock(block=SECOND, op_id=THIRD))
    assert state(found, shop.BAND)[0] == "active"


def test_a_block_is_never_refused_and_the_owner_of_that_band_hears_of_it() -> None:
    rows, clash = done(bands("active", owner="tom"), block(SPARE))

    assert (state(rows, SPARE), clash) == (("blocked", "tom"), "other_customer")
    assert rows[f"case/{FIRST}"].owner == "tom"
    rows, clash = done(rows_of(), block("ff" * 16))
    case = body(rows, f"case/{FIRST}")
    assert isinstance(case, Case)
    assert clash == case.clash == "unknown_band"


def test_a_retired_band_stays_retired() -> None:
    rows, _ = done(bands("retired", owner=shop.LENA), block(SPARE))

    assert state(rows, SPARE)[0] == "retired"


def test_unlinking_takes_a_band_from_its_owner_alone() -> None:
    op = shop.operation(UnlinkBand(band=SPARE))

    rows, _ = done(bands("active", owner=shop.LENA), op)
    assert state(rows, SPARE) == ("unlinked", "")
    rows, clash = done(bands("active", owner="tom"), op)
    assert (state(rows, SPARE), clash) == (("active", "tom"), "other_customer")


def test_a_linking_that_comes_after_its_undo_links_nothing() -> None:
    rows, _ = done(bands(), undo_of(link()))

    rows, _ = done(rows, link())

    assert state(rows, SPARE) == ("unlinked", "")


def test_the_undo_of_an_unblocking_blocks_again() -> None:
    op = unblock()
    rows, _ = done(bands(own="blocked"), op)

    rows, _ = done(rows, undo_of(op), now=NOON + MINUTE)

    assert state(rows, shop.BAND)[0] == "blocked"


def test_they_come_again_and_change_nothing() -> None:
    linked, blocked = link(), block(SPARE, op_id=SECOND)
    assert_twice_is_once(bands(), linked, blocked, unblock(SPARE, SECOND, op_id=THIRD))
    assert_twice_is_once(bands(), linked, undo_of(linked))
    assert_twice_is_once(bands("active", owner="tom"), block(SPARE), block(op_id=SECOND))
    for op in (link(), block(), unblock(), shop.operation(UnlinkBand(band=SPARE))):
        assert_waits_where_nothing_is_held(op)
