"""The demo's bands as virtual chips: the one place where virtual hardware meets the layout and the keys of a band.

`hardware.virtual` knows values and final keys only; what they are is decided in `drivers.credential`.
"""

from datetime import datetime
from typing import Final

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from drivers.credential import kdf, layout
from drivers.credential.capsule import FULL_SIZE, Capsule, fitted, signed
from hardware.entropy import Entropy, SystemEntropy
from hardware.moments import micros_of
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
from kiosk.demo.bands import (
    CARRYING,
    DEMO_TEST_CAPSULE_KEY,
    DEMO_TEST_GROUP_KEY,
    DEMO_TEST_MASTER_KEY,
    DemoBand,
)
from kiosk.demo.crowd import crowd_rows
from kiosk.demo.threads import DAY_US
from sync.model.gist import gist_of
from sync.model.profile import Profile
from sync.model.thread_parts import packed

SECOND_US: Final = 1_000_000

CAPSULE_DAYS: Final = 90
"""How long the demo's capsules hold; as long as the centre's."""

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


def capsule_of(band: DemoBand, *, now: datetime) -> bytes:
    """What a band of CARRYING was given in the store that holds its wearer, the day before `now`; b"" for the others."""
    if band.name not in CARRYING:
        return b""
    at = (micros_of(now) - DAY_US) // SECOND_US * SECOND_US
    rows = tuple(row for row in crowd_rows(now) if row.owner == band.customer)
    gist = gist_of(Profile(band.customer, rows), now=at)
    assert gist is not None
    key = Ed25519PrivateKey.from_private_bytes(DEMO_TEST_CAPSULE_KEY)
    words = Capsule(
        issued_at=at, days=CAPSULE_DAYS, seq=1, is_waiting=gist.is_waiting, is_owed=gist.is_owed,
        language=gist.language, name=gist.name, parts=packed(gist.parts), band=band.reference,
    )  # fmt: skip
    return signed(
        fitted(words, FULL_SIZE),
        uid=band.uid,
        band=band.reference,
        public_key=key.public_key().public_bytes_raw(),
        sign=key.sign,
    )


def virtual_band_of(
    band: DemoBand, *, entropy: Entropy | None = None, capsule: bytes = b""
) -> VirtualBand:
    """The virtual chip of a demo band; its nonces come from `entropy`, the machine's own when there is none given."""
    if band.chip in _GENERATIONS:
        return VirtualDesfire(
            uid=band.uid,
            ev=_GENERATIONS[band.chip],
            applications=(
                application_of(uid=band.uid, reference=band.reference, capsule=capsule),
            ),
            entropy=entropy or SystemEntropy(),
            has_random_uid=band.chip == "desfire_ev2_random",
        )
    if band.chip == "classic":
        return VirtualClassic(uid=band.uid)
    if len(band.uid) == 4:
        return VirtualPhone(uid=band.uid)
    return VirtualNtag213(uid=band.uid)
