"""What a reader is: it waits for one band, connects to it, and says when it is gone."""

from typing import Protocol, Self

from drivers.connection import Connection
from drivers.readers.signals import Signal
from drivers.target import Target

WAIT_MS_MAX = 500
"""No call of a reader blocks longer, so that the loop that owns it always hears that it should stop."""


class Reader(Protocol):
    """One antenna with a name. Used by one thread, which owns and closes it; `with opened(...) as reader:` closes it at its end."""

    @property
    def name(self) -> str:
        """How people tell it from others."""
        ...

    @property
    def reported_at_us(self) -> int:
        """Ticks when the reader itself reported the last target; 0 where it does not tell."""
        ...

    def wait_for_target(self, timeout_ms: int) -> Target | None:
        """The band in the field, activated anew; None when none came within `timeout_ms` (at most WAIT_MS_MAX).

        A band that is there already is returned at once, so whoever has read one waits for its removal first.

        Raises:
            BandCollision: more than one band in the field.
            BandUnsupported, BandLeft: something is there that cannot be activated, or left while it was.
            ReaderError: the machine's side failed; close it and open it anew.
        """
        ...

    def connect(self, target: Target) -> Connection:
        """A connection to the last target. Raises BandLeft when it is not that any more, ReaderError."""
        ...

    def wait_for_removal(self, timeout_ms: int) -> bool:
        """Is the field empty? Waits at most `timeout_ms` (at most WAIT_MS_MAX) for it. Raises ReaderError."""
        ...

    def signal(self, signal: Signal) -> None:
        """Show and sound at the reader how the tap goes; nothing where it has no light and no buzzer. Never raises.

        Takes a few milliseconds, so nothing is signalled between the band's arrival and the last exchange with it.
        """
        ...

    def close(self) -> None:
        """Let go of the device; harmless when it is gone or done twice. Never raises."""
        ...

    def __enter__(self) -> Self:
        """Itself."""
        ...

    def __exit__(self, *_: object) -> None:
        """`close`, whatever ended the block."""
        ...
