"""Bands as they are stored: which chip is in which, which are out of use, and which of them a scope may prove."""

from collections.abc import Collection

from sync.central.sql import Connection
from sync.central.transaction import Transaction
from sync.model.errors import Malformed
from sync.model.records import Band
from sync.model.row import body_of


def link_chip(transaction: Transaction, band: str, uid: bytes) -> None:
    """Remember which chip is in a band."""
    transaction.direct().run(
        "INSERT INTO band_chip (band, uid) VALUES (:band, :uid)"
        " ON CONFLICT (band) DO UPDATE SET uid = excluded.uid",
        band=band, uid=uid.hex(),
    )  # fmt: skip


def chip_of(sql: Connection, band: str) -> bytes:
    """UID of the chip in a band; b"" when nobody told."""
    found = sql.all("SELECT uid FROM band_chip WHERE band = :band", band=band)
    return bytes.fromhex(found[0][0]) if found else b""


def band_of_chip(sql: Connection, uid: bytes) -> Band | None:
    """The band a chip is in; None for a chip nobody knows, or whose band is gone."""
    found = sql.all(
        "SELECT doc.body FROM band_chip JOIN doc ON doc.key = 'band/' || band_chip.band"
        " WHERE band_chip.uid = :uid",
        uid=uid.hex(),
    )
    return _band_of(found[0][0]) if len(found) == 1 else None


def leasable(sql: Connection, scope: str) -> list[tuple[bytes, bytes]]:
    """UID and body of each band with a known chip whose owner the scope holds, and of each that is its spare."""
    found = sql.all(
        "SELECT band_chip.uid, doc.body FROM interest"
        " JOIN doc ON doc.owner = interest.owner AND doc.kind = 'band'"
        " JOIN band_chip ON 'band/' || band_chip.band = doc.key"
        " WHERE interest.scope = :scope ORDER BY doc.key",
        scope=scope,
    ) + sql.all(
        "SELECT band_chip.uid, doc.body FROM band_chip"
        " JOIN doc ON doc.key = 'band/' || band_chip.band"
        " WHERE doc.kind = 'band' AND doc.owner = '' AND doc.scope = :scope ORDER BY doc.key",
        scope=scope,
    )
    return [(bytes.fromhex(uid), body.encode()) for uid, body in found]


def bands_in(sql: Connection, states: Collection[str]) -> list[str]:
    """Ids of all bands in one of these states."""
    found = sql.all("SELECT body FROM doc WHERE kind = 'band'")
    texts = tuple(f'"{state}"' for state in states)  # most are not, and need not be decoded
    bands = (_band_of(body) for (body,) in found if any(text in body for text in texts))
    return [band.id for band in bands if band is not None and band.state in states]


def bands_erased(sql: Connection) -> list[str]:
    """Ids of the bands of which nothing is left but that they were, as long as that is remembered."""
    found = sql.all(
        "SELECT DISTINCT ptr.key FROM ptr LEFT JOIN doc ON doc.key = ptr.key"
        " WHERE ptr.is_gone = 1 AND doc.key IS NULL AND ptr.key LIKE :bands",
        bands="band/%",
    )
    return [key.partition("/")[2] for (key,) in found]


def _band_of(body: str) -> Band | None:
    try:
        band = body_of("band", body.encode())
    except Malformed:
        return None
    return band if isinstance(band, Band) else None
