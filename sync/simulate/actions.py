"""What can happen in a step: people at work, and everything that goes wrong."""

import errno
import shutil
from typing import Final, Literal

from hardware.virtual import power
from hardware.virtual.power import DiskFault, What
from sync.central.enrolment import State
from sync.central.erasure_ledger import FILE
from sync.edge.outbox import Outbox
from sync.edge.peers import UP
from sync.edge.recorder import Act, Kept
from sync.model.ledger import Loan
from sync.model.operations.join_customers import JoinCustomers, join_id
from sync.model.operations.unjoin_customers import UnjoinCustomers
from sync.model.row import Row
from sync.model.wire import DecideRequest
from sync.simulate import checks, shop, skew
from sync.simulate.chance import Chance
from sync.simulate.forgotten import notes_of
from sync.simulate.nodes import KioskNode
from sync.simulate.world import Action, World, name_of

MACHINES_MAX: Final = 6
"""Clones of clones end here."""

# What people do


async def work(world: World) -> None:
    """Something is done at some kiosk, and for some customers much."""
    for _ in range(world.chance.weighted(((1, 60), (3, 30), (20, 10)))):
        kiosk, who = _some_kiosk(world), _somebody(world)
        if kiosk is not None:
            _done(world, kiosk, who)


async def work_together(world: World) -> None:
    """Several things are done, all or none."""
    kiosk, who = _some_kiosk(world), _somebody(world)
    if kiosk is not None:
        acts = [
            shop.act(world.chance, who, world.serial(), kiosk.identity.store)
            for _ in range(world.chance.between(2, 3))
        ]
        world.recorded(kiosk, lambda: kiosk.recorder.record_group(acts, shop.doer(who)))


async def take_back(world: World) -> None:
    """Somebody presses undo for something that was done lately."""
    kiosk = _some_kiosk(world)
    own = [
        op for op in world.accepted.values() if kiosk and op.device == kiosk.identity.device_id
    ]
    if kiosk is not None and own:
        op = world.chance.pick(own[-5:])
        world.recorded(kiosk, lambda: kiosk.recorder.undo(op.id, shop.doer(op.owner)))


async def settle_here(world: World) -> None:
    """A clerk looks at what was refused or is held: once more, or nothing more."""
    kiosk = _some_kiosk(world)
    if kiosk is None:
        return
    waiting = [
        op for op, state in checks.ops_in(kiosk.up).items() if state in ("refused", "held")
    ]
    known = [op for op in waiting if op in world.accepted]
    if not known:
        return
    op = world.accepted[world.chance.pick(known)]
    world.decided.add(op.id)
    if world.chance.hits(50):
        world.recorded(kiosk, lambda: kiosk.recorder.replay(op.id, shop.doer(op.owner)))
    else:
        world.recorded(
            kiosk, lambda: kiosk.recorder.void(op.id, shop.doer(op.owner), reason="settled")
        )


async def settle_there(world: World) -> None:
    """Somebody at the centre looks at the inbox."""
    centre = world.centre.centre
    if centre is None:
        return
    waiting = centre.waiting()
    if waiting:
        entry = world.chance.pick(waiting)
        decision: Literal["replay", "void"] = "replay" if world.chance.hits(50) else "void"
        request = DecideRequest(op=entry.op, decision=decision, by="ana", reason="looked")
        if world.tried(lambda: centre.settle(request)):
            world.decided.add(entry.op)
            world.note(f"{entry.op} {decision} at the centre")


async def new_kind(world: World) -> None:
    """A newer program was here and recorded what nobody else knows."""
    kiosk, who, serial = _some_kiosk(world), _somebody(world), world.serial()
    if kiosk is None:
        return
    op = shop.foreign(
        serial, who, op_id=f"01900000-0000-7000-8000-{serial:012x}", at=kiosk.clock.now_us(),
        device=kiosk.identity.device_id, store=kiosk.identity.store,
    )  # fmt: skip

    def recorded() -> Kept:
        Outbox(kiosk.up).record(op)
        return Kept((op,))

    world.recorded(kiosk, recorded)


