"""What the figures say: speed-ups beside the issue's bars, as text, as a page and as a picture."""

import importlib.metadata
import json
import math
import os
import platform
import textwrap
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from workloads import WORKLOADS
from workloads.common import CHAINRULE, PEERS, TORCH

CHEAP = 4  # the gradient's time over the function's, at most
TELLING = 16 * 2**20  # bytes from which on memory is judged: what allocators and compilers leave behind blurs the rest
DECISION = 1e-6  # seconds that a branch on a value may cost
BLUE, ORANGE, GREEN, GREY = "#2f6db5", "#e07b28", "#2a8f4f", "#8a8a8a"
COLOURS = {"PyTorch": ORANGE, "PyTorch loop": "#f2b880", "torch.compile": GREY, "jax.jit": BLUE}


@dataclass(frozen=True)
class Verdict:
    """One figure, and the bar that it must reach, if there is one."""

    what: str
    value: float
    bar: float | None
    text: str
    least: bool = True  # the bar is the least allowed, else the most
    show: Callable[[float], str] = "{:g}".format  # the bar as text

    @property
    def passed(self):
        if self.bar is None:
            return None
        return self.value >= self.bar if self.least else self.value <= self.bar

    @property
    def mark(self):
        return {None: "", True: "✓", False: "✗"}[self.passed]

    def __str__(self):
        sign = "≥" if self.least else "≤"
        return self.text if self.bar is None else f"{self.text} ({sign} {self.show(self.bar)} {self.mark})"


def duration(seconds):
    for unit, name in ((1.0, "s"), (1e-3, "ms"), (1e-6, "µs")):
        if seconds >= unit:
            return f"{seconds / unit:.3g} {name}" if seconds / unit < 1000 else f"{seconds / unit:.0f} {name}"
    return f"{seconds * 1e9:.3g} ns"


def best(record, contender):
    """(variant, summary) of the fastest variant, or None."""
    variants = record["times"].get(contender)
    return min(variants.items(), key=lambda item: item[1]["median"]) if variants else None


def speed_ups(record):
    """By peer, how many times faster chainrule is."""
    ours = best(record, CHAINRULE)
    if ours is None:
        return {}
    theirs = {peer: best(record, peer) for peer in PEERS}
    return {peer: found[1]["median"] / ours[1]["median"] for peer, found in theirs.items() if found}


def judge(record):
    """All verdicts on one workload, speed-ups by peer first."""
    workload = WORKLOADS[record["name"]]
    bars = workload.bars if record["cores"] == 1 else workload.bars_two
    ours = best(record, CHAINRULE)
    verdicts = [Verdict(peer, ratio, bars.get(peer), f"{ratio:.3g}x") for peer, ratio in speed_ups(record).items()]
    if ours is None:
        return verdicts
    variant, summary = ours
    if workload.limit is not None:
        seconds = summary["median"]
        verdicts.append(Verdict("time of a call", seconds, workload.limit, duration(seconds), least=False, show=duration))
    primal = record["also"].get("primal", {}).get(variant)
    if primal:
        ratio = summary["median"] / primal["median"]
        verdicts.append(Verdict("time over the primal's", ratio, CHEAP, f"{ratio:.2f}", least=False))
    straight = record["also"].get("without guards", {}).get(variant)
    if straight and workload.decisions:
        cost = (summary["median"] - straight["median"]) / workload.decisions * 1e6
        verdicts.append(
            Verdict("time of a decision", cost, DECISION * 1e6, f"{cost:.2f} µs", least=False, show="{:g} µs".format)
        )
    memory = record["memory"]
    if CHAINRULE in memory and TORCH in memory:
        ratio = memory[CHAINRULE] / max(1, memory[TORCH])
        bar = 1 if memory[TORCH] >= TELLING else None
        sizes = f"{memory[CHAINRULE] / 2**20:.1f} of {memory[TORCH] / 2**20:.1f} MiB"
        verdicts.append(Verdict("memory over PyTorch's", ratio, bar, f"{ratio:.2f}, {sizes}", least=False))
    return verdicts


