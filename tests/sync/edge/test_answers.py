"""Answers that are the centre's by their digest and nonsense by what they say: an error of ours, and nothing else."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Mapping

import msgspec
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from hardware.clock import FixedClock
from hardware.entropy import SeededEntropy
from sync.edge.client import CentreClient
from sync.model.errors import CentreError, CentreUnreachable
from sync.model.ports import Request, Response
from sync.model.wire import (
    NDJSON,
    Cursor,
    DecideRequest,
    Line,
    Raw,
    SnapshotPart,
    Want,
    WantRequest,
    ended,
)
from tests.support import edge
from tests.support.transport import FakeCentre

PART = SnapshotPart("ab" * 32, 5, 1)

Call = Callable[[CentreClient], Awaitable[object]]
CALLS: dict[str, Call] = {
    "push": lambda it: it.push(lineage="l1", ops=[b"{}"]),
    "pull": lambda it: it.pull(cursors=(Cursor("g", 1),)),
    "want": lambda it: it.want(WantRequest((Want(owner="lena"),))),
    "snapshot": lambda it: it.snapshot("g"),
    "diff": lambda it: it.diff("g", ["0" * 16] * 256),
    "custody": lambda it: it.custody(lineage="l1", ops=[Raw("o1", b"{}")]),
    "inbox": lambda it: it.inbox(),
    "decide": lambda it: it.decide(DecideRequest("o1", "void", "ben")),
    "leases": lambda it: it.leases(),
}

JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=6,
)  # fmt: skip
FIELDS = st.sampled_from(
    ["scope", "q", "k", "t", "o", "v", "a", "src", "d", "x", "op", "status", "code", "rv", "ckpt", "seq",
     "head", "mark", "n", "sum", "parted", "too_old", "token", "forked", "want", "owner", "bucket", "more",
     "snap", "epoch", "key", "part", "size", "rows", "buckets", "inbox", "raw", "at", "kind", "store", "device",
     "group", "group_version", "uid", "sealed", "version", "until"]
)  # fmt: skip


def _line(fields: Mapping[str, object]) -> bytes:
    try:
        return msgspec.json.encode(fields)
    except (msgspec.EncodeError, UnicodeEncodeError, OverflowError, ValueError):
        return b"{}"


LINES = st.lists(
    st.dictionaries(FIELDS, JSON, max_size=5).map(_line)
    | st.binary(max_size=20).map(lambda it: it.replace(b"\n", b"")),
    max_size=4,
)


class Saying:
    """A centre that answers hello as it should, and everything else with these lines under a digest that holds."""

    def __init__(self, lines: list[bytes], n_rows: int, status: int) -> None:
        self.centre = FakeCentre(clock=FixedClock(edge.START), entropy=SeededEntropy("centre"))
        self._lines = b"".join(line + b"\n" for line in lines)
        self._n_rows = n_rows
        self._status = status

    async def send(self, request: Request, *, deadline_ms: int, size_max: int) -> Response:
        if request.url.endswith("/hello"):
            return await self.centre.send(request, deadline_ms=deadline_ms, size_max=size_max)
        (key,) = self.centre.sessions.values()
        body = ended(
            self._lines,
            n_rows=self._n_rows,
            session_key=key,
            request_id=request.header("x-req"),
        )
        headers = (("content-type", NDJSON), ("x-req", request.header("x-req")))
        return Response(self._status, headers, body)

    async def close(self) -> None:
        """Nothing is held."""


@pytest.mark.parametrize("name", CALLS)
@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(lines=LINES, n_rows=st.integers(-2, 5), status=st.sampled_from([200, 200, 409, 410]))
@example(lines=[], n_rows=-1, status=200)
@example(lines=[b'{"ckpt":"g","sum":"xyz"}'], n_rows=0, status=200)
@example(lines=[b'{"snap":"g","seq":4,"key":"zz","sum":"zz"}'], n_rows=0, status=200)
@example(lines=[b"[" * 5_000], n_rows=0, status=200)
def test_nonsense_under_a_digest_that_holds_is_an_error_of_ours(
    name: str, lines: list[bytes], n_rows: int, status: int
) -> None:
    saying = Saying(lines, n_rows, status)

    async def asked() -> None:
        client = CentreClient(
            saying, identity=saying.centre.device(), clock=FixedClock(edge.START),
            entropy=SeededEntropy("client"),
        )  # fmt: skip
        await client.hello(lineage="l1")
        with contextlib.suppress(CentreError):
            await CALLS[name](client)

    asyncio.run(asked())


@pytest.mark.parametrize(
    ("status", "line"),
    [
        (409, Line(ckpt="g", seq=1)),
        (410, Line(parted="g")),
        (200, Line(parted="g")),
        (200, Line(too_old="g")),
        (500, Line(ckpt="g", seq=1)),
    ],
)
async def test_a_status_put_on_by_somebody_else_makes_it_nobodys_answer(
    status: int, line: Line
) -> None:
    saying = Saying([msgspec.json.encode(line)], 0, status)
    client = CentreClient(
        saying, identity=saying.centre.device(), clock=FixedClock(edge.START),
        entropy=SeededEntropy("client"),
    )  # fmt: skip
    await client.hello(lineage="l1")

    with pytest.raises(CentreUnreachable):
        await client.pull(cursors=(Cursor("g", 1),))


@pytest.mark.parametrize("size", [0, -1, 10**12])
async def test_a_part_of_a_size_nobody_should_load_is_not_asked_for(size: int) -> None:
    saying = Saying([], 0, 200)
    client = CentreClient(
        saying, identity=saying.centre.device(), clock=FixedClock(edge.START),
        entropy=SeededEntropy("client"),
    )  # fmt: skip
    await client.hello(lineage="l1")

    with pytest.raises(CentreUnreachable):
        await client.part(SnapshotPart("ab" * 32, size, 1))


@pytest.mark.parametrize(
    "answer",
    [
        Response(200, (("content-type", "application/octet-stream"),), b"other"),
        Response(
            200, (("content-type", "application/octet-stream"),), b"longer than asked for"
        ),
        Response(200, (("content-type", "text/html"),), b"hello"),
        Response(404, (("content-type", "application/octet-stream"),), b"hello"),
        Response(302, (), b""),
    ],
)
async def test_a_part_is_only_what_its_hash_says(answer: Response) -> None:
    class Serving(Saying):
        async def send(self, request: Request, *, deadline_ms: int, size_max: int) -> Response:
            if request.method == "GET":
                return answer
            return await super().send(request, deadline_ms=deadline_ms, size_max=size_max)

    saying = Serving([], 0, 200)
    client = CentreClient(
        saying, identity=saying.centre.device(), clock=FixedClock(edge.START),
        entropy=SeededEntropy("client"),
    )  # fmt: skip
    await client.hello(lineage="l1")

    with pytest.raises(CentreUnreachable):
        await client.part(PART)
