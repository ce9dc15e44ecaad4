"""Search as you type, and the look-up of a tap, in caches of growing size; made-up people, the same in every run.

search.index@N    s     from a cache just pulled to all of it found, what the kiosk does behind the first sync
search.slice@N    ms    one turn of it, which is how long anybody else who writes to the cache waits
search.prefix@N   ms    one search, a keystroke each: names letter by letter, ends of phone numbers, order numbers, both
search.typo@N     ms    the same with one or two slips in a name, from the fourth letter on
search.hits@N     x     how many of the slipped names were found, whole, among 20
lookup.band@N     us    from a band's id to its owner's profile, as a tap does it
lookup.raw@N      us    the same rows by two prepared reads of the driver, nothing decoded
lookup.vs_raw@N   x     the two, pair by pair in turn
"""

import string
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Final, TypeVar

from hardware.clock import SystemClock
from hardware.disk import SystemDisk
from hardware.entropy import SeededEntropy
from kiosk.bench.figures import Figure, figure_of
from sync.edge.feed import Feed
from sync.edge.find import Finder
from sync.edge.lookup import Lookup
from sync.edge.store import EdgeStore, Transaction
from sync.model.records import (
    Account,
    Band,
    ContactPoint,
    Customer,
    Order,
    OrderLine,
    Record,
    key_of,
    kind_of,
)
from sync.model.row import raw_of
from sync.model.wire import Checkpoint, Cursor, Grant, Page, WireRow

SCOPE: Final = "s:bench"
PAGE_ROWS: Final = 2_000
AT: Final = 1_767_787_200_000_000

Picked = TypeVar("Picked")

_SOUNDS: Final = [
    "ma",
    "ri",
    "na",
    "lo",
    "ka",
    "ti",
    "el",
    "an",
    "jo",
    "se",
    "pe",
    "ra",
    "vi",
    "lu",
    "ko",
    "da",
    "ne",
    "mi",
    "sa",
    "to",
    "be",
    "ro",
    "ha",
    "le",
    "wi",
    "gu",
    "fra",
    "ste",
    "chri",
    "schu",
    "mul",
    "ber",
    "ger",
    "son",
    "sen",
    "sky",
    "ova",
    "ez",
    "ini",
]


class Chance:
    """Numbers that follow from a seed."""

    def __init__(self, seed: str) -> None:
        self._entropy = SeededEntropy(seed)
        self._drawn, self._at = b"", 0

    def below(self, count: int) -> int:
        """A number from 0 to `count` - 1."""
        if self._at == len(self._drawn):
            self._drawn, self._at = self._entropy.draw(65_536), 0
        self._at += 8
        return int.from_bytes(self._drawn[self._at - 8 : self._at], "big") % count

    def one_of(self, choices: Sequence[Picked]) -> Picked:
        """One of them."""
        return choices[self.below(len(choices))]

    def several(self, choices: Sequence[Picked], count: int) -> list[Picked]:
        """That many of them, some more than once."""
        return [self.one_of(choices) for _ in range(count)]


@dataclass(frozen=True, slots=True)
class Person:
    """One made-up customer."""

    id: str
    given: str
    family: str
    phone: str
    band: str
    order: str


@dataclass(frozen=True, slots=True)
class Cache:
    """A store filled with made-up people."""

    store: EdgeStore
    people: Sequence[Person]


def people(count: int) -> Iterator[Person]:
    """That many people, the same in every run: some names are common, most are rare."""
    chance = Chance("people")
    given = _names(chance, 3_000, (2, 3))
    family = _names(chance, 60_000, (2, 4))
    for n in range(count):
        yield Person(
            id=f"{chance.below(2**63):016x}",
            given=_picked(chance, given),
            family=_picked(chance, family),
            phone="+49" + f"{chance.below(10**10):010}",
            band=f"{chance.below(2**63):016x}{chance.below(2**63):016x}",
            order=f"W-{100_000 + n}",
        )


def _names(chance: Chance, count: int, sounds: tuple[int, int]) -> list[str]:
    made = {
        "".join(
            chance.several(_SOUNDS, sounds[0] + chance.below(sounds[1] - sounds[0] + 1))
        ).title()
        for _ in range(count)
    }
    # Sorted first: the order of a set is another one in every process.
    return sorted(sorted(made), key=lambda _: chance.below(2**32))


def _picked(chance: Chance, names: Sequence[str]) -> str:
    return names[int(len(names) * (chance.below(10**6) / 10**6) ** 2.5)]


def records_of(person: Person) -> Iterator[Record]:
    """Six rows of a person, about 0.9 KB together."""
    yield Customer(id=person.id, given_name=person.given, family_name=person.family)
    yield ContactPoint(id=f"p{person.id}", channel="phone", value=person.phone)
    mail = f"{person.given}.{person.family}@example.org".lower()
    yield ContactPoint(id=f"m{person.id}", channel="email", value=mail)
    yield Band(id=person.band, state="active")
    yield Account(id=person.id, points=120)
    line = OrderLine(product="8812", title="Trail jacket", paid_minor=12_900, list_minor=12_900)
    yield Order(person.order, AT, "web", "delivered", (line,), 12_900)


