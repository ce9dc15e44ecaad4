"""What is done in the shop reaches the centre exactly once: power cut, network cut, a centre that answers nonsense."""

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from hardware.clock import SystemClock
from hardware.disk import SystemDisk
from hardware.entropy import SystemEntropy
from sync.central.centre import Centre
from tests.support.commands import Running, environment, line_of, run, running
from tests.support.proxy import Network, Trouble

HAND_OVER = """
import os, signal, sys
from pathlib import Path
from kiosk.assembly.desk import StoreDesk
from kiosk.assembly.device import Device, real_world
from sync.model.operation import Evidence
from sync.model.operations.hand_over_pickup import HandOverPickup as HandOver
from sync.model.records import Pickup

device = Device.open(Path(sys.argv[1]), world=real_world())
desk = StoreDesk(device, None)
pickup = next(body for _, body in desk.profile_of("lena").of(Pickup) if body.state == "ready")
recorded = desk.record(
    "hand_over_pickup", HandOver(pickup=pickup.id, to="Lena"), owner="lena", actor="clerk",
    evidence=Evidence(assurance="S1", proof="found"),
)
print(recorded.op, pickup.id, flush=True)
os.kill(os.getpid(), signal.SIGKILL)
"""
"""Hands a parcel over and is killed the moment the customer was told."""


def recorded_then_killed(folder: Path) -> tuple[str, str]:
    done = subprocess.run(
        [sys.executable, "-c", HAND_OVER, str(folder)],
        capture_output=True, text=True, timeout=60, check=False, env=environment(),
    )  # fmt: skip
    assert done.returncode == -signal.SIGKILL, done.stderr
    op, pickup = done.stdout.split()
    return op, pickup


@pytest.fixture
def centre(seeded: Path) -> Iterator[Running]:
    with running("central", "--data", seeded, "--port", "0") as process:
        process.url = json.loads(process.line())["url"]  # type: ignore[attr-defined]
        yield process


@pytest.fixture
def network(centre: Running) -> Iterator[Network]:
    made = Network(centre.url)  # type: ignore[attr-defined]
    yield made
    made.close()


def synced(folder: Path, network: Network) -> dict[str, object]:
    done = run("sync", "--data", folder, "--centre", network.url, "--json", timeout_s=90)
    assert done.stdout, done.stderr
    found: dict[str, object] = json.loads(done.stdout)
    return found


def n_operations_at(folder: Path) -> int:
    """How many operations a copy of a centre has."""
    opened = Centre.open(
        folder, disk=SystemDisk(), clock=SystemClock(), entropy=SystemEntropy()
    )
    try:
        return opened.count("op")
    finally:
        opened.close()


def at_the_centre(centre: Running, folder: Path, op: str, pickup: str) -> tuple[str, str, int]:
    """State of the operation, state of the parcel, and how many operations the centre has in all."""
    centre.stop()
    opened = Centre.open(
        folder / "centre", disk=SystemDisk(), clock=SystemClock(), entropy=SystemEntropy()
    )
    try:
        found, row = opened.operation(op), opened.row(f"pickup/{pickup}")
        assert found is not None
        assert row is not None
        return found.status, row.body.state, opened.count("op")  # type: ignore[attr-defined]
    finally:
        opened.close()


def test_a_kiosk_killed_between_recording_and_push_tells_the_centre_when_it_is_back(
    seeded: Path, centre: Running, network: Network
) -> None:
    op, pickup = recorded_then_killed(seeded)

    first, second = synced(seeded, network), synced(seeded, network)

    assert (first["network"], first["waiting"], second["waiting"]) == ("ok", 0, 0)
    assert at_the_centre(centre, seeded, op, pickup) == ("applied", "handed_over", 1)


@pytest.mark.parametrize("after", [1, 700, 1_500])
def test_a_network_cut_on_the_way_up_leaves_the_operation_waiting(
    after: int, seeded: Path, centre: Running, network: Network
) -> None:
    op, pickup = recorded_then_killed(seeded)
    network.trouble = Trouble(cut_request_after=after)

    cut = synced(seeded, network)
    network.trouble = Trouble()
    healed = synced(seeded, network)

    assert (cut["network"], cut["waiting"]) == ("centre_unreachable", 1)
    assert (healed["network"], healed["waiting"]) == ("ok", 0)
    assert at_the_centre(centre, seeded, op, pickup) == ("applied", "handed_over", 1)


