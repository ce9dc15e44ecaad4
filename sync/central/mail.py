"""Mail servers: one mail out by SMTP. The only importer of smtplib and imapclient; no library's exception leaves it.

    send    carries a mail of `senders.smtp` to its server; what the server said, or why it said nothing

A mail is given over when the server answered its last dot with 250. Where the line broke after that dot and before the
answer, nobody knows (`NoReply.is_maybe_done`).
"""

import smtplib
import ssl
from typing import Final

from sync.central.senders.sender import AnyReply, Mail, NoReply, Reply

SEND_S: Final = 20
"""How long one step of a mail server may take; RFC 5321 allows minutes, and a queue of ours must not stand."""


def send(mail: Mail, *, context: ssl.SSLContext | None = None) -> AnyReply:
    """Give one mail to its server; blocks for several times SEND_S at most.

    Args:
        mail: With the server it goes to.
        context: Which certificates hold; the machine's own when None.

    Returns:
        The server's code and words: of the step that ended it.
    """
    is_given = False
    context = context or ssl.create_default_context()
    try:
        with _connected(mail, context) as server:
            if mail.security == "starttls":
                server.starttls(context=context)
            if mail.login:
                server.login(mail.login, mail.password)
            code, said = _begun(server, mail)
            if code >= 400:
                return Reply(code, body=said)
            is_given = True
            code, said = server.data(mail.mail.as_bytes())
            return Reply(code, body=said)
    except smtplib.SMTPResponseException as error:
        return Reply(int(error.smtp_code), body=_bytes(error.smtp_error))
    except smtplib.SMTPNotSupportedError:
        return NoReply(
            "it offers neither the encryption nor the login we need", is_maybe_done=False
        )
    except ssl.SSLError:
        return NoReply("its certificate does not hold", is_maybe_done=is_given)
    except (smtplib.SMTPException, OSError):
        return NoReply("it does not answer", is_maybe_done=is_given)


def _connected(mail: Mail, context: ssl.SSLContext) -> smtplib.SMTP:
    if mail.security == "tls":
        return smtplib.SMTP_SSL(mail.host, mail.port, timeout=SEND_S, context=context)
    return smtplib.SMTP(mail.host, mail.port, timeout=SEND_S)


def _begun(server: smtplib.SMTP, mail: Mail) -> tuple[int, bytes]:
    """The envelope; the answer that ended it, or the last good one."""
    server.ehlo_or_helo_if_needed()
    code, said = server.mail(mail.mail["From"].addresses[0].addr_spec)
    if code < 400:
        code, said = server.rcpt(mail.to)
    return code, said


def _bytes(said: bytes | str) -> bytes:
    return said if isinstance(said, bytes) else said.encode(errors="replace")
