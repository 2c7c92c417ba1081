"""Every public function has a sample call, no gap without a reason, and docs/functions.md says what is true."""

import re
import sys
import zlib
from pathlib import Path

import pytest
from function_calls import NAMESPACES
from function_probe import COLUMNS, EXPLAINED, Probe, other_names, public_functions

sys.path.insert(0, str(Path(__file__).parents[2] / "docs"))
from write_functions import page, row

PAGE = Path(__file__).parents[2] / "docs" / "functions.md"
HELP = "run `python docs/write_functions.py`"
FUNCTIONS = [(space, name, f) for space, name, f, again in public_functions() if not again and name in NAMESPACES[space][1]]
SOME = [(space, name, f) for space, name, f in FUNCTIONS if zlib.crc32(f"{space}.{name}".encode()) % 12 == 0]


def sections():
    """Namespace -> (rows of its table as lists of cells, its notes), of the page as it is."""
    found = {}
    for part in PAGE.read_text().split("\n## ")[1:]:
        name, *lines = part.splitlines()
        rows = [[c.strip() for c in line.strip("|").split(" | ")] for line in lines if line.startswith("| `")]
        found[name] = rows, [line for line in lines if line.startswith("- `")]
    return found


def test_every_public_function_has_a_sample_call():
    missing = [
        f"{space}.{name}" for space, name, _, again in public_functions() if not again and name not in NAMESPACES[space][1]
    ]
    assert missing == [], "add a sample call in function_calls.py, or, of chainrule.numpy, a case in tests/rows"


def test_every_sample_call_has_a_function():
    for space, (module, calls) in NAMESPACES.items():
        assert [name for name in calls if not hasattr(module, name)] == [], space


def test_the_page_has_a_line_for_every_function():
    names, more = {}, other_names()
    for space, name, _ in FUNCTIONS:
        names.setdefault(space, []).append(", ".join(f"`{n}`" for n in (name, *more.get((space, name), ()))))
    assert {space: [cells[0] for cells in rows] for space, (rows, _) in sections().items()} == names, HELP


def test_no_gap_on_the_page_is_without_a_reason():
    for rows, notes in sections().values():
        parts = [re.match(r"- `(\w+)`, ([\w, ]+): .", note).groups() for note in notes]
        reasons = {(name, column) for name, columns in parts for column in columns.split(", ")}
        for names, *marks in rows:
            name = re.match(r"`(\w+)`", names)[1]
            gaps = {(name, c) for c, m in zip(COLUMNS, marks, strict=True) if m.startswith(("no", "yes, in"))}
            assert gaps <= reasons, gaps - reasons
            explained = {(name, c) for c in EXPLAINED.get(name, ())}
            assert explained <= gaps, "explained, but there is no gap"


@pytest.mark.parametrize("space, name, f", SOME, ids=[f"{space}-{name}" for space, name, _ in SOME])
def test_some_lines_of_the_page_are_true(space, name, f):
    marks, _ = Probe(f, NAMESPACES[space][1][name]).marks()
    assert row(space, name, marks) in PAGE.read_text(), HELP


@pytest.mark.slow
def test_all_of_the_page_is_true():
    assert page() == PAGE.read_text(), HELP
