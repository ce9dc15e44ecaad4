"""An NTAG 424 DNA from plain values: three files, five keys, AES or LRP messaging, dynamic messages.

    VirtualNtag424   what lasts: keys, files, settings, counters
    Ntag424File      one file with its settings

What it does while a field powers it is in `ntag424_chip`.

Sources: NT4H2421Gx data sheet rev 3.0, 8; NXP AN12196.
"""

from dataclasses import dataclass, field

from hardware.entropy import Entropy
from hardware.virtual.band import Anticollision
from hardware.virtual.messaging import Mode
from hardware.virtual.ntag424_authentication import DELAYS, IN_ROW_MAX
from hardware.virtual.ntag424_chip import PoweredNtag424
from hardware.virtual.ntag424_core import DYNAMIC
from hardware.virtual.originality import NTAG424_TEST_KEY
from hardware.virtual.sdm import FREE, KEY_COUNT, Sdm

CAPABILITY, NDEF, PROPRIETARY = 1, 2, 3
"""File numbers."""

_ATS = bytes.fromhex("067777710280")
"""ATS with its length: FSCI 7 (128 bytes), 106 to 848 kbit/s, FWI 7, historical byte 80. Source: data sheet, 8.1.2."""


@dataclass(frozen=True, slots=True)
class Ntag424File:
    """One file.

    Attributes:
        number: 1 to 3.
        iso_id: Its identifier in ISO 7816-4; the low five bits are the short one.
        mode: How its content travels in a session.
        read, write, read_write, change: Key number, FREE or NONE.
        content: What it holds when the band is made; its length is the file's size.
        sdm: How it changes while it is read; None when it does not.
    """

    number: int
    iso_id: int
    mode: Mode
    read: int
    write: int
    read_write: int
    change: int
    content: bytes = field(repr=False)
    sdm: Sdm | None = None

    def settings(self) -> bytes:
        """As GetFileSettings tells them. Source: data sheet, table 73."""
        options = self.mode.value | (DYNAMIC if self.sdm else 0)
        rights = self.read << 12 | self.write << 8 | self.read_write << 4 | self.change
        head = bytes([0x00, options]) + rights.to_bytes(2, "little")
        size = len(self.content).to_bytes(3, "little")
        return head + size + (self.sdm.to_bytes() if self.sdm else b"")


def delivered_files(ndef: bytes = b"", sdm: Sdm | None = None) -> tuple[Ntag424File, ...]:
    """The three files as the factory leaves them, with `ndef` (its two length bytes first) at the start of file 2.

    Source: data sheet, 8.2.3.
    """
    capability = bytes.fromhex("001720010000FF0406E104010000000506E10500808283")
    return (
        Ntag424File(CAPABILITY, 0xE103, Mode.PLAIN, FREE, 0, 0, 0, capability.ljust(32, b"\0")),
        Ntag424File(NDEF, 0xE104, Mode.PLAIN, FREE, FREE, FREE, 0, ndef.ljust(256, b"\0"), sdm),
        Ntag424File(PROPRIETARY, 0xE105, Mode.FULL, 2, 3, 3, 0, b"\0\x7e".ljust(128, b"\0")),
    )


class VirtualNtag424:
    """A band with dynamic messages; it keeps what is changed as long as this object lives.

    Attributes:
        uid: The true UID.
        keys, key_versions: As they stand now.
        files: By number, with their settings as they stand now.
        contents: By file number.
        counters: Reads of each file that has dynamic messages.
        is_lrp: It speaks LRP; never goes back.
    """

    def __init__(  # noqa: PLR0913 (every one of them is a setting of the chip)
        self,
        *,
        uid: bytes,
        entropy: Entropy,
        keys: tuple[bytes, ...] = (bytes(16),) * KEY_COUNT,
        key_versions: tuple[int, ...] = (0,) * KEY_COUNT,
        files: tuple[Ntag424File, ...] = (),
        is_lrp: bool = False,
        has_random_uid: bool = False,
        counter: int = 0,
        signature: bytes | None = None,
    ) -> None:
        """Make the band.

        Args:
            uid: 7 bytes.
            entropy: Where its nonces, random UIDs and chance come from.
            keys: Five of 16 bytes, final.
            key_versions: One a key.
            files: `delivered_files()` when empty.
            is_lrp: Speaks LRP instead of AES.
            has_random_uid: Shows 4 bytes from 08 while being selected, others each time the field comes.
            counter: Where the counter of file 2 stands.
            signature: 56 bytes; made with NTAG424_TEST_KEY when not given.

        Raises:
            ValueError: A size or a count that does not fit.
        """
        if len(uid) != 7 or len(keys) != KEY_COUNT or {len(key) for key in keys} != {16}:
            raise ValueError("a UID of 7 bytes and five keys of 16")
        self.uid = uid
        self.entropy = entropy
        self.keys = list(keys)
        self.key_versions = list(key_versions)
        self.files = {file.number: file for file in files or delivered_files()}
        self.contents = {number: bytearray(file.content) for number, file in self.files.items()}
        self.counters = dict.fromkeys(self.files, 0) | {NDEF: counter}
        self.is_lrp = is_lrp
        self.has_random_uid = has_random_uid
        self.n_wrong = [0] * KEY_COUNT
        self.n_in_row = [0] * KEY_COUNT
        self.n_delays = [0] * KEY_COUNT
        self._signature = signature

    def note_wrong(self, number: int, count: int = 1) -> None:
        """A key was given so many wrong answers in a row."""
        self.n_wrong[number] += count
        self.n_in_row[number] += count
        if self.n_in_row[number] >= IN_ROW_MAX:
            self.n_delays[number] = DELAYS

    @property
    def capabilities(self) -> bytes:
        """PDCap2 as it is told in an authentication."""
        return bytes([0x02 * self.is_lrp]) + bytes(5)

    @property
    def signature(self) -> bytes:
        """What READ_SIG answers; made when it is first asked for."""
        if self._signature is None:
            self._signature = NTAG424_TEST_KEY.sign(self.uid)
        return self._signature

    def power_up(self) -> PoweredNtag424:
        """A chip freshly powered."""
        uid = b"\x08" + self.entropy.draw(3) if self.has_random_uid else self.uid
        atqa = b"\x03\x04" if self.has_random_uid else b"\x03\x44"
        return PoweredNtag424(self, Anticollision(atqa, uid, 0x20, _ATS))
