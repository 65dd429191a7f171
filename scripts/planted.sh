#!/bin/bash
# Tests the tester: plants one mistake at a time into a copy of the sources, sweeps, and expects red.
#
#   scripts/planted.sh                     every rule of SimTests/Planted
#   scripts/planted.sh 02 19-rename        the rules whose names begin so
#   scripts/planted.sh --seeds 1..10000    how far to look (default 1..2000)
#
# A rule is a text file: `bug:` (the line of the list of known mistakes), `title:`, and edits of the form
#
#   file: <path>
#   <<<<
#   <text that occurs exactly once>
#   ====
#   <what replaces it>
#   >>>>
#
# `masked: <why>` says that other rules of the protocol make up for the mistake, so that it need not be caught.
#
# A rule that no longer applies fails loudly. The last lines are a table: rule, first red seed, invariant, CPU seconds.
set -euo pipefail
cd "$(dirname "$0")/.."
exec python3 - "$@" <<'PYTHON'
import os, pathlib, re, resource, shutil, subprocess, sys, time

root = pathlib.Path.cwd()
work = root / ".build-planted"
tree = work / "tree"
seeds, wanted = "1..2000", []
arguments = sys.argv[1:]
while arguments:
    argument = arguments.pop(0)
    if argument == "--seeds":
        seeds = arguments.pop(0)
    else:
        wanted.append(argument)


def parse(path):
    text = path.read_text()
    bug = re.search(r"^bug: (.+)$", text, re.M).group(1)
    title = re.search(r"^title: (.+)$", text, re.M).group(1)
    edits = re.findall(r"^file: (.+?)\n<<<<\n(.*?)\n====\n(.*?)\n>>>>$", text, re.M | re.S)
    if not edits:
        sys.exit(f"{path}: no edits")
    masked = re.search(r"^masked: (.+)$", text, re.M)
    return bug, title, masked and masked.group(1), edits


def copy_sources():
    """Brings the tree up to date; files that are equal keep their times, so that builds stay incremental."""
    names = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "Package.swift", "Sources", "Tests", "SimTests"],
        capture_output=True, text=True, check=True).stdout.split("\n")
    kept = set()
    for name in filter(None, names):
        source = root / name
        if not source.is_file():
            continue
        target = tree / name
        kept.add(target)
        if not target.exists() or target.read_bytes() != source.read_bytes():
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(source, target)
    for old in [path for path in tree.rglob("*") if path.is_file() and path not in kept and path.name != "Package.resolved"]:
        old.unlink()
    resolved = root / "Package.resolved"
    if resolved.exists() and not (tree / "Package.resolved").exists():
        shutil.copyfile(resolved, tree / "Package.resolved")


def build():
    result = subprocess.run(
        ["swift", "build", "-c", "release", "--product", "sweep", "--scratch-path", str(work / "build")],
        cwd=tree, capture_output=True, text=True)
    return result.returncode == 0, result.stdout + result.stderr


def cpu():
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def sweep():
    before = cpu()
    result = subprocess.run(
        [str(work / "build/release/sweep"), "--seeds", seeds, "--until-red"], cwd=tree, capture_output=True, text=True)
    return result.returncode, result.stdout, cpu() - before


rules = sorted((root / "SimTests/Planted").glob("*.rule"))
if wanted:
    rules = [rule for rule in rules if any(rule.stem.startswith(prefix) for prefix in wanted)]
if not rules:
    sys.exit("no such rule")

tree.mkdir(parents=True, exist_ok=True)
print(f"{len(rules)} rules, seeds {seeds}; building the sources as they are", flush=True)
copy_sources()
good, log = build()
if not good:
    sys.exit(log[-4000:])
code, output, seconds = sweep()
if code != 0:
    print(output)
    sys.exit("the sources as they are must be green first")
print(f"green as they are ({seconds:.0f} CPU s)", flush=True)

table, missed, stale = [], [], []
for rule in rules:
    bug, title, masked, edits = parse(rule)
    copy_sources()
    gone = [(name, (tree / name).read_text().count(find) if (tree / name).exists() else 0) for name, find, _ in edits]
    if any(count != 1 for _, count in gone):
        print(f"{rule.name} NO LONGER APPLIES: its texts occur {gone}", flush=True)
        stale.append(rule.name)
        continue
    for name, find, replace in edits:
        path = tree / name
        path.write_text(path.read_text().replace(find, replace))
    good, log = build()
    if not good:
        sys.exit(f"{rule.name} does not build:\n{log[-4000:]}")
    code, output, seconds = sweep()
    red = re.search(r"^red seeds: (\d+)", output, re.M)
    invariant = re.search(r"^invariant: (.+)$", output, re.M)
    death = re.search(r"RED, the process died\n(?:.*?Fatal error: )?(.*)", output)
    what = invariant.group(1) if invariant else f"stopped: {death.group(1)[:90]}" if death else ""
    if red:
        line = f"| {bug} | {title} | {red.group(1)} | {what} | {seconds:.0f} |"
    elif masked:
        line = f"| {bug} | {title} | masked: {masked} | | {seconds:.0f} |"
    else:
        line = f"| {bug} | {title} | **not caught** | | {seconds:.0f} |"
        missed.append(rule.name)
    table.append(line)
    print(line, flush=True)
copy_sources()

print("\n| bug | mistake | first red seed | how it shows | CPU s |\n| --- | --- | --- | --- | --- |")
print("\n".join(table))
if stale:
    sys.exit(f"no longer apply: {', '.join(stale)}; not caught: {', '.join(missed) or 'none'}")
if missed:
    sys.exit(f"not caught in {seeds}: {', '.join(missed)}")
PYTHON
