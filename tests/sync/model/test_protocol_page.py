"""The protocol page shows what is really said: its examples check, and its table holds every error."""

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from sync.model import answers, sums, wire
from sync.model.errors import Malformed
from sync.model.operation import OperationState

PAGE = (Path(wire.__file__).parents[1] / "README.md").read_text()
KEY = bytes(range(32))
REQUEST = "52f282040ee1f6b9f1daa9feb1fc0252"


def example(name: str) -> bytes:
    found = re.search(rf"```{name}\n(.*?)```", PAGE, re.DOTALL)
    assert found is not None
    return found[1].encode()


def test_the_example_of_a_pull_is_a_page() -> None:
    page = wire.page_of(example("pull"), session_key=KEY, request_id=REQUEST)

    assert [(row.key, row.seq, row.is_gone) for row in page.rows] == [
        ("pickup/pk-1077", 41, False),
        ("case/c-9", 42, True),
    ]
    assert [(one.scope, one.seq, one.is_head) for one in page.checkpoints] == [
        ("s:harbour", 42, True),
        ("g", 7, True),
    ]


def test_the_example_of_a_push_is_an_answer() -> None:
    results = answers.push_of(example("push"), session_key=KEY, request_id=REQUEST).results

    assert [(one.status, one.code, len(one.rows)) for one in results] == [
        ("applied", "", 1),
        ("held", "unknown_kind", 0),
    ]


def test_the_example_of_leases_is_an_answer() -> None:
    answer = wire.leases_of(example("leases"), session_key=KEY, request_id=REQUEST)

    assert (answer.group_version, len(answer.leases)) == (3, 1)


READERS: dict[str, Callable[..., object]] = {
    "pull": wire.page_of,
    "push": answers.push_of,
    "want": answers.want_of,
    "snapshot": answers.snapshot_of,
    "diff": answers.diff_of,
    "erased": answers.erased_of,
    "inbox": answers.inbox_of,
    "leases": wire.leases_of,
}


def test_the_count_and_sum_of_the_example_are_those_of_its_rows() -> None:
    page = wire.page_of(example("pull"), session_key=KEY, request_id=REQUEST)

    live = [row for row in page.rows if not row.is_gone]
    total = sum(sums.pointer_hash(row.key, row.seq, row.version) for row in live)
    assert page.checkpoints[0].count == len(live)
    assert page.checkpoints[0].sum == total & sums.SUM_MASK


def test_the_example_of_a_want_names_whom_it_found() -> None:
    found = answers.want_of(example("want"), session_key=KEY, request_id=REQUEST)

    assert [(one.owner, len(one.rows)) for one in found] == [("lena", 1), ("", 0)]


def test_the_examples_of_snapshot_diff_erased_and_inbox_are_answers() -> None:
    whole = answers.snapshot_of(example("snapshot"), session_key=KEY, request_id=REQUEST)
    diff = answers.diff_of(example("diff"), session_key=KEY, request_id=REQUEST)
    inbox = answers.inbox_of(example("inbox"), session_key=KEY, request_id=REQUEST)

    assert (whole.seq, whole.count, [part.rows for part in whole.parts]) == (
        51822,
        51700,
        [8192],
    )
    assert (diff.buckets, [row.key for row in diff.rows], diff.n_more) == (
        (0, 17),
        ["customer/lena"],
        0,
    )
    assert [entry.code for entry in inbox] == ["unknown_kind"]
    again = answers.erased_of(example("erased"), session_key=KEY, request_id=REQUEST)
    assert again.erased == 1


@pytest.mark.parametrize("name", sorted(READERS))
def test_no_line_of_an_answer_can_be_left_out_or_given_to_another_question(name: str) -> None:
    read = READERS[name]
    lines = example(name).splitlines(keepends=True)

    for left_out in range(len(lines)):
        rest = b"".join(lines[:left_out] + lines[left_out + 1 :])
        with pytest.raises(Malformed):
            read(rest, session_key=KEY, request_id=REQUEST)
    with pytest.raises(Malformed):
        read(b"".join(lines), session_key=KEY, request_id="another")


def test_the_table_of_errors_is_that_of_the_code() -> None:
    said = dict(re.findall(r"^\| `(\w+)` \| (\d{3}) \|", PAGE, re.MULTILINE))

    assert said == {code: str(status) for code, (status, _) in wire.PROBLEMS.items()}


def test_every_state_of_an_operation_is_in_the_table() -> None:
    assert all(f"`{state.value}`" in PAGE for state in OperationState)
