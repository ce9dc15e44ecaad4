"""`tapthread tap`: waits for one tap on the configured reader and prints what it says. README.md lists the exit codes.

Everything is decided from this device's own files. The sync thread runs beside it, so that `online` can be told; what is
waited for it, no printed time includes.
"""

import asyncio
import contextlib
import json
import sys
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from drivers.lines import Failed, Left, Proved, ReaderState, Said
from hardware.clock import Clock
from hardware.moments import micros_of, moment_of
from kiosk import settings
from kiosk.commands.options import Centre, Data, Reader
from kiosk.commands.own_files import EXIT_OWN_FILES, OwnFiles, fail
from kiosk.commands.running import reader_spec
from kiosk.core.page import printed
from kiosk.core.policy import Assurance
from kiosk.core.wording import staff_en, voice
from kiosk.settings import Settings
from sync.model.errors import StoreError

if TYPE_CHECKING:
    from kiosk.assembly.device import Device
    from kiosk.assembly.recognising import LocalRecogniser
    from kiosk.assembly.syncing import Sync
    from kiosk.core.ports import Recognition

    Page = tuple[Proved, Recognition]

EXIT_NO_TAP: Final = 3
EXIT_READER: Final = 4
EXIT_BAND: Final = 5

ONLINE_MS: Final = 1_500
"""The first word of the centre, or that nobody answers, is waited for until so long after the start: `online` is no guess."""

PROVE_WAIT_FACTOR: Final = 3
"""A proof from afar is two answers of the centre and four exchanges; on a slow machine the lines come later than they were said."""

MESSAGES: Final = {
    "no_tap": "Nobody tapped in the time given.",
    "reader_absent": "No such reader was found. Check its plug, or name another with --reader; tapthread doctor shows what is there.",
    "reader_busy": "Another program holds the reader. Stop it and try again.",
    "reader_fault": "The reader answered outside its own protocol. Unplug it and plug it in again.",
    "service_down": "The PC/SC service does not answer. Start it: systemctl start pcscd.socket",
    "band_left": "The band was taken away too soon. Hold it to the reader a little longer.",
    "band_silent": "The band did not answer. Hold it flat to the reader.",
    "band_collision": "More than one band is at the reader. Hold one at a time.",
    "band_refused": "The band refused. Try once more, or use another band.",
    "band_untrusted": "The band did not prove that it is ours. Try once more, or use another band.",
    "key_unknown": "The band has a newer key than this shop holds. Try again when the centre is reached.",
    "band_unsupported": "This reader cannot read that kind of band.",
    "band_malformed": "The band answered in a way that cannot be read. Try once more.",
}


def run(
    data: Data = None,
    centre: Centre = None,
    reader: Reader = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
    timeout: Annotated[
        float | None,
        typer.Option("--timeout", min=0.0, help="Seconds to wait; without it, for ever."),
    ] = None,
) -> None:
    """Wait for one tap on the configured reader and print what the shop says to whoever tapped."""
    from kiosk.assembly.device import real_world
    from kiosk.assembly.recognising import LocalRecogniser

    chosen = settings.load(data=data, centre=centre, reader=reader)
    with OwnFiles(chosen, world=real_world(), as_json=as_json) as device:
        print("waiting for a tap", file=sys.stderr, flush=True)
        try:
            said, pages, is_online = asyncio.run(
                _one_tap(device, LocalRecogniser(device), chosen, timeout_s=timeout)
            )
            shown = _shown(device, pages, is_online=is_online)
        except StoreError as error:
            fail(error.code, f"This device's files do not answer: {error}.",
                 exit_code=EXIT_OWN_FILES, as_json=as_json)  # fmt: skip
        match said:
            case Proved():
                print(json.dumps(shown) if as_json else _in_words(shown))
            case Failed(code=code):
                fail(code, MESSAGES.get(code, code), exit_code=EXIT_BAND, as_json=as_json)
            case ReaderState(code=code) if code:
                fail(code, MESSAGES.get(code, code), exit_code=EXIT_READER, as_json=as_json)
            case _:
                fail("no_tap", MESSAGES["no_tap"], exit_code=EXIT_NO_TAP, as_json=as_json)


async def _one_tap(
    device: "Device",
    recogniser: "LocalRecogniser",
    chosen: Settings,
    *,
    timeout_s: float | None,
) -> "tuple[Said | None, tuple[Page, ...], bool]":
    """What the reader said that ends the wait, its state or None when none came; and the pages it led to, in their order."""
    from kiosk.assembly.reading import living
    from kiosk.assembly.syncing import Sync

    heard: asyncio.Queue[Said] = asyncio.Queue()
    sync, clock = Sync(device), device.world.clock
    until_ms = clock.ticks_ms() + ONLINE_MS
    voice.warm(micros_of(clock.now()))
    async with (
        reader_spec(chosen.reader) as spec,
        living(device, sync, spec=spec, heard=heard.put_nowait),
    ):
        said = await _first(heard, timeout_s)
        if not isinstance(said, Proved):
            return said, (), False
        pages = [(said, recogniser.recognise(recogniser.evidence(said)))]
        if said.is_provable:
            async for better in _proved_again(heard, said.tap):
                pages.append((better, recogniser.recognise(recogniser.evidence(better))))
                if not pages[-1][1].reason:
                    break  # its wearer's own page
        return said, tuple(pages), await _is_online(sync, clock, until_ms=until_ms)