async def want(world: World) -> None:
    """A clerk asks the centre for a customer of another store."""
    kiosk = _some_kiosk(world)
    if kiosk is not None:
        who = _somebody(world)
        await world.wait(0)
        kiosk.want(who, world.chance.pick((1, 30)))
        world.note(f"{kiosk.name} wants {who}")


async def lend(world: World) -> None:
    """The centre lends a store what it may give out alone."""
    centre, who = world.centre.centre, _somebody(world)
    of = world.chance.pick((f"account/{who}-acc", f"entitlement/{who}-ent"))
    store, until = world.chance.pick(shop.STORES), world.now() + 72 * HOUR_US
    loan = Loan(f"loan-{world.serial()}", store, of, world.chance.between(1, 5), until)
    if centre is not None and world.tried(lambda: centre.lend(loan)):
        world.note(f"{store} is lent {loan.count} of {of}")


async def tidy(world: World) -> None:
    """The centre forgets what is old and ends what is over."""
    centre = world.centre.centre
    if centre is not None and world.tried(lambda: centre.tidy(is_all=True)):
        world.note("centre tidied up")


async def erase(world: World) -> None:
    """A customer wants to be forgotten."""
    centre, who = world.centre.centre, _somebody(world)
    if centre is None:
        return
    world.erased.add(who)  # also where it died on the way: it may be done
    before = notes_of(centre)
    if world.tried(lambda: centre.erase(who)):
        world.oblivion.erased(who, notes_of(centre) - before)
        world.fault(f"{who} erased")


async def change(world: World) -> None:
    """Rows are changed at the centre."""
    for _ in range(world.chance.weighted(((1, 60), (5, 30), (60, 10)))):
        row = shop.changed(world.chance, world.serial(), world.now())
        if _put(world, row):
            world.note(f"centre {row.key}")


async def begin_interest(world: World) -> None:
    """A store holds one more customer."""
    who, store = _somebody(world), world.chance.pick(shop.STORES)
    centre = world.centre.centre
    if centre is not None and world.tried(lambda: centre.put_rows((), interest=[(store, who)])):
        world.note(f"{store} holds {who}")


async def end_interest(world: World) -> None:
    """A store holds one customer less."""
    who, store = _somebody(world), world.chance.pick(shop.STORES)
    centre = world.centre.centre
    if centre is not None and world.tried(lambda: centre.end_interest(store, who)):
        world.note(f"{store} lets go of {who}")


async def elsewhere(world: World) -> None:
    """Customers order, and say something, in another channel; its system tells the centre as well as the network lets it."""
    for _ in range(world.chance.between(1, 3)):
        world.note(f"elsewhere {world.vendor.happens(world.serial(), world.now())}")
    n_taken = await world.vendor.tell(world.now(), is_troubled=True)
    world.note(f"{n_taken} events taken")


async def join(world: World) -> None:
    """Staff say that two customers are one; or that they are not."""
    kiosk, who, other = _some_kiosk(world), _somebody(world), _somebody(world)
    if kiosk is None:
        return
    if world.joins and world.chance.hits(40):
        op = world.chance.pick(tuple(world.joins))
        apart = Act("unjoin_customers", UnjoinCustomers(join=join_id(op)))
        _done(world, kiosk, world.joins[op][0], apart)
        return
    together = Act("join_customers", JoinCustomers(other=other, why="they say so"))
    for op in _done(world, kiosk, who, together):
        world.joins[op] = (who, other)


async def idle(world: World) -> None:
    """Nothing happens for a while."""
    await world.wait(world.chance.weighted(((5_000, 50), (60_000, 35), (900_000, 15))))


async def hurry(world: World) -> None:
    """A band is held to a reader while nobody answers."""
    kiosk = _some_kiosk(world)
    if kiosk is not None:
        kiosk.hurry()


