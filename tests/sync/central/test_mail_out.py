"""Mail out, against a real mail server on loopback: what arrives, and what is made of every way to refuse it."""

import asyncio
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from pathlib import Path
from typing import Any

import pytest
from aiosmtpd.smtp import SMTP, AuthResult, LoginPassword

from sync.central import mail
from sync.central.channels.adapter import Settings
from sync.central.outgoing import run_steps
from sync.central.senders import smtp
from sync.central.senders.sender import (
    AnyCall,
    AnyReply,
    Later,
    Mail,
    Message,
    Never,
    NoReply,
    Outcome,
    Reply,
    Sent,
)
from tests.support.certificates import self_signed

MESSAGE = Message(
    id="op-1", kind="answer", channel="email", text="Grüße: it is here.\n.\nBen", to="lena@example.org",
    name="Léna Müller", subject="Re: your\r\nBcc: x@evil.example", thread="<root@example.org>",
    replies_to="second@example.org",
)  # fmt: skip


class Server:
    """What a mail server makes of a mail, and which it took."""

    def __init__(self) -> None:
        self.taken: list[bytes] = []
        self.to: list[str] = []
        self.at: dict[str, str] = {}  # step -> what it answers instead of yes

    async def handle_MAIL(self, _s: Any, _x: Any, envelope: Any, address: str, _o: Any) -> str:  # noqa: N802
        envelope.mail_from = address
        return self.at.get("MAIL", "250 OK")

    async def handle_RCPT(self, _s: Any, _x: Any, envelope: Any, address: str, _o: Any) -> str:  # noqa: N802
        envelope.rcpt_tos.append(address)
        return self.at.get("RCPT", "250 OK")

    async def handle_DATA(self, server: SMTP, _x: Any, envelope: Any) -> str:  # noqa: N802
        if "drop" in self.at:
            self.taken.append(envelope.content)
            assert isinstance(server.transport, asyncio.Transport)
            server.transport.abort()
            return "250 never heard"
        if "DATA" not in self.at:
            self.taken.append(envelope.content)
            self.to = envelope.rcpt_tos
        return self.at.get("DATA", "250 taken")


def _let_in(_server: Any, _session: Any, _envelope: Any, _how: str, said: Any) -> AuthResult:
    assert isinstance(said, LoginPassword)
    is_known = (said.login, said.password) == (b"shop", b"secret")
    return AuthResult(success=is_known, handled=False)


