"""The MACs of Ultralight AES, and what follows from K_band on bands with pages."""

import pytest

from drivers.credential.kdf import cmac
from drivers.credential.mful import MfulSession
from drivers.credential.places import password_of, sun_key_of
from drivers.errors import BandUntrusted, Delivery

KEY = bytes(range(16))


def _mac(counter: int, content: bytes) -> bytes:
    """As the data sheet says it, from scratch."""
    return cmac(KEY, counter.to_bytes(2, "little") + content)[1::2]


def test_commands_and_answers_are_counted_alike() -> None:
    session = MfulSession(KEY)

    for counter in (0, 2, 4):
        assert session.wrap(b"\x30\x04") == b"\x30\x04" + _mac(counter, b"\x30\x04")
        assert session.unwrap(b"answer" + _mac(counter + 1, b"answer")) == b"answer"


def test_acknowledgement_is_the_mac_alone() -> None:
    session = MfulSession(KEY)
    session.wrap(b"\xa2\x04abcd")

    assert session.unwrap(_mac(1, b"")) == b""


@pytest.mark.parametrize("answer", [b"", b"\x0a", bytes(7), bytes(8), b"x" * 24, _mac(0, b"")])
def test_wrong_mac_ends_the_session(answer: bytes) -> None:
    session = MfulSession(KEY)
    session.wrap(b"\x30\x04")

    with pytest.raises(BandUntrusted) as caught:
        session.unwrap(answer)

    assert caught.value.delivery is Delivery.UNKNOWN
    with pytest.raises(BandUntrusted) as caught:
        session.wrap(b"\x30\x04")
    assert caught.value.delivery is Delivery.NOT_SENT


def test_session_ends_before_its_counter_runs_over() -> None:
    session = MfulSession(KEY)
    session._counter = 0xFFFE
    session.wrap(b"\x30\x04")
    session.unwrap(_mac(0xFFFF, b""))

    with pytest.raises(BandUntrusted):
        session.wrap(b"\x30\x04")


def test_session_does_not_print_its_key() -> None:
    assert repr(MfulSession(KEY)) == "MfulSession(<hidden>)"


def test_keys_that_follow_from_a_lease_are_all_different() -> None:
    password, answer = password_of(KEY)

    assert (len(password), len(answer), len(sun_key_of(KEY))) == (4, 2, 16)
    assert sun_key_of(KEY) != KEY
    assert sun_key_of(KEY) != sun_key_of(KEY[::-1])
    assert password not in sun_key_of(KEY)
