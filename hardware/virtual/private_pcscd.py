"""A PC/SC daemon of one's own with a vpcd slot, for tests and benches; a daemon of the system is never touched.

The daemon insists on /run/pcscd, so it runs in a mount namespace where a folder of ours stands there; its socket is
in that folder, and clients find it by PCSCLITE_CSOCK_NAME. The client library reads that variable once in a process,
at its first context: set it before, and keep one folder for the life of a process.

It is shown an empty folder of USB drivers, so that it takes no real reader from anybody.

As root a mount namespace is enough; else a user namespace gives the right to make one. In a chroot the namespace keeps
the propagation of its mounts (private needs a root that is a mount point); what then shows outside is taken down again.
"""

import os
import shlex
import shutil
import signal
import socket
import subprocess
from collections.abc import Mapping
from pathlib import Path

from hardware.clock import Clock

DRIVER = Path("/usr/lib/pcsc/drivers/serial/libifdvpcd.so")
"""The vpcd driver of the Debian package vsmartcard-vpcd."""

DRIVER_FOLDER = Path("/usr/lib/pcsc/drivers")
"""Where the daemon was built to look for drivers of USB readers."""

RUN_FOLDER = Path("/run/pcscd")
"""Where the daemon was built to keep its socket."""

START_MS = 10_000
"""A daemon that is not there after this will not come."""

STOP_MS = 5_000
"""It ends within a second; after this it is killed."""

POLL_MS = 10
"""Between two looks at whether it is there."""

SOCKET_VARIABLE = "PCSCLITE_CSOCK_NAME"
"""Where clients look for the daemon's socket. Source: pcsc-lite, PCSCLITE_CSOCK_NAME."""


class PcscdUnavailable(Exception):
    """The daemon cannot run here; the sentence says what is missing."""


