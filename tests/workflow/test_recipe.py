import tomllib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import voxelrock as vr
from voxelrock.errors import FormatError, MissingFileError, ParameterError
from voxelrock.workflow import Recipe, analyze, parse_region
from voxelrock.workflow.batch import read_samples
from voxelrock.workflow.inputs import describe
from voxelrock.workflow.phases import parse_micro, phases_from, read_phases
from voxelrock.workflow.recipe import Denoise, Restrict, Threshold
from voxelrock.workflow.toml import to_toml

PHASES = {1: vr.Phase("pore", "pore", "#ff0000"), 2: vr.Phase("clay", "micro", "", 0.35), 0: vr.Phase("outside", "outside")}


@pytest.mark.parametrize(
    "recipe",
    [
        Recipe(),
        Recipe.of(roi="box:z=0um..8um", denoise="gaussian", radius_vx=2.5, threshold=-12.5, phase="bright"),
        Recipe.of(method="minimum_error", denoise="none"),
        Recipe.of(phases=PHASES, roi="none"),
        Recipe((Restrict("none"), Denoise(), Denoise("gaussian", 2.0), Threshold())),
    ],
)
def test_recipes_come_back_as_they_were(recipe, tmp_path):
    (tmp_path / "recipe.toml").write_text(to_toml({"format": 1, "steps": recipe.to_json()}))
    assert Recipe.read(tmp_path / "recipe.toml") == recipe


@given(st.dictionaries(st.text(), st.one_of(st.text(), st.integers(), st.booleans(), st.floats(allow_nan=False, allow_infinity=False), st.lists(st.text()))))
def test_toml_reads_what_was_written(values):
    plain = {f"k{i}": v for i, v in enumerate(values.values())} | {"table": {"a b": 'ü\n"\\\x01', "rows": [{"x": 1}]}, "rows": [{"y": 2.5}, {"z": [1, 2]}]}
    assert tomllib.loads(to_toml(plain)) == plain


def test_a_recipe_repeats_an_analysis(tmp_path):
    rng = np.random.default_rng(0)
    first = vr.from_array((rng.random((20, 20, 20)) * 200).astype("u1"))
    steps = Recipe.of(roi="none", denoise="none", threshold=90)
    analyze(first, out=tmp_path, recipe=steps)
    other = (rng.random((20, 20, 20)) * 180).astype("u1")
    found = analyze(vr.from_array(other), recipe=Recipe.read(tmp_path / "recipe.toml"))
    assert float(found["porosity"]) == (other <= 90).mean()


@pytest.mark.parametrize(
    ("text", "kind", "message"),
    [
        ("format = 2\n[[steps]]\nstep='threshold'", FormatError, r"format 2, which a newer voxelrock wrote"),
        ("[[steps]]\nstep='polish'", ParameterError, "knows no step 'polish'; it knows restrict, correct, denoise, sharpen, threshold, name"),
        ("[[steps]]\nstep='threshold'\nstrength=3", ParameterError, "the step 'threshold' has no parameter 'strength'"),
        ("[[steps]]\nstep='denoise'", ParameterError, "threshold or name, then sizes and structure .*; got denoise"),
        ("[[steps]]\nstep='denoise'\nmethod='magic'\n[[steps]]\nstep='threshold'", ParameterError, "denoise is one of"),
        ("[[steps]]\nstep='name'\nphases=[{label=1}]", ParameterError, "each phase of the step 'name'"),
        ("steps = 3", ParameterError, r"holds \[\[steps\]\]"),
        ("a = ", FormatError, "cannot be read as TOML"),
        ("a = 1", FormatError, "is no recipe"),
    ],
)
def test_recipes_that_cannot_be_read(tmp_path, text, kind, message):
    (tmp_path / "recipe.toml").write_text(text)
    with pytest.raises(kind, match=message):
        Recipe.read(tmp_path / "recipe.toml")


def test_a_recipe_that_is_not_there():
    with pytest.raises(MissingFileError, match="there is no recipe nowhere"):
        Recipe.read("nowhere.toml")


