"""Whatever a browser or a program sends: an answer, no crash, nothing written that nobody may write."""

from collections.abc import Iterator
from urllib.parse import urlencode

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hardware.clock import FixedClock
from sync.central.centre import Centre
from sync.central.pages import browsers
from sync.model.ports import Request
from tests.support import pages
from tests.support.centre import open_centre
from tests.support.pages import START, Browser

STATUSES = {200, 303, 400, 403, 404, 405, 422, 429}


@pytest.fixture(scope="module")
def opened(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Centre, Browser]]:
    centre = open_centre(tmp_path_factory.mktemp("c") / "centre", clock=FixedClock(START))
    centre.put_rows((*pages.toms_rows(1), *pages.stores()))
    pages.add_agent(centre, "ana", "Ana")
    browser = Browser(centre.sites["agent"].answer)
    browser.sign_in()
    browser.find(phone="+447700900102")
    assert "Tom" in browser.page.text
    yield centre, browser
    centre.close()


texts = st.text(max_size=40)
paths = st.one_of(
    st.sampled_from(["", "/", "/find", "/sign-in", "/sign-out", "/at/", "/style.css"]),
    texts.map(lambda it: f"/{it}"),
    texts.map(lambda it: f"/at/{it}"),
)
headers = st.lists(
    st.tuples(
        st.sampled_from(["cookie", "origin", "content-type", "sec-fetch-site", "host", "content-length"]), texts
    ),
    max_size=4,
)  # fmt: skip


@settings(
    max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    method=st.sampled_from(["GET", "POST", "HEAD", "PUT", ""]), path=paths, more=headers,
    body=st.binary(max_size=60),
)  # fmt: skip
def test_anything_is_answered_and_nothing_is_done(
    opened: tuple[Centre, Browser],
    method: str,
    path: str,
    more: list[tuple[str, str]],
    body: bytes,
) -> None:
    centre, _ = opened
    before = centre.count("op"), centre.count("looked"), centre.count("sign_in")
    request = Request(method, f"http://centre.test/agent{path}", tuple(more), body)

    response = centre.sites["agent"].answer(request)

    assert response.status in STATUSES
    assert (centre.count("op"), centre.count("looked"), centre.count("sign_in")) == before


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    action=st.sampled_from(["note", "promise", "tell", "need", "try", "refer", "join", "apart"]),
    typed=st.dictionaries(
        st.sampled_from(["text", "case", "due", "topic", "value", "label", "settles", "fact", "store", "why", "other"]),
        st.one_of(st.text(max_size=300), st.sampled_from(["case-tom", "2026-02-01T10:00", "harbour", ""])),
    ),
)  # fmt: skip
def test_any_words_in_any_form_are_taken_or_asked_for_again(
    opened: tuple[Centre, Browser], action: str, typed: dict[str, str]
) -> None:
    centre, browser = opened
    browser.go(browser.path)
    op = next(it["op"] for path, it in browser.page.forms.items() if path.endswith("/note"))
    at = browser.path.removeprefix("/agent")
    key = browsers.form_key(browser.cookies["agent"], f"{at}/{action} {op}")
    kept = {name: text.encode("utf-8", "ignore").decode() for name, text in typed.items()}
    body = urlencode({**kept, "op": op, "key": key}).encode()
    kind = ("content-type", "application/x-www-form-urlencoded")

    response = browser.ask("POST", f"{browser.path}/{action}", body, kind)

    assert response.status in (303, 400, 422)
    assert centre.held() == []
    assert browser.go(browser.path).status == 200
