"""The commands of one tap sent without our drivers, with frames made before: what any program that does the same must spend.

RawLine   bytes to the terminal of the virtual PN532
RawPcsc   commands to the PC/SC daemon's own client library
"""

import ctypes
import os
import select
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from drivers.apdu import unwrapped
from drivers.target import Target
from hardware.virtual.hsu import ACK, TO_CHIP, answer_frame
from kiosk.bench.figures import BenchImpossible

LIST_TARGETS, TWO_OF_TYPE_A = 0x4A, bytes((2, 0))
DATA_EXCHANGE = 0x40
"""Source: UM0701-02, 7.3.5 and 7.3.8."""

ATQA: Final = bytes.fromhex("0344")
"""What a DESFire answers to a request. Source: MF3ICD81 data sheet."""

READ_SIZE: Final = 4_096

ANSWER_S: Final = 2.0
"""Ten times the slowest answer of a paced line."""


@dataclass(frozen=True, slots=True)
class Exchange:
    """One command and its answer, as recorded."""

    command: bytes
    answer: bytes


def on_air(exchange: Exchange) -> tuple[bytes, bytes]:
    """A command and its answer as a DESFire gets and sends them through a PN532: native."""
    native, answer = unwrapped(exchange.command), exchange.answer
    if native is None:
        return exchange.command, answer
    return native, answer[-1:] + answer[:-2]


class RawLine:
    """Bytes to the terminal of the virtual PN532, with frames made before."""

    def __init__(self, path: Path, target: Target, exchanges: tuple[Exchange, ...]) -> None:
        self._terminal = os.open(path, os.O_RDWR | os.O_NOCTTY)
        self._search = _pair(LIST_TARGETS, TWO_OF_TYPE_A, _listed(target))
        self._frames = tuple(
            _pair(DATA_EXCHANGE, b"\x01" + command, b"\x00" + answer)
            for command, answer in map(on_air, exchanges)
        )

    @property
    def sizes(self) -> tuple[int, ...]:
        """Bytes on the line for the search and for each command, both ways, the chip's acknowledgement included."""
        return tuple(len(frame) + len(back) for frame, back in (self._search, *self._frames))

    def find(self) -> None:
        """The search for the band; the field is on already."""
        self._exchange(*self._search)

    def send(self) -> None:
        """All commands to the band, frame by frame; every answer is checked."""
        for frame, expected in self._frames:
            self._exchange(frame, expected)

    def _exchange(self, frame: bytes, expected: bytes) -> None:
        terminal = self._terminal
        os.write(terminal, frame)
        gathered = b""
        while len(gathered) < len(expected):
            # The driver left the terminal so that a read does not wait by itself.
            if not select.select([terminal], [], [], ANSWER_S)[0]:
                raise BenchImpossible("raw", "The virtual PN532 does not answer.")
            gathered += os.read(terminal, READ_SIZE)
        if gathered != expected:
            raise BenchImpossible("raw", "The recorded exchanges got other answers.")

    def close(self) -> None:
        """Let go of the terminal."""
        os.close(self._terminal)


def _pair(code: int, data: bytes, answer: bytes) -> tuple[bytes, bytes]:
    """The frame of a command, and what comes back: taken over, and the answer."""
    return _host_frame(bytes((code,)) + data), ACK + answer_frame(code, answer)


def _listed(target: Target) -> bytes:
    """One band as InListPassiveTarget lists it. Source: UM0701-02, 7.3.5."""
    head = bytes((1, 1)) + ATQA + bytes((target.sak or 0, len(target.uid)))
    return head + target.uid + target.answer


def _host_frame(content: bytes) -> bytes:
    """A normal frame from the host. Source: NXP UM0701-02, 6.2.1.1."""
    body = bytes([TO_CHIP]) + content
    head = bytes([len(body), -len(body) & 0xFF])
    return b"\x00\x00\xff" + head + body + bytes([-sum(body) & 0xFF, 0x00])


class _Request(ctypes.Structure):
    """SCARD_IO_REQUEST. Source: PC/SC Lite API."""

    _fields_ = (("protocol", ctypes.c_ulong), ("size", ctypes.c_ulong))


class RawPcsc:
    """The daemon's client library itself, without pyscard: the baseline must not be what it is compared with."""

    def __init__(self, name: str, exchanges: tuple[Exchange, ...]) -> None:
        self._library = ctypes.CDLL("libpcsclite.so.1")
        self._name = name.encode()
        self._exchanges = exchanges
        self._context = ctypes.c_long()
        self._card = ctypes.c_long()
        self._request = _Request(2, ctypes.sizeof(_Request))
        self._answer = ctypes.create_string_buffer(READ_SIZE)
        self._check(
            self._library.SCardEstablishContext(2, None, None, ctypes.byref(self._context))
        )

    def begin(self) -> None:
        """Connect, exclusively, as the driver does."""
        protocol = ctypes.c_ulong()
        self._check(
            self._library.SCardConnect(
                self._context,
                ctypes.c_char_p(self._name),
                ctypes.c_ulong(1),
                ctypes.c_ulong(3),
                ctypes.byref(self._card),
                ctypes.byref(protocol),
            )
        )
        self._request.protocol = protocol.value

    def send(self) -> None:
        """Command by command."""
        for each in self._exchanges:
            size = ctypes.c_ulong(READ_SIZE)
            self._check(
                self._library.SCardTransmit(
                    self._card,
                    ctypes.byref(self._request),
                    each.command,
                    ctypes.c_ulong(len(each.command)),
                    None,
                    self._answer,
                    ctypes.byref(size),
                )
            )
            if self._answer.raw[: size.value] != each.answer:
                raise BenchImpossible("raw", "The recorded exchanges got other answers.")

    def end(self) -> None:
        """Disconnect; the band stays as it is."""
        self._check(self._library.SCardDisconnect(self._card, ctypes.c_ulong(0)))

    def close(self) -> None:
        """Let go of the context."""
        self._library.SCardReleaseContext(self._context)

    def _check(self, code: int) -> None:
        if code:
            raise BenchImpossible(
                "pcsc", f"The PC/SC library answered {code & 0xFFFFFFFF:08X}."
            )
