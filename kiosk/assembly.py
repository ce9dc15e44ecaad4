"""Builds the product out of its parts, real or simulated; the only module that knows every concrete class.

Device            one data folder opened: identity, files, look-up, outbox, keys
CacheKeys         what the reader process is given, from the leases in the cache
LocalRecogniser   from what a reader established to the customer's page, from local data alone
StoreRelay        this device among the others of its store
StoreDesk         what a counter can ask and do
Sync              the sync thread of a device, and what it says of itself
BandReader        a reader process, and what is done with a band on it after its page is shown
"""

import asyncio
import contextlib
import logging
import threading
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import datetime, tzinfo
from pathlib import Path
from typing import TYPE_CHECKING, Final

import msgspec

from drivers.credential.layout import band_id_of_reference, band_id_of_uid
from drivers.errors import BandMalformed, ReaderAbsent
from drivers.lines import Proved, ReaderState, Said, Seen
from drivers.ports import LeasedKey
from drivers.proof import ChipFamily, ProofKind
from hardware import identity as identities
from hardware.clock import Clock, SystemClock
from hardware.disk import Disk, SystemDisk
from hardware.entropy import Entropy, SystemEntropy
from hardware.errors import AddressTaken
from hardware.identity import DeviceIdentity
from hardware.moments import micros_of, moment_of
from hardware.network import network_mark
from kiosk.capsules import CapsuleRefresher, checked
from kiosk.core.carried import CARRIED, Carried
from kiosk.core.entries import Post
from kiosk.core.page import (
    Page,
    Shop,
    actions_of,
    carried_page,
    decide,
    neutral_page,
    not_possible_page,
)
from kiosk.core.policy import (
    Assurance,
    BandKey,
    BandStanding,
    Listing,
    Pin,
    PinLock,
    assurance_of,
    listing_of,
    seen_of,
)
from kiosk.core.policy import Seen as SeenEvidence
from kiosk.core.ports import (
    Act,
    BandEvidence,
    Found,
    Long,
    NoteDraft,
    PinStanding,
    PinTried,
    Recognition,
    Recorded,
    Refused,
    Standing,
    Unsettled,
)
from kiosk.links import ReaderLink
from kiosk.pins import PinBook, is_pin
from kiosk.proving import Around, RemoteProver
from kiosk.settings import SettingsError, address_of
from kiosk.vouched import Vouched
from kiosk.witnessing import BandWitness, Elsewhere, Witnessing
from sync.edge import recorder
from sync.edge.band_line import BandLine
from sync.edge.capsules import CapsulesSeen
from sync.edge.client import CentreClient
from sync.edge.deny import deny_of
from sync.edge.drafts import Drafts
from sync.edge.erase import is_wipe_due
from sync.edge.feed import Feed
from sync.edge.find import Finder
from sync.edge.lease import LeaseState, lease_of, trusted_now
from sync.edge.leases import LeasedKey as HeldKey
from sync.edge.leases import Leases
from sync.edge.lookup import Lookup, Sighting
from sync.edge.open_things import OpenThings
from sync.edge.outbox import Counts, Outbox
from sync.edge.part_cache import PartCache
from sync.edge.peers import Peers, RelayStatus
from sync.edge.recorder import Doer, Kept, Recorder
from sync.edge.relay import Mailbox
from sync.edge.relay_client import RelayClient
from sync.edge.report import ReportFile
from sync.edge.runner import Once, SyncRunner, SyncStatus
from sync.edge.store import EdgeStore
from sync.edge.tls import pinned
from sync.edge.torn import TornUses
from sync.edge.transport import HttpTransport
from sync.model.deny import mark_of
from sync.model.errors import CentreError, CentreUnreachable, StoreError, StoreFull
from sync.model.operation import Evidence, OperationState, Refusal
from sync.model.operations.record_interaction import RecordInteraction
from sync.model.operations.try_pin import TryPin
from sync.model.ports import Transport
from sync.model.profile import Profile
from sync.model.records import (
    Band,
    ChannelWatch,
    Decision,
    Peer,
    Referral,
    Staff,
    Store,
    key_of,
)
from sync.model.registry import Readable, read
from sync.model.row import Row

if TYPE_CHECKING:
    from kiosk.ui.bridge import Parts
    from sync.edge.relay_app import RelayServer

log = logging.getLogger(__name__)

HELD: Final = OperationState.HELD.value

DENY_EVERY_MS: Final = 15 * 60_000
"""How long a band that was blocked elsewhere may go unnoticed at a device that is online."""

HERE: Final = "ok"
"""What `Standing` calls a part that works."""


@dataclass(frozen=True, slots=True)
class World:
    """The parts that touch the machine, real or simulated."""

    clock: Clock
    entropy: Entropy
    disk: Disk


def real_world() -> World:
    """The machine's own time, chance and files."""
    return World(SystemClock(), SystemEntropy(), SystemDisk())


