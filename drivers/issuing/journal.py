"""What was begun and done to which band, a line a step, on the disk before the step is done to the band.

One line is one JSON object, at most `LINE_SIZE_MAX` bytes:

    at      microseconds since 1970
    run     which run of the command; 8 hex digits
    band    what the band is filed under: the keyed hash of its UID, never the UID; "" where a run takes its numbers
    step    name of the step; see `steps`
    state   begun | done | failed
    with    the values a person may need: the band's id, its label, a code of what went wrong. Never a key. In a journal of
            bands that were only for practice, every line has its mark here

Lines are only ever added, and each is on the disk before the call returns. A power cut can leave the last line cut short:
it is cut off when the journal is opened. Any other line that does not parse is an error a person must look at.
"""

import json
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from typing import Final

from drivers.issuing.errors import JournalDamaged
from drivers.issuing.ports import Appender
from hardware.clock import Clock
from hardware.entropy import Entropy
from hardware.moments import micros_of

LINE_SIZE_MAX: Final = 1_000
"""Bytes of a line with its end."""

VALUE_NAMES: Final = (
    "band_id",
    "label",
    "code",
    "chip",
    "plan",
    "replaces",
    "store",
    "line",
    "count",
    "mark",
)
"""What may stand beside a step. There is no place for a key."""

VALUE_SIZE_MAX: Final = 120
"""Characters of one of those values."""

NUMBERS: Final = "numbers"
"""Stands, done, for no band: `count` numbers from the one in `line` on are a run's own, in labels as `label` says."""

RETIRE: Final = "retire"
"""The step after which a band is nobody's: what it was begun with does not count any more. Until it is over, it is not issued."""


class State(Enum):
    """How far a step is."""

    BEGUN = "begun"
    DONE = "done"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of the journal."""

    at: int
    run: str
    band: str
    step: str
    state: State
    values: Mapping[str, str] = field(default_factory=dict)


class Journal:
    """The journal of one station. One process writes it."""

    def __init__(
        self, path: Path, *, disk: Appender, clock: Clock, entropy: Entropy, mark: str = ""
    ) -> None:
        """Open it, or begin it; every line that is added has `mark`. Raises JournalDamaged, DiskFault."""
        self._path = path
        self._mark = mark
        self._disk = disk
        self._clock = clock
        self._lock = threading.Lock()
        self._run = entropy.draw(4).hex()
        self._entries: list[Entry] = []
        self._last: dict[tuple[str, str], State] = {}
        self._lines: dict[str, dict[str, str]] = {}
        self._ids: dict[str, str] = {}
        for entry in self._read():
            self._take_in(entry)

    @property
    def entries(self) -> tuple[Entry, ...]:
        """All lines, oldest first."""
        return tuple(self._entries)

    def write(self, band: str, step: str, state: State, **values: str) -> None:
        """Add a line; it is on the disk when this returns. Raises DiskFull, DiskFault.

        Raises:
            ValueError: our own mistake: a value with a name that has no place here.
        """
        values |= {"mark": self._mark}
        strange = set(values) - set(VALUE_NAMES)
        if strange:
            raise ValueError(f"the journal has no place for {', '.join(sorted(strange))}")
        kept = {name: value[:VALUE_SIZE_MAX] for name, value in values.items() if value}
        at = micros_of(self._clock.now())
        entry = Entry(at, self._run, band, step, state, kept)
        with self._lock:
            self._disk.append(self._path, _line_of(entry))
            self._take_in(entry)

    def band_id_of(self, band: str) -> str:
        """The id a band was begun with; "" when it never was, or was retired since."""
        return self._ids.get(band, "")

    def is_begun(self, band: str, step: str) -> bool:
        """Is that step of a band begun and not over?"""
        return self._last.get((band, step)) is State.BEGUN

    def unfinished(self, step: str) -> tuple[str, ...]:
        """Bands that step is begun on and not over, by what they are filed under."""
        return tuple(
            band
            for (band, name), state in self._last.items()
            if name == step and state is State.BEGUN
        )

    def begun(self, step: str) -> Mapping[str, str]:
        """Bands that step is begun on and not over, by the line they are for."""
        return self._lines.get(step, {})

    def _take_in(self, entry: Entry) -> None:
        """What is looked up stays at hand, so that the thousandth band waits no longer than the first."""
        self._entries.append(entry)
        self._last[entry.band, entry.step] = entry.state
        lines = self._lines.setdefault(entry.step, {})
        for line in [line for line, band in lines.items() if band == entry.band]:
            del lines[line]
        if entry.state is State.BEGUN and "line" in entry.values:
            lines[entry.values["line"]] = entry.band
        if entry.step == RETIRE and entry.state is State.DONE:
            self._ids.pop(entry.band, None)
        elif entry.values.get("band_id"):
            self._ids[entry.band] = entry.values["band_id"]

    def _read(self) -> list[Entry]:
        content = self._disk.read(self._path) or b""
        whole = content[: content.rfind(b"\n") + 1]
        if len(whole) < len(content):
            self._disk.cut(self._path, len(whole))
        return [
            _entry_of(line, number) for number, line in enumerate(whole.splitlines(), start=1)
        ]


def _line_of(entry: Entry) -> bytes:
    said = {
        "at": entry.at, "run": entry.run, "band": entry.band, "step": entry.step,
        "state": entry.state.value,
    } | ({"with": dict(entry.values)} if entry.values else {})  # fmt: skip
    line = json.dumps(said, ensure_ascii=True, separators=(",", ":")).encode() + b"\n"
    if len(line) > LINE_SIZE_MAX:
        raise ValueError("a line of the journal is too long")
    return line


def _entry_of(line: bytes, number: int) -> Entry:
    try:
        said = json.loads(line)
        entry = Entry(
            at=_int(said["at"]),
            run=_text(said["run"]),
            band=_text(said["band"]),
            step=_text(said["step"]),
            state=State(said["state"]),
            values={_text(name): _text(value) for name, value in said.get("with", {}).items()},
        )
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise JournalDamaged(f"line {number} of the journal is damaged") from error
    return entry


def _int(value: object) -> int:
    if not isinstance(value, int) or isinstance(value, bool):
        raise TypeError("not a number")
    return value


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError("not text")
    return value
