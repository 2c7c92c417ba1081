"""Writing a file whole or not at all."""

import glob
import os
import platform
import tempfile
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any


@contextmanager
def atomic_write(path, mode="w"):
    """Open a temporary file beside `path` and move it there when the block ends without an error.

    A reader sees the old file or the new one, never half of one; after an error, Ctrl-C or a power cut the old one is still
    there. What a killed process left is removed when the same file is written again.

    Parameters
    ----------
    path : str or path; folders that are missing are made
    mode : "w" for text (UTF-8, newlines as written) or "wb" for bytes

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> from chainrule.data.files import atomic_write
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     with atomic_write(Path(folder) / "new" / "a.txt") as file:
    ...         _ = file.write("whole")
    ...     (Path(folder) / "new" / "a.txt").read_text()
    'whole'
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    _remove_leftovers(path)
    text: dict[str, Any] = {} if "b" in mode else {"encoding": "utf-8", "newline": ""}
    descriptor, temporary = tempfile.mkstemp(prefix=_prefix(path, os.getpid()), suffix=".part", dir=path.parent)
    try:
        with os.fdopen(descriptor, mode, **text) as file:
            yield file
            file.flush()
            os.fsync(file.fileno())  # else a power cut may leave the new name with nothing behind it
        os.chmod(temporary, 0o666 & ~_umask())  # mkstemp makes files that only their owner can read
        os.replace(temporary, path)
        _sync_folder(path.parent)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


def _prefix(path, process):
    return f".{path.name}.{platform.node()}-{process}-"


def _remove_leftovers(path):
    """Temporary files of processes of this machine that were killed while they wrote."""
    if os.name != "posix":
        return
    start = _prefix(path, "")[:-1]
    for part in path.parent.glob(f"{glob.escape(start)}*.part"):
        process = part.name[len(start) :].partition("-")[0]
        if process.isdigit() and not _alive(int(process)):
            part.unlink(missing_ok=True)


def _alive(process):
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except OSError:
        pass
    return True


def _sync_folder(folder):
    """The new name, too, should be on the disk; some systems cannot open folders, and know no better."""
    with suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def _umask():
    mask = os.umask(0)
    os.umask(mask)
    return mask
