"""The message of whatever lies there: one question for every technology, and of a FeliCa the blocks it stands in."""

from contextlib import closing
from importlib import import_module

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.chips.message import read_message
from drivers.chips.type3 import Type3
from drivers.connection import CountingConnection
from drivers.errors import BandError, BandMalformed, BandSilent, BandUnsupported, Delivery
from drivers.ndef import Record, TypeName, message_of, uri_message, uri_of
from drivers.readers.pn532 import Pn532Reader
from drivers.target import Target, Technology
from hardware.clock import SystemClock
from hardware.entropy import SeededEntropy
from hardware.virtual.catalogue import sample_band
from hardware.virtual.felica import VirtualFelica, ndef_blocks
from tests.support.bands import ChipConnection
from tests.support.referees import nfcpy_frontend, nfcpy_tag
from tests.support.virtual_reader import VirtualReader

NDEF = import_module("ndef")
"""What nfcpy makes its records of; it has no types."""

IDM = bytes.fromhex("0114B34107153703")
FELICA = Target(Technology.FELICA, IDM, b"", 1)
ADDRESS = "https://tap.example/band?of=" + "a-long-number-of-nothing-" * 4


class _Scripted:
    """Answers what it is given, a silence for None; polling is answered as it should be unless told."""

    generation = 1

    def __init__(self, *answers: bytes | None) -> None:
        self._answers = list(answers)
        self.sent: list[bytes] = []

    def transmit(self, command: bytes) -> bytes:
        self.sent.append(command)
        answer = self._answers.pop(0) if self._answers else None
        if answer is None:
            raise BandSilent("nothing")
        return answer


POLLED = bytes((18, 0x01)) + IDM + bytes(8)


def blocks_answered(*blocks: bytes) -> bytes:
    content = IDM + b"\x00\x00" + bytes((len(blocks),)) + b"".join(blocks)
    return bytes((2 + len(content), 0x07)) + content


def attributes(
    *,
    version: int = 0x10,
    step: int = 4,
    capacity: int = 13,
    writing: int = 0,
    size: int = 16,
    wrong: int = 0,
) -> bytes:
    head = bytes((version, step, 1)) + capacity.to_bytes(2, "big") + bytes(4)
    head += bytes((writing, 1)) + size.to_bytes(3, "big")
    return head + (sum(head) + wrong).to_bytes(2, "big")


@pytest.mark.parametrize(
    "name", ["ntag213", "ntag424", "ntag424-sun", "felica", "telephone-message"]
)
def test_the_address_on_a_band_of_any_kind_is_read_through_a_pn532(
    virtual_reader: VirtualReader, name: str
) -> None:
    virtual_reader.field.present(sample_band(name, entropy=SeededEntropy(name)))

    with closing(Pn532Reader.opened(str(virtual_reader.path), SystemClock())) as reader:
        found = [reader.wait_for_target(500) for _ in range(3)]
        target = next(each for each in found[::-1] if each is not None)
        (record,) = read_message(reader.connect(target), target)

    assert (uri_of(record) or "").startswith("https://tap.example/")


@pytest.mark.parametrize("name", ["desfire-ev2", "bank-card", "telephone", "ntag213-copied"])
def test_a_band_without_a_message_is_said_to_have_none(
    virtual_reader: VirtualReader, name: str
) -> None:
    virtual_reader.field.present(sample_band(name, entropy=SeededEntropy(name)))

    with closing(Pn532Reader.opened(str(virtual_reader.path), SystemClock())) as reader:
        target = reader.wait_for_target(500)
        assert target is not None
        try:
            records = read_message(reader.connect(target), target)
        except BandUnsupported:
            records = ()

    assert records == ()


def test_a_band_that_speaks_otherwise_is_asked_nothing() -> None:
    connection = _Scripted()

    with pytest.raises(BandUnsupported) as caught:
        read_message(connection, Target(Technology.OTHER, bytes(4), b"", 1))

    assert caught.value.delivery is Delivery.NOT_SENT
    assert connection.sent == []


def test_a_message_nfcpy_wrote_on_a_felica_is_read(virtual_reader: VirtualReader) -> None:
    band = VirtualFelica(idm=IDM, user_blocks=ndef_blocks(b""))
    virtual_reader.field.present(band)
    with nfcpy_frontend(virtual_reader.path) as frontend:
        nfcpy_tag(frontend, at="212F").ndef.records = [NDEF.UriRecord(ADDRESS)]

    (record,) = read_message(ChipConnection(band.power_up()), FELICA)

    assert uri_of(record) == ADDRESS


