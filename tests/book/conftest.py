"""A headless browser for the built book: the system's Chromium, or Playwright's own."""

import functools
import http.server
import os
import shutil
import threading
from pathlib import Path

import pytest

HTML = Path(__file__).resolve().parents[2] / "_build" / "html"
ARGUMENTS = [
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
]  # fmt: skip


@pytest.fixture(scope="session")
def html():
    """Return the folder of the built pages."""
    if not (HTML / "book" / "index.html").is_file():
        pytest.fail("the book is not built: run `make book` first")
    return HTML


def no_browser():
    """Skip, or fail where tests must not be skipped."""
    stop = pytest.fail if os.environ.get("CI") else pytest.skip
    stop("no Chromium for the book's tests: install chromium, or run `playwright install chromium`")


# Scope: Playwright keeps an event loop running, which other tests of a session must not meet.
@pytest.fixture(scope="module")
def browser():
    """Start a browser for one module."""
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        no_browser()
    with sync_playwright() as playwright:
        found = filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome")))
        path = next(found, playwright.chromium.executable_path)
        if not Path(path).is_file():
            no_browser()
        running = playwright.chromium.launch(executable_path=path, args=ARGUMENTS)
        yield running
        running.close()


class QuietHandler(http.server.SimpleHTTPRequestHandler):
    """Serves files without a line for each."""

    def log_message(self, *_):
        """Say nothing."""


@pytest.fixture(scope="session")
def addresses(html):
    """Serve the book; return its root as a file and over http."""
    handler = functools.partial(QuietHandler, directory=html)
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield {"file": html.as_uri(), "http": f"http://127.0.0.1:{server.server_port}"}
        server.shutdown()


@pytest.fixture(params=["file", "http"])
def base(request, addresses):
    """Run a test twice: from the disk and over http."""
    return addresses[request.param]


@pytest.fixture
def page(browser, addresses):
    """Return a page; afterwards, fail if it asked another host, missed a file or wrote an error."""
    context = browser.new_context(viewport={"width": 1400, "height": 900}, color_scheme="light")
    opened = context.new_page()
    trouble = []
    own = (*addresses.values(), "data:", "blob:")
    opened.on("request", lambda request: request.url.startswith(own) or trouble.append(request.url))
    opened.on(
        "response", lambda answer: answer.status < 400 or trouble.append(f"{answer.status} {answer.url}")
    )
    opened.on("pageerror", lambda error: trouble.append(str(error)))
    opened.on("console", lambda line: line.type == "error" and trouble.append(line.text))
    yield opened
    context.close()
    assert not trouble
