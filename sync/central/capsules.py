"""The capsules of bands: what each may say, and one signed for a store that can write it.

A store that holds the band's key asks for one when the band's own has grown old. The same words within a day are the same
capsule, byte for byte: asking again costs nothing and counts nothing. New words are the next in the band's sequence, counted
in the database, so that no two nodes give out the same number.
"""

import hashlib
from dataclasses import astuple
from typing import Final

from sync.central import band_rows, interests
from sync.central.enrolment import scope_of
from sync.central.gate import denied
from sync.central.parts import Parts, decoded, key_of
from sync.central.ports import CapsuleSigner, CapsuleWords
from sync.central.transaction import Transaction
from sync.model.gist import Gist, gist_of, is_carried
from sync.model.ports import Request
from sync.model.profile import Profile
from sync.model.records import Band
from sync.model.thread_parts import packed
from sync.model.wire import CapsuleAnswer, CapsuleRequest, capsule_page

SECOND_US: Final = 1_000_000
DAY_US: Final = 86_400 * SECOND_US

LASTS_DAYS: Final = 90
"""How long a capsule is believed: a season between two visits. A band that is tapped online carries a younger one."""

SAME_US: Final = DAY_US
"""How long the same words are the same capsule."""


class Capsules:
    """Has capsules signed."""

    def __init__(self, parts: Parts, signer: CapsuleSigner | None) -> None:
        """Over the parts of one centre; without `signer` it has none to give."""
        self._parts = parts
        self._signer = signer

    @property
    def public_keys(self) -> tuple[str, ...]:
        """What kiosks believe capsules by: Ed25519 public keys, hex."""
        signer = self._signer
        return () if signer is None else tuple(key.hex() for key in signer.public_keys())

    def capsule(self, request: Request) -> bytes:
        """The capsule of one band of the caller's store; as `wire.capsule_page` writes it."""
        caller = self._parts.gate.admit("capsule", request)
        asked = decoded(request.body, CapsuleRequest)
        if self._signer is None:
            raise denied("busy", "no key for capsules here")
        raw = self.made(asked.band, size=asked.size, store=caller.device.store)
        if raw is None:
            raise denied("not_found", "band")
        answer = CapsuleAnswer(raw.hex())
        return capsule_page(answer, session_key=key_of(caller), request_id=caller.request_id)

    def made(self, band: str, *, size: int, store: str = "") -> bytes | None:
        """The capsule of a band as it would be written now; None for a band that may carry none.

        Args:
            band: Its id, the reference in hex.
            size: Bytes of its place on the chip.
            store: That must hold its wearer; "" for any.

        Raises:
            StoreError: nothing was counted.
        """
        signer, now = self._signer, self._parts.now
        found = self._wearer_of(band, store)
        if signer is None or found is None:
            return None
        uid, gist = found
        digest = _digest_of(gist, size)

        def change(transaction: Transaction) -> tuple[int, int]:
            return next_capsule(
                transaction,
                band,
                digest=digest,
                now=now // SECOND_US * SECOND_US,
                same_us=SAME_US,
            )

        seq, issued_at = self._parts.write(change, keys=(f"capsule/{band}",))
        words = CapsuleWords(
            issued_at=issued_at, days=LASTS_DAYS, seq=seq, is_waiting=gist.is_waiting,
            is_owed=gist.is_owed, language=gist.language, name=gist.name, parts=packed(gist.parts),
        )  # fmt: skip
        return signer.signed(words, uid=uid, band=bytes.fromhex(band), size=size)

    def _wearer_of(self, band: str, store: str) -> tuple[bytes, Gist] | None:
        """The chip of a band and its wearer's thread; None where there is none, or it is not for this store."""
        with self._parts.store.reading() as snapshot:
            row = snapshot.row(f"band/{band}")
            uid = band_rows.chip_of(snapshot.sql, band)
            if row is None or not isinstance(row.body, Band) or not is_carried(row.body):
                return None
            is_here = not store or any(
                it.scope == scope_of(store)
                for it in interests.of_owner(snapshot.sql, row.owner)
            )
            if not row.owner or not uid or not is_here:
                return None
            profile = Profile(row.owner, tuple(snapshot.all_of_owner(row.owner)))
        gist = gist_of(profile, now=self._parts.now)
        return None if gist is None else (uid, gist)


def _digest_of(gist: Gist, size: int) -> str:
    return hashlib.sha256(repr((size, astuple(gist))).encode("utf-8", "replace")).hexdigest()


def next_capsule(
    transaction: Transaction, band: str, *, digest: str, now: int, same_us: int
) -> tuple[int, int]:
    """Sequence and time of a band's capsule: the last one's while the words are the same, else the next.

    Args:
        transaction: Where it is counted.
        band: Its id; the caller locked it.
        digest: Of the words.
        now: Whole seconds, as microseconds since 1970.
        same_us: How long the same words are the same capsule.
    """
    sql = transaction.direct()
    found = sql.all("SELECT seq, issued_at, digest FROM capsule WHERE band = :band", band=band)
    seq, issued_at, was = found[0] if found else (0, 0, "")
    if was == digest and issued_at <= now < issued_at + same_us:
        return int(seq), int(issued_at)
    sql.run(
        "INSERT INTO capsule (band, seq, issued_at, digest) VALUES (:band, :seq, :at, :digest)"
        " ON CONFLICT (band) DO UPDATE SET seq = excluded.seq, issued_at = excluded.issued_at,"
        " digest = excluded.digest",
        band=band, seq=seq + 1, at=now, digest=digest,
    )  # fmt: skip
    return int(seq) + 1, now
