"""Numbers the chapters as pages cite them (I.1, II.5), and adds words to the search's index.

A part of ``_toc.yml`` whose caption begins with a Roman numeral and a dot numbers its chapters. The number
becomes the beginning of the title, and so of every list and link that shows the title; notebooks stay as they
are. A line below the title of a notebook says how long it takes to read and to run. ``index_words`` in
``_config.yml`` (page -> words) makes the search put a page first for a word that its title lacks.
"""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml
from docutils import nodes
from sphinx import addnodes
from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment
from sphinx.transforms import SphinxTransform
from sphinx.util import logging

logger = logging.getLogger(__name__)
PART = re.compile(r"([IVX]+)\. ")
WORDS_A_MINUTE, LINES_A_MINUTE = 200, 20  # of prose, and of code that stands open
# not read: what is folded, set-up, and the other framework's twin
FOLDED = {f"tag_{tag}" for tag in ("hide-input", "hide-output", "hide-cell", "colab", "tensorflow")} | {
    "dropdown"
}
UNREAD = nodes.math | nodes.math_block | nodes.comment | nodes.raw


def chapter_numbers(toc: dict[str, Any]) -> dict[str, str]:
    """Return page -> number, as ``{"notebooks/1_foundations/1_...": "I.1"}``, from what ``_toc.yml`` says."""
    return {
        chapter["file"]: f"{found[1]}.{position}"
        for part in toc.get("parts", [])
        if (found := PART.match(part.get("caption", "")))
        for position, chapter in enumerate(part["chapters"], 1)
    }


def numbers_of(env: BuildEnvironment) -> dict[str, str]:
    """Return the numbers of the book that is built; none if it has no ``_toc.yml``."""
    path = Path(env.srcdir, "_toc.yml")
    return chapter_numbers(yaml.safe_load(path.read_text(encoding="utf-8"))) if path.is_file() else {}


class NumberTitle(SphinxTransform):
    """Puts the number before the title of a chapter, and the words of ``index_words`` beside it."""

    default_priority = 200  # ids are made by then, from the title alone: links to a title stay

    def apply(self) -> None:
        """Change the first title of the page."""
        title = next(self.document.findall(nodes.title), None)
        if title is None:
            return
        number = numbers_of(self.env).get(self.env.docname)
        if number:
            title.insert(0, nodes.Text(f"{number} "))
        words = self.config.index_words.get(self.env.docname, [])
        if words:
            section = title.parent
            entries = [("single", word, section["ids"][0], "main", None) for word in words]
            section.insert(section.index(title) + 1, addnodes.index(entries=entries))


class TimeLine(SphinxTransform):
    """Puts the time to read and to run a notebook below its title, where times.json knows it."""

    default_priority = 201

    def apply(self) -> None:
        """Add one paragraph."""
        path = Path(self.env.srcdir, "book", "results", "times.json")
        title = next(self.document.findall(nodes.title), None)
        if title is None or not path.is_file():
            return
        self.env.note_dependency(path)
        name = Path(self.env.docname).name
        for row in json.loads(path.read_text(encoding="utf-8"))["rows"]:
            if row["notebook"] == name:
                text = (
                    f"About {reading_minutes(title.parent):.0f} minutes to read, without the exercises; "
                    f"about {max(10, round(row['seconds'], -1)):.0f} seconds to run on a laptop."
                )
                line = nodes.paragraph("", text, classes=["chapter-time"])
                title.parent.insert(title.parent.index(title) + 1, line)


def reading_minutes(section: nodes.section) -> float:
    """Return how long a chapter takes to read: its prose, and the code that stands open."""
    words = lines = 0
    for part in section.findall(nodes.Text):
        above = list(ancestors(part))
        classes = {name for node in above for name in node.get("classes", [])}
        sections = [node.next_node(nodes.title).astext() for node in above if isinstance(node, nodes.section)]
        if classes & FOLDED or "Exercises" in sections:
            continue
        if any(isinstance(node, nodes.literal_block) for node in above):
            lines += len(part.splitlines())
        elif not any(isinstance(node, UNREAD) for node in above):
            words += len(part.split())
    return words / WORDS_A_MINUTE + lines / LINES_A_MINUTE


def ancestors(node: nodes.Node) -> Iterator[nodes.Element]:
    """Yield the elements that a node stands in, from the inside out."""
    while (node := node.parent) is not None:
        yield node


def check_words(app: Sphinx, env: BuildEnvironment) -> None:
    """Warn about words for a page that is not there."""
    for name in set(app.config.index_words) - env.found_docs:
        logger.warning("index_words names the page %s, which is not there", name)


def setup(app: Sphinx) -> dict[str, bool]:
    """Register the transform and its setting."""
    app.add_config_value("index_words", {}, "env")
    app.add_transform(NumberTitle)
    app.add_transform(TimeLine)
    app.connect("env-check-consistency", check_words)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
