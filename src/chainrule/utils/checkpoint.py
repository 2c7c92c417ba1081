"""Checkpointing as PyTorch calls it; see `cr.checkpoint`."""

from ..transforms.checkpoint import checkpoint as _checkpoint

__all__ = ["checkpoint", "checkpoint_sequential"]


def checkpoint(function, *args, use_reentrant=None, preserve_rng_state=True, **kwargs):
    """`function(*args, **kwargs)`, of which nothing is kept for the way back: it is computed again then.

    `use_reentrant` chooses between implementations in PyTorch, and nothing here.

    Examples
    --------
    >>> import chainrule as cr
    >>> x = cr.tensor(2.0, requires_grad=True)
    >>> cr.utils.checkpoint.checkpoint(lambda x: cr.sin(x) ** 2, x, use_reentrant=False).backward()
    >>> bool(abs(x.grad - cr.sin(4.0)) < 1e-12)
    True
    """
    return _checkpoint(function, preserve_rng_state=preserve_rng_state)(*args, **kwargs)


def checkpoint_sequential(functions, segments, input, use_reentrant=None, **kwargs):
    """The functions one after the other, in so many checkpointed segments.

    Examples
    --------
    >>> import chainrule as cr
    >>> x = cr.tensor(2.0, requires_grad=True)
    >>> cr.utils.checkpoint.checkpoint_sequential([cr.sin, cr.exp, cr.sqrt], 2, x).backward()
    >>> x.grad is not None
    True
    """
    functions = list(functions.children()) if hasattr(functions, "children") else list(functions)
    size = max(len(functions) // segments, 1)

    def run(part):
        def one_after_the_other(x):
            for f in part:
                x = f(x)
            return x

        return one_after_the_other

    starts = [i * size for i in range(segments)]
    for start, end in zip(starts, [*starts[1:], len(functions)], strict=True):
        input = checkpoint(run(functions[start:end]), input, **kwargs)
    return input
