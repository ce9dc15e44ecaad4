"""Two nodes of a centre take what other systems send at the same time: nothing twice, nothing lost, nobody made twice."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from sync.central.centre import KEY_FILE, Centre
from sync.central.channels.adapter import Settings
from sync.central.channels.facts import AnyFact
from tests.support.centre import open_centre
from tests.support.channels import (
    CHAT,
    HOUR,
    MAIL,
    NOW,
    SHOP,
    all_rows,
    bought,
    database_rows,
    delivery,
    event,
    intake_of,
    mail,
    phone,
    who,
    wrote,
)
from tests.support.postgres import _made, made_database, postgres  # noqa: F401  # fixtures

N_PEOPLE = 3
N_EACH = 4


@pytest.fixture
def nodes(made_database: str, tmp_path: Path) -> Iterator[tuple[Centre, Centre]]:  # noqa: F811  # the fixture
    first = open_centre(tmp_path / "one", database=made_database)
    (tmp_path / "two").mkdir()
    for name in tmp_path.joinpath("one").iterdir():
        if name.is_file() and name.suffix == Path(KEY_FILE).suffix:
            target = tmp_path / "two" / name.name
            target.write_bytes(name.read_bytes())
            target.chmod(0o600)
    second = open_centre(tmp_path / "two", database=made_database)
    yield first, second
    second.close()
    first.close()


def everything() -> list[tuple[Settings, str, AnyFact]]:
    """Three people, each in three channels, whom verified points join: the shop to the chat by mail, the chat to mail by phone."""
    found: list[tuple[Settings, str, AnyFact]] = []
    for person in range(N_PEOPLE):
        address, number = mail(f"p{person}@example.org"), phone(f"07700 9001{person:02}")
        for n in range(N_EACH):
            at = NOW - (n + 1) * HOUR
            found += [
                (
                    SHOP,
                    f"s{person}-{n}",
                    bought(
                        f"W-{person}-{n}", who(f"{person}", f"P{person}", "", address), at=at
                    ),
                ),
                (
                    CHAT,
                    f"c{person}-{n}",
                    wrote(f"m{person}-{n}", who(f"{person}", "", "", address, number), at=at),
                ),
                (
                    MAIL,
                    f"p{person}-{n}",
                    wrote(
                        f"p{person}-{n}",
                        who(f"{person}", "", "", number),
                        at=at,
                        channel="email",
                    ),
                ),
            ]
    return found


def test_two_nodes_take_the_same_deliveries_at_the_same_time(
    nodes: tuple[Centre, Centre],
) -> None:
    intakes = [intake_of(node) for node in nodes]
    sent = [(to, delivery(event(name, fact), to=to)) for to, name, fact in everything()]

    with ThreadPoolExecutor(4) as pool:
        both = [*sent, *reversed(sent)]
        answers = list(
            pool.map(
                lambda it: intakes[it[0] % 2].deliver(it[1][0].name, it[1][1]), enumerate(both)
            )
        )
    while intakes[0].take_waiting():
        pass

    assert {answer.status for answer in answers} == {200}
    assert sum(answer.n_new for answer in answers) == len(sent)
    assert {line[3] for line in database_rows(nodes[0], "event")} <= {"done", "ignored"}
    rows = all_rows(nodes[0])
    owners = {owner for owner, *_ in rows.values() if owner}
    assert len(owners) == N_PEOPLE
    assert len([key for key in rows if key.startswith(("order/", "interaction/"))]) == len(sent)
    assert len([key for key in rows if key.startswith("customer/")]) == N_PEOPLE
