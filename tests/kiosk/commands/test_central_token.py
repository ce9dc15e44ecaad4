"""`tapthread central` with the keys of bands in a token: what it refuses, in words, before anything listens."""

from pathlib import Path

import pytest

from kiosk.band_keys import GROUP_FILE, MASTER_FILE
from tests.support import softhsm
from tests.support.centre import RunningCentre, open_centre
from tests.support.commands import run


@pytest.fixture
def pin(tmp_path: Path) -> Path:
    file = tmp_path / "pin"
    file.write_text(softhsm.PIN + "\n")
    file.chmod(0o600)
    return file


def said(data: Path, *more: str | Path) -> str:
    done = run("central", "--data", data, "--port", "0", *more)
    assert done.returncode == 1
    assert done.stdout == ""
    return done.stderr


def test_a_pin_that_others_can_read_is_not_taken(tmp_path: Path, pin: Path) -> None:
    pin.chmod(0o640)

    words = said(tmp_path, "--token-module", softhsm.module(), "--token-pin-file", pin)

    assert f"chmod 600 {pin}" in words
    assert softhsm.PIN not in words


def test_keys_in_files_and_in_a_token_are_one_too_many(tmp_path: Path, pin: Path) -> None:
    open_centre(tmp_path / "centre").close()
    token = ("--token-module", softhsm.module(), "--token-pin-file", pin)

    words = said(tmp_path, *token, "--token-label", softhsm.new_token())

    assert "--token-bring" in words
    assert MASTER_FILE in words


def test_a_token_without_a_module_is_a_mistake(tmp_path: Path, pin: Path) -> None:
    assert "--token-module" in said(tmp_path, "--token-pin-file", pin)
    assert "--token-pin-file" in said(tmp_path, "--token-module", softhsm.module())


def test_a_fresh_centre_with_a_token_keeps_no_key_of_bands_in_a_file(
    tmp_path: Path, pin: Path
) -> None:
    token = ("--token-module", softhsm.module(), "--token-pin-file", pin)

    centre = RunningCentre(tmp_path, *token, "--token-label", softhsm.new_token())
    code = centre.stop()

    assert code == 0
    kept = {path.name for path in (tmp_path / "centre").iterdir()}
    assert not kept & {MASTER_FILE, GROUP_FILE}
    assert "centre.key" in kept
