"""NTAG 424 DNA: our driver against the virtual chip, in AES and in LRP mode."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drivers.chips.desfire import KeyRefused
from drivers.chips.ntag424 import Ntag424
from drivers.credential.layout import CommMode
from drivers.credential.originality import is_signed
from drivers.credential.places import (
    CONTENT_FILE,
    NTAG424_APP,
    NTAG424_BAND,
    NTAG424_REFERENCE,
    NTAG424_SPARE,
    NTAG424_SUN,
    NTAG424_UID,
    sun_key_of,
)
from drivers.credential.sdm import Freshness, judged, message_of, verified
from drivers.credential.sdm_file import FREE, FileSettings, SunKeys, link_file
from drivers.errors import (
    BandError,
    BandLeft,
    BandMalformed,
    BandRefused,
    BandUnsupported,
    BandUntrusted,
    Delivery,
    KeyUnknown,
)
from hardware.entropy import SeededEntropy
from hardware.virtual.ntag424 import VirtualNtag424
from hardware.virtual.originality import NTAG424_TEST_KEY
from hardware.virtual.uid_bands import VirtualPhone
from tests.support.bands import GROUP_KEY, REFERENCE, UID, ChipConnection, band_key
from tests.support.chip_bands import CAPSULE, ISSUING_KEYS, LINK, ntag424

HELD = (REFERENCE + CAPSULE).ljust(CONTENT_FILE.size, b"\0")

modes = pytest.mark.parametrize("is_lrp", [False, True], ids=["AES", "LRP"])


def _powered(band: VirtualNtag424, spoil=None) -> tuple[Ntag424, ChipConnection]:  # type: ignore[no-untyped-def]
    connection = ChipConnection(band.power_up(), spoil)
    return Ntag424(connection, SeededEntropy("reader")), connection


@modes
def test_leased_band_is_proved_and_read_in_four_exchanges(is_lrp: bool) -> None:
    chip, connection = _powered(ntag424(is_lrp=is_lrp))

    assert chip.select()
    chip.authenticate_first(NTAG424_BAND, band_key(UID))
    content = chip.read(CONTENT_FILE)

    assert content == HELD
    assert chip.is_lrp is is_lrp
    assert len(connection.sent) == 4


@modes
def test_band_with_a_random_uid_is_proved_in_seven_exchanges(is_lrp: bool) -> None:
    band = ntag424(is_lrp=is_lrp, is_random=True)
    chip, connection = _powered(band)

    assert chip.select()
    chip.authenticate_first(NTAG424_UID, GROUP_KEY)
    uid = chip.card_uid()
    chip.authenticate_following(NTAG424_BAND, band_key(uid))
    reference = chip.read(NTAG424_REFERENCE)

    assert (uid, reference) == (UID, REFERENCE)
    assert len(connection.sent) == 7


@modes
@pytest.mark.parametrize("slot", [NTAG424_APP, NTAG424_SPARE])
def test_wrong_key_is_refused_by_the_chip_and_leaves_no_session(
    is_lrp: bool, slot: int
) -> None:
    chip, _ = _powered(ntag424(is_lrp=is_lrp))
    chip.select()

    with pytest.raises(KeyRefused) as caught:
        chip.authenticate_first(slot, bytes(16))

    assert caught.value.delivery is Delivery.REFUSED
    assert not chip.is_open


@modes
def test_chip_that_does_not_hold_the_key_is_not_trusted(is_lrp: bool) -> None:
    band = ntag424(is_lrp=is_lrp)

    def spoil(number: int, answer: bytes) -> bytes:
        return answer if number != 3 else bytes(len(answer) - 2) + answer[-2:]

    chip, _ = _powered(band, spoil)
    chip.select()

    with pytest.raises(BandUntrusted):
        chip.authenticate_first(NTAG424_BAND, band_key(UID))

    assert not chip.is_open


@modes
def test_challenge_that_is_sent_back_to_the_chip_does_not_open_it(is_lrp: bool) -> None:
    """A chip that reflects what it is sent proves nothing."""
    connection = ChipConnection(ntag424(is_lrp=is_lrp).power_up())
    chip = Ntag424(connection, SeededEntropy("reader"))
    chip.select()
    challenge = chip.begin_first(NTAG424_BAND)

    with pytest.raises(KeyRefused):
        chip.answer_challenge(challenge.random + challenge.random)


@modes
@pytest.mark.parametrize("size", [1, 15, 16, 17, 112])
def test_what_is_written_is_read_back(is_lrp: bool, size: int) -> None:
    band = ntag424(is_lrp=is_lrp)
    chip, _ = _powered(band)
    content = bytes(range(size))
    chip.select()
    chip.authenticate_first(NTAG424_BAND, band_key(UID))

    chip.write(CONTENT_FILE, content, offset=16)
    read = chip.read(CONTENT_FILE, offset=16, size=size)

    assert read == content
    assert bytes(band.contents[3])[:16] == REFERENCE
    assert bytes(band.contents[3])[16 : 16 + size] == content


def test_group_key_reads_but_does_not_write() -> None:
    chip, _ = _powered(ntag424())
    chip.select()
    chip.authenticate_first(NTAG424_UID, GROUP_KEY)
    chip.read(NTAG424_REFERENCE)

    with pytest.raises(BandRefused) as caught:
        chip.write(CONTENT_FILE, b"x", offset=16)

    assert caught.value.delivery is Delivery.REFUSED
    assert not chip.is_open


@modes
def test_torn_answer_leaves_no_session_and_an_unknown_delivery(is_lrp: bool) -> None:
    def spoil(number: int, answer: bytes) -> bytes | None:
        return None if number == 4 else answer

    chip, _ = _powered(ntag424(is_lrp=is_lrp), spoil)
    chip.select()
    chip.authenticate_first(NTAG424_BAND, band_key(UID))

    with pytest.raises(BandLeft) as caught:
        chip.write(CONTENT_FILE, b"x", offset=16)

    assert caught.value.delivery is Delivery.UNKNOWN
    assert not chip.is_open
    with pytest.raises(TypeError):
        chip.read(CONTENT_FILE)


@modes
@pytest.mark.parametrize(
    "spoil",
    [
        lambda answer: answer[:-3] + bytes((answer[-3] ^ 1,)) + answer[-2:],
        lambda answer: bytes((answer[0] ^ 1,)) + answer[1:],
        lambda answer: answer[-2:],
        lambda answer: answer[8:],
        lambda answer: answer[-10:],
    ],
    ids=["MAC", "content", "nothing", "cut", "MAC alone"],
)
def test_falsified_answer_is_not_trusted(is_lrp: bool, spoil) -> None:  # type: ignore[no-untyped-def]
    chip, _ = _powered(
        ntag424(is_lrp=is_lrp), lambda number, answer: spoil(answer) if number == 4 else answer
    )
    chip.select()
    chip.authenticate_first(NTAG424_BAND, band_key(UID))

    with pytest.raises(BandUntrusted):
        chip.read(NTAG424_REFERENCE)

    assert not chip.is_open


@modes
def test_answer_of_an_earlier_command_is_not_trusted(is_lrp: bool) -> None:
    answers: list[bytes] = []

    def spoil(number: int, answer: bytes) -> bytes:
        answers.append(answer)
        return answers[3] if number == 5 else answer

    chip, _ = _powered(ntag424(is_lrp=is_lrp), spoil)
    chip.select()
    chip.authenticate_first(NTAG424_BAND, band_key(UID))
    chip.read(NTAG424_REFERENCE)

    with pytest.raises(BandUntrusted):
        chip.read(NTAG424_REFERENCE)


@modes
def test_sun_message_verifies_with_the_lease_and_is_fresh_once(is_lrp: bool) -> None:
    band = ntag424(is_lrp=is_lrp, counter=41)
    chip, connection = _powered(band)
    chip.select()

    link = chip.read_link()
    sun = verified(
        message_of(link),
        meta_key=GROUP_KEY,
        file_key_of=lambda uid: sun_key_of(band_key(uid)),
    )

    assert link.startswith(LINK + "?e=")
    assert (sun.uid, sun.counter, sun.is_lrp) == (UID, 42, is_lrp)
    assert judged(sun.counter, 41).freshness is Freshness.FRESH
    assert judged(sun.counter, 42).freshness is Freshness.REPEATED
    assert len(connection.sent) == 2


def test_long_link_is_read_in_two_exchanges_and_counts_once() -> None:
    band = ntag424()
    content, sdm = link_file("https://" + "t" * 110, keys=SunKeys(NTAG424_UID, NTAG424_SUN))
    chip, _ = _powered(band)
    chip.select()
    chip.authenticate_first(NTAG424_APP, ISSUING_KEYS[0])
    rights = FileSettings(CommMode.PLAIN, FREE, 0, 0, 0, sdm)
    chip.change_file_settings(2, rights)
    band.contents[2][: len(content)] = content
    chip.close()
    chip.select()

    sun = verified(
        message_of(chip.read_link()),
        meta_key=GROUP_KEY,
        file_key_of=lambda uid: sun_key_of(band_key(uid)),
    )

    assert (sun.uid, sun.counter) == (UID, 1)


@modes
def test_counter_is_told_and_moves_with_every_reading(is_lrp: bool) -> None:
    band = ntag424(is_lrp=is_lrp, counter=6)
    chip, _ = _powered(band)
    chip.select()
    chip.read_link()

    chip.authenticate_first(NTAG424_UID, GROUP_KEY)
    counter = chip.read_counter(2)

    assert counter == 7


@modes
def test_settings_of_a_file_are_read_as_they_were_set(is_lrp: bool) -> None:
    chip, _ = _powered(ntag424(is_lrp=is_lrp))
    _, sdm = link_file("https://other.example", keys=SunKeys(1, 3), is_lrp=is_lrp)
    wanted = FileSettings(CommMode.PLAIN, FREE, NTAG424_APP, NTAG424_APP, 0, sdm, size=256)
    chip.select()
    chip.authenticate_first(NTAG424_APP, ISSUING_KEYS[0])

    chip.change_file_settings(2, wanted)
    read = chip.file_settings(2)

    assert read == wanted


@modes
@pytest.mark.parametrize("slot", [NTAG424_BAND, NTAG424_SPARE])
def test_changed_key_is_the_one_that_opens(is_lrp: bool, slot: int) -> None:
    band = ntag424(is_lrp=is_lrp)
    old, new = band.keys[slot], bytes(range(100, 116))
    chip, _ = _powered(band)
    chip.select()
    chip.authenticate_first(NTAG424_APP, ISSUING_KEYS[0])

    chip.change_key(slot, new, version=7, old=old)
    version = chip.key_version(slot)
    chip.authenticate_first(slot, new)

    assert (version, chip.is_open) == (7, True)
    assert band.keys[slot] == new


@modes
def test_changing_its_own_key_ends_the_session(is_lrp: bool) -> None:
    band, new = ntag424(is_lrp=is_lrp), bytes(range(100, 116))
    chip, _ = _powered(band)
    chip.select()
    chip.authenticate_first(NTAG424_APP, ISSUING_KEYS[0])

    chip.change_key(NTAG424_APP, new, version=1)

    assert not chip.is_open
    chip.authenticate_first(NTAG424_APP, new)
    assert chip.key_version(NTAG424_APP) == 1


def test_hidden_uid_is_told_to_a_session_only() -> None:
    band = ntag424()
    chip, _ = _powered(band)
    chip.select()
    chip.authenticate_first(NTAG424_APP, ISSUING_KEYS[0])

    chip.hide_uid()
    again = band.power_up()

    assert again.anticollision.uid[0] == 0x08
    assert chip.card_uid() == UID


def test_chip_switched_to_lrp_speaks_it_from_then_on() -> None:
    band = ntag424()
    chip, _ = _powered(band)
    chip.select()
    chip.authenticate_first(NTAG424_APP, ISSUING_KEYS[0])

    chip.enable_lrp()
    chip, _ = _powered(band)
    chip.select()
    chip.authenticate_first(NTAG424_BAND, band_key(UID))

    assert chip.is_lrp
    assert chip.read(NTAG424_REFERENCE) == REFERENCE


@modes
@pytest.mark.parametrize("is_open", [False, True])
def test_signature_is_read_in_and_outside_a_session(is_lrp: bool, is_open: bool) -> None:
    chip, _ = _powered(ntag424(is_lrp=is_lrp))
    chip.select()
    if is_open:
        chip.authenticate_first(NTAG424_UID, GROUP_KEY)

    signature = chip.signature()

    assert is_signed(NTAG424_TEST_KEY.public, UID, signature)


def test_version_says_that_it_is_an_ntag() -> None:
    chip, _ = _powered(ntag424())

    assert chip.version().hardware_type == 4


def test_unknown_key_version_of_a_slot_that_is_not_there_is_refused() -> None:
    chip, _ = _powered(ntag424())
    chip.select()

    with pytest.raises(BandRefused) as caught:
        chip.key_version(9)

    assert caught.value.status == 0x9140


class _AlwaysFine:
    """A telephone that answers 9000 to whatever it is asked."""

    generation = 1

    def transmit(self, command: bytes) -> bytes:
        return b"\x90\x00"


def test_telephone_that_agrees_to_everything_is_not_taken_for_a_chip() -> None:
    chip = Ntag424(_AlwaysFine(), SeededEntropy("reader"))

    assert chip.select()
    with pytest.raises(BandUnsupported):
        chip.authenticate_first(NTAG424_BAND, band_key(UID))


def test_telephone_has_no_such_application() -> None:
    connection = ChipConnection(VirtualPhone(uid=bytes.fromhex("08AABBCC")).power_up())

    assert not Ntag424(connection, SeededEntropy("reader")).select()


@settings(max_examples=60, deadline=None)
@given(st.lists(st.binary(max_size=64), min_size=1, max_size=4), st.booleans())
def test_whatever_a_chip_answers_only_errors_of_ours_are_raised(
    answers: list[bytes], is_native: bool
) -> None:
    class Foreign:
        generation = 1

        def __init__(self) -> None:
            self.n_sent = 0

        def transmit(self, command: bytes) -> bytes:
            self.n_sent += 1
            answer = answers[self.n_sent % len(answers)]
            return answer + b"\x91\xaf" if is_native else answer

    connection = Foreign()
    chip = Ntag424(connection, SeededEntropy("reader"))

    for ask in (
        chip.select,
        lambda: chip.authenticate_first(1, GROUP_KEY),
        chip.version,
        chip.read_link,
        chip.signature,
        lambda: chip.file_settings(2),
        lambda: chip.read_counter(2),
    ):
        try:
            ask()
        except BandError:
            continue

    assert not chip.is_open
    assert connection.n_sent < 200


def test_refused_key_of_another_version_is_told_from_a_key_that_is_wrong() -> None:
    band = ntag424()
    band.key_versions[NTAG424_BAND] = 3
    chip, _ = _powered(band)
    chip.select()
    with pytest.raises(KeyRefused):
        chip.authenticate_first(NTAG424_BAND, bytes(16))

    chip.check_key_version(NTAG424_BAND, 3)

    with pytest.raises(KeyUnknown):
        chip.check_key_version(NTAG424_BAND, 2)


def test_uid_of_zeros_is_no_uid() -> None:
    chip, _ = _powered(ntag424(uid=bytes(7)))
    chip.select()
    chip.authenticate_first(NTAG424_UID, GROUP_KEY)

    with pytest.raises(BandMalformed):
        chip.card_uid()


@pytest.mark.parametrize("is_lrp", [False, True])
@pytest.mark.parametrize("key", [b"12345678", bytes(24), bytes(32)])
def test_a_key_that_is_none_is_our_mistake_and_the_right_one_opens_next(
    is_lrp: bool, key: bytes
) -> None:
    connection = ChipConnection(ntag424(is_lrp=is_lrp).power_up())
    chip = Ntag424(connection, SeededEntropy("reader"))
    assert chip.select()

    with pytest.raises(ValueError, match="16 bytes"):
        chip.authenticate_first(NTAG424_BAND, key)

    assert len(connection.sent) == 1
    chip.authenticate_first(NTAG424_BAND, band_key(UID))
    with pytest.raises(ValueError, match="16 bytes"):
        chip.authenticate_following(NTAG424_UID, key)
    assert chip.is_open
