"""NTAG21x, Ultralight C and Ultralight AES as any reader meets them: frames in, frames out, against published answers."""

import json
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.decrepit.ciphers.algorithms import TripleDES
from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.modes import CBC

from hardware.entropy import SeededEntropy
from hardware.virtual import ntag21x, ultralight_aes, ultralight_c
from hardware.virtual.band import PoweredChip
from hardware.virtual.ntag21x import Ntag21xModel, VirtualNtag21x
from hardware.virtual.ultralight_aes import VirtualUltralightAes
from hardware.virtual.ultralight_c import VirtualUltralightC
from tests.hardware.virtual.chips import ZERO, FixedEntropy, ask, cmac, crypt, turned

UID = bytes.fromhex("04112233445566")
ACK, NAK, LIMIT = b"\x0a", b"\x00", b"\x04"
PASSWORD, PACK = bytes.fromhex("C0FFEE01"), b"OK"

VECTORS: dict[str, dict[str, Any]] = {
    vector["id"]: vector
    for vector in json.loads((Path(__file__).parents[2] / "vectors" / "nfc.json").read_text())[
        "vectors"
    ]
}


def raw(name: str, part: str, field: str) -> bytes:
    return bytes.fromhex(VECTORS[name][part][field])


def said(chip: PoweredChip, command: str) -> str:
    """A frame and its answer as hex."""
    return ask(chip, bytes.fromhex(command)).hex()


# --- NTAG21x


def ntag(**settings: Any) -> VirtualNtag21x:
    return VirtualNtag21x(uid=UID, password=PASSWORD, pack=PACK, **settings)


@pytest.mark.parametrize(
    ("model", "version", "capability", "last"),
    [
        (Ntag21xModel.NTAG213, "0004040201000f03", "e1101200", 0x2C),
        (Ntag21xModel.NTAG215, "0004040201001103", "e1103e00", 0x86),
        (Ntag21xModel.NTAG216, "0004040201001303", "e1106d00", 0xE6),
    ],
)
def test_each_ntag_says_its_version_size_and_uid(
    model: Ntag21xModel, version: str, capability: str, last: int
) -> None:
    chip = ntag(model=model).power_up()

    head = said(chip, "3000")
    end = said(chip, f"30{last:02x}")
    beyond = said(chip, f"30{last + 1:02x}")

    assert said(chip, "60") == version
    assert head[:6] + head[8:16] == UID.hex()
    assert head[6:8] == f"{0x88 ^ 0x04 ^ 0x11 ^ 0x22:02x}"
    assert head[16:18] == f"{0x33 ^ 0x44 ^ 0x55 ^ 0x66:02x}"
    assert head[24:] == capability
    assert end[8:] == head[:24], "behind the last page comes the first"
    assert beyond == NAK.hex()


def test_the_password_and_pack_are_never_read_back() -> None:
    chip = ntag().power_up()

    whole = said(chip, "3a002c")

    assert len(whole) == 45 * 4 * 2
    assert PASSWORD.hex() not in whole
    assert PACK.hex() not in whole


def test_the_first_guarded_page_is_the_one_that_is_told() -> None:
    for make in (
        lambda: ntag(auth_first=0x10),
        lambda: aes_band(auth_first=0x10, access=0),
        lambda: VirtualUltralightC(uid=UID, entropy=SeededEntropy("c"), auth_first=0x10),
    ):
        answers = [said(make().power_up(), f"a2{page:02x}00000000") for page in (0x0F, 0x10)]
        assert answers == [ACK.hex(), NAK.hex()]


def test_an_ntag_leaves_the_factory_with_the_data_sheets_configuration() -> None:
    whole = said(VirtualNtag21x(uid=UID).power_up(), "3a282c")

    assert whole == "000000bd" + "040000ff" + "00" * 12


def test_a_wrong_password_closes_what_the_right_one_opened() -> None:
    chip = ntag(auth_first=0x10, access=ntag21x.READS_TOO).power_up()
    before = said(chip, "3010")

    pack = said(chip, "1b" + PASSWORD.hex())
    opened = said(chip, "3010")
    wrong = said(chip, "1b00000000")

    assert (before, pack, wrong) == (NAK.hex(), PACK.hex(), NAK.hex())
    assert len(opened) == 32
    assert said(chip, "3010") == NAK.hex()


