"""Takes MathJax (1.2 MB) off pages without mathematics.

Sphinx leaves it out by itself, except on a page whose table of contents leads to mathematics, such as the
landing page.
"""

from typing import Any

from docutils import nodes
from sphinx.application import Sphinx


def drop_mathjax(
    app: Sphinx, page: str, template: str, context: dict[str, Any], doctree: nodes.document | None
) -> None:
    """Leave the script out where the body has no mathematics (an ``html-page-context`` handler)."""
    if 'class="math' not in context.get("body", ""):
        scripts = context.get("script_files", [])
        context["script_files"] = [script for script in scripts if not is_mathjax(script)]


def is_mathjax(script: Any) -> bool:
    """Whether a script is MathJax or its settings."""
    return "mathjax" in f"{script.filename} {script.attributes.get('body', '')}".lower()


def setup(app: Sphinx) -> dict[str, bool]:
    """Connect the handler, after Sphinx's own."""
    app.connect("html-page-context", drop_mathjax, priority=900)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
