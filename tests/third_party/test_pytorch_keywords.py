"""Functions and methods called with PyTorch's names of arguments: the values are PyTorch's."""

import numpy as np
import pytest

import chainrule as cr

torch = pytest.importorskip("torch")
X, Y = np.arange(1.0, 13).reshape(3, 4) / 7, np.arange(12.0, 0, -1).reshape(3, 4) / 5
V, U, M = np.arange(1.0, 5), np.arange(1.0, 4), np.eye(4) + 0.1
C, Z, B = np.arange(24.0).reshape(2, 3, 4) / 9, np.arange(3.0).reshape(1, 3, 1), X > 0.6
I = np.arange(12).reshape(3, 4) % 3  # noqa: E741
TWO = np.array([0, 2])

# What is called (with a dot, a method of the first argument): arguments by position, keywords.
CALLS = [
    ("squeeze", (Z,), {"dim": 0}), ("squeeze", (), {"input": Z, "dim": 0}), (".squeeze", (Z,), {"dim": 0}),
    ("unsqueeze", (), {"input": X, "dim": 0}), ("unbind", (X,), {"dim": 1}), (".unbind", (X,), {"dim": 1}),
    ("split", (X, 1), {"dim": 1}), ("split", (X, [1, 3]), {"dim": 1}), (".split", (X, 3), {"dim": 1}),
    (".split", (X,), {"split_size": [1, 2]}),
    ("split", (X,), {"split_size_or_sections": 2}), ("split", (X,), {"split_size_or_sections": [1, 2], "dim": 0}),
    ("chunk", (), {"input": X, "chunks": 2, "dim": 1}), ("permute", (X,), {"dims": (1, 0)}),
    (".permute", (X,), {"dims": (1, 0)}),
    ("transpose", (C,), {"dim0": 0, "dim1": 2}), (".transpose", (C,), {"dim0": 0, "dim1": 1}),
    (".transpose", (C, 0), {"dim1": 1}),
    ("swapaxes", (C,), {"axis0": 0, "axis1": 1}), ("swapdims", (), {"input": C, "dim0": 0, "dim1": 1}),
    ("flatten", (), {"input": C, "start_dim": 1}), ("reshape", (), {"input": X, "shape": (4, 3)}),
    (".reshape", (X,), {"shape": (2, 6)}), (".view", (X,), {"size": (2, 6)}),
    ("triu", (X,), {"diagonal": 1}), (".tril", (X,), {"diagonal": -1}), ("diag", (M,), {"diagonal": 1}),
    ("diagonal", (C,), {"offset": 0, "dim1": 1, "dim2": 2}), (".diagonal", (C,), {"dim1": 1, "dim2": 2}),
    ("diagflat", (V,), {"offset": 1}), ("cat", (), {"tensors": [X, Y], "dim": 1}), ("stack", (), {"tensors": [X, Y], "dim": 1}),
    ("hstack", (), {"tensors": [X, Y]}), ("vstack", (), {"tensors": [X, Y]}), ("column_stack", (), {"tensors": [X, Y]}),
    ("matmul", (), {"input": X, "other": M}), (".matmul", (X,), {"other": M}), ("mm", (), {"input": X, "mat2": M}),
    ("mv", (), {"input": X, "vec": V}), ("dot", (), {"input": V, "tensor": V}), ("outer", (), {"input": V, "vec2": U}),
    ("inner", (), {"input": V, "other": V}), ("vdot", (), {"input": V, "other": V}), ("kron", (), {"input": X, "other": M}),
    ("addmm", (), {"input": X, "mat1": X, "mat2": M}), ("addmv", (), {"input": U, "mat": X, "vec": V, "alpha": 2}),
    ("addr", (), {"input": X, "vec1": U, "vec2": V}), ("addcmul", (), {"input": X, "tensor1": X, "tensor2": Y, "value": 2}),
    ("addcdiv", (X,), {"tensor1": X, "tensor2": Y}), ("where", (B,), {"input": X, "other": Y}), ("where", (B,), {}),
    ("transpose", (X, 0, 1), {}), ("transpose", (X, -2, -1), {}), (".transpose", (X, -2, -1), {}),
    (".transpose", (X, -1, -2), {}),

    ("where", (), {"condition": B, "input": X, "other": Y}), ("clamp", (), {"input": X, "min": 0.5, "max": 1.0}),
    ("clamp_min", (), {"input": X, "min": 0.5}), ("add", (X, Y), {"alpha": 2}), ("add", (), {"input": X, "other": Y}),
    ("add", (), {"input": X, "other": Y, "alpha": 3}), ("subtract", (X,), {"other": Y}),
    ("sub", (X,), {"other": Y, "alpha": 2}),
    ("mul", (), {"input": X, "other": Y}), ("mul", (X,), {"other": Y}), ("div", (), {"input": X, "other": Y}),
    ("divide", (Y, X), {"rounding_mode": "floor"}), ("pow", (), {"input": X, "exponent": 2}), (".pow", (X,), {"exponent": 2}),
    ("sum", (), {"input": X, "dim": 1, "keepdim": True}), ("mean", (), {"input": X, "dim": (0, 1)}),
    ("max", (), {"input": X, "dim": 1}), ("max", (X,), {"other": Y}), ("min", (), {"input": X, "other": Y}),
    (".max", (X,), {"other": Y}), ("argmax", (), {"input": X, "dim": 1}), ("std", (X,), {"dim": 0, "unbiased": False}),
    ("var", (), {"input": X, "dim": 0, "unbiased": True}), (".std", (X,), {"dim": 0, "unbiased": False}),
    ("var", (X,), {"dim": 0}), (".std", (X,), {"dim": 1, "keepdim": True}), ("std_mean", (X,), {"dim": 0}),
    ("std_mean", (X,), {"dim": 0, "unbiased": False}), ("norm", (X,), {"p": 2, "dim": 1}), ("norm", (X,), {"p": 2}),
    ("norm", (), {"input": X, "p": 1, "dim": 1, "keepdim": True}), (".norm", (X,), {"p": 2, "dim": 1}),
    (".norm", (X,), {"p": 1}),
    (".norm", (X, 2), {}), (".norm", (X,), {}), (".norm", (X, 1, 0), {}), (".norm", (X, "nuc"), {}),
    (".norm", (X, float("inf")), {}),
    (".norm", (C, 2), {"dim": (0, 2), "keepdim": True}), (".norm", (X, "fro"), {"dim": (0, 1)}), (".norm", (X, 3), {"dim": 1}),

    *[(f"{dot}{name}", (X, 1, True), {}) for name in ("sum", "prod", "mean", "max", "min", "median") for dot in ("", ".")],
    *[(f"{dot}{name}", (X, 1, True), {}) for name in ("argmax", "argmin", "all", "any", "logsumexp") for dot in ("", ".")],
    *[(name, (X, *rest), {}) for name in ("std", ".std", "var", ".var") for rest in [(1, True), (1, False, True)]],
    (".sum", (C, (0, 2), True), {}), (".mean", (C, 0, False), {}), ("nansum", (X, 0, True), {}),
    ("std_mean", (X,), {"axis": 1}),
    ("norm", (X,), {"p": "fro"}), ("softmax", (), {"input": X, "dim": 1, "dtype": "float64"}),
    (".softmax", (X,), {"dim": 1, "dtype": "float32"}), ("log_softmax", (), {"input": X, "dim": 1}),
    ("cumsum", (), {"input": X, "dim": 1}), ("sort", (), {"input": X, "dim": 1, "descending": True}),
    ("topk", (), {"input": X, "k": 2, "dim": 1}), ("gather", (), {"input": X, "dim": 0, "index": I}),
    ("gather", (X,), {"dim": 0, "index": I, "sparse_grad": False}), (".gather", (X,), {"dim": 0, "index": I}),
    ("scatter", (X,), {"dim": 0, "index": I, "src": Y}), ("scatter", (X,), {"dim": 0, "index": I, "value": 1.0}),
    (".scatter", (X, 0, I), {"src": Y}), ("scatter_add", (X,), {"dim": 0, "index": I, "src": Y}),
    (".scatter", (X, 0, I), {"src": Y, "reduce": "add"}), (".scatter", (X, 0, I), {"src": Y, "reduce": "multiply"}),
    ("index_select", (), {"input": X, "dim": 0, "index": TWO}), (".index_select", (X,), {"dim": 0, "index": TWO}),
    ("masked_fill", (), {"input": X, "mask": B, "value": 0.0}), ("masked_select", (), {"input": X, "mask": B}),
    ("index_add", (X,), {"dim": 0, "index": TWO, "source": X[:2]}), ("index_add", (X, 0, TWO, X[:2]), {"alpha": 2}),
    ("roll", (X,), {"shifts": 1, "dims": 1}), (".roll", (X,), {"shifts": (1, 1), "dims": (0, 1)}),
    ("flip", (), {"input": X, "dims": (1,)}), ("rot90", (X,), {"k": 1, "dims": (0, 1)}), ("tile", (X,), {"dims": (2, 1)}),
    ("repeat_interleave", (), {"input": X, "repeats": 2, "dim": 1}), ("nan_to_num", (), {"input": X, "nan": 0.0}),
    ("einsum", ("ij,ij->i", [X, Y]), {}), ("einsum", ("ij->j", X), {}),
    ("linspace", (), {"start": 0.0, "end": 1.0, "steps": 5}),
    ("arange", (), {"start": 0, "end": 5}), ("arange", (), {"end": 5}), ("arange", (2,), {"end": 8, "step": 2}),
    ("logspace", (), {"start": 0.0, "end": 1.0, "steps": 5}), ("zeros", (), {"size": (2, 3)}), ("ones", (), {"size": (2, 3)}),
    ("full", (), {"size": (2, 3), "fill_value": 1.0}), ("zeros_like", (), {"input": X}),
    ("full_like", (), {"input": X, "fill_value": 2.0}), ("tril_indices", (), {"row": 3, "col": 4, "offset": 1}),
    ("triu_indices", (3, 4), {"offset": 1, "device": "cpu"}), ("searchsorted", (V, U), {"right": True}),
    ("searchsorted", (), {"sorted_sequence": V, "input": U}), ("bucketize", (), {"input": X, "boundaries": V}),
    ("isclose", (), {"input": X, "other": Y}), ("quantile", (X, 0.5), {"dim": 1, "interpolation": "lower"}),
    ("cov", (X,), {"correction": 0}), ("lerp", (), {"input": X, "end": Y, "weight": 0.3}), ("cdist", (), {"x1": X, "x2": Y}),
    ("logit", (X / 4,), {"eps": 0.4}), ("polygamma", (), {"n": 1, "input": X}), ("round", (X,), {"decimals": 1}),
    ("det", (), {"input": M}), ("inverse", (), {"input": M}), ("movedim", (), {"input": C, "source": 0, "destination": 1}),
    ("narrow", (), {"input": X, "dim": 0, "start": 0, "length": 1}), ("broadcast_to", (), {"input": V, "size": (2, 4)}),
    ("linalg.solve_triangular", (np.triu(M), M), {"upper": True}),
    ("linalg.solve_triangular", (np.tril(M), M), {"upper": False}),
    ("linalg.solve_triangular", (np.triu(M), X), {"upper": True, "left": False}), ("linalg.solve", (), {"A": M, "B": V}),
    ("linalg.inv", (), {"A": M}), ("linalg.norm", (X,), {"ord": 2, "dim": 1, "dtype": "float64"}),
    ("nonzero", (B,), {"as_tuple": True}), ("nonzero", (B,), {"as_tuple": False}), (".nonzero", (B,), {"as_tuple": True}),
    ("unique", (I,), {"sorted": True}), ("isin", (), {"elements": I, "test_elements": TWO}), ("tanh", (), {"input": X}),
    ("atan2", (), {"input": X, "other": Y}), ("abs", (), {"input": X}), ("maximum", (), {"input": X, "other": Y}),
]  # fmt: skip


