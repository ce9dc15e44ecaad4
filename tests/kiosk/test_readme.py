"""The README names what there is, and nothing that is not."""

import re
from pathlib import Path

from hardware.virtual.catalogue import SAMPLES
from kiosk.cli import COMMANDS
from kiosk.commands import own_files, tap
from kiosk.settings import NAMES, PREFIX

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text()


def test_every_command_is_named_and_every_named_command_is_there() -> None:
    named = set(re.findall(r"tapthread ([a-z]+)", README)) | {"counter"}

    assert named == set(COMMANDS)


def test_every_exit_code_of_a_tap_is_explained() -> None:
    codes = {int(code) for code in re.findall(r"^\| (\d) \|", README, re.MULTILINE)}

    assert codes == {
        0,
        2,
        tap.EXIT_NO_TAP,
        tap.EXIT_READER,
        tap.EXIT_BAND,
        own_files.EXIT_OWN_FILES,
    }


def test_the_settings_people_need_are_named_as_variables() -> None:
    named = {name for name in NAMES if f"`{PREFIX}{name.upper()}`" in README}

    assert named == {"data", "centre", "reader", "relay", "relay_listen"}


def test_as_many_bands_are_promised_as_there_are() -> None:
    promised = re.search(r"(\d+) bands of every family", README)

    assert promised is not None
    assert int(promised[1]) == len(SAMPLES)


def test_the_pictures_it_shows_are_there() -> None:
    pictures = re.findall(r"\]\((kiosk/[^)]+\.svg)\)", README)

    assert len(pictures) == 3
    assert all("Tapthread" in (ROOT / picture).read_text() for picture in pictures)


def test_the_test_command_is_the_one_that_is_run_for_every_change() -> None:
    assert "\nhardware/bootstrap pytest\n" in README
    assert (ROOT / ".ci" / "run").read_text().endswith("\nhardware/bootstrap pytest\n")
