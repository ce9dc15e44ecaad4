"""One run: a seed decides what people, network, disks and clocks do; the invariants are checked after every step and after healing.

The same seed gives the same run, whose every event goes into one hash.
"""

from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass, field
from hashlib import blake2b
from pathlib import Path
from typing import Final

from hardware.moments import micros_of
from hardware.virtual.power import PowerSupply
from sync.central.enrolment import State
from sync.edge.peers import OFFER_MS, UP
from sync.edge.recorder import Kept
from sync.model.errors import Malformed, StoreError
from sync.model.operation import Operation, Refusal
from sync.simulate import checks, shop
from sync.simulate.chance import Chance
from sync.simulate.checks import Broken
from sync.simulate.floor import Floor
from sync.simulate.forgotten import Forgotten, Life, life_of
from sync.simulate.nodes import CentreNode, KioskNode, Site, clone_of, new_kiosk
from sync.simulate.timeline import VirtualLoop
from sync.simulate.vendor import Vendor

ROUNDS_MAX: Final = 70
"""Rounds after healing within which all must agree: together more than any wait of the protocol."""

ROUNDS_MS: Final = ((6, 4_000), (50, 30_000), (ROUNDS_MAX, 300_000))
"""Up to which round how long one is: most runs agree at once, and an operation the centre fails at is given away after an hour."""


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
        seen: What came to pass beside faults, with how often: so that it can be told that a run reached it.
        events: All of them, oldest first.
    """

    seed: int
    hash: str = ""
    broken: str = ""
    n_steps: int = 0
    n_ops: int = 0
    n_calls: int = 0
    n_rounds: int = 0
    virtual_s: int = 0
    faults: dict[str, int] = field(default_factory=dict)
    seen: dict[str, int] = field(default_factory=dict)
    events: list[str] = field(default_factory=list)


class World:
    """Both ends, and whoever plays with them.

    Attributes:
        accepted: Every operation a kiosk said is done, by id.
        lost_with_a_disk: Those whose only copy went with a disk that was set back; nobody can know them any more.
        erased: Customers who were forgotten; `oblivion` knows who must stay so.
        joins: By the operation that made two customers one: who they are.
        vendor: Who tells the centre what happens elsewhere.
        decided: Operations somebody at the centre or at a kiosk decided about; `forgotten` are those of them that a backup may not know.
        moved: Kiosks that were in another store: decisions are told to the store an operation is of.
        revoked: Devices that may hold nothing any more, by id.
        held: By device, customers it held at some moment, be it as somebody they were joined into; `let_go` are those of them who
            left: what it recorded about them goes too.
        leaving: By kiosk and life of its cache, what it had recorded about customers before they left.
        doubled: Devices that were cloned or set back to an older copy, by id.
        n_backups: How often the centre was set back to one.
        parted: Somebody was set back since all last agreed: until then cursors may be of another history.
    """

    def __init__(self, plan: Plan, folder: Path, loop: VirtualLoop) -> None:
        self.plan = plan
        self.chance = Chance.of(plan.seed, "world")
        self.site = Site(
            folder, loop, plan.seed, PowerSupply.here(), is_skewed=self.chance.hits(40)
        )
        self.centre = CentreNode(self.site)
        self.kiosks: list[KioskNode] = []
        chance = Chance.of(plan.seed, "vendor")
        self.vendor = Vendor(self.centre.answer, chance, shop.N_CUSTOMERS)
        self.joins: dict[str, tuple[str, str]] = {}
        self.accepted: dict[str, Operation] = {}
        self.lost_with_a_disk: set[str] = set()
        self.erased: set[str] = set()
        self.oblivion = Forgotten()
        self.decided: set[str] = set()
        self.forgotten: set[str] = set()
        self.moved: set[str] = set()
        self.revoked: set[str] = set()
        self.doubled: set[str] = set()
        self.held: dict[str, set[str]] = {}
        self.let_go: dict[str, set[str]] = {}
        self.leaving: dict[Life, set[str]] = {}
        self._here: dict[Life, tuple[set[str], dict[str, str]]] = {}
        self.n_backups = 0
        self.parted = False
        self.copies: dict[str, Path] = {}
        self.verdict = Verdict(plan.seed)
        self._hash = blake2b(digest_size=16)
        self._n_serial = 0

    def note(self, event: str) -> None:
        """Something happened."""
        line = f"{self.site.loop.now_us} {event}"
        self._hash.update(line.encode() + b"\\n")
        self.verdict.events.append(line)

    def fault(self, name: str, *, where: str = "") -> None:
        """A fault was put in."""
        self.verdict.faults[name] = self.verdict.faults.get(name, 0) + 1
        self.note(f"{where} {name}".strip())

    def saw(self, name: str) -> None:
        """Something came to pass that a run is to reach now and then."""
        self.verdict.seen[name] = self.verdict.seen.get(name, 0) + 1

    def noter(self, name: str) -> Callable[[str], None]:
        """What a network of this name tells its faults to."""
        return lambda fault: self.fault(fault, where=name)

    def serial(self) -> int:
        """A number that was not used yet."""
        self._n_serial += 1
        return self._n_serial

    def now(self) -> int:
        """True time, microseconds since 1970."""
        return micros_of(self.centre.clock.now()) - self.centre.clock.off_us

    async def wait(self, duration_ms: int) -> None:
        """Let time pass for everybody."""
        await self.centre.clock.pause_ms(duration_ms)

    def tried(self, work: Callable[[], object]) -> bool:
        """Whether the centre did it; its disk may have said no, or a rule."""
        try:
            self.centre.within(work)
        except (StoreError, Malformed) as error:
            self.note(f"the centre could not: {error.code}")
            return False
        return True

    def recorded(self, kiosk: KioskNode, work: Callable[[], Kept | Refusal]) -> tuple[str, ...]:
        """Ids of what the kiosk said is done by this; none where a rule or its disk said no."""
        began_us = self.site.loop.now_us
        try:
            kept = kiosk.within(work)
        except StoreError as error:
            self.note(f"{kiosk.name} could not record: {error.code}")
            return ()
        finally:
            if self.site.loop.now_us - began_us > PLACE_US:
                raise Broken(f"{kiosk.name} waited for the relay")
        if isinstance(kept, Refusal):
            self.note(f"{kiosk.name} may not: {kept.code}")
            return ()
        for op in kept.ops:
            self.accepted[op.id] = op
            self.note(f"{kiosk.name} {op.kind} {op.id}")
        kiosk.wake()
        return tuple(op.id for op in kept.ops)

    def start_all(self) -> None:
        """Switch on what is off."""
        if self.centre.centre is None:
            self.centre.start()
        for kiosk in self.kiosks:
            if kiosk.store is None:
                kiosk.start()

    def unpacked(self, name: str, store: str) -> None:
        """One more kiosk, with nothing on its disk. Raises StoreError: the centre's disk said no."""
        kiosk = new_kiosk(self.site, name, store, centre=self.centre, note=self.noter(name))
        kiosk.folder.mkdir()
        self.kiosks.append(kiosk)
        kiosk.start()

    def cloned(self, kiosk: KioskNode, name: str) -> KioskNode:
        """One more machine with this one's disk."""
        made = clone_of(kiosk, name, centre=self.centre, note=self.noter(name))
        self.kiosks.append(made)
        self.doubled.add(made.identity.device_id)
        self.parted = True
        return made

    async def run(self, actions: "Sequence[tuple[Action, int]]") -> None:
        """All of it. Raises Broken."""
        self._begin()
        try:
            for number in range(self.plan.n_steps):
                self.verdict.n_steps = number + 1
                action = self.chance.weighted(actions)
                self.note(f"step {number} {name_of(action)}")
                await action(self)
                await self.wait(self.chance.weighted(PAUSES))
                await self._bury_frozen()
                self.check()
            await self._heal()
            await self._settle()
            self._check_all()
        finally:
            await self._end()

    def _begin(self) -> None:
        self.centre.folder.mkdir()
        self.centre.start()
        owners = [
            (store, shop.customer_of(n))
            for n in range(shop.N_CUSTOMERS)
            for store in shop.stores_of(n)
        ]
        self.centre.up.put_rows(shop.rows(self.now()), interest=owners)
        if self.chance.hits(50):
            self.centre.up.tidy()  # so that there are snapshots
        if self.chance.hits(30):
            hosts = zip(shop.STORES, range(self.plan.n_kiosks), strict=False)
            self.site.floors.update((store, Floor(f"k{n}")) for store, n in hosts)
        for number in range(self.plan.n_kiosks):
            self.unpacked(f"k{number}", shop.STORES[number % len(shop.STORES)])

    async def _end(self) -> None:
        for kiosk in self.kiosks:
            self.verdict.n_calls += kiosk.network.n_calls
            self.verdict.seen["part of a snapshot"] = (
                self.verdict.seen.get("part of a snapshot", 0) + kiosk.network.n_parts
            )
            await kiosk.network.end()
            if kiosk.lan is not None:
                self.verdict.n_calls += kiosk.lan.n_calls
                await kiosk.lan.end()
            await kiosk.end()
        await self.centre.end()
        self.verdict.n_ops = len(self.accepted)
        self.verdict.virtual_s = self.site.loop.now_us // 1_000_000
        self.verdict.hash = self._hash.hexdigest()

    async def _bury_frozen(self) -> None:
        """A machine whose disk stopped in the middle of something is gone; its next life begins with what was written."""
        for machine in (self.centre, *self.kiosks):
            if machine.disk is not None and machine.disk.is_frozen:
                await machine.kill(cut=self.chance.pick((None, 0, 50)))
                self.fault("died between two writes", where=machine.name)
                machine.start()

    # Checks

    def check(self) -> None:
        """What holds at every moment. Raises Broken."""
        absent = [op for op in self.absent() if not self._may_be_nowhere(op)]
        if absent:
            op = self.accepted[absent[0]]
            raise Broken(
                f"{len(absent)} accepted operations are nowhere, first {op.kind} {op.id}"
            )
        for kiosk in self.kiosks:
            if kiosk.store is not None and checks.loading(kiosk.up):
                self.saw("snapshot half loaded")
            if kiosk.store is not None:
                self._look_who_left(kiosk)
        if self.centre.centre is None:
            return
        checks.money_is_all_there(self.centre.centre, without=self._gone())
        if self.parted:
            return
        for kiosk in self.kiosks:
            if kiosk.store is not None:
                checks.cursor_is_earned(kiosk, self.centre.centre)
                checks.shows_what_was(kiosk, self.centre.centre)

    def _look_who_left(self, kiosk: KioskNode) -> None:
        now, device = checks.customers_held(kiosk), kiosk.identity.device_id
        before = self.held.get(device, set())
        self.let_go.setdefault(device, set()).update(before - now)
        self.held[device] = before | now
        life = life_of(kiosk)
        had, owners = self._here.get(life, (set(), {}))
        took = {op for op, owner in owners.items() if owner in had - now}
        self.leaving.setdefault(life, set()).update(took)
        self._here[life] = now, checks.owners_of(kiosk.up)

    def kept_what_was_acknowledged(self, absent: Iterable[str]) -> None:
        """Of what a centre forgot that was set back, what is nowhere else is of devices that may have forgotten it too. Raises Broken."""
        others, gone = self.doubled | self.revoked, self._gone()
        for op in map(self.accepted.__getitem__, absent):
            may_be = op.owner in gone or op.owner in self.let_go.get(op.device, set())
            if op.device not in others and not may_be:
                raise Broken(
                    f"the device of {op.kind} {op.id} did not keep it for a centre that was set back"
                )

    def _may_be_nowhere(self, op: str) -> bool:
        """Whether a device rightly let it go, as its customer was erased, before the centre that had it was set back."""
        return bool(self.n_backups) and self.accepted[op].owner in self._gone()

    def absent(self) -> list[str]:
        """Accepted operations that neither the centre nor any kiosk has; asked only while all are up."""
        if self.centre.centre is None or any(kiosk.store is None for kiosk in self.kiosks):
            return []
        wanted = [op for op in self.accepted if op not in self.lost_with_a_disk]
        there = checks.ops_at(self.centre.centre, wanted)
        kept = {op for kiosk in self.kiosks for op in checks.ops_in(kiosk.up)}
        return [op for op in wanted if op not in there and op not in kept]

    def _check_all(self) -> None:
        centre = self.centre.up
        wanted = [op for op in self.accepted if op not in self.lost_with_a_disk]
        status = checks.ops_at(centre, wanted)
        gone = self._gone()
        undone = {op.undoes for op in self.accepted.values()}
        refused = self._refused_before_a_backup()
        for op in wanted:
            if op not in status and (op in refused or self._may_be_nowhere(op)):
                continue
            if op not in status:
                raise Broken(f"accepted operation {op} never came to the centre")
            if (
                status[op] == "applied"
                and op not in undone
                and self.accepted[op].owner not in gone
            ):
                checks.effect_is_there(self.accepted[op], centre)
            self.note(f"{op} {status[op]}")
        for kiosk in self.kiosks:
            checks.cursor_is_earned(kiosk, centre)
            checks.same_rows(kiosk, centre)
            checks.nothing_is_left_of_snapshots(kiosk)
            if kiosk.identity.device_id not in self.doubled | self.revoked:
                checks.who_left_took_along(kiosk, self.leaving.get(life_of(kiosk), ()))
            if self.site.is_skewed:
                checks.reads_what_it_can(kiosk, self.centre)
            is_elsewhere = kiosk.name in self.moved or kiosk.identity.device_id in self.revoked
            unknown = self.decided if is_elsewhere else self.forgotten
            checks.same_states(
                kiosk, {op: said for op, said in status.items() if op not in unknown}
            )
        not_out = (one for one in self.kiosks if one.identity.device_id not in self.revoked)
        self.oblivion.check(centre, not_out)
        checks.nobody_is_alarmed(centre, self.kiosks, self.doubled)
        checks.money_is_all_there(centre, without=gone)
        n_joined = checks.words_are_there_once(
            centre, {name: shop.customer_of(n) for name, n in self.vendor.words.items()}, gone
        )
        if n_joined:
            self.saw("customers joined")
        for scope in sorted(checks.held_by(self.kiosks[0].up)):
            self.note(f"{scope} {checks.words_of(checks.held_at_the_centre(centre, scope))}")

    def _refused_before_a_backup(self) -> set[str]:
        """What a centre refused before it was set back: it did nothing, is settled here, and is not asked again.

        Asked again it might be applied, after a customer was told no and perhaps helped in another way.
        """
        if not self.n_backups:
            return set()
        return {
            op
            for kiosk in self.kiosks
            for op, state in checks.ops_in(kiosk.up).items()
            if state in SETTLED_HERE
        }

    # Healing

    async def _heal(self) -> None:
        """Everything works again from here on; but one operation the centre fails at may stay what it is."""
        is_poisoned = self.chance.hits(50)
        self.note("heal")
        self.centre.clock.off_us = 0
        for machine in (self.centre, *self.kiosks):
            machine.clock.off_us = 0
            if machine.disk is not None:
                machine.disk.plan(None)
        for kiosk in self.kiosks:
            kiosk.network.is_cut = False
            kiosk.network.trouble_percent = 0
            if kiosk.lan is not None:
                kiosk.lan.is_cut, kiosk.lan.trouble_percent = False, 0
            if not is_poisoned:
                kiosk.network.poison.clear()
        await self._bury_frozen()
        self.start_all()
        for kiosk in self.kiosks:
            if kiosk.identity.device_id not in self.revoked:
                self.centre.up.set_device_state(kiosk.identity.device_id, State.ACTIVE)

    def _gone(self) -> set[str]:
        """Customers who were forgotten, and whoever may have been one with them."""
        gone, n_before = set(self.erased), -1
        while len(gone) != n_before:
            n_before = len(gone)
            for pair in self.joins.values():
                if gone & set(pair):
                    gone |= set(pair)
        return gone

    async def _settle(self) -> None:
        """Wait until all agree. Raises Broken when they do not within ROUNDS_MAX: nothing is lost, and nothing goes on."""
        for _ in range(VENDOR_TRIES):
            if not self.vendor.is_done:
                await self.vendor.tell(self.now(), is_troubled=False)
                await self.wait(1_000)
        if not self.vendor.is_done:
            raise Broken("an event that is told again and again is not taken")
        if self.vendor.has_told:
            self.tried(self.centre.up.tidy)  # what waited for another event
        for number in range(ROUNDS_MAX):
            await self.wait(next(each for upto, each in ROUNDS_MS if number < upto))
            if all(map(self._is_quiet, self.kiosks)):
                self.verdict.n_rounds = number + 1
                return
        loud = [kiosk for kiosk in self.kiosks if not self._is_quiet(kiosk)]
        words = "; ".join(checks.standing(kiosk, self.centre.up) for kiosk in loud)
        raise Broken(f"not settled after {ROUNDS_MAX} rounds: {words}")

    def _is_quiet(self, kiosk: KioskNode) -> bool:
        """It agrees with the centre; and where nobody of its store is gone or doubled, nothing of the others is left to wait for."""
        if not checks.is_quiet(kiosk, self.centre.up):
            return False
        store = [one for one in self.kiosks if one.identity.store == kiosk.identity.store]
        devices = {one.identity.device_id for one in store}
        is_whole = len(devices) == len(store) and not devices & self.revoked
        if kiosk.peers is None or not is_whole or self.moved & {one.name for one in store}:
            return True
        return kiosk.peers.status().code == UP and not kiosk.peers.ops.n_theirs()


Action = Callable[[World], Awaitable[None]]
"""Something that happens in a step."""

VENDOR_TRIES: Final = 10
PLACE_US: Final = (OFFER_MS + 1) * 1_000
"""Whoever records is kept waiting by the relay for so long at most, in virtual microseconds."""

SETTLED_HERE: Final = ("refused", "void")

PAUSES: Final = ((0, 30), (50, 25), (400, 25), (3_000, 16), (30_000, 4))
"""Milliseconds after a step, with weights."""


def name_of(action: Action) -> str:
    """As events and options call it."""
    return getattr(action, "__name__", "")