@dataclass(frozen=True, slots=True)
class Device:
    """One data folder, opened and owned. Close it.

    Attributes:
        centre_url: Where its centre is: the settings' address, else the one it was enrolled with.
        centre_ca: Files of the authorities its certificate may be of; none for those this machine knows.
        vouched: Bands the centre proved a moment ago.
    """

    world: World
    identity: DeviceIdentity
    store: EdgeStore
    centre_url: str
    language: str
    centre_ca: tuple[Path, ...]
    vouched: Vouched

    @classmethod
    def open(
        cls,
        folder: Path,
        *,
        world: World,
        centre_url: str = "",
        language: str = "en",
        centre_ca: tuple[Path, ...] = (),
    ) -> "Device":
        """Own the folder and open its files.

        Raises:
            EnrolmentError: there is no device in this folder, or its key is damaged.
            FolderInUse: another process owns it.
            StoreError, DiskFull, DiskFault: its files do not open.
        """
        identity = identities.load(folder, disk=world.disk)
        key = identities.store_key(folder, disk=world.disk, entropy=world.entropy)
        store = EdgeStore.open(
            folder, key, disk=world.disk, clock=world.clock, entropy=world.entropy
        )
        store.keep_ballast()
        with contextlib.suppress(StoreError):  # a file that takes nothing shows what it holds
            lease_of(store).beat()
        url = centre_url or identity.centre_url
        vouched = Vouched(world.clock)
        return cls(world, identity, store, url, language, centre_ca, vouched)

    def close(self) -> None:
        """Close the files and give the folder back; harmless when done twice."""
        self.store.close()

    def is_over(self) -> bool:
        """Whether the centre said that it may hold nothing any more, and has all that was recorded: it is to be wiped."""
        try:
            return is_wipe_due(self.store)
        except StoreError:
            return False

    def shop(self, lookup: Lookup) -> Shop:
        """Where and when a page is decided, now."""
        return Shop(
            store=self.identity.store,
            now_us=micros_of(self.world.clock.now()),
            synced_at=Feed(self.store).state().synced_at,
            language=self.language,
            timezone=local_zone(self.world.clock),
            held=lookup.row,
        )


def local_zone(clock: Clock) -> tzinfo:
    """The time zone of this machine."""
    zone = clock.now().astimezone().tzinfo
    assert zone is not None
    return zone


class CacheKeys:
    """A KeyProvider over the leases in the cache; call it on one thread.

    Files that do not answer give no key: the band then proves nothing, its look-up says what is wrong, and whoever feeds
    the reader goes on.
    """

    def __init__(self, store: EdgeStore) -> None:
        self._leases = Leases(store)

    def group_key(self) -> LeasedKey | None:
        """`K_uid`; None before the first sync."""
        return _drivers_key(self._leases.group_key)

    def band_key(self, uid: bytes) -> LeasedKey | None:
        """The leased key of the band with this true UID; None without a lease, or when it is over."""
        group = self.group_key()
        if group is None:
            return None
        return _drivers_key(lambda: self._leases.key_of(band_id_of_uid(group.value, uid)))


def _drivers_key(held: Callable[[], HeldKey | None]) -> LeasedKey | None:
    try:
        key = held()
    except StoreError as error:
        log.warning("store failed", extra={"code": error.code})
        return None
    return None if key is None else LeasedKey(key.value, key.version)


def evidence_of(
    proved: Proved,
    group_key: bytes | None,
    *,
    key: BandKey = BandKey.UNKNOWN,
    carried: Carried | None = None,
) -> BandEvidence:
    """What the reader process established, with the band's id: of its reference, else of its UID.

    A band that is known by its UID alone has no id before this device holds the group key.

    Args:
        proved: Its words.
        group_key: `K_uid`.
        key: By whose key it can have been proved; that is not the reader process's to say.
        carried: What its capsule says, once that holds; that is not the reader process's to say either.
    """
    proof = proved.kind
    if carried is not None:
        proof = ProofKind.CAPSULE.value
    elif proof == ProofKind.CAPSULE.value:
        proof = ProofKind.NONE.value
    band, is_uid_only = "", False
    with contextlib.suppress(ValueError, BandMalformed):
        if proved.band:
            band = band_id_of_reference(bytes.fromhex(proved.band))
        elif proved.uid and group_key is not None:
            band, is_uid_only = band_id_of_uid(group_key, bytes.fromhex(proved.uid)), True
    return BandEvidence(
        proof=proof,
        family=proved.family,
        generation=proved.generation,
        band=band,
        is_uid_only=is_uid_only,
        key=key,
        carried=carried,
        foreign=_foreign(proved),
    )


SHORT_UID: Final = 4
"""Bytes of a single-size UID. Source: ISO/IEC 14443-3, 6.5.4."""

RANDOM_UID: Final = 0x08
"""How a UID of four bytes begins that is drawn at every touch: telephones, and cards that hide theirs. Source: ISO/IEC 14443-3, 6.5.4."""

_SMART: Final = frozenset({ChipFamily.TYPE4.value, ChipFamily.UNKNOWN.value})
_OF_OTHERS: Final = frozenset({
    ChipFamily.CLASSIC.value, ChipFamily.FELICA.value, ChipFamily.DESFIRE.value, ChipFamily.NTAG424.value,
})  # fmt: skip


