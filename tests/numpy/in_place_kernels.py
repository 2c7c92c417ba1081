"""Kernels that import nothing but NumPy, work in place, and keep work arrays: what they leave in their arguments counts."""

import numpy as np


def tridiagonal(lower, diagonal, upper, right):
    """Thomas' elimination; the solution ends up in `right`."""
    n = len(diagonal)
    for i in range(1, n):
        factor = lower[i - 1] / diagonal[i - 1]
        diagonal[i] -= factor * upper[i - 1]
        right[i] -= factor * right[i - 1]
    right[n - 1] /= diagonal[n - 1]
    for i in range(n - 2, -1, -1):
        right[i] = (right[i] - upper[i] * right[i + 1]) / diagonal[i]


def square_root_free(a):
    """The factors L and D of a symmetric matrix, over its lower triangle."""
    n = a.shape[0]
    for j in range(n):
        for k in range(j):
            a[j, j] -= a[j, k] ** 2 * a[k, k]
        for i in range(j + 1, n):
            a[i, j] -= np.dot(a[i, :j] * np.diagonal(a)[:j], a[j, :j])
            a[i, j] /= a[j, j]


def red_and_black(u, f):
    """Relaxation in two colours, by masks of the places."""
    i, j = np.indices(u.shape)
    inside = (i > 0) & (i < u.shape[0] - 1) & (j > 0) & (j < u.shape[1] - 1)
    for colour in (0, 1, 0):
        mask = inside & ((i + j) % 2 == colour)
        total = np.zeros_like(u)
        total[1:-1, 1:-1] = u[2:, 1:-1] + u[:-2, 1:-1] + u[1:-1, 2:] + u[1:-1, :-2]
        u[mask] = 0.25 * (total[mask] - f[mask])


def two_buffers(a, b):
    """Diffusion between two arrays that change places."""
    for _ in range(3):
        np.copyto(b, a)
        b[1:-1] += 0.3 * a[1:-1] * (a[2:] - 2 * a[1:-1] + a[:-2])
        a, b = b, a


def weights_that_move(x):
    """A work array of numbers and one of places, both plain, written to between their uses."""
    weight, place = np.zeros(x.size), np.arange(x.size)
    for k in range(3):
        weight[k] = k + 1.0
        x *= 1.0 + 0.1 * weight
        x += 0.2 * np.sin(x[place])
        place += 1
        place %= x.size


def kick_and_drift(mass, place, speed):
    """Bodies under gravity, with their energies; places and speeds change."""
    energies = np.zeros_like(place[:, 0], shape=2)
    for step in range(2):
        between = place[None] - place[:, None]
        inverse = (between**2).sum(-1) + 0.1
        inverse **= -1.5
        speed += 0.05 * np.einsum("ijk,ij,j->ik", between, inverse, mass)
        speed -= np.average(speed, axis=0, weights=mass)
        place += 0.05 * speed
        energies[step] = 0.5 * np.sum(mass[:, None] * speed**2) - 0.5 * np.sum(np.outer(mass, mass) * np.cbrt(inverse))
    return energies


def limited_flux(u, speed):
    """Transport with a flux limiter, chosen element by element."""
    for _ in range(2):
        step = np.diff(u)
        ratio = np.where(np.abs(step[1:]) > 1e-9, step[:-1] / np.where(np.abs(step[1:]) > 1e-9, step[1:], 1.0), 0.0)
        limit = np.maximum(0.0, np.maximum(np.minimum(1.0, 2 * ratio), np.minimum(2.0, ratio)))
        flux = speed * u[1:-1] + 0.5 * speed * (1 - speed) * limit * step[1:]
        u[2:-1] -= flux[1:] - flux[:-1]


def there_and_back(image, memory):
    """A recursive filter forward along the rows, then backward along the columns."""
    for j in range(1, image.shape[1]):
        image[:, j] += memory * image[:, j - 1]
    for row, above in zip(image[-2::-1], image[:0:-1], strict=True):
        row += memory * above
    image.T[0] *= 2


def sparse_rows(starts, columns, values, x):
    """A matrix in rows of different lengths times a vector, three times, in place."""
    for _ in range(3):
        y = np.empty_like(x)
        for i in range(len(starts) - 1):
            part = slice(starts[i], starts[i + 1])
            y[i] = values[part] @ x[columns[part]]
        x[:] = np.tanh(y)


def butterflies(z):
    """The Fourier transform of 8 numbers, where they stand: the order is reversed in bits, then half by half."""
    n = len(z)
    z[:] = z[np.array([int(f"{i:03b}"[::-1], 2) for i in range(n)])]
    half = 1
    while half < n:
        turn = np.exp(-1j * np.pi * np.arange(half) / half)
        blocks = z.reshape(-1, 2, half)
        odd = turn * blocks[:, 1]
        blocks[:, 1] = blocks[:, 0] - odd
        blocks[:, 0] += odd
        half *= 2


def flattened(x, y):
    """Shapes that are assigned to, and halves that are views."""
    work = x * y
    work.shape = -1
    left, right = np.split(work, 2)
    left += right**2
    work.shape = x.shape
    y -= np.flip(work)


def recursion(r):
    """Levinson's: coefficients of a linear prediction."""
    a, error = np.zeros_like(r), r[0] * 1.0
    for k in range(1, len(r)):
        reflection = -(r[k] + np.dot(a[1:k], r[k - 1 : 0 : -1])) / error
        a[1:k] += reflection * a[k - 1 : 0 : -1].copy()
        a[k] = reflection
        error *= 1 - reflection**2
    return a, error


def _spd(n):
    a = np.random.default_rng(3).normal(size=(n, n))
    return a @ a.T / n + 2 * np.eye(n)


_rng = np.random.default_rng(4)
_u = _rng.uniform
# (kernel, arrays that it gets before, arrays that derivatives are taken of)
KERNELS = [
    (tridiagonal, (), (_u(0.1, 0.4, 3), _u(1.5, 2, 4), _u(0.1, 0.4, 3), _u(1, 2, 4))),
    (square_root_free, (), (_spd(3),)),
    (red_and_black, (), (_u(0, 1, (5, 4)), _u(0, 1, (5, 4)))),
    (two_buffers, (), (_u(0.2, 1, 6), np.zeros(6))),
    (weights_that_move, (), (_u(0.2, 1, 5),)),
    (kick_and_drift, (), (_u(0.5, 1, 3), _rng.normal(size=(3, 2)), _rng.normal(size=(3, 2)))),
    (limited_flux, (), (np.array([0.1, 0.3, 0.9, 1.3, 0.8, 0.7, 0.2, 0.15]), np.array(0.4))),
    (there_and_back, (), (_u(0.2, 1, (3, 4)), np.array(0.3))),
    (sparse_rows, (np.array([0, 2, 3, 5]), np.array([0, 2, 1, 0, 1])), (_u(0.5, 1, 5), _u(0.2, 1, 3))),
    (butterflies, (), (_rng.normal(size=8) + 1j * _rng.normal(size=8),)),
    (flattened, (), (_u(0.2, 1, (2, 4)), _u(0.2, 1, (2, 4)))),
    (recursion, (), (np.array([2.0, 0.7, 0.3, 0.4, 0.1]),)),
]