def test_a_guarded_page_is_not_reached_by_reading_over_the_end() -> None:
    chip = ntag(auth_first=0x06, access=ntag21x.READS_TOO, user_pages=b"open" * 2 + b"hide" * 2)

    around = bytes.fromhex(said(chip.power_up(), "3005"))

    assert around[:4] == b"open"
    assert around[4:7] == UID[:3]
    assert said(chip.power_up(), "3a0406") == NAK.hex()


def test_too_many_wrong_passwords_leave_the_right_one_without_effect() -> None:
    band = ntag(access=3)
    chip = band.power_up()

    wrong = [said(chip, "1b00000000") for _ in range(4)]

    assert wrong == [NAK.hex()] * 3 + [LIMIT.hex()]
    assert said(band.power_up(), "1b" + PASSWORD.hex()) == LIMIT.hex()


def test_a_tap_is_counted_once_by_its_first_read() -> None:
    band = ntag(access=ntag21x.COUNTER_ON)

    for _ in range(2):
        chip = band.power_up()
        said(chip, "3004")
        said(chip, "3a0405")
        counted = said(chip, "3902")
    unread = said(band.power_up(), "3902")

    assert counted == "020000"
    assert unread == "020000"
    assert said(ntag().power_up(), "3902") == NAK.hex(), "a counter that is off is not read"


def test_a_guarded_counter_needs_the_password() -> None:
    chip = ntag(access=ntag21x.COUNTER_ON | ntag21x.COUNTER_GUARDED).power_up()
    before = said(chip, "3902")

    said(chip, "1b" + PASSWORD.hex())

    assert (before, said(chip, "3902")) == (NAK.hex(), "000000")


def test_uid_and_counter_are_mirrored_into_the_text() -> None:
    url = b"tap?m=" + b"0" * 14 + b"x" + b"0" * 6
    mirror = (ntag21x.MIRROR_UID | ntag21x.MIRROR_COUNTER | 0x20, 0x05)
    chip = ntag(user_pages=url, mirror=mirror, access=ntag21x.COUNTER_ON).power_up()

    shown = ask(chip, bytes.fromhex("3a040b"))

    assert shown[: len(url)] == b"tap?m=04112233445566x000001"


def test_lock_bits_are_set_once_and_for_ever() -> None:
    chip = ntag().power_up()
    answers = [
        said(chip, command)
        for command in (
            "a204" + b"kept".hex(),
            "a20200001000",  # page 4
            "a20200000000",
            "a204" + b"lost".hex(),
            "a22801000000",  # pages 16 and 17
        )
    ]

    assert answers == [ACK.hex()] * 3 + [NAK.hex(), ACK.hex()]
    assert bytes.fromhex(said(chip, "3004"))[:4] == b"kept"
    assert said(chip, "a21100000000") == NAK.hex()
    assert said(chip, "a21200000000") == ACK.hex()


def test_frozen_lock_bits_cannot_be_set_any_more() -> None:
    chip = ntag().power_up()

    said(chip, "a20200000200")  # freezes the bits of pages 4 to 9
    said(chip, "a2020000f0ff")

    assert said(chip, "a20400000000") == ACK.hex()
    assert said(chip, "a20a00000000") == NAK.hex()


def test_the_capability_page_only_gains_bits() -> None:
    chip = ntag().power_up()

    said(chip, "a2030f000000")

    assert said(chip, "3003")[:8] == "ef101200"


def test_a_locked_configuration_stays_as_it_is() -> None:
    chip = ntag(access=ntag21x.CONFIGURATION_LOCKED).power_up()

    answers = [said(chip, f"a2{page:02x}00000000") for page in (0x29, 0x2A, 0x2B, 0x04, 0x2D)]

    assert answers == [each.hex() for each in (NAK, NAK, ACK, ACK, NAK)]


def test_what_is_protected_is_protected_from_the_next_tap_on() -> None:
    tag, ultralight = ntag(), aes_band()
    for chip, page in ((tag.power_up(), 0x29), (ultralight.power_up(), 0x29)):
        protected = said(chip, f"a2{page:02x}00000004")
        still_written = said(chip, "a205" + b"more".hex())
        assert (protected, still_written) == (ACK.hex(), ACK.hex())

    for band in (tag, ultralight):
        assert said(band.power_up(), "a205" + b"late".hex()) == NAK.hex()


def test_the_long_form_of_write_takes_four_bytes_of_sixteen() -> None:
    band = ntag()
    chip = band.power_up()

    answers = (said(chip, "a004"), said(chip, b"four".hex() + "ff" * 12))

    assert answers == (ACK.hex(), ACK.hex())
    assert band.memory[16:24] == b"four" + bytes(4)


