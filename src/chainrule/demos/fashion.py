"""an MLP tells clothes apart on Fashion-MNIST (70,000 images of 28x28 pixels); about a minute

Images stay one float32 array, from which each batch is taken at once.
"""

from .. import optim
from ..data import Subset, load_fashion_mnist
from . import classify


def run(options):
    """Train, write pictures, and return the exit code."""
    train, test = load_fashion_mnist()
    return classify.run(
        classify.Task(
            name="fashion",
            train=Subset(train, range(0, len(train), 6)) if options.quick else train,
            test=test,
            make_model=lambda: classify.mlp(784, 256, 10),
            make_optimizer=lambda model: optim.AdamW(model.parameters(), lr=2e-3, weight_decay=1e-2),
            batch_size=128,
            epochs=2 if options.quick else 10,
            blas_threads=1,  # a second thread saves a fifth on an idle machine, and costs eightfold on a busy one
        ),
        options,
    )
