"""Recorded operations as users see them: names, what comes before, and hooks; compared with PyTorch."""

import numpy as np
import pytest

import chainrule as cr
from chainrule.errors import ArgumentError

close = np.testing.assert_allclose


def torch():
    return pytest.importorskip("torch")


def both(program):
    """What the program gives with chainrule and with PyTorch."""
    library = torch()
    found, expected = program(cr), program(library)
    assert len(found) == len(expected)
    for a, b in zip(found, expected, strict=True):
        close(plain(a), plain(b), rtol=1e-6, atol=1e-6)


def plain(x):
    return (
        [plain(v) for v in x]
        if isinstance(x, (list, tuple))
        else np.asarray(0 if x is None else getattr(x, "detach", lambda: x)())
    )


def leaf(library, values=(1.0, 2.0)):
    return library.tensor(list(values), requires_grad=True)


def test_names_and_what_comes_before():
    x = leaf(cr)
    y = cr.sin(x * 2.0).sum()
    node = y.grad_fn
    assert node.name() == node.name == "sum"
    (above, index), *rest = node.next_functions
    assert above.name() == "sin" and index == 0 and not rest
    product = above.next_functions[0][0]
    (start, _), (constant, _) = product.next_functions
    assert start.variable is x and start.next_functions == () and start.name() == "AccumulateGrad" and constant is None
    q, r = cr.linalg.qr(cr.eye(2).requires_grad_())
    assert q.grad_fn is r.grad_fn and (q @ r).grad_fn.next_functions == ((q.grad_fn, 0), (q.grad_fn, 1))


def test_hooks_see_all_gradients():
    def program(library):
        x, w, seen = leaf(library), leaf(library, (3.0, -1.0)), []
        y = x * w
        handles = [
            y.grad_fn.register_hook(lambda inputs, outputs: seen.append([*inputs, *outputs])),
            y.grad_fn.register_prehook(lambda outputs: seen.append([*outputs])),
        ]
        z = (y**2).sum()
        z.backward(retain_graph=True)
        for handle in handles:
            handle.remove()
        z.backward()
        return [seen[0], seen[1], len(seen), x.grad, w.grad]

    both(program)


def test_hooks_change_gradients():
    def program(library):
        x, w = leaf(library), leaf(library, (3.0, -1.0))
        y = x * w
        y.grad_fn.register_prehook(lambda outputs: (outputs[0] + 1,))
        y.grad_fn.register_hook(lambda inputs, outputs: (10 * inputs[0], inputs[1]))
        y.grad_fn.register_hook(lambda inputs, outputs: (inputs[0] + outputs[0], inputs[1]))
        (y**2).sum().backward()
        return [x.grad, w.grad]

    both(program)


def test_hooks_of_operations_with_several_results():
    def program(library):
        x, seen = library.tensor([[2.0, 1.0], [1.0, 3.0]], requires_grad=True), []
        q, r = library.linalg.qr(x)
        q.grad_fn.register_prehook(lambda outputs: (outputs[0] * 2, outputs[1]))
        q.grad_fn.register_hook(lambda inputs, outputs: seen.append(inputs[0]))
        (q * r).sum().backward()
        return [seen[0], x.grad]

    both(program)


def test_hooks_of_leaves_and_in_the_order_of_pytorch():
    def program(library):
        x, seen = leaf(library), []
        y = x * 2
        y.register_hook(lambda g: seen.append(1.0))
        y.grad_fn.register_prehook(lambda gs: seen.append(2.0))
        y.grad_fn.register_hook(lambda *gs: seen.append(3.0))
        start = y.grad_fn.next_functions[0][0]
        start.register_prehook(lambda gs: (5 * gs[0],))
        start.register_hook(lambda inputs, outputs: seen.append(len(inputs) + x.grad[0].item() + outputs[0][0].item()))
        y.sum().backward()
        y = x * 2
        return [seen, x.grad]

    both(program)


def test_hooks_under_create_graph_and_with_functions():
    class Cube(cr.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            ctx.save_for_backward(x)
            return x**3

        @staticmethod
        def backward(ctx, g):
            return 3 * ctx.saved_tensors[0] ** 2 * g

    x = cr.tensor(2.0, requires_grad=True)
    for make in (lambda x: x**3, Cube.apply):
        y = make(x)
        y.grad_fn.register_hook(lambda inputs, outputs: tuple(g if g is None else g * 2 for g in inputs))
        (first,) = cr.autograd.grad(y, [x], create_graph=True)
        (second,) = cr.autograd.grad(first, [x])
        assert second.item() == 24
        assert first.item() == 24


def test_hooks_of_compiled_steps():
    x = leaf(cr)

    @cr.compile
    def step():
        x.grad = None
        y = x * x
        y.grad_fn.register_hook(lambda inputs, outputs: tuple(10 * g for g in inputs))
        y.sum().backward()
        return x.grad.detach()

    for _ in range(3):
        assert step().tolist() == [20, 40]


def test_wrong_numbers_of_gradients():
    y = leaf(cr) * 2.0
    y.grad_fn.register_hook(lambda inputs, outputs: (1.0,))
    with pytest.raises(ArgumentError, match=r"expected: 2    found: 1(.|\n)*help:"):
        y.sum().backward()
