"""Numbers that say how good a model is, gathered batch by batch.

A metric is an object with `reset()`, `update(output, target)` and `result()`; a plain function (output, target) -> number
counts as one too: it is averaged over samples. Outputs of classifiers are scores: (n, classes, ...), with the largest for the
class that is chosen; or, of two classes, one score each in the shape of the labels, above `threshold` for class 1.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping

import numpy as np

from ..errors import ArgumentError, ShapeError, explain
from ..tensor import Tensor


def array(x):
    """A Tensor or array as an array."""
    return np.asarray(x.detach() if isinstance(x, Tensor) else x)


class Metric(ABC):
    """A number about a model, gathered batch by batch. All that it remembers stands in its attributes."""

    name = "metric"

    @abstractmethod
    def reset(self):
        """Forget all batches."""

    @abstractmethod
    def update(self, output, target):
        """Add a batch: what the model gave and what it should have given, as arrays or Tensors."""

    @abstractmethod
    def result(self):
        """The number for all batches since `reset`; NaN if there were none."""

    def state_dict(self):
        """What has been gathered, to go on from later."""
        return dict(vars(self))

    def load_state_dict(self, state):
        """Go on from what `state_dict` gave."""
        vars(self).update(state)

    def __call__(self, output, target):
        """The number for one batch alone; what has been gathered is forgotten."""
        self.reset()
        self.update(output, target)
        return self.result()


class Mean(Metric):
    """The mean over samples of a function (output, target) -> mean over the batch.

    Examples
    --------
    >>> from chainrule.train.metrics import Mean
    >>> m = Mean(lambda output, target: np.mean(output == target))
    >>> m.update(np.array([1, 1]), np.array([1, 0])), m.update(np.array([1]), np.array([1]))
    (None, None)
    >>> round(m.result(), 3)
    0.667
    """

    def __init__(self, function=None):
        self.function = function
        self.name = getattr(function, "__name__", "mean")
        self.reset()

    def reset(self):
        self.sum, self.n = 0.0, 0

    def add(self, value, n):
        """Add the mean over `n` samples."""
        self.sum += n * value
        self.n += n

    def update(self, output, target):
        self.add(float(self.function(output, target)), len(target))

    def result(self):
        return self.sum / self.n if self.n else float("nan")

    def state_dict(self):
        return {"sum": self.sum, "n": self.n}


def accuracy(scores, labels):
    """The share of samples whose highest score is that of their label.

    Parameters
    ----------
    scores : (n, classes), one score per class
    labels : integers (n,)

    Returns
    -------
    float from 0 to 1

    Raises
    ------
    ShapeError
        The shapes are not these.

    Examples
    --------
    >>> import chainrule.train as train
    >>> train.accuracy(np.array([[0.1, 0.9], [0.8, 0.2]]), np.array([1, 1]))
    0.5
    """
    scores, labels = array(scores), array(labels)
    if scores.ndim != 2 or labels.shape != scores.shape[:1]:
        raise _wrong_shapes("accuracy", "scores (n, classes) and labels (n,)", scores, labels)
    return float((scores.argmax(1) == labels).mean())


def _wrong_shapes(name, expected, output, target):
    return ShapeError(
        explain(
            f"{name}: expects {expected}",
            f"scores: {output.dtype} {output.shape}    labels: {target.dtype} {target.shape}",
            help="give a metric of your own for other outputs: metrics={'name': lambda output, target: ...}",
        )
    )


def _scores(name, output, target):
    """(samples, classes) or (samples,) scores and (samples,) labels of PyTorch's layouts, checked."""
    output, target = array(output), array(target)
    if output.ndim == target.ndim + 1 and output.shape[:1] + output.shape[2:] == target.shape:
        return np.moveaxis(output, 1, -1).reshape(-1, output.shape[1]), target.reshape(-1)
    if output.size == target.size and output.shape[:1] == target.shape[:1]:
        return output.reshape(-1), target.reshape(-1)
    raise _wrong_shapes(name, "scores (n, classes, ...) and labels (n, ...), or both of one shape", output, target)


def _same_shape(name, output, target):
    output, target = array(output), array(target)
    if output.size != target.size or output.shape[:1] != target.shape[:1]:
        raise ShapeError(
            explain(
                f"{name}: output and target must have the same shape",
                f"output: {output.dtype} {output.shape}    target: {target.dtype} {target.shape}",
                help="reshape one of them in the model or in the data",
            )
        )
    n = len(output)
    return output.reshape(n, -1).astype(np.float64), target.reshape(n, -1).astype(np.float64)


