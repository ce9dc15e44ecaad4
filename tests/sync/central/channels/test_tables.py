"""What tables and tills say, and how their files are taken apart."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sync.central.channels.adapter import Unmapped
from sync.central.channels.facts import Became, Bought, Called, Known, Point, Said, Stocked
from sync.central.channels.files import pieces_of
from sync.central.channels.parts import instant
from sync.model.records import Back, OrderLine
from tests.support.deliveries import vendor

TABLE = vendor("table")
POS = vendor("pos")


def test_a_row_of_csv_is_a_fact_with_the_columns_the_channel_names() -> None:
    tom, maya = TABLE.facts("customers")

    assert isinstance(tom, Known)
    assert tom.ref == "17"
    assert tom.who is not None
    assert (tom.who.given_name, tom.who.street) == ("Tom", "Kai 1;\r\nHinterhaus")
    assert tom.who.points == (
        Point("email", "tom@example.com", is_verified=True, country="DE"),
        Point("phone", "0171 1234567", country="DE"),
    )
    assert isinstance(maya, Known)
    assert maya.who is not None
    assert [point.is_verified for point in maya.who.points] == [False]


def test_a_line_of_ndjson_is_a_fact() -> None:
    said, stocked = TABLE.facts("facts")

    assert isinstance(said, Said)
    assert said.topic == "password reset"
    assert stocked == Stocked(ref="LS-M", at=1789199990000000, place="harbour", count=3)


def test_a_row_may_be_anything_that_fits_in_one() -> None:
    body = b"fact,ref,at,state,direction,lasted_s,phone\ncalled,k-1,2026-09-12T08:00:00Z,dropped,in,4,+49171\n"

    (called,) = TABLE.facts("facts", body)

    assert isinstance(called, Called)
    assert (called.state, called.lasted_s, called.at) == (
        "dropped",
        4,
        instant("2026-09-12T08:00:00Z"),
    )


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"fact,ref\nsung,1\n", "there is no fact 'sung'"),
        (b"fact,ref,channel,direction\nsaid,1,web,in\n", "when: at"),
        (b"fact,ref,at\nsaid,1,yesterday\n", "at is not a time"),
        (b"ref,name\n1,2,3\n", "3 columns, and the header has 2"),
        (b'ref,name\n1,"two\n', "quote that does not end|unexpected end"),
        (b"fact,ref,place,count\nstocked,1,harbour,many\n", "count is not a whole number"),
        (b"fact,ref,at,is_granted,purpose\nagreed,1,1,maybe,x\n", "is_granted is yes or no"),
    ],
)
def test_a_row_that_cannot_be_says_why(body: bytes, reason: str) -> None:
    with pytest.raises(Unmapped, match=reason):
        TABLE.facts("facts", body)


def test_a_wrong_row_stops_no_other() -> None:
    body = b'fact,ref,place,count\nstocked,1,"harbour,3\nstocked,2,mill,4\n'
    wrong, right = TABLE.take(TABLE.delivery("facts", body))

    with pytest.raises(Unmapped):
        TABLE.adapter.facts(wrong, TABLE.settings)
    assert TABLE.adapter.facts(right, TABLE.settings)[0].ref == "2"


def test_a_receipt_is_an_order_collected_in_its_store() -> None:
    facts = POS.facts("day")

    assert isinstance(facts[0], Bought)
    assert facts[0].ref == "harbour-10017"
    assert facts[0].at == instant("2026-09-12T07:58:00Z")
    assert facts[0].lines == (
        OrderLine("LS-M", "Leinenhemd", 2, "M", paid_minor=3591, list_minor=3990),
        OrderLine("SO-1", "Socken", 1, paid_minor=500, list_minor=500),
    )
    assert (facts[0].total_minor, facts[0].state, facts[0].channel) == (
        7682,
        "collected",
        "store",
    )


def test_a_receipt_of_nobody_tells_nothing() -> None:
    assert "harbour-10018" not in [fact.ref for fact in POS.facts("day")]


def test_goods_that_came_back_return_their_order() -> None:
    exchanged, returned = POS.facts("day")[1:]

    assert isinstance(exchanged, Bought)
    assert [line.product for line in exchanged.lines] == ["LS-L"]
    assert isinstance(returned, Became)
    assert (returned.ref, returned.state) == ("W-1042", "returned")
    assert returned.back == (Back("LS-M", 1),)


LINES = st.lists(
    st.sampled_from([b"1,a\n", b'2,"b\nc"\n', b"\n", b'3,"d\n', b"4,e\r\n", b'"",""\n', b"5"]),
    max_size=12,
)


@given(LINES)
def test_the_pieces_of_a_file_are_all_of_it(lines: list[bytes]) -> None:
    whole = b"n,x\n" + b"".join(lines)
    pieces = list(pieces_of(whole.splitlines(keepends=True)))

    taken = b"".join(piece.body.removeprefix(b"n,x\n") for piece in pieces)
    assert taken.replace(b"\n", b"") == whole.removeprefix(b"n,x\n").replace(b"\n", b"")
    assert sum(piece.size for piece in pieces) <= len(whole)
    assert [piece.line for piece in pieces] == sorted({piece.line for piece in pieces})


@given(LINES)
def test_a_file_read_on_from_any_piece_has_the_same_rest(lines: list[bytes]) -> None:
    whole = b"n,x\n" + b"".join(lines)
    pieces = list(pieces_of(whole.splitlines(keepends=True)))
    done = 0
    for index, piece in enumerate(pieces[:-1], 1):
        done += piece.size
        rest = list(
            pieces_of(
                whole[done:].splitlines(keepends=True),
                line=whole[:done].count(b"\n") + 1,
                header=b"n,x\n",
            )
        )
        assert [one.body for one in rest] == [one.body for one in pieces[index:]]
        assert [one.line for one in rest] == [one.line for one in pieces[index:]]
