"""A sealed spare tapped at the counter becomes the band of whoever's page is open, by one key and after ID was seen."""

from dataclasses import replace

import pytest

from kiosk.core.ports import Recognition
from sync.model.operation import Evidence
from sync.model.operations.link_band import LinkBand
from tests.support.counter_side import counter
from tests.support.demo_side import recognition

SPARE = "5a" * 16


def spare(proof: str = "mutual") -> Recognition:
    return replace(
        recognition("", reason="unlinked", assurance="A0"),
        evidence=Evidence("A0", proof, SPARE),
    )


async def test_a_spare_is_offered_to_the_open_page_and_linked_by_one_key() -> None:
    async with counter() as at:
        await at.find("tom beck")
        at.view.customer_here(spare())
        at.view.staff_told("unlinked")
        offered = at.notice("here")
        before = list(at.desk.done)

        await at.press("f4")

        (done,) = at.desk.done
        assert "F4 makes it the band of Tom" in offered
        assert before == []
        assert (done.kind, done.args, done.owner) == ("link_band", LinkBand(band=SPARE), "tom")
        assert done.evidence.assurance == "S1"
        assert at.notice("here") == ""


async def test_a_spare_tapped_before_the_page_was_opened_is_linked_too() -> None:
    async with counter() as at:
        at.view.customer_here(spare())
        await at.find("tom beck")
        await at.press("f4")

        assert [done.kind for done in at.desk.done] == ["link_band"]


async def test_a_spare_is_linked_once() -> None:
    async with counter() as at:
        await at.find("tom beck")
        at.view.customer_here(spare())
        await at.press("f4")
        await at.press("f4")

        assert len(at.desk.done) == 1


@pytest.mark.parametrize(
    "tapped", [spare("none"), spare("capsule"), recognition("", reason="blocked")]
)
async def test_what_is_no_proved_spare_cannot_be_linked(tapped: Recognition) -> None:
    async with counter() as at:
        await at.find("tom beck")
        at.view.customer_here(tapped)
        await at.press("f4")

        assert at.desk.done == []
