"""PyTorch's derivatives of functions of one or several Tensors; `cr.jacrev`, `cr.hessian` and their kin do the same."""

from ..ops.shaping import as_value
from ..tensor import Tensor
from ..transforms import derivatives
from ..transforms.reverse import ROOT

__all__ = ["hessian", "hvp", "jacobian", "jvp", "vhp", "vjp"]


def _tuple(inputs):
    """(a tuple of Tensors, whether there were several)."""
    several = isinstance(inputs, (tuple, list))
    return tuple(map(_tensor, inputs if several else (inputs,))), several


def _tensor(x):
    return x if isinstance(x, Tensor) else ROOT.constant(as_value(x))


def _results(x):
    return tuple(map(_results, x)) if isinstance(x, (tuple, list)) else _tensor(x)


def _like(values, several):
    values = _results(values)
    return values if several else values[0]


def _places(inputs):
    return tuple(range(len(inputs)))


def jacobian(func, inputs, create_graph=False, strict=False, vectorize=False, strategy="reverse-mode"):
    """Derivatives of all outputs by all inputs.

    Parameters
    ----------
    func : function of Tensors that gives a Tensor or a tuple of them
    inputs : Tensor or tuple of Tensors
    strategy : "reverse-mode" or "forward-mode"; `create_graph`, `strict` and `vectorize` choose nothing here

    Returns
    -------
    Tensor of the output's shape followed by the input's; for several inputs a tuple of them, for several outputs of these

    >>> import chainrule as cr
    >>> cr.autograd.functional.jacobian(lambda x: x**2, cr.tensor([1.0, 2.0]))
    tensor([[2., 0.],
            [0., 4.]])
    """
    inputs, several = _tuple(inputs)
    transform = derivatives.jacfwd if strategy == "forward-mode" else derivatives.jacrev
    return _results(transform(func, _places(inputs) if several else 0)(*inputs))


def hessian(func, inputs, create_graph=False, strict=False, vectorize=False, outer_jacobian_strategy="reverse-mode"):
    """Second derivatives of a number by all pairs of inputs; see `jacobian`.

    >>> import chainrule as cr
    >>> cr.autograd.functional.hessian(lambda x: (x**3).sum(), cr.tensor([1.0, 2.0]))
    tensor([[ 6.,  0.],
            [ 0., 12.]])
    """
    inputs, several = _tuple(inputs)
    return _results(derivatives.hessian(func, _places(inputs) if several else 0)(*inputs))


def vjp(func, inputs, v=None, create_graph=False, strict=False):
    """(output, derivatives of the output weighted by `v`, which a single number needs not).

    >>> import chainrule as cr
    >>> cr.autograd.functional.vjp(lambda x: x**2, cr.tensor([1.0, 2.0]), cr.tensor([1.0, 10.0]))
    (tensor([1., 4.]), tensor([ 2., 40.]))
    """
    inputs, several = _tuple(inputs)
    out, pull = derivatives.vjp(func, *inputs)
    one = out * 0 + 1 if v is None else v
    return _results(out), _like(pull(tuple(one) if isinstance(out, (tuple, list)) else one), several)


def jvp(func, inputs, v=None, create_graph=False, strict=False):
    """(output, its change when the inputs move along `v`, which a single number needs not).

    >>> import chainrule as cr
    >>> cr.autograd.functional.jvp(lambda x: x**2, cr.tensor([1.0, 2.0]), cr.tensor([1.0, 10.0]))
    (tensor([1., 4.]), tensor([ 2., 40.]))
    """
    inputs, _ = _tuple(inputs)
    along = _tuple(tuple(x * 0 + 1 for x in inputs) if v is None else v)[0]
    return tuple(map(_results, derivatives.jvp(func, inputs, along)))


def hvp(func, inputs, v=None, create_graph=False, strict=False):
    """(value, Hessian times `v`) of a function that gives a number.

    >>> import chainrule as cr
    >>> cr.autograd.functional.hvp(lambda x: (x**3).sum(), cr.tensor([1.0, 2.0]), cr.tensor([1.0, 1.0]))
    (tensor(9.), tensor([ 6., 12.]))
    """
    inputs, several = _tuple(inputs)
    along = _tuple(tuple(x * 0 + 1 for x in inputs) if v is None else v)[0]
    gradient = derivatives.grad(func, _places(inputs))
    return _results(func(*inputs)), _like(derivatives.jvp(lambda *xs: gradient(*xs), inputs, along)[1], several)


def vhp(func, inputs, v=None, create_graph=False, strict=False):
    """(value, `v` times the Hessian), which is symmetric: the same as `hvp`.

    >>> import chainrule as cr
    >>> cr.autograd.functional.vhp(lambda x: (x**3).sum(), cr.tensor([1.0]), cr.tensor([2.0]))[1]
    tensor([12.])
    """
    return hvp(func, inputs, v)
