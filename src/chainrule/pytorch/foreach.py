"""PyTorch's functions of lists of Tensors, `_foreach_add_` and its like, which optimisers written for it call."""

from ..tensor import Tensor

PREFIX = "_foreach_"
WEIGHED = ("addcmul", "addcdiv")  # whose third argument a method only takes by name


def function(name):
    """The function of this name: a method of each Tensor, of one argument for all, or of a list with one for each.

    Names that end with `_` change the Tensors, and give nothing; others give a list.

    >>> import chainrule as cr
    >>> xs = [cr.zeros(2), cr.ones(1)]
    >>> cr._foreach_add_(xs, [1.0, 2.0])
    >>> cr._foreach_mul(xs, 2.0)
    [tensor([2., 2.]), tensor([6.])]
    """
    method = name.removeprefix(PREFIX)
    plain = method.removesuffix("_")
    if not name.startswith(PREFIX) or not (hasattr(Tensor, method) or hasattr(Tensor, plain)):
        raise AttributeError(f"no function {name!r}: a Tensor has no method {method!r}")

    def one(x, args, kwargs):
        if plain in WEIGHED and len(args) == 3:
            *args, kwargs["value"] = args
        if "ord" in kwargs:  # of all elements as one vector; the method's keyword of this name is NumPy's
            kwargs["p"] = kwargs.pop("ord")
        if hasattr(Tensor, method):
            return getattr(x, method)(*args, **kwargs)
        return x.copy_(getattr(x, plain)(*args, **kwargs))

    def call(tensors, *args, **kwargs):
        def own(a, i):
            return a[i] if isinstance(a, (list, tuple)) else a

        found = [one(x, [own(a, i) for a in args], {k: own(a, i) for k, a in kwargs.items()}) for i, x in enumerate(tensors)]
        return None if method.endswith("_") else found

    call.__name__ = call.__qualname__ = name
    call.__doc__ = f"`Tensor.{method}` of each Tensor in a list."
    return call
