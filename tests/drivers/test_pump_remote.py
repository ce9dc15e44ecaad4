"""A band whose key is not here, proved by whoever has it while it lies on the reader; nothing that goes wrong fails the tap."""

from collections.abc import Callable
from functools import partial
from threading import Timer
from typing import Any

import pytest

from drivers.chips.afterwards import is_provable
from drivers.chips.reading_pages import read_pages
from drivers.credential.originality import Maker
from drivers.errors import ReaderFault
from drivers.lines import Challenge, GroupKey, Prove, Proved, Response, Said
from drivers.proof import ChipFamily, Proof, ProofKind
from drivers.pump import RETRIES_MAX, Hearing, Means
from hardware.entropy import SeededEntropy
from hardware.virtual.originality import ULTRALIGHT_AES_TEST_KEY
from kiosk.band_keys import BandKeyFiles
from kiosk.proving import PROVE_MS
from sync.central.errors import BandNotProved
from tests.drivers.test_pump import Scene
from tests.support.bands import GROUP_KEY, ISSUING_KEY, REFERENCE, UID, band
from tests.support.chip_bands import ntag424, ultralight_aes
from tests.support.readers import FakeReader

pytestmark = pytest.mark.timeout(20)

RND_A = bytes(range(0x60, 0x70))

ILLEGAL = b"\x91\x1c"
"""What a chip says to a command it does not know."""

BANDS: dict[str, Callable[..., Any]] = {
    "ev2": band,
    "ev1": partial(band, ev=1),
    "lrp": partial(ntag424, is_lrp=True),
    "mful": partial(ultralight_aes, is_random=True),
}
"""A band of each dialect."""


class RemoteScene(Scene):
    """The same scene with a centre behind it, which answers as it is told to."""

    def __init__(self) -> None:
        super().__init__(leased=())
        self.keys = BandKeyFiles(ISSUING_KEY, GROUP_KEY)
        self.asked: list[Challenge] = []
        self.spoil: Callable[[Response], Response | None] = lambda response: response
        self.is_asking = True
        self._rnd_b = b""

    def _say(self, value: Said) -> None:
        super()._say(value)
        match value:
            case Proved(is_provable=True) if self.is_asking:
                self.hearing.tell(Prove(value.tap))
            case Challenge():
                self.asked.append(value)
                response = self.spoil(self._answer(value))
                if response is not None:
                    self.hearing.tell(response)
            case _:
                pass

    def _answer(self, challenge: Challenge) -> Response:
        uid, data = bytes.fromhex(challenge.uid), bytes.fromhex(challenge.data)
        if challenge.step == 1:
            token, self._rnd_b = self.keys.answer_chip(
                uid, data, RND_A, dialect=challenge.dialect
            )
            return Response(challenge.tap, 1, data=token.hex())
        try:
            opened = self.keys.open_chip(
                uid, data, rnd_a=RND_A, rnd_b=self._rnd_b, dialect=challenge.dialect
            )
        except BandNotProved:
            return Response(challenge.tap, 2)
        return Response(challenge.tap, 2, keys=opened.keys.hex(), ti=opened.ti.hex())


@pytest.mark.parametrize("is_random", [False, True])
def test_a_band_without_a_lease_is_named_first_and_proved_when_the_centre_answers(
    is_random: bool,
) -> None:
    scene = RemoteScene()

    scene.play(scene.present(band(is_random=is_random)), scene.remove())

    first, second = scene.proofs()
    assert (first.kind, second.kind) == ("none", "mutual")
    assert (first.tap, second.tap) == (1, 1)
    assert first.band == second.band == REFERENCE.hex()
    assert (second.uid, second.generation, second.is_provable) == (UID.hex(), 2, False)
    assert second.n_exchanges == first.n_exchanges + 4
    assert [one.step for one in scene.asked] == [1, 2]
    assert scene.names()[-1] == "left 1"


@pytest.mark.parametrize(
    ("took_ms", "waits"), [(0, [400, 400]), (300, [400, 100]), (500, [400, 0])]
)
def test_both_answers_together_have_400_ms(took_ms: int, waits: list[int]) -> None:
    scene, waited = RemoteScene(), []

    class Watched(Hearing):
        def response_to(self, tap: int, step: int, timeout_ms: int) -> Response | None:
            waited.append(timeout_ms)
            scene.clock.sleep_ms(took_ms)
            return super().response_to(tap, step, timeout_ms)

    scene.hearing = Watched()
    scene.script._at_end = scene.hearing.end
    scene.hearing.tell(GroupKey(GROUP_KEY.hex()))
    means = Means(scene.clock, SeededEntropy("reader"))
    scene.remote_ms = means.remote_ms

    scene.play(scene.present(band()), scene.remove())

    assert waited == waits
    assert means.remote_ms == PROVE_MS


