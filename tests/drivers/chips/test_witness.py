"""The band as witness, against virtual chips: one transaction, torn at every command and byte, read back to done or not."""

import dataclasses
from collections.abc import Callable
from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drivers.chips.desfire import Desfire
from drivers.chips.witness import (
    CounterWitness,
    DesfireWitness,
    Outcome,
    read_witness,
    record_use,
    witnessed,
)
from drivers.credential.layout import (
    AID,
    REFERENCE_FILE,
    USES_FILE,
    USES_MAX,
    WITNESS_FILE,
    KeySlot,
)
from drivers.credential.witness import (
    Kind,
    Use,
    Witness,
    amount_class_of,
    is_recorded,
    mark_of,
    record_of,
    store_tag,
    uses_of,
)
from drivers.errors import BandLeft, BandMalformed, BandRefused, Delivery, DriverError
from hardware.clock import FixedClock
from hardware.entropy import SeededEntropy
from hardware.virtual.band import VirtualBand
from hardware.virtual.desfire import VirtualApplication, VirtualDesfire, VirtualValueFile
from hardware.virtual.faults import Fault, FaultKind, FaultyBand
from hardware.virtual.field import Field
from tests.support.bands import (
    GROUP_KEY,
    REFERENCE,
    UID,
    ChipConnection,
    band,
    band_key,
)

KEY = band_key(UID)
COFFEE, TICKET = mark_of(KEY, "entitlement/coffee"), mark_of(KEY, "entitlement/ticket")
EVS = pytest.mark.parametrize("ev", [1, 2])


def use(number: int, mark: bytes = COFFEE, *, store: str = "berlin") -> Use:
    operation = number.to_bytes(8, "big")
    return Use(operation, 1_700_000_000 + number, store_tag(store), Kind.REDEEMED, 0, mark)


@dataclasses.dataclass
class Tap:
    """One activation of a band, opened with K_band."""

    chip: Desfire
    connection: ChipConnection


def tap(virtual: VirtualBand, *, slot: KeySlot = KeySlot.BAND, key: bytes = KEY) -> Tap:
    connection = ChipConnection(virtual.power_up())
    chip = Desfire(connection, SeededEntropy("reader"))
    chip.select_application(AID)
    if not chip.authenticate_ev2_first(slot.value, key):
        chip.authenticate_aes(slot.value, key)
    return Tap(chip, connection)


def used(virtual: VirtualDesfire, *uses: Use) -> VirtualDesfire:
    """The band after these uses."""
    chip = tap(virtual).chip
    seen = read_witness(chip)
    for each in uses:
        seen = record_use(chip, each, before=seen)
    return virtual


def operations(virtual: VirtualDesfire) -> list[bytes]:
    """What stands on the band, from its own side, the oldest first."""
    return [record[:8] for record in virtual.records[AID, 4]]


def n_uses(virtual: VirtualDesfire) -> int:
    return USES_MAX - virtual.values[AID, USES_FILE.number]


@EVS
def test_a_new_band_was_never_used(ev: int) -> None:
    assert read_witness(tap(band(ev=ev)).chip) == Witness(0)


@EVS
def test_every_use_is_told_at_the_next_tap_the_newest_first(ev: int) -> None:
    virtual = band(ev=ev)
    for number in range(1, 10):
        before = read_witness(tap(virtual).chip)
        assert before.uses == number - 1
        used(virtual, use(number))

    seen = read_witness(tap(virtual).chip)

    assert seen == Witness(9, tuple(use(number) for number in range(9, 2, -1)))


@EVS
def test_what_is_said_after_a_use_is_what_the_band_says(ev: int) -> None:
    virtual = band(ev=ev)
    chip = tap(virtual).chip
    seen = read_witness(chip)

    for number in range(9):
        seen = record_use(chip, use(number), before=seen)

    assert read_witness(chip) == seen
    assert read_witness(tap(virtual).chip) == seen


@pytest.mark.parametrize(("ev", "n_read", "n_full"), [(1, 1, 6), (2, 1, 2)])
def test_a_use_takes_the_fewest_exchanges(ev: int, n_read: int, n_full: int) -> None:
    fresh, full = tap(band(ev=ev)), tap(used(band(ev=ev), *(use(n) for n in range(8))))
    counts = [len(each.connection.sent) for each in (fresh, full)]

    before = read_witness(fresh.chip)
    read_witness(full.chip)
    n_first = len(fresh.connection.sent)
    record_use(fresh.chip, use(9), before=before)

    assert n_first - counts[0] == n_read
    assert len(full.connection.sent) - counts[1] == n_full
    assert len(fresh.connection.sent) - n_first == 3


