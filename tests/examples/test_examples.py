"""The programs in examples/ported/ run, give what they should, and agree with the libraries they were written for."""

import re
import runpy
from pathlib import Path

import numpy as np
import pytest

EXAMPLES = Path(__file__).resolve().parents[2] / "examples" / "ported"
ORIGINAL = {
    "import chainrule as torch": "import torch",
    "import chainrule.nn as nn": "import torch.nn as nn",
    "import chainrule.optim as optim": "import torch.optim as optim",
    "from chainrule.data import DataLoader, TensorDataset": "from torch.utils.data import DataLoader, TensorDataset",
    "import chainrule as tf": "import tensorflow as tf",
}


def ours(name):
    return runpy.run_path(str(EXAMPLES / f"{name}.py"))


def source(name):
    return (EXAMPLES / f"{name}.py").read_text()


def original(text):
    """The program before its import lines were changed."""
    return "\n".join(ORIGINAL.get(line, line) for line in text.split("\n"))


@pytest.mark.parametrize("path", sorted(EXAMPLES.glob("*.py")), ids=lambda path: path.stem)
def test_only_import_lines_name_chainrule(path):
    text = path.read_text()
    if path.stem.startswith(("pytorch", "tensorflow")):
        assert "chainrule" not in original(text), "a line other than the known import lines names chainrule"
        assert re.search(r"^import chainrule", text, re.MULTILINE)
    compile(text, path, "exec")


def test_pytorch_mlp(capsys):
    result = ours("pytorch_mlp")
    losses = [float(x) for x in re.findall(r"Epoch \d, loss: ([\d.]+)", capsys.readouterr().out)]
    assert len(losses) == 3 and losses[0] > losses[1] > losses[2]
    assert result["accuracy"] > 0.95
    assert result["net"].fc1.weight.dtype == np.float32


def test_pytorch_regression():
    losses = ours("pytorch_regression")["losses"]
    assert len(losses) == 1000 and losses[-1] < 0.6 * losses[0]
    assert np.all(np.diff(losses[100:]) < 0)


def test_pytorch_sin(capsys):
    x = ours("pytorch_sin")["x"]
    assert capsys.readouterr().out.startswith("tensor([0.5403")
    assert abs(x.grad.item() - np.cos(1.0)) < 1e-15


@pytest.mark.parametrize("name", ["pytorch_two_variables", "tensorflow_two_variables"])
def test_two_variables(name):
    result = ours(name)
    assert result["product"] == (3.0, 2.0) and result["squares"] == (4.0, 6.0)


def test_tensorflow_tape(capsys):
    assert float(ours("tensorflow_tape")["dy_dx"]) == 4.0
    assert capsys.readouterr().out == "4.0\n"


def test_fit_equals_the_loop_written_by_hand():
    pytest.importorskip("sklearn")
    result = ours("train_digits")
    assert result["by_hand"]["loss"] == pytest.approx(result["history"].validation_loss[-1], rel=1e-6)
    assert result["by_hand"]["accuracy"] > 0.9


# --- the same programs with PyTorch -------------------------------------------------------------------------------------


def run_both(torch, name, at, shared, model_name, edit=lambda text: text):
    """Run a program with both libraries from the same data and weights: those that ours has drawn when it comes to `at`."""
    text = edit(source(name))
    start, rest = text.split(at)
    a, b = {}, {}
    exec(start, a)
    exec(original(start), b)
    for variable in shared:
        b[variable] = torch.from_numpy(np.array(a[variable].detach()))
        if b[variable].dtype == torch.float64:
            b[variable] = b[variable].float()
            a[variable] = a[variable].float()
    state = {k: torch.from_numpy(np.array(v)) for k, v in a[model_name].state_dict().items()}
    b[model_name].load_state_dict(state)
    exec(at + rest, a)
    exec(original(at + rest), b)
    return a, b


def test_regression_agrees_with_pytorch():
    torch = pytest.importorskip("torch")
    a, b = run_both(torch, "pytorch_regression", "criterion =", ["x", "y"], "model")
    assert np.allclose(a["losses"], b["losses"], rtol=1e-3)
    assert np.allclose(a["losses"][:10], b["losses"][:10], rtol=1e-6)


def test_mlp_agrees_with_pytorch(capsys):
    torch = pytest.importorskip("torch")
    text = source("pytorch_mlp")
    loader, rest = re.search(r"^train_loader = .*\n", text, re.MULTILINE).group(), "criterion ="

    def edit(text):
        """Without shuffling, and with the loader made from the shared data."""
        return text.replace(loader, "").replace(rest, loader.replace("shuffle=True", "shuffle=False") + rest)

    a, b = run_both(torch, "pytorch_mlp", "train_loader =", ["images", "labels"], "net", edit=lambda t: _net_first(edit(t)))
    assert a["running_loss"] == pytest.approx(b["running_loss"], rel=1e-4)
    assert np.allclose(a["net"].fc1.weight.detach(), b["net"].fc1.weight.detach().numpy(), atol=1e-5)


def _net_first(text):
    """`net` made before the data are put into a loader."""
    return text.replace("net = Net()\n", "", 1).replace("train_loader =", "net = Net()\ntrain_loader =", 1)


@pytest.mark.parametrize("name, results", [("pytorch_sin", ["x"]), ("pytorch_two_variables", ["product", "squares"])])
def test_small_programs_agree_with_pytorch(name, results):
    pytest.importorskip("torch")
    a, b = ours(name), {}
    exec(original(source(name)), b)
    for key in results:
        if key == "x":
            assert a["x"].grad.item() == pytest.approx(b["x"].grad.item(), rel=1e-6)
        else:
            assert a[key] == b[key]
