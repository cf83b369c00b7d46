"""Files of a Hub on loopback: pinned, verified, resumed, and opened with a token."""

import hashlib

import pytest
from tests.unit.zoo.hub import COMMIT

from videovisual.errors import DownloadError, NetworkSettingsError, UnknownModel, WeightsError
from videovisual.zoo.weights_io.hub import Repository, fetch_file

NAME = "someone/net"
LARGE = bytes(range(256)) * 4000
SHA256 = hashlib.sha256(LARGE).hexdigest()
WEIGHTS = "model.safetensors"


@pytest.fixture
def net(hub):
    hub.files[NAME] = {WEIGHTS: LARGE, "config.json": b"{}"}
    return hub


@pytest.mark.parametrize(
    ("text", "name", "revision"),
    [
        ("hf:someone/net", NAME, "main"),
        ("hf:someone/net@v1.0", NAME, "v1.0"),
        ("hf:some-one/net_2.b@refs/pr/3", "some-one/net_2.b", "refs/pr/3"),
    ],
)
def test_a_repository_s_name(text, name, revision):
    assert Repository.parse(text) == Repository(name, revision)


@pytest.mark.parametrize(
    "text",
    ["hf:", "hf:net", "hf:a/b/c", "hf:../net", "hf:a/..", "hf:a/b@", "hf:a/b@../c", "hf:a/b?c"],
)
def test_other_names_are_refused(text):
    with pytest.raises(UnknownModel, match="names no repository of the Hub"):
        Repository.parse(text)


def test_a_large_file_is_verified_and_pinned_to_its_commit(net):
    found = fetch_file(Repository(NAME), WEIGHTS)
    assert found.path.read_bytes() == LARGE
    assert (found.commit, found.sha256, found.size) == (COMMIT, SHA256, len(LARGE))
    assert {path for _, _, path, *_ in net.asked("hub")} == {
        f"/{NAME}/resolve/main/{WEIGHTS}",
        f"/{NAME}/resolve/{COMMIT}/{WEIGHTS}",
    }


def test_a_file_of_other_content_than_published_is_refused(net):
    fetch_file(Repository(NAME, COMMIT), WEIGHTS).path.unlink()
    net.files[NAME][WEIGHTS] = LARGE[::-1]
    with pytest.raises(WeightsError, match=f"expected SHA-256 {SHA256}"):
        fetch_file(Repository(NAME, COMMIT), WEIGHTS)


def test_an_interrupted_download_resumes(net):
    net.cuts = [100_000]
    assert fetch_file(Repository(NAME), WEIGHTS).path.read_bytes() == LARGE
    assert [range_ for *_, range_, _ in net.asked("storage")] == [None, "bytes=100000-"]


def test_a_missing_file_is_none(net):
    assert fetch_file(Repository(NAME), "README.md") is None


def test_a_small_file_is_held_to_its_first_use(net):
    found = fetch_file(Repository(NAME), "config.json")
    assert (found.commit, found.sha256) == (COMMIT, None)
    net.files[NAME]["config.json"] = b'{"changed": 1}'
    found.path.unlink()
    with pytest.raises(WeightsError, match="has changed since its first use"):
        fetch_file(Repository(NAME), "config.json")


def test_a_branch_that_moves_is_another_file(net):
    first = fetch_file(Repository(NAME), "config.json")
    net.commit, net.files[NAME]["config.json"] = "f" * 40, b'{"changed": 1}'
    second = fetch_file(Repository(NAME), "config.json")
    assert (second.commit, second.path.read_bytes()) == ("f" * 40, b'{"changed": 1}')
    assert first.path.read_bytes() == b"{}"


def test_a_commit_in_the_cache_needs_no_hub(net):
    for name in ("config.json", "README.md"):
        fetch_file(Repository(NAME, COMMIT), name)
    before = len(net.seen)
    assert fetch_file(Repository(NAME, COMMIT), "config.json").path.read_bytes() == b"{}"
    assert fetch_file(Repository(NAME, COMMIT), "README.md") is None
    assert len(net.seen) == before


def test_a_branch_in_the_cache_is_used_where_the_hub_is_out_of_reach(net, monkeypatch):
    path = fetch_file(Repository(NAME), WEIGHTS).path
    monkeypatch.setattr("tests.unit.zoo.hub.Handler.do_HEAD", lambda self: self.reply(503, b"", {}))
    assert fetch_file(Repository(NAME), WEIGHTS).path == path
    with pytest.raises(DownloadError, match="cannot be asked for: all 5 attempts failed"):
        fetch_file(Repository(NAME), "config.json")


def test_a_renamed_repository_is_followed(net):
    net.renamed["old/net"] = NAME
    assert fetch_file(Repository("old/net"), WEIGHTS).sha256 == SHA256


def test_the_token_goes_to_the_hub_alone(net, monkeypatch):
    net.gated.add(NAME)
    monkeypatch.setenv("HF_TOKEN", f" {net.token}\n")
    assert fetch_file(Repository(NAME), WEIGHTS).path.read_bytes() == LARGE
    assert {bearer for *_, bearer, _, _ in net.asked("hub")} == {f"Bearer {net.token}"}
    assert {bearer for *_, bearer, _, _ in net.asked("storage")} == {None}


def test_a_gated_repository_without_a_token(net):
    net.gated.add(NAME)
    with pytest.raises(DownloadError, match=rf"gated or private\..*{NAME}, and.*`HF_TOKEN`"):
        fetch_file(Repository(NAME), WEIGHTS)


@pytest.mark.parametrize("repository", [Repository("no/body"), Repository(NAME, "v9")])
def test_a_repository_or_revision_that_is_not_there(net, repository):
    with pytest.raises(UnknownModel, match="shows no repository"):
        fetch_file(repository, "config.json")


@pytest.mark.parametrize(
    "endpoint", ["http://hub.example", "ftp://127.0.0.1", "https://", "hub.example", "http://[::1"]
)
def test_only_https_or_loopback_is_a_hub(net, monkeypatch, endpoint):
    monkeypatch.setenv("HF_ENDPOINT", endpoint)
    with pytest.raises(NetworkSettingsError, match="HF_ENDPOINT"):
        fetch_file(Repository(NAME), "config.json")


def test_a_token_that_is_none(net, monkeypatch):
    monkeypatch.setenv("HF_TOKEN", "hf_ä\nX: y")
    with pytest.raises(NetworkSettingsError, match="HF_TOKEN"):
        fetch_file(Repository(NAME), "config.json")
    assert not net.seen
