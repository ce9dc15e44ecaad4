"""`tapthread channel`: the other systems that send to the centre, and what became of what they sent.

    tapthread channel list                          each with its state and how many events of each kind it has
    tapthread channel show NAME                     its newest events that a person should look at; --all for all of them
    tapthread channel show NAME EVENT               one of them; --raw prints its own bytes
    tapthread channel pause NAME --reason ..        keep what comes, take none of it
    tapthread channel resume NAME                   go on, with what came meanwhile
    tapthread channel replay NAME EVENT             take it again; "held" instead of an id for all that are held
    tapthread channel check --channels FILE         whether the file of channels can be used, and what is missing in it
    tapthread channel check NAME --channels FILE    the same for one, with what it is and which options and secrets it takes

It works beside a running centre, on its database: the file in the data folder, or the one `--database` names. What is to be
taken again the running centre takes within a minute. Ends with 2 for a line that makes no sense, 3 where there is no such
channel or event, or the file cannot be used, 6 where the database cannot.
"""

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from hardware.clock import SystemClock
from hardware.moments import micros_of, moment_of
from kiosk.commands.counting import counted
from kiosk.commands.options import EXIT_DATABASE, Data, Database, database_of
from kiosk.commands.own_files import fail, sentence
from sync.model.errors import StoreError

if TYPE_CHECKING:
    from sync.central.channels.adapter import Adapter, Settings
    from sync.central.events import EventRecord
    from sync.central.retention import Kept
    from sync.central.store import Store

EXIT_USAGE: Final = 2
EXIT_NOT_DONE: Final = 3

HELD: Final = "held"
LISTED_MAX: Final = 50
REPLAYED_MAX: Final = 10_000
ASKED: Final = ("waiting", "held", "forged")
"""States a person should look at."""

NAMES: Final = {
    "list": (0, 0), "show": (1, 2), "pause": (1, 1), "resume": (1, 1), "replay": (2, 2), "check": (0, 1),
}  # fmt: skip
"""What can be done, and how many names it takes at least and at most."""


class _NotDone(Exception):
    """There is no such thing; the text says what."""


