"""The NTAG 424 DNA as any reader meets it: published commands and answers, dynamic messages, both kinds of messaging."""

import json
from dataclasses import replace
from functools import reduce
from pathlib import Path
from typing import Any

import pytest

from hardware.entropy import SeededEntropy
from hardware.virtual.lrp import Lrp, LrpSession
from hardware.virtual.messaging import Ev2Session, Mode
from hardware.virtual.ntag424 import NDEF, VirtualNtag424, delivered_files
from hardware.virtual.originality import NTAG424_TEST_KEY
from hardware.virtual.sdm import (
    COUNTED,
    FREE,
    LIMITED,
    NONE,
    PART_ENCRYPTED,
    TEXT,
    UID_SHOWN,
    UNSHOWN,
    Moment,
    Sdm,
    Unacceptable,
    sdm_of,
    shown,
)
from tests.hardware.virtual.chips import (
    ZERO,
    FixedEntropy,
    ask,
    cmac,
    crypt,
    jamcrc,
    padded,
    turned,
)

UID = bytes.fromhex("04DE5F1EACC040")
KEYS = tuple(bytes([number]) * 16 for number in range(5))
SELECT = bytes.fromhex("00A4040C07D276000085010100")
RND_A = bytes(range(0x40, 0x50))
URL = b"\x00\x47\xd1\x01\x43U\x04tap.example/?e=" + b"0" * 32 + b"&c=" + b"0" * 16
PICC_AT, MAC_AT = URL.index(b"0" * 32), URL.index(b"&c=") + 3
SUN = Sdm(
    options=UID_SHOWN | COUNTED | TEXT,
    meta=1,
    file=2,
    counter=FREE,
    picc_at=PICC_AT,
    mac_from=MAC_AT,
    mac_at=MAC_AT,
)

VECTORS: dict[str, dict[str, Any]] = {
    vector["id"]: vector
    for name in ("nfc.json", "chips.json")
    for vector in json.loads((Path(__file__).parents[2] / "vectors" / name).read_text())[
        "vectors"
    ]
}


def raw(name: str, part: str, field: str) -> bytes:
    return bytes.fromhex(VECTORS[name][part][field])


def band(**settings: Any) -> VirtualNtag424:
    made: dict[str, Any] = {"uid": UID, "entropy": SeededEntropy("424"), "keys": KEYS}
    return VirtualNtag424(**made | settings)


def opened(tag: VirtualNtag424) -> Any:
    """A powered chip with its application selected."""
    chip = tag.power_up()
    assert ask(chip, SELECT) == b"\x90\x00"
    return chip


def wrapped(code: int, data: bytes = b"") -> bytes:
    return bytes([0x90, code, 0, 0]) + (bytes([len(data)]) + data if data else b"") + b"\x00"


def in_session(tag: VirtualNtag424, name: str, key_number: int = 0) -> Any:
    """A chip that stands where a published session stood."""
    inputs = VECTORS[name]["inputs"]
    chip = opened(tag)
    chip._core.session = Ev2Session(
        encryption_key=bytes.fromhex(inputs.get("ses_auth_enc", "00" * 16)),
        mac_key=bytes.fromhex(inputs["ses_auth_mac"]),
        transaction=bytes.fromhex(inputs["ti"]),
        counter=inputs["cmd_ctr"],
    )
    chip._core.key_number = key_number
    return chip


def with_file(number: int, **changes: Any) -> Any:
    return tuple(
        replace(file, **changes) if file.number == number else file
        for file in delivered_files()
    )


# --- published commands


@pytest.mark.parametrize(
    ("name", "slot"), [("an12196-authev2first-table14", 0), ("an12196-authev2first-table19", 3)]
)
def test_the_published_authentications_open_the_chip(name: str, slot: int) -> None:
    drawn = raw(name, "expected", "ti"), raw(name, "expected", "rndb")
    tag = band(keys=(bytes(16),) * 5, entropy=FixedEntropy(*drawn))
    chip = opened(tag)

    challenge = ask(chip, wrapped(0x71, bytes([slot, 0])))
    answer = ask(chip, wrapped(0xAF, raw(name, "expected", "part2_command")))

    assert challenge == raw(name, "inputs", "enc_rndb") + b"\x91\xaf"
    assert answer == raw(name, "inputs", "part2_response") + b"\x91\x00"


def test_the_published_settings_are_told_byte_by_byte() -> None:
    name = "an12196-getfilesettings-mac-table7"
    sdm = Sdm(
        options=UID_SHOWN | COUNTED | PART_ENCRYPTED | TEXT,
        meta=0,
        file=0,
        counter=FREE,
        picc_at=0x1F,
        mac_from=0x44,
        part_at=0x44,
        part_size=0x20,
        mac_at=0x6A,
    )
    chip = in_session(band(files=with_file(NDEF, sdm=sdm, change=FREE)), name)

    answer = ask(chip, raw(name, "expected", "c_apdu"))

    assert answer == raw(name, "expected", "r_apdu")


def test_the_published_change_of_settings_makes_the_published_messages() -> None:
    name = "an12196-changefilesettings-table18"
    tag = band()
    chip = in_session(tag, name)

    answer = ask(chip, raw(name, "expected", "c_apdu"))

    assert answer == raw(name, "expected", "r_apdu")
    sdm = tag.files[NDEF].sdm
    assert sdm is not None
    assert (sdm.meta, sdm.file, sdm.counter) == (2, 1, 1)
    assert (sdm.picc_at, sdm.mac_from, sdm.mac_at) == (0x20, 0x43, 0x43)
    assert tag.files[NDEF].write == 0


