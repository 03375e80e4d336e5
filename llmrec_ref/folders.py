"""Folders of few files that are saved whole or not at all, by one process at a time."""

import json
import os
import re
import shutil
from contextlib import suppress
from hashlib import sha256
from pathlib import Path

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None
    import msvcrt

FILES = ("config.json", "items.json", "metrics.json", "model.safetensors", "resume.safetensors")
POINTER, LOCK = "run.json", "lock"


class Folder:
    """A folder that this process writes, and no other meanwhile.

    Each save is a subfolder ``save-1``, ``save-2`` and so on. The last act of a save replaces the
    file ``run.json``, which names the subfolder and holds the sha256 of each file in it; only then
    the save before is removed. So a full disk or a killed process leaves what was saved before, and
    a process killed before its first save leaves nothing that counts.

    Args:
        path: Made if missing.
        overwrite: Take a folder that is not empty. What stands in it stays until the first save,
            and what is no save stays for good.

    Raises:
        FileExistsError: It is not empty.
        BlockingIOError: Another process has taken it.
        OSError: It cannot be written.
    """

    def __init__(self, path, overwrite=False):
        self.path = Path(path)
        self.made, killed = not self.path.exists(), (self.path / LOCK).exists()
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            self.lock = _take(self.path / LOCK)
        except BlockingIOError:
            raise BlockingIOError(f"another training writes {path}: choose another folder.") from None
        except OSError as error:
            message = f"{path} cannot be written ({error.strerror}): choose another folder."
            raise type(error)(message) from error
        found = [entry.name for entry in self.path.iterdir() if entry.name != LOCK]
        if not overwrite and not all(killed and _is_left_over(name) for name in found):
            self._release()
            raise FileExistsError(
                f"{path} is not empty: choose another folder, or pass overwrite=True "
                "(command line: --overwrite)."
            )
        self._clean()

    def write(self, files):
        """Save files, a dict of bytes by name; OSError if that fails, and the save before stays."""
        numbers = [int(entry.name[5:]) for entry in self.path.glob("save-*") if _is_left_over(entry.name)]
        save, new = self.path / f"save-{max(numbers, default=0) + 1}", self.path / f"{POINTER}.new"
        try:
            save.mkdir()
            sums = {name: _write(save / name, content) for name, content in files.items()}
            _write(new, json.dumps(dict(save=save.name, sha256=sums), indent=1).encode())
            os.replace(new, self.path / POINTER)
        except OSError as error:
            message = f"{self.path} cannot be saved ({error.strerror}); what was saved before stays whole."
            raise type(error)(message) from error
        finally:
            self._clean()

    def close(self):
        """Let others take the folder; if nothing was saved, what was made here goes."""
        self._clean()
        self._release()

    def _release(self):
        with suppress(OSError):
            (self.path / LOCK).unlink()
            if self.made:
                self.path.rmdir()  # fails unless it is empty
        self.lock.close()

    def _clean(self):
        """Remove saves but the last one, and the files of the old format."""
        try:
            last = _pointer(self.path)["save"]
        except FileNotFoundError:
            last = None
        except ValueError:  # damaged: let nothing go before the next save
            return
        if last == ".":  # the old format
            last = None
        old = FILES if last else ()
        for entry in self.path.iterdir():
            if entry.name in old or (_is_left_over(entry.name) and entry.name not in (LOCK, last)):
                shutil.rmtree(entry, ignore_errors=True) if entry.is_dir() else entry.unlink()


def read(path, *names):
    """Return files of one and the same save: dict of bytes by name; None = not in it.

    Raises:
        FileNotFoundError: ``path`` is no folder with a save.
        ValueError: A file is missing, or not as it was saved.
    """
    pointer, found = _pointer(path), {}
    for name in names:
        wanted, found[name] = pointer["sha256"].get(name), None
        if name in pointer["sha256"]:
            with suppress(FileNotFoundError):  # another process may save, and remove this one
                found[name] = (Path(path) / pointer["save"] / name).read_bytes()
        if wanted is not None and (found[name] is None or sha256(found[name]).hexdigest() != wanted):
            if _pointer(path) != pointer:
                return read(path, *names)  # saved again meanwhile
            state = "is missing" if found[name] is None else "is not as it was saved"
            raise ValueError(f"{path} is damaged, its {name} {state}: copy the folder again, or train again.")
    return found


def _pointer(path):
    """Return what ``run.json`` says, or the like of the old format's folder."""
    path = Path(path)
    if (path / POINTER).is_file():
        try:
            pointer = json.loads((path / POINTER).read_bytes())
            return dict(save=str(pointer["save"]), sha256=dict(pointer["sha256"]))
        except (KeyError, TypeError, ValueError) as error:
            raise ValueError(f"{path} is damaged, its {POINTER} cannot be read: train again.") from error
    if (path / "config.json").is_file():
        return dict(save=".", sha256={name: None for name in FILES if (path / name).is_file()})
    raise FileNotFoundError(
        f"{path} is not a run folder, or nothing was saved in it yet: train.save writes one."
    )


def _is_left_over(name):
    """Whether a name is one that a process killed before its first save may leave."""
    return name in (LOCK, f"{POINTER}.new") or re.fullmatch(r"save-\d+", name) is not None


def _write(path, content):
    """Write bytes and see them on the disk; return their sha256."""
    with open(path, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    return sha256(content).hexdigest()


def _take(path):
    """Lock a file until it is closed or the process ends; BlockingIOError if taken."""
    while True:
        file = open(path, "ab")
        try:
            if fcntl:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            else:
                msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
        except (BlockingIOError, PermissionError):  # the latter on Windows
            file.close()
            raise BlockingIOError from None
        with suppress(FileNotFoundError):
            if os.path.samestat(os.fstat(file.fileno()), os.stat(path)):
                return file
        file.close()  # whoever had it has removed it meanwhile
