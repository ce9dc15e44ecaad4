"""The mailbox: one order for a store's devices, and nothing in it forgotten unsaid."""

from dataclasses import dataclass, field

import hypothesis
from hypothesis import strategies
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from sync.edge.relay import OVER_MS, RESERVED_MS, Entry, Item, Mailbox, Offered

VOUCHER = ("entitlement/v1",)
OTHER = ("entitlement/v2",)


def asked(op: str, keys: tuple[str, ...] = VOUCHER) -> Item:
    return Item(op, "offered", b"{}", keys)


def happened(op: str, keys: tuple[str, ...] = VOUCHER) -> Item:
    return Item(op, "recorded", b"{}", keys)


def offered(box: Mailbox, device: str, *items: Item, seen: int = 0, now_ms: int = 0) -> Offered:
    return box.offer(device, items, seen=seen, now_ms=now_ms)


def heard(box: Mailbox, since: int = 0) -> dict[str, str]:
    return {one.op: one.state for one in box.since(since, limit=1_000).entries}


def test_of_two_that_race_for_one_voucher_the_second_is_shown_the_first() -> None:
    box = Mailbox("life")

    first = offered(box, "till-1", asked("a"))
    second = offered(box, "till-2", asked("b"))

    assert first.status == "accepted"
    assert second.status == "behind"
    assert [one.op for one in second.ahead] == ["a"]
    assert heard(box) == {"a": "offered"}


def test_who_has_seen_the_first_gets_the_next_place() -> None:
    box = Mailbox("life")
    offered(box, "till-1", asked("a"))
    behind = offered(box, "till-2", asked("b"))

    again = offered(box, "till-2", asked("b"), seen=behind.seen)

    assert again.status == "accepted"
    assert list(heard(box)) == ["a", "b"]


def test_who_asks_about_another_row_waits_for_nobody() -> None:
    box = Mailbox("life")
    offered(box, "till-1", asked("a"))

    assert offered(box, "till-2", asked("b", OTHER)).status == "accepted"


def test_an_offer_whose_answer_was_lost_keeps_its_place() -> None:
    box = Mailbox("life")
    offered(box, "till-1", asked("a"))

    again = offered(box, "till-1", asked("a"))

    assert again.status == "accepted"
    assert box.head == 1


def test_requests_that_belong_together_get_all_their_places_or_none() -> None:
    box = Mailbox("life")
    offered(box, "till-1", asked("a"))

    both = offered(box, "till-2", asked("free", OTHER), asked("b"))

    assert both.status == "behind"
    assert heard(box) == {"a": "offered"}


def test_what_happened_gets_a_place_whatever_came_before() -> None:
    box = Mailbox("life")
    offered(box, "till-1", asked("a"))

    told = box.tell("till-2", [happened("b")], now_ms=0)

    assert told.unknown == ()
    assert heard(box) == {"a": "offered", "b": "recorded"}


def test_what_was_withdrawn_stands_in_nobodys_way() -> None:
    box = Mailbox("life")
    offered(box, "till-1", asked("a"))

    box.tell("till-1", [Item("a", "withdrawn")], now_ms=0)

    assert offered(box, "till-2", asked("b")).status == "accepted"
    assert heard(box)["a"] == "withdrawn"


def test_an_offer_that_arrives_after_it_was_given_up_gets_no_place() -> None:
    box = Mailbox("life")
    box.tell("till-1", [Item("a", "withdrawn")], now_ms=0)

    late = offered(box, "till-1", asked("a"))

    assert late.status == "withdrawn"


def test_what_was_given_up_and_recorded_all_the_same_is_told() -> None:
    box = Mailbox("life")
    box.tell("till-1", [Item("a", "withdrawn")], now_ms=0)

    box.tell("till-1", [happened("a")], now_ms=0)

    assert heard(box) == {"a": "recorded"}
    assert offered(box, "till-2", asked("b")).status == "behind"


def test_only_whose_operation_it_is_can_take_it_back() -> None:
    box = Mailbox("life")
    box.tell("till-1", [happened("a")], now_ms=0)

    box.tell("till-2", [Item("a", "withdrawn")], now_ms=0)

    assert heard(box) == {"a": "recorded"}