def run(  # noqa: PLR0913, PLR0917  # one parameter an option
    what: Annotated[str, typer.Argument(help=f"{', '.join(NAMES)}.")] = "list",
    name: Annotated[str, typer.Argument(help="Name of the channel.")] = "",
    event: Annotated[str, typer.Argument(help="Id of an event.")] = "",
    data: Data = None,
    database: Database = "",
    channels: Annotated[
        Path | None, typer.Option("--channels", help="With check: the file of channels.")
    ] = None,
    reason: Annotated[str, typer.Option("--reason", help="With pause: why, in words.")] = "",
    is_all: Annotated[
        bool, typer.Option("--all", help="With show: also what was taken.")
    ] = False,
    raw: Annotated[
        bool, typer.Option("--raw", help="With show: the bytes of the event.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Show what other systems sent to the centre, pause them, take something again."""
    least, most = NAMES.get(what, (1, 0))
    if not least <= (name != "") + (event != "") <= most:
        fail("usage", f"channel: {', '.join(NAMES)}; show, pause and resume with a channel, replay with an event too,"
             " list without, check with or without.", exit_code=EXIT_USAGE, as_json=as_json)  # fmt: skip
    if what == "check":
        _check(channels, name, as_json=as_json)
        return
    address = database_of(data, database, as_json=as_json)
    acts: dict[str, Callable[[Store], dict[str, Any]]] = {
        "list": _listed,
        "show": lambda store: _shown(store, name, event, is_all=is_all, is_raw=raw),
        "pause": lambda store: _set_paused(store, name, is_paused=True, reason=reason),
        "resume": lambda store: _set_paused(store, name, is_paused=False, reason=reason),
        "replay": lambda store: _again(store, name, event),
    }
    try:
        said = _with_store(address, acts[what])
    except _NotDone as error:
        fail("not_done", f"Not done: {error}.", exit_code=EXIT_NOT_DONE, as_json=as_json)
    except StoreError as error:
        message = f"The database of the centre cannot be used: {error}."
        fail(error.code, message, exit_code=EXIT_DATABASE, as_json=as_json)
    else:
        if raw and event:
            sys.stdout.buffer.write(said["raw"].encode("utf-8", "surrogateescape"))
        else:
            print(json.dumps(said) if as_json else "\n".join(_in_words(said)))


def _with_store(address: str, act: "Callable[[Store], dict[str, Any]]") -> dict[str, Any]:
    from sync.central.store import Store

    opened = Store(address, fresh_epoch="")
    try:
        return act(opened)
    finally:
        opened.close()


def _listed(store: "Store") -> dict[str, Any]:
    from sync.central import events, retention

    with store.reading() as snapshot:
        found = events.channels(snapshot.sql)
        going = retention.going(snapshot.sql)
    return {
        "channels": [
            {"name": it.name, "state": it.state, "reason": it.reason, "events": it.counts}
            | ({"bytes_go": {"events": going[it.name][0], "first": _when(going[it.name][1])}} if it.name in going else {})
            for it in found.values()
        ]
    }  # fmt: skip


def _shown(
    store: "Store", name: str, event: str, *, is_all: bool, is_raw: bool
) -> dict[str, Any]:
    from sync.central import events, retention

    with store.reading() as snapshot:
        if event:
            record = events.record_of(snapshot.sql, name, event)
            if record is None:
                raise _NotDone(f"{name} sent no event {event[:60]}")
            content = events.raw_of(snapshot.sql, name, event)
            told = {**_event(record), **_bytes(retention.kept_of(snapshot.sql, name, event))}
            if is_raw and content is None:
                raise _NotDone(f"its bytes {told['bytes']}")
            return {
                "event": told,
                **(
                    {"raw": (content or b"").decode("utf-8", "surrogateescape")}
                    if is_raw
                    else {}
                ),
            }
        if name not in events.channels(snapshot.sql):
            raise _NotDone(f"nothing is known of a channel {name[:60]}")
        found = events.listed(
            snapshot.sql, name, states=events.STATES if is_all else ASKED, limit=LISTED_MAX
        )
        kept = [retention.kept_of(snapshot.sql, it.channel, it.id) for it in found]
    return {"events": [_event(it) | _bytes(of) for it, of in zip(found, kept, strict=True)]}


def _event(record: "EventRecord") -> dict[str, Any]:
    return {
        "id": record.id,
        "type": record.type,
        "state": record.state,
        "reason": record.reason,
        "came": _when(record.came_at),
        "tries": record.n_tries,
        "again": record.n_more,
    }


def _bytes(kept: "Kept") -> dict[str, Any]:
    """What there is of the bytes of an event, in words, and the digest of those that went."""
    if kept.gone is not None:
        told = f"went on {_when(kept.gone.gone_at)}, {kept.gone.size:,} of them"
        return {"bytes": told, "digest": f"sha256:{kept.gone.digest}"}
    if not kept.is_there:
        return {"bytes": "are gone"}
    return {
        "bytes": f"{kept.size:,}" + (f", go on {_when(kept.goes_at)}" if kept.goes_at else "")
    }


def _when(at: int) -> str:
    return moment_of(at).isoformat(timespec="seconds")


def _set_paused(store: "Store", name: str, *, is_paused: bool, reason: str) -> dict[str, Any]:
    from sync.central import events
    from sync.central.batch import Batch
    from sync.central.transaction import Transaction

    now = micros_of(SystemClock().now())

    def work(transaction: Transaction) -> Callable[[], dict[str, Any]]:
        if name not in events.channels(transaction.direct()):
            raise _NotDone(f"nothing is known of a channel {name[:60]}")
        events.set_paused(transaction, name, is_paused=is_paused, reason=reason, now=now)
        return lambda: {"channel": name, "state": "paused" if is_paused else "open"}

    return Batch(store, on_commit=lambda _scopes: None).run(work)


def _again(store: "Store", name: str, event: str) -> dict[str, Any]:
    from sync.central import events
    from sync.central.batch import Batch
    from sync.central.transaction import Transaction

    now = micros_of(SystemClock().now())

    def work(transaction: Transaction) -> Callable[[], dict[str, Any]]:
        sql = transaction.direct()
        if event == HELD:
            found = [
                it.id for it in events.listed(sql, name, states=(HELD,), limit=REPLAYED_MAX)
            ]
        else:
            found = [event]
        done = [one for one in found if events.retake(transaction, name, one, now=now)]
        if not done:
            raise _NotDone(f"{name} has nothing of that id to take again")
        return lambda: {"channel": name, "replayed": done}

    return Batch(store, on_commit=lambda _scopes: None).run(work)


def _check(path: Path | None, name: str, *, as_json: bool) -> None:
    from sync.central import channels_file
    from sync.central.channels.names import names_of, nearest
    from sync.central.channels.registry import ADAPTERS
    from sync.central.errors import ChannelsWrong
    from sync.central.importing import OfFiles

    if path is None:
        message = "channel check needs --channels FILE."
        fail("usage", message, exit_code=EXIT_USAGE, as_json=as_json)
    try:
        found = channels_file.read_channels(path)
        channels_file.check(found, ADAPTERS)
    except ChannelsWrong as error:
        fail("not_done", sentence(str(error)), exit_code=EXIT_NOT_DONE, as_json=as_json)
    if name and name not in {it.name for it in found}:
        near = nearest(name, (it.name for it in found))
        message = sentence(f"{path} has no channel {name[:60]!r}{near}")
        fail("not_done", message, exit_code=EXIT_NOT_DONE, as_json=as_json)
    checked: list[dict[str, Any]] = [
        {
            "name": it.name, "adapter": it.adapter, "channel": it.channel, "path": f"/in/{it.name}",
            "secrets": sorted(it.secrets), "options": sorted(it.options),
            "missing": _missing(ADAPTERS[it.adapter], it), "takes_files": isinstance(ADAPTERS[it.adapter], OfFiles),
        }
        for it in found
        if name in ("", it.name)
    ]  # fmt: skip
    if name:
        names = names_of(checked[0]["adapter"])
        checked[0] |= {
            "is": _about(ADAPTERS[checked[0]["adapter"]]),
            "takes_secrets": names.secrets if names else (),
            "takes_options": sorted(names.options) if names else (),
        }
    said = {"checked": checked}
    print(json.dumps(said) if as_json else "\n".join(_in_words(said)))


def _about(adapter: "Adapter") -> str:
    """What an adapter is: the first sentence of its file."""
    text = sys.modules[type(adapter).__module__].__doc__ or ""
    return " ".join(text.partition("\n\n")[0].split())


def _missing(adapter: "Adapter", channel: "Settings") -> str:
    """Which secret the adapter asks for and does not find, in words; "" when it finds all it asks for at once.

    A channel that takes files and has no secret at all is meant for files: for them there is nothing to sign.
    """
    from sync.central.channels.adapter import Delivery, Forged, NoSecret
    from sync.central.importing import OfFiles

    try:
        adapter.verify(Delivery(b""), channel)
    except NoSecret as error:
        if isinstance(adapter, OfFiles) and not channel.secrets:
            return ""
        return str(error)
    except Forged:
        return ""
    return ""


def _in_words(said: dict[str, Any]) -> list[str]:
    if "channels" in said:
        width = max((16, *(len(it["name"]) for it in said["channels"])))
        lines = [
            f"{it['name']:<{width}} {it['state']:<7} "
            + (
                ", ".join(f"{n} {state}" for state, n in sorted(it["events"].items()))
                or "nothing came"
            )
            + (f"  ({it['reason']})" if it["reason"] else "")
            + (
                f"\n    ! the bytes of {counted(it['bytes_go']['events'], 'event')} waiting for a person go from {it['bytes_go']['first']} on:"
                " replay them, or keep them longer ([NAME.keep_days] held)"
                if "bytes_go" in it
                else ""
            )
            for it in said["channels"]
        ]
        return lines or ["No channel is known. Start the centre with --channels FILE."]
    if "events" in said:
        lines = [
            f"{it['came']}  {it['state']:<8} {it['type']:<24} {it['id']}\n    {it['reason'] or '-'}"
            + (
                f"\n    bytes {it['bytes']}"
                if "go" in it["bytes"] or "went" in it["bytes"]
                else ""
            )
            for it in said["events"]
        ]
        return lines or ["Nothing waits for a person."]
    if "event" in said:
        return [f"{field}: {value}" for field, value in said["event"].items()]
    if "checked" in said:
        return [_checked_line(it) for it in said["checked"]] or ["The file names no channel."]
    if "replayed" in said:
        return [
            f"{len(said['replayed'])} to be taken again; the running centre does it within a minute."
        ]
    return [f"{said['channel']} is {said['state']}."]


def _checked_line(it: dict[str, Any]) -> str:
    none = "none: only files can be imported" if it["takes_files"] else "NONE"
    line = f"{it['name']:<16} {it['adapter']:<12} {it['path']:<24} secrets: {', '.join(it['secrets']) or none}"
    if it["missing"]:
        line += f"\n    ! {it['missing']}"
    if "is" in it:
        line += (
            f"\n    {it['is']}\n    channel:  {it['channel'] or 'as each event says'}"
            f"\n    options:  {', '.join(it['options']) or 'none'}"
            f"\n    it takes: secrets {', '.join(it['takes_secrets'])}; options {', '.join(it['takes_options'])}"
        )
    return line
