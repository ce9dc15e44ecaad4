"""A capsule reaches the band after the page is shown, and a band torn away in between carries the old one or none."""

import dataclasses

import pytest

from drivers.chips.capsules import DesfireCapsule, Outcome, refreshed
from drivers.chips.desfire import Desfire
from drivers.chips.reading import read_band
from drivers.credential.capsule import Capsule, CapsuleRefused, contained, verified, writes
from drivers.credential.layout import AID, CAPSULE_FILE, KeySlot
from drivers.errors import BandLeft, BandMalformed, BandRefused
from hardware.entropy import SeededEntropy
from hardware.virtual.desfire import VirtualDesfire
from tests.support.bands import (
    GROUP_KEY,
    REFERENCE,
    UID,
    ChipConnection,
    Keys,
    band,
    band_key,
    target_of,
)
from tests.support.capsules import ISSUED, LENA, PUBLIC, made

NEWER = dataclasses.replace(LENA, seq=8, parts=b"")


def opened(
    chip: VirtualDesfire, *, slot: KeySlot = KeySlot.BAND, n_left: int = 10_000
) -> tuple[Desfire, ChipConnection]:
    """A session; the band leaves after so many exchanges more."""
    limit = [10_000]
    connection = ChipConnection(
        chip.power_up(), lambda n, answer: answer if n <= limit[0] else None
    )
    driver = Desfire(connection, SeededEntropy("reader"))
    driver.select_application(AID)
    key = band_key(UID) if slot is KeySlot.BAND else GROUP_KEY
    if not driver.authenticate_ev2_first(slot.value, key):
        driver.authenticate_aes(slot.value, key)
    limit[0] = len(connection.sent) + n_left
    return driver, connection


def carried(chip: VirtualDesfire) -> bytes | None:
    return contained(opened(chip)[0].read(CAPSULE_FILE))


def brought(chip: VirtualDesfire, capsule: Capsule, *, n_left: int = 10_000) -> Outcome:
    return refreshed(DesfireCapsule(opened(chip, n_left=n_left)[0]), made(capsule))


@pytest.mark.parametrize("ev", [1, 2])
def test_a_band_without_a_capsule_gets_one(ev: int) -> None:
    chip = band(ev=ev)

    outcome = brought(chip, LENA)

    assert outcome is Outcome.WRITTEN
    assert carried(chip) == made(LENA)


def test_an_older_capsule_is_replaced_and_nothing_of_it_stays() -> None:
    chip = band()
    brought(chip, LENA)

    brought(chip, NEWER)

    assert carried(chip) == made(NEWER)
    assert b"C-4711" not in opened(chip)[0].read(CAPSULE_FILE)


@pytest.mark.parametrize("there", [NEWER, LENA])
def test_the_same_or_a_newer_capsule_is_kept_and_nothing_is_written(there: Capsule) -> None:
    chip = band()
    brought(chip, there)
    driver, connection = opened(chip)
    n_opened = len(connection.sent)
    driver.read(CAPSULE_FILE)
    n_read = len(connection.sent)

    outcome = refreshed(DesfireCapsule(driver), made(LENA))

    assert outcome is Outcome.KEPT
    assert len(connection.sent) - n_read == n_read - n_opened
    assert carried(chip) == made(there)


@pytest.mark.parametrize("ev", [1, 2])
@pytest.mark.parametrize("before", [None, LENA])
def test_a_band_torn_away_at_any_exchange_carries_the_old_the_new_or_none_and_is_renewed_next(
    ev: int, before: Capsule | None
) -> None:
    n_torn, found = 0, set()
    while True:
        chip = band(ev=ev)
        if before is not None:
            brought(chip, before)
        try:
            brought(chip, NEWER, n_left=n_torn)
        except BandLeft:
            found.add(carried(chip))
            assert brought(chip, NEWER) in Outcome
            assert carried(chip) == made(NEWER)
            n_torn += 1
        else:
            break

    assert n_torn > 8
    assert found == {None, made(NEWER), None if before is None else made(before)}


class Tearing(DesfireCapsule):
    """A band whose chip stops in the middle of one of the writes."""

    def __init__(self, chip: VirtualDesfire, *, write: int, after: int) -> None:
        super().__init__(opened(chip)[0])
        self._virtual = chip
        self._left = write
        self._after = after

    def write(self, offset: int, content: bytes) -> None:
        if not self._left:
            self._virtual.tear_next_write(after=self._after)
        self._left -= 1
        super().write(offset, content)


@pytest.mark.parametrize(
    ("write", "after"),
    [(0, 0), (1, 0), (1, 1), (1, 60), (1, 150), (1, 239), (2, 0)],
)
def test_a_chip_that_stops_in_the_middle_of_a_write_carries_the_old_or_none_and_is_renewed_next(
    write: int, after: int
) -> None:
    chip = band()
    brought(chip, LENA)

    with pytest.raises(BandLeft):
        refreshed(Tearing(chip, write=write, after=after), made(NEWER))

    assert carried(chip) == (None if write else made(LENA))
    assert brought(chip, NEWER) is Outcome.WRITTEN
    assert carried(chip) == made(NEWER)


@pytest.mark.parametrize("after", [4, 8, 10, 12, 15])
def test_a_chip_that_stops_within_the_head_carries_none_that_holds_and_is_renewed_next(
    after: int,
) -> None:
    chip = band()
    brought(chip, LENA)

    with pytest.raises(BandLeft):
        refreshed(Tearing(chip, write=2, after=after), made(NEWER))

    powered = chip.power_up()
    connection = ChipConnection(powered)
    proof = read_band(connection, target_of(powered), Keys(), SeededEntropy("tap"))
    assert proof.band == REFERENCE
    if proof.capsule is not None:  # all but its last byte, which is one of what was signed
        with pytest.raises(CapsuleRefused):
            verified(proof.capsule, keys=(PUBLIC,), uid=UID, band=REFERENCE, now=ISSUED)
    assert (proof.capsule is None) == (after < 15)
    assert brought(chip, NEWER) is Outcome.WRITTEN
    assert carried(chip) == made(NEWER)


def test_bytes_that_are_no_capsule_are_never_sent_to_a_band() -> None:
    driver, connection = opened(band())
    n_before = len(connection.sent)

    with pytest.raises(BandMalformed):
        refreshed(DesfireCapsule(driver), b"no capsule")

    assert len(connection.sent) == n_before


def test_something_else_in_the_place_is_written_over() -> None:
    chip = band()
    opened(chip)[0].write(CAPSULE_FILE, b"\xff" * 256)

    assert brought(chip, LENA) is Outcome.WRITTEN
    assert carried(chip) == made(LENA)


def test_the_group_key_cannot_write_a_capsule() -> None:
    chip = band()

    with pytest.raises(BandRefused):
        refreshed(DesfireCapsule(opened(chip, slot=KeySlot.UID)[0]), made())

    assert carried(chip) is None


def test_a_whole_refresh_is_three_writes() -> None:
    assert [offset for offset, _ in writes(made(), 256)] == [0, 1, 0]
