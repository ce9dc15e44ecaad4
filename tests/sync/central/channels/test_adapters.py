"""Every adapter, given the same bad input: only Forged or Unmapped ever leaves one, and what is good is taken."""

import copy
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import sync.central.channels as folder
from sync.central.channels.adapter import REPLAY_WITHIN_S, Forged, Unmapped
from sync.central.channels.facts import AnyFact
from sync.central.channels.parts import AT_MAX, REF_MAX
from sync.central.channels.registry import ADAPTERS
from sync.model.records import CHANNELS
from tests.support.deliveries import NOW_S, PAYLOADS, Vendor, all_vendors

VENDORS = all_vendors()
CASES = [(vendor, type_) for vendor in VENDORS for type_ in vendor.types]
OF_JSON = [
    (vendor, type_) for vendor, type_ in CASES if vendor.pack and type_ not in vendor.held
]
each_vendor = pytest.mark.parametrize("vendor", VENDORS, ids=lambda one: one.name)
each_payload = pytest.mark.parametrize(
    ("vendor", "type_"), CASES, ids=lambda one: str(getattr(one, "name", one))
)
each_json = pytest.mark.parametrize(
    ("vendor", "type_"), OF_JSON, ids=lambda one: str(getattr(one, "name", one))
)

SIGNED = [vendor for vendor in VENDORS if vendor.secret]
OF_BYTES = [(vendor, type_) for vendor, type_ in CASES if not vendor.pack]
each_signed = pytest.mark.parametrize("vendor", SIGNED, ids=lambda one: one.name)

STRANGE: tuple[Any, ...] = (
    None,
    True,
    -1,
    7,
    2**70,
    0.5,
    1e300,
    "",
    "x",
    "\0",
    "<b>&amp;</b>",
    "9" * 5_000,
    [],
    [None],
    {},
    {"": {}},
)
"""What stands where something else is documented."""


def told(
    vendor: Vendor, type_: str, body: bytes, *, may_be_forged: bool = False
) -> tuple[AnyFact, ...] | None:
    """What a signed body says; None when the adapter says that it is not the vendor's. Anything else it raises is a defect."""
    try:
        events = vendor.take(vendor.delivery(type_, body))
        facts = tuple(
            fact for one in events for fact in vendor.adapter.facts(one, vendor.settings)
        )
    except (Unmapped, Forged) as error:
        if isinstance(error, Forged) and not may_be_forged:
            raise
        return None
    hold(events, facts)
    return facts


