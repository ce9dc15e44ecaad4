"""Whatever bytes a band or a reader sends, a parser raises its own error or none, and holds little memory."""

import sys
from types import FrameType
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.fuzz.judging import judged
from tests.fuzz.targets import A_TAP, FRAME, TARGETS, WIDE, Target, asked, reader_at

QUICK = [target for target in TARGETS.values() if target.cpu_us is not None]
WHOLE = [target for target in TARGETS.values() if target.cpu_us is None]

STEPS_A_BYTE = 60
"""Lines of Python one byte of input may cost; what is quadratic passes this at a few hundred bytes."""

STEPS_FREE = 20_000
"""Lines whatever the size: tables, keys, checks."""


def altered(target: Target) -> st.SearchStrategy[bytes]:
    """Anything, or a right input with some of it cut, doubled, swapped or overwritten."""
    seeds = st.sampled_from(list(target.seeds))
    cuts = st.tuples(st.integers(0, 300), st.integers(0, 300), st.binary(max_size=8))

    def changed(pair: tuple[bytes, list[tuple[int, int, bytes]]]) -> bytes:
        raw, changes = pair
        for at, to, part in changes:
            first, last = sorted((at % (len(raw) + 1), to % (len(raw) + 1)))
            raw = raw[:first] + part + raw[last:]
        return raw

    made = st.tuples(seeds, st.lists(cuts, min_size=1, max_size=3)).map(changed)
    return st.one_of(st.binary(max_size=min(target.largest, 400)), made)


@pytest.mark.parametrize("target", QUICK, ids=lambda target: target.name)
@given(data=st.data())
@settings(max_examples=60, suppress_health_check=list(HealthCheck), deadline=None)
def test_a_parser_raises_nothing_but_its_own_error(target: Target, data: st.DataObject) -> None:
    raw = data.draw(altered(target))

    assert judged(target, raw) is None


@pytest.mark.parametrize("target", WHOLE, ids=lambda target: target.name)
@given(data=st.data())
@settings(max_examples=25, suppress_health_check=list(HealthCheck), deadline=None)
def test_a_reader_or_band_that_answers_anything_is_an_error_of_ours(
    target: Target, data: st.DataObject
) -> None:
    raw = data.draw(altered(target))

    assert judged(target, raw) is None


def widest(target: Target) -> list[bytes]:
    """The largest inputs, of the kinds that cost most."""
    size = min(target.largest, WIDE)
    fillers = (b"\x00", b"\xff", b"\x81", b"\x90\x00", b"\x01\x00", b"&a=0", *target.seeds)
    return [(part * (size // len(part) + 1))[:size] for part in fillers if part]


@pytest.mark.parametrize("target", QUICK, ids=lambda target: target.name)
def test_the_largest_input_is_taken_in_bounded_work_and_memory(target: Target) -> None:
    for raw in widest(target):
        steps = counted_steps(target, raw)

        assert steps <= STEPS_FREE + STEPS_A_BYTE * min(len(raw), FRAME)
        assert judged(target, raw, is_weighed=True) is None


def counted_steps(target: Target, raw: bytes) -> int:
    """Lines of Python run; the same on every machine."""
    count = 0

    def line(frame: FrameType, event: str, argument: Any) -> Any:
        nonlocal count
        count += event == "line"
        return line

    before = sys.gettrace()
    sys.settrace(line)
    try:
        judged(target, raw)
    finally:
        sys.settrace(before)
    return count


@pytest.mark.parametrize("target", TARGETS.values(), ids=lambda target: target.name)
def test_a_fuzzer_begins_with_something_each_target_gets_through(target: Target) -> None:
    got_through = 0
    for seed in target.seeds:
        try:
            target.run(seed)
        except target.errors:
            continue
        got_through += 1

    assert got_through


def test_the_reader_a_fuzzer_begins_with_finds_a_band_that_answers() -> None:
    reader = reader_at(A_TAP)

    found = reader.wait_for_target(0)
    answer = asked(reader)

    assert found is not None
    assert answer == b"\x91\x00"


def test_a_defect_is_found_and_named_by_its_place() -> None:
    def broken(raw: bytes) -> None:
        if raw[:1] == b"\x07":
            raise KeyError(raw)

    target = Target("broken", broken, (b"\x00",))

    found = judged(target, b"\x07abc")

    assert found is not None
    assert (found.kind, found.data) == ("error", b"\x07abc")
    assert found.what.startswith("KeyError at test_parsers.py:")
    assert judged(target, b"\x06") is None


def test_a_slow_and_a_large_one_are_found() -> None:
    def slow(raw: bytes) -> None:
        sum(range(200_000))

    def large(raw: bytes) -> None:
        bytearray(2_000_000)

    took = judged(Target("slow", slow, (b"",), cpu_us=1), b"", is_timed=True)
    held = judged(Target("large", large, (b"",)), b"", is_weighed=True)

    assert took is not None
    assert took.kind == "slow"
    assert held is not None
    assert held.kind == "memory"
