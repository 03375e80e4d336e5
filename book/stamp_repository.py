"""Write the repository's public address wherever the book needs it, or take it out again.

    python book/stamp_repository.py --url https://github.com/OWNER/NAME
    python book/stamp_repository.py --url ""

Sets ``_config.yml`` (address, Colab and edit buttons), ``repository-code`` in CITATION.cff, and the line
``REPOSITORY = ""`` in each notebook cell tagged ``colab``. Doing it twice changes nothing more.
"""

import argparse
import json
import re
from pathlib import Path

ADDRESS = re.compile(r"https://github\.com/[\w.-]+/[\w.-]*[\w-]")
COLAB = "https://colab.research.google.com"


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


def stamp_notebook(text: str, url: str) -> str:
    """Return a notebook's JSON with ``REPOSITORY`` set in the cells tagged ``colab``."""
    notebook = json.loads(text)
    for cell in notebook["cells"]:
        if "colab" in cell["metadata"].get("tags", []):
            source = re.sub(r'^REPOSITORY = ".*"', f'REPOSITORY = "{url}"', "".join(cell["source"]),
                            flags=re.MULTILINE)  # fmt: skip
            cell["source"] = source.splitlines(keepends=True)
    return json.dumps(notebook, indent=1, ensure_ascii=False) + "\n"


def stamp(root: Path, url: str) -> list[Path]:
    """Stamp ``url`` (``""`` = not known) into the repository at ``root``; return the files that changed.

    Raises:
        ValueError: The address is not one of a GitHub repository, or a file lacks the line to stamp.
            Nothing is written then.
    """
    url = url.removesuffix("/").removesuffix(".git")
    if url and not ADDRESS.fullmatch(url):
        raise ValueError(f"'{url}' is not of the form https://github.com/OWNER/NAME (Colab opens no other)")
    jobs = [(root / "_config.yml", stamp_config), (root / "CITATION.cff", stamp_citation)]
    jobs += [(path, stamp_notebook) for path in sorted(root.glob("notebooks/*/*.ipynb"))]
    new = {path: change(path.read_text(encoding="utf-8"), url) for path, change in jobs}
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
