"""The page of the library: every example on it runs, and what it says there is, there is."""

import hashlib
import json
import re
import subprocess
import sys
import tomllib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

import drivers.errors
from drivers.chips.desfire import Desfire
from drivers.chips.reading import read_band
from drivers.chips.reading_pages import read_pages
from drivers.connection import Connection
from drivers.credential.originality import Maker
from drivers.errors import Delivery, DriverError
from drivers.issuing.plan import Chip, practice_example
from drivers.proof import ProofKind
from drivers.readers.base import Reader
from drivers.readers.opening import opened
from drivers.target import Target
from hardware.clock import SystemClock
from hardware.entropy import SeededEntropy
from hardware.virtual.band import VirtualBand
from hardware.virtual.catalogue import sample_band, uid_of
from hardware.virtual.desfire import VirtualDesfire
from hardware.virtual.faults import Fault, FaultKind, FaultyBand
from hardware.virtual.field import Field
from hardware.virtual.originality import DESFIRE_TEST_KEY, NTAG21X_TEST_KEY
from hardware.virtual.private_pcscd import PrivatePcscd
from hardware.virtual.vpcd import VirtualVpcd
from tests.support import chip_bands
from tests.support.bands import REFERENCE, UID, Keys, band, band_key
from tests.support.commands import ANSWER_S, running
from tests.support.private_pcscd import _private_pcscd, private_pcscd  # noqa: F401  # fixtures
from tests.support.virtual_reader import VirtualReader, virtual_reader  # noqa: F401  # fixtures

ROOT = Path(drivers.errors.__file__).parents[1]
PAGE = (ROOT / "drivers" / "README.md").read_text()
LIBRARY = PAGE.partition("\n## What a tap costs")[0]
"""The page above the counting of bytes."""

EXAMPLES = dict(
    re.findall(r"^### ([^\n]+)\n\n```python\n(.*?)^```", LIBRARY, re.DOTALL | re.MULTILINE)
)
"""Code by its heading."""

KEY, OWN_KEY = bytes(range(16)), bytes(range(16, 32))

Shown = Callable[[VirtualBand], tuple[Connection, Target]]


@dataclass
class Screen:
    """What an example prints; with `at_print` something happens whenever it does."""

    lines: list[str]
    at_print: Callable[[], None] = lambda: None

    def show(self, *words: object) -> None:
        self.lines.append(" ".join(map(str, words)))
        self.at_print()


def run(heading: str, **given: Any) -> list[str]:
    """Run an example with what it is given; the lines it prints."""
    screen = Screen([])
    names = {"print": screen.show, **given}
    exec(compile(EXAMPLES[heading], heading, "exec"), names)
    return screen.lines


def held_to(reader: Reader, field: Field) -> Shown:
    """Holds a band to a reader."""

    def show(band: VirtualBand) -> tuple[Connection, Target]:
        field.present(band)
        for _ in range(10):
            target = reader.wait_for_target(500)
            if target is not None:
                return reader.connect(target), target
        raise AssertionError("the reader does not see the band")

    return show


@pytest.fixture
def shown(virtual_reader: VirtualReader) -> Iterator[Shown]:  # noqa: F811  # a fixture
    """Hold a band to a virtual PN532: the connection and the target an example has."""
    with opened(f"pn532:{virtual_reader.path}", SystemClock()) as reader:
        yield held_to(reader, virtual_reader.field)


def sample(name: str) -> VirtualBand:
    return sample_band(name, entropy=SeededEntropy(name))


def test_every_example_is_run_by_a_test_here() -> None:
    here = Path(__file__).read_text()

    assert LIBRARY.count("```python") == len(EXAMPLES) == 12
    assert [heading for heading in EXAMPLES if f'"{heading}"' not in here] == []


