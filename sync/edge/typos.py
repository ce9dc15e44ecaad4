"""Words that were meant, found from a word with slips of the finger: one or two letters wrong, missing, too many or swapped. Pure.

A word of a sorted list is near when a beginning of it can be made from what was typed with at most `n_edits` edits, so that
it is found while it is still being typed. The list is walked like a tree: letters that two neighbours share are looked at
once, and where nothing can match any more all words with that beginning are left out.

Each step of the walk keeps one bit a letter of what was typed, for each number of edits.
Source: Wu and Manber, "Fast text searching allowing errors", CACM 35(10), 1992, with a term for swapped neighbours.
"""

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

LAST: Final = "\U0010ffff"
"""After every letter."""

FOUND_MAX: Final = 96
"""Beginnings that are looked up at once; more are no help to whoever typed."""


@dataclass(frozen=True, slots=True)
class _Step:
    """What can still match after some letters of a word.

    Attributes:
        alive: For each number of edits the lengths of what was typed that may end here, a bit each.
        before: The same one letter earlier.
        letter: The bits of that letter in what was typed.
    """

    alive: tuple[int, ...]
    before: tuple[int, ...]
    letter: int


def edits_for(word: str) -> int:
    """How many slips are forgiven in a word of that length: short words are near to everything."""
    if len(word) < 4:
        return 0
    return 1 if len(word) < 7 else 2


def near(words: Sequence[str], typed: str, *, n_edits: int) -> tuple[str, ...]:
    """Beginnings of words that `typed` may stand for, each within `n_edits`; at most FOUND_MAX.

    Args:
        words: Sorted, each once.
        typed: At least one letter.
        n_edits: 0 to 2.
    """
    places = _places_of(typed)
    done = 1 << len(typed)
    steps = [_begun(n_edits)]
    found: list[str] = []
    last, index = "", 0
    while index < len(words) and len(found) < FOUND_MAX:
        word = words[index]
        depth = _shared(last, word, len(steps) - 1)
        del steps[depth + 1 :]
        cut = 0
        while depth < len(word):
            step = _next(steps[-1], places.get(word[depth], 0))
            depth += 1
            # What is reached with fewer edits is in the last of them too.
            is_found = step.alive[-1] & done
            if is_found or not step.alive[-1]:
                cut = depth
                if is_found:
                    found.append(word[:depth])
                break
            steps.append(step)
        last = word
        index = bisect_left(words, word[:cut] + LAST, index + 1) if cut else index + 1
    return tuple(found)


def _places_of(typed: str) -> dict[str, int]:
    places: dict[str, int] = {}
    for index, letter in enumerate(typed):
        places[letter] = places.get(letter, 0) | 1 << index
    return places


def _begun(n_edits: int) -> _Step:
    """Before the first letter: with n edits the first n letters of what was typed may be superfluous."""
    alive = tuple((1 << n + 1) - 1 for n in range(n_edits + 1))
    return _Step(alive, (0,) * (n_edits + 1), 0)


def _next(step: _Step, letter: int) -> _Step:
    """One letter of a word further; `letter` has the bits of the places where what was typed has it."""
    alive = [(step.alive[0] & letter) << 1]
    for n in range(1, len(step.alive)):
        fewer = step.alive[n - 1]
        bits = (step.alive[n] & letter) << 1  # the letter is right
        bits |= fewer | fewer << 1  # it was left out, or is another one
        bits |= alive[n - 1] << 1  # one was typed that is not there
        bits |= ((step.before[n - 1] & letter) << 1 & step.letter) << 1  # two were swapped
        alive.append(bits)
    return _Step(tuple(alive), step.alive, letter)


def _shared(first: str, second: str, limit: int) -> int:
    """How many letters both begin with, at most `limit`."""
    for index in range(min(limit, len(first), len(second))):
        if first[index] != second[index]:
            return index
    return min(limit, len(first), len(second))
