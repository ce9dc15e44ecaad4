"""What other systems hear of: which changes, in which order, signed, once at least, and who is left out."""

import dataclasses
import hashlib
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec
import pytest
from cloudevents.core.bindings.http import HTTPMessage, from_structured_event
from hypothesis import given
from hypothesis import strategies as st

from sync.central import changes, erasure, outgoing_rows, suppressions
from sync.central.changes import said_of
from sync.central.channels import cloudevents
from sync.central.channels.adapter import Delivery, Forged, Settings
from sync.central.outgoing import CLAIM_US, PAUSES_S, Web
from sync.central.senders import cloud_event
from sync.central.senders.sender import AnyCall, AnyReply, Told
from sync.central.store import Store
from sync.central.telling import Telling
from sync.central.transaction import Transaction
from sync.model.operation import Operation
from sync.model.operations.correct_stock import CorrectStock
from sync.model.operations.hand_over_pickup import HandOverPickup
from sync.model.operations.open_case import OpenCase
from sync.model.operations.set_consent import SetConsent
from sync.model.records import (
    Back,
    Band,
    Case,
    Consent,
    ContactPoint,
    Interaction,
    Order,
    OrderLine,
    Pickup,
    Record,
    Stock,
)
from sync.model.row import Row
from tests.support import shop
from tests.support.sending import (
    HOUR_US,
    NOON,
    SECOND_US,
    Killed,
    SendingShop,
    answer,
    channel,
    dies_after,
)
from tests.support.vendor_servers import ShopifyAdmin, Subscriber, running

on_both = pytest.mark.parametrize("store", ["sqlite", "postgresql"], indirect=True)
"""For tests of what the database does; the others need only one."""


@pytest.fixture
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    is_file = getattr(request, "param", "sqlite") == "sqlite"
    where = tmp_path / "centre.db" if is_file else request.getfixturevalue("made_database")
    opened = Store(where, fresh_epoch="e-1")
    yield opened
    opened.close()


@pytest.fixture
def harbour(store: Store) -> SendingShop:
    made = SendingShop(store)
    made.put(*shop.lenas_rows())
    return made


@pytest.fixture(scope="module")
def web() -> Iterator[Web]:
    made = Web(timeout_s=2)
    yield made
    made.close()


@pytest.fixture
def crm() -> Iterator[Subscriber]:
    vendor = Subscriber()
    with running(vendor):
        yield vendor


@pytest.fixture
def admin() -> Iterator[ShopifyAdmin]:
    vendor = ShopifyAdmin()
    with running(vendor):
        yield vendor


TellingOf = Callable[..., Telling]


@pytest.fixture
def telling(web: Web) -> TellingOf:
    def make(
        of: SendingShop, *channels: Settings, carry: Callable[[AnyCall], AnyReply] = web.carry
    ) -> Telling:
        made = Telling(of.parts, channels, carry=carry)
        made.open()
        return made

    return make


def listening(vendor: Subscriber, name: str = "crm", of: str = "", **options: str) -> Settings:
    return channel(name, "cloudevents", of, vendor.settings(**options))


def web_shop(vendor: ShopifyAdmin, **options: str) -> Settings:
    return channel("shop", "shopify", "web", vendor.settings(**options))


def counted(n: int, *, op_id: str = "s-1", at: int = NOON) -> Operation:
    args = CorrectStock(product="p1", place="harbour", count=n)
    return shop.operation(args, op_id=op_id, at=at, owner="")


def write(of: SendingShop, change: Callable[[Transaction], object]) -> None:
    of.parts.write(change)


def n_rows(of: SendingShop, table: str) -> int:
    with of.store.reading() as snapshot:
        return snapshot.count(table)


def dead(of: SendingShop) -> list[tuple[str, str, str]]:
    with of.store.reading() as snapshot:
        return [(due.subscriber, type_, due.reason) for due, type_ in changes.queue(snapshot)]


# Which changes


ORDER = Order("W-1", NOON, "web", "ready", (), 100)
CASE = Case("c", "C-1", "open", "late", NOON, "phone")
STOCK = Stock("p1@harbour", "p1", "harbour", 3, NOON)
BAND = Band("b1", "active")
CONSENT = Consent("lena:marketing", "marketing", is_granted=True, at=NOON)
SAID = Interaction("i", NOON, "email", "in", "Lena", "my secret")


