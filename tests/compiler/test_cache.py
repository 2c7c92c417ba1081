"""The cache of machine code: what comes back, what is refused, and what is thrown away."""

import multiprocessing
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

import chainrule as cr
from chainrule.cli import main
from chainrule.compiler import cache

KEY, OTHER = "ab" * 16, "cd" * 16
SOURCE = Path(cr.__file__).resolve().parents[1]
posix_only = pytest.mark.skipif(os.name != "posix", reason="owners and modes are those of POSIX")
no_root = pytest.mark.skipif(os.name != "posix" or os.getuid() == 0, reason="root may write anywhere")


@pytest.fixture(autouse=True)
def _new_process():
    """Forget what this process has learnt and warned of."""
    for state in cache._usable, cache._unwritable, cache._sizes, cache._said:
        state.clear()
    cache._bytes.cache_clear()


@pytest.fixture
def place(tmp_path, monkeypatch):
    path = tmp_path / "cache"
    monkeypatch.setenv("CHAINRULE_CACHE_DIR", str(path))
    monkeypatch.delenv("CHAINRULE_CACHE_LIMIT", raising=False)
    return path


def entry(place, key=KEY):
    return place / f"{key}{cache.SUFFIX}"


def test_what_is_stored_is_loaded(place):
    assert cache.load(KEY) is None and not place.exists()
    for payload in b"", b"code", os.urandom(100_000):
        cache.store(KEY, payload)
        assert cache.load(KEY) == payload
    assert cache.load(OTHER) is None
    entries, size = cache.usage()
    assert entries == 1 and size == entry(place).stat().st_size > 100_000
    assert [path.name for path in place.iterdir()] == [entry(place).name]


@pytest.mark.parametrize(
    "damage",
    [
        lambda data: b"",
        lambda data: data[:10],
        lambda data: data[:-1],
        lambda data: data + b"x",
        lambda data: data[:-3] + bytes([data[-3] ^ 1]) + data[-2:],
        lambda data: data.replace(b"cache 1", b"cache 0"),
        lambda data: data.replace(cr.__version__.encode(), b"0.0.1"),
        lambda data: b"\x7fELF" + data,
    ],
    ids=["empty", "head cut", "end cut", "longer", "one bit", "older format", "older version", "foreign"],
)
def test_damaged_entries_are_missing_and_deleted(place, damage):
    cache.store(KEY, b"some code")
    entry(place).write_bytes(damage(entry(place).read_bytes()))
    assert cache.load(KEY) is None
    assert not entry(place).exists()
    cache.store(KEY, b"new code")
    assert cache.load(KEY) == b"new code"


def test_an_entry_belongs_to_its_key(place):
    cache.store(KEY, b"code")
    entry(place).rename(entry(place, OTHER))
    assert cache.load(OTHER) is None


def test_a_key_is_a_file_name_and_no_path(place):
    with pytest.raises(ValueError, match="hex digest"):
        cache.store("../escape", b"")


def test_a_failed_write_leaves_nothing(place, monkeypatch):
    cache.store(KEY, b"old")

    def full(source, target):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", full)
    with pytest.warns(RuntimeWarning, match="No space left(.|\n)*help: make room") as caught:
        cache.store(KEY, b"new")
        cache.store(OTHER, b"new")
    assert len(caught) == 1 and str(place) in str(caught[0].message)
    assert [path.name for path in place.iterdir()] == [entry(place).name] and cache.load(KEY) == b"old"


def test_a_directory_deleted_meanwhile_is_made_again(place):
    cache.store(KEY, b"code")
    entry(place).unlink()
    place.rmdir()
    assert cache.load(KEY) is None and cache.usage() == (0, 0) and cache.clear() == 0
    cache.store(KEY, b"code")
    assert cache.load(KEY) == b"code"


