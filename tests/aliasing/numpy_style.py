"""Finite differences and dynamic programming as written in NumPy: loops, slices and assignment. Nothing but NumPy here.

Each takes a vector of numbers between 0 and 1 and gives a number; all are analytic, so that complex steps differentiate them.
"""

import numpy as np


def heat(x):
    u = np.zeros_like(x, shape=(8, x.size))
    u[0] = x
    for k in range(7):
        u[k + 1, 1:-1] = u[k, 1:-1] + 0.2 * (u[k, 2:] - 2 * u[k, 1:-1] + u[k, :-2])
        u[k + 1, 0], u[k + 1, -1] = u[k + 1, 1], u[k + 1, -2]
    return np.sum(u[-1] ** 2)


def heat_in_place(x):
    u = x.copy()
    inside = u[1:-1]
    for _ in range(6):
        inside += 0.2 * (u[2:] - 2 * inside + u[:-2])
        u[0] = u[-1] = 0.1
    return np.sum(u * inside.sum())


def wave(x):
    old, now = x.copy(), x.copy()
    now[1:-1] += 0.02 * (x[2:] - 2 * x[1:-1] + x[:-2])
    for _ in range(6):
        new = 2 * now - old
        new[1:-1] += 0.3 * (now[2:] - 2 * now[1:-1] + now[:-2])
        new[[0, -1]] = 0.0
        old[:], now[:] = now, new
    return np.sum(now**3)


def advection(x):
    """Burgers' equation, upwind, with two buffers that change places."""
    a, b = x.copy(), np.empty_like(x)
    for _ in range(5):
        np.multiply(a[1:], a[1:] - a[:-1], out=b[1:])
        b[0] = 0
        np.subtract(a, 0.1 * b, out=b)
        a, b = b, a
    return np.sum(np.sin(a))


def poisson(x):
    """Gauss-Seidel in two dimensions."""
    f = x.reshape(3, 4)
    u = np.pad(np.zeros_like(f), 1)
    for _ in range(4):
        for i in range(1, 4):
            for j in range(1, 5):
                u[i, j] = (u[i - 1, j] + u[i + 1, j] + u[i, j - 1] + u[i, j + 1] + f[i - 1, j - 1]) / 4
    return np.sum(u**2)


def edit_distance(x):
    """Soft edit distance of two sequences: the smallest of three becomes a soft minimum."""
    a, b = x[:5], x[5:]
    d = np.zeros_like(x, shape=(len(a) + 1, len(b) + 1))
    d[:, 0] = np.arange(len(a) + 1)
    d[0, :] = np.arange(len(b) + 1)
    for i in range(1, len(a) + 1):
        for j in range(1, len(b) + 1):
            costs = np.stack([d[i - 1, j] + 1, d[i, j - 1] + 1, d[i - 1, j - 1] + (a[i - 1] - b[j - 1]) ** 2])
            d[i, j] = -np.log(np.sum(np.exp(-2 * costs))) / 2
    return d[-1, -1]


def time_warping(x):
    a, b = x[:6], x[6:]
    cost = np.full_like(x, 50.0, shape=(7, 7))
    cost[0, 0] = 0
    for i in range(6):
        row, before = cost[i + 1], cost[i]
        for j in range(6):
            row[j + 1] = (a[i] - b[j]) ** 2 - 0.1 * np.log(
                np.exp(-before[j] / 0.1) + np.exp(-before[j + 1] / 0.1) + np.exp(-row[j] / 0.1)
            )
    return cost[-1, -1]


def common_subsequence(x):
    a, b = x[:6], x[6:]
    table = np.zeros_like(x, shape=(7, 7))
    for i, p in enumerate(a):
        for j, q in enumerate(b):
            match = np.exp(-10 * (p - q) ** 2)
            table[i + 1, j + 1] = match * (table[i, j] + 1) + (1 - match) * (table[i, j + 1] + table[i + 1, j]) / 2
    return table[-1, -1]


def forward_backward(x):
    """The probability of a sequence in a hidden Markov model, with the total of every step kept apart."""
    t = np.exp(x[:4].reshape(2, 2))
    t /= t.sum(axis=1, keepdims=True)
    e = np.exp(x[4:].reshape(4, 2))
    alpha = np.zeros_like(e)
    alpha[0] = e[0] / 2
    total = 0.0
    for i in range(1, 4):
        np.dot(alpha[i - 1], t, out=alpha[i])
        alpha[i] *= e[i]
        total += np.log(alpha[i].sum())
        alpha[i] /= alpha[i].sum()
    return total


def viterbi(x):
    t, e = x[:4].reshape(2, 2), x[4:].reshape(4, 2)
    score = e[0].copy()
    for i in range(1, 4):
        paths = score[:, None] + t
        best = np.argmax(np.real(paths), axis=0)
        score[:] = paths[best, [0, 1]] + e[i]
    return score[np.argmax(np.real(score))] ** 2


