"""The scikit-learn estimators: scikit-learn's own checks, and what these do not look at."""

import pickle

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.datasets import load_iris
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import check_estimator

import chainrule as cr
from chainrule import nn
from chainrule.errors import ArgumentError
from chainrule.sklearn import ClassifierNet, RegressorNet

X, LABELS = load_iris(return_X_y=True)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("net", [ClassifierNet(random_state=0, epochs=30), RegressorNet(random_state=0, epochs=30)])
def test_all_checks_of_sklearn(net):
    """Skipped by scikit-learn itself: what needs pandas, and its array API dispatch, which has to be switched on."""
    found = check_estimator(net, on_fail=None)
    assert len(found) > 50 and [r["check_name"] for r in found if r["status"] == "failed"] == []
    skipped = {r["check_name"] for r in found if r["status"] == "skipped"}
    assert skipped <= {"check_array_api_input", "check_classifier_data_not_an_array", "check_regressor_data_not_an_array"}


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("net", [ClassifierNet(hidden=(8,), random_state=0, epochs=2), RegressorNet(random_state=0, epochs=2)])
def test_quick_checks_of_sklearn(net):
    """All but those that ask for good predictions, after two epochs."""
    good = {"check_classifiers_train", "check_regressors_train", "check_classifiers_classes", "check_fit_score_takes_y"}
    found = check_estimator(net, on_fail=None)
    assert {r["check_name"] for r in found if r["status"] == "failed"} <= good


def test_iris():
    net = make_pipeline(StandardScaler(), ClassifierNet((16,), random_state=0))
    assert cross_val_score(net, X, LABELS, cv=3).mean() > 0.93
    search = GridSearchCV(ClassifierNet(epochs=10, random_state=0), {"hidden": [(4,), (16,)]}, cv=2).fit(X, LABELS)
    assert search.best_params_["hidden"] in [(4,), (16,)]


def test_same_seed_same_network_and_nothing_drawn_outside():
    cr.manual_seed(5)
    before = cr.get_rng_state()
    a = ClassifierNet(epochs=2, random_state=3).fit(X, LABELS)
    np.testing.assert_array_equal(cr.get_rng_state(), before)
    cr.rand(10)
    b = clone(a).fit(X, LABELS)
    np.testing.assert_array_equal(a.predict_proba(X), b.predict_proba(X))
    c = clone(a).set_params(random_state=4).fit(X, LABELS)
    assert not np.array_equal(a.predict_proba(X), c.predict_proba(X))
    np.testing.assert_allclose(a.predict_proba(X).sum(1), 1)
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(a)).predict(X), a.predict(X))


def test_a_network_of_ones_own_and_patience():
    def make(n_in, n_out):
        return nn.Sequential(nn.Linear(n_in, 12), nn.GELU(), nn.Dropout(0.1), nn.Linear(12, n_out))

    net = ClassifierNet(module=make, epochs=200, patience=3, validation_fraction=0.2, random_state=0).fit(X, LABELS)
    assert net.n_iter_ < 200 and net.score(X, LABELS) > 0.9 and isinstance(net.module_[1], nn.GELU)
    assert net.history_.stopped.startswith("val_loss no better")


def test_several_targets_of_any_scale():
    y = np.stack([1e6 * X[:, 0], 1e-6 * X[:, 1]], 1)
    net = RegressorNet(epochs=60, random_state=0).fit(X, y)
    assert net.predict(X).shape == (150, 2) and net.score(X, y) > 0.98


def test_bad_arguments():
    with pytest.raises(ArgumentError, match="unknown activation"):
        ClassifierNet(activation="step").fit(X, LABELS)
    with pytest.raises(ArgumentError, match="at least two classes"):
        ClassifierNet().fit(X, np.zeros(len(X), int))
