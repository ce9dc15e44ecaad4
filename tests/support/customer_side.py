"""A customer's side without a house around it: a recogniser and a desk that can be told to misbehave, and fixed parts."""

from collections.abc import Callable
from datetime import UTC, datetime

import msgspec

from drivers.lines import Proved, Seen
from hardware.clock import FixedClock
from hardware.entropy import SeededEntropy
from hardware.moments import micros_of
from kiosk.core import page as pages
from kiosk.core.policy import Assurance
from kiosk.core.ports import (
    BandEvidence,
    Found,
    Recognition,
    Recorded,
    Standing,
    Unsettled,
)
from kiosk.core.visit import CueKind
from kiosk.ui.bridge import Parts
from sync.model.operation import Evidence, OperationState
from sync.model.profile import Profile

NOW = datetime(2026, 5, 8, 14, 2, tzinfo=UTC)
"""A Friday afternoon; Tuesday was the 5th."""

NOW_US = micros_of(NOW)


def shop_at(
    now_us: int = NOW_US, *, synced_at: int | None = None, store: str = "harbour"
) -> pages.Shop:
    """A shop that exchanged with the centre a minute ago."""
    synced = now_us - 60_000_000 if synced_at is None else synced_at
    return pages.Shop(store=store, now_us=now_us, synced_at=synced)


class PreparedRecogniser:
    """Knows what was put into it: a page by band id. An error put in is raised."""

    def __init__(self, language: str = "en") -> None:
        self.answers: dict[str, pages.Page | Exception] = {}
        self.reasons: dict[str, str] = {}
        self.asked: list[str] = []
        self._language = language

    def recognise(self, band: BandEvidence) -> Recognition:
        """The prepared page, or the neutral one."""
        self.asked.append(band.band)
        answer = self.answers.get(band.band)
        if isinstance(answer, Exception):
            raise answer
        page = answer or pages.neutral_page(self._language)
        return Recognition(
            evidence=Evidence(assurance="A2", proof=band.proof, band=band.band),
            assurance=Assurance.A2,
            owner=page.owner,
            page=page,
            actions=pages.actions_of(page),
            reason=self.reasons.get(band.band, "" if answer else "unknown_band"),
        )


class ListDesk:
    """Keeps what is recorded in a list. An error put in `fails` is raised instead."""

    def __init__(self) -> None:
        self.recorded: list[tuple[str, msgspec.Struct, str, str]] = []
        self.fails: Exception | None = None

    def find(self, text: str, *, limit: int = 20) -> tuple[Found, ...]:
        """Nobody."""
        return ()

    def profile_of(self, owner: str) -> Profile:
        """Nothing."""
        return Profile(owner, ())

    def record(
        self, kind: str, args: msgspec.Struct, *, owner: str, actor: str, evidence: Evidence
    ) -> Recorded:
        """Keep it."""
        if self.fails is not None:
            raise self.fails
        self.recorded.append((kind, args, owner, actor))
        return Recorded(op=f"op-{len(self.recorded)}", state=OperationState.RECORDED)

    def unsettled(self) -> tuple[Unsettled, ...]:
        """Nothing."""
        return ()

    def standing(self) -> Standing:
        """All well."""
        return Standing("ok", "ok", NOW_US, 0, 0, NOW_US)


def evidence_of(said: Proved) -> BandEvidence:
    """The band by its reference or its UID as it is."""
    return BandEvidence(
        proof=said.kind,
        family=said.family,
        generation=said.generation,
        band=said.band or said.uid or "",
        is_uid_only=said.band is None,
    )


class House:
    """Everything the customer's side is made of, with the fakes at hand."""

    def __init__(
        self, *, shop: Callable[[], pages.Shop] = shop_at, language: str = "en"
    ) -> None:
        self.clock = FixedClock(NOW)
        self.recogniser = PreparedRecogniser(language)
        self.desk = ListDesk()
        self.cues: list[CueKind] = []
        self.parts = Parts(
            recogniser=self.recogniser,
            evidence_of=evidence_of,
            shop=shop,
            clock=self.clock,
            entropy=SeededEntropy("house"),
            desk=self.desk,
            cue=self.cues.append,
            language=language,
        )

    def put(self, band: str, page: pages.Page | Exception) -> None:
        """What a tap of this band opens."""
        self.recogniser.answers[band] = page


def seen(tap: int) -> Seen:
    """A band enters the field."""
    return Seen(tap=tap, technology="iso_dep", at_ticks_us=0)


def proved(tap: int, band: str) -> Proved:
    """And proves itself."""
    return Proved(tap=tap, kind="mutual", family="desfire", generation=2, uid=None, band=band)