def _foreign(proved: Proved) -> str:
    """What is no band of ours, as far as its answers tell: a bank card is never asked what it is."""
    if proved.band:
        return ""
    if proved.family in _SMART:
        uid = bytes.fromhex(proved.uid or "")
        is_drawn = len(uid) == SHORT_UID and uid[0] == RANDOM_UID
        return "phone" if is_drawn or not uid else "foreign_card"
    return "foreign_chip" if proved.family in _OF_OTHERS else ""


class LocalRecogniser:
    """From evidence to page, from this device's files alone; used on one thread."""

    def __init__(self, device: Device) -> None:
        self._device = device
        self._clock = device.world.clock
        self._lookup = Lookup(device.store)
        self._leases = Leases(device.store)
        self._deny = deny_of(device.store)
        self._seen = CapsulesSeen(device.store)

    def evidence(self, proved: Proved) -> BandEvidence:
        """What the reader process established, with the band's id. Raises StoreError."""
        group = self._leases.group_key()
        if group is None:
            return evidence_of(proved, None)
        return evidence_of(
            proved,
            group.value,
            key=self._key_of(proved, group.value),
            carried=self._carried(proved),
        )

    def _carried(self, proved: Proved) -> Carried | None:
        """What the band itself says, where nothing better was proved of it."""
        if proved.kind not in (ProofKind.NONE.value, ProofKind.CAPSULE.value):
            return None
        return checked(
            proved,
            keys=self._leases.capsule_keys(),
            now=trusted_now(self._device.store),
            seen=self._seen,
        )

    def _key_of(self, proved: Proved, group_key: bytes) -> BandKey:
        """By whose key the band can have been proved: one that is lent to this store now, or the centre's, a moment ago."""
        if not proved.uid:
            return BandKey.UNKNOWN
        try:
            uid = bytes.fromhex(proved.uid)
            hashed = band_id_of_uid(group_key, uid)
        except (ValueError, BandMalformed):
            return BandKey.UNKNOWN
        if self._leases.key_of(hashed) is not None:
            return BandKey.LEASED
        return BandKey.REMOTE if self._device.vouched.has(uid) else BandKey.UNKNOWN

    def _listing(self, band: str) -> Listing:
        """What the deny list says of a band, by a time that only takes rights away."""
        group = self._leases.group_key()
        listed = self._deny.newest(centre_key=self._device.identity.centre_key)
        if group is None or listed is None or listed.key_version != group.version:
            return Listing.UNKNOWN
        return listing_of(
            is_listed=listed.has(mark_of(group.value, band)),
            made_at=listed.made_at,
            now=trusted_now(self._device.store),
        )

    def lifted(self, band: BandEvidence) -> Assurance:
        """What a band is worth beside its wearer's right PIN. Raises StoreError."""
        sighting = self._lookup.by_band(band.band) if band.band else None
        standing, _ = _standing_of(sighting)
        seen = self._seen_of(band, standing, self._listing(band.band))
        return assurance_of(replace(seen, pin=Pin.RIGHT, lock=PinLock.OPEN))

    @staticmethod
    def _seen_of(band: BandEvidence, standing: BandStanding, listing: Listing) -> SeenEvidence:
        return seen_of(
            proof=band.proof, family=band.family, generation=band.generation,
            is_uid_only=band.is_uid_only, standing=standing, key=band.key, listing=listing,
        )  # fmt: skip

    def recognise(self, band: BandEvidence) -> Recognition:
        """Look up, judge, decide. Raises StoreError."""
        started_us = self._clock.ticks_us()
        sighting = self._lookup.by_band(band.band) if band.band else None
        shop = self._device.shop(self._lookup)
        found_us = self._clock.ticks_us()
        standing, reason = _standing_of(sighting)
        listing = self._listing(band.band)
        if sighting is None and band.foreign:
            reason = band.foreign
        assurance = assurance_of(self._seen_of(band, standing, listing))
        is_known = sighting is not None and assurance.covers(Assurance.A1)
        profile = sighting.profile if sighting is not None and is_known else None
        page: Page = (
            decide(profile, assurance=assurance, shop=shop)
            if profile is not None
            else neutral_page(shop.language)
        )
        is_held = profile is not None and profile.customer is not None
        carried = band.carried if assurance.covers(Assurance.A1) and not is_held else None
        if carried is not None and self._lookup.is_shown():
            # Never seen here, and not a stranger.
            page, reason = carried_page(carried, shop=shop), CARRIED
        elif not shop.synced_at and profile is None:
            # Nothing was ever pulled, or the cache is being made anew: that says nothing of the band.
            page, reason = not_possible_page(shop.language), "not_synced"
        elif not self._lookup.is_shown():
            page, reason = not_possible_page(shop.language), "lease_over"
        if not reason and profile is not None and profile.customer is None:
            reason = "not_held"
        if not reason and not is_known:
            reason = _reason_of(band, listing)
        return Recognition(
            evidence=Evidence(assurance=assurance.value, proof=band.proof, band=band.band),
            assurance=assurance,
            owner=profile.owner if profile is not None else "",
            page=page,
            actions=actions_of(page),
            reason=reason,
            lookup_us=found_us - started_us,
            decide_us=self._clock.ticks_us() - found_us,
            carried=carried,
        )


