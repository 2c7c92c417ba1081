"""Linear algebra, one family of functions a file. Users find them in `chainrule.linalg`."""
