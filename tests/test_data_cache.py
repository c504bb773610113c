"""Where data are found: the user's folder, the cache, mirrors."""

import gzip
import hashlib
import threading
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer

import numpy as np
import pytest

from counterfeit.common.files import DataError, atomic
from counterfeit.data.downloads import File, cache_dir, find, load_arrays, local, memo

CONTENT = b"content " * 1000
MD5 = hashlib.md5(CONTENT).hexdigest()
CLOSED = "http://127.0.0.1:9/thing.gz"


@pytest.fixture(autouse=True)
def places(tmp_path, monkeypatch):
    monkeypatch.setenv("COUNTERFEIT_DATA", str(tmp_path / "data"))
    monkeypatch.setenv("COUNTERFEIT_CACHE", str(tmp_path / "cache"))
    (tmp_path / "data").mkdir()
    return tmp_path


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *args):
        pass


@pytest.fixture
def mirror(tmp_path):
    served = tmp_path / "served"
    served.mkdir()
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(served))) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield served, f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()
        thread.join()


@pytest.mark.parametrize("folder", ["", "mnist", "MNIST/raw"])
def test_files_are_found_in_the_users_folder_and_two_levels_below(places, folder):
    path = places / "data" / folder / "thing.gz"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(gzip.compress(CONTENT))
    assert find(File("thing.gz", (MD5,)), "test") == (CONTENT, path, True)


def test_the_checksum_is_of_the_content_however_it_is_compressed(places):
    (places / "data" / "thing.gz").write_bytes(gzip.compress(CONTENT, 1))
    first = local(File("thing.gz", (MD5,)))
    (places / "data" / "thing.gz").write_bytes(gzip.compress(CONTENT, 9))
    assert first.data == local(File("thing.gz", (hashlib.sha256(CONTENT).hexdigest(),))).data


def test_the_checksum_of_a_tar_is_of_its_own_bytes(places):
    raw = gzip.compress(CONTENT)
    (places / "data" / "thing.tar.gz").write_bytes(raw)
    assert local(File("thing.tar.gz", (hashlib.md5(raw).hexdigest(),))).data == raw


def test_a_file_of_other_content_is_passed_over_for_a_right_one(places):
    for folder, content in (("fashion", b"other"), ("mnist", CONTENT)):
        (places / "data" / folder).mkdir()
        (places / "data" / folder / "thing.gz").write_bytes(gzip.compress(content))
    assert local(File("thing.gz", (MD5,))).path.parent.name == "mnist"


def test_a_download_falls_back_to_the_next_mirror_and_is_kept(mirror):
    served, url = mirror
    for folder, content in (("wrong", b"<html>moved</html>"), ("right", gzip.compress(CONTENT))):
        (served / folder).mkdir()
        (served / folder / "thing.gz").write_bytes(content)
    urls = (CLOSED, f"{url}/none/thing.gz", f"{url}/wrong/thing.gz", f"{url}/right/thing.gz")
    found = find(File("thing.gz", (MD5,), urls), "test")
    assert found == (CONTENT, cache_dir() / "thing.gz", True)
    (served / "right" / "thing.gz").unlink()
    assert find(File("thing.gz", (MD5,), urls), "test").data == CONTENT


def test_a_cache_that_cannot_be_written_costs_a_line_only(mirror, places, monkeypatch, capsys):
    served, url = mirror
    (served / "thing.gz").write_bytes(gzip.compress(CONTENT))
    (places / "file").write_text("in the way")
    monkeypatch.setenv("COUNTERFEIT_CACHE", str(places / "file"))
    for _ in range(2):
        assert find(File("thing.gz", (MD5,), (f"{url}/thing.gz",)), "test").data == CONTENT
    (line,) = capsys.readouterr().err.splitlines()  # once, however many files cannot be kept
    assert line.startswith(f"note: nothing can be kept in the cache {places / 'file'} (")


def test_what_is_nowhere_is_one_line_with_places_causes_and_remedy(mirror, places):
    (places / "data" / "thing.gz").write_bytes(b"damaged")
    missing = f"{mirror[1]}/thing.gz"
    with pytest.raises(DataError) as error:
        find(File("thing.gz", (MD5,), (CLOSED, missing)), "mnist")
    text = str(error.value)
    assert "\n" not in text
    assert text.startswith("mnist needs thing.gz")
    for part in (str(places / "data"), str(places / "cache"), "does not hold the expected content"):
        assert part in text
    assert f"{CLOSED} (ConnectionError)" in text
    assert f"{missing} (HTTP 404)" in text
    assert f"Download {CLOSED} by hand" in text


def test_a_file_without_addresses_says_where_to_put_it():
    with pytest.raises(DataError, match=r"Put thing.mat into a folder and set COUNTERFEIT_DATA to that folder\.$"):
        find(File("thing.mat"), "tfd")


def test_arrays_are_computed_once_and_again_when_the_kept_ones_are_damaged():
    calls = []

    def compute():
        calls.append(1)
        return {"a": np.arange(3)}

    assert memo("key", compute)["a"].tolist() == memo("key", compute)["a"].tolist() == [0, 1, 2]
    assert len(calls) == 1
    (cache_dir() / "key.npz").write_bytes(b"PK\x03\x04 cut off")
    assert memo("key", compute)["a"].tolist() == [0, 1, 2]
    assert len(calls) == 2


def test_pickled_arrays_are_refused(places):
    np.savez(places / "objects.npz", a=np.array([{}], dtype=object))
    assert load_arrays(places / "objects.npz") is None


def test_an_interrupted_write_leaves_the_old_file_and_no_rest(places):
    (places / "file").write_text("old")

    def interrupted():
        with atomic(places / "file") as part:
            part.write_text("ne")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert (places / "file").read_text() == "old"
    assert not list(places.glob(".*"))
