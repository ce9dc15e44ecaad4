"""`tapthread watch`: who waits for an answer, which promises run out, and how each channel does.

    tapthread watch              who waits, the longest due first, and the three sins; of all stores together;
                                 and what was wrong with devices, agents and channels in the last week, and which device has
                                 little room on its disk (all devices with --json)
    tapthread watch --report     each channel in the last four weeks: use, answer time, outcome, and a verdict with its reason
                                 where there are enough contacts for one; and what was promised, and broken

It works beside a running centre, on its database: the file in the data folder, or the one `--database` names. Ends with 3 when
somebody waits longer than was promised, so that a timer can ring; a report that was asked for ends with 0.
"""

import json
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import msgspec
import typer

from kiosk import settings
from kiosk.commands.counting import counted
from kiosk.commands.options import CENTRE_FOLDER, EXIT_DATABASE, Data, Database, database_of
from kiosk.commands.own_files import fail
from kiosk.core.staff_words import StaffWords
from sync.model.errors import StoreError
from sync.model.watch import FEW

if TYPE_CHECKING:
    from sync.central.watch import Alarm, Watched
    from sync.model.watch import ChannelReport, PromiseReport

EXIT_LATE: Final = 3

DISK_LOW_SIZE: Final = 200_000_000
"""Bytes free on a device below which a busy day may not fit; as `sync.central.hellos`."""

ALERTS_MAX: Final = 20
"""Lines of what was wrong with devices, agents and channels."""

_VERDICTS: Final = {
    "keep": "keep", "staff_it": "staff it", "close": "close", "": "too few to say",
}  # fmt: skip
_REASONS: Final = {
    "answered": "customers are answered here",
    "too_few": f"fewer than {FEW} contacts",
    "unanswered": "more than one in ten waits longer than was promised",
    "slow": "half of the answers come later than was promised",
    "asked_elsewhere": "more than one in five asks again in another channel",
    "unused_and_unheard": "hardly anybody writes here, and most of them are not answered",
}
_COUNTED: Final = {
    "late": ("unanswered past the time", "unanswered past the time"),
    "promise_broken": ("promise past its time", "promises past their time"),
    "window_closing": ("to be answered before it closes", "to be answered before it closes"),
    "promise_due": ("promise nearly over", "promises nearly over"),
}
_LATE: Final = ("late", "promise_broken")
"""Alarms of somebody who waits longer than was promised."""


