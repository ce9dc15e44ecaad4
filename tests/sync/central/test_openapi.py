"""What the document says of the centre holds: any request made from it, right or wrong, gets an answer it names."""

import asyncio
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from schemathesis import GenerationMode
from schemathesis.checks import CHECKS

from hardware.clock import FixedClock
from hardware.moments import moment_of
from sync.central.enrolment import ENDPOINTS_OF
from sync.central.openapi import ENDPOINTS, document
from sync.model.errors import Malformed
from sync.model.ports import Request
from sync.model.signatures import Agreement
from sync.model.wire import PROBLEMS
from tests.support.centre import LOCAL_URL, PlainDevice, new_device, open_centre
from tests.support.shop import LENA, NOON, lenas_rows

DOCUMENT: dict[str, Any] = json.loads(document())
DATABASES = ("sqlite",)
"""What is refused here is refused before a database is asked."""

SCHEMA = schemathesis.openapi.from_dict(DOCUMENT)
SCHEMA.config.generation.update(allow_x00=False)
SCHEMA.config.checks.negative_data_rejection.expected_statuses = [
    str(status) for status, _ in PROBLEMS.values() if status < 500
]

CHECKED: Any = [
    CHECKS.get_one(name)
    for name in (
        "not_a_server_error", "status_code_conformance", "content_type_conformance",
        "response_headers_conformance", "response_schema_conformance",
    )
]  # fmt: skip

REFUSED: Any = [*CHECKED, CHECKS.get_one("negative_data_rejection")]

ASKED = [
    (path, method, mode)
    for path, methods in DOCUMENT["paths"].items()
    for method, operation in methods.items()
    for mode in GenerationMode
    if operation["security"]
    or mode is GenerationMode.POSITIVE  # nothing to get wrong otherwise
]


@dataclass
class Caller:
    """A device that signs whatever it is given."""

    device: PlainDevice
    loop: asyncio.AbstractEventLoop
    statuses: set[int] = field(default_factory=set)

    def answer(self, case: Any) -> httpx.Response:
        """The answer to a request made from the document."""
        made = requests.Request(**case.as_transport_kwargs(base_url=LOCAL_URL)).prepare()
        body = made.body if isinstance(made.body, bytes) else str(made.body or "").encode()
        if case.path == "/v1/hello":
            body = self._named(body)
        headers = tuple((name.lower(), _text(value)) for name, value in made.headers.items())
        request = self._signed(Request(made.method or "", made.url or "", headers, body))
        return self.loop.run_until_complete(self._sent(request))

    def _named(self, body: bytes) -> bytes:
        """A hello in our name with a share that is one, where the document is met: no schema can say what a key is."""
        try:
            hello = msgspec.json.decode(body)
        except msgspec.DecodeError:
            return body
        if not isinstance(hello, dict):
            return body
        device, share = hello.get("device"), hello.get("share")
        if isinstance(share, str) and len(share) == 130:
            agreement = Agreement.begin(device="", entropy=self.device.entropy)
            hello["share"] = agreement.share
        if isinstance(device, str) and 1 <= len(device) <= 80:
            hello["device"] = self.device.identity.device_id
        return msgspec.json.encode(hello)

    def _signed(self, request: Request) -> Request:
        headers = dict(request.headers)
        if "signature" not in headers:
            return request  # that none is there is what is wrong with it
        if headers.get("device-seq", "").isdigit():
            self.device._number += 1
            headers["device-seq"] = str(self.device._number)
        for name in ("signature", "content-length"):
            headers.pop(name, None)
        unsigned = Request(request.method, request.url, tuple(headers.items()), request.body)
        is_hello = request.url.endswith("/hello")
        try:
            sign = self.device.signed_as_device if is_hello else self.device.signed
            return sign(unsigned)
        except (Malformed, ValueError):
            return unsigned  # what cannot be signed is sent as it is

    async def _sent(self, request: Request) -> httpx.Response:
        headers = [
            (name.encode(), value.encode("utf-8", "surrogateescape"))
            for name, value in request.headers
        ]
        got = await self.device.http.request(
            request.method, request.url, headers=headers, content=request.body
        )
        self.statuses.add(got.status_code)
        return got


