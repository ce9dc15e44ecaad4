"""What goes out of a centre, seen and settled from the command line."""

import json
from pathlib import Path
from typing import Any

import pytest
import typer

from kiosk.commands import outgoing
from sync.central import changes, outgoing_rows
from sync.central.changes import Subscription
from sync.central.store import Store
from sync.central.transaction import Transaction
from sync.model.operations.correct_stock import CorrectStock
from tests.support import shop
from tests.support.centre import open_centre
from tests.support.sending import NOON, SendingShop, answer


@pytest.fixture
def data(tmp_path: Path) -> Path:
    open_centre(tmp_path / "centre").close()
    store = Store(tmp_path / "centre" / "centre.db", fresh_epoch="")
    harbour = SendingShop(store)
    harbour.put(*shop.lenas_rows())
    harbour.parts.write(
        lambda it: changes.subscribe(it, [Subscription("crm"), Subscription("erp")], now=NOON)
    )
    counted = CorrectStock(product="p1", place="harbour", count=4)
    harbour.push(answer("my words"), shop.operation(counted, op_id="s-1", owner=""))
    harbour.parts.write(_not_taken)
    store.close()
    return tmp_path


def _not_taken(transaction: Transaction) -> None:
    claimed = changes.claim(transaction, "crm", node="n", now=NOON, until=NOON + 9, limit=9)
    for due, _ in claimed:
        changes.note_not_taken(
            transaction, "crm", due.change, node="n", reason="no such product", next_at=0
        )
    outgoing_rows.note_failed(transaction, "a-1", node="n", reason="no such number", now=NOON)


Names = tuple[str, ...]


def _run(data: Path, what: Names, *, as_json: bool, **more: Any) -> None:
    told, name, change = (*what, *("list", "", "")[len(what) :])
    outgoing.run(told, name, change, data=data, as_json=as_json, **more)


def ran(data: Path, capsys: pytest.CaptureFixture[str], *what: str, **more: Any) -> Any:
    _run(data, what, as_json=True, **more)
    return json.loads(capsys.readouterr().out)


def in_words(data: Path, capsys: pytest.CaptureFixture[str], *what: str) -> str:
    _run(data, what, as_json=False)
    return capsys.readouterr().out


def failed(data: Path, capsys: pytest.CaptureFixture[str], *what: str, **more: Any) -> Any:
    with pytest.raises(typer.Exit) as ended:
        _run(data, what, as_json=True, **more)
    return ended.value.exit_code, json.loads(capsys.readouterr().out)["error"]["code"]


def test_what_failed_is_listed_with_its_reason_and_without_its_words(
    data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    said = ran(data, capsys)
    text = in_words(data, capsys)

    (message,) = said["messages"]
    assert (message["id"], message["state"], message["reason"]) == (
        "a-1", "failed", "no such number",
    )  # fmt: skip
    assert "no such number" in text
    assert "my words" not in text + json.dumps(said)
    assert ran(data, capsys, "list", state="sent")["messages"] == []


def test_what_is_out_is_counted_with_how_to_list_it(
    data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    ran(data, capsys, "drop", "a-1", reason="called her")

    text = in_words(data, capsys)
    outgoing.run("list", state="dropped", data=data)
    listed = capsys.readouterr().out

    assert text.splitlines() == ["Messages: 1 dropped", "Of the dropped: --state dropped"]
    assert "a-1" in listed
    assert "--state" not in listed


def test_a_state_there_is_not_is_named_with_those_there_are(
    data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(typer.Exit) as ended:
        outgoing.run("list", state="snet", data=data)

    said = capsys.readouterr().err
    assert ended.value.exit_code == 2
    assert "no message is snet" in said
    assert "delivered" in said


def test_a_message_is_sent_again_and_staff_see_it_waits(
    data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    ran(data, capsys, "retry", "a-1")

    assert ran(data, capsys)["messages"][0]["state"] == "queued"
    store = Store(data / "centre" / "centre.db", fresh_epoch="")
    assert SendingShop(store).message("a-1").delivery == "queued"
    store.close()


def test_what_is_unsure_is_listed_and_a_person_says_that_it_arrived(
    data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    store = Store(data / "centre" / "centre.db", fresh_epoch="")
    harbour = SendingShop(store)
    harbour.push(answer("again", op_id="a-2"))
    harbour.parts.write(
        lambda it: outgoing_rows.note_unsure(it, "a-2", node="n", reason="no answer", now=NOON)
    )
    store.close()

    outgoing.run("list", data=data)
    listed = capsys.readouterr().out
    outgoing.run("arrived", "a-2", data=data)
    outgoing.run("list", data=data)
    after = capsys.readouterr().out
    with pytest.raises(typer.Exit) as ended:
        outgoing.run("arrived", "a-2", data=data)

    assert "a-2  unsure" in listed
    assert "no answer" in listed
    assert "a-2" not in after
    assert ended.value.exit_code == 3


def test_a_message_is_given_up_with_a_reason(
    data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    without = failed(data, capsys, "drop", "a-1")
    ran(data, capsys, "drop", "a-1", reason="called her")

    assert without == (2, "usage")
    assert ran(data, capsys)["counts"] == {"dropped": 1}


def test_what_a_subscriber_did_not_take_is_told_again_or_given_up(
    data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = ran(data, capsys, "changes")
    text = in_words(data, capsys, "changes")
    ran(data, capsys, "replay", "crm", before["dead"][0]["change"])
    after = ran(data, capsys, "changes")
    ran(data, capsys, "discard", "crm")

    assert before["subscribers"] == {"crm": {"dead": 2}, "erp": {"waiting": 2}}
    assert {one["reason"] for one in before["dead"]} == {"no such product"}
    assert "no such product" in text
    assert after["subscribers"]["crm"] == {"dead": 1, "waiting": 1}
    assert ran(data, capsys, "changes")["subscribers"]["crm"] == {"waiting": 1}


@pytest.mark.parametrize(
    ("what", "more", "expected"),
    [
        (("send",), {}, (2, "usage")),
        (("retry",), {}, (2, "usage")),
        (("list", "a-1"), {}, (2, "usage")),
        (("list",), {"state": "lost"}, (2, "usage")),
        (("retry", "a-9"), {}, (3, "none")),
        (("replay", "nobody"), {}, (3, "none")),
    ],
)
def test_a_line_that_makes_no_sense_ends_in_words(
    data: Path,
    capsys: pytest.CaptureFixture[str],
    what: tuple[str, ...],
    more: dict[str, str],
    expected: tuple[int, str],
) -> None:
    assert failed(data, capsys, *what, **more) == expected


def test_without_a_centre_it_says_so(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert failed(tmp_path, capsys) == (6, "no_centre")


def test_nothing_to_say_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    open_centre(tmp_path / "centre").close()
    assert in_words(tmp_path, capsys) == "Messages: none\n"
    assert (
        in_words(tmp_path, capsys, "changes") == "Every subscriber has heard of every change.\n"
    )


def test_what_waits_says_when_it_goes_and_that_whatsapp_takes_a_template_only(
    data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    ran(data, capsys, "retry", "a-1")

    (line,) = in_words(data, capsys, "list").splitlines()[1:]

    assert "goes at " in line
    assert line.endswith(" UTC: as the template, or waits till they write")


def test_a_text_message_is_not_called_a_call(
    data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    store = Store(data / "centre" / "centre.db", fresh_epoch="")
    harbour = SendingShop(store)
    harbour.push(answer("none left", op_id="sms-1", channel="phone"))
    store.close()

    line = next(one for one in in_words(data, capsys).splitlines() if one.startswith("sms-1"))

    assert line.split()[2] == "sms"
