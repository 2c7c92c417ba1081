"""Pictures of training runs, of what a classifier says and of compiled programs. Needs Matplotlib (extra `plot`).

Opens no window. Every function returns a Matplotlib `Figure`; notebooks show it, `save` writes it to a file.
"""

import functools
import itertools
import math
from pathlib import Path

import numpy as np

from .data.files import atomic_write
from .errors import ArgumentError, ShapeError, explain, missing_extra
from .tensor import Tensor

BLUE, ORANGE, RED, GREEN = "#2f6db5", "#e07b28", "#c0392b", "#2a8f4f"
COLORS = (BLUE, ORANGE, GREEN, RED, "#7b52ab", "#8c6d46", "#d45aa3", "#6f6f6f")
LOOK = {
    "font.size": 10,
    "axes.titlesize": 12,
    "axes.titlelocation": "left",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.color": "#e3e3e3",
    "grid.linewidth": 0.8,
    "axes.axisbelow": True,
    "axes.edgecolor": "#888888",
    "legend.frameon": False,
    "savefig.dpi": 130,
}


def _matplotlib():
    try:
        import matplotlib
        import matplotlib.figure
        import matplotlib.ticker
    except ImportError as error:
        raise missing_extra("matplotlib", "plot", "chainrule.plot") from error
    return matplotlib


def _figure(width, height, rows=1, columns=1):
    """A figure that no window system knows of, and its axes."""
    figure = _matplotlib().figure.Figure(figsize=(width, height), layout="constrained")
    return figure, figure.subplots(rows, columns, squeeze=False)


def style():
    """A context in which Matplotlib draws in the look of this file; the user's settings are back after it."""
    return _matplotlib().rc_context(LOOK)


def subplots(rows=1, columns=1, size=None):
    """An empty figure and its axes, in the look of this file.

    Parameters
    ----------
    rows, columns : int
    size : (width, height) in inches; None for 4.6 x 3.4 a plot

    Returns
    -------
    matplotlib Figure, and an Axes, or an array of Axes (rows and columns of one are left out)

    Examples
    --------
    >>> from chainrule import plot
    >>> figure, axes = plot.subplots(1, 2)
    >>> axes.shape
    (2,)
    """
    width, height = size or (4.6 * columns, 3.4 * rows)
    with style():
        figure, axes = _figure(width, height, rows, columns)
    axes = axes.squeeze()
    return figure, axes if axes.ndim else axes.item()


def _styled(draw):
    """Draw in the look of this file without changing the user's settings."""

    @functools.wraps(draw)
    def styled(*args, **kwargs):
        with style():
            return draw(*args, **kwargs)

    return styled


def save(figure, path):
    """Write a figure to `path`, whole or not at all; the ending (.png, .svg, .pdf) says how.

    >>> import tempfile
    >>> from pathlib import Path
    >>> from chainrule import plot
    >>> from chainrule.train import History
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     plot.save(plot.loss_curves(History(train_loss=[1.0, 0.5])), Path(folder) / "loss.png")
    ...     (Path(folder) / "loss.png").stat().st_size > 1000
    True
    """
    path = Path(path)
    with style(), atomic_write(path, "wb") as file:
        figure.savefig(file, format=path.suffix.lstrip(".") or "png")


@_styled
def loss_curves(history, held_out="validation"):
    """Training and validation loss of each epoch, on a log scale when they span more than a factor of ten.

    Parameters
    ----------
    history : chainrule.train.History
    held_out : what to call the data that were not trained on

    Returns
    -------
    matplotlib Figure

    Raises
    ------
    MissingExtraError
        Matplotlib is not installed.

    Examples
    --------
    >>> from chainrule import plot
    >>> from chainrule.train import History
    >>> plot.loss_curves(History(train_loss=[1.0, 0.5])).axes[0].get_ylabel()
    'loss'
    """
    figure, ((axes,),) = _figure(6.4, 4.0)
    if not len(history):  # stopped within the first epoch: single steps are all there is
        axes.plot(range(1, len(history.batch_loss) + 1), history.batch_loss, color=BLUE, label="each batch")
        _finish(axes, "Loss", "step", "loss", history.batch_loss)
        return figure
    epochs = range(1, len(history) + 1)
    axes.plot(epochs, history.train_loss, color=BLUE, marker="o", markersize=3.5, label="training")
    if history.validation_loss:
        axes.plot(*_known(history.validation_loss), color=ORANGE, marker="s", markersize=3.5, label=held_out)
    _finish(axes, "Loss", "epoch", "loss", history.train_loss + _known(history.validation_loss)[1].tolist())
    return figure


