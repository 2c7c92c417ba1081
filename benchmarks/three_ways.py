"""Derivatives in three ways, numerical, symbolic and automatic: writes docs/three-ways.md and docs/three-ways.svg.

`python benchmarks/three_ways.py` (a minute; needs the extras `symbolic` and `plot`, and mpmath, which SymPy brings along).
"""

import os
import time
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")

import mpmath
import numpy as np
import sympy
from matplotlib.figure import Figure

import chainrule as cr
from chainrule.plot import BLUE, GREEN, LOOK, ORANGE, RED, _matplotlib

DOCS = Path(__file__).resolve().parents[1] / "docs"
mpmath.mp.dps = 50


def seconds(f, *args, budget=0.3):
    """The shortest of several runs."""
    best, spent = float("inf"), 0.0
    while spent < budget:
        start = time.perf_counter()
        f(*args)
        took = time.perf_counter() - start
        best, spent = min(best, took), spent + took
    return best


# --- accuracy: one number in, one out -------------------------------------------------------------------------------


def wave(x, m=np):
    return m.exp(m.sin(3 * x)) / (1 + x * x)


def long_loop(x, m=np):
    for _ in range(50):
        x = x + 0.1 * m.sin(x) * m.cos(2 * x)
    return x


def cancelling(x, m=np):
    return (1 - m.cos(x)) / (x * x)


ACCURACY = [
    ("exp(sin 3x) / (1 + x²)", wave, 0.7),
    ("50 steps of x + sin(x) cos(2x) / 10", long_loop, 0.7),
    ("(1 - cos x) / x² at 0.1", cancelling, 0.1),
]


def exact(f, x):
    return mpmath.diff(lambda t: f(t, mpmath), mpmath.mpf(x))


def errors_at(f, x):
    """Relative error of the derivative by each method, and evaluations of f; None where it takes too long."""
    true = exact(f, x)

    def off(value):
        return float(abs((mpmath.mpf(float(value)) - true) / true))

    found = {"automatic": (off(cr.grad(f)(x)), None)}
    symbol = sympy.Symbol("x")
    if f is not long_loop:
        slope = sympy.lambdify(symbol, cr.symbolic.expression(f, "x").diff(symbol))
        found["symbolic"] = (off(slope(x)), None)
    for name, method in (("complex step", "complex"), ("Richardson", "richardson"), ("central, adaptive", "central")):
        e = cr.numeric.derivative(f, method=method, full_output=True)(x)
        found[name] = (off(e.value), e.evaluations)
    fixed = (f(x + 1e-6) - f(x - 1e-6)) / 2e-6
    found["central, h = 1e-6"] = (off(fixed), 2)
    return found


def error_by_step(f, x):
    """Relative errors of central differences and of the complex step, by step."""
    steps = 10.0 ** np.arange(-15, 0.01, 0.25)
    true = float(exact(f, x))
    plain = [abs((f(x + h) - f(x - h)) / (2 * h) - true) / abs(true) for h in steps]
    sharp = [abs(f(x + 1j * h).imag / h - true) / abs(true) for h in steps]
    return steps, np.maximum(plain, 1e-17), np.maximum(sharp, 1e-17)


# --- cost: many numbers in, one out ---------------------------------------------------------------------------------


def rosenbrock(x):
    return (100.0 * (x[1:] - x[:-1] ** 2) ** 2 + (1.0 - x[:-1]) ** 2).sum()


def gradient_times(sizes, most=100, most_symbolic=40):
    """Seconds for one gradient of n numbers, in units of one evaluation; and what SymPy takes to derive it."""
    rows = []
    for n in sizes:
        x = np.linspace(-1, 1, n)
        one = seconds(rosenbrock, x)
        row = {"n": n, "evaluation": one, "automatic": seconds(cr.grad(rosenbrock), x)}
        compiled = cr.compile(cr.grad(rosenbrock))
        compiled(x)
        row["compiled"] = seconds(compiled, x)
        if n <= most:
            for name, method in (("complex step", "complex"), ("central", "central")):
                f = cr.numeric.gradient(rosenbrock, method=method, full_output=True)
                row[name], row[f"{name}, evaluations"] = seconds(f, x), f(x).evaluations
        if n <= most_symbolic:
            row |= symbolic_gradient(n, x)
        rows.append(row)
    return rows


