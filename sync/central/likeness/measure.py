"""How right and how complete a set of pairs is, where the truth is known; pure. And the plain baseline it is held against."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import combinations

from sync.central.likeness.model import Person

Pair = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Score:
    """Pairs that were said, and pairs that are.

    Attributes:
        n_said, n_true, n_right: Said; true; both.
    """

    n_said: int
    n_true: int
    n_right: int

    @property
    def precision(self) -> float:
        """Share of what was said that is true; 1 when nothing was said."""
        return self.n_right / self.n_said if self.n_said else 1.0

    @property
    def recall(self) -> float:
        """Share of what is true that was said; 1 when nothing is."""
        return self.n_right / self.n_true if self.n_true else 1.0


def pair_of(one: str, other: str) -> Pair:
    """Two ids in their order."""
    return (one, other) if one < other else (other, one)


def score(said: Iterable[Pair], true: Iterable[Pair]) -> Score:
    """Compare two sets of pairs; the order within a pair does not count."""
    told, are = {pair_of(*it) for it in said}, {pair_of(*it) for it in true}
    return Score(len(told), len(are), len(told & are))


def true_pairs(truth: Mapping[str, str]) -> set[Pair]:
    """All pairs of records of one person, from the person of each record."""
    records: dict[str, list[str]] = defaultdict(list)
    for record, person in truth.items():
        records[person].append(record)
    return {
        pair_of(one, other) for same in records.values() for one, other in combinations(same, 2)
    }


def plain_pairs(people: Iterable[Person], *, same_max: int = 50) -> set[Pair]:
    """The baseline: whoever shares a telephone number or an e-mail address is one person.

    Args:
        people: Records.
        same_max: A point that more than so many share is passed over: it would be the shop's own.
    """
    holders: dict[str, list[str]] = defaultdict(list)
    for person in people:
        for point in (*person.phones, *person.emails):
            holders[point].append(person.id)
    return {
        pair_of(one, other)
        for same in holders.values()
        if len(same) <= same_max
        for one, other in combinations(same, 2)
    }


def same_names(people: Iterable[Person]) -> set[Pair]:
    """The other baseline: whoever has the same name and date of birth is one person."""
    holders: dict[tuple[str, str, str], list[str]] = defaultdict(list)
    for person in people:
        if person.given_name and person.family_name and person.birth_date:
            name = (person.given_name.casefold(), person.family_name.casefold())
            holders[(*name, person.birth_date)].append(person.id)
    return {
        pair_of(one, other) for same in holders.values() for one, other in combinations(same, 2)
    }
