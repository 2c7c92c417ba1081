"""Programs as libraries of scientists have them, in NumPy alone; many fill arrays that np.zeros, np.empty or np.full made."""

import math

import numpy as np


def kalman_smoother(x):
    """Filter and smooth a local level with a trend; all moments are stored on the way."""
    n = len(x)
    f, h = np.array([[1.0, 1.0], [0.0, 1.0]]), np.array([1.0, 0.0])
    q, r = np.diag([0.1, 0.05]), 0.5
    means, covs = np.zeros((n, 2)), np.zeros((n, 2, 2))
    priors, prior_covs = np.zeros((n, 2)), np.zeros((n, 2, 2))
    m, p = np.zeros(2), np.eye(2)
    for t in range(n):
        m, p = f @ m, f @ p @ f.T + q
        priors[t], prior_covs[t] = m, p
        gain = p @ h / (h @ p @ h + r)
        m = m + gain * (x[t] - h @ m)
        p = p - np.outer(gain, h) @ p
        means[t], covs[t] = m, p
    smooth = np.empty_like(means)
    smooth[-1] = means[-1]
    for t in range(n - 2, -1, -1):
        g = np.linalg.solve(prior_covs[t + 1], f @ covs[t]).T
        smooth[t] = means[t] + g @ (smooth[t + 1] - priors[t + 1])
    return smooth[:, 0]


def hidden_markov_model(x):
    """Posterior probabilities of two states by the forward and backward recursions, with scaling."""
    n = x.shape[0]
    transition = np.array([[0.9, 0.1], [0.2, 0.8]])
    like = np.exp(-0.5 * (x[:, None] - np.array([0.0, 2.0])) ** 2)
    alpha, scale = np.zeros((n, 2)), np.zeros(n)
    alpha[0] = 0.5 * like[0]
    scale[0] = alpha[0].sum()
    alpha[0] /= scale[0]
    for t in range(1, n):
        alpha[t] = alpha[t - 1].dot(transition) * like[t]
        scale[t] = alpha[t].sum()
        alpha[t] /= scale[t]
    beta = np.ones((n, 2))
    for t in range(n - 2, -1, -1):
        beta[t] = transition.dot(like[t + 1] * beta[t + 1]) / scale[t + 1]
    return np.append((alpha * beta)[:, 1], np.log(scale).sum())


def viterbi_score(x):
    """Log probability of the likeliest path: a max-plus recursion."""
    n = len(x)
    log_a = np.log(np.array([[0.9, 0.1], [0.2, 0.8]]))
    emit = -0.5 * (x[:, np.newaxis] - np.array([0.0, 2.0])) ** 2
    delta = np.full((n, 2), -np.inf)
    delta[0] = emit[0]
    for t in range(1, n):
        for s in range(2):
            delta[t, s] = np.max(delta[t - 1] + log_a[:, s]) + emit[t, s]
    return delta[-1].max()


