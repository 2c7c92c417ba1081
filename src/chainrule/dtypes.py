"""Element types: their names, and which of them carry derivatives."""

import numpy as np

__all__ = [
    "bool_", "complex64", "complex128", "float16", "float32", "float64",
    "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64",
]  # fmt: skip

# NumPy's scalar types, which are dtypes to every function and make single numbers when called.
bool_ = np.bool_
int8, int16, int32, int64 = np.int8, np.int16, np.int32, np.int64
uint8, uint16, uint32, uint64 = np.uint8, np.uint16, np.uint32, np.uint64
float16, float32, float64 = np.float16, np.float32, np.float64
complex64, complex128 = np.complex64, np.complex128


def is_inexact(dtype) -> bool:
    """Whether elements of this type carry derivatives: real or complex floating point."""
    return dtype.kind in "fc"


def native_order(x):
    """The array `x` with its bytes in the order of this machine."""
    return x if x.dtype.isnative else x.astype(x.dtype.newbyteorder("="))
