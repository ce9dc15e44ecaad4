"""Which chip this is: guessed from what the reader saw, which costs nothing, or asked, which costs a few exchanges.

    a tap guesses          `family_of`, `may_be_ntag424`, `has_true_uid`: they decide what is tried first
    people and issuing ask `identify`:

        ISO 14443-4   GetVersion (3)                   DESFire, its generation, NTAG 424, or neither
                      then SELECT NDEF (1)             a telephone, or somebody else's band
        Type 2        GET_VERSION (1)                  NTAG 21x, Ultralight EV1 or AES
                      then a challenge (1)             Ultralight C, or the first Ultralight
        others        nothing                          MIFARE Classic by its SAK, FeliCa by how it spoke

What a chip says of itself is a claim; only an authentication proves anything.
"""

from dataclasses import dataclass

from drivers.atr import SAK_CLASSIC, SAK_ISO_DEP, storage_name
from drivers.chips.felica import EMULATED
from drivers.chips.framing import collect, required
from drivers.chips.ntag21x import is_ultralight_aes, model_of
from drivers.chips.type2 import Type2, challenge
from drivers.chips.type4 import Type4
from drivers.connection import Connection
from drivers.credential.layout import UID_SIZES
from drivers.errors import BandMalformed, BandRefused, BandSilent, BandUnsupported
from drivers.proof import ChipFamily
from drivers.target import Target, Technology

STORAGE_FAMILIES = {
    0x0001: ChipFamily.CLASSIC,
    0x0002: ChipFamily.CLASSIC,
    0x0003: ChipFamily.ULTRALIGHT,
    0x0026: ChipFamily.CLASSIC,
    0x003A: ChipFamily.ULTRALIGHT_C,
    0x003B: ChipFamily.FELICA,
}
"""Chip by NN NN of the ATR; 0003 is every NTAG 21x too. Source: PC/SC part 3, supplemental document."""

RANDOM_UID_SIZE = 4
LEASABLE_SIZES = tuple(size for size in UID_SIZES if size > RANDOM_UID_SIZE)
RANDOM_UID_FIRST = 0x08
"""A UID of four bytes that starts so is drawn anew each time. Source: ISO/IEC 14443-3:2018, 6.5.4."""


DESFIRE_RANDOM_UID_FIRST = 0x80
"""What the random UID of some DESFire EV1 starts with instead."""


NTAG424_TB1 = 0x71
"""Third byte after the size in the ATS of an NTAG 424, its waiting time; a DESFire has 81.

Source: NXP NT4H2421Gx data sheet rev 3.0, 8.1.1; MF3D(H)x2 data sheet.
"""

GET_VERSION = 0x60

DESFIRE_TYPE, NTAG_TYPE, LIGHT_TYPE = 0x01, 0x04, 0x08
"""Hardware types in GetVersion, without the bit that only says how the chip is built. Source: NXP AN10833."""

DESFIRE_GENERATIONS = {0x00: 0, 0x01: 1, 0x12: 2, 0x22: 2, 0x33: 3, 0x30: 0}
"""Generation by major version of the hardware. Source: NXP AN10833; 0 is the first MF3ICD40, or DESFire Light."""

NTAG424_MAJOR = 0x30


@dataclass(frozen=True, slots=True)
class Chip:
    """Which chip, as far as it was asked.

    Attributes:
        family: Which kind.
        generation: Of DESFire, 1 to 3; 0 when it has none or it is not known.
        name: As people say it.
        is_asked: Did the chip say so, or is it only guessed from how it spoke?
    """

    family: ChipFamily
    generation: int
    name: str
    is_asked: bool


def may_be_ntag424(target: Target) -> bool:
    """Is it worth trying NTAG 424 before DESFire? From its ATS; False where the reader gave only an ATR."""
    ats = target.answer
    if len(ats) < 4 or ats[0] != len(ats) or not ats[1] & 0x20:
        return False
    # TB(1) is behind T0, and behind TA(1) where T0 says there is one. Source: ISO/IEC 14443-4:2018, 5.2.5.
    return ats[2 + (ats[1] >> 4 & 1)] == NTAG424_TB1


def has_true_uid(target: Target) -> bool:
    """Is the UID the reader saw one that stays? Not when it is random, all zeros, or was not told."""
    uid = target.uid
    if not any(uid):
        return False
    if target.technology is Technology.FELICA:
        return not uid.startswith(EMULATED)
    if not speaks_iso_dep(target):
        return len(uid) != RANDOM_UID_SIZE or uid[0] != RANDOM_UID_FIRST
    if len(uid) == RANDOM_UID_SIZE:
        return uid[0] not in (RANDOM_UID_FIRST, DESFIRE_RANDOM_UID_FIRST)
    return len(uid) in UID_SIZES


