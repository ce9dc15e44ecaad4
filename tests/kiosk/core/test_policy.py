"""How sure we are, for every combination of evidence there is."""

from collections.abc import Iterator
from dataclasses import replace
from functools import cache
from itertools import product
from math import prod
from typing import Any

import pytest

from drivers.proof import ChipFamily, ProofKind
from kiosk.core.policy import (
    AHEAD_US,
    CLEAR_US,
    OLD_US,
    Assurance,
    BandKey,
    BandStanding,
    Counter,
    Listing,
    Network,
    Pin,
    PinLock,
    Seen,
    assurance_of,
    listing_of,
    seen_of,
)

BANDS: tuple[Any, ...] = (
    ProofKind, ChipFamily, (0, 1, 2, 3), (False, True), BandStanding, BandKey, Listing, Network, Counter,
)  # fmt: skip
PEOPLE: tuple[Any, ...] = (Pin, PinLock, (False, True))
N_BANDS = 5 * 10 * 4 * 2 * 4 * 4 * 5 * 3 * 3
N_PEOPLE = 3 * 3 * 2


EVERY: list[tuple[Any, ...]] = []
"""Everything a band can be, with everything that is known of it and nobody in front of it; filled by `worths`."""


@cache
def worths() -> list[Assurance]:
    """What each of `EVERY` is worth."""
    EVERY.extend(product(*BANDS))
    return [assurance_of(Seen(*one)) for one in EVERY]


@pytest.mark.parametrize("listing", [Listing.CLEAR, Listing.OLD, Listing.STALE, Listing.DENIED])
@pytest.mark.parametrize("standing", BandStanding)
def test_an_ev1_would_gain_nothing_from_a_proof_by_the_centre(
    standing: BandStanding, listing: Listing
) -> None:
    named = Seen(
        ProofKind.CAPSULE, ChipFamily.DESFIRE, 1, is_uid_only=False, standing=standing,
        listing=listing, network=Network.ONLINE,
    )  # fmt: skip
    proved = replace(named, proof=ProofKind.MUTUAL, key=BandKey.REMOTE)

    assert assurance_of(named).covers(assurance_of(proved))


def with_person(band: Seen) -> Iterator[Seen]:
    """The same with everything the one who holds it can have said and shown."""
    for pin, lock, is_id_seen in product(*PEOPLE):
        yield replace(band, pin=pin, lock=lock, is_id_seen=is_id_seen)


# What the design says, row by row, written without looking at the code. The first row that fits holds; None fits all.
NOBODY = {"classic", "type4", "unknown"}
COVERED = {"desfire", "ntag424", "ultralight_aes"}


def by_band(seen: Seen) -> str:  # noqa: C901, PLR0911  # a table
    proof, family = seen.proof.value, seen.family.value
    standing, key, listing = seen.standing.value, seen.key.value, seen.listing.value
    if listing in {"denied", "unknown"}:
        return "A0"
    if seen.is_uid_only or family in NOBODY:
        return "A0"
    if standing in {"blocked", "unlinked"}:
        return "A0"
    if proof in {"none", "originality"}:
        return "A0"
    if proof == "cryptogram" and seen.counter.value != "new":
        return "A0"
    if standing == "unknown":
        return "A1" if proof == "capsule" and listing in {"clear", "old"} else "A0"
    if listing == "stale":
        return "A1"
    if proof == "mutual":
        if seen.generation < 2 or family not in COVERED:
            return "A1"
        if key == "leased":
            return "A2"
        if key == "remote" and seen.network.value == "online":
            return "A2"
        return "A1"
    if proof == "cryptogram" and seen.network.value == "online":
        return "A2"
    return "A1"


def expected(seen: Seen, band: str) -> str:
    level = "A2" if seen.is_id_seen else band
    if level != "A2":
        return level
    is_pin_good = (seen.pin.value, seen.lock.value) == ("right", "open")
    is_band_bad = seen.standing.value == "blocked" or seen.listing.value == "denied"
    is_list_young = seen.listing.value == "clear" or seen.is_id_seen
    return "A3" if is_pin_good and is_list_young and not is_band_bad else "A2"


def test_every_combination_of_what_a_band_can_be_gives_what_the_table_says() -> None:
    wrong = [
        one
        for worth, one in zip(worths(), EVERY, strict=True)
        if worth.value != by_band(Seen(*one))
    ]

    assert wrong[:3] == []
    assert len(EVERY) == N_BANDS


def test_every_combination_of_pin_lock_and_document_gives_what_the_table_says() -> None:
    """With every band, by what the table reads of it beside its worth: its row, and the deny list."""
    kinds = {(worth, one[4], one[6]): one for worth, one in zip(worths(), EVERY, strict=True)}

    wrong = [
        seen
        for (worth, _, _), one in kinds.items()
        for seen in with_person(Seen(*one))
        if assurance_of(seen).value != expected(seen, worth.value)
    ]

    assert wrong == []
    assert {worth.value for worth, _, _ in kinds} == {"A0", "A1", "A2"}


@pytest.mark.soak
@pytest.mark.timeout(1_800)
def test_every_combination_of_everything_gives_what_the_table_says() -> None:
    count = 0
    assert worths()
    for one in EVERY:
        band = Seen(*one)
        worth = by_band(band)
        for seen in with_person(band):
            count += 1
            assert assurance_of(seen).value == expected(seen, worth), seen

    assert count == N_BANDS * N_PEOPLE


