"""The files of reader models: each loads, none claims what nobody tried, and names from the field find their model."""

from dataclasses import replace
from importlib.resources import files
from pathlib import Path

import pytest

from drivers.readers.profiles import (
    UNKNOWN,
    Kind,
    Profile,
    ProfileWrong,
    Quirk,
    Raw,
    SignalStyle,
    loaded,
    profile_of,
    profile_of_name,
    profile_of_usb,
    profiles,
    wrong_files,
)

SMALLEST = 'name = "A"\nkind = "pcsc"\n'


def test_there_is_a_file_for_at_least_twelve_models_people_can_buy() -> None:
    bought = [each for each in profiles() if each.model != "vpcd"]

    assert len(bought) >= 12
    assert len({each.name for each in profiles()}) == len(profiles())


def test_a_file_that_is_wrong_is_named_and_takes_no_other_model_away(tmp_path: Path) -> None:
    (tmp_path / "a.toml").write_text(SMALLEST)
    (tmp_path / "b.toml").write_text('name = "B"\nkind = "pcsc"\nbuzzer = 1\n')
    (tmp_path / "c.toml").write_text("name = ")
    (tmp_path / "d.toml").write_bytes(b"\xff\xfe")
    (tmp_path / "e.toml").mkdir()
    (tmp_path / "f.toml").write_text("")
    (tmp_path / "notes.txt").write_text("no model")
    (tmp_path / "z.toml").write_text(SMALLEST)

    found, wrong = loaded(tmp_path)

    assert [each.model for each in found] == ["a", "z"]
    assert [each.partition(":")[0] for each in wrong] == [
        "b.toml", "c.toml", "d.toml", "e.toml", "f.toml",
    ]  # fmt: skip
    assert wrong[0] == "b.toml: buzzer is no key of a profile, or not of that type"


def test_no_file_of_ours_is_wrong() -> None:
    assert wrong_files() == ()


def test_no_model_says_that_it_was_tried_on_the_device() -> None:
    folder = files("hardware") / "profiles"

    texts = [each.read_text("utf-8") for each in folder.iterdir()]

    assert len(texts) == len(profiles())
    assert all("verified_on_hardware = false" in text for text in texts)
    assert not any(each.verified_on_hardware for each in profiles())


def test_usb_numbers_belong_to_one_model_each() -> None:
    numbers = [number for each in profiles() for number in each.usb]

    assert len(set(numbers)) == len(numbers)
    assert all(number == number.upper() and len(number) == 9 for number in numbers)
    assert profile_of_usb("072f:223b") == next(
        each for each in profiles() if each.model == "acr1252u"
    )
    assert profile_of_usb("1234:5678") is None


@pytest.mark.parametrize(
    ("name", "model"),
    [
        ("ACS ACR122U PICC Interface 00 00", "acr122u"),
        ("ACS ACR1251 Dual Reader [ACR1251 Dual Reader PICC] 00 00", "acr1251"),
        ("ACS ACR1252 Dual Reader [ACR1252 Dual Reader PICC] 01 00", "acr1252u"),
        ("ACS ACR1255U-J1 [ACS ACR1255U] 00 00", "acr1255u_j1"),
        ("ACS ACR1281U [ACR1281 Dual Reader PICC] 00 00", "acr1281u_c1"),
        ("ACS ACR1552 1S CL Reader [ACR1552 1S CL Reader PICC] 00 00", "acr1552u"),
        (
            "HID Global OMNIKEY 5022 Smart Card Reader [OMNIKEY 5022 CL] 00 00",
            "omnikey_5022",
        ),
        ("HID Global OMNIKEY 5422 Smartcard Reader 00 00", "omnikey_5422"),
        ("HID OMNIKEY 5427 CK 00 00", "omnikey_5427"),
        ("Identiv uTrust 3700 F CL Reader 00 00", "utrust_3700f"),
        ("Identiv Identiv uTrust 4701 F Dual Interface Reader 00 00", "utrust_4701f"),
        ("Elatec TWN4 SmartCard NFC 00 00", "twn4"),
        ("Feitian R502 [R502 Contactless Reader] 00 00", "feitian_r502"),
        ("SONY FeliCa RC-S300/P 00 00", "sony_rc_s300"),
        ("Virtual PCD 00 00", "vpcd"),
        ("Somebody's Reader 00 00", ""),
    ],
)
def test_a_name_from_the_daemon_finds_its_model(name: str, model: str) -> None:
    assert profile_of_name(name).model == model


def test_a_slot_without_an_antenna_is_told_by_whole_words() -> None:
    acr1281 = profile_of_name("ACS ACR1281U")

    assert acr1281.ignores("ACS ACR1281U [ACR1281 Dual Reader ICC] 00 00")
    assert acr1281.ignores("ACS ACR1281U [ACR1281 Dual Reader SAM] 00 02")
    assert not acr1281.ignores("ACS ACR1281U [ACR1281 Dual Reader PICC] 00 01")
    assert UNKNOWN.ignores("Any Reader [SAM] 00 01")


def test_a_file_says_what_its_keys_mean() -> None:
    text = SMALLEST + (
        'usb = ["0000:0001"]\nraw = "direct"\nsignals = "acs"\npoll_ms = 250\n'
        'quirks = ["may_type"]\nverified_on_hardware = true\n'
    )

    profile = profile_of("a", text)

    assert profile == replace(
        Profile(model="a", name="A", kind=Kind.PCSC),
        usb=("0000:0001",),
        raw=Raw.DIRECT,
        signals=SignalStyle.ACS,
        poll_ms=250,
        quirks=frozenset({Quirk.MAY_TYPE}),
        verified_on_hardware=True,
    )


@pytest.mark.parametrize(
    "text",
    [
        "",
        'name = "A"',
        "this is no toml",
        SMALLEST + "colour = 1",
        SMALLEST + 'model = "b"',
        SMALLEST + 'raw = "telepathy"',
        SMALLEST + "raw = 1",
        SMALLEST + "poll_ms = -1",
        SMALLEST + "poll_ms = true",
        SMALLEST + "poll_ms = 1.5",
        SMALLEST + 'usb = "0000:0001"',
        SMALLEST + "names = [1]",
        SMALLEST + 'quirks = ["unknown"]',
        SMALLEST + 'verified_on_hardware = "no"',
    ],
)
def test_a_file_that_does_not_say_what_it_must_is_wrong(text: str) -> None:
    with pytest.raises(ProfileWrong):
        profile_of("a", text)
