"""The bytes of what other systems sent go in the end, by a rule for each state; the line stays, and nothing goes untold."""

import hashlib
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from hardware.clock import FixedClock
from hardware.moments import moment_of
from sync.central import events, retention
from sync.central.centre import Centre
from sync.central.channels.adapter import KEEP_DAYS, Settings
from sync.central.channels.facts import Became
from sync.central.intake import ALERT_GOES
from sync.central.retention import TOLD_DAYS, Kept
from tests.support.centre import open_centre
from tests.support.channels import (
    CHANNELS,
    DAY,
    NOW,
    SHOP,
    bought,
    delivery,
    event,
    intake_of,
    who,
)

DAY_MS = DAY // 1_000


@pytest.fixture
def clock() -> FixedClock:
    return FixedClock(moment_of(NOW))


@pytest.fixture
def centre(
    centre_on: str, request: pytest.FixtureRequest, tmp_path: Path, clock: FixedClock
) -> Iterator[Centre]:
    address = "" if centre_on == "sqlite" else request.getfixturevalue("made_database")
    opened = open_centre(tmp_path / "centre", clock=clock, database=address)
    yield opened
    opened.close()


def send(centre: Centre, *channels: Settings) -> bytes:
    """One event of each state; the bytes of the held one."""
    intake = intake_of(centre, *channels)
    held = delivery(event("held", event_type="broken"))
    intake.deliver("shop", delivery(event("done", bought("W-1", who("17", "Maya")))))
    intake.deliver("shop", delivery(event("ignored")))
    intake.deliver("shop", held)
    intake.deliver("shop", delivery(event("x"), x_word="no"))
    intake.pause("shop", reason="audit")
    intake.deliver(
        "shop", delivery(event("waits", Became(ref="order:9", at=NOW, state="shipped")))
    )
    return held.body


def kept(centre: Centre) -> dict[str, Kept]:
    with centre._parts.store.reading() as snapshot:
        found = snapshot.sql.all("SELECT id FROM event WHERE channel = 'shop'")
        return {
            "forged" if name.startswith("forged") else name: retention.kept_of(
                snapshot.sql, "shop", name
            )
            for (name,) in found
        }


def there(centre: Centre) -> set[str]:
    return {name for name, of in kept(centre).items() if of.is_there}


def alerts(centre: Centre) -> list[str]:
    return [it.device for it in centre.alerts() if it.code == ALERT_GOES]


