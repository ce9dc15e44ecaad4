"""The addresses of the agents' pages: from a request to a page, what it needs, and what is refused.

    /agent                      sign in; then: find a customer
    /agent/sign-in, sign-out    POST
    /agent/find                 POST: whom a search found, or their page at once where it is one
    /agent/waiting              who waits for us, what is over the longest first; POST: open one of them
    /agent/at/LOOK              a customer, by the search that found them: the card, the thread, the forms
    /agent/at/LOOK/now          who else is with them, inside that page; asks again by itself
    /agent/at/LOOK/ACTION       POST: note promise keep tell need try refer join apart undo leave
    /agent/at/LOOK/draft        POST: what is being typed there
    /agent/style.css, draft.js

Everything but the sign-in and the style needs a browser somebody signed in with. A POST needs the key of its form besides. The
log says which address and how it ended, never whom it was about.
"""

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import tzinfo
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import msgspec

from hardware.entropy import new_id
from hardware.moments import moment_of
from sync.central import alerts
from sync.central.canonical import canonical_in
from sync.central.moment import Snapshot
from sync.central.pages import acting, browsers, drafts, finding, showing, waiting
from sync.central.pages.acting import WrongField
from sync.central.pages.agents import TOUCH_US, Agent, Busy, Doors, SignedIn
from sync.central.pages.browsers import form_key, is_form_key, onward, page
from sync.central.pages.finding import Asked, Look, TooLittle
from sync.central.parts import Parts
from sync.central.transaction import owner_lock
from sync.model.card import card_text
from sync.model.errors import StoreError
from sync.model.ports import Request, Response
from sync.model.records import Store
from sync.model.row import Row
from sync.model.sins import Scoreboard

if TYPE_CHECKING:
    from jinja2 import Environment

log = logging.getLogger(__name__)

HOME: Final = "/agent"
AT: Final = "/agent/at/"
WAITING: Final = "/agent/waiting"

NOW_EVERY_S: Final = 10
"""How often a page asks who else is with the customer."""

STAY_US: Final = 5 * 60_000_000
"""Who is on a customer's page is said to be there again when less than this is left."""

FOLDER: Final = Path(__file__).parent

_TOO_LITTLE: Final = {
    "nothing": "Give an order number, a whole phone number, a whole e-mail address, or a name with the last four digits.",
    "name": "A name alone is not enough. Ask for the last four digits of the phone number, or an order number.",
    "phone": "Give the whole phone number: 7 to 15 digits, with + and the country where you have it.",
    "email": "Give the whole e-mail address.",
    "last_four": "The last four digits are four digits.",
    "many": "More than five customers fit. Ask for one thing more.",
    "nobody": "Nobody fits. Check the number, or ask for another one.",
    "often": "That were many searches. Wait ten minutes, then go on.",
}
_SAID: Final = {
    "note_case": "You wrote a note",
    "record_interaction": "You wrote a note",
    "promise_answer": "You promised",
    "keep_promise": "You kept a promise",
    "open_case": "You opened a case and promised",
    "tell_fact": "You wrote down what was told",
    "need_fact": "You asked for something",
    "try_remedy": "You wrote down what was tried",
    "join_customers": "You made two customers one",
    "refer_customer": "You sent the customer to a store",
}
_NOT_DONE: Final = {
    "reason": "It failed twice before. Say why it should help now.",
    "unknown_case": "That case is not there any more.",
    "same_customer": "They are one customer already.",
    "unknown_customer": "One of the two is not there any more.",
    "another_family": "One of them is a child. A child is made one only with records of its own family.",
    "other_customer": "That case belongs to another customer.",
}

LOOKS_OFTEN: Final = "agent_looks_often"
"""Alert: an agent made more searches than there are calls."""

_NOT_WAITING: Final = "They do not wait any more: somebody was faster."
_SIGNED_OUT: Final = "You were signed out, and that was not done. Sign in, find the customer again and send it once more."
_GONE: Final = "Nobody is open here any more. Search again."
_AWAY: Final = "The centre cannot read or write just now. Try again in a moment; what you sent may have been done."
_HELD: Final = (
    "The centre could not do it now. It waits there for a person; do not send it again."
)

