"""The house rules, checked by a machine."""

import ast
import doctest
import importlib
import inspect
import pkgutil
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

import voxelrock as vr

ROOT = Path(__file__).parents[2]
FILES = sorted((ROOT / "voxelrock").rglob("*.py"))
MODULES = sorted(m.name for m in pkgutil.walk_packages(vr.__path__, "voxelrock.") if "__main__" not in m.name)
SUBJECTS = (
    *("filters", "statistics", "segmentation", "generators", "labels", "morphology", "pores", "structure", "artefacts", "viz", "cluster", "workflow"),
    *("registration",),
)


def functions():
    for file in FILES:
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                yield file.relative_to(ROOT), node


def test_rooms_are_small():
    large = {str(f.relative_to(ROOT)): n for f in FILES if (n := f.read_text().count("\n")) > 400}
    faces = {str(f.relative_to(ROOT)): n for f in FILES if f.name == "__init__.py" and (n := f.read_text().count("\n")) > 40}
    assert not large
    assert not faces


def test_functions_are_short():
    long = []
    for file, node in functions():
        body = node.body[1:] if ast.get_docstring(node) else node.body
        if body and body[-1].end_lineno - body[0].lineno + 1 > 40:
            long.append(f"{file}:{node.lineno} {node.name}")
    assert not long


def test_signatures_have_at_most_seven_parameters():
    wide = []
    for file, node in functions():
        names = [a.arg for a in (*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs) if a.arg not in ("self", "cls")]
        if len(names) > 7 and not node.name.startswith("_") and "cli" not in file.parts and node.name not in ("__init__",):
            wide.append(f"{file}:{node.lineno} {node.name} has {len(names)}")
    assert not wide


def test_no_imports_inside_functions():
    found = []
    for file, node in functions():
        if file.name == "backend.py" and node.name == "device_module":
            continue  # cupy is imported where a device is looked for, and nowhere else
        found += [f"{file}:{n.lineno}" for n in ast.walk(node) if isinstance(n, ast.Import | ast.ImportFrom)]
    assert not found


def test_no_vague_names():
    assert not [f for f in FILES if f.stem in ("utils", "helpers", "common", "misc", "core") or f.parent.name in ("utils", "helpers", "common", "misc", "core")]


def test_importing_voxelrock_loads_nothing_heavy():
    code = "import sys, voxelrock; print(','.join(m for m in ('dask', 'xarray', 'numba', 'zarr', 'scipy', 'matplotlib', 'numpy') if m in sys.modules))"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == ""


def test_every_name_of_the_face_exists():
    for name in dir(vr):
        assert getattr(vr, name) is not None
    with pytest.raises(AttributeError, match="no attribute 'nonsense'"):
        _ = vr.nonsense


def public():
    for subject in SUBJECTS:
        module = importlib.import_module(f"voxelrock.{subject}")
        for name in module.__all__:
            yield f"{subject}.{name}", getattr(module, name)


@pytest.mark.parametrize(("name", "thing"), list(public()), ids=lambda v: v if isinstance(v, str) else "")
def test_public_names_are_documented(name, thing):
    text = inspect.getdoc(thing)
    assert text, f"{name} has no docstring"
    if inspect.isfunction(thing):
        assert ">>>" in text or "Examples" in text, f"{name} has no example"
        for part in inspect.signature(thing).parameters:
            assert re.search(rf"\b{part}\b", text), f"{name} does not explain {part}"


@pytest.mark.parametrize(("name", "thing"), list(public()), ids=lambda v: v if isinstance(v, str) else "")
def test_images_are_positional_only_and_all_else_is_named(name, thing):
    if not inspect.isfunction(thing) or name in ("workflow.parse_region",):
        return
    for part in inspect.signature(thing).parameters.values():
        assert part.kind is not inspect.Parameter.POSITIONAL_OR_KEYWORD, f"{name}({part.name})"


def test_an_image_has_at_most_thirty_public_members():
    members = [m for m in dir(vr.VoxelImage) if not m.startswith("_")] + list(vr.VoxelImage.__dataclass_fields__)
    assert len(set(members)) <= 30


@pytest.mark.parametrize("name", MODULES)
def test_examples_run(name):
    module = importlib.import_module(name)
    finder = doctest.DocTestFinder(exclude_empty=True)
    runner = doctest.DocTestRunner(optionflags=doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE)
    names = {"vr": vr, **{n: getattr(vr, n) for n in ("ZYX", "Ball", "Box", "Cylinder", "Polygon", "VoxelGrid")}}
    for test in finder.find(module, globs={**vars(module), **names}):
        runner.run(test)
    assert runner.failures == 0


def bounds(text):
    return re.sub(r"\s", "", text)


def test_the_conda_environment_agrees_with_the_package():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    lines = [line.strip()[2:] for line in (ROOT / "environment.yml").read_text().splitlines() if line.strip().startswith("- ")]
    conda = {line.split()[0]: bounds("".join(line.split()[1:])) for line in lines if line != "conda-forge"}
    conda_names = {"dask": "dask-core", "matplotlib": "matplotlib-base"}
    expected = {"python": bounds(project["requires-python"])}
    for requirement in project["dependencies"]:
        name, bound = re.match(r"([a-z0-9-]+)(.*)", requirement).groups()
        expected[conda_names.get(name, name)] = bounds(bound)
    assert conda == expected


def test_the_version_is_in_the_changelog():
    assert f"## {vr.__version__}" in (ROOT / "CHANGELOG.md").read_text()
