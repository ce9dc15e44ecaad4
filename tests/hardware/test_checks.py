"""What is found of a machine, from the files of one that a test lays out."""

import os
import shlex
import tty
from collections.abc import Callable
from pathlib import Path

import pytest

from hardware.checks import (
    data_folder,
    findings,
    kernel_driver,
    keyboard,
    serial_port,
    usb_numbers,
)
from hardware.findings import ASSETS, Finding, Machine, Process, Standing, Subject, sudo


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    root = tmp_path / "root"
    (root / "proc").mkdir(parents=True)
    return Machine(root=root, user="kiosk", is_root=False)


def _file(machine: Machine, absolute: str, text: str = "") -> Path:
    path = machine.path(absolute)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def _runs(
    machine: Machine, pid: int, name: str, *words: str, opens: Path | None = None
) -> None:
    _file(machine, f"/proc/{pid}/comm", f"{name}\n")
    _file(machine, f"/proc/{pid}/cmdline", "\0".join(words) + "\0")
    descriptors = machine.path(f"/proc/{pid}/fd")
    descriptors.mkdir(exist_ok=True)
    if opens is not None:
        (descriptors / "3").symlink_to(opens)


def _by_code(found: tuple[Finding, ...]) -> dict[str, Finding]:
    return {each.code: each for each in found}


def test_usb_numbers_are_read_from_the_kernel(machine: Machine) -> None:
    _file(machine, "/sys/bus/usb/devices/1-1/idVendor", "072f\n")
    _file(machine, "/sys/bus/usb/devices/1-1/idProduct", "223b\n")
    machine.path("/sys/bus/usb/devices/1-1:1.0").mkdir()

    assert usb_numbers(machine) == {"072F:223B"}


def test_a_machine_without_the_kernels_nfc_driver_is_well(machine: Machine) -> None:
    _file(machine, "/proc/modules", "usbcore 1 2 - Live 0x0\n")

    assert kernel_driver(machine).standing is Standing.WELL


def test_the_kernels_nfc_driver_that_is_loaded_is_a_warning_with_the_command(
    machine: Machine,
) -> None:
    _file(
        machine,
        "/proc/modules",
        "pn533_usb 1 0 - Live\npn533 1 1 pn533_usb, Live\nnfc 1 1 - Live\n",
    )

    found = kernel_driver(machine)

    assert found.standing is Standing.WARNING
    assert found.fix == (
        f"sudo install -m 644 {ASSETS}/tapthread-modprobe.conf /etc/modprobe.d/tapthread.conf"
        " && sudo modprobe -r pn533_usb pn533 nfc"
    )


def test_the_kernels_nfc_driver_that_holds_a_reader_is_broken(machine: Machine) -> None:
    _file(machine, "/proc/modules", "pn533_usb 1 0 - Live\n")
    machine.path("/sys/bus/usb/drivers/pn533_usb/1-1:1.0").mkdir(parents=True)

    assert kernel_driver(machine).standing is Standing.BROKEN


def test_a_port_that_is_not_there_is_said_once(machine: Machine) -> None:
    found = serial_port(machine, "/dev/ttyUSB0")

    assert [(each.code, each.standing) for each in found] == [("port", Standing.BROKEN)]
    assert "/dev/serial/by-path" in found[0].fix


def test_a_file_is_no_serial_port(machine: Machine) -> None:
    _file(machine, "/dev/ttyUSB0")

    found = serial_port(machine, "/dev/ttyUSB0")

    assert [each.line for each in found] == ["/dev/ttyUSB0 is no serial port."]


def _port(machine: Machine) -> tuple[int, int, Path]:
    outer, inner = os.openpty()
    tty.setraw(inner)
    machine.path("/dev").mkdir(exist_ok=True)
    machine.path("/dev/ttyUSB0").symlink_to(os.ttyname(inner))
    return outer, inner, Path(os.ttyname(inner))


def test_a_port_nobody_else_has_is_well(machine: Machine) -> None:
    outer, inner, _ = _port(machine)

    found = serial_port(machine, "/dev/ttyUSB0")

    assert [(each.code, each.standing) for each in found] == [("port", Standing.WELL)]
    os.close(inner)
    os.close(outer)


def test_another_program_on_the_port_is_named_with_the_command_that_ends_it(
    machine: Machine,
) -> None:
    outer, inner, real = _port(machine)
    _runs(machine, 4711, "minicom", "minicom", "-D", "/dev/ttyUSB0", opens=real)

    found = _by_code(serial_port(machine, "/dev/ttyUSB0"))["port-holder"]

    assert found.standing is Standing.BROKEN
    assert found.line.startswith("minicom (process 4711) has /dev/ttyUSB0 open")
    assert found.fix == "sudo kill 4711"
    os.close(inner)
    os.close(outer)


def test_the_program_that_made_a_pseudo_terminal_is_the_device_on_it(machine: Machine) -> None:
    outer, inner, real = _port(machine)
    _runs(machine, 4711, "virtual", "virtual", opens=real)
    machine.path("/proc/4711/fd/4").symlink_to("/dev/ptmx")

    found = _by_code(serial_port(machine, "/dev/ttyUSB0"))

    assert "port-holder" not in found
    os.close(inner)
    os.close(outer)


