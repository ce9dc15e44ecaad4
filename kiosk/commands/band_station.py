"""What `tapthread band` does at an encoder station: opens reader, keys and journal, and talks with the person there.

Imported by `kiosk.commands.band` when it is used, and only where `drivers.issuing` is installed.
"""

import contextlib
import json
import signal
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from shlex import quote
from typing import Any, Final, NoReturn

import typer

from drivers.chips.desfire import KeyRefused
from drivers.errors import (
    BandError,
    BandLeft,
    BandRefused,
    DriverError,
    ReaderAbsent,
    ReaderError,
)
from drivers.issuing.desfire import Means
from drivers.issuing.errors import (
    BandOfAnother,
    BandRejected,
    JournalDamaged,
    NotAsPlanned,
    NotGenuine,
    PlanMalformed,
    WrongBand,
)
from drivers.issuing.journal import RETIRE, Journal
from drivers.issuing.label import svg_of
from drivers.issuing.looking import Ring, looked
from drivers.issuing.numbering import Span, check_labels, first_number, is_reserved, reserve
from drivers.issuing.plan import PRACTICE, Chip, Plan, example, plan_of, practice_example
from drivers.issuing.sheet import Outcome, Reported, Wanted, reported_of, wanted_of
from drivers.issuing.station import (
    ISSUE,
    STILL_RETIRING,
    Errand,
    Job,
    Said,
    Station,
    issued_in,
    name_of_sheet,
    whole_of,
)
from drivers.issuing.steps import Found, Step
from drivers.issuing.telling import Lines
from drivers.readers.base import WAIT_MS_MAX, Reader
from drivers.readers.opening import is_known, opened
from drivers.status import shown
from drivers.target import Target
from hardware.clock import Clock, SystemClock
from hardware.disk import SystemDisk
from hardware.entropy import SystemEntropy
from hardware.errors import DeviceError, FolderInUse
from kiosk.band_keys import GROUP_FILE, MASTER_FILE, BandKeyFiles
from kiosk.commands.counting import counted
from kiosk.commands.progress_line import ProgressLine
from kiosk.commands.tap import MESSAGES
from kiosk.station_keys import ISSUER_FILE, LentKeys, StationKeyFiles
from sync.edge.progress import Meter

EXIT_FAILED: Final = 1
EXIT_USAGE: Final = 2
EXIT_NO_BAND: Final = 3
EXIT_READER: Final = 4
EXIT_OWN_FILES: Final = 6

CENTRE_FOLDER: Final = "centre"
"""Where a centre on this machine keeps its files, and the band keys beside them."""

STATION_FOLDER: Final = "encoder"
"""Where a station keeps its journal, its own key and reports of bands without a sheet, inside the data folder."""

PRACTICE_FOLDER: Final = "encoder-practice"
"""The same for practice, with the keys practised with, which nobody else has."""

JOURNAL_FILE: Final = "bands.journal"
FILE_SIZE_MAX: Final = 16 * 1_024 * 1_024
"""Bytes of a plan or sheet that is read at all."""


@dataclass(frozen=True, slots=True)
class Asked:
    """The command line.

    Attributes:
        data: The data folder.
        chip: Which kind of chip a plan is printed for; "" for a DESFire.
        is_practising: Print one to practise with.
        database, key: Where nodes of a centre share one, and the centre's key; "" and None for what is in its folder.
        reader: The reader, as in the settings.
        plan, sheet, report, labels, keys: Files and folders; None where none was given.
        token, token_module, token_pin: Label, library and PIN file of a PKCS#11 token with the band keys.
        count: Bands without a sheet.
        sealed: Store that may link them.
        band: Id of a band.
        is_dry: Write nothing.
        is_giving_up: Lines whose band was begun go to others.
        is_uid_shown: Say the UID of a band that is read.
        is_json: Print one JSON object, also of what went wrong; anything else that is said goes to standard error.
        timeout_ms: How long a band is waited for; None for ever.
    """

    data: Path
    reader: str
    plan: Path | None = None
    sheet: Path | None = None
    report: Path | None = None
    labels: Path | None = None
    keys: Path | None = None
    token: str = ""
    token_module: Path | None = None
    token_pin: Path | None = None
    count: int = 0
    sealed: str = ""
    band: str = ""
    is_dry: bool = False
    is_giving_up: bool = False
    chip: str = ""
    is_practising: bool = False
    database: str = ""
    key: Path | None = None
    is_uid_shown: bool = False
    is_json: bool = False
    timeout_ms: int | None = None


class _Failed(Exception):
    """The command ends here; `run` says why."""

    def __init__(
        self, sentence: str, exit_code: int, code: str, error: Exception | None = None
    ) -> None:
        super().__init__(sentence)
        self.exit_code = exit_code
        self.code = code
        self.error = error

    def fields(self) -> dict[str, Any]:
        """For a program; of a chip's refusal its status with what it means as well."""
        said = {"code": self.code, "message": str(self)}
        if isinstance(self.error, (BandRefused, KeyRefused)) and self.error.meaning:
            said |= {"status": shown(self.error.status), "meaning": self.error.meaning}
        return said


