"""Stores on S3, read through a real server; nothing that a run leaves or says contains the key or the secret."""

import json
import logging
import re
import time
from importlib.util import find_spec

import cloudpickle
import numpy as np
import pytest
import zarr
from servers import KEY, S3, SECRET, Web

import voxelrock as vr
from voxelrock.cli.main import main
from voxelrock.errors import CorruptChunkError, FormatError, MissingFileError, ParameterError, StorageError
from voxelrock.storage.objects import ObjectFiles
from voxelrock.storage.remote import bare, checked_url, connect

pytestmark = [
    pytest.mark.skipif(not (find_spec("obstore") and find_spec("moto")), reason="obstore or moto[server] is not installed: pip install 'voxelrock[s3,test]'"),
    pytest.mark.filterwarnings("default"),
]
GREY = np.random.default_rng(1).integers(0, 60000, (40, 36, 44)).astype("u2")
OPTIONS = {
    "sharded": {"chunks": 8, "shards": 16},
    "single": {"chunks": 16, "shards": 16},
    "zarr2": {"layout": "zarr2", "chunks": 16},
    "rockverse": {"layout": "rockverse", "chunks": 16},
    "zstd": {"chunks": 16, "shards": 32, "codec": "zstd"},
}


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    found = S3(tmp_path_factory.mktemp("moto") / "log")
    yield found
    found.stop()


