"""How the outputs of a notebook are compared with those it was saved with: rules added to nbval.

The conftest of the repository loads this, so ``pytest --nbval notebooks`` follows it:

- Text is compared exactly, integers too, but for the blanks that align columns: several count as one, and
  those beside a decimal number do not count.
- A number with a decimal point or an exponent may differ by 1 in its last printed digit (of the two numbers
  compared, the one printed finer says which digit that is). Digits within a word (``1.5s``, ``2.13.0``) are
  text.
- A cell tagged ``tolerance:0.012`` shows trained metrics: its decimal numbers may differ by 0.012. That is at
  most three standard deviations of the recorded figures, one a seed, to which its metadata point:
  ``"tolerance-from": "ml100k:model=SASRec,framework=PyTorch,filter_seen=true/HR@10_seeds"``.
- A cell tagged ``overlap:0.5`` prints what a trained model names, one a line: as many lines as are stored, of
  which at least this share, never below 0.5, is among them.
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

DECIMAL = re.compile(r" ?(?<![\w.])([-+]?(?:\d*\.\d+|\d+(?=[eE]))(?:[eE][-+]?\d+)?)(?!\w|\.\d) ?")
IMAGES = ("image/png", "image/svg+xml", "image/jpeg")


def parts(text: str) -> list[str]:
    """Split a text into words and decimal numbers, in turns."""
    return DECIMAL.split(re.sub("[ \t]+", " ", text))


def same(stored: str, computed: str, tolerance: Decimal = Decimal(0)) -> bool:
    """Whether two texts agree: decimal numbers to 1 in the last printed digit, or to ``tolerance``."""
    stored_parts, computed_parts = parts(stored), parts(computed)
    if stored_parts[::2] != computed_parts[::2]:
        return False
    pairs = zip(map(Decimal, stored_parts[1::2]), map(Decimal, computed_parts[1::2]), strict=True)
    return all(abs(a - b) <= max(tolerance, min(last_digit(a), last_digit(b))) for a, b in pairs)


def last_digit(number: Decimal) -> Decimal:
    """What 1 in the last printed digit is worth: 0.001 for 0.195."""
    return Decimal((0, (1,), number.as_tuple().exponent))


def common(stored: str, computed: str) -> Fraction:
    """Return the share of a list's distinct entries, one a line, that another list has too."""
    stored_lines, computed_lines = set(stored.splitlines()), set(computed.splitlines())
    return Fraction(len(stored_lines & computed_lines), len(stored_lines) or 1)


def overlap(stored: str, computed: str, share: Decimal) -> bool:
    """Whether two lists are equally long and have at least ``share`` of their entries in common."""
    equally_long = len(stored.splitlines()) == len(computed.splitlines())
    return equally_long and common(stored, computed) >= Fraction(share)


def tag_value(cell, name: str) -> Decimal | None:
    """For ``"tolerance"``, return 0.012 if a cell is tagged ``tolerance:0.012``, None without such a tag."""
    prefix = f"{name}:"
    found = [tag.removeprefix(prefix) for tag in cell.metadata.get("tags", []) if tag.startswith(prefix)]
    return Decimal(found[0]) if found else None


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
    share, tolerance = tag_value(item.cell, "overlap"), tag_value(item.cell, "tolerance") or Decimal(0)
    accepts = partial(overlap, share=share) if share else partial(same, tolerance=tolerance)
    skipped = set(item.parent.skip_compare) - set(IMAGES)
    return nbval(item, comparable(computed, accepts), comparable(stored, accepts), skipped)


def execute_cell_input(kernel, source, allow_stdin=None):
    """Run a cell as nbval does, but keep history."""
    return kernel.kc.execute(source, store_history=True, allow_stdin=allow_stdin, stop_on_error=False)


IPyNbCell.compare_outputs = compare_outputs
RunningKernel.execute_cell_input = execute_cell_input
