"""What is found of readers: the daemon, its driver, the readers it has, other programs, users it turns away."""

import json
import os
import plistlib
import shlex
import socket
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from drivers.checks import findings, pcsc_findings, profile_file_findings
from drivers.errors import ReaderBusy, ReaderFault, ServiceDown
from drivers.readers.opening import opened
from drivers.readers.pcsc import Slot
from drivers.readers.pn532 import Pn532Reader
from hardware.clock import SystemClock
from hardware.findings import Finding, Machine, Standing, Subject
from hardware.virtual.private_pcscd import PrivatePcscd
from tests.support.private_pcscd import _private_pcscd, private_pcscd
from tests.support.virtual_reader import VirtualReader, virtual_reader

USED = (_private_pcscd, private_pcscd, virtual_reader)

PICC = "ACS ACR1252 Dual Reader [ACR1252 Dual Reader PICC] 00 00"
SAM = "ACS ACR1252 Dual Reader [ACR1252 Dual Reader SAM] 00 01"
SECOND = "ACS ACR1252 Dual Reader [ACR1252 Dual Reader PICC] 01 00"
KNOWN = {"ifdVendorID": ["0x072F"], "ifdProductID": ["0x223B"]}


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Machine:
    """A machine of its own, with the driver of readers and nothing else, no daemon of another test either."""
    monkeypatch.delenv("PCSCLITE_CSOCK_NAME", raising=False)
    made = Machine(root=tmp_path, user="kiosk", is_root=False)
    made.path("/run/systemd/system").mkdir(parents=True)
    _driver(made)
    return made


def _driver(machine: Machine, *, version: str = "1.5.2", options: str = "0x0001") -> None:
    path = machine.path("/usr/lib/pcsc/drivers/ifd-ccid.bundle/Contents/Info.plist")
    path.parent.mkdir(parents=True, exist_ok=True)
    content = {"CFBundleShortVersionString": version, "ifdDriverOptions": options, **KNOWN}
    path.write_bytes(plistlib.dumps(content))


def _plug_in(machine: Machine, usb: str) -> None:
    folder = machine.path(f"/sys/bus/usb/devices/{usb.replace(':', '-')}")
    folder.mkdir(parents=True)
    vendor, product = usb.split(":")
    (folder / "idVendor").write_text(vendor.lower())
    (folder / "idProduct").write_text(product.lower())


def _runs(machine: Machine, pid: int, name: str, *words: str) -> None:
    folder = machine.path(f"/proc/{pid}")
    folder.mkdir(parents=True)
    (folder / "comm").write_text(name)
    (folder / "cmdline").write_text("\0".join(words))


def _slot(name: str = PICC, *, is_held: bool = False, is_mute: bool = False) -> Slot:
    return Slot(name, is_used=is_held, is_held=is_held, is_mute=is_mute)


def _found(
    machine: Machine,
    *slots: Slot,
    wanted: str = "",
    survey_error: Exception | None = None,
    probe_error: Exception | None = None,
) -> dict[str, Finding]:
    def survey() -> tuple[Slot, ...]:
        if survey_error is not None:
            raise survey_error
        return slots

    def probe(name: str) -> None:
        if probe_error is not None:
            raise probe_error

    found = pcsc_findings(machine, wanted, survey=survey, probe=probe)
    by_code = {each.code: each for each in found}
    assert len(by_code) == len(found), "one line a finding"
    return by_code


def _bad(found: dict[str, Finding]) -> set[str]:
    return {each.code for each in found.values() if each.standing is Standing.BROKEN}


def test_a_reader_in_order_has_nothing_to_mend(machine: Machine) -> None:
    found = _found(machine, _slot(), _slot(SAM))

    assert not _bad(found)
    assert {each.standing for each in found.values()} == {Standing.WELL, Standing.NOTE}
    assert all(not each.fix for each in found.values())
    assert "never tried on the device" in found["profile"].line


