"""A use told to the reader process while the band lies on its reader, and what it says of it."""

import pytest

from drivers.credential.layout import AID, USES_FILE, USES_MAX
from drivers.lines import Left, Seen, Use, Used
from hardware.virtual.desfire import VirtualDesfire
from hardware.virtual.faults import Fault, FaultKind, FaultyBand
from tests.drivers.test_pump import Scene
from tests.support.bands import band
from tests.support.chip_bands import ultralight_aes

pytestmark = pytest.mark.timeout(20)

FIRST = "01890a5d-ac96-774b-bcce-b302099a8057"
SECOND = "01890a5d-ac96-774b-bcce-b302099a8058"


def order(operation: str = FIRST, *, tap: int = 1) -> Use:
    return Use(tap, operation, "entitlement/coffee", 1, 1, 1, 1_700_000_000, "berlin")


def n_uses(virtual: VirtualDesfire) -> int:
    return USES_MAX - virtual.values[AID, USES_FILE.number]


def outcomes(scene: Scene) -> list[tuple[int, str, str]]:
    return [
        (said.tap, said.operation, said.outcome)
        for said in scene.said
        if isinstance(said, Used)
    ]


@pytest.mark.parametrize("ev", [1, 2])
def test_a_use_is_witnessed_while_the_band_lies_there_and_not_twice(ev: int) -> None:
    scene, virtual = Scene(), band(ev=ev)

    scene.play(
        scene.present(virtual),
        lambda: scene.hearing.tell(order()),
        scene.wait(200),
        lambda: scene.hearing.tell(order(SECOND)),
        scene.wait(200),
        scene.remove(),
    )

    assert outcomes(scene) == [(1, FIRST, "recorded"), (1, SECOND, "used")]
    assert n_uses(virtual) == 1
    assert isinstance(scene.said[-1], Left)


@pytest.mark.parametrize("kind", [FaultKind.TEAR_COMMAND, FaultKind.TEAR_ANSWER])
def test_a_band_torn_away_from_its_use_is_asked_again_at_the_next_tap(kind: FaultKind) -> None:
    torn = set()

    for at in range(1, 12):
        scene, virtual = Scene(), band()
        fault = Fault(kind, at)
        faulty = FaultyBand(virtual, fault, field=scene.field, clock=scene.clock)
        scene.play(
            scene.present(faulty),
            lambda scene=scene: scene.hearing.tell(order()),  # type: ignore[misc]
            scene.wait(200),
            scene.remove(),
            scene.wait(10_000),
            scene.present(virtual),
            lambda scene=scene: scene.hearing.tell(order(tap=2)),  # type: ignore[misc]
            scene.wait(200),
            scene.remove(),
        )

        first = {outcome for tap, _, outcome in outcomes(scene) if tap == 1}
        torn |= first
        if 2 not in {tap for tap, _, _ in outcomes(scene)}:
            continue  # torn while it was read: it is not the second tap yet
        assert outcomes(scene)[-1][2] in {"recorded", "there"}
        assert n_uses(virtual) == 1

    assert {"torn", "undone"} & torn


@pytest.mark.parametrize("is_random", [False, True])
@pytest.mark.parametrize("times", [1, 5])
def test_a_band_held_there_again_at_once_witnesses_as_before(
    times: int, is_random: bool
) -> None:
    """Staff ask for it in words when a band was torn, and nobody waits two and a half seconds to do it."""
    scene, virtual = Scene(), band(is_random=is_random)

    scene.play(
        scene.present(virtual),
        *[scene.remove(), scene.wait(500), scene.present(virtual)] * times,
        lambda: scene.hearing.tell(order()),
        scene.wait(200),
        scene.remove(),
    )

    assert outcomes(scene) == [(1, FIRST, "recorded")]
    assert n_uses(virtual) == 1
    assert [said.tap for said in scene.said if isinstance(said, Seen)] == [1]
    assert isinstance(scene.said[-1], Left)


def test_a_band_held_there_again_after_a_use_says_how_often_it_was_used_by_now() -> None:
    scene, virtual = Scene(), ultralight_aes()

    scene.play(
        scene.present(virtual), lambda: scene.hearing.tell(order()), scene.wait(200),
        scene.remove(), scene.wait(500), scene.present(virtual), scene.remove(),
    )  # fmt: skip

    assert outcomes(scene) == [(1, FIRST, "recorded")]
    assert [(said.tap, said.uses) for said in scene.proofs()] == [(1, 0), (1, 1)]


def test_another_chip_with_the_uid_of_the_band_before_is_not_asked_to_witness_its_use() -> None:
    scene, virtual, other = Scene(), band(), band(key=b"k" * 16)

    scene.play(
        scene.present(virtual),
        scene.remove(),
        scene.wait(500),
        scene.present(other),
        lambda: scene.hearing.tell(order()),
        scene.wait(200),
        scene.remove(),
    )

    assert outcomes(scene) == []
    assert n_uses(virtual) == n_uses(other) == 0


def test_a_use_for_another_tap_is_not_witnessed_by_the_band_that_lies_there() -> None:
    scene, virtual = Scene(), band()

    scene.play(
        scene.present(virtual),
        lambda: scene.hearing.tell(order(tap=7)),
        scene.wait(200),
        scene.remove(),
    )

    assert outcomes(scene) == []
    assert n_uses(virtual) == 0


def test_a_band_whose_key_is_not_here_cannot_witness() -> None:
    scene, virtual = Scene(leased=()), band()

    scene.play(
        scene.present(virtual),
        lambda: scene.hearing.tell(order()),
        scene.wait(200),
        scene.remove(),
    )

    assert outcomes(scene) == [(1, FIRST, "unsure")]
    assert n_uses(virtual) == 0
