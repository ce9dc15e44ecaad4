"""The centre as people run it: its own process, its files, its exit codes, power cuts."""

import asyncio
import contextlib
import json
import signal
import socket
import sqlite3
import time
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import httpx
import pytest
import uvicorn
from uvicorn.server import ServerState

from hardware.errors import FolderInUse
from sync.central.app import BoundedProtocol
from sync.central.connection import HEAD_SIZE_MAX
from sync.central.schema import MIGRATIONS
from sync.central.store import Store
from sync.model.errors import StoreCorrupt, StoreTooNew
from sync.model.wire import OpResult
from tests.support import commands
from tests.support.centre import (
    PlainDevice,
    RunningCentre,
    new_device,
    open_centre,
    running_centre,
    seeded,
)
from tests.support.shop import hand_over, lenas_rows, said

pytestmark = pytest.mark.slow


def op_id(index: int) -> str:
    return f"0190a1b2-0000-7000-8000-{index:012x}"


@pytest.fixture
async def http() -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(trust_env=False) as client:
        yield client


async def test_a_device_talks_with_a_centre_in_a_process_of_its_own(
    tmp_path: Path, http: httpx.AsyncClient
) -> None:
    made = seeded(tmp_path, lenas_rows())
    with running_centre(tmp_path) as centre:
        device = PlainDevice(replace(made, centre_url=centre.url), http)

        await device.hello()
        (result,) = await device.push(hand_over())
        page = await device.pull({"s:harbour": 0, "g": 0})

        assert centre.key == made.centre_key
        assert result.status == "applied"
        kinds = Counter(row.kind for row in page.rows)
        expected = Counter(row.kind for row in lenas_rows())
        assert kinds - expected == Counter(("peer", "watch"))  # the device itself, who waits
        assert not expected - kinds


async def test_what_a_killed_centre_acknowledged_it_still_knows(
    tmp_path: Path, http: httpx.AsyncClient
) -> None:
    made = seeded(tmp_path, lenas_rows())
    acknowledged: list[OpResult] = []
    with running_centre(tmp_path) as centre:
        device = PlainDevice(replace(made, centre_url=centre.url), http)
        await device.hello()
        for index in range(20):
            acknowledged += await device.push(said(f"word {index}", op_id=op_id(index)))
        centre.kill()

    with running_centre(tmp_path) as centre:
        device.identity = replace(made, centre_url=centre.url)
        await device.hello()
        again = await device.push(
            *(said(f"word {index}", op_id=op_id(index)) for index in range(20))
        )
        page = await device.pull({"s:harbour": 0})

    assert [it.status for it in acknowledged] == ["applied"] * 20
    assert [(it.op, it.status) for it in again] == [(it.op, it.status) for it in acknowledged]
    said_rows = [row for row in page.rows if b'"word ' in row.body]
    assert len(said_rows) == 20
    assert {row.version for row in said_rows} == {1}


async def test_a_push_cut_by_a_power_cut_is_there_whole_or_not_at_all_and_then_once(
    tmp_path: Path, http: httpx.AsyncClient
) -> None:
    made = seeded(tmp_path, lenas_rows())
    ops = [said(f"word {index}", op_id=op_id(index)) for index in range(150)]
    with running_centre(tmp_path) as centre:
        device = PlainDevice(replace(made, centre_url=centre.url), http)
        await device.hello()
        request = device.signed(device.push_request(*ops))
        with socket.create_connection(("127.0.0.1", centre.port)) as raw:
            lines = [f"POST /v1/push HTTP/1.1\r\nhost: 127.0.0.1:{centre.port}"]
            lines += [f"{name}: {value}" for name, value in request.headers]
            lines.append(f"content-length: {len(request.body)}\r\n\r\n")
            raw.sendall("\r\n".join(lines).encode() + request.body)
        centre.kill()

    between = open_centre(tmp_path / "centre")
    n_between = between.count("op")
    between.close()
    with running_centre(tmp_path) as centre:
        device = PlainDevice(replace(made, centre_url=centre.url), http)
        await device.hello()
        results = await device.push(*ops)
        page = await device.pull({"s:harbour": 0})

    assert n_between in (0, 150)
    assert {it.status for it in results} == {"applied"}
    assert sum(b'"word ' in row.body for row in page.rows) == 150


async def test_a_session_outlives_the_centre(tmp_path: Path, http: httpx.AsyncClient) -> None:
    made = seeded(tmp_path, lenas_rows())
    with running_centre(tmp_path) as centre:
        device = PlainDevice(replace(made, centre_url=centre.url), http)
        await device.hello()
        port = centre.port
        assert centre.stop() == 0

    with running_centre(tmp_path, port=port):
        (result,) = await device.push(hand_over())

    assert result.status == "applied"


