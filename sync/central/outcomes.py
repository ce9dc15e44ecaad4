"""What an event is kept under, what became of it in words, and when it is tried again. Pure."""

import hashlib
from collections.abc import Sequence
from typing import Final

import msgspec

from sync.central.channels.adapter import Event
from sync.central.channels.facts import AnyFact
from sync.central.events import DONE, IGNORED

ID_MAX: Final = 200
"""Characters of another system's id of an event; of a longer one its digest counts."""

AGAIN_US: Final = (60, 300, 1_800, 7_200, 21_600)
"""Seconds after which an event that waits is tried again, by how often it was."""


def event_id(event: Event) -> str:
    """The id an event is kept under: the vendor's, or a digest where that is none."""
    if event.id and len(event.id) <= ID_MAX and "\0" not in event.id and event.id.isprintable():
        return event.id
    told = event.id.encode("utf-8", "replace") or msgspec.json.encode(
        (event.type, event.at, event.body)
    )
    return f"digest-{hashlib.sha256(told).hexdigest()[:40]}"


def outcome(facts: Sequence[AnyFact], *, older: Sequence[str], n_news: int) -> tuple[str, str]:
    """The state of an event that was taken, and why it changed nothing where it did not.

    Args:
        facts: What it says.
        older: Of what something newer was known.
        n_news: How much of it was news.
    """
    if not facts:
        return IGNORED, "it concerns nobody"
    why = f"older than what is known: {', '.join(dict.fromkeys(older))}" if older else ""
    return (IGNORED if older and not n_news else DONE), why


def pause_us(n_tries: int) -> int:
    """How long an event waits that was tried so often, microseconds."""
    return AGAIN_US[min(n_tries, len(AGAIN_US) - 1)] * 1_000_000