def judge_groups(records):
    """By name of the group, verdicts on its geometric means; groups that were not measured in full are left out."""
    members = {}
    for workload in WORKLOADS.values():
        if workload.group:
            members.setdefault(workload.group, []).append(workload)
    judged = {}
    for group, workloads in members.items():
        ratios = [speed_ups(records[w.name]) for w in workloads if w.name in records]
        peers = [peer for peer in PEERS if len(ratios) == len(workloads) and all(peer in r for r in ratios)]
        if peers:
            bars = workloads[0].group_bars if all(records[w.name]["cores"] == 1 for w in workloads) else {}
            means = {peer: math.prod(r[peer] for r in ratios) ** (1 / len(ratios)) for peer in peers}
            judged[group] = [Verdict(peer, mean, bars.get(peer), f"{mean:.3g}x") for peer, mean in means.items()]
    return judged


# --- text -----------------------------------------------------------------------------------------------------------------


def text(record):
    """One workload, for the terminal."""
    lines = [f"{record['name']}: {record['title']}" + (" (eager, not compiled)" if record["eager"] else "")]
    verdicts = {verdict.what: verdict for verdict in judge(record)}
    for contender, variants in record["times"].items():
        for variant, s in variants.items():
            label = f"{contender} {variant}".strip()
            spread = f"[{duration(s['q1'])}, {duration(s['q3'])}]"
            first = f"first call {duration(s['first'])}" if "first" in s else ""
            verdict = verdicts.pop(contender, "") if best(record, contender)[0] == variant else ""
            line = f"    {label:28} {duration(s['median']):>9}  {spread:22} {first:20} {verdict}"
            lines.append(line.rstrip())
    lines += [f"    {verdict.what}: {verdict}" for verdict in verdicts.values()]
    lines += [f"    {label:28} {reason}" for label, reason in record["errors"].items()]
    gaps = [gap for label, gap in record["differences"].items() if label not in record["errors"]]
    if gaps:
        lines.append(f"    same numbers to {max(gaps):.1e} (allowed {WORKLOADS[record['name']].rtol:.0e})")
    if record["disturbed"]:
        lines.append(f"    the machine was not idle before {record['disturbed']} turns")
    return "\n".join(lines)


def conclusion(records):
    """Groups, and how many bars were reached, for the terminal."""
    groups = judge_groups(records)
    lines = [f"{group}: " + ", ".join(f"{v.what} {v}" for v in verdicts) for group, verdicts in groups.items()]
    marks = [(name, v) for name, record in records.items() for v in judge(record)]
    marks += [(group, v) for group, verdicts in groups.items() for v in verdicts]
    missed = [f"    {name}: {v.what} {v}" for name, v in marks if v.passed is False]
    reached = sum(v.passed is True for _, v in marks)
    lines.append(f"{reached} bars reached, {len(missed)} missed" + (":" if missed else ""))
    return "\n".join(lines + missed)


# --- page -----------------------------------------------------------------------------------------------------------------

INTRODUCTION = """# Speed of compiled programs

Generated by `python benchmarks/compiled.py --write` (extra `peers`); do not edit. Times are medians of alternating turns, each
contender in a process of its own on the same cores, after a check that all compute the same numbers. A cell holds the peer's
time and, in bold, how many times faster chainrule is, with the bar that was set beforehand. "PyTorch" is the best of its plain,
foreach and fused optimisers, and of the ways to write a program where there are several; JAX's training steps donate their
state.

| | |
|---|---|
"""
NOTES = """
## How it is measured

- Weights, inputs and labels are the same for everybody. Before timing, results of the first and third call, parameters,
  statistics and gradients are compared, in the maximum norm of each array; the last column gives the greatest difference.
- A turn is as many calls as take 5 ms, at least one; contenders take turns A B C A B C, with 20 ms between.
- The derivative's time is that of the whole call (a training step with its update) over chainrule's own compiled forward pass.
- Memory is the peak of resident anonymous memory (not of files, such as libraries) while stepping, less what was resident
  before model and data were made. A tiny program was compiled before, and freed memory was given back to the system. It
  counts all that compiling and allocators leave behind, so it is judged only where PyTorch takes 16 MiB or more.
- First calls are timed in new processes, imports done, with an empty cache or with the one of an earlier process.

`python benchmarks/compiled.py --only mlp-64-sgd` repeats one row; `--cores 2` measures on two cores, and waits for them to be
idle.
"""


