"""A day of one kiosk and its centre in one process, on a disk that fails at the n-th step; then a day after, on a sound one.

Run with the failing disk preloaded: `python -m tests.support.power_day FOLDER`, with orders as lines of JSON on its input. Each
day is a process of its own, forked from this one, so that it can be killed. One line of JSON a day, and `null` after the last.
"""

import asyncio
import gc
import json
import logging
import os
import shutil
import signal
import sys
import traceback
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from hardware.errors import DeviceError
from hardware.virtual.power import Act, DiskFault, PowerSupply, WatchedDisk, What
from sync.edge.recorder import Act as Deed
from sync.edge.recorder import Kept
from sync.model.errors import SyncError
from sync.simulate import checks, shop
from sync.simulate.chance import Chance
from sync.simulate.nodes import CentreNode, KioskNode, Site, copied, new_kiosk
from sync.simulate.timeline import VirtualLoop

SEED = 5
ROUNDS = 40


@dataclass(frozen=True)
class Order:
    """What is to fail: at each of `steps`, on the disk of `where`."""

    where: str
    act: str
    steps: list[int]
    what: str = "ANY"
    error: int = 0
    is_lasting: bool = False
    keep_percent: int = 0
    slow_ms: int = 0
    flips: tuple[str, ...] = ()


class Planned(PowerSupply):
    """Plans the fault as soon as the disk is there."""

    def __init__(self, supply: PowerSupply, where: str, fault: DiskFault) -> None:
        super().__init__(supply._library)
        self.where, self.fault = where, fault
        self.disk: WatchedDisk | None = None

    def watch(self, folder: Path) -> WatchedDisk:
        disk = super().watch(folder)
        if folder.name.startswith(self.where):
            disk.plan(self.fault)
            self.disk = disk
        return disk


Say = Callable[[dict[str, Any]], None]


def machines(
    folder: Path, loop: VirtualLoop, power: PowerSupply | None
) -> tuple[CentreNode, KioskNode]:
    """Both, the centre started; its files are made when there are none."""
    site = Site(folder, loop, SEED, power, is_skewed=False)
    centre = CentreNode(site)
    is_new = not centre.folder.exists()
    centre.folder.mkdir(exist_ok=True)
    centre.start()
    if is_new:
        owners = [
            (store, shop.customer_of(n))
            for n in range(shop.N_CUSTOMERS)
            for store in shop.stores_of(n)
        ]
        centre.up.put_rows(shop.rows(centre.clock.now_us()), interest=owners)
    kiosk = new_kiosk(site, "k0", "harbour", centre=centre, note=lambda _: None)
    kiosk.folder.mkdir(exist_ok=True)
    return centre, kiosk


async def opening(folder: Path, loop: VirtualLoop, _: Say) -> None:
    """The kiosk is set up and pulls everything."""
    centre, kiosk = machines(folder, loop, None)
    kiosk.start()
    await centre.clock.pause_ms(20_000)
    await kiosk.end()
    await centre.end()


async def day(folder: Path, loop: VirtualLoop, say: Say, fault: DiskFault, where: str) -> None:
    """People record, the kiosk pushes, settles and pulls; and records some more without a network."""
    supply = PowerSupply.here()
    assert supply is not None, "this is to be run with the failing disk preloaded"
    power = Planned(supply, where, fault)
    chance = Chance.of(SEED, "day")
    try:
        centre, kiosk = machines(folder, loop, power)
        kiosk.start()
    except (SyncError, DeviceError) as error:
        say({"said": f"{type(error).__name__}: {error}"})
        return
    for number in range(4):
        _said(kiosk, number, "c0", say)
        acts = [shop.act(chance, "c0", 1, "harbour"), shop.act(chance, "c2", 2, "harbour")]
        recorded(kiosk, partial(kiosk.recorder.record_group, acts, shop.doer("c0")), say)
        try:
            centre.up.put_rows([shop.changed(chance, number, 1)])
        except SyncError as error:
            say({"said": f"{type(error).__name__}: {error}"})
        await centre.clock.pause_ms(15_000)
    kiosk.network.is_cut = True
    for number in range(4):
        _said(kiosk, number, "c2", say)
    await centre.clock.pause_ms(3_000)
    if fault.act is Act.NOTHING:
        os.kill(os.getpid(), signal.SIGKILL)  # with its logs as they are
    await kiosk.end()
    await centre.end()
    say({"untouched": power.disk is None or not power.disk.n_faults})


def _said(kiosk: KioskNode, number: int, who: str, say: Say) -> None:
    deed = Deed("record_interaction", shop.said(number))
    recorded(kiosk, partial(kiosk.recorder.record, deed, shop.doer(who)), say)


def recorded(kiosk: KioskNode, work: Callable[[], object], say: Say) -> None:
    """Somebody records, and is told what became of it."""
    try:
        kept = work()
    except SyncError as error:
        say({"said": f"{type(error).__name__}: {error}"})
        return
    if isinstance(kept, Kept):
        say({"accepted": [op.id for op in kept.ops]})
        kiosk.wake()


