"""How a device stands with the world."""

from dataclasses import replace

from hardware.moments import micros_of
from kiosk.assembly.device import Device
from kiosk.assembly.reading import ReaderWatch
from kiosk.assembly.syncing import Sync
from kiosk.core.ports import (
    HERE,
    Long,
    Standing,
)
from sync.edge.feed import Feed
from sync.edge.lease import LeaseState, lease_of
from sync.edge.outbox import Counts, Outbox
from sync.edge.peers import RelayStatus
from sync.edge.torn import TornUses
from sync.model.errors import CentreUnreachable, StoreError, StoreFull


def standing_of(device: Device, sync: Sync | None, watch: ReaderWatch | None) -> Standing:
    """How a device stands with the world. It answers also when its own files do not: then the strip says that."""
    status = sync.runner.status() if sync is not None else None
    relay = sync.relay.peers.status() if sync is not None and sync.relay else RelayStatus()
    try:
        counts, synced_at = Outbox(device.store).counts(), Feed(device.store).state().synced_at
        counts = replace(counts, n_refused=counts.n_refused + len(TornUses(device.store).all()))
        lease = lease_of(device.store).state()
    except StoreError as error:
        counts, synced_at, store_code, lease = Counts(0, 0), 0, error.code, LeaseState()
    else:
        store_code = status.store_code if status is not None else HERE
        if device.store.ballast is not None and device.store.ballast.is_spent:
            store_code = StoreFull.code
    return Standing(
        reader=watch.code if watch is not None else HERE,
        network=status.network if status is not None else CentreUnreachable.code,
        synced_at=synced_at,
        n_waiting=counts.n_waiting,
        n_refused=counts.n_refused,
        now=micros_of(device.world.clock.now()),
        store_code=store_code,
        reader_since=watch.since if watch is not None else 0,
        network_since=sync.network_since if sync is not None else 0,
        relay=relay.code,
        relay_since=relay.since,
        long=tuple(
            Long(one.what, one.n_done, one.n_total, one.left_s)
            for one in (status.progress if status is not None else ())
        ),
        lease="over" if lease.is_over else "warned" if lease.n_warned else HERE,
        lease_left_us=lease.left_ms * 1_000,
        update_at=max(status.update.at, 1) if status is not None and status.update else 0,
        n_unread_kinds=len(status.unread) if status is not None else 0,
    )
