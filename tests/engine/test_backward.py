"""The always-on tape: what PyTorch users expect of requires_grad, backward and .grad."""

import copy
import gc
import pickle
import threading
import weakref

import numpy as np
import pytest

import chainrule as cr
from chainrule.errors import (
    ArgumentError,
    GraphFreedError,
    LostDerivativeError,
    NonDifferentiableError,
    NonScalarOutputError,
    ShapeError,
    UnsupportedError,
)
from chainrule.transforms.backward import NOTHING

close = np.testing.assert_allclose


def leaf(x):
    return cr.tensor(x, requires_grad=True)


def test_sine_at_one():
    x = leaf([1.0])
    y = cr.sin(x)
    y.backward()
    close(x.grad.numpy(), [np.cos(1.0)], rtol=1e-15)


def test_two_variables():
    x, y = leaf(2.0), leaf(3.0)
    (x * y).backward()
    assert (x.grad.item(), y.grad.item()) == (3.0, 2.0)
    x.grad = y.grad = None
    (x**2 + y**2).backward()
    assert (x.grad.item(), y.grad.item()) == (4.0, 6.0)


def test_gradients_accumulate_in_the_same_tensor():
    x = leaf([1.0, 2.0])
    (x * x).sum().backward()
    first = x.grad
    (x * 3.0).sum().backward()
    assert x.grad is first
    close(x.grad.numpy(), [5.0, 7.0])


def test_a_chain_of_200_000_operations():
    x = leaf(1.0)
    y = x
    for _ in range(100_000):
        y = y * 1.0000001
        y = y + 1e-9
    y.backward()
    close(x.grad.item(), 1.0000001**100_000, rtol=1e-9)
    del y


def test_memory_is_freed_by_reference_counting_alone():
    class Marker(np.ndarray):
        pass

    gc.collect()
    gc.disable()
    try:
        x = leaf(np.ones(3))
        hidden = cr.exp(x)
        marker = weakref.ref(hidden.value.view(Marker))
        node = weakref.ref(hidden)
        loss = (hidden * hidden).sum()
        del hidden
        assert marker() is None
        loss.backward()
        del loss
        assert node() is None
        before = len(gc.get_objects())
        for _ in range(50):
            cr.grad(lambda v: (cr.sin(v) * v).sum())(np.ones(3))
            cr.hessian(lambda v: (cr.sin(v) * v).sum())(np.ones(3))
            cr.vmap(cr.grad(cr.sin))(np.ones(3))
            y = (cr.exp(x) * x).sum()
            y.backward()
            x.grad = None
            del y
        assert len(gc.get_objects()) - before < 20
        assert gc.collect() == 0
    finally:
        gc.enable()


def test_the_tape_keeps_only_what_rules_name():
    x, c = leaf(np.ones(3)), np.full(3, 2.0)
    assert (x + c).note.kept is NOTHING
    assert [k is not None for k in cr.exp(x).note.kept] == [False, True]
    kept = (x * c).note.kept
    assert kept[0] is None and kept[1].tolist() == c.tolist() and kept[2] is None
    assert cr.sum(x).note.kept is NOTHING


def test_backward_twice_needs_retain_graph():
    x = leaf(2.0)
    y = x * x * x
    y.backward(retain_graph=True)
    y.backward()
    assert x.grad.item() == 24.0
    with pytest.raises(GraphFreedError, match="retain_graph=True"):
        y.backward()


def test_parts_of_a_graph_that_keep_nothing_can_be_shared():
    x = leaf([1.0, 2.0])
    h = x + 1.0
    (h * h).sum().backward()
    (h * 3.0).sum().backward()
    close(x.grad.numpy(), [7.0, 9.0])


@pytest.mark.parametrize(
    "f, derivatives",
    [
        (lambda x: x**4, [lambda x: 4 * x**3, lambda x: 12 * x**2, lambda x: 24 * x, lambda x: 24.0]),
        (cr.sin, [np.cos, lambda x: -np.sin(x), lambda x: -np.cos(x), np.sin]),
        (lambda x: x * cr.exp(x), [lambda x, k=k: (x + k) * np.exp(x) for k in (1, 2, 3, 4)]),
    ],
)
def test_create_graph_to_any_order(f, derivatives):
    x = leaf(0.7)
    y = f(x)
    for expected in derivatives:
        (y,) = cr.autograd.grad(y, x, create_graph=True)
        close(y.item(), expected(0.7), rtol=1e-12)


def test_grad_of_grad_by_backward():
    x = leaf(3.0)
    (x**3).backward(create_graph=True)
    g = x.grad
    x.grad = None
    g.backward()
    assert x.grad.item() == 18.0


