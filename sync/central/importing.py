"""A file of records, taken into a channel: record by record, some hundred a transaction, from where the last run ended.

    read a record -> facts -> written down, with the position behind it, in one transaction -> what cannot be taken: aside

What is set aside goes into FILE.rejects with the number of its line and the reason, before its transaction is durable; a run
that goes on first cuts off what was never made durable. So each record is taken once, or stands there once, wherever
a run was killed. A file is known by how it begins, and may have grown.
"""

import hashlib
import logging
import os
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from itertools import islice
from pathlib import Path
from typing import BinaryIO, Final, Protocol, runtime_checkable

import msgspec

from sync.central import events
from sync.central.channels.adapter import Delivery, Settings, Unmapped
from sync.central.channels.facts import AnyFact
from sync.central.channels.files import LINE_MAX, NDJSON, Piece, is_ndjson
from sync.central.errors import CannotJoin, Erased
from sync.central.intake import Intake
from sync.central.outcomes import event_id
from sync.central.parts import Parts
from sync.central.positions import position_of, set_position
from sync.central.taking import NotYet
from sync.central.told_shapes import Unusable
from sync.central.transaction import Transaction
from sync.model.errors import Malformed, StoreError, SyncError

log = logging.getLogger(__name__)

BATCH: Final = 200
"""Records of a transaction: the centre's other writers wait for one no longer than for a page."""

HEAD_SIZE: Final = 4_096
"""Bytes a file is known by."""

WHAT: Final = "import"


class CannotImport(SyncError):
    """A file that cannot be taken into this channel; the sentence says why."""

    code = "cannot_import"


@runtime_checkable
class OfFiles(Protocol):
    """An adapter whose channel takes files."""

    def pieces(
        self, lines: Iterable[bytes], settings: Settings, *, line: int, header: bytes
    ) -> Iterator[Piece]:
        """What stands alone in a file, from a line on."""
        ...


@dataclass(slots=True)
class Imported:
    """What became of a file so far.

    Attributes:
        n_taken: Records that were written down.
        n_again: Records that were here before.
        n_waiting: Records that speak of what is not known yet, and are kept until it is.
        n_rejected: Records in the file of rejects, with those of earlier runs.
        at, size: Bytes read, and of the file.
        line: The next line.
        resumed_at: Line this run began at, 1 for the beginning.
        was_whole: Whether an earlier run had read it to its end.
    """

    n_taken: int = 0
    n_again: int = 0
    n_waiting: int = 0
    n_rejected: int = 0
    at: int = 0
    size: int = 0
    line: int = 1
    resumed_at: int = 1
    was_whole: bool = False


@dataclass(slots=True)
class _Record:
    """A piece with what it says, or why it says nothing."""

    piece: Piece
    id: str = ""
    type: str = ""
    at: int = 0
    body: bytes = field(default=b"", repr=False)
    facts: tuple[AnyFact, ...] = ()
    wrong: str = ""


