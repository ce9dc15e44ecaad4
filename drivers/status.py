"""What a status means: the one table of words for what a chip answers instead of what it was asked for.

    0 to F          four bits of a chip without ISO-DEP: an ACK or a NAK
    6xxx, 9000      ISO/IEC 7816-4
    91xx            DESFire and NTAG 424, native commands in ISO clothes
    FFxx, 01xx ...  FeliCa: first flag FF, or the bit of the block that went wrong; the second says why

The four do not overlap, so that a number alone says which it is. For technicians and logs: what a customer or clerk is told
follows from the type of the error.
"""

from collections.abc import Mapping
from typing import Final

NAKS: Final[Mapping[int, str]] = {
    0x0: "invalid argument, such as a page that is not there or is protected",
    0x1: "parity or checksum error",
    0x4: "a counter is at its end, or too many wrong passwords or keys",
    0x5: "memory was not written",
    0x6: "another error",
    0x7: "memory was not written",
    0x9: "another error",
    0xA: "done",
}
"""Source: NXP NTAG213/215/216 data sheet rev 3.2, 9.3; MF0ULx1 data sheet, 9.3."""

NATIVE: Final[Mapping[int, str]] = {
    0x00: "done",
    0x0B: "no such command now: authentication is missing, or a MAC is wrong",
    0x0C: "nothing was changed, so there is nothing to commit; of an NTAG 424: malformed command",
    0x0E: "out of memory",
    0x1C: "no such command",
    0x1E: "integrity error: a MAC, a checksum or padding does not hold",
    0x40: "no such key",
    0x7E: "wrong length of the command",
    0x9D: "permission denied",
    0x9E: "wrong parameter",
    0xA0: "application not found",
    0xA1: "integrity error in the application, which is disabled",
    0xAD: "not yet: too many wrong keys were tried",
    0xAE: "authentication error: a wrong key, one with no right to this, or none was shown where one is needed",
    0xAF: "more frames follow",
    0xBE: "boundary error: beyond the end of a file, or over the limit of a value",
    0xC1: "integrity error in the chip, which is disabled",
    0xCA: "command aborted: another one is not complete, or a transaction was broken off",
    0xCD: "the chip is disabled",
    0xCE: "count error: no more applications or files",
    0xDE: "duplicate: a file or application with this number is there",
    0xEE: "memory error: a write was not completed",
    0xF0: "file not found",
    0xF1: "integrity error in the file, which is disabled",
}
"""Lower byte of 91xx. Source: MF3ICD81 data sheet, status and error codes; NXP NT4H2421Gx data sheet rev 3.0, tables 23 and 95."""

ISO: Final[Mapping[int, str]] = {
    0x6281: "part of the answer may be wrong",
    0x6282: "the end of the file came first",
    0x6283: "the selected file is deactivated",
    0x6300: "not verified",
    0x6581: "memory error",
    0x6700: "wrong length",
    0x6881: "no such logical channel",
    0x6882: "no secure messaging",
    0x6900: "command not allowed",
    0x6981: "the command does not suit the file",
    0x6982: "security status not satisfied: authentication is missing",
    0x6983: "authentication is blocked",
    0x6984: "the data referred to is not usable",
    0x6985: "conditions of use not satisfied",
    0x6986: "command not allowed: no file is selected",
    0x6988: "the MAC of secure messaging is wrong",
    0x6A80: "wrong content of the command",
    0x6A81: "no such function",
    0x6A82: "file or application not found",
    0x6A83: "record not found",
    0x6A84: "not enough memory in the file",
    0x6A86: "wrong P1 or P2",
    0x6A87: "Lc does not suit P1 and P2",
    0x6A88: "what was referred to is not there",
    0x6B00: "wrong P1 or P2, such as an offset beyond the end",
    0x6D00: "no such instruction",
    0x6E00: "no such class",
    0x6F00: "error without a diagnosis",
    0x9000: "done",
}
"""Source: ISO/IEC 7816-4:2020, 5.6."""

ISO_KINDS: Final[Mapping[int, str]] = {
    0x61: "done, more bytes wait",
    0x62: "a warning, nothing was changed",
    0x63: "a warning, memory was changed",
    0x64: "an error, nothing was changed",
    0x65: "an error, memory was changed",
    0x66: "an error of security",
    0x67: "wrong length",
    0x68: "a function of the class is not supported",
    0x69: "command not allowed",
    0x6A: "wrong parameters",
    0x6B: "wrong parameters",
    0x6C: "wrong Le",
    0x6D: "no such instruction",
    0x6E: "no such class",
    0x6F: "error without a diagnosis",
}
"""What the first byte alone says. Source: ISO/IEC 7816-4:2020, 5.6."""

FELICA: Final[Mapping[int, str]] = {
    0x01: "a purse has too little or too much in it",
    0x02: "more cash back than may be",
    0x70: "memory error",
    0x71: "a warning: memory was written too often",
    0xA1: "wrong number of services",
    0xA2: "wrong number of blocks",
    0xA3: "a block names a service that was not listed",
    0xA4: "wrong kind of service",
    0xA5: "access not allowed",
    0xA6: "no such service",
    0xA7: "wrong access mode of a block",
    0xA8: "no such block",
    0xA9: "memory was not written",
    0xAA: "the key was not changed",
    0xAB: "parity or MAC of a package is wrong",
    0xAC: "wrong parameter",
    0xAD: "the service is there already",
    0xAE: "wrong system code",
    0xAF: "too many cyclic writes at once",
    0xB1: "authentication is needed to read this block",
    0xB2: "the MAC of a write is wrong",
    0xC0: "wrong package",
    0xC1: "the package says another thing than the command",
    0xC2: "the command was disabled",
}
"""Second flag. Source: FeliCa card user's manual, excerpted edition, 4.5; FeliCa Lite-S user's manual, 4.5."""

FELICA_FIRST: Final = frozenset((0xFF, *(1 << bit for bit in range(8))))
"""What a first flag can be: FF, or the place of the block in the list as a bit. Source: the same."""

UNKNOWN: Final = "not a status that is known here"


def meaning_of(status: int) -> str:
    """What a chip meant by this status, in words for a technician; of one that stands in no table that it does not.

    Args:
        status: SW1 SW2 as one number, both flags of a FeliCa, or the four bits of an ACK or a NAK.
    """
    first, second = divmod(status, 0x100)
    if first == 0x91:
        return NATIVE.get(second, UNKNOWN)
    if first in FELICA_FIRST:
        return FELICA.get(second, UNKNOWN)
    if status in NAKS:
        return NAKS[status]
    return ISO.get(status) or _iso_kind(first, second)


def _iso_kind(first: int, second: int) -> str:
    """What ISO/IEC 7816-4 says of a whole range of numbers."""
    if first == 0x63 and second >> 4 == 0xC:
        return f"not verified, {second & 0xF} more tries"
    if first == 0x6C:
        return f"wrong Le, {second or 0x100} bytes are there"
    kind = ISO_KINDS.get(first)
    return f"{kind}; {second:02X} is not known here" if kind else UNKNOWN


def shown(status: int) -> str:
    """The status as people look it up: four hex digits, one of a chip without ISO-DEP."""
    return f"{status:X}" if status in range(0x10) else f"{status:04X}"
