"""A PostgreSQL that dies with a tail its replica never got: the replica goes on, and the kiosks bring back what it lost."""

import signal
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from hardware import identity as identities
from hardware.clock import SystemClock
from hardware.disk import SystemDisk
from hardware.entropy import SystemEntropy
from kiosk.assembly.desk import StoreDesk
from kiosk.assembly.device import Device, real_world
from kiosk.assembly.syncing import Sync
from kiosk.band_keys import BandKeyFiles
from sync.central.centre import Centre
from sync.model.operation import Evidence
from sync.model.operations.note_case import NoteCase
from sync.model.operations.record_interaction import RecordInteraction
from sync.model.records import Interaction
from tests.support.centre import RunningCentre, new_device, running_centre
from tests.support.postgres import USER, Server, server
from tests.support.shop import LENA, lenas_rows

pytestmark = pytest.mark.slow

TRIES = 100
STAFF = Evidence("S1", "found")


class Till:
    """A kiosk with its files, which syncs when it is told to."""

    def __init__(self, folder: Path) -> None:
        self.device = Device.open(folder, world=real_world())
        self.sync = Sync(self.device)
        self.desk = StoreDesk(self.device, self.sync)

    def close(self) -> None:
        self.sync.stop()
        self.device.close()

    def says(self, text: str) -> str:
        """Record a contact of the customer; its id."""
        args = RecordInteraction(channel="store", direction="in", by="Lena", text=text)
        return self.desk.record(
            "record_interaction", args, owner=LENA, actor="ben", evidence=STAFF
        ).op

    def notes(self, text: str) -> str:
        """Record what was said about the case; its id."""
        args = NoteCase(case="case-1", by="Ben", text=text)
        return self.desk.record("note_case", args, owner=LENA, actor="ben", evidence=STAFF).op

    def agree(self) -> None:
        """Exchange until the centre answers and nothing waits."""
        for _ in range(TRIES):
            code = self.sync.once()
            if code == "ok" and self.desk.standing().n_waiting == 0:
                return
        raise AssertionError(f"no agreement: {code}")

    def texts(self) -> set[str]:
        """What the customer said, as this kiosk shows it."""
        return {body.text for _, body in self.desk.profile_of(LENA).of(Interaction)}


def opened(database: str, folder: Path, keys: Path) -> Centre:
    """A node in this process."""
    disk, entropy = SystemDisk(), SystemEntropy()
    return Centre.open(
        folder, disk=disk, clock=SystemClock(), entropy=entropy, database=database,
        key=keys / "centre.key", band_keys=BandKeyFiles.open(keys, disk=disk, entropy=entropy),
    )  # fmt: skip


@pytest.fixture
def primary() -> Iterator[Server]:
    with server() as made:
        yield made


@contextmanager
def till(centre: Centre, node: RunningCentre, folder: Path) -> Iterator[Till]:
    identity = replace(new_device(centre), centre_url=node.url)
    identities.save(identity, folder, disk=SystemDisk())
    made = Till(folder)
    try:
        yield made
    finally:
        made.close()


def caught_up(primary: Server, replica: Server) -> None:
    """Return when the replica has all the primary has."""
    ((end,),) = primary.run_sql("SELECT pg_current_wal_lsn()::text")
    for _ in range(10_000):
        ((is_there,),) = replica.run_sql(f"SELECT pg_last_wal_replay_lsn() >= '{end}'::pg_lsn")
        if is_there:
            return
    raise AssertionError("the replica does not follow")


def test_a_failover_that_lost_the_tail_is_healed_by_the_kiosks(
    primary: Server, tmp_path: Path
) -> None:
    keys = tmp_path / "keys"
    with ExitStack() as stack:
        seed = stack.enter_context(
            closing(opened(primary.address("postgres"), tmp_path / "seed", keys))
        )
        seed.put_rows(lenas_rows(), interest=[("harbour", LENA)])
        replica = primary.replica()
        stack.callback(replica.remove)
        hosts = f"postgresql://{USER}@/postgres?host={primary.folder},{replica.folder}"
        options = ("--database", hosts, "--key", keys / "centre.key")
        node = stack.enter_context(running_centre(tmp_path / "node", *options))
        first = stack.enter_context(till(seed, node, tmp_path / "a"))
        second = stack.enter_context(till(seed, node, tmp_path / "b"))
        kept = first.says("before")
        agree(first, second)
        caught_up(primary, replica)
        replica.cut_off()
        lost = [first.says("lost by the centre"), first.notes("lost as well")]
        agree(first, second)
        assert "lost by the centre" in second.texts()

        primary.stop(signal.SIGQUIT)
        replica.promote()
        after = second.says("after")
        agree(first, second)
        agree(first, second)

        look = stack.enter_context(closing(opened(hosts, tmp_path / "look", keys)))
        fresh = stack.enter_context(till(look, node, tmp_path / "c"))
        agree(fresh)
        found = [look.operation(op) for op in (kept, *lost, after)]
        assert [it.status for it in found if it] == ["applied"] * 4
        said = {"hello?", "before", "lost by the centre", "lost as well", "after"}
        assert [one.texts() for one in (first, second, fresh)] == [said] * 3


def agree(*tills: Till) -> None:
    """Let each agree with the centre."""
    for one in tills:
        one.agree()