async def night(world: World) -> None:
    """The shop closes; the machines are switched off as people do that, at the wall."""
    there = [kiosk for kiosk in world.kiosks if kiosk.store is not None]
    for kiosk in there:
        await kiosk.kill(cut=0)
    await world.wait(world.chance.pick((14, 62)) * HOUR_MS)
    for kiosk in there:
        kiosk.start()


# The network


async def cut_network(world: World) -> None:
    """A kiosk's network goes, or comes back."""
    kiosk = world.chance.pick(world.kiosks)
    kiosk.network.is_cut = not kiosk.network.is_cut
    if kiosk.network.is_cut:
        world.fault("network cut", where=kiosk.name)


async def cut_all(world: World) -> None:
    """The line of all shops goes, or comes back."""
    is_cut = world.chance.hits(60)
    for kiosk in world.kiosks:
        kiosk.network.is_cut = is_cut
    if is_cut:
        world.fault("all networks cut")


async def trouble(world: World) -> None:
    """A kiosk's network gets better or worse."""
    kiosk = world.chance.pick(world.kiosks)
    kiosk.network.trouble_percent = world.chance.pick((0, 0, 10, 30, 70))
    world.note(f"{kiosk.name} trouble {kiosk.network.trouble_percent}%")


async def trouble_at_home(world: World) -> None:
    """The shop's own network, over which its relay is reached, goes, comes back, gets better or worse."""
    lans = [(kiosk, kiosk.lan) for kiosk in world.kiosks if kiosk.lan is not None]
    if lans:
        kiosk, lan = world.chance.pick(lans)
        lan.trouble_percent = world.chance.pick((0, 0, 10, 30))
        lan.is_cut = world.chance.hits(40)
        if lan.is_cut:
            world.fault("cut off from the relay", where=kiosk.name)


async def agree_without_a_line(world: World) -> None:
    """The line of a store is cut, and two of its kiosks go on: what one does the other shows within a second."""
    several = [kiosk for kiosk in world.kiosks if _is_among_others(world, kiosk)]
    pairs = [
        (one, two) for one in several for two in several
        if one.identity.store == two.identity.store and one.identity != two.identity
    ]  # fmt: skip
    if not pairs:
        return
    one, two = world.chance.pick(pairs)
    for kiosk in (one, two):
        kiosk.network.is_cut = True
    await world.wait(500)  # what was on its way is here or lost
    who = _somebody(world)
    n_left = checks.left_of(two, f"entitlement/{who}-ent", who)
    is_race = world.chance.hits(50)
    taken = 0
    for kiosk in (one, two, one):
        act = shop.voucher(who) if is_race else None
        for op in _done(world, kiosk, who, act):
            taken += world.accepted[op].kind == "redeem" and checks.is_alone(world.accepted[op])
    await world.wait(1_000)
    if not all(_is_among_others(world, kiosk) for kiosk in (one, two)):
        return
    checks.shows_what_happened(one, two)
    checks.shows_what_happened(two, one)
    if is_race and n_left is not None and taken > n_left:
        raise checks.Broken(f"{one.name} and {two.name} gave out {taken} of {n_left} for {who}")
    world.saw("agreed by the relay")


def _is_among_others(world: World, kiosk: KioskNode) -> bool:
    """Whether nothing stands between this kiosk and the relay of its store."""
    lan, peers = kiosk.lan, kiosk.peers
    if lan is None or peers is None or lan.is_cut or lan.trouble_percent:
        return False
    if sum(one.identity == kiosk.identity for one in world.kiosks) > 1:
        return False  # a relay hears one of two machines that are the same device
    host = world.site.floors[kiosk.identity.store].host
    disks = [one.disk for one in world.kiosks if one.name in {kiosk.name, host}]
    return peers.status().code == UP and not any(disk and disk.is_frozen for disk in disks)