@posix_only
def test_only_the_owner_may_read_or_write(place):
    cache.store(KEY, b"code")
    assert place.stat().st_mode & 0o777 == 0o700 and entry(place).stat().st_mode & 0o077 == 0


@posix_only
@pytest.mark.parametrize("mode", [0o777, 0o770])
def test_a_directory_that_others_may_write_to_is_refused(place, mode):
    cache.store(KEY, b"code")
    os.chmod(place, mode)
    cache._usable.clear()  # as a new process would see it
    with pytest.warns(RuntimeWarning, match="others may write to it(.|\n)*help: chmod 700") as caught:
        assert cache.load(KEY) is None and cache.load(OTHER) is None
        cache.store(OTHER, b"code")
    assert len(caught) == 1 and str(place) in str(caught[0].message) and not entry(place, OTHER).exists()


@posix_only
def test_a_directory_of_another_user_is_refused(place, monkeypatch):
    place.mkdir(mode=0o700)
    owner = place.stat().st_uid
    monkeypatch.setattr(os, "getuid", lambda: owner + 1)
    with pytest.warns(RuntimeWarning, match="belongs to another user"):
        assert cache.load(KEY) is None


def test_a_directory_that_cannot_be_made_costs_one_warning(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("CHAINRULE_CACHE_DIR", str(tmp_path / "file" / "cache"))
    assert cache.load(KEY) is None
    with pytest.warns(RuntimeWarning, match="is not used(.|\n)*help: set CHAINRULE_CACHE_DIR") as caught:
        cache.store(KEY, b"code")
        cache.store(OTHER, b"code")
    assert len(caught) == 1 and cache.load(KEY) is None and cache.usage() == (0, 0)


@no_root
def test_a_directory_without_write_permission(place):
    place.mkdir(mode=0o500)
    with pytest.warns(RuntimeWarning, match="Permission denied"):
        cache.store(KEY, b"code")
    assert cache.load(KEY) is None


def test_without_a_home_there_is_no_cache(monkeypatch):
    for name in "CHAINRULE_CACHE_DIR", "XDG_CACHE_HOME", "LOCALAPPDATA":
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(os.path, "expanduser", lambda path: path)  # what it does where no home is known
    with pytest.warns(RuntimeWarning, match="no home directory"):
        cache.store(KEY, b"code")
    assert cache.load(KEY) is None and not Path("~").exists()


@pytest.mark.skipif(sys.platform in ("win32", "darwin"), reason="other folders there")
def test_where_the_directory_is(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.setenv("CHAINRULE_CACHE_DIR", "")
    assert cache.directory() == tmp_path / ".cache" / "chainrule"
    monkeypatch.setenv("XDG_CACHE_HOME", "relative")
    assert cache.directory() == tmp_path / ".cache" / "chainrule"
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    assert cache.directory() == tmp_path / "xdg" / "chainrule"
    monkeypatch.setenv("CHAINRULE_CACHE_DIR", "~/mine")
    assert cache.directory() == tmp_path / "mine"


@pytest.mark.parametrize(
    "text, size", [("0", 0), ("5000", 5000), ("100MB", 10**8), (" 2 kb ", 2000), ("1.5GiB", 3 * 2**29), ("3g", 3 * 10**9)]
)
def test_limit_is_read_with_units(monkeypatch, text, size):
    monkeypatch.setenv("CHAINRULE_CACHE_LIMIT", text)
    assert cache.limit() == size


def test_a_limit_that_is_no_size(monkeypatch):
    monkeypatch.setenv("CHAINRULE_CACHE_LIMIT", "many")
    with pytest.warns(RuntimeWarning, match="CHAINRULE_CACHE_LIMIT.*(.|\n)*found: 'many'"):
        assert cache.limit() == cache.DEFAULT_LIMIT
    assert cache.limit() == cache.DEFAULT_LIMIT


def test_limit_zero_switches_off(place, monkeypatch):
    cache.store(KEY, b"code")
    monkeypatch.setenv("CHAINRULE_CACHE_LIMIT", "0")
    assert cache.load(KEY) is None
    cache.store(OTHER, b"code")
    assert cache.usage()[0] == 1


def test_least_recently_used_entries_go_first(place, monkeypatch):
    monkeypatch.setenv("CHAINRULE_CACHE_LIMIT", "10000")
    keys = [f"{i:032x}" for i in range(9)]
    for age, key in enumerate(keys):
        cache.store(key, bytes(1000))
        os.utime(entry(place, key), (1000 + age, 1000 + age))
    assert cache.load(keys[0]) == bytes(1000)  # used just now
    cache.store(KEY, bytes(1000))
    left = {key for key in keys if entry(place, key).exists()}
    assert cache.load(KEY) and keys[0] in left and keys[1] not in left
    assert left - {keys[0]} == set(keys[len(keys) + 1 - len(left) :])
    assert cache.usage()[1] <= 8000
    cache.store(OTHER, bytes(20000))
    assert cache.load(OTHER) is None and cache.load(KEY)


def test_many_stores_stay_below_the_limit_with_few_scans(place, monkeypatch):
    monkeypatch.setenv("CHAINRULE_CACHE_LIMIT", "1MB")
    scans, entries = [], cache._entries
    monkeypatch.setattr(cache, "_entries", lambda *args, **named: scans.append(1) or entries(*args, **named))
    for i in range(200):
        cache.store(f"{i:032x}", bytes(10_000))
    assert len(scans) < 20 and cache.usage()[1] <= 10**6


def test_abandoned_temporary_files_are_deleted(place):
    place.mkdir(mode=0o700)
    (place / "old.part").write_bytes(b"x")
    (place / "new.part").write_bytes(b"x")
    os.utime(place / "old.part", (1000, 1000))
    os.utime(place / "new.part", (time.time() - 10,) * 2)
    cache.store(KEY, b"code")
    assert not (place / "old.part").exists() and (place / "new.part").exists() and cache.usage()[0] == 1


def test_clear_deletes_entries_and_nothing_else(place):
    cache.store(KEY, b"code")
    cache.store(OTHER, b"code")
    (place / "notes.txt").write_text("mine")
    assert cache.clear() == 2 and cache.usage() == (0, 0)
    assert [path.name for path in place.iterdir()] == ["notes.txt"]


def _write_often(seed):
    for i in range(100):
        cache.store(KEY, bytes([seed]) * (1000 * (1 + i % 5)))
        payload = cache.load(KEY)
        assert payload is not None and len(set(payload)) == 1 and len(payload) % 1000 == 0


def test_two_processes_at_once(place):
    context = multiprocessing.get_context("spawn")
    processes = [context.Process(target=_write_often, args=(seed,)) for seed in (1, 2)]
    for process in processes:
        process.start()
    for process in processes:
        process.join(120)
    assert [process.exitcode for process in processes] == [0, 0]
    assert [path.name for path in place.iterdir()] == [entry(place).name]


def test_command_line(place, capsys):
    cache.store(KEY, b"code")
    assert main(["cache"]) == 0
    out = capsys.readouterr().out
    assert str(place) in out and "1 entry" in out and "256 MB" in out
    assert main(["cache", "--clear"]) == 0
    assert "deleted 1 entry" in capsys.readouterr().out and cache.usage() == (0, 0)


def test_command_line_with_the_cache_switched_off(place, monkeypatch, capsys):
    monkeypatch.setenv("CHAINRULE_CACHE_LIMIT", "0")
    assert main(["cache"]) == 0 and "off" in capsys.readouterr().out


def test_the_command_runs_as_a_process(place):
    env = {**os.environ, "PYTHONPATH": str(SOURCE)}
    done = subprocess.run([sys.executable, "-m", "chainrule", "cache"], env=env, capture_output=True, text=True)
    assert done.returncode == 0 and str(place) in done.stdout and done.stderr == ""
