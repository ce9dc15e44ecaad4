"""All that goes out of a centre, put together as it runs: from an operation to what the vendor tells of it later."""

import hmac
import json
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from hardware.clock import SystemClock
from hardware.disk import SystemDisk
from hardware.entropy import SystemEntropy
from sync.central import brand, joining
from sync.central.apply import apply_operations
from sync.central.centre import Centre
from sync.central.channels.adapter import Delivery, Settings
from sync.central.outward import Outward
from sync.central.senders.sender import AnyCall, AnyReply, Mail, NoReply, Reply
from sync.model.errors import StoreError
from sync.model.ports import Request
from sync.model.records import Customer, Interaction
from tests.support import shop
from tests.support.sending import COUNTER, answer, channel, notice
from tests.support.vendor_servers import Subscriber, WhatsAppCloud, running

APP = "0123456789abcdef"


@pytest.fixture
def meta() -> Iterator[WhatsAppCloud]:
    vendor = WhatsAppCloud()
    vendor.open_windows.add("491712345678")
    with running(vendor):
        yield vendor


def whatsapp(vendor: WhatsAppCloud) -> Settings:
    told = vendor.settings()
    told["secrets"] |= {"app": APP, "suppressions": "bearer-secret-1234"}
    return channel("wa", "whatsapp", "whatsapp", told)


def opened(folder: Path, *channels: Settings) -> Centre:
    return Centre.open(
        folder,
        disk=SystemDisk(),
        clock=SystemClock(),
        entropy=SystemEntropy(),
        channels=channels,
    )


def status_of(state: str, at_s: int, **more: object) -> bytes:
    """What Meta posts when a message of ours moved on."""
    status = {
        "id": "wamid.1", "status": state, "timestamp": str(at_s), "recipient_id": "491712345678", **more,
    }  # fmt: skip
    value = {
        "messaging_product": "whatsapp", "statuses": [status],
        "metadata": {"display_phone_number": "15550", "phone_number_id": "1067"},
    }  # fmt: skip
    change = {"field": "messages", "value": value}
    entry = {"id": "102", "changes": [change]}
    return json.dumps({"object": "whatsapp_business_account", "entry": [entry]}).encode()


