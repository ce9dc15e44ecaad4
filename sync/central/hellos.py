"""Hello: a session for a device that may have one, and what it may hold; or, for one that is out, that it holds nothing any more."""

from typing import Final

import msgspec
from cryptography.hazmat.primitives.asymmetric import ec

from sync.central import device_rows, snapshots
from sync.central.device_rows import LineageRecord
from sync.central.enrolment import FINAL_STATES, State, device_lock, scopes_of
from sync.central.gate import denied
from sync.central.moment import Snapshot
from sync.central.parts import Parts, decoded
from sync.central.transaction import Transaction
from sync.model import forms
from sync.model.errors import NotTrusted
from sync.model.ports import Request
from sync.model.signatures import Shared, answer_share, statement_of
from sync.model.wire import Grant, HelloAnswer, HelloRequest

SPREAD_MS_MAX: Final = 600_000
"""After nobody answered, the whole fleet is back within ten minutes."""

SPREAD_PER_DEVICE_MS: Final = 10
"""A hundred hellos a second: a tenth of what one core signs."""


class Hellos:
    """Starts sessions."""

    def __init__(self, parts: Parts, private_key: ec.EllipticCurvePrivateKey) -> None:
        """Over the parts of one centre and its lasting key."""
        self._parts = parts
        self._key = private_key

    def hello(self, request: Request) -> bytes:
        """Start a session; JSON of HelloAnswer."""
        caller = self._parts.gate.admit("hello", request)
        hello = decoded(request.body, HelloRequest)
        device = caller.device
        if hello.device != device.id:
            raise denied("malformed", "device")
        now = self._parts.now
        self._parts.write(lambda it: _seen(it, device.id, now), keys=(device_lock(device.id),))
        with self._parts.store.reading() as snapshot:
            grants = tuple(self._grant(snapshot, scope) for scope in scopes_of(device))
            if forms.behind(hello.reads):  # parts hold every body in its newest form
                grants = tuple(msgspec.structs.replace(it, snapshot=0) for it in grants)
            n_devices = snapshot.count("device")
            life = device_rows.lineage(snapshot.sql, device.id, hello.lineage)
        is_out = State(device.state) in FINAL_STATES
        answer, key = self._shared(
            hello,
            HelloAnswer(
                session="", share="", proof="", store=device.store, server_time=now, grants=grants,
                degraded=forms.degraded(hello.reads),
                spread_ms=min(n_devices * SPREAD_PER_DEVICE_MS, SPREAD_MS_MAX),
                state=device.state if is_out else "",
                knows_token=_is_known(life, hello.token),
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


def _seen(transaction: Transaction, device_id: str, now: int) -> None:
    device = device_rows.device(transaction.read.sql, device_id)
    if device is not None:
        device_rows.put_device(transaction, msgspec.structs.replace(device, seen_at=now))
