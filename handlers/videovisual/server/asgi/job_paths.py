"""The paths of jobs in the OpenAPI document."""

from typing import Any

from videovisual.errors import AuthenticationFailed, JobDropped, JobNotDone, UnknownJob
from videovisual.protocol import Output
from videovisual.server.asgi.schemas import Schema, ref

JOB = "/jobs/{job}"


def job_paths() -> dict[str, Schema]:
    """`/jobs/{job}` and `/jobs/{job}/result`."""
    binary = {"schema": {"type": "string", "format": "binary"}}
    answer = {"schema": {"anyOf": [ref("Answer"), ref("KServeAnswer")]}}
    answers = {
        output.content_type: answer if output is Output.JSON else binary for output in Output
    }
    state = _operation(
        "jobState",
        "The state of a job",
        {"200": {"description": "the state", "content": _json("JobState")}},
    )
    result = _operation(
        "jobResult",
        "What the request would have been answered without `job=true`",
        {
            "200": {"description": "the answer", "content": answers},
            str(JobNotDone.status): _failure(JobNotDone),
            "default": {
                "description": "the error with which the job ended, with its own status",
                "content": _json("Failure"),
            },
        },
    )
    delete = _operation(
        "deleteJob",
        "Cancel a job, or drop its result",
        {"204": {"description": "it is cancelled, or its result dropped"}},
    )
    return {
        JOB: {"parameters": [_parameter()], "get": state, "delete": delete},
        f"{JOB}/result": {"parameters": [_parameter()], "get": result},
    }


def _operation(name: str, summary: str, responses: Schema) -> Schema:
    refused = {
        str(error.status): _failure(error)
        for error in (AuthenticationFailed, UnknownJob, JobDropped)
    }
    return {"operationId": name, "summary": summary, "responses": responses | refused}


def _failure(error: type[UnknownJob | JobNotDone | AuthenticationFailed]) -> Schema:
    return {"$ref": f"#/components/responses/{error.status}"}


def _parameter() -> Schema:
    return {
        "name": "job",
        "in": "path",
        "required": True,
        "description": "the job's id",
        "schema": {"type": "string"},
    }


def _json(name: str) -> dict[str, Any]:
    return {"application/json": {"schema": ref(name)}}