def test_what_a_vendor_posts_of_a_message_is_what_staff_see(
    tmp_path: Path, meta: WhatsAppCloud
) -> None:
    centre = opened(tmp_path / "centre", whatsapp(meta))
    parts = centre._parts
    now = parts.now
    wrote = Interaction("in-1", now, "whatsapp", "in", "Lena", "hello?")
    centre.put_rows((*shop.lenas_rows(), shop.row(wrote)), interest=[("harbour", "lena")])
    said = answer(is_now=True, at=now)
    parts.write(lambda it: apply_operations(it, [said], device=COUNTER, now=now))

    centre.outward.work()
    seen = []
    for state in ("read", "delivered"):
        body = status_of(state, now // 1_000_000, biz_opaque_callback_data="a-1")
        mac = hmac.digest(APP.encode(), body, "sha256").hex()
        delivery = Delivery(
            body, {"x-hub-signature-256": f"sha256={mac}"}, now=now // 1_000_000
        )
        seen.append(centre.channels.deliver("wa", delivery).status)
    row = centre.row("interaction/a-1")
    asked = Request(
        "GET", "http://c/out/suppressions", (("authorization", "Bearer bearer-secret-1234"),)
    )
    page = centre.sites["out"].answer(asked)
    centre.close()

    assert seen == [200, 200]
    assert row is not None
    assert isinstance(row.body, Interaction)
    assert row.body.delivery == "read"
    assert page.status == 200
    assert b"no_consent" in page.body


def test_a_mail_is_signed_by_the_brand(tmp_path: Path) -> None:
    sent: list[Mail] = []

    def carry(call: AnyCall) -> AnyReply:
        assert isinstance(call, Mail)
        sent.append(call)
        return Reply(250)

    (tmp_path / "centre").mkdir()
    (tmp_path / "centre" / "brand.toml").write_text(
        'name = "Tidemark"\nsign_off = "Your team"\n'
    )
    centre = opened(tmp_path / "centre")
    found = brand.read_brand(tmp_path / "centre")
    mail = channel(
        "mail", "email", "email", None, **{"smtp_host": "mx", "from": "hi@shop.example"}
    )
    outward = Outward(
        centre._parts, (mail,), sign_off=found.sign_off, brand=found.name, carry=carry
    )
    now = centre._parts.now
    centre.put_rows(shop.lenas_rows())
    told = notice("order", "It is on its way.", channel="email", is_now=True, at=now)
    centre._parts.write(lambda it: apply_operations(it, [told], device=COUNTER, now=now))

    outward.work()
    outward.close()
    centre.close()

    (one,) = sent
    assert one.mail["Subject"] == "Tidemark: Your order"
    assert one.mail.get_content().splitlines() == ["It is on its way.", "", "Your team"]


def test_a_brand_says_where_it_is_to_the_agents_pages(tmp_path: Path) -> None:
    (tmp_path / "brand.toml").write_text('country = "DE"\nzone = "Europe/Berlin"\n')

    found = brand.read_brand(tmp_path)

    assert (found.country, str(brand.zone_of(found))) == ("DE", "Europe/Berlin")
    assert brand.zone_of(brand.NO_BRAND) is None


@pytest.mark.parametrize(
    "text",
    [
        'zone = "Nowhere/City"',
        'zone = "../x"',
        'country = "Germany"',
        "name = 7",
        'name = "a\\u0007"',
        "name = ",
        "\xff",
    ],
)
def test_a_brand_that_does_not_parse_is_said_so(tmp_path: Path, text: str) -> None:
    (tmp_path / "brand.toml").write_text(text, encoding="latin-1")

    with pytest.raises(StoreError):
        brand.read_brand(tmp_path)


def test_a_node_that_goes_down_waits_for_no_vendor(tmp_path: Path) -> None:
    begun, ended = threading.Event(), threading.Event()

    def stuck(_call: AnyCall) -> AnyReply:
        begun.set()
        ended.wait(20)
        return NoReply("stuck", is_maybe_done=True)

    centre = opened(tmp_path / "centre")
    told = WhatsAppCloud.PHONE
    way = Settings("wa", "whatsapp", "whatsapp", {"access": "x"}, {"phone_id": told})
    outward = Outward(centre._parts, (way,), carry=stuck)
    now = centre._parts.now
    wrote = Interaction("in-1", now, "whatsapp", "in", "Lena", "hello?")
    centre.put_rows((*shop.lenas_rows(), shop.row(wrote)))
    said = answer(is_now=True, at=now)
    centre._parts.write(lambda it: apply_operations(it, [said], device=COUNTER, now=now))
    outward.start()
    assert begun.wait(20)

    outward.close()  # returns while the call still hangs
    row = centre.row("interaction/a-1")
    ended.set()
    for thread in outward.threads:
        thread.join(20)
    centre.close()

    assert row is not None
    assert isinstance(row.body, Interaction)
    assert row.body.delivery == "sending"


def test_a_fault_in_one_way_out_stops_no_other(
    tmp_path: Path, meta: WhatsAppCloud, caplog: pytest.LogCaptureFixture
) -> None:
    centre = opened(tmp_path / "centre", whatsapp(meta))
    outward = Outward(centre._parts, (whatsapp(meta),))
    tries = threading.Semaphore(0)

    def broken() -> int:
        tries.release()
        raise ZeroDivisionError

    outward.telling.make_suppressions = broken  # type: ignore[method-assign]
    outward.start()
    for _ in range(2):
        assert tries.acquire(timeout=20), "it is not tried again"
    outward.close()
    centre.close()

    assert "a way out failed" in caplog.text


def test_joining_taking_apart_and_erasing_are_heard_outside(tmp_path: Path) -> None:
    crm = Subscriber()
    with running(crm):
        centre = opened(tmp_path / "centre", channel("crm", "cloudevents", "", crm.settings(wants="customer.")))  # fmt: skip
        parts = centre._parts
        now = parts.now
        tom = shop.row(Customer("tom", "Tom"), owner="tom")
        centre.put_rows((*shop.lenas_rows(), tom))
        said = answer(at=now)
        parts.write(lambda it: apply_operations(it, [said], device=COUNTER, now=now))
        n_queued = centre.count("outgoing")

        joined = parts.write(
            lambda it: joining.join(
                it, "lena", "tom", why="saw both", risk_ppm=0, by="ana", at=now
            )
        )
        parts.write(lambda it: joining.unjoin(it, joined, "ana", at=now + 1))
        for _ in range(2):
            centre.outward.work()
        centre.erase("lena")
        centre.outward.work()
        n_left = centre.count("outgoing")
        centre.close()

    assert (n_queued, n_left) == (1, 0)
    assert crm.types == [
        "tapthread.customer.joined", "tapthread.customer.unjoined", "tapthread.customer.erased",
    ]  # fmt: skip
    assert crm.events[-1]["data"] == {"customer": "lena"}
