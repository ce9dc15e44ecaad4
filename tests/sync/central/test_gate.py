"""The numbers of a session: each is taken once, however requests overtake each other."""

from hypothesis import given
from hypothesis import strategies as st

from sync.central.gate import SEQ_WINDOW, Session


def new_session() -> Session:
    return Session("s", "device", 0, {}, b"k" * 32)


NEAR = st.integers(-3, 3) | st.integers(
    SEQ_WINDOW - 2, SEQ_WINDOW + 2
) | st.integers(-SEQ_WINDOW - 2, -SEQ_WINDOW + 2)  # fmt: skip


@given(st.lists(NEAR, max_size=80))
def test_a_number_is_taken_once_and_not_when_it_is_far_behind(steps: list[int]) -> None:
    session, taken, seq = new_session(), set[int](), 2 * SEQ_WINDOW

    for step in steps:
        seq = max(seq + step, 0)
        is_behind = bool(taken) and seq <= max(taken) - SEQ_WINDOW

        assert session.take(seq) == (seq not in taken and not is_behind)
        if not is_behind:
            taken.add(seq)


def test_a_long_session_keeps_no_more_than_a_short_one() -> None:
    session = new_session()

    for seq in range(10 * SEQ_WINDOW):
        assert session.take(seq)

    assert session.taken.bit_length() <= SEQ_WINDOW
    assert not any(session.take(seq) for seq in range(0, 10 * SEQ_WINDOW, 7))


def test_the_first_number_may_be_any() -> None:
    for first in (0, 1, 10**17):
        session = new_session()

        assert session.take(first)
        assert not session.take(first)
        assert session.take(first + 1)
