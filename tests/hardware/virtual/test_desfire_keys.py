"""Keys, applications and configuration of the virtual DESFire: who may change what, and what is left when it did."""

import zlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hardware.entropy import SeededEntropy
from hardware.virtual.des import des_decrypted, des_encrypted, des_version, is_single_des
from hardware.virtual.desfire import VirtualApplication, VirtualDesfire, VirtualFile
from hardware.virtual.desfire_chip import PoweredDesfire
from hardware.virtual.desfire_memory import KeyType
from hardware.virtual.iso_dep import Pcd, Picc, crc_a
from hardware.virtual.messaging import D40Session, Mode
from tests.hardware.virtual.chips import (
    AID,
    KEYS,
    RND_A,
    UID,
    Ev1Reader,
    Ev2Reader,
    ask,
    crypt,
    desfire,
    files,
    jamcrc,
    padded,
    turned,
)

NEW_KEY = bytes(range(0x60, 0x70))
DES_KEY = bytes.fromhex("0011223344556677") + bytes.fromhex("8899AABBCCDDEEFE")


def band(*, app_settings: int = 0x0F, picc_settings: int = 0x0F, ev: int = 2) -> VirtualDesfire:
    application = VirtualApplication(AID, KEYS, key_settings=app_settings)
    return VirtualDesfire(
        uid=UID,
        ev=ev,
        applications=(application,),
        entropy=SeededEntropy("keys"),
        picc_key_settings=picc_settings,
    )


def reader(on: VirtualDesfire, slot: int, aid: bytes = AID) -> Ev2Reader:
    chip = on.power_up()
    ask(chip, b"\x5a" + aid)
    return Ev2Reader(chip, slot, KEYS[slot])


def on_chip(on: VirtualDesfire) -> Ev2Reader:
    """Authenticated with the chip's own key."""
    return Ev2Reader(on.power_up(), 0, bytes(16))


def secret(by: Ev2Reader, command: bytes, content: bytes) -> bytes:
    """The raw answer to a command with enciphered content."""
    body = crypt(by.enc, by.iv(b"\xa5\x5a"), padded(content))
    return ask(by.chip, command + body + by.maced(command[0], command[1:] + body))


def maced(by: Ev2Reader, command: bytes) -> bytes:
    """The raw answer to a command with a MAC."""
    return ask(by.chip, command + by.maced(command[0], command[1:]))


def other_key(new: bytes, old: bytes, version: int) -> bytes:
    mixed = bytes(a ^ b for a, b in zip(new, old, strict=True))
    return mixed + bytes([version]) + jamcrc(new)


# --- change of keys


def test_the_own_key_is_changed_and_the_session_is_over() -> None:
    chip = band()
    by = reader(chip, 0)

    answer = secret(by, b"\xc4\x00", NEW_KEY + b"\x07")

    assert answer == b"\x00"
    assert maced(by, b"\x6f")[0] != 0x00
    shown = chip.applications[AID]
    assert (shown.keys[0], shown.key_versions[0]) == (NEW_KEY, 7)
    powered = chip.power_up()
    ask(powered, b"\x5a" + AID)
    assert Ev2Reader(powered, 0, NEW_KEY).run(b"\x64\x00") == b"\x07"


def test_another_key_is_changed_and_the_session_goes_on() -> None:
    chip = band()
    by = reader(chip, 0)

    by.run(b"\xc4\x02", other_key(NEW_KEY, KEYS[2], 9), is_full=True)
    version = by.run(b"\x64\x02")

    assert version == b"\x09"
    assert chip.applications[AID].keys[2] == NEW_KEY


def test_a_key_that_does_not_match_its_own_checksum_is_not_taken() -> None:
    chip = band()
    by = reader(chip, 0)

    answer = secret(by, b"\xc4\x02", other_key(NEW_KEY, bytes(16), 9))

    assert answer == b"\x1e"
    assert chip.applications[AID].keys == KEYS


