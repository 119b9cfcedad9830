"""The list of kernels: all of them, and where they compute."""

import re
from pathlib import Path

import voxelrock
from voxelrock.kernels.catalogue import kernels

SOURCES = sorted(Path(voxelrock.__file__).parent.rglob("*.py"))


def test_every_kernel_is_listed():
    declared = sum(len(re.findall(r"^@kernel\(", path.read_text(), flags=re.MULTILINE)) for path in SOURCES)
    found = kernels()
    assert len(found) == declared > 80
    assert len({each.identity for each in found}) == declared


def test_what_runs_on_the_host_says_so_and_why():
    for each in kernels():
        words = " ".join((each.__doc__ or "").split())
        if each.host_only:
            assert each.place == f"host: {each.host_only}"
            assert each.device_body is None, each
        else:
            assert "It runs on the host" not in words or each.device_body is not None, each
            assert each.place.startswith("device: ")
