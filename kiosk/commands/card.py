"""`tapthread card CUSTOMER`: the hand-over card of a customer from this device's own files, as a slip or as a screen.

The slip has no line for staff only: paper is left lying about. `--screen` shows what a counter shows, all of it that fits.
Ends with 3 where this device holds nothing of that customer, 6 where its files do not open.
"""

import json
from typing import Annotated, Final

import typer

from kiosk import settings
from kiosk.commands.options import Data
from kiosk.commands.own_files import OwnFiles, fail
from sync.model.profile import Profile
from sync.model.records import Pickup, Referral, key_of

EXIT_UNKNOWN: Final = 3

WIDTH_MIN: Final = 24


def run(
    customer: Annotated[str, typer.Argument(help="Id of the customer.")],
    data: Data = None,
    width: Annotated[
        int, typer.Option("--width", min=WIDTH_MIN, max=200, help="Characters in a line.")
    ] = 42,
    screen: Annotated[
        bool, typer.Option("--screen", help="As a screen of 53 x 17 shows it, for staff.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Print the hand-over card of a customer."""
    from hardware.moments import micros_of
    from kiosk.assembly import local_zone, real_world
    from sync.edge.lookup import Lookup
    from sync.model.card import card_lines, card_of, card_slip

    world = real_world()
    with OwnFiles(settings.load(data=data), world=world, as_json=as_json) as device:
        lookup = Lookup(device.store)
        profile = lookup.profile(customer)
        named = [row for key in _stores_in(profile) if (row := lookup.row(key)) is not None]
    if not profile.rows:
        message = f"This device holds nothing of {customer[:60]!r}."
        fail("unknown", message, exit_code=EXIT_UNKNOWN, as_json=as_json)
    profile = Profile(customer, (*profile.rows, *named))
    card = card_of(profile, now=micros_of(world.clock.now()), zone=local_zone(world.clock))
    if as_json:
        lines = [{"part": it.part, "text": it.text, "keys": it.keys} for it in card.lines]
        print(json.dumps({"customer": customer, "as_of": card.as_of, "lines": lines}))
    else:
        print(
            "\n".join(card_lines(card)) if screen else card_slip(card, width), end="\n" * screen
        )


def _stores_in(profile: Profile) -> tuple[str, ...]:
    """Keys of the stores the card will name."""
    stores = [it.store for _, it in profile.of(Pickup)]
    stores += [it.store for _, it in profile.of(Referral)]
    return tuple(key_of("store", store) for store in dict.fromkeys(stores))
