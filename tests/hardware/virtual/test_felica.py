"""The virtual FeliCa: frame by frame, and as nfcpy's tag layer and libnfc meet it behind the PN532."""

import os
import subprocess
from collections.abc import Iterator
from typing import Any

import nfc
import nfc.clf.pn532
import nfc.clf.transport
import pytest

from hardware.virtual.felica import BLOCK_SIZE, VirtualFelica, ndef_blocks
from hardware.virtual.uid_bands import VirtualNtag213
from tests.hardware.virtual.chips import ask
from tests.support.virtual_reader import VirtualReader

IDM = bytes.fromhex("01010A1B2C3D4E5F")
MESSAGE = bytes.fromhex("D1010F5504") + b"tap.example/f1"[:14]
POLL_ANY, POLL_NDEF, POLL_OTHER = "0600FFFF0100", "060012FC0100", "060000030000"


def band() -> VirtualFelica:
    return VirtualFelica(idm=IDM, user_blocks=ndef_blocks(MESSAGE))


def said(command: str) -> str | None:
    answer = band().power_up().exchange(bytes.fromhex(command))
    return None if answer is None else answer.hex()


def test_a_poll_is_answered_by_the_system_it_fits() -> None:
    head = "01" + IDM.hex() + "00f1000000014300"

    assert said(POLL_ANY) == "14" + head + "88b4"
    assert said(POLL_NDEF) == "14" + head + "12fc"
    assert said("0600FFFF0000") == "12" + head
    assert said(POLL_OTHER) is None
    assert (
        VirtualFelica(idm=IDM, is_ndef=False).power_up().exchange(bytes.fromhex(POLL_NDEF))
        is None
    )


def test_a_frame_of_another_length_or_for_another_chip_is_not_answered() -> None:
    request = "04" + IDM.hex()

    assert said("0a" + request) == "0b05" + IDM.hex() + "00"
    assert said("0b" + request) is None
    assert said("0a04" + IDM[::-1].hex()) is None
    assert said("") is None


def test_open_blocks_are_read_and_written_and_others_are_not() -> None:
    chip = band().power_up()
    write = b"\x08" + IDM + b"\x01\x09\x00\x01\x80\x05" + b"sixteen bytes!!!"
    read = b"\x06" + IDM + b"\x01\x0b\x00\x02\x80\x05\x00\x82\x00"

    written = ask(chip, bytes([len(write) + 1]) + write)
    content = ask(chip, bytes([len(read) + 1]) + read)

    assert written == b"\x0c\x09" + IDM + b"\x00\x00"
    assert content[10:13] == b"\x00\x00\x02"
    assert content[13:29] == b"sixteen bytes!!!"
    assert content[29:37] == IDM


@pytest.mark.parametrize(
    ("rest", "flags"),
    [
        ("06{idm}010b00018010", "ffa8"),  # no such block
        ("06{idm}010b00058000800180028003 8004", "ffa2"),  # too many
        ("06{idm}010f00018000", "ffa6"),  # no such service
        ("06{idm}020b000900018000", "ffa1"),
        ("06{idm}010b00028000", "ffa2"),  # fewer elements than announced
        ("08{idm}01090001808200000000000000000000000000000000", "ffa8"),  # not to be written
        ("08{idm}010b0001800000000000000000000000000000000000", "ffa6"),
    ],
)
def test_what_cannot_be_read_or_written_has_its_status(rest: str, flags: str) -> None:
    frame = bytes.fromhex(rest.format(idm=IDM.hex()))

    answer = ask(band().power_up(), bytes([len(frame) + 1]) + frame)

    assert answer[10:12].hex() == flags
    assert len(answer) == 12


def test_services_and_systems_are_told() -> None:
    services = "02" + IDM.hex() + "03" + "0900" + "0b00" + "0f00"

    assert said(f"{len(services) // 2 + 1:02x}" + services) == "1103" + IDM.hex() + (
        "0300000000ffff"
    )
    assert said("0a0c" + IDM.hex()) == "0f0d" + IDM.hex() + "0288b412fc"


def test_a_list_of_services_of_another_length_is_not_answered() -> None:
    for count, codes in (("ff", ""), ("00", ""), ("02", "0900"), ("01", "09000b00")):
        frame = "02" + IDM.hex() + count + codes
        assert said(f"{len(frame) // 2 + 1:02x}" + frame) is None


def test_a_felica_is_not_made_of_what_does_not_fit() -> None:
    VirtualFelica(idm=IDM, user_blocks=bytes(224))

    for idm, size in ((IDM[:7], 0), (IDM, 225)):
        with pytest.raises(ValueError, match="IDm"):
            VirtualFelica(idm=idm, user_blocks=bytes(size))


