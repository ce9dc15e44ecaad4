"""What an agent was typing and has not sent: kept at the centre, so that it outlives a reload, a crash and being signed out.

It is the agent's alone, one a customer and form, and kept for a shift; whoever the customer is made one with, it is there still.
It goes when its form is done, when nothing is left in it, and when the customer is erased, about whom none is kept from then on.
A whole card number is never kept. A page without scripts keeps none, and loses nothing else.
"""

from collections.abc import Mapping
from typing import Final

import msgspec

from sync.central import forgetting
from sync.central.pages.acting import is_card_number
from sync.central.sql import Connection
from sync.central.transaction import Transaction

KEPT_US: Final = 12 * 3_600_000_000
"""How long a draft is kept after the last key: a shift, and the way to the next."""

NAMES: Final = (
    "text", "topic", "label", "value", "fact", "reason", "due", "case", "settles", "store", "audience", "outcome",
)  # fmt: skip
"""Fields that are kept; those before "due" are typed, and without any of them there is no draft."""

TYPED: Final = NAMES[: NAMES.index("due")]
"""Those that somebody types."""

_THEIRS: Final = "agent = :agent AND (owner = :owner OR owner IN (SELECT owner FROM folded WHERE kept = :owner))"
"""Of this agent about a customer, and about whoever was joined into them."""

SCRIPT: Final = b"""// Sends what is being typed to the centre half a second after the last key; and what is left when the page goes.
"use strict";
const place = document.querySelector("[data-draft]");
const waiting = new Map();
const keep = form => {
  waiting.delete(form);
  const fields = new URLSearchParams(new FormData(form));
  fields.delete("op");
  fields.set("key", place.dataset.key);
  fields.set("form", form.dataset.form);
  fetch(place.dataset.draft, {method: "POST", body: fields, keepalive: true});
};
for (const form of place.querySelectorAll("form[data-form]")) {
  form.addEventListener("input", () => {
    clearTimeout(waiting.get(form));
    waiting.set(form, setTimeout(keep, 500, form));
  });
  form.addEventListener("submit", () => {
    clearTimeout(waiting.get(form));
    waiting.delete(form);
  });
}
addEventListener("pagehide", () => [...waiting.keys()].forEach(keep));
"""
"""The one script there is; it reads the forms of its own page and speaks to nobody but us."""


def keep(
    transaction: Transaction, agent: str, owner: str, fields: Mapping[str, str], *, now: int
) -> bool:
    """Keep what stands in a form now, or forget it where nothing was typed; False for a customer who is erased: nothing is kept."""
    if forgetting.erased_at(transaction.read.sql, owner):
        return False
    kept = {name: fields[name] for name in NAMES if fields.get(name)}
    is_typed = any(kept.get(name) for name in TYPED)
    forget(transaction, agent, owner, fields.get("form", ""))
    tidy(transaction, now=now)
    if is_typed and not any(map(is_card_number, kept.values())):
        transaction.direct().run(
            "INSERT INTO draft (agent, owner, form, fields, at) VALUES (:agent, :owner, :form, :fields, :at)",
            agent=agent, owner=owner, form=fields["form"], fields=msgspec.json.encode(kept).decode(),
            at=now,
        )  # fmt: skip
    return True


def forget(transaction: Transaction, agent: str, owner: str, form: str) -> None:
    """That form was done."""
    transaction.direct().run(
        f"DELETE FROM draft WHERE form = :form AND {_THEIRS}",  # noqa: S608  # a constant
        agent=agent, owner=owner, form=form,
    )  # fmt: skip


def tidy(transaction: Transaction, *, now: int) -> int:
    """Forget what is older than a shift; how many drafts."""
    return transaction.direct().run(
        "DELETE FROM draft WHERE at < :before", before=now - KEPT_US
    )


def kept(sql: Connection, agent: str, owner: str, *, now: int) -> dict[str, dict[str, str]]:
    """What this agent was typing about a customer, by form; the newest, where two of them were made one."""
    found = sql.all(
        f"SELECT form, fields FROM draft WHERE at >= :since AND {_THEIRS} ORDER BY at, owner",  # noqa: S608  # a constant
        agent=agent, owner=owner, since=now - KEPT_US,
    )  # fmt: skip
    return {form: msgspec.json.decode(fields, type=dict[str, str]) for form, fields in found}