def _standing_of(sighting: Sighting | None) -> tuple[BandStanding, str]:
    """What this device's files say of the band, and the reason for staff when it opens no page."""
    if sighting is None:
        return BandStanding.UNKNOWN, "unknown_band"
    body = sighting.band.body
    assert isinstance(body, Band)
    if body.state == "blocked":
        return BandStanding.BLOCKED, "blocked"
    if body.state != "active" or not sighting.owner:
        return BandStanding.UNLINKED, "unlinked"
    return BandStanding.LINKED, ""


def _reason_of(band: BandEvidence, listing: Listing) -> str:
    """Why a band of somebody we know opens nothing, for staff."""
    match listing:
        case Listing.DENIED:
            return "denied"
        case Listing.UNKNOWN if not band.is_uid_only:
            return "no_deny_list"
        case _:
            return "uid_only" if band.is_uid_only else "untrusted"


class ReaderWatch:
    """How the reader is, from what its process says: "ok" or an error code, and since when."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self.code = ReaderAbsent.code
        self.since = micros_of(clock.now())

    def heard(self, said: Said) -> None:
        """Take in a line of the reader process."""
        if isinstance(said, ReaderState) and (said.code or HERE) != self.code:
            self.code, self.since = said.code or HERE, micros_of(self._clock.now())


class StoreRelay:
    """This device among the others of its store: the relay it listens to, and the one it hosts if it is the one that does."""

    def __init__(
        self, device: Device, *, url: str, listen: str, on_change: Callable[[], None]
    ) -> None:
        """Put it together.

        Args:
            device: An open device.
            url: Address of the relay, "" for the one hosted here.
            listen: HOST:PORT to host it at, "" not to.
            on_change: Called on the relay's thread when its state, or what others did, changed.

        Raises:
            SettingsError: this installation cannot host a relay.
        """
        self._device = device
        self._lookup = Lookup(device.store)
        self._server = self._hosted(listen) if listen else None
        world, identity = device.world, device.identity
        client = RelayClient(
            HttpTransport(),
            identity=identity,
            peer_of=self._peer_of,
            url=url or _own_address(listen),
            clock=world.clock,
            entropy=world.entropy,
        )
        self.peers = Peers(
            client,
            device.store,
            device=identity.device_id,
            clock=world.clock,
            entropy=world.entropy,
            on_change=on_change,
        )

    def start(self) -> None:
        """Host it, if that is ours to do, and listen to it. An address that is taken is said as a relay that is lost."""
        if self._server is not None:
            try:
                self._server.start()
            except AddressTaken:
                log.error("address of the relay was taken")  # noqa: TRY400  # the trace says nothing more
        self.peers.start()

    def stop(self) -> None:
        """End both; harmless when done twice."""
        self.peers.stop()
        if self._server is not None:
            self._server.stop()

    def _hosted(self, listen: str) -> "RelayServer":
        try:
            # The web server: 0.1 s, on one device of a store.
            from sync.edge.relay_app import RelayApp, RelayServer
        except ModuleNotFoundError as error:
            raise SettingsError(
                f"relay_listen needs the package {error.name}; install the extra `relay`"
            ) from error
        world = self._device.world
        app = RelayApp(
            Mailbox(world.entropy.draw(16).hex()),
            identity=self._device.identity,
            peer_of=self._peer_of,
            parts=PartCache(self._device.store.folder / "relay", disk=world.disk),
            clock=world.clock,
            entropy=world.entropy,
        )
        host, port = address_of(listen)
        return RelayServer(app, host=host, port=port)

    def _peer_of(self, device_id: str) -> Peer | None:
        """The row the centre wrote of an active device of this store."""
        row = self._lookup.row(key_of("peer", device_id))
        body = None if row is None else row.body
        if not isinstance(body, Peer) or body.state != "active":
            return None
        return body if body.store == self._device.identity.store else None


def _own_address(listen: str) -> str:
    """How this device reaches what it hosts itself."""
    host, port = address_of(listen)
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104  # as the setting says
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def centre_transport(device: Device) -> HttpTransport:
    """The network to this device's centre, which must have a certificate of the right authority for now.

    Raises:
        CertificateFileError: a pinned file does not do any more.
    """
    if not device.centre_url.startswith("https://"):
        return HttpTransport()

    def now() -> datetime:
        with contextlib.suppress(StoreError):  # then the clock alone has to do
            return moment_of(trusted_now(device.store))
        return device.world.clock.now()

    return HttpTransport(pinned(device.centre_ca, trusted_now=now))


class Sync:
    """The sync thread of one device, and since when its way to the centre is as it is.

    Attributes:
        relay: This device among the others of its store; None where no relay is set.
        bands: Its way to the centre for proofs of bands.
    """

    def __init__(  # what it talks to, and who hears of it
        self,
        device: Device,
        *,
        transport: Transport | None = None,
        band_transport: Transport | None = None,
        on_change: Callable[[], None] = lambda: None,
        relay: str = "",
        relay_listen: str = "",
    ) -> None:
        """Put it together.

        Args:
            device: An open device.
            transport: The real one unless given.
            band_transport: For proofs of bands, on a thread of its own; the real one unless given.
            on_change: Called on the sync thread and on the relay's.
            relay: Address of the store's relay.
            relay_listen: Where to host it.
        """
        world = device.world
        self.relay = (
            StoreRelay(device, url=relay, listen=relay_listen, on_change=self._relay_changed)
            if relay or relay_listen
            else None
        )
        self._clock = world.clock
        self._on_change = on_change
        self.network_since = micros_of(world.clock.now())

        def client_over(given: Transport | None) -> CentreClient:
            return CentreClient(
                given or centre_transport(device),
                identity=device.identity,
                centre_url=device.centre_url,
                clock=world.clock,
                entropy=world.entropy,
            )

        self.bands = BandLine(client_over(band_transport), lineage=lambda: device.store.lineage)
        self.runner = SyncRunner(
            client_over(transport),
            device.store,
            clock=world.clock,
            entropy=world.entropy,
            on_change=self._changed,
            network_mark=network_mark,
            near=None if self.relay is None else self.relay.peers,
        )
        self._network = self.runner.status().network
        self._report = ReportFile(device.store)
        self._reporting = threading.Lock()
        self._late: threading.Timer | None = None

    def _changed(self) -> None:
        status = self.runner.status()
        if status.network != self._network:
            self._network, self.network_since = status.network, micros_of(self._clock.now())
        if self.relay is not None:
            self.relay.peers.wake()  # something may be settled
        self._report_it()
        self._on_change()

    def _relay_changed(self) -> None:
        self._report_it()
        self._on_change()

    def _report_it(self) -> None:
        relay = RelayStatus() if self.relay is None else self.relay.peers.status()
        # The sync thread and the relay's both come here.
        with self._reporting, contextlib.suppress(StoreError):  # the status says what is wrong
            left_ms = self._report.write(self.runner.status(), relay=relay.code)
            if left_ms and self._late is None:
                self._late = threading.Timer(left_ms / 1_000, self._report_late)
                self._late.daemon = True
                self._late.start()

    def _report_late(self) -> None:
        """What was said too soon after another report, and nothing was said since."""
        with self._reporting:
            if self._late is None:
                return  # stopped meanwhile
            self._late = None
        self._report_it()

    def start(self) -> None:
        """Begin, in threads of their own."""
        self.runner.start()
        self.bands.start()
        if self.relay is not None:
            self.relay.start()

    def stop(self) -> None:
        """End all threads; harmless when done twice."""
        if self.relay is not None:
            self.relay.stop()
        self.bands.stop()
        self.runner.stop()
        with self._reporting:
            late, self._late = self._late, None
        if late is not None:
            late.cancel()
            late.join()

    def once(self) -> str:
        """Exchange with the centre once, without the thread; "ok", or the code of what kept it from being done.

        Raises:
            StoreError: this device's own files.
        """
        return self.exchange()[0]

    def exchange(self, *, pulls: bool = True, pushes: bool = True) -> tuple[str, Once]:
        """The same, or one half of it; and what was done, nothing where the centre kept some of it from being done.

        Raises:
            StoreError: this device's own files.
        """
        try:
            return HERE, self.runner.sync_once(pulls=pulls, pushes=pushes)
        except CentreError as error:
            return error.code, Once(0, 0, 0)


class StoreDesk:
    """What a counter can ask and do, over this device's files."""

    def __init__(
        self,
        device: Device,
        sync: Sync | None,
        *,
        watch: ReaderWatch | None = None,
        witness: BandWitness | None = None,
    ) -> None:
        """Args: without `sync` this device is offline; without `watch` it has no reader to speak of, without `witness` no band."""
        self._device = device
        self._sync = sync
        self._watch = watch
        self._lookup = Lookup(device.store)
        self._outbox = Outbox(device.store)
        self._finder = Finder(device.store)
        self._drafts = Drafts(device.store)
        self._open = OpenThings(device.store, place=device.identity.store)
        self._recorder = Recorder(
            device.store,
            device=device.identity.device_id,
            place=device.identity.store,
            clock=device.world.clock,
            entropy=device.world.entropy,
            order=sync.relay.peers if sync is not None and sync.relay is not None else None,
        )
        self._recogniser = LocalRecogniser(device)
        self._torn = TornUses(device.store)
        self._pins = PinBook(device.store, device.world.entropy)
        self._settling: set[str] = set()
        self._witness = witness or BandWitness()
        self._witnessing = Witnessing(
            device.store,
            self._recorder,
            self._witness,
            place=device.identity.store,
            clock=device.world.clock,
            is_online=lambda: sync is not None and sync.runner.status().network == HERE,
        )

    def is_there(self, band: str) -> bool:
        """Does this band lie on the reader, proved?"""
        return self._witness.is_there(band)

    async def use(self, of: str, *, owner: str, actor: str, evidence: Evidence) -> Recorded:
        """Use something once, with the band of the evidence as witness where it is there. Raises StoreError, Refused."""
        kept = await self._witnessing.use(of, Doer(actor, owner, evidence))
        if isinstance(kept, Elsewhere):
            raise Refused("used_elsewhere", at=kept.at, where=kept.where)
        return self._recorded(kept)[0]

    def pin_standing(self, owner: str) -> PinStanding:
        """How their PIN stands. Raises StoreError."""
        return self._pins.standing(owner)

    def try_pin(self, pin: str, *, owner: str, band: BandEvidence) -> PinTried:
        """Judge a PIN typed by whoever wears this band; a wrong one is counted first. Raises StoreError, Refused."""
        held, standing = self._pins.pin_of(owner), self._pins.standing(owner)
        if held is None or standing is not PinStanding.OPEN:
            return PinTried(None, standing)
        is_right = is_pin(pin) and self._pins.is_right(held, pin)
        # The band as it stands now: it may have been blocked since it was tapped.
        assurance = self._recogniser.lifted(band) if is_right else Assurance.A2
        if held.n_wrong or not is_right:
            evidence = Evidence(Assurance.A2.value, band.proof, band.band)
            self.record(
                "try_pin", TryPin(is_right=is_right), owner=owner, actor="customer",
                evidence=evidence,
            )  # fmt: skip
        if not assurance.covers(Assurance.A3):
            return PinTried(None, self._pins.standing(owner), is_right)
        lifted = Evidence(assurance.value, band.proof, band.band)
        return PinTried(lifted, PinStanding.OPEN, is_right)

    def set_pin(self, pin: str, *, owner: str, actor: str, evidence: Evidence) -> Recorded:
        """Give them this PIN; the evidence says that an ID was seen. Raises StoreError, Refused."""
        if not is_pin(pin):
            raise Refused("pin_weak")
        made = self._pins.hashed(owner, pin)
        if made is None:
            raise Refused("pin_no_key")
        return self.record("set_pin", made, owner=owner, actor=actor, evidence=evidence)

    def find(self, text: str, *, limit: int = 20) -> tuple[Found, ...]:
        """Customers by name, phone, e-mail, order number or band. Raises StoreError."""
        return tuple(
            Found(owner=hit.owner, title=hit.title, hint=hit.hint, how=hit.how)
            for hit in self._finder.find(text, limit=limit)
        )

    def profile_of(self, owner: str) -> Profile:
        """Everything this device holds of a customer. Raises StoreError."""
        return self._lookup.profile(owner)

    def waiting(self) -> tuple[Profile, ...]:
        """Everybody of whom something may be open, what is due first before the others. Raises StoreError."""
        return self._open.profiles()

    def expected(self) -> tuple[tuple[Row, Referral], ...]:
        """Who was sent to this store and was not taken yet. Raises StoreError."""
        return self._open.expected()

    def watches(self) -> tuple[ChannelWatch, ...]:
        """The centre's numbers of each channel. Raises StoreError."""
        return self._open.watches()

    def keep_draft(self, draft: NoteDraft) -> None:
        """Keep what was begun, or forget it where there is no text, or the customer went from here. Raises StoreError."""
        is_gone = self._lookup.is_shown() and self._lookup.profile(draft.owner).customer is None
        body = msgspec.json.encode(draft) if draft.text.strip() and not is_gone else b""
        self._drafts.keep(draft.owner, "answer" if draft.answers else "note", body)

    def drafts(self) -> tuple[NoteDraft, ...]:
        """What was begun and not recorded; nothing while people are hidden. Raises StoreError."""
        if not self._lookup.is_shown():
            return ()
        found = []
        for body in self._drafts.kept():
            with contextlib.suppress(msgspec.DecodeError):
                found.append(msgspec.json.decode(body, type=NoteDraft))
        return tuple(found)

    def held(self, key: str) -> Row | None:
        """The row of a key that is no customer's: a product, a price, a stock. Raises StoreError."""
        return self._lookup.row(key)

    def record(
        self, kind: str, args: msgspec.Struct, *, owner: str, actor: str, evidence: Evidence
    ) -> Recorded:
        """Record an operation; durable when this returns. Raises StoreError, Refused."""
        doer = Doer(actor, owner, evidence)
        return self._recorded(self._recorder.record(recorder.Act(kind, args), doer))[0]

    def record_group(
        self, acts: Sequence[Act], *, owner: str, actor: str, evidence: Evidence
    ) -> tuple[Recorded, ...]:
        """Record several operations that are done all or none. Raises StoreError, Refused."""
        doer = Doer(actor, owner, evidence)
        group = [recorder.Act(act.kind, act.args) for act in acts]
        return self._recorded(self._recorder.record_group(group, doer))

    def undo(self, op: str, *, actor: str, evidence: Evidence) -> Recorded:
        """Take back what was recorded here in the last five minutes, with its group. Raises StoreError, Refused."""
        return self._recorded(self._recorder.undo(op, Doer(actor, "", evidence)))[-1]

    def state_of(self, op: str) -> OperationState | None:
        """Where an operation of this device stands; None when it is not here. Raises StoreError."""
        return self._outbox.state_of(op)

    def args_of(self, op: str) -> msgspec.Struct | None:
        """What an operation of this device was recorded with. Raises StoreError."""
        found = self._outbox.operation(op)
        readable = None if found is None else read(found)
        return readable.args if isinstance(readable, Readable) else None

    def replay(
        self,
        op: str,
        *,
        actor: str,
        evidence: Evidence,
        reason: str,
        args: msgspec.Struct | None = None,
    ) -> Recorded:
        """Try what was refused or is held again, as it was or with other arguments. Raises StoreError, Refused."""
        doer = Doer(actor, "", evidence)
        again = self._recorded(self._recorder.replay(op, doer, args=args, reason=reason))
        self._settling.add(op)
        return again[0]

    def void(self, op: str, *, actor: str, evidence: Evidence, reason: str) -> None:
        """Settle what was refused, is held or was torn: nothing more is to be done about it. Raises StoreError, Refused."""
        torn = next((one for one in self._torn.all() if one.op == op), None)
        if torn is not None:
            # The centre never heard of it: what it hears is that it was not given, and why nobody looks any more.
            note = RecordInteraction(
                channel="store",
                direction="note",
                by=actor,
                text=reason,
                about=torn.of,
                audience="internal",
            )
            self.record(
                "record_interaction", note, owner=torn.owner, actor=actor, evidence=evidence
            )
            self._torn.settle(op)
            return
        self._recorded(self._recorder.void(op, Doer(actor, "", evidence), reason=reason))
        self._settling.add(op)

    def _recorded(self, kept: Kept | Refusal) -> tuple[Recorded, ...]:
        if isinstance(kept, Refusal):
            raise Refused(kept.code)
        if self._sync is not None:
            self._sync.runner.wake()
        return tuple(Recorded(op.id, OperationState.RECORDED, kept.waits) for op in kept.ops)

    def unsettled(self) -> tuple[Unsettled, ...]:
        """Operations not settled, oldest first."""
        return (
            tuple(
                Unsettled(
                    op=item.op,
                    kind=item.kind,
                    owner=item.owner,
                    state=item.state,
                    code=item.code,
                    at=item.at,
                    about=item.about,
                    is_settling=item.op in self._settling,
                )
                for item in self._outbox.unsettled()
            )
            + self._held_elsewhere()
            + tuple(
                Unsettled(
                    op=one.op, kind="redeem", owner=one.owner, state=OperationState.HELD,
                    code="torn", at=one.at, about=one.of,
                )
                for one in self._torn.all()
            )
        )  # fmt: skip

    def _held_elsewhere(self) -> tuple[Unsettled, ...]:
        """What other devices of this store recorded and the centre holds."""
        own = self._device.identity.device_id
        found = (row.body for row in self._lookup.rows("decision"))
        held = sorted(
            (
                one
                for one in found
                if isinstance(one, Decision) and one.status == HELD and one.device != own
            ),
            key=lambda one: (one.at, one.id),
        )
        return tuple(
            Unsettled(
                op=one.id,
                kind=one.kind,
                owner="",
                state=OperationState.HELD,
                code=one.code,
                at=one.at,
                is_settling=one.id in self._settling,
                is_elsewhere=True,
            )
            for one in held
        )

    def standing(self) -> Standing:
        """Reader, network, sync age, what is not settled."""
        return standing_of(self._device, self._sync, self._watch)


