"""Two shops without a network, both with the lease of one band: the second refuses what the first gave, and heard nothing."""

import asyncio
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from drivers.chips.afterwards import opened_leased
from drivers.chips.reading import read_band
from drivers.chips.witness import WitnessPlace
from drivers.chips.witnessing import carried_out, witness_place_of
from drivers.connection import Connection
from drivers.credential.layout import AID, USES_FILE, USES_MAX
from drivers.lines import Left, Proved, Told, Use
from drivers.proof import Proof
from hardware import identity as identities
from hardware.clock import FixedClock
from hardware.disk import SystemDisk
from hardware.entropy import SystemEntropy
from hardware.virtual.band import PoweredChip, VirtualBand
from hardware.virtual.desfire import VirtualDesfire
from hardware.virtual.faults import Fault, FaultKind, FaultyBand
from hardware.virtual.field import Field
from kiosk import witnessing
from kiosk.assembly.desk import StoreDesk
from kiosk.assembly.device import Device, real_world
from kiosk.assembly.evidence import CacheKeys
from kiosk.assembly.syncing import Sync
from kiosk.core.ports import Recorded, Refused
from kiosk.demo.in_process import InProcessTransport
from kiosk.witnessing import BandWitness
from sync.central.centre import Centre
from sync.edge.switch import SwitchedTransport
from sync.model.operation import Evidence
from sync.model.records import Entitlement, Interaction, LedgerEntry, Store
from tests.support.bands import UID, ChipConnection, band, target_of
from tests.support.centre import new_device, open_centre
from tests.support.chip_bands import Type2Connection, ntag424, type2_target, ultralight_aes
from tests.support.operations import assert_books_balance
from tests.support.shop import BAND, LENA, NOON, lenas_rows, row

COFFEE, CINEMA = "entitlement/coffee", "entitlement/cinema"
PROVED = Evidence("A2", "mutual", BAND)
STAFF = Evidence("S1")
STORES = ("harbour", "station", "airport")


def connected(chip: PoweredChip) -> Connection:
    return ChipConnection(chip) if chip.anticollision.ats else Type2Connection(chip)


@dataclass
class Reader:
    """A reader process in this one: reads a band with the keys of its till, and carries out what it is told."""

    keys: CacheKeys
    witness: BandWitness
    held: VirtualBand | None = None
    proof: Proof | None = None
    tap: int = 0
    told: list[Use] = field(default_factory=list)

    def put(self, held: VirtualBand, *, read: VirtualBand | None = None) -> Proved:
        """Somebody holds a band there; what it proved. `read` is the same band where `held` is about to be torn."""
        chip = (read or held).power_up()
        target = target_of(chip) if chip.anticollision.ats else type2_target(chip)
        proof = read_band(connected(chip), target, self.keys, SystemEntropy())
        self.held, self.proof, self.tap = held, proof, self.tap + 1
        assert proof.band is not None
        proved = Proved(
            self.tap, proof.kind.value, proof.family.value, proof.generation, UID.hex(),
            proof.band.hex(),
        )  # fmt: skip
        self.witness.heard(proved)
        return proved

    def take_away(self) -> None:
        self.held = None
        self.witness.heard(Left(self.tap))

    def tell(self, value: Told) -> None:
        assert isinstance(value, Use)
        self.told.append(value)
        asyncio.get_running_loop().call_soon(self._carry_out, value)

    def _carry_out(self, order: Use) -> None:
        leased, held, proof = self.keys.band_key(UID), self.held, self.proof
        assert leased is not None
        if held is None or proof is None:
            return

        def place() -> WitnessPlace:
            connection = connected(held.power_up())
            return witness_place_of(opened_leased(connection, proof, leased, SystemEntropy()))

        self.witness.heard(carried_out(order, key=leased.value, place=place))


