"""`chainrule.data` under the name that it has in PyTorch."""

from ..data import *
