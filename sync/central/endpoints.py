"""The addresses of the centre: from a request as a value to a response as a value, without a network.

`app` carries bytes to and from here; a simulator calls `Service.answer` directly. What a request means is for `centre`.
Order of refusing: address, method, protocol, unsigned, size, content type, then `gate`, then the body's form. Errors become
problem+json here and nowhere else; one that was not foreseen is logged without its text and answered `failed`.
"""

import logging
import re
from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final
from urllib.parse import urlsplit

import msgspec
import zstandard

from hardware.moments import micros_of
from sync.central.centre import Centre
from sync.central.errors import StoreConflict, StoreUnreachable
from sync.central.gate import denied
from sync.central.openapi import document
from sync.central.ports import NotesTooLarge, Site
from sync.central.pulls import Held
from sync.central.waiting import Alarm, Gathered, Run, at_once, each
from sync.model.errors import CentreRefused, StoreCorrupt, StoreError, StoreFull
from sync.model.ports import Request, Response
from sync.model.wire import BODY_SIZE_MAX, NDJSON, PROBLEM, PROBLEMS, PROTOCOL, Problem

log = logging.getLogger(__name__)

JSON: Final = "application/json"
BYTES: Final = "application/octet-stream"

COMPRESS_SIZE_MIN: Final = 1_024
"""Smaller answers are sent as they are: they fit one packet."""

COMPRESS_LEVEL: Final = 1
"""Five times smaller at 580,000 rows a second; the higher levels cost more than the network they spare."""

PULL_PIECES: Final = 4
"""Threads that begin pulls: more of them fight for the interpreter, and a database far away answers four at a time."""

RETRY_AFTER_S: Final = 5
"""What a busy centre asks for."""

PART_AGE_S: Final = 30 * 86_400
"""How long a part of a snapshot may be cached; its name is the digest of its bytes."""

SNAP: Final = "/v1/snap/"

_REQUEST_ID: Final = re.compile(r"[A-Za-z0-9_.-]{1,80}")
_PART: Final = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class Answer:
    """A body, what it is, and the status it has when it is no problem."""

    body: bytes
    content_type: str = NDJSON
    status: int = 200
    is_part: bool = False


Ask = Callable[[Request], Awaitable[Answer | Held]]


@dataclass(frozen=True, slots=True)
class _Route:
    name: str
    method: str
    ask: Ask
    is_signed: bool = True


