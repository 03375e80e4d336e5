"""Every page in a browser: mathematics, light and dark, wide and narrow, accessibility."""

from pathlib import Path

import pytest
import yaml
from axe_playwright_python.sync_playwright import Axe

TOC = yaml.safe_load((Path(__file__).resolve().parents[2] / "_toc.yml").read_text(encoding="utf-8"))
CHAPTERS = [chapter for part in TOC["parts"] for chapter in part["chapters"]]
PAGES = [
    TOC["root"],
    *(page["file"] for chapter in CHAPTERS for page in (chapter, *chapter.get("sections", []))),
]
# Axe spends most of its time on colours and on the words of code. One text of each colour, size and ground is
# enough: mark the one with the fewest elements inside. One word of each class (the scheme decides its colour)
# is enough of the code: the others become plain text.
ONE_EACH = '; axe.configure({rules: [{id: "color-contrast", selector: "[data-colour]"}]})'
AXE = Axe(Axe().axe_script + ONE_EACH)
ALL = ["wcag2a", "wcag2aa"]
# What of these may differ where it is dark or narrow.
LOOKS = ["color-contrast", "link-in-text-block", "scrollable-region-focusable"]
MARK_COLOURS = """() => {
  const found = new Map(), clear = "rgba(0, 0, 0, 0)";
  const ground = e => {
    const own = getComputedStyle(e).backgroundColor;
    return own === clear && e.parentElement ? ground(e.parentElement) : own;
  };
  const says = e => [...e.childNodes].some(n => n.nodeType === Node.TEXT_NODE && n.data.trim());
  for (const e of document.body.querySelectorAll("*")) {
    if (!says(e) || !e.checkVisibility() || e.closest("mjx-assistive-mml")) continue;
    const { color, fontWeight, fontSize, opacity } = getComputedStyle(e);
    const kind = [color, fontWeight, fontSize, opacity, ground(e)].join();
    const size = e.querySelectorAll("*").length;
    if (!found.has(kind) || size < found.get(kind)[1]) found.set(kind, [e, size]);
  }
  document.querySelectorAll("[data-colour]").forEach(e => delete e.dataset.colour);
  for (const [e] of found.values()) e.dataset.colour = "";
  const classes = new Set();
  const more = word => classes.has(word.className) || !word.checkVisibility() || !classes.add(word.className);
  const words = [...document.querySelectorAll(".highlight pre span, .sig span, code span")].filter(more);
  for (const word of words) if (!("colour" in word.dataset)) word.replaceWith(...word.childNodes);
  return found.size;
}"""
BACKGROUND = "getComputedStyle(document.body).backgroundColor"


def open_page(page, url):
    """Open a page and wait until its mathematics is set."""
    page.goto(url)
    page.evaluate("window.MathJax?.startup.promise.then(() => null)")


def check(page, rules):
    """All formulas are set, the page does not scroll sideways, and axe finds nothing serious."""
    assert page.locator(".math mjx-container").count() >= page.locator(".math").count()
    assert (
        page.locator("mjx-merror, mjx-container [style*='color: red']").count() == 0
    )  # red: unknown command
    assert "$$" not in page.locator("article").inner_text()
    assert page.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0
    assert page.evaluate(MARK_COLOURS) > 5
    options = {"runOnly": rules, "resultTypes": ["violations"], "preload": False}
    found = AXE.run(page, options=options).response["violations"]
    grave = [(v["id"], v["nodes"][0]["html"]) for v in found if v["impact"] in ("serious", "critical")]
    assert not grave


@pytest.mark.parametrize("name", PAGES)
def test_page(page, addresses, name):
    """A page is sound light and wide, and then dark and narrow; from the disk, where browsers allow least."""
    open_page(page, f"{addresses['file']}/{name}.html")
    light = page.evaluate(BACKGROUND)
    check(page, ALL)
    page.emulate_media(color_scheme="dark")
    page.set_viewport_size({"width": 390, "height": 844})
    page.wait_for_timeout(500)  # the theme lets the keyboard reach what now scrolls, a moment later
    assert page.evaluate(BACKGROUND) != light
    check(page, LOOKS)


def test_some_page_has_mathematics(page, base):
    open_page(page, f"{base}/notebooks/1_foundations/1_recommender_in_ten_minutes.html")
    assert page.locator("mjx-container").count() > 10
    assert page.locator("#equation-eq-next-item-loss .eqno").inner_text().startswith("(")


def test_search_finds_a_word(page, base):
    page.goto(f"{base}/search.html?q=leakage")
    page.locator("#search-results li a").first.wait_for()
    assert any(
        "glossary" in link.get_attribute("href") for link in page.locator("#search-results li a").all()
    )


def test_search_finds_nothing_that_is_not_there(page, base):
    page.goto(f"{base}/search.html?q=zzyzxqk")
    page.get_by_text("did not match any documents").wait_for()
    assert page.locator("#search-results li a").count() == 0
