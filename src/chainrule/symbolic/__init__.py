"""To SymPy and back: the formula that a program computes, and the program that a formula is. Needs SymPy (extra `symbolic`)."""

from .formulas import function as function
from .programs import expression as expression

__all__ = ["expression", "function"]