Sins = Callable[[], Scoreboard | None]


@dataclass(frozen=True, slots=True)
class _Typed:
    """A form that was not done: what was typed stands in it again, with the reason."""

    action: str
    fields: Mapping[str, str] = field(repr=False)
    wrong: str = ""


class AgentSite:
    """The agents' pages of one centre; a `Site`."""

    path = "agent"

    def __init__(
        self,
        parts: Parts,
        *,
        zone: tzinfo | None = None,
        sins: Sins | None = None,
        countries: tuple[str, ...] = (),
    ) -> None:
        """Over the parts of one centre.

        Args:
            parts: Of the centre.
            zone: Local time of the agents; None for this machine's.
            sins: The three sins as they were counted last; None where nobody counts.
            countries: ISO 3166 codes a telephone number without its country is read with.
        """
        self._parts = parts
        self._zone_of = zone
        self._sins = sins
        self._countries = countries
        self._doors = Doors(parts)

    def answer(self, request: Request) -> Response:
        """The page, whatever was asked."""
        try:
            return self._answered(request)
        except StoreError as error:
            log.error("store failed", extra={"endpoint": self.path, "code": error.code})  # noqa: TRY400  # the trace says nothing more
            return self._plain(request, 503, _AWAY, ("retry-after", "5"))

    def _answered(self, request: Request) -> Response:
        path = browsers.path_of(request)
        if path in _ASSETS and request.method in ("GET", "HEAD"):
            return _ASSETS[path]()
        if request.method not in ("GET", "HEAD", "POST"):
            return self._plain(
                request, 405, "That cannot be done here.", ("allow", "GET, POST")
            )
        if request.method == "POST":
            return self._posted(request, path)
        if path in (HOME, f"{HOME}/", WAITING):
            return self._begun(request, is_list=path == WAITING)
        if path.startswith(AT):
            return self._at(request, path.removeprefix(AT))
        return self._plain(request, 404, "There is no such page.")

    def _begun(self, request: Request, *, is_list: bool) -> Response:
        """Where an agent begins: the search, or the list of who waits."""
        signed_in = self._who(request)
        if signed_in is None:
            return onward(HOME) if is_list else self._door(request)
        return (self._waiting if is_list else self._find)(request, signed_in)

    # What comes from forms

    def _posted(self, request: Request, path: str) -> Response:
        fields = browsers.fields_of(request)
        if fields is None:
            return self._plain(request, 400, "That form could not be read.")
        purpose = path.removeprefix(HOME)
        if browsers.is_from_elsewhere(request) or not is_form_key(
            fields.get("key", ""), browsers.cookie_of(request), _purpose(purpose, fields)
        ):
            self._parts.counters.add("agents.forged")
            log.warning("form refused", extra={"endpoint": self.path})
            return self._plain(
                request, 403, "That form is old or not ours. Load the page again."
            )
        if purpose == "/sign-in":
            return self._enter(request, fields)
        signed_in = self._who(request)
        if signed_in is None:
            return self._too_late(request, path, fields)
        return self._sent(request, signed_in, fields)

    def _too_late(self, request: Request, path: str, fields: Mapping[str, str]) -> Response:
        """Whoever sent this is signed out; what they typed is shown to them once more, and kept nowhere."""
        if path.endswith("/draft"):
            return browsers.done(403)
        lost = "\n".join(fields[name] for name in drafts.TYPED if fields.get(name))
        if not path.startswith(AT) or not lost:
            return onward(HOME)
        return self._door(request, said=_SIGNED_OUT, lost=lost, status=403)

    def _sent(
        self, request: Request, signed_in: SignedIn, fields: Mapping[str, str]
    ) -> Response:
        path = browsers.path_of(request)
        if path == f"{HOME}/sign-out":
            self._doors.leave(signed_in)
            return onward(HOME, browsers.set_cookie(request, ""))
        if path == f"{HOME}/find":
            return self._searched(request, signed_in, fields)
        if path == WAITING:
            return self._opened(request, signed_in, fields)
        if path.startswith(AT) and path.endswith("/draft"):
            return self._drafted(request, signed_in, fields)
        if path.startswith(AT):
            return self._acted(request, signed_in, fields)
        return self._plain(request, 404, "There is no such page.")

    # Signing in

    def _who(self, request: Request, *, is_touch: bool = True) -> SignedIn | None:
        return self._doors.who(browsers.cookie_of(request), is_touch=is_touch)

    def _door(
        self, request: Request, *, said: str = "", lost: str = "", status: int = 200
    ) -> Response:
        """The sign-in; its browser gets a cookie of its own first, so that nobody signs it in as somebody else."""
        cookie = browsers.cookie_of(request)
        if len(cookie) != 32:  # another page of this browser may have one already
            cookie = self._parts.entropy.draw(16).hex()
        html = _rendered("sign_in.html", key=form_key(cookie, "/sign-in"), said=said, lost=lost)
        return page(request, html, browsers.set_cookie(request, cookie), status=status)

    def _enter(self, request: Request, fields: Mapping[str, str]) -> Response:
        if self._doors.is_crowded():
            return self._door(
                request, said="Many sign in just now. Try again in a minute.", status=429
            )
        try:
            value = self._doors.enter(
                fields.get("name", "").lower(), fields.get("password", "")
            )
        except Busy:
            return self._door(request, said="Many sign in just now. Try again.", status=429)
        if not value:
            self._parts.counters.add("agents.wrong")
            log.warning("sign-in refused", extra={"endpoint": self.path})
            said = (
                "Name or password is not right. After five tries it is locked for 15 minutes."
            )
            return self._door(request, said=said, status=403)
        return onward(HOME, browsers.set_cookie(request, value))

    # Finding

    def _find(
        self,
        request: Request,
        signed_in: SignedIn,
        *,
        said: str = "",
        asked: Asked | None = None,
        found: tuple[tuple[str, str], ...] = (),
        status: int = 200,
    ) -> Response:
        html = _rendered(
            "find.html", **self._frame(request, signed_in), said=said, asked=asked or Asked(), found=found,
            find_key=self._key(request, "/find"),
        )  # fmt: skip
        return page(request, html, status=status)

    def _searched(
        self, request: Request, signed_in: SignedIn, fields: Mapping[str, str]
    ) -> Response:
        asked = Asked(**{name: fields.get(name, "")[:200] for name in Asked.__struct_fields__})
        try:
            looks = self._looks(signed_in, asked)
        except TooLittle as error:
            status = 429 if error.code == "often" else 422
            said = _TOO_LITTLE[error.code]
            return self._find(request, signed_in, said=said, asked=asked, status=status)
        if not looks:
            said = _TOO_LITTLE["nobody"]
            return self._find(request, signed_in, said=said, asked=asked)
        if len(looks) == 1:
            return onward(AT + looks[0].id)
        with self._parts.store.reading() as snapshot:
            found: tuple[tuple[str, str], ...] = tuple(
                (AT + one.id, _name_of(snapshot, one.owner)) for one in looks
            )
        return self._find(request, signed_in, asked=asked, found=found)

    def _looks(self, signed_in: SignedIn, asked: Asked) -> tuple[Look, ...]:
        self._check_often(signed_in.agent)
        with self._parts.store.reading() as snapshot:
            owners, how = finding.found(snapshot.sql, asked, self._countries)
        return self._written_down(signed_in, owners, how)

    def _check_often(self, agent: Agent) -> None:
        """Raises TooLittle: this agent made too many searches lately."""
        parts, now = self._parts, self._parts.now
        with parts.store.reading() as snapshot:
            n_lately = finding.n_lately(snapshot.sql, agent.name, now=now)
        if n_lately >= finding.LOOKS_MAX:
            parts.write(lambda it: alerts.add(it, LOOKS_OFTEN, agent.actor, at=now))
            raise TooLittle("often")

    def _written_down(
        self, signed_in: SignedIn, owners: tuple[str, ...], how: str
    ) -> tuple[Look, ...]:
        parts, now, agent = self._parts, self._parts.now, signed_in.agent
        look = Look("", agent.name, signed_in.digest, "", how, now, 0)
        return parts.write(
            lambda it: finding.write_down(it.direct(), look, owners, entropy=parts.entropy)
        )

    # Who waits

    def _waiting(
        self, request: Request, signed_in: SignedIn, *, said: str = "", status: int = 200
    ) -> Response:
        now, cookie = self._parts.now, browsers.cookie_of(request)
        with self._parts.store.reading() as snapshot:
            found = waiting.waiting(snapshot, now=now)
        html = _rendered(
            "waiting.html", **self._frame(request, signed_in), said=said,
            lines=tuple(
                (waiting.mark_of(one, cookie), showing.waits_of(one, now=now, zone=self._zone))
                for one in found[: waiting.SHOWN_MAX]
            ),
            n_more=max(len(found) - waiting.SHOWN_MAX, 0), n_late=sum(one.is_late for one in found),
            zone=showing.zone_name(now, self._zone), to=WAITING, open_key=self._key(request, "/waiting"),
        )  # fmt: skip
        return page(request, html, status=status)

    def _opened(
        self, request: Request, signed_in: SignedIn, fields: Mapping[str, str]
    ) -> Response:
        """The page of one of the list, by a search that is written down like any other."""
        now, cookie = self._parts.now, browsers.cookie_of(request)
        with self._parts.store.reading() as snapshot:
            found = waiting.waiting(snapshot, now=now)
        mark = fields.get("who", "")
        owner = next((one.owner for one in found if waiting.mark_of(one, cookie) == mark), "")
        if not owner:
            return self._waiting(request, signed_in, said=_NOT_WAITING)
        try:
            self._check_often(signed_in.agent)
        except TooLittle as error:
            said = _TOO_LITTLE[error.code]
            return self._waiting(request, signed_in, said=said, status=429)
        (look,) = self._written_down(signed_in, (owner,), waiting.HOW)
        return onward(AT + look.id)

    # A customer

    def _at(self, request: Request, rest: str) -> Response:
        look_id, _, more = rest.partition("/")
        signed_in = self._who(request, is_touch=more != "now")
        if signed_in is None:
            return onward(HOME) if more != "now" else self._now_page(request, None)
        look = self._look(signed_in, look_id)
        if look is None or more not in ("", "now"):
            return self._plain(request, 404, _GONE)
        if more == "now":
            return self._now_page(request, (signed_in, look))
        self._mark_seen(look)
        self._stay(signed_in.agent, look.owner)
        return self._customer(request, signed_in, look)

    def _mark_seen(self, look: Look) -> None:
        """Somebody reads or writes there: the search opens that page for some time more."""
        now = self._parts.now
        if now - look.seen_at >= TOUCH_US:
            self._parts.write(lambda it: finding.mark_seen(it.direct(), look.id, now=now))

    def _look(self, signed_in: SignedIn, look_id: str) -> Look | None:
        with self._parts.store.reading() as snapshot:
            look = finding.opened(
                snapshot.sql, look_id, sign_in=signed_in.digest, now=self._parts.now
            )
            if look is None:
                return None
            # Whom a search found may have been joined into another customer since.
            return msgspec.structs.replace(look, owner=canonical_in(snapshot, look.owner))

    def _stay(self, agent: Agent, owner: str) -> None:
        """Say to everybody else that this agent is with the customer, unless that is said for some time still."""
        now = self._parts.now
        with self._parts.store.reading() as snapshot:
            row = snapshot.row(f"serving/{owner}")
        if not showing.is_with(row, agent.actor, until=now + STAY_US):
            args, op_id = acting.serve(agent), self._new_id()
            op = acting.operation(args, agent, owner, op_id=op_id, now=now)
            acting.record(self._parts, op)

    def _customer(
        self,
        request: Request,
        signed_in: SignedIn,
        look: Look,
        typed: "_Typed | None" = None,
    ) -> Response:
        agent, at = signed_in.agent, f"{AT}{look.id}"
        with self._parts.store.reading() as snapshot:
            sheet, stores = self._sheet(snapshot, agent, look.owner)
            lately = acting.done_lately(snapshot.sql, agent, look.owner, now=self._parts.now)
            begun = drafts.kept(snapshot.sql, agent.name, look.owner, now=self._parts.now)
        if not sheet.card.keys:
            return self._plain(request, 404, _GONE)
        html = _rendered(
            "customer.html",
            **self._frame(request, signed_in),
            at=at,
            sheet=sheet,
            stores=stores,
            forms={name: self._form(request, f"{at}/{name}") for name in acting.FORMS},
            undos=tuple(
                (_SAID[one.kind], one.said, self._form(request, f"{at}/undo", one.op))
                for one in lately
            ),
            action=typed.action if typed else "",
            wrong=typed.wrong if typed else "",
            typed=begun | ({typed.action: typed.fields} if typed else {}),
            draft_to=f"{at}/draft",
            draft_key=self._key(request, f"{at.removeprefix(HOME)}/draft "),
            soonest=_field_time(self._parts.now, self._zone),
        )
        return page(request, html, status=422 if typed else 200, is_scripted=True)

    def _drafted(
        self, request: Request, signed_in: SignedIn, fields: Mapping[str, str]
    ) -> Response:
        """Keep what is being typed; what a form of ours does not have is not kept."""
        look_id = browsers.path_of(request).removeprefix(AT).removesuffix("/draft")
        look, agent, now = self._look(signed_in, look_id), signed_in.agent, self._parts.now
        if look is None or fields.get("form") not in acting.FORMS:
            return browsers.done(404)
        self._mark_seen(look)
        is_here = self._parts.write(
            lambda it: drafts.keep(it, agent.name, look.owner, fields, now=now),
            keys=(owner_lock(look.owner),),
        )
        return browsers.done(204 if is_here else 404)

    def _sheet(
        self, snapshot: Snapshot, agent: Agent, owner: str
    ) -> tuple[showing.Sheet, tuple[tuple[str, str], ...]]:
        """What is known of a customer, and the stores there are."""
        stores = finding.stores(snapshot.sql)
        sheet = showing.sheet_of(
            owner, snapshot.all_of_owner(owner), stores,
            now=self._parts.now, zone=self._zone, viewer=agent.actor,
        )  # fmt: skip
        return sheet, _names_of(stores)

    def _now_page(self, request: Request, known: tuple[SignedIn, Look] | None) -> Response:
        others: tuple[str, ...] = ()
        if known is not None:
            signed_in, look = known
            with self._parts.store.reading() as snapshot:
                row = snapshot.row(f"serving/{look.owner}")
            actor, now = signed_in.agent.actor, self._parts.now
            others = showing.serving_of(look.owner, row, now=now, zone=self._zone, viewer=actor)
            if showing.is_with(
                row, actor, until=now + 1
            ):  # who left does not come back by itself
                self._stay(signed_in.agent, look.owner)
        html = _rendered("now.html", others=others, is_out=known is None, every_s=NOW_EVERY_S)
        return page(request, html, is_framed=True)

    def _acted(
        self, request: Request, signed_in: SignedIn, fields: Mapping[str, str]
    ) -> Response:
        look_id, _, action = browsers.path_of(request).removeprefix(AT).partition("/")
        look, agent = self._look(signed_in, look_id), signed_in.agent
        if look is None or action not in (*acting.FORMS, "undo"):
            return self._plain(request, 404, _GONE)
        if not acting.is_op_id(
            fields.get("op", "")
        ):  # a form somebody made up, with a key of their own
            return self._plain(request, 400, "That form could not be read.")
        at = f"{AT}{look.id}"
        if action == "undo":
            self._undo(agent, look, fields)
            return onward(at)
        try:
            self._record(action, fields, agent, look.owner)
        except WrongField as error:
            typed = _Typed(action, fields, str(error))
            return self._customer(request, signed_in, look, typed)
        return onward(HOME if action == "leave" else at)

    def _record(self, action: str, fields: Mapping[str, str], agent: Agent, owner: str) -> None:
        """Do what a form says. Raises WrongField: it was not done."""
        now, zone = self._parts.now, self._zone
        with self._parts.store.reading() as snapshot:
            sheet, stores = self._sheet(snapshot, agent, owner)
        desk = acting.Desk(
            agent=agent,
            cases=frozenset(case.id for case in sheet.cases),
            stores=frozenset(store for store, _ in stores),
            alike=frozenset(one.other for one in sheet.alike),
            card=card_text(sheet.card),
            now=now,
            zone=zone,
        )
        args = acting.FORMS[action](fields, desk)
        op = acting.operation(args, agent, owner, op_id=fields["op"], now=now)
        done = acting.record(
            self._parts, op, lambda it: drafts.forget(it, agent.name, owner, action)
        )
        if done.status != "applied":
            raise WrongField(done.code, _NOT_DONE.get(done.code, _HELD))

    def _undo(self, agent: Agent, look: Look, fields: Mapping[str, str]) -> None:
        """Take back what is named, where it still can be; else nothing."""
        now = self._parts.now
        with self._parts.store.reading() as snapshot:
            op = acting.undo_of(
                snapshot.sql,
                agent,
                look.owner,
                op_id=fields["op"],
                undo_id=self._new_id(),
                now=now,
            )
        if op is not None:
            acting.record(self._parts, op)

    # What several pages need

    @property
    def _zone(self) -> tzinfo:
        zone = self._zone_of or self._parts.clock.now().astimezone().tzinfo
        assert zone is not None  # of a moment that knows its own
        return zone

    def _new_id(self) -> str:
        return new_id(clock=self._parts.clock, entropy=self._parts.entropy)

    def _operation(
        self, args: msgspec.Struct, agent: Agent, owner: str, *, op_id: str = ""
    ) -> Any:
        return acting.operation(
            args, agent, owner, op_id=op_id or self._new_id(), now=self._parts.now
        )

    def _key(self, request: Request, purpose: str) -> str:
        return form_key(browsers.cookie_of(request), purpose)

    def _form(self, request: Request, path: str, op_id: str = "") -> dict[str, str]:
        """Where a form goes, the id of what it does, and its key."""
        op = op_id or self._new_id()
        purpose = _purpose(path.removeprefix(HOME), {"op": op})
        return {"to": path, "op": op, "key": self._key(request, purpose)}

    def _frame(self, request: Request, signed_in: SignedIn) -> dict[str, Any]:
        """What stands around every page."""
        return {
            "agent": signed_in.agent,
            "out_key": self._key(request, "/sign-out"),
            "sins": self._sins() if self._sins is not None else None,
            "waiting": WAITING,
        }

    def _plain(
        self, request: Request, status: int, said: str, *headers: tuple[str, str]
    ) -> Response:
        return page(request, _rendered("said.html", said=said), *headers, status=status)