@pytest.mark.parametrize("name", [signal.SIGTERM, signal.SIGINT])
async def test_a_centre_that_is_told_to_stop_ends_with_zero_even_while_it_holds_a_poll(
    tmp_path: Path, http: httpx.AsyncClient, name: signal.Signals
) -> None:
    made = seeded(tmp_path, lenas_rows())
    with running_centre(tmp_path) as centre:
        device = PlainDevice(replace(made, centre_url=centre.url), http)
        await device.hello()
        request = device.request("/v1/pull", b'{"scopes":[{"id":"g","seq":0}],"wait_ms":25000}')
        with socket.create_connection(("127.0.0.1", centre.port)) as raw:
            signed = device.signed(request)
            lines = [f"POST /v1/pull HTTP/1.1\r\nhost: 127.0.0.1:{centre.port}"]
            lines += [f"{key}: {value}" for key, value in signed.headers]
            lines.append(f"content-length: {len(signed.body)}\r\n\r\n")
            raw.sendall("\r\n".join(lines).encode() + signed.body)
            await device.pull({"g": 0})  # by now the poll before is taken
            started = time.monotonic()

            centre.process.send_signal(name)
            code = centre.process.wait(timeout=30)

    assert code == 0
    assert time.monotonic() - started < 20  # a poll is held for 25


def test_a_centre_that_ends_with_its_input_also_ends_well_when_it_is_told_to(
    tmp_path: Path,
) -> None:
    seeded(tmp_path, lenas_rows())
    told = commands.Running("central", "--data", tmp_path, "--port", "0", "--until-eof")
    told.line()

    assert told.stop() == 0

    left = commands.Running("central", "--data", tmp_path, "--port", "0", "--until-eof")
    left.line()
    assert left.process.stdin is not None
    left.process.stdin.close()
    assert left.process.wait(timeout=20) == 0
    left.stop()


def test_a_second_centre_in_the_same_folder_is_told_whose_it_is(tmp_path: Path) -> None:
    with running_centre(tmp_path):
        second = commands.run("central", "--data", tmp_path, "--port", "0")

    assert second.returncode == 1
    assert "Another process runs the centre" in second.stderr
    assert second.stdout == ""


def test_a_taken_port_is_said(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        got = commands.run("central", "--data", tmp_path, "--port", str(port))

    assert got.returncode == 1
    assert f"cannot listen on 127.0.0.1 port {port}" in got.stderr
    assert "Traceback" not in got.stderr


def test_the_folder_of_a_centre_given_as_its_own_data_makes_no_new_one_within(
    tmp_path: Path,
) -> None:
    seeded(tmp_path, lenas_rows())

    got = commands.run("central", "--data", tmp_path / "centre", "--port", "0")

    assert got.returncode == 1
    assert f"Give --data {tmp_path}" in got.stderr
    assert not (tmp_path / "centre" / "centre").exists()


def test_a_folder_that_cannot_be_written_is_said(tmp_path: Path) -> None:
    (tmp_path / "centre").write_text("a file where the folder should be")

    got = commands.run("central", "--data", tmp_path, "--port", "0")

    assert got.returncode == 1
    assert "cannot run" in got.stderr
    assert "Traceback" not in got.stderr


@pytest.mark.parametrize("name", ["centre.db", "centre.key", "band-master.key"])
def test_a_damaged_file_is_said_and_left_as_it_is(tmp_path: Path, name: str) -> None:
    seeded(tmp_path, lenas_rows())
    path = tmp_path / "centre" / name
    path.write_bytes(b"\x00garbage" * 600)

    got = commands.run("central", "--data", tmp_path, "--port", "0")

    assert got.returncode == 1
    assert "Traceback" not in got.stderr
    assert path.read_bytes() == b"\x00garbage" * 600


def test_keys_and_database_can_be_read_by_nobody_else(tmp_path: Path) -> None:
    seeded(tmp_path, lenas_rows())

    with running_centre(tmp_path):
        files = [path for path in (tmp_path / "centre").iterdir() if path.suffix != ".log"]

        assert {path.name for path in files} >= {"centre.db", "centre.db-wal", "centre.key"}
        assert {path.stat().st_mode & 0o777 for path in files} == {0o600}


def test_the_log_of_a_centre_names_nobody(tmp_path: Path) -> None:
    made = seeded(tmp_path, lenas_rows())
    with running_centre(tmp_path) as centre:
        httpx.post(f"{centre.url}/v1/push", content=b"Lena", trust_env=False)
        httpx.get(f"{centre.url}/Lena?{made.device_id}", trust_env=False)

    logged = (tmp_path / "centre" / "centre.log").read_text()
    assert "centre started" in logged
    assert "Lena" not in logged
    assert made.device_id not in logged


def test_raw_garbage_on_the_socket_leaves_the_centre_up(tmp_path: Path) -> None:
    with running_centre(tmp_path) as centre:
        for garbage in (
            b"\x00" * 5_000,
            b"GET\r\n\r\n",
            b"\x16\x03\x01\x02\x00",
            b"POST /v1/push HTTP/9\r\n",
        ):
            with socket.create_connection(("127.0.0.1", centre.port)) as raw:
                raw.sendall(garbage)
                raw.shutdown(socket.SHUT_WR)
                while raw.recv(4_096):
                    pass

        got = httpx.get(f"{centre.url}/v1/health", trust_env=False)

        assert got.status_code == 200


class Impatient(BoundedProtocol):
    head_s = 0.05


@asynccontextmanager
async def connected(
    tmp_path: Path, protocol: type[BoundedProtocol]
) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    """A connection to a centre in this loop."""
    centre = open_centre(tmp_path)
    config = uvicorn.Config(centre.asgi_app, log_config=None, lifespan="off")
    config.load()
    state = ServerState()
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: protocol(config, state, {}), "127.0.0.1", 0)
    reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname()[:2])
    try:
        yield reader, writer
    finally:
        writer.close()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()
        server.close()
        await server.wait_closed()
        centre.close()