def standing_of(device: Device, sync: Sync | None, watch: ReaderWatch | None) -> Standing:
    """How a device stands with the world. It answers also when its own files do not: then the strip says that."""
    status = sync.runner.status() if sync is not None else None
    relay = sync.relay.peers.status() if sync is not None and sync.relay else RelayStatus()
    try:
        counts, synced_at = Outbox(device.store).counts(), Feed(device.store).state().synced_at
        counts = replace(counts, n_refused=counts.n_refused + len(TornUses(device.store).all()))
        lease = lease_of(device.store).state()
    except StoreError as error:
        counts, synced_at, store_code, lease = Counts(0, 0), 0, error.code, LeaseState()
    else:
        store_code = status.store_code if status is not None else HERE
        if device.store.ballast is not None and device.store.ballast.is_spent:
            store_code = StoreFull.code
    return Standing(
        reader=watch.code if watch is not None else HERE,
        network=status.network if status is not None else CentreUnreachable.code,
        synced_at=synced_at,
        n_waiting=counts.n_waiting,
        n_refused=counts.n_refused,
        now=micros_of(device.world.clock.now()),
        store_code=store_code,
        reader_since=watch.since if watch is not None else 0,
        network_since=sync.network_since if sync is not None else 0,
        relay=relay.code,
        relay_since=relay.since,
        long=tuple(
            Long(one.what, one.n_done, one.n_total, one.left_s)
            for one in (status.progress if status is not None else ())
        ),
        lease="over" if lease.is_over else "warned" if lease.n_warned else HERE,
        lease_left_us=lease.left_ms * 1_000,
    )


