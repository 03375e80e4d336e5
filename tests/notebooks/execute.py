"""Run notebooks and save their outputs in place: ``python tests/notebooks/execute.py NOTEBOOK ...``.

Saved are the outputs that a reader should see and nothing about the machine: no progress bars or other
stderr, no widget state, no name or version of the kernel. A notebook that ends in an error is left as it was.
"""

import sys
import time
from pathlib import Path

import nbformat
from nbclient import NotebookClient
from nbval.plugin import coalesce_streams

METADATA = {
    "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
    "language_info": {"name": "python", "pygments_lexer": "ipython3"},
}


def execute(path: Path) -> None:
    """Run the notebook at ``path`` in its own folder and save it there."""
    notebook = nbformat.read(path, as_version=4)
    NotebookClient(
        notebook,
        timeout=600,
        kernel_name="python3",
        record_timing=False,
        resources={"metadata": {"path": path.parent}},
    ).execute()
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.outputs = [
                output for output in coalesce_streams(cell.outputs) if output.get("name") != "stderr"
            ]
    notebook.metadata.update(METADATA)
    notebook.metadata.pop("widgets", None)
    nbformat.write(notebook, path)


if __name__ == "__main__":
    for name in sys.argv[1:]:
        start = time.perf_counter()
        execute(Path(name))
        print(f"{name}: {time.perf_counter() - start:.0f} s")
