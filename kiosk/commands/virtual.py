"""`tapthread virtual`: virtual readers and virtual bands, for any program that speaks to a PN532 or to PC/SC.

It says one line when its readers can be used and answers each line of standard input with one line:

    ready pn532=PATH vpcd=HOST:PORT
    present NAME [NAME ...]   ->  ok present NAME ...       exactly these bands lie on the readers
    remove                    ->  ok remove                 none does
    fault NAME [N]            ->  ok fault NAME N           of bands presented from now on; or of a reader, at once
    quit                      ->  ok quit                   the end, as with SIGTERM and SIGINT
    anything else             ->  error CODE words

Bands are the demo's and one of each kind in `hardware.virtual.catalogue`; hardware/virtual/README.md says what their keys
are. NAME:2 and on are further bands of a kind. Without a LINK the PN532 is on a terminal of its own, which the first line names.

Codes: unknown-band, unknown-command, unknown-fault, impossible, link, usage. The end of standard input ends nothing unless
--until-eof is given. A link that a virtual reader left behind is taken over; that of one that is running, and anything else, is
left alone. Exit codes: 0 ended as asked, 1 a reader could not be brought up, 2 the command line made no sense.
"""

import os
import select
import signal
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Final

import typer

from hardware.clock import Clock, SystemClock
from hardware.descriptors import hold_standard
from hardware.entropy import SystemEntropy
from hardware.virtual.band import VirtualBand
from hardware.virtual.catalogue import SAMPLES, sample_band
from hardware.virtual.faults import MEANINGS, Fault, FaultKind, FaultyBand
from hardware.virtual.field import BAND_COUNT_MAX, Field
from hardware.virtual.originality import (
    DESFIRE_TEST_KEY,
    NTAG21X_TEST_KEY,
    NTAG424_TEST_KEY,
    ULTRALIGHT_AES_TEST_KEY,
)
from hardware.virtual.pn532 import LineFault, LinkTaken, VirtualPn532
from hardware.virtual.vpcd import VirtualVpcd, VpcdAbsent
from kiosk import settings
from kiosk.commands import options
from kiosk.demo.bands import demo_bands
from kiosk.demo.virtual_bands import capsule_of, virtual_band_of

EXIT_FAILED: Final = 1
EXIT_USAGE: Final = 2
STDIN, STDOUT = 0, 1
READ_SIZE: Final = 4_096
LINE_SIZE_MAX: Final = 1_024
"""A line names a few bands; a longer one is not for us."""

ECHO_SIZE_MAX: Final = 60
"""Characters of a foreign word that are said back."""

FAULT_AT_MAX: Final = 100_000
"""No exchange has so many bytes, and nobody waits so many milliseconds."""

PORT_DIGITS_MAX: Final = 5

TERMINALS: Final = Path("/dev/pts")
"""Where pseudo terminals are; a link to one was made by a virtual reader, and may be stale."""

READER_MEANINGS: Final = {
    "uart-garbage": "noise on the serial line before the next answer",
    "uart-late": "the next answer comes N milliseconds late",
    "uart-no-ack": "the next command is not acknowledged",
    "uart-bad-checksum": "the checksum of the next answer does not fit",
    "uart-one-speed": "it refuses to be set to another speed, from now on",
    "reader-lost": "the PN532 is unplugged",
    "reader-back": "and plugged in again",
    "slot-lost": "the PC/SC slot is left, as when its daemon restarts",
    "slot-back": "and joined again",
}
"""Faults of the readers themselves, which act at once, in words for a list."""

MAKER_KEYS: Final = {
    "maker-desfire": DESFIRE_TEST_KEY,
    "maker-ntag424": NTAG424_TEST_KEY,
    "maker-ultralight-aes": ULTRALIGHT_AES_TEST_KEY,
    "maker-ntag21x": NTAG21X_TEST_KEY,
}
"""What signs the virtual chips, for plans to practise with."""

DEVICES: Final = (
    ("--pn532 [LINK]", "a PN532 on a pseudo terminal, linked at LINK"),
    ("--vpcd HOST:PORT", "a card in the slot that vpcd offers there to a PC/SC daemon"),
)
"""The readers, as the command line asks for them."""


class Unready(Exception):
    """A reader could not be brought up; the sentence says why, the code is the first argument."""

    def __init__(self, code: str, sentence: str, *, exit_code: int) -> None:
        super().__init__(sentence)
        self.code = code
        self.exit_code = exit_code