def symbolic_gradient(n, x):
    symbols = sympy.symbols(f"x_0:{n}")
    e = cr.symbolic.expression(rosenbrock, ("x", n))
    start = time.perf_counter()
    f = sympy.lambdify([symbols], [e.diff(s) for s in symbols], cse=True)
    return {"deriving": time.perf_counter() - start, "symbolic": seconds(f, x)}


# --- growth: the same program, longer -------------------------------------------------------------------------------


def iterated(x, times):
    """A composition of products, in which every rule of differentiation doubles something."""
    for _ in range(times):
        x = x * np.sin(x) + np.exp(-x * x)
    return x


def growth(lengths, most_symbolic=7):
    """Operations of the derivative: of SymPy's formula, with common parts shared, and of the recorded program."""
    rows = []
    symbol = sympy.Symbol("x")
    for k in lengths:
        program = cr.graph(cr.grad(lambda x, k=k: iterated(x, k)))(np.asarray(0.4))
        row = {
            "k": k,
            "program": len(cr.graph(lambda x, k=k: iterated(x, k))(np.asarray(0.4)).steps),
            "automatic": len(program.steps),
        }
        if k <= most_symbolic:
            e = cr.symbolic.expression(lambda x, k=k: iterated(x, k), "x")
            start = time.perf_counter()
            d = e.diff(symbol)
            row |= {"formula": int(e.count_ops()), "derivative": int(d.count_ops()), "deriving": time.perf_counter() - start}
            shared, (rest,) = sympy.cse(d)
            row["shared"] = sum(int(part.count_ops()) for _, part in shared) + int(rest.count_ops())
        rows.append(row)
    return rows


# --- the page -------------------------------------------------------------------------------------------------------


CURVES = [("automatic", BLUE), ("compiled", RED), ("complex step", GREEN), ("central", ORANGE), ("symbolic", "#777777")]


def draw(by_step, times, sizes):
    with _matplotlib().rc_context(LOOK):
        figure = Figure(figsize=(13, 4.2), layout="constrained")
        first, second, third = figure.subplots(1, 3)
        steps, plain, sharp = by_step
        first.loglog(steps, plain, color=ORANGE, label="central difference")
        first.loglog(steps, sharp, color=GREEN, label="complex step")
        first.axhline(max(errors_at(wave, 0.7)["automatic"][0], 1e-17), color=BLUE, label="automatic")
        first.set(title="Error of a derivative", xlabel="step h", ylabel="relative error")
        for name, color in CURVES:
            have = [(r["n"], 1e6 * r[name]) for r in times if name in r]
            second.loglog(*zip(*have, strict=True), "o-", ms=3, color=color, label=name)
        second.set(title="Time of a gradient (Rosenbrock)", xlabel="numbers n", ylabel="µs")
        have = [r for r in sizes if "derivative" in r]
        third.semilogy(
            [r["k"] for r in have], [r["derivative"] for r in have], "o-", ms=3, color="#777777", label="SymPy's derivative"
        )
        third.semilogy(
            [r["k"] for r in have], [r["shared"] for r in have], "o--", ms=3, color="#777777", label="common parts shared"
        )
        third.semilogy([r["k"] for r in sizes], [r["automatic"] for r in sizes], "o-", ms=3, color=BLUE, label="automatic")
        third.set(title="Operations of a derivative", xlabel="iterations k", ylabel="operations")
        for axes in (first, second, third):
            axes.legend(fontsize=8)
        figure.savefig(DOCS / "three-ways.svg")


def cell(x, form="{:.1e}"):
    return "" if x is None else form.format(x)


def page(accuracy, times, sizes):
    methods = ["automatic", "symbolic", "complex step", "Richardson", "central, adaptive", "central, h = 1e-6"]
    lines = [INTRODUCTION]
    lines += [f"| | {' | '.join(methods)} |", f"|---|{'---|' * len(methods)}"]
    for (name, *_), found in zip(ACCURACY, accuracy, strict=True):
        cells = [_error_cell(found.get(m)) for m in methods]
        lines.append(f"| {name} | {' | '.join(cells)} |")
    lines.append(COST)
    head = ["n", "one evaluation", "automatic", "compiled", "complex step", "central", "symbolic", "SymPy derives it in"]
    lines += [f"| {' | '.join(head)} |", f"|{'---|' * len(head)}"]
    for r in times:
        ratio = [r.get("automatic"), r.get("compiled")]
        cells = [str(r["n"]), f"{1e6 * r['evaluation']:.0f} µs", *(f"{1e6 * t:.0f} µs" for t in ratio)]
        for name in ("complex step", "central"):
            cells.append(f"{1e6 * r[name]:.0f} µs ({r[f'{name}, evaluations']})" if name in r else "")
        cells += [f"{1e6 * r['symbolic']:.0f} µs", f"{r['deriving']:.2f} s"] if "symbolic" in r else ["", ""]
        lines.append(f"| {' | '.join(cells)} |")
    lines.append(GROWTH)
    head = [
        "k",
        "program",
        "its derivative, automatic",
        "formula",
        "its derivative, symbolic",
        "common parts shared",
        "derived in",
    ]
    lines += [f"| {' | '.join(head)} |", f"|{'---|' * len(head)}"]
    for r in sizes:
        cells = [f"{r[key]:,}" if key in r else "" for key in ("k", "program", "automatic", "formula", "derivative", "shared")]
        lines.append(f"| {' | '.join(cells)} | {r['deriving']:.2f} s |" if "deriving" in r else f"| {' | '.join(cells)} | |")
    return "\n".join([*lines, CONCLUSION]) + "\n"


