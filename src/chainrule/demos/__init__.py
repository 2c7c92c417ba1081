"""Programs that `chainrule demo NAME` runs. Each is a module with `run(options)`; its first line says what it shows."""

from . import digits, fashion

DEMOS = {"digits": digits, "fashion": fashion}


def summary(name):
    """The line that the list of demos shows.

    >>> from chainrule import demos
    >>> demos.summary("digits")
    'an MLP learns to read real handwritten digits (1,797 images of 8x8 pixels); seconds'
    """
    return (DEMOS[name].__doc__ or "").strip().split("\n")[0].rstrip(".")
