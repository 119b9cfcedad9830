"""Trainable segmentation: a forest learns phases from voxels that somebody labelled, by filters around them."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from voxelrock.errors import DataError, FormatError, GridMismatchError, ParameterError, ParameterTypeError, VoxelrockError
from voxelrock.extras import require
from voxelrock.geometry import VoxelGrid
from voxelrock.geometry.axes import ZYX
from voxelrock.geometry.units import canonical_unit, conversion
from voxelrock.graph.execution import compute
from voxelrock.graph.patterns import Stencil
from voxelrock.graph.reductions import Reduction
from voxelrock.image import Field, Phase, VoxelImage
from voxelrock.image.metadata import phases_from_json, phases_to_json
from voxelrock.image.operations import readable
from voxelrock.image.selection import an_image, counted
from voxelrock.kernels.features import features_halo
from voxelrock.kernels.trees import Forest, Sampling, fewest, forest_answer, samples, samples_margin
from voxelrock.labels.restriction import Where, refuse_grey
from voxelrock.parameters import whole
from voxelrock.segmentation.features import FeatureBank
from voxelrock.segmentation.models import read_model, write_model
from voxelrock.statistics.histograms import histogram
from voxelrock.typing import HostArray

_MOST = 20_000
_FOREST: dict[str, Any] = {"n_estimators": 100, "max_depth": 20, "random_state": 0}


def _kind(*_: Any, wanted: int | str, **__: Any) -> np.dtype[Any]:
    return np.dtype("u1" if wanted == "label" else "f4")


_ANSWER = Stencil(forest_answer, features_halo, _kind)


@dataclass(frozen=True)
class JoinSamples:
    """Joins the samples of several blocks, and keeps as many as wanted."""

    most: int

    def __call__(self, partials: list[list[HostArray]]) -> list[HostArray]:
        return fewest([np.concatenate(part) for part in zip(*partials)], self.most)


def table_of(found: list[HostArray]) -> HostArray:
    """Samples in C order: label and features."""
    order = np.argsort(found[0])
    return np.concatenate([found[1][order, None].astype(float), found[2][order]], axis=1)


@dataclass(frozen=True, eq=False, repr=False)
class PixelClassifier:
    """A random forest that knows phases by features of the image around a voxel; :meth:`train` makes one, :meth:`load` reads one.

    A classifier holds what it needs: features, trees, phases, and the voxel size and type of the image that it learnt from; images with others are
    refused. :meth:`classify`, :meth:`probability` and :meth:`uncertainty` give lazy images, bitwise the same at any chunking, and equal to
    scikit-learn's ``predict_proba`` of the same forest on the same features. It runs on the host, in slabs: memory is that of the features of 2¹⁸
    voxels, or of one slice of a block. Breiman 2001, doi:10.1023/A:1010933404324; the way of working is that of Arganda-Carreras et al. 2017,
    doi:10.1093/bioinformatics/btx180, and Berg et al. 2019, doi:10.1038/s41592-019-0582-9.

    Examples
    --------
    >>> import voxelrock as vr
    >>> scan = vr.from_function(lambda z, y, x: 10 + 90 * (x > 4), shape=9, dtype="u1")
    >>> scribbles = vr.from_function(lambda z, y, x: (y == 4) * ((x == 1) + 2 * (x == 7)), shape=9, dtype="u1")  # 0: not labelled
    >>> bank = vr.segmentation.FeatureBank.multiscale(scale_vx=[1, 2])
    >>> model = vr.segmentation.PixelClassifier.train(scan, scribbles, features=bank)  # doctest: +SKIP
    >>> model.classify(scan).compute()[0, 0].tolist()  # doctest: +SKIP
    [1, 1, 1, 1, 1, 2, 2, 2, 2]
    """

    features: FeatureBank
    forest: Forest
    classes: tuple[int, ...]
    voxel: tuple[tuple[float, ...], str]
    dtype: str
    phases: Mapping[int, Phase] = field(default_factory=dict)

    def __repr__(self) -> str:
        names = ", ".join(f"{k} {self.phases[k].name}" if k in self.phases else str(k) for k in self.classes)
        spacing, unit = self.voxel
        lines = [
            f"classes   {names}",
            f"features  {', '.join(map(str, self.features.features))}",
            f"forest    {len(self.forest.roots)} trees, {len(self.forest.nodes)} nodes",
            f"images    {self.dtype}, voxels of {' × '.join(f'{s:g}' for s in spacing)} {unit}",
        ]
        return "\n  ".join(["<PixelClassifier>", *lines])

    @classmethod
    def train(
        cls, image: VoxelImage, labels: VoxelImage, /, *, features: FeatureBank, unlabelled: int | None = 0, where: Where = None,
        forest: Mapping[str, Any] | None = None, most: int = _MOST,
    ) -> PixelClassifier:  # fmt: skip
        """Train on labelled voxels; computes at once, and needs scikit-learn (the extra ``learn``).

        Parameters
        ----------
        image
            The grey values to be segmented, or a part of them.
        labels
            On the same grid: scribbles, or slices that are labelled wholly. Labels are 0 to 254. With phases, each of them must be labelled somewhere.
        features
            The features.
        unlabelled
            The value of voxels that nobody labelled; None where all are labelled. No-data voxels never are.
        where
            True = used: labels elsewhere are not learnt from.
        forest
            Parameters of ``sklearn.ensemble.RandomForestClassifier``; by default 100 trees of at most 20 levels from the seed 0.
        most
            Voxels of each class that are learnt from; of more, a hash of their places takes so many.

        Raises
        ------
        ParameterError, GridMismatchError
            Labels that cannot be; another grid; no-data voxels in the image.
        DataError
            Fewer than two classes are labelled, or a phase is not; NaN near labelled voxels.
        MissingPackageError
            scikit-learn is not installed.

        Notes
        -----
        The same at any chunking: samples are sorted by place, and the forest has a seed. Blocks without labels are read, and not filtered.
        """
        learn = require("sklearn.ensemble", extra="learn")
        if not isinstance(features, FeatureBank):
            raise ParameterTypeError(f"features= is a FeatureBank, such as FeatureBank.multiscale(); got {type(features).__name__}")
        bound, kind = features.bound(an_image(image)), _checked_labels(image, labels)
        keep = counted(labels, where)
        counts = _counts(labels, where, unlabelled)
        most = whole(most, "most")
        if most < 1:
            raise ParameterError(f"most is a number of voxels, at least 1; got {most}")
        found = sum(min(most, n) for n in counts.values())
        reduction = Reduction(samples, JoinSamples(most), table_of, located=True, margin=samples_margin)
        z, y, x = image.shape
        sampling = Sampling(bound, tuple(counts), most, (z, y, x))
        table = compute(reduction(image.data, kind.data, *keep, shape=(found, 1 + features.size), dtype="f8", sampling=sampling), label="features")
        fitted = _fitted(learn, table, forest)
        trees = Forest.of([tree.tree_ for tree in fitted.estimators_])
        grid = image.grid
        phases = {k: p for k, p in labels.phases.items() if k in counts}
        return cls(features, trees, tuple(counts), (tuple(grid.spacing), grid.unit), image.dtype.name, phases)

    def classify(self, image: VoxelImage, /, *, where: Where = None) -> VoxelImage:
        """The label of the likeliest class of each voxel (u1, with the phases of the labels that were learnt); 255, no data, outside ``where``."""
        found = self._asked(image, where, "label", "classify")
        return found.assign(phases=dict(self.phases), nodata=255 if where is not None else None)

    def probability(self, image: VoxelImage, /, *, label: int, where: Where = None) -> VoxelImage:
        """How likely each voxel has a label (float32): the mean fraction in the leaves of the trees. NaN, no data, outside ``where``."""
        if label not in self.classes:
            raise ParameterError(f"the classifier knows the labels {', '.join(map(str, self.classes))}; got {label}")
        found = self._asked(image, where, self.classes.index(label), "probability")
        return found.assign(nodata=math.nan if where is not None else None)

    def uncertainty(self, image: VoxelImage, /, *, where: Where = None) -> VoxelImage:
        """1 minus the probability of the likeliest class (float32): where to label more. NaN, no data, outside ``where``."""
        found = self._asked(image, where, "uncertainty", "uncertainty")
        return found.assign(nodata=math.nan if where is not None else None)

    def _asked(self, image: VoxelImage, where: Where, wanted: int | str, name: str) -> VoxelImage:
        spacing, unit = self.voxel
        same = (unit == "voxel") == (an_image(image).grid.unit == "voxel")
        factor = conversion(image.grid.unit, unit) if same and unit != "voxel" else 1.0
        if not same or any(abs(a * factor - b) > 1e-6 * b for a, b in zip(image.grid.spacing, spacing)):
            raise GridMismatchError(
                f"the classifier learnt from voxels of {_shown(spacing)} {unit}, and these are of {_shown(image.grid.spacing)} {image.grid.unit}: its "
                "features would see other lengths; train one for these voxels, or correct the size with image.assign_grid(spacing=…)"
            )
        if image.dtype.name != self.dtype:
            raise ParameterError(f"the classifier learnt from grey values of {self.dtype}, and these are {image.dtype}: they are on another scale")
        learnt = VoxelGrid(image.grid.shape, ZYX(*spacing), unit=unit)  # the same voxels to a millionth, and the same bits in another unit
        bound, keep = self.features.bound(image, learnt), counted(image, where)
        data = _ANSWER(image.data, *keep, features=bound, forest=self.forest, classes=self.classes, wanted=wanted)
        found = image.with_data(data, nodata=None, phases={}, field=Field(name if name != "classify" else "label", "1", "random forest"))
        facts = {"model": self.forest.identity[:12], "features": self.features.names, "wanted": wanted, "where": readable(where)}
        return found.recorded(f"segmentation.PixelClassifier.{name}", facts, before=image)

    def save(self, path: str | Path, /, *, overwrite: bool = False) -> None:
        """Write a ``.npz`` file of plain arrays and a header in JSON, which no reading can make run code.

        Raises
        ------
        ExistsError
            The file exists, and overwrite is False.
        MissingFileError
            There is no such folder.
        """
        spacing, unit = self.voxel
        header = {"features": self.features.to_json(), "classes": list(self.classes), "phases": phases_to_json(dict(self.phases))}
        write_model(path, header | {"spacing": list(spacing), "unit": unit, "dtype": self.dtype}, self.forest, overwrite=overwrite)

    @classmethod
    def load(cls, path: str | Path, /) -> PixelClassifier:
        """Read what :meth:`save` wrote. Neither scikit-learn nor the version that trained it is needed.

        Raises
        ------
        MissingFileError, FormatError
            There is none; it is no model, a damaged one, one of a newer format, or one with features that this version does not know.
        """
        header, forest = read_model(path)
        try:
            bank = FeatureBank(header["features"])
            classes, spacing = tuple(int(k) for k in header["classes"]), tuple(float(s) for s in header["spacing"])
            phases, unit, kind = phases_from_json(header["phases"]), canonical_unit(str(header["unit"])), np.dtype(header["dtype"]).name
            good = len(spacing) == 3 and all(0 < s < math.inf for s in spacing)
            good = good and classes == tuple(sorted(set(classes))) and classes[0] >= 0 and classes[-1] < 255
        except VoxelrockError as error:
            raise FormatError(f"{path} cannot be used by this version: {error}") from None
        except (AttributeError, KeyError, TypeError, ValueError, IndexError) as error:
            raise FormatError(f"{path} is a damaged model: {error!r}") from None
        if not good:
            raise FormatError(f"{path} is a damaged model: classes {classes}, spacing {spacing}")
        return cls(bank, forest.checked(bank.size, len(classes)), classes, (spacing, unit), kind, phases)


def _fitted(learn: Any, table: HostArray, forest: Mapping[str, Any] | None) -> Any:
    """The forest of scikit-learn that learnt a table of labels and features."""
    if np.isnan(table).any() or np.abs(table).max() > np.finfo("f4").max:
        raise DataError("NaN, or features beyond float32, near labelled voxels: leave them out with where=, or give them a value")
    try:
        return learn.RandomForestClassifier(**_FOREST | dict(forest or {})).fit(table[:, 1:].astype(np.float32), table[:, 0].astype(np.int64))
    except (TypeError, ValueError) as error:
        raise ParameterError(f"forest= holds parameters of scikit-learn's RandomForestClassifier, such as dict(n_estimators=50): {error}") from None


def _shown(spacing: Any) -> str:
    return " × ".join(f"{s:g}" for s in spacing)


def _checked_labels(image: VoxelImage, labels: VoxelImage) -> VoxelImage:
    refuse_grey(labels, "training")
    image.same_grid(labels)
    if labels.dtype.kind not in "biu" or (labels.dtype.kind != "b" and labels.dtype.itemsize > 2):
        raise ParameterError(f"labels are booleans or integers of 8 or 16 bits; got {labels.dtype}: convert them, as with labels.astype('u1')")
    return labels.astype("u1") if labels.dtype.kind == "b" else labels


def _counts(labels: VoxelImage, where: Where, unlabelled: int | None) -> dict[int, int]:
    """The labelled voxels of each class, ascending."""
    table = compute(histogram(labels, where=where), label="labels")
    found = {int(v): int(n) for v, n in zip(table["value"].values, table.values) if n and int(v) != unlabelled}
    wrong = [k for k in found if not 0 <= k < 255]
    if wrong:
        raise ParameterError(f"labels are 0 to 254; got {wrong[0]}")
    missing = [f"{k} ({p.name})" for k, p in labels.phases.items() if k not in found and k != unlabelled]
    if missing:
        raise DataError(f"no voxel is labelled {', '.join(missing)}: label some, or leave the phase out with labels.assign(phases=…)")
    if len(found) < 2:
        raise DataError(f"two classes are needed at least, and {len(found)} is labelled (unlabelled={unlabelled})")
    return found
