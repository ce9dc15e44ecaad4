"""A centre for tests: in this process over an in-process transport, or in a process of its own; and a plain device."""

import asyncio
import json
import os
import signal
import subprocess
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import msgspec

from hardware import identity
from hardware.clock import Clock, SystemClock
from hardware.disk import SystemDisk
from hardware.entropy import Entropy, SystemEntropy
from hardware.identity import DeviceIdentity
from kiosk.band_keys import BandKeyFiles
from kiosk.capsule_signing import CapsuleKeyFile
from sync.central.centre import Centre
from sync.model import answers, signatures, wire
from sync.model.operation import Operation
from sync.model.ports import Request, Response
from sync.model.row import Row
from sync.model.sums import sum_text
from tests.support.commands import started
from tests.support.fresh import lay_centre

LOCAL_URL = "http://centre.test"
"""Address of a centre reached in this process."""

START_S = 30.0


def open_centre(
    folder: Path,
    *,
    clock: Clock | None = None,
    entropy: Entropy | None = None,
    database: str = "",
) -> Centre:
    """The centre as `tapthread central` opens it."""
    disk, entropy = SystemDisk(), entropy or SystemEntropy()
    if not database:
        lay_centre(folder)
    return Centre.open(
        folder,
        disk=disk,
        clock=clock or SystemClock(),
        entropy=entropy,
        band_keys=BandKeyFiles.open(folder, disk=disk, entropy=entropy),
        capsule_signer=CapsuleKeyFile.open(folder, disk=disk, entropy=entropy),
        database=database,
    )


def new_device(
    centre: Centre, *, url: str = LOCAL_URL, store: str = "harbour", role: str = "kiosk"
) -> DeviceIdentity:
    """A new device that this centre approved."""
    made = identity.create(
        store=store,
        role=role,
        centre_url=url,
        centre_key=centre.public_key_hex,
        entropy=SystemEntropy(),
    )
    assert centre.approve_device(public_key=made.public_key, store=store, role=role)
    return made


def seeded(
    folder: Path,
    rows: Iterable[Row],
    *,
    store: str = "harbour",
    role: str = "kiosk",
    chips: Iterable[tuple[str, bytes]] = (),
) -> DeviceIdentity:
    """Make a centre in `folder/centre` that holds these rows for `store`, and an approved device of that store.

    The device's `centre_url` is to be replaced once the centre runs: `dataclasses.replace(device, centre_url=...)`.
    """
    centre = open_centre(folder / "centre")
    try:
        kept = tuple(rows)
        owners = sorted({row.owner for row in kept if row.owner})
        centre.put_rows(kept, interest=[(store, owner) for owner in owners])
        for band_id, uid in chips:
            centre.link_chip(band_id, uid)
        return new_device(centre, store=store, role=role)
    finally:
        centre.close()


class RunningCentre:
    """`tapthread central` in a process of its own, listening when this is made."""

    def __init__(self, data: Path, *more: str | Path, port: int = 0) -> None:
        self.process = started(
            "central", "--data", data, "--port", str(port), *more,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, stdin=subprocess.DEVNULL,
        )  # fmt: skip
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        if not line:
            _, said = self.process.communicate(timeout=START_S)
            raise AssertionError(f"the centre did not start: {said.decode()}")
        ready: dict[str, Any] = json.loads(line)
        self.url: str = ready["url"]
        self.key: str = ready["key"]

    @property
    def port(self) -> int:
        return int(self.url.rpartition(":")[2])

    def kill(self) -> None:
        """As a power cut."""
        os.kill(self.process.pid, signal.SIGKILL)
        self._wait()

    def stop(self) -> int:
        """As a service manager; the exit code."""
        if self.process.poll() is None:
            self.process.terminate()
        return self._wait()

    def _wait(self) -> int:
        self.process.communicate(timeout=START_S)
        return self.process.returncode


@contextmanager
def running_centre(data: Path, *more: str | Path, port: int = 0) -> Iterator[RunningCentre]:
    """A centre over `data/centre` until the block is left; `more` are further options."""
    centre = RunningCentre(data, *more, port=port)
    try:
        yield centre
    finally:
        centre.stop()


