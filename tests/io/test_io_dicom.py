import numpy as np
import pydicom
import pytest
from pydicom.dataset import FileDataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, generate_uid

import voxelrock as vr
from voxelrock.errors import FormatError, MissingFileError


def write_slice(path, values, z, number, **extra):
    meta = FileMetaDataset()
    meta.TransferSyntaxUID, meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID = ExplicitVRLittleEndian, generate_uid(), generate_uid()
    data = FileDataset(str(path), {}, file_meta=meta, preamble=b"\0" * 128)
    data.Rows, data.Columns = values.shape
    data.BitsAllocated = data.BitsStored = 16
    data.HighBit, data.SamplesPerPixel, data.PhotometricInterpretation = 15, 1, "MONOCHROME2"
    data.PixelRepresentation = int(values.dtype.kind == "i")
    data.PixelSpacing, data.SliceThickness, data.InstanceNumber = [0.2, 0.3], 0.5, number
    data.ImagePositionPatient = [1.0, 2.0, z]
    data.PixelData = values.tobytes()
    for name, value in extra.items():
        setattr(data, name, value)
    data.save_as(path, enforce_file_format=True)


@pytest.fixture
def folder(tmp_path):
    values = np.random.default_rng(0).integers(-1000, 3000, (5, 6, 7)).astype("i2")
    for n, plane in enumerate(values):
        write_slice(tmp_path / f"s{n}.dcm", plane, z=10.0 - n, number=n)
    return tmp_path, values[::-1]


def test_slices_are_sorted_by_position(folder):
    path, values = folder
    image = vr.open(path)
    np.testing.assert_array_equal(image.compute(), values)
    assert tuple(image.grid.spacing) == (1.0, 0.2, 0.3)
    assert tuple(image.grid.origin) == (6.0, 2.0, 1.0)
    assert image.grid.unit == "mm"
    np.testing.assert_array_equal(image[1:3, 2:, :4].compute(), values[1:3, 2:, :4])


def test_rescaling_gives_hounsfield_units(tmp_path):
    values = np.arange(42, dtype="u2").reshape(6, 7)
    write_slice(tmp_path / "a.dcm", values, 0.0, 1, RescaleSlope=2, RescaleIntercept=-1024)
    image = vr.open(tmp_path / "a.dcm")
    assert image.dtype == np.int16
    np.testing.assert_array_equal(image.compute()[0], values.astype("i4") * 2 - 1024)


def test_what_does_not_fit_is_named(folder):
    path, _ = folder
    write_slice(path / "s9.dcm", np.zeros((3, 3), "i2"), z=99.0, number=9)
    with pytest.raises(FormatError, match=r"s9\.dcm differs from s4\.dcm"):
        vr.open(path)
    (path / "x.dcm").write_bytes(b"nothing")
    with pytest.raises(FormatError, match=r"x\.dcm is no DICOM file"):
        vr.open(path / "x.dcm")
    with pytest.raises(MissingFileError):
        vr.open(path / "missing.dcm")


def test_pydicom_reads_the_same(folder):
    path, values = folder
    np.testing.assert_array_equal(pydicom.dcmread(path / "s4.dcm").pixel_array, values[0])
