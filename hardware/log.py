"""The log: one JSON object a line, with keys from an allow-list, so that nothing about a person can get into it.

    log = logging.getLogger(__name__)
    log.info("page applied", extra={"count": 200, "took_ms": 41})

The phrase is fixed and in the past tense; values are in `extra`. A key that is not in `KEYS`, or a value that is more
than a number or a code, raises when `started` was told to be strict (tests) and is left out in the shop, where the line
says under `left_out` how many were. Of an exception the line has the types and the places, never its text.
"""

import logging
import re
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from logging.handlers import RotatingFileHandler
from pathlib import Path
from typing import Final, TextIO

import msgspec

KEYS: Final = frozenset({
    "attempt", "bytes", "cause", "channel", "code", "count", "device", "endpoint", "epoch", "file", "head", "held", "job", "kind",
    "left", "limit", "line", "op", "path", "pid", "port", "proof", "reader", "request", "retry_ms", "role", "rows",
    "scope", "seq", "size", "state", "status", "step", "store", "took_ms", "took_us", "version", "visit", "worker",
})  # fmt: skip
"""What a line may say. Public; never renamed. None of them can hold a name, a UID, an address, a PIN or a secret."""

_CODE: Final = re.compile(r"[A-Za-z0-9_.:/ -]{0,100}")
"""What a text value may look like: ids, codes, paths of our own; no `@`, no `+`, nothing beyond ASCII."""

OUR_PACKAGES: Final = ("kiosk", "drivers", "sync", "hardware")
"""Of others only that they said something is kept: their sentences may quote anything."""

FILE_SIZE_MAX: Final = 2_000_000
FILES_KEPT: Final = 3
"""A week of a busy shop is about 1 MB."""

_STANDARD: Final = frozenset(vars(logging.makeLogRecord({}))) | {
    "message",
    "asctime",
    "taskName",
}


class UnknownKey(ValueError):
    """A line tried to say something it may not."""


class _Guard(logging.Filter):
    """Takes out, or raises for, what a line may not say. A filter, because an error in a formatter is swallowed."""

    def __init__(self, *, is_strict: bool) -> None:
        super().__init__()
        self._is_strict = is_strict

    def filter(self, record: logging.LogRecord) -> bool:
        if not _is_ours(record):
            return record.levelno >= logging.WARNING
        bad = [key for key in _extras(record) if not _may_say(key, getattr(record, key))]
        if self._is_strict and bad:
            raise UnknownKey(f"{record.name}: {', '.join(sorted(bad))} may not be logged")
        if self._is_strict and record.args:
            raise UnknownKey(f"{record.name}: values belong in extra, not in the phrase")
        return True


class _Lines(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        at = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")
        line: dict[str, object] = {
            "at": at,
            "level": record.levelname.lower(),
            "from": record.name,
        }
        if _is_ours(record):
            # Without its arguments: in the shop a phrase that takes some is written as it stands in the code.
            line["event"] = str(record.msg)[:100]
            said = {key: getattr(record, key) for key in _extras(record)}
            kept = {key: value for key, value in said.items() if _may_say(key, value)}
            line.update(kept)
            if len(kept) < len(said):
                line["left_out"] = len(said) - len(kept)
        else:
            line["event"] = "a library said something"
        if record.exc_info and record.exc_info[1] is not None:
            line["error"] = _error_of(record.exc_info[1])
        return msgspec.json.encode(line).decode()


def _is_ours(record: logging.LogRecord) -> bool:
    return record.name.split(".", 1)[0] in OUR_PACKAGES


def _extras(record: logging.LogRecord) -> Iterator[str]:
    return (key for key in vars(record) if key not in _STANDARD)


def _may_say(key: str, value: object) -> bool:
    if key not in KEYS:
        return False
    return isinstance(value, int | float) or (
        isinstance(value, str) and _CODE.fullmatch(value) is not None
    )


def _error_of(error: BaseException) -> list[str]:
    """Types and places, outermost first; no messages, no local values."""
    said: list[str] = []
    current: BaseException | None = error
    while current is not None and len(said) < 40:
        said.append(type(current).__name__)
        frames = traceback.extract_tb(current.__traceback__)
        said += [
            f"{Path(frame.filename).name}:{frame.lineno} {frame.name}" for frame in frames[-8:]
        ]
        current = current.__cause__ or current.__context__
    return said


@contextmanager
def started(
    target: Path | TextIO, *, is_strict: bool = False, level: int = logging.INFO
) -> Iterator[None]:
    """Write the log to a file, turned over at FILE_SIZE_MAX, or to a stream, until the block is left.

    Args:
        target: File to append to, its folder must exist; or an open stream, which stays open.
        is_strict: Raise UnknownKey where a line says what it may not.
        level: Least level of our own lines; of libraries never less than warning.
    """
    handler: logging.Handler
    if isinstance(target, Path):
        handler = RotatingFileHandler(
            target, maxBytes=FILE_SIZE_MAX, backupCount=FILES_KEPT, encoding="utf-8", delay=True
        )
    else:
        handler = logging.StreamHandler(target)
    handler.addFilter(_Guard(is_strict=is_strict))
    handler.setFormatter(_Lines())
    root = logging.getLogger()
    level_before = root.level
    root.addHandler(handler)
    root.setLevel(level)
    try:
        yield
    finally:
        root.removeHandler(handler)
        root.setLevel(level_before)
        handler.close()
