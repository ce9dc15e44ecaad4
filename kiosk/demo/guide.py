"""Leads through the tour in the running demo: each key plays the next step, in the demo's own processes."""

import asyncio
from collections.abc import Callable, Sequence

import msgspec

from hardware.clock import Clock
from hardware.moments import micros_of
from kiosk.core.entries import found
from kiosk.core.ports import CounterDesk, Refused, held_by
from kiosk.demo.letters import Letter
from kiosk.demo.live import Wire
from kiosk.demo.scenes import SCENES, Scene, Step
from kiosk.demo.stage import CLERK
from sync.model.errors import StoreError
from sync.model.operation import Evidence
from sync.model.profile import Profile
from sync.model.row import Row

BETWEEN_TAPS_MS = 2_600
"""Between two bands of one step: longer than the time in which one band is the same tap."""


class LiveShop:
    """The running demo as a scene sees it (`stage.Shop`). Used on the screen's loop."""

    def __init__(
        self, *, desk: CounterDesk, clock: Clock, wire: Wire,
        hold: Callable[[str], None], switch: Callable[[], bool], is_cut: Callable[[], bool],
    ) -> None:  # fmt: skip
        """Args: `hold` holds a band to the virtual reader, `switch` cuts the network or restores it."""
        self._desk = desk
        self._held = held_by(desk)
        self._clock = clock
        self._wire = wire
        self._hold = hold
        self._switch = switch
        self._is_cut = is_cut
        self._bands: list[str] = []
        self._tapping: asyncio.Task[None] | None = None

    @property
    def now(self) -> int:
        """Microseconds since 1970."""
        return micros_of(self._clock.now())

    def tap(self, band: str) -> None:
        """Hold this band to the reader, after those that wait for it already."""
        self._bands.append(band)
        if self._tapping is None or self._tapping.done():
            self._tapping = asyncio.create_task(self._tap_all())

    async def _tap_all(self) -> None:
        while self._bands:
            self._hold(self._bands.pop(0))
            await self._clock.pause_ms(BETWEEN_TAPS_MS)

    def cut(self) -> None:
        """Cut the network of the store."""
        if not self._is_cut():
            self._switch()

    def restore(self) -> None:
        """Give it back."""
        if self._is_cut():
            self._switch()

    def act(
        self,
        kind: str,
        args: msgspec.Struct,
        *,
        owner: str = "",
        evidence: Evidence | None = None,
    ) -> str:
        """Record an operation at the counter; its id. Raises Refused, StoreError."""
        by = evidence or found("name").evidence
        return self._desk.record(kind, args, owner=owner, actor=CLERK, evidence=by).op

    def tell(self, letter: Letter) -> None:
        """Another system sends something."""
        self._wire.put(letter)

    def profile(self, owner: str) -> Profile:
        """What the counter holds of a customer. Raises StoreError."""
        return self._desk.profile_of(owner)

    def row(self, key: str) -> Row | None:
        """A row as the counter holds it. Raises StoreError."""
        return self._held(key)


class Guide:
    """Where the tour stands; see `kiosk.ui.demo_shell.controls.Tour`."""

    def __init__(self, shop: LiveShop, scenes: Sequence[Scene] = SCENES) -> None:
        self._shop = shop
        self._steps: list[tuple[Scene, Step]] = [
            (scene, step) for scene in scenes for step in scene.steps
        ]
        self._next = 0

    def go_on(self) -> tuple[str, str, tuple[str, ...]] | None:
        """Play the next step: its caption, whose it is, and what is to be looked at; None when the tour is over."""
        if self._next >= len(self._steps):
            return None
        scene, step = self._steps[self._next]
        self._next += 1
        caption = f"{self._next}/{len(self._steps)}  {scene.title}. {step.caption}"
        try:
            step.act(self._shop)
        except (Refused, StoreError) as error:
            # A demo that was played on: the parcel is handed over already, the tickets are used.
            caption += f" (Not done again: {error})"
        return caption, scene.owner, step.looks
