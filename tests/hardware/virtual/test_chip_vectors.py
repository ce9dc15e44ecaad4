"""The chip's side against published answers; no driver takes part."""

import json
from pathlib import Path
from typing import Any

import pytest

from hardware.virtual.desfire import VirtualApplication, VirtualDesfire
from hardware.virtual.desfire_chip import PoweredDesfire
from hardware.virtual.desfire_memory import KeyType
from hardware.virtual.messaging import (
    Ev1Session,
    Ev2Session,
    Mode,
    Session,
    cmac,
    des_session_key,
    ev1_session_key,
    ev2_session_keys,
)
from tests.hardware.virtual.chips import UID, ZERO, FixedEntropy, ask, crypt, turned

VECTORS: dict[str, dict[str, Any]] = {
    vector["id"]: vector
    for vector in json.loads((Path(__file__).parents[2] / "vectors" / "nfc.json").read_text())[
        "vectors"
    ]
}


def raw(name: str, part: str, field: str) -> bytes:
    return bytes.fromhex(VECTORS[name][part][field])


def chip_with(key: bytes, slot: int, *drawn: bytes) -> VirtualDesfire:
    keys = tuple(key if number == slot else b"\xee" * 16 for number in range(4))
    application = VirtualApplication(b"\x01\x00\x00", keys)
    return VirtualDesfire(
        uid=bytes.fromhex("04112233445566"),
        ev=2,
        applications=(application,),
        entropy=FixedEntropy(*drawn),
    )


@pytest.mark.parametrize(
    ("name", "slot"), [("desfire-ev1-aes-auth-key0", 0), ("desfire-ev1-aes-auth-key1", 1)]
)
def test_chip_answers_the_ev1_authentication_of_a_real_card(name: str, slot: int) -> None:
    band = chip_with(raw(name, "inputs", "key"), slot, raw(name, "expected", "rndb"))
    chip = band.power_up()
    ask(chip, b"\x5a\x01\x00\x00")

    challenge = ask(chip, bytes([0xAA, slot]))
    answer = ask(chip, b"\xaf" + raw(name, "expected", "enc_rndab"))

    assert challenge == b"\xaf" + raw(name, "inputs", "enc_rndb")
    assert answer == b"\x00" + raw(name, "expected", "enc_rnda_rot")
    rnds = raw(name, "inputs", "rnda"), raw(name, "expected", "rndb")
    assert ev1_session_key(*rnds) == raw(name, "expected", "session_key")


def test_ev1_session_gives_every_mac_of_a_real_session() -> None:
    inputs = VECTORS["desfire-ev1-aes-session-trace"]["inputs"]
    session = Ev1Session(bytes.fromhex(inputs["session_key"]))

    answers = []
    for exchange in inputs["exchanges"]:
        command, answer = bytes.fromhex(exchange["cmd"]), bytes.fromhex(exchange["resp"])
        session.open(command[0], command[1:], b"", Mode.PLAIN)
        answers.append(b"\x00" + session.seal(answer[1:-8], Mode.PLAIN))

    assert answers == [bytes.fromhex(exchange["resp"]) for exchange in inputs["exchanges"]]
    assert len(answers) == 8


@pytest.mark.parametrize(
    ("name", "slot"), [("an12196-authev2first-table14", 0), ("an12196-authev2first-table19", 3)]
)
def test_chip_answers_the_published_ev2_authentication(name: str, slot: int) -> None:
    drawn = raw(name, "expected", "ti"), raw(name, "expected", "rndb")
    chip = chip_with(raw(name, "inputs", "key"), slot, *drawn).power_up()
    ask(chip, b"\x5a\x01\x00\x00")

    challenge = ask(chip, bytes([0x71, slot, 0x00]))
    answer = ask(chip, b"\xaf" + raw(name, "expected", "part2_command"))

    assert challenge == b"\xaf" + raw(name, "inputs", "enc_rndb")
    assert answer == b"\x00" + raw(name, "inputs", "part2_response")


