"""One run: a seed decides what people, network, disks and clocks do; the invariants are checked after every step and after healing.

The same seed gives the same run, whose every event goes into one hash.
"""

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from hashlib import blake2b
from pathlib import Path
from typing import Final

from hardware.moments import micros_of
from sync.model.operation import Operation
from sync.simulate import checks, shop
from sync.simulate.chance import Chance
from sync.simulate.checks import Broken
from sync.simulate.nodes import CentreNode, KioskNode, new_kiosk
from sync.simulate.timeline import Stalled, VirtualLoop

ROUNDS_MAX: Final = 40
"""Rounds after healing within which all must agree: ROUND_MS each, together more than any wait of the protocol."""

ROUND_MS: Final = 30_000


@dataclass(frozen=True, slots=True)
class Plan:
    """What to simulate.

    Attributes:
        without: Names of actions that are left out.
    """

    seed: int
    n_kiosks: int = 3
    n_steps: int = 40
    without: frozenset[str] = frozenset()


@dataclass(slots=True)
class Verdict:
    """What became of a run.

    Attributes:
        hash: Of all events, in hex.
        broken: What does not hold, "" when all does.
        events: All of them, oldest first.
    """

    seed: int
    hash: str = ""
    broken: str = ""
    n_steps: int = 0
    n_ops: int = 0
    n_calls: int = 0
    n_faults: int = 0
    n_rounds: int = 0
    virtual_s: int = 0
    faults: dict[str, int] = field(default_factory=dict)
    events: list[str] = field(default_factory=list)


Node = KioskNode | CentreNode