async def poison(world: World) -> None:
    """An operation is recorded that a node of the centre always fails at."""
    kiosk = _some_kiosk(world)
    if kiosk is None:
        return
    for op in _done(world, kiosk, _somebody(world)):
        for one in world.kiosks:
            one.network.poison.add(op)
        world.fault("poisoned operation")


# Machines


async def kill_kiosk(world: World) -> None:
    """A kiosk's process is killed, or its power is cut; or it comes back."""
    kiosk = world.chance.pick(world.kiosks)
    if kiosk.store is None:
        kiosk.start()
        world.note(f"{kiosk.name} started")
        return
    cut = world.chance.pick((None, 0, 50))
    await kiosk.kill(cut=cut)
    world.fault("killed" if cut is None else "power cut", where=kiosk.name)
    if world.chance.hits(60):
        kiosk.start()


async def kill_centre(world: World) -> None:
    """The centre is killed, or its power is cut; or it comes back."""
    if world.centre.centre is None:
        world.centre.start()
        world.note("centre started")
        return
    cut = world.chance.pick((None, 0, 50))
    await world.centre.kill(cut=cut)
    world.fault("killed" if cut is None else "power cut", where="centre")
    if world.chance.hits(60):
        world.centre.start()


async def other_program(world: World) -> None:
    """A machine gets the next program, or the one before."""
    if not world.site.is_skewed:
        return
    machine = world.chance.pick((world.centre, *world.kiosks))
    before, step = machine.program, world.chance.pick((1, 1, -1))
    await machine.kill()
    machine.program = min(max(before + step, skew.PROGRAMS[0]), skew.PROGRAMS[-1])
    if machine is world.centre and machine.program < before:
        world.centre.was_older = True
    machine.start()
    if machine.program != before:
        world.fault("newer program" if step > 0 else "older program", where=machine.name)


async def die_between_writes(world: World) -> None:
    """A machine will end between two of its next writes."""
    machine = world.chance.pick((world.centre, *world.kiosks))
    if machine.disk is not None:
        machine.disk.plan(DiskFault(power.Act.FREEZE, world.chance.between(1, 60)))
        world.note(f"{machine.name} will die")


async def fill_disk(world: World) -> None:
    """A disk is full, failing or read-only; or it is well again."""
    machine = world.chance.pick((world.centre, *world.kiosks))
    if machine.disk is None:
        return
    if world.chance.hits(40):
        machine.disk.plan(None)
        world.note(f"{machine.name} disk is well")
        return
    error = world.chance.pick((errno.ENOSPC, errno.EIO, errno.EROFS))
    is_lasting = world.chance.hits(50)
    at = world.chance.between(1, 20)
    machine.disk.plan(DiskFault(power.Act.FAIL, at, What.CHANGES, error, is_lasting=is_lasting))
    world.fault(f"disk says {errno.errorcode[error]}", where=machine.name)
    await world.wait(world.chance.pick((500, 20_000)))
    machine.disk.plan(None)


async def flip_bit(world: World) -> None:
    """A bit flips in the cache of a kiosk that is down."""
    kiosk = world.chance.pick(world.kiosks)
    if kiosk.store is not None:
        await kiosk.kill()
    name = world.chance.pick(("cache.db", "cache.db-wal"))
    path = kiosk.folder / name
    if path.exists() and path.stat().st_size:
        content = bytearray(path.read_bytes())
        content[world.chance.below(len(content))] ^= 1 << world.chance.below(8)
        path.write_bytes(content)
        world.fault("flipped bit in the cache", where=kiosk.name)
    kiosk.start()


async def drop_cache(world: World) -> None:
    """The cache of a kiosk that is down is removed, or its log alone."""
    kiosk = world.chance.pick(world.kiosks)
    if kiosk.store is not None:
        await kiosk.kill()
    names = world.chance.pick((("cache.db", "cache.db-wal"), ("cache.db-wal",)))
    for name in names:
        (kiosk.folder / name).unlink(missing_ok=True)
    world.fault(f"{names[-1]} removed", where=kiosk.name)
    kiosk.start()


