"""Which chip this may be, from what the reader saw: a guess that costs no exchange and decides what is tried."""

from drivers.atr import SAK_CLASSIC, SAK_ISO_DEP, storage_name
from drivers.credential.layout import UID_SIZES
from drivers.proof import ChipFamily
from drivers.target import Target, Technology

STORAGE_FAMILIES = {
    0x0001: ChipFamily.CLASSIC,
    0x0002: ChipFamily.CLASSIC,
    0x0003: ChipFamily.ULTRALIGHT,
    0x0026: ChipFamily.CLASSIC,
    0x003A: ChipFamily.ULTRALIGHT,
    0x003B: ChipFamily.FELICA,
}
"""Chip by NN NN of the ATR; 0003 is every NTAG 21x too. Source: PC/SC part 3, supplemental document."""

RANDOM_UID_SIZE = 4
RANDOM_UID_FIRST = 0x08
"""A UID of four bytes that starts so is drawn anew each time. Source: ISO/IEC 14443-3:2018, 6.5.4."""


DESFIRE_RANDOM_UID_FIRST = 0x80
"""What the random UID of some DESFire EV1 starts with instead."""


def has_true_uid(target: Target) -> bool:
    """Is the UID the reader saw one that stays? Not when it is random or was not told."""
    uid = target.uid
    if not speaks_iso_dep(target):
        return len(uid) > 0 and not (len(uid) == RANDOM_UID_SIZE and uid[0] == RANDOM_UID_FIRST)
    if len(uid) == RANDOM_UID_SIZE:
        return uid[0] not in (RANDOM_UID_FIRST, DESFIRE_RANDOM_UID_FIRST)
    return len(uid) in UID_SIZES


def leasable_uid(target: Target) -> bytes | None:
    """The UID a key can be leased for, when the reader saw it; None when only the band itself can tell.

    Every chip that holds our application has a UID of more than four bytes: if it shows four, they are random,
    whatever they start with.
    """
    is_own = (
        speaks_iso_dep(target) and has_true_uid(target) and len(target.uid) > RANDOM_UID_SIZE
    )
    return target.uid if is_own else None


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
