"""Browser helpers."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import (
    Browser,
    BrowserContext,
    ConsoleMessage,
    Locator,
    Page,
    WebError,
    expect,
)

from tests.databases import PASSWORD

_PATIENCE = 20_000  # milliseconds, for a machine under load
expect.set_options(timeout=_PATIENCE)
_axe = Axe()
_seen: set[str] = set()  # the looks of text for which axe has found no violation
# Without preloading, which the CSP blocks. Does not list passed rules, because that is slow. The
# rows of a long table share a template, and so do the schemas of the API and the folded services:
# looks at the first five, and at those with an example, staged changes or the focus. It takes the
# others out of the page meanwhile, since axe also reads what it excludes. Contrast, the slowest
# rule, is checked once for each look of text: color, size, weight, and the backgrounds behind it.
# Text that axe may skip or cannot decide on, or that may be above other elements, always is.
_RUN_AXE = """async ([runOnly, seen]) => {
    const alike = [
        "tbody > tr:nth-child(n+6)",
        "section:nth-child(n+6 of [aria-labelledby^=shape-])",
        "details:nth-child(n+6 of .service:not([open]))",
    ];
    const others = document.querySelectorAll(
        `:is(${alike}):not(:has([data-staged], :focus, pre))`,
    );
    const places = [...others].map(() => document.createComment(""));
    others.forEach((other, number) => other.replaceWith(places[number]));

    const known = new Set(seen);
    const looks = new Map();
    const backgrounds = new Map([[null, matchMedia("(prefers-color-scheme: dark)").matches]]);
    for (const element of document.querySelectorAll("html, body, body *")) {  // parents come first
        const style = getComputedStyle(element);
        const own = `/${style.backgroundColor} ${style.backgroundImage} ${style.opacity}`;
        const floats = /absolute|fixed|sticky/.test(style.position) ? "floats" : "";
        const behind = backgrounds.get(element.parentElement)
            + floats + (own === "/rgba(0, 0, 0, 0) none 1" ? "" : own);
        backgrounds.set(element, behind);
        const look = `${style.color} ${style.fontSize} ${style.fontWeight}${behind}`;
        const isVisible =
            element.checkVisibility({ opacityProperty: true, visibilityProperty: true });
        const texts = [...element.childNodes].filter((it) => it.nodeType === 3);
        const isPlain = isVisible && texts.some((it) => /\\w\\w/.test(it.data))
            && !behind.includes("floats")
            && !element.closest("svg, option, :disabled, [aria-disabled]")
            && !element.closest("label")?.control?.disabled;
        if (isPlain) looks.set(element, look);
        const isText = isVisible && (texts.some((it) => /\\S/.test(it.data))
            || element.matches("input, select, textarea"));
        element.toggleAttribute("data-unseen", isText && !(isPlain && known.has(look)));
    }
    axe.configure({ rules: [{ id: "color-contrast", selector: "[data-unseen]" }] });
    const resultTypes = ["violations", "incomplete"];
    const options = { preload: false, elementRef: true, resultTypes };
    const found = await axe.run(document, runOnly ? { ...options, runOnly } : options);
    others.forEach((other, number) => places[number].replaceWith(other));
    const undecided = found.incomplete.filter(({ id }) => id === "color-contrast");
    undecided.flatMap(({ nodes }) => nodes).forEach(({ element }) => looks.delete(element));
    return [
        found.violations.flatMap(({ id, nodes }) => nodes.map(({ html }) => [id, html])),
        [...looks.values()],
    ];
}"""


@contextmanager
def new_page(browser: Browser, url: str) -> Iterator[Page]:
    """Opens a page with separate cookies. Script errors and CSP violations fail the test."""
    with new_context(browser, url) as context, page_in(context, url) as page:
        yield page


@contextmanager
def new_context(browser: Browser, url: str) -> Iterator[BrowserContext]:
    """Opens a browser context, which takes about a second of CPU time."""
    context = browser.new_context(base_url=url)
    context.set_default_timeout(_PATIENCE)
    yield context
    context.close()


@contextmanager
def page_in(context: BrowserContext, url: str) -> Iterator[Page]:
    """Opens a page, and afterwards closes all pages of the context and removes what `url` stored.

    Script errors and CSP violations fail the test.
    """
    page = context.new_page()
    complaints: list[str] = []

    def note(message: ConsoleMessage) -> None:
        # Tests expect failed requests.
        if message.type == "error" and not message.text.startswith("Failed to load resource"):
            complaints.append(message.text)

    def note_error(error: WebError) -> None:
        complaints.append(str(error.error))

    context.on("console", note)
    context.on("weberror", note_error)
    yield page
    context.remove_listener("console", note)
    context.remove_listener("weberror", note_error)
    context.set_offline(False)
    context.clear_permissions()
    context.clear_cookies()
    stored = {"origin": url, "storageTypes": "local_storage"}
    context.new_cdp_session(page).send("Storage.clearDataForOrigin", stored)
    for opened in context.pages:
        opened.close()
    assert complaints == []


def sign_in(page: Page, name: str = "admin") -> None:
    """Sign in with the user name and the password of the test users."""
    page.goto("/accounts/login/")
    page.locator("input[name=login]").fill(name)
    page.locator("input[name=password]").fill(PASSWORD)
    page.get_by_role("button", name="Sign in", exact=True).click()
    page.get_by_role("button", name="Sign out").wait_for()


def follow(page: Page, link: Locator) -> None:
    """Clicks a link or button and waits for the next page."""
    with page.expect_navigation():
        link.click()


def accessibility_violations(page: Page, *rules: str) -> list[str]:
    """Returns axe's violations for the current page, of all rules or only of these."""
    if not page.evaluate("'axe' in window"):
        page.evaluate(_axe.axe_script)
    found, looks = page.evaluate(_RUN_AXE, [rules or None, list(_seen)])
    if not found and (not rules or "color-contrast" in rules):
        _seen.update(looks)
    return [f"{page.url} {rule}: {html}" for rule, html in found]


def overflows(page: Page) -> bool:
    """Whether the page scrolls horizontally."""
    return bool(
        page.evaluate("document.documentElement.scrollWidth > document.documentElement.clientWidth")
    )


def wrong_with(page: Page) -> list[str]:
    """Return what is wrong with the page for axe, at each width, in the dark and in print."""
    found: list[str] = []
    page.wait_for_load_state()
    page.emulate_media(color_scheme="light", reduced_motion="reduce")
    found += accessibility_violations(page)
    page.emulate_media(color_scheme="dark")  # only the colors differ
    found += [
        f"dark: {violation}" for violation in accessibility_violations(page, "color-contrast")
    ]
    for width in (320, 1920):
        page.set_viewport_size({"width": width, "height": 800})
        if overflows(page):
            found.append(f"{page.url} scrolls sideways at {width} px")
    page.set_viewport_size({"width": 1280, "height": 800})
    page.emulate_media(media="print")
    found += [f"{page.url} prints: {control}" for control in page.evaluate(_PRINTED_CONTROLS)]
    page.emulate_media(media="screen")
    return found


_PRINTED_CONTROLS = """[...document.querySelectorAll("main#content, .topbar")]
    .flatMap((part) => [...part.querySelectorAll("nav, button:not(.cell), input, textarea")])
    .filter((control) => control.checkVisibility())
    .map((control) => `${control.tagName} ${control.textContent.trim().slice(0, 40)}`)"""
