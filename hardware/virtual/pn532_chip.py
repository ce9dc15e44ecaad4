"""What a PN532 does with the commands of its host: finds chips of type A and FeliCa, and talks to them.

    list (4A) --> targets --> exchange (40): the chip's own ISO 14443-4 and its help with Type 2 and Classic
                         `--> communicate (42): one frame, framed and checked as its registers say

A band that lies there when the radio field comes is powered then; it loses its session when the field goes.
A chip that was deselected or is inside ISO 14443-4 does not answer a request until the field was off, as in reality.
An answer that is damaged on its way is status 02: the chip's own repeats inside ISO 14443-4 are over by then.

Source: NXP UM0701-02 (PN532 user manual), 7.
"""

from collections.abc import Callable
from dataclasses import dataclass

from hardware.clock import Clock
from hardware.virtual.band import Garbled, PoweredChip, VirtualBand
from hardware.virtual.field import Field
from hardware.virtual.hsu import Command
from hardware.virtual.iso_dep import Pcd, Picc, Silent, State, crc_a

FIRMWARE = bytes.fromhex("32010607")
"""PN532, firmware 1.6, supports ISO 14443 A and B and ISO 18092."""

POLL_TRY_MS = 5
"""How long one try of InListPassiveTarget takes when nobody answers."""

TRY_FOREVER = 0xFF
"""Number of retries that means: until the host gives up."""

TX_MODE, RX_MODE, FIFO_DATA = 0x6302, 0x6303, 0x6339
"""Registers that change what the chip does here; the rest is only remembered."""

CRC_ON = 0x80
"""Bit of TX_MODE and RX_MODE: the chip adds, or checks and strips, the CRC."""

FRAMING_MASK, FRAMING_A, FRAMING_F = 0x03, 0x00, 0x02
"""Bits of TX_MODE that choose the modulation: type A, FeliCa."""

SPEED_212, SPEED_424 = 0x10, 0x20
"""Bits of TX_MODE and RX_MODE that choose the speed; none of them is 106 kbit/s."""

TYPE_A_106, FELICA_212, FELICA_424 = 0x00, 0x01, 0x02
"""What InListPassiveTarget looks for; type B and Jewel are there for nobody to find."""

CLASSIC_AUTHENTICATION_SIZE = 12
"""Command, block, key, UID: what a host says to have the PN532 speak the cipher of a Classic."""

LONG_WRITE = 0xA0
LONG_WRITE_SIZE = 18
"""COMPATIBILITY_WRITE: the PN532 sends command and page, waits for the ACK, then sends the 16 bytes."""

AUTO_RATS = 0x10
"""Bit of SetParameters: a chip with ISO 14443-4 gets RATS while it is listed."""

DONE, TIMED_OUT, CRC_WRONG, FORMAT_WRONG, REFUSED_AUTH, NOT_IN_THIS_STATE = (
    0x00,
    0x01,
    0x02,
    0x13,
    0x14,
    0x27,
)
"""Status bytes. Source: UM0701-02, 7.1."""

SPEEDS = (9_600, 19_200, 38_400, 57_600, 115_200, 230_400, 460_800, 921_600, 1_288_000)
"""Bauds by the number SetSerialBaudRate takes. Source: UM0701-02, 7.2.8."""


class _Antenna:
    """The radio field and the chips it powers."""

    def __init__(self, field: Field) -> None:
        self._field = field
        self._generation = -1
        self.is_on = False
        self.chips: tuple[Picc, ...] = ()
        self.felicas: tuple[PoweredChip, ...] = ()

    def look(self) -> None:
        """Take notice of bands that came or went."""
        generation, bands = self._field.look()
        if generation != self._generation:
            self._generation = generation
            self._power(bands)

    def switch(self, *, is_on: bool) -> None:
        """Switch the field; every chip starts anew when it comes."""
        if is_on != self.is_on:
            self.is_on = is_on
            self._generation, bands = self._field.look()
            self._power(bands)

    def _power(self, bands: tuple[VirtualBand, ...]) -> None:
        powered = [band.power_up() for band in bands] if self.is_on else []
        self.chips = tuple(Picc(chip) for chip in powered if chip.anticollision.atqa)
        self.felicas = tuple(chip for chip in powered if not chip.anticollision.atqa)


@dataclass(frozen=True, slots=True)
class _Listed:
    """A chip of type A with a target number. `pcd` drives ISO 14443-4 where the PN532 started it."""

    picc: Picc
    pcd: Pcd | None