AS_PLANNED: Final = "as_planned"
"""How a band stands that is whole."""

_CODES: Final = {EXIT_FAILED: "not_done", EXIT_USAGE: "usage", EXIT_OWN_FILES: "own_files"}
"""What is said to a program where nothing more exact is known."""


def fail(
    sentence: str,
    exit_code: int = EXIT_FAILED,
    *,
    code: str = "",
    error: Exception | None = None,
) -> NoReturn:
    """End the command, saying what is wrong; `error` is what it comes from."""
    raise _Failed(sentence, exit_code, code or _CODES[exit_code], error)


def run(what: str, asked: Asked) -> None:
    """Do it; ends the command with its exit code."""
    try:
        _run(what, asked)
    except _Failed as failed:
        if asked.is_json:
            print(json.dumps({"error": failed.fields()}))
        else:
            print(f"tapthread band: {failed}", file=sys.stderr)
        raise typer.Exit(failed.exit_code) from failed


def _run(what: str, asked: Asked) -> None:
    try:
        asked = replace(asked, band=_band_id(asked.band))
        if what == "plan":
            say_plan(asked)
        elif what == "enter":
            _enter(asked)
        elif what in ("issue", "replace"):
            _issue(asked, is_replacing=what == "replace")
        elif what == "read" and asked.plan is None:
            _read(asked)
        else:
            _one(what, asked)
    except (PlanMalformed, JournalDamaged) as error:
        fail(f"{error}.", EXIT_USAGE if isinstance(error, PlanMalformed) else EXIT_OWN_FILES)
    except DeviceError as error:
        fail(f"This station's files: {error}.", EXIT_OWN_FILES)
    except ModuleNotFoundError as error:
        words = f"The reader {asked.reader} cannot be opened: {error}."
        fail(f"{words} {_doctor(asked)}", EXIT_READER, code=ReaderAbsent.code)
    except ReaderError as error:
        words = MESSAGES.get(error.code, f"The reader failed: {error}.")
        if isinstance(error, ReaderAbsent):
            words = f"The reader {asked.reader} is not there: {error}."
        fail(f"{words} {_doctor(asked)}", EXIT_READER, code=error.code)


def _doctor(asked: Asked) -> str:
    """What looks for what is wrong with the reader."""
    return f"See: tapthread doctor --reader {quote(asked.reader)}"


# --- plan


def say_plan(asked: Asked) -> None:
    """Print an example, or what a plan does, without a band. Raises PlanMalformed."""
    is_about_bands = asked.plan is not None or asked.sheet is not None or asked.count
    if not is_about_bands or asked.is_practising or asked.chip:
        if asked.is_json:
            raise PlanMalformed("a plan is printed as TOML; --json is for what one does")
        print(_new_plan(asked), end="")
        return
    plan = _plan(asked)
    wanted = _wanted(asked)[0] if asked.sheet or asked.count else ()
    check_labels(wanted, plan)
    if asked.is_json:
        _print_object(_plan_fields(plan, wanted))
        return
    oldest = f", EV{plan.generation_min} and later" if plan.chip is Chip.DESFIRE else ""
    if plan.is_practice:
        print(PRACTISED)
    print(f"plan {plan.digest}: {plan.chip.value}{oldest}")
    print(f"signature of the maker: {plan.signature.value.replace('_', ' ')}")
    for number, step in enumerate(whole_of(plan), start=1):
        print(f"{number:3}  {step.name:22} {step.words}")
    if wanted:
        first = wanted[0].label
        labels = (
            f"the first: {plan.marked(first)}"
            if first
            else f"labels: {plan.marked(plan.label)}"
        )
        print(f"{counted(len(wanted), 'band')}, {labels}")


def _plan_fields(plan: Plan, wanted: Sequence[Wanted]) -> dict[str, object]:
    return {
        "plan": plan.digest,
        "chip": plan.chip.value,
        "generation_min": plan.generation_min if plan.chip is Chip.DESFIRE else None,
        "signature": plan.signature.value,
        "label": plan.marked(plan.label),
        "steps": _step_fields(whole_of(plan)),
        "bands": len(wanted) or None,
        "practice": plan.is_practice,
    }


def _step_fields(steps: Sequence[Step]) -> list[dict[str, str]]:
    return [{"name": step.name, "words": step.words} for step in steps]


def _print_object(fields: Mapping[str, object]) -> None:
    """The one thing on standard output where a program reads it."""
    print(json.dumps(fields), flush=True)


