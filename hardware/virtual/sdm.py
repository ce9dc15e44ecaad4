"""What an NTAG 424 DNA puts into a file while it is read: UID, counter, cryptograms and a MAC, as text.

    Sdm       the settings of a file, as the chip takes and tells them
    shown     the file as a reader without authentication sees it

The settings follow the access rights of a file in the order of data sheet table 69, each offset 3 bytes low byte first:

    options (80 UID, 40 counter, 20 limit, 10 encrypted part, 01 text)  rights (meta, file, F, counter)
    [UID at] [counter at] [PICC data at] [MAC from] [encrypted from, size] [MAC at] [limit]

Source: NT4H2421Gx data sheet rev 3.0, 9.3 and 10.7.1; NXP AN12196.
"""

from dataclasses import dataclass
from itertools import pairwise

from hardware.virtual.lrp import ENCRYPTION_KEY, MAC_KEY, Lrp
from hardware.virtual.messaging import BLOCK_SIZE, ZERO_IV, cmac, encrypted

UID_SHOWN, COUNTED, LIMITED, PART_ENCRYPTED, TEXT = 0x80, 0x40, 0x20, 0x10, 0x01
"""Bits of the options."""

FREE, NONE = 0x0E, 0x0F
"""Rights that are no key numbers."""

KEY_COUNT = 5

UNSHOWN = 0xFFFFFF
"""A counter's offset that shows it nowhere."""

COUNTER_MAX = 0xFFFFFF

UID_SIZE, COUNTER_SIZE, MAC_SIZE = 14, 6, 16
"""Characters they take."""

RANDOM_SIZE = 8
"""Bytes of chance in front of PICC data in LRP mode."""

_UID_TAG, _COUNTER_TAG, _UID_BYTES = 0x80, 0x40, 0x07
"""What the first byte of PICC data says is in it."""


class Unacceptable(Exception):
    """Settings that do not parse or contradict each other."""


@dataclass(frozen=True, slots=True)
class Sdm:
    """How a file changes while it is read. Offsets and sizes are in characters of the file; None: not there.

    Attributes:
        options: UID_SHOWN, COUNTED, LIMITED, PART_ENCRYPTED, TEXT.
        meta: Key number of PICC data, FREE for UID and counter as plain text, NONE for neither.
        file: Key number of MAC and encrypted part, NONE for neither.
        counter: Key number that may ask for the counter, FREE or NONE.
        uid_at, counter_at: Where they stand as plain text.
        picc_at: Where PICC data stands.
        mac_from, mac_at: First character the MAC is over, and where it stands.
        part_at, part_size: The encrypted part.
        counter_max: Reads after which the file is not shown any more.
    """

    options: int
    meta: int
    file: int
    counter: int
    uid_at: int | None = None
    counter_at: int | None = None
    picc_at: int | None = None
    mac_from: int | None = None
    part_at: int | None = None
    part_size: int | None = None
    mac_at: int | None = None
    counter_max: int | None = None

    def to_bytes(self) -> bytes:
        """As GetFileSettings tells them."""
        rights = self.meta << 12 | self.file << 8 | 0xF0 | self.counter
        numbers = (
            self.uid_at,
            self.counter_at,
            self.picc_at,
            self.mac_from,
            self.part_at,
            self.part_size,
            self.mac_at,
            self.counter_max,
        )
        told = (number.to_bytes(3, "little") for number in numbers if number is not None)
        return bytes([self.options]) + rights.to_bytes(2, "little") + b"".join(told)

    @property
    def shows_uid(self) -> bool:
        """Is the UID in the file, plain or in PICC data?"""
        return bool(self.options & UID_SHOWN) and self.meta != NONE

    @property
    def shows_counter(self) -> bool:
        """Is the counter in the file, plain or in PICC data?"""
        is_counted = bool(self.options & COUNTED) and self.meta != NONE
        return is_counted and self.counter_at != UNSHOWN

    def picc_size(self, *, is_lrp: bool) -> int:
        """Characters PICC data takes."""
        return 2 * (BLOCK_SIZE + RANDOM_SIZE * is_lrp)


class _Reader:
    """Takes numbers off the front of settings."""

    def __init__(self, raw: bytes) -> None:
        self._rest = raw

    def number(self, size: int) -> int:
        if len(self._rest) < size:
            raise Unacceptable("they end too soon")
        number = int.from_bytes(self._rest[:size], "little")
        self._rest = self._rest[size:]
        return number

    def offset_if(self, condition: object) -> int | None:
        return self.number(3) if condition else None

    def expect_end(self) -> None:
        if self._rest:
            raise Unacceptable("they do not end")


