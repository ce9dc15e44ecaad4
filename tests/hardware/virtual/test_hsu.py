"""Frames of the PN532's line, whole, in pieces and damaged."""

from hypothesis import given
from hypothesis import strategies as st

from hardware.virtual.hsu import ACK, Command, Mark, Receiver, answer_frame


def host_frame(content: bytes) -> bytes:
    """What a host sends; longer content in an extended frame."""
    body = b"\xd4" + content
    check = bytes([-sum(body) & 0xFF, 0])
    if len(body) < 256:
        return b"\x00\x00\xff" + bytes([len(body), -len(body) & 0xFF]) + body + check
    size = len(body).to_bytes(2, "big")
    return b"\x00\x00\xff\xff\xff" + size + bytes([-sum(size) & 0xFF]) + body + check


@given(
    st.lists(st.binary(min_size=1, max_size=264), min_size=1, max_size=5),
    st.lists(st.integers(1, 400), max_size=20),
)
def test_commands_arrive_however_the_line_cuts_them(
    contents: list[bytes], cuts: list[int]
) -> None:
    line = b"\x55\x55\x00\x00" + b"".join(host_frame(content) for content in contents) + ACK
    receiver = Receiver()

    frames: list[object] = []
    for cut in cuts:
        frames += receiver.feed(line[:cut])
        line = line[cut:]
    frames += receiver.feed(line)

    commands = [frame for frame in frames if isinstance(frame, Command)]
    assert [bytes([each.code]) + each.data for each in commands] == contents
    assert frames[-1] is Mark.ACK


def test_a_damaged_frame_is_passed_over_and_the_next_one_heard() -> None:
    good = host_frame(b"\x02")
    damaged = good[:6] + b"\x03" + good[7:]

    frames = Receiver().feed(damaged + good)

    assert [frame.code for frame in frames if isinstance(frame, Command)] == [0x02]


@given(st.binary(max_size=600))
def test_noise_is_no_frame_that_ends_the_line(noise: bytes) -> None:
    receiver = Receiver()

    receiver.feed(noise)
    frames: list[object] = []
    for _ in range(300):
        frames += receiver.feed(host_frame(b"\x02"))

    assert isinstance(frames[-1], Command)
    assert frames[-1].code == 0x02


def test_an_answer_too_long_for_a_normal_frame_is_extended() -> None:
    frame = answer_frame(0x00, bytes(262))

    assert frame[:8] == b"\x00\x00\xff\xff\xff\x01\x08\xf7"
    assert len(frame) == 8 + 264 + 2
    assert answer_frame(0x02, b"\x32")[:8] == b"\x00\x00\xff\x03\xfd\xd5\x03\x32"