async def day_after(folder: Path, loop: VirtualLoop, say: Say, accepted: list[str]) -> None:
    """On a sound disk everything is there, goes through, and both ends agree."""
    centre, kiosk = machines(folder, loop, None)
    kiosk.start()
    acknowledged = [op for op, state in checks.ops_in(kiosk.up).items() if state == "applied"]
    known = checks.ops_at(centre.up, acknowledged)
    say({"forgotten_by_the_centre": [op for op in acknowledged if op not in known]})
    kiosk.network.is_cut = False
    for _ in range(ROUNDS):
        await centre.clock.pause_ms(30_000)
        if checks.is_quiet(kiosk, centre.up):
            break
    there = checks.ops_at(centre.up, accepted)
    say({
        "lost": [op for op in accepted if op not in there],
        "notices": [notice.code for notice in kiosk.up.notices],
        "is_quiet": checks.is_quiet(kiosk, centre.up),
    })  # fmt: skip
    try:
        checks.cursor_is_earned(kiosk, centre.up)
        checks.same_rows(kiosk, centre.up)
        checks.same_states(kiosk, there)
        checks.money_is_all_there(centre.up, without=())
    except checks.Broken as error:
        say({"broken": str(error)})
    await kiosk.end()
    await centre.end()


def alone(
    work: Callable[[VirtualLoop, Say], Coroutine[Any, Any, None]],
) -> tuple[int, list[dict[str, Any]]]:
    """Do it in a process of its own: how that ended, and what it said."""
    reading, writing = os.pipe()
    child = os.fork()
    if not child:
        os.close(reading)
        code = 1
        try:
            loop = VirtualLoop()
            asyncio.set_event_loop(loop)
            loop.run_until_complete(work(loop, lambda said: _tell(writing, said)))
            code = 0
        except BaseException:  # noqa: BLE001  # the top of a process: whatever it is, the parent says it
            _tell(writing, {"raised": traceback.format_exc()[-1500:]})
        finally:
            os._exit(code)
    os.close(writing)
    with os.fdopen(reading) as lines:
        said = [json.loads(line) for line in lines]
    _, status = os.waitpid(child, 0)
    return os.waitstatus_to_exitcode(status), said


def _tell(descriptor: int, said: dict[str, Any]) -> None:
    os.write(descriptor, json.dumps(said).encode() + b"\n")


def gathered(said: list[dict[str, Any]], name: str) -> list[Any]:
    """All that was said under this name, in one list."""
    found: list[Any] = []
    for one in said:
        if name in one:
            found.extend(one[name] if isinstance(one[name], list) else [one[name]])
    return found


def tried(folder: Path, template: Path, order: Order, step: int) -> dict[str, Any]:
    """A bad day and the day after."""
    own = folder / "run"
    shutil.rmtree(own, ignore_errors=True)
    own.mkdir()
    for machine in template.iterdir():
        copied(machine, own / machine.name)
    fault = DiskFault(
        Act[order.act], step, What[order.what], order.error, is_lasting=order.is_lasting,
        seed=step,
        keep_percent=order.keep_percent, slow_ms=order.slow_ms,
    )  # fmt: skip
    code, said = alone(lambda loop, say: day(own, loop, say, fault, order.where))
    accepted = gathered(said, "accepted")
    for name in order.flips:
        _flip(own / name, step)
    after_code, after = alone(lambda loop, say: day_after(own, loop, say, accepted))
    return {
        "step": step, "code": code, "after_code": after_code, "accepted": len(accepted),
        "said": gathered(said, "said"), "raised": gathered(said + after, "raised"),
        "untouched": gathered(said, "untouched") == [True], "lost": gathered(after, "lost"),
        "notices": gathered(after, "notices"), "is_quiet": gathered(after, "is_quiet") == [True],
        "forgotten": gathered(after, "forgotten_by_the_centre"), "broken": gathered(after, "broken"),
    }  # fmt: skip


def _flip(path: Path, number: int) -> None:
    """One bit somewhere in the file."""
    chance = Chance.of(number, path.name)
    content = bytearray(path.read_bytes()) if path.exists() else bytearray()
    if content:
        content[chance.below(len(content))] ^= 1 << chance.below(8)
        path.write_bytes(content)


def main() -> int:
    """All days of each order, until one passes untouched."""
    logging.getLogger("sync").addHandler(logging.NullHandler())
    logging.getLogger("sync").propagate = False
    folder = Path(sys.argv[1])
    template = folder / "template"
    template.mkdir()
    loop = VirtualLoop()
    asyncio.set_event_loop(loop)
    loop.run_until_complete(opening(template, loop, lambda _: None))
    gc.collect()
    gc.freeze()  # as it is for all days
    for line in sys.stdin:
        order = Order(**json.loads(line))
        for step in order.steps:
            found = tried(folder, template, order, step)
            print(json.dumps(found), flush=True)  # noqa: T201  # its one output
            if found["untouched"]:
                break
        print("null", flush=True)  # noqa: T201
    return 0


if __name__ == "__main__":
    sys.exit(main())
