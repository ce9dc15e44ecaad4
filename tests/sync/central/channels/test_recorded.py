"""Channels we only listen to: each vendor's documented shapes, its signature, and what is understood of them."""

import hmac
import json
from base64 import b64encode
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

import pytest

from sync.central.channels.adapter import Delivery, Event, Forged, Settings, Unmapped
from sync.central.channels.facts import (
    AnyFact,
    Bought,
    Called,
    Delivered,
    Forget,
    Known,
    Point,
    Priced,
    Problem,
    Said,
    Sold,
    Stocked,
    Who,
)
from sync.central.channels.registry import ADAPTERS
from sync.model.records import OrderLine

PAYLOADS: Final = Path(__file__).parent / "payloads"
SECRET: Final = "test-secret"
NOW_S: Final = 1_783_080_000
"""3 July 2026, 12:00 UTC."""

Headers = Mapping[str, str]


def mac(body: bytes, digest: str = "sha256", secret: str = SECRET) -> bytes:
    return hmac.digest(secret.encode(), body, digest)


def base64(raw: bytes) -> str:
    return b64encode(raw).decode()


def _hub(body: bytes, now_s: int) -> Headers:
    del now_s
    return {"x-hub-signature-256": f"sha256={mac(body).hex()}"}


def _woocommerce(body: bytes, now_s: int) -> Headers:
    del now_s
    return {"x-wc-webhook-signature": base64(mac(body)), "x-wc-webhook-delivery-id": "d-1"}


def _zendesk(body: bytes, now_s: int) -> Headers:
    told = f"2026-07-03T12:00:{now_s - NOW_S:02}Z" if now_s >= NOW_S else "2026-07-03T11:00:00Z"
    return {
        "x-zendesk-webhook-signature": base64(mac(told.encode() + body)),
        "x-zendesk-webhook-signature-timestamp": told,
    }


def _zammad(body: bytes, now_s: int) -> Headers:
    del now_s
    return {"x-hub-signature": f"sha1={mac(body, 'sha1').hex()}"}


def _x(body: bytes, now_s: int) -> Headers:
    del now_s
    return {"x-twitter-webhooks-signature": f"sha256={base64(mac(body))}"}


def _tiktok(body: bytes, now_s: int) -> Headers:
    return {"tiktok-signature": f"t={now_s},s={mac(f'{now_s}.'.encode() + body).hex()}"}


def _bearer(body: bytes, now_s: int) -> Headers:
    del body, now_s
    return {"authorization": f"Bearer {SECRET}"}


def _none(body: bytes, now_s: int) -> Headers:
    del body, now_s
    return {}


SIGNED: Final[Mapping[str, Callable[[bytes, int], Headers]]] = {
    "whatsapp": _hub, "meta": _hub, "woocommerce": _woocommerce, "zendesk": _zendesk, "zammad": _zammad, "x": _x,
    "tiktok": _tiktok, "asterisk": _bearer, "odoo": _none, "reviews": _none,
}  # fmt: skip
"""How each vendor signs."""

NAME_OF: Final = {
    "whatsapp": "app", "meta": "app", "tiktok": "app", "x": "consumer", "asterisk": "bearer", "odoo": "address",
    "reviews": "address",
}  # fmt: skip
"""What its secret is called; "signing" for the others."""

IN_ADDRESS: Final = frozenset(("odoo", "reviews"))
"""Vendors that sign nothing: a secret in the address."""

TIMED: Final = frozenset(("zendesk", "tiktok"))
"""Vendors that sign the time."""


def settings(adapter: str, **options: str) -> Settings:
    secrets = {NAME_OF.get(adapter, "signing"): SECRET, "verify": "our-word"}
    return Settings(name=f"our-{adapter}", adapter=adapter, secrets=secrets, options=options)


def delivery(adapter: str, body: bytes, *, signed_s: int = NOW_S, **more: str) -> Delivery:
    url = f"https://centre.example/in/our-{adapter}"
    if adapter in IN_ADDRESS:
        url += f"?secret={SECRET}"
    headers = {
        **SIGNED[adapter](body, signed_s),
        **{k.replace("_", "-"): v for k, v in more.items()},
    }
    return Delivery(body=body, headers=headers, url=url, now=NOW_S)


def read(path: str) -> bytes:
    found = [
        it for it in PAYLOADS.joinpath(path).parent.iterdir() if it.stem == Path(path).name
    ]
    found = found or [PAYLOADS / path]
    return found[0].read_bytes()


