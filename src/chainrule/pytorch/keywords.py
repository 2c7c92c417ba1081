"""PyTorch's names of arguments, for functions that bear one name in NumPy and PyTorch.

The functions keep NumPy's meaning; a keyword that only PyTorch has asks for PyTorch's.
"""

import functools
import itertools

import numpy as np

from .. import numpy_views as views
from ..core.dispatch import written
from ..core.value import Value, dtype_of, shape_of
from ..devices import on_cpu
from ..ops import elementwise, indexing, joining, segments, shaping
from ..ops.linalg.triangular import triangular_solve
from ..ops.shaping import as_value
from . import arithmetic

# Functions, and PyTorch's name = ours. Single words are the first argument, PyTorch's `input`.
TABLE = """
    tril triu diag: x diagonal=k
    diagflat: v offset=k
    unstack unbind: x dim=axis
    permute permute_dims: x dims=axes
    swapdims: x dim0=axis1 dim1=axis2
    flatten reshape ravel fliplr flipud trace t numel nan_to_num argwhere unflatten narrow narrow_copy is_complex: x
    is_floating_point is_nonzero isreal isposinf isneginf view_as_real view_as_complex sinc sgn rsqrt frac fix frexp: x
    positive deg2rad rad2deg round erfcx adjoint logdet bincount masked_fill masked_select masked_scatter: x
    repeat_interleave take_along_dim renorm diag_embed diagonal_scatter select_scatter slice_scatter index_put: x
    split_with_sizes combinations multinomial randint_like svd aminmax: x
    hstack vstack dstack column_stack row_stack: tensors=tup
    hsplit vsplit dsplit: x sections=parts indices=parts
    movedim moveaxis: x
    broadcast_to: x size=shape
    tile: x dims=reps
    roll: x shifts=shift dims=axis dim=axis
    rot90: x dims=axes
    matmul inner vdot kron dist isclose allclose nextafter copysign xlogy xlog1py: x other=y
    gcd lcm fmod equal: x other=y
    mm bmm: x mat2=y
    mv: x vec=y
    dot: x tensor=y
    outer ger: x vec2=y
    addmm: x mat1=a mat2=b
    addmv: x mat=a vec=v
    addr: x vec1=v vec2=w
    addcmul addcdiv: x tensor1=a tensor2=b
    baddbmm addbmm: x batch1=a batch2=b
    lerp: start
    ldexp: x other=i
    pow float_power: x exponent=y
    sub rsub div true_divide: x
    clamp clip: x
    clamp_min clamp_max: x
    index_select index_copy index_reduce: x index=indices source=values
    scatter_add scatter_reduce: x index=indices src=values
    chunk flip: x
    cdist: x1=x x2=y
    quantile nanquantile: x interpolation=method
    cov corrcoef: x correction=ddof
    bucketize poisson: x
    isin: elements=element test_element=test_elements
    bernoulli: p
    linspace logspace: end=stop steps=num
    full: size=shape
    det inverse eig slogdet pinverse matrix_power qr: a
    cholesky_solve: b input2=factor
    cholesky_inverse: factor
    matrix_exp: A
    mvlgamma: a
    std_mean var_mean: x axis=dim keepdims=keepdim
    polygamma: x
    manual_seed: seed
"""


def _table():
    found = {}
    for line in TABLE.strip().splitlines():
        names, renames = line.split(":")
        pairs = [word.partition("=") if "=" in word else ("input", "=", word) for word in renames.split()]
        found.update({name: {theirs: ours for theirs, _, ours in pairs} for name in names.split()})
    return found


RENAMED = _table()
WITHOUT_EFFECT = {"sparse_grad", "memory_format", "layout", "pin_memory"}


def renaming(f, aliases):
    """`f`, called with PyTorch's names too."""

    @functools.wraps(f)
    def wrapper(*args, **kwargs):
        for theirs in kwargs.keys() & aliases.keys() if kwargs else ():
            ours = aliases[theirs]
            if ours in kwargs:
                raise TypeError(f"{f.__name__}: {theirs!r} and {ours!r} are the same argument; give one of them")
            kwargs[ours] = kwargs.pop(theirs)
        return f(*args, **kwargs)

    return wrapper


