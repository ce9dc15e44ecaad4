"""`tapthread sync` without a centre: how it stands, what waits for a person, and what is said when it cannot be done."""

import json
from pathlib import Path
from typing import Any

import pytest
import typer

from hardware import identity as identities
from hardware.disk import SystemDisk
from hardware.entropy import SystemEntropy
from hardware.moments import micros_of
from kiosk.assembly.device import Device, real_world
from kiosk.commands import sync
from sync.edge.outbox import Outbox
from sync.edge.progress import Progress
from sync.edge.report import ReportFile
from sync.edge.runner import SyncStatus
from sync.edge.told import Update
from sync.model.wire import OpResult
from tests.support import edge, shop

NOWHERE = "http://127.0.0.1:9"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A counter with Lena's rows, enrolled with a centre that does not answer."""
    identity = identities.create(
        store="harbour", role="counter", centre_url=NOWHERE, centre_key="04" * 65,
        entropy=SystemEntropy(),
    )  # fmt: skip
    identities.save(identity, tmp_path, disk=SystemDisk())
    device = Device.open(tmp_path, world=real_world())
    edge.filled(device.store, shop.lenas_rows())
    device.close()
    return tmp_path


def settled(folder: Path, status: str, code: str) -> str:
    """Have an operation there that the centre did not take."""
    device = Device.open(folder, world=real_world())
    outbox, op = Outbox(device.store), shop.noted("called her")
    outbox.record(op)
    outbox.settle([OpResult(op.id, status, code, "", ())])
    device.close()
    return op.id


def said(capsys: pytest.CaptureFixture[str], what: str, **options: Any) -> Any:
    capsys.readouterr()
    sync.run(what, **options, as_json=True)
    return json.loads(capsys.readouterr().out)


def refused(capsys: pytest.CaptureFixture[str], what: str, **options: Any) -> tuple[int, str]:
    capsys.readouterr()
    with pytest.raises(typer.Exit) as ended:
        sync.run(what, **options, as_json=True)
    return ended.value.exit_code, json.loads(capsys.readouterr().out)["error"]["code"]


