"""Writes docs/functions.md, what every public function can do: `python docs/write_functions.py` (a minute).

The marks are found out by running one sample call of each function (tests/functions). Run it after adding a function.
"""

import sys
from collections import Counter
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests" / "functions"))
from function_calls import NAMESPACES  # noqa: E402  tests are no package
from function_probe import COLUMNS, NO_ARRAYS, OF_FUNCTIONS, again, other_names, table  # noqa: E402

HEAD = """# What every function can do

Written by `python docs/write_functions.py`, which runs a sample call of every public function; `pytest -m slow` repeats it, the
ordinary tests a part of it. No mark is typed by hand.

| column | asks | compared with |
|---|---|---|
| forward | derivative along a random direction (`jvp`) | the numerical slope |
| reverse | pullback of random cotangents (`vjp`) | forward mode |
| second order | forward over reverse, and reverse over reverse | the numerical slope of the gradient, and each other |
| vmap | a batch of two | a loop |
| compiled | `native`: all of it is machine code; else the operations that NumPy runs inside of the program | eager |
| complex | forward and reverse for complex arguments | the numerical slope |

| mark | means |
|---|---|
| yes | it does, and agrees |
| yes, in z | in these arguments; a note says why not in the others |
| zero | the derivative is zero: the function is piecewise constant |
| real only | the function that it follows (NumPy's, SciPy's, PyTorch's) takes no complex numbers |
| by value | how many elements come out depends on the values, so results of a batch cannot be stacked |
| - | no meaning: no argument or no result that has a derivative (whole numbers, truth values); no array to map over |
| no | a note says why |
"""
KINDS = ("yes", "yes, in some arguments", "zero", "NumPy", "real only", "by value", "no", "-")


def row(namespace, name, marks):
    """One line of the table."""
    names = ", ".join(f"`{n}`" for n in (name, *other_names().get((namespace, name), ())))
    cells = [m.replace("NumPy: ", "NumPy runs ") for m in marks]
    return f"| {names} | " + " | ".join(cells) + " |"


def notes(name, reasons):
    """One line for each reason why there is a gap."""
    columns = {why: ", ".join(c for c, other in reasons.items() if other == why) for why in reasons.values()}
    return [f"- `{name}`, {names}: {why}" for why, names in columns.items()]


def page():
    """All of docs/functions.md."""
    every, repeated = table(), again()
    parts = [HEAD, _counts(every)]
    for namespace in NAMESPACES:
        own = {name: found for (space, name), found in every.items() if space == namespace}
        parts.append(f"## {namespace}\n")
        if namespace in repeated:
            parts.append(f"As in an earlier section: {_names(repeated[namespace])}.\n")
        parts.append(f"| function | {' | '.join(COLUMNS)} |\n|{'---|' * (len(COLUMNS) + 1)}")
        parts += [row(namespace, name, marks) for name, (marks, _) in own.items()]
        lines = [line for name, (_, reasons) in own.items() for line in notes(name, reasons)]
        parts += ["", *(["Notes:\n", *lines, ""] if lines else [])]
    parts.append(f"Not in the table, because their results are no arrays: {_names(NO_ARRAYS)}.\n")
    parts.append(f"Not in the table, because they are transforms, which all of it is about: {_names(OF_FUNCTIONS)}.")
    return "\n".join(parts) + "\n"


def _names(names):
    return ", ".join(f"`{n}`" for n in sorted(names))


def _counts(every):
    lines = [f"{len(every)} functions:\n", f"| | {' | '.join(COLUMNS)} |\n|{'---|' * (len(COLUMNS) + 1)}"]
    columns = [Counter(_kind(marks[i]) for marks, _ in every.values()) for i in range(len(COLUMNS))]
    kinds = [k for k in KINDS if any(c[k] for c in columns)]
    lines += [f"| {k} | " + " | ".join(str(c[k] or "") for c in columns) + " |" for k in kinds]
    return "\n".join(lines) + "\n"


def _kind(mark):
    if mark == "native":
        return "yes"
    return "NumPy" if mark.startswith("NumPy") else "yes, in some arguments" if mark.startswith("yes,") else mark.split(":")[0]


if __name__ == "__main__":
    (ROOT / "docs" / "functions.md").write_text(page())