def test_non_scalar_backward_weighs_by_gradient():
    x = leaf([1.0, 2.0, 3.0])
    y = x * x
    with pytest.raises(NonScalarOutputError, match="several elements"):
        y.backward()
    with pytest.raises(ShapeError, match=r"\(3,\)"):
        y.backward(np.ones(2))
    y.backward(np.array([1.0, 0.0, -1.0]))
    close(x.grad.numpy(), [2.0, 0.0, -6.0])


def test_a_given_gradient_is_not_shared_with_the_user():
    x, seed = leaf([1.0, 2.0]), np.ones(2)
    (x + 0.0).backward(seed)
    seed[:] = 7.0
    close(x.grad.numpy(), [1.0, 1.0])


def test_two_leaves_do_not_share_a_gradient_array():
    ga, gb = cr.grad(lambda a, b: (a + b).sum(), (0, 1))(np.ones(2), np.ones(2))
    ga *= 5
    close(gb, [1.0, 1.0])


def test_hooks_see_and_replace_gradients():
    x = leaf([1.0, 2.0])
    h = x * 2.0
    seen = []
    handle = h.register_hook(lambda g: seen.append(g.numpy().copy()))
    h.register_hook(lambda g: g * 10.0)
    x.register_hook(lambda g: g + 1.0)
    h.sum().backward()
    close(seen[0], [1.0, 1.0])
    close(x.grad.numpy(), [21.0, 21.0])
    handle.remove()
    x.grad = None
    (x * 2.0).sum().backward()
    assert len(seen) == 1
    close(x.grad.numpy(), [3.0, 3.0])


def test_retain_grad_of_an_inner_tensor():
    x = leaf([1.0, 2.0])
    h = x * x
    h.retain_grad()
    (h * 3.0).sum().backward()
    close(h.grad.numpy(), [3.0, 3.0])
    close(x.grad.numpy(), [6.0, 12.0])


def test_no_grad_and_enable_grad():
    x = leaf(2.0)
    with cr.no_grad():
        y = x * x
        assert not y.requires_grad
        assert not cr.is_grad_enabled()
        with cr.enable_grad():
            assert (x * x).requires_grad
        assert not (x * x).requires_grad
    assert cr.is_grad_enabled()

    @cr.no_grad()
    def f(v):
        return v * v

    assert not f(x).requires_grad
    with cr.no_grad():  # a transform that begins inside works as usual
        assert cr.grad(lambda v: v * v)(3.0) == 6.0
    assert cr.grad(lambda v: v * f(v))(3.0) == 9.0  # and no_grad inside a transform holds there


def test_no_grad_holds_for_its_own_thread_only():
    x, ready, done, results = leaf(2.0), threading.Event(), threading.Event(), []

    def worker():
        ready.wait()
        results.append((x * x).requires_grad)
        done.set()

    thread = threading.Thread(target=worker)
    thread.start()
    with cr.no_grad():
        ready.set()
        done.wait()
        assert not (x * x).requires_grad
    thread.join()
    assert results == [True]


def test_detach_and_data():
    x = leaf([1.0, 2.0])
    y = x.detach()
    assert not y.requires_grad
    (x * y).sum().backward()
    close(x.grad.numpy(), [1.0, 2.0])
    x.data = np.array([5.0, 6.0])
    assert x.is_leaf and x.requires_grad
    close(x.detach().numpy(), [5.0, 6.0])


def test_grad_fn_names_its_operation():
    x = leaf(1.0)
    y = cr.sin(x) * 2.0
    assert y.grad_fn.name == "multiply"
    assert y.grad_fn.next_functions[0][0].name == "sin"
    assert x.grad_fn is None and x.is_leaf and not y.is_leaf
    assert "multiply" in repr(y)


def test_backward_into_chosen_leaves():
    x, y = leaf(2.0), leaf(3.0)
    (x * y).backward(inputs=[x])
    assert x.grad.item() == 3.0 and y.grad is None


def test_autograd_grad_of_inner_tensors_and_unused_ones():
    x, unused = leaf(2.0), leaf(1.0)
    h = x * x
    y = h * h
    gh, gx = cr.autograd.grad(y, [h, x], retain_graph=True)
    assert (gh.item(), gx.item()) == (8.0, 32.0)
    assert x.grad is None
    with pytest.raises(ArgumentError, match="allow_unused"):
        cr.autograd.grad(y, [x, unused], retain_graph=True)
    assert cr.autograd.grad(y, [x, unused], allow_unused=True)[1] is None