def filled(folder: Path, count: int) -> Cache:
    """A new store in `folder` that holds `count` people; nothing is indexed yet."""
    store = EdgeStore.open(
        folder, bytes(range(32)), disk=SystemDisk(), clock=SystemClock(),
        entropy=SeededEntropy("bench"),
    )  # fmt: skip
    feed = Feed(store)
    feed.grant([Grant(SCOPE, "e", 0)])
    crowd = list(people(count))
    rows = _rows(crowd)
    seq = 0
    while page := tuple(islice(rows, PAGE_ROWS)):
        last = Checkpoint(SCOPE, page[-1].seq, is_head=False)
        feed.apply_page(Page(page, (last,)), asked=(Cursor(SCOPE, seq),))
        seq = page[-1].seq
    head = Checkpoint(SCOPE, seq, is_head=True)
    feed.apply_page(Page((), (head,)), asked=(Cursor(SCOPE, seq),))
    return Cache(store, crowd)


def _rows(crowd: Sequence[Person]) -> Iterator[WireRow]:
    seq = 0
    for person in crowd:
        for record in records_of(person):
            seq += 1
            kind = kind_of(record)
            id_ = str(getattr(record, "id", ""))
            yield WireRow(
                SCOPE, seq, key_of(kind, id_), kind, person.id, 1, AT, "web", raw_of(record),
                is_gone=False,
            )  # fmt: skip


def measure(sizes: Sequence[int], runs: int) -> Mapping[str, Figure]:
    """All metrics at each size.

    Args:
        sizes: People in the cache.
        runs: How many are searched for, and how many looked up.
    """
    found: dict[str, Figure] = {}
    for size in sizes:
        with tempfile.TemporaryDirectory(prefix="tapthread-bench-") as folder:
            cache = filled(Path(folder), size)
            try:
                for name, figure in _measured(cache, runs).items():
                    found[f"{name}@{size}"] = figure
            finally:
                cache.store.close()
    return found


def _measured(cache: Cache, runs: int) -> dict[str, Figure]:
    clock = cache.store.clock
    figures = _lookups(cache, runs * 5)
    finder = Finder(cache.store)
    slices: list[float] = []
    while True:
        started = clock.ticks_us()
        if not finder.refresh():
            break
        slices.append((clock.ticks_us() - started) / 1_000)
    finder.warm()
    figures["search.index"] = figure_of([sum(slices) / 1_000], "s")
    figures["search.slice"] = figure_of(slices, "ms")
    chance = Chance("typed")
    asked = chance.several(cache.people, runs)
    figures["search.prefix"] = figure_of(
        [_took(finder, text) for person in asked for text in _typed(person, chance)], "ms"
    )
    slipped = [(person, _slipped(person.family.lower(), chance)) for person in asked]
    samples = [
        _took(finder, word[:size]) for _, word in slipped for size in range(4, len(word) + 1)
    ]
    figures["search.typo"] = figure_of(samples, "ms")
    hits = [
        float(any(hit.owner == person.id for hit in finder.find(f"{word} {person.given}")))
        for person, word in slipped
    ]
    figures["search.hits"] = Figure(sum(hits) / len(hits), min(hits), "x", len(hits))
    return figures


def _took(finder: Finder, text: str) -> float:
    clock = SystemClock()
    started = clock.ticks_us()
    finder.find(text)
    return (clock.ticks_us() - started) / 1_000


def _typed(person: Person, chance: Chance) -> Iterator[str]:
    """What a clerk types, a keystroke each."""
    texts = (
        person.family, f"{person.given} {person.family}", f"{person.given} {person.phone[-4:]}",
        person.phone[-4:], "0" + person.phone[3:], person.order,
    )  # fmt: skip
    text = chance.one_of(texts)
    return (text[:size] for size in range(1, len(text) + 1))


def _slipped(word: str, chance: Chance) -> str:
    """The word with a slip in it, two where it is long."""
    for _ in range(1 if len(word) < 7 else 1 + chance.below(2)):
        at = 1 + chance.below(len(word) - 1)
        letter = chance.one_of(string.ascii_lowercase)
        word = chance.one_of(
            (
                word[:at] + letter + word[at:],
                word[:at] + word[at + 1 :],
                word[:at] + letter + word[at + 1 :],
                word[: at - 1] + word[at - 1 : at + 1][::-1] + word[at + 1 :],
            )
        )
    return word


def _lookups(cache: Cache, runs: int) -> dict[str, Figure]:
    """Ours and the raw reads in turn, each of people nobody asked for before, so that neither finds the pages of the other."""
    clock, lookup = cache.store.clock, Lookup(cache.store)
    asked = Chance("tapped").several(cache.people, 2 * runs)
    ours: list[float] = []
    raw: list[float] = []
    for one, other in zip(asked[::2], asked[1::2], strict=True):
        started = clock.ticks_us()
        lookup.by_band(one.band)
        between = clock.ticks_us()
        cache.store.cache.look(partial(_raw_read, band=other.band))
        ours.append(between - started)
        raw.append(clock.ticks_us() - between)
    band, bare = figure_of(ours, "us"), figure_of(raw, "us")
    ratio = Figure(
        round(band.median / bare.median, 3), round(band.p95 / bare.p95, 3), "x", runs
    )
    return {"lookup.band": band, "lookup.raw": bare, "lookup.vs_raw": ratio}


def _raw_read(file: Transaction, band: str) -> list[tuple[object, ...]]:
    owner = file.read("SELECT owner FROM row WHERE key = ?", (key_of("band", band),))[0][0]
    return file.read(
        "SELECT key, kind, version, as_of, source, body FROM row WHERE owner = ?", (owner,)
    )
