"""Customers who asked to be forgotten: who, what would go, forgetting them, and who has not heard of it."""

import json
from pathlib import Path
from typing import Any

import msgspec
import pytest
import typer

from kiosk.commands import erase
from kiosk.commands.options import EXIT_DATABASE
from sync.central import device_rows
from sync.central.store import Store
from sync.model import promises
from sync.model.records import Case, Customer, Promise
from tests.support import shop
from tests.support.centre import new_device, open_centre

DUE = shop.NOON + 30 * 86_400 * 1_000_000


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A data folder with a centre that holds Lena, who asked to be forgotten, and one device that holds her."""
    asked = Case(
        "c-1", "1", "open", "erasure", opened_at=shop.NOON, channel="store",
        promise=Promise(by="customer", text="erasure", due_at=DUE),
    )  # fmt: skip
    centre = open_centre(tmp_path / "centre")
    centre.put_rows((*shop.lenas_rows(), shop.row(asked)), interest=[("harbour", shop.LENA)])
    new_device(centre)
    centre.close()
    store = Store(tmp_path / "centre" / "centre.db", fresh_epoch="")
    with store.reading() as snapshot:
        (device,) = (it.id for it in device_rows.devices(snapshot.sql))
    with store.writing() as transaction:
        device_rows.note_cursor(transaction, device, "s:harbour", seq=1, at=shop.NOON)
    store.close()
    return tmp_path


def ran(data: Path, capsys: pytest.CaptureFixture[str], **options: Any) -> dict[str, Any]:
    erase.run(data=data, as_json=True, **options)
    said: dict[str, Any] = json.loads(capsys.readouterr().out)
    return said


def failed(data: Path, capsys: pytest.CaptureFixture[str], **options: Any) -> tuple[int, str]:
    with pytest.raises(typer.Exit) as ended:
        erase.run(data=data, as_json=True, **options)
    return ended.value.exit_code, json.loads(capsys.readouterr().out)["error"]["code"]


def test_who_asked_is_listed_with_the_day_it_is_due(
    data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    said = ran(data, capsys)

    assert [(it["customer"], it["due_at"]) for it in said["asked"]] == [(shop.LENA, DUE)]
    assert said["asked"][0]["name"].startswith("Léna")


def test_what_is_promised_meanwhile_makes_the_day_no_later(
    data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    store = Store(data / "centre" / "centre.db", fresh_epoch="")
    with store.writing() as transaction:
        row = transaction.read.row("case/c-1")
        assert row is not None
        assert isinstance(row.body, Case)
        later = Promise("Ben", "after the fair", DUE + 1, op="op-1", at=shop.NOON + 1)
        case = promises.with_promise(row.body, later)
        transaction.put(msgspec.structs.replace(row, body=case))
    store.close()

    said = ran(data, capsys)

    assert [it["due_at"] for it in said["asked"]] == [DUE]


def test_asked_about_somebody_it_says_what_would_go_and_does_nothing(
    data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    said = ran(data, capsys, customer=shop.LENA)

    assert said["rows"]["customer"] == 1
    assert said["rows"]["case"] == 2
    assert ran(data, capsys, customer=shop.LENA) == said


def test_who_is_erased_is_gone_and_it_says_which_device_may_still_hold_them(
    data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    n_rows = sum(ran(data, capsys, customer=shop.LENA)["rows"].values())

    said = ran(data, capsys, customer=shop.LENA, now=True)

    assert said["erased_rows"] == n_rows
    assert [it["what"] for it in said["waiting"]] == ["kiosk of harbour"]
    assert ran(data, capsys)["asked"] == []
    assert ran(data, capsys, customer=shop.LENA, status=True)["waiting"] == said["waiting"]
    centre = open_centre(data / "centre")
    assert centre.rows_of(shop.LENA) == ()
    centre.close()


def test_in_words_it_says_that_nothing_was_done_before_now_is_said(
    data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    erase.run(data=data, customer=shop.LENA)
    looked = capsys.readouterr().out
    erase.run(data=data, customer=shop.LENA, now=True)
    done = capsys.readouterr().out

    assert "Nothing was done. --now erases all of it" in looked
    assert done.startswith("Erased: ")
    assert "0 devices hold nothing of them, 1 has not said so yet." in done
    assert "1 band, 2 cases, 2 contact points, 1 record, 1 contact" in looked


def test_a_line_that_makes_no_sense_and_somebody_nobody_knows_are_told_apart(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert failed(data, capsys, now=True) == (2, "usage")
    assert failed(data, capsys, customer="x", now=True, status=True) == (2, "usage")
    assert failed(data, capsys, customer="nobody", now=True) == (3, "unknown")
    assert failed(data, capsys, customer=shop.LENA, status=True) == (3, "unknown")
    assert failed(tmp_path / "empty", capsys) == (EXIT_DATABASE, "no_centre")


@pytest.mark.parametrize("text", ["Léna Müller", "muller lena", "W-1077", "w-1077"])
def test_who_is_meant_by_a_name_or_an_order_is_found_where_it_is_one(
    data: Path, capsys: pytest.CaptureFixture[str], text: str
) -> None:
    said = ran(data, capsys, customer=text, now=True)

    assert said["customer"] == shop.LENA


def test_where_a_name_fits_two_they_are_listed_and_nobody_is_erased(
    data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    centre = open_centre(data / "centre")
    other = Customer(id="lena-2", given_name="Léna", family_name="Müller")
    centre.put_rows((shop.row(other, owner="lena-2"),))
    centre.close()

    with pytest.raises(typer.Exit) as ended:
        erase.run(data=data, customer="Léna Müller", now=True)
    listed = capsys.readouterr().out

    assert ended.value.exit_code == 3
    assert {"lena-2", shop.LENA} <= set(listed.split())
    assert ran(data, capsys, customer="lena-2")["rows"] == {"customer": 1}


def test_the_status_of_somebody_who_is_still_here_says_so_by_name(
    data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(typer.Exit):
        erase.run(data=data, customer="Léna Müller", status=True)

    assert f"Léna Müller is here with the id {shop.LENA}" in capsys.readouterr().err
