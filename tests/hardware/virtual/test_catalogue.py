"""Every band of the catalogue is what its line says, and other people's programs find it so."""

import os
import re
import subprocess
from pathlib import Path
from typing import Any

import nfc
import nfc.clf.pn532
import nfc.clf.transport
import pytest

from hardware.entropy import SeededEntropy
from hardware.virtual import catalogue
from hardware.virtual.catalogue import (
    DESFIRE_AID,
    PACK,
    PASSWORD,
    SAMPLES,
    UNKNOWN_VERSION,
    Sample,
    sample_band,
    sample_key,
    sun_file,
    uid_of,
    uri_message,
)
from hardware.virtual.faults import FaultKind
from hardware.virtual.pn532 import LineFault
from hardware.virtual.sdm import sdm_of
from tests.hardware.virtual.chips import Ev2Reader, ask
from tests.support.virtual_reader import VirtualReader


def band(name: str) -> Any:
    return sample_band(name, entropy=SeededEntropy(name))


def test_every_name_is_one_word_and_there_once() -> None:
    names = [sample.name for sample in SAMPLES]

    assert len(set(names)) == len(names) > 30
    assert not any(set(name) & set(" :\t") for name in names)
    with pytest.raises(KeyError):
        sample_band("stranger", entropy=SeededEntropy("x"))


@pytest.mark.parametrize("sample", SAMPLES, ids=lambda sample: str(sample.name))
def test_a_pn532_lists_every_band(virtual_reader: VirtualReader, sample: Sample) -> None:
    virtual_reader.field.present(band(sample.name))
    device = nfc.clf.pn532.init(nfc.clf.transport.TTY(str(virtual_reader.path)))
    is_felica = sample.name == "felica"
    looking = "010100FFFF0000" if is_felica else "0200"

    found = bytes(device.chipset.command(0x4A, bytes.fromhex(looking), timeout=1.0))
    device.close()

    assert found[0] == 1


def test_the_same_name_is_the_same_band_each_time() -> None:
    assert band("ntag213").uid == band("ntag213").uid == uid_of("ntag213")
    assert uid_of("ntag213")[0] == 0x04
    assert band("twin-a").uid == band("twin-b").uid


def test_the_keys_are_those_the_page_says() -> None:
    chip = band("desfire-ev2").power_up()
    ask(chip, b"\x5a" + DESFIRE_AID)
    reader = Ev2Reader(chip, 1, sample_key(1))

    content = reader.run(b"\xbd\x02\x00\x00\x00\x00\x00\x00", is_full=True)

    assert content.startswith(b"read with key 1")
    assert ask(band("ntag213-password").power_up(), b"\x1b" + PASSWORD) == PACK


def test_strange_keys_say_so_by_their_version() -> None:
    desfire, ntag = band("desfire-strange").power_up(), band("ntag424-strange").power_up()
    ask(desfire, b"\x5a" + DESFIRE_AID)
    ask(ntag, bytes.fromhex("00A4040C07D276000085010100"))

    versions = ask(desfire, b"\x64\x01")[1], ask(ntag, bytes.fromhex("906400000101 00"))[0]

    assert versions == (UNKNOWN_VERSION, UNKNOWN_VERSION)


@pytest.mark.parametrize(("is_lrp", "has_part"), [(False, False), (False, True), (True, False)])
def test_the_settings_of_changing_messages_are_ones_a_chip_takes(
    *, is_lrp: bool, has_part: bool
) -> None:
    content, sdm = sun_file(is_lrp=is_lrp, has_part=has_part)

    assert sdm_of(sdm.to_bytes(), file_size=256, is_lrp=is_lrp, counter=0) == sdm
    assert int.from_bytes(content[:2], "big") == len(content) - 2 < 254


