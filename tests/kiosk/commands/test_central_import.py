"""Files of records imported from the command line, and what a person is told of them."""

import json
from pathlib import Path
from typing import Any

import pytest
import typer

from kiosk.commands import central
from tests.support.centre import open_centre


@pytest.fixture
def data(tmp_path: Path) -> Path:
    open_centre(tmp_path / "centre").close()
    channels = tmp_path / "channels.toml"
    channels.write_text('[old]\nadapter = "table"\n[old.options]\nfact = "known"\n')
    channels.chmod(0o600)
    return tmp_path


def ran(
    data: Path,
    *,
    channel: str = "old",
    exit_code: int = 0,
    what: str = "import",
    as_json: bool = True,
) -> None:
    def run() -> None:
        central.run(
            what,
            data / "people.csv",
            data=data,
            channels=data / "channels.toml",
            channel=channel,
            as_json=as_json,
        )

    if exit_code:
        with pytest.raises((typer.Exit, SystemExit)) as ended:
            run()
        assert getattr(ended.value, "exit_code", exit_code) == exit_code
    else:
        run()


def said(capsys: pytest.CaptureFixture[str]) -> Any:
    return json.loads(capsys.readouterr().out)


def test_a_file_is_imported_and_imported_again_nothing_comes(
    data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (data / "people.csv").write_text("who,given_name\n1,Tom\n2,Maya\n")

    ran(data)
    first = said(capsys)
    ran(data)
    again = said(capsys)

    assert (first["n_taken"], first["resumed_at"]) == (2, 1)
    assert (again["n_taken"], again["resumed_at"]) == (0, 4)


def test_who_imports_is_told_that_something_was_set_aside(
    data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (data / "people.csv").write_text("who,given_name\n1,Tom,x\n")

    ran(data, exit_code=3)

    assert said(capsys)["n_rejected"] == 1
    assert (data / "people.csv.rejects").is_file()


def test_a_channel_that_is_not_there_is_said(
    data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (data / "people.csv").write_text("who\n1\n")

    ran(data, channel="new", exit_code=4)

    assert said(capsys)["error"]["message"] == "There is no channel 'new'."


def test_channels_that_others_can_read_are_refused(
    data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (data / "channels.toml").chmod(0o644)

    ran(data, exit_code=4)

    assert "chmod 600" in said(capsys)["error"]["message"]


def test_what_became_of_a_file_is_said_in_words_with_the_lines_it_has(
    data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (data / "people.csv").write_text("who,given_name\n1,Tom\n2,Maya\n3,Lena\n4,Ben\n")

    ran(data, as_json=False)
    first = capsys.readouterr().out
    ran(data, as_json=False)
    again = capsys.readouterr().out
    with (data / "people.csv").open("a") as file:
        file.write("5,Ann\n")
    ran(data, as_json=False)
    grown = capsys.readouterr().out

    assert first == "4 taken, 0 were here before, 0 put by until what they name is known.\n"
    assert again == "All 5 lines were read before, and nothing was added since.\n"
    assert grown.splitlines()[0] == "Lines before 6 were read before."
    assert grown.splitlines()[1].startswith("1 taken, ")


def test_what_speaks_of_somebody_not_known_yet_is_put_by(
    data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (data / "people.csv").write_text(
        '{"fact":"became","ref":"W-9","state":"collected","at":"2026-01-02T10:00:00Z"}\n'
    )

    ran(data, as_json=False)

    assert "1 put by until what they name is known" in capsys.readouterr().out
