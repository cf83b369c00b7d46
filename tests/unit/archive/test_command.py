"""`videovisual archive`, against a web server on loopback."""

import dataclasses

import pytest
from click.testing import CliRunner

from videovisual_archive.store import State, contents
from videovisual_client.cli import main


@pytest.fixture
def command(tmp_path, monkeypatch):
    monkeypatch.setenv("VIDEOVISUAL_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("COLUMNS", "500")

    def run(*arguments):
        return CliRunner().invoke(
            main, ["archive", "--store", str(tmp_path / "store"), *map(str, arguments)]
        )

    return run


@pytest.fixture
def store(tmp_path):
    return lambda: {stored.name: stored.state for stored in contents(tmp_path / "store")}


@pytest.fixture
def both(cards, published, site):
    """Both cards, with the checkpoint of the web server."""
    for name, card in cards.items():
        weights = dataclasses.replace(card.weights, source=published, sha256=None)
        cards[name] = dataclasses.replace(card, weights=weights)
    return cards


def test_a_checkpoint_from_an_address(command, published, store, site):
    site.cuts = [100_000]
    done = command("tsm-epic55-verb", "--weights", published)
    assert (done.exit_code, done.stdout) == (0, "")
    assert "archived" in done.stderr
    assert store() == {"tsm-epic55-verb": State.CURRENT}


def test_all(command, both, store):
    assert command("--all").exit_code == 0
    assert store() == dict.fromkeys(both, State.CURRENT)


def test_all_continues_after_a_failure_and_reports_it_at_the_end(command, both, store, site):
    del site.files["/verbs.csv"]
    done = command("--all")
    assert done.exit_code == 1
    assert store() == {"tsm-epic55-noun": State.CURRENT}
    *_, head, line = done.stderr.strip().splitlines()
    assert head == "1 of 2 could not be archived"
    assert line.startswith("  tsm-epic55-verb: download_failed: The class names of tsm-epic55-verb")
    assert "404" in line


def test_the_failure_of_a_single_model_is_an_ordinary_error(command, both, site, store):
    del site.files["/tsm.pth.tar"]
    done = command("tsm-epic55-verb")
    assert done.exit_code == 1
    assert done.stderr.strip().startswith("download_failed: http://127.0.0.1")
    assert store() == {}


def test_a_wrong_checksum(command, published, store):
    done = command("tsm-epic55-verb", "--weights", published, "--sha256", "0" * 64)
    assert done.exit_code == 1
    assert "fails its checksum" in done.stderr
    assert store() == {}


def test_class_names_from_a_file(command, published, tmp_path, site):
    (tmp_path / "names.txt").write_text("nehmen\nlegen\nöffnen\n", "utf-8")
    named = ("--labels", tmp_path / "names.txt")
    assert command("tsm-epic55-verb", "--weights", published, *named).exit_code == 0
    assert "/verbs.csv" not in [path for path, *_ in site.requests]


def test_an_unknown_name_is_refused_before_any_download(command, both, site, store):
    done = command("tsm-epic55-verb", "tsm-epic-nouns")
    assert done.exit_code == 1
    assert "Nearest: tsm-epic55-noun" in done.stderr
    assert site.requests == []
    assert store() == {}


@pytest.mark.parametrize(
    "arguments",
    [
        (),
        ("--all", "tsm-epic55-verb"),
        ("--all", "--weights", "x.pth"),
        ("tsm-epic55-verb", "tsm-epic55-noun", "--labels", "x.txt"),
        ("tsm-epic55-verb", "--as", "verbs"),
        ("torchvision:s3d",),
        ("hf:someone/net", "torchvision:s3d", "--as", "mine"),
    ],
    ids=[
        "nothing",
        "all and a name",
        "weights of all",
        "labels of two",
        "a name without weights",
        "a model elsewhere without a name",
        "one name for two",
    ],
)
def test_contradicting_arguments_are_refused(command, cards, arguments):
    assert command(*arguments).exit_code == 2


def test_force_builds_again(command, both, tmp_path):
    path = tmp_path / "store" / "tsm-epic55-verb.mar"
    command("tsm-epic55-verb")
    before = path.stat().st_mtime_ns
    command("tsm-epic55-verb")
    assert path.stat().st_mtime_ns == before
    command("tsm-epic55-verb", "--force")
    assert path.stat().st_mtime_ns != before


def test_the_list(command, both, tmp_path, site):
    assert "No archives in" in command("--list").stdout
    command("--all")
    before = len(site.requests)
    both["tsm-epic55-noun"] = dataclasses.replace(both["tsm-epic55-noun"], accuracy="better")
    done = command("--list")
    rows = {row[0]: row[1:] for row in map(str.split, done.stdout.splitlines()[1:])}
    assert rows["tsm-epic55-verb"][0] == "current"
    assert rows["tsm-epic55-noun"][0] == "stale"
    size = (tmp_path / "store" / "tsm-epic55-verb.mar").stat().st_size
    assert rows["tsm-epic55-verb"][1] == f"{size / 1e6:.1f}"
    assert done.stderr.strip() == "Build again: videovisual archive tsm-epic55-noun"
    assert "tsm-epic55-noun" not in command("--list", "tsm-epic55-verb").stdout
    assert len(site.requests) == before
