"""`brand.toml` in the centre's folder: how the shop is called, where it is, and signs what it writes. All of it may be left out.

name = "Tidemark"
country = "DE"                # how national telephone numbers are read; without it as the channels say
zone = "Europe/Berlin"        # whose time the agents' pages tell; without it this machine's
home = "harbour"              # store from whose shelf the web shop sells; without it web and shelf are not compared by count
sign_off = \"\"\"
Your Tidemark team
tidemark.example\"\"\"
"""

import re
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from sync.model.errors import StoreError

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
    """

    name: str = ""
    sign_off: str = ""
    country: str = ""
    zone: str = ""
    home: str = ""


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
    brand = Brand(
        *(_text(told, name, path) for name in ("name", "sign_off", "country", "zone", "home"))
    )
    if brand.country and not _COUNTRY.fullmatch(brand.country):
        raise StoreError(f'{path}: country is two letters, as "DE"')
    if zone_of(brand) is None and brand.zone:
        raise StoreError(
            f'{path}: there is no time zone {brand.zone!r}; one is "Europe/Berlin"'
        )
    return brand


def zone_of(brand: Brand) -> ZoneInfo | None:
    """The time zone of a brand; None where it names none there is."""
    try:
        return ZoneInfo(brand.zone) if brand.zone else None
    except (ValueError, OSError, ZoneInfoNotFoundError):
        return None


def _text(told: dict[str, object], name: str, path: Path) -> str:
    value = told.get(name, "")
    if (
        not isinstance(value, str)
        or len(value) > TEXT_MAX
        or not value.replace("\n", " ").isprintable()
    ):
        raise StoreError(f"{path}: {name} is a text of at most {TEXT_MAX} characters")
    return value.strip()
