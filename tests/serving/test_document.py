"""The running servers against their documents, with requests that schemathesis makes up."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from benchmarks.load.uvicorn import Uvicorn
from hypothesis import HealthCheck, Phase, given, reject, seed, settings
from hypothesis import strategies as st
from schemathesis import GenerationMode
from tests.serving import fuzz
from tests.serving.api import Api
from tests.serving.conftest import QUICK

from videovisual.attribution.catalogue import ENTRIES
from videovisual.server.asgi.openapi import document

OPERATIONS = fuzz.operations()
ASGI = fuzz.operations(document(asgi=True))

CONFIG = """
[parameters]
"path.model" = "{model}"
"header.X-VideoVisual-Timeout-S" = "0.5"
[generation]
with-security-parameters = false
[checks.not_a_server_error]
expected-statuses = ["2xx", "3xx", "4xx", "501", "503", "504"]
"""
CHECKS = (
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_headers_conformance",
    "response_schema_conformance",
)


@st.composite
def cases(draw: st.DrawFn, operation: Any, mode: GenerationMode) -> Any:
    try:
        return draw(operation.as_strategy(generation_mode=mode))
    except ValueError as error:
        # Schemathesis 4.32 can't always tell whether a body with its own binary values is negative.
        if "Unsupported type: 'Binary'" not in str(error):
            raise
        return reject()


def requests(operation: Any, mode: GenerationMode, count: int, api: Api) -> None:
    """Send `count` of them, always the same; the first that fails is told as it is."""

    @seed(0)
    @settings(
        max_examples=count,
        deadline=None,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(case=cases(operation, mode), entry=st.sampled_from([None, *ENTRIES]))
    def send(case: Any, entry: Any) -> None:
        fuzz.ask(api, case, entry)

    workers = api.workers()
    send()
    assert api.workers() == workers


@pytest.mark.parametrize("mode", GenerationMode, ids=lambda mode: mode.value)
@pytest.mark.parametrize("name", OPERATIONS)
@pytest.mark.parametrize("count", [15, pytest.param(100, marks=pytest.mark.slow)])
def test_every_answer_is_one_of_the_document(
    api: Api, name: str, mode: GenerationMode, count: int
) -> None:
    requests(OPERATIONS[name], mode, count, api)


def cases_on_asgi() -> Iterator[Any]:
    for name, operation in ASGI.items():
        takes = operation.method == "post"
        # Where nothing is taken, nothing can be wrong.
        for mode in GenerationMode if takes else [GenerationMode.POSITIVE]:
            case = f"{name}-{mode.value}"
            if name == "infer" or not takes:
                yield pytest.param(name, mode, 6 if takes else 1, id=case)
            if takes:
                yield pytest.param(name, mode, 100, id=f"{case}-100", marks=pytest.mark.slow)


@pytest.mark.parametrize(("name", "mode", "count"), [*cases_on_asgi()])
def test_uvicorn_answers_as_its_document_says(
    uvicorn: Uvicorn, name: str, mode: GenerationMode, count: int
) -> None:
    requests(ASGI[name], mode, count, Api(uvicorn, QUICK))


@pytest.mark.slow
def test_every_bound_of_the_document_is_asked_for(api: Api, tmp_path: Path) -> None:
    """Schemathesis's own run over each value at, within and beyond its limits."""
    config = tmp_path / "schemathesis.toml"
    config.write_text(CONFIG.format(model=api.model), "utf-8")
    command = [sys.executable, "-m", "schemathesis.cli", "--config-file", str(config), "run"]
    options = {
        "--url": api.server.url,
        "--header": f"Authorization: {api.headers['Authorization']}",
        "--phases": "coverage",
        "--checks": ",".join(CHECKS),
        "--include-operation-id": "predict",
        "--seed": "0",
    }
    words = [word for pair in options.items() for word in pair]
    done = subprocess.run(
        [*command, str(fuzz.PAGE), *words],
        capture_output=True,
        text=True,
        check=False,
        cwd=tmp_path,
    )
    assert done.returncode == 0, done.stdout[-4000:]
