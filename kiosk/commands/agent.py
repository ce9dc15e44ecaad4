"""`tapthread agent`: people outside the stores who sign in to the centre's pages.

    tapthread agent add NAME --shown "Ana (call centre)" --channel phone    asks for a password, twice
    tapthread agent add NAME --draw                                         draws one, and prints it once
    tapthread agent reset NAME                                              another password; every browser is signed out
    tapthread agent off NAME, on NAME                                       may not, may sign in
    tapthread agent list                                                    everybody, and who is locked
    tapthread agent looks CUSTOMER                                          who looked at a customer, when, found by what

It works beside a running centre, on its database: the file in the data folder, or the one `--database` names. Where standard
input is no terminal, the password is its first line. Ends with 2 for a line that makes no sense, 3 where it was not done, 6
where the database cannot be used.
"""

import getpass
import json
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from hardware.clock import SystemClock
from hardware.entropy import SystemEntropy
from hardware.moments import micros_of, moment_of
from kiosk.commands.naming import LISTED_MAX, ids_meant
from kiosk.commands.options import EXIT_DATABASE, Data, Database, database_of
from kiosk.commands.own_files import fail
from sync.model.errors import Malformed, StoreError
from sync.model.records import CHANNELS

if TYPE_CHECKING:
    from sync.central.store import Store
    from sync.central.transaction import Transaction

EXIT_USAGE: Final = 2
EXIT_NOT_DONE: Final = 3

_PIPED: Final = (
    "; standard input is no terminal, so its first line was read as the password:"
    " give it there, or let --draw make one"
)

WHAT: Final = ("add", "reset", "off", "on", "list", "looks")


