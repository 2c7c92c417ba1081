"""Programs that import nothing but NumPy: numerics, statistics, images, equations of motion, dynamic programming."""

import numpy as np


def gauss_newton(x):
    """Fit y = a exp(b t) to samples by a few steps of Gauss and Newton; the samples are the input."""
    t = np.linspace(0.0, 1.0, len(x))
    p = np.array([1.0, 0.5]) + 0.0 * x[:2]
    for _ in range(4):
        model = p[0] * np.exp(p[1] * t)
        jacobian = np.stack([np.exp(p[1] * t), p[0] * t * np.exp(p[1] * t)], axis=1)
        step = np.linalg.solve(jacobian.T @ jacobian, jacobian.T @ (x - model))
        p = p + step
    return p


def ridge_regression(x):
    """Coefficients of a regression on polynomials, by the normal equations."""
    t = np.linspace(-1, 1, x.size)
    design = np.vander(t, 3, increasing=True)
    gram = design.T.dot(design)
    gram[np.diag_indices(3)] += 0.1
    return np.linalg.solve(gram, design.T @ np.ravel(x))


def weighted_statistics(x):
    """Mean, spread, skewness and correlation under weights."""
    w = np.exp(-0.5 * x**2)
    w /= w.sum()
    mean = np.average(x, weights=w)
    centred = x - mean
    spread = np.sqrt(np.dot(w, centred**2))
    skewness = np.dot(w, (centred / spread) ** 3)
    return np.array([1.0, 1.0, 1.0]) * np.hstack([mean, spread, skewness + np.corrcoef(x[:-1], x[1:])[0, 1]])


def gaussian_blur(x):
    """Blur an image along both axes with a kernel by convolution of every row."""
    image = x.reshape(3, -1)
    kernel = np.exp(-0.5 * np.arange(-1.0, 2.0) ** 2)
    kernel /= kernel.sum()
    padded = np.pad(image, 1, mode="edge")
    rows = np.zeros_like(padded)
    for i in range(padded.shape[0]):
        rows[i, 1:-1] = np.convolve(padded[i], kernel, mode="valid")
    out = np.zeros_like(image)
    for k in range(3):
        out += kernel[k] * rows[k : k + image.shape[0], 1:-1]
    return out


def sobel_magnitude(x):
    """Edges by windows of an image."""
    image = np.pad(x.reshape(2, -1), 1, "symmetric")
    windows = np.lib.stride_tricks.sliding_window_view(image, (3, 3))
    kernel = np.array([[1.0, 0, -1], [2, 0, -2], [1, 0, -1]])
    gx = np.einsum("ijkl,kl->ij", windows, kernel)
    gy = np.tensordot(windows, kernel.T, axes=([2, 3], [0, 1]))
    return np.hypot(gx, gy)


def total_variation(x):
    """Smoothed total variation of an image, and its mean curvature."""
    image = x.reshape(3, -1)
    gx, gy = np.gradient(image)
    norm = np.sqrt(gx**2 + gy**2 + 1e-2)
    return norm.sum() + np.mean(np.diff(image, n=2, axis=0) ** 2)


def runge_kutta(x):
    """The pendulum with friction by the classical method of fourth order."""

    def slope(state):
        angle, speed = state
        return np.stack([speed, -np.sin(angle) - 0.1 * speed])

    state, h = x[:2], 0.1
    path = [state]
    for _ in range(6):
        k1 = slope(state)
        k2 = slope(state + h / 2 * k1)
        k3 = slope(state + h / 2 * k2)
        k4 = slope(state + h * k3)
        state = state + h / 6 * (k1 + 2 * k2 + 2 * k3 + k4)
        path.append(state)
    return np.stack(path)


def leapfrog(x):
    """Two bodies by velocity Verlet, in place."""
    q, p = x[:4].reshape(2, 2).copy(), x[2:6].reshape(2, 2).copy()

    def force(q):
        d = q[1] - q[0]
        f = d / (np.sum(d * d) + 0.5) ** 1.5
        return np.array([1.0, -1.0])[:, None] * f

    for _ in range(5):
        p += 0.05 * force(q)
        q += 0.1 * p
        p += 0.05 * force(q)
    return np.concatenate((q, p)).ravel()


def crank_nicolson(x):
    """Diffusion by implicit steps: a tridiagonal system eliminated by hand."""
    u = x.copy()
    n = u.size
    for _ in range(3):
        right = u.copy()
        right[1:-1] += 0.3 * (u[2:] - 2 * u[1:-1] + u[:-2])
        lower, main = -0.3 * np.ones(n), 1.6 * np.ones(n)
        c, d = np.zeros_like(x), np.zeros_like(x)
        c[0], d[0] = lower[0] / main[0], right[0] / main[0]
        for i in range(1, n):
            m = main[i] - lower[i] * c[i - 1]
            c[i] = lower[i] / m
            d[i] = (right[i] - lower[i] * d[i - 1]) / m
        u = np.zeros_like(x)
        u[-1] = d[-1]
        for i in range(n - 2, -1, -1):
            u[i] = d[i] - c[i] * u[i + 1]
    return u


