"""Frames of bands without ISO-DEP through a PC/SC reader: what a model wants them wrapped in, and what it answers.

    direct        FF 00 00 00 Lc FRAME               answer FRAME 90 00
    pn53x         FF 00 00 00 Lc D4 42 FRAME         answer D5 43 STATUS FRAME CRC 90 00, after D4 08 63 02 80 63 03 00
    transparent   FF C2 00 01 Lc 95 L FRAME 00       answer data objects: C0 03 error SW1 SW2, 97 L FRAME
    none          READ as FF B0, WRITE as FF D6      nothing else gets through

A frame goes out without its CRC and comes back without it; one byte back is the four bits of an ACK or a NAK. What a
reader reports as a failure of the exchange is None: the band did not answer, refused, or is gone, and this cannot say which.

Source: PC/SC part 3 rev 2.01.09, 3.2.2.1 and amendment 1; ACS API manuals as others quote them. Not tried on a device.
"""

from collections.abc import Callable

from drivers.apdu import SUCCESS, Command, Response, response_of
from drivers.errors import BandMalformed, BandUnsupported, Delivery
from drivers.readers.crc import frame_of
from drivers.readers.profiles import Raw

Transmit = Callable[[bytes], bytes]
"""Sends one command to the reader and returns its whole answer. Raises as a connection does."""

ACK = b"\x0a"
"""Four bits of a Type 2 band: done."""

READ, WRITE = 0x30, 0xA2
"""The two commands every reader has words of its own for. Source: NXP NTAG213/215/216 data sheet, 10."""

FRAME_SIZE_MAX = 250
"""Bytes of a frame that still fit into a short command with what it is wrapped in."""

COMMUNICATE_THRU = bytes.fromhex("D442")
THRU_ANSWER = bytes.fromhex("D543")
TYPE_2_MODES = bytes.fromhex("D408630280630300")
"""Commands of the PN53x inside: CRC added when sending, not checked when receiving. Source: UM0701-02, 7.2.5 and 7.3.9."""

TRANSCEIVE, ANSWER, ERROR_STATE = 0x95, 0x97, 0xC0
"""Tags of a transparent exchange. Source: PC/SC part 3 amendment 1."""

LONG_SIZE = 0x81
"""Says that the size of an object is in the next byte. Source: ISO/IEC 7816-4:2020, 6.3."""

MORE_FOLLOWS = 0x61
"""SW1 of an answer that has to be fetched. Source: ISO/IEC 7816-4:2020, 5.6."""


def exchanged(raw: Raw, transmit: Transmit, frame: bytes, *, is_type_2: bool) -> bytes | None:
    """What the band answered; None when the reader reports that the exchange failed.

    Raises:
        BandUnsupported: this model lets no such frame through; nothing was sent.
        BandMalformed: the reader's answer does not parse, or the CRC of the band's is wrong.
        BandLeft, ReaderError: as the connection does.
    """
    if not 1 <= len(frame) <= FRAME_SIZE_MAX:
        raise ValueError("a frame has 1 to 250 bytes")
    match raw:
        case Raw.DIRECT:
            return _plain(_sent(transmit, _to_reader(frame)))
        case Raw.PN53X:
            return _through_pn53x(transmit, frame, is_type_2=is_type_2)
        case Raw.TRANSPARENT:
            body = bytes((TRANSCEIVE, len(frame))) + frame
            command = Command(0xFF, 0xC2, 0, 1, body, le=256)
            return _through_objects(_sent(transmit, command))
        case Raw.NONE:
            return _in_words(transmit, frame, is_type_2=is_type_2)


def answer_object(content: bytes) -> bytes | None:
    """The band's answer in the data objects of a transparent exchange; None when they report an error.

    Raises:
        BandMalformed: the objects do not parse, or there is neither answer nor error among them.
    """
    found: dict[int, bytes] = {}
    rest = content
    while rest:
        tag, head = rest[0], 2
        size = rest[1] if len(rest) > 1 else LONG_SIZE
        if size == LONG_SIZE and len(rest) > 2:
            size, head = rest[2], 3
        elif size >= LONG_SIZE:
            raise BandMalformed("the objects of an answer do not parse")
        if head + size > len(rest):
            raise BandMalformed("the objects of an answer do not parse")
        found[tag] = rest[head : head + size]
        rest = rest[head + size :]
    error = found.get(ERROR_STATE, b"")
    if len(error) == 3 and (error[0] or error[1:] != b"\x90\x00"):
        return None
    if ANSWER not in found:
        raise BandMalformed("an answer without an answer")
    return found[ANSWER]


def _to_reader(content: bytes) -> Command:
    return Command(0xFF, 0x00, data=content)


def _sent(transmit: Transmit, command: Command) -> Response:
    """The reader's answer; fetched where it says that more follows (ACR122U over T=0)."""
    response = response_of(transmit(command.to_bytes()))
    if response.status >> 8 == MORE_FOLLOWS:
        fetch = Command(0xFF, 0xC0, le=response.status & 0xFF or 256)
        return response_of(transmit(fetch.to_bytes()))
    return response


def _plain(response: Response) -> bytes | None:
    if response.status != SUCCESS:
        return None
    return (
        response.data or ACK
    )  # Four bits and no whole byte: readers that hide an ACK report success and nothing.


def _through_pn53x(transmit: Transmit, frame: bytes, *, is_type_2: bool) -> bytes | None:
    if is_type_2:
        # Its own look whether the band is there puts the registers back at any time, so they are set for each frame.
        _sent(transmit, _to_reader(TYPE_2_MODES))
    response = _sent(transmit, _to_reader(COMMUNICATE_THRU + frame))
    if response.status != SUCCESS:
        return None
    if response.data[:2] != THRU_ANSWER or len(response.data) < 3:
        raise BandMalformed("the chip inside the reader did not answer as it should")
    if response.data[2]:
        return None
    return frame_of(response.data[3:]) if is_type_2 else response.data[3:]


def _through_objects(response: Response) -> bytes | None:
    return answer_object(response.data) if response.status == SUCCESS else None


def _in_words(transmit: Transmit, frame: bytes, *, is_type_2: bool) -> bytes | None:
    if is_type_2 and frame[0] == READ and len(frame) == 2:
        response = _sent(transmit, Command(0xFF, 0xB0, 0, frame[1], le=16))
        return response.data if response.status == SUCCESS else None
    if is_type_2 and frame[0] == WRITE and len(frame) == 6:
        response = _sent(transmit, Command(0xFF, 0xD6, 0, frame[1], frame[2:]))
        return ACK if response.status == SUCCESS else None
    raise BandUnsupported(
        "this reader lets no such command through", delivery=Delivery.NOT_SENT
    )
