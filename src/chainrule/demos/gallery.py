"""The programs of the gallery: where they are, how one is loaded and run."""

import ast
from pathlib import Path

from .. import plot
from ..data.files import atomic_write
from ..errors import ArgumentError, explain
from .demo import Demo

INTERRUPTED, MISSED = 130, 1
NOT_DEMOS = {"ported"}  # programs written for other libraries, which run with their imports changed


def folder():
    """The folder of the programs: within the installed package, or beside it in a checkout."""
    here = Path(__file__).resolve().parents[1] / "examples"
    return here if here.is_dir() else Path(__file__).resolve().parents[3] / "examples"


def programs():
    """All programs by name: {name: path}, sorted by the folder that they are in and by name.

    >>> from chainrule import demos
    >>> demos.programs()["lenet"].name
    'lenet.py'
    """
    paths = sorted(p for p in folder().glob("*/*.py") if p.parent.name not in NOT_DEMOS)
    return {p.stem: p for p in paths}


def description(path):
    """The text at the head of a program: its first line, and the rest."""
    text = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or path.stem
    line, _, rest = text.partition("\n")
    return line.rstrip("."), rest.strip()


def load(path, change=None):
    """Run the file and return its names.

    Parameters
    ----------
    path : of a program
    change : None, or a function that changes the syntax tree, such as the imports in it
    """
    tree = ast.parse(path.read_text(encoding="utf-8"), filename=str(path))
    names = {"__name__": f"chainrule.examples.{path.stem}", "__file__": str(path)}
    exec(compile(tree if change is None else change(tree), str(path), "exec"), names)
    return names


def run(name, *, seed=0, quick=False, out=None, eager=False):
    """Run a program: print what it reaches and write its pictures; returns the exit code.

    Parameters
    ----------
    name : one of `programs()`
    seed, quick, out, eager : as `Demo` takes them

    Returns
    -------
    0; 1 where a result misses its bound in a full run; 130 after Ctrl-C
    """
    with plot.style():
        demo = Demo(name, seed, quick, out, eager=eager)
        check_folder(demo.out)
        load(programs()[name])["main"](demo)
    demo.save()
    print(f"written to {demo.out}: {', '.join([*demo.written, 'results.json'])}")
    if demo.interrupted:
        print("interrupted: these are the results up to there")
        return INTERRUPTED
    return MISSED if not quick and not all(r.reached() for r in demo.results) else 0


def check_folder(path):
    """Notice a folder that cannot be written before the training, and leave none behind."""
    existing = next((p for p in (path, *path.parents) if p.exists()), Path("."))
    try:
        with atomic_write(existing / ".probe"):
            pass
        (existing / ".probe").unlink()
    except OSError as error:
        found = f"found: {error.strerror or error}"
        raise ArgumentError(explain(f"cannot write into the folder {path}", found, help="choose another with --out")) from error
