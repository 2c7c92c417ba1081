"""What the tests of `compile` share: the same program run eager and compiled, and everything that it leaves compared."""

import sys
import threading

import numpy as np

import chainrule as cr
from chainrule.core.value import Value
from chainrule.trees import flatten


def plain(x):
    """What a Tensor, array or number holds, as an array that stays what it is."""
    return np.array(x.detach() if isinstance(x, Value) else x)


def close(found, expected, what=""):
    """Raise unless two trees hold the same numbers in the same dtypes."""
    a, first = flatten(found)
    b, second = flatten(expected)
    assert first == second, what
    for x, y in zip(a, b, strict=True):
        if x is None or isinstance(x, str):
            assert x == y, what
            continue
        assert isinstance(x, Value) == isinstance(y, Value), what
        x, y = plain(x), plain(y)
        assert (x.shape, x.dtype) == (y.shape, y.dtype), (what, x.dtype, y.dtype)
        if x.dtype.kind not in "fc":
            np.testing.assert_array_equal(x, y, err_msg=what)
            continue
        eps = 2e-4 if x.dtype.itemsize // (2 if x.dtype.kind == "c" else 1) <= 4 else 1e-9
        scale = max(1.0, np.max(np.abs(y[np.isfinite(y)]), initial=0))
        np.testing.assert_allclose(x, y, rtol=eps, atol=eps * scale, err_msg=what)


def state_of(thing):
    """All that a run can leave in a Tensor, Module, optimiser or tree of them: values, gradients, flags."""
    if thing is None:
        return None
    if isinstance(thing, cr.optim.Optimizer):
        params = [p for g in thing.param_groups for p in g["params"]]
        return [state_of(params), [{k: plain(v) for k, v in thing.state.get(p, {}).items()} for p in params]]
    if isinstance(thing, cr.nn.Module):
        return state_of([p for _, p in thing.named_parameters()] + [b for _, b in thing.named_buffers()])
    if isinstance(thing, Value):
        return [plain(thing), None if thing.grad is None else plain(thing.grad), str(thing.requires_grad), str(thing.is_leaf)]
    if isinstance(thing, (list, tuple)):
        return [state_of(x) for x in thing]
    if isinstance(thing, dict):
        return {k: state_of(x) for k, x in thing.items()}
    return plain(thing)


def agree(make, calls=4, between=None, seed=3):
    """Run what `make()` gives eager and compiled, and compare results and state after each call.

    Parameters
    ----------
    make : gives (function, i -> its arguments at call i, things whose state is compared)
    between : called as between(i, things) before call i

    Returns
    -------
    the compiled function
    """
    history = []
    for wrap in (lambda f: f, cr.compile):
        cr.manual_seed(seed)
        f, arguments, things = make()
        f = wrap(f)
        now = []
        for i in range(calls):
            if between is not None:
                between(i, things)
            result = f(*arguments(i))
            assert not any(isinstance(x.value, Value) for x in flatten(result)[0] if isinstance(x, cr.Tensor))
            now.append((_copied(result), state_of(things)))
        now.append(cr.random.get_rng_state())
        history.append(now)
    eager, compiled = history
    for i, (e, c) in enumerate(zip(eager, compiled, strict=True)):
        close(c, e, f"call {i}")
    return f


def _copied(result):
    leaves, structure = flatten(result)
    from chainrule.trees import unflatten

    return unflatten(
        structure,
        [x.detach().clone() if isinstance(x, cr.Tensor) else np.array(x) if isinstance(x, np.ndarray) else x for x in leaves],
    )


def in_threads(work, n=6):
    """Run `work(i)` for i below n in threads that change places often; raises what one of them raised."""
    errors = []

    def run(i):
        try:
            work(i)
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=run, args=(i,)) for i in range(n)]
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    try:
        for t in threads:
            t.start()
        for t in threads:
            t.join(60)
    finally:
        sys.setswitchinterval(interval)
    assert not any(t.is_alive() for t in threads)
    if errors:
        raise errors[0]