def test_an_ntag_424_without_a_lease_is_proved_in_the_same_way() -> None:
    scene = RemoteScene()

    scene.play(scene.present(ntag424()), scene.remove())

    assert [(one.kind, one.family) for one in scene.proofs()] == [
        (ProofKind.NONE.value, ChipFamily.NTAG424.value),
        (ProofKind.MUTUAL.value, ChipFamily.NTAG424.value),
    ]


@pytest.mark.parametrize("is_random", [False, True])
def test_an_ntag_424_that_speaks_lrp_is_proved_in_lrp(is_random: bool) -> None:
    scene = RemoteScene()

    scene.play(scene.present(ntag424(is_lrp=True, is_random=is_random)), scene.remove())

    first, second = scene.proofs()
    assert (first.kind, second.kind) == ("none", "mutual")
    assert (second.uid, second.band, second.generation) == (UID.hex(), REFERENCE.hex(), 2)
    assert [(one.step, one.dialect) for one in scene.asked] == [(1, "lrp"), (2, "lrp")]


def test_an_ev1_is_proved_as_an_ev1_and_said_to_be_one() -> None:
    scene = RemoteScene()

    scene.play(scene.present(band(ev=1)), scene.remove())

    first, second = scene.proofs()
    assert (first.kind, second.kind) == ("none", "mutual")
    assert (second.uid, second.band, second.generation) == (UID.hex(), REFERENCE.hex(), 1)
    assert [(one.step, one.dialect) for one in scene.asked] == [(1, "ev1"), (2, "ev1")]


def test_an_ultralight_aes_that_nobody_here_can_read_is_proved_and_read() -> None:
    scene = RemoteScene()

    scene.play(scene.present(ultralight_aes(is_random=True)), scene.remove())

    first, second = scene.proofs()
    assert (first.kind, first.band, first.is_provable) == ("none", None, True)
    assert (second.kind, second.uid, second.band) == ("mutual", UID.hex(), REFERENCE.hex())
    assert (second.family, second.generation) == ("ultralight_aes", 2)
    assert [(one.step, one.dialect) for one in scene.asked] == [(1, "mful"), (2, "mful")]