@pytest.mark.parametrize(
    ("app_settings", "slot", "number", "status"),
    [
        (0x0F, 0, 1, 0x00),  # key 0 changes the others
        (0x0F, 1, 2, 0xAE),
        (0x0F, 1, 1, 0xAE),
        (0x1F, 1, 2, 0x00),  # key 1 changes the others, key 0 changes key 1
        (0x1F, 1, 1, 0xAE),
        (0x1F, 0, 1, 0x00),
        (0x1F, 0, 2, 0xAE),
        (0xEF, 2, 2, 0x00),  # each changes itself
        (0xEF, 0, 2, 0xAE),
        (0xFF, 2, 2, 0x9D),  # none is changed, but key 0
        (0xFF, 0, 0, 0x00),
        (0x0E, 0, 0, 0x9D),  # key 0 is not
        (0x0F, 2, 0, 0xAE),
        (0x0F, 0, 3, 0x40),
    ],
)
def test_the_settings_say_which_key_changes_which(
    app_settings: int, slot: int, number: int, status: int
) -> None:
    chip = band(app_settings=app_settings)
    by = reader(chip, slot)
    old = KEYS[number] if number < len(KEYS) else bytes(16)
    content = NEW_KEY + b"\x07" if slot == number else other_key(NEW_KEY, old, 7)

    answer = secret(by, bytes([0xC4, number]), content)

    assert answer[0] == status
    changed = [at for at, key in enumerate(chip.applications[AID].keys) if key != KEYS[at]]
    assert changed == ([number] if status == 0 else [])


def test_the_chips_own_key_changes_its_kind() -> None:
    chip = band()
    by = on_chip(chip)

    answer = secret(by, b"\xc4\x00", DES_KEY)

    assert answer == b"\x00"
    assert chip.picc.key_type is KeyType.DES
    powered = chip.power_up()
    assert ask(powered, b"\x71\x00\x00") == b"\xae"
    assert len(ask(powered, b"\x1a\x00")) == 1 + 8


# --- the authentications by triple DES


def test_the_legacy_authentication_is_answered_by_encryption_alone() -> None:
    chip = VirtualDesfire(
        uid=UID,
        ev=1,
        applications=(),
        entropy=SeededEntropy("legacy"),
        picc_key=DES_KEY,
        picc_key_type=KeyType.DES,
    ).power_up()
    zero = bytes(8)

    challenge = ask(chip, b"\x0a\x00")
    rnd_b = des_decrypted(DES_KEY, zero, challenge[1:])
    rnd_a = RND_A[:8]
    first = des_decrypted(DES_KEY, zero, rnd_a)
    mixed = bytes(a ^ b for a, b in zip(turned(rnd_b), first, strict=True))
    answer = ask(chip, b"\xaf" + first + des_decrypted(DES_KEY, zero, mixed))

    assert answer[0] == 0x00
    assert des_decrypted(DES_KEY, zero, answer[1:]) == turned(rnd_a)
    assert ask(chip, b"\x6f")[0] == 0x00


@pytest.mark.parametrize("code", [0x0A, 0x1A])
def test_an_aes_key_does_not_open_by_des(code: int) -> None:
    chip = desfire(1).power_up()
    ask(chip, b"\x5a" + AID)

    assert ask(chip, bytes([code, 1])) == b"\xae"


@pytest.mark.parametrize("code", [b"\xaa\x00", b"\x71\x00\x00"])
def test_a_des_key_does_not_open_by_aes(code: bytes) -> None:
    chip = VirtualDesfire.fresh(uid=UID, ev=2, entropy=SeededEntropy("fresh")).power_up()

    assert ask(chip, code) == b"\xae"


def test_a_version_is_read_from_parity_bits() -> None:
    key = bytes.fromhex("0100010001000101") + bytes(8)

    assert des_version(key) == 0b10101011
    assert is_single_des(key[:8] * 2)
    assert not is_single_des(key)