class Till:
    """A counter of one store with its reader and its network cable."""

    def __init__(self, centre: Centre, folder: Path, *, store: str) -> None:
        identity = new_device(centre, store=store, role="counter")
        identities.save(identity, folder, disk=SystemDisk())
        self.device = Device.open(folder, world=real_world())
        self.cable = SwitchedTransport(InProcessTransport(centre.asgi_app))
        self.sync = Sync(self.device, transport=self.cable)
        witness = BandWitness()
        self.reader = Reader(CacheKeys(self.device.store), witness)
        witness.connect(self.reader.tell)
        self.desk = StoreDesk(self.device, self.sync, witness=witness)
        # The sync thread, which would notice, does not run here: each test exchanges when it wants to.
        self.desk._witnessing._is_online = lambda: not self.cable.is_cut

    def close(self) -> None:
        self.sync.stop()
        self.device.close()

    def agree(self) -> None:
        """Exchange with the centre until nothing waits."""
        self.cable.join()
        for _ in range(20):
            code = self.sync.once()
            if code == "ok" and self.desk.standing().n_waiting == 0:
                return
        raise AssertionError(f"no agreement: {code}")

    def use(self, of: str = COFFEE) -> Recorded:
        """The clerk says yes. Raises Refused."""
        return asyncio.run(self.desk.use(of, owner=LENA, actor="ben", evidence=PROVED))

    def left(self, of: str = COFFEE) -> int | None:
        (found,) = [
            body for row, body in self.desk.profile_of(LENA).of(Entitlement) if row.key == of
        ]
        return found.n_left


@pytest.fixture
def centre(tmp_path: Path) -> Iterator[Centre]:
    opened = open_centre(tmp_path / "centre")
    rows = [*lenas_rows()]
    for name in (COFFEE, CINEMA):
        short = name.partition("/")[2]
        rows += [
            row(
                Entitlement(
                    id=short, kind="coupon", title=short, n_left=1, home_store="harbour"
                )
            ),
            row(LedgerEntry(f"opening-{short}", name, 1, "opening", "", NOON)),
        ]
    rows += [row(Store(id=name, name=name.title()), owner="") for name in STORES]
    opened.put_rows(
        rows, interest=[(store, LENA) for store in ("harbour", "station", "airport")]
    )
    opened.link_chip(BAND, UID)
    yield opened
    opened.close()


def _till(centre: Centre, tmp_path: Path, store: str) -> Iterator[Till]:
    till = Till(centre, tmp_path / store, store=store)
    till.agree()
    yield till
    till.close()


@pytest.fixture
def station(centre: Centre, tmp_path: Path) -> Iterator[Till]:
    yield from _till(centre, tmp_path, "station")


@pytest.fixture
def airport(centre: Centre, tmp_path: Path) -> Iterator[Till]:
    yield from _till(centre, tmp_path, "airport")


def lenas_band(till: Till, *, ev: int = 2, has_witness: bool = True) -> VirtualDesfire:
    """Lena's band, with the keys the centre leases for it."""
    leased, group = till.reader.keys.band_key(UID), till.reader.keys.group_key()
    assert leased is not None
    assert group is not None
    return band(
        ev=ev,
        key=leased.value,
        key_version=leased.version,
        group_key=group.value,
        reference=bytes.fromhex(BAND),
        has_witness=has_witness,
    )


def counting_band(till: Till, make: Callable[..., VirtualBand]) -> VirtualBand:
    """Lena's band, of a chip that counts its uses and does not name them."""
    leased = till.reader.keys.band_key(UID)
    assert leased is not None
    return make(key=leased.value, reference=bytes.fromhex(BAND))


def torn(held: VirtualBand, fault: Fault) -> FaultyBand:
    table = Field()
    table.present(held)
    return FaultyBand(held, fault, field=table, clock=FixedClock(real_world().clock.now()))


def n_uses(held: VirtualDesfire) -> int:
    return USES_MAX - held.values[AID, USES_FILE.number]


def books(centre: Centre, *tills: Till) -> None:
    keys = {row.key for till in tills for row in till.desk.profile_of(LENA).rows}
    assert_books_balance({key: found for key in keys if (found := centre.row(key)) is not None})