class BandReader:
    """A reader process with all that is done with a band beside reading it: proved from afar, renewed, asked to witness."""

    def __init__(
        self,
        device: Device,
        sync: Sync,
        *,
        spec: str,
        heard: Callable[[Said], None],
        witness: BandWitness | None = None,
    ) -> None:
        """Put it together; used on one event loop.

        Args:
            device: An open device.
            sync: Of the same device.
            spec: Reader as `tapthread reader --reader` takes it.
            heard: Called on the event loop with everything the reader process says.
            witness: Hears it too, and tells the reader process of uses.
        """
        self._sync = sync
        self._heard = heard
        self._witness = witness
        self._link = ReaderLink(
            spec=spec, keys=CacheKeys(device.store), heard=self._hear, clock=device.world.clock
        )
        self._refresher = CapsuleRefresher(
            device.store,
            ask=lambda band, size: sync.runner.capsule(band, size=size),
            tell=self._link.tell,
        )
        lookup = Lookup(device.store)
        self._prover = RemoteProver(
            Around(
                ready=sync.bands.ready,
                ask=sync.bands.prove,
                want=lambda want: sync.runner.want((want,)),
                is_held=lambda band: _is_wearer_held(lookup, band),
                is_online=lambda: _is_askable(sync.runner.status()),
                tell=self._link.tell,
                again=heard,
            ),
            vouched=device.vouched,
        )
        if witness is not None:
            witness.connect(self._link.tell)

    async def run(self) -> None:
        """Keep the reader process until this task is cancelled."""
        try:
            await self._link.run()
        finally:
            self._refresher.close()
            self._prover.close()

    def _hear(self, said: Said) -> None:
        if self._witness is not None:
            self._witness.heard(said)
        # Somebody is here: a good moment to look whether the centre answers again.
        if isinstance(said, Seen) and self._sync.runner.status().network != HERE:
            self._sync.runner.hurry()
        self._heard(said)
        self._refresher.heard(said)  # last: the page comes first
        self._prover.heard(said)


