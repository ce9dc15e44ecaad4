"""A capsule reaches bands that are no DESFire too; torn away at any exchange they carry the old one, the new one or none."""

import dataclasses
from collections.abc import Callable

import pytest

from drivers.chips.capsule_places import (
    Ntag424Capsule,
    UltralightAesCapsule,
    UltralightCCapsule,
)
from drivers.chips.capsules import CapsulePlace, Outcome, refreshed
from drivers.chips.ntag424 import Ntag424
from drivers.chips.ultralight_aes import UltralightAes
from drivers.chips.ultralight_c import UltralightC
from drivers.connection import Connection
from drivers.credential.capsule import contained, fitted
from drivers.credential.places import MFUL_BAND, NTAG424_BAND, NTAG424_REFERENCE
from drivers.errors import BandLeft, BandMalformed
from hardware.entropy import SeededEntropy
from hardware.virtual.band import VirtualBand
from tests.support.bands import REFERENCE, UID, ChipConnection, band_key
from tests.support.capsules import LENA, LENA_BEFORE, made
from tests.support.chip_bands import Type2Connection, ntag424, ultralight_aes, ultralight_c

KEY = band_key(UID)
READER = SeededEntropy("reader")
OLD = made(fitted(LENA, 112))
NEW = made(fitted(dataclasses.replace(LENA, seq=LENA.seq + 1), 112))


class _Leaving:
    """A connection whose band leaves after so many exchanges more."""

    generation = 1

    def __init__(self, band: VirtualBand) -> None:
        chip = band.power_up()
        self._connection: Connection = (
            ChipConnection(chip) if chip.anticollision.ats else Type2Connection(chip)
        )
        self.n_left = 10_000

    def transmit(self, command: bytes) -> bytes:
        answer = self._connection.transmit(command)
        self.n_left -= 1
        if self.n_left < 0:
            raise BandLeft("torn")
        return answer


def _ntag(connection: Connection) -> CapsulePlace:
    chip = Ntag424(connection, READER)
    chip.select()
    chip.authenticate_first(NTAG424_BAND, KEY)
    return Ntag424Capsule(chip)


def _aes(connection: Connection) -> CapsulePlace:
    chip = UltralightAes(connection, READER)
    chip.authenticate(MFUL_BAND, KEY)
    return UltralightAesCapsule(chip)


def _c(connection: Connection) -> CapsulePlace:
    chip = UltralightC(connection, READER)
    chip.authenticate(KEY)
    return UltralightCCapsule(chip)


Made = Callable[[], VirtualBand]
Opened = Callable[[Connection], CapsulePlace]

places = pytest.mark.parametrize(
    ("virtual", "opened"),
    [
        pytest.param(ntag424, _ntag, id="NTAG 424"),
        pytest.param(ultralight_aes, _aes, id="Ultralight AES"),
        pytest.param(ultralight_c, _c, id="Ultralight C"),
    ],
)


@places
def test_capsule_is_brought_and_nothing_beside_it_changes(
    virtual: Made, opened: Opened
) -> None:
    band = virtual()

    first = refreshed(opened(_Leaving(band)), OLD)
    second = refreshed(opened(_Leaving(band)), NEW)
    third = refreshed(opened(_Leaving(band)), OLD)

    place = opened(_Leaving(band))
    content = place.read()
    assert (first, second, third) == (Outcome.WRITTEN, Outcome.WRITTEN, Outcome.KEPT)
    assert contained(content) == NEW
    assert len(content) == place.size
    assert _reference(place) == REFERENCE


def _reference(place: CapsulePlace) -> bytes:
    """What stands before the place, read with the driver that opened it."""
    chip = place._chip  # type: ignore[attr-defined]
    read = chip.read(NTAG424_REFERENCE) if isinstance(chip, Ntag424) else chip.read(4)
    return bytes(read)


@places
@pytest.mark.parametrize("before", [None, OLD])
def test_band_torn_away_at_any_exchange_carries_the_old_the_new_or_none(
    virtual: Made, opened: Opened, before: bytes | None
) -> None:
    n_torn, found = 0, set()
    while True:
        band = virtual()
        opened(_Leaving(band)).write(0, bytes(opened(_Leaving(band)).size))
        if before is not None:
            refreshed(opened(_Leaving(band)), before)
        connection = _Leaving(band)
        place = opened(connection)
        connection.n_left = n_torn
        try:
            refreshed(place, NEW)
        except BandLeft:
            found.add(contained(opened(_Leaving(band)).read()))
            n_torn += 1
        else:
            break

    assert n_torn > 3
    assert found == {None, NEW, before}


@places
def test_capsule_that_does_not_fit_is_not_sent(virtual: Made, opened: Opened) -> None:
    connection = _Leaving(virtual())
    place = opened(connection)
    n_before = connection.n_left

    with pytest.raises(BandMalformed):
        refreshed(place, made(LENA_BEFORE))

    assert connection.n_left == n_before
