"""How long from a tap's messages to the terminal: the real app behind a real pseudo terminal.

    parent --"seen 7"----> child: notes the time, posts the reader's `Seen`   -> first byte on the pty: the light
    parent --"proved 7"--> child: notes the time, posts the reader's `Proved` -> the name of customer 7: the page
    parent --"bare 7"----> child: notes the time, updates one mounted Static  -> the baseline

Parent and child read the same monotonic clock. Between light and page a band takes its 60 ms or more; here a short rest.
The labels of the keys and the focus follow two frames after the page and are not part of it.
The page is decided anew for each tap, from rows in memory; reading them is not part of it (`bench tap` has that).
"""

import fcntl
import os
import pty
import select
import statistics
import struct
import subprocess
import sys
import termios
import threading
from dataclasses import dataclass
from typing import Final

from textual.message import Message

from drivers.lines import Proved, Seen
from hardware.clock import SystemClock
from hardware.entropy import SystemEntropy
from hardware.moments import micros_of
from kiosk.core import page as pages
from kiosk.core.policy import Assurance
from kiosk.core.ports import BandEvidence, Recognition
from kiosk.ui.app import KioskApp
from kiosk.ui.bridge import Parts
from kiosk.ui.messages import ReaderSaid
from kiosk.ui.widgets.plain_text import PlainText
from sync.model.operation import Evidence
from sync.model.profile import Profile
from sync.model.records import Account, Case, Customer, Order, OrderLine, Promise, Record
from sync.model.row import row_of

COLUMNS: Final = 80
ROWS: Final = 24

WARM_UP_RUNS: Final = 10
"""Taps before the clock counts: first use of caches and of the terminal."""

DEADLINE_MS: Final = 10_000
"""A page that is not there by then will not come; the bench fails."""

REST_MS: Final = 80
"""Between two commands, so that the screen is idle, focus included, when the next one comes."""

HOUR_US: Final = 3_600_000_000


class ScreenDied(Exception):
    """The app ended or fell silent in the middle of the bench."""


def measure(runs: int = 100) -> dict[str, dict[str, float | int | str]]:
    """Run the bench; takes about 0.4 s a run.

    Returns:
        Metric to median, p95, unit and runs.

    Raises:
        ScreenDied: the app ended or fell silent.
    """
    child = _Child()
    try:
        child.until(b"Hold your band")
        pages_us, lights_us, bare_us = [], [], []
        for index in range(runs + WARM_UP_RUNS):
            light_us, _ = child.timed(f"seen {index}", b"")
            _, page_us = child.timed(f"proved {index}", _name_of(index).encode())
            child.timed("done 0", b"Hold your band")
            _, update_us = child.timed(f"bare {index}", _bare_of(index).encode())
            if index >= WARM_UP_RUNS:
                pages_us.append(page_us)
                lights_us.append(light_us)
                bare_us.append(update_us)
    finally:
        child.close()
    ratio = statistics.median(pages_us) / statistics.median(bare_us)
    return {
        "screen.tap_to_bytes": _figures(pages_us),
        "screen.tap_to_light": _figures(lights_us),
        "screen.bare_update": _figures(bare_us),
        "screen.vs_bare": {
            "median": round(ratio, 2),
            "p95": round(_p95(pages_us) / _p95(bare_us), 2),
            "unit": "x",
            "runs": len(pages_us),
        },
    }


def _figures(durations_us: list[int]) -> dict[str, float | int | str]:
    return {
        "median": round(statistics.median(durations_us) / 1_000, 3),
        "p95": round(_p95(durations_us) / 1_000, 3),
        "unit": "ms",
        "runs": len(durations_us),
    }


def _p95(values: list[int]) -> float:
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * 0.95))]


def _name_of(index: int) -> str:
    return f"Guest{index:05}"


def _bare_of(index: int) -> str:
    return f"Bare{index:05}"


class _Child:
    """The app in a process of its own behind a pty, told by lines what to do."""

    def __init__(self) -> None:
        self._clock = SystemClock()
        self._terminal, inner = pty.openpty()
        fcntl.ioctl(inner, termios.TIOCSWINSZ, struct.pack("HHHH", ROWS, COLUMNS, 0, 0))
        told_out, self._tell = os.pipe()
        self._report, report_in = os.pipe()
        self._process = subprocess.Popen(  # noqa: S603  # this program itself
            [sys.executable, "-m", "kiosk.bench.screen", str(told_out), str(report_in)],
            stdin=inner, stdout=inner, stderr=inner, pass_fds=(told_out, report_in),
            start_new_session=True,
            env={
                **os.environ, "TERM": "xterm-256color", "COLORTERM": "truecolor",
                "TEXTUAL_ANIMATIONS": "none",
            },
        )  # fmt: skip
        for handle in (inner, told_out, report_in):
            os.close(handle)

    def timed(self, command: str, wanted: bytes) -> tuple[int, int]:
        """Tell the child something; microseconds until the first byte and until `wanted` is on the terminal."""
        self._drain()
        os.write(self._tell, command.encode() + b"\n")
        first_at, wanted_at = self.until(wanted)
        posted_at = int(os.read(self._report, 64))
        self._clock.sleep_ms(REST_MS)
        return first_at - posted_at, wanted_at - posted_at

    def until(self, wanted: bytes) -> tuple[int, int]:
        """Ticks of the first byte and of the one that completes `wanted`. Raises ScreenDied."""
        seen, first_at, now = b"", 0, 0
        deadline_ms = self._clock.ticks_ms() + DEADLINE_MS
        while not seen or wanted not in seen:
            left_ms = deadline_ms - self._clock.ticks_ms()
            ready, _, _ = select.select([self._terminal], [], [], max(left_ms, 0) / 1_000)
            if not ready:
                raise ScreenDied(f"{wanted.decode()} did not appear")
            seen += self._read()
            now = self._clock.ticks_us()
            first_at = first_at or now
        return first_at, now

    def _read(self) -> bytes:
        try:
            return os.read(self._terminal, 65_536)
        except OSError as error:
            raise ScreenDied("the app ended") from error

    def _drain(self) -> None:
        while select.select([self._terminal], [], [], 0)[0]:
            self._read()

    def close(self) -> None:
        """End the child and wait for it."""
        os.close(self._tell)
        os.close(self._report)
        try:
            self._process.wait(timeout=5)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        os.close(self._terminal)


