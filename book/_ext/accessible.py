"""Repairs of generated HTML that screen readers trip over and the theme offers no option for."""

from typing import Any

from docutils import nodes
from sphinx.application import Sphinx

REPAIRS = {
    'role="doc-biblioentry"': 'role="listitem"',  # withdrawn from the standard
    '<summary aria-label="Toggle hidden content">': "<summary>",  # hid the visible label
}


def repair(
    app: Sphinx, page: str, template: str, context: dict[str, Any], doctree: nodes.document | None
) -> None:
    """Apply ``REPAIRS`` to the body of a page (an ``html-page-context`` handler)."""
    for old, new in REPAIRS.items():
        context["body"] = context.get("body", "").replace(old, new)


def setup(app: Sphinx) -> dict[str, bool]:
    """Connect the handler."""
    app.connect("html-page-context", repair)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
