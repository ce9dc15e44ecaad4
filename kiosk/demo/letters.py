"""What other systems send when something happens, in their own documented shapes, signed with the demo's test secrets.

Each function makes one delivery of one channel of `kiosk.demo.channels`; times are microseconds since 1970. The shapes are those
of the adapters' test data (`tests/sync/central/channels/payloads`), cut to what a vendor cannot leave out.
"""

import csv
import hmac
import io
from base64 import b64encode
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from email.message import EmailMessage
from email.utils import format_datetime
from typing import Any, Final
from urllib.parse import urlencode

import msgspec

from hardware.moments import moment_of
from kiosk.demo.channels import (
    ADDRESS,
    INBOXES,
    INSTAGRAM,
    MAIL_SERVER,
    NUMBER,
    PUBLIC,
    SHOP_NUMBER,
    WEB_PLACE,
    secret_of,
)
from kiosk.demo.threads import number
from sync.central.channels.adapter import Delivery
from sync.central.channels.facts import AnyFact
from sync.model.records import Order

SECOND_US: Final = 1_000_000


@dataclass(frozen=True, slots=True)
class Letter:
    """One delivery for one channel.

    Attributes:
        channel: Name of the channel.
        at: When what it tells happened.
    """

    channel: str
    at: int
    delivery: Delivery


@dataclass(frozen=True, slots=True)
class Person:
    """A customer as other systems know them.

    Attributes:
        key: Customer id of the demo; numbers follow from it.
        phone: In E.164, "" for none.
        handle: Of X, "" for none.
    """

    key: str
    given_name: str
    family_name: str
    email: str = ""
    phone: str = ""
    handle: str = ""

    @property
    def name(self) -> str:
        """The whole name."""
        return f"{self.given_name} {self.family_name}".strip()

    def number(self, system: str) -> int:
        """What a system calls them."""
        return number(f"{system} {self.key}", 10**9, 10**10 - 1)


def _iso(at: int) -> str:
    return moment_of(at).isoformat()


def _major(minor: int) -> str:
    whole, cents = divmod(minor, 100)
    return f"{whole}.{cents:02}"


def _mac(name: str, signed: bytes, digest: str = "sha256") -> bytes:
    return hmac.digest(secret_of(name).encode(), signed, digest)


def _json(value: Any) -> bytes:
    return msgspec.json.encode(value)


# --- Our own form -----------------------------------------------------------


def own(
    channel: str, events: Sequence[tuple[str, Sequence[AnyFact]]], *, at: int, now: int
) -> Letter:
    """Facts in our own event form, for whatever speaks it: (id, facts) of each event."""
    told = [{"id": name, "facts": msgspec.to_builtins(tuple(facts))} for name, facts in events]
    body, now_s = _json({"events": told}), now // SECOND_US
    signed = _mac(channel, f"{now_s}.".encode() + body).hex()
    headers = {"tapthread-signature": f"t={now_s},v1={signed}"}
    return Letter(channel, at, Delivery(body, headers, now=now_s))


# --- The web shop -----------------------------------------------------------


