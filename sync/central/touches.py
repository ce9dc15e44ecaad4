"""The link a band shows to a telephone: verified by its own cryptogram, answered by one page for all, and remembered.

    GET /t?e=<who, when, enciphered>&c=<MAC>      ->  200, one page without a word about anybody

An NTAG 424 writes a new link at every reading. What holds is a proof that the band was there once; that it is there now
follows only from a counter above the last one, which is written down before anything follows from it. A link that was
forged, cut, shown before, or of a band that is out of use gets the same page: whoever holds it learns nothing. Each kind is
counted by name (`touch.fresh`, `touch.repeated`, ...).

Only the counter is kept: when somebody's telephone saw their band is nothing a shop needs to know.
"""

from typing import Final
from urllib.parse import urlsplit

from sync.central import band_rows
from sync.central.errors import BandNotProved
from sync.central.parts import Parts
from sync.central.ports import Touch, TouchReader
from sync.central.sql import Connection
from sync.central.transaction import Transaction
from sync.model.ports import Request, Response

PATH: Final = "t"

ACTIVE: Final = "active"

_PAGE: Final = (
    b'<!doctype html><html lang="en"><meta charset="utf-8">'
    b'<meta name="viewport" content="width=device-width,initial-scale=1">'
    b"<title>Your band</title><h1>This is your band.</h1><p>Tap it in the store.</p></html>"
)
_HEADERS: Final = (
    ("content-type", "text/html; charset=utf-8"),
    ("cache-control", "no-store"),
    ("referrer-policy", "no-referrer"),
    ("x-content-type-options", "nosniff"),
    ("content-security-policy", "default-src 'none'; frame-ancestors 'none'"),
)


class Touches:
    """Answers browsers at /t; fills `ports.Site`."""

    path = PATH

    def __init__(self, parts: Parts, reader: TouchReader) -> None:
        """Over the parts of one centre; `reader` has the keys of bands."""
        self._parts = parts
        self._reader = reader

    def answer(self, request: Request) -> Response:
        """The one page, whatever came. Raises StoreError."""
        if request.method not in ("GET", "HEAD"):
            self._parts.counters.add("touch.wrong_method")
            return Response(405, (*_HEADERS, ("allow", "GET, HEAD")), _PAGE)
        self._parts.counters.add(f"touch.{self._judged(request)}")
        return Response(200, _HEADERS, b"" if request.method == "HEAD" else _PAGE)

    def _judged(self, request: Request) -> str:
        """What a link is worth, in one word; a fresh one is written down."""
        split = urlsplit(request.url)
        if split.path != f"/{PATH}" or not split.query:
            return "nothing"
        try:
            touch = self._reader.touch(f"?{split.query}")
        except BandNotProved:
            return "forged"
        with self._parts.store.reading() as snapshot:
            band = band_rows.band_of_chip(snapshot.sql, touch.uid)
        if band is None or band.state != ACTIVE or band.is_uid_only:
            return "out_of_use"
        if request.method == "HEAD":
            return "looked_at"  # somebody's preview of a link is nobody's tap
        return self._noted(band.id, touch)

    def _noted(self, band: str, touch: Touch) -> str:
        def change(transaction: Transaction) -> str:
            known = touched(transaction.read.sql, band)
            judgement = self._reader.judged(touch.counter, known)
            if judgement.known != known:
                note_touch(transaction, band, counter=judgement.known)
            return judgement.freshness

        return self._parts.write(change, keys=(f"touch/{band}",))


def touched(sql: Connection, band: str) -> int | None:
    """The highest counter a band showed to a telephone; None when it never did."""
    found = sql.all("SELECT counter FROM touch WHERE band = :band", band=band)
    return int(found[0][0]) if found else None


def note_touch(transaction: Transaction, band: str, *, counter: int) -> None:
    """Remember the highest counter a band showed."""
    transaction.direct().run(
        "INSERT INTO touch (band, counter) VALUES (:band, :counter)"
        " ON CONFLICT (band) DO UPDATE SET counter = excluded.counter",
        band=band, counter=counter,
    )  # fmt: skip
