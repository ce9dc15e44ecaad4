"""Secure messaging against the virtual chip's own, which was written without it."""

import contextlib
import hmac
import zlib
from collections.abc import Callable
from functools import partial

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drivers.credential.kdf import (
    Aes,
    Cmac,
    SessionKeys,
    cmac,
    decrypted,
    diversified,
    encrypted,
)
from drivers.credential.layout import CommMode
from drivers.credential.session import Ev1Session, Ev2Session, Session, crc32, truncated
from drivers.errors import BandUntrusted, Delivery
from hardware.virtual import messaging

KEY = bytes(range(16))
KEYS = SessionKeys(enc=KEY, mac=bytes(range(16, 32)))
TI = b"\x9d\x00\xc4\xdf"
ANY_MODE = st.sampled_from(list(CommMode))


def _sessions() -> tuple[Session, Session]:
    return Ev1Session(KEY), Ev2Session(KEYS, TI)


def _ev1_answer(content: bytes) -> bytes:
    """What a chip sends for enciphered content after a ReadData command."""
    iv = cmac(KEY, b"\xbd\x01")
    plain = content + (zlib.crc32(content + b"\x00") ^ 0xFFFFFFFF).to_bytes(4, "little")
    return encrypted(KEY, plain + bytes(-len(plain) % 16), iv)


def test_no_enciphered_content_is_lost_whatever_its_checksum_ends_in() -> None:
    """One payload in 256 has a checksum that ends in zero and looks like padding."""
    lost = []

    for number in range(2_500):
        content = number.to_bytes(4, "big") * 4
        session = Ev1Session(KEY)
        session.wrap(0xBD, b"\x01", b"", CommMode.FULL)
        if session.unwrap(_ev1_answer(content), CommMode.FULL, size=16) != content:
            lost.append(number)

    assert lost == []
    assert any(
        crc32((number).to_bytes(4, "big") * 4 + b"\x00")[-1] == 0 for number in range(2_500)
    )


@given(st.binary(max_size=60))
def test_enciphered_content_comes_back_whole(content: bytes) -> None:
    session = Ev1Session(KEY)
    session.wrap(0xBD, b"\x01", b"", CommMode.FULL)

    assert session.unwrap(_ev1_answer(content), CommMode.FULL, size=len(content)) == content


def test_nobody_guesses_where_enciphered_ev1_content_ends() -> None:
    session = Ev1Session(KEY)
    session.wrap(0xBD, b"\x01", b"", CommMode.FULL)

    with pytest.raises(ValueError, match="must be known"):
        session.unwrap(_ev1_answer(bytes(2)), CommMode.FULL)


@given(st.binary(max_size=80), ANY_MODE, st.integers(0, 64))
def test_any_answer_of_a_chip_is_taken_or_distrusted_and_nothing_else(
    answer: bytes, mode: CommMode, size: int
) -> None:
    for session in _sessions():
        session.wrap(0xBD, b"\x01", b"", mode)
        with contextlib.suppress(BandUntrusted):
            session.unwrap(answer, mode, size=size)


@given(st.binary(max_size=80), st.sampled_from([CommMode.MAC, CommMode.FULL]))
def test_no_made_up_answer_passes_for_a_protected_one(answer: bytes, mode: CommMode) -> None:
    for session in _sessions():
        session.wrap(0xBD, b"\x01", b"", mode)
        with pytest.raises(BandUntrusted):
            session.unwrap(answer, mode, size=16)


