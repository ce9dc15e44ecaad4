"""Finding a customer at the counter."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sync.edge.feed import Feed
from sync.edge.find import FOUND_MAX, SLICE, Finder
from sync.edge.store import EdgeStore
from sync.model.records import Band, ContactPoint, Customer
from sync.model.row import Row
from sync.model.wire import Checkpoint, Cursor, Page
from tests.support import edge, shop


@pytest.fixture
def store(tmp_path: Path) -> Iterator[EdgeStore]:
    store = edge.opened(tmp_path)
    edge.filled(store, shop.lenas_rows())
    yield store
    store.close()


@pytest.mark.parametrize(
    ("text", "how"),
    [
        ("lena", "name"), ("LÉN", "name"), ("muller", "name"), ("Müll", "name"),
        ("müller léna", "name"), ("leni", "name"), ("lena m", "name"),
        ("+49 171 2345678", "phone"), ("0171 2345678", "phone"), ("0171/23", "phone"),
        ("+49171", "phone"), ("0049", "phone"), ("5678", "phone"), ("345678", "phone"),
        ("lena@example.org", "email"), ("LENA@EX", "email"),
        ("W-1077", "order"), ("w1077", "order"), ("1077", "order"),
        ("C-4711", "case"), ("c4711", "case"), ("4711", "case"),
        (shop.BAND, "band"), (shop.BAND[:6].upper(), "band"),
    ],
)  # fmt: skip
def test_a_customer_is_found(store: EdgeStore, text: str, how: str) -> None:
    (hit,) = Finder(store).find(text)

    assert (hit.owner, hit.title, hit.how) == ("lena", "Léna Müller", how)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "   ",
        "tom",
        "lena schmidt",
        "muller tom",
        "99999",
        "12",
        "%",
        "_",
        "'",
        "\0",
        "@",
        shop.BAND[:5],
    ],
)
def test_nobody_is_found_by_what_matches_nobody(store: EdgeStore, text: str) -> None:
    assert Finder(store).find(text) == ()


@pytest.mark.parametrize("text", ["u", "uid", "uid-", "b1c2d"])
def test_what_stands_before_the_digits_of_a_band_and_a_few_digits_find_nobody(
    store: EdgeStore, text: str
) -> None:
    band = shop.row(Band(id="uid-b1c2d3e4f5a6", state="active", is_uid_only=True))
    Feed(store).apply_page(edge.page_of([band], since=8), asked=(Cursor(edge.SCOPE, 8),))

    assert Finder(store).find(text) == ()
    assert [hit.how for hit in Finder(store).find("b1c2d3")] == ["band"]


def test_a_band_whose_digits_look_like_a_phone_number_is_found(store: EdgeStore) -> None:
    band = shop.row(Band(id="uid-123456789012", state="active", is_uid_only=True))
    Feed(store).apply_page(edge.page_of([band], since=8), asked=(Cursor(edge.SCOPE, 8),))

    assert [hit.how for hit in Finder(store).find("123456")] == ["band"]


def test_the_hint_says_what_matched_and_no_more(store: EdgeStore) -> None:
    finder = Finder(store)

    assert finder.find("1077")[0].hint == "W-1077"
    assert finder.find("0171 2345678")[0].hint == "...5678"
    assert finder.find("lena")[0].hint == ""


def test_a_search_finds_no_more_than_a_clerk_can_read(store: EdgeStore) -> None:
    many = [
        shop.row(Customer(id=f"x{n}", given_name="Xaver", family_name=f"N{n}"), owner=f"x{n}")
        for n in range(FOUND_MAX + 30)
    ]
    Feed(store).apply_page(edge.page_of(many, since=8), asked=(Cursor(edge.SCOPE, 8),))

    assert len(Finder(store).find("xav", limit=7)) == 7
    assert len(Finder(store).find("xav", limit=9_999)) == FOUND_MAX
    assert [hit.owner for hit in Finder(store).find("xaver n77")] == ["x77"]


def test_a_changed_name_is_found_by_the_new_one_only(store: EdgeStore) -> None:
    finder = Finder(store)
    assert finder.find("müller")
    married = shop.row(Customer(id="lena", given_name="Léna", family_name="Ødegård"), version=2)
    Feed(store).apply_page(edge.page_of([married], since=8), asked=(Cursor(edge.SCOPE, 8),))

    assert finder.find("odegard")[0].owner == "lena"
    assert finder.find("müller") == ()


def test_somebody_who_left_this_shop_is_not_found_any_more(store: EdgeStore) -> None:
    finder = Finder(store)
    assert finder.find("5678")
    gone = edge.gone_row("contact/lena-phone", 9)

    Feed(store).apply_page(
        Page((gone,), (Checkpoint(edge.SCOPE, 9, is_head=True),)),
        asked=(Cursor(edge.SCOPE, 8),),
    )

    assert finder.find("5678") == ()
    left = store.cache.look(
        lambda file: file.read("SELECT 1 FROM term_word WHERE term LIKE 'p%' OR term LIKE 'q%'")
    )
    assert left == []


def test_one_customer_is_found_once_however_often_they_match(store: EdgeStore) -> None:
    more = [
        shop.row(ContactPoint(id=f"p{n}", channel="phone", value=f"+49171{n}000000"))
        for n in range(5)
    ]
    Feed(store).apply_page(edge.page_of(more, since=8), asked=(Cursor(edge.SCOPE, 8),))

    assert [hit.owner for hit in Finder(store).find("+49171")] == ["lena"]


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.text(max_size=120))
def test_any_text_may_be_searched_for(store: EdgeStore, text: str) -> None:
    assert len(Finder(store).find(text)) <= 20


@pytest.mark.parametrize("text", ["mulelr", "muler", "muellller", "lena mukler", "mullre léna"])
def test_a_name_with_a_slip_finds_who_was_meant(store: EdgeStore, text: str) -> None:
    if text == "muellller":
        marry(store, "Mueller")

    (hit,) = Finder(store).find(text)

    assert (hit.owner, hit.how) == ("lena", "near")


def test_where_somebody_is_named_as_typed_nobody_named_nearly_so_is_found(
    store: EdgeStore,
) -> None:
    add(store, [("a", "Maier"), ("b", "Meier"), ("c", "Meierhof"), ("d", "Mayer")])
    finder = Finder(store)

    assert [(hit.owner, hit.how) for hit in finder.find("meier")] == [
        ("b", "name"),
        ("c", "name"),
    ]
    assert [(hit.owner, hit.how) for hit in finder.find("maeir")] == [("a", "near")]


def test_two_slips_are_forgiven_in_a_long_name_where_one_finds_nobody(store: EdgeStore) -> None:
    add(store, [("a", "Schneider"), ("b", "Schnitzler")])

    assert [hit.owner for hit in Finder(store).find("schbeidre")] == ["a"]


def test_slips_are_forgiven_in_names_alone(store: EdgeStore) -> None:
    finder = Finder(store)

    assert finder.find("W-1078") == ()
    assert finder.find("lena@exmaple") == ()
    assert finder.find("5679") == ()


def test_a_name_and_the_end_of_a_phone_number_find_one_of_many(store: EdgeStore) -> None:
    add(store, [(f"x{n}", "Müller") for n in range(30)])

    assert [hit.owner for hit in Finder(store).find("müller 5678")] == ["lena"]


def test_an_apostrophe_need_not_be_typed(store: EdgeStore) -> None:
    add(store, [("ob", "O'Brien"), ("ob2", "O\u2019Brien")])

    assert {hit.owner for hit in Finder(store).find("obrien")} == {"ob", "ob2"}
    assert {hit.owner for hit in Finder(store).find("o'brien")} == {"ob", "ob2"}


def test_a_large_cache_is_indexed_in_slices_and_found_whole(tmp_path: Path) -> None:
    store = edge.opened(tmp_path)
    people = [(f"x{n}", f"Name{n:05}") for n in range(3 * SLICE)]
    edge.filled(store, [person(*one) for one in people])
    finder = Finder(store)

    sizes = []
    while done := finder.refresh():
        sizes.append(done)
    found = [len(finder.find(f"name{n:05}")) for n in (0, SLICE, 3 * SLICE - 1)]
    store.close()

    assert max(sizes) <= SLICE
    assert found == [1, 1, 1]


def test_what_changes_while_the_index_is_made_is_found_as_it_is_then(tmp_path: Path) -> None:
    store = edge.opened(tmp_path)
    people = [(f"x{n:05}", f"Name{n:05}") for n in range(3 * SLICE)]
    feed = edge.filled(store, [person(*one) for one in people])
    finder = Finder(store)
    finder.refresh()

    cursor = feed.cursors()[0].seq
    early, late = person("x00001", "Anders", 2), person(f"x{3 * SLICE - 1:05}", "Anders", 2)
    feed.apply_page(edge.page_of([early, late], since=cursor), asked=feed.cursors())
    while finder.refresh():
        pass
    found = {hit.owner for hit in finder.find("anders")}
    old = finder.find("name00001")
    store.close()

    assert found == {"x00001", f"x{3 * SLICE - 1:05}"}
    assert [hit.owner for hit in old] != ["x00001"]


def test_nothing_is_indexed_before_the_head_is_reached(tmp_path: Path) -> None:
    store = edge.opened(tmp_path)
    feed = edge.granted(store)
    feed.apply_page(
        edge.page_of(shop.lenas_rows(), is_head=False), asked=(Cursor(edge.SCOPE, 0),)
    )
    finder = Finder(store)

    before = (finder.refresh(), finder.find("lena"))
    feed.apply_page(edge.page_of([], since=8), asked=(Cursor(edge.SCOPE, 8),))
    after = finder.find("lena")
    store.close()

    assert before == (0, ())
    assert [hit.owner for hit in after] == ["lena"]


def test_a_row_that_changes_nothing_to_search_for_leaves_the_index_alone(
    store: EdgeStore,
) -> None:
    finder = Finder(store)
    finder.find("lena")
    before = store.cache.look(lambda file: file.read("SELECT id, terms FROM found"))

    same = shop.row(Customer(id="lena", given_name="Léna", family_name="Müller", tier="gold",
                             nickname="Leni"), version=2)  # fmt: skip
    Feed(store).apply_page(edge.page_of([same], since=8), asked=(Cursor(edge.SCOPE, 8),))
    n_done = finder.refresh()

    assert n_done == 1
    assert store.cache.look(lambda file: file.read("SELECT id, terms FROM found")) == before


def test_a_cache_made_anew_is_searched_anew(store: EdgeStore) -> None:
    finder = Finder(store)
    finder.find("lena")
    store.cache.heal(store.cache.life)
    edge.filled(store, [person("tom", "Taylor")])

    assert finder.find("lena") == ()
    assert finder.find("mulelr") == ()
    assert [hit.owner for hit in finder.find("tailor")] == ["tom"]


def person(owner: str, family: str, version: int = 1) -> Row:
    return shop.row(
        Customer(id=owner, given_name="Kim", family_name=family), owner=owner, version=version
    )


def add(store: EdgeStore, people: list[tuple[str, str]]) -> None:
    rows = [person(*one) for one in people]
    Feed(store).apply_page(edge.page_of(rows, since=8), asked=(Cursor(edge.SCOPE, 8),))


def marry(store: EdgeStore, family: str) -> None:
    row = shop.row(Customer(id="lena", given_name="Léna", family_name=family), version=2)
    Feed(store).apply_page(edge.page_of([row], since=8), asked=(Cursor(edge.SCOPE, 8),))
