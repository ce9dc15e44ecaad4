"""`tapthread central` with the keys of bands in a token: what it refuses, in words, before anything listens."""

from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from kiosk.band_keys import GROUP_FILE, MASTER_FILE
from kiosk.band_keys_token import TokenBandKeys
from kiosk.capsule_signing import KEY_FILE as CAPSULE_FILE
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
    assert CAPSULE_FILE not in kept


def test_a_key_for_capsules_in_a_file_is_brought_into_the_token_and_then_not_needed(
    tmp_path: Path, pin: Path
) -> None:
    open_centre(tmp_path / "centre").close()
    file, label = tmp_path / "centre" / CAPSULE_FILE, softhsm.new_token()
    token = (
        "--token-module",
        softhsm.module(),
        "--token-pin-file",
        pin,
        "--token-label",
        label,
    )
    public = public_of(file)

    RunningCentre(tmp_path, *token, "--token-bring").stop()
    for name in (MASTER_FILE, GROUP_FILE):
        (tmp_path / "centre" / name).unlink()
    both = said(tmp_path, *token)
    file.unlink()
    RunningCentre(tmp_path, *token).stop()

    keys = TokenBandKeys.open(softhsm.module(), label=label, pin=softhsm.PIN)
    assert f"then remove {CAPSULE_FILE}" in both
    assert keys.capsule_key().public_keys() == (public,)
    assert not file.exists()
    keys.close()


def public_of(file: Path) -> bytes:
    private = Ed25519PrivateKey.from_private_bytes(file.read_bytes())
    return private.public_key().public_bytes_raw()