@EVS
def test_a_second_shop_that_heard_nothing_refuses_the_second_use(ev: int) -> None:
    virtual = band(ev=ev)
    used(virtual, use(1, COFFEE, store="berlin"))

    in_hamburg = read_witness(tap(virtual).chip)

    assert uses_of(in_hamburg, COFFEE, heard=()) == 1
    assert uses_of(in_hamburg, TICKET, heard=()) == 0
    assert in_hamburg.records[0].store == store_tag("berlin")


@EVS
def test_the_same_operation_is_never_written_twice(ev: int) -> None:
    virtual = used(band(ev=ev), use(1))
    again = tap(virtual)
    before = read_witness(again.chip)
    n_sent = len(again.connection.sent)

    after = record_use(again.chip, use(1), before=before)

    assert after == before
    assert len(again.connection.sent) == n_sent
    assert n_uses(virtual) == 1


def _torn(virtual: VirtualDesfire, fault: Fault) -> FaultyBand:
    field = Field()
    field.present(virtual)
    return FaultyBand(
        virtual, fault, field=field, clock=FixedClock(datetime(2026, 11, 22, tzinfo=UTC))
    )


def _write_torn(
    virtual: VirtualDesfire, fault: Fault, mine: Use
) -> tuple[Witness, DriverError | None]:
    """A use written on a band that is torn away; what was read before, and what was raised."""
    before = Witness(n_uses(virtual))
    try:
        chip = tap(_torn(virtual, fault)).chip
        before = read_witness(chip)
        record_use(chip, mine, before=before)
    except DriverError as error:
        return before, error
    return before, None


def _settled(
    virtual: VirtualDesfire, before: Witness, error: DriverError | None, mine: Use
) -> None:
    """Whatever happened, the next tap knows it, and trying again makes it one use."""
    is_there = mine.operation in operations(virtual)
    earlier = before.uses
    assert n_uses(virtual) == earlier + is_there, "half a transaction"
    if error is not None and error.delivery is not Delivery.UNKNOWN:
        assert not is_there
    if error is None:
        assert is_there

    chip = tap(virtual).chip
    now = read_witness(chip)
    assert is_recorded(now, mine, before=before) is is_there
    others = [each for each in operations(virtual) if each != mine.operation]
    if earlier <= 6:
        assert uses_of(now, mine.mark, heard=others[-earlier:] if earlier else ()) == int(
            is_there
        )

    record_use(chip, mine, before=now)
    assert operations(virtual).count(mine.operation) == 1
    assert n_uses(virtual) == earlier + 1


TEARS = (FaultKind.TEAR_COMMAND, FaultKind.TEAR_ANSWER)
N_COMMANDS = {1: 4 + 2 + 3, 2: 3 + 2 + 3}
"""Select, authenticate (one more where 71 is not known), read one record, write."""


@EVS
@pytest.mark.parametrize("kind", TEARS)
def test_a_use_torn_at_any_command_is_done_or_not_done_and_both_are_known(
    ev: int, kind: FaultKind
) -> None:
    deliveries = []

    for at in range(1, N_COMMANDS[ev] + 1):
        virtual, mine = used(band(ev=ev), use(1, TICKET)), use(2)

        before, error = _write_torn(virtual, Fault(kind, at), mine)

        assert isinstance(error, BandLeft)
        deliveries.append(error.delivery)
        _settled(virtual, before, error, mine)

    # Two commands before the commit: known not to be done. The commit: only the band can tell.
    assert deliveries[-3:] == [Delivery.NOT_SENT, Delivery.NOT_SENT, Delivery.UNKNOWN]


def _n_bytes(ev: int) -> int:
    """Bytes that pass both ways in a tap that writes a use."""
    virtual = used(band(ev=ev), use(1, TICKET))
    at = 1
    while _write_torn(
        used(band(ev=ev), use(1, TICKET)), Fault(FaultKind.TEAR_BYTE, at), use(2)
    )[1]:
        at += 16
    assert n_uses(virtual) == 1
    return at


@settings(max_examples=60)
@given(st.sampled_from([1, 2]), st.integers(1, 700), st.integers(0, 9))
def test_a_use_torn_at_any_byte_is_done_or_not_done_and_both_are_known(
    ev: int, at: int, n_earlier: int
) -> None:
    virtual, mine = used(band(ev=ev), *(use(n, TICKET) for n in range(n_earlier))), use(99)

    before, error = _write_torn(virtual, Fault(FaultKind.TEAR_BYTE, at), mine)

    _settled(virtual, before, error, mine)


@pytest.mark.soak
@EVS
def test_a_use_torn_at_each_byte_there_is_is_done_or_not_done(ev: int) -> None:
    for at in range(1, _n_bytes(ev) + 1):
        virtual, mine = used(band(ev=ev), use(1, TICKET)), use(2)

        before, error = _write_torn(virtual, Fault(FaultKind.TEAR_BYTE, at), mine)

        _settled(virtual, before, error, mine)


