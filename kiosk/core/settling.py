"""What staff can do about something that is not settled: try it again, change it and try again, or nothing more; pure.

Of each kind at most one thing can be changed at a counter: a number or a few words that somebody got wrong. The rest is
done anew. Nothing leaves the list by itself: a held one stays until the centre has heard of what was decided.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

import msgspec

from kiosk.core.counter import unsettled_entry
from kiosk.core.entries import Entry, Telling
from kiosk.core.ports import Unsettled
from sync.model.operation import OperationState
from sync.model.profile import Profile

CHANGEABLE: Final[Mapping[str, str]] = {
    "redeem": "amount",
    "correct_stock": "count",
    "note_case": "text",
    "record_interaction": "text",
    "hand_over_pickup": "to",
    "open_case": "topic",
    "link_band": "label",
}
"""By kind: the argument that can be changed at a counter."""

DIGITS_MAX: Final = 9

REASON_LENGTH_MAX: Final = 200
"""Characters of a reason: a line or two of the smallest terminal."""


@dataclass(frozen=True, slots=True)
class Settling:
    """The question about one of them.

    Attributes:
        op: Its id.
        title: Whose it is and what, safe to show.
        text: Why it is not settled, in words.
        can_try: Whether this version can read it, so that it can be tried again.
        label: What the thing that can be changed is called, "" when there is none.
        value: What it says now.
    """

    op: str
    title: str
    text: str
    can_try: bool
    label: str = ""
    value: str = ""


@dataclass(frozen=True, slots=True)
class Settled:
    """What somebody decided: try again with `value`, or nothing more; and why."""

    is_void: bool
    reason: str
    value: str = ""


def is_for_a_person(unsettled: Unsettled) -> bool:
    """Whether somebody here has to decide about it."""
    waits = unsettled.state in (OperationState.REFUSED, OperationState.HELD)
    return waits and not unsettled.is_settling


def in_order(found: Iterable[Unsettled]) -> tuple[Unsettled, ...]:
    """What waits for a person first, each in the order it was recorded."""
    return tuple(sorted(found, key=lambda one: not is_for_a_person(one)))


def entries_of(found: Iterable[tuple[Unsettled, Profile]], tell: Telling) -> tuple[Entry, ...]:
    """The lines of the list; what waits for a person has a digit that opens its question."""
    entries = []
    for index, (one, profile) in enumerate(found, start=1):
        has_digit = index <= DIGITS_MAX and is_for_a_person(one)
        entries.append(
            unsettled_entry(one, profile, tell, digit=str(index) if has_digit else "")
        )
    return tuple(entries)


def settling_of(
    unsettled: Unsettled, profile: Profile, args: msgspec.Struct | None, tell: Telling
) -> Settling:
    """The question about one of them.

    Args:
        unsettled: It.
        profile: What this device holds of its customer; empty when it is about nobody.
        args: What it was recorded with; None when this version cannot read it.
        tell: What lines are made with.
    """
    entry = unsettled_entry(unsettled, profile, tell)
    field = CHANGEABLE.get(unsettled.kind, "")
    is_changeable = bool(field) and args is not None
    value = getattr(args, field, "") if is_changeable else ""
    return Settling(
        op=unsettled.op,
        title=entry.lead,
        text=entry.text,
        can_try=args is not None,
        label=tell.words.say(f"settle.change.{field}") if is_changeable else "",
        value="" if value is None else str(value),
    )


def changed(kind: str, args: msgspec.Struct, value: str) -> msgspec.Struct | None:
    """The arguments with this value where one can be changed; None when it cannot be that."""
    field = CHANGEABLE[kind]
    said: dict[str, object] = msgspec.to_builtins(args)
    number = isinstance(getattr(args, field), int) or kind == "correct_stock"
    if number and not value.strip().isdecimal():
        return None
    try:
        return msgspec.convert(
            said | {field: int(value) if number else value.strip()}, type(args), strict=True
        )
    except msgspec.ValidationError:
        return None
