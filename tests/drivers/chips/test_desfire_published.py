"""The driver byte for byte against exchanges others have published: a real EV1 chip, and NXP's application note for EV2."""

import json
from pathlib import Path
from typing import Any

from drivers.chips.desfire import Desfire
from drivers.chips.desfire_setup import (
    CHANGE_FILE_SETTINGS,
    GET_FREE_MEMORY,
    DesfireSetup,
    FileSettings,
)
from drivers.credential.handshake import Ev2Opened
from drivers.credential.kdf import SessionKeys, encrypted
from drivers.credential.layout import BandFile, CommMode
from drivers.errors import BandLeft

VECTORS: dict[str, dict[str, Any]] = {
    each["id"]: each
    for each in json.loads((Path(__file__).parents[2] / "vectors" / "nfc.json").read_text())[
        "vectors"
    ]
}


class Published:
    """A connection that answers what was published, and only to the bytes that were published.

    Recorded native commands are met in ISO 7816-4 clothes and in shorter frames; what they say is the same.
    """

    generation = 1

    def __init__(self) -> None:
        self._exchanges: list[tuple[bytes, bytes]] = []
        self._so_far = b""

    def native(self, command: bytes, answer: bytes) -> None:
        """Expect a native command; the answer has its status first."""
        self._exchanges.append((command, answer[1:] + b"\x91" + answer[:1]))

    def wrapped(self, command: bytes, answer: bytes) -> None:
        """Expect a whole APDU."""
        size = command[4] if len(command) > 5 else 0
        self._exchanges.append((command[1:2] + command[5 : 5 + size], answer))

    @property
    def is_used_up(self) -> bool:
        return not self._exchanges

    def transmit(self, command: bytes) -> bytes:
        assert command[:1] + command[2:4] == b"\x90\x00\x00"
        assert command[-1] == 0
        content = command[5:-1]
        if content:
            assert command[4] == len(content)
        if not self._so_far:
            self._so_far = command[1:2] + content
        else:
            assert command[1] == 0xAF
            self._so_far += content
        if not self._exchanges:
            raise BandLeft
        wanted, answer = self._exchanges[0]
        if self._so_far == wanted:
            self._so_far = b""
            del self._exchanges[0]
            return answer
        assert wanted.startswith(self._so_far), f"{self._so_far.hex()} not {wanted.hex()}"
        return b"\x91\xaf"


class Fixed:
    """An Entropy that draws what it is given."""

    def __init__(self, *parts: bytes) -> None:
        self._parts = list(parts)

    def draw(self, size: int) -> bytes:
        part = self._parts.pop(0)
        assert len(part) == size
        return part


def _hex(name: str, part: str, field: str) -> bytes:
    return bytes.fromhex(VECTORS[name][part][field])


def _expect_authentication(there: Published, name: str, last: bytes) -> None:
    """The first two exchanges of an authentication with an EV1 chip."""
    token = "enc_rndab" if "enc_rndab" in VECTORS[name]["expected"] else "part2_command"
    there.native(_hex(name, "inputs", "cmd"), b"\xaf" + _hex(name, "inputs", "enc_rndb"))
    there.native(b"\xaf" + _hex(name, "expected", token), b"\x00" + last)


def test_the_session_of_a_real_ev1_chip_is_lived_again() -> None:
    name, there = "desfire-ev1-aes-auth-key1", Published()
    _expect_authentication(there, name, _hex(name, "expected", "enc_rnda_rot"))
    for each in VECTORS["desfire-ev1-aes-session-trace"]["inputs"]["exchanges"]:
        there.native(bytes.fromhex(each["cmd"]), bytes.fromhex(each["resp"]))
    chip = Desfire(there, Fixed(_hex(name, "inputs", "rnda")))
    setup, file = DesfireSetup(chip), BandFile(5, 80, CommMode.PLAIN, 0, 0, 1, 1)
    content = bytes(range(1, 80))

    chip.authenticate_aes(1, _hex(name, "inputs", "key"))
    setup.create_file(file)
    files = setup.file_ids()
    found = setup.file_settings(5)
    chip.write(file, bytes((0, *content[:51])))
    chip.write(file, content[51:79], offset=52)
    read = chip.read(file, size=48) + chip.read(file, offset=48, size=32)
    setup.delete_file(5)

    assert files == (5,)
    assert found == FileSettings(file)
    assert read == bytes((0, *content))
    assert there.is_used_up


