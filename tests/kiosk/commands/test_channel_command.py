"""What a person at the centre sees of the other systems, and can do about what they sent."""

import hashlib
import json
from pathlib import Path
from types import ModuleType
from typing import Any, get_args, get_type_hints

import pytest
import typer

from hardware.clock import FixedClock, SystemClock
from hardware.moments import micros_of, moment_of
from kiosk.commands import agent, central, channel, inbox, likeness, outgoing, watch
from kiosk.commands.options import Database
from sync.central.centre import Centre
from sync.central.channels.adapter import KEEP_DAYS
from sync.central.retention import TOLD_DAYS
from tests.support.centre import open_centre
from tests.support.channels import NOW, all_rows, bought, delivery, event, intake_of, who


@pytest.fixture
def centre(tmp_path: Path) -> Centre:
    """A closed centre to which one channel sent one event it could take and one it could not."""
    opened = open_centre(tmp_path / "centre")
    now = micros_of(SystemClock().now())
    sent = [
        event("e1", bought("W-1", who("17", "Maya"))),
        event("e2", bought("W-2", who("17")), event_type="strange"),
    ]
    intake_of(opened).deliver("shop", delivery(*sent, now=now))
    opened.close()
    return opened


def ran(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], *words: str, **options: Any
) -> dict[str, Any]:
    names: dict[str, Any] = dict(zip(("what", "name", "event"), words, strict=False))
    channel.run(**names, data=tmp_path, as_json=True, **options)
    said: dict[str, Any] = json.loads(capsys.readouterr().out)
    return said


def failed(tmp_path: Path, *words: str, **options: Any) -> int:
    names: dict[str, Any] = dict(zip(("what", "name", "event"), words, strict=False))
    with pytest.raises(typer.Exit) as ended:
        channel.run(**names, data=tmp_path, **options)
    return ended.value.exit_code


