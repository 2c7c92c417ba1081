"""Tables from CSV files: columns of numbers, truth values and categories, and datasets made of them."""

import csv
from collections.abc import Callable
from pathlib import Path

import numpy as np

from ..errors import ArgumentError, DataError, MissingDataError, explain
from .dataset import TensorDataset

MISSING = ("", "na", "n/a", "nan", "null", "none", "?")
TRUTH = {"true": True, "false": False, "yes": True, "no": False}
KINDS = ("int", "float", "bool", "category")


class Table:
    """Columns of equal length by name.

    Attributes
    ----------
    columns : dict of arrays (n,): int64, float64 (NaN where a value is missing), bool, or int64 codes of categories (-1 where
        missing)
    categories : for each column of categories, their names; a code is a place in it

    Examples
    --------
    >>> import chainrule as cr
    >>> table = cr.data.Table({"size": np.array([1.5, 2.5]), "kind": np.array([1, 0])}, {"kind": ("a", "b")})
    >>> table
    Table of 2 rows
      size  float64
      kind  category: a, b
    """

    def __init__(self, columns, categories=None):
        self.columns, self.categories = dict(columns), {k: tuple(v) for k, v in (categories or {}).items()}

    def __len__(self):
        return len(next(iter(self.columns.values()), ()))

    def __getitem__(self, name):
        if name not in self.columns:
            raise KeyError(explain(f"Table: no column {name!r}", f"columns: {', '.join(self.columns)}", help="check the name"))
        return self.columns[name]

    def missing(self):
        """How many values are missing, for each column that misses some.

        >>> import chainrule as cr
        >>> cr.data.Table({"a": np.array([1.0, np.nan])}).missing()
        {'a': 1}
        """
        counts = {name: int((c == -1).sum() if name in self.categories else (c != c).sum()) for name, c in self.columns.items()}
        return {name: n for name, n in counts.items() if n}

    def matrix(self, names=None, *, one_hot=True, dtype=np.float32):
        """Columns side by side, and what they are called.

        Parameters
        ----------
        names : which columns; default all
        one_hot : a column of zeros and ones for each category (all zeros where it is missing), rather than one of codes

        Returns
        -------
        (array (n, k), list of k names)

        Examples
        --------
        >>> import chainrule as cr
        >>> cr.data.Table({"size": np.array([1, 2]), "kind": np.array([1, 0])}, {"kind": ("a", "b")}).matrix()
        (array([[1., 0., 1.],
               [2., 1., 0.]], dtype=float32), ['size', 'kind=a', 'kind=b'])
        """
        parts, labels = [np.empty((len(self), 0), dtype)], []
        for name in self.columns if names is None else names:
            column = self[name]
            if one_hot and name in self.categories:
                parts.append(column[:, None] == np.arange(len(self.categories[name])))
                labels += [f"{name}={c}" for c in self.categories[name]]
            else:
                parts.append(column[:, None])
                labels.append(name)
        return np.concatenate([p.astype(dtype) for p in parts], 1), labels

    def dataset(self, target=None, *, one_hot=True, dtype=np.float32):
        """A TensorDataset of features, and of the column `target` if it is named: labels of a category, or numbers (n,).

        Raises
        ------
        DataError
            Values are missing; the message counts them.

        Examples
        --------
        >>> import chainrule as cr
        >>> table = cr.data.Table({"size": np.array([1, 2]), "kind": np.array([1, 0])}, {"kind": ("a", "b")})
        >>> table.dataset("kind")
        TensorDataset(float32 (2, 1), int64 (2,))
        """
        missing = self.missing()
        if missing:
            raise DataError(
                explain(
                    "Table.dataset: values are missing",
                    *(f"{name}: {n} of {len(self)}" for name, n in missing.items()),
                    help="fill them in (table.columns[name][...] = ...) or leave rows out with table.rows(...)",
                )
            )
        if target is None:
            return TensorDataset(self.matrix(one_hot=one_hot, dtype=dtype)[0])
        wanted = self[target]
        if target not in self.categories and wanted.dtype.kind == "f":
            wanted = wanted.astype(dtype)
        features = [name for name in self.columns if name != target]
        return TensorDataset(self.matrix(features, one_hot=one_hot, dtype=dtype)[0], wanted)

    def rows(self, which):
        """The table of some rows: a boolean or an index array.

        >>> import chainrule as cr
        >>> len(cr.data.Table({"a": np.arange(5)}).rows(np.array([0, 3])))
        2
        """
        return Table({name: column[which] for name, column in self.columns.items()}, self.categories)

    def __repr__(self):
        width = max(map(len, self.columns), default=0)
        lines = []
        for name, column in self.columns.items():
            names = self.categories.get(name)
            kind = (
                str(column.dtype) if names is None else f"category: {', '.join(names[:5])}{', ...' if len(names) > 5 else ''}"
            )
            lines.append(f"  {name.ljust(width)}  {kind}")
        return "\n".join([f"Table of {len(self)} rows", *lines])