class World:
    """Both ends, and whoever plays with them."""

    def __init__(self, plan: Plan, folder: Path, loop: VirtualLoop) -> None:
        self.plan = plan
        self._folder = folder
        self._loop = loop
        self._chance = Chance.of(plan.seed, "world")
        self._hash = blake2b(digest_size=16)
        self.verdict = Verdict(plan.seed)
        self.accepted: dict[str, Operation] = {}
        self.lost_with_a_disk: set[str] = set()
        self.centre = CentreNode(folder, loop=loop, seed=plan.seed)
        self.kiosks: list[KioskNode] = []
        self._n_serial = 0
        self._n_copies = 0
        self._copies: dict[str, Path] = {}
        self._parted = False
        self._actions = tuple(
            (one, weight) for one, weight in ACTIONS if one.__name__[1:] not in plan.without
        )

    def note(self, event: str) -> None:
        """Something happened."""
        line = f"{self._loop.now_us} {event}"
        self._hash.update(line.encode() + b"\n")
        self.verdict.events.append(line)

    def count(self, fault: str) -> None:
        """A fault was put in."""
        self.verdict.faults[fault] = self.verdict.faults.get(fault, 0) + 1
        self.note(fault)

    async def run(self) -> None:
        """All of it. Raises Broken."""
        self.centre.start()
        owners = [
            (store, shop.customer_of(n))
            for n in range(shop.N_CUSTOMERS)
            for store in shop.stores_of(n)
        ]
        self.centre.up.put_rows(shop.rows(self._now()), interest=owners)
        for number in range(self.plan.n_kiosks):
            name = f"k{number}"
            kiosk = new_kiosk(
                name, shop.STORES[number % len(shop.STORES)], self._folder, loop=self._loop,
                seed=self.plan.seed, centre=self.centre, note=self._noter(name),
            )  # fmt: skip
            self.kiosks.append(kiosk)
            kiosk.start()
        try:
            for number in range(self.plan.n_steps):
                self.verdict.n_steps = number + 1
                action = self._chance.weighted(self._actions)
                self.note(f"step {number} {action.__name__[1:]}")
                await action(self)
                await self._pass(self._chance.weighted(PAUSES))
                self.check()
            await self._heal()
            await self._settle()
            self._check_all()
        finally:
            for kiosk in self.kiosks:
                self.verdict.n_calls += kiosk.network.n_calls
                self.verdict.n_faults += kiosk.network.n_faults
                await kiosk.network.end()
                await kiosk.end()
            self.centre.end()
            self.verdict.n_ops = len(self.accepted)
            self.verdict.virtual_s = self._loop.now_us // 1_000_000
            self.verdict.hash = self._hash.hexdigest()

    def _noter(self, name: str) -> Callable[[str], None]:
        return lambda what: self.count(f"{name} {what}".partition(" ")[2])

    def _now(self) -> int:
        return micros_of(self.centre.clock.now())

    async def _pass(self, duration_ms: int) -> None:
        await self.centre.clock.pause_ms(duration_ms)

    # Checks

    def check(self) -> None:
        """What holds at every moment. Raises Broken."""
        self._check_nothing_is_lost()
        if self.centre.centre is None or self._parted:
            return
        for kiosk in self.kiosks:
            if kiosk.store is not None:
                checks.cursor_is_earned(kiosk, self.centre.centre)

    def _check_nothing_is_lost(self) -> None:
        absent = self._absent()
        if absent:
            op = self.accepted[absent[0]]
            raise Broken(
                f"{len(absent)} accepted operations are nowhere, first {op.kind} {op.id}"
            )

    def _absent(self) -> list[str]:
        """Accepted operations that neither the centre nor any kiosk has. Asked only while all that have a disk are up."""
        if self.centre.centre is None or any(kiosk.store is None for kiosk in self.kiosks):
            return []
        wanted = [op for op in self.accepted if op not in self.lost_with_a_disk]
        at_the_centre = checks.ops_at(self.centre.centre, wanted)
        kept = {op for kiosk in self.kiosks for op in checks.ops_in(kiosk.up)}
        return [op for op in wanted if op not in at_the_centre and op not in kept]

    def _check_all(self) -> None:
        centre = self.centre.up
        wanted = [op for op in self.accepted if op not in self.lost_with_a_disk]
        status = checks.ops_at(centre, wanted)
        for op in wanted:
            if op not in status:
                raise Broken(f"accepted operation {op} never came to the centre")
            if status[op] == "applied":
                checks.effect_is_there(self.accepted[op], centre)
            self.note(f"{op} {status[op]}")
        for kiosk in self.kiosks:
            checks.cursor_is_earned(kiosk, centre)
            checks.same_rows(kiosk, centre)
            for op, state in checks.ops_in(kiosk.up).items():
                if op in status and state != status[op]:
                    raise Broken(f"{kiosk.name} says {op} is {state}, the centre {status[op]}")
        for scope in sorted(checks.held_by(self.kiosks[0].up)):
            self.note(f"{scope} {sorted(checks.held_at_the_centre(centre, scope).items())}")

    # Healing

    async def _heal(self) -> None:
        """Everything works again from here on."""
        self.note("heal")
        if self.centre.centre is None:
            self.centre.start()
        self.centre.clock.off_us = 0
        for kiosk in self.kiosks:
            kiosk.network.is_cut = False
            kiosk.network.trouble_percent = 0
            kiosk.network.poison.clear()
            kiosk.clock.off_us = 0
            if kiosk.store is None:
                kiosk.start()

    async def _settle(self) -> None:
        """Wait until all agree. Raises Broken when they do not within ROUNDS_MAX: nothing is lost, and nothing goes on."""
        for number in range(ROUNDS_MAX):
            await self._pass(ROUND_MS)
            if self._is_quiet():
                self.verdict.n_rounds = number + 1
                return
        waiting = {
            kiosk.name: [
                op for op, state in checks.ops_in(kiosk.up).items() if state in UNANSWERED
            ]
            for kiosk in self.kiosks
        }
        raise Broken(f"not settled after {ROUNDS_MAX} rounds: {waiting}")

    def _is_quiet(self) -> bool:
        for kiosk in self.kiosks:
            if any(state in UNANSWERED for state in checks.ops_in(kiosk.up).values()):
                return False
            with checks.reading(self.centre.up) as snapshot:
                held = checks.held_by(kiosk.up)
                if not held or any(
                    one.is_renewing or snapshot.head(scope) != one.seq
                    for scope, one in held.items()
                ):
                    return False
        return True

    # What people do

    def _some_kiosk(self) -> KioskNode | None:
        there = [kiosk for kiosk in self.kiosks if kiosk.store is not None]
        return self._chance.pick(there) if there else None

    async def _work(self) -> None:
        for _ in range(self._chance.weighted(((1, 60), (3, 30), (20, 10)))):
            kiosk = self._some_kiosk()
            if kiosk is None:
                return
            self._n_serial += 1
            op = shop.done(
                self._chance, self._n_serial, op_id=kiosk.new_op_id(), at=kiosk.clock.now_us(),
                device=kiosk.identity.device_id, store=kiosk.identity.store,
            )  # fmt: skip
            if kiosk.record(op):
                self.accepted[op.id] = op
                self.note(f"{kiosk.name} {op.kind} {op.id}")
            else:
                self.note(f"{kiosk.name} could not record {op.kind}")

    async def _change(self) -> None:
        centre = self.centre.centre
        if centre is None:
            return
        for _ in range(self._chance.weighted(((1, 60), (5, 30), (60, 10)))):
            self._n_serial += 1
            row = shop.changed(self._chance, self._n_serial, self._now())
            centre.put_rows([row])
            self.note(f"centre {row.key}")

    async def _end_interest(self) -> None:
        if self.centre.centre is not None:
            who = shop.customer_of(self._chance.below(shop.N_CUSTOMERS))
            self.centre.centre.end_interest(self._chance.pick(shop.STORES), who)
            self.note(f"interest in {who} ended")

    async def _begin_interest(self) -> None:
        if self.centre.centre is not None:
            who = shop.customer_of(self._chance.below(shop.N_CUSTOMERS))
            store = self._chance.pick(shop.STORES)
            self.centre.centre.put_rows((), interest=[(store, who)])
            self.note(f"{store} holds {who}")

    async def _wait(self) -> None:
        await self._pass(self._chance.weighted(((5_000, 50), (60_000, 35), (900_000, 15))))

    async def _night(self) -> None:
        """The shop closes; the machines are switched off as people do that: at the wall."""
        for kiosk in self.kiosks:
            if kiosk.store is not None:
                await kiosk.kill()
        await self._pass(self._chance.pick((14, 62)) * HOUR_MS)
        for kiosk in self.kiosks:
            kiosk.start()
        self.note("morning")

    # What goes wrong

    async def _cut(self) -> None:
        kiosk = self._chance.pick(self.kiosks)
        kiosk.network.is_cut = not kiosk.network.is_cut
        self.count("network cut" if kiosk.network.is_cut else "network back")

    async def _trouble(self) -> None:
        kiosk = self._chance.pick(self.kiosks)
        kiosk.network.trouble_percent = self._chance.pick((0, 0, 10, 30, 70))
        self.note(f"{kiosk.name} trouble {kiosk.network.trouble_percent}%")

    async def _kill(self) -> None:
        kiosk = self._chance.pick(self.kiosks)
        if kiosk.store is None:
            kiosk.start()
            self.note(f"{kiosk.name} started")
        else:
            await kiosk.kill()
            self.count("kiosk killed")
            if self._chance.hits(60):
                kiosk.start()

    async def _kill_centre(self) -> None:
        if self.centre.centre is None:
            self.centre.start()
            self.note("centre started")
        else:
            self.centre.kill()
            self.count("centre killed")
            if self._chance.hits(60):
                self.centre.start()

    async def _jump(self) -> None:
        kiosk = self._chance.pick(self.kiosks)
        kiosk.clock.off_us = self._chance.pick(JUMPS_US)
        self.count("clock jumped")


