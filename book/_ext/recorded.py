"""Recorded results in prose and tables, read from ``book/results/<file>.json`` when the book is built.

In prose: ``{recorded}`ml100k:model=EASE/HR@10:.3f` ``, which is file, path and (optionally) a Python format.
A path descends by keys; a step with ``=`` picks the one row of ``rows`` that has these values.
As a table: the directive ``recorded-table``. A file, key or row that is not there is a warning, and
warnings fail the build: prose cannot disagree with a result.
"""

import json
import re
from pathlib import Path
from typing import Any

from docutils import nodes
from docutils.parsers.rst import directives
from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment
from sphinx.util import logging
from sphinx.util.docutils import SphinxDirective, SphinxRole

logger = logging.getLogger(__name__)


class RecordedError(ValueError):
    """A recorded result that is asked for but not there."""


def load(name: str, env: BuildEnvironment) -> dict[str, Any]:
    """Return ``book/results/<name>.json``; pages that used it are rebuilt when it changes."""
    path = Path(env.srcdir, "book", "results", f"{name}.json")
    env.note_dependency(path)
    if not path.is_file():
        raise RecordedError(f"no recorded result book/results/{name}.json")
    return json.loads(path.read_text(encoding="utf-8"))


def matches(row: dict[str, Any], conditions: str) -> bool:
    """Whether ``row`` has the values of ``"model=SASRec,filter_seen=true"``."""
    each = re.split(r",\s*(?=[^,=]+=)", conditions)  # a value may hold a comma
    wanted = dict(condition.strip().split("=", 1) for condition in each)
    return all(key in row and show(row[key]) == show(parsed(value)) for key, value in wanted.items())


def parsed(text: str) -> Any:
    """Read ``"true"``, ``"null"`` or ``"3"`` as JSON, and anything else as the text it is."""
    try:
        return json.loads(text)
    except json.JSONDecodeError:
        return text


def look_up(data: dict[str, Any], path: str) -> Any:
    """Descend by ``path``, as in ``"versions/torch"`` or ``"model=SASRec,framework=pytorch/HR@10"``."""
    value: Any = data
    for step in path.split("/"):
        if "=" in step:
            if not isinstance(value, dict) or "rows" not in value:
                raise RecordedError(f"no rows in '{path}'")
            rows = [row for row in value["rows"] if matches(row, step)]
            if len(rows) != 1:
                raise RecordedError(f"{len(rows)} rows match '{step}', not one")
            value = rows[0]
        elif isinstance(value, dict) and step in value:
            value = value[step]
        else:
            raise RecordedError(f"no key '{step}' in '{path}'")
    return value


def show(value: Any, spec: str = "") -> str:
    """Return a value as a reader sees it: ``spec`` formats numbers, None is a dash, booleans yes or no."""
    if value is None:
        return "–"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list):
        return ", ".join(map(str, value))
    return format(value, spec) if isinstance(value, int | float) else str(value)


def show_cell(row: dict[str, Any], column: str, spec: str) -> str:
    """Return one table cell, with ``[low, high]`` behind it where the row has an interval."""
    value = row.get(column)
    text = show(value, spec if isinstance(value, float) else "")
    low, high = row.get(f"{column}_low"), row.get(f"{column}_high")
    return text if low is None or high is None else f"{text} [{show(low, spec)}, {show(high, spec)}]"


class RecordedRole(SphinxRole):
    """One recorded value: ``{recorded}`file:path:format` ``."""

    def run(self) -> tuple[list[nodes.Node], list[nodes.system_message]]:
        """Return the formatted value as text."""
        name, _, rest = self.text.partition(":")
        path, _, spec = rest.partition(":")
        try:
            text = show(look_up(load(name, self.env), path), spec)
            return [nodes.Text(re.sub(r"^-(?=[\d.])", "−", text))], []  # a minus, not a hyphen
        except ValueError as error:
            logger.warning("recorded `%s`: %s", self.text, error, location=self.get_location())
            return [nodes.problematic(self.rawtext, self.rawtext)], []


class RecordedTable(SphinxDirective):
    """The rows of one recorded result, and where they come from.

    Options: ``columns`` (comma-separated, each ``key`` or ``key as Header``), ``where`` (keeps the rows that
    have these values, as ``filter_seen=true``), ``format`` (of floats, default ``.3f``) and ``name`` (for
    ``{numref}``).
    """

    required_arguments = 1
    option_spec = {
        "columns": directives.unchanged_required,
        "where": directives.unchanged,
        "format": directives.unchanged,
        "name": directives.unchanged,
    }

    def run(self) -> list[nodes.Node]:
        """Return the table and a line about its origin."""
        try:
            if "columns" not in self.options:
                raise RecordedError("the option 'columns' is needed")
            data = load(self.arguments[0], self.env)
            return [self.table(data), origin(data)]
        except (ValueError, KeyError) as error:
            logger.warning("recorded-table %s: %s", self.arguments[0], error, location=self.get_location())
            return []

    def table(self, data: dict[str, Any]) -> nodes.table:
        """Return the captioned table."""
        columns = [part.strip().partition(" as ") for part in self.options["columns"].split(",")]
        keys = [key for key, _, _ in columns]
        where, spec = self.options.get("where"), self.options.get("format", ".3f")
        rows = [row for row in data["rows"] if not where or matches(row, where)]
        missing = [key for key in keys if not any(key in row for row in rows)]
        if missing:
            raise RecordedError(f"no row has a column {', '.join(missing)}")
        group = nodes.tgroup("", *(nodes.colspec(colwidth=1) for _ in keys), cols=len(keys))
        figures = [is_figures(rows, key) for key in keys]
        group += nodes.thead("", table_row([header or key for key, _, header in columns], figures))
        body = (table_row([show_cell(row, key, spec) for key in keys], figures) for row in rows)
        group += nodes.tbody("", *body)
        table = nodes.table("", nodes.title("", data["title"]), group, classes=["recorded"])
        self.set_source_info(table)
        self.add_name(table)
        return table


def is_figures(rows: list[dict[str, Any]], key: str) -> bool:
    """Whether a column holds numbers and nothing else."""
    values = [row[key] for row in rows if row.get(key) is not None]
    return all(isinstance(value, int | float) and not isinstance(value, bool) for value in values)


def table_row(texts: list[str], figures: list[bool]) -> nodes.row:
    """Return a docutils table row; figures stand on the right."""
    entries = zip(texts, figures, strict=True)
    return nodes.row("", *(nodes.entry("", nodes.paragraph("", text), classes=["number"] * right)
                           for text, right in entries))  # fmt: skip


def origin(data: dict[str, Any]) -> nodes.paragraph:
    """Return the line that says when, where and how a result was recorded."""
    facts = (
        f" {data['date']} on {data['device']}, commit {data['commit'][:7]}; "
        f"seeds {show(data['seeds'])}; {data['protocol']}. Command: "
    )
    command = nodes.literal("", data["command"])
    children = [nodes.strong("", "Recorded"), nodes.Text(facts), command]
    return nodes.paragraph("", "", *children, classes=["recorded-origin"])


def setup(app: Sphinx) -> dict[str, bool]:
    """Register the role and the directive."""
    app.add_role("recorded", RecordedRole())
    app.add_directive("recorded-table", RecordedTable)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