@pytest.mark.parametrize(
    ("name", "files", "number"),
    [
        ("an12196-writedata-full-table17", with_file(2, mode=Mode.FULL, write=0), 2),
        ("an12196-writedata-full-table21", with_file(3, write=0), 3),
    ],
)
def test_the_published_writes_are_written(name: str, files: Any, number: int) -> None:
    tag = band(files=files)
    chip = in_session(tag, name)

    answer = ask(chip, raw(name, "expected", "c_apdu"))

    content = raw(name, "inputs", "data")
    assert answer == raw(name, "expected", "r_apdu")
    assert tag.contents[number][: len(content)] == content


def test_the_published_key_changes_leave_the_published_keys() -> None:
    other, own = "an12196-changekey-other-table25", "an12196-changekey-same-table26"
    tag = band(keys=(bytes(16),) * 5)
    chip = in_session(tag, other)

    answers = [ask(chip, raw(name, "expected", "c_apdu")) for name in (other, own)]

    assert answers == [raw(name, "expected", "r_apdu") for name in (other, own)]
    assert tag.keys[2] == raw(other, "inputs", "new_key")
    assert tag.keys[0] == raw(own, "inputs", "data")[:16]
    assert tag.key_versions == [1, 0, 1, 0, 0]
    assert ask(chip, wrapped(0x51)) == b"\x91\xae", "its own key changed, the session is over"


def test_the_published_uid_is_told_in_a_session() -> None:
    name = "an12196-getcarduid-table28"
    chip = in_session(band(uid=raw(name, "expected", "resp_plain")), name)

    assert ask(chip, raw(name, "expected", "c_apdu")) == raw(name, "expected", "r_apdu")


@pytest.mark.parametrize(
    ("name", "slot"), [("an12321-lrp-first-key3", 3), ("ntag424-lrp-first-key0", 0)]
)
def test_the_published_lrp_authentications_open_the_chip(name: str, slot: int) -> None:
    drawn = raw(name, "expected", "ti"), raw(name, "inputs", "rndb")
    tag = band(keys=(bytes(16),) * 5, entropy=FixedEntropy(*drawn), is_lrp=True)
    chip = opened(tag)

    challenge = ask(chip, wrapped(0x71, bytes([slot]) + b"\x06\x02" + bytes(5)))
    answer = ask(chip, wrapped(0xAF, raw(name, "expected", "part2_command")))

    assert challenge == b"\x01" + raw(name, "inputs", "rndb") + b"\x91\xaf"
    assert answer == raw(name, "inputs", "part2_response") + b"\x91\x00"


@pytest.mark.parametrize("name", ["ntag424-lrp-getcarduid", "ntag424-lrp-write-read"])
def test_a_session_in_lrp_goes_as_it_went_with_a_real_tag(name: str) -> None:
    tag = band(
        keys=(bytes(16),) * 5,
        is_lrp=True,
        uid=bytes.fromhex("04940D2A2F7080"),
        files=with_file(3, read=0, write=0),
    )
    chip = opened(tag)
    master = Lrp(raw(name, "inputs", "key")).cmac(raw(name, "inputs", "session_vector"))
    chip._core.session = LrpSession(master, transaction=raw(name, "inputs", "ti"), n_blocks=1)
    chip._core.key_number = 0
    exchanges = VECTORS[name]["expected"]["exchanges"]

    answers = [
        ask(chip, wrapped(int(each["code"], 16), bytes.fromhex(each["sent"]))).hex()
        for each in exchanges
    ]

    assert answers == [each["received"].lower() + "9100" for each in exchanges]


# --- published dynamic messages


def shown_by(vector: dict[str, Any], *, is_lrp: bool) -> tuple[dict[str, str], Any]:
    """What a file shows when all that a real tag drew by chance is drawn again."""
    inputs, expected = vector["inputs"], vector["expected"]
    picc = inputs["picc_enc_data"]
    meta, file = (
        bytes.fromhex(inputs[name]) for name in ("sdm_meta_read_key", "sdm_file_read_key")
    )
    head = 8 * is_lrp
    plain = expected.get("picc_plain")
    padding = (
        bytes.fromhex(plain)[11:]
        if plain
        else crypt(meta, ZERO, bytes.fromhex(picc), is_decrypting=True)[11:]
    )
    chance = bytes.fromhex(picc)[:head].ljust(8, b"\x00") + padding
    part = inputs.get("enc_file_data", "")
    tail = inputs.get("mac_input_ascii", "")[len(part) :]
    static = b"?picc=" + b"0" * len(picc) + b"&enc="
    part_at = len(static)
    clear = expected.get("file_data_ascii", "").encode() or bytes.fromhex(
        expected.get("file_data", "")
    )
    static += clear.ljust(len(part), b"0") + tail.encode()
    mac_at = len(static)
    sdm = Sdm(
        options=UID_SHOWN | COUNTED | TEXT | (PART_ENCRYPTED if part else 0),
        meta=0,
        file=1,
        counter=NONE,
        picc_at=6,
        mac_from=part_at if part else mac_at,
        part_at=part_at if part else None,
        part_size=len(part) if part else None,
        mac_at=mac_at,
    )
    uid = bytes.fromhex(expected["uid"])
    moment = Moment(uid, expected["sdm_read_ctr"], chance, is_lrp)
    seen = shown(static + b"0" * 16, sdm, (meta, file, *KEYS[2:]), moment)
    found = {
        "picc": seen[6 : 6 + len(picc)].decode(),
        "part": seen[part_at : part_at + len(part)].decode(),
        "mac": seen[mac_at:].decode(),
    }
    return found, {"picc": picc, "part": part, "mac": expected["sdmmac"]}


