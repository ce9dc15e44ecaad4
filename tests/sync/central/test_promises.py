"""Promised again over each database: the centre keeps every promise, and says so wherever it is read."""

from itertools import permutations

import msgspec
import pytest

from sync.central.centre import Centre
from sync.central.watch import watched
from sync.model import promises
from sync.model.card import card_of, card_text
from sync.model.operation import Operation
from sync.model.operations.keep_promise import KeepPromise
from sync.model.operations.promise_answer import PromiseAnswer
from sync.model.operations.take_back_note import TakeBackNote
from sync.model.profile import Profile
from sync.model.records import Case
from tests.support import shop
from tests.support.centre import PlainDevice
from tests.support.shop import LENA, NOON

MINUTE = 60_000_000
IDS = [f"0190a1b2-0000-7000-8000-0000000000d{n}" for n in range(4)]


def promised(n: int, due_in: int) -> Operation:
    args = PromiseAnswer(case="case-1", by=f"Ben {n}", text="a mail", due_at=NOON + due_in)
    op = shop.operation(args, op_id=IDS[n])
    return msgspec.structs.replace(op, at=NOON + n * MINUTE)


def case_of(centre: Centre) -> Case:
    with centre._parts.store.reading() as snapshot:
        row = snapshot.row("case/case-1")
    assert row is not None
    assert isinstance(row.body, Case)
    return row.body


@pytest.mark.parametrize("order", list(permutations(range(3))))
async def test_in_whatever_order_promises_arrive_the_centre_has_all_of_them(
    centre: Centre, kiosk: PlainDevice, order: tuple[int, ...]
) -> None:
    made = (promised(1, 5 * MINUTE), promised(2, 8 * MINUTE), promised(3, 7 * MINUTE))

    for index in order:
        await kiosk.push(made[index])

    found = promises.made(case_of(centre))
    assert [it.by for it in found] == ["Ana", "Ben 1", "Ben 2", "Ben 3"]
    assert [it.place for it in found] == ["", "harbour", "harbour", "harbour"]


async def test_a_broken_promise_is_read_everywhere_until_it_is_kept_and_again_when_that_is_undone(
    centre: Centre, kiosk: PlainDevice
) -> None:
    await kiosk.push(promised(1, 60 * MINUTE))
    now = NOON + 30 * MINUTE

    (alarm,) = (it for it in watched(centre._store, now=now).alarms if it.channel == "case")
    assert (alarm.code, alarm.due_at) == ("promise_broken", NOON + 9)
    assert (alarm.n_promised, alarm.n_broken, alarm.again_at) == (2, 1, NOON + 60 * MINUTE)
    assert watched(centre._store, now=now).sins.promises_broken == 1
    with centre._parts.store.reading() as snapshot:
        profile = Profile(LENA, tuple(snapshot.all_of_owner(LENA)))
    assert "(promised 2 times, 1 broken)" in card_text(card_of(profile, now=now))

    kept = KeepPromise(case="case-1", by="Ben")
    keeping = msgspec.structs.replace(shop.operation(kept, op_id=IDS[2]), at=NOON + 5 * MINUTE)
    await kiosk.push(keeping)
    assert [
        it.code for it in watched(centre._store, now=now).alarms if it.channel == "case"
    ] == []

    back = shop.operation(TakeBackNote(note=IDS[2], case="case-1"), op_id=IDS[3])
    await kiosk.push(msgspec.structs.replace(back, undoes=IDS[2], at=NOON + 6 * MINUTE))
    (alarm,) = (it for it in watched(centre._store, now=now).alarms if it.channel == "case")
    assert (alarm.code, alarm.due_at) == ("promise_broken", NOON + 9)
