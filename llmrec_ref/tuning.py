"""Which weights are trained, in either framework: by their names (NumPy)."""

import numbers


def chosen(names, parts):
    """Tell which weights belong to some parts of a model.

    Args:
        names: List of str, the weights' names, such as ``"bert.blocks.5.norm1.bias"``.
        parts: List of str, each a run of whole words of a name: ``"blocks.5"``, ``"norm1"``, ``"head"``.

    Returns:
        List of bool, one a name.

    Raises:
        TypeError: ``parts`` is one string.
        ValueError: A part is in no name.
    """
    if isinstance(parts, str):
        raise TypeError(f"give a list of parts, [{parts!r}], not one string.")
    parts = list(parts)
    for part in parts:
        if not any(_holds(name, part) for name in names):
            raise ValueError(
                f"The model has no part {part!r}: its weights are named like {_examples(names)}."
            )
    return [any(_holds(name, part) for part in parts) for name in names]


def check_rank(what, rank, widest):
    """Refuse a rank, or the width of an adapter, that is not a whole number from 1 to ``widest``.

    Raises:
        ValueError: It is none.
    """
    whole = isinstance(rank, numbers.Integral) and not isinstance(rank, bool)
    if not whole or not 1 <= rank <= widest:
        raise ValueError(f"{what}={rank!r}: it must be a whole number from 1 to {widest}, the layer's width.")


def _holds(name, part):
    return f".{part}." in f".{name}."


def _examples(names):
    """Name the parts that stand first in the names, and a whole name."""
    first = sorted({name.split(".")[0] for name in names})
    return f"{names[-1]!r}, and names begin with {', '.join(first)}"