def _known(values):
    """(epochs, values) of those that are no NaN: not every epoch has a validation."""
    values = np.array(values, float)
    epochs = np.flatnonzero(values == values)
    return epochs + 1, values[epochs]


@_styled
def curves(series, title="", xlabel="", ylabel="", *, log=False, smooth=None):
    """Lines, one for each name.

    Parameters
    ----------
    series : {name: y} or {name: (x, y)}, arrays of one axis; without x, counted from 1
    title, xlabel, ylabel : str
    log : bool, whether the vertical axis is logarithmic
    smooth : number of neighbours over which a running mean is drawn, with the values themselves pale behind it; None for a
        fiftieth of the longest series where that has more than 200 values, 1 for none

    Returns
    -------
    matplotlib Figure

    Examples
    --------
    >>> from chainrule import plot
    >>> plot.curves({"loss": [1.0, 0.5, 0.25]}, xlabel="epoch").axes[0].get_xlabel()
    'epoch'
    """
    figure, ((axes,),) = _figure(6.4, 3.6)
    for (name, values), color in zip(series.items(), itertools.cycle(COLORS)):
        x, y = values if isinstance(values, tuple) else (np.arange(1, len(values) + 1), values)
        x, y = _plain(x), _plain(y)
        width = smooth or (len(y) // 50 if len(y) > 200 else 1)
        if width > 1:
            axes.plot(x, y, color=color, alpha=0.25, linewidth=0.8)
            y = np.convolve(y, np.full(width, 1 / width), "valid")
            x = x[width - 1 :]
        axes.plot(x, y, color=color, label=name)
    if log:
        axes.set_yscale("log")
    axes.set(title=title, xlabel=xlabel, ylabel=ylabel)
    axes.margins(x=0.02)
    if len(series) > 1:
        axes.legend()
    return figure


@_styled
def metric_curves(history, name="accuracy", held_out="validation"):
    """One metric of each epoch, for training and validation; accuracy is drawn in percent.

    The first twentieth of a long run may begin below the picture, so that differences at the end can be seen.

    Parameters
    ----------
    history : chainrule.train.History
    name : of the metric, as given to `fit`
    held_out : what to call the data that were not trained on

    Returns
    -------
    matplotlib Figure

    Raises
    ------
    ArgumentError
        The history has no such metric.

    Examples
    --------
    >>> from chainrule import plot
    >>> from chainrule.train import History
    >>> history = History(train_loss=[1.0, 0.5], train_metrics={"accuracy": [0.5, 0.9]})
    >>> plot.metric_curves(history).axes[0].get_ylabel()
    'accuracy [%]'
    """
    if name not in history.train_metrics:
        raise ArgumentError(
            explain(
                f"metric_curves: no metric {name!r} in this history",
                f"metrics: {', '.join(history.train_metrics) or 'none'}",
                help=f"train with fit(..., metrics={[name]!r})",
            )
        )
    figure, ((axes,),) = _figure(6.4, 4.0)
    scale, unit, end = (100, " [%]", " %") if name == "accuracy" else (1, "", "")
    parts = [("training", history.train_metrics, BLUE, "o"), (held_out, history.validation_metrics, ORANGE, "s")]
    for label, metrics, color, marker in parts:
        epochs, values = _known(metrics.get(name, []))
        values = scale * values
        if len(values):
            label = f"{label}, {values[-1]:.4g}{end} at the end"
            axes.plot(epochs, values, color=color, marker=marker, markersize=3.5, label=label)
    _finish(axes, name.capitalize(), "epoch", name + unit, None)
    late = [v for _, metrics, _, _ in parts for v in metrics.get(name, [])[len(history) // 20 :] if v == v]
    if name == "accuracy" and late and min(late) < max(late):  # the climb of the first epochs would flatten all the rest
        margin = 0.05 * (max(late) - min(late))
        axes.set_ylim(scale * (min(late) - margin), scale * (max(late) + margin))
    return figure


@_styled
def gradient_norms(history):
    """The norm of each layer's gradient in each step, on a log scale.

    Of long runs, the median of each fiftieth and the range in which 80 % of its steps lie.

    Parameters
    ----------
    history : chainrule.train.History

    Returns
    -------
    matplotlib Figure

    Examples
    --------
    >>> from chainrule import plot
    >>> from chainrule.train import History
    >>> plot.gradient_norms(History(gradient_norms={"fc1": [1.0, 0.1]})).axes[0].get_yscale()
    'log'
    """
    figure, ((axes,),) = _figure(7.2, 4.2)
    colors = _matplotlib().colormaps["viridis"](np.linspace(0, 0.85, max(len(history.gradient_norms), 1)))
    banded = False
    for color, (layer, norms) in zip(colors, history.gradient_norms.items()):
        norms = np.where(np.asarray(norms, float) > 0, norms, np.nan)  # a log scale has no place for 0
        width = len(norms) // 50
        if width < 5:  # too few for quantiles to mean much
            axes.plot(np.arange(1, len(norms) + 1), norms, color=color, linewidth=1.4, label=layer)
            continue
        middle, (low, median, high) = _stretches(norms, width, (0.1, 0.5, 0.9))
        axes.fill_between(middle, low, high, color=color, alpha=0.18, linewidth=0)
        axes.plot(middle, median, color=color, linewidth=1.8, label=layer)
        banded = True
    title = "Gradient norm of each layer" + (": median, and the range of 80 % of the steps" if banded else "")
    _finish(axes, title, "step", "Euclidean norm", None)
    axes.set_yscale("log")
    _plain_log_ticks(axes)
    # Beside the curves: layers are many and their curves fill the axes.
    if history.gradient_norms:
        axes.legend(title="layer", loc="upper left", bbox_to_anchor=(1.0, 1.0), alignment="left")
    return figure


def _stretches(values, width, quantiles):
    """Middles of successive stretches of about `width` values, and the quantiles of each."""
    pieces = np.array_split(np.arange(len(values)), max(len(values) // width, 1))
    found = [np.nanquantile(values[p], quantiles) if np.isfinite(values[p]).any() else [np.nan] * 3 for p in pieces]
    return np.array([p.mean() + 1 for p in pieces]), np.array(found).T


@_styled
def image_grid(images, labels=None, predictions=None, classes=None, columns=8):
    """Grey-scale images with their labels; where predictions are given, those in red are wrong.

    Parameters
    ----------
    images : (n, height, width)
    labels, predictions : integers (n,), what each image shows and what a model says
    classes : a name for each label
    columns : images per row

    Returns
    -------
    matplotlib Figure

    Raises
    ------
    ShapeError
        Images do not have three axes, or numbers of images and labels differ.

    Examples
    --------
    >>> from chainrule import plot
    >>> figure = plot.image_grid(np.zeros((3, 8, 8)), labels=[0, 1, 2], predictions=[0, 1, 1], columns=3)
    >>> [axes.get_title() for axes in figure.axes]
    ['0', '1', '1, not 2']
    """
    images = _plain(images)
    named = {"labels": labels, "predictions": predictions}
    labels, predictions = (None if v is None else _plain(v) for v in named.values())
    wrong = [k for k, v in (("labels", labels), ("predictions", predictions)) if v is not None and v.shape != images.shape[:1]]
    if images.ndim != 3 or not len(images) or wrong:
        found = {k: v.shape for k, v in (("images", images), ("labels", labels), ("predictions", predictions)) if v is not None}
        raise ShapeError(
            explain(
                "image_grid: expects images (n, height, width) and one label each",
                "    ".join(f"{k}: {s}" for k, s in found.items()),
                help="reshape flat images first, for example images.reshape(-1, 28, 28)",
            )
        )
    columns = min(columns, len(images))
    rows = math.ceil(len(images) / columns)
    long = classes is not None and max(len(str(c)) for c in classes) > 3
    figure, grid = _figure((1.45 if long else 1.1) * columns, (1.75 if long else 1.4) * rows + 0.2, rows, columns)

    def name(i):
        return str(classes[i]) if classes is not None else str(i)

    for i, axes in enumerate(grid.flat):
        axes.set_axis_off()
        if i >= len(images):
            figure.delaxes(axes)
            continue
        axes.imshow(images[i], cmap="gray_r", interpolation="nearest")
        said = labels if predictions is None else predictions
        if said is None:
            continue
        text, color = name(said[i]), "black"
        if labels is not None and predictions is not None:
            right = labels[i] == predictions[i]
            color = GREEN if right else RED
            text = text if right else f"{text},{chr(10) if long else ' '}not {name(labels[i])}"
        axes.set_title(text, fontsize=8.5, color=color, loc="center", pad=3)
    return figure


@_styled
def montage(images, columns=10, above=None, title=""):
    """Grey-scale images side by side in one plot, which is much faster drawn than a plot for each.

    Parameters
    ----------
    images : (n, height, width); an incomplete last row is filled with white
    columns : images per row
    above : a name for each column
    title : str

    Returns
    -------
    matplotlib Figure

    Raises
    ------
    ShapeError
        Images do not have three axes, or there are none.

    Examples
    --------
    >>> from chainrule import plot
    >>> plot.montage(np.zeros((6, 8, 8)), columns=3, above=["a", "b", "c"]).axes[0].get_xticklabels()[1].get_text()
    'b'
    """
    images = _plain(images)
    if images.ndim != 3 or not len(images):
        raise ShapeError(
            explain(
                "montage: expects images (n, height, width)",
                f"images: {images.shape}",
                help="reshape flat images first, for example images.reshape(-1, 28, 28)",
            )
        )
    n, height, width = images.shape
    gap = max(height // 10, 1)
    rows, columns = math.ceil(n / columns), min(columns, n)
    canvas = np.full((rows, height + gap, columns, width + gap), np.nan)
    for i, image in enumerate(images):
        canvas[i // columns, :height, i % columns, :width] = image
    canvas = canvas.reshape(rows * (height + gap), columns * (width + gap))[:-gap, :-gap]
    wide = 0.7 * columns + 0.1
    slanted = above is not None and max(len(str(name)) for name in above) > 4
    heads = (0.7 if slanted else 0.25 if above is not None else 0.05) + (0.3 if title else 0)
    figure, ((axes,),) = _figure(wide, wide * canvas.shape[0] / canvas.shape[1] + heads)
    axes.imshow(canvas, cmap="gray_r", interpolation="nearest")
    axes.grid(False)
    axes.spines[:].set_visible(False)
    axes.set(title=title, xticks=[], yticks=[])
    if above is not None:
        places = (width + gap) * np.arange(columns) + (0.3 if slanted else 0.5) * width
        axes.set_xticks(places, [str(name) for name in above], **({"rotation": 30, "ha": "left"} if slanted else {}))
        axes.xaxis.tick_top()
        axes.tick_params(length=0, pad=1)
    return figure


@_styled
def attention_maps(maps, queries, keys, title="", per_row=4):
    """Matrices of weights with a name for each row and column: where a network looks, one picture for each sequence.

    Parameters
    ----------
    maps : sequence of arrays (queries, keys), from 0 to 1; what lies beyond the names is padding and left out
    queries : names of the rows of each map
    keys : names of the columns of each map
    title : str
    per_row : pictures beside one another

    Returns
    -------
    matplotlib Figure

    Examples
    --------
    >>> from chainrule import plot
    >>> figure = plot.attention_maps([np.eye(2)], [("AH", "T")], ["at"])
    >>> [label.get_text() for label in figure.axes[0].get_xticklabels()]
    ['a', 't']
    """
    per_row = min(per_row, len(maps))
    rows = math.ceil(len(maps) / per_row)
    figure, grid = _figure(2.2 * per_row, 2.4 * rows + 0.1, rows, per_row)
    for axes in grid.flat[len(maps) :]:
        figure.delaxes(axes)
    for axes, values, across, along in zip(grid.flat, maps, queries, keys, strict=False):
        if len(across) and len(along):
            axes.imshow(_plain(values)[: len(across), : len(along)], cmap="Blues", vmin=0, vmax=1, aspect="auto")
        axes.set_xticks(range(len(along)), along)
        axes.set_yticks(range(len(across)), across)
        axes.grid(visible=False)
        axes.tick_params(length=0)
    if title:
        figure.suptitle(title, x=0.01, ha="left")
    return figure


@_styled
def confusion_matrix(labels, predictions, classes=None):
    """How many samples of each class (rows) were taken for which (columns).

    Parameters
    ----------
    labels, predictions : integers (n,)
    classes : a name for each label

    Returns
    -------
    matplotlib Figure

    Raises
    ------
    ShapeError
        The two differ in shape.

    Examples
    --------
    >>> from chainrule import plot
    >>> plot.confusion_matrix([0, 1, 1], [0, 1, 0], ["cat", "dog"]).axes[0].get_xlabel()
    'predicted'
    """
    labels, predictions = _plain(labels), _plain(predictions)
    if labels.ndim != 1 or labels.shape != predictions.shape or not len(labels):
        raise ShapeError(
            explain(
                "confusion_matrix: labels and predictions must have one shape (n,)",
                f"labels: {labels.shape}    predictions: {predictions.shape}",
                help="for scores of each class, give scores.argmax(1)",
            )
        )
    n = max(int(labels.max()), int(predictions.max())) + 1 if classes is None else len(classes)
    names = [str(c) for c in (range(n) if classes is None else classes)]
    counts = np.zeros((n, n), int)
    np.add.at(counts, (labels, predictions), 1)
    shares = counts / np.maximum(counts.sum(1, keepdims=True), 1)
    side = 1.6 + 0.5 * max(n, 4)
    figure, ((axes,),) = _figure(side + 0.4, side)
    # The square root lets rare confusions be seen beside a diagonal that is near 1.
    axes.imshow(np.sqrt(shares), cmap="Blues", vmin=0, vmax=1.15)
    small = 7.5 if counts.max() > 999 else 8.5
    for i in range(n):
        for j in range(n):
            if counts[i, j]:
                color = "white" if shares[i, j] > 0.4 else "#222222"
                axes.text(j, i, str(counts[i, j]), ha="center", va="center", fontsize=small, color=color)
    long = max(map(len, names)) > 3
    axes.set_xticks(range(n), names, rotation=45 if long else 0, ha="right" if long else "center", rotation_mode="anchor")
    axes.set_yticks(range(n), names)
    axes.grid(visible=False)
    axes.hlines(np.arange(n - 1) + 0.5, -0.5, n - 0.5, color="white", linewidth=1)
    axes.vlines(np.arange(n - 1) + 0.5, -0.5, n - 0.5, color="white", linewidth=1)
    axes.spines[:].set_visible(False)
    axes.tick_params(length=0)
    axes.set_xlabel("predicted")
    axes.set_ylabel("true")
    right = int(np.trace(counts))
    axes.set_title(f"{right:,} of {len(labels):,} right ({100 * right / len(labels):.2f} %)")
    return figure


@_styled
def kernel_times(profile, most=20):
    """Where the time of a compiled program goes: a bar for each kernel, the slowest on top.

    Parameters
    ----------
    profile : what `f.profile(...)` of a compiled function gives
    most : number of kernels to show

    Returns
    -------
    matplotlib Figure

    Raises
    ------
    MissingExtraError
        Matplotlib is not installed.

    Examples
    --------
    >>> import chainrule as cr
    >>> from chainrule import plot
    >>> f = cr.compile(lambda x: cr.sort(cr.exp(x)))
    >>> plot.kernel_times(f.profile(np.ones(100), repeat=3)).axes[0].get_xlabel()
    'microseconds'
    """
    shown = profile.slowest()[:most]
    figure, ((axes,),) = _figure(9.0, 1.3 + 0.34 * len(shown))
    colors = {"product": BLUE, "call": RED, "nested": ORANGE}
    for row, k in enumerate(shown):
        color = colors.get(k.kind, GREEN)
        axes.barh(row, k.seconds * 1e6, height=0.7, color=color, label=k.kind if k.kind in colors else "loops and others")
        axes.annotate(
            f"{k.percent:.1f} %", (k.seconds * 1e6, row), (4, 0), textcoords="offset points", va="center", fontsize=8.5
        )
    axes.set_yticks(range(len(shown)), [f"{k.text(38)}  [{k.number}]" if k.kernel else "copies" for k in shown], fontsize=8.5)
    axes.invert_yaxis()
    axes.grid(visible=False, axis="y")
    axes.margins(x=0.1)
    axes.set_xlabel("microseconds")
    axes.set_title(profile.title)
    handles, labels = axes.get_legend_handles_labels()
    kinds = dict(zip(labels, handles, strict=True))
    axes.legend(kinds.values(), kinds.keys(), loc="lower right")
    return figure


def _plain(x):
    return np.asarray(x.detach() if isinstance(x, Tensor) else x)


def _finish(axes, title, xlabel, ylabel, losses):
    """Titles, whole numbers on the x axis, and a log scale for losses that span more than a factor of ten."""
    ticker = _matplotlib().ticker
    axes.set_title(title)
    axes.set_xlabel(xlabel)
    axes.set_ylabel(ylabel)
    axes.xaxis.set_major_locator(ticker.MaxNLocator(integer=True, steps=[1, 2, 5, 10], min_n_ticks=1))
    axes.margins(x=0.02)
    if losses and min(losses) > 0 and max(losses) > 10 * min(losses):
        axes.set_yscale("log")
        _plain_log_ticks(axes)
    if axes.get_legend_handles_labels()[0]:
        axes.legend()


def _plain_log_ticks(axes):
    """0.1, 0.2, 0.5, 1 rather than powers of ten, as long as these fit."""
    ticker = _matplotlib().ticker
    low, high = axes.get_ylim()
    decades = math.log10(high / low) if low > 0 else 9
    if decades < 4:
        axes.yaxis.set_major_locator(ticker.LogLocator(subs=(1.0, 2.0, 5.0) if decades < 2.5 else (1.0,)))
        axes.yaxis.set_major_formatter(ticker.FuncFormatter(lambda value, _: f"{value:g}"))
        axes.yaxis.set_minor_formatter(ticker.NullFormatter())
