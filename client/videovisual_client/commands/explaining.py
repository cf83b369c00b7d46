"""What `explain`, `compare` and `evaluate` have in common: how they ask."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from videovisual.attribution import catalogue
from videovisual.errors import InvalidParameter, MissingExtra
from videovisual.protocol import Options
from videovisual_client.base_client import BaseClient
from videovisual_client.batch import Batch
from videovisual_client.collection import NamedClip
from videovisual_client.commands import folder
from videovisual_client.commands.options import chosen, one_or_all
from videovisual_client.many import Jobs
from videovisual_client.result import Explained, check_format
from videovisual_client.terminal import job_bar, log

MAPS = 4
"""The most in one answer: as many of 64 frames of 224 × 224 pixels are within a server's limit."""

Ask = Callable[[Sequence[str], dict[str, Any]], Explained]
Missing = dict[str, MissingExtra]
"""Why which methods were left out."""


def ask_one(
    asker: BaseClient,
    clip: Path,
    model: str,
    methods: Sequence[str],
    *,
    spare: bool = False,
    **options: Any,
) -> Explained:
    """Explain one clip, with a bar.

    Args:
        spare: do without the methods that need an extra which isn't there, and say so.
    """
    missing: Missing | None = {} if spare else None
    with job_bar("explaining") as advance:

        def ask(names: Sequence[str], asked: dict[str, Any]) -> Explained:
            method = one_or_all(names)
            return asker.explain(clip, model=model, method=method, on_progress=advance, **asked)

        result = _in_requests(ask, methods, options, missing)
    _tell(missing)
    return result


def ask_all(
    asker: BaseClient,
    clips: Sequence[NamedClip],
    model: str,
    methods: Sequence[str],
    *,
    results: Path,
    formats: Sequence[str],
    concurrency: int,
    fresh: bool,
    spare: bool = False,
    **options: Any,
) -> dict[str, Any]:
    """Explain all clips that have no finished result; the summary.

    Args:
        results: the folder of these results, OUT/METHOD/MODEL.
        formats: pictures to make of each.
        spare: as of `ask_one`.

    Raises:
        MissingExtra: such pictures can't be made here.
    """
    for name in formats:
        for named in clips:
            check_format(name, named.path)
    jobs = Jobs()
    missing: Missing | None = {} if spare else None

    def explain(named: NamedClip) -> Explained:
        def ask(names: Sequence[str], asked: dict[str, Any]) -> Explained:
            method = one_or_all(names)
            return jobs.run(asker.submit(named.path, model=model, method=method, **asked))

        return _in_requests(ask, methods, options, missing)

    summary = folder.run(
        clips,
        Batch(results, {"model": model, "method": list(methods), **_asked(options)}, formats),
        explain,
        title=" ".join(methods),
        concurrency=concurrency,
        fresh=fresh,
        stop=jobs.cancel,
    )
    _tell(missing)
    return summary


def known(methods: Sequence[str]) -> list[str]:
    """The methods by their own names, the default where none is named.

    Raises:
        UnknownMethod: before anything is asked.
    """
    return [catalogue.find(name).name for name in methods] or [catalogue.DEFAULT]


def of_methods(
    names: Sequence[str], methods: Sequence[str], options: dict[str, Any]
) -> dict[str, Any]:
    """The options for some of several methods: of the parameters, those that they know.

    Raises:
        InvalidParameter: none of all the methods knows one, or one's value is wrong.
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
    for name in names:
        own = chosen(options).keys() & known_by[name]
        catalogue.find(name).parse({given: options[given] for given in own})
    allowed = general.union(*(known_by[name] for name in names))
    return {given: value for given, value in options.items() if given in allowed}


def _in_requests(
    ask: Ask, methods: Sequence[str], options: dict[str, Any], missing: Missing | None
) -> Explained:
    """The methods' explanations of one clip, from as many requests as they take.

    Args:
        missing: takes up what is left out; None where nothing may be.

    Raises:
        InvalidParameter: before anything is asked, where a method gets a wrong one.
        MissingExtra: nothing is left.
    """
    requests = list(_requests(methods, maps_each=len(options["target"])))
    given = [_asked(of_methods(names, methods, options)) for names in requests]
    parts: list[Explained] = []
    for names, asked in zip(requests, given, strict=True):
        try:
            parts.append(ask(names, asked))
        except MissingExtra as error:
            if missing is None:
                raise
            missing[names[0]] = error
    if not parts:
        raise next(iter((missing or {}).values()))
    explanations = [each for part in parts for each in part.explanations]
    place = {name: index for index, name in enumerate(methods)}
    explanations.sort(key=lambda each: place.get(each.method, len(place)))
    return replace(
        parts[0], answer=parts[0].answer.model_copy(update={"explanations": explanations})
    )


def _requests(methods: Sequence[str], maps_each: int) -> Iterator[Sequence[str]]:
    """The methods, as many at once as fit one answer.

    Those that need an extra go first, each by itself: what is missing costs nothing else.
    """
    extra = [name for name in methods if catalogue.find(name).extra]
    own = [name for name in methods if name not in extra]
    yield from ([name] for name in extra)
    size = max(1, MAPS // maps_each)
    yield from (own[start : start + size] for start in range(0, len(own), size))


def _tell(missing: Missing | None) -> None:
    for error in (missing or {}).values():
        log.print(f"left out: {error.message}", markup=False, soft_wrap=True)


def _asked(options: dict[str, Any]) -> dict[str, Any]:
    return chosen({**options, "target": one_or_all(options["target"])})
