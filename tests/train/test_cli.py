"""The command `chainrule`: what it prints, writes and returns."""

import builtins
import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import chainrule as cr
from chainrule import demos
from chainrule.cli import main

COMMAND = [sys.executable, "-m", "chainrule"]
SOURCE = Path(cr.__file__).resolve().parents[1]
DIGITS = {"digits.png", "digits_loss.png", "digits_confusion.png", "digits_step.txt", "digits_step.mmd", "results.json"}


def started(*args):
    return subprocess.Popen(
        [*COMMAND, *map(str, args)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        env={**os.environ, "PYTHONPATH": str(SOURCE), "PYTHONUNBUFFERED": "1"},
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),  # jobs in the background ignore it
    )  # fmt: skip


def results(folder):
    return json.loads((folder / "results.json").read_text())


def test_list_of_demos(capsys):
    assert main(["demo"]) == 0
    out = capsys.readouterr().out
    for name, path in demos.programs().items():
        assert re.search(rf"^  {name} +\S.*$", out, re.MULTILINE) and f"{path.parent.name}:\n" in out


def test_help_and_version(capsys):
    assert main([]) == 0 and "demo" in capsys.readouterr().out
    with pytest.raises(SystemExit) as caught:
        main(["--version"])
    assert caught.value.code == 0 and capsys.readouterr().out == f"chainrule {cr.__version__}\n"


@pytest.mark.parametrize("name, near", [("digit", "digits"), ("fashoin", "did you mean fashion"), ("xyzw", "lists them")])
def test_unknown_demo(capsys, name, near):
    assert main(["demo", name]) == 2
    err = capsys.readouterr().err
    assert near in err and f"unknown demo: {name}" in err


@pytest.mark.parametrize("options", [["--seed", "-1"], ["--seed", "x"], ["--colour"]])
def test_wrong_options(capsys, options):
    with pytest.raises(SystemExit) as caught:
        main(["demo", "digits", *options])
    assert caught.value.code == 2 and options[0] in capsys.readouterr().err


def test_digits_reaches_its_accuracy(tmp_path):
    """The run that the README shows; its time is watched in benchmarks, not here."""
    process = started("demo", "digits", "--seed", 1, "--out", tmp_path / "new" / "run")
    out, err = process.communicate(timeout=300)
    assert process.returncode == 0 and err == "", err
    folder = tmp_path / "new" / "run"
    assert "reached" in out and str(folder) in out and {p.name for p in folder.iterdir()} == DIGITS
    written = results(folder)
    assert written["results"][0]["value"] >= 0.98 and written["results"][0]["reached"] and written["seed"] == 1
    for path in folder.glob("*.png"):
        assert path.read_bytes()[:4] == b"\x89PNG" and path.stat().st_size > 5000
    step = (folder / "digits_step.txt").read_text()
    assert "forward:" in step and "backward:" in step and "matmul" in step and "float32[32,64]" in step
    assert (folder / "digits_step.mmd").read_text().startswith("flowchart")


PROGRAM = '''"""A number goes to zero"""
import numpy as np
import chainrule as cr

def main(demo):
    x = cr.tensor(demo.rng.uniform(1, 2, 3), requires_grad=True)
    f = demo.compile(lambda x: (x**2).sum())
    n = {n}
    for i in demo.steps(n):
        loss = f(x)
        loss.backward()
        with cr.no_grad():
            x -= 0.1 * x.grad
        x.grad = None
        demo.log(loss=loss)
        {each}
    demo.result("loss", loss.item(), at_most={bound}, reference="zero")
    demo.text("what was learnt", caption="words")
'''


@pytest.fixture
def program(tmp_path, monkeypatch):
    """A folder of programs with one, `zero`."""

    def write(n=50, each="pass", bound=1e-6):
        folder = tmp_path / "examples" / "small"
        folder.mkdir(parents=True)
        (folder / "zero.py").write_text(PROGRAM.format(n=n, each=each, bound=bound))
        monkeypatch.setattr("chainrule.demos.gallery.folder", lambda: folder.parent)
        return tmp_path / "out"

    return write


def test_a_program(program, capsys):
    out = program()
    assert main(["demo"]) == 0 and "small:\n  zero  A number goes to zero" in capsys.readouterr().out
    assert main(["demo", "zero", "--out", str(out)]) == 0
    said = capsys.readouterr().out
    assert "at most 1e-06: reached; zero" in said and said.count("step ") == 10 and "step 50/50: loss" in said
    written = results(out)
    assert written["loops"][0]["run"] == 50 and written["files"] == {"zero.txt": "words"}
    assert written["results"][0] | {"value": 0} == {
        "name": "loss", "value": 0, "at_least": None, "at_most": 1e-6, "reference": "zero", "reached": True
    }  # fmt: skip


