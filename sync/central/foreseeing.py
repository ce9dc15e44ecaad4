"""What taking facts will mostly ask the database for: names and lines, to lock and read all at once. Pure."""

from collections.abc import Iterable

from sync.central import changes, forgetting, identity
from sync.central.channels.adapter import Settings
from sync.central.channels.facts import AnyFact, Became, Bought, Called, Problem, Said
from sync.central.lines import (
    CHANNEL,
    NAMED,
    SUBSCRIBER,
    TOLD_AT,
    Wanted,
    clean,
    is_text,
    wanted,
)
from sync.central.told_shapes import row_id
from sync.model.records import key_of


def foreseen(
    settings: Settings, facts: Iterable[AnyFact], *, secret: str
) -> tuple[list[str], list[Wanted]]:
    """Names and lines that taking these facts will mostly ask for, to lock and read all at once; the rest is read when it is."""
    names: list[str] = []
    lines = [
        wanted(CHANNEL, name=settings.name),
        wanted(SUBSCRIBER, state=changes.TOLD),
        wanted(SUBSCRIBER, state=changes.ASKS),
    ]
    for fact in facts:
        match fact:
            case Said() | Called():
                key = key_of("interaction", row_id(fact.ref, settings.name))
            case Bought() | Became():
                key = key_of("order", row_id(fact.ref))
            case Problem():
                key = key_of("case", row_id(fact.ref, settings.name))
            case _:
                key = ""
        if key:
            names.append(key)
            lines.append(wanted(TOLD_AT, key=key))
        thread = f"thread:{fact.thread}" if isinstance(fact, Said) and fact.thread else ""
        if thread:
            name = clean(thread, 300)
            refs = (name, forgetting.mark_in(secret, settings.name, name))
            lines += [wanted(NAMED, channel=settings.name, ref=ref) for ref in refs]
        if fact.who is not None:
            more, whose = identity.foreseen(
                settings,
                fact.who,
                thread or f"{type(fact).__name__.lower()}:{fact.ref}",
                secret=secret,
            )
            names += more
            lines += whose
    return list(filter(is_text, names)), [it for it in lines if all(map(is_text, it.of))]
