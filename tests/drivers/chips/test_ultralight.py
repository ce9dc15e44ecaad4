"""Ultralight AES and Ultralight C: our drivers against the virtual chips."""

from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drivers.chips.desfire import KeyRefused
from drivers.chips.type2 import challenge
from drivers.chips.ultralight_aes import Protection, UltralightAes, protection_of
from drivers.chips.ultralight_c import UltralightC
from drivers.credential.originality import is_signed
from drivers.credential.places import (
    CAPSULE_PAGE,
    CAPSULE_SIZE_PAGES,
    MFUL_BAND,
    MFUL_UID,
    REFERENCE_PAGE,
    USES_COUNTER,
)
from drivers.errors import (
    BandError,
    BandLeft,
    BandMalformed,
    BandRefused,
    BandSilent,
    BandUnsupported,
    BandUntrusted,
    Delivery,
)
from hardware.entropy import SeededEntropy
from hardware.virtual.originality import ULTRALIGHT_AES_TEST_KEY
from hardware.virtual.ultralight_aes import VirtualUltralightAes
from hardware.virtual.ultralight_c import VirtualUltralightC
from tests.support.bands import GROUP_KEY, REFERENCE, UID, band_key
from tests.support.chip_bands import (
    CAPSULE,
    Spoil,
    Type2Connection,
    ntag21x,
    ultralight_aes,
    ultralight_c,
)

KEY = band_key(UID)


def _aes(
    band: VirtualUltralightAes | None = None, spoil: Spoil | None = None
) -> tuple[UltralightAes, Type2Connection]:
    connection = Type2Connection((band or ultralight_aes()).power_up(), spoil)
    return UltralightAes(connection, SeededEntropy("reader")), connection


def _c(
    band: VirtualUltralightC | None = None, spoil: Spoil | None = None
) -> tuple[UltralightC, Type2Connection]:
    connection = Type2Connection((band or ultralight_c()).power_up(), spoil)
    return UltralightC(connection, SeededEntropy("reader")), connection


def test_leased_ultralight_aes_is_proved_and_read_in_four_exchanges() -> None:
    chip, connection = _aes()

    chip.authenticate(MFUL_BAND, KEY)
    reference = chip.read(REFERENCE_PAGE)
    uses = chip.read_counter(USES_COUNTER)

    assert (reference, uses, chip.has_macs) == (REFERENCE, 0, True)
    assert len(connection.sent) == 4


def test_ultralight_aes_with_a_random_uid_tells_it_to_the_group_key() -> None:
    chip, connection = _aes(ultralight_aes(is_random=True))

    chip.authenticate(MFUL_UID, GROUP_KEY)
    uid = chip.uid()
    chip.authenticate(MFUL_BAND, band_key(uid))

    assert (uid, chip.read(REFERENCE_PAGE)) == (UID, REFERENCE)
    assert len(connection.sent) == 6


