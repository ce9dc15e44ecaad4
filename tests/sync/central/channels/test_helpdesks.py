"""What a helpdesk writes of the telephone: an SMS is one, and a call stays a call."""

from typing import Any

import pytest

from sync.central.channels.facts import Said
from tests.support.deliveries import all_vendors

VENDORS = {vendor.name: vendor for vendor in all_vendors()}


def said(vendor: str, type_: str, payload: Any) -> Said:
    (found,) = (it for it in VENDORS[vendor].facts(type_, payload) if isinstance(it, Said))
    return found


@pytest.mark.parametrize(("kind", "form"), [("sms", "sms"), ("phone", ""), ("email", "")])
def test_an_article_by_sms_is_an_sms_in_zammad(kind: str, form: str) -> None:
    payload = VENDORS["zammad"].payload("article")
    payload["article"]["type"]["name"] = kind

    assert said("zammad", "article", payload).form == form


@pytest.mark.parametrize(("via", "form"), [("sms", "sms"), ("voice", ""), ("email", "")])
def test_a_ticket_by_sms_is_an_sms_in_zendesk(via: str, form: str) -> None:
    payload = VENDORS["zendesk"].payload("ticket.comment_added")
    payload["detail"]["via"]["channel"] = via

    assert said("zendesk", "ticket.comment_added", payload).form == form
