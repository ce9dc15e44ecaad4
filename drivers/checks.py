"""What can be wrong with the reader the settings name, each in one line with the command that mends it.

    pcsc-library     the Python side of PC/SC is installed
    pcsc-service     the daemon answers, and lets this user in (polkit)
    pcsc-driver      libccid knows every reader that is plugged in, and is new enough
    pcsc-reader      a reader with an antenna is there, and which one is used
    pcsc-choice      two of them: which one is meant
    pcsc-busy        another program has it, or is known to take cards
    pcsc-access      this user may use bands in it (polkit)
    control-codes    libccid lets light and sound be told
    profile          what is known of the model, and whether anybody tried it
    profile-file     each file about a model can be used
    pn532            something answers on the port, and it is a PN532
    keyboard-reader  the keyboard is there and ours alone

The daemon's side is asked through `drivers.readers.pcsc`, the only module that may; files are read from `Machine`.
"""

import os
import plistlib
import socket
from collections.abc import Callable, Sequence
from importlib.resources import files
from pathlib import Path

from drivers.errors import DriverError, ReaderAbsent, ReaderBusy, ReaderFault, ServiceDown
from drivers.readers import pcsc
from drivers.readers.opening import opened
from drivers.readers.pcsc import Slot, chosen, has_antenna
from drivers.readers.profiles import (
    UNKNOWN,
    Kind,
    Profile,
    Quirk,
    SignalStyle,
    profile_of_name,
    profile_of_usb,
    profiles,
    wrong_files,
)
from hardware.checks import serial_ports, usb_numbers
from hardware.clock import Clock
from hardware.findings import ASSETS, Finding, Machine, Process, Standing, Subject, sudo

SOCKET_VARIABLE = "PCSCLITE_CSOCK_NAME"
SOCKET = "/run/pcscd/pcscd.comm"
"""Where the daemon listens. Source: pcsc-lite, configure option --enable-ipcdir."""

CONNECT_S = 2.0
"""A daemon on this machine takes a connection in milliseconds."""

CCID_PLIST = "/usr/lib/pcsc/drivers/ifd-ccid.bundle/Contents/Info.plist"
CCID_OPTIONS_FILE = "/etc/libccid_Info.plist"
"""What libccid knows and may do; on Debian the first is a link to the second."""

CONTROL_ALLOWED = 0x0001
"""Bit of ifdDriverOptions. Source: libccid, DRIVER_OPTION_CCID_EXCHANGE_AUTHORIZED."""

COMPETITORS = {
    "scdaemon": "gpgconf --kill scdaemon",
    "gsd-smartcard": "systemctl --user mask --now org.gnome.SettingsDaemon.Smartcard.target",
    "pcsc_scan": "kill {pid}",
    "opensc-tool": "kill {pid}",
    "nfc-list": "kill {pid}",
    "p11-kit-remote": "kill {pid}",
}
"""Programs known to take cards, and how to make them stop."""

READER_OPTION = "--reader"
"""How a reader process of ours is told which reader it owns."""

INSTALL = "apt-get install pcscd libccid"

DAEMON = "/usr/sbin/pcscd"
"""The daemon itself. Source: Debian, package pcscd."""

SYSTEMD = "/run/systemd/system"
"""There where systemd runs the machine. Source: sd_booted(3)."""


def findings(subject: Subject, clock: Clock) -> tuple[Finding, ...]:
    """Everything here, for the reader the settings name. Takes up to 2 s where nothing answers."""
    machine = subject.machine
    kind, _, name = subject.reader.partition(":")
    wrong = profile_file_findings(wrong_files())
    match kind:
        case "pcsc":
            return (*wrong, *pcsc_findings(machine, name))
        case "pn532":
            return (*wrong, *_opening(subject.reader, machine, clock, code="pn532"))
        case "wedge" | "wedge-reversed":
            return (*wrong, *_opening(subject.reader, machine, clock, code="keyboard-reader"))
        case _:
            line = f"The reader {subject.reader[:60]} is virtual: nothing to look at."
            return (Finding("reader", Standing.NOTE, line),)


def profile_file_findings(wrong: Sequence[str]) -> tuple[Finding, ...]:
    """Files about reader models that are passed over, each by its name and what is wrong with it."""
    found = []
    for each in wrong:
        name, _, why = each.partition(": ")
        path = files("hardware") / "profiles" / name
        line = f"The file {name} about a reader is not used: {why}."
        way_out = f"mend it, or mv '{path}' '{path}.wrong'"
        found.append(Finding("profile-file", Standing.BROKEN, line, way_out))
    return tuple(found)