@pytest.mark.parametrize("kind", ["pn532", "pcsc"])
def test_a_reader_is_opened_and_says_what_lies_on_it_until_it_is_taken_away(
    request: pytest.FixtureRequest, kind: str
) -> None:
    example = EXAMPLES["A reader, and what lies on it"]
    assert example.count('"pcsc"') == 1
    if kind == "pn532":
        virtual: VirtualReader = request.getfixturevalue("virtual_reader")
        field, spec = virtual.field, f"pn532:{virtual.path}"
    else:
        daemon: PrivatePcscd = request.getfixturevalue("private_pcscd")
        field, spec = Field(), "pcsc"
        slot = VirtualVpcd(field=field, host="127.0.0.1", port=daemon.port)
        slot.start()
        request.addfinalizer(slot.close)
    field.present(sample("desfire-ev2"))
    screen = Screen([], at_print=field.remove)

    exec(example.replace('"pcsc"', f'"{spec}"'), {"print": screen.show})

    assert screen.lines == [f"DESFire EV2 {uid_of('desfire-ev2').hex()}"]
    assert field.bands == ()


@pytest.mark.parametrize(
    ("name", "address"),
    [
        ("ntag213", "https://tap.example/ntag21x"),
        ("ntag424", "https://tap.example/ntag424"),
        ("felica", "https://tap.example/felica"),
        ("telephone-message", "https://tap.example/type4"),
    ],
)
def test_a_message_is_read_of_any_tag(shown: Shown, name: str, address: str) -> None:
    connection, target = shown(sample(name))

    lines = run("A message on any tag", connection=connection, target=target)

    assert lines == [address]


@pytest.mark.parametrize("ev", [1, 2, 3])
def test_a_desfire_is_set_up_and_used(shown: Shown, ev: int) -> None:
    band = VirtualDesfire.fresh(uid=UID, ev=ev, entropy=SeededEntropy("fresh"))
    screen = Screen([])
    names: dict[str, Any] = {"print": screen.show, "key": KEY, "own_key": OWN_KEY}

    for heading in ("A DESFire from the factory, set up", "And used", "And used"):
        names["connection"], _ = shown(band)
        exec(EXAMPLES[heading], names)

    uid = UID.hex()
    assert screen.lines == [
        "(1, 2) 1",
        f"{uid} 2000", "two coffees 1160",
        f"{uid} 1160", "two coffees 320",
    ]  # fmt: skip
    assert names["generation"] == min(ev, 2)


@pytest.mark.parametrize(
    ("kind", "said"), [(FaultKind.TEAR_ANSWER, "paid"), (FaultKind.TEAR_COMMAND, "not paid")]
)
def test_a_commit_that_broke_off_is_read_back(
    virtual_reader: VirtualReader,  # noqa: F811  # a fixture
    shown: Shown,
    kind: FaultKind,
    said: str,
) -> None:
    band = VirtualDesfire.fresh(uid=UID, ev=2, entropy=SeededEntropy("fresh"))
    screen = Screen([])
    names: dict[str, Any] = {"print": screen.show, "key": KEY, "own_key": OWN_KEY}
    names["connection"], _ = shown(band)
    exec(EXAMPLES["A DESFire from the factory, set up"], names)

    def opened_again(band: VirtualBand = band) -> Desfire:
        chip = Desfire(shown(band)[0], SeededEntropy("again"))
        chip.select(names["AID"])
        chip.authenticate(2, KEY)
        return chip

    # Select, two of the authentication, the value, the debit: the commit is the sixth command.
    sixth = FaultyBand(band, Fault(kind, 6), field=virtual_reader.field, clock=SystemClock())
    names |= {"chip": opened_again(sixth), "opened_again": opened_again}
    exec(EXAMPLES["A commit that broke off"], names)

    assert screen.lines[1:] == [said]


def test_an_ntag424_gets_a_link_that_verifies(shown: Shown) -> None:
    connection, target = shown(sample("ntag424-new"))

    lines = run(
        "An NTAG 424 from the factory, with a link that proves each tap",
        connection=connection,
        target=target,
        meta_key=KEY,
        mac_key=OWN_KEY,
    )

    assert lines == ["True 1"]