@pytest.mark.parametrize("ev", [1, 2])
def test_the_second_shop_without_a_network_refuses_what_the_first_gave(
    centre: Centre, station: Till, airport: Till, ev: int
) -> None:
    lenas = lenas_band(station, ev=ev)
    for till in (station, airport):
        till.cable.cut()

    station.reader.put(lenas)
    first = station.use()
    station.reader.take_away()
    airport.reader.put(lenas)
    with pytest.raises(Refused) as second:
        airport.use()
    other = airport.use(CINEMA)

    assert (first.waits, other.waits) == (False, False)
    assert second.value.code == "used_elsewhere"
    assert second.value.where == "station"
    assert abs(second.value.at - airport.desk.standing().now) < 3_600_000_000
    assert (station.left(), airport.left(CINEMA)) == (0, 0)
    assert n_uses(lenas) == 2
    for till in (station, airport, station):
        till.agree()
    assert station.desk.unsettled() == airport.desk.unsettled() == ()
    assert (station.left(), station.left(CINEMA)) == (0, 0)
    books(centre, station, airport)


every_counting_chip = pytest.mark.parametrize(
    "make", [ntag424, ultralight_aes], ids=["NTAG 424", "Ultralight AES"]
)


@every_counting_chip
def test_a_chip_that_only_counts_makes_the_second_shop_wait_until_it_heard_of_the_first(
    centre: Centre, station: Till, airport: Till, make: Callable[..., VirtualBand]
) -> None:
    lenas = counting_band(station, make)
    for till in (station, airport):
        till.cable.cut()

    station.reader.put(lenas)
    first = station.use()
    station.reader.take_away()
    airport.reader.put(lenas)
    second = airport.use()
    airport.reader.take_away()
    for till in (station, airport, station):
        till.agree()
    station.cable.cut()
    station.reader.put(lenas)
    third = station.use(CINEMA)

    assert (first.waits, second.waits, third.waits) == (False, True, False)
    assert station.left() == 0
    assert [line.kind for line in airport.desk.unsettled()] == ["redeem"]
    books(centre, station, airport)


@every_counting_chip
@pytest.mark.parametrize("kind", [FaultKind.TEAR_COMMAND, FaultKind.TEAR_ANSWER])
@pytest.mark.parametrize("late", [False, True])
def test_a_torn_use_of_a_chip_that_only_counts_is_given_once_when_it_is_held_again_soon(
    centre: Centre,
    station: Till,
    make: Callable[..., VirtualBand],
    kind: FaultKind,
    monkeypatch: pytest.MonkeyPatch,
    *,
    late: bool,
) -> None:
    """Torn where it is counted: the last but one exchange, the counter is read after it."""
    at = 4 if make is ultralight_aes else 6
    lenas = counting_band(station, make)
    station.cable.cut()
    station.reader.put(torn(lenas, Fault(kind, at)), read=lenas)
    with pytest.raises(Refused) as not_yet:
        station.use()
    station.reader.take_away()
    if late:
        monkeypatch.setattr(witnessing, "STOOD_US", 0)

    station.reader.put(lenas)
    given = station.use()

    is_counted = kind is FaultKind.TEAR_ANSWER
    assert not_yet.value.code == "hold_again"
    assert given.waits is (late and is_counted)
    assert station.reader.put(lenas).band == BAND
    assert station.reader.proof is not None
    assert station.reader.proof.uses == 1
    station.agree()
    assert station.left() == 0
    books(centre, station)


@every_counting_chip
def test_another_right_given_meanwhile_is_not_taken_for_the_torn_one(
    centre: Centre, station: Till, make: Callable[..., VirtualBand]
) -> None:
    at = 4 if make is ultralight_aes else 6
    lenas = counting_band(station, make)
    station.cable.cut()
    station.reader.put(torn(lenas, Fault(FaultKind.TEAR_COMMAND, at)), read=lenas)
    with pytest.raises(Refused, match="hold_again"):
        station.use(COFFEE)
    station.reader.take_away()

    station.reader.put(lenas)
    given = (station.use(CINEMA), station.use(COFFEE))

    assert [each.waits for each in given] == [False, False]
    assert station.reader.put(lenas).band == BAND
    assert station.reader.proof is not None
    assert station.reader.proof.uses == 2
    station.agree()
    books(centre, station)