@contextmanager
def listening(
    server: Server, *, tls: ssl.SSLContext | None = None, **how: Any
) -> Iterator[int]:
    """A mail server on a free port, in a loop of its own."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()

    def made() -> SMTP:
        return SMTP(server, loop=loop, hostname="mx.test", **how)

    starting = loop.create_server(made, "127.0.0.1", 0, ssl=tls)
    listener = asyncio.run_coroutine_threadsafe(starting, loop).result()
    try:
        yield listener.sockets[0].getsockname()[1]
    finally:
        asyncio.run_coroutine_threadsafe(_stopped(listener), loop).result()
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


async def _stopped(listener: asyncio.Server) -> None:
    listener.close()
    others = asyncio.all_tasks() - {asyncio.current_task()}
    for task in others:
        task.cancel()
    await asyncio.gather(*others, return_exceptions=True)


def settings(port: int, *, security: str = "none", **more: str) -> Settings:
    options = {
        "smtp_host": "127.0.0.1", "smtp_port": str(port), "smtp_security": security,
        "from": "Harbour <hello@shop.example>", **more,
    }  # fmt: skip
    return Settings("mail", "email", "email", {"smtp_password": "secret"}, options)


def sent(way: Settings, *, context: ssl.SSLContext | None = None, **changed: str) -> Outcome:
    def carry(call: AnyCall) -> AnyReply:
        assert isinstance(call, Mail)
        return mail.send(call, context=context)

    return run_steps(smtp.send(replace(MESSAGE, **changed), way), carry)  # type: ignore[arg-type]  # only texts


def parsed(raw: bytes) -> EmailMessage:
    found = message_from_bytes(raw, policy=default)
    assert isinstance(found, EmailMessage)
    return found


def test_a_mail_arrives_in_the_thread_of_the_customers_own() -> None:
    server = Server()

    with listening(server) as port:
        outcome = sent(settings(port))

    (raw,) = server.taken
    got = parsed(raw)
    assert outcome == Sent("op-1@shop.example")
    assert server.to == ["lena@example.org"]
    assert got["Message-ID"] == "<op-1@shop.example>"
    assert got["In-Reply-To"] == "<second@example.org>"
    assert got["References"] == "<root@example.org> <second@example.org>"
    assert got["To"].addresses[0].display_name == "Léna Müller"
    assert got.get_content().splitlines() == ["Grüße: it is here.", ".", "Ben"]


def test_text_from_outside_adds_no_line_above_a_mail() -> None:
    server = Server()

    with listening(server) as port:
        sent(settings(port), name="Lena\r\nBcc: y@evil.example", thread="<a@b>\r\nX-Evil: 1")

    got = parsed(server.taken[0])
    assert (got["Bcc"], got["X-Evil"]) == (None, None)
    assert got["Subject"] == "Re: your Bcc: x@evil.example"
    assert server.to == ["lena@example.org"]


@pytest.mark.parametrize(
    "address", ["", "lena", "lena@", "a b@c.example", "a@b.example\r\nX: 1"]
)
def test_an_address_that_is_none_is_said_so(address: str) -> None:
    outcome = sent(settings(1), to=address)

    assert isinstance(outcome, Never)


@pytest.mark.parametrize("step", ["MAIL", "RCPT", "DATA"])
def test_a_server_that_says_later_is_asked_later(step: str) -> None:
    server = Server()
    server.at[step] = "451 greylisted, come back"

    with listening(server) as port:
        outcome = sent(settings(port))

    assert isinstance(outcome, Later)
    assert "greylisted" in outcome.reason
    assert server.taken == []


@pytest.mark.parametrize("step", ["MAIL", "RCPT", "DATA"])
def test_a_server_that_says_never_ends_it(step: str) -> None:
    server = Server()
    server.at[step] = "550 no such mailbox"

    with listening(server) as port:
        outcome = sent(settings(port))

    assert isinstance(outcome, Never)
    assert "550 no such mailbox" in outcome.reason


def test_a_server_that_is_not_there_is_tried_again() -> None:
    with listening(Server()) as port:
        pass

    assert sent(settings(port)) == Later("the mail server: it does not answer", is_whole=True)


def test_a_line_that_breaks_after_the_mail_leaves_it_unknown() -> None:
    server = Server()
    server.at["drop"] = "yes"

    with listening(server) as port:
        outcome = sent(settings(port))

    assert len(server.taken) == 1
    assert isinstance(outcome, Later)
    assert not outcome.is_whole


def test_a_mail_that_is_sent_again_has_the_same_name() -> None:
    server = Server()

    with listening(server) as port:
        first, second = sent(settings(port)), sent(settings(port))

    assert first == second


def test_a_mail_is_encrypted_before_we_say_who_we_are(tmp_path: Path) -> None:
    certificate, theirs, ours = self_signed(tmp_path, "127.0.0.1")
    assert certificate.exists()
    server = Server()

    with listening(
        server,
        tls_context=theirs,
        require_starttls=True,
        authenticator=_let_in,
        auth_required=True,
    ) as port:
        secure = settings(port, security="starttls", smtp_login="shop")
        outcome = sent(secure, context=ours)
        plain = sent(replace(secure, options={**secure.options, "smtp_security": "none"}))
        untrusted = sent(secure)

    assert isinstance(outcome, Sent)
    assert isinstance(plain, Later), "it asks for encryption"
    assert isinstance(untrusted, Later)
    assert "certificate" in untrusted.reason
    assert len(server.taken) == 1


def test_a_server_without_encryption_is_not_given_the_mail() -> None:
    server = Server()

    with listening(server) as port:
        outcome = sent(settings(port, security="starttls"))

    assert isinstance(outcome, Later)
    assert server.taken == []


def test_a_wrong_password_holds_all_mail_until_somebody_mends_it(tmp_path: Path) -> None:
    _, theirs, ours = self_signed(tmp_path, "127.0.0.1")
    server = Server()

    with listening(
        server,
        tls_context=theirs,
        require_starttls=True,
        authenticator=_let_in,
        auth_required=True,
    ) as port:
        outcome = sent(settings(port, security="starttls", smtp_login="thief"), context=ours)

    assert isinstance(outcome, Later)
    assert outcome.is_whole
    assert "does not let us in" in outcome.reason


def test_mail_over_tls_from_the_first_byte(tmp_path: Path) -> None:
    _, theirs, ours = self_signed(tmp_path, "127.0.0.1")
    server = Server()

    with listening(server, tls=theirs) as port:
        outcome = sent(settings(port, security="tls"), context=ours)

    assert isinstance(outcome, Sent)


def test_settings_that_make_no_sense_are_said_so() -> None:
    assert isinstance(sent(settings(1, security="rot13")), Never)
    assert not smtp.is_ready(Settings("mail", "email"))


def test_what_a_server_said_is_shown_in_one_line() -> None:
    steps = smtp.send(MESSAGE, settings(1))
    next(steps)

    with pytest.raises(StopIteration) as stop:
        steps.send(Reply(550, body=b"no\r\n such\x00 \xff mailbox"))

    assert "\n" not in stop.value.value.reason
    assert isinstance(NoReply("x", is_maybe_done=True), NoReply)


def test_a_domain_with_other_letters_is_written_as_servers_know_it() -> None:
    server = Server()

    with listening(server) as port:
        outcome = sent(settings(port), to="lena@bücher.example")

    assert isinstance(outcome, Sent)
    assert server.to == ["lena@xn--bcher-kva.example"]
    arrived = message_from_bytes(server.taken[0], policy=default)
    assert arrived["To"].addresses[0].domain == "xn--bcher-kva.example"


class Rude(Server):
    """Takes a mail, and answers our goodbye with a fault."""

    async def handle_QUIT(self, _s: Any, _x: Any, _e: Any) -> str:  # noqa: N802
        return "421 too slow"


def test_a_mail_that_was_taken_is_not_sent_again_for_a_rude_goodbye() -> None:
    server = Rude()

    with listening(server) as port:
        outcome = sent(settings(port))

    assert isinstance(outcome, Sent)
    assert len(server.taken) == 1
