"""Odoo: sale orders, tickets, stock and partners, by an automation rule with the action "Send Webhook Notification".

Odoo signs nothing, and sends `_model`, `_id`, `_action` and just the fields that were chosen in the rule: for each model those
that are listed below at its mapping, of related records their number and name. The address it calls holds a secret of ours, so
it must be TLS. A copy is known by model, number and `write_date`: choose that field in every rule.

    secrets     address: the value of `?secret=` in the address given to Odoo, address_old...
    options     currency: of the company, where `currency_id` was not chosen
                stores: "WH/Stock=harbour": place by the name of a stock location
                channel_of_team: "Website=web, Shop=store": channel by the name of the sales or helpdesk team

Source: https://www.odoo.com/documentation/18.0/applications/studio/automated_actions.html (webhook notifications),
https://www.odoo.com/documentation/18.0/developer/reference/external_api.html (models, and how related records are written).
"""

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

from sync.central.channels.adapter import Delivery, Event, Settings, Unmapped
from sync.central.channels.facts import (
    AnyFact,
    Bought,
    Known,
    Point,
    Problem,
    Stocked,
    Who,
)
from sync.central.channels.parts import (
    REF_MAX,
    Json,
    check_shared,
    decoded,
    digest_of,
    pairs_of,
    query_of,
    secrets_of,
)

STATES: Final = {
    "draft": "placed", "sent": "placed", "sale": "paid", "done": "shipped", "cancel": "cancelled",
}  # fmt: skip
"""State of an order by that of a sale order."""


class Odoo:
    """One file an adapter: verify, greeting, events, facts, in this order everywhere."""

    name = "odoo"

    def verify(self, delivery: Delivery, settings: Settings) -> None:
        """The address has our secret."""
        check_shared(query_of(delivery).get("secret", ""), secrets_of(settings, "address"))

    def greeting(self, delivery: Delivery, settings: Settings) -> bytes | None:  # noqa: ARG002
        """There is none."""
        return None

    def events(self, delivery: Delivery, settings: Settings) -> tuple[Event, ...]:  # noqa: ARG002
        """One a delivery."""
        body = Json(decoded(delivery.body))
        model, number, at = (
            body.need_text("_model"),
            body.need_ref("_id"),
            body.when("write_date"),
        )
        mark = str(at) if at else digest_of(delivery.body)
        return (Event(f"{model}:{number}:{mark}", model, at, body.value),)

    def facts(self, event: Event, settings: Settings) -> tuple[AnyFact, ...]:
        """By model."""
        mapping = MODELS.get(event.type)
        if mapping is None:
            raise Unmapped(f"no mapping for the model {event.type!r}")
        return tuple(mapping(Json(_without_false(event.body)), settings, event.at))


ADAPTER: Final = Odoo()


def _without_false(body: dict[str, Any]) -> dict[str, Any]:
    """Odoo writes an empty field as false."""
    return {name: None if value is False else value for name, value in body.items()}


def _related(body: Json, field: str) -> tuple[str, str]:
    """Number and name of a related record: 7, [7, "Maya"] or {"id": 7, "display_name": "Maya"}; "" for none."""
    found = body.at(field)
    match found.value:
        case None:
            return "", ""
        case [number, name]:
            pair = Json({"id": number, "name": name}, found.path)
            return pair.ref("id"), pair.text("name")
        case dict():
            return found.ref("id"), found.text("display_name") or found.text("name")
        case _:
            return body.ref(field), ""


def _order(order: Json, settings: Settings, at: int) -> Iterator[AnyFact]:
    """Fields: name, state, date_order, write_date, amount_total, currency_id, partner_id, team_id."""
    _, code = _related(order, "currency_id")
    currency = code or settings.options.get("currency", "")
    amount = Json({"c": currency, "a": order.at("amount_total").value}, "sale.order")
    partner, name = _related(order, "partner_id")
    _, team = _related(order, "team_id")
    yield Bought(
        ref=order.need_ref("name"),
        at=at,
        who=_who(partner, name),
        also=(f"order:{order.need_ref('_id')}",),
        channel=pairs_of(settings.options.get("channel_of_team", "")).get(team)
        or settings.channel
        or "web",
        state=STATES.get(order.need_text("state"), "placed"),
        ordered_at=order.when("date_order"),
        lines=(),
        total_minor=amount.money("a", amount.currency("c")),
        currency=currency,
    )


def _ticket(ticket: Json, settings: Settings, at: int) -> Iterator[AnyFact]:
    """Fields of helpdesk.ticket: name, partner_id, partner_email, partner_phone, close_date, create_date, write_date, team_id."""
    partner, name = _related(ticket, "partner_id")
    _, team = _related(ticket, "team_id")
    yield Problem(
        ref=f"ticket:{ticket.need_ref('_id')}",
        at=at,
        who=_who(
            partner,
            name or ticket.text("partner_name"),
            email=ticket.text("partner_email"),
            phone=ticket.text("partner_phone"),
        ),
        channel=pairs_of(settings.options.get("channel_of_team", "")).get(team)
        or settings.channel
        or "email",
        state="solved" if ticket.has("close_date") else "open",
        topic=ticket.need_text("name"),
        opened_at=ticket.when("create_date"),
    )


def _stock(quant: Json, settings: Settings, at: int) -> Iterator[AnyFact]:
    """Fields of stock.quant: product_id, location_id, available_quantity, write_date."""
    _, product = _related(quant, "product_id")
    _, place = _related(quant, "location_id")
    if not product or not place or len(product) > REF_MAX or len(place) > REF_MAX:
        raise Unmapped("stock.quant without the names of product and location")
    article = product[1:].partition("]")[0] if product.startswith("[") else product
    count = quant.amount("available_quantity") if quant.has("available_quantity") else None
    yield Stocked(
        ref=article,
        at=at,
        place=pairs_of(settings.options.get("stores", "")).get(place, f"odoo:{place}"),
        count=None if count is None else int(count),
    )


def _partner(partner: Json, settings: Settings, at: int) -> Iterator[AnyFact]:  # noqa: ARG001
    """Fields of res.partner: name, email, phone, mobile, street, zip, city, write_date."""
    ref = partner.need_ref("_id")
    who = _who(
        ref,
        partner.text("name"),
        email=partner.text("email"),
        phone=partner.text("mobile") or partner.text("phone"),
        address=partner,
    )
    yield Known(ref=ref, at=at, who=who)


def _who(
    ref: str, name: str, *, email: str = "", phone: str = "", address: Json | None = None
) -> Who:
    given, _, family = name.partition(" ")
    return Who(
        ref=ref,
        given_name=given,
        family_name=family,
        points=(
            *((Point("email", email),) if email else ()),
            *((Point("phone", phone),) if phone else ()),
        ),
        street=address.text("street") if address else "",
        postcode=address.text("zip") if address else "",
        city=address.text("city") if address else "",
    )


MODELS: Final[Mapping[str, Callable[[Json, Settings, int], Iterator[AnyFact]]]] = {
    "sale.order": _order,
    "helpdesk.ticket": _ticket,
    "stock.quant": _stock,
    "res.partner": _partner,
}
"""By `_model`."""
