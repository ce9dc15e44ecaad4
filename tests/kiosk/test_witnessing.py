"""What the kiosk knows of the band on its reader, and what it makes of the reader process's answers to a use."""

import asyncio

import pytest

from drivers.lines import Left, Proved, ReaderState, Told, Use, Used
from kiosk import witnessing
from kiosk.witnessing import BandWitness

BAND, OTHER = "b1" * 16, "b2" * 16
ORDER = Use(
    0, "01890a5d-ac96-774b-bcce-b302099a8057", "entitlement/coffee", 1, 1, 1, 1, "berlin"
)


def proved(tap: int = 1, kind: str = "mutual", band: str | None = BAND) -> Proved:
    return Proved(tap, kind, "desfire", 2, None, band)


def connected(*said: object) -> tuple[BandWitness, list[Told]]:
    witness = BandWitness()
    told: list[Told] = []
    witness.connect(told.append)
    for one in said:
        witness.heard(one)  # type: ignore[arg-type]
    return witness, told


def test_only_a_band_that_proved_itself_and_lies_there_can_witness() -> None:
    assert connected(proved())[0].is_there(BAND)
    assert not connected(proved())[0].is_there(OTHER)
    assert not connected(proved(kind="none"))[0].is_there(BAND)
    assert not connected(proved(band=None))[0].is_there(BAND)
    assert not connected(proved(), proved(2, "none"))[0].is_there(BAND)
    assert not connected(proved(), Left(1))[0].is_there(BAND)
    assert connected(proved(2), Left(1))[0].is_there(BAND)
    assert not connected(proved(), ReaderState("r", "reader_absent"))[0].is_there(BAND)
    assert connected(proved(), ReaderState("r"))[0].is_there(BAND)
    assert not connected()[0].is_there("")


def test_without_a_reader_process_nothing_lies_there() -> None:
    witness = BandWitness()
    witness.heard(proved())

    assert not witness.is_there(BAND)
    assert asyncio.run(witness.asked(ORDER)) == "undone"


def test_a_use_is_told_to_the_band_that_is_there_and_its_answer_is_heard() -> None:
    async def ask() -> tuple[str, list[Told]]:
        witness, told = connected(proved(7))
        asking = asyncio.create_task(witness.asked(ORDER))
        await asyncio.sleep(0)
        witness.heard(Used(7, "another", "recorded"))
        witness.heard(Used(7, ORDER.operation, "used"))
        witness.heard(Used(7, ORDER.operation, "recorded"))
        return await asking, told

    outcome, (told,) = asyncio.run(ask())

    assert outcome == "used"
    assert isinstance(told, Use)
    assert (told.tap, told.operation, told.of) == (7, ORDER.operation, ORDER.of)


@pytest.mark.parametrize("ended", [Left(7), ReaderState("r", "reader_fault")])
def test_a_band_that_leaves_before_its_answer_may_have_done_it(ended: object) -> None:
    async def ask() -> str:
        witness, _ = connected(proved(7))
        asking = asyncio.create_task(witness.asked(ORDER))
        await asyncio.sleep(0)
        witness.heard(ended)  # type: ignore[arg-type]
        return await asking

    assert asyncio.run(ask()) == "torn"


def test_an_answer_that_never_comes_is_not_waited_for_for_ever(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(witnessing, "ANSWER_MS", 1)

    assert asyncio.run(connected(proved(7))[0].asked(ORDER)) == "torn"
