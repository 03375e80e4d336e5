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
- A cell tagged ``nbval-ignore-output`` (it prints times or facts about the machine) or ``nbval-skip`` is run
  without comparison or not run. Its metadata say why: ``"nbval-reason": "times"``.
- Of a picture only its presence counts. What goes to stderr (progress bars) is not compared.
- Cells run with history kept, as in Jupyter: a trailing ``;`` hides a cell's value.

It leans on the internals of nbval 0.11.0, so nbval is pinned exactly.
"""

import re
from copy import deepcopy
from decimal import Decimal

from nbval.kernel import RunningKernel
from nbval.plugin import IPyNbCell

DECIMAL = re.compile(r" ?(?<![\w.])([-+]?(?:\d+\.\d*|\.\d+|\d+(?=[eE]))(?:[eE][-+]?\d+)?)(?!\w|\.\d) ?")
TOLERANCE = "tolerance:"
IMAGES = ("image/png", "image/svg+xml", "image/jpeg")


def same(stored: str, computed: str, tolerance: Decimal = Decimal(0)) -> bool:
    """Whether two texts agree: decimal numbers to 1 in the last printed digit, or to a larger ``tolerance``."""
    stored_parts = DECIMAL.split(re.sub("[ \t]+", " ", stored))
    computed_parts = DECIMAL.split(re.sub("[ \t]+", " ", computed))
    if stored_parts[::2] != computed_parts[::2]:
        return False
    pairs = zip(map(Decimal, stored_parts[1::2]), map(Decimal, computed_parts[1::2]), strict=True)
    return all(abs(a - b) <= max(tolerance, min(last_digit(a), last_digit(b))) for a, b in pairs)


def last_digit(number: Decimal) -> Decimal:
    """What 1 in the last printed digit is worth: 0.001 for 0.195."""
    return Decimal((0, (1,), number.as_tuple().exponent))


def tolerance_of(tags: list[str]) -> Decimal:
    """The figure behind a cell's tag ``tolerance:``, 0 without one."""
    return next(
        (Decimal(tag.removeprefix(TOLERANCE)) for tag in tags if tag.startswith(TOLERANCE)), Decimal(0)
    )


class Text(str):
    """A text that is equal to those that `same` accepts."""

    tolerance = Decimal(0)

    def __ne__(self, other):
        return not same(self, other, self.tolerance)


def comparable(outputs: list, tolerance: Decimal) -> list:
    """Return a copy of a cell's outputs that nbval's own comparison reads by the rules above."""

    def text(value):
        wrapped = Text(value)
        wrapped.tolerance = tolerance
        return wrapped

    kept = [deepcopy(output) for output in outputs if output.get("name") != "stderr"]
    for output in kept:
        if "text" in output:
            output.text = text(output.text)
        for mime, value in output.get("data", {}).items():
            output.data[mime] = (
                "a picture" if mime in IMAGES else text(value) if isinstance(value, str) else value
            )
    return kept


def compare_outputs(cell, computed, stored, nbval=IPyNbCell.compare_outputs):
    """Compare as nbval does, pictures by their presence, text by `same`."""
    tolerance = tolerance_of(cell.cell.metadata.get("tags", []))
    skipped = set(cell.parent.skip_compare) - set(IMAGES)
    return nbval(cell, comparable(computed, tolerance), comparable(stored, tolerance), skipped)


def execute_cell_input(kernel, source, allow_stdin=None):
    """Run a cell as nbval does, but keep history."""
    return kernel.kc.execute(source, store_history=True, allow_stdin=allow_stdin, stop_on_error=False)


IPyNbCell.compare_outputs = compare_outputs
RunningKernel.execute_cell_input = execute_cell_input
