"""A code shown after a tap, sent to us from where a customer writes: it proves who they are, once, for ten minutes."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from hardware.clock import FixedClock
from hardware.entropy import SeededEntropy
from hardware.moments import moment_of
from sync.central.centre import Centre
from sync.central.channels.facts import Point
from sync.central.handles import TRIES_MAX
from sync.central.intake import Intake
from sync.model.operations.prove_handle import CODE_US, code_digest
from sync.model.records import Customer, HandleCode
from sync.model.row import row_of
from tests.support.centre import open_centre
from tests.support.channels import (
    CHAT,
    NOW,
    SHOP,
    all_rows,
    bought,
    delivery,
    event,
    intake_of,
    mail,
    owners_named,
    who,
    wrote,
)

TOM = who("17", "Tom", "Becker", mail("tom@example.org"))
HANDLE = who("x-9", "tommy_b", "", Point("x", "tommy_b"))
CODE = "482913"


@pytest.fixture
def centre(tmp_path: Path) -> Iterator[Centre]:
    opened = open_centre(
        tmp_path / "centre", clock=FixedClock(moment_of(NOW)), entropy=SeededEntropy("handles")
    )
    yield opened
    opened.close()


@pytest.fixture
def intake(centre: Centre) -> Intake:
    """Where Tom bought something, and somebody wrote once."""
    made = intake_of(centre)
    made.deliver("shop", delivery(event("1", bought("W-1", TOM)), to=SHOP))
    made.deliver("chat", delivery(event("2", wrote("m-1", HANDLE)), to=CHAT))
    return made


def tom(centre: Centre) -> str:
    (owner,) = owners_named(centre, "Tom")
    return owner


def shown(centre: Centre, owner: str, *, code: str = CODE, until: int = NOW + CODE_US) -> None:
    """A kiosk showed this code to them."""
    body = HandleCode(owner, digest=code_digest(owner, code), until=until)
    row = row_of(body, owner=owner, as_of=until - CODE_US, source="store")
    centre._parts.write(lambda it: it.put(row))


def sent(intake: Intake, text: str, *, ref: str = "m-2", direction: str = "in") -> None:
    said = wrote(ref, HANDLE, text, at=NOW, direction=direction)
    intake.deliver("chat", delivery(event(ref, said), to=CHAT))


def whose(centre: Centre, key: str) -> str:
    return all_rows(centre)[key][0]


@pytest.mark.parametrize("text", ["482913", "482 913", " 482-913 "])
def test_who_sends_the_code_is_the_customer_it_was_shown_to(
    centre: Centre, intake: Intake, text: str
) -> None:
    owner = tom(centre)
    shown(centre, owner)
    assert whose(centre, "interaction/chat:m-1") != owner

    sent(intake, text)

    assert whose(centre, "interaction/chat:m-1") == whose(centre, "order/W-1")
    code = next(row for key, row in all_rows(centre).items() if key.startswith("handle_code/"))
    assert (code[3]["digest"], code[3]["channel"]) == ("", "whatsapp")


def test_a_code_is_no_message_that_waits_for_an_answer(centre: Centre, intake: Intake) -> None:
    shown(centre, tom(centre))

    sent(intake, CODE)

    assert "interaction/chat:m-2" not in all_rows(centre)


def test_a_code_shown_to_a_child_joins_nobody_whose_family_is_not_known(
    centre: Centre, intake: Intake
) -> None:
    owner = tom(centre)
    child = Customer(owner, "Tom", guardian="sam")
    centre.put_rows([row_of(child, owner=owner, as_of=NOW, source="crm")])
    shown(centre, owner)

    sent(intake, CODE)

    assert whose(centre, "interaction/chat:m-2") != whose(centre, "order/W-1")
    code = next(row for key, row in all_rows(centre).items() if key.startswith("handle_code/"))
    assert code[3]["digest"]  # it counts still, from a handle of the family


@pytest.mark.parametrize("text", ["482914", "my code is 482913", "4829130", "48291", "٤٨٢٩١٣"])
def test_anything_else_is_a_message_like_every_other(
    centre: Centre, intake: Intake, text: str
) -> None:
    shown(centre, tom(centre))

    sent(intake, text)

    assert "interaction/chat:m-2" in all_rows(centre)
    assert whose(centre, "interaction/chat:m-2") != whose(centre, "order/W-1")


def test_a_code_that_we_wrote_proves_nothing(centre: Centre, intake: Intake) -> None:
    shown(centre, tom(centre))

    sent(intake, CODE, direction="out")

    assert whose(centre, "interaction/chat:m-1") != whose(centre, "order/W-1")


def test_a_code_counts_for_ten_minutes(centre: Centre, intake: Intake) -> None:
    shown(centre, tom(centre), until=NOW - 1)

    sent(intake, CODE)

    assert "interaction/chat:m-2" in all_rows(centre)


def test_a_code_counts_once(centre: Centre, intake: Intake) -> None:
    shown(centre, tom(centre))
    sent(intake, CODE)

    sent(intake, CODE, ref="m-3")

    assert "interaction/chat:m-3" in all_rows(centre)


def test_two_codes_that_are_alike_prove_nothing(centre: Centre, intake: Intake) -> None:
    maya = who("18", "Maya", "Stone", mail("maya@example.org"))
    intake.deliver("shop", delivery(event("3", bought("W-2", maya)), to=SHOP))
    (other,) = owners_named(centre, "Maya")
    shown(centre, tom(centre))
    shown(centre, other)

    sent(intake, CODE)

    assert "interaction/chat:m-2" in all_rows(centre)


def test_who_tries_many_codes_is_not_believed(centre: Centre, intake: Intake) -> None:
    shown(centre, tom(centre))
    for n in range(TRIES_MAX):
        sent(intake, f"10000{n}", ref=f"try-{n}")

    sent(intake, CODE)

    assert whose(centre, "interaction/chat:m-1") != whose(centre, "order/W-1")