@pytest.mark.parametrize(
    ("before", "after", "type_"),
    [
        (ORDER, msgspec.structs.replace(ORDER, state="collected"), "order.collected"),
        (ORDER, msgspec.structs.replace(ORDER, state="returned"), "order.returned"),
        (ORDER, msgspec.structs.replace(ORDER, back=(Back("p1", 1),)), "order.part_returned"),
        (None, ORDER, "order.changed"),
        (ORDER, msgspec.structs.replace(ORDER, total_minor=5), ""),
        (None, CASE, "case.opened"),
        (CASE, msgspec.structs.replace(CASE, state="solved"), "case.solved"),
        (CASE, msgspec.structs.replace(CASE, state="taken_back"), ""),
        (CASE, msgspec.structs.replace(CASE, next_step="call"), ""),
        (None, STOCK, "stock.changed"),
        (STOCK, msgspec.structs.replace(STOCK, is_doubtful=True), "stock.changed"),
        (STOCK, msgspec.structs.replace(STOCK, counted_at=NOON + 1), ""),
        (BAND, msgspec.structs.replace(BAND, state="blocked"), "band.blocked"),
        (msgspec.structs.replace(BAND, state="blocked"), BAND, "band.unblocked"),
        (None, BAND, ""),
        (None, CONSENT, "consent.changed"),
        (CONSENT, msgspec.structs.replace(CONSENT, at=NOON + 1), ""),
        (None, SAID, "interaction.recorded"),
        (SAID, msgspec.structs.replace(SAID, answered_at=NOON), ""),
    ],
)
def test_what_of_a_row_is_a_change_for_others(
    before: Record | None, after: Record, type_: str
) -> None:
    kinds = {Order: "order", Case: "case", Stock: "stock", Band: "band", Consent: "consent"}

    said = said_of(kinds.get(type(after), "interaction"), before, after)

    assert (said[0] if said else "") == type_


def test_no_word_of_anybodys_and_no_name_leaves_with_a_change() -> None:
    told = said_of("interaction", None, SAID)
    case = said_of("case", None, CASE)

    assert told is not None
    assert case is not None
    text = repr((told, case))
    assert "secret" not in text
    assert "Lena" not in text
    assert "late" not in text


@on_both
def test_what_happens_in_the_store_reaches_a_subscriber_signed(
    harbour: SendingShop, crm: Subscriber, telling: TellingOf
) -> None:
    told = telling(harbour, listening(crm))
    crm.now_s = NOON // SECOND_US
    withdrawn = SetConsent(consent="lena:marketing", purpose="marketing", is_granted=False)
    harbour.push(
        shop.operation(
            HandOverPickup(pickup="pk-1077", order="W-1077", to="Lena"), op_id="h-1"
        ),
        shop.operation(OpenCase(channel="store", topic="torn", by="Ben"), op_id="o-1"),
        shop.operation(withdrawn, op_id="w-1"),
        answer(),
    )

    while told.tell_due():
        pass

    assert sorted(crm.types) == [
        "tapthread.case.opened", "tapthread.consent.changed", "tapthread.interaction.recorded",
        "tapthread.order.collected",
    ]  # fmt: skip
    event = crm.events[crm.types.index("tapthread.order.collected")]
    assert event["subject"] == "order/W-1077"
    assert event["data"] == {
        "customer": "lena", "order": "W-1077", "state": "collected", "channel": "web",
    }  # fmt: skip
    assert n_rows(harbour, "change_due") == 0


def test_a_change_is_an_event_any_library_reads(
    harbour: SendingShop, crm: Subscriber, telling: TellingOf
) -> None:
    told = telling(harbour, listening(crm))
    harbour.push(counted(4))
    told.tell_due()

    (asked,) = crm.asked
    event = from_structured_event(HTTPMessage(dict(asked.headers), asked.body))

    assert event.get_type() == "tapthread.stock.changed"
    assert event.get_data() == {
        "product": "p1", "place": "harbour", "count": 4, "is_doubtful": False,
    }  # fmt: skip
    assert event.get_time() is not None


