"""Lives of an outbox: lost answers, restored and cloned devices; and devices that are out."""

import asyncio
import shutil
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import httpx
import msgspec
import pytest

from hardware.clock import FixedClock
from hardware.moments import moment_of
from sync.central.centre import Centre
from sync.central.endpoints import Service
from sync.central.enrolment import GRACE_US, State
from sync.central.moment import Snapshot
from sync.central.pulls import Held
from sync.model.errors import CentreRefused, NotTrusted, StoreFull
from sync.model.operation import Operation
from sync.model.operations.redeem import Redeem
from sync.model.ports import Request
from sync.model.signatures import Agreement, holds_statement
from sync.model.wire import Cursor, HelloAnswer, PullRequest, PushRequest, Raw
from tests.support.centre import PlainDevice, code_of, new_device, open_centre, until_held
from tests.support.shop import LENA, NOON, hand_over, lenas_rows, operation, said

Value = TypeVar("Value")


def op_id(index: int) -> str:
    return f"0190a1b2-0000-7000-8000-{index:012x}"


def word(index: int) -> Operation:
    return said(f"word {index}", op_id=op_id(index))


async def copy_of(device: PlainDevice) -> PlainDevice:
    """The same device from its disk, a backup of it or a clone, started."""
    other = PlainDevice(
        device.identity, device.http, clock=device.clock, lineage=device.lineage
    )
    other.token = device.token
    await other.hello()
    return other


def alerts_of(centre: Centre) -> list[str]:
    return [alert.code for alert in centre.alerts()]


async def test_each_push_is_given_the_token_the_next_presents(kiosk: PlainDevice) -> None:
    tokens = []
    for index in range(3):
        await kiosk.push(word(index))
        tokens.append(kiosk.token)

    assert len(set(tokens)) == 3
    assert [token[:8] for token in tokens] == ["00000001", "00000002", "00000003"]
    assert all(len(token) == 24 for token in tokens)


async def test_who_lost_an_answer_presents_the_token_before_and_is_answered(
    centre: Centre, kiosk: PlainDevice
) -> None:
    await kiosk.push(word(1))
    for _ in range(3):
        await kiosk.send(kiosk.signed(kiosk.push_request(word(2))))  # the answers are lost

    results = await kiosk.push(word(2), word(3))
    await kiosk.push(word(4))

    assert [it.status for it in results] == ["applied", "applied"]
    assert centre.count("op") == 4
    assert alerts_of(centre) == []


async def test_a_push_that_comes_late_calls_nobody_a_copy(
    centre: Centre, kiosk: PlainDevice
) -> None:
    late = kiosk.signed(kiosk.push_request(word(1)))
    later = kiosk.signed(kiosk.push_request(word(1)))
    await kiosk.push(word(1))
    await kiosk.send(late)  # nobody waits for its answer any more
    await kiosk.push(word(2))
    await kiosk.send(later)

    results = await kiosk.push(word(3))

    assert [it.status for it in results] == ["applied"]
    assert alerts_of(centre) == []


async def test_a_push_of_what_was_never_done_that_comes_very_late_calls_nobody_a_copy(
    centre: Centre, kiosk: PlainDevice
) -> None:
    await kiosk.push(word(1))
    late = kiosk.signed(kiosk.push_request(word(2)))  # the centre failed at it each other time
    await kiosk.push(word(3))

    answer = await kiosk.send(late)
    await kiosk.push(word(4))
    kiosk.lineage, kiosk.token = "lineage-2", ""
    await kiosk.push(word(2))

    assert answer.status == 409
    assert alerts_of(centre) == []


