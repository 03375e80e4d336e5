"""Synced tabs from neighbouring notebook cells tagged ``pytorch`` and ``tensorflow``.

In Jupyter and Colab such cells are plain neighbours. In the HTML a run of them becomes a sphinx-design
tab set. Neighbouring cells of one framework share a tab; a framework that comes again starts a new set.
sphinx-design keeps all sets in step, remembers the choice, and reads ``?framework=tensorflow``.
"""

from itertools import groupby

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.transforms import SphinxTransform
from sphinx.util import logging
from sphinx_design.shared import create_component

logger = logging.getLogger(__name__)
FRAMEWORKS = {"pytorch": "PyTorch", "tensorflow": "TensorFlow"}


def framework_of(node: nodes.Node) -> str | None:
    """Return ``"pytorch"`` or ``"tensorflow"`` for a code cell with that tag, else None."""
    if not isinstance(node, nodes.container) or node.get("nb_element") != "cell_code":
        return None
    return next((name for name in FRAMEWORKS if f"tag_{name}" in node["classes"]), None)


def tab_sets(siblings: list[nodes.Node]) -> list[dict[str, list[nodes.Node]]]:
    """Group neighbouring framework cells: one dict a tab set, framework -> its cells."""
    sets: list[dict[str, list[nodes.Node]]] = []
    for tagged, run in groupby(siblings, key=lambda node: framework_of(node) is not None):
        if tagged:
            sets.append({})
            for framework, cells in groupby(run, key=framework_of):
                if framework in sets[-1]:
                    sets.append({})
                sets[-1][framework] = list(cells)
    return sets


def tab_item(framework: str, cells: list[nodes.Node]) -> nodes.container:
    """Return sphinx-design's tab item that holds ``cells``."""
    name = FRAMEWORKS[framework]
    label = nodes.rubric(name, name, classes=["sd-tab-label"], sync_id=framework, sync_group="framework")
    content = create_component("tab-content", classes=["sd-tab-content"], children=cells)
    return create_component("tab-item", classes=["sd-tab-item"], children=[label, content])


class FrameworkTabs(SphinxTransform):
    """Wrap each run of framework cells into a tab set."""

    default_priority = 198

    def apply(self) -> None:
        """Rewrite the document in place; warn about a framework without its counterpart."""
        parents = {cell.parent for cell in self.document.findall(nodes.container) if framework_of(cell)}
        for parent in parents:
            for frameworks in tab_sets(parent.children):
                first = next(iter(frameworks.values()))[0]
                if len(frameworks) == 1:
                    logger.warning("a %s cell has no neighbour in the other framework",
                                   next(iter(frameworks)), location=first)  # fmt: skip
                    continue
                position = parent.index(first)
                for cells in frameworks.values():
                    for cell in cells:
                        parent.remove(cell)
                items = [tab_item(name, cells) for name, cells in frameworks.items()]
                tabs = create_component("tab-set", classes=["sd-tab-set", "framework-tabs"], children=items)
                tabs.source, tabs.line = first.source, first.line
                parent.insert(position, tabs)


def setup(app: Sphinx) -> dict[str, bool]:
    """Register the transform."""
    app.add_transform(FrameworkTabs)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