def _new_plan(asked: Asked) -> str:
    """A plan to begin with, or one for the virtual chips of a kind. Raises PlanMalformed."""
    if asked.plan is not None:
        option = "--practice" if asked.is_practising else "--chip"
        raise PlanMalformed(f"give --plan or {option}, not both")
    chips = {chip.value: chip for chip in Chip}
    if asked.chip and asked.chip not in chips:
        raise PlanMalformed(f"--chip is one of {', '.join(chips)}")
    chip = chips[asked.chip or Chip.DESFIRE.value]
    return _practice_plan(chip) if asked.is_practising else example(chip)


def _practice_plan(chip: Chip) -> str:
    from hardware.virtual.originality import (
        DESFIRE_TEST_KEY,
        NTAG424_TEST_KEY,
        ULTRALIGHT_AES_TEST_KEY,
    )

    keys = {
        Chip.DESFIRE: DESFIRE_TEST_KEY,
        Chip.NTAG424: NTAG424_TEST_KEY,
        Chip.ULTRALIGHT_AES: ULTRALIGHT_AES_TEST_KEY,
    }
    return practice_example(chip, keys[chip].public)


def _plan(asked: Asked) -> Plan:
    if asked.plan is None:
        raise PlanMalformed(
            "give a plan with --plan; `tapthread band plan` prints one to begin with"
        )
    return plan_of(_content(asked.plan))


