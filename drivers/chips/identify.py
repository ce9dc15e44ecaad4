"""Which chip this may be, from what the reader saw: a guess that costs no exchange and decides what is tried.

    through PC/SC   storage bands: 3B 8F 80 01 80 4F 0C A0 00 00 03 06 SS NN NN 00 00 00 00 TCK
                    ISO-DEP bands: 3B 8n 80 01 ...
    through PN532   SAK: bit 20 ISO-DEP, 08 18 09 Classic, 00 Type 2

Source: PC/SC part 3 rev 2.01.09, 3.1.3.2.3; NXP AN10833.
"""

from drivers.proof import ChipFamily
from drivers.target import Target, Technology

STORAGE_ATR = bytes.fromhex("3B8F8001804F0CA000000306")
"""Start of the ATR of a band without ISO-DEP. Source: PC/SC part 3 rev 2.01.09, 3.1.3.2.3.1."""

ISO_DEP_ATR = bytes.fromhex("8001")
"""Bytes 2 and 3 of the ATR of any contactless band. Source: PC/SC part 3 rev 2.01.09, 3.1.3.2.3.2."""

FELICA_STANDARD = 0x11
"""SS of FeliCa."""

STORAGE_NAMES = {
    0x0001: ChipFamily.CLASSIC,
    0x0002: ChipFamily.CLASSIC,
    0x0003: ChipFamily.ULTRALIGHT,
    0x0026: ChipFamily.CLASSIC,
    0x003A: ChipFamily.ULTRALIGHT,
    0x003B: ChipFamily.FELICA,
}
"""NN NN of the ATR. 0003 is Ultralight and every NTAG 21x. Source: PC/SC part 3 supplemental document."""

SAK_ISO_DEP = 0x20
"""Bit of SAK: the band speaks ISO-DEP. Source: ISO/IEC 14443-3:2018, 6.5.3.4."""

SAK_CLASSIC = 0x08
"""Bit of SAK that every MIFARE Classic sets. Source: NXP AN10833."""

RANDOM_UID_SIZE = 4
RANDOM_UID_FIRST = 0x08
"""A UID of four bytes that starts so is drawn anew each time. Source: ISO/IEC 14443-3:2018, 6.5.4."""


def technology_of_atr(atr: bytes) -> Technology:
    """How a band spoke, from the ATR a PC/SC reader made up for it."""
    if atr.startswith(STORAGE_ATR) and len(atr) >= 15:
        if atr[12] == FELICA_STANDARD:
            return Technology.FELICA
        name = int.from_bytes(atr[13:15], "big")
        if STORAGE_NAMES.get(name) is ChipFamily.ULTRALIGHT:
            return Technology.TYPE_2
        return Technology.OTHER
    if len(atr) >= 4 and atr[0] == 0x3B and atr[1] & 0xF0 == 0x80 and atr[2:4] == ISO_DEP_ATR:
        return Technology.ISO_DEP
    return Technology.OTHER


def technology_of_sak(sak: int) -> Technology:
    """How a band spoke, from its SAK."""
    if sak & SAK_ISO_DEP:
        return Technology.ISO_DEP
    if sak & SAK_CLASSIC:
        return Technology.OTHER
    return Technology.TYPE_2 if sak & 0x04 == 0 else Technology.OTHER


def has_true_uid(target: Target) -> bool:
    """Is the UID the reader saw one that stays? Not when it is random or was not told."""
    uid = target.uid
    return len(uid) > 0 and not (len(uid) == RANDOM_UID_SIZE and uid[0] == RANDOM_UID_FIRST)


def speaks_iso_dep(target: Target) -> bool:
    """Is it worth asking for our application?"""
    return target.technology is Technology.ISO_DEP


def family_of(target: Target) -> ChipFamily:
    """Which chip a band without ISO-DEP is, as far as the reader's answer tells."""
    answer = target.answer
    if target.technology is Technology.FELICA:
        return ChipFamily.FELICA
    if answer.startswith(STORAGE_ATR) and len(answer) >= 15:
        return STORAGE_NAMES.get(int.from_bytes(answer[13:15], "big"), ChipFamily.UNKNOWN)
    if target.sak is not None and target.sak & SAK_CLASSIC and not target.sak & SAK_ISO_DEP:
        return ChipFamily.CLASSIC
    if target.technology is Technology.TYPE_2:
        return ChipFamily.ULTRALIGHT
    return ChipFamily.UNKNOWN