def test_status_says_how_a_device_stands_that_nobody_runs(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    settled(folder, "held", "unknown_kind")

    found = said(capsys, "status", data=folder)

    assert found["is_running"] is False
    assert (found["waiting"], found["refused"], found["held"]) == (0, 0, 1)
    assert [one["scope"] for one in found["scopes"]] == [edge.SCOPE]
    assert (found["lease"]["state"], found["store"], found["forks"]) == ("ok", "ok", 0)


def test_status_says_how_a_device_stands_that_another_program_runs(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    device = Device.open(folder, world=real_world())
    coming = Progress("rows", 50_000, 200_000, 10_000)
    status = SyncStatus(network="ok", progress=(coming,), failures=(("centre_busy", 2),))
    ReportFile(device.store).write(status)

    found = said(capsys, "status", data=folder)
    sync.run("status", data=folder)
    words = capsys.readouterr().out
    device.close()

    assert (found["is_running"], found["network"]) == (True, "ok")
    assert found["progress"] == [
        {"what": "rows", "done": 50_000, "total": 200_000, "per_s": 10_000, "left_s": 15}
    ]
    assert found["failures"] == {"centre_busy": 2}
    assert "50,000 of 200,000" in words
    assert "centre_busy, 2 times" in words


@pytest.mark.parametrize(
    ("code", "words"),
    [
        ("off", "relay    none is set"),
        ("ok", "relay    answers"),
        ("relay_lost", "relay    Other counters not reached (relay_lost)"),
        ("relay_not_trusted", "relay    Other counters do not know us (relay_not_trusted)"),
    ],
)
def test_status_says_of_the_stores_relay_what_the_counter_does(
    folder: Path, capsys: pytest.CaptureFixture[str], code: str, words: str
) -> None:
    device = Device.open(folder, world=real_world())
    ReportFile(device.store).write(SyncStatus(network="ok"), relay=code)

    sync.run("status", data=folder)
    device.close()

    assert words in capsys.readouterr().out.splitlines()


def test_status_says_before_which_day_to_update_and_what_the_centre_cannot_read(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    device = Device.open(folder, world=real_world())
    at = micros_of(device.world.clock.now()) + 40 * 86_400 * 1_000_000
    status = SyncStatus(update=Update("0.2.0", at), unread=("redeem", "stamp_passport"))
    ReportFile(device.store).write(status)

    found = said(capsys, "status", data=folder)
    sync.run("status", data=folder)
    words = capsys.readouterr().out
    device.close()

    assert (found["update_to"], found["update_at"]) == ("0.2.0", at)
    assert found["unread_kinds"] == ["redeem", "stamp_passport"]
    assert "Update this program to 0.2.0 or newer before " in words
    assert (
        "cannot read: use of a ticket or points (redeem), something recorded here (stamp_passport)"
        in words
    )


def test_status_of_a_running_program_that_has_not_said_anything_yet_is_a_sentence(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    device = Device.open(folder, world=real_world())

    code = refused(capsys, "status", data=folder)
    device.close()

    assert code == (6, "folder_in_use")


def test_what_is_written_beside_a_running_device_names_nobody(folder: Path) -> None:
    device = Device.open(folder, world=real_world())
    Outbox(device.store).record(shop.noted("Léna called"))

    ReportFile(device.store).write(SyncStatus())
    written = (folder / "sync.json").read_text("utf-8")
    device.close()

    assert not [one for one in ("lena", "Léna", "Müller", shop.BAND) if one in written]


@pytest.mark.parametrize("what", ["all", "pull", "push"])
def test_a_centre_that_does_not_answer_is_said_and_what_waits_stays(
    folder: Path, capsys: pytest.CaptureFixture[str], what: str
) -> None:
    device = Device.open(folder, world=real_world())
    Outbox(device.store).record(shop.noted())
    device.close()

    capsys.readouterr()
    with pytest.raises(typer.Exit) as ended:
        sync.run(what, data=folder, as_json=True)
    found = json.loads(capsys.readouterr().out)

    assert ended.value.exit_code == 1
    assert (found["network"], found["waiting"]) == ("centre_unreachable", 1)


def test_what_is_wrong_with_the_centre_is_said_in_words_to_a_person(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(typer.Exit):
        sync.run("all", data=folder)

    assert capsys.readouterr().out.startswith("Centre not reached (centre_unreachable). ")


def test_the_inbox_lists_what_waits_for_a_person_in_words(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    op = settled(folder, "refused", "already_handed_over")

    (entry,) = said(capsys, "inbox", data=folder)["inbox"]
    sync.run("inbox", data=folder)
    words = capsys.readouterr().out

    assert (entry["op"], entry["state"]) == (op, "refused")
    assert entry["args"]["text"] == "called her"
    assert op in words
    assert "Not settled" in words


def test_a_refused_operation_is_replayed_edited_or_voided(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    op = settled(folder, "refused", "unknown")

    edited = said(
        capsys, "inbox", data=folder, edit=op, args='{"text": "called him"}', reason="typo",
        by="ana",
    )  # fmt: skip
    left = said(capsys, "inbox", data=folder)

    assert edited["instead"]
    assert left["inbox"] == []
    device = Device.open(folder, world=real_world())
    again = Outbox(device.store).operation(edited["instead"])
    device.close()
    assert again is not None
    assert (again.replaces, again.actor) == (op, "ana")
    assert b"called him" in bytes(again.args)


def test_voiding_needs_a_reason_and_then_leaves_nothing_in_the_inbox(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    op = settled(folder, "refused", "unknown")

    without = refused(capsys, "inbox", data=folder, void=op)
    with_one = said(capsys, "inbox", data=folder, void=op, reason="told her in person")

    assert without == (3, "reason")
    assert with_one["decision"] == "void"
    assert said(capsys, "inbox", data=folder)["inbox"] == []


@pytest.mark.parametrize(
    ("what", "options", "expected"),
    [
        ("everything", {}, (2, "usage")),
        ("status", {"void": "x"}, (2, "usage")),
        ("inbox", {"void": "x", "replay": "y"}, (2, "usage")),
        ("inbox", {"replay": "0190a1b2"}, (3, "gone")),
        ("inbox", {"edit": "0190a1b2", "args": "{}"}, (3, "gone")),
    ],
)
def test_a_line_that_makes_no_sense_ends_in_a_sentence(
    folder: Path, capsys: pytest.CaptureFixture[str], what: str, options: dict[str, str],
    expected: tuple[int, str],
) -> None:  # fmt: skip
    assert refused(capsys, what, data=folder, **options) == expected


@pytest.mark.parametrize(
    "args", ["", "no json", "[]", "{}", '{"colour": "red"}', '{"text": 5}']
)
def test_arguments_an_operation_does_not_take_change_nothing(
    folder: Path, capsys: pytest.CaptureFixture[str], args: str
) -> None:
    op = settled(folder, "refused", "unknown")

    answer = refused(capsys, "inbox", data=folder, edit=op, args=args)

    assert answer == (2, "usage")
    assert len(said(capsys, "inbox", data=folder)["inbox"]) == 1


def test_a_folder_without_a_device_is_said(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert refused(capsys, "status", data=tmp_path) == (6, "not_enrolled")
