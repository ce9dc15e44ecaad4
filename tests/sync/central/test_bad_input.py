"""What the centre answers to who is not known, and to what does not parse: a problem with a code, and nothing else."""

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import httpx
import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hardware import identity
from hardware.clock import FixedClock, SystemClock
from hardware.entropy import SystemEntropy
from hardware.moments import moment_of
from sync.central import apply as apply_module
from sync.central import pushes as pushes_module
from sync.central.centre import Centre
from sync.central.endpoints import Service
from sync.central.enrolment import ENDPOINTS_OF, State
from sync.central.gate import SEQ_WINDOW, SESSION_MS
from sync.model import registry
from sync.model.errors import Malformed, StoreFull
from sync.model.ports import Request, Response
from sync.model.signatures import Agreement
from sync.model.wire import BODY_SIZE_MAX, PROBLEMS
from tests.support.centre import LOCAL_URL, PlainDevice, code_of, new_device, open_centre
from tests.support.shop import NOON, hand_over, said

DATABASES = ("sqlite",)
"""What is refused here is refused before a database is asked."""

PULL = b'{"scopes":[{"id":"g","seq":0}]}'
BODIES = {
    "push": b'{"lineage":"l","ops":[]}', "pull": PULL, "leases": b"{}", "want": b"{}",
    "snapshot": b'{"scope":"g"}', "custody": b'{"lineage":"l","ops":[]}', "inbox": b"{}",
    "diff": b'{"scope":"g","buckets":[' + b",".join([b'"0000000000000000"'] * 256) + b"]}",
    "decide": b'{"op":"none","decision":"void","by":"b"}', "deny": b"{}",
    "band": b'{"uid":"04010203040506","step":1,"data":"00112233445566778899aabbccddeeff"}',
    "capsule": b'{"band":"00112233445566778899aabbccddeeff","size":256}',
    "erased": b'{"notes":[]}',
}  # fmt: skip
PATHS = ("/v1/hello", *(f"/v1/{name}" for name in BODIES))


def says_nothing(response: Response) -> bool:
    """No row, no name, no key in an answer."""
    return b"Lena" not in response.body and len(response.body) < 300


@pytest.mark.parametrize("path", PATHS)
async def test_a_request_without_a_signature_gets_nothing(
    kiosk: PlainDevice, path: str
) -> None:
    got = await kiosk.send(kiosk.request(path, PULL))

    assert code_of(got) == "not_trusted"
    assert says_nothing(got)


@pytest.mark.parametrize("path", PATHS)
async def test_a_device_the_centre_does_not_know_gets_nothing(
    centre: Centre, http: httpx.AsyncClient, path: str
) -> None:
    stranger = identity.create(
        store="harbour", role="kiosk", centre_url=LOCAL_URL, centre_key=centre.public_key_hex,
        entropy=SystemEntropy(),
    )  # fmt: skip
    device = PlainDevice(stranger, http)
    agreement = Agreement.begin(device=stranger.device_id, entropy=device.entropy)

    got = await device.send(
        device.signed_as_device(device.request(path, device.hello_body(agreement)))
    )

    assert code_of(got) == "not_trusted"
    assert says_nothing(got)


async def test_a_device_whose_hello_was_signed_by_another_key_gets_nothing(
    centre: Centre, kiosk: PlainDevice
) -> None:
    thief = PlainDevice(
        replace(new_device(centre), device_id=kiosk.identity.device_id), kiosk.http
    )
    agreement = Agreement.begin(device=kiosk.identity.device_id, entropy=kiosk.entropy)

    got = await thief.send(
        thief.signed_as_device(thief.request("/v1/hello", thief.hello_body(agreement)))
    )

    assert code_of(got) == "not_trusted"


async def test_a_hello_in_the_name_of_another_device_is_refused(
    centre: Centre, kiosk: PlainDevice
) -> None:
    agreement = Agreement.begin(device="x", entropy=kiosk.entropy)
    body = kiosk.hello_body(agreement).replace(
        kiosk.identity.device_id.encode(), new_device(centre).device_id.encode()
    )

    got = await kiosk.send(kiosk.signed_as_device(kiosk.request("/v1/hello", body)))

    assert code_of(got) == "malformed"


