"""The file that says which channels there are and with which secrets, read once when a centre is opened.

    [shop]                              its name: a path segment, and what its events are kept under for ever
    adapter = "shopify"                 which file of `channels/` reads it
    channel = "web"                     what it is to customers, one of `records.CHANNELS`; left out where each event says
    promise_s = 86400                   until when a customer who writes there is answered
    [shop.secrets]
    signing = "..."                     or a list: the first signs, the others still count
    [shop.secret_files]
    signing = "/run/secrets/shop"       a secret in a file of its own: this one, or beside this one
    [shop.options]
    country = "GB"                      how national telephone numbers are read; the rest is for the adapter
    [shop.keep_days]
    held = 365                          how long the bytes of events are kept: taken (90), held (180), forged (30); `retention`

Nobody but its owner may read the file, nor the files it names: whoever has a secret can write in a vendor's name.
"""

import re
import tomllib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Final

from sync.central.channels.adapter import KEEP_DAYS, Settings
from sync.central.channels.names import fault_of, nearest
from sync.central.errors import ChannelsWrong
from sync.model.records import CHANNELS

NAME: Final = re.compile(r"[a-z0-9][a-z0-9_-]{0,39}")
"""What a channel may be called."""

RESERVED: Final = ("store", "centre", "here", "op", "order", "case")
"""Names that say something else where a channel's could stand."""

PROMISE_S: Final = 86_400
FIELDS: Final = (
    "adapter",
    "channel",
    "promise_s",
    "secrets",
    "secret_files",
    "options",
    "keep_days",
)
DAYS_MAX: Final = 3_650
SECRETS_MAX: Final = 10
"""Old secrets that still count for one name; more were never rotated out."""


def read_channels(path: Path) -> tuple[Settings, ...]:
    """All channels of a file, by name. Raises ChannelsWrong."""
    try:
        found = tomllib.loads(_private(path))
    except tomllib.TOMLDecodeError as error:
        raise ChannelsWrong(f"{path} does not parse: {error}") from error
    return tuple(_channel(name, found[name], path.parent) for name in sorted(found))


def check(channels: Iterable[Settings], adapters: Iterable[str]) -> None:
    """Raise ChannelsWrong for two channels of one name, an adapter there is not, or an option or secret it does not take."""
    known, seen = tuple(adapters), set[str]()
    for each in channels:
        if each.name in RESERVED:
            raise ChannelsWrong(
                f"[{each.name}] what is done here is called so; give it another name"
            )
        if each.name in seen or not NAME.fullmatch(each.name):
            raise ChannelsWrong(
                f"channel {each.name[:40]!r}: its name stands twice, or is no path segment"
            )
        seen.add(each.name)
        if each.adapter not in known:
            raise ChannelsWrong(
                f"[{each.name}] there is no adapter {each.adapter!r}{nearest(each.adapter, known)}"
            )
        fault = fault_of(each)
        if fault:
            raise ChannelsWrong(fault)


def _private(path: Path) -> str:
    try:
        if path.stat().st_mode & 0o077:
            raise ChannelsWrong(f"others can read {path}; run: chmod 600 {path}")
        return path.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ChannelsWrong(f"{path} cannot be read") from error


def _channel(name: str, told: object, folder: Path) -> Settings:
    if not NAME.fullmatch(name):
        raise ChannelsWrong(
            f"[{name[:40]}] a channel is named with small letters, digits, - and _"
        )
    if not isinstance(told, dict):
        raise ChannelsWrong(f"{name} stands outside a channel; begin one with [name]")
    for field in told:
        if field not in FIELDS:
            raise ChannelsWrong(f"[{name}] there is no {field!r}{nearest(field, FIELDS)}")
    channel = _text(told, name, "channel")
    if channel and channel not in CHANNELS:
        raise ChannelsWrong(f"[{name}] channel {channel!r} is none{nearest(channel, CHANNELS)}")
    promise_s = told.get("promise_s", PROMISE_S)
    if (
        not isinstance(promise_s, int)
        or isinstance(promise_s, bool)
        or not 0 < promise_s < 10**8
    ):
        raise ChannelsWrong(f"[{name}] promise_s is a number of seconds")
    adapter = _text(told, name, "adapter")
    if not adapter:
        raise ChannelsWrong(f"[{name}] needs an adapter")
    secrets = dict(_secrets(_table(told, name, "secrets"), name))
    for secret, file in _table(told, name, "secret_files").items():
        if not isinstance(file, str) or secret in secrets:
            raise ChannelsWrong(
                f"[{name}.secret_files] {secret}: one file, and no secret of that name besides"
            )
        secrets |= _secrets({secret: _private(folder / file).split()}, name)
    return Settings(
        name=name, adapter=adapter, channel=channel, secrets=secrets, promise_s=promise_s,
        options={key: _option(value, name, key) for key, value in _table(told, name, "options").items()},
        keep_days={key: _days(value, name, key) for key, value in _table(told, name, "keep_days").items()},
    )  # fmt: skip


def _secrets(told: Mapping[str, Any], name: str) -> dict[str, str]:
    """Each secret by its name; older ones of a list as NAME_old1 and so on."""
    found: dict[str, str] = {}
    for secret, value in told.items():
        several = value if isinstance(value, list) else [value]
        if not 1 <= len(several) <= SECRETS_MAX or not all(
            isinstance(one, str) and one for one in several
        ):
            raise ChannelsWrong(f"[{name}.secrets] {secret} is a text, or a few of them")
        for index, one in enumerate(several):
            found[f"{secret}_old{index}" if index else secret] = one
    return found


def _table(told: Mapping[str, Any], name: str, field: str) -> Mapping[str, Any]:
    found = told.get(field, {})
    if not isinstance(found, dict):
        raise ChannelsWrong(f"[{name}] {field} is a table: [{name}.{field}]")
    return found


def _text(told: Mapping[str, Any], name: str, field: str) -> str:
    found = told.get(field, "")
    if not isinstance(found, str):
        raise ChannelsWrong(f"[{name}] {field} is a text")
    return found


def _days(value: object, name: str, key: str) -> int:
    if key not in KEEP_DAYS:
        known = ", ".join(KEEP_DAYS)
        near = nearest(key, KEEP_DAYS) or f"; there are {known}"
        raise ChannelsWrong(f"[{name}.keep_days] there is no {key!r}{near}")
    if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= DAYS_MAX:
        raise ChannelsWrong(f"[{name}.keep_days] {key} is a number of days, 1 to {DAYS_MAX:,}")
    return value


def _option(value: object, name: str, key: str) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, str | int):
        return str(value)
    raise ChannelsWrong(f"[{name}.options] {key} is a text, a number, or true or false")
