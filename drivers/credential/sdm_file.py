"""How a file of NTAG 424 DNA is set up: who may read and write it, and where the chip writes its SUN message into it.

    settings   option, rights (2), and with SUN: SUN options, SUN rights (2), then offsets of 3 bytes, low byte first, each
               only where the rights and options before it ask for it, in this order:
               UID, counter | enciphered UID and counter, start of the MAC, enciphered bytes and their size, MAC, limit
    answer     type, option, rights (2), size (3), and the rest as above

A link file is made here too: the NDEF message with the link, zeros where the chip will write, and the settings for it.

Source: NXP NT4H2421Gx data sheet rev 3.0, 8.2.3.3, 10.7.1 and 10.7.2; NFC Forum URI RTD 1.0, 3.2.2.
"""

from dataclasses import dataclass

from drivers.credential.layout import CommMode
from drivers.credential.sdm import MAC_SIZE, OUR_NAMES, Names
from drivers.errors import BandMalformed
from drivers.ndef import uri_message

FREE, NEVER = 0x0E, 0x0F
"""Access rights everybody and nobody has. Source: NXP NT4H2421Gx data sheet rev 3.0, table 6."""

KEY_SLOT_MAX = 4
"""Key numbers are 0 to 4."""

SDM_ENABLED = 0x40
"""In the option: SUN is on."""

UID_MIRRORED, COUNTER_MIRRORED, LIMITED, FILE_ENCIPHERED, ASCII = 0x80, 0x40, 0x20, 0x10, 0x01
"""SUN options. Source: NXP NT4H2421Gx data sheet rev 3.0, table 69."""

OFFSET_SIZE = 3
ENC_UNIT = 32
"""Digits of one enciphered block; the size of the enciphered bytes is a multiple. Source: the same, 9.3.5."""

PICC_DIGITS_AES, PICC_DIGITS_LRP = 32, 48
"""Hex digits of enciphered UID and counter."""

LINK_FILE_SIZE = 256
"""Bytes of file 2. Source: NXP NT4H2421Gx data sheet rev 3.0, 8.2.3.2."""


@dataclass(frozen=True, slots=True)
class Sdm:
    """Where and with which keys the chip writes its SUN message.

    Attributes:
        meta_read: Key slot that enciphers UID and counter; FREE writes them in clear, NEVER not at all.
        file_read: Key slot of the MAC; NEVER makes none.
        counter_read: Key slot that may ask for the counter; FREE, NEVER.
        picc_offset: Of enciphered UID and counter; None unless `meta_read` is a slot.
        uid_offset, counter_offset: Of UID and counter in clear; None unless `meta_read` is FREE.
        mac_input_offset, mac_offset: Where the MAC's input begins and where it ends and the MAC stands.
        enc_offset, enc_size: Of the enciphered bytes; None and 0 when there are none.
        limit: Readings after which the chip refuses; None for no limit.
    """

    meta_read: int
    file_read: int
    counter_read: int
    picc_offset: int | None = None
    uid_offset: int | None = None
    counter_offset: int | None = None
    mac_input_offset: int | None = None
    mac_offset: int | None = None
    enc_offset: int | None = None
    enc_size: int = 0
    limit: int | None = None

    def to_bytes(self) -> bytes:
        """Options, rights and offsets as sent."""
        options = ASCII
        if self.meta_read <= KEY_SLOT_MAX:
            options |= UID_MIRRORED | COUNTER_MIRRORED
        if self.uid_offset is not None:
            options |= UID_MIRRORED
        if self.counter_offset is not None:
            options |= COUNTER_MIRRORED
        if self.limit is not None:
            options |= LIMITED
        if self.enc_offset is not None:
            options |= FILE_ENCIPHERED
        rights = self.meta_read << 12 | self.file_read << 8 | 0xF0 | self.counter_read
        numbers = (
            self.uid_offset,
            self.counter_offset,
            self.picc_offset,
            self.mac_input_offset,
            self.enc_offset,
            self.enc_size if self.enc_offset is not None else None,
            self.mac_offset,
            self.limit,
        )
        sent = (each.to_bytes(OFFSET_SIZE, "little") for each in numbers if each is not None)
        return bytes((options,)) + rights.to_bytes(2, "little") + b"".join(sent)


@dataclass(frozen=True, slots=True)
class FileSettings:
    """How a file is set up.

    Attributes:
        mode: How its content travels.
        read, write, read_write, change: Key slot that has the right; FREE, NEVER.
        sdm: The SUN message in it; None when there is none.
        size: Bytes of the file as the chip says; None in settings that are to be sent.
    """

    mode: CommMode
    read: int
    write: int
    read_write: int
    change: int
    sdm: Sdm | None = None
    size: int | None = None

    def to_bytes(self) -> bytes:
        """What ChangeFileSettings sends after the file number."""
        rights = self.read << 12 | self.write << 8 | self.read_write << 4 | self.change
        option = self.mode.value | (SDM_ENABLED if self.sdm else 0)
        rest = self.sdm.to_bytes() if self.sdm else b""
        return bytes((option,)) + rights.to_bytes(2, "little") + rest


