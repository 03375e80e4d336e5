"""Says of every numbered equation where it is checked, and lists them all in an appendix.

An HTML comment on a line of its own, after the equation and in the same cell, tags it:

    <!-- eq-name: definition -->
    <!-- eq-name: derivation -->        a code cell of the page has the comment line "# checks eq-name"
    <!-- eq-name: implemented llmrec_ref.metrics.ndcg tests/test_metrics.py::test_one_target -->

An ``implemented`` equation names one function, method or class of the API page or more, and one test or more
(words with ``::``). The comment becomes a line below its equation. The directive ``equation-index`` makes the
list. A missing or broken tag is a warning in every build until it is repaired, and warnings fail the build.
"""

import ast
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from docutils import nodes
from sphinx.addnodes import pending_xref
from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment
from sphinx.environment.collectors import EnvironmentCollector
from sphinx.transforms.post_transforms import SphinxPostTransform
from sphinx.util import logging
from sphinx.util.docutils import SphinxDirective

from book._ext.chapters import numbers_of

logger = logging.getLogger(__name__)
TAG = re.compile(r"<!--\s*(eq-[\w-]+):(.*?)-->", re.DOTALL)
CHECKS = re.compile(r"^\s*# checks (.+)$", re.MULTILINE)
KINDS = ("definition", "derivation", "implemented")


@dataclass
class Equation:
    """A numbered equation and what its tag says."""

    label: str
    line: int | None
    kind: str = ""
    code: list[str] = field(default_factory=list)
    tests: list[str] = field(default_factory=list)

    @property
    def check(self) -> str:
        """The id of the cell that checks a derivation."""
        return f"check-of-{self.label}"


@dataclass
class Page:
    """What a build must remember of a page."""

    equations: dict[str, Equation] = field(default_factory=dict)
    problems: list[tuple[int | None, str]] = field(default_factory=list)
    has_index: bool = False


class equation_index(nodes.General, nodes.Element):  # noqa: N801 - docutils' style
    """Stands where the table will be, until all pages are read."""


class EquationIndex(SphinxDirective):
    """The table of all numbered equations."""

    def run(self) -> list[nodes.Node]:
        """Return the place of the table."""
        return [equation_index()]


def pages_of(env: BuildEnvironment) -> dict[str, Page]:
    """Return the pages read so far, by name; they are stored with the environment."""
    if not hasattr(env, "equation_pages"):
        env.equation_pages = {}
    return env.equation_pages


class Collector(EnvironmentCollector):
    """Reads the tags of each page and puts the lines below its equations."""

    def clear_doc(self, app: Sphinx, env: BuildEnvironment, docname: str) -> None:
        """Forget a page that is about to be read again, or is gone."""
        pages_of(env).pop(docname, None)

    def merge_other(self, app: Sphinx, env: BuildEnvironment, docnames: set[str], other: Any) -> None:
        """Take over the pages that another process has read."""
        pages_of(env).update({name: page for name, page in pages_of(other).items() if name in docnames})

    def process_doc(self, app: Sphinx, doctree: nodes.document) -> None:
        """Read one page."""
        page = pages_of(app.env)[app.env.docname] = Page(has_index=any(doctree.findall(equation_index)))
        shown = {node["label"]: node for node in doctree.findall(nodes.math_block) if node.get("number")}
        page.equations = {label: Equation(label, node.line) for label, node in shown.items()}
        for comment in list(doctree.findall(nodes.raw)):
            found = TAG.fullmatch(comment.astext().strip())
            if found:
                comment.parent.remove(comment)
                read_tag(page, found[1], found[2].split(), comment.line)
        cells = checking_cells(doctree)
        for label, equation in page.equations.items():
            if not equation.kind:
                page.problems.append((equation.line, f"equation {label} has no tag"))
            elif equation.kind == "derivation" and label not in cells:
                page.problems.append((equation.line, f"no cell of this page has the line '# checks {label}'"))
            else:
                if equation.kind == "derivation":
                    cells[label]["ids"].append(equation.check)
                parent = shown[label].parent
                parent.insert(parent.index(shown[label]) + 1, line_below(equation))


def read_tag(page: Page, label: str, words: list[str], line: int | None) -> None:
    """Note on ``page`` what the tag of ``label`` says, or what is wrong with it."""
    kind, *names = words or [""]
    equation = page.equations.get(label)
    tests = [name for name in names if "::" in name]
    code = [name for name in names if "::" not in name]
    problem = None
    if equation is None:
        problem = f"a tag for {label}, which is no numbered equation of this page"
    elif equation.kind:
        problem = f"two tags for {label}"
    else:
        equation.kind, equation.code, equation.tests = kind, code, tests
        if kind not in KINDS:
            problem = f"{label}: '{kind}' is none of {', '.join(KINDS)}"
        elif kind == "implemented" and not (code and tests):
            problem = f"{label}: 'implemented' needs a function and a test"
    if problem:
        page.problems.append((line, problem))


def checking_cells(doctree: nodes.document) -> dict[str, nodes.container]:
    """Return the first code cell that says it checks an equation, by the equation's label."""
    cells: dict[str, nodes.container] = {}
    for cell in doctree.findall(nodes.container):
        if cell.get("nb_element") == "cell_code" and cell.children:
            for line in CHECKS.findall(cell.children[0].astext()):
                for label in re.findall(r"eq-[\w-]+", line):
                    cells.setdefault(label, cell)
    return cells


