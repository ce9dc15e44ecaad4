"""Two nodes of a centre take what other systems send at the same time: nothing twice, nothing lost, nobody made twice."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Thread

import msgspec
import pytest

from hardware.clock import FixedClock
from hardware.entropy import SeededEntropy
from hardware.moments import moment_of
from sync.central import events, folding, joining, suggestions
from sync.central.centre import KEY_FILE, Centre
from sync.central.channels.adapter import KEEP_DAYS, Settings
from sync.central.channels.facts import AnyFact, Became, Delivered
from sync.model.operations.prove_handle import code_digest
from sync.model.records import HandleCode
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


def test_who_is_erased_while_another_node_takes_something_of_theirs_is_gone(
    nodes: tuple[Centre, Centre],
) -> None:
    taking, erasing = intake_of(nodes[0]), nodes[1]
    lena = who("7", "Lena", "", mail("lena@example.org"))
    taking.deliver("chat", delivery(event("1", wrote("m1", lena)), to=CHAT))
    owner = all_rows(erasing)["interaction/chat:m1"][0]
    erased = Thread(target=erasing.erase, args=(owner,))

    def meanwhile(*_: object) -> None:
        erased.start()
        erased.join(0.5)  # it is done by then, or waits for us

    taking.hear(Delivered, meanwhile)
    more = (wrote("m2", who("7"), thread="t2"), Delivered(ref="r1", at=NOW, state="sent"))
    taking.deliver("chat", delivery(event("2", *more), to=CHAT))
    erased.join()

    assert all_rows(erasing) == {}
    assert {line[3] for line in database_rows(erasing, "event")} == {"erased"}
    for table in ("alias", "point", "said", "event_of"):
        assert erasing.count(table) == 0


def test_a_code_that_two_handles_send_at_once_proves_one_of_them(
    nodes: tuple[Centre, Centre],
) -> None:
    intakes = [intake_of(node) for node in nodes]
    intakes[0].deliver("shop", delivery(event("1", bought("W-1", who("7", "Tom")))))
    owner = all_rows(nodes[0])["order/W-1"][0]
    code = HandleCode(owner, digest=code_digest(owner, "482913"), until=NOW + 10**15)
    now = nodes[0]._parts.now
    nodes[0].put_rows([row_of(code, owner=owner, as_of=now, source="store")])
    second = Thread(
        target=intakes[1].deliver,
        args=("chat", delivery(event("b", wrote("b", who("b"), "482913", at=now)), to=CHAT)),
    )

    def meanwhile(*_: object) -> None:
        second.start()
        second.join(0.5)  # it waits for us, or would have been told that it is them too

    intakes[0].hear(Delivered, meanwhile)
    first = (
        wrote("a", who("a"), "482913", at=now),
        Delivered(ref="r1", at=NOW, state="sent"),
    )
    intakes[0].deliver("chat", delivery(event("a", *first), to=CHAT))
    second.join()

    rows = all_rows(nodes[0])
    assert len([line for line in database_rows(nodes[0], "joined") if owner in line]) == 1
    assert [key for key in rows if key.startswith("interaction/")] == ["interaction/chat:b"]


def whole_story(centre: Centre, clock: FixedClock) -> tuple[object, ...]:
    """Everything that touches the tables of channels, once."""
    intake = intake_of(centre)
    told: list[object] = []

    def seen(what: str) -> None:
        with centre._parts.store.reading() as snapshot:
            found = events.listed(snapshot.sql)
            told.append(
                (what, sorted((it.channel, it.state, it.reason, it.n_more) for it in found))
            )
            told.append(events.channels(snapshot.sql))
        told.append(all_rows(centre))
        told.append(
            [
                database_rows(centre, name)
                for name in ("joined", "likeness", "folded", "origin", "said", "named")
            ]
        )

    maya = who("17", "Maya", "Stone", mail("maya@example.org"))
    for event_type in ("facts", "broken", "facts"):
        intake.deliver(
            "shop",
            delivery(event(f"e-{event_type}", bought("W-1", maya), event_type=event_type)),
        )
    intake.deliver("shop", delivery(event("e2"), x_word="no"))
    intake.deliver(
        "shop", delivery(event("late", Became(ref="order:9", at=NOW, state="shipped")))
    )
    intake.pause("chat", reason="audit")
    intake.deliver(
        "chat",
        delivery(
            event("c1", wrote("m1", who("c", "Maya", "", mail("maya@example.org")))), to=CHAT
        ),
    )
    seen("paused")
    intake.resume("chat")
    order = msgspec.structs.replace(
        bought("W-9", who("18", "Maya", "Stone")), also=("order:9",)
    )
    intake.deliver("shop", delivery(event("e3", order)))
    seen("resumed")
    owners = sorted({owner for owner, *_ in all_rows(centre).values()})
    joined = changed(
        centre, lambda it: joining.join(it, *owners, why="x", risk_ppm=1, by="ben", at=NOW)
    )
    seen("joined")
    changed(centre, lambda it: joining.unjoin(it, joined, "ben", at=NOW))
    changed(centre, lambda it: suggestions.decline(it, *owners, by="ben", at=NOW))
    changed(centre, lambda it: events.retake(it, "shop", "e-broken", now=NOW))
    intake.take_waiting()
    seen("apart")
    clock.sleep_ms(KEEP_DAYS["taken"] * DAY // 1_000 + 1)
    told.append(intake.tidy())
    told.append(changed(centre, folding.sweep))
    centre.erase(all_rows(centre)["order/W-1"][0])
    seen("erased")
    return tuple(told)


def test_all_that_is_kept_of_channels_is_the_same_in_a_file_and_on_a_server(
    made_database: str,  # noqa: F811  # the fixture
    tmp_path: Path,
) -> None:
    stories = []
    for name, database in (("file", ""), ("server", made_database)):
        clock = FixedClock(moment_of(NOW))
        centre = open_centre(
            tmp_path / name, clock=clock, entropy=SeededEntropy("story"), database=database
        )
        stories.append(whole_story(centre, clock))
        centre.close()

    assert stories[0] == stories[1]
    assert len(stories[0]) > 20