@pytest.fixture(autouse=True)
def environment(server, monkeypatch):
    for name in ("AWS_PROFILE", "AWS_SKIP_SIGNATURE", "AWS_ENDPOINT", "AWS_SESSION_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    for name, value in server.environment().items():
        monkeypatch.setenv(name, value)
    yield
    server.deny(10**9)


@pytest.fixture
def upload(tmp_path):
    """Copy a local store to the bucket, as users do; gives its URL."""

    def copy(name):
        import obstore

        url = f"s3://rocks/{time.monotonic_ns()}/{name}"
        for file in (tmp_path / name).rglob("*"):
            if file.is_file():
                obstore.put(connect(url), str(file.relative_to(tmp_path / name)), file.read_bytes())
        return url

    return copy


@pytest.fixture
def stored(tmp_path, upload):
    """An image in the bucket, and where."""

    def save(**options):
        vr.save(vr.from_array(GREY, spacing="5 um"), tmp_path / "scan.zarr", overwrite=True, **(OPTIONS["sharded"] | options))
        return upload("scan.zarr")

    return save


def holds_no_secret(*texts):
    for text in texts:
        data = text if isinstance(text, bytes) else str(text).encode()
        assert KEY.encode() not in data
        assert SECRET.encode() not in data
    return True


@pytest.mark.parametrize("name", OPTIONS)
def test_what_is_read_is_what_was_stored(tmp_path, upload, name):
    vr.save(vr.from_array(GREY, spacing=vr.ZYX("5 um", "4 um", "3 um")), tmp_path / "a.zarr", **OPTIONS[name])
    here, there = vr.open(tmp_path / "a.zarr"), vr.open(upload("a.zarr"))
    assert (there.shape, there.dtype, there.data.chunks) == (here.shape, here.dtype, here.data.chunks)
    assert not there.grid.differences(here.grid)
    np.testing.assert_array_equal(there.compute(), GREY)
    np.testing.assert_array_equal(there[3:21, 7:9, 40:].compute(), GREY[3:21, 7:9, 40:])
    np.testing.assert_array_equal(vr.filters.median(there, radius_vx=1).compute(), vr.filters.median(here, radius_vx=1).compute())


def test_foreign_arrays_and_groups(tmp_path, upload):
    group = zarr.open_group(tmp_path / "g.zarr", mode="w")
    group.create_array("a", shape=GREY.shape, chunks=(16, 16, 16), shards=(32, 32, 48), dtype="u2", fill_value=7)[:32] = GREY[:32]
    group.create_array("b", shape=GREY.shape, chunks=(16, 16, 16), dtype=">u2")[...] = GREY
    url = upload("g.zarr")
    with pytest.raises(FormatError, match=re.escape(f"{url} is a group; name one of its arrays with path=: a, b")):
        vr.open(url)
    np.testing.assert_array_equal(vr.open(url, path="b").compute(), GREY)
    np.testing.assert_array_equal(vr.open(url, path="a").compute(), np.where(np.arange(40)[:, None, None] < 32, GREY, 7))
    with pytest.raises(MissingFileError, match=re.escape(f"{url} holds no array or group 'c'")):
        vr.open(url, path="c")


def test_workers_open_their_own(stored, tmp_path):
    """Processes read with their own environment; what travels to them, and what they and the scheduler log, tells no secret."""
    image = vr.open(stored())
    quiet = vr.filters.median(image, radius_vx=1)
    with vr.cluster.local(workers=2, threads=1, memory="2 GB", dashboard=False) as client:
        found = vr.save(quiet, tmp_path / "quiet.zarr")
        np.testing.assert_array_equal(found.compute(), vr.filters.median(vr.from_array(GREY), radius_vx=1).compute(scheduler="sync"))
        logs = f"{client.get_worker_logs()} {client.get_scheduler_logs()} {client.get_events()}"
    assert holds_no_secret(cloudpickle.dumps(quiet), cloudpickle.dumps(dict(quiet.data.dask)), logs, repr(quiet), quiet.fingerprint)
    assert holds_no_secret(json.dumps(quiet.history), *(f.read_bytes() for f in (tmp_path / "quiet.zarr").rglob("*") if f.is_file()))


def test_an_analysis_tells_the_url_and_no_more(stored, tmp_path, capfd, monkeypatch):
    url = stored()
    monkeypatch.chdir(tmp_path)
    main(["analyze", url, "--roi", "none", "--denoise", "median", "--no-sizes", "--statistics", "none"], standalone_mode=False)
    folder = tmp_path / "scan-analysis"
    assert f'"path": "{url}"' in (folder / "results.json").read_text()
    written = [f.read_bytes() for f in folder.rglob("*") if f.is_file()]
    assert {"report.html", "results.json", "recipe.toml", "segmented.zarr"} <= {f.name for f in folder.iterdir()}
    assert holds_no_secret(*written, *capfd.readouterr())


@pytest.mark.parametrize("options", [OPTIONS["sharded"], OPTIONS["single"], OPTIONS["zarr2"]], ids=str)
def test_a_missing_chunk_of_a_complete_store(stored, options):
    import obstore

    url = stored(**{"shards": None} | options)
    key = "0.0.0" if "layout" in options else "c/0/0/0"
    image = vr.open(url)
    obstore.delete(connect(url), key)
    with pytest.raises(CorruptChunkError, match=re.escape(f"{url}: chunk {key} is missing from the store; restore it from a copy")):
        image.compute()
    np.testing.assert_array_equal(image[16:].compute(), GREY[16:])


def test_damaged_shards(stored):
    import obstore

    url = stored()
    store, image = connect(url), vr.open(url)
    data = bytearray(obstore.get(store, "c/0/0/0").bytes())
    obstore.put(store, "c/0/0/0", bytes(data[:5]) + bytes([data[5] ^ 8]) + bytes(data[6:]))
    with pytest.raises(CorruptChunkError, match=r"scan\.zarr: chunk 0\.0\.0 \(voxels z 0:8, y 0:8, x 0:8\) is corrupt: its checksum does not match its data"):
        image.compute()
    for cut in (bytes(data[-40:]), b"short", b""):
        obstore.put(store, "c/0/0/0", cut)
        with pytest.raises(CorruptChunkError, match=r"is corrupt: "):
            image.compute()


def test_a_store_that_is_replaced(tmp_path, stored, server):
    import obstore

    url = stored()
    old = vr.open(url)
    vr.save(vr.from_array(GREY + 1), tmp_path / "new.zarr", **OPTIONS["sharded"])
    for file in (tmp_path / "new.zarr").rglob("*"):
        if file.is_file():
            obstore.put(connect(url), str(file.relative_to(tmp_path / "new.zarr")), file.read_bytes())
    with pytest.raises(StorageError, match=re.escape(f"the store {url} changed since it was opened; open it again")):
        old.compute()
    np.testing.assert_array_equal(vr.open(url).compute(), GREY + 1)


def test_denied(stored, server, caplog, capfd):
    """At first, and in the middle; the server's answer names the key, and ours does not."""
    url = stored()
    image = vr.open(url)
    caplog.set_level(logging.DEBUG)
    messages = []
    for requests, act in ((0, lambda: vr.open(url)), (0, image.compute), (9, image.compute)):
        server.deny(requests)
        with pytest.raises(
            StorageError, match=r"scan\.zarr may not be read with the credentials of this process \(status 403\); set credentials .*AWS_PROFILE"
        ) as caught:
            act()
        messages += [str(caught.value), "".join(map(str, caught.value.args))]
    assert holds_no_secret(*messages, caplog.text, *capfd.readouterr())


def test_denied_on_a_cluster(stored, server):
    image = vr.open(stored())
    with vr.cluster.local(workers=1, threads=1, memory="2 GB", dashboard=False) as client:
        server.deny()
        with pytest.raises(StorageError, match="may not be read with the credentials of this process") as caught:
            vr.compute(image)
        assert holds_no_secret(client.get_worker_logs(), client.get_scheduler_logs(), client.get_events(), cloudpickle.dumps(caught.value))


def test_nothing_there(server, stored, monkeypatch):
    with pytest.raises(MissingFileError, match=r"s3://rocks/none\.zarr holds no Zarr array or group; check the URL"):
        vr.open("s3://rocks/none.zarr")
    with pytest.raises(MissingFileError, match=r"s3://no-such/none\.zarr: there is no such bucket; check the URL, AWS_ENDPOINT_URL and AWS_REGION"):
        vr.open("s3://no-such/none.zarr")
    with pytest.raises(MissingFileError, match=r"holds other objects than a Zarr array or group \(files of other formats: download them first\)"):
        vr.open(stored().removesuffix("/scan.zarr"))


def test_a_server_that_cannot_be_reached(stored, server, monkeypatch):
    image = vr.open(stored())
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    with pytest.raises(StorageError, match="cannot be reached; check the network, the URL and AWS_ENDPOINT_URL, or try again later"):
        image.compute()


def test_profiles(stored, server, monkeypatch, tmp_path):
    pytest.importorskip("boto3", reason="boto3 is not installed: pip install 'voxelrock[s3]'")
    url = stored()
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    monkeypatch.setenv("AWS_PROFILE", "rocks")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    with pytest.raises(StorageError, match=r"this process has no credentials for it; set credentials in the environment of every process that reads"):
        vr.open(url)
    (tmp_path / "credentials").write_text(f"[rocks]\naws_access_key_id={KEY}\naws_secret_access_key={SECRET}\n")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "credentials"))
    image = vr.open(url)
    np.testing.assert_array_equal(image.compute(), GREY)
    assert holds_no_secret(cloudpickle.dumps(image))