def test_an_unknown_command_is_met_with_silence() -> None:
    chip = ntag().power_up()

    assert [chip.exchange(bytes.fromhex(frame)) for frame in ("", "1a00", "ff", "30")] == [
        None
    ] * 4


# --- Ultralight C


def des3(key: bytes, iv: bytes, content: bytes, *, is_decrypting: bool = False) -> bytes:
    cipher = Cipher(TripleDES(key + key[:8]), CBC(iv))
    worker = cipher.decryptor() if is_decrypting else cipher.encryptor()
    return worker.update(content) + worker.finalize()


def ultralight_c_opened(chip: PoweredChip, key: bytes) -> bytes | None:
    """Authenticate; the last answer."""
    challenge = ask(chip, b"\x1a\x00")[1:]
    rnd_b = des3(key, bytes(8), challenge, is_decrypting=True)
    return chip.exchange(b"\xaf" + des3(key, challenge, bytes(range(8)) + turned(rnd_b)))


def test_ultralight_c_answers_the_authentication_of_a_real_card() -> None:
    name = "mf0ulc-auth"
    key = raw(name, "inputs", "key")
    entropy = FixedEntropy(raw(name, "expected", "rndb"))
    chip = VirtualUltralightC(uid=UID, entropy=entropy, key=key).power_up()

    challenge = ask(chip, b"\x1a\x00")
    token = raw(name, "expected", "enc_rndab")
    answer = ask(chip, b"\xaf" + token)

    assert challenge == b"\xaf" + raw(name, "inputs", "enc_rndb")
    rnd_a = des3(key, token[8:], answer[1:], is_decrypting=True)
    assert rnd_a == turned(raw(name, "inputs", "rnda"))


def test_ultralight_c_opens_its_pages_to_its_key_alone() -> None:
    key = bytes(range(16))
    band = VirtualUltralightC(
        uid=UID,
        entropy=SeededEntropy("ulc"),
        key=key,
        auth_first=0x08,
        is_read_open=False,
        user_pages=b"open" * 4 + b"hide",
    )
    chip = band.power_up()
    before = said(chip, "3008")

    wrong = ultralight_c_opened(chip, bytes(16))
    after_wrong = said(chip, "3008")
    right = ultralight_c_opened(chip, key)

    assert (before, wrong, after_wrong) == (NAK.hex(), NAK, NAK.hex())
    assert (right or b"")[:1] == b"\x00"
    assert bytes.fromhex(said(chip, "3008"))[:4] == b"hide"
    assert said(chip, "302c") == NAK.hex(), "nobody reads the key"


def test_ultralight_c_has_no_version() -> None:
    chip = VirtualUltralightC(uid=UID, entropy=SeededEntropy("ulc")).power_up()

    assert chip.exchange(b"\x60") is None


def test_ultralight_c_takes_a_key_as_its_pages_hold_it() -> None:
    band = VirtualUltralightC(uid=UID, entropy=SeededEntropy("ulc"))
    chip = band.power_up()
    stored = bytes(range(8))[::-1] + bytes(range(8, 16))[::-1]

    for index in range(4):
        ask(chip, bytes([0xA2, 0x2C + index]) + stored[4 * index : 4 * index + 4])

    assert band.key == bytes(range(16))
    assert (ultralight_c_opened(chip, bytes(range(16))) or b"")[:1] == b"\x00"


def test_ultralight_c_counter_goes_one_way() -> None:
    band = VirtualUltralightC(uid=UID, entropy=SeededEntropy("ulc"))
    chip = band.power_up()

    answers = [said(chip, f"a229{value}") for value in ("05000000", "03000000", "f2000000")]
    said(chip, "a229f0ff0000")

    assert answers == [ACK.hex()] * 3
    assert band.counter == 10
    full = VirtualUltralightC(uid=UID, entropy=SeededEntropy("ulc"))
    chip = full.power_up()
    assert [said(chip, "a229ffff0000"), said(chip, "a22901000000")] == [ACK.hex(), LIMIT.hex()]
    assert full.counter == 0xFFFF


