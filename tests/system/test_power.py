"""A kiosk and its centre on disks that lose power, fill up, fail and flip bits: no operation that was confirmed is lost.

A day is the real code of both ends over real files (`tests.support.power_day`), each in a process that can be killed at any
change or sync of one of them. By default a part of the steps; with `-m soak` every one, until the day passes untouched.
"""

import errno
import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from hardware.virtual.power import built

STEPS_MAX = 5_000
"""No day has so many."""

ERRORS = ("StoreFull: ", "StoreError: ", "StoreUnreachable: ", "DiskFull: ", "DiskFault: ")
"""How what was not done is said; any other error ends the test."""


Days = Callable[..., list[dict[str, Any]]]


@pytest.fixture(scope="module")
def days(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Days]:
    """What became of each day of an order; one process lives them all, and forks for each."""
    # In memory where there is some: what counts is what the failing disk puts back, not what a real one would do.
    memory = Path("/dev/shm")
    place = memory if memory.is_dir() else tmp_path_factory.mktemp("power")
    with (
        tempfile.TemporaryDirectory(dir=place) as folder,
        subprocess.Popen(
            [sys.executable, "-m", "tests.support.power_day", folder],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
            env={**os.environ, "LD_PRELOAD": str(built())},
        ) as living,
    ):  # fmt: skip
        orders, answers = living.stdin, living.stdout
        assert orders is not None
        assert answers is not None

        def lived(**order: object) -> list[dict[str, Any]]:
            print(json.dumps(order), file=orders, flush=True)
            found: list[dict[str, Any]] = []
            try:
                for line in answers:
                    if line == "null\n":
                        return found
                    found.append(json.loads(line))
            except BaseException:
                living.kill()
                raise
            raise AssertionError(f"it ended with {living.wait()}")

        yield lived


def holds(found: list[dict[str, Any]]) -> None:
    """Nothing that was confirmed is lost, doubled or different, and nothing failed but in words."""
    for one in found:
        assert one["raised"] == [], one
        assert one["lost"] == [], one
        assert one["forgotten"] == [], one
        assert one["broken"] == [], one
        assert one["is_quiet"], one
        assert all(said.startswith(ERRORS) for said in one["said"]), one


def killed(found: list[dict[str, Any]]) -> int:
    return sum(one["code"] == -signal.SIGKILL for one in found)


@pytest.mark.parametrize("where", ["k0", "centre"])
@pytest.mark.parametrize(
    ("act", "keep_percent"),
    [("KILL", 0), ("CUT", 0), ("CUT", 50)],
    ids=["killed", "cut", "torn"],
)
def test_a_machine_that_ends_between_two_writes_loses_nothing_that_was_confirmed(
    where: str, act: str, keep_percent: int, days: Days
) -> None:
    steps = list(range(3 + keep_percent // 10, STEPS_MAX, 47))

    found = days(where=where, act=act, keep_percent=keep_percent, steps=steps)

    holds(found)
    assert killed(found) >= 5
    assert found[-1]["untouched"]
    assert sum(one["accepted"] for one in found) > 30


@pytest.mark.parametrize(
    ("where", "error", "is_lasting"),
    [
        ("k0", errno.ENOSPC, False),
        ("k0", errno.ENOSPC, True),
        ("k0", errno.EIO, False),
        ("k0", errno.EROFS, True),
        ("centre", errno.ENOSPC, True),
        ("centre", errno.EIO, False),
        ("centre", errno.EROFS, True),
    ],
)
def test_a_disk_that_says_no_is_said_in_words_and_what_was_confirmed_goes_through(
    where: str, error: int, is_lasting: bool, days: Days
) -> None:
    what = "CHANGES" if is_lasting else "ANY"

    found = days(
        where=where, act="FAIL", error=error, is_lasting=is_lasting, what=what,
        steps=list(range(2 + error, STEPS_MAX, 131)),
    )  # fmt: skip

    holds(found)
    assert found[-1]["untouched"]
    assert len(found) >= 2


@pytest.mark.parametrize("act", ["SHORT"])
def test_a_write_that_is_short_is_finished(act: str, days: Days) -> None:
    found = days(where="k0", act=act, steps=list(range(5, STEPS_MAX, 131)))

    holds(found)
    assert found[-1]["untouched"]


def test_a_disk_that_takes_its_time_to_sync_costs_nothing_but_time(days: Days) -> None:
    found = days(where="", act="SLOW", what="SYNCS", is_lasting=True, slow_ms=20, steps=[1])

    holds(found)
    assert not found[0]["untouched"]
    assert found[0]["accepted"] > 8


@pytest.mark.parametrize(
    "name", ["cache.db", "cache.db-wal", "outbox.db", "outbox.db-wal", "store.json"]
)
def test_a_flipped_bit_in_a_file_of_the_kiosk_loses_nothing(name: str, days: Days) -> None:
    found = days(where="k0", act="NOTHING", steps=list(range(1, 7)), flips=[f"k0.0/{name}"])

    holds(found)
    assert all(one["accepted"] == found[0]["accepted"] > 8 for one in found)
    if name == "outbox.db-wal":
        assert all("outbox_damaged" in one["notices"] for one in found)


# All of them


@pytest.mark.soak
@pytest.mark.timeout(3_600)
@pytest.mark.parametrize("where", ["k0", "centre"])
@pytest.mark.parametrize(
    ("act", "keep_percent"), [("KILL", 0), ("CUT", 0), ("CUT", 30), ("CUT", 70)]
)
def test_at_every_step(where: str, act: str, keep_percent: int, days: Days) -> None:
    found = days(
        where=where, act=act, keep_percent=keep_percent,
        steps=list(range(1, STEPS_MAX)),
    )  # fmt: skip

    holds(found)
    assert found[-1]["untouched"]


@pytest.mark.soak
@pytest.mark.timeout(3_600)
@pytest.mark.parametrize("where", ["k0", "centre"])
@pytest.mark.parametrize("error", [errno.ENOSPC, errno.EIO, errno.EROFS])
@pytest.mark.parametrize("is_lasting", [False, True])
def test_an_error_at_every_step(where: str, error: int, is_lasting: bool, days: Days) -> None:
    found = days(
        where=where, act="FAIL", error=error, is_lasting=is_lasting,
        steps=list(range(1, STEPS_MAX)),
    )  # fmt: skip

    holds(found)
    assert found[-1]["untouched"]


@pytest.mark.soak
@pytest.mark.timeout(3_600)
@pytest.mark.parametrize(
    "name", ["cache.db", "cache.db-wal", "outbox.db", "outbox.db-wal", "store.json"]
)
def test_many_flipped_bits(name: str, days: Days) -> None:
    found = days(where="k0", act="NOTHING", steps=list(range(1, 301)), flips=[f"k0.0/{name}"])

    said = [one for one in found if "outbox_damaged" in one["notices"]]
    holds([one for one in found if one not in said])
    assert all(len(one["lost"]) <= 4 for one in said), "what one page held, and it is said"