def test_a_desfire_that_heard_native_commands_takes_no_apdu_as_the_page_says(
    shown: Shown,
) -> None:
    connection, _ = shown(sample("desfire-ev2"))
    native = connection.transmit(bytes.fromhex("9060000000"))

    answer = connection.transmit(bytes.fromhex("00A4040007D276000085010100"))

    assert native[-2:] == bytes.fromhex("91AF")
    assert answer[-2] == 0x91
    assert answer[-1] != 0


def test_a_band_of_ours_proves_itself(shown: Shown) -> None:
    connection, target = shown(band())

    lines = run(
        "What a band of ours proves",
        connection=connection,
        target=target,
        keys={UID: band_key(UID)},
    )

    assert lines == ["Proof(mutual, desfire 2, uid=<7 bytes>, band=<16 bytes>)"]
    assert f"print(proof)  # {lines[0]}" in EXAMPLES["What a band of ours proves"]


def test_examples_run_through_pc_sc_as_well(
    private_pcscd: PrivatePcscd,  # noqa: F811  # a fixture
) -> None:
    field, screen = Field(), Screen([])
    slot = VirtualVpcd(field=field, host="127.0.0.1", port=private_pcscd.port)
    desfire = VirtualDesfire.fresh(uid=UID, ev=3, entropy=SeededEntropy("fresh"))
    names: dict[str, Any] = {"print": screen.show, "meta_key": KEY, "mac_key": OWN_KEY}
    names |= {"key": KEY, "own_key": OWN_KEY}
    steps = [
        (desfire, ["A DESFire from the factory, set up", "And used"]),
        (
            sample("ntag424-new"),
            ["An NTAG 424 from the factory, with a link that proves each tap"],
        ),
        (sample("ntag213"), ["A message on any tag", "A recording, replayed"]),
    ]

    slot.start()
    try:
        with opened("pcsc", SystemClock()) as reader:
            for made, headings in steps:
                names["connection"], names["target"] = held_to(reader, field)(made)
                for heading in headings:
                    exec(EXAMPLES[heading], names)
                field.remove()
                assert any(reader.wait_for_removal(500) for _ in range(10))
    finally:
        slot.close()

    assert screen.lines == [
        "(1, 2) 1", f"{UID.hex()} 2000", "two coffees 1160",
        "True 1",
        "https://tap.example/ntag21x", "True True",
    ]  # fmt: skip


def test_a_link_is_verified_and_judged_without_a_reader() -> None:
    lines = run("A SUN link, without any reader")

    # NXP AN12196 publishes both for this link.
    assert lines == ["04de5f1eacc040 61", "Freshness.FRESH"]


def test_a_capsule_is_signed_found_and_verified() -> None:
    heading = "A capsule: what a band says of its wearer, signed"

    lines = run(heading, uid=UID, reference=REFERENCE)

    assert lines == ["Maya True"]


def test_a_band_is_issued_and_gets_a_capsule_which_it_keeps(shown: Shown) -> None:
    made = sample("desfire-ev2-new")
    plan = practice_example(Chip.DESFIRE, DESFIRE_TEST_KEY.public).encode()
    screen, begun = Screen([]), list[str]()

    def derived(name: str, uid: bytes) -> bytes:
        return hashlib.sha256(name.encode() + uid).digest()[:16]

    connection, target = shown(made)
    names: dict[str, Any] = {
        "print": screen.show, "connection": connection, "target": target, "plan": plan, "begun": begun,
        "derived": derived, "activated_anew": lambda: shown(made),
    }  # fmt: skip
    exec(EXAMPLES["A band of ours, issued"], names)
    uid = names["found"].uid
    names |= {"uid": uid, "band_key": derived("band", uid)}
    exec(EXAMPLES["A capsule: what a band says of its wearer, signed"], names)
    names["connection"], _ = shown(made)
    exec(EXAMPLES["And refreshed on the band"], names)

    assert screen.lines == ["True", "Maya True", "Outcome.WRITTEN", "Outcome.KEPT"]
    assert begun[0] == "create_application"