def test_a_reader_of_no_known_model_is_a_note(machine: Machine) -> None:
    found = _found(machine, _slot("Somebody's Reader 00 00"))

    assert found["profile"].standing is Standing.NOTE
    assert "control-codes" not in found


def test_no_reader_at_all_is_broken(machine: Machine) -> None:
    assert "plugged in" in _found(machine)["pcsc-reader"].line


def test_a_machine_with_nothing_but_a_serial_port_is_told_how_to_use_it(
    machine: Machine,
) -> None:
    port = machine.path("/dev/serial/by-path/pci-0000:00:14.0-usb-0:1:1.0-port0")
    port.parent.mkdir(parents=True)
    port.touch()

    found = _found(machine)["pcsc-reader"]

    assert found.standing is Standing.BROKEN
    assert found.fix.endswith(
        "--reader pn532:/dev/serial/by-path/pci-0000:00:14.0-usb-0:1:1.0-port0"
    )


def test_only_slots_without_an_antenna_are_no_reader(machine: Machine) -> None:
    assert _bad(_found(machine, _slot(SAM))) == {"pcsc-reader"}


def test_a_name_nobody_has_is_answered_with_the_names_there_are(machine: Machine) -> None:
    found = _found(machine, _slot(), wanted="omnikey")["pcsc-reader"]

    assert found.standing is Standing.BROKEN
    assert PICC in found.line
    assert found.fix == f"--reader 'pcsc:{PICC}'"


def test_two_readers_are_a_warning_until_one_is_chosen(machine: Machine) -> None:
    both = (_slot(), _slot(SAM), _slot(SECOND))

    unclear = _found(machine, *both)["pcsc-choice"]
    still = _found(machine, *both, wanted="acr1252")
    clear = _found(machine, *both, wanted=SECOND)
    by_number = _found(machine, *both, wanted="01 00")

    assert unclear.standing is Standing.WARNING
    assert SECOND in unclear.line
    assert unclear.fix == f"--reader 'pcsc:{PICC}'"
    assert "pcsc-choice" in still
    assert "pcsc-choice" not in clear
    assert "pcsc-choice" not in by_number
    assert SECOND in by_number["pcsc-reader"].line


def test_a_reader_the_driver_does_not_know_needs_a_newer_one(machine: Machine) -> None:
    _plug_in(machine, "072F:2303")

    found = _found(machine)

    assert _bad(found) == {"pcsc-driver", "pcsc-reader"}
    assert found["pcsc-driver"].line == "libccid 1.5.2 does not know ACS ACR1552U; 1.5.3 does."
    assert found["pcsc-driver"].fix == "sudo apt-get install libacsccid1"


def test_a_driver_is_not_praised_for_readers_that_are_not_there(machine: Machine) -> None:
    without = _found(machine)["pcsc-driver"]
    _plug_in(machine, "072F:223B")
    with_one = _found(machine)["pcsc-driver"]

    assert without.standing is Standing.NOTE
    assert "no reader that is known here is plugged in" in without.line
    assert (with_one.standing, "ACS ACR1252U" in with_one.line) == (Standing.WELL, True)


def test_a_reader_that_is_plugged_in_and_not_found_is_named(machine: Machine) -> None:
    _plug_in(machine, "072F:223B")

    found = _found(machine)["pcsc-reader"]

    assert found.line.startswith("ACS ACR1252U is plugged in")
    assert "unplug it" in found.fix


def test_a_reader_this_product_does_not_read_says_so(machine: Machine) -> None:
    _plug_in(machine, "04E6:5591")

    found = _found(machine)["pcsc-reader"]

    assert "not read by this product" in found.line
    assert found.fix == "use another model"


@pytest.mark.parametrize("content", [b"", b"no list", plistlib.dumps([1])])
def test_a_driver_that_is_not_there_or_not_whole_is_to_be_installed(
    machine: Machine, content: bytes
) -> None:
    path = machine.path("/usr/lib/pcsc/drivers/ifd-ccid.bundle/Contents/Info.plist")
    path.write_bytes(content)
    _plug_in(machine, "072F:223B")

    found = _found(machine, _slot())["pcsc-driver"]

    assert found.standing is Standing.BROKEN
    assert found.fix == "sudo apt-get install pcscd libccid"


