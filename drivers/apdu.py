"""APDU bytes and status words: the one place that knows how a command is laid out.

    command   CLA INS P1 P2 [Lc data] [Le]     short form only, data up to 255 bytes
    response  data SW1 SW2                     fewer than two bytes: the band was taken away
    DESFire   90 INS 00 00 [Lc data] 00        or, without these clothes: INS [data], answered by status [data]

Source: ISO/IEC 7816-4:2020, 5.2 and 5.6.
"""

from dataclasses import dataclass, field

from drivers.errors import BandLeft, Delivery

DATA_SIZE_MAX = 255
"""Bytes of data in a short command. Source: ISO/IEC 7816-4:2020, 5.2."""

SUCCESS = 0x9000
"""Status of ISO commands and of reader pseudo-commands."""


@dataclass(frozen=True, slots=True)
class Command:
    """One command APDU in short form.

    Attributes:
        cla, ins, p1, p2: 0 to 255.
        data: At most 255 bytes.
        le: Bytes wanted, 1 to 256; None when none are.
    """

    cla: int
    ins: int
    p1: int = 0
    p2: int = 0
    data: bytes = field(default=b"", repr=False)
    le: int | None = None

    def to_bytes(self) -> bytes:
        """The bytes as sent. Raises ValueError for our own mistakes: more data than fits, numbers out of range."""
        if len(self.data) > DATA_SIZE_MAX:
            raise ValueError("more data than a short command carries")
        head = bytes((self.cla, self.ins, self.p1, self.p2))
        body = bytes((len(self.data),)) + self.data if self.data else b""
        tail = b""
        if self.le is not None:
            if not 1 <= self.le <= 256:
                raise ValueError("a short command wants 1 to 256 bytes")
            tail = bytes((self.le % 256,))
        return head + body + tail


@dataclass(frozen=True, slots=True)
class Response:
    """One response APDU.

    Attributes:
        data: What came before the status.
        status: SW1 SW2 as one number.
    """

    data: bytes = field(repr=False)
    status: int


def response_of(raw: bytes) -> Response:
    """Data and status of the bytes a band or reader answered.

    Raises:
        BandLeft: fewer than two bytes; that is how a band that was taken away looks through PC/SC.
    """
    if len(raw) < 2:
        raise BandLeft("the answer ended before its status", delivery=Delivery.UNKNOWN)
    return Response(bytes(raw[:-2]), int.from_bytes(raw[-2:], "big"))


def wrapped(ins: int, data: bytes = b"") -> bytes:
    """A native DESFire command in ISO clothes: 90 INS 00 00 [Lc data] 00. Raises ValueError as `Command`.

    Source: MF3ICD81 data sheet, wrapping of native commands.
    """
    if len(data) > DATA_SIZE_MAX:
        raise ValueError("more data than a short command carries")
    head = bytes((0x90, ins, 0, 0, len(data)) if data else (0x90, ins, 0, 0))
    return head + data + b"\x00"


def unwrapped(command: bytes) -> bytes | None:
    """The native command in those clothes: INS [data]; None where it wears others."""
    return command[1:2] + command[5:-1] if command[:1] == b"\x90" else None


def clothed(answer: bytes) -> bytes:
    """A native answer, status first, as a wrapped command would have got it: data 91 status."""
    return answer[1:] + b"\x91" + answer[:1]


GET_UID = Command(0xFF, 0xCA, le=256)
"""Reader pseudo-command for the UID. Source: PC/SC part 3 rev 2.01.09, 3.2.2.1.3."""
