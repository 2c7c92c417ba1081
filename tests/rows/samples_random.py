"""Samples of the rows that random numbers are made of."""

import numpy as np
import sampling
from sampling import F32, INT, Sample, spread

sampling.start(20)


def key(*words):
    return np.array(words, np.uint64)


def quantiles(lo, hi, **params):
    """Pairs of a parameter and a probability."""
    return [
        Sample(spread((2, 3), lo, hi), spread((2, 3), 0.05, 0.95), **params),
        Sample(spread((3,), lo, hi), spread((2, 1), 0.05, 0.95), **params),
        Sample(spread((), lo, hi), spread((4,), 0.05, 0.95), **params),
        Sample(spread((0,), lo, hi), spread((1,), 0.05, 0.95), **params),
        Sample(spread((3,), lo, hi, F32), spread((3,), 0.05, 0.95, F32), **params),
        Sample(2.5, spread((3,), 0.05, 0.95), **params),
    ]


def moments():
    shapes = np.array([0.7, 0.9, 2.0, 7.0, 7.0, 40.0])
    places = np.array([-3.0, 0.4, -0.5, 0.9, 2.8, 3.9])  # below 0; above; below, and above, the mean
    return [
        *(Sample(shapes, places, k=k) for k in (0, 1, 2)),
        Sample(shapes[:3].astype(F32), places[:3].astype(F32), k=1),
        Sample(shapes[:, None], places[:2], k=0),
        Sample(shapes[:0], places[:1], k=1),
    ]


SAMPLES = {
    "random_counts": [
        Sample(key(1, 2), np.array(3.5), method="poisson", shape=(2, 3), last=0),
        Sample(key(5, 7), np.array([2.0, 5.0]), method="poisson", shape=(2,), last=0),
        Sample(key(3, 2), np.array([5, 9], INT), np.array(0.3), method="binomial", shape=(3, 2), last=0),
        Sample(key(3, 2), np.array(9, INT), np.array([0.3, 0.7]), method="multinomial", shape=(4, 2), last=1),
        Sample(key(3, 2), np.array(0.4), method="geometric", shape=(0, 2), last=0),
    ],
    "log_gamma_moment": moments(),
    "log_gamma_quantile": quantiles(0.1, 9),
    "von_mises_quantile": quantiles(0.2, 9) + [Sample(spread((4,), 15, 60), spread((4,), 0.01, 0.99))],
    "wald_quantile": quantiles(0.2, 9),
    "mills_ratio": [
        Sample(spread((2, 3), -2, 3)),
        Sample(spread((3,), -2, 3, F32)),
        Sample(spread((0, 2), -2, 3)),
        Sample(np.array([20.0, 50.0])),
    ],
}
