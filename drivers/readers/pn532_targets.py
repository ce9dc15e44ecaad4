"""The lists of bands a PN532 answers a search with, parsed, and a UID as it wants it in a search; pure."""

from drivers.atr import technology_of_sak
from drivers.errors import BandMalformed
from drivers.target import Target, Technology

TARGET_MAX = 2
"""Targets to look for: one more than we can use, so that a second is noticed. The chip handles two."""

POLLING_ANSWER = 0x01
"""Second byte of an answer to Polling. Source: JIS X 6319-4:2016, 4.4.2."""

RANDOM_UID_FIRST = 0x08
"""A UID of four bytes that starts so is drawn anew each time. Source: ISO/IEC 14443-3:2018, 6.5.4."""


def targets_of(answer: bytes, generation: int) -> tuple[Target, ...]:
    """The bands in an answer to InListPassiveTarget at 106 kbit/s type A.

    Each is: number, SENS_RES (2), SEL_RES, size of UID, UID, and with ISO-DEP the ATS, whose first byte is its size. A
    band alone that lies about that is a band all the same: what is left of the list is what it sent.

    Raises:
        BandMalformed: the bytes do not parse.

    Source: UM0701-02, 7.3.5.
    """
    if not answer or answer[0] > TARGET_MAX:
        raise BandMalformed("the list of targets does not parse")
    found = []
    at = 1
    for _ in range(answer[0]):
        head = answer[at : at + 5]
        if len(head) < 5 or head[4] not in (4, 7, 10):
            raise BandMalformed("the list of targets does not parse")
        sak, uid_size = head[3], head[4]
        uid = answer[at + 5 : at + 5 + uid_size]
        at += 5 + uid_size
        technology = technology_of_sak(sak)
        ats = b""
        if technology is Technology.ISO_DEP:
            size = answer[at] if at < len(answer) else 0
            is_whole = 1 <= size <= len(answer) - at
            if not is_whole and answer[0] > 1:
                raise BandMalformed("the ATS does not parse")
            ats = answer[at : at + size] if is_whole else answer[at:]
            at += len(ats)
        if len(uid) < uid_size:
            raise BandMalformed("the list of targets does not parse")
        found.append(Target(technology, uid, ats, generation, sak))
    return tuple(found)


def is_random(uid: bytes) -> bool:
    """Is it a UID that is drawn anew whenever the field comes? Source: ISO/IEC 14443-3:2018, 6.5.4."""
    return len(uid) == 4 and uid[0] == RANDOM_UID_FIRST


def felicas_of(answer: bytes, generation: int) -> tuple[Target, ...]:
    """The FeliCa bands in an answer to InListPassiveTarget at 212 kbit/s.

    It is: number of targets, then for each its number, size of what follows with itself, 01, IDm (8), PMm (8), perhaps a
    system code (2).

    Raises:
        BandMalformed: the bytes do not parse.

    Source: UM0701-02, 7.3.5; JIS X 6319-4:2016, 4.4.2.
    """
    if not answer or answer[0] > TARGET_MAX:
        raise BandMalformed("the answer to Polling does not parse")
    found, rest = [], answer[1:]
    for _ in range(answer[0]):
        size = rest[1] if len(rest) > 1 else 0
        if size not in (18, 20) or len(rest) < 1 + size or rest[2] != POLLING_ANSWER:
            raise BandMalformed("the answer to Polling does not parse")
        found.append(Target(Technology.FELICA, rest[3:11], rest[11:19], generation))
        rest = rest[1 + size :]
    if rest:
        raise BandMalformed("the answer to Polling does not parse")
    return tuple(found)


def cascade_of(uid: bytes) -> bytes:
    """A UID as InListPassiveTarget wants it: 88 before the first three bytes of each part but the last.

    Source: UM0701-02, 7.3.5.
    """
    match len(uid):
        case 7:
            return b"\x88" + uid
        case 10:
            return b"\x88" + uid[:3] + b"\x88" + uid[3:]
        case _:
            return uid
