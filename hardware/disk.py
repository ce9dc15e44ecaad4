"""Files that must survive a power cut, as a part that can be replaced.

SQLite does its own file work; everything else that is kept goes through here: key files, the lock of a data folder,
moving a damaged database aside. A library's or the system's exception never leaves this module.
"""

import contextlib
import errno
import fcntl
import os
import threading
from pathlib import Path
from typing import Protocol

from hardware.errors import DeviceError, DiskFault, DiskFull, FolderInUse


class Disk(Protocol):
    """The few things this product does with files."""

    def read(self, path: Path) -> bytes | None:
        """The whole content, or None when there is no such file. Raises DiskFault."""
        ...

    def write(self, path: Path, content: bytes, *, private: bool = False) -> None:
        """Replace `path` at once or not at all, durably; `private` means mode 0600. Raises DiskFull, DiskFault."""
        ...

    def keep(self, path: Path, content: bytes) -> bytes:
        """Put a private file at `path` unless there is one, durably; what is there now, the same for all that try at once.

        Raises DiskFull, DiskFault.
        """
        ...

    def note(self, path: Path, content: bytes) -> None:
        """Write a few bytes over what is there without waiting for the disk; a power cut may bring back what was before."""
        ...

    def move_aside(self, path: Path, *, label: str) -> Path | None:
        """Rename to `NAME.LABEL-N` beside it with the lowest free N; None when there is no such file."""
        ...

    def rename(self, path: Path, target: Path) -> None:
        """Put a finished file in its place, durably; what was there is gone. Raises DiskFull, DiskFault."""
        ...

    def remove(self, path: Path) -> None:
        """Remove a file that can be made again; harmless when there is none. Raises DiskFault."""
        ...

    def free_size(self, folder: Path) -> int:
        """Bytes that are free where `folder` is, for who is no administrator. Raises DiskFault."""
        ...

    def lock(self, folder: Path) -> "FolderLock":
        """Own `folder` until the lock is released or this process ends. Raises FolderInUse."""
        ...

    def hold(self, folder: Path) -> "FolderLock":
        """Have a folder alone for a moment, of all threads and processes that ask for that, its owner's too. Raises FolderInUse, DiskFault."""
        ...


class FolderLock:
    """Proof that this process owns a data folder; close it to give the folder back."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor: int | None = descriptor

    def close(self) -> None:
        """Give the folder back; harmless when done twice."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None


def _error_of(error: OSError, path: Path) -> DeviceError:
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return DiskFull(f"no room for {path.name}")
    return DiskFault(f"{path.name}: {error.strerror}")


