"""Mail brought in from a real Dovecot on loopback: each mail once, from where it was left, and nothing there is touched too early."""

import shutil
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from sync.central import events, mail
from sync.central.centre import Centre
from sync.central.channels.adapter import Settings
from sync.central.channels.registry import ADAPTERS
from sync.central.errors import ChannelsWrong
from sync.central.fetching import Fetching, account_of
from sync.central.intake import Intake
from sync.central.mail import MailboxAway, Place
from sync.central.positions import position_of
from sync.model.errors import StoreError
from tests.support import dovecot
from tests.support.certificates import self_signed
from tests.support.channels import all_rows
from tests.support.deliveries import PAYLOADS
from tests.support.dovecot import PASSWORD, Dovecot

DATABASES = ("sqlite",)
"""What is kept is kept by parts that are tested over each."""

QUESTION = (PAYLOADS / "email/question.eml").read_bytes()
BROKEN = (PAYLOADS / "email/broken.eml").read_bytes()


def numbered(number: int) -> bytes:
    return QUESTION.replace(b"<q1@example.com>", b"<n%d@example.com>" % number)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Dovecot]:
    folder = tmp_path_factory.mktemp("certificate")
    certificate, _, trusting = self_signed(folder, "127.0.0.1")
    with dovecot.running(certificate, folder / "server.key", trusting) as running:
        yield running


@pytest.fixture
def name(request: pytest.FixtureRequest) -> str:
    """Whose mailboxes this test uses."""
    return "u" + "".join(one for one in request.node.name if one.isalnum())[-60:].lower()


@pytest.fixture
def settings(server: Dovecot, name: str) -> Settings:
    return Settings(
        "mail", "email", "email",
        {"imap_password": PASSWORD},
        {
            "imap_host": "127.0.0.1", "imap_port": str(server.port), "imap_security": "none", "imap_login": name,
            "addresses": "service@shop.example",
        },
    )  # fmt: skip


@pytest.fixture
def fetching(centre: Centre, settings: Settings) -> Fetching:
    return fetching_of(centre, settings)


def fetching_of(centre: Centre, settings: Settings, **more: Any) -> Fetching:
    return Fetching(centre._parts, Intake(centre._parts, ADAPTERS, (settings,)), **more)


def said(centre: Centre) -> list[str]:
    """Texts of all contacts by mail."""
    rows = all_rows(centre)
    return [row[3]["text"] for key, row in rows.items() if key.startswith("interaction/mail:")]


def test_a_mail_is_brought_and_is_a_contact(
    centre: Centre, fetching: Fetching, server: Dovecot, name: str
) -> None:
    server.put(QUESTION, name=name)

    done = fetching.run("mail")

    assert (done.n_fetched, done.n_new, done.away) == (1, 1, ())
    assert len(said(centre)) == 1
    assert "My employer should pay" in said(centre)[0]


def test_what_was_brought_is_not_brought_again_and_nothing_there_is_changed(
    fetching: Fetching, server: Dovecot, name: str
) -> None:
    server.put(numbered(1), numbered(2), name=name)
    fetching.run("mail")

    server.put(numbered(3), name=name)
    done = fetching.run("mail")

    assert (done.n_fetched, done.n_new) == (1, 1)
    assert server.seen(name=name) == {1: False, 2: False, 3: False}


def test_each_mailbox_has_a_position_of_its_own(
    centre: Centre, settings: Settings, server: Dovecot, name: str
) -> None:
    server.put(numbered(1), name=name)
    server.put(numbered(2), numbered(3), mailbox="Büro & Co", name=name)
    both = replace(settings, options={**settings.options, "mailboxes": "INBOX, Büro & Co"})

    done = fetching_of(centre, both).run("mail")

    assert (done.n_fetched, done.n_new) == (3, 3)
    with centre._parts.store.reading() as snapshot:
        places = position_of(snapshot.sql, "mail", "mail")
    assert {mailbox: place[1] for mailbox, place in places.items()} == {
        "INBOX": 1,
        "Büro & Co": 2,
    }


def test_a_copy_in_another_mailbox_is_known(
    centre: Centre, settings: Settings, server: Dovecot, name: str
) -> None:
    server.put(numbered(1), name=name)
    server.put(numbered(1), mailbox="Archive", name=name)
    both = replace(settings, options={**settings.options, "mailboxes": "INBOX, Archive"})

    done = fetching_of(centre, both).run("mail")

    assert (done.n_fetched, done.n_new) == (2, 1)


def test_a_mailbox_that_counts_anew_is_read_anew_and_each_mail_known(
    fetching: Fetching, server: Dovecot, name: str
) -> None:
    server.put(numbered(1), numbered(2), name=name)
    fetching.run("mail")
    folder = server.folder / "mail" / name
    shutil.copytree(folder / "cur", server.folder / f"kept-{name}")
    with server.mailbox(name) as client:
        client.create_folder("Old")
        client.select_folder("INBOX")
        client.copy([1, 2], "Old")
        client.delete_folder("Old")
        told = client.folder_status("INBOX", ["UIDVALIDITY"])
    (folder / "dovecot-uidlist").unlink()
    for index in folder.glob("dovecot.index*"):
        index.unlink()
    server.put(numbered(3), name=name)
    with server.mailbox(name) as client:
        again = client.folder_status("INBOX", ["UIDVALIDITY"])

    done = fetching.run("mail")

    assert again != told
    assert (done.n_fetched, done.n_new) == (3, 1)


