"""Protocol states and blocks, frame by frame."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hardware.virtual.band import Anticollision
from hardware.virtual.iso_dep import Pcd, Picc, Silent, State, crc_a
from tests.hardware.virtual.chips import AID, desfire


class Echo:
    """A chip that says back what it hears."""

    anticollision = Anticollision(
        b"\x03\x44", bytes.fromhex("04112233445566"), 0x20, bytes.fromhex("067577810280")
    )

    def exchange(self, command: bytes) -> bytes | None:
        return command


def selected() -> Picc:
    picc = Picc(Echo())
    assert picc.request()
    picc.select()
    return picc


@given(st.binary(max_size=700), st.integers(0, 8), st.integers(1, 4))
def test_any_command_and_answer_pass_in_blocks_of_any_size(
    content: bytes, reader_frame_code: int, n_times: int
) -> None:
    pcd = Pcd(selected(), reader_frame_code=reader_frame_code)
    pcd.activate()

    answers = [pcd.exchange(content) for _ in range(n_times)]

    assert answers == [content] * n_times


def test_rats_is_answered_once_and_blocks_follow() -> None:
    picc = selected()

    ats = picc.receive(b"\xe0\x50")
    answer = picc.receive(b"\x02\xaa\xbb")

    assert ats == bytes.fromhex("067577810280")
    assert answer == b"\x02\xaa\xbb"
    assert picc.state is State.PROTOCOL


def test_a_rate_change_is_agreed_to() -> None:
    picc = selected()
    picc.receive(b"\xe0\x50")

    assert picc.receive(b"\xd0\x11\x00") == b"\xd0"


def test_presence_is_answered_without_disturbing_the_exchange() -> None:
    picc = selected()
    pcd = Pcd(picc)
    pcd.activate()

    answers = [(pcd.is_present(), pcd.exchange(bytes([number]))) for number in range(5)]

    assert answers == [(True, bytes([number])) for number in range(5)]


def test_a_lost_answer_is_sent_again_on_nak() -> None:
    picc = selected()
    picc.receive(b"\xe0\x50")
    lost = picc.receive(b"\x02hello")

    again = picc.receive(b"\xb2")

    assert again == lost == b"\x02hello"


def test_a_deselected_chip_is_deaf_to_requests_until_it_is_woken() -> None:
    picc = selected()
    picc.receive(b"\xe0\x50")

    deselected = picc.receive(b"\xc2")

    assert deselected == b"\xc2"
    assert picc.state is State.HALT
    assert not picc.request()
    assert picc.request(is_wake_up=True)


def test_a_chip_inside_the_protocol_does_not_answer_a_request() -> None:
    picc = selected()
    picc.receive(b"\xe0\x50")

    assert not picc.request()
    assert picc.receive(b"\x02x") == b"\x02x"


def test_a_chip_identifier_is_carried_back() -> None:
    picc = selected()
    picc.receive(b"\xe0\x51")

    assert picc.receive(b"\x0a\x01hello") == b"\x0a\x01hello"


class SlowEcho(Echo):
    """The same, asking for more time."""

    def __init__(self, n_waits: int) -> None:
        self.n_waits = n_waits


def slow(n_waits: int) -> Picc:
    picc = Picc(SlowEcho(n_waits))
    picc.request()
    picc.select()
    return picc


class Plain:
    """A chip without ISO 14443-4 that says yes to one command and no to another."""

    anticollision = Anticollision(b"\x00\x44", bytes.fromhex("04112233445566"), 0x00)

    def exchange(self, command: bytes) -> bytes | None:
        return b"\x0a" if command == b"yes" else b"\x00"


def test_a_chip_that_refuses_a_frame_must_be_selected_anew() -> None:
    picc = Picc(Plain())
    picc.request()
    picc.select()

    answers = [picc.receive(frame) for frame in (b"yes", b"yes", b"no", b"yes")]
    picc.request()
    picc.select()

    assert answers == [b"\x0a", b"\x0a", b"\x00", None]
    assert picc.receive(b"yes") == b"\x0a"


def test_a_slow_chip_asks_for_time_and_then_answers() -> None:
    picc = slow(2)
    picc.receive(b"\xe0\x50")

    blocks = [picc.receive(frame) for frame in (b"\x02\xaa", b"\xf2\x01", b"\xf2\x01")]
    late = picc.receive(b"\xf2\x01")

    assert blocks == [b"\xf2\x01", b"\xf2\x01", b"\x02\xaa"]
    assert late is None


def test_a_lost_request_for_time_is_sent_again_on_nak() -> None:
    picc = slow(1)
    picc.receive(b"\xe0\x50")
    picc.receive(b"\x02\xaa")

    again = picc.receive(b"\xb3")

    assert again == b"\xf2\x01"
    assert picc.receive(b"\xf2\x01") == b"\x02\xaa"


@given(st.binary(max_size=200), st.integers(0, 8), st.integers(0, 5))
def test_a_reader_gives_a_slow_chip_its_time(content: bytes, code: int, n_waits: int) -> None:
    pcd = Pcd(slow(n_waits), reader_frame_code=code)
    pcd.activate()

    assert [pcd.exchange(content) for _ in range(2)] == [content, content]


def test_a_chip_that_only_ever_asks_for_time_is_given_up() -> None:
    pcd = Pcd(slow(1_000))
    pcd.activate()

    with pytest.raises(Silent):
        pcd.exchange(b"\xaa")


@given(st.binary(min_size=1, max_size=64))
def test_a_frame_with_its_crc_leaves_nothing_over(content: bytes) -> None:
    whole = content + crc_a(content)

    assert crc_a(whole) == b"\x00\x00"
    assert crc_a(b"\x12\x34") == b"\x26\xcf"  # the example of ISO/IEC 14443-3, annex B


@given(st.lists(st.binary(min_size=1, max_size=70), max_size=12))
def test_any_frames_get_an_answer_or_silence(frames: list[bytes]) -> None:
    picc = Picc(desfire().power_up())
    picc.select()

    for frame in (b"\xe0\x50", b"\x02\x5a" + AID, *frames):
        picc.receive(frame)

    assert picc.state in set(State)
