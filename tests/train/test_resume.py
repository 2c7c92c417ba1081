"""A run that is killed and resumed ends as if nothing had happened: to the last bit, whenever the kill came."""

import os
import random
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

import chainrule as cr
from chainrule import data, nn, optim, trees
from chainrule.errors import ArgumentError, DataError, MissingDataError
from chainrule.train import EarlyStopping, ModelCheckpoint, Trainer, fit
from chainrule.train.checkpoints import checkpoints_in

WORKER = Path(__file__).with_name("resume_worker.py")
BATCHES = 50


def start(folder, mode):
    env = os.environ | {"PYTHONPATH": str(Path(cr.__file__).parents[1]), "OMP_NUM_THREADS": "1"}
    return subprocess.Popen([sys.executable, str(WORKER), str(folder), mode], stdout=subprocess.PIPE, text=True, env=env)


def finish(folder, mode):
    process = start(folder, mode)
    process.communicate()
    assert process.returncode == 0


def kill_after(folder, mode, batches, delay):
    """Kill the run after so many batches and so many seconds; whether it was still running."""
    with start(folder, mode) as process:
        for _ in range(batches):
            if not process.stdout.readline():
                return process.wait() != 0
        time.sleep(delay)
        process.kill()
        process.wait()
        return process.returncode != 0


def same(a, b):
    leaves, form = trees.flatten(a)
    others, other_form = trees.flatten(b)
    assert form == other_form
    for place, x, y in zip(trees.paths(form, "end"), leaves, others, strict=True):
        np.testing.assert_array_equal(np.asarray(x), np.asarray(y), err_msg=place)


def check_kills(tmp_path, mode, kills, seed):
    finish(tmp_path / "whole", mode)
    rng, killed, folder = random.Random(seed), 0, tmp_path / "killed"
    while killed < kills:
        most = BATCHES if kills <= 3 else 12
        if not kill_after(folder, mode, rng.randrange(1, most), rng.random() * 0.01):  # it came to its end
            same(cr.load(tmp_path / "whole" / "end.safetensors"), cr.load(folder / "end.safetensors"))
            folder = tmp_path / f"killed{killed}"
            continue
        killed += 1
        for file in checkpoints_in(folder / "checkpoints"):
            assert cr.load(file)["format"] == 1  # whole, at any moment
        assert len(checkpoints_in(folder / "checkpoints")) <= 3
    finish(folder, mode)
    same(cr.load(tmp_path / "whole" / "end.safetensors"), cr.load(folder / "end.safetensors"))
    left = sorted(p.name for p in (folder / "checkpoints").iterdir())
    assert len(left) == 3 and left[-1] == "best.safetensors"


@pytest.mark.parametrize("mode, kills", [("compiled", 3)])
def test_same_end_after_kills(tmp_path, mode, kills):
    check_kills(tmp_path, mode, kills, seed=kills)


@pytest.mark.slow
@pytest.mark.parametrize("mode", ["compiled", "eager", "accumulate"])
def test_same_end_after_twenty_kills(tmp_path, mode):
    check_kills(tmp_path, mode, 20, seed=7)


# --- within one process -----------------------------------------------------------------------------------------------

X = np.random.default_rng(0).normal(size=(40, 4)).astype(np.float32)
LABELS = (X[:, 0] > 0).astype(int)


def small(folder, epochs, *, width=8, callbacks=(), resume=True, **options):
    cr.manual_seed(0)
    model = nn.Sequential(nn.Linear(4, width), nn.ReLU(), nn.Dropout(0.2), nn.Linear(width, 2))
    trainer = Trainer(model, nn.CrossEntropyLoss(), optim.Adam(model.parameters(), lr=0.01), metrics="accuracy", **options)
    loader = data.DataLoader(data.TensorDataset(X, LABELS), 16, shuffle=True, seed=0)
    checkpoint = ModelCheckpoint(folder, keep=2) if folder else None
    callbacks = [*callbacks, *([checkpoint] if checkpoint else [])]
    trainer.fit(loader, epochs=epochs, validation=(X, LABELS), callbacks=callbacks, resume=resume)
    return trainer


