"""Devices as the centre knows them: states, roles, and what each role may ask for. Deny by default.

pending -> active <-> quarantined          only an active device is answered
             |            |
             +-> revoked  +-> retired       both for ever
"""

from collections.abc import Mapping
from enum import Enum
from types import MappingProxyType
from typing import Final

from hardware.identity import thumbprint_of
from sync.central.store import GLOBAL, DeviceRecord, Transaction
from sync.model.errors import Malformed
from sync.model.signatures import public_key_of


class State(Enum):
    """What a device may do at all. Public: stored."""

    PENDING = "pending"
    ACTIVE = "active"
    QUARANTINED = "quarantined"
    REVOKED = "revoked"
    RETIRED = "retired"


FINAL_STATES: Final = (State.REVOKED, State.RETIRED)

ENDPOINTS_OF: Final[Mapping[str, frozenset[str]]] = MappingProxyType({
    "kiosk": frozenset({"hello", "push", "pull", "leases"}),
    "counter": frozenset({"hello", "push", "pull", "leases"}),
    "display": frozenset({"hello", "pull"}),
    "technician": frozenset({"hello"}),
})  # fmt: skip
"""Role to what it may ask for; a role that is not here may ask for nothing."""


def may_ask(device: DeviceRecord, endpoint: str) -> bool:
    """Whether this device, as it is now, may ask for that."""
    is_allowed = endpoint in ENDPOINTS_OF.get(device.role, frozenset())
    return is_allowed and device.state == State.ACTIVE.value


def scope_of(store: str) -> str:
    """The scope of a store."""
    return f"s:{store}"


def scopes_of(device: DeviceRecord) -> tuple[str, ...]:
    """What this device may hold: its store's rows and everybody's."""
    return (scope_of(device.store), GLOBAL)


def approve(transaction: Transaction, *, public_key: str, store: str, role: str) -> str:
    """Make the device with this public key active in a store; its device id.

    Raises:
        NotTrusted: this is not a public key.
        Malformed: there is no such role, or the device was revoked or retired.
    """
    device_id = thumbprint_of(public_key_of(public_key))
    if role not in ENDPOINTS_OF:
        raise Malformed("there is no such role")
    known = transaction.read.device(device_id)
    if known is not None and State(known.state) in FINAL_STATES:
        raise Malformed(f"this device is {known.state}; it needs a new key")
    transaction.put_device(
        DeviceRecord(
            id=device_id, public_key=public_key, store=store, role=role, state=State.ACTIVE.value,
            lineage=known.lineage if known else "", seen_at=known.seen_at if known else 0,
        )
    )  # fmt: skip
    return device_id


def set_state(transaction: Transaction, device_id: str, state: State) -> None:
    """Move a device to another state. Raises Malformed when it is not known, or its state is final."""
    known = transaction.read.device(device_id)
    if known is None:
        raise Malformed("there is no such device")
    if State(known.state) in FINAL_STATES and State(known.state) is not state:
        raise Malformed(f"a device that is {known.state} stays so")
    transaction.put_device(
        DeviceRecord(
            id=known.id, public_key=known.public_key, store=known.store, role=known.role,
            state=state.value, lineage=known.lineage, seen_at=known.seen_at,
        )
    )  # fmt: skip
