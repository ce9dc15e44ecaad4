"""Who is erased is found in the bytes of events however somebody spelled them, and nobody else is taken for them."""

import base64
import json
import quopri
import random
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import quote, quote_plus

import phonenumbers
import pytest
from phonenumbers import PhoneNumberFormat as Form

from hardware.clock import FixedClock
from hardware.moments import moment_of
from sync.central import mentions
from sync.central.centre import Centre
from sync.central.channels.facts import Said
from sync.central.mentions import Mentions
from tests.support.centre import open_centre
from tests.support.channels import CHAT, NOW, delivery, event, intake_of, mail, phone, who

REGIONS = ("GB", "DE", "US", "FR", "IT", "ES", "NL", "PL", "SE", "DK", "NO", "CH", "AT", "PT", "IN", "AU", "JP", "BR", "MX", "ZA")  # fmt: skip
N_NUMBERS = 100
N_ADDRESSES = 100
N_HANDLES = 100

IN_WHAT: dict[str, Callable[[str], bytes]] = {
    "text": lambda it: f"please call {it} today".encode(),
    "json": lambda it: json.dumps({"from": it, "text": "Grüße"}).encode(),
    "json, not ascii": lambda it: json.dumps({"from": it}, ensure_ascii=False).encode(),
    "json in json": lambda it: json.dumps({"body": json.dumps({"of": {"who": it}})}).encode(),
    "form": lambda it: f"From={quote_plus(it)}&Body=hello".encode(),
    "address of a page": lambda it: f"https://shop.example/?who={quote(it, safe='')}".encode(),
    "table": lambda it: f'who;what\n"{it}";shirt\n'.encode(),
    "quoted-printable": lambda it: quopri.encodestring(f"{'ä' * 12} {it} {'b ' * 60}".encode()),
    "base64": lambda it: base64.encodebytes(f"Dear shop,\n\nmy name: {it}\n\nThank you very much".encode()),
    "html": lambda it: f"<p>Hello&nbsp;<b>{it.replace(' ', '&nbsp;')}</b></p>".encode(),
    "utf-16": lambda it: f"my number {it} please".encode("utf-16"),
    "capitals": lambda it: f"CALL {it.upper()} NOW".encode(),
}  # fmt: skip
"""What a spelling stands in."""


def numbers(chance: random.Random) -> Iterator[phonenumbers.PhoneNumber]:
    """Possible mobile numbers of many countries."""
    for n in range(N_NUMBERS):
        example = phonenumbers.example_number_for_type(
            REGIONS[n % len(REGIONS)], phonenumbers.PhoneNumberType.MOBILE
        )
        assert example is not None
        digits = phonenumbers.national_significant_number(example)
        tail = "".join(chance.choice("123456789") for _ in range(5))
        yield phonenumbers.parse(f"+{example.country_code}{digits[:-5]}{tail}")


def spellings_of(number: phonenumbers.PhoneNumber, chance: random.Random) -> Iterator[str]:
    core = phonenumbers.national_significant_number(number)
    national = phonenumbers.format_number(number, Form.NATIONAL)
    yield phonenumbers.format_number(number, Form.E164)
    yield phonenumbers.format_number(number, Form.INTERNATIONAL)
    yield phonenumbers.format_number(number, Form.RFC3966)
    yield national
    yield "".join(sign for sign in national if sign.isdigit())
    yield f"00{number.country_code}{core}"
    yield f"00 {number.country_code} {core}"
    yield f"+{number.country_code} (0) {core}"
    for between in (" ", "-", ".", "/", "\u00a0", "\u2011", " - "):
        at = sorted(chance.sample(range(1, len(core)), 3))
        parts = [core[i:j] for i, j in zip([0, *at], [*at, len(core)], strict=True)]
        yield f"+{number.country_code}{between}{between.join(parts)}"
        yield f"({number.country_code}){between}{between.join(parts)}"
    yield f"\u202a+{number.country_code}\u202c {core[:3]}\u200b{core[3:]}"
    yield "".join(chr(0xFF10 + int(sign)) for sign in f"00{number.country_code}{core}")


def address_spellings(address: str) -> Iterator[str]:
    name, _, domain = address.partition("@")
    yield from (
        address,
        address.upper(),
        address.title(),
        f"<{address}>",
        f"Lena M. <{address}>",
    )
    yield from (
        f'"Lena" <{address.upper()}>',
        f"mailto:{address}",
        f"{name} @ {domain}",
        f"({address})",
    )
    ascii_domain = domain.encode("idna").decode()
    yield from (
        f"bounces+{name}={ascii_domain}@mailer.example",
        f"bounce-12-{name}={ascii_domain}@mailer.example",
        f"SRS0=aB3d=5K={ascii_domain}={name}@forward.example",
        f"{name}@\u200b{domain}",
        f"{name[:2]}\u00ad{name[2:]}@{domain}",
    )
    yield from (
        f"{address}.",
        f"{address},",
        f"{name}@{domain.encode('idna').decode()}",
        f"[{address}]",
    )


