"""Networks as scikit-learn estimators: for pipelines, grid search and cross-validation. Needs scikit-learn.

from chainrule.sklearn import ClassifierNet, RegressorNet
"""

import copy
from itertools import pairwise

import numpy as np

from . import nn, optim
from .data import DataLoader, TensorDataset
from .errors import ArgumentError, explain, missing_extra
from .random import Generator, default_generator
from .train import EarlyStopping, Trainer

try:
    from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin
    from sklearn.utils.multiclass import check_classification_targets
    from sklearn.utils.validation import check_is_fitted, check_random_state, validate_data
except ImportError as error:
    raise missing_extra("scikit-learn", "demo", "chainrule.sklearn") from error

ACTIVATIONS = {"relu": nn.ReLU, "tanh": nn.Tanh, "gelu": nn.GELU, "silu": nn.SiLU, "sigmoid": nn.Sigmoid}
MOST_SEED = 2**31 - 1


class _Net(BaseEstimator):
    """What both estimators share."""

    def __init__(
        self,
        hidden=(64,),
        activation="relu",
        *,
        module=None,
        optimizer="Adam",
        lr=1e-2,
        weight_decay=0.0,
        batch_size=64,
        epochs=100,
        patience=None,
        validation_fraction=0.1,
        compile=True,
        random_state=None,
        progress=False,
    ):
        self.hidden = hidden
        self.activation = activation
        self.module = module
        self.optimizer = optimizer
        self.lr = lr
        self.weight_decay = weight_decay
        self.batch_size = batch_size
        self.epochs = epochs
        self.patience = patience
        self.validation_fraction = validation_fraction
        self.compile = compile
        self.random_state = random_state
        self.progress = progress

    def _network(self, n_in, n_out):
        if self.module is not None:
            return self.module(n_in, n_out)
        if self.activation not in ACTIVATIONS:
            raise ArgumentError(
                explain(
                    f"{type(self).__name__}: unknown activation",
                    f"found: {self.activation!r}    known: {', '.join(ACTIVATIONS)}",
                    help="give a network of your own: module=function of (inputs, outputs)",
                )
            )
        sizes = [n_in, *self.hidden]
        layers = [m for a, b in pairwise(sizes) for m in (nn.Linear(a, b), ACTIVATIONS[self.activation]())]
        return nn.Sequential(*layers, nn.Linear(sizes[-1], n_out))

    def _train(self, X, y, n_out, loss):
        """Train a new network on standardised inputs; the default generator goes on as if nothing had been drawn from it."""
        seed = int(check_random_state(self.random_state).randint(MOST_SEED))
        self.mean_, spread = X.mean(0), X.std(0)
        self.scale_ = np.where(spread > 0, spread, 1.0)
        x = ((X - self.mean_) / self.scale_).astype(np.float32)
        before = default_generator.get_state()
        default_generator.manual_seed(seed)
        try:
            self.module_ = self._network(x.shape[1], n_out)
            optimizer = getattr(optim, self.optimizer)(self.module_.parameters(), lr=self.lr, weight_decay=self.weight_decay)
            trainer = Trainer(self.module_, loss, optimizer, compile=self.compile)
            held_out, callbacks = None, []
            if self.patience is not None:
                order = np.asarray(Generator(seed).permutation(len(x)))
                n = min(max(1, round(self.validation_fraction * len(x))), len(x) - 1)
                held_out, x, y = (x[order[:n]], y[order[:n]]), x[order[n:]], y[order[n:]]
                callbacks = [EarlyStopping("val_loss", self.patience, restore_best_weights=True)]
            loader: DataLoader = DataLoader(TensorDataset(x, y), min(self.batch_size, len(x)), shuffle=True, seed=seed)
            self.history_ = trainer.fit(
                loader, epochs=self.epochs, validation=held_out, callbacks=callbacks, progress=self.progress
            )
        finally:
            default_generator.set_state(before)
        self.n_iter_ = len(self.history_)
        return self

    def _outputs(self, X):
        check_is_fitted(self)
        X = validate_data(self, X, reset=False, dtype=np.float64)
        # In float64, so that what is said of a sample does not depend on which others are asked about at the same time.
        exact = copy.deepcopy(self.module_).double()
        return Trainer(exact, compile=False).predict((X - self.mean_) / self.scale_)

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.non_deterministic = self.random_state is None
        return tags


