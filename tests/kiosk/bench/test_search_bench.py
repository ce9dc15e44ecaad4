"""The bench of search and look-up, at a size that takes no time."""

from itertools import islice

from kiosk.bench.search import measure, people, records_of
from sync.model.row import raw_of


def test_each_metric_is_there_at_each_size() -> None:
    found = measure([20, 40], 3)

    names = {"search.index", "search.slice", "search.prefix", "search.typo", "search.hits",
             "lookup.band", "lookup.raw", "lookup.vs_raw"}  # fmt: skip
    assert found.keys() == {f"{name}@{size}" for name in names for size in (20, 40)}
    assert all(figure.runs > 0 for figure in found.values())


def test_the_people_are_the_same_in_every_run_and_about_as_large_as_profiles_are() -> None:
    first, again = list(people(300)), list(islice(people(500), 300))

    sizes = [sum(len(raw_of(record)) for record in records_of(person)) for person in first]
    assert [one.id for one in first] != sorted(one.id for one in first)
    assert len({one.id for one in first}) == 300
    assert 500 < sum(sizes) / len(sizes) < 1_200
    assert first[:10] == list(people(10))
    assert again == first