def handle_spellings(name: str) -> Iterator[str]:
    yield from (
        f"@{name}",
        f"@{name.upper()}",
        f"https://x.com/{name}",
        f"instagram.com/{name}/",
    )
    yield from (f"hello @{name}, there", f"https://www.tiktok.com/@{name}?lang=en")


def measured(
    wanted: Callable[[str], Mentions], cases: dict[str, list[str]], others: list[str]
) -> tuple[list[tuple[str, str]], list[tuple[str, str]], int]:
    """Spellings that were missed, others taken for them, and how many were looked at."""
    missed, wrong, n = [], [], 0
    for term, spellings in cases.items():
        looking = wanted(term)
        for index, spelling in enumerate(spellings):
            for name, put in IN_WHAT.items():
                n += 1
                if not looking.stand_in(put(spelling)):
                    missed.append((name, spelling))
            other = others[index % len(others)]
            if other != term and looking.stand_in(IN_WHAT["json"](other.partition(":")[2])):
                wrong.append((term, other))
    return missed, wrong, n


def test_every_spelling_of_a_number_is_found_and_no_other_number() -> None:
    chance = random.Random("numbers")
    told = {
        f"tel:{phonenumbers.format_number(it, Form.E164)}": list(spellings_of(it, chance))
        for it in numbers(chance)
    }

    missed, wrong, n = measured(lambda term: Mentions([term], ()), told, sorted(told))

    assert (missed, wrong) == ([], [])
    assert n > 20_000


def test_every_spelling_of_an_address_is_found_and_no_other_address() -> None:
    chance = random.Random("addresses")
    domains = ("example.org", "post.example.co.uk", "bücher.example", "sub-domain.example")
    addresses = [
        f"{chance.choice(('lena', 'm.stone', 'o-brien', 'kofi+shop', 'ama_'))}{n}@{domains[n % 4]}"
        for n in range(N_ADDRESSES)
    ]
    told = {f"mailto:{it}": list(address_spellings(it)) for it in addresses}

    missed, wrong, n = measured(lambda term: Mentions([term], ()), told, sorted(told))

    assert (missed, wrong) == ([], [])
    assert n > 10_000


def test_every_spelling_of_a_handle_is_found_and_no_other_handle() -> None:
    chance = random.Random("handles")
    letters = "abcdefghijklmnopqrstuvwxyz_"
    handles = sorted(
        {"".join(chance.choice(letters) for _ in range(3 + n % 12)) for n in range(N_HANDLES)}
    )
    told = {f"x:{it}": list(handle_spellings(it)) for it in handles}

    missed, wrong, n = measured(lambda term: Mentions([term], ()), told, sorted(told))

    assert (missed, wrong) == ([], [])
    assert n > 5_000


@pytest.mark.parametrize(
    "text",
    [
        "17700900123", "077009001234", "9447700900123", "00 44 7700 900124", "order 7700900",
        "alena@example.org", "bounces+alena=example.org@x.example", "lena=example.organic@x.example", "lena@example.organic", "lena@example.org.uk", "lena@example.com", "lena.x@example.org",
        "tom_bb", "atom_b", "a tom_b of sorts", "gid123456789", "xgid12345678",
    ],
)  # fmt: skip
def test_what_only_holds_it_is_another(text: str) -> None:
    wanted = Mentions(
        ["tel:+447700900123", "mailto:lena@example.org", "x:tom_b"], ["gid12345678", "17"]
    )

    assert not wanted.stand_in(text.encode())


def test_an_id_is_found_as_a_word_and_a_short_one_is_not_looked_for() -> None:
    wanted = Mentions([], ["gid12345678", "17"])

    assert wanted.stand_in(b'{"customer":"GID12345678"}')
    assert wanted.stand_in(b"gid://shopify/gid12345678/x")
    assert not wanted.stand_in(b'{"customer":"17"}')
    assert not Mentions([], ["17"])


def test_a_message_id_that_holds_the_number_packed_is_found() -> None:
    wanted = Mentions(["tel:+447700900123"], ())
    packed = base64.b64encode(b"\x1c\x18\x0c447700900123\x15\x02\x00\x12\x18").decode()

    assert wanted.stand_in(json.dumps({"statuses": [{"id": f"wamid.{packed}"}]}).encode())


