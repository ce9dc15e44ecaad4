"""A command that was forked from a process which had everything imported is the command that a person starts."""

import signal
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.support.commands import environment, line_of
from tests.support.warm import WarmPopen, is_for

Start = Callable[..., subprocess.Popen[Any]]


def cold(
    *words: str | Path, env: dict[str, str] | None = None, **given: Any
) -> subprocess.Popen[Any]:
    return subprocess.Popen(line_of(*words), env=env or environment(), **PIPES | given)


def warm(
    *words: str | Path, env: dict[str, str] | None = None, **given: Any
) -> subprocess.Popen[Any]:
    return WarmPopen([str(word) for word in words], env=env or environment(), **PIPES | given)


PIPES: dict[str, Any] = {
    "stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True,
}  # fmt: skip


@pytest.fixture(params=[cold, warm])
def start(request: pytest.FixtureRequest) -> Start:
    found: Start = request.param
    return found


@pytest.mark.parametrize(
    "words",
    [
        ("--help",),
        ("--version",),
        ("tap", "--help"),
        ("nonsense",),
        ("tap", "--reader", "nonsense"),
    ],
    ids=" ".join,
)
def test_it_says_what_the_same_command_says_when_a_person_starts_it(
    words: tuple[str, ...],
) -> None:
    one, other = cold(*words), warm(*words)

    said, also_said = one.communicate(timeout=60), other.communicate(timeout=60)

    assert said == also_said
    assert one.returncode == other.returncode


def test_it_has_the_environment_and_the_folder_it_is_given(
    start: Start, tmp_path: Path
) -> None:
    (tmp_path / "letter.txt").write_text("dear diary")

    with start("seed", "--data", "letter.txt", cwd=tmp_path) as by_folder:
        _, about_folder = by_folder.communicate(timeout=60)
    with start("seed", env=environment(TAPTHREAD_DATA=str(tmp_path))) as by_name:
        _, about_name = by_name.communicate(timeout=60)

    assert (by_folder.returncode, by_name.returncode) == (2, 2)
    assert "letter.txt is not a folder" in about_folder
    assert str(tmp_path) in about_name


def test_it_ends_by_the_signal_it_gets_and_that_is_told(start: Start, tmp_path: Path) -> None:
    with start("virtual", "--pn532", tmp_path / "pn532") as process:
        assert process.stdout.readline().startswith("ready")  # type: ignore[union-attr]
        assert process.poll() is None
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(0)

        process.send_signal(signal.SIGKILL)

        assert process.wait(30) == process.wait() == process.poll() == -signal.SIGKILL


def test_it_reads_its_lines_and_ends_as_it_does_when_it_is_asked_to(
    start: Start, tmp_path: Path
) -> None:
    with start("virtual", "--pn532", tmp_path / "pn532") as process:
        process.stdout.readline()  # type: ignore[union-attr]
        process.stdin.write("present maya\n")  # type: ignore[union-attr]
        process.stdin.flush()  # type: ignore[union-attr]

        assert process.stdout.readline().startswith("ok")  # type: ignore[union-attr]

        process.terminate()
        assert process.wait(30) == 0


def held(process: subprocess.Popen[Any]) -> list[str]:
    """Of what kind its open files are."""
    return sorted(
        str(one.readlink()).partition(":")[0].rstrip("0123456789")
        for one in Path(f"/proc/{process.pid}/fd").iterdir()
    )


def test_it_holds_no_file_more_than_it_does_otherwise(tmp_path: Path) -> None:
    with (
        cold("virtual", "--pn532", tmp_path / "pn532") as one,
        warm("virtual", "--pn532", tmp_path / "pn532b") as other,
    ):
        for process in (one, other):
            process.stdout.readline()  # type: ignore[union-attr]

        held_by = held(one), held(other)

        one.kill()
        other.kill()

    assert held_by[0] == held_by[1]


def test_where_the_interpreter_itself_would_be_another_it_is_started_anew() -> None:
    assert is_for(environment(TAPTHREAD_DATA="/nowhere"))
    assert not is_for(environment(LD_PRELOAD="/nowhere.so"))
    assert not is_for(environment(PYTHONHASHSEED="7"))