class Importing:
    """Files into the channels of a centre."""

    def __init__(self, parts: Parts, intake: Intake) -> None:
        """Over the parts of one centre."""
        self._parts = parts
        self._intake = intake

    def run(
        self, path: Path, channel: str, *, tell: Callable[[Imported], None] = lambda _: None
    ) -> Imported:
        """Take a file, from where it was left.

        Args:
            path: The file; beside it is written FILE.rejects.
            channel: Name of the channel it is of.
            tell: Called after every transaction.

        Raises:
            CannotImport: there is no such channel, it takes no files, it is paused, or the file cannot be read.
            StoreError: the database could not take it; run it again.
        """
        settings, adapter = self._intake.settings(channel), self._intake.adapter(channel)
        if settings is None or adapter is None:
            raise CannotImport(f"there is no channel {channel!r}")
        if not isinstance(adapter, OfFiles):
            raise CannotImport(f"a channel of {settings.adapter} takes no files")
        with self._parts.store.reading() as snapshot:
            if events.is_paused(snapshot.sql, channel):
                raise CannotImport(f"the channel {channel!r} is paused")
            known = position_of(snapshot.sql, channel, WHAT)
        try:
            with path.open("rb") as file:
                return self._take(file, path, settings, adapter, known, tell)
        except OSError as error:
            raise CannotImport(f"{path} or the file beside it: {error.strerror}") from error

    def _take(  # a file and where it goes
        self,
        file: BinaryIO,
        path: Path,
        settings: Settings,
        adapter: OfFiles,
        known: dict[str, object],
        tell: Callable[[Imported], None],
    ) -> Imported:
        done = Imported(size=os.fstat(file.fileno()).st_size)
        head = file.read(min(HEAD_SIZE, _number(known, "head_size") or HEAD_SIZE))
        is_known = (
            bool(known)
            and known.get("head") == _digest(head)
            and done.size >= _number(known, "at")
        )
        if not is_known:
            file.seek(0)
            head = file.read(HEAD_SIZE)
        rejects = Path(f"{path}.rejects")
        if is_known:
            done.at, done.line, done.n_rejected = (
                _number(known, one) for one in ("at", "line", "n_rejected")
            )
            done.resumed_at = done.line
            done.was_whole = done.at == done.size
        with rejects.open("ab") as aside:
            aside.truncate(_number(known, "aside") if is_known else 0)
            aside.seek(0, os.SEEK_END)
            file.seek(0)
            header = (
                b""
                if is_ndjson(head)
                else file.readline(LINE_MAX).removeprefix(b"\xef\xbb\xbf")
            )
            begins_inside = done.at > 0
            file.seek(done.at)
            lines = iter(lambda: file.readline(LINE_MAX), b"")
            pieces = adapter.pieces(
                lines, settings, line=done.line, header=header if begins_inside else b""
            )
            while batch := list(islice(pieces, BATCH)):
                records = [self._read(piece, settings) for piece in batch]
                self._write(records, settings, done, head, aside)
                tell(done)
        if not rejects.stat().st_size:
            rejects.unlink()
        return done

    def _read(self, piece: Piece, settings: Settings) -> _Record:
        """What a piece says."""
        delivery = Delivery(
            piece.body,
            {"content-type": NDJSON if piece.is_json else "text/csv"},
            f"file:{piece.line}",
            "FILE",
            self._parts.now // 1_000_000,
        )
        adapter = self._intake.adapter(settings.name)
        assert adapter is not None
        try:
            (event,) = adapter.events(delivery, settings)
            facts = adapter.facts(event, settings)
        except Unmapped as error:
            return _Record(piece, wrong=str(error))
        except Exception as error:  # a defect in an adapter stops no other record
            log.exception("adapter raised", extra={"kind": settings.adapter})
            return _Record(piece, wrong=f"{settings.adapter} raised {type(error).__name__}")
        return _Record(
            piece, event_id(event), event.type, event.at, msgspec.json.encode(event.body), facts
        )

    def _write(
        self,
        records: list[_Record],
        settings: Settings,
        done: Imported,
        head: bytes,
        aside: BinaryIO,
    ) -> None:
        """One transaction: what the records say, and the position behind them."""
        now, begins = self._parts.now, aside.tell()

        def change(transaction: Transaction) -> Imported:
            sofar = replace(done)
            aside.truncate(begins)  # a transaction may be tried again
            aside.seek(0, os.SEEK_END)
            for record in records:
                wrong = record.wrong or self._keep(transaction, settings, record, sofar, now)
                if wrong:
                    sofar.n_rejected += 1
                    aside.write(_rejected(record.piece, wrong, is_first=aside.tell() == 0))
                sofar.at += record.piece.size
                sofar.line = record.piece.end
            aside.flush()
            os.fsync(aside.fileno())
            position = {
                "head": _digest(head), "head_size": len(head), "at": sofar.at, "line": sofar.line, "aside": aside.tell(),
                "n_rejected": sofar.n_rejected,
            }  # fmt: skip
            set_position(transaction, settings.name, WHAT, position, now=now)
            return sofar

        after = self._parts.write(change, keys=(f"import/{settings.name}",))
        for name in ("n_taken", "n_again", "n_waiting", "n_rejected", "at", "line"):
            setattr(done, name, getattr(after, name))

    def _keep(
        self,
        transaction: Transaction,
        settings: Settings,
        record: _Record,
        sofar: Imported,
        now: int,
    ) -> str:
        """Write one record down; why it cannot be, "" when it was."""
        headers = Delivery(b"", url="file:", method="FILE", now=now // 1_000_000)
        try:
            with transaction.part():
                head = events.head_of(headers, record.type, record.at)
                name = settings.name
                if not events.keep(
                    transaction,
                    name,
                    record.id,
                    head=head,
                    form="event",
                    raw=record.body,
                    now=now,
                ):
                    sofar.n_again += 1
                    return ""
                state, reason, owners = events.DONE, "", tuple[str, ...]()
                try:
                    with transaction.part():
                        owners = self._intake.take_facts(
                            transaction, settings, record.facts, event_id=record.id
                        )
                except NotYet as error:
                    state, reason = events.WAITING, f"{events.AWAITS}{error.ref}"
                except Erased:
                    state = events.ERASED
                events.settle(
                    transaction, name, record.id, state, reason=reason, owners=owners,
                    next_at=now if state == events.WAITING else 0,
                )  # fmt: skip
        except StoreError:
            raise
        except (Unmapped, Unusable, CannotJoin, Malformed) as error:
            return str(error) or type(error).__name__
        except Exception as error:  # a fact nobody foresaw stops no other record
            log.exception("record raised", extra={"kind": settings.adapter})
            return f"{settings.adapter} raised {type(error).__name__}"
        if state == events.WAITING:
            sofar.n_waiting += 1
        else:
            sofar.n_taken += 1
        return ""


def _number(known: dict[str, object], name: str) -> int:
    value = known.get(name, 0)
    return value if isinstance(value, int) else 0


def _digest(head: bytes) -> str:
    return hashlib.sha256(head).hexdigest()


def _rejected(piece: Piece, reason: str, *, is_first: bool) -> bytes:
    """Lines of the file of rejects: JSON for JSON; else CSV, the columns of the file behind two of ours."""
    if piece.is_json:
        told = {
            "line": piece.line,
            "reason": reason,
            "record": piece.body.decode("utf-8", "replace").strip(),
        }
        return msgspec.json.encode(told) + b"\n"
    header, _, rows = piece.body.partition(b"\n")
    text = header.decode("utf-8", "replace")
    mark = max(";,\t|", key=text.count)
    said = reason.replace('"', "'").replace("\n", " ")
    begun = f'{piece.line}{mark}"{said}"{mark}'.encode()
    lines = rows if rows.endswith(b"\n") else rows + b"\n"
    top = f"line{mark}reason{mark}".encode() + header.rstrip(b"\r") + b"\n" if is_first else b""
    return top + begun + lines