@pytest.mark.parametrize("path", PATHS[1:])
async def test_the_key_of_the_device_alone_opens_nothing_but_hello(
    kiosk: PlainDevice, path: str
) -> None:
    got = await kiosk.send(kiosk.signed_as_device(kiosk.request(path, PULL)))

    assert code_of(got) == "not_trusted"


@pytest.mark.parametrize(
    "path", [path for path in PATHS[1:] if path not in ("/v1/inbox", "/v1/decide")]
)
async def test_a_request_made_twice_is_answered_once(kiosk: PlainDevice, path: str) -> None:
    request = kiosk.signed(kiosk.request(path, BODIES[path.removeprefix("/v1/")]))

    first, second = await kiosk.send(request), await kiosk.send(request)

    assert first.status == 200 or code_of(first) in ("not_allowed", "not_found")
    assert code_of(second) == "replayed"


async def test_a_hello_made_twice_is_answered_once_even_after_the_centre_started_again(
    tmp_path: Path,
) -> None:
    centre = open_centre(tmp_path / "c")
    made = new_device(centre)
    answers = []
    request: Request | None = None
    for _ in range(2):
        async with httpx.AsyncClient(
            transport=httpx.ASGITransport(app=centre.asgi_app)
        ) as http:
            device = PlainDevice(made, http)
            if request is None:
                agreement = Agreement.begin(device=made.device_id, entropy=device.entropy)
                body = device.hello_body(agreement)
                request = device.signed_as_device(device.request("/v1/hello", body))
            answers.append(await device.send(request))
        centre.close()
        centre = open_centre(tmp_path / "c")
    centre.close()

    assert answers[0].status == 200
    assert code_of(answers[1]) == "replayed"


async def test_what_was_signed_before_the_centre_started_is_not_answered_again(
    tmp_path: Path,
) -> None:
    clock = FixedClock(moment_of(NOON))
    centre = open_centre(tmp_path / "c", clock=clock)
    made = new_device(centre)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app=centre.asgi_app)) as http:
        device = PlainDevice(made, http, clock=clock)
        await device.hello()
        before = device.signed(device.request("/v1/pull", PULL))
        assert (await device.send(before)).status == 200
    centre.close()
    clock.sleep_ms(1_000)  # signatures are of a whole second
    again = open_centre(tmp_path / "c", clock=clock)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app=again.asgi_app)) as http:
        device.http = http

        got = await device.send(before)

        assert code_of(got) == "replayed"
        assert (await device.pull({"g": 0})).checkpoints
    again.close()


async def test_requests_that_overtake_each_other_are_answered_and_very_old_ones_not(
    kiosk: PlainDevice,
) -> None:
    def numbered(seq: int) -> Request:
        return kiosk.signed(kiosk.request("/v1/pull", PULL, ("device-seq", str(seq))))

    late, older = numbered(1_000_000 - 1), numbered(1_000_000 - SEQ_WINDOW)
    await kiosk.send(numbered(1_000_000))

    assert (await kiosk.send(late)).status == 200
    assert code_of(await kiosk.send(older)) == "replayed"


@pytest.mark.parametrize("number", ["", "-1", "1.5", "x", "1" * 19, "\u0661"])
async def test_a_number_that_is_none_is_refused(kiosk: PlainDevice, number: str) -> None:
    request = kiosk.request("/v1/pull", PULL, ("device-seq", "5"))
    headers = tuple(
        (name, number if name == "device-seq" else value) for name, value in request.headers
    )

    try:
        signed = kiosk.signed(Request(request.method, request.url, headers, request.body))
    except Malformed:
        return  # cannot even be signed
    got = await kiosk.send(signed)

    assert code_of(got) == "malformed"


async def test_a_session_ends_after_a_shops_day_and_the_device_says_hello_again(
    tmp_path: Path,
) -> None:
    clock = FixedClock(moment_of(NOON))
    centre = open_centre(tmp_path / "c", clock=clock)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app=centre.asgi_app)) as http:
        device = PlainDevice(new_device(centre), http, clock=clock)
        await device.hello()
        clock.sleep_ms(SESSION_MS + 1)

        over = await device.send(device.signed(device.request("/v1/pull", PULL)))
        await device.hello()

        assert code_of(over) == "session_over"
        assert (await device.pull({"g": 0})).rows == ()
    centre.close()


