"""Keys as a terminal sends them, each waited for once; Textual's own `pilot.press` waits three times as long."""

import unicodedata
from typing import Any

from textual import events
from textual.pilot import Pilot

CHARACTERS = {
    "space": " ", "full_stop": ".", "at": "@", "minus": "-", "plus": "+", "comma": ",",
}  # fmt: skip
_NAMES = {character: name for name, character in CHARACTERS.items()}


async def press(pilot: Pilot[Any], *keys: str) -> None:
    """Press keys by their Textual names, and let each do its work."""
    driver = pilot.app._driver
    assert driver is not None
    for key in keys:
        last = key.rpartition("+")[2]
        character = CHARACTERS.get(last) or (last if len(last) == 1 else None)
        event = events.Key(key, character)
        event.set_sender(pilot.app)
        driver.send_message(event)
        await pilot.pause()


def names_of(text: str) -> tuple[str, ...]:
    """The keys that type this text."""
    assert not any(unicodedata.category(letter).startswith("C") for letter in text)
    return tuple(_NAMES.get(letter, letter) for letter in text)