def test_as_many_services_as_one_command_asks_for_are_told() -> None:
    for count, is_answered in ((32, True), (33, False)):
        frame = "02" + IDM.hex() + f"{count:02x}" + "0900" * count
        assert (said(f"{len(frame) // 2 + 1:02x}" + frame) is not None) == is_answered


def test_a_message_too_long_for_its_blocks_is_refused() -> None:
    with pytest.raises(ValueError, match="at most"):
        ndef_blocks(bytes(13 * BLOCK_SIZE + 1))


# --- behind the PN532


@pytest.fixture
def frontend(virtual_reader: VirtualReader) -> Iterator[Any]:
    """nfcpy, opened on the virtual terminal."""
    clf = nfc.ContactlessFrontend()
    clf.device = nfc.clf.pn532.init(nfc.clf.transport.TTY(str(virtual_reader.path)))
    yield clf
    clf.close()


def sensed(frontend: Any, technology: str) -> Any:
    """The tag nfcpy activates with this technology."""
    found: list[Any] = []

    def keep(tag: Any) -> bool:
        found.append(tag)
        return False

    frontend.connect(rdwr={"targets": [technology], "on-connect": keep})
    return found[0]


@pytest.mark.parametrize("technology", ["212F", "424F"])
def test_nfcpy_reads_our_message_from_the_felica(
    virtual_reader: VirtualReader, frontend: Any, technology: str
) -> None:
    virtual_reader.field.present(band())

    tag = sensed(frontend, technology)

    assert (tag.type, bytes(tag.idm)) == ("Type3Tag", IDM)
    assert tag.ndef is not None
    assert bytes(tag.ndef.octets) == MESSAGE


def test_nfcpy_dumps_every_block_there_is(
    virtual_reader: VirtualReader,
    frontend: Any,
) -> None:
    virtual_reader.field.present(band())

    lines = sensed(frontend, "212F").dump()

    told = {line.split(":")[0].strip(): line for line in lines}
    assert told["14"].startswith(" 14: ff ff ff ff ff ff ff ff 00")
    assert told["131"].replace(" ", "").startswith("131:" + IDM.hex() + "00f1000000014300")
    assert [name for name, line in told.items() if "??" in line] == [
        "128", "129", "135", "144", "145", "146",
    ]  # fmt: skip


def test_nfcpy_writes_a_message_and_it_stays(
    virtual_reader: VirtualReader, frontend: Any
) -> None:
    felica = band()
    virtual_reader.field.present(felica)
    tag = sensed(frontend, "212F")

    tag.ndef.octets = MESSAGE[::-1]

    assert felica.blocks[1] == MESSAGE[::-1][:BLOCK_SIZE]


def test_the_felica_beside_a_type_2_band_is_found_by_its_own_technology(
    virtual_reader: VirtualReader, frontend: Any
) -> None:
    virtual_reader.field.present(VirtualNtag213(uid=bytes.fromhex("04112233445566")), band())
    chipset = frontend.device.chipset

    type_a = bytes(chipset.command(0x4A, b"\x02\x00", timeout=1.0))
    type_f = bytes(chipset.command(0x4A, bytes.fromhex("020100FFFF0000"), timeout=1.0))

    assert (type_a[0], type_f[0]) == (1, 1)
    assert type_f == b"\x01\x01\x12\x01" + IDM + bytes.fromhex("00F1000000014300")


def test_a_felica_that_left_does_not_answer(
    virtual_reader: VirtualReader, frontend: Any
) -> None:
    chipset = frontend.device.chipset
    virtual_reader.field.present(band())
    chipset.command(0x4A, bytes.fromhex("010100FFFF0000"), timeout=1.0)
    frame = bytes.fromhex("0a04") + IDM

    there = bytes(chipset.command(0x42, frame, timeout=1.0))
    by_number = bytes(chipset.command(0x40, b"\x01" + frame, timeout=1.0))
    virtual_reader.field.remove()
    gone = bytes(chipset.command(0x42, frame, timeout=1.0))

    assert there == by_number == b"\x00\x0b\x05" + IDM + b"\x00"
    assert gone == b"\x01"


def test_nfc_list_shows_the_felica(virtual_reader: VirtualReader) -> None:
    virtual_reader.field.present(band())
    more = {
        "LIBNFC_DEFAULT_DEVICE": f"pn532_uart:{virtual_reader.path}:115200",
        "LIBNFC_AUTO_SCAN": "false",
    }

    listed = subprocess.run(
        ["nfc-list", "-v"],
        env=os.environ | more,
        capture_output=True,
        text=True,
        timeout=30,
        check=True,
    ).stdout

    assert "FeliCa" in listed
    assert "  ".join(f"{byte:02x}" for byte in IDM) in listed
