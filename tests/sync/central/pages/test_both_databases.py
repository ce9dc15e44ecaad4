"""The whole way of an agent over each database a centre can have."""

from hardware.clock import FixedClock
from sync.central import interests
from sync.central.centre import Centre
from sync.central.pages import agents, finding
from tests.support.pages import PASSWORD, TOM, Browser


def test_an_agent_finds_acts_takes_back_and_is_shut_out(
    centre: Centre, ana: Browser, leo: Browser, clock: FixedClock
) -> None:
    ana.find(name="becker tom", last_four="0102")
    leo.find(phone="+447700900102")
    ana.submit("/note", text="a note")
    ana.submit("/refer", text="come", store="station")
    assert "REFERRED to Station" in ana.page.text
    assert b"Ana (call centre) is on this now" in leo.ask("GET", f"{leo.path}/now").body
    clock.sleep_ms(1_000)
    ana.submit("/tell", value="yes")
    assert "MISSING" not in ana.page.text
    ana.submit("/undo")  # the newest
    assert "MISSING" in ana.page.text

    with centre._parts.store.reading() as snapshot:
        assert {it.agent for it in finding.looked_at(snapshot.sql, TOM)} == {"ana", "leo"}
        assert [it.name for it in agents.everybody(snapshot.sql)] == ["ana", "leo"]
        assert [it.scope for it in interests.of_owner(snapshot.sql, TOM)] == ["s:station"]
    centre._parts.write(lambda it: agents.set_state(it.direct(), "ana", agents.OFF, now=1))
    assert b'name="password"' in ana.go("/agent").body
    assert ana.sign_in("ana", PASSWORD).status == 403
    leo.cookies.clear()
    for _ in range(agents.WRONG_MAX):
        leo.sign_in("leo", "wrong")
    assert leo.sign_in("leo").status == 403
    clock.sleep_ms(agents.LOCKED_US // 1_000)
    assert leo.sign_in("leo").status == 200
