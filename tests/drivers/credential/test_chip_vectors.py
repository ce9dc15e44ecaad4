"""Published known answers of NTAG 424, Ultralight AES and C, and of the maker's signatures; each group is run in full."""

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from drivers.credential.des import TripleDes
from drivers.credential.handshake import answered
from drivers.credential.kdf import BLOCK, Aes, session_keys_ev2
from drivers.credential.layout import CommMode
from drivers.credential.lrp import LrpKey
from drivers.credential.lrp_session import LrpHandshake, LrpSession
from drivers.credential.mful import MfulSession, mful_opened
from drivers.credential.originality import Maker, is_signed, maker_of
from drivers.credential.sdm import Names, SunMessage, file_mac, message_of, opened, verified
from drivers.credential.sdm_file import FileSettings, Sdm, settings_of

FOLDER = Path(__file__).parents[2] / "vectors"

VECTORS: list[dict[str, Any]] = [
    each
    for name in ("nfc.json", "chips.json")
    for each in json.loads((FOLDER / name).read_text())["vectors"]
]

RUN_HERE = {
    "lrp-commands": 2,
    "lrp-session": 2,
    "originality-signature": 18,
    "sdm": 4,
    "sdm-lrp": 2,
    "sdm-settings": 1,
    "sdm-settings-read": 1,
    "ultralight-aes": 5,
    "ultralight-c": 1,
}
"""Groups run here, and how many each has."""

MAKERS = {
    "NTAG21x": Maker.NTAG21X,
    "Ultralight EV1": Maker.ULTRALIGHT_EV1,
    "MIFARE Classic EV1": Maker.CLASSIC_EV1,
    "Ultralight AES": Maker.ULTRALIGHT_AES,
    "DESFire Light": Maker.DESFIRE_LIGHT,
    "DESFire EV2": Maker.DESFIRE_EV2,
    "DESFire EV2 XL": Maker.DESFIRE_EV2_XL,
    "DESFire EV3": Maker.DESFIRE_EV3,
    "NTAG413 DNA / DESFire EV1": Maker.DESFIRE_EV1,
    "NTAG424 DNA": Maker.NTAG424,
    "NTAG223/224 DNA": Maker.NTAG22X,
    "MIFARE Plus EV1": Maker.PLUS_EV1,
}


def _hex(part: dict[str, Any], name: str) -> bytes:
    return bytes.fromhex(part.get(name, ""))


def _group(name: str, having: str = "") -> list[Any]:
    return [
        pytest.param(each["inputs"], each["expected"], id=each["id"])
        for each in VECTORS
        if each["group"] == name and (not having or having in each["inputs"])
    ]


def test_no_vector_of_these_chips_has_vanished() -> None:
    counted = Counter(each["group"] for each in VECTORS)

    assert {name: counted[name] for name in RUN_HERE} == RUN_HERE


@pytest.mark.parametrize(("given", "expected"), _group("originality-signature"))
def test_signature_of_the_maker_holds_for_its_uid_and_no_other(
    given: dict[str, Any], expected: dict[str, Any]
) -> None:
    key, uid, signature = (_hex(given, x) for x in ("public_key", "uid", "signature_rs"))
    other = uid[:-1] + bytes((uid[-1] ^ 1,))

    assert is_signed(key, uid, signature) is expected["valid"]
    assert maker_of(uid, signature) is MAKERS[given["chip"]]
    assert not is_signed(key, other, signature)


@pytest.mark.parametrize(("given", "expected"), _group("sdm", "picc_enc_data"))
def test_sun_message_of_the_application_note_verifies(
    given: dict[str, Any], expected: dict[str, Any]
) -> None:
    message = _message(given, expected)

    sun = verified(
        message,
        meta_key=_hex(given, "sdm_meta_read_key"),
        file_key_of=lambda _uid: _hex(given, "sdm_file_read_key"),
    )

    assert sun.uid == _hex(expected, "uid")
    assert sun.counter == expected["sdm_read_ctr"]
    assert sun.content == _content(expected)
    assert not sun.is_lrp


def _content(expected: dict[str, Any]) -> bytes:
    return _hex(expected, "file_data") or expected.get("file_data_ascii", "").encode()


def _message(given: dict[str, Any], expected: dict[str, Any]) -> SunMessage:
    if "url" in given:
        names = Names("picc_data", "cmac", "enc") if "picc_data=" in given["url"] else Names()
        return message_of(given["url"], names)
    return SunMessage(
        picc=_hex(given, "picc_enc_data"),
        uid=b"",
        counter=None,
        file=_hex(given, "enc_file_data"),
        mac=_hex(expected, "sdmmac"),
        mac_input=given["mac_input_ascii"].encode(),
    )


@pytest.mark.parametrize(("given", "expected"), _group("sdm", "read_ctr_be"))
def test_sun_message_in_clear_verifies(given: dict[str, Any], expected: dict[str, Any]) -> None:
    key, counter = _hex(given, "sdm_file_read_key"), given["read_ctr_be"]
    link = f"https://x.example/?u={given['uid']}&n={counter}&c={expected['sdmmac']}"

    sun = verified(message_of(link), meta_key=b"", file_key_of=lambda _uid: key)

    assert sun.uid == _hex(given, "uid")
    assert sun.counter == int(counter, 16)
    assert file_mac(key, sun.uid, sun.counter, b"") == _hex(expected, "sdmmac")


