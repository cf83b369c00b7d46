import hashlib
import random
import threading
from pathlib import Path

import pytest

from videovisual.errors import DownloadError, WeightsError
from videovisual.utils.cache_folder import default_cache
from videovisual.zoo.weights_io import http
from videovisual.zoo.weights_io.cache import fetch

CONTENT = random.Random(0).randbytes(1_000_000)
SHA256 = hashlib.sha256(CONTENT).hexdigest()
PATH = "/models/net.pth"
CHUNK = 1 << 16


@pytest.fixture
def net(site):
    site.files[PATH] = CONTENT
    return site


def statuses(site):
    return [status for _, _, status in site.requests]


def files_in(cache):
    return {path.name for path in cache.rglob("*") if path.is_file()} - {".lock"}


def test_a_file_is_downloaded_verified_and_cached(net, tmp_path):
    seen = []
    path = fetch(net.url + PATH, SHA256, tmp_path, lambda here, total: seen.append((here, total)))
    assert path.read_bytes() == CONTENT
    assert path.name == "net.pth"
    assert seen[0] == (0, len(CONTENT))
    assert seen[-1] == (len(CONTENT), len(CONTENT))
    assert files_in(tmp_path) == {"net.pth"}


def test_a_cached_file_is_not_downloaded_again(net, tmp_path):
    first = fetch(net.url + PATH, SHA256, tmp_path)
    assert fetch(net.url + PATH, SHA256, tmp_path) == first
    assert statuses(net) == [200]


def test_a_damaged_cached_file_is_downloaded_again(net, tmp_path):
    path = fetch(net.url + PATH, SHA256, tmp_path)
    path.write_bytes(CONTENT[:-1] + b"?")
    assert fetch(net.url + PATH, SHA256, tmp_path).read_bytes() == CONTENT
    assert statuses(net) == [200, 200]


def test_the_first_digits_of_a_checksum_are_enough(net, tmp_path):
    assert fetch(net.url + PATH, SHA256[:8].upper(), tmp_path).exists()
    with pytest.raises(WeightsError, match="at least the first 8"):
        fetch(net.url + PATH, SHA256[:7], tmp_path)


def test_a_broken_connection_is_resumed(net, tmp_path):
    net.cuts = [4 * CHUNK, 3 * CHUNK]
    assert fetch(net.url + PATH, SHA256, tmp_path).read_bytes() == CONTENT
    ranges = [range_ for _, range_, _ in net.requests]
    assert ranges[0] is None
    assert ranges[1:] == [f"bytes={4 * CHUNK}-", f"bytes={7 * CHUNK}-"]
    assert statuses(net) == [200, 206, 206]


def test_the_next_call_resumes_an_interrupted_download(net, tmp_path):
    def interrupt(here, _total):
        if here > 300_000:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fetch(net.url + PATH, SHA256, tmp_path, interrupt)
    assert "net.pth" not in files_in(tmp_path)
    assert fetch(net.url + PATH, SHA256, tmp_path).read_bytes() == CONTENT
    assert statuses(net) == [200, 206]


def test_a_server_without_ranges_starts_from_the_beginning(net, tmp_path):
    net.cuts, net.ranges = [300_000], False
    assert fetch(net.url + PATH, SHA256, tmp_path).read_bytes() == CONTENT
    assert statuses(net) == [200, 200]


@pytest.mark.parametrize("etag", [None, 'W/"weak"'])
def test_without_a_strong_validator_nothing_is_resumed(net, tmp_path, etag):
    net.cuts, net.etag = [300_000], etag
    assert fetch(net.url + PATH, SHA256, tmp_path).read_bytes() == CONTENT
    assert [range_ for _, range_, _ in net.requests] == [None, None]


def test_a_changed_file_starts_from_the_beginning(net, tmp_path, monkeypatch):
    monkeypatch.setattr(http, "ATTEMPTS", 1)
    net.cuts = [4 * CHUNK]
    with pytest.raises(DownloadError, match=f"{4 * CHUNK} bytes are kept"):
        fetch(net.url + PATH, None, tmp_path)
    net.files[PATH], net.etag = CONTENT[::-1], '"two"'
    assert fetch(net.url + PATH, None, tmp_path).read_bytes() == CONTENT[::-1]
    assert statuses(net) == [200, 200]


def test_a_complete_part_needs_no_more_bytes(net, tmp_path):
    def interrupt(here, total):
        if here == total:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fetch(net.url + PATH, SHA256, tmp_path, interrupt)
    assert fetch(net.url + PATH, SHA256, tmp_path).read_bytes() == CONTENT
    assert statuses(net) == [200, 416]


def test_the_number_of_attempts_is_limited(net, tmp_path):
    net.cuts = [10] * 100
    with pytest.raises(DownloadError, match=f"all {http.ATTEMPTS} attempts failed"):
        fetch(net.url + PATH, SHA256, tmp_path)
    assert len(net.requests) == http.ATTEMPTS
    assert "net.pth" not in files_in(tmp_path)


def test_a_busy_server_is_retried(net, tmp_path):
    net.busy = 2
    assert fetch(net.url + PATH, SHA256, tmp_path).read_bytes() == CONTENT
    assert statuses(net) == [503, 503, 200]


def test_a_redirect_is_followed(net, tmp_path):
    net.moved = {"/old.pth": PATH}
    net.cuts = [4 * CHUNK]
    assert fetch(f"{net.url}/old.pth", SHA256, tmp_path).read_bytes() == CONTENT
    assert statuses(net) == [302, 200, 302, 206]


