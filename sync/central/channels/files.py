"""Files of records, taken apart so that each record stands alone: CSV with a header, or NDJSON, one object a line.

A record of CSV may have line breaks between quotes. Quotes that do not end spoil the line they begin in and no other.
"""

import csv
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, Final

import msgspec

from sync.central.channels.adapter import Delivery, Settings, Unmapped
from sync.central.channels.parts import Json, clean, decoded, digest_of, header, pairs_of

NDJSON: Final = "application/x-ndjson"
LINE_MAX: Final = 1_048_576
"""Bytes of one line that are read."""

RECORD_LINES_MAX: Final = 100
"""Lines of one record; more than that is a quote that does not end."""

COLUMNS_MAX: Final = 500
DELIMITERS: Final = ";,\t|"


@dataclass(frozen=True, slots=True)
class Piece:
    """A part of a file that says something by itself.

    Attributes:
        line: Number of its first line in the file, from 1.
        end: Number of the line behind it.
        size: Bytes of the file it takes.
        body: A file of its own: the header, and what belongs together.
        is_json: It is of NDJSON, whatever it says itself.
    """

    line: int
    end: int
    size: int
    body: bytes = field(repr=False)
    is_json: bool = False


def is_ndjson(head: bytes) -> bool:
    """Whether a file that begins so holds JSON."""
    return head.lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"{")


def is_called_json(delivery: Delivery) -> bool:
    """Whether whoever sends it says that it is NDJSON."""
    return header(delivery, "content-type").startswith(NDJSON)


def pieces_of(lines: Iterable[bytes], *, line: int = 1, header: bytes = b"") -> Iterator[Piece]:
    """The records of a file, each with the header of the file.

    Args:
        lines: With their ends, from the beginning of the file, or of a record where `header` is given.
        line: Number of the first of them.
        header: First line of the file, when `lines` begin after it; b"" for NDJSON or from the beginning.
    """
    todo: list[bytes] = []
    source = iter(lines)
    is_json, is_begun, skipped = not header, bool(header) or line > 1, 0
    while True:
        one = todo.pop(0) if todo else next(source, b"")
        if not one:
            return
        if not is_begun and one.strip():
            is_json = is_begun = True
            if not is_ndjson(one):
                is_json, header = False, one.removeprefix(b"\xef\xbb\xbf")
                skipped, line = skipped + len(one), line + 1
                continue
        record = [one]
        while (
            not is_json and b"".join(record).count(b'"') % 2 and len(record) < RECORD_LINES_MAX
        ):
            more = todo.pop(0) if todo else next(source, b"")
            if not more:
                break
            record.append(more)
        if not is_json and b"".join(record).count(b'"') % 2:
            todo[:0] = record[1:]
            record = record[:1]
        whole = b"".join(record)
        if whole.strip():
            ended = header if header.endswith(b"\n") or not header else header + b"\n"
            yield Piece(line, line + len(record), skipped + len(whole), ended + whole, is_json)
            skipped = 0
        else:
            skipped += len(whole)
        line += len(record)


def records_of(
    body: bytes, settings: Settings, *, is_json: bool = False
) -> Iterator[dict[str, Any]]:
    """The records of a file by our names of their columns; a wrong one is {"wrong": reason}, so that it stops no other."""
    if b"\0" in body[:4]:
        raise Unmapped("save the file as UTF-8")
    names = pairs_of(settings.options.get("columns", ""))
    for piece in pieces_of(body.splitlines(keepends=True), line=2 if is_json else 1):
        try:
            if piece.is_json:
                told = decoded(piece.body.strip())
                if not isinstance(told, dict):
                    raise Json(told).wrong("an object")
                yield told
            else:
                yield _record(piece.body, names, settings)
        except Unmapped as error:
            yield {"wrong": str(error), "digest": digest_of(piece.body)}


def _record(body: bytes, names: dict[str, str], settings: Settings) -> dict[str, Any]:
    if len(body) > LINE_MAX:
        raise Unmapped(f"longer than {LINE_MAX} bytes")
    text = _text(body, settings)
    head = text.partition("\n")[0]
    delimiter = settings.options.get("delimiter", "") or max(DELIMITERS, key=head.count)
    try:
        header, *rows = csv.reader(
            text.splitlines(keepends=True), delimiter=delimiter[:1], strict=True
        )
    except (csv.Error, ValueError) as error:
        raise Unmapped(f"not CSV: {error}") from None
    if len(rows) != 1:
        raise Unmapped("a quote that does not end")
    if len(header) > COLUMNS_MAX or len(rows[0]) != len(header):
        raise Unmapped(f"{len(rows[0])} columns, and the header has {len(header)}")
    ours = [names.get(name.strip(), name.strip()) for name in header]
    return {
        name: clean(value).strip() for name, value in zip(ours, rows[0], strict=True) if name
    }


def _text(body: bytes, settings: Settings) -> str:
    """Text of the encoding the channel says, or else UTF-8, or else what Windows writes."""
    for one in (settings.options.get("encoding", ""), "utf-8-sig"):
        try:
            if one:
                return body.decode(one)
        except (LookupError, ValueError):
            continue
    return body.decode("cp1252", "replace")


def number_of(told: str, settings: Settings) -> str:
    """A number as programs write it: with a decimal comma where the channel says so, without marks of thousands."""
    text = re.sub(r"[\s'\u202f\u00a0]", "", told)
    if settings.options.get("decimal") == ",":
        return text.replace(".", "").replace(",", ".")
    return text.replace(",", "")


def id_of(record: dict[str, Any]) -> str:
    """An id of a record: its own column `id`, or made of all it says."""
    told = record.get("id")
    if isinstance(told, str | int) and not isinstance(told, bool) and 0 < len(str(told)) <= 200:
        return str(told)
    return digest_of(msgspec.json.encode(record, order="sorted"))
