"""Readings of bands that are kept as text: what is done with which band, and how the texts are made anew.

A kept text is read by a person before it is committed. To make them all anew after a change that means to change bytes:

    python -m tests.support.transcripts

Every band here is virtual and its keys are those of the tests. A text of a real band would be recorded the same way, with
`RecordingConnection` around the reader's connection, its true UID replaced.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from drivers.chips.desfire import Desfire
from drivers.chips.reading import read_band
from drivers.chips.type4 import Type4
from drivers.chips.ultralight_aes import UltralightAes
from drivers.chips.witness import read_witness, record_use
from drivers.connection import Connection
from drivers.credential.layout import AID, CAPSULE_FILE, REFERENCE_FILE, KeySlot
from drivers.credential.places import REFERENCE_PAGE, USES_COUNTER
from drivers.credential.witness import Kind, Use
from drivers.errors import BandLeft
from drivers.issuing.desfire import DesfireBand, Means
from drivers.issuing.plan import Plan
from drivers.transcript import RecordingConnection, Transcript, text_of
from hardware.entropy import Entropy, SeededEntropy
from hardware.virtual.band import PoweredChip, VirtualBand
from tests.support import chip_bands, issuing
from tests.support.bands import GROUP_KEY, UID, ChipConnection, Keys, band, band_key, target_of
from tests.support.chip_bands import Type2Connection, type2_target

FOLDER: Final = Path(__file__).parents[1] / "drivers" / "transcripts"
"""Where the texts are."""

SEED: Final = "reader"
"""The reader's random numbers of every text."""

USE = Use(b"operatio", 1_780_000_000, b"s1", Kind.REDEEMED, 0, b"m" * 16)


@dataclass(frozen=True)
class Scene:
    """One band and what is done with it.

    Attributes:
        title: What the text says it is.
        make: The band.
        act: What a driver does with it; what it returns is what was read.
        torn_at: The exchange whose answer does not come, from 1; 0 when all come.
    """

    title: str
    make: Callable[[], VirtualBand]
    act: Callable[[Connection, Entropy], Any]
    torn_at: int = 0


def _opened(connection: Connection, entropy: Entropy, slot: KeySlot) -> Desfire:
    chip = Desfire(connection, entropy)
    chip.select_application(AID)
    key = band_key(UID) if slot is KeySlot.BAND else GROUP_KEY
    if not chip.authenticate_ev2_first(slot.value, key):
        chip.authenticate_aes(slot.value, key)
    return chip


def _capsule_renewed(connection: Connection, entropy: Entropy) -> Any:
    chip = _opened(connection, entropy, KeySlot.BAND)
    chip.write(CAPSULE_FILE, bytes(range(120)))
    return chip.read(CAPSULE_FILE, size=128), chip.read(REFERENCE_FILE)


def _witnessed(connection: Connection, entropy: Entropy) -> Any:
    chip = _opened(connection, entropy, KeySlot.BAND)
    record_use(chip, USE, before=read_witness(chip))
    return read_witness(chip)


def _torn(connection: Connection, entropy: Entropy) -> Any:
    try:
        return _witnessed(connection, entropy)
    except BandLeft as left:
        return left.delivery


def _issued(connection: Connection, entropy: Entropy) -> Any:
    plan = Plan(generation_min=1)
    means = Means(plan, issuing.TestStationKeys(), entropy, issuing.maker_keys)
    work = DesfireBand(connection, target_of(issuing.fresh(ev=3).power_up()), means)
    before = work.look()
    work.finish(reference=b"R" * 16, note=issuing.straight)
    return before


def _ultralight_aes_used(connection: Connection, entropy: Entropy) -> Any:
    chip = UltralightAes(connection, entropy)
    chip.authenticate(0, band_key(UID))
    before = chip.read_counter(USES_COUNTER)
    chip.add(USES_COUNTER)
    return before, chip.read_counter(USES_COUNTER), chip.read_pages(REFERENCE_PAGE, 4)


def _tap(name: str, make: Callable[[], VirtualBand]) -> Scene:
    """What the reader process does with a band whose key is leased."""

    def act(connection: Connection, entropy: Entropy) -> Any:
        chip = make().power_up()
        target = target_of(chip) if chip.anticollision.ats else type2_target(chip)
        return read_band(connection, target, Keys(UID), entropy)

    return Scene(f"{name}, tapped with its key leased", make, act)


def _message_read(connection: Connection, _entropy: Entropy) -> Any:
    chip = Type4(connection)
    return chip.select() and chip.ndef()


SCENES: Final = {
    "desfire-ev1-witness": Scene(
        "DESFire EV1, a use recorded with K_band and read back", lambda: band(ev=1), _witnessed
    ),
    "desfire-ev2-witness": Scene(
        "DESFire EV2, a use recorded with K_band and read back", band, _witnessed
    ),
    "desfire-ev2-witness-torn": Scene(
        "DESFire EV2, taken away while a use is committed", band, _torn, torn_at=7
    ),
    "desfire-ev2-capsule": Scene(
        "DESFire EV2, a capsule written with K_band and read back", band, _capsule_renewed
    ),
    "desfire-ev3-issued": Scene(
        "DESFire EV3 from the factory, issued with a random UID",
        lambda: issuing.fresh(ev=3),
        _issued,
    ),
    "ntag424-message": Scene(
        "NTAG 424, its NDEF message read without a key", chip_bands.ntag424, _message_read
    ),
    "ultralight-aes-use": Scene(
        "Ultralight AES, a use counted with K_band",
        chip_bands.ultralight_aes,
        _ultralight_aes_used,
    ),
    "tap-desfire-ev3": _tap("DESFire EV3", lambda: band(ev=3)),
    "tap-ntag424": _tap("NTAG 424", chip_bands.ntag424),
    "tap-ultralight-aes": _tap("Ultralight AES", chip_bands.ultralight_aes),
    "tap-ultralight-c": _tap("Ultralight C", chip_bands.ultralight_c),
    "tap-ntag213": _tap("NTAG213", chip_bands.ntag21x),
}
"""The scenes by the name of their text."""


def played(scene: Scene, seed: str = SEED) -> tuple[str, Any]:
    """Do it with the virtual band now: the text, and what was read."""
    chip = scene.make().power_up()
    recording = RecordingConnection(_straight_to(chip, scene.torn_at))
    result = scene.act(recording, SeededEntropy(seed))
    return text_of(_titled(scene, recording, chip)), result


def _straight_to(chip: PoweredChip, torn_at: int) -> Connection:
    def spoil(number: int, answer: bytes | None) -> bytes | None:
        return None if number == torn_at else answer

    if chip.anticollision.ats:
        return ChipConnection(chip, spoil)
    return Type2Connection(chip, spoil)


def _titled(scene: Scene, recording: RecordingConnection, chip: PoweredChip) -> Transcript:
    title = (
        "reader: none, straight to the chip",
        f"band: virtual {scene.title}",
        f'keys: those of tests/support; the reader draws from the seed "{SEED}"',
    )
    return recording.transcript(title=title, answer=chip.anticollision.ats)


def write_all() -> None:
    """Make every text anew."""
    for name, scene in SCENES.items():
        (FOLDER / f"{name}.txt").write_text(played(scene)[0])


if __name__ == "__main__":
    write_all()