# In a centre


@pytest.fixture
def centre(centre_on: str, request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Centre]:
    address = "" if centre_on == "sqlite" else request.getfixturevalue("made_database")
    opened = open_centre(
        tmp_path / "centre", clock=FixedClock(moment_of(NOW)), database=address
    )
    yield opened
    opened.close()


def held(name: str, text: str) -> dict[str, object]:
    return {"id": name, "type": "broken", "at": 0, "facts": [], "text": text}


def maya(centre: Centre) -> str:
    """A customer with a number, an address and a handle; nothing is known of the held events."""
    intake = intake_of(centre)
    points = (mail("maya@example.org"), phone("07700 900123"))
    said = Said(
        ref="m1", at=NOW, who=who("17", "Maya", "Stone", *points), channel="web", direction="in",
        text="hello", thread="t1", by="Maya",
    )  # fmt: skip
    intake.deliver("shop", delivery(event("e1", said)))
    with centre._parts.store.reading() as snapshot:
        return str(snapshot.sql.all("SELECT owner FROM alias")[0][0])


def states(centre: Centre) -> dict[str, tuple[str, bool, str]]:
    with centre._parts.store.reading() as snapshot:
        found = snapshot.sql.all("SELECT id, state, raw IS NOT NULL, reason FROM event")
        return {
            "forged" if it.startswith("forged") else it: (state, bool(is_there), reason)
            for it, state, is_there, reason in found
        }


def test_erasing_removes_the_bytes_that_speak_of_somebody_and_no_others(centre: Centre) -> None:
    owner, intake = maya(centre), intake_of(centre)
    spoken = {
        "national": "ring (07700) 900 123", "abroad": "0044 7700-900-123", "capitals": "MAYA@EXAMPLE.ORG",
        "brackets": "Maya Stone <maya@example.org>",
    }  # fmt: skip
    for name, text in spoken.items():
        intake.deliver("shop", delivery(held(name, text)))
    intake.deliver("shop", delivery(held("of another", "ring 07700 900124")))
    intake.deliver("shop", delivery(held("x", "Maya@Example.org"), x_word="no"))
    intake.pause("chat", reason="audit")
    intake.deliver("chat", delivery(held("waits", "+44 7700 900 123"), to=CHAT))

    centre.erase(owner)

    found = states(centre)
    for name in (*spoken, "forged", "waits", "e1"):
        assert found[name] == ("erased", False, ""), name
    assert found["of another"][:2] == ("held", True)


def test_what_comes_between_looking_and_erasing_is_found_too(
    centre: Centre, monkeypatch: pytest.MonkeyPatch
) -> None:
    owner, intake = maya(centre), intake_of(centre)
    look = mentions.look

    def slow(*args: object, **named: object) -> mentions.Looked:
        looked = look(*args, **named)  # type: ignore[arg-type]
        intake.deliver("shop", delivery(held("late", "07700/900123")))
        return looked

    monkeypatch.setattr(mentions, "look", slow)
    centre.erase(owner)

    assert states(centre)["late"] == ("erased", False, "")


def test_an_event_whose_bytes_went_keeps_no_reason_that_names_them(centre: Centre) -> None:
    owner, intake = maya(centre), intake_of(centre)
    intake.deliver("shop", delivery(held("e2", "nobody")))
    centre._parts.write(
        lambda it: it.direct().run(
            "UPDATE event SET raw = NULL, head = '', reason = 'no customer Maya@example.org' WHERE id = 'e2'"
        )
    )

    centre.erase(owner)

    assert states(centre)["e2"] == ("erased", False, "")


def test_the_looked_at_is_looked_at_again_only_where_it_is_new(centre: Centre) -> None:
    maya(centre)
    intake = intake_of(centre)
    intake.deliver("shop", delivery(held("before", "07700 900 123")))
    wanted = Mentions(["tel:+447700900123"], ())

    looked = mentions.look(centre._parts.store, wanted, now=NOW)
    other = Mentions(["tel:+447700900123", "x:maya"], ())
    nobody = Mentions(["tel:+447700900999"], ())
    n_nobody = centre._parts.write(lambda it: mentions.erase(it, nobody, looked))
    n_same = centre._parts.write(
        lambda it: mentions.erase(it, wanted, mentions.Looked(wanted.key, (), NOW + 1))
    )
    n_other = centre._parts.write(lambda it: mentions.erase(it, other, looked))

    assert looked.found == (("shop", "before"),)
    assert n_nobody == 0  # and what was found for somebody else is not this one's
    assert n_same == 0  # nothing is new since then
    assert n_other == 1  # it was looked for something else: all is looked at again
