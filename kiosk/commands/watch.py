"""`tapthread watch`: who waits for an answer, which promises run out, and how each channel does.

    tapthread watch              who waits, the longest due first, and the three sins
    tapthread watch --report     each channel in the last four weeks: use, answer time, outcome, and a verdict with its reason

It works beside a running centre, on its database: the file in the data folder, or the one `--database` names. Ends with 3 when
somebody waits longer than was promised, so that a timer can ring.
"""

import json
from typing import TYPE_CHECKING, Annotated, Final

import msgspec
import typer

from kiosk.commands.options import EXIT_DATABASE, Data, Database, database_of
from kiosk.commands.own_files import fail
from kiosk.core.staff_words import StaffWords
from sync.model.errors import StoreError

if TYPE_CHECKING:
    from sync.central.watch import Alarm, Watched
    from sync.model.watch import ChannelReport

EXIT_LATE: Final = 3

_VERDICTS: Final = {"keep": "keep", "staff_it": "staff it", "close": "close"}
_REASONS: Final = {
    "answered": "customers are answered here",
    "too_few": "too few contacts to say anything",
    "unanswered": "more than one in ten waits longer than was promised",
    "slow": "half of the answers come later than was promised",
    "asked_elsewhere": "more than one in five asks again in another channel",
    "unused_and_unheard": "hardly anybody writes here, and most of them are not answered",
}
_ALARMS: Final = {
    "late": "wrote and was not answered, though promised for",
    "window_closing": "can be answered freely only until",
    "promise_broken": "was promised something, and it is over since",
    "promise_due": "was promised something, and it is nearly over, until",
}


def run(
    data: Data = None,
    database: Database = "",
    report: Annotated[
        bool, typer.Option("--report", help="How each channel did in the last four weeks.")
    ] = False,
    home: Annotated[
        str, typer.Option("--home", help="Id of the store from whose shelf the web shop sells.")
    ] = "",
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Say who waits for an answer in which channel, and what to do about each channel."""
    address = database_of(data, database, as_json=as_json)
    try:
        found = _watched(address, home)
    except StoreError as error:
        message = f"The database of the centre cannot be used: {error}."
        fail(error.code, message, exit_code=EXIT_DATABASE, as_json=as_json)
    if as_json:
        print(json.dumps(msgspec.to_builtins(found)))
    else:
        words = _words()
        for line in _report_lines(found, words) if report else _lines(found, words):
            print(line)
    if any(it.n_late for it in found.waiting):
        raise typer.Exit(EXIT_LATE)


def _watched(address: str, home: str) -> "Watched":
    from hardware.clock import SystemClock
    from hardware.moments import micros_of
    from sync.central.store import Store
    from sync.central.watch import watched

    store = Store(address, fresh_epoch="")
    try:
        return watched(store, now=micros_of(SystemClock().now()), home=home)
    finally:
        store.close()


def _words() -> StaffWords:
    from hardware.clock import SystemClock
    from kiosk.assembly import local_zone

    return StaffWords(local_zone(SystemClock()))


def _lines(found: "Watched", words: StaffWords) -> list[str]:
    sins = found.sins
    lines = [
        f"Asked twice {sins.asked_twice}   Unanswered {sins.unanswered}   Contradictions {sins.contradictions}"
    ]
    lines += [
        f"{words.channel(it.channel):<12} {it.n_waiting} wait, {it.n_late} late,"
        f" the longest since {words.moment(it.oldest_at, now=found.at)}"
        for it in found.waiting
    ]
    lines += [_alarm_line(alarm, found.at, words) for alarm in found.alarms]
    return lines if len(lines) > 1 else [*lines, "Nobody waits."]


def _alarm_line(alarm: "Alarm", now: int, words: StaffWords) -> str:
    who = words.name(alarm.name or alarm.owner)
    where = words.channel(alarm.channel) if alarm.channel != "case" else "a case"
    return f"  ! {who} ({where}) {_ALARMS[alarm.code]}: {words.moment(alarm.due_at, now=now)}"


def _report_lines(found: "Watched", words: StaffWords) -> list[str]:
    lines = [_report_line(it, words) for it in found.report]
    return lines or ["No contacts in the last four weeks."]


def _report_line(it: "ChannelReport", words: StaffWords) -> str:
    answer = words.span(it.answer_median_us) if it.n_answered else "nobody was answered"
    return (
        f"{words.channel(it.channel):<12} {it.n_contacts:>5} contacts of {it.n_customers} ({it.share:.0%}),"
        f" answered {it.n_answered}, half within {answer}, late {it.n_late}, asked again elsewhere"
        f" {it.n_asked_elsewhere}: {_VERDICTS[it.verdict]} ({_REASONS[it.reason]})"
    )
