"""FeliCa: the frames our driver sends and takes."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.chips.felica import NDEF_SYSTEM, Felica, FelicaIdentity
from drivers.errors import BandError, BandLeft, BandMalformed, BandRefused
from hardware.virtual.felica import VirtualFelica
from tests.support.bands import ChipConnection

IDM = bytes.fromhex("0114B34107153703")
PMM = bytes.fromhex("033242828247AAFF")


class _Scripted:
    generation = 1

    def __init__(self, *answers: bytes) -> None:
        self._answers = list(answers)
        self.sent: list[bytes] = []

    def transmit(self, command: bytes) -> bytes:
        self.sent.append(command)
        return self._answers.pop(0)


def _frame(code: int, content: bytes) -> bytes:
    return bytes((2 + len(content), code)) + content


def test_card_says_who_it_is() -> None:
    connection = _Scripted(_frame(0x01, IDM + PMM))

    identity = Felica(connection, IDM).poll()

    assert identity == FelicaIdentity(IDM, PMM)
    assert connection.sent == [bytes.fromhex("0600FFFF0000")]
    assert IDM.hex() not in repr(identity)


def test_free_blocks_are_read() -> None:
    connection = _Scripted(_frame(0x07, IDM + b"\x00\x00\x02" + bytes(range(32))))

    content = Felica(connection, IDM).read(0, 2)

    assert content == bytes(range(32))
    assert connection.sent == [_frame(0x06, IDM + bytes.fromhex("010B000280008001"))]


def test_refusal_says_both_flags() -> None:
    connection = _Scripted(_frame(0x07, IDM + b"\x01\xa6"))

    with pytest.raises(BandRefused) as caught:
        Felica(connection, IDM).read(0, 1)

    assert caught.value.status == 0x01A6


@pytest.mark.parametrize(
    "answer",
    [
        b"\x01\x07",
        _frame(0x07, IDM),
        _frame(0x07, IDM + b"\x00\x00"),
        _frame(0x07, IDM + b"\x00\x00\x01" + bytes(15)),
        _frame(0x07, IDM + b"\x00\x00\x02" + bytes(32)),
        _frame(0x05, IDM + b"\x00\x00\x01" + bytes(16)),
        _frame(0x07, PMM + b"\x00\x00\x01" + bytes(16)),
        _frame(0x07, IDM + b"\x00\x00\x01" + bytes(16)) + b"\x00",
    ],
    ids=["stub", "IDm", "flags", "short", "more", "code", "another card", "length"],
)
def test_answer_that_does_not_parse_is_malformed(answer: bytes) -> None:
    with pytest.raises(BandMalformed):
        Felica(_Scripted(answer), IDM).read(0, 1)


def test_idm_has_eight_bytes() -> None:
    with pytest.raises(BandMalformed):
        Felica(_Scripted(), IDM[:7])


def test_virtual_card_is_read_and_refuses_what_it_does_not_have() -> None:
    content = bytes(range(64))
    card = Felica(ChipConnection(VirtualFelica(idm=IDM, user_blocks=content).power_up()), IDM)

    assert card.poll(NDEF_SYSTEM).idm == IDM
    assert card.read(0, 4) == content
    with pytest.raises(BandRefused):
        card.read(0, 1, service=0x1234)


def test_card_with_another_idm_stays_silent() -> None:
    connection = ChipConnection(VirtualFelica(idm=IDM).power_up())

    with pytest.raises(BandLeft):
        Felica(connection, PMM).read(0, 1)


@given(st.binary(max_size=60), st.binary(max_size=60))
def test_whatever_a_card_answers_only_errors_of_ours_are_raised(
    first: bytes, second: bytes
) -> None:
    card = Felica(_Scripted(first, second), IDM)

    for ask in (card.poll, lambda: card.read(0, 1)):
        try:
            ask()
        except BandError:
            continue

    assert card is not None


@pytest.mark.parametrize(("first", "count"), [(0, 0), (0, 5), (-1, 1), (253, 4)])
def test_blocks_that_cannot_be_named_are_our_own_mistake(first: int, count: int) -> None:
    connection = _Scripted()

    with pytest.raises(ValueError, match="255"):
        Felica(connection, IDM).read(first, count)

    assert connection.sent == []


def test_last_block_can_be_named() -> None:
    connection = _Scripted(_frame(0x07, IDM + b"\x00\x00\x01" + bytes(16)))

    assert Felica(connection, IDM).read(255, 1) == bytes(16)
    assert Felica(_Scripted(_frame(0x07, IDM + b"\x00\x00\x01" + bytes(16))), IDM).read(0, 1)
