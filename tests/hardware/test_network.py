"""Whether this machine's own network changed: on this machine, and on files as the kernel writes them."""

from pathlib import Path

import pytest

from hardware.network import LINKS, STATES, network_mark


def test_a_network_that_stays_as_it_is_has_one_mark() -> None:
    assert network_mark() == network_mark()


def test_this_machine_says_something_of_its_network(tmp_path: Path) -> None:
    assert network_mark() != network_mark(tmp_path)


@pytest.mark.parametrize("name", [*STATES, LINKS.replace("*", "eth0")])
def test_a_cable_an_address_or_a_route_that_changes_has_another_mark(
    tmp_path: Path, name: str
) -> None:
    before = network_mark(tmp_path)
    path = tmp_path / name
    path.parent.mkdir(parents=True)

    path.write_text("down\n")
    down = network_mark(tmp_path)
    path.write_text("up\n")
    up = network_mark(tmp_path)

    assert len({before, down, up}) == 3
