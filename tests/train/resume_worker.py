"""A training run with everything that has a state, to be killed and started again: python resume_worker.py FOLDER MODE."""

import sys
from pathlib import Path

import numpy as np

import chainrule as cr
from chainrule import data, nn, optim
from chainrule.train import Callback, EarlyStopping, LearningRateScheduler, ModelCheckpoint, Trainer

EPOCHS, SAMPLES = 5, 150


class Jitter(data.Dataset):
    """Samples with noise from the default generator and from NumPy's, a new one each time."""

    def __init__(self):
        rng = np.random.default_rng(0)
        self.x = rng.normal(size=(SAMPLES, 6)).astype(np.float32)
        self.y = (self.x[:, 0] > 0).astype(np.int64)

    def __len__(self):
        return SAMPLES

    def __getitem__(self, i):
        noise = 0.1 * np.asarray(cr.randn(6)) + 0.1 * np.random.standard_normal(6)
        return (self.x[i] + noise).astype(np.float32), self.y[i]


class Speak(Callback):
    """Say when a batch is done."""

    def on_batch_end(self, batch, logs):
        print("batch", flush=True)


def run(folder, mode):
    cr.manual_seed(0)
    np.random.seed(0)
    model = nn.Sequential(nn.Linear(6, 16), nn.BatchNorm1d(16), nn.ReLU(), nn.Dropout(0.3), nn.Linear(16, 2))
    optimizer = optim.Adam(model.parameters(), lr=0.01)
    schedule = optim.lr_scheduler.SequentialLR(
        optimizer,
        [optim.lr_scheduler.LinearLR(optimizer, 0.1, 1.0, 5), optim.lr_scheduler.MultiStepLR(optimizer, [8, 30])],
        milestones=[5],
    )
    trainer = Trainer(
        model,
        nn.CrossEntropyLoss(),
        optimizer,
        metrics=["accuracy", "auc"],
        compile=False if mode == "eager" else "always",
        accumulate=2 if mode == "accumulate" else 1,
        clip_norm=0.5,
        ema=0.9,
        class_weight=[1.0, 2.0],
    )
    held_out = np.random.default_rng(1).normal(size=(40, 6)).astype(np.float32)
    trainer.fit(
        data.DataLoader(Jitter(), batch_size=16, shuffle=True),
        epochs=EPOCHS,
        validation=(held_out, (held_out[:, 0] > 0).astype(np.int64)),
        callbacks=[
            Speak(),
            LearningRateScheduler(schedule, every="batch"),
            EarlyStopping("val_loss", patience=3, restore_best_weights=True),
            ModelCheckpoint(Path(folder) / "checkpoints", every_batches=3, keep=2, monitor="val_loss"),
        ],
        resume=True,
    )
    h = trainer.history.to_dict() | {"seconds": None}
    cr.save(
        {"model": model, "averaged": trainer.averaged, "optimizer": optimizer, "history": h}, Path(folder) / "end.safetensors"
    )


if __name__ == "__main__":
    run(*sys.argv[1:])
