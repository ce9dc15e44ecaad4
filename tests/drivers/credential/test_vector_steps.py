"""The values between: what the published vectors say of subkeys, initial vectors and whole MACs, held against our sums."""

import json
from pathlib import Path
from typing import Any

import pytest

from drivers.apdu import response_of, wrapped
from drivers.credential.kdf import BLOCK, Aes, Cmac, SessionKeys, cmac, padded
from drivers.credential.layout import CommMode
from drivers.credential.lrp import LrpKey
from drivers.credential.mful import MfulSession
from drivers.credential.sdm import BOTH_MIRRORED, SunMessage, file_mac, opened, verified
from drivers.credential.session import Ev2Session, crc32, truncated

VECTORS: dict[str, dict[str, Any]] = {
    each["id"]: each
    for each in json.loads((Path(__file__).parents[2] / "vectors" / "nfc.json").read_text())[
        "vectors"
    ]
}

ENCIPHERED = ("an12196-writedata-full-table17", "an12196-changefilesettings-table18",
              "an12196-changekey-other-table25", "an12196-changekey-same-table26")  # fmt: skip
"""Commands whose initial vector is published with them."""


def _hex(name: str, part: str, field: str) -> bytes:
    return bytes.fromhex(VECTORS[name][part].get(field, ""))


def _xor(left: bytes, right: bytes) -> bytes:
    return bytes(a ^ b for a, b in zip(left, right, strict=True))


def _session(name: str) -> Ev2Session:
    keys = SessionKeys(
        _hex(name, "inputs", "ses_auth_enc"), _hex(name, "inputs", "ses_auth_mac")
    )
    return Ev2Session(
        keys, _hex(name, "inputs", "ti"), counter=VECTORS[name]["inputs"]["cmd_ctr"]
    )


def test_subkeys_of_a_diversification_are_those_of_the_application_note() -> None:
    name = "an10922-aes128"
    key = _hex(name, "inputs", "master_key")
    k0, k1, k2 = (_hex(name, "expected", each) for each in ("K0", "K1", "K2"))
    cipher = Aes(key)

    whole, short = cipher.decrypted(cmac(key, k1)), cipher.decrypted(cmac(key, b""))

    assert cipher.block(bytes(BLOCK)) == k0
    assert whole == bytes(BLOCK)  # K1 over K1 leaves nothing to encipher
    assert short == _xor(padded(b""), k2)


@pytest.mark.parametrize("name", ENCIPHERED)
def test_command_is_enciphered_from_the_initial_vector_published_with_it(name: str) -> None:
    given = VECTORS[name]["inputs"]
    header, content = _hex(name, "inputs", "header"), _hex(name, "inputs", "data")
    code = int(given["cmd"], 16)

    sent = _session(name).wrap(code, header, content, CommMode.FULL)

    first = Aes(_hex(name, "inputs", "ses_auth_enc")).decrypted(sent[len(header) :][:BLOCK])
    assert _xor(first, padded(content)[:BLOCK]) == _hex(name, "expected", "iv")
    assert wrapped(code, sent) == _hex(name, "expected", "c_apdu")


def test_answer_is_deciphered_from_the_initial_vector_published_with_it() -> None:
    name = "an12196-getcarduid-table28"
    session = _session(name)
    session.wrap(0x51, b"", b"", CommMode.FULL)
    answer = response_of(_hex(name, "expected", "r_apdu")).data

    content = session.unwrap(answer, CommMode.FULL)

    first = Aes(_hex(name, "inputs", "ses_auth_enc")).decrypted(answer[:BLOCK])
    assert _xor(first, padded(content)[:BLOCK]) == _hex(name, "expected", "resp_iv")


def test_checksum_of_another_key_is_the_published_one_and_is_sent() -> None:
    name = "an12196-changekey-other-table25"

    made = crc32(_hex(name, "inputs", "new_key"))

    assert made == _hex(name, "expected", "crc32_newkey_le")
    assert _hex(name, "inputs", "data").endswith(made)


@pytest.mark.parametrize(
    "name", ["an12196-sun-picc-cmac", "an12196-sun-encfile-cmac", "sdm-custom-keys"]
)
def test_mac_of_a_sun_message_is_the_published_one(name: str) -> None:
    meta_key, file_key = (
        _hex(name, "inputs", each) for each in ("sdm_meta_read_key", "sdm_file_read_key")
    )
    picc = _hex(name, "inputs", "picc_enc_data")
    given, expected = VECTORS[name]["inputs"], VECTORS[name]["expected"]
    mac_input = given.get("mac_input_ascii", "").encode()

    plain = Aes(meta_key).decrypted(picc)
    made = file_mac(
        file_key, _hex(name, "expected", "uid"), expected["sdm_read_ctr"], mac_input
    )

    assert plain[0] == BOTH_MIRRORED == int(expected["picc_data_tag"], 16)
    assert plain.hex().upper() == expected.get("picc_plain", plain.hex().upper())
    assert made == _hex(name, "expected", "sdmmac")
    message = SunMessage(
        picc=picc, uid=b"", counter=None, file=b"", mac=made, mac_input=mac_input
    )
    assert opened(message, meta_key) == (
        _hex(name, "expected", "uid"),
        expected["sdm_read_ctr"],
    )


@pytest.mark.parametrize("name", ["sdm-lrp-1", "sdm-lrp-2"])
def test_mac_of_a_sun_message_in_lrp_mode_is_made_from_the_published_vector(name: str) -> None:
    file_key = _hex(name, "inputs", "sdm_file_read_key")
    mac_input = VECTORS[name]["inputs"]["mac_input_ascii"].encode()
    vector, mac = (_hex(name, "expected", each) for each in ("session_vector", "sdmmac"))

    mac_key, _ = LrpKey.pair(LrpKey.of(file_key).mac(vector))
    sun = verified(
        SunMessage(
            picc=_hex(name, "inputs", "picc_enc_data"),
            uid=b"",
            counter=None,
            file=b"",
            mac=mac,
            mac_input=mac_input,
        ),
        meta_key=_hex(name, "inputs", "sdm_meta_read_key"),
        file_key_of=lambda _: file_key,
    )

    assert truncated(mac_key.mac(mac_input)) == mac
    assert vector[4:-2] == sun.uid + sun.counter.to_bytes(3, "little")


def test_mac_of_an_ultralight_aes_is_every_other_byte_of_the_published_one() -> None:
    name = "an13452-mf0aes-cmac"
    key, command = _hex(name, "inputs", "ses_auth_mac"), _hex(name, "inputs", "command")

    whole = Cmac(Aes(key)).over(bytes(2) + command)

    assert whole == _hex(name, "expected", "cmac")
    assert MfulSession(key).wrap(command) == command + truncated(whole)
