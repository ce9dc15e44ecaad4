"""How a length of time is said, and how late something is."""

import pytest

from sync.model.spans import DAY_US, HOUR_US, MINUTE_US, SECOND_US, late, span

NOW = 1_000 * DAY_US


@pytest.mark.parametrize(
    ("length_us", "said"),
    [
        (-1, "0 s"),
        (MINUTE_US - 1, "59 s"),
        (MINUTE_US, "1 min"),
        (90 * MINUTE_US - 1, "89 min"),
        (90 * MINUTE_US, "1 h"),
        (48 * HOUR_US - 1, "47 h"),
        (48 * HOUR_US, "2 days"),
        (3 * DAY_US - 1, "2 days"),
        (8 * DAY_US, "8 days"),
    ],
)
def test_a_length_changes_its_unit_at_the_border_and_not_before(
    length_us: int, said: str
) -> None:
    assert span(length_us) == said


@pytest.mark.parametrize(
    ("over_us", "said"),
    [
        (1, "1 s late"),
        (SECOND_US, "1 s late"),
        (90 * MINUTE_US - 1, "89 min late"),
        (48 * HOUR_US - 1, "47 h late"),
        (48 * HOUR_US, "2 days late"),
    ],
)
def test_late_is_counted_from_the_time_that_was_promised(over_us: int, said: str) -> None:
    assert late(NOW - over_us, NOW) == said
