"""The other systems the demo's brand has: what each is called, which adapter reads it, and with which test secret.

    web         Shopify: orders placed in the web shop, its customers, and what the jacket costs and counts there
    phone       the call centre's own program, in our own event form: calls with their notes, cases, orders by telephone
    line        the telephone itself, as Twilio tells it
    chat        Chatwoot: chat, the web form, X, and the WhatsApp number people watch
    whatsapp    WhatsApp straight from Meta: the old number, which nobody watches; Priya wrote there
    instagram   Instagram straight from Meta
    tiktok      TikTok's own messages
    email       the mailbox
    app         the brand's own app
    till        the tills' receipts, CSV
    visits      what staff wrote down in the stores before there were kiosks, in our own event form
    loyalty     the members: who they are, how they are reached, what they agreed to
    headquarters    the nightly table of products, shelf prices and counts
    *-archive   what the old systems of a channel knew of everybody else, brought in once

Source: `sync.central.channels`, each adapter's own docstring.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import msgspec

from hardware.disk import Disk
from kiosk.demo.catalogue import STORES
from sync.central.channels.adapter import Settings
from sync.model.records import CHANNELS

CHANNELS_FILE: Final = "channels.toml"
"""In the centre's folder."""

ARCHIVE: Final = "-archive"
"""How the channels end that everybody else was brought in by."""

DAY_S: Final = 86_400

_SECRET: Final = "demo secret of "  # noqa: S105  # public
"""With the channel's name: test secrets, for the demo alone. Public, protect nothing, never in a shop."""

SHOP_NUMBER: Final = "106540352242922"
"""What Meta calls the old WhatsApp number of the demo."""

NUMBER: Final = "+447700900000"
"""The shop's telephone number. Source: Ofcom, numbers for use in drama."""

INSTAGRAM: Final = "17841400000000000"
"""What Meta calls the demo's Instagram account."""

ADDRESS: Final = "care@tidemark.example"
"""The shop's mail address. Source: RFC 2606, 2: `.example` is nobody's."""

MAIL_SERVER: Final = "mx.tidemark.example"
"""Who checks the mails that come."""

INBOXES: Final[Mapping[str, int]] = {"chat": 1, "web": 2, "whatsapp": 3, "x": 5}
"""Channel to the number of its inbox in Chatwoot."""

BY_CHATWOOT: Final = ("chat", "web", "x")
"""Channels that are answered in their conversation there; WhatsApp is answered at Meta, where customers write to."""

WEB_PLACE: Final = 65_400
"""Shopify's number of the place the web shop sells from."""

PUBLIC: Final = "https://centre.tidemark.example/in"
"""Where vendors believe to send to; Twilio signs it."""

SHELF_PLACE: Final = 65_432
"""Shopify's number of the home store."""

_NUMBERS: Final = "W-, A-, S-, T-"


@dataclass(frozen=True, slots=True)
class Addresses:
    """Where the played vendors are: of all but the mail server an URL, of that its port here."""

    url: str
    mail_port: int


def secret_of(name: str) -> str:
    """The test secret of a channel."""
    return _SECRET + name


