"""The trap: what an unconnected shop asks, beside the rows that answer it."""

import unicodedata

import pytest

from kiosk.core.entries import Telling
from kiosk.core.staff_words import DAY_US
from kiosk.core.trap import PAIRS_MAX, trap_of
from sync.model.profile import Profile
from sync.model.records import Case, Order, OrderLine, Product
from sync.model.row import row_of
from tests.support import hostile
from tests.support.demo_side import NOW_US, POST, WORDS, profile
from tests.support.hostile import hostile_profile

TELL = Telling(WORDS, POST, NOW_US)


def asked(owner: str) -> dict[str, str]:
    return {pair.question: pair.known for pair in trap_of(profile(owner), TELL).pairs}


def test_maya_is_asked_for_her_order_number_and_told_to_mail_it_back() -> None:
    pairs = asked("maya")

    assert pairs["Your order number, please?"] == "W-1042, bought in Web"
    assert (
        pairs["Bought online? Please mail it back."]
        == "Linen shirt M, paid 31.92 EUR: done here, now"
    )


def test_tom_is_asked_everything_he_told_us_and_offered_the_reset_an_eighth_time() -> None:
    pairs = asked("tom")

    assert pairs["Who pays?"] == "Brightwater Ltd, his employer"
    assert (
        pairs["Have you tried this: reset the password?"] == "tried 7 times, not offered again"
    )
    assert "Bought online? Please mail it back." not in pairs


def test_an_erasure_is_nothing_an_unconnected_shop_would_ask_about() -> None:
    wish = Case(
        id="e", number="C-9", state="open", topic="erasure", opened_at=NOW_US, channel="store"
    )
    row = row_of(wish, owner="tom", as_of=NOW_US, source="store")

    assert trap_of(Profile("tom", (row,)), TELL).pairs == ()


def test_lena_is_asked_for_the_mail_that_says_what_the_shelf_knows() -> None:
    assert asked("lena")["A parcel? Do you have the e-mail?"] == "2 items, shelf C7"


def test_priya_is_asked_where_she_wrote() -> None:
    assert asked("priya")["You contacted us before? Where?"].startswith("WhatsApp, ")


def test_somebody_we_know_nothing_of_is_asked_nothing_that_could_be_lost() -> None:
    trap = trap_of(Profile("nobody", ()), TELL)

    assert (trap.pairs, trap.n_asked) == ((), 0)


def _order(
    number: str,
    *,
    days: int,
    state: str = "delivered",
    sensitivity: str = "normal",
    product: str = "p",
) -> Order:
    return Order(
        id=number, at=NOW_US - days * DAY_US, channel="web", state=state, lines=(OrderLine(product, "Thing"),),
        total_minor=1, sensitivity=sensitivity,
    )  # fmt: skip


@pytest.mark.parametrize(
    "newer",
    [
        _order("W-2", days=1, state="cancelled"),
        _order("W-2", days=1, state="shipped"),
        _order("W-2", days=1, sensitivity="gift"),
        _order("W-2", days=1, sensitivity="sensitive"),
        _order("W-2", days=1, product="hair-regrowth"),
    ],
)
def test_the_order_it_speaks_of_is_one_a_panel_may_speak_of(newer: Order) -> None:
    hidden = Product(id="hair-regrowth", title="Hair", category="c", sensitivity="sensitive")
    held = {"product/hair-regrowth": row_of(hidden, owner="", as_of=NOW_US, source="web")}
    bodies = (_order("W-1", days=2), newer, _order("W-0", days=3, state="ready"))
    rows = tuple(row_of(one, owner="x", as_of=NOW_US, source="web") for one in bodies)

    trap = trap_of(Profile("x", rows), Telling(WORDS, POST, NOW_US, held=held.get))

    assert [pair.known for pair in trap.pairs] == ["W-1, bought in Web"]


def test_an_order_of_long_ago_is_asked_for_by_nobody() -> None:
    rows = (row_of(_order("W-1", days=61), owner="x", as_of=NOW_US, source="web"),)

    assert trap_of(Profile("x", rows), TELL).pairs == ()


def test_one_question_is_one() -> None:
    assert WORDS.questions(1) == "1 question, and the answer lost again"
    assert WORDS.questions(2) == "2 questions, and the answers lost again"


def test_it_counts_more_questions_than_it_shows() -> None:
    trap = trap_of(hostile_profile("long"), TELL)

    assert len(trap.pairs) <= PAIRS_MAX
    assert trap.n_asked >= len(trap.pairs)


@pytest.mark.parametrize("name", hostile.NAMES)
def test_nothing_from_outside_can_steer_the_terminal(name: str) -> None:
    trap = trap_of(hostile_profile(name), TELL)

    texts = [trap.name, *(part for pair in trap.pairs for part in (pair.question, pair.known))]
    assert not [
        text for text in texts if any(unicodedata.category(char)[0] == "C" for char in text)
    ]
