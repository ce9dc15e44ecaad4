"""The agents' pages in a real browser, over the real server: by keys alone, without scripts, at two sizes, from nowhere else."""

import base64
import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from selenium import webdriver
from selenium.common.exceptions import WebDriverException
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.ui import WebDriverWait

from hardware.clock import SystemClock
from hardware.moments import micros_of
from tests.support import certificates, pages
from tests.support.centre import open_centre, running_centre
from tests.support.pages import PASSWORD
from tests.support.shop import LENA, lenas_rows

WAIT_S = 30
SIZES = ((360, 740), (1280, 800))

pytestmark = pytest.mark.timeout(300)


def filled(data: Path) -> Path:
    """A data folder with a centre, two agents and two customers."""
    centre = open_centre(data / "centre")
    now = micros_of(SystemClock().now())
    centre.put_rows(
        (*lenas_rows(), *pages.toms_rows(now), *pages.stores()), interest=[("harbour", LENA)]
    )
    pages.add_agent(centre, "ana", "Ana (call centre)")
    pages.add_agent(centre, "leo", "Leo (social team)", channel="x")
    centre.close()
    return data


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The agents' pages of a centre in a process of its own."""
    with running_centre(filled(tmp_path_factory.mktemp("data"))) as running:
        yield f"{running.url}/agent"


@pytest.fixture(scope="module")
def chrome(tmp_path_factory: pytest.TempPathFactory) -> Iterator[webdriver.Chrome]:
    """One headless Chromium, which asks nobody but this machine."""
    options = webdriver.ChromeOptions()
    options.binary_location = shutil.which("chromium") or "chromium"
    profile = tmp_path_factory.mktemp("profile")
    for argument in (
        "--headless=new", "--no-sandbox", "--disable-dev-shm-usage", "--no-first-run", "--hide-scrollbars",
        "--disable-background-networking", "--disable-component-update", "--disable-sync", "--disable-extensions",
        "--no-default-browser-check", "--force-color-profile=srgb", f"--user-data-dir={profile}",
        "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
    ):  # fmt: skip
        options.add_argument(argument)
    options.accept_insecure_certs = True  # the test's own, which no authority signed
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    service = webdriver.ChromeService(shutil.which("chromedriver"))
    driver = webdriver.Chrome(options=options, service=service)
    yield driver
    driver.quit()


@pytest.fixture
def browser(chrome: webdriver.Chrome, url: str) -> webdriver.Chrome:
    """Nobody signed in, no script of a page runs, by day, on a wide screen."""
    chrome.delete_all_cookies()
    chrome.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": True})
    look(chrome)
    size(chrome, *SIZES[1])
    logged(chrome, "performance")
    logged(chrome, "browser")
    chrome.get(url)
    return chrome


def size(chrome: webdriver.Chrome, width: int, height: int) -> None:
    screen = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 500}
    chrome.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", screen)


def look(chrome: webdriver.Chrome, *, scheme: str = "light", media: str = "screen") -> None:
    features = [{"name": "prefers-color-scheme", "value": scheme}]
    chrome.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": media, "features": features})


def run(chrome: webdriver.Chrome, script: str) -> Any:
    """What a script of ours says of the page, whose own may not run."""
    chrome.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": False})
    try:
        return chrome.execute_script(script)
    finally:
        chrome.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": True})


def logged(chrome: webdriver.Chrome, kind: str) -> list[dict[str, Any]]:
    """What the browser logged since it was asked last."""
    lines: list[dict[str, Any]] = chrome.get_log(kind)  # type: ignore[no-untyped-call]
    return lines


def until(chrome: webdriver.Chrome, words: str) -> None:
    """Wait for words on a page that is wholly there, also while it is just being replaced."""
    wait_for(chrome, lambda it: words in it.find_element(By.TAG_NAME, "body").text)
    wait_for(chrome, lambda it: run(it, "return document.readyState") == "complete")


def wait_for(chrome: webdriver.Chrome, is_so: Callable[[webdriver.Chrome], object]) -> None:
    """Wait until it is so; a page that goes away while it is asked is asked again."""
    WebDriverWait(chrome, WAIT_S, ignored_exceptions=(WebDriverException,)).until(is_so)


def type_in(chrome: webdriver.Chrome, *keys: str) -> None:
    """Press keys, wherever the focus is."""
    ActionChains(chrome).send_keys(*keys).perform()


def sign_in(chrome: webdriver.Chrome, name: str = "ana") -> None:
    type_in(chrome, name, Keys.TAB, PASSWORD, Keys.ENTER)
    until(chrome, "Find a customer")


def find_tom(chrome: webdriver.Chrome) -> None:
    chrome.find_element(By.ID, "phone").send_keys("+447700900102", Keys.ENTER)
    until(chrome, "Tom Bécker")