class Accuracy(Metric):
    """The share of samples whose class is right. `threshold` is for single scores of two classes.

    Examples
    --------
    >>> from chainrule.train import Accuracy
    >>> Accuracy()(np.array([[0.1, 0.9], [0.8, 0.2]]), np.array([1, 1]))
    0.5
    >>> Accuracy(threshold=0.5)(np.array([0.6, 0.4]), np.array([1, 0]))
    1.0
    """

    name = "accuracy"

    def __init__(self, threshold=0.0):
        self.threshold = threshold
        self.reset()

    def reset(self):
        self.right, self.n = 0, 0

    def update(self, output, target):
        scores, labels = _scores(self.name, output, target)
        chosen = scores.argmax(1) if scores.ndim == 2 else scores > self.threshold
        self.right += int((chosen == labels).sum())
        self.n += len(labels)

    def result(self):
        return self.right / self.n if self.n else float("nan")


class TopK(Metric):
    """The share of samples whose label is among the `k` highest scores.

    Examples
    --------
    >>> from chainrule.train import TopK
    >>> TopK(2)(np.array([[3.0, 2.0, 1.0], [3.0, 2.0, 1.0]]), np.array([1, 2]))
    0.5
    """

    def __init__(self, k=5):
        self.k, self.name = k, f"top_{k}"
        self.reset()

    def reset(self):
        self.right, self.n = 0, 0

    def update(self, output, target):
        scores, labels = _scores(self.name, output, target)
        if scores.ndim != 2:
            raise _wrong_shapes(self.name, "scores (n, classes, ...) and labels (n, ...)", scores, labels)
        k = min(self.k, scores.shape[1])
        best = np.argpartition(-scores, k - 1, axis=1)[:, :k]
        self.right += int((best == labels[:, None]).any(1).sum())
        self.n += len(labels)

    def result(self):
        return self.right / self.n if self.n else float("nan")


class ConfusionMatrix(Metric):
    """How often each class (row) was taken for each class (column), as lists.

    Parameters
    ----------
    classes : number of classes; by default that of the scores
    threshold : for single scores of two classes

    Examples
    --------
    >>> from chainrule.train import ConfusionMatrix
    >>> ConfusionMatrix()(np.eye(3)[[0, 1, 1]], np.array([0, 1, 2]))
    [[1, 0, 0], [0, 1, 0], [0, 1, 0]]
    """

    name = "confusion_matrix"

    def __init__(self, classes=None, threshold=0.0):
        self.classes, self.threshold = classes, threshold
        self.reset()

    def reset(self):
        self.counts = None

    def update(self, output, target):
        scores, labels = _scores(self.name, output, target)
        chosen = scores.argmax(1) if scores.ndim == 2 else (scores > self.threshold).astype(int)
        classes = self.classes or (scores.shape[1] if scores.ndim == 2 else 2)
        labels = labels.astype(np.int64)
        if len(labels) and not 0 <= labels.min() <= labels.max() < classes:
            raise ArgumentError(
                explain(
                    f"{self.name}: a label is out of range",
                    f"labels from {labels.min()} to {labels.max()}    classes: {classes}",
                    help=f"labels run from 0 to {classes - 1}",
                )
            )
        new = np.bincount(labels * classes + chosen, minlength=classes * classes).reshape(classes, classes)
        self.counts = new if self.counts is None else self.counts + new

    def result(self):
        return [] if self.counts is None else self.counts.tolist()


class _FromCounts(ConfusionMatrix):
    """A number that follows from a confusion matrix.

    Parameters
    ----------
    average : 'macro', the mean over classes; 'micro', of all samples alike; 'binary', of class 1 alone; by default 'binary' for
        two classes and else 'macro'. A class that does not occur where it is divided by counts as 0, as in scikit-learn.
    """

    def __init__(self, average=None, threshold=0.0):
        if average not in (None, "macro", "micro", "binary"):
            raise ArgumentError(
                explain(
                    f"{type(self).__name__}: unknown average",
                    f"found: {average!r}",
                    help="one of 'macro', 'micro', 'binary'; None chooses by the number of classes",
                )
            )
        self.average = average
        super().__init__(None, threshold)

    @staticmethod
    @abstractmethod
    def ratio(right, chosen, there):
        """The number of each class, from how often it was right, chosen, and there."""

    def result(self):
        if self.counts is None:
            return float("nan")
        right = np.diag(self.counts).astype(np.float64)
        chosen, there = self.counts.sum(0), self.counts.sum(1)
        average = self.average or ("binary" if len(right) == 2 else "macro")
        if average == "micro":
            right, chosen, there = (np.atleast_1d(v.sum()) for v in (right, chosen, there))
        values = self.ratio(right, chosen, there)
        return float(values[1] if average == "binary" else values.mean())


