"""Where things stand on a band of ours that is no DESFire: key slots, files, pages. `layout` has the same for DESFire.

    NTAG 424        slot 0 K_app   1 K_uid   2 K_band   3 K_sun   4 not used, a key nobody keeps
                    file 2   256 bytes   the link with the SUN message: free to read, K_app writes
                    file 3   128 bytes   reference (16), then the capsule: K_uid reads, K_band reads and writes, enciphered
    Ultralight AES  slot 0 K_band   1 K_uid
                    pages 04-07 reference, 08-27 capsule: K_band reads and writes, with MACs
                    counter 2   uses; K_band adds
    Ultralight C    key K_band, as 2K3DES
                    pages 04-07 reference, 08-27 capsule: K_band reads and writes, nothing protected on the air
                    counter in page 29   uses; K_band adds
    NTAG 21x        nothing of ours: it is known by its UID, which anybody can copy
                    password made of K_band guards writing, where there is a link on it

K_band and K_uid are what they are on DESFire: the one diversified with `layout.diversification_input` and leased, the other
the same on all kiosks. K_sun follows from K_band, so that whoever holds the lease can verify a SUN message without asking.
"""

from drivers.credential.kdf import cmac
from drivers.credential.layout import REFERENCE_SIZE, BandFile, CommMode
from drivers.credential.sdm_file import NEVER

NTAG424_APP, NTAG424_UID, NTAG424_BAND, NTAG424_SUN, NTAG424_SPARE = 0, 1, 2, 3, 4
"""Key slots of an NTAG 424 of ours."""

CONTENT_FILE = BandFile(
    number=3,
    size=128,
    mode=CommMode.FULL,
    read=NTAG424_UID,
    write=NEVER,
    read_write=NTAG424_BAND,
    change=NTAG424_APP,
)
"""File 3 of an NTAG 424: the band reference, then the capsule."""

NTAG424_REFERENCE = BandFile(
    number=3,
    size=REFERENCE_SIZE,
    mode=CommMode.FULL,
    read=NTAG424_UID,
    write=NEVER,
    read_write=NTAG424_BAND,
    change=NTAG424_APP,
)
"""The first bytes of file 3, as a file of its own: what a tap needs of it."""

CAPSULE_OFFSET = REFERENCE_SIZE
"""Where the capsule begins in file 3."""

CAPSULE_SIZE_NTAG424 = 128 - CAPSULE_OFFSET
"""Bytes kept for the capsule on an NTAG 424; zeros behind it."""

MFUL_BAND, MFUL_UID = 0, 1
"""Key slots of an Ultralight AES: DataProtKey, UIDRetrKey. Source: NXP MF0AES(H)20 data sheet, 8.6."""

REFERENCE_PAGE = 0x04
"""First page of the reference on every band with pages; one READ brings all of it."""

CAPSULE_PAGE = 0x08
"""First page of the capsule on every band with pages."""

CAPSULE_SIZE_PAGES = 128
"""Bytes kept for the capsule on Ultralight AES and C, pages 08 to 27; zeros behind it."""

USES_COUNTER = 2
"""The one-way counter of an Ultralight AES that counts uses: the only one that can ask for a key.

Source: NXP MF0AES(H)20 data sheet, 8.7.
"""


def sun_key_of(band_key: bytes) -> bytes:
    """K_sun of the band with this K_band, 16 bytes."""
    return cmac(band_key, b"tapthread sun 1")


def password_of(band_key: bytes) -> tuple[bytes, bytes]:
    """Password (4 bytes) and its answer (2 bytes) of an NTAG 21x of ours.

    Both cross the air in clear whenever they are used, and guard nothing against whoever listened once.
    """
    made = cmac(band_key, b"tapthread password 1")
    return made[:4], made[4:6]