async def test_a_session_nobody_knows_is_over(kiosk: PlainDevice) -> None:
    kiosk.session = "no such session"

    got = await kiosk.send(kiosk.signed(kiosk.request("/v1/pull", PULL)))

    assert code_of(got) == "session_over"


async def test_a_session_signed_with_another_key_is_not_trusted(kiosk: PlainDevice) -> None:
    kiosk.session_key = bytes(32)

    got = await kiosk.send(kiosk.signed(kiosk.request("/v1/pull", PULL)))

    assert code_of(got) == "not_trusted"


async def test_a_session_goes_on_beside_a_newer_one_until_its_day_is_over(
    kiosk: PlainDevice,
) -> None:
    before = kiosk.signed(kiosk.request("/v1/pull", PULL))
    await kiosk.hello()

    got = await kiosk.send(before)

    assert got.status == 200


@pytest.mark.parametrize(
    "state", [State.PENDING, State.QUARANTINED, State.REVOKED, State.RETIRED]
)
async def test_a_device_that_is_not_active_is_told_its_state_and_nothing_else(
    centre: Centre, kiosk: PlainDevice, state: State
) -> None:
    centre.set_device_state(kiosk.identity.device_id, state)

    got = await kiosk.send(kiosk.signed(kiosk.request("/v1/pull", b'{"scopes":[]}')))

    assert code_of(got) == "not_allowed"
    assert msgspec.json.decode(got.body)["detail"] == state.value


async def test_a_device_that_was_revoked_never_comes_back_with_the_same_key(
    centre: Centre, kiosk: PlainDevice
) -> None:
    centre.set_device_state(kiosk.identity.device_id, State.REVOKED)

    with pytest.raises(Malformed):
        centre.set_device_state(kiosk.identity.device_id, State.ACTIVE)
    with pytest.raises(Malformed):
        centre.approve_device(
            public_key=kiosk.identity.public_key, store="harbour", role="kiosk"
        )


async def test_a_device_in_quarantine_can_be_taken_back(
    centre: Centre, kiosk: PlainDevice
) -> None:
    centre.set_device_state(kiosk.identity.device_id, State.QUARANTINED)
    centre.set_device_state(kiosk.identity.device_id, State.ACTIVE)

    assert (await kiosk.pull({"g": 0})).checkpoints


@pytest.mark.parametrize("role", sorted(ENDPOINTS_OF))
async def test_each_role_may_ask_for_what_is_on_its_list_and_nothing_else(
    centre: Centre, http: httpx.AsyncClient, role: str
) -> None:
    device = PlainDevice(new_device(centre, role=role), http)

    await device.hello()

    allowed = {"hello"}
    requests = {
        endpoint: device.request(f"/v1/{endpoint}", body) for endpoint, body in BODIES.items()
    }
    requests["snap"] = device.get_request(f"/v1/snap/{'0' * 64}")
    requests["metrics"] = device.get_request("/v1/metrics")
    for endpoint, request in requests.items():
        got = await device.send(device.signed(request))
        is_judged = b'"detail":"op"' in got.body or b'"detail":"band"' in got.body
        if got.status in (200, 404) or is_judged:
            allowed.add(endpoint)
        else:
            assert code_of(got) == "not_allowed"
            assert b'"detail":"role"' in got.body
    assert allowed == ENDPOINTS_OF[role]


def test_a_role_that_is_not_on_the_list_is_not_given(centre: Centre) -> None:
    made = identity.create(
        store="harbour", role="root", centre_url="", centre_key="", entropy=SystemEntropy()
    )

    with pytest.raises(Malformed):
        centre.approve_device(public_key=made.public_key, store="harbour", role="root")


