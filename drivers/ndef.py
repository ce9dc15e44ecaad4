"""NDEF messages: the records phones and tags exchange, read within limits and written for our own links.

    record   flags and type name format, size of type, size of payload (1 or 4), [size of id], type, id, payload
    flags    80 first  40 last  20 to be continued  10 size in one byte  08 has an id; 07 the type name format

Everything in a message is foreign: it is somebody's claim and is never shown as it is. Whatever the bytes, only
BandMalformed is raised, and the work is bounded by their number.
Source: NFC Forum NDEF 1.0, 2 and 3; NFC Forum URI RTD 1.0, 3.2; NFC Forum Text RTD 1.0, 3.2.
"""

from dataclasses import dataclass, field
from enum import Enum

from drivers.errors import BandMalformed

MESSAGE_SIZE_MAX = 8_192
"""Bytes of a message that is looked at: what a DESFire of 8 KiB could hold."""

RECORD_COUNT_MAX = 32
"""Records of a message, parts of one that is continued counted each."""

BEGIN, END, CONTINUED, SHORT, HAS_ID = 0x80, 0x40, 0x20, 0x10, 0x08

PREFIXES = (
    "", "http://www.", "https://www.", "http://", "https://", "tel:", "mailto:",
    "ftp://anonymous:anonymous@", "ftp://ftp.", "ftps://", "sftp://", "smb://", "nfs://", "ftp://", "dav://",
    "news:", "telnet://", "imap:", "rtsp://", "urn:", "pop:", "sip:", "sips:", "tftp:", "btspp://", "btl2cap://",
    "btgoep://", "tcpobex://", "irdaobex://", "file://", "urn:epc:id:", "urn:epc:tag:", "urn:epc:pat:",
    "urn:epc:raw:", "urn:epc:", "urn:nfc:",
)  # fmt: skip
"""What the first byte of a URI record stands for. Source: NFC Forum URI RTD 1.0, 3.2.2."""


class TypeName(Enum):
    """How the type of a record is to be read. Source: NFC Forum NDEF 1.0, 3.2.6."""

    EMPTY = 0
    WELL_KNOWN = 1
    MEDIA = 2
    ABSOLUTE_URI = 3
    EXTERNAL = 4
    UNKNOWN = 5
    UNCHANGED = 6


@dataclass(frozen=True, slots=True)
class Record:
    """One record, its parts joined.

    Attributes:
        name: How the type is to be read.
        type: The type; empty for EMPTY and UNKNOWN.
        id: What others call it; mostly empty.
        payload: Its bytes.
    """

    name: TypeName
    type: bytes
    id: bytes = field(repr=False)
    payload: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class _Part:
    flags: int
    name: TypeName
    type: bytes
    id: bytes
    payload: bytes


def records_of(message: bytes) -> tuple[Record, ...]:
    """The records of a message; none for no bytes at all. Raises BandMalformed for anything else that is no message."""
    if len(message) > MESSAGE_SIZE_MAX:
        raise BandMalformed("the message is longer than any of ours")
    found: list[Record] = []
    pending: list[_Part] = []
    at = 0
    for number in range(RECORD_COUNT_MAX):
        if at >= len(message):
            break
        part, at = _part(message, at)
        is_last = at == len(message)
        if bool(part.flags & BEGIN) != (number == 0) or bool(part.flags & END) != is_last:
            raise BandMalformed("the message does not begin and end once")
        _check_part(part, pending, is_last=is_last)
        pending.append(part)
        if not part.flags & CONTINUED:
            found.append(_joined(pending))
            pending = []
    if at < len(message):
        raise BandMalformed("the message has too many records")
    return tuple(found)


def _part(message: bytes, at: int) -> tuple[_Part, int]:
    """The part that begins at `at`, and where the next begins."""
    flags = message[at]
    wide = 1 if flags & SHORT else 4
    id_wide = 1 if flags & HAS_ID else 0
    head_end = at + 2 + wide + id_wide
    if head_end > len(message) or flags & 0x07 == 0x07:
        raise BandMalformed("a record does not parse")
    type_size = message[at + 1]
    payload_size = int.from_bytes(message[at + 2 : at + 2 + wide], "big")
    id_size = message[head_end - 1] if id_wide else 0
    type_end = head_end + type_size
    id_end = type_end + id_size
    end = id_end + payload_size
    if end > len(message):
        raise BandMalformed("a record runs past the end")
    part = _Part(
        flags=flags,
        name=TypeName(flags & 0x07),
        type=message[head_end:type_end],
        id=message[type_end:id_end],
        payload=message[id_end:end],
    )
    return part, end


