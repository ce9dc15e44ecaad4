"""`tapthread sync`: one exchange with the centre, now; or a part of it, or how it stands.

    tapthread sync           push what waits, pull what changed, renew the leases
    tapthread sync pull      only pull, with a bar on a terminal: rows, rate, time left
    tapthread sync push      only push, with a bar where much waits
    tapthread sync status    how it stands, also while another program of this device runs
    tapthread sync inbox     what was refused or is held, and settling it: --replay, --edit, --void

Exit codes: 0 the centre answered, or what was asked was said or recorded; 1 the centre did not answer (what waits stays and
goes later); 2 the command line made no sense; 3 nothing of that id waits for a person here, or a rule forbids it; 6 this
device's own files do not open.
"""

import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, Final

import msgspec
import typer

from hardware.disk import SystemDisk
from kiosk import settings
from kiosk.commands.counting import counted
from kiosk.commands.options import Centre, Data
from kiosk.commands.own_files import EXIT_OWN_FILES, OwnFiles, fail, is_running
from kiosk.commands.progress_line import ProgressLine
from sync.model.errors import StoreError

if TYPE_CHECKING:
    from kiosk.assembly.device import Device
    from kiosk.core.ports import Unsettled
    from kiosk.core.staff_words import StaffWords
    from kiosk.settings import Settings
    from sync.edge.report import SyncReport

EXIT_CENTRE: Final = 1
EXIT_USAGE: Final = 2
EXIT_NOT_DONE: Final = 3

WHAT: Final = ("all", "status", "pull", "push", "inbox")


@dataclass(frozen=True, slots=True)
class _Deciding:
    """What a person decided: replay | edit | void, about which operation, who and why."""

    decision: str
    op: str
    by: str
    reason: str
    args: str


def run(  # noqa: PLR0913, PLR0917  # one parameter an option
    what: Annotated[
        str, typer.Argument(help="status, pull, push or inbox; nothing for one exchange.")
    ] = "all",
    data: Data = None,
    centre: Centre = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
    replay: Annotated[
        str, typer.Option("--replay", help="inbox: try this operation again as it was.")
    ] = "",
    edit: Annotated[
        str, typer.Option("--edit", help="inbox: try this operation again with --args.")
    ] = "",
    void: Annotated[
        str, typer.Option("--void", help="inbox: nothing more is to be done about this one.")
    ] = "",
    args: Annotated[
        str, typer.Option("--args", help="With --edit: JSON of its arguments.")
    ] = "",
    reason: Annotated[
        str, typer.Option("--reason", help="With --void, --edit or --replay: why, in words.")
    ] = "",
    by: Annotated[str, typer.Option("--by", help="Id of who decides.")] = "counter",
) -> None:
    """Exchange with the centre once: push, pull, leases; or say how it stands."""
    if what not in WHAT:
        _usage(f"there is no {what[:60]!a}; there are {', '.join(WHAT[1:])}", as_json=as_json)
    given = {
        name: op for name, op in (("replay", replay), ("edit", edit), ("void", void)) if op
    }
    if given and what != "inbox":
        _usage("--replay, --edit and --void belong to inbox", as_json=as_json)
    if len(given) > 1:
        _usage("one decision at a time", as_json=as_json)
    chosen = settings.load(data=data, centre=centre)
    if what == "status":
        _status(chosen, as_json=as_json)
    elif what == "inbox":
        deciding = [_Deciding(name, op, by, reason, args) for name, op in given.items()]
        _inbox(chosen, deciding[0] if deciding else None, as_json=as_json)
    else:
        _exchange(chosen, what, as_json=as_json)


def _usage(sentence: str, *, as_json: bool) -> None:
    fail("usage", f"sync: {sentence}.", exit_code=EXIT_USAGE, as_json=as_json)


# One exchange


def _exchange(chosen: "Settings", what: str, *, as_json: bool) -> None:
    from kiosk.assembly.device import real_world
    from kiosk.assembly.standing import standing_of
    from kiosk.assembly.syncing import Sync
    from sync.edge.report import report_of

    world = real_world()
    with OwnFiles(chosen, world=world, as_json=as_json) as device:
        line = ProgressLine(sys.stderr, clock=world.clock)
        sync = Sync(device, on_change=lambda: line.show(sync.runner.status().progress))
        started_ms = world.clock.ticks_ms()
        try:
            code, done = sync.exchange(pulls=what != "push", pushes=what != "pull")
            n_held = sum(max(one.count, 0) for one in report_of(device.store).scopes)
        except StoreError as error:
            line.end()
            _files(error, as_json=as_json)
        line.end()
        took_ms = world.clock.ticks_ms() - started_ms
        standing = standing_of(device, sync, None)
    found = {
        "network": code,
        "synced_at": standing.synced_at,
        "waiting": standing.n_waiting,
        "not_settled": standing.n_refused,
        "rows": n_held,
        "changed": done.n_rows,
        "settled": done.n_settled,
        "leases": done.n_leases,
        "took_ms": took_ms,
    }
    if as_json:
        print(json.dumps(found))
    else:
        print(
            f"{_said_of(code)}. {counted(n_held, 'row')} here, {done.n_rows:,} changed;"
            f" {done.n_settled:,} sent and answered; {standing.n_waiting:,} to send,"
            f" {standing.n_refused:,} not settled."
        )
    if code != "ok":
        raise typer.Exit(EXIT_CENTRE)


