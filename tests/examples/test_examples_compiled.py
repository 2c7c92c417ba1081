"""The programs in examples/ported/, and the demos' training, with their steps compiled: the same results."""

import re
import textwrap

import numpy as np
import pytest
from test_examples import EXAMPLES, ours, source

import chainrule as cr
from chainrule import train


def run(text):
    names: dict = {"compile_step": cr.compile}
    exec(text, names)
    return names


def with_compiled_step(text, first, last, arguments, result):
    """The program with the lines from `first` to `last` as a compiled function of these arguments."""
    lines = text.split("\n")
    a = next(i for i, line in enumerate(lines) if line.strip() == first)
    b = next(i for i, line in enumerate(lines) if i >= a and line.strip() == last)
    body = textwrap.dedent("\n".join(lines[a : b + 1]))
    indent = re.match(" *", lines[a]).group()
    lines[a : b + 1] = [f"{indent}{result} = _step({arguments})"]
    loop = next(i for i in range(a, -1, -1) if lines[i].startswith("for "))
    lines[loop:loop] = [
        "@compile_step",
        f"def _step({arguments}):",
        *textwrap.indent(body, "    ").split("\n"),
        f"    return {result}",
    ]
    return "\n".join(lines)


STEPS = {
    "pytorch_mlp": ("optimizer.zero_grad()", "optimizer.step()", "inputs, targets", "loss"),
    "pytorch_regression": ("outputs = model(x)", "optimizer.step()", "x, y", "loss"),
    "train_digits": ("optimizer.zero_grad()", "optimizer.step()", "x, y", "loss"),
}


@pytest.mark.parametrize("name", STEPS)
def test_training(name, capsys):
    if name == "train_digits":
        pytest.importorskip("sklearn")
    expected, printed = ours(name), capsys.readouterr().out
    found = run(with_compiled_step(source(name), *STEPS[name]))
    assert 1 <= len(found["_step"].variants) <= 4
    if name == "pytorch_regression":
        np.testing.assert_allclose(found["losses"], expected["losses"], rtol=1e-3)
    elif name == "pytorch_mlp":
        numbers = [[float(x) for x in re.findall(r"[\d.]+\d", text)] for text in (capsys.readouterr().out, printed)]
        np.testing.assert_allclose(*numbers, rtol=1e-3)
        np.testing.assert_allclose(found["net"].fc1.weight.detach(), expected["net"].fc1.weight.detach(), atol=1e-4)
    else:
        assert found["by_hand"]["loss"] == pytest.approx(expected["by_hand"]["loss"], rel=1e-3)


SMALL = {
    "pytorch_sin": "x.grad",
    "pytorch_two_variables": "product, squares",
    "tensorflow_tape": "dy_dx",
    "tensorflow_two_variables": "product, squares",
}


@pytest.mark.parametrize("name", SMALL)
def test_small_programs(name):
    """As functions, without what asks for values on the way."""
    head, _, body = source(name).partition("\n\n")[2].partition("\n\n")
    body = re.sub(r"^print.*\n", "", body, flags=re.MULTILINE)
    body = re.sub(r"float\((\w+)\)", r"\1.detach()", body).replace("grad.item()", "grad.clone()")
    program = f"{head}\n\ndef program():\n{textwrap.indent(body, '    ')}\n    return {SMALL[name]}\n"
    f = run(program)["program"]
    compiled, expected = cr.compile(f), ours(name)
    for _ in range(3):
        found = compiled()
        if name == "pytorch_sin":
            assert found.item() == expected["x"].grad.item()
        elif name == "tensorflow_tape":
            assert found.item() == 4.0
        else:
            assert [[x.item() for x in pair] for pair in found] == [[3.0, 2.0], [4.0, 6.0]]
    assert len(compiled.variants) == 1


def test_every_example_is_here():
    assert {path.stem for path in EXAMPLES.glob("*.py")} == {*STEPS, *SMALL}


def test_training_of_the_demos():
    """`fit`, with forward pass, loss and optimiser compiled each for itself: it reads values in between."""
    pytest.importorskip("sklearn")
    from chainrule.data import DataLoader, load_digits

    data, _ = load_digits()

    def history(wrap):
        cr.manual_seed(0)
        model = cr.nn.Sequential(
            cr.nn.Linear(64, 32), cr.nn.BatchNorm1d(32), cr.nn.ReLU(), cr.nn.Dropout(0.2), cr.nn.Linear(32, 10)
        )
        optimizer = cr.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
        optimizer.step = wrap(optimizer.step)
        model.forward = wrap(model.forward)
        loader = DataLoader(data, batch_size=64, shuffle=True, seed=0)
        return train.fit(
            model, loader, loss=wrap(cr.nn.functional.cross_entropy), optimizer=optimizer, epochs=2, progress=False
        )

    eager = history(lambda f: f).batch_loss
    np.testing.assert_allclose(history(cr.compile).batch_loss, eager, rtol=1e-2)
