"""Run the gallery and write docs/gallery/: a table of all programs, and a page with figures for each.

    python benchmarks/gallery.py                     every program: three seeds, then its steps timed against eager and PyTorch
    python benchmarks/gallery.py lenet vae           these only; what is known of the others stays
    python benchmarks/gallery.py --seeds 0 --no-times

A program runs with PyTorch as it stands, but for its imports: `import chainrule as cr` becomes `import torch as cr`, and
`from chainrule import nn, optim` `from torch import nn, optim`. Where it uses what PyTorch lacks, it is not timed there.

Times are those of an iteration of the program's first loop, in processes of their own that take turns: compiled, eager,
PyTorch, compiled, ... The median of each process after its first iteration counts, and of these the smallest.
"""

import argparse
import ast
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from statistics import median

from chainrule import demos, plot
from chainrule.data.files import atomic_write

DOCS = Path(__file__).resolve().parents[1] / "docs" / "gallery"
KINDS = "compiled", "eager", "PyTorch"
SECONDS, TURNS = 2.0, 1  # of timed iterations in a process, and processes of each kind
SAME_NAMES = {"chainrule", "chainrule.nn", "chainrule.nn.functional", "chainrule.optim", "chainrule.optim.lr_scheduler"}


class Imports(ast.NodeTransformer):
    """Those of what PyTorch has too come from PyTorch; data and plots stay."""

    def visit_Import(self, node):
        for alias in node.names:
            if alias.name in SAME_NAMES:
                alias.asname = alias.asname or alias.name.partition(".")[0]
                alias.name = alias.name.replace("chainrule", "torch", 1)
        return node

    def visit_ImportFrom(self, node):
        same = [
            a
            for a in node.names
            if f"{node.module}.{a.name}" in SAME_NAMES or (node.module in SAME_NAMES and node.module != "chainrule")
        ]
        other = [a for a in node.names if a not in same]
        found = [ast.ImportFrom(node.module.replace("chainrule", "torch", 1), same, 0)] if same else []
        return found + ([ast.ImportFrom(node.module, other, node.level)] if other else [])


def timed(name, kind):
    """In a process of its own: the seconds of an iteration, on the last line that is printed."""
    library = None
    if kind == "PyTorch":
        import torch as library
    change = (lambda tree: ast.fix_missing_locations(Imports().visit(tree))) if library else None
    with tempfile.TemporaryDirectory() as out, plot.style():
        demo = demos.Demo(name, out=out, eager=kind == "eager", library=library, time_limit=SECONDS)
        try:
            demos.load(demos.programs()[name], change)["main"](demo)
        except demos.Measured:
            pass
    seconds = demo.loops[0].seconds
    rest = seconds[1:] or seconds
    print(
        json.dumps({"seconds": median(rest), "iterations": len(rest), "asked": demo.loops[0].asked, "loop": demo.loops[0].name})
    )


def times(name):
    """{kind: {seconds, iterations, asked, loop}}, or {kind: {error}} where it does not run."""
    found = {}
    for _ in range(TURNS):
        for kind in KINDS:
            if "error" in found.get(kind, {}):
                continue
            command = [sys.executable, __file__, "--time", name, kind]
            done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=900)
            if done.returncode:
                lines = done.stderr.strip().split("\n")
                found[kind] = {"error": lines[-1][:200]}
                continue
            new = json.loads(done.stdout.strip().split("\n")[-1])
            if kind not in found or new["seconds"] < found[kind]["seconds"]:
                found[kind] = new
    return found


def trained(name, seed, out, environment):
    """What a full run writes into results.json, or an error."""
    command = [sys.executable, "-m", "chainrule", "demo", name, "--seed", str(seed), "--out", str(out)]
    start = time.perf_counter()
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=3600, env=environment)
    if not (out / "results.json").exists():
        return {"error": (done.stderr.strip().split("\n") or [""])[-1][:300]}
    return json.loads((out / "results.json").read_text()) | {"seconds": time.perf_counter() - start}


