"""Who is probably the same person: what is suggested, why, and who is never taken for another."""

from dataclasses import replace

import pytest

from kiosk.bench.known_people import known_people
from sync.central.likeness.measure import (
    pair_of,
    plain_pairs,
    same_names,
    score,
    true_pairs,
)
from sync.central.likeness.model import (
    DOUBT_RISK_PPM,
    SUGGEST_RISK_PPM,
    Likely,
    Person,
    likely_pairs,
)
from sync.central.likeness.nicknames import are_akin

MAYA = Person(
    "maya", "Maya", "Lindqvist", "1991-04-03", ("+447700900101",), ("maya@mail.example",),
    "3 Quay Side", "12004",
)  # fmt: skip


def pair(other: Person, one: Person = MAYA) -> Likely | None:
    found = likely_pairs([one, replace(other, id="other")])
    return found[0] if found else None


def test_a_slip_in_the_name_and_another_number_are_still_her_and_the_reason_is_said() -> None:
    found = pair(replace(MAYA, family_name="Lindqist", phones=("+447700900999",)))

    assert found is not None
    assert found.risk_ppm < 1_000
    assert found.same == (
        "given name", "date of birth", "e-mail address", "street", "postcode",
    )  # fmt: skip
    assert found.alike == ("family name",)
    assert found.unlike == ("telephone number",)
    assert found.why == (
        "same given name, date of birth, e-mail address, street, postcode;"
        " nearly the same family name; different telephone number"
    )


def test_what_nobody_told_says_nothing() -> None:
    found = pair(Person("o", "Maya", "Lindqvist", phones=("+447700900101",), postcode="12004"))

    assert found is not None
    assert found.same == ("given name", "family name", "telephone number", "postcode")
    assert found.unlike == ()


def test_a_short_form_is_the_same_name() -> None:
    tom = replace(MAYA, given_name="Thomas")

    assert pair(replace(tom, given_name="Tom", emails=()), tom) is not None


@pytest.mark.parametrize(
    "other",
    [
        replace(MAYA, given_name="Erik", birth_date="1988-11-20"),
        replace(MAYA, given_name="Erik", birth_date=""),
        replace(MAYA, given_name="Maya", birth_date="1962-12-29"),
    ],
    ids=["her husband", "her husband whose age nobody knows", "her mother of the same name"],
)
def test_somebody_of_the_same_household_is_never_taken_for_her(other: Person) -> None:
    assert pair(other) is None


@pytest.mark.parametrize(
    "other",
    [
        replace(MAYA, given_name="Ines"),
        replace(MAYA, given_name="M", birth_date=""),
        replace(MAYA, birth_date="1991-12-30"),
    ],
    ids=["a twin", "an initial", "another date of birth"],
)
def test_where_it_may_be_a_sister_a_clerk_must_look(other: Person) -> None:
    found = pair(other)

    assert found is not None
    assert found.risk_ppm >= DOUBT_RISK_PPM


def test_names_in_each_others_place_are_told_the_other_way_round() -> None:
    found = pair(replace(MAYA, given_name="Lindqvist", family_name="Maya"))

    assert found is not None
    assert found.risk_ppm < DOUBT_RISK_PPM


def test_a_stranger_is_a_stranger() -> None:
    stranger = Person("s", "Omar", "Okafor", "1970-01-01", ("+447700900777",), (), "", "13999")

    assert pair(stranger) is None
    assert likely_pairs([MAYA]) == ()
    assert likely_pairs([]) == ()


@pytest.mark.parametrize(
    ("one", "other", "akin"),
    [
        ("Samuel", "Sam", True),
        ("KATHARINA", "Kathi", True),
        ("Jean-Claude", "jean", True),
        ("Zoë", "Zoe", True),
        ("Maja", "Maya", True),
        ("M.", "Maya", True),
        ("", "Maya", True),
        ("Anna", "Hans", False),
        ("Lena", "Omar", False),
    ],
)
def test_two_given_names_may_be_one_persons_or_not(one: str, other: str, akin: bool) -> None:
    assert are_akin(one, other) is akin
    assert are_akin(other, one) is akin


def test_on_people_whose_truth_is_known_it_is_right_more_often_than_the_plain_way() -> None:
    known = list(known_people(1_200, name="measured"))
    people = [it.record for it in known]
    truth = true_pairs({it.record.id: it.person for it in known})

    found = likely_pairs(people)

    ours = score(((it.one, it.other) for it in found), truth)
    sure = score(((it.one, it.other) for it in found if it.risk_ppm <= 10_000), truth)
    plain, names = score(plain_pairs(people), truth), score(same_names(people), truth)
    assert plain.precision < 0.9
    assert ours.precision > 0.98
    assert ours.recall > max(plain.recall, names.recall, 0.7)
    assert sure.precision >= ours.precision
    assert all(1 <= it.risk_ppm <= SUGGEST_RISK_PPM for it in found)


def test_the_same_records_give_the_same_pairs_in_any_order() -> None:
    people = [it.record for it in known_people(300, name="measured")]

    assert likely_pairs(people) == likely_pairs(people[::-1])


def test_pairs_are_scored_whichever_of_them_comes_first() -> None:
    found = score([("b", "a"), ("c", "d")], [("a", "b"), ("e", "f")])

    assert (found.n_said, found.n_true, found.n_right) == (2, 2, 1)
    assert (found.precision, found.recall) == (0.5, 0.5)
    assert score([], []).precision == score([], []).recall == 1.0
    assert true_pairs({"1": "p", "2": "p", "3": "q"}) == {pair_of("2", "1")}


def test_a_number_that_everybody_has_joins_nobody_even_in_the_plain_way() -> None:
    shop = [Person(str(n), phones=("+441632960000",)) for n in range(60)]

    assert plain_pairs(shop) == set()
    assert len(plain_pairs(shop[:3])) == 3


def test_made_up_people_are_the_same_in_every_run_and_others_under_another_name() -> None:
    first, again = list(known_people(50)), list(known_people(50))

    assert first == again
    assert first != list(known_people(50, name="others"))
    assert len({it.record.id for it in first}) == 50


def test_a_record_shows_nothing_of_a_person_in_a_log() -> None:
    assert repr(MAYA) == "Person(id='maya')"
