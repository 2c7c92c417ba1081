"""The command `chainrule`: what it prints, writes and returns."""

import builtins
import csv
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import chainrule as cr
from chainrule import nn
from chainrule.cli import main
from chainrule.demos import DEMOS, digits

FILES = {
    "history.csv", "loss.png", "accuracy.png", "gradient_norms.png", "predictions.png", "confusion.png",
    "step.txt", "step.mmd", "step.dot",
}  # fmt: skip
COMMAND = [sys.executable, "-m", "chainrule.cli"]
SOURCE = Path(cr.__file__).resolve().parents[1]


def rows_of(path):
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def started(*args):
    return subprocess.Popen(
        [*COMMAND, *map(str, args)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        env={**os.environ, "PYTHONPATH": str(SOURCE), "PYTHONUNBUFFERED": "1"},
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # jobs in the background ignore it
    )  # fmt: skip


def test_list_of_demos(capsys):
    assert main(["demo"]) == 0
    out = capsys.readouterr().out
    assert all(re.search(rf"^  {name} +\S.*$", out, re.MULTILINE) for name in DEMOS) and len(out.split("\n")) == len(DEMOS) + 3


def test_help_and_version(capsys):
    assert main([]) == 0 and "demo" in capsys.readouterr().out
    with pytest.raises(SystemExit) as caught:
        main(["--version"])
    assert caught.value.code == 0 and capsys.readouterr().out == f"chainrule {cr.__version__}\n"


@pytest.mark.parametrize("name, near", [("digit", "did you mean digits?"), ("fashoin", "mean fashion?"), ("xyz", "lists them")])
def test_unknown_demo(capsys, name, near):
    assert main(["demo", name]) == 2
    err = capsys.readouterr().err
    assert near in err and "demos: digits, fashion" in err


@pytest.mark.parametrize("options", [["--epochs", "0"], ["--epochs", "x"], ["--seed", "-1"], ["--colour"]])
def test_wrong_options(capsys, options):
    with pytest.raises(SystemExit) as caught:
        main(["demo", "digits", *options])
    assert caught.value.code == 2 and options[0] in capsys.readouterr().err


def test_digits_quick(tmp_path, capsys):
    assert main(["demo", "digits", "--quick", "--out", str(tmp_path / "new" / "run")]) == 0
    out = capsys.readouterr().out
    accuracy = float(re.search(r"test accuracy: ([\d.]+) %", out).group(1))
    assert accuracy > 92
    folder = tmp_path / "new" / "run"
    assert {p.name for p in folder.iterdir()} == FILES and str(folder) in out and all(name in out for name in FILES)
    for path in folder.glob("*.png"):
        assert path.read_bytes()[:4] == b"\x89PNG" and path.stat().st_size > 5000
    rows = rows_of(folder / "history.csv")
    assert len(rows) == 8 and float(rows[-1]["validation_accuracy"]) == pytest.approx(accuracy / 100, abs=1e-4)
    assert {"gradient_norm hidden1", "gradient_norm hidden2", "gradient_norm output"} <= rows[0].keys()
    step = (folder / "step.txt").read_text()
    assert "forward:" in step and "backward:" in step and "matmul" in step and "float32[32,64]" in step
    assert (folder / "step.mmd").read_text().startswith("flowchart")
    assert (folder / "step.dot").read_text().startswith("digraph")


def test_digits_reaches_its_accuracy(tmp_path):
    """The run that the documentation shows; its time is watched in benchmarks, not here."""
    process = started("demo", "digits", "--seed", 1, "--out", tmp_path)
    out, err = process.communicate(timeout=300)
    assert process.returncode == 0, err
    assert float(re.search(r"test accuracy: ([\d.]+) %", out).group(1)) >= 98
    assert err == ""


def test_same_seed_same_run(tmp_path, monkeypatch):
    monkeypatch.setattr("chainrule.plot.save", lambda figure, path: None)  # pictures are most of the time of a short run

    def losses(name, seed):
        main(["demo", "digits", "--quick", "--epochs", "1", "--seed", str(seed), "--out", str(tmp_path / name)])
        return [row["train_loss"] for row in rows_of(tmp_path / name / "history.csv")]

    assert losses("a", 3) == losses("b", 3) != losses("c", 4)


def test_interrupt_leaves_a_usable_result(tmp_path):
    process = started("demo", "digits", "--epochs", 80, "--out", tmp_path)
    next(line for line in process.stdout if line.startswith("  epoch 8/80"))
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 130, err
    assert "interrupted in epoch" in out and "test accuracy" in out and str(tmp_path) in out
    assert {p.name for p in tmp_path.iterdir()} == FILES


def test_interrupt_at_once(tmp_path, monkeypatch, capsys):
    def interrupted(self, *args):
        raise KeyboardInterrupt

    monkeypatch.setattr(nn.CrossEntropyLoss, "forward", interrupted)
    assert main(["demo", "digits", "--out", str(tmp_path)]) == 130
    assert f"interrupted; files that were complete are in {tmp_path}" in capsys.readouterr().err
    assert not [p for p in tmp_path.iterdir() if p.name.endswith(".part")]


def test_missing_data(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("chainrule.data.images._fashion_folders", lambda root: [tmp_path])
    assert main(["demo", "fashion"]) == 2
    captured = capsys.readouterr()
    assert captured.out == "" and "apt-get install dataset-fashion-mnist" in captured.err
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("package", ["sklearn", "matplotlib"])
def test_missing_package(tmp_path, monkeypatch, capsys, package):
    original = builtins.__import__

    def without(name, *args, **kwargs):
        if name.split(".")[0] == package:
            raise ImportError(name)
        return original(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", without)
    assert main(["demo", "digits", "--out", str(tmp_path / "out")]) == 2
    assert "pip install 'chainrule[demo]'" in capsys.readouterr().err and not (tmp_path / "out").exists()


def test_folder_that_cannot_be_written(tmp_path, capsys):
    (tmp_path / "file").write_text("")
    assert main(["demo", "digits", "--out", str(tmp_path / "file")]) == 2
    assert "--out" in capsys.readouterr().err


def test_fashion_on_a_few_images(tmp_path, monkeypatch, capsys):
    """The demo on small files of the same format, in which the class is the row that is bright."""
    random = np.random.default_rng(0)
    for prefix, n in ("train", 600), ("t10k", 100):
        labels = random.integers(0, 10, n).astype(np.uint8)
        images = random.integers(0, 60, (n, 28, 28)).astype(np.uint8)
        images[np.arange(n), 2 * labels] = 255
        head = n.to_bytes(4, "big")
        size = (28).to_bytes(4, "big")
        (tmp_path / f"{prefix}-images-idx3-ubyte").write_bytes(b"\0\0\x08\x03" + head + size * 2 + images.tobytes())
        (tmp_path / f"{prefix}-labels-idx1-ubyte").write_bytes(b"\0\0\x08\x01" + head + labels.tobytes())
    monkeypatch.setenv("CHAINRULE_DATA", str(tmp_path))
    monkeypatch.setattr("chainrule.plot.save", lambda figure, path: path.touch())
    assert main(["demo", "fashion", "--out", str(tmp_path / "out"), "--epochs", "8"]) == 0
    assert float(re.search(r"test accuracy: ([\d.]+) %", capsys.readouterr().out).group(1)) > 90
    assert {p.name for p in (tmp_path / "out").iterdir()} == FILES


def test_shift_moves_mass_by_its_distance():
    images = np.zeros((3, 5, 5))
    images[:, 2, 2] = 1.0
    distance = np.array([-0.75, 0.0, 0.5])
    for axis in 1, 2:
        moved = digits.shift(images, distance, axis)
        profile = moved.sum(3 - axis)
        assert np.allclose(profile @ np.arange(5), 2 + distance) and np.allclose(moved.sum((1, 2)), 1)
    edge = digits.shift(np.ones((1, 1, 3)), np.array([0.25]), 2)
    assert edge.tolist() == [[[0.75, 1.0, 1.0]]]


def test_jitter_changes_images_and_keeps_labels():
    train = cr.data.load_digits()[0]
    jittered = digits.Jittered(train, 0.5, seed=0)
    x, y = jittered.take(slice(0, 50))
    x2, _ = jittered.take(slice(0, 50))
    assert x.shape == (50, 64) and x.dtype == np.float32 and y.tolist() == np.asarray(train.labels)[:50].tolist()
    assert not np.array_equal(x, x2) and np.abs(np.asarray(x) - np.asarray(train.images)[:50]).mean() < 0.2
