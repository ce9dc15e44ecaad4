"""The virtual PN532 as other people's programs meet it: nfcpy's tag layer, libnfc's nfc-list, and single frames."""

import os
import select
import subprocess
import termios
import tty
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import nfc
import nfc.clf.pn532
import nfc.clf.transport
import pytest

from hardware.clock import SystemClock
from hardware.virtual.field import Field
from hardware.virtual.iso_dep import crc_a
from hardware.virtual.pn532 import VirtualPn532
from hardware.virtual.uid_bands import VirtualClassic, VirtualNtag213
from tests.hardware.virtual.chips import AID, UID, desfire
from tests.support.virtual_reader import VirtualReader

NTAG_UID = bytes.fromhex("04445566778899")


@pytest.fixture
def frontend(virtual_reader: VirtualReader) -> Iterator[Any]:
    """nfcpy, opened on the virtual terminal; its path strings know only names that begin with tty."""
    clf = nfc.ContactlessFrontend()
    clf.device = nfc.clf.pn532.init(nfc.clf.transport.TTY(str(virtual_reader.path)))
    yield clf
    clf.close()


def connected(frontend: Any) -> Any:
    """The tag nfcpy activates."""
    found: list[Any] = []

    def keep(tag: Any) -> bool:
        found.append(tag)
        return False

    frontend.connect(rdwr={"on-connect": keep})
    return found[0]


def command(chipset: Any, code: int, data: str) -> str:
    """One chip command through nfcpy's frame layer."""
    return bytes(chipset.command(code, bytearray.fromhex(data), timeout=1.0)).hex()


def test_nfcpy_activates_the_desfire_and_talks_to_it(
    virtual_reader: VirtualReader, frontend: Any
) -> None:
    virtual_reader.field.present(desfire())

    tag = connected(frontend)
    selected = bytes(tag.transceive(b"\x90\x5a\x00\x00\x03" + AID + b"\x00"))
    version = bytes(tag.transceive(bytes.fromhex("9060000000")))

    assert tag.type == "Type4Tag"
    assert bytes(tag.identifier) == UID
    assert (selected.hex(), version.hex()) == ("9100", "04010112001a0591af")
    assert tag.ndef is None


def test_nfcpy_notices_that_the_band_is_gone(
    virtual_reader: VirtualReader, frontend: Any
) -> None:
    virtual_reader.field.present(desfire())
    tag = connected(frontend)
    was_present = tag.is_present

    virtual_reader.field.remove()

    assert (was_present, tag.is_present) == (True, False)
    assert frontend.sense(nfc.clf.RemoteTarget("106A")) is None


def test_nfcpy_recognises_the_ntag213_and_reads_it(
    virtual_reader: VirtualReader, frontend: Any
) -> None:
    message = bytes.fromhex("0307D101035402656EFE")
    virtual_reader.field.present(VirtualNtag213(uid=NTAG_UID, user_pages=message))

    tag = connected(frontend)

    assert tag.product == "NXP NTAG213"
    assert bytes(tag.identifier) == NTAG_UID
    assert tag.ndef is not None
    assert tag.ndef.octets == message[2:9]


def test_nfcpy_writes_the_ntag213_and_it_stays_written(
    virtual_reader: VirtualReader, frontend: Any
) -> None:
    band = VirtualNtag213(uid=NTAG_UID)
    virtual_reader.field.present(band)

    connected(frontend).write(4, b"stay")

    assert band.memory[16:20] == b"stay"


def test_two_bands_are_reported_as_two(virtual_reader: VirtualReader, frontend: Any) -> None:
    virtual_reader.field.present(desfire(), VirtualNtag213(uid=NTAG_UID))

    answer = command(frontend.device.chipset, 0x4A, "0200")

    assert answer.startswith("02")
    assert UID.hex() in answer
    assert NTAG_UID.hex() in answer


def test_automatic_rats_gives_the_ats_and_exchanges_without_blocks(
    virtual_reader: VirtualReader, frontend: Any
) -> None:
    chipset = frontend.device.chipset
    virtual_reader.field.present(desfire())

    plain = command(chipset, 0x4A, "0100")
    command(chipset, 0x32, "0102")
    command(chipset, 0x12, "14")
    activated = command(chipset, 0x4A, "0100")
    version = command(chipset, 0x40, "01" + "60")

    assert plain == "0101034420" + "07" + UID.hex()
    assert activated == plain + "067577810280"
    assert version == "00" + "af04010112001a05"


