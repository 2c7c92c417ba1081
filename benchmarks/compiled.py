"""Compiled chainrule against PyTorch eager, torch.compile and jax.jit: `python benchmarks/compiled.py`.

Each contender runs in a process of its own, all on the same core, turn by turn; before that, all must have computed the same
numbers. Printed are medians with quartiles, ratios of medians, and the bars that were set beforehand. Needs the extra `peers`.
"""

import argparse
import fnmatch
import json
import sys
from pathlib import Path

import report
from contest import choose_cores, contest
from tqdm import tqdm
from workloads import WORKLOADS
from workloads.common import CHAINRULE, PEERS

DOCS = Path(__file__).resolve().parents[1] / "docs"


def chosen(patterns):
    """The workloads whose names match any of the patterns."""
    names = [name for name in WORKLOADS if any(fnmatch.fnmatch(name, pattern) for pattern in patterns)]
    if not names:
        raise SystemExit(f"no workload is called {', '.join(patterns)}; there are:\n  " + "\n  ".join(WORKLOADS))
    return [WORKLOADS[name] for name in names]


def options():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", nargs="+", default=["*"], metavar="NAME", help="workloads, such as lstm or 'mlp-*'")
    parser.add_argument("--list", action="store_true", help="print the names of the workloads, and stop")
    parser.add_argument("--turns", type=int, help="per contender (21; 5 for first calls)")
    parser.add_argument("--quick", action="store_true", help="three turns, and no torch.compile: for trying things out")
    parser.add_argument("--peers", nargs="+", choices=PEERS, default=PEERS, metavar="PEER", help=f"some of: {', '.join(PEERS)}")
    parser.add_argument("--cores", type=int, default=1, help="measure with so many threads, on idle cores if more than one")
    parser.add_argument("--eager", action="store_true", help="do not compile chainrule's side: to check the numbers")
    parser.add_argument("--json", help="write all figures to this file")
    parser.add_argument("--write", action="store_true", help="bring docs/benchmarks.md and its picture up to date")
    return parser.parse_args()


def main():
    given = options()
    if given.list:
        print("\n".join(f"{name:26} {workload.title}" for name, workload in WORKLOADS.items()))
        return
    if given.eager and given.write:
        raise SystemExit("--write is for compiled programs; leave --eager out")
    peers = [peer for peer in given.peers if not (given.quick and peer == "torch.compile")]
    cores = choose_cores(given.cores)
    print(f"cores {sorted(cores)}; " + "; ".join(f"{label}: {value}" for label, value in report.machine({})))
    records = {}
    with tqdm(chosen(given.only), file=sys.stderr, unit="workload", leave=False) as progress:
        for workload in progress:
            turns = given.turns or (3 if given.quick else 5 if workload.fresh else 21)
            records[workload.name] = contest(
                workload,
                cores,
                turns,
                given.eager,
                (CHAINRULE, *peers),
                lambda doing, name=workload.name: progress.set_postfix_str(f"{name}: {doing}"),
            )
            progress.write(report.text(records[workload.name]))
    print(report.conclusion(records))
    if given.json:
        Path(given.json).write_text(json.dumps(records, indent=1) + "\n")
    if given.write:
        report.write(records, DOCS)


if __name__ == "__main__":
    main()
