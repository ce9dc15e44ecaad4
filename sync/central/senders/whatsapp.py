"""WhatsApp Cloud API: free text within 24 hours after the customer wrote, an approved template after.

    secrets     access: the permanent access key of a system account
    options     phone_id: id of the shop's number at Meta; api_url (https://graph.facebook.com/v22.0),
                template_KIND: approved template for a kind of message, `name` or `name/language`; template_text for any other

The vendor documents no key that makes sending again the same as once, and no call that lists or finds what was sent. So one whose
answer was lost is not sent again by itself: it is unsure, and a person decides. Our id travels as `biz_opaque_callback_data`, which
its reports repeat: a report that comes, before or after, settles it.

Source: Meta, WhatsApp Business Platform, Cloud API, "Messages" and "Error codes" (v22.0).
"""

from typing import Any, Final

from sync.central.channels.adapter import Settings
from sync.central.senders.sender import (
    Later,
    Message,
    Never,
    NoReply,
    Outcome,
    Reply,
    Sent,
    Steps,
    Unsure,
    at,
    base_url,
    is_lost,
    json_call,
    later_of,
    option,
    retry_after_ms,
    words_of,
)

SERVES: Final = ("whatsapp",)
API_URL: Final = "https://graph.facebook.com/v22.0"
TEXT_MAX: Final = 4_096

RATE_LIMITS: Final = frozenset({4, 80007, 130429, 131048, 133016})
"""Too much of everything; wait. 131056 is too much to one customer."""
PAIR_LIMIT: Final = 131056
PASSING: Final = frozenset({1, 2, 131000, 131016, 131057, 133004})
"""Unknown, unavailable, overloaded, in maintenance."""
NOT_LET_IN: Final = frozenset({0, 3, 10, 190, 368, 131005, 131031, 131042})
"""Our key, our rights or our account; everything waits until somebody mends that."""
WINDOW_OVER: Final = 131047


def is_ready(settings: Settings) -> bool:
    """Whether messages can go out through this channel."""
    return bool(option(settings, "phone_id") and settings.secrets.get("access"))


def template_for(kind: str, settings: Settings) -> str:
    """Name of the template for a kind of message, maybe with its language behind a slash; "" for none."""
    return option(settings, f"template_{kind}") or option(settings, "template_text")


def send(message: Message, settings: Settings) -> Steps:
    """Send one message."""
    if message.unknown_at:
        return Unsure("WhatsApp: nobody knows whether it went before this centre stopped")
    body: dict[str, Any] = {
        "messaging_product": "whatsapp",
        "recipient_type": "individual",
        "to": message.to.lstrip("+"),
        "biz_opaque_callback_data": message.id,
    }
    if message.template:
        body |= {"type": "template", "template": _template(message)}
    else:
        body |= {
            "type": "text",
            "text": {"body": message.text[:TEXT_MAX], "preview_url": False},
        }
    url = f"{base_url(settings, API_URL)}/{option(settings, 'phone_id')}/messages"
    headers = {"authorization": f"Bearer {settings.secrets.get('access', '')}"}
    reply = yield json_call("POST", url, body, headers)
    return _outcome(reply)


def _template(message: Message) -> dict[str, Any]:
    name, _, language = message.template.partition("/")
    template: dict[str, Any] = {
        "name": name,
        "language": {"code": language or message.language or "en"},
    }
    if message.params:
        places = [{"type": "text", "text": text} for text in message.params]
        template["components"] = [{"type": "body", "parameters": places}]
    return template


def _outcome(reply: Reply | NoReply) -> Outcome:
    if is_lost(reply):
        why = reply.reason if isinstance(reply, NoReply) else f"status {reply.status}"
        return Unsure(f"WhatsApp: {why}; it may have arrived", is_whole=True)
    if isinstance(reply, NoReply):
        return later_of(reply, name="WhatsApp") or Later("WhatsApp")
    said = reply.json()
    code = at(said, "error", "code")
    if isinstance(code, int):
        return _of_error(code, said, reply)
    later = later_of(reply, name="WhatsApp")
    if later is not None:
        return later
    ref = at(said, "messages", 0, "id")
    if reply.status == 200 and isinstance(ref, str) and ref:
        return Sent(ref)
    return Never(f"WhatsApp answered something unknown (status {reply.status})")


def _of_error(code: int, said: Any, reply: Reply) -> Outcome:
    words = words_of(at(said, "error", "error_data", "details")) or words_of(
        at(said, "error", "message")
    )
    reason = f"WhatsApp {code}: {words}"
    if code in RATE_LIMITS:
        return Later(reason, after_ms=retry_after_ms(reply), is_whole=True)
    if code in NOT_LET_IN or 200 <= code < 300:
        return Later(reason, is_whole=True)
    if code == PAIR_LIMIT or code in PASSING:
        return Later(reason, after_ms=retry_after_ms(reply))
    return Never(reason)
