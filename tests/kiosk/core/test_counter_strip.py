"""What the staff strip says in one line."""

from dataclasses import replace

from kiosk.core.entries import Tone
from kiosk.core.ports import Long, Standing
from kiosk.core.staff_words import DAY_US, HOUR_US, MINUTE_US
from kiosk.core.strip import GAP, fitted, pieces_of
from tests.support.demo_side import NOW_US, WORDS

WELL = Standing(
    "ok", "ok", synced_at=NOW_US - 3 * MINUTE_US, n_waiting=0, n_refused=0, now=NOW_US
)


def line(standing: Standing, width: int = 200) -> str:
    return GAP.join(piece.text for piece in fitted(pieces_of(standing, WORDS), width))


def test_when_all_is_well_it_says_so() -> None:
    assert line(WELL) == "Reader ok · Network ok · Data 13:59 (3 min) · All sent"


def test_what_is_wrong_says_since_when() -> None:
    cut = replace(WELL, network="cut", network_since=NOW_US - 2 * MINUTE_US, n_waiting=2)

    assert line(cut) == "Reader ok · ! Network cut 2 min · Data 13:59 (3 min) · 2 to send"


def test_at_53_columns_all_four_pieces_stay_and_spans_give_way() -> None:
    cut = replace(WELL, network="cut", network_since=NOW_US - 2 * MINUTE_US, n_waiting=12)

    assert line(cut, 53) == "Reader ok · ! Network cut · Data 3 min · 12 to send"


def test_without_reader_and_centre_the_smallest_counter_still_shows_all_four() -> None:
    """51 columns are what a terminal of 53 leaves it."""
    lost = replace(
        WELL, reader="reader_absent", reader_since=NOW_US - 2 * MINUTE_US,
        network="centre_unreachable", network_since=NOW_US - 2 * MINUTE_US, n_waiting=2,
    )  # fmt: skip

    assert line(lost, 51) == "! No reader · ! No centre · Data 3 min · 2 to send"


def test_however_narrow_it_is_what_is_wrong_stays() -> None:
    bad = replace(
        WELL,
        reader="reader_absent",
        network="centre_unreachable",
        n_refused=1,
        store_code="store_full",
    )

    text = line(bad, 10)

    assert text == "! Reader not found · ! Centre not reached · ! Disk full · ! 1 not settled"


def test_every_width_shows_a_line_that_fits_or_only_what_is_wrong() -> None:
    cut = replace(
        WELL, network="cut", network_since=NOW_US - 2 * MINUTE_US, n_waiting=2, n_refused=1
    )

    for width in range(10, 120):
        pieces = fitted(pieces_of(cut, WORDS), width)
        is_short = len(GAP.join(piece.text for piece in pieces)) <= width
        assert is_short or all(piece.tone is Tone.ALERT for piece in pieces)


def test_a_device_that_never_had_data_says_so() -> None:
    assert "! No data yet" in line(replace(WELL, synced_at=0))


def test_data_of_more_than_a_day_is_an_alarm() -> None:
    old = replace(WELL, synced_at=NOW_US - DAY_US - MINUTE_US)

    assert "! Data yesterday 14:01 (24 h)" in line(old)


def test_a_code_we_do_not_know_is_still_a_fault() -> None:
    text = line(
        replace(WELL, reader="reader_melted", network="moon", store_code="store_melted")
    )

    assert "! Reader fault · ! Network fault · ! Files have a fault" in text


def test_that_the_other_counters_are_not_reached_is_said_where_a_relay_is_set() -> None:
    alone = replace(WELL, relay="relay_lost", relay_since=NOW_US - 2 * MINUTE_US)

    assert "! Other counters not reached 2 min" in line(alone)
    assert line(replace(WELL, relay="ok")) == line(WELL)


def test_before_this_program_is_too_old_for_the_centre_it_says_until_when() -> None:
    told = replace(WELL, update_at=NOW_US + 40 * DAY_US)

    assert f"! Update this program before {WORDS.moment(told.update_at, now=NOW_US)}" in line(
        told
    )
    assert "! Update" in line(told, 53)
    assert "All sent" in line(told, 53)


def test_a_centre_that_cannot_read_what_is_recorded_here_is_said() -> None:
    told = replace(WELL, n_unread_kinds=1)

    assert "! The centre's program is older than this one" in line(told)
    assert "! Centre old" in line(told, 53)


def test_on_the_smallest_counter_what_is_well_gives_way_to_being_alone() -> None:
    alone = replace(WELL, relay="relay_lost", relay_since=NOW_US - 2 * MINUTE_US)

    assert line(alone, 51) == "! Alone · Data 13:59 (3 min) · All sent"
    assert (
        line(replace(alone, network="centre_unreachable"), 51)
        == "! No centre · ! Alone · Data 3 min · All sent"
    )


def test_while_the_first_sync_runs_it_says_how_far_it_is() -> None:
    half = Long("rows", 50_000, 200_000, left_s=150)
    coming = replace(WELL, synced_at=0, long=(half,))
    unsure = replace(coming, long=(replace(half, left_s=None),))

    assert (
        line(coming)
        == "Reader ok · Network ok · Data coming: 25 % of 200,000, 2 min left · All sent"
    )
    assert line(unsure) == "Reader ok · Network ok · Data coming: 25 % of 200,000 · All sent"
    assert line(coming, 53) == "Reader ok · Network ok · Data 25 % · All sent"


def test_a_push_that_takes_long_leaves_the_age_of_the_data_where_it_is() -> None:
    pushing = replace(WELL, n_waiting=4_000, long=(Long("push", 1_000, 5_000),))

    assert line(pushing) == "Reader ok · Network ok · Data 13:59 (3 min) · 4000 to send"


def test_after_a_day_without_the_centre_it_says_how_long_customers_are_shown() -> None:
    day = replace(
        WELL, synced_at=NOW_US - 25 * HOUR_US, lease="warned", lease_left_us=47 * HOUR_US
    )

    assert (
        line(day) == "Reader ok · Network ok · ! Data 25 h old, shown for 47 h more · All sent"
    )
    assert line(day, 51) == "Reader ok · Network ok · ! Data 25 h · All sent"


def test_after_three_days_it_says_that_customers_are_hidden() -> None:
    over = replace(WELL, synced_at=NOW_US - 4 * DAY_US, lease="over", n_waiting=2)

    assert "! Customers hidden until the centre answers" in line(over)
    assert line(over, 51) == "Reader ok · Network ok · ! Hidden · 2 to send"


def test_who_waits_too_long_is_said_to_be_counted_in_all_stores_also_where_it_is_narrow() -> (
    None
):
    def said(width: int) -> str:
        return GAP.join(p.text for p in fitted(pieces_of(WELL, WORDS, n_late=14), width))

    cut = replace(WELL, network="centre_unreachable", n_waiting=1)
    narrow = GAP.join(p.text for p in fitted(pieces_of(cut, WORDS, n_late=14), 78))

    assert (
        narrow == "! Centre not reached · ! 14 unanswered, all · Data 13:59 (3 min) · 1 to send"
    )
    assert "! 14 unanswered, all stores" in said(100)
    assert said(45) == "! 14 unanswered, all · Data 3 min · All sent"