def sdm_of(raw: bytes, *, file_size: int, is_lrp: bool, counter: int) -> Sdm:
    """Settings as ChangeFileSettings brings them.

    Args:
        raw: What follows the access rights.
        file_size: Of the file they are for.
        is_lrp: The chip is in LRP mode.
        counter: Where the file's counter stands.

    Raises:
        Unacceptable: they do not parse, or break a rule of data sheet table 71.
    """
    reader = _Reader(raw)
    options, rights = reader.number(1), reader.number(2)
    meta, file, counter_right = rights >> 12, rights >> 8 & 0x0F, rights & 0x0F
    has_mac = file != NONE
    sdm = Sdm(
        options=options,
        meta=meta,
        file=file,
        counter=counter_right,
        uid_at=reader.offset_if(options & UID_SHOWN and meta == FREE),
        counter_at=reader.offset_if(options & COUNTED and meta == FREE),
        picc_at=reader.offset_if(meta < FREE),
        mac_from=reader.offset_if(has_mac),
        part_at=reader.offset_if(has_mac and options & PART_ENCRYPTED),
        part_size=reader.offset_if(has_mac and options & PART_ENCRYPTED),
        mac_at=reader.offset_if(has_mac),
        counter_max=reader.offset_if(options & LIMITED),
    )
    reader.expect_end()
    _expect_consistent(sdm, counter)
    _expect_to_fit(sdm, file_size=file_size, is_lrp=is_lrp)
    return sdm


def _expect_consistent(sdm: Sdm, counter: int) -> None:
    is_counted = bool(sdm.options & COUNTED)
    shows_uid = bool(sdm.options & UID_SHOWN)
    is_part = bool(sdm.options & PART_ENCRYPTED)
    rules = (
        bool(sdm.options & TEXT),
        all(right < KEY_COUNT or right >= FREE for right in (sdm.meta, sdm.file, sdm.counter)),
        sdm.file != FREE,
        sdm.meta == NONE or shows_uid or is_counted,
        sdm.meta != NONE or not shows_uid,
        sdm.counter == NONE or is_counted,
        not is_part or (sdm.file != NONE and shows_uid and is_counted),
        sdm.counter_max is None or (is_counted and sdm.counter_max > counter),
    )
    if not all(rules):
        raise Unacceptable("they contradict each other")


def _expect_to_fit(sdm: Sdm, *, file_size: int, is_lrp: bool) -> None:
    counter_at = None if sdm.counter_at == UNSHOWN else sdm.counter_at
    pieces = (
        (sdm.uid_at, UID_SIZE),
        (counter_at, COUNTER_SIZE),
        (sdm.picc_at, sdm.picc_size(is_lrp=is_lrp)),
        (sdm.part_at, sdm.part_size or 0),
        (sdm.mac_at, MAC_SIZE),
    )
    spans = sorted((at, at + size) for at, size in pieces if at is not None)
    is_apart = all(one[1] <= other[0] for one, other in pairwise(spans))
    if not is_apart or any(end > file_size for _, end in spans):
        raise Unacceptable("two of them overlap, or reach over the end")
    if sdm.mac_at is not None and (sdm.mac_from or 0) > sdm.mac_at:
        raise Unacceptable("the MAC begins behind itself")
    if sdm.part_at is not None and sdm.mac_at is not None and sdm.mac_from is not None:
        size = sdm.part_size or 0
        is_inside = sdm.mac_from <= sdm.part_at and sdm.part_at + size <= sdm.mac_at
        if not is_inside or not size or size % (2 * BLOCK_SIZE):
            raise Unacceptable("the encrypted part is outside of the MAC, or not whole blocks")


@dataclass(frozen=True, slots=True)
class Moment:
    """What one read of a file is made of.

    Attributes:
        uid: 7 bytes.
        counter: Reads of the file.
        chance: Fresh random bytes: RANDOM_SIZE, then the padding of PICC data.
        is_lrp: The chip is in LRP mode.
    """

    uid: bytes
    counter: int
    chance: bytes
    is_lrp: bool

    @property
    def counter_bytes(self) -> bytes:
        """3 bytes, low byte first, as all cryptography takes them."""
        return self.counter.to_bytes(3, "little")