def found(library, what, args, kwargs):
    def made(x):
        if isinstance(x, list) and x and isinstance(x[0], np.ndarray):
            return [library.tensor(v) for v in x]
        return library.tensor(x) if isinstance(x, np.ndarray) else getattr(library, x) if x in ("float32", "float64") else x

    args, kwargs = [made(a) for a in args], {k: made(v) if not isinstance(v, tuple) else v for k, v in kwargs.items()}
    if what.startswith("."):
        return getattr(args[0], what[1:])(*args[1:], **kwargs)
    for name in what.split("."):
        library = getattr(library, name)
    return library(*args, **kwargs)


def plain(x):
    return [plain(v) for v in x] if isinstance(x, (tuple, list)) else np.asarray(x)


def same(a, b):
    a, b = plain(a), plain(b)
    if isinstance(b, list) or isinstance(a, list):
        assert len(a) == len(b)
        for x, y in zip(a, b, strict=True):
            same(x, y)
    else:
        assert a.shape == b.shape
        np.testing.assert_allclose(a, b, rtol=1e-6)


@pytest.mark.parametrize(
    "what, args, kwargs", [pytest.param(*c, id=f"{i}-{c[0]}-{'-'.join(c[2])}") for i, c in enumerate(CALLS)]
)
@pytest.mark.filterwarnings("ignore")
def test_keywords(what, args, kwargs):
    same(found(cr, what, args, kwargs), found(torch, what, args, kwargs))


