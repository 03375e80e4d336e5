"""Every page in a browser: mathematics, light and dark, wide and narrow, accessibility."""

from pathlib import Path

import pytest
import yaml
from axe_playwright_python.sync_playwright import Axe

TOC = yaml.safe_load((Path(__file__).resolve().parents[2] / "_toc.yml").read_text(encoding="utf-8"))
PAGES = [TOC["root"], *(chapter["file"] for part in TOC["parts"] for chapter in part["chapters"])]
AXE = {"runOnly": ["wcag2a", "wcag2aa"], "resultTypes": ["violations"], "preload": False}
# Axe spends most of its time on the colours of each word of code. One word of each colour on each background
# is enough: the others become plain text.
MERGE_CODE = """() => {
  const seen = new Set(), clear = "rgba(0, 0, 0, 0)";
  const background = e => {
    const own = getComputedStyle(e).backgroundColor;
    return own === clear && e.parentElement ? background(e.parentElement) : own;
  };
  for (const word of document.querySelectorAll(".highlight pre span, .sig span, code span")) {
    const { color, fontWeight, fontSize } = getComputedStyle(word);
    const kind = [color, fontWeight, fontSize, background(word)].join();
    if (!word.checkVisibility() || seen.has(kind)) word.replaceWith(...word.childNodes);
    else seen.add(kind);
  }
}"""
BACKGROUND = "getComputedStyle(document.body).backgroundColor"


def open_page(page, url):
    """Open a page and wait until its mathematics is set."""
    page.goto(url)
    page.evaluate("window.MathJax?.startup.promise.then(() => null)")


def check(page):
    """All formulas are set, the page does not scroll sideways, and axe finds nothing serious."""
    assert page.locator(".math mjx-container").count() >= page.locator(".math").count()
    assert (
        page.locator("mjx-merror, mjx-container [style*='color: red']").count() == 0
    )  # red: unknown command
    assert "$$" not in page.locator("article").inner_text()
    assert page.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0
    page.evaluate(MERGE_CODE)
    found = Axe().run(page, options=AXE).response["violations"]
    grave = [(v["id"], v["nodes"][0]["html"]) for v in found if v["impact"] in ("serious", "critical")]
    assert not grave


@pytest.mark.parametrize("name", PAGES)
def test_page(page, addresses, name):
    """A page is sound over http, light and wide; and from the disk, dark and narrow."""
    open_page(page, f"{addresses['http']}/{name}.html")
    light = page.evaluate(BACKGROUND)
    check(page)
    page.emulate_media(color_scheme="dark")
    page.set_viewport_size({"width": 390, "height": 844})
    open_page(page, f"{addresses['file']}/{name}.html")
    assert page.evaluate(BACKGROUND) != light
    check(page)


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
