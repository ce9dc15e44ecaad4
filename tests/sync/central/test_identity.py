"""Who somebody is: records of other systems found, joined and suggested by the rules, and taken apart again exactly."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hardware.clock import FixedClock
from hardware.entropy import SeededEntropy
from hardware.moments import moment_of
from sync.central import contact_terms, identity, joining, suggestions
from sync.central.centre import Centre
from sync.central.channels.facts import Agreed, Known, Point, Who
from sync.central.errors import CannotJoin
from sync.central.identity import record_id as record_of
from sync.central.intake import Intake
from sync.model.records import Band, Consent, Customer, Order
from sync.model.row import row_of
from tests.support.centre import open_centre
from tests.support.channels import (
    CHAT,
    DAY,
    HOUR,
    MAIL,
    NOW,
    SHOP,
    all_rows,
    bought,
    changed,
    database_rows,
    delivery,
    event,
    intake_of,
    mail,
    owners_named,
    phone,
    who,
    wrote,
)


@pytest.fixture
def centre(centre_on: str, request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Centre]:
    address = "" if centre_on == "sqlite" else request.getfixturevalue("made_database")
    opened = open_centre(
        tmp_path / "centre",
        database=address,
        clock=FixedClock(moment_of(NOW)),
        entropy=SeededEntropy("identity"),
    )
    yield opened
    opened.close()


@pytest.fixture
def intake(centre: Centre) -> Intake:
    return intake_of(centre)


def told(intake: Intake, settings: Any, *facts: Any, name: str = "") -> None:
    taken = intake.deliver(
        settings.name,
        delivery(event(name or f"e-{facts[0].ref}-{facts[0].at}", *facts), to=settings),
    )
    assert taken.n_new == 1


def owner_of(centre: Centre, key: str) -> str:
    return all_rows(centre)[key][0]


def open_likeness(centre: Centre) -> list[str]:
    return [
        why
        for _, _, state, _, why, _, _ in database_rows(centre, "likeness")
        if state == "open"
    ]


@pytest.mark.parametrize(
    ("point", "term"),
    [
        (Point("phone", "+44 7700 900123"), "tel:+447700900123"),
        (Point("phone", "07700 900123", country="GB"), "tel:+447700900123"),
        (Point("phone", "0171 2345678", country="de"), "tel:+491712345678"),
        (Point("phone", "07700 900123"), ""),
        (Point("phone", "call me"), ""),
        (Point("phone", "12"), ""),
        (Point("email", " Lena@Example.ORG "), "mailto:lena@example.org"),
        (Point("email", "lena@bücher.example"), "mailto:lena@bücher.example"),
        (Point("email", "lena@xn--bcher-kva.example"), "mailto:lena@bücher.example"),
        (Point("email", "not an address"), ""),
        (Point("handle", "X:@Tom_B"), "x:tom_b"),
        (Point("handle", "tom"), ""),
        (Point("email", "a" * 400 + "@example.org"), ""),
        (Point("phone", "\0"), ""),
    ],
)  # fmt: skip
def test_a_contact_point_has_one_form_however_it_was_written(point: Point, term: str) -> None:
    assert contact_terms.normal(point) == term


@given(
    st.sampled_from(("phone", "email", "handle")), st.text(max_size=300), st.text(max_size=3)
)
def test_any_text_is_a_point_or_none_and_its_form_stays_the_same(
    kind: str, text: str, country: str
) -> None:
    term = contact_terms.normal(Point(kind, text, country=country))

    assert len(term) <= contact_terms.TERM_MAX + len("mailto:")
    if term:
        value = term if kind == "handle" else term.partition(":")[2]
        assert contact_terms.normal(Point(kind, value)) == term


def test_the_same_id_of_a_channel_is_the_same_customer(centre: Centre, intake: Intake) -> None:
    told(intake, SHOP, bought("W-1", who("17", "Maya", "Stone")))

    told(intake, SHOP, bought("W-2", who("17", "Maya", "Stone")))

    assert owner_of(centre, "order/W-1") == owner_of(centre, "order/W-2")


def test_a_point_verified_in_both_places_makes_two_records_one_customer(
    centre: Centre, intake: Intake
) -> None:
    told(intake, SHOP, bought("W-1", who("17", "Maya", "Stone", mail("maya@example.org"))))

    told(intake, CHAT, wrote("m1", who("c9", "Maya", "", mail("Maya@Example.org"))))

    assert owner_of(centre, "order/W-1") == owner_of(centre, "interaction/chat:m1")
    (joined,) = database_rows(centre, "joined")
    assert "verified in both places: mailto:maya@example.org" in joined
    assert joining.VERIFIED_PPM in joined


@pytest.mark.parametrize("is_verified", [(True, False), (False, True), (False, False)])
def test_a_point_that_is_not_verified_in_both_places_is_a_suggestion(
    centre: Centre, intake: Intake, is_verified: tuple[bool, bool]
) -> None:
    told(
        intake,
        SHOP,
        bought(
            "W-1", who("17", "Maya", "", mail("maya@example.org", is_verified=is_verified[0]))
        ),
    )

    told(
        intake,
        CHAT,
        wrote("m1", who("c9", "May", "", mail("maya@example.org", is_verified=is_verified[1]))),
    )

    assert owner_of(centre, "order/W-1") != owner_of(centre, "interaction/chat:m1")
    assert open_likeness(centre) == ["not verified in both places: mailto:maya@example.org"]


def test_a_name_alone_is_a_suggestion(centre: Centre, intake: Intake) -> None:
    told(intake, SHOP, bought("W-1", who("17", "Maya", "Stone")))

    told(intake, CHAT, wrote("m1", who("c9", "MAYA", "stone")))

    assert owner_of(centre, "order/W-1") != owner_of(centre, "interaction/chat:m1")
    assert open_likeness(centre) == ["the same name: name:maya stone"]


def test_a_point_that_many_have_suggests_nobody(centre: Centre, intake: Intake) -> None:
    for number in range(identity.HOLDERS_MAX + 3):
        told(
            intake,
            SHOP,
            bought(
                f"W-{number}",
                who(f"{number}", "", "", phone("07700 900123", is_verified=False)),
            ),
        )

    last = record_of("shop", f"{identity.HOLDERS_MAX + 2}")
    assert not [line for line in database_rows(centre, "likeness") if last in line]


@pytest.mark.parametrize("order", [(0, 1, 2), (1, 0, 2), (2, 0, 1), (0, 2, 1), (2, 1, 0)])
def test_a_number_that_one_shop_has_for_two_people_joins_nobody(
    centre: Centre, intake: Intake, order: tuple[int, ...]
) -> None:
    facts = [
        (SHOP, bought("W-1", who("17", "Sam", "", phone("07700 900123")))),
        (SHOP, bought("W-2", who("18", "Ama", "", phone("07700 900123")))),
        (CHAT, wrote("m1", who("c9", "", "", phone("+447700900123")))),
    ]

    for index in order:
        told(intake, *facts[index])

    owners = {
        owner_of(centre, key) for key in ("order/W-1", "order/W-2", "interaction/chat:m1")
    }
    assert len(owners) == 3
    assert len(open_likeness(centre)) == 3
    assert all("a number two people share" in why for why in open_likeness(centre))


def test_a_number_of_a_household_joins_nobody(centre: Centre, intake: Intake) -> None:
    centre.put_rows(
        row_of(Customer(name, name.title(), household="h1"), owner=name, as_of=1, source="crm")
        for name in ("sam", "ama")
    )
    for name, settings in (("sam", SHOP), ("ama", CHAT)):
        changed(centre, lambda it, n=name, s=settings: identity.bind(it, s.name, n, n, now=NOW))
    told(intake, SHOP, bought("W-1", who("sam", "Sam", "", phone("07700 900123"))))

    told(intake, CHAT, wrote("m1", who("ama", "Ama", "", phone("07700 900123"))))

    assert owner_of(centre, "order/W-1") == "sam"
    assert owner_of(centre, "interaction/chat:m1") == "ama"
    assert open_likeness(centre)


def test_of_two_names_of_one_person_the_one_told_last_is_shown(
    centre: Centre, intake: Intake
) -> None:
    told(
        intake,
        SHOP,
        bought("W-1", who("17", "Maya", "Stone", mail("m@example.org")), at=NOW - 2 * DAY),
    )
    told(
        intake,
        CHAT,
        wrote("m1", who("c9", "Maya", "Rivers", mail("m@example.org")), at=NOW - DAY),
    )

    told(
        intake,
        SHOP,
        bought("W-2", who("17", "Maya", "Old", mail("m@example.org")), at=NOW - 3 * DAY),
    )

    owner = owner_of(centre, "order/W-1")
    body = all_rows(centre)[f"customer/{owner}"][3]
    assert (body["given_name"], body["family_name"]) == ("Maya", "Rivers")
    assert len(list(owners_named(centre, "Maya"))) == 1


def two_customers(centre: Centre, intake: Intake) -> tuple[str, str]:
    told(intake, SHOP, bought("W-1", who("17", "Maya", "Stone", mail("maya@example.org"))))
    told(
        intake,
        SHOP,
        Agreed(ref="x", at=NOW - 9 * HOUR, who=who("17"), purpose="marketing", is_granted=True),
    )
    told(intake, CHAT, wrote("m1", who("c9", "M", "", phone("07700 900123"))))
    told(
        intake,
        CHAT,
        Agreed(
            ref="x", at=NOW - 8 * HOUR, who=who("c9"), purpose="marketing", is_granted=False
        ),
    )
    shop, chat = owner_of(centre, "order/W-1"), owner_of(centre, "interaction/chat:m1")
    centre.put_rows(
        [row_of(Band("b" * 32, "active"), owner=chat, as_of=3, source="store")],
        interest=[("harbour", shop), ("mill", chat)],
    )  # fmt: skip
    return shop, chat


def join(centre: Centre, kept: str, folded: str, *, at: int = NOW) -> str:
    made = changed(
        centre,
        lambda it: joining.join(
            it, kept, folded, why="she said so", risk_ppm=10, by="ben", at=at
        ),
    )
    assert isinstance(made, str)
    return made


def unjoin(centre: Centre, joined: str) -> None:
    changed(centre, lambda it: joining.unjoin(it, joined, "ben", at=NOW))


def scopes_of(centre: Centre, key: str) -> set[str]:
    with centre._parts.store.reading() as snapshot:
        found = snapshot.sql.all(
            "SELECT scope FROM ptr WHERE key = :key AND is_gone = 0", key=key
        )
    return {scope for (scope,) in found}


def test_everything_of_two_joined_customers_is_of_the_one_that_is_kept(
    centre: Centre, intake: Intake
) -> None:
    shop, chat = two_customers(centre, intake)

    join(centre, shop, chat)

    rows = all_rows(centre)
    assert {owner for owner, *_ in rows.values()} == {shop}
    assert f"customer/{chat}" not in rows
    assert rows[f"consent/{shop}:marketing"][3].get("is_granted") is False
    assert {body["value"] for key, (*_, body) in rows.items() if key.startswith("contact/")} == {
        "maya@example.org", "+447700900123",
    }  # fmt: skip
    assert scopes_of(centre, f"band/{'b' * 32}") == {"s:harbour", "s:mill"}


def test_a_join_undone_leaves_every_row_as_it_was(centre: Centre, intake: Intake) -> None:
    shop, chat = two_customers(centre, intake)
    before, held = all_rows(centre), {key: scopes_of(centre, key) for key in all_rows(centre)}

    unjoin(centre, join(centre, shop, chat))

    assert all_rows(centre) == before
    assert {key: scopes_of(centre, key) for key in before} == held


def test_what_came_in_since_goes_with_the_record_it_came_from(
    centre: Centre, intake: Intake
) -> None:
    shop, chat = two_customers(centre, intake)
    joined = join(centre, shop, chat)
    told(intake, CHAT, wrote("m2", who("c9", "Mo", "", mail("mo@example.org")), at=NOW - HOUR))
    told(intake, SHOP, bought("W-2", who("17")))
    assert owner_of(centre, "interaction/chat:m2") == shop

    unjoin(centre, joined)

    assert owner_of(centre, "interaction/chat:m2") == chat
    assert owner_of(centre, "order/W-2") == shop
    assert all_rows(centre)[f"customer/{chat}"][3]["given_name"] == "Mo"
    assert all_rows(centre)[f"customer/{shop}"][3]["given_name"] == "Maya"
    values = {
        body["value"]: owner
        for key, (owner, _, _, body) in all_rows(centre).items()
        if key.startswith("contact/")
    }
    assert values["mo@example.org"] == chat


@pytest.mark.parametrize("undone", [(0, 1), (1, 0)])
def test_a_chain_of_joins_is_undone_in_any_order(
    centre: Centre, intake: Intake, undone: tuple[int, ...]
) -> None:
    shop, chat = two_customers(centre, intake)
    told(
        intake,
        MAIL,
        wrote("p1", who("a", "Post", "", mail("post@example.org")), channel="email"),
    )
    post = owner_of(centre, "interaction/mail:p1")
    before = all_rows(centre)
    made = [join(centre, chat, post), join(centre, shop, chat)]
    assert {owner for owner, *_ in all_rows(centre).values()} == {shop}

    unjoin(centre, made[undone[0]])

    parted = {"order/W-1": shop, "interaction/chat:m1": chat, "interaction/mail:p1": chat}
    if undone[0] == 0:
        parted = {"order/W-1": shop, "interaction/chat:m1": shop, "interaction/mail:p1": post}
    assert {key: owner_of(centre, key) for key in parted} == parted
    unjoin(centre, made[undone[1]])
    assert all_rows(centre) == before


def test_who_is_one_already_cannot_be_joined_again_either_way_round(
    centre: Centre, intake: Intake
) -> None:
    shop, chat = two_customers(centre, intake)
    joined = join(centre, shop, chat)

    for one, other in ((shop, chat), (chat, shop), (shop, shop)):
        with pytest.raises(CannotJoin, match="one customer already"):
            join(centre, one, other)

    unjoin(centre, joined)
    with pytest.raises(CannotJoin, match="undone before"):
        unjoin(centre, joined)


def test_whom_a_person_took_apart_no_rule_joins_again(centre: Centre, intake: Intake) -> None:
    told(intake, SHOP, bought("W-1", who("17", "Maya", "", mail("m@example.org"))))
    told(intake, CHAT, wrote("m1", who("c9", "Ama", "", mail("m@example.org"))))
    ((joined, *_),) = database_rows(centre, "joined")
    unjoin(centre, joined)

    told(
        intake,
        CHAT,
        wrote("m2", who("c9", "Ama", "", mail("m@example.org"), phone("07700 900123"))),
    )
    told(
        intake,
        SHOP,
        bought("W-2", who("17", "Maya", "", mail("m@example.org"), phone("07700 900123"))),
    )

    assert owner_of(centre, "order/W-2") != owner_of(centre, "interaction/chat:m2")


def test_whom_a_person_declined_to_join_no_rule_joins(centre: Centre, intake: Intake) -> None:
    shop, chat = two_customers(centre, intake)
    changed(centre, lambda it: suggestions.decline(it, chat, shop, by="ben", at=NOW))

    told(intake, CHAT, wrote("m2", who("c9", "M", "", mail("maya@example.org"))))

    assert owner_of(centre, "order/W-1") != owner_of(centre, "interaction/chat:m2")


def test_after_a_join_the_stricter_consent_counts_until_the_person_says_otherwise(
    centre: Centre, intake: Intake
) -> None:
    shop, chat = two_customers(centre, intake)
    joined = join(centre, shop, chat, at=NOW - 2 * HOUR)
    assert "is_granted" in all_rows(centre)[f"consent/{shop}:marketing"][3]
    assert all_rows(centre)[f"consent/{shop}:marketing"][3]["is_granted"] is False

    told(
        intake,
        SHOP,
        Agreed(ref="y", at=NOW - HOUR, who=who("17"), purpose="marketing", is_granted=True),
    )

    assert all_rows(centre)[f"consent/{shop}:marketing"][3]["is_granted"] is True
    unjoin(centre, joined)
    assert all_rows(centre)[f"consent/{chat}:marketing"][3]["is_granted"] is False


def test_customers_that_were_put_in_directly_are_joined_and_taken_apart_exactly(
    centre: Centre,
) -> None:
    centre.put_rows(
        [
            row_of(Customer("a", "Ann", tier="gold", household="h"), owner="a", as_of=5, source="crm"),
            row_of(Consent("a:email", "email", is_granted=True, at=4), owner="a", as_of=5, source="loyalty"),
            row_of(Customer("b", "Bo", nickname="B"), owner="b", as_of=6, source="till"),
            row_of(Consent("b:email", "email", is_granted=False, at=3), owner="b", as_of=4, source="till"),
            row_of(Order("W-9", 1, "web", "paid", (), 0), owner="b", as_of=7, source="web"),
        ],
        interest=[("harbour", "a"), ("mill", "b")],
    )  # fmt: skip
    before = all_rows(centre)

    joined = join(centre, "a", "b")

    shown = all_rows(centre)["customer/a"][3]
    assert (shown["given_name"], shown["nickname"], shown["tier"]) == ("Bo", "B", "gold")
    assert all_rows(centre)["consent/a:email"][3]["is_granted"] is False
    unjoin(centre, joined)
    assert all_rows(centre) == before


def test_a_customer_known_by_nothing_but_an_id_is_a_customer(
    centre: Centre, intake: Intake
) -> None:
    told(intake, SHOP, Known(ref="17", at=NOW - DAY, who=Who(ref="17")))

    (row,) = [
        body for key, (*_, body) in all_rows(centre).items() if key.startswith("customer/")
    ]
    assert row["given_name"] == ""


def test_a_no_that_a_person_takes_back_is_a_question_again(
    centre: Centre, intake: Intake
) -> None:
    shop, chat = two_customers(centre, intake)
    changed(centre, lambda it: suggestions.decline(it, chat, shop, by="ben", at=NOW))

    changed(
        centre,
        lambda it: suggestions.ask_again(
            it, shop, chat, by="sue", why="saw both IDs", at=NOW + DAY
        ),
    )

    (line,) = database_rows(centre, "likeness")
    assert (line[2], line[5], line[6]) == ("open", "sue", NOW + DAY)
    assert (
        line[4]
        == "ben said two people on 2026-01-07, sue asks again on 2026-01-08: saw both IDs"
    )
    rows = all_rows(centre)
    assert {key for key in rows if key.startswith("likeness/")} == {
        f"likeness/{chat}~{shop}",
        f"likeness/{shop}~{chat}",
    }
    told(intake, CHAT, wrote("m2", who("c9", "M", "", mail("maya@example.org"))))
    assert owner_of(centre, "order/W-1") == owner_of(centre, "interaction/chat:m2")


def test_also_who_was_taken_apart_is_asked_about_again(centre: Centre, intake: Intake) -> None:
    shop, chat = two_customers(centre, intake)
    joined = join(centre, shop, chat)
    unjoin(centre, joined)

    changed(
        centre,
        lambda it: suggestions.ask_again(it, shop, chat, by="sue", why="x", at=NOW + DAY),
    )

    assert len(open_likeness(centre)) == 1
    assert "took them apart on" in open_likeness(centre)[0]


def test_a_no_nobody_said_is_not_taken_back(centre: Centre, intake: Intake) -> None:
    shop, chat = two_customers(centre, intake)
    before = database_rows(centre, "likeness")

    with pytest.raises(CannotJoin, match="Nobody said no"):
        changed(
            centre, lambda it: suggestions.ask_again(it, shop, chat, by="s", why="x", at=NOW)
        )

    assert database_rows(centre, "likeness") == before


def family(centre: Centre) -> None:
    centre.put_rows(
        [
            row_of(Customer("sam", "Sam", household="h1"), owner="sam", as_of=NOW, source="crm"),
            row_of(Customer("ama", "Ama", household="h1", guardian="sam"), owner="ama", as_of=NOW, source="crm"),
        ]
    )  # fmt: skip


def test_a_child_reached_by_a_parents_address_is_not_made_the_parent(centre: Centre) -> None:
    family(centre)

    for owner in ("sam", "ama"):
        changed(
            centre,
            lambda it, owner=owner: identity.note_points(
                it, owner, {"mailto:sam@example.org": True}, channel="shop", at=NOW, now=NOW
            ),
        )

    assert database_rows(centre, "joined") == []
    assert open_likeness(centre) == ["an address two people share: mailto:sam@example.org"]


def test_who_is_joined_with_a_child_of_theirs_is_nobodys_child(centre: Centre) -> None:
    family(centre)
    before = all_rows(centre)

    joined = join(centre, "sam", "ama")

    assert all_rows(centre)["customer/sam"][3].get("guardian", "") == ""
    unjoin(centre, joined)
    assert all_rows(centre) == before


BEN = Customer("ben", "Ben", household="h2")
KIM = Customer("kim", "Kim", household="h2", guardian="ben")
GUEST = Customer("g", "Guest")


@pytest.mark.parametrize(
    ("one", "other"),
    [("ben", "ama"), ("ama", "ben"), ("ama", "kim"), ("ama", "g"), ("g", "kim")],
)
def test_nobody_is_made_one_with_a_child_of_another_family(
    centre: Centre, one: str, other: str
) -> None:
    family(centre)
    centre.put_rows(
        [row_of(it, owner=it.id, as_of=NOW, source="crm") for it in (BEN, KIM, GUEST)]
    )
    before = all_rows(centre)

    with pytest.raises(CannotJoin, match="only inside its family") as refused:
        join(centre, one, other)

    assert refused.value.code == "another_family"
    assert all_rows(centre) == before


def test_two_records_of_one_child_are_made_one(centre: Centre) -> None:
    family(centre)
    again = Customer("ama-2", "Ama", guardian="sam")
    centre.put_rows([row_of(again, owner="ama-2", as_of=NOW, source="crm")])

    join(centre, "ama", "ama-2")

    assert all_rows(centre)["customer/ama"][3]["guardian"] == "sam"


@pytest.mark.parametrize(("whose", "n_joined"), [(GUEST, 1), (BEN, 0)])
def test_a_point_of_a_child_joins_a_record_of_no_known_family_and_none_of_another(
    centre: Centre, whose: Customer, n_joined: int
) -> None:
    family(centre)
    centre.put_rows([row_of(whose, owner=whose.id, as_of=NOW, source="crm")])

    for owner in ("ama", whose.id):
        changed(
            centre,
            lambda it, owner=owner: identity.note_points(
                it, owner, {"mailto:ama@example.org": True}, channel="shop", at=NOW, now=NOW
            ),
        )

    assert len(database_rows(centre, "joined")) == n_joined
    assert len(open_likeness(centre)) == 1 - n_joined


def test_who_was_erased_together_cannot_be_taken_apart(centre: Centre) -> None:
    family(centre)
    joined = join(centre, "sam", "ama")
    centre.erase("sam")

    with pytest.raises(CannotJoin) as raised:
        unjoin(centre, joined)

    assert raised.value.code == "unknown_join"
    assert all_rows(centre) == {}
