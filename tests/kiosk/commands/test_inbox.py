"""The inbox of the centre: what waits for a person in any store, in words, and settled by one."""

import json
from pathlib import Path
from typing import Any

import msgspec
import pytest
import typer

from kiosk.commands import inbox
from kiosk.commands.options import EXIT_DATABASE
from sync.central.apply import apply_operations
from sync.central.device_rows import DeviceRecord
from sync.central.store import Store
from sync.model.operations.redeem import Redeem
from sync.model.records import Account, Decision
from tests.support import shop
from tests.support.centre import open_centre

POINTS = "account/lena:points"


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A data folder with a centre in which two operations wait."""
    centre = open_centre(tmp_path / "centre")
    centre.put_rows((*shop.lenas_rows(), shop.row(Account("lena:points", 100, "harbour"))))
    centre.close()
    store = Store(tmp_path / "centre" / "centre.db", fresh_epoch="")
    args = Redeem(of=POINTS, amount=80)
    brought = [
        shop.operation(args, op_id="r-1", store="station"),
        msgspec.structs.replace(shop.said(op_id="s-1"), kind="teleport"),
    ]
    device = DeviceRecord("d1", "", "harbour", "counter", "active")
    with store.writing() as transaction:
        apply_operations(transaction, brought, device=device, now=shop.NOON)
        transaction.take_heads(shop.NOON)
    store.close()
    return tmp_path


def ran(data: Path, capsys: pytest.CaptureFixture[str], **options: Any) -> dict[str, Any]:
    inbox.run(data=data, as_json=True, **options)
    said: dict[str, Any] = json.loads(capsys.readouterr().out)
    return said


def failed(data: Path, capsys: pytest.CaptureFixture[str], **options: Any) -> tuple[int, str]:
    with pytest.raises(typer.Exit) as ended:
        inbox.run(data=data, as_json=True, **options)
    return ended.value.exit_code, json.loads(capsys.readouterr().out)["error"]["code"]


def body(data: Path, key: str) -> Any:
    store = Store(data / "centre" / "centre.db", fresh_epoch="")
    with store.reading() as snapshot:
        row = snapshot.row(key)
    store.close()
    return None if row is None else row.body


def test_what_waits_is_listed_in_words_with_what_was_recorded(
    data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    first, second = ran(data, capsys)["inbox"]

    assert (first["op"], first["store"], first["lead"]) == (
        "r-1",
        "station",
        "Léna Müller: use of a ticket or points",
    )
    assert first["text"].startswith("Not settled: it was recorded for another store")
    assert first["args"] == {"of": POINTS, "amount": 80, "reason": "", "alone": "", "band": ""}
    assert second["code"] == "unknown_kind"


def test_one_store_sees_its_own(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = ran(data, capsys, store="station")["inbox"]

    assert [one["op"] for one in found] == ["r-1"]


def test_it_is_tried_again(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    said = ran(data, capsys, replay="r-1", by="sue", reason="same shop")

    assert said == {"op": "r-1", "status": "applied", "code": ""}
    assert body(data, POINTS).points == 20
    decision = body(data, "decision/r-1")
    assert isinstance(decision, Decision)
    assert (decision.by, decision.reason) == ("sue", "same shop")


def test_it_is_tried_again_with_other_arguments(
    data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    said = ran(data, capsys, edit="r-1", args='{"amount": 5}', reason="she meant five")

    assert said["status"] == "applied"
    assert body(data, POINTS).points == 95


def test_nothing_more_is_done_about_it(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert ran(data, capsys, void="s-1", reason="a test")["status"] == "void"

    assert [one["op"] for one in ran(data, capsys)["inbox"]] == ["r-1"]
    assert failed(data, capsys, void="s-1", reason="again") == (inbox.EXIT_NOT_DONE, "gone")


def test_what_still_cannot_be_stays(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    said = ran(data, capsys, replay="s-1")

    assert said == {"op": "s-1", "status": "held", "code": "unknown_kind"}
    assert len(ran(data, capsys)["inbox"]) == 2


@pytest.mark.parametrize(
    ("options", "answer"),
    [
        ({"void": "s-1"}, (inbox.EXIT_USAGE, "reason")),
        ({"void": "s-1", "replay": "r-1", "reason": "x"}, (inbox.EXIT_USAGE, "usage")),
        ({"replay": "nobody"}, (inbox.EXIT_NOT_DONE, "gone")),
        ({"edit": "r-1", "args": "{"}, (inbox.EXIT_USAGE, "args")),
        ({"edit": "r-1", "args": "{}"}, (inbox.EXIT_USAGE, "args")),
        ({"edit": "r-1", "args": '{"amount": 0}'}, (inbox.EXIT_USAGE, "args")),
        ({"edit": "r-1", "args": '{"colour": 1}'}, (inbox.EXIT_USAGE, "args")),
        ({"edit": "s-1", "args": '{"text": "x"}'}, (inbox.EXIT_USAGE, "args")),
        ({"replay": "r" * 81}, (inbox.EXIT_USAGE, "usage")),
    ],
)
def test_what_makes_no_sense_is_said_and_nothing_is_done(
    data: Path,
    capsys: pytest.CaptureFixture[str],
    options: dict[str, str],
    answer: tuple[int, str],
) -> None:
    assert failed(data, capsys, **options) == answer
    assert len(ran(data, capsys)["inbox"]) == 2


def test_where_there_is_no_centre_none_is_made(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert failed(tmp_path, capsys) == (EXIT_DATABASE, "no_centre")
    assert list(tmp_path.iterdir()) == []


def test_what_nobody_can_read_is_listed_all_the_same(
    data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    store = Store(data / "centre" / "centre.db", fresh_epoch="")
    broken = msgspec.json.encode(shop.said(op_id="t-1"))[:-1] + b"\xff"
    with store.writing() as transaction:
        (record,) = apply_operations(
            transaction,
            (msgspec.structs.replace(shop.said(op_id="t-1"), kind="unheard"),),
            device=DeviceRecord("d1", "", "harbour", "counter", "active"),
            now=shop.NOON,
        )
        transaction.add_op(record, raw=broken)
        transaction.take_heads(shop.NOON)
    store.close()

    last = ran(data, capsys)["inbox"][-1]

    assert (last["op"], last["args"]) == ("t-1", None)
