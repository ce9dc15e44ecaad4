"""How sure we are, for every combination of evidence there is."""

from itertools import product

import pytest

from drivers.proof import ChipFamily, ProofKind
from kiosk.core.policy import Assurance, BandStanding, Seen, assurance_of, seen_of

EVERYTHING = [
    Seen(proof, family, generation, is_uid_only, standing, is_pin_right, is_id_seen)
    for proof, family, generation, is_uid_only, standing, is_pin_right, is_id_seen in product(
        ProofKind, ChipFamily, (0, 1, 2, 3), (False, True), BandStanding, (False, True), (False, True)
    )
]  # fmt: skip


def expected(seen: Seen) -> str:
    """The table of the design, row by row, written without looking at the code."""
    band = "A0"
    if seen.standing.value == "linked" and not seen.is_uid_only:
        row = (seen.proof.value, seen.family.value, seen.generation >= 2)
        if seen.family.value not in {"classic", "unknown"}:
            if seen.proof.value in {"capsule", "cryptogram", "mutual"}:
                band = "A1"
            if row in {("mutual", "desfire", True), ("mutual", "ntag424", True)}:
                band = "A2"
    level = "A2" if seen.is_id_seen else band
    if level == "A2" and seen.is_pin_right and seen.standing.value != "blocked":
        level = "A3"
    return level


def test_every_combination_of_evidence_gives_what_the_table_says() -> None:
    wrong = [seen for seen in EVERYTHING if assurance_of(seen).value != expected(seen)]

    assert wrong == []
    assert len(EVERYTHING) == 5 * 8 * 4 * 2 * 4 * 2 * 2


def test_no_band_alone_ever_gives_more_than_its_own_page() -> None:
    alone = [s for s in EVERYTHING if not s.is_pin_right and not s.is_id_seen]

    assert max(assurance_of(seen).value for seen in alone) == "A2"


@pytest.mark.parametrize("standing", [s for s in BandStanding if s is not BandStanding.LINKED])
def test_a_band_that_is_not_linked_proves_nobody(standing: BandStanding) -> None:
    best = Seen(ProofKind.MUTUAL, ChipFamily.DESFIRE, 2, is_uid_only=False, standing=standing)

    assert assurance_of(best) is Assurance.A0


def test_an_ev1_that_authenticated_mutually_is_held_below_its_own_page() -> None:
    ev1 = Seen(ProofKind.MUTUAL, ChipFamily.DESFIRE, 1, False, BandStanding.LINKED)
    ev2 = Seen(ProofKind.MUTUAL, ChipFamily.DESFIRE, 2, False, BandStanding.LINKED)

    assert assurance_of(ev1) is Assurance.A1
    assert assurance_of(ev2) is Assurance.A2


def test_less_known_is_never_worth_more() -> None:
    for seen in EVERYTHING:
        weaker = Seen(
            ProofKind.NONE, ChipFamily.UNKNOWN, 0, True, seen.standing, seen.is_pin_right, seen.is_id_seen
        )  # fmt: skip

        assert assurance_of(seen).covers(assurance_of(weaker))


def test_words_of_the_reader_that_this_version_does_not_know_count_as_the_weakest() -> None:
    seen = seen_of(
        proof="quantum", family="desfire_ev9", generation=9, is_uid_only=False,
        standing=BandStanding.LINKED,
    )  # fmt: skip

    assert (seen.proof, seen.family) == (ProofKind.NONE, ChipFamily.UNKNOWN)
    assert assurance_of(seen) is Assurance.A0