def test_control_codes_that_are_switched_off_are_a_warning_with_the_edit(
    machine: Machine,
) -> None:
    _driver(machine, options="0x0000")

    found = _found(machine, _slot())["control-codes"]

    assert found.standing is Standing.WARNING
    assert found.fix == (
        "sudo sed -i '/ifdDriverOptions/{n;s/0x0000/0x0001/}' /etc/libccid_Info.plist"
        " && sudo systemctl restart pcscd.socket pcscd.service"
    )


def test_the_edit_of_the_drivers_options_does_what_it_should(
    machine: Machine, tmp_path: Path
) -> None:
    _driver(machine, options="0x0004")
    path = machine.path("/usr/lib/pcsc/drivers/ifd-ccid.bundle/Contents/Info.plist")
    fix = _found(machine, _slot())["control-codes"].fix
    edit = fix.split(" && ")[0].removeprefix("sudo ")

    subprocess.run(edit.replace("/etc/libccid_Info.plist", str(path)), shell=True, check=True)

    assert plistlib.loads(path.read_bytes())["ifdDriverOptions"] == "0x0005"
    assert _found(machine, _slot())["control-codes"].standing is Standing.WELL


@pytest.mark.parametrize("is_held", [True, False])
def test_a_program_that_takes_cards_is_named_with_the_command_that_stops_it(
    machine: Machine, is_held: bool
) -> None:
    _runs(machine, 77, "scdaemon", "scdaemon", "--multi-server")

    found = _found(machine, _slot(is_held=is_held))["pcsc-busy"]

    assert found.standing is (Standing.BROKEN if is_held else Standing.WARNING)
    assert found.line.startswith("scdaemon (process 77)")
    assert found.fix == "gpgconf --kill scdaemon"


def test_a_program_that_uses_the_reader_without_keeping_others_out_has_it_all_the_same(
    machine: Machine,
) -> None:
    _runs(machine, 78, "pcsc_scan", "pcsc_scan")

    found = _found(machine, Slot(PICC, is_used=True, is_held=False, is_mute=False))["pcsc-busy"]

    assert found.standing is Standing.BROKEN
    assert found.line == "pcsc_scan (process 78) has the reader."
    assert found.fix == "kill 78"


@pytest.mark.parametrize(
    ("spec", "is_it"),
    [
        ("pcsc", True),
        ("pcsc:acr1252", True),
        (f"pcsc:{PICC}", True),
        (f"pcsc:{SECOND}", False),
        ("pn532:/dev/ttyUSB0", False),
    ],
)
def test_our_reader_process_has_the_reader_it_was_told_to_own_and_no_other(
    machine: Machine, spec: str, is_it: bool
) -> None:
    _runs(machine, 12, "python", "python", "-m", "kiosk.cli", "reader", "--reader", spec)

    found = _found(machine, _slot(is_held=True), wanted=PICC)["pcsc-busy"]

    assert found.standing is (Standing.WELL if is_it else Standing.BROKEN)


def test_a_reader_in_unknown_hands_is_broken(machine: Machine) -> None:
    found = _found(machine, _slot(is_held=True))

    assert _bad(found) == {"pcsc-busy"}
    assert "pcsc-access" not in found


def test_our_own_reader_process_has_the_reader_and_that_is_well(machine: Machine) -> None:
    _runs(machine, 12, "python", "python", "-m", "kiosk.cli", "reader")

    assert not _bad(_found(machine, _slot(is_held=True)))


def test_something_mute_on_the_reader_is_a_warning(machine: Machine) -> None:
    assert _found(machine, _slot(is_mute=True))["pcsc-mute"].standing is Standing.WARNING


