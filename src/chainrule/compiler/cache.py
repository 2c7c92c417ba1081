"""Machine code on disk, so that the next process need not compile it again.

An entry is one file: a line that says what it is and whose, the length, a checksum, the bytes. Whatever is not exactly that
is deleted and counts as missing; whatever goes wrong with the directory costs one warning, and the program runs without it.
"""

import functools
import hashlib
import os
import re
import sys
import tempfile
import threading
import time
import warnings
from pathlib import Path

from ..errors import explain

FORMAT = 1
SUFFIX = ".chainrule"
DEFAULT_LIMIT = 256 * 10**6
_TEMPORARY = ".part"
_DIGEST = 16
_SCAN_EVERY = 64  # stores between two looks at the whole directory, into which other processes write as well
_KEEP = 0.8  # an eviction makes room for more than one entry
_ABANDONED = 3600.0  # seconds after which a temporary file belongs to nobody
_UNITS = {"": 1, "k": 10**3, "m": 10**6, "g": 10**9, "ki": 2**10, "mi": 2**20, "gi": 2**30}

# What this process knows of each directory: True (usable), False (refused or broken: not touched again).
_usable: dict[str, bool] = {}
_unwritable: set[str] = set()
_sizes: dict[str, list[int]] = {}  # estimate in bytes, stores until the next scan
_said: set[str] = set()
_lock = threading.Lock()
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=lambda: globals().update(_lock=threading.Lock()))


def directory() -> Path:
    """Where entries are kept; it need not exist.

    CHAINRULE_CACHE_DIR where it is set, else `chainrule` in the folder that the system has for caches
    (XDG_CACHE_HOME or ~/.cache; ~/Library/Caches on macOS; %LOCALAPPDATA% on Windows).

    Examples
    --------
    >>> import os
    >>> from chainrule.compiler import cache
    >>> os.environ["CHAINRULE_CACHE_DIR"] = "/tmp/example"
    >>> cache.directory().as_posix()
    '/tmp/example'
    >>> del os.environ["CHAINRULE_CACHE_DIR"]
    """
    return Path(_place())


def _place() -> str:
    named = os.environ.get("CHAINRULE_CACHE_DIR")
    if named:
        return os.path.abspath(os.path.expanduser(named))
    base = os.environ.get("XDG_CACHE_HOME", "")
    if not os.path.isabs(base):  # the XDG specification asks to ignore a relative one
        if sys.platform == "win32":
            base = os.environ.get("LOCALAPPDATA") or "~/AppData/Local"
        else:
            base = "~/Library/Caches" if sys.platform == "darwin" else "~/.cache"
        base = os.path.expanduser(base)
    return os.path.join(base, "chainrule")


def limit() -> int:
    """How many bytes all entries together may take: CHAINRULE_CACHE_LIMIT (`50000000`, `50MB`, `1.5GiB`), else 256 MB.

    With 0, nothing is read or written.

    Examples
    --------
    >>> import os
    >>> from chainrule.compiler import cache
    >>> os.environ["CHAINRULE_CACHE_LIMIT"] = "1.5 GB"
    >>> cache.limit()
    1500000000
    >>> del os.environ["CHAINRULE_CACHE_LIMIT"]
    """
    return _bytes(os.environ.get("CHAINRULE_CACHE_LIMIT", ""))


@functools.lru_cache(maxsize=8)
def _bytes(text: str) -> int:
    if not text.strip():
        return DEFAULT_LIMIT
    match = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([kmg]i?|)b?\s*", text.lower())
    if match is None:
        _warn(
            "CHAINRULE_CACHE_LIMIT cannot be read as a size",
            f"found: {text!r}; using {DEFAULT_LIMIT // 10**6} MB",
            help="write bytes, or a number with a unit such as 100MB; 0 switches the cache off",
        )
        return DEFAULT_LIMIT
    return int(float(match[1]) * _UNITS[match[2]])


def load(key: str) -> bytes | None:
    """What was stored under `key`, or None where there is nothing that can be trusted.

    Parameters
    ----------
    key : hex digest of everything that the payload depends on

    Returns
    -------
    bytes or None; never an exception
    """
    place = _place()
    if limit() == 0 or not _is_usable(place, create=False):
        return None
    path = _path(place, key)
    try:
        with open(path, "rb") as file:
            data = file.read()
    except OSError:
        return None
    payload = _unpack(key, data)
    try:
        if payload is None:
            os.unlink(path)
        else:
            os.utime(path)  # the least recently used go first
    except OSError:
        pass
    return payload


def store(key: str, payload: bytes) -> None:
    """Keep `payload` under `key`, and make room for it if need be.

    The file appears whole or not at all: of two processes that store the same key at once, one wins.

    Parameters
    ----------
    key : hex digest of everything that the payload depends on
    payload : bytes
    """
    most, place = limit(), _place()
    data = _pack(key, payload)
    if len(data) > most or not _is_usable(place, create=True) or place in _unwritable:
        return
    path = _path(place, key)
    try:
        try:
            _write(path, data)
        except FileNotFoundError:  # somebody has deleted the directory since
            os.makedirs(place, mode=0o700, exist_ok=True)
            _write(path, data)
        _make_room(place, len(data), most)
    except OSError as error:
        _unwritable.add(place)
        _warn(
            "compiled programs cannot be kept on disk; each process will compile them again",
            f"directory: {place}",
            f"found: {error.strerror or error}",
            help="make room or give write permission there, or set CHAINRULE_CACHE_DIR to another directory",
        )