def test_a_random_uid_changes_with_the_field_and_not_within_it(
    virtual_reader: VirtualReader, frontend: Any
) -> None:
    chipset = frontend.device.chipset
    virtual_reader.field.present(desfire(is_random=True))

    seen = []
    for _ in range(2):
        first = command(chipset, 0x4A, "0100")
        again = command(chipset, 0x4A, "0100")
        seen.append((first, again))
        command(chipset, 0x32, "0102")

    assert seen[0][0] == seen[0][1]
    assert seen[0][0] != seen[1][0]
    assert all(first[10:14] == "0408" for first, _ in seen)


def test_a_band_inside_iso_dep_is_not_listed_again_before_the_field_was_off(
    virtual_reader: VirtualReader, frontend: Any
) -> None:
    chipset = frontend.device.chipset
    command(chipset, 0x12, "14")
    virtual_reader.field.present(desfire())

    lists = [command(chipset, 0x4A, "0100")[:2], command(chipset, 0x4A, "0100")[:2]]
    command(chipset, 0x32, "0102")
    lists.append(command(chipset, 0x4A, "0100")[:2])

    assert lists == ["01", "00", "01"]


def test_an_exchange_with_a_band_that_left_times_out(
    virtual_reader: VirtualReader, frontend: Any
) -> None:
    chipset = frontend.device.chipset
    command(chipset, 0x12, "14")
    virtual_reader.field.present(desfire())
    command(chipset, 0x4A, "0100")

    present = command(chipset, 0x00, "06")
    virtual_reader.field.remove()

    assert present == "00"
    assert command(chipset, 0x00, "06") == "01"
    assert command(chipset, 0x40, "0160") == "01"


def test_a_band_that_comes_ends_an_endless_search(
    virtual_reader: VirtualReader, frontend: Any
) -> None:
    chipset = frontend.device.chipset
    command(chipset, 0x32, "05ffffff")
    with pytest.raises(OSError, match="timed out"):
        chipset.command(0x4A, bytearray([1, 0]), timeout=0.01)

    virtual_reader.field.present(VirtualClassic(uid=bytes.fromhex("5C112233")))

    assert command(chipset, 0x4A, "0100") == "01010004" + "08" + "045c112233"


def test_an_unknown_command_gets_the_error_frame(frontend: Any) -> None:
    with pytest.raises(nfc.clf.pn532.Chipset.Error) as refused:
        frontend.device.chipset.command(0x60, bytearray([1, 1, 0]), timeout=1.0)

    assert refused.value.errno == 0x7F


def nfc_list(path: Path) -> str:
    """What libnfc's own tool prints."""
    environment = {
        **os.environ,
        "LIBNFC_DEFAULT_DEVICE": f"pn532_uart:{path}:115200",
        "LIBNFC_AUTO_SCAN": "false",
    }
    done = subprocess.run(
        ["nfc-list"], env=environment, capture_output=True, text=True, timeout=30, check=True
    )
    return done.stdout


def test_libnfc_sees_the_same_band_as_nfcpy(
    virtual_reader: VirtualReader, frontend: Any
) -> None:
    virtual_reader.field.present(desfire())
    seen_by_nfcpy = bytes(connected(frontend).identifier)
    frontend.close()

    listed = nfc_list(virtual_reader.path)

    line = next(line for line in listed.splitlines() if "UID" in line)
    assert bytes.fromhex(line.partition(":")[2]) == seen_by_nfcpy == UID
    assert "75  77  81  02  80" in listed


def test_libnfc_sees_an_empty_field(virtual_reader: VirtualReader) -> None:
    assert "UID" not in nfc_list(virtual_reader.path)


def read_for(descriptor: int, size: int) -> bytes:
    """Up to `size` bytes, waiting 5 s at most."""
    gathered = b""
    while len(gathered) < size:
        ready, _, _ = select.select([descriptor], [], [], 5)
        if not ready:
            break
        gathered += os.read(descriptor, size - len(gathered))
    return gathered


def test_a_nack_brings_the_last_answer_again(virtual_reader: VirtualReader) -> None:
    terminal = os.open(virtual_reader.path, os.O_RDWR | os.O_NOCTTY)
    os.write(terminal, bytes.fromhex("55550000000000FF02FED4022A00"))
    first = read_for(terminal, 6 + 13)

    os.write(terminal, bytes.fromhex("0000FFFF0000"))
    again = read_for(terminal, 13)
    os.close(terminal)

    assert first == bytes.fromhex("0000FF00FF00" + "0000FF06FAD50332010607E800")
    assert again == first[6:]