@pytest.mark.parametrize(
    "name", ["an12196-sun-picc-cmac", "an12196-sun-encfile-cmac", "sdm-custom-keys"]
)
def test_a_file_shows_the_published_messages_in_aes(name: str) -> None:
    found, expected = shown_by(VECTORS[name], is_lrp=False)

    assert found == expected


@pytest.mark.parametrize("name", ["sdm-lrp-1", "sdm-lrp-2"])
def test_a_file_shows_the_messages_of_real_tags_in_lrp(name: str) -> None:
    found, expected = shown_by(VECTORS[name], is_lrp=True)

    assert found == expected


def test_uid_and_counter_in_plain_text_give_the_mac_of_a_real_tag() -> None:
    name = "sdm-plain-uid-ctr"
    sdm = Sdm(
        options=UID_SHOWN | COUNTED | TEXT,
        meta=FREE,
        file=0,
        counter=NONE,
        uid_at=1,
        counter_at=16,
        mac_from=22,
        mac_at=22,
    )
    moment = Moment(raw(name, "inputs", "uid"), 6, bytes(24), is_lrp=False)

    seen = shown(b"?" + b"0" * 14 + b"x" + b"0" * 22, sdm, KEYS_ZERO, moment)

    text = "?041E3C8A2D6B80x" + VECTORS[name]["inputs"]["read_ctr_be"]
    assert seen.decode() == text + VECTORS[name]["expected"]["sdmmac"]


KEYS_ZERO = (bytes(16),) * 5


# --- dynamic messages of a whole chip


def read_ndef(chip: Any) -> bytes:
    """The file as a telephone reads it."""
    assert ask(chip, bytes.fromhex("00A4000C02E104")) == b"\x90\x00"
    answer = ask(chip, bytes.fromhex("00B0000080"))
    assert answer[-2:] == b"\x90\x00"
    return answer[:-2]


def counted(message: bytes) -> int:
    picc = bytes.fromhex(message[PICC_AT : PICC_AT + 32].decode())
    plain = crypt(KEYS[1], ZERO, picc, is_decrypting=True)
    assert plain[:8] == b"\xc7" + UID
    return int.from_bytes(plain[8:11], "little")


def test_every_tap_shows_another_counter_and_a_mac_over_it() -> None:
    tag = band(files=delivered_files(URL, SUN))

    messages = [read_ndef(opened(tag)) for _ in range(3)]

    assert [counted(message) for message in messages] == [1, 2, 3]
    for number, message in enumerate(messages, 1):
        vector = b"\x3c\xc3\x00\x01\x00\x80" + UID + number.to_bytes(3, "little")
        mac = cmac(cmac(KEYS[2], vector), b"")[1::2]
        assert message[MAC_AT : MAC_AT + 16].decode() == mac.hex().upper()


def test_reads_in_a_row_see_one_message_and_another_command_ends_the_row() -> None:
    chip = opened(band(files=delivered_files(URL, SUN)))
    whole = read_ndef(chip)

    pieces = [ask(chip, bytes.fromhex("00B000") + bytes([at, 16]))[:-2] for at in (32, 48)]
    by_other_command = ask(chip, wrapped(0xAD, bytes.fromhex("02000000490000")))[:-2]
    afterwards = read_ndef(chip)

    assert b"".join(pieces) == whole[32:64]
    assert counted(whole) == 1
    assert counted(by_other_command) == 2
    assert counted(afterwards) == 3


def test_a_reader_with_a_session_sees_the_file_as_it_was_written() -> None:
    tag = band(files=delivered_files(URL, SUN))
    session = AesReader(opened(tag), 0, KEYS[0])

    content = session.run(0xAD, bytes.fromhex("02000000490000"), mode=Mode.PLAIN)

    assert content == URL
    assert tag.counters[NDEF] == 0


def test_the_counter_is_told_to_whom_it_may_be() -> None:
    free = opened(band(files=delivered_files(URL, SUN), counter=7))
    guarded = band(files=delivered_files(URL, replace(SUN, counter=3)), counter=7)
    off = opened(band(files=delivered_files(URL, replace(SUN, counter=NONE))))
    ask_counter = wrapped(0xF6, b"\x02")

    assert ask(free, ask_counter) == bytes.fromhex("07000000009100")
    assert ask(opened(guarded), ask_counter) == b"\x91\xae"
    assert AesReader(opened(guarded), 3, KEYS[3]).run(
        0xF6, b"\x02", mode=Mode.FULL
    ) == bytes.fromhex("0700000000")
    assert ask(off, ask_counter) == b"\x91\x9d"


def test_a_file_at_its_limit_is_not_shown_any_more() -> None:
    sdm = replace(SUN, options=SUN.options | LIMITED, counter_max=2)
    tag = band(files=delivered_files(URL, sdm), counter=1)
    chip = opened(tag)
    read_ndef(chip)

    assert ask(opened(tag), wrapped(0xAD, bytes.fromhex("02000000490000"))) == b"\x91\x9d"
    chip = opened(tag)
    ask(chip, bytes.fromhex("00A4000C02E104"))
    assert ask(chip, bytes.fromhex("00B0000080")) == b"\x69\x82"
    assert tag.counters[NDEF] == 2


@pytest.mark.parametrize(
    "changes",
    [
        {"options": UID_SHOWN | COUNTED},  # no text
        {"meta": 5},
        {"file": FREE},
        {"options": COUNTED | TEXT | PART_ENCRYPTED},  # encrypted, without UID
        {"options": UID_SHOWN | TEXT},  # the counter may be asked for, but there is none
        {"picc_at": MAC_AT - 4},  # over the MAC
        {"mac_at": 250},  # over the end
        {"mac_from": MAC_AT + 1},
        {"options": SUN.options | LIMITED, "counter_max": 5},  # already there
    ],
)
def test_settings_that_contradict_each_other_are_refused(changes: dict[str, int]) -> None:
    sdm = replace(SUN, **changes)

    with pytest.raises(Unacceptable):
        sdm_of(sdm.to_bytes(), file_size=256, is_lrp=False, counter=5)