class Service:
    """All addresses over one open centre."""

    def __init__(self, centre: Centre, *, run: Run = at_once) -> None:
        """Answer for `centre`; `run` carries its blocking calls."""
        self._centre = centre
        self._run = run
        self._alarm = Alarm(centre.clock)
        self._beginning = Gathered(self._begun, run, pieces=PULL_PIECES)
        self._looking = Gathered(each(self._looked), run, pieces=PULL_PIECES)
        self._ending = Gathered(self._ended, run, pieces=1)
        self._document = b""
        posts: dict[str, Callable[[Request], bytes]] = {
            "want": centre.want,
            "snapshot": centre.snapshot,
            "diff": centre.diff,
            "custody": centre.custody,
            "erased": centre.erased,
            "inbox": centre.inbox,
            "decide": centre.decide,
            "leases": centre.leases,
            "deny": centre.deny,
            "band": centre.band,
            "capsule": centre.capsule,
        }
        routes = {name: _Route(name, "POST", self._lines(ask)) for name, ask in posts.items()}
        routes["hello"] = _Route("hello", "POST", self._hello)
        routes["pull"] = _Route("pull", "POST", self._pull)
        routes["push"] = _Route("push", "POST", self._push)
        routes["metrics"] = _Route("metrics", "GET", self._metrics)
        routes["health"] = _Route("health", "GET", self._health, is_signed=False)
        routes["openapi.json"] = _Route("openapi", "GET", self._openapi, is_signed=False)
        self._routes: Mapping[str, _Route] = MappingProxyType(
            {f"/v1/{path}": route for path, route in routes.items()}
        )
        self._snap = _Route("snap", "GET", self._part)

    def answer(self, request: Request) -> Coroutine[Any, Any, Response]:
        """The response to a whole request, whatever it is."""
        site = self._site_of(request)
        return self._asked(request) if site is None else self._visited(site, request)

    async def _asked(self, request: Request) -> Response:
        refused = self.refused(request)
        if refused is not None:
            return refused
        route = self._route_of(request)
        assert route is not None  # `refused` looked
        try:
            if len(request.body) > BODY_SIZE_MAX:
                raise denied("too_large")  # noqa: TRY301  # one place makes problems
            n_rung = self._centre.bell.n_rung
            answer = await route.ask(request)
            if isinstance(answer, Held):
                request = _kept(request)  # the rest of it would wait with it
                answer = await self._held(answer, n_rung)
            self._centre.counters.add(f"answered.{route.name}")
            return await self._response(request, answer)
        except CentreRefused as error:
            return self.problem(request, error.problem, str(error))
        except (StoreFull, StoreCorrupt, StoreConflict, StoreUnreachable) as error:
            log.error("store is busy", extra={"endpoint": route.name, "code": error.code})  # noqa: TRY400  # the trace says nothing more
            return self.problem(request, "busy")
        except StoreError:
            log.exception("store failed", extra={"endpoint": route.name})
            return self.problem(request, "failed")
        except Exception:
            # The top of a request: one that fails must not take the process, nor its text the log.
            log.exception("request failed", extra={"endpoint": route.name})
            return self.problem(request, "failed")

    def refused(self, request: Request) -> Response | None:
        """The problem of a request that is wrong by its line and headers, before a byte of its body is read."""
        if self._site_of(request) is not None:
            return None  # it answers everything itself
        route = self._route_of(request)
        if route is None:
            return self.problem(request, "not_found")
        if request.method != route.method:
            response = self.problem(request, "wrong_method")
            return _with(response, ("allow", route.method))
        code = _wrong_head(request, route) if route.is_signed else ""
        return self.problem(request, code) if code else None

    def problem(self, request: Request, code: str, detail: str = "") -> Response:
        """An error as it is answered; nothing of the request was done."""
        status, title = PROBLEMS[code]
        self._centre.counters.add(f"refused.{code}")
        if status >= 500 or code in ("not_trusted", "replayed", "not_allowed"):
            log.warning("request refused", extra={"code": code, "status": status})
        headers = [*self._headers(request), ("content-type", PROBLEM)]
        if status == 503:
            headers.append(("retry-after", str(RETRY_AFTER_S)))
        if status == 413 or code == "malformed":
            headers.append(("connection", "close"))  # what is left of the body is not read
        body = msgspec.json.encode(Problem(code, title, status, detail=detail))
        return Response(status, tuple(headers), body)

    def _route_of(self, request: Request) -> _Route | None:
        try:
            path = urlsplit(request.url).path
        except ValueError:
            return None
        if path.startswith(SNAP):
            return self._snap if _PART.fullmatch(path[len(SNAP) :]) else None
        return self._routes.get(path)

    def _site_of(self, request: Request) -> Site | None:
        try:
            path = urlsplit(request.url).path
        except ValueError:
            return None
        return self._centre.sites.get(path.split("/", 2)[1] if path.startswith("/") else "")

    async def too_large(self, request: Request) -> Response:
        """The problem of a request whose body is larger than may be, once whoever it was for has noted it."""
        site: object = self._site_of(request)
        if isinstance(site, NotesTooLarge):
            declared = request.header("content-length")
            size = (
                int(declared) if declared.isdigit() and len(declared) <= 12 else BODY_SIZE_MAX
            )
            try:
                await self._run(lambda: site.note_too_large(request, size))
            except StoreError:
                log.warning("store is busy", extra={"endpoint": "too_large"})
        return self.problem(request, "too_large")

    async def _visited(self, site: Site, request: Request) -> Response:
        if len(request.body) > BODY_SIZE_MAX:
            return await self.too_large(request)
        try:
            response = await self._run(lambda: site.answer(request))
        except StoreError:
            log.exception("store failed", extra={"endpoint": site.path})
            return self.problem(request, "busy")
        except Exception:
            # The top of a request: one that fails must not take the process, nor its text the log.
            log.exception("request failed", extra={"endpoint": site.path})
            return self.problem(request, "failed")
        self._centre.counters.add(f"answered.{site.path}")
        return response

    # What each address asks of the centre

    def _lines(self, ask: Callable[[Request], bytes]) -> Ask:
        async def asked(request: Request) -> Answer:
            return Answer(await self._run(lambda: ask(request)))

        return asked

    async def _hello(self, request: Request) -> Answer:
        return Answer(await self._run(lambda: self._centre.hello(request)), JSON)

    async def _push(self, request: Request) -> Answer:
        pushed = await self._run(lambda: self._centre.push(request))
        return Answer(pushed.body, status=409 if pushed.is_forked else 200)

    def _begun(self, requests: Sequence[Request]) -> Sequence[Held | Exception]:
        return self._centre.begin_pulls(requests)

    def _looked(self, held: Held) -> Held:
        return self._centre.look_again(held)

    def _ended(self, held: Sequence[Held]) -> Sequence[Held | Exception]:
        return self._centre.end_pulls(held)

    async def _pull(self, request: Request) -> Answer | Held:
        held = await self._beginning.done(request)
        return held if held.page is None else Answer(held.page, status=held.status)

    async def _held(self, held: Held, n_rung: int) -> Answer:
        """The answer of a poll once there is one; `n_rung` is how often the bell had rung before it was looked at."""
        bell = self._centre.bell
        with bell.heard(held.scopes) as rung:
            # A change before the bell was listened to did not ring for us; other nodes ring for none but who waits.
            if self._centre.is_shared or bell.n_rung != n_rung:
                held = await self._looking.done(held)
            if held.page is None:
                with self._alarm.rings(rung, held.pull.wait_ms):
                    await rung
        if held.page is None:
            held = await self._ending.done(held)
        assert held.page is not None  # the last look always has one
        return Answer(held.page, status=held.status)

    async def _part(self, request: Request) -> Answer:
        name = urlsplit(request.url).path[len(SNAP) :]
        part = await self._run(lambda: self._centre.part(request, name))
        return Answer(part, BYTES, is_part=True)

    async def _metrics(self, request: Request) -> Answer:
        return Answer(await self._run(lambda: self._centre.metrics_for(request)), JSON)

    async def _health(self, _request: Request) -> Answer:
        return Answer(b'{"is_up":true}', JSON)

    async def _openapi(self, _request: Request) -> Answer:
        if not self._document:
            self._document = await self._run(document)
        return Answer(self._document, JSON)

    # The response

    async def _response(self, request: Request, answer: Answer) -> Response:
        headers = [*self._headers(request), ("content-type", answer.content_type)]
        body = answer.body
        if answer.is_part:
            headers[0] = ("cache-control", f"public, max-age={PART_AGE_S}, immutable")
        elif len(body) >= COMPRESS_SIZE_MIN and _takes_zstd(request):
            body = await self._run(
                lambda: zstandard.ZstdCompressor(COMPRESS_LEVEL).compress(body)
            )
            headers.append(("content-encoding", "zstd"))
        return Response(answer.status, tuple(headers), body)

    def _headers(self, request: Request) -> tuple[tuple[str, str], ...]:
        """What every response has; `cache-control` first."""
        headers: list[tuple[str, str]] = [
            ("cache-control", "no-store"),
            ("x-server-time", str(micros_of(self._centre.clock.now()))),
        ]
        request_id = request.header("x-req")
        if _REQUEST_ID.fullmatch(request_id):
            headers.append(("x-req", request_id))
        return tuple(headers)


