"""Hello: a session for a device that may have one, and what it may hold; or, for one that is out, that it holds nothing any more."""

from typing import Final

import msgspec
from cryptography.hazmat.primitives.asymmetric import ec

from sync.central import alerts, device_rows, snapshots
from sync.central.brand import NO_BRAND, Brand
from sync.central.device_rows import LineageRecord
from sync.central.enrolment import FINAL_STATES, State, device_lock, scopes_of
from sync.central.gate import denied
from sync.central.moment import Snapshot
from sync.central.parts import Parts, decoded
from sync.central.transaction import Transaction
from sync.model import forms, registry
from sync.model.errors import NotTrusted
from sync.model.ports import Request
from sync.model.signatures import Shared, answer_share, statement_of
from sync.model.versions import is_older
from sync.model.wire import Grant, HelloAnswer, HelloRequest

SPREAD_MS_MAX: Final = 600_000
"""After nobody answered, the whole fleet is back within ten minutes."""

SPREAD_PER_DEVICE_MS: Final = 10
"""A hundred hellos a second: a tenth of what one core signs."""


DISK_LOW_SIZE: Final = 200_000_000
"""Bytes free on a device below which a person should know: a busy day may not fit."""

DISK_LOW: Final = "device_disk_low"
OUTDATED: Final = "device_outdated"
"""Codes of alerts, at most one of each a day and device."""

DAY_US: Final = 86_400 * 1_000_000


class Hellos:
    """Starts sessions."""

    def __init__(
        self,
        parts: Parts,
        private_key: ec.EllipticCurvePrivateKey,
        brand: Brand = NO_BRAND,
    ) -> None:
        """Over the parts of one centre and its lasting key; `brand` says how old a program may be."""
        self._parts = parts
        self._key = private_key
        self._brand = brand

    def hello(self, request: Request) -> bytes:
        """Start a session; JSON of HelloAnswer."""
        caller = self._parts.gate.admit("hello", request)
        hello = decoded(request.body, HelloRequest)
        device = caller.device
        if hello.device != device.id:
            raise denied("malformed", "device")
        now = self._parts.now
        is_outdated = is_older(hello.version, self._brand.least_program)
        self._parts.write(
            lambda it: _seen(it, hello, now, is_outdated=is_outdated),
            keys=(device_lock(device.id),),
        )
        is_out = State(device.state) in FINAL_STATES
        if (
            is_outdated and now >= self._brand.least_from and not is_out
        ):  # who is out must hear so
            raise denied("incompatible", "version")
        with self._parts.store.reading() as snapshot:
            grants = tuple(self._grant(snapshot, scope) for scope in scopes_of(device))
            if forms.behind(hello.reads):  # parts hold every body in its newest form
                grants = tuple(msgspec.structs.replace(it, snapshot=0) for it in grants)
            n_devices = snapshot.count("device")
            life = device_rows.lineage(snapshot.sql, device.id, hello.lineage)
        answer, key = self._shared(
            hello,
            HelloAnswer(
                session="", share="", proof="", store=device.store, server_time=now, grants=grants,
                degraded=forms.degraded(hello.reads),
                spread_ms=min(n_devices * SPREAD_PER_DEVICE_MS, SPREAD_MS_MAX),
                state=device.state if is_out else "",
                knows_token=_is_known(life, hello.token),
                unread=registry.unread(hello.writes),
                least_version=self._brand.least_program,
                least_from=self._brand.least_from,
            ),
        )  # fmt: skip
        if is_out:
            said = statement_of(key, device=device.id, state=device.state, server_time=now)
            answer = msgspec.structs.replace(answer, statement=said)
        return msgspec.json.encode(answer)

    def _shared(self, hello: HelloRequest, plain: HelloAnswer) -> tuple[HelloAnswer, bytes]:
        def name(shared: Shared) -> str:
            return self._parts.sessions.named(shared, reads=hello.reads)

        try:
            return answer_share(
                hello.share,
                device=hello.device,
                centre=self._key,
                answer=plain,
                entropy=self._parts.entropy,
                name=name,
            )
        except NotTrusted as error:
            raise denied("malformed", "share") from error

    def _grant(self, snapshot: Snapshot, scope: str) -> Grant:
        known = snapshot.scope(scope)
        if known is None:
            return Grant(scope, self._parts.store.epoch, 0)
        whole = snapshots.usable(snapshot, scope)
        return Grant(scope, known.epoch, known.head, known.count, whole.seq if whole else 0)


def _is_known(life: LineageRecord | None, token: str) -> bool:
    """Whether this centre said that token last, or next to last: the last answer may have been lost."""
    return token in (("",) if life is None else ("", life.token, life.previous))


def _seen(
    transaction: Transaction, hello: HelloRequest, now: int, *, is_outdated: bool
) -> None:
    device = device_rows.device(transaction.read.sql, hello.device)
    if device is None:
        return
    seen = msgspec.structs.replace(
        device, seen_at=now, version=hello.version, free_size=hello.free_size
    )
    device_rows.put_device(transaction, seen)
    if 0 <= hello.free_size < DISK_LOW_SIZE:
        alerts.add(transaction, DISK_LOW, device.id, at=now // DAY_US * DAY_US)
    if is_outdated:
        alerts.add(transaction, OUTDATED, device.id, at=now // DAY_US * DAY_US)
