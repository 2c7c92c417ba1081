"""Three ways to a derivative (numerical, symbolic, automatic): how exact, how quick, how long the formula

Differentiated: a recurrence that uses each of n numbers once, and its own last value twice. Written as a formula it doubles
with each number; as a program it grows by a few operations.

Reference: the gradient to 60 digits, by mpmath. More in docs/three-ways.md.
"""

import time

import numpy as np

import chainrule as cr
from chainrule import plot


def recurrence(x, sin=np.sin):
    y = 1.0
    for number in x:
        y = y + sin(y * number)
    return y


def central(x, h):
    """Gradient by central differences: two evaluations for each number."""
    return np.array([(recurrence(x + h * e) - recurrence(x - h * e)) / (2 * h) for e in np.eye(len(x))])


def by_sympy(n):
    """(the gradient as a function of a list, operations of the formula, operations of the gradient's formulas)."""
    import sympy

    formula = cr.symbolic.expression(recurrence, ("x", n))
    symbols = sympy.symbols(f"x_0:{n}")
    slopes = [formula.diff(symbol) for symbol in symbols]
    operations = int(formula.count_ops()), sum(int(slope.count_ops()) for slope in slopes)
    return sympy.lambdify([symbols], slopes), *operations


def by_mpmath(x):
    """The gradient to the last digit: differences of numbers with 60 digits, which can lose 40 of them."""
    import mpmath

    with mpmath.workdps(60):
        x, h = [mpmath.mpf(v) for v in x], mpmath.mpf(10) ** -20
        moved = [
            [recurrence([v + s * h * (i == j) for j, v in enumerate(x)], mpmath.sin) for s in (1, -1)] for i in range(len(x))
        ]
        return np.array([float((up - down) / (2 * h)) for up, down in moved])


def seconds(f, x, repeat):
    """The shortest of several runs."""
    took = []
    for _ in range(repeat):
        start = time.perf_counter()
        f(x)
        took.append(time.perf_counter() - start)
    return min(took)


def main(demo):
    demo.needs("sympy", "mpmath")
    n, repeat = (5, 3) if demo.quick else (8, 20)
    x = demo.rng.uniform(0.3, 0.9, n)
    exact = by_mpmath(x)

    def error(gradient):
        return max(np.linalg.norm(gradient - exact) / np.linalg.norm(exact), 1e-17)

    gradient = demo.compile(cr.grad(recurrence))
    for _ in demo.steps(20 if demo.quick else 2000, "gradient"):
        found = gradient(x)
    by_program = error(cr.grad(recurrence)(x))
    demo.result("relative error, automatic", by_program, at_most=1e-14, reference="60 digits by mpmath")
    demo.result("relative error, compiled", error(found), at_most=1e-14)
    by_formula = error(by_sympy(n)[0](x))
    demo.result("relative error, symbolic", by_formula, at_most=1e-13)
    steps = 10.0 ** -np.arange(1, 14, 2 if demo.quick else 0.5)
    errors = [error(central(x, h)) for h in steps]
    best = f"at a step of {steps[np.argmin(errors)]:.0e}"
    demo.result("relative error, best central difference", min(errors), at_most=1e-8, reference=best)
    demo.result("relative error, complex step", error(cr.numeric.gradient(recurrence, method="complex")(x)), at_most=1e-14)

    sizes = (2, 4, n) if demo.quick else (2, 4, 6, 8, 16, 32)
    times = {"automatic": {}, "compiled": {}, "symbolic": {}, "central differences": {}, "one evaluation": {}}
    operations = {"formula": {}, "its gradient, symbolic": {}, "program": {}, "its gradient, automatic": {}}
    for k in demo.steps(len(sizes), "size"):
        size = sizes[k]
        x = demo.rng.uniform(0.3, 0.9, size) / size**0.5
        ways = {"automatic": cr.grad(recurrence), "compiled": demo.compile(cr.grad(recurrence)), "one evaluation": recurrence}
        ways["central differences"] = lambda x: central(x, 1e-5)
        operations["program"][size] = len(cr.graph(recurrence)(x).steps)
        operations["its gradient, automatic"][size] = len(cr.graph(cr.grad(recurrence))(x).steps)
        if size <= n:
            ways["symbolic"], *counts = by_sympy(size)
            operations["formula"][size], operations["its gradient, symbolic"][size] = counts
        for name, way in ways.items():
            way(x)
            times[name][size] = 1e6 * seconds(way, x, repeat)

    last = max(operations["formula"])
    swell = operations["its gradient, symbolic"][last] / operations["its gradient, automatic"][last]
    said = f"{operations['its gradient, automatic'][last]} in the recorded program, for {last} numbers"
    demo.result("operations of the symbolic gradient over the automatic", swell, at_least=20, reference=said)

    figure, (first, second, third) = plot.subplots(1, 3, (13, 4))
    first.loglog(steps, errors, color=plot.ORANGE, label="central difference")
    first.axhline(by_formula, color=plot.GREEN, linestyle="--", label="symbolic")
    first.axhline(by_program, color=plot.BLUE, label="automatic")
    first.set(title="Error of the gradient", xlabel="step", ylabel="relative error")
    colors = {"automatic": plot.BLUE, "compiled": plot.RED, "symbolic": plot.GREEN, "central differences": plot.ORANGE}
    for name, found in times.items():
        second.loglog(list(found), list(found.values()), "o-", markersize=3, color=colors.get(name, "#888888"), label=name)
    second.set(title="Time of a gradient", xlabel="numbers", ylabel="microseconds")
    colors = {
        "formula": "#888888",
        "its gradient, symbolic": plot.GREEN,
        "program": plot.RED,
        "its gradient, automatic": plot.BLUE,
    }
    for name, found in operations.items():
        third.loglog(list(found), list(found.values()), "o-", markersize=3, color=colors[name], label=name)
    third.set(title="Length", xlabel="numbers", ylabel="operations")
    for axes in (first, second, third):
        axes.legend(fontsize=8)
    for axes in (second, third):
        axes.set_xticks(sizes, sizes)
        axes.minorticks_off()
    demo.figure(figure, caption="Error by step, time by how many numbers there are, length of what is derived.")