def test_an_agent_signs_in_finds_and_notes_by_keys_alone(browser: webdriver.Chrome) -> None:
    sign_in(browser)
    type_in(browser, Keys.TAB, "+44 7700 900102", Keys.ENTER)  # the order number has the focus
    until(browser, "PROMISED by Ana")
    _tab_to(browser, "note-text")
    type_in(
        browser, "He called by keys alone.", Keys.TAB, Keys.ARROW_DOWN, Keys.TAB, Keys.ENTER
    )
    until(browser, "You wrote a note: He called by keys alone.")

    thread = browser.find_element(By.CSS_SELECTOR, ".thread").text
    assert "He called by keys alone." in thread
    _tab_to(browser, text="Undo")
    type_in(browser, Keys.ENTER)
    wait_for(browser, lambda it: "Undo" not in it.page_source)
    assert "He called by keys alone." not in browser.page_source


@pytest.mark.parametrize(("width", "height"), SIZES)
def test_by_keys_alone_the_list_of_who_waits_leads_to_one_of_them(
    browser: webdriver.Chrome, width: int, height: int
) -> None:
    size(browser, width, height)
    sign_in(browser)
    _tab_to(browser, text="Who waits")
    type_in(browser, Keys.ENTER)
    until(browser, "The longest late first")
    page_width, small = _measured(browser)
    faint = run(browser, CONTRAST)
    _tab_to(browser, text="Tom Bécker")
    type_in(browser, Keys.ENTER)

    until(browser, "PROMISED by Ana")

    assert (page_width <= width, small, faint) == (True, [], [])


def test_what_was_typed_and_not_sent_survives_a_reload(browser: webdriver.Chrome) -> None:
    sign_in(browser)
    find_tom(browser)
    browser.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": False})
    browser.refresh()
    wait_for(browser, lambda it: it.execute_script("return document.readyState") == "complete")
    browser.find_element(By.ID, "note-text").send_keys("typed and not sent")

    browser.refresh()  # within the second: what is left goes with the page, and may come after its next
    wait_for(browser, _has_typed)

    assert not [it for it in logged(browser, "browser") if "favicon" not in it["message"]]
    browser.find_element(By.ID, "note-text").submit()
    wait_for(browser, lambda it: "You wrote a note: <q>typed and not sent" in it.page_source)
    browser.refresh()
    assert not _has_typed(browser)


def _has_typed(chrome: webdriver.Chrome) -> bool:
    """Whether the page, loaded once more, has what was typed."""
    chrome.refresh()
    said = chrome.find_element(By.ID, "note-text").get_attribute("value")
    return said == "typed and not sent"


def _tab_to(chrome: webdriver.Chrome, name: str = "", *, text: str = "") -> None:
    for _ in range(60):
        type_in(chrome, Keys.TAB)
        focused = chrome.switch_to.active_element
        if (name and focused.get_attribute("id") == name) or (text and focused.text == text):
            ring = focused.value_of_css_property("outline-style")
            assert ring != "none", "the focus cannot be seen"
            return
    raise AssertionError(f"no key leads to {name or text}")


def test_nothing_was_asked_of_anybody_else_and_nothing_was_refused(
    browser: webdriver.Chrome,
) -> None:
    sign_in(browser)
    find_tom(browser)
    asked = [
        json.loads(line["message"])["message"]["params"]["request"]["url"]
        for line in logged(browser, "performance")
        if '"Network.requestWillBeSent"' in line["message"]
    ]

    assert len(asked) > 5
    hosts = {
        urlsplit(one).hostname for one in asked if not one.startswith(("data:", "chrome:"))
    }
    assert hosts == {"127.0.0.1"}
    said = [line["message"] for line in logged(browser, "browser")]
    assert [line for line in said if "favicon" not in line] == []
    assert not any(word in one for one in asked for word in ("Tom", "7700", "0102", pages.TOM))


@pytest.mark.parametrize(("width", "height"), SIZES)
def test_nothing_is_wider_than_the_screen_and_all_can_be_touched(
    browser: webdriver.Chrome, width: int, height: int
) -> None:
    size(browser, width, height)
    sizes = [_measured(browser)]
    sign_in(browser)
    sizes.append(_measured(browser))
    find_tom(browser)
    for summary in browser.find_elements(By.TAG_NAME, "summary")[1:]:
        summary.click()
    sizes.append(_measured(browser))

    for page_width, small in sizes:
        assert page_width <= width
        assert small == []


def _measured(chrome: webdriver.Chrome) -> tuple[int, list[str]]:
    """How wide the page is, and what is too small to be pressed. Source: WCAG 2.2, 2.5.8: 24 by 24."""
    script = """
      const small = [...document.querySelectorAll('button, input:not([type=hidden]):not([type=radio]), select, textarea, summary')]
        .filter(one => one.getClientRects().length)
        .filter(one => { const r = one.getBoundingClientRect(); return r.height < 24 || r.width < 24; })
        .map(one => one.outerHTML.slice(0, 80));
      return [document.documentElement.scrollWidth, small];
    """
    width, small = run(chrome, script)
    return width, small