def test_ultralight_c_lock_bits_lock_what_the_data_sheet_says() -> None:
    locked = {}
    for bit in range(16):
        chip = VirtualUltralightC(uid=UID, entropy=SeededEntropy("ulc")).power_up()
        said(chip, "a228" + (1 << bit).to_bytes(2, "little").hex() + "0000")
        locked[bit] = [
            page for page in range(16, 48) if said(chip, f"a2{page:02x}30000000") == NAK.hex()
        ]

    assert [locked[bit] for bit in (0, 4, 8, 9, 10, 11)] == [[]] * 6
    assert [locked[bit] for bit in (1, 2, 3)] == [[*range(at, at + 4)] for at in (16, 20, 24)]
    assert [locked[bit] for bit in (5, 6, 7)] == [[*range(at, at + 4)] for at in (28, 32, 36)]
    assert [locked[bit] for bit in (12, 13, 14)] == [[41], [42], [43]]
    assert locked[15] == [44, 45, 46, 47]


def test_ultralight_c_closes_at_a_refusal() -> None:
    chip = VirtualUltralightC(
        uid=UID, entropy=SeededEntropy("ulc"), auth_first=8, is_read_open=False
    ).power_up()
    ultralight_c_opened(chip, ultralight_c.FACTORY_KEY)
    opened = said(chip, "3008")

    refused = said(chip, "302c")

    assert len(opened) == 32
    assert (refused, said(chip, "3008")) == (NAK.hex(), NAK.hex())


def test_chips_are_not_made_of_what_does_not_fit() -> None:
    entropy = SeededEntropy("x")
    whole = bytes(144)
    VirtualUltralightC(uid=UID, entropy=entropy, user_pages=whole)
    VirtualUltralightAes(uid=UID, entropy=entropy, user_pages=whole, wrong_max=1023)
    VirtualNtag21x(uid=UID, user_pages=whole)

    for make in (
        lambda: VirtualUltralightC(uid=UID, entropy=entropy, user_pages=whole + b"x"),
        lambda: VirtualUltralightC(uid=UID, entropy=entropy, key=bytes(24)),
        lambda: VirtualUltralightAes(uid=UID, entropy=entropy, user_pages=whole + b"x"),
        lambda: VirtualUltralightAes(uid=UID, entropy=entropy, data_key=bytes(15)),
        lambda: VirtualUltralightAes(uid=UID, entropy=entropy, wrong_max=1024),
        lambda: VirtualNtag21x(uid=UID, user_pages=whole + b"x"),
        lambda: VirtualNtag21x(uid=UID, pack=b"x"),
        lambda: VirtualNtag21x(uid=UID[:4]),
    ):
        with pytest.raises(ValueError, match=r"bytes|fit"):
            make()


# --- Ultralight AES


def aes_band(**settings: Any) -> VirtualUltralightAes:
    return VirtualUltralightAes(
        uid=UID,
        entropy=settings.pop("entropy", SeededEntropy("mful")),
        data_key=bytes(range(16)),
        uid_key=bytes(range(16, 32)),
        **settings,
    )


@pytest.mark.parametrize("name", ["an13452-mf0aes-auth", "mf0aes-real-tag"])
def test_ultralight_aes_answers_the_published_authentications(name: str) -> None:
    entropy = FixedEntropy(raw(name, "expected", "rndb"))
    band = VirtualUltralightAes(
        uid=UID, entropy=entropy, data_key=raw(name, "inputs", "key"), options=0x02
    )
    chip = band.power_up()

    challenge = ask(chip, b"\x1a\x00")
    answer = ask(chip, b"\xaf" + raw(name, "expected", "enc_rndab"))

    assert challenge == b"\xaf" + raw(name, "inputs", "enc_rndb")
    assert answer == b"\x00" + raw(name, "expected", "enc_rnda_rot")


def test_ultralight_aes_answers_the_data_sheets_authentication() -> None:
    name = "mf0aes-datasheet-auth"
    key = raw(name, "inputs", "key")
    rnd_b = crypt(key, ZERO, raw(name, "inputs", "enc_rndb"), is_decrypting=True)
    chip = VirtualUltralightAes(uid=UID, entropy=FixedEntropy(rnd_b), data_key=key).power_up()

    challenge = ask(chip, b"\x1a\x00")
    answer = ask(chip, b"\xaf" + raw(name, "expected", "enc_rndab"))

    assert challenge == b"\xaf" + raw(name, "inputs", "enc_rndb")
    assert answer == b"\x00" + raw(name, "expected", "enc_rnda_rot")


