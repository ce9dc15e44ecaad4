"""Devices as the centre knows them: states, roles, and what each role may ask for. Deny by default.

pending -> active <-> quarantined          only an active device is answered
             |            |
             +-> revoked  +-> retired       both for ever: told so, and what it still has to say is kept for a person

An active device can be *cloned*: two lives of its outbox speak. Its facts are taken, its requests held, until it is approved anew.
"""

from collections.abc import Mapping
from enum import Enum
from types import MappingProxyType
from typing import Final

import msgspec

from hardware.identity import thumbprint_of
from sync.central import device_rows
from sync.central.device_rows import DeviceRecord
from sync.central.scopes import GLOBAL
from sync.central.transaction import Transaction
from sync.model.errors import Malformed
from sync.model.records import Peer
from sync.model.row import row_of
from sync.model.signatures import public_key_of


class State(Enum):
    """What a device may do at all. Public: stored."""

    PENDING = "pending"
    ACTIVE = "active"
    QUARANTINED = "quarantined"
    REVOKED = "revoked"
    RETIRED = "retired"


FINAL_STATES: Final = (State.REVOKED, State.RETIRED)

_KIOSK: Final = frozenset({
    "hello", "push", "pull", "want", "snapshot", "snap", "diff", "custody", "leases", "deny", "band", "capsule",
    "erased",
})  # fmt: skip

ENDPOINTS_OF: Final[Mapping[str, frozenset[str]]] = MappingProxyType({
    "kiosk": _KIOSK,
    "counter": _KIOSK | {"inbox", "decide"},
    "display": frozenset({"hello", "pull", "snapshot", "snap", "erased"}),
    "technician": frozenset({"hello", "metrics"}),
})  # fmt: skip
"""Role to what it may ask for; a role that is not here may ask for nothing."""

GRACE_US: Final = 30 * 86_400 * 1_000_000
"""How long after its end a device may still bring what it recorded, for a person to look at."""

_PEERS: Final = frozenset({"kiosk", "counter"})
"""Roles that speak with the others of their store."""

_AFTER_THE_END: Final = frozenset({"hello", "push", "custody"})


def why_not(device: DeviceRecord, endpoint: str, *, now: int) -> str:
    """Why this device, as it is now, may not ask for that: "role" or its state; "" when it may. `now` in microseconds."""
    if endpoint not in ENDPOINTS_OF.get(device.role, frozenset()):
        return "role"
    state = State(device.state)
    if state is State.ACTIVE:
        return ""
    is_heard = endpoint == "hello" or now - device.state_at <= GRACE_US
    if state in FINAL_STATES and endpoint in _AFTER_THE_END and is_heard:
        return ""
    return device.state


def device_lock(device_id: str) -> str:
    """The name to lock for changes of a device."""
    return f"device/{device_id}"


def scope_of(store: str) -> str:
    """The scope of a store."""
    return f"s:{store}"


def scopes_of(device: DeviceRecord) -> tuple[str, ...]:
    """What this device may hold: its store's rows and everybody's."""
    if State(device.state) in FINAL_STATES:
        return ()
    region = (f"r:{device.region}",) if device.region else ()
    return (scope_of(device.store), *region, GLOBAL)


def approve(  # what is known of a device
    transaction: Transaction,
    *,
    public_key: str,
    store: str,
    role: str,
    now: int,
    region: str = "",
) -> str:
    """Make the device with this public key active in a store; its device id.

    Raises:
        NotTrusted: this is not a public key.
        Malformed: there is no such role, or the device was revoked or retired.
    """
    device_id = thumbprint_of(public_key_of(public_key))
    if role not in ENDPOINTS_OF:
        raise Malformed("there is no such role")
    known = device_rows.device(transaction.read.sql, device_id)
    if known is not None and State(known.state) in FINAL_STATES:
        raise Malformed(f"this device is {known.state}; it needs a new key")
    device = DeviceRecord(
        id=device_id, public_key=public_key, store=store, role=role, state=State.ACTIVE.value,
        lineage=known.lineage if known else "", seen_at=known.seen_at if known else 0,
        region=region, state_at=now,
    )  # fmt: skip
    _put(transaction, device, now)
    return device_id


def set_state(transaction: Transaction, device_id: str, state: State, *, now: int) -> None:
    """Move a device to another state. Raises Malformed when it is not known, or its state is final."""
    known = device_rows.device(transaction.read.sql, device_id)
    if known is None:
        raise Malformed("there is no such device")
    if State(known.state) is state:
        return
    if State(known.state) in FINAL_STATES:
        raise Malformed(f"a device that is {known.state} stays so")
    _put(transaction, msgspec.structs.replace(known, state=state.value, state_at=now), now)


def _put(transaction: Transaction, device: DeviceRecord, now: int) -> None:
    """Write a device, and tell the others of its store by whose key to trust it."""
    device_rows.put_device(transaction, device)
    if device.role not in _PEERS:
        return
    peer = Peer(
        id=device.id, public_key=device.public_key, store=device.store, role=device.role,
        state=device.state,
    )  # fmt: skip
    row = row_of(peer, owner="", as_of=now, source="centre")
    transaction.put(row, scope=scope_of(device.store))