def demo_channels(*, vendors: Addresses | None = None) -> tuple[Settings, ...]:
    """All of them.

    Args:
        vendors: Where somebody plays the vendors for what goes out; None when nothing is to go out.
    """
    url = vendors.url if vendors else ""

    def one(
        name: str, adapter: str, channel: str = "", key: str = "signing", **options: str
    ) -> Settings:
        return Settings(
            name=name, adapter=adapter, channel=channel, secrets={key: secret_of(name)},
            options=options, promise_s=DAY_S,
        )  # fmt: skip

    def able(
        name: str, key: str = "access", **options: str
    ) -> tuple[dict[str, str], dict[str, str]]:
        """Secrets and options by which something goes out, where somebody plays the vendors."""
        return ({key: secret_of(f"{name} access")}, options) if vendors else ({}, {})

    wa_key, wa_way = able(
        "whatsapp",
        phone_id=SHOP_NUMBER,
        api_url=f"{url}/meta",
        template_text="we_answer/en",
    )
    web_key, web_way = able("web", write_back="yes", api_url=f"{url}/shopify")
    chat_key, chat_way = able(
        "chat",
        "api_access",
        account="1",
        api_url=f"{url}/chatwoot",
        serves=", ".join(BY_CHATWOOT),
    )
    line_key, line_way = able(
        "line", "auth", account="ACdemo", api_url=f"{url}/twilio", status_url=f"{PUBLIC}/line",
        **{"from": NUMBER},
    )  # fmt: skip
    _, mail_way = able(
        "email", smtp_host="127.0.0.1", smtp_port=str(vendors.mail_port if vendors else 0),
        smtp_security="none", **{"from": f"Tidemark <{ADDRESS}>"},
    )  # fmt: skip
    return (
        Settings(
            name="web", adapter="shopify", channel="web", promise_s=DAY_S,
            secrets={"signing": secret_of("web"), **web_key},
            options={
                "stores": f"Harbour=harbour, {SHELF_PLACE}=harbour", "places": f"{WEB_PLACE}=web", "currency": "EUR",
                **web_way,
            },
        ),
        one("phone", "app", "phone"),
        Settings(
            name="chat", adapter="chatwoot", channel="chat", promise_s=DAY_S,
            secrets={"signing": secret_of("chat"), **chat_key},
            options={
                "inboxes": ", ".join(f"{number}={channel}" for channel, number in INBOXES.items()), "numbers": _NUMBERS,
                **chat_way,
            },
        ),
        Settings(
            name="whatsapp", adapter="whatsapp", channel="whatsapp", promise_s=DAY_S,
            secrets={"app": secret_of("whatsapp"), **wa_key}, options={"number": SHOP_NUMBER, **wa_way},
        ),
        one("instagram", "meta", "instagram", "app"),
        one("tiktok", "tiktok", "tiktok", "app"),
        Settings(
            name="email", adapter="email", channel="email", promise_s=DAY_S,
            options={"addresses": ADDRESS, "trusted": MAIL_SERVER, "numbers": _NUMBERS, **mail_way},
        ),
        Settings(
            name="line", adapter="twilio", channel="phone", promise_s=DAY_S,
            secrets={"signing": secret_of("line"), **line_key},
            options={"numbers": _NUMBERS, "url": f"{PUBLIC}/line", **line_way},
        ),
        one("app", "app", "app"),
        one("till", "pos", "store", currency="EUR", stores=", ".join(f"{it.name}={it.id}" for it in STORES)),
        one("visits", "app", "store"),
        one("loyalty", "app"),
        one("headquarters", "app"),
        *(one(f"{channel}{ARCHIVE}", "app", channel) for channel in CHANNELS),
    )  # fmt: skip


def write_channels(path: Path, channels: tuple[Settings, ...], *, disk: Disk) -> None:
    """Write the file that `tapthread central --channels` reads. Raises OSError, DeviceError."""
    told = {
        each.name: {
            "adapter": each.adapter,
            **({"channel": each.channel} if each.channel else {}),
            "promise_s": each.promise_s,
            "secrets": dict(each.secrets),
            "options": dict(each.options),
        }
        for each in channels
    }
    lines = []
    for name, body in told.items():
        lines.append(f"[{name}]")
        lines += [f"{key} = {_toml(value)}" for key, value in body.items()]
    disk.write(path, ("\n".join(lines) + "\n").encode(), private=True)


def _toml(value: object) -> str:
    """A value in TOML; texts as JSON has them, which TOML reads alike."""
    if isinstance(value, dict):
        return (
            "{" + ", ".join(f"{_toml(key)} = {_toml(one)}" for key, one in value.items()) + "}"
        )
    return msgspec.json.encode(value).decode()
