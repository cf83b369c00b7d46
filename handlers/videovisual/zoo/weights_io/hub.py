"""Files of the Hugging Face Hub, pinned to a commit, verified and kept in the cache.

The Hub answers for `/OWNER/NAME/resolve/REVISION/FILE` with the commit in `X-Repo-Commit` and, for
a large file, its SHA-256 in `X-Linked-Etag` and its size in `X-Linked-Size`.
"""

import hashlib
import json
import os
import re
from dataclasses import asdict, dataclass
from pathlib import Path
from urllib.parse import quote

import httpx

from videovisual.errors import DownloadError, NetworkSettingsError, UnknownModel
from videovisual.utils.cache_folder import default_cache
from videovisual.utils.files import write_whole
from videovisual.utils.network import is_loopback
from videovisual.utils.text import shown
from videovisual.zoo.weights_io import http
from videovisual.zoo.weights_io.cache import fetch

PUBLIC = "https://huggingface.co"
PART = r"[A-Za-z0-9_][\w.-]*"
GRAMMAR = re.compile(rf"hf:(?P<name>{PART}/{PART})(?:@(?P<revision>{PART}(?:/{PART})*))?", re.ASCII)
COMMIT = re.compile(r"[0-9a-f]{40}")


@dataclass(frozen=True)
class Repository:
    """A repository of models.

    Attributes:
        name: `OWNER/NAME`.
        revision: a branch, a tag or a commit.
    """

    name: str
    revision: str = "main"

    @classmethod
    def parse(cls, text: str) -> "Repository":
        """The repository of `hf:OWNER/NAME` or `hf:OWNER/NAME@REVISION`.

        Raises:
            UnknownModel: the text has another form.
        """
        found = GRAMMAR.fullmatch(text)
        if found is None:
            raise UnknownModel(
                f"{shown(text)!r} names no repository of the Hub. Give `hf:OWNER/NAME`, or "
                "`hf:OWNER/NAME@REVISION` with a branch, a tag or a commit.",
                model=shown(text),
            )
        return cls(found["name"], found["revision"] or "main")


@dataclass(frozen=True)
class _Published:
    """What the Hub says of a file: its address at a commit, and its SHA-256 and size if large."""

    url: str
    commit: str | None
    sha256: str | None
    size: int | None


@dataclass(frozen=True)
class HubFile:
    """A verified file in the cache.

    Attributes:
        path: of the file.
        commit: of the repository; None where the Hub names none.
        sha256: as published; None for a small file, which is held to that of its first use.
        size: as published, in bytes.
    """

    path: Path
    commit: str | None
    sha256: str | None
    size: int | None


def fetch_file(
    repository: Repository,
    file: str,
    cache: Path | None = None,
    progress: http.Progress | None = None,
) -> HubFile | None:
    """A file of a repository; None where it has none of that name.

    `$HF_ENDPOINT` names another Hub, and `$HF_TOKEN` opens gated and private repositories: it is
    sent to the Hub's own host alone. What the Hub said of the file is recorded in the cache, and
    used for a commit, and where the Hub can't be reached.

    Raises:
        DownloadError: the Hub can't be reached, or refuses the file.
        UnknownModel: there is no such repository or revision.
        WeightsError: the file fails its checksum, or is another one than at the first use.
        NetworkSettingsError: `$HF_ENDPOINT` or `$HF_TOKEN` can't be used.
    """
    endpoint, token = _endpoint(), _token()
    address = f"{endpoint}/{repository.name}/resolve"
    url = f"{address}/{quote(repository.revision, safe='')}/{quote(file)}"
    folder = (cache or default_cache()) / "hub" / hashlib.sha256(url.encode()).hexdigest()[:16]
    record = folder / "published.json"
    pinned = COMMIT.fullmatch(repository.revision) is not None
    if pinned and record.exists():
        published = _recorded(record)
    else:
        attempts = 1 if record.exists() else http.ATTEMPTS
        try:
            status, headers = http.head(url, token, attempts)
        except DownloadError:
            if not record.exists():
                raise
            published = _recorded(record)
        else:
            published = _published(repository, file, address, status, headers)
            write_whole(record, json.dumps(published and asdict(published)))
    if published is None:
        return None
    path = fetch(
        published.url,
        published.sha256,
        cache,
        progress or (lambda _here, _total: None),
        size=published.size,
        token=token,
    )
    return HubFile(path, published.commit, published.sha256, published.size)


def _recorded(record: Path) -> _Published | None:
    held = json.loads(record.read_text("utf-8"))
    return held and _Published(**held)


def _published(
    repository: Repository, file: str, address: str, status: int, headers: httpx.Headers
) -> _Published | None:
    reason = headers.get("X-Error-Code", "")
    if status == 404 and reason not in ("RepoNotFound", "RevisionNotFound"):
        return None
    if status == 404 or (status == 401 and reason == "RepoNotFound"):
        raise UnknownModel(
            f"The Hub shows no repository {repository.name!r} with a revision "
            f"{repository.revision!r}. Check the spelling; a private one needs a token in "
            "`HF_TOKEN`.",
            model=repository.name,
            revision=repository.revision,
        )
    if status in (401, 403):
        page = address.removesuffix("/resolve")
        raise DownloadError(
            f"The Hub refuses {repository.name} ({status}): it is gated or private. Accept its "
            f"terms at {page}, and give a token of your account in `HF_TOKEN`.",
            url=page,
            http_status=status,
        )
    if status >= 400:
        raise DownloadError(
            f"The Hub answers {status} for {file} of {repository.name}. Try again later, or "
            "download the repository by other means and give its folder.",
            http_status=status,
        )
    commit = headers.get("X-Repo-Commit", "")
    linked = headers.get("X-Linked-Etag", "").removeprefix("W/").strip('"')
    size = headers.get("X-Linked-Size", "")
    pinned = commit if COMMIT.fullmatch(commit) else None
    return _Published(
        url=f"{address}/{pinned or quote(repository.revision, safe='')}/{quote(file)}",
        commit=pinned,
        sha256=linked if re.fullmatch(r"[0-9a-f]{64}", linked) else None,
        size=int(size) if re.fullmatch(r"[0-9]{1,15}", size) else None,
    )


def _endpoint() -> str:
    given = os.environ.get("HF_ENDPOINT", "").strip().rstrip("/") or PUBLIC
    try:
        url = httpx.URL(given)
        usable = url.host and (
            url.scheme == "https" or (url.scheme == "http" and is_loopback(url.host))
        )
    except httpx.InvalidURL:
        usable = False
    if not usable:
        raise NetworkSettingsError(
            "`HF_ENDPOINT` is no https address of a Hub. Correct or unset it.",
            variables=["HF_ENDPOINT"],
        )
    return given


def _token() -> str | None:
    token = os.environ.get("HF_TOKEN", "").strip()
    if not re.fullmatch(r"[!-~]*", token):
        raise NetworkSettingsError(
            "`HF_TOKEN` has characters that no token has. Correct or unset it.",
            variables=["HF_TOKEN"],
        )
    return token or None