def test_the_list_says_how_each_channel_stands(
    centre: Centre, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    found = {it["name"]: it for it in ran(tmp_path, capsys, "list")["channels"]}

    assert found["shop"]["events"] == {"done": 1, "held": 1}
    assert found["chat"] == {"name": "chat", "state": "open", "reason": "", "events": {}}
    channel.run("list", data=tmp_path)
    assert "1 done, 1 held" in capsys.readouterr().out


def test_what_a_person_should_look_at_is_shown_with_its_reason(
    centre: Centre, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (held,) = ran(tmp_path, capsys, "show", "shop")["events"]

    assert (held["id"], held["state"], held["reason"]) == (
        "e2",
        "held",
        "no mapping for 'strange'",
    )
    assert len(ran(tmp_path, capsys, "show", "shop", is_all=True)["events"]) == 2
    assert ran(tmp_path, capsys, "show", "shop", "e2")["event"]["type"] == "strange"


def test_the_bytes_of_an_event_are_printed_as_they_are(
    centre: Centre, tmp_path: Path, capsysbinary: pytest.CaptureFixture[bytes]
) -> None:
    channel.run("show", "shop", "e2", data=tmp_path, raw=True)

    assert b'"W-2"' in capsysbinary.readouterr().out


def test_a_channel_is_paused_and_goes_on(
    centre: Centre, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert ran(tmp_path, capsys, "pause", "shop", reason="audit") == {
        "channel": "shop",
        "state": "paused",
    }
    found = {it["name"]: it for it in ran(tmp_path, capsys, "list")["channels"]}
    assert (found["shop"]["state"], found["shop"]["reason"]) == ("paused", "audit")

    assert ran(tmp_path, capsys, "resume", "shop")["state"] == "open"


@pytest.mark.parametrize("which", ["e2", "held"])
def test_what_is_taken_again_is_taken_by_the_running_centre(
    centre: Centre,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    which: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert ran(tmp_path, capsys, "replay", "shop", which)["replayed"] == ["e2"]

    opened = open_centre(tmp_path / "centre")
    intake = intake_of(opened)
    monkeypatch.setattr(intake.adapter("shop"), "facts", lambda *_: (bought("W-2", who("17")),))
    assert intake.take_waiting() == 1
    assert "order/W-2" in all_rows(opened)
    opened.close()


def test_that_bytes_go_soon_and_that_they_went_is_said(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    clock = FixedClock(moment_of(NOW))
    opened = open_centre(tmp_path / "centre", clock=clock)
    intake = intake_of(opened)
    sent = delivery(event("e2", event_type="strange"))
    intake.deliver("shop", sent)
    clock.sleep_ms((KEEP_DAYS["held"] - TOLD_DAYS) * 86_400_000 + 1)
    intake.tidy()

    (going,) = ran(tmp_path, capsys, "show", "shop")["events"]
    channel.run("list", data=tmp_path)
    listed = capsys.readouterr().out
    clock.sleep_ms(TOLD_DAYS * 86_400_000)
    intake.tidy()
    gone = ran(tmp_path, capsys, "show", "shop", "e2")["event"]
    channel.run("show", "shop", data=tmp_path)
    shown = capsys.readouterr().out

    assert going["bytes"] == f"{len(sent.body)}, go on 2026-07-06T12:00:00+00:00"
    assert "! the bytes of 1 event waiting for a person go from 2026-07-06" in listed
    assert gone["bytes"].startswith("went on 2026-07-06")
    assert gone["digest"] == f"sha256:{hashlib.sha256(sent.body).hexdigest()}"
    assert (gone["state"], gone["reason"]) == ("held", "no mapping for 'strange'")
    assert "bytes went on 2026-07-06" in shown
    assert failed(tmp_path, "show", "shop", "e2", raw=True) == 3
    assert "its bytes went on 2026-07-06" in capsys.readouterr().err
    opened.close()


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (("dance",), 2), (("show",), 2), (("pause",), 2), (("replay", "shop"), 2), (("list", "shop"), 2), (("check",), 2),
        (("check", "shop", "e2"), 2), (("pause", "shop", "e2"), 2),
        (("show", "nowhere"), 3), (("show", "shop", "none"), 3), (("pause", "nowhere"), 3), (("replay", "shop", "none"), 3),
    ],
)  # fmt: skip
def test_a_line_that_makes_no_sense_or_names_nothing_says_so(
    centre: Centre, tmp_path: Path, words: tuple[str, ...], code: int
) -> None:
    assert failed(tmp_path, *words) == code


def test_without_a_centre_there_is_nothing_to_show(tmp_path: Path) -> None:
    assert failed(tmp_path, "list") == 6


def test_a_file_of_channels_is_checked(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "channels.toml"
    path.write_text(
        '[shop]\nadapter = "shopify"\nchannel = "web"\n[shop.secrets]\nsigning = "x"\n'
    )
    path.chmod(0o600)

    (found,) = ran(tmp_path, capsys, "check", channels=path)["checked"]

    assert (found["path"], found["secrets"], found["missing"]) == ("/in/shop", ["signing"], "")
    path.write_text('[shop]\nadapter = "shopfy"\n')
    assert failed(tmp_path, "check", channels=path) == 3
    assert "did you mean 'shopify'" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("adapter", "right"),
    [
        ("shopify", "signing"),
        ("whatsapp", "app"),
        ("meta", "app"),
        ("x", "consumer"),
        ("tiktok", "app"),
        ("asterisk", "bearer"),
        ("odoo", "address"),
        ("reviews", "address"),
        ("app", "signing"),
        ("cloudevents", "signing"),
        ("chatwoot", "signing"),
        ("zendesk", "signing"),
        ("zammad", "signing"),
        ("woocommerce", "signing"),
    ],
)
def test_a_secret_of_another_name_than_the_adapter_asks_for_is_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], adapter: str, right: str
) -> None:
    path = tmp_path / "channels.toml"
    path.write_text(f'[one]\nadapter = "{adapter}"\n[one.secrets]\nkey = "s"\n')
    path.chmod(0o600)

    (wrong,) = ran(tmp_path, capsys, "check", channels=path)["checked"]
    path.write_text(f'[one]\nadapter = "{adapter}"\n[one.secrets]\n{right} = "s"\n')
    (good,) = ran(tmp_path, capsys, "check", channels=path)["checked"]

    assert wrong["missing"].startswith(f"there is no secret '{right}' (found: key)")
    assert good["missing"] == ""


def a_file(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "channels.toml"
    path.write_text(text)
    path.chmod(0o600)
    return path


def test_one_channel_is_checked_and_it_is_said_what_it_is(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = a_file(
        tmp_path,
        '[shop]\nadapter = "shopify"\nchannel = "web"\n[shop.secrets]\nsigning = "x"\n'
        '[mail]\nadapter = "email"\nchannel = "email"\n',
    )

    (found,) = ran(tmp_path, capsys, "check", "shop", channels=path)["checked"]
    channel.run("check", "shop", channels=path)
    said = capsys.readouterr().out

    assert found["is"].startswith("Shopify, the web shop")
    assert "signing" in found["takes_secrets"]
    assert "stores" in found["takes_options"]
    assert "Shopify, the web shop" in said
    assert "/in/mail" not in said
    assert failed(tmp_path, "check", "shoop", channels=path) == 3
    assert "no channel 'shoop'; did you mean 'shop'?\n" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ('adapter = "whatsapp"\n[one.options]\nnumbre = "1"\n', "no option 'numbre'; did you mean 'number'?"),
        ('adapter = "email"\n[one.options]\nsmtp_prot = 25\n', "no option 'smtp_prot'; did you mean 'smtp_port'?"),
        ('adapter = "x"\n[one.options]\nwindow = 25\n', "no option 'window'; x takes country"),
        ('adapter = "shopify"\n[one.secrets]\nsigning = "s"\nacces = "s"\n', "no secret 'acces'; did you mean 'access'?"),
        ('adapter = "shopify"\nsecret = "s"\n', "there is no 'secret'; did you mean 'secrets'?"),
    ],
)  # fmt: skip
def test_what_is_misspelt_is_an_error_that_names_the_nearest_right_word(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], text: str, says: str
) -> None:
    path = a_file(tmp_path, f"[one]\n{text}")

    assert failed(tmp_path, "check", channels=path) == 3
    said = capsys.readouterr().err
    assert says in said
    assert "?." not in said