def test_a_recording_is_replayed_and_has_no_true_uid(shown: Shown) -> None:
    connection, target = shown(sample("ntag213"))
    screen = Screen([])
    names: dict[str, Any] = {
        "print": screen.show,
        "connection": connection,
        "target": target,
    }

    exec(EXAMPLES["A recording, replayed"], names)

    assert screen.lines == ["True True"]
    assert "\n> 30 03\n< E1 10" in names["text"]
    assert target.uid.hex(" ").upper() not in names["text"]


def test_every_error_and_every_delivery_is_on_the_page_with_its_code() -> None:
    told = re.findall(r"^\| `(\w+)` \| (?:`(\w+)`)? ?\|", LIBRARY, re.MULTILINE)
    errors = {
        name: each.code
        for name, each in vars(drivers.errors).items()
        if isinstance(each, type) and issubclass(each, DriverError) and each is not DriverError
    }
    bases = {"ReaderError", "BandError"}

    assert dict(told) == {name: "" if name in bases else code for name, code in errors.items()}
    assert set(re.findall(r"^\| ([A-Z_]+) \|", LIBRARY, re.MULTILINE)) == {
        each.name for each in Delivery
    }


def test_every_group_of_vectors_is_on_the_page_and_none_that_is_not_there() -> None:
    groups = {
        each["group"]
        for name in ("nfc.json", "chips.json")
        for each in json.loads((ROOT / "tests" / "vectors" / name).read_text())["vectors"]
    }
    chips = LIBRARY.partition("\n## Chips\n")[2].partition("\n## ")[0]

    assert groups == set(re.findall(r"`([a-z0-9]+(?:-[a-z0-9]+)+|ev2|sdm)`", chips))
    assert {kind.name for kind in ProofKind} <= set(re.findall(r"\b[A-Z]+\b", chips))


def test_the_reader_process_says_and_hears_the_lines_on_the_page(
    virtual_reader: VirtualReader,  # noqa: F811  # a fixture
) -> None:
    part = LIBRARY.partition("\n### From another language\n")[2]
    command, *lines = part.partition("```\n")[2].partition("\n```")[0].splitlines()
    place = str(virtual_reader.path)
    words = command.replace("/dev/ttyUSB0", place).split()[1:]
    virtual_reader.field.present(sample("desfire-ev2"))
    said = []

    with running(*words) as reader:
        for line in lines:
            if line.startswith("> "):
                reader.tell(line[2:])
            else:
                said.append(reader.line().replace(place, "/dev/ttyUSB0"))
            if '"proved"' in line:
                virtual_reader.field.remove()
        ended = reader.process.wait(ANSWER_S)

    measured = re.compile(r'("\w+_us"):\d+')
    expected = [line for line in lines if not line.startswith("> ")]
    assert [measured.sub(r"\1", line) for line in said] == [
        measured.sub(r"\1", line) for line in expected
    ]
    assert ended == 0


def row_of(family: str) -> dict[str, str]:
    """The cells of a chip family by the heads of their columns."""
    heads, rows = [], []
    for line in LIBRARY.partition("\n## Chips\n")[2].splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if cells[0] == "Family":
            heads = cells
        elif heads and line.startswith(f"| {family}"):
            rows.append(dict(zip(heads, cells, strict=True)))
    (row,) = rows
    return row


@pytest.mark.parametrize(
    ("family", "made", "told"),
    [
        ("DESFire", band(ev=3), "MUTUAL, 2"),
        ("DESFire", band(ev=1), "an EV1 1"),
        ("NTAG 424", chip_bands.ntag424(), "MUTUAL, 2"),
        ("NTAG 424", chip_bands.ntag424(is_lrp=True), "MUTUAL, 2"),
        ("Ultralight AES", chip_bands.ultralight_aes(), "MUTUAL, 2"),
        ("Ultralight C", chip_bands.ultralight_c(), "MUTUAL, 1"),
        ("FeliCa", sample("felica"), "NONE"),
        ("Type 4", sample("telephone-message"), "NONE"),
        ("MIFARE Classic", sample("mifare-classic"), "NONE"),
    ],
)
def test_a_chip_proves_what_its_row_says(
    shown: Shown, family: str, made: VirtualBand, told: str
) -> None:
    connection, target = shown(made)

    proof = read_band(connection, target, Keys(UID), SeededEntropy("reader"))

    *_, generation = told.split()
    kind = ProofKind.NONE if told == "NONE" else ProofKind.MUTUAL
    assert told in row_of(family)["Proves"]
    assert proof.kind is kind
    assert kind is ProofKind.NONE or str(proof.generation) == generation
    assert (proof.uses is None) is (
        row_of(family)["Witnesses"] == "nothing" or family == "DESFire"
    )


