"""A count of changes to settings that compiled programs depend on, so that they need not look for changes at each call."""


class _Changes:
    __slots__ = ("count",)

    def __init__(self):
        self.count = 0

    def note(self):
        self.count += 1


changes = _Changes()
