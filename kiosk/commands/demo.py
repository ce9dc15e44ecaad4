"""`tapthread demo`: everything on one machine: a centre, a seeded brand, virtual bands, the kiosk and the counter.

`--tour` captions each scene of the stories and waits for a key; with `--plain` the whole tour is printed instead, played by
the same core, centre and devices without a screen. `--day` lets yesterday pass in the other channels at 60 times its pace, in twelve minutes; then it is now.

Without `--data` it works in a folder of its own that is gone afterwards, unless it crashed. With `--data` the folder is seeded when it holds no
demo yet, and kept: the next start finds everything as it was left.
"""

import asyncio
import contextlib
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from hardware import log
from hardware.clock import FixedClock
from hardware.disk import Disk, SystemDisk
from hardware.entropy import SeededEntropy
from hardware.errors import DeviceError
from kiosk import settings
from kiosk.commands.options import Data
from kiosk.commands.own_files import EXIT_OWN_FILES, LOG_FILE, problem_of
from kiosk.commands.running import need_terminal, run_on_terminal
from sync.model.errors import StoreError

if TYPE_CHECKING:
    from kiosk.assembly.device import World

FOLDER_PREFIX = "tapthread-demo-"
KEPT_PREFIX = "tapthread-failed-"
"""How the folder of a demo begins that crashed; nobody but a person removes it."""

TOUR_AT = datetime(2026, 11, 21, 14, 2, tzinfo=UTC)
"""When the printed tour takes place: a Saturday afternoon."""

TOUR_SIZE = (80, 24)
"""Columns and rows: below them the captions leave the kiosk too little room."""

CRASH_STATUS = 70
"""As `kiosk.ui.crash` has it, which takes half a second to import."""

EXIT_FAILED = 1
EXIT_USAGE = 2


def run(
    data: Data = None,
    fresh: Annotated[
        bool, typer.Option("--fresh", help="Make the demo in --data anew before starting it.")
    ] = False,
    tour: Annotated[
        bool, typer.Option("--tour", help="Show the scenes one after the other; a key goes on.")
    ] = False,
    plain: Annotated[
        bool, typer.Option("--plain", help="With --tour: print it all, without a screen.")
    ] = False,
    day: Annotated[
        bool,
        typer.Option(
            "--day", help="Let yesterday pass in the other channels first, 60 times as fast."
        ),
    ] = False,
) -> None:
    """Start everything on this machine. Press 1; Q quits."""
    from kiosk.assembly.device import real_world

    if plain:
        if not tour or data is not None or fresh or day:
            _fail("--plain goes with --tour, and with nothing else", EXIT_USAGE)
        _print_tour()
        return
    world = real_world()
    need_terminal("demo", instead="tapthread tap --json")
    size = shutil.get_terminal_size()
    if tour and (size.columns < TOUR_SIZE[0] or size.lines < TOUR_SIZE[1]):
        _fail(
            f"the tour needs a window of {TOUR_SIZE[0]}x{TOUR_SIZE[1]} characters, this one has"
            f" {size[0]}x{size[1]}. To read it here: tapthread demo --tour --plain",
            EXIT_USAGE,
        )
    if data is not None:
        with given_folder(settings.load(data=data).data) as folder:
            _run(folder, world=world, is_fresh=fresh, is_day=day, is_tour=tour)
        return
    remove_left_behind(Path(tempfile.gettempdir()), disk=world.disk)
    with folder_of_its_own() as folder:
        _run(folder, world=world, is_fresh=True, is_day=day, is_tour=tour)


def _print_tour() -> None:
    """Play the tour in a shop of its own, at a time of its own, so that it is the same each time."""
    from kiosk.assembly.device import World
    from kiosk.demo.stage import Stage
    from kiosk.demo.tour import printed_tour

    clock = FixedClock(TOUR_AT)
    world = World(clock=clock, entropy=SeededEntropy("tour"), disk=SystemDisk())
    with (
        tempfile.TemporaryDirectory(prefix=FOLDER_PREFIX) as folder,
        Stage.opened(Path(folder), world=world) as stage,
    ):
        for line in printed_tour(stage):
            print(line)


@contextlib.contextmanager
def given_folder(folder: Path) -> Iterator[Path]:
    """Says at the end that the folder stays, or where it is written what went wrong."""
    try:
        yield folder
    except typer.Exit as ended:
        if ended.exit_code == CRASH_STATUS:
            _say(f"it failed. What happened is in {folder / LOG_FILE}")
        elif not ended.exit_code:
            _say(f"{folder} keeps it; with the same --data it goes on")
        raise


@contextlib.contextmanager
def folder_of_its_own() -> Iterator[Path]:
    """A folder that is gone afterwards, unless the demo crashed in it: then it is kept for whoever looks why."""
    folder = Path(tempfile.mkdtemp(prefix=FOLDER_PREFIX))
    try:
        yield folder
    except typer.Exit as ended:
        if ended.exit_code == CRASH_STATUS:
            kept = folder.rename(
                folder.with_name(folder.name.replace(FOLDER_PREFIX, KEPT_PREFIX))
            )
            _say(f"it failed. What happened is in {kept / LOG_FILE}; the folder is kept")
        elif not ended.exit_code:
            _say("its folder is removed; to keep one: tapthread demo --data FOLDER")
        raise
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def remove_left_behind(folder: Path, *, disk: Disk) -> int:
    """Remove demos of ours that were killed before they could remove themselves; how many. One that runs is left alone."""
    n_removed = 0
    for left in folder.glob(f"{FOLDER_PREFIX}*"):
        if left.is_symlink() or left.stat().st_uid != os.getuid():
            continue
        with contextlib.suppress(DeviceError):
            disk.lock(left).close()
            shutil.rmtree(left, ignore_errors=True)
            n_removed += 1
    return n_removed


def _run(folder: Path, *, world: "World", is_fresh: bool, is_day: bool, is_tour: bool) -> None:
    from kiosk.demo.house import CentreDown, run_demo
    from kiosk.demo.seeding import MARK_FILE, NotADemo, seed

    try:
        if is_fresh or not (folder / MARK_FILE).is_file():
            print("Making the demo: a brand, its customers, their bands ...", file=sys.stderr)
            seed(folder, world=world)
        world.disk.lock(
            folder
        ).close()  # a demo that runs here already is said before anything starts
        with log.started(folder / LOG_FILE):
            code = asyncio.run(
                run_demo(
                    folder, world=world, run_app=run_on_terminal, is_day=is_day, is_tour=is_tour
                )
            )
    except NotADemo as error:
        _fail(str(error), EXIT_USAGE)
    except (DeviceError, StoreError) as error:
        _fail(problem_of(error, folder)[1], EXIT_OWN_FILES)
    except (CentreDown, OSError) as error:
        _fail(f"the demo cannot start: {error}", EXIT_FAILED)
    else:
        raise typer.Exit(code)


def _say(sentence: str) -> None:
    print(f"tapthread demo: {sentence}.", file=sys.stderr)


def _fail(sentence: str, code: int) -> None:
    print(f"tapthread demo: {sentence}", file=sys.stderr)
    raise typer.Exit(code)
