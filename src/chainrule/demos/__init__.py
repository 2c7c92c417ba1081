"""The gallery: programs that `chainrule demo NAME` runs. They stand in examples/, each a file with a function `main(demo)`."""

from .demo import Demo, Loop, Measured, Result, shown
from .gallery import description, folder, load, programs, run

__all__ = ["Demo", "Loop", "Measured", "Result", "description", "folder", "load", "programs", "run", "shown"]