# --- keywords that ask for another meaning ----------------------------------------------------------------------------


def _first(args, kwargs):
    """The arguments with the first one in its place."""
    return args if args else (kwargs.pop("input" if "input" in kwargs else "x"),)


def split(f):
    """With `dim` or PyTorch's name of its second argument, parts of a size, or of several; NumPy's has a number of parts."""

    @functools.wraps(f)
    def wrapper(*args, **kwargs):
        if "split_size" in kwargs:  # the method's name of it
            kwargs["split_size_or_sections"] = kwargs.pop("split_size")
        if not kwargs.keys() & {"dim", "split_size_or_sections", "input"}:
            return f(*args, **kwargs)
        x, *rest = _first(args, kwargs)
        sizes = rest.pop(0) if rest else kwargs.pop("split_size_or_sections")
        dim = rest.pop(0) if rest else kwargs.pop("dim", 0)
        n = shape_of(x)[dim]
        if isinstance(sizes, (int, np.integer)):
            sizes = [min(sizes, n - start) for start in range(0, n, sizes)] or [0]
        elif sum(sizes) != n:
            raise ValueError(f"split: {list(sizes)} do not add up to {n}, the length of axis {dim}")
        return tuple(views.split(x, list(itertools.accumulate(sizes))[:-1], dim, **kwargs))

    return wrapper


def spread(f):
    """`unbiased` says whether to divide by n - 1; with `dim` or `keepdim` alone, as PyTorch does, it is."""

    @functools.wraps(f)
    def wrapper(*args, **kwargs):
        if len(args) == 2 and isinstance(args[1], (bool, np.bool_)):  # x.std(False): no axis is meant
            *rest, kwargs["unbiased"] = args
            args = tuple(rest)
        elif len(args) > 2 and isinstance(args[2], (bool, np.bool_)):  # x.std(1, False, True)
            kwargs.update(zip(("unbiased", "keepdim"), args[2:], strict=False))
            args = args[:2]
        if "unbiased" in kwargs:
            kwargs["correction"] = int(kwargs.pop("unbiased"))
        elif kwargs.keys() & {"dim", "keepdim"} and not kwargs.keys() & {"correction", "ddof"}:
            kwargs["correction"] = 1
        return f(*_first(args, kwargs), **kwargs)

    return wrapper


def in_dtype(f):
    """`dtype` is what the argument is cast to before."""

    @functools.wraps(f)
    def wrapper(*args, dtype=None, **kwargs):
        x, *rest = _first(args, kwargs)
        return f(x if dtype is None else shaping.cast(as_value(x), np.dtype(dtype)), *rest, **kwargs)

    return wrapper


def norm(f):
    """`p` is the norm of vectors: of all elements as one, where no axis is given."""

    @functools.wraps(f)
    def wrapper(*args, p=None, dtype=None, **kwargs):
        x, *rest = _first(args, kwargs)
        x = as_value(x) if dtype is None else shaping.cast(as_value(x), np.dtype(dtype))
        if p is None:
            return f(x, *rest, **kwargs)
        if not rest and isinstance(p, (int, float)) and kwargs.get("dim", kwargs.get("axis")) is None:
            out = f(shaping.reshape(x, (-1,)), p)
            return shaping.reshape(out, (1,) * len(shape_of(x))) if kwargs.get("keepdim") else out
        return f(x, p, *rest, **kwargs)

    return wrapper


def where(f):
    """A condition alone gives the places where it holds."""
    renamed = renaming(f, {"input": "x", "other": "y"})

    @functools.wraps(f)
    def wrapper(*args, **kwargs):
        return renamed(*args, **kwargs) if kwargs or len(args) != 1 else indexing.nonzero(*args)

    return wrapper


def diagonal(f):
    """With `dim1` or `dim2`, a view that can be written, as PyTorch's are."""
    writable = renaming(views.writable_diagonal, {"input": "x", "dim1": "axis1", "dim2": "axis2"})

    @functools.wraps(f)
    def wrapper(*args, **kwargs):
        return (writable if kwargs.keys() & {"dim1", "dim2", "input"} else f)(*args, **kwargs)

    return wrapper