PART = replace(
    SUN,
    options=SUN.options | PART_ENCRYPTED,
    picc_at=0,
    mac_from=40,
    part_at=50,
    part_size=64,
    mac_at=120,
)
PLAIN = Sdm(
    options=UID_SHOWN | COUNTED | TEXT,
    meta=FREE,
    file=NONE,
    counter=NONE,
    uid_at=10,
    counter_at=24,
)


@pytest.mark.parametrize(
    "sdm",
    [
        replace(PART, part_size=32 + 16),  # no whole blocks as text
        replace(PART, part_size=0),
        replace(PART, part_at=39),  # begins before the MAC does
        replace(PART, part_size=96),  # over the MAC
        replace(PART, picc_at=30),  # over the encrypted part
        replace(PART, options=COUNTED | TEXT | PART_ENCRYPTED, counter=NONE),  # without a UID
        replace(PART, options=UID_SHOWN | TEXT | PART_ENCRYPTED, counter=NONE),
        replace(PLAIN, file=2, mac_from=0, mac_at=29),  # over the counter
        replace(PLAIN, counter_at=23),  # over the UID
        replace(PLAIN, uid_at=243),  # over the end
        replace(PLAIN, counter_at=0xFFFFFE),
        replace(PLAIN, options=TEXT, uid_at=None, counter_at=None),  # shows nothing
        replace(PLAIN, meta=NONE, uid_at=None, counter_at=None),  # a UID nobody may see
        replace(PLAIN, counter=5),
    ],
)
def test_pieces_that_overlap_or_show_nothing_are_refused(sdm: Sdm) -> None:
    with pytest.raises(Unacceptable):
        sdm_of(sdm.to_bytes(), file_size=256, is_lrp=False, counter=0)


@pytest.mark.parametrize(
    "sdm",
    [
        PART,
        replace(PART, part_at=40, part_size=32),
        replace(PART, mac_at=114),
        PLAIN,
        replace(PLAIN, uid_at=242),
        replace(PLAIN, file=2, mac_from=0, mac_at=30),
        replace(PLAIN, counter_at=UNSHOWN),
        replace(PLAIN, options=UID_SHOWN | TEXT, counter_at=None),
        replace(PLAIN, options=COUNTED | TEXT, meta=NONE, uid_at=None, counter_at=None),
        replace(PLAIN, counter=4),
        replace(SUN, mac_at=240, mac_from=240),
    ],
)
def test_pieces_that_just_fit_are_taken(sdm: Sdm) -> None:
    assert sdm_of(sdm.to_bytes(), file_size=256, is_lrp=False, counter=0) == sdm


def test_a_counter_that_is_shown_nowhere_is_in_no_mac_and_in_no_text() -> None:
    content = b"x" * 60
    base = replace(PLAIN, file=2, uid_at=0, mac_from=30, mac_at=30)
    moments = [Moment(UID, count, bytes(24), is_lrp=False) for count in (1, 2)]

    unshown = [
        shown(content, replace(base, counter_at=UNSHOWN), KEYS, each) for each in moments
    ]
    visible = [shown(content, replace(base, counter_at=20), KEYS, each) for each in moments]

    assert unshown[0] == unshown[1]
    assert unshown[0][14:30] == b"x" * 16
    assert visible[0][20:26] == b"000001"
    assert visible[0][30:46] != visible[1][30:46]


def test_settings_are_taken_as_they_are_told() -> None:
    for sdm in (SUN, replace(SUN, options=SUN.options | LIMITED, counter_max=9)):
        assert sdm_of(sdm.to_bytes(), file_size=256, is_lrp=False, counter=5) == sdm
    for raw_settings in (SUN.to_bytes()[:-1], SUN.to_bytes() + b"\x00"):
        with pytest.raises(Unacceptable):
            sdm_of(raw_settings, file_size=256, is_lrp=False, counter=5)


# --- sessions


class AesReader:
    """A reader with an AES session, made of plain arithmetic."""

    def __init__(self, chip: Any, slot: int, key: bytes, first: bytes = b"") -> None:
        self.chip = chip
        capabilities = first or bytes([slot, 0])
        challenge = ask(chip, wrapped(0x71, capabilities))
        assert challenge[-2:] == b"\x91\xaf", challenge.hex()
        rnd_b = crypt(key, ZERO, challenge[:-2], is_decrypting=True)
        answer = ask(chip, wrapped(0xAF, crypt(key, ZERO, RND_A + turned(rnd_b))))
        assert answer[-2:] == b"\x91\x00", answer.hex()
        plain = crypt(key, ZERO, answer[:-2], is_decrypting=True)
        self.transaction, self.told = plain[:4], plain[20:]
        assert plain[4:20] == turned(RND_A)
        crossed = bytes(a ^ b for a, b in zip(RND_A[2:8], rnd_b[:6], strict=True))
        vector = b"\x00\x01\x00\x80" + RND_A[:2] + crossed + rnd_b[6:] + RND_A[8:]
        self.enc = cmac(key, b"\xa5\x5a" + vector)
        self.mac_key = cmac(key, b"\x5a\xa5" + vector)
        self.counter = 0

    def place(self) -> bytes:
        return self.counter.to_bytes(2, "little") + self.transaction

    def maced(self, code: int, content: bytes) -> bytes:
        return cmac(self.mac_key, bytes([code]) + self.place() + content)[1::2]

    def crypted(self, direction: bytes, content: bytes, *, is_decrypting: bool) -> bytes:
        seed = direction + self.transaction + self.counter.to_bytes(2, "little") + bytes(8)
        iv = crypt(self.enc, ZERO, seed)
        return crypt(self.enc, iv, content, is_decrypting=is_decrypting)

    def run(self, code: int, header: bytes, content: bytes = b"", *, mode: Mode) -> bytes:
        if mode is Mode.FULL and content:
            content = self.crypted(b"\xa5\x5a", padded(content), is_decrypting=False)
        mac = b"" if mode is Mode.PLAIN else self.maced(code, header + content)
        answer = ask(self.chip, wrapped(code, header + content + mac))
        assert answer[-2:] == b"\x91\x00", answer.hex()
        self.counter += 1
        body = answer[:-2]
        if mode is Mode.PLAIN:
            return body
        body, mac = body[:-8], body[-8:]
        assert mac == self.maced(0x00, body)
        if mode is Mode.FULL and body:
            body = self.crypted(b"\x5a\xa5", body, is_decrypting=True).rstrip(b"\x00")[:-1]
        return body