@pytest.mark.parametrize("after", ["seen", "delete"])
def test_a_mail_is_marked_or_deleted_only_when_it_is_durable_here(
    centre: Centre,
    settings: Settings,
    server: Dovecot,
    name: str,
    after: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    server.put(numbered(1), numbered(2), name=name)
    settled = replace(settings, options={**settings.options, "after": after})
    intake = Intake(centre._parts, ADAPTERS, (settled,))
    accept = intake.accept

    def failing(settings: Settings, delivery: Any) -> Any:
        if b"<n2@" in delivery.body:
            raise StoreError
        return accept(settings, delivery)

    monkeypatch.setattr(intake, "accept", failing)
    with pytest.raises(StoreError):
        Fetching(centre._parts, intake).run("mail")

    assert server.seen(name=name) == ({1: True, 2: False} if after == "seen" else {2: False})
    monkeypatch.undo()
    done = Fetching(centre._parts, intake).run("mail")
    assert (done.n_fetched, done.n_new) == (1, 1)
    assert server.seen(name=name) == ({1: True, 2: True} if after == "seen" else {})


def test_a_mail_whose_position_was_lost_is_brought_again_and_known(
    centre: Centre, settings: Settings, server: Dovecot, name: str
) -> None:
    server.put(numbered(1), name=name)
    fetching_of(centre, settings).run("mail")
    centre._parts.write(
        lambda it: it.direct().run("UPDATE channel SET position = '' WHERE name = 'mail'")
    )

    done = fetching_of(centre, settings).run("mail")

    assert (done.n_fetched, done.n_new) == (1, 0)


def test_mails_that_programs_break_stop_no_other(
    centre: Centre, fetching: Fetching, server: Dovecot, name: str
) -> None:
    server.put(
        b"\r\n",
        BROKEN,
        b"no header at all",
        b"From: x\r\n" * 500 + b"\r\n\xff",
        numbered(1),
        name=name,
    )

    done = fetching.run("mail")

    assert (done.n_fetched, done.away) == (5, ())
    assert any("My employer" in text for text in said(centre))
    assert any("hello" in text for text in said(centre))
    with centre._parts.store.reading() as snapshot:
        states = {one.state for one in events.listed(snapshot.sql, "mail")}
    assert states == {events.DONE, events.HELD}


def test_a_bounce_is_no_contact(
    centre: Centre, fetching: Fetching, server: Dovecot, name: str
) -> None:
    server.put((PAYLOADS / "email/bounce.eml").read_bytes(), name=name)

    fetching.run("mail")

    assert said(centre) == []


def test_a_mail_of_megabytes_is_brought_by_its_beginning(
    centre: Centre,
    fetching: Fetching,
    server: Dovecot,
    name: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(mail, "MAIL_SIZE_MAX", 2_000)
    server.put(numbered(1) + b"x" * 5_000, name=name)

    fetching.run("mail")

    assert "My employer should pay" in said(centre)[0]
    assert len(said(centre)[0]) < 2_000


def test_more_mails_than_one_call_brings_are_all_brought(
    fetching: Fetching, server: Dovecot, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mail, "FETCH_MAX", 2)
    server.put(*(numbered(number) for number in range(5)), name=name)

    assert fetching.run("mail").n_new == 5


def test_a_mailbox_that_is_not_there_is_said_and_the_others_are_read(
    centre: Centre, settings: Settings, server: Dovecot, name: str
) -> None:
    server.put(numbered(1), name=name)
    both = replace(settings, options={**settings.options, "mailboxes": "Nowhere, INBOX"})

    done = fetching_of(centre, both).run("mail")

    assert done.n_new == 1
    assert [mailbox for mailbox, _ in done.away] == ["Nowhere"]


def test_a_wrong_password_is_said_and_never_shown(centre: Centre, settings: Settings) -> None:
    wrong = replace(settings, secrets={"imap_password": "hunter2"})

    (away,) = fetching_of(centre, wrong).run("mail").away

    assert "refused" in away[1]
    assert "hunter2" not in repr((away, account_of(wrong)))


def test_a_server_that_is_away_is_said(centre: Centre, settings: Settings) -> None:
    away = replace(settings, options={**settings.options, "imap_port": "1"})

    assert fetching_of(centre, away).run("mail").away == (("INBOX", "it does not answer"),)


@pytest.mark.parametrize("security", ["tls", "starttls"])
def test_a_server_is_believed_by_its_certificate(
    centre: Centre, settings: Settings, server: Dovecot, name: str, security: str
) -> None:
    server.put(numbered(1), name=name)
    port = server.tls_port if security == "tls" else server.port
    options = {
        **settings.options,
        "imap_security": security,
        "imap_port": str(port),
    }
    safe = replace(settings, options=options)

    stranger = fetching_of(centre, safe).run("mail")
    known = fetching_of(centre, safe, context=server.trusting).run("mail")

    assert stranger.away == (("INBOX", "its certificate does not hold"),)
    assert (known.n_new, known.away) == (1, ())


def test_what_ends_a_call_ends_it_as_itself(
    settings: Settings, server: Dovecot, name: str
) -> None:
    server.put(numbered(1), name=name)

    def take(*_: Any) -> None:
        raise KeyError("ours")

    with pytest.raises(KeyError, match="ours"):
        mail.fetch(account_of(settings), "INBOX", Place(), take)
    with pytest.raises(MailboxAway):
        mail.fetch(replace(account_of(settings), login=""), "INBOX", Place(), take)


@pytest.mark.parametrize(
    "options",
    [{"imap_security": "some"}, {"after": "burn"}, {"imap_port": "70000"}, {"imap_port": "x"}],
)
def test_options_that_cannot_be_are_said_at_once(
    centre: Centre, settings: Settings, options: dict[str, str]
) -> None:
    with pytest.raises(ChannelsWrong, match=r"\[mail\] "):
        fetching_of(centre, replace(settings, options={**settings.options, **options}))
