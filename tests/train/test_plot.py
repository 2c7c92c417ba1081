"""Pictures: what they show, and that drawing leaves the user's Matplotlib alone."""

import builtins
import io

import matplotlib
import numpy as np
import pytest

from chainrule import plot
from chainrule.errors import ArgumentError, MissingExtraError, ShapeError
from chainrule.train import History


def history(epochs=5, steps=20):
    curve = list(np.linspace(1.0, 0.02, epochs))
    return History(
        train_loss=curve,
        validation_loss=[v + 0.01 for v in curve],
        train_metrics={"accuracy": [1 - v for v in curve]},
        validation_metrics={"accuracy": [0.9 - v / 2 for v in curve]},
        seconds=[0.1] * epochs,
        batch_loss=list(np.repeat(curve, steps)),
        gradient_norms={"a": list(np.geomspace(10, 0.01, epochs * steps)), "b": [0.0] * epochs * steps},
        steps_per_epoch=[steps] * epochs,
    )


def texts(axes):
    return [t.get_text() for t in axes.get_legend().get_texts()]


def test_loss_curves():
    axes = plot.loss_curves(history(), held_out="test").axes[0]
    assert [list(line.get_ydata()) for line in axes.lines] == [history().train_loss, history().validation_loss]
    assert texts(axes) == ["training", "test"] and axes.get_yscale() == "log" and axes.get_xlabel() == "epoch"
    narrow = History(train_loss=[0.5, 0.4, 0.3])
    assert plot.loss_curves(narrow).axes[0].get_yscale() == "linear"


def test_pictures_of_a_run_that_was_stopped_at_once():
    early = History(batch_loss=[1.0, 0.9, 0.8], gradient_norms={"a": [1.0, 2.0, 1.5]}, stopped="interrupted in epoch 1")
    axes = plot.loss_curves(early).axes[0]
    assert axes.get_xlabel() == "step" and list(axes.lines[0].get_ydata()) == [1.0, 0.9, 0.8]
    plot.gradient_norms(early).savefig(io.BytesIO(), format="png")
    plot.loss_curves(History()), plot.gradient_norms(History())


def test_metric_curves():
    axes = plot.metric_curves(history()).axes[0]
    assert axes.get_ylabel() == "accuracy [%]"
    assert list(axes.lines[0].get_ydata()) == [pytest.approx(100 - 100 * v) for v in history().train_loss]
    assert texts(axes)[1] == "validation, 89 % at the end"
    assert axes.get_ylim()[0] < 0 and axes.get_ylim()[1] > 98  # a short run is shown whole
    with pytest.raises(ArgumentError, match="metrics: accuracy"):
        plot.metric_curves(history(), "f1")


def test_gradient_norms_of_short_and_long_runs():
    short, long = plot.gradient_norms(history()).axes[0], plot.gradient_norms(history(50, 40)).axes[0]
    for axes in short, long:
        assert texts(axes) == ["a", "b"] and axes.get_yscale() == "log"
    assert len(short.lines[0].get_xdata()) == 100
    x, y = long.lines[0].get_data()
    assert len(x) == 50 and y[0] > 5 and y[-1] < 0.02 and len(long.collections) == 2
    assert x[0] == pytest.approx(20.5)


def test_image_grid():
    images = np.random.default_rng(0).random((10, 8, 8))
    figure = plot.image_grid(images, np.arange(10), np.arange(10)[::-1], columns=4)
    assert len(figure.axes) == 10
    assert figure.axes[3].get_title() == "6, not 3"
    named = plot.image_grid(images[:2], [0, 1], [0, 0], ["trouser", "shirt"])
    assert [a.get_title() for a in named.axes] == ["trouser", "trouser,\nnot shirt"]
    assert len({a.title.get_color() for a in named.axes}) == 2
    for bad in [(images.reshape(10, 64),), (images, np.arange(9)), (images[:0],), (images, None, np.arange(3))]:
        with pytest.raises(ShapeError, match=r"images: \("):
            plot.image_grid(*bad)


def test_montage():
    images = np.random.default_rng(0).random((5, 8, 6))
    figure = plot.montage(images, columns=3, above=["T-shirt", "bag", "coat"], title="Drawn")
    (axes,) = figure.axes
    shown = np.ma.filled(axes.images[0].get_array(), np.nan)
    assert shown.shape == (17, 20)  # two rows and three columns, one white pixel between them
    assert np.array_equal(shown[9:, 7:13], images[4]) and np.isnan(shown[9:, 14:]).all() and np.isnan(shown[8]).all()
    assert [t.get_text() for t in axes.get_xticklabels()] == ["T-shirt", "bag", "coat"]
    assert plot.montage(images[:2]).axes[0].images[0].get_array().shape == (8, 13)
    for bad in (images[0], images[:0]):
        with pytest.raises(ShapeError, match=r"images: \("):
            plot.montage(bad)


def test_confusion_matrix_counts():
    figure = plot.confusion_matrix([0, 1, 1, 2], [0, 1, 2, 2])
    axes = figure.axes[0]
    cells = {t.get_position(): t.get_text() for t in axes.texts}
    assert cells == {(0, 0): "1", (1, 1): "1", (2, 1): "1", (2, 2): "1"}  # column first: label 1 was taken for 2
    assert axes.get_title(loc="left") == "3 of 4 right (75.00 %)"
    with pytest.raises(ShapeError, match=r"predictions: \(2,\)"):
        plot.confusion_matrix([0, 1, 1], [0, 1])


def test_saving_and_settings(tmp_path):
    with matplotlib.rc_context({"font.size": 13.0, "axes.grid": False}):
        before = dict(matplotlib.rcParams)
        plot.save(plot.loss_curves(history()), tmp_path / "x" / "loss.png")
        assert dict(matplotlib.rcParams) == before
    plot.save(plot.confusion_matrix([0, 1], [1, 1]), tmp_path / "x" / "confusion.svg")
    assert (tmp_path / "x" / "loss.png").read_bytes()[:4] == b"\x89PNG"
    assert "<svg" in (tmp_path / "x" / "confusion.svg").read_text()
    assert len(list((tmp_path / "x").iterdir())) == 2


def test_without_matplotlib(monkeypatch):
    original = builtins.__import__

    def no_matplotlib(name, *args, **kwargs):
        if name.startswith("matplotlib"):
            raise ImportError(name)
        return original(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", no_matplotlib)
    with pytest.raises(MissingExtraError, match=r"chainrule\[plot\]"):
        plot.loss_curves(history())
