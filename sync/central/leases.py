"""The keys of bands a store may hold, sealed for one session."""

from typing import Final

from sync.central import band_rows
from sync.central.capsules import Capsules
from sync.central.denials import Denials
from sync.central.enrolment import scope_of
from sync.central.gate import denied
from sync.central.openapi import Nothing
from sync.central.parts import Parts, decoded, key_of
from sync.central.ports import BandKeys
from sync.model.errors import Malformed
from sync.model.ports import Request
from sync.model.records import Band
from sync.model.row import body_of
from sync.model.signatures import group_label, lease_label, seal
from sync.model.wire import Lease, LeasesAnswer, leases_page

LEASE_US: Final = 72 * 3_600 * 1_000_000
"""How long a leased band key may be used without being leased again: a long weekend without a network."""


class Leases:
    """Lends keys."""

    def __init__(
        self, parts: Parts, band_keys: BandKeys | None, denials: Denials, capsules: Capsules
    ) -> None:
        """Over the parts of one centre; without `band_keys` it has none to lend."""
        self._parts = parts
        self._band_keys = band_keys
        self._denials = denials
        self._capsules = capsules

    def leases(self, request: Request) -> bytes:
        """The keys this store may hold now; as `wire.leases_page` writes them."""
        caller = self._parts.gate.admit("leases", request)
        decoded(request.body, Nothing)
        if self._band_keys is None:
            raise denied("busy", "no band keys here")
        key, until = key_of(caller), self._parts.now + LEASE_US
        with self._parts.store.reading() as snapshot:
            chips = band_rows.leasable(snapshot.sql, scope_of(caller.device.store))
        group, group_version = self._band_keys.group_key()
        leases = tuple(
            self._lease(self._band_keys, uid, key, until)
            for uid, body in chips
            if _is_leasable(body)
        )
        answer = LeasesAnswer(
            group=seal(group, key, group_label(group_version), self._parts.entropy),
            group_version=group_version,
            leases=leases,
            deny=self._denials.newest(),
            capsule_keys=self._capsules.public_keys,
        )
        return leases_page(answer, session_key=key, request_id=caller.request_id)

    def _lease(self, band_keys: BandKeys, uid: bytes, key: bytes, until: int) -> Lease:
        value, version = band_keys.band_key(uid)
        hashed = band_keys.uid_hash(uid)
        label = lease_label(uid=hashed, version=version, until=until)
        return Lease(hashed, seal(value, key, label, self._parts.entropy), version, until)


def _is_leasable(body: bytes) -> bool:
    """Active, or a sealed spare of this very store."""
    try:
        band = body_of("band", body)
    except Malformed:
        return False
    return (
        isinstance(band, Band) and band.state in ("active", "unlinked") and not band.is_uid_only
    )
