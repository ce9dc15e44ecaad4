"""Names and texts that must come out as text: markup, actions, control bytes, direction marks, piles of accents, nothing."""

from typing import Final

import msgspec

from sync.model.profile import Profile
from sync.model.records import (
    Band,
    Case,
    Customer,
    Interaction,
    Order,
    OrderLine,
    Pickup,
    Promise,
    Record,
    Remedy,
    Side,
    Told,
)
from sync.model.row import row_of

NAMES: Final = (
    "[@click=app.quit]Sam[/]",
    "[bold red]Sam[/]",
    "\x1b[2J\x1b[31mSam\x07",
    "Sam\u202egnat\u202c",
    "S\u0301\u0301\u0301\u0301\u0301\u0301am",
    "{name} {0} %s",
    "\x00\r\n\tSam",
    "\ufeff\u200b\u2060",
    "S" * 5_000,
    "\U0001f468\u200d\U0001f469\u200d\U0001f467 Sam",
    "\ud800Sam",
)
"""Each could break a screen in its own way; the first would also close the app."""


def hostile_profile(name: str, *, owner: str = "lena") -> Profile:
    """Every text slot of every record a page is made of holds this name."""
    return Profile(
        owner, tuple(row_of(one, owner=owner, as_of=1, source=name) for one in _bodies(name))
    )


def _bodies(name: str) -> tuple[Record, ...]:
    parcel = Pickup(
        id="p1", order=name, store="harbour", state="ready", shelf=name, collector=name
    )
    contact = Interaction(
        id="i1", at=1, channel=name, direction="in", by=name, text=name, topic=name, due_at=1
    )
    change = msgspec.structs.replace
    return (
        Customer(id=name, given_name=name, family_name=name, nickname=name, language=name,
                 preferred_channel=name, tier=name),
        Band(id="b", state="blocked", label=name),
        parcel,
        change(parcel, id="p2", store=name),
        change(parcel, id="p3", state="handed_over", handed_over_at=1, handed_over_by=name,
               handed_over_to=name, handed_over_store=name),
        Case(
            id="c1", number=name, state="open", topic=name, opened_at=1, channel=name, payer=name,
            next_step=name, missing=(name,), clash=name, promise=Promise(name, name, 1),
            told=(Told(name, name, name, 1),), tried=(Remedy(name, 3, 3),),
            sides=(Side(name, name, name, name, 1),),
        ),
        contact,
        change(contact, id="i2", direction="out"),
        change(contact, id="i3", direction="note", sensitivity=name),
        Order(id=name, at=1, channel=name, state=name, total_minor=1, currency=name,
              lines=(OrderLine(product=name, title=name, variant=name),)),
    )  # fmt: skip
