"""How the outputs of a notebook are compared with those it was saved with: rules added to nbval.

The conftest of the repository loads this, so ``pytest --nbval notebooks`` follows it:

- Text is compared exactly, integers too, but for the blanks that align columns: several count as one, and
  those beside a decimal number do not count.
- A number with a decimal point or an exponent may differ by 1 in its last printed digit (of the two numbers
  compared, the one printed finer says which digit that is). Text, and so compared exactly, are digits within
  a word (``1.5s``, ``2.13.0``, ``II.5``), in quotes (``"2.13"``), and after a word that numbers something
  (``Figure 2.1``, ``equation 1.2``, ``torch 2.13``; all in `NUMBERED`).
- A cell tagged ``tolerance:0.012`` shows what a trained model reached: its decimal numbers may differ by
  0.012. Its metadata name the record that says so, ``"tolerance-from": "spread"`` for spread.json beside this
  file, which ``make spread`` writes. With the tag ``same-sign`` besides, no number may change its sign, for
  the text argues from it; 0 has either sign.
- A cell tagged ``overlap:0.5`` prints what a trained model names, one a line: as many lines as are stored, of
  whose distinct entries at least this share, never below 0.5, stays. With the tag ``header:2`` besides, the
  first two lines are a header, which has to stay as it is.
- A tag with ``:`` or ``=`` that is none of these is an error, for it would be ignored in silence.
- A cell tagged ``nbval-ignore-output`` (it prints times or facts about the machine) or ``nbval-skip`` is run
  without comparison or not run. Its metadata say why: ``"nbval-reason": "times"``.
- Of a picture only its presence counts. What goes to stderr (progress bars) is not compared.
- Cells run with history kept, as in Jupyter: a trailing ``;`` hides a cell's value.

It leans on the internals of nbval 0.11.0, so nbval is pinned exactly.
"""

import re
from copy import deepcopy
from decimal import Decimal
from fractions import Fraction
from functools import partial

from nbval.kernel import RunningKernel
from nbval.plugin import IPyNbCell

NUMBERED = (
    "figure fig. table equation eq. chapter section exercise part version python numpy torch pandas scipy"
)
DECIMAL = re.compile(
    " ?"
    + "".join(rf"(?<!\b{re.escape(word)} )" for word in NUMBERED.split())
    + r"(?<![\w.\"'])(?<!==)([-+]?(?:\d*\.\d+|\d+(?=e))(?:e[-+]?\d+)?)(?!\w|\.\d|[\"']) ?",
    re.IGNORECASE,
)
TAG = re.compile(r"[^:=]+|tolerance:\d*\.?\d+|overlap:\d*\.?\d+|header:\d+")
IMAGES = ("image/png", "image/svg+xml", "image/jpeg")


def parts(text: str) -> list[str]:
    """Split a text into words and decimal numbers, in turns."""
    return DECIMAL.split(re.sub("[ \t]+", " ", text))


def same(stored: str, computed: str, tolerance: Decimal = Decimal(0), same_sign: bool = False) -> bool:
    """Whether two texts agree: decimal numbers to 1 in the last printed digit, or to ``tolerance``."""
    stored_parts, computed_parts = parts(stored), parts(computed)
    if stored_parts[::2] != computed_parts[::2]:
        return False
    pairs = list(zip(map(Decimal, stored_parts[1::2]), map(Decimal, computed_parts[1::2]), strict=True))
    if same_sign and any(a * b < 0 for a, b in pairs):
        return False
    return all(abs(a - b) <= max(tolerance, min(last_digit(a), last_digit(b))) for a, b in pairs)


def last_digit(number: Decimal) -> Decimal:
    """What 1 in the last printed digit is worth: 0.001 for 0.195."""
    return Decimal((0, (1,), number.as_tuple().exponent))


def common(stored: str, computed: str, header: int = 0) -> Fraction:
    """Return the share of distinct entries, one a line below the header, that two lists share."""
    entries, others = (set(text.splitlines()[header:]) for text in (stored, computed))
    return (
        Fraction(len(entries & others), max(len(entries), len(others))) if entries | others else Fraction(1)
    )


def overlap(stored: str, computed: str, share: Decimal, header: int = 0) -> bool:
    """Whether two lists have one header and one length, and at least ``share`` of their entries in common."""
    lines, others = stored.splitlines(), computed.splitlines()
    alike = lines[:header] == others[:header] and len(lines) == len(others)
    return alike and common(stored, computed, header) >= Fraction(share)


def tag_value(cell, name: str) -> Decimal | None:
    """For ``"tolerance"``, return 0.012 if a cell is tagged ``tolerance:0.012``, None without such a tag."""
    prefix = f"{name}:"
    found = [tag.removeprefix(prefix) for tag in cell.metadata.get("tags", []) if tag.startswith(prefix)]
    return Decimal(found[0]) if found else None


def header(cell) -> int:
    """Return how many lines of a list are its header: 1 if its cell is tagged ``header:1``."""
    return int(tag_value(cell, "header") or 0)


def tag_errors(cell) -> list[str]:
    """Return a sentence for each tag that looks like a rule and is none."""
    return [
        f"{tag!r} is no tag: write tolerance:0.012, overlap:0.5 or header:1."
        for tag in cell.metadata.get("tags", [])
        if not TAG.fullmatch(tag)
    ]


class Text(str):
    """A stored text that is equal to whatever ``accepts(stored, computed)`` says it is."""

    def __new__(cls, value, accepts):
        text = super().__new__(cls, value)
        text.accepts = accepts
        return text

    def __ne__(self, other):
        return not self.accepts(self, other)


def comparable(outputs: list, accepts) -> list:
    """Return a copy of a cell's outputs that nbval's own comparison reads by the rules above."""
    kept = [deepcopy(output) for output in outputs if output.get("name") != "stderr"]
    for output in kept:
        if "text" in output:
            output.text = Text(output.text, accepts)
        for mime, value in output.get("data", {}).items():
            if mime in IMAGES:
                output.data[mime] = "a picture"
            elif isinstance(value, str):
                output.data[mime] = Text(value, accepts)
    return kept


def compare_outputs(item, computed, stored, nbval=IPyNbCell.compare_outputs):
    """Compare as nbval does, but pictures by their presence and text by `same` or `overlap`."""
    if errors := tag_errors(item.cell):
        item.comparison_traceback += errors
        return False
    share, tolerance = tag_value(item.cell, "overlap"), tag_value(item.cell, "tolerance") or Decimal(0)
    if share:
        accepts = partial(overlap, share=share, header=header(item.cell))
    else:
        accepts = partial(
            same, tolerance=tolerance, same_sign="same-sign" in item.cell.metadata.get("tags", [])
        )
    skipped = set(item.parent.skip_compare) - set(IMAGES)
    return nbval(item, comparable(computed, accepts), comparable(stored, accepts), skipped)


def execute_cell_input(kernel, source, allow_stdin=None):
    """Run a cell as nbval does, but keep history."""
    return kernel.kc.execute(source, store_history=True, allow_stdin=allow_stdin, stop_on_error=False)


IPyNbCell.compare_outputs = compare_outputs
RunningKernel.execute_cell_input = execute_cell_input
