import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.apdu import GET_UID, Command, clothed, response_of, unwrapped, wrapped
from drivers.errors import BandLeft, Delivery


def test_the_reader_is_asked_for_the_uid_with_the_published_bytes() -> None:
    assert GET_UID.to_bytes() == bytes.fromhex("FFCA000000")


def test_a_native_command_is_wrapped_with_and_without_content() -> None:
    assert wrapped(0x60) == bytes.fromhex("9060000000")
    assert wrapped(0x5A, b"TT\x01") == bytes.fromhex("905A00000354540100")


@given(st.integers(0, 255), st.binary(max_size=255))
def test_a_wrapped_command_without_its_clothes_is_the_native_one(ins: int, data: bytes) -> None:
    assert unwrapped(wrapped(ins, data)) == bytes((ins,)) + data
    assert unwrapped(bytes.fromhex("00A4040C")) is None
    assert clothed(bytes((ins,)) + data) == data + bytes((0x91, ins))


@pytest.mark.parametrize("raw", [b"", b"\x90"])
def test_an_answer_without_a_status_means_that_the_band_left(raw: bytes) -> None:
    with pytest.raises(BandLeft) as left:
        response_of(raw)

    assert left.value.delivery is Delivery.UNKNOWN


@given(st.binary(min_size=2, max_size=300))
def test_any_longer_answer_has_content_and_status(raw: bytes) -> None:
    response = response_of(raw)

    assert response.data + response.status.to_bytes(2, "big") == raw


def test_a_command_that_does_not_fit_is_our_mistake() -> None:
    with pytest.raises(ValueError, match="more data"):
        Command(0x90, 0x3D, data=bytes(256)).to_bytes()
    with pytest.raises(ValueError, match="1 to 256"):
        Command(0x90, 0x3D, le=257).to_bytes()


def test_content_is_not_in_what_a_command_says_of_itself() -> None:
    assert "secret" not in repr(Command(0x90, 0x3D, data=b"secret"))