def taken(path: str, **options: str) -> tuple[tuple[Event, tuple[AnyFact, ...]], ...]:
    """Every event of a payload, with its facts."""
    adapter = path.partition("/")[0]
    known, ours = ADAPTERS[adapter], settings(adapter, **options)
    topic = Path(path).name.removesuffix(".json")
    came = delivery(adapter, read(path), x_wc_webhook_topic=topic)
    known.verify(came, ours)
    return tuple((event, known.facts(event, ours)) for event in known.events(came, ours))


def facts(path: str, **options: str) -> list[AnyFact]:
    return [fact for _, found in taken(path, **options) for fact in found]


RECORDED: Final = sorted(
    f"{it.parent.name}/{it.name.removesuffix('.json')}"
    for adapter in SIGNED
    for it in (PAYLOADS / adapter).iterdir()
)


# Signatures, copies, secrets


@pytest.mark.parametrize("path", RECORDED)
def test_what_the_vendor_signed_is_believed_and_one_changed_byte_is_not(path: str) -> None:
    adapter = path.partition("/")[0]
    came = delivery(adapter, read(path))

    ADAPTERS[adapter].verify(came, settings(adapter))

    if adapter not in {*IN_ADDRESS, "asterisk"}:  # these say nothing of their bodies
        forged = Delivery(body=came.body + b" ", headers=came.headers, url=came.url, now=NOW_S)
        with pytest.raises(Forged):
            ADAPTERS[adapter].verify(forged, settings(adapter))


@pytest.mark.parametrize("adapter", sorted(SIGNED))
def test_nothing_is_believed_without_its_signature_or_without_a_secret_of_ours(
    adapter: str,
) -> None:
    signed = delivery(adapter, b"{}")
    bare = Delivery(body=b"{}", url="https://centre.example/in/x", now=NOW_S)

    with pytest.raises(Forged):
        ADAPTERS[adapter].verify(bare, settings(adapter))
    with pytest.raises(Forged):
        ADAPTERS[adapter].verify(signed, Settings(name="n", adapter=adapter))


@pytest.mark.parametrize("adapter", sorted(SIGNED))
def test_a_secret_that_was_changed_counts_beside_the_new_one(adapter: str) -> None:
    name = NAME_OF.get(adapter, "signing")
    both = Settings(name="n", adapter=adapter, secrets={name: "new", f"{name}_old": SECRET})

    ADAPTERS[adapter].verify(delivery(adapter, b"{}"), both)


@pytest.mark.parametrize("adapter", sorted(TIMED))
def test_a_copy_of_an_old_delivery_is_refused_where_the_time_is_signed(adapter: str) -> None:
    old = delivery(adapter, b"{}", signed_s=NOW_S - 3_600)

    with pytest.raises(Forged, match="too long ago"):
        ADAPTERS[adapter].verify(old, settings(adapter))


@pytest.mark.parametrize("path", RECORDED)
def test_the_same_delivery_twice_is_the_same_events(path: str) -> None:
    adapter = path.partition("/")[0]
    came = delivery(adapter, read(path), x_wc_webhook_topic=Path(path).name)

    first = ADAPTERS[adapter].events(came, settings(adapter))
    second = ADAPTERS[adapter].events(came, settings(adapter))

    assert [event.id for event in first] == [event.id for event in second]
    assert len({event.id for event in first}) == len(first) > 0


@pytest.mark.parametrize(
    ("adapter", "query", "answer"),
    [
        (
            "whatsapp",
            "hub.mode=subscribe&hub.verify_token=our-word&hub.challenge=1158201444",
            b"1158201444",
        ),
        (
            "meta",
            "hub.mode=subscribe&hub.verify_token=our-word&hub.challenge=77",
            b"77",
        ),
        (
            "x",
            "crc_token=abc",
            json.dumps(
                {"response_token": "sha256=" + base64(mac(b"abc"))}, separators=(",", ":")
            ).encode(),
        ),
    ],
)
def test_a_vendor_that_asks_first_whether_the_address_is_ours_is_answered(
    adapter: str, query: str, answer: bytes
) -> None:
    came = Delivery(body=b"", method="GET", url=f"https://c.example/in/n?{query}", now=NOW_S)

    assert ADAPTERS[adapter].greeting(came, settings(adapter)) == answer


@pytest.mark.parametrize(
    ("adapter", "query"),
    [
        ("whatsapp", "hub.mode=subscribe&hub.verify_token=guess&hub.challenge=1"),
        ("meta", "hub.verify_token=our-word"),
        ("x", ""),
    ],
)
def test_who_asks_without_the_word_we_agreed_on_is_not_answered(
    adapter: str, query: str
) -> None:
    came = Delivery(body=b"", method="GET", url=f"https://c.example/in/n?{query}", now=NOW_S)

    with pytest.raises(Forged):
        ADAPTERS[adapter].greeting(came, settings(adapter))


