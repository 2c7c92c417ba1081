"""The command that runs the gallery: programs with PyTorch's imports, and the pages that it writes."""

import ast
import importlib.util
import json
from pathlib import Path

import numpy as np
import pytest

from chainrule import demos

FILE = Path(__file__).resolve().parents[2] / "benchmarks" / "gallery.py"
spec = importlib.util.spec_from_file_location("gallery", FILE)
gallery = importlib.util.module_from_spec(spec)
spec.loader.exec_module(gallery)


def test_only_imports_that_pytorch_has_change():
    text = """
import numpy as np
import chainrule as cr
import chainrule.nn.functional as G
from chainrule import nn, optim, plot
from chainrule.data import load_digits
from chainrule.nn import functional as F
from chainrule.optim.lr_scheduler import OneCycleLR
from chainrule import symbolic
"""
    assert ast.unparse(ast.fix_missing_locations(gallery.Imports().visit(ast.parse(text)))) == "\n".join(
        [
            "import numpy as np",
            "import torch as cr",
            "import torch.nn.functional as G",
            "from torch import nn, optim",
            "from chainrule import plot",
            "from chainrule.data import load_digits",
            "from torch.nn import functional as F",
            "from torch.optim.lr_scheduler import OneCycleLR",
            "from chainrule import symbolic",
        ]
    )


@pytest.mark.parametrize("kind", gallery.KINDS)
def test_a_program_is_timed_each_way(kind, monkeypatch, capsys):
    pytest.importorskip("sklearn")
    if kind == "PyTorch":
        pytest.importorskip("torch")
    monkeypatch.setattr(gallery, "SECONDS", 0.05)
    gallery.timed("digits", kind)
    found = json.loads(capsys.readouterr().out.strip().split("\n")[-1])
    assert found["seconds"] > 0 and found["iterations"] >= 1
    assert (found["asked"], found["loop"]) == (44 * 60, "step")


def result(name, value, **bound):
    return {
        "name": name,
        "value": value,
        "at_least": None,
        "at_most": None,
        "reference": "chance: 0.1",
        "reached": True,
    } | bound


def test_pages():
    runs = {
        str(seed): {
            "results": [result("test accuracy", value, at_least=0.98), result("seconds", 3.0)],
            "files": {"digits.png": "Digits.", "digits_step.txt": ""},
        }
        for seed, value in enumerate([0.99, 0.985, 0.981])
    }
    times = {
        k: {"seconds": s, "iterations": 9, "asked": 100, "loop": "step"} for k, s in zip(gallery.KINDS, (0.01, 0.02, 0.03))
    }
    entries = {"digits": {"runs": runs, "times": times}, "fashion": {"runs": {"0": {"error": "no data"}}, "times": {}}}
    text = gallery.table(entries)
    assert "median of 1 programs: 3.00. Compiled slower than eager: 0 of 1." in text
    assert (
        "| [digits](digits.md) | test accuracy: 0.99 | at least 0.98 | 0.981 | chance: 0.1 | 1.0 | 2.0 | 3.0 | 3.00 |" in text
    )
    assert "| [fashion](fashion.md) | did not run |" in text
    page = gallery.page("digits", entries["digits"])
    assert page.startswith("# digits\n\nAn MLP reads") and "![Digits.](digits.png)" in page and "[digits_step.txt]" in page
    assert (
        "| test accuracy | at least 0.98 | 0.99 | 0.985 | 0.981 | chance: 0.1 |" in page and "| PyTorch | 30 | 3.00 |" in page
    )
    assert np.allclose(gallery.ratios(entries["digits"]), (2, 3)) and gallery.ratios(entries["fashion"]) == (None, None)


def test_every_program_has_a_page():
    """What is shown is what there is: `python benchmarks/gallery.py` writes both."""
    folder = FILE.parents[1] / "docs" / "gallery"
    pages = {p.stem for p in folder.glob("*.md")} - {"README"}
    assert pages == set(demos.programs()), "run `python benchmarks/gallery.py NAME` for new programs, delete pages of old ones"
    for page in folder.glob("*.md"):
        for target in (part.split(")")[0] for part in page.read_text().split("](")[1:]):
            assert (folder / target).resolve().exists(), f"{page.name}: {target}"
