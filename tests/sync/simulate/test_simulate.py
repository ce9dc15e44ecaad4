"""The simulator: random faults by seed; the same seed the same run; and it finds what is broken."""

from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
import typer

from kiosk.commands import simulate
from sync.central import pushes
from sync.central.erasing_again import ErasingAgain
from sync.central.intake import Intake, Taken
from sync.edge import erased, lookup, view
from sync.edge.feed import Feed
from sync.edge.outbox import Outbox
from sync.edge.peer_ops import PeerOps
from sync.edge.relay import Mailbox
from sync.edge.work import Work
from sync.model import forms, ledger
from sync.model.records import Account, Entitlement, Record, Side
from sync.model.row import Row
from sync.model.wire import Page
from sync.simulate import actions, shop, world
from sync.simulate.actions import ALL
from sync.simulate.report import Report, replay_line, runs, simulated
from sync.simulate.world import Plan, name_of


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path


def folders(folder: Path) -> Iterator[Path]:
    number = 0
    while True:
        made = folder / f"run-{number}"
        made.mkdir()
        yield made
        number += 1


def test_both_ends_agree_whatever_becomes_of_network_machines_and_clocks(folder: Path) -> None:
    report = Report()

    for verdict in runs(Plan(1, n_kiosks=3, n_steps=20), 5, folder):
        report.add(verdict)

    assert [(verdict.seed, verdict.broken) for verdict in report.failed] == []
    assert report.n_ops > 25
    assert report.n_faults > 5


def test_the_same_seed_gives_the_same_events(folder: Path) -> None:
    made = folders(folder)

    first, second = (simulated(Plan(11, n_steps=25), next(made)) for _ in range(2))

    assert first.events == second.events
    assert first.hash == second.hash


def test_another_seed_gives_other_events(folder: Path) -> None:
    made = folders(folder)

    first, second = (simulated(Plan(seed, n_steps=10), next(made)) for seed in (1, 2))

    assert first.hash != second.hash


