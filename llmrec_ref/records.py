"""Results that were recorded, for notebooks that show them.

They lie in ``book/results`` of the repository that the package is installed from, so a notebook finds them
from any working directory. The pages' style of figures is found the same way:
``plt.style.use("llmrec_ref.book")``.
"""

import json
from pathlib import Path

FOLDER = Path(__file__).resolve().parents[1] / "book" / "results"


def read(name):
    """Return what ``book/results/<name>.json`` holds.

    Raises:
        FileNotFoundError: There is no such record, or the package was installed without its repository.
    """
    path = FOLDER / f"{name}.json"
    if not path.is_file():
        raise FileNotFoundError(
            f"no record '{name}': records lie in book/results of the repository, which the package must be "
            "installed from with `pip install --editable`"
        )
    return json.loads(path.read_text(encoding="utf-8"))


def origin(record):
    """Return one line that says when, on what and by which command a record was made."""
    return f"recorded {record['date']}, {record['device']}: {record['command']}"
