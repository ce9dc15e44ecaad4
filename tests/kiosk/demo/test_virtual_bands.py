"""The demo's bands as chips: read by our own drivers they prove what their chip can, and carry what they should."""

import pytest

from drivers.chips.reading import read_band
from drivers.errors import BandSilent
from drivers.ports import LeasedKey
from drivers.proof import Proof, ProofKind
from drivers.target import Target, Technology
from hardware.entropy import SystemEntropy
from hardware.virtual.band import PoweredChip
from kiosk.demo.bands import DEMO_TEST_GROUP_KEY, ENCODED_CHIPS, DemoBand, demo_band, demo_bands
from kiosk.demo.virtual_bands import band_key_of, virtual_band_of


class Straight:
    """A connection without a reader."""

    generation = 1

    def __init__(self, chip: PoweredChip) -> None:
        self._chip = chip

    def transmit(self, command: bytes) -> bytes:
        answer = self._chip.exchange(command)
        if answer is None:  # what a reader says of a chip that does not know the command
            raise BandSilent("no answer")
        return answer


class Leases:
    """Every band's key is leased here."""

    def group_key(self) -> LeasedKey:
        return LeasedKey(DEMO_TEST_GROUP_KEY)

    def band_key(self, uid: bytes) -> LeasedKey:
        return LeasedKey(band_key_of(uid))


def proof_of(band: DemoBand) -> Proof:
    chip = virtual_band_of(band).power_up()
    seen = chip.anticollision
    technology = Technology.ISO_DEP if seen.ats else Technology.TYPE_2
    target = Target(technology, seen.uid, seen.ats, generation=1, sak=seen.sak)
    return read_band(Straight(chip), target, Leases(), SystemEntropy())


@pytest.mark.parametrize(
    "name", [band.name for band in demo_bands() if band.chip in ENCODED_CHIPS]
)
def test_an_encoded_band_proves_itself_and_tells_its_reference(name: str) -> None:
    band = demo_band(name)

    proof = proof_of(band)

    assert (proof.kind, proof.uid, proof.band) == (ProofKind.MUTUAL, band.uid, band.reference)
    assert proof.generation == (1 if band.chip == "desfire_ev1" else 2)


@pytest.mark.parametrize(
    "name", [band.name for band in demo_bands() if band.chip not in ENCODED_CHIPS]
)
def test_any_other_band_proves_nothing(name: str) -> None:
    proof = proof_of(demo_band(name))

    assert (proof.kind, proof.band) == (ProofKind.NONE, None)


@pytest.mark.parametrize(
    ("name", "sak"), [("festival", 0x00), ("copied", 0x00), ("classic", 0x08), ("phone", 0x20)]
)
def test_foreign_bands_are_told_apart_while_they_are_selected(name: str, sak: int) -> None:
    seen = virtual_band_of(demo_band(name)).power_up().anticollision

    assert (seen.sak, seen.uid) == (sak, demo_band(name).uid)


def test_a_copied_uid_is_mayas_and_its_chip_is_not() -> None:
    copied, maya = (virtual_band_of(demo_band(name)).power_up() for name in ("copied", "maya"))

    assert copied.anticollision.uid == maya.anticollision.uid
    assert copied.anticollision.sak != maya.anticollision.sak


def test_a_random_band_never_shows_its_uid_while_it_is_selected() -> None:
    band = demo_band("tom")

    uids = {virtual_band_of(band).power_up().anticollision.uid for _ in range(4)}

    assert band.uid not in uids
    assert len(uids) == 4