def unique(f):
    """The elements are always `sorted`."""

    @functools.wraps(f)
    def wrapper(*args, sorted=True, dim=None, **kwargs):
        return f(*_first(args, kwargs), **kwargs) if dim is None else f(*_first(args, kwargs), axis=dim, **kwargs)

    return wrapper


def arange(f):
    """`end` is where it stops, alone too."""

    @functools.wraps(f)
    def wrapper(*args, **kwargs):
        if "end" in kwargs:
            args = (*(args or (kwargs.pop("start", 0),)), kwargs.pop("end"))
        return f(*args, **kwargs)

    return wrapper


def solve_triangular(f):
    """`upper` says which triangle is read, `left=False` solves x @ a = b."""

    @functools.wraps(f)
    def wrapper(*args, upper=None, left=True, unitriangular=None, **kwargs):
        if upper is None:
            return f(*args, **kwargs)
        a, b = map(as_value, (*args, *(kwargs.pop(name) for name in ("A", "B") if name in kwargs)))
        if left:
            return triangular_solve(a, b, lower=not upper, unit_diagonal=bool(unitriangular))
        x = triangular_solve(
            shaping.matrix_transpose(a), shaping.matrix_transpose(b), lower=upper, unit_diagonal=bool(unitriangular)
        )
        return shaping.matrix_transpose(x)

    return wrapper


def transpose(f):
    """`dim0` and `dim1` are exchanged."""

    @functools.wraps(f)
    def wrapper(*args, **kwargs):
        x, *rest = _first(args, kwargs)
        if "dim1" in kwargs:
            return views.swapaxes(x, *(rest or [kwargs.pop("dim0")]), kwargs.pop("dim1"), **kwargs)
        return f(x, *rest, **kwargs)

    return wrapper


def swapaxes(f):
    @functools.wraps(f)
    def wrapper(*args, **kwargs):
        if "axis0" in kwargs:
            return f(*_first(args, kwargs), kwargs["axis0"], kwargs["axis1"])
        return f(*_first(args, kwargs), **kwargs)

    return wrapper


def scatter(f):
    """The values are called `src`, or `value` where they are one number."""

    @functools.wraps(f)
    def wrapper(*args, **kwargs):
        for theirs, ours in ("src", "values"), ("value", "values"), ("index", "indices"):
            if theirs in kwargs:
                kwargs[ours] = kwargs.pop(theirs)
        if "reduce" in kwargs:
            kwargs["reduce"] = {"add": "sum", "multiply": "prod"}[kwargs["reduce"]]
            given = dict(zip(("x", "axis", "indices", "values"), _first(args, kwargs), strict=False)) | kwargs
            x, index, values = given.pop("x"), as_value(given.pop("indices")), as_value(given.pop("values"))
            values = values if shape_of(values) else shaping.broadcast_to(values, shape_of(index))
            axis = given.pop("dim") if "dim" in given else given.pop("axis")
            return segments.scatter_reduce(x, axis, index, shaping.cast(values, dtype_of(x)), **given)
        return f(*_first(args, kwargs), **kwargs)

    return wrapper


def extremum(f, pairwise):
    """`other` is what is compared element by element, as is a second Tensor, which no axis is."""
    chosen = keeping(f)

    @functools.wraps(f)
    def wrapper(*args, **kwargs):
        if len(args) == 2 and isinstance(args[1], Value) and not kwargs:
            return pairwise(*args)
        return pairwise(*_first(args, kwargs), kwargs["other"]) if "other" in kwargs else chosen(*args, **kwargs)

    return wrapper


def keeping(f):
    """A boolean where NumPy has `out` is PyTorch's `keepdim`, which asks for the pair."""

    @functools.wraps(f)
    def wrapper(*args, **kwargs):
        if len(args) == 3 and isinstance(args[2], bool):  # x.max(1, True)
            kwargs["keepdim"] = args[2]
            args = args[:2]
        return f(*args, **kwargs)

    return wrapper


