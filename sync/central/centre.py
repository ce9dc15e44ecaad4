"""The centre as an object: its rows, devices and chips, and what each call does, without a network.

Everything here blocks for milliseconds and may be called from any thread. `endpoints` answers requests over it and `app` puts
those on the network; a program that fills a centre calls it directly.
"""

from collections.abc import Iterable, Sequence
from functools import partial
from pathlib import Path
from typing import Final

import msgspec
from cryptography.hazmat.primitives.asymmetric import ec

from hardware.clock import Clock
from hardware.disk import Disk, FolderLock
from hardware.entropy import Entropy
from hardware.identity import lasting_key, public_hex
from sync.central import alerts, band_rows, channels_file, enrolment, erasure_notes
from sync.central.alerts import AlertRecord
from sync.central.bands import Bands
from sync.central.batch import Batch
from sync.central.brand import NO_BRAND, Brand, read_brand, zone_of
from sync.central.capsules import Capsules
from sync.central.channels.adapter import Settings
from sync.central.channels.facts import Delivered, Said
from sync.central.channels.registry import ADAPTERS
from sync.central.counters import Counters
from sync.central.denials import Denials
from sync.central.erasing_again import ErasingAgain
from sync.central.erasure import Erasure, ErasureStatus
from sync.central.erasure_ledger import Ledger
from sync.central.feed import Bell
from sync.central.fetching import Fetching
from sync.central.gate import Gate, Sessions
from sync.central.hellos import Hellos
from sync.central.housekeeping import Housekeeping
from sync.central.in_site import InSite
from sync.central.inbox import Inbox
from sync.central.intake import Intake
from sync.central.leases import Leases
from sync.central.lending import lend
from sync.central.op_rows import OpRecord
from sync.central.openapi import Metrics
from sync.central.outward import Outward, hear_delivered, hear_said
from sync.central.pages.site import AgentSite
from sync.central.parts import Parts
from sync.central.ports import (
    AsgiApp,
    BandKeys,
    BandProver,
    CapsuleSigner,
    Site,
    TouchReader,
)
from sync.central.pulls import Held, Pulls
from sync.central.pushes import Pushed, Pushes
from sync.central.spares import ENTER_MAX, Entered, MadeBand, enter
from sync.central.spares import check as check_band
from sync.central.store import Store
from sync.central.touches import PATH as TOUCHES
from sync.central.touches import Touches
from sync.central.transaction import Transaction
from sync.central.wants import Wants
from sync.central.watch import Watch
from sync.model.errors import Malformed, StoreError
from sync.model.ledger import Loan
from sync.model.operation import Refusal
from sync.model.ports import Request
from sync.model.row import Row
from sync.model.wire import DecideRequest, InboxEntry

DATABASE_FILE: Final = "centre.db"
KEY_FILE: Final = "centre.key"

UID_SIZES: Final = (4, 7, 10)
"""Bytes of a UID. Source: ISO/IEC 14443-3:2018, 6.5.4."""


