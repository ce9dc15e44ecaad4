"""The log: what a line may say, and that nothing else gets into it."""

import io
import json
import logging
import string
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hardware import log as device_log
from hardware.log import KEYS, UnknownKey, started

log = logging.getLogger("sync.central.example")
SECRET = "Lena Müller"


@pytest.fixture(autouse=True)
def _strict_log() -> None:
    """Here each test says itself how strict its log is; the one every other test has would raise first."""


def lines_of(stream: io.StringIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def test_a_line_is_one_json_object_with_its_values_beside_the_phrase() -> None:
    stream = io.StringIO()

    with started(stream, is_strict=True):
        log.info("page applied", extra={"count": 200, "took_ms": 41})

    (line,) = lines_of(stream)
    assert line.pop("at").endswith("+00:00")
    assert line == {
        "level": "info", "from": "sync.central.example", "event": "page applied",
        "count": 200, "took_ms": 41,
    }  # fmt: skip


@pytest.mark.parametrize(
    "extra",
    [
        {"customer": "x"},
        {"code": SECRET},
        {"code": "lena@example.org"},
        {"code": "+49 171"},
        {"code": "x" * 101},
        {"code": "two\nlines"},
        {"count": [1]},
        {"count": None},
        {"count": {"a": 1}},
        {"code": b"raw"},
    ],
)
def test_what_may_not_be_said_raises_in_tests_and_is_left_out_in_the_shop(
    extra: dict[str, object],
) -> None:
    stream = io.StringIO()

    with started(stream, is_strict=True), pytest.raises(UnknownKey):
        log.info("page applied", extra=extra)
    with started(stream):
        log.info("page applied", extra=extra | {"rows": 3})

    (line,) = lines_of(stream)
    assert line["left_out"] == 1
    assert line["rows"] == 3
    assert set(extra) & set(line) == set()


def test_values_in_the_phrase_raise_in_tests_and_are_not_written_in_the_shop() -> None:
    stream = io.StringIO()

    with started(stream, is_strict=True), pytest.raises(UnknownKey):
        log.info("applied for %s", SECRET)
    with started(stream):
        log.info("applied for %s", SECRET)

    assert lines_of(stream)[0]["event"] == "applied for %s"


def test_of_an_error_the_log_has_type_and_place_and_not_its_text() -> None:
    stream = io.StringIO()

    def fail() -> None:
        secret = SECRET
        raise ValueError(secret)

    with started(stream, is_strict=True):
        try:
            try:
                fail()
            except ValueError as error:
                raise KeyError(SECRET) from error
        except KeyError:
            log.exception("request failed")

    (line,) = lines_of(stream)
    assert line["error"][0] == "KeyError"
    assert "ValueError" in line["error"]
    assert any(place.startswith("test_log.py:") and "fail" in place for place in line["error"])
    assert "Lena" not in stream.getvalue()


def test_what_a_library_says_is_only_counted() -> None:
    stream = io.StringIO()

    with started(stream, is_strict=True):
        logging.getLogger("uvicorn.error").warning("bad request from %s", SECRET)
        logging.getLogger("httpx").info("GET /Lena")

    (line,) = lines_of(stream)
    assert line["event"] == "a library said something"
    assert line["from"] == "uvicorn.error"


@given(key=st.sampled_from(sorted(KEYS)), value=st.text(max_size=120))
def test_a_text_value_is_a_code_or_nothing(key: str, value: str) -> None:
    stream = io.StringIO()

    with started(stream):
        log.info("said", extra={key: value})

    kept = lines_of(stream)[0].get(key, "")
    assert kept in ("", value)
    assert set(kept) <= set(string.ascii_letters + string.digits + "_.:/ -")


def test_the_log_is_left_as_it_was_found(tmp_path: Path) -> None:
    before = list(logging.getLogger().handlers)
    path = tmp_path / "device.log"

    with started(path):
        log.info("said")
    log.error("after")

    assert logging.getLogger().handlers == before
    assert len(path.read_text().splitlines()) == 1


def test_a_log_file_is_turned_over_before_it_fills_the_disk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(device_log, "FILE_SIZE_MAX", 1_000)

    with started(tmp_path / "device.log"):
        for count in range(100):
            log.info("said", extra={"count": count})

    files = list(tmp_path.iterdir())
    assert len(files) == 1 + device_log.FILES_KEPT
    assert all(path.stat().st_size <= 1_000 for path in files)