def machine(records):
    """What was measured, where, with which versions: (label, value) pairs."""
    with open("/proc/cpuinfo") as file:
        model = next((line.split(":")[1].strip() for line in file if line.startswith("model name")), platform.machine())
    dates = sorted({record["date"] for record in records.values()})
    versions = ((name, _version(name)) for name in ("chainrule", "numpy", "llvmlite", "torch", "jax", "jaxlib"))
    return [
        ("processor", f"{model}, {os.cpu_count()} cores"),
        ("system", f"{platform.system()} {platform.release()}, Python {platform.python_version()}"),
        ("versions", ", ".join(f"{name} {version}" for name, version in versions if version)),
        *[("measured", " to ".join(dict.fromkeys((*dates[:1], *dates[-1:]))))] * bool(dates),
    ]


def _version(name):
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None


def page(records, picture):
    """The page, as Markdown."""
    parts = []
    for cores in sorted({record["cores"] for record in records.values()}) or [1]:
        here = {record["name"]: record for record in records.values() if record["cores"] == cores}
        parts.append(f"\n## {'One core' if cores == 1 else f'{cores} idle cores'}\n\n{_table(here, cores)}")
    head = INTRODUCTION + "".join(f"| {label} | {value} |\n" for label, value in machine(records))
    head += f"\n![speed-up of each workload over each peer]({picture})\n" if picture else "\nNothing has been measured yet.\n"
    return head + "".join(parts) + NOTES


def _table(records, cores):
    peers = [peer for peer in PEERS if peer != "PyTorch loop"]
    lines = [
        f"| workload | chainrule | {' | '.join(peers)} | first call | over primal | memory over PyTorch's | numbers agree to |",
        "|---|---|" + "---|" * (len(peers) + 4),
    ]
    for name, workload in WORKLOADS.items():
        record = records.get(name)
        if record is None:
            if cores == 1:
                bars = [f"≥ {workload.bars[peer]:g}x" if peer in workload.bars else "" for peer in peers]
                lines.append(f"| {workload.title} | not measured | {' | '.join(bars)} | | | | |")
            continue
        lines.append(_row(record, peers))
    for group, verdicts in judge_groups(records).items():
        by_peer = {verdict.what: verdict for verdict in verdicts}
        lines.append(f"| **{group}** | | " + " | ".join(str(by_peer.get(peer, "")) for peer in peers) + " | | | | |")
    return "\n".join(lines) + "\n"


def _row(record, peers):
    verdicts = {verdict.what: verdict for verdict in judge(record)}
    ours = best(record, CHAINRULE)
    first = ""
    if ours is None:
        own = record["errors"].get(CHAINRULE, "not available")
    else:
        s = ours[1]
        own = f"{duration(s['median'])} [{duration(s['q1'])}, {duration(s['q3'])}]"
        limit = verdicts.get("time of a call")
        own += f" (≤ {duration(limit.bar)} {limit.mark})" if limit else ""
        own += f"; a decision {verdicts['time of a decision']}" if "time of a decision" in verdicts else ""
        first = duration(s["first"]) if "first" in s else ""
    cells = [_cell(record, peer, verdicts) for peer in peers]
    if "PyTorch loop" in record["times"]:
        cells[0] += f"; loop of cells {_cell(record, 'PyTorch loop', verdicts)}"
    gaps = [gap for label, gap in record["differences"].items() if label not in record["errors"]]
    agreement = f"{max(gaps):.0e}" if gaps else ""
    figures = [str(verdicts.get(what, "")) for what in ("time over the primal's", "memory over PyTorch's")]
    return f"| {record['title']} | {own} | {' | '.join(cells)} | {first} | {figures[0]} | {figures[1]} | {agreement} |"


def _cell(record, peer, verdicts):
    found = best(record, peer)
    if found is None:
        return record["errors"].get(peer, "").replace("|", "/")
    name = f" {found[0]}" if found[0] else ""
    verdict = verdicts.get(peer)
    return (
        f"{duration(found[1]['median'])}{name}"
        + (f", **{verdict.text}**" if verdict else "")
        + (f" (≥ {verdict.bar:g} {verdict.mark})" if verdict and verdict.bar is not None else "")
    )