def _said_of(code: str) -> str:
    """What a code of the network says, in the words of the counter, with the code where something is wrong."""
    from kiosk.assembly.device import local_zone, real_world
    from kiosk.core.staff_words import StaffWords

    if code == "ok":
        return "The centre answers"
    words = StaffWords(local_zone(real_world().clock))
    return f"{words.either(f'strip.network.{code}', 'strip.network.other')} ({code})"


def _files(error: StoreError, *, as_json: bool) -> None:
    fail(error.code, f"This device's files do not answer: {error}.",
         exit_code=EXIT_OWN_FILES, as_json=as_json)  # fmt: skip


# Status


def _status(chosen: "Settings", *, as_json: bool) -> None:
    from kiosk.assembly.device import real_world
    from sync.edge.report import kept_report, report_of

    report = None
    if is_running(chosen):
        report = kept_report(chosen.data, disk=SystemDisk())
    if report is None:
        with OwnFiles(chosen, world=real_world(), as_json=as_json) as device:
            try:
                report = report_of(device.store)
            except StoreError as error:
                _files(error, as_json=as_json)
    assert report is not None
    if as_json:
        print(msgspec.json.encode(report).decode())
    else:
        print("\n".join(_lines_of(report)))


def _lines_of(report: "SyncReport") -> Sequence[str]:
    from hardware.clock import SystemClock
    from hardware.moments import micros_of
    from kiosk.assembly.device import local_zone
    from kiosk.core.staff_words import StaffWords

    clock = SystemClock()
    words, now = StaffWords(local_zone(clock)), micros_of(clock.now())
    asked = {"": "not asked: tapthread sync asks it", "ok": "answers"}.get(report.network)
    age = words.span(now - report.synced_at) if report.synced_at else ""
    running = (
        f"running, as of {words.span(now - report.at)} ago"
        if report.is_running
        else "not running"
    )
    lease = {
        "ok": "people are shown",
        "warned": f"people are shown for {words.span(report.lease.left_ms * 1_000)} more",
        "over": "people are hidden until the centre answers",
    }[report.lease.state]
    return [
        f"device   {running}",
        f"centre   {asked or _said_of(report.network)}",
        f"data     {f'complete {age} ago' if age else 'never complete'}; {lease}",
        *(
            f"         {one.scope}: {counted(one.count, 'row') if one.count >= 0 else '? rows'}, up to {one.seq}"
            f"{'' if one.is_head else ', more to come'}"
            for one in report.scopes
        ),
        f"to send  {report.waiting:,} waiting, {report.refused:,} refused, {report.held:,} held",
        f"files    {report.store}; {counted(report.unread, 'row')} unread; outbox {report.lineage}, {counted(report.forks, 'fork')}",
        *(f"coming   {one.what}: {one.done:,} of {one.total:,}" for one in report.progress),
        *(f"relay    {_relay_said(report.relay, words)}" for _ in [0] if report.relay),
        *(f"notice   {one.code}, {words.moment(one.at, now=now)}" for one in report.notices),
        *(
            f"failed   {code}, {counted(n, 'time')} since the start"
            for code, n in report.failures.items()
        ),
        *(f"alert    {words.alert(code, 'This device')}" for code in report.alerts),
        *_programs_said(report, words, now),
    ]


def _relay_said(code: str, words: "StaffWords") -> str:
    """How the store's relay stands, in the words of the counter, with the code where something is wrong."""
    known = {"off": "none is set", "ok": "answers"}.get(code)
    return known or f"{words.either(f'strip.relay.{code}', 'strip.relay.other')} ({code})"