def test_a_compressed_response_is_decoded_and_never_resumed(net, tmp_path):
    net.gzip, net.cuts = True, [300_000]
    assert fetch(net.url + PATH, SHA256, tmp_path).read_bytes() == CONTENT
    assert [range_ for _, range_, _ in net.requests] == [None, None]


@pytest.mark.parametrize("address", ["http://", "https://:80/net.pth"])
def test_an_address_without_a_host_is_refused(address, tmp_path):
    with pytest.raises(DownloadError, match="not a valid"):
        fetch(address, None, tmp_path)


def test_a_missing_file_is_not_retried(net, tmp_path):
    with pytest.raises(DownloadError, match="404 Not Found") as refused:
        fetch(f"{net.url}/none.pth", SHA256, tmp_path)
    assert refused.value.detail["http_status"] == 404
    assert statuses(net) == [404]
    assert not files_in(tmp_path)


def test_another_file_is_removed_and_both_checksums_are_named(net, tmp_path):
    net.files[PATH] = b"another"
    actual = hashlib.sha256(b"another").hexdigest()
    with pytest.raises(WeightsError) as refused:
        fetch(net.url + PATH, SHA256, tmp_path)
    assert f"expected SHA-256 {SHA256}, actual {actual}" in refused.value.message
    assert not files_in(tmp_path)


def test_another_size_is_refused(net, tmp_path):
    with pytest.raises(WeightsError, match="has 1000000 bytes, but the published file has 5"):
        fetch(net.url + PATH, SHA256, tmp_path, size=5)
    assert not files_in(tmp_path)


def test_two_addresses_of_one_name_are_kept_apart(net, tmp_path):
    net.files["/other/net.pth"] = b"other"
    assert fetch(net.url + PATH, None, tmp_path).read_bytes() == CONTENT
    assert fetch(f"{net.url}/other/net.pth", None, tmp_path).read_bytes() == b"other"


def test_an_address_never_leaves_the_cache(net, tmp_path):
    net.files["/..%2F..%2Fescaped"] = b"x"
    path = fetch(f"{net.url}/..%2F..%2Fescaped", None, tmp_path / "cache")
    assert path.name == "escaped"
    assert tmp_path / "cache" in path.parents


def test_concurrent_calls_download_once(net, tmp_path):
    found = []
    threads = [
        threading.Thread(target=lambda: found.append(fetch(net.url + PATH, SHA256, tmp_path)))
        for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [path.read_bytes() == CONTENT for path in found] == [True] * 4
    assert statuses(net) == [200]


def test_a_missing_server_is_refused(tmp_path, site):
    with pytest.raises(DownloadError, match="all 5 attempts failed"):
        fetch("http://127.0.0.1:9/net.pth", SHA256, tmp_path)


def test_a_local_file_is_verified_in_place(tmp_path):
    path = tmp_path / "a net.pth"
    path.write_bytes(CONTENT)
    cache = tmp_path / "cache"
    assert fetch(str(path), SHA256, cache) == path
    assert fetch(path.as_uri(), SHA256, cache) == path
    assert not cache.exists()
    with pytest.raises(WeightsError, match="fails its checksum"):
        fetch(str(path), "0" * 64, cache)
    assert path.exists()


@pytest.mark.parametrize("source", ["none.pth", "package:none.safetensors", "ftp://host/net.pth"])
def test_a_missing_local_file_is_refused(source, tmp_path):
    with pytest.raises(DownloadError, match="There is no file"):
        fetch(source, None, tmp_path)


def test_the_cache_folder(monkeypatch, tmp_path):
    monkeypatch.delenv("VIDEOVISUAL_CACHE", raising=False)
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    assert default_cache() == Path.home() / ".cache" / "videovisual"
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert default_cache() == tmp_path / "videovisual"
    monkeypatch.setenv("VIDEOVISUAL_CACHE", str(tmp_path / "own"))
    assert default_cache() == tmp_path / "own"


@pytest.mark.parametrize("given", [None, SHA256[:8]])
def test_without_a_whole_checksum_the_first_use_is_held_to(net, tmp_path, given):
    path = fetch(net.url + PATH, given, tmp_path)
    assert (path.parent / "net.pth.sha256").read_text() == f"{SHA256}  net.pth\n"
    assert fetch(net.url + PATH, given, tmp_path) == path
    assert files_in(tmp_path) == {"net.pth", "net.pth.sha256"}


def test_a_file_that_changed_since_the_first_use_is_refused(net, tmp_path):
    path = fetch(net.url + PATH, None, tmp_path)
    changed = CONTENT[::-1]
    digests = f"recorded SHA-256 {SHA256}, actual {hashlib.sha256(changed).hexdigest()}"
    path.write_bytes(changed)
    with pytest.raises(WeightsError, match=digests):
        fetch(net.url + PATH, None, tmp_path)
    path.unlink()
    net.files[PATH] = changed
    for _ in range(2):
        with pytest.raises(WeightsError, match=digests):
            fetch(net.url + PATH, None, tmp_path)
    (path.parent / "net.pth.sha256").unlink()
    assert fetch(net.url + PATH, None, tmp_path).read_bytes() == changed


def test_a_file_of_an_older_cache_is_recorded(net, tmp_path):
    path = fetch(net.url + PATH, SHA256, tmp_path)
    assert files_in(tmp_path) == {"net.pth"}
    fetch(net.url + PATH, SHA256[:8], tmp_path)
    assert (path.parent / "net.pth.sha256").exists()
