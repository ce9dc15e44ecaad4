"""Bands of this shop as virtual chips, the keys that open them, and a connection straight to a chip."""

from drivers.credential.kdf import diversified
from drivers.credential.layout import (
    AID,
    APPLICATION_KEY_SETTINGS,
    FILES,
    REFERENCE_FILE,
    REFERENCE_SIZE,
    USES_FILE,
    WITNESS_FILE,
    diversification_input,
)
from drivers.errors import BandLeft, Delivery
from drivers.ports import LeasedKey
from drivers.target import Target, Technology
from hardware.entropy import SeededEntropy
from hardware.virtual.band import Garbled
from hardware.virtual.desfire import (
    AnyVirtualFile,
    VirtualApplication,
    VirtualDesfire,
    VirtualFile,
    VirtualRecordFile,
    VirtualValueFile,
)
from hardware.virtual.messaging import Mode

GROUP_KEY = bytes(range(16))
ISSUING_KEY = bytes(range(16, 32))
UID = bytes.fromhex("04A1B2C3D4E5F6")
REFERENCE = bytes.fromhex("C0FFEE00000000000000000000000001")
ATS = bytes.fromhex("067577810280")


def band_key(uid: bytes) -> bytes:
    """K_band of the band with this UID."""
    return diversified(ISSUING_KEY, diversification_input(uid))


def band(
    *,
    ev: int = 2,
    uid: bytes = UID,
    reference: bytes = REFERENCE,
    is_random: bool = False,
    key: bytes | None = None,
    group_key: bytes = GROUP_KEY,
    key_version: int = 0,
    has_witness: bool = True,
    capsule: bytes = b"",
) -> VirtualDesfire:
    """A band as `drivers.credential.layout` says, issued by this shop; without the witness files as the first ones were."""
    files: tuple[AnyVirtualFile, ...] = tuple(
        VirtualFile(
            number=each.number,
            mode=Mode(each.mode.value),
            read=each.read,
            write=each.write,
            read_write=each.read_write,
            change=each.change,
            content=(reference if each is REFERENCE_FILE else capsule).ljust(each.size, b"\0"),
        )
        for each in FILES
    )
    assert len(reference) == REFERENCE_SIZE
    keys = (bytes(16), group_key, band_key(uid) if key is None else key)
    if has_witness:
        files += witness_files()
    versions = (0, 0, key_version)
    application = VirtualApplication(AID, keys, files, APPLICATION_KEY_SETTINGS, versions)
    return VirtualDesfire(
        uid=uid,
        ev=ev,
        applications=(application,),
        entropy=SeededEntropy("band"),
        has_random_uid=is_random,
    )


def witness_files() -> tuple[AnyVirtualFile, ...]:
    """The files a band of ours witnesses its uses in, as they are when nothing was used."""
    uses, witness = USES_FILE, WITNESS_FILE
    return (
        VirtualValueFile(
            uses.number,
            Mode(uses.mode.value),
            uses.read,
            uses.write,
            uses.read_write,
            uses.change,
            value=uses.start,
            lower=uses.lower,
            upper=uses.upper,
        ),
        VirtualRecordFile(
            witness.number,
            Mode(witness.mode.value),
            witness.read,
            witness.write,
            witness.read_write,
            witness.change,
            record_size=witness.size,
            record_max=witness.count,
        ),
    )


class Keys:
    """A KeyProvider with the group key and the leases it is given; remembers what it was asked."""

    def __init__(self, *leased: bytes, group: bytes | None = GROUP_KEY) -> None:
        self._leased = {uid: LeasedKey(band_key(uid)) for uid in leased}
        self._group = group
        self.asked: list[bytes] = []

    def group_key(self) -> LeasedKey | None:
        return None if self._group is None else LeasedKey(self._group)

    def band_key(self, uid: bytes) -> LeasedKey | None:
        self.asked.append(uid)
        return self._leased.get(uid)


class ChipConnection:
    """Straight to a powered chip; can tear, shorten and falsify what it answers.

    `spoil` gets the number of the exchange from 1 and the answer, and returns what arrives; None when the band left.
    """

    def __init__(self, chip, spoil=None) -> None:  # type: ignore[no-untyped-def]
        self._chip = chip
        self._spoil = spoil
        self.sent: list[bytes] = []
        self.generation = 1
        self.is_dead = False

    def transmit(self, command: bytes) -> bytes:
        if self.is_dead:
            raise BandLeft("another activation has begun", delivery=Delivery.NOT_SENT)
        self.sent.append(command)
        try:
            answer = self._chip.exchange(command)
        except Garbled as error:
            raise BandLeft("damaged on its way") from error
        if self._spoil is not None:
            answer = self._spoil(len(self.sent), answer)
        if answer is None:
            raise BandLeft("torn")
        return bytes(answer)


def target_of(chip) -> Target:  # type: ignore[no-untyped-def]
    """What a reader would say of a powered chip."""
    seen = chip.anticollision
    return Target(Technology.ISO_DEP, seen.uid, seen.ats, 1, seen.sak)
