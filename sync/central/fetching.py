"""Mail brought in from mailboxes: every channel of the adapter `email` that names a server, each mailbox from where it was left.

    a mail -> taken in by `intake`, durable -> the position of its mailbox, durable -> marked or deleted there, if that is wanted

A mail that was taken and whose position was lost is brought again and known by its Message-ID.

    options     imap_host, imap_port (993, 143 for `starttls` and `none`), imap_security: tls | starttls | none, imap_login
                mailboxes: "INBOX, Sent"; INBOX alone when not told
                after: keep | seen | delete: what becomes of a mail there once it is durable here
                every_s: seconds between two looks, 30
    secrets     imap_password
"""

import logging
import ssl
import threading
from dataclasses import dataclass
from typing import Final

from sync.central import alerts, mail
from sync.central.channels.adapter import Delivery, Settings
from sync.central.channels.parts import items_of
from sync.central.errors import ChannelsWrong
from sync.central.intake import Intake
from sync.central.mail import Account, Fetched, MailboxAway, Place
from sync.central.parts import Parts
from sync.central.positions import position_of, set_position
from sync.central.transaction import Transaction
from sync.model.errors import StoreError

log = logging.getLogger(__name__)

ADAPTER: Final = "email"
WHAT: Final = "mail"
EVERY_S: Final = 30
EVERY_MIN_S: Final = 5
LONGEST_S: Final = 600
"""Between two looks into a mailbox that is away; each pause is twice the last."""

STOP_S: Final = 2
ALERT: Final = "mailbox_away"
HOUR_US: Final = 3_600 * 1_000_000


@dataclass(frozen=True, slots=True)
class Round:
    """What a look into the mailboxes of a channel brought: mails, of them new, and what is away by name of its mailbox."""

    n_fetched: int = 0
    n_new: int = 0
    away: tuple[tuple[str, str], ...] = ()


class Fetching:
    """The mailboxes of a centre. Close it."""

    def __init__(
        self, parts: Parts, intake: Intake, *, context: ssl.SSLContext | None = None
    ) -> None:
        """Over the parts of one centre; `context` as `mail.fetch`. Raises ChannelsWrong."""
        self._parts = parts
        self._intake = intake
        self._context = context
        self._accounts = {
            one.name: account_of(one)
            for one in intake.channels
            if one.adapter == ADAPTER and one.options.get("imap_host")
        }
        self._stop = threading.Event()
        self._threads: list[threading.Thread] = []

    @property
    def channels(self) -> tuple[str, ...]:
        """Channels whose mailboxes are read."""
        return tuple(self._accounts)

    def run(self, channel: str) -> Round:
        """Look into all mailboxes of a channel, until nothing is new. Raises StoreError."""
        settings = self._intake.settings(channel)
        assert settings is not None
        done = Round()
        for mailbox in items_of(settings.options.get("mailboxes", "")) or ("INBOX",):
            done = self._look(settings, mailbox, done)
        return done

    def _look(self, settings: Settings, mailbox: str, done: Round) -> Round:
        account = self._accounts[settings.name]
        count = [done.n_fetched, done.n_new]
        away = done.away

        def take(fetched: Fetched, place: Place) -> None:
            taken = self._intake.accept(settings, self._delivery(account, mailbox, fetched))
            self._remember(settings.name, mailbox, place)
            count[0] += 1
            count[1] += taken.n_new

        try:
            place, last = self._place(settings.name, mailbox), None
            while place != last and not self._stop.is_set():
                last, place = (
                    place,
                    mail.fetch(account, mailbox, place, take, context=self._context),
                )
            self._remember(settings.name, mailbox, place)
        except MailboxAway as error:
            away = (*away, (mailbox, str(error)))
        return Round(count[0], count[1], away)

    def _delivery(self, account: Account, mailbox: str, fetched: Fetched) -> Delivery:
        now_s = self._parts.now // 1_000_000
        came_s = min(fetched.came_at or now_s, now_s)
        url = f"imap://{account.host}/{mailbox}/;UID={fetched.uid}"
        return Delivery(fetched.body, {"size": str(fetched.size)}, url, "IMAP", came_s)

    def _place(self, channel: str, mailbox: str) -> Place:
        with self._parts.store.reading() as snapshot:
            told = position_of(snapshot.sql, channel, WHAT).get(mailbox)
        is_told = (
            isinstance(told, list)
            and len(told) == 2
            and all(isinstance(one, int) for one in told)
        )
        return Place(*told) if is_told and isinstance(told, list) else Place()

    def _remember(self, channel: str, mailbox: str, place: Place) -> None:
        now = self._parts.now

        def change(transaction: Transaction) -> None:
            known = position_of(transaction.direct(), channel, WHAT)
            if known.get(mailbox) != [place.validity, place.uid]:
                whole = known | {mailbox: [place.validity, place.uid]}
                set_position(transaction, channel, WHAT, whole, now=now)

        self._parts.write(change, keys=(f"mail/{channel}",))

    # In threads of its own

    def start(self) -> None:
        """Look into every mailbox from now on, a thread a channel."""
        for name in self._accounts:
            thread = threading.Thread(
                target=self._loop, args=(name,), name=f"mail {name}", daemon=True
            )
            self._threads.append(thread)
            thread.start()

    def close(self) -> None:
        """End the threads, but wait for no server."""
        self._stop.set()
        for thread in self._threads:
            thread.join(STOP_S)

    def _loop(self, channel: str) -> None:
        every_s = pause_s = _every_s(self._intake.settings(channel))
        while not self._stop.is_set():
            try:
                away = self.run(channel).away
            except StoreError:
                away = (("", "the store failed"),)
                log.warning("mail stays where it is: the store failed", extra={"job": channel})
            except Exception:
                # The top of a thread nobody waits for: it must go on, and a person must hear of it.
                away = (("", "a defect"),)
                log.exception("fetching failed", extra={"job": channel})
            if away and pause_s >= LONGEST_S:
                self._tell(channel)
            pause_s = min(2 * pause_s, LONGEST_S) if away else every_s
            self._stop.wait(pause_s)

    def _tell(self, channel: str) -> None:
        """A person should see that mail does not get through."""
        now = self._parts.now
        try:
            self._parts.write(
                lambda it: alerts.add(it, ALERT, channel, at=now // HOUR_US * HOUR_US)
            )
        except StoreError:
            log.warning("an alert could not be kept", extra={"job": channel})


def account_of(settings: Settings) -> Account:
    """Where the mailboxes of a channel are. Raises ChannelsWrong."""
    told = settings.options
    security, after = told.get("imap_security", "tls"), told.get("after", "keep")
    if security not in mail.IMAP_PORTS:
        raise ChannelsWrong(
            f"[{settings.name}] imap_security is one of: {', '.join(mail.IMAP_PORTS)}"
        )
    if after not in mail.AFTER:
        raise ChannelsWrong(f"[{settings.name}] after is one of: {', '.join(mail.AFTER)}")
    port = told.get("imap_port") or str(mail.IMAP_PORTS[security])
    if not port.isascii() or not port.isdecimal() or not 0 < int(port) < 65_536:
        raise ChannelsWrong(f"[{settings.name}] imap_port is no port")
    return Account(
        told["imap_host"],
        int(port),
        security,
        told.get("imap_login", ""),
        settings.secrets.get("imap_password", ""),
        after,
    )


def _every_s(settings: Settings | None) -> int:
    told = settings.options.get("every_s", "") if settings else ""
    return max(int(told), EVERY_MIN_S) if told.isascii() and told.isdecimal() else EVERY_S
