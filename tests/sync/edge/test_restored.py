"""A centre put back from a copy whose people say so: every device gives back what the copy lacks, and holds the same again."""

import shutil
from pathlib import Path

import pytest
import typer

from hardware.clock import FixedClock
from hardware.entropy import SeededEntropy
from kiosk.commands import central
from sync.edge.client import CentreClient
from sync.edge.lookup import Lookup
from sync.edge.outbox import Outbox
from sync.edge.runner import SyncRunner
from sync.model.operation import OperationState
from sync.model.records import Interaction
from tests.support import edge
from tests.support.centre import new_device, open_centre
from tests.support.shop import LENA, lenas_rows, said
from tests.support.transport import AsgiTransport

OP = "0190a1b2-0000-7000-8000-00000000000a"


def test_what_the_copy_lacks_comes_back_and_is_there_once(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    clock = FixedClock(edge.START)
    folder, copy = tmp_path / "centre", tmp_path / "copy"
    centre = open_centre(folder, clock=clock)
    centre.put_rows(lenas_rows(), interest=[("harbour", LENA)])
    device = new_device(centre)
    store = edge.opened(tmp_path / "kiosk", clock=clock)

    def runner() -> SyncRunner:
        client = CentreClient(
            AsgiTransport(centre.asgi_app), identity=device, clock=clock,
            entropy=SeededEntropy(f"client at {clock.ticks_ms()}"),
        )  # fmt: skip
        return SyncRunner(client, store, clock=clock, entropy=SeededEntropy("chance"))

    runner().sync_once()
    centre.close()
    shutil.copytree(folder, copy)
    centre = open_centre(folder, clock=clock)
    clock.sleep_ms(1_000)
    Outbox(store).record(said("Lena was here", op_id=OP, owner=LENA))
    runner().sync_once()
    with pytest.raises(typer.Exit):
        central.run("restored", data=tmp_path)
    assert "is running" in capsys.readouterr().err
    centre.close()
    shutil.rmtree(folder)
    shutil.copytree(copy, folder)

    central.run("restored", data=tmp_path)
    centre = open_centre(folder, clock=clock)
    clock.sleep_ms(1_000)
    again = runner()
    again.sync_once()

    assert "2 scopes" in capsys.readouterr().out
    assert "history_parted" in again.status().alerts
    assert Outbox(store).state_of(OP) is OperationState.APPLIED
    known = centre.operation(OP)
    assert known is not None
    assert known.status == "applied"
    words = [body.text for _, body in Lookup(store).profile(LENA).of(Interaction)]
    assert words.count("Lena was here") == 1
    there = [row.key for row in centre.rows_of(LENA)]
    assert sorted(row.key for row in Lookup(store).profile(LENA).rows) == sorted(there)
    centre.close()
    store.close()


def test_where_there_is_no_centre_that_is_said(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(typer.Exit):
        central.run("restored", data=tmp_path)

    assert "There is no centre in" in capsys.readouterr().err
