"""All that goes out of one node: messages to customers, changes to other systems, and what those fetch; and its threads.

One thread sends messages, one tells each subscriber, so that none waits for another. They are quick to stop between two calls; one
that is in the middle of a call when the node goes down is as one whose node died (`outgoing`).
"""

import logging
import threading
from collections.abc import Callable, Sequence
from typing import Final

from sync.central import outgoing_rows
from sync.central.channels.adapter import Settings
from sync.central.channels.facts import Delivered, Said
from sync.central.out_site import OutSite
from sync.central.outgoing import Outgoing, Web
from sync.central.parts import Parts
from sync.central.senders.registry import sender_of
from sync.central.senders.sender import AnyCall, AnyReply
from sync.central.telling import Telling
from sync.central.told_shapes import row_id
from sync.central.transaction import Transaction
from sync.model.errors import StoreError

log = logging.getLogger(__name__)

CARD_NOTE: Final = "card_note"
"""Option of a channel: "yes" writes the hand-over card as a private note into each conversation a customer begins or takes up."""

LOOK_S: Final = 0.5
"""How often a thread looks whether something is due; a parcel that is ready is told within seconds."""

FAULT_S: Final = 2.0
"""How long a thread waits after a fault of the store, or its own."""

STOP_S: Final = 2
"""How long the end of a node waits for its threads."""


def hear_delivered(transaction: Transaction, _settings: Settings, fact: Delivered) -> None:
    """A vendor tells what became of a message of ours."""
    outgoing_rows.told(transaction, fact.ref, fact.state, fact.reason, now=fact.at)


def hear_said(transaction: Transaction, settings: Settings, fact: Said) -> None:
    """A customer wrote in a system where our people may be served by others: they get the hand-over card beside it."""
    is_asked = settings.options.get(CARD_NOTE, "").strip() == "yes"
    if is_asked and fact.direction == "in" and fact.thread and sender_of(settings):
        outgoing_rows.queue_card(
            transaction, said=row_id(fact.ref, settings.name), via=settings.name,
            channel=fact.channel or settings.channel, thread=fact.thread, now=fact.at,
        )  # fmt: skip


class Outward:
    """What goes out of one node. Close it."""

    def __init__(
        self,
        parts: Parts,
        channels: Sequence[Settings],
        *,
        sign_off: str = "",
        brand: str = "",
        carry: Callable[[AnyCall], AnyReply] | None = None,
    ) -> None:
        """Over the parts of one centre and its configured channels; arguments as `Outgoing`."""
        self._web = None if carry else Web()
        carry = carry or (self._web.carry if self._web else None)
        assert carry is not None
        self.outgoing = Outgoing(parts, channels, sign_off=sign_off, brand=brand, carry=carry)
        self.telling = Telling(parts, channels, carry=carry)
        self.site = OutSite(parts, channels)
        self._stop = threading.Event()
        self.threads: list[threading.Thread] = []

    def open(self) -> None:
        """Let the database know who is to hear of changes. Raises StoreError."""
        self.telling.open()

    def work(self) -> int:
        """One round of everything in this thread; how much was done. Raises StoreError."""
        n_made = self.telling.make_suppressions()
        return self.outgoing.send_due() + self.telling.tell_due() + n_made

    def start(self) -> None:
        """Do it all from now on, in threads of its own."""
        jobs: dict[str, Callable[[], int]] = {
            "messages": self.outgoing.send_due,
            "suppressions": self.telling.make_suppressions,
        }
        for name in self.telling.names:
            jobs[f"changes {name}"] = lambda name=name: self.telling.tell_due(name)  # type: ignore[misc]
        for name, job in jobs.items():
            thread = threading.Thread(
                target=self._loop, args=(name, job), name=name, daemon=True
            )
            self.threads.append(thread)
            thread.start()

    def close(self) -> None:
        """End the threads, but wait for no vendor; let go of connections."""
        self._stop.set()
        for thread in self.threads:
            thread.join(STOP_S)
        if self._web is not None:
            self._web.close()

    def _loop(self, name: str, job: Callable[[], int]) -> None:
        while not self._stop.is_set():
            pause_s = FAULT_S
            try:
                pause_s = 0 if job() else LOOK_S
            except StoreError:
                log.warning("nothing goes out: the store failed", extra={"job": name})
            except Exception:
                # The top of a thread nobody waits for: it must go on, and a person must hear of it.
                log.exception("a way out failed", extra={"job": name})
            self._stop.wait(pause_s)
