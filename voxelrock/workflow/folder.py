"""The folder of an analysis: whose it is, and what is there already."""

from __future__ import annotations

import fcntl
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from voxelrock.errors import ExistsError, FormatError, StorageError, UnfinishedError
from voxelrock.typing import Json
from voxelrock.workflow.recipe import FORMAT, Recipe, read_toml
from voxelrock.workflow.results import write_text
from voxelrock.workflow.toml import to_toml

FILES = ("report.html", "results.json", "results.csv", "recipe.toml", "segmented.zarr", "corrected.zarr", "denoised.zarr", "curves", "figures")
_HEAD = "# The steps of this analysis; repeat them on another scan: voxelrock analyze SCAN --recipe recipe.toml"


@dataclass(frozen=True)
class Folder:
    """Where the results of one sample lie."""

    path: Path

    @property
    def recipe(self) -> Path:
        """The steps, and which input they were for; written first."""
        return self.path / "recipe.toml"

    @property
    def segmented(self) -> Path:
        """The labels."""
        return self.path / "segmented.zarr"

    @property
    def corrected(self) -> Path:
        """The scan without artefacts, where the recipe corrects it."""
        return self.path / "corrected.zarr"

    @property
    def denoised(self) -> Path:
        """The scan after filters that are dear to repeat; there until the results are."""
        return self.path / "denoised.zarr"

    @property
    def results(self) -> Path:
        """Numbers and curves; written when all are known."""
        return self.path / "results.json"

    @property
    def report(self) -> Path:
        """The page; written last."""
        return self.path / "report.html"

    def unfinished(self, path: Path) -> bool:
        """Whether an image was being written when a run stopped."""
        return self._partial(path).exists()

    def _partial(self, path: Path) -> Path:
        return self.path / f".{path.name}.partial"

    def forget(self, path: Path) -> None:
        """Remove an image, or what a run left of it."""
        for each in (path, self._partial(path)):
            shutil.rmtree(each, ignore_errors=True)

    def room(self) -> int:
        """Bytes that are free on its disk."""
        return shutil.disk_usage(self.path).free

    @property
    def replacing(self) -> Path:
        """There while the labels of an earlier analysis wait to be replaced by this one's."""
        return self.path / ".replacing"

    @contextmanager
    def held(self) -> Iterator[None]:
        """Keep other runs out while the block runs; a run that is killed lets go. Disks that know no locks keep nobody out.

        Raises
        ------
        UnfinishedError
            Another run is at work here.
        StorageError
            The folder cannot be made.
        """
        with self._made():
            self.path.mkdir(parents=True, exist_ok=True)
            handle = os.open(self.path, os.O_RDONLY)
        try:
            if not _locked(handle):
                raise UnfinishedError(f"another run is at work in {self.path}; wait for it, or stop it first")
            yield
        finally:
            os.close(handle)

    @contextmanager
    def _made(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise StorageError(f"the folder {self.path} cannot be written: {error.strerror}; choose another with out= (--out)") from error

    def claim(self, identity: str, recipe: Recipe, input_facts: Json, software: Json, *, overwrite: bool) -> bool:
        """Make the folder this run's; True where an earlier run with the same steps on the same input left something to go on with.

        Raises
        ------
        ExistsError
            It holds another analysis, or files that are not ours, and ``overwrite`` is not set.
        StorageError
            It cannot be written.
        """
        there = [name for name in FILES if (self.path / name).exists()]
        if there and not overwrite:
            self._same(identity, recipe, input_facts, there)
            return True
        with self._made():
            if overwrite:
                self._clear()
            text = to_toml({"format": FORMAT, "run": identity, "steps": recipe.to_json(), "input": input_facts, "software": software})
            write_text(self.recipe, f"{_HEAD}\n{text}")
        return False

    def _clear(self) -> None:
        """Remove what an earlier analysis made; its labels stay, marked, until new ones take their place."""
        if self.segmented.exists():
            self.replacing.touch()
        for name in FILES:
            path = self.path / name
            if path.is_dir() and path != self.segmented:
                shutil.rmtree(path)
            elif path.is_file():
                path.unlink()

    def _same(self, identity: str, recipe: Recipe, input_facts: Json, there: list[str]) -> None:
        hint = "pass overwrite=True (--overwrite) or another folder"
        if not self.recipe.is_file():
            raise ExistsError(f"{self.path} holds {', '.join(there)}, and no recipe.toml that says of what; {hint}")
        try:
            said = read_toml(self.recipe)
        except FormatError as error:
            raise ExistsError(f"{self.path} holds an analysis whose recipe cannot be read ({error}); {hint}") from None
        if said.get("run") == identity:
            _same_bytes(self.path, said, input_facts, hint)
            return
        raise ExistsError(f"{self.path} holds another analysis: {_difference(said, recipe, input_facts)}; {hint}")


def _locked(handle: int) -> bool:
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:  # a disk that knows no locks
        return True
    return True


def _same_bytes(path: Path, said: Json, input_facts: Json, hint: str) -> None:
    """Raise where the bytes of the input are not those that were analysed, though its size and time of change are."""
    before, now = (facts.get("sha256", "skipped") for facts in (said.get("input", {}), input_facts))
    if "skipped" not in (before, now) and before != now:
        raise ExistsError(f"{path} holds an analysis of other bytes: the input has changed, though its time of change has not; {hint}")


def _difference(said: Json, recipe: Recipe, input_facts: Json) -> str:
    """What parts two runs, in words."""
    before = said.get("input", {})
    for key, name in (
        ("path", "of"),
        ("bytes", "of as many bytes"),
        ("changed", "of a file changed at"),
        ("spacing_zyx", "with the spacing"),
        ("unit", "with the unit"),
    ):
        if before.get(key) != input_facts.get(key):
            return f"{name} {before.get(key)!r}, and this one is {name} {input_facts.get(key)!r}"
    for old, new in zip(said.get("steps", []), recipe.to_json()):
        if old != new:
            return f"with the step {_step(old)}, and this one has {_step(new)}"
    return "with other steps, another image or another version of voxelrock"


def _step(row: Json) -> str:
    return f"{row.get('step')} ({', '.join(f'{k} {v}' for k, v in row.items() if k != 'step')})"