class Rig:
    """The readers of this process and the one field they share.

    A name stands for one band for as long as this process runs: what was written to it stays.
    """

    def __init__(
        self,
        *,
        clock: Clock,
        link: Path | None,
        has_pn532: bool,
        slot: tuple[str, int] | None,
        pace_baud: int,
    ) -> None:
        """Prepare the readers; `start` brings them up. `link` None: the PN532 has only its own terminal."""
        self._clock = clock
        self._link = link
        self._has_pn532 = has_pn532
        self._slot = slot
        self._pace_baud = pace_baud
        self._field = Field()
        self._fault = Fault(FaultKind.NONE)
        self._bands: dict[str, VirtualBand] = {
            band.name: virtual_band_of(band, capsule=capsule_of(band, now=clock.now()))
            for band in demo_bands()
        }
        self._pn532: VirtualPn532 | None = None
        self._vpcd: VirtualVpcd | None = None
        self._acts: Mapping[str, Callable[[list[str]], str]] = {
            "present": self._present,
            "remove": self._remove,
            "fault": self._set_fault,
        }

    @property
    def where(self) -> str:
        """Where the readers are, as the first line says it."""
        told = [] if self._pn532 is None else [f"pn532={self._link or self._pn532.path}"]
        if self._slot is not None:
            told.append(f"vpcd={self._slot[0]}:{self._slot[1]}")
        return " ".join(told)

    def start(self) -> None:
        """Bring the readers up. Raises Unready."""
        if self._has_pn532:
            self._plug_in()
        if self._slot is not None:
            self._join(self._slot)

    def wait_until_met(self) -> None:
        """Let a PC/SC daemon find what lies in its slot, so that whoever hears that all is ready finds it too."""
        if self._vpcd is not None:
            self._vpcd.wait_until_met()

    def close(self) -> None:
        """Take the readers down and remove the link. A band that dawdles is taken away first."""
        self._field.remove()
        if self._pn532 is not None:
            self._pn532.close()
        if self._vpcd is not None:
            self._vpcd.close()

    def answer(self, line: str) -> str:
        """Do what a line asks and say how it went."""
        if len(line) > LINE_SIZE_MAX:
            return f"error usage a line has at most {LINE_SIZE_MAX} characters"
        words = line.split()
        if not words:
            return "error usage say present NAME, remove, fault NAME or quit"
        act = self._acts.get(words[0])
        if act is None:
            return f"error unknown-command {_short(words[0])}; there are {', '.join(self._acts)}, quit"
        return act(words[1:])

    def _join(self, slot: tuple[str, int]) -> None:
        vpcd = VirtualVpcd(field=self._field, host=slot[0], port=slot[1])
        try:
            vpcd.start()
        except VpcdAbsent as error:
            vpcd.close()
            raise Unready(
                "vpcd-absent",
                f"{error}; is pcscd running with its vpcd driver?",
                exit_code=EXIT_FAILED,
            ) from error
        self._vpcd = vpcd

    def _plug_in(self) -> None:
        link = self._link
        if link is not None and os.path.lexists(link) and not _is_to_terminal(link):
            raise Unready(
                "link",
                f"{link} is there already and is no link to a terminal; it is left alone",
                exit_code=EXIT_USAGE,
            )
        pn532 = VirtualPn532(
            field=self._field, clock=self._clock, link=link, pace_baud=self._pace_baud
        )
        try:
            pn532.start()
        except LinkTaken as error:
            pn532.close()
            raise Unready(
                "link",
                f"{link} is the PN532 of a `tapthread virtual` that is running; end that one, or give another link",
                exit_code=EXIT_USAGE,
            ) from error
        except OSError as error:
            pn532.close()
            raise Unready(
                "link", f"{link} cannot be made: {error.strerror}", exit_code=EXIT_USAGE
            ) from error
        self._pn532 = pn532

    def _present(self, names: list[str]) -> str:
        unknown = [name for name in names if not self._is_band(name)]
        if unknown:
            return f"error unknown-band there is no {_short(unknown[0])}; tapthread virtual --list names them"
        if not 1 <= len(names) <= BAND_COUNT_MAX or len(set(names)) != len(names):
            return f"error usage present one to {BAND_COUNT_MAX} different bands"
        try:
            bands = [
                FaultyBand(self._bands[name], self._fault, field=self._field, clock=self._clock)
                for name in names
            ]
        except ValueError as error:
            return f"error impossible {error}"
        self._field.present(*bands)
        return f"ok present {' '.join(names)}"

    def _is_band(self, name: str) -> bool:
        """Is there a band of that name? Made when it is first asked for; its signature takes a moment."""
        if name not in self._bands:
            try:
                self._bands[name] = sample_band(name, entropy=SystemEntropy())
            except KeyError:
                return False
        return True

    def _remove(self, rest: list[str]) -> str:
        if rest:
            return "error usage remove takes all bands away and no name"
        self._field.remove()
        return "ok remove"

    def _set_fault(self, words: list[str]) -> str:
        kinds = {kind.value: kind for kind in FaultKind}
        if (
            not words
            or len(words) > 2
            or not all(
                word.isdecimal() and 1 <= int(word) <= FAULT_AT_MAX for word in words[1:]
            )
        ):
            return f"error usage fault NAME [N], N from 1 to {FAULT_AT_MAX}"
        name = words[0]
        if name in READER_MEANINGS:
            return self._hurt_reader(name, *(int(word) for word in words[1:]))
        if name not in kinds:
            return f"error unknown-fault there is no {_short(name)}; known: {', '.join((*kinds, *READER_MEANINGS))}"
        self._fault = Fault(kinds[name], *(int(word) for word in words[1:]))
        return f"ok fault {name} {self._fault.at}"

    def _hurt_reader(self, name: str, delay_ms: int = 1) -> str:
        is_slot = name.startswith("slot-")
        if not (self._slot if is_slot else self._has_pn532):
            return f"error usage {name} needs a reader made with {'--vpcd' if is_slot else '--pn532'}"
        try:
            self._plug(name)
        except Unready as error:
            return f"error {error.code} {error}"
        lines = {fault.value: fault for fault in LineFault}
        if name in lines:
            if self._pn532 is None:
                return f"error usage {name} needs a reader that is plugged in"
            self._pn532.hurt(lines[name], delay_ms=delay_ms)
        return f"ok fault {name}"

    def _plug(self, name: str) -> None:
        """Lose a reader or bring it back; harmless when it is so already. Raises Unready."""
        if name == "reader-back" and self._pn532 is None:
            self._plug_in()
        elif name == "reader-lost" and self._pn532 is not None:
            self._pn532.close()
            self._pn532 = None
        elif name == "slot-back" and self._vpcd is None and self._slot is not None:
            self._join(self._slot)
        elif name == "slot-lost" and self._vpcd is not None:
            self._vpcd.close()
            self._vpcd = None


