"""Opens this device's own files for a command, and says in words when they do not open."""

import contextlib
import json
import sys
from collections.abc import Iterator
from types import TracebackType
from typing import TYPE_CHECKING, Final, NoReturn

import typer

from hardware import log
from hardware.disk import SystemDisk
from hardware.errors import DeviceError, EnrolmentError, FolderInUse
from kiosk.commands.counting import counted
from kiosk.settings import Settings
from sync.model.errors import StoreError

if TYPE_CHECKING:
    from kiosk.assembly.device import Device, World
    from sync.edge.store import EdgeStore

EXIT_OWN_FILES: Final = 6

LOG_FILE: Final = "device.log"
"""Beside the device's files; nothing is written on the terminal, which belongs to the screen."""


def problem_of(error: DeviceError | StoreError, folder: object) -> tuple[str, str]:
    """Code and sentence of what is wrong with this device's files."""
    if isinstance(error, EnrolmentError):
        return "not_enrolled", (
            f"{folder} holds no device: {error} For the demo: tapthread seed --data {folder}"
        )
    if isinstance(error, FolderInUse):
        return "folder_in_use", (
            f"Another process uses {folder}. Stop it, or give another folder with --data."
        )
    code = error.code if isinstance(error, StoreError) else "disk"
    return code, f"The files in {folder} do not open: {error}."


def fail(code: str, message: str, *, exit_code: int, as_json: bool) -> NoReturn:
    """Say what is wrong, as JSON on standard output or in words on standard error, and end."""
    if as_json:
        print(json.dumps({"error": {"code": code, "message": message}}))
    else:
        print(f"tapthread: {message}", file=sys.stderr)
    raise typer.Exit(exit_code)


def sentence(said: str) -> str:
    """What is said, with the full stop that a question does not need."""
    return said if said.endswith("?") else f"{said}."


def is_running(settings: Settings) -> bool:
    """Whether another program of this device owns the folder."""
    if not settings.data.is_dir():
        return False
    try:
        SystemDisk().lock(settings.data).close()
    except FolderInUse:
        return True
    except DeviceError:
        return False
    return False


@contextlib.contextmanager
def files_to_read(
    settings: Settings, *, world: "World", as_json: bool
) -> "Iterator[EdgeStore]":
    """This device's files to read from, beside the program that owns them where one runs; else as `OwnFiles` opens them."""
    from hardware.identity import store_key
    from sync.edge.store import EdgeStore

    folder = settings.data
    if not is_running(settings):
        with OwnFiles(settings, world=world, as_json=as_json) as device:
            yield device.store
        return
    try:
        key = store_key(folder, disk=world.disk, entropy=world.entropy)
        store = EdgeStore.beside(
            folder, key, disk=world.disk, clock=world.clock, entropy=world.entropy
        )
    except (DeviceError, StoreError) as error:
        code, message = problem_of(error, folder)
        fail(code, message, exit_code=EXIT_OWN_FILES, as_json=as_json)
    try:
        yield store
    finally:
        store.close()


class OwnFiles:
    """A context that opens the device, its log beside it, and closes both, or ends the command with code 6 and a sentence."""

    def __init__(self, settings: Settings, *, world: "World", as_json: bool) -> None:
        self._settings = settings
        self._world = world
        self._as_json = as_json
        self._device: Device | None = None
        self._open = contextlib.ExitStack()

    def __enter__(self) -> "Device":
        from kiosk.assembly.device import Device

        folder = self._settings.data
        if folder.is_dir():
            self._open.enter_context(log.started(folder / LOG_FILE))
        try:
            self._device = Device.open(
                folder, world=self._world, centre_url=self._settings.centre,
                language=self._settings.language, centre_ca=self._settings.centre_ca_files,
            )  # fmt: skip
        except (DeviceError, StoreError) as error:
            code, message = problem_of(error, folder)
            fail(code, message, exit_code=EXIT_OWN_FILES, as_json=self._as_json)
        assert self._device is not None
        return self._device

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        is_over = self._device is not None and self._device.is_over()
        if self._device is not None:
            self._device.close()
        self._open.close()
        if is_over:
            self._wipe()

    def _wipe(self) -> None:
        """The centre said that this device may hold nothing any more, and has everything it recorded."""
        from sync.edge.erase import wipe

        folder = self._settings.data
        try:
            count = wipe(folder, disk=self._world.disk)
        except DeviceError as error:
            print(
                f"tapthread: this device was revoked and could not be erased whole: {error}",
                file=sys.stderr,
            )
        else:
            print(
                f"tapthread: this device was revoked; its keys and {counted(count, 'file')} are erased.",
                file=sys.stderr,
            )
