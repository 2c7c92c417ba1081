"""PyTorch's own catalogue of samples of operators, called as methods, and in the forms that change the Tensor itself."""

import numpy as np
import pytest
from test_pytorch_operators import SOMETIMES, compare_calls, op_db, torch

import chainrule as cr

# Methods of the same name that have NumPy's meaning, or lack arguments, or on some samples differ for the reasons given in
# test_pytorch_operators.py; `name_` for those that change the Tensor.
REASONS = {
    "as there": " ".join(SOMETIMES),
    "draws random numbers": "multinomial cauchy exponential geometric log_normal normal_ uniform_ bernoulli random_",
    "there is no such dtype": "bfloat16",
    "reads memory beyond the part that it is called of": "as_strided",
    "new arrays whose numbers are left open": "new_empty",
    "a Tensor without axes has no axis 0, as in NumPy": "unfold",
    "PyTorch stretches the Tensor itself": "addbmm_",
    "PyTorch has no derivative of them": "acosh_ asinh_ atanh_",
}
METHODS, IN_PLACE = {}, {}
for op in op_db:
    key = f"{op.name}-{op.variant_test_name}".rstrip("-")
    if op.method_variant is not None and hasattr(cr.Tensor, op.name):
        METHODS[key] = op
    if op.inplace_variant is not None and hasattr(cr.Tensor, f"{op.name}_"):
        IN_PLACE[key] = op
DIFFERENT = {name for names in REASONS.values() for name in names.split()}


def samples(op, most=12):
    kinds = (torch.float64, torch.complex128, torch.int64, torch.bool)
    dtype = next(d for d in kinds if d in op.dtypes or d is torch.bool)
    torch.manual_seed(0)
    found = op.sample_inputs("cpu", dtype, requires_grad=op.supports_autograd and dtype.is_floating_point)
    return [s for _, s in zip(range(most), found)]


@pytest.mark.parametrize("key", METHODS)
@pytest.mark.filterwarnings("ignore")
def test_method(key):
    op, failed = METHODS[key], []
    for sample in samples(op):
        try:
            compare_calls(sample, op.method_variant, lambda x, *args, **kwargs: getattr(x, op.name)(*args, **kwargs))
        except Exception as error:
            failed.append(error)
    if failed and op.name not in DIFFERENT:
        raise failed[0]


@pytest.mark.parametrize("key", IN_PLACE)
@pytest.mark.filterwarnings("ignore")
def test_method_that_changes_the_tensor(key):
    op, failed = IN_PLACE[key], []

    def theirs(x, *args, **kwargs):
        x = x.clone()
        op.inplace_variant(x, *args, **kwargs)
        return x

    def ours(x, *args, **kwargs):
        x = x.clone()
        assert getattr(x, f"{op.name}_")(*args, **kwargs) is x
        return x

    for sample in samples(op):
        try:
            theirs(sample.input, *sample.args, **sample.kwargs)
        except RuntimeError:
            continue  # PyTorch refuses it, since the result would have another shape or dtype
        try:
            compare_calls(sample, theirs, ours)
        except Exception as error:
            failed.append(error)
    if failed and op.name not in DIFFERENT and f"{op.name}_" not in DIFFERENT:
        raise failed[0]


def test_tile_takes_counts_one_by_one():
    x = np.arange(4.0).reshape(2, 2)
    for counts in (2, 2), (2,), (2, 1, 3), ((1, 2),):
        assert (cr.tensor(x).tile(*counts).numpy() == torch.tensor(x).tile(*counts).numpy()).all()
    assert (cr.tensor(x).tile(reps=(2, 1)) == cr.tensor(x).tile(dims=(2, 1))).all()
    assert cr.grad(lambda x: (x.tile(2, 3) * 2).sum())(cr.tensor(x)).tolist() == [[12, 12], [12, 12]]