def ecb(key: bytes, block: bytes) -> bytes:
    return crypt(key, ZERO, block)


class LrpReader(AesReader):
    """A reader with an LRP session; the primitive is written here once more, from the other end."""

    def __init__(self, chip: Any, slot: int, key: bytes) -> None:
        self.chip = chip
        challenge = ask(chip, wrapped(0x71, bytes([slot, 1, 2])))
        assert (challenge[0], challenge[-2:]) == (0x01, b"\x91\xaf"), challenge.hex()
        self.take(key, challenge[1:17])
        proof = self.lrp_mac(RND_A + self.rnd_b)
        answer = ask(chip, wrapped(0xAF, RND_A + proof))
        assert answer[-2:] == b"\x91\x00", answer.hex()
        secret, mac = answer[:16], answer[16:32]
        assert mac == self.lrp_mac(self.rnd_b + RND_A + secret)
        self.n_blocks = 0
        plain = self.crypted(b"", secret, is_decrypting=True)
        self.transaction, self.told = plain[:4], plain[4:]
        self.counter = 0

    def take(self, key: bytes, rnd_b: bytes) -> None:
        self.rnd_b = rnd_b
        crossed = bytes(a ^ b for a, b in zip(RND_A[2:8], rnd_b[:6], strict=True))
        context = RND_A[:2] + crossed + rnd_b[6:] + RND_A[8:]
        self.master = b""
        self.master = mac_by(key, b"\x00\x01\x00\x80" + context + b"\x96\x69")

    def reauthenticate(self, slot: int, key: bytes) -> None:
        challenge = ask(self.chip, wrapped(0x77, bytes([slot])))
        assert (challenge[0], len(challenge)) == (0x01, 19), challenge.hex()
        self.take(key, challenge[1:17])
        answer = ask(self.chip, wrapped(0xAF, RND_A + self.lrp_mac(RND_A + self.rnd_b)))
        assert answer == self.lrp_mac(self.rnd_b + RND_A) + b"\x91\x00"
        self.n_blocks = 0

    def lrp_mac(self, content: bytes) -> bytes:
        return mac_by(self.master, content)

    def maced(self, code: int, content: bytes) -> bytes:
        return self.lrp_mac(bytes([code]) + self.place() + content)[1::2]

    def crypted(self, direction: bytes, content: bytes, *, is_decrypting: bool) -> bytes:
        out = b""
        for at in range(0, len(content), 16):
            key = walk(self.master, 1, self.n_blocks.to_bytes(4, "big"))
            out += crypt(key, ZERO, content[at : at + 16], is_decrypting=is_decrypting)
            self.n_blocks += 1
        return out


def chain(key: bytes, first: bytes, count: int) -> bytes:
    """Encrypt `first`, then 55.. `count` times, then AA..: what both tables of LRP are made of."""
    start = ecb(key, first)
    return ecb(reduce(lambda k, _: ecb(k, b"\x55" * 16), range(count), start), b"\xaa" * 16)


def walk(key: bytes, number: int, block: bytes) -> bytes:
    start = chain(key, b"\xaa" * 16, number)
    nibbles = [int(letter, 16) for letter in block.hex()]
    table = [chain(key, b"\x55" * 16, nibble) for nibble in range(16)]
    return ecb(reduce(lambda k, nibble: ecb(k, table[nibble]), nibbles, start), ZERO)


def mac_by(key: bytes, content: bytes) -> bytes:
    def twice(block: bytes) -> bytes:
        number = int.from_bytes(block, "big") << 1
        return ((number & ((1 << 128) - 1)) ^ (0x87 * (number >> 128))).to_bytes(16, "big")

    subkey = twice(walk(key, 0, ZERO))
    if not content or len(content) % 16:
        content, subkey = padded(content), twice(subkey)
    state = ZERO
    for at in range(0, len(content), 16):
        block = content[at : at + 16]
        parts = (state, block, subkey if at + 16 == len(content) else ZERO)
        mixed = bytes(a ^ b ^ c for a, b, c in zip(*parts, strict=True))
        state = walk(key, 0, mixed)
    return state


PRIVATE_READ = bytes.fromhex("03000000100000")
PRIVATE_WRITE = bytes.fromhex("03000000050000")


