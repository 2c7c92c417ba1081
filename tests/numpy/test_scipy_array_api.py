"""SciPy with SCIPY_ARRAY_API=1: what is written in the Array API takes Tensors, and derivatives flow through it."""

import os
import subprocess
import sys
from pathlib import Path

import chainrule as cr

PROGRAMS = Path(__file__).with_name("scipy_array_api_programs.py")


def test_values_and_derivatives():
    env = os.environ | {"PYTHONPATH": str(Path(cr.__file__).parents[1]), "SCIPY_ARRAY_API": "1"}
    done = subprocess.run([sys.executable, PROGRAMS], env=env, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