def test_a_longer_run_goes_on(tmp_path):
    small(tmp_path, 2, compile="always")
    a = small(tmp_path, 5, compile="always")
    b = small(None, 5, compile="always", resume=None)
    for p, q in zip(a.model.parameters(), b.model.parameters(), strict=True):
        np.testing.assert_array_equal(np.asarray(p.detach()), np.asarray(q.detach()))
    assert a.history.batch_loss == b.history.batch_loss and len(a.history) == 5
    assert a.history.validation_metrics == b.history.validation_metrics and a.step_count == b.step_count == 15


def test_a_finished_or_stopped_run_stays_so(tmp_path):
    a = small(tmp_path, 9, callbacks=[EarlyStopping("loss", min_delta=1e9, patience=2)])
    b = small(tmp_path, 9, callbacks=[EarlyStopping("loss", min_delta=1e9, patience=2)])
    assert len(a.history) == len(b.history) == 3 and b.history.stopped == a.history.stopped == "loss no better since epoch 1"


def test_interrupt_and_on(tmp_path):
    """Ctrl-C in the middle of an epoch, whose beginning is in a checkpoint."""

    class Interrupt(cr.train.Callback):
        def on_batch_begin(self, batch, logs):
            if self.trainer.epoch == 2 and batch == 2:
                raise KeyboardInterrupt

    assert small(tmp_path, 4, callbacks=[Interrupt()]).history.stopped == "interrupted in epoch 2"
    a, b = small(tmp_path, 4), small(None, 4, resume=None)
    assert a.history.batch_loss == b.history.batch_loss and a.history.stopped is None


def test_the_last_ones_are_kept_and_torn_files_are_cleared_away(tmp_path):
    (tmp_path / ".batch-000000003.safetensors.abc.part").write_bytes(b"torn")
    small(tmp_path, 5)
    assert sorted(p.name for p in tmp_path.iterdir()) == [f"batch-{n:09d}.safetensors" for n in (12, 15)]


def test_a_damaged_file_is_passed_over(tmp_path):
    small(tmp_path, 3)
    last = checkpoints_in(tmp_path)[-1]
    last.write_bytes(last.read_bytes()[:-100])
    with pytest.warns(UserWarning, match="truncated[\\s\\S]*the checkpoint before it"):
        a = small(tmp_path, 4)
    assert a.history.batch_loss == small(None, 4, resume=None).history.batch_loss
    with pytest.raises(DataError, match="truncated"):
        last.write_bytes(last.read_bytes()[:-100])
        small(None, 4, resume=last)


def test_another_model_or_file_is_refused(tmp_path):
    small(tmp_path, 1)
    with pytest.raises(ArgumentError, match=r"another model\n.*0\.weight: expected \(9, 4\), found \(8, 4\)"):
        small(tmp_path, 1, width=9)
    with pytest.raises(MissingDataError, match="no checkpoint"):
        small(None, 1, resume=tmp_path / "other.safetensors")
    cr.save({"w": cr.ones(2)}, tmp_path / "w.safetensors")
    with pytest.raises(DataError, match="no checkpoint of a run"):
        small(None, 1, resume=tmp_path / "w.safetensors")
    assert len(small(None, 1, resume=tmp_path / "empty").history) == 1  # nothing there: a new run


def test_best_weights(tmp_path):
    cr.manual_seed(0)
    model = nn.Linear(4, 2)
    values = []
    fit(
        model, (X, LABELS), loss=nn.CrossEntropyLoss(), optimizer=optim.SGD(model.parameters(), lr=20.0), epochs=6,
        callbacks=[
            lambda history, model: values.append((history.train_loss[-1], np.array(model.weight.detach()))),
            ModelCheckpoint(tmp_path, monitor="loss"),
        ],
    )  # fmt: skip
    best = min(values, key=lambda v: v[0])[1]
    other = nn.Linear(4, 2)
    other.load_state_dict(cr.load(tmp_path / "best.safetensors"))
    np.testing.assert_array_equal(np.asarray(other.weight.detach()), best)
