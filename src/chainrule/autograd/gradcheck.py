"""PyTorch's checks of derivatives, on Tensors that require grad; `cr.gradcheck` is sharper and says more."""

import functools

import numpy as np

from .. import gradcheck as checking
from ..core.value import dtype_of
from ..creation import tensor
from ..errors import ArgumentError, explain
from ..numeric import Slope, central
from ..tensor import Tensor
from ..transforms import autograd
from ..trees import tree_map

GradcheckError = checking.GradcheckError


class _Checked:
    """A function and those of its arguments by which it is differentiated: Tensors that require grad, or else all arrays.

    They are given new data rather than replaced, so that functions which refer to them otherwise see it, too.
    """

    def __init__(self, func, inputs):
        self.func = func
        self.given = list(inputs) if isinstance(inputs, (tuple, list)) else [inputs]
        self.chosen = [i for i, x in enumerate(self.given) if isinstance(x, Tensor) and x.requires_grad]
        self.chosen = self.chosen or [i for i, x in enumerate(self.given) if _is_floating(x)]
        if not self.chosen:
            raise ArgumentError(
                explain("gradcheck: no input requires grad", help="call .requires_grad_() on the Tensors to differentiate by")
            )
        self.leaves = [x if _is_leaf(x) else tensor(x, requires_grad=True) for x in map(self.given.__getitem__, self.chosen)]

    def __call__(self, *xs):
        args = list(self.given)
        for i, leaf, x in zip(self.chosen, self.leaves, xs, strict=True):
            args[i] = tensor(x, requires_grad=True) if isinstance(x, Tensor) and x is not leaf else leaf
        out = self.func(*args)
        return out if any(isinstance(x, Tensor) for x in xs) else tree_map(_detached, out)

    def pulled_back(self, f, *xs):
        """`vjp` on the tape of `backward`, where a function may look at its values."""
        written = any(isinstance(x, Tensor) for x in xs)
        leaves = [x if isinstance(x, Tensor) else tensor(x, requires_grad=True) for x in xs]
        leaves[: len(self.leaves)] = leaves[: len(self.leaves)] if written else self.leaves
        outs = f(*leaves)
        live = [i for i, y in enumerate(outs) if isinstance(y, Tensor) and y.requires_grad]

        def pullback(gs):
            if not live:
                return [np.zeros(x.shape, x.dtype) for x in leaves]
            options = {"create_graph": True, "materialize_grads": True}
            gradients = autograd.grad([outs[i] for i in live], leaves, [gs[i] for i in live], **options)
            return gradients if written else [_detached(g) for g in gradients]

        return outs if written else [_detached(y) for y in outs], pullback

    def estimate(self, eps):
        """How to find a slope by differences of step `eps`."""

        def moved(f, values):
            before = [leaf.detach() for leaf in self.leaves]
            try:
                for leaf, value in zip(self.leaves, values, strict=False):
                    leaf.data = value
                return f(values)
            finally:
                for leaf, value in zip(self.leaves, before, strict=True):
                    leaf.data = value

        def slope(f, xs, ts, h=None):
            if eps is None or any(dtype_of(x) not in (np.float64, np.complex128) for x in xs):
                return central(functools.partial(moved, f), xs, ts, h)
            ends = (moved(f, [(x + sign * eps * t)[()] for x, t in zip(xs, ts, strict=True)]) for sign in (1, -1))
            value = [(np.asarray(b) - a) / (2 * eps) for b, a in zip(*ends, strict=True)]
            return Slope(value, [np.zeros(v.shape) for v in value], [np.full(v.shape, eps) for v in value], "central")

        return slope


def _is_floating(x):
    return getattr(getattr(x, "dtype", None), "kind", None) in ("f", "c")


def _is_leaf(x):
    return isinstance(x, Tensor) and x.requires_grad and x.is_leaf


def _detached(x):
    return x.detach() if isinstance(x, Tensor) else x


def gradcheck(
    func, inputs, *, eps=1e-6, atol=1e-5, rtol=1e-3, raise_exception=True, check_forward_ad=False, order=1, seed=0, **options
):
    """Whether the derivatives of `func` by those of its inputs that require grad are right, to the accuracy of a difference.

    Parameters
    ----------
    func : function of Tensors, which may call `backward` or `autograd.grad` itself
    inputs : Tensor, or tuple or list of arguments
    eps : step of the differences that derivatives are compared with; in float32, and with None, it is chosen
    atol, rtol : tolerances
    raise_exception : raise on a mismatch; otherwise return False
    check_forward_ad : check forward mode, too
    order : 2 for second derivatives, too
    seed : of the random directions along which derivatives are compared
    **options : others of PyTorch (`nondet_tol`, `fast_mode` ...), without effect

    Examples
    --------
    >>> import chainrule as cr
    >>> x = cr.tensor([1.0, 2.0], requires_grad=True)
    >>> cr.autograd.gradcheck(lambda x, n: x**n, (x, 3))
    True
    """
    checked = _Checked(func, inputs)
    args, slope = tuple(x.detach() for x in checked.leaves), checked.estimate(eps)
    for mode, pulled_back in ("forward", checking.vjp), ("reverse", checked.pulled_back):
        if mode == "reverse" or check_forward_ad:
            means = slope, pulled_back
            if not checking.run(checked, args, order, (mode,), (rtol, atol), seed, raise_exception, means):
                return False
    return True


def gradgradcheck(func, inputs, grad_outputs=None, **options):
    """Whether first and second derivatives of `func` are right; see `gradcheck`. `grad_outputs` are chosen at random.

    >>> import chainrule as cr
    >>> cr.autograd.gradgradcheck(lambda x: x**3, cr.tensor([1.0, 2.0], requires_grad=True))
    True
    """
    for name in ("gen_non_contig_grad_outputs", "check_fwd_over_rev", "check_rev_over_rev"):
        options.pop(name, None)
    return gradcheck(func, inputs, order=2, **options)
