"""The scenes of the tour: what happens, one step after the other, with the caption each step is shown under.

A step does something real in a `Shop`; nothing it shows is made up here. The tour, its printed form and the system tests play the
same scenes. What the product cannot do yet is said in a caption, and not played.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from kiosk.core.entries import found
from kiosk.demo.bands import band_id_of, demo_band
from kiosk.demo.catalogue import HOME_STORE, JACKET, said_by
from kiosk.demo.stage import CLERK, Shop
from kiosk.demo.threads import DAY_US
from sync.model.operations.answer_interaction import AnswerInteraction
from sync.model.operations.block_band import BlockBand, UnblockBand
from sync.model.operations.correct_stock import CorrectStock
from sync.model.operations.hand_over_pickup import HandOverPickup
from sync.model.operations.link_band import LinkBand
from sync.model.operations.note_case import NoteCase
from sync.model.operations.promise_answer import PromiseAnswer
from sync.model.operations.redeem import Redeem
from sync.model.operations.tell_fact import TellFact
from sync.model.records import Interaction

BY: Final = said_by(CLERK)

TOMS_CASE: Final = "phone:C-4711"
PRIYAS_CASE: Final = "phone:C-4718"

LOOKS: Final = (
    "kiosk",
    "staff",
    "card",
    "agent",
    "trap",
    "sent",
    "jacket",
    "parcel",
    "bands",
    "score",
)
"""What a step can show: the customer's page, what staff alone are told, the hand-over card at the counter and as the centre's
page has it for agents, the trap, messages that went out, the jacket in every place, the parcel at the counter and at the centre,
Ruth's bands, and the three sins."""


def _nothing(_: Shop) -> None:
    pass


@dataclass(frozen=True, slots=True)
class Step:
    """One step of a scene.

    Attributes:
        caption: What is happening, for whoever watches.
        act: What is done.
        looks: What is to be looked at then, of LOOKS.
    """

    caption: str
    act: Callable[[Shop], object] = _nothing
    looks: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Scene:
    """What one person of the stories lives through.

    Attributes:
        name: For `--tour --plain` and tests.
        key: Key of their band in the demo.
        owner: Customer the cards are of, "" for nobody.
    """

    name: str
    key: str
    owner: str
    title: str
    steps: tuple[Step, ...]


def _tap(band: str) -> Callable[[Shop], None]:
    return lambda shop: shop.tap(band)


def _all(*acts: Callable[[Shop], object]) -> Callable[[Shop], None]:
    """One after the other."""

    def act(shop: Shop) -> None:
        for each in acts:
            each(shop)

    return act


def _cut(shop: Shop) -> None:
    shop.cut()


def _restore(shop: Shop) -> None:
    shop.restore()


def _unanswered(shop: Shop, owner: str, channel: str) -> str:
    """The id of the oldest contact of that channel that waits for an answer, "" for none."""
    waiting = [
        body
        for _, body in shop.profile(owner).of(Interaction)
        if body.channel == channel
        and body.direction == "in"
        and body.due_at
        and not body.answered_at
    ]
    return min(waiting, key=lambda body: body.at).id if waiting else ""


# --- Maya ---------------------------------------------------------------------


MAYA: Final = Scene("maya", "1", "maya", "Maya: a shirt too small", (
    Step(
        "Maya holds her band to the kiosk. The order came from the web shop, what is wrong with it from the chat; the size she"
        " wants is chosen already.",
        _tap("maya"), ("kiosk",),
    ),
    Step("The clerk reads what she told, where, and what comes next. Nothing is asked.", looks=("card",)),
    Step("The trap: the same tap in a shop whose channels are not connected.", looks=("trap",)),
    Step("Not in this version: the exchange itself. The kiosk calls a clerk, and the till does the rest."),
))  # fmt: skip


# --- Tom ----------------------------------------------------------------------


def _toms_answer(shop: Shop) -> None:
    told = TellFact(
        case=TOMS_CASE, by=BY, label="Consent of Brightwater Ltd", value="given, by letter of today", channel="store",
        settles="the payer's consent",
    )  # fmt: skip
    shop.act("tell_fact", told, owner="tom")
    promise = PromiseAnswer(
        case=TOMS_CASE, by=BY, text="the phone is billed to Brightwater's card", due_at=shop.now + DAY_US,
        next_step="Bill the company card ending 4471",
    )  # fmt: skip
    shop.act("promise_answer", promise, owner="tom")


TOM: Final = Scene("tom", "2", "tom", "Tom: ten calls, six posts, one visit", (
    Step("Tom holds his band to the kiosk.", _tap("tom"), ("kiosk",)),
    Step(
        "The clerk sees one thread. The password was reset seven times and never helped: it is struck out. Three facts are"
        " known; one is missing.",
        looks=("card",),
    ),
    Step("The trap: what he would be asked an eleventh time.", looks=("trap",)),
    Step(
        "He has the letter with him. The clerk writes the missing fact down and promises an answer; the call centre's page has"
        " it at once.",
        _toms_answer, ("agent",),
    ),
))  # fmt: skip


# --- Lena ---------------------------------------------------------------------


def _lenas_parcel(shop: Shop) -> None:
    shop.act("hand_over_pickup", HandOverPickup(pickup="P-1077", order="W-1077"), owner="lena")


