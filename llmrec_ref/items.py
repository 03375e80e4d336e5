"""What an item table is made of, in either framework: checked before any of it is built (NumPy)."""

import numbers

import numpy as np

TABLES = ("id", "text", "both")


def check_tables(items, features, id_dropout, n_items):
    """Refuse an item table that cannot be built; return its further settings.

    Args:
        items: ``"id"``, ``"text"`` or ``"both"``.
        features: Z_I, float32 (n_items + 1, F), row 0 (padding) zeros; or F alone, where the rows will be
            set with the weights, as a run folder's are; None with ``"id"``.
        id_dropout: How often an item's id row is left out of a training step, in [0, 1); above 0 only with
            ``"both"``.
        n_items: Size of the catalogue.

    Returns:
        dict for a model's ``config``: empty for ``"id"``, else ``items``, ``features`` (the width F) and, for
        ``"both"``, ``id_dropout``.

    Raises:
        ValueError: Any of these is not so.
    """
    if items not in TABLES:
        raise ValueError(f"items={items!r}: choose one of {', '.join(TABLES)}.")
    if not (isinstance(id_dropout, numbers.Real) and 0 <= id_dropout < 1):
        raise ValueError(f"id_dropout={id_dropout!r} must be at least 0 and below 1.")
    if id_dropout and items != "both":
        raise ValueError(
            f'id_dropout={id_dropout} needs items="both", an id row beside the text, not {items!r}.'
        )
    if (features is None) != (items == "id"):
        need = "takes no features" if items == "id" else "needs features=Z_I, float32 (n_items + 1, F)"
        raise ValueError(f'items="{items}" {need}: see features.encode.')
    if items == "id":
        return {}
    width = features if isinstance(features, numbers.Integral) else check_features(features, n_items).shape[1]
    if width < 1:
        raise ValueError(f"features={width}: Z_I needs at least one column.")
    more = {"id_dropout": id_dropout} if items == "both" else {}
    return dict(items=items, features=int(width)) | more


def check_features(features, n_items):
    """Return Z_I, or raise ValueError unless it is finite float32 (n_items + 1, F) with row 0 zeros."""
    dtype, shape = getattr(features, "dtype", "no dtype"), np.shape(features)
    if not isinstance(features, np.ndarray) or dtype != np.float32:
        raise ValueError(
            f"features must be a NumPy array of float32, not {type(features).__name__} of {dtype}: "
            "convert it with np.asarray(features, dtype=np.float32)."
        )
    if len(shape) != 2 or shape[0] != n_items + 1:
        raise ValueError(
            f"features have the shape {shape}, but {n_items:,} items need ({n_items + 1}, F): a row for each "
            "of split.item_ids, padding first."
        )
    broken = np.flatnonzero(~np.isfinite(features).all(axis=1))
    if len(broken):
        raise ValueError(f"features hold NaN or infinity, first in row {broken[0]}: encode that item again.")
    if features[0].any():
        raise ValueError("features must be 0 in row 0, which stands for padding: encode with padding=True.")
    return features
