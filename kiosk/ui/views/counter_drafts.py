"""Notes and answers begun at the counter and not recorded yet, one of each a customer; kept where they outlive the program."""

import logging
from dataclasses import replace
from typing import Final

from kiosk.core.ports import CounterDesk, KeepsDrafts, NoteDraft
from sync.model.errors import StoreError

DRAFTS_MAX: Final = 20
"""Notes begun and not recorded that are kept; the oldest of more than this belong to customers long gone."""

log = logging.getLogger(__name__)


class Drafts:
    """What was begun. Whoever writes goes on where keeping it fails."""

    def __init__(self, desk: CounterDesk) -> None:
        self._desk = desk
        self._notes: dict[str, NoteDraft] = {}
        self._answers: dict[str, NoteDraft] = {}

    @property
    def owners(self) -> tuple[str, ...]:
        """Customers about whom something was begun, each once."""
        return tuple({**self._answers, **self._notes})

    def note(self, owner: str) -> NoteDraft | None:
        """The note begun about a customer."""
        return self._notes.get(owner)

    def answer(self, owner: str) -> NoteDraft | None:
        """The answer begun to a customer."""
        return self._answers.get(owner)

    def read(self) -> None:
        """Take up what was begun before this program ended, or was ended."""
        if isinstance(self._desk, KeepsDrafts):
            try:
                for draft in self._desk.drafts():
                    self._put(draft)
            except StoreError as error:
                log.warning("store failed", extra={"code": error.code})

    def put_aside(self, draft: NoteDraft) -> None:
        """Keep it for later, here and on the disk; an empty one is none."""
        self._put(draft)
        self.write(draft)

    def forget(self, draft: NoteDraft) -> None:
        """It was recorded."""
        self._of(draft).pop(draft.owner, None)
        self.write(replace(draft, text=""))

    def write(self, draft: NoteDraft) -> None:
        """Keep it on the disk alone, while it is still being written."""
        if isinstance(self._desk, KeepsDrafts):
            try:
                self._desk.keep_draft(draft)
            except StoreError as error:
                log.warning("store failed", extra={"code": error.code})

    def _of(self, draft: NoteDraft) -> dict[str, NoteDraft]:
        return self._answers if draft.answers else self._notes

    def _put(self, draft: NoteDraft) -> None:
        drafts = self._of(draft)
        drafts.pop(draft.owner, None)
        if draft.text.strip():
            drafts[draft.owner] = draft
            while len(drafts) > DRAFTS_MAX:
                oldest = drafts.pop(next(iter(drafts)))
                self.write(replace(oldest, text=""))