def test_a_felica_is_read_in_as_few_exchanges_as_it_allows() -> None:
    band = VirtualFelica(idm=IDM, user_blocks=ndef_blocks(uri_message("https://" + "a" * 100)))
    connection = CountingConnection(ChipConnection(band.power_up()))

    (record,) = read_message(connection, FELICA)

    assert uri_of(record) == "https://" + "a" * 100
    # 105 bytes of message in 7 blocks: polling, attributes, four blocks, three.
    assert connection.count == 4


@pytest.mark.parametrize("n_blocks", range(1, 14))
def test_a_message_that_fills_its_blocks_is_read_and_no_block_behind_it(n_blocks: int) -> None:
    payload = bytes(n_blocks * 16 - 6)
    message = message_of((Record(TypeName.MEDIA, b"a/b", b"", payload),))
    content = ndef_blocks(message)[: 16 * (1 + n_blocks)]
    card = ChipConnection(VirtualFelica(idm=IDM, user_blocks=content).power_up())

    (record,) = read_message(card, FELICA)
    asked = [number for command in card.sent[2:] for number in command[15::2]]

    assert record.payload == payload
    assert asked == list(range(1, n_blocks + 1))


def test_a_felica_is_asked_under_the_number_its_message_has() -> None:
    other = b"\x11" + IDM[1:]
    polled = bytes((18, 0x01)) + other + bytes(8)
    connection = _Scripted(polled)
    felica = Type3(connection, IDM)

    assert felica.select()
    with pytest.raises(BandSilent):
        felica.ndef()

    assert connection.sent[0] == bytes.fromhex("060012FC0000")
    assert connection.sent[1][2:10] == other


def test_a_felica_without_ndef_stays_silent_and_has_no_message() -> None:
    connection = _Scripted(None)

    with pytest.raises(BandUnsupported):
        read_message(connection, FELICA)


def test_an_empty_message_on_a_felica_has_no_records() -> None:
    connection = _Scripted(POLLED, blocks_answered(attributes(size=0)))

    assert read_message(connection, FELICA) == ()
    assert len(connection.sent) == 2


@pytest.mark.parametrize(
    ("block", "error"),
    [
        (attributes(wrong=1), BandMalformed),
        (attributes(version=0x20), BandUnsupported),
        (attributes(writing=0x0F), BandMalformed),
        (attributes(step=0), BandMalformed),
        (attributes(capacity=13, size=13 * 16 + 1), BandMalformed),
        (attributes(capacity=0xFFFF, size=255 * 16 + 1), BandMalformed),
    ],
    ids=["sum", "version", "half written", "no step", "capacity", "last block"],
)
def test_attributes_that_do_not_hold_are_an_error_before_a_block_is_read(
    block: bytes, error: type[BandError]
) -> None:
    connection = _Scripted(POLLED, blocks_answered(block))

    with pytest.raises(error):
        read_message(connection, FELICA)

    assert len(connection.sent) == 2


def test_the_last_block_that_can_be_named_is_read() -> None:
    size = 255 * 16
    payload = uri_message("https://a")  # any message; what is behind it makes it malformed
    block = attributes(step=1, capacity=255, size=size)
    rest = [blocks_answered(payload.ljust(16, b"\x00")) for _ in range(255)]
    connection = _Scripted(POLLED, blocks_answered(block), *rest)

    with pytest.raises(BandMalformed):
        read_message(connection, FELICA)

    assert len(connection.sent) == 2 + 255
    assert connection.sent[-1].endswith(b"\x01\x80\xff")


@given(st.lists(st.binary(max_size=40), max_size=6), st.binary(min_size=16, max_size=16))
def test_whatever_a_felica_answers_only_errors_of_ours_are_raised(
    answers: list[bytes], block: bytes
) -> None:
    holding = block[:14] + sum(block[:14]).to_bytes(2, "big")

    for scripted in (answers, [POLLED, *answers], [POLLED, blocks_answered(holding), *answers]):
        try:
            read_message(_Scripted(*scripted), FELICA)
        except BandError:
            continue
