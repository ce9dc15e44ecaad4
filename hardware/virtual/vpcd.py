"""A contactless PC/SC reader's card, joined to a slot of vpcd: the reader is virtual, the PC/SC daemon is real.

    pcscd -- vpcd driver (listens) <-- TCP -- this: a band in the field is a connection, no band is none

Message: 2 bytes length, high byte first, then that many bytes. One byte from the reader is a control; else it is an
APDU. Each answer leaves in one piece, and quick acknowledgement is armed before every wait: Debian 12's vpcd sends
length and content apart, and would otherwise wait 40 ms for a delayed acknowledgement (vsmartcard before 2023-03-14).

Of several bands the first one is seen, as with readers that pick one. A band that falls silent is gone until the
field changes; so is one that answers with no byte, for vpcd's driver waits for ever for the rest of such an answer. Source: vsmartcard, virtualsmartcard protocol; PC/SC part 3 rev 2.01.09, 3.1.3.2.3 (ATR), 3.2.2.1.3 (UID).
"""

import contextlib
import os
import select
import socket
import threading
from collections.abc import Callable
from functools import partial

from hardware.virtual.band import Anticollision, Garbled, PoweredChip, VirtualBand
from hardware.virtual.field import Field
from hardware.virtual.iso_dep import crc_a
from hardware.virtual.type2 import ACK

POWER_OFF, POWER_ON, RESET, GET_ATR = 0x00, 0x01, 0x02, 0x04
"""Controls of the reader."""

CONNECT_TIMEOUT_S = 2.0
"""The daemon is on this machine; one that does not accept in this time hangs."""

N_UNTIL_MET = 3
"""Power, the ATR, and one more message. Source: PC/SC Lite 1.9.9, EHStatusHandlerThread."""

MET_TIMEOUT_S = 3.0
"""A daemon looks into its slot every 0.4 s; one that has not met the band by then is none, or does something else."""

READ_SIZE = 4_096

RETRY_S = (0.05, 0.1, 0.2, 0.5)
"""Pauses between attempts to join while the daemon is away; the last one repeats."""

_STORAGE_NAMES = {0x00: 0x0003, 0x08: 0x0001}
"""PC/SC names of storage cards by SAK: Ultralight and every NTAG21x, Classic 1K."""

_TYPE_A, _FELICA = 0x03, 0x11
"""PC/SC names of the standards storage cards follow."""

_FELICA_NAME = 0x003B

RAW, COMMUNICATE, WRITE_REGISTER = b"\xff\x00\x00\x00", b"\xd4\x42", b"\xd4\x08"
"""A frame for the chip as it is; and what readers with a PN53x inside want in front of it."""

TRANSPARENT = b"\xff\xc2\x00\x01"
TRANSCEIVE, ANSWERED, STATE = 0x95, 0x97, b"\xc0\x03\x00\x90\x00"
"""A transparent exchange: its tags and its good state. Source: PC/SC part 3 amendment 1."""

OK = b"\x90\x00"
NO_SUCH_FUNCTION = b"\x6a\x81"
EXCHANGE_FAILED = b"\x63\x00"
"""Status words of a reader. Source: PC/SC part 3 rev 2.01.09, 3.2.2."""


class VpcdAbsent(Exception):
    """Nobody listens where the slot should be."""


def atr_of(seen: Anticollision) -> bytes:
    """The ATR a PC/SC reader makes up for a contactless chip: historical bytes of the ATS, or a storage card's name."""
    if seen.ats:
        historical = _historical_of(seen.ats)
    else:
        is_felica = not seen.atqa
        number = _FELICA_NAME if is_felica else _STORAGE_NAMES.get(seen.sak, 0)
        standard = bytes([_FELICA if is_felica else _TYPE_A])
        name = number.to_bytes(2, "big")
        historical = bytes.fromhex("804F0CA000000306") + standard + name + bytes(4)
    body = bytes([0x80 | len(historical), 0x80, 0x01]) + historical
    check = 0
    for byte in body:
        check ^= byte
    return b"\x3b" + body + bytes([check])


def _historical_of(ats: bytes) -> bytes:
    """What follows TL, T0 and the interface bytes T0 announces. Source: ISO/IEC 14443-4:2018, 5.2."""
    if len(ats) < 2:
        return b""
    n_interface = (ats[1] >> 4 & 0x07).bit_count()
    return ats[2 + n_interface :]


