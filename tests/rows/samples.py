"""Sample arguments for every row. A row without an entry here, or in a file `samples_*.py` beside it, fails a test."""

import importlib
from pathlib import Path

import numpy as np
import sampling
from sampling import (
    C128,
    COMPLEX,
    F32,
    F64,
    INT,
    Sample,
    along_axis,
    aside,
    binary,
    bools,
    compared,
    integer_pairs,
    ints,
    modular,
    moved,
    normal,
    over_axes,
    spread,
    steps,
    truth_pairs,
    unary,
)

sampling.start(20)

FULL = slice(None)


def _array():
    from chainrule.ops.indexing import ARRAY

    return ARRAY


ARRAY = _array()

# (shape of the array, static key, index arrays)
KEYS = [
    ((4,), 2, ()),
    ((4,), -1, ()),
    ((4,), slice(1, None, 2), ()),
    ((4,), slice(None, None, -1), ()),
    ((3, 4), (slice(None, None, -2), 1), ()),
    ((3, 4), (None, Ellipsis, slice(0, 2)), ()),
    ((3, 4), (1, None), ()),
    ((3, 4), Ellipsis, ()),
    ((3, 4), (1, 2), ()),
    ((), (), ()),
    ((), (None,), ()),
    ((3, 4), (slice(3, 3),), ()),
    ((0, 3), (FULL, slice(1, 2)), ()),
    ((4,), (ARRAY,), (np.array([0, 2, 0, 3, 2]),)),
    ((4,), (ARRAY,), (np.array([[0, -1], [1, 1]]),)),
    ((4,), (ARRAY,), (np.array(2),)),
    ((4,), (ARRAY,), (np.array([], int),)),
    ((3, 4), (ARRAY, ARRAY), (np.array([0, 2, 0]), np.array([1, 3, 1]))),
    ((3, 4), (ARRAY, ARRAY), (np.array([[0], [2]]), np.array([1, 3, 1]))),
    ((3, 4), (FULL, ARRAY), (np.array([1, 1, 0]),)),
    ((3, 4), (ARRAY, slice(None, None, -1)), (np.array([1, 2]),)),
    ((3, 4, 2), (ARRAY, FULL, ARRAY), (np.array([0, 2]), np.array([1, 1]))),
    ((3, 4, 2), (0, FULL, ARRAY), (np.array([1, 0, 1]),)),
    ((3, 4, 2), (FULL, 1, ARRAY), (np.array([1, 0, 1]),)),
    ((3, 4, 2), (Ellipsis, ARRAY, None), (np.array([1, 0, 1]),)),
    ((3, 4, 2), (ARRAY, None, ARRAY), (np.array([0, 2]), np.array([1, 3]))),
    ((2, 3, 4, 2), (FULL, ARRAY, FULL, ARRAY), (np.array([[0], [2]]), np.array([1, 1]))),
    ((2, 3, 4, 2), (FULL, ARRAY, ARRAY), (np.array([0, 0]), np.array([[1], [3]]))),
]


def index_samples():
    samples = [Sample(normal(*shape), key=key) for shape, key, indices in KEYS if not indices]
    return samples + [Sample(normal(4, dtype=d), key=slice(1, None)) for d in (F32, C128, INT)]


def gather_samples():
    samples = [Sample(normal(*shape), *indices, key=key) for shape, key, indices in KEYS if indices]
    return samples + [Sample(normal(4, dtype=d), np.array([1, 1, 3]), key=(ARRAY,)) for d in (F32, C128, INT)]


def update_samples():
    from chainrule.ops.indexing import result_shape

    samples = []
    for shape, key, indices in KEYS:
        selected = result_shape(shape, key, [i.shape for i in indices])
        samples.append(Sample(normal(*shape), normal(*selected), *indices, key=key))
    two = np.array([1, 1, 3])
    samples += [Sample(normal(4, dtype=d), normal(3, dtype=d), two, key=(ARRAY,)) for d in (F32, C128, INT)]
    samples += [
        Sample(normal(4), normal(), two, key=(ARRAY,)),
        Sample(normal(4), 2.0, two, key=(ARRAY,)),
        Sample(normal(3, 4), normal(2, 1), two[:2], key=(ARRAY,)),
        Sample(normal(3, 4), normal(1, 4), key=(slice(0, 2),)),
        Sample(normal(4), normal(1, 1, 3), two, key=(ARRAY,)),
        Sample(normal(3, 4), normal(1, 3), key=(FULL, 1)),
        Sample(normal(3, 4), normal(), key=(FULL, 1)),
        Sample(normal(3, 4, 2), normal(4), np.array([1, 1]), key=(0, FULL, ARRAY)),
        Sample(normal(2, 4, 3), normal(2, 1), two, key=(FULL, ARRAY, 2)),
    ]
    return samples