@pytest.mark.parametrize("scope", ["s:lakeside", "", "s:", "*", "x" * 80])
async def test_a_scope_of_another_store_is_not_given(kiosk: PlainDevice, scope: str) -> None:
    body = msgspec.json.encode({"scopes": [{"id": scope, "seq": 0}]})

    got = await kiosk.send(kiosk.signed(kiosk.request("/v1/pull", body)))

    assert code_of(got) in ("not_allowed", "malformed")
    assert says_nothing(got)


OPERATION = (
    '{"id":"a","kind":"k","at":1,"device":"d","store":"s","actor":"a","owner":"o",'
    '"evidence":{"assurance":"A2"},"args":{}}'
)


def push_of(operation: str) -> bytes:
    return f'{{"lineage":"l","ops":[{operation}]}}'.encode()


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/v1/pull", b""),
        ("/v1/pull", b"null"),
        ("/v1/pull", b"[]"),
        ("/v1/pull", b"not json"),
        ("/v1/pull", b"\xff\xfe"),
        ("/v1/pull", b'{"scopes":[{"id":"g","seq":0}]} x'),
        ("/v1/pull", b'{"scopes":[{"id":"g","seq":-1}]}'),
        ("/v1/pull", b'{"scopes":[{"id":"g","seq":NaN}]}'),
        ("/v1/pull", b'{"scopes":[{"id":"g","seq":1e3}]}'),
        ("/v1/pull", b'{"scopes":[{"id":"g","seq":' + b"9" * 400 + b"}]}"),
        ("/v1/pull", b'{"scopes":[{"id":"g","seq":0},{"id":"g","seq":0}]}'),
        ("/v1/pull", b'{"scopes":[{"id":"g","seq":0}],"limit":0}'),
        ("/v1/pull", b'{"scopes":[{"id":"g","seq":0}],"limit":1001}'),
        ("/v1/pull", b'{"scopes":[{"id":"g","seq":0}],"wait_ms":25001}'),
        ("/v1/pull", b'{"scopes":' + b"[" * 100_000 + b"]" * 100_000 + b"}"),
        ("/v1/push", b'{"lineage":"l"}'),
        ("/v1/push", b'{"lineage":"l","ops":{}}'),
        ("/v1/push", push_of("{}")),
        ("/v1/push", push_of(OPERATION.replace('"at":1', '"at":"1"'))),
        ("/v1/push", push_of(OPERATION.replace('"at":1', '"at":-1'))),
        ("/v1/push", push_of(OPERATION.replace('"at":1', '"at":' + "9" * 30))),
        ("/v1/push", push_of(OPERATION.replace('"args":{}', '"args":NaN'))),
        ("/v1/push", push_of(OPERATION.replace('"args":{}', '"args":Infinity'))),
        ("/v1/push", push_of(OPERATION.replace("{}}", "[" * 90_000 + "]" * 90_000 + "}"))),
        (
            "/v1/push",
            push_of(OPERATION.replace('"args":{}', '"args":"§"')).replace(b"\xc2", b""),
        ),
        ("/v1/push", push_of(OPERATION.replace('"id":"a"', '"id":""'))),
        ("/v1/push", push_of(OPERATION.replace('"id":"a"', f'"id":"{"a" * 201}"'))),
        ("/v1/push", push_of(OPERATION.replace('"id":"a"', '"id":"\\ud800"'))),
        ("/v1/push", push_of(",".join([OPERATION] * 201))),
        ("/v1/pull", b'\xef\xbb\xbf{"scopes":[]}'),
        ("/v1/pull", b'{"scopes":[],"scopes":[{"id":"g","seq":0}]}'),
        ("/v1/pull", b'{"scopes":[{"id":"g","seq":0,"seq":1}]}'),
        ("/v1/pull", b'{"scopes":[],"limi\\u0074":5,"limit":6}'),
        ("/v1/pull", b'{"scopes":[{"id":"g","seq":0,"marks":[[1,"t",true,4],[1]]}]}'),
        ("/v1/pull", b'{"scopes":[{"id":"g","seq":9223372036854775807}]}'),
        ("/v1/pull", b'{"scopes":[{"id":"g","seq":1,"marks":[[9223372036854775807,"t"]]}]}'),
        ("/v1/push", push_of(OPERATION.replace('"args":{}', '"args":{"x":{"y":1,"y":2}}'))),
        ("/v1/push", push_of(OPERATION.replace('"args":{}', '"args":{"x":-Infinity}'))),
        ("/v1/push", push_of(OPERATION.replace('"args":{}', '"args":{"x":"\\ud800"}'))),
        ("/v1/push", push_of(OPERATION.replace('"args":{}', '"args":{"x":"a\\u0000b"}'))),
        ("/v1/push", push_of(OPERATION.replace('"kind":"k"', '"kind":"\\u0000"'))),
        ("/v1/push", push_of(OPERATION).replace(b'"l"', b'"' + b"l" * 81 + b'"')),
        ("/v1/want", b'{"want":[{}],"days":91}'),
        ("/v1/want", b'{"want":[{}],"days":0}'),
        ("/v1/want", b'{"want":[' + b",".join([b"{}"] * 101) + b"]}"),
        ("/v1/want", b'{"drop":[""]}'),
        ("/v1/diff", b'{"scope":"g","buckets":[]}'),
        ("/v1/diff", BODIES["diff"].replace(b"0000000000000000", b"000000000000000G", 1)),
        ("/v1/snapshot", b'{"scope":"g","format":0}'),
        ("/v1/snapshot", b'{"scope":""}'),
        ("/v1/custody", b'{"lineage":"l","ops":[{"id":"a","raw":"*"}]}'),
        ("/v1/leases", b"[]"),
        ("/v1/leases", b"1"),
    ],
)
async def test_a_body_that_is_not_what_was_asked_for_is_malformed_and_changes_nothing(
    centre: Centre, kiosk: PlainDevice, path: str, body: bytes
) -> None:
    got = await kiosk.send(kiosk.signed(kiosk.request(path, body)))

    assert code_of(got) == "malformed"
    assert centre.count("op") == 0