async def test_custody_moves_the_token_as_a_push_does_once(
    centre: Centre, kiosk: PlainDevice
) -> None:
    raw = Raw(op_id(9), b"whatever")
    await kiosk.custody(raw)
    without_a_life = kiosk.token
    await kiosk.push(word(1))
    before = kiosk.token
    await kiosk.custody(raw)
    after = kiosk.token
    kiosk.token = before  # the answer was lost
    await kiosk.custody(raw)
    again = kiosk.token

    await kiosk.push(word(2))
    kiosk.token = before
    await kiosk.custody(Raw(op_id(8), b"in any case"))

    assert (without_a_life, len({before, after}), again) == ("", 2, after)
    assert kiosk.token == before, "none of its life"
    assert centre.operation(op_id(8)) is not None
    assert alerts_of(centre) == []


async def test_who_lost_the_answer_of_custody_goes_on_with_other_things(
    centre: Centre, kiosk: PlainDevice
) -> None:
    await kiosk.push(word(1))
    before = kiosk.token
    await kiosk.custody(Raw(op_id(9), b"whatever"))
    held_back = PushRequest(kiosk.lineage, (word(2),), before, said=(op_id(9),))
    request = kiosk.request("/v1/push", msgspec.json.encode(held_back))

    answer = await kiosk.send(kiosk.signed(request))

    assert answer.status == 200
    assert alerts_of(centre) == []


async def test_who_holds_back_what_got_no_answer_goes_on_with_other_things(
    centre: Centre, kiosk: PlainDevice
) -> None:
    await kiosk.send(kiosk.signed(kiosk.push_request(word(1))))
    held_back = PushRequest(kiosk.lineage, (word(2),), kiosk.token, said=(word(1).id,))
    request = kiosk.request("/v1/push", msgspec.json.encode(held_back))

    answer = await kiosk.send(kiosk.signed(request))
    forgot = await kiosk.send(kiosk.signed(kiosk.push_request(word(3))))

    assert answer.status == 200
    assert forgot.status == 409, "a copy does not know what the other one said last"


async def test_who_lost_the_first_answer_of_all_is_answered(kiosk: PlainDevice) -> None:
    await kiosk.send(kiosk.signed(kiosk.push_request(word(1))))

    results = await kiosk.push(word(1), word(2))

    assert len(results) == 2


async def test_a_device_restored_from_a_backup_has_forked_and_loses_nothing(
    centre: Centre, kiosk: PlainDevice
) -> None:
    await kiosk.push(word(1))
    backup = await copy_of(kiosk)
    await kiosk.push(word(2))

    forked = await backup.pushed(word(3))
    n_between = centre.count("op")
    backup.lineage, backup.token = "lineage-2", ""
    results = await backup.push(word(1), word(3))
    again = await backup.push(word(4))

    assert forked.is_forked
    assert (forked.results, forked.token, n_between) == ((), "", 2)
    assert [it.status for it in (*results, *again)] == ["applied"] * 3
    assert centre.count("op") == 4
    assert alerts_of(centre) == ["device_forked"], "once it goes on under another name"
    assert centre.counters["push.forked"] == 1


async def test_a_device_restored_from_a_backup_of_an_earlier_life_of_its_is_told_of_too(
    centre: Centre, kiosk: PlainDevice
) -> None:
    await kiosk.push(word(1))
    backup = await copy_of(kiosk)
    await kiosk.push(word(2))
    kiosk.lineage, kiosk.token = "lineage-2", ""
    await kiosk.push(word(3))

    forked = await backup.pushed(word(4))
    before = alerts_of(centre)
    backup.lineage, backup.token = "lineage-3", ""
    await backup.push(word(4))

    assert (forked.is_forked, before) == (True, [])
    assert alerts_of(centre) == ["device_forked"]


async def test_a_push_of_an_earlier_life_that_comes_very_late_calls_nobody_a_copy(
    centre: Centre, kiosk: PlainDevice
) -> None:
    await kiosk.push(word(1))
    late = kiosk.signed(kiosk.push_request(word(2)))
    await kiosk.push(word(3))
    kiosk.lineage, kiosk.token = "lineage-2", ""
    await kiosk.push(word(4))

    answer = await kiosk.send(late)
    await kiosk.push(word(5))
    kiosk.lineage, kiosk.token = "lineage-3", ""
    await kiosk.push(word(2))

    assert answer.status == 409
    assert alerts_of(centre) == []