def test_our_own_reader_process_on_the_port_is_as_it_should_be(machine: Machine) -> None:
    outer, inner, real = _port(machine)
    _runs(
        machine,
        12,
        "python",
        "python",
        "-m",
        "kiosk.cli",
        "reader",
        "--reader",
        "x",
        opens=real,
    )

    found = _by_code(serial_port(machine, "/dev/ttyUSB0"))["port-holder"]

    assert (found.standing, found.fix) == (Standing.WELL, "")
    os.close(inner)
    os.close(outer)


def test_a_modem_manager_is_a_warning_until_our_rules_are_there(machine: Machine) -> None:
    outer, inner, _ = _port(machine)
    _runs(machine, 9, "ModemManager", "ModemManager")

    before = _by_code(serial_port(machine, "/dev/ttyUSB0"))
    _file(machine, "/etc/udev/rules.d/60-tapthread.rules")
    after = _by_code(serial_port(machine, "/dev/ttyUSB0"))

    assert before["modem-manager"].standing is Standing.WARNING
    assert "udevadm" in before["modem-manager"].fix
    assert Path(shlex.split(before["modem-manager"].fix)[4]).is_file()
    assert "modem-manager" not in after
    os.close(inner)
    os.close(outer)


def test_a_keyboard_that_is_not_there_is_broken(machine: Machine) -> None:
    (found,) = keyboard(machine, "/dev/input/event3")

    assert (found.code, found.standing) == ("keyboard", Standing.BROKEN)
    assert found.line == "There is no input device /dev/input/event3."
    assert found.fix == "ls -l /dev/input/by-path"


def test_a_keyboard_that_is_there_is_well(machine: Machine) -> None:
    _file(machine, "/dev/input/event3")

    (found,) = keyboard(machine, "/dev/input/event3")

    assert (found.code, found.standing) == ("keyboard", Standing.WELL)


@pytest.mark.parametrize(
    ("look", "name", "group"),
    [(serial_port, "/dev/ttyUSB0", "dialout"), (keyboard, "/dev/input/event3", "input")],
)
def test_a_device_this_user_may_not_open_is_broken_and_the_command_lets_them(
    look: Callable[[Machine, str], tuple[Finding, ...]],
    name: str,
    group: str,
    machine: Machine,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    _file(machine, name)
    monkeypatch.setattr(os, "access", lambda path, mode: path != machine.path(name))

    (found,) = look(machine, name)

    assert found.standing is Standing.BROKEN
    assert found.line == f"{machine.user} may not open {name}."
    assert found.fix.startswith(f"sudo usermod -aG {group} {machine.user}")


def test_keys_others_may_read_are_broken_and_the_command_closes_them(tmp_path: Path) -> None:
    key = tmp_path / "device.key"
    key.write_text("secret")
    key.chmod(0o644)

    found = data_folder(tmp_path)
    os.system(found.fix)

    assert found.standing is Standing.BROKEN
    assert data_folder(tmp_path).standing is Standing.WELL


def test_a_folder_that_is_not_there_yet_is_a_note(tmp_path: Path) -> None:
    assert data_folder(tmp_path / "none").standing is Standing.NOTE


def test_only_what_the_reader_needs_is_looked_at(machine: Machine, tmp_path: Path) -> None:
    _file(machine, "/proc/modules")

    codes = {
        reader: [each.code for each in findings(Subject(machine, tmp_path, reader))]
        for reader in ("pcsc", "pn532:/dev/ttyUSB0", "wedge:/dev/input/event0", "wedge:RFID")
    }

    assert codes == {
        "pcsc": ["kernel-driver", "data"],
        "pn532:/dev/ttyUSB0": ["kernel-driver", "data", "port"],
        "wedge:/dev/input/event0": ["kernel-driver", "data", "keyboard"],
        "wedge:RFID": ["kernel-driver", "data"],
    }


def test_the_superuser_needs_no_sudo(machine: Machine) -> None:
    assert sudo(machine, "ls") == "sudo ls"
    assert sudo(Machine(), "ls") == "ls"


def test_this_machine_lists_the_process_that_asks() -> None:
    pids = [each.pid for each in Machine.this().processes()]

    assert os.getpid() in pids


def test_a_file_this_process_has_open_has_no_other_holder(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.touch()

    with path.open():
        assert Machine.this().holders(path) == ()


@pytest.mark.parametrize(
    ("words", "is_ours"),
    [
        (("/opt/x/bin/tapthread", "reader", "--reader", "pcsc"), True),
        (("python", "-m", "kiosk.cli", "reader"), True),
        (("python", "-m", "kiosk.cli", "kiosk"), False),
        (("nfc-list",), False),
    ],
)
def test_a_reader_process_of_ours_is_told_by_its_words(
    words: tuple[str, ...], is_ours: bool
) -> None:
    assert Process(1, "x", words).is_ours is is_ours


def test_every_file_a_technician_is_told_to_install_is_there() -> None:
    names = {path.name for path in ASSETS.iterdir()}

    assert {
        "tapthread-modprobe.conf",
        "tapthread-udev.rules",
        "tapthread-polkit.rules",
        "tapthread-pcscd.conf",
    } <= names