def test_a_private_file_is_written_and_read_in_full_messages() -> None:
    tag = band()
    writer = AesReader(opened(tag), 3, KEYS[3])
    writer.run(0x8D, PRIVATE_WRITE, b"given", mode=Mode.FULL)

    content = AesReader(opened(tag), 2, KEYS[2]).run(0xAD, PRIVATE_READ, mode=Mode.FULL)

    assert content[:5] == b"given"
    assert ask(opened(tag), wrapped(0xAD, PRIVATE_READ)) == b"\x91\xae"


def test_lrp_protects_the_same_files() -> None:
    tag = band(is_lrp=True)
    session = LrpReader(opened(tag), 3, KEYS[3])

    session.run(0x8D, PRIVATE_WRITE, b"given", mode=Mode.FULL)
    content = session.run(0xAD, PRIVATE_READ, mode=Mode.FULL)
    session.reauthenticate(0, KEYS[0])
    uid = session.run(0x51, b"", mode=Mode.FULL)
    version = session.run(0x64, b"\x02", mode=Mode.MAC)

    assert content[:5] == b"given"
    assert uid == UID
    assert version == b"\x00"
    assert session.told == b"\x02" + bytes(5) + b"\x02" + bytes(5)


def test_a_chip_in_lrp_refuses_aes_and_one_in_aes_falls_back() -> None:
    in_lrp, in_aes = opened(band(is_lrp=True)), opened(band())

    refused = ask(in_lrp, wrapped(0x71, b"\x00\x00"))
    session = AesReader(in_aes, 0, KEYS[0], first=b"\x00\x01\x02")

    assert refused == b"\x91\x9d"
    assert session.told == bytes(6) + b"\x02" + bytes(5)


def test_lrp_refuses_a_wrong_proof() -> None:
    chip = opened(band(is_lrp=True))
    ask(chip, wrapped(0x71, b"\x00\x01\x02"))

    assert ask(chip, wrapped(0xAF, bytes(32))) == b"\x91\xae"


def test_random_uid_and_lrp_are_switched_on_for_ever() -> None:
    tag = band(files=delivered_files(URL, SUN))
    session = AesReader(opened(tag), 0, KEYS[0])

    session.run(0x5C, b"\x00", b"\x02", mode=Mode.FULL)
    session.run(0x5C, b"\x05", bytes(4) + b"\x02" + bytes(5), mode=Mode.FULL)
    chip = opened(tag)

    assert (chip.anticollision.uid[0], len(chip.anticollision.uid)) == (0x08, 4)
    assert tag.files[NDEF].sdm is None, "messages of the other kind would not fit"
    ask(chip, wrapped(0x60))
    ask(chip, wrapped(0xAF))
    assert ask(chip, wrapped(0xAF))[:7] == bytes(7)
    assert LrpReader(opened(tag), 0, KEYS[0]).run(0x51, b"", mode=Mode.FULL) == UID


@pytest.mark.parametrize("is_cut", [False, True])
def test_a_wrong_or_missing_mac_ends_the_session_and_writes_nothing(*, is_cut: bool) -> None:
    tag = band()
    session = AesReader(opened(tag), 3, KEYS[3])
    content = session.crypted(b"\xa5\x5a", padded(b"given"), is_decrypting=False)
    mac = session.maced(0x8D, PRIVATE_WRITE + content)
    spoiled = mac[:-1] if is_cut else bytes([mac[0] ^ 1]) + mac[1:]

    answer = ask(session.chip, wrapped(0x8D, PRIVATE_WRITE + content + spoiled))

    assert answer == b"\x91\x1e"
    assert tag.contents[3][:2] == b"\x00\x7e"
    assert ask(session.chip, wrapped(0x51)) == b"\x91\xae"


def test_a_replayed_command_is_no_command() -> None:
    session = AesReader(opened(band()), 0, KEYS[0])
    command = wrapped(0x64, b"\x01" + session.maced(0x64, b"\x01"))

    answers = [ask(session.chip, command)[-2:].hex() for _ in range(2)]

    assert answers == ["9100", "911e"]


@pytest.mark.parametrize(
    ("command", "status"),
    [
        (wrapped(0x5A, b"\x00\x00\x00"), "911c"),  # SelectApplication is DESFire's
        (wrapped(0xAF), "911c"),
        (wrapped(0x71, b"\x09\x00"), "9140"),
        (wrapped(0x77, b"\x00"), "919d"),
        (wrapped(0xAD, bytes.fromhex("09000000000000")), "91f0"),
        (wrapped(0xAD, bytes.fromhex("02010000000100")), "91be"),
        (wrapped(0xC4, b"\x01" + bytes(29)), "91ae"),
        (wrapped(0x3C, b"\x01"), "919e"),
        (wrapped(0x64, b"\x05"), "9140"),
        (wrapped(0x64), "917e"),
        (wrapped(0x64, b"\x01\x01"), "917e"),
        (wrapped(0xF6, b"\x03"), "919d"),
        (wrapped(0x5C, b"\x00" + bytes(24)), "91ae"),
        (bytes.fromhex("9051000001"), "91ae"),
        (bytes.fromhex("9051"), "917e"),
        (bytes.fromhex("00a40400"), "6a82"),
        (bytes.fromhex("00a4040c0e325041592e5359532e444446303100"), "6a82"),
        (bytes.fromhex("00b0000000"), "6985"),
        (bytes.fromhex("00840000"), "6d00"),
        (bytes.fromhex("00a40500"), "6a86"),
        (bytes.fromhex("00a4000102e104"), "6a86"),
        (bytes.fromhex("00a4000002e104"), "9000"),
        (bytes.fromhex("00a4020c02e10400"), "9000"),
        (bytes.fromhex("00a4010c02e104"), "6a82"),
        (bytes.fromhex("00a4010c02e110"), "9000"),
        (bytes.fromhex("00a4000c02e1"), "6700"),
        (bytes.fromhex("00a4000c02e1040000"), "6700"),
        (bytes.fromhex("00a4000c02e1ff"), "6a82"),
        (bytes.fromhex("00a403000000"), "9000"),
        (bytes.fromhex("00b0e40001"), "6a86"),
        (bytes.fromhex("00b0900001"), "6a82"),
        (bytes.fromhex("00b0840001"), "009000"),
        (bytes.fromhex("00b084000100"), "6700"),
        (bytes.fromhex("00b0850001"), "6982"),
        (bytes.fromhex("00b0830002"), "00179000"),
        (bytes.fromhex("00b0832001"), "6a86"),
        (bytes.fromhex("00d684ff0161"), "9000"),
        (bytes.fromhex("00d684ff026161"), "6a86"),
        (bytes.fromhex("00d683000161"), "6982"),
        (bytes.fromhex("00d684000261"), "6700"),
        (bytes.fromhex("00a4"), "6700"),
        (bytes.fromhex("8060000000"), "6e00"),
    ],
)
def test_what_cannot_be_done_has_the_data_sheets_status(command: bytes, status: str) -> None:
    assert ask(opened(band()), command).hex() == status


