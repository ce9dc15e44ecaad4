"""The real parts over a seeded folder: what a tap, a clerk and the strip are told."""

import asyncio
import shutil
from collections.abc import Iterator
from datetime import UTC
from pathlib import Path

import msgspec
import pytest

from drivers.lines import Proved
from kiosk.assembly.desk import StoreDesk
from kiosk.assembly.device import Device, real_world
from kiosk.assembly.evidence import evidence_of
from kiosk.assembly.recognising import LocalRecogniser
from kiosk.assembly.screens import post_of
from kiosk.core.page import PageKind
from kiosk.core.ports import Refused
from kiosk.core.staff_words import StaffWords
from kiosk.demo.bands import DEMO_TEST_GROUP_KEY, demo_band
from kiosk.demo.seeding import seed
from kiosk.ui.counter_app import CounterApp
from sync.model.operation import Evidence
from sync.model.operations.hand_over_pickup import HandOverPickup
from sync.model.records import Order, Pickup


@pytest.fixture(scope="module")
def _folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("seeded") / "data"
    seed(folder, world=real_world())
    return folder


@pytest.fixture
def folder(_folder: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(_folder, tmp_path / "data"))


@pytest.fixture
def device(folder: Path) -> Iterator[Device]:
    opened = Device.open(folder, world=real_world())
    yield opened
    opened.close()


def proved(name: str, *, kind: str = "mutual") -> Proved:
    band = demo_band(name)
    return Proved(
        tap=1, kind=kind, family="desfire", generation=2, uid=band.uid.hex(),
        band=band.reference.hex() or None,
    )  # fmt: skip


STAFF_ALONE = Evidence(assurance="S1", proof="found")
OVER = HandOverPickup(pickup="none", to="Lena")


def pickup_of(desk: StoreDesk, owner: str) -> Pickup:
    (found,) = [body for _, body in desk.profile_of(owner).of(Pickup)]
    return found


def test_a_band_that_gave_no_proof_opens_nothing_though_we_know_whose_it_is(
    device: Device,
) -> None:
    recogniser = LocalRecogniser(device)

    found = recogniser.recognise(recogniser.evidence(proved("maya", kind="none")))

    assert (found.owner, found.assurance.value, found.reason) == ("", "A0", "untrusted")
    assert found.page.kind is PageKind.NEUTRAL


@pytest.mark.parametrize(
    ("name", "reason"),
    [("blocked", "blocked"), ("spare", "unlinked"), ("nobody", "unknown_band")],
)
def test_staff_alone_learn_why_a_band_opens_nothing(
    name: str, reason: str, device: Device
) -> None:
    recogniser = LocalRecogniser(device)

    found = recogniser.recognise(recogniser.evidence(proved(name)))

    assert (found.owner, found.reason, found.page.kind) == ("", reason, PageKind.NEUTRAL)


def test_a_band_known_by_its_uid_has_no_id_before_the_group_key_is_here() -> None:
    said = msgspec.structs.replace(proved("festival"), band=None)

    assert evidence_of(said, None).band == ""
    assert evidence_of(said, DEMO_TEST_GROUP_KEY).band.startswith("uid-")


def test_bytes_that_are_no_reference_name_no_band() -> None:
    assert evidence_of(msgspec.structs.replace(proved("maya"), band="zz"), None).band == ""
    assert evidence_of(msgspec.structs.replace(proved("maya"), band="00"), None).band == ""


def test_a_kiosk_that_holds_nothing_yet_says_so_and_judges_nobody(folder: Path) -> None:
    for path in folder.glob("cache.db*"):
        path.unlink()
    device = Device.open(folder, world=real_world())
    recogniser = LocalRecogniser(device)

    found = [
        recogniser.recognise(recogniser.evidence(proved(name))) for name in ("maya", "nobody")
    ]

    device.close()
    assert {each.reason for each in found} == {"not_synced"}
    assert {each.page.kind for each in found} == {PageKind.NOT_POSSIBLE}


def test_a_hand_over_is_seen_at_once_and_waits_with_what_it_is_about(device: Device) -> None:
    desk = StoreDesk(device, None)
    pickup = pickup_of(desk, "lena")

    recorded = desk.record(
        "hand_over_pickup", HandOverPickup(pickup=pickup.id, order=pickup.order, to="Lena"),
        owner="lena", actor="mira", evidence=STAFF_ALONE,
    )  # fmt: skip

    (waiting,) = desk.unsettled()
    assert pickup_of(desk, "lena").state == "handed_over"
    assert [row.is_unsettled for row, _ in desk.profile_of("lena").of(Pickup)] == [True]
    assert (waiting.op, waiting.about) == (recorded.op, f"pickup/{pickup.id}")
    assert (desk.standing().n_waiting, desk.standing().n_refused) == (1, 0)
    order = next(
        body for _, body in desk.profile_of("lena").of(Order) if body.id == pickup.order
    )
    assert order.state == "collected"


def test_what_the_evidence_does_not_allow_is_refused_and_not_recorded(device: Device) -> None:
    desk = StoreDesk(device, None)

    with pytest.raises(Refused):
        desk.record(
            "hand_over_pickup", OVER, owner="lena", actor="customer",
            evidence=Evidence(assurance="A1", proof="mutual"),
        )  # fmt: skip

    assert desk.unsettled() == ()


def test_a_clerk_is_called_by_name_and_so_are_the_stores(device: Device) -> None:
    post = post_of(device, clerk="mira")

    assert (post.store, post.clerk_name) == ("harbour", "Mira")
    assert post.stores["harbour"] == "Harbour"
    assert post.staff["mira"] == "Mira"
    assert post_of(device, clerk="somebody").clerk_name == "somebody"


def test_a_customer_another_store_holds_is_not_held_here(device: Device) -> None:
    recogniser = LocalRecogniser(device)

    found = recogniser.recognise(recogniser.evidence(proved("visitor")))

    assert (found.owner, found.page.kind) == ("", PageKind.NEUTRAL)
    assert found.reason == "unknown_band"


def test_a_counter_says_at_once_that_its_outbox_was_damaged(folder: Path) -> None:
    counter = folder / "counter"
    for path in counter.glob("outbox.db-*"):
        path.unlink()
    (counter / "outbox.db").write_bytes(b"noise" * 2_000)
    device = Device.open(counter, world=real_world())
    codes = tuple(notice.code for notice in device.store.notices)
    app = CounterApp(
        StoreDesk(device, None),
        post=post_of(device, clerk="mira"),
        words=StaffWords(UTC),
        told=codes,
    )

    async def shown() -> str:
        async with app.run_test(size=(80, 24)) as pilot:
            await pilot.pause()
            return " ".join(app.counter.view.query_one("#here").render_line(0).text.split())

    said = asyncio.run(shown())

    device.close()
    assert codes == ("outbox_damaged",)
    assert "damaged" in said
