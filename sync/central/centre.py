"""The centre as an object: its rows, devices and chips, and what each call does, without a network.

Everything here blocks for milliseconds and may be called from any thread. `app` puts it on the network; a program that
fills a centre calls it directly.
"""

import logging
from collections.abc import Callable, Iterable
from pathlib import Path
from threading import Lock
from typing import Final, TypeVar

import msgspec
from cryptography.hazmat.primitives.asymmetric import ec

from hardware.clock import Clock
from hardware.disk import Disk, FolderLock
from hardware.entropy import Entropy
from hardware.identity import lasting_key, public_hex
from hardware.moments import micros_of
from sync.central import enrolment, feed
from sync.central.apply import apply_operation, is_plausible
from sync.central.batch import Batch
from sync.central.gate import Caller, Gate, Session, Sessions, denied
from sync.central.ports import AsgiApp, BandKeys
from sync.central.store import OpRecord, Snapshot, Store, Transaction
from sync.model.answers import push_page
from sync.model.errors import Malformed, NotTrusted
from sync.model.ports import Request
from sync.model.records import Band
from sync.model.row import Row, body_of
from sync.model.signatures import answer_share, group_label, lease_label, seal
from sync.model.wire import (
    Grant,
    HelloAnswer,
    HelloRequest,
    Lease,
    LeasesAnswer,
    OpResult,
    PullRequest,
    PushAnswer,
    PushRequest,
    leases_page,
)

DATABASE_FILE: Final = "centre.db"
KEY_FILE: Final = "centre.key"

LEASE_US: Final = 72 * 3_600 * 1_000_000
"""How long a leased band key may be used without being leased again: a long weekend without a network."""

UID_SIZES: Final = (4, 7, 10)
"""Bytes of a UID. Source: ISO/IEC 14443-3:2018, 6.5.4."""

SEQ_MAX: Final = 2**62
"""Cursors beyond this are no numbers of ours."""

Value = TypeVar("Value")

log = logging.getLogger(__name__)


