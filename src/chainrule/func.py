"""PyTorch's `torch.func`: transforms of functions, and modules called with parameters from outside."""

from contextlib import contextmanager

import numpy as np

from .errors import explain
from .nn.errors import MissingNameError
from .nn.module import BUFFER, PARAMETER, PASSING_BUFFER
from .ops import concatenate, stack
from .transforms import derivatives as _derivatives
from .transforms.batch import spread, vmap as _vmap
from .transforms.derivatives import grad, hessian, jvp, linearize, value_and_grad, vjp
from .transforms.reverse import ROOT
from .trees import flatten, tree_map, unflatten

__all__ = [
    "functional_call", "grad", "grad_and_value", "hessian", "jacfwd", "jacrev", "jvp", "linearize", "stack_module_state", "vjp",
    "vmap",
]  # fmt: skip


def grad_and_value(func, argnums=0, has_aux=False):
    """As `cr.value_and_grad`, with the gradient first.

    >>> import chainrule as cr
    >>> cr.func.grad_and_value(lambda x: x**2)(3.0)
    (np.float64(6.0), np.float64(9.0))
    """
    both = value_and_grad(func, argnums, has_aux)

    def gradient_and_value(*args, **kwargs):
        value, gradient = both(*args, **kwargs)
        return gradient, value

    return gradient_and_value


def jacrev(func, argnums=0, *, has_aux=False, chunk_size=None):
    """As `cr.jacrev`; all rows are computed at once, whatever the `chunk_size`.

    >>> import chainrule as cr, numpy as np
    >>> cr.func.jacrev(lambda x: x**2, chunk_size=1)(np.array([1.0, 2.0]))
    array([[2., 0.],
           [0., 4.]])
    """
    return _derivatives.jacrev(func, argnums, has_aux)


def jacfwd(func, argnums=0, has_aux=False, *, randomness="error"):
    """As `cr.jacfwd`; what `func` draws at random is the same for all directions, as it has one derivative.

    >>> import chainrule as cr, numpy as np
    >>> cr.func.jacfwd(lambda x: x**2)(np.array([1.0, 2.0]))
    array([[2., 0.],
           [0., 4.]])
    """
    return _derivatives.jacfwd(func, argnums, has_aux)


def vmap(func, in_dims=0, out_dims=0, randomness="error", *, chunk_size=None):
    """As `cr.vmap`, with PyTorch's names of arguments.

    Parameters
    ----------
    func : function of arrays
    in_dims, out_dims : the axes that are mapped over, and where they go
    randomness : 'different' or 'same' numbers for all entries; 'error' is 'different' here
    chunk_size : how many entries are computed at once; None for all

    >>> import chainrule as cr, numpy as np
    >>> cr.func.vmap(lambda x: x.sum(), in_dims=1)(np.ones((2, 3)))
    array([2., 2., 2.])
    """
    mapped = _vmap(func, in_dims, out_dims, "different" if randomness == "error" else randomness)
    if chunk_size is None:
        return mapped

    def in_chunks(*args):
        dims = in_dims if isinstance(in_dims, (tuple, list)) else (in_dims,) * len(args)
        n = next(flatten(a)[0][0].shape[d] for a, d in zip(args, dims, strict=True) if d is not None)
        parts = []
        for start in range(0, n, chunk_size):

            def cut(x, d, start=start):
                return x[(slice(None),) * (d % x.ndim) + (slice(start, start + chunk_size),)]

            chosen = [
                a if d is None else tree_map(lambda x, d=d, cut=cut: cut(x, d), a) for a, d in zip(args, dims, strict=True)
            ]
            parts.append(flatten(mapped(*chosen)))
        structure = parts[0][1]
        axes = spread(structure, out_dims)
        columns = zip(*(p for p, _ in parts), strict=True)
        return unflatten(structure, [x[0] if a is None else concatenate(x, a) for x, a in zip(columns, axes, strict=True)])

    return in_chunks


def functional_call(module, parameters_and_buffers, args=None, kwargs=None, *, tie_weights=True, strict=False):
    """Call a module with these parameters and buffers in place of its own.

    Parameters
    ----------
    module : Module
    parameters_and_buffers : dict from names, as `named_parameters` has them, to arrays; or several such dicts
    args, kwargs : of the call; a single argument needs no tuple
    tie_weights : whether a parameter that stands in several places is replaced in all
    strict : whether every parameter and buffer must be given

    Returns
    -------
    what the module returns; its own parameters are as they were

    Raises
    ------
    MissingNameError
        The module has no parameter or buffer of a name, or with `strict` one is not given.

    Examples
    --------
    >>> import chainrule as cr
    >>> layer = cr.nn.Linear(2, 1)
    >>> loss = lambda p, x: cr.func.functional_call(layer, p, x).sum()
    >>> gradient = cr.grad(loss)(dict(layer.named_parameters()), np.ones((3, 2), np.float32))
    >>> {name: g.shape for name, g in gradient.items()}
    {'weight': (1, 2), 'bias': (1,)}
    """
    given = parameters_and_buffers
    if isinstance(given, (tuple, list)):
        given = {name: value for part in given for name, value in part.items()}
    with _holding(module, given, tie_weights, strict):
        return module(*(args if isinstance(args, tuple) else () if args is None else (args,)), **(kwargs or {}))


@contextmanager
def _holding(module, given, tie, strict):
    """A context in which a module has these parameters and buffers."""
    slots = {path: (m, name) for path, m, name in module._slots((PARAMETER, BUFFER, PASSING_BUFFER), remove_duplicate=False)}
    unknown = [name for name in given if name not in slots]
    lacking = [name for name, (m, n) in slots.items() if name not in given and m.__dict__[n] is not None] if strict else []
    if unknown or lacking:
        found = f"unknown: {unknown}    not given: {lacking}"
        names = ", ".join(list(slots)[:8])
        raise MissingNameError(
            explain(f"functional_call: names differ from {type(module).__name__}'s", found, help=f"it has {names}")
        )
    places = []
    for path, value in given.items():
        owner, name = slots[path]
        value = ROOT.constant(value) if isinstance(value, np.ndarray) else value
        old = owner.__dict__[name]
        twins = [s for s in slots.values() if s[0].__dict__[s[1]] is old] if tie and old is not None else [(owner, name)]
        places += [(*slot, value) for slot in twins]
    before = [(m, name, m.__dict__[name]) for m, name, _ in places]
    try:
        for m, name, value in places:
            m.__dict__[name] = value
        yield
    finally:
        for m, name, value in before:
            m.__dict__[name] = value


def stack_module_state(models):
    """Parameters and buffers of modules of one kind, stacked along a new first axis: for `vmap` over an ensemble.

    Returns
    -------
    (parameters, buffers) : dicts; the parameters require grad

    Examples
    --------
    >>> import chainrule as cr
    >>> models = [cr.nn.Linear(2, 1) for _ in range(5)]
    >>> parameters, buffers = cr.func.stack_module_state(models)
    >>> parameters["weight"].shape
    (5, 1, 2)
    """
    named = [dict(m.named_parameters()) for m in models]
    parameters = {name: stack([m[name].detach() for m in named]).requires_grad_() for name in named[0]}
    held = [dict(m.named_buffers()) for m in models]
    return parameters, {name: stack([m[name].detach() for m in held]) for name in held[0]}