def pcsc_findings(
    machine: Machine,
    wanted: str,
    *,
    survey: Callable[[], Sequence[Slot]] = pcsc.survey,
    probe: Callable[[str], None] = pcsc.probe,
) -> tuple[Finding, ...]:
    """All of PC/SC, from the daemon to the reader that is meant."""
    found = [ccid_finding(machine)]
    try:
        slots = tuple(survey())
    except ModuleNotFoundError:
        return (*found, _library_finding("pcsc-library", "PC/SC, pyscard"))
    except (ServiceDown, ReaderFault, ReaderAbsent):
        return (*found, service_finding(machine))
    found.append(Finding("pcsc-service", Standing.WELL, "The PC/SC service answers."))
    name = chosen([slot.name for slot in slots], wanted)
    slot = next((each for each in slots if each.name == name), None)
    if slot is None:
        return (*found, absent_finding(machine, slots, wanted))
    found += reader_findings(slots, slot, wanted)
    found += busy_findings(machine, slot)
    profile = profile_of_name(slot.name)
    found.append(profile_finding(profile, slot.name))
    if not slot.is_held:
        found += _probed(machine, profile, slot, probe)
    return tuple(found)


def ccid_finding(machine: Machine) -> Finding:
    """Does libccid know what is plugged in?"""
    code = "pcsc-driver"
    plugged = [
        profile
        for profile in map(profile_of_usb, sorted(usb_numbers(machine)))
        if profile is not None and profile.kind is Kind.PCSC
    ]
    driver = _ccid(machine)
    if not driver:
        return Finding(
            code,
            Standing.BROKEN if plugged else Standing.WARNING,
            "The driver for USB readers, libccid, is not installed.",
            sudo(machine, INSTALL),
        )
    version = str(driver.get("CFBundleShortVersionString", "?"))
    known = _known_usb(driver)
    for profile in plugged:
        if not known.isdisjoint(profile.usb):
            continue
        return Finding(
            code,
            Standing.BROKEN,
            f"libccid {version} does not know {profile.name}; {profile.libccid_min} does.",
            sudo(machine, "apt-get install libacsccid1")
            if profile.model.startswith("acr")
            else f"install libccid {profile.libccid_min} or newer",
        )
    if not plugged:
        line = f"libccid {version} is installed; no reader that is known here is plugged in."
        return Finding(code, Standing.NOTE, line)
    names = ", ".join(profile.name for profile in plugged)
    return Finding(code, Standing.WELL, f"libccid {version} knows what is plugged in: {names}.")


def service_finding(machine: Machine) -> Finding:
    """Why the daemon cannot be asked."""
    code = "pcsc-service"
    path = Path(os.environ.get(SOCKET_VARIABLE) or machine.path(SOCKET))
    if not path.exists():
        line = "The PC/SC service is not there."
        return Finding(code, Standing.BROKEN, line, _bring(machine))
    if not _takes_connections(path):
        line = "The PC/SC service does not answer."
        return Finding(code, Standing.BROKEN, line, _restart(machine))
    return _refused(machine, "The PC/SC service turns this user away (polkit).", code)


def _library_finding(code: str, what: str) -> Finding:
    """A Python package is missing."""
    line = f"The Python package for {what}, is not installed."
    return Finding(code, Standing.BROKEN, line, "hardware/bootstrap tapthread doctor")


def absent_finding(machine: Machine, slots: Sequence[Slot], wanted: str) -> Finding:
    """Why there is no reader to use."""
    code = "pcsc-reader"
    usable = [slot.name for slot in slots if has_antenna(slot.name)]
    if wanted and usable:
        names = ", ".join(usable)
        line = f"No reader is called {wanted[:60]}; there is {names}."
        return Finding(code, Standing.BROKEN, line, f"--reader 'pcsc:{usable[0]}'")
    plugged = [
        profile
        for profile in map(profile_of_usb, sorted(usb_numbers(machine)))
        if profile is not None
    ]
    if plugged:
        one = plugged[0]
        return Finding(
            code,
            Standing.BROKEN,
            f"{one.name} is plugged in and the PC/SC service does not have it.{_hint(one)}",
            "use another model"
            if one.kind is Kind.LIBUSB
            else f"unplug it and plug it in again, then {_restart(machine)}",
        )
    ports = serial_ports(machine)
    if ports:
        line = f"No reader is plugged in, but there is a serial port {ports[0]}."
        return Finding(
            code, Standing.BROKEN, line, f"with a PN532 on it: --reader pn532:{ports[0]}"
        )
    return Finding(
        code, Standing.BROKEN, "No reader is plugged in.", "plug it in; lsusb lists what is"
    )