class ClassifierNet(ClassifierMixin, _Net):
    """A network that says which class a sample belongs to.

    Parameters
    ----------
    hidden : sizes of the hidden layers
    activation : 'relu', 'tanh', 'gelu', 'silu' or 'sigmoid'
    module : function of (number of features, number of outputs) that gives a Module, in place of hidden layers
    optimizer : name of a class in `chainrule.optim`
    lr, weight_decay : its learning rate and weight decay
    batch_size, epochs : samples in a step, and passes over the data
    patience : None, or how many epochs the loss on held-out samples may fail to improve; the best weights are kept
    validation_fraction : the share of samples that are held out if there is a patience
    compile : as for `chainrule.train.fit`
    random_state : None, an int or a NumPy RandomState, from which weights and order of samples come
    progress : show a bar on a terminal

    Inputs are standardised by the mean and standard deviation of the training samples.

    Attributes
    ----------
    module_ : the trained Module
    classes_ : the labels, in the order of the columns of `predict_proba`
    history_ : chainrule.train.History
    mean_, scale_ : of the training samples

    Examples
    --------
    >>> from chainrule.sklearn import ClassifierNet
    >>> X = np.array([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]])
    >>> net = ClassifierNet(hidden=(16,), random_state=0).fit(X, ["same", "other", "other", "same"])
    >>> net.predict(X)
    array(['same', 'other', 'other', 'same'], dtype='<U5')
    """

    def fit(self, X, y):
        """Train on samples (n, features) and their labels (n,)."""
        X, y = validate_data(self, X, y, dtype=np.float64)
        check_classification_targets(y)
        self.classes_, labels = np.unique(y, return_inverse=True)
        if len(self.classes_) < 2:
            raise ArgumentError(
                explain(
                    f"{type(self).__name__} needs samples of at least two classes",
                    f"found: 1 class, {self.classes_[0]!r}",
                    help="check the labels",
                )
            )
        return self._train(X, labels.astype(np.int64), len(self.classes_), nn.CrossEntropyLoss())

    def predict_proba(self, X):
        """The probability of each class: (n, classes)."""
        scores = self._outputs(X)
        powers = np.exp(scores - scores.max(1, keepdims=True))
        return powers / powers.sum(1, keepdims=True)

    def decision_function(self, X):
        """Scores (n, classes); of two classes, how much more the second one scores: (n,)."""
        scores = self._outputs(X)
        return scores[:, 1] - scores[:, 0] if len(self.classes_) == 2 else scores

    def predict(self, X):
        """The label of each sample."""
        scores = self._outputs(X)
        return self.classes_[scores.argmax(1)]


class RegressorNet(RegressorMixin, _Net):
    """A network that predicts one number, or several, for a sample. Parameters are those of `ClassifierNet`.

    Targets are standardised for training, and predictions are put back to their scale.

    Examples
    --------
    >>> from chainrule.sklearn import RegressorNet
    >>> X = np.linspace(-1, 1, 100)[:, None]
    >>> net = RegressorNet(hidden=(32,), activation="tanh", random_state=0).fit(X, X[:, 0] ** 2)
    >>> bool(net.score(X, X[:, 0] ** 2) > 0.98)
    True
    """

    def fit(self, X, y):
        """Train on samples (n, features) and targets (n,) or (n, outputs)."""
        X, y = validate_data(self, X, y, dtype=np.float64, multi_output=True, y_numeric=True)
        self.one_ = y.ndim == 1
        y = np.asarray(y, np.float64).reshape(len(y), -1)
        self.target_mean_, spread = y.mean(0), y.std(0)
        self.target_scale_ = np.where(spread > 0, spread, 1.0)
        targets = ((y - self.target_mean_) / self.target_scale_).astype(np.float32)
        return self._train(X, targets, y.shape[1], nn.MSELoss())

    def predict(self, X):
        """The numbers for each sample, in the shape of the targets."""
        out = self._outputs(X) * self.target_scale_ + self.target_mean_
        return out[:, 0] if self.one_ else out

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = True
        return tags
