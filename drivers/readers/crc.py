"""The CRC of ISO 14443 type A, where a reader leaves it to us because it takes the four bits of an ACK for a wrong one."""

from drivers.errors import BandMalformed


def crc_a(frame: bytes) -> bytes:
    """CRC_A, low byte first. Source: ISO/IEC 14443-3:2018, annex B."""
    crc = 0x6363
    for byte in frame:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ 0x8408 if crc & 1 else crc >> 1
    return crc.to_bytes(2, "little")


def frame_of(answer: bytes) -> bytes:
    """What a Type 2 band answered, its CRC_A checked and taken off; one byte is its four bits of ACK or NAK.

    Raises:
        BandMalformed: the CRC is wrong, or there is nothing before it.
    """
    if len(answer) == 1:
        return answer
    frame, crc = answer[:-2], answer[-2:]
    if not frame or crc_a(frame) != crc:
        raise BandMalformed("the CRC of an answer is wrong")
    return frame
