"""Every fault a virtual band can have, on every band of ours, at every exchange: typed, unchanged, and well at the next tap.

    what it raises     an error of ours that says what is known of the delivery, or nothing proved that is not so
    what it leaves     the band as it was: reading changes nothing, however it ends
    what follows       the same band without the fault is proved

`test_faulty_bands` says which error which fault is with other chips; `test_desfire_hostile` breaks what writes.
"""

from collections.abc import Callable
from datetime import UTC, datetime

import pytest

from drivers.chips.reading import read_band
from drivers.errors import (
    BandError,
    BandLeft,
    BandMalformed,
    BandRefused,
    BandUntrusted,
    Delivery,
)
from drivers.proof import Proof, ProofKind
from hardware.clock import FixedClock, SystemClock
from hardware.entropy import Entropy, SeededEntropy
from hardware.virtual.band import Garbled, PoweredChip, Reselectable, VirtualBand
from hardware.virtual.desfire import VirtualDesfire
from hardware.virtual.faults import Fault, FaultKind, FaultyBand
from hardware.virtual.field import Field
from hardware.virtual.ntag424 import VirtualNtag424
from hardware.virtual.ultralight_aes import VirtualUltralightAes
from hardware.virtual.ultralight_c import VirtualUltralightC
from tests.support.bands import REFERENCE, UID, ChipConnection, Keys, band, target_of
from tests.support.chip_bands import (
    Type2Connection,
    ntag424,
    type2_target,
    ultralight_aes,
    ultralight_c,
)

BANDS: dict[str, Callable[[], VirtualBand]] = {
    "DESFire EV1": lambda: band(ev=1),
    "DESFire EV2": band,
    "DESFire EV2, random UID": lambda: band(is_random=True),
    "NTAG 424": ntag424,
    "NTAG 424, random UID": lambda: ntag424(is_random=True),
    "NTAG 424 in LRP mode": lambda: ntag424(is_lrp=True),
    "Ultralight AES": ultralight_aes,
    "Ultralight AES, random UID": lambda: ultralight_aes(is_random=True),
    "Ultralight C": ultralight_c,
}

EXCHANGES_MAX = 8
"""One more than any of them takes."""

LATE = (FaultKind.NONE, FaultKind.DELAY)
"""Kinds that do no harm, or only take time."""

KINDS = [each for each in FaultKind if each not in LATE]

every_band = pytest.mark.parametrize("name", BANDS)


class _Heard:
    """A chip whose damaged answers a reader does not pass on."""

    def __init__(self, chip: PoweredChip) -> None:
        self._chip = chip
        self.anticollision = chip.anticollision

    def reselected(self) -> None:
        if isinstance(self._chip, Reselectable):
            self._chip.reselected()

    def exchange(self, command: bytes) -> bytes | None:
        try:
            return self._chip.exchange(command)
        except Garbled:
            return None


def _tapped(given: VirtualBand, keys: Keys, entropy: Entropy | None = None) -> Proof:
    chip, entropy = _Heard(given.power_up()), entropy or SeededEntropy("reader")
    if chip.anticollision.ats:
        return read_band(ChipConnection(chip), target_of(chip), keys, entropy)
    return read_band(Type2Connection(chip), type2_target(chip), keys, entropy)


def _held(given: VirtualBand) -> str:
    """What lasts on a chip, seen from its own side."""
    if isinstance(given, VirtualUltralightAes | VirtualUltralightC):
        return repr((bytes(given.pages.content), getattr(given, "counters", ())))
    if isinstance(given, VirtualNtag424):
        return repr((given.contents, [each.sdm for each in given.files.values()], given.keys))
    assert isinstance(given, VirtualDesfire)
    return repr((given.contents, given.values, given.records))


def _places(kind: FaultKind) -> range:
    """Where a fault is tried: at each exchange, or at bytes of every part of a tap."""
    return range(1, 400, 29) if kind is FaultKind.TEAR_BYTE else range(1, EXCHANGES_MAX + 1)


def _is_so(proof: Proof) -> bool:
    """Is what a proved band says true? Generation 1 says that somebody between may have changed it."""
    return proof.uid == UID and (proof.band == REFERENCE or proof.generation == 1)


def _said(given: VirtualBand, keys: Keys) -> Proof | BandError:
    try:
        return _tapped(given, keys)
    except BandError as error:
        return error


def _is_in_order(said: Proof | BandError) -> bool:
    """Is it a typed error that does not call done what failed, or a proof that is true?"""
    if isinstance(said, BandError):
        return said.delivery is not Delivery.DONE and said.code != BandError.code
    return said.kind is not ProofKind.MUTUAL or _is_so(said)


