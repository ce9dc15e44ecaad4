"""What happens when the program fails: out of order, no names, a non-zero status.

Textual prints a traceback with the local values of every frame on the terminal, which here is the customer's screen, and
ends with status 0. This takes its place: the traceback goes to the log without values, the terminal shows one sentence,
and the status tells the service manager to start us again. The hooks `_fatal_error` and `_print_error_renderables` are
private names of Textual 8.2; a test in a real terminal guards them.
"""

import logging
import sys
from typing import Any, Final

from textual.app import App

from kiosk.core.wording.catalogue import LANGUAGES, sentence_of

log = logging.getLogger(__name__)

CRASH_STATUS: Final = 70
"""Exit status after a crash. Source: sysexits.h, EX_SOFTWARE."""


class CrashSafeApp(App[int]):
    """An app whose failure shows no local value; every app of this product is one."""

    ENABLE_COMMAND_PALETTE = False
    ALLOW_SELECT = False

    def __init__(self) -> None:
        super().__init__()
        # A page is where the key said at once: nobody waits for it to glide, and a slow panel draws it once.
        self.animation_level = "none"

    def _fatal_error(self) -> None:
        """End after an unhandled exception: where it happened goes to the log, no value does."""
        error = sys.exc_info()[1]
        log.error("screen crashed", exc_info=error)
        self._return_code = CRASH_STATUS
        self._close_messages_no_wait()

    def panic(self, *renderables: Any) -> None:
        """Textual's other way to end with an error; what it would print is not for customers."""
        del renderables
        self._fatal_error()

    def _print_error_renderables(self) -> None:
        """On a terminal that is left after a crash, the out-of-order sentence and nothing else."""
        self._exit_renderables.clear()
        if self._return_code == CRASH_STATUS:
            for sentence in out_of_order_lines():
                self.error_console.print(sentence, markup=False, highlight=False)


def out_of_order_lines() -> tuple[str, ...]:
    """What a dead screen says, in every language."""
    return tuple(
        f"{sentence_of('neutral.see-team', language)}. {sentence_of('out-of-order.line', language)}"
        for language in LANGUAGES
    )
