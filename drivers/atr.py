"""How a band spoke when it entered the field, from what a reader says of it: an ATR through PC/SC, a SAK elsewhere.

    storage bands   3B 8F 80 01 80 4F 0C A0 00 00 03 06 SS NN NN 00 00 00 00 TCK
    ISO-DEP bands   3B 8n 80 01 ...
    SAK             bit 20 ISO-DEP, bit 08 MIFARE Classic, none of both and not 04 Type 2

Source: PC/SC part 3 rev 2.01.09, 3.1.3.2.3; ISO/IEC 14443-3:2018, 6.5.3; NXP AN10833.
"""

from drivers.target import Technology

STORAGE_ATR = bytes.fromhex("3B8F8001804F0CA000000306")
"""Start of the ATR of a band without ISO-DEP. Source: PC/SC part 3 rev 2.01.09, 3.1.3.2.3.1."""

STORAGE_NAME_END = 15
"""Where SS NN NN end in such an ATR."""

ISO_DEP_ATR = bytes.fromhex("8001")
"""Bytes 2 and 3 of the ATR of any other contactless band. Source: PC/SC part 3 rev 2.01.09, 3.1.3.2.3.2."""

FELICA_STANDARD = 0x11
"""SS of FeliCa."""

ULTRALIGHT_NAMES = frozenset({0x0003, 0x003A})
"""NN NN of Ultralight and every NTAG 21x, and of Ultralight C. Source: PC/SC part 3, supplemental document."""

SAK_ISO_DEP = 0x20
"""The band speaks ISO-DEP. Source: ISO/IEC 14443-3:2018, 6.5.3.4."""

SAK_INCOMPLETE = 0x04
"""The UID is not complete; in a final answer, nonsense. Source: ISO/IEC 14443-3:2018, 6.5.3.4."""

SAK_CLASSIC = 0x08
"""Set by every MIFARE Classic. Source: NXP AN10833."""


def storage_name(atr: bytes) -> int | None:
    """NN NN of the ATR of a band without ISO-DEP; None for any other."""
    if atr.startswith(STORAGE_ATR) and len(atr) >= STORAGE_NAME_END:
        return int.from_bytes(atr[13:STORAGE_NAME_END], "big")
    return None


def technology_of_atr(atr: bytes) -> Technology:
    """How a band spoke, from the ATR a PC/SC reader made up for it."""
    name = storage_name(atr)
    if name is not None:
        if atr[12] == FELICA_STANDARD:
            return Technology.FELICA
        return Technology.TYPE_2 if name in ULTRALIGHT_NAMES else Technology.OTHER
    if len(atr) >= 4 and atr[0] == 0x3B and atr[1] & 0xF0 == 0x80 and atr[2:4] == ISO_DEP_ATR:
        return Technology.ISO_DEP
    return Technology.OTHER


def technology_of_sak(sak: int) -> Technology:
    """How a band spoke, from its SAK."""
    if sak & SAK_ISO_DEP:
        return Technology.ISO_DEP
    if sak & (SAK_CLASSIC | SAK_INCOMPLETE):
        return Technology.OTHER
    return Technology.TYPE_2
