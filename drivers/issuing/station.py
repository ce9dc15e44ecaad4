"""One band after the other on a reader: which line of the sheet it is, what is done to it, what is said of it.

    a band comes -> looked at -> its line is chosen -> the journal says begun, with the id it will have
                 -> each step: begun, done -> activated anew and checked -> the report has it -> the journal says done

So a station that loses power, or its band, at any of these arrows goes on where it was: the band's line and id stand in the
journal before anything is on the band, and the report before the journal says done. A band that was begun keeps its line until
it is whole or the line is given up.

A retirement is begun, done and gone on with in the same way. Until it is over, the band is not issued: it would be whole again under
the id of whoever had it before.
"""

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final, Protocol

from drivers.connection import Connection
from drivers.credential.layout import REFERENCE_SIZE, band_id_of_reference
from drivers.errors import BandError, BandLeft
from drivers.issuing import ntag424, steps, ultralight_aes
from drivers.issuing.desfire import DesfireBand, Means
from drivers.issuing.errors import BandRejected, PlanMalformed, WrongBand
from drivers.issuing.journal import RETIRE, Journal, State
from drivers.issuing.label import code_of, qr_text_of
from drivers.issuing.ntag424 import Ntag424Band
from drivers.issuing.plan import Chip, Plan
from drivers.issuing.ports import Appender
from drivers.issuing.sheet import (
    Outcome,
    Reported,
    Wanted,
    heading,
    line_of_report,
    reported_of,
)
from drivers.issuing.steps import Found, Step
from drivers.issuing.telling import Told
from drivers.issuing.ultralight_aes import UltralightAesBand
from drivers.readers.base import WAIT_MS_MAX, Reader
from drivers.target import Target

ISSUE: Final = "issue"
GIVEN_UP: Final = "given_up"
"""Steps of the journal that stand for a whole band."""

STILL_RETIRING: Final = "The retirement of this band was begun and is not over; end it first"
"""Why a band is not issued that may be half of one."""

AGAIN_COUNT_MAX: Final = 3
"""Activations a band is given to be checked in, when a busy field loses it; then it must be held again."""

Note = Callable[[str, Callable[[], None]], None]


class BandWork(Protocol):
    """The work on one band in one activation, whatever its chip. Raises DriverError and BandRejected."""

    def survey(self) -> Found:
        """Who it is and what it lacks; writes nothing."""
        ...

    def finish(self, *, reference: bytes, note: Note) -> None:
        """Do what it lacks, after `survey`."""
        ...

    def check(self) -> Found:
        """Who it is; writes nothing. Raises NotAsPlanned when it is not whole."""
        ...

    def told(self) -> Told:
        """What it says; writes nothing."""
        ...

    def retire(self, note: Note) -> Found:
        """Take off it everything a kiosk reads."""
        ...


def work_of(connection: Connection, target: Target, means: Means) -> BandWork:
    """The work on a band with the plan's chip. Writes nothing yet."""
    match means.plan.chip:
        case Chip.DESFIRE:
            return DesfireBand(connection, target, means)
        case Chip.NTAG424:
            return Ntag424Band(connection, target, means)
        case Chip.ULTRALIGHT_AES:
            return UltralightAesBand(connection, target, means)


def whole_of(plan: Plan) -> tuple[Step, ...]:
    """Everything that is done to a band of the plan's chip fresh from the factory."""
    match plan.chip:
        case Chip.DESFIRE:
            return steps.whole(plan)
        case Chip.NTAG424:
            return ntag424.whole(plan)
        case Chip.ULTRALIGHT_AES:
            return ultralight_aes.whole(plan)


@dataclass(frozen=True, slots=True)
class Said:
    """What the person at the station is told of one band.

    Attributes:
        line: The sheet's line it was for, 0 for none.
        words: One line.
        reported: What stands in the report, None when it is to be held again.
    """

    line: int
    words: str
    reported: Reported | None = None


