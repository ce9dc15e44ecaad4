"""`tapthread watch`: who waits, in words, with a status a timer can ring by."""

import json
from functools import partial
from pathlib import Path

import msgspec
import pytest
import typer

from hardware.clock import SystemClock
from hardware.moments import micros_of
from kiosk.commands import watch
from kiosk.commands.options import EXIT_DATABASE
from sync.central import alerts, device_rows
from sync.central.hellos import DISK_LOW_SIZE
from sync.central.transaction import Transaction
from sync.model import promises
from sync.model.records import Case, Customer, Interaction, Promise, Record, Stock
from sync.model.row import row_of
from tests.support.centre import new_device, open_centre

HOUR_US = 3_600 * 1_000_000


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A data folder whose centre knows that Priya wrote 71 hours ago and Tom was answered."""
    centre = open_centre(tmp_path / "centre")
    now = micros_of(SystemClock().now())
    wrote = Interaction(
        id="p", at=now - 71 * HOUR_US, channel="whatsapp", direction="in", by="Priya", text="Hello?",
        due_at=now - 47 * HOUR_US,
    )  # fmt: skip
    answered = [
        msgspec.structs.replace(
            wrote, id=f"t{index}", channel="email", at=now - 50 * HOUR_US, answered_at=now - 48 * HOUR_US
        )
        for index in range(6)
    ]  # fmt: skip
    bodies: list[tuple[str, Record]] = [
        ("priya", Customer(id="priya", given_name="Priya")),
        ("priya", wrote),
        *((f"tom{index}", body) for index, body in enumerate(answered)),
    ]
    centre.put_rows(row_of(body, owner=owner, as_of=now, source="x") for owner, body in bodies)
    centre.close()
    return tmp_path


def test_who_waits_longer_than_promised_is_named_and_the_status_says_so(
    data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(typer.Exit) as ended:
        watch.run(data=data)

    said = capsys.readouterr().out
    assert ended.value.exit_code == watch.EXIT_LATE
    assert said.splitlines()[0] == (
        "All stores: Asked twice 0   Unanswered 1   Contradictions 0   Promises broken 0"
    )
    assert "WhatsApp     1 waits, 1 of them late" in said
    assert said.splitlines()[2].endswith("the longest due first: 1 unanswered past the time")
    assert "! Priya: WhatsApp not answered, due " in said
    assert said.rstrip().endswith(", 47 h late")


def test_each_channel_gets_a_verdict_with_its_reason(
    data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    watch.run(data=data, report=True)  # a report that was asked for is no alarm

    email, whatsapp, promised = capsys.readouterr().out.splitlines()
    assert "6 contacts of 6 customers (86%), answered 6, half within 2 h" in email
    assert email.endswith("keep (customers are answered here)")
    assert "1 contact of 1 customer (14%)" in whatsapp
    assert "nobody was answered, late 1" in whatsapp
    assert whatsapp.endswith("too few to say (fewer than 5 contacts)")
    assert promised == "Nothing was promised on a case."


def test_a_broken_promise_rings_and_is_counted_though_somebody_promised_again(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    centre = open_centre(tmp_path / "centre")
    now = micros_of(SystemClock().now())
    bill = Case(
        "c", "C-1", "open", "bill", now - 60 * HOUR_US, "phone",
        promise=Promise("Ana", "an answer", now - 39 * HOUR_US),
    )  # fmt: skip
    again = Promise("Ben", "a mail", now + 30 * HOUR_US, op="b", at=now)
    bodies = (Customer(id="tom", given_name="Tom"), promises.with_promise(bill, again))
    centre.put_rows(row_of(body, owner="tom", as_of=now, source="x") for body in bodies)
    centre.close()

    with pytest.raises(typer.Exit) as ended:
        watch.run(data=tmp_path)
    said = capsys.readouterr().out
    watch.run(data=tmp_path, report=True)
    report = capsys.readouterr().out

    assert ended.value.exit_code == watch.EXIT_LATE
    assert "Promises broken 1" in said.splitlines()[0]
    assert "the longest due first: 1 promise past its time" in said
    assert "! Tom: C-1, Ana promised: an answer, due " in said
    assert "39 h late (promised 2 times, 1 broken; again for " in said
    assert "Promised 2 times on 1 case, 1 broken (the oldest for " in report
    assert report.rstrip().endswith("more than once on 1; still owed on 1")


def test_who_waits_for_an_answer_and_for_what_was_promised_is_named_once(
    data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    centre = open_centre(data / "centre")
    now = micros_of(SystemClock().now())
    bag = Case(
        "c", "C-1", "open", "bag", now - 60 * HOUR_US, "chat", promise=Promise("Ana", "a bag", now - HOUR_US)
    )  # fmt: skip
    centre.put_rows([row_of(bag, owner="priya", as_of=now, source="x")])
    centre.close()

    with pytest.raises(typer.Exit):
        watch.run(data=data)
    lines = capsys.readouterr().out.splitlines()

    at = next(index for index, line in enumerate(lines) if line.startswith("  ! Priya: "))
    assert lines[at + 1].startswith("      and C-1, Ana promised: a bag, due ")
    assert sum("Priya" in line for line in lines) == 1


def test_help_says_with_what_it_ends() -> None:
    said = watch.run.__doc__ or ""

    assert "Ends with 3" in said
    assert "with --report always with 0" in said


def test_programs_get_one_object(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(typer.Exit):
        watch.run(data=data, as_json=True)

    found = json.loads(capsys.readouterr().out)
    assert found["sins"]["unanswered"] == 1
    assert [it["code"] for it in found["alarms"]] == ["late"]
    assert {it["channel"]: it["verdict"] for it in found["report"]} == {
        "email": "keep",
        "whatsapp": "",
    }


def test_what_was_wrong_with_a_mailbox_is_said_in_a_sentence(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    centre = open_centre(tmp_path / "centre")
    now = micros_of(SystemClock().now())
    centre._parts.write(lambda it: alerts.add(it, "mailbox_away", "mail", at=now))
    centre._parts.write(
        lambda it: alerts.add(it, "mailbox_away", "old", at=now - 200 * HOUR_US)
    )
    centre.close()

    watch.run(data=tmp_path)

    said = capsys.readouterr().out
    assert ": The mailbox of mail cannot be read: no mail of customers comes in." in said
    assert "of old" not in said


def test_a_device_with_little_room_is_named_with_what_it_has(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    centre = open_centre(tmp_path / "centre")
    sizes = (120_000_000, 52_000_000_000, -1)
    low, *_ = devices = [new_device(centre) for _ in sizes]
    for device, size in zip(devices, sizes, strict=True):
        centre._parts.write(partial(with_room, device.device_id, size))
    centre.close()

    watch.run(data=tmp_path)
    said = capsys.readouterr().out
    watch.run(data=tmp_path, as_json=True)
    listed = json.loads(capsys.readouterr().out)["devices"]

    (line,) = [line for line in said.splitlines() if "free on its disk" in line]
    assert line.startswith(
        f"  * kiosk of harbour, {low.device_id[:39]}…: 120 MB free on its disk"
    )
    assert {it["id"]: it["free_size"] for it in listed} == {
        device.device_id: size for device, size in zip(devices, sizes, strict=True)
    }
    assert DISK_LOW_SIZE == watch.DISK_LOW_SIZE


def with_room(device: str, free_size: int, transaction: Transaction) -> None:
    known = device_rows.device(transaction.read.sql, device)
    assert known is not None
    device_rows.put_device(transaction, msgspec.structs.replace(known, free_size=free_size))


def test_every_alarm_of_the_watch_has_words() -> None:
    assert set(watch._COUNTED) == {
        "late", "window_closing", "promise_broken", "promise_due",
    }  # fmt: skip


def test_nobody_waits(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    open_centre(tmp_path / "centre").close()

    watch.run(data=tmp_path)

    assert capsys.readouterr().out.splitlines()[-1] == "Nobody waits."


def test_a_folder_without_a_centre_is_said(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(typer.Exit) as ended:
        watch.run(data=tmp_path)

    assert ended.value.exit_code == EXIT_DATABASE
    assert "There is no centre" in capsys.readouterr().err


def test_web_and_shelf_are_compared_by_the_store_the_brand_names(
    data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    centre = open_centre(data / "centre")
    now = micros_of(SystemClock().now())
    counts = (
        Stock("tent@web", "tent", "web", 4, now),
        Stock("tent@harbour", "tent", "harbour", 1, now),
    )
    centre.put_rows(row_of(one, owner="", as_of=now, source="x") for one in counts)
    centre.close()

    def contradictions() -> int:
        with pytest.raises(typer.Exit):
            watch.run(data=data, as_json=True)
        found: int = json.loads(capsys.readouterr().out)["sins"]["contradictions"]
        return found

    before = contradictions()
    (data / "centre" / "brand.toml").write_text('home = "harbour"\n')

    assert (before, contradictions()) == (0, 1)