# What is understood


LENA: Final = Who(
    ref="4915123456789", given_name="Lena", family_name="Hoffmann",
    points=(Point("phone", "+4915123456789", is_verified=True),),
)  # fmt: skip


def test_whatsapp_text_and_pictures_are_said_and_a_thumb_is_not() -> None:
    text, picture = facts("whatsapp/text")

    assert text == Said(
        ref="wamid.HBgNNDkxNTEyMzQ1Njc4ORUCABIYFDNBMEY0", at=NOW_S * 1_000_000, who=LENA,
        channel="whatsapp", direction="in", by="Lena Hoffmann",
        text="Is my parcel <b>W-1077</b> there?", thread="4915123456789",
    )  # fmt: skip
    assert isinstance(picture, Said)
    assert picture.text == "[photo] the label"


def test_whatsapp_says_what_became_of_our_messages_and_why() -> None:
    first, second = facts("whatsapp/status")

    assert first == Delivered(
        ref="wamid.OURS1", at=(NOW_S + 100) * 1_000_000, state="delivered"
    )
    assert isinstance(second, Delivered)
    assert second.state == "failed"
    assert second.ref == "0190a1b2-0000-7000-8000-00000000000a"
    assert second.reason.startswith("More than 24 hours")


def test_whatsapp_of_another_number_of_the_account_is_not_ours() -> None:
    assert taken("whatsapp/text", number="1") == ()
    assert len(taken("whatsapp/text", number="106540352242922")) == 3


def test_messenger_answers_given_in_metas_inbox_are_ours_and_automatic_ones_are_marked() -> (
    None
):
    asked, automatic, answered, delivered = facts(
        "meta/messenger", automatic_apps="263902037430900"
    )

    assert isinstance(asked, Said)
    assert (asked.channel, asked.direction, asked.text) == (
        "chat", "in", "[image] Do you have this in L?",
    )  # fmt: skip
    assert asked.who == Who(
        ref="9001", points=(Point("handle", "messenger:9001", is_verified=True),)
    )
    assert isinstance(automatic, Said)
    assert (automatic.direction, automatic.is_automatic) == ("out", True)
    assert isinstance(answered, Said)
    assert (answered.direction, answered.is_automatic) == ("out", False)
    assert answered.who == asked.who
    assert delivered == Delivered(ref="m_CCC", at=(NOW_S + 130) * 1_000_000, state="delivered")


def test_instagram_messages_and_comments_are_said_and_deleted_ones_are_not() -> None:
    message, comment = facts("meta/instagram")

    assert isinstance(message, Said)
    assert isinstance(comment, Said)
    assert {message.channel, comment.channel} == {"instagram"}
    assert comment.by == "@priya.n"
    assert comment.who is not None
    assert comment.who.points == (Point("handle", "instagram:5550002", is_verified=True),)


def test_a_woocommerce_order_has_what_each_piece_cost_and_where_it_is_collected() -> None:
    (order,) = facts("woocommerce/order.updated", stores="local_pickup:3=harbour")

    assert isinstance(order, Bought)
    assert order.ref == "W-2027"
    assert order.also == ("order:727",)
    assert order.lines == (
        OrderLine("linen-shirt-m", "Linen shirt M", 2, "", paid_minor=1_596, list_minor=1_995),
    )
    assert (order.total_minor, order.currency, order.code) == (3_192, "EUR", "WELCOME20")
    assert (order.state, order.pickup_store, order.sensitivity) == ("paid", "harbour", "gift")
    assert order.who is not None
    assert order.who.ref == "26"
    assert order.who.points == (
        Point("email", "maya@example.com"),
        Point("phone", "07700 900101", country="GB"),
    )


@pytest.mark.parametrize(
    ("status", "state"),
    [
        ("pending", "placed"),
        ("processing", "paid"),
        ("completed", "shipped"),
        ("cancelled", "cancelled"),
        ("refunded", "returned"),
        ("wc-custom", "placed"),
    ],
)
def test_a_woocommerce_order_is_in_one_of_our_states(status: str, state: str) -> None:
    body = json.loads(read("woocommerce/order.updated"))
    body |= {"status": status, "shipping_lines": []}

    (order,) = ADAPTERS["woocommerce"].facts(
        Event("1", "order.updated", 0, body), settings("woocommerce")
    )

    assert isinstance(order, Bought)
    assert order.state == state


