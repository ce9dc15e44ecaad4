"""A device and its centre over TLS, as processes: the pinned authority, and another one."""

import json
from pathlib import Path

from hardware.clock import SystemClock
from hardware.entropy import SystemEntropy
from kiosk.bench.certificate import write_certificate
from tests.support.commands import environment, run, running


def synced(folder: Path, url: str, authority: Path) -> dict[str, object]:
    done = run(
        "sync", "--data", folder, "--centre", url, "--json", timeout_s=90,
        env=environment(TAPTHREAD_CENTRE_CA=str(authority)),
    )  # fmt: skip
    assert done.stdout, done.stderr
    found: dict[str, object] = json.loads(done.stdout)
    return found


def test_a_centre_is_believed_by_the_pinned_authority_alone_and_otherwise_said_to_have_none(
    seeded: Path, tmp_path: Path
) -> None:
    for name in ("ours", "other"):
        (tmp_path / name).mkdir()
        write_certificate(tmp_path / name, clock=SystemClock(), entropy=SystemEntropy())
    own = ("--tls-cert", tmp_path / "ours/tls.crt", "--tls-key", tmp_path / "ours/tls.key")

    with running("central", "--data", seeded, "--port", "0", *own) as process:
        url = json.loads(process.line())["url"]
        pinned = synced(seeded, url, tmp_path / "ours/tls.crt")
        other = synced(seeded, url, tmp_path / "other/tls.crt")

    assert url.startswith("https://")
    assert pinned["network"] == "ok"
    assert other["network"] == "centre_certificate"


def test_a_pinned_file_that_is_none_is_said_before_anything_is_tried(seeded: Path) -> None:
    done = run(
        "sync", "--data", seeded, "--json",
        env=environment(TAPTHREAD_CENTRE_CA=str(seeded / "none.pem")),
    )  # fmt: skip

    assert done.returncode != 0
    assert "none.pem" in done.stdout + done.stderr
    assert "Traceback" not in done.stderr
