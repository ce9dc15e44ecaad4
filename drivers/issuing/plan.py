"""What every band of a shop gets, as a TOML file a person writes and reads.

    layout = 1                    the page both ends of the air agree on; its AID, files and key slots are in `credential.layout`
    chip = "desfire"              desfire | ntag424 | ultralight_aes
    generation_min = 2            DESFire: 1, 2 or 3
    signature = "where_it_exists" or "required": chips whose maker never signed are then refused as well
    random_uid = true             show a random UID to strangers. Cannot be taken back, but on an Ultralight AES
    link = ""                     NTAG 424: the https address its message for telephones is put into; "" for none
    factory_key = "des"           DESFire: kind of the key of zeros it is delivered with, des | aes
    label = "Band {number}"       what people call a band; {number} counts, {code} is the code printed on it

    [practice]                    with this table it is a plan to practise with, on chips no maker made
    maker_keys = ["04..."]        the public keys that sign those chips; 1 to 8

A plan to practise with believes these keys and no maker's, so that no chip of a maker is ever spoilt by it; and it asks every chip for its
signature. Labels, reports and journals of it say PRACTICE. A plan without that table believes the makers alone.

Unknown names and wrong values are errors before anything is touched. No secret key ever stands here.
"""

import hashlib
import re
import tomllib
from dataclasses import dataclass
from enum import Enum
from typing import Final, TypeVar

from drivers.credential import layout
from drivers.credential.originality import KEYS, is_public_key
from drivers.issuing.errors import PlanMalformed

SIZE_MAX: Final = 16_384
"""Bytes of a plan; a person wrote it."""

LABEL_SIZE_MAX: Final = 60
"""Characters of a label; it must fit a clerk's line."""

PRACTICE: Final = "PRACTICE"
"""What every label, report and journal of a run says that was only for practice."""

PRACTICE_KEYS_MAX: Final = 8
"""One for each kind of chip that somebody imitates."""

_Choice = TypeVar("_Choice", bound=Enum)
_FIELD: Final = re.compile(r"\{([^{}]*)\}")
_LINK: Final = re.compile(r"https://[A-Za-z0-9./_~:-]{1,112}")


class Chip(Enum):
    """The chips that can be issued."""

    DESFIRE = "desfire"
    NTAG424 = "ntag424"
    ULTRALIGHT_AES = "ultralight_aes"


class Signature(Enum):
    """Which signature of the maker a chip must carry. A wrong one is refused in any case."""

    WHERE_IT_EXISTS = "where_it_exists"
    REQUIRED = "required"


class FactoryKey(Enum):
    """Of what kind the chip's own key is as delivered; its value is zeros."""

    DES = "des"
    AES = "aes"


@dataclass(frozen=True, slots=True)
class Plan:
    """One plan.

    Attributes:
        chip: Which chip the bands have.
        generation_min: Oldest DESFire that is taken; 1 to 3.
        signature: What is asked of the maker's signature.
        has_random_uid: Strangers see another UID each time.
        factory_key: Kind of the key the chip is delivered with.
        label: What people call a band, with {number} or {code}.
        link: The address an NTAG 424 puts its SUN message into; "" for none.
        practice_keys: Public keys that sign chips to practise with; none for a plan that is meant.
    """

    chip: Chip = Chip.DESFIRE
    generation_min: int = 2
    signature: Signature = Signature.WHERE_IT_EXISTS
    has_random_uid: bool = True
    factory_key: FactoryKey = FactoryKey.DES
    label: str = "Band {number}"
    link: str = ""
    practice_keys: tuple[bytes, ...] = ()

    @property
    def is_practice(self) -> bool:
        """Is it only for practice?"""
        return bool(self.practice_keys)

    @property
    def digest(self) -> str:
        """Names this plan in a journal: the first 16 hex digits of SHA-256 over its values."""
        values = "\n".join(
            (
                f"layout {layout.AID.hex()}",
                self.chip.value,
                str(self.generation_min),
                self.signature.value,
                str(self.has_random_uid),
                self.factory_key.value,
                self.label,
                *((self.link,) if self.link else ()),
                *(f"practice {key.hex()}" for key in self.practice_keys),
            )
        )
        return hashlib.sha256(values.encode()).hexdigest()[:16]

    def label_of(self, *, number: int, code: str) -> str:
        """What people call the band with this number and code."""
        return self.label.replace("{number}", str(number)).replace("{code}", code)

    def marked(self, words: str) -> str:
        """The words as they stand on a label or in a report of this plan."""
        return f"{PRACTICE} {words}".rstrip() if self.is_practice else words


LAYOUT: Final = 1
"""The layout this version writes: the last byte of its AID."""

EXAMPLE: Final = """\
# A plan for bands: what each one gets. Nothing here is secret; keys come from the station's key source.
layout = 1
chip = "desfire"                 # desfire | ntag424 | ultralight_aes
generation_min = 2               # 1, 2 or 3; older chips prove less
signature = "where_it_exists"    # or "required": then a chip its maker never signed is refused too
random_uid = true                # strangers see another UID each time; cannot be taken back
factory_key = "des"              # des | aes: kind of the key of zeros the chips are delivered with
label = "Band {number}"          # {number} counts; {code} is the code on the printed label
link = ""                        # ntag424: https address a telephone opens, with a fresh signed message behind it
# To practise first, without real chips: tapthread band plan --practice
"""
"""A plan with every name in it."""