def test_every_field_has_a_label_and_every_frame_a_title(browser: webdriver.Chrome) -> None:
    script = """
      const bare = [...document.querySelectorAll('input:not([type=hidden]), select, textarea')]
        .filter(one => !one.labels.length).map(one => one.outerHTML);
      const frames = [...document.querySelectorAll('iframe')].filter(one => !one.title).length;
      const ids = [...document.querySelectorAll('[id]')].map(one => one.id);
      return [bare, frames, ids.length - new Set(ids).size, document.documentElement.lang, document.querySelectorAll('h1').length];
    """
    found = [run(browser, script)]
    sign_in(browser)
    found.append(run(browser, script))
    find_tom(browser)
    found.append(run(browser, script))

    assert found == [[[], 0, 0, "en", 1]] * 3


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_word_can_be_read_as_it_stands_on_the_screen(
    browser: webdriver.Chrome, scheme: str
) -> None:
    look(browser, scheme=scheme)
    sign_in(browser)
    find_tom(browser)
    browser.find_elements(By.TAG_NAME, "summary")[1].click()

    faint = run(browser, CONTRAST)

    assert faint == []
    assert run(browser, "return getComputedStyle(document.body).backgroundColor") != (
        "rgba(0, 0, 0, 0)"
    )


CONTRAST = """
  const rgb = text => text.match(/[0-9.]+/g).map(Number);
  const light = ([r, g, b]) => [r, g, b].map(v => v / 255)
    .map(v => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4)
    .reduce((sum, v, at) => sum + v * [0.2126, 0.7152, 0.0722][at], 0);
  const behind = one => {
    for (let it = one; it; it = it.parentElement) {
      const colour = rgb(getComputedStyle(it).backgroundColor);
      if (colour.length < 4 || colour[3] === 1) return colour;
    }
    return [255, 255, 255];
  };
  const faint = [];
  for (const one of document.querySelectorAll('body *')) {
    const words = [...one.childNodes].some(it => it.nodeType === 3 && it.textContent.trim());
    if (!words || !one.getClientRects().length) continue;
    const [a, b] = [light(rgb(getComputedStyle(one).color)), light(behind(one))].sort((x, y) => y - x);
    if ((a + 0.05) / (b + 0.05) < 4.5) faint.push(one.outerHTML.slice(0, 80));
  }
  return faint;
"""


def test_another_agent_sees_who_is_on_it_without_loading_the_page_again(
    browser: webdriver.Chrome, url: str
) -> None:
    sign_in(browser, "leo")
    find_tom(browser)
    frame = browser.find_element(By.CSS_SELECTOR, "iframe.now")
    browser.switch_to.frame(frame)
    other = pages.Browser(_send, base=url.removesuffix("/agent"))
    other.sign_in("ana")
    other.find(phone="+447700900102")

    until(browser, "Ana (call centre) is on this now in phone")

    browser.switch_to.default_content()
    assert (
        "Ana (call centre) is on this now" not in browser.find_element(By.TAG_NAME, "body").text
    )


def _send(request: Any) -> Any:
    import httpx

    from sync.model.ports import Response

    got = httpx.request(
        request.method, request.url, headers=list(request.headers), content=request.body, timeout=WAIT_S
    )  # fmt: skip
    return Response(got.status_code, tuple(got.headers.items()), got.content)


def test_on_paper_stands_the_card_alone(browser: webdriver.Chrome) -> None:
    sign_in(browser)
    find_tom(browser)
    look(browser, media="print")
    shown = "return [...document.querySelectorAll('{}')].filter(one => one.getClientRects().length).length"

    assert run(browser, shown.format(".card .line")) > 4
    for gone in ("form", "iframe", ".thread li", "header", ".reach"):
        assert run(browser, shown.format(gone)) == 0, gone
    paper = browser.execute_cdp_cmd("Page.printToPDF", {"paperWidth": 3.15, "paperHeight": 11})
    assert base64.b64decode(paper["data"]).startswith(b"%PDF")


def test_the_back_key_after_signing_out_shows_nobody(browser: webdriver.Chrome) -> None:
    sign_in(browser)
    find_tom(browser)
    browser.find_element(By.XPATH, "//button[text()='Sign out']").click()
    until(browser, "Password")

    browser.back()

    wait_for(browser, lambda it: it.find_elements(By.NAME, "password"))
    assert "Bécker" not in browser.page_source


def test_no_other_page_can_hold_it_in_a_frame(browser: webdriver.Chrome, url: str) -> None:
    trap = f"data:text/html,<iframe src='{url}'></iframe>"
    browser.get(trap)
    browser.switch_to.frame(0)

    assert browser.find_elements(By.NAME, "password") == []
    browser.switch_to.default_content()


def test_over_tls_the_cookie_is_kept_and_goes_nowhere_without(
    browser: webdriver.Chrome, tmp_path: Path
) -> None:
    certificate, _, _ = certificates.self_signed(tmp_path, "127.0.0.1")
    tls = ("--tls-cert", certificate, "--tls-key", tmp_path / "server.key")
    with running_centre(filled(tmp_path), *tls) as running:
        browser.get(f"{running.url}/agent")
        sign_in(browser)
        find_tom(browser)

        (cookie,) = (it for it in browser.get_cookies() if it["name"] == "__Host-agent")
        assert (cookie["secure"], cookie["httpOnly"], cookie["sameSite"]) == (
            True, True, "Strict",
        )  # fmt: skip