def test_same_seed_same_run_eager_too(program, capsys):
    out = program()
    found = []
    for options in ["--seed", "3"], ["--seed", "3"], ["--seed", "3", "--eager"], ["--seed", "4"]:
        assert main(["demo", "zero", "--out", str(out), *options]) == 0
        found.append(results(out)["results"][0]["value"])
    assert found[0] == found[1] != found[3] and found[2] == pytest.approx(found[0], rel=1e-9)


@pytest.mark.parametrize("bound", [-1.0, float("nan")])
def test_a_missed_bound_is_said(program, capsys, bound):
    out = program(n=2, bound=-1.0, each="x *= float('nan')" if np.isnan(bound) else "pass")
    assert main(["demo", "zero", "--out", str(out)]) == 1
    assert "MISSED" in capsys.readouterr().out and not results(out)["results"][0]["reached"]
    assert main(["demo", "zero", "--quick", "--out", str(out)]) == 0 and "MISSED" not in capsys.readouterr().out


def test_interrupt_leaves_a_usable_result(program, capsys):
    """In the main thread of this process: the handler that the loop sets is the one that Ctrl-C calls."""
    out = program(n=10**9, each="import os, signal; i == 30 and os.kill(os.getpid(), signal.SIGINT)")
    before = signal.getsignal(signal.SIGINT)
    assert main(["demo", "zero", "--out", str(out)]) == 130
    captured = capsys.readouterr()
    assert "interrupted" in captured.err and str(out) in captured.out and "up to there" in captured.out
    written = results(out)
    assert written["interrupted"] and written["loops"][0]["run"] == 31 and (out / "zero.txt").read_text() == "what was learnt\n"
    assert signal.getsignal(signal.SIGINT) is before


def test_second_interrupt_ends_the_program(program, capsys):
    twice = "import os, signal; i == 30 and [os.kill(os.getpid(), signal.SIGINT) for _ in range(2)]"
    out = program(n=10**9, each=twice)
    assert main(["demo", "zero", "--out", str(out)]) == 130
    assert f"files that were complete are in {out}" in capsys.readouterr().err and not out.exists()


def test_interrupt_of_a_process(tmp_path):
    process = started("demo", "digits", "--out", tmp_path)
    next(line for line in process.stdout if line.startswith("  step "))
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=120)
    assert process.returncode == 130, err
    assert "test accuracy" in out and str(tmp_path) in out and {p.name for p in tmp_path.iterdir()} == DIGITS


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
    assert re.search(r"pip install 'chainrule\[\w+\]'", capsys.readouterr().err) and not (tmp_path / "out").exists()


def test_what_a_demo_needs(capsys):
    demo = demos.Demo("test")
    assert demo.needs("json") is json and demo.needs("json", "re") == (json, re)
    with pytest.raises(
        cr.errors.MissingExtraError, match=r"demo test needs the package 'no_such_package'[\s\S]*chainrule\[gallery\]"
    ):
        demo.needs("no_such_package")


def test_folder_that_cannot_be_written(tmp_path, capsys):
    (tmp_path / "file").write_text("")
    assert main(["demo", "digits", "--out", str(tmp_path / "file")]) == 2
    assert "--out" in capsys.readouterr().err


def test_batches(capsys):
    demo = demos.Demo("test", seed=5)
    x, y = np.arange(10.0), np.arange(10)
    found = list(demo.batches(x, y, batch_size=4, epochs=3))
    assert len(found) == 6 and all(a.shape == (4,) and isinstance(a, cr.Tensor) for a, _ in found)
    for epoch in range(3):
        a, b = (np.concatenate([np.asarray(batch[i]) for batch in found[2 * epoch : 2 * epoch + 2]]) for i in (0, 1))
        assert np.array_equal(a, b) and len(set(b)) == 8
    assert found[0][0].dtype == np.float64 and found[0][1].dtype == np.int64
    assert isinstance(next(iter(demos.Demo("test").batches(x, batch_size=4))), cr.Tensor)
    with pytest.raises(cr.errors.ArgumentError, match="one length"):
        next(iter(demo.batches(x, y[:5], batch_size=2)))
    with pytest.raises(cr.errors.ArgumentError, match="batch_size: 11"):
        next(iter(demo.batches(x, batch_size=11)))
