"""Operations that wait for a person: seeing them and deciding about them, at the counter and at the centre.

Nothing leaves by itself. A decision that was made is answered again as it was; the operation and its bytes are kept for ever.
"""

from collections.abc import Callable

from sync.central import op_rows
from sync.central.apply import decide_operation
from sync.central.gate import denied
from sync.central.op_rows import OpRecord
from sync.central.parts import Parts, decoded, key_of
from sync.central.pushes import results_of
from sync.central.transaction import Transaction
from sync.model.answers import inbox_page, push_page
from sync.model.ports import Request
from sync.model.wire import INBOX_MAX, DecideRequest, InboxEntry, InboxRequest, PushAnswer


class Inbox:
    """Held operations of one centre."""

    def __init__(self, parts: Parts) -> None:
        """Over the parts of one centre."""
        self._parts = parts

    def waiting(self, store: str = "", *, after: str = "") -> list[InboxEntry]:
        """Operations that wait for a person, of one store or of all, by id; at most INBOX_MAX."""
        with self._parts.store.reading() as snapshot:
            return op_rows.inbox(snapshot.sql, store, after=after, limit=INBOX_MAX)

    def inbox(self, request: Request) -> bytes:
        """Those of the caller's store."""
        caller = self._parts.gate.admit("inbox", request)
        asked = decoded(request.body, InboxRequest)
        entries = self.waiting(caller.device.store, after=asked.after)
        return inbox_page(entries, session_key=key_of(caller), request_id=caller.request_id)

    def decide(self, request: Request) -> bytes:
        """What a person at the counter decided; answered as a push."""
        caller = self._parts.gate.admit("decide", request)
        asked = decoded(request.body, DecideRequest)

        def work(transaction: Transaction) -> Callable[[], PushAnswer]:
            known = transaction.read.op(asked.op)
            if known is None or known.store != caller.device.store:
                raise denied("not_allowed", "op")
            record = self._decided(transaction, asked, known)
            return lambda: PushAnswer(results_of(transaction, (record,), caller))

        answer = self._parts.batch.run(work, ops=(asked.op,))
        return push_page(answer, session_key=key_of(caller), request_id=caller.request_id)

    def settle(self, asked: DecideRequest) -> OpRecord:
        """What a person at the centre decided; the operation as it is then. Raises CentreRefused, StoreError."""

        def work(transaction: Transaction) -> Callable[[], OpRecord]:
            known = transaction.read.op(asked.op)
            if known is None:
                raise denied("not_allowed", "op")
            record = self._decided(transaction, asked, known)
            return lambda: record

        return self._parts.batch.run(work, ops=(asked.op,))

    def _decided(
        self, transaction: Transaction, asked: DecideRequest, known: OpRecord
    ) -> OpRecord:
        if known.status != "held":
            return known
        self._parts.counters.add(f"decided.{asked.decision}")
        return decide_operation(transaction, asked, known, now=self._parts.now)
