"""A layer beside PyTorch's: same names, same parameters, then values, gradients and second derivatives."""

import numpy as np
import pytest

import chainrule as cr

try:
    import torch
except ImportError:
    torch = None

with_torch = pytest.mark.skipif(torch is None, reason="needs torch")
dtypes = pytest.mark.parametrize("dtype", [np.float32, np.float64], ids=["float32", "float64"])

RTOL = {np.dtype(np.float32): 2e-4, np.dtype(np.float64): 1e-9, np.dtype(np.complex128): 1e-9}


def normal(*shape, seed=0, dtype=np.float64):
    """Random numbers to feed layers with."""
    return np.random.default_rng(seed).normal(size=shape).astype(dtype)


def near(a, b, what=""):
    a, b = np.asarray(a), np.asarray(b)
    rtol = RTOL.get(b.dtype, 0)
    assert a.dtype == b.dtype, f"{what}: {a.dtype}, expected {b.dtype}"
    np.testing.assert_allclose(a, b, rtol=rtol, atol=rtol * max(1, np.abs(b[np.isfinite(b)]).max(initial=0)), err_msg=what)


def same_state(torch, ours, theirs):
    """Put our state, with random parameters, into their module; names and shapes must agree."""
    state = ours.state_dict()
    assert {k: v.shape for k, v in state.items()} == {k: tuple(v.shape) for k, v in theirs.state_dict().items()}
    assert list(state) == list(theirs.state_dict())
    theirs.load_state_dict({k: torch.tensor(np.asarray(v)) for k, v in state.items()})


def twins(torch, name, *args, dtype=np.float64, seed=0, **options):
    """Our layer and theirs in one dtype, with the same random parameters; repr and first values' ranges agree."""
    rng = np.random.default_rng(seed)
    ours = getattr(cr.nn, name)(*args, **options).to(dtype)
    theirs = getattr(torch.nn, name)(*args, **options).to(torch.float32 if dtype == np.float32 else torch.float64)
    assert [(n, p.shape) for n, p in ours.named_parameters()] == [(n, tuple(p.shape)) for n, p in theirs.named_parameters()]
    for p in ours.parameters():
        p.data = 0.5 * rng.normal(size=p.shape)
    same_state(torch, ours, theirs)
    return ours, theirs


def arrays(tree):
    if isinstance(tree, (tuple, list)):
        return [x for part in tree for x in arrays(part)]
    return [] if tree is None else [tree]


def compare(torch, ours, theirs, *inputs, params=((), ()), seed=1, second=True):
    """Functions of arrays: values, gradients in inputs and parameters for random cotangents, and gradients of these."""
    with torch.nn.attention.sdpa_kernel(torch.nn.attention.SDPBackend.MATH):  # their only one with second derivatives
        _compare(torch, ours, theirs, inputs, params, seed, second)


def _compare(torch, ours, theirs, inputs, params, seed, second):
    rng = np.random.default_rng(seed)
    xs, ys = [cr.tensor(x, requires_grad=True) for x in inputs], [torch.tensor(x, requires_grad=True) for x in inputs]
    outs, expected = arrays(ours(*xs)), arrays(theirs(*ys))
    assert [o.shape for o in outs] == [tuple(e.shape) for e in expected]
    for o, e in zip(outs, expected, strict=True):
        near(o.detach(), e.detach().numpy(), "values")
    real = [i for i, e in enumerate(expected) if e.requires_grad]
    gs = {i: rng.normal(size=expected[i].shape).astype(outs[i].dtype) for i in real}
    leaves, others = [*xs, *params[0]], [*ys, *params[1]]
    total = sum((outs[i] * gs[i]).sum() for i in real)
    other = sum((expected[i] * torch.tensor(gs[i])).sum() for i in real)
    grads = cr.autograd.grad(total, leaves, create_graph=True, allow_unused=True)
    expected_grads = torch.autograd.grad(other, others, create_graph=True, allow_unused=True)
    zs = [torch.zeros_like(y) if e is None else e for e, y in zip(expected_grads, others, strict=True)]
    for k, (a, b, x) in enumerate(zip(grads, zs, leaves, strict=True)):
        near(np.zeros(x.shape, x.dtype) if a is None else a.detach(), b.detach().numpy(), f"gradient {k}")
    if not second or not any(z.requires_grad for z in zs):
        return
    vs = [rng.normal(size=x.shape).astype(x.dtype) for x in leaves]
    total = sum((a * v).sum() for a, v in zip(grads, vs, strict=True) if a is not None)
    other = sum((b * torch.tensor(v)).sum() for b, v in zip(zs, vs, strict=True))
    grads = cr.autograd.grad(total, leaves, allow_unused=True)
    expected_grads = torch.autograd.grad(other, others, allow_unused=True)
    for k, (a, b, x) in enumerate(zip(grads, expected_grads, leaves, strict=True)):
        zero = np.zeros(x.shape, x.dtype)
        near(zero if a is None else a.detach(), zero if b is None else b.detach().numpy(force=True), f"second derivative {k}")


def compare_layers(torch, ours, theirs, *inputs, **options):
    params = list(ours.parameters()), list(theirs.parameters())
    compare(torch, ours, theirs, *inputs, params=params, **options)
