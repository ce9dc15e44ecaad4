"""Text messages by Twilio.

    secrets     auth: the account's auth key
    options     account: its SID; from: the shop's number in E.164, or messaging_service: SID of a service;
                api_url (https://api.twilio.com), status_url: where Twilio tells what becomes of a message

Twilio documents no key that makes sending again the same as once; it lists what was sent to a number. So one whose answer was lost
is looked for there first, by its text and time, and sent again only once it was not listed for LOOK_S; a call is long over by
then. Two messages of one text to one number within SKEW_S are taken for one.

Source: Twilio documentation, "Messages resource" (API 2010-04-01: create, read multiple: To, PageSize; date_created is RFC 2822,
direction "outbound-api") and "Error and warning dictionary".
"""

from base64 import b64encode
from email.utils import parsedate_to_datetime
from typing import Final
from urllib.parse import quote, urlencode

from sync.central.channels.adapter import Settings
from sync.central.senders.sender import (
    AnyReply,
    Call,
    Later,
    Message,
    Never,
    NoReply,
    Reply,
    Sent,
    Steps,
    at,
    base_url,
    is_lost,
    later_of,
    option,
    words_of,
)

SERVES: Final = ("phone",)
API_URL: Final = "https://api.twilio.com"
TEXT_MAX: Final = 1_600

LOOK_S: Final = 600
"""How long a message of which nobody knows is looked for before it is sent again."""

SKEW_S: Final = 5
"""How far our clock and Twilio's may be apart."""

LISTED: Final = 50
"""Messages of the list that are looked at, the newest."""


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
    if message.unknown_at:
        asked = urlencode({"To": message.to, "PageSize": LISTED})
        listed = yield Call(
            "GET", f"{url}?{asked}", {"authorization": headers["authorization"]}
        )
        found = _found(listed, message)
        if found is not None:
            return found
    reply = yield Call("POST", url, headers, urlencode(fields).encode())
    if is_lost(reply):
        why = reply.reason if isinstance(reply, NoReply) else f"status {reply.status}"
        return Later(f"Twilio: {why}; it is looked for", is_whole=True, is_unknown=True)
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


def _found(reply: AnyReply, message: Message) -> Sent | Later | None:
    """What the list of messages says of one; None where it was looked for long enough and is not there."""
    messages = at(reply.json(), "messages") if isinstance(reply, Reply) else None
    if not isinstance(messages, list):
        why = reply.reason if isinstance(reply, NoReply) else f"status {reply.status}"
        said = f"Twilio: {why}; it is looked for"
        return Later(said, is_whole=True, is_unknown=True, is_looked_for=True)
    for one in messages:
        ref = at(one, "sid")
        is_ours = str(at(one, "direction") or "").startswith("outbound")
        is_it = str(at(one, "body") or "").strip() == message.text[:TEXT_MAX].strip()
        is_then = _created(at(one, "date_created")) >= message.unknown_at - SKEW_S
        if is_ours and is_it and is_then and isinstance(ref, str) and ref:
            return Sent(ref)
    if message.now_s - message.unknown_at < LOOK_S:
        said = "Twilio does not list it yet; it is looked for again"
        return Later(said, is_unknown=True, is_looked_for=True)
    return None


def _created(text: object) -> int:
    """Seconds since 1970; 0 for what is no time."""
    try:
        return int(parsedate_to_datetime(text).timestamp()) if isinstance(text, str) else 0
    except (ValueError, TypeError, OverflowError):
        return 0
