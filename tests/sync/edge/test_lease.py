"""How long rows of people are shown without the centre, and what clocks can and cannot do about it."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from sync.edge.feed import Feed
from sync.edge.find import Finder
from sync.edge.lease import DAY_MS, ERASED_MS, HOUR_MS, KEEP_MS, SHOWN_MS, lease_of
from sync.edge.lookup import Lookup
from sync.edge.upkeep import Upkeep
from sync.model.records import Product
from tests.support import edge, shop

YEARS_10 = timedelta(days=3_650)


class Place:
    """A filled device whose clock is in the test's hands."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.clock = edge.SetClock()
        self.store = edge.opened(folder, clock=self.clock)
        edge.filled(self.store, shop.lenas_rows())
        self.start()
        self.upkeep.heard()

    def start(self) -> None:
        self.upkeep = Upkeep(self.store, feed=Feed(self.store))

    def run(self, length_ms: int, *, step_ms: int = HOUR_MS) -> None:
        """Let the device run without the centre."""
        for _ in range(length_ms // step_ms):
            self.clock.sleep_ms(step_ms)
            self.turn()

    def turn(self) -> None:
        while self.upkeep.turn():
            pass

    def off(self, length: timedelta) -> None:
        """Switch it off for that long: the wall clock goes on, the ticks do not."""
        self.store.close()
        self.clock.error += length
        self.store = edge.opened(self.folder, clock=self.clock)
        self.start()
        self.turn()

    def is_shown(self) -> bool:
        lookup, finder = Lookup(self.store), Finder(self.store)
        shown = {
            lookup.by_band(shop.BAND) is not None,
            bool(lookup.profile("lena").rows),
            lookup.row("customer/lena") is not None,
            bool(lookup.rows("customer", owner="lena")),
            any(row.owner for row in lookup.everything()),
            bool(finder.find("lena")),
        }
        assert len(shown) == 1, "all ways to a person agree"
        return shown.pop()

    def n_personal(self) -> int:
        found = self.store.cache.look(
            lambda file: file.read("SELECT count(*) FROM row WHERE owner > ''")
        )
        return int(found[0][0])


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    place = Place(tmp_path)
    yield place
    place.store.close()


def test_people_are_shown_for_72_hours_without_the_centre_and_no_longer(place: Place) -> None:
    place.run(SHOWN_MS - HOUR_MS)
    was_shown = place.is_shown()

    place.run(HOUR_MS)

    assert was_shown
    assert not place.is_shown()
    assert place.n_personal() > 0


def test_what_is_about_nobody_is_shown_on(place: Place) -> None:
    product = shop.row(Product(id="8812", title="Trail jacket", category="jacket"), owner="")
    Feed(place.store).apply_page(
        edge.page_of([product], since=8), asked=Feed(place.store).cursors()
    )

    place.run(SHOWN_MS)

    assert Lookup(place.store).row(product.key) is not None


def test_staff_are_warned_at_24_and_at_48_hours(place: Place) -> None:
    lease = lease_of(place.store)

    warned = []
    for _ in range(3):
        place.run(DAY_MS - HOUR_MS)
        warned.append(lease.state().n_warned)
        place.run(HOUR_MS)
        warned.append(lease.state().n_warned)

    assert warned == [0, 1, 1, 2, 2, 2]
    assert lease.state().left_ms == 0


def test_an_answer_of_the_centre_gives_everything_back(place: Place) -> None:
    place.run(SHOWN_MS + DAY_MS)
    assert not place.is_shown()

    place.upkeep.heard()

    assert place.is_shown()
    assert lease_of(place.store).state().age_ms == 0


def test_a_clock_set_back_gives_nothing_back(place: Place) -> None:
    place.run(SHOWN_MS)

    place.clock.error = -YEARS_10
    place.turn()
    shown_at_once = place.is_shown()
    place.off(timedelta())

    assert not shown_at_once
    assert not place.is_shown()


def test_a_clock_set_back_at_every_start_does_not_stop_the_age(place: Place) -> None:
    for _ in range(4):
        place.clock.error -= timedelta(days=1)
        place.run(DAY_MS)
        place.off(timedelta())

    assert not place.is_shown()


def test_hours_in_which_it_was_off_count(place: Place) -> None:
    place.off(timedelta(hours=73))

    assert not place.is_shown()


def test_a_clock_far_ahead_hides_at_once_and_erases_nothing(place: Place) -> None:
    place.clock.error = YEARS_10
    place.turn()
    was_shown = place.is_shown()
    place.run(3 * DAY_MS)
    place.off(timedelta())
    place.run(3 * DAY_MS)

    assert not was_shown
    assert place.n_personal() > 0


def test_a_clock_that_was_ahead_and_is_put_right_shows_people_once_the_centre_answers(
    place: Place,
) -> None:
    place.clock.error = YEARS_10
    place.turn()
    place.run(2 * KEEP_MS, step_ms=KEEP_MS)
    place.clock.error = timedelta()
    was_shown = place.is_shown()

    place.upkeep.heard()

    assert not was_shown
    assert place.is_shown()


def test_a_device_whose_clock_is_ahead_and_which_hears_the_centre_shows_people(
    place: Place,
) -> None:
    place.clock.error = YEARS_10
    place.upkeep.heard()

    place.run(DAY_MS)

    assert place.is_shown()


def test_after_thirty_more_days_of_running_every_personal_row_is_gone(place: Place) -> None:
    place.run(ERASED_MS - DAY_MS, step_ms=6 * HOUR_MS)
    there_before = place.n_personal()

    place.run(DAY_MS)

    assert there_before > 0
    assert place.n_personal() == 0
    assert [cursor.seq for cursor in Feed(place.store).cursors()] == [0]


def test_a_device_that_was_off_for_two_months_erases_after_a_day_in_which_nobody_corrects_the_clock(
    place: Place,
) -> None:
    place.off(timedelta(days=60))
    place.run(DAY_MS - HOUR_MS, step_ms=2 * KEEP_MS)
    there_before = place.n_personal()

    place.run(2 * HOUR_MS, step_ms=2 * KEEP_MS)

    assert there_before > 0
    assert place.n_personal() == 0


def test_a_clock_put_right_within_that_day_keeps_the_rows(place: Place) -> None:
    place.clock.error = timedelta(days=60)
    place.run(DAY_MS - HOUR_MS, step_ms=2 * KEEP_MS)
    place.clock.error = timedelta()
    place.run(2 * KEEP_MS, step_ms=2 * KEEP_MS)
    place.clock.error = timedelta(days=60)

    place.run(DAY_MS - HOUR_MS, step_ms=2 * KEEP_MS)

    assert place.n_personal() > 0


def test_what_was_erased_comes_again_with_the_centre(place: Place) -> None:
    place.run(ERASED_MS, step_ms=6 * HOUR_MS)
    feed = Feed(place.store)

    place.upkeep.heard()
    feed.apply_page(edge.page_of(shop.lenas_rows()), asked=feed.cursors())
    place.turn()

    assert place.is_shown()
    place.run(HOUR_MS)
    assert place.n_personal() > 0


def test_a_power_cut_takes_no_more_than_a_minute_off_the_age(place: Place) -> None:
    place.run(SHOWN_MS, step_ms=KEEP_MS)

    place.clock.error -= timedelta(days=30)
    place.off(timedelta())

    assert lease_of(place.store).state().age_ms >= SHOWN_MS - KEEP_MS


def test_a_cache_made_before_anybody_counted_is_as_old_as_its_last_pull(tmp_path: Path) -> None:
    clock = edge.SetClock()
    store = edge.opened(tmp_path, clock=clock)
    edge.filled(store, shop.lenas_rows())
    upkeep = Upkeep(store, feed=Feed(store))
    clock.sleep_ms(SHOWN_MS)

    while upkeep.turn():
        pass

    assert lease_of(store).is_over()
    store.close()
