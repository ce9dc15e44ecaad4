"""What the ticker of the demo says."""

import unicodedata

import msgspec
import pytest

from kiosk.core.staff_words import HOUR_US
from kiosk.core.ticker import LINES_MAX, TickerLine, ticker_of
from sync.model.records import Customer, Interaction, Order, OrderLine, Record
from sync.model.row import Row, row_of
from tests.support import hostile
from tests.support.demo_side import NOW_US, WORDS

LENA = Customer(id="lena", given_name="Lena", family_name="Hoffmann")


def ticker(*bodies: Record) -> tuple[TickerLine, ...]:
    return ticker_of([of(body) for body in bodies], words=WORDS, now=NOW_US)


def of(body: Record) -> Row:
    return row_of(body, owner="lena", as_of=NOW_US, source="web")


def heard(number: int, **changes: object) -> Interaction:
    first = Interaction(
        id=f"i{number}", at=NOW_US - number * HOUR_US, channel="x", direction="in", by="Lena", text=f"text {number}"
    )  # fmt: skip
    return msgspec.structs.replace(first, **changes)


def test_the_newest_stands_first_with_channel_and_name() -> None:
    lines = ticker(heard(2), LENA, heard(1, direction="out"), heard(3, direction="note"))

    assert [(line.head, line.text) for line in lines] == [
        ("X  13:02", "to Lena Hoffmann: text 1"),
        ("X  12:02", "Lena Hoffmann: text 2"),
        ("X  11:02", "about Lena Hoffmann: text 3"),
    ]


def test_orders_are_heard_as_well() -> None:
    order = Order(
        id="W-1",
        at=NOW_US,
        channel="web",
        state="paid",
        total_minor=1,
        lines=(OrderLine("p", "Scarf"),),
    )

    assert ticker(LENA, order)[0].text == "Lena Hoffmann: order W-1, paid"


@pytest.mark.parametrize("sensitivity", ["gift", "sensitive"])
def test_what_must_not_be_named_is_not_heard(sensitivity: str) -> None:
    assert ticker(heard(1, sensitivity=sensitivity)) == ()


def test_what_was_taken_back_is_not_heard() -> None:
    assert ticker(heard(1, taken_back_at=NOW_US)) == ()


def test_what_has_not_happened_yet_is_not_heard() -> None:
    assert ticker(heard(-1)) == ()


def test_an_overdue_contact_is_marked() -> None:
    late, answered = ticker(heard(1, due_at=1), heard(2, due_at=1, answered_at=2))

    assert (late.is_late, answered.is_late) == (True, False)


def test_it_never_grows_past_its_limit() -> None:
    assert len(ticker(*(heard(number) for number in range(LINES_MAX + 1)))) == LINES_MAX


@pytest.mark.parametrize("name", hostile.NAMES)
def test_nothing_from_outside_can_steer_the_terminal(name: str) -> None:
    person = Customer(id="lena", given_name=name, family_name=name)

    (line,) = ticker(person, heard(1, text=name, channel=name, topic=name))

    assert not any(unicodedata.category(char)[0] == "C" for char in line.head + line.text)
