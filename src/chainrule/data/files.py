"""Writing a file whole or not at all."""

import os
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import Any


@contextmanager
def atomic_write(path, mode="w"):
    """Open a temporary file beside `path` and move it there when the block ends without an error.

    A reader sees the old file or the new one, never half of one; after an error or Ctrl-C the old one is still there.

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
    text: dict[str, Any] = {} if "b" in mode else {"encoding": "utf-8", "newline": ""}
    descriptor, temporary = tempfile.mkstemp(prefix=f".{path.name}.", suffix=".part", dir=path.parent)
    try:
        with os.fdopen(descriptor, mode, **text) as file:
            yield file
        os.chmod(temporary, 0o666 & ~_umask())  # mkstemp makes files that only their owner can read
        os.replace(temporary, path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


def _umask():
    mask = os.umask(0)
    os.umask(mask)
    return mask
