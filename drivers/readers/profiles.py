"""What is known of each reader model, from hardware/profiles/*.toml: one file a model, checked when it is loaded.

    name                  what people call it
    kind                  pcsc | serial | keyboard | libusb (seen and named, not read by this product)
    usb                   vendor and product numbers, "072F:2200"
    names                 parts of the name its service or the kernel gives it, any case
    ignored_slots         words in the names of its slots without an antenna
    libccid_min           oldest libccid known to have it, "" where libccid is not needed
    raw                   how frames of bands without ISO-DEP get through: none | direct | pn53x | transparent
    signals               how its light and sound are told: none | acr122 | acs
    poll_ms               how long it may take to notice a band; 0 where nobody says
    quirks                see `Quirk`
    byte_order            of a keyboard: as_read | reversed
    notes                 for a technician
    verified_on_hardware  whether somebody has tried this file on the device

A file with a key that is not listed, or a value of the wrong type, is passed over, and `tapthread doctor` names it: one that
somebody wrote for a reader of their own must not take the others away. The tests load every file of ours.
"""

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from functools import cache
from importlib.resources import files
from importlib.resources.abc import Traversable
from typing import Any


class Kind(Enum):
    """How a model is reached."""

    PCSC = "pcsc"
    SERIAL = "serial"
    KEYBOARD = "keyboard"
    LIBUSB = "libusb"


class Raw(Enum):
    """How a frame gets to a band without ISO-DEP."""

    NONE = "none"  # READ and WRITE as the reader's own commands, nothing else
    DIRECT = "direct"  # FF 00 00 00 Lc frame
    PN53X = "pn53x"  # FF 00 00 00 Lc D4 42 frame: the commands of the chip inside
    TRANSPARENT = "transparent"  # FF C2 00 01, PC/SC part 3


class SignalStyle(Enum):
    """How light and sound are told."""

    NONE = "none"
    ACR122 = "acr122"
    ACS = "acs"


class Quirk(Enum):
    """What a model does that others do not."""

    STATUS_IS_DATA = "status_is_data"  # the second status byte of its own commands carries data
    UID_ACTIVATES_AGAIN = (
        "uid_activates_again"  # asking for the UID selects a band that fell silent
    )
    MAY_START_MUTE = (
        "may_start_mute"  # after the machine starts it may have to be plugged in again
    )
    KERNEL_DRIVER = "kernel_driver"  # the kernel's pn533 driver takes it away from PC/SC
    MAY_TYPE = "may_type"  # in another mode it is a keyboard


class ByteOrder(Enum):
    """How a keyboard reader types the number of a band."""

    AS_READ = "as_read"
    REVERSED = "reversed"


@dataclass(frozen=True, slots=True)
class Profile:
    """One reader model; fields as the module's docstring says. `model` is the name of its file."""

    model: str
    name: str
    kind: Kind
    usb: tuple[str, ...] = ()
    names: tuple[str, ...] = ()
    ignored_slots: tuple[str, ...] = ()
    libccid_min: str = ""
    raw: Raw = Raw.NONE
    signals: SignalStyle = SignalStyle.NONE
    poll_ms: int = 0
    quirks: frozenset[Quirk] = frozenset()
    byte_order: ByteOrder = ByteOrder.AS_READ
    notes: str = ""
    verified_on_hardware: bool = False

    def is_named(self, name: str) -> bool:
        """Is `name` what a service or the kernel calls this model?"""
        return any(part.lower() in name.lower() for part in self.names)

    def ignores(self, name: str) -> bool:
        """Is `name` a slot of this model without an antenna? Whole words count: ICC is no PICC."""
        return any(
            re.search(rf"\b{re.escape(part)}\b", name, re.IGNORECASE)
            for part in self.ignored_slots
        )


class ProfileWrong(ValueError):
    """A file of a model does not say what it must."""


UNKNOWN = Profile(model="", name="unknown reader", kind=Kind.PCSC, ignored_slots=("SAM",))
"""A PC/SC reader nobody described: what every such reader can do, and nothing else."""

_ENUMS: Mapping[str, type[Enum]] = {
    "kind": Kind,
    "raw": Raw,
    "signals": SignalStyle,
    "byte_order": ByteOrder,
}
_TEXTS = frozenset({"name", "libccid_min", "notes"})
_LISTS = frozenset({"usb", "names", "ignored_slots"})


def profile_of(model: str, text: str) -> Profile:
    """The profile in one file. Raises ProfileWrong."""
    try:
        found = tomllib.loads(text)
        values = {key: _value(key, value) for key, value in found.items()}
        return Profile(model=model, **values)
    except (tomllib.TOMLDecodeError, ValueError, TypeError) as error:
        raise ProfileWrong(f"{model}: {error}") from error


def _value(key: str, value: object) -> Any:
    if key in _ENUMS and isinstance(value, str):
        return _ENUMS[key](value)
    if key == "quirks" and isinstance(value, list):
        return frozenset(Quirk(each) for each in value)
    if (
        key in _LISTS
        and isinstance(value, list)
        and all(isinstance(each, str) for each in value)
    ):
        return tuple(value)
    is_right = (
        (key in _TEXTS and isinstance(value, str))
        or (key == "poll_ms" and type(value) is int and value >= 0)
        or (key == "verified_on_hardware" and isinstance(value, bool))
    )
    if not is_right:
        raise ValueError(f"{key} is no key of a profile, or not of that type")
    return value


def loaded(folder: Traversable) -> tuple[tuple[Profile, ...], tuple[str, ...]]:
    """The models a folder has files for, by file name, and one sentence about each file that is wrong."""
    found: list[Profile] = []
    wrong: list[str] = []
    for each in sorted(folder.iterdir(), key=lambda each: each.name):
        model, _, kind = each.name.rpartition(".")
        if kind != "toml":
            continue
        try:
            found.append(profile_of(model, each.read_text("utf-8")))
        except (ProfileWrong, UnicodeDecodeError, OSError) as error:
            wrong.append(f"{each.name}: {str(error).removeprefix(f'{model}: ')}")
    return tuple(found), tuple(wrong)


@cache
def _ours() -> tuple[tuple[Profile, ...], tuple[str, ...]]:
    """Reads 20 small files once, 5 ms."""
    return loaded(files("hardware") / "profiles")


def profiles() -> tuple[Profile, ...]:
    """Every model there is a file for, by file name."""
    return _ours()[0]


def wrong_files() -> tuple[str, ...]:
    """One sentence about each file that is passed over."""
    return _ours()[1]


def profile_of_name(name: str) -> Profile:
    """The model a PC/SC reader's name belongs to; UNKNOWN when there is no file for it."""
    for profile in profiles():
        if profile.kind is Kind.PCSC and profile.is_named(name):
            return profile
    return UNKNOWN


def profile_of_usb(usb: str) -> Profile | None:
    """The model with this vendor and product number, "072F:2200"; None when there is no file for it."""
    return next((each for each in profiles() if usb.upper() in each.usb), None)