def answer_of(chip: PoweredChip, apdu: bytes) -> bytes | None:
    """What a contactless reader answers to an APDU: its own pseudo-commands itself, the rest by the chip.

    A frame for a chip without ISO 14443-4 goes through in each of the ways real models have: as it is, behind the words
    of a PN53x, and in a transparent exchange. None when the chip is silent, or its answer was damaged on its way.
    """
    seen = chip.anticollision
    try:
        if apdu[:1] != b"\xff":
            return chip.exchange(apdu) if seen.ats else NO_SUCH_FUNCTION
        if apdu[:4] == b"\xff\xca\x00\x00":
            return seen.uid + OK
        if apdu[:4] == b"\xff\xca\x01\x00" and seen.ats:
            return seen.ats + OK
        return NO_SUCH_FUNCTION if seen.ats else _storage_answer(chip, apdu)
    except Garbled:
        return None if seen.ats else EXCHANGE_FAILED


def _storage_answer(chip: PoweredChip, apdu: bytes) -> bytes:
    """What a reader does for a chip without ISO 14443-4. Source: PC/SC part 3 rev 2.01.09, 3.2.2."""
    size = apdu[4] if len(apdu) > 4 else 0
    content = apdu[5 : 5 + size]
    if apdu[:4] == RAW:
        return _raw_answer(chip, content)
    if apdu[:4] == TRANSPARENT:
        return _transparent_answer(chip, content)
    if not chip.anticollision.atqa or len(apdu) < 4:
        return NO_SUCH_FUNCTION
    if apdu[1] == 0xB0:
        read = chip.exchange(b"\x30" + apdu[3:4])
        return EXCHANGE_FAILED if read is None or len(read) == 1 else read + OK
    if apdu[1] == 0xD6 and len(content) == 4:
        return OK if chip.exchange(b"\xa2" + apdu[3:4] + content) == ACK else EXCHANGE_FAILED
    return NO_SUCH_FUNCTION


def _raw_answer(chip: PoweredChip, content: bytes) -> bytes:
    if content[:2] == WRITE_REGISTER:
        return b"\xd5\x09" + OK
    if content[:2] != COMMUNICATE:
        answer = chip.exchange(content)
        return EXCHANGE_FAILED if answer is None else answer + OK
    answer = chip.exchange(content[2:])
    if answer is None:
        return b"\xd5\x43\x01" + OK
    # With its registers written as above, the PN53x leaves the CRC of type A to its host; ACK and NAK have none.
    is_checked = len(answer) == 1 or not chip.anticollision.atqa
    return b"\xd5\x43\x00" + answer + (b"" if is_checked else crc_a(answer)) + OK


def _transparent_answer(chip: PoweredChip, content: bytes) -> bytes:
    if len(content) < 2 or content[0] != TRANSCEIVE or content[1] != len(content) - 2:
        return NO_SUCH_FUNCTION
    answer = chip.exchange(content[2:])
    if answer is None:
        return b"\xc0\x03\x01\x64\x01" + OK
    size = bytes([len(answer)]) if len(answer) < 0x80 else b"\x81" + bytes([len(answer)])
    return STATE + bytes([ANSWERED]) + size + answer + OK


class _Gone(Exception):
    """The connection ended."""


