"""Floating point numbers of 8 and 16 bits that NumPy does not have, read as float32, which holds each of them exactly."""

import numpy as np


def from_bfloat16(bits):
    """bfloat16 is the upper half of a float32.

    >>> from_bfloat16(np.array([0x3F80, 0xC020], np.uint16))
    array([ 1. , -2.5], dtype=float32)
    """
    return (bits.astype(np.uint32) << np.uint32(16)).view(np.float32)


def from_float8_e5m2(bits):
    """Five bits of exponent: the upper half of a float16."""
    return (bits.astype(np.uint16) << np.uint16(8)).view(np.float16).astype(np.float32)


def _e4m3():
    codes = np.arange(128)
    exponent, fraction = codes >> 3, codes & 7
    values = np.where(exponent == 0, fraction / 8 * 2.0**-6, (1 + fraction / 8) * 2.0 ** (exponent - 7.0))
    values[127] = np.nan  # there are no infinities
    return np.concatenate([values, -values]).astype(np.float32)


def _e8m0():
    with np.errstate(over="ignore"):
        values = 2.0 ** (np.arange(256.0) - 127)
    values[255] = np.nan
    return values.astype(np.float32)


E4M3, E8M0 = _e4m3(), _e8m0()  # Micikevicius et al., FP8 formats for deep learning (2022), table 1; OCP MX 1.0, table 7

DECODERS = {
    "BF16": from_bfloat16,
    "F8_E5M2": from_float8_e5m2,
    "F8_E4M3": lambda bits: E4M3[bits],
    "F8_E8M0": lambda bits: E8M0[bits],
}