@pytest.mark.parametrize(
    "share", ["", "0" * 130, "04" + "f" * 128, "zz" * 65, "02" + "0" * 64, "04" + "F" * 128]
)
async def test_a_share_that_is_no_public_key_is_malformed(
    kiosk: PlainDevice, share: str
) -> None:
    agreement = replace(
        Agreement.begin(device=kiosk.identity.device_id, entropy=kiosk.entropy), share=share
    )

    request = kiosk.request("/v1/hello", kiosk.hello_body(agreement))
    got = await kiosk.send(kiosk.signed_as_device(request))

    assert code_of(got) == "malformed"


async def test_a_body_that_is_too_large_is_refused_by_what_it_declares(
    kiosk: PlainDevice,
) -> None:
    got = await kiosk.send(kiosk.signed(kiosk.request("/v1/push", b" " * (BODY_SIZE_MAX + 1))))

    assert code_of(got) == "too_large"


async def test_a_body_that_does_not_declare_its_size_is_refused_where_it_becomes_too_large(
    kiosk: PlainDevice,
) -> None:
    n_sent = 0

    async def endless() -> AsyncIterator[bytes]:
        nonlocal n_sent
        while True:
            n_sent += 1
            assert n_sent < 100
            yield b" " * 65_536

    signed = kiosk.signed(kiosk.request("/v1/push", b"{}"))
    got = await kiosk.http.post(signed.url, headers=list(signed.headers), content=endless())

    assert got.status_code == 413
    assert n_sent <= BODY_SIZE_MAX // 65_536 + 2


@pytest.mark.parametrize("declared", [str(2**30), str(BODY_SIZE_MAX + 1), "9" * 30])
async def test_a_body_that_says_it_is_too_large_is_refused_before_it_comes(
    kiosk: PlainDevice, declared: str
) -> None:
    n_read = 0

    async def counted() -> AsyncIterator[bytes]:
        nonlocal n_read
        n_read += 1
        yield b"{}"

    signed = kiosk.signed(kiosk.request("/v1/push", b"{}"))
    headers = [*signed.headers, ("content-length", declared)]
    got = await kiosk.http.post(signed.url, headers=headers, content=counted())

    assert got.json()["code"] == "too_large"
    assert n_read == 0