def _content(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(FILE_SIZE_MAX + 1)
    except OSError as error:
        raise PlanMalformed(f"{path} cannot be read: {error.strerror}") from error


def _wanted(asked: Asked) -> tuple[tuple[Wanted, ...], str]:
    """The lines, and their name in the journal."""
    if asked.sheet is not None:
        if asked.count:
            raise PlanMalformed("give --sheet or --count, not both")
        content = _content(asked.sheet)
        return wanted_of(content), name_of_sheet(content)
    if not asked.count:
        raise PlanMalformed("say which bands: --sheet FILE, or --count N")
    name = f"{asked.count} {asked.sealed}".encode()
    return tuple(Wanted(number) for number in range(1, asked.count + 1)), name_of_sheet(name)


# --- the centre


def _enter(asked: Asked) -> None:
    """Tell the centre in the data folder which bands were made. Raises PlanMalformed, DeviceError."""
    from sync.central.centre import KEY_FILE, Centre
    from sync.central.spares import MadeBand
    from sync.central.sql import is_address
    from sync.model.errors import Malformed, StoreError

    if asked.report is None:
        raise PlanMalformed("give the report of a station with --report")
    rows = reported_of(_content(asked.report))
    if any(each.mark for each in rows):
        raise PlanMalformed(f"these bands are {PRACTICE}: no centre learns of them")
    made = [
        MadeBand(each.band, each.uid, each.label, each.store, each.replaces)
        for each in rows
        if each.outcome in (Outcome.ISSUED, Outcome.ALREADY)
    ]
    disk, clock, entropy = SystemDisk(), SystemClock(), SystemEntropy()
    folder = asked.data / CENTRE_FOLDER
    if asked.database and not is_address(asked.database):
        raise PlanMalformed("--database takes an address, postgresql://USER@HOST/NAME")
    if not (asked.key or folder / KEY_FILE).is_file():
        # One that is drawn here would make another centre.
        raise PlanMalformed(
            f"{asked.key} is no key of a centre"
            if asked.key
            else f"{folder} is no centre; give --data the folder above it, or --key its key"
        )
    try:
        centre = Centre.open(
            folder,
            disk=disk,
            clock=clock,
            entropy=entropy,
            database=asked.database,
            key=asked.key,
        )
        try:
            done = centre.enter_bands(made)
        finally:
            centre.close()
    except Malformed as error:
        raise PlanMalformed(f"the report holds what is no band: {error}") from error
    except FolderInUse:
        fail(
            f"A centre runs in {folder}. Stop it; where nodes share a database, give --data another folder, --key and --database.",
            EXIT_OWN_FILES,
        )
    except StoreError as error:
        fail(f"The centre's database cannot be used: {error}.", EXIT_OWN_FILES)
    _say(
        f"{counted(done.n_new, 'band is', 'bands are')} new, {counted(done.n_known, 'was', 'were')} known,"
        f" {counted(done.n_retired, 'other is', 'others are')} retired."
    )


# --- the station


@dataclass(frozen=True, slots=True)
class _Bench:
    """Everything on the station's bench."""

    reader: Reader
    station: Station
    journal: Journal
    means: Means
    disk: SystemDisk
    clock: Clock
    is_over: Callable[[], bool]
    asked: Asked

    def target(self) -> Target | None:
        """The next band; None when the time is over. What cannot be one band is said."""
        return _next_band(self.reader, self._patience(), lambda _, words: self.say(words))

    def only_target(self) -> Target:
        """The band this command is for; ends the command when nobody holds one."""
        return _only_band(self.reader, self._patience(), is_json=self.asked.is_json)

    def removed(self) -> bool:
        """Was the band taken away? False when the time is over, or it is told to end."""
        is_over = self._patience()
        self.station.wait_for_removal(is_over)
        return not is_over()

    def say(self, words: str) -> None:
        """Say it to the person there."""
        _say(words, is_aside=self.asked.is_json)

    def _patience(self) -> Callable[[], bool]:
        return _patience(self.asked, self.clock, self.is_over)


def _patience(asked: Asked, clock: Clock, is_told: Callable[[], bool]) -> Callable[[], bool]:
    """Says when the time that begins now is over, or the command is told to end."""
    until = asked.timeout_ms
    deadline = None if until is None else clock.ticks_ms() + until
    return lambda: is_told() or (deadline is not None and clock.ticks_ms() >= deadline)


NONE_ALONE: Final = "No band was held by itself: nothing was done."
"""The last word where bands were held, and never one that could be read."""


def _only_band(reader: Reader, is_over: Callable[[], bool], *, is_json: bool) -> Target:
    """The band a command is for; ends the command where none came, or nothing that is one band. Raises ReaderError."""
    _prompt()
    codes: list[str] = []

    def say(code: str, words: str) -> None:
        codes.append(code)
        _say(words, is_aside=is_json)

    target = _next_band(reader, is_over, say)
    if target is None and codes:
        # To people it was said when it was seen.
        fail(_words_of(codes[-1]) if is_json else NONE_ALONE, code=codes[-1])
    if target is None:
        fail("Nobody held a band to the reader.", EXIT_NO_BAND, code="no_band")
    return target


def _next_band(
    reader: Reader, is_over: Callable[[], bool], say: Callable[[str, str], None]
) -> Target | None:
    """The next band, None when it is over before; what cannot be one band is said, and waited out.

    Args:
        reader: Where it is held.
        is_over: Says when nobody waits any more.
        say: Told code and words of what cannot be one band.

    Raises:
        ReaderError: as the reader raises.
    """
    while not is_over():
        try:
            target = reader.wait_for_target(WAIT_MS_MAX)
        except BandError as error:
            say(error.code, _words_of(error.code))
            while not is_over() and not reader.wait_for_removal(WAIT_MS_MAX):
                pass
            continue
        if target is not None:
            return target
    return None


def _words_of(code: str) -> str:
    return MESSAGES.get(code, "Hold one band to the reader.")


@contextlib.contextmanager
def _bench(asked: Asked, plan: Plan) -> Iterator[_Bench]:
    """Open everything; closed when the block ends. Raises ReaderError, DeviceError, JournalDamaged, PlanMalformed."""
    _need_reader(asked)
    disk, entropy, clock = SystemDisk(), SystemEntropy(), SystemClock()
    folder = asked.data / (PRACTICE_FOLDER if plan.is_practice else STATION_FOLDER)
    with contextlib.ExitStack() as held:
        if plan.is_practice:
            lent: LentKeys = _practice_keys(asked, disk=disk, entropy=entropy)
            _say(PRACTISED, is_aside=asked.is_json)
        else:
            lent = held.enter_context(_lent_keys(asked, disk=disk, entropy=entropy))
        lock = disk.lock(folder)
        held.callback(lock.close)
        keys = StationKeyFiles.open(folder, lent, disk=disk, entropy=entropy)
        means = Means(plan, keys, entropy)
        journal = Journal(
            folder / JOURNAL_FILE,
            disk=disk,
            clock=clock,
            entropy=entropy,
            mark=plan.marked(""),
        )
        stop = _Stop()
        held.enter_context(stop.heard())
        reader = held.enter_context(opened(asked.reader, clock))
        station = Station(reader, means, journal)
        yield _Bench(reader, station, journal, means, disk, clock, stop.is_over, asked)


PRACTISED: Final = f"{PRACTICE}: on chips no maker made, with keys no kiosk has. These bands are worth nothing."
"""Said before anything else in a run that is only for practice."""


def _need_reader(asked: Asked) -> None:
    """Raises PlanMalformed where the reader is none of an encoder station."""
    if not is_known(asked.reader):
        raise PlanMalformed(
            "an encoder station has a reader of its own: --reader pcsc, pcsc:NAME or pn532:PATH;"
            " `tapthread virtual --pn532 PATH` makes one to practise with"
        )


class _Stop:
    """Told to end by a signal: after the band on the reader, never within one."""

    def __init__(self) -> None:
        self._is_over = False

    def is_over(self) -> bool:
        """Was it told to end?"""
        return self._is_over

    @contextlib.contextmanager
    def heard(self) -> Iterator[None]:
        """Listen for SIGINT and SIGTERM within the block."""

        def end(_number: int, _frame: object) -> None:
            self._is_over = True

        before = {
            number: signal.signal(number, end) for number in (signal.SIGINT, signal.SIGTERM)
        }
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)


