"""How far something long is, in one line."""

import io

from hardware.clock import FixedClock
from kiosk.commands.progress_line import DRAW_MS, SAY_MS, ProgressLine, line_of
from sync.edge.progress import Progress
from tests.support import edge

HALF = Progress("rows", 100_000, 200_000, 40_000)


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_a_line_says_share_rows_rate_and_time_left() -> None:
    line = line_of(HALF, width=100)

    assert (
        line == "[############............]  50 %  100,000 of 200,000 rows, 40,000/s, 0:03 left"
    )


def test_a_terminal_of_80_columns_has_a_bar_beside_the_longest_line() -> None:
    line = line_of(Progress("snapshot", 199_999, 200_000, 123_456), width=79)

    assert line.startswith("[####")
    assert line.endswith("]  99 %  199,999 of 200,000 rows, 123,456/s, 0:01 left")
    assert len(line) <= 79


def test_a_narrow_terminal_has_no_bar_and_no_line_too_long() -> None:
    assert line_of(HALF, width=60) == " 50 %  100,000 of 200,000 rows, 40,000/s, 0:03 left"
    assert len(line_of(HALF, width=20)) == 20


def test_without_a_rate_nothing_is_said_of_time() -> None:
    assert line_of(Progress("push", 0, 5_000), width=0) == "0 %  0 of 5,000 operations"


def test_a_terminal_shows_one_line_drawn_again_and_taken_away() -> None:
    out, clock = Terminal(), FixedClock(edge.START)
    line = ProgressLine(out, clock=clock)

    line.show([HALF])
    line.show([HALF])
    clock.sleep_ms(DRAW_MS)
    line.show([HALF])
    line.end()

    assert out.getvalue().count("100,000") == 2
    assert "\n" not in out.getvalue()
    assert out.getvalue().endswith("\r\x1b[K")


def test_elsewhere_a_plain_line_is_said_now_and_then() -> None:
    out, clock = io.StringIO(), FixedClock(edge.START)
    line = ProgressLine(out, clock=clock)

    for _ in range(20):
        clock.sleep_ms(SAY_MS // 10)
        line.show([HALF])
    line.end()

    assert out.getvalue() == "50 %  100,000 of 200,000 rows, 40,000/s, 0:03 left\n" * 2


def test_nothing_long_shows_nothing() -> None:
    out = Terminal()
    line = ProgressLine(out, clock=FixedClock(edge.START))

    line.show([])
    line.end()

    assert out.getvalue() == ""