@pytest.mark.parametrize(("given", "expected"), _group("sdm-lrp"))
def test_sun_message_of_a_chip_in_lrp_mode_verifies(
    given: dict[str, Any], expected: dict[str, Any]
) -> None:
    message = _message(given, expected)
    picc, meta_key = message.picc, _hex(given, "sdm_meta_read_key")

    sun = verified(
        message, meta_key=meta_key, file_key_of=lambda _: _hex(given, "sdm_file_read_key")
    )

    assert LrpKey.of(meta_key).deciphered(picc[8:], picc[:8]) == _hex(expected, "picc_plain")
    assert opened(message, meta_key) == (sun.uid, sun.counter)
    assert (sun.uid, sun.counter) == (_hex(expected, "uid"), expected["sdm_read_ctr"])
    assert sun.content == _content(expected)
    assert sun.is_lrp


@pytest.mark.parametrize(("given", "expected"), _group("sdm-settings"))
def test_settings_of_a_file_are_sent_as_the_application_note_does(
    given: dict[str, Any], expected: dict[str, Any]
) -> None:
    rights = {name: given[name] for name in ("read", "write", "read_write", "change")}
    sdm = {name: number for name, number in given.items() if name not in {*rights, "mode"}}

    settings = FileSettings(CommMode(given["mode"]), **rights, sdm=Sdm(**sdm))

    assert settings.to_bytes() == _hex(expected, "settings")


@pytest.mark.parametrize(("given", "expected"), _group("sdm-settings-read"))
def test_settings_of_a_file_are_read_as_the_application_note_says(
    given: dict[str, Any], expected: dict[str, Any]
) -> None:
    answer = _hex(given, "settings")

    settings = settings_of(answer)

    sdm = settings.sdm
    assert sdm is not None
    names = ("picc_offset", "mac_input_offset", "enc_offset", "enc_size", "mac_offset")
    assert {name: getattr(sdm, name) for name in names} == {x: expected[x] for x in names}
    assert settings.size == expected["size"]
    assert settings.to_bytes() == answer[1:4] + answer[7:]


@pytest.mark.parametrize(("given", "expected"), _group("lrp-session"))
def test_lrp_authentication_is_the_published_one(
    given: dict[str, Any], expected: dict[str, Any]
) -> None:
    key, rnd_a, rnd_b = (_hex(given, name) for name in ("key", "rnda", "rndb"))

    handshake = LrpHandshake(key, rnd_a, rnd_b)
    session = handshake.first(_hex(given, "part2_response"))

    assert handshake.token == _hex(expected, "part2_command")
    assert session.ti == _hex(expected, "ti")


@pytest.mark.parametrize(("given", "expected"), _group("lrp-commands"))
def test_lrp_session_protects_commands_and_answers_as_recorded(
    given: dict[str, Any], expected: dict[str, Any]
) -> None:
    master = LrpKey.of(_hex(given, "key")).mac(_hex(given, "session_vector"))
    session = LrpSession(*LrpKey.pair(master), _hex(given, "ti"), enc_counter=1)

    for each in expected["exchanges"]:
        code, header, content = (_hex(each, name) for name in ("code", "header", "content"))
        assert session.wrap(code[0], header, content, CommMode.FULL) == _hex(each, "sent")
        plain = session.unwrap(_hex(each, "received"), CommMode.FULL)
        assert plain == _hex(each, "plain")


@pytest.mark.parametrize(("given", "expected"), _group("ultralight-aes", "enc_rndb"))
def test_ultralight_aes_authenticates_as_published(
    given: dict[str, Any], expected: dict[str, Any]
) -> None:
    cipher = Aes(_hex(given, "key"))

    so_far = answered(cipher, _hex(given, "enc_rndb"), _hex(given, "rnda"), is_chained=False)
    mful_opened(cipher, so_far, _hex(expected, "enc_rnda_rot"))

    assert so_far.token == _hex(expected, "enc_rndab")
    assert so_far.rnd_b == (_hex(expected, "rndb") or so_far.rnd_b)
    mac_key = session_keys_ev2(cipher, so_far.rnd_a, so_far.rnd_b).mac
    assert mac_key == (_hex(expected, "ses_auth_mac") or mac_key)
    assert len(mac_key) == BLOCK


@pytest.mark.parametrize(("given", "expected"), _group("ultralight-aes", "command"))
def test_ultralight_aes_command_carries_the_published_mac(
    given: dict[str, Any], expected: dict[str, Any]
) -> None:
    command = _hex(given, "command")

    sent = MfulSession(_hex(given, "ses_auth_mac")).wrap(command)

    assert given["cmd_ctr"] == 0
    assert sent == command + _hex(expected, "mact")


@pytest.mark.parametrize(("given", "expected"), _group("ultralight-c"))
def test_ultralight_c_authenticates_as_recorded(
    given: dict[str, Any], expected: dict[str, Any]
) -> None:
    cipher = TripleDes(_hex(given, "key"))

    so_far = answered(cipher, _hex(given, "enc_rndb"), _hex(given, "rnda"), is_chained=True)

    assert so_far.rnd_b == _hex(expected, "rndb")
    assert so_far.token == _hex(expected, "enc_rndab")
