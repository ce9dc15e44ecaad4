"""Published known answers; each group is run in full, and none may vanish unnoticed."""

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from drivers.apdu import response_of, wrapped
from drivers.credential.des import (
    TripleDes,
    diversified_des,
    session_key_iso,
    version_of,
)
from drivers.credential.handshake import Ev2Opened, answered, check, ev2_opened
from drivers.credential.kdf import (
    BLOCK,
    Aes,
    SessionKeys,
    cmac,
    diversified,
    session_key_ev1,
    session_keys_ev2,
)
from drivers.credential.layout import CommMode
from drivers.credential.session import (
    Ev1Session,
    Ev2Session,
    crc32,
    truncated,
)

VECTORS: list[dict[str, Any]] = json.loads(
    (Path(__file__).parents[2] / "vectors" / "nfc.json").read_text()
)["vectors"]

USED_HERE = {
    "aes-cmac": 4,
    "desfire-ev1-aes": 5,
    "desfire-ev1-des": 2,
    "ev2": 17,
    "key-diversification": 4,
    "key-diversification-negative": 1,
}
"""Groups run in this file."""

USED_ELSEWHERE = {
    "originality-signature": 18,
    "sdm": 4,
    "sdm-lrp": 2,
    "ultralight-aes": 5,
    "ultralight-c": 1,
}
"""Groups of other chips, each run beside its chip."""

EV2_EXCHANGES = (
    "an12196-getfilesettings-mac-table7",
    "an12196-writedata-full-table17",
    "an12196-changefilesettings-table18",
    "an12196-writedata-full-table21",
    "an12196-changekey-other-table25",
    "an12196-changekey-same-table26",
    "an12196-getcarduid-table28",
)
"""Vectors with a whole command and answer."""


def _hex(vector: dict[str, Any], part: str, name: str) -> bytes:
    return bytes.fromhex(vector[part][name])


def _group(name: str, marker: str = "") -> list[Any]:
    found = [each for each in VECTORS if each["group"] == name and marker in each["id"]]
    return [pytest.param(each, id=each["id"]) for each in found]


def _named(name: str) -> dict[str, Any]:
    (found,) = [each for each in VECTORS if each["id"] == name]
    return found


def test_every_published_vector_is_still_here() -> None:
    counts = Counter(each["group"] for each in VECTORS)

    assert counts == USED_HERE | USED_ELSEWHERE
    assert sum(counts.values()) == 63


def test_every_vector_of_a_used_group_is_run_by_a_test_below() -> None:
    run = (
        [each.id for each in _group("aes-cmac")]
        + ["an10922-aes128", "an10922-aes128-short-m", "an10922-aes128-short-m-wrong"]
        + ["an10922-2k3des", "an10922-3k3des"]
        + [each.id for each in _group("desfire-ev1-des", "-iso-auth")]
        + [each.id for each in _group("desfire-ev1-aes", "-auth-")]
        + ["desfire-ev1-aes-session-trace"]
        + ["desfire-ev1-aes-changekey-same", "desfire-ev1-aes-changekey-other"]
        + ["an12343-ev2-session-keys"]
        + [each.id for each in _group("ev2", "ev2-iv-")]
        + [each.id for each in _group("ev2", "ev2-mac-")]
        + [each.id for each in _group("ev2", "authev2")]
        + list(EV2_EXCHANGES)
    )

    expected = [each["id"] for each in VECTORS if each["group"] in USED_HERE]
    assert sorted(run) == sorted(expected)
    assert len(run) == 33


@pytest.mark.parametrize("vector", _group("aes-cmac"))
def test_cmac_is_that_of_the_rfc(vector: dict[str, Any]) -> None:
    made = cmac(_hex(vector, "inputs", "key"), _hex(vector, "inputs", "message"))

    assert made == _hex(vector, "expected", "cmac")


@pytest.mark.parametrize("name", ["an10922-aes128", "an10922-aes128-short-m"])
def test_a_band_gets_the_key_the_application_note_gives_it(name: str) -> None:
    vector = _named(name)

    made = diversified(_hex(vector, "inputs", "master_key"), _hex(vector, "inputs", "M"))

    assert made == _hex(vector, "expected", "diversified_key")


@pytest.mark.parametrize("name", ["an10922-2k3des", "an10922-3k3des"])
def test_a_chip_with_des_keys_gets_the_key_the_application_note_gives_it(name: str) -> None:
    vector = _named(name)

    made = diversified_des(_hex(vector, "inputs", "master_key"), _hex(vector, "inputs", "M"))

    assert made == _hex(vector, "expected", "diversified_key")
    assert version_of(made) == version_of(_hex(vector, "inputs", "master_key"))


