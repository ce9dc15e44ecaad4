"""Whatever order deliveries come in, twice or once, cut as they may be: the same rows; and a join undone is no join."""

import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from hardware.clock import FixedClock
from hardware.entropy import SeededEntropy
from hardware.moments import moment_of
from sync.central import joining
from sync.central.centre import Centre
from sync.central.channels.adapter import Settings
from sync.central.channels.facts import (
    Agreed,
    AnyFact,
    Became,
    Called,
    Known,
    Parcel,
    Point,
    Problem,
    Sold,
    Stocked,
    Who,
)
from sync.central.errors import CannotJoin
from tests.support.centre import open_centre
from tests.support.channels import (
    CALLS,
    CHAT,
    HOUR,
    MAIL,
    NOW,
    SHOP,
    all_rows,
    bought,
    changed,
    delivery,
    event,
    intake_of,
    wrote,
)

POINTS = (
    Point("email", "maya@example.org"),
    Point("email", "tom@example.org"),
    Point("phone", "07700 900123"),
    Point("phone", "07700 900456"),
    Point("handle", "x:tom"),
)
NAMES = (("Maya", "Stone"), ("Tom", "Brown"), ("", ""))

Sent = tuple[Settings, tuple[AnyFact, ...]]
whole = settings(
    max_examples=25,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
    derandomize=True,
    phases=(Phase.generate, Phase.shrink),
)


@st.composite
def people(draw: st.DrawFn) -> Who:
    points = draw(st.lists(st.sampled_from(POINTS), max_size=2, unique=True))
    verified = draw(st.integers(0, 3))
    given_name, family_name = draw(st.sampled_from(NAMES))
    return Who(
        ref=draw(st.sampled_from(("1", "2"))), given_name=given_name, family_name=family_name,
        points=tuple(Point(it.kind, it.value, is_verified=bool(verified & 1 << index)) for index, it in enumerate(points)),
    )  # fmt: skip


@st.composite
def sent(draw: st.DrawFn) -> Sent:  # noqa: PLR0911  # one a kind of fact
    at = NOW - draw(st.integers(1, 40)) * HOUR
    who, what = draw(people()), draw(st.integers(0, 9))
    order = draw(st.sampled_from(("W-1", "W-2")))
    state = draw(st.sampled_from(("placed", "paid", "shipped", "delivered")))
    is_in = draw(st.booleans())
    match what:
        case 0:
            return SHOP, (bought(f"{order}-{who.ref}", who, at=at, state=state),)
        case 1:
            return SHOP, (Became(ref=f"{order}-{who.ref}", at=at, state=state),)
        case 2 | 3:
            text = draw(st.sampled_from(("hello?", "thanks", "where is it?")))
            ref = f"m{at}-{what}-{who.ref}"
            thread = draw(st.sampled_from(("t1", ""))) and f"t-{who.ref}"
            direction = "in" if is_in else "out"
            return CHAT, (wrote(ref, who, text, at=at, direction=direction, thread=thread),)
        case 4:
            return MAIL, (wrote(f"p{at}-{who.ref}", who, at=at, channel="email", thread=""),)
        case 5:
            call = Called(
                ref=f"k{at}-{who.ref}",
                at=at,
                who=who,
                state=draw(st.sampled_from(("dropped", "answered", "missed"))),
            )
            return CALLS, (call,)
        case 6:
            return SHOP, (
                Agreed(ref="a", at=at, who=who, purpose="marketing", is_granted=is_in),
            )
        case 7:
            return SHOP, (
                Parcel(
                    ref=f"f-{order}-{who.ref}",
                    at=at,
                    order=f"{order}-{who.ref}",
                    store="mill",
                    state="ready",
                ),
            )
        case 8:
            problem = Problem(ref=f"C-{who.ref}", at=at, who=who, channel="phone", state="open" if is_in else "solved",
                              topic="late", opened_at=at)  # fmt: skip
            return CALLS, (problem, Known(ref=who.ref, at=at, who=who))
        case _:
            return SHOP, (
                Sold(ref="p1", at=at, title=state),
                Stocked(ref="p1", at=at, place="web", count=at % 7),
            )


