"""A band as witness of its own use: what is read of it, and the one transaction that adds a use.

    what a chip can witness     that it was used    what for    undone by
    DESFire EV1, EV2, EV3       every use           the last 7  nobody: no key may give a use back or clear the records
    Ultralight AES              every use           no          nobody: a one-way counter, moved only with its key
    Ultralight C                every use           no          nobody: a one-way counter of 16 bits, moved only with its key
    NTAG 424 DNA                every read by us    no          nobody; but any phone that reads the band moves it too
    NTAG 21x                    every read          no          nobody; any phone moves it, and a copy has its own
    Ultralight, Classic, FeliCa, Type 4, phone      nothing

A chip of the second kind is `Witness(uses=counter)`: its moves refuse whatever was not heard of, because nobody can say
what they were. On NTAG 424 that refuses too often and never too seldom, for each use of ours reads the link once and
a telephone may as well; on NTAG 21x it is no ground for anything.

What a witness is not: proof against a store that holds the band's key and does not write, and against a band the customer
leaves at home. It says what was used by those who write, to those who read.

A use on a DESFire, in a session opened with K_band:

    read_witness    GetValue, ReadRecords      2 exchanges, 1 while the band was never used; 6 on EV1
    record_use      WriteRecord, Debit, Commit 3 exchanges
                      |            |
                 not done      UNKNOWN  ->  select, authenticate, read_witness, `credential.witness.is_recorded`

    witnessed       both, and the judgement between: is it free of uses nobody heard of?

What breaks off before the commit was not done, and the error says so. A commit that broke off is done whole or not at all;
reading back says which, by the operation in the records. Writing the same operation again is safe as well: whoever writes
has read before, and `record_use` does not write what is there. A chip that only counts says it by having moved by one, see
`witnessing`; held there again much later it says nothing any more, and is not given to.
"""

from collections.abc import Collection
from enum import Enum
from typing import Protocol

from drivers.chips.counting import UseCounter, count_use
from drivers.chips.desfire import Desfire
from drivers.credential.layout import USES_FILE, USES_MAX, WITNESS_FILE
from drivers.credential.witness import Use, Witness, record_of, spent_at_most, use_of
from drivers.errors import BandMalformed, BandRefused, Delivery, DriverError


class Outcome(Enum):
    """What became of a use that was to be witnessed. Public: said by the reader process."""

    RECORDED = "recorded"  # it stands on the band: give
    THERE = "there"  # the same operation stood there already: it was given, or give now
    USED = "used"  # somebody else gave it, and we had not heard: do not give
    UNSURE = "unsure"  # the band cannot say what was used: do not give


class WitnessPlace(Protocol):
    """Where a chip remembers its uses, in a session with K_band. Raises DriverError as the chip does."""

    def read(self) -> Witness:
        """What the band says."""
        ...

    def add(self, use: Use, *, before: Witness) -> Witness:
        """Add a use; what the band says then. When `delivery` is UNKNOWN only the band can tell."""
        ...


class DesfireWitness:
    """Value and records of a DESFire of ours."""

    def __init__(self, chip: Desfire) -> None:
        self._chip = chip

    def read(self) -> Witness:
        """See `read_witness`."""
        return read_witness(self._chip)

    def add(self, use: Use, *, before: Witness) -> Witness:
        """See `record_use`."""
        return record_use(self._chip, use, before=before)


class CounterWitness:
    """The one-way counter of a chip that has no records."""

    def __init__(self, counter: UseCounter) -> None:
        self._counter = counter

    def read(self) -> Witness:
        """How often, and nothing else."""
        return Witness(self._counter.uses())

    def add(self, use: Use, *, before: Witness) -> Witness:  # noqa: ARG002 (a counter cannot say what for)
        """See `counting.count_use`."""
        return Witness(count_use(self._counter, before=before.uses))


def witnessed(
    place: WitnessPlace,
    use: Use,
    *,
    amount: int,
    free: int,
    heard: Collection[bytes],
    n_heard: int | None = None,
) -> Outcome:
    """Put a use on the band, unless the band says that there is not so much left.

    Args:
        place: Of a band in the field.
        use: What is to be given; its `amount_class` is that of `amount`.
        amount: How much, 1 for a use.
        free: How much was left by all that we have heard of.
        heard: Tags of the operations we have heard of that this band witnessed, the newest at least.
        n_heard: How many we have heard of in all; None when `heard` has them all.

    Raises:
        DriverError: nothing may be given yet. `delivery` UNKNOWN: the same order again, at the next tap, finds out; any other:
            it was not done.
    """
    before = place.read()
    outcome = judged(before, use, amount=amount, free=free, heard=heard, n_heard=n_heard)
    if outcome is Outcome.RECORDED:
        place.add(use, before=before)
    return outcome


def judged(
    before: Witness,
    use: Use,
    *,
    amount: int,
    free: int,
    heard: Collection[bytes],
    n_heard: int | None = None,
) -> Outcome:
    """What `witnessed` makes of a band that says this; RECORDED when it is to be recorded now."""
    if before.has(use.operation):
        return Outcome.THERE
    spent = spent_at_most(before, use.mark, heard=heard, n_heard=n_heard)
    if spent is None:
        return Outcome.UNSURE
    return Outcome.USED if spent + amount > free else Outcome.RECORDED


def read_witness(chip: Desfire) -> Witness:
    """What the band says of its own use; the session must be that of K_band.

    Raises:
        BandRefused: a band without these files, which cannot witness, or a file that is not as the layout says.
        BandMalformed: a record that is none.
        BandLeft, BandUntrusted, ReaderError: as `Desfire`.
    """
    left = chip.value(USES_FILE)
    if not 0 <= left <= USES_MAX:
        raise BandMalformed("the count of uses is none of ours", delivery=Delivery.DONE)
    uses = USES_MAX - left
    count = min(uses, WITNESS_FILE.n_readable)
    if not count:
        return Witness(uses)
    records = chip.records(WITNESS_FILE, count=count)
    return Witness(uses, tuple(use_of(each) for each in records))


def record_use(chip: Desfire, use: Use, *, before: Witness) -> Witness:
    """Add a use to the band, in one transaction; the session must be that of K_band.

    Args:
        chip: With the session `before` was read in.
        use: What to record. A use that is there already is not written again.
        before: What the band said a moment ago.

    Returns:
        What the band says now.

    Raises:
        BandRefused: not done; the chip said so before the commit.
        DriverError: `delivery` is NOT_SENT or REFUSED when it was not done for certain; UNKNOWN when only the band can tell.
    """
    if before.has(use.operation):
        return before
    try:
        chip.add_record(WITNESS_FILE, record_of(use))
        chip.debit(USES_FILE, 1)
    except BandRefused:
        raise
    except DriverError as error:
        # Whatever became of the command, nothing of it lasts: the chip was not asked to commit.
        error.delivery = Delivery.NOT_SENT
        raise
    try:
        chip.commit()
    except DriverError as error:
        if error.delivery is not Delivery.NOT_SENT:
            error.delivery = Delivery.UNKNOWN
        raise
    records = (use, *before.records)[: WITNESS_FILE.n_readable]
    return Witness(before.uses + 1, records)
