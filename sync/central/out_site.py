"""`/out/suppressions?since=N`: who must not be advertised what, for mailing tools that ask by themselves.

    Authorization: Bearer <secret `suppressions` of a channel>
    200  application/x-ndjson, one line a digest for which something changed after number N, in order:
         {"seq":7,"at":...,"kind":"email","digest":"<sha-256>","lines":[{"reason":"bought","until":...,"product":"p1"}]}
         header `x-next`: the number to ask with next; `x-more: yes` where there is more at once
    401  no such secret    400  `since` is no number    405  anything but GET

A line replaces all that was said before of its digest; no lines: nothing is suppressed any more.
"""

import hmac
from collections.abc import Sequence
from typing import Final
from urllib.parse import parse_qs, urlsplit

import msgspec

from sync.central import suppressions
from sync.central.channels.adapter import Settings
from sync.central.parts import Parts
from sync.central.telling import SUPPRESSIONS
from sync.model.ports import Headers, Request, Response

PAGE_MAX: Final = 1_000
"""Digests in one answer."""

SECRET_MIN: Final = 16
"""Characters of a secret that can be believed."""

_PLAIN: Final[Headers] = (("content-type", "text/plain; charset=utf-8"), ("cache-control", "no-store"))  # fmt: skip


class OutSite:
    """What other systems fetch from us."""

    path = "out"

    def __init__(self, parts: Parts, channels: Sequence[Settings]) -> None:
        """Over the parts of one centre; who may ask is in the channels' secrets."""
        self._parts = parts
        self._secrets = tuple(
            one.secrets[SUPPRESSIONS].encode()
            for one in channels
            if len(one.secrets.get(SUPPRESSIONS, "")) >= SECRET_MIN
        )

    def answer(self, request: Request) -> Response:
        """The response, whatever came. Raises StoreError."""
        where = urlsplit(request.url)
        if where.path.rstrip("/") != "/out/suppressions":
            return _said(404, "there is nothing here")
        if not self._is_known(request):
            return _said(401, "no such secret", ("www-authenticate", "Bearer"))
        if request.method != "GET":
            return _said(405, "only GET", ("allow", "GET"))
        since = parse_qs(where.query).get("since", ["0"])[0]
        if not since.isascii() or not since.isdigit() or len(since) > 15:
            return _said(400, "since is no number")
        return self._page(int(since))

    def _is_known(self, request: Request) -> bool:
        how, _, given = request.header("authorization").partition(" ")
        secret = given.strip().encode()
        # All of them, so that the time says nothing of which.
        matches = [hmac.compare_digest(secret, known) for known in self._secrets]
        return how.lower() == "bearer" and any(matches)

    def _page(self, since: int) -> Response:
        with self._parts.store.reading() as snapshot:
            found = suppressions.since(snapshot.sql, since, limit=PAGE_MAX)
        lines = [msgspec.json.encode(one) for one in found]
        headers: list[tuple[str, str]] = [
            ("content-type", "application/x-ndjson"),
            ("cache-control", "no-store"),
            ("x-next", str(found[-1].seq if found else since)),
        ]
        if len(found) == PAGE_MAX:
            headers.append(("x-more", "yes"))
        return Response(200, tuple(headers), b"".join(line + b"\n" for line in lines))


def _said(status: int, text: str, *more: tuple[str, str]) -> Response:
    return Response(status, (*_PLAIN, *more), f"{text}\n".encode())
