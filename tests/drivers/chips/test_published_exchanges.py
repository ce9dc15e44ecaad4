"""Exchanges that others published, replayed through our drivers: a replay refuses every byte that is not theirs."""

from pathlib import Path

import pytest

from drivers.chips.ntag424 import Ntag424
from drivers.chips.ultralight_aes import UltralightAes
from drivers.chips.ultralight_c import UltralightC
from drivers.credential.layout import BandFile, CommMode
from drivers.credential.sdm_file import FREE, FileSettings, Sdm
from drivers.errors import BandLeft
from drivers.ndef import uri_message
from drivers.transcript import ReplayConnection, transcript_of

FOLDER = Path(__file__).parent / "transcripts"


class _Drawn:
    """An Entropy that draws what somebody else drew."""

    def __init__(self, *numbers: str) -> None:
        self._numbers = [bytes.fromhex(number) for number in numbers]

    def draw(self, size: int) -> bytes:
        number = self._numbers.pop(0)
        assert len(number) == size
        return number


def _replay(name: str) -> ReplayConnection:
    return ReplayConnection(transcript_of((FOLDER / f"{name}.txt").read_text()))


def _file(number: int, size: int, mode: CommMode) -> BandFile:
    return BandFile(number, size, mode, read=0, write=0, read_write=0, change=0)


def test_link_is_written_as_the_application_note_does() -> None:
    connection = _replay("ntag424-an12196-link")
    chip = Ntag424(connection, _Drawn("13C5DB8A5930439FC3DEF9A4C675360F"))
    address = "https://choose.url.com/ntag424?e=" + "0" * 32 + "&c=" + "0" * 16
    message = uri_message(address)
    content = (len(message).to_bytes(2, "big") + message).ljust(128, b"\0")
    sdm = Sdm(2, 1, 1, picc_offset=32, mac_input_offset=67, mac_offset=67)

    assert chip.select()
    chip.authenticate_first(0, bytes(16))
    chip.write(_file(2, 256, CommMode.FULL), content)
    chip.change_file_settings(2, FileSettings(CommMode.PLAIN, FREE, 0, 0, 0, sdm))

    assert connection.is_used_up


def test_keys_are_changed_as_the_application_note_does() -> None:
    connection = _replay("ntag424-an12196-keys")
    drawn = _Drawn("B98F4C50CF1C2E084FD150E33992B048", "60BE759EDA560250AC57CDDC11743CF6")
    chip = Ntag424(connection, drawn)
    new = bytes.fromhex("F3847D627727ED3BC9C4CC050489B966")
    own = bytes.fromhex("5004BF991F408672B1EF00F08F9E8647")

    assert chip.select()
    chip.authenticate_first(3, bytes(16))
    chip.write(_file(3, 128, CommMode.FULL), bytes(range(1, 11)))
    chip.read(_file(2, 256, CommMode.PLAIN), size=1)
    chip.authenticate_following(0, bytes(16))
    chip.change_key(2, new, version=1, old=bytes(16))
    chip.change_key(0, own, version=1)

    assert connection.is_used_up
    assert not chip.is_open


def test_chip_in_lrp_mode_is_opened_as_the_application_note_does() -> None:
    connection = _replay("ntag424-an12321-lrp")
    chip = Ntag424(connection, _Drawn("74D7DF6A2CEC0B72B412DE0D2B1117E6"))

    assert chip.select()
    chip.authenticate_first(3, bytes(16))

    assert chip.is_lrp
    assert connection.is_used_up


def test_ultralight_aes_is_opened_and_asked_as_a_tag_answered() -> None:
    connection = _replay("ultralight-aes-real")
    chip = UltralightAes(connection, _Drawn("0293746D6CBE0D637672BD9D3BEC4422"))

    chip.authenticate(0, bytes(range(16)))
    with pytest.raises(BandLeft):
        chip.read(0x29)

    assert connection.is_used_up


def test_ultralight_c_is_opened_as_it_was_recorded() -> None:
    connection = _replay("ultralight-c-real")

    UltralightC(connection, _Drawn("6E262630E299F94F")).authenticate(bytes(16))

    assert connection.is_used_up