def _error_cell(found):
    if found is None:
        return "too long a formula"
    error, evaluations = found
    return f"{error:.0e}" + (f" ({evaluations})" if evaluations else "")


INTRODUCTION = """# Three ways to a derivative

Numerical (`cr.numeric`), symbolic (`cr.symbolic`, with SymPy) and automatic (`cr.grad` and its kin), side by side. Written by
`python benchmarks/three_ways.py`; the figures are of one run on one core of a machine that did other work too, so times are
good to a factor of about 1.5.

```python
>>> import numpy as np
>>> import chainrule as cr
>>> def f(x):
...     return np.exp(np.sin(3 * x)) / (1 + x * x)
>>> cr.grad(f)(0.7)
np.float64(-3.904805054764611)
>>> found = cr.numeric.derivative(f, full_output=True)(0.7)
>>> bool(abs(found.value - cr.grad(f)(0.7)) <= 2 * found.error), found.method, found.evaluations
(True, 'complex', 5)
>>> cr.symbolic.expression(cr.grad(f), "x").equals(cr.symbolic.expression(f, "x").diff("x"))
True

```

![Error by step, time by size, operations by length](three-ways.svg)

## Accuracy

Relative error against 50 digits (mpmath); in brackets, how often the function was called.
"""

COST = """
A central difference loses a third of the digits at best: a smaller step cuts less of the curve off and more of the digits.
Richardson extrapolation gets most of them back with more evaluations; a complex step has no difference to take and loses
nothing, where the function takes complex numbers and is built of analytic ones (`cr.numeric` checks that and falls back).
Where the formula itself cancels, as in the last line, all of them show the function's own error.

## Cost

One gradient of a function of n numbers (Rosenbrock's), in microseconds; in brackets, evaluations of the function.
"""

GROWTH = """
Numerical gradients evaluate the function a few times for every number; what reverse mode costs does not depend on how many
there are. For few numbers it is mostly the fixed cost of tracing, which compiled programs do without. The symbolic gradient
is quick once it is there, but deriving it takes SymPy longer and longer, and it has to be derived again for every n.

## Growth

`x = x * sin(x) + exp(-x * x)`, k times: operations of the program, and of its derivative.
"""

CONCLUSION = """
Written as a formula, each iteration mentions the one before four times, so the formula grows like 4 to the power k and its
derivative faster. Sharing common parts undoes that, after the large formula has been made. Automatic differentiation never
has a formula: each operation of the program brings its own few, and the derivative stays a constant times as long as the
program.

## Which one

- **Automatic**, for programs: exact to rounding, cheap for any number of arguments, loops and branches as they are.
- **Symbolic**, to read, simplify or prove something: a formula of a small part, from `cr.symbolic.expression`; and back,
`cr.symbolic.function` makes a formula from SymPy a program to differentiate, map and compile.
- **Numerical**, for functions that cannot be seen into, such as a compiled library or a measurement, and to check the other
two (`cr.gradcheck`). Ask for the error estimate: `full_output=True`.
"""


def main():
    accuracy = [errors_at(f, x) for _, f, x in ACCURACY]
    times = gradient_times([2, 5, 10, 20, 40, 100, 1000, 10000])
    sizes = growth([1, 2, 3, 4, 5, 6, 7, 10, 20])
    draw(error_by_step(wave, 0.7), times, sizes)
    (DOCS / "three-ways.md").write_text(page(accuracy, times, sizes))


if __name__ == "__main__":
    main()