def hold(events: Any, facts: tuple[AnyFact, ...]) -> None:
    """What every event and fact keeps, so that it can be written down: ids, times, sizes, words of ours."""
    for event in events:
        assert event.id  # of one that is too long the intake takes a digest
        assert 0 <= event.at <= AT_MAX
        msgspec.json.decode(msgspec.json.encode(event.body))
    for fact in facts:
        assert 0 < len(fact.ref) <= REF_MAX
        assert 0 <= fact.at <= AT_MAX
        assert getattr(fact, "channel", "web") in CHANNELS
        wire = msgspec.json.encode(fact)
        assert msgspec.json.decode(wire, type=AnyFact) == fact
        assert b"\\u0000" not in wire


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Path of everything in decoded JSON; of long lists only the first two elements."""
    yield path
    inner = (
        value.items()
        if isinstance(value, dict)
        else enumerate(value[:2])
        if isinstance(value, list)
        else ()
    )
    for name, one in inner:
        yield from places(one, (*path, name))


def changed(payload: Any, path: tuple[Any, ...], change: Callable[[Any, Any], None]) -> Any:
    """A copy in which `change` was called with what holds the last name of the path, and that name."""
    whole = copy.deepcopy(payload)
    here = whole
    for name in path[:-1]:
        here = here[name]
    change(here, path[-1])
    return whole


def setting(value: Any) -> Callable[[Any, Any], None]:
    """A change that puts this there."""
    return lambda here, name: here.__setitem__(name, value)


def with_more(value: Any) -> Any:
    """The same with a field in every object that nobody knows."""
    if isinstance(value, dict):
        return {
            **{name: with_more(one) for name, one in value.items()},
            "somethingnew": {"new": [1]},
        }
    return [with_more(one) for one in value] if isinstance(value, list) else value


def test_every_adapter_is_tested_with_payloads_and_has_the_name_of_its_file() -> None:
    assert {one.name for one in PAYLOADS.iterdir() if one.is_dir()} == set(ADAPTERS)
    assert all(ADAPTERS[name].name == name for name in ADAPTERS)


def test_every_adapter_stands_in_the_table_that_tells_of_all() -> None:
    table = (Path(folder.__file__).parent / "README.md").read_text()

    assert [name for name in ADAPTERS if f"| `{name}` |" not in table] == []


def test_every_payload_says_where_it_is_from() -> None:
    lines = (PAYLOADS / "README.md").read_text().splitlines()

    silent = [
        f"{vendor.name}/{type_}"
        for vendor, type_ in CASES
        if not any(f"`{vendor.name}/" in line and type_ in line for line in lines)
    ]

    assert silent == []


@each_vendor
def test_a_vendor_has_payloads(vendor: Vendor) -> None:
    assert vendor.types


@each_payload
def test_what_the_vendor_documents_is_taken(vendor: Vendor, type_: str) -> None:
    facts = told(vendor, type_, vendor.body(type_))

    assert (facts is None) == (type_ in vendor.held)


@each_payload
def test_a_delivery_that_comes_again_has_the_same_events(vendor: Vendor, type_: str) -> None:
    once = vendor.take(vendor.delivery(type_, now_s=NOW_S))
    again = vendor.take(vendor.delivery(type_, now_s=NOW_S + 60))

    assert [one.id for one in again] == [one.id for one in once]
    assert len({one.id for one in once}) == len(once)


@each_payload
def test_what_comes_by_http_without_a_signature_is_forged(vendor: Vendor, type_: str) -> None:
    delivery = replace(vendor.delivery(type_), headers={}, url="https://centre.example/in/x")

    with pytest.raises(Forged):
        vendor.adapter.verify(delivery, vendor.settings)


@pytest.mark.parametrize(
    ("vendor", "type_"),
    [(vendor, type_) for vendor, type_ in CASES if vendor.secret and vendor.signs_body],
    ids=lambda one: str(getattr(one, "name", one)),
)
def test_a_body_that_was_changed_on_the_way_is_forged(vendor: Vendor, type_: str) -> None:
    delivery = vendor.delivery(type_)
    body = delivery.body[:-1] + bytes([delivery.body[-1] ^ 1])

    with pytest.raises(Forged):
        vendor.adapter.verify(replace(delivery, body=body), vendor.settings)


@each_signed
@pytest.mark.parametrize("secret", ["", "not it", "hush before!"])
def test_a_delivery_signed_with_another_secret_is_forged(vendor: Vendor, secret: str) -> None:
    with pytest.raises(Forged):
        vendor.adapter.verify(vendor.delivery(vendor.types[0], secret=secret), vendor.settings)


@each_signed
def test_without_a_secret_nothing_is_believed(vendor: Vendor) -> None:
    with pytest.raises(Forged):
        vendor.adapter.verify(
            vendor.delivery(vendor.types[0]), replace(vendor.settings, secrets={})
        )


@each_signed
def test_an_older_secret_still_counts(vendor: Vendor) -> None:
    older = {
        f"{vendor.secret}_old": vendor.settings.secrets[vendor.secret],
        vendor.secret: "a new one",
    }

    vendor.adapter.verify(
        vendor.delivery(vendor.types[0]),
        replace(vendor.settings, secrets={**vendor.settings.secrets, **older}),
    )


@pytest.mark.parametrize(
    "vendor", [one for one in VENDORS if one.signs_time], ids=lambda one: one.name
)
@pytest.mark.parametrize("late_s", [REPLAY_WITHIN_S + 1, -REPLAY_WITHIN_S - 1])
def test_a_delivery_signed_at_another_time_is_forged(vendor: Vendor, late_s: int) -> None:
    delivery = vendor.delivery(vendor.types[0])

    with pytest.raises(Forged):
        vendor.adapter.verify(replace(delivery, now=NOW_S + late_s), vendor.settings)


@each_json
def test_a_field_nobody_knows_changes_nothing(vendor: Vendor, type_: str) -> None:
    payload = vendor.payload(type_)

    assert vendor.facts(type_, with_more(payload)) == vendor.facts(type_, payload)


@each_json
def test_whatever_stands_in_a_place_only_unmapped_leaves(vendor: Vendor, type_: str) -> None:
    assert vendor.pack
    payload = vendor.payload(type_)
    for index, path in enumerate(list(places(payload))[1:]):
        for strange in (STRANGE[(2 * index + step) % len(STRANGE)] for step in range(2)):
            told(vendor, type_, vendor.pack(changed(payload, path, setting(strange))))


@pytest.mark.soak
@each_json
def test_whatever_stands_anywhere_only_unmapped_leaves(vendor: Vendor, type_: str) -> None:
    assert vendor.pack
    payload = vendor.payload(type_)
    for path in list(places(payload))[1:]:
        for strange in STRANGE:
            told(vendor, type_, vendor.pack(changed(payload, path, setting(strange))))


@each_json
def test_whatever_is_missing_only_unmapped_leaves(vendor: Vendor, type_: str) -> None:
    assert vendor.pack
    payload = vendor.payload(type_)
    for path in list(places(payload))[1:]:
        told(
            vendor,
            type_,
            vendor.pack(changed(payload, path, lambda here, name: here.__delitem__(name))),
        )


@each_vendor
@pytest.mark.parametrize(
    "body",
    [
        b"", b" ", b"null", b"[]", b"{}", b"[{}]", b"7", b'"x"', b"\0", b"\xff\xfe", '{"name":"Müller"}'.encode("latin-1"),
        b"[" * 100_000, b'{"a":' * 100_000, b"9" * 5_000, b'{"id":' + b"9" * 5_000 + b"}", b"x" * 1_048_576,
        b'{"id":"' + b"x" * 1_048_576 + b'"}', b"<html>\r\n</html>", b"a=1&a=2&%ff=%00", b"From: x\r\n\r\n",
    ],
    ids=range(20),
)  # fmt: skip
def test_whatever_the_body_is_only_unmapped_leaves(vendor: Vendor, body: bytes) -> None:
    for type_ in vendor.types[:3] if len(body) < 10_000 else vendor.types[:1]:
        told(
            vendor, type_, body, may_be_forged=True
        )  # a form that cannot be read has no signature


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=10), inner, max_size=4)
    ),
    max_leaves=12,
)


@settings(max_examples=60)
@given(st.data())
def test_whatever_json_comes_only_unmapped_leaves(data: st.DataObject) -> None:
    vendor, type_ = data.draw(st.sampled_from(OF_JSON))
    payload = vendor.payload(type_)
    path = data.draw(st.sampled_from(list(places(payload))[1:]))
    put = data.draw(JSON)
    assert vendor.pack

    told(
        vendor,
        type_,
        vendor.pack(changed(payload, path, setting(put))),
    )


@settings(max_examples=150)
@given(st.data())
def test_however_a_file_or_a_mail_is_broken_only_unmapped_leaves(data: st.DataObject) -> None:
    vendor, type_ = data.draw(st.sampled_from(OF_BYTES))
    body = vendor.raw(type_)
    start = data.draw(st.integers(0, len(body)))
    end = data.draw(st.integers(start, min(len(body), start + 40)))
    put = data.draw(st.binary(max_size=20) | st.sampled_from(MISPLACED))

    told(vendor, type_, body[:start] + put + body[end:])


MISPLACED = (
    b"\r\n", b"\r\n\r\n", b"=?utf-8?b?!!?=", b"=?x-none?q?=ZZ?=", b"\"", b"(" * 3_000, b"<" * 3_000, b";charset=none;", b"--b", b",,,",
    b"\nContent-Type: multipart/mixed; boundary=x\n" * 200, b"\0", b"\xff", b"Date: 99 Foo 99999\n", b"filename*=utf-8''%ff;",
)  # fmt: skip
