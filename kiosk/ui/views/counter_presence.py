"""Tells the others that a clerk is with a customer, once their page is open for a moment and while it is used, and when not any more."""

from dataclasses import dataclass
from typing import Final

import msgspec

from kiosk.core.entries import Post
from kiosk.core.ports import CounterDesk, Refused
from kiosk.core.staff_words import MINUTE_US
from sync.model.errors import StoreError
from sync.model.operation import Evidence
from sync.model.operations.leave_customer import LeaveCustomer
from sync.model.operations.serve_customer import ServeCustomer

SERVES_AFTER_US: Final = 5 * 1_000_000
"""A page that is open this long is being served from; one that was only passed is not."""

SERVES_MINUTES: Final = 10
"""How long the others see it; longer while somebody does something on the page."""

BY_STAFF: Final = Evidence(assurance="S1")
"""Staff alone vouch for it."""


@dataclass(frozen=True, slots=True)
class _Served:
    """That the clerk is with a customer, as the others were told last."""

    owner: str
    op: str
    at: int


class Presence:
    """With whom the clerk is. Times are microseconds since 1970."""

    def __init__(self, desk: CounterDesk, post: Post) -> None:
        self._desk = desk
        self._post = post
        self._opened_at = 0
        self._acted_at = 0
        self._served: _Served | None = None

    def opened(self, owner: str, now: int) -> None:
        """The page of this customer was opened; with another one the clerk is no more."""
        if self._served is not None and self._served.owner != owner:
            self.leave()
        self._opened_at = self._acted_at = now

    def acted(self, now: int) -> None:
        """Something was done on the page."""
        self._acted_at = now

    def serve(self, owner: str, now: int) -> None:
        """Tell the others, where it is time to."""
        if now - self._opened_at < SERVES_AFTER_US:
            return
        served = self._served
        if served is not None and served.owner == owner:
            is_fresh = now - served.at < (SERVES_MINUTES - 2) * MINUTE_US
            if is_fresh or self._acted_at <= served.at:
                return
        args = ServeCustomer(by=self._post.clerk_name, channel="store", minutes=SERVES_MINUTES)
        self._served = _Served(owner, self._told("serve_customer", args, owner), now)

    def leave(self) -> None:
        """Tell the others that the clerk is with the customer no more."""
        served, self._served = self._served, None
        if served is not None and served.op:
            self._told("leave_customer", LeaveCustomer(serve=served.op), served.owner)

    def _told(self, kind: str, args: msgspec.Struct, owner: str) -> str:
        """Record what nobody waits for; id of the operation, "" where it could not be: then only the others do not see it."""
        try:
            return self._desk.record(
                kind, args, owner=owner, actor=self._post.clerk, evidence=BY_STAFF
            ).op
        except (Refused, StoreError):
            return ""