def pairs_of(*params, name=None, dtypes=((F64, F64), (F32, F32), (C128, C128), (F32, F64), (C128, F64), (F64, C128))):
    samples = []
    for n, (s, s2, *p) in enumerate(params):
        for d, d2 in dtypes if n < 2 else dtypes[:1]:
            samples.append(Sample(normal(*s, dtype=d), normal(*s2, dtype=d2), **({name: p[0]} if name else {})))
    return samples


def window(*axes, groups=None, **others):
    """Static parameters from a (size, stride, (before, after), dilation) for each spatial axis."""
    size, stride, padding, dilation = (tuple(a) for a in zip(*axes, strict=True))
    geometry = {"stride": stride, "padding": padding, "dilation": dilation}
    return {**others, **geometry, "groups": groups} if groups else {**others, "window": size, **geometry}


# (shape of x, outputs, a window axis for each spatial one, groups)
CONVOLUTIONS = [
    ((2, 2, 5), 3, [(3, 1, (1, 1), 1)], 1),
    ((2, 4, 6), 4, [(2, 2, (0, 1), 2)], 2),
    ((1, 2, 4, 5), 2, [(2, 1, (0, 0), 1), (3, 2, (1, 2), 1)], 1),
    ((2, 3, 3, 4), 6, [(2, 1, (1, 0), 2), (1, 1, (0, 0), 1)], 3),
    ((2, 1, 3, 3), 2, [(1, 1, (0, 0), 1), (1, 1, (0, 0), 1)], 1),
    ((1, 2, 2, 3, 2), 2, [(2, 1, (1, 0), 1), (2, 2, (0, 0), 1), (1, 1, (0, 0), 1)], 2),
    ((0, 2, 3), 2, [(2, 1, (0, 0), 1)], 1),
]


