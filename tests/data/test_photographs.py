"""The photographs that scikit-learn ships."""

import builtins

import numpy as np
import pytest

from chainrule import data
from chainrule.errors import ArgumentError, MissingExtraError


def test_photographs():
    whole = data.load_photographs()
    assert whole.shape == (2, 3, 427, 640) and whole.dtype == np.float32 and whole.flags.c_contiguous
    assert whole.min() >= 0 and 0.9 < whole.max() <= 1
    sky, leaves = whole[0, :, :60].mean((1, 2)), whole[1].mean((1, 2))
    assert sky[2] > sky[0] and leaves[1] > leaves[2]  # blue and green: photographs and colours are in order
    square = data.load_photographs(61)
    assert square.shape == (2, 3, 61, 61) and square.dtype == np.float32
    middle = whole[:, :, :, 106:533]  # the largest square about the centre; scaling keeps its mean
    assert np.abs(square.mean((2, 3)) - middle.mean((2, 3))).max() < 0.01
    assert data.load_photographs((40, 60)).shape == (2, 3, 40, 60) and data.load_photographs((1, 1)).shape == (2, 3, 1, 1)
    assert np.abs(data.load_photographs((427, 640)) - whole).max() == 0
    for bad in (0, (3,), "large", 2.5):
        with pytest.raises((ArgumentError, TypeError)):
            data.load_photographs(bad)


@pytest.mark.parametrize("missing, package", [("sklearn", "scikit-learn"), ("PIL", "pillow")])
def test_photographs_without_their_packages(monkeypatch, missing, package):
    original = builtins.__import__

    def without(name, *args, **kwargs):
        if name.partition(".")[0] == missing:
            raise ImportError(f"No module named {name!r}", name=name)
        return original(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(MissingExtraError, match=rf"{package}[\s\S]*chainrule\[gallery\]"):
        data.load_photographs()