def line_below(equation: Equation) -> nodes.container:
    """Return the line that stands below an equation; the names of tests are folded."""
    line = nodes.paragraph()
    below = nodes.container("", line, classes=["equation-tag"])
    if equation.kind == "derivation":
        line += nodes.Text("Derivation, checked by ")
        line += nodes.reference("", "a cell of this page", internal=True, refid=equation.check)
    elif equation.kind == "implemented":
        line += [nodes.Text("In code: "), *separated(map(code_link, equation.code))]
        line += nodes.Text(" · ")
        below += folded(equation.tests)
    else:
        line += nodes.Text(equation.kind.capitalize())
    return below


def folded(tests: list[str]) -> list[nodes.Node]:
    """Return one word that opens the names of tests."""
    if not tests:
        return []
    word = "test" if len(tests) == 1 else f"{len(tests)} tests"
    opening = nodes.raw("", f"<details><summary>{word}</summary>", format="html")
    names = nodes.paragraph("", "", *separated(map(literal, tests)))
    return [opening, names, nodes.raw("", "</details>", format="html")]


def code_link(name: str) -> pending_xref:
    """Return a link to the entry of ``name`` on the API page."""
    return link("py", "obj", name, literal(name.removeprefix("llmrec_ref.")))


def literal(name: str) -> nodes.literal:
    """Return a name as code that may be broken between its parts: narrow pages, long names."""
    parts = re.findall(r".+?(?:::|[/._]|$)", name)
    breaks = [node for part in parts for node in (nodes.Text(part), nodes.raw("", "<wbr>", format="html"))]
    return nodes.literal("", "", *breaks[:-1])


def link(domain: str, role: str, target: str, content: nodes.Node | None = None) -> pending_xref:
    """Return a cross-reference; without ``content`` Sphinx fills in the number or title of its target."""
    return pending_xref(
        "", content or nodes.inline(), refdomain=domain, reftype=role, reftarget=target,
        refexplicit=content is not None, refwarn=True,
    )  # fmt: skip


def separated(items: Any) -> list[nodes.Node]:
    """Return the nodes with commas between them."""
    return [node for item in items for node in (nodes.Text(", "), item)][1:]


def report(app: Sphinx, env: BuildEnvironment) -> list[str]:
    """Warn about all pages, read again or not; return the pages with the index, to be written again."""
    objects = env.get_domain("py").objects
    known = {name for name, entry in objects.items() if entry.objtype in ("function", "method", "class")}
    for docname, page in pages_of(env).items():
        problems = list(page.problems)
        for equation in page.equations.values():
            about = [f"'{name}' is not on the API page" for name in equation.code if name not in known]
            about += [f"no test '{test}'" for test in equation.tests if not test_exists(env.srcdir, test)]
            problems += [(equation.line, f"{equation.label}: {text}") for text in about]
        for line, text in problems:
            logger.warning(text, location=(docname, line))
    return [docname for docname, page in pages_of(env).items() if page.has_index]


def test_exists(root: str | Path, test: str) -> bool:
    """Whether ``tests/test_file.py::test_name`` or ``...::TestClass::test_name[case]`` is there."""
    file, *names = test.partition("[")[0].split("::")
    path = Path(root, file)
    body = ast.parse(path.read_text(encoding="utf-8")).body if path.is_file() else []
    for name in names:
        found = [node for node in body if getattr(node, "name", None) == name]
        body = found[0].body if found else []
    return bool(body) and names[-1].startswith("test")


class FillIndex(SphinxPostTransform):
    """Puts the table in its place, before Sphinx resolves the cross-references in it."""

    default_priority = 5

    def run(self, **kwargs: Any) -> None:
        """Replace every place of a table."""
        for place in list(self.document.findall(equation_index)):
            place.replace_self(self.table())

    def table(self) -> nodes.table:
        """Return the table, in the order of the book."""
        titles = ["No.", "Equation", "In", "Kind, code and tests"]
        columns = [nodes.colspec(colwidth=1, stub=position == 0) for position in range(len(titles))]
        pages = pages_of(self.env)
        rows = [
            self.row(docname, equation)
            for docname in self.env.collect_relations()
            for equation in pages.get(docname, Page()).equations.values()
        ]
        head = nodes.thead("", nodes.row("", *(entry(nodes.Text(title)) for title in titles)))
        group = nodes.tgroup("", *columns, head, nodes.tbody("", *rows), cols=len(titles))
        return nodes.table("", group, classes=["equation-index"])

    def row(self, docname: str, equation: Equation) -> nodes.row:
        """Return what the table says of one equation."""
        kind = nodes.paragraph("", equation.kind)
        if equation.kind == "derivation":
            address = self.app.builder.get_relative_uri(self.env.docname, docname)
            cell = nodes.reference("", "a cell", internal=True, refuri=f"{address}#{equation.check}")
            kind += [nodes.Text(", checked by "), cell]
        if equation.code:
            kind += [nodes.Text(": "), *separated(map(code_link, equation.code))]
        number = numbers_of(self.env).get(docname)
        return nodes.row(
            "",
            entry(link("math", "eq", equation.label)),
            entry(nodes.Text(equation.label.removeprefix("eq-").replace("-", " "))),
            entry(link("std", "doc", f"/{docname}", number and nodes.inline("", number))),
            nodes.entry("", kind, *folded(equation.tests)),
        )


def entry(*children: nodes.Node) -> nodes.entry:
    """Return a table cell."""
    return nodes.entry("", nodes.paragraph("", "", *children))


def setup(app: Sphinx) -> dict[str, Any]:
    """Register the collector, the directive and the warnings."""
    app.add_node(equation_index)
    app.add_directive("equation-index", EquationIndex)
    app.add_env_collector(Collector)
    app.add_post_transform(FillIndex)
    app.connect("env-updated", report)
    return {"env_version": 2, "parallel_read_safe": True, "parallel_write_safe": True}
