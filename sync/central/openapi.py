"""The protocol for programs: an OpenAPI 3.1 document made from the same structs the centre decodes with. Pure.

Source: OpenAPI Specification 3.1.1. What a schema cannot say (signatures, lines, digests) is in `sync/README.md`.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import msgspec

from sync.model.wire import (
    BODY_SIZE_MAX,
    NDJSON,
    PROBLEM,
    PROBLEMS,
    PROTOCOL,
    BandAnswer,
    BandRequest,
    CapsuleAnswer,
    CapsuleRequest,
    CustodyRequest,
    DecideRequest,
    DenyAnswer,
    DiffRequest,
    ErasedAnswer,
    ErasedRequest,
    HelloAnswer,
    HelloRequest,
    InboxEntry,
    InboxRequest,
    Lease,
    Line,
    Problem,
    PullRequest,
    PushRequest,
    SnapshotPart,
    SnapshotRequest,
    WantRequest,
)


class Nothing(msgspec.Struct, frozen=True):
    """The body of a request that asks for nothing in particular: `{}`."""


class Health(msgspec.Struct, frozen=True):
    """That the centre is up; never anything else."""

    is_up: bool


class Metrics(msgspec.Struct, frozen=True):
    """What the centre counted since it started, and where it stands."""

    counts: dict[str, int]
    sessions: int
    waiting: int


@dataclass(frozen=True, slots=True)
class _Endpoint:
    """One address. `lines` names the structs its NDJSON answer is made of; without it the answer is one `answer`."""

    name: str
    summary: str
    asks: type[msgspec.Struct] | None = None
    answer: type[msgspec.Struct] | None = None
    lines: tuple[type[msgspec.Struct], ...] = ()
    others: tuple[tuple[int, str], ...] = ()


ENDPOINTS: Final = (
    _Endpoint("hello", "Start a session; signed with the device's key", HelloRequest, HelloAnswer),
    _Endpoint(
        "push", "Operations up, their results and rows down", PushRequest, lines=(Line,),
        others=((409, "This lineage has forked; nothing was done. One line `forked`."),),
    ),
    _Endpoint(
        "pull", "Rows that changed since these cursors; held until there are some", PullRequest, lines=(Line,),
        others=(
            (409, "The histories part; lines `parted`, and perhaps `too_old`."),
            (410, "A cursor is older than what is remembered; lines `too_old`."),
        ),
    ),
    _Endpoint("want", "Hold these customers here for some days", WantRequest, lines=(Line,)),
    _Endpoint("snapshot", "The parts a scope can be had whole of", SnapshotRequest, lines=(SnapshotPart,)),
    _Endpoint("diff", "Sums of buckets up, rows of those that differ down", DiffRequest, lines=(Line,)),
    _Endpoint("custody", "Operations that do not get through, for a person", CustodyRequest, lines=(Line,)),
    _Endpoint("erased", "Notes of erasures, for a centre that was set back", ErasedRequest, lines=(ErasedAnswer,)),
    _Endpoint("inbox", "Operations of this store that wait for a person", InboxRequest, lines=(InboxEntry,)),
    _Endpoint("decide", "What a person decided about one of them", DecideRequest, lines=(Line,)),
    _Endpoint("leases", "Keys of the bands whose owners this store holds", Nothing, lines=(Lease,)),
    _Endpoint("capsule", "What a band of this store is to carry, signed", CapsuleRequest, lines=(CapsuleAnswer,)),
    _Endpoint("band", "Prove a band whose key this store does not hold", BandRequest, lines=(BandAnswer,)),
    _Endpoint("deny", "The newest deny list, signed by the centre", Nothing, lines=(DenyAnswer,)),
)  # fmt: skip
"""All that are asked with POST and JSON."""

_HEADERS: Final = (
    ("x-proto", "Version of the protocol.", {"type": "string", "enum": [str(PROTOCOL)]}),
    ("x-req", "Id of the request, echoed.", {"type": "string", "pattern": "^[A-Za-z0-9_.-]{1,80}$"}),
    ("device-seq", "Never used twice in a session.", {"type": "string", "pattern": "^[0-9]{1,18}$"}),
)  # fmt: skip

_SIGNATURE: Final = (
    "RFC 9421 with `signature-input` and, for the body, RFC 9530 `content-digest`; label `tapthread`, over"
    ' "@method" "@target-uri" "content-digest" "x-req" "device-seq". Hello is signed with the device\'s P-256 key'
    " (tag `tapthread-device`), everything else with the session's HMAC key (tag `tapthread-session`)."
)


def document() -> bytes:
    """The whole document, as JSON."""
    structs: set[type[msgspec.Struct]] = {Problem, Health, Metrics}
    for endpoint in ENDPOINTS:
        structs |= {it for it in (endpoint.asks, endpoint.answer, *endpoint.lines) if it}
    named = sorted(structs, key=lambda it: it.__name__)
    refs, components = msgspec.json.schema_components(
        [_described(it) for it in named], ref_template="#/components/schemas/{name}"
    )
    ref_of = dict(zip((it.__name__ for it in named), refs, strict=True))
    paths: dict[str, Any] = {
        f"/v1/{it.name}": {"post": _operation(it, ref_of)} for it in ENDPOINTS
    }
    paths["/v1/snap/{hash}"] = {"get": _part()}
    paths["/v1/metrics"] = {
        "get": _signed(
            "metrics", "What this node counted; for technicians", _json(ref_of["Metrics"])
        )
    }
    paths["/v1/health"] = {"get": _open("health", "Is the centre up", ref_of["Health"])}
    paths["/v1/openapi.json"] = {"get": _open("openapi", "This document", {"type": "object"})}
    return msgspec.json.encode({
        "openapi": "3.1.0",
        "info": {
            "title": "Tapthread centre",
            "version": str(PROTOCOL),
            "description": "Operations up, rows down. Every request but health and this is signed; every answer can be checked.",
        },
        "paths": paths,
        "components": {
            "schemas": components,
            "responses": {f"problem_{status}": _problem(status) for status in _statuses()},
            "securitySchemes": {
                "signature": {
                    "type": "apiKey", "in": "header", "name": "signature", "description": _SIGNATURE,
                },
            },
        },
    })  # fmt: skip


def _described(struct: type[msgspec.Struct]) -> type[msgspec.Struct]:
    """The struct, or one like it whose raw parts are objects: a schema knows no bytes that stay as they are."""
    fields = msgspec.structs.fields(struct)
    if not any(isinstance(field.default, msgspec.Raw) for field in fields):
        return struct
    alike: list[tuple[str, Any] | tuple[str, Any, Any]] = []
    for field in fields:
        if isinstance(field.default, msgspec.Raw):
            alike.append((field.name, dict[str, Any] | msgspec.UnsetType, msgspec.UNSET))
        elif field.required:
            alike.append((field.name, field.type))
        else:
            alike.append((field.name, field.type, field.default))
    return msgspec.defstruct(struct.__name__, alike, namespace={"__doc__": struct.__doc__})


def _operation(endpoint: _Endpoint, ref_of: Mapping[str, Any]) -> dict[str, Any]:
    assert endpoint.asks is not None  # those without a body are made elsewhere
    if endpoint.answer is not None:
        good = _json(ref_of[endpoint.answer.__name__])
    else:
        names = ", ".join(it.__name__ for it in endpoint.lines)
        good = _lines(f"Lines of {names}; the last one is the end record.", endpoint, ref_of)
    operation = _signed(endpoint.name, endpoint.summary, good)
    operation["requestBody"] = {
        "required": True,
        "description": f"At most {BODY_SIZE_MAX} bytes, no content encoding, no name twice in an object.",
        "content": {"application/json": {"schema": ref_of[endpoint.asks.__name__]}},
    }
    for status, what in endpoint.others:
        operation["responses"][str(status)] = _lines(what, endpoint, ref_of)
    return operation


def _part() -> dict[str, Any]:
    operation = _signed(
        "snap", "One part of a snapshot; its SHA-256 is its name",
        {
            "description": "The part, as ciphertext; may be cached.",
            "headers": _answer_headers(),
            "content": {"application/octet-stream": {}},
        },
    )  # fmt: skip
    operation["parameters"].append({
        "name": "hash", "in": "path", "required": True,
        "schema": {"type": "string", "pattern": "^[0-9a-f]{64}$"},
    })  # fmt: skip
    return operation


def _signed(name: str, summary: str, good: dict[str, Any]) -> dict[str, Any]:
    return {
        "operationId": name,
        "summary": summary,
        "security": [{"signature": []}],
        "parameters": [
            {"name": header, "in": "header", "required": True, "description": what, "schema": schema}
            for header, what, schema in _HEADERS
        ],
        "responses": {"200": good, **_problems()},
    }  # fmt: skip


def _open(name: str, summary: str, schema: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "operationId": name,
        "summary": summary,
        "security": [],
        "responses": {"200": _json(schema), **_problems(frozenset({404, 405, 400}))},
    }


def _json(schema: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "description": "As the schema says.",
        "headers": _answer_headers(),
        "content": {"application/json": {"schema": schema}},
    }


def _lines(what: str, endpoint: _Endpoint, ref_of: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "description": what,
        "headers": _answer_headers(),
        "content": {
            NDJSON: {
                "schema": {"type": "string"},
                "x-lines": [ref_of[it.__name__] for it in endpoint.lines],
            }
        },
    }


def _statuses() -> list[int]:
    return sorted({status for status, _ in PROBLEMS.values()})


def _problems(among: frozenset[int] = frozenset()) -> dict[str, Any]:
    return {
        str(status): {"$ref": f"#/components/responses/problem_{status}"}
        for status in _statuses()
        if not among or status in among
    }


def _problem(status: int) -> dict[str, Any]:
    codes = [code for code, (its, _) in PROBLEMS.items() if its == status]
    schema = {
        "allOf": [
            {"$ref": "#/components/schemas/Problem"},
            {"properties": {"code": {"enum": codes}, "status": {"const": status}}},
        ]
    }
    return {
        "description": " ".join(f"`{code}`: {PROBLEMS[code][1]}" for code in codes),
        "headers": _answer_headers(),
        "content": {PROBLEM: {"schema": schema}},
    }


def _answer_headers() -> dict[str, Any]:
    return {
        "x-server-time": {
            "description": "Microseconds since 1970.",
            "schema": {"type": "string", "pattern": "^[0-9]+$"},
        },
        "x-req": {"description": "As asked.", "schema": {"type": "string"}},
        "cache-control": {"required": True, "schema": {"type": "string"}},
    }
