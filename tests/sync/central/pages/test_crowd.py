"""However many nodes a centre has, together they let no more people try a password than one alone would."""

from pathlib import Path

import pytest

from hardware.clock import FixedClock
from sync.central.centre import KEY_FILE, Centre
from sync.central.pages import agents
from sync.central.pages.agents import TRIES_MAX, TRIES_US, Doors
from sync.central.pages.site import AgentSite
from sync.central.sql import Connection
from tests.support.centre import open_centre
from tests.support.pages import Browser


@pytest.fixture
def nodes(centre: Centre) -> tuple[Browser, Browser]:
    """Two nodes at one database."""
    one, other = AgentSite(centre._parts), AgentSite(centre._parts)
    return Browser(one.answer), Browser(other.answer)


def test_all_nodes_count_attempts_together(
    nodes: tuple[Browser, Browser], clock: FixedClock
) -> None:
    for n in range(TRIES_MAX):
        nodes[n % 2].sign_in("nobody", "wrong")

    crowded = [node.sign_in().status for node in nodes]
    clock.sleep_ms(TRIES_US // 1_000)
    later = [node.sign_in().status for node in nodes]

    assert crowded == [429, 429]
    assert later == [200, 200]


def test_a_restart_forgets_no_attempt(centre: Centre) -> None:
    for _ in range(TRIES_MAX):
        assert not Doors(centre._parts).is_crowded()

    assert Doors(centre._parts).is_crowded()


def test_who_hammers_at_the_door_writes_nothing(centre: Centre, clock: FixedClock) -> None:
    doors = Doors(centre._parts)

    crowded = [doors.is_crowded() for _ in range(3 * TRIES_MAX)]

    assert crowded.count(False) == TRIES_MAX
    assert centre.count("tried") == TRIES_MAX
    clock.sleep_ms(TRIES_US // 1_000)
    assert not doors.is_crowded()
    assert centre.count("tried") == 1


def test_an_attempt_that_another_node_counted_meanwhile_is_one_too_many(
    centre: Centre, monkeypatch: pytest.MonkeyPatch
) -> None:
    doors = Doors(centre._parts)
    for _ in range(TRIES_MAX):
        doors.is_crowded()
    before, known = [0], agents._n_tried

    def at_first_nobody(sql: Connection, since: int) -> int:
        return before.pop() if before else known(sql, since)

    monkeypatch.setattr(agents, "_n_tried", at_first_nobody)

    assert doors.is_crowded()
    assert centre.count("tried") == TRIES_MAX


def test_two_programs_share_the_count_of_one_server(
    made_database: str, tmp_path: Path, clock: FixedClock
) -> None:
    one = open_centre(tmp_path / "one", database=made_database, clock=clock)
    (tmp_path / "two").mkdir()
    key = tmp_path / "two" / KEY_FILE
    key.write_bytes((tmp_path / "one" / KEY_FILE).read_bytes())
    key.chmod(0o600)
    two = open_centre(tmp_path / "two", database=made_database, clock=clock)
    doors = [Doors(it._parts) for it in (one, two)]

    let_in = sum(not doors[n % 2].is_crowded() for n in range(2 * TRIES_MAX))
    two.close()
    one.close()

    assert let_in == TRIES_MAX