def test_an_outbox_that_forgets_what_it_sends_is_found(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def forgetful(self: Outbox, **how: object) -> object:
        batch = true_batch(self, **how)  # type: ignore[arg-type]
        with self._store.outbox.write() as file:
            file.many("DELETE FROM op WHERE id = ?", ((one.id,) for one in batch))
        return batch

    true_batch = Outbox.batch
    monkeypatch.setattr(Outbox, "batch", forgetful)

    broken = (verdict.broken for verdict in runs(Plan(1, n_steps=25), 12, folder))

    assert any("nowhere" in words for words in broken)


def test_a_feed_that_skips_a_row_is_found(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def skipping(self: Feed, page: object, **how: object) -> object:
        rows = page.rows[1:] if len(page.rows) > 1 else page.rows  # type: ignore[attr-defined]
        return true_apply(self, type(page)(rows, page.checkpoints), **how)  # type: ignore[call-arg,attr-defined,arg-type]

    true_apply = Feed.apply_page
    monkeypatch.setattr(Feed, "apply_page", skipping)

    broken = (verdict.broken for verdict in runs(Plan(1, n_steps=10), 12, folder))

    assert any("without" in words or "differ" in words for words in broken)


def test_a_body_that_is_not_the_centres_is_found(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def altered(self: Feed, page: Page, **how: object) -> object:
        rows = tuple(
            msgspec.structs.replace(row, body=row.body[:-1] + b" }") for row in page.rows
        )
        return true_apply(self, Page(rows, page.checkpoints), **how)  # type: ignore[arg-type]

    true_apply = Feed.apply_page
    monkeypatch.setattr(Feed, "apply_page", altered)

    broken = (verdict.broken for verdict in runs(Plan(1, n_steps=6), 12, folder))

    assert any("differ" in words for words in broken)


def test_points_that_go_out_twice_are_found(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def twice(subject: ledger.Subject, delta: int, *, last: Side | None = None) -> object:
        return true_moved(subject, 2 * delta, last=last)

    true_moved = ledger.moved
    monkeypatch.setattr(ledger, "moved", twice)

    broken = (verdict.broken for verdict in runs(Plan(1, n_steps=20), 12, folder))

    assert any("now and at first" in words for words in broken)


def test_a_kiosk_that_shows_a_balance_nobody_ever_had_is_found(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def too_much(rows: object, ops: object, **how: object) -> dict[str, Row]:
        view = true_folded(rows, ops, **how)  # type: ignore[arg-type]
        return {
            key: msgspec.structs.replace(row, body=_twice(row.body))
            if row.is_unsettled
            else row
            for key, row in view.items()
        }

    true_folded = view.folded
    monkeypatch.setattr(lookup, "folded", too_much)
    plan = Plan(1, n_steps=10, without=only("work", "cut_network"))

    broken = (verdict.broken for verdict in runs(plan, 12, folder))

    assert any("the centre had" in words for words in broken)


def _twice(body: Record) -> Record:
    """A balance from which what was taken was taken once more."""
    match body:
        case Account(points=points):
            return msgspec.structs.replace(body, points=2 * points - shop.POINTS)
        case Entitlement(n_left=int(left)):
            return msgspec.structs.replace(body, n_left=2 * left - shop.USES)
        case _:
            return body


def test_a_kiosk_that_forgets_what_the_centre_has_is_found_once_the_centre_is_set_back(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def forgetful(self: Outbox, *results: object, **how: object) -> int:
        n_settled = true_settle(self, *results, **how)  # type: ignore[arg-type]
        with self._store.outbox.write() as file:
            file.execute("DELETE FROM op WHERE state = 'applied'")
        return n_settled

    async def keep_centre(run: world.World) -> None:
        run.copies["centre"] = folder / f"copy-{run.plan.seed}"
        run.centre.keep(run.copies["centre"])

    true_settle = Outbox.settle
    monkeypatch.setattr(Outbox, "settle", forgetful)
    often = ((actions.work, 6), (keep_centre, 1), (actions.set_centre_back, 2))
    monkeypatch.setattr(actions, "ALL", often)

    broken = (verdict.broken for verdict in runs(Plan(1, n_steps=14), 12, folder))

    assert any("did not keep it" in words for words in broken)


def only(*names: str) -> frozenset[str]:
    """What to leave out so that these actions are left."""
    return frozenset(name_of(action) for action, _ in ALL) - set(names)


def test_a_relay_that_shows_nobody_what_came_before_is_found(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def blind(*_: object) -> tuple[()]:
        return ()

    monkeypatch.setattr(Mailbox, "_ahead", blind)
    monkeypatch.setattr(PeerOps, "take", lambda *_: False)
    plan = Plan(1, n_steps=12, without=only("agree_without_a_line", "idle"))

    broken = (verdict.broken for verdict in runs(plan, 12, folder))

    assert any("does not show" in words or "gave out" in words for words in broken)


def test_a_vendor_who_is_told_that_all_is_kept_although_it_is_not_is_found(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Intake, "deliver", lambda *_: Taken(200))
    plan = Plan(1, n_steps=3, without=only("elsewhere"))

    broken = (verdict.broken for verdict in runs(plan, 12, folder))

    assert any("are there 0 times" in words for words in broken)


def test_a_device_that_is_called_a_copy_and_is_none_is_found(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pushes, "is_lost", lambda *_: False)

    async def keep_centre(run: world.World) -> None:
        run.copies["centre"] = folder / f"copy-{run.plan.seed}"
        run.centre.keep(run.copies["centre"])

    often = ((actions.work, 6), (keep_centre, 1), (actions.set_centre_back, 2))
    monkeypatch.setattr(actions, "ALL", often)
    plan = Plan(1, n_steps=14)

    broken = (verdict.broken for verdict in runs(plan, 12, folder))

    assert any("is called a copy" in words for words in broken)


def test_a_centre_that_sends_an_older_program_what_it_cannot_read_is_found(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(forms, "behind", lambda _: {})
    plan = Plan(10, n_steps=8, without=only("work", "idle"))

    found = (verdict.broken for verdict in runs(plan, 15, folder))

    assert any("was given" in words for words in found)


def test_two_kiosks_agree_by_their_relay_and_a_snapshot_is_cut_off_in_the_middle(
    folder: Path,
) -> None:
    report = Report()
    plan = Plan(1, n_steps=12, without=only("agree_without_a_line", "kill_kiosk", "unpack"))
    wanted = {"agreed by the relay", "snapshot half loaded", "part of a snapshot"}

    for verdict in runs(plan, 20, folder):
        report.add(verdict)
        if wanted <= set(report.seen):
            break

    assert [(verdict.seed, verdict.broken) for verdict in report.failed] == []
    assert wanted <= set(report.seen)


def test_a_promise_that_its_case_forgets_is_found(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sync.model.promises._with", lambda case, *_: case)
    plan = Plan(1, n_steps=10, without=only("work", "idle"))

    broken = (verdict.broken for verdict in runs(plan, 12, folder))

    assert any("stands on its case 0 times" in words for words in broken)


def test_a_lane_that_raises_is_found_although_the_program_goes_on(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def raising(_: Outbox) -> object:
        raise KeyError("a defect")

    monkeypatch.setattr(Outbox, "forget_old", raising)

    verdict = simulated(Plan(1, n_steps=3), folder)

    assert "defect" in verdict.broken


def test_a_centre_that_stands_still_is_found(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(world, "ROUNDS_MAX", 3)
    monkeypatch.setattr("sync.simulate.network.Network.send", _nobody)

    verdict = simulated(Plan(1, n_steps=5), folder)

    assert "not settled" in verdict.broken


async def _nobody(*_: object, **__: object) -> object:
    from sync.model.errors import CentreUnreachable

    raise CentreUnreachable("nobody")


def test_a_failing_seed_says_how_to_run_it_again() -> None:
    line = replay_line(Plan(4711, 5, 80, frozenset({"night"})))

    assert line == "tapthread simulate --seed 4711 --kiosks 5 --steps 80 --without night"


def test_a_seed_that_breaks_ends_the_command_with_an_error_and_says_how_to_run_it_again(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv(simulate.HASHED, "0")  # as when it has begun again
    monkeypatch.setattr(world, "ROUNDS_MAX", 3)
    monkeypatch.setattr("sync.simulate.network.Network.send", _nobody)

    with pytest.raises(typer.Exit) as ended:
        simulate.run(seed=5, steps=4, seeds=2)

    said = capsys.readouterr()
    assert ended.value.exit_code == 1
    assert "again: tapthread simulate --seed 5 --kiosks 3 --steps 4\n" in said.err
    assert "2 failed" in said.out
    assert len(said.out.splitlines()[-1]) == 32


def test_an_action_to_leave_out_that_nobody_knows_is_a_mistake(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(simulate.HASHED, "0")  # as when it has begun again

    with pytest.raises(typer.Exit) as ended:
        simulate.run(steps=1, without=["kill_center"])

    said = capsys.readouterr()
    assert ended.value.exit_code == 2
    assert "no action 'kill_center'" in said.err
    assert "kill_centre" in said.err
    assert said.out == ""


@pytest.mark.parametrize("broken_part", ["nothing", "file", "devices", "notes kept by devices"])
def test_who_was_erased_and_is_served_again_after_a_copy_was_put_back_is_found(
    folder: Path, monkeypatch: pytest.MonkeyPatch, broken_part: str
) -> None:
    async def tells_nothing(self: Work) -> None:
        """As a kiosk that does not know that there is something to say."""

    async def keep_centre(run: world.World) -> None:
        path = run.site.root / "centre.copy"
        if "centre" not in run.copies:  # one from before anybody was erased
            run.centre.keep(path)
            run.copies["centre"] = path

    if broken_part == "file":
        monkeypatch.setattr(ErasingAgain, "start", lambda _: None)
        monkeypatch.setattr(ErasingAgain, "tend", lambda _, **__: 0)
    if broken_part == "devices":
        monkeypatch.setattr(Work, "_bring_notes", tells_nothing)
    if broken_part == "notes kept by devices":
        monkeypatch.setattr(erased, "set_aside_after", lambda *_: None)
        monkeypatch.setattr(erased, "set_aside", lambda *_: None)
    often = (
        (keep_centre, 6), (actions.erase, 2), (actions.set_centre_back, 2), (actions.idle, 6), (actions.work, 1),
    )  # fmt: skip
    monkeypatch.setattr(actions, "ALL", often)
    found = (verdict.broken for verdict in runs(Plan(5, n_steps=14), 12, folder))

    if broken_part == "nothing":
        assert not any(found)
    else:
        assert any("was erased, and" in words for words in found)