HEALTH = b"GET /v1/health HTTP/1.1\r\nhost: here\r\n"


@pytest.mark.parametrize("begun", [b"", b"\r\n", b"GET /v1/he", HEALTH])
async def test_a_connection_on_which_no_whole_request_comes_is_closed(
    tmp_path: Path, begun: bytes
) -> None:
    async with connected(tmp_path, Impatient) as (reader, writer):
        writer.write(begun)

        async with asyncio.timeout(20):
            with contextlib.suppress(ConnectionError):
                assert await reader.read() == b""


async def test_headers_without_end_are_not_taken(tmp_path: Path) -> None:
    async with connected(tmp_path, BoundedProtocol) as (reader, writer):
        n_sent = 0
        with contextlib.suppress(ConnectionError):
            writer.write(HEALTH)
            while n_sent < 64 * HEAD_SIZE_MAX and not reader.at_eof():
                writer.write(b"x-more: " + b"y" * 1_000 + b"\r\n")
                n_sent += 1_000
                await writer.drain()
                await asyncio.sleep(0)

    assert n_sent < 64 * HEAD_SIZE_MAX


async def test_requests_with_small_heads_follow_each_other_on_one_connection(
    tmp_path: Path,
) -> None:
    async with connected(tmp_path, BoundedProtocol) as (reader, writer):
        for _ in range(40):  # together more than one head may have
            writer.write(HEALTH + b"x-more: " + b"y" * 1_000 + b"\r\n\r\n")
            async with asyncio.timeout(20):
                assert await reader.readuntil(b'{"is_up":true}')


@pytest.mark.parametrize(
    "raw",
    [
        b"garbage\r\n\r\n",
        b"GET / HTTP/9.9\r\n\r\n",
        b"POST /v1/push HTTP/1.1\r\nhost: here\r\ncontent-length: -5\r\n\r\n",
    ],
)
async def test_what_is_no_http_gets_a_problem_too(raw: bytes, tmp_path: Path) -> None:
    async with connected(tmp_path, BoundedProtocol) as (reader, writer):
        writer.write(raw)

        async with asyncio.timeout(20):
            answer = await reader.read()

    head, _, body = answer.partition(b"\r\n\r\n")
    assert b"application/problem+json" in head
    assert json.loads(body)["code"] == "malformed"


async def test_a_whole_head_that_is_too_large_is_not_taken(tmp_path: Path) -> None:
    async with connected(tmp_path, BoundedProtocol) as (reader, writer):
        writer.write(HEALTH + b"x-more: " + b"y" * (HEAD_SIZE_MAX + 100) + b"\r\n\r\n")

        answer = b""
        async with asyncio.timeout(20):
            with contextlib.suppress(ConnectionError):
                answer = await reader.read()

    assert answer == b""


def test_a_folder_belongs_to_one_centre(tmp_path: Path) -> None:
    first = open_centre(tmp_path)

    with pytest.raises(FolderInUse):
        open_centre(tmp_path)

    first.close()
    open_centre(tmp_path).close()


def test_a_database_of_a_newer_version_is_not_touched(tmp_path: Path) -> None:
    path = tmp_path / "centre.db"
    Store(path, fresh_epoch="e").close()
    with sqlite3.connect(path) as raw:
        raw.execute("UPDATE meta SET value = '99' WHERE name = 'schema'")
    raw.close()

    with pytest.raises(StoreTooNew):
        Store(path, fresh_epoch="e")


def test_a_file_that_is_no_database_is_damaged(tmp_path: Path) -> None:
    path = tmp_path / "centre.db"
    path.write_bytes(b"no database" * 100)

    with pytest.raises(StoreCorrupt):
        Store(path, fresh_epoch="e")


def test_a_store_keeps_its_epoch_and_its_schema(tmp_path: Path) -> None:
    path = tmp_path / "centre.db"
    first = Store(path, fresh_epoch="one")
    first.close()

    second = Store(path, fresh_epoch="two")

    assert second.epoch == "one"
    with second.reading() as snapshot:
        assert snapshot.meta("schema") == str(len(MIGRATIONS))
    second.close()


def test_a_device_approved_before_the_start_is_known_after_it(tmp_path: Path) -> None:
    centre = open_centre(tmp_path)
    made = new_device(centre)
    centre.close()

    again = open_centre(tmp_path)

    assert again.public_key_hex == made.centre_key
    assert again.count("device") == 1
    again.close()


def test_a_running_centre_says_where_it_is(tmp_path: Path) -> None:
    with running_centre(tmp_path) as centre:
        assert isinstance(centre, RunningCentre)
        assert centre.url == f"http://127.0.0.1:{centre.port}"
