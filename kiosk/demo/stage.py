"""The shop a scene is played in: a real centre with its channels, a kiosk and a counter of one store, and a network to cut.

`Stage` holds all of it in this process: requests are carried by function calls, what goes out reaches played vendors on loopback.
The running demo is the same to a scene (`Shop`), over its own processes.
"""

from collections import deque
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from typing import Protocol

import msgspec

from drivers.lines import Proved
from hardware.moments import micros_of
from kiosk.assembly.desk import StoreDesk
from kiosk.assembly.device import Device, World, local_zone
from kiosk.assembly.recognising import LocalRecogniser
from kiosk.assembly.screens import post_of
from kiosk.assembly.syncing import Sync
from kiosk.core.entries import Opened, Post, Telling, found
from kiosk.core.page import Page, joined
from kiosk.core.ports import Recognition, held_by
from kiosk.core.staff_words import StaffWords
from kiosk.demo.bands import ENCODED_CHIPS, demo_band
from kiosk.demo.catalogue import HOME_STORE, products
from kiosk.demo.in_process import InProcessTransport
from kiosk.demo.letters import Letter, item_of
from kiosk.demo.seeding import (
    CENTRE_FOLDER,
    COUNTER_FOLDER,
    DEMO_CENTRE_URL,
    deliver,
    enrol,
    open_demo_centre,
    prepare_folder,
)
from kiosk.demo.vendors import Vendors
from sync.central.centre import Centre
from sync.edge.lookup import Lookup
from sync.edge.switch import SwitchedTransport
from sync.model.errors import CentreError
from sync.model.operation import Evidence
from sync.model.profile import Profile
from sync.model.row import Row
from sync.model.sins import Scoreboard, scoreboard_of

CLERK = "mira"
"""Who serves in every scene."""

_FAMILY = {"classic": "classic"}
"""What the reader process calls chips that carry nothing of ours; all others here are NTAG 21x."""

ROUNDS_MAX = 20
"""Rounds of exchange until nothing moves any more; a scene moves a handful of things."""


class Shop(Protocol):
    """What a scene does and asks."""

    @property
    def now(self) -> int:
        """Microseconds since 1970."""
        ...

    def tap(self, band: str) -> None:
        """Hold this band to the kiosk's reader."""
        ...

    def cut(self) -> None:
        """Cut the network of the store."""
        ...

    def restore(self) -> None:
        """Give it back."""
        ...

    def act(
        self,
        kind: str,
        args: msgspec.Struct,
        *,
        owner: str = "",
        evidence: Evidence | None = None,
    ) -> str:
        """Record an operation at the counter; its id. Raises Refused, StoreError."""
        ...

    def tell(self, letter: Letter) -> None:
        """Another system sends something."""
        ...

    def profile(self, owner: str) -> Profile:
        """What the counter holds of a customer."""
        ...

    def row(self, key: str) -> Row | None:
        """A row as the counter holds it."""
        ...


