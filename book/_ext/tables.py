"""Tells words from figures in tables, so that the style can put figures under their headings.

In a data frame that a cell shows, a column that is no figures gets the class ``words``.
"""

import re

from bs4 import BeautifulSoup
from docutils import nodes
from sphinx.application import Sphinx
from sphinx.transforms import SphinxTransform

FIGURE = re.compile(r"[-−+±]?[\d.,]+(e[-+]?\d+)?\s*(%|[\[(±].*)?|NaN|nan|None|–|-|", re.DOTALL)


def is_figure(text: str) -> bool:
    """Whether a cell holds a number, perhaps with an interval behind it, or nothing."""
    return FIGURE.fullmatch(text.strip()) is not None


def mark_words(html: str) -> str:
    """Return the HTML of a data frame with ``class="words"`` on every cell of the columns of words."""
    soup = BeautifulSoup(html, "html.parser")
    for table in soup.select("table.dataframe"):
        body = [row.find_all("td") for row in table.select("tbody tr")]
        heads = [row.find_all("th") for row in table.select("thead tr")]
        width = min((len(row) for row in body), default=0)
        for back in range(1, width + 1):  # from the right: on the left, headings of rows may span several
            column = [row[-back] for row in body]
            if not all(is_figure(cell.get_text()) for cell in column):
                column += [head[-back] for head in heads if len(head) > width]
                for cell in column:
                    cell["class"] = [*cell.get("class", []), "words"]
    return str(soup)


class MarkWords(SphinxTransform):
    """Marks the data frames of a page."""

    default_priority = 199

    def apply(self) -> None:
        """Rewrite the HTML of outputs in place."""
        for node in self.document.findall(nodes.raw):
            if 'class="dataframe"' in node.astext():
                marked = mark_words(node.astext())
                node.rawsource, node.children = marked, []
                node += nodes.Text(marked)


def setup(app: Sphinx) -> dict[str, bool]:
    """Register the transform."""
    app.add_transform(MarkWords)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