def test_leaving_the_application_leaves_its_files_and_its_session() -> None:
    for away in ("00A4000C023F00", "00A4040C07D2760000850100", "00A4000C"):
        chip = opened(band())
        AesReader(chip, 0, KEYS[0])
        ask(chip, bytes.fromhex("00A4000C02E104"))

        assert ask(chip, bytes.fromhex(away)) == b"\x90\x00"

        assert ask(chip, bytes.fromhex("00B0000001")) == b"\x69\x85"
        assert ask(chip, wrapped(0x51)) == b"\x91\xae"
        assert ask(chip, bytes.fromhex("00A4000C02E104")) == b"\x6a\x82"


def test_in_a_session_nothing_is_read_or_written_in_clear() -> None:
    chip = opened(band())
    AesReader(chip, 0, KEYS[0])

    answers = [ask(chip, bytes.fromhex(each)) for each in ("00B0840001", "00D684000161")]

    assert answers == [b"\x69\x82", b"\x69\x82"]


def test_keys_are_out_of_reach_before_the_application_is_selected() -> None:
    chip = band().power_up()

    assert ask(chip, wrapped(0x71, b"\x00\x00")) == b"\x91\x40"
    assert ask(chip, wrapped(0xF5, b"\x02")) == b"\x91\x9d"
    assert ask(chip, wrapped(0x64, b"\x00")) == b"\x91\x40"
    assert ask(chip, wrapped(0xC4, b"\x00" + bytes(40))) == b"\x91\x9d"


def test_another_command_aborts_an_authentication() -> None:
    chip = opened(band())
    ask(chip, wrapped(0x71, b"\x00\x00"))

    assert ask(chip, wrapped(0x60)) == b"\x91\xca"
    assert ask(chip, wrapped(0xAF, bytes(32))) == b"\x91\x1c"


def test_wrong_proofs_lock_a_key_and_the_master_key_frees_it() -> None:
    tag = band()
    tag.n_wrong[1] = 999
    chip = opened(tag)
    ask(chip, wrapped(0x71, b"\x01\x00"))

    wrong = ask(chip, wrapped(0xAF, bytes(32)))
    locked = ask(chip, wrapped(0x71, b"\x01\x00"))
    session = AesReader(chip, 0, KEYS[0])
    fresh = bytes(range(16))
    crossed = bytes(a ^ b for a, b in zip(fresh, KEYS[1], strict=True))
    session.run(0xC4, b"\x01", crossed + b"\x05" + jamcrc(fresh), mode=Mode.FULL)

    assert (wrong, locked) == (b"\x91\xae", b"\x91\x9d")
    assert AesReader(opened(tag), 1, fresh).run(0x64, b"\x01", mode=Mode.MAC) == b"\x05"


def test_a_key_is_slow_after_fifty_wrong_proofs_in_a_row_and_in_every_field() -> None:
    tag = band()
    begun = []
    for _ in range(51):
        chip = opened(tag)
        begun.append(ask(chip, wrapped(0x71, b"\x01\x00"))[-1])
        ask(chip, wrapped(0xAF, bytes(32)))

    said = [ask(opened(tag), wrapped(0x71, b"\x01\x00")) for _ in range(3)]

    assert begun == [0xAF] * 50 + [0xAD]
    assert said == [b"\x91\xad"] * 2 + [said[2]]
    assert said[2][-2:] == b"\x91\xaf"
    AesReader(opened(tag), 1, KEYS[1])
    assert tag.n_in_row[1] == 0


def test_a_good_proof_forgives_some_wrong_ones() -> None:
    tag = band()
    tag.n_wrong[0] = 25

    counts = []
    for _ in range(3):
        AesReader(opened(tag), 0, KEYS[0])
        counts.append(tag.n_wrong[0])

    assert counts == [15, 5, 0]


@pytest.mark.parametrize(
    "data", ["", "00", "0001", "000000", "00070000000000 0000", "000102 00"]
)
def test_an_authentication_of_the_wrong_length_does_not_begin(data: str) -> None:
    assert ask(opened(band()), wrapped(0x71, bytes.fromhex(data))) == b"\x91\x7e"


