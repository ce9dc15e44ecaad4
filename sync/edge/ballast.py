"""Room on the disk that is given up when there is no other, so that what a person does can still be recorded.

    kept -> the disk is full -> given up: only operations and answers are written, no pages -> room again -> kept

The file has no other content than chance, which no file system makes smaller.
"""

import logging
from pathlib import Path
from typing import Final

from hardware.disk import Disk
from hardware.entropy import Entropy
from hardware.errors import DeviceError

log = logging.getLogger(__name__)

SIZE: Final = 4_194_304
"""Bytes: about 4,000 operations of a counter, the busiest week of a shop without a network."""

NAME: Final = "ballast"


class Ballast:
    """The reserved room of one data folder."""

    def __init__(self, folder: Path, *, disk: Disk, entropy: Entropy) -> None:
        self._path = folder / NAME
        self._disk = disk
        self._entropy = entropy
        self.is_spent = False
        """It was given up and there is no room to make it again: pages of the centre are not taken in meanwhile."""

    def keep(self) -> bool:
        """Have it, or make it again; whether it is there. Up to 50 ms when it is made."""
        if not self.is_spent and self._is_there():
            return True
        try:
            self._disk.write(self._path, self._entropy.draw(SIZE), private=True)
        except DeviceError as error:
            self.is_spent = True
            log.warning("no room for the ballast", extra={"error": type(error).__name__})
            return False
        if self.is_spent:
            log.info("ballast made again")
        self.is_spent = False
        return True

    def give_up(self) -> bool:
        """The disk is full: make room; whether there was any to make."""
        was_there = self._is_there()
        self.is_spent = True
        if was_there:
            try:
                self._disk.remove(self._path)
            except DeviceError:
                log.exception("ballast could not be given up")
                return False
            log.error("disk full, ballast given up")
        return was_there

    def _is_there(self) -> bool:
        try:
            return self._path.stat().st_size == SIZE
        except OSError:
            return False