@pytest.mark.parametrize(
    "name",
    [
        "an12343-ev2-session-keys",
        "an12196-authev2first-table14",
        "an12196-authev2first-table19",
        "an12196-authev2nonfirst-table23",
    ],
)
def test_ev2_session_keys_are_the_published_ones(name: str) -> None:
    rnd_b = VECTORS[name]["inputs"].get("rndb") or VECTORS[name]["expected"]["rndb"]

    keys = ev2_session_keys(
        raw(name, "inputs", "key"), raw(name, "inputs", "rnda"), bytes.fromhex(rnd_b)
    )

    assert keys == (
        raw(name, "expected", "ses_auth_enc"),
        raw(name, "expected", "ses_auth_mac"),
    )


def ev2_session(name: str, *, counter_less: int = 0) -> Ev2Session:
    inputs = VECTORS[name]["inputs"]
    return Ev2Session(
        encryption_key=bytes.fromhex(inputs.get("ses_auth_enc", "00" * 16)),
        mac_key=bytes.fromhex(inputs["ses_auth_mac"]),
        transaction=bytes.fromhex(inputs["ti"]),
        counter=inputs["cmd_ctr"] - counter_less,
    )


@pytest.mark.parametrize("name", ["an12343-ev2-mac-1", "an12343-ev2-mac-3"])
def test_chip_takes_the_published_command_macs(name: str) -> None:
    inputs = VECTORS[name]["inputs"]
    mac = raw(name, "expected", "mact")

    opened = ev2_session(name).open(
        int(inputs["code"], 16), bytes.fromhex(inputs["data"]), mac, Mode.MAC
    )

    assert opened == b""


@pytest.mark.parametrize("name", ["an12343-ev2-mac-2", "an12343-ev2-mac-4"])
def test_chip_gives_the_published_answer_macs(name: str) -> None:
    content = raw(name, "inputs", "data")

    sealed = ev2_session(name, counter_less=1).seal(content, Mode.MAC)

    assert sealed == content + raw(name, "expected", "mact")


@pytest.mark.parametrize(
    ("name", "mode", "content"),
    [
        ("an12196-getfilesettings-mac-table7", Mode.MAC, None),
        ("an12196-writedata-full-table17", Mode.FULL, b""),
        ("an12196-changefilesettings-table18", Mode.FULL, b""),
        ("an12196-writedata-full-table21", Mode.FULL, b""),
        ("an12196-changekey-other-table25", Mode.FULL, b""),
        ("an12196-getcarduid-table28", Mode.FULL, bytes.fromhex("04958CAA5C5E80")),
    ],
)
def test_published_commands_open_and_their_answers_follow(
    name: str, mode: Mode, content: bytes | None
) -> None:
    inputs = VECTORS[name]["inputs"]
    command, answer = raw(name, "expected", "c_apdu"), raw(name, "expected", "r_apdu")
    header = bytes.fromhex(inputs["header"])
    session = ev2_session(name)

    opened = session.open(command[1], header, command[5 + len(header) : -1], mode)
    answered = session.seal(answer[:-10] if content is None else content, mode)

    assert opened == bytes.fromhex(inputs["data"])
    assert answered + answer[-2:] == answer


def test_chip_derives_the_cmacs_of_the_rfc() -> None:
    names = [name for name in VECTORS if name.startswith("rfc4493")]

    macs = [cmac(raw(name, "inputs", "key"), raw(name, "inputs", "message")) for name in names]

    assert macs == [raw(name, "expected", "cmac") for name in names]
    assert len(macs) == 4


@pytest.mark.parametrize(
    ("name", "key_type"),
    [("desfire-2k3des-iso-auth", KeyType.DES), ("desfire-3k3des-iso-auth", KeyType.TDES3)],
)
def test_chip_answers_the_triple_des_authentication_of_a_real_card(
    name: str, key_type: KeyType
) -> None:
    key = raw(name, "inputs", "key")
    rnds = raw(name, "inputs", "rnda"), raw(name, "expected", "rndb")
    band = VirtualDesfire(
        uid=UID,
        ev=1,
        applications=(),
        entropy=FixedEntropy(rnds[1]),
        picc_key=key,
        picc_key_type=key_type,
    )
    chip = band.power_up()

    challenge = ask(chip, raw(name, "inputs", "cmd"))
    answer = ask(chip, b"\xaf" + raw(name, "expected", "enc_rndab"))

    assert challenge == b"\xaf" + raw(name, "inputs", "enc_rndb")
    assert answer == b"\x00" + raw(name, "expected", "enc_rnda_rot")
    session_key = bytes(byte & 0xFE for byte in des_session_key(key, *rnds))
    assert session_key == raw(name, "expected", "session_key_parity_cleared")


