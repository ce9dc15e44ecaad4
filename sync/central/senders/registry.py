"""Which sender a configured channel has, which channel a message goes through, and who hears of changes. Pure.

options     send: "no" where nothing goes out through a channel that could; serves: "phone, whatsapp", what is answered
            through it where that is not its own channel alone
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from sync.central.channels.adapter import Settings
from sync.central.senders import chatwoot, cloud_event, shopify, smtp, twilio, whatsapp
from sync.central.senders.sender import Message, Steps, Told


@dataclass(frozen=True, slots=True)
class Sender:
    """A way out.

    Attributes:
        serves: Which of `records.CHANNELS` it serves where its settings do not say.
        is_ready: Whether these settings are enough to send.
        send: Its steps.
    """

    serves: tuple[str, ...]
    is_ready: Callable[[Settings], bool]
    send: Callable[[Message, Settings], Steps]


SENDERS: Final = MappingProxyType({
    "email": Sender(smtp.SERVES, smtp.is_ready, smtp.send),
    "whatsapp": Sender(whatsapp.SERVES, whatsapp.is_ready, whatsapp.send),
    "chatwoot": Sender(chatwoot.SERVES, chatwoot.is_ready, chatwoot.send),
    "twilio": Sender(twilio.SERVES, twilio.is_ready, twilio.send),
})  # fmt: skip
"""By the name of the adapter that takes in what comes back the same way."""


@dataclass(frozen=True, slots=True)
class Listener:
    """How another system is told of changes.

    Attributes:
        is_ready: Whether these settings are enough.
        wants: Beginnings of types it wants, () for all.
        deliver: Its steps.
    """

    is_ready: Callable[[Settings], bool]
    wants: Callable[[Settings], tuple[str, ...]]
    deliver: Callable[[Told, Settings], Steps]


LISTENERS: Final = MappingProxyType({
    "cloudevents": Listener(cloud_event.is_ready, cloud_event.wants, cloud_event.deliver),
    "shopify": Listener(shopify.is_ready, shopify.wants, shopify.deliver),
})  # fmt: skip
"""By the name of the adapter that takes in what comes back."""


def listener_of(settings: Settings) -> Listener | None:
    """How this channel hears of changes; None for one that does not."""
    listener = LISTENERS.get(settings.adapter)
    return listener if listener and listener.is_ready(settings) else None


def sender_of(settings: Settings) -> Sender | None:
    """How this channel sends; None for one that only receives."""
    sender = SENDERS.get(settings.adapter)
    is_off = settings.options.get("send", "").strip() == "no"
    return sender if sender and not is_off and sender.is_ready(settings) else None


def serves(settings: Settings) -> tuple[str, ...]:
    """Which of `records.CHANNELS` can be answered through it."""
    sender = sender_of(settings)
    if sender is None:
        return ()
    named = settings.options.get("serves", "") or settings.channel
    return tuple(name.strip() for name in named.split(",") if name.strip()) or sender.serves


def way_for(
    channel: str, channels: Sequence[Settings], *, name: str = "", came_by: str = ""
) -> Settings | None:
    """The configured channel a message goes through; None where there is none.

    Args:
        channel: Which of `records.CHANNELS`.
        channels: All that are configured; the first that serves is taken.
        name: The one it must be, "" for any.
        came_by: Where what it answers came in: that one is taken, where it can send.
    """
    able = [it for it in channels if channel in serves(it) or (name and it.name == name)]
    if name:
        return next((it for it in able if it.name == name and sender_of(it)), None)
    return next((it for it in able if it.name == came_by), able[0] if able else None)
