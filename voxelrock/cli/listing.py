"""``voxelrock kernels``: where everything computes."""

from __future__ import annotations

import click

from voxelrock.kernels.backend import device_module
from voxelrock.kernels.catalogue import kernels as all_kernels


@click.command()
@click.option("--host", is_flag=True, help="Only those that run on the host whatever the worker has.")
def kernels(host: bool) -> None:
    """List the kernels: module, name, where it computes on a worker with a GPU (and why on the host), and whether devices agree bit for bit."""
    found = [each for each in all_kernels() if each.host_only or not host]
    for each in found:
        agreement = "" if each.host_only else ", bitwise" if each.exact else ", to a tolerance"
        click.echo(f"{each.__module__.removeprefix('voxelrock.'):<26} {each.__name__:<20} {each.place}{agreement}")
    on_host = sum(bool(each.host_only) for each in found)
    device = "a CUDA device answers here" if device_module() is not None else "no CUDA device answers here"
    click.echo(f"{len(found)} kernels, {on_host} of them on the host alone; {device}")