@asynccontextmanager
async def living(
    device: Device,
    sync: Sync,
    *,
    spec: str,
    heard: Callable[[Said], None],
    witness: BandWitness | None = None,
) -> AsyncIterator[None]:
    """The device with its sync thread and its reader process running, until the block ends.

    Args:
        device: An open device; its owner closes it.
        sync: Of the same device, not started yet.
        spec: Reader as `tapthread reader --reader` takes it.
        heard: Called on the event loop with everything the reader process says.
        witness: Hears it too, and tells the reader process of uses.
    """
    reader = BandReader(device, sync, spec=spec, heard=heard, witness=witness)
    sync.start()
    reading = asyncio.create_task(reader.run())
    listing = asyncio.create_task(keep_denied(sync, device.world.clock))
    try:
        yield
    finally:
        reading.cancel()
        listing.cancel()
        await asyncio.gather(
            reading, listing, asyncio.to_thread(sync.stop), return_exceptions=True
        )


def _is_wearer_held(lookup: Lookup, band: str) -> bool:
    """Whether this device knows who wears a band. That it knows the band is not enough: all stores know all bands."""
    sighting = lookup.by_band(band)
    return sighting is not None and sighting.profile.customer is not None


def _is_askable(status: SyncStatus) -> bool:
    """Whether the centre answered the last time, or nobody asked it yet."""
    return status.network == HERE or not status.is_asked


