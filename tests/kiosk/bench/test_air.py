"""The time on the air, against a table made by hand from the same standard and against a chip that somebody timed."""

import pytest

from kiosk.bench import air

SELECT = (9, 2)
AUTHENTICATE_EV2_FIRST = ((8, 18), (38, 34))


@pytest.mark.parametrize(
    ("kbit", "select", "whole"), [(106, 1.66, 17.8), (212, 0.96, 13.4), (424, 0.59, 10.7), (848, 0.40, 9.3)]
)  # fmt: skip
def test_a_tap_takes_what_the_standard_says(kbit: int, select: float, whole: float) -> None:
    exchanges = (SELECT, *AUTHENTICATE_EV2_FIRST)

    assert air.exchange_ms(*SELECT, kbit=kbit) == pytest.approx(select, abs=0.01)
    assert air.tap_ms(exchanges, kbit=kbit) == pytest.approx(whole, rel=0.02)


def test_a_longer_answer_comes_in_blocks_that_are_acknowledged() -> None:
    one, two = (air.exchange_ms(9, size, kbit=106) for size in (61, 62))

    assert two - one > air.exchange_ms(0, 0, kbit=106)


def test_a_faster_line_does_not_make_the_start_faster() -> None:
    assert air.tap_ms((), kbit=848) > air.tap_ms((), kbit=106)