async def test_a_centre_that_forgot_what_it_said_alarms_nobody(
    centre: Centre, kiosk: PlainDevice
) -> None:
    await kiosk.push(word(1))
    before = kiosk.token
    await kiosk.push(word(2))
    centre._parts.write(
        lambda it: it.direct().run("UPDATE lineage SET token = :token", token=before)
    )

    answer = await kiosk.pushed(word(3))
    elsewhere = await copy_of(kiosk)
    elsewhere.lineage = "never-heard-of"
    of_another = await elsewhere.pushed(word(4))

    assert (answer.is_forked, answer.is_lost, answer.results) == (True, True, ())
    assert of_another.is_lost
    assert alerts_of(centre) == []
    assert centre.counters["push.lost"] == 2


async def test_a_cloned_device_is_noticed_its_facts_are_taken_and_its_requests_held(
    centre: Centre, kiosk: PlainDevice
) -> None:
    await kiosk.push(word(1))
    clone = await copy_of(kiosk)
    await kiosk.push(word(2))
    clone.lineage, clone.token = "lineage-2", ""
    await clone.push(word(3))

    (goes_on,) = await kiosk.push(word(4))
    asked = await clone.push(hand_over(op_id=op_id(5)), request(op_id(6)))

    assert goes_on.status == "applied"
    assert [(it.status, it.code) for it in asked] == [
        ("applied", ""),
        ("held", "device_forked"),
    ]
    assert "device_cloned" in alerts_of(centre)


async def test_a_cloned_device_that_was_approved_anew_may_ask_again(
    centre: Centre, kiosk: PlainDevice
) -> None:
    await kiosk.push(word(1))
    clone = await copy_of(kiosk)
    clone.lineage, clone.token = "lineage-2", ""
    await clone.push(word(2))
    await kiosk.push(word(3))

    centre.approve_device(public_key=kiosk.identity.public_key, store="harbour", role="kiosk")
    (asked,) = await clone.push(request(op_id(6)))

    assert asked.code != "device_forked"


def request(op: str) -> Operation:
    """An operation the centre may refuse."""
    return operation(Redeem(of="account/lena:points", amount=1, reason="coffee"), op_id=op)


async def test_an_unknown_lineage_with_a_token_is_another_history(
    centre: Centre, kiosk: PlainDevice
) -> None:
    kiosk.token = "0" * 16

    assert (await kiosk.pushed(word(1))).is_forked
    assert centre.count("op") == 0


async def test_a_push_of_nothing_moves_no_token(kiosk: PlainDevice) -> None:
    await kiosk.push(word(1))
    token = kiosk.token

    await kiosk.push()

    assert kiosk.token == token


async def test_what_a_store_recorded_about_a_customer_makes_it_hold_them(
    centre: Centre, http: httpx.AsyncClient
) -> None:
    device = PlainDevice(new_device(centre, store="lakeside"), http)
    await device.hello()

    (result,) = await device.push(
        msgspec.structs.replace(said(op_id=op_id(1)), store="lakeside")
    )
    page = await device.pull({"s:lakeside": 0})

    assert result.rows
    assert {row.key for row in lenas_rows()} < {row.key for row in page.rows}


# Devices that are out


@pytest.fixture
def clock() -> FixedClock:
    return FixedClock(moment_of(NOON))


@pytest.fixture
async def out(tmp_path: Path, clock: FixedClock) -> AsyncIterator[tuple[Centre, PlainDevice]]:
    """A device that was revoked while it had a session."""
    centre = open_centre(tmp_path / "c", clock=clock)
    centre.put_rows(lenas_rows(), interest=[("harbour", LENA)])
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app=centre.asgi_app)) as http:
        device = PlainDevice(new_device(centre), http, clock=clock)
        await device.hello()
        centre.set_device_state(device.identity.device_id, State.REVOKED)
        yield centre, device
    centre.close()


def is_told(device: PlainDevice, answer: HelloAnswer) -> bool:
    return holds_statement(answer, device.session_key, device=device.identity.device_id)