@dataclass(frozen=True, slots=True)
class _ListedFelica:
    """A FeliCa with a target number."""

    chip: PoweredChip


@dataclass(frozen=True, slots=True)
class _Poll:
    """An InListPassiveTarget that has not found anything yet. `until_ms` None: until the host gives up.

    `data` is a UID or nothing for type A, a polling command for FeliCa.
    """

    count_max: int
    modulation: int
    data: bytes
    until_ms: int | None


class SyntaxWrong(Exception):
    """The command is answered with the error frame."""


class Pn532Chip:
    """Commands in, answers out; no line, no thread."""

    def __init__(self, *, field: Field, clock: Clock) -> None:
        self._clock = clock
        self._antenna = _Antenna(field)
        self._registers: dict[int, int] = {TX_MODE: CRC_ON, RX_MODE: CRC_ON}
        self._parameters = AUTO_RATS | 0x04
        self._n_retries = TRY_FOREVER
        self._targets: dict[int, _Listed | _ListedFelica] = {}
        self._selected = 0
        self._chain = b""
        self._has_request_in_fifo = True
        self.poll: _Poll | None = None
        self.speed = 115_200
        self.has_one_speed = False
        self._commands: dict[int, Callable[[bytes], bytes | None]] = {
            0x00: self._diagnose,
            0x02: lambda _: FIRMWARE,
            0x04: self._general_status,
            0x06: self._read_register,
            0x08: self._write_register,
            0x0C: lambda _: bytes(3),
            0x0E: lambda _: b"",
            0x10: self._set_speed,
            0x12: self._set_parameters,
            0x14: lambda _: b"",
            0x16: self._power_down,
            0x32: self._rf_configuration,
            0x40: self._data_exchange,
            0x42: self._communicate_thru,
            0x44: self._deselect,
            0x46: lambda _: bytes([TIMED_OUT]),
            0x4A: self._list_passive_target,
            0x4E: lambda _: bytes([DONE]),
            0x50: lambda _: bytes([TIMED_OUT]),
            0x52: self._release,
            0x54: self._select,
            0x56: lambda _: bytes([TIMED_OUT]),
            0x8C: lambda _: None,
        }

    def answer(self, command: Command) -> bytes | None:
        """The answer's data; None when it comes later, or never. Raises SyntaxWrong."""
        self.poll = None
        self._antenna.look()
        handler = self._commands.get(command.code)
        if handler is None:
            raise SyntaxWrong
        try:
            return handler(command.data)
        except IndexError as error:
            raise SyntaxWrong from error

    def abort(self) -> None:
        """The host gave up on the command under way."""
        self.poll = None

    # --- the chip itself

    def _diagnose(self, data: bytes) -> bytes:
        match data[0]:
            case 0x00:
                return data
            case 0x01 | 0x02:
                return bytes([DONE])
            case 0x06:
                return bytes([DONE if self._is_selected_present() else TIMED_OUT])
            case _:
                raise SyntaxWrong

    def _general_status(self, _: bytes) -> bytes:
        targets = b"".join(bytes([number, 0, 0, 0x10]) for number in self._targets)
        return bytes([0, int(self._antenna.is_on), len(self._targets)]) + targets + b"\x00"

    def _read_register(self, data: bytes) -> bytes:
        addresses = [int.from_bytes(data[at : at + 2], "big") for at in range(0, len(data), 2)]
        return bytes(self._register(address) for address in addresses)

    def _register(self, address: int) -> int:
        if address == FIFO_DATA:
            return 0x26 if self._has_request_in_fifo else 0x00
        return self._registers.get(address, 0)

    def _write_register(self, data: bytes) -> bytes:
        for at in range(0, len(data) - 2, 3):
            self._registers[int.from_bytes(data[at : at + 2], "big")] = data[at + 2]
        return b""

    def _set_speed(self, data: bytes) -> bytes:
        if self.has_one_speed:
            raise SyntaxWrong
        self.speed = SPEEDS[data[0]]
        return b""

    def _set_parameters(self, data: bytes) -> bytes:
        self._parameters = data[0]
        return b""

    def _power_down(self, _: bytes) -> bytes:
        self._targets.clear()
        self._antenna.switch(is_on=False)
        return bytes([DONE])

    def _rf_configuration(self, data: bytes) -> bytes:
        match data[0]:
            case 0x01:
                self._antenna.switch(is_on=bool(data[1] & 0x01))
            case 0x05:
                self._n_retries = data[3]
            case _:
                pass  # Timings and analogue settings change nothing on a virtual antenna.
        return b""

    # --- finding chips

    def _list_passive_target(self, data: bytes) -> bytes | None:
        count_max, modulation = data[0], data[1]
        if count_max not in {1, 2}:
            raise SyntaxWrong
        self._targets.clear()
        self._antenna.switch(is_on=True)
        until_ms = None
        if self._n_retries != TRY_FOREVER:
            until_ms = self._clock.ticks_ms() + POLL_TRY_MS * (self._n_retries + 1)
        wanted = _uid_of_cascade(data[2:]) if modulation == TYPE_A_106 else data[2:]
        self.poll = _Poll(count_max, modulation, wanted, until_ms)
        return self.poll_again()

    def poll_again(self) -> bytes | None:
        """The answer of the poll under way, or None while nobody answered and there is time."""
        poll = self.poll
        if poll is None:
            return None
        self._antenna.look()
        listed = b""
        if poll.modulation == TYPE_A_106:
            listed = b"".join(self._listed(picc) for picc in self._answering(poll))
        elif poll.modulation in {FELICA_212, FELICA_424}:
            listed = self._listed_felicas(poll)
        if not self._targets:
            self._has_request_in_fifo = True
            if poll.until_ms is None or self._clock.ticks_ms() < poll.until_ms:
                return None
        self.poll = None
        return bytes([len(self._targets)]) + listed

    def _answering(self, poll: _Poll) -> list[Picc]:
        """A chip whose UID the host named is woken, a halted one too: libfreefare lists, lets go and selects again."""
        chips = [
            picc
            for picc in self._antenna.chips
            if not poll.data or picc.anticollision.uid == poll.data
        ]
        is_named = bool(poll.data)
        found = [picc for picc in chips if picc.request(is_wake_up=is_named)]
        if not found and self._n_retries:
            found = [picc for picc in chips if picc.request(is_wake_up=is_named)]
        return found[: poll.count_max]

    def _listed(self, picc: Picc) -> bytes:
        """Number, SENS_RES, SEL_RES, UID with its length, ATS with its length where RATS was sent."""
        picc.select()
        self._has_request_in_fifo = False
        self._registers |= {TX_MODE: CRC_ON, RX_MODE: CRC_ON}
        seen = picc.anticollision
        pcd, ats = None, b""
        if seen.ats and self._parameters & AUTO_RATS:
            pcd = Pcd(picc)
            try:
                ats = pcd.activate()
            except Silent:
                return b""
        number = len(self._targets) + 1
        self._targets[number] = _Listed(picc, pcd)
        self._selected = self._selected if number > 1 else 1
        return bytes([number]) + seen.atqa + bytes([seen.sak, len(seen.uid)]) + seen.uid + ats

    def _listed_felicas(self, poll: _Poll) -> bytes:
        """Number and the answer to polling of each, with its length byte."""
        listed = b""
        for chip in self._antenna.felicas[: poll.count_max]:
            answer = _answer_of(chip, bytes([len(poll.data) + 1]) + poll.data)
            if answer is None:
                continue
            number = len(self._targets) + 1
            self._targets[number] = _ListedFelica(chip)
            self._selected = self._selected if number > 1 else 1
            speed = SPEED_212 if poll.modulation == FELICA_212 else SPEED_424
            mode = CRC_ON | speed | FRAMING_F
            self._registers |= {TX_MODE: mode, RX_MODE: mode}
            self._has_request_in_fifo = False
            listed += bytes([number]) + answer
        return listed

    # --- talking to them

    def _in_field(self, number: int) -> _Listed | _ListedFelica | None:
        listed = self._targets.get(number)
        match listed:
            case _Listed() if listed.picc in self._antenna.chips:
                return listed
            case _ListedFelica() if listed.chip in self._antenna.felicas:
                return listed
            case _:
                return None

    def _is_selected_present(self) -> bool:
        listed = self._in_field(self._selected)
        if isinstance(listed, _Listed) and listed.pcd is not None:
            return listed.pcd.is_present()
        return listed is not None

    def _data_exchange(self, data: bytes) -> bytes:
        number, content = data[0] & 0x0F, data[1:]
        if number not in self._targets:
            return bytes([NOT_IN_THIS_STATE])
        self._selected = number
        if data[0] & 0x40:
            self._chain += content
            return bytes([DONE])
        content, self._chain = self._chain + content, b""
        listed = self._in_field(number)
        if listed is None:
            return bytes([TIMED_OUT])
        answer = _exchange_with(listed, content)
        self._antenna.look()
        return answer if self._in_field(number) is listed else bytes([TIMED_OUT])

    def _communicate_thru(self, data: bytes) -> bytes:
        framing = self._registers[TX_MODE] & FRAMING_MASK
        listed = self._in_field(self._selected)
        try:
            if framing == FRAMING_F:
                answer = self._thru_felica(data)
            elif framing == FRAMING_A and isinstance(listed, _Listed):
                answer = self._thru_type_a(listed.picc, data)
            else:
                answer = bytes([TIMED_OUT])
        except Garbled:
            answer = bytes([CRC_WRONG])
        self._antenna.look()
        # What left while it answered has not answered.
        return answer if self._in_field(self._selected) is listed else bytes([TIMED_OUT])

    def _thru_felica(self, frame: bytes) -> bytes:
        """One frame with its length byte to every FeliCa that is there; they know by the IDm which is meant."""
        for chip in self._antenna.felicas:
            answer = chip.exchange(frame)
            if answer is not None:
                return bytes([DONE]) + answer
        return bytes([TIMED_OUT])

    def _thru_type_a(self, picc: Picc, frame: bytes) -> bytes:
        if not self._registers[TX_MODE] & CRC_ON:
            frame, crc = frame[:-2], frame[-2:]
            if crc != crc_a(frame):
                return bytes([TIMED_OUT])
        answer = picc.receive(frame)
        if answer is None:
            return bytes([TIMED_OUT])
        is_stripped = self._registers[RX_MODE] & CRC_ON
        if len(answer) == 1 and not picc.anticollision.ats:
            return bytes([CRC_WRONG]) if is_stripped else bytes([DONE]) + answer
        return bytes([DONE]) + answer + (b"" if is_stripped else crc_a(answer))

    def _deselect(self, data: bytes) -> bytes:
        for number in [data[0]] if data[0] else list(self._targets):
            listed = self._in_field(number)
            if isinstance(listed, _Listed):
                is_inside = listed.picc.state is State.PROTOCOL
                listed.picc.receive(b"\xc2" if is_inside else b"\x50\x00")
        return bytes([DONE])

    def _release(self, data: bytes) -> bytes:
        answer = self._deselect(data)
        for number in [data[0]] if data[0] else list(self._targets):
            self._targets.pop(number, None)
        return answer

    def _select(self, data: bytes) -> bytes:
        if data[0] not in self._targets:
            return bytes([NOT_IN_THIS_STATE])
        self._selected = data[0]
        return bytes([DONE])