def test_a_chip_with_its_makers_signature_proves_no_more_than_its_row_says(
    shown: Shown,
) -> None:
    connection, target = shown(sample("ntag213"))
    makers = {Maker.NTAG21X: NTAG21X_TEST_KEY.public}

    proof = read_pages(connection, target, Keys(), SeededEntropy("reader"), makers=makers)

    assert row_of("NTAG 21x")["Proves"].startswith(proof.kind.name)
    assert proof.kind is ProofKind.ORIGINALITY


def test_every_file_the_page_names_is_there() -> None:
    named = set(re.findall(r"`([a-z_/]+\.(?:py|md|toml))`", LIBRARY))
    places = (ROOT, ROOT / "drivers", ROOT / "drivers" / "chips")
    missing = [name for name in named if not any((place / name).exists() for place in places)]

    assert len(named) > 15
    assert [name for name in missing if name != "catalogue.py"] == []
    assert all(
        (ROOT / name).is_dir() for name in re.findall(r"`((?:hardware|tests)/\w+)`", LIBRARY)
    )


def tried_without(*libraries: str) -> list[str]:
    """What a process says that imports every module without these, then asks PC/SC for a reader.

    Its lines: modules that did not import; what else of this repository or of a screen came along; the error of PC/SC.
    """
    modules = sorted(
        str(path.relative_to(ROOT).with_suffix("")).replace("/", ".")
        for path in (ROOT / "drivers").rglob("*.py")
        if path.stem != "__init__"
    )
    program = f"""
import importlib, sys
for name in {libraries!r}:
    sys.modules[name] = None
missed = []
for name in {modules!r}:
    try:
        importlib.import_module(name)
    except ImportError:
        missed.append(name)
print(*missed)
print(*sorted({{name.partition(".")[0] for name in sys.modules}} & {{"kiosk", "sync", "textual", "httpx"}}))
from drivers.readers.opening import opened
from hardware.clock import SystemClock
try:
    opened("pcsc", SystemClock())
except ModuleNotFoundError as error:
    print(error.name)
"""
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.stderr == ""
    return done.stdout.split("\n")[:-1]


def test_no_reader_s_library_is_needed_before_a_reader_of_its_kind_is_opened() -> None:
    assert tried_without("smartcard", "nfc", "serial", "usb1", "evdev") == [
        "",
        "",
        "smartcard",
    ]


def test_what_needs_more_than_the_rest_is_said_on_the_page() -> None:
    (told,) = re.findall(r"^\| (.+) \| `msgspec` \|$", LIBRARY, re.MULTILINE)

    without_msgspec, _, _ = tried_without("smartcard", "nfc", "evdev", "msgspec")
    without_segno, _, _ = tried_without("smartcard", "nfc", "evdev", "segno")

    named = {f"drivers.{name.replace('/', '.')}" for name in re.findall(r"`([^`]+)`", told)}
    assert set(without_msgspec.split()) == named
    assert all(name.startswith("drivers.issuing.") for name in without_segno.split())
    assert without_segno


def test_type_hints_and_the_pages_are_shipped() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    shipped = project["tool"]["setuptools"]["package-data"]

    assert {"py.typed", "README.md"} <= set(shipped["drivers"])
    assert {"py.typed", "virtual/*.md"} <= set(shipped["hardware"])
    assert all((ROOT / name / "py.typed").is_file() for name in ("drivers", "hardware"))
