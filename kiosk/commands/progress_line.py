"""How far something long is: one line that is drawn again on a terminal, plain lines now and then elsewhere."""

import shutil
from collections.abc import Sequence
from typing import Final, TextIO

from hardware.clock import Clock
from kiosk.commands.counting import counted
from sync.edge.progress import Progress

DRAW_MS: Final = 100
"""On a terminal."""

SAY_MS: Final = 5_000
"""Elsewhere: a log of a night's pull must not have thousands of lines."""

BAR_CELLS: Final = 24
"""Where there is room; it gives way to the words, down to `BAR_CELLS_MIN`, then goes."""

BAR_CELLS_MIN: Final = 8
BAR_FRAME: Final = len("[] ")

NAMES: Final = {"rows": "rows", "snapshot": "rows", "push": "operations"}
"""What is counted; that rows come as a snapshot is no matter to who waits."""


class ProgressLine:
    """Shows what takes long; call `end` before anything else is written."""

    def __init__(self, out: TextIO, *, clock: Clock) -> None:
        self._out = out
        self._clock = clock
        self._is_terminal = out.isatty()
        self._next_ms = clock.ticks_ms() + (0 if self._is_terminal else SAY_MS)
        self._is_drawn = False

    def show(self, progress: Sequence[Progress]) -> None:
        """Show the first of these, unless one was shown a moment ago."""
        now_ms = self._clock.ticks_ms()
        if not progress or now_ms < self._next_ms:
            return
        if self._is_terminal:
            width = shutil.get_terminal_size().columns - 1
            self._out.write("\r\x1b[K" + line_of(progress[0], width=width))
            self._out.flush()
            self._is_drawn = True
            self._next_ms = now_ms + DRAW_MS
        else:
            self._out.write(line_of(progress[0], width=0) + "\n")
            self._next_ms = now_ms + SAY_MS

    def end(self) -> None:
        """Take the line away."""
        if self._is_drawn:
            self._out.write("\r\x1b[K")
            self._out.flush()
            self._is_drawn = False


def line_of(progress: Progress, *, width: int) -> str:
    """One line: a bar where there are `width` columns for it, share, how many of how many, how fast, how long still."""
    share = 100 * progress.n_done // max(progress.n_total, 1)
    name = NAMES.get(progress.what, progress.what).removesuffix("s")
    text = f"{share:3} %  {progress.n_done:,} of {counted(progress.n_total, name, f'{name}s')}"
    if progress.per_s:
        text += f", {progress.per_s:,}/s"
    left_s = progress.left_s
    if left_s is not None:
        text += f", {left_s // 60}:{left_s % 60:02} left"
    cells = min(width - len(text) - BAR_FRAME, BAR_CELLS)
    if cells < BAR_CELLS_MIN:
        return text[:width] if width else text.strip()
    full = cells * progress.n_done // max(progress.n_total, 1)
    return f"[{'#' * full}{'.' * (cells - full)}] {text}"