def clear() -> int:
    """Delete all entries; returns how many there were. Other files in the directory stay.

    Returns
    -------
    int
    """
    place, count = _place(), 0
    for name, _, _ in _entries(place, unfinished=True):
        try:
            os.unlink(os.path.join(place, name))
        except OSError:
            continue
        count += name.endswith(SUFFIX)
    _sizes.pop(place, None)
    _unwritable.discard(place)
    return count


def usage() -> tuple[int, int]:
    """How many entries there are, and how many bytes they take together.

    Returns
    -------
    entries, bytes : int
    """
    sizes = [size for _, size, _ in _entries(_place())]
    return len(sizes), sum(sizes)


# Files


def _path(place, key):
    if not key.isalnum():  # a key is part of a file name
        raise ValueError(f"a key is a hex digest, found {key!r}")
    return os.path.join(place, key + SUFFIX)


@functools.cache
def _title():
    version = sys.modules[__name__.partition(".")[0]].__version__  # the package itself is a layer above this one
    return f"chainrule cache {FORMAT} {version} ".encode()


def _head(key):
    return _title() + key.encode() + b"\n"


def _digest(head, payload):
    digest = hashlib.blake2b(head, digest_size=_DIGEST)
    digest.update(payload)
    return digest.digest()


def _pack(key, payload):
    head = _head(key) + len(payload).to_bytes(8, "little")
    return b"".join((head, _digest(head, payload), payload))


def _unpack(key, data):
    head = _head(key)
    start = len(head) + 8 + _DIGEST
    if not data.startswith(head) or len(data) < start:
        return None
    head, digest, payload = data[: start - _DIGEST], data[start - _DIGEST : start], data[start:]
    if int.from_bytes(head[-8:], "little") != len(payload) or _digest(head, payload) != digest:
        return None
    return payload


def _write(path, data):
    descriptor, temporary = tempfile.mkstemp(suffix=_TEMPORARY, dir=os.path.dirname(path))  # readable by its owner only
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
        os.replace(temporary, path)
    except BaseException as error:
        try:
            os.unlink(temporary)
        except OSError:
            pass
        # Windows refuses to replace a file that another process is reading: that file will do.
        if not (isinstance(error, PermissionError) and sys.platform == "win32" and os.path.exists(path)):
            raise


def _entries(place, unfinished=False):
    """(name, size, time of last use) of every entry, and of temporary files if asked."""
    endings = (SUFFIX, _TEMPORARY) if unfinished else (SUFFIX,)
    found = []
    try:
        with os.scandir(place) as files:
            for file in files:
                if file.name.endswith(endings):
                    try:
                        stat = file.stat(follow_symlinks=False)
                    except OSError:  # another process was faster
                        continue
                    found.append((file.name, stat.st_size, stat.st_mtime))
    except OSError:
        pass
    return found


def _make_room(place, added, most):
    """Delete the least recently used entries once all of them exceed the limit; look at the directory only now and then."""
    with _lock:
        estimate, left = _sizes.get(place, (0, 0))
        _sizes[place] = [estimate + added, left - 1]
        if left > 0 and estimate + added <= most:
            return
        entries = sorted(_entries(place, unfinished=True), key=lambda entry: entry[2])
        total = sum(size for _, size, _ in entries)
        goal, now = _KEEP * most, time.time()
        crowded = total > most
        for name, size, used in entries[:-1]:  # the newest is what was stored just now
            abandoned = name.endswith(_TEMPORARY) and now - used > _ABANDONED
            if abandoned or (crowded and total > goal and name.endswith(SUFFIX)):
                try:
                    os.unlink(os.path.join(place, name))
                except OSError:
                    continue
                total -= size
        _sizes[place] = [total, _SCAN_EVERY]


# Whether a directory is fit for code that this process will run


def _is_usable(place, create):
    known = _usable.get(place)
    if known is not None:
        return known
    trouble, help = _trouble(place, create)
    if trouble == "missing":
        return False  # nothing to load; the first store makes it
    _usable[place] = trouble is None
    if trouble is not None:
        _warn("the cache of compiled programs is not used", f"directory: {place}", f"found: {trouble}", help=help)
    return trouble is None


def _trouble(place, create):
    elsewhere = "set CHAINRULE_CACHE_DIR to a directory of your own, or CHAINRULE_CACHE_LIMIT=0 to do without"
    if not os.path.isabs(place):
        return "no home directory", elsewhere
    try:
        if create:
            os.makedirs(place, mode=0o700, exist_ok=True)
        elif not os.path.exists(place):
            return "missing", ""
        stat = os.stat(place)
    except OSError as error:
        return error.strerror or str(error), elsewhere
    if not os.path.isdir(place):
        return "a file that is no directory", elsewhere
    if hasattr(os, "getuid"):  # whoever can write here could have this process run code of theirs
        if stat.st_uid != os.getuid():
            return f"it belongs to another user (number {stat.st_uid})", elsewhere
        if stat.st_mode & 0o022:
            return f"others may write to it (mode {stat.st_mode & 0o777:03o})", f"chmod 700 {place}"
    return None, ""


def _warn(asked, *found, help):
    message = explain(asked, *found, help=help)
    if message not in _said:
        _said.add(message)
        warnings.warn(message, RuntimeWarning, stacklevel=2)