def reader_findings(slots: Sequence[Slot], slot: Slot, wanted: str) -> tuple[Finding, ...]:
    """Which reader is used, and whether that was a choice."""
    found = [Finding("pcsc-reader", Standing.WELL, f"The reader is {slot.name}.")]
    if slot.is_mute:
        found.append(
            Finding(
                "pcsc-mute",
                Standing.WARNING,
                f"Something lies on {slot.name} that does not answer.",
                "take it away; with nothing on it, unplug the reader and plug it in again",
            )
        )
    fitting = [
        each.name
        for each in slots
        if has_antenna(each.name) and wanted.lower() in each.name.lower()
    ]
    if len(fitting) > 1 and wanted.lower() != slot.name.lower():
        others = ", ".join(name for name in fitting if name != slot.name)
        found.append(
            Finding(
                "pcsc-choice",
                Standing.WARNING,
                f"More than one reader fits, and {slot.name} is used; there is also {others}.",
                f"--reader 'pcsc:{slot.name}'",
            )
        )
    return tuple(found)


def busy_findings(machine: Machine, slot: Slot) -> tuple[Finding, ...]:
    """Who else has the reader, or may take it."""
    running = machine.processes()
    ours = [
        each
        for each in running
        if each.is_ours and each.pid != os.getpid() and _is_told(each, slot)
    ]
    rivals = [each for each in running if each.name in COMPETITORS]
    if slot.is_held and ours and not rivals:
        line = f"This product's reader process {ours[0].pid} has the reader."
        return (Finding("pcsc-busy", Standing.WELL, line),)
    if rivals:
        one = rivals[0]
        is_taken = slot.is_held or slot.is_used
        return (
            Finding(
                "pcsc-busy",
                Standing.BROKEN if is_taken else Standing.WARNING,
                f"{one.name} (process {one.pid}) {'has' if is_taken else 'takes cards from'} the reader.",
                COMPETITORS[one.name].format(pid=one.pid),
            ),
        )
    if slot.is_held:
        line = "Another program has the reader and lets nobody else in."
        return (Finding("pcsc-busy", Standing.BROKEN, line, _restart(machine)),)
    return ()


def _is_told(process: Process, slot: Slot) -> bool:
    """May this be the slot a reader process of ours was told to own? With two readers another process has the other one."""
    words = process.words
    at = words.index(READER_OPTION) + 1 if READER_OPTION in words else len(words)
    kind, _, name = (words[at] if at < len(words) else "pcsc").partition(":")
    return kind == "pcsc" and name.lower() in slot.name.lower()


def profile_finding(profile: Profile, name: str) -> Finding:
    """What is known of the model."""
    if not profile.model:
        line = f"Nobody has described {name}: no light, no sound, no frames but READ and WRITE."
        return Finding("profile", Standing.NOTE, line)
    tried = (
        "tried on the device" if profile.verified_on_hardware else "never tried on the device"
    )
    return Finding("profile", Standing.NOTE, f"{profile.name}: {tried}.{_hint(profile)}")


def _probed(
    machine: Machine, profile: Profile, slot: Slot, probe: Callable[[str], None]
) -> tuple[Finding, ...]:
    """Whether this user may use bands in it, and whether light and sound can be told."""
    found = []
    try:
        probe(slot.name)
    except ServiceDown:
        line = "The PC/SC service does not let this user use bands (polkit)."
        found.append(_refused(machine, line, "pcsc-access"))
    except ReaderBusy:
        line = "Another program has the reader and lets nobody else in."
        found.append(Finding("pcsc-access", Standing.BROKEN, line, _restart(machine)))
    except DriverError as error:
        line = f"The reader does not open: {error}."
        found.append(
            Finding("pcsc-access", Standing.BROKEN, line, "unplug it and plug it in again")
        )
    else:
        line = "This user may use bands."
        found.append(Finding("pcsc-access", Standing.WELL, line))
    if profile.signals is not SignalStyle.NONE:
        found.append(control_finding(machine))
    return tuple(found)


def control_finding(machine: Machine) -> Finding:
    """Does libccid hand control codes on?"""
    code = "control-codes"
    options = str(_ccid(machine).get("ifdDriverOptions", "0"))
    try:
        number = int(options, 16)
    except ValueError:
        number = 0
    if number & CONTROL_ALLOWED:
        return Finding(code, Standing.WELL, "Light and sound of the reader can be told.")
    edit = (
        f"sed -i '/ifdDriverOptions/{{n;s/{options}/0x{number | CONTROL_ALLOWED:04X}/}}'"
        f" {CCID_OPTIONS_FILE}"
    )
    return Finding(
        code,
        Standing.WARNING,
        "libccid hands no control codes on, so the reader's light and sound stay its own.",
        f"{sudo(machine, edit)} && {_restart(machine)}",
    )


