"""Recorded exchanges: text a person can review, the connection that replays it, and the one that records.

    # anything                 a comment
    = 3B 8F 80 01              answer of the band when it entered the field, once, before the first exchange
    > FF CA 00 00 00           sent
    < 04 A1 B2 90 00           received
    ! silent                   it did not answer, and was activated anew; a band without ISO-DEP says no that way
    ! left                     the band was taken away instead of answering; nothing follows

Two spaces or more after the bytes begin a remark.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass

from drivers.connection import Connection
from drivers.errors import BandLeft, BandMalformed, BandSilent, Delivery, ReaderFault

TEXT_SIZE_MAX = 65_536
"""Characters of a transcript; a person could not review a longer one."""

EXCHANGE_MAX = 256
"""Exchanges of a transcript; the longest reading of ours takes eight."""

LEFT, SILENT = "! left", "! silent"
"""Lines in the place of an answer."""

_BYTES = re.compile(r"[0-9A-Fa-f]{2}(?: [0-9A-Fa-f]{2})*")


@dataclass(frozen=True, slots=True)
class Exchange:
    """One command and its answer; None when none came.

    Attributes:
        sent: The command.
        received: The answer; None when the band was taken away instead, or fell silent.
        is_silent: There was none, and the band is still there.
    """

    sent: bytes
    received: bytes | None
    is_silent: bool = False


@dataclass(frozen=True, slots=True)
class Transcript:
    """One recorded band.

    Attributes:
        title: What reader, band and day; the comments of the text.
        answer: ATR or ATS.
        exchanges: In order; after one where the band left there is none.
    """

    title: tuple[str, ...]
    answer: bytes
    exchanges: tuple[Exchange, ...]


def transcript_of(text: str) -> Transcript:
    """The transcript a text stands for. Raises BandMalformed, naming the line, for anything else."""
    if len(text) > TEXT_SIZE_MAX:
        raise BandMalformed("the transcript is too long")
    reading = _Reading()
    for number, line in enumerate(text.split("\n"), start=1):
        problem = reading.take(line.rstrip())
        if problem:
            raise BandMalformed(f"line {number}: {problem}")
    if reading.sent is not None:
        raise BandMalformed("the last command has no answer")
    return Transcript(tuple(reading.title), reading.answer or b"", tuple(reading.exchanges))


class _Reading:
    """A transcript while it is read line by line."""

    def __init__(self) -> None:
        self.title: list[str] = []
        self.answer: bytes | None = None
        self.exchanges: list[Exchange] = []
        self.sent: bytes | None = None
        self._is_over = False

    def take(self, line: str) -> str:
        """Take in one line; "" or what is wrong with it."""
        if not line or line.startswith("#"):
            self.title += [line[1:].strip()] if line else []
            return ""
        if self._is_over or len(self.exchanges) >= EXCHANGE_MAX:
            return "nothing may follow"
        if _is_sign(line, LEFT):
            self._is_over = True
            return self._received(None)
        if _is_sign(line, SILENT):
            return self._received(None, is_silent=True)
        sign, _, rest = line.partition(" ")
        content = _bytes_of(rest)
        if content is None:
            return "no bytes"
        return self._taken(sign, content)

    def _taken(self, sign: str, content: bytes) -> str:
        if sign == "=" and self.answer is None and not self.exchanges and self.sent is None:
            self.answer = content
            return ""
        if sign == ">" and self.sent is None:
            self.sent = content
            return ""
        if sign == "<":
            return self._received(content)
        return "out of order"

    def _received(self, content: bytes | None, *, is_silent: bool = False) -> str:
        if self.sent is None:
            return "an answer without a command"
        self.exchanges.append(Exchange(self.sent, content, is_silent))
        self.sent = None
        return ""


def _is_sign(line: str, sign: str) -> bool:
    """Is the line this sign, perhaps with a remark?"""
    return line == sign or line.startswith(f"{sign}  ")


def _bytes_of(rest: str) -> bytes | None:
    spelled = rest.partition("  ")[0]
    return bytes.fromhex(spelled) if _BYTES.fullmatch(spelled) else None


def text_of(transcript: Transcript) -> str:
    """The text of a transcript, without remarks."""
    lines = [f"# {line}" for line in transcript.title]
    if transcript.answer:
        lines.append("= " + transcript.answer.hex(" ").upper())
    for exchange in transcript.exchanges:
        lines.append("> " + exchange.sent.hex(" ").upper())
        received = exchange.received
        none = SILENT if exchange.is_silent else LEFT
        lines.append(none if received is None else "< " + received.hex(" ").upper())
    return "\n".join(lines) + "\n"


class ReplayConnection:
    """Answers as recorded, and refuses whatever was not."""

    def __init__(self, transcript: Transcript, *, generation: int = 1) -> None:
        self._exchanges = transcript.exchanges
        self._generation = generation
        self._at = 0

    @property
    def generation(self) -> int:
        """As given."""
        return self._generation

    @property
    def is_used_up(self) -> bool:
        """Was everything sent that was recorded?"""
        return self._at == len(self._exchanges)

    def transmit(self, command: bytes) -> bytes:
        """The recorded answer. Raises ReaderFault for a command that was not recorded here, BandLeft and BandSilent as recorded."""
        if self.is_used_up or self._exchanges[self._at].sent != command:
            raise ReaderFault("this was not recorded", delivery=Delivery.NOT_SENT)
        exchange = self._exchanges[self._at]
        self._at += 1
        if exchange.is_silent:
            raise BandSilent("the band did not answer", delivery=Delivery.UNKNOWN)
        if exchange.received is None:
            raise BandLeft("the band was taken away", delivery=Delivery.UNKNOWN)
        return exchange.received


class RecordingConnection:
    """Passes everything on to another connection and remembers it.

    What is in `stand_ins` is replaced wherever it occurs: true UIDs, references, keys. Cryptograms cannot be replaced
    without breaking the replay, so a band that is recorded holds test keys and a reader draws from a seed.
    """

    def __init__(
        self, connection: Connection, *, stand_ins: Mapping[bytes, bytes] | None = None
    ) -> None:
        self._connection = connection
        self._stand_ins = dict(stand_ins or {})
        self._exchanges: list[Exchange] = []

    @property
    def generation(self) -> int:
        """As in the connection underneath."""
        return self._connection.generation

    def transmit(self, command: bytes) -> bytes:
        """As in the connection underneath; a band that left or fell silent is remembered too."""
        try:
            received = self._connection.transmit(command)
        except BandSilent:
            self._exchanges.append(Exchange(self._clean(command), None, is_silent=True))
            raise
        except BandLeft:
            self._exchanges.append(Exchange(self._clean(command), None))
            raise
        self._exchanges.append(Exchange(self._clean(command), self._clean(received)))
        return received

    def transcript(self, *, title: tuple[str, ...], answer: bytes) -> Transcript:
        """What was recorded so far."""
        return Transcript(title, self._clean(answer), tuple(self._exchanges))

    def _clean(self, content: bytes) -> bytes:
        for true, stand_in in self._stand_ins.items():
            content = content.replace(true, stand_in)
        return content