def test_a_place_nobody_recorded_is_free_again_after_a_while() -> None:
    box = Mailbox("life")
    offered(box, "till-1", asked("a"), now_ms=0)
    offered(box, "till-1", asked("other", OTHER), now_ms=5)
    box.tell("till-1", [Item("other", "recorded")], now_ms=6)

    late = offered(box, "till-2", asked("b"), now_ms=RESERVED_MS)

    assert late.status == "accepted"
    assert heard(box) == {"a": "withdrawn", "other": "recorded", "b": "offered"}


def test_a_state_of_an_operation_the_mailbox_does_not_have_is_asked_for_whole() -> None:
    box = Mailbox("life")

    told = box.tell("till-1", [Item("a", "settled", at={"s:harbour": 4})], now_ms=0)

    assert told.unknown == ("a",)


def test_settled_says_from_which_seq_on_the_feed_has_it_and_keeps_its_place() -> None:
    box = Mailbox("life")
    box.tell("till-1", [happened("a"), happened("b")], now_ms=0)

    box.tell("till-1", [Item("a", "settled", at={"s:harbour": 4})], now_ms=0)

    (entry,) = box.since(2, limit=10).entries
    assert (entry.op, entry.state, entry.at, entry.n) == ("a", "settled", {"s:harbour": 4}, 1)


def test_changes_come_in_pages_that_leave_nothing_out() -> None:
    box = Mailbox("life")
    box.tell("till-1", [happened(f"op-{n}") for n in range(25)], now_ms=0)
    box.present("till-1")

    seen, since = list[str](), 0
    came = list[str]()
    while True:
        changes = box.since(since, limit=10)
        seen += [one.op for one in changes.entries]
        came += changes.present
        since = changes.to
        if not changes.is_more:
            break

    assert seen == [f"op-{n}" for n in range(25)]
    assert came == ["till-1"]
    assert box.since(since, limit=10).entries == ()


def test_a_full_mailbox_forgets_what_is_over_and_says_so() -> None:
    box = Mailbox("life", n_max=10)
    box.tell("till-1", [happened(f"op-{n}") for n in range(10)], now_ms=0)
    since = box.head
    box.tell("till-1", [Item("op-0", "settled")], now_ms=0)

    box.tell("till-1", [happened("new")], now_ms=0)

    assert "op-0" not in heard(box)
    assert box.since(since, limit=100).is_whole


def test_what_was_over_a_day_ago_is_in_nobodys_memory() -> None:
    box = Mailbox("life")
    box.tell("till-1", [happened("a"), happened("b")], now_ms=0)
    box.tell("till-1", [Item("a", "settled")], now_ms=0)
    box.tell("till-1", [Item("b", "settled")], now_ms=5)

    box.expire(OVER_MS)

    assert heard(box) == {"b": "settled"}
    assert box.since(2, limit=9).is_whole, "whoever was away longer hears all there is"


def test_all_of_a_mailbox_that_forgot_comes_in_pages_and_ends() -> None:
    box = Mailbox("life", n_max=10)
    box.tell("till-1", [happened(f"old-{n}") for n in range(6)], now_ms=0)
    for number in range(20):
        box.tell("till-1", [happened(f"op-{number}")], now_ms=0)
        box.tell("till-1", [Item(f"op-{number}", "settled")], now_ms=0)

    first = box.since(1, limit=2)
    pages = [first]
    while pages[-1].is_more and len(pages) < 20:
        last = pages[-1]
        pages.append(box.since(last.to, limit=2, whole_at=last.whole_at))

    assert [page.is_whole for page in pages] == [True, *[False] * (len(pages) - 1)]
    ops = [entry.op for page in pages for entry in page.entries]
    assert ops[:6] == [f"old-{n}" for n in range(6)]
    assert ops[-1] == "op-19"


def test_a_mailbox_full_of_what_is_not_over_takes_no_more() -> None:
    box = Mailbox("life", n_max=3)
    box.tell("till-1", [happened(f"op-{n}") for n in range(3)], now_ms=0)

    told = box.tell("till-1", [happened("new")], now_ms=0)

    assert told.is_full
    assert offered(box, "till-1", asked("request")).status == "full"
    assert list(heard(box)) == ["op-0", "op-1", "op-2"]


def test_the_mailbox_is_bounded_in_bytes() -> None:
    box = Mailbox("life", size_max=10_000)
    items = [Item(f"op-{n}", "recorded", b"x" * 3_000, VOUCHER) for n in range(4)]

    told = box.tell("till-1", items, now_ms=0)

    assert told.is_full
    assert list(heard(box)) == ["op-0", "op-1"]


# Any interleaving


