"""`tapthread tap --json`: one band, through real readers, to what the shop says; offline."""

import json
import shutil
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from tests.support.commands import Running, run, running


def tapped(*arguments: str | Path, code: int = 0) -> dict[str, Any]:
    done = run("tap", "--json", "--timeout", "30", *arguments)
    assert done.returncode == code, (done.returncode, done.stdout, done.stderr)
    (line,) = done.stdout.splitlines()
    found: dict[str, Any] = json.loads(line)
    return found


def at_pn532(band: str, folder: Path, tmp_path: Path, code: int = 0) -> dict[str, Any]:
    with running("virtual", "--pn532", tmp_path / "pn532", "--band", band) as device:
        assert device.line().startswith("ready")
        return tapped("--data", folder, "--reader", f"pn532:{tmp_path / 'pn532'}", code=code)


def test_a_band_is_proved_offline_right_after_seeding(seeded: Path, tmp_path: Path) -> None:
    found = at_pn532("maya", seeded, tmp_path)

    assert (found["proof"], found["assurance"], found["online"]) == ("mutual", "A2", False)
    assert found["customer"]["id"] == "maya"
    assert len(found["band"]) == 32
    assert set(found["timings_ms"]) == {"detect", "authenticate", "lookup", "decide"}
    assert found["timings_ms"]["authenticate"] > 0
    assert found["page"]
    assert all(datetime.fromisoformat(block["as_of"]).tzinfo for block in found["page"])
    assert all(block["source"] and block["lines"] for block in found["page"])
    assert "web" in {block["source"] for block in found["page"]}


def test_a_band_with_a_random_uid_is_proved_too(seeded: Path, tmp_path: Path) -> None:
    found = at_pn532("tom", seeded, tmp_path)

    assert (found["proof"], found["assurance"]) == ("mutual", "A2")
    assert found["customer"]["id"] == "tom"


@pytest.fixture(scope="module")
def neutral(_seed: Path, tmp_path_factory: pytest.TempPathFactory) -> list[object]:
    """What the page says to a band nobody knows."""
    folder = tmp_path_factory.mktemp("neutral")
    found = at_pn532("nobody", Path(shutil.copytree(_seed, folder / "data")), folder)
    return [block["lines"] for block in found["page"]]


@pytest.mark.parametrize(
    ("band", "reason"),
    [
        ("nobody", "unknown_band"), ("spare", "unlinked"), ("blocked", "blocked"), ("copied", "unknown_band"),
        ("classic", "foreign_chip"), ("phone", "phone"), ("bank-card", "foreign_card"),
    ],
)  # fmt: skip
def test_every_band_that_proves_nothing_gets_the_same_neutral_page_and_staff_the_true_reason(
    band: str, reason: str, seeded: Path, tmp_path: Path, neutral: list[object]
) -> None:
    found = at_pn532(band, seeded, tmp_path)

    assert found["customer"] is None
    assert found["assurance"] == "A0"
    assert [block["lines"] for block in found["page"]] == neutral
    assert (found["actions"], found["reason"]) == ([], reason)


def test_a_sealed_spare_of_the_store_proves_itself_so_that_a_counter_may_link_it(
    seeded: Path, tmp_path: Path
) -> None:
    found = at_pn532("spare", seeded, tmp_path)

    assert (found["proof"], found["assurance"], found["reason"]) == ("mutual", "A0", "unlinked")


def test_an_old_chip_that_knows_its_key_is_held_lower(seeded: Path, tmp_path: Path) -> None:
    found = at_pn532("oldband", seeded, tmp_path)

    assert (found["proof"], found["assurance"]) == ("mutual", "A1")
    assert {block["kind"] for block in found["page"]} <= {"greeting", "owed", "help"}


def test_a_band_linked_by_its_uid_alone_says_nothing_personal(
    seeded: Path, tmp_path: Path
) -> None:
    found = at_pn532("festival", seeded, tmp_path)

    assert (found["proof"], found["assurance"]) == ("none", "A0")
    assert found["customer"] is None


def test_the_virtual_reader_needs_nothing_else(seeded: Path) -> None:
    found = tapped("--data", seeded, "--reader", "virtual")

    assert (found["customer"]["id"], found["proof"]) == ("maya", "mutual")


def test_with_the_centre_up_the_same_tap_says_it_is_online(
    seeded: Path, tmp_path: Path
) -> None:
    with running("central", "--data", seeded, "--port", "0") as centre:
        url = json.loads(centre.line())["url"]

        found = tapped("--data", seeded, "--reader", "virtual", "--centre", url)

    assert found["online"] is True
    assert found["customer"]["id"] == "maya"


def test_no_tap_within_the_time_given_is_said_with_its_own_exit_code(
    seeded: Path, tmp_path: Path
) -> None:
    with running("virtual", "--pn532", tmp_path / "pn532") as device:
        device.line()

        done = run("tap", "--json", "--timeout", "1", "--data", seeded,
                   "--reader", f"pn532:{tmp_path / 'pn532'}")  # fmt: skip

    assert done.returncode == 3
    assert json.loads(done.stdout)["error"]["code"] == "no_tap"