def run(
    data: Data = None,
    database: Database = "",
    report: Annotated[
        bool, typer.Option("--report", help="How each channel did in the last four weeks.")
    ] = False,
    home: Annotated[
        str,
        typer.Option(
            "--home",
            help="Id of the store from whose shelf the web shop sells; else as brand.toml says.",
        ),
    ] = "",
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Say who waits for an answer in which channel, and what to do about each channel.

    Ends with 3 when somebody waits longer than was promised; with --report always with 0. 6: the database cannot be used.
    """
    address = database_of(data, database, as_json=as_json)
    try:
        found = _watched(address, home or _home(data))
    except StoreError as error:
        message = f"The database of the centre cannot be used: {error}."
        fail(error.code, message, exit_code=EXIT_DATABASE, as_json=as_json)
    if as_json:
        print(json.dumps(msgspec.to_builtins(found)))
    else:
        words = _words()
        for line in _report_lines(found, words) if report else _lines(found, words):
            print(line)
    if not report and any(it.code in _LATE for it in found.alarms):
        raise typer.Exit(EXIT_LATE)


def _home(data: Path | None) -> str:
    """What the brand of the centre in the data folder says; "" where there is none."""
    from sync.central.brand import read_brand

    return read_brand(settings.load(data=data).data / CENTRE_FOLDER).home


def _watched(address: str, home: str) -> "Watched":
    from hardware.clock import SystemClock
    from hardware.moments import micros_of
    from sync.central.store import Store
    from sync.central.watch import watched

    store = Store(address, fresh_epoch="")
    try:
        return watched(store, now=micros_of(SystemClock().now()), home=home, with_devices=True)
    finally:
        store.close()


def _words() -> StaffWords:
    from hardware.clock import SystemClock
    from kiosk.assembly.device import local_zone

    return StaffWords(local_zone(SystemClock()))


def _lines(found: "Watched", words: StaffWords) -> list[str]:
    sins = found.sins
    head = (
        f"All stores: Asked twice {sins.asked_twice}   Unanswered {sins.unanswered}"
        f"   Contradictions {sins.contradictions}   Promises broken {sins.promises_broken}"
    )
    lines = [head]
    lines += [
        f"{words.channel(it.channel):<12} {counted(it.n_waiting, 'waits', 'wait')}, {it.n_late} of them late,"
        f" the longest since {words.moment(it.oldest_at, now=found.at)}"
        for it in found.waiting
    ]
    if found.alarms:
        lines.append(_heading(found))
    lines += _alarm_lines(found, words)
    lines = lines if len(lines) > 1 else [*lines, "Nobody waits."]
    if found.alerts:
        lines.append("In the last 7 days, the newest first:")
    lines += [
        f"  * {words.moment(it.at, now=found.at)}: {words.alert(it.code, it.device)}"
        for it in found.alerts[:ALERTS_MAX]
    ]
    lines += [
        f"  * {words.name(it.role)} of {words.name(it.store)}, {words.name(it.id)}: {it.free_size // 1_000_000:,} MB"
        f" free on its disk, as of {words.moment(it.seen_at, now=found.at)}"
        for it in found.devices
        if it.state == "active" and 0 <= it.free_size < DISK_LOW_SIZE
    ]
    return lines


def _heading(found: "Watched") -> str:
    """What the lines below it are, and how many of each."""
    counts = Counter(it.code for it in found.alarms)
    said = ", ".join(
        counted(counts[code], *forms) for code, forms in _COUNTED.items() if counts[code]
    )
    n_listed = len(found.alarms)
    more = f" (the first {n_listed} of {found.n_alarms})" if found.n_alarms > n_listed else ""
    return f"Of them and of what we promised, the longest due first{more}: {said}"


def _alarm_lines(found: "Watched", words: StaffWords) -> list[str]:
    """What is late or soon will be, once a person: who is due longest first, and below them what else they wait for."""
    of_person: dict[str, list[Alarm]] = {}
    for alarm in found.alarms:
        of_person.setdefault(alarm.owner or alarm.key, []).append(alarm)
    lines = []
    for alarms in of_person.values():
        who = words.name(alarms[0].name or alarms[0].owner)
        first, *others = (_alarm_said(alarm, found.at, words) for alarm in alarms)
        lines += [f"  ! {who}: {first}", *(f"      and {other}" for other in others)]
    return lines


def _alarm_said(alarm: "Alarm", now: int, words: StaffWords) -> str:
    due = words.moment(alarm.due_at, now=now)
    late, left = words.late(alarm.due_at, now=now), words.span(alarm.due_at - now)
    if alarm.code == "late":
        return f"{words.channel(alarm.channel)} not answered, due {due}, {late}"
    if alarm.code == "window_closing":
        return f"{words.channel(alarm.channel)} takes free text only until {due}, {left} left"
    over = late if alarm.code == "promise_broken" else f"{left} left"
    said = (
        f"{words.name(alarm.number)}, {words.name(alarm.by)} promised: {words.text(alarm.text).rstrip('.')},"
        f" due {due}, {over}"
    )
    if alarm.n_promised <= 1:
        return said
    again = f"; again for {words.moment(alarm.again_at, now=now)}" if alarm.again_at else ""
    broken = f"{alarm.n_broken} broken" if alarm.n_broken else "none broken"
    return f"{said} (promised {alarm.n_promised} times, {broken}{again})"


def _report_lines(found: "Watched", words: StaffWords) -> list[str]:
    lines = [_report_line(it, words) for it in found.report]
    lines = lines or ["No contacts in the last four weeks."]
    return [*lines, _promises_line(found.promises, found.at, words)]


def _promises_line(it: "PromiseReport | None", now: int, words: StaffWords) -> str:
    if it is None:
        return "Nothing was promised on a case."
    since = f" (the oldest for {words.moment(it.broken_at, now=now)})" if it.broken_at else ""
    return (
        f"Promised {counted(it.n_promised, 'time', 'times')} on {counted(it.n_cases, 'case', 'cases')},"
        f" {it.n_broken} broken{since}, more than once on {it.n_again}; still owed on {it.n_owed}"
    )


def _report_line(it: "ChannelReport", words: StaffWords) -> str:
    answer = words.span(it.answer_median_us) if it.n_answered else "nobody was answered"
    return (
        f"{words.channel(it.channel):<12} {it.n_contacts:>5} {'contact' if it.n_contacts == 1 else 'contacts'}"
        f" of {counted(it.n_customers, 'customer', 'customers')} ({it.share:.0%}),"
        f" answered {it.n_answered}, half within {answer}, late {it.n_late}, asked again elsewhere"
        f" {it.n_asked_elsewhere}: {_VERDICTS[it.verdict]} ({_REASONS[it.reason]})"
    )