def wave_equation(x):
    """The wave equation with fixed ends, three time levels kept in a list."""
    before, now = np.sin(x), np.sin(x) * 0.9
    for _ in range(4):
        after = np.empty_like(now)
        after[0] = after[-1] = 0.0
        after[1:-1] = 2 * now[1:-1] - before[1:-1] + 0.2 * (np.roll(now, -1) - 2 * now + np.roll(now, 1))[1:-1]
        before, now = now, after
    return now


def edit_distance(x):
    """A smooth edit distance of two halves of a sequence, by dynamic programming over a table."""
    a, b = np.split(x, 2)
    n, m = len(a), len(b)
    table = np.zeros((n + 1, m + 1)) + 0 * x[0]
    table[0, 1:] = np.cumsum(np.full(m, 0.7))
    table[1:, 0] = np.cumsum(np.full(n, 0.7))
    for i in range(1, n + 1):
        for j in range(1, m + 1):
            change = table[i - 1, j - 1] + (a[i - 1] - b[j - 1]) ** 2
            table[i, j] = -np.logaddexp(-change, np.logaddexp(-table[i - 1, j] - 0.7, -table[i, j - 1] - 0.7))
    return table[n, m]


def dynamic_time_warping(x):
    """The same with a hard minimum."""
    a, b = x[::2], x[1::2]
    cost = np.abs(np.subtract.outer(a, b))
    best = np.full(cost.shape, np.inf) + 0 * cost
    best[0, :], best[:, 0] = np.add.accumulate(cost[0]), np.cumsum(cost[:, 0])
    for i in range(1, len(a)):
        for j in range(1, len(b)):
            best[i, j] = cost[i, j] + min(best[i - 1, j], best[i, j - 1], best[i - 1, j - 1])
    return best[-1, -1]


def forward_algorithm(x):
    """Log-likelihood of a hidden Markov model in log space."""
    k = 2
    transition = np.log(np.array([[0.7, 0.3], [0.4, 0.6]]))
    means = x[:k]
    log_alpha = -0.5 * (x[k] - means) ** 2 - np.log(k)
    for obs in x[k + 1 :]:
        log_alpha = np.logaddexp.reduce(log_alpha[:, None] + transition, axis=0) - 0.5 * (obs - means) ** 2
    return np.logaddexp.reduce(log_alpha)


def kalman_filter(x):
    """A constant-velocity filter; the measurements are the input."""
    f, h = np.array([[1.0, 0.5], [0.0, 1.0]]), np.array([[1.0, 0.0]])
    q, r = 0.01 * np.eye(2), np.array([[0.1]])
    state, p = np.zeros(2), np.eye(2)
    out = []
    for z in x:
        state, p = f @ state, f @ p @ f.T + q
        s = h @ p @ h.T + r
        gain = p @ h.T @ np.linalg.inv(s)
        state = state + (gain @ (np.atleast_1d(z) - h @ state))
        p = (np.identity(2) - gain @ h) @ p
        out.append(state[0])
    return np.stack(out)


def power_iteration(x):
    """The largest eigenvalue of a positive matrix made of the input."""
    a = np.outer(x, x) + np.diag(1 + x**2)
    v = np.ones(x.size)
    for _ in range(12):
        v = a @ v
        v /= np.linalg.norm(v)
    return np.vdot(v, a @ v)


def jacobi_solver(x):
    """An iterative solver with a stopping rule that looks at values."""
    n = x.size
    a = np.diag(np.full(n, 4.0)) + np.diag(x[:-1] * 0.3, 1) + np.diag(x[1:] * 0.2, -1)
    d = np.diagonal(a)
    u = np.zeros_like(x)
    for _ in range(60):
        new = (x - (a @ u - d * u)) / d
        if np.max(np.abs(new - u)) < 1e-15:
            break
        u = new
    return u


def cubic_spline(x):
    """Natural cubic spline through the samples, evaluated between them."""
    n = len(x)
    system = np.zeros((n, n))
    system[0, 0] = system[-1, -1] = 1
    for i in range(1, n - 1):
        system[i, i - 1 : i + 2] = 1, 4, 1
    right = np.zeros_like(x)
    right[1:-1] = 6 * (x[2:] - 2 * x[1:-1] + x[:-2])
    second = np.linalg.solve(system, right)
    t = np.array([0.3, 1.6, 2.5])
    i = np.floor(t).astype(int)
    s = t - i
    return (1 - s) * x[i] + s * x[i + 1] + ((1 - s) ** 3 - (1 - s)) * second[i] / 6 + (s**3 - s) * second[i + 1] / 6


def fourier_filter(x):
    """Smooth by damping high frequencies."""
    spectrum = np.fft.rfft(x)
    frequency = np.fft.rfftfreq(x.size)
    return np.fft.irfft(spectrum * np.exp(-4 * frequency), n=x.size) + np.abs(spectrum[1]) ** 2


