"""Made-up rows of about 0.9 KB each, the same in every run: orders of several lines and long messages, four rows a customer."""

from collections.abc import Iterator
from typing import Final

from kiosk.bench.search import Chance
from sync.model.records import Interaction, Order, OrderLine, Record
from sync.model.row import Row, row_of

AT: Final = 1_767_787_200_000_000
ROWS_EACH: Final = 4
"""Rows of one customer."""

_THINGS: Final = (
    "Linen shirt", "Wool coat", "Rain jacket", "Trail shoe", "Canvas bag", "Cotton socks", "Silk scarf", "Denim jeans",
    "Felt hat", "Leather belt", "Swim shorts", "Down vest", "Knit jumper", "Running tights", "Bath towel", "Desk lamp",
)  # fmt: skip
_SIZES: Final = ("XS", "S", "M", "L", "XL", "38", "40", "42", "44")
_SAID: Final = (
    "The parcel did not arrive although the app says it was delivered on Friday.",
    "Please have somebody look for it, because I need the jacket before our trip.",
    "I was told on the telephone that a person would call back within two hours.",
    "Nobody did, and the number I was given only plays music.",
    "Can you tell me where it is now, or send a second one to the store?",
    "I could collect it tomorrow after work, at about half past five.",
    "The colour should be blue, not green, and the size as on my last order.",
    "The zip broke on the second day; I have washed it as the label says.",
    "I have the receipt and can bring both of them along.",
    "My wife ordered the same and hers came within two days.",
    "If it is no longer in stock, I would rather have the money back.",
    "The discount of the newsletter was not taken off the price.",
    "It is a present, so please leave the price out of the parcel.",
    "Your colleague at the harbour was very kind, please tell her.",
    "The link in the message leads to a page that does not exist.",
    "I already sent a photo of the label with the first message.",
)
_STREETS: Final = (
    "Harbour Road",
    "Mill Lane",
    "Station Street",
    "Market Place",
    "Garden Walk",
    "Church Hill",
)
_CATALOGUE_SIZE: Final = 20_000


def profiles(count: int) -> Iterator[Row]:
    """That many rows, in an order that has nothing to do with their keys."""
    chance = Chance("profiles")
    owner = ""
    for n in range(count):
        if n % ROWS_EACH == 0:
            owner = f"{chance.below(2**63):016x}"
        yield row_of(
            _order(chance, n) if n % 2 else _message(chance), owner=owner, as_of=AT + n, source="web"
        )  # fmt: skip


def owners_of(rows: list[Row]) -> tuple[str, ...]:
    """Whose rows these are, each once."""
    return tuple(dict.fromkeys(row.owner for row in rows))


def _order(chance: Chance, n: int) -> Record:
    lines = tuple(_line(chance) for _ in range(6 + chance.below(4)))
    return Order(
        id=f"W-{chance.below(2**40):011x}-{n}", at=AT + n, channel="web", state="delivered", lines=lines,
        total_minor=sum(line.paid_minor * line.count for line in lines),
    )  # fmt: skip


def _line(chance: Chance) -> OrderLine:
    """A thing of the catalogue, at its price or a fifth less."""
    n = chance.below(_CATALOGUE_SIZE)
    price = 990 + 100 * (n * 7_919 % 200)
    return OrderLine(
        product=f"{100_000 + n * 37}", title=_THINGS[n % len(_THINGS)], count=1 + chance.below(2),
        variant=chance.one_of(_SIZES), paid_minor=price - price // 5 * chance.below(2), list_minor=price,
    )  # fmt: skip


def _message(chance: Chance) -> Record:
    text = [
        f"My number is +49{chance.below(10**10):010} and the parcel is {chance.below(10**12):012}.",
        *chance.several(_SAID, 8 + chance.below(4)),
        f"Send it to {chance.one_of(_STREETS)} {1 + chance.below(180)}, {10_000 + chance.below(80_000)}.",
        f"Order W-{chance.below(10**7):07}, till number {chance.below(10**8):08}.",
    ]
    return Interaction(
        id=f"{chance.below(2**63):016x}{chance.below(2**63):016x}", at=AT + chance.below(10**12), channel="web",
        direction="in", by="Lena", text=" ".join(text), topic="parcel",
    )  # fmt: skip
