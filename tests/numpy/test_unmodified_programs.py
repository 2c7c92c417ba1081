"""Programs in a file that imports only NumPy: right derivatives in both modes, to second order, under vmap and compile."""

import ast
from pathlib import Path

import numpy as np
import numpy_programs
import pytest
from numpy_programs import PROGRAMS
from numpy_tools import check_derivatives

X = np.array([0.71, 1.93, -0.42, 1.37, 0.28, 2.11])
# Which elements count is decided by values, which differ between entries of a batch.
DECIDE = {"jacobi_solver", "dynamic_time_warping", "sorting_and_masks"}


def test_the_programs_import_only_numpy():
    tree = ast.parse(Path(numpy_programs.__file__).read_text())
    imported = [a.name for node in ast.walk(tree) if isinstance(node, ast.Import) for a in node.names]
    assert imported == ["numpy"] and not any(isinstance(node, ast.ImportFrom) for node in ast.walk(tree))
    assert len(PROGRAMS) >= 20


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda p: p.__name__)
def test_derivatives(program):
    x = X % 3 if program is numpy_programs.particle_histogram else X
    check_derivatives(program, x, batched=program.__name__ not in DECIDE, rtol=2e-6)