def test_a_reader_that_is_not_there_is_said_with_its_own_exit_code(
    seeded: Path, tmp_path: Path
) -> None:
    found = run("tap", "--json", "--timeout", "2", "--data", seeded,
                "--reader", f"pn532:{tmp_path / 'nothing'}")  # fmt: skip

    assert found.returncode == 4
    assert json.loads(found.stdout)["error"]["code"] == "reader_absent"


def test_two_bands_at_once_are_asked_to_come_one_by_one(seeded: Path, tmp_path: Path) -> None:
    with running("virtual", "--pn532", tmp_path / "pn532") as device:
        device.line()
        assert device.ask("present maya lena").startswith("ok")

        found = tapped("--data", seeded, "--reader", f"pn532:{tmp_path / 'pn532'}", code=5)

    assert found["error"]["code"] == "band_collision"
    assert found["error"]["message"]


def test_a_folder_without_a_device_is_said_in_words(tmp_path: Path) -> None:
    found = run("tap", "--json", "--data", tmp_path / "empty", "--reader", "virtual")

    assert found.returncode == 6
    assert "tapthread seed" in json.loads(found.stdout)["error"]["message"]


def test_a_damaged_cache_is_rebuilt_from_the_centre_and_the_tap_works_again(
    seeded: Path, tmp_path: Path
) -> None:
    damaged = bytearray((seeded / "cache.db").read_bytes())
    damaged[4_096:12_288] = bytes(8_192)
    (seeded / "cache.db").write_bytes(damaged)
    for beside in ("cache.db-wal", "cache.db-shm"):
        (seeded / beside).unlink(missing_ok=True)

    lost = tapped("--data", seeded, "--reader", "virtual")
    with running("central", "--data", seeded, "--port", "0") as centre:
        url = json.loads(centre.line())["url"]
        synced = run("sync", "--data", seeded, "--centre", url, "--json")
    found = tapped("--data", seeded, "--reader", "virtual")

    assert lost["customer"] is None
    assert synced.returncode == 0, synced.stderr
    assert (found["customer"]["id"], found["proof"]) == ("maya", "mutual")


def test_seeding_a_folder_of_something_else_is_refused(tmp_path: Path) -> None:
    (tmp_path / "letter.txt").write_text("dear diary")

    done = run("seed", "--data", tmp_path)

    assert done.returncode == 2
    assert (tmp_path / "letter.txt").read_text() == "dear diary"


def test_seeding_into_a_file_is_refused_in_words(tmp_path: Path) -> None:
    (tmp_path / "letter.txt").write_text("dear diary")

    done = run("seed", "--data", tmp_path / "letter.txt")

    assert done.returncode == 2
    assert "is not a folder" in done.stderr


def test_a_centre_whose_starter_is_gone_already_says_where_it_was_and_ends_cleanly(
    seeded: Path,
) -> None:
    done = run("central", "--data", seeded, "--port", "0", "--until-eof")

    assert done.returncode == 0
    assert json.loads(done.stdout)["ready"] is True


def test_seeding_twice_makes_the_demo_anew(seeded: Path) -> None:
    again = run("seed", "--data", seeded)

    assert again.returncode == 0, again.stderr
    assert tapped("--data", seeded, "--reader", "virtual")["customer"]["id"] == "maya"


def test_another_process_on_the_same_folder_is_refused(seeded: Path, tmp_path: Path) -> None:
    with running("virtual", "--pn532", tmp_path / "pn532") as device:
        device.line()
        first = Running(
            "tap", "--json", "--data", seeded, "--reader", f"pn532:{tmp_path / 'pn532'}"
        )
        try:
            assert "waiting" in first.process.stderr.readline().decode()  # type: ignore[union-attr]

            second = run("tap", "--json", "--data", seeded, "--reader", "virtual")
        finally:
            first.stop()

    assert second.returncode == 6
    assert json.loads(second.stdout)["error"]["code"] == "folder_in_use"


def test_the_seed_survives_being_copied(seeded: Path, tmp_path: Path) -> None:
    moved = Path(shutil.move(seeded, tmp_path / "elsewhere"))

    assert tapped("--data", moved, "--reader", "virtual")["customer"]["id"] == "maya"


def test_a_band_of_another_store_is_named_by_itself_and_then_proved_through_the_centre(
    seeded: Path, tmp_path: Path
) -> None:
    with running("central", "--data", seeded, "--port", "0") as centre:
        url = json.loads(centre.line())["url"]
        with running("virtual", "--pn532", tmp_path / "pn532", "--band", "visitor") as device:
            assert device.line().startswith("ready")

            found = tapped(
                "--data", seeded, "--reader", f"pn532:{tmp_path / 'pn532'}", "--centre", url
            )

    assert (found["first"]["assurance"], found["first"]["reason"]) == ("A1", "carried")
    assert found["first"]["lines"][0] == "Hello, Daniel."
    assert (found["proof"], found["assurance"]) == ("mutual", "A2")
    assert (found["customer"]["id"], found["page_kind"]) == ("daniel", "personal")


def test_without_the_centre_the_same_band_is_named_by_itself_alone(
    seeded: Path, tmp_path: Path
) -> None:
    found = at_pn532("visitor", seeded, tmp_path)

    assert (found["proof"], found["assurance"], found["first"]) == ("none", "A1", None)
    assert (found["customer"], found["reason"]) == (None, "carried")
    assert found["page"][0]["lines"][0] == "Hello, Daniel."
