"""An encoder station's keys, chips fresh from the factory, and what stands on a band, for comparing."""

from collections.abc import Callable
from functools import cache

from drivers.credential.kdf import diversified
from drivers.credential.layout import band_id_of_uid, diversification_input
from drivers.issuing.desfire import DesfireBand, Means
from drivers.issuing.plan import Plan
from drivers.issuing.ports import IssuedKey
from drivers.issuing.steps import Standing
from hardware.entropy import SeededEntropy
from hardware.virtual.band import VirtualBand
from hardware.virtual.desfire import VirtualDesfire
from hardware.virtual.originality import DESFIRE_TEST_KEY
from tests.support.bands import ChipConnection, target_of

UID = bytes.fromhex("04A1B2C3D4E5F6")
GROUP, MASTER, ISSUER = (bytes([n]) * 16 for n in (0xA1, 0xB2, 0xC3))
VERSION = 1


class TestStationKeys:
    """Keys from three of its own, as a station's key files give them."""

    __test__ = False

    def group_key(self) -> IssuedKey:
        return IssuedKey(GROUP, VERSION)

    def band_key(self, uid: bytes) -> IssuedKey:
        return IssuedKey(diversified(MASTER, diversification_input(uid)), VERSION)

    def application_key(self, uid: bytes) -> IssuedKey:
        return IssuedKey(diversified(ISSUER, diversification_input(uid)), VERSION)

    def chip_key(self, uid: bytes) -> IssuedKey:
        return IssuedKey(diversified(ISSUER, uid + bytes(3) + b"TAPTHREAD"), VERSION)

    def uid_hash(self, uid: bytes) -> str:
        return band_id_of_uid(GROUP, uid)


@cache
def signature(uid: bytes = UID) -> bytes:
    """What a test factory signs a UID with."""
    return DESFIRE_TEST_KEY.sign(uid)


@cache
def _public() -> bytes:
    return DESFIRE_TEST_KEY.public


def maker_keys(_generation: int) -> tuple[bytes, ...]:
    """The public key of the test factory."""
    return (_public(),)


def fresh(*, uid: bytes = UID, ev: int = 2, is_signed: bool = True) -> VirtualDesfire:
    """A DESFire as delivered."""
    signed = signature(uid) if is_signed and ev > 1 else b""
    return VirtualDesfire.fresh(uid=uid, ev=ev, entropy=SeededEntropy("chip"), signature=signed)


def means(plan: Plan | None = None) -> Means:
    """Everything the work on a band needs."""
    return Means(plan or Plan(), TestStationKeys(), SeededEntropy("station"), maker_keys)


def held(band: VirtualBand, plan: Plan | None = None) -> DesfireBand:
    """A band laid on the station's reader: powered anew."""
    chip = band.power_up()
    return DesfireBand(ChipConnection(chip), target_of(chip), means(plan))


def straight(_step: str, do: Callable[[], None]) -> None:
    """Do a step and tell nobody."""
    do()


def issued(
    band: VirtualBand, *, reference: bytes = b"R" * 16, plan: Plan | None = None
) -> Standing:
    """Look at the band and do what it lacks, in one activation."""
    work = held(band, plan)
    standing = work.look()
    work.finish(reference=reference, note=straight)
    return standing


def state_of(band: VirtualDesfire) -> tuple[object, ...]:
    """All that lasts on a band."""
    return (
        band.applications, band.contents, band.values, band.records, band.picc,
        band.has_random_uid,
    )  # fmt: skip
