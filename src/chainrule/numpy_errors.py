"""Errors in NumPy's words: what NumPy says to the same call stands before what chainrule says."""

import functools
import warnings

import numpy as np

from .core.value import Value
from .errors import ChainruleError, LostDerivativeError, NonDifferentiableError, UnsupportedError
from .trees import tree_leaves, tree_map

# What NumPy, which knows no derivatives, has no words for.
OF_DERIVATIVES = (LostDerivativeError, NonDifferentiableError, UnsupportedError, Warning)
NO_SUCH_CALL = ("keyword", "positional argument")  # parts of what Python says where arguments do not fit a signature


def array_of(x):
    """What NumPy would have in a Tensor's place: its numbers or, inside of vmap, those of the first entry."""
    if not isinstance(x, Value):
        return x.copy() if isinstance(x, np.ndarray) else x  # for NumPy might write to it
    shape, dtype, value = x.shape, x.dtype, x
    while isinstance(value, Value):
        value = value.value
    ahead = np.ndim(value) - len(shape)
    if value is None or np.shape(value)[max(ahead, 0) :] != shape or 0 in np.shape(value)[:ahead]:
        return np.ones(shape, dtype)
    return np.array(value[(0,) * ahead] if ahead else value)


def refusal(call, args, options):
    """The exception that a call of NumPy's raises on arrays; None if it has none, or would run a function of the user's."""
    if any(callable(leaf) and not isinstance(leaf, type) for leaf in tree_leaves((args, options))):
        return None
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        try:
            call(*tree_map(array_of, args), **tree_map(array_of, options))
        except Exception as found:
            return found
    return None


def reword(error, call, args, options=None):
    """Raise an exception that says first what NumPy's function or operation says to such a call, of a type that is NumPy's too.

    Does nothing, so that `error` is raised, if NumPy says the same or nothing.
    """
    if isinstance(error, OF_DERIVATIVES):
        return
    theirs = refusal(call, args, options or {})
    if theirs is None or (str(theirs) in str(error) and isinstance(error, type(theirs))):
        return
    if isinstance(theirs, TypeError) and not isinstance(error, TypeError) and any(w in str(theirs) for w in NO_SUCH_CALL):
        return  # it was given what ours takes beyond NumPy's
    if not isinstance(error, (ChainruleError, np.exceptions.AxisError)) and "help:" not in str(error):
        raise theirs from None
    both = f"{theirs}\n  {error}"
    kind = type(error) if isinstance(error, type(theirs)) else type(theirs)
    try:
        reworded = kind(both)
    except TypeError:  # of more arguments
        reworded = theirs
    raise reworded from None


def refused(error, call, *args):
    """`error`, to be raised, or what `reword` makes of it."""
    try:
        reword(error, call, args)
    except Exception as reworded:
        return reworded
    return error


def worded(theirs, ours):
    """`ours`, with errors in the words of NumPy's function."""

    @functools.wraps(ours)
    def call(*args, **options):
        try:
            return ours(*args, **options)
        except Exception as error:
            reword(error, theirs, args, options)
            raise

    return call


def reword_all(namespace, module):
    """Have the functions of a namespace that NumPy's module has too speak in its words."""
    for name, ours in list(namespace.items()):
        theirs = getattr(module, name, None)
        if name[0] != "_" and callable(theirs) and not isinstance(theirs, type):
            namespace[name] = worded(theirs, ours)
