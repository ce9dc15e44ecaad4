"""From evidence to the customer's page, from this device's files alone."""

from dataclasses import replace

from drivers.credential.layout import band_id_of_uid
from drivers.errors import BandMalformed
from drivers.lines import Proved
from drivers.proof import ProofKind
from kiosk.assembly.device import Device
from kiosk.assembly.evidence import evidence_of
from kiosk.capsules import checked
from kiosk.core.carried import CARRIED, Carried
from kiosk.core.page import (
    Page,
    actions_of,
    carried_page,
    decide,
    neutral_page,
    not_possible_page,
)
from kiosk.core.policy import (
    Assurance,
    BandKey,
    BandStanding,
    Listing,
    Pin,
    PinLock,
    assurance_of,
    listing_of,
    seen_of,
)
from kiosk.core.policy import Seen as SeenEvidence
from kiosk.core.ports import (
    BandEvidence,
    Recognition,
)
from sync.edge.capsules import CapsulesSeen
from sync.edge.deny import deny_of
from sync.edge.lease import trusted_now
from sync.edge.leases import Leases
from sync.edge.lookup import Lookup, Sighting
from sync.model.deny import mark_of
from sync.model.operation import Evidence
from sync.model.records import (
    Band,
)


class LocalRecogniser:
    """From evidence to page, from this device's files alone; used on one thread."""

    def __init__(self, device: Device) -> None:
        self._device = device
        self._clock = device.world.clock
        self._lookup = Lookup(device.store)
        self._leases = Leases(device.store)
        self._deny = deny_of(device.store)
        self._seen = CapsulesSeen(device.store)

    def evidence(self, proved: Proved) -> BandEvidence:
        """What the reader process established, with the band's id. Raises StoreError."""
        group = self._leases.group_key()
        if group is None:
            return evidence_of(proved, None)
        return evidence_of(
            proved,
            group.value,
            key=self._key_of(proved, group.value),
            carried=self._carried(proved),
        )

    def _carried(self, proved: Proved) -> Carried | None:
        """What the band itself says, where nothing better was proved of it."""
        if proved.kind not in (ProofKind.NONE.value, ProofKind.CAPSULE.value):
            return None
        return checked(
            proved,
            keys=self._leases.capsule_keys(),
            now=trusted_now(self._device.store),
            seen=self._seen,
        )

    def _key_of(self, proved: Proved, group_key: bytes) -> BandKey:
        """By whose key the band can have been proved: one that is lent to this store now, or the centre's, a moment ago."""
        if not proved.uid:
            return BandKey.UNKNOWN
        try:
            uid = bytes.fromhex(proved.uid)
            hashed = band_id_of_uid(group_key, uid)
        except (ValueError, BandMalformed):
            return BandKey.UNKNOWN
        if self._leases.key_of(hashed) is not None:
            return BandKey.LEASED
        return BandKey.REMOTE if self._device.vouched.has(uid) else BandKey.UNKNOWN

    def _listing(self, band: str) -> Listing:
        """What the deny list says of a band, by a time that only takes rights away."""
        group = self._leases.group_key()
        listed = self._deny.newest(centre_key=self._device.identity.centre_key)
        if group is None or listed is None or listed.key_version != group.version:
            return Listing.UNKNOWN
        return listing_of(
            is_listed=listed.has(mark_of(group.value, band)),
            made_at=listed.made_at,
            now=trusted_now(self._device.store),
        )

    def lifted(self, band: BandEvidence) -> Assurance:
        """What a band is worth beside its wearer's right PIN. Raises StoreError."""
        sighting = self._lookup.by_band(band.band) if band.band else None
        standing, _ = _standing_of(sighting)
        seen = self._seen_of(band, standing, self._listing(band.band))
        return assurance_of(replace(seen, pin=Pin.RIGHT, lock=PinLock.OPEN))

    @staticmethod
    def _seen_of(band: BandEvidence, standing: BandStanding, listing: Listing) -> SeenEvidence:
        return seen_of(
            proof=band.proof, family=band.family, generation=band.generation,
            is_uid_only=band.is_uid_only, standing=standing, key=band.key, listing=listing,
        )  # fmt: skip

    def recognise(self, band: BandEvidence) -> Recognition:
        """Look up, judge, decide. Raises StoreError."""
        started_us = self._clock.ticks_us()
        sighting = self._lookup.by_band(band.band) if band.band else None
        shop = self._device.shop(self._lookup)
        found_us = self._clock.ticks_us()
        standing, reason = _standing_of(sighting)
        listing = self._listing(band.band)
        if sighting is None and band.foreign:
            reason = band.foreign
        assurance = assurance_of(self._seen_of(band, standing, listing))
        is_known = sighting is not None and assurance.covers(Assurance.A1)
        profile = sighting.profile if sighting is not None and is_known else None
        page: Page = (
            decide(profile, assurance=assurance, shop=shop)
            if profile is not None
            else neutral_page(shop.language)
        )
        is_held = profile is not None and profile.customer is not None
        carried = band.carried if assurance.covers(Assurance.A1) and not is_held else None
        if carried is not None and self._lookup.is_shown():
            # Never seen here, and not a stranger.
            page, reason = carried_page(carried, shop=shop), CARRIED
        elif not shop.synced_at and profile is None:
            # Nothing was ever pulled, or the cache is being made anew: that says nothing of the band.
            page, reason = not_possible_page(shop.language), "not_synced"
        elif not self._lookup.is_shown():
            page, reason = not_possible_page(shop.language), "lease_over"
        if not reason and profile is not None and profile.customer is None:
            reason = "not_held"
        if not reason and not is_known:
            reason = _reason_of(band, listing)
        return Recognition(
            evidence=Evidence(assurance=assurance.value, proof=band.proof, band=band.band),
            assurance=assurance,
            owner=profile.owner if profile is not None else "",
            page=page,
            actions=actions_of(page),
            reason=reason,
            lookup_us=found_us - started_us,
            decide_us=self._clock.ticks_us() - found_us,
            carried=carried,
        )


def _standing_of(sighting: Sighting | None) -> tuple[BandStanding, str]:
    """What this device's files say of the band, and the reason for staff when it opens no page."""
    if sighting is None:
        return BandStanding.UNKNOWN, "unknown_band"
    body = sighting.band.body
    assert isinstance(body, Band)
    if body.state == "blocked":
        return BandStanding.BLOCKED, "blocked"
    if body.state != "active" or not sighting.owner:
        return BandStanding.UNLINKED, "unlinked"
    return BandStanding.LINKED, ""


def _reason_of(band: BandEvidence, listing: Listing) -> str:
    """Why a band of somebody we know opens nothing, for staff."""
    match listing:
        case Listing.DENIED:
            return "denied"
        case Listing.UNKNOWN if not band.is_uid_only:
            return "no_deny_list"
        case _:
            return "uid_only" if band.is_uid_only else "untrusted"