class Centre:
    """One centre in one folder. Close it."""

    def __init__(  # its parts; `open` makes them
        self,
        store: Store,
        lock: FolderLock,
        private_key: ec.EllipticCurvePrivateKey,
        *,
        clock: Clock,
        entropy: Entropy,
        band_keys: BandKeys | None,
    ) -> None:
        """Put together by `open`."""
        self._store = store
        self._lock = lock
        self._key = private_key
        self._entropy = entropy
        self._band_keys = band_keys
        self.clock = clock
        self.bell = feed.Bell()
        self._batch = Batch(store, on_commit=self.bell.ring)
        self._sessions = Sessions(clock)
        self._renewed: set[str] = set()
        self._renewed_lock = Lock()
        self._gate = Gate(store, self._batch, self._sessions, clock)

    @classmethod
    def open(
        cls,
        folder: Path,
        *,
        disk: Disk,
        clock: Clock,
        entropy: Entropy,
        band_keys: BandKeys | None = None,
    ) -> "Centre":
        """Open the centre in `folder`, or make one there.

        Raises:
            FolderInUse: another process runs a centre in it.
            DiskFull, DiskFault: it cannot be written.
            EnrolmentError: its key file is damaged.
            StoreError: its database cannot be opened.
        """
        lock = disk.lock(folder)
        try:
            private_key = lasting_key(folder / KEY_FILE, disk=disk, entropy=entropy)
            path = folder / DATABASE_FILE
            if not path.exists():
                disk.write(path, b"", private=True)  # SQLite keeps the mode for all its files
            store = Store(path, fresh_epoch=entropy.draw(8).hex())
        except BaseException:
            lock.close()
            raise
        return cls(store, lock, private_key, clock=clock, entropy=entropy, band_keys=band_keys)

    def close(self) -> None:
        """End held polls and let go of file and folder."""
        self.bell.close()
        self._store.close()
        self._lock.close()

    @property
    def public_key_hex(self) -> str:
        """The key devices pin: 65 uncompressed bytes in hex."""
        return public_hex(self._key.public_key())

    @property
    def asgi_app(self) -> AsgiApp:
        """The HTTP service over this centre, for a server or an in-process transport."""
        from sync.central.app import (
            asgi_app,  # the web framework, 60 ms; not for who only writes
        )

        return asgi_app(self)

    # What a program that fills or runs a centre does

    def _write(self, change: Callable[[Transaction], Value]) -> Value:
        def work(transaction: Transaction) -> Callable[[], Value]:
            value = change(transaction)
            return lambda: value

        return self._batch.run(work)

    def put_rows(
        self, rows: Iterable[Row], *, interest: Iterable[tuple[str, str]] = ()
    ) -> None:
        """Write rows in one transaction; their versions are counted here.

        Args:
            rows: Rows with an owner go where that owner is held; the others go to every device.
            interest: (store, owner) pairs: from now on that store holds that customer.

        Raises:
            StoreError: nothing was written.
        """

        def change(transaction: Transaction) -> None:
            for store, owner in interest:
                transaction.add_interest(enrolment.scope_of(store), owner)
            for row in rows:
                transaction.put(row)

        self._write(change)

    def end_interest(self, store: str, owner: str) -> None:
        """That store holds that customer no more; their rows leave it."""
        self._write(lambda it: it.end_interest(enrolment.scope_of(store), owner))

    def approve_device(self, *, public_key: str, store: str, role: str) -> str:
        """Make the device with this public key active; its id. Raises NotTrusted, Malformed, StoreError."""
        return self._write(
            lambda it: enrolment.approve(it, public_key=public_key, store=store, role=role)
        )

    def set_device_state(self, device_id: str, state: enrolment.State) -> None:
        """Quarantine, revoke, retire or take back a device. Raises Malformed, StoreError."""
        self._write(lambda it: enrolment.set_state(it, device_id, state))

    def link_chip(self, band_id: str, uid: bytes) -> None:
        """Say which chip is in a band, so that its key can be leased. Raises Malformed for a UID that is none."""
        if len(uid) not in UID_SIZES:
            raise Malformed("a UID is 4, 7 or 10 bytes")
        self._write(lambda it: it.link_chip(band_id, uid))

    def row(self, key: str) -> Row | None:
        """A row as it stands."""
        with self._store.reading() as snapshot:
            return snapshot.row(key)

    def held(self) -> list[OpRecord]:
        """Operations that wait for a person, oldest first."""
        with self._store.reading() as snapshot:
            return snapshot.held()

    def operation(self, op_id: str) -> OpRecord | None:
        """What became of an operation."""
        with self._store.reading() as snapshot:
            return snapshot.op(op_id)

    def count(self, table: str) -> int:
        """Rows in a table; for checks and tests."""
        with self._store.reading() as snapshot:
            return snapshot.count(table)

    # What a device asks; each takes the whole request and raises CentreRefused or StoreError

    def hello(self, request: Request) -> bytes:
        """Start a session; JSON of HelloAnswer."""
        caller = self._gate.admit("hello", request)
        hello = decoded(request.body, HelloRequest)
        if hello.device != caller.device.id:
            raise denied("malformed", "device")
        now = micros_of(self.clock.now())
        seen = msgspec.structs.replace(caller.device, lineage=hello.lineage, seen_at=now)
        self._write(lambda it: it.put_device(seen))
        with self._store.reading() as snapshot:
            grants = tuple(
                Grant(scope, snapshot.epoch(scope) or self._store.epoch, snapshot.head(scope))
                for scope in enrolment.scopes_of(caller.device)
            )
        plain = HelloAnswer(
            session=self._entropy.draw(16).hex(), share="", proof="", store=caller.device.store,
            server_time=now, grants=grants,
        )  # fmt: skip
        try:
            answer, key = answer_share(
                hello.share,
                device=caller.device.id,
                centre=self._key,
                answer=plain,
                entropy=self._entropy,
            )
        except NotTrusted as error:
            raise denied("malformed", "share") from error
        self._sessions.add(
            Session(answer.session, caller.device.id, hello.lineage, self.clock.ticks_ms(), key)
        )
        return msgspec.json.encode(answer)

    def push(self, request: Request) -> bytes:
        """Apply operations; durable when this returns."""
        caller = self._gate.admit("push", request)
        push = decoded(request.body, PushRequest)
        if not all(is_plausible(op) for op in push.ops):
            raise denied("malformed", "ops")
        device, scopes = caller.device, enrolment.scopes_of(caller.device)
        now = micros_of(self.clock.now())

        def work(transaction: Transaction) -> Callable[[], tuple[OpResult, ...]]:
            records = [
                apply_operation(transaction, op, device=device, now=now) for op in push.ops
            ]
            return lambda: tuple(
                _result_of(transaction.read, record, scopes) for record in records
            )

        results = self._batch.run(work)
        return push_page(
            PushAnswer(results), session_key=_key_of(caller), request_id=caller.request_id
        )

    def begin_pull(self, request: Request) -> tuple[Caller, PullRequest, bytes | None]:
        """What changed since the cursors; None instead of a page when nothing did and the caller would wait."""
        caller = self._gate.admit("pull", request)
        pull = decoded(request.body, PullRequest)
        scopes = [cursor.id for cursor in pull.scopes]
        if not set(scopes) <= set(enrolment.scopes_of(caller.device)):
            raise denied("not_allowed", "scope")
        if len(set(scopes)) < len(scopes) or any(c.seq > SEQ_MAX for c in pull.scopes):
            raise denied("malformed", "scopes")
        with self._store.reading() as snapshot:
            ahead = feed.scopes_ahead(snapshot, pull.scopes)
        if ahead:
            self._went_back(ahead)
            raise denied("session_over")
        return caller, pull, self.page(caller, pull, is_last=pull.wait_ms == 0)

    def _went_back(self, scopes: tuple[str, ...]) -> None:
        """A device holds more than we do, so our file is an older copy: its numbers from here on are another history.

        At most once a scope in the life of this process, so that one device cannot make the others pull for ever.
        """
        with self._renewed_lock:
            fresh = [scope for scope in scopes if scope not in self._renewed]
            self._renewed.update(fresh)
        if not fresh:
            raise denied("malformed", "a cursor beyond the head")
        log.error("centre went back in time", extra={"count": len(fresh)})
        epoch = self._entropy.draw(8).hex()

        def change(transaction: Transaction) -> None:
            for scope in fresh:
                transaction.renew_epoch(scope, epoch)

        self._write(change)
        self._sessions.end_all()

    def page(self, caller: Caller, pull: PullRequest, *, is_last: bool) -> bytes | None:
        """The page as it is now; None when there is no news, unless this is the last time of asking."""
        with self._store.reading() as snapshot:
            if not is_last and not feed.has_news(snapshot, pull.scopes):
                return None
            return feed.page(
                snapshot,
                pull.scopes,
                limit=pull.limit,
                session_key=_key_of(caller),
                request_id=caller.request_id,
            )

    def end_pull(self, caller: Caller, pull: PullRequest) -> bytes:
        """The page after a wait, if the device still may."""
        self._gate.still_may(caller, "pull")
        return self.page(caller, pull, is_last=True) or b""

    def leases(self, request: Request) -> bytes:
        """The keys this store may hold now; as `wire.leases_page` writes them."""
        caller = self._gate.admit("leases", request)
        decoded(request.body, _Nothing)
        if self._band_keys is None:
            raise denied("busy", "no band keys here")
        key, until = _key_of(caller), micros_of(self.clock.now()) + LEASE_US
        with self._store.reading() as snapshot:
            chips = snapshot.leasable(enrolment.scope_of(caller.device.store))
        group, group_version = self._band_keys.group_key()
        leases = tuple(
            self._lease(self._band_keys, uid, key, until)
            for uid, body in chips
            if _is_leasable(body)
        )
        answer = LeasesAnswer(
            group=seal(group, key, group_label(group_version), self._entropy),
            group_version=group_version,
            leases=leases,
        )
        return leases_page(answer, session_key=key, request_id=caller.request_id)

    def _lease(self, band_keys: BandKeys, uid: bytes, key: bytes, until: int) -> Lease:
        value, version = band_keys.band_key(uid)
        hashed = band_keys.uid_hash(uid)
        label = lease_label(uid=hashed, version=version, until=until)
        return Lease(hashed, seal(value, key, label, self._entropy), version, until)


class _Nothing(msgspec.Struct, frozen=True):
    """The body of a request that asks for nothing in particular: `{}`."""


def _key_of(caller: Caller) -> bytes:
    assert caller.session is not None  # only hello comes without a session
    return caller.session.key


def _result_of(snapshot: Snapshot, record: OpRecord, scopes: tuple[str, ...]) -> OpResult:
    rows = tuple(row for key in record.keys for row in snapshot.rows_at(key, scopes))
    return OpResult(record.id, record.status, record.code, record.clash, rows)


def _is_leasable(body: bytes) -> bool:
    try:
        band = body_of("band", body)
    except Malformed:
        return False
    return isinstance(band, Band) and band.state == "active" and not band.is_uid_only


def decoded(body: bytes, shape: type[Value]) -> Value:
    """A request body as a value. Raises CentreRefused `malformed` for anything else, however it is broken."""
    try:
        body.decode()  # raw parts inside are kept as text and must be text
        return msgspec.json.decode(body, type=shape)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise denied("malformed") from error