@pytest.mark.parametrize(
    "bad",
    [
        {"denoise": "magic"},
        {"method": "magic"},
        {"method": "threshold"},
        {"threshold": 3.0, "method": "otsu"},
        {"phase": "grey"},
        {"radius_vx": -1},
        {"threshold": "a"},
        {"threshold": float("inf")},
    ],
)
def test_bad_recipes(bad):
    with pytest.raises(ParameterError):
        Recipe.of(**bad)


def test_phases_from_options():
    found = phases_from(pore=[1, 3], outside=[0], micro=parse_micro(["2:0.35,5:0.1", "5:0.1"]))
    assert {k: (p.role, p.porosity) for k, p in found.items()} == {
        0: ("outside", 0.0), 1: ("pore", 1.0), 2: ("micro", 0.35), 3: ("pore", 1.0), 5: ("micro", 0.1),
    }  # fmt: skip
    with pytest.raises(ParameterError, match="label 1 has two roles: pore and outside"):
        phases_from(pore=[1], outside=[1])
    with pytest.raises(ParameterError, match="label 2 has two porosities"):
        parse_micro(["2:0.3", "2:0.4"])
    for bad in ("2", "2:", "a:0.1", "2:1.5", "2:-0.1", "2:nan"):
        with pytest.raises(ParameterError):
            parse_micro([bad])


def test_phases_from_a_table(tmp_path):
    path = tmp_path / "phases.csv"
    path.write_text("# minerals\nlabel,name,color,role,porosity\n0,air,,outside,\n1,pore,#ff0000,pore,\n2,clay,,micro,0.35\n")
    found = read_phases(path)
    assert found[1] == vr.Phase("pore", "pore", "#ff0000")
    assert found[2].porosity == 0.35
    assert phases_from(pore=[1], table=path)[1].color == "#ff0000"
    with pytest.raises(ParameterError, match="label 2 has two roles: micro and pore"):
        phases_from(pore=[2], table=path)
    path.write_text("label;role\n3;solid\n")
    assert read_phases(path)[3].name == "solid 3"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("label,role,mass\n1,pore,2", "unknown column 'mass'; it may have label, name, colour, role, porosity"),
        ("label,name\n1,pore", "needs the columns label, role"),
        ("label,role\n1,hole", "line 2: the role is one of"),
        ("label,role\na,pore", "line 2: a label is a whole number"),
        ("label,role\n1,pore\n1,solid", "line 3: label 1 is named twice"),
        ("label,role,porosity\n1,micro,2", "fraction from 0 to 1"),
        ("label,role,porosity\n1,micro,", "needs its porosity"),
        ("", "is empty"),
    ],
)
def test_tables_of_phases_that_cannot_be_read(tmp_path, text, message):
    (tmp_path / "phases.csv").write_text(text)
    with pytest.raises((ParameterError, FormatError), match=message):
        read_phases(tmp_path / "phases.csv")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("sample,path,weight\nA,a.tif,3", "unknown column 'weight'; it may have sample, path, voxel_size, pore, outside, roi, threshold"),
        ("sample\nA", "needs the columns sample, path"),
        ("sample,path\nA,a.tif\nB,b.tif\na,c.tif", "line 4: there are two samples of the name 'a'"),
        ("sample,path\nA,", "line 2: a sample needs a name and a path"),
        ("sample,path\n../A,a.tif", "has no slash"),
        ("sample,path,threshold\nA,a.tif,high", "line 2: a threshold is a number; got 'high'"),
        ("sample,path,pore\nA,a.tif,x", "line 2: pore takes labels"),
        ("sample,path,pore,threshold\nA,a.tif,0,9", "line 2: a threshold is for grey scans"),
        ("sample,path\nSummary.csv,a.tif", "the name of a file beside"),
        ("sample,path\nA,a.tif,8um", "line 2: 3 cells for 2 columns"),
        ("sample,path\n", "names no sample"),
    ],
)
def test_samples_that_cannot_be_read(tmp_path, text, message):
    (tmp_path / "samples.csv").write_text(text)
    with pytest.raises((ParameterError, FormatError), match=message):
        read_samples(tmp_path / "samples.csv")