@pytest.mark.parametrize("request_id", ["", "a b", "x" * 81, "é", "a\n"])
async def test_a_request_without_an_id_of_its_own_is_malformed(
    centre: Centre, kiosk: PlainDevice, request_id: str
) -> None:
    signed = kiosk.signed(kiosk.request("/v1/pull", PULL))
    headers = tuple(
        (name, request_id if name == "x-req" else value) for name, value in signed.headers
    )

    got = await Service(centre).answer(Request(signed.method, signed.url, headers, signed.body))

    assert code_of(got) == "malformed"


async def test_each_kind_of_bad_input_is_counted(centre: Centre, kiosk: PlainDevice) -> None:
    await kiosk.send(kiosk.request("/v1/pull", PULL))
    await kiosk.send(kiosk.signed(kiosk.request("/v1/pull", b"{")))
    await kiosk.send(kiosk.signed(kiosk.request("/v1/pull", b'{"scopes":[],"scopes":[]}')))
    await kiosk.send(
        kiosk.signed(kiosk.request("/v1/pull", PULL, ("content-encoding", "gzip")))
    )

    counts = centre.metrics().counts

    assert counts["refused.not_trusted"] == 1
    assert counts["refused.malformed"] == 2
    assert counts["refused.wrong_type"] == 1


async def test_a_technician_is_told_what_was_counted(
    centre: Centre, http: httpx.AsyncClient
) -> None:
    technician = PlainDevice(new_device(centre, role="technician"), http)
    await technician.hello()

    got = await technician.send(technician.signed(technician.get_request("/v1/metrics")))

    told = msgspec.json.decode(got.body)
    assert told["counts"]["answered.hello"] == 1
    assert told["sessions"] == 1
    assert "Lena" not in got.body.decode()


async def test_a_body_of_the_largest_size_is_read(kiosk: PlainDevice) -> None:
    body = PULL + b" " * (BODY_SIZE_MAX - len(PULL))

    got = await kiosk.send(kiosk.signed(kiosk.request("/v1/pull", body)))

    assert got.status == 200


@pytest.mark.parametrize(
    "header",
    [
        ("content-type", "text/plain"),
        ("content-type", ""),
        ("content-type", "application/jsonx"),
        ("content-encoding", "gzip"),
        ("content-encoding", "zstd"),
        ("content-encoding", "identity"),
    ],
)
async def test_what_is_not_json_is_the_wrong_type(
    kiosk: PlainDevice, header: tuple[str, str]
) -> None:
    got = await kiosk.send(kiosk.signed(kiosk.request("/v1/pull", PULL, header)))

    assert code_of(got) == "wrong_type"


async def test_json_with_a_character_set_is_json(kiosk: PlainDevice) -> None:
    request = kiosk.request(
        "/v1/pull", PULL, ("content-type", "Application/JSON; charset=utf-8")
    )

    assert (await kiosk.send(kiosk.signed(request))).status == 200


@pytest.mark.parametrize("protocol", ["0", "2", "", "one"])
async def test_another_version_of_the_protocol_is_incompatible(
    kiosk: PlainDevice, protocol: str
) -> None:
    got = await kiosk.send(kiosk.signed(kiosk.request("/v1/pull", PULL, ("x-proto", protocol))))

    assert code_of(got) == "incompatible"


@pytest.mark.parametrize(
    "path", ["/", "/v1", "/v1/pull/", "/v1/../v1/pulls", "/v2/pull", "/v1/%70ull%00"]
)
async def test_an_address_that_is_none_is_not_found(kiosk: PlainDevice, path: str) -> None:
    got = await kiosk.send(kiosk.request(path, PULL))

    assert code_of(got) == "not_found"


@pytest.mark.parametrize(
    ("method", "path"),
    [("GET", "/v1/pull"), ("DELETE", "/v1/push"), ("PUT", "/v1/hello"), ("POST", "/v1/health")],
)
async def test_another_method_is_the_wrong_method(
    kiosk: PlainDevice, method: str, path: str
) -> None:
    got = await kiosk.send(Request(method, kiosk.identity.centre_url + path, (), b""))

    assert code_of(got) == "wrong_method"
    assert got.header("allow")