def _kept(request: Request) -> Request:
    """What of a request is needed for its answer: all that a held one keeps."""
    names = ("x-req", "accept-encoding")
    return Request(
        request.method, request.url, tuple(it for it in request.headers if it[0] in names)
    )


def _wrong_head(request: Request, route: _Route) -> str:
    """The code of the problem with the headers of a signed request; "" when there is none."""
    if request.header("x-proto") != str(PROTOCOL):
        return "incompatible"
    if not request.header("signature") or not request.header("signature-input"):
        return "not_trusted"
    if not _REQUEST_ID.fullmatch(request.header("x-req")):
        return "malformed"  # no answer to it could be told from another
    declared = request.header("content-length")
    if declared.isdigit() and (len(declared) > 12 or int(declared) > BODY_SIZE_MAX):
        return "too_large"
    is_json = route.method != "POST" or _is_json(request)
    return "" if is_json and not request.header("content-encoding") else "wrong_type"


def _is_json(request: Request) -> bool:
    return request.header("content-type").partition(";")[0].strip().lower() == JSON


def _takes_zstd(request: Request) -> bool:
    offered = request.header("accept-encoding").lower().split(",")
    return any(part.split(";")[0].strip() == "zstd" for part in offered)


def _with(response: Response, *headers: tuple[str, str]) -> Response:
    return Response(response.status, (*response.headers, *headers), response.body)
