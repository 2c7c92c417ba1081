"""The command `chainrule`."""

import argparse
import difflib
import sys

from . import __version__, demos
from .compiler import cache
from .errors import ChainruleError, explain
from .train import DivergedError

WRONG_USE = 2
INTERRUPTED = 130


def _at_least(low):
    def number(text):
        value = int(text)
        if value < low:
            raise argparse.ArgumentTypeError(f"must be at least {low}, found {value}")
        return value

    number.__name__ = "int"  # argparse names it in its message for text that is no number
    return number


def _parser():
    parser = argparse.ArgumentParser(prog="chainrule", description="Exact derivatives of Python programs.")
    parser.add_argument("--version", action="version", version=f"chainrule {__version__}")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND")
    demo = commands.add_parser(
        "demo",
        help="run a program of the gallery; without a name, list them",
        description="Run a program of the gallery: it trains on real data, says what it reached and draws it.",
        epilog=_listing(),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    demo.add_argument("name", nargs="?", help="which demo; without one, they are listed")
    demo.add_argument("--quick", action="store_true", help="a short run, to see that everything works")
    demo.add_argument("--out", metavar="DIR", help="folder to write to (default: runs/NAME)")
    demo.add_argument("--seed", type=_at_least(0), default=0, metavar="N", help="another seed, another run (default: 0)")
    demo.add_argument("--eager", action="store_true", help="without compiling anything")
    kept = commands.add_parser(
        "cache",
        help="show where compiled programs are kept, or delete them",
        description="Show the directory of compiled programs, how many there are and the room they take.",
        epilog="CHAINRULE_CACHE_DIR chooses another directory, CHAINRULE_CACHE_LIMIT (such as 100MB; 0: none) another limit.",
    )
    kept.add_argument("--clear", action="store_true", help="delete all compiled programs")
    return parser


def _listing():
    """A line for each program, in groups."""
    paths = demos.programs()
    width = max(map(len, paths))
    lines, group = [], None
    for name, path in paths.items():
        if path.parent.name != group:
            group = path.parent.name
            lines.append(f"{group}:")
        lines.append(f"  {name.ljust(width)}  {demos.description(path)[0]}")
    return "\n".join(lines)


def main(argv=None):
    """Run the command line; returns the exit code.

    Parameters
    ----------
    argv : list of str; default those of the process

    Returns
    -------
    0 for success, 1 for a run that failed, 2 for wrong use or missing data, 130 after Ctrl-C

    Examples
    --------
    >>> from chainrule.cli import main
    >>> main(["demo", "digit"])  # which says on stderr: did you mean digits?
    2
    """
    parser = _parser()
    options = parser.parse_args(argv)
    if options.command is None:
        parser.print_help()
        return 0
    return _cache(options) if options.command == "cache" else _demo(options)


def _cache(options):
    if options.clear:
        print(f"deleted {_entries(cache.clear())} from {cache.directory()}")
        return 0
    entries, size = cache.usage()
    most = cache.limit()
    print(f"directory: {cache.directory()}")
    print(f"holds:     {_entries(entries)}, {_size(size)}")
    print(f"limit:     {_size(most) if most else 'off (CHAINRULE_CACHE_LIMIT is 0)'}")
    return 0


def _entries(n):
    return f"{n:,} {'entry' if n == 1 else 'entries'}"


def _size(size):
    for unit, length in ("GB", 10**9), ("MB", 10**6), ("kB", 10**3):
        if size >= length:
            return f"{size / length:.3g} {unit}"
    return f"{size} bytes"


def _demo(options):
    if options.name is None:
        print(f"{_listing()}\nrun one: chainrule demo NAME")
        return 0
    if options.name not in demos.programs():
        near = difflib.get_close_matches(options.name, demos.programs(), cutoff=0.4)
        help = f"did you mean {' or '.join(near)}?" if near else "`chainrule demo` lists them"
        return _fail(explain(f"unknown demo: {options.name}", help=help), WRONG_USE)
    out = options.out or f"runs/{options.name}"
    try:
        return demos.run(options.name, seed=options.seed, quick=options.quick, out=out, eager=options.eager)
    except DivergedError as error:
        return _fail(error, 1)
    except ChainruleError as error:
        return _fail(error, WRONG_USE)
    except KeyboardInterrupt:
        return _fail(f"interrupted; files that were complete are in {out}", INTERRUPTED)


def _fail(message, code):
    print(f"chainrule: {message}", file=sys.stderr)
    return code