def _divide(a, b):
    return np.divide(a, b, out=np.zeros_like(a), where=b != 0)


class Precision(_FromCounts):
    """Of the samples that were said to be of a class, the share that are.

    >>> from chainrule.train import Precision
    >>> Precision()(np.array([1.0, 1.0, -1.0]), np.array([1, 0, 1]))
    0.5
    """

    name = "precision"

    @staticmethod
    def ratio(right, chosen, there):
        return _divide(right, chosen)


class Recall(_FromCounts):
    """Of the samples of a class, the share that were found.

    >>> from chainrule.train import Recall
    >>> Recall()(np.array([1.0, 1.0, -1.0, -1.0]), np.array([1, 0, 1, 1]))
    0.3333333333333333
    """

    name = "recall"

    @staticmethod
    def ratio(right, chosen, there):
        return _divide(right, there)


class F1(_FromCounts):
    """The harmonic mean of precision and recall.

    >>> from chainrule.train import F1
    >>> F1()(np.array([1.0, 1.0, -1.0]), np.array([1, 0, 1]))
    0.5
    """

    name = "f1"

    @staticmethod
    def ratio(right, chosen, there):
        return _divide(2 * right, chosen + there)


class AUC(Metric):
    """The area under the ROC curve: how often a sample of the class scores higher than one that is not; ties count half.

    With (n, classes) scores of more than two classes, the mean over classes, each against the rest. All scores are kept until
    `reset`, so that the number is exact.

    >>> from chainrule.train import AUC
    >>> AUC()(np.array([0.1, 0.4, 0.35, 0.8]), np.array([0, 0, 1, 1]))
    0.75
    """

    name = "auc"

    def __init__(self):
        self.reset()

    def reset(self):
        self.scores, self.labels = [], []

    def update(self, output, target):
        scores, labels = _scores(self.name, output, target)
        if scores.ndim == 2 and scores.shape[1] == 2:
            scores = scores[:, 1] - scores[:, 0]
        self.scores.append(np.array(scores))
        self.labels.append(np.array(labels))

    def result(self):
        if not self.scores:
            return float("nan")
        scores, labels = np.concatenate(self.scores), np.concatenate(self.labels)
        if scores.ndim == 1:
            return _area(scores, labels == 1)
        return float(np.mean([_area(scores[:, k], labels == k) for k in range(scores.shape[1])]))


def _area(scores, positive):
    """The rank statistic of Mann and Whitney (1947)."""
    n, m = int(positive.sum()), int((~positive).sum())
    if not n or not m:
        return float("nan")
    _, inverse, counts = np.unique(scores, return_inverse=True, return_counts=True)
    ranks = np.cumsum(counts) - (counts - 1) / 2
    return float((ranks[inverse][positive].sum() - n * (n + 1) / 2) / (n * m))


class MSE(Metric):
    """The mean squared difference.

    >>> from chainrule.train import MSE
    >>> MSE()(np.array([1.0, 2.0]), np.array([1.0, 4.0]))
    2.0
    """

    name = "mse"

    def __init__(self):
        self.reset()

    def reset(self):
        self.sum, self.n = 0.0, 0

    def update(self, output, target):
        output, target = _same_shape(self.name, output, target)
        self.sum += float(self.of_difference(output - target).sum())
        self.n += output.size

    def result(self):
        return self.sum / self.n if self.n else float("nan")

    @staticmethod
    def of_difference(d):
        return d * d


class MAE(MSE):
    """The mean absolute difference.

    >>> from chainrule.train import MAE
    >>> MAE()(np.array([1.0, 2.0]), np.array([1.0, 4.0]))
    1.0
    """

    name = "mae"

    @staticmethod
    def of_difference(d):
        return np.abs(d)