def kernel_density(x):
    """Logarithm of a density estimate on a grid, with a bandwidth by Silverman's rule."""
    grid = np.linspace(-1.0, 3.0, 5)
    width = 1.06 * np.std(x, ddof=1) * x.size ** (-1 / 5)
    d = (grid[:, np.newaxis] - x[np.newaxis, :]) / width
    return np.log(np.exp(-0.5 * d * d).mean(axis=1) / (width * np.sqrt(2 * np.pi)))


def gaussian_process(x):
    """Log marginal likelihood of a Gaussian process whose samples and length scale are the input."""
    t = np.arange(x.size - 1.0)
    k = np.exp(-0.5 * (np.subtract.outer(t, t) / (1.0 + x[0] ** 2)) ** 2) + 0.1 * np.eye(t.size)
    lower = np.linalg.cholesky(k)
    z = np.linalg.solve(lower, x[1:])
    return -0.5 * z.dot(z) - np.log(np.diag(lower)).sum()


def soft_k_means(x):
    """Cluster centres after a few steps of expectation and maximisation."""
    centres = np.array([0.6, 1.9]) + 0 * x[:2]
    for _ in range(3):
        distance = np.square(x[:, None] - centres[None, :])
        weights = np.exp(-3 * distance)
        weights = weights / np.sum(weights, axis=1, keepdims=True)
        centres = (weights * x[:, None]).sum(0) / weights.sum(0)
    return centres


def particle_histogram(x):
    """Cloud-in-cell deposit: weights of particles onto a grid, by ufunc.at."""
    grid = np.zeros(5) + 0 * x[0]
    cell = np.clip(np.floor(x).astype(int), 0, 3)
    fraction = x - cell
    np.add.at(grid, cell, 1 - fraction)
    np.add.at(grid, cell + 1, fraction)
    return np.log1p(grid)


def neural_network(x):
    """A multilayer perceptron with batch normalisation, written with out= and in-place operators."""
    w = np.sin(np.arange(12.0)).reshape(3, 4)
    h = x.reshape(-1, 3) @ w
    h -= h.mean(axis=0)
    h /= np.sqrt(h.var(axis=0) + 1e-3)
    np.tanh(h, out=h)
    h = np.where(h > 0, h, 0.1 * h)
    scores = h.dot(np.cos(np.arange(8.0)).reshape(4, 2))
    scores -= scores.max(axis=-1, keepdims=True)
    p = np.exp(scores)
    np.divide(p, p.sum(axis=1, keepdims=True), out=p)
    return -np.log(p[np.arange(len(p)), [0, 1]]).mean()


def black_scholes_tree(x):
    """An American put on a binomial tree."""
    price, sigma, steps = 1.0 + 0.1 * x[0], 0.2 + 0.05 * x[1] ** 2, 6
    up = np.exp(sigma * np.sqrt(1 / steps))
    q = (np.exp(0.03 / steps) - 1 / up) / (up - 1 / up)
    value = np.maximum(1.05 - price * up ** np.arange(-steps, steps + 1, 2.0), 0)
    for k in range(steps - 1, -1, -1):
        value = np.exp(-0.03 / steps) * (q * value[1:] + (1 - q) * value[:-1])
        value = np.maximum(value, 1.05 - price * up ** np.arange(-k, k + 1, 2.0))
    return value[0]


def path_length(x):
    """Length of a curve, its area by the shoelace formula and the winding of its angle."""
    points = x.reshape(-1, 2)
    steps = np.diff(points, axis=0, append=points[:1])
    length = np.sqrt((steps**2).sum(axis=1)).sum()
    area = 0.5 * np.sum(points[:, 0] * np.roll(points[:, 1], -1) - points[:, 1] * np.roll(points[:, 0], -1))
    angle = np.unwrap(np.arctan2(steps[:, 1], steps[:, 0]))
    return np.stack([length, area, np.ptp(angle)])


def portfolio(x):
    """Mean-variance weights from a covariance matrix of returns."""
    returns = x.reshape(-1, 2)
    c = np.cov(returns, rowvar=False) + 0.1 * np.eye(2)
    w = np.linalg.inv(c).dot(returns.mean(0))
    w = w / np.abs(w).sum()
    return np.quantile(returns @ w, 0.3) - w @ c @ w


def sorting_and_masks(x):
    """Trimmed mean, winsorised values, running maxima and ranks."""
    ordered = np.sort(x)
    trimmed = ordered[1:-1].mean()
    clipped = np.clip(x, *np.percentile(x, [20, 80]))
    peaks = np.maximum.accumulate(x)
    picked = x[x > np.median(x)]
    return np.concatenate([[trimmed], clipped, peaks, picked])


PROGRAMS = [thing for thing in list(globals().values()) if callable(thing) and getattr(thing, "__module__", "") == __name__]
