"""`brand.toml` in the centre's folder: how the shop is called and signs what it writes. All of it may be left out.

name = "Tidemark"
sign_off = \"\"\"
Your Tidemark team
tidemark.example\"\"\"
"""

import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from sync.model.errors import StoreError

FILE: Final = "brand.toml"
TEXT_MAX: Final = 500
"""Characters of each: a few lines under a mail."""


@dataclass(frozen=True, slots=True)
class Brand:
    """What the shop says of itself; "" for nothing."""

    name: str = ""
    sign_off: str = ""


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
    return Brand(_text(told, "name", path), _text(told, "sign_off", path))


def _text(told: dict[str, object], name: str, path: Path) -> str:
    value = told.get(name, "")
    if (
        not isinstance(value, str)
        or len(value) > TEXT_MAX
        or not value.replace("\n", " ").isprintable()
    ):
        raise StoreError(f"{path}: {name} is a text of at most {TEXT_MAX} characters")
    return value.strip()