@pytest.mark.parametrize(
    ("authentication", "vector"),
    [
        ("an13452-mf0aes-auth", "an13452-mf0aes-cmac"),
        ("mf0aes-real-tag", "mf0aes-real-tag-cmac"),
    ],
)
def test_ultralight_aes_takes_the_published_mac_and_no_other(
    authentication: str, vector: str
) -> None:
    answers = []
    for turned_bit in (0, 1):
        band = VirtualUltralightAes(
            uid=UID,
            entropy=FixedEntropy(raw(authentication, "expected", "rndb")),
            data_key=raw(authentication, "inputs", "key"),
            options=ultralight_aes.MESSAGING,
        )
        chip = band.power_up()
        ask(chip, b"\x1a\x00")
        ask(chip, b"\xaf" + raw(authentication, "expected", "enc_rndab"))
        mac = bytearray(raw(vector, "expected", "mact"))
        mac[0] ^= turned_bit
        answers.append(chip.exchange(raw(vector, "inputs", "command") + bytes(mac)))

    good, bad = answers
    assert good is not None
    session_key = raw(authentication, "expected", "ses_auth_mac")
    assert good[-8:] == cmac(session_key, b"\x01\x00" + good[:-8])[1::2]
    assert bad is None


class MacReader:
    """A reader with an Ultralight AES session, made of plain arithmetic."""

    def __init__(self, chip: PoweredChip, number: int, key: bytes) -> None:
        self.chip = chip
        challenge = ask(chip, bytes([0x1A, number]))[1:]
        rnd_b = crypt(key, ZERO, challenge, is_decrypting=True)
        rnd_a = bytes(range(0x40, 0x50))
        answer = ask(chip, b"\xaf" + crypt(key, ZERO, rnd_a + turned(rnd_b)))
        assert answer == b"\x00" + crypt(key, ZERO, turned(rnd_a))
        crossed = bytes(a ^ b for a, b in zip(rnd_a[2:8], rnd_b[:6], strict=True))
        vector = b"\x5a\xa5\x00\x01\x00\x80" + rnd_a[:2] + crossed + rnd_b[6:] + rnd_a[8:]
        self.key = cmac(key, vector)
        self.counter = 0

    def maced(self, content: bytes) -> bytes:
        return cmac(self.key, self.counter.to_bytes(2, "little") + content)[1::2]

    def run(self, command: str) -> bytes:
        whole = bytes.fromhex(command)
        answer = ask(self.chip, whole + self.maced(whole))
        assert len(answer) > 1, answer.hex()
        self.counter += 1
        assert answer[-8:] == self.maced(answer[:-8])
        self.counter += 1
        return answer[:-8]


def test_ultralight_aes_session_counts_commands_and_answers() -> None:
    band = aes_band(options=ultralight_aes.MESSAGING, auth_first=0x04, access=0x80)
    chip = band.power_up()
    before = said(chip, "3004")

    reader = MacReader(chip, 0, bytes(range(16)))
    written = reader.run("a204" + b"kept".hex())
    read = reader.run("3004")
    raised = reader.run("a50207000000")
    counted = reader.run("3902")

    assert before == NAK.hex()
    assert written == raised == b""
    assert (read[:4], counted.hex()) == (b"kept", "070000")


def test_ultralight_aes_falls_silent_at_a_replayed_command() -> None:
    chip = aes_band(options=ultralight_aes.MESSAGING).power_up()
    reader = MacReader(chip, 0, bytes(range(16)))
    whole = bytes.fromhex("3004")
    replayed = whole + reader.maced(whole)

    first, second = chip.exchange(replayed), chip.exchange(replayed)

    assert first is not None
    assert second is None
    assert chip.exchange(whole) is not None, "the session is over; what is open to all is open"


def test_ultralight_aes_ends_a_session_at_what_it_refuses_or_does_not_know() -> None:
    for command, answer in (("303c", NAK), ("3c01", NAK), ("ff", None), ("4b00", None)):
        chip = aes_band(options=ultralight_aes.MESSAGING).power_up()
        reader = MacReader(chip, 0, bytes(range(16)))
        signature = reader.run("3c00")
        whole = bytes.fromhex(command)

        refused = chip.exchange(whole + reader.maced(whole))

        assert refused == answer, "and a refusal has no MAC"
        assert len(signature) == 48
        reader.counter += 1
        later = b"\x30\x04" + reader.maced(b"\x30\x04")
        assert chip.exchange(later) is None
    assert aes_band().power_up().exchange(b"\xff") is None
    assert said(aes_band().power_up(), "3c01") == NAK.hex()


