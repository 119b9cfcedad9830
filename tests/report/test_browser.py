"""The report in a real browser: nothing broken, nothing missing, nothing loaded from elsewhere."""

import base64
import re

import pytest

import voxelrock as vr
from tests.report.browser import BROWSER, visit
from voxelrock.workflow import Recipe, analyze, analyze_samples

SIZES = {"desk": (1280, 900, False), "phone": (390, 844, True), "small": (320, 568, True)}

pytestmark = pytest.mark.skipif(BROWSER is None, reason="no Chromium here")


def sound(found):
    assert found["errors"] == []
    assert found["requests"] == []
    for name in SIZES:
        page = found[name]
        assert page["scroll"] <= page["width"] + 1, (name, page["wide"])
        assert page["wide"] == [], name
        assert page["overlaps"] == page["empty"] == page["small"] == 0, name
        assert page["images"], name
        for image in page["images"]:
            assert image["done"], image
            assert image["width"] > 20, image
            assert image["alt"], image
    for image in found["desk"]["images"]:
        if image["pixels"]:
            assert image["shown"] == image["width"]  # one pixel for each voxel
    pdf = base64.b64decode(found["pdf"])
    assert pdf.startswith(b"%PDF")
    assert re.search(rb"/Type /Page\b", pdf)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    place = tmp_path_factory.mktemp("report")
    rock = vr.generators.plug(vr.generators.sandstone(shape=96, spacing="4 um", radius="32 um", seed=1))
    analyze(vr.generators.ct_scan(rock, seed=1), out=place / "grey", sample="a rather long name of a sample " + "x" * 80)
    labels = rock.astype("u1").assign(phases=rock.phases)
    analyze(labels, out=place / "labels", recipe=Recipe.of(phases={**rock.phases, 1: vr.Phase("clay", "micro", porosity=0.4)}) if 1 in rock.phases else None)
    vr.save(labels, place / "labels.zarr")
    (place / "samples.csv").write_text("sample,path\n" + "".join(f"S{i},{'labels.zarr' if i else 'missing.tif'}\n" for i in range(2)))
    analyze_samples(place / "samples.csv", out=place / "campaign", recipe=Recipe.suited(labels).with_sizes(False).with_statistics([]))
    return place


@pytest.mark.parametrize("page", ["grey/report.html", "labels/report.html", "campaign/summary.html"])
def test_a_page_in_a_browser(folder, tmp_path, page):
    found = visit(tmp_path, folder / page, SIZES)
    sound(found)
    assert "orosity" in found["phone"]["text"]


def test_a_broken_page_is_seen(folder, tmp_path):
    page = (folder / "labels/report.html").read_text()
    broken = page.replace("data:image/png;base64,iVBOR", "data:image/png;base64,AAAA", 1).replace(
        "<body>", "<body><script>nonsense()</script><p style='width:3000px'>wide</p>", 1
    )
    assert broken != page
    (tmp_path / "broken.html").write_text(broken)
    found = visit(tmp_path / "profile", tmp_path / "broken.html", SIZES)
    assert any("nonsense" in str(e) for e in found["errors"])
    assert found["desk"]["scroll"] > found["desk"]["width"]
    assert any(i["width"] == 0 for i in found["desk"]["images"])
