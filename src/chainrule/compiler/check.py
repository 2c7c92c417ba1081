"""`compile(check=True)`: the program and the function side by side."""

import numpy as np

from ..core.value import Value
from ..errors import CompileError, explain
from ..tensor import Tensor
from ..transforms.checkpoint import REPLAYED
from ..trees import flatten


class Saved:
    """Values of Tensors, gradients of their leaves, and arrays that may be written to, to compare and to go back to."""

    def __init__(self, tensors, arrays=()):
        self.tensors, self.arrays = tensors, arrays
        self.copies = [a.copy() for a in arrays]
        self.values = [np.array(t.value) for t in tensors]
        self.grads = [
            (leaf, leaf.grad, None if leaf.grad is None else np.array(leaf.grad.value)) for leaf in map(_leaf, tensors) if leaf
        ]

    def restore(self):
        for t, value in zip(self.tensors, self.values, strict=True):
            t.value = np.array(value)
        for leaf, grad, saved in self.grads:
            leaf.grad = grad
            if grad is not None:
                grad.value = np.array(saved)
        for a, copy in zip(self.arrays, self.copies, strict=True):
            np.copyto(a, copy)

    def named(self):
        yield from ((f"an argument of shape {a.shape}", a) for a in self.copies)
        yield from ((f"a Tensor of shape {t.shape}", np.asarray(v)) for t, v in zip(self.tensors, self.values, strict=True))
        yield from ((f"the gradient of a Tensor of shape {() if v is None else v.shape}", v) for *_, v in self.grads)


def _leaf(t):
    holder = t._grad_holder()
    return holder if hasattr(holder, "grad") else None


def checked(compiled, args, kwargs, leaves, structure):
    """Run the program and the function, and raise where they differ; what the function leaves is kept."""
    variant = compiled.variant_for(args, kwargs, leaves, structure)
    if variant is None:
        return compiled.direct(args, kwargs, leaves, structure)
    owners = [variant.owner(k, leaves) for k in range(len(variant.sources))]
    found = [x for x in (*owners, *leaves, *(g.state for g in REPLAYED)) if isinstance(x, Tensor)]
    before = Saved(list({id(t): t for t in found}.values()), [owners[k] for k, _ in variant.written])
    result = compiled.direct(args, kwargs, leaves, structure)
    values = [np.array(_plain(x)) if isinstance(x, np.ndarray) else _plain(x) for x in flatten(result)[0]]
    after = list(Saved(before.tensors, before.arrays).named())
    before.restore()
    expected = compiled.f(*args, **kwargs)
    pairs = [(f"result {i}", a, _plain(b)) for i, (a, b) in enumerate(zip(values, flatten(expected)[0], strict=True))]
    now = Saved(before.tensors, before.arrays).named()
    pairs += [(name, a, b) for (name, a), (_, b) in zip(after, now, strict=True)]
    for name, a, b in pairs:
        if not _alike(a, b):
            raise CompileError(
                explain(
                    f"compile(check=True): the program of {compiled.name} differs from the function",
                    f"{name}: compiled {_short(a)}, eager {_short(b)}",
                    help="please report this; f.explain(...) shows the program",
                )
            )
    return expected


def _plain(x):
    return np.array(x.value) if isinstance(x, Value) else x


def _alike(a, b):
    if a is None or b is None:
        return a is b
    a, b = np.asarray(a), np.asarray(b)
    if a.shape != b.shape or a.dtype != b.dtype:
        return False
    if a.dtype.kind not in "fc":
        return np.array_equal(a, b)
    scale = np.max(np.abs(b[np.isfinite(b)]), initial=1e-30)
    eps = 1e-4 if a.dtype.itemsize // (2 if a.dtype.kind == "c" else 1) <= 4 else 1e-9
    return np.allclose(a, b, rtol=eps, atol=eps * scale, equal_nan=True)


def _short(x):
    return "None" if x is None else np.array2string(np.asarray(x), threshold=6, precision=6)