def runs(name, seeds, environment):
    """Full runs with these seeds; the pictures of the first go into the docs."""
    found = {}
    for seed in seeds:
        with tempfile.TemporaryDirectory() as folder:
            out = Path(folder) / name
            found[str(seed)] = run = trained(name, seed, out, environment)
            results = [f"{r['name']} {r['value']:.4g}{'' if r['reached'] else ' MISSED'}" for r in run.get("results", ())]
            print(f"{name}, seed {seed}: {run.get('error') or ', '.join(results)}", flush=True)
            if seed == seeds[0] and "error" not in run:
                for file in run["files"]:
                    shutil.copy(out / file, DOCS / file)
    return found


def ratios(entry):
    """(eager over compiled, PyTorch over compiled), None where there is none."""
    found = entry.get("times", {})
    seconds = [found.get(kind, {}).get("seconds") for kind in KINDS]
    return tuple(round(s / seconds[0], 2) if s and seconds[0] else None for s in seconds[1:])


def number(value):
    return "" if value is None else f"{value:.2f}"


def duration(seconds):
    return "" if seconds is None else f"{seconds:.1f}" if seconds < 100 else f"{seconds:.0f}"


def whole(entry, kind):
    """Seconds of all iterations of the first loop, computed from those that were timed."""
    found = entry.get("times", {}).get(kind, {})
    return found["seconds"] * found["asked"] if "seconds" in found else None


def table(entries):
    """The page of all programs."""
    paths = demos.programs()
    lines = [
        "# Gallery",
        "",
        "Every program is one file in `examples/`, and runs as `chainrule demo NAME`. Each number is from a full run with the",
        "first seed; behind it stand the bound that a run with any seed must keep, and the worst of the three seeds. Then the",
        "seconds of the first (main) training loop, computed from an iteration's: compiled, eager, and the same file with",
        "PyTorch's imports, on one Zen 3 core, PyTorch 2.13. `python benchmarks/gallery.py` runs all and writes these pages.",
        "",
    ]
    both = [r for r in (ratios(e) for e in entries.values()) if any(r)]
    against = [r[1] for r in both if r[1]]
    if against:
        slow = sum(1 for r in both if r[0] and r[0] < 1)
        lines += [
            f"PyTorch's time over that of the compiled program, median of {len(against)} programs: {median(against):.2f}. "
            f"Compiled slower than eager: {slow} of {len(both)}.",
            "",
        ]
    group = None
    for name, path in paths.items():
        if name not in entries:
            continue
        if path.parent.name != group:
            group = path.parent.name
            lines += ["", f"## {group.capitalize()}", ""]
            lines += ["| program | reached | bound | worst seed | compared with | compiled | eager | PyTorch | ratio |"]
            lines += ["|---|---|---|---|---|---|---|---|---|"]
        lines += rows(name, entries[name])
    return "\n".join(lines) + "\n"


def rows(name, entry):
    runs = [r for r in entry["runs"].values() if "error" not in r]
    seconds = [duration(whole(entry, kind)) for kind in KINDS] + [number(ratios(entry)[1])]
    if not runs:
        return [f"| [{name}]({name}.md) | did not run | | | | {' | '.join(seconds)} |"]
    found = []
    for i, result in enumerate(runs[0]["results"]):
        values = [r["results"][i]["value"] for r in runs]
        worst = min(values) if result["at_least"] is not None else max(values)
        bound = demos.Result(**{k: v for k, v in result.items() if k != "reached"}).bound()
        cells = [
            f"{result['name']}: {demos.shown(result['value'])}",
            bound,
            demos.shown(worst) if bound else "",
            result["reference"],
        ]
        first = [f"[{name}]({name}.md)"] if i == 0 else [""]
        found.append("| " + " | ".join(first + cells + (seconds if i == 0 else [""] * 4)) + " |")
    return found


