"""The demo without processes: bands that prove themselves at once, a network that is a word, rows of the seeded brand."""

from datetime import UTC, datetime
from functools import cache
from zoneinfo import ZoneInfo

from drivers.lines import Left, Proved, Said, Seen
from hardware.clock import FixedClock
from hardware.entropy import SeededEntropy
from hardware.moments import micros_of
from kiosk.core import page as pages
from kiosk.core.entries import Post
from kiosk.core.policy import Assurance
from kiosk.core.ports import BandEvidence, Recognition
from kiosk.core.staff_words import StaffWords
from kiosk.demo.bands import demo_bands
from kiosk.demo.brand import demo_rows
from kiosk.ui.bridge import Parts
from kiosk.ui.demo_shell.app import DemoApp
from kiosk.ui.demo_shell.controls import Day
from kiosk.ui.messages import ReaderSaid
from sync.model.operation import Evidence
from sync.model.profile import Profile
from sync.model.row import Row
from tests.support.desk import MemoryDesk

NOW = datetime(2026, 11, 21, 14, 2, tzinfo=UTC)
"""A Saturday afternoon."""

NOW_US = micros_of(NOW)
POST = Post("harbour", "mira", "Mira (Harbour)", {"harbour": "Harbour", "market": "Market"})
WORDS = StaffWords(ZoneInfo("UTC"))


@cache
def brand_rows() -> tuple[Row, ...]:
    """The demo's rows at that time, made once: what is in them never changes."""
    return demo_rows(NOW)


def recognition(owner: str, *, reason: str = "", assurance: str = "A2") -> Recognition:
    """Somebody tapped."""
    return Recognition(
        evidence=Evidence(assurance, "mutual" if owner else "none", f"band-of-{owner}"),
        assurance=Assurance(assurance),
        owner=owner,
        page=pages.neutral_page("en"),
        actions=(),
        reason=reason,
    )


class DeskRecogniser:
    """Knows the demo's bands by name, and makes pages from the rows of a desk."""

    def __init__(self, desk: MemoryDesk) -> None:
        self._desk = desk

    def recognise(self, band: BandEvidence) -> Recognition:
        owner = {one.name: one.customer for one in demo_bands()}.get(band.band, "")
        shop = pages.Shop(store="harbour", now_us=NOW_US, synced_at=NOW_US)
        page = pages.neutral_page("en")
        if owner:
            page = pages.decide(self._desk.profile_of(owner), assurance=Assurance.A2, shop=shop)
        return Recognition(
            Evidence("A2" if owner else "A0", band.proof, band.band), Assurance.A2, owner, page,
            pages.actions_of(page), "" if owner else "unknown_band",
        )  # fmt: skip


class DemoRig:
    """Controls that do at once what the demo's processes do, and the app around them."""

    def __init__(self) -> None:
        self.brand = list(brand_rows())
        self.desk = MemoryDesk(self.brand, now=NOW_US)
        self.taps: list[int] = []
        self.visitors = self.spares = 0
        self.is_up = True
        self.passing: Day | None = None
        self._n_rows_told = 0
        parts = Parts(
            recogniser=DeskRecogniser(self.desk),
            evidence_of=lambda said: BandEvidence(
                said.kind, said.family, 2, said.band or "", is_uid_only=False
            ),
            shop=lambda: pages.Shop(store="harbour", now_us=NOW_US, synced_at=NOW_US),
            clock=FixedClock(NOW),
            entropy=SeededEntropy("demo"),
            desk=self.desk,
        )
        self.app = DemoApp(parts, desk=self.desk, controls=self, post=POST, words=WORDS)

    def tap(self, digit: int) -> None:
        self.taps.append(digit)
        number = len(self.taps)
        name = next(band.name for band in demo_bands() if band.digit == str(digit))
        proved = Proved(
            tap=number, kind="mutual", family="desfire", generation=2, uid=None, band=name
        )
        for said in (
            Seen(tap=number, technology="iso_dep", at_ticks_us=0),
            proved,
            Left(tap=number),
        ):
            self._say(said)

    def tap_spare(self) -> None:
        """The sealed spare lies on the reader."""
        self.spares += 1

    def tap_visitor(self) -> None:
        self.visitors += 1

    def _say(self, said: Said) -> None:
        self.app.post_message(ReaderSaid(said))

    def toggle_network(self) -> bool:
        self.is_up = not self.is_up
        self.desk.stand(
            network="ok" if self.is_up else "cut", network_since=NOW_US - 120_000_000
        )
        return self.is_up

    def day(self) -> Day | None:
        return self.passing

    def revision(self) -> int:
        return len(self.brand)

    def rows(self) -> tuple[Row, ...]:
        return tuple(self.brand)

    def happens(self, *rows: Row) -> None:
        """Something arrives in another channel."""
        self.brand.extend(rows)


def profile(owner: str, rows: tuple[Row, ...] | None = None) -> Profile:
    """A customer of the demo."""
    brand = brand_rows() if rows is None else rows
    return Profile(owner, tuple(row for row in brand if row.owner == owner))