def test_a_user_who_may_not_use_bands_is_given_the_rule(machine: Machine) -> None:
    found = _found(machine, _slot(), probe_error=ServiceDown("this user may not use bands"))

    access = found["pcsc-access"]
    assert access.standing is Standing.BROKEN
    assert "polkit" in access.line
    assert "/etc/polkit-1/rules.d/50-tapthread.rules" in access.fix
    assert "usermod -aG tapthread kiosk" in access.fix
    assert Path(shlex.split(access.fix)[4]).is_file(), "the file it tells to install is there"


@pytest.mark.parametrize("error", [ReaderBusy("busy"), ReaderFault("fault")])
def test_a_reader_that_does_not_open_is_broken(machine: Machine, error: Exception) -> None:
    assert _bad(_found(machine, _slot(), probe_error=error)) == {"pcsc-access"}


LIBRARIES = [
    ("pcsc", "smartcard", "pcsc-library", "PC/SC, pyscard"),
    ("pn532:{}", "nfc.clf", "pn532", "a PN532, nfcpy"),
    ("wedge:{}", "evdev", "keyboard-reader", "readers that type, evdev"),
]


@pytest.mark.parametrize(("spec", "library", "code", "what"), LIBRARIES)
def test_a_machine_without_a_library_is_told_how_to_get_it_and_no_program_to_wait(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    spec: str,
    library: str,
    code: str,
    what: str,
) -> None:
    port = tmp_path / "port"
    port.touch()
    spec = spec.format(port)
    monkeypatch.setitem(sys.modules, library, None)

    found = findings(Subject(Machine.this(), tmp_path, spec), SystemClock())

    (one,) = [each for each in found if each.code == code]
    assert one.standing is Standing.BROKEN
    assert one.line == f"The Python package for {what}, is not installed."
    assert one.fix == "hardware/bootstrap tapthread doctor"
    with pytest.raises(ModuleNotFoundError):
        opened(spec, SystemClock())


def test_a_machine_without_the_service_is_told_how_to_get_it(machine: Machine) -> None:
    found = _found(machine, survey_error=ServiceDown("no context"))["pcsc-service"]

    assert found.line == "The PC/SC service is not there."
    assert found.fix == (
        "sudo apt-get install pcscd libccid && sudo systemctl enable --now pcscd.socket"
    )


def test_a_service_that_is_installed_is_only_to_be_started(machine: Machine) -> None:
    daemon = machine.path("/usr/sbin/pcscd")
    daemon.parent.mkdir(parents=True)
    daemon.touch()

    found = _found(machine, survey_error=ServiceDown("no context"))["pcsc-service"]

    assert found.fix == "sudo systemctl enable --now pcscd.socket"


def test_a_machine_without_systemd_is_told_nothing_of_systemctl(machine: Machine) -> None:
    machine.path("/run/systemd/system").rmdir()

    absent = _found(machine, survey_error=ServiceDown("no context"))["pcsc-service"]
    _listening(machine).close()
    mute = _found(machine, survey_error=ServiceDown("no context"))["pcsc-service"]

    assert absent.fix == "sudo apt-get install pcscd libccid && sudo pcscd"
    assert mute.fix == "sudo pkill -x pcscd; sudo pcscd"


def _listening(machine: Machine) -> socket.socket:
    path = machine.path("/run/pcscd/pcscd.comm")
    path.parent.mkdir(parents=True, exist_ok=True)
    server = socket.socket(socket.AF_UNIX)
    server.bind(str(path))
    return server


def test_a_service_nobody_is_behind_is_to_be_started_again(machine: Machine) -> None:
    _listening(machine).close()

    found = _found(machine, survey_error=ServiceDown("no context"))["pcsc-service"]

    assert found.line == "The PC/SC service does not answer."
    assert found.fix == "sudo systemctl restart pcscd.socket pcscd.service"


def test_a_service_that_hangs_up_on_this_user_is_polkit(machine: Machine) -> None:
    server = _listening(machine)
    server.listen()

    found = _found(machine, survey_error=ServiceDown("no context"))["pcsc-service"]
    server.close()

    assert "polkit" in found.line
    assert "polkit" in found.fix


