"""Samples of the rows for parts of numbers, distinct elements and missing values."""

import numpy as np
import sampling
from sampling import F32, Sample, integer_pairs, ints, normal, rng, spread, unary

sampling.start(20)

HOLES = np.array([[1.0, np.nan, 3.0, -2.0], [np.nan, 5.0, 0.5, 4.0]])

SAMPLES = {
    "exponent": unary(0.6, 0.9, integers=False) + [Sample(spread((4,), 1.1, 1.9))],
    "ldexp": [
        Sample(normal(2, 3), ints(-3, 4, 2, 3)),
        Sample(normal(2, 3), ints(-3, 4, 3)),
        Sample(normal(3), 2),
        Sample(normal(), ints(-3, 4, 2)),
        Sample(normal(3, dtype=F32), ints(-3, 4, 3)),
        Sample(normal(0, 3), ints(-3, 4, 3)),
    ],
    "nextafter": [Sample(normal(2, 3), normal(3)), Sample(normal(3, dtype=F32), normal(3, dtype=F32)), Sample(normal(0), 1.0)],
    "spacing": [Sample(normal(2, 3)), Sample(normal(3, dtype=F32)), Sample(normal(0))],
    "gcd": integer_pairs(),
    "lcm": integer_pairs(),
    "bitwise_count": [Sample(ints(-9, 9, 2, 3)), Sample(ints(0, 9, 3).astype(np.uint8)), Sample(ints(0, 9, 0))],
    "unique": [
        Sample(np.array([3.0, 1.0, 3.0, 2.0]), axis=None, equal_nan=True),
        Sample(rng.integers(0, 3, (2, 4)), axis=None, equal_nan=True),
        Sample(np.array([[1.0, 2.0], [0.0, 1.0], [1.0, 2.0]]), axis=0, equal_nan=True),
        Sample(np.array([np.nan, 1.0, np.nan]), axis=None, equal_nan=False),
        Sample(np.zeros(0), axis=None, equal_nan=True),
    ],
    "nanargmax": [Sample(HOLES, axis=1), Sample(HOLES[:, 2:], axis=0), Sample(HOLES[0], axis=0)],
    "nanargmin": [Sample(HOLES, axis=1), Sample(HOLES[:, 2:], axis=0), Sample(HOLES[0], axis=0)],
}