def leasable_uid(target: Target) -> bytes | None:
    """The UID a key can be leased for, when the reader saw it; None when only the band itself can tell.

    Every chip that holds our application has a UID of more than four bytes: if it shows four, they are random,
    whatever they start with.
    """
    uid = target.uid
    is_own = target.technology is Technology.ISO_DEP and len(uid) in LEASABLE_SIZES and any(uid)
    return uid if is_own else None


def speaks_iso_dep(target: Target) -> bool:
    """Is it worth asking for our application?"""
    return target.technology is Technology.ISO_DEP


def family_of(target: Target) -> ChipFamily:
    """Which chip a band without ISO-DEP is, as far as the reader's answer tells."""
    if target.technology is Technology.FELICA:
        return ChipFamily.FELICA
    name = storage_name(target.answer)
    if name is not None:
        return STORAGE_FAMILIES.get(name, ChipFamily.UNKNOWN)
    sak = 0 if target.sak is None else target.sak
    if sak & SAK_CLASSIC and not sak & SAK_ISO_DEP:
        return ChipFamily.CLASSIC
    if target.technology is Technology.TYPE_2:
        return ChipFamily.ULTRALIGHT
    return ChipFamily.UNKNOWN


def identify(connection: Connection, target: Target) -> Chip:
    """Ask the band which chip it is. At most four exchanges; the band is left as after its activation or deselected.

    Raises:
        BandLeft: taken away before it had answered.
        ReaderError: the machine's side failed.
    """
    if speaks_iso_dep(target):
        return _iso_dep_chip(connection)
    if target.technology is Technology.TYPE_2:
        return _type2_chip(connection)
    family = family_of(target)
    return Chip(family, 0, NAMES.get(family, "unknown"), is_asked=False)


NAMES = {
    ChipFamily.CLASSIC: "MIFARE Classic",
    ChipFamily.FELICA: "FeliCa",
    ChipFamily.ULTRALIGHT: "MIFARE Ultralight",
    ChipFamily.ULTRALIGHT_C: "MIFARE Ultralight C",
}
"""What people call a family that has one name."""


def _iso_dep_chip(connection: Connection) -> Chip:
    try:
        version = required(collect(connection, GET_VERSION))
    except (BandRefused, BandUnsupported, BandMalformed):
        return _type4_chip(connection)
    if len(version) < 7:
        return _type4_chip(connection)
    kind, major = version[1] & 0x0F, version[3]
    generation = DESFIRE_GENERATIONS.get(major, 0)
    if kind == DESFIRE_TYPE:
        name = f"DESFire EV{generation}" if generation else "DESFire"
        return Chip(ChipFamily.DESFIRE, generation, name, is_asked=True)
    if kind == LIGHT_TYPE:
        return Chip(ChipFamily.DESFIRE, 0, "DESFire Light", is_asked=True)
    if kind == NTAG_TYPE and major == NTAG424_MAJOR:
        return Chip(ChipFamily.NTAG424, 0, "NTAG 424 DNA", is_asked=True)
    return Chip(ChipFamily.UNKNOWN, 0, "unknown NXP chip", is_asked=True)


def _type4_chip(connection: Connection) -> Chip:
    """A telephone or somebody else's band: with NDEF or without."""
    has_ndef = Type4(connection).select()
    name = "ISO 14443-4 with NDEF" if has_ndef else "telephone or foreign ISO 14443-4"
    return Chip(ChipFamily.TYPE4, 0, name, is_asked=True)


def _type2_chip(connection: Connection) -> Chip:
    try:
        version = Type2(connection).version()
        model = model_of(version)
    except (BandSilent, BandRefused):
        return _silent_type2_chip(connection)
    except BandMalformed:
        return Chip(ChipFamily.UNKNOWN, 0, "unknown Type 2 chip", is_asked=True)
    if is_ultralight_aes(version):
        return Chip(ChipFamily.ULTRALIGHT_AES, 0, "MIFARE Ultralight AES", is_asked=True)
    if model is None:
        return Chip(ChipFamily.UNKNOWN, 0, "unknown Type 2 chip", is_asked=True)
    family = ChipFamily.NTAG21X if model.is_ntag else ChipFamily.ULTRALIGHT
    return Chip(family, 0, model.name, is_asked=True)


def _silent_type2_chip(connection: Connection) -> Chip:
    """A chip that does not know GET_VERSION: does it authenticate?"""
    try:
        asked = challenge(connection, 0)
    except (BandSilent, BandRefused, BandMalformed):
        family = ChipFamily.ULTRALIGHT
    else:
        family = ChipFamily.ULTRALIGHT_C if len(asked) == 8 else ChipFamily.ULTRALIGHT_AES
    return Chip(family, 0, NAMES.get(family, "MIFARE Ultralight AES"), is_asked=True)