@contextlib.contextmanager
def _lent_keys(asked: Asked, *, disk: SystemDisk, entropy: SystemEntropy) -> Iterator[LentKeys]:
    """The brand's keys, from a token or from files."""
    if not asked.token:
        yield _key_files(asked, disk=disk, entropy=entropy)
        return
    if asked.token_module is None or asked.token_pin is None:
        raise PlanMalformed("--token needs --token-module and --token-pin")
    from kiosk.band_keys_token import TokenBandKeys

    pin = _content(asked.token_pin).decode("utf-8", "replace").strip()
    keys = TokenBandKeys.open(asked.token_module, label=asked.token, pin=pin)
    try:
        yield keys
    finally:
        keys.close()


def _practice_keys(asked: Asked, *, disk: SystemDisk, entropy: SystemEntropy) -> BandKeyFiles:
    """Keys drawn for practice, in its folder. The brand's never come onto a chip that is not genuine."""
    if asked.keys is not None or asked.token:
        raise PlanMalformed("practice has keys of its own; leave out --keys and --token")
    return BandKeyFiles.open(asked.data / PRACTICE_FOLDER, disk=disk, entropy=entropy)


def _key_files(asked: Asked, *, disk: SystemDisk, entropy: SystemEntropy) -> BandKeyFiles:
    """The brand's keys that are there. They are never drawn here: bands of a key nobody else has would open nowhere."""
    folder = asked.keys or asked.data / CENTRE_FOLDER
    for name in (MASTER_FILE, GROUP_FILE):
        if disk.read(folder / name) is None:
            raise PlanMalformed(
                f"{folder} holds no {name}: give --keys the folder with the keys the centre lends bands by"
            )
    return BandKeyFiles.open(folder, disk=disk, entropy=entropy)


def _say(words: str, *, is_aside: bool = False) -> None:
    """Say it; `is_aside` where standard output belongs to a program."""
    print(words, file=sys.stderr if is_aside else sys.stdout, flush=True)


# --- issue and replace

GO_ON: Final = "Hold those bands again, or give them up with --give-up."
"""What is to be done about bands that were begun."""


def _issue(asked: Asked, *, is_replacing: bool) -> None:
    plan = _plan(asked)
    if is_replacing:
        wanted, name = _replacement(asked)
    else:
        wanted, name = _wanted(asked)
    with _bench(asked, plan) as bench:
        if asked.is_dry:
            _dry(bench)
            return
        report = _report(asked, name, plan)
        run = _run_of(bench, wanted, name, report)
        wanted = tuple(replace(each, number=each.number + run.first - 1) for each in wanted)
        check_labels(wanted, plan)
        job = Job(
            wanted,
            name=name,
            journal=bench.journal,
            report=report,
            disk=bench.disk,
            mark=plan.marked(""),
        )
        if asked.is_giving_up:
            bench.say(f"{counted(job.give_up(), 'line goes', 'lines go')} to other bands.")
        _say_standing(bench, job, run)
        if asked.sheet is None and job.is_over:
            _nothing_made(bench, job, report)
            return
        errand = Errand(store=asked.sealed, replaces=asked.band if is_replacing else "")
        made = _all(bench, job, errand, run)
        _say_made(bench, job, made, report)
        if not job.is_over:
            raise typer.Exit(EXIT_FAILED)


def _say_standing(bench: _Bench, job: Job, run: "_Run") -> None:
    """Say what was done before, and which bands wait to be gone on with."""
    if job.n_done:
        bench.say(f"{job.n_done} of {job.n_wanted} were issued before.")
    elif run.first > 1 and run.is_new:
        bench.say(f"A new run: its numbers go on from {run.first}.")
    if job.begun:
        bench.say(f"Begun before and not whole: {job.begun_words}. {GO_ON}")


def _say_made(bench: _Bench, job: Job, made: Sequence[Reported], report: Path) -> None:
    """Say what became of the bands of this run."""
    n_failed = sum(each.outcome is Outcome.FAILED for each in made)
    if bench.asked.is_json:
        _print_object(_run_fields(bench, job, made, report))
    bench.say(
        bench.means.plan.marked(
            f"{job.n_done} of {counted(job.n_wanted, 'band is', 'bands are')} issued,"
            f" {counted(n_failed, 'was', 'were')} refused."
        )
    )
    if job.begun:
        bench.say(f"Begun and not whole: {job.begun_words}. {GO_ON}")
    bench.say(f"Report: {report}" if report.exists() else "No report was written.")


def _run_fields(
    bench: _Bench, job: Job, made: Sequence[Reported], report: Path, *, waiting: str = ""
) -> dict[str, object]:
    """How a run stands, for a program. UIDs are in the report alone."""
    return {
        "over": job.is_over,
        "issued": job.n_done,
        "wanted": job.n_wanted,
        "bands": [_band_fields(each) for each in made],
        "begun": [{"label": label, "line": line or None} for label, line in job.begun_labels],
        "waiting": waiting or None,
        "report": str(report) if report.exists() else None,
        "practice": bench.means.plan.is_practice,
    }