def test_one_that_shows_its_uid_is_known_by_its_makers_signature_and_then_proved(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    makers = {Maker.ULTRALIGHT_AES: ULTRALIGHT_AES_TEST_KEY.public}
    monkeypatch.setattr(read_pages, "__kwdefaults__", {"makers": makers})
    scene = RemoteScene()

    scene.play(scene.present(ultralight_aes()), scene.remove())

    first, second = scene.proofs()
    assert (first.kind, first.band, first.is_provable) == ("originality", None, True)
    assert (second.kind, second.uid, second.band) == ("mutual", UID.hex(), REFERENCE.hex())


def test_whoever_stands_between_cannot_make_a_newer_band_prove_itself_as_an_older_one() -> None:
    """It knew EV2First when it was read; when that is refused a moment later, nothing is asked and nothing proved."""
    scene = RemoteScene()

    def refuse(number: int, answer: bytes) -> bytes:
        return ILLEGAL if scene.proofs() and number == 2 else answer

    scene.reader.spoil = refuse
    scene.play(scene.present(band()), scene.remove())

    assert [one.kind for one in scene.proofs()] == ["none"]
    assert scene.asked == []


@pytest.mark.parametrize("dialect", BANDS)
def test_a_copy_that_does_not_hold_the_key_stays_named_and_the_tap_stands(dialect: str) -> None:
    scene = RemoteScene()

    scene.play(scene.present(BANDS[dialect](key=bytes(16))), scene.remove())

    assert [one.kind for one in scene.proofs()] == ["none"]
    assert {one.dialect for one in scene.asked} == {dialect}
    assert not any(word.startswith("failed") for word in scene.names())


@pytest.mark.parametrize("dialect", BANDS)
@pytest.mark.parametrize("step", [1, 2])
def test_a_silent_centre_leaves_any_band_as_it_was(dialect: str, step: int) -> None:
    scene = RemoteScene()
    scene.remote_ms = 30
    scene.spoil = lambda response: None if response.step == step else response

    scene.play(scene.present(BANDS[dialect]()), scene.remove())

    assert [one.kind for one in scene.proofs()] == ["none"]
    assert scene.names()[-1] == "left 1"


@pytest.mark.parametrize("dialect", BANDS)
def test_what_a_centre_said_to_an_earlier_tap_opens_no_later_one(dialect: str) -> None:
    scene, again, chip = RemoteScene(), RemoteScene(), BANDS[dialect]()
    kept: list[Response] = []

    def keep(response: Response) -> Response:
        kept.append(response)
        return response

    scene.spoil = keep
    again.spoil = lambda response: kept[response.step - 1]

    scene.play(scene.present(chip), scene.remove())
    again.play(again.present(chip), again.remove())

    assert [one.kind for one in scene.proofs()] == ["none", "mutual"]
    assert [one.kind for one in again.proofs()] == ["none"]


@pytest.mark.parametrize("step", [1, 2])
@pytest.mark.parametrize(
    "spoiled",
    [
        None,
        Response(1, 1),
        Response(1, 2),
        Response(1, 1, data="00"),
        Response(1, 1, data="zz"),
        Response(1, 1, data="00" * 32),
        Response(1, 2, keys="00" * 32, ti="00" * 4),
        Response(1, 2, keys="00" * 31, ti="00" * 4),
        Response(1, 2, keys="00" * 32),
        Response(1, 2, keys="00" * 16, ti="00" * 4),
        Response(2, 1, data="00" * 32),
        Response(2, 2, keys="00" * 32, ti="00" * 4),
    ],
)
def test_no_answer_and_a_wrong_one_leave_the_page_as_it_is(
    step: int, spoiled: Response | None
) -> None:
    scene = RemoteScene()
    scene.spoil = lambda response: spoiled if response.step == step else response
    scene.remote_ms = 30

    scene.play(scene.present(band()), scene.remove())

    assert [one.kind for one in scene.proofs()] == ["none"]
    assert scene.names()[-1] == "left 1"
    assert not any(word.startswith("failed") for word in scene.names())


def test_a_band_that_leaves_in_the_middle_of_it_leaves_the_page_as_it_is() -> None:
    scene = RemoteScene()

    def leave(response: Response) -> Response:
        scene.field.remove()
        return response

    scene.spoil = leave

    scene.play(scene.present(band()))

    assert [one.kind for one in scene.proofs()] == ["none"]
    assert scene.names()[-1] == "left 1"


@pytest.mark.parametrize("is_random", [False, True])
def test_a_band_held_there_again_because_the_centre_was_silent_is_proved_in_the_same_tap(
    is_random: bool,
) -> None:
    scene = RemoteScene()
    scene.remote_ms = 30
    scene.spoil = lambda response: None

    def centre_is_back() -> None:
        scene.spoil = lambda response: response

    again = band(is_random=is_random)
    scene.play(
        scene.present(again),
        scene.remove(),
        centre_is_back,
        scene.present(again),
        scene.remove(),
    )

    assert [(one.tap, one.kind) for one in scene.proofs()] == [
        (1, "none"),
        (1, "none"),
        (1, "mutual"),
    ]
    assert [word for word in scene.names() if word.startswith("seen")] == ["seen 1"]
    assert scene.names()[-1] == "left 1"


def test_an_answer_that_comes_too_late_is_not_taken_for_the_one_of_the_next_time() -> None:
    scene = RemoteScene()
    scene.remote_ms = 400
    scene.spoil = lambda response: None

    def answer_later(response: Response) -> None:
        Timer(0.01, scene.hearing.tell, (response,)).start()

    def centre_is_back() -> None:
        scene.hearing.tell(Response(1, 1))
        scene.spoil = answer_later

    scene.play(
        scene.present(band()),
        scene.remove(),
        centre_is_back,
        scene.present(band()),
        scene.remove(),
    )

    assert [one.kind for one in scene.proofs()] == ["none", "none", "mutual"]


def test_once_it_is_proved_a_band_held_there_again_is_said_no_more() -> None:
    scene = RemoteScene()

    scene.play(scene.present(band()), scene.remove(), scene.present(band()), scene.remove())

    assert [one.kind for one in scene.proofs()] == ["none", "mutual"]
    assert len(scene.asked) == 2


@pytest.mark.parametrize("is_again", [False, True])
def test_a_reader_that_dies_while_a_band_is_proved_from_afar_says_that_the_band_left(
    is_again: bool,
) -> None:
    scene = RemoteScene()
    scene.remote_ms = 1
    scene.spoil = lambda response: None
    first = scene.reader
    again = [scene.present(band()), scene.remove(), scene.wait(500)] if is_again else []

    def dies(response: Response) -> Response:
        first.fault = ReaderFault("nonsense")
        scene.reader = FakeReader(scene.field, scene.clock, scene.script)
        scene.is_asking = False
        return response

    def will_die() -> None:
        scene.remote_ms = 400
        scene.spoil = dies

    scene.play(*again, will_die, scene.present(band()), scene.wait(500), scene.remove())

    words = [word for word in scene.names() if word.split()[0] in {"seen", "proved", "left"}]
    assert words == [
        "seen 1",
        *["proved 1 none", "left 1"] * (2 if is_again else 1),
        # read anew on the reader that was opened again: still the same tap
        "proved 1 none", "left 1",
    ]  # fmt: skip


def test_a_band_that_comes_and_goes_does_not_ask_a_silent_centre_for_ever() -> None:
    scene = RemoteScene()
    scene.remote_ms = 1
    scene.spoil = lambda response: None

    scene.play(*[scene.present(band()), scene.remove()] * (RETRIES_MAX + 3))

    assert len(scene.proofs()) == 1 + RETRIES_MAX
    assert {one.tap for one in scene.proofs()} == {1}


def test_a_band_that_bears_another_reference_than_a_moment_ago_stays_named() -> None:
    """One that was read from a copy, and another one of the same UID answers for it."""

    class Exchanged(RemoteScene):
        def _say(self, value: Said) -> None:
            if isinstance(value, Proved):
                self.reader._chip = band(reference=b"another band's!!").power_up()
            super()._say(value)

    scene = Exchanged()

    scene.play(scene.present(band()), scene.remove())

    assert [one.step for one in scene.asked] == [1, 2]
    assert [(one.kind, one.band) for one in scene.proofs()] == [("none", REFERENCE.hex())]


def test_a_band_held_there_again_that_nobody_asks_about_lies_there_until_it_leaves() -> None:
    scene = RemoteScene()
    scene.is_asking = False

    scene.play(
        scene.present(band()),
        scene.remove(),
        scene.wait(500),
        scene.present(band()),
        scene.remove(),
    )

    assert scene.asked == []
    assert scene.names()[1:] == [
        "seen 1", "key_wanted 1", "proved 1 none", "left 1", "proved 1 none", "left 1",
    ]  # fmt: skip


@pytest.mark.parametrize("named", [None, REFERENCE])
@pytest.mark.parametrize("uid", [None, UID])
@pytest.mark.parametrize("family", list(ChipFamily))
@pytest.mark.parametrize("kind", list(ProofKind))
def test_whoever_has_keys_is_asked_about_bands_that_may_be_ours_and_are_not_proved(
    kind: ProofKind, family: ChipFamily, uid: bytes | None, named: bytes | None
) -> None:
    is_ours = family is ChipFamily.ULTRALIGHT_AES or (
        family in (ChipFamily.DESFIRE, ChipFamily.NTAG424) and named is not None
    )
    is_open = kind not in (ProofKind.MUTUAL, ProofKind.CRYPTOGRAM)

    asked = is_provable(Proof(kind, family, 2, uid, named))

    assert asked is (is_ours and is_open and uid is not None)


def test_a_band_nobody_asks_to_prove_is_left_alone() -> None:
    scene = RemoteScene()
    scene.is_asking = False

    scene.play(scene.present(band()), scene.remove())

    assert scene.asked == []
    assert [one.kind for one in scene.proofs()] == ["none"]


def test_an_order_about_an_older_tap_is_not_followed() -> None:
    scene = RemoteScene()
    scene.is_asking = False
    scene.hearing.tell(Prove(7))

    scene.play(scene.present(band()), scene.remove())

    assert scene.asked == []


def test_the_keys_of_a_session_are_in_no_words_of_the_pipe() -> None:
    response = Response(1, 2, data="ab" * 16, keys="cd" * 16 + "ef" * 16, ti="12345678")
    challenge = Challenge(1, UID.hex(), 1, "ab" * 16, "lrp")

    said = repr(response) + str(response) + repr(challenge)

    for secret in ("abab", "cdcd", "efef", "12345678", UID.hex()):
        assert secret not in said