class Stage:
    """The shop in this process; `Stage.opened` makes it."""

    def __init__(
        self,
        centre: Centre,
        kiosk: Device,
        counter: Device,
        vendors: Vendors,
        letters: deque[Letter],
    ) -> None:
        """Put together by `opened`."""
        self.centre = centre
        self.vendors = vendors
        self.page: Page | None = None
        self.recognition: Recognition | None = None
        self._letters = letters
        self._clock = kiosk.world.clock
        self._kiosk = kiosk
        self._switches = tuple(
            SwitchedTransport(InProcessTransport(centre.asgi_app)) for _ in range(2)
        )
        self._kiosk_sync = Sync(kiosk, transport=self._switches[0])
        self._counter_sync = Sync(counter, transport=self._switches[1])
        self._recogniser = LocalRecogniser(kiosk)
        self._lookup = Lookup(kiosk.store)
        self.desk = StoreDesk(counter, self._counter_sync)
        self.zone = local_zone(self._clock)
        self.words = StaffWords(self.zone)
        self.settle()
        self.post: Post = post_of(counter, clerk=CLERK)

    @classmethod
    @contextmanager
    def opened(cls, folder: Path, *, world: World) -> Iterator["Stage"]:
        """A seeded shop in an empty folder, or one that held a demo. Raises as `seeding.seed`."""
        letters: deque[Letter] = deque()
        with ExitStack() as stack:
            vendors = Vendors(
                clock=world.clock, products={item_of(it.id): it.id for it in products()},
                tell=letters.append,
            )  # fmt: skip
            vendors.start()
            stack.callback(vendors.stop)
            prepare_folder(folder, disk=world.disk)
            centre = open_demo_centre(
                folder / CENTRE_FOLDER, world=world, vendors=vendors.addresses
            )
            stack.callback(centre.close)
            opened = partial(_device, stack, centre, world=world)
            kiosk, counter = opened(folder, "kiosk"), opened(folder / COUNTER_FOLDER, "counter")
            yield cls(centre, kiosk, counter, vendors, letters)

    # What a scene does

    @property
    def now(self) -> int:
        """Microseconds since 1970."""
        return micros_of(self._clock.now())

    def tap(self, band: str) -> None:
        """Hold this band to the kiosk's reader; one of the same household joins the page that is open."""
        before = self.page
        self.recognition = self._seen(band)
        page = self.recognition.page
        is_family = (
            before is not None and before.household and before.household == page.household
        )
        self.page = (
            joined(before, page, self._kiosk.shop(self._lookup))
            if before is not None and is_family and self.recognition.owner not in before.owners
            else page
        )

    def _seen(self, band: str) -> Recognition:
        """What the kiosk makes of what its reader process says of this band."""
        shown = demo_band(band)
        is_ours = shown.chip in ENCODED_CHIPS
        proved = Proved(
            tap=1, kind="mutual" if is_ours else "none", family="desfire" if is_ours else _FAMILY.get(shown.chip, "ntag21x"),
            generation=2 if is_ours else 0, uid=shown.uid.hex(), band=shown.reference.hex() or None,
        )  # fmt: skip
        return self._recogniser.recognise(self._recogniser.evidence(proved))

    def leave(self) -> None:
        """The customer walks away: the page is wiped."""
        self.page = self.recognition = None

    def cut(self) -> None:
        """Cut the network of the store."""
        for switch in self._switches:
            switch.cut()

    def restore(self) -> None:
        """Give it back, and let everything go out."""
        for switch in self._switches:
            switch.join()
        self.settle()

    def act(
        self,
        kind: str,
        args: msgspec.Struct,
        *,
        owner: str = "",
        evidence: Evidence | None = None,
    ) -> str:
        """Record an operation at the counter; its id. Raises Refused, StoreError."""
        here = self.recognition
        by_staff = found("name") if here is None else Opened(here.evidence)
        done = self.desk.record(
            kind, args, owner=owner, actor=CLERK, evidence=evidence or by_staff.by_staff
        )
        self.settle()
        return done.op

    def tell(self, letter: Letter) -> None:
        """Another system sends something."""
        self._letters.append(letter)
        self.settle()

    def profile(self, owner: str) -> Profile:
        """What the counter holds of a customer."""
        return self.desk.profile_of(owner)

    def row(self, key: str) -> Row | None:
        """A row as the counter holds it."""
        return self.desk.held(key)

    # What is behind it

    @property
    def is_cut(self) -> bool:
        """Whether the store hears nobody."""
        return self._switches[0].is_cut

    @property
    def telling(self) -> Telling:
        """What lines of the counter are made with."""
        return Telling(self.words, self.post, self.now, held=held_by(self.desk))

    def score(self) -> Scoreboard:
        """The three sins as every screen counts them: from the rows this store holds."""
        return scoreboard_of(self.rows(), now=self.now, home=HOME_STORE)

    def rows(self) -> tuple[Row, ...]:
        """Everything this store holds."""
        return self._lookup.everything()

    def central_profile(self, owner: str) -> Profile:
        """What the centre holds of a customer: what agents outside the stores see."""
        return Profile(owner, self.centre.rows_of(owner))

    def settle(self) -> None:
        """Let everything that can move, move: devices push and pull, messages go out, vendors tell."""
        for _ in range(ROUNDS_MAX):
            moved = self._delivered() + self.centre.outward.work()
            for sync in (self._counter_sync, self._kiosk_sync):
                moved += _exchanged(sync)
            if not moved:
                return

    def _delivered(self) -> int:
        n_letters = len(self._letters)
        for _ in range(n_letters):
            deliver(self.centre, self._letters.popleft())
        return n_letters


def _device(
    stack: ExitStack, centre: Centre, folder: Path, role: str, *, world: World
) -> Device:
    """A device of the home store, enrolled and open until the stack ends."""
    enrol(centre, folder, role=role, centre_url=DEMO_CENTRE_URL, world=world)
    device = Device.open(folder, world=world)
    stack.callback(device.close)
    return device


def _exchanged(sync: Sync) -> int:
    """One exchange with the centre; how many rows and results came, nothing without a network."""
    try:
        once = sync.runner.sync_once()
    except CentreError:
        return 0
    return once.n_rows + once.n_settled