@every_band
@pytest.mark.parametrize("kind", KINDS, ids=[each.value for each in KINDS])
def test_bad_input_is_typed_changes_nothing_and_is_over_at_the_next_tap(
    name: str, kind: FaultKind
) -> None:
    for at in _places(kind):
        for keys in (Keys(UID), Keys()):
            well = BANDS[name]()
            before = _held(well)
            try:
                bad = FaultyBand(well, Fault(kind, at), field=Field(), clock=SystemClock())
            except ValueError:
                assert kind in (FaultKind.COUNTER_RESET, FaultKind.WRONG_ROTATION)
                return

            said = _said(bad, keys)
            after = _held(well)
            again = _tapped(well, Keys(UID))

            assert _is_in_order(said), f"{kind.value}:{at} said {said!r}"
            assert after == before, f"{kind.value}:{at}"
            assert (again.kind, again.band) == (ProofKind.MUTUAL, REFERENCE), (
                f"{kind.value}:{at}"
            )


@pytest.mark.parametrize("name", ["DESFire EV1", "DESFire EV2", "DESFire EV2, random UID"])
@pytest.mark.parametrize(
    ("kind", "error", "delivery"),
    [
        (FaultKind.WRONG_ROTATION, BandUntrusted, Delivery.UNKNOWN),
        (FaultKind.WRONG_MAC, BandUntrusted, Delivery.UNKNOWN),
        (FaultKind.CUT_MAC, BandUntrusted, Delivery.UNKNOWN),
        (FaultKind.NO_MAC, BandUntrusted, Delivery.UNKNOWN),
        (FaultKind.STALE_COUNTER, BandUntrusted, Delivery.UNKNOWN),
        (FaultKind.REFLECTED, BandUntrusted, Delivery.UNKNOWN),
        (FaultKind.LONG, BandMalformed, Delivery.UNKNOWN),
        (FaultKind.MORE_FOREVER, BandMalformed, Delivery.UNKNOWN),
        (FaultKind.REFUSED, BandRefused, Delivery.REFUSED),
        (FaultKind.SHORT, BandLeft, Delivery.UNKNOWN),
        (FaultKind.EMPTY, BandLeft, Delivery.UNKNOWN),
        (FaultKind.CRC_ERROR, BandLeft, Delivery.UNKNOWN),
        (FaultKind.MUTE, BandLeft, Delivery.UNKNOWN),
    ],
    ids=lambda each: each.value if isinstance(each, FaultKind) else None,
)
def test_what_is_wrong_with_the_answer_that_proves_a_desfire_is_said_by_its_type(
    name: str, kind: FaultKind, error: type[BandError], delivery: Delivery
) -> None:
    """The last exchange reads the reference under the session; whatever stands there is not believed."""
    last = {"DESFire EV1": 5, "DESFire EV2": 4, "DESFire EV2, random UID": 7}[name]
    at = 1 if kind is FaultKind.WRONG_ROTATION else last
    bad = FaultyBand(BANDS[name](), Fault(kind, at), field=Field(), clock=SystemClock())

    said = _said(bad, Keys(UID))

    assert isinstance(said, error)
    assert said.delivery is delivery


@every_band
def test_a_recorded_tap_shown_again_proves_nothing(name: str) -> None:
    """The reader draws other numbers than the first time, as it does at each tap."""
    entropy = SeededEntropy("reader")
    bad = FaultyBand(
        BANDS[name](), Fault(FaultKind.REPLAY, 1), field=Field(), clock=SystemClock()
    )

    first = _tapped(bad, Keys(UID), entropy)
    with pytest.raises((BandUntrusted, BandLeft)):
        _tapped(bad, Keys(UID), entropy)

    assert first.kind is ProofKind.MUTUAL


@every_band
def test_a_band_that_takes_its_time_is_proved_all_the_same(name: str) -> None:
    clock = FixedClock(datetime(2026, 5, 4, tzinfo=UTC))
    slow = FaultyBand(BANDS[name](), Fault(FaultKind.DELAY, 100), field=Field(), clock=clock)

    said = _tapped(slow, Keys(UID))

    assert (said.kind, said.band) == (ProofKind.MUTUAL, REFERENCE)
    assert clock.ticks_ms() >= 300


@pytest.mark.parametrize("at", [3, 4])
def test_the_readers_own_message_sent_back_opens_no_desfire(at: int) -> None:
    """EV2 answers the authentication at its third exchange, EV1 at its fourth."""
    given = band(ev=2 if at == 3 else 1)
    bad = FaultyBand(given, Fault(FaultKind.REFLECTED, at), field=Field(), clock=SystemClock())

    said = _said(bad, Keys(UID))

    assert isinstance(said, BandUntrusted)


def test_a_chip_that_counts_its_commands_anew_in_a_session_is_refused_by_itself() -> None:
    bad = FaultyBand(
        band(is_random=True),
        Fault(FaultKind.COUNTER_RESET, 7),
        field=Field(),
        clock=SystemClock(),
    )

    said = _said(bad, Keys(UID))

    assert isinstance(said, BandRefused)
    assert said.delivery is Delivery.REFUSED
