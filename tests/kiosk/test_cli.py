"""The command line as a person meets it."""

import importlib
import subprocess
import sys

import pytest

from kiosk.cli import COMMANDS
from tests.support.commands import run


def test_the_version_is_printed_without_importing_what_a_screen_or_a_reader_needs() -> None:
    code = (
        "import sys; sys.argv = ['tapthread', '--version']\n"
        "from kiosk.cli import main\n"
        "try: main()\n"
        "except SystemExit as end: assert not end.code\n"
        "heavy = {'textual', 'httpx', 'smartcard', 'nfc', 'sqlite_utils', 'sqlcipher3', 'starlette'}\n"
        "assert not heavy & set(sys.modules), heavy & set(sys.modules)"
    )

    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False
    )

    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("tapthread ")


def test_help_names_every_command() -> None:
    done = run("--help")

    assert done.returncode == 0
    assert all(f"\n  {name} " in done.stdout for name in COMMANDS)


@pytest.mark.parametrize("name", sorted(COMMANDS))
def test_every_command_that_is_named_is_there_and_says_what_it_does(name: str) -> None:
    module = importlib.import_module(f"kiosk.commands.{name}")

    assert module.run.__doc__


@pytest.mark.parametrize("name", sorted(COMMANDS))
def test_every_command_takes_the_three_common_options(name: str) -> None:
    done = run(name, "--help")

    assert done.returncode == 0, done.stderr
    assert all(option in done.stdout for option in ("--data", "--centre", "--reader"))


def test_a_common_option_is_checked_also_where_it_is_not_needed() -> None:
    right, wrong = (
        run("virtual", "--list", "--data", "x"),
        run("virtual", "--list", "--reader", "x"),
    )

    assert (right.returncode, right.stdout.partition(" ")[0]) == (0, "maya")
    assert wrong.returncode == 2
    assert "must be pcsc" in wrong.stderr


def test_an_unknown_command_is_an_error() -> None:
    done = run("nonsense")

    assert done.returncode == 2
    assert "nonsense" in done.stderr


def test_a_wrong_setting_is_said_in_one_line_without_a_traceback() -> None:
    done = run("tap", "--reader", "teapot")

    assert done.returncode == 2
    assert (
        "must be pcsc, pcsc:NAME, pn532:PATH, wedge:PATH, wedge-reversed:PATH or virtual"
        in done.stderr
    )
    assert "Traceback" not in done.stderr