def _band_fields(reported: Reported) -> dict[str, object]:
    """One row of the report, without the UID; null for what it does not say."""
    return {
        "outcome": reported.outcome.value,
        "line": reported.line or None,
        "label": reported.label or None,
        "code": reported.code or None,
        "band": reported.band or None,
        "store": reported.store or None,
        "replaces": reported.replaces or None,
        "problem": reported.problem or None,
    }


@dataclass(frozen=True, slots=True)
class _Run:
    """The numbers of one run.

    Attributes:
        first: The number of its first band.
        is_new: They are not its own yet.
        reserve: Makes them its own, before its first band is looked at.
    """

    first: int
    is_new: bool
    reserve: Callable[[], None]


def _run_of(bench: _Bench, wanted: tuple[Wanted, ...], name: str, report: Path) -> _Run:
    """The numbers of a run: it goes on with its own, or takes those after all others. Raises PlanMalformed, DeviceError."""
    entries, plan = bench.journal.entries, bench.means.plan
    if all(each.label for each in wanted):
        return _Run(1, is_new=False, reserve=lambda: None)
    has_uids = any(each.uid for each in wanted)
    first = first_number(
        entries, plan, name=name, count=len(wanted),
        reported=None if has_uids else issued_in(bench.disk.read(report) or b""),
    )  # fmt: skip
    span = Span(name, first, len(wanted), plan.label)
    return _Run(
        first,
        is_new=not is_reserved(entries, span),
        reserve=lambda: reserve(bench.journal, span),
    )


def _nothing_made(bench: _Bench, job: Job, report: Path) -> None:
    """Say that this run was over before, and how there will be more; ends the command with 1 where a band waits for it."""
    more = "For as many more" if bench.asked.count else "To replace that band once more"
    waiting = _waiting(bench, job)
    if bench.asked.is_json:
        _print_object(_run_fields(bench, job, (), report, waiting=waiting))
    bench.say(
        f"Nothing was made: this run is over. {more}, take its report away first,"
        " or name another with --report."
    )
    if waiting:
        bench.say(waiting)
    bench.say(f"Report: {report}")
    if waiting:
        raise typer.Exit(EXIT_FAILED)


def _waiting(bench: _Bench, job: Job) -> str:
    """What lies on the reader now, in a sentence; "" for nothing. Raises ReaderError."""
    try:
        target = bench.reader.wait_for_target(WAIT_MS_MAX)
        if target is None:
            return ""
        found = bench.station.look(target)
    except (BandRejected, BandError) as error:
        return f"A band lies on the reader, and nothing was done to it: {_words(error)}"
    obstacle = STILL_RETIRING if bench.station.is_retiring(found) else found.obstacle
    if obstacle:
        return f"A band lies on the reader, and nothing was done to it: {obstacle}."
    is_of_this_run = any(each.uid == found.uid for each in job.done.values())
    name = bench.means.keys.uid_hash(found.uid)
    if bench.journal.is_begun(name, ISSUE) and not is_of_this_run:
        return "The band on the reader was begun and is not whole. Go on with what it was begun with."
    if not found.steps:
        return "The band on the reader is issued already."
    return "The band on the reader is not issued, and nothing was done to it."


def _replacement(asked: Asked) -> tuple[tuple[Wanted, ...], str]:
    if not asked.band:
        raise PlanMalformed("say which band it replaces: --band and its id, 32 hex digits")
    return (Wanted(1),), name_of_sheet(f"replace {asked.band}".encode())


def _band_id(said: str) -> str:
    """The id of a band as somebody typed it or took it from a label, "" for none. Raises PlanMalformed."""
    band = said.strip().lower()
    if band and (len(band) != 32 or not set(band) <= set("0123456789abcdef")):
        raise PlanMalformed("--band takes the id of a band, 32 hex digits")
    return band


def _report(asked: Asked, name: str, plan: Plan) -> Path:
    if asked.report is not None:
        return asked.report
    if asked.sheet is not None:
        kind = "practice" if plan.is_practice else "issued"
        return asked.sheet.with_name(f"{asked.sheet.stem}.{kind}.csv")
    folder = PRACTICE_FOLDER if plan.is_practice else STATION_FOLDER
    return asked.data / folder / f"issued-{name}.csv"


def _all(bench: _Bench, job: Job, errand: Errand, run: _Run) -> list[Reported]:
    """One band after the other until all are issued, the time is over, or it is told to end; what stands of them in the report."""
    meter, made = Meter("bands"), list[Reported]()
    line = ProgressLine(sys.stderr, clock=bench.clock)
    meter.begin(job.n_wanted, now_ms=bench.clock.ticks_ms())
    try:
        while not job.is_over:
            meter.reach(job.n_done, now_ms=bench.clock.ticks_ms())
            _prompt(job.next)
            progress = meter.progress()
            if progress is not None:
                line.show([progress])
            target = bench.target()
            if target is None:
                break
            run.reserve()
            said = bench.station.issue(target, job, errand)
            line.end()
            bench.say(said.words)
            made += [said.reported] if said.reported is not None else []
            _print_label(bench.asked, said)
            if job.n_done == job.n_wanted:
                break
            if not bench.removed():
                bench.say("The band still lies on the reader.")
                break
    finally:
        line.end()
    return made


