"""A change as a signed CloudEvent, structured JSON, for everything that has no sender of its own.

    secrets     send_signing, else signing: at least 16 characters
    options     send_url: where it is posted; wants: beginnings of types it wants, "order., stock.", all when not told;
                source: what we are called there (/tapthread)

Header `Tapthread-Signature: t=<seconds since 1970>,v1=<hex>`; the second is the HMAC-SHA256 of the time, a point and the body,
as we read it ourselves (`channels.parts.check_ours`). A receiver refuses times more than 5 minutes off, and takes an `id` once:
whatever happens to an answer, the same change has the same id. `sequence` counts the changes of a `subject`.

    2xx taken    400 409 413 415 422 refused, a dead letter    410 and all others: later, and nothing else goes there meanwhile

Source: CloudEvents 1.0.2, HTTP Protocol Binding 3.2 (structured mode), Sequence extension; RFC 2104.
"""

import hmac
from typing import Any, Final

import msgspec

from hardware.moments import moment_of
from sync.central.channels.adapter import Settings
from sync.central.senders.sender import (
    Call,
    Later,
    Never,
    Reply,
    Sent,
    Steps,
    Told,
    later_of,
    option,
    words_of,
)

NAME: Final = "the subscriber"
REFUSED: Final = frozenset({400, 409, 413, 415, 422})
SOURCE: Final = "/tapthread"
PREFIX: Final = "tapthread."
"""Before each type, so that a receiver of many systems knows whose it is."""

SIGNATURE: Final = "tapthread-signature"


def is_ready(settings: Settings) -> bool:
    """Whether changes can be sent there."""
    return bool(option(settings, "send_url") and _secret(settings))


def wants(settings: Settings) -> tuple[str, ...]:
    """Beginnings of types it wants; () for all."""
    named = (one.strip() for one in option(settings, "wants").split(","))
    return tuple(one.removeprefix(PREFIX) for one in named if one)


def deliver(told: Told, settings: Settings) -> Steps:
    """Post one change."""
    headers, body = event_of(told, settings)
    headers[SIGNATURE] = signature(_secret(settings), told.now_s, body)
    reply = yield Call("POST", option(settings, "send_url"), headers, body)
    if isinstance(reply, Reply) and 200 <= reply.status < 300:
        return Sent()
    if isinstance(reply, Reply) and reply.status in REFUSED:
        said = words_of(reply.body[:400].decode(errors="replace"))
        return Never(f"{NAME} refused it ({reply.status}) {said}".strip())
    later = later_of(reply, name=NAME)
    if later is not None:
        return Later(later.reason, later.after_ms, is_whole=True)
    assert isinstance(reply, Reply)
    return Later(f"{NAME} answered with status {reply.status}", is_whole=True)


def event_of(told: Told, settings: Settings) -> tuple[dict[str, str], bytes]:
    """Headers and body of the event."""
    from cloudevents.core.bindings.http import to_structured_event  # 36 ms
    from cloudevents.core.v1.event import CloudEvent

    attributes: dict[str, Any] = {
        "specversion": "1.0",
        "id": told.id,
        "source": option(settings, "source") or SOURCE,
        "type": f"{PREFIX}{told.type}",
        "subject": told.subject,
        "time": moment_of(told.at),
        "datacontenttype": "application/json",
        "sequence": f"{told.seq:020d}",
    }
    event = CloudEvent(attributes, msgspec.json.decode(told.body))
    message = to_structured_event(event)
    return {key.lower(): value for key, value in message.headers.items()}, message.body


def signature(secret: str, at_s: int, body: bytes) -> str:
    """The signature of a body sent at that time."""
    mac = hmac.digest(secret.encode(), f"{at_s}.".encode() + body, "sha256").hex()
    return f"t={at_s},v1={mac}"


def _secret(settings: Settings) -> str:
    return settings.secrets.get("send_signing") or settings.secrets.get("signing", "")
