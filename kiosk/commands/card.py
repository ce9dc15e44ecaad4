"""`tapthread card WHO`: the hand-over card of a customer from this device's own files, as a slip or as a screen; also while it runs.

WHO is an id, or what a counter finds somebody by: a name, a telephone number, an e-mail address, an order number. Where
several fit, or one whose name is only like it, they are listed with their ids. The slip has no line for staff only: paper is left lying about. `--screen` shows what a counter shows, all of it that fits.
Ends with 3 where this device holds nothing of that customer or several fit, 6 where its files do not open.
"""

import json
import logging
import sys
from typing import TYPE_CHECKING, Annotated, Final, NoReturn

import typer

from kiosk import settings
from kiosk.commands.options import Data
from kiosk.commands.own_files import fail, files_to_read
from sync.model.card import plain
from sync.model.contacts import name_term
from sync.model.errors import StoreError
from sync.model.profile import Profile
from sync.model.records import Pickup, Referral, key_of

if TYPE_CHECKING:
    from sync.edge.find import Hit
    from sync.edge.store import EdgeStore

log = logging.getLogger(__name__)

EXIT_UNKNOWN: Final = 3

CANDIDATES_MAX: Final = 20

WIDTH_MIN: Final = 24


def run(
    customer: Annotated[
        str,
        typer.Argument(
            help="Id, name, telephone number, e-mail address or order number of the customer."
        ),
    ],
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
    from kiosk.assembly.device import local_zone, real_world
    from sync.edge.lookup import Lookup
    from sync.model.card import card_lines, card_of, card_slip

    world = real_world()
    with files_to_read(settings.load(data=data), world=world, as_json=as_json) as store:
        lookup = Lookup(store)
        profile = lookup.profile(customer)
        hits = () if profile.rows else _found(store, customer)
        if len(hits) == 1 and _is_meant(hits[0], customer):
            customer = hits[0].owner
            profile = lookup.profile(customer)
        named = [row for key in _stores_in(profile) if (row := lookup.row(key)) is not None]
    if not profile.rows and hits:
        _list(hits, as_json=as_json)
    if not profile.rows:
        message = f"This device holds nothing of {plain(customer, 60)!r}."
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


def _found(store: "EdgeStore", text: str) -> "tuple[Hit, ...]":
    """Whom a counter of this device would find by it. The index of a device that was never run is made first."""
    from sync.edge.find import Finder

    finder = Finder(store)
    try:
        while finder.refresh():
            pass
        return finder.find(text, CANDIDATES_MAX)
    except StoreError as error:
        log.warning("store failed", extra={"code": error.code})
        return ()


def _is_meant(hit: "Hit", text: str) -> bool:
    """Whether what was typed is theirs, not only like it: of a name each word, or how it begins."""
    if hit.how != "name":
        return hit.how != "near"
    theirs = name_term(hit.title).split()
    return all(any(one.startswith(word) for one in theirs) for word in name_term(text).split())


def _list(hits: "tuple[Hit, ...]", *, as_json: bool) -> NoReturn:
    """Say who fits, with the ids to ask by."""
    lines = [
        (hit.owner, plain(hit.title, 60), f"{hit.how} {plain(hit.hint, 40)}") for hit in hits
    ]
    if as_json:
        error = {"code": "several", "message": "More than one fits, or none exactly."}
        listed = [{"id": owner, "name": name, "by": by} for owner, name, by in lines]
        print(json.dumps({"error": error, "candidates": listed}))
    else:
        width = max(len(owner) for owner, _, _ in lines)
        print("More than one fits, or none exactly. Ask by an id:", file=sys.stderr)
        print("\n".join(f"{owner:<{width}}  {name}  ({by})" for owner, name, by in lines))
    raise typer.Exit(EXIT_UNKNOWN)


def _stores_in(profile: Profile) -> tuple[str, ...]:
    """Keys of the stores the card will name."""
    stores = [it.store for _, it in profile.of(Pickup)]
    stores += [it.store for _, it in profile.of(Referral)]
    return tuple(key_of("store", store) for store in dict.fromkeys(stores))