def test_cells_of_samples(tmp_path):
    (tmp_path / "samples.csv").write_text(
        'sample,path,voxel_size,pore,outside,roi,threshold\nA,x/a.tif,8um,"1,3",0,none,\nB,b.tif,,1 3,,m.tif,\nC,c.tif,,,,"box:z=0..4,y=0..4",22.5\n'
    )
    (tmp_path / "m.tif").touch()
    first, second, third = read_samples(tmp_path / "samples.csv")
    assert first.path == tmp_path / "x/a.tif"
    assert (first.pore, first.outside, second.pore) == ((1, 3), (0,), (1, 3))
    assert second.roi == str(tmp_path / "m.tif")
    assert (third.roi, third.threshold) == ("box:z=0..4,y=0..4", 22.5)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("sphere", "cannot read 'sphere' as a region"),
        ("cylinder:margin", "write name=value"),
        ("cylinder:axis=z,size=3", "has no 'size'"),
        ("cylinder:direction=1/0", "a direction is three numbers"),
        ("cylinder:direction=1/0/0", "needs its radius"),
        ("cylinder:axis=z,radius=10um,y=5m", "lies outside the image"),
        ("box:w=1..2", "write box:z="),
        ("box:z=1", "write box:z="),
        ("box:z=1m..2m", "lies outside the image"),
        ("cylinder:axis=q", "axis is one of"),
        ("missing.tif", "the mask missing.tif of the region does not exist"),
    ],
)
def test_regions_that_cannot_be_read(text, message):
    with pytest.raises(ParameterError, match=message):
        parse_region(text, vr.zeros(shape=20, spacing="8 um"))


@pytest.mark.parametrize("text", ["auto:axis=w", "auto:size=3", "none:x=1"])
def test_automatic_regions_that_cannot_be_read(text):
    with pytest.raises(ParameterError):
        analyze(vr.from_function(lambda z, y, x: x * 5, shape=20, dtype="u1"), recipe=Recipe.of(roi=text))


def test_regions_as_text(tmp_path):
    image = vr.zeros(shape=20, spacing="8 um")
    assert parse_region("none", image) is None
    box = image.restriction(parse_region("box:z=0um..16um,x=80um..", image)).compute()
    assert box.sum() == 3 * 20 * 10
    tube = parse_region("cylinder:axis=x,radius=30um,y=80um,z=80um,length=40um", image)
    assert image.restriction(tube).compute().sum() == sum((8 * (a - 10)) ** 2 + (8 * (b - 10)) ** 2 <= 900 for a in range(20) for b in range(20)) * 6
    tilted = parse_region("cylinder:direction=1/0.1/0,radius=30um", image)
    assert tilted == vr.Cylinder(axis={"z": 1, "y": 0.1, "x": 0}, radius=30.0, center={"z": 76, "y": 76, "x": 76}).resolve(image.grid)
    mask = np.zeros((20, 20, 20), "u1")
    mask[3:5] = 9
    vr.save(vr.from_array(mask), tmp_path / "mask.tif")
    assert image.restriction(parse_region(str(tmp_path / "mask.tif"), image)).compute().sum() == 800
    with pytest.raises(ParameterError, match=r"the mask mask\.tif has shape"):
        parse_region(str(tmp_path / "mask.tif"), vr.zeros(shape=3))


def test_the_identity_of_an_input(tmp_path):
    import hashlib

    image = vr.from_array(np.arange(27, dtype="u1").reshape(3, 3, 3))
    vr.save(image, tmp_path / "a.npy")
    facts = describe(image, tmp_path / "a.npy")
    assert facts["bytes"] == (tmp_path / "a.npy").stat().st_size
    assert facts["sha256"] == hashlib.sha256((tmp_path / "a.npy").read_bytes()).hexdigest()
    assert describe(image, tmp_path / "a.npy", sha256=False)["sha256"] == "skipped"
    assert describe(image, tmp_path)["files"] == 1


def test_a_recipe_sharpens_or_not():
    kinds = [step.name for step in Recipe.of(denoise="median").sharpened(0.5).steps]
    assert kinds == ["restrict", "denoise", "sharpen", "threshold", "sizes", "structure"]
    assert [step.name for step in Recipe.of().sharpened(0).steps] == ["restrict", "denoise", "threshold", "sizes", "structure"]
    with pytest.raises(ParameterError, match="amount"):
        Recipe.of().sharpened(-1)
