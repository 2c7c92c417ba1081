"""Every program of the gallery runs in its reduced setting, uses public names only, and says what it shows."""

import ast
import json
from pathlib import Path

import pytest

import chainrule as cr
from chainrule import cli, demos

PROGRAMS = demos.programs()


@pytest.mark.filterwarnings("default")
@pytest.mark.parametrize("name", PROGRAMS)
def test_quick(name, tmp_path, capsys):
    code = cli.main(["demo", name, "--quick", "--out", str(tmp_path)])
    err = capsys.readouterr().err
    if code == 2 and "install" in err:
        pytest.skip(err.strip().split("\n")[0])
    assert code == 0, err
    written = json.loads((tmp_path / "results.json").read_text())
    assert written["results"] and all(r["value"] == r["value"] for r in written["results"])
    assert f"{name}.png" in written["files"] and all((tmp_path / file).stat().st_size for file in written["files"])
    assert any(r["at_least"] is not None or r["at_most"] is not None for r in written["results"]), "states no bound"


@pytest.mark.parametrize("name", PROGRAMS)
def test_public_names_only(name):
    tree = ast.parse(PROGRAMS[name].read_text())
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names = [a.name for a in node.names if a.name.startswith("chainrule")]
        elif isinstance(node, ast.ImportFrom) and (node.module or "").startswith("chainrule"):
            names = [f"{node.module}.{a.name}" for a in node.names]
        elif isinstance(node, ast.Attribute):
            assert not node.attr.startswith("_") or node.attr.startswith("__"), f"line {node.lineno}: {node.attr}"
            continue
        else:
            continue
        for full in names:
            assert "._" not in full, full
            home, _, last = full.removeprefix("chainrule").strip(".").rpartition(".")
            public = cr
            for part in filter(None, home.split(".")):
                public = getattr(public, part)
            assert full == "chainrule" or last in getattr(public, "__all__", dir(public)), full
            assert home.split(".")[0] not in {"core", "ops", "compiler", "transforms", "tensor"}, full


@pytest.mark.parametrize("name", PROGRAMS)
def test_head(name):
    line, rest = demos.description(PROGRAMS[name])
    assert 20 < len(line) <= 120 and "Differentiated:" in rest
    assert len(PROGRAMS[name].read_text().split("\n")) <= 230


def test_names_are_unique():
    files = [p.stem for p in demos.folder().glob("*/*.py") if p.parent.name != "ported"]
    assert len(files) == len(set(files))


def test_the_folder_is_the_one_of_the_checkout():
    assert demos.folder() == Path(cr.__file__).resolve().parents[2] / "examples" or demos.folder().parent.name == "chainrule"