def add(f):
    @functools.wraps(f)
    def wrapper(*args, alpha=1, **kwargs):
        if alpha == 1:
            return f(*args, **kwargs)
        x, *rest = _first(args, kwargs)
        other = rest[0] if rest else kwargs["other"]
        return elementwise.add(x, elementwise.multiply(other, alpha))

    return wrapper


def divide(f):
    @functools.wraps(f)
    def wrapper(*args, rounding_mode=None, **kwargs):
        return f(*args, **kwargs) if rounding_mode is None else arithmetic.div(*args, rounding_mode=rounding_mode, **kwargs)

    return wrapper


def index_add(f):
    """With PyTorch's four arguments, or their names."""

    @functools.wraps(f)
    def wrapper(*args, alpha=1, **kwargs):
        if len(args) < 4 and not kwargs.keys() & {"dim", "index", "source"}:
            return f(*args, **kwargs)
        names = ("input", "dim", "index", "source")
        given = dict(zip(names, args, strict=False)) | kwargs
        x, dim, index, source = (given[name] for name in names)
        key = (slice(None),) * shaping.normalize_axis(dim, len(shape_of(x))) + (as_value(index),)
        return indexing.index_add(x, key, source if alpha == 1 else elementwise.multiply(source, alpha))

    return wrapper


def logit(f):
    @functools.wraps(f)
    def wrapper(*args, eps=None, **kwargs):
        x = _first(args, kwargs)[0]
        return f(x if eps is None else elementwise.clip(x, eps, 1 - eps))

    return wrapper


def nonzero(f):
    """`as_tuple=False` gives a matrix with a row for each element."""

    @functools.wraps(f)
    def wrapper(*args, as_tuple=True, **kwargs):
        places = f(*_first(args, kwargs))
        return places if as_tuple else joining.stack(places, -1)

    return wrapper


def searchsorted(f):
    @functools.wraps(f)
    def wrapper(*args, right=None, **kwargs):
        for theirs, ours in ("sorted_sequence", "a"), ("input", "v"):
            if theirs in kwargs:
                kwargs[ours] = kwargs.pop(theirs)
        if right is not None:
            kwargs["side"] = "right" if right else "left"
        return f(*args, **kwargs)

    return wrapper


def triangle_indices(f):
    """`row`, `col` and `offset` are PyTorch's, whose result is a matrix of two rows."""

    @functools.wraps(f)
    def wrapper(*args, **kwargs):
        if not kwargs.keys() & {"row", "col", "offset", "device"}:
            return f(*args, **kwargs)
        on_cpu(kwargs.pop("device", None))
        given = dict(zip(("row", "col", "offset"), args, strict=False)) | kwargs
        found = np.stack(f(given["row"], given.get("offset", 0), given["col"]))
        return found.astype(given.get("dtype") or np.int64)

    return wrapper


def placed(f, renames):
    """`device` is the CPU; what concerns memory has no effect."""
    inner = renaming(f, renames)

    @functools.wraps(f)
    def wrapper(*args, device=None, **kwargs):
        on_cpu(device)
        return inner(*args, **{name: v for name, v in kwargs.items() if name not in WITHOUT_EFFECT})

    return wrapper


def qr(f):
    """`some=False` gives complete factors."""

    @functools.wraps(f)
    def wrapper(*args, some=None, **kwargs):
        return f(*args, **kwargs) if some is None else f(*args, mode="reduced" if some else "complete", **kwargs)

    return wrapper


def squeeze(f):
    """`dim` names axes that are removed where their length is 1; NumPy's `axis` must name such axes."""

    @functools.wraps(f)
    def wrapper(*args, **kwargs):
        x, *rest = _first(args, kwargs)
        if "dim" in kwargs:
            axes = shaping.normalize_axes(kwargs.pop("dim"), len(shape_of(x)))
            kwargs["axis"] = tuple(a for a in axes if shape_of(x)[a] == 1)
        return f(x, *rest, **kwargs)

    return wrapper


