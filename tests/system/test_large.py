"""Much at once: a customer with a hundred thousand rows, a transaction of a million, a queue of fifty thousand. Long: `-m soak`."""

import resource
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import islice
from pathlib import Path

import pytest

from hardware.clock import SystemClock
from hardware.disk import SystemDisk
from hardware.entropy import SystemEntropy, new_id
from hardware.identity import DeviceIdentity
from hardware.moments import micros_of
from sync.central.centre import Centre
from sync.edge.client import CentreClient
from sync.edge.lookup import Lookup
from sync.edge.outbox import Outbox
from sync.edge.runner import SyncRunner
from sync.edge.store import EdgeStore
from sync.model.operation import Evidence, Operation, OperationState
from sync.model.operations.record_interaction import RecordInteraction
from sync.model.records import Customer, Interaction, Product
from sync.model.registry import raw_args
from sync.model.row import Row, row_of
from tests.support.centre import new_device, open_centre
from tests.support.transport import AsgiTransport

pytestmark = [pytest.mark.soak, pytest.mark.timeout(1_800)]

MB_MAX = 400
"""What this process may grow by while a kiosk takes what the centre has; the rows themselves are several times that."""

CLOCK, ENTROPY = SystemClock(), SystemEntropy()


@contextmanager
def joined(
    folder: Path, centre: Centre
) -> Iterator[tuple[SyncRunner, EdgeStore, DeviceIdentity]]:
    who = new_device(centre)
    store = EdgeStore.open(
        folder / "kiosk", bytes(32), disk=SystemDisk(), clock=CLOCK, entropy=ENTROPY
    )
    client = CentreClient(
        AsgiTransport(centre.asgi_app), identity=who, clock=CLOCK, entropy=ENTROPY
    )
    runner = SyncRunner(client, store, clock=CLOCK, entropy=ENTROPY)
    try:
        yield runner, store, who
    finally:
        runner.stop()
        store.close()


def peak_mb() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1_024


def rows_held(store: EdgeStore) -> int:
    return int(
        store.cache.look(lambda file: file.read("SELECT count(*) FROM row WHERE seq > 0"))[0][0]
    )


def messages(owner: str, count: int) -> Iterator[Row]:
    at = micros_of(CLOCK.now())
    for n in range(count):
        one = Interaction(
            id=f"{n:08}", at=at + n, channel="app", direction="in", by="", text=f"Message {n}"
        )
        yield row_of(one, owner=owner, as_of=at, source="app")


def test_a_customer_with_a_hundred_thousand_rows_is_held_whole_and_found(
    tmp_path: Path,
) -> None:
    centre = open_centre(tmp_path / "centre")
    rows = [row_of(Customer(id="much", given_name="Max"), owner="much", as_of=1, source="app")]
    centre.put_rows([*rows, *messages("much", 100_000)], interest=[("harbour", "much")])

    with joined(tmp_path, centre) as (runner, store, _):
        before = peak_mb()
        runner.sync_once()

        assert rows_held(store) == 100_001 + 1  # and the device's own
        assert peak_mb() - before < MB_MAX
        assert len(Lookup(store).profile("much").rows) == 100_001
    centre.close()


def test_a_transaction_of_a_million_rows_is_paged_to_a_kiosk(tmp_path: Path) -> None:
    centre = open_centre(tmp_path / "centre")
    count = 1_000_000
    made = (
        row_of(
            Product(id=f"p{n:07}", title=f"Thing {n}", category="bath"),
            owner="",
            as_of=1,
            source="pos",
        )
        for n in range(count)
    )
    centre.put_rows(list(made))

    with joined(tmp_path, centre) as (runner, store, _):
        before = peak_mb()
        runner.sync_once()

        assert rows_held(store) == count + 1
        assert peak_mb() - before < MB_MAX
        assert Lookup(store).row("product/p0999999") is not None
    centre.close()


def test_a_queue_of_fifty_thousand_operations_is_applied_once_each(tmp_path: Path) -> None:
    centre = open_centre(tmp_path / "centre")
    centre.put_rows(
        [row_of(Customer(id=f"c{n}", given_name=f"Customer {n}"), owner=f"c{n}", as_of=1, source="app") for n in range(500)],
        interest=[("harbour", f"c{n}") for n in range(500)],
    )  # fmt: skip
    count = 50_000

    with joined(tmp_path, centre) as (runner, store, who):
        runner.sync_once()
        outbox = Outbox(store)
        said = (
            Operation(
                id=new_id(clock=CLOCK, entropy=ENTROPY), kind="record_interaction",
                at=micros_of(CLOCK.now()), device=who.device_id, store=who.store, actor="clerk",
                owner=f"c{n % 500}", evidence=Evidence("S1", "found"),
                args=raw_args(RecordInteraction(channel="store", direction="in", by="Lena", text=f"note {n}")),
            )
            for n in range(count)
        )  # fmt: skip
        while some := list(islice(said, 1_000)):
            for op in some:
                outbox.record(op)
        before = peak_mb()
        while outbox.counts().n_waiting:
            runner.sync_once()

        states: dict[str, int] = dict(
            store.outbox.look(
                lambda file: file.read("SELECT state, count(*) FROM op GROUP BY state")
            )
        )
        assert set(states) <= {OperationState.APPLIED.value}
        assert peak_mb() - before < MB_MAX
        assert centre.count("op") == count
    centre.close()