def _opening(spec: str, machine: Machine, clock: Clock, *, code: str) -> tuple[Finding, ...]:
    """What opening the reader says; one that our own reader process has is well.

    A port or device that is not there, or that another program has, is found by `hardware.checks` already.
    """
    path = spec.partition(":")[2]
    holders: tuple[Process, ...] = ()
    if path.startswith("/"):
        if not machine.path(path).exists():
            return ()
        holders = machine.holders(machine.path(path))
    if any(each.is_ours for each in holders):
        line = "This product's reader process has the reader."
        return (Finding(code, Standing.WELL, line),)
    try:
        reader = opened(spec, clock)
    except ReaderBusy as error:
        if code == "pn532" and holders:
            return ()
        line = f"The reader is not free: {error}."
        return (Finding(code, Standing.BROKEN, line, sudo(machine, f"fuser -v {path}")),)
    except (DriverError, ModuleNotFoundError) as error:
        return (_unopened(code, error),)
    name = reader.name
    reader.close()
    model = next((each for each in profiles() if each.kind is _KINDS[code]), UNKNOWN)
    return (
        Finding(code, Standing.WELL, f"{name} answers."),
        profile_finding(model, name),
    )


def _unopened(code: str, error: Exception) -> Finding:
    """Why a reader does not open."""
    if isinstance(error, ModuleNotFoundError):
        return _library_finding(code, _PACKAGES[code])
    return Finding(
        code,
        Standing.BROKEN,
        f"The reader does not open: {error}.",
        "check its cable and power; a PN532 board has to be switched to HSU"
        if code == "pn532"
        else "plug it in; ls /dev/input/by-path",
    )


_KINDS = {"pn532": Kind.SERIAL, "keyboard-reader": Kind.KEYBOARD}
_PACKAGES = {"pn532": "a PN532, nfcpy", "keyboard-reader": "readers that type, evdev"}


def _bring(machine: Machine) -> str:
    """What installs the service, where it is not, and starts it."""
    is_installed = machine.path(DAEMON).exists() and bool(_ccid(machine))
    has_systemd = machine.path(SYSTEMD).exists()
    start = sudo(machine, "systemctl enable --now pcscd.socket" if has_systemd else "pcscd")
    return start if is_installed else f"{sudo(machine, INSTALL)} && {start}"


def _restart(machine: Machine) -> str:
    """What starts the service again."""
    if machine.path(SYSTEMD).exists():
        return sudo(machine, "systemctl restart pcscd.socket pcscd.service")
    return f"{sudo(machine, 'pkill -x pcscd')}; {sudo(machine, 'pcscd')}"


def _refused(machine: Machine, line: str, code: str) -> Finding:
    rule = f"install -m 644 '{ASSETS / 'tapthread-polkit.rules'}' /etc/polkit-1/rules.d/50-tapthread.rules"
    steps = (rule, "groupadd -f tapthread", f"usermod -aG tapthread {machine.user}")
    return Finding(code, Standing.BROKEN, line, " && ".join(f"sudo {step}" for step in steps))


def _hint(profile: Profile) -> str:
    if Quirk.MAY_TYPE in profile.quirks and profile.kind is Kind.PCSC:
        return f" {profile.notes}"
    if profile.kind is Kind.LIBUSB or Quirk.MAY_START_MUTE in profile.quirks:
        return f" {profile.notes}"
    return ""


def _ccid(machine: Machine) -> dict[str, object]:
    """What libccid says of itself; empty when it is not there or does not parse."""
    path = machine.path(CCID_PLIST)
    if path.is_symlink() and not path.exists():
        path = machine.path(CCID_OPTIONS_FILE)
    try:
        found = plistlib.loads(path.read_bytes())
    except (OSError, plistlib.InvalidFileException, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def _known_usb(driver: dict[str, object]) -> frozenset[str]:
    vendors, products = driver.get("ifdVendorID"), driver.get("ifdProductID")
    if not isinstance(vendors, list) or not isinstance(products, list):
        return frozenset()
    return frozenset(
        f"{str(vendor)[2:]}:{str(product)[2:]}".upper()
        for vendor, product in zip(vendors, products, strict=False)
    )


def _takes_connections(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX) as client:
        client.settimeout(CONNECT_S)
        try:
            client.connect(str(path))
        except OSError:
            return False
        return True