def test_real_ev1_chips_with_des_keys_are_opened_again() -> None:
    for name in ("desfire-2k3des-iso-auth", "desfire-3k3des-iso-auth"):
        there = Published()
        _expect_authentication(there, name, _hex(name, "expected", "enc_rnda_rot"))
        chip = Desfire(there, Fixed(_hex(name, "inputs", "rnda")))

        chip.authenticate_iso(0, _hex(name, "inputs", "key"))

        assert chip.is_open
        assert there.is_used_up


def _expect(there: Published, *names: str) -> None:
    for name in names:
        there.wrapped(_hex(name, "expected", "c_apdu"), _hex(name, "expected", "r_apdu"))


def _expect_ev2(there: Published, name: str, command: bytes) -> None:
    there.native(command, b"\xaf" + _hex(name, "inputs", "enc_rndb"))
    last = VECTORS[name]["inputs"].get("part2_response")
    rnd_a = _hex(name, "inputs", "rnda")
    if last is None:
        last = encrypted(_hex(name, "inputs", "key"), rnd_a[1:] + rnd_a[:1]).hex()
    there.native(
        b"\xaf" + _hex(name, "expected", "part2_command"), b"\x00" + bytes.fromhex(last)
    )


def test_the_application_note_for_ev2_messaging_is_followed_to_the_byte() -> None:
    there = Published()
    first, second = "an12196-authev2first-table14", "an12196-authev2first-table19"
    third = "an12196-authev2nonfirst-table23"
    there.native(b"\x5a\x01\x02\x03", b"\x00")
    _expect_ev2(there, first, b"\x71\x00\x00")
    _expect(there, "an12196-writedata-full-table17", "an12196-changefilesettings-table18")
    _expect_ev2(there, second, b"\x71\x03\x00")
    _expect(there, "an12196-writedata-full-table21")
    _expect_ev2(there, third, b"\x77\x00")
    there.native(b"\x6e", b"\x00")
    _expect(there, "an12196-changekey-other-table25", "an12196-changekey-same-table26")
    chip = Desfire(
        there, Fixed(*(_hex(each, "inputs", "rnda") for each in (first, second, third)))
    )
    setup = DesfireSetup(chip)
    url = BandFile(2, 256, CommMode.FULL, 0, 0, 0, 0)
    secret = BandFile(3, 128, CommMode.FULL, 3, 3, 3, 0)

    chip.select_application(b"\x01\x02\x03")
    assert chip.authenticate_ev2_first(0, _hex(first, "inputs", "key"))
    chip.write(url, _hex("an12196-writedata-full-table17", "inputs", "data"))
    settings = _hex("an12196-changefilesettings-table18", "inputs", "data")
    chip.run(CHANGE_FILE_SETTINGS, b"\x02", settings, mode=CommMode.FULL, size=0)
    assert chip.authenticate_ev2_first(3, _hex(second, "inputs", "key"))
    chip.write(secret, _hex("an12196-writedata-full-table21", "inputs", "data"))
    chip.authenticate_ev2_non_first(0, _hex(third, "inputs", "key"))
    chip.run(GET_FREE_MEMORY, mode=CommMode.PLAIN)  # the note counts one more than it prints
    other, same = "an12196-changekey-other-table25", "an12196-changekey-same-table26"
    setup.change_key(2, _hex(other, "inputs", "new_key"), version=1, old=bytes(16))
    setup.change_key(0, _hex(same, "inputs", "data")[:16], version=1)

    assert not chip.is_open
    assert there.is_used_up


def test_the_true_uid_of_the_application_note_is_read() -> None:
    there, name = Published(), "an12196-getcarduid-table28"
    _expect(there, name)
    chip = Desfire(there, Fixed())
    keys = SessionKeys(
        _hex(name, "inputs", "ses_auth_enc"), _hex(name, "inputs", "ses_auth_mac")
    )

    chip.adopt(Ev2Opened(keys, _hex(name, "inputs", "ti")), slot=0)

    assert chip.card_uid() == _hex(name, "expected", "resp_plain")
    assert there.is_used_up
