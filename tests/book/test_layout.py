"""What a reader sees: code that fits, chapters with their numbers, a search that finds, a page on paper."""

import re
from pathlib import Path

import pytest
from docutils import nodes

from book._ext.chapters import reading_minutes
from book._ext.tables import mark_words

FOUNDATIONS = "notebooks/1_foundations"
ITEMS = "notebooks/2_item_tokens"
CHAPTERS = {
    f"{folder}/{path.stem}.html": f"{part}.{path.stem[0]}"
    for part, folder in (("I", FOUNDATIONS), ("II", ITEMS))
    for path in sorted(Path(__file__).resolve().parents[2].glob(f"{folder}/*.ipynb"))
}
OVERFLOWING = """() => {
  document.querySelectorAll("details").forEach(e => e.open = true);
  document.querySelectorAll(".sd-tab-content").forEach(e => e.style.display = "block");
  const code = [...document.querySelectorAll("article pre")].filter(e => e.checkVisibility());
  const over = code.filter(e => e.scrollWidth > e.clientWidth).map(e => e.innerText);
  return [code.length, over];
}"""


@pytest.mark.parametrize("name", [*CHAPTERS, "book/your_own_data.html", "book/contribute.html"])
def test_code_fits_its_column(page, addresses, name):
    """No block of code needs scrolling in a window of 1,400 pixels with a scroll bar of 15."""
    page.set_viewport_size({"width": 1385, "height": 900})
    page.goto(f"{addresses['file']}/{name}")
    blocks, over = page.evaluate(OVERFLOWING)
    assert blocks
    assert not over


@pytest.mark.parametrize("name", CHAPTERS)
def test_a_chapter_shows_its_number(page, addresses, name):
    page.goto(f"{addresses['file']}/{name}")
    assert page.locator("article h1").inner_text().startswith(f"{CHAPTERS[name]} ")
    assert page.title().startswith(f"{CHAPTERS[name]} ")
    current = page.locator("nav.bd-links .current.active > a.current").last
    assert current.inner_text().startswith(f"{CHAPTERS[name]} ")
    assert "chapter" not in current.get_attribute("href")  # the number is in no address


@pytest.mark.parametrize("name", CHAPTERS)
def test_a_chapter_says_how_long_it_takes(page, addresses, name):
    """At most 40 minutes to read, and 3 to run."""
    page.goto(f"{addresses['file']}/{name}")
    line = page.locator("article h1 + .chapter-time").inner_text()
    minutes, seconds = map(int, re.findall(r"\d+", line))
    assert 15 <= minutes <= 40
    assert 10 <= seconds <= 180


def test_reading_counts_prose_and_open_code():
    """What is folded, the other framework's code, formulas and exercises are not read."""
    word, line = "word " * 200, "\n".join(["x = 1"] * 20)

    def section(title, *parts):
        return nodes.section("", nodes.title("", title), *parts)

    def code(*classes):
        return nodes.container("", nodes.literal_block("", line), classes=list(classes))

    read = [nodes.paragraph("", word), code("cell", "tag_pytorch"), nodes.math_block("", word)]
    unread = [code("cell", "tag_tensorflow"), code("cell", "tag_hide-input"), nodes.raw("", word)]
    page = section("", *read, *unread, section("Exercises", nodes.paragraph("", word), code()))
    assert reading_minutes(page) == pytest.approx(2, abs=0.01)


@pytest.mark.parametrize(
    ("words", "first"),
    [
        ("own data", "book/your_own_data.html"),
        ("GPU", "book/how_to_run.html#"),
        ("logQ", f"{ITEMS}/3_loss.html"),
    ],
)
def test_search_finds_its_page_first(page, base, words, first):
    page.goto(f"{base}/search.html?q={words}")
    link = page.locator("#search-results li a").first
    link.wait_for()
    assert first in link.get_attribute("href")


def test_a_chapter_on_paper(page, addresses):
    """Both frameworks are there and named, and nothing is wider than the paper."""
    page.set_viewport_size({"width": 720, "height": 1000})  # A4 between its margins
    page.emulate_media(media="print")
    page.goto(f"{addresses['file']}/{FOUNDATIONS}/1_recommender_in_ten_minutes.html")
    for part in ("label", "content"):
        parts = page.locator(f".framework-tabs > .sd-tab-{part}")
        assert parts.count() >= 4
        assert all(found.is_visible() for found in parts.all())
    assert {label.inner_text() for label in page.locator(".framework-tabs > label").all()} == {
        "PyTorch", "TensorFlow"
    }  # fmt: skip
    assert not page.evaluate(OVERFLOWING)[1]
    assert len(re.findall(rb"/Type\s*/Page\b", page.pdf(format="A4"))) > 5


def test_names_of_tests_are_folded(page, addresses):
    page.goto(f"{addresses['file']}/{FOUNDATIONS}/2_cross_entropy.html")
    names = page.locator(".equation-tag details p").first
    assert not names.is_visible()
    page.locator(".equation-tag summary").first.click()
    assert names.is_visible() and "::test_" in names.inner_text()


def test_links_into_the_old_api_page_lead_on(page, base):
    for name, target in {
        "llmrec_ref.metrics.ndcg": "measure",
        "module-llmrec_ref.pytorch.train": "pytorch",
    }.items():
        page.goto(f"{base}/book/api.html#{name}")
        page.wait_for_url(f"**/book/api/{target}.html#{name}")
        assert page.locator(f"[id='{name}']").count() == 1


def test_heavy_scripts_are_where_they_are_used(html):
    def scripts(name):
        return re.findall(r'<script[^>]* src="[^"]*/([\w.-]+\.js)', (html / name).read_text(encoding="utf-8"))

    assert "tex-chtml-full.js" in scripts(f"{FOUNDATIONS}/2_cross_entropy.html")
    for name in ("book/index.html", "book/how_to_run.html", "search.html"):
        assert "tex-chtml-full.js" not in scripts(name)
        assert "fontawesome.js" not in scripts(name) and "doctools.js" in scripts(name)


def test_every_icon_is_drawn(page, addresses, html):
    """The style names each icon that a page uses."""
    used = set()
    for path in html.rglob("*.html"):
        if not path.is_relative_to(html / "_static"):
            used |= set(re.findall(r'class="[^"]*fa-solid (fa-[a-z-]+)', path.read_text(encoding="utf-8")))
    style = (html / "_static" / "custom.css").read_text(encoding="utf-8")
    assert used and not [icon for icon in used if f".{icon} {{" not in style]
    page.goto(f"{addresses['file']}/book/index.html")
    icon = page.locator(".theme-switch:visible")
    assert icon.evaluate("e => getComputedStyle(e, '::before').content").startswith('"')
    assert icon.bounding_box()["width"] > 10


def test_words_and_figures_of_a_data_frame():
    rows = [("Heat", "0.31", "[0.1, 0.2]", ""), ("1984", "-1e-05", "2.0 [1, 3]", "12 %")]
    body = "".join(
        f"<tr><th>{i}</th>{''.join(f'<td>{cell}</td>' for cell in row)}</tr>" for i, row in enumerate(rows)
    )
    head = "<tr><th></th><th>title</th><th>loss</th><th>interval</th><th>share</th></tr>"
    marked = mark_words(f'<table class="dataframe"><thead>{head}</thead><tbody>{body}</tbody></table>')
    assert re.findall(r'class="words">([^<]*)', marked) == [
        "title",
        "interval",
        "Heat",
        "[0.1, 0.2]",
        "1984",
        "2.0 [1, 3]",
    ]
