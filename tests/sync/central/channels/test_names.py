"""Every option and secret a file reads is known by its name, so that a misspelt one can be told; and no other is."""

import re
from pathlib import Path

import pytest

import sync.central
from sync.central.channels.adapter import Settings, Unmapped
from sync.central.channels.names import EVERY, NAMES, fault_of, is_one_of, names_of
from sync.central.channels.parts import decoded
from sync.central.channels.registry import ADAPTERS
from sync.central.senders.registry import LISTENERS, SENDERS

CENTRAL = Path(sync.central.__file__).parent
READS = (
    r"""options\.get\(\s*"([a-z_]+)\"""",
    r"""option\(\s*settings, f?"([a-z_]+)""",
    r"""number_of\(settings, "([a-z_]+)\"""",
    r"""told(?:\.get\(|\[)"((?:imap_|after)[a-z_]*)\"""",
    r"""CARD_NOTE: Final = "([a-z_]+)\"""",
)
SECRETS = (r"""secrets_of\(\s*settings, "([a-z_]+)\"""", r"""secrets\.get\(\s*"([a-z_]+)\"""")
SENDING = {"email": "smtp", "cloudevents": "cloud_event"}


def read_in(path: Path, patterns: tuple[str, ...]) -> set[str]:
    text = path.read_text()
    return {name for pattern in patterns for name in re.findall(pattern, text)}


def files_of(adapter: str) -> list[Path]:
    files = [CENTRAL / "channels" / f"{adapter}.py"]
    if adapter in {*SENDERS, *LISTENERS}:
        files.append(CENTRAL / "senders" / f"{SENDING.get(adapter, adapter)}.py")
    return files


def test_each_adapter_is_there() -> None:
    assert set(NAMES) == set(ADAPTERS)


@pytest.mark.parametrize("adapter", sorted(NAMES))
def test_what_an_adapter_and_its_sender_read_is_known(adapter: str) -> None:
    names = names_of(adapter)
    assert names is not None
    read = set().union(*(read_in(path, READS) for path in files_of(adapter)))
    secrets = set().union(*(read_in(path, SECRETS) for path in files_of(adapter)))

    unknown = {name for name in read if not is_one_of(name, names.options)}

    assert unknown == set()
    assert secrets <= set(names.secrets)


def test_what_is_known_is_read_somewhere() -> None:
    read = set().union(*(read_in(path, READS) for path in CENTRAL.rglob("*.py")))
    secrets = set().union(*(read_in(path, SECRETS) for path in CENTRAL.rglob("*.py")))

    known = {name for names in (*NAMES.values(), EVERY) for name in names.options}
    known_secrets = {name for names in NAMES.values() for name in names.secrets}

    assert {name for name in known if "*" not in name} <= read
    assert known_secrets <= secrets


@pytest.mark.parametrize("adapter", sorted(NAMES))
def test_every_name_stands_in_the_head_of_a_file(adapter: str) -> None:
    heads = " ".join(
        path.read_text().split('"""')[1]
        for path in (
            *files_of(adapter),
            CENTRAL / "fetching.py",
            CENTRAL / "senders" / "registry.py",
        )
    )

    unsaid = [
        name
        for name in (*NAMES[adapter].options, *NAMES[adapter].secrets)
        if name.replace("*", "KIND") not in heads
    ]

    assert unsaid == []


def test_a_right_name_is_no_fault_and_an_older_secret_neither() -> None:
    settings = Settings(
        "wa", "whatsapp", "whatsapp", {"app": "1", "app_old1": "2", "verify": "w"},
        {"number": "5", "template_pickup_ready": "ready/en", "country": "GB"},
    )  # fmt: skip

    assert fault_of(settings) == ""
    assert "'template_*'" not in fault_of(Settings("x", "x", "", {}, {"templates": "1"}))


@pytest.mark.parametrize(
    ("body", "says"),
    [
        (b"", "it is empty"),
        (b'{"a":1', "it ends too soon, after 6 bytes"),
        (b'{"a":}', "it breaks at byte 6: invalid character"),
        (b"[1,\n2]\n x", "it breaks at byte 10, line 3: trailing characters"),
        (b'{"a":"\xff"}', "byte 7 is no UTF-8"),
        (b"[" * 5_000, "it is nested too deep"),
        (b'{"a":1e999}', "a number in it is out of range"),
    ],
)
def test_where_a_body_that_is_no_json_breaks_is_said_in_words(body: bytes, says: str) -> None:
    with pytest.raises(Unmapped) as told:
        decoded(body)

    assert says in str(told.value)
    assert "Error" not in str(told.value)