@given(st.binary(min_size=8, max_size=8), st.binary(min_size=8, max_size=64))
def test_one_key_three_times_is_single_des(key: bytes, content: bytes) -> None:
    content = content[: len(content) // 8 * 8]

    secrets = {des_encrypted(each, bytes(8), content) for each in (key, key * 2, key * 3)}

    assert len(secrets) == 1


def legacy() -> tuple[VirtualDesfire, PoweredDesfire]:
    """A chip in a D40 session whose key is known: file 1 enciphered, file 2 with MACs, both open to key 0."""
    rights = (0, 0, 0, 0)
    files = (
        VirtualFile(1, Mode.FULL, *rights, bytes(16)),
        VirtualFile(2, Mode.MAC, *rights, bytes(16)),
    )
    application = VirtualApplication(AID, (DES_KEY,), files, key_type=KeyType.DES)
    band = VirtualDesfire(
        uid=UID, ev=1, applications=(application,), entropy=SeededEntropy("legacy")
    )
    chip = band.power_up()
    ask(chip, b"\x5a" + AID)
    chip._core.session = D40Session(DES_KEY)
    chip._core.key_number = 0
    return band, chip


def by_decryption(plain: bytes) -> bytes:
    """What a reader sends an old chip: each block xor the one sent before, decrypted."""
    sent, before = b"", bytes(8)
    for at in range(0, len(plain), 8):
        mixed = bytes(a ^ b for a, b in zip(plain[at : at + 8], before, strict=True))
        before = des_decrypted(DES_KEY, bytes(8), mixed)
        sent += before
    return sent


@pytest.mark.parametrize("spoiled", ["nothing", "checksum", "padding"])
def test_a_legacy_cryptogram_is_taken_only_with_its_checksum_and_its_zeros(
    spoiled: str,
) -> None:
    band, chip = legacy()
    crc = bytes(2) if spoiled == "checksum" else crc_a(b"content!")
    padding = bytes(5) + (b"\x01" if spoiled == "padding" else b"\x00")

    answer = ask(
        chip, b"\x3d\x01\x00\x00\x00\x08\x00\x00" + by_decryption(b"content!" + crc + padding)
    )

    assert answer == (b"\x00" if spoiled == "nothing" else b"\x1e")
    assert (band.contents[AID, 1][:8] == b"content!") is (spoiled == "nothing")


@pytest.mark.parametrize("is_good", [True, False])
def test_a_legacy_mac_is_four_bytes_over_the_content_alone(*, is_good: bool) -> None:
    band, chip = legacy()
    mac = des_encrypted(DES_KEY, bytes(8), b"content" + b"\x00")[-8:-4]
    mac = mac if is_good else mac[:3] + bytes([mac[3] ^ 1])

    answer = ask(chip, b"\x3d\x02\x00\x00\x00\x07\x00\x00content" + mac)

    assert answer == (b"\x00" if is_good else b"\x1e")
    assert (band.contents[AID, 2][:7] == b"content") is is_good


def test_a_legacy_answer_of_any_size_ends_with_80_and_one_of_a_known_size_with_zeros() -> None:
    asked_for_all = ask(legacy()[1], b"\xbd\x01" + bytes(6))
    asked_for_some = ask(legacy()[1], b"\xbd\x01\x00\x00\x00\x10\x00\x00")

    plains = [
        des_decrypted(DES_KEY, bytes(8), answer[1:])
        for answer in (asked_for_all, asked_for_some)
    ]

    crc = crc_a(bytes(16))
    assert plains == [bytes(16) + crc + b"\x80" + bytes(5), bytes(16) + crc + bytes(6)]


# --- applications


def test_an_application_is_made_with_the_default_key_and_taken_away() -> None:
    chip = band()
    by = on_chip(chip)

    by.run(b"\x5c\x01", NEW_KEY + bytes(8) + b"\x21", is_full=True)
    by.run(b"\xca\x07\x08\x09\x0b\x82")
    made = chip.applications[b"\x07\x08\x09"]
    by.run(b"\xda\x07\x08\x09")

    assert made.keys == (NEW_KEY, NEW_KEY)
    assert made.key_versions == (0x21, 0x21)
    assert (made.key_settings, made.key_type) == (0x0B, KeyType.AES)
    assert list(chip.applications) == [AID]


@pytest.mark.parametrize(
    ("command", "status"),
    [
        (b"\xca" + AID + b"\x0f\x81", 0xDE),
        (b"\xca\x00\x00\x00\x0f\x81", 0xDE),
        (b"\xca\x07\x08\x09\x0f\x80", 0x9E),
        (b"\xca\x07\x08\x09\x0f\x8f", 0x9E),
        (b"\xca\x07\x08\x09\x0f\xc1", 0x9E),
        (b"\xca\x07\x08\x09\x0f\x91", 0x9E),
        (b"\xca\x07\x08\x09\x0f", 0x7E),
        (b"\xda\x07\x08\x09", 0xA0),
    ],
)
def test_an_application_that_cannot_be_is_not_made(command: bytes, status: int) -> None:
    chip = band()

    answer = maced(on_chip(chip), command)

    assert answer == bytes([status])
    assert list(chip.applications) == [AID]


def test_an_ev1_has_room_for_twenty_eight_applications() -> None:
    chip = VirtualDesfire.fresh(uid=UID, ev=1, entropy=SeededEntropy("many"))
    powered = chip.power_up()

    made = [ask(powered, b"\xca" + bytes([number, 0, 1]) + b"\x0f\x01") for number in range(29)]

    assert made == [b"\x00"] * 28 + [b"\xce"]


@pytest.mark.parametrize(
    "command", [b"\xca\x07\x08\x09\x0f\x81", b"\xda" + AID, b"\x6a", b"\x45", b"\xfc"]
)
def test_a_closed_chip_lets_no_stranger_make_or_list(command: bytes) -> None:
    chip = band(picc_settings=0x00)

    assert ask(chip.power_up(), command) == b"\xae"
    assert list(chip.applications) == [AID]


@pytest.mark.parametrize(("picc_settings", "status"), [(0x0F, 0x00), (0x0B, 0x9D)])
def test_an_application_deletes_itself_where_the_chip_lets_it(
    picc_settings: int, status: int
) -> None:
    chip = band(picc_settings=picc_settings)

    answer = maced(reader(chip, 0), b"\xda" + AID)

    assert answer[0] == status
    assert (AID in chip.applications) is (status != 0)


def test_names_under_iso_7816_are_listed() -> None:
    chip = band()
    powered = chip.power_up()

    ask(powered, b"\xca\x07\x08\x09\x0f\xa1\x05\xe1NAME")
    ask(powered, b"\xca\x0a\x08\x09\x0f\xa1\x06\xe1OTHER")
    listed = ask(powered, b"\x6d")
    rest = ask(powered, b"\xaf")

    assert listed == b"\xaf\x07\x08\x09\x05\xe1NAME"
    assert rest == b"\x00\x0a\x08\x09\x06\xe1OTHER"
    assert chip.applications[b"\x07\x08\x09"].iso_id == b"\xe1\x05"


# --- configuration


def test_a_format_takes_every_application_and_not_the_chips_key() -> None:
    chip = band()
    by = on_chip(chip)

    by.run(b"\xfc")

    assert chip.applications == {}
    assert by.run(b"\x6a") == b""


def test_a_format_that_was_switched_off_is_refused_for_ever() -> None:
    chip = band()
    by = on_chip(chip)

    by.run(b"\x5c\x00", b"\x01", is_full=True)
    by.run(b"\x5c\x00", b"\x00", is_full=True)

    assert maced(by, b"\xfc") == b"\x9d"


def test_the_random_uid_is_switched_on_with_the_next_field_and_never_off() -> None:
    chip = band()
    by = on_chip(chip)

    by.run(b"\x5c\x00", b"\x02", is_full=True)
    by.run(b"\x5c\x00", b"\x00", is_full=True)
    shown = by.chip.anticollision.uid, chip.power_up().anticollision.uid

    assert shown[0] == UID
    assert (len(shown[1]), shown[1][:1]) == (4, b"\x08")


@pytest.mark.parametrize(
    ("option", "content", "status"),
    [
        (0x02, bytes.fromhex("0577810280"), 0x00),
        (0x02, b"\x09\x77\x81", 0x9E),
        (0x07, b"\x00", 0x9E),
    ],
)
def test_the_ats_is_what_was_configured_when_it_is_one(
    option: int, content: bytes, status: int
) -> None:
    chip = band()

    answer = secret(on_chip(chip), bytes([0x5C, option]), content)

    assert answer[0] == status
    assert (chip.power_up().anticollision.ats == content) is (status == 0)


def test_configuration_is_for_the_chips_key_alone() -> None:
    chip = band()

    answers = [
        secret(reader(chip, 0), b"\x5c\x00", b"\x02"),
        ask(chip.power_up(), b"\x5c\x00" + bytes(24)),
    ]

    assert answers == [b"\x9d", b"\xae"]
    assert not chip.has_random_uid


def test_settings_are_changed_until_they_are_frozen() -> None:
    chip = band()
    by = reader(chip, 0)

    by.run(b"\x54", b"\x07", is_full=True)
    told = by.run(b"\x45")
    refused = secret(by, b"\x54", b"\x0f")

    assert told == b"\x07\x83"
    assert refused == b"\x9d"


def test_the_makers_signature_is_told_where_there_is_one() -> None:
    signature = bytes(range(56))
    signed = VirtualDesfire.fresh(
        uid=UID, ev=2, entropy=SeededEntropy("signed"), signature=signature
    )

    told = ask(signed.power_up(), b"\x3c\x00")
    unsigned = ask(band().power_up(), b"\x3c\x00")
    old = ask(band(ev=1).power_up(), b"\x3c\x00")

    assert told == b"\x00" + signature
    assert (unsigned, old) == (b"\x1c", b"\x1c")


# --- ISO 7816-4


def with_message() -> VirtualDesfire:
    file = VirtualFile(
        1, Mode.PLAIN, 0xE, 0xE, 0xE, 0, b"\x00\x03abc" + bytes(300), iso_id=b"\xe1\x04"
    )
    closed = VirtualFile(2, Mode.PLAIN, 1, 1, 1, 0, bytes(8), iso_id=b"\xe1\x05")
    application = VirtualApplication(
        AID, KEYS, (file, closed), iso_id=b"\xe1\x10", df_name=bytes.fromhex("D2760000850101")
    )
    return VirtualDesfire(
        uid=UID, ev=2, applications=(application,), entropy=SeededEntropy("iso")
    )


def iso(chip: VirtualDesfire, *commands: str) -> list[str]:
    powered = chip.power_up()
    return [ask(powered, bytes.fromhex(command)).hex() for command in commands]


@pytest.mark.parametrize("by", ["00A4040007D276000085010100", "00A4000002E110"])
def test_a_file_is_found_and_read_by_its_iso_names(by: str) -> None:
    chip = with_message()

    answers = iso(chip, by, "00A4000C02E104", "00B0000003", "00B0000200", "00D6000203646566")

    assert answers[:3] == ["9000", "9000", "0003619000"]
    assert answers[3] == (b"abc" + bytes(253)).hex() + "9000"
    assert answers[4] == "9000"
    assert chip.contents[AID, 1][:6] == b"\x00\x03def\x00"


@pytest.mark.parametrize(
    ("command", "answer"),
    [
        ("00A4040007D276000085010000", "9000"),
        ("00A40000023F00", "9000"),
        ("00A4040005A000000003", "6a82"),
        ("00A4000C02E199", "6a82"),
        ("00A4080002E104", "6a86"),
        ("00A4000C05E104", "6700"),
        ("00B0000005", "6986"),
        ("00D600000100", "6986"),
        ("00840000", "6d00"),
    ],
)
def test_what_iso_cannot_have_has_its_own_status(command: str, answer: str) -> None:
    assert iso(with_message(), command) == [answer]


def test_a_closed_file_is_not_read_by_iso() -> None:
    answers = iso(
        with_message(),
        "00A4040007D276000085010100",
        "00A4000C02E105",
        "00B0000005",
        "00D600000100",
    )

    assert answers == ["9000", "9000", "6982", "6982"]


def test_reading_beyond_the_end_is_refused_and_an_old_selection_forgotten() -> None:
    select = "00A4040007D276000085010100", "00A4000C02E104"

    beyond = iso(with_message(), *select, "00B0013100", "00D6013003010203")
    left = iso(with_message(), *select, "00A40000023F00", "00B0000005")

    assert beyond[2:] == ["6b00", "6700"]
    assert left[3] == "6986"


# --- whatever comes


CODES = st.sampled_from(
    bytes.fromhex(
        "5A606A6D6E5145546458C4CADAFC5C3C6F61F55FCDCBCCC1C0DFBD3DAD8D6C0CDC1CBB3BAB8BEBC7A7AF0A1AAA7177"
    )
)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(CODES, st.binary(max_size=24), st.booleans()), max_size=10))
def test_any_command_with_a_good_mac_gets_a_status_and_never_more_than_it_may(
    commands: list[tuple[int, bytes, bool]],
) -> None:
    closed = VirtualApplication(AID, KEYS, files(), 0x09)
    chip = VirtualDesfire(uid=UID, ev=3, applications=(closed,), entropy=SeededEntropy("any"))
    by = reader(chip, 1)  # may read, may write and make nothing
    before = chip.contents, chip.applications

    for code, data, is_maced in commands:
        mac = by.maced(code, data) if is_maced else b""
        answer = ask(by.chip, bytes([code]) + data + mac)
        by.counter += answer[0] == 0x00
        assert 1 <= len(answer) <= 1 + 240

    assert chip.contents == before[0]
    assert {aid: chip.applications[aid] for aid in before[1]} == before[1]