@pytest.mark.parametrize("status", [0x0C, 0x1E, 0xAE, 0xCA, 0xEE])
def test_a_commit_that_seems_refused_is_read_back_all_the_same(status: int) -> None:
    """A status carries no MAC: who sits in between may say "refused" of what was done."""
    virtual, mine = band(), use(1)
    at_commit = 3 + 1 + 3

    def lied(number: int, answer: bytes) -> bytes:
        return bytes((0x91, status)) if number == at_commit else answer

    connection = ChipConnection(virtual.power_up(), lied)
    chip = Desfire(connection, SeededEntropy("reader"))
    chip.select_application(AID)
    chip.authenticate_ev2_first(KeySlot.BAND.value, KEY)
    before = read_witness(chip)

    with pytest.raises(BandRefused) as caught:
        record_use(chip, mine, before=before)

    assert caught.value.delivery is Delivery.UNKNOWN
    assert is_recorded(read_witness(tap(virtual).chip), mine, before=before) is True


@settings(max_examples=25)
@given(
    st.lists(
        st.tuples(
            st.sampled_from(["berlin", "hamburg"]),
            st.sampled_from([COFFEE, TICKET]),
            st.one_of(st.none(), st.integers(1, 600)),
        ),
        max_size=8,
    )
)
def test_two_shops_that_never_speak_give_each_thing_once_however_often_the_band_is_torn(
    visits: list[tuple[str, bytes, int | None]],
) -> None:
    """A shop gives when it knows that the use stands on the band; a torn one it settles at the next tap."""
    virtual, given_out = band(), {COFFEE: 0, TICKET: 0}
    open_uses: dict[str, tuple[Use, Witness]] = {}

    for number, (shop, mark, torn_at) in enumerate(visits, start=1):
        held: VirtualBand = virtual
        if torn_at is not None:
            held = _torn(virtual, Fault(FaultKind.TEAR_BYTE, torn_at))
        try:
            chip = tap(held).chip
            seen = read_witness(chip)
            if shop in open_uses:
                mine, before = open_uses[shop]
                if is_recorded(seen, mine, before=before):
                    given_out[mine.mark] += 1
                del open_uses[shop]
            if uses_of(seen, mark, heard=()) != 0:
                continue
            mine = use(number, mark, store=shop)
            open_uses[shop] = (mine, seen)
            record_use(chip, mine, before=seen)
            del open_uses[shop]
            given_out[mark] += 1
        except DriverError as error:
            if error.delivery is not Delivery.UNKNOWN:
                open_uses.pop(shop, None)

    records = [each[16:32] for each in virtual.records[AID, 4]]
    for mark, count in given_out.items():
        waiting = sum(1 for mine, _ in open_uses.values() if mine.mark == mark)
        assert count <= 1
        assert records.count(mark) <= 1
        assert count <= records.count(mark) <= count + waiting


@EVS
def test_no_use_is_lost_whatever_its_record_is_made_of(ev: int) -> None:
    """2,000 random records a chip, for what happens once in 256."""
    virtual, chance = band(ev=ev), SeededEntropy(f"records {ev}")
    chip = tap(virtual).chip
    seen, lost = read_witness(chip), []

    for number in range(2_000):
        mine = dataclasses.replace(use(number), operation=chance.draw(8), mark=chance.draw(16))
        seen = record_use(chip, mine, before=seen)
        if virtual.records[AID, 4][-1] != record_of(mine):
            lost.append(number)

    assert lost == []
    assert read_witness(chip) == seen
    assert seen.uses == 2_000


WAYS = tuple(kind for kind in FaultKind if kind not in {FaultKind.NONE, FaultKind.DELAY})


@EVS
@pytest.mark.parametrize("kind", WAYS)
def test_whatever_goes_wrong_between_a_use_and_the_band_the_next_tap_knows(
    ev: int, kind: FaultKind
) -> None:
    for at in range(N_COMMANDS[ev] - 5, N_COMMANDS[ev] + 1):
        virtual, mine = used(band(ev=ev), use(1, TICKET)), use(2)

        before, error = _write_torn(virtual, Fault(kind, at), mine)

        _settled(virtual, before, error, mine)


def _give(virtual: VirtualBand, mine: Use, *, free: int = 1) -> Outcome:
    place = DesfireWitness(tap(virtual).chip)
    return witnessed(place, mine, amount=1, free=free, heard=())