def _text(value: str | bytes) -> str:
    return value if isinstance(value, str) else value.decode("utf-8", "surrogateescape")


@pytest.fixture(scope="module")
def callers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Caller]]:
    clock = FixedClock(moment_of(NOON))
    centre = open_centre(tmp_path_factory.mktemp("openapi"), clock=clock)
    centre.put_rows(lenas_rows(), interest=[("harbour", LENA)])
    loop = asyncio.new_event_loop()
    http = httpx.AsyncClient(transport=httpx.ASGITransport(app=centre.asgi_app))
    made = {}
    for role in ("counter", "technician"):
        device = PlainDevice(new_device(centre, role=role), http, clock=clock)
        loop.run_until_complete(device.hello())
        made[role] = Caller(device, loop)
    yield made
    loop.run_until_complete(http.aclose())
    loop.run_until_complete(loop.shutdown_default_executor())
    loop.close()
    centre.close()


def caller_of(callers: dict[str, Caller], path: str) -> Caller:
    return callers["technician" if path == "/v1/metrics" else "counter"]


@pytest.mark.slow
@pytest.mark.parametrize(("path", "method", "mode"), ASKED)
def test_any_request_made_from_the_document_gets_an_answer_it_names(
    callers: dict[str, Caller], path: str, method: str, mode: GenerationMode
) -> None:
    operation = SCHEMA[path][method.upper()]
    caller = caller_of(callers, path)
    caller.statuses.clear()

    @settings(
        max_examples=15, deadline=None, derandomize=True, database=None, phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )  # fmt: skip
    @given(data=st.data())
    def holds(data: st.DataObject) -> None:
        case = data.draw(operation.as_strategy(generation_mode=mode))
        checks = CHECKED if mode is GenerationMode.POSITIVE else REFUSED
        case.validate_response(caller.answer(case), checks=checks)

    holds()

    if mode is GenerationMode.POSITIVE:
        assert caller.statuses & {200, 403, 404, 409}, "nothing of it was let in"
        # A token the centre never said is one of a centre that was set back: `session_over`.
        forgotten = {401} if path == "/v1/pull" else set()
        assert caller.statuses <= {200, 400, 403, 404, 409, 410} | forgotten
    else:
        assert max(caller.statuses) < 500


def test_every_address_every_role_may_ask_is_in_the_document() -> None:
    named = {
        operation["operationId"]
        for path in DOCUMENT["paths"].values()
        for operation in path.values()
    }

    assert named == frozenset[str]().union(*ENDPOINTS_OF.values()) | {"health", "openapi"}
    assert {it.name for it in ENDPOINTS} < named


def test_every_problem_is_in_the_document_with_its_status() -> None:
    said = {
        (code, int(name.removeprefix("problem_")))
        for name, response in DOCUMENT["components"]["responses"].items()
        for code in response["content"]["application/problem+json"]["schema"]["allOf"][1][
            "properties"
        ]["code"]["enum"]
    }

    assert said == {(code, status) for code, (status, _) in PROBLEMS.items()}


def test_all_the_document_refers_to_is_in_it() -> None:
    def refs(value: object) -> Iterator[str]:
        if isinstance(value, dict):
            for name, inner in value.items():
                if name == "$ref":
                    yield inner
                yield from refs(inner)
        elif isinstance(value, list):
            for inner in value:
                yield from refs(inner)

    for ref in set(refs(DOCUMENT)):
        _, _, kind, name = ref.split("/")
        assert name in DOCUMENT["components"][kind], ref


async def test_the_document_is_for_everybody(tmp_path: Path) -> None:
    centre = open_centre(tmp_path)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app=centre.asgi_app)) as http:
        got = await http.get(f"{LOCAL_URL}/v1/openapi.json")

    assert got.status_code == 200
    assert got.json() == DOCUMENT
    centre.close()