def _shopify(topic: str, body: dict[str, Any], *, name: str, at: int, now: int) -> Letter:
    raw = _json(body)
    headers = {
        "x-shopify-topic": topic,
        "x-shopify-webhook-id": f"{name}-{at}",
        "x-shopify-hmac-sha256": b64encode(_mac("web", raw)).decode(),
    }
    return Letter("web", at, Delivery(raw, headers, now=now // SECOND_US))


def _shopper(person: Person) -> dict[str, Any]:
    return {
        "id": person.number("shopify"), "email": person.email or None, "phone": None, "state": "enabled",
        "verified_email": True, "first_name": person.given_name, "last_name": person.family_name,
    }  # fmt: skip


def web_order(order: Order, person: Person, *, pickup: str = "", now: int) -> Letter:
    """An order of the web shop as it stands, `orders/updated`.

    Args:
        order: What was ordered.
        person: By whom.
        pickup: Name of the store it is collected in, "" for one that is sent.
        now: When it is sent.
    """
    is_sent = order.state in ("shipped", "delivered", "ready", "collected")
    shipment = {"delivered": "delivered", "ready": "ready_for_pickup"}.get(order.state)
    lines = [
        {
            "id": index + 1, "title": each.title, "quantity": each.count, "sku": each.product,
            "variant_title": each.variant or None, "price": _major(each.list_minor),
            "discount_allocations": [{"amount": _major((each.list_minor - each.paid_minor) * each.count)}]
            if each.paid_minor != each.list_minor else [],
        }
        for index, each in enumerate(order.lines)
    ]  # fmt: skip
    body = {
        "id": number(f"shopify order {order.id}", 10**12, 10**13), "name": f"#{order.id}",
        "created_at": _iso(order.at), "updated_at": _iso(order.at), "currency": order.currency,
        "total_price": _major(order.total_minor), "source_name": "web", "test": False, "tags": "",
        "email": person.email, "financial_status": "paid",
        "fulfillment_status": "fulfilled" if is_sent else None,
        "fulfillments": [{"status": "success", "shipment_status": shipment}] if is_sent else [],
        "cancelled_at": _iso(order.at) if order.state == "cancelled" else None,
        "discount_codes": [{"code": order.code}] if order.code else [],
        "note_attributes": [{"name": "gift", "value": "yes"}] if order.sensitivity == "gift" else [],
        "shipping_lines": [{"code": pickup, "title": pickup, "delivery_category": "pickup"}] if pickup else [],
        "line_items": lines, "customer": _shopper(person),
    }  # fmt: skip
    return _shopify("orders/updated", body, name=f"order-{order.id}", at=order.at, now=now)


def web_product(
    product: str, title: str, kind: str, price_minor: int, *, at: int, now: int
) -> Letter:
    """A product as the web shop sells it, `products/update`."""
    body = {
        "id": number(f"shopify product {product}", 10**12, 10**13), "title": title, "product_type": kind,
        "updated_at": _iso(at), "tags": "",
        "variants": [{
            "id": number(f"shopify variant {product}", 10**12, 10**13), "sku": product, "title": "Default Title",
            "price": _major(price_minor), "inventory_item_id": item_of(product),
        }],
    }  # fmt: skip
    return _shopify("products/update", body, name=f"product-{product}", at=at, now=now)


def item_of(product: str) -> int:
    """What Shopify calls the stock of a product."""
    return number(f"shopify item {product}", 10**12, 10**13)


def web_stock(product: str, count: int, *, at: int, now: int) -> Letter:
    """How many the web shop shows, `inventory_levels/update`."""
    body = {
        "inventory_item_id": item_of(product),
        "location_id": WEB_PLACE, "available": count, "updated_at": _iso(at),
    }  # fmt: skip
    return _shopify("inventory_levels/update", body, name=f"level-{product}", at=at, now=now)


# --- Chat, web form, X and WhatsApp, through Chatwoot ------------------------


_INBOX_KINDS: Final = {
    "chat": "Channel::WebWidget", "web": "Channel::Api", "whatsapp": "Channel::Whatsapp", "x": "Channel::TwitterProfile",
}  # fmt: skip


def talk(  # noqa: PLR0913  # what a message has
    ref: int, person: Person, channel: str, text: str, *, at: int, now: int, direction: str = "in",
    by: str = "", label: str = "", is_bot: bool = False,
) -> Letter:  # fmt: skip
    """A message in Chatwoot, `message_created`; of staff with `by`, internal where the direction is "note"."""
    is_in = direction == "in"
    conversation = number(f"chatwoot {channel} {person.key}", 1, 10**6)
    source = {"whatsapp": person.phone.lstrip("+"), "x": str(person.number("x"))}.get(
        channel, f"visitor-{person.number('chatwoot visitor')}"
    )
    contact = {
        "id": person.number("chatwoot"), "name": person.name, "email": person.email or None,
        "phone_number": person.phone if channel == "whatsapp" else None,
        "additional_attributes": {"social_profiles": {"twitter": person.handle}},
        "type": "contact",
    }  # fmt: skip
    sender = (
        contact if is_in else {"id": 7, "name": by, "type": "agent_bot" if is_bot else "user"}
    )
    body = {
        "event": "message_created", "id": ref, "content": text, "content_type": "text", "private": direction == "note",
        "message_type": "incoming" if is_in else "outgoing", "created_at": _iso(at), "content_attributes": {},
        "sender": sender, "inbox": {"id": INBOXES[channel]}, "account": {"id": 1, "name": "Tidemark"},
        "conversation": {
            "id": conversation, "inbox_id": INBOXES[channel], "channel": _INBOX_KINDS[channel], "status": "open",
            "contact_inbox": {"source_id": source}, "labels": [label] if label else [],
            "meta": {"sender": contact, "hmac_verified": channel in ("chat", "web")},
        },
    }  # fmt: skip
    return _chatwoot(body, name=f"d-{ref}", at=at, now=now)


def talk_status(ref: int, state: str, *, at: int) -> Letter:
    """Chatwoot tells what became of a message of ours, `message_updated`."""
    body = {
        "event": "message_updated",
        "id": ref,
        "message_type": "outgoing",
        "private": False,
        "status": state,
    }
    return _chatwoot(body, name=f"d-{ref}-{state}", at=at, now=at)


def _chatwoot(body: dict[str, Any], *, name: str, at: int, now: int) -> Letter:
    raw, told = _json(body), str(now // SECOND_US)
    headers = {
        "x-chatwoot-timestamp": told,
        "x-chatwoot-delivery": name,
        "x-chatwoot-signature": "sha256=" + _mac("chat", f"{told}.".encode() + raw).hex(),
    }
    return Letter("chat", at, Delivery(raw, headers, now=now // SECOND_US))


# --- Straight from the networks -----------------------------------------------


def _hub(channel: str, body: dict[str, Any], *, at: int, now: int) -> Letter:
    raw = _json(body)
    headers = {"x-hub-signature-256": "sha256=" + _mac(channel, raw).hex()}
    return Letter(channel, at, Delivery(raw, headers, now=now // SECOND_US))


def _whatsapp(value: dict[str, Any], *, at: int, now: int) -> Letter:
    metadata = {"display_phone_number": "447700900000", "phone_number_id": SHOP_NUMBER}
    change = {
        "field": "messages",
        "value": {"messaging_product": "whatsapp", "metadata": metadata, **value},
    }
    entry = [{"id": "102290129340398", "changes": [change]}]
    return _hub(
        "whatsapp", {"object": "whatsapp_business_account", "entry": entry}, at=at, now=now
    )


def whatsapp(ref: str, person: Person, text: str, *, at: int, now: int) -> Letter:
    """A customer writes to the old WhatsApp number."""
    sender = person.phone.lstrip("+")
    value = {
        "contacts": [{"profile": {"name": person.name}, "wa_id": sender}],
        "messages": [
            {"from": sender, "id": f"wamid.{ref}", "timestamp": str(at // SECOND_US), "type": "text", "text": {"body": text}}
        ],
    }  # fmt: skip
    return _whatsapp(value, at=at, now=now)


def whatsapp_status(ref: str, ours: str, to: str, state: str, *, at: int) -> Letter:
    """Meta tells what became of a message of ours."""
    status = {
        "id": ref, "status": state, "timestamp": str(at // SECOND_US), "recipient_id": to,
        "biz_opaque_callback_data": ours,
    }  # fmt: skip
    return _whatsapp({"statuses": [status]}, at=at, now=at)


def instagram(
    ref: str, person: Person, text: str, *, at: int, now: int, is_ours: bool = False
) -> Letter:
    """A message on Instagram; one of ours comes as an echo."""
    theirs = {"id": str(person.number("instagram"))}
    sender, recipient = ({"id": INSTAGRAM}, theirs) if is_ours else (theirs, {"id": INSTAGRAM})
    message = {"mid": f"m.{ref}", "text": text, **({"is_echo": True} if is_ours else {})}
    told = {
        "sender": sender,
        "recipient": recipient,
        "timestamp": at // 1_000,
        "message": message,
    }
    entry = [{"id": INSTAGRAM, "time": at // 1_000, "messaging": [told]}]
    return _hub("instagram", {"object": "instagram", "entry": entry}, at=at, now=now)


def tiktok(
    ref: str, person: Person, text: str, *, at: int, now: int, is_ours: bool = False
) -> Letter:
    """A message on TikTok."""
    theirs, ours = {"id": str(person.number("tiktok"))}, {"id": "tidemark"}
    content = {
        "message_id": ref, "conversation_id": f"c-{person.number('tiktok')}", "timestamp": at // 1_000, "type": "text",
        "text": {"body": text}, "from": "tidemark" if is_ours else person.key, "to": person.key if is_ours else "tidemark",
        "from_user": ours if is_ours else theirs, "to_user": theirs if is_ours else ours,
    }  # fmt: skip
    body = {
        "client_key": "demo", "event": "im_send_msg" if is_ours else "im_receive_msg", "create_time": at // SECOND_US,
        "user_openid": "tidemark", "content": _json(content).decode(),
    }  # fmt: skip
    raw, told = _json(body), str(now // SECOND_US)
    headers = {
        "tiktok-signature": f"t={told},s={_mac('tiktok', f'{told}.'.encode() + raw).hex()}"
    }
    return Letter("tiktok", at, Delivery(raw, headers, now=now // SECOND_US))


# --- Mails, calls, receipts ---------------------------------------------------


def mail(  # noqa: PLR0913  # what a mail has
    ref: str, person: Person, text: str, *, at: int, now: int, by: str = "", answers: str = ""
) -> Letter:
    """A mail as it lies in the mailbox: of a customer, or of ours with `by`; `answers` is the mail it answers."""
    letter = EmailMessage()
    ours, theirs = f"{by} <{ADDRESS}>", f"{person.name} <{person.email}>"
    letter["From"], letter["To"] = (ours, theirs) if by else (theirs, ADDRESS)
    letter["Date"] = format_datetime(moment_of(at))
    letter["Message-ID"] = f"<{ref}@tidemark.example>"
    if answers:
        letter["References"] = f"<{answers}@tidemark.example>"
        letter["Subject"] = "Re: your letter"
    if not by:
        letter["Authentication-Results"] = (
            f"{MAIL_SERVER}; dmarc=pass header.from={person.email.partition('@')[2]}"
        )
    letter.set_content(text)
    delivery = Delivery(letter.as_bytes(), url="imap:demo", now=now // SECOND_US)
    return Letter("email", at, delivery)


def lost_call(ref: str, person: Person, *, at: int, now: int) -> Letter:
    """Twilio tells of a call that ended after a few seconds."""
    fields = {
        "CallSid": f"CA{ref}", "AccountSid": "ACdemo", "From": person.phone, "To": NUMBER, "Direction": "inbound",
        "CallStatus": "completed", "CallDuration": "4", "StirVerstat": "TN-Validation-Passed-A",
        "Timestamp": format_datetime(_whole(at)),
    }  # fmt: skip
    return _line(fields, at=at, now=now)


def text_status(ref: str, to: str, state: str, *, at: int) -> Letter:
    """Twilio tells what became of a text message of ours."""
    fields = {
        "MessageSid": ref, "AccountSid": "ACdemo", "From": NUMBER, "To": to, "MessageStatus": state,
    }  # fmt: skip
    return _line(fields, at=at, now=at)


def _line(fields: dict[str, str], *, at: int, now: int) -> Letter:
    url = f"{PUBLIC}/line"
    signed = url + "".join(key + fields[key] for key in sorted(fields))
    headers = {"x-twilio-signature": b64encode(_mac("line", signed.encode(), "sha1")).decode()}
    delivery = Delivery(urlencode(fields).encode(), headers, url=url, now=now // SECOND_US)
    return Letter("line", at, delivery)


def _whole(at: int) -> datetime:
    return moment_of(at).replace(microsecond=0)


def receipt(order: Order, *, member: str, store: str, now: int) -> Letter:
    """A till's receipt as CSV, one row a line; the till knows the member by their number."""
    table = io.StringIO()
    rows = csv.writer(table, lineterminator="\n")
    rows.writerow(
        (
            "receipt",
            "at",
            "store",
            "product",
            "title",
            "variant",
            "count",
            "price",
            "total",
            "who",
        )
    )
    for each in order.lines:
        rows.writerow((
            order.id, _iso(order.at), store, each.product, each.title, each.variant, each.count,
            _major(each.list_minor), _major(each.paid_minor * each.count), member,
        ))  # fmt: skip
    body, now_s = table.getvalue().encode(), now // SECOND_US
    headers = {
        "tapthread-signature": f"t={now_s},v1={_mac('till', f'{now_s}.'.encode() + body).hex()}",
        "content-type": "text/csv",
    }
    return Letter("till", order.at, Delivery(body, headers, now=now_s))
