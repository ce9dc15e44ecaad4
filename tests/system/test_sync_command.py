"""`tapthread sync` as a process, against a centre that is one."""

import dataclasses
import json
import os
import pty
import select
import shutil
import subprocess
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path

import pytest

from hardware import identity
from hardware.disk import SystemDisk
from kiosk.assembly.device import Device, real_world
from sync.edge.outbox import Outbox
from sync.model.records import Product
from tests.support import shop
from tests.support.centre import RunningCentre, seeded
from tests.support.commands import environment, line_of, run

N_PRODUCTS = 4_000


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    """A counter that never synced, beside a centre that runs and has more rows than a page."""
    products = (
        shop.row(Product(id=f"p{n}", title="Trail jacket", category="jacket"), owner="")
        for n in range(N_PRODUCTS)
    )
    device = seeded(tmp_path, [*shop.lenas_rows(), *products], role="counter")
    centre = RunningCentre(tmp_path)
    here = tmp_path / "device"
    identity.save(dataclasses.replace(device, centre_url=centre.url), here, disk=SystemDisk())
    yield here
    centre.kill()
    centre.process.communicate()


def test_pull_brings_rows_and_leaves_what_waits_and_push_sends_it(folder: Path) -> None:
    device = Device.open(folder, world=real_world())
    Outbox(device.store).record(shop.noted())
    device.close()

    pulled = run("sync", "pull", "--data", folder, "--json")
    pushed = run("sync", "push", "--data", folder, "--json")
    status = run("sync", "status", "--data", folder, "--json")

    assert (pulled.returncode, pushed.returncode) == (0, 0), pulled.stderr + pushed.stderr
    first, second, third = (json.loads(one.stdout) for one in (pulled, pushed, status))
    assert first["rows"] > N_PRODUCTS
    assert (first["waiting"], second["waiting"], second["changed"]) == (1, 0, 0)
    assert second["settled"] == 1
    assert all(scope["is_head"] for scope in third["scopes"])
    assert third["lease"]["state"] == "ok"


def test_the_centre_knows_which_program_a_device_runs_and_what_room_it_has(
    folder: Path,
) -> None:
    pulled = run("sync", "pull", "--data", folder, "--json")
    watched = run("watch", "--data", folder.parent, "--json")

    assert pulled.returncode == 0, pulled.stderr
    (device,) = json.loads(watched.stdout)["devices"]
    assert device["version"] == version("tapthread")
    assert 0 < device["free_size"] <= shutil.disk_usage(folder).total


def test_a_first_pull_on_a_terminal_shows_a_bar_and_takes_it_away(folder: Path) -> None:
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        line_of("sync", "pull", "--data", folder), stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE, stderr=theirs, env=environment(COLUMNS="100", LINES="24"),
    )  # fmt: skip
    os.close(theirs)
    out, _ = process.communicate(timeout=60)
    shown = b""
    while select.select([ours], [], [], 0)[0]:
        try:
            shown += os.read(ours, 65_536)
        except OSError:  # the other end is closed
            break
    os.close(ours)

    assert process.returncode == 0
    assert b"rows" in shown
    assert b"%" in shown
    assert shown.endswith(b"\r\x1b[K")
    assert out.startswith(b"The centre answers.")


def test_without_a_terminal_a_short_pull_says_its_outcome_and_nothing_else(
    folder: Path,
) -> None:
    done = run("sync", "pull", "--data", folder)

    assert (done.returncode, done.stderr) == (0, "")
    assert len(done.stdout.splitlines()) == 1
