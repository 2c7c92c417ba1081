"""A polynomial is fitted to the Earth's temperature since 1880 by `cr.grad` alone, and differentiated in time

Differentiated: the mean squared error with respect to the coefficients, for gradient descent on nothing but arrays; then the
fitted polynomial with respect to time, once for the rate of warming and twice for whether that grows.

Reference: NumPy's least-squares polynomial, `np.polynomial.Chebyshev.fit`, and its derivatives.
"""

import numpy as np

import chainrule as cr
from chainrule import plot
from chainrule.data import load_r_table


def polynomial(c, t):
    """c[0] T0(t) + c[1] T1(t) + ...: Chebyshev's polynomials, whose coefficients hardly depend on one another."""
    before, now = np.ones_like(t), t
    total = c[0] * before
    for coefficient in c[1:]:
        total = total + coefficient * now
        before, now = now, 2 * t * now - before
    return total


def main(demo):
    table = load_r_table("dslabs", "temp_carbon", purpose="the demo polynomial_fit")
    known = np.isfinite(table["temp_anomaly"])
    years, anomaly = table["year"][known], table["temp_anomaly"][known]
    order = np.argsort(years)
    years, anomaly = years[order].astype(float), anomaly[order]
    half = (years[-1] - years[0]) / 2

    def scaled(year):
        return (year - years[0]) / half - 1  # from -1 to 1, where Chebyshev's polynomials live

    t, degree = scaled(years), 3

    def error(c):
        return ((polynomial(c, t) - anomaly) ** 2).mean()

    @demo.compile
    def step(c):
        return c - 0.5 * cr.grad(error)(c)

    c, errors = np.zeros(degree + 1), []
    for _ in demo.steps(20 if demo.quick else 200):
        c = step(c)
        errors.append(error(c))
        demo.log(error=errors[-1])

    best = np.polynomial.Chebyshev.fit(t, anomaly, degree, domain=[-1, 1])
    off = np.linalg.norm(c - best.coef) / np.linalg.norm(best.coef)
    demo.result("distance of the coefficients from least squares", off, at_most=1e-10, reference="NumPy's fit: 0")

    def temperature(year):
        return polynomial(c, scaled(year))

    rate, growth = cr.vmap(cr.grad(temperature)), cr.vmap(cr.grad(cr.grad(temperature)))
    exact = best.deriv()(t) / half
    demo.result("largest error of the rate", 10 * np.abs(rate(years) - exact).max(), at_most=1e-9, reference="degrees a decade")
    now, change = 10 * rate(years)[-1], 100 * growth(years)[-1]
    print(f"warming in {years[-1]:.0f}: {now:.3f} degrees a decade, growing by {change:.3f} each decade")

    figure, (above, below) = plot.subplots(1, 2, (10, 3.8))
    above.scatter(years, anomaly, s=8, color="#999999", label="measured")
    above.plot(years, temperature(years), color=plot.RED, label=f"polynomial of degree {degree}")
    above.set(title="Temperature of the Earth", ylabel="degrees above the mean of 1901-2000")
    above.legend()
    below.plot(years, 10 * rate(years), color=plot.BLUE)
    below.axhline(0, color="#888888", linewidth=0.8)
    below.set(title="Its derivative", ylabel="degrees a decade")
    demo.figure(figure, caption="The fit, and how fast the fitted temperature changes.")
    gap = np.maximum(np.array(errors) - error(best.coef), 1e-18)
    curve = plot.curves({"error": gap}, "Mean squared error above the least", "step", log=True, smooth=1)
    demo.figure(curve, "polynomial_fit_error")
