"""PyTorch's derivatives of functions of one or several Tensors; `cr.jacrev`, `cr.hessian` and their kin do the same."""

from ..core.value import shape_of
from ..errors import ArgumentError, explain
from ..ops.shaping import as_value
from ..tensor import Tensor
from ..transforms import autograd, derivatives
from ..transforms.reverse import ROOT
from ..transforms.scope import enable_grad

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


def _ones(x, what, given):
    """The weight of the only element of `x`, which need not be given."""
    if not isinstance(x, (tuple, list)) and shape_of(x) in ((), (1,)):
        return x * 0 + 1
    raise ArgumentError(
        explain(
            f"autograd.functional.{what} needs `v` if there are several elements",
            f"{given}: {f'{len(x)} arrays' if isinstance(x, (tuple, list)) else f'shape {shape_of(x)}'}",
            help="give a v of the same structure and shapes, the weights of the elements",
        )
    )


def _require_number(x, what):
    if isinstance(x, (tuple, list)) or shape_of(x) not in ((), (1,)):
        found = f"{len(x)} results" if isinstance(x, (tuple, list)) else f"shape {shape_of(x)}"
        raise ArgumentError(
            explain(f"autograd.functional.{what}: the function must give one number", f"found: {found}", help="sum it, say")
        )


def _require_dependence(func, inputs, what, second=False):
    """What `strict` asks for: every result, or with `second` its gradient, depends on every input."""
    with enable_grad():
        xs = [x.detach().requires_grad_() for x in inputs]
        outs = func(*xs)
        outs = list(outs) if isinstance(outs, (tuple, list)) else [outs]
        if second:
            outs = [g for g in _gradients(outs[0], xs) if g is not None]
        for i, out in enumerate(outs):
            for k, g in enumerate(_gradients(out, xs)):
                if g is None:
                    of = "the gradient of the result" if second else f"result {i}"
                    raise ArgumentError(
                        explain(
                            f"autograd.functional.{what}: {of} does not depend on input {k}",
                            help="with strict=False its derivative is zero",
                        )
                    )


def _gradients(out, xs):
    if not (isinstance(out, Tensor) and out.requires_grad):
        return [None] * len(xs)
    return autograd.grad(out, xs, out.detach() * 0 + 1, create_graph=True, allow_unused=True)


def jacobian(func, inputs, create_graph=False, strict=False, vectorize=False, strategy="reverse-mode"):
    """Derivatives of all outputs by all inputs.

    Parameters
    ----------
    func : function of Tensors that gives a Tensor or a tuple of them
    inputs : Tensor or tuple of Tensors
    strict : raise if a result does not depend on an input, instead of giving zeros
    strategy : "reverse-mode" or "forward-mode"; `create_graph` and `vectorize` choose nothing here

    Returns
    -------
    Tensor of the output's shape followed by the input's; for several inputs a tuple of them, for several outputs of these

    >>> import chainrule as cr
    >>> cr.autograd.functional.jacobian(lambda x: x**2, cr.tensor([1.0, 2.0]))
    tensor([[2., 0.],
            [0., 4.]])
    """
    inputs, several = _tuple(inputs)
    if strict:
        _require_dependence(func, inputs, "jacobian")
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
    if strict:
        _require_dependence(func, inputs, "hessian", second=True)

    def number(*xs):
        out = func(*xs)
        _require_number(out, "hessian")
        return out.reshape(())

    return _results(derivatives.hessian(number, _places(inputs) if several else 0)(*inputs))


def vjp(func, inputs, v=None, create_graph=False, strict=False):
    """(output, derivatives of the output weighted by `v`, which a single number needs not).

    >>> import chainrule as cr
    >>> cr.autograd.functional.vjp(lambda x: x**2, cr.tensor([1.0, 2.0]), cr.tensor([1.0, 10.0]))
    (tensor([1., 4.]), tensor([ 2., 40.]))
    """
    inputs, several = _tuple(inputs)
    if strict:
        _require_dependence(func, inputs, "vjp")
    out, pull = derivatives.vjp(func, *inputs)
    one = _ones(out, "vjp", "result") if v is None else v
    return _results(out), _like(pull(tuple(one) if isinstance(out, (tuple, list)) else one), several)


def jvp(func, inputs, v=None, create_graph=False, strict=False):
    """(output, its change when the inputs move along `v`, which a single number needs not).

    >>> import chainrule as cr
    >>> cr.autograd.functional.jvp(lambda x: x**2, cr.tensor([1.0, 2.0]), cr.tensor([1.0, 10.0]))
    (tensor([1., 4.]), tensor([ 2., 40.]))
    """
    inputs, several = _tuple(inputs)
    if strict:
        _require_dependence(func, inputs, "jvp")
    along = _tuple(_ones(inputs if several else inputs[0], "jvp", "inputs") if v is None else v)[0]
    return tuple(map(_results, derivatives.jvp(func, inputs, along)))


def hvp(func, inputs, v=None, create_graph=False, strict=False):
    """(value, Hessian times `v`) of a function that gives a number.

    >>> import chainrule as cr
    >>> cr.autograd.functional.hvp(lambda x: (x**3).sum(), cr.tensor([1.0, 2.0]), cr.tensor([1.0, 1.0]))
    (tensor(9.), tensor([ 6., 12.]))
    """
    inputs, several = _tuple(inputs)
    if strict:
        _require_dependence(func, inputs, "hvp", second=True)
    along = _tuple(_ones(inputs if several else inputs[0], "hvp", "inputs") if v is None else v)[0]
    gradient, value = derivatives.grad(func, _places(inputs)), func(*inputs)
    _require_number(value, "hvp")
    return _results(value), _like(derivatives.jvp(lambda *xs: gradient(*xs), inputs, along)[1], several)


def vhp(func, inputs, v=None, create_graph=False, strict=False):
    """(value, `v` times the Hessian), which is symmetric: the same as `hvp`.

    >>> import chainrule as cr
    >>> cr.autograd.functional.vhp(lambda x: (x**3).sum(), cr.tensor([1.0]), cr.tensor([2.0]))[1]
    tensor([12.])
    """
    return hvp(func, inputs, v, create_graph, strict)