def test_each_state_has_its_days(centre: Centre, clock: FixedClock) -> None:
    send(centre)
    intake, seen = intake_of(centre), []

    for days in (KEEP_DAYS["forged"], KEEP_DAYS["taken"], KEEP_DAYS["held"]):
        clock.sleep_ms((days - TOLD_DAYS) * DAY_MS + NOW // 1_000 - clock_ms(clock))
        clock.sleep_ms(1_000)
        intake.tidy()
        clock.sleep_ms(TOLD_DAYS * DAY_MS - 2_000)
        intake.tidy()
        before = there(centre)
        clock.sleep_ms(2_000)
        intake.tidy()
        seen.append(before - there(centre))

    assert seen == [{"forged"}, {"done", "ignored"}, {"held", "waits"}]
    with centre._parts.store.reading() as snapshot:
        waits = events.record_of(snapshot.sql, "shop", "waits")
    assert waits is not None
    assert waits.state == "held"  # nobody waits for bytes that are gone


def clock_ms(clock: FixedClock) -> int:
    return int(clock.now().timestamp() * 1_000)


def test_the_line_of_bytes_that_went_says_what_they_were(
    centre: Centre, clock: FixedClock
) -> None:
    body = send(centre)
    intake = intake_of(centre)
    clock.sleep_ms((KEEP_DAYS["held"] - TOLD_DAYS) * DAY_MS + 1_000)
    intake.tidy()
    clock.sleep_ms(TOLD_DAYS * DAY_MS)

    intake.tidy()

    with centre._parts.store.reading() as snapshot:
        record = events.record_of(snapshot.sql, "shop", "held")
    of = kept(centre)["held"]
    assert record is not None
    assert (record.state, record.reason, record.came_at) == (
        "held",
        "plain raised ZeroDivisionError",
        NOW,
    )
    assert of.gone is not None
    assert (of.gone.digest, of.gone.size) == (hashlib.sha256(body).hexdigest(), len(body))
    assert of.gone.gone_at > NOW + KEEP_DAYS["held"] * DAY
    assert intake.deliver("shop", delivery(event("held", event_type="broken"))).n_new == 0


def test_what_waits_for_a_person_never_goes_untold(centre: Centre, clock: FixedClock) -> None:
    send(centre)
    intake = intake_of(centre)
    clock.sleep_ms(
        3 * KEEP_DAYS["held"] * DAY_MS
    )  # nobody ran the centre for a year and a half

    intake.tidy()
    first = (there(centre), alerts(centre))
    with centre._parts.store.reading() as snapshot:
        going = retention.going(snapshot.sql)
    clock.sleep_ms((TOLD_DAYS - 1) * DAY_MS)
    intake.tidy()
    still = there(centre)
    clock.sleep_ms(2 * DAY_MS)
    intake.tidy()

    assert first == ({"held", "waits"}, ["shop"])
    assert going["shop"][0] == 2
    assert going["shop"][1] == NOW + (3 * KEEP_DAYS["held"] + TOLD_DAYS) * DAY
    assert still == {"held", "waits"}
    assert there(centre) == set()
    assert alerts(centre) == ["shop"]  # told once


def test_what_was_told_and_is_taken_after_all_is_kept_as_any_other(
    centre: Centre, clock: FixedClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    send(centre)
    intake = intake_of(centre)
    clock.sleep_ms((KEEP_DAYS["held"] - TOLD_DAYS) * DAY_MS + 1_000)
    intake.tidy()
    intake.resume("shop")
    adapter = intake.adapter("shop")
    monkeypatch.setattr(adapter, "facts", lambda *_: (bought("W-2", who("17")),))

    taken = intake.replay("shop", "held")

    assert taken is not None
    assert taken.state == "done"
    with centre._parts.store.reading() as snapshot:
        assert (
            retention.going(snapshot.sql).get("shop", (0, 0))[0] == 1
        )  # only what waits still


def test_a_channel_may_keep_longer_or_shorter(centre: Centre, clock: FixedClock) -> None:
    shop = keeping(SHOP, {"forged": 60, "taken": 10})
    others = tuple(one for one in CHANNELS if one.name != "shop")
    send(centre, shop, *others)
    intake = intake_of(centre, shop, *others)

    clock.sleep_ms(11 * DAY_MS)
    intake.tidy()
    soon = there(centre)
    clock.sleep_ms(48 * DAY_MS)
    intake.tidy()
    later = there(centre)
    clock.sleep_ms(2 * DAY_MS)
    intake.tidy()

    assert soon == {"held", "waits", "forged"}
    assert later == {"held", "waits", "forged"}
    assert there(centre) == {"held", "waits"}


def keeping(settings: Settings, keep_days: dict[str, int]) -> Settings:
    return Settings(
        settings.name, settings.adapter, settings.channel, settings.secrets, settings.options, keep_days=keep_days
    )  # fmt: skip


def test_who_keeps_longer_from_now_on_keeps_also_what_was_told_already(
    centre: Centre, clock: FixedClock
) -> None:
    send(centre)
    clock.sleep_ms((KEEP_DAYS["held"] - TOLD_DAYS) * DAY_MS + 1_000)
    intake_of(centre).tidy()
    longer = intake_of(centre, keeping(SHOP, {"held": 365}))

    longer.tidy()
    clock.sleep_ms(2 * TOLD_DAYS * DAY_MS)
    longer.tidy()

    assert there(centre) >= {"held", "waits"}


def test_a_round_lets_go_of_more_than_one_transaction_holds(
    centre: Centre, clock: FixedClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    intake = intake_of(centre)
    intake.deliver("shop", delivery(*(event(f"e{n}") for n in range(450))))
    clock.sleep_ms((KEEP_DAYS["taken"] + 1) * DAY_MS)

    n_gone = intake.tidy()

    assert n_gone == 450
    assert there(centre) == set()


def test_headers_and_addresses_are_kept_whole_however_long_they_are(
    centre: Centre, clock: FixedClock
) -> None:
    intake = intake_of(centre)
    long = "ä" * 90_000
    sent = delivery(event("e1", event_type="broken"), x_long=long)

    intake.deliver("shop", sent)

    with centre._parts.store.reading() as snapshot:
        record = events.record_of(snapshot.sql, "shop", "e1")
        raw = events.raw_of(snapshot.sql, "shop", "e1")
    assert record is not None
    assert raw is not None
    assert events.delivery_in(record, raw).headers["x-long"] == long
    taken = intake.replay("shop", "e1")
    assert taken is not None
    assert taken.reason == "plain raised ZeroDivisionError"  # read again as it came


def test_a_text_that_is_cut_says_so(centre: Centre) -> None:
    intake = intake_of(centre)
    ref = "order:" + "9" * 600

    intake.deliver("shop", delivery(event("e1", Became(ref=ref, at=NOW, state="shipped"))))
    intake.deliver("shop", delivery(msgspec.to_builtins({"id": "x" * 9_000}), x_word="no"))

    with centre._parts.store.reading() as snapshot:
        (waiting,) = events.listed(snapshot.sql, "shop", states=("waiting",))
        (forged,) = events.listed(snapshot.sql, "shop", states=("forged",))
    assert len(waiting.reason) == 500
    assert waiting.reason.endswith("9…")
    assert forged.reason.startswith("the word does not fit; of 9,0")
    assert forged.reason.endswith("bytes the first 4,096 are kept")
    order = bought("W-9", who("18", "Maya", "Stone"))
    intake.deliver("shop", delivery(event("e2", msgspec.structs.replace(order, also=(ref,)))))
    intake.take_waiting()
    with centre._parts.store.reading() as snapshot:
        woken = events.record_of(snapshot.sql, "shop", "e1")
    assert woken is not None
    assert woken.state == "done"