def test_what_we_send_our_own_adapter_believes_and_a_copy_it_does_not() -> None:
    settings = Settings("x", "cloudevents", "", {"signing": "a secret of sixteen"}, {})
    told = Told("id", "stock.changed", "stock/p1@harbour", 1, NOON, "{}", NOON // SECOND_US)
    headers, body = cloud_event.event_of(told, settings)
    headers["tapthread-signature"] = cloud_event.signature(
        "a secret of sixteen", told.now_s, body
    )
    good = Delivery(body, headers, now=told.now_s)

    cloudevents.ADAPTER.verify(good, settings)
    for bad in (
        dataclasses.replace(good, now=told.now_s + 301),
        dataclasses.replace(good, body=body + b" "),
    ):
        with pytest.raises(Forged):
            cloudevents.ADAPTER.verify(bad, settings)


def test_without_subscribers_nothing_is_written(harbour: SendingShop) -> None:
    harbour.push(counted(4), answer())

    assert (n_rows(harbour, "change"), n_rows(harbour, "change_due")) == (0, 0)


def test_an_operation_that_is_not_applied_changes_nothing_for_others(
    harbour: SendingShop, crm: Subscriber, telling: TellingOf
) -> None:
    told = telling(harbour, listening(crm))
    elsewhere = shop.operation(
        CorrectStock(product="p1", place="mill", count=4), op_id="s-1", owner=""
    )

    harbour.push(elsewhere)
    told.tell_due()

    assert crm.events == []


def test_a_subscriber_hears_only_what_it_wants(
    harbour: SendingShop, crm: Subscriber, telling: TellingOf
) -> None:
    told = telling(harbour, listening(crm, wants="order., tapthread.case."))
    harbour.push(
        counted(4),
        answer(),
        shop.operation(OpenCase(channel="store", topic="torn", by="Ben"), op_id="o-1"),
    )

    told.tell_due()

    assert crm.types == ["tapthread.case.opened"]


def test_what_came_from_a_channel_is_not_told_back_to_it(
    harbour: SendingShop, crm: Subscriber, telling: TellingOf
) -> None:
    told = telling(harbour, listening(crm, "shop2", "web"))
    ready = shop.row(msgspec.structs.replace(ORDER, id="W-9"))

    harbour.put(ready)  # its source is "web"
    harbour.put(msgspec.structs.replace(ready, source="store", key="order/W-8",
                                        body=msgspec.structs.replace(ORDER, id="W-8")))  # fmt: skip
    told.tell_due()

    assert [event["subject"] for event in crm.events] == ["order/W-8"]


# Order, faults, dead letters


@on_both
def test_changes_of_one_subject_keep_their_order_and_others_do_not_wait_for_them(
    harbour: SendingShop, crm: Subscriber, telling: TellingOf
) -> None:
    told = telling(harbour, listening(crm, wants="stock."))
    other = shop.row(Stock("p2@harbour", "p2", "harbour", 7, NOON), owner="")
    for n in (5, 4, 3):
        harbour.put(stock_row(n))
    harbour.put(other)
    crm.fail_next(500)

    told.tell_due()
    meanwhile = [event["subject"] for event in crm.events]
    for _ in range(5):
        harbour.passes(10 * SECOND_US)
        told.tell_due()

    counts = [e["data"]["count"] for e in crm.events if e["subject"] == "stock/p1@harbour"]
    numbers = [e["sequence"] for e in crm.events if e["subject"] == "stock/p1@harbour"]
    assert counts == [5, 4, 3]
    assert numbers == sorted(numbers)
    assert "stock/p1@harbour" not in meanwhile


def test_what_comes_after_a_change_that_is_on_its_way_waits_for_it(
    store: Store, harbour: SendingShop, crm: Subscriber, telling: TellingOf
) -> None:
    def dies(_call: AnyCall) -> AnyReply:
        raise Killed

    dying = telling(harbour, listening(crm, wants="stock."), carry=dies)
    harbour.put(stock_row(5))
    with pytest.raises(Killed):
        dying.tell_due()
    harbour.put(stock_row(4), shop.row(Stock("p2@harbour", "p2", "harbour", 7, NOON), owner=""))

    other = telling(SendingShop(store, seed="other"), listening(crm, wants="stock."))
    other.tell_due()

    assert [event["subject"] for event in crm.events] == ["stock/p2@harbour"]


def test_a_subscriber_that_failed_is_left_alone_for_a_moment(
    harbour: SendingShop, crm: Subscriber, telling: TellingOf
) -> None:
    told = telling(harbour, listening(crm))
    harbour.push(counted(4), answer())
    crm.fail_next(503)

    told.tell_due()
    told.tell_due()
    n_meanwhile = len(crm.asked)
    harbour.passes(10 * SECOND_US)
    told.tell_due()

    assert n_meanwhile == 1
    assert len(crm.events) == 2


def stock_row(n: int) -> Row:
    return shop.row(Stock("p1@harbour", "p1", "harbour", n, NOON + n), owner="")


@on_both
def test_a_subscriber_that_is_away_keeps_nobody_else_waiting(
    harbour: SendingShop, crm: Subscriber, telling: TellingOf
) -> None:
    gone = Subscriber()
    gone.close()
    told = telling(harbour, listening(gone, "away"), listening(crm))
    harbour.push(counted(4), answer())

    told.tell_due()

    assert len(crm.events) == 2
    assert n_rows(harbour, "change_due") == 2
    assert dead(harbour) == []


@on_both
def test_what_a_subscriber_refuses_is_a_dead_letter_that_can_be_sent_again(
    harbour: SendingShop, crm: Subscriber, telling: TellingOf
) -> None:
    told = telling(harbour, listening(crm))
    harbour.push(counted(4))
    crm.fail_next(422, {"error": "unknown product"})

    told.tell_due()
    refused = dead(harbour)
    harbour.passes(HOUR_US)
    told.tell_due()
    n_meanwhile = len(crm.asked)
    write(harbour, lambda it: changes.replay(it, "crm"))
    told.tell_due()

    assert [(name, type_) for name, type_, _ in refused] == [("crm", "stock.changed")]
    assert "unknown product" in refused[0][2]
    assert n_meanwhile == 1
    assert (len(crm.events), dead(harbour)) == (1, [])


@on_both
def test_what_is_never_taken_is_dead_in_the_end(
    harbour: SendingShop, crm: Subscriber, telling: TellingOf
) -> None:
    told = telling(harbour, listening(crm))
    harbour.push(counted(4))

    for pause_s in (*PAUSES_S, 0):
        crm.fail_next(503)
        told.tell_due()
        harbour.passes(2 * pause_s * SECOND_US)

    assert [(name, type_) for name, type_, _ in dead(harbour)] == [("crm", "stock.changed")]
    write(harbour, lambda it: changes.drop(it, "crm"))
    assert dead(harbour) == []


def test_a_subscriber_with_another_secret_loses_nothing(
    harbour: SendingShop, crm: Subscriber, telling: TellingOf
) -> None:
    wrong = crm.settings() | {"secrets": {"signing": "another secret..."}}
    told = telling(harbour, channel("crm", "cloudevents", "", wrong))
    harbour.push(counted(4))

    told.tell_due()

    assert (crm.events, dead(harbour), n_rows(harbour, "change_due")) == ([], [], 1)


@on_both
def test_a_node_that_dies_has_another_tell_again_under_the_same_id(
    store: Store, harbour: SendingShop, crm: Subscriber, telling: TellingOf, web: Web
) -> None:
    dying = telling(harbour, listening(crm), carry=dies_after(web.carry))
    harbour.push(counted(4))
    with pytest.raises(Killed):
        dying.tell_due()

    other = telling(SendingShop(store, at=NOON, seed="other"), listening(crm))
    n_at_once = other.tell_due()
    late = SendingShop(store, at=NOON + CLAIM_US, seed="third")
    telling(late, listening(crm)).tell_due()

    assert n_at_once == 0
    assert len({event["id"] for event in crm.events}) == 1
    assert len(crm.events) == 2
    assert n_rows(harbour, "change_due") == 0


def test_an_answer_that_was_lost_is_sent_again_as_the_same_event(
    harbour: SendingShop, crm: Subscriber, telling: TellingOf
) -> None:
    told = telling(harbour, listening(crm))
    harbour.push(counted(4))
    crm.lose_next()

    told.tell_due()
    harbour.passes(10 * SECOND_US)
    told.tell_due()

    assert len({event["id"] for event in crm.events}) == 1
    assert n_rows(harbour, "change_due") == 0


def test_a_paused_channel_is_told_later(
    harbour: SendingShop, crm: Subscriber, telling: TellingOf
) -> None:
    told = telling(harbour, listening(crm))
    harbour.push(counted(4))
    for state in ("paused", "open"):
        write(
            harbour,
            lambda it, state=state: it.direct().run(  # type: ignore[misc]
                "INSERT INTO channel (name, state, reason, changed_at) VALUES ('crm', :state, '', 1)"
                " ON CONFLICT (name) DO UPDATE SET state = excluded.state",
                state=state,
            ),
        )
        told.tell_due()
        assert len(crm.events) == (state == "open")


@on_both
def test_who_subscribes_no_more_is_told_no_more(
    harbour: SendingShop, crm: Subscriber, telling: TellingOf
) -> None:
    telling(harbour, listening(crm))
    telling(harbour)

    harbour.push(counted(4))

    assert n_rows(harbour, "change_due") == 0


def test_joins_are_told(harbour: SendingShop, crm: Subscriber, telling: TellingOf) -> None:
    told = telling(harbour, listening(crm))

    write(
        harbour,
        lambda it: changes.note_joined(it, kept="lena", folded="l2", joined_id="j", now=NOON),
    )
    told.tell_due()

    assert crm.types == ["tapthread.customer.joined"]
    assert crm.events[0]["data"] == {
        "customer": "lena", "kept": "lena", "folded": "l2", "join": "j",
    }  # fmt: skip


@on_both
def test_who_is_erased_is_in_no_queue_and_others_hear_of_it(
    harbour: SendingShop, crm: Subscriber, telling: TellingOf
) -> None:
    told = telling(harbour, listening(crm))
    harbour.push(answer())

    def erase(transaction: Transaction) -> None:
        outgoing_rows.forget(transaction, "lena")
        changes.forget(transaction, "lena", now=NOON)
        erasure.erase_rows(transaction, "lena", at=NOON)

    write(harbour, erase)
    told.tell_due()

    assert set(crm.types) == {"tapthread.customer.erased", "tapthread.suppression.changed"}
    assert "lena" not in repr([one["data"] for one in crm.events if "digest" in one["data"]])
    assert n_rows(harbour, "outgoing") == 0


@on_both
def test_changes_everybody_took_are_forgotten_after_a_month(
    harbour: SendingShop, crm: Subscriber, telling: TellingOf
) -> None:
    told = telling(harbour, listening(crm))
    harbour.push(counted(4))
    told.tell_due()

    write(harbour, lambda it: changes.tidy(it, now=NOON + changes.KEPT_US))
    n_kept = n_rows(harbour, "change")
    write(harbour, lambda it: changes.tidy(it, now=NOON + changes.KEPT_US + HOUR_US))

    assert (n_kept, n_rows(harbour, "change")) == (1, 0)


# Written back to the web shop


def named(of: SendingShop, ref: str, key: str) -> None:
    write(
        of,
        lambda it: it.direct().run(
            "INSERT INTO named (channel, ref, key) VALUES ('shop', :ref, :key)",
            ref=ref, key=key,
        ),
    )  # fmt: skip


def test_a_count_in_the_store_is_the_web_shops_stock(
    harbour: SendingShop, admin: ShopifyAdmin, telling: TellingOf
) -> None:
    told = telling(harbour, web_shop(admin))
    named(harbour, "inventory_item:77", "product/p1")

    harbour.push(counted(0))
    told.tell_due()

    assert admin.available == {
        ("gid://shopify/InventoryItem/77", "gid://shopify/Location/65432"): 0
    }


@pytest.mark.parametrize(
    "stores",
    ["65432=harbour, Harbour store=harbour", "Harbour store=harbour, 65432=harbour"],
)
def test_a_place_is_written_by_its_number_however_else_it_is_named(
    harbour: SendingShop, admin: ShopifyAdmin, telling: TellingOf, stores: str
) -> None:
    told = telling(harbour, web_shop(admin, stores=stores))
    named(harbour, "inventory_item:77", "product/p1")

    harbour.push(counted(2))
    told.tell_due()

    assert list(admin.available.values()) == [2]


def test_a_doubted_count_is_not_written(
    harbour: SendingShop, admin: ShopifyAdmin, telling: TellingOf
) -> None:
    told = telling(harbour, web_shop(admin))
    named(harbour, "inventory_item:77", "product/p1")
    doubted = CorrectStock(product="p1", place="harbour")

    harbour.push(shop.operation(doubted, op_id="s-1", owner=""))
    told.tell_due()

    assert admin.asked == []


def test_stock_shopify_does_not_know_is_not_written(
    harbour: SendingShop, admin: ShopifyAdmin, telling: TellingOf
) -> None:
    told = telling(harbour, web_shop(admin, stores="65432=mill"))
    harbour.push(counted(2))
    named(harbour, "inventory_item:77", "product/p1")
    told.tell_due()

    assert admin.asked == []
    assert n_rows(harbour, "change_due") == 0


def test_what_shopify_told_is_not_written_back(
    harbour: SendingShop, admin: ShopifyAdmin, telling: TellingOf
) -> None:
    told = telling(harbour, web_shop(admin))
    named(harbour, "inventory_item:77", "product/p1")

    harbour.put(shop.row(STOCK, owner=""))  # its source is "web", the shop's own channel
    told.tell_due()

    assert admin.asked == []


@on_both
def test_a_parcel_that_was_collected_is_fulfilled_once(
    harbour: SendingShop, admin: ShopifyAdmin, telling: TellingOf
) -> None:
    told = telling(harbour, web_shop(admin))
    named(harbour, "order:5001", "order/W-1077")
    admin.lose_next()  # the question
    given = HandOverPickup(pickup="pk-1077", order="W-1077", to="Lena")
    harbour.push(shop.operation(given, op_id="h-1"))

    told.tell_due()
    harbour.passes(10 * SECOND_US)
    told.tell_due()
    with harbour.store.reading() as snapshot:
        (change,) = changes.find(snapshot.sql, all_changes(harbour))
    write(
        harbour, lambda it: it.later(changes.write, msgspec.structs.replace(change, id="again"))
    )
    told.tell_due()

    assert admin.mutations == ["fulfillmentCreate"]
    assert admin.fulfilment_orders["5001"] == {"1": "CLOSED", "2": "CLOSED"}


def all_changes(of: SendingShop) -> list[str]:
    with of.store.reading() as snapshot:
        return [str(line[0]) for line in snapshot.sql.all("SELECT id FROM change")]


def test_a_return_in_the_store_opens_one_in_the_web_shop_once(
    harbour: SendingShop, admin: ShopifyAdmin, telling: TellingOf
) -> None:
    told = telling(harbour, web_shop(admin))
    named(harbour, "order:5001", "order/W-1077")
    row = next(one for one in shop.lenas_rows() if one.key == "order/W-1077")
    assert isinstance(row.body, Order)
    back = msgspec.structs.replace(
        row, body=msgspec.structs.replace(row.body, state="returned"), source="store"
    )

    harbour.put(back)
    told.tell_due()
    with harbour.store.reading() as snapshot:
        (change,) = changes.find(snapshot.sql, all_changes(harbour))
    write(
        harbour, lambda it: it.later(changes.write, msgspec.structs.replace(change, id="again"))
    )
    told.tell_due()

    assert admin.mutations == ["returnCreate"]
    assert admin.returns["5001"][0]["quantity"] == 2
    assert n_rows(harbour, "change_due") == 0


def part_of(row: Row, *back: Back, state: str = "collected") -> Row:
    """The order of two shirts and a pair of socks, of which these came back."""
    assert isinstance(row.body, Order)
    lines = (OrderLine("LS-M", "Linen shirt", 2), OrderLine("SO-1", "Socks"))
    body = msgspec.structs.replace(row.body, state=state, lines=lines, back=back)
    return msgspec.structs.replace(row, body=body, source="store")


def test_what_came_back_of_an_order_is_returned_in_the_web_shop_and_nothing_twice(
    harbour: SendingShop, admin: ShopifyAdmin, telling: TellingOf
) -> None:
    told = telling(harbour, web_shop(admin))
    admin.fulfilled = {"9": ("LS-M", 1), "10": ("LS-M", 1), "11": ("SO-1", 1)}
    named(harbour, "order:5001", "order/W-1077")
    row = next(one for one in shop.lenas_rows() if one.key == "order/W-1077")
    harbour.put(part_of(row))
    told.tell_due()
    seen = []

    for back in (
        (Back("LS-M", 1),),
        (Back("LS-M", 1), Back("SO-1", 1)),
        (Back("LS-M", 1), Back("SO-1", 1)),
    ):
        harbour.put(part_of(row, *back))
        told.tell_due()
        seen.append(
            [
                (it["fulfillmentLineItemId"].rpartition("/")[2], it["quantity"])
                for it in admin.returns["5001"]
            ]
        )
    harbour.put(part_of(row, state="returned"))
    told.tell_due()

    assert seen == [[("9", 1)], [("9", 1), ("11", 1)], [("9", 1), ("11", 1)]]
    assert sum(it["quantity"] for it in admin.returns["5001"]) == 3
    assert dead(harbour) == []


def test_a_change_that_is_told_again_opens_no_second_return(
    harbour: SendingShop, admin: ShopifyAdmin, telling: TellingOf
) -> None:
    told = telling(harbour, web_shop(admin))
    named(harbour, "order:5001", "order/W-1077")
    row = next(one for one in shop.lenas_rows() if one.key == "order/W-1077")
    harbour.put(part_of(row))
    harbour.put(part_of(row, Back("LS-M", 1)))
    told.tell_due()
    with harbour.store.reading() as snapshot:
        *_, change = changes.find(snapshot.sql, all_changes(harbour))
    assert change.type == "order.part_returned"

    again = msgspec.structs.replace(change, id="again")
    write(harbour, lambda it: it.later(changes.write, again))
    told.tell_due()

    assert [it["quantity"] for it in admin.returns["5001"]] == [1]


def test_what_came_back_of_what_the_web_shop_never_sent_is_for_a_person(
    harbour: SendingShop, admin: ShopifyAdmin, telling: TellingOf
) -> None:
    told = telling(harbour, web_shop(admin))
    admin.fulfilled = {}
    named(harbour, "order:5001", "order/W-1077")
    row = next(one for one in shop.lenas_rows() if one.key == "order/W-1077")
    harbour.put(part_of(row))
    told.tell_due()

    harbour.put(part_of(row, Back("LS-M", 1)))
    told.tell_due()

    assert [it[1:] for it in dead(harbour)] == [
        ("order.part_returned", "Shopify: nothing of order order/W-1077 can be returned")
    ]


def test_what_came_back_without_a_sku_is_for_a_person(
    harbour: SendingShop, admin: ShopifyAdmin, telling: TellingOf
) -> None:
    told = telling(harbour, web_shop(admin))
    named(harbour, "order:5001", "order/W-1077")
    row = next(one for one in shop.lenas_rows() if one.key == "order/W-1077")
    harbour.put(part_of(row))
    told.tell_due()

    harbour.put(part_of(row, Back("variant:77", 1)))
    told.tell_due()

    reason = "Shopify: variant:77 has no SKU; open the return there"
    assert dead(harbour) == [("shop", "order.part_returned", reason)]


def test_the_web_shop_asks_to_come_later_and_refuses_in_words(
    harbour: SendingShop, admin: ShopifyAdmin, telling: TellingOf
) -> None:
    told = telling(harbour, web_shop(admin))
    named(harbour, "inventory_item:77", "product/p1")
    harbour.push(counted(2))
    admin.throttle_next()

    told.tell_due()
    throttled = (n_rows(harbour, "change_due"), dead(harbour))
    harbour.passes(10 * SECOND_US)
    wrong = {
        "inventorySetQuantities": {"userErrors": [{"field": [], "message": "not stocked"}]}
    }
    admin.fail_next(200, {"data": wrong})
    told.tell_due()

    assert throttled == (1, [])
    assert dead(harbour) == [("shop", "stock.changed", "Shopify: not stocked")]


@given(body=st.binary(max_size=200), status=st.integers(100, 599))
def test_whatever_the_web_shop_answers_ends_in_an_outcome(body: bytes, status: int) -> None:
    from sync.central.outgoing import run_steps
    from sync.central.senders import shopify
    from sync.central.senders.sender import Later, Never, Reply, Sent

    settings = Settings("shop", "shopify", "web", {"access": "x"}, {"api_url": "http://x", "stores": "1=harbour"})  # fmt: skip
    told = [
        Told("i", "stock.changed", "s", 1, 1, "{}", 1, STOCK, ("inventory_item:7",)),
        Told("i", "order.collected", "s", 1, 1, "{}", 1,
             msgspec.structs.replace(ORDER, state="collected"), ("order:7",)),
        Told("i", "order.returned", "s", 1, 1, "{}", 1,
             msgspec.structs.replace(ORDER, state="returned"), ("order:7",)),
        Told("i", "order.part_returned", "s", 1, 1, "{}", 1,
             msgspec.structs.replace(ORDER, back=(Back("p1", 1),)), ("order:7",)),
    ]  # fmt: skip

    for one in told:
        outcome = run_steps(shopify.deliver(one, settings), lambda _: Reply(status, {}, body))

        assert isinstance(outcome, (Sent, Later, Never))


# Who must not be advertised what


def suppressed(of: SendingShop, digest: str = "") -> list[str]:
    """What holds for Lena's address, or that of somebody else."""
    wanted = digest or suppressions.digest_of("lena@example.org")
    with of.store.reading() as snapshot:
        found = suppressions.since(snapshot.sql, 0, limit=100)
    lines = next((one.lines for one in found if one.digest == wanted), ())
    return [f"{line.reason} {line.product}".strip() for line in lines]


def asking(name: str = "mailer") -> Settings:
    return Settings(name, "cloudevents", "", {"suppressions": "bearer-secret-1234"}, {})


@on_both
def test_mailing_tools_are_told_who_must_not_be_advertised_what(
    harbour: SendingShop, telling: TellingOf
) -> None:
    told = telling(harbour, asking())
    told.make_suppressions()
    first = suppressed(harbour)
    harbour.put(shop.row(CONSENT))
    solved = next(one for one in shop.lenas_rows() if one.key == "case/case-1")
    assert isinstance(solved.body, Case)
    harbour.put(msgspec.structs.replace(solved, body=msgspec.structs.replace(solved.body, state="solved")))  # fmt: skip
    told.make_suppressions()
    second = suppressed(harbour)
    harbour.passes(suppressions.BOUGHT_US)
    told.make_suppressions()

    assert first == ["bought p1", "no_consent", "open_case"]
    assert second == ["bought p1"]
    assert suppressed(harbour) == []


def test_a_withdrawn_consent_and_a_return_suppress(
    harbour: SendingShop, telling: TellingOf
) -> None:
    told = telling(harbour, asking())
    row = next(one for one in shop.lenas_rows() if one.key == "order/W-1077")
    assert isinstance(row.body, Order)
    harbour.put(
        shop.row(msgspec.structs.replace(CONSENT, is_granted=False, at=NOON + 1)),
        msgspec.structs.replace(row, body=msgspec.structs.replace(row.body, state="returned")),
    )

    told.make_suppressions()

    assert suppressed(harbour) == ["no_consent", "open_case", "returned"]


@on_both
def test_who_is_erased_stays_suppressed_and_nobody_can_say_who_it_was(
    harbour: SendingShop, crm: Subscriber, telling: TellingOf
) -> None:
    told = telling(harbour, listening(crm, wants="suppression."))
    told.make_suppressions()

    write(harbour, lambda it: changes.forget(it, "lena", now=NOON))
    while told.tell_due():
        pass

    with harbour.store.reading() as snapshot:
        tables = ("suppression", "suppressed", "suppressed_of", "change", "suppression_due")
        everything = repr([snapshot.sql.all(f"SELECT * FROM {table}") for table in tables])
    assert suppressed(harbour) == ["erased"]
    assert crm.events[-1]["data"]["lines"] == [{"reason": "erased"}]
    assert "lena" not in everything


@on_both
def test_who_could_be_advertised_is_not_once_they_are_erased(
    harbour: SendingShop, telling: TellingOf
) -> None:
    told = telling(harbour, asking())
    mail = ContactPoint("tom-mail", "email", "tom@example.org")
    harbour.put(
        shop.row(mail, owner="tom"),
        shop.row(msgspec.structs.replace(CONSENT, id="tom:marketing"), owner="tom"),
    )
    told.make_suppressions()
    digest = suppressions.digest_of("tom@example.org")
    before = suppressed(harbour, digest)

    write(harbour, lambda it: changes.forget(it, "tom", now=NOON))

    assert before == []
    assert suppressed(harbour, digest) == ["erased"]


@on_both
def test_who_was_erased_and_agrees_anew_may_be_written_to_again(
    harbour: SendingShop, telling: TellingOf
) -> None:
    told = telling(harbour, asking())
    told.make_suppressions()
    write(harbour, lambda it: changes.forget(it, "lena", now=NOON))

    mail = ContactPoint("new-mail", "email", "lena@example.org")
    harbour.put(shop.row(mail, owner="new"))
    told.make_suppressions()
    before = suppressed(harbour)
    harbour.put(shop.row(msgspec.structs.replace(CONSENT, id="new:marketing"), owner="new"))
    told.make_suppressions()

    assert before == ["erased", "no_consent"]
    assert suppressed(harbour) == []


@on_both
def test_an_address_of_two_people_has_what_holds_for_either(
    harbour: SendingShop, telling: TellingOf
) -> None:
    told = telling(harbour, asking())
    mail = ContactPoint("tom-mail", "email", "LENA@example.org ")
    harbour.put(
        shop.row(CONSENT),
        shop.row(mail, owner="tom"),
        shop.row(msgspec.structs.replace(CONSENT, id="tom:marketing"), owner="tom"),
    )

    told.make_suppressions()

    assert suppressed(harbour) == ["bought p1", "open_case"]


def test_an_address_that_is_theirs_no_more_is_free_again(
    harbour: SendingShop, telling: TellingOf
) -> None:
    told = telling(harbour, asking())
    told.make_suppressions()

    harbour.put(shop.row(ContactPoint("lena-mail", "email", "other@example.org")))
    told.make_suppressions()

    assert suppressed(harbour) == []
    assert suppressed(harbour, suppressions.digest_of("other@example.org"))


def test_a_digest_is_of_the_normalised_address_as_mailing_tools_make_it(
    harbour: SendingShop, telling: TellingOf
) -> None:
    told = telling(harbour, asking())
    told.make_suppressions()

    with harbour.store.reading() as snapshot:
        found = suppressions.since(snapshot.sql, 0, limit=10)
    assert {(one.kind, one.digest) for one in found} == {
        ("email", hashlib.sha256(b"lena@example.org").hexdigest()),
        ("phone", hashlib.sha256(b"+491712345678").hexdigest()),
    }


def test_a_subscriber_hears_when_somebody_becomes_suppressed(
    harbour: SendingShop, crm: Subscriber, telling: TellingOf
) -> None:
    told = telling(harbour, listening(crm, wants="suppression."))

    told.make_suppressions()
    told.tell_due()
    told.make_suppressions()
    told.tell_due()

    assert sorted(event["data"]["kind"] for event in crm.events) == ["email", "phone"]
    assert [line["reason"] for line in crm.events[0]["data"]["lines"]] == [
        "bought", "no_consent", "open_case",
    ]  # fmt: skip


@on_both
def test_who_becomes_one_customer_is_looked_at_anew(
    harbour: SendingShop, telling: TellingOf
) -> None:
    told = telling(harbour, asking())
    told.make_suppressions()

    write(
        harbour,
        lambda it: changes.note_joined(it, kept="lena", folded="l2", joined_id="j", now=NOON),
    )

    assert n_rows(harbour, "suppression_due") == 2


def test_a_parcel_row_alone_concerns_no_other_system(
    harbour: SendingShop, crm: Subscriber, telling: TellingOf
) -> None:
    telling(harbour, listening(crm))

    harbour.put(shop.row(Pickup("pk-9", "W-9", "harbour", "ready")))

    assert n_rows(harbour, "change") == 0
