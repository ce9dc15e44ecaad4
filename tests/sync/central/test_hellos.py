"""What a hello says of a program and its machine, and what the centre says of that."""

from pathlib import Path

import httpx
import msgspec
import pytest

from hardware.clock import FixedClock, SystemClock
from hardware.moments import micros_of
from sync.central import device_rows
from sync.central.brand import read_brand
from sync.central.centre import Centre
from sync.central.enrolment import State
from sync.central.hellos import DISK_LOW_SIZE
from sync.model import registry, signatures, wire
from sync.model.errors import StoreError
from tests.support.centre import PlainDevice, new_device, open_centre


def over(centre: Centre) -> httpx.AsyncClient:
    return httpx.AsyncClient(transport=httpx.ASGITransport(app=centre.asgi_app))


def ruled(folder: Path, lines: str, *, database: str, clock: FixedClock) -> Centre:
    """A centre with these lines in its brand."""
    folder.mkdir(parents=True)
    (folder / "brand.toml").write_text(lines)
    return open_centre(folder, database=database, clock=clock)


def recorded(centre: Centre, device: PlainDevice) -> device_rows.DeviceRecord:
    with centre._store.reading() as snapshot:
        found = device_rows.device(snapshot.sql, device.identity.device_id)
    assert found is not None
    return found


async def test_kinds_this_centre_cannot_read_are_named_and_no_others(
    centre: Centre, http: httpx.AsyncClient
) -> None:
    device = PlainDevice(new_device(centre), http)
    known = registry.writes()
    device.more = {
        "writes": {**known, "stamp_passport": 1, "redeem": known["redeem"] + 1, "open_case": 0}
    }

    answer = await device.hello()

    assert answer.unread == ("redeem", "stamp_passport")


async def test_a_device_of_before_these_fields_is_answered_as_it_was(
    centre: Centre, http: httpx.AsyncClient
) -> None:
    device = PlainDevice(new_device(centre), http)
    agreement = signatures.Agreement.begin(
        device=device.identity.device_id, entropy=device.entropy
    )
    body = {
        "device": device.identity.device_id, "lineage": "l-1", "program": "tapthread",
        "share": agreement.share,
    }  # fmt: skip

    got = await device.send(
        device.signed_as_device(device.request("/v1/hello", msgspec.json.encode(body)))
    )

    answer = msgspec.json.decode(got.body, type=wire.HelloAnswer)
    assert agreement.finish(answer, centre_key=device.identity.centre_key)
    assert (answer.unread, answer.least_version, answer.least_from) == ((), "", 0)
    known = recorded(centre, device)
    assert (known.version, known.free_size) == ("", -1)
    assert centre.alerts() == []


async def test_a_device_with_little_room_is_shown_and_rings_once_a_day(
    centre: Centre, http: httpx.AsyncClient
) -> None:
    low, well = PlainDevice(new_device(centre), http), PlainDevice(new_device(centre), http)
    low.more = {"version": "0.1.0", "free_size": DISK_LOW_SIZE - 1}
    well.more = {"version": "0.1.0", "free_size": DISK_LOW_SIZE}

    for device in (low, low, well):
        await device.hello()

    assert recorded(centre, low).free_size == DISK_LOW_SIZE - 1
    assert recorded(centre, low).version == "0.1.0"
    assert recorded(centre, well).free_size == DISK_LOW_SIZE
    assert [(it.code, it.device) for it in centre.alerts()] == [
        ("device_disk_low", low.identity.device_id)
    ]


@pytest.mark.parametrize("free_size", [-2, 2**63, "much"])
async def test_room_that_cannot_be_is_malformed(
    centre: Centre, http: httpx.AsyncClient, free_size: object
) -> None:
    device = PlainDevice(new_device(centre), http)
    device.more = {"free_size": free_size}
    agreement = signatures.Agreement.begin(
        device=device.identity.device_id, entropy=device.entropy
    )

    got = await device.send(
        device.signed_as_device(device.request("/v1/hello", device.hello_body(agreement)))
    )

    assert msgspec.json.decode(got.body, type=wire.Problem).code == "malformed"


async def test_an_old_program_is_told_until_when_and_then_refused(
    any_database: str, tmp_path: Path
) -> None:
    clock = FixedClock(SystemClock().now())
    day_us = 86_400 * 1_000_000
    until = (micros_of(clock.now()) // day_us + 2) * day_us
    day = (clock.now().date()).fromordinal(clock.now().date().toordinal() + 2)
    address = any_database if any_database.startswith("postgresql") else ""
    lines = f'least_program = "0.2.0"\nleast_program_from = {day}\n'
    centre = ruled(tmp_path / "centre", lines, database=address, clock=clock)
    async with over(centre) as http:
        old, new = (
            PlainDevice(new_device(centre, url="http://centre.test"), http, clock=clock)
            for _ in range(2)
        )
        old.more, new.more = {"version": "0.1.9"}, {"version": "0.2"}

        told = await old.hello()

        assert (told.least_version, told.least_from) == ("0.2.0", until)
        assert {(it.code, it.device) for it in centre.alerts()} == {
            ("device_outdated", old.identity.device_id)
        }
        clock.sleep_ms((until - micros_of(clock.now())) // 1_000 + 1)
        agreement = signatures.Agreement.begin(
            device=old.identity.device_id, entropy=old.entropy
        )
        refused = await old.send(
            old.signed_as_device(old.request("/v1/hello", old.hello_body(agreement)))
        )
        assert refused.status == 426
        problem = msgspec.json.decode(refused.body, type=wire.Problem)
        assert (problem.code, problem.detail) == ("incompatible", "version")
        assert (await new.hello()).least_version == "0.2.0"
        centre.set_device_state(old.identity.device_id, State.REVOKED)
        assert (await old.hello()).state == "revoked", "who is out hears so in any program"
    centre.close()


@pytest.mark.parametrize(
    "line", ['least_program = "soon"', 'least_program_from = "2027-01-31"', "least_program = 2"]
)
def test_a_rule_that_makes_no_sense_stops_the_centre(tmp_path: Path, line: str) -> None:
    (tmp_path / "brand.toml").write_text(line + "\n")

    with pytest.raises(StoreError, match="least_program"):
        read_brand(tmp_path)


def test_a_day_begins_in_the_zone_of_the_shop(tmp_path: Path) -> None:
    (tmp_path / "brand.toml").write_text(
        'zone = "Europe/Berlin"\nleast_program = "0.2"\nleast_program_from = 2027-01-31\n'
    )

    brand = read_brand(tmp_path)

    assert brand.least_from == 1_801_350_000_000_000
