"""What somebody does at a device is judged, kept, taken back and settled there, with or without a network."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest

from hardware.entropy import SeededEntropy
from hardware.moments import micros_of
from sync.edge.feed import Feed
from sync.edge.leases import Leases
from sync.edge.lookup import Lookup
from sync.edge.outbox import Outbox
from sync.edge.recorder import Act, Doer, Kept, Recorder
from sync.model import ledger, registry
from sync.model.operation import Evidence, Operation, OperationState, Refusal
from sync.model.operations.correct_stock import CorrectStock
from sync.model.operations.hand_over_pickup import HandOverPickup
from sync.model.operations.link_band import LinkBand
from sync.model.operations.note_case import NoteCase
from sync.model.operations.redeem import Redeem
from sync.model.operations.set_consent import SetConsent
from sync.model.records import Account, Band, Consent, Stock
from sync.model.row import Row
from sync.model.rules import UNDO_WITHIN_US
from sync.model.wire import Cursor, OpResult
from tests.support import edge, shop

POINTS = "account/lena:points"
SPARE = "5a" * 16
BEN = Doer("ben", shop.LENA, Evidence("S1", "found"))
HAND_OVER = Act("hand_over_pickup", HandOverPickup(pickup="pk-1077", order="W-1077"))


class Counter:
    """A device with a recorder."""

    def __init__(self, folder: Path, *, place: str = "harbour") -> None:
        self.clock = edge.SetClock()
        self.store = edge.opened(folder, clock=self.clock)
        edge.filled(
            self.store,
            (
                *shop.lenas_rows(),
                shop.row(Account("lena:points", 100, "harbour"), version=4),
                shop.row(Stock("p1@harbour", "p1", "harbour", 3, 0), owner=""),
                shop.row(Band(SPARE, "unlinked"), owner=""),
            ),
        )
        self.place = place
        self.recorder = self.anew()
        self.outbox = Outbox(self.store)
        self.lookup = Lookup(self.store)

    def anew(self) -> Recorder:
        """The program started again."""
        return Recorder(
            self.store, device="d1", place=self.place, clock=self.clock,
            entropy=SeededEntropy(f"recorder/{self.clock.now()}"),
        )  # fmt: skip

    def do(self, act: Act, doer: Doer = BEN) -> Operation:
        kept = self.recorder.record(act, doer)
        assert isinstance(kept, Kept), kept
        return kept.ops[0]

    def answer(self, op: str, status: str, code: str = "") -> None:
        self.outbox.settle((OpResult(op, status, code, "", ()),))

    def pushed(self) -> list[Operation]:
        return [msgspec.json.decode(one.raw, type=Operation) for one in self.outbox.batch()]

    def points(self) -> int:
        for row, account in self.lookup.profile(shop.LENA).of(Account):
            assert row.key == POINTS
            return account.points
        raise AssertionError("no account is held")


@pytest.fixture
def at(tmp_path: Path) -> Iterator[Counter]:
    made = Counter(tmp_path)
    yield made
    made.store.close()


@pytest.fixture
def station(tmp_path: Path) -> Iterator[Counter]:
    made = Counter(tmp_path, place="station")
    yield made
    made.store.close()


def redeem(amount: int = 80) -> Act:
    return Act("redeem", Redeem(of=POINTS, amount=amount))


def args_of(op: Operation) -> Any:
    readable = registry.read(op)
    assert isinstance(readable, registry.Readable)
    return readable.args


def test_what_is_foreseen_is_judged_and_not_kept(station: Counter) -> None:
    foreseen = station.recorder.foreseen(redeem(), BEN)

    assert isinstance(foreseen, Kept)
    assert foreseen.waits
    assert station.pushed() == []


def test_what_was_foreseen_is_kept_under_its_id_with_the_band_that_witnessed_it(
    station: Counter,
) -> None:
    foreseen = station.recorder.foreseen(redeem(), BEN)
    assert isinstance(foreseen, Kept)
    witnessed = Act("redeem", Redeem(of=POINTS, amount=80, band="b1"))

    kept = station.recorder.record_as(foreseen.ops[0].id, witnessed, BEN)

    assert isinstance(kept, Kept)
    assert (kept.waits, station.points()) == (False, 20)
    (op,) = station.pushed()
    assert op.id == foreseen.ops[0].id
    assert (args_of(op).alone, args_of(op).band) == ("witness", "b1")


def test_what_it_was_judged_on_and_when_in_which_start_travels_with_it(at: Counter) -> None:
    op = at.do(redeem())

    assert op.saw[POINTS] == 4
    assert op.boot != ""
    assert op.mono_ms == at.clock.ticks_ms()
    assert at.pushed() == [op]


def test_with_a_clock_at_1970_it_is_as_late_as_the_centre_is_by_now_and_undone_in_time(
    at: Counter,
) -> None:
    told = micros_of(at.clock.now()) + 3_600_000_000
    at.outbox.note_time(told)
    at.clock.error = timedelta(days=-56 * 365)
    at.clock.sleep_ms(1_000)

    op = at.do(HAND_OVER)
    at.clock.error = timedelta(days=1)
    undone = at.recorder.undo(op.id, BEN)

    assert op.at == told + 1_000_000
    assert isinstance(undone, Kept)
    at.clock.sleep_ms(UNDO_WITHIN_US // 1_000 + 1)
    assert at.recorder.undo(undone.ops[0].id, BEN) == Refusal("too_late")


def test_a_centre_that_was_wrong_about_the_time_once_is_believed_when_it_is_right_again(
    at: Counter,
) -> None:
    right = micros_of(at.clock.now())
    at.outbox.note_time(right + 70 * 365 * 86_400_000_000)

    at.outbox.note_time(right)
    at.clock.sleep_ms(1_000)

    assert at.do(HAND_OVER).at == right + 1_000_000


def test_after_a_start_without_a_network_it_is_not_earlier_than_the_centre_told(
    at: Counter,
) -> None:
    told = micros_of(at.clock.now()) + 3_600_000_000
    at.outbox.note_time(told)
    at.store.close()
    at.clock.error = timedelta(days=-56 * 365)
    at.store = edge.opened(at.store.folder, clock=at.clock)
    at.recorder = at.anew()

    assert at.do(HAND_OVER).at == told


def test_a_consent_that_is_withdrawn_with_a_clock_at_1970_is_withdrawn(at: Counter) -> None:
    consent = "lena:offers"
    given = Consent(consent, "offers", is_granted=True, at=micros_of(at.clock.now()))
    page = edge.page_of([shop.row(given, version=9)], since=11)
    Feed(at.store).apply_page(page, asked=(Cursor(edge.SCOPE, 11),))
    at.outbox.note_time(micros_of(at.clock.now()) + 1)
    at.clock.error = timedelta(days=-56 * 365)

    at.do(Act("set_consent", SetConsent(consent=consent, purpose="offers", is_granted=False)))

    shown = at.lookup.cells((f"consent/{consent}",), owner=shop.LENA)[f"consent/{consent}"]
    assert isinstance(shown, Row)
    assert isinstance(shown.body, Consent)
    assert not shown.body.is_granted


def test_the_home_store_gives_points_out_at_once(at: Counter) -> None:
    kept = at.recorder.record(redeem(), BEN)

    assert isinstance(kept, Kept)
    assert not kept.waits
    assert args_of(kept.ops[0]).alone == "home"
    assert at.points() == 20


def test_what_is_gone_here_is_not_given_out_again_unless_the_centre_knows_of_more(
    at: Counter,
) -> None:
    at.do(redeem())

    kept = at.recorder.record(redeem(), BEN)

    assert isinstance(kept, Kept)
    assert (kept.waits, args_of(kept.ops[0]).alone, at.points()) == (True, "", 20)


def test_another_store_records_it_and_waits_and_gives_nothing_out(station: Counter) -> None:
    kept = station.recorder.record(redeem(), BEN)

    assert isinstance(kept, Kept)
    assert kept.waits
    assert args_of(kept.ops[0]).alone == ""
    assert station.points() == 100


def test_a_store_with_an_allowance_gives_that_much_out(station: Counter) -> None:
    loan = ledger.Loan("loan-1", "station", POINTS, 30, shop.NOON * 2)
    made = ledger.lent(shop.row(Account("lena:points", 100)), None, loan, at=shop.NOON)
    assert isinstance(made, tuple)
    rows = [msgspec.structs.replace(row, version=9) for row in made]
    page = edge.page_of(rows, since=11)
    Feed(station.store).apply_page(page, asked=(Cursor(edge.SCOPE, 11),))

    first = station.recorder.record(redeem(20), BEN)
    second = station.recorder.record(redeem(20), BEN)

    assert isinstance(first, Kept)
    assert isinstance(second, Kept)
    assert (first.waits, second.waits) == (False, True)


def test_a_clock_that_is_set_back_gives_no_allowance_back(station: Counter) -> None:
    until = micros_of(station.clock.now()) + 60_000_000
    loan = ledger.Loan("loan-1", "station", POINTS, 30, until)
    made = ledger.lent(shop.row(Account("lena:points", 100)), None, loan, at=shop.NOON)
    assert isinstance(made, tuple)
    rows = [msgspec.structs.replace(row, version=9) for row in made]
    page = edge.page_of(rows, since=11)
    Feed(station.store).apply_page(page, asked=(Cursor(edge.SCOPE, 11),))

    before = station.recorder.record(redeem(5), BEN)
    Leases(station.store).note_time(until + 1)
    after = station.recorder.record(redeem(5), BEN)

    assert isinstance(before, Kept)
    assert isinstance(after, Kept)
    assert (before.waits, after.waits) == (False, True)


def test_without_proof_enough_nothing_is_recorded(at: Counter) -> None:
    guest = Doer("customer", shop.LENA, Evidence("A1"))

    assert at.recorder.record(redeem(), guest) == Refusal("assurance")
    assert at.pushed() == []


def test_a_group_is_recorded_whole_each_on_what_the_one_before_did(at: Counter) -> None:
    kept = at.recorder.record_group((HAND_OVER, redeem(60), redeem(40)), BEN)

    assert isinstance(kept, Kept)
    assert len({op.group for op in kept.ops}) == 1
    assert at.points() == 0


def test_a_group_one_of_which_is_forbidden_is_not_recorded(at: Counter) -> None:
    blocked = Act("link_band", LinkBand(band=shop.BAND))
    theirs = Doer("ben", "tom", Evidence("S1", "found"))

    assert at.recorder.record_group((HAND_OVER, blocked), theirs) == Refusal("linked_to_other")
    assert at.pushed() == []


def test_a_group_of_which_one_must_wait_claims_nothing(station: Counter) -> None:
    piece = Act("redeem", Redeem(of="stock/p1@harbour", amount=1))
    kept = station.recorder.record_group((piece, redeem()), BEN)

    assert isinstance(kept, Kept)
    assert kept.waits
    assert [args_of(op).alone for op in kept.ops] == ["", ""]


def test_a_spare_is_hers_at_once_without_a_network(at: Counter) -> None:
    at.do(Act("link_band", LinkBand(band=SPARE)))

    sighting = at.lookup.by_band(SPARE)

    assert sighting is not None
    assert sighting.owner == shop.LENA


def test_a_shelf_is_judged_on_what_was_seen_here_before(at: Counter) -> None:
    shelf = Act("correct_stock", CorrectStock(product="p1", place="harbour"))
    for actor in ("ben", "mia"):
        at.clock.sleep_ms(1_000)
        at.do(shelf, Doer(actor, "", Evidence("S1")))

    stock = at.lookup.cells(("stock/p1@harbour",), owner="")["stock/p1@harbour"]

    assert isinstance(stock, msgspec.Struct)
    assert isinstance(stock.body, Stock)
    assert stock.body.count == 0


# Taking back


def test_what_was_done_is_taken_back_by_an_operation_that_travels_too(at: Counter) -> None:
    op = at.do(redeem())

    kept = at.recorder.undo(op.id, BEN)

    assert isinstance(kept, Kept)
    assert (kept.ops[0].kind, kept.ops[0].undoes) == ("take_back_redeem", op.id)
    assert at.points() == 100
    assert [one.id for one in at.pushed()] == [op.id, kept.ops[0].id]


def test_a_group_is_taken_back_whole_the_last_first(at: Counter) -> None:
    kept = at.recorder.record_group((HAND_OVER, redeem(60)), BEN)
    assert isinstance(kept, Kept)

    undone = at.recorder.undo(kept.ops[0].id, BEN)

    assert isinstance(undone, Kept)
    assert [op.kind for op in undone.ops] == ["take_back_redeem", "take_back_pickup"]
    assert len({op.group for op in undone.ops}) == 1
    assert at.points() == 100


def test_after_five_minutes_nothing_is_taken_back(at: Counter) -> None:
    op = at.do(HAND_OVER)

    at.clock.sleep_ms(UNDO_WITHIN_US // 1_000)
    first = at.recorder.undo(op.id, BEN)
    at.clock.sleep_ms(1)

    assert isinstance(first, Kept)
    assert at.recorder.undo(op.id, BEN) == Refusal("too_late")


def test_what_was_taken_back_is_not_taken_back_again(at: Counter) -> None:
    op = at.do(HAND_OVER)
    at.recorder.undo(op.id, BEN)

    assert at.recorder.undo(op.id, BEN) == Refusal("undone")


def test_what_is_not_known_here_or_not_settled_is_not_taken_back(at: Counter) -> None:
    op = at.do(HAND_OVER)
    at.answer(op.id, "held", "failed")

    assert at.recorder.undo("elsewhere", BEN) == Refusal("too_late")
    assert at.recorder.undo(op.id, BEN) == Refusal("unsettled")


def test_an_undo_cannot_be_undone_where_nothing_undoes_it(at: Counter) -> None:
    kept = at.recorder.undo(at.do(HAND_OVER).id, BEN)
    assert isinstance(kept, Kept)

    assert at.recorder.undo(kept.ops[0].id, BEN) == Refusal("no_undo")


def test_one_of_a_group_is_not_taken_back_alone_after_a_restart(at: Counter) -> None:
    kept = at.recorder.record_group((HAND_OVER, redeem(60)), BEN)
    assert isinstance(kept, Kept)

    assert at.anew().undo(kept.ops[0].id, BEN) == Refusal("too_late")


# Settling


def test_a_refused_one_is_tried_again_as_a_new_one(at: Counter) -> None:
    op = at.do(redeem())
    at.answer(op.id, "refused", "not_enough")

    kept = at.recorder.replay(op.id, BEN, reason="she has more now")

    assert isinstance(kept, Kept)
    again = kept.ops[0]
    assert (again.replaces, again.args) == (op.id, op.args)
    assert again.id != op.id
    assert at.outbox.state_of(op.id) is OperationState.VOID
    (decided,) = at.outbox.decided()
    assert (decided.by, decided.reason, decided.instead) == (
        "ben", "she has more now", again.id,
    )  # fmt: skip


def test_a_refused_one_is_tried_again_with_other_arguments(at: Counter) -> None:
    op = at.do(redeem())
    at.answer(op.id, "refused", "not_enough")

    kept = at.recorder.replay(op.id, BEN, args=Redeem(of=POINTS, amount=5), reason="less")

    assert isinstance(kept, Kept)
    assert args_of(kept.ops[0]).amount == 5
    assert at.outbox.decided()[0].decision == "edit"


def test_what_is_still_forbidden_stays_where_it_is(at: Counter) -> None:
    op = at.do(redeem())
    at.answer(op.id, "refused", "not_enough")

    guest = Doer("customer", shop.LENA, Evidence("A1"))
    answer = at.recorder.replay(op.id, guest, args=Redeem(of=POINTS, amount=1), reason="less")

    assert answer == Refusal("assurance")
    assert at.outbox.state_of(op.id) is OperationState.REFUSED


def test_a_held_one_stays_until_the_centre_heard_of_what_stands_for_it(at: Counter) -> None:
    op = at.do(Act("note_case", NoteCase(case="case-1", by="Ben", text="x")))
    at.answer(op.id, "held", "failed")

    kept = at.recorder.replay(op.id, BEN, reason="again")

    assert isinstance(kept, Kept)
    assert kept.ops[0].replaces == op.id
    assert at.outbox.state_of(op.id) is OperationState.HELD


def test_nothing_more_to_be_done_needs_a_reason_and_is_kept(at: Counter) -> None:
    op = at.do(redeem())
    at.answer(op.id, "refused", "not_enough")

    assert at.recorder.void(op.id, BEN, reason="  ") == Refusal("reason")
    assert at.outbox.state_of(op.id) is OperationState.REFUSED
    assert at.recorder.void(op.id, BEN, reason="she paid cash") == Kept(())
    assert at.outbox.state_of(op.id) is OperationState.VOID
    assert at.recorder.void(op.id, BEN, reason="again") == Refusal("gone")


def test_a_held_one_is_made_void_by_an_operation(at: Counter) -> None:
    op = at.do(HAND_OVER)
    at.answer(op.id, "held", "failed")

    kept = at.recorder.void(op.id, BEN, reason="done by hand")

    assert isinstance(kept, Kept)
    assert kept.ops[0].kind == "void_operation"
    assert at.outbox.state_of(op.id) is OperationState.HELD


def test_what_does_not_wait_for_a_person_is_not_settled(at: Counter) -> None:
    op = at.do(HAND_OVER)

    assert at.recorder.replay(op.id, BEN) == Refusal("gone")
    assert at.recorder.void(op.id, BEN, reason="no") == Refusal("gone")
    assert at.recorder.void("elsewhere", BEN, reason="no") == Refusal("gone")