def _short(word: str) -> str:
    """A foreign word, safe to say back."""
    return ascii(word[:ECHO_SIZE_MAX])


def _is_to_terminal(link: Path) -> bool:
    try:
        return link.readlink().parent == TERMINALS
    except OSError:
        return False


def say(line: str) -> None:
    """One line on standard output, at once; when nobody reads it any more, go on without."""
    try:
        os.write(STDOUT, line.encode() + b"\n")
    except OSError:
        descriptor = os.open(os.devnull, os.O_WRONLY)
        os.dup2(descriptor, STDOUT)
        os.close(descriptor)


class _Talk:
    """Lines of standard input, lines of standard output, and the signals that mean the end."""

    def __init__(self) -> None:
        self._wake_read, self._wake_write = os.pipe()
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(number, lambda *_: os.write(self._wake_write, b"\x00"))

    def lines(self, *, is_end_the_end: bool) -> Iterator[str]:
        """Each line as it comes, until a signal, or the end of input where that is the end.

        Of a line that is too long as much comes as shows that it is; the last one needs no line feed.
        """
        rest = b""
        watched = [STDIN, self._wake_read]
        while True:
            ready, _, _ = select.select(watched, [], [])
            if self._wake_read in ready:
                return
            some = _read(STDIN)
            *lines, rest = (rest + some).split(b"\n")
            if not some:
                lines = [rest] if rest else []
                watched.remove(STDIN)
            for line in lines:
                yield line.decode("utf-8", "replace").strip()
            if not some and is_end_the_end:
                return
            rest = rest[: LINE_SIZE_MAX + 1]

    def say(self, line: str) -> None:
        """One line, as soon as there is room for it; a signal ends the wait for somebody who does not read."""
        _, writable, _ = select.select([self._wake_read], [STDOUT], [])
        if writable:
            say(line)


def _read(descriptor: int) -> bytes:
    try:
        return os.read(descriptor, READ_SIZE)
    except OSError:
        return b""


def slot_of(text: str) -> tuple[str, int]:
    """HOST:PORT as a pair. Raises Unready for anything else."""
    host, _, port = text.rpartition(":")
    if (
        not host
        or not port.isdecimal()
        or len(port) > PORT_DIGITS_MAX
        or not 1 <= int(port) <= 65_535
    ):
        raise Unready(
            "address", f"--vpcd takes HOST:PORT, not {text[:60]!a}", exit_code=EXIT_USAGE
        )
    return host.strip("[]"), int(port)