_NAMES: Final = (
    "layout", "chip", "generation_min", "signature", "random_uid", "factory_key", "label", "link",
    "practice",
)  # fmt: skip


def example(chip: Chip) -> str:
    """`EXAMPLE` for one kind of chip."""
    here, there = f'chip = "{Chip.DESFIRE.value}"', f'chip = "{chip.value}"'
    return EXAMPLE.replace(here.ljust(len(there)), there.ljust(len(here)))


def practice_example(chip: Chip, maker_key: bytes) -> str:
    """A plan to practise with on chips of one kind, as TOML."""
    return f"""\
# A plan to PRACTISE with: it believes the key below and no maker's, so no real chip is issued by it,
# and its station draws keys of its own, which no kiosk has. Everything it makes says {PRACTICE}.
layout = {LAYOUT}
chip = "{chip.value}"
label = "Band {{number}}"

[practice]
maker_keys = ["{maker_key.hex()}"]
"""


def plan_of(content: bytes) -> Plan:
    """The plan a TOML file says. Raises PlanMalformed for anything it cannot follow to the letter."""
    if len(content) > SIZE_MAX:
        raise PlanMalformed(f"the plan is larger than {SIZE_MAX} bytes")
    try:
        found = tomllib.loads(content.decode("utf-8"))
    except (UnicodeDecodeError, tomllib.TOMLDecodeError, RecursionError) as error:
        raise PlanMalformed(f"the plan is not TOML: {error}") from error
    for name in found:
        if name not in _NAMES:
            raise PlanMalformed(f"the plan has no {name!r}; there are {', '.join(_NAMES)}")
    _check_layout(found)
    if str(found.get("chip", "")).startswith("ntag21"):
        raise PlanMalformed(
            "an NTAG 21x is not issued: it has no key of its own, and a kiosk knows it by a number anybody can copy"
        )
    practice_keys = _practice(found)
    signature = _choice(found, "signature", Signature.WHERE_IT_EXISTS)
    plan = Plan(
        chip=_choice(found, "chip", Chip.DESFIRE),
        generation_min=_generation(found.get("generation_min", 2)),
        # Chips without a signature are somebody's, and real: practice leaves them alone.
        signature=Signature.REQUIRED if practice_keys else signature,
        has_random_uid=_flag(found.get("random_uid", True)),
        factory_key=_choice(found, "factory_key", FactoryKey.DES),
        label=_label(found.get("label", "Band {number}")),
        link=_link(found.get("link", "")),
        practice_keys=practice_keys,
    )
    if plan.link and plan.chip is not Chip.NTAG424:
        raise PlanMalformed("only an NTAG 424 has a link")
    return plan


def _practice(found: dict[str, object]) -> tuple[bytes, ...]:
    """The keys of a plan to practise with; none where it has no such table."""
    if "practice" not in found:
        return ()
    table = found["practice"]
    if not isinstance(table, dict) or set(table) != {"maker_keys"}:
        raise PlanMalformed("practice is a table with maker_keys and nothing else")
    texts = table["maker_keys"]
    if not isinstance(texts, list) or not 1 <= len(texts) <= PRACTICE_KEYS_MAX:
        raise PlanMalformed(f"maker_keys is a list of 1 to {PRACTICE_KEYS_MAX} public keys")
    return tuple(_public_key(text) for text in texts)


def _public_key(text: object) -> bytes:
    try:
        key = bytes.fromhex(text) if isinstance(text, str) else b""
    except ValueError:
        key = b""
    if not is_public_key(key):
        raise PlanMalformed("maker_keys holds what is no public key: 04, x and y in hex")
    if key in KEYS.values():
        raise PlanMalformed(
            "maker_keys holds a maker's own key: nobody practises on real chips"
        )
    return key


def _check_layout(found: dict[str, object]) -> None:
    if found.get("layout") != LAYOUT or isinstance(found["layout"], bool):
        raise PlanMalformed(f"layout must be {LAYOUT}: it is the one this version writes")


def _choice(found: dict[str, object], name: str, default: _Choice) -> _Choice:
    value = found.get(name, default.value)
    for each in type(default):
        if each.value == value:
            return each
    allowed = ", ".join(str(each.value) for each in type(default))
    raise PlanMalformed(f"{name} must be one of {allowed}")


def _generation(value: object) -> int:
    if isinstance(value, bool) or value not in (1, 2, 3):
        raise PlanMalformed("generation_min must be 1, 2 or 3")
    assert isinstance(value, int)
    return value


def _flag(value: object) -> bool:
    if not isinstance(value, bool):
        raise PlanMalformed("random_uid must be true or false")
    return value


def _link(value: object) -> str:
    if not isinstance(value, str) or (value and not _LINK.fullmatch(value)):
        raise PlanMalformed(
            "link must be an https address of at most 120 letters, without parameters"
        )
    return value


def _label(value: object) -> str:
    if not isinstance(value, str) or not 0 < len(value) <= LABEL_SIZE_MAX:
        raise PlanMalformed(f"label must be text of at most {LABEL_SIZE_MAX} characters")
    if not value.isprintable():
        raise PlanMalformed("label must be one printable line")
    rest = _FIELD.sub("", value)
    if "{" in rest or "}" in rest or set(_FIELD.findall(value)) - {"number", "code"}:
        raise PlanMalformed("label knows {number} and {code} only")
    return value
