"""The whole brand of the demo: all rows as they are at a given time, and which store holds whom."""

from collections.abc import Mapping
from datetime import datetime
from typing import Final

from kiosk.demo.bands import band_id_of, demo_band
from kiosk.demo.catalogue import HOME_STORE, STORES, catalogue_rows
from kiosk.demo.crowd import STORE_OF, crowd_rows
from kiosk.demo.people import PEOPLE, people_rows
from kiosk.demo.threads import owned_row
from sync.model.records import Band
from sync.model.row import Row

BRAND_NAME: Final = "Tidemark"
"""What the demo's brand is called."""


def demo_rows(now: datetime) -> tuple[Row, ...]:
    """Every row of the demo's centre, versions not yet counted.

    Args:
        now: Aware; weekdays and times of day of the stories ("Friday, 17:00") are meant in its zone.
    """
    spare = Band(id=band_id_of(demo_band("spare")), state="unlinked", label="sealed spare")
    return (
        *catalogue_rows(now),
        owned_row(spare, owner="", now=now),
        *people_rows(now),
        *crowd_rows(now),
    )


def demo_interest() -> Mapping[str, tuple[str, ...]]:
    """Store id to the customers it holds: the people of the stories are held in the home store, some others elsewhere."""
    held = {
        store.id: tuple(owner for owner, held_by in STORE_OF.items() if held_by == store.id)
        for store in STORES
    }
    return {**held, HOME_STORE: (*PEOPLE, *held[HOME_STORE])}