def test_a_short_input_does_not_get_the_key_of_a_plain_cmac() -> None:
    vector = _named("an10922-aes128-short-m-wrong")
    key, given = _hex(vector, "inputs", "master_key"), _hex(vector, "inputs", "M")
    wrong = _hex(vector, "expected", "wrong_key_if_plain_cmac")

    made = diversified(key, given)

    assert made != wrong
    assert cmac(key, b"\x01" + given) == wrong


@pytest.mark.parametrize("vector", _group("desfire-ev1-aes", "-auth-"))
def test_ev1_authentication_chains_as_the_real_band_did(vector: dict[str, Any]) -> None:
    cipher, rnd_a = Aes(_hex(vector, "inputs", "key")), _hex(vector, "inputs", "rnda")

    so_far = answered(cipher, _hex(vector, "inputs", "enc_rndb"), rnd_a, is_chained=True)
    check(cipher, so_far, _hex(vector, "expected", "enc_rnda_rot"))

    assert so_far.rnd_b == _hex(vector, "expected", "rndb")
    assert so_far.token == _hex(vector, "expected", "enc_rndab")
    assert session_key_ev1(rnd_a, so_far.rnd_b) == _hex(vector, "expected", "session_key")


@pytest.mark.parametrize("vector", _group("desfire-ev1-des", "-iso-auth"))
def test_authentication_with_a_des_key_chains_as_the_real_band_did(
    vector: dict[str, Any],
) -> None:
    key, rnd_a = _hex(vector, "inputs", "key"), _hex(vector, "inputs", "rnda")
    cipher = TripleDes(key)

    so_far = answered(cipher, _hex(vector, "inputs", "enc_rndb"), rnd_a, is_chained=True)
    check(cipher, so_far, _hex(vector, "expected", "enc_rnda_rot"))

    assert so_far.rnd_b == _hex(vector, "expected", "rndb")
    assert so_far.token == _hex(vector, "expected", "enc_rndab")
    session_key = session_key_iso(key, rnd_a, so_far.rnd_b)
    without_parity = bytes(byte & 0xFE for byte in session_key)
    assert without_parity == _hex(vector, "expected", "session_key_parity_cleared")


def test_every_answer_of_a_recorded_ev1_session_holds() -> None:
    vector = _named("desfire-ev1-aes-session-trace")
    exchanges = vector["inputs"]["exchanges"]
    session = Ev1Session(_hex(vector, "inputs", "session_key"))

    for each in exchanges:
        command, answer = bytes.fromhex(each["cmd"]), bytes.fromhex(each["resp"])
        session.wrap(command[0], command[1:], b"", CommMode.PLAIN)
        content = session.unwrap(answer[1:], CommMode.PLAIN)
        assert content == answer[1:-8], each["name"]

    assert len(exchanges) == 8


def test_ev1_change_of_the_own_key_is_enciphered_as_recorded() -> None:
    vector = _named("desfire-ev1-aes-changekey-same")
    session = Ev1Session(_hex(vector, "inputs", "session_key"))
    content = _hex(vector, "inputs", "new_key") + _hex(vector, "inputs", "key_version")

    sent = session.wrap(0xC4, _hex(vector, "inputs", "key_no"), content, CommMode.FULL)

    assert sent == _hex(vector, "inputs", "key_no") + _hex(vector, "expected", "enc_cryptogram")
    assert crc32(b"\xc4\x00" + content) == _hex(vector, "expected", "crc32_le")


def test_ev1_change_of_another_key_is_enciphered_and_answered_as_recorded() -> None:
    vector = _named("desfire-ev1-aes-changekey-other")
    key, new = _hex(vector, "inputs", "session_key"), _hex(vector, "inputs", "new_key")
    mixed = bytes(a ^ b for a, b in zip(new, _hex(vector, "inputs", "old_key"), strict=True))
    number = _hex(vector, "inputs", "key_no")
    content = mixed + _hex(vector, "inputs", "key_version")
    session = Ev1Session(key)

    sent = session.wrap(0xC4, number, content, CommMode.FULL, tail=crc32(new))

    assert crc32(b"\xc4" + number + content) == _hex(vector, "expected", "crc32_crypto_le")
    assert crc32(new) == _hex(vector, "expected", "crc32_newkey_le")
    assert sent == number + _hex(vector, "expected", "enc_cryptogram")
    answer = _hex(vector, "expected", "response_cmac")[:8]
    assert session.unwrap(answer, CommMode.FULL, size=0) == b""