@contextmanager
def fresh_centre() -> Iterator[Centre]:
    with tempfile.TemporaryDirectory() as folder:
        clock, entropy = FixedClock(moment_of(NOW)), SeededEntropy("order")
        centre = open_centre(Path(folder) / "centre", clock=clock, entropy=entropy)
        try:
            yield centre
        finally:
            centre.close()


def take(centre: Centre, deliveries: Sequence[tuple[int, Sent]]) -> None:
    intake = intake_of(centre)
    for index, (to, facts) in deliveries:
        intake.deliver(to.name, delivery(event(f"e{index:03}", *facts), to=to))
    intake.take_waiting()


def rows_of(centre: Centre) -> Any:
    """All rows, each customer called by what is theirs: which of several joined records is kept, the order decides."""
    rows = all_rows(centre)
    theirs: dict[str, list[str]] = {}
    for key, (owner, *_) in rows.items():
        if key.startswith(("interaction/", "order/", "pickup/", "case/")):
            theirs.setdefault(owner, []).append(key)
        elif key.startswith("contact/"):
            theirs.setdefault(owner, []).append(rows[key][3]["value"])
    with centre._parts.store.reading() as snapshot:
        records = dict(snapshot.sql.all("SELECT owner, kept FROM folded"))
        for channel, ref, owner in snapshot.sql.all("SELECT channel, ref, owner FROM alias"):
            theirs.setdefault(records.get(owner, owner), []).append(f"{channel}/{ref}")
    called = {owner: f"<{' '.join(sorted(names))}>" for owner, names in theirs.items()}
    found = {}
    for key, value in rows.items():
        if key.startswith(("join/", "likeness/", "decision/")):
            continue  # which edge it was that joined three
        text = repr((key, value))
        for owner, name in called.items():
            text = text.replace(owner, name)
        found[text] = True
    return sorted(found)


@whole
@given(st.lists(sent(), max_size=14), st.randoms(use_true_random=False))
def test_deliveries_in_any_order_and_again_make_the_same_rows(
    facts: list[Sent], chance: Any
) -> None:
    numbered = list(enumerate(facts))
    mixed = [*numbered, *(one for one in numbered if chance.random() < 0.3)]
    chance.shuffle(mixed)

    with fresh_centre() as once, fresh_centre() as other:
        take(once, numbered)
        take(other, mixed)

        assert rows_of(once) == rows_of(other)


@whole
@given(st.lists(sent(), min_size=2, max_size=10), st.data())
def test_customers_joined_and_taken_apart_in_any_order_have_the_rows_they_had(
    facts: list[Sent], data: Any
) -> None:
    with fresh_centre() as centre:
        take(centre, list(enumerate(facts)))
        owners = sorted({owner for owner, *_ in all_rows(centre).values() if owner})
        before = all_rows(centre)
        made = []
        for number in range(data.draw(st.integers(1, 3))):
            if len(owners) < 2:
                break
            pair = data.draw(
                st.lists(st.sampled_from(owners), min_size=2, max_size=2, unique=True)
            )
            try:
                joined = changed(centre, lambda it, p=pair, n=number: joining.join(
                    it, p[0], p[1], why="test", risk_ppm=1, by="ben", at=NOW + n))  # fmt: skip
            except CannotJoin:
                continue
            made.append(joined)

        for joined in data.draw(st.permutations(made)):
            changed(centre, lambda it, j=joined: joining.unjoin(it, j, "ben", at=NOW + 9))

        left = {
            key: row for key, row in all_rows(centre).items() if not key.startswith("likeness/")
        }
        assert left == {
            key: row for key, row in before.items() if not key.startswith("likeness/")
        }