def _exchange_with(listed: _Listed | _ListedFelica, content: bytes) -> bytes:
    try:
        if isinstance(listed, _ListedFelica):
            answer = listed.chip.exchange(content)
            return bytes([TIMED_OUT]) if answer is None else bytes([DONE]) + answer
        if listed.pcd is None:
            return _exchange_plain(listed.picc, content)
        return bytes([DONE]) + listed.pcd.exchange(content)
    except Silent:
        return bytes([TIMED_OUT])
    except Garbled:
        return bytes([CRC_WRONG])


def _exchange_plain(picc: Picc, content: bytes) -> bytes:
    """InDataExchange without ISO 14443-4: the PN532 speaks a Classic's cipher, sends long writes in two, hides ACKs."""
    if content[:1] in {b"\x60", b"\x61"}:
        is_classic = len(content) == CLASSIC_AUTHENTICATION_SIZE
        answer = picc.receive(content) if is_classic else None
        return bytes([DONE if answer == b"\x0a" else REFUSED_AUTH])
    if content[:1] == bytes([LONG_WRITE]) and len(content) == LONG_WRITE_SIZE:
        answer = picc.receive(content[:2])
        if answer == b"\x0a":
            answer = picc.receive(content[2:])
    else:
        answer = picc.receive(content)
    if answer is None:
        return bytes([TIMED_OUT])
    if len(answer) == 1:
        return bytes([DONE if answer == b"\x0a" else FORMAT_WRONG])
    return bytes([DONE]) + answer


def _answer_of(chip: PoweredChip, frame: bytes) -> bytes | None:
    """What a chip answers while it is looked for; a damaged answer is none."""
    try:
        return chip.exchange(frame)
    except Garbled:
        return None


def _uid_of_cascade(data: bytes) -> bytes:
    """A UID from the form with cascade tags: 88 before the first three bytes of each part but the last."""
    if len(data) == 8 and data[0] == 0x88:
        return data[1:]
    if len(data) == 12 and data[0] == data[4] == 0x88:
        return data[1:4] + data[5:]
    return data
