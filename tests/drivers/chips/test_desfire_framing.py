"""Native DESFire commands in frames, and the limits of both ways."""

import pytest

from drivers.chips.framing import DELAY_TRIES, Answer, begin, collect, exchange, required, send
from drivers.errors import BandLeft, BandMalformed, BandRefused, BandUnsupported, Delivery


class Script:
    """A connection that gives out its answers in order; what is left out means that the band left."""

    generation = 1

    def __init__(self, *answers: bytes) -> None:
        self._answers = list(answers)
        self.sent: list[bytes] = []

    def transmit(self, command: bytes) -> bytes:
        self.sent.append(command)
        if not self._answers:
            raise BandLeft("torn")
        return self._answers.pop(0)


def test_a_frame_as_long_as_was_asked_for_is_taken_and_a_longer_one_is_malformed() -> None:
    longest = Script(bytes(256) + b"\x91\x00")
    longer = Script(bytes(257) + b"\x91\x00")

    assert exchange(longest, 0xBD) == Answer(0, bytes(256))
    with pytest.raises(BandMalformed) as caught:
        exchange(longer, 0xBD)

    assert caught.value.delivery is Delivery.UNKNOWN


def test_frames_are_joined_until_the_chip_is_done() -> None:
    there = Script(b"one\x91\xaf", b"two\x91\xaf", b"\x91\x00")

    assert collect(there, 0xBD, b"\x01") == Answer(0, b"onetwo")
    assert there.sent[0] == b"\x90\xbd\x00\x00\x01\x01\x00"
    assert there.sent[1:] == [b"\x90\xaf\x00\x00\x00"] * 2


@pytest.mark.parametrize(
    ("size", "n_frames"), [(0, 1), (1, 1), (55, 1), (56, 2), (110, 2), (111, 3)]
)
def test_a_command_is_sent_in_as_many_frames_as_it_takes(size: int, n_frames: int) -> None:
    there, content = Script(*[b"\x91\xaf"] * (n_frames - 1), b"mac\x91\x00"), bytes(range(size))

    answer = send(there, 0x3D, content, size_max=55)

    assert answer == Answer(0, b"mac")
    assert [each[1] for each in there.sent] == [0x3D] + [0xAF] * (n_frames - 1)
    assert b"".join(each[5:-1] for each in there.sent) == content


@pytest.mark.parametrize("n_answered", [0, 1])
def test_a_command_that_was_not_sent_whole_was_not_done(n_answered: int) -> None:
    there = Script(*[b"\x91\xaf"] * n_answered)

    with pytest.raises(BandLeft) as caught:
        send(there, 0x3D, bytes(160), size_max=55)

    assert caught.value.delivery is Delivery.NOT_SENT


def test_a_command_whose_last_frame_was_sent_may_have_been_done() -> None:
    there = Script(b"\x91\xaf", b"\x91\xaf")

    with pytest.raises(BandLeft) as caught:
        send(there, 0x3D, bytes(160), size_max=55)

    assert caught.value.delivery is Delivery.UNKNOWN


def test_a_chip_that_refuses_half_a_command_is_not_sent_the_rest() -> None:
    there = Script(b"\x91\xbe")

    answer = send(there, 0x3D, bytes(160), size_max=55)

    assert answer.status == 0xBE
    assert len(there.sent) == 1
    with pytest.raises(BandRefused) as caught:
        required(answer)
    assert (caught.value.status, caught.value.delivery) == (0x91BE, Delivery.REFUSED)


@pytest.mark.parametrize("answer", [b"\x91\x00", b"early\x91\xaf"])
def test_a_chip_that_takes_half_a_command_for_a_whole_one_is_malformed(answer: bytes) -> None:
    with pytest.raises(BandMalformed) as caught:
        send(Script(answer), 0x3D, bytes(160), size_max=55)

    assert caught.value.delivery is Delivery.NOT_SENT


@pytest.mark.parametrize("status", ["9000", "6d00", "6700", "63c0"])
def test_a_status_of_another_kind_is_not_a_desfire(status: str) -> None:
    with pytest.raises(BandUnsupported):
        exchange(Script(bytes.fromhex(status)), 0x5A)


@pytest.mark.parametrize("n_delays", [0, 1, DELAY_TRIES - 1])
def test_a_chip_that_is_slow_after_wrong_keys_is_asked_again_and_what_is_done_meanwhile_done_once(
    n_delays: int,
) -> None:
    there, worked = Script(*[b"\x91\xad"] * n_delays, b"challenge\x91\xaf"), list[int]()

    answer = begin(there, 0x71, b"\x01\x00", work=lambda: worked.append(len(there.sent)))

    assert answer == Answer(0xAF, b"challenge")
    assert there.sent == [b"\x90\x71\x00\x00\x02\x01\x00\x00"] * (n_delays + 1)
    assert worked == [0]


def test_a_chip_that_stays_slow_is_not_asked_for_ever() -> None:
    there = Script(*[b"\x91\xad"] * (DELAY_TRIES + 5))

    answer = begin(there, 0x71, b"\x01\x00", work=lambda: None)

    assert answer == Answer(0xAD, b"")
    assert len(there.sent) == DELAY_TRIES