@dataclass(frozen=True, slots=True)
class _Rows:
    """Recognises every band as a customer named after it, from rows in memory."""

    now_us: int

    def shop(self) -> pages.Shop:
        """A shop that exchanged a minute ago."""
        return pages.Shop(store="here", now_us=self.now_us, synced_at=self.now_us - 60_000_000)

    def recognise(self, band: BandEvidence) -> Recognition:
        """Decide the page anew."""
        page = pages.decide(self._profile(band.band), assurance=Assurance.A2, shop=self.shop())
        return Recognition(
            evidence=Evidence(assurance="A2", proof=band.proof, band=band.band),
            assurance=Assurance.A2,
            owner=page.owner,
            page=page,
            actions=pages.actions_of(page),
        )

    def _profile(self, name: str) -> Profile:
        at = self.now_us - 50 * HOUR_US
        line = OrderLine(product="shirt", title="Linen shirt", variant="M", paid_minor=3_192)
        bodies: tuple[Record, ...] = (
            Customer(id=name, given_name=name),
            Order(
                id="W-1042", at=at, channel="web", state="delivered", lines=(line,), total_minor=3_192
            ),
            Case(
                id="C-1", number="C-1", state="open", topic="size", opened_at=at, channel="phone",
                promise=Promise(by="Ana", text="an answer", due_at=self.now_us - HOUR_US),
            ),
            Account(id=f"{name}:points", points=240),
        )  # fmt: skip
        return Profile(
            name, tuple(row_of(body, owner=name, as_of=at, source="web") for body in bodies)
        )


def _evidence_of(said: Proved) -> BandEvidence:
    return BandEvidence(
        proof=said.kind,
        family=said.family,
        generation=said.generation,
        band=said.band or "",
        is_uid_only=False,
    )


class _Bare(Message):
    """Update one mounted Static and nothing else."""

    def __init__(self, words: str) -> None:
        super().__init__()
        self.words = words


class _BenchApp(KioskApp):
    """The kiosk with one more line on its screen, told by lines on a pipe what to do."""

    CSS = "#bare { dock: bottom; height: 1; width: 1fr; }"

    def __init__(self, parts: Parts, *, told: int, report: int) -> None:
        super().__init__(parts)
        self._told = told
        self._report = report

    def on_mount(self) -> None:
        """Listen from a thread of its own, as the reader's lines come in."""
        super().on_mount()
        self.screen.mount(PlainText(id="bare"))
        threading.Thread(target=self._listen, daemon=True).start()

    def _listen(self) -> None:
        clock = SystemClock()
        with os.fdopen(self._told) as lines:
            for line in lines:
                word, _, number = line.strip().partition(" ")
                posted_at = clock.ticks_us()
                self._post(word, int(number))
                os.write(self._report, str(posted_at).encode())
        self.call_from_thread(self.exit, 0)

    def _post(self, word: str, number: int) -> None:
        match word:
            case "seen":
                said = Seen(tap=number, technology="iso_dep", at_ticks_us=0)
                self.post_message(ReaderSaid(said))
            case "proved":
                name = _name_of(number)
                proof = Proved(
                    tap=number,
                    kind="mutual",
                    family="desfire",
                    generation=2,
                    uid=None,
                    band=name,
                )
                self.post_message(ReaderSaid(proof))
            case "bare":
                self.post_message(_Bare(_bare_of(number)))
            case _:
                self.call_from_thread(self.pane.finish)

    def on__bare(self, event: _Bare) -> None:
        """The baseline."""
        self.query_one("#bare", PlainText).say(event.words)


def child(arguments: list[str]) -> int:
    """The child's side: file descriptors of the pipe it is told on and the one it reports on."""
    told, report = (int(argument) for argument in arguments)
    clock = SystemClock()
    rows = _Rows(micros_of(clock.now()))
    parts = Parts(
        recogniser=rows,
        evidence_of=_evidence_of,
        shop=rows.shop,
        clock=clock,
        entropy=SystemEntropy(),
    )
    return _BenchApp(parts, told=told, report=report).run() or 0


if __name__ == "__main__":
    sys.exit(child(sys.argv[1:]))
