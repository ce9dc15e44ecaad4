"""A sentence before it has a language: which one, and the values in it."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Saying:
    """One sentence by its id."""

    id: str
