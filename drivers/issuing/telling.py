"""What a band with our keys says of itself: in lines for a person, in fields for a program."""

from dataclasses import dataclass
from typing import Final

from drivers.issuing.carried import Carried

Lines = tuple[tuple[str, str], ...]

COUNTS: Final = ("uses", "uses_remembered", "readings")
"""What a chip may count, by the names of the fields."""


@dataclass(frozen=True, slots=True)
class Told:
    """What a band said.

    Attributes:
        chip: Which chip, in words.
        band: Its id, 32 hex digits; "" for none.
        has_random_uid: It shows strangers another UID each time.
        capsule: What is said of its capsule; None where it was not read.
        counts: What the chip counts, out of `COUNTS`; None for what it does not count though it could.
    """

    chip: str
    band: str
    has_random_uid: bool
    capsule: Carried | None = None
    counts: tuple[tuple[str, int | None], ...] = ()

    def lines(self) -> Lines:
        """Name by name, in words."""
        capsule = () if self.capsule is None else (("capsule", self.capsule.words),)
        counts = tuple(
            (name.replace("_", " "), "not counted" if count is None else str(count))
            for name, count in self.counts
        )
        return (
            ("chip", self.chip),
            ("band", self.band or "none"),
            ("random UID", "yes" if self.has_random_uid else "no"),
            *capsule,
            *counts,
        )

    def fields(self) -> dict[str, object]:
        """The same for a program; null for what was not said."""
        counts = dict(self.counts)
        return {
            "chip": self.chip,
            "band": self.band or None,
            "random_uid": self.has_random_uid,
            "capsule": None if self.capsule is None else self.capsule.fields(),
            **{name: counts.get(name) for name in COUNTS},
        }