class PlainDevice:
    """A device with nothing but the protocol: signs, sends, checks. Not our kiosk's client, so that it can disagree."""

    def __init__(
        self,
        device: DeviceIdentity,
        http: httpx.AsyncClient,
        *,
        clock: Clock | None = None,
        lineage: str = "lineage-1",
    ) -> None:
        self.identity = device
        self.http = http
        self.clock = clock or SystemClock()
        self.entropy = SystemEntropy()
        self.lineage = lineage
        self.session = ""
        self.session_key = b""
        self.grants: dict[str, wire.Grant] = {}
        self.marks: dict[str, dict[int, wire.Mark]] = {}
        self.token = ""
        self.reads: dict[str, int] = {}
        self.more: dict[str, Any] = {}  # of a hello
        self._number = 0

    def request(self, path: str, body: bytes, *more: tuple[str, str]) -> Request:
        """A request as it is before it is signed."""
        self._number += 1
        given = {name for name, _ in more}
        headers = tuple(
            (name, value)
            for name, value in (
                ("content-type", "application/json"),
                ("x-proto", "1"),
                ("x-req", f"req-{self._number}"),
                ("device-seq", str(self._number)),
            )
            if name not in given
        )
        return Request("POST", self.identity.centre_url + path, (*headers, *more), body)

    def signed(self, request: Request) -> Request:
        """Signed in the session."""
        return signatures.sign_in_session(
            request,
            session=self.session,
            session_key=self.session_key,
            clock=self.clock,
            entropy=self.entropy,
        )

    def signed_as_device(self, request: Request, *, skew_ms: int = 0) -> Request:
        """Signed with the device's key."""
        return signatures.sign_as_device(
            request,
            identity=self.identity,
            clock=self.clock,
            entropy=self.entropy,
            skew_ms=skew_ms,
        )

    async def send(self, request: Request) -> Response:
        """Send as it is."""
        got = await self.http.request(
            request.method, request.url, headers=list(request.headers), content=request.body
        )
        return Response(got.status_code, tuple(got.headers.items()), got.content)

    def hello_body(self, agreement: signatures.Agreement) -> bytes:
        return msgspec.json.encode(
            wire.HelloRequest(
                device=self.identity.device_id,
                lineage=self.lineage,
                program="test 1",
                share=agreement.share,
                reads=self.reads,
                **self.more,
            )
        )

    async def hello(self) -> wire.HelloAnswer:
        """Start a session."""
        agreement = signatures.Agreement.begin(
            device=self.identity.device_id, entropy=self.entropy
        )
        request = self.request("/v1/hello", self.hello_body(agreement))
        got = await self.send(self.signed_as_device(request))
        assert got.status == 200, got.body
        answer = msgspec.json.decode(got.body, type=wire.HelloAnswer)
        self.session_key = agreement.finish(answer, centre_key=self.identity.centre_key)
        self.session = answer.session
        self.grants = {grant.id: grant for grant in answer.grants}
        return answer

    def push_request(self, *ops: Operation) -> Request:
        body = msgspec.json.encode(wire.PushRequest(self.lineage, ops, self.token))
        return self.request("/v1/push", body)

    async def push(self, *ops: Operation) -> tuple[wire.OpResult, ...]:
        """Push operations; their checked results."""
        answer = await self.pushed(*ops)
        assert not answer.is_forked
        return answer.results

    async def pushed(self, *ops: Operation) -> wire.PushAnswer:
        """Push operations; the checked answer, also one that says that this lineage has forked."""
        request = self.push_request(*ops)
        got = await self.send(self.signed(request))
        assert got.status in (200, 409), got.body
        answer = answers.push_of(
            got.body, session_key=self.session_key, request_id=request.header("x-req")
        )
        assert answer.is_forked == (got.status == 409)
        self.token = answer.token or self.token
        return answer

    def cursor(self, scope: str, seq: int) -> wire.Cursor:
        """A cursor with the newest mark and the newest kept one this device knows up to it."""
        known = [mark for mark in self.marks.get(scope, {}).values() if mark.seq <= seq]
        newest = sorted(known, key=lambda mark: -mark.seq)
        kept = [mark for mark in newest if mark.is_kept]
        return wire.Cursor(scope, seq, tuple(dict.fromkeys((*newest[:1], *kept[:1]))))

    async def pulled(
        self, *cursors: wire.Cursor, limit: int = 1_000, wait_ms: int = 0
    ) -> tuple[int, wire.Page]:
        """Pull one page, checked: its status and itself."""
        body = msgspec.json.encode(wire.PullRequest(cursors, limit, wait_ms))
        request = self.request("/v1/pull", body)
        got = await self.send(self.signed(request))
        assert got.status in (200, 409, 410), got.body
        page = wire.page_of(
            got.body, session_key=self.session_key, request_id=request.header("x-req")
        )
        for checkpoint in page.checkpoints:
            if checkpoint.mark is not None:
                marks = self.marks.setdefault(checkpoint.scope, {})
                marks[checkpoint.mark.seq] = checkpoint.mark
        return got.status, page

    async def pull(
        self, cursors: dict[str, int], *, limit: int = 1_000, wait_ms: int = 0
    ) -> wire.Page:
        """Pull one page, checked; histories are one."""
        asked = (self.cursor(scope, seq) for scope, seq in cursors.items())
        status, page = await self.pulled(*asked, limit=limit, wait_ms=wait_ms)
        assert status == 200, (page.partings, page.too_old)
        return page

    async def head(self, scope: str) -> int:
        """Pull a scope to its head; where that is."""
        seq, is_head = 0, False
        while not is_head:
            (checkpoint,) = (await self.pull({scope: seq})).checkpoints
            seq, is_head = checkpoint.seq, checkpoint.is_head
        return seq

    async def post(self, path: str, asked: msgspec.Struct) -> tuple[Response, str]:
        """Send a request in the session; the answer, whatever it is, and the id it should echo."""
        request = self.request(path, msgspec.json.encode(asked))
        return await self.send(self.signed(request)), request.header("x-req")

    async def answered(self, path: str, asked: msgspec.Struct) -> tuple[bytes, str]:
        """The same, where all goes well."""
        got, request_id = await self.post(path, asked)
        assert got.status == 200, got.body
        return got.body, request_id

    async def want(
        self, *want: wire.Want, drop: tuple[str, ...] = (), days: int = 1
    ) -> tuple[wire.Wanted, ...]:
        """Whom these found, with their rows."""
        body, request_id = await self.answered("/v1/want", wire.WantRequest(want, drop, days))
        return answers.want_of(body, session_key=self.session_key, request_id=request_id)

    async def diff(self, scope: str, sums: list[int]) -> wire.DiffAnswer:
        """Which buckets differ from these sums."""
        asked = wire.DiffRequest(scope, tuple(map(sum_text, sums)))
        body, request_id = await self.answered("/v1/diff", asked)
        return answers.diff_of(body, session_key=self.session_key, request_id=request_id)

    async def custody(self, *ops: wire.Raw) -> tuple[wire.OpResult, ...]:
        """What became of these bytes."""
        asked = wire.CustodyRequest(self.lineage, ops, self.token)
        body, request_id = await self.answered("/v1/custody", asked)
        answer = answers.push_of(body, session_key=self.session_key, request_id=request_id)
        self.token = answer.token or self.token
        return answer.results

    async def inbox(self, after: str = "") -> tuple[wire.InboxEntry, ...]:
        """What waits for a person."""
        body, request_id = await self.answered("/v1/inbox", wire.InboxRequest(after))
        return answers.inbox_of(body, session_key=self.session_key, request_id=request_id)

    async def decide(self, asked: wire.DecideRequest) -> wire.OpResult:
        """What became of an operation by what a person decided."""
        body, request_id = await self.answered("/v1/decide", asked)
        (result,) = answers.push_of(
            body, session_key=self.session_key, request_id=request_id
        ).results
        return result

    async def snapshot(self, scope: str) -> wire.SnapshotAnswer:
        """Of which parts a scope can be had whole."""
        body, request_id = await self.answered("/v1/snapshot", wire.SnapshotRequest(scope))
        return answers.snapshot_of(body, session_key=self.session_key, request_id=request_id)

    def get_request(self, path: str) -> Request:
        """A GET as it is before it is signed."""
        request = self.request(path, b"")
        return Request("GET", request.url, request.headers)

    async def capsule(self, band: str, *, size: int = 256) -> bytes:
        """What a band is to carry."""
        body, request_id = await self.answered("/v1/capsule", wire.CapsuleRequest(band, size))
        return wire.capsule_of(body, session_key=self.session_key, request_id=request_id)

    async def leases(self) -> wire.LeasesAnswer:
        """The keys this store may hold."""
        request = self.request("/v1/leases", b"{}")
        got = await self.send(self.signed(request))
        assert got.status == 200, got.body
        return wire.leases_of(
            got.body, session_key=self.session_key, request_id=request.header("x-req")
        )


async def until_held(centre: Centre, n_polls: int = 1) -> None:
    """Return when the centre holds that many polls."""
    for _ in range(30_000):
        if centre.bell.n_waiting >= n_polls:
            return
        await asyncio.sleep(0.001)
    raise AssertionError("the poll is not held")


def code_of(response: Response) -> str:
    """The code of a problem answer, after checking that it is one."""
    assert response.header("content-type") == wire.PROBLEM
    assert response.header("cache-control") == "no-store"
    problem = msgspec.json.decode(response.body, type=wire.Problem)
    assert (response.status, problem.title) == wire.PROBLEMS[problem.code]
    return problem.code
