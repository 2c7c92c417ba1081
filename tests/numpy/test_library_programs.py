"""Programs of libraries with chainrule.numpy in NumPy's place: derivatives in all modes, compiled and from checkpoints."""

import importlib.util

import library_programs
import numpy as np
import pytest
from library_programs import PROGRAMS
from numpy_tools import check_derivatives

import chainrule as cr

X = np.array([0.71, 1.93, -0.42, 1.37, 0.28, 2.11])
COUNT = {"scaling_and_squaring"}  # how often something is done is an int() of a value, which a batch and a program refuse


def with_our_numpy():
    """The programs, with `np` bound to chainrule.numpy and not another change."""
    spec = importlib.util.spec_from_file_location("library_programs_of_ours", library_programs.__file__)
    module = importlib.util.module_from_spec(spec)
    source = spec.loader.get_source(spec.name).replace("import numpy as np", "import chainrule.numpy as np")
    exec(compile(source, library_programs.__file__, "exec"), module.__dict__)
    return module


OURS = with_our_numpy()


@pytest.mark.parametrize("name", [p.__name__ for p in PROGRAMS])
def test_values_are_those_of_numpy(name):
    expected = getattr(library_programs, name)(X.copy())
    for x in (X.copy(), cr.tensor(X)):
        np.testing.assert_allclose(np.asarray(getattr(OURS, name)(x)), expected, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("name", [p.__name__ for p in PROGRAMS])
def test_derivatives(name):
    program = getattr(OURS, name)

    def f(x):
        return program(x) + 0 * x[0]  # a Tensor also where x is plain

    check_derivatives(f, X, name=name, batched=name not in COUNT, compiled=name not in COUNT, rtol=5e-6)


@pytest.mark.parametrize("name", [p.__name__ for p in PROGRAMS])
def test_checkpoints(name):
    def loss(x):
        return (getattr(OURS, name)(x) ** 2).sum()

    np.testing.assert_allclose(cr.grad(cr.checkpoint(loss))(X), cr.grad(loss)(X), rtol=1e-10, atol=1e-10)
