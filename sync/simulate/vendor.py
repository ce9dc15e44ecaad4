"""Another system that tells the centre what happens elsewhere: the customers' orders and words, as webhooks.

It is told 200 or tells it again, as vendors do; what it tells comes twice, late, in another order, or while the centre is
down. Its records of customers have ids of their own, and the same e-mail addresses.
"""

import hashlib
import hmac
from collections.abc import Awaitable, Callable
from typing import Any, Final

import msgspec

from sync.central.channels.adapter import Settings
from sync.model.errors import CentreUnreachable
from sync.model.ports import Request, Response
from sync.simulate.chance import Chance

SECRET: Final = "hush"  # noqa: S105  # of nobody
CHANNEL: Final = Settings(
    name="sim", adapter="app", channel="app", secrets={"signing": SECRET}, options={}
)
URL: Final = "http://centre.test/in/sim"

STATES: Final = ("placed", "paid", "ready", "collected")
N_ORDERS: Final = 6


class Vendor:
    """One of them."""

    def __init__(
        self, centre: Callable[[Request], Awaitable[Response]], chance: Chance, n_customers: int
    ) -> None:
        self._centre = centre
        self._chance = chance
        self._n_customers = n_customers
        self._untold: dict[str, bytes] = {}
        self._told: dict[str, bytes] = {}
        self.words: dict[str, int] = {}
        """By the id of an event in which a customer said something: which customer."""

    @property
    def is_done(self) -> bool:
        """Whether all it has to tell was taken."""
        return not self._untold

    @property
    def has_told(self) -> bool:
        """Whether anything happened there."""
        return bool(self._told)

    def happens(self, serial: int, now: int) -> str:
        """Something happens there; the id of its event."""
        number, name = self._chance.below(self._n_customers), f"e{serial}"
        who = {
            "ref": f"w{number}", "given_name": f"Given {number}",
            "points": [{"kind": "email", "value": f"c{number}@example.org", "is_verified": True}],
        }  # fmt: skip
        order = f"E-{self._chance.below(N_ORDERS)}"
        fact: dict[str, Any]
        match self._chance.below(4):
            case 0:
                fact = {
                    "fact": "bought", "ref": order, "who": who, "channel": "web",
                    "state": self._chance.pick(STATES), "ordered_at": now, "lines": [],
                    "total_minor": 100, "currency": "EUR",
                    "pickup_store": self._chance.pick(("", "harbour", "mill")),
                }  # fmt: skip
            case 1:
                fact = {"fact": "became", "ref": order, "state": self._chance.pick(STATES)}
            case _:
                self.words[name] = number
                fact = {
                    "fact": "said", "ref": f"s{serial}", "who": who, "channel": "app",
                    "direction": "in", "text": f"words of {name}.",
                }  # fmt: skip
        event = {"id": name, "facts": [{**fact, "at": now}]}
        self._untold[name] = msgspec.json.encode(event)
        return name

    def tells_again(self) -> None:
        """The centre may have forgotten what it was told: all of it once more."""
        self._untold, self._told = {**self._told, **self._untold}, {}

    async def tell(self, now: int, *, is_troubled: bool) -> int:
        """Tell what is not taken yet, in any order; how much of it was."""
        names = sorted(self._untold, key=lambda _: self._chance.below(1_000))
        n_taken = 0
        for name in names:
            what = self._chance.below(10) if is_troubled else 9
            if what == 0:
                continue  # lost on the way
            body = self._untold[name]
            for _ in range(2 if what == 1 else 1):
                is_taken = await self._delivered(body, now)
            if is_taken and what != 2:  # where it is 2, the answer was lost
                self._told[name] = self._untold.pop(name)
                n_taken += 1
        return n_taken

    async def _delivered(self, body: bytes, now: int) -> bool:
        at = now // 1_000_000
        mac = hmac.new(SECRET.encode(), f"{at}.".encode() + body, hashlib.sha256).hexdigest()
        headers = (
            ("content-type", "application/json"),
            ("tapthread-signature", f"t={at},v1={mac}"),
        )
        try:
            response = await self._centre(Request("POST", URL, headers, body))
        except CentreUnreachable:
            return False
        return response.status == 200