class PrivatePcscd:
    """One daemon and its slot.

    Attributes:
        port: Where vpcd listens for a card, on this machine.
    """

    def __init__(self, folder: Path, *, clock: Clock) -> None:
        """Prepare the daemon's folder; a short path, it holds a socket."""
        self._folder = folder
        self._clock = clock
        self._process: subprocess.Popen[bytes] | None = None
        self.port = _free_port()

    @property
    def socket(self) -> Path:
        """The daemon's socket."""
        return self._folder / "run" / "pcscd.comm"

    @property
    def _driver(self) -> Path:
        """Our copy of the driver: the daemon's own folder of drivers is hidden."""
        return self._folder / DRIVER.name

    @property
    def environment(self) -> Mapping[str, str]:
        """What a client process needs in its environment."""
        return {SOCKET_VARIABLE: str(self.socket)}

    @property
    def pid(self) -> int | None:
        """The daemon's process while it runs."""
        return self._process.pid if self._process is not None else None

    def start(self) -> None:
        """Start the daemon and wait until it answers, 10 s at most. Raises PcscdUnavailable."""
        run_folder = self._folder / "run"
        if run_folder.exists():
            shutil.rmtree(run_folder)
        run_folder.mkdir(parents=True)
        (self._folder / "no-drivers").mkdir(exist_ok=True)
        config = self._folder / "reader.conf.d"
        config.mkdir(exist_ok=True)
        (config / "vpcd").write_text(
            f'FRIENDLYNAME "Virtual PCD"\nDEVICENAME /dev/null:0x{self.port:04X}\n'
            f"LIBPATH {self._driver}\nCHANNELID 0x{self.port:04X}\n"
        )
        if DRIVER.exists():
            shutil.copy(DRIVER, self._driver)
        why_not = ""
        for namespace in _namespaces():
            self._process = self._spawned(namespace, run_folder, config)
            why_not = self._why_not_up()
            if not why_not:
                return
            self.stop()
        raise PcscdUnavailable(why_not)

    def stop(self) -> None:
        """End the daemon and wait for it. Harmless when it does not run."""
        self._end(signal.SIGTERM)

    def kill(self) -> None:
        """End the daemon without warning, as a crash would."""
        self._end(signal.SIGKILL)

    def restart(self) -> None:
        """Stop and start on the same socket and port. Raises PcscdUnavailable."""
        self.stop()
        self.start()

    def _spawned(
        self, namespace: tuple[str, ...], run_folder: Path, config: Path
    ) -> subprocess.Popen[bytes]:
        pcscd = shutil.which("pcscd", path=os.environ.get("PATH", "") + ":/usr/sbin:/sbin")
        if pcscd is None or not DRIVER.exists() or shutil.which("unshare") is None:
            raise PcscdUnavailable(
                "The PC/SC daemon or its virtual slot is not installed: the Debian packages"
                " pcscd, vsmartcard-vpcd and util-linux are needed."
            )
        ours, theirs = shlex.quote(str(run_folder)), RUN_FOLDER
        none = shlex.quote(str(self._folder / "no-drivers"))
        script = (
            f"[ -d {theirs} ] || mkdir -p {theirs} 2>/dev/null"
            f" || {{ mount -t tmpfs tmpfs /run && mkdir {theirs}; }} || exit 9; "
            f"mount --bind {ours} {theirs} || exit 9; "
            f"mount --bind {none} {DRIVER_FOLDER} || exit 9; "
            f"exec {shlex.quote(pcscd)} --foreground --config {shlex.quote(str(config))}"
        )
        with (self._folder / "pcscd.log").open("ab") as log:
            return subprocess.Popen(  # noqa: S603 (our own words)
                ["unshare", *namespace, "sh", "-c", script],  # noqa: S607 (Debian's)
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def _why_not_up(self) -> str:
        process = self._process
        until_ms = self._clock.ticks_ms() + START_MS
        while process is not None and self._clock.ticks_ms() < until_ms:
            if process.poll() is not None:
                return (
                    f"The PC/SC daemon ended with status {process.returncode}: {self._words()}"
                )
            if _answers(self.socket) and _is_listening(self.port):
                return ""
            self._clock.sleep_ms(POLL_MS)
        return f"The PC/SC daemon did not answer within {START_MS // 1_000} s."

    def _words(self) -> str:
        log = (self._folder / "pcscd.log").read_text(errors="replace").strip()
        return log.splitlines()[-1] if log else "it said nothing"

    def _end(self, number: signal.Signals) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        process.send_signal(number)
        try:
            process.wait(STOP_MS / 1_000)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        self._take_down_mounts()

    def _take_down_mounts(self) -> None:
        """Where mounts are shared with the namespace outside, ours showed there as well."""
        for line in Path("/proc/self/mountinfo").read_text().splitlines():
            root, point = line.split()[3:5]
            is_ours = root.endswith(
                (str(self._folder / "run"), str(self._folder / "no-drivers"))
            )
            if is_ours and Path(point) in {RUN_FOLDER, DRIVER_FOLDER}:
                subprocess.run(["umount", point], check=False)  # noqa: S603, S607


def _namespaces() -> tuple[tuple[str, ...], ...]:
    """Options of unshare to try, safest first."""
    if os.geteuid() == 0:
        return (("-m",), ("-m", "--propagation", "unchanged"))
    return (("-rm",), ("-rm", "--propagation", "unchanged"))


def _free_port() -> int:
    """A port with its neighbour free: vpcd takes two."""
    while True:
        with socket.socket() as first, socket.socket() as second:
            first.bind(("", 0))
            port = int(first.getsockname()[1])
            try:
                second.bind(("", port + 1))
            except (OSError, OverflowError):
                continue
            return port


def _answers(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX) as client:
        try:
            client.connect(str(path))
        except OSError:
            return False
        return True


def _is_listening(port: int) -> bool:
    """Whether somebody listens on `port`, without joining the slot. Source: proc(5), /proc/net/tcp, state 0A."""
    rows = [
        row.split()
        for table in ("tcp", "tcp6")
        for row in Path(f"/proc/net/{table}").read_text().splitlines()[1:]
    ]
    return any(row[1].endswith(f":{port:04X}") and row[3] == "0A" for row in rows)