def shown(content: bytes, sdm: Sdm, keys: tuple[bytes, ...], moment: Moment) -> bytes:
    """The file as a reader without authentication sees it. Source: data sheet, 9.3.3 to 9.3.9."""
    dynamic = bytearray(content)
    if sdm.uid_at is not None:
        _put(dynamic, sdm.uid_at, moment.uid)
    if sdm.counter_at is not None and sdm.counter_at != UNSHOWN:
        _put(dynamic, sdm.counter_at, moment.counter.to_bytes(3, "big"))
    if sdm.picc_at is not None:
        _put(dynamic, sdm.picc_at, picc_data(sdm, keys[sdm.meta], moment))
    if sdm.mac_at is not None and sdm.mac_from is not None:
        _seal(dynamic, sdm, keys[sdm.file], moment, mac_from=sdm.mac_from, mac_at=sdm.mac_at)
    return bytes(dynamic)


def _put(dynamic: bytearray, at: int, raw: bytes) -> None:
    """Bytes as capital hexadecimal text."""
    dynamic[at : at + 2 * len(raw)] = raw.hex().upper().encode()


def picc_data(sdm: Sdm, key: bytes, moment: Moment) -> bytes:
    """Tag, UID, counter and chance, encrypted. Source: data sheet, 9.3.4."""
    tag, plain = 0, b""
    if sdm.options & UID_SHOWN:
        tag, plain = _UID_TAG | _UID_BYTES, moment.uid
    if sdm.options & COUNTED:
        tag, plain = tag | _COUNTER_TAG, plain + moment.counter_bytes
    padding = moment.chance[RANDOM_SIZE:]
    whole = (bytes([tag]) + plain + padding)[:BLOCK_SIZE]
    if not moment.is_lrp:
        return encrypted(key, ZERO_IV, whole)
    chance = moment.chance[:RANDOM_SIZE]
    return chance + Lrp(key).encrypted(whole, chance)


def _seal(
    dynamic: bytearray, sdm: Sdm, key: bytes, moment: Moment, *, mac_from: int, mac_at: int
) -> None:
    """Encrypt the part where there is one, then put the MAC over everything before it."""
    context = (moment.uid if sdm.shows_uid else b"") + (
        moment.counter_bytes if sdm.shows_counter else b""
    )
    seal = _LrpSeal(key, context) if moment.is_lrp else _AesSeal(key, context)
    if sdm.part_at is not None and sdm.part_size is not None:
        plain = bytes(dynamic[sdm.part_at : sdm.part_at + sdm.part_size // 2])
        _put(dynamic, sdm.part_at, seal.encrypted(plain, moment.counter_bytes))
    mac = seal.mac(bytes(dynamic[mac_from:mac_at]))
    _put(dynamic, mac_at, mac[1::2])


@dataclass(frozen=True, slots=True)
class _AesSeal:
    """MAC and cryptogram with session keys of AES. Source: data sheet, 9.3.9.1."""

    key: bytes
    context: bytes

    def _session_key(self, label: bytes) -> bytes:
        vector = label + b"\x00\x01\x00\x80" + self.context
        return cmac(self.key, vector + bytes(-len(vector) % BLOCK_SIZE))

    def mac(self, content: bytes) -> bytes:
        return cmac(self._session_key(b"\x3c\xc3"), content)

    def encrypted(self, plain: bytes, counter: bytes) -> bytes:
        key = self._session_key(b"\xc3\x3c")
        iv = encrypted(key, ZERO_IV, counter + bytes(BLOCK_SIZE - len(counter)))
        return encrypted(key, iv, plain)


@dataclass(frozen=True, slots=True)
class _LrpSeal:
    """MAC and cryptogram with session keys of LRP. Source: data sheet, 9.3.9.2."""

    key: bytes
    context: bytes

    @property
    def _master(self) -> bytes:
        vector = b"\x00\x01\x00\x80" + self.context
        vector += bytes(-(len(vector) + 2) % BLOCK_SIZE) + b"\x1e\xe1"
        return Lrp(self.key).cmac(vector)

    def mac(self, content: bytes) -> bytes:
        return Lrp(self._master, MAC_KEY).cmac(content)

    def encrypted(self, plain: bytes, counter: bytes) -> bytes:
        return Lrp(self._master, ENCRYPTION_KEY).encrypted(plain, counter + bytes(3))