def test_what_the_centre_told_of_is_not_held_against_the_band(
    centre: Centre, station: Till, airport: Till
) -> None:
    lenas = lenas_band(station)
    station.cable.cut()
    station.reader.put(lenas)
    station.use()
    station.agree()
    airport.agree()
    airport.cable.cut()

    airport.reader.put(lenas)
    (order,) = station.reader.told
    given = airport.use(CINEMA)
    with pytest.raises(Refused) as again:
        airport.use(COFFEE)

    assert not given.waits
    assert again.value.code in {"not_enough", "used_elsewhere"}
    assert airport.reader.told[0].n_heard == 1
    assert order.operation.replace("-", "").endswith(airport.reader.told[0].heard[0])


@pytest.mark.parametrize("kind", [FaultKind.TEAR_COMMAND, FaultKind.TEAR_ANSWER])
@pytest.mark.parametrize("at", [2, 6, 7])
def test_a_torn_use_is_not_yet_given_and_given_once_when_the_band_is_held_again(
    centre: Centre, station: Till, kind: FaultKind, at: int
) -> None:
    lenas = lenas_band(station)
    station.cable.cut()

    station.reader.put(torn(lenas, Fault(kind, at)), read=lenas)
    with pytest.raises(Refused) as not_yet:
        station.use()
    n_recorded = station.desk.standing().n_waiting
    station.reader.take_away()
    station.reader.put(lenas)
    given = station.use()

    assert (not_yet.value.code, n_recorded) == ("hold_again", 0)
    assert not given.waits
    assert n_uses(lenas) == 1
    station.agree()
    assert station.left() == 0
    books(centre, station)


def test_a_torn_use_that_nobody_tries_again_is_not_unheard(
    centre: Centre, station: Till, tmp_path: Path
) -> None:
    lenas = lenas_band(station)
    station.cable.cut()
    station.reader.put(torn(lenas, Fault(FaultKind.TEAR_ANSWER, 7)), read=lenas)
    with pytest.raises(Refused, match="hold_again"):
        station.use()
    station.close()

    again = Device.open(tmp_path / "station", world=real_world())
    desk = StoreDesk(again, None)
    (line,) = desk.unsettled()
    n_shown = desk.standing().n_refused
    desk.void(line.op, actor="ben", evidence=STAFF, reason="she was given another coffee")
    settled = ([each.kind for each in desk.unsettled()], desk.standing().n_refused)
    notes = [each for _, each in desk.profile_of(LENA).of(Interaction) if each.about == COFFEE]
    again.close()

    assert (line.kind, line.owner, line.code, line.about) == ("redeem", LENA, "torn", COFFEE)
    assert n_shown == 1
    assert settled == (["record_interaction"], 0)
    assert [(note.text, note.audience) for note in notes] == [
        ("she was given another coffee", "internal")
    ]


def test_a_use_that_was_torn_and_held_again_stands_in_no_list(station: Till) -> None:
    lenas = lenas_band(station)
    station.cable.cut()
    station.reader.put(torn(lenas, Fault(FaultKind.TEAR_ANSWER, 7)), read=lenas)
    with pytest.raises(Refused, match="hold_again"):
        station.use()
    shown = [line.code for line in station.desk.unsettled()]
    station.reader.take_away()
    station.reader.put(lenas)

    station.use()

    assert shown == ["torn"]
    assert [line.code for line in station.desk.unsettled()] == [""]


def test_without_a_network_a_band_that_left_is_asked_for_once_and_else_the_use_waits(
    station: Till,
) -> None:
    station.cable.cut()

    with pytest.raises(Refused, match="hold_again"):
        station.use()
    n_recorded = station.desk.standing().n_waiting
    recorded = station.use()

    assert n_recorded == 0
    assert recorded.waits
    assert station.reader.told == []


def test_a_band_that_left_and_is_held_there_again_witnesses(station: Till) -> None:
    station.cable.cut()
    with pytest.raises(Refused, match="hold_again"):
        station.use()

    station.reader.put(lenas_band(station))
    recorded = station.use()

    assert not recorded.waits


