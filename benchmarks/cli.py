"""The command line of the benchmarks."""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

from benchmarks import machine, peers, table
from benchmarks.model import FAMILIES, family
from benchmarks.rounds import Settings, run


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description="voxelrock and its peers side by side")
    parser.add_argument("family", nargs="*", help=f"{', '.join(FAMILIES)} (all by default), or setup-peers")
    parser.add_argument("--size", type=int, help="edge of the image in voxels (by default each family's own)")
    parser.add_argument("--mask", type=Path, help="a cubic TIFF whose zeros are pores, instead of a made image, for the families that take a mask alone")
    parser.add_argument("--repeat", type=int, help="rounds (by default each family's own)")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--tiny", action="store_true", help="a tiny image, one round, all in this process: does everything run, and agree?")
    parser.add_argument("--out", type=Path, help="the Markdown file that keeps the tables")
    parser.add_argument("--folder", type=Path, help="where the images are made, and removed (the system's temporary folder)")
    parser.add_argument("--list", action="store_true", help="families, their contenders, and which cannot run")
    return parser


def main(arguments: list[str]) -> int:
    """Run the families; 1 if a contender's answer differs from what it should be."""
    given = _parser().parse_args(arguments)
    if given.family == ["setup-peers"]:
        return peers.setup()
    unknown = [name for name in given.family if name not in FAMILIES]
    if unknown:
        _parser().error(f"unknown family {unknown[0]!r}; they are {', '.join(FAMILIES)}")
    names = given.family or list(FAMILIES)
    return _list(names) if given.list else _run(names, given)


def _list(names: list[str]) -> int:
    for name in names:
        found = family(name)
        print(f"{name}: {found.title}")
        for operation in found.operations:
            print(f"  {operation.name}")
            for contender in operation.contenders:
                reason = contender.reason()
                print(f"    {contender.name}" + (f" – {reason}" if reason else ""))
    return 0


def _run(names: list[str], given: argparse.Namespace) -> int:
    wrong: list[str] = []
    facts = {"machine": machine.describe(), "software": machine.software()}
    print(table.HEADER.format(**facts))
    for name in names:
        found = family(name)
        with tempfile.TemporaryDirectory(dir=given.folder, prefix="voxelrock-benchmarks-") as folder:
            when = machine.now()
            rows = run(found, Settings(Path(folder), given.size, given.repeat, given.threads, here=given.tiny, mask=given.mask))
        image = given.mask.stem if given.mask else ""
        text = table.section(found, rows, when, image)
        print(text, flush=True)
        if given.out is not None:
            table.merge(given.out, {f"{name}__{image}" if image else name: text}, facts)
        wrong += table.differing(found, rows)
    for line in wrong:
        print(f"WRONG: {line}")
    return 1 if wrong else 0