@pytest.mark.parametrize("state", [State.REVOKED, State.RETIRED])
async def test_a_device_that_is_out_is_told_so_by_the_centre_itself(
    centre: Centre, kiosk: PlainDevice, state: State
) -> None:
    centre.set_device_state(kiosk.identity.device_id, state)

    answer = await kiosk.hello()

    assert (answer.state, answer.grants) == (state.value, ())
    assert is_told(kiosk, answer)


async def test_nobody_else_can_tell_a_device_that_it_is_out(kiosk: PlainDevice) -> None:
    answer = await kiosk.hello()
    forged = msgspec.structs.replace(answer, state="revoked", grants=())
    lengthened = msgspec.structs.replace(forged, statement=answer.proof)

    assert answer.state == answer.statement == ""
    assert not is_told(kiosk, answer)
    assert not is_told(kiosk, forged)
    assert not is_told(kiosk, lengthened)


async def test_what_the_centre_said_of_one_device_says_nothing_to_another_or_later(
    out: tuple[Centre, PlainDevice],
) -> None:
    _, device = out
    answer = await device.hello()
    agreement = Agreement.begin(device=device.identity.device_id, entropy=device.entropy)

    assert not holds_statement(answer, device.session_key, device="another")
    with pytest.raises(NotTrusted):
        agreement.finish(answer, centre_key=device.identity.centre_key)


async def test_a_device_that_is_out_pulls_nothing_and_wants_nothing(
    out: tuple[Centre, PlainDevice],
) -> None:
    _, device = out
    bodies = {
        "pull": b'{"scopes":[]}', "want": b"{}", "leases": b"{}",
        "snapshot": b'{"scope":"g"}',
    }  # fmt: skip

    for _ in range(2):  # in the session it had, and in one it begins now
        for path, body in bodies.items():
            got = await device.send(device.signed(device.request(f"/v1/{path}", body)))
            assert code_of(got) == "not_allowed"
            assert b"revoked" in got.body
        await device.hello()