def test_random_numbers():
    for t in cr, torch:
        x = t.zeros(size=(2, 3))
        assert t.rand(size=(2,)).shape == (2,) == t.randn(size=(2,), device="cpu").shape
        assert t.randint(low=0, high=3, size=(2,), device="cpu").shape == (2,)
        assert t.randperm(n=4, device="cpu", dtype=t.float32).dtype == t.float32
        assert t.rand_like(input=x, device="cpu").shape == t.randn_like(input=x).shape == (2, 3)
        assert t.bernoulli(input=x).shape == (2, 3) and t.multinomial(input=x + 1, num_samples=2).shape == (2, 2)


def test_numpys_meaning_stays():
    x = cr.tensor(X)
    same(cr.split(x, 3), np.split(X, 3))
    same(x.split(3, axis=0), np.split(X, 3))
    same(x.repeat(2), X.repeat(2))
    same(x.repeat(2, 1), X.repeat(2, 1))
    same(cr.tril_indices(3, 1, 4), np.tril_indices(3, 1, 4))
    same(cr.nonzero(cr.tensor(B)), np.nonzero(B))
    same(cr.linalg.norm(x, 2), np.linalg.norm(X, 2))
    same(cr.swapaxes(x, axis1=0, axis2=1), X.T)


def test_methods_that_arrays_do_not_have_are_pytorchs():
    x, t = cr.tensor(X), torch.tensor(X)
    for sizes in (2,), ([1, 2],), (2, 1), (3, -1), ([1] * X.shape[1], 1), (100,):
        same(x.split(*sizes), t.split(*sizes))
    same(x.repeat(2, 1, 3), t.repeat(2, 1, 3))
    same(x.repeat(sizes=(2, 1)), t.repeat(2, 1))
    with pytest.raises(ValueError, match="add up"):
        x.split([1, 1])
    assert cr.grad(lambda x: sum((p**2).sum() * i for i, p in enumerate(cr.asarray(x).split(2))))(np.ones(3)).tolist() == [
        0,
        0,
        2,
    ]


