"""Settings of ``make lab``: who only opens a notebook changes no file.

JupyterLab writes the version of the Python at hand into a notebook that it opens, and saves it after a while.
"""

METADATA = {
    "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
    "language_info": {"name": "python", "pygments_lexer": "ipython3"},
}


def keep_metadata(model, **_):
    """Save a notebook with the metadata that this repository's have."""
    if model["type"] == "notebook":
        model["content"]["metadata"].update(METADATA)


c.FileContentsManager.pre_save_hook = keep_metadata  # noqa: F821 (c is Jupyter's)