async def test_health_says_that_the_centre_is_up_and_nothing_else(
    http: httpx.AsyncClient,
) -> None:
    got = await http.get("/v1/health")

    assert got.json() == {"is_up": True}


async def test_every_answer_echoes_the_request_id_unless_it_is_not_one(
    kiosk: PlainDevice,
) -> None:
    good = await kiosk.send(kiosk.request("/v1/pull", PULL, ("x-req", "abc-1")))
    bad = await kiosk.send(kiosk.request("/v1/pull", PULL, ("x-req", "a b<script>")))

    assert good.header("x-req") == "abc-1"
    assert bad.header("x-req") == ""


@pytest.mark.parametrize(
    "change",
    [
        lambda it: Request(it.method, it.url + "?x=1", it.headers, it.body),
        lambda it: Request(it.method, it.url, it.headers, it.body + b" "),
        lambda it: Request(it.method, it.url, (*it.headers, ("x-req", "again")), it.body),
        lambda it: Request(it.method, it.url, (*it.headers, ("signature", "a=:AAAA:")), it.body),
        lambda it: Request(
            it.method, it.url,
            tuple(("x-req", "other") if name == "x-req" else (name, value) for name, value in it.headers),
            it.body,
        ),
        lambda it: Request(it.method, it.url.replace("pull", "push"), it.headers, it.body),
    ],
)  # fmt: skip
async def test_a_request_changed_on_its_way_is_not_trusted(
    kiosk: PlainDevice, change: object
) -> None:
    signed = kiosk.signed(kiosk.request("/v1/pull", PULL))

    got = await kiosk.send(change(signed))  # type: ignore[operator]

    assert code_of(got) == "not_trusted"


async def test_an_operation_that_makes_the_centre_raise_is_held_and_the_others_go_through(
    centre: Centre, kiosk: PlainDevice, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = registry.read

    def failing(op: object) -> object:
        if getattr(op, "id", "") == "bad":
            raise KeyError("Lena")
        return real(op)  # type: ignore[arg-type]

    monkeypatch.setattr(apply_module, "read", failing)

    results = await kiosk.push(said(op_id="bad"), hand_over())

    assert [(it.status, it.code) for it in results] == [("held", "failed"), ("applied", "")]
    assert [record.id for record in centre.held()] == ["bad"]


async def test_a_failure_of_the_centre_is_answered_without_what_it_was_about(
    kiosk: PlainDevice, monkeypatch: pytest.MonkeyPatch
) -> None:
    def failing(*_: object, **__: object) -> None:
        raise RuntimeError("Lena Müller")

    monkeypatch.setattr(pushes_module, "apply_operations", failing)

    got = await kiosk.send(kiosk.signed(kiosk.push_request(hand_over())))

    assert code_of(got) == "failed"
    assert says_nothing(got)


async def test_a_full_disk_makes_the_centre_busy_and_nothing_is_half_done(
    centre: Centre, kiosk: PlainDevice, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object, **__: object) -> None:
        raise StoreFull("no room")

    with monkeypatch.context() as patched:
        patched.setattr(pushes_module, "apply_operations", full)
        got = await kiosk.send(kiosk.signed(kiosk.push_request(hand_over())))
    (result,) = await kiosk.push(hand_over())

    assert code_of(got) == "busy"
    assert int(got.header("retry-after")) > 0
    assert result.status == "applied"


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    path=st.sampled_from(PATHS[1:]),
    body=st.binary(max_size=300) | st.text(max_size=200).map(str.encode),
)
async def test_any_bytes_in_any_body_get_a_problem_or_an_answer_and_never_a_failure(
    tmp_path_factory: pytest.TempPathFactory, path: str, body: bytes
) -> None:
    centre = open_centre(tmp_path_factory.mktemp("any"))
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app=centre.asgi_app)) as http:
        device = PlainDevice(new_device(centre, role="counter"), http, clock=SystemClock())
        await device.hello()
        got = await device.send(device.signed(device.request(path, body)))
        assert got.status in (200, 400, 403), path
    centre.close()


def test_every_problem_has_a_status_of_an_error_and_a_sentence() -> None:
    for status, title in PROBLEMS.values():
        assert 400 <= status < 600
        assert title.endswith(".")
