"""A band whose key is not here, proved by whoever has it while it lies on the reader; nothing that goes wrong fails the tap."""

from collections.abc import Callable
from threading import Timer

import pytest

from drivers.lines import Challenge, Prove, Proved, Response, Said
from drivers.proof import ChipFamily, ProofKind
from drivers.pump import RETRIES_MAX
from kiosk.band_keys import BandKeyFiles
from sync.central.errors import BandNotProved
from tests.drivers.test_pump import Scene
from tests.support.bands import GROUP_KEY, ISSUING_KEY, REFERENCE, UID, band
from tests.support.chip_bands import ntag424

pytestmark = pytest.mark.timeout(20)

RND_A = bytes(range(0x60, 0x70))


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
            token, self._rnd_b = self.keys.answer_chip(uid, data, RND_A)
            return Response(challenge.tap, 1, data=token.hex())
        try:
            opened = self.keys.open_chip(uid, data, rnd_a=RND_A, rnd_b=self._rnd_b)
        except BandNotProved:
            return Response(challenge.tap, 2)
        return Response(
            challenge.tap, 2, enc=opened.enc.hex(), mac=opened.mac.hex(), ti=opened.ti.hex()
        )


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


def test_an_ntag_424_without_a_lease_is_proved_in_the_same_way() -> None:
    scene = RemoteScene()

    scene.play(scene.present(ntag424()), scene.remove())

    assert [(one.kind, one.family) for one in scene.proofs()] == [
        (ProofKind.NONE.value, ChipFamily.NTAG424.value),
        (ProofKind.MUTUAL.value, ChipFamily.NTAG424.value),
    ]


def test_an_ntag_424_that_speaks_lrp_stays_named() -> None:
    scene = RemoteScene()

    scene.play(scene.present(ntag424(is_lrp=True)), scene.remove())

    assert [one.kind for one in scene.proofs()] == ["none"]
    assert scene.asked == []


def test_an_ev1_is_not_offered_to_be_proved_from_afar() -> None:
    scene = RemoteScene()

    scene.play(scene.present(band(ev=1)), scene.remove())

    assert [(one.kind, one.is_provable) for one in scene.proofs()] == [("none", False)]
    assert scene.asked == []


def test_a_copy_that_does_not_hold_the_key_stays_named_and_the_tap_stands() -> None:
    scene = RemoteScene()

    scene.play(scene.present(band(key=bytes(16))), scene.remove())

    assert [one.kind for one in scene.proofs()] == ["none"]
    assert not any(word.startswith("failed") for word in scene.names())


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
        Response(1, 2, enc="00" * 16, mac="00" * 16, ti="00" * 4),
        Response(1, 2, enc="00" * 15, mac="00" * 16, ti="00" * 4),
        Response(2, 1, data="00" * 32),
        Response(2, 2, enc="00" * 16, mac="00" * 16, ti="00" * 4),
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


def test_a_band_that_comes_and_goes_does_not_ask_a_silent_centre_for_ever() -> None:
    scene = RemoteScene()
    scene.remote_ms = 1
    scene.spoil = lambda response: None

    scene.play(*[scene.present(band()), scene.remove()] * (RETRIES_MAX + 3))

    assert len(scene.proofs()) == 1 + RETRIES_MAX
    assert {one.tap for one in scene.proofs()} == {1}


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
    response = Response(1, 2, data="ab" * 16, enc="cd" * 16, mac="ef" * 16, ti="12345678")
    challenge = Challenge(1, UID.hex(), 1, "ab" * 16)

    said = repr(response) + str(response) + repr(challenge)

    for secret in ("abab", "cdcd", "efef", "12345678", UID.hex()):
        assert secret not in said