def chip_in_session(session: Session, *keys: bytes) -> PoweredDesfire:
    """A chip where key 0 has just opened this session."""
    application = VirtualApplication(b"\x01\x00\x00", keys)
    band = VirtualDesfire(uid=UID, ev=2, applications=(application,), entropy=FixedEntropy())
    chip = band.power_up()
    ask(chip, b"\x5a\x01\x00\x00")
    chip._takes_apdus = None  # the vectors come in both forms
    chip._core.session = session
    chip._core.key_number = 0
    return chip


@pytest.mark.parametrize(
    ("name", "slot", "answer"),
    [
        ("desfire-ev1-aes-changekey-same", 0, "00"),
        ("desfire-ev1-aes-changekey-other", 1, "002128D3CD9C9ACFFF"),
    ],
)
def test_chip_takes_the_changed_key_of_a_real_ev1_card(
    name: str, slot: int, answer: str
) -> None:
    session = Ev1Session(raw(name, "inputs", "session_key"))
    chip = chip_in_session(session, bytes(16), bytes(16))

    answered = ask(chip, bytes([0xC4, slot]) + raw(name, "expected", "enc_cryptogram"))

    assert answered == bytes.fromhex(answer)
    changed = chip._core.application.keys[slot]
    assert changed.value == raw(name, "inputs", "new_key")
    assert changed.version == raw(name, "inputs", "key_version")[0]


@pytest.mark.parametrize(
    ("name", "slot", "new_key", "version"),
    [
        ("an12196-changekey-other-table25", 2, "F3847D627727ED3BC9C4CC050489B966", 1),
        ("an12196-changekey-same-table26", 0, "5004BF991F408672B1EF00F08F9E8647", 1),
    ],
)
def test_chip_takes_the_changed_key_of_the_application_note(
    name: str, slot: int, new_key: str, version: int
) -> None:
    chip = chip_in_session(ev2_session(name), bytes(16), bytes(16), bytes(16))

    answered = ask(chip, raw(name, "expected", "c_apdu"))

    assert answered == raw(name, "expected", "r_apdu")
    changed = chip._core.application.keys[slot]
    assert (changed.value.hex().upper(), changed.version) == (new_key, version)


def test_chip_answers_the_published_second_authentication() -> None:
    name = "an12196-authev2nonfirst-table23"
    key, rnd_b = raw(name, "inputs", "key"), raw(name, "expected", "rndb")
    session = Ev2Session(encryption_key=ZERO, mac_key=ZERO, transaction=b"TTTT", counter=7)
    chip = chip_in_session(session, key)
    chip._core.entropy = FixedEntropy(rnd_b)

    challenge = ask(chip, b"\x77\x00")
    answer = ask(chip, b"\xaf" + raw(name, "expected", "part2_command"))

    assert challenge == b"\xaf" + raw(name, "inputs", "enc_rndb")
    assert crypt(key, ZERO, answer[1:], is_decrypting=True) == turned(
        raw(name, "inputs", "rnda")
    )
    continued = chip._core.session
    assert isinstance(continued, Ev2Session)
    assert (continued.transaction, continued.counter) == (b"TTTT", 7)


@pytest.mark.parametrize("name", ["an12343-ev2-iv-1", "pm3-ev2-iv-2"])
def test_chip_begins_every_cryptogram_with_the_published_iv(name: str) -> None:
    inputs = VECTORS[name]["inputs"]
    session = Ev2Session(
        encryption_key=bytes.fromhex(inputs["ses_auth_enc"]),
        mac_key=ZERO,
        transaction=bytes.fromhex(inputs["ti"]),
        counter=inputs["cmd_ctr"],
    )
    direction = b"\xa5\x5a" if inputs["direction"] == "command" else b"\x5a\xa5"

    assert session._iv(direction) == raw(name, "expected", "iv")
