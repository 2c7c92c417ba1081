"""Random numbers that every test of linear algebra draws anew, from a seed of its own."""

import zlib

import numpy as np
import pytest


@pytest.fixture
def rng(request):
    return np.random.default_rng(zlib.crc32(request.node.name.encode()))
