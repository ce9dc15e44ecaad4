"""The tour as text: every scene played on a stage, with what is on the screens after each step.

The same time and the same chance give the same text, so it can stand in a README and be compared in CI.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import Final

from kiosk.core.page import Page
from kiosk.core.trap import trap_of
from kiosk.demo.catalogue import JACKET, PRICE_CHANNELS
from kiosk.demo.scenes import SCENES, Scene, Step
from kiosk.demo.stage import Stage
from sync.model.card import card_of, card_text
from sync.model.records import Band, Pickup, Price, Stock
from sync.model.row import Row

WIDTH: Final = 100
"""Columns of the printed tour: what a README shows without a bar."""

_NAMES: Final[Mapping[str, str]] = {
    "kiosk": "kiosk", "staff": "staff only", "card": "counter", "agent": "call centre", "trap": "the trap",
    "sent": "went out", "jacket": "the jacket", "parcel": "the parcel", "bands": "bands", "score": "three sins",
}  # fmt: skip
"""What each look is called in print."""


def printed_tour(stage: Stage, scenes: tuple[Scene, ...] = SCENES) -> Iterator[str]:
    """The lines of the whole tour; plays it."""
    for index, scene in enumerate(scenes):
        yield from ([""] if index else [])
        yield from printed_scene(stage, scene)


def printed_scene(stage: Stage, scene: Scene) -> Iterator[str]:
    """The lines of one scene; plays it."""
    yield scene.title
    yield "=" * len(scene.title)
    stage.leave()
    for step in scene.steps:
        yield ""
        yield from _wrapped(step.caption, "", WIDTH)
        step.act(stage)
        yield from _looked(stage, scene, step)


def _looked(stage: Stage, scene: Scene, step: Step) -> Iterator[str]:
    for look in step.looks:
        lines = LOOKS_OF[look](stage, scene)
        for index, line in enumerate(lines):
            name = _NAMES[look] if not index else ""
            yield from _wrapped(line, f"  {name:<11} | ", WIDTH, f"  {'':<11} | ")


def _wrapped(text: str, first: str, width: int, then: str = "") -> Iterator[str]:
    """A text in lines of at most that many columns."""
    line = first
    for word in text.split(" "):
        if len(line) + len(word) > width and line.strip(" |") and line != first:
            yield line.rstrip()
            line = then
        line += f"{word} "
    yield line.rstrip()


# --- What is looked at ----------------------------------------------------------


def kiosk_lines(page: Page) -> list[str]:
    """A page as it is read, what a touch opens in brackets."""
    lines = []
    for block in page.blocks:
        lines.append(" / ".join(block.lines))
        lines += [f"    [{detail}]" for detail in block.details]
    return lines


def _kiosk(stage: Stage, _: Scene) -> list[str]:
    return kiosk_lines(stage.page) if stage.page is not None else []


def _staff(stage: Stage, _: Scene) -> list[str]:
    return [stage.recognition.reason] if stage.recognition is not None else []


def _card(stage: Stage, scene: Scene) -> list[str]:
    return card_text(card_of(stage.profile(scene.owner), now=stage.now, zone=stage.zone)).split(
        "\n"
    )


def _agent(stage: Stage, scene: Scene) -> list[str]:
    profile = stage.central_profile(scene.owner)
    return card_text(card_of(profile, now=stage.now, zone=stage.zone)).split("\n")


def _trap(stage: Stage, scene: Scene) -> list[str]:
    trap = trap_of(stage.profile(scene.owner), stage.telling)
    pairs = [f'"{pair.question}"  we know: {pair.known}' for pair in trap.pairs]
    return [*pairs, f"{trap.n_asked} questions; here none is asked"]


def _sent(stage: Stage, _: Scene) -> list[str]:
    return [
        f"WhatsApp to +{one.to}: {one.text}"
        for one in stage.vendors.messages
        if one.by == "meta"
    ]


def _jacket(stage: Stage, _: Scene) -> list[str]:
    found = []
    for place in ("harbour", "web"):
        row = stage.row(f"stock/{JACKET}@{place}")
        if row is not None and isinstance(row.body, Stock):
            doubt = ", doubtful" if row.body.is_doubtful else ""
            found.append(
                f"{place}: {row.body.count} ({stage.words.channel(row.source)}{doubt})"
            )
    prices = [
        f"{channel} {stage.words.money(row.body.amount_minor, row.body.currency)}"
        for channel in PRICE_CHANNELS
        if (row := stage.row(f"price/{JACKET}@{channel}")) is not None
        and isinstance(row.body, Price)
    ]
    return [*found, "prices: " + ", ".join(prices)]


def _parcel(stage: Stage, scene: Scene) -> list[str]:
    def state(rows: tuple[Row, ...]) -> str:
        bodies = (row.body for row in rows)
        return ", ".join(
            f"{it.id} {it.state.replace('_', ' ')}" for it in bodies if isinstance(it, Pickup)
        )

    return [
        f"at the counter: {state(stage.profile(scene.owner).rows)}",
        f"at the centre: {state(stage.central_profile(scene.owner).rows)}",
    ]


def _bands(stage: Stage, scene: Scene) -> list[str]:
    bands = sorted(stage.profile(scene.owner).of(Band), key=lambda pair: pair[1].label)
    return [f"{body.label}: {body.state}" for _, body in bands]


def _score(stage: Stage, _: Scene) -> list[str]:
    score = stage.score()
    return [
        f"asked twice {score.asked_twice}, unanswered {score.unanswered}, contradictions {score.contradictions}"
    ]


LOOKS_OF: Final[Mapping[str, Callable[[Stage, Scene], list[str]]]] = {
    "kiosk": _kiosk, "staff": _staff, "card": _card, "agent": _agent, "trap": _trap, "sent": _sent, "jacket": _jacket,
    "parcel": _parcel, "bands": _bands, "score": _score,
}  # fmt: skip
"""Lines of each of `scenes.LOOKS`."""
