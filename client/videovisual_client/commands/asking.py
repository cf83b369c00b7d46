"""What `explain`, `compare` and `evaluate` have in common: how they ask."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from videovisual.attribution import catalogue
from videovisual.errors import InvalidParameter
from videovisual.protocol import Options
from videovisual_client.asker import Asker
from videovisual_client.batch import Batch
from videovisual_client.collection import NamedClip
from videovisual_client.commands import folder
from videovisual_client.commands.options import chosen, one_or_all
from videovisual_client.many import Jobs
from videovisual_client.result import Explained
from videovisual_client.terminal import job_bar


def ask_one(
    asker: Asker, clip: Path, model: str, methods: Sequence[str], **options: Any
) -> Explained:
    """Explain one clip, with a bar."""
    asked = _asked(options)
    with job_bar("explaining") as advance:
        return asker.explain(
            clip, model=model, method=one_or_all(methods), on_progress=advance, **asked
        )


def ask_all(
    asker: Asker,
    clips: Sequence[NamedClip],
    model: str,
    methods: Sequence[str],
    *,
    results: Path,
    formats: Sequence[str],
    concurrency: int,
    fresh: bool,
    **options: Any,
) -> dict[str, Any]:
    """Explain all clips that have no finished result; the summary.

    Args:
        results: the folder of these results, OUT/METHOD/MODEL.
        formats: pictures to make of each.
    """
    asked = _asked(options)
    jobs = Jobs()

    def ask(named: NamedClip) -> Explained:
        method = one_or_all(methods)
        return jobs.run(asker.submit(named.path, model=model, method=method, **asked))

    return folder.run(
        clips,
        Batch(results, {"model": model, "method": list(methods), **asked}, formats),
        ask,
        title=" ".join(methods),
        concurrency=concurrency,
        fresh=fresh,
        stop=jobs.cancel,
    )


def known(methods: Sequence[str]) -> list[str]:
    """The methods by their own names, the default where none is named.

    Raises:
        UnknownMethod: before anything is asked.
    """
    return [catalogue.find(name).name for name in methods] or [catalogue.DEFAULT]


def of_method(name: str, methods: Sequence[str], options: dict[str, Any]) -> dict[str, Any]:
    """The options for one of several methods: of the parameters, those that it knows.

    Raises:
        InvalidParameter: none of the methods knows it.
    """
    if len(methods) == 1:
        return options
    known_by = {other: set(catalogue.find(other).parameters.model_fields) for other in methods}
    general = {*Options.model_fields, "partial"}
    for given in chosen(options).keys() - general:
        if not any(given in fields for fields in known_by.values()):
            raise InvalidParameter(
                f"None of {', '.join(methods)} has a parameter {given!r}.", parameter=given
            )
    allowed = general | known_by[name]
    return {given: value for given, value in options.items() if given in allowed}


def _asked(options: dict[str, Any]) -> dict[str, Any]:
    return chosen({**options, "target": one_or_all(options["target"])})