def test_the_real_library_at_a_daemon_that_hangs_up_is_found_to_be_polkit(
    tmp_path: Path,
) -> None:
    """The daemon with polkit takes the connection and closes it before a word."""
    path = tmp_path / "comm"
    server = socket.socket(socket.AF_UNIX)
    server.bind(str(path))
    server.listen()

    def hang_up() -> None:
        while True:
            try:
                server.accept()[0].close()
            except OSError:
                return

    thread = threading.Thread(target=hang_up)
    thread.start()
    script = (
        "import json\n"
        "from drivers.checks import pcsc_findings\n"
        "from hardware.findings import Machine\n"
        "print(json.dumps([[e.code, e.line] for e in pcsc_findings(Machine.this(), '')]))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script],
        env={**os.environ, "PCSCLITE_CSOCK_NAME": str(path)},
        capture_output=True,
        check=True,
    )
    server.shutdown(socket.SHUT_RDWR)
    server.close()
    thread.join()

    lines = dict(json.loads(done.stdout))
    assert lines["pcsc-service"] == "The PC/SC service turns this user away (polkit)."


def test_a_real_daemon_is_surveyed_and_its_reader_opened(
    private_pcscd: PrivatePcscd, tmp_path: Path
) -> None:
    machine = Machine(root=tmp_path)
    _driver(machine)

    found = {each.code: each for each in pcsc_findings(machine, "")}

    assert not _bad(found)
    assert found["pcsc-reader"].line == "The reader is Virtual PCD 00 00."
    assert found["pcsc-choice"].standing is Standing.WARNING
    assert found["pcsc-access"].standing is Standing.WELL


def _of_pn532(path: Path) -> tuple[Finding, ...]:
    subject = Subject(Machine.this(), path.parent, f"pn532:{path}")
    return findings(subject, SystemClock())


def test_a_pn532_that_answers_is_well_and_left_for_others(
    virtual_reader: VirtualReader,
) -> None:
    found = _of_pn532(virtual_reader.path)

    assert [(each.code, each.standing) for each in found] == [
        ("pn532", Standing.WELL),
        ("profile", Standing.NOTE),
    ]
    Pn532Reader.opened(str(virtual_reader.path), SystemClock()).close()


def test_a_pn532_another_reader_has_is_not_free(virtual_reader: VirtualReader) -> None:
    reader = Pn532Reader.opened(str(virtual_reader.path), SystemClock())

    found = _of_pn532(virtual_reader.path)
    reader.close()

    assert [(each.code, each.standing) for each in found] == [("pn532", Standing.BROKEN)]
    assert "another program holds the port" in found[0].line


def test_a_port_that_is_not_there_is_left_to_the_checks_of_the_machine(tmp_path: Path) -> None:
    assert _of_pn532(tmp_path / "none") == ()


def test_a_keyboard_that_is_not_there_is_broken(machine: Machine, tmp_path: Path) -> None:
    found = findings(Subject(machine, tmp_path, "wedge:no such keyboard"), SystemClock())

    assert [(each.code, each.standing) for each in found] == [
        ("keyboard-reader", Standing.BROKEN)
    ]


def test_a_virtual_reader_is_only_noted(machine: Machine, tmp_path: Path) -> None:
    found = findings(Subject(machine, tmp_path, "virtual"), SystemClock())

    assert [each.standing for each in found] == [Standing.NOTE]


def test_a_file_about_a_reader_that_is_wrong_is_named_with_the_way_to_do_without_it() -> None:
    (found,) = profile_file_findings(("mine.toml: buzzer is no key of a profile",))

    assert found.standing is Standing.BROKEN
    assert found.line == (
        "The file mine.toml about a reader is not used: buzzer is no key of a profile."
    )
    assert "mine.toml.wrong'" in found.fix


def test_nothing_is_said_where_every_file_about_a_reader_is_right() -> None:
    assert profile_file_findings(()) == ()
