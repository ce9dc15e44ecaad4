"""The card of a customer on paper and as a screen, from a device's own files."""

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest
import typer

from hardware.clock import SystemClock
from hardware.disk import SystemDisk
from hardware.entropy import SystemEntropy
from hardware.identity import create, new_private_key, public_hex, save
from kiosk.assembly.device import Device, World
from kiosk.commands import card
from sync.edge.find import Finder
from sync.edge.outbox import Outbox
from sync.model.records import Customer, Interaction, Store
from tests.support import edge, shop


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A device that holds Lena."""
    identity = create(
        store="harbour", role="counter", centre_url="http://127.0.0.1:9",
        centre_key=public_hex(new_private_key(SystemEntropy()).public_key()), entropy=SystemEntropy(),
    )  # fmt: skip
    save(identity, tmp_path, disk=SystemDisk())
    device = Device.open(tmp_path, world=World(SystemClock(), SystemEntropy(), SystemDisk()))
    present = Interaction(
        id="in-2", at=shop.NOON, channel="web", direction="in", by="Lena", text="a ring for Max",
        due_at=1, sensitivity="gift",
    )  # fmt: skip
    rows = (
        *shop.lenas_rows(),
        shop.row(present),
        shop.row(Store("harbour", "Harbour"), owner=""),
        shop.row(Customer(id="ida", given_name="Ida", family_name="Müller"), owner="ida"),
    )
    edge.filled(device.store, rows)
    device.close()
    return tmp_path


def test_the_slip_says_what_is_owed_and_nothing_for_staff_only(
    data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    card.run("lena", data=data)

    slip = capsys.readouterr().out
    assert all(len(line) <= 42 for line in slip.splitlines())
    words = " ".join(slip.split())
    assert "PROMISED by Ana" in words
    assert "parcel W-1077 waits in Harbour" in words
    assert "ring" not in words
    assert "2 lines for staff only: see the screen." in words


def test_the_screen_is_one_screen_and_shows_staff_what_is_theirs(
    data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    card.run("lena", data=data, screen=True)

    rows = capsys.readouterr().out.rstrip("\n").split("\n")
    assert len(rows) <= 17
    assert "[staff only]" in " ".join(rows)


def test_the_same_for_programs_names_the_rows_it_was_built_from(
    data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    card.run("lena", data=data, as_json=True)

    said = json.loads(capsys.readouterr().out)
    promised = next(line for line in said["lines"] if line["part"] == "promised")
    assert promised["keys"] == ["case/case-1"]
    assert datetime.fromtimestamp(said["as_of"] / 1e6, UTC).year == 2026


@pytest.mark.parametrize(
    "who",
    [
        "Léna Müller",
        "muller lena",
        "0171 2345678",
        "+49 171 2345678",
        "lena@example.org",
        "w-1077",
    ],
)
def test_what_a_counter_finds_her_by_finds_her_card(
    data: Path, capsys: pytest.CaptureFixture[str], who: str
) -> None:
    card.run(who, data=data)

    assert "PROMISED by Ana" in " ".join(capsys.readouterr().out.split())


def test_where_several_fit_they_are_listed_with_the_ids_to_ask_by(
    data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(typer.Exit) as ended:
        card.run("Müller", data=data)

    said = capsys.readouterr()
    assert ended.value.exit_code == card.EXIT_UNKNOWN
    assert sorted(
        line.partition("  (")[0].split(maxsplit=1) for line in said.out.splitlines()
    ) == [
        ["ida", "Ida Müller"],
        ["lena", "Léna Müller"],
    ]
    assert "Ask by an id" in said.err
    assert "PROMISED" not in said.out


def test_a_name_that_is_only_like_one_is_listed_and_not_taken_for_it(
    data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(typer.Exit):
        card.run("Lenna Muller", data=data, as_json=True)

    said = json.loads(capsys.readouterr().out)
    assert said["error"]["code"] == "several"
    assert [one["id"] for one in said["candidates"]] == ["lena"]


def test_somebody_this_device_does_not_hold_is_said(
    data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(typer.Exit) as ended:
        card.run("nobody", data=data)

    assert ended.value.exit_code == card.EXIT_UNKNOWN
    assert "holds nothing" in capsys.readouterr().err


def test_a_card_is_printed_while_the_device_runs_and_has_what_was_just_recorded(
    data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    running = Device.open(data, world=World(SystemClock(), SystemEntropy(), SystemDisk()))
    try:
        Outbox(running.store).record(shop.noted("the carrier was called"))
        while Finder(running.store).refresh():
            pass

        card.run("lena", data=data)
        card.run("Ida Müller", data=data)
        said = capsys.readouterr().out

        assert "PROMISED by Ana" in said
        assert "Ida Müller" in said
        assert running.store.outbox.glance("SELECT count(*) FROM op") == [(1,)]
    finally:
        running.close()