def test_vectors_in_a_list_span_a_grid_as_pytorch_does():
    a, b = np.arange(2.0), np.arange(3.0)
    for indexing in "ij", "xy":
        same(cr.meshgrid([cr.tensor(a), cr.tensor(b)], indexing=indexing), np.meshgrid(a, b, indexing=indexing))
    same(cr.meshgrid([cr.tensor(a), cr.tensor(b)]), np.meshgrid(a, b, indexing="ij"))
    same(cr.meshgrid([1, 2], [3, 4, 5]), np.meshgrid([1, 2], [3, 4, 5]))
    found = cr.linalg.lstsq(X, X, driver="gels")
    same(found.solution, np.linalg.lstsq(X, X, rcond=None)[0])
    assert found.solution is found[0] and cr.linalg.lstsq(cr.tensor(X), cr.tensor(X)).singular_values.shape == found[3].shape


@pytest.mark.parametrize(
    "wrong",
    [
        lambda: cr.tanh(),
        lambda: cr.add(X),
        lambda: cr.add(other=X),
        lambda: cr.tril(X, k=1, diagonal=1),
        lambda: cr.sum(X, input=X),
    ],
)
def test_errors(wrong):
    with pytest.raises(TypeError):
        wrong()


def test_larger_of_two_tensors():
    x, t = cr.tensor(X), torch.tensor(X)
    same(cr.max(x, 3 - x), torch.max(t, 3 - t))
    same(x.min(3 - x), t.min(3 - t))
    same(cr.max(x, 1), X.max(1))
    same(x.max(axis=0, out=np.zeros(X.shape[1])), X.max(0))