def soft_alignment(x):
    """Soft dynamic time warping: a table that starts full of infinity, and a smooth minimum."""
    a, b = x[: x.size // 2], x[x.size // 2 :]
    cost = (a[:, None] - b[None, :]) ** 2
    n, m = cost.shape
    table = np.full((n + 1, m + 1), np.inf)
    table[0, 0] = 0.0
    for i in range(1, n + 1):
        for j in range(1, m + 1):
            before = np.array([table[i - 1, j], table[i, j - 1], table[i - 1, j - 1]])
            low = before.min()
            table[i, j] = cost[i - 1, j - 1] + low - 0.5 * np.log(np.sum(np.exp(-(before - low) / 0.5)))
    return table[n, m]


def gaussian_process_evidence(x):
    """Log evidence of a Gaussian process, with the length scale and noise among the inputs."""
    y, length, noise = x[:-2], np.exp(0.3 * x[-2]), np.exp(0.3 * x[-1] - 1)
    t = np.arange(y.size, dtype=float)
    d = t[:, None] - t[None, :]
    k = np.exp(-0.5 * (d / length) ** 2)
    k[np.diag_indices_from(k)] += noise
    lower = np.linalg.cholesky(k)
    z = np.linalg.solve(lower, y)
    return -0.5 * z.dot(z) - np.log(np.diag(lower)).sum() - 0.5 * y.size * np.log(2 * np.pi)


def ray_trace(x):
    """Shading of two spheres by Lambert's law, seen through a grid of pixels."""
    centres = np.array([[0.0, 0.0, 4.0], [1.0, 0.5, 5.0]]) + 0.1 * x.reshape(2, 3)
    u, v = np.meshgrid(np.linspace(-0.2, 0.3, 4), np.linspace(-0.2, 0.2, 3))
    rays = np.dstack([u, v, np.ones_like(u)])
    rays = rays / np.linalg.norm(rays, axis=-1, keepdims=True)
    light = np.array([1.0, 1.0, -1.0]) / math.sqrt(3)
    nearest, image = np.full(u.shape, np.inf), np.zeros(u.shape)
    for centre in centres:
        b = rays @ centre
        disc = b**2 - (centre @ centre - 1.0)
        hit = disc > 0
        t = b - np.sqrt(np.where(hit, disc, 1.0))
        normal = t[..., None] * rays - centre
        shade = np.maximum(normal @ light, 0.05 * (normal @ light))
        closer = hit & (t < nearest)
        nearest = np.where(closer, t, nearest)
        image = np.where(closer, shade, image)
    return image


def natural_spline(x):
    """Second derivatives of a natural cubic spline by Thomas' algorithm, and the spline between the knots."""
    n = x.size
    h = 1.0 / (n - 1)
    rhs = np.zeros(n)
    rhs[1:-1] = 6 * (x[2:] - 2 * x[1:-1] + x[:-2]) / h**2
    c, d, m = np.zeros(n), np.zeros(n), np.zeros(n)
    for i in range(1, n - 1):
        pivot = 4 - c[i - 1]
        c[i] = 1 / pivot
        d[i] = (rhs[i] - d[i - 1]) / pivot
    for i in range(n - 2, 0, -1):
        m[i] = d[i] - c[i] * m[i + 1]
    s = np.array([0.13, 0.48, 0.77])
    k = np.minimum((s / h).astype(int), n - 2)
    a, b = (k + 1) - s / h, s / h - k
    return a * x[k] + b * x[k + 1] + ((a**3 - a) * m[k] + (b**3 - b) * m[k + 1]) * h**2 / 6


def rotate_by_quaternions(x):
    """Interpolate spherically between two quaternions, and rotate a vector by what comes out."""
    q0, q1 = x[:4] + np.array([2.0, 0, 0, 0]), np.roll(x, 2)[:4] + np.array([0, 2.0, 0, 0])
    q0, q1 = q0 / np.linalg.norm(q0), q1 / np.linalg.norm(q1)
    angle = np.arccos(np.clip(np.dot(q0, q1), -1, 1))
    out = []
    for t in (0.25, 0.5):
        w, *v = (np.sin((1 - t) * angle) * q0 + np.sin(t * angle) * q1) / np.sin(angle)
        v = np.stack(v)
        p = np.array([1.0, 2.0, 3.0])
        out.append(p + 2 * np.cross(v, np.cross(v, p) + w * p))
    return np.concatenate(out)


def adaptive_integrator(x):
    """Bogacki and Shampine's method, whose steps are chosen by the error; the step sizes are taken as they come."""

    def f(t, y):
        return np.array([y[1], (1 - y[0] ** 2) * y[1] * x[0] - x[1] * y[0]])

    t, h, y = 0.0, 0.1, np.array([1.0, 0.5]) * x[2:4]
    for _ in range(6):
        k1 = f(t, y)
        k2 = f(t + h / 2, y + h / 2 * k1)
        k3 = f(t + 3 * h / 4, y + 3 * h / 4 * k2)
        new = y + h / 9 * (2 * k1 + 3 * k2 + 4 * k3)
        k4 = f(t + h, new)
        error = h * np.abs(-5 * k1 / 72 + k2 / 12 + k3 / 9 - k4 / 8).max()
        y, t = new, t + h
        h = h * np.clip(0.9 * (1e-3 / (error + 1e-12)) ** (1 / 3), 0.5, 1.5)
    return np.append(y, h)


def spectral_filter(x):
    """A Wiener filter: power spectrum with a window, gains, and back."""
    n = x.size
    window = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(n) / n) + 0.1
    spectrum = np.fft.rfft(x * window)
    power = np.abs(spectrum) ** 2 + 0.1
    return np.fft.irfft(spectrum * power / (power + 0.5), n) / window