LENA: Final = Scene("lena", "3", "lena", "Lena: a parcel on shelf C7", (
    Step("Lena holds her band to the kiosk; the parcel waits.", _tap("lena"), ("kiosk",)),
    Step("The network is cut. The clerk hands the parcel over all the same.", _cut),
    Step("Handed over, kept on this device until somebody hears it.", _lenas_parcel, ("parcel",)),
    Step("The network is back: the centre hears of it, once.", _restore, ("parcel",)),
    Step("She taps again: nothing waits any more.", _tap("lena"), ("kiosk",)),
    Step("Not in this version: receiving a parcel by scan, a return in the same act, and Emil's code."),
))  # fmt: skip


# --- Jonas --------------------------------------------------------------------


def _counted(count: int | None) -> Callable[[Shop], object]:
    return lambda shop: shop.act(
        "correct_stock", CorrectStock(product=JACKET, place=HOME_STORE, count=count)
    )


JONAS: Final = Scene("jonas", "4", "jonas", "Jonas: the web says three, the shelf has none", (
    Step("Jonas comes for a jacket at the price the web says.", _tap("jonas"), ("kiosk", "jacket")),
    Step("He cannot find it. One press says doubtful; the web shop goes on selling.", _counted(None), ("jacket",)),
    Step(
        "A count says none. The centre writes it back to the web shop, which follows; what it shows now came from itself.",
        _counted(0), ("jacket",),
    ),
    Step("Not in this version: honouring the 41 with its reason, and asking another store for its jacket. 41 and 45 still differ."),
))  # fmt: skip


# --- Priya --------------------------------------------------------------------


def _answer_priya(shop: Shop) -> None:
    waiting = _unanswered(shop, "priya", "whatsapp")
    if not waiting:
        return  # somebody was quicker
    text = "Sorry that nobody wrote. Your backpack is swapped here in Harbour."
    shop.act(
        "answer_interaction", AnswerInteraction(answers=waiting, by=BY, text=text, is_now=True),
        owner="priya",
    )  # fmt: skip


def _solve_priya(shop: Shop) -> None:
    note = NoteCase(case=PRIYAS_CASE, by=BY, text="Swapped for a new one.", solved=True)
    shop.act("note_case", note, owner="priya")


PRIYA: Final = Scene("priya", "5", "priya", "Priya: 71 hours, no reply", (
    Step("Priya wrote to a WhatsApp number nobody watches. She holds her band to the kiosk.", _tap("priya"), ("kiosk", "score")),
    Step("The clerk sees what she wrote, and since when she waits.", looks=("card",)),
    Step(
        "The clerk answers in her channel. More than 24 hours have passed, so WhatsApp takes an approved template only.",
        _answer_priya, ("sent",),
    ),
    Step("Solved in the store: the thread is closed, and one sin less is counted.", _solve_priya, ("card", "score")),
))  # fmt: skip


# --- The family ---------------------------------------------------------------


def _three_tickets(shop: Shop) -> None:
    for person in ("sam", "ama", "kofi"):
        shop.act(
            "redeem",
            Redeem(of=f"entitlement/{person}:ticket", reason="kite workshop"),
            owner=person,
        )


FAMILY: Final = Scene("family", "6 7 8", "sam", "Sam, Ama and Kofi: one visit, three tickets", (
    Step("Ama's band alone: her nickname and her ticket, nothing else.", _tap("ama"), ("kiosk",)),
    Step("Sam's band joins the visit, then Kofi's.", _all(_tap("sam"), _tap("kofi")), ("kiosk",)),
    Step("One yes uses all three tickets.", _three_tickets),
    Step("Sam taps once more: the tickets are used. The gift on its way is nowhere on the page.", _tap("sam"), ("kiosk",)),
))  # fmt: skip


# --- Ruth ---------------------------------------------------------------------


_RUTHS_BAND: Final = band_id_of(demo_band("ruth"))
_SPARE: Final = band_id_of(demo_band("spare"))


def _block(shop: Shop) -> None:
    shop.cut()
    shop.act(
        "block_band", BlockBand(band=_RUTHS_BAND, why="lost at the fair"), owner="ruth",
        evidence=found("order").evidence,
    )  # fmt: skip
    shop.act("link_band", LinkBand(band=_SPARE), owner="ruth", evidence=found("order").evidence)


def _found_again(shop: Shop) -> None:
    shop.act(
        "unblock_band",
        UnblockBand(band=_RUTHS_BAND),
        owner="ruth",
        evidence=found("order").evidence,
    )


RUTH: Final = Scene("ruth", "9", "ruth", "Ruth: a lost band, and no network", (
    Step(
        "The network is down. Ruth is found by her order; her band is blocked here and a sealed spare is linked on the spot.",
        _block, ("bands",),
    ),
    Step(
        "What remains exposed: other devices hear of the block through the store's relay, or when the network is back. It is"
        " back: the lost band opens nothing.",
        _all(_restore, _tap("ruth")), ("kiosk", "staff"),
    ),
    Step("The new one does.", _tap("spare"), ("kiosk",)),
    Step("She found the old one. The block is taken back.", _all(_found_again, _tap("ruth")), ("bands", "kiosk")),
))  # fmt: skip


# --- Nobody -------------------------------------------------------------------


NOBODY: Final = Scene("nobody", "0", "", "Nobody: one page for all", (
    Step("A band nobody linked. The page says nothing; the reason is for staff.", _tap("nobody"), ("kiosk", "staff")),
    Step("An old card. The same page.", _tap("classic"), ("kiosk", "staff")),
    Step("A band that was reported lost. The same page.", _tap("blocked"), ("kiosk", "staff")),
))  # fmt: skip


SCENES: Final = (MAYA, TOM, LENA, JONAS, PRIYA, FAMILY, RUTH, NOBODY)
"""In the order of the tour."""
