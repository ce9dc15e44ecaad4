"""The demo's bands as virtual chips: the one place where virtual hardware meets the layout and the keys of a band.

`hardware.virtual` knows values and final keys only; what they are is decided in `drivers.credential`.
"""

from drivers.credential import kdf, layout
from hardware.entropy import Entropy, SystemEntropy
from hardware.virtual.band import VirtualBand
from hardware.virtual.desfire import (
    AnyVirtualFile,
    VirtualApplication,
    VirtualDesfire,
    VirtualFile,
    VirtualRecordFile,
    VirtualValueFile,
)
from hardware.virtual.messaging import Mode
from hardware.virtual.uid_bands import VirtualClassic, VirtualNtag213, VirtualPhone
from kiosk.band_keys import KEY_VERSION
from kiosk.demo.bands import DEMO_TEST_GROUP_KEY, DEMO_TEST_MASTER_KEY, DemoBand

_GENERATIONS = {"desfire_ev1": 1, "desfire_ev2": 2, "desfire_ev2_random": 2}


def band_key_of(uid: bytes) -> bytes:
    """`K_band` of the demo's band with this true UID."""
    return kdf.diversified(DEMO_TEST_MASTER_KEY, layout.diversification_input(uid))


def application_of(*, uid: bytes, reference: bytes, capsule: bytes = b"") -> VirtualApplication:
    """Our application as the layout says, with the demo's keys.

    Args:
        uid: The true UID.
        reference: The 16-byte band reference.
        capsule: What the capsule file begins with; the rest is zeros.
    """
    # The issuing stations' key is nobody's in the demo; one that no other slot has is enough.
    application_key = kdf.diversified(DEMO_TEST_GROUP_KEY, layout.diversification_input(uid))
    keys = {
        layout.KeySlot.APP: application_key,
        layout.KeySlot.UID: DEMO_TEST_GROUP_KEY,
        layout.KeySlot.BAND: band_key_of(uid),
    }
    contents = {
        layout.REFERENCE_FILE.number: reference,
        layout.CAPSULE_FILE.number: capsule,
    }
    return VirtualApplication(
        aid=layout.AID,
        keys=tuple(keys[slot] for slot in sorted(keys, key=lambda slot: slot.value)),
        files=tuple(
            _file_of(file, contents.get(file.number, b"")) for file in layout.ALL_FILES
        ),
        key_settings=layout.APPLICATION_KEY_SETTINGS,
        key_versions=(KEY_VERSION,) * len(keys),
    )


def _file_of(file: layout.AnyFile, content: bytes) -> AnyVirtualFile:
    """One file as the layout says, never used."""
    mode = Mode(file.mode.value)
    rights = (file.read, file.write, file.read_write, file.change)
    match file:
        case layout.BandFile():
            filled = content.ljust(file.size, b"\x00")
            return VirtualFile(file.number, mode, *rights, filled, file.is_backup)
        case layout.ValueFile():
            return VirtualValueFile(
                file.number, mode, *rights, file.start, file.lower, file.upper
            )
        case layout.RecordFile():
            return VirtualRecordFile(
                file.number, mode, *rights, file.size, file.count, file.is_cyclic
            )


def virtual_band_of(band: DemoBand, *, entropy: Entropy | None = None) -> VirtualBand:
    """The virtual chip of a demo band; its nonces come from `entropy`, the machine's own when there is none given."""
    if band.chip in _GENERATIONS:
        return VirtualDesfire(
            uid=band.uid,
            ev=_GENERATIONS[band.chip],
            applications=(application_of(uid=band.uid, reference=band.reference),),
            entropy=entropy or SystemEntropy(),
            has_random_uid=band.chip == "desfire_ev2_random",
        )
    if band.chip == "classic":
        return VirtualClassic(uid=band.uid)
    if len(band.uid) == 4:
        return VirtualPhone(uid=band.uid)
    return VirtualNtag213(uid=band.uid)