def _prompt(wanted: Wanted | None = None) -> None:
    """Ask for a band, where a person reads it; a program needs no asking."""
    if sys.stderr.isatty():
        whose = f" for {wanted.label}" if wanted is not None and wanted.label else ""
        line = f", line {wanted.line}" if wanted is not None and wanted.line else ""
        print(f"Hold a band{whose} to the reader{line}.", file=sys.stderr)


def _print_label(asked: Asked, said: Said) -> None:
    done = said.reported
    if asked.labels is None or done is None or done.outcome is Outcome.FAILED:
        return
    picture = svg_of(done.qr, lines=(done.label, done.code))
    SystemDisk().write(asked.labels / f"{done.code}.svg", picture)


def _dry(bench: _Bench) -> None:
    target = bench.only_target()
    try:
        found = bench.station.look(target)
    except (BandRejected, BandError) as error:
        fail(f"This band would not be issued: {_words(error)}", code=error.code, error=error)
    obstacle = STILL_RETIRING if bench.station.is_retiring(found) else found.obstacle
    if obstacle:
        fail(f"This band would not be issued: {obstacle}.", code=BandRejected.code)
    if bench.asked.is_json:
        said = {
            "chip": found.chip,
            "band": found.reference.hex() or None,
            "steps": _step_fields(found.steps),
            "practice": bench.means.plan.is_practice,
        }
        _print_object(said)
        return
    if not found.steps:
        _say(f"{found.chip}: nothing to do, it is issued.")
    for number, step in enumerate(found.steps, start=1):
        _say(f"{number:3}  {step.name:22} {step.words}")


# --- one band


def _read(asked: Asked) -> None:
    """What the band on the reader is, whoever made it. Raises ReaderError, DeviceError, PlanMalformed."""
    _need_reader(asked)
    disk, entropy, clock = SystemDisk(), SystemEntropy(), SystemClock()
    stop = _Stop()
    with contextlib.ExitStack() as held:
        rings = tuple(_rings(asked, held, disk=disk, entropy=entropy))
        held.enter_context(stop.heard())
        reader = held.enter_context(opened(asked.reader, clock))
        target = _only_band(
            reader, _patience(asked, clock, stop.is_over), is_json=asked.is_json
        )
        try:
            seen = looked(reader, target, rings, entropy=entropy)
        except BandError as error:
            fail(f"This band: {_words(error)}", code=error.code, error=error)
        if asked.is_json:
            print(json.dumps(seen.fields(is_uid_shown=asked.is_uid_shown)))
        else:
            _say_lines(seen.lines(is_uid_shown=asked.is_uid_shown))


def _say_lines(lines: Lines) -> None:
    for name, value in lines:
        _say(f"{name:16} {value}")


def _rings(
    asked: Asked, held: contextlib.ExitStack, *, disk: SystemDisk, entropy: SystemEntropy
) -> Iterator[Ring]:
    """The keys there are: the shop's where this station has issued by them, then those of practice. None is drawn here."""
    folder, centre = asked.data / STATION_FOLDER, asked.keys or asked.data / CENTRE_FOLDER
    has_files = all((centre / name).exists() for name in (MASTER_FILE, GROUP_FILE))
    if (folder / ISSUER_FILE).exists() and (asked.token or asked.keys or has_files):
        lent = held.enter_context(_lent_keys(asked, disk=disk, entropy=entropy))
        yield Ring(StationKeyFiles.open(folder, lent, disk=disk, entropy=entropy), "yes")
    practice = asked.data / PRACTICE_FOLDER
    if (practice / ISSUER_FILE).exists():
        files = BandKeyFiles.open(practice, disk=disk, entropy=entropy)
        keys = StationKeyFiles.open(practice, files, disk=disk, entropy=entropy)
        yield Ring(keys, f"{PRACTICE}: made here to practise with", is_practice=True)


def _refusal(what: str, error: DriverError | BandRejected, *, is_practice: bool) -> str:
    """What is said of a band with which it could not be done; of one that is none of ours that it is none of ours."""
    if what == "retire" and is_practice and isinstance(error, (NotGenuine, BandOfAnother)):
        return "This band was not issued for practice here, nothing was done to it"
    if what == "retire" and isinstance(error, BandOfAnother):
        return "This band was not issued with these keys, nothing was done to it"
    return "This band"