def test_the_checksum_is_the_one_of_the_data_sheet() -> None:
    """JAMCRC, checked against the library's CRC by its own definition."""
    assert jamcrc(b"123456789") == (zlib.crc32(b"123456789") ^ 0xFFFFFFFF).to_bytes(4, "little")
    assert jamcrc(b"123456789").hex() == "d9c60b34"


def test_a_secret_of_the_wrong_size_is_refused() -> None:
    chip = band()

    answer = secret(reader(chip, 0), b"\x54", b"\x07\x07")

    assert answer == b"\x7e"
    assert chip.applications[AID].key_settings == 0x0F


def test_an_application_does_not_delete_another() -> None:
    chip = band()
    ask(chip.power_up(), b"\xca\x07\x08\x09\x0f\x81")

    assert maced(reader(chip, 0), b"\xda\x07\x08\x09") == b"\x9d"


def test_a_key_of_an_application_keeps_its_kind() -> None:
    chip = band()

    assert secret(reader(chip, 0), b"\xc4\x80", NEW_KEY + b"\x07") == b"\x40"


def test_a_file_selected_by_iso_is_forgotten_when_another_application_is() -> None:
    mine = with_message().applications[AID]
    other = VirtualApplication(b"\x09\x08\x07", KEYS, mine.files)
    band = VirtualDesfire(
        uid=UID, ev=2, applications=(mine, other), entropy=SeededEntropy("two")
    )
    powered = band.power_up()
    for command in ("00A4040007D276000085010100", "00A4000C02E104"):
        ask(powered, bytes.fromhex(command))

    ask(powered, bytes.fromhex("905A00000309080700"))

    assert ask(powered, bytes.fromhex("00B0000005")).hex() == "6986"