@dataclass
class Till:
    """A device that folds what it hears and offers what it judged on that."""

    name: str
    seen: int = 0
    known: dict[str, str] = field(default_factory=dict)
    n_made: int = 0


class Race(RuleBasedStateMachine):
    """Three devices, three rows, any order of hearing, offering, recording, settling and giving up."""

    def __init__(self) -> None:
        super().__init__()
        self.box = Mailbox("life", n_max=12)
        self.tills = {name: Till(name) for name in ("t1", "t2", "t3")}
        self.saw: dict[str, set[str]] = {}  # accepted request -> what its device knew of
        self.keys: dict[str, tuple[str, ...]] = {}
        self.owner: dict[str, str] = {}
        self.recorded: set[str] = set()
        self.over: set[str] = set()

    tills_ = strategies.sampled_from(("t1", "t2", "t3"))
    keys_ = strategies.lists(
        strategies.sampled_from("abc"), min_size=1, max_size=2, unique=True
    )

    def _hear(self, till: Till) -> None:
        whole_at = 0
        while True:
            changes = self.box.since(till.seen, limit=2, whole_at=whole_at)
            whole_at = changes.whole_at
            if changes.is_whole:
                till.known.clear()
            self._fold(till, changes.entries)
            till.seen = changes.to
            if not changes.is_more:
                return

    def _fold(self, till: Till, entries: tuple[Entry, ...]) -> None:
        for one in entries:
            till.known[one.op] = one.state

    @rule(name=tills_)
    def hear(self, name: str) -> None:
        self._hear(self.tills[name])

    @rule(name=tills_, keys=keys_, is_patient=strategies.booleans())
    def ask(self, name: str, keys: list[str], is_patient: bool) -> None:
        till = self.tills[name]
        till.n_made += 1
        item = asked(f"{name}-{till.n_made}", tuple(keys))
        answer = self.box.offer(name, [item], seen=till.seen, now_ms=0)
        while answer.status == "behind" and is_patient:
            self._fold(till, answer.ahead)
            answer = self.box.offer(name, [item], seen=answer.seen, now_ms=0)
        if answer.status == "accepted":
            self.saw[item.op] = set(till.known)
            self.keys[item.op], self.owner[item.op] = item.keys, name

    @rule(name=tills_, keys=keys_)
    def record(self, name: str, keys: list[str]) -> None:
        till = self.tills[name]
        till.n_made += 1
        item = happened(f"{name}-{till.n_made}", tuple(keys))
        if not self.box.tell(name, [item], now_ms=0).is_full:
            self.keys[item.op], self.owner[item.op] = item.keys, name
            self.recorded.add(item.op)

    @rule(data=strategies.data())
    def move(self, data: strategies.DataObject) -> None:
        ops = sorted(self.keys.keys() - self.over)
        if not ops:
            return
        op = data.draw(strategies.sampled_from(ops))
        state = data.draw(strategies.sampled_from(("recorded", "settled", "withdrawn")))
        self.box.tell(self.owner[op], [Item(op, state)], now_ms=0)  # type: ignore[arg-type]  # drawn from the three
        if state != "recorded":
            self.over.add(op)

    @invariant()
    def no_request_got_a_place_unaware_of_one_before_it(self) -> None:
        places = {one.op: one for one in self.box.since(0, limit=1_000).entries}
        for op, saw in self.saw.items():
            if op not in places:
                continue
            unaware = [
                other
                for other, entry in places.items()
                if entry.n < places[op].n
                and entry.state != "withdrawn"
                and entry.device != places[op].device
                and set(self.keys[other]) & set(self.keys[op])
                and other not in saw
            ]
            assert not unaware

    @invariant()
    def nothing_open_is_ever_forgotten(self) -> None:
        there = {one.op for one in self.box.since(0, limit=1_000).entries}
        assert (self.saw.keys() | self.recorded) - self.over <= there

    @invariant()
    def whoever_hears_all_knows_all_that_is_open(self) -> None:
        for one in self.tills.values():
            till = Till(one.name, one.seen, dict(one.known))
            self._hear(till)
            open_ones = {
                one.op: one.state
                for one in self.box.since(0, limit=1_000).entries
                if one.state in ("offered", "recorded")
            }
            assert open_ones.items() <= till.known.items()


TestRace = Race.TestCase
TestRace.settings = hypothesis.settings(max_examples=200, stateful_step_count=25, deadline=None)
