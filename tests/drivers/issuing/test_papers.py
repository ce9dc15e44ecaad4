"""Plans, sheets, reports, labels and the journal: what people write and read around the issuing of bands."""

import contextlib
from datetime import UTC, datetime
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drivers.credential.originality import Maker
from drivers.issuing.carried import carried_in
from drivers.issuing.errors import JournalDamaged, PlanMalformed
from drivers.issuing.journal import Journal, State
from drivers.issuing.label import code_of, is_code, qr_text_of, svg_of
from drivers.issuing.plan import (
    EXAMPLE,
    PRACTICE,
    Chip,
    Plan,
    Signature,
    plan_of,
    practice_example,
)
from drivers.issuing.sheet import (
    Outcome,
    Reported,
    Wanted,
    heading,
    line_of_report,
    reported_of,
    wanted_of,
)
from hardware.clock import FixedClock
from hardware.disk import SystemDisk
from hardware.entropy import SeededEntropy
from hardware.virtual.originality import DESFIRE_TEST_KEY
from tests.support.capsules import LENA, made

BAND = "c0ffee" + "0" * 26
FILE = Path("bands.journal")


def opened(folder: Path) -> Journal:
    clock = FixedClock(datetime(2026, 5, 4, tzinfo=UTC))
    return Journal(folder / FILE, disk=SystemDisk(), clock=clock, entropy=SeededEntropy("j"))


def test_the_example_is_the_plan_by_default() -> None:
    assert plan_of(EXAMPLE.encode()) == Plan()


@pytest.mark.parametrize(
    ("said", "words"),
    [
        ("", "layout must be 1"),
        ("layout = 2", "layout must be 1"),
        ("layout = true", "layout must be 1"),
        ("layout = 1\nkey = 'x'", "no 'key'"),
        ("layout = 1\nchip = 'classic'", "chip must be one of"),
        ("layout = 1\nchip = 'ntag21x'", "a number anybody can copy"),
        ("layout = 1\ngeneration_min = 4", "1, 2 or 3"),
        ("layout = 1\nrandom_uid = 1", "true or false"),
        ("layout = 1\nlabel = '{uid}'", "{number} and {code} only"),
        ("layout = 1\nlabel = ''", "at most 60"),
        ("layout", "not TOML"),
        ("layout = 1\npractice = true", "practice is a table"),
        ("layout = 1\n[practice]", "practice is a table"),
        ("layout = 1\n[practice]\nmaker_keys = []", "1 to 8 public keys"),
        ("layout = 1\n[practice]\nmaker_keys = ['04']", "no public key"),
        ("layout = 1\n[practice]\nmaker_keys = [4]", "no public key"),
        (
            f"layout = 1\n[practice]\nmaker_keys = ['{Maker.DESFIRE_EV2.value}']",
            "maker's own key",
        ),
    ],
)
def test_a_plan_that_cannot_be_followed_to_the_letter_is_refused(said: str, words: str) -> None:
    with pytest.raises(PlanMalformed, match=words.replace("{", r"\{")):
        plan_of(said.encode())


@pytest.mark.parametrize("chip", Chip)
def test_a_plan_to_practise_with_believes_its_own_keys_alone_and_says_so(chip: Chip) -> None:
    key = DESFIRE_TEST_KEY.public

    plan = plan_of(practice_example(chip, key).encode())

    assert (plan.chip, plan.practice_keys, plan.is_practice) == (chip, (key,), True)
    assert plan.signature is Signature.REQUIRED
    assert (plan.marked("Maya"), Plan().marked("Maya")) == ("PRACTICE Maya", "Maya")
    assert plan.digest != Plan(chip=chip, signature=Signature.REQUIRED).digest
    assert not Plan().is_practice


@settings(max_examples=60, deadline=None)
@given(st.binary(max_size=200))
def test_any_bytes_are_a_plan_and_a_sheet_or_refused_in_words(content: bytes) -> None:
    for read in (plan_of, wanted_of, reported_of):
        with contextlib.suppress(PlanMalformed):
            read(content)


def test_a_makers_list_is_read_and_its_pins_are_read_over() -> None:
    sheet = "\ufeffUID;x\n".replace(";x", ",id,pin") + "04:A1:B2:C3:D4:E5:F6,7,1234\n"

    assert wanted_of(sheet.encode()) == (
        Wanted(1, uid=bytes.fromhex("04A1B2C3D4E5F6"), line=2),
    )


def test_a_band_is_found_by_the_line_people_see_in_their_sheet() -> None:
    wanted = wanted_of(b"label\n\nMaya\n\n\nTom\n")

    assert [(each.number, each.line, each.place) for each in wanted] == [(1, 3, 3), (2, 6, 6)]
    assert Wanted(7).place == 7


@pytest.mark.parametrize(
    ("sheet", "words"),
    [
        ("", "must name columns"),
        ("label\n", "has no bands"),
        ("name\nx\n", "must name columns"),
        ("label,label\nx,y\n", "must name columns"),
        ("label,uid\nx\n", "another number of cells"),
        ("uid\n04\n", "not 4, 7 or 10"),
        (
            "uid\n04a1b2c3d4e5f6\n04a1b2c3d4e5f7\n04A1B2C3D4E5F6\n",
            "line 4 of the sheet has the UID of line 2",
        ),
        ("label,uid\nx,04a1b2c3d4e5f6\ny,\n", "all or none"),
        ("label\n=1+1\n", "cannot be printed"),
        ("label\nMaya\nTom\n Maya\n", "line 4 of the sheet has the label of line 2"),
    ],
)
def test_a_sheet_that_is_not_meant_is_refused(sheet: str, words: str) -> None:
    with pytest.raises(PlanMalformed, match=words):
        wanted_of(sheet.encode())


