"""A sentence before it has a language: which one, and the values in it."""

from dataclasses import dataclass
from enum import Enum


class DayForm(Enum):
    """How a moment is said."""

    DAY = "day"  # "Tuesday", "today", "3 May"
    ON_DAY = "on_day"  # "on Tuesday", "today", "on 3 May"
    WHEN = "when"  # "Friday, 17:00"; today: "17:00"
    SHORT = "short"  # "14:02" today, else "Tue" or "3 May"
    UNTIL = "until"  # "Thursday"; where it ends on a full hour: "Thursday, 17:00"


@dataclass(frozen=True, slots=True)
class Moment:
    """A time to be said to a person; microseconds since 1970."""

    at: int
    form: DayForm = DayForm.DAY


@dataclass(frozen=True, slots=True)
class Money:
    """An amount in integer minor units."""

    amount_minor: int
    currency: str


@dataclass(frozen=True, slots=True)
class Word:
    """Another sentence of the catalogue, as a part of this one: the name of a channel."""

    id: str


@dataclass(frozen=True, slots=True)
class Saying:
    """One sentence by its id, with its values by name."""

    id: str
    values: "tuple[tuple[str, Value], ...]" = ()


Value = str | int | Moment | Money | Word | Saying
"""What may stand in a sentence, another one as well; a str is foreign text that `foreign.safe` has already seen."""


def say(sentence_id: str, /, **values: Value) -> Saying:
    """The sentence of that id with these values."""
    return Saying(sentence_id, tuple(values.items()))
