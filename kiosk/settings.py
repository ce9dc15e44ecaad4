"""Every setting: type, unit, default, and where its value came from. Nothing else reads the environment or a file.

Later wins: default, settings file, environment (`TAPTHREAD_...`), command line. Unknown names and wrong types are errors
at start, with the nearest known name. Secrets are not settings; they are files of the device, in its data folder.
"""

import difflib
import os
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

PREFIX: Final = "TAPTHREAD_"
FILE_VARIABLE: Final = "TAPTHREAD_SETTINGS"
"""Names the settings file; without it `DEFAULT_FILE` is read if it is there."""

READER_KINDS: Final = ("pcsc", "pn532", "wedge", "wedge-reversed")
"""What may stand before the colon; as in `drivers.readers.opening`, whose import would cost every command 20 ms."""

DEFAULT_FILE: Final = Path("/etc/tapthread.toml")


class SettingsError(Exception):
    """A setting has an unknown name or a wrong value; the sentence says which and what would do."""


@dataclass(frozen=True, slots=True)
class Settings:
    """All settings of a device.

    Attributes:
        data: Where this device keeps its files.
        centre: Base URL of the centre, "" to take the one the device was enrolled with.
        centre_ca: One or two files of authorities (PEM, with a colon between) whose certificates the centre may have; then no
            other counts. Two while one follows the other. "" for those this machine knows.
        reader: Which reader: pcsc | pcsc:NAME | pn532:PATH | wedge:PATH | wedge-reversed:PATH | virtual.
        language: Language of the shop, BCP 47; a band's own language wins.
        relay: Address of the relay of this store in its own network, for example "http://10.0.0.5:8470"; "" for none, or
            for the one this device hosts.
        relay_listen: HOST:PORT this device hosts the relay at, "" when it does not; one device of a store does.
        origins: Where each value came from: default | file | environment | command line.
    """

    data: Path
    centre: str = ""
    centre_ca: str = ""
    reader: str = "pcsc"
    language: str = "en"
    relay: str = ""
    relay_listen: str = ""
    origins: Mapping[str, str] = field(default_factory=dict)

    @property
    def centre_ca_files(self) -> tuple[Path, ...]:
        """The files of `centre_ca`."""
        return _files_of(self.centre_ca)


NAMES: Final = tuple(item.name for item in fields(Settings) if item.name != "origins")


def default_data(environment: Mapping[str, str]) -> Path:
    """The data folder when none is given. Source: XDG base directory specification 0.8."""
    state = environment.get("XDG_DATA_HOME") or str(
        Path(environment.get("HOME") or "/root") / ".local/share"
    )
    return Path(state) / "tapthread"


def load(
    *,
    data: Path | None = None,
    centre: str | None = None,
    reader: str | None = None,
    relay: str | None = None,
    relay_listen: str | None = None,
    environment: Mapping[str, str] | None = None,
) -> Settings:
    """Settings from all four places; the arguments are what the command line gave.

    Raises:
        SettingsError: an unknown name or a wrong value in any of them.
    """
    environment = os.environ if environment is None else environment
    values: dict[str, Any] = {"data": default_data(environment)}
    origins = dict.fromkeys(NAMES, "default")
    given = {
        "data": data, "centre": centre, "reader": reader, "relay": relay,
        "relay_listen": relay_listen,
    }  # fmt: skip
    for origin, found in (
        ("file", _from_file(environment)),
        ("environment", _from_environment(environment)),
        ("command line", {name: value for name, value in given.items() if value is not None}),
    ):
        for name, value in found.items():
            values[name] = _checked(name, value, origin)
            origins[name] = origin
    return Settings(**values, origins=origins)


def _from_file(environment: Mapping[str, str]) -> dict[str, Any]:
    named = environment.get(FILE_VARIABLE)
    path = Path(named) if named else DEFAULT_FILE
    try:
        found = tomllib.loads(path.read_text("utf-8"))
    except FileNotFoundError:
        if named:
            raise SettingsError(f"there is no settings file {path}") from None
        return {}
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise SettingsError(f"the settings file {path} cannot be read: {error}") from error
    for name in found:
        _known(name, where=str(path))
    return found


def _from_environment(environment: Mapping[str, str]) -> dict[str, str]:
    found = {}
    for variable, value in environment.items():
        if variable.startswith(PREFIX) and variable != FILE_VARIABLE:
            name = variable.removeprefix(PREFIX).lower()
            _known(name, where=variable)
            if value:
                found[name] = value
    return found


def _known(name: str, *, where: str) -> None:
    if name not in NAMES:
        near = difflib.get_close_matches(name, NAMES, n=1)
        hint = f"; did you mean {near[0]}?" if near else f"; there are {', '.join(NAMES)}"
        raise SettingsError(f"{where}: there is no setting {name}{hint}")


def _checked(name: str, value: object, origin: str) -> object:
    if name == "data" and isinstance(value, str | Path):
        return Path(value).expanduser()
    if not isinstance(value, str):
        raise SettingsError(f"{name} ({origin}) must be text, not {type(value).__name__}")
    if name == "reader" and not _is_reader(value):
        raise SettingsError(
            f"reader ({origin}) must be pcsc, pcsc:NAME, pn532:PATH, wedge:PATH, wedge-reversed:PATH or virtual, not {value[:60]!r}"
        )
    if name == "centre" and value and not value.startswith(("http://", "https://")):
        raise SettingsError(f"centre ({origin}) must be an http or https address")
    if name == "centre_ca" and value:
        _check_authorities(value, origin)
    if name == "relay" and value and not _is_relay(value):
        raise SettingsError(f"relay ({origin}) must be an address like http://10.0.0.5:8470")
    if name == "relay_listen" and value:
        address_of(value, origin=origin)
    return value


def _files_of(paths: str) -> tuple[Path, ...]:
    return tuple(Path(path).expanduser() for path in paths.split(os.pathsep) if path)


def _check_authorities(paths: str, origin: str) -> None:
    """Raises SettingsError for files that pin nothing."""
    from sync.edge.tls import CertificateFileError, check

    try:
        check(_files_of(paths))
    except CertificateFileError as error:
        raise SettingsError(f"centre_ca ({origin}): {error}") from error


def address_of(listen: str, *, origin: str = "") -> tuple[str, int]:
    """Host and port of a HOST:PORT, an IPv6 host in brackets. Raises SettingsError."""
    host, colon, port = listen.rpartition(":")
    is_port = port.isascii() and port.isdigit() and len(port) <= 5 and 0 < int(port) <= 65_535
    bare = host[1:-1] if host.startswith("[") and host.endswith("]") else host
    if not colon or not bare or not is_port or (":" in bare and bare == host):
        raise SettingsError(
            f"relay_listen ({origin}) must be HOST:PORT, like 0.0.0.0:8470, not {listen[:60]!r}"
        )
    return bare, int(port)


def _is_relay(url: str) -> bool:
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return False
    is_plain = parts.path in ("", "/") and not (parts.query or parts.fragment or parts.username)
    return parts.scheme == "http" and bool(parts.hostname) and port != 0 and is_plain


def _is_reader(spec: str) -> bool:
    kind, _, rest = spec.partition(":")
    return spec in ("pcsc", "virtual") or (kind in READER_KINDS and bool(rest))