def test_woocommerce_customers_and_products() -> None:
    (customer,) = facts("woocommerce/customer.updated")
    sold, priced, stocked = facts("woocommerce/product.updated", currency="EUR")

    assert isinstance(customer, Known)
    assert customer.who is not None
    assert customer.who.family_name == "Lindqvist"
    assert isinstance(sold, Sold)
    assert (sold.ref, sold.category) == ("linen-shirt-m", "Shirts")
    assert isinstance(priced, Priced)
    assert priced.amount_minor == 3_990
    assert isinstance(stocked, Stocked)
    assert (stocked.place, stocked.count) == ("web", 3)


def test_the_first_word_of_a_new_woocommerce_webhook_says_nothing() -> None:
    came = Delivery(body=b"webhook_id=7", now=NOW_S)

    ADAPTERS["woocommerce"].verify(came, settings("woocommerce"))

    assert ADAPTERS["woocommerce"].events(came, settings("woocommerce")) == ()


def test_a_zendesk_comment_is_what_an_agent_said_in_the_channel_of_the_ticket() -> None:
    case, said = facts("zendesk/ticket.comment_added", topics="password_reset=password reset")

    assert isinstance(case, Problem)
    assert (case.ref, case.state, case.topic) == ("5158", "open", "Password reset again")
    assert isinstance(said, Said)
    assert (said.channel, said.direction, said.by) == ("phone", "out", "Ana")
    assert said.topic == "password reset"
    assert said.who == Who(ref="8447388090777")


def test_a_solved_zendesk_ticket_is_a_solved_case() -> None:
    (case,) = facts("zendesk/ticket.status_changed")

    assert isinstance(case, Problem)
    assert case.state == "solved"


def test_zendesk_says_who_a_number_is_and_passes_on_a_wish_to_be_forgotten() -> None:
    (known,) = facts("zendesk/user.identity_created")
    deleted = json.loads(read("zendesk/user.identity_created"))
    (wish,) = ADAPTERS["zendesk"].facts(
        Event("2", "user.deleted", NOW_S, deleted), settings("zendesk")
    )

    assert isinstance(known, Known)
    assert known.who is not None
    assert known.who.points == (Point("email", "tom.becker@example.com"),)
    assert isinstance(wish, Forget)
    assert wish.who == Who(ref="8447388090777")


def test_a_zammad_article_is_said_without_its_markup_and_its_ticket_is_a_case() -> None:
    case, said = facts("zammad/article", topics="reset=password reset")

    assert isinstance(case, Problem)
    assert (case.ref, case.state, case.channel) == ("20081", "open", "phone")
    assert isinstance(said, Said)
    assert (said.channel, said.direction) == ("email", "in")
    assert said.text.split() == ["My", "employer", "pays.", "When?"]
    assert said.topic == "password reset"


def test_zammads_names_may_be_text_and_notes_stay_among_ourselves() -> None:
    case, said = facts("zammad/older")

    assert isinstance(case, Problem)
    assert (case.state, case.channel) == ("solved", "phone")
    assert isinstance(said, Said)
    assert (said.direction, said.channel) == ("note", "phone")


def test_odoo_orders_tickets_stock_and_partners() -> None:
    (order,) = facts("odoo/sale.order")
    (ticket,) = facts("odoo/helpdesk.ticket", channel_of_team="Phone=phone")
    (stock,) = facts("odoo/stock.quant", stores="WH/Stock=harbour")
    (partner,) = facts("odoo/res.partner")

    assert isinstance(order, Bought)
    assert (order.ref, order.state, order.total_minor) == ("S00042", "paid", 3_192)
    assert order.who is not None
    assert (order.who.ref, order.who.given_name) == ("26", "Maya")
    assert isinstance(ticket, Problem)
    assert (ticket.state, ticket.channel) == ("open", "phone")
    assert isinstance(stock, Stocked)
    assert (stock.ref, stock.place, stock.count) == ("rain-jacket", "harbour", 0)
    assert isinstance(partner, Known)
    assert partner.who is not None
    assert partner.who.points == (
        Point("email", "maya@example.com"),
        Point("phone", "+447700900101"),
    )


def test_posts_to_us_and_our_answers_are_said_and_what_we_post_to_all_is_not() -> None:
    asked, answered = facts("x/post")

    assert isinstance(asked, Said)
    assert (asked.direction, asked.by, asked.channel) == ("in", "@tom_b", "x")
    assert asked.who is not None
    assert asked.who.points == (Point("handle", "x:700100", is_verified=True),)
    assert isinstance(answered, Said)
    assert answered.direction == "out"
    assert answered.who is not None
    assert answered.who.ref == "700100"
    assert answered.thread == asked.ref


def test_a_direct_message_on_x_is_said_by_its_writers_name() -> None:
    (said,) = facts("x/message")

    assert isinstance(said, Said)
    assert (said.by, said.text) == ("Tom Becker", "[attachment] Here is my bill")