@pytest.mark.parametrize(
    ("name", "kind", "path"),
    [
        ("ntag424", "Type4Tag", "ntag424"),
        ("telephone-message", "Type4Tag", "type4"),
        ("ntag213", "Type2Tag", "ntag21x"),
        ("ntag216", "Type2Tag", "ntag21x"),
        ("ntag213-password", "Type2Tag", "password"),
    ],
)
def test_nfcpy_reads_the_message_of(
    virtual_reader: VirtualReader, name: str, kind: str, path: str
) -> None:
    virtual_reader.field.present(band(name))
    found: list[Any] = []
    clf: Any = nfc.ContactlessFrontend()
    clf.device = nfc.clf.pn532.init(nfc.clf.transport.TTY(str(virtual_reader.path)))

    def keep(tag: Any) -> bool:
        found.append(tag)
        return False

    clf.connect(rdwr={"on-connect": keep})

    assert found[0].type == kind
    assert bytes(found[0].ndef.octets) == uri_message(path)
    clf.close()


def test_nfcpy_sees_another_message_at_each_look(virtual_reader: VirtualReader) -> None:
    virtual_reader.field.present(band("ntag424-sun"))
    addresses = []
    for _ in range(2):
        found: list[Any] = []
        clf: Any = nfc.ContactlessFrontend()
        clf.device = nfc.clf.pn532.init(nfc.clf.transport.TTY(str(virtual_reader.path)))

        def keep(tag: Any, found: list[Any] = found) -> bool:
            found.append(tag)
            return False

        clf.connect(rdwr={"on-connect": keep})
        addresses.append(bytes(found[0].ndef.octets))
        clf.close()

    assert addresses[0] != addresses[1]
    assert addresses[0][-16:] != addresses[1][-16:]


@pytest.mark.parametrize(
    ("program", "name", "words"),
    [
        ("mifare-ultralight-info", "ntag213", "UID"),
        ("mifare-ultralight-info", "ultralight-c", "UltralightC"),
        ("mifare-desfire-info", "desfire-ev1", "UID"),
        ("nfc-list", "mifare-classic", "UID"),
    ],
)
def test_other_peoples_tools_find_the_band(
    virtual_reader: VirtualReader, program: str, name: str, words: str
) -> None:
    virtual_reader.field.present(band(name))
    more = {
        "LIBNFC_DEFAULT_DEVICE": f"pn532_uart:{virtual_reader.path}:115200",
        "LIBNFC_AUTO_SCAN": "false",
    }

    done = subprocess.run(
        [program],
        env=os.environ | more,
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )

    uid = band(name).uid.hex()
    told = done.stdout.lower().replace(" ", "").replace(":", "").replace("0x", "")
    assert words.lower() in done.stdout.lower().replace(" ", ""), done.stdout + done.stderr
    assert uid in told, done.stdout


def test_the_page_about_them_names_every_band_and_every_fault() -> None:
    whole = (Path(catalogue.__file__).parent / "README.md").read_text()
    page = re.sub(r"```.*?```", "", whole, flags=re.DOTALL)

    names = {sample.name for sample in SAMPLES}
    faults = {kind.value for kind in FaultKind} | {kind.value for kind in LineFault}
    told = set(re.findall(r"`([a-z0-9-]+)`", page))
    assert names | faults <= told
    assert {PASSWORD.decode(), PACK.decode()} <= set(re.findall(r"`([^`]+)`", page))
    assert DESFIRE_AID.hex().upper() in page


def test_the_example_on_the_page_puts_a_band_on_a_reader() -> None:
    page = (Path(catalogue.__file__).parent / "README.md").read_text()
    example = re.findall(r"```python\n(.*?)```", page, flags=re.DOTALL)[0]
    names: dict[str, Any] = {}

    exec(compile(example, "README.md", "exec"), names)

    reader = names["reader"]
    device = nfc.clf.pn532.init(nfc.clf.transport.TTY(str(reader.path)))
    found = bytes(device.chipset.command(0x4A, b"\x01\x00", timeout=1.0))
    device.close()
    reader.close()
    assert found[0] == 1
    assert uid_of("ntag424") in found