def test_largest_by_their_other_name():
    x, t = cr.tensor(X), torch.tensor(X)
    for options in {"dim": 1}, {"dim": (0, 1)}, {"dim": -1, "keepdim": True}:
        same(cr.amax(x, **options), torch.amax(t, **options))
        same(x.amin(**options), t.amin(**options))


def test_what_is_scattered_may_be_larger_than_the_indices():
    x, t, i = cr.tensor(X), torch.tensor(X), np.array([[0], [1], [0]])
    for f in (
        lambda x, i, v: x.scatter(1, i, v),
        lambda x, i, v: x.scatter_add(1, i, v),
        lambda x, i, v: x.clone().scatter_add_(1, i, v),
        lambda x, i, v: x.scatter_reduce(1, i, v, "prod"),
    ):
        same(f(x, cr.tensor(i), x * 10), f(t, torch.tensor(i), t * 10))


def test_squeeze_by_keyword_skips_longer_axes():
    x, t = cr.ones(1, 3, 1), torch.ones(1, 3, 1)
    for dim in 0, 1, -1, (0, 1):
        same(x.squeeze(dim=dim), t.squeeze(dim=dim))
        same(cr.squeeze(x, dim=dim), torch.squeeze(t, dim=dim))
    with pytest.raises(ValueError, match="dim="):
        x.squeeze(1)


def test_results_written_into_a_tensor():
    x = cr.tensor(X)
    calls = {
        "exp": (x,), "maximum": (x, 2.0), "add": (x, x), "lerp": (x, x, 0.5), "addcmul": (x, x, x), "where": (x > 1, x, 0.0),
        "clamp": (x, 0.0, 1.0), "cumsum": (x, 0), "cat": ([x],), "reciprocal": (x,), "max": (x, x * 2),
    }  # fmt: skip
    for name, args in calls.items():
        out = cr.zeros(X.shape)
        assert getattr(cr, name)(*args, out=out) is out
        same(out, getattr(cr, name)(*args))
    w, out = cr.tensor([1.0, 2.0], requires_grad=True), cr.zeros(2)
    cr.multiply(w, w, out=out)
    out.sum().backward()
    assert w.grad.tolist() == [2, 4]
    with pytest.raises(cr.errors.ShapeError, match="shape of the result"):
        cr.exp(x, out=cr.zeros(2))
    with pytest.raises(cr.errors.ArgumentError, match="must be a Tensor"):
        cr.exp(x, out=X)


def test_functions_of_lists():
    def run(t):
        xs, ys = [t.tensor([1.0, 2.0]), t.tensor([3.0])], [t.tensor([4.0, 5.0]), t.tensor([6.0])]
        t._foreach_add_(xs, ys, alpha=2)
        t._foreach_lerp_(xs, ys, 0.5)
        t._foreach_addcmul_(xs, ys, ys, [1.0, 2.0])
        t._foreach_maximum_(xs, 20.0)
        t._foreach_clamp_min_(xs, 21.0)
        t._foreach_copy_(ys, t._foreach_sqrt(ys))
        matrix = t._foreach_norm([t.tensor([[1.0, 2.0], [3.0, 4.0]])], ord=1)
        return [
            *xs,
            *ys,
            *matrix,
            *t._foreach_norm(xs),
            *t._foreach_div(xs, ys),
            *t._foreach_neg(xs),
            *t._foreach_mul(xs, [2.0, 3.0]),
        ]

    same(run(cr), run(torch))
    for wrong in "_foreach_nothing", "_foreach_":
        with pytest.raises(AttributeError):
            getattr(cr, wrong)