def settings_of(answer: bytes) -> FileSettings:
    """The settings in an answer to GetFileSettings. Raises BandMalformed for anything else."""
    taker = _Taker(answer)
    kind, option = taker.number(1), taker.number(1)
    rights, size = taker.number(2), taker.number(OFFSET_SIZE)
    if kind != 0 or option & ~(SDM_ENABLED | 0x03) or option & 0x03 == 0x02:
        raise BandMalformed("the file settings do not parse")
    sdm = _sdm_of(taker) if option & SDM_ENABLED else None
    if taker.is_unfinished:
        raise BandMalformed("the file settings are too long")
    return FileSettings(
        mode=CommMode(option & 0x03),
        read=rights >> 12,
        write=rights >> 8 & 0x0F,
        read_write=rights >> 4 & 0x0F,
        change=rights & 0x0F,
        sdm=sdm,
        size=size,
    )


class _Taker:
    """Bytes taken from the front, as numbers."""

    def __init__(self, content: bytes) -> None:
        self._content = content
        self._at = 0

    @property
    def is_unfinished(self) -> bool:
        return self._at < len(self._content)

    def number(self, size: int) -> int:
        taken = self._content[self._at : self._at + size]
        if len(taken) < size:
            raise BandMalformed("the file settings are too short")
        self._at += size
        return int.from_bytes(taken, "little")

    def offset_if(self, wanted: bool) -> int | None:  # noqa: FBT001 - the name says what it means
        return self.number(OFFSET_SIZE) if wanted else None


def _sdm_of(taker: _Taker) -> Sdm:
    options, rights = taker.number(1), taker.number(2)
    meta_read, file_read = rights >> 12, rights >> 8 & 0x0F
    has_mac = file_read != NEVER
    is_enciphered = has_mac and bool(options & FILE_ENCIPHERED)
    is_clear = meta_read == FREE
    uid_offset = taker.offset_if(is_clear and bool(options & UID_MIRRORED))
    counter_offset = taker.offset_if(is_clear and bool(options & COUNTER_MIRRORED))
    picc_offset = taker.offset_if(meta_read <= KEY_SLOT_MAX)
    mac_input_offset = taker.offset_if(has_mac)
    enc_offset = taker.offset_if(is_enciphered)
    enc_size = taker.offset_if(is_enciphered)
    return Sdm(
        meta_read=meta_read,
        file_read=file_read,
        counter_read=rights & 0x0F,
        picc_offset=picc_offset,
        uid_offset=uid_offset,
        counter_offset=counter_offset,
        mac_input_offset=mac_input_offset,
        mac_offset=taker.offset_if(has_mac),
        enc_offset=enc_offset,
        enc_size=enc_size or 0,
        limit=taker.offset_if(bool(options & LIMITED)),
    )


@dataclass(frozen=True, slots=True)
class SunKeys:
    """Key slots of a SUN message.

    Attributes:
        meta: Enciphers UID and counter.
        mac: Makes the MAC.
        counter: May ask for the counter; FREE, NEVER.
    """

    meta: int
    mac: int
    counter: int = FREE


def link_file(
    link: str, *, keys: SunKeys, names: Names = OUR_NAMES, is_lrp: bool = False
) -> tuple[bytes, Sdm]:
    """The content of file 2 for a link, with zeros where the chip writes, and where that is.

    Args:
        link: An https address without parameters, at most 120 characters.
        keys: Key slots.
        names: What the parameters are called.
        is_lrp: Will the chip be in LRP mode? It writes more digits.

    Returns:
        Size (2 bytes) and NDEF message; where the chip writes, counted from the start of the file.

    Raises:
        ValueError: our own mistake: a link that does not fit.
    """
    if "?" in link or not link.isascii() or len(link) > 120:
        raise ValueError("a link of at most 120 ASCII letters, without parameters")
    digits = PICC_DIGITS_LRP if is_lrp else PICC_DIGITS_AES
    before = f"{link}?{names.picc}="
    between = f"&{names.mac}="
    address = before + "0" * digits + between + "0" * (2 * MAC_SIZE)
    message = uri_message(address)
    start = 2 + len(message) - 2 * MAC_SIZE - len(between) - digits
    mac_at = 2 + len(message) - 2 * MAC_SIZE
    content = len(message).to_bytes(2, "big") + message
    sdm = Sdm(
        meta_read=keys.meta,
        file_read=keys.mac,
        counter_read=keys.counter,
        picc_offset=start,
        mac_input_offset=mac_at,
        mac_offset=mac_at,
    )
    return content, sdm