def meshgrid(f):
    """Tensors in a list are PyTorch's, whose first one runs along the first axis; NumPy takes a list for one vector."""

    @functools.wraps(f)
    def wrapper(*xs, **kwargs):
        if len(xs) == 1 and isinstance(xs[0], (list, tuple)) and xs[0] and all(isinstance(x, Value) for x in xs[0]):
            return f(*xs[0], **{"indexing": "ij", **kwargs})
        return f(*xs, **kwargs)

    return wrapper


def lstsq(f):
    """`driver` is LAPACK's way, of which there is one here."""

    @functools.wraps(f)
    def wrapper(*args, driver=None, **kwargs):
        return renaming(f, {"A": "a", "B": "b"})(*args, **kwargs)

    return wrapper


def like(f):
    return placed(f, {"input": "x"})


def writing(f):
    """`out` is the Tensor that the result is written into."""

    @functools.wraps(f)
    def wrapper(*args, out=None, **kwargs):
        result = f(*args, **kwargs)
        return result if out is None else written(out, result)

    return wrapper


OTHERS = {
    "split": split,
    "std": spread, "var": spread, "std_mean": spread, "var_mean": spread,
    "softmax": in_dtype, "log_softmax": in_dtype,
    "transpose": transpose, "swapaxes": swapaxes,
    "scatter": scatter, "gather": lambda f: placed(f, {"input": "x", "index": "indices"}),
    "norm": norm, "arange": arange, "unique": unique, "where": where, "diagonal": diagonal,
    "max": lambda f: extremum(f, elementwise.maximum), "min": lambda f: extremum(f, elementwise.minimum),
    "median": keeping, "nanmedian": keeping,
    "add": add, "subtract": add, "divide": divide,
    "index_add": index_add, "logit": logit, "nonzero": nonzero, "searchsorted": searchsorted,
    "tril_indices": triangle_indices, "triu_indices": triangle_indices,
    "zeros": lambda f: placed(f, {"size": "shape"}), "ones": lambda f: placed(f, {"size": "shape"}),
    "empty": lambda f: placed(f, {"size": "shape"}),
    "zeros_like": like, "ones_like": like, "empty_like": like, "full_like": like, "rand_like": like, "randn_like": like,
    "clone": like, "qr": qr, "meshgrid": meshgrid, "squeeze": squeeze,
}  # fmt: skip


# Functions that write their result into `out`, besides those that are one operation on each element.
WRITING = (
    "add", "addbmm", "addcdiv", "addcmul", "addmm", "addmv", "addr", "baddbmm", "bmm", "cat", "clamp", "concatenate",
    "cumprod", "cumsum", "div", "divide", "eye", "lerp", "matmul", "max", "min", "mm", "mv", "norm", "outer", "pow", "rsqrt",
    "stack", "sub", "where",
)  # fmt: skip


def matrix(f):
    return renaming(f, {"A": "a"})


LINALG = {
    **dict.fromkeys(["det", "inv", "slogdet", "eig", "eigh", "eigvals", "eigvalsh", "qr", "svd"], matrix),
    "solve": lambda f: renaming(f, {"A": "a", "B": "b"}),
    "solve_triangular": solve_triangular,
    "norm": in_dtype,
    "lstsq": lstsq,
}


def accepting(function, name):
    """The function of this name, called with PyTorch's keywords too."""
    found = renaming(function, RENAMED[name]) if RENAMED.get(name) else function
    return _marked(OTHERS[name](found) if name in OTHERS else found, function)


def _marked(wrapper, function):
    if wrapper is not function:
        wrapper.__dict__["without_keywords"] = function
    return wrapper


def accept_in(names, get, put):
    """Replace each function of these names that is there: `get(name)`, `put(name, function)`."""
    for name in names:
        found = get(name)
        if found is not None:
            put(name, accepting(found, name))


def install(namespace, linalg):
    """Let the functions of the package, and those of linear algebra, take PyTorch's keywords."""
    accept_in({**RENAMED, **OTHERS}, namespace.get, namespace.__setitem__)
    for name in WRITING:
        namespace[name] = _marked(writing(namespace[name]), getattr(namespace[name], "without_keywords", namespace[name]))
    for name, way in LINALG.items():
        function = getattr(linalg, name)
        setattr(linalg, name, _marked(way(function), function))
