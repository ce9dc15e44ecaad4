"""Every promise of a case: what became of each, in whatever order they are heard of."""

from itertools import permutations

import msgspec
import pytest

from sync.model import promises
from sync.model.promises import KEPT_MAX, PROMISES_MAX, Tally
from sync.model.records import Case, Kept, Promise
from sync.model.row import body_of

DAY = 86_400_000_000
NOW = 10 * DAY


def promise(op: str, at: int, due: int, **fields: object) -> Promise:
    """Made on day `at`, for day `due`."""
    values = {"by": "Ana", "text": "a call", "due_at": due * DAY, "op": op, "at": at * DAY}
    return msgspec.convert(values | fields, Promise)


def case(*made: Promise, kept: tuple[Kept, ...] = ()) -> Case:
    found = Case("c", "C-1", "open", "bill", 1, "phone")
    for one in made:
        found = promises.with_promise(found, one)
    for mark in kept:
        found = promises.with_kept(found, mark.op, mark.at)
    return found


def ops(found: tuple[Promise, ...]) -> list[str]:
    return [it.op for it in found]


FRIDAY, AGAIN = promise("a", 1, 3), promise("b", 4, 12, by="Ben")


def test_a_broken_promise_presses_until_it_is_kept_however_often_one_promises_again() -> None:
    found = case(FRIDAY, AGAIN)

    assert promises.pressing(found) == FRIDAY
    assert promises.again(found) == AGAIN
    assert promises.tally(found, now=NOW) == Tally(2, 1, 3 * DAY)
    assert promises.tally(found, now=13 * DAY) == Tally(2, 2, 3 * DAY)


def test_promised_anew_in_time_for_later_it_is_moved_and_not_broken() -> None:
    found = case(promise("a", 1, 3), promise("b", 2, 12))

    assert ops(promises.standing(found)) == ["b"]
    assert promises.again(found) is None
    assert promises.tally(found, now=NOW) == Tally(2, 0)


def test_a_promise_of_something_sooner_leaves_the_one_before_it_owed() -> None:
    found = case(promise("a", 1, 8), promise("b", 2, 3))

    assert ops(promises.standing(found)) == ["b", "a"]
    assert promises.tally(found, now=NOW) == Tally(2, 2, 3 * DAY)


def test_kept_in_time_nothing_is_broken_and_kept_late_it_was() -> None:
    in_time = case(FRIDAY, kept=(Kept("k", 2 * DAY),))
    late = case(FRIDAY, kept=(Kept("k", 5 * DAY),))

    assert (promises.pressing(in_time), promises.pressing(late)) == (None, None)
    assert promises.tally(in_time, now=NOW) == Tally(1, 0)
    assert promises.tally(late, now=NOW) == Tally(1, 1, 3 * DAY)


def test_what_is_promised_after_something_was_kept_is_owed() -> None:
    found = case(FRIDAY, AGAIN, kept=(Kept("k", 2 * DAY),))

    assert promises.pressing(found) == AGAIN


def test_the_order_in_which_they_arrive_makes_no_difference() -> None:
    made: list[Promise | Kept] = [
        FRIDAY, AGAIN, promise("c", 6, 7), Kept("k", 5 * DAY), Kept("l", 2 * DAY),
    ]  # fmt: skip

    def told(order: tuple[Promise | Kept, ...]) -> Case:
        found = case()
        for one in order:
            if isinstance(one, Promise):
                found = promises.with_promise(found, one)
            else:
                found = promises.with_kept(found, one.op, one.at)
        return found

    ends = {told(order) for order in permutations(made)}

    (end,) = ends
    assert [(it.op, it.kept_op) for it in promises.made(end)] == [
        ("a", "l"), ("b", "k"), ("c", ""),
    ]  # fmt: skip


@pytest.mark.parametrize("op", ["a", "b", "c", "k", "l"])
def test_taken_back_it_is_as_if_it_had_not_been_whatever_came_since(op: str) -> None:
    made = (FRIDAY, AGAIN, promise("c", 6, 7))
    kept = (Kept("k", 5 * DAY), Kept("l", 2 * DAY))

    back = promises.without(case(*made, kept=kept), op)

    assert back == case(
        *(it for it in made if it.op != op), kept=tuple(it for it in kept if it.op != op)
    )


def test_of_very_many_that_others_told_the_one_due_first_and_the_newest_stay_in_any_order() -> (
    None
):
    many = [promise("", n, n + 1) for n in range(1, 3 * PROMISES_MAX)]

    found = case(*many, AGAIN)

    assert found == case(AGAIN, *reversed(many))
    told = [it for it in promises.made(found) if not it.op]
    assert len(told) == PROMISES_MAX
    assert (told[0], found.promise) == (many[0], many[-1])


def test_taken_back_among_very_many_that_others_told_it_is_as_if_it_had_not_been() -> None:
    many = [promise("", n, n + 1) for n in range(1, 3 * PROMISES_MAX)]

    back = promises.without(case(*many[:9], AGAIN, *many[9:]), AGAIN.op)

    assert back == case(*many)


def test_a_keeping_among_many_is_taken_back_exactly() -> None:
    marks = tuple(Kept(f"k{n:03}", 4 * DAY + n) for n in range(KEPT_MAX))

    back = promises.without(case(FRIDAY, AGAIN, kept=marks), marks[0].op)

    assert back == case(FRIDAY, AGAIN, kept=marks[1:])


def test_what_another_system_tells_again_is_one_promise_and_stays_kept() -> None:
    told = Promise("Zoe", "a mail", 2 * DAY, at=DAY)
    known = case(told, AGAIN, kept=(Kept("k", 2 * DAY),))
    again = case(msgspec.structs.replace(told, at=3 * DAY))

    found = promises.joined(again, known)

    assert promises.made(found) == promises.made(known)
    assert promises.made(found)[0].kept_op == "k"


def test_what_another_system_promises_anew_stands_beside_what_it_promised() -> None:
    known = case(Promise("Zoe", "a mail", 2 * DAY, at=DAY))
    new = case(Promise("Zoe", "a mail", 9 * DAY, at=3 * DAY))

    assert promises.tally(promises.joined(new, known), now=4 * DAY) == Tally(2, 1, 2 * DAY)


# Programs of other versions


class _OlderPromise(msgspec.Struct, frozen=True):
    by: str
    text: str
    due_at: int
    kept_at: int = 0


class _OlderCase(msgspec.Struct, frozen=True):
    """What a program reads that knows of one promise."""

    id: str
    promise: _OlderPromise | None = None


def test_a_program_that_knows_of_one_promise_reads_the_one_made_last() -> None:
    body = msgspec.json.encode(case(FRIDAY, AGAIN))

    read = msgspec.json.decode(body, type=_OlderCase)

    assert read.promise == _OlderPromise("Ben", "a call", 12 * DAY)


def test_a_body_that_such_a_program_wrote_is_a_history_of_one() -> None:
    written = (
        b'{"id":"c","number":"C-1","state":"open","topic":"bill","opened_at":1,"channel":"phone",'
        b'"promise":{"by":"Ana","text":"a call","due_at":3,"kept_at":0}}'
    )

    read = body_of("case", written)

    assert isinstance(read, Case)
    assert promises.tally(read, now=NOW) == Tally(1, 1, 3)
    newer = promises.with_promise(read, AGAIN)
    assert [it.due_at for it in promises.made(newer)] == [3, 12 * DAY]