def test_in_place_edits_do_not_disturb_what_was_recorded():
    x = leaf([1.0, 2.0, 3.0])
    y = x * 1.0
    z = y * y
    y[0] = 100.0
    y += 1.0
    (z.sum() + y.sum()).backward()
    close(x.grad.numpy(), [2.0, 5.0, 7.0])


def test_in_place_on_a_leaf():
    x = leaf([1.0, 2.0, 3.0])
    x[1] = 0.0
    x *= 2.0
    (x * x).sum().backward()
    close(x.grad.numpy(), [8.0, 0.0, 24.0])


def test_updates_under_no_grad_keep_a_leaf():
    w = leaf([1.0, 2.0])
    (w * w).sum().backward()
    with cr.no_grad():
        w -= 0.1 * w.grad
    assert w.is_leaf and w.requires_grad
    close(w.detach().numpy(), [0.8, 1.6])
    w.grad = None
    (w * w).sum().backward()
    close(w.grad.numpy(), [1.6, 3.2])


def test_ways_out_of_a_tensor():
    x = leaf(2.0)
    assert x.item() == 2.0 and float(x * 1.0) == 2.0 and x.tolist() == 2.0
    for way_out in (np.asarray, lambda v: v.numpy(), np.array):
        with pytest.raises(LostDerivativeError, match=r"help: .*detach"):
            way_out(x)
    close(np.asarray(x.detach()), 2.0)
    assert f"{x:.2f}" == "2.00"
    assert int(cr.tensor([3])) == 3 and [10, 20, 30][cr.tensor(1)] == 20


def test_truth_of_many_elements():
    with pytest.raises(ArgumentError, match="any"):
        bool(cr.tensor([1.0, 2.0]))
    assert bool(cr.tensor([2.0])) and not cr.tensor(0.0)


def test_integers_cannot_require_grad():
    with pytest.raises(NonDifferentiableError, match="int64"):
        cr.tensor([1, 2], requires_grad=True)


def test_mixed_dtypes_give_gradients_of_the_leafs_dtype():
    x, y = cr.tensor(np.ones(3, np.float32), requires_grad=True), leaf(np.ones(3))
    (x * y).sum().backward()
    assert x.grad.dtype == np.float32 and y.grad.dtype == np.float64


def test_unsupported_numpy_functions_name_themselves():
    with pytest.raises(UnsupportedError, match=r"np.savetxt"):
        np.savetxt("unused", leaf(np.eye(2)))
    with pytest.raises(UnsupportedError, match="help: "):
        np.savetxt("unused", leaf(np.eye(2)))


def test_out_of_a_plain_array_raises():
    with pytest.raises(LostDerivativeError, match="out"):
        np.sin(leaf(np.ones(2)), out=np.zeros(2))


def test_copies_and_pickles():
    x = leaf([1.0, 2.0])
    for y in (copy.deepcopy(x), pickle.loads(pickle.dumps(x))):
        assert y.requires_grad and y.is_leaf
        y.data = np.zeros(2)
        close(x.detach().numpy(), [1.0, 2.0])
    with pytest.raises(LostDerivativeError):
        copy.deepcopy(x * 2.0)


def test_backward_of_a_constant():
    with pytest.raises(ArgumentError, match="requires grad"):
        cr.tensor(1.0).backward()


def test_making_tensors_from_bad_data():
    with pytest.raises(ShapeError, match="rectangular"):
        cr.tensor([[1.0, 2.0], [3.0]])
    with pytest.raises(NonDifferentiableError, match="numbers"):
        cr.tensor(["a", "b"])
    assert cr.Tensor([1, 2]).dtype == np.float64


def test_a_leaf_made_of_a_traced_value_keeps_the_outer_derivative():
    def f(x):
        w = cr.tensor(x * x, requires_grad=True)
        (w**3).backward()
        return w.grad  # 3 x^4

    assert cr.grad(f)(2.0) == 96.0


def test_size_answers_numpy_and_pytorch():
    x = cr.zeros(2, 3)
    assert x.size == 6 and x.size(0) == 2 and x.size() == (2, 3) and x.numel() == 6 and x.dim() == 2


def test_functions_of_several_threads_do_not_mix():
    results = {}

    def work(k):
        for _ in range(50):
            results[k] = cr.grad(lambda x: (x**k).sum())(np.full(3, 2.0))

    threads = [threading.Thread(target=work, args=(k,)) for k in (2, 3, 4)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    for k in (2, 3, 4):
        close(results[k], k * 2.0 ** (k - 1))