async def keep_copy(world: World) -> None:
    """Somebody makes an image of a disk."""
    machine = world.chance.pick((world.centre, *world.kiosks))
    path = world.site.root / f"{machine.name}.copy"
    machine.keep(path)
    world.copies[machine.name] = path
    world.note(f"{machine.name} copied")


async def set_kiosk_back(world: World) -> None:
    """A kiosk goes on from an older image of its disk."""
    kiosk = world.chance.pick(world.kiosks)
    if kiosk.name in world.copies:
        world.doubled.add(kiosk.identity.device_id)
        await _set_back(world, kiosk.name)
        world.fault("set back to an older copy", where=kiosk.name)


async def set_centre_back(world: World) -> None:
    """The centre goes on from a backup of its database, or of its whole folder."""
    if "centre" in world.copies:
        world.n_backups += 1
        chance = Chance.of(world.site.seed, f"what is put back/{world.n_backups}")
        kept = FILE if chance.hits(50) else ""
        file = await _set_back(world, "centre", kept=kept)
        not_out = [it for it in world.kiosks if it.identity.device_id not in world.revoked]
        world.oblivion.put_back(world.centre.up, not_out, file=file)
        world.vendor.tells_again()
        # Whoever restores a backup does again what was done since.
        for kiosk in world.kiosks:
            if not checks.is_known(kiosk, world.centre.up):
                world.centre.up.approve_device(
                    public_key=kiosk.identity.public_key,
                    store=kiosk.identity.store,
                    role="kiosk",
                )
        for device in sorted(world.revoked):
            world.centre.up.set_device_state(device, State.REVOKED)
        world.fault("set back to an older copy", where="centre")


async def unpack(world: World) -> None:
    """A new kiosk is set up, and has everything to learn."""
    store, centre = world.chance.pick(shop.STORES), world.centre.centre
    if centre is not None and len(world.kiosks) < MACHINES_MAX:
        name = f"n{world.serial()}"
        if world.tried(lambda: world.unpacked(name, store)):
            world.note(f"{name} is new in {store}")


async def clone(world: World) -> None:
    """A kiosk's disk is put into a second machine, and both run."""
    kiosk = world.chance.pick(world.kiosks)
    if len(world.kiosks) < MACHINES_MAX:
        name = f"{kiosk.name}+{world.serial()}"
        made = world.cloned(kiosk, name)
        world.moved.update({name} if kiosk.name in world.moved else set())
        made.start()
        world.fault("cloned", where=kiosk.name)


async def _set_back(world: World, name: str, *, kept: str = "") -> list[str]:
    """`kept` names a file of the machine that is not set back with the others; its lines."""
    everybody = {machine.name: machine for machine in (world.centre, *world.kiosks)}
    machine = everybody[name]
    world.start_all()
    world.check()
    source, lines = world.copies[name], list[str]()
    if kept:
        (source / kept).unlink(missing_ok=True)
        if (machine.folder / kept).exists():
            shutil.copyfile(machine.folder / kept, source / kept)
            lines = (source / kept).read_text().split()
    await machine.kill(source=source)
    machine.start()
    world.parted = True
    world.forgotten |= world.decided
    gone = world.absent()
    if machine is world.centre:
        world.kept_what_was_acknowledged(gone)
    world.lost_with_a_disk.update(gone)
    world.note(f"{len(gone)} operations were only on that disk")
    return lines


# Clocks


async def jump(world: World) -> None:
    """A clock is set wrong, or right."""
    machine = world.chance.weighted(
        (*((kiosk, 4) for kiosk in world.kiosks), (world.centre, 1))
    )
    machine.clock.off_us = world.chance.pick(
        JUMPS_US if machine is not world.centre else SMALL_US
    )
    world.fault("clock jumped", where=machine.name)


# What the centre decides


