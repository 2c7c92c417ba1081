"""Draw docs/training.svg, a run of `fit` on the digits with dropout and a schedule: `python docs/draw_training.py`."""

from pathlib import Path

import matplotlib
import matplotlib.figure

import chainrule as cr
from chainrule import nn, optim
from chainrule.data import DataLoader, load_digits
from chainrule.plot import BLUE, LOOK, ORANGE
from chainrule.train import LearningRateScheduler, fit

EPOCHS = 30


def run():
    cr.manual_seed(0)
    train, test = load_digits()
    model = nn.Sequential(
        {"first": nn.Linear(64, 64), "relu": nn.ReLU(), "dropout": nn.Dropout(0.2), "last": nn.Linear(64, 10)}
    )
    optimizer = optim.Adam(model.parameters(), lr=3e-3)
    schedule = LearningRateScheduler(optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=EPOCHS))
    return fit(
        model,
        DataLoader(train, batch_size=32, shuffle=True, seed=0),
        loss=nn.CrossEntropyLoss(),
        optimizer=optimizer,
        epochs=EPOCHS,
        validation=test,
        metrics="accuracy",
        callbacks=[schedule],
    )


def draw(history, path):
    with matplotlib.rc_context(LOOK | {"svg.hashsalt": "training"}):
        figure = matplotlib.figure.Figure(figsize=(10.5, 3.3), layout="constrained")
        loss, accuracy, norms = figure.subplots(1, 3)
        epochs = range(1, len(history) + 1)
        loss.semilogy(epochs, history.train_loss, color=BLUE, label="training, with dropout")
        loss.semilogy(epochs, history.validation_loss, color=ORANGE, label="test")
        loss.set(title="Loss", xlabel="epoch")
        loss.legend()
        for values, color in ((history.train_metrics, BLUE), (history.validation_metrics, ORANGE)):
            accuracy.plot(epochs, [100 * v for v in values["accuracy"]], color=color)
        accuracy.set(title="Accuracy [%]", xlabel="epoch", ylim=(88, 100.5))
        for layer, color in zip(history.gradient_norms, (BLUE, ORANGE), strict=True):
            norms.plot(epochs, history.mean_gradient_norms()[layer], color=color, label=layer)
        norms.set(title="Norm of each layer's gradient", xlabel="epoch", ylim=(0, None))
        norms.legend()
        figure.savefig(path, metadata={"Date": None})


if __name__ == "__main__":
    draw(run(), Path(__file__).with_name("training.svg"))