def page(name, entry):
    """The page of a program: what stands at its head, its figures and its numbers."""
    path = demos.programs()[name]
    line, rest = demos.description(path)
    run = next((r for r in entry["runs"].values() if "error" not in r), None)
    lines = [
        f"# {name}",
        "",
        f"{line[0].upper()}{line[1:]}.",
        "",
        rest,
        "",
        f"`chainrule demo {name}`, [examples/{path.parent.name}/{path.name}](../../examples/{path.parent.name}/{path.name})",
        "",
    ]
    for file, caption in (run["files"] if run else {}).items():
        lines += [f"![{caption or name}]({file})" if file.endswith((".png", ".svg")) else f"[{file}]({file})", ""]
        lines += [caption, ""] if caption else []
    if run:
        seeds = list(entry["runs"])
        lines += [
            f"| result | bound | {' | '.join(f'seed {s}' for s in seeds)} | compared with |",
            "|---|---|" + "---|" * (len(seeds) + 1),
        ]
        for i, result in enumerate(run["results"]):
            values = [demos.shown(r["results"][i]["value"]) if "error" not in r else "failed" for r in entry["runs"].values()]
            bound = demos.Result(**{k: v for k, v in result.items() if k != "reached"}).bound()
            lines.append(f"| {result['name']} | {bound} | {' | '.join(values)} | {result['reference']} |")
        lines.append("")
    found = entry.get("times", {})
    if "seconds" in found.get("compiled", {}):
        lines += ["| an iteration | milliseconds | over compiled |", "|---|---|---|"]
        for kind in KINDS:
            if "seconds" in found.get(kind, {}):
                s = found[kind]["seconds"]
                lines.append(f"| {kind} | {1e3 * s:.3g} | {s / found['compiled']['seconds']:.2f} |")
        lines.append("")
    return "\n".join(lines).rstrip("\n") + "\n"


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("names", nargs="*", help="programs; all, where none is named")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--jobs", type=int, default=1, help="programs that train at once, with one thread each")
    parser.add_argument("--no-times", action="store_true", help="do not time iterations")
    parser.add_argument("--only-times", action="store_true", help="time iterations; results stay as they are")
    parser.add_argument("--time", nargs=2, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.time:
        timed(*options.time)
        return 0
    unknown = [n for n in options.names if n not in demos.programs()]
    if unknown:
        parser.error(f"unknown programs: {', '.join(unknown)}")
    DOCS.mkdir(parents=True, exist_ok=True)
    store = DOCS / "results.json"
    entries = json.loads(store.read_text()) if store.exists() else {}
    names = options.names or list(demos.programs())
    one = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "CHAINRULE_THREADS"), "1")
    environment = os.environ | (one if options.jobs > 1 else {})
    if not options.only_times:
        with ThreadPoolExecutor(options.jobs) as pool:
            for name, found in zip(names, pool.map(lambda name: runs(name, options.seeds, environment), names), strict=True):
                entry = entries.setdefault(name, {"runs": {}, "times": {}})
                entry["runs"] = dict(sorted((entry["runs"] | found).items(), key=lambda pair: int(pair[0])))
                write(entries, name, store)
    if not options.no_times:
        for name in names:
            entries.setdefault(name, {"runs": {}})["times"] = times(name)
            print(f"{name}: {ratios(entries[name])}", flush=True)
            write(entries, name, store)

    def kept(run):
        return "error" not in run and all(r["reached"] for r in run["results"])

    missed = [n for n, e in entries.items() if not all(map(kept, e["runs"].values()))]
    print(f"{len(entries)} programs; bounds missed by: {', '.join(missed) or 'none'}")
    return 1 if missed else 0


def write(entries, name, store):
    """What is known of all programs, the page of this one, and the table."""
    for gone in set(entries) - set(demos.programs()):
        del entries[gone]
    for path, text in (
        (store, json.dumps(entries, indent=1) + "\n"),
        (DOCS / f"{name}.md", page(name, entries[name])),
        (DOCS / "README.md", table(entries)),
    ):
        with atomic_write(path) as file:
            file.write(text)


if __name__ == "__main__":
    sys.exit(main())