def _one(what: str, asked: Asked) -> None:
    with _bench(asked, _plan(asked)) as bench:
        if what == "retire":
            _say_unfinished(bench)
        target = bench.only_target()
        try:
            _done(what, bench, target)
        except WrongBand as error:
            fail(f"{error}.", code=error.code)
        except (BandRejected, BandError) as error:
            begin = _refusal(what, error, is_practice=bench.means.plan.is_practice)
            fail(f"{begin}: {_words(error)}", code=error.code, error=error)


def _done(what: str, bench: _Bench, target: Target) -> None:
    if what == "verify":
        _verify(bench, target)
    elif what == "read":
        told = bench.station.told(target)
        if bench.asked.is_json:
            print(json.dumps(told.fields()))
        else:
            _say_lines(told.lines())
    else:
        _retire(bench, target)


def _say_unfinished(bench: _Bench) -> None:
    """Say which bands were begun to be retired before and are not yet; whoever has them goes on with them."""
    names = bench.journal.unfinished(RETIRE)
    if not names:
        return
    ids = ", ".join(bench.journal.band_id_of(name) or "one without an id" for name in names)
    bench.say(
        f"Begun before and not over: the retirement of {ids}. Hold such a band to go on with it."
    )


def _retire(bench: _Bench, target: Target) -> None:
    """Retire the band on the reader; torn away, it is asked for again as long as there is patience.

    Raises:
        DriverError, BandRejected: it failed before anything was begun, or in another way.
    """
    waiting: Target | None = target
    while waiting is not None:
        try:
            gone = bench.station.retire(waiting, band_id=bench.asked.band)
        except (BandRejected, BandError) as error:
            if not isinstance(error, BandLeft) and not bench.station.is_bound:
                raise
            bench.say(_again_of(error))
            waiting = bench.target() if bench.removed() else None
        else:
            if bench.asked.is_json:
                said = {
                    "retired": True,
                    "chip": gone.chip,
                    "band": gone.reference.hex() or None,
                    "practice": bench.means.plan.is_practice,
                }
                _print_object(said)
            bench.say(
                f"Band {gone.reference.hex() or 'without an id'} is retired: nothing is on it that a kiosk reads."
            )
            return
    if bench.station.has_begun_to_retire:
        fail(
            "The retirement was begun and is not over, and until then the band is not issued again."
            " Start this again and hold the same band: it goes on where it was."
        )
    fail("The band was taken away before anything was done to it. Start this again.")


def _again_of(error: BandRejected | BandError) -> str:
    """What is said of a try that came to nothing, to the person who is to hold a band once more."""
    if isinstance(error, BandLeft):
        return "The band was taken away too early. Hold the same band again."
    if isinstance(error, WrongBand):
        return f"{error}. Hold that one."
    if isinstance(error, BandRejected):
        return f"This is not the band that was held first: {error}. Hold that one."
    return f"It did not answer as it should ({error.code}). Hold the same band again."


def _verify(bench: _Bench, target: Target) -> None:
    """Say whether the band is whole and to stay so; ends the command with 1 where not. Raises DriverError, BandRejected."""
    found, differences = _checked(bench, target)
    state, words = _state_of(found, differences, bench.means.plan)
    if bench.station.is_retiring(found):
        state, words = "retiring", f"{STILL_RETIRING}: tapthread band retire"
    is_as_planned = state == AS_PLANNED
    if bench.asked.is_json:
        said = {
            "as_planned": is_as_planned,
            "state": state,
            "chip": found.chip,
            "band": found.reference.hex() or None,
            "differences": differences,
            "practice": bench.means.plan.is_practice,
        }
        print(json.dumps(said))
    elif is_as_planned:
        _say(words)
    else:
        fail(words)
    if not is_as_planned:
        raise typer.Exit(EXIT_FAILED)


def _checked(bench: _Bench, target: Target) -> tuple[Found, tuple[str, ...]]:
    """Which band it is, and what keeps it from being as planned. Raises DriverError, BandRejected."""
    try:
        return bench.station.check(target), ()
    except NotAsPlanned as error:
        anew = bench.reader.wait_for_target(WAIT_MS_MAX)
        if anew is None:
            raise
        return bench.station.look(anew), error.differences


def _state_of(found: Found, differences: tuple[str, ...], plan: Plan) -> tuple[str, str]:
    """How it stands, for a program and for a person."""
    if not differences:
        words = (
            "This band is as planned: every key of ours opens it, and no key of the factory."
        )
        return AS_PLANNED, words
    wrong = f"{'; '.join(differences)}."
    if found.reference or not found.steps:
        return "differs", f"This band: {wrong}"
    if found.steps == whole_of(plan):
        return "not_issued", "This band is not issued: nothing of ours is on it."
    return "no_id", f"This band has no id: retired, or begun and not whole; {wrong}"


def _words(error: DriverError | BandRejected) -> str:
    if isinstance(error, BandRejected):
        return f"{error}."
    return MESSAGES.get(error.code, f"{error}.")