def analytic_signal(x):
    """Envelope and phase by Hilbert's transform."""
    n = len(x)
    gain = np.zeros(n)
    gain[0] = 1
    gain[1 : (n + 1) // 2] = 2
    if n % 2 == 0:
        gain[n // 2] = 1
    z = np.fft.ifft(np.fft.fft(x) * gain)
    return np.concatenate([np.abs(z), np.unwrap(np.angle(z))])


def durand_kerner(x):
    """All roots of a polynomial at once; its coefficients are the input."""
    c = np.concatenate([np.ones(1), x[:3] + 2])
    roots = (0.4 + 0.9j) ** np.arange(3)
    for _ in range(60):
        new = np.empty(3, dtype=complex)
        for i in range(3):
            new[i] = roots[i] - np.polyval(c, roots[i]) / np.prod(roots[i] - np.delete(roots, i))
        roots = new
    return np.concatenate([np.sum(roots**2).real[None], np.abs(np.prod(roots))[None]])


def biquad(x):
    """A recursive filter in direct form, sample by sample, whose coefficients depend on the input."""
    f, q = 0.2 + 0.02 * np.tanh(x[0]), 0.7
    w = 2 * np.pi * f
    alpha = np.sin(w) / (2 * q)
    b = np.array([(1 - np.cos(w)) / 2, 1 - np.cos(w), (1 - np.cos(w)) / 2]) / (1 + alpha)
    a = np.array([-2 * np.cos(w), 1 - alpha]) / (1 + alpha)
    y = np.zeros(len(x))
    for n in range(len(x)):
        acc = b[0] * x[n]
        if n > 0:
            acc += b[1] * x[n - 1] - a[0] * y[n - 1]
        if n > 1:
            acc += b[2] * x[n - 2] - a[1] * y[n - 2]
        y[n] = acc
    return y


def patch_convolution(x):
    """Convolution of an image through windows that overlap in memory, and the largest of every block."""
    image = np.outer(x, x[::-1])
    kernel = np.array([[0.0, 1, 0], [1, -4, 1], [0, 1, 0]])
    windows = np.lib.stride_tricks.sliding_window_view(image, kernel.shape)
    out = (windows * kernel).sum(axis=(-2, -1))
    n = out.shape[0] // 2 * 2
    return out[:n, :n].reshape(n // 2, 2, n // 2, 2).max(axis=(1, 3))


def ranking_metrics(x):
    """Discounted gain and the pairwise hinge loss of scores; the order is taken as it is."""
    relevance = np.array([3, 2, 0, 1, 2, 0])[: x.size]
    order = np.argsort(-x)
    gain = (2.0 ** relevance[order] - 1) / np.log2(np.arange(2, x.size + 2))
    better = relevance[:, None] > relevance[None, :]
    margins = np.maximum(0, 1 - (x[:, None] - x[None, :]))[better]
    return np.array([1.0, 0.5]) * np.stack([np.sum(gain * np.sort(x)[::-1]), margins.mean()])


def scaling_and_squaring(x):
    """A matrix exponential by Pade's approximant and repeated squaring."""
    a = np.zeros((3, 3))
    a[np.triu_indices(3)] = x
    a = a - 0.5 * a.T
    squarings = max(0, int(np.ceil(np.log2(np.linalg.norm(a, 1)))) + 1)
    a = a / 2**squarings
    power, num, den, c = np.eye(3), np.eye(3), np.eye(3), 1.0
    for k in range(1, 7):
        c *= (7 - k) / (k * (13 - k))
        power = power @ a
        num += c * power
        den += (-1) ** k * c * power
    out = np.linalg.solve(den, num)
    for _ in range(squarings):
        out = out @ out
    return out


def triangulation(x):
    """A point in space from its pictures in two cameras, by the smallest singular vector."""
    p1 = np.hstack([np.eye(3), np.zeros((3, 1))])
    p2 = np.hstack([np.eye(3), np.array([[-1.0], [0.1], [0.0]])])
    rows = []
    for p, (u, v) in zip((p1, p2), x[:4].reshape(2, 2) * 0.1, strict=True):
        rows += [u * p[2] - p[0], v * p[2] - p[1]]
    a = np.vstack(rows) + 0.05 * np.eye(4)
    _, _, vh = np.linalg.svd(a)
    return vh[-1, :3] / vh[-1, 3]


def page_rank(x):
    """Ranks of a small web by power iteration, with weights of links and teleportation."""
    n = 4
    links = np.zeros((n, n))
    for (i, j), w in zip([(0, 1), (1, 2), (2, 0), (3, 2), (0, 3), (2, 3)], np.exp(x), strict=True):
        links[j, i] = w
    links /= links.sum(axis=0)
    rank = np.full(n, 1.0 / n)
    for _ in range(40):
        rank = 0.85 * links @ rank + 0.15 / n
    return rank


def relaxed_life(x):
    """A cellular automaton with smooth rules on a torus."""
    board = 1 / (1 + np.exp(-np.outer(x, np.cos(np.arange(5.0)))))
    for _ in range(3):
        around = sum(np.roll(np.roll(board, i, 0), j, 1) for i in (-1, 0, 1) for j in (-1, 0, 1) if i or j)
        born = np.exp(-((around - 3) ** 2))
        stay = np.exp(-((around - 2.5) ** 2) / 2)
        board = board * stay + (1 - board) * born
    return board.sum(axis=1)


def conjugate_gradients(x):
    """A Poisson equation by conjugate gradients, without a matrix."""
    n = x.size

    def laplacian(u):
        out = 2 * u
        out[1:] -= u[:-1]
        out[:-1] -= u[1:]
        return out

    u, r = np.zeros(n), x.copy()
    p, rr = r, r @ r
    for _ in range(n - 1):
        ap = laplacian(p) + 0.3 * p
        step = rr / (p @ ap)
        u, r = u + step * p, r - step * ap
        rr, old = r @ r, rr
        p = r + (rr / old) * p
    return u


def advection_with_limiter(x):
    """A finite-volume scheme of second order with van Leer's limiter, in place."""
    u = x.copy()
    for _ in range(4):
        d = np.diff(u, append=u[:1])
        before = np.roll(d, 1)
        with np.errstate(divide="ignore", invalid="ignore"):
            slope = np.where(d * before > 0, 2 * d * before / (d + before), 0.0)
        face = u + 0.5 * (1 - 0.4) * slope
        u -= 0.4 * (face - np.roll(face, 1))
    return u


def option_by_finite_differences(x):
    """An American put by backward steps on a grid; exercise is a maximum."""
    vol, strike = 0.2 + 0.01 * np.tanh(x[0]), 1.0 + 0.02 * x[1]
    grid = np.linspace(0.5, 1.5, 11)
    value = np.maximum(strike - grid, 0)
    payoff = value.copy()
    dt, ds = 0.01, grid[1] - grid[0]
    for _ in range(5):
        new = np.empty(grid.shape)
        delta = (value[2:] - value[:-2]) / (2 * ds)
        gamma = (value[2:] - 2 * value[1:-1] + value[:-2]) / ds**2
        inner = grid[1:-1]
        new[1:-1] = value[1:-1] + dt * (0.5 * vol**2 * inner**2 * gamma + 0.03 * inner * delta - 0.03 * value[1:-1])
        new[0], new[-1] = strike - grid[0], 0.0
        value = np.maximum(new, payoff)
    return value[4:8] * x[2:6]


def barycentric_interpolation(x):
    """Chebyshev points, barycentric weights, and a derivative matrix."""
    n = x.size
    nodes = np.cos(np.pi * (np.arange(n) + 0.5) / n)
    weights = (-1.0) ** np.arange(n) * np.sin(np.pi * (np.arange(n) + 0.5) / n)
    at = np.array([-0.3, 0.1, 0.55])
    terms = weights / np.subtract.outer(at, nodes)
    values = terms @ x / terms.sum(axis=1)
    d = np.zeros((n, n))
    for i in range(n):
        for j in range(n):
            if i != j:
                d[i, j] = weights[j] / weights[i] / (nodes[i] - nodes[j])
    np.fill_diagonal(d, -d.sum(axis=1))
    return np.r_[values, d @ x]


class Reservoir:
    """An echo state network with leaky units, and its readout by ridge regression."""

    def __init__(self, units=5, leak=0.3):
        grid = np.arange(units * units, dtype=float).reshape(units, units)
        self.weights = 0.4 * np.sin(grid)
        self.weights_in = np.cos(np.arange(units, dtype=float))
        self.leak = leak

    def run(self, signal):
        states = np.zeros((len(signal), self.weights_in.size))
        state = np.zeros(self.weights_in.size)
        for t, value in enumerate(signal):
            state = (1 - self.leak) * state + self.leak * np.tanh(self.weights @ state + self.weights_in * value)
            states[t, :] = state
        return states

    def fit(self, signal, target):
        states = self.run(signal)
        gram = np.matmul(states.T, states) + 0.1 * np.identity(states.shape[1])
        return states @ np.linalg.inv(gram) @ states.T @ target


def echo_state_network(x):
    return Reservoir().fit(x, np.roll(x, -1))


def mixture_by_expectation(x):
    """Two steps of expectation and maximisation for a mixture of two normal distributions."""
    mean, var, share = np.array([0.0, 1.5]), np.array([1.0, 1.0]), np.array([0.5, 0.5])
    for _ in range(2):
        log_p = -0.5 * (np.log(2 * np.pi * var) + (x[:, None] - mean) ** 2 / var) + np.log(share)
        resp = np.exp(log_p - np.logaddexp.reduce(log_p, axis=1, keepdims=True))
        total = resp.sum(0)
        mean = (resp * x[:, None]).sum(0) / total
        var = np.sum(resp * (x[:, None] - mean) ** 2, axis=0) / total + 0.1
        share = total / len(x)
    return np.vstack((mean, var, share))


def radon_projections(x):
    """Sums of an image along turned lines, with bilinear interpolation by fancy indexing."""
    image = np.outer(x, np.sin(x + 1))
    n = image.shape[0]
    centre = (n - 1) / 2
    s = np.arange(n) - centre
    sinogram = np.empty((2, n))
    for k, angle in enumerate((0.3, 1.1)):
        px = centre + s[:, None] * np.cos(angle) - s[None, :] * np.sin(angle)
        py = centre + s[:, None] * np.sin(angle) + s[None, :] * np.cos(angle)
        x0, y0 = np.floor(px).astype(int), np.floor(py).astype(int)
        total = np.zeros((n, n))
        for i in (0, 1):
            for j in (0, 1):
                inside = (x0 + i >= 0) & (x0 + i < n) & (y0 + j >= 0) & (y0 + j < n)
                weight = (1 - np.abs(px - x0 - i)) * (1 - np.abs(py - y0 - j))
                pixel = image[np.clip(x0 + i, 0, n - 1), np.clip(y0 + j, 0, n - 1)]
                total += np.where(inside, weight * pixel, 0)
        sinogram[k] = total.sum(1)
    return sinogram


PROGRAMS = [f for name, f in list(globals().items()) if callable(f) and not isinstance(f, type) and name[0] != "_"]