def test_a_plain_web_server(tmp_path):
    for name in ("rockverse", "sharded"):
        vr.save(vr.from_array(GREY), tmp_path / f"{name}.zarr", **OPTIONS[name])
    web = Web(tmp_path)
    try:
        np.testing.assert_array_equal(vr.open(f"{web.address}/rockverse.zarr").compute(), GREY)
        with pytest.raises(MissingFileError, match="holds no Zarr array or group"):
            vr.open(f"{web.address}/none.zarr")
        with pytest.raises(StorageError, match=r"sharded\.zarr cannot be read: its server gives no parts of files, which sharded stores need"):
            vr.open(f"{web.address}/sharded.zarr").compute()
    finally:
        web.stop()


@pytest.mark.parametrize(
    "url", [f"s3://{KEY}:{SECRET}@rocks/a.zarr", f"https://{SECRET}@host/a.zarr", f"abfss://box:{SECRET}@account.dfs.core.windows.net/a.zarr"]
)
def test_urls_with_credentials(url, tmp_path):
    for act in (vr.open, lambda u: vr.save(vr.ones(shape=4), u), lambda u: vr.workflow.analyze(vr.ones(shape=4), out=u)):
        with pytest.raises(ParameterError, match=r"carries credentials, which would travel|does not write them yet") as caught:
            act(url)
        assert holds_no_secret(caught.value)
    with pytest.raises(ParameterError, match="carries credentials") as caught:
        vr.workflow.analyze(vr.ones(shape=4), source=url)
    assert holds_no_secret(caught.value)


