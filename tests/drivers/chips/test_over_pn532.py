"""Every driver through a PN532: the real reader, a virtual PN532, a virtual band."""

from collections.abc import Iterator

import pytest

from drivers.chips.felica import Felica
from drivers.chips.identify import identify, may_be_ntag424
from drivers.chips.ntag21x import Ntag21x
from drivers.chips.ntag424 import Ntag424
from drivers.chips.reading import read_band
from drivers.chips.type2 import challenge
from drivers.chips.type4 import Type4
from drivers.chips.ultralight_aes import UltralightAes
from drivers.chips.ultralight_c import UltralightC
from drivers.connection import Connection
from drivers.credential.layout import AID
from drivers.credential.places import (
    CAPSULE_PAGE,
    CONTENT_FILE,
    MFUL_BAND,
    MFUL_UID,
    NTAG424_BAND,
    REFERENCE_PAGE,
    USES_COUNTER,
)
from drivers.errors import BandError, BandLeft, BandRefused, BandSilent, Delivery
from drivers.ports import LeasedKey
from drivers.proof import ChipFamily, ProofKind
from drivers.readers.pn532 import DESFIRE_ATS, Pn532Reader
from drivers.target import Target, Technology
from hardware.clock import SystemClock
from hardware.entropy import SeededEntropy
from hardware.virtual.band import Anticollision, PoweredChip, VirtualBand
from hardware.virtual.felica import VirtualFelica
from hardware.virtual.ntag21x import VirtualNtag21x
from hardware.virtual.uid_bands import VirtualPhone
from tests.support.bands import GROUP_KEY, REFERENCE, UID, band, band_key
from tests.support.chip_bands import (
    CAPSULE,
    ntag21x,
    ntag424,
    ultralight_aes,
    ultralight_c,
)
from tests.support.virtual_reader import VirtualReader

KEY = band_key(UID)
IDM = bytes.fromhex("0114B34107153703")


@pytest.fixture
def reader(virtual_reader: VirtualReader) -> Iterator[Pn532Reader]:
    opened = Pn532Reader.opened(str(virtual_reader.path), SystemClock())
    yield opened
    opened.close()


@pytest.fixture
def shown(virtual_reader: VirtualReader, reader: Pn532Reader) -> "_Shown":
    return _Shown(virtual_reader, reader)


class _Shown:
    """Holds a band to the reader."""

    def __init__(self, virtual: VirtualReader, reader: Pn532Reader) -> None:
        self._virtual = virtual
        self._reader = reader

    def __call__(self, band: VirtualBand) -> tuple[Connection, Target]:
        self._virtual.field.present(band)
        for _ in range(10):
            target = self._reader.wait_for_target(500)
            if target is not None:
                return self._reader.connect(target), target
        raise AssertionError("the reader does not see the band")


@pytest.mark.parametrize("is_lrp", [False, True])
def test_ntag424_is_proved_and_read(shown: _Shown, is_lrp: bool) -> None:
    connection, target = shown(ntag424(is_lrp=is_lrp))
    chip = Ntag424(connection, SeededEntropy("reader"))

    chip.select()
    chip.authenticate_first(NTAG424_BAND, KEY)
    content = chip.read(CONTENT_FILE)

    assert content.startswith(REFERENCE + CAPSULE)
    assert may_be_ntag424(target)


def test_ultralight_aes_is_proved_and_read(shown: _Shown) -> None:
    connection, target = shown(ultralight_aes())
    chip = UltralightAes(connection, SeededEntropy("reader"))

    asked = challenge(connection, MFUL_BAND)
    chip.authenticate(MFUL_BAND, KEY, asked=asked)
    chip.add(USES_COUNTER)

    assert chip.read(REFERENCE_PAGE) == REFERENCE
    assert chip.read_pages(CAPSULE_PAGE, 32).startswith(CAPSULE)
    assert chip.read_counter(USES_COUNTER) == 1
    assert target.technology is Technology.TYPE_2


def test_ultralight_aes_with_a_random_uid_is_proved(shown: _Shown) -> None:
    connection, target = shown(ultralight_aes(is_random=True))
    chip = UltralightAes(connection, SeededEntropy("reader"))

    chip.authenticate(MFUL_UID, GROUP_KEY)
    uid = chip.uid()
    chip.authenticate(MFUL_BAND, band_key(uid))

    assert (uid, target.uid[0]) == (UID, 0x08)
    assert chip.read(REFERENCE_PAGE) == REFERENCE


def test_ultralight_c_is_proved_and_read(shown: _Shown) -> None:
    connection, _ = shown(ultralight_c())
    chip = UltralightC(connection, SeededEntropy("reader"))

    asked = challenge(connection, 0)
    chip.authenticate(KEY, asked=asked)
    chip.add()

    assert chip.read(REFERENCE_PAGE) == REFERENCE
    assert chip.read_counter() == 1


def test_ntag21x_is_read_after_a_command_it_does_not_know(shown: _Shown) -> None:
    connection, _ = shown(ntag21x())
    chip = Ntag21x(connection)

    with pytest.raises((BandSilent, BandRefused)):
        challenge(connection, 0)

    assert len(chip.signature()) == 32
    assert chip.read(REFERENCE_PAGE) == REFERENCE


@pytest.mark.parametrize(
    ("band", "family"),
    [
        (ntag424(), ChipFamily.NTAG424),
        (ntag21x(), ChipFamily.NTAG21X),
        (VirtualNtag21x(uid=UID), ChipFamily.NTAG21X),
        (ultralight_aes(), ChipFamily.ULTRALIGHT_AES),
        (ultralight_c(), ChipFamily.ULTRALIGHT_C),
        (VirtualPhone(uid=bytes.fromhex("08AABBCC")), ChipFamily.TYPE4),
    ],
    ids=["NTAG 424", "ours", "NTAG 213", "Ultralight AES", "Ultralight C", "telephone"],
)
def test_band_says_what_it_is(shown: _Shown, band: VirtualBand, family: ChipFamily) -> None:
    connection, target = shown(band)

    assert identify(connection, target).family is family


