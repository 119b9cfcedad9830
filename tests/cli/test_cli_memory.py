"""The command's own process keeps freed memory; processes that import it do not."""

import os
import subprocess
import sys

import pytest

TOLD = "from voxelrock.cli.memory import keep_freed_memory; print(keep_freed_memory())"
FAULTS = """
import resource, sys
import numpy as np
from voxelrock.cli.memory import keep_freed_memory
if sys.argv[1] == "kept":
    keep_freed_memory()
np.ones(2**26, "u1")
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(20):
    np.ones(2**26, "u1")
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


def said(code, *arguments, **environment):
    clean = {k: v for k, v in os.environ.items() if not k.startswith(("MALLOC_", "GLIBC_TUNABLES"))}
    ended = subprocess.run([sys.executable, "-c", code, *arguments], capture_output=True, text=True, check=True, env=clean | environment)
    return ended.stdout.strip()


@pytest.mark.skipif(sys.platform != "linux" or not os.confstr("CS_GNU_LIBC_VERSION"), reason="needs glibc")
def test_freed_memory_is_used_again():
    assert said(TOLD) == "True"
    assert int(said(FAULTS, "kept")) < 0.1 * int(said(FAULTS, "given back"))


def test_what_the_environment_says_holds():
    assert said(TOLD, MALLOC_TRIM_THRESHOLD_="65536") == "False"