def load_table(path, *, delimiter=None, header=True, types=None, missing=MISSING, like=None, encoding="utf-8"):
    """Read a table from a text file with one row per line, such as CSV.

    Parameters
    ----------
    path : str or path
    delimiter : between values; default whichever of comma, tab, semicolon and bar the first line has most of
    header : the first line names the columns, which are otherwise called "0", "1", ...
    types : dict of "int", "float", "bool" or "category" by column; the others are found out: what all values can be read as, in
        this order
    missing : what stands for a missing value, in small letters; a column of whole numbers becomes one of float64 if some are
        missing
    like : Table that was read before: columns, types and the codes of categories must be the same as there
    encoding : of the file; a byte order mark is skipped

    Returns
    -------
    Table

    Raises
    ------
    MissingDataError
        There is no such file.
    DataError
        A row has another number of values, or a value is not what its column should hold; the message says in which line.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> import chainrule as cr
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     _ = (Path(folder) / "flowers.csv").write_text("length,width,kind\\n5.1,3,setosa\\n7.0,2,versicolor\\n")
    ...     cr.data.load_table(Path(folder) / "flowers.csv")
    Table of 2 rows
      length  float64
      width   int64
      kind    category: setosa, versicolor
    """
    path = Path(path)
    names, lines, rows = _cells(path, delimiter, header, "utf-8-sig" if encoding == "utf-8" else encoding)
    if like is not None and names != list(like.columns):
        raise DataError(
            explain(
                f"load_table: {path} has other columns",
                f"expected: {', '.join(like.columns)}",
                f"found:    {', '.join(names)}",
                help="both files must have the same header",
            )
        )
    unknown = sorted(set(types or {}) - set(names)) + sorted(set((types or {}).values()) - set(KINDS))
    if unknown:
        raise ArgumentError(
            explain(
                "load_table: types is a dict of names of types by column",
                f"unknown: {', '.join(map(str, unknown))}    columns: {', '.join(names)}    types: {', '.join(KINDS)}",
                help="check the names",
            )
        )
    columns, categories = {}, {}
    for i, name in enumerate(names):
        cells = [row[i].strip() for row in rows]
        gaps = np.array([cell.lower() in missing for cell in cells], bool)
        kind = (types or {}).get(name) or (_kind_like(like, name) if like is not None else _kind_of(cells, gaps))
        if kind == "category":
            known = like.categories.get(name) if like is not None else None
            categories[name] = known or tuple(sorted({c for c, gap in zip(cells, gaps, strict=True) if not gap}))
        columns[name] = _column(cells, gaps, kind, categories.get(name), path, lines, name)
    return Table(columns, categories)


def _cells(path, delimiter, header, encoding):
    """Names of columns, numbers of lines, and rows of strings."""
    if not path.is_file():
        found = "a folder" if path.is_dir() else "nothing there"
        raise MissingDataError(explain(f"load_table: no file {path}", f"found: {found}", help="check the path"))
    try:
        with path.open(encoding=encoding, newline="") as file:
            first = file.readline()
            file.seek(0)
            reader = csv.reader(file, delimiter=delimiter or max(",\t;|", key=first.count), skipinitialspace=True)
            numbered = [(reader.line_num, row) for row in reader if row]
    except (UnicodeDecodeError, csv.Error) as error:
        raise DataError(explain(f"load_table: {path} is not a table of text", str(error), help="check the encoding")) from None
    if not numbered:
        raise DataError(explain(f"load_table: {path} is empty", help="it should have a header and rows"))
    names = [name.strip() for name in numbered[0][1]] if header else [str(i) for i in range(len(numbered[0][1]))]
    if len(set(names)) < len(names):
        raise DataError(
            explain(
                f"load_table: a name occurs twice in the header of {path}", f"header: {', '.join(names)}", help="header=False?"
            )
        )
    lines, rows = zip(*numbered[header:], strict=True) if numbered[header:] else ((), ())
    for line, row in zip(lines, rows, strict=True):
        if len(row) != len(names):
            raise DataError(
                explain(
                    f"load_table: line {line} of {path} has {len(row)} values",
                    f"expected: {len(names)} ({', '.join(names)})",
                    help="check the delimiter, and quote values that contain it",
                )
            )
    return names, lines, rows


def _kind_of(cells, gaps):
    values = [c for c, gap in zip(cells, gaps, strict=True) if not gap]
    for kind, read in (("int", int), ("float", float)):
        try:
            numbers = [read(v) for v in values]
        except ValueError:
            continue
        if kind == "float" or all(-(2**63) <= n < 2**63 for n in numbers):
            return "float" if kind == "int" and (gaps.any() or not values) else kind
    return "bool" if values and not gaps.any() and all(v.lower() in TRUTH for v in values) else "category"


def _kind_like(like, name):
    if name in like.categories:
        return "category"
    return {"i": "int", "f": "float", "b": "bool"}[like.columns[name].dtype.kind]


def _column(cells, gaps, kind, names, path, lines, name):
    codes = {c: i for i, c in enumerate(names or ())}
    readers: dict[str, Callable] = {
        "int": int,
        "float": float,
        "bool": lambda c: TRUTH[c.lower()],
        "category": codes.__getitem__,
    }
    read = readers[kind]
    gap_value = {"float": np.nan, "category": -1}.get(kind)
    column = np.empty(len(cells), {"int": np.int64, "float": np.float64, "bool": bool, "category": np.int64}[kind])
    for i, cell in enumerate(cells):
        try:
            if gaps[i] and gap_value is None:
                raise ValueError
            column[i] = gap_value if gaps[i] else read(cell)
        except (ValueError, KeyError, OverflowError):
            expected = f"one of {', '.join(codes)}" if kind == "category" else kind
            raise DataError(
                explain(
                    f"load_table: line {lines[i]} of {path} has an unexpected value in column {name!r}",
                    f"expected: {expected}    found: {cell!r}",
                    help="types={...} gives columns other types; missing=... says what stands for a missing value",
                )
            ) from None
    return column
