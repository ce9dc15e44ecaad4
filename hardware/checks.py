"""What can be wrong with the machine under a reader: kernel drivers, ports, keyboards, and the device's own folder.

kernel-driver   the kernel's pn533 driver holds a reader that PC/SC is to have
usb             which readers are plugged in is told by their numbers; `drivers.checks` knows the models
port            a serial port: there, ours to open, nobody else on it, no ModemManager
keyboard        an input device: there, ours to open
data            the device's folder: room, and private
"""

import os
import shlex
import shutil
import stat
from pathlib import Path
from typing import Final

from hardware.findings import ASSETS, Finding, Machine, Standing, Subject, sudo
from hardware.identity import KEY_FILE, STORE_KEY_FILE

KERNEL_DRIVERS: Final = ("pn533_usb", "pn533", "nfc")
"""Modules that take a reader away, in the order they can be removed."""

FREE_SIZE_MIN: Final = 200_000_000
"""Bytes below which a busy day's outbox and logs may not fit."""


def findings(subject: Subject) -> tuple[Finding, ...]:
    """Everything here, for one device."""
    found = [kernel_driver(subject.machine), data_folder(subject.data)]
    kind, _, name = subject.reader.partition(":")
    if kind == "pn532" and name:
        found += serial_port(subject.machine, name)
    elif kind.startswith("wedge") and name.startswith("/"):
        found += keyboard(subject.machine, name)
    return tuple(found)


def usb_numbers(machine: Machine) -> frozenset[str]:
    """Vendor and product numbers of everything on USB, as "072F:2200". Source: Linux, sysfs-bus-usb."""
    found = set()
    for folder in machine.path("/sys/bus/usb/devices").glob("*"):
        vendor = machine.text(f"/sys/bus/usb/devices/{folder.name}/idVendor")
        product = machine.text(f"/sys/bus/usb/devices/{folder.name}/idProduct")
        if vendor and product:
            found.add(f"{vendor}:{product}".upper())
    return frozenset(found)


def serial_ports(machine: Machine) -> tuple[str, ...]:
    """Serial ports on USB, by their place where the machine names them so, which stays when two are swapped."""
    by_place = sorted(machine.path("/dev/serial/by-path").glob("*"))
    found = by_place or sorted(machine.path("/dev").glob("ttyUSB*"))
    return tuple(f"/{path.relative_to(machine.root)}" for path in found)


def kernel_driver(machine: Machine) -> Finding:
    """Does the kernel's own NFC driver hold, or threaten to hold, a reader?"""
    code = "kernel-driver"
    loaded = {line.split()[0] for line in machine.text("/proc/modules").splitlines() if line}
    if not loaded & {"pn533_usb", "pn533"}:
        return Finding(code, Standing.WELL, "No kernel driver takes a reader away.")
    bound = list(machine.path("/sys/bus/usb/drivers/pn533_usb").glob("*:*"))
    drivers = " ".join(name for name in KERNEL_DRIVERS if name in loaded)
    install = (
        f"install -m 644 {_asset('tapthread-modprobe.conf')} /etc/modprobe.d/tapthread.conf"
    )
    fix = f"{sudo(machine, install)} && {sudo(machine, f'modprobe -r {drivers}')}"
    if bound:
        return Finding(
            code, Standing.BROKEN, "The kernel's pn533 driver holds the reader.", fix
        )
    return Finding(
        code,
        Standing.WARNING,
        "The kernel's pn533 driver is loaded and will take a reader that is plugged in.",
        fix,
    )


def serial_port(machine: Machine, name: str) -> tuple[Finding, ...]:
    """Can the port be opened, and is it ours alone?"""
    code = "port"
    path = machine.path(name)
    if not path.exists():
        return (
            Finding(
                code,
                Standing.BROKEN,
                f"There is no serial port {name}.",
                "ls -l /dev/serial/by-path /dev/ttyUSB* /dev/ttyAMA* /dev/ttyS0",
            ),
        )
    found = [_opened(machine, path, name, code=code, group="dialout")]
    if found[0].standing is Standing.WELL and not _is_terminal(path):
        line = f"{name} is no serial port."
        return (Finding(code, Standing.BROKEN, line, "ls -l /dev/serial/by-path"),)
    holders = machine.holders(path)
    strangers = [each for each in holders if not each.is_ours]
    if strangers:
        one = strangers[0]
        found.append(
            Finding(
                "port-holder",
                Standing.BROKEN,
                f"{one.name} (process {one.pid}) has {name} open; two programs on one port lose half of the answers each.",
                sudo(machine, f"kill {one.pid}"),
            )
        )
    elif holders:
        found.append(
            Finding(
                "port-holder",
                Standing.WELL,
                f"This product's reader process {holders[0].pid} has {name}.",
            )
        )
    if any(each.name == "ModemManager" for each in machine.processes()) and not any(
        machine.path("/etc/udev/rules.d").glob("*tapthread*")
    ):
        rules = f"install -m 644 {_asset('tapthread-udev.rules')} /etc/udev/rules.d/60-tapthread.rules"
        found.append(
            Finding(
                "modem-manager",
                Standing.WARNING,
                "ModemManager runs and may speak to the port as if a modem were there.",
                f"{sudo(machine, rules)} && {sudo(machine, 'udevadm control --reload')}"
                f" && {sudo(machine, 'udevadm trigger')}",
            )
        )
    return tuple(found)


def keyboard(machine: Machine, name: str) -> tuple[Finding, ...]:
    """Can the input device be opened?"""
    path = machine.path(name)
    if not path.exists():
        return (
            Finding(
                "keyboard",
                Standing.BROKEN,
                f"There is no input device {name}.",
                "ls -l /dev/input/by-path",
            ),
        )
    return (_opened(machine, path, name, code="keyboard", group="input"),)


def data_folder(data: Path) -> Finding:
    """Is there room, and is what is in it nobody else's to read?"""
    code = "data"
    if not data.exists():
        return Finding(code, Standing.NOTE, f"There is no data folder {data} yet.")
    open_files = [
        name
        for name in (KEY_FILE, STORE_KEY_FILE)
        if (data / name).exists() and stat.S_IMODE((data / name).stat().st_mode) & 0o077
    ]
    if open_files:
        return Finding(
            code,
            Standing.BROKEN,
            f"Others on this machine may read the keys in {data}.",
            " && ".join(f"chmod 600 {shlex.quote(str(data / name))}" for name in open_files),
        )
    free = shutil.disk_usage(data).free
    if free < FREE_SIZE_MIN:
        return Finding(
            code,
            Standing.WARNING,
            f"{free // 1_000_000} MB are free where {data} is; a busy day may not fit.",
            "df -h",
        )
    return Finding(code, Standing.WELL, f"The keys in {data} are private, and there is room.")


def _opened(machine: Machine, path: Path, name: str, *, code: str, group: str) -> Finding:
    if os.access(path, os.R_OK | os.W_OK):
        return Finding(code, Standing.WELL, f"{name} is there and may be opened.")
    return Finding(
        code,
        Standing.BROKEN,
        f"{machine.user} may not open {name}.",
        f"{sudo(machine, f'usermod -aG {group} {machine.user}')}   # then sign in again",
    )


def _is_terminal(path: Path) -> bool:
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return True  # Held by somebody, which is said elsewhere.
    try:
        return os.isatty(descriptor)
    finally:
        os.close(descriptor)


def _asset(name: str) -> str:
    return shlex.quote(str(ASSETS / name))
