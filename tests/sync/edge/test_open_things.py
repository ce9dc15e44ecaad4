"""Of whom something is open, from a device's own files."""

from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from sync.edge.open_things import OpenThings
from sync.edge.store import EdgeStore
from sync.model import promises
from sync.model.records import (
    Case,
    ChannelWatch,
    Customer,
    Interaction,
    Likeness,
    Promise,
    Record,
    Referral,
)
from sync.model.row import Row, row_of
from tests.support import edge

AT = 1_700_000_000_000_000


def said(owner: str, *bodies: Record) -> tuple[Row, ...]:
    person = Customer(id=owner, given_name=owner.title()) if owner else None
    known = (person,) if person else ()
    rows = (row_of(one, owner=owner, as_of=AT, source="web") for one in (*known, *bodies))
    return tuple(msgspec.structs.replace(row, version=n) for n, row in enumerate(rows, start=1))


def wrote(ref: str, due_at: int, answered_at: int = 0, text: str = "Hello?") -> Interaction:
    return Interaction(
        f"email:{ref}", AT, "email", "in", "she", text, due_at=due_at, answered_at=answered_at
    )


def promised(due_at: int, *, state: str = "open") -> Case:
    promise = Promise("Ana", "an answer", due_at)
    return Case(f"c-{due_at}", "C-1", state, "bill", AT, "phone", promise=promise)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[EdgeStore]:
    store = edge.opened(tmp_path)
    yield store
    store.close()


def owners(store: EdgeStore) -> list[str]:
    return [it.owner for it in OpenThings(store, place="harbour").profiles()]


def test_who_is_owed_an_answer_or_a_promise_is_listed_the_earliest_due_first(
    store: EdgeStore,
) -> None:
    likeness = Likeness("maya~x", "x", "M. Lind", "same phone", 1_000, AT)
    edge.filled(store, (
        *said("maya", likeness),
        *said("priya", wrote("1", AT + 2)),
        *said("tom", promised(AT + 1)),
        *said("lena", Referral("r-1", "harbour", "Ana", "the form", AT, due_at=AT + 3)),
    ))  # fmt: skip

    assert owners(store) == ["tom", "priya", "lena", "maya"]


def test_of_several_promises_the_one_that_was_broken_says_where_a_customer_stands(
    store: EdgeStore,
) -> None:
    again = promises.with_promise(
        promised(AT + 1), Promise("Ben", "a mail", AT + 9, op="b", at=AT + 2)
    )
    kept = promises.with_promise(
        promises.with_kept(promised(AT), "k", AT), Promise("Ben", "", AT + 4, op="b", at=AT + 2)
    )
    edge.filled(store, (
        *said("priya", wrote("1", AT + 2)),
        *said("sam", msgspec.structs.replace(kept, id="c-sam")),
        *said("tom", again),
    ))  # fmt: skip

    assert owners(store) == ["tom", "priya", "sam"]


def test_who_was_answered_was_solved_or_was_sent_elsewhere_is_not_listed(
    store: EdgeStore,
) -> None:
    edge.filled(store, (
        *said("priya", wrote("1", AT + 2, answered_at=AT + 1)),
        *said("tom", promised(AT + 1, state="solved")),
        *said("lena", Referral("r-1", "station", "Ana", "the form", AT)),
        *said("ruth", wrote("2", 0)),
    ))  # fmt: skip

    assert owners(store) == []


def test_a_text_that_looks_like_our_own_fields_hides_nobody(store: EdgeStore) -> None:
    text = 'my "answered_at": is 5, "state":"open"'
    edge.filled(store, said("priya", wrote("1", AT + 2, text=text)))

    assert owners(store) == ["priya"]


def test_a_store_hears_of_those_who_are_sent_to_it_and_of_no_others(store: EdgeStore) -> None:
    here = Referral("r-1", "harbour", "Ana", "the form", AT)
    taken = Referral("r-2", "harbour", "Ana", "the form", AT, state="taken")
    edge.filled(store, (
        *said("lena", here), *said("tom", taken),
        *said("sam", Referral("r-3", "station", "Ana", "the form", AT)),
    ))  # fmt: skip

    expected = OpenThings(store, place="harbour").expected()

    assert [(row.owner, referral.id) for row, referral in expected] == [("lena", "r-1")]


def test_the_numbers_of_each_channel_are_there(store: EdgeStore) -> None:
    edge.filled(store, said("", ChannelWatch("whatsapp", 12, 3)))

    assert OpenThings(store, place="harbour").watches() == (ChannelWatch("whatsapp", 12, 3),)
