"""`brand.toml` in the centre's folder: how the shop is called, where it is, and signs what it writes. All of it may be left out.

name = "Tidemark"
country = "DE"                # how national telephone numbers are read; without it as the channels say
zone = "Europe/Berlin"        # whose time the agents' pages tell; without it this machine's
home = "harbour"              # store from whose shelf the web shop sells; without it web and shelf are not compared by count
least_program = "0.2.0"       # devices with an older program are told to update, and refused from then on:
least_program_from = 2027-01-31    # in that zone, or UTC; without it at once
sign_off = \"\"\"
Your Tidemark team
tidemark.example\"\"\"
"""

import re
import tomllib
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time
from pathlib import Path
from typing import Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from hardware.moments import micros_of
from sync.model.errors import StoreError
from sync.model.versions import is_version

FILE: Final = "brand.toml"
TEXT_MAX: Final = 500
"""Characters of each: a few lines under a mail."""


@dataclass(frozen=True, slots=True)
class Brand:
    """What the shop says of itself; "" for nothing.

    Attributes:
        country: ISO 3166 code.
        zone: Name in the IANA database of time zones.
        home: Id of the store from whose shelf the web shop sells.
        least_program: The oldest program of a device that is answered.
        least_from: From when on, microseconds since 1970.
    """

    name: str = ""
    sign_off: str = ""
    country: str = ""
    zone: str = ""
    home: str = ""
    least_program: str = ""
    least_from: int = 0


_COUNTRY: Final = re.compile(r"[A-Z]{2}")

NO_BRAND: Final = Brand()


def read_brand(folder: Path) -> Brand:
    """The brand of a centre; nothing where there is no file. Raises StoreError for one that cannot be read."""
    path = folder / FILE
    try:
        told = tomllib.loads(path.read_text("utf-8"))
    except FileNotFoundError:
        return Brand()
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise StoreError(f"{path} does not parse: {error}") from error
    name, sign_off, country, zone, home, least = (
        _text(told, field, path)
        for field in ("name", "sign_off", "country", "zone", "home", "least_program")
    )
    brand = Brand(name, sign_off, country, zone, home, least)
    if least and not is_version(least):
        raise StoreError(f'{path}: least_program is a version, as "0.2.0"')
    if brand.country and not _COUNTRY.fullmatch(brand.country):
        raise StoreError(f'{path}: country is two letters, as "DE"')
    if zone_of(brand) is None and brand.zone:
        raise StoreError(
            f'{path}: there is no time zone {brand.zone!r}; one is "Europe/Berlin"'
        )
    return replace(brand, least_from=_moment(told, "least_program_from", brand, path))


def zone_of(brand: Brand) -> ZoneInfo | None:
    """The time zone of a brand; None where it names none there is."""
    try:
        return ZoneInfo(brand.zone) if brand.zone else None
    except (ValueError, OSError, ZoneInfoNotFoundError):
        return None


def _moment(told: dict[str, object], name: str, brand: Brand, path: Path) -> int:
    """The beginning of a day, or a moment; 0 where there is none."""
    value = told.get(name)
    if value is None:
        return 0
    if not isinstance(value, date):
        raise StoreError(f"{path}: {name} is a day, as 2027-01-31, without quotes")
    moment = value if isinstance(value, datetime) else datetime.combine(value, time())
    return micros_of(moment if moment.tzinfo else moment.replace(tzinfo=zone_of(brand) or UTC))


def _text(told: dict[str, object], name: str, path: Path) -> str:
    value = told.get(name, "")
    if (
        not isinstance(value, str)
        or len(value) > TEXT_MAX
        or not value.replace("\n", " ").isprintable()
    ):
        raise StoreError(f"{path}: {name} is a text of at most {TEXT_MAX} characters")
    return value.strip()
