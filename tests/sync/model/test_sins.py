"""The three sins, counted from rows."""

import msgspec
import pytest

from sync.model import promises
from sync.model.records import Case, Interaction, Price, Promise, Record, Stock
from sync.model.row import Row, row_of
from sync.model.sins import ASKED_TWICE_US, Scoreboard, scoreboard_of

NOW_US = 1_800_000_000_000_000
HOUR_US = 3_600 * 1_000_000


def count(*rows: Row) -> Scoreboard:
    return scoreboard_of(rows, home="harbour", now=NOW_US)


def of(body: Record, owner: str = "lena") -> Row:
    return row_of(body, owner=owner, as_of=NOW_US, source="web")


def asked(number: int, **changes: object) -> Interaction:
    first = Interaction(
        id=f"i{number}", at=NOW_US - number * HOUR_US, channel="phone", direction="in", by="Lena", text="?"
    )  # fmt: skip
    return msgspec.structs.replace(first, **changes)


def price(channel: str, amount_minor: int, currency: str = "EUR") -> Row:
    return of(Price(f"p@{channel}", "p", channel, amount_minor, currency), "")


def stock(place: str, count: int | None) -> Row:
    return of(Stock(f"p@{place}", "p", place, count, NOW_US), "")


def test_nothing_is_no_sin() -> None:
    assert count() == Scoreboard(0, 0, 0)


@pytest.mark.parametrize(("state", "n_broken"), [("open", 1), ("solved", 0)])
def test_a_broken_promise_counts_though_somebody_promised_again(
    state: str, n_broken: int
) -> None:
    broken = Case(
        "c", "C-1", state, "bill", 1, "phone", promise=Promise("Ana", "call", NOW_US - 1)
    )
    newer = Promise("Ben", "mail", NOW_US + HOUR_US, op="b", at=NOW_US)

    found = count(of(promises.with_promise(broken, newer)))

    assert found == Scoreboard(0, 0, 0, promises_broken=n_broken)


@pytest.mark.parametrize(
    ("changes", "n_sins"),
    [
        ({"due_at": NOW_US - 1}, 1),
        ({"due_at": NOW_US}, 0),
        ({"due_at": 0}, 0),
        ({"due_at": NOW_US - 1, "answered_at": NOW_US}, 0),
        ({"due_at": NOW_US - 1, "direction": "out"}, 0),
        ({"due_at": NOW_US - 1, "taken_back_at": NOW_US}, 0),
    ],
)
def test_unanswered_is_a_contact_past_its_promise_that_no_person_answered(
    changes: dict[str, object], n_sins: int
) -> None:
    assert count(of(asked(1, **changes))).unanswered == n_sins


def test_three_messages_in_a_row_are_one_contact() -> None:
    rows = [of(asked(number, due_at=1)) for number in (1, 2, 3)]

    assert count(*rows).unanswered == 1
    assert count(*rows, of(asked(4, due_at=1, channel="x"))).unanswered == 2
    assert count(*rows, of(asked(5, due_at=1), "tom")).unanswered == 2


@pytest.mark.parametrize(
    ("channel", "passed_us", "n_sins"),
    [("x", HOUR_US, 1), ("phone", HOUR_US, 0), ("x", ASKED_TWICE_US, 1), ("x", ASKED_TWICE_US + 1, 0)],
)  # fmt: skip
def test_asked_twice_is_the_same_topic_in_another_channel_within_a_week(
    channel: str, passed_us: int, n_sins: int
) -> None:
    first = asked(0, topic="billing")
    again = asked(1, topic="billing", channel=channel, at=first.at + passed_us)

    assert count(of(again), of(first)).asked_twice == n_sins


def test_contacts_without_a_topic_or_of_two_customers_are_not_asked_twice() -> None:
    assert count(of(asked(1)), of(asked(2, channel="x"))).asked_twice == 0
    assert (
        count(of(asked(1, topic="t")), of(asked(2, topic="t", channel="x"), "tom")).asked_twice
        == 0
    )


@pytest.mark.parametrize(
    ("rows", "n_sins"),
    [
        ((price("web", 4100), price("store", 4500)), 1),
        ((price("web", 4100), price("store", 4100)), 0),
        ((price("web", 4100), price("store", 4500, "USD")), 0),
        ((price("app", 4100), price("store", 4500)), 0),
        ((stock("web", 3), stock("harbour", 0)), 1),
        ((stock("web", 3), stock("harbour", 3)), 0),
        ((stock("web", 3), stock("market", 0)), 0),
        ((stock("web", None), stock("harbour", 3)), 0),
        ((stock("web", 3), stock("harbour", None)), 0),
        ((price("web", 4100), price("store", 4500), stock("web", 3), stock("harbour", 0)), 1),
    ],
)
def test_a_contradiction_is_a_product_whose_web_and_shelf_differ(
    rows: tuple[Row, ...], n_sins: int
) -> None:
    assert count(*rows).contradictions == n_sins