async def keep_denied(sync: Sync, clock: Clock) -> None:
    """Have the newest deny list now and then, while the centre answers: leases bring it far less often."""
    while True:
        await clock.pause_ms(DENY_EVERY_MS)
        if sync.runner.status().network != HERE:
            continue
        with contextlib.suppress(CentreError, StoreError):  # the next one comes soon enough
            await asyncio.wrap_future(sync.runner.fetch_deny())


def post_of(device: Device, *, clerk: str) -> Post:
    """Where a counter stands and who serves at it, from the rows this device holds. Raises StoreError."""
    lookup = Lookup(device.store)
    names = {
        row.body.id: row.body.name
        for row in lookup.rows("staff")
        if isinstance(row.body, Staff)
    }
    stores = {
        row.body.id: row.body.name
        for row in lookup.rows("store")
        if isinstance(row.body, Store)
    }
    return Post(
        store=device.identity.store,
        clerk=clerk,
        clerk_name=names.get(clerk, clerk),
        stores=stores,
        staff=names,
    )


def customer_parts(device: Device, desk: StoreDesk) -> "Parts":
    """What the customer's side of the screen is made of, over this device's files."""
    from kiosk.ui.bridge import Parts  # 0.4 s, which a program without a screen need not wait

    recogniser, lookup = LocalRecogniser(device), Lookup(device.store)
    return Parts(
        recogniser=recogniser,
        evidence_of=recogniser.evidence,
        shop=lambda: device.shop(lookup),
        clock=device.world.clock,
        entropy=device.world.entropy,
        desk=desk,
        language=device.language,
    )
