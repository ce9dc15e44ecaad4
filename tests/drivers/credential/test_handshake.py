"""The sums of an authentication: what passes for an answer, and what never does."""

import contextlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drivers.credential.des import TripleDes
from drivers.credential.handshake import (
    Answered,
    Ev2Ahead,
    answered,
    check,
    ev2_opened,
    ev2_rekeyed,
)
from drivers.credential.kdf import Aes, BlockCipher
from drivers.errors import BandMalformed, BandUntrusted, Delivery

KEY = bytes(range(16))
RND_A = bytes(range(0x40, 0x50))
RND_B = bytes(range(0x80, 0x90))
TI = b"\x9d\x00\xc4\xdf"
CIPHERS = [(Aes(KEY), 16), (TripleDes(KEY), 8), (TripleDes(bytes(range(24))), 16)]
SIZED = pytest.mark.parametrize(("cipher", "size"), CIPHERS)


def _started(cipher: BlockCipher, size: int, *, is_chained: bool) -> tuple[Answered, bytes]:
    """A challenge answered, and the chip's right last message."""
    so_far = answered(
        cipher, cipher.encrypted(RND_B[:size]), RND_A[:size], is_chained=is_chained
    )
    turned = so_far.rnd_a[1:] + so_far.rnd_a[:1]
    return so_far, cipher.encrypted(turned, so_far.chain)


@SIZED
@pytest.mark.parametrize("is_chained", [True, False])
def test_who_holds_the_key_passes(cipher: BlockCipher, size: int, is_chained: bool) -> None:
    so_far, last = _started(cipher, size, is_chained=is_chained)

    check(cipher, so_far, last)

    assert so_far.rnd_b == RND_B[:size]


@SIZED
@pytest.mark.parametrize("turns", [0, 2, -1])
def test_a_random_number_turned_the_wrong_way_does_not_pass(
    cipher: BlockCipher, size: int, turns: int
) -> None:
    so_far, _ = _started(cipher, size, is_chained=True)
    turned = so_far.rnd_a[turns:] + so_far.rnd_a[:turns]

    with pytest.raises(BandUntrusted) as caught:
        check(cipher, so_far, cipher.encrypted(turned, so_far.chain))

    assert caught.value.delivery is Delivery.UNKNOWN


@SIZED
@pytest.mark.parametrize("is_chained", [True, False])
def test_nothing_that_was_sent_passes_when_it_is_sent_back(
    cipher: BlockCipher, size: int, is_chained: bool
) -> None:
    so_far, _ = _started(cipher, size, is_chained=is_chained)
    challenge = cipher.encrypted(RND_B[:size])
    ends = range(0, len(so_far.token) - size + 1, cipher.size)

    for mirrored in (challenge, *(so_far.token[at : at + size] for at in ends)):
        with pytest.raises(BandUntrusted):
            check(cipher, so_far, mirrored)


def test_our_own_challenge_sent_back_as_theirs_opens_nothing() -> None:
    cipher = Aes(KEY)
    ours = cipher.encrypted(RND_A)

    so_far = answered(cipher, ours, RND_A, is_chained=False)

    for last in (ours, so_far.token[:16], so_far.token[16:]):
        with pytest.raises(BandUntrusted):
            check(cipher, so_far, last)
    with pytest.raises(BandUntrusted):
        ev2_opened(cipher, so_far, so_far.token)


def test_the_session_of_a_chip_is_that_of_both_numbers() -> None:
    cipher = Aes(KEY)
    so_far, last = _started(cipher, 16, is_chained=False)
    whole = TI + RND_A[1:] + RND_A[:1] + bytes(12)

    opened = ev2_opened(cipher, so_far, cipher.encrypted(whole))

    assert opened.ti == TI
    assert opened.keys == ev2_rekeyed(cipher, so_far, last)
    assert opened.keys.enc != opened.keys.mac
    assert TI.hex() not in repr(opened)


@pytest.mark.parametrize("is_ahead", [True, False])
def test_an_answer_half_made_ahead_is_the_one_made_at_once(is_ahead: bool) -> None:
    cipher, drawn = Aes(KEY), [RND_A]
    ahead = Ev2Ahead(cipher, lambda _: drawn.pop())
    if is_ahead:
        ahead.begin()

    token = ahead.token(cipher.encrypted(RND_B))

    so_far, _ = _started(cipher, 16, is_chained=False)
    assert token == so_far.token
    assert drawn == []


@settings(max_examples=50)
@given(st.binary(max_size=48), st.booleans())
def test_ciphers_made_ahead_open_nothing_for_a_made_up_last_message(
    last: bytes, is_ready: bool
) -> None:
    ahead = Ev2Ahead(Aes(KEY), lambda _: RND_A)
    ahead.token(Aes(KEY).encrypted(RND_B))
    if is_ready:
        ahead.go_on()

    with pytest.raises((BandUntrusted, BandMalformed)):
        ahead.opened(last)


@pytest.mark.parametrize("size", [0, 8, 15, 17, 32])
def test_a_challenge_of_another_size_is_not_answered(size: int) -> None:
    ahead = Ev2Ahead(Aes(KEY), lambda _: RND_A)
    ahead.begin()

    with pytest.raises(BandMalformed):
        ahead.token(bytes(size))


@SIZED
@pytest.mark.parametrize("change", [-16, -8, -1, 1, 8, 16])
def test_messages_of_another_size_are_malformed(
    cipher: BlockCipher, size: int, change: int
) -> None:
    so_far, _ = _started(cipher, size, is_chained=True)
    wrong = bytes(max(0, size + change))

    with pytest.raises(BandMalformed):
        answered(cipher, wrong, RND_A[:size], is_chained=True)
    with pytest.raises(BandMalformed):
        check(cipher, so_far, wrong)


@settings(max_examples=200)
@given(st.binary(max_size=48))
def test_no_made_up_last_message_passes(last: bytes) -> None:
    cipher = Aes(KEY)
    so_far, _ = _started(cipher, 16, is_chained=False)

    for opens in (check, ev2_opened, ev2_rekeyed):
        with pytest.raises((BandUntrusted, BandMalformed)):
            opens(cipher, so_far, last)


def test_nothing_of_a_handshake_is_shown() -> None:
    so_far, _ = _started(Aes(KEY), 16, is_chained=True)

    shown = repr(so_far)

    for secret in (so_far.rnd_a, so_far.rnd_b, so_far.token, so_far.chain):
        assert secret.hex() not in shown
        assert repr(secret)[2:-1] not in shown
    with contextlib.suppress(BandUntrusted):
        check(Aes(KEY), so_far, bytes(16))
