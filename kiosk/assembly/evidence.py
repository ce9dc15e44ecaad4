"""What a reader established, as evidence; and what the reader process is given for it, from the leases in the cache."""

import contextlib
import logging
from collections.abc import Callable
from typing import Final

from drivers.credential.layout import band_id_of_reference, band_id_of_uid
from drivers.errors import BandMalformed
from drivers.lines import Proved
from drivers.ports import LeasedKey
from drivers.proof import ChipFamily, ProofKind
from kiosk.core.carried import Carried
from kiosk.core.policy import (
    BandKey,
)
from kiosk.core.ports import (
    BandEvidence,
)
from sync.edge.leases import LeasedKey as HeldKey
from sync.edge.leases import Leases
from sync.edge.store import EdgeStore
from sync.model.errors import StoreError

log = logging.getLogger(__name__)


class CacheKeys:
    """A KeyProvider over the leases in the cache; call it on one thread.

    Files that do not answer give no key: the band then proves nothing, its look-up says what is wrong, and whoever feeds
    the reader goes on.
    """

    def __init__(self, store: EdgeStore) -> None:
        self._leases = Leases(store)

    def group_key(self) -> LeasedKey | None:
        """`K_uid`; None before the first sync."""
        return _drivers_key(self._leases.group_key)

    def band_key(self, uid: bytes) -> LeasedKey | None:
        """The leased key of the band with this true UID; None without a lease, or when it is over."""
        group = self.group_key()
        if group is None:
            return None
        return _drivers_key(lambda: self._leases.key_of(band_id_of_uid(group.value, uid)))


def _drivers_key(held: Callable[[], HeldKey | None]) -> LeasedKey | None:
    try:
        key = held()
    except StoreError as error:
        log.warning("store failed", extra={"code": error.code})
        return None
    return None if key is None else LeasedKey(key.value, key.version)


def evidence_of(
    proved: Proved,
    group_key: bytes | None,
    *,
    key: BandKey = BandKey.UNKNOWN,
    carried: Carried | None = None,
) -> BandEvidence:
    """What the reader process established, with the band's id: of its reference, else of its UID.

    A band that is known by its UID alone has no id before this device holds the group key.

    Args:
        proved: Its words.
        group_key: `K_uid`.
        key: By whose key it can have been proved; that is not the reader process's to say.
        carried: What its capsule says, once that holds; that is not the reader process's to say either.
    """
    proof = proved.kind
    if carried is not None:
        proof = ProofKind.CAPSULE.value
    elif proof == ProofKind.CAPSULE.value:
        proof = ProofKind.NONE.value
    band, is_uid_only = "", False
    with contextlib.suppress(ValueError, BandMalformed):
        if proved.band:
            band = band_id_of_reference(bytes.fromhex(proved.band))
        elif proved.uid and group_key is not None:
            band, is_uid_only = band_id_of_uid(group_key, bytes.fromhex(proved.uid)), True
    return BandEvidence(
        proof=proof,
        family=proved.family,
        generation=proved.generation,
        band=band,
        is_uid_only=is_uid_only,
        key=key,
        carried=carried,
        foreign=_foreign(proved),
    )


SHORT_UID: Final = 4
"""Bytes of a single-size UID. Source: ISO/IEC 14443-3, 6.5.4."""
RANDOM_UID: Final = 0x08
"""How a UID of four bytes begins that is drawn at every touch: telephones, and cards that hide theirs. Source: ISO/IEC 14443-3, 6.5.4."""
_SMART: Final = frozenset({ChipFamily.TYPE4.value, ChipFamily.UNKNOWN.value})
_OF_OTHERS: Final = frozenset({
    ChipFamily.CLASSIC.value, ChipFamily.FELICA.value, ChipFamily.DESFIRE.value, ChipFamily.NTAG424.value,
})  # fmt: skip


def _foreign(proved: Proved) -> str:
    """What is no band of ours, as far as its answers tell: a bank card is never asked what it is."""
    if proved.band:
        return ""
    if proved.family in _SMART:
        uid = bytes.fromhex(proved.uid or "")
        is_drawn = len(uid) == SHORT_UID and uid[0] == RANDOM_UID
        return "phone" if is_drawn or not uid else "foreign_card"
    return "foreign_chip" if proved.family in _OF_OTHERS else ""