def test_ev2_session_keys_are_those_of_the_application_note() -> None:
    vector = _named("an12343-ev2-session-keys")

    keys = session_keys_ev2(
        Aes(_hex(vector, "inputs", "key")),
        _hex(vector, "inputs", "rnda"),
        _hex(vector, "inputs", "rndb"),
    )

    assert keys.enc == _hex(vector, "expected", "ses_auth_enc")
    assert keys.mac == _hex(vector, "expected", "ses_auth_mac")


@pytest.mark.parametrize("vector", _group("ev2", "ev2-iv-"))
def test_ev2_enciphers_a_command_from_the_published_vector(vector: dict[str, Any]) -> None:
    enc, counter = _hex(vector, "inputs", "ses_auth_enc"), vector["inputs"]["cmd_ctr"]
    keys = SessionKeys(enc=enc, mac=bytes(16))
    session = Ev2Session(keys, _hex(vector, "inputs", "ti"), counter=counter)

    sent = session.wrap(0x8D, b"", b"one block minus", CommMode.FULL)

    block = b"one block minus\x80"
    masked = bytes(a ^ b for a, b in zip(block, _hex(vector, "expected", "iv"), strict=True))
    assert sent[:BLOCK] == Aes(enc).block(masked)


@pytest.mark.parametrize("vector", _group("ev2", "ev2-mac-"))
def test_ev2_mac_is_that_of_the_application_note(vector: dict[str, Any]) -> None:
    given = vector["inputs"]
    counter, ti = given["cmd_ctr"], _hex(vector, "inputs", "ti")
    keys = SessionKeys(enc=bytes(16), mac=_hex(vector, "inputs", "ses_auth_mac"))
    data, mact = _hex(vector, "inputs", "data"), _hex(vector, "expected", "mact")

    if given["kind"] == "cmd":
        session = Ev2Session(keys, ti, counter=counter)
        sent = session.wrap(int(given["code"], 16), data, b"", CommMode.MAC)
        assert sent == data + mact
    else:
        session = Ev2Session(keys, ti, counter=counter - 1)
        assert session.unwrap(data + mact, CommMode.MAC) == data
    assert len(truncated(bytes(16))) == len(mact)


@pytest.mark.parametrize("vector", _group("ev2", "authev2"))
def test_ev2_authentication_is_that_of_the_application_note(vector: dict[str, Any]) -> None:
    cipher, rnd_a = Aes(_hex(vector, "inputs", "key")), _hex(vector, "inputs", "rnda")

    so_far = answered(cipher, _hex(vector, "inputs", "enc_rndb"), rnd_a, is_chained=False)

    assert so_far.rnd_b == _hex(vector, "expected", "rndb")
    assert so_far.token == _hex(vector, "expected", "part2_command")
    keys = session_keys_ev2(cipher, rnd_a, so_far.rnd_b)
    assert keys.enc == _hex(vector, "expected", "ses_auth_enc")
    assert keys.mac == _hex(vector, "expected", "ses_auth_mac")
    if "ti" in vector["expected"]:
        opened = ev2_opened(cipher, so_far, _hex(vector, "inputs", "part2_response"))
        assert opened == Ev2Opened(keys, _hex(vector, "expected", "ti"))


@pytest.mark.parametrize("name", EV2_EXCHANGES)
def test_ev2_commands_and_answers_are_those_of_the_application_note(name: str) -> None:
    vector = _named(name)
    given = vector["inputs"]
    enc = bytes.fromhex(given.get("ses_auth_enc", "00" * 16))
    keys = SessionKeys(enc=enc, mac=bytes.fromhex(given["ses_auth_mac"]))
    session = Ev2Session(keys, bytes.fromhex(given["ti"]), counter=given["cmd_ctr"])
    code, header = int(given["cmd"], 16), bytes.fromhex(given["header"])
    mode = CommMode.MAC if "ses_auth_enc" not in given else CommMode.FULL

    sent = wrapped(code, session.wrap(code, header, bytes.fromhex(given["data"]), mode))
    answer = response_of(_hex(vector, "expected", "r_apdu"))

    assert sent == _hex(vector, "expected", "c_apdu")
    assert answer.status == 0x9100
    if (
        answer.data
    ):  # After a change of the own key the answer has no MAC: the session ends with it.
        content = session.unwrap(answer.data, mode)
        assert content.hex().upper() == vector["expected"].get(
            "resp_plain", content.hex().upper()
        )
        if "resp_plain" in vector["expected"]:
            assert len(content) == 7