def convolutions(which):
    samples = []
    for n, (shape, outputs, axes, groups) in enumerate(CONVOLUTIONS):
        params = window(*axes, groups=groups)
        sizes, kernel = shape[2:], tuple(r for r, *_ in axes)
        places = tuple((m + lo + hi - d * (r - 1) - 1) // s + 1 for m, (r, s, (lo, hi), d) in zip(sizes, axes, strict=True))
        x, w, y = shape, (outputs, shape[1] // groups, *kernel), (shape[0], outputs, *places)
        first, second, extra = {
            "conv": (x, w, {}),
            "conv_input_grad": (y, w, {"sizes": sizes}),
            "conv_weight_grad": (x, y, {"kernel": kernel}),
        }[which]
        pairs = ((F64, F64), (F32, F32), (C128, C128), (F32, F64), (C128, F64), (F64, C128), (F64, INT))
        for d, d2 in pairs if n < 2 else pairs[:1]:
            samples.append(Sample(normal(*first, dtype=d), normal(*second, dtype=d2), **extra, **params))
    return samples


# (shape of x, a window axis for each spatial one)
POOLS = [
    ((2, 5), [(2, 2, (0, 0), 1)]),
    ((7,), [(3, 1, (1, 1), 2)]),
    ((2, 1, 4, 5), [(2, 1, (1, 0), 1), (3, 2, (1, 1), 1)]),
    ((3, 3, 3), [(2, 1, (0, 1), 2), (1, 1, (0, 0), 1)]),
    ((2, 2, 3, 4), [(2, 2, (0, 0), 1), (2, 1, (1, 1), 1), (3, 1, (0, 0), 1)]),
    ((0, 3), [(2, 1, (0, 0), 1)]),
]


def pools(which):
    samples = []
    for n, (shape, axes) in enumerate(POOLS):
        params, k = window(*axes), len(shape) - len(axes)
        places = [(m + lo + hi - d * (r - 1) - 1) // s + 1 for m, (r, s, (lo, hi), d) in zip(shape[k:], axes, strict=True)]
        y = (*shape[:k], *places)
        linear = (F64, F32, C128, INT) if n < 2 else (F64,)
        ordered = (F64, F32, INT) if n < 2 else (F64,)
        if which == "max_pool":
            samples += [Sample(spread(shape, -8, 8, d), **params) for d in ordered]
        elif which in ("max_pool_select", "max_pool_scatter"):
            first = shape if which == "max_pool_select" else y
            samples += [Sample(normal(*first, dtype=d), spread(shape, -8, 8), **params) for d in linear]
            samples += [Sample(normal(*first), spread(shape, -8, 8, d), **params) for d in ordered[1:]]
        elif which == "window_sum":
            samples += [Sample(normal(*shape, dtype=d), **params) for d in linear]
        else:
            samples += [Sample(normal(*y, dtype=d), sizes=shape[k:], **params) for d in linear]
    return samples


# --- graphs as parameters ---------------------------------------------------------------------------------------------


def written_down(f, *shapes, dtypes=()):
    """The graph of f for arguments of these shapes, float64 unless told."""
    from chainrule.core.aval import Aval
    from chainrule.transforms.abstract import trace

    dtypes = [*dtypes, *[F64] * (len(shapes) - len(dtypes))]
    return trace(f, [Aval(s, d) for s, d in zip(shapes, dtypes, strict=True)], "f").graph


def graph_samples():
    two = written_down(lambda x, y: [np.sin(x) * y, (x * x).sum()], (2, 3), (3,))
    fixed = written_down(lambda x: [x * 0.5, np.arange(3.0)], (3,))
    branches = two, written_down(lambda x, y: [x + y, y.sum()], (2, 3), (3,))
    args = normal(2, 3), normal(3)
    # consts (3, 3), carries (3,) and an integer, slices (3,)
    body = written_down(
        lambda w, h, n, x: [np.tanh(w @ h) + x, n + 1, (h * x).sum(), h * n],
        (3, 3), (3,), (), (3,), dtypes=(F64, F64, INT),
    )  # fmt: skip
    scan = {"body": body, "consts": 1, "carries": 2}
    floats = written_down(lambda w, h, x: [np.tanh(w @ h) + x, (h * x).sum()], (3, 3), (3,), (3,))
    alone = {"body": floats, "consts": 1, "carries": 1}
    w = normal(3, 3) * 0.5
    step = written_down(lambda w, h, s: [np.tanh(w @ h) + s, s * 1.5], (3, 3), (3,), ())
    test = written_down(lambda w, h, s: s < 3.1, (3, 3), (3,), ())
    loop = {"condition": test, "body": step, "consts": 1}
    back_again = written_down(lambda w, h, s, a: [np.sin(a) + w @ h * s], (3, 3), (3,), (), (3,))
    sweeps = {"graphs": (step, back_again), "consts": 1, "carries": (2, 1), "ways": (True, False)}
    counted = written_down(lambda i, s: [i + 1, s * s * 0.7], (), (), dtypes=(INT,))
    few = {"condition": written_down(lambda i, s: i < 2, (), (), dtypes=(INT,)), "body": counted, "consts": 0}

    def back(body, moving, given, **params):
        from chainrule.transforms.abstract import vjp_graph

        return {"body": body, "pull": vjp_graph(body, moving, given).graph, "moving": moving, **params}

    def with_rules(**rules):
        from chainrule.transforms.custom import custom_jvp, custom_vjp

        f = (custom_jvp if "jvp" in rules else custom_vjp)(lambda x, y: np.sin(x) * y)
        (f.defjvp if "jvp" in rules else f.defvjp)(*rules.values())
        (step,) = written_down(f, (2, 3), (3,)).steps
        return step.params

    def push(xs, ts):
        return np.sin(xs[0]) * xs[1], np.cos(xs[0]) * xs[1] * ts[0] + np.sin(xs[0]) * ts[1]

    def pull(kept, g):
        return np.cos(kept[0]) * kept[1] * g, (np.sin(kept[0]) * g).sum(0)

    return {
        "custom": [
            Sample(*args, **with_rules(jvp=push)),
            Sample(*args, **with_rules(fwd=lambda x, y: (np.sin(x) * y, (x, y)), bwd=pull)),
        ],
        "program": [Sample(*args, graph=two), Sample(normal(3), graph=fixed)],
        "cond": [
            Sample(np.array(True), *args, branches=branches),
            Sample(np.array(False), *args, branches=branches),
            Sample(False, *args, branches=branches),
        ],
        "scan": [
            Sample(w, normal(3), normal(4, 3), **alone, length=4, reverse=False),
            Sample(w, normal(3), normal(4, 3), **alone, length=4, reverse=True),
            Sample(w, normal(3), np.array(2), normal(4, 3), **scan, length=4, reverse=False),
            Sample(w, normal(3), normal(0, 3), **alone, length=0, reverse=False),
        ],
        "while_loop": [
            Sample(w, normal(3), np.array(0.9), **loop),
            Sample(w, normal(3), np.array(5.0), **loop),
            Sample(np.array(0), np.array(1.1), **few),
        ],
        "sweeps": [
            Sample(np.array(n), w, np.array([0.3, -0.5, 0.8]), np.array(0.9), np.array([0.6, 0.2, -0.7]), **sweeps)
            for n in (3, 0)
        ],
        "while_backward": [
            Sample(np.array(3), w, normal(3), np.array(0.9), normal(3), normal(),
                   **back(step, (True, True, True), (True, True), consts=1)),
            Sample(np.array(3), w, normal(3), np.array(0.9), normal(3),
                   **back(step, (True, True, False), (True, False), consts=1)),
            Sample(np.array(0), np.array(1), np.array(1.1), normal(), **back(counted, (False, True), (False, True), consts=0)),
        ],
    }  # fmt: skip


SAMPLES = {
    **graph_samples(),
    "paused": aside(lambda: [Sample(normal(2, 3)), Sample(normal(3, dtype=C128)), Sample(ints(0, 3, 2))]),
    "constant": [Sample(normal(2, 3)), Sample(normal(3, dtype=C128)), Sample(ints(0, 3, 2))],
    # shaping
    "reshape": moved(((2, 3), (3, 2)), ((0, 2), (2, 0, 1)), ((), (1, 1)), name="shape"),
    "transpose": moved(((2, 3, 4), (2, 0, 1)), ((0, 2), (1, 0)), ((), ()), name="perm"),
    "broadcast_to": moved(((3, 1), (2, 3, 4)), ((), (2,)), ((1, 2), (0, 2)), ((0, 1), (2, 0, 3)), name="shape"),
    "sum": over_axes(-1, 2, complex=True) + [Sample(bools(3), axes=(0,))],
    "flip": moved(((2, 3), (0, 1)), ((3, 0), (0,)), ((2, 2), (1,)), name="axes"),
    "pad": moved(((2, 3), ((1, 0), (0, 2))), ((0,), ((1, 1),)), ((), ()), name="widths"),
    "astype": [Sample(normal(2, 3, dtype=d), dtype=to) for d in (F64, F32, C128, INT) for to in (F64, F32, C128) if d != to]
    + [Sample(normal(3), dtype=INT), Sample(normal(), dtype=F32), Sample(normal(0, 2), dtype=F32)],
    # elementwise
    "conjugate": unary(-2, 2, COMPLEX),
    "masked_multiply": binary(-2, 2, complex=True),
    "add": binary(-2, 2, complex=True),
    "subtract": binary(-2, 2, complex=True),
    "multiply": binary(-2, 2, complex=True),
    "divide": binary(-2, 2, 0.5, 2.5, complex=True),
    "negative": unary(-2, 2, COMPLEX),
    "square": unary(-2, 2, COMPLEX),
    "reciprocal": unary(0.5, 2, COMPLEX, integers=False),
    "power": binary(0.5, 2, 0.6, 2.3, complex=True)
    + [
        Sample(spread((3,), -2, 2), 3),
        Sample(spread((3,), -2, 2), 1),
        Sample(spread((3,), -2, 2), 0),
        Sample(spread((3,), -2, 2), np.array([0, 1, 2])),
        Sample(spread((3,), 0.5, 2), -2),
        Sample(spread((3,), 0.5, 2), 0.5),
        Sample(spread((3,), -2, 2, C128), 3),
        Sample(ints(1, 4, 3), 2),
    ],
    "remainder": modular(),
    "fmod": modular(),
    "trunc": steps(unary(-2.2, 2.3)),
    "floor_divide": modular(),
    "maximum": binary(-2, 2.1, -1.8, 2.2, complex=True),
    "minimum": binary(-2, 2.1, -1.8, 2.2, complex=True),
    "fmax": binary(-2, 2.1, -1.8, 2.2, complex=True),
    "fmin": binary(-2, 2.1, -1.8, 2.2, complex=True),
    "where": [
        Sample(bools(2, 3), normal(2, 3), normal(3)),
        Sample(bools(3), normal(2, 1), normal()),
        Sample(bools(), normal(2), normal(1)),
        Sample(bools(1, 3), normal(0, 1), normal(3)),
        Sample(np.array([True, False]), normal(2, dtype=F32), normal(2, dtype=F64)),
        Sample(np.array([True, False]), normal(2, dtype=C128), normal(2)),
        Sample(np.array([True, False]), normal(2, dtype=F32), 0),
        Sample(np.array([True, False]), 1.5, normal(2, dtype=F32)),
        Sample(np.array([True, False]), ints(0, 5, 2), normal(2)),
        Sample(np.array([2, 0]), normal(2), normal(2)),
    ],
    "clip": [
        Sample(spread((2, 3), -2, 2), np.array(-1.33), np.array(0.67)),  # between the places of spread
        Sample(spread((3,), -2, 2, F32), -1.0, 1.0),
        Sample(spread((2, 3), -2, 2), spread((3,), -1, -0.5), spread((2, 1), 0.5, 1)),
        Sample(spread((0, 3), -2, 2), spread((3,), -1, -0.5), 2.0),
        Sample(spread((3,), -2, 2), np.array(1.1), np.array(-0.9)),
        Sample(spread((), -2, 2), -5.0, 5.0),
        Sample(spread((3,), -2, 2, F32), spread((3,), -1, -0.5), 1),
        Sample(spread((2, 3), -2, 2, C128), spread((3,), -1, -0.5, C128), np.array(1.1)),
    ],
    "absolute": unary(-2, 2.3, COMPLEX),
    "sign": unary(-2, 2.3),  # of complex numbers `cr.sign` is x / |x|
    "signbit": unary(-2, 2.3),
    "copysign": binary(0.5, 2, -2, 2.3) + binary(-2, -0.5, -2, 2.3),
    "heaviside": binary(0.5, 2.3, 0.2, 1.8) + binary(-2.3, -0.5, 0.2, 1.8, mixed=False),
    "real": unary(-2, 2, COMPLEX),
    "imag": unary(-2, 2, COMPLEX),
    "from_parts": [Sample(spread((2, 3), -2, 2, d), spread((2, 3), -1, 1.5, d)) for d in (F64, F32)],
    "exp": unary(-2, 2, COMPLEX),
    "exp2": unary(-2, 2, COMPLEX),
    "expm1": unary(-2, 2, COMPLEX),
    "log": unary(0.5, 2, COMPLEX),
    "log2": unary(0.5, 2, COMPLEX),
    "log10": unary(0.5, 2, COMPLEX),
    "log1p": unary(-0.5, 2, COMPLEX),
    "logaddexp": binary(-2, 2),
    "logaddexp2": binary(-2, 2),
    "sqrt": unary(0.5, 2, COMPLEX),
    "cbrt": unary(0.5, 2) + unary(-2, -0.5, integers=False),
    "hypot": binary(0.5, 2) + binary(-2, -0.5, mixed=False),
    "sin": unary(-2, 2, COMPLEX),
    "cos": unary(-2, 2, COMPLEX),
    "tan": unary(-1, 1, COMPLEX),
    "arcsin": unary(-0.8, 0.8, COMPLEX),
    "arccos": unary(-0.8, 0.8, COMPLEX),
    "arctan": unary(-2, 2, COMPLEX),
    "arctan2": binary(0.5, 2) + binary(-2, -0.5, 0.5, 1, mixed=False),
    "sinh": unary(-2, 2, COMPLEX),
    "cosh": unary(-2, 2, COMPLEX),
    "tanh": unary(-2, 2, COMPLEX),
    "arcsinh": unary(-2, 2, COMPLEX),
    "arccosh": unary(1.5, 3, COMPLEX),
    "arctanh": unary(-0.8, 0.8, COMPLEX),
    "sigmoid": unary(-2, 2, COMPLEX),
    "softplus": unary(-2, 2),
    "relu": unary(-2, 2.3),
    # comparison
    **{name: steps(unary(-2.2, 2.3)) for name in ("floor", "ceil")},
    "rint": steps(unary(-2.2, 2.3, COMPLEX)),
    "round": [
        Sample(s.args[0] / (10**k if s.args[0].dtype.kind in "fc" else 1), decimals=k)
        for s in steps(unary(-2.2, 2.3, COMPLEX))
        for k in (0, 1)
    ],
    **{name: compared() for name in ("equal", "not_equal", "less", "less_equal", "greater", "greater_equal")},
    **{name: unary(-2, 2, COMPLEX) for name in ("isnan", "isinf", "isfinite")},
    **{name: truth_pairs() for name in ("logical_and", "logical_or", "logical_xor")},
    "logical_not": [Sample(bools(3)), Sample(normal(2, 3)), Sample(bools(0, 2)), Sample(normal(3, dtype=C128))],
    **{name: integer_pairs() + [Sample(bools(3), bools(2, 3))] for name in ("bitwise_and", "bitwise_or", "bitwise_xor")},
    "invert": [Sample(ints(0, 9, 3)), Sample(bools(2, 3)), Sample(bools(0))],
    "left_shift": integer_pairs(),
    "right_shift": integer_pairs(),
    # joining
    "concatenate": [
        Sample(normal(2, 3), normal(2, 1), normal(2, 0), axis=1, sizes=(3, 1, 0)),
        Sample(normal(2), normal(3), axis=0, sizes=(2, 3)),
        Sample(normal(2), axis=0, sizes=(2,)),
        Sample(normal(2, dtype=F32), normal(1), axis=0, sizes=(2, 1)),
        Sample(normal(2, dtype=F32), normal(1, dtype=F32), axis=0, sizes=(2, 1)),
        Sample(normal(2, dtype=C128), normal(1), axis=0, sizes=(2, 1)),
        Sample(normal(2), ints(0, 9, 1), axis=0, sizes=(2, 1)),
        Sample(ints(0, 9, 2), ints(0, 9, 1), axis=0, sizes=(2, 1)),
        Sample(normal(0, 2), normal(0, 2), axis=0, sizes=(0, 0)),
    ],
    # reduction
    "max": over_axes(-2, 2, complex=True, empty=False),
    "min": over_axes(-2, 2, complex=True, empty=False),
    "prod": over_axes(0.5, 2, complex=True)
    + over_axes(-2, -0.5, integers=False)
    + [
        Sample(np.array([0.0, 1.5, 2.0]), axes=(0,)),
        Sample(np.array([[0.0, 1.5, 0.0], [0.5, 0.0, 3.0]]), axes=(1,)),
        Sample(spread((7,), 0.5, 2), axes=(0,)),
        Sample(bools(3), axes=(0,)),
    ],
    "log_softmax": over_axes(-2, 2, complex=True, integers=False, empty=False),
    "logsumexp": over_axes(-2, 2, complex=True, dtypes=(F32,)),
    "norm": over_axes(0.5, 2),  # of complex numbers `cr.norm` takes the moduli first
    "all": over_axes(-2, 2, complex=True) + [Sample(bools(2, 3), axes=(1,))],
    "any": over_axes(-2, 2, complex=True) + [Sample(bools(2, 3), axes=(1,))],
    "argmax": along_axis(-2, 2, complex=True),
    "argmin": along_axis(-2, 2, complex=True),
    "cumsum": along_axis(-2, 2, complex=True, zeros=True),
    "cumprod": along_axis(0.5, 2, complex=True, zeros=True)
    + [Sample(np.array([1.5, 0.0, 2.0, 0.0, 3.0]), axis=0), Sample(spread((9, 2), 0.5, 2), axis=0)],
    # indexing
    "nonzero": [Sample(np.array([0.0, 1.0, 2.0])), Sample(bools(2, 3)), Sample(normal(0, 2)), Sample(np.array([0j, 1j]))],
    "index": index_samples(),
    "gather": gather_samples(),
    "index_add": update_samples(),
    "index_set": update_samples(),
    # sorting
    "argsort": along_axis(-2, 2, complex=True),
    "searchsorted": [
        Sample(np.array([0.1, 1.0, 2.5]), normal(2, 2), side="left", lead=0),
        Sample(np.sort(normal(2, 3), -1), normal(2, 4), side="left", lead=1),
        Sample(np.array([0.1, 1.0, 2.5]), normal(3, dtype=F32), side="right", lead=0),
        Sample(np.array([1, 4, 5]), np.array(4), side="right", lead=0),
        Sample(np.array([0.1j, 1.0, 2.5 + 1j]), normal(3, dtype=C128), side="left", lead=0),
        Sample(np.array([]), normal(2), side="left", lead=0),
    ],
    # contraction
    "matmul": pairs_of(
        ((2, 3), (3, 4)),
        ((2, 2, 3), (3, 2)),
        ((2, 3), (4, 3, 1)),
        ((2, 1, 2, 3), (3, 3, 2)),
        ((0, 3), (3, 2)),
        ((2, 0), (0, 3)),
        ((0, 2, 3), (3, 2)),
        ((1, 1), (1, 1)),
    )
    + [Sample(normal(2, 3), ints(0, 4, 3, 2)), Sample(ints(0, 4, 2, 3), ints(0, 4, 3, 2))],
    "contract": pairs_of(
        ((2, 3), (3, 4), ((0, 1), (1, 2), (0, 2))),
        ((2, 3, 4), (3, 2, 4), ((0, 1, 2), (1, 0, 3), (3, 0, 2))),
        ((2, 3, 4), (2, 5, 3), ((0, 1, 2), (0, 3, 1), (2, 0, 3))),
        ((3,), (3,), ((0,), (0,), ())),
        ((2, 0), (0, 3), ((0, 1), (1, 2), (2, 0))),
        ((), (2,), ((), (0,), (0,))),
        ((0, 2), (2,), ((0, 1), (1,), (0,))),
        name="labels",
    ),
    # convolution
    **{name: convolutions(name) for name in ("conv", "conv_input_grad", "conv_weight_grad")},
    # pooling
    **{name: pools(name) for name in ("max_pool", "max_pool_select", "max_pool_scatter", "window_sum", "window_spread")},
    # special
    "erf": unary(-2, 2, COMPLEX),
    "erfc": unary(-2, 2, COMPLEX),
    "erfinv": unary(-0.8, 0.8),
    "gammaln": unary(0.5, 3),
    "digamma": unary(0.5, 3),
    "polygamma": [
        Sample(np.array(1), spread((2, 3), 0.5, 3)),
        Sample(np.array([[0], [2]]), spread((3,), 0.5, 3)),
        Sample(1, spread((3,), 1, 3)),
        Sample(2, spread((0,), 1, 3)),
        Sample(1, spread((3,), 1, 3, F32)),
    ],
    # random
    "uniform_numbers": [
        Sample(np.array([1, 2, 3], np.uint64), shape=(2, 3), dtype=np.dtype(np.float64)),
        Sample(np.array([1, 2, 3], np.uint64), shape=(), dtype=np.dtype(np.float32), low=-1.0, width=2.5),
    ],
    "random_bits": [Sample(np.array([1, 2, 3], np.uint64), shape=(2, 3)), Sample(np.array([1, 2, 3], np.uint64), shape=())],
}

# Rows whose evaluation takes complex numbers and is holomorphic around the samples, so that the complex step is exact.
HOLOMORPHIC = {
    "reshape",
    "transpose",
    "broadcast_to",
    "sum",
    "flip",
    "pad",
    "masked_multiply",
    "add",
    "subtract",
    "multiply",
    "divide",
    "negative",
    "square",
    "reciprocal",
    "power",
    "where",
    "exp",
    "exp2",
    "expm1",
    "log",
    "log2",
    "log10",
    "log1p",
    "sqrt",
    "sin",
    "cos",
    "tan",
    "arcsin",
    "arccos",
    "arctan",
    "sinh",
    "cosh",
    "tanh",
    "arcsinh",
    "arctanh",
    "concatenate",
    "prod",
    "cumsum",
    "cumprod",
    "logsumexp",
    "index",
    "gather",
    "index_add",
    "index_set",
    "matmul",
    "contract",
    "conv",
    "conv_input_grad",
    "conv_weight_grad",
    "window_sum",
    "window_spread",
    "erf",
    "erfc",
}

for _file in sorted(Path(__file__).parent.glob("samples_*.py")):
    _family = importlib.import_module(_file.stem)
    SAMPLES.update(_family.SAMPLES)
    HOLOMORPHIC |= getattr(_family, "HOLOMORPHIC", set())