HOUR_MS: Final = 3_600_000
HOUR_US: Final = 3_600_000_000
JUMPS_US: Final = (0, -HOUR_US, 10 * 365 * 24 * HOUR_US, -56 * 365 * 24 * HOUR_US, 2 * HOUR_US)
PAUSES: Final = ((0, 30), (50, 25), (400, 25), (3_000, 16), (30_000, 4))
"""Milliseconds after a step, with weights."""

UNANSWERED: Final = ("recorded", "sending")

ACTIONS: Final = (
    (World._work, 40),
    (World._change, 15),
    (World._wait, 5),
    (World._night, 1),
    (World._begin_interest, 3),
    (World._end_interest, 3),
    (World._cut, 8),
    (World._trouble, 10),
    (World._kill, 8),
    (World._kill_centre, 4),
    (World._jump, 4),
)


class _Defects(logging.Handler):
    """Remembers what the code of both ends caught and logged although it should never happen."""

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.found: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        """Only errors with a trace are defects; others are what a person must act on."""
        if record.exc_info and record.exc_info[1] is not None:
            error = record.exc_info[1]
            self.found.append(f"{record.name}: {record.getMessage()}: {error!r}")


def simulated(plan: Plan, folder: Path) -> Verdict:
    """One run in an empty folder, which it leaves behind."""
    loop = VirtualLoop()
    asyncio.set_event_loop(loop)
    world = World(plan, folder, loop)
    defects = _Defects()
    logging.getLogger("sync").addHandler(defects)
    try:
        loop.run_until_complete(world.run())
        if defects.found:
            raise Broken(f"{len(defects.found)} defects, first {defects.found[0]}")
    except Broken as error:
        world.verdict.broken = str(error)
    except Stalled:
        world.verdict.broken = "everybody waits for something that will never happen"
    finally:
        logging.getLogger("sync").removeHandler(defects)
        left = asyncio.all_tasks(loop)
        for task in left:
            task.cancel()
        loop.run_until_complete(asyncio.gather(*left, return_exceptions=True))
        asyncio.set_event_loop(None)
        loop.close()
    return world.verdict
