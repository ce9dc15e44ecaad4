"""Text messages by Twilio.

    secrets     auth: the account's auth key
    options     account: its SID; from: the shop's number in E.164, or messaging_service: SID of a service;
                api_url (https://api.twilio.com), status_url: where Twilio tells what becomes of a message

Twilio knows no message by an id of ours: one whose answer was lost is sent again, and the customer may get it twice.

Source: Twilio documentation, "Messages resource" (API 2010-04-01) and "Error and warning dictionary".
"""

from base64 import b64encode
from typing import Final
from urllib.parse import quote, urlencode

from sync.central.channels.adapter import Settings
from sync.central.senders.sender import (
    Call,
    Later,
    Message,
    Never,
    Reply,
    Sent,
    Steps,
    at,
    base_url,
    later_of,
    option,
    words_of,
)

SERVES: Final = ("phone",)
API_URL: Final = "https://api.twilio.com"
TEXT_MAX: Final = 1_600


def is_ready(settings: Settings) -> bool:
    """Whether text messages can go out through this channel."""
    has_sender = option(settings, "from") or option(settings, "messaging_service")
    return bool(option(settings, "account") and settings.secrets.get("auth") and has_sender)


def send(message: Message, settings: Settings) -> Steps:
    """Send one text message."""
    account = option(settings, "account")
    fields = {"To": message.to, "Body": message.text[:TEXT_MAX]}
    service = option(settings, "messaging_service")
    fields |= (
        {"MessagingServiceSid": service} if service else {"From": option(settings, "from")}
    )
    if option(settings, "status_url"):
        fields["StatusCallback"] = option(settings, "status_url")
    basic = b64encode(f"{account}:{settings.secrets.get('auth', '')}".encode()).decode()
    url = f"{base_url(settings, API_URL)}/2010-04-01/Accounts/{quote(account, safe='')}/Messages.json"
    headers = {
        "authorization": f"Basic {basic}",
        "content-type": "application/x-www-form-urlencoded",
    }
    reply = yield Call("POST", url, headers, urlencode(fields).encode())
    later = later_of(reply, name="Twilio")
    if later is not None:
        return later
    assert isinstance(reply, Reply)
    said = reply.json()
    ref = at(said, "sid")
    if reply.status in (200, 201) and isinstance(ref, str):
        return Sent(ref)
    words = f"Twilio {at(said, 'code') or reply.status}: {words_of(at(said, 'message'))}"
    if reply.status in (401, 403):
        return Later(words, is_whole=True)
    return Never(words)
