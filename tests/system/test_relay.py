"""Two tills of one store, each a process with its own files, a real centre behind a line that can be cut, and the store's relay."""

import json
import os
import select
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from hardware import identity
from hardware.disk import SystemDisk
from hardware.entropy import SystemEntropy
from sync.model.records import Case, Entitlement
from sync.model.row import body_of
from tests.support import shop
from tests.support.centre import RunningCentre, new_device, open_centre, running_centre, seeded
from tests.support.commands import environment
from tests.support.proxy import Network, Trouble

WAIT_S = 30.0


class TillProcess:
    """One till; `state` is what it last said of itself."""

    def __init__(self, folder: Path, *, relay: str, listen: str = "") -> None:
        self._line = (
            sys.executable,
            "-m",
            "tests.support.till_process",
            str(folder),
            relay,
            listen,
        )
        self.state: dict[str, Any] = {}
        self._held = b""
        self.start()

    def start(self) -> None:
        self.process = subprocess.Popen(
            self._line, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment(),
        )  # fmt: skip

    def kill(self) -> None:
        """As a power cut."""
        self.process.kill()
        self._wait()

    def stop(self) -> None:
        if self.process.poll() is None:
            assert self.process.stdin is not None
            self.process.stdin.close()
        self._wait()

    def _wait(self) -> None:
        self.process.wait(WAIT_S)
        for stream in (self.process.stdin, self.process.stdout):
            if stream is not None:
                stream.close()

    def ask(self, **what: str) -> Any:
        """Have it do something; what it answers."""
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps(what).encode() + b"\n")
        self.process.stdin.flush()
        while "did" not in (said := self._said()):
            pass
        return said["did"]

    def until(self, is_so: Callable[[dict[str, Any]], bool]) -> None:
        """Return when it said of itself that it is so."""
        while not (self.state and is_so(self.state)):
            self._said()

    def until_it_sees(self, is_so: Callable[[Any], bool], **what: str) -> None:
        """Return when an answer is so; asked again whenever the till says that something changed."""
        while not is_so(self.ask(**what)):
            self._said()

    def _said(self) -> dict[str, Any]:
        assert self.process.stdout is not None
        descriptor = self.process.stdout.fileno()
        while b"\n" not in self._held:
            ready, _, _ = select.select([descriptor], [], [], WAIT_S)
            assert ready, f"nothing was said; the last was {self.state}"
            chunk = os.read(descriptor, 65_536)
            assert chunk, "it ended"
            self._held += chunk
        line, self._held = self._held.split(b"\n", 1)
        said: dict[str, Any] = json.loads(line)
        self.state = said.get("state", self.state)
        return said


@dataclass
class Store:
    """The store and its line to the centre."""

    folder: Path
    centre: RunningCentre
    network: Network
    host: TillProcess
    other: TillProcess

    def cut(self) -> None:
        """The line to the centre goes down, and both tills notice."""
        self.network.trouble = Trouble(is_down=True)
        self.network.drop()
        for each in (self.host, self.other):
            each.until(lambda state: state["network"] != "ok")

    def join(self) -> None:
        self.network.trouble = Trouble()


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    vouchers = (
        shop.row(Entitlement(f"v{n}", "A coffee", "voucher", n_left=1, home_store="harbour"))
        for n in (1, 2, 3)
    )
    devices = [seeded(tmp_path, (*shop.lenas_rows(), *vouchers))]
    centre = open_centre(tmp_path / "centre")
    devices.append(new_device(centre))
    centre.close()
    with socket.create_server(("127.0.0.1", 0)) as free:
        listen = f"127.0.0.1:{free.getsockname()[1]}"
    with ExitStack() as stack:
        running = stack.enter_context(running_centre(tmp_path))
        network = Network(running.url)
        stack.callback(network.close)
        for name, device in zip(("host", "other"), devices, strict=True):
            (tmp_path / name).mkdir()
            made = replace(device, centre_url=network.url)
            identity.save(made, tmp_path / name, disk=SystemDisk())
            identity.store_key(tmp_path / name, disk=SystemDisk(), entropy=SystemEntropy())
        host = TillProcess(tmp_path / "host", relay="", listen=listen)
        stack.callback(host.stop)
        other = TillProcess(tmp_path / "other", relay=f"http://{listen}")
        stack.callback(other.stop)
        for each in (host, other):
            each.until(lambda state: state["synced"] and state["relay"] == "ok")
        yield Store(tmp_path, running, network, host, other)


def test_two_tills_without_a_centre_agree_and_carry_on_when_the_relay_dies(
    store: Store,
) -> None:
    store.cut()

    # One voucher is given out once, a parcel goes out once, a lost band opens nothing anywhere.
    assert store.host.ask(do="redeem", of="entitlement/v1") == "given"
    assert store.other.ask(do="redeem", of="entitlement/v1") == "refused not_enough"
    assert store.other.ask(do="hand_over", pickup="pk-1077") == "given"
    store.host.until_it_sees(
        lambda body: body["state"] == "handed_over", do="see", key="pickup/pk-1077"
    )
    assert store.host.ask(do="block", band=shop.BAND) == "given"
    store.other.until_it_sees(lambda state: state == "blocked", do="tap", band=shop.BAND)

    # The relay's power goes: the other till carries on, says so, and knows what it knew.
    store.host.kill()
    assert store.other.ask(do="redeem", of="entitlement/v2") == "given"
    store.other.until(lambda state: state["relay"] == "relay_lost")
    assert store.other.ask(do="tap", band=shop.BAND) == "blocked"
    assert store.other.ask(do="redeem", of="entitlement/v1") == "refused not_enough"

    # It comes back, still without a centre: what was done meanwhile is known there.
    store.host.start()
    store.host.until(lambda state: state["relay"] == "ok")
    store.other.until(lambda state: state["relay"] == "ok")
    store.host.until_it_sees(lambda body: body["n_left"] == 0, do="see", key="entitlement/v2")
    assert store.host.ask(do="redeem", of="entitlement/v2") == "refused not_enough"

    # The line is back: everything reaches the centre once, and nothing collided.
    store.join()
    for each in (store.host, store.other):
        each.until(lambda state: not state["waiting"] and not state["theirs"])
    store.host.stop()
    store.other.stop()
    store.centre.stop()
    centre = open_centre(store.folder / "centre")
    try:
        with centre._store.reading() as found:
            rows = found.rows_of_owner("lena", "s:harbour")
        bodies = {row.key: body_of(row.kind, row.body) for row in rows}
    finally:
        centre.close()
    assert not [body for body in bodies.values() if isinstance(body, Case) and body.clash]
    left = {key: body.n_left for key, body in bodies.items() if isinstance(body, Entitlement)}
    assert left == {"entitlement/v1": 0, "entitlement/v2": 0, "entitlement/v3": 1}