def test_a_tiktok_message_is_said_and_one_that_is_cut_short_is_held() -> None:
    (said,) = facts("tiktok/im_receive_msg")

    assert isinstance(said, Said)
    assert (said.channel, said.direction, said.text) == (
        "tiktok",
        "in",
        "Is the blue one back?",
    )
    with pytest.raises(Unmapped, match="im_receive_msg_eu"):
        taken("tiktok/im_receive_msg_eu")


def test_calls_are_answered_dropped_or_ours_and_those_among_ourselves_are_nobodys() -> None:
    answered, dropped, ours = facts("asterisk/Master.csv", queues="700=Support, 201=Ana")

    assert isinstance(answered, Called)
    assert (answered.state, answered.by, answered.lasted_s) == ("answered", "Support", 280)
    assert answered.who == Who(points=(Point("phone", "+447700900102"),))
    assert isinstance(dropped, Called)
    assert dropped.state == "dropped"
    assert isinstance(ours, Called)
    assert (ours.direction, ours.by) == ("out", "Ana")


def test_a_review_is_said_with_its_stars_and_one_that_is_content_asks_for_nothing() -> None:
    (said,) = facts("reviews/service-review-created")
    (content,) = facts("reviews/service-review-created", content_stars="2")

    assert isinstance(said, Said)
    assert said.text == "2 of 5 stars. Asked five times\nNobody answers."
    assert (said.direction, said.about) == ("in", "W-1042")
    assert isinstance(content, Said)
    assert content.direction == "note"


# What is not as documented


def wrong_types(body: Any) -> list[Any]:
    """The same body with each of its values in turn of another type."""
    if isinstance(body, dict):
        return [
            {**body, name: each} for name in body for each in (wrong_types(body[name]) or [[]])
        ]
    if isinstance(body, list):
        return [[each, *body[1:]] for each in wrong_types(body[0])] if body else []
    return [{"it": body}]


@pytest.mark.parametrize("path", [it for it in RECORDED if not it.startswith("asterisk")])
def test_a_value_of_another_type_is_held_with_its_place_and_nothing_else_happens(
    path: str,
) -> None:
    adapter = path.partition("/")[0]
    known, ours = ADAPTERS[adapter], settings(adapter, currency="EUR")
    body = json.loads(read(path))
    if isinstance(body.get("content"), str):
        bodies = [
            {**body, "content": json.dumps(it)}
            for it in wrong_types(json.loads(body["content"]))
        ]
    else:
        bodies = wrong_types(body)
    reasons: list[str] = []

    for each in bodies:
        raw = json.dumps(each).encode()
        came = delivery(adapter, raw, x_wc_webhook_topic=Path(path).name)
        try:
            for event in known.events(came, ours):
                known.facts(event, ours)
        except Unmapped as error:
            reasons.append(str(error))

    assert reasons
    assert max(map(len, reasons)) < 300


@pytest.mark.parametrize("path", [it for it in RECORDED if not it.startswith("asterisk")])
def test_a_field_nobody_knows_changes_nothing(path: str) -> None:
    adapter = path.partition("/")[0]
    known, ours = ADAPTERS[adapter], settings(adapter)
    topic = Path(path).name

    def understood(raw: bytes) -> list[AnyFact] | str:
        came = delivery(adapter, raw, x_wc_webhook_topic=topic)
        try:
            return [fact for it in known.events(came, ours) for fact in known.facts(it, ours)]
        except Unmapped as error:
            return str(error)

    body = json.loads(read(path))

    assert understood(json.dumps({**body, "new_in_2027": [1, {"a": None}]}).encode()) == (
        understood(json.dumps(body).encode())
    )


RECORD: Final = read("asterisk/Master.csv").splitlines(keepends=True)[0]


@pytest.mark.parametrize(
    "body",
    [
        b'"a","b"\n',
        b'"unclosed',
        b"\xff\xfe",
        RECORD.replace(b"300,280", b'"x",280'),
        RECORD.replace(b"2026-07-02 12:05", b"yesterday"),
        RECORD.replace(b"ANSWERED", b"WHO KNOWS"),
        RECORD.replace(b"1783080000.42", b""),
    ],
)
def test_a_line_that_is_no_call_record_is_held(body: bytes) -> None:
    known, ours = ADAPTERS["asterisk"], settings("asterisk")

    def understand() -> list[AnyFact]:
        came = delivery("asterisk", body)
        return [fact for event in known.events(came, ours) for fact in known.facts(event, ours)]

    with pytest.raises(Unmapped):
        understand()
