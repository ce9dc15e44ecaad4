"""Pages of a real encrypted file: their MAC as the library makes it, and one flipped bit turned back."""

from pathlib import Path

import pytest

from sync.edge.outbox import Outbox
from sync.edge.pages import SALT_SIZE, Pages
from sync.edge.store import PAGE_SIZE
from tests.support import edge, shop


@pytest.fixture
def content(tmp_path: Path) -> bytes:
    store = edge.opened(tmp_path)
    Outbox(store).record(shop.said())
    store.close()
    return (tmp_path / "outbox.db").read_bytes()


def pages_of(content: bytes) -> tuple[Pages, list[tuple[int, bytes]]]:
    found = [content[at : at + PAGE_SIZE] for at in range(0, len(content), PAGE_SIZE)]
    return Pages(edge.KEY, content[:SALT_SIZE]), list(enumerate(found, start=1))


def test_every_page_of_a_file_is_sound_under_its_own_number_only(content: bytes) -> None:
    pages, found = pages_of(content)

    assert len(found) > 3
    assert all(pages.is_sound(number, page) for number, page in found)
    assert not any(pages.is_sound(number + 1, page) for number, page in found)


@pytest.mark.parametrize("at", [16, 17, 2_000, 4_015, 4_020, 4_040, 4_095])
@pytest.mark.parametrize("number", [1, 2])
def test_one_flipped_bit_is_turned_back_wherever_it_is(
    number: int, at: int, content: bytes
) -> None:
    pages, found = pages_of(content)
    spoilt = bytearray(found[number - 1][1])
    spoilt[at] ^= 32

    assert pages.put_right(number, bytes(spoilt)) == found[number - 1]


def test_a_page_under_a_wrong_number_finds_its_own(content: bytes) -> None:
    pages, found = pages_of(content)

    assert pages.put_right(2 ^ 64, found[1][1]) == found[1]


def test_two_flipped_bits_stay_damage(content: bytes) -> None:
    pages, found = pages_of(content)
    spoilt = bytearray(found[1][1])
    spoilt[100] ^= 1
    spoilt[200] ^= 1

    assert pages.put_right(2, bytes(spoilt)) == (2, bytes(spoilt))