def test_who_was_found_by_name_needs_no_band(station: Till) -> None:
    station.cable.cut()

    recorded = asyncio.run(
        station.desk.use(COFFEE, owner=LENA, actor="ben", evidence=Evidence("S1", "id_seen"))
    )

    assert recorded.waits


def test_with_a_band_that_cannot_witness_everything_is_as_it_was(station: Till) -> None:
    station.cable.cut()
    station.reader.put(lenas_band(station, has_witness=False))

    recorded = station.use()

    assert recorded.waits
    assert len(station.reader.told) == 1


def test_a_band_that_left_before_it_answered_is_torn_and_the_clerk_is_told(
    station: Till,
) -> None:
    lenas = lenas_band(station)
    station.cable.cut()
    station.reader.put(lenas)
    tell = station.reader.tell

    def gone(value: Told) -> None:
        station.reader.take_away()

    station.desk._witness.connect(gone)
    with pytest.raises(Refused) as refused:
        station.use()
    station.desk._witness.connect(tell)
    station.reader.put(lenas)

    assert refused.value.code == "hold_again"
    assert not station.use().waits
    assert n_uses(lenas) == 1


def test_the_home_store_gives_alone_and_marks_the_band_for_the_others(
    centre: Centre, station: Till, tmp_path: Path
) -> None:
    (harbour,) = list(_tills(centre, tmp_path, "harbour"))
    lenas = lenas_band(station)
    for till in (harbour, station):
        till.cable.cut()

    harbour.reader.put(lenas)
    first = harbour.use()
    station.reader.put(lenas)
    with pytest.raises(Refused) as second:
        station.use()

    assert not first.waits
    assert second.value.code == "used_elsewhere"
    harbour.close()


@every_counting_chip
@pytest.mark.parametrize("kind", [FaultKind.TEAR_COMMAND, FaultKind.TEAR_ANSWER])
def test_the_home_store_asks_once_for_a_torn_band_so_that_it_stays_a_witness(
    centre: Centre,
    station: Till,
    tmp_path: Path,
    make: Callable[..., VirtualBand],
    kind: FaultKind,
) -> None:
    (harbour,) = list(_tills(centre, tmp_path, "harbour"))
    lenas, at = counting_band(harbour, make), 4 if make is ultralight_aes else 6
    harbour.reader.put(torn(lenas, Fault(kind, at)), read=lenas)
    with pytest.raises(Refused, match="hold_again"):
        harbour.use()
    harbour.reader.take_away()
    harbour.reader.put(lenas)
    given = harbour.use()

    for till in (harbour, station):
        till.agree()
    station.cable.cut()
    station.reader.put(lenas)
    elsewhere = station.use(CINEMA)

    assert not given.waits
    assert not elsewhere.waits, "the band witnesses where nobody can be asked"
    assert [line.code for line in harbour.desk.unsettled()] == []
    station.agree()
    books(centre, station)
    harbour.close()


@pytest.mark.parametrize("is_held_again", [False, True])
def test_the_home_store_gives_without_a_torn_band_when_it_was_asked_for_once(
    centre: Centre, tmp_path: Path, *, is_held_again: bool
) -> None:
    (harbour,) = list(_tills(centre, tmp_path, "harbour"))
    lenas = lenas_band(harbour)
    harbour.cable.cut()
    harbour.reader.put(torn(lenas, Fault(FaultKind.TEAR_ANSWER, 7)), read=lenas)
    with pytest.raises(Refused, match="hold_again"):
        harbour.use()
    harbour.reader.take_away()
    if is_held_again:
        harbour.reader.put(torn(lenas, Fault(FaultKind.TEAR_COMMAND, 2)), read=lenas)

    given = harbour.use()

    assert not given.waits
    assert harbour.left() == 0
    assert [line.code for line in harbour.desk.unsettled()] == [""]
    harbour.agree()
    assert harbour.desk.unsettled() == ()
    books(centre, harbour)
    harbour.close()


def _tills(centre: Centre, tmp_path: Path, *stores: str) -> Iterator[Till]:
    for store in stores:
        till = Till(centre, tmp_path / store, store=store)
        till.agree()
        yield till