# --- picture --------------------------------------------------------------------------------------------------------------


def _rows_to_draw(records):
    """(label, verdicts by peer) from top to bottom; groups stand for their members."""
    rows, groups = {}, judge_groups(records)
    for name, workload in WORKLOADS.items():
        label = workload.group or workload.title
        if workload.group:
            verdicts = groups.get(workload.group, ())
        else:
            verdicts = judge(records[name]) if name in records else ()
        by_peer = {verdict.what: verdict for verdict in verdicts if verdict.what in PEERS}
        if by_peer:
            rows[label] = by_peer
    return list(rows.items())


def draw(records, path):
    """Speed-ups as horizontal bars on a logarithmic axis, with a tick where each bar was set; False if there are none."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot as plt

    rows = _rows_to_draw(records)[::-1]
    if not rows:
        return False
    peers = [peer for peer in PEERS if any(peer in verdicts for _, verdicts in rows)]
    height = 0.8 / len(peers)
    plt.rcParams.update({"font.size": 9, "svg.hashsalt": "chainrule"})
    figure, axes = plt.subplots(figsize=(9.5, 1.4 + 0.17 * (len(peers) + 0.7) * len(rows)), layout="constrained")
    for i, peer in enumerate(peers):
        bars = [(y + 0.4 - (i + 0.5) * height, verdicts[peer]) for y, (_, verdicts) in enumerate(rows) if peer in verdicts]
        ys, ratios = [y for y, _ in bars], [verdict.value for _, verdict in bars]
        # Bars start at 1, so that being slower points to the left.
        axes.barh(ys, [ratio - 1 for ratio in ratios], 0.9 * height, left=1, color=COLOURS[peer], label=f"over {peer}")
        for y, verdict in bars:
            faster = verdict.value >= 1
            hidden = faster and verdict.bar is not None and verdict.value <= verdict.bar < 1.5 * verdict.value
            beside = verdict.bar if hidden else verdict.value
            axes.annotate(
                f"{verdict.value:.3g}", (beside, y), xytext=(4 if faster else -4, 0), textcoords="offset points",
                va="center", ha="left" if faster else "right", fontsize=6.5, color="#444444",
            )  # fmt: skip
            if verdict.bar is not None:
                axes.plot([verdict.bar] * 2, [y - 0.5 * height, y + 0.5 * height], color="black", linewidth=1.2)
    values = [x for _, verdicts in rows for v in verdicts.values() for x in (v.value, v.bar or 1)]
    axes.axvline(1, color="#333333", linewidth=1)
    labels = [textwrap.fill(label, 40) for label, _ in rows]
    axes.set(xscale="log", yticks=range(len(rows)), yticklabels=labels, ylim=(-0.6, len(rows) - 0.4))
    axes.set_xlim(min(values) / 2.5, max(values) * 2.5)
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:g}x")
    axes.set_xlabel("times faster than the peer; black ticks: the bars set beforehand")
    axes.grid(axis="x", color="#e3e3e3", linewidth=0.8)
    axes.set_axisbelow(True)
    axes.spines[["top", "right", "left"]].set_visible(False)
    axes.tick_params(axis="y", length=0)
    figure.suptitle("Speed of compiled chainrule over its peers, one core", x=0.01, ha="left", fontsize=12)
    figure.legend(loc="outside lower left", ncols=len(peers), frameon=False)
    figure.savefig(path, metadata={"Date": None} if str(path).endswith(".svg") else None)
    plt.close(figure)
    return True


def write(records, folder):
    """Join these records with those of earlier runs, and write page, picture and figures anew."""
    folder = Path(folder)
    kept = folder / "benchmarks.json"
    everything = json.loads(kept.read_text()) if kept.exists() else {}
    everything |= {f"{record['name']}, {record['cores']} cores": record for record in records.values()}
    kept.write_text(json.dumps(everything, indent=1) + "\n")
    one = {record["name"]: record for record in everything.values() if record["cores"] == 1}
    picture = "benchmarks.svg" if draw(one, folder / "benchmarks.svg") else None
    (folder / "benchmarks.md").write_text(page(everything, picture))