@settings(max_examples=50)
@given(st.binary(min_size=16, max_size=16), st.data())
def test_one_flipped_bit_ends_the_session_for_good(content: bytes, data: st.DataObject) -> None:
    answer = bytearray(_ev1_answer(content))
    bit = data.draw(st.integers(0, len(answer) * 8 - 1))
    answer[bit // 8] ^= 1 << bit % 8
    session = Ev1Session(KEY)
    session.wrap(0xBD, b"\x01", b"", CommMode.FULL)

    with pytest.raises(BandUntrusted):
        session.unwrap(bytes(answer), CommMode.FULL, size=16)

    with pytest.raises(BandUntrusted) as later:
        session.wrap(0xBD, b"\x01", b"", CommMode.FULL)
    assert later.value.delivery is Delivery.NOT_SENT


def test_a_session_that_is_over_neither_sends_nor_takes_anything() -> None:
    right = _ev2_mac(b"\x00\x01\x00" + TI)
    for session in _sessions():
        session.wrap(0xF5, b"\x01", b"", CommMode.MAC)
        with pytest.raises(BandUntrusted):
            session.unwrap(bytes(8), CommMode.MAC)

        tries: tuple[Callable[[], bytes], ...] = (
            partial(session.wrap, 0xF5, b"\x01", b"", CommMode.MAC),
            partial(session.unwrap, right, CommMode.MAC),
            partial(session.unwrap, b"", CommMode.PLAIN),
        )
        for again in tries:
            with pytest.raises(BandUntrusted, match="over") as later:
                again()
            assert later.value.delivery is Delivery.NOT_SENT


def test_a_session_that_went_on_under_other_keys_is_over_under_its_own() -> None:
    first = Ev2Session(KEYS, TI, counter=3)

    second = first.continued(SessionKeys(enc=KEYS.mac, mac=KEYS.enc))

    assert second.counter == 3
    with pytest.raises(BandUntrusted):
        first.wrap(0xF5, b"\x01", b"", CommMode.MAC)
    with pytest.raises(BandUntrusted):
        first.continued(KEYS)
    assert second.wrap(0xF5, b"\x01", b"", CommMode.MAC)


@pytest.mark.parametrize("mode", [CommMode.PLAIN, CommMode.MAC])
@pytest.mark.parametrize("size", [0, 15, 17])
def test_an_answer_of_another_size_ends_the_session_though_its_mac_holds(
    mode: CommMode, size: int
) -> None:
    content = b"sixteen letters!"
    mac = _ev2_mac(b"\x00\x01\x00" + TI + content)
    session = Ev2Session(KEYS, TI)
    session.wrap(0xBD, b"\x01", b"", mode)

    with pytest.raises(BandUntrusted) as caught:
        session.unwrap(content + (b"" if mode is CommMode.PLAIN else mac), mode, size=size)

    assert caught.value.delivery is Delivery.UNKNOWN
    with pytest.raises(BandUntrusted, match="over"):
        session.wrap(0xBD, b"\x01", b"", mode)


def test_an_answer_of_the_last_command_does_not_pass_for_one_of_this() -> None:
    session = Ev2Session(KEYS, TI)
    first = _ev2_mac(b"\x00\x01\x00" + TI)
    session.wrap(0xF5, b"\x01", b"", CommMode.MAC)
    assert session.unwrap(first, CommMode.MAC) == b""
    session.wrap(0xF5, b"\x01", b"", CommMode.MAC)

    with pytest.raises(BandUntrusted):
        session.unwrap(first, CommMode.MAC)


def _ev2_mac(content: bytes) -> bytes:
    return cmac(KEYS.mac, content)[1::2]


def test_macs_are_compared_in_constant_time(monkeypatch: pytest.MonkeyPatch) -> None:
    compared = []

    def compare(left: bytes, right: bytes) -> bool:
        compared.append((left, right))
        return left == right

    monkeypatch.setattr(hmac, "compare_digest", compare)

    for session in _sessions():
        session.wrap(0xBD, b"\x01", b"", CommMode.MAC)
        with pytest.raises(BandUntrusted):
            session.unwrap(bytes(8), CommMode.MAC)

    assert [left for left, _ in compared] == [bytes(8), bytes(8)]


def test_no_key_is_in_what_a_session_says_of_itself() -> None:
    said = "".join(repr(each) for each in (*_sessions(), KEYS))

    assert KEY.hex() not in said
    assert repr(KEY)[2:-1] not in said
    assert repr(KEYS.mac)[2:-1] not in said


@pytest.mark.parametrize("size", [0, 32])
def test_an_input_the_key_derivation_cannot_take_is_refused(size: int) -> None:
    with pytest.raises(ValueError, match="1 to 31 bytes"):
        diversified(KEY, bytes(size))


@pytest.mark.parametrize(
    "plain", [bytes(16), b"x" * 16, b"\x80" + bytes(31), b"x" * 15 + b"\x81"]
)
def test_padding_that_is_none_is_not_trusted_though_its_mac_holds(plain: bytes) -> None:
    session, counter = Ev2Session(KEYS, TI), (1).to_bytes(2, "little")
    session.wrap(0xAD, b"\x03", b"", CommMode.FULL)
    iv = Aes(KEYS.enc).block(b"\x5a\xa5" + TI + counter + bytes(8))
    enciphered = encrypted(KEYS.enc, plain, iv)
    mac = truncated(cmac(KEYS.mac, b"\x00" + counter + TI + enciphered))

    with pytest.raises(BandUntrusted, match="padding"):
        session.unwrap(enciphered + mac, CommMode.FULL)


def test_half_a_block_is_not_trusted_though_its_mac_holds() -> None:
    session, half = Ev2Session(KEYS, TI), b"x" * 8
    session.wrap(0xAD, b"\x03", b"", CommMode.FULL)
    mac = truncated(cmac(KEYS.mac, b"\x00" + (1).to_bytes(2, "little") + TI + half))

    with pytest.raises(BandUntrusted):
        session.unwrap(half + mac, CommMode.FULL)


def test_ev2_stops_before_its_command_counter_runs_over() -> None:
    session = Ev2Session(KEYS, TI, counter=0xFFFF)

    for _ in range(2):
        with pytest.raises(BandUntrusted) as run_out:
            session.wrap(0xF5, b"", b"", CommMode.MAC)

        assert run_out.value.delivery is Delivery.NOT_SENT
    with pytest.raises(BandUntrusted, match="over"):
        session.unwrap(b"", CommMode.PLAIN)


def test_what_is_enciphered_for_a_chip_is_no_longer_readable() -> None:
    content = b"a name and a UID"

    for session in _sessions():
        sent = session.wrap(0x3D, b"\x02", content, CommMode.FULL)
        assert sent[:1] == b"\x02"
        assert content not in sent
    assert decrypted(KEY, encrypted(KEY, content)) == content


BLOCKS = st.integers(1, 6).flatmap(lambda n: st.binary(min_size=16 * n, max_size=16 * n))


@given(st.binary(min_size=16, max_size=16), st.binary(min_size=16, max_size=16), BLOCKS)
def test_chains_of_blocks_are_those_of_the_library(
    key: bytes, iv: bytes, content: bytes
) -> None:
    aes = Aes(key)

    enciphered = aes.encrypted(content, iv)

    assert messaging.decrypted(key, iv, enciphered) == content
    assert aes.decrypted(enciphered, iv) == content
    assert aes.encrypted(content, iv) == enciphered


@given(st.binary(min_size=16, max_size=16), st.binary(max_size=70))
def test_a_cmac_is_that_of_the_library(key: bytes, content: bytes) -> None:
    expected = messaging.cmac(key, content)

    assert Cmac(Aes(key)).over(content) == expected
    assert Cmac(Aes(key)).over(content, iv=bytes(16)) == expected, "made of blocks"


@pytest.mark.parametrize("size", [0, 1, 15, 17])
def test_what_is_not_whole_blocks_is_our_mistake(size: int) -> None:
    with pytest.raises(ValueError, match="whole blocks"):
        Aes(KEY).encrypted(bytes(size))
    with pytest.raises(ValueError, match="whole blocks"):
        Aes(KEY).decrypted(bytes(size))


def test_no_cipher_says_its_key() -> None:
    shown = f"{Aes(KEY)!r} {Cmac(Aes(KEY))!r} {KEYS!r}"

    assert KEY.hex() not in shown
    assert repr(KEY)[2:-1] not in shown
