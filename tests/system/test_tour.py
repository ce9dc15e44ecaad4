"""The scenes of the stories, played in a real shop: what is on the screens and in the rows after each step."""

from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path

import pytest

from hardware.clock import FixedClock
from hardware.disk import SystemDisk
from hardware.entropy import SeededEntropy
from kiosk.assembly.device import World
from kiosk.core.page import PageKind
from kiosk.core.trap import trap_of
from kiosk.demo import scenes
from kiosk.demo.bands import band_id_of, demo_band
from kiosk.demo.catalogue import JACKET
from kiosk.demo.scenes import Scene
from kiosk.demo.stage import Stage
from kiosk.demo.tour import kiosk_lines, printed_tour
from sync.model.card import card_of, card_text
from sync.model.records import Band, Case, Entitlement, Interaction, Pickup, Stock
from tests.support.commands import run

AT = datetime(2026, 11, 21, 14, 2, tzinfo=UTC)


def opened(folder: Path) -> World:
    return World(clock=FixedClock(AT), entropy=SeededEntropy("tour"), disk=SystemDisk())


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    folder = tmp_path_factory.mktemp("tour")
    with Stage.opened(folder, world=opened(folder)) as made:
        yield made


@pytest.fixture
def stage(whole: Stage) -> Iterator[Stage]:
    """The shop; each scene is about people of its own, so one shop does for all."""
    whole.leave()
    yield whole
    whole.restore()


@pytest.fixture(scope="module")
def printed() -> list[str]:
    """What the command prints."""
    done = run("demo", "--tour", "--plain")
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


class Playing:
    """A scene on a stage, step by step."""

    def __init__(self, stage: Stage, scene: Scene) -> None:
        self._stage = stage
        self._left = list(scene.steps)

    def on(self, until: str) -> None:
        """Play the steps up to the one whose caption has these words."""
        while True:
            step = self._left.pop(0)
            step.act(self._stage)
            if until in step.caption:
                return


def on_kiosk(stage: Stage) -> str:
    assert stage.page is not None
    return "\n".join(kiosk_lines(stage.page))


def card(stage: Stage, owner: str) -> str:
    return card_text(card_of(stage.profile(owner), now=stage.now))


def stock(stage: Stage, place: str) -> Stock:
    row = stage.row(f"stock/{JACKET}@{place}")
    assert row is not None
    assert isinstance(row.body, Stock)
    return row.body


def test_maya_is_recognised_and_asked_nothing(stage: Stage) -> None:
    play = Playing(stage, scenes.MAYA)

    play.on("holds her band")

    shown = on_kiosk(stage)
    assert "Hello, Maya." in shown
    assert "Your order W-1042" in shown
    assert "Size L instead of M, at the price you paid: €31.92." in shown
    told = card(stage, "maya")
    assert "Wanted instead: L" in told
    assert "MISSING" not in told


def test_mayas_trap_asks_for_what_we_know(stage: Stage) -> None:
    trap = trap_of(stage.profile("maya"), stage.telling)

    questions = [pair.question for pair in trap.pairs]
    assert "Your order number, please?" in questions
    assert trap.n_asked >= 5


def test_toms_reset_is_struck_out_and_the_missing_fact_reaches_the_call_centre(
    stage: Stage,
) -> None:
    play = Playing(stage, scenes.TOM)

    play.on("one thread")
    before = card(stage, "tom")
    play.on("letter with him")

    assert "DO NOT OFFER AGAIN: reset the password (failed 7 of 7" in before
    assert "MISSING: the payer's consent" in before
    assert before.count("have ") == 3
    after = card_text(card_of(stage.central_profile("tom"), now=stage.now))
    assert "MISSING" not in after
    assert "Consent of Brightwater Ltd: given" in after
    assert "PROMISED by Ana (call centre)" in after
    assert "PROMISED AGAIN by Mira (Harbour) until" in after
    assert "promised 2 times, 1 broken" in " ".join(after.split())
    (_, case), *_ = stage.central_profile("tom").of(Case)
    assert (case.missing, len(case.told)) == ((), 4)


def test_toms_trap_offers_the_reset_again(stage: Stage) -> None:
    trap = trap_of(stage.profile("tom"), stage.telling)

    assert any("reset the password" in pair.question for pair in trap.pairs)


def test_lenas_parcel_is_handed_over_without_a_network_and_heard_of_once(stage: Stage) -> None:
    play = Playing(stage, scenes.LENA)

    play.on("holds her band")
    greeted = on_kiosk(stage)
    play.on("kept on this device")
    there = [it.state for _, it in stage.profile("lena").of(Pickup)]
    centre_before = [it.state for _, it in stage.central_profile("lena").of(Pickup)]
    play.on("network is back")
    centre_after = [it.state for _, it in stage.central_profile("lena").of(Pickup)]
    play.on("taps again")

    assert "Ready for you here / Order W-1077, 2 items." in greeted
    assert (there, centre_before, centre_after) == (["handed_over"], ["ready"], ["handed_over"])
    assert not [it for _, it in stage.central_profile("lena").of(Case)], (
        "no clash: it came once"
    )
    assert "Ready for you here" not in on_kiosk(stage)