def test_urls_that_are_refused():
    with pytest.raises(
        ParameterError, match=r"carries a query, perhaps a signature, which would travel in graphs and logs; leave it out, and set credentials"
    ) as caught:
        vr.open(f"https://rocks.s3.amazonaws.com/a.zarr?X-Amz-Signature={SECRET}")
    assert holds_no_secret(caught.value)
    with pytest.raises(ParameterError, match=r"ftp://host/a\.zarr cannot be opened: URLs start with one of s3://"):
        vr.open("ftp://host/a.zarr")
    with pytest.raises(ParameterError, match=r"file:///a\.zarr cannot be opened: give the path itself"):
        vr.open("file:///a.zarr")
    with pytest.raises(ParameterError, match="names no bucket"):
        vr.open("s3:///a.zarr")
    with pytest.raises(ParameterError, match=r"s3://rocks/a\.zarr is a Zarr store: leave shape="):
        vr.open("s3://rocks/a.zarr", shape=4, dtype="u1")
    assert bare(f"abfss://box:{SECRET}@account/a?sig={SECRET}") == "abfss://account/a"
    assert checked_url("abfss://box@account.dfs.core.windows.net/a.zarr/") == "abfss://box@account.dfs.core.windows.net/a.zarr"


def test_object_stores_are_not_written():
    with pytest.raises(ParameterError, match=r"reads object stores and does not write them yet \(s3://rocks/a\.zarr\); save to a folder, and copy it"):
        vr.save(vr.ones(shape=4), "s3://rocks/a.zarr")


def test_store_objects_with_credentials_stay_out_of_graphs(stored):
    url = stored()
    store = zarr.storage.ObjectStore(connect(url))
    for thing in (store, zarr.open_array(store=store, mode="r")):
        with pytest.raises(
            ParameterError, match=r"of the kind ObjectStore would take its credentials into the graph, .*; open it by its URL, vr\.open\('s3://"
        ) as caught:
            vr.open(thing)
        assert holds_no_secret(caught.value)
    fsspec = pytest.importorskip("fsspec.asyn", reason="fsspec is not installed")

    class Foreign(fsspec.AsyncFileSystem):
        protocol = "s3"

    with pytest.raises(ParameterError, match=r"of the kind FsspecStore would take its credentials into the graph"):
        vr.open(zarr.storage.FsspecStore(Foreign(asynchronous=True), path="rocks/a.zarr"))


def test_statistics_of_a_sharded_store_read_no_voxel(tmp_path, upload, monkeypatch):
    vr.save(vr.from_array(GREY), tmp_path / "rock.zarr", **OPTIONS["sharded"])
    image = vr.open(upload("rock.zarr"))
    monkeypatch.setattr(ObjectFiles, "read", lambda *_, **__: 1 / 0)
    np.testing.assert_array_equal(vr.statistics.histogram(image).compute(), np.bincount(GREY.reshape(-1), minlength=2**16))
    with pytest.raises(ZeroDivisionError):
        image.compute()
