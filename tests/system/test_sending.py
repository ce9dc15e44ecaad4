"""A running centre sends by itself, and a power cut in the middle of it loses no message."""

import stat
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from hardware.moments import micros_of
from kiosk.commands import outgoing
from sync.central.store import Store
from sync.model.records import Interaction
from tests.support import shop
from tests.support.centre import RunningCentre, open_centre, running_centre
from tests.support.sending import SendingShop, answer
from tests.support.vendor_servers import Subscriber, WhatsAppCloud, running

CHANNELS = """
[wa]
adapter = "whatsapp"
channel = "whatsapp"
[wa.secrets]
access = "EAAG-test"
app = "0123456789abcdef0123"
[wa.options]
phone_id = "1067"
api_url = "{meta}/v22.0"

[crm]
adapter = "cloudevents"
[crm.secrets]
signing = "a secret of sixteen"
[crm.options]
send_url = "{crm}/events"
wants = "interaction."
"""


@pytest.fixture
def meta() -> Iterator[WhatsAppCloud]:
    vendor = WhatsAppCloud()
    vendor.open_windows.add("491712345678")
    with running(vendor):
        yield vendor


@pytest.fixture
def crm() -> Iterator[Subscriber]:
    vendor = Subscriber()
    with running(vendor):
        yield vendor


@pytest.fixture
def data(tmp_path: Path, meta: WhatsAppCloud, crm: Subscriber) -> Path:
    """A centre of a small shop, where Lena wrote just now."""
    file = tmp_path / "channels.toml"
    file.write_text(CHANNELS.format(meta=meta.url, crm=crm.url))
    file.chmod(stat.S_IRUSR | stat.S_IWUSR)
    open_centre(tmp_path / "centre").close()
    with at_the_database(tmp_path) as (_, harbour):
        wrote = Interaction("in-1", harbour.now, "whatsapp", "in", "Lena", "hello?")
        harbour.put(*shop.lenas_rows(), shop.row(wrote))
    return tmp_path


class at_the_database:  # noqa: N801  # a block
    """Write as another node would."""

    def __init__(self, data: Path) -> None:
        self.store = Store(data / "centre" / "centre.db", fresh_epoch="")

    def __enter__(self) -> tuple[Store, SendingShop]:
        return self.store, SendingShop(self.store, at=micros_of(datetime.now(UTC)))

    def __exit__(self, *_: object) -> None:
        self.store.close()


def until(vendor: WhatsAppCloud | Subscriber, n: int) -> None:
    for _ in range(3_000):
        if len(vendor.asked) >= n:
            return
        vendor.pause()
    raise AssertionError(f"only {len(vendor.asked)} requests came")


def state(data: Path, op_id: str, wanted: str) -> str:
    """What the message says, once it says what is wanted."""
    said = ""
    for _ in range(3_000):
        with at_the_database(data) as (_store, harbour):
            said = harbour.message(op_id).delivery
        if said == wanted:
            break
    return said


def test_a_running_centre_sends_and_tells_by_itself(
    data: Path, meta: WhatsAppCloud, crm: Subscriber
) -> None:
    with running_centre(data, "--channels", data / "channels.toml"):
        with at_the_database(data) as (_, harbour):
            harbour.push(answer(is_now=True, at=harbour.now))
        until(meta, 1)
        until(crm, 1)

        assert state(data, "a-1", "sent") == "sent"

    assert [one["text"]["body"] for one in meta.sent] == ["It is here."]
    assert crm.types == ["tapthread.interaction.recorded"]


def test_what_a_power_cut_left_between_sending_and_noting_waits_for_a_person(
    data: Path, meta: WhatsAppCloud
) -> None:
    """This vendor knows no message by our id and lists none; `senders/whatsapp` says so."""
    with at_the_database(data) as (_, harbour):
        harbour.push(answer(is_now=True, at=harbour.now))
    meta.stall_next()
    centre = RunningCentre(data, "--channels", data / "channels.toml")
    until(meta, 1)

    centre.kill()
    with at_the_database(data) as (store, harbour):
        cut = harbour.state("a-1")
        with store.writing() as it:  # three minutes pass
            it.direct().run("UPDATE outgoing SET due_at = 0 WHERE state = 'sending'")
    with running_centre(data, "--channels", data / "channels.toml"):
        after = state(data, "a-1", "unsure")
        n_alone = len(meta.sent)
        outgoing.run("retry", "a-1", data=data)
        until(meta, 2)
        in_the_end = state(data, "a-1", "sent")

    assert cut == ("sending", "sending")
    assert (after, n_alone) == ("unsure", 1)
    assert in_the_end == "sent"
    assert [one["biz_opaque_callback_data"] for one in meta.sent] == ["a-1", "a-1"]
