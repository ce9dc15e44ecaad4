"""Operations and joined customers: what was recorded for one of them, wherever and whenever, reaches the one who is kept."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest

from hardware.clock import FixedClock
from hardware.entropy import SeededEntropy
from hardware.moments import moment_of
from sync.central import identity, suggestions
from sync.central.apply import apply_operations
from sync.central.canonical import canonical_in
from sync.central.centre import Centre
from sync.central.device_rows import DeviceRecord
from sync.central.op_rows import OpRecord
from sync.model import wire
from sync.model.operation import Evidence, Operation
from sync.model.operations.decline_likeness import DeclineLikeness
from sync.model.operations.join_customers import JoinCustomers, join_id
from sync.model.operations.keep_promise import KeepPromise
from sync.model.operations.link_band import LinkBand
from sync.model.operations.note_case import NoteCase
from sync.model.operations.set_consent import SetConsent
from sync.model.operations.take_back_note import TakeBackNote
from sync.model.operations.unjoin_customers import UnjoinCustomers
from sync.model.records import Band, Case, Consent, Customer, Pin, Serving
from sync.model.row import row_of
from tests.support.centre import PlainDevice, new_device, open_centre
from tests.support.channels import (
    CHAT,
    HOUR,
    NOW,
    SHOP,
    all_rows,
    bought,
    changed,
    delivery,
    event,
    intake_of,
    mail,
    who,
    wrote,
)
from tests.support.shop import operation, said

ANN, BO, KIM = "ann", "bo", "kim"
DATABASES = ("sqlite",)
"""That a server says the same is tested in `test_intake_nodes`, all of it in one go."""

DEVICE = DeviceRecord("d1", "", "harbour", "counter", "active")


@pytest.fixture
def centre(centre_on: str, request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Centre]:
    address = "" if centre_on == "sqlite" else request.getfixturevalue("made_database")
    opened = open_centre(
        tmp_path / "centre", database=address, clock=FixedClock(moment_of(NOW)), entropy=SeededEntropy("performing"),
    )  # fmt: skip
    opened.put_rows(
        [
            row_of(Customer(ANN, "Ann"), owner=ANN, as_of=1, source="crm"),
            row_of(Band("a" * 32, "active"), owner=ANN, as_of=1, source="store"),
            row_of(Customer(BO, "Bo"), owner=BO, as_of=2, source="crm"),
            row_of(Customer(KIM, "Kim", guardian="sue"), owner=KIM, as_of=2, source="crm"),
            row_of(Band("b" * 32, "active"), owner=BO, as_of=2, source="store"),
            row_of(Consent(f"{BO}:marketing", "marketing", is_granted=True, at=2), owner=BO, as_of=2, source="crm"),
            row_of(Case("k1", "C-1", "open", "late", 1, "phone"), owner=BO, as_of=2, source="crm"),
        ],
        interest=[("harbour", ANN), ("harbour", BO)],
    )  # fmt: skip
    yield opened
    opened.close()


def applied(centre: Centre, *ops: Operation, device: DeviceRecord = DEVICE) -> list[OpRecord]:
    done = changed(centre, lambda it: apply_operations(it, ops, device=device, now=NOW))
    assert isinstance(done, list)
    return done


def staff(
    args: msgspec.Struct, op_id: str = "op-1", *, owner: str = ANN, **fields: Any
) -> Operation:
    values: dict[str, Any] = {"at": NOW, "evidence": Evidence("S1", "found")}
    return operation(args, op_id=op_id, owner=owner, **(values | fields))


def joined(centre: Centre) -> str:
    (record,) = applied(centre, staff(JoinCustomers(other=BO, why="showed an ID"), "op-join"))
    assert record.status == "applied"
    return join_id("op-join")


def test_staff_join_two_customers_and_the_one_with_more_rows_is_kept(centre: Centre) -> None:
    made = joined(centre)

    rows = all_rows(centre)
    assert rows["case/k1"][0] == rows[f"band/{'a' * 32}"][0] == BO
    told = rows[f"join/{made}"]
    assert told[0] == BO
    assert (told[3]["one"], told[3]["other"], told[3]["why"], told[3]["by"]) == (
        "Bo",
        "Ann",
        "showed an ID",
        "ben",
    )
    assert sorted(told[3]["records"]) == [ANN, BO]


def test_staff_take_them_apart_and_all_is_as_before(centre: Centre) -> None:
    before = all_rows(centre)
    made = joined(centre)

    done = applied(
        centre,
        staff(UnjoinCustomers(join=made), "op-2", owner=BO),
        staff(UnjoinCustomers(join=made), "op-3", owner=BO),
    )

    assert [it.status for it in done] == ["applied", "applied"]
    assert all_rows(centre) == before


@pytest.mark.parametrize(
    ("args", "status", "code"),
    [
        (JoinCustomers(other=ANN, why="x"), "refused", "same_customer"),
        (JoinCustomers(other="nobody", why="x"), "refused", "unknown_customer"),
        (JoinCustomers(other=KIM, why="x"), "refused", "another_family"),
        (UnjoinCustomers(join="j-none"), "held", "unknown_join"),
        (DeclineLikeness(other=ANN), "refused", "same_customer"),
    ],
)
def test_what_cannot_be_done_says_why(
    centre: Centre, args: msgspec.Struct, status: str, code: str
) -> None:
    before = all_rows(centre)

    (record,) = applied(centre, staff(args))

    assert (record.status, record.code) == (status, code)
    assert {
        key: row for key, row in all_rows(centre).items() if not key.startswith("decision/")
    } == before


def test_an_operation_recorded_offline_for_the_folded_one_is_done_for_the_kept_one(
    centre: Centre,
) -> None:
    centre.put_rows(
        [
            row_of(
                Case("k2", "C-2", "open", "lost", 1, "phone"), owner=ANN, as_of=1, source="crm"
            )
        ]
    )
    joined(centre)

    records = applied(
        centre, said("here I am", op_id="op-2", owner=ANN, at=NOW - HOUR),
        staff(NoteCase(case="k2", by="Ben", text="found it"), "op-3"),
    )  # fmt: skip

    assert [(it.status, it.clash) for it in records] == [("applied", ""), ("applied", "")]
    rows = all_rows(centre)
    assert {rows[key][0] for key in ("interaction/op-2", "interaction/op-3", "case/k2")} == {BO}


def test_what_was_recorded_for_the_folded_one_goes_with_them_when_they_are_taken_apart(
    centre: Centre,
) -> None:
    made = joined(centre)
    applied(centre, said("by id", op_id="op-2", owner=ANN))
    with_band = said(
        "by band", op_id="op-3", owner=BO, evidence=Evidence("A2", "mutual", "a" * 32)
    )
    applied(centre, with_band, said("to the kept one", op_id="op-4", owner=BO))

    applied(centre, staff(UnjoinCustomers(join=made), "op-5", owner=BO))

    rows = all_rows(centre)
    assert [rows[f"interaction/op-{n}"][0] for n in (2, 3, 4)] == [ANN, ANN, BO]


def test_a_consent_withdrawn_offline_for_the_folded_one_is_withdrawn_for_the_kept_one(
    centre: Centre,
) -> None:
    centre.put_rows(
        [
            row_of(
                Consent(f"{ANN}:marketing", "marketing", is_granted=True, at=1),
                owner=ANN,
                as_of=1,
                source="crm",
            )
        ]
    )
    joined(centre)

    withdrawn = SetConsent(
        consent=f"{ANN}:marketing", purpose="marketing", is_granted=False, was_granted=True
    )
    (record,) = applied(centre, staff(withdrawn, at=NOW - HOUR))

    assert record.status == "applied"
    consents = {
        key: body["is_granted"]
        for key, (*_, body) in all_rows(centre).items()
        if key.startswith("consent/")
    }
    assert consents == {f"consent/{BO}:marketing": False}


def test_an_operation_that_joins_redirects_what_comes_behind_it_in_the_same_push(
    centre: Centre,
) -> None:
    join = staff(JoinCustomers(other=BO, why="showed an ID"))

    records = applied(centre, join, said("me", op_id="op-2", owner=ANN))

    assert [it.status for it in records] == ["applied", "applied"]
    assert all_rows(centre)["interaction/op-2"][0] == BO


def test_declined_is_declined_for_every_rule(centre: Centre) -> None:
    changed(
        centre,
        lambda it: suggestions.suggest(it, ANN, BO, kind="name", why="the same name", now=NOW),
    )
    assert all_rows(centre)[f"likeness/{ANN}~{BO}"][3]["name"] == "Bo"
    assert all_rows(centre)[f"likeness/{BO}~{ANN}"][0] == BO

    (record,) = applied(centre, staff(DeclineLikeness(other=BO)))

    assert record.status == "applied"
    assert not [key for key in all_rows(centre) if key.startswith("likeness/")]
    assert (
        changed(
            centre,
            lambda it: suggestions.suggest(it, ANN, BO, kind="email", why="again", now=NOW),
        )
        is False
    )


def test_one_pin_counts_and_the_other_comes_back(centre: Centre) -> None:
    pins = [
        row_of(Pin(name, f"hash of {name}", 1, 1), owner=name, as_of=1, source="store")
        for name in (ANN, BO)
    ]
    centre.put_rows([*pins, row_of(Serving(ANN), owner=ANN, as_of=1, source="store")])
    before = all_rows(centre)

    made = joined(centre)

    assert [key for key in all_rows(centre) if key.startswith("pin/")] == [f"pin/{BO}"]
    applied(centre, staff(UnjoinCustomers(join=made), "op-5", owner=BO))
    assert all_rows(centre) == before


def test_the_only_pin_counts_for_the_one_who_is_kept(centre: Centre) -> None:
    centre.put_rows([row_of(Pin(ANN, "hash", 1, 1), owner=ANN, as_of=1, source="store")])
    before = all_rows(centre)

    made = joined(centre)

    assert all_rows(centre)[f"pin/{BO}"][3]["hash"] == "hash"
    applied(centre, staff(UnjoinCustomers(join=made), "op-5", owner=BO))
    assert all_rows(centre) == before


def test_a_case_solved_in_the_store_closes_the_conversation_in_its_channel(
    centre: Centre,
) -> None:
    intake = intake_of(centre)
    changed(centre, lambda it: identity.bind(it, "chat", "c9", BO, now=NOW))
    asked = [
        wrote("m1", who("c9"), "late?", about="case/k1", at=NOW - 3 * HOUR),
        wrote("m2", who("c9"), "hello?", at=NOW - HOUR, thread="t2"),
    ]
    intake.deliver("chat", delivery(event("e1", *asked), to=CHAT))
    solved = staff(NoteCase(case="k1", by="Ben", text="done", solved=True), "op-s", owner=BO)

    applied(centre, solved)

    rows = all_rows(centre)
    assert rows["interaction/chat:m1"][3]["answered_at"] == NOW
    assert "answered_at" not in rows["interaction/chat:m2"][3]
    taken_back = staff(TakeBackNote(note="op-s", case="k1"), "op-t", owner=BO, undoes="op-s")
    applied(centre, taken_back)
    assert "answered_at" not in all_rows(centre)["interaction/chat:m1"][3]


@pytest.mark.parametrize(
    ("args", "is_closed"),
    [
        (KeepPromise(case="k1", by="Ben"), False),
        (NoteCase(case="k1", by="Ben", text="looked", next_step="call"), False),
        (NoteCase(case="k1", by="Ben", text="this too", next_step="none", solved=True), True),
    ],
)
def test_what_she_wrote_after_a_case_was_solved_waits_until_it_is_solved_once_more(
    centre: Centre, args: msgspec.Struct, is_closed: bool
) -> None:
    intake = intake_of(centre)
    changed(centre, lambda it: identity.bind(it, "chat", "c9", BO, now=NOW))
    solved = NoteCase(case="k1", by="Ben", text="done", solved=True)
    applied(centre, staff(solved, "op-s", owner=BO, at=NOW - 2 * HOUR))
    asked = wrote("m1", who("c9"), "it broke again", about="case/k1", at=NOW - HOUR)
    intake.deliver("chat", delivery(event("e1", asked), to=CHAT))

    applied(centre, staff(args, "op-k", owner=BO))

    assert ("answered_at" in all_rows(centre)["interaction/chat:m1"][3]) == is_closed
    back = staff(TakeBackNote(note="op-k", case="k1"), "op-t", owner=BO, undoes="op-k")
    applied(centre, back)
    assert "answered_at" not in all_rows(centre)["interaction/chat:m1"][3]


async def test_a_kiosk_that_was_offline_pushes_for_the_folded_one_and_pulls_the_kept_one(
    centre: Centre, http: httpx.AsyncClient
) -> None:
    device = PlainDevice(new_device(centre), http, clock=centre.clock)
    await device.hello()
    joined(centre)

    recorded = said(
        "offline", op_id="0190a1b2-0000-7000-8000-0000000000aa", owner=ANN, at=NOW - HOUR
    )
    (result,) = await device.push(recorded)
    wanted = await device.want(wire.Want(owner=ANN))

    assert result.status == "applied"
    assert [row.owner for row in result.rows if row.key.startswith("interaction/")] == [BO]
    assert [it.owner for it in wanted] == [BO]
    with centre._parts.store.reading() as snapshot:
        held = snapshot.rows_since("s:harbour", 0, limit=100)
    assert {row.owner for row in held if not row.is_gone and row.kind != "peer"} == {BO}
    assert [row.key for row in held if row.is_gone] == [f"customer/{ANN}"]


def test_who_asks_for_the_folded_one_is_given_the_kept_one(centre: Centre) -> None:
    joined(centre)

    with centre._parts.store.reading() as snapshot:
        assert canonical_in(snapshot, ANN) == BO
        assert canonical_in(snapshot, BO) == BO


def test_a_join_by_staff_holds_against_the_events_that_come_after(centre: Centre) -> None:
    intake = intake_of(centre)
    changed(centre, lambda it: identity.bind(it, "shop", "17", ANN, now=NOW))
    joined(centre)

    intake.deliver(
        "shop",
        delivery(
            event("e1", bought("W-1", who("17", "Annie", "", mail("ann@example.org")))), to=SHOP
        ),
    )

    rows = all_rows(centre)
    assert rows["order/W-1"][0] == BO
    assert rows[f"customer/{BO}"][3]["given_name"] == "Annie"


def test_a_row_somebody_wrote_for_the_folded_one_is_found_and_goes_with_them(
    centre: Centre,
) -> None:
    made = joined(centre)
    centre.put_rows(
        [
            row_of(
                Case("k9", "C-9", "open", "late", 1, "phone"), owner=ANN, as_of=1, source="crm"
            )
        ]
    )

    assert centre.tidy(is_all=True)["strays"] == 1

    assert all_rows(centre)["case/k9"][0] == BO
    applied(centre, staff(UnjoinCustomers(join=made), "op-5", owner=BO))
    assert all_rows(centre)["case/k9"][0] == ANN


def test_a_band_linked_offline_to_the_folded_one_is_theirs_again_when_they_are_taken_apart(
    centre: Centre,
) -> None:
    spares = ("c" * 32, "d" * 32)
    centre.put_rows(
        row_of(Band(band, "unlinked"), owner="", as_of=1, source="store") for band in spares
    )
    made = joined(centre)

    done = applied(
        centre,
        staff(LinkBand(band=spares[0]), "op-2", owner=ANN),
        staff(LinkBand(band=spares[1]), "op-3", owner=BO),
    )

    assert [it.status for it in done] == ["applied", "applied"]
    assert [all_rows(centre)[f"band/{band}"][0] for band in spares] == [BO, BO]
    applied(centre, staff(UnjoinCustomers(join=made), "op-5", owner=BO))
    assert [all_rows(centre)[f"band/{band}"][0] for band in spares] == [ANN, BO]
