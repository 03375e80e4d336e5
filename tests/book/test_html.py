"""The built files themselves: links, anchors, pictures, hosts. No browser needed."""

import re
from pathlib import Path
from urllib.parse import unquote, urldefrag, urlsplit

import pytest
from bs4 import BeautifulSoup

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def soups(html):
    """Return path -> parsed page."""
    pages = [path for path in html.rglob("*.html") if not path.is_relative_to(html / "_static")]
    return {path: BeautifulSoup(path.read_text(encoding="utf-8"), "html.parser") for path in pages}


def test_internal_links_and_anchors_resolve(soups):
    anchors = {
        path: {tag.get("id") or tag.get("name") for tag in soup.find_all(True)}
        for path, soup in soups.items()
    }
    broken = []
    for path, soup in soups.items():
        for tag in soup.find_all(["a", "img", "link", "script"]):
            address, fragment = urldefrag(tag.get("href") or tag.get("src") or "")
            if urlsplit(address).scheme or address.startswith("//"):
                continue
            target = (path.parent / unquote(urlsplit(address).path)).resolve() if address else path
            if not target.is_file() or (
                fragment and unquote(fragment) not in anchors.get(target, {fragment})
            ):
                broken.append((path.name, f"{address}#{fragment}"))
    assert not broken


def test_nothing_is_loaded_from_another_host(soups):
    loads = [tag.get("src") or tag.get("href") for soup in soups.values()
             for tag in soup.find_all(["img", "script", "link", "iframe"])]  # fmt: skip
    assert loads
    assert not [address for address in loads if address and re.match(r"(\w+:)?//", address)]


def test_every_picture_has_meaningful_alternative_text(soups):
    pictures = [(path.name, picture.get("alt")) for path, soup in soups.items()
                for picture in soup.select("article img")]  # fmt: skip
    assert pictures
    assert not [
        p for p in pictures if not p[1] or len(p[1]) < 15 or re.search(r"\.(png|svg|jpe?g)\b|/", p[1])
    ]


def test_no_page_shows_a_machine_path(soups):
    assert not [path.name for path, soup in soups.items() if str(ROOT) in soup.get_text()]


def test_api_reference_has_every_module():
    package = ROOT / "llmrec_ref"
    found = [path.relative_to(package).with_suffix("").parts for path in package.rglob("*.py")]
    # folders whose rooms are entered by one door
    whole = {"exercises": "check"} | {
        room: room for room in ("datasets", "splits", "text", "metrics", "baselines")
    }
    modules = {whole.get(parts[0], ".".join(parts)) for parts in found if not parts[-1].startswith("__")}
    pages = [path.read_text(encoding="utf-8") for path in sorted((ROOT / "book" / "api").glob("*.md"))]
    named = [re.findall(r"automodule:: llmrec_ref\.([\w.]+)", page) for page in pages]
    assert sorted(sum(named, [])) == sorted(modules)
    assert set(re.findall(r"`llmrec_ref\.([\w.]+)`", (ROOT / "book" / "api.md").read_text())) == modules
