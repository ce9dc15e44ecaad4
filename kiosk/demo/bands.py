"""The bands people wear in the demo: which chip, whose, and what a tap of it shows.

The bytes follow from each band's name, so every process that takes part in the demo knows the same bands without asking.
"""

from dataclasses import dataclass, field
from typing import Final

from drivers.credential.layout import band_id_of_reference, band_id_of_uid
from hardware.entropy import SeededEntropy

DEMO_TEST_MASTER_KEY: Final = bytes.fromhex("7465737420206D61737465722020206B")
"""Test key, for the demo alone: what the demo's band keys are diversified from. Public, protects nothing, never in a shop."""

DEMO_TEST_GROUP_KEY: Final = bytes.fromhex("74657374202067726F7570202020206B")
"""Test key, for the demo alone: the demo's `K_uid`. Public, protects nothing, never in a shop."""

DEMO_TEST_CAPSULE_KEY: Final = b"test capsule key of the demo    "
"""Test key, for the demo alone: what its capsules are signed with. Public, protects nothing, never in a shop."""

CARRYING: Final = ("visitor",)
"""Bands that carry a capsule from the start; the others get theirs at their first tap online."""

CHIPS: Final = ("desfire_ev2", "desfire_ev2_random", "desfire_ev1", "uid_only", "classic")
"""The chips a demo band can have; `desfire_ev2_random` shows a random UID until it is asked with the group key."""

ENCODED_CHIPS: Final = ("desfire_ev2", "desfire_ev2_random", "desfire_ev1")
"""The chips that carry a band reference of ours."""


@dataclass(frozen=True, slots=True)
class DemoBand:
    """One band of the demo.

    Attributes:
        name: What `tapthread virtual` and its standard input call it.
        digit: The key that taps it in the demo, "0" to "9"; "" for a band without a key.
        chip: One of CHIPS.
        uid: The true UID: 7 bytes from 04 for a band, 4 bytes for an old card or a phone.
        reference: The 16-byte band reference on the chip; empty for a chip that carries none of ours.
        customer: Customer id the centre links it to; "" for a band linked to nobody.
        note: What a tap of it is there to show, one line.
    """

    name: str
    digit: str
    chip: str
    uid: bytes = field(repr=False)
    reference: bytes = field(repr=False)
    customer: str
    note: str


_BANDS: Final[tuple[tuple[str, str, str, str, str], ...]] = (
    ("maya", "1", "desfire_ev2", "maya", "exchange a shirt, nothing asked"),
    ("tom", "2", "desfire_ev2_random", "tom", "a promise of ours is overdue"),
    ("lena", "3", "desfire_ev2", "lena", "a parcel waits on shelf C7"),
    ("jonas", "4", "desfire_ev2_random", "jonas", "web and shelf differ"),
    ("priya", "5", "desfire_ev2", "priya", "a message nobody answered"),
    ("sam", "6", "desfire_ev2", "sam", "a family: the adult"),
    ("ama", "7", "desfire_ev2", "ama", "a family: the elder child"),
    ("kofi", "8", "desfire_ev2_random", "kofi", "a family: the younger child"),
    (
        "ruth",
        "9",
        "desfire_ev2",
        "ruth",
        "her earlier band is lost and blocked; this one works",
    ),
    ("nobody", "0", "desfire_ev2", "", "encoded by us, but the centre never heard of it"),
    ("spare", "", "desfire_ev2_random", "", "sealed and encoded, not linked yet"),
    ("blocked", "", "desfire_ev2", "ruth", "Ruth's earlier band: reported lost, blocked"),
    ("oldband", "", "desfire_ev1", "walter", "an EV1 chip: proves less than an EV2"),
    ("festival", "", "uid_only", "nadia", "linked by its UID alone, which anybody can copy"),
    (
        "visitor",
        "",
        "desfire_ev2",
        "daniel",
        "a customer of another store: named by her band, then proved through the centre",
    ),
    ("copied", "", "uid_only", "", "Maya's UID on another chip: shows nothing of hers"),
    ("classic", "", "classic", "", "an old card of somebody else"),
    ("phone", "", "uid_only", "", "a telephone held to the reader"),
)
"""One row is one band: name, digit, chip, customer, note."""

_COPIES: Final = {"copied": "maya"}
"""Whose UID a copied band carries."""

_SHORT_UID: Final = {"classic": 0x5C, "phone": 0x08}
"""Bands with a 4-byte UID, and its first byte. Source: ISO/IEC 14443-3, 6.5.4: 08 announces a random one."""


def demo_bands() -> tuple[DemoBand, ...]:
    """All bands of the demo, those with a key first, a DESFire EV2 of a person first of all."""
    return tuple(
        DemoBand(
            name=name,
            digit=digit,
            chip=chip,
            uid=_uid_of(name),
            reference=_bytes_of("reference", name, 16) if chip in ENCODED_CHIPS else b"",
            customer=customer,
            note=note,
        )
        for name, digit, chip, customer, note in _BANDS
    )


def demo_band(name: str) -> DemoBand:
    """The band of that name. Raises KeyError for a name that is not in the demo."""
    found = {band.name: band for band in demo_bands()}
    return found[name]


def band_id_of(band: DemoBand) -> str:
    """The id of its record: of its reference, or of its UID for a chip that carries no reference."""
    if band.reference:
        return band_id_of_reference(band.reference)
    return band_id_of_uid(DEMO_TEST_GROUP_KEY, band.uid)


def _bytes_of(purpose: str, name: str, size: int) -> bytes:
    return SeededEntropy(f"tapthread demo band {purpose} {name}").draw(size)


def _uid_of(name: str) -> bytes:
    """A UID that a real chip could have.

    Source: ISO/IEC 14443-3, 6.5.4: a double-size UID begins with the manufacturer (NXP is 04), and 88, the cascade
    tag, may not stand where its second part begins.
    """
    if name in _COPIES:
        return _uid_of(_COPIES[name])
    raw = bytearray(_bytes_of("uid", name, 7))
    if name in _SHORT_UID:
        return bytes((_SHORT_UID[name], *raw[1:4]))
    raw[0] = 0x04
    if raw[3] == 0x88:
        raw[3] = 0x89
    return bytes(raw)
