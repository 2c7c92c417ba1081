"""PyTorch's checks of derivatives; `cr.gradcheck` says more about what they compare."""

from .. import gradcheck as checking
from ..errors import ArgumentError, explain
from ..tensor import Tensor

GradcheckError = checking.GradcheckError


def _of_chosen(func, inputs):
    """(function of the inputs that are differentiated, these): Tensors that require grad; if there are none, all arrays."""
    given = list(inputs) if isinstance(inputs, (tuple, list)) else [inputs]
    chosen = [i for i, x in enumerate(given) if isinstance(x, Tensor) and x.requires_grad]
    chosen = chosen or [i for i, x in enumerate(given) if getattr(getattr(x, "dtype", None), "kind", None) in ("f", "c")]
    if not chosen:
        raise ArgumentError(
            explain("gradcheck: no input requires grad", help="call .requires_grad_() on the Tensors to differentiate by")
        )

    def of_chosen(*xs):
        args = list(given)
        for i, x in zip(chosen, xs, strict=True):
            args[i] = x
        return func(*args)

    return of_chosen, tuple(given[i].detach() if isinstance(given[i], Tensor) else given[i] for i in chosen)


def gradcheck(func, inputs, *, check_forward_ad=False, atol=None, rtol=None, raise_exception=True, order=1, **options):
    """Whether the derivatives of `func` by those of its inputs that require grad are right.

    Parameters
    ----------
    func : function of Tensors
    inputs : Tensor, or tuple or list of arguments
    check_forward_ad : check forward mode, too
    atol, rtol, raise_exception, order : as in `cr.gradcheck`, which chooses its tolerances by the error of its estimates
    **options : of `cr.gradcheck`; those of PyTorch that tell how to estimate (`eps`, `fast_mode` ...) are without effect

    Examples
    --------
    >>> import chainrule as cr
    >>> x = cr.tensor([1.0, 2.0], requires_grad=True)
    >>> cr.autograd.gradcheck(lambda x, n: x**n, (x, 3), eps=1e-6)
    True
    """
    theirs = {"eps", "nondet_tol", "fast_mode", "masked", "check_backward_ad"}
    theirs |= {f"check_{what}" for what in ("undefined_grad", "grad_dtypes", "batched_grad", "batched_forward_grad")}
    options = {name: value for name, value in options.items() if name not in theirs}
    options.setdefault("modes", ("forward", "reverse") if check_forward_ad else ("reverse",))
    function, args = _of_chosen(func, inputs)
    return checking.gradcheck(function, args, order=order, atol=atol, rtol=rtol, raise_exception=raise_exception, **options)


def gradgradcheck(func, inputs, grad_outputs=None, **options):
    """Whether first and second derivatives of `func` are right; see `gradcheck`. `grad_outputs` are chosen at random.

    >>> import chainrule as cr
    >>> cr.autograd.gradgradcheck(lambda x: x**3, cr.tensor([1.0, 2.0], requires_grad=True))
    True
    """
    for name in ("gen_non_contig_grad_outputs", "check_fwd_over_rev", "check_rev_over_rev"):
        options.pop(name, None)
    return gradcheck(func, inputs, order=2, **options)
