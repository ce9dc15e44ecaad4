"""What vendors send, signed as they sign it: their payloads by type, and how a delivery is made of one."""

import importlib
import pkgutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import msgspec

from sync.central.channels.adapter import Adapter, Delivery, Event, Settings
from sync.central.channels.facts import AnyFact
from sync.central.channels.registry import ADAPTERS
from tests.support import vendors

PAYLOADS: Final = Path(__file__).parents[1] / "sync/central/channels/payloads"
NOW_S: Final = 1_789_200_000
"""When everything comes: 12 September 2026, 08:00 UTC."""


@dataclass(frozen=True, slots=True)
class Vendor:
    """How one vendor delivers.

    Attributes:
        name: Name of the adapter and of the folder of payloads.
        settings: The channel as its adapter is configured in tests; the secrets are those the vendor signs with.
        deliver: Makes the delivery of a body: (body, type, id, now_s, secret).
        secret: Name of the secret that signs, "" where nothing does: it is taken only from what we read ourselves.
        signs_time: An old delivery is refused.
        held: Types whose events wait for a person, because the vendor leaves out what matters.
        signs_body: A changed one is; otherwise its secret comes along as it is.
        pack: Makes a body of a decoded payload; None where bodies are not made of JSON.
        suffix: Of its payload files.
    """

    name: str
    settings: Settings
    deliver: Callable[[bytes, str, str, int, str], Delivery]
    secret: str = "signing"
    signs_time: bool = False
    signs_body: bool = True
    held: frozenset[str] = frozenset()
    pack: Callable[[Any], bytes] | None = msgspec.json.encode
    suffix: str = "json"

    @property
    def adapter(self) -> Adapter:
        return ADAPTERS[self.name]

    @property
    def types(self) -> tuple[str, ...]:
        """Types there are payloads of: "orders/create"."""
        folder = PAYLOADS / self.name
        found = folder.rglob(f"*.{self.suffix}")
        return tuple(sorted(str(one.relative_to(folder).with_suffix("")) for one in found))

    def raw(self, type_: str) -> bytes:
        """The payload as the file has it."""
        return (PAYLOADS / self.name / f"{type_}.{self.suffix}").read_bytes()

    def payload(self, type_: str) -> Any:
        """The payload, decoded."""
        return msgspec.json.decode(self.raw(type_))

    def body(self, type_: str) -> bytes:
        """The payload as it is sent."""
        return self.pack(self.payload(type_)) if self.pack else self.raw(type_)

    def delivery(
        self,
        type_: str,
        body: bytes | None = None,
        *,
        vendors_id: str = "d-1",
        now_s: int = NOW_S,
        secret: str | None = None,
    ) -> Delivery:
        """A delivery of this type as the vendor sends it, signed at `now_s`."""
        secret = self.settings.secrets.get(self.secret, "") if secret is None else secret
        body = self.body(type_) if body is None else body
        delivery = self.deliver(body, type_, vendors_id, now_s, secret)
        return replace(delivery, now=now_s)

    def take(self, delivery: Delivery, settings: Settings | None = None) -> tuple[Event, ...]:
        """Verify it and open it."""
        settings = settings or self.settings
        self.adapter.verify(delivery, settings)
        return self.adapter.events(delivery, settings)

    def facts(
        self, type_: str, payload: Any = None, options: Mapping[str, str] | None = None
    ) -> tuple[AnyFact, ...]:
        """Everything a delivery of this payload says."""
        settings = replace(self.settings, options={**self.settings.options, **(options or {})})
        body = None
        if payload is not None:
            body = self.pack(payload) if self.pack else payload
        events = self.take(self.delivery(type_, body), settings)
        return tuple(fact for one in events for fact in self.adapter.facts(one, settings))


def vendor(name: str) -> Vendor:
    """The vendor of this name."""
    found: Vendor = importlib.import_module(f"{vendors.__name__}.{name}").VENDOR
    return found


def all_vendors() -> tuple[Vendor, ...]:
    """Every vendor there is a file of."""
    return tuple(vendor(one.name) for one in pkgutil.iter_modules(vendors.__path__))
