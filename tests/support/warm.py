"""Starts `tapthread` by forking a process that has imported everything: the same command in a tenth of the time.

One such process for each test process, started with the first command and gone with it. What a command does is its own:
it begins with the arguments, environment, folder and streams it is given, and ends as any process does. What it shares is
what was imported. Where the environment would change the interpreter itself, the command is started as usual.

`python -m tests.support.warm DESCRIPTOR` is that process; each order is one message of JSON with three descriptors.
"""

import atexit
import contextlib
import functools
import gc
import importlib
import io
import json
import os
import pkgutil
import runpy
import select
import socket
import subprocess
import sys
import threading
import time
from typing import Any, Final

MESSAGE_MAX: Final = 1_048_576
OWN_OF_AN_INTERPRETER: Final = ("PYTHON", "LD_", "LC_", "LANG", "OPENSSL", "MALLOC_")
"""How names of variables begin that are read before a line of a program runs."""

IMPORTED_ON_USE: Final = (
    "anyio._backends._asyncio",
    "babel.dates",
    "babel.numbers",
    "cryptography.hazmat.backends.openssl",
    "typer._adapters",
)
"""What libraries import when they are used; each costs a command as much as all it does itself."""


class Starter:
    """The test process's end."""

    def __init__(self) -> None:
        self._mine, its = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._lock = threading.Lock()
        with its:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "tests.support.warm", str(its.fileno())],
                stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, pass_fds=[its.fileno()],
            )  # fmt: skip

        atexit.register(self.close)

    def close(self) -> None:
        """End it."""
        self._mine.close()
        self._process.wait()

    def ask(self, order: dict[str, Any], descriptors: tuple[int, ...] = ()) -> Any:
        """What it answers."""
        with self._lock:
            socket.send_fds(self._mine, [json.dumps(order).encode()], descriptors)
            answer = self._mine.recv(MESSAGE_MAX)
        assert answer, f"it ended with {self._process.wait()}"
        return json.loads(answer)


@functools.cache
def _starter(pid: int) -> Starter:
    """The one of this process, which may have been forked itself."""
    return Starter()


def is_for(env: dict[str, str]) -> bool:
    """Whether a command with this environment can be started so."""
    return _of_an_interpreter(env) == _of_an_interpreter(dict(os.environ))


def _of_an_interpreter(env: dict[str, str]) -> dict[str, str]:
    return {
        name: value for name, value in env.items() if name.startswith(OWN_OF_AN_INTERPRETER)
    }


class WarmPopen(subprocess.Popen[Any]):
    """`subprocess.Popen` of one `tapthread` with these words, folder and environment; streams and waiting as there."""

    _waitpid_lock: Any
    _handle_exitstatus: Any
    _close_pipe_fds: Any

    def _execute_child(
        self, args: list[str], _executable: object, _before: object, _close: object, _pass: object,
        cwd: str | os.PathLike[str] | None, env: dict[str, str], _info: object, _flags: object, _shell: object,
        *ends: int, **_others: object,
    ) -> None:  # fmt: skip
        p2cread, p2cwrite, c2pread, c2pwrite, errread, errwrite = ends[:6]
        order = {"words": args, "env": env, "cwd": os.fspath(cwd or os.getcwd())}  # noqa: PTH109
        streams = (p2cread, c2pwrite, errwrite)
        assert -1 not in streams, "say where each stream leads"
        try:
            self.pid = _starter(os.getpid()).ask(order, streams)
            self._child_created = True
        finally:
            self._close_pipe_fds(p2cread, p2cwrite, c2pread, c2pwrite, errread, errwrite)

    def _internal_poll(self, *_others: object, **_named: object) -> int | None:
        with self._waitpid_lock:
            if self.returncode is None:
                pid, status = _starter(os.getpid()).ask({"ended": self.pid})
                if pid == self.pid:
                    self._handle_exitstatus(status)
        return self.returncode

    def _wait(self, timeout: float | None) -> int:
        if self.returncode is None:
            ending = os.pidfd_open(self.pid)
            try:
                waiting = select.poll()
                waiting.register(ending, select.POLLIN)
                if not waiting.poll(None if timeout is None else max(timeout, 0) * 1_000):
                    raise subprocess.TimeoutExpired(self.args, timeout or 0)
            finally:
                os.close(ending)
            self._internal_poll()
        assert self.returncode is not None
        return self.returncode