def test_a_telephone_finds_capability_and_message_and_may_write_it() -> None:
    tag = band()
    chip = opened(tag)

    ask(chip, bytes.fromhex("00A4000C02E103"))
    capability = ask(chip, bytes.fromhex("00B0000017"))
    written = (
        ask(chip, bytes.fromhex("00A4000C02E104")),
        ask(chip, bytes.fromhex("00D6000005000348692121"[:20])),
    )
    by_short_id = ask(chip, bytes.fromhex("00B0840005"))

    assert capability.hex().startswith("001720010000ff0406e104010000")
    assert written == (b"\x90\x00", b"\x90\x00")
    assert by_short_id == bytes(tag.contents[NDEF][:5]) + b"\x90\x00"
    assert tag.contents[NDEF][:5] == bytes.fromhex("0003486921")


def test_the_signature_is_told_plainly_and_in_a_session() -> None:
    tag = band()

    plain = ask(opened(tag), wrapped(0x3C, b"\x00"))
    sealed = AesReader(opened(tag), 1, KEYS[1]).run(0x3C, b"\x00", mode=Mode.FULL)

    assert plain == NTAG424_TEST_KEY.sign(UID) + b"\x91\x00"
    assert sealed == NTAG424_TEST_KEY.sign(UID)


# --- settings and content through a session


def changed(session: AesReader, number: int, settings: str) -> str:
    """ChangeFileSettings in full messages; the status when it is refused."""
    content = bytes.fromhex(settings)
    try:
        session.run(0x5F, bytes([number]), content, mode=Mode.FULL)
    except AssertionError as error:
        return str(error).splitlines()[0]
    return "9100"


@pytest.mark.parametrize(
    ("number", "settings", "status"),
    [
        (2, "01E0EE", "9100"),
        (2, "41E0EE", "919e"),  # announces dynamic settings and brings none
        (3, "40E0EE" + SUN.to_bytes().hex(), "919d"),  # the one file that cannot
        (2, "00E05E", "919e"),  # a key that is not there
        (2, "80E0EE", "919e"),
        (2, "00E0", "917e"),
        (2, "00E0EE00", "917e"),
        (9, "00E0EE", "91f0"),
    ],
)
def test_settings_of_a_file_are_changed_by_the_rules(
    number: int, settings: str, status: str
) -> None:
    tag = band()

    answer = changed(AesReader(opened(tag), 0, KEYS[0]), number, settings)

    assert answer == status
    told = tag.files[2].settings().hex()[:8].upper()
    assert told == ("00" + settings if status == "9100" else "0000E0EE")


@pytest.mark.parametrize(
    ("option", "values", "status"),
    [
        (0x00, "00", "9100"),
        (0x00, "01", "919e"),
        (0x00, "0200", "917e"),
        (0x01, "00", "919e"),
        (0x05, "00" * 9, "917e"),
        (0x05, "00" * 10, "9100"),
        (0x0A, "0100000000", "9100"),
    ],
)
def test_the_configuration_takes_what_the_data_sheet_lists(
    option: int, values: str, status: str
) -> None:
    tag = band()
    session = AesReader(opened(tag), 0, KEYS[0])

    try:
        session.run(0x5C, bytes([option]), bytes.fromhex(values), mode=Mode.FULL)
        told = "9100"
    except AssertionError as error:
        told = str(error).splitlines()[0]

    assert told == status
    assert (tag.has_random_uid, tag.is_lrp) == (False, False)


def test_only_the_key_for_changes_changes_settings_and_nobody_where_there_is_none() -> None:
    frozen = band(files=with_file(2, change=NONE))
    tag = band()

    assert changed(AesReader(opened(tag), 3, KEYS[3]), 2, "00E0EE") == "91ae"
    assert changed(AesReader(opened(frozen), 0, KEYS[0]), 2, "00E0EE") == "919d"
    free = band(files=with_file(2, change=FREE))
    assert ask(opened(free), wrapped(0x5F, bytes.fromhex("0203E0EE"))) == b"\x91\x00"
    assert free.files[2].mode is Mode.FULL


@pytest.mark.parametrize("mode", [Mode.PLAIN, Mode.MAC, Mode.FULL])
def test_content_goes_where_it_is_told_in_every_mode(mode: Mode) -> None:
    tag = band(files=with_file(3, mode=mode))
    session = AesReader(opened(tag), 3, KEYS[3])

    session.run(0x8D, bytes.fromhex("03050000030000"), b"abc", mode=mode)
    session.run(0x8D, bytes.fromhex("037F0000010000"), b"z", mode=mode)
    read = session.run(0xAD, bytes.fromhex("03040000050000"), mode=mode)
    to_the_end = session.run(0xAD, bytes.fromhex("037D0000000000"), mode=mode)

    assert read == b"\x00abc\x00"
    assert to_the_end == b"\x00\x00z"
    assert tag.contents[3][5:8] == b"abc"


@pytest.mark.parametrize(
    ("header", "content", "status"),
    [
        ("037F0000020000", b"ab", "91be"),
        ("03000000030000", b"ab", "917e"),
        ("01000000020000", b"ab", "91ae"),
    ],
)
def test_content_that_does_not_fit_is_not_written(
    header: str, content: bytes, status: str
) -> None:
    tag = band(files=with_file(3, mode=Mode.MAC))
    before = {number: bytes(each) for number, each in tag.contents.items()}
    session = AesReader(opened(tag), 3, KEYS[3])

    with pytest.raises(AssertionError, match=status):
        session.run(0x8D, bytes.fromhex(header), content, mode=Mode.MAC)

    assert {number: bytes(each) for number, each in tag.contents.items()} == before


def test_an_answer_in_full_messages_stays_within_a_short_one() -> None:
    tag = band(files=with_file(2, mode=Mode.FULL, read=1))
    session = AesReader(opened(tag), 1, KEYS[1])

    content = session.run(0xAD, bytes.fromhex("02000000000000"), mode=Mode.FULL)

    assert len(content) == 232
