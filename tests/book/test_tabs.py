"""The framework tabs in a browser: they switch, stay in step, and remember."""

import pytest

CHAPTER = "notebooks/1_foundations/1_recommender_in_ten_minutes.html"
OTHER = "book/your_own_data.html"


def shown(page):
    """Return the set of frameworks whose label is selected, over all tab sets of the page."""
    labels = page.locator(".sd-tab-set > input:checked + label[data-sync-group=framework]")
    return {label.get_attribute("data-sync-id") for label in labels.all()}


@pytest.fixture
def chapter(page, base):
    page.goto(f"{base}/{CHAPTER}")
    assert page.locator(".framework-tabs").count() >= 2
    return page


def test_click_switches_every_set_and_page(chapter, base):
    assert shown(chapter) == {"pytorch"}
    chapter.locator("label[data-sync-id=tensorflow]").last.click()
    assert shown(chapter) == {"tensorflow"}
    panels = chapter.locator(".framework-tabs > .sd-tab-content")
    assert [panel.is_visible() for panel in panels.all()] == [False, True] * (panels.count() // 2)
    chapter.goto(f"{base}/{OTHER}")
    assert shown(chapter) == {"tensorflow"}


def test_keyboard_switches(chapter):
    chapter.locator(".framework-tabs > input").first.focus()
    chapter.keyboard.press("ArrowRight")
    assert shown(chapter) == {"tensorflow"}
    chapter.keyboard.press("ArrowLeft")
    assert shown(chapter) == {"pytorch"}


def test_address_selects(page, base):
    page.goto(f"{base}/{CHAPTER}?framework=tensorflow")
    assert shown(page) == {"tensorflow"}


def test_print_shows_both(chapter):
    chapter.emulate_media(media="print")
    assert all(panel.is_visible() for panel in chapter.locator(".framework-tabs > .sd-tab-content").all())