class Centre:
    """One node of a centre, with its own folder. Close it."""

    def __init__(  # noqa: PLR0913  # its parts; `open` makes them
        self,
        store: Store,
        lock: FolderLock,
        private_key: ec.EllipticCurvePrivateKey,
        *,
        clock: Clock,
        entropy: Entropy,
        band_keys: BandKeys | None,
        capsule_signer: CapsuleSigner | None = None,
        channels: tuple[Settings, ...] = (),
        brand: Brand = NO_BRAND,
    ) -> None:
        """Put together by `open`."""
        self._store = store
        self._lock = lock
        self._key = private_key
        self._band_keys = band_keys
        self.clock = clock
        self.bell = Bell()
        self.counters = Counters()
        batch = Batch(store, on_commit=self.bell.ring, clock=clock)
        sessions = Sessions(private_key, clock, entropy)
        gate = Gate(store, batch, sessions, clock)
        parts = Parts(store, batch, gate, sessions, clock, entropy, self.counters, self.bell)
        self._parts = parts
        self._hellos = Hellos(parts, private_key, brand)
        self._pushes = Pushes(parts)
        self._pulls = Pulls(parts)
        self._wants = Wants(parts)
        self._inbox = Inbox(parts)
        self._bands = Bands(parts, _prover_of(band_keys), private_key)
        self._denials = Denials(parts, band_keys, private_key)
        self._capsules = Capsules(parts, capsule_signer)
        self._leases = Leases(parts, band_keys, self._denials, self._capsules)
        self.channels = Intake(parts, ADAPTERS, channels)
        self._erasure = Erasure(parts, self._pulls)
        watch = Watch(parts, channels, home=brand.home)
        self._again = ErasingAgain(parts, self._denials)
        self._housekeeping = Housekeeping(parts, self._pulls, watch, self.channels, self._again)
        self._heads: dict[str, int] = {}
        self.sites: dict[str, Site] = _sites_of(parts, band_keys, watch, brand, channels)
        self.sites[InSite.path] = InSite(parts, self.channels)
        self.outward = Outward(parts, channels, sign_off=brand.sign_off, brand=brand.name)
        self.sites[self.outward.site.path] = self.outward.site
        self.channels.hear(Delivered, hear_delivered)
        self.fetching = Fetching(parts, self.channels)
        self.channels.hear(Said, hear_said)
        if channels:
            self.outward.open()

    @classmethod
    def open(  # noqa: PLR0913  # what a node is made of
        cls,
        folder: Path,
        *,
        disk: Disk,
        clock: Clock,
        entropy: Entropy,
        band_keys: BandKeys | None = None,
        capsule_signer: CapsuleSigner | None = None,
        database: str | Path = "",
        key: Path | None = None,
        channels: Path | tuple[Settings, ...] = (),
    ) -> "Centre":
        """Open the centre in `folder`, or make one there.

        Args:
            folder: This node's own; no two processes share it.
            disk: Where its files are.
            clock: What time it is.
            entropy: Where chance comes from.
            band_keys: Keys of bands to lend.
            capsule_signer: Signs what bands carry.
            database: `postgresql://...` for one that nodes share, "" for a file in `folder`.
            key: The centre's key, the same file for all its nodes; None for one in `folder`.
            channels: The other systems that send to it, or the file that names them.

        Raises:
            ChannelsWrong: the file of channels cannot be used.
            FolderInUse: another process runs a centre in it.
            DiskFull, DiskFault: it cannot be written.
            EnrolmentError: its key file is damaged.
            StoreError: its database cannot be opened, or belongs to a centre with another key.
        """
        named = (
            channels_file.read_channels(channels) if isinstance(channels, Path) else channels
        )
        brand = read_brand(folder)
        lock = disk.lock(folder)
        try:
            private_key = lasting_key(key or folder / KEY_FILE, disk=disk, entropy=entropy)
            if not database:
                database = folder / DATABASE_FILE
                if not database.exists():
                    disk.write(
                        database, b"", private=True
                    )  # SQLite keeps the mode for all its files
            store = Store(database, fresh_epoch=entropy.draw(8).hex(), entropy=entropy)
            _check_key(store, public_hex(private_key.public_key()))
        except BaseException:
            lock.close()
            raise
        try:
            store.keep_erasure_key(erasure_notes.key_for(private_key))
            store.ledger = Ledger(folder, disk, clock)
            centre = cls(
                store, lock, private_key, clock=clock, entropy=entropy, band_keys=band_keys,
                capsule_signer=capsule_signer, channels=named, brand=brand,
            )  # fmt: skip
        except BaseException:  # a channel that cannot be: nothing stays open
            store.close()
            lock.close()
            raise
        try:
            centre._again.start()
        except BaseException:
            centre.close()
            raise
        return centre

    def close(self) -> None:
        """End held polls and let go of database and folder."""
        self.bell.close()
        self.outward.close()
        self.fetching.close()
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

    @property
    def is_shared(self) -> bool:
        """Whether other nodes write to its database too."""
        return self._store.is_shared

    # What a program that fills or runs a centre does

    def put_rows(
        self,
        rows: Iterable[Row],
        *,
        interest: Iterable[tuple[str, str]] = (),
        scope: str = "",
    ) -> None:
        """Write rows in one transaction; their versions are counted here.

        Args:
            rows: Rows with an owner go where that owner is held; the others to every device, or to `scope`.
            interest: (store, owner) pairs: from now on that store holds that customer.
            scope: `s:<store>` or `r:<region>` for rows that are of one place alone.

        Raises:
            StoreError: nothing was written.
        """
        kept, holders = tuple(rows), tuple(interest)

        def change(transaction: Transaction) -> None:
            for store, owner in holders:
                transaction.add_interest(enrolment.scope_of(store), owner)
            for row in kept:
                transaction.put(row, scope=scope)

        self._parts.write(change, keys=[row.key for row in kept])

    def end_interest(self, store: str, owner: str) -> None:
        """That store holds that customer no more; their rows leave it."""
        self._parts.write(lambda it: it.end_interest(enrolment.scope_of(store), owner))

    def approve_device(
        self, *, public_key: str, store: str, role: str, region: str = ""
    ) -> str:
        """Make the device with this public key active; its id. Raises NotTrusted, Malformed, StoreError."""
        now = self._parts.now
        return self._parts.write(
            lambda it: enrolment.approve(
                it, public_key=public_key, store=store, role=role, now=now, region=region
            )
        )

    def set_device_state(self, device_id: str, state: enrolment.State) -> None:
        """Quarantine, revoke, retire or take back a device. Raises Malformed, StoreError."""
        now = self._parts.now
        self._parts.write(
            lambda it: enrolment.set_state(it, device_id, state, now=now),
            keys=(enrolment.device_lock(device_id),),
        )

    def link_chip(self, band_id: str, uid: bytes) -> None:
        """Say which chip is in a band, so that its key can be leased. Raises Malformed for a UID that is none."""
        if len(uid) not in UID_SIZES:
            raise Malformed("a UID is 4, 7 or 10 bytes")
        self._parts.write(lambda it: band_rows.link_chip(it, band_id, uid))

    def enter_bands(self, bands: Iterable[MadeBand]) -> Entered:
        """Write down the bands an encoder station made; none of them when one is no band. Raises Malformed, StoreError."""
        made, now = tuple(bands), self._parts.now
        for each in made:
            check_band(each)
        parts = (made[at : at + ENTER_MAX] for at in range(0, len(made), ENTER_MAX))
        done = [
            self._parts.write(
                partial(enter, bands=part, now=now),
                keys=tuple(f"band/{each.band}" for each in part),
            )
            for part in parts
        ]
        return Entered(
            sum(it.n_new for it in done),
            sum(it.n_known for it in done),
            sum(it.n_retired for it in done),
        )

    def lend(self, loan: Loan) -> Refusal | None:
        """Lend a store what it may give out alone; None when it was lent. Raises StoreError."""
        now = self._parts.now
        return self._parts.write(lambda it: lend(it, loan, now=now), keys=(loan.of,))

    def row(self, key: str) -> Row | None:
        """A row as it stands."""
        with self._store.reading() as snapshot:
            return snapshot.row(key)

    def rows_of(self, owner: str) -> tuple[Row, ...]:
        """Every row of a customer, by key."""
        with self._store.reading() as snapshot:
            return tuple(snapshot.all_of_owner(owner))

    def held(self) -> list[OpRecord]:
        """Operations that wait for a person, oldest first."""
        with self._store.reading() as snapshot:
            return snapshot.held()

    def waiting(self, store: str = "", *, after: str = "") -> list[InboxEntry]:
        """The inbox of one store, or of all: operations that wait for a person, with their bytes, by id."""
        return self._inbox.waiting(store, after=after)

    def settle(self, decision: DecideRequest) -> OpRecord:
        """Do what a person at the centre decided about one of them. Raises CentreRefused, StoreError."""
        return self._inbox.settle(decision)

    def operation(self, op_id: str) -> OpRecord | None:
        """What became of an operation."""
        with self._store.reading() as snapshot:
            return snapshot.op(op_id)

    def erase(self, owner: str) -> int:
        """Erase a customer everywhere; how many rows went. Raises StoreError: nothing was erased."""
        count = self._erasure.erase(owner)
        self._denials.forget()
        return count

    def erasure(self, owner: str) -> ErasureStatus | None:
        """How far an erasure has come; None for a customer that was not erased."""
        return self._erasure.status(owner)

    def alerts(self) -> list[AlertRecord]:
        """What happened to devices that a person should know, newest first."""
        with self._store.reading() as snapshot:
            return alerts.newest(snapshot.sql)

    def count(self, table: str) -> int:
        """Rows in a table; for checks and tests."""
        with self._store.reading() as snapshot:
            return snapshot.count(table)

    def metrics(self) -> Metrics:
        """What this node counted since it started, and where it stands."""
        return Metrics(self.counters.all(), self._parts.sessions.n_open, self.bell.n_waiting)

    def tidy(self, *, is_all: bool = False) -> dict[str, int]:
        """Do what is to be done now and then; `housekeeping` says what. Raises StoreError."""
        return self._housekeeping.tidy(is_all=is_all)

    def look_at_heads(self) -> tuple[str, ...]:
        """Ring for what other nodes wrote to scopes somebody waits for; which they were. Raises StoreError."""
        waited_for = self.bell.scopes
        if not waited_for:
            return ()
        # Also those nobody waits for just now: forgotten, they would ring for nothing when somebody does again.
        with self._store.reading() as snapshot:
            heads = snapshot.heads({*self._heads, *waited_for})
        moved = tuple(
            scope for scope, head in sorted(heads.items()) if self._heads.get(scope) != head
        )
        self._heads = heads
        if moved:
            self.bell.ring(moved)
        return moved

    # What a device asks; each takes the whole request and raises CentreRefused or StoreError

    def hello(self, request: Request) -> bytes:
        """Start a session; JSON of HelloAnswer."""
        return self._hellos.hello(request)

    def push(self, request: Request) -> Pushed:
        """Apply operations; durable when this returns."""
        return self._pushes.push(request)

    def begin_pulls(self, requests: Sequence[Request]) -> list[Held | Exception]:
        """What changed since the cursors; without a page when nothing did and the caller would wait; or what went wrong."""
        return self._pulls.begin(requests)

    def look_again(self, held: Held) -> Held:
        """The same, with a page if there is news meanwhile, and the device still may."""
        return self._pulls.look(held)

    def end_pulls(self, waited: Sequence[Held]) -> list[Held | Exception]:
        """The same with pages, all of one moment; or why a device may have none any more."""
        return self._pulls.end(waited)

    def want(self, request: Request) -> bytes:
        """Hold customers for some time; their rows at once."""
        return self._wants.want(request)

    def snapshot(self, request: Request) -> bytes:
        """Of which parts a scope can be had whole."""
        return self._wants.snapshot(request)

    def part(self, request: Request, name: str) -> bytes:
        """One of them."""
        return self._wants.part(request, name)

    def diff(self, request: Request) -> bytes:
        """The rows of buckets whose sums differ."""
        return self._wants.diff(request)

    def custody(self, request: Request) -> bytes:
        """Keep operations that do not get through, as bytes."""
        return self._pushes.custody(request)

    def erased(self, request: Request) -> bytes:
        """Erase again whom the notes of a device mean, where this database was set back behind that."""
        return self._again.erased(request)

    def inbox(self, request: Request) -> bytes:
        """Operations of the caller's store that wait for a person."""
        return self._inbox.inbox(request)

    def decide(self, request: Request) -> bytes:
        """What a person at the counter decided about one."""
        return self._inbox.decide(request)

    def leases(self, request: Request) -> bytes:
        """The band keys this store may hold now."""
        return self._leases.leases(request)

    def capsule(self, request: Request) -> bytes:
        """The capsule of a band of the caller's store."""
        return self._capsules.capsule(request)

    def capsule_for(self, band: str, *, size: int) -> bytes | None:
        """What a band is to carry now, for whoever writes bands; None for one that may carry nothing. Raises StoreError."""
        return self._capsules.made(band, size=size)

    def band(self, request: Request) -> bytes:
        """One step of the proof of a band."""
        return self._bands.band(request)

    def deny(self, request: Request) -> bytes:
        """The newest deny list."""
        return self._denials.deny(request)

    def metrics_for(self, request: Request) -> bytes:
        """`metrics`, for a technician; JSON."""
        self._parts.gate.admit("metrics", request)
        return msgspec.json.encode(self.metrics())


def _sites_of(
    parts: Parts,
    band_keys: object,
    watch: Watch,
    brand: Brand,
    channels: tuple[Settings, ...],
) -> dict[str, Site]:
    """What is answered to who is no device, by first segment; others are added while the centre is put together."""
    told = (brand.country, *(it.options.get("country", "") for it in channels))
    countries = tuple(dict.fromkeys(one.upper() for one in told if one))
    agents = AgentSite(parts, zone=zone_of(brand), sins=lambda: watch.sins, countries=countries)
    sites: dict[str, Site] = {AgentSite.path: agents}
    if isinstance(band_keys, TouchReader):
        sites[TOUCHES] = Touches(parts, band_keys)
    return sites


def _prover_of(band_keys: object) -> BandProver | None:
    """Band keys that can prove a band as well; None for those that cannot."""
    return band_keys if isinstance(band_keys, BandProver) else None


def _check_key(store: Store, public_key: str) -> None:
    """Devices trust one key: a node that came with another would turn all of them away."""
    try:
        is_ours = store.bind("centre_key", public_key) == public_key
    except BaseException:
        store.close()
        raise
    if not is_ours:
        store.close()
        raise StoreError(
            "it belongs to a centre with another key; put back its key file, or name that with --key"
        )