async def quarantine(world: World) -> None:
    """A device is not answered for a while."""
    kiosk, centre = world.chance.pick(world.kiosks), world.centre.centre
    state = world.chance.pick((State.QUARANTINED, State.ACTIVE))
    if centre is not None and world.tried(
        lambda: centre.set_device_state(kiosk.identity.device_id, state)
    ):
        world.fault(f"device {state.value}", where=kiosk.name)


async def revoke(world: World) -> None:
    """A device is revoked, for ever; what it recorded is still heard."""
    kiosk, centre = world.chance.pick(world.kiosks), world.centre.centre
    device = kiosk.identity.device_id
    if centre is not None and world.tried(
        lambda: centre.set_device_state(device, State.REVOKED)
    ):
        world.revoked.add(device)
        world.fault("device revoked", where=kiosk.name)


async def move(world: World) -> None:
    """A device is moved to another store, or back: it may hold other rows."""
    kiosk, centre = world.chance.pick(world.kiosks), world.centre.centre
    store = world.chance.pick(shop.STORES)
    key = kiosk.identity.public_key
    if centre is not None and world.tried(
        lambda: centre.approve_device(public_key=key, store=store, role="kiosk")
    ):
        world.moved.update(
            one.name
            for one in world.kiosks
            if one.identity.device_id == kiosk.identity.device_id
        )
        world.fault(f"moved to {store}", where=kiosk.name)


def _done(world: World, kiosk: KioskNode, who: str, act: Act | None = None) -> tuple[str, ...]:
    act = act or shop.act(world.chance, who, world.serial(), kiosk.identity.store)
    return world.recorded(kiosk, lambda: kiosk.recorder.record(act, shop.doer(who)))


def _put(world: World, row: Row) -> bool:
    centre = world.centre.centre
    return centre is not None and world.tried(lambda: centre.put_rows([row]))


def _some_kiosk(world: World) -> KioskNode | None:
    there = [kiosk for kiosk in world.kiosks if kiosk.store is not None]
    return world.chance.pick(there) if there else None


def _somebody(world: World) -> str:
    return shop.customer_of(world.chance.below(shop.N_CUSTOMERS))


HOUR_MS: Final = 3_600_000
HOUR_US: Final = 3_600_000_000
JUMPS_US: Final = (0, -HOUR_US, 10 * 365 * 24 * HOUR_US, -56 * 365 * 24 * HOUR_US, 2 * HOUR_US)
SMALL_US: Final = (0, 0, HOUR_US, -HOUR_US)
"""A centre's clock is looked after; it is off by an hour at most."""

ALL: Final[tuple[tuple[Action, int], ...]] = (
    (work, 40),
    (work_together, 4),
    (take_back, 5),
    (settle_here, 4),
    (settle_there, 3),
    (new_kind, 2),
    (want, 3),
    (lend, 3),
    (tidy, 6),
    (erase, 1),
    (change, 15),
    (elsewhere, 6),
    (join, 3),
    (idle, 5),
    (hurry, 2),
    (night, 1),
    (begin_interest, 3),
    (end_interest, 3),
    (cut_network, 6),
    (cut_all, 2),
    (trouble, 10),
    (trouble_at_home, 4),
    (agree_without_a_line, 6),
    (poison, 1),
    (kill_kiosk, 6),
    (kill_centre, 4),
    (other_program, 4),
    (die_between_writes, 4),
    (fill_disk, 4),
    (flip_bit, 2),
    (drop_cache, 1),
    (keep_copy, 4),
    (set_kiosk_back, 1),
    (set_centre_back, 1),
    (unpack, 2),
    (clone, 1),
    (jump, 4),
    (quarantine, 2),
    (move, 1),
    (revoke, 1),
)
"""With how often each happens."""


def chosen(without: frozenset[str]) -> tuple[tuple[Action, int], ...]:
    """All but those."""
    return tuple((action, weight) for action, weight in ALL if name_of(action) not in without)