# The other end


def _imported() -> None:
    """Everything that a command without a screen imports."""
    import drivers
    import hardware.virtual
    import kiosk.commands
    import sync.central
    import sync.edge
    import sync.model

    parts: list[Any] = [
        drivers,
        hardware.virtual,
        kiosk.commands,
        sync.central,
        sync.edge,
        sync.model,
    ]
    for part in parts:
        for module in pkgutil.walk_packages(part.__path__, f"{part.__name__}."):
            # What is wrong with a module is said by the command that imports it again.
            with contextlib.suppress(Exception):
                importlib.import_module(module.name)
    for name in ("kiosk.assembly.screens", "kiosk.settings", "psycopg", *IMPORTED_ON_USE):
        importlib.import_module(name)


def _become(order: dict[str, Any], descriptors: list[int]) -> None:
    """This process is a command's from now on."""
    for number, descriptor in enumerate(descriptors):
        os.dup2(descriptor, number)
        os.close(descriptor)
    os.environ.clear()
    os.environ.update(order["env"])
    os.chdir(order["cwd"])
    time.tzset()
    sys.orig_argv[:] = [sys.executable, "-m", "kiosk.cli", *order["words"]]
    sys.argv[:] = ["", *order["words"]]
    old_in, old_out, old_err = sys.stdin, sys.stdout, sys.stderr
    sys.stdin = sys.__stdin__ = io.TextIOWrapper(  # type: ignore[misc]
        os.fdopen(0, "rb", closefd=False), encoding=old_in.encoding, errors=old_in.errors
    )
    sys.stdout = sys.__stdout__ = io.TextIOWrapper(  # type: ignore[misc]
        os.fdopen(1, "wb", closefd=False), encoding=old_out.encoding, errors=old_out.errors
    )
    sys.stderr = sys.__stderr__ = io.TextIOWrapper(  # type: ignore[misc]
        os.fdopen(2, "wb", closefd=False),
        encoding=old_err.encoding,
        errors=old_err.errors,
        line_buffering=True,
    )


def _ended(pid: int) -> tuple[int, int]:
    try:
        return os.waitpid(pid, os.WNOHANG)
    except ChildProcessError:
        return pid, 0


def main() -> dict[str, Any] | None:
    """Answer orders until the test process is gone: None; or the order that this process was forked for."""
    _imported()
    assert len(os.listdir("/proc/self/task")) == 1, "only a process of one thread may be forked"  # noqa: PTH208
    gc.collect()
    gc.freeze()
    asked = socket.socket(fileno=int(sys.argv[1]))
    while True:
        text, descriptors, _, _ = socket.recv_fds(asked, MESSAGE_MAX, 3)
        if not text:
            return None
        order: dict[str, Any] = json.loads(text)
        if "ended" in order:
            asked.send(json.dumps(_ended(order["ended"])).encode())
            continue
        child = os.fork()
        if not child:
            asked.close()
            _become(order, descriptors)
            return order
        for descriptor in descriptors:
            os.close(descriptor)
        asked.send(json.dumps(child).encode())


def _end(code: int) -> None:
    """As an interpreter does, but for taking down module by module what only this process's end does away with."""
    threading._shutdown()  # type: ignore[attr-defined]
    atexit._run_exitfuncs()
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
    os._exit(code)


if __name__ == "__main__":
    if main() is not None:
        try:
            runpy.run_module("kiosk.cli", run_name="__main__", alter_sys=True)
        except SystemExit as end:
            if isinstance(end.code, int):
                _end(end.code)
            raise
