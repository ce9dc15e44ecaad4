"""The trap: what an unconnected shop asks, beside the rows that answer it."""

import unicodedata

import pytest

from kiosk.core.entries import Telling
from kiosk.core.trap import PAIRS_MAX, trap_of
from sync.model.profile import Profile
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


def test_lena_is_asked_for_the_mail_that_says_what_the_shelf_knows() -> None:
    assert asked("lena")["A parcel? Do you have the e-mail?"] == "2 items, shelf C7"


def test_priya_is_asked_where_she_wrote() -> None:
    assert asked("priya")["You contacted us before? Where?"].startswith("WhatsApp, ")


def test_somebody_we_know_nothing_of_is_asked_nothing_that_could_be_lost() -> None:
    trap = trap_of(Profile("nobody", ()), TELL)

    assert (trap.pairs, trap.n_asked) == ((), 0)


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