class VirtualVpcd:
    """Puts the field's first band into a vpcd slot for as long as it lies there.

    One thread owns the connection; when the daemon goes, it joins again.
    """

    def __init__(self, *, field: Field, host: str, port: int) -> None:
        """Make it; `start` joins."""
        self._field = field
        self._address = (host, port)
        self._is_closing = False
        self._wake_read, self._wake_write = os.pipe()
        os.set_blocking(self._wake_read, False)
        os.set_blocking(self._wake_write, False)
        self._stop_listening: Callable[[], None] = lambda: None
        self._joined: socket.socket | None = None
        self._met = threading.Event()
        self._thread = threading.Thread(target=self._run, name="virtual-vpcd", daemon=True)

    def start(self) -> None:
        """Join the slot. Raises VpcdAbsent when nobody listens there now; waits 2 s at most."""
        # The slot takes connections in turn, one a look: a dead one would hide the band behind it from the next look.
        self._joined = self._connected()
        self._stop_listening = self._field.listen(self._wake)
        self._thread.start()

    def wait_until_met(self) -> bool:
        """Wait until programs meet the band that lies there; False where the daemon has not asked for it in `MET_TIMEOUT_S`."""
        return self._met.wait(MET_TIMEOUT_S)

    def close(self) -> None:
        """Leave the slot. Harmless when done twice."""
        if self._is_closing:
            return
        self._is_closing = True
        self._stop_listening()
        self._wake()
        if self._thread.is_alive():
            self._thread.join()
        self._leave()
        os.close(self._wake_read)
        os.close(self._wake_write)

    def _leave(self) -> None:
        if self._joined is not None:
            self._joined.close()
            self._joined = None

    def _wake(self) -> None:
        try:
            os.write(self._wake_write, b"\x00")
        except BlockingIOError:
            return  # It is awake already.

    def _run(self) -> None:
        n_failed = 0
        while not self._is_closing:
            generation, bands = self._field.look()
            if not bands:
                self._stay_empty()
                continue
            try:
                connection, self._joined = self._joined or self._connected(), None
            except VpcdAbsent:
                self._wait(RETRY_S[min(n_failed, len(RETRY_S) - 1)])
                n_failed += 1
                continue
            n_failed = 0
            with connection:
                is_readable = partial(self._is_readable, generation)
                is_silent = _Slot(connection, bands[0], self._met.set).serve(is_readable)
            if is_silent:
                self._wait_for_change(generation)

    def _connected(self) -> socket.socket:
        try:
            connection = socket.create_connection(self._address, timeout=CONNECT_TIMEOUT_S)
        except OSError as error:
            raise VpcdAbsent(
                f"nobody listens at {self._address[0]}:{self._address[1]}"
            ) from error
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return connection

    def _wait(self, timeout_s: float | None) -> None:
        ready, _, _ = select.select([self._wake_read], [], [], timeout_s)
        if ready:
            os.read(self._wake_read, READ_SIZE)

    def _stay_empty(self) -> None:
        """Wait for the field to change; a connection whose other end asks for a band before that ends."""
        joined = [] if self._joined is None else [self._joined.fileno()]
        ready, _, _ = select.select([*joined, self._wake_read], [], [])
        if self._wake_read in ready:
            os.read(self._wake_read, READ_SIZE)
        elif self._joined is not None:
            # With the question read, the other end sees an end of file and no reset.
            with contextlib.suppress(OSError):
                self._joined.recv(READ_SIZE)
            self._leave()

    def _wait_for_change(self, generation: int) -> None:
        while not self._is_closing and self._field.generation == generation:
            self._wait(None)

    def _is_readable(self, generation: int, connection: socket.socket) -> bool:
        """Wait until there is something to read; False when the field changed or this closes."""
        while not self._is_closing and self._field.generation == generation:
            ready, _, _ = select.select([connection.fileno(), self._wake_read], [], [])
            if self._wake_read not in ready:
                return True
            os.read(self._wake_read, READ_SIZE)
        return False


class _Slot:
    """One band in the slot, over one connection."""

    def __init__(
        self, connection: socket.socket, band: VirtualBand, when_met: Callable[[], None]
    ) -> None:
        self._connection = connection
        self._band = band
        self._when_met = when_met
        self._n_since_powered = 0
        self._chip: PoweredChip = band.power_up()

    def serve(self, is_readable: Callable[[socket.socket], bool]) -> bool:
        """Answer until the band or the reader goes; True when the band fell silent."""
        try:
            while is_readable(self._connection):
                message = self._received()
                self._count(message)
                answer = self._answer(message)
                if answer is None or (not answer and len(message) > 1):
                    return True
                if len(message) > 1 or message[0] == GET_ATR:
                    self._connection.sendall(len(answer).to_bytes(2, "big") + answer)
        except (OSError, _Gone):
            return False
        return False

    def _count(self, message: bytes) -> None:
        """Once it gave power and asked for the ATR the daemon tells programs of the band; what it says next, it says after that."""
        if message[0] == POWER_ON and len(message) == 1:
            self._n_since_powered = 1
        elif self._n_since_powered:
            self._n_since_powered += 1
        if self._n_since_powered == N_UNTIL_MET:
            self._when_met()

    def _answer(self, message: bytes) -> bytes | None:
        if len(message) > 1:
            return answer_of(self._chip, message)
        if message[0] == GET_ATR:
            return atr_of(self._chip.anticollision)
        if message[0] in {POWER_OFF, POWER_ON, RESET}:
            self._chip = self._band.power_up()
        return b""

    def _received(self) -> bytes:
        size = int.from_bytes(self._exactly(2), "big")
        if not size:
            raise _Gone
        return self._exactly(size)

    def _exactly(self, size: int) -> bytes:
        gathered = b""
        while len(gathered) < size:
            self._connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK, 1)
            some = self._connection.recv(size - len(gathered))
            if not some:
                raise _Gone
            gathered += some
        return gathered
