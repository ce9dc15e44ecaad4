"""Programs of other versions read what they can, and keep the rest."""

from typing import Any

import msgspec
import pytest

from sync.model import forms
from sync.model.errors import Malformed
from sync.model.records import KINDS


def _one_name(body: dict[str, Any]) -> dict[str, Any]:
    rest = {name: value for name, value in body.items() if name not in ("given", "family")}
    return {**rest, "name": f"{body['given']} {body['family']}"}


def _few_pets(body: dict[str, Any]) -> dict[str, Any] | None:
    return None if body["pets"] > 9 else {**body, "has_pets": body["pets"] > 0}


BOOK = {
    "person": forms.Form(4, {4: _few_pets, 3: _one_name, 2: lambda body: body}),
    "pebble": forms.Form(2, {2: lambda body: {**body, "weight_g": body["weight_mg"] // 1_000}}),
}
NEWEST = msgspec.json.encode({"given": "Lena", "family": "Berg", "pets": 2})


def test_a_device_that_reads_the_newest_form_gets_the_very_bytes() -> None:
    assert forms.body_for("person", NEWEST, 4, 4, forms=BOOK) == (NEWEST, 4)
    assert forms.body_for("person", b"not even json", 1, 4, forms=BOOK) == (b"not even json", 1)


@pytest.mark.parametrize(
    ("wanted", "name"), [(3, {"given": "Lena", "family": "Berg"}), (2, {"name": "Lena Berg"})]
)
def test_a_device_of_the_last_two_versions_gets_the_form_it_reads(
    wanted: int, name: dict[str, str]
) -> None:
    body, form = forms.body_for("person", NEWEST, 4, wanted, forms=BOOK)

    assert form == wanted
    assert msgspec.json.decode(body) == {**name, "pets": 2, "has_pets": True}


def test_a_device_further_behind_gets_it_raw_and_is_told_which_kinds() -> None:
    assert forms.body_for("person", NEWEST, 4, 1, forms=BOOK) == (NEWEST, 4)
    assert forms.degraded({"person": 1}, forms=BOOK) == ("person",)
    assert forms.degraded({"person": 2}, forms=BOOK) == ()


def test_what_the_older_form_cannot_say_goes_raw() -> None:
    many = msgspec.json.encode({"given": "L", "family": "B", "pets": 10})

    assert forms.body_for("person", many, 4, 3, forms=BOOK) == (many, 4)


def test_a_body_newer_than_this_program_goes_as_it_is() -> None:
    assert forms.body_for("person", NEWEST, 5, 4, forms=BOOK) == (NEWEST, 5)
    assert not forms.is_readable("person", 5, forms=BOOK)
    assert forms.is_readable("person", 4, forms=BOOK)


def test_a_body_that_must_be_converted_and_does_not_parse_is_malformed() -> None:
    with pytest.raises(Malformed):
        forms.body_for("person", b"{", 4, 3, forms=BOOK)


def test_a_form_without_its_converter_is_a_mistake_of_ours() -> None:
    with pytest.raises(AssertionError, match="no converter"):
        forms.Form(3, {3: lambda body: body})


def test_a_hello_says_what_is_beyond_form_1() -> None:
    assert forms.reads(forms=BOOK) == {"person": 4, "pebble": 2}
    assert [forms.newest(kind) for kind in KINDS] == [1] * len(KINDS)
