"""What the shell needs of the demo that runs it; the demo's command plugs it."""

from dataclasses import dataclass
from typing import Protocol

from sync.model.row import Row


@dataclass(frozen=True, slots=True)
class Day:
    """A day that is played faster than it was.

    Attributes:
        at: What time it is in it, microseconds since 1970.
        speed: How many times as fast it passes.
    """

    at: int
    speed: int


class DemoControls(Protocol):
    """The demo behind the screens. All calls return at once, on the screen's own loop."""

    def tap(self, digit: int) -> None:
        """Hold the band with this key to the virtual reader for a moment; what comes of it arrives as ReaderSaid."""
        ...

    def tap_visitor(self) -> None:
        """The same with the band of a customer this store does not hold."""
        ...

    def tap_spare(self) -> None:
        """The same with a band that is nobody's yet."""
        ...

    def toggle_network(self) -> bool:
        """Cut the network, or restore it; returns whether it is up now."""
        ...

    def revision(self) -> int:
        """A number that changes whenever `rows` would answer otherwise."""
        ...

    def day(self) -> Day | None:
        """The day that passes in the other channels; None while they live in the present."""
        ...

    def rows(self) -> tuple[Row, ...]:
        """All rows of the brand that the ticker and the scoreboard are made of, of every customer and product."""
        ...


class Tour(Protocol):
    """The scenes of the stories, step by step."""

    def go_on(self) -> tuple[str, str, tuple[str, ...]] | None:
        """Play the next step: its caption, the customer it is about ("" for none), what is to be looked at; None at the end."""
        ...
