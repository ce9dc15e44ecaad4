"""Every fault a virtual band can have, at every exchange of a tap: an error of ours, or nothing proved; never a lie."""

from collections.abc import Callable

import pytest

from drivers.chips.desfire import KeyRefused
from drivers.chips.reading_ntag424 import read_ntag424
from drivers.chips.reading_pages import read_pages
from drivers.errors import BandError, BandLeft, BandMalformed, BandRefused, BandUntrusted
from drivers.proof import Proof, ProofKind
from hardware.clock import SystemClock
from hardware.entropy import SeededEntropy
from hardware.virtual.band import Garbled, PoweredChip, VirtualBand
from hardware.virtual.faults import Fault, FaultKind, FaultyBand
from hardware.virtual.field import Field
from tests.support.bands import REFERENCE, UID, ChipConnection, Keys, target_of
from tests.support.chip_bands import (
    Type2Connection,
    ntag424,
    type2_target,
    ultralight_aes,
    ultralight_c,
)

READER = SeededEntropy("reader")


def _lrp() -> VirtualBand:
    return ntag424(is_lrp=True)


CHIPS: dict[str, Callable[[], VirtualBand]] = {
    "NTAG 424": ntag424,
    "NTAG 424 in LRP mode": _lrp,
    "Ultralight AES": ultralight_aes,
    "Ultralight C": ultralight_c,
}

N_EXCHANGES = 5

KINDS = [each for each in FaultKind if each not in (FaultKind.NONE, FaultKind.DELAY)]


class _Heard:
    """A chip whose damaged answers a reader does not pass on."""

    def __init__(self, chip: PoweredChip) -> None:
        self._chip = chip
        self.anticollision = chip.anticollision

    def reselected(self) -> None:
        self._chip.reselected()  # type: ignore[attr-defined]

    def exchange(self, command: bytes) -> bytes | None:
        try:
            return self._chip.exchange(command)
        except Garbled:
            return None


def _tapped(band: VirtualBand) -> Proof | None:
    chip = _Heard(band.power_up())
    if chip.anticollision.ats:
        return read_ntag424(ChipConnection(chip), target_of(chip), Keys(UID), READER)
    return read_pages(Type2Connection(chip), type2_target(chip), Keys(UID), READER)


def _faulty(name: str, kind: FaultKind, at: int) -> FaultyBand:
    return FaultyBand(CHIPS[name](), Fault(kind, at), field=Field(), clock=SystemClock())


@pytest.mark.parametrize("kind", KINDS, ids=[each.value for each in KINDS])
@pytest.mark.parametrize("name", CHIPS)
def test_fault_at_any_exchange_proves_nothing_that_is_not_so(
    name: str, kind: FaultKind
) -> None:
    for at in range(1, N_EXCHANGES + 1):
        try:
            band = _faulty(name, kind, at)
        except ValueError:
            assert kind in (FaultKind.COUNTER_RESET, FaultKind.WRONG_ROTATION)
            return
        if kind is FaultKind.REPLAY:
            _tapped(band)
        try:
            proof = _tapped(band)
        except BandError:
            continue

        assert proof is None or proof.kind is not ProofKind.MUTUAL or _is_so(proof)


def _is_so(proof: Proof) -> bool:
    """Is what a proved band says true? Generation 1 says that somebody between may have changed it."""
    return proof.uid == UID and (proof.band == REFERENCE or proof.generation == 1)


@pytest.mark.parametrize(
    ("name", "kind", "at", "error"),
    [
        ("NTAG 424", FaultKind.WRONG_ROTATION, 1, BandUntrusted),
        ("Ultralight AES", FaultKind.WRONG_ROTATION, 1, BandUntrusted),
        ("Ultralight C", FaultKind.WRONG_ROTATION, 1, BandUntrusted),
        ("NTAG 424", FaultKind.COUNTER_RESET, 5, BandRefused),
        ("Ultralight AES", FaultKind.COUNTER_RESET, 4, BandLeft),
        ("Ultralight AES", FaultKind.STALE_COUNTER, 4, BandUntrusted),
        ("NTAG 424", FaultKind.STALE_COUNTER, 5, BandUntrusted),
        ("NTAG 424 in LRP mode", FaultKind.STALE_COUNTER, 5, BandUntrusted),
        ("NTAG 424", FaultKind.WRONG_MAC, 4, BandUntrusted),
        ("NTAG 424", FaultKind.CUT_MAC, 4, BandUntrusted),
        ("NTAG 424 in LRP mode", FaultKind.NO_MAC, 4, BandUntrusted),
        ("Ultralight AES", FaultKind.CUT_MAC, 3, BandUntrusted),
        ("Ultralight AES", FaultKind.NO_MAC, 3, BandUntrusted),
        ("NTAG 424", FaultKind.REFUSED, 3, KeyRefused),
        ("NTAG 424", FaultKind.MORE_FOREVER, 4, BandMalformed),
        ("NTAG 424", FaultKind.LONG, 4, BandMalformed),
        ("NTAG 424", FaultKind.EMPTY, 4, BandLeft),
        ("NTAG 424", FaultKind.SHORT, 4, BandLeft),
        ("Ultralight AES", FaultKind.MUTE, 3, BandLeft),
        ("NTAG 424", FaultKind.CRC_ERROR, 4, BandLeft),
    ],
    ids=lambda each: getattr(each, "value", None),
)  # fmt: skip
def test_fault_is_the_error_it_should_be(
    name: str, kind: FaultKind, at: int, error: type[BandError]
) -> None:
    band = _faulty(name, kind, at)

    with pytest.raises(error):
        _tapped(band)


@pytest.mark.parametrize("name", CHIPS)
def test_recorded_tap_shown_again_is_not_trusted(name: str) -> None:
    """A reader that draws other numbers than the first time hears nothing it can check."""
    band = _faulty(name, FaultKind.REPLAY, 1)
    first = _tapped(band)

    with pytest.raises((BandUntrusted, BandLeft)):
        _tapped(band)

    assert first is not None
    assert first.kind is ProofKind.MUTUAL


def test_tap_without_a_fault_is_proved() -> None:
    for name in CHIPS:
        proof = _tapped(_faulty(name, FaultKind.NONE, 1))
        assert proof is not None
        assert (proof.kind, proof.band) == (ProofKind.MUTUAL, REFERENCE)
