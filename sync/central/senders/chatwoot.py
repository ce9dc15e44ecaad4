"""Chatwoot: a message in the customer's conversation, or a private note beside it.

    secrets     api_access: the access key of an agent or a bot (header `api_access_token`)
    options     api_url: where Chatwoot is; account: number of the account; serves: which channels' conversations it holds,
                "whatsapp, instagram, chat"; template_KIND as of `whatsapp`, for conversations in WhatsApp;
                card_note: "yes" writes the hand-over card beside each conversation, once a day

A message carries our id in `content_attributes`. One whose answer was lost is first looked for among the last messages of its
conversation, so that it is there once.

Source: Chatwoot developer documentation, Application API 1.1: "Create New Message", "Get messages".
"""

from typing import Any, Final
from urllib.parse import quote

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
    json_call,
    later_of,
    option,
    words_of,
)

SERVES: Final = ("chat",)
OURS: Final = "tapthread_id"
NAME: Final = "Chatwoot"


def is_ready(settings: Settings) -> bool:
    """Whether messages can go out through this channel."""
    return bool(
        option(settings, "api_url")
        and option(settings, "account")
        and settings.secrets.get("api_access")
    )


def send(message: Message, settings: Settings) -> Steps:
    """Put one message or note into its conversation."""
    if not message.thread:
        return Never(f"{NAME}: it belongs to no conversation")
    url = (
        f"{base_url(settings, '')}/api/v1/accounts/{quote(option(settings, 'account'), safe='')}"
        f"/conversations/{quote(message.thread, safe='')}/messages"
    )
    key = {"api_access_token": settings.secrets.get("api_access", "")}
    if message.is_again:
        reply = yield Call("GET", url, key)
        later = _later(reply)
        if later is not None:
            return later
        known = _found(reply, message.id)
        if known:
            return Sent(known)
    body: dict[str, Any] = {
        "content": message.text,
        "message_type": "outgoing",
        "private": message.kind == "note",
        "content_type": "text",
        "content_attributes": {OURS: message.id},
    }
    if message.template:
        name, _, language = message.template.partition("/")
        places = {str(n): text for n, text in enumerate(message.params, 1)}
        body["template_params"] = {
            "name": name,
            "category": "UTILITY",
            "language": language or message.language or "en",
            "processed_params": {"body": places},
        }
    reply = yield json_call("POST", url, body, key)
    later = _later(reply)
    if later is not None:
        return later
    assert isinstance(reply, Reply)
    ref = at(reply.json(), "id")
    if reply.status in (200, 201) and isinstance(ref, int | str):
        return Sent(str(ref))
    words = words_of(at(reply.json(), "error")) or words_of(at(reply.json(), "message"))
    return Never(f"{NAME} refused it ({reply.status}) {words}".strip())


def _later(reply: AnyReply) -> Later | None:
    """Why it does not go now: as with every vendor, and where we are not let in."""
    if isinstance(reply, Reply) and reply.status in (401, 403):
        return Later(f"{NAME} does not let us in ({reply.status})", is_whole=True)
    return later_of(reply, name=NAME)


def _found(reply: Reply | NoReply, message_id: str) -> str:
    """Chatwoot's name of our message, where it is among those; else ""."""
    messages = at(reply.json(), "payload") if isinstance(reply, Reply) else None
    for one in messages if isinstance(messages, list) else ():
        if at(one, "content_attributes", OURS) == message_id:
            return str(at(one, "id") or "")
    return ""
