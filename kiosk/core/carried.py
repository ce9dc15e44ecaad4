"""What a band says of its wearer, checked: a value, for a page where this device has nothing of its own.

It is worth A1 and no more: whoever can imitate the chip carries it too. So the customer's page says a name, that something
waits and that we owe an answer; the facts are for staff, and for them only once they have seen an identity document.
"""

from dataclasses import dataclass, field
from typing import Final

from sync.model.thread_parts import Part

CARRIED: Final = "carried"
"""The reason staff are given when a page is made of nothing but this."""


@dataclass(frozen=True, slots=True)
class Carried:
    """The words of a capsule that holds. Its `repr` shows none of them.

    Attributes:
        issued_at: When the centre knew this, microseconds since 1970.
        name: What they are called on a public screen, "" when not said.
        language: BCP 47, "" when not said.
        is_waiting: Something waits for them in some shop.
        is_owed: We owe them an answer.
        parts: Facts of their thread, for staff, the most pressing first.
        line: The same as one line, from bands that carry words of before.
    """

    issued_at: int
    name: str = field(default="", repr=False)
    language: str = field(default="", repr=False)
    is_waiting: bool = False
    is_owed: bool = False
    parts: tuple[Part, ...] = field(default=(), repr=False)
    line: str = field(default="", repr=False)
