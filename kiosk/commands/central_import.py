"""`tapthread central import FILE --channel NAME --channels TOML`: a file of records into a channel of the centre.

It works beside a running centre, on its database; kiosks hear of what came within the half minute a poll is held. A run that
was killed goes on where it was; a file that has grown is read on. What cannot be taken is in FILE.rejects, with its line and
the reason, to be put right and imported as a file of its own.

Prints what became of the records; with --json as one object. Ends with 0 when every record was taken, 3 when some were set
aside, 4 when the file cannot be imported, 6 when the database cannot be used.
"""

import json
import sys
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import typer

from hardware.clock import SystemClock
from hardware.entropy import SystemEntropy
from hardware.identity import new_private_key
from kiosk.commands.counting import counted
from kiosk.commands.own_files import fail
from kiosk.commands.progress_line import ProgressLine
from sync.edge.progress import Meter
from sync.model.errors import StoreError, SyncError

if TYPE_CHECKING:
    from sync.central.importing import Imported
    from sync.central.parts import Parts

EXIT_REJECTS: Final = 3
EXIT_NOT_IMPORTED: Final = 4
EXIT_DATABASE: Final = 6


def import_file(
    address: str, *, channels: Path | None, file: Path | None, channel: str, as_json: bool
) -> None:
    """Take `file` into the channel of that name, at the database at `address`."""
    from sync.central.channels.registry import ADAPTERS
    from sync.central.channels_file import read_channels
    from sync.central.errors import ChannelsWrong
    from sync.central.importing import CannotImport, Importing
    from sync.central.intake import Intake
    from sync.central.store import Store

    if channels is None or file is None or not channel:
        message = "central import needs FILE, --channel NAME and --channels FILE."
        fail("usage", message, exit_code=EXIT_NOT_IMPORTED, as_json=as_json)
    line = ProgressLine(sys.stderr, clock=SystemClock())
    try:
        store = Store(address, fresh_epoch="")
    except StoreError as error:
        fail(
            error.code,
            f"The database of the centre cannot be used: {error}.",
            exit_code=EXIT_DATABASE,
            as_json=as_json,
        )
    try:
        parts = _parts_over(store)
        intake = Intake(parts, ADAPTERS, read_channels(channels))
        done = Importing(parts, intake).run(file, channel, tell=_told_by(line))
    except (CannotImport, ChannelsWrong) as error:
        line.end()
        message = f"{str(error)[:1].upper()}{str(error)[1:]}."
        fail("cannot_import", message, exit_code=EXIT_NOT_IMPORTED, as_json=as_json)
    except SyncError as error:
        line.end()
        message = f"The database could not take it: {error}. Run the same line again: it goes on where it was."
        fail(error.code, message, exit_code=EXIT_DATABASE, as_json=as_json)
    else:
        line.end()
        print(json.dumps(asdict(done)) if as_json else "\n".join(_in_words(done, file)))
        if done.n_rejected:
            raise typer.Exit(EXIT_REJECTS)
    finally:
        store.close()


def _told_by(line: ProgressLine) -> Callable[["Imported"], None]:
    """What shows how far it is on this line."""
    clock, meter = SystemClock(), Meter("bytes")

    def tell(done: "Imported") -> None:
        now_ms = clock.ticks_ms()
        if not meter.is_on:
            meter.begin(max(done.size, 1), now_ms=now_ms)
        meter.reach(done.at, now_ms=now_ms)
        sofar = meter.progress()
        line.show([sofar] if sofar else [])

    return tell


def _parts_over(store: Any) -> "Parts":
    """The parts of a centre that answers nobody: a database, and what writes to it."""
    from sync.central.batch import Batch
    from sync.central.counters import Counters
    from sync.central.feed import Bell
    from sync.central.gate import Gate, Sessions
    from sync.central.parts import Parts

    clock, entropy, bell = SystemClock(), SystemEntropy(), Bell()
    batch = Batch(store, on_commit=bell.ring, clock=clock)
    sessions = Sessions(new_private_key(entropy), clock, entropy)
    gate = Gate(store, batch, sessions, clock)
    return Parts(store, batch, gate, sessions, clock, entropy, Counters(), bell)


def _in_words(done: "Imported", file: Path) -> list[str]:
    if done.was_whole:
        last = done.resumed_at - 1
        lines = "Its one line was" if last == 1 else f"All {last:,} lines were"
        said = [f"{lines} read before, and nothing was added since."]
    else:
        said = [
            f"{done.n_taken:,} taken, {counted(done.n_again, 'was', 'were')} here before, {done.n_waiting:,} put by until what they name is known."
        ]
        if done.resumed_at > 1:
            said.insert(0, f"Lines before {done.resumed_at:,} were read before.")
    if done.n_rejected:
        said.append(f"{done.n_rejected:,} set aside in {file}.rejects, with the reason.")
    return said