def test_a_chip_that_is_selected_anew_has_no_session_and_no_application() -> None:
    picc = Picc(band().power_up())
    pcd = Pcd(picc)
    picc.request()
    picc.select()
    pcd.activate()
    pcd.exchange(b"\x5a" + AID)

    pcd.deselect()
    assert picc.request(is_wake_up=True)
    picc.select()
    pcd.activate()

    assert pcd.exchange(b"\x6a") == b"\x00" + AID


@pytest.mark.parametrize("with_reader", [Ev1Reader, Ev2Reader])
def test_a_chip_can_be_made_to_prove_itself_wrongly(
    with_reader: type[Ev1Reader] | type[Ev2Reader],
) -> None:
    chip = band().power_up()
    ask(chip, b"\x5a" + AID)
    chip.nonce_turn += 1

    with pytest.raises(AssertionError):
        with_reader(chip, 1, KEYS[1])


@pytest.mark.parametrize("with_reader", [Ev1Reader, Ev2Reader])
def test_a_chip_can_be_made_to_count_anew(
    with_reader: type[Ev1Reader] | type[Ev2Reader],
) -> None:
    chip = band().power_up()
    ask(chip, b"\x5a" + AID)
    by = with_reader(chip, 1, KEYS[1])
    by.read(b"\x64\x01") if isinstance(by, Ev1Reader) else by.run(b"\x64\x01")

    chip.reset_counter()

    with pytest.raises(AssertionError):
        by.read(b"\x64\x01") if isinstance(by, Ev1Reader) else by.run(b"\x64\x01")


def test_an_application_finds_no_room_on_a_full_chip() -> None:
    chip = band()
    powered = chip.power_up()
    ask(powered, b"\xca\x01\x00\x00\x0f\x81")
    ask(powered, b"\x5a\x01\x00\x00")
    free = int.from_bytes(ask(powered, b"\x6e")[1:], "little")
    assert ask(powered, b"\xcd\x01\x00\x00\x00" + free.to_bytes(3, "little")) == b"\x00"
    ask(powered, b"\x5a\x00\x00\x00")

    refused = ask(powered, b"\xca\x02\x00\x00\x0f\x81")

    assert refused == b"\x0e"
    assert b"\x02\x00\x00" not in chip.applications


@pytest.mark.parametrize(("key_type", "size"), [(KeyType.AES, 24), (KeyType.TDES3, 16)])
def test_a_key_of_the_wrong_size_makes_no_band(key_type: KeyType, size: int) -> None:
    application = VirtualApplication(AID, (bytes(size),), key_type=key_type)

    with pytest.raises(ValueError, match="a key of this kind has"):
        VirtualDesfire(
            uid=UID, ev=1, applications=(application,), entropy=SeededEntropy("wrong")
        )