def test_a_report_says_what_was_put_in() -> None:
    line = Reported(
        3, Outcome.ISSUED, "Band, 3", code_of(BAND), BAND, b"1234567", "harbour",
        qr_text_of(BAND), "a" * 32, 'a "problem"', line=7, mark=PRACTICE,
    )  # fmt: skip

    assert reported_of(heading() + line_of_report(line)) == (line,)


@given(st.binary(min_size=16, max_size=16), st.integers(0, 8), st.integers(1, 31))
@settings(max_examples=100, deadline=None)
def test_a_code_with_one_wrong_letter_is_none(raw: bytes, at: int, by: int) -> None:
    alphabet = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
    code = code_of(raw.hex()).replace("-", "")
    wrong = alphabet[(alphabet.index(code[at]) + by) % 32]

    assert is_code(code_of(raw.hex()).lower().replace("-", " "))
    # Two letters that stand 31 apart weigh the same; only Z for 0 and back go unnoticed.
    if {wrong, code[at]} != {"0", "Z"}:
        assert not is_code(code[:at] + wrong + code[at + 1 :])


def test_a_label_is_a_picture_with_the_bands_name() -> None:
    picture = ET.fromstring(svg_of(qr_text_of(BAND), lines=("Band <1>", "7K2M")))

    texts = [each.text for each in picture if each.tag.endswith("text")]
    assert picture[0].text == "Band <1> 7K2M"
    assert texts == ["Band <1>", "7K2M"]
    assert all(int(each.get("y", "0")) < int(picture.get("height", "0")) for each in picture)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "none"),
        (bytes(256), "none"),
        (
            made(LENA) + bytes(9),
            f"number 7, of 2026-09-21, for 90 days, {len(made(LENA))} bytes",
        ),
        (made(LENA) + b"\x01", "unreadable"),
        (b"\xff" * 40, "unreadable"),
    ],
)
def test_of_a_capsule_its_age_is_said_and_not_whom_it_names(content: bytes, words: str) -> None:
    assert carried_in(content).words == words
    assert LENA.name not in words


def test_of_a_capsule_a_program_is_told_the_same_and_null_where_there_is_nothing_to_say() -> (
    None
):
    readable = carried_in(made(LENA) + bytes(9)).fields()
    unreadable = carried_in(b"\xff" * 40).fields()

    assert readable == {
        "state": "readable", "number": 7, "issued_at": "2026-09-21T14:13:20+00:00", "days": 90,
        "bytes": len(made(LENA)),
    }  # fmt: skip
    assert unreadable == {**dict.fromkeys(readable), "state": "unreadable"}
    assert carried_in(b"").fields() == {**dict.fromkeys(readable), "state": "none"}


def test_a_journal_cut_short_at_any_byte_keeps_every_whole_line(tmp_path: Path) -> None:
    journal = opened(tmp_path)
    journal.write("uid-1", "issue", State.BEGUN, band_id=BAND, line="s:1")
    journal.write("uid-1", "change_key_1", State.DONE)
    content = (tmp_path / FILE).read_bytes()

    for size in range(len(content) + 1):
        (tmp_path / FILE).write_bytes(content[:size])
        again = opened(tmp_path)
        assert len(again.entries) == content[:size].count(b"\n")
        again.write("uid-2", "issue", State.BEGUN)
        assert len(opened(tmp_path).entries) == content[:size].count(b"\n") + 1


def test_a_damaged_line_in_the_middle_is_said_and_nothing_is_thrown_away(
    tmp_path: Path,
) -> None:
    journal = opened(tmp_path)
    for step in ("a", "b", "c"):
        journal.write("uid-1", step, State.DONE)
    lines = (tmp_path / FILE).read_bytes().splitlines(keepends=True)
    (tmp_path / FILE).write_bytes(lines[0] + b"{}\n" + lines[2])

    with pytest.raises(JournalDamaged, match="line 2"):
        opened(tmp_path)

    assert (tmp_path / FILE).read_bytes() == lines[0] + b"{}\n" + lines[2]


def test_a_journal_knows_after_a_restart_what_was_begun_and_forgets_what_was_retired(
    tmp_path: Path,
) -> None:
    journal = opened(tmp_path)
    journal.write("uid-1", "issue", State.BEGUN, band_id=BAND, line="s:1")
    journal.write("uid-2", "issue", State.BEGUN, band_id="b" * 32, line="s:2")
    journal.write("uid-2", "issue", State.DONE, line="s:2")

    again = opened(tmp_path)

    assert dict(again.begun("issue")) == {"s:1": "uid-1"}
    assert (again.band_id_of("uid-1"), again.is_begun("uid-2", "issue")) == (BAND, False)
    again.write("uid-1", "retire", State.DONE, band_id=BAND)
    assert opened(tmp_path).band_id_of("uid-1") == ""


def test_a_journal_has_no_place_for_a_key(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no place for key"):
        opened(tmp_path).write("uid-1", "issue", State.BEGUN, key="00")
