"""The private daemon comes, goes, crashes and says why it cannot come; the system's stays as it is."""

from pathlib import Path

import pytest

from hardware.clock import SystemClock
from hardware.virtual import private_pcscd
from hardware.virtual.private_pcscd import RUN_FOLDER, PcscdUnavailable, PrivatePcscd


def test_the_daemon_comes_back_on_the_same_socket_and_port(tmp_path: Path) -> None:
    system = set(RUN_FOLDER.iterdir()) if RUN_FOLDER.exists() else set()
    daemon = PrivatePcscd(tmp_path, clock=SystemClock())

    daemon.start()
    first = (daemon.pid, daemon.socket.is_socket(), daemon.port, dict(daemon.environment))
    daemon.restart()
    second = (daemon.pid, daemon.socket.is_socket(), daemon.port, dict(daemon.environment))
    daemon.stop()
    daemon.stop()

    assert first[1:] == second[1:]
    assert first[0] != second[0]
    assert first[1]
    assert daemon.pid is None
    assert (set(RUN_FOLDER.iterdir()) if RUN_FOLDER.exists() else set()) == system
    assert str(tmp_path) not in Path("/proc/self/mountinfo").read_text()


def test_a_machine_without_the_driver_is_told_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(private_pcscd, "DRIVER", tmp_path / "no-driver.so")
    daemon = PrivatePcscd(tmp_path, clock=SystemClock())

    with pytest.raises(PcscdUnavailable, match="vsmartcard-vpcd"):
        daemon.start()

    assert daemon.pid is None


def test_a_daemon_that_ends_at_once_says_its_own_last_words(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "bin"
    folder.mkdir()
    (folder / "pcscd").write_text("#!/bin/sh\necho it is raining >&2\nexit 7\n")
    (folder / "pcscd").chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:/usr/bin:/bin:/usr/sbin")
    daemon = PrivatePcscd(tmp_path / "daemon", clock=SystemClock())

    with pytest.raises(PcscdUnavailable, match="status 7: it is raining"):
        daemon.start()

    assert daemon.pid is None