def test_capsule_on_pages_is_read_whole() -> None:
    chip, connection = _aes()
    chip.authenticate(MFUL_BAND, KEY)

    content = chip.read_pages(CAPSULE_PAGE, CAPSULE_SIZE_PAGES // 4)

    assert content == CAPSULE.ljust(CAPSULE_SIZE_PAGES, b"\0")
    assert len(connection.sent) == 3


def test_which_ultralight_it_is_shows_in_its_challenge() -> None:
    of_aes = Type2Connection(ultralight_aes().power_up())
    of_c = Type2Connection(ultralight_c().power_up())

    asked_aes, asked_c = challenge(of_aes, 0), challenge(of_c, 0)
    chip_aes = UltralightAes(of_aes, SeededEntropy("reader"))
    chip_c = UltralightC(of_c, SeededEntropy("reader"))
    chip_aes.authenticate(MFUL_BAND, KEY, asked=asked_aes)
    chip_c.authenticate(KEY, asked=asked_c)

    assert (len(asked_aes), len(asked_c)) == (16, 8)
    assert chip_aes.read(REFERENCE_PAGE) == chip_c.read(REFERENCE_PAGE) == REFERENCE
    assert len(of_aes.sent) == len(of_c.sent) == 3


def test_chip_without_keys_has_no_challenge() -> None:
    connection = Type2Connection(ntag21x().power_up())

    with pytest.raises((BandSilent, BandRefused)):
        challenge(connection, 0)


def test_challenge_of_another_kind_of_chip_is_not_answered() -> None:
    chip_aes, chip_c = _aes()[0], _c()[0]

    with pytest.raises(BandUnsupported):
        chip_aes.authenticate(MFUL_BAND, KEY, asked=bytes(8))
    with pytest.raises(BandUnsupported):
        chip_c.authenticate(KEY, asked=bytes(16))


def test_wrong_key_is_refused_by_an_ultralight_aes() -> None:
    chip, _ = _aes()

    with pytest.raises(KeyRefused):
        chip.authenticate(MFUL_BAND, bytes(16))

    assert not chip.has_macs
    with pytest.raises(TypeError):
        chip.read(REFERENCE_PAGE)


def test_wrong_key_is_refused_by_an_ultralight_c() -> None:
    chip, _ = _c()

    with pytest.raises(KeyRefused):
        chip.authenticate(bytes(16))


def _second(change: bytes) -> Spoil:
    """Put `change` in the place of the second answer."""
    return lambda number, answer: change if number == 2 else answer


def test_ultralight_aes_that_does_not_hold_the_key_is_not_trusted() -> None:
    chip, _ = _aes(spoil=_second(b"\x00" + bytes(16)))

    with pytest.raises(BandUntrusted):
        chip.authenticate(MFUL_BAND, KEY)


def test_ultralight_c_that_does_not_hold_the_key_is_not_trusted() -> None:
    chip, _ = _c(spoil=_second(b"\x00" + bytes(8)))

    with pytest.raises(BandUntrusted):
        chip.authenticate(KEY)


@pytest.mark.parametrize("last", [b"\x01" + bytes(16), b"\x00" + bytes(15), b"\x00\x00"])
def test_last_message_that_does_not_parse_is_malformed(last: bytes) -> None:
    chip, _ = _aes(spoil=_second(last))

    with pytest.raises(BandMalformed):
        chip.authenticate(MFUL_BAND, KEY)


@pytest.mark.parametrize(
    "change",
    [
        lambda answer: answer[:-1] + bytes((answer[-1] ^ 1,)),
        lambda answer: bytes((answer[0] ^ 1,)) + answer[1:],
        lambda answer: answer[:16],
        lambda answer: answer[:4] + answer[-8:],
    ],
    ids=["MAC", "content", "no MAC", "cut"],
)
def test_falsified_answer_of_an_ultralight_aes_is_not_trusted(change) -> None:  # type: ignore[no-untyped-def]
    chip, _ = _aes(spoil=lambda number, answer: change(answer) if number == 3 else answer)
    chip.authenticate(MFUL_BAND, KEY)

    with pytest.raises(BandUntrusted):
        chip.read(REFERENCE_PAGE)

    with pytest.raises(TypeError):
        chip.read(REFERENCE_PAGE)


def test_answer_of_an_earlier_read_is_not_trusted() -> None:
    answers: list[bytes | None] = []

    def spoil(number: int, answer: bytes | None) -> bytes | None:
        answers.append(answer)
        return answers[2] if number == 4 else answer

    chip, _ = _aes(spoil=spoil)
    chip.authenticate(MFUL_BAND, KEY)
    chip.read(REFERENCE_PAGE)

    with pytest.raises(BandUntrusted):
        chip.read(REFERENCE_PAGE)


def test_refusal_of_an_ultralight_aes_ends_the_session() -> None:
    chip, _ = _aes(ultralight_aes(is_random=True))
    chip.authenticate(MFUL_UID, GROUP_KEY)

    with pytest.raises(BandRefused) as caught:
        chip.write(REFERENCE_PAGE, b"abcd")

    assert caught.value.delivery is Delivery.REFUSED
    assert not chip.has_macs


def test_use_is_counted_and_never_taken_back() -> None:
    band = ultralight_aes()
    chip, _ = _aes(band)
    chip.authenticate(MFUL_BAND, KEY)

    chip.add(USES_COUNTER)
    chip.add(USES_COUNTER, 2)
    chip.add(USES_COUNTER, 0)

    assert chip.read_counter(USES_COUNTER) == 3
    chip, _ = _aes(band)
    chip.authenticate(MFUL_BAND, KEY)
    assert chip.read_counter(USES_COUNTER) == 3


@pytest.mark.parametrize("is_answer_lost", [False, True])
def test_torn_use_is_done_or_not_done_and_the_counter_says_which(is_answer_lost: bool) -> None:
    band = ultralight_aes()
    torn = 3

    class Torn(Type2Connection):
        def transmit(self, command: bytes) -> bytes:
            if len(self.sent) == torn - 1:
                if is_answer_lost:
                    super().transmit(command)
                raise BandLeft("torn")
            return super().transmit(command)

    chip = UltralightAes(Torn(band.power_up()), SeededEntropy("reader"))
    chip.authenticate(MFUL_BAND, KEY)

    with pytest.raises(BandLeft) as caught:
        chip.add(USES_COUNTER)

    again, _ = _aes(band)
    again.authenticate(MFUL_BAND, KEY)
    assert caught.value.delivery is Delivery.UNKNOWN
    assert again.read_counter(USES_COUNTER) == int(is_answer_lost)


def test_counter_that_would_run_over_is_refused() -> None:
    chip, _ = _aes()
    chip.authenticate(MFUL_BAND, KEY)
    chip.add(USES_COUNTER, 0xFFFFFF)

    with pytest.raises(BandRefused) as caught:
        chip.add(USES_COUNTER)

    assert caught.value.status == 0x04


def test_fresh_ultralight_aes_is_set_up_and_read_as_a_band_of_ours() -> None:
    band = VirtualUltralightAes(uid=UID, entropy=SeededEntropy("fresh"))
    wanted = Protection(
        has_random_uid=True,
        has_macs=True,
        first_page=0x04,
        needs_key_to_read=True,
        fails_max=256,
    )
    station, _ = _aes(band)
    station.authenticate(MFUL_BAND, bytes(16), has_macs=False)

    station.write_pages(REFERENCE_PAGE, REFERENCE)
    station.write_key(MFUL_UID, GROUP_KEY)
    station.write_key(MFUL_BAND, KEY)
    station.lock_keys()
    station.protect(wanted)

    chip, connection = _aes(band)
    assert connection._chip.anticollision.uid[0] == 0x08
    chip.authenticate(MFUL_UID, GROUP_KEY)
    assert chip.uid() == UID
    chip.authenticate(MFUL_BAND, KEY)
    assert chip.read(REFERENCE_PAGE) == REFERENCE
    assert chip.protection() == wanted
    with pytest.raises(BandRefused):
        chip.write_key(MFUL_BAND, bytes(16))


def test_reading_without_a_key_is_refused() -> None:
    connection = Type2Connection(ultralight_aes().power_up())
    chip = UltralightAes(connection, SeededEntropy("reader"))

    with pytest.raises(BandRefused):
        chip.read(REFERENCE_PAGE)


def test_signature_of_an_ultralight_aes_is_read_in_a_session() -> None:
    chip, _ = _aes()
    chip.authenticate(MFUL_BAND, KEY)

    signature = chip.signature()

    assert is_signed(ULTRALIGHT_AES_TEST_KEY.public, UID, signature)


def test_leased_ultralight_c_is_proved_and_read_in_four_exchanges() -> None:
    chip, connection = _c()

    chip.authenticate(KEY)
    reference = chip.read(REFERENCE_PAGE)
    uses = chip.read_counter()

    assert (reference, uses) == (REFERENCE, 0)
    assert len(connection.sent) == 4


def test_use_of_an_ultralight_c_is_counted() -> None:
    band = ultralight_c()
    chip, _ = _c(band)
    chip.authenticate(KEY)

    chip.add()
    chip.add(15)

    assert chip.read_counter() == 16


def test_fresh_ultralight_c_is_set_up_and_read_as_a_band_of_ours() -> None:
    band = VirtualUltralightC(uid=UID, entropy=SeededEntropy("fresh"))
    station, _ = _c(band)

    for at in range(4):
        station.write(REFERENCE_PAGE + at, REFERENCE[4 * at : 4 * at + 4])
    station.write_key(KEY)
    station.protect(REFERENCE_PAGE, needs_key_to_read=True)

    chip, connection = _c(band)
    with pytest.raises(BandRefused):
        chip.read(REFERENCE_PAGE)
    chip.authenticate(KEY)
    assert chip.read(REFERENCE_PAGE) == REFERENCE
    assert connection.sent[-1] == bytes((0x30, REFERENCE_PAGE))


@settings(max_examples=80, deadline=None)
@given(st.lists(st.binary(max_size=40), min_size=1, max_size=4))
def test_whatever_a_chip_answers_only_errors_of_ours_are_raised(answers: list[bytes]) -> None:
    class Foreign:
        generation = 1
        n_sent = 0

        def transmit(self, command: bytes) -> bytes:
            self.n_sent += 1
            return answers[self.n_sent % len(answers)]

    connection = Foreign()
    of_aes = UltralightAes(connection, SeededEntropy("reader"))
    of_c = UltralightC(connection, SeededEntropy("reader"))

    for ask in (
        of_aes.uid,
        lambda: of_aes.authenticate(0, KEY),
        lambda: of_c.authenticate(KEY),
        lambda: UltralightAes(connection, SeededEntropy("other")).protection(),
        lambda: UltralightAes(connection, SeededEntropy("other")).add(0),
        of_c.read_counter,
        of_c.version,
        of_c.signature,
        of_c.ndef,
    ):
        try:
            ask()
        except BandError:
            continue

    assert connection.n_sent < 100


def test_pages_of_protection_are_those_of_the_data_sheet() -> None:
    wanted = Protection(
        has_random_uid=True,
        has_macs=True,
        first_page=0x10,
        needs_key_to_read=True,
        fails_max=0x102,
        is_counter_free=True,
    )

    assert wanted.security_page() == bytes.fromhex("03000010")
    assert wanted.protection_page() == bytes.fromhex("8C050201")
    assert protection_of(wanted.security_page() + wanted.protection_page()) == wanted
    with pytest.raises(BandMalformed):
        protection_of(wanted.security_page() + wanted.protection_page()[:3])


@pytest.mark.parametrize(("number", "amount"), [(3, 1), (-1, 1), (2, -1), (2, 1 << 24)])
def test_counter_that_is_not_there_is_our_own_mistake(number: int, amount: int) -> None:
    chip, connection = _aes()
    chip.authenticate(MFUL_BAND, KEY)
    n_before = len(connection.sent)

    with pytest.raises(ValueError, match="counter"):
        chip.add(number, amount)

    assert len(connection.sent) == n_before


def test_bytes_that_do_not_fit_are_our_own_mistake() -> None:
    of_aes, of_c = _aes()[0], _c()[0]

    wrongs: tuple[Callable[[], None], ...] = (
        lambda: of_aes.write(4, b"abc"),
        lambda: of_aes.write_pages(4, b""),
        lambda: of_aes.write_key(0, bytes(15)),
        lambda: of_c.write_key(bytes(15)),
        lambda: of_c.authenticate(bytes(8)),
        lambda: of_c.add(0),
        lambda: of_c.add(16),
        lambda: of_c.write(4, b"abc"),
    )
    for wrong in wrongs:
        with pytest.raises(ValueError, match=r".+"):
            wrong()


@pytest.mark.parametrize("last", [b"\x01" + bytes(8), b"\xaf" + bytes(8), b"\x00" + bytes(7)])
def test_last_message_of_an_ultralight_c_that_does_not_parse_is_malformed(last: bytes) -> None:
    chip, _ = _c(spoil=_second(last))

    with pytest.raises(BandMalformed):
        chip.authenticate(KEY)