class Job:
    """The lines of one sheet: which band is for which, and what became of each. Its report is a file that only grows."""

    def __init__(
        self,
        wanted: tuple[Wanted, ...],
        *,
        name: str,
        journal: Journal,
        report: Path,
        disk: Appender,
        mark: str = "",
    ) -> None:
        """Go on with a job.

        Args:
            wanted: Its lines.
            name: Names the sheet in the journal, at most 40 characters.
            journal: Where begun bands stand.
            report: Where what became of them is appended.
            disk: Appends.
            mark: Stands in every row of the report; "" for bands that are meant.

        Raises:
            PlanMalformed: the report is another job's, or damaged.
        """
        self._wanted = {each.number: each for each in wanted}
        self._by_uid = {each.uid: each for each in wanted if each.uid is not None}
        self._by_place = {each.place: each for each in wanted}
        self._mark = mark
        self._n_rows = 0
        self._name = name
        self._journal = journal
        self._path = report
        self._disk = disk
        self._done = self._so_far()
        self._numbers = sorted(self._wanted, reverse=True)

    @property
    def n_done(self) -> int:
        """Lines that have their band."""
        return len(self._done)

    @property
    def n_wanted(self) -> int:
        """Lines in all."""
        return len(self._wanted)

    @property
    def next(self) -> Wanted | None:
        """What a band nobody begun is for; None where the sheet says which band is for which, or all are begun."""
        if self._by_uid:
            return None
        begun = self._journal.begun(ISSUE)
        while self._numbers and self._numbers[-1] in self._done:
            self._numbers.pop()  # the first line that is left stands at the end
        for left in reversed(self._numbers):
            if left not in self._done and self.key_of(left) not in begun:
                return self._wanted[left]
        return None

    @property
    def is_over(self) -> bool:
        """Has every line its band?"""
        return len(self._done) == len(self._wanted)

    @property
    def done(self) -> Mapping[int, Reported]:
        """What became of the lines that have their band, by number."""
        return self._done

    @property
    def begun(self) -> tuple[int, ...]:
        """Numbers of those whose band was begun and is not whole."""
        lines = (line.rpartition(":") for line in self._journal.begun(ISSUE))
        numbers = sorted(int(number) for name, _, number in lines if name == self._name)
        return tuple(
            number for number in numbers if number in self._wanted and number not in self._done
        )

    @property
    def begun_labels(self) -> tuple[tuple[str, int], ...]:
        """The same for people: what each is called, with its line of the sheet, 0 for none."""
        labels = {
            entry.values.get("line", ""): entry.values.get("label", "")
            for entry in self._journal.entries
            if entry.step == ISSUE and entry.state is State.BEGUN
        }
        return tuple(
            (labels[self.key_of(number)], self._wanted[number].line) for number in self.begun
        )

    @property
    def begun_words(self) -> str:
        """The same in words; "" for none."""
        return ", ".join(
            f"{label} (line {line})" if line else label for label, line in self.begun_labels
        )

    def key_of(self, number: int) -> str:
        """What a line is called in the journal."""
        return f"{self._name}:{number}"

    def choose(self, found: Found, band: str) -> Wanted:
        """The line this band is for.

        Raises:
            WrongBand: it is for none, or whole already.
        """
        if self._by_uid:
            wanted = self._by_uid.get(found.uid)
            if wanted is None:
                raise WrongBand("This band's UID is not in the sheet")
            return wanted
        line = next(
            (line for line, held in self._journal.begun(ISSUE).items() if held == band), ""
        )
        name, _, number = line.rpartition(":")
        if name == self._name and int(number) in self._wanted:
            return self._wanted[int(number)]
        if not found.steps:
            raise WrongBand(f"This band is issued already: {code_of(found.reference.hex())}")
        left = self.next
        if left is None:
            raise WrongBand(
                "Every line that is left has a band that was begun; hold one of those"
            )
        return left

    def place_of(self, uid: bytes, band: str) -> int:
        """Where people find what this band is for, as far as the sheet or the journal says; 0 for nowhere."""
        wanted = self._by_uid.get(uid)
        for line, held in self._journal.begun(ISSUE).items():
            name, _, number = line.rpartition(":")
            if wanted is None and held == band and name == self._name:
                wanted = self._wanted.get(int(number))
        return 0 if wanted is None else wanted.place

    def give_up(self) -> int:
        """Let the lines whose band was begun go to other bands; how many."""
        begun = dict(self._journal.begun(ISSUE))
        lines = self.begun
        for number in lines:
            self._journal.write(
                begun[self.key_of(number)], ISSUE, State.FAILED, code=GIVEN_UP,
                line=self.key_of(number),
            )  # fmt: skip
        return len(lines)

    def note(self, reported: Reported) -> None:
        """Append to the report, durably. Raises DiskFull, DiskFault."""
        is_new = self._disk.read(self._path) is None
        self._n_rows += 1
        row = replace(reported, number=self._n_rows, mark=self._mark)
        line = line_of_report(row)
        self._disk.append(self._path, heading() + line if is_new else line)
        if row.outcome is not Outcome.FAILED and row.line in self._by_place:
            self._done[self._by_place[row.line].number] = row

    def _so_far(self) -> dict[int, Reported]:
        content = self._disk.read(self._path)
        if content is None:
            return {}
        whole = content[: content.rfind(b"\n") + 1]
        if len(whole) < len(content):
            self._disk.cut(self._path, len(whole))
        if not whole:
            self._disk.append(self._path, heading())
            return {}
        rows = reported_of(whole)
        self._n_rows = len(rows)
        if any(each.mark != self._mark for each in rows):
            raise PlanMalformed(
                "practice and real bands do not stand in one report; give another with --report"
            )
        done = {
            self._by_place[each.line].number: each
            for each in rows
            if each.outcome is not Outcome.FAILED and each.line in self._by_place
        }
        for number, each in done.items():
            wanted = self._wanted[number]
            label = each.label.removeprefix(f"{self._mark} ") if self._mark else each.label
            if (wanted.uid or each.uid) != each.uid or (wanted.label or label) != label:
                raise PlanMalformed(
                    "the report is of another sheet; give another with --report"
                )
        return done