def _check_part(part: _Part, pending: list[_Part], *, is_last: bool) -> None:
    """Hold a part against what the type name format allows. Source: NFC Forum NDEF 1.0, 2.3.3 and 3.2.6."""
    is_following = part.name is TypeName.UNCHANGED
    if is_following != bool(pending) or (is_following and (part.type or part.id)):
        raise BandMalformed("the parts of a record do not follow each other")
    if part.flags & CONTINUED and is_last:
        raise BandMalformed("the last record is not whole")
    if part.name is TypeName.EMPTY and (part.type or part.id or part.payload):
        raise BandMalformed("an empty record has content")
    if part.name is TypeName.UNKNOWN and part.type:
        raise BandMalformed("an unknown type has a name")
    has_type = TypeName.WELL_KNOWN.value <= part.name.value <= TypeName.EXTERNAL.value
    if has_type and not part.type:
        raise BandMalformed("a record has no type")


def _joined(parts: list[_Part]) -> Record:
    first = parts[0]
    return Record(first.name, first.type, first.id, b"".join(each.payload for each in parts))


def uri_of(record: Record) -> str | None:
    """The address in a URI record; None for any other record. Raises BandMalformed when it is no text."""
    if record.name is TypeName.ABSOLUTE_URI:
        return _text(record.type, "utf-8")
    if record.name is not TypeName.WELL_KNOWN or record.type != b"U":
        return None
    if not record.payload or record.payload[0] >= len(PREFIXES):
        raise BandMalformed("an address begins with a prefix nobody knows")
    return PREFIXES[record.payload[0]] + _text(record.payload[1:], "utf-8")


def text_of(record: Record) -> tuple[str, str] | None:
    """Language and text of a text record; None for any other record. Raises BandMalformed when it is no text."""
    if record.name is not TypeName.WELL_KNOWN or record.type != b"T":
        return None
    if not record.payload:
        raise BandMalformed("a text record is empty")
    status = record.payload[0]
    language_end = 1 + (status & 0x3F)
    if language_end > len(record.payload):
        raise BandMalformed("a language runs past the end")
    language = _text(record.payload[1:language_end], "ascii")
    content = record.payload[language_end:]
    if not status & 0x80:
        return language, _text(content, "utf-8")
    # Without a mark that says otherwise, the high byte comes first. Source: NFC Forum Text RTD 1.0, 3.4.
    return language, _text(content, "utf-16" if content[:2] in _BYTE_ORDERS else "utf-16-be")


_BYTE_ORDERS = (b"\xfe\xff", b"\xff\xfe")


def _text(content: bytes, encoding: str) -> str:
    try:
        return content.decode(encoding)
    except UnicodeDecodeError as error:
        raise BandMalformed("the text does not decode") from error


def uri_message(address: str) -> bytes:
    """A message with one URI record. Raises ValueError, our own mistake, for an address that does not fit.

    Args:
        address: Up to 255 bytes with its prefix taken off.
    """
    code = max(
        (each for each in range(len(PREFIXES)) if address.startswith(PREFIXES[each])),
        key=lambda each: len(PREFIXES[each]),
    )
    payload = bytes((code,)) + address[len(PREFIXES[code]) :].encode()
    return message_of((Record(TypeName.WELL_KNOWN, b"U", b"", payload),))


def message_of(records: tuple[Record, ...]) -> bytes:
    """The bytes of a message. Raises ValueError, our own mistake, for what `records_of` would refuse by its size."""
    if not 1 <= len(records) <= RECORD_COUNT_MAX:
        raise ValueError("a message has 1 to 32 records")
    made = b""
    for number, record in enumerate(records):
        if len(record.type) > 0xFF or len(record.id) > 0xFF:
            raise ValueError("a type or an id has at most 255 bytes")
        is_short = len(record.payload) <= 0xFF
        flags = record.name.value | (SHORT if is_short else 0) | (HAS_ID if record.id else 0)
        flags |= (BEGIN if number == 0 else 0) | (END if number == len(records) - 1 else 0)
        made += bytes((flags, len(record.type)))
        made += len(record.payload).to_bytes(1 if is_short else 4, "big")
        made += bytes((len(record.id),)) if record.id else b""
        made += record.type + record.id + record.payload
    if len(made) > MESSAGE_SIZE_MAX:
        raise ValueError("the message is too long")
    return made