def test_a_press_stops_no_sale_and_a_count_makes_the_web_follow(stage: Stage) -> None:
    play = Playing(stage, scenes.JONAS)

    play.on("Jonas comes")
    shown, web_before = on_kiosk(stage), stock(stage, "web")
    play.on("doubtful")
    doubted, web_doubted = stock(stage, "harbour"), stock(stage, "web")
    play.on("count says none")

    assert "€41.00 on the web, €45.00 here" in shown
    assert "The web says 3" in shown
    assert web_before.count == web_doubted.count == 3
    assert doubted.is_doubtful
    assert (stock(stage, "harbour").count, stock(stage, "web").count) == (0, 0)
    assert [(it.product, it.count) for it in stage.vendors.stock] == [(JACKET, 0)]


def test_priya_is_answered_in_her_channel_and_the_thread_is_closed(stage: Stage) -> None:
    play = Playing(stage, scenes.PRIYA)

    play.on("holds her band")
    greeted, before = on_kiosk(stage), stage.score()
    play.on("answers in her channel")
    play.on("Solved")

    assert "We have not answered. Sorry." in greeted
    (sent,) = [it for it in stage.vendors.messages if it.to == "447700900105"]
    assert sent.text.startswith("[template we_answer]")
    assert "swapped here in Harbour" in sent.text
    contacts = [it for _, it in stage.central_profile("priya").of(Interaction)]
    assert {it.delivery for it in contacts if it.direction == "out" and it.delivery} == {"read"}
    assert not [it for it in contacts if it.due_at and not it.answered_at]
    assert [it.state for _, it in stage.central_profile("priya").of(Case)] == ["solved"]
    assert stage.score().unanswered == before.unanswered - 1


def test_a_familys_bands_join_one_visit_and_a_child_alone_shows_a_nickname_and_a_ticket(
    stage: Stage,
) -> None:
    play = Playing(stage, scenes.FAMILY)

    play.on("alone")
    assert stage.page is not None
    alone, kind = on_kiosk(stage), stage.page.kind
    play.on("joins the visit")
    together = on_kiosk(stage)
    play.on("One yes")
    left = [
        it.n_left
        for owner in ("sam", "ama", "kofi")
        for _, it in stage.central_profile(owner).of(Entitlement)
    ]
    play.on("once more")

    assert kind is PageKind.CHILD
    assert "Hello, Comet." in alone
    assert "Ama" not in alone
    assert "3 tickets: Sam, Comet, Otter." in together
    assert left == [0, 0, 0]
    assert "elescope" not in on_kiosk(stage)
    assert "W-1081" not in on_kiosk(stage)


def test_ruths_lost_band_is_blocked_without_a_network_and_a_spare_is_hers_at_once(
    stage: Stage,
) -> None:
    play = Playing(stage, scenes.RUTH)

    def states() -> dict[str, str]:
        return {it.id: it.state for _, it in stage.profile("ruth").of(Band)}

    lost, spare = band_id_of(demo_band("ruth")), band_id_of(demo_band("spare"))
    assert [found.owner for found in stage.desk.find("W-1055")] == ["ruth"]
    play.on("network is down")
    here = states()
    play.on("opens nothing")
    blocked, reason = on_kiosk(stage), stage.recognition.reason if stage.recognition else ""
    play.on("The new one")
    new = on_kiosk(stage)
    play.on("found the old one")

    assert (here[lost], here[spare]) == ("blocked", "active")
    assert "Ruth" not in blocked
    assert reason == "blocked"
    assert "Hello, Ruth." in new
    assert states()[lost] == "active"
    assert "Hello, Ruth." in on_kiosk(stage)


def test_everybody_who_is_nobody_gets_the_same_page_and_staff_the_reason(stage: Stage) -> None:
    shown, reasons = [], []
    for step in scenes.NOBODY.steps:
        step.act(stage)
        assert stage.recognition is not None
        shown.append(on_kiosk(stage))
        reasons.append(stage.recognition.reason)

    assert len(set(shown)) == 1
    assert reasons == ["unknown_band", "foreign_chip", "blocked"]


def test_every_scene_is_in_the_tour_and_every_look_can_be_shown() -> None:
    looks = {look for scene in scenes.SCENES for step in scene.steps for look in step.looks}

    assert [scene.name for scene in scenes.SCENES] == [
        "maya", "tom", "lena", "jonas", "priya", "family", "ruth", "nobody",
    ]  # fmt: skip
    assert looks == set(scenes.LOOKS)


def test_the_printed_tour_has_every_scene_and_fits_a_page(printed: list[str]) -> None:
    titles = [line for line, under in pairwise(printed) if under and set(under) == {"="}]

    assert titles == [scene.title for scene in scenes.SCENES]
    assert all(len(line) <= 110 for line in printed)


@pytest.mark.soak
def test_the_printed_tour_is_the_same_each_time(printed: list[str], tmp_path: Path) -> None:
    with Stage.opened(tmp_path, world=opened(tmp_path)) as stage:
        played = list(printed_tour(stage))

    assert printed == played


@pytest.mark.parametrize("wrong", [("--plain",), ("--tour", "--plain", "--fresh")])
def test_a_printed_tour_takes_nothing_else(wrong: tuple[str, ...]) -> None:
    done = run("demo", *wrong)

    assert done.returncode == 2
    assert "--plain goes with --tour" in done.stderr