@dataclass(frozen=True, slots=True)
class Errand:
    """What is the same for every band of one run.

    Attributes:
        store: Store that may link them, for sealed spares; a line of the sheet may name another. "" for none.
        replaces: Id of the band the one band of this run stands in for, "" for none.
    """

    store: str = ""
    replaces: str = ""


@dataclass(frozen=True, slots=True)
class _Held:
    """One band on the reader."""

    target: Target
    work: BandWork
    found: Found
    name: str = field(repr=False)


class Station:
    """An encoder station: a reader, a plan, keys, a journal. Used by one thread."""

    def __init__(
        self,
        reader: Reader,
        means: Means,
        journal: Journal,
        *,
        work: Callable[[Connection, Target, Means], BandWork] = work_of,
    ) -> None:
        self._reader = reader
        self._means = means
        self._journal = journal
        self._work = work
        self._retiring = ""

    def wait(self, is_over: Callable[[], bool]) -> Target | None:
        """The next band, or None when `is_over` says so first; asks at least twice a second. Raises DriverError."""
        while not is_over():
            target = self._reader.wait_for_target(WAIT_MS_MAX)
            if target is not None:
                return target
        return None

    def wait_for_removal(self, is_over: Callable[[], bool]) -> None:
        """Until the field is empty. Raises ReaderError."""
        while not is_over() and not self._reader.wait_for_removal(WAIT_MS_MAX):
            pass

    def look(self, target: Target) -> Found:
        """What the band is and lacks; writes nothing. Raises DriverError, BandRejected."""
        return self._work_on(target).survey()

    def told(self, target: Target) -> Told:
        """What the band says; writes nothing. Raises DriverError, BandRejected."""
        return self._work_on(target).told()

    def check(self, target: Target) -> Found:
        """Is the band whole, and which is it? Writes nothing. Raises DriverError, NotAsPlanned and other BandRejected."""
        return self._work_on(target).check()

    def issue(self, target: Target, job: Job, errand: Errand) -> Said:
        """Issue the band on the reader, or say why not.

        Never raises for what is the band's fault: that is said, and stands in the report where it is final.

        Raises:
            ReaderError: the machine's side failed; whatever was begun stands in the journal.
            DeviceError: the disk failed; the band is not whole before the journal is.
        """
        held: _Held | None = None
        try:
            held = self._held(target)
            return self._issued(held, job, errand)
        except WrongBand as error:
            return Said(0, f"{error}.")
        except BandRejected as error:
            return self._failed(held, job, error)
        except BandLeft:
            return Said(0, "The band was taken away too early. Hold the same band again.")
        except BandError as error:
            return Said(
                0, f"It did not answer as it should ({error.code}). Hold the same band again."
            )

    @property
    def is_bound(self) -> bool:
        """Does it wait for one band, known and not yet retired, to go on with?"""
        return bool(self._retiring)

    @property
    def has_begun_to_retire(self) -> bool:
        """Was anything done to that band?"""
        return bool(self._retiring) and self._journal.is_begun(self._retiring, RETIRE)

    def is_retiring(self, found: Found) -> bool:
        """Was the retirement of this band begun, in this run or before, and is not over? One with nothing of ours on it has none."""
        name = self._means.keys.uid_hash(found.uid)
        is_new = found.steps == whole_of(self._means.plan)
        return not is_new and self._journal.is_begun(name, RETIRE)

    def retire(self, target: Target, *, band_id: str) -> Found:
        """Take everything off the band on the reader, or what is left of it where that was begun before.

        Args:
            target: The band.
            band_id: The id it must have, "" for any band of ours; for the one that was held first, until that is retired.

        Raises:
            WrongBand: it has another id, or is another than the one that was held first.
            BandLeft: it was taken away; the same again goes on where it was.
            DriverError, BandRejected, DeviceError.
        """
        held = self._held(target)
        if self._retiring not in ("", held.name):
            raise WrongBand("This is another band than the one that was held first")
        known = (
            band_id_of_reference(held.found.reference)
            if held.found.reference
            else self._journal.band_id_of(held.name)
        )
        if band_id and known != band_id:
            raise WrongBand(
                f"This is another band than the one to retire: {known or 'one without an id'}"
            )
        self._retiring = held.name
        noting = self._noting(held.name)

        def note(step: str, do: Callable[[], None]) -> None:
            # Not before the first step: a band that is none of ours would never be issued.
            if not self.has_begun_to_retire:
                self._journal.write(held.name, RETIRE, State.BEGUN, band_id=known)
            noting(step, do)

        try:
            gone = held.work.retire(note)
        except BandRejected:
            self._retiring = ""  # Held again it would say the same.
            raise
        self._journal.write(held.name, RETIRE, State.DONE, band_id=known)
        self._retiring = ""
        return replace(gone, reference=bytes.fromhex(known))

    # --- one band

    def _work_on(self, target: Target) -> BandWork:
        return self._work(self._reader.connect(target), target, self._means)

    def _held(self, target: Target) -> _Held:
        work = self._work_on(target)
        found = work.survey()
        return _Held(target, work, found, self._means.keys.uid_hash(found.uid))

    def _issued(self, held: _Held, job: Job, errand: Errand) -> Said:
        found = held.found
        if self.is_retiring(found):
            raise WrongBand(STILL_RETIRING)
        if found.obstacle:
            raise BandRejected(found.obstacle)
        wanted = job.choose(found, held.name)
        reported = self._planned(held, wanted, errand)
        had = job.done.get(wanted.number)
        if had is not None and had.uid == found.uid and not found.steps:
            return Said(wanted.number, f"{had.label} is issued already.", had)
        self._journal.write(
            held.name, ISSUE, State.BEGUN, band_id=reported.band, label=reported.label,
            code=reported.code, chip=found.chip, plan=self._means.plan.digest,
            store=reported.store, replaces=reported.replaces, line=job.key_of(wanted.number),
        )  # fmt: skip
        held.work.finish(reference=bytes.fromhex(reported.band), note=self._noting(held.name))
        self._check_anew()
        job.note(reported)
        self._journal.write(
            held.name, ISSUE, State.DONE, band_id=reported.band, line=job.key_of(wanted.number)
        )
        return Said(wanted.number, f"{reported.label} is issued: {reported.code}", reported)

    def _planned(self, held: _Held, wanted: Wanted, errand: Errand) -> Reported:
        """What this band will be. Its id is the one on it, else the one it was begun with, else a new one."""
        found = held.found
        band_id = found.reference.hex() or self._journal.band_id_of(held.name)
        if not band_id:
            band_id = band_id_of_reference(self._means.entropy.draw(REFERENCE_SIZE))
        code = code_of(band_id)
        plan = self._means.plan
        label = plan.marked(wanted.label or plan.label_of(number=wanted.number, code=code))
        is_whole = not found.steps and not self._journal.is_begun(held.name, ISSUE)
        return Reported(
            number=0,
            line=wanted.place,
            outcome=Outcome.ALREADY if is_whole else Outcome.ISSUED,
            label=label,
            code=code,
            band=band_id,
            uid=found.uid,
            store=wanted.store or errand.store,
            qr=qr_text_of(band_id, is_practice=plan.is_practice),
            replaces=errand.replaces,
        )

    def _check_anew(self) -> None:
        """Activated anew, so that what only takes effect then is checked as a kiosk will meet it."""
        for _ in range(AGAIN_COUNT_MAX):
            target = self._reader.wait_for_target(WAIT_MS_MAX)
            if target is not None:
                self._work_on(target).check()
                return
        raise BandLeft("it left before it was checked")

    def _failed(self, held: _Held | None, job: Job, error: BandRejected) -> Said:
        uid, place = b"", 0
        if held is not None:
            uid, place = held.found.uid, job.place_of(held.found.uid, held.name)
            self._journal.write(held.name, ISSUE, State.FAILED, code=error.code)
        reported = Reported(
            0, Outcome.FAILED, uid=uid, problem=f"{error.code}: {error}", line=place
        )
        job.note(reported)
        return Said(0, f"This band was not issued: {error}.", reported)

    def _noting(self, band: str) -> Note:
        def note(step: str, do: Callable[[], None]) -> None:
            self._journal.write(band, step, State.BEGUN)
            do()
            self._journal.write(band, step, State.DONE)

        return note


def issued_in(report: bytes) -> frozenset[str]:
    """Ids of the bands a report says are made; its last line may be cut short. Raises PlanMalformed."""
    whole = report[: report.rfind(b"\n") + 1]
    rows = reported_of(whole) if whole else ()
    return frozenset(each.band for each in rows if each.outcome is not Outcome.FAILED)


def name_of_sheet(content: bytes) -> str:
    """Names a sheet in the journal: the first 12 hex digits of SHA-256 over it."""
    return hashlib.sha256(content).hexdigest()[:12]
