"""The leakage resilient primitive and its messages, beyond the published answers."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drivers.credential.layout import CommMode
from drivers.credential.lrp import LrpKey
from drivers.credential.lrp_session import (
    CAPABILITIES,
    LrpHandshake,
    LrpSession,
    session_pair,
)
from drivers.credential.session import COUNTER_MAX, truncated
from drivers.errors import BandMalformed, BandUntrusted, Delivery

KEY, RND_A, RND_B = bytes(16), bytes(range(16)), bytes(range(16, 32))
TI = b"\x01\x02\x03\x04"


def _session(*, counter: int = 0) -> LrpSession:
    mac, enc = session_pair(KEY, RND_A, RND_B)
    return LrpSession(mac, enc, TI, counter=counter, enc_counter=1)


def _last(*, echoed: bytes = CAPABILITIES) -> bytes:
    """What a chip that holds the key sends at the end of a first authentication."""
    mac, enc = session_pair(KEY, RND_A, RND_B)
    enciphered = enc.enciphered(TI + bytes(6) + echoed, bytes(4))
    return enciphered + mac.mac(RND_B + RND_A + enciphered)


@settings(max_examples=20)
@given(st.integers(1, 4), st.integers(1, 8), st.data())
def test_what_is_enciphered_is_deciphered(
    n_blocks: int, width: int, data: st.DataObject
) -> None:
    plain = data.draw(st.binary(min_size=16 * n_blocks, max_size=16 * n_blocks))
    counter = data.draw(st.binary(min_size=width, max_size=width))
    key = LrpKey.of(KEY)

    assert key.deciphered(key.enciphered(plain, counter), counter) == plain


def test_counter_goes_on_from_block_to_block_and_over_its_end() -> None:
    key, block = LrpKey.of(KEY), bytes(16)

    both = key.enciphered(block + block, b"\xff\xff")

    assert both == key.enciphered(block, b"\xff\xff") + key.enciphered(block, b"\x00\x00")


@pytest.mark.parametrize("content", [b"", b"x", bytes(17)])
def test_half_a_block_is_our_own_mistake(content: bytes) -> None:
    with pytest.raises(ValueError, match="whole blocks"):
        LrpKey.of(KEY).enciphered(content, b"\x00")


def test_macs_of_whole_and_padded_messages_differ() -> None:
    key = LrpKey.of(KEY)
    messages = [b"", b"\x80", b"\x80" + bytes(15), bytes(16), bytes(17), bytes(32)]

    assert len({key.mac(message) for message in messages}) == len(messages)


def test_chip_that_holds_the_key_opens_a_session() -> None:
    session = LrpHandshake(KEY, RND_A, RND_B).first(_last())

    assert (session.ti, session.counter) == (TI, 0)


@pytest.mark.parametrize("at", [0, 15, 16, 31])
def test_chip_that_does_not_hold_the_key_opens_none(at: int) -> None:
    last = _last()
    last = last[:at] + bytes((last[at] ^ 1,)) + last[at + 1 :]

    with pytest.raises(BandUntrusted):
        LrpHandshake(KEY, RND_A, RND_B).first(last)


def test_chip_that_was_asked_for_something_else_opens_none() -> None:
    """Who stands between may not talk the chip into another mode."""
    with pytest.raises(BandUntrusted):
        LrpHandshake(KEY, RND_A, RND_B).first(_last(echoed=bytes(6)))


def test_our_own_answer_sent_back_opens_none() -> None:
    handshake = LrpHandshake(KEY, RND_A, RND_B)

    with pytest.raises(BandUntrusted):
        handshake.first(handshake.token)


@pytest.mark.parametrize("size", [0, 16, 31, 33])
def test_last_message_of_another_size_is_malformed(size: int) -> None:
    with pytest.raises(BandMalformed):
        LrpHandshake(KEY, RND_A, RND_B).first(bytes(size))
    with pytest.raises(BandMalformed):
        LrpHandshake(KEY, RND_A, RND_B).following(bytes(size + 1), _session())


def test_session_that_was_continued_is_over() -> None:
    session = _session(counter=5)
    mac, enc = session_pair(KEY, RND_B, RND_A)

    continued = session.continued(mac, enc)

    assert continued.counter == 5
    with pytest.raises(BandUntrusted) as caught:
        session.wrap(0xAD, b"", b"", CommMode.MAC)
    assert caught.value.delivery is Delivery.NOT_SENT


@pytest.mark.parametrize("mode", [CommMode.MAC, CommMode.FULL])
@pytest.mark.parametrize("answer", [b"", bytes(8), bytes(7), bytes(24), bytes(40)])
def test_answer_without_a_good_mac_ends_the_session(mode: CommMode, answer: bytes) -> None:
    session = _session()
    session.wrap(0xAD, b"\x03", b"", mode)

    with pytest.raises(BandUntrusted):
        session.unwrap(answer, mode)

    with pytest.raises(BandUntrusted):
        session.wrap(0xAD, b"\x03", b"", mode)


def _chip_answer(plain: bytes, *, counter: int = 1, enc_counter: int = 1) -> bytes:
    """What the chip sends for already padded content."""
    mac, enc = session_pair(KEY, RND_A, RND_B)
    enciphered = enc.enciphered(plain, enc_counter.to_bytes(4, "big")) if plain else b""
    protected = b"\x00" + counter.to_bytes(2, "little") + TI + enciphered
    return enciphered + truncated(mac.mac(protected))


@pytest.mark.parametrize(
    "plain", [bytes(16), b"x" * 16, b"\x80" + bytes(31), b"x" * 15 + b"\x81"]
)
def test_padding_that_is_none_is_not_trusted(plain: bytes) -> None:
    session = _session()
    session.wrap(0xAD, b"\x03", b"", CommMode.FULL)

    with pytest.raises(BandUntrusted):
        session.unwrap(_chip_answer(plain), CommMode.FULL)


def test_half_a_block_is_not_trusted_though_its_mac_holds() -> None:
    session, (mac, _) = _session(), session_pair(KEY, RND_A, RND_B)
    session.wrap(0xAD, b"\x03", b"", CommMode.FULL)
    half = b"x" * 8
    protected = b"\x00" + (1).to_bytes(2, "little") + TI + half

    with pytest.raises(BandUntrusted):
        session.unwrap(half + truncated(mac.mac(protected)), CommMode.FULL)


def test_content_of_another_size_is_not_trusted() -> None:
    session = _session()
    session.wrap(0xAD, b"\x03", b"", CommMode.FULL)

    with pytest.raises(BandUntrusted):
        session.unwrap(_chip_answer(b"abc\x80" + bytes(12)), CommMode.FULL, size=4)


def test_plain_commands_count_too() -> None:
    session = _session()
    session.wrap(0xAD, b"\x02", b"", CommMode.PLAIN)
    session.unwrap(b"free", CommMode.PLAIN)
    session.wrap(0xAD, b"\x03", b"", CommMode.FULL)

    content = session.unwrap(_chip_answer(b"abc\x80" + bytes(12), counter=2), CommMode.FULL)

    assert (content, session.counter) == (b"abc", 2)


def test_session_that_has_run_out_sends_nothing() -> None:
    session = _session(counter=COUNTER_MAX)

    with pytest.raises(BandUntrusted) as caught:
        session.wrap(0xAD, b"", b"", CommMode.MAC)

    assert caught.value.delivery is Delivery.NOT_SENT


def test_nothing_with_a_key_in_it_prints_it() -> None:
    shown = repr((LrpKey.of(KEY), LrpHandshake(KEY, RND_A, RND_B), _session()))

    assert shown == "(LrpKey(<hidden>), LrpHandshake(<hidden>), LrpSession(<hidden>))"
