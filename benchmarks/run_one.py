"""The worker: one measurement in a process of its own. Prints JSON on its last line.

python -m benchmarks.run_one FAMILY OPERATION CONTENDER --data … --tiny … --out … --answers … --size N --threads 2
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from benchmarks.measure import measure
from benchmarks.model import Job, family


def main() -> None:
    parser = argparse.ArgumentParser(prog="benchmarks.run_one")
    for name in ("family", "operation", "contender"):
        parser.add_argument(name)
    for name in ("data", "tiny", "out", "answers"):
        parser.add_argument(f"--{name}", type=Path, required=True)
    parser.add_argument("--size", type=int, required=True)
    parser.add_argument("--threads", type=int, default=2)
    given = parser.parse_args()
    operation = next(o for o in family(given.family).operations if o.name == given.operation)
    contender = next(c for c in operation.contenders if c.name == given.contender)
    job = Job(given.data, given.out, given.size, given.threads)
    print(json.dumps(measure(operation, contender, job, given.tiny, given.answers)))


if __name__ == "__main__":
    main()
