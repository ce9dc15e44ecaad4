"""A band in the field, as a reader sees it: a claim, never proof."""

from dataclasses import dataclass
from enum import Enum


class Technology(Enum):
    """How the band spoke when it entered the field."""

    ISO_DEP = "iso_dep"  # ISO 14443-4: DESFire, NTAG 424
    TYPE_2 = "type_2"  # ISO 14443-3 with READ/WRITE: Ultralight, NTAG 21x
    FELICA = "felica"
    OTHER = "other"


@dataclass(frozen=True, slots=True)
class Target:
    """A band in the field, as the reader sees it.

    Attributes:
        technology: How the band spoke.
        uid: 4, 7 or 10 bytes, or 4 random ones starting 08; the IDm of FeliCa, 8 bytes; a claim, never proof.
        answer: ATR (PC/SC), ATS (ISO 14443-4) or PMm (FeliCa) as the reader gave it; empty when there is none.
        generation: Counts activations; a connection to an older one is dead.
        sak: SAK of ISO 14443-3 where the reader tells it, else None.
    """

    technology: Technology
    uid: bytes
    answer: bytes
    generation: int
    sak: int | None = None

    def __repr__(self) -> str:
        return (
            f"Target({self.technology.value}, uid=<{len(self.uid)} bytes>, "
            f"answer={self.answer.hex()}, #{self.generation})"
        )
