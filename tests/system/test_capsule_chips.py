"""A younger capsule comes to bands that are no DESFire too: through the reader process, while they lie on the reader."""

import dataclasses
from collections.abc import Callable, Iterator
from itertools import count

import pytest

from drivers.credential.capsule import Capsule, contained, fitted
from drivers.credential.places import (
    CAPSULE_OFFSET,
    CAPSULE_PAGE,
    CAPSULE_SIZE_PAGES,
    CONTENT_FILE,
    REFERENCE_PAGE,
)
from drivers.lines import (
    GroupKey,
    Key,
    KeyWanted,
    Left,
    Proved,
    Refresh,
    Refreshed,
    Said,
    Told,
    line_of,
    said_of,
)
from hardware.clock import SystemClock
from hardware.virtual.band import VirtualBand
from hardware.virtual.faults import Fault, FaultKind, FaultyBand
from hardware.virtual.field import Field
from hardware.virtual.ntag424 import VirtualNtag424
from hardware.virtual.pn532 import VirtualPn532
from hardware.virtual.ultralight_aes import VirtualUltralightAes
from tests.support.bands import GROUP_KEY, UID, band_key
from tests.support.capsules import LENA, made
from tests.support.chip_bands import CAPSULE, ntag424, ultralight_aes
from tests.support.commands import Running, running

TORN_AT = (11, 15)
"""The command at which a band is taken away: behind what it is proved by."""


def capsule(seq: int) -> bytes:
    """Each is another one, and as long as the smallest place allows."""
    newer: Capsule = dataclasses.replace(LENA, seq=LENA.seq + seq)
    return made(fitted(newer, 112))


def carried(band: VirtualBand) -> bytes | None:
    """The capsule on a band, looked up from its own side; None for none."""
    if isinstance(band, VirtualNtag424):
        return contained(bytes(band.contents[CONTENT_FILE.number][CAPSULE_OFFSET:]))
    assert isinstance(band, VirtualUltralightAes)
    pages = range(CAPSULE_PAGE, CAPSULE_PAGE + CAPSULE_SIZE_PAGES // 4)
    return contained(b"".join(band.pages.page(page) for page in pages))


def named(band: VirtualBand, reference: bytes) -> VirtualBand:
    """The band with another id on it."""
    if isinstance(band, VirtualNtag424):
        band.contents[CONTENT_FILE.number][:CAPSULE_OFFSET] = reference
    else:
        assert isinstance(band, VirtualUltralightAes)
        band.pages.put(REFERENCE_PAGE, reference)
    return band


class Tapping:
    """A reader process whose keys are here, and what it says."""

    def __init__(self, process: Running, field: Field) -> None:
        self._process = process
        self._field = field
        self._tell(GroupKey(GROUP_KEY.hex()))

    def leaving(self, band: VirtualBand, at: int) -> FaultyBand:
        """A band that is taken away at a command."""
        fault = Fault(FaultKind.TEAR_COMMAND, at)
        return FaultyBand(band, fault, field=self._field, clock=SystemClock())

    def tapped(self, band: VirtualBand | FaultyBand, *capsules: bytes) -> list[str]:
        """Hold a band to the reader and bring it these, one after the other; what it proved, and what became of each."""
        self._field.present(band)
        proved = self._until(Proved)
        assert isinstance(proved, Proved)
        told = [proved.kind]
        for raw in capsules:
            self._tell(Refresh(proved.tap, raw.hex()))
            refreshed = self._until(Refreshed)
            assert isinstance(refreshed, Refreshed)
            told.append(refreshed.outcome)
        self._field.remove()
        self._until(Left)
        return told

    def _until(self, kind: type[Said]) -> Said:
        while True:
            said = said_of(self._process.line().encode())
            if isinstance(said, KeyWanted):
                self._tell(Key(said.tap, band_key(bytes.fromhex(said.uid)).hex()))
            elif isinstance(said, kind):
                return said

    def _tell(self, told: Told) -> None:
        self._process.tell(line_of(told).decode().rstrip())


@pytest.fixture(scope="module")
def tapping() -> Iterator[Tapping]:
    """One reader process for all of them."""
    field = Field()
    pn532 = VirtualPn532(field=field, clock=SystemClock())
    pn532.start()
    with running("reader", "--reader", f"pn532:{pn532.path}") as process:
        yield Tapping(process, field)
    pn532.close()


Fresh = Callable[[bytes], VirtualBand]
_numbers = count(1)


def another(fresh: Fresh) -> VirtualBand:
    """A band nobody held to the reader before."""
    number = next(_numbers)
    return named(fresh(bytes((4, number)) + UID[2:]), bytes((number,)) * 16)


@pytest.mark.parametrize(
    "fresh",
    [
        pytest.param(lambda uid: ntag424(uid=uid), id="NTAG 424"),
        pytest.param(lambda uid: ntag424(uid=uid, is_random=True), id="NTAG 424 random"),
        pytest.param(lambda uid: ntag424(uid=uid, is_lrp=True), id="NTAG 424 LRP"),
        pytest.param(lambda uid: ultralight_aes(uid=uid), id="Ultralight AES"),
        pytest.param(
            lambda uid: ultralight_aes(uid=uid, is_random=True), id="Ultralight AES random"
        ),
    ],
)
def test_a_band_on_the_reader_is_brought_a_younger_capsule_and_never_half_of_one(
    fresh: Fresh, tapping: Tapping
) -> None:
    band, *torn = (another(fresh) for _ in range(1 + len(TORN_AT)))

    whole = tapping.tapped(band, capsule(1), capsule(1), capsule(2))
    broken = [
        tapping.tapped(tapping.leaving(each, at), capsule(1))
        for each, at in zip(torn, TORN_AT, strict=True)
    ]

    assert whole == ["mutual", "written", "kept", "written"]
    assert carried(band) == capsule(2)
    assert {outcome for _, outcome in broken} <= {"torn", "written"}
    assert ["mutual", "torn"] in broken
    assert {carried(each) for each in torn} <= {None, CAPSULE, capsule(1)}
