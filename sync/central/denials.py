"""The deny list of this centre: made of the rows, signed, and the same bytes for everybody for a minute."""

from threading import Lock
from typing import Final

from cryptography.hazmat.primitives.asymmetric import ec

from sync.central import band_rows
from sync.central.gate import denied
from sync.central.openapi import Nothing
from sync.central.parts import Parts, decoded, key_of
from sync.central.ports import BandKeys
from sync.model.deny import DenyList, mark_of
from sync.model.ports import Request
from sync.model.wire import DenyAnswer, deny_page

MADE_MS: Final = 60_000
"""How long a list is given out before it is made anew: it costs a look at every band that is out of use."""

OUT_OF_USE: Final = ("blocked", "retired")
"""States of a band that put it on the list. One that is only unlinked may be given to somebody else.

A band whose wearer was erased is on it too: its capsule may still carry a name.
"""


class Denials:
    """Makes the list."""

    def __init__(
        self, parts: Parts, band_keys: BandKeys | None, key: ec.EllipticCurvePrivateKey
    ) -> None:
        """Over the parts of one centre; without `band_keys` it has no list to give, for its marks are made with the group key."""
        self._parts = parts
        self._band_keys = band_keys
        self._key = key
        self._lock = Lock()
        self._made: bytes = b""
        self._until_ms = 0

    def newest(self) -> bytes:
        """The list, signed; b"" without band keys. Raises StoreError."""
        if self._band_keys is None:
            return b""
        with self._lock:
            now_ms = self._parts.clock.ticks_ms()
            if not self._made or now_ms >= self._until_ms:
                self._made = self._fresh(self._band_keys)
                self._until_ms = now_ms + MADE_MS
            return self._made

    def forget(self) -> None:
        """Make it anew the next time: a band was blocked here."""
        with self._lock:
            self._until_ms = 0

    def deny(self, request: Request) -> bytes:
        """The list, for a device that asks; as `wire.deny_page` writes it."""
        caller = self._parts.gate.admit("deny", request)
        decoded(request.body, Nothing)
        if self._band_keys is None:
            raise denied("busy", "no band keys here")
        answer = DenyAnswer(self.newest())
        return deny_page(answer, session_key=key_of(caller), request_id=caller.request_id)

    def _fresh(self, band_keys: BandKeys) -> bytes:
        group, version = band_keys.group_key()
        made_at = self._parts.now  # before the rows are read: it holds at least what was then
        with self._parts.store.reading() as snapshot:
            bands = (
                *band_rows.bands_in(snapshot.sql, OUT_OF_USE),
                *band_rows.bands_erased(snapshot.sql),
            )
        marks = (mark_of(group, band) for band in bands)
        return DenyList.of(marks, made_at=made_at, key_version=version).signed(self._key)
