"""NDEF messages, read within limits."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.errors import BandMalformed
from drivers.ndef import (
    MESSAGE_SIZE_MAX,
    RECORD_COUNT_MAX,
    Record,
    TypeName,
    message_of,
    records_of,
    text_of,
    uri_message,
    uri_of,
)

LINK = bytes.fromhex("D1010C5504") + b"example.com"
"""https://example.com as one short record."""

TEXT = bytes.fromhex("D1010754026465") + b"hall"


def test_link_is_read() -> None:
    (record,) = records_of(LINK)

    assert uri_of(record) == "https://example.com"
    assert text_of(record) is None


def test_text_is_read_with_its_language() -> None:
    (record,) = records_of(TEXT)

    assert text_of(record) == ("de", "hall")
    assert uri_of(record) is None


@pytest.mark.parametrize("mark", ["", "feff", "fffe"])
@pytest.mark.parametrize("text", ["Hello", "Grüße", ""])
def test_text_in_utf_16_has_its_high_byte_first_unless_a_mark_says_otherwise(
    text: str, mark: str
) -> None:
    order = "utf-16-le" if mark == "fffe" else "utf-16-be"
    payload = b"\x82de" + bytes.fromhex(mark) + text.encode(order)

    assert text_of(Record(TypeName.WELL_KNOWN, b"T", b"", payload)) == ("de", text)


def test_message_may_be_nothing_at_all() -> None:
    assert records_of(b"") == ()


def test_empty_record_is_a_record() -> None:
    (record,) = records_of(bytes.fromhex("D00000"))

    assert record == Record(TypeName.EMPTY, b"", b"", b"")
    assert uri_of(record) is None


def test_parts_of_a_record_are_joined() -> None:
    message = (
        bytes.fromhex("B101035504")
        + b"ex"
        + bytes.fromhex("360002")
        + b"am"
        + (bytes.fromhex("560003") + b"ple")
    )

    (record,) = records_of(message)

    assert uri_of(record) == "https://example"


def test_records_after_the_first_are_read() -> None:
    records = (
        Record(TypeName.WELL_KNOWN, b"U", b"", b"\x04example.com"),
        Record(TypeName.MEDIA, b"text/plain", b"7", b"x" * 300),
        Record(TypeName.EXTERNAL, b"tap.example:c", b"", b""),
    )

    assert records_of(message_of(records)) == records


@pytest.mark.parametrize(
    "message",
    [
        b"\xd1",
        LINK[:-1],
        LINK + b"\x00",
        b"\x51" + LINK[1:],
        b"\x91" + LINK[1:],
        LINK + LINK,
        b"\xd7" + LINK[1:],
        b"\xd6\x00\x01x",
        b"\xf1" + LINK[1:],
        bytes.fromhex("D00001") + b"x",
        bytes.fromhex("D5010155") + b"x",
        bytes.fromhex("D1000155"),
        bytes.fromhex("C101FFFFFFFF55") + b"x",
        bytes.fromhex("B1010155") + b"x" + bytes.fromhex("5101015504"),
        bytes.fromhex("B1010155") + b"x" + bytes.fromhex("5601015578"),
        bytes.fromhex("D9010155"),
        message_of((Record(TypeName.EMPTY, b"", b"", b""),))[:2],
        b"\x90\x00\x00" + b"\x10\x00\x00" * RECORD_COUNT_MAX + b"\x50\x00\x00",
        bytes(MESSAGE_SIZE_MAX + 1),
    ],
    ids=[
        "flags alone", "cut", "longer", "no beginning", "no end", "two beginnings", "type name 7",
        "following nothing", "never whole", "empty with content", "unknown with type", "no type",
        "four gigabytes", "broken off", "following with a type", "id past the end", "cut empty",
        "too many", "too long",
    ],
)  # fmt: skip
def test_message_that_does_not_parse_is_malformed(message: bytes) -> None:
    with pytest.raises(BandMalformed):
        records_of(message)


@pytest.mark.parametrize("payload", [b"", b"\x24x", b"\xffx", b"\x04\xff\xfe"])
def test_address_that_does_not_parse_is_malformed(payload: bytes) -> None:
    with pytest.raises(BandMalformed):
        uri_of(Record(TypeName.WELL_KNOWN, b"U", b"", payload))


@pytest.mark.parametrize(
    "payload", [b"", b"\x3fde", b"\x02\xff\xffx", b"\x02de\xff", b"\x82de\x00"]
)
def test_text_that_does_not_parse_is_malformed(payload: bytes) -> None:
    with pytest.raises(BandMalformed):
        text_of(Record(TypeName.WELL_KNOWN, b"T", b"", payload))


@pytest.mark.parametrize(
    ("address", "first"),
    [
        ("https://www.example.com", 0x02),
        ("https://example.com", 0x04),
        ("tel:+491234", 0x05),
        ("urn:nfc:x", 0x23),
        ("example", 0x00),
    ],
)
def test_address_is_written_with_its_longest_prefix(address: str, first: int) -> None:
    message = uri_message(address)
    (record,) = records_of(message)

    assert record.payload[0] == first
    assert uri_of(record) == address


def test_too_much_is_our_own_mistake() -> None:
    with pytest.raises(ValueError, match="1 to 32"):
        message_of(())
    with pytest.raises(ValueError, match="255"):
        message_of((Record(TypeName.MEDIA, b"x" * 256, b"", b""),))
    with pytest.raises(ValueError, match="too long"):
        message_of((Record(TypeName.MEDIA, b"x", b"", bytes(MESSAGE_SIZE_MAX)),))


_names = st.sampled_from([TypeName.WELL_KNOWN, TypeName.MEDIA, TypeName.EXTERNAL])
_records = st.builds(
    Record,
    _names,
    st.binary(min_size=1, max_size=12),
    st.binary(max_size=4),
    st.one_of(st.binary(max_size=40), st.binary(min_size=250, max_size=260)),
)


@given(st.lists(_records, min_size=1, max_size=5))
def test_what_is_written_is_read(records: list[Record]) -> None:
    assert records_of(message_of(tuple(records))) == tuple(records)


@given(st.one_of(st.binary(max_size=80), st.lists(_records, min_size=1, max_size=3).map(
    lambda records: message_of(tuple(records))
)), st.data())  # fmt: skip
def test_whatever_the_message_only_malformed_is_raised(
    message: bytes, data: st.DataObject
) -> None:
    if message and data.draw(st.booleans()):
        at = data.draw(st.integers(0, len(message) - 1))
        message = message[:at] + data.draw(st.binary(max_size=2)) + message[at + 1 :]

    try:
        records = records_of(message)
    except BandMalformed:
        return

    for record in records:
        for read in (uri_of, text_of):
            try:
                read(record)
            except BandMalformed:
                continue
