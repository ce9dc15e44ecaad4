"""Native DESFire commands over a connection: ISO wrapping, answers in several frames, and the limits of both.

    sent      90 INS 00 00 [Lc content] 00
    received  content 91 STATUS           STATUS AF: more follows on 90 AF 00 00 00, or more is wanted in 90 AF

Source: MF3ICD81 data sheet, wrapping of native commands and additional frames.
"""

from dataclasses import dataclass, field

from drivers.apdu import wrapped
from drivers.connection import Connection, Work, transmitted
from drivers.errors import (
    BandLeft,
    BandMalformed,
    BandRefused,
    BandUnsupported,
    Delivery,
    DriverError,
)

NATIVE_SW1 = 0x91
"""First status byte of every answer to a wrapped native command."""

OK = 0x00
"""Done."""

ADDITIONAL_FRAME = 0xAF
"""As a status: more follows. As a command: go on."""

ILLEGAL_COMMAND = 0x1C
"""The chip does not know the command."""

AUTHENTICATION_ERROR = 0xAE
"""A key or a cryptogram is wrong, or the command needs an authentication."""

AUTHENTICATION_DELAY = 0xAD
"""Somebody tried many wrong keys: the chip is to be asked again until its delay is over. Source: NT4H2421Gx data sheet, 9.1.5."""

DELAY_TRIES = 8
"""Times a chip that is slow is asked. It says so within 40 ms, so that a wrist is still there."""

APPLICATION_NOT_FOUND = 0xA0
"""No application with that AID."""

APPLICATION_EXISTS = 0xDE
"""There is an application or file of that number already."""

NO_CHANGES = 0x0C
"""Nothing waits for a commit."""

FRAME_COUNT_MAX = 16
"""Frames of one answer; the largest file of ours takes six, and a chip that never ends must not hold the reader."""

FRAME_SIZE_MAX = 256
"""Bytes of content in one frame of an answer. Source: ISO/IEC 7816-4:2020, 5.2: what a Le of 00 asks for."""

SENT_SIZE_MAX = 55
"""Bytes of content in one frame of a command: with CLA to Le and the bytes of ISO 14443-4 a frame of 64.

Source: MF3ICD81 data sheet, frame size; libfreefare sends the same.
"""

ANSWER_SIZE_MAX = 1_024
"""Bytes of one answer, frames joined."""


@dataclass(frozen=True, slots=True)
class Answer:
    """One answer of the chip.

    Attributes:
        status: The second status byte.
        content: What came before the status, frames joined when all were collected.
    """

    status: int
    content: bytes = field(repr=False)


def exchange(
    connection: Connection, code: int, content: bytes = b"", *, work: Work | None = None
) -> Answer:
    """One command, one frame back, whatever its status; `work` is done while the chip is busy with it.

    Raises:
        BandLeft, ReaderError: from the connection.
        BandUnsupported: the answer is not that of a DESFire chip; `code` was not done.
        BandMalformed: the frame is longer than any a short command asks for.
    """
    command = wrapped(code, content)
    raw = (
        connection.transmit(command) if work is None else transmitted(connection, command, work)
    )
    if len(raw) < 2:
        raise BandLeft("the answer ended before its status", delivery=Delivery.UNKNOWN)
    if raw[-2] != NATIVE_SW1:
        raise BandUnsupported("it does not answer as DESFire does", delivery=Delivery.REFUSED)
    if len(raw) > FRAME_SIZE_MAX + 2:
        raise BandMalformed("the frame is too long")
    return Answer(raw[-1], raw[:-2])


def begin(
    connection: Connection, code: int, content: bytes, *, work: Work | None = None
) -> Answer:
    """The first exchange of an authentication; again while the chip is slow after wrong keys, DELAY_TRIES times. As `exchange`."""
    answer = exchange(connection, code, content, work=work)
    n_tries = 1
    while answer.status == AUTHENTICATION_DELAY and n_tries < DELAY_TRIES:
        answer = exchange(connection, code, content)
        n_tries += 1
    return answer


def collect(connection: Connection, code: int, content: bytes = b"") -> Answer:
    """One command and all frames of its answer, within the limits.

    Raises:
        BandLeft, ReaderError, BandUnsupported: as `exchange`.
        BandMalformed: the answer has more frames or bytes than any of ours.
    """
    return _collected(connection, exchange(connection, code, content))


def send(connection: Connection, code: int, content: bytes, *, size_max: int) -> Answer:
    """One command in as many frames as it takes, and all frames of its answer.

    A chip does nothing before the last frame is there. So whatever breaks off before it was sent leaves the command not
    done, and its error says NOT_SENT.

    Args:
        connection: The way to the band.
        code: Command code.
        content: Header and content, protected.
        size_max: Bytes of content in one frame.

    Raises:
        BandLeft, ReaderError, BandUnsupported, BandMalformed: as `collect`.
        BandMalformed: the chip wants more than there is.
    """
    if len(content) <= size_max:
        answer = exchange(connection, code, content)
        return answer if answer.status != ADDITIONAL_FRAME else _collected(connection, answer)
    pieces = [content[at : at + size_max] for at in range(0, len(content), size_max)]
    for piece in pieces[:-1]:
        try:
            answer = exchange(connection, code, piece)
        except DriverError as error:
            error.delivery = Delivery.NOT_SENT
            raise
        if answer.status != ADDITIONAL_FRAME:
            return _refused_early(answer)
        if answer.content:
            raise BandMalformed("an answer before its time", delivery=Delivery.NOT_SENT)
        code = ADDITIONAL_FRAME
    return _collected(connection, exchange(connection, code, pieces[-1]))


def _refused_early(answer: Answer) -> Answer:
    """An answer before the last frame: a refusal, or nonsense."""
    if answer.status == OK:
        raise BandMalformed("the chip took half a command", delivery=Delivery.NOT_SENT)
    return answer


def _collected(connection: Connection, answer: Answer) -> Answer:
    if answer.status != ADDITIONAL_FRAME:
        return answer
    joined = answer.content
    for _ in range(FRAME_COUNT_MAX):
        if len(joined) > ANSWER_SIZE_MAX:
            raise BandMalformed("the answer is too long")
        if answer.status != ADDITIONAL_FRAME:
            return Answer(answer.status, joined)
        answer = exchange(connection, ADDITIONAL_FRAME)
        joined += answer.content
    raise BandMalformed("the answer has too many frames")


def required(answer: Answer, status: int = OK) -> bytes:
    """The content of an answer that has the status it should have. Raises BandRefused for any other."""
    if answer.status != status:
        raise BandRefused("the chip answered otherwise", status=NATIVE_SW1 << 8 | answer.status)
    return answer.content
