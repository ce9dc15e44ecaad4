"""What the screens are made of, over one device."""

from typing import TYPE_CHECKING

from kiosk.core.entries import Post
from sync.edge.lookup import Lookup
from sync.model.records import (
    Staff,
    Store,
)

if TYPE_CHECKING:
    from kiosk.ui.bridge import Parts
from kiosk.assembly.desk import StoreDesk
from kiosk.assembly.device import Device
from kiosk.assembly.recognising import LocalRecogniser


def post_of(device: Device, *, clerk: str) -> Post:
    """Where a counter stands and who serves at it, from the rows this device holds. Raises StoreError."""
    lookup = Lookup(device.store)
    names = {
        row.body.id: row.body.name
        for row in lookup.rows("staff")
        if isinstance(row.body, Staff)
    }
    stores = {
        row.body.id: row.body.name
        for row in lookup.rows("store")
        if isinstance(row.body, Store)
    }
    return Post(
        store=device.identity.store,
        clerk=clerk,
        clerk_name=names.get(clerk, clerk),
        stores=stores,
        staff=names,
    )


def customer_parts(device: Device, desk: StoreDesk) -> "Parts":
    """What the customer's side of the screen is made of, over this device's files."""
    from kiosk.ui.bridge import Parts  # 0.4 s, which a program without a screen need not wait

    recogniser, lookup = LocalRecogniser(device), Lookup(device.store)
    return Parts(
        recogniser=recogniser,
        evidence_of=recogniser.evidence,
        shop=lambda: device.shop(lookup),
        clock=device.world.clock,
        entropy=device.world.entropy,
        desk=desk,
        language=device.language,
    )