def cholesky(x):
    b = x.reshape(3, 4)
    a = b @ b.T
    a[np.diag_indices(3)] += 1.0
    lower = np.zeros_like(a)
    for i in range(3):
        for j in range(i + 1):
            s = a[i, j]
            for k in range(j):
                s -= lower[i, k] * lower[j, k]
            lower[i, j] = np.sqrt(s) if i == j else s / lower[j, j]
    return np.sum(np.log(np.diagonal(lower))) + np.sum(lower**3)


def gauss(x):
    """Elimination with pivoting: rows change places, and views of rows are written into."""
    a = x[:9].reshape(3, 3).copy()
    b = x[9:].copy()
    for k in range(3):
        p = k + int(np.argmax(np.abs(np.real(a[k:, k]))))
        if p != k:
            a[[k, p]] = a[[p, k]]
            b[k], b[p] = b[p], b[k]
        pivot = a[k]
        for i in range(k + 1, 3):
            row = a[i]
            f = row[k] / pivot[k]
            row[k:] -= f * pivot[k:]
            b[i] -= f * b[k]
    for k in (2, 1, 0):
        b[k] = (b[k] - a[k, k + 1 :] @ b[k + 1 :]) / a[k, k]
    return np.sum(b**2)


def lu_in_place(x):
    a = x[:9].reshape(3, 3) + 2 * np.eye(3)
    for k in range(2):
        a[k + 1 :, k] /= a[k, k]
        a[k + 1 :, k + 1 :] -= np.outer(a[k + 1 :, k], a[k, k + 1 :])
    return np.prod(np.diag(a))


def prefix_sums(x):
    """Running sums, and the scan of Hillis and Steele in place."""
    s, total, kept = np.empty_like(x), 0.0, []
    for i, v in enumerate(x):
        total += v
        s[i] = total
        kept.append(total)
    step, scan = 1, x.copy()
    while step < len(x):
        scan[step:] += scan[:-step].copy()
        step *= 2
    return np.sum(s * scan) + kept[2] ** 2 * kept[-1]


def sieve(x):
    keep = np.ones(x.size, bool)
    values = x.copy()
    for p in range(2, x.size):
        if keep[p]:
            keep[2 * p :: p] = False
            values[2 * p :: p] *= values[p]
    values[~keep] **= 2
    return values[keep].sum() + np.sum(values * values[::-1])


def butterflies(x):
    """The fast Fourier transform of Cooley and Tukey in place: real parts and imaginary parts in rows of one array."""
    n = 8
    order = [int(format(i, "03b")[::-1], 2) for i in range(n)]
    z = np.zeros_like(x, shape=(2, n))
    z[0] = x[:n][order]
    size = 2
    while size <= n:
        half = size // 2
        angle = -2 * np.pi * np.arange(half) / size
        c, s = np.cos(angle), np.sin(angle)
        for start in range(0, n, size):
            top, bottom = z[:, start : start + half], z[:, start + half : start + size]
            turned = np.stack([bottom[0] * c - bottom[1] * s, bottom[0] * s + bottom[1] * c])
            bottom[:] = top - turned
            top += turned
        size *= 2
    return np.sum(z**2 * np.arange(n)) + z[1, 3]


def histogram(x):
    """Soft counts, added up at places that repeat."""
    bins = np.zeros_like(x, shape=(4,))
    np.add.at(bins, np.arange(x.size) % 4, np.exp(x))
    np.multiply.at(bins, [0, 0, 2], x[:3])
    return np.sum(bins**2)


def insertion_sort(x):
    a = x.copy()
    for i in range(1, a.size):
        v, j = a[i], i
        while j > 0 and np.real(a[j - 1]) > np.real(v):
            a[j] = a[j - 1]
            j -= 1
        a[j] = v
    return np.sum(a * np.arange(a.size) ** 2) + np.sum(a[:-1] * a[1:])


def game(x):
    """A cellular automaton with soft rules, on a torus."""
    world = x.reshape(3, 4).copy()
    for _ in range(3):
        near = sum(np.roll(np.roll(world, i, 0), j, 1) for i in (-1, 0, 1) for j in (-1, 0, 1)) - world
        world[...] = np.exp(-((near - 3) ** 2) / 4) * (0.5 + world / 2)
        world.T[0] *= 0.9
    return np.sum(world**2)


def legendre(x):
    """A table of Legendre's polynomials by their recurrence, column by column."""
    p = np.ones_like(x, shape=(x.size, 6))
    p[:, 1] = x
    for n in range(1, 5):
        p[:, n + 1] = ((2 * n + 1) * x * p[:, n] - n * p[:, n - 1]) / (n + 1)
    return np.sum(p.ravel()[::3] ** 2)


PROGRAMS = (
    heat, heat_in_place, wave, advection, poisson, edit_distance, time_warping, common_subsequence, forward_backward, viterbi,
    cholesky, gauss, lu_in_place, prefix_sums, sieve, butterflies, histogram, insertion_sort, game, legendre,
)  # fmt: skip
# What they do next depends on their values (or their loop is over them), which differ under vmap.
DECIDES = frozenset({gauss, insertion_sort})