def test_link_of_an_ntag424_is_free_to_read_as_type_4(shown: _Shown) -> None:
    connection, _ = shown(ntag424())
    band = Type4(connection)

    assert band.select()
    (record,) = band.ndef()

    assert record.payload.startswith(b"\x04tap.example/b?e=")


def test_felica_says_who_it_is(shown: _Shown) -> None:
    connection, target = shown(VirtualFelica(idm=IDM))

    identity = Felica(connection, target.uid).poll()

    assert identity.idm == target.uid == IDM
    assert target.technology is Technology.FELICA


class _Heard:
    """A band whose chip remembers what it was sent."""

    def __init__(self, band: VirtualBand) -> None:
        self._band = band
        self.commands: list[bytes] = []

    def power_up(self) -> PoweredChip:
        chip = self._band.power_up()
        answer = chip.exchange

        def exchange(command: bytes) -> bytes | None:
            self.commands.append(command)
            return answer(command)

        chip.exchange = exchange  # type: ignore[method-assign]
        return chip


class _Keys:
    def group_key(self) -> LeasedKey:
        return LeasedKey(GROUP_KEY)

    def band_key(self, uid: bytes) -> LeasedKey | None:
        return LeasedKey(band_key(uid))


@pytest.mark.parametrize("ev", [1, 2, 3])
def test_a_desfire_is_spoken_to_in_native_commands_all_the_way(shown: _Shown, ev: int) -> None:
    heard = _Heard(band(ev=ev))
    connection, target = shown(heard)

    proof = read_band(connection, target, _Keys(), SeededEntropy("reader"))

    assert (proof.kind, proof.band) == (ProofKind.MUTUAL, REFERENCE)
    assert heard.commands[0] == b"\x5a" + AID
    assert not [one for one in heard.commands if one[:1] in (b"\x90", b"\x00")]


def test_an_ntag424_which_knows_no_native_commands_gets_none(shown: _Shown) -> None:
    heard = _Heard(ntag424())
    connection, target = shown(heard)

    proof = read_band(connection, target, _Keys(), SeededEntropy("reader"))

    assert (proof.kind, proof.band) == (ProofKind.MUTUAL, REFERENCE)
    assert {one[:1] for one in heard.commands} == {b"\x90", b"\x00"}


class _Pretender:
    """Something with the ATS of a DESFire that says the same to everything."""

    def __init__(self, answer: bytes, *, ats: bytes = DESFIRE_ATS) -> None:
        self._answer = answer
        self._ats = ats

    def power_up(self) -> "_Pretender":
        return self

    @property
    def anticollision(self) -> Anticollision:
        return Anticollision(b"\x03\x44", UID, 0x20, self._ats)

    def exchange(self, command: bytes) -> bytes | None:
        return self._answer if command else None


@pytest.mark.parametrize("answer", ["6D00", "9000", "91CA", "00", "A0", "AF", "00" * 60])
def test_what_only_looks_like_a_desfire_is_none_of_ours(shown: _Shown, answer: str) -> None:
    connection, target = shown(_Pretender(bytes.fromhex(answer)))

    try:
        proof = read_band(connection, target, _Keys(), SeededEntropy("reader"))
    except BandError:
        return

    assert target.answer == DESFIRE_ATS
    assert (proof.kind, proof.band) == (ProofKind.NONE, None)


@pytest.mark.parametrize("answer", ["1C", "7E", "9D", "AF"])
def test_one_that_refuses_the_selection_is_a_strangers_and_not_torn_away(
    shown: _Shown, answer: str
) -> None:
    connection, target = shown(_Pretender(bytes.fromhex(answer)))

    proof = read_band(connection, target, _Keys(), SeededEntropy("reader"))

    assert (proof.kind, proof.band) == (ProofKind.NONE, None)


@pytest.mark.parametrize("ats", [DESFIRE_ATS, bytes.fromhex("067777710280")])
def test_an_apdu_whose_answer_has_no_status_may_have_been_done(
    shown: _Shown, ats: bytes
) -> None:
    connection, _ = shown(_Pretender(b"", ats=ats))

    with pytest.raises(BandLeft) as cut:
        connection.transmit(bytes.fromhex("00A4040000"))

    assert cut.value.delivery is Delivery.UNKNOWN


def test_half_a_status_is_none(shown: _Shown) -> None:
    connection, _ = shown(_Pretender(b"\x90", ats=bytes.fromhex("067777710280")))

    with pytest.raises(BandLeft, match="status") as cut:
        connection.transmit(bytes.fromhex("00A4040000"))

    assert cut.value.delivery is Delivery.UNKNOWN


@pytest.mark.parametrize("is_random", [False, True])
def test_an_ultralight_aes_whose_proof_broke_off_is_still_seen_to_lie_there(
    shown: _Shown, reader: Pn532Reader, virtual_reader: VirtualReader, is_random: bool
) -> None:
    connection, _ = shown(ultralight_aes(is_random=is_random))
    UltralightAes(connection, SeededEntropy("reader")).begin(MFUL_BAND)

    is_gone = [reader.wait_for_removal(0) for _ in range(4)]
    virtual_reader.field.remove()

    assert is_gone == [False] * 4
    assert any(reader.wait_for_removal(500) for _ in range(4))