class R2(Metric):
    """The share of the variance of the targets that is explained; of several outputs, the mean.

    Targets that are all equal give 1 if they were met exactly, else 0, as in scikit-learn.

    >>> from chainrule.train import R2
    >>> R2()(np.array([1.0, 2.0, 3.0]), np.array([1.0, 2.0, 4.0])).__round__(3)
    0.786
    """

    name = "r2"

    def __init__(self):
        self.reset()

    def reset(self):
        self.n, self.mean, self.spread, self.missed = 0, 0.0, 0.0, 0.0

    def update(self, output, target):
        output, target = _same_shape(self.name, output, target)
        if not len(target):
            return
        # Two sets of samples are joined as in Chan, Golub and LeVeque (1979): sums of squares would cancel.
        n, mean = len(target), target.mean(0)
        shift = mean - self.mean
        self.spread = self.spread + ((target - mean) ** 2).sum(0) + shift * shift * (self.n * n / (self.n + n))
        self.mean = self.mean + shift * (n / (self.n + n))
        self.missed = self.missed + ((output - target) ** 2).sum(0)
        self.n += n

    def result(self):
        if not self.n:
            return float("nan")
        spread, missed = np.asarray(self.spread), np.asarray(self.missed)
        share = 1 - np.divide(missed, spread, out=(missed > 0).astype(float), where=spread > 0)
        return float(share.mean())


class Perplexity(Metric):
    """exp of the mean negative log-likelihood of the labels: among how many equally likely ones the model is in doubt.

    Parameters
    ----------
    ignore_index : label of places that do not count

    >>> from chainrule.train import Perplexity
    >>> round(Perplexity()(np.zeros((2, 8)), np.array([0, 5])), 6)
    8.0
    """

    name = "perplexity"

    def __init__(self, ignore_index=-100):
        self.ignore_index = ignore_index
        self.reset()

    def reset(self):
        self.sum, self.n = 0.0, 0

    def update(self, output, target):
        scores, labels = _scores(self.name, output, target)
        if scores.ndim != 2:
            raise _wrong_shapes(self.name, "scores (n, classes, ...) and labels (n, ...)", scores, labels)
        counted = labels != self.ignore_index
        scores, labels = scores[counted].astype(np.float64), labels[counted].astype(np.int64)
        scores = scores - scores.max(1, keepdims=True)
        likelihood = np.take_along_axis(scores, labels[:, None], 1)[:, 0] - np.log(np.exp(scores).sum(1))
        self.sum -= float(likelihood.sum())
        self.n += len(labels)

    def result(self):
        return float(np.exp(self.sum / self.n)) if self.n else float("nan")


METRICS = {
    "accuracy": Accuracy,
    "auc": AUC,
    "confusion_matrix": ConfusionMatrix,
    "f1": F1,
    "mae": MAE,
    "mse": MSE,
    "perplexity": Perplexity,
    "precision": Precision,
    "r2": R2,
    "recall": Recall,
    "top_5": TopK,
}
KERAS = {
    "acc": Accuracy,
    "binary_accuracy": Accuracy,
    "categorical_accuracy": Accuracy,
    "sparse_categorical_accuracy": Accuracy,
    "mean_absolute_error": MAE,
    "mean_squared_error": MSE,
    "r2_score": R2,
    "sparse_top_k_categorical_accuracy": TopK,
    "top_k_categorical_accuracy": TopK,
}


def named_metrics(metrics):
    """Metrics by name from what `fit` takes: a name, a list of names, metrics and functions, or a dict of them."""
    if metrics is None:
        return {}
    if isinstance(metrics, (str, Metric)) or callable(metrics):
        metrics = [metrics]
    pairs = metrics.items() if isinstance(metrics, Mapping) else [(_name(m), m) for m in metrics]
    return {name: _metric(name, m) for name, m in pairs}


def _name(metric):
    return metric if isinstance(metric, str) else getattr(metric, "name", None) or getattr(metric, "__name__", repr(metric))


def _metric(name, given):
    if isinstance(given, str):
        given = (METRICS | KERAS).get(given.lower(), given)
    if isinstance(given, type) and issubclass(given, Metric):
        given = given()
    if name == "loss" or not (isinstance(given, Metric) or callable(given)):
        raise ArgumentError(
            explain(
                f"unknown metric {name!r}",
                f"known by name: {', '.join(METRICS)}",
                help="or give a function: metrics={'name': lambda output, target: ...}; 'loss' is taken",
            )
        )
    return given if isinstance(given, Metric) else Mean(given)