def run(  # noqa: PLR0913, PLR0917  # one parameter an option
    what: Annotated[str, typer.Argument(help="add, reset, off, on, list or looks.")] = "list",
    name: Annotated[
        str,
        typer.Argument(help="Name they sign in with; with looks a customer, by id or name."),
    ] = "",
    data: Data = None,
    database: Database = "",
    shown: Annotated[
        str, typer.Option("--shown", help="What others see; without it the name.")
    ] = "",
    channel: Annotated[
        str, typer.Option("--channel", help=f"Where they serve: {', '.join(CHANNELS)}.")
    ] = "phone",
    draw: Annotated[
        bool, typer.Option("--draw", help="Draw a password and print it once.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Let people outside the stores sign in to the centre's pages, or not any more."""
    if what not in WHAT or bool(name) == (what == "list"):
        fail("usage", f"agent: {', '.join(WHAT)}; all but list with a name.",
             exit_code=EXIT_USAGE, as_json=as_json)  # fmt: skip
    address = database_of(data, database, as_json=as_json)
    act = _Act(what, name, shown or name, channel, is_drawn=draw)
    try:
        said = act.done(address)
    except Malformed as error:
        fail("not_done", f"Not done: {error}.", exit_code=EXIT_NOT_DONE, as_json=as_json)
    except StoreError as error:
        message = f"The database of the centre cannot be used: {error}."
        fail(error.code, message, exit_code=EXIT_DATABASE, as_json=as_json)
    else:
        print(json.dumps(said) if as_json else "\n".join(_in_words(said)))


class _Act:
    """One act on the database of a centre."""

    def __init__(
        self, what: str, name: str, shown: str, channel: str, *, is_drawn: bool
    ) -> None:
        self._what = what
        self._name = name
        self._shown = shown
        self._channel = channel
        self._is_drawn = is_drawn
        self._now = micros_of(SystemClock().now())

    def done(self, address: str) -> dict[str, Any]:
        """What it says. Raises Malformed: it was not done; StoreError."""
        from sync.central.store import Store

        opened = Store(address, fresh_epoch="")
        try:
            match self._what:
                case "list":
                    return self._listed(opened)
                case "looks":
                    return self._looks(opened)
                case "add" | "reset":
                    return self._with_password(opened)
                case _:
                    return self._set(opened)
        finally:
            opened.close()

    def _listed(self, store: "Store") -> dict[str, Any]:
        from sync.central.pages import agents

        with store.reading() as snapshot:
            everybody = agents.everybody(snapshot.sql)
        return {
            "agents": [
                {
                    "name": one.name,
                    "shown": one.shown,
                    "channel": one.channel,
                    "state": one.state,
                    "is_locked": one.locked_until > self._now
                    or one.n_wrong >= agents.WRONG_ALL,
                }
                for one in everybody
            ]
        }

    def _looks(self, store: "Store") -> dict[str, Any]:
        from sync.central.pages import finding

        with store.reading() as snapshot:
            looks = finding.looked_at(snapshot.sql, self._name)
            ids = ids_meant(snapshot, self._name)
            if not looks and not ids:
                raise Malformed(f"nobody with the name or id {self._name[:60]} is here")
            if not looks and len(ids) > 1:
                listed = ", ".join(ids[:LISTED_MAX])
                raise Malformed(
                    f"{len(ids)} customers fit {self._name[:60]}; ask by an id: {listed}"
                )
            looks = looks or finding.looked_at(snapshot.sql, ids[0])
        return {
            "looks": [
                {
                    "agent": one.agent,
                    "at": moment_of(one.at).isoformat(timespec="seconds"),
                    "by": one.how,
                    "was_opened": one.seen_at > 0,
                }
                for one in looks
            ]
        }

    def _with_password(self, store: "Store") -> dict[str, Any]:
        from sync.central.pages import agents

        entropy = SystemEntropy()
        password = agents.drawn(entropy=entropy) if self._is_drawn else _asked(self._name)
        try:
            kept = agents.hashed(password, entropy=entropy)
        except Malformed as error:
            if sys.stdin.isatty():
                raise
            raise Malformed(f"{error}{_PIPED}") from error

        def write(transaction: "Transaction") -> None:
            sql = transaction.direct()
            if self._what == "reset":
                agents.reset(sql, self._name, kept, now=self._now)
                return
            agent = agents.Agent(
                self._name, self._shown, kept, agents.ROLE, agents.ON,
                changed_at=self._now, channel=self._channel,
            )  # fmt: skip
            agents.add(sql, agent)

        _write(store, write)
        said = {"name": self._name, "done": self._what}
        return {**said, "password": password} if self._is_drawn else said

    def _set(self, store: "Store") -> dict[str, Any]:
        from sync.central.pages import agents

        state = agents.OFF if self._what == "off" else agents.ON
        _write(
            store,
            lambda it: agents.set_state(it.direct(), self._name, state, now=self._now),
        )
        return {"name": self._name, "done": self._what}


def _write(store: "Store", change: "Callable[[Transaction], None]") -> None:
    from sync.central.batch import Batch

    def work(transaction: "Transaction") -> Callable[[], None]:
        change(transaction)
        return lambda: None

    Batch(store, on_commit=lambda _scopes: None).run(work)


def _asked(name: str) -> str:
    """A password from the terminal, asked twice, or the first line of standard input. Raises Malformed."""
    if not sys.stdin.isatty():
        return sys.stdin.readline().rstrip("\n")
    password = getpass.getpass(f"Password of {name}, at least 15 characters: ")
    if getpass.getpass("The same again: ") != password:
        raise Malformed("the two were not the same")
    return password


def _in_words(said: dict[str, Any]) -> list[str]:
    if "agents" in said:
        lines = [
            f"{one['name']:<20} {one['state']:<4} {one['channel']:<10} {one['shown']}"
            f"{'  locked' if one['is_locked'] else ''}"
            for one in said["agents"]
        ]
        return lines or ["There is no agent. Add one: tapthread agent add NAME"]
    if "looks" in said:
        lines = [
            f"{one['at']}  {one['agent']:<20} found by {one['by']}"
            f"{'' if one['was_opened'] else ', not opened'}"
            for one in said["looks"]
        ]
        return lines or ["Nobody looked."]
    words = {
        "add": "can sign in at /agent of the centre.",
        "reset": "has another password; every browser is signed out.",
        "off": "cannot sign in any more; every browser is signed out.",
        "on": "can sign in again.",
    }
    lines = [f"{said['name']} {words[said['done']]}"]
    if "password" in said:
        lines.append(f"Password, shown once: {said['password']}")
    return lines