@pytest.mark.parametrize("after_us", [0, GRACE_US - 1_000_000])
async def test_what_a_device_that_is_out_still_has_to_say_is_kept_for_a_person(
    out: tuple[Centre, PlainDevice], clock: FixedClock, after_us: int
) -> None:
    centre, device = out
    clock.sleep_ms(after_us // 1_000)
    await device.hello()

    (result,) = await device.push(hand_over())
    (raw,) = await device.custody(Raw(op_id(9), b"whatever"))

    assert (result.status, result.rows) == ("held", ())
    assert raw.status == "held"
    assert {entry.op for entry in centre.waiting()} == {hand_over().id, op_id(9)}


async def test_after_a_month_a_device_that_is_out_is_told_so_and_heard_no_more(
    out: tuple[Centre, PlainDevice], clock: FixedClock
) -> None:
    centre, device = out
    clock.sleep_ms(GRACE_US // 1_000 + 1)

    answer = await device.hello()
    got = await device.send(device.signed(device.push_request(hand_over())))

    assert is_told(device, answer)
    assert code_of(got) == "not_allowed"
    assert centre.count("op") == 0


async def test_the_others_of_a_store_learn_by_whose_key_to_trust_a_device_and_that_it_is_out(
    centre: Centre, kiosk: PlainDevice, http: httpx.AsyncClient
) -> None:
    other = PlainDevice(new_device(centre), http)
    await other.hello()
    key = f"peer/{kiosk.identity.device_id}"
    before = next(row for row in (await other.pull({"s:harbour": 0})).rows if row.key == key)

    centre.set_device_state(kiosk.identity.device_id, State.REVOKED)
    after = next(row for row in (await other.pull({"s:harbour": 0})).rows if row.key == key)

    assert kiosk.identity.public_key.encode() in before.body
    assert b'"active"' in before.body
    assert b'"revoked"' in after.body


async def test_a_session_is_opened_by_any_node_with_the_centres_key_and_by_no_other(
    tmp_path: Path,
) -> None:
    clock = FixedClock(moment_of(NOON))
    first = open_centre(tmp_path / "one", clock=clock)
    made = new_device(first)
    first.close()
    shutil.copytree(tmp_path / "one", tmp_path / "two")
    codes = []
    async with httpx.AsyncClient() as http:
        device = PlainDevice(made, http, clock=clock)
        for folder in ("one", "two", "stranger"):
            node = open_centre(tmp_path / folder, clock=clock)
            if folder == "stranger":
                node.approve_device(
                    public_key=made.public_key, store=made.store, role=made.role
                )
            http._transport = httpx.ASGITransport(app=node.asgi_app)
            if folder == "one":
                await device.hello()
            request = device.request("/v1/pull", b'{"scopes":[]}')
            got = await device.send(device.signed(request))
            codes.append("" if got.status == 200 else code_of(got))
            node.close()

    assert codes == ["", "", "session_over"]


async def test_a_name_of_a_session_that_was_changed_opens_nothing(kiosk: PlainDevice) -> None:
    good = kiosk.session
    for changed in (
        good[:-2],
        good + "A",
        ("B" if good[0] == "A" else "A") + good[1:],
        good[:50] + ("_" if good[50] == "-" else "-") + good[51:],
        "",
        "é",
    ):
        kiosk.session = changed
        try:
            request = kiosk.signed(kiosk.request("/v1/pull", b'{"scopes":[]}'))
        except ValueError:
            continue  # no header could hold it
        got = await kiosk.send(request)
        assert got.status == 401, changed


# Polls that wake together


async def held_at_head(device: PlainDevice) -> Request:
    """A poll that would wait for the device's store to move."""
    cursor = device.cursor("s:harbour", await device.head("s:harbour"))
    body = msgspec.json.encode(PullRequest((cursor,), wait_ms=25_000))
    return device.signed(device.request("/v1/pull", body))


async def test_what_is_written_between_the_look_and_the_wait_wakes_a_poll(
    centre: Centre, kiosk: PlainDevice
) -> None:
    n_done = 0

    async def then_somebody_writes(work: Callable[[], Value]) -> Value:
        nonlocal n_done
        found, n_done = work(), n_done + 1
        if n_done == 1:
            centre.put_rows(lenas_rows())
        return found

    service = Service(centre, run=then_somebody_writes)
    request = await held_at_head(kiosk)

    async with asyncio.timeout(10):  # the poll itself would wait for 25 s
        response = await service.answer(request)

    assert response.status == 200
    assert LENA.encode() in response.body or response.header("content-encoding") == "zstd"


async def test_of_polls_that_wake_together_each_gets_its_own_answer(
    centre: Centre, kiosk: PlainDevice, http: httpx.AsyncClient
) -> None:
    out, still_in = kiosk, PlainDevice(new_device(centre), http)
    await still_in.hello()
    requests = [await held_at_head(device) for device in (out, still_in)]
    polls = [
        asyncio.ensure_future(device.send(request))
        for device, request in zip((out, still_in), requests, strict=True)
    ]
    await until_held(centre, 2)

    centre.set_device_state(out.identity.device_id, State.QUARANTINED)  # moves the scope, too
    refused, answered = await asyncio.gather(*polls)

    assert code_of(refused) == "not_allowed"
    assert answered.status == 200
    assert out.identity.device_id.encode() in answered.body


async def test_a_database_that_fails_as_polls_wake_fails_each_of_them_and_no_later_one(
    centre: Centre, kiosk: PlainDevice, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> None:
        raise StoreFull("no room")

    poll = asyncio.ensure_future(kiosk.send(await held_at_head(kiosk)))
    await until_held(centre)
    with monkeypatch.context() as patched:
        patched.setattr(centre, "end_pulls", broken)
        patched.setattr(centre, "look_again", broken)
        centre.put_rows([lenas_rows()[0]])
        failed = await poll
    later = asyncio.ensure_future(kiosk.send(await held_at_head(kiosk)))
    await until_held(centre)
    centre.put_rows([lenas_rows()[0]])

    assert code_of(failed) == "busy"
    assert (await later).status == 200


async def test_a_poll_nobody_waits_for_any_more_keeps_no_other_from_its_answer(
    centre: Centre, kiosk: PlainDevice, http: httpx.AsyncClient
) -> None:
    other = PlainDevice(new_device(centre), http)
    await other.hello()
    requests = [await held_at_head(device) for device in (kiosk, other)]
    gone, waits = (asyncio.ensure_future(kiosk.send(request)) for request in requests)
    await until_held(centre, 2)

    gone.cancel()
    centre.put_rows([lenas_rows()[0]])

    assert (await waits).status == 200
    with pytest.raises(asyncio.CancelledError):
        await gone
    assert centre.bell.n_waiting == 0


async def test_of_pulls_begun_together_each_gets_what_it_asked_for(
    centre: Centre, kiosk: PlainDevice, http: httpx.AsyncClient
) -> None:
    other = PlainDevice(new_device(centre), http)
    await other.hello()
    centre.put_rows(lenas_rows())
    head = await kiosk.head("s:harbour")

    def asked(
        device: PlainDevice, seq: int, *, scope: str = "s:harbour", limit: int = 9
    ) -> Request:
        body = PullRequest((Cursor(scope, seq),), limit=limit)
        return device.signed(device.request("/v1/pull", msgspec.json.encode(body)))

    requests = [asked(kiosk, 0), asked(other, 0), asked(kiosk, 0, limit=1), asked(other, head)]
    requests += [asked(kiosk, 0, scope="s:elsewhere"), requests[0], asked(other, 0)]
    together = centre.begin_pulls(requests)

    lines = [(it.page or b"").splitlines() for it in together if isinstance(it, Held)]
    whole, other_whole, one_row, nothing, whole_again = lines
    assert whole[:-1] == other_whole[:-1] == whole_again[:-1]
    assert len(whole) > len(one_row) == 3 > len(nothing) == 2
    assert len({it[-1] for it in lines}) == len(
        lines
    )  # each is signed for who asked, and for what
    refused = [it.problem for it in together if isinstance(it, CentreRefused)]
    assert refused == ["not_allowed", "replayed"]


async def test_the_token_of_a_pull_costs_no_question_of_the_database_more(
    centre: Centre, kiosk: PlainDevice, monkeypatch: pytest.MonkeyPatch
) -> None:
    await kiosk.push(word(1))
    asked = count_reads(centre, monkeypatch)
    n_questions = []

    for token in ("", kiosk.token):
        asked.clear()
        pull = PullRequest((kiosk.cursor("g", 0),), lineage=kiosk.lineage, token=token)
        await kiosk.answered("/v1/pull", pull)
        n_questions.append(len(asked))

    assert n_questions[0] == n_questions[1] > 0
    later = f"{int(kiosk.token[:8], 16) + 1:08x}{kiosk.token[8:]}"
    for lineage in (kiosk.lineage, "another"):
        pull = PullRequest((kiosk.cursor("g", 0),), lineage=lineage, token=later)
        got, _ = await kiosk.post("/v1/pull", pull)
        assert code_of(got) == "session_over", "what it cannot have said is found out as before"


def count_reads(centre: Centre, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The statements that are read with from now on."""
    asked: list[str] = []
    reading = centre._store.reading

    class Counting:
        def __init__(self, sql: Any) -> None:
            self._sql = sql

        def __getattr__(self, name: str) -> Any:
            return getattr(self._sql, name)

        def all(self, sql: str, **values: object) -> list[tuple[Any, ...]]:
            asked.append(sql)
            found: list[tuple[Any, ...]] = self._sql.all(sql, **values)
            return found

    @contextmanager
    def counted() -> Iterator[Snapshot]:
        with reading() as snapshot:
            yield Snapshot(Counting(snapshot.sql))

    monkeypatch.setattr(centre._store, "reading", counted)
    return asked