def _list() -> None:
    """Name, kind and words of everything there is, a line each: the demo's bands, one of each kind, faults, readers, keys."""
    for band in demo_bands():
        say(f"{band.name}  {band.chip}  {band.customer or '-'}")
    for sample in SAMPLES:
        say(f"{sample.name}  {sample.chip}  {sample.words}")
    for kind, words in MEANINGS.items():
        say(f"{kind.value}  fault  {words}")
    for name, words in READER_MEANINGS.items():
        say(f"{name}  reader fault  {words}")
    for name, words in DEVICES:
        say(f"{name}  reader  {words}")
    for name, key in MAKER_KEYS.items():
        say(f"{name}  public key  {key.public.hex()}")


def run(  # noqa: PLR0913, PLR0917 (its arguments are the command's options)
    pn532: Annotated[
        Path | None,
        typer.Option(
            "--pn532", metavar="LINK", help="Make a PN532 on a terminal and link it here."
        ),
    ] = None,
    vpcd: Annotated[
        str | None,
        typer.Option(
            "--vpcd", metavar="HOST:PORT", help="Join the PC/SC slot vpcd offers there."
        ),
    ] = None,
    band: Annotated[
        list[str] | None,
        typer.Option(
            "--band",
            metavar="NAME",
            help="Put this band in the field at once; more than one may be.",
        ),
    ] = None,
    fault: Annotated[
        str | None,
        typer.Option("--fault", metavar="NAME[:N]", help="What is wrong with it."),
    ] = None,
    pace: Annotated[
        int,
        typer.Option(
            "--pace",
            metavar="BAUD",
            min=0,
            help="Hold the serial line's bytes back as at this speed; 0 does not.",
        ),
    ] = 0,
    list_bands: Annotated[
        bool,
        typer.Option("--list", help="Print bands, faults and readers, one a line, name first."),
    ] = False,
    until_eof: Annotated[
        bool, typer.Option("--until-eof", help="End when standard input ends.")
    ] = False,
    data: options.Data = None,
    centre: options.Centre = None,
    reader: options.Reader = None,
) -> None:
    """Run virtual readers and bands; lines on standard input say what lies on the readers."""
    hold_standard()
    settings.load(data=data, centre=centre, reader=reader)
    if list_bands:
        _list()
        return
    try:
        _serve(_Wish(pn532, vpcd, tuple(band or ()), fault, pace), is_end_the_end=until_eof)
    except Unready as error:
        typer.echo(f"tapthread virtual: {error} [{error.code}]", err=True)
        raise typer.Exit(error.exit_code) from error


@dataclass(frozen=True, slots=True)
class _Wish:
    """What the command line asks for."""

    link: Path | None
    vpcd: str | None
    bands: tuple[str, ...]
    fault: str | None
    pace_baud: int

    @property
    def has_pn532(self) -> bool:
        """Asked for by a link, or by a band without any reader to lie on."""
        return self.link is not None or (self.vpcd is None and bool(self.bands))

    def lines(self) -> Iterator[str]:
        """What of it standard input could have said."""
        if self.fault is not None:
            yield f"fault {self.fault.replace(':', ' ', 1)}"
        if self.bands:
            yield f"present {' '.join(self.bands)}"


def _serve(wish: _Wish, *, is_end_the_end: bool) -> None:
    slot = None if wish.vpcd is None else slot_of(wish.vpcd)
    if not wish.has_pn532 and slot is None:
        raise Unready(
            "usage",
            "say --band NAME, --pn532 LINK, --vpcd HOST:PORT, or --list",
            exit_code=EXIT_USAGE,
        )
    talk = _Talk()
    rig = Rig(
        clock=SystemClock(),
        link=wish.link and wish.link.absolute(),
        has_pn532=wish.has_pn532,
        slot=slot,
        pace_baud=wish.pace_baud,
    )
    try:
        for line in wish.lines():
            _expect_done(rig.answer(line))
        rig.start()
        if wish.bands:
            rig.wait_until_met()
        talk.say(f"ready {rig.where}")
        for line in talk.lines(is_end_the_end=is_end_the_end):
            if line == "quit":
                talk.say("ok quit")
                break
            talk.say(rig.answer(line))
    finally:
        rig.close()


def _expect_done(answer: str) -> None:
    """Raises Unready with what an answer says when it is an error."""
    if answer.startswith("error "):
        _, code, sentence = answer.split(" ", 2)
        raise Unready(code, sentence, exit_code=EXIT_USAGE)