def test_a_centre_does_not_start_with_a_misspelt_option(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = a_file(tmp_path, '[one]\nadapter = "whatsapp"\n[one.options]\nnumbre = "1"\n')

    with pytest.raises(typer.Exit) as ended:
        central.run(data=tmp_path, port=0, channels=path)

    assert ended.value.exit_code == 1
    assert "did you mean 'number'?\n" in capsys.readouterr().err


@pytest.mark.parametrize("command", [agent, channel, inbox, likeness, outgoing, watch])
def test_every_command_on_the_database_of_a_centre_names_it_in_the_same_words(
    command: ModuleType,
) -> None:
    (asked,) = get_type_hints(command.run, include_extras=True)["database"].__metadata__

    assert asked is get_args(Database)[1]


def test_a_channel_that_only_takes_files_is_not_said_to_miss_a_secret(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "channels.toml"
    path.write_text('[old]\nadapter = "table"\n')
    path.chmod(0o600)

    (told,) = ran(tmp_path, capsys, "check", channels=path)["checked"]
    channel.run("check", data=tmp_path, channels=path)

    assert told["missing"] == ""
    assert "secrets: none: only files can be imported" in capsys.readouterr().out


@pytest.mark.parametrize("command", [agent, channel, inbox, likeness, outgoing, watch])
def test_each_of_them_says_that_there_is_no_centre_in_a_folder_without_one(
    command: ModuleType, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(typer.Exit) as ended:
        command.run(data=tmp_path)

    assert ended.value.exit_code == 6
    said = capsys.readouterr().err
    assert (
        f"There is no centre in {tmp_path}/centre. Make one: tapthread central --data {tmp_path}"
        in said
    )