def _programs_said(report: "SyncReport", words: "StaffWords", now: int) -> Sequence[str]:
    """Where this program or the centre's is, or will soon be, too old for the other."""
    said = []
    if report.update_to:
        at = report.update_at
        when = f"before {words.moment(at, now=now)}" if at > now else "now"
        said.append(
            f"update   Update this program to {words.name(report.update_to)} or newer {when}: the centre answers no older one"
            " then. What is recorded stays here, and goes up after it."
        )
    if report.unread_kinds:
        kinds = ", ".join(
            f"{words.either(f'kind.{one}', 'kind.other')} ({words.name(one)})"
            for one in report.unread_kinds
        )
        said.append(
            f"update   The centre's program is older than this one and cannot read: {kinds}. It loses nothing of it,"
            " and keeps it for a person. Update the centre."
        )
    return said


# Inbox


def _inbox(chosen: "Settings", deciding: _Deciding | None, *, as_json: bool) -> None:
    from kiosk.assembly.device import real_world

    with OwnFiles(chosen, world=real_world(), as_json=as_json) as device:
        try:
            if deciding is None:
                _list(device, as_json=as_json)
            else:
                _decide(device, deciding, as_json=as_json)
        except StoreError as error:
            _files(error, as_json=as_json)


def _list(device: "Device", *, as_json: bool) -> None:
    from kiosk.assembly.desk import StoreDesk
    from sync.model.operation import OperationState

    desk = StoreDesk(device, None)
    waiting = (OperationState.REFUSED, OperationState.HELD)
    found = [_entry(device, desk, one) for one in desk.unsettled() if one.state in waiting]
    if as_json:
        print(json.dumps({"inbox": found}))
        return
    for one in found:
        print(f"{one['op']}  {one['state']}  {one['lead']}\n    {one['text']}")
    if not found:
        print("Nothing waits for a person.")


def _entry(device: "Device", desk: Any, item: "Unsettled") -> dict[str, Any]:
    from hardware.moments import micros_of
    from kiosk.assembly.device import local_zone
    from kiosk.assembly.screens import post_of
    from kiosk.core.counter import unsettled_entry
    from kiosk.core.entries import Telling
    from kiosk.core.staff_words import StaffWords

    clock = device.world.clock
    post = post_of(device, clerk="")
    tell = Telling(StaffWords(local_zone(clock)), post, micros_of(clock.now()))
    entry = unsettled_entry(item, desk.profile_of(item.owner), tell)
    args = desk.args_of(item.op)
    return {
        "op": item.op, "kind": item.kind, "state": item.state.value, "code": item.code,
        "owner": item.owner, "at": item.at, "lead": entry.lead, "text": entry.text,
        "args": None if args is None else msgspec.to_builtins(args),
    }  # fmt: skip


def _decide(device: "Device", deciding: _Deciding, *, as_json: bool) -> None:
    from kiosk.assembly.desk import StoreDesk
    from kiosk.core.ports import Refused
    from sync.model.operation import Evidence

    desk = StoreDesk(device, None)
    evidence = Evidence(assurance="S1")
    instead = ""
    try:
        if deciding.decision == "void":
            desk.void(deciding.op, actor=deciding.by, evidence=evidence, reason=deciding.reason)
        else:
            changed = None
            if deciding.decision == "edit":
                changed = _changed(desk, deciding, as_json=as_json)
            instead = desk.replay(
                deciding.op, actor=deciding.by, evidence=evidence, reason=deciding.reason,
                args=changed,
            ).op  # fmt: skip
    except Refused as refused:
        sentences = {
            "gone": f"Nothing with the id {deciding.op[:60]} waits for a person on this device.",
            "reason": "Say why, with --reason.",
        }
        fail(refused.code, sentences.get(refused.code, f"A rule forbids it: {refused.code}."),
             exit_code=EXIT_NOT_DONE, as_json=as_json)  # fmt: skip
    if as_json:
        print(
            json.dumps({"op": deciding.op, "decision": deciding.decision, "instead": instead})
        )
    else:
        print("Recorded. It goes to the centre with the next exchange: tapthread sync")


def _changed(desk: Any, deciding: _Deciding, *, as_json: bool) -> msgspec.Struct:
    """The arguments of the operation with those of --args in their place; ends the command where they make no sense."""
    had = desk.args_of(deciding.op)
    if had is None:
        fail("gone", f"Nothing with the id {deciding.op[:60]} can be edited on this device.",
             exit_code=EXIT_NOT_DONE, as_json=as_json)  # fmt: skip
    try:
        given = msgspec.json.decode(deciding.args.encode(), type=dict[str, Any])
        unknown = given.keys() - set(had.__struct_fields__)
        if unknown or not given:
            names = ", ".join(had.__struct_fields__)
            raise msgspec.ValidationError(f"there are {names}")
        changed: msgspec.Struct = msgspec.convert(
            {**msgspec.to_builtins(had), **given}, type=type(had)
        )
    except (msgspec.DecodeError, UnicodeEncodeError) as error:
        _usage(f"--args is not what this operation takes: {error}", as_json=as_json)
    return changed