def _is_block_known_by_the_row_alone(seen: Seen, lost: str) -> bool:
    """The one thing no other source says: a row that says blocked or unlinked, beside a list that says clear."""
    return (
        lost == "standing"
        and seen.standing in (BandStanding.BLOCKED, BandStanding.UNLINKED)
        and seen.proof is ProofKind.CAPSULE
        and seen.listing in (Listing.CLEAR, Listing.OLD)
    )


LOST: dict[str, Any] = {
    "family": ChipFamily.UNKNOWN,
    "generation": 0,
    "standing": BandStanding.UNKNOWN,
    "key": BandKey.UNKNOWN,
    "listing": Listing.UNKNOWN,
    "network": Network.UNKNOWN,
    "counter": Counter.UNKNOWN,
    "proof": ProofKind.NONE,
}
LOST_OF_PEOPLE: dict[str, Any] = {
    "pin": Pin.UNKNOWN,
    "lock": PinLock.UNKNOWN,
    "is_id_seen": False,
}


@pytest.mark.parametrize("lost", LOST)
def test_losing_any_one_thing_never_makes_us_surer(lost: str) -> None:
    where, exceptions = Seen.__slots__.index(lost), 0
    stride = prod(len(tuple(one)) for one in BANDS[where + 1 :])
    choices = tuple(BANDS[where])
    nothing, results = choices.index(LOST[lost]), worths()
    for at, sure in enumerate(results):
        weaker = at + (nothing - at // stride % len(choices)) * stride
        if sure is not results[weaker] and not sure.covers(results[weaker]):
            assert _is_block_known_by_the_row_alone(Seen(*EVERY[at]), lost), EVERY[at]
            exceptions += 1

    assert (exceptions > 0) == (lost == "standing")


@pytest.mark.parametrize("lost", LOST_OF_PEOPLE)
def test_losing_what_a_person_showed_never_makes_us_surer(lost: str) -> None:
    for standing, listing in product(BandStanding, Listing):
        best = Seen(
            ProofKind.MUTUAL, ChipFamily.DESFIRE, 2, is_uid_only=False, standing=standing,
            key=BandKey.LEASED, listing=listing,
        )  # fmt: skip
        for seen in with_person(best):
            weaker = replace(seen, **{lost: LOST_OF_PEOPLE[lost]})

            assert assurance_of(seen).covers(assurance_of(weaker))


BEST = Seen(
    ProofKind.MUTUAL, ChipFamily.DESFIRE, 2, is_uid_only=False, standing=BandStanding.LINKED,
    key=BandKey.LEASED, listing=Listing.CLEAR, network=Network.ONLINE,
)  # fmt: skip


def test_a_reader_that_says_mutual_of_a_band_nobody_gave_a_key_for_is_not_believed() -> None:
    assert assurance_of(BEST) is Assurance.A2
    assert assurance_of(replace(BEST, key=BandKey.UNKNOWN)) is Assurance.A1
    assert assurance_of(replace(BEST, key=BandKey.REMOTE)) is Assurance.A2
    assert (
        assurance_of(replace(BEST, key=BandKey.REMOTE, network=Network.OFFLINE)) is Assurance.A1
    )


def test_no_band_alone_ever_gives_more_than_its_own_page() -> None:
    assert max(worth.value for worth in set(worths())) == "A2"


@pytest.mark.parametrize("standing", [s for s in BandStanding if s is not BandStanding.LINKED])
def test_a_band_that_is_not_linked_proves_nobody(standing: BandStanding) -> None:
    assert assurance_of(replace(BEST, standing=standing)) is Assurance.A0


def test_an_ev1_that_authenticated_mutually_is_held_below_its_own_page() -> None:
    assert assurance_of(replace(BEST, generation=1)) is Assurance.A1
    assert assurance_of(BEST) is Assurance.A2


def test_what_is_left_out_of_the_evidence_counts_as_not_known() -> None:
    bare = Seen(ProofKind.MUTUAL, ChipFamily.DESFIRE, 2, False, BandStanding.LINKED)

    assert assurance_of(bare) is Assurance.A0


@pytest.mark.parametrize(
    ("age_us", "listing"),
    [
        (-AHEAD_US - 1, Listing.UNKNOWN),
        (-AHEAD_US, Listing.CLEAR),
        (0, Listing.CLEAR),
        (CLEAR_US, Listing.CLEAR),
        (CLEAR_US + 1, Listing.OLD),
        (OLD_US, Listing.OLD),
        (OLD_US + 1, Listing.STALE),
    ],
)
def test_a_deny_list_says_less_the_older_it_is_but_never_forgives(
    age_us: int, listing: Listing
) -> None:
    now = 1_700_000_000_000_000

    assert listing_of(is_listed=False, made_at=now - age_us, now=now) is listing
    assert listing_of(is_listed=True, made_at=now - age_us, now=now) is Listing.DENIED


def test_words_of_the_reader_that_this_version_does_not_know_count_as_the_weakest() -> None:
    seen = seen_of(
        proof="quantum", family="desfire_ev9", generation=9, is_uid_only=False,
        standing=BandStanding.LINKED,
    )  # fmt: skip

    assert (seen.proof, seen.family) == (ProofKind.NONE, ChipFamily.UNKNOWN)
    assert assurance_of(seen) is Assurance.A0
