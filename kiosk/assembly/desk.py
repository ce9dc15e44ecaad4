"""What a counter can ask and do, over this device's files."""

import contextlib
from collections.abc import Sequence
from typing import Final

import msgspec

from kiosk.assembly.device import Device
from kiosk.assembly.reading import ReaderWatch
from kiosk.assembly.recognising import LocalRecogniser
from kiosk.assembly.standing import standing_of
from kiosk.assembly.syncing import Sync
from kiosk.core.pin_digits import is_pin
from kiosk.core.policy import (
    Assurance,
)
from kiosk.core.ports import (
    HERE,
    Act,
    BandEvidence,
    Found,
    NoteDraft,
    PinStanding,
    PinTried,
    Recorded,
    Refused,
    Standing,
    Unsettled,
)
from kiosk.pins import PinBook
from kiosk.witnessing import BandWitness, Elsewhere, Witnessing
from sync.edge import recorder
from sync.edge.drafts import Drafts
from sync.edge.find import Finder
from sync.edge.lookup import Lookup
from sync.edge.open_things import OpenThings
from sync.edge.outbox import Outbox
from sync.edge.recorder import Doer, Kept, Recorder
from sync.edge.torn import TornUses
from sync.model.operation import Evidence, OperationState, Refusal
from sync.model.operations.record_interaction import RecordInteraction
from sync.model.operations.try_pin import TryPin
from sync.model.profile import Profile
from sync.model.records import (
    ChannelWatch,
    Decision,
    Referral,
)
from sync.model.registry import Readable, read
from sync.model.row import Row

HELD: Final = OperationState.HELD.value


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