@pytest.mark.parametrize("after", [1, 200, 500])
def test_an_answer_lost_after_the_centre_did_it_does_not_do_it_twice(
    after: int, seeded: Path, centre: Running, network: Network, tmp_path: Path
) -> None:
    op, pickup = recorded_then_killed(seeded)
    network.trouble = Trouble(cut_answer_after=after, to=b"/v1/push")

    lost = synced(seeded, network)
    reached = n_operations_at(Path(shutil.copytree(seeded / "centre", tmp_path / "look")))
    synced(seeded, network)
    network.trouble = Trouble()
    healed = synced(seeded, network)

    assert (lost["waiting"], reached) == (1, 1), "the cut must fall into the answer to the push"
    assert (healed["network"], healed["waiting"]) == ("ok", 0)
    assert at_the_centre(centre, seeded, op, pickup) == ("applied", "handed_over", 1)


PORTAL = b"HTTP/1.1 200 OK\r\ncontent-type: text/html\r\ncontent-length: 26\r\n\r\n<html>Hotel login</html>\r\n"
ANSWERS = {
    "500": b"HTTP/1.1 500 Internal Server Error\r\ncontent-length: 4\r\n\r\noops",
    "a captive portal": PORTAL,
    "garbage": bytes(range(256)) * 4,
    "half a body": b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 900\r\n\r\n{",
    "nothing": b"",
    "a redirect": b"HTTP/1.1 302 Found\r\nlocation: http://127.0.0.1:9/\r\ncontent-length: 0\r\n\r\n",
    "a zip bomb's header": b"HTTP/1.1 200 OK\r\ncontent-encoding: zstd\r\ncontent-type: application/json\r\n"
    b"content-length: 8\r\n\r\n\x28\xb5\x2f\xfd\xff\xff\xff\xff",
}


@pytest.mark.parametrize("answer", ANSWERS.values(), ids=ANSWERS.keys())
def test_a_centre_that_answers_nonsense_costs_nothing(
    answer: bytes, seeded: Path, centre: Running, network: Network
) -> None:
    op, pickup = recorded_then_killed(seeded)
    network.trouble = Trouble(answer=answer)

    troubled = synced(seeded, network)
    tap = run("tap", "--json", "--data", seeded, "--reader", "virtual", "--centre", network.url,
              "--timeout", "30")  # fmt: skip
    network.trouble = Trouble()
    healed = synced(seeded, network)

    assert troubled["network"] not in ("ok", None)
    assert troubled["waiting"] == 1
    assert json.loads(tap.stdout)["customer"]["id"] == "maya"
    assert json.loads(tap.stdout)["online"] is False
    assert (healed["network"], healed["waiting"]) == ("ok", 0)
    assert at_the_centre(centre, seeded, op, pickup) == ("applied", "handed_over", 1)


def test_a_centre_killed_after_it_answered_still_knows(
    seeded: Path, centre: Running, network: Network
) -> None:
    op, pickup = recorded_then_killed(seeded)
    synced(seeded, network)

    centre.kill()

    assert at_the_centre(centre, seeded, op, pickup) == ("applied", "handed_over", 1)


def test_a_full_disk_is_said_by_a_sync_and_what_was_done_arrives_when_there_is_room(
    seeded: Path, centre: Running, network: Network
) -> None:
    op, pickup = recorded_then_killed(seeded)

    full = subprocess.run(
        ["/bin/bash", "-c", 'ulimit -f 36; exec "$@"', "-",
         *line_of("sync", "--data", seeded, "--centre", network.url, "--json")],
        capture_output=True, text=True, timeout=60, check=False, env=environment(),
    )  # fmt: skip
    healed = synced(seeded, network)

    assert (full.returncode, full.stderr.count("Traceback")) == (6, 0), full.stderr
    assert json.loads(full.stdout)["error"]["code"] in ("store_full", "store")
    assert (healed["network"], healed["waiting"]) == ("ok", 0)
    assert at_the_centre(centre, seeded, op, pickup) == ("applied", "handed_over", 1)


def test_a_damaged_outbox_is_kept_aside_and_said_and_the_shop_goes_on(seeded: Path) -> None:
    recorded_then_killed(seeded)
    path = seeded / "outbox.db"
    damaged = bytearray(path.read_bytes())
    damaged[1_000:3_000] = bytes(2_000)
    path.write_bytes(damaged)
    for beside in ("outbox.db-wal", "outbox.db-shm"):
        (seeded / beside).unlink(missing_ok=True)

    tap = run("tap", "--json", "--data", seeded, "--reader", "virtual", "--timeout", "30")

    kept = [item for item in os.listdir(seeded) if item.startswith("outbox.db.")]  # noqa: PTH208
    assert json.loads(tap.stdout)["customer"]["id"] == "maya"
    assert len([name for name in kept if not name.endswith(("-wal", "-shm"))]) == 1
    assert "outbox" in json.loads(tap.stdout)["notices"][0]