@EVS
def test_a_shop_gives_once_and_another_one_not_again(ev: int) -> None:
    virtual = band(ev=ev)
    first, second, other = use(1), use(2, store="hamburg"), use(3, TICKET, store="hamburg")
    first, second, other = (
        dataclasses.replace(each, amount_class=1) for each in (first, second, other)
    )

    outcomes = [_give(virtual, each) for each in (first, first, second, other)]

    assert outcomes == [Outcome.RECORDED, Outcome.THERE, Outcome.USED, Outcome.RECORDED]
    assert _give(virtual, second, free=2) is Outcome.RECORDED
    assert n_uses(virtual) == 3


def test_money_is_not_spent_beyond_what_is_left_for_certain() -> None:
    virtual = band()
    spent = [
        dataclasses.replace(use(number), kind=Kind.SPENT, amount_class=amount_class_of(amount))
        for number, amount in enumerate((400, 400, 100), start=1)
    ]

    outcomes = [
        witnessed(DesfireWitness(tap(virtual).chip), each, amount=amount, free=1_000, heard=())
        for each, amount in zip(spent, (400, 400, 100), strict=True)
    ]

    # 400 may have been up to 511; 511 + 400 fits in 1000, 1022 + 100 does not.
    assert outcomes == [Outcome.RECORDED, Outcome.RECORDED, Outcome.USED]


def test_a_torn_use_is_asked_for_again_and_given_once() -> None:
    for at in range(1, N_COMMANDS[2] + 1):
        virtual, mine = (
            used(band(), use(1, TICKET)),
            dataclasses.replace(use(2), amount_class=1),
        )
        chip_side = _torn(virtual, Fault(FaultKind.TEAR_ANSWER, at))
        with pytest.raises(BandLeft):
            _give(chip_side, mine)

        again = _give(virtual, mine)

        assert again in {Outcome.RECORDED, Outcome.THERE}
        assert operations(virtual).count(mine.operation) == 1
        assert _give(virtual, dataclasses.replace(use(3), amount_class=1)) is Outcome.USED


class Counted:
    """A one-way counter."""

    def __init__(self, at: int) -> None:
        self.at = at

    def uses(self) -> int:
        return self.at

    def add_use(self) -> None:
        self.at += 1


def test_a_band_that_only_counts_gives_while_every_use_was_heard_of() -> None:
    counter, heard = Counted(4), {use(number).operation for number in range(10, 14)}

    known = witnessed(CounterWitness(counter), use(1), amount=1, free=1, heard=heard)
    unknown = witnessed(CounterWitness(counter), use(2), amount=1, free=1, heard=heard)

    assert (known, unknown) == (Outcome.RECORDED, Outcome.UNSURE)
    assert counter.at == 5


Ask = Callable[[Desfire], object]


@pytest.mark.parametrize(
    "ask",
    [
        read_witness,
        lambda chip: chip.debit(USES_FILE, 1),
        lambda chip: chip.add_record(WITNESS_FILE, bytes(32)),
    ],
)
def test_whoever_only_holds_the_group_key_neither_reads_nor_moves_the_witness(ask: Ask) -> None:
    virtual = used(band(), use(1))
    chip = tap(virtual, slot=KeySlot.UID, key=GROUP_KEY).chip

    with pytest.raises(BandRefused):
        ask(chip)

    assert n_uses(virtual) == 1
    assert len(operations(virtual)) == 1


@pytest.mark.parametrize(
    "ask",
    [
        lambda chip: chip.credit(USES_FILE, 1),
        lambda chip: chip.limited_credit(USES_FILE, 1),
        lambda chip: chip.clear_records(WITNESS_FILE),
    ],
)
def test_not_even_the_bands_own_key_gives_a_use_back_or_clears_the_records(ask: Ask) -> None:
    virtual = used(band(), use(1))
    chip = tap(virtual).chip

    with pytest.raises(BandRefused) as caught:
        ask(chip)

    assert caught.value.status in {0x919D, 0x91AE}
    assert n_uses(virtual) == 1
    assert len(operations(virtual)) == 1


def test_a_band_from_before_the_witness_is_refused_and_still_read() -> None:
    virtual = band(has_witness=False)

    with pytest.raises(BandRefused) as caught:
        read_witness(tap(virtual).chip)

    assert caught.value.status == 0x91F0
    assert tap(virtual).chip.read(REFERENCE_FILE) == REFERENCE


def test_a_count_that_is_none_of_ours_is_malformed() -> None:
    virtual = band()
    ours = virtual.applications[AID]
    files = tuple(
        dataclasses.replace(each, value=-1, lower=-5)
        if isinstance(each, VirtualValueFile)
        else each
        for each in ours.files
    )
    odd = VirtualDesfire(
        uid=UID,
        ev=2,
        applications=(VirtualApplication(AID, ours.keys, files, ours.key_settings),),
        entropy=SeededEntropy("odd"),
    )

    with pytest.raises(BandMalformed):
        read_witness(tap(odd).chip)