async def _proved_again(heard: "asyncio.Queue[Said]", tap: int) -> AsyncIterator[Proved]:
    """What a band whose key is not lent here proves through the centre while it is there, as on the kiosk's screen.

    Its proof is waited for as long as one may take; then its wearer, where this device does not hold them yet.
    """
    from kiosk.proving import PROVE_MS, WANT_S

    wait_s = PROVE_WAIT_FACTOR * PROVE_MS / 1_000
    with contextlib.suppress(TimeoutError):
        while True:
            async with asyncio.timeout(wait_s):
                said = await heard.get()
            match said:
                case Proved() if said.tap == tap:
                    yield said
                    wait_s = WANT_S
                case Left() if said.tap == tap and wait_s < WANT_S:
                    return
                case _:
                    pass


async def _first(heard: "asyncio.Queue[Said]", timeout_s: float | None) -> Said | None:
    """The first value that ends the wait; when time is over, the reader's last state if that is the reason."""
    state: ReaderState | None = None
    try:
        async with asyncio.timeout(timeout_s):
            while True:
                said = await heard.get()
                if isinstance(said, Proved | Failed):
                    return said
                if isinstance(said, ReaderState):
                    state = said
    except TimeoutError:
        return state


async def _is_online(sync: "Sync", clock: Clock, *, until_ms: int) -> bool:
    while not sync.runner.status().is_asked and clock.ticks_ms() < until_ms:
        await clock.pause_ms(10)
    return sync.runner.status().network == "ok"


def _shown(device: "Device", pages: "tuple[Page, ...]", *, is_online: bool) -> dict[str, Any]:
    """The object `--json` prints; where a better page followed the first, with what that was.

    A page that staff are given a reason for is somebody's own page not yet.
    """
    if not pages:
        return {}
    first = pages[0][1]
    said, best = max(pages, key=lambda page: (not page[1].reason, page[1].assurance.value))
    shown = _printed(device, said, best, is_online=is_online)
    lines = [line for block in printed(first.page)["blocks"] for line in block["lines"]]
    is_refined = best is not first
    earlier = {
        "assurance": first.assurance.value, "page_kind": first.page.kind.value,
        "reason": first.reason, "lines": lines,
    }  # fmt: skip
    return {**shown, "first": earlier if is_refined else None}


def _printed(
    device: "Device", said: Proved, found: "Recognition", *, is_online: bool
) -> dict[str, Any]:
    """The object `--json` prints."""
    now_us = micros_of(device.world.clock.now())
    page = printed(found.page)
    return {
        "band": found.evidence.band or None,
        "proof": said.kind,
        "assurance": found.assurance.value,
        "customer": _customer(device, found),
        "page": [_dated(block, now_us=now_us) for block in page["blocks"]],
        "actions": list(found.actions),
        "online": is_online,
        "timings_ms": {
            "detect": _ms(said.detect_us),
            "authenticate": _ms(said.authenticate_us),
            "lookup": _ms(found.lookup_us),
            "decide": _ms(found.decide_us),
        },
        "page_kind": found.page.kind.value,
        "language": found.page.language,
        "reason": found.reason,
        "notices": [_notice(notice.code) for notice in device.store.notices],
    }


def _notice(code: str) -> str:
    """What a person should know about this device's files: the code and the sentence staff are told."""
    sentence = staff_en.SENTENCES.get(f"notice.{code}", "")
    return f"{code}: {sentence}" if sentence else code


def _ms(micros: int) -> float:
    return round(micros / 1_000, 3)


def _dated(block: dict[str, Any], *, now_us: int) -> dict[str, Any]:
    """A block with its age as UTC text; one that states no fact of the shop's is this kiosk's own word, now."""
    micros, source = (block["as_of"], block["source"]) if block["as_of"] else (now_us, "here")
    return {**block, "as_of": moment_of(micros).isoformat(), "source": source}


def _customer(device: "Device", found: "Recognition") -> dict[str, str] | None:
    """Who it is, as far as the assurance allows to say."""
    from sync.edge.lookup import Lookup

    if not found.owner:
        return None
    customer = Lookup(device.store).profile(found.owner).customer
    if customer is None:
        return None
    shown = {"id": customer.id, "name": customer.nickname or customer.given_name}
    if found.assurance.covers(Assurance.A2) and not customer.guardian:
        shown["name"] = f"{customer.given_name} {customer.family_name}".strip()
    return shown


def _in_words(shown: dict[str, Any]) -> str:
    """What `--json` prints, for a person."""
    first = shown["first"]
    lines = [*first["lines"], f"({first['assurance']}; then:)", ""] if first else []
    lines += [line for block in shown["page"] for line in block["lines"]]
    times = ", ".join(f"{name} {value} ms" for name, value in shown["timings_ms"].items())
    standing = "online" if shown["online"] else "offline"
    return "\n".join((*lines, f"({shown['proof']}, {shown['assurance']}, {standing}; {times})"))
