"""Run notebooks and save their outputs in place: ``python tests/notebooks/execute.py NOTEBOOK ...``.

Saved are the outputs that a reader should see and nothing about the machine: no progress bars or other
stderr, no widget state, no name or version of the kernel. A notebook that ends in an error is left as it was.
Two notebooks run at a time, with one thread each, as the tests run them.
"""

import os
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import nbformat
from nbclient import NotebookClient
from nbval.plugin import coalesce_streams

# The number of threads decides the order of summation, and so what a model learns. Kernels inherit these.
ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS"), "1")
AT_A_TIME = 2
METADATA = {
    "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
    "language_info": {"name": "python", "pygments_lexer": "ipython3"},
}


def run(notebook, path: Path, **options) -> float:
    """Run a notebook in the folder of ``path``, and return the seconds it took."""
    start = time.perf_counter()
    NotebookClient(
        notebook,
        timeout=600,
        kernel_name="python3",
        record_timing=False,
        resources={"metadata": {"path": path.parent}},
        **options,
    ).execute()
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.outputs = [
                output for output in coalesce_streams(cell.outputs) if output.get("name") != "stderr"
            ]
    return time.perf_counter() - start


def execute(path: Path) -> None:
    """Run the notebook at ``path`` and save it there."""
    notebook = nbformat.read(path, as_version=4)
    seconds = run(notebook, path)
    notebook.metadata.update(METADATA)
    notebook.metadata.pop("widgets", None)
    nbformat.write(notebook, path)
    print(f"{path}: {seconds:.0f} s", flush=True)


if __name__ == "__main__":
    os.environ.update(ONE_THREAD)
    with ThreadPoolExecutor(AT_A_TIME) as pool:
        list(pool.map(execute, map(Path, sys.argv[1:])))
