"""Which options and secrets each adapter takes, with the sender and the mailbox of the same name: by what a misspelt one is told.

Each file here and in `../senders` says in its head what they mean; this is only how they are written. `*` stands for any ending.
"""

import difflib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from sync.central.channels.adapter import Settings


@dataclass(frozen=True, slots=True)
class Names:
    """What one adapter takes. `secrets` are those by which it believes first."""

    secrets: tuple[str, ...] = ()
    options: tuple[str, ...] = ()


EVERY: Final = Names(("suppressions",), ("country",))
"""What any channel takes: who may ask for the suppressions, and how national numbers are read."""

_SENDS: Final = ("send", "serves", "api_url")
_FILE: Final = ("columns", "delimiter", "encoding", "decimal")

NAMES: Final[Mapping[str, Names]] = {
    "app": Names(("signing",)),
    "asterisk": Names(("bearer",), ("queues", "inside_digits")),
    "chatwoot": Names(
        ("signing", "api_access"),
        ("inboxes", "numbers", "account", "card_note", "template_*", *_SENDS),
    ),
    "cloudevents": Names(("signing", "send_signing"), ("send_url", "wants", "source")),
    "email": Names(
        ("imap_password", "smtp_password"),
        (
            "addresses", "trusted", "numbers", "mailboxes", "every_s", "after", "imap_host", "imap_port", "imap_security",
            "imap_login", "smtp_host", "smtp_port", "smtp_security", "smtp_login", "from", "domain", "send", "serves",
        ),
    ),
    "meta": Names(("app", "verify"), ("automatic_apps",)),
    "odoo": Names(("address",), ("currency", "stores", "channel_of_team")),
    "pos": Names(("signing",), (*_FILE, "currency", "dates", "zone", "stores")),
    "reviews": Names(("address",), ("content_stars",)),
    "shopify": Names(
        ("signing", "access"),
        (
            "stores", "places", "gift", "sensitive", "currency", "test_orders", "write_back", "shop", "api_url", "api_version",
        ),
    ),
    "table": Names(("signing",), ("fact", *_FILE)),
    "tiktok": Names(("app",)),
    "twilio": Names(
        ("signing", "auth"),
        ("url", "short_s", "dials", "numbers", "account", "from", "messaging_service", "status_url", *_SENDS),
    ),
    "whatsapp": Names(("app", "verify", "access"), ("number", "phone_id", "template_*", *_SENDS)),
    "woocommerce": Names(("signing",), ("stores", "gift", "currency")),
    "x": Names(("consumer",)),
    "zammad": Names(("signing",), ("topics",)),
    "zendesk": Names(("signing",), ("topics", "case_tags")),
}  # fmt: skip
"""By the name of the adapter."""


def names_of(adapter: str) -> Names | None:
    """All an adapter takes; None for one that is not known here."""
    own = NAMES.get(adapter)
    if own is None:
        return None
    return Names((*own.secrets, *EVERY.secrets), (*own.options, *EVERY.options))


def fault_of(settings: Settings) -> str:
    """What is misspelt in a channel, with the nearest right name; "" where nothing is."""
    names = names_of(settings.adapter)
    if names is None:
        return ""
    for option in settings.options:
        if not is_one_of(option, names.options):
            takes = ", ".join(sorted(names.options))
            near = nearest(option, names.options) or f"; {settings.adapter} takes {takes}"
            return f"[{settings.name}.options] there is no option {option!r}{near}"
    for secret in settings.secrets:
        name = secret.partition("_old")[0]
        near = "" if name in names.secrets else nearest(name, names.secrets)
        if near:
            return f"[{settings.name}.secrets] there is no secret {name!r}{near}"
    return ""


def is_one_of(name: str, known: Iterable[str]) -> bool:
    """Whether a name is one of these; `template_*` is any that begins so."""
    return any(
        name == one or (one.endswith("*") and name.startswith(one[:-1])) for one in known
    )


def nearest(name: str, known: Iterable[str]) -> str:
    """The words that name the nearest right one; "" where none is near."""
    found = difflib.get_close_matches(name, tuple(known), n=1)
    return f"; did you mean {found[0]!r}?" if found else ""