def test_ultralights_show_their_configuration_as_it_was_made() -> None:
    aes = said(aes_band(options=3, access=0x88, wrong_max=256).power_up(), "3a292a")
    c_chip = VirtualUltralightC(uid=UID, entropy=SeededEntropy("c"), auth_first=0x2A)

    assert aes == "0300003c" + "88050001"
    assert said(c_chip.power_up(), "3028")[16:] == "2a000000" + "01000000"


def test_ultralight_aes_hides_its_uid_until_the_uid_key_opens_it() -> None:
    band = aes_band(options=ultralight_aes.RANDOM_UID, auth_first=0x04)
    chip, again = band.power_up(), band.power_up()
    hidden = said(chip, "3000")

    MacReader(chip, 1, bytes(range(16, 32)))
    shown = ask(chip, b"\x30\x00")

    assert (len(chip.anticollision.uid), chip.anticollision.uid[0]) == (4, 0x08)
    assert chip.anticollision.uid != again.anticollision.uid
    assert UID[:3].hex() not in hidden
    assert shown[:3] + shown[4:8] == UID
    assert said(chip, "a20400000000") == NAK.hex(), "the UID key opens nothing else"


def test_ultralight_aes_counts_wrong_keys_and_then_takes_none() -> None:
    band = aes_band(wrong_max=2)
    answers = []

    for _ in range(2):
        chip = band.power_up()
        ask(chip, b"\x1a\x00")
        answers.append(ask(chip, b"\xaf" + bytes(32)))

    assert answers == [NAK, NAK]
    assert ask(band.power_up(), b"\x1a\x00") == LIMIT


def test_ultralight_aes_keeps_its_keys_to_itself_and_takes_new_ones() -> None:
    band = aes_band()
    chip = band.power_up()
    fresh = bytes(range(0x50, 0x60))

    read = said(chip, "3a303b")
    for index in range(4):
        ask(chip, bytes([0xA2, 0x30 + index]) + fresh[::-1][4 * index : 4 * index + 4])
    ask(chip, bytes.fromhex("a22d40000000"))

    assert read == "00" * 48
    assert band.key(0) == fresh
    assert said(chip, "a23000000000") == NAK.hex(), "a locked key stays"
    assert said(chip, "a23400000000") == ACK.hex()


def test_ultralight_aes_locks_its_configuration_and_reads_pages_exactly() -> None:
    pages = bytes(range(0x80, 0x90))
    band = aes_band(access=ultralight_aes.CONFIGURATION_LOCKED, user_pages=pages)
    chip = band.power_up()

    answers = [said(chip, f"a2{page:02x}00000000") for page in (0x29, 0x2A, 0x2B, 0x38)]

    assert answers == [each.hex() for each in (NAK, NAK, ACK, NAK)]
    assert said(chip, "3a0506") == pages[4:12].hex()
    assert said(chip, "3a0605") == NAK.hex()
    assert said(aes_band().power_up(), "3a3a3b") == "00" * 8


def test_ultralight_aes_counter_two_is_guarded_and_never_runs_over() -> None:
    band = aes_band(access=0x00, counters=(0xFFFFFE, 0, 0))
    chip = band.power_up()

    answers = [
        said(chip, command)
        for command in ("3902", "a50201000000", "a50001000000", "a50001000000", "3900", "3903")
    ]

    assert answers == [NAK.hex(), NAK.hex(), ACK.hex(), LIMIT.hex(), "ffffff", NAK.hex()]


def test_a_chip_selected_anew_has_forgotten_who_authenticated() -> None:
    ntag_chip = ntag(auth_first=0x10, access=ntag21x.READS_TOO).power_up()
    said(ntag_chip, "1b" + PASSWORD.hex())
    c_chip = VirtualUltralightC(
        uid=UID, entropy=SeededEntropy("ulc"), auth_first=4, is_read_open=False
    ).power_up()
    ultralight_c_opened(c_chip, ultralight_c.FACTORY_KEY)
    aes_chip = aes_band(auth_first=4, access=0x80).power_up()
    MacReader(aes_chip, 0, bytes(range(16)))
    opened = [len(said(chip, "3010")) for chip in (ntag_chip, c_chip, aes_chip)]

    for chip in (ntag_chip, c_chip, aes_chip):
        chip.reselected()

    assert opened == [32, 32, 32]
    assert [said(chip, "3010") for chip in (ntag_chip, c_chip, aes_chip)] == [NAK.hex()] * 3