class SystemDisk:
    """The machine's own files."""

    def read(self, path: Path) -> bytes | None:
        """The whole content, or None when there is no such file."""
        try:
            return path.read_bytes()
        except FileNotFoundError:
            return None
        except OSError as error:
            raise _error_of(error, path) from error

    def write(self, path: Path, content: bytes, *, private: bool = False) -> None:
        """Replace `path` durably: a new file beside it, synced, renamed, and the folder synced."""
        beside = path.with_name(path.name + ".new")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            descriptor = os.open(
                beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600 if private else 0o644
            )
            try:
                _leave_to_its_owner(descriptor, path)
                view = memoryview(content)
                while view:
                    view = view[os.write(descriptor, view) :]
                os.fsync(descriptor)
            finally:
                os.close(descriptor)
            beside.replace(path)
            _sync_folder(path.parent)
        except OSError as error:
            with contextlib.suppress(
                OSError
            ):  # half a file takes room that somebody else needs
                beside.unlink()
            raise _error_of(error, path) from error

    def keep(self, path: Path, content: bytes) -> bytes:
        """Put a private file at `path` unless there is one; of several that try at once, the first decides for all."""
        own = path.with_name(f"{path.name}.{os.getpid()}-{threading.get_ident()}")
        self.write(own, content, private=True)
        try:
            with contextlib.suppress(FileExistsError):
                os.link(own, path)
                _sync_folder(path.parent)
            return path.read_bytes()
        except OSError as error:
            raise _error_of(error, path) from error
        finally:
            with contextlib.suppress(OSError):  # what matters is at `path`
                own.unlink()

    def append(self, path: Path, content: bytes) -> None:
        """Add `content` at the end of `path`, made with mode 0600 if need be, durably. Raises DiskFull, DiskFault."""
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            is_new = not path.exists()
            descriptor = os.open(
                path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600
            )
            try:
                _append_whole(descriptor, content)
                os.fsync(descriptor)
            finally:
                os.close(descriptor)
            if is_new:
                _sync_folder(path.parent)
        except OSError as error:
            raise _error_of(error, path) from error

    def cut(self, path: Path, size: int) -> None:
        """Keep the first `size` bytes of `path`, durably. Raises DiskFault."""
        try:
            descriptor = os.open(path, os.O_WRONLY | os.O_CLOEXEC)
            try:
                os.ftruncate(descriptor, size)
                os.fsync(descriptor)
            finally:
                os.close(descriptor)
        except OSError as error:
            raise _error_of(error, path) from error

    def note(self, path: Path, content: bytes) -> None:
        """Write a few bytes over what is there without waiting for the disk."""
        try:
            descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
            try:
                os.pwrite(descriptor, content, 0)
            finally:
                os.close(descriptor)
        except OSError as error:
            raise _error_of(error, path) from error

    def move_aside(self, path: Path, *, label: str) -> Path | None:
        """Rename to `NAME.LABEL-N` beside it with the lowest free N; None when there is no such file."""
        try:
            if not path.exists():
                return None
            index = 1
            while (aside := path.with_name(f"{path.name}.{label}-{index}")).exists():
                index += 1
            path.rename(aside)
            _sync_folder(path.parent)
        except OSError as error:
            raise _error_of(error, path) from error
        return aside

    def rename(self, path: Path, target: Path) -> None:
        """Put a finished file in its place, durably; what was there is gone."""
        try:
            path.rename(target)
            _sync_folder(target.parent)
        except OSError as error:
            raise _error_of(error, path) from error

    def remove(self, path: Path) -> None:
        """Remove a file that can be made again; harmless when there is none."""
        try:
            path.unlink(missing_ok=True)
        except OSError as error:
            raise _error_of(error, path) from error

    def free_size(self, folder: Path) -> int:
        """Bytes that are free where `folder` is, for who is no administrator."""
        try:
            found = os.statvfs(folder)
        except OSError as error:
            raise _error_of(error, folder) from error
        return found.f_bavail * found.f_frsize

    def lock(self, folder: Path) -> FolderLock:
        """Own `folder` by an advisory lock that the kernel drops when this process ends."""
        path = folder / "lock"
        try:
            folder.mkdir(parents=True, exist_ok=True)
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise _error_of(error, path) from error
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            os.close(descriptor)
            raise FolderInUse(f"another process owns {folder.name}") from error
        return FolderLock(descriptor)

    def hold(self, folder: Path) -> FolderLock:
        """Have a folder alone by a lock on itself: a file of an administrator's would be closed to the service."""
        try:
            descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        except OSError as error:
            raise _error_of(error, folder) from error
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            os.close(descriptor)
            raise FolderInUse(f"somebody writes in {folder.name}") from error
        except OSError as error:
            os.close(descriptor)
            raise _error_of(error, folder) from error
        return FolderLock(descriptor)


def _append_whole(descriptor: int, content: bytes) -> None:
    """All of it or nothing: half a line would spoil the next one too."""
    size = os.fstat(descriptor).st_size
    view = memoryview(content)
    try:
        while view:
            view = view[os.write(descriptor, view) :]
    except OSError:
        with contextlib.suppress(OSError):
            os.ftruncate(descriptor, size)
        raise


def _leave_to_its_owner(descriptor: int, path: Path) -> None:
    """What an administrator writes in the place of a file stays whose that was: the service must read it afterwards."""
    with contextlib.suppress(OSError):  # there is none, or it cannot be given
        known = path.stat()
        if known.st_uid != os.geteuid():
            os.fchown(descriptor, known.st_uid, known.st_gid)


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