def _purpose(path: str, fields: Mapping[str, str]) -> str:
    """What a form's key stands for: where it goes, and the id of what it does where it does something."""
    op = fields.get("op", "")
    if path.startswith("/at/"):
        return f"{path} {op if acting.is_op_id(op) else ''}"
    return path


def _name_of(snapshot: Snapshot, owner: str) -> str:
    """What a list of found customers says of one."""
    rows = [row for row in (snapshot.row(f"customer/{owner}"),) if row is not None]
    return showing.name_of(owner, rows)


def _names_of(stores: tuple[Row, ...]) -> tuple[tuple[str, str], ...]:
    named = ((row.body.id, row.body.name) for row in stores if isinstance(row.body, Store))
    return tuple(sorted(named, key=lambda it: it[1]))


def _field_time(at: int, zone: tzinfo) -> str:
    """A time as a field of a browser wants it."""
    return f"{moment_of(at).astimezone(zone):%Y-%m-%dT%H:%M}"


@lru_cache(maxsize=1)
def _environment() -> "Environment":
    # 40 ms; not for a centre whose pages nobody asks for
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    return Environment(
        loader=FileSystemLoader(FOLDER / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


@lru_cache(maxsize=1)
def _css() -> bytes:
    return (FOLDER / "templates" / "style.css").read_bytes()


_ASSETS: Final[Mapping[str, Callable[[], Response]]] = {
    f"{HOME}/style.css": lambda: browsers.asset(_css(), "css"),
    f"{HOME}/draft.js": lambda: browsers.asset(drafts.SCRIPT, "javascript"),
}


def _rendered(template: str, **values: Any) -> str:
    return _environment().get_template(template).render(home=HOME, **values)
