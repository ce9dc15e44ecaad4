"""A Shopify of our own on loopback: signs and sends webhooks, answers the Admin API, and tells by webhook what was changed there.

Its answers are `vendor_servers.ShopifyAdmin`'s; what it sends are the payloads of the adapter's tests. As Shopify does, it sends
once more what was not answered with 2xx, under the same id.
"""

import copy
import hmac
import json
import urllib.error
import urllib.request
from base64 import b64encode
from typing import Any

from tests.support.deliveries import vendor
from tests.support.vendor_servers import Asked, Said, ShopifyAdmin

ITEM = 271878346596884015
"""The inventory item of the payloads' shirt."""

LOCATION = 65432
AGAIN_MAX = 3


class ShopifyPeer(ShopifyAdmin):
    """One shop with an app that listens at an address."""

    SIGNING = "hush"

    def __init__(self) -> None:
        super().__init__()
        self.listener = ""
        self.answers: list[tuple[str, int]] = []
        self._n_sent = 0

    def told(self, topic: str, **changes: Any) -> dict[str, Any]:
        """The payload of a topic, with changes."""
        return {**copy.deepcopy(vendor("shopify").payload(topic)), **changes}

    def send(
        self,
        topic: str,
        body: dict[str, Any] | None = None,
        *,
        as_id: str = "",
        secret: str = "",
    ) -> int:
        """Send a webhook; how it was answered at last."""
        raw = json.dumps(self.told(topic) if body is None else body).encode()
        self._n_sent += 1
        mac = b64encode(hmac.digest((secret or self.SIGNING).encode(), raw, "sha256")).decode()
        headers = {
            "content-type": "application/json",
            "x-shopify-topic": topic,
            "x-shopify-hmac-sha256": mac,
            "x-shopify-shop-domain": "shirts.myshopify.com",
            "x-shopify-webhook-id": as_id or f"w-{self._n_sent}",
        }
        status = 0
        for _ in range(AGAIN_MAX):
            status = _posted(self.listener, raw, headers)
            self.answers.append((topic, status))
            if 200 <= status < 300:
                break
        return status

    def answer(self, asked: Asked) -> Said:
        """As the Admin API; a stock that was set there is told by a webhook, as Shopify tells of every change."""
        before = dict(self.available)
        said = super().answer(asked)
        for (item, place), count in self.available.items():
            if self.listener and before.get((item, place)) != count:
                self.send(
                    "inventory_levels/update",
                    self.told(
                        "inventory_levels/update",
                        inventory_item_id=int(item.rpartition("/")[2]),
                        location_id=int(place.rpartition("/")[2]),
                        available=count,
                        updated_at="2026-12-31T08:00:00Z",
                    ),
                )
        return said


def _posted(url: str, body: bytes, headers: dict[str, str]) -> int:
    request = urllib.request.Request(url, body, headers, method="POST")
    try:
        with urllib.request.urlopen(request, timeout=20) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        with error:
            return int(error.code)