def test_a_client_at_another_speed_is_not_heard(tmp_path: Path) -> None:
    reader = VirtualPn532(
        field=Field(), clock=SystemClock(), link=tmp_path / "pn532", is_speed_strict=True
    )
    reader.start()
    terminal = os.open(reader.path, os.O_RDWR | os.O_NOCTTY)
    version = bytes.fromhex("0000FF02FED4022A00")

    heard = []
    for speed in (termios.B921600, termios.B115200):
        settings = termios.tcgetattr(terminal)
        settings[4] = settings[5] = speed
        termios.tcsetattr(terminal, termios.TCSANOW, settings)
        os.write(terminal, version)
        ready, _, _ = select.select([terminal], [], [], 0.2)
        heard.append(bool(ready))
    os.close(terminal)
    reader.close()

    assert heard == [False, True]


def test_nfcpy_works_at_the_speed_it_negotiates(tmp_path: Path) -> None:
    reader = VirtualPn532(
        field=Field(), clock=SystemClock(), link=tmp_path / "pn532", is_speed_strict=True
    )
    reader.start()

    names = []
    for _ in range(2):
        device = nfc.clf.pn532.init(nfc.clf.transport.TTY(str(reader.path)))
        names.append((device.chipset.transport.baudrate, device._chipset_name))
        device.close()
    reader.close()

    assert names == [(921_600, "PN532v1.6")] * 2


def test_the_link_is_there_while_the_reader_is_plugged_in(tmp_path: Path) -> None:
    link = tmp_path / "pn532"
    link.symlink_to("/nowhere")
    reader = VirtualPn532(field=Field(), clock=SystemClock(), link=link)
    reader.start()
    is_terminal = link.resolve().is_char_device()

    reader.close()
    reader.close()

    assert is_terminal
    assert not os.path.lexists(link)


def test_a_client_of_an_unplugged_reader_gets_an_end(tmp_path: Path) -> None:
    reader = VirtualPn532(field=Field(), clock=SystemClock(), link=tmp_path / "pn532")
    reader.start()
    terminal = os.open(reader.path, os.O_RDWR | os.O_NOCTTY)
    tty.setraw(terminal)

    reader.close()

    with pytest.raises(OSError, match="Input/output error"):
        os.write(terminal, b"\x00")
    os.close(terminal)


def test_the_pace_lets_no_byte_pass_sooner_than_a_line_would(tmp_path: Path) -> None:
    clock = SystemClock()
    reader = VirtualPn532(field=Field(), clock=clock, link=tmp_path / "pn532", pace_baud=9_600)
    reader.start()
    terminal = os.open(reader.path, os.O_RDWR | os.O_NOCTTY)
    begun_us = clock.ticks_us()

    os.write(terminal, bytes.fromhex("0000FF02FED4022A00"))
    read_for(terminal, 6 + 13)
    passed_us = clock.ticks_us() - begun_us
    os.close(terminal)
    reader.close()

    assert passed_us >= (9 + 6 + 13) * 10 * 1_000_000 // 9_600


def test_the_pace_follows_the_speed_the_chip_was_set_to(tmp_path: Path) -> None:
    clock = SystemClock()
    reader = VirtualPn532(
        field=Field(), clock=clock, link=tmp_path / "pn532", pace_baud=115_200
    )
    reader.start()
    terminal = os.open(reader.path, os.O_RDWR | os.O_NOCTTY)
    os.write(terminal, bytes.fromhex("0000FF03FDD410001C00"))
    read_for(terminal, 6 + 9)
    begun_us = clock.ticks_us()

    os.write(terminal, bytes.fromhex("0000FF02FED4022A00"))
    read_for(terminal, 6 + 13)
    passed_us = clock.ticks_us() - begun_us
    os.close(terminal)
    reader.close()

    assert passed_us >= (9 + 6 + 13) * 10 * 1_000_000 // 9_600


def test_crc_a_is_the_one_of_the_standard() -> None:
    # Source: ISO/IEC 14443-3:2018, annex B.3: 00 00 gives A0 1E, 12 34 gives 26 CF.
    assert (crc_a(b"\x00\x00"), crc_a(b"\x12\x34")) == (b"\xa0\x1e", b"\x26\xcf")
