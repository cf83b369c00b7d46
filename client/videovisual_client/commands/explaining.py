"""How `explain`, `compare` and `evaluate` send their requests."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import click

from videovisual.attribution import catalogue
from videovisual.errors import InvalidParameter, MissingExtra, UnsuitableMethod
from videovisual.evidence import SigningKey
from videovisual.protocol import Options
from videovisual.utils.files import check_writable
from videovisual.utils.suffixes import RECORD_SUFFIX, is_record_name
from videovisual.utils.suggest import did_you_mean
from videovisual_client.base_client import BaseClient
from videovisual_client.batch import Batch, Files
from videovisual_client.collection import Collection
from videovisual_client.commands import folder
from videovisual_client.commands.interrupt import stopped_by_interrupt
from videovisual_client.commands.options import CommandClip, Place, RunOptions, given, one_or_all
from videovisual_client.events import Progress
from videovisual_client.many import Jobs
from videovisual_client.result import RECORD, Explained, check_format
from videovisual_client.terminal import job_bar, log

MAPS = 4
"""Most maps in one answer: four maps of 64 frames of 224 × 224 pixels fit a server's limit."""


@dataclass(frozen=True)
class Explainer:
    """Explains clips by several methods.

    Attributes:
        client: sends the requests.
        model: the model's name.
        methods: names of the catalogue.
        options: the command's options; `target` is a list.
        skip_missing: leave out a method whose extra is not installed, or that does not suit the
            model, and report it.
    """

    client: BaseClient
    model: str
    methods: Sequence[str]
    options: dict[str, Any]
    skip_missing: bool = False
    _missing: dict[str, MissingExtra | UnsuitableMethod] = field(default_factory=dict)

    def one(self, clip: CommandClip) -> Explained:
        """Explain one clip, with a progress bar; Ctrl-C ends a search with its best map so far."""
        with job_bar("explaining") as advance:

            def follow(request: dict[str, Any]) -> Explained:
                # With a deadline, `partial` would also turn its error into a map.
                best = {} if "timeout_s" in request else {"partial": True}
                with (
                    self.client.submit(clip, **{**best, **request}) as job,
                    stopped_by_interrupt(job),
                ):
                    for event in job:
                        if isinstance(event, Progress):
                            advance(event)
                    return job.result()

            result = self.explained(follow)
        self._report_missing()
        return result

    def many(
        self, clips: Collection, results: Path, run: RunOptions, files: Files | None = None
    ) -> dict[str, Any]:
        """Explain the clips that have no finished result, and return the summary.

        Raises:
            MissingExtra: `files` can't be made here.
            WriteError: the results can't be written.
        """
        wanted = files or Files()
        # Files first: those may be videos, whose extra includes the one that frames need.
        for clip in sorted(clips.clips, key=lambda clip: clip.path.is_dir()):
            for name in sorted(wanted.formats, key=lambda name: name != "mp4"):
                check_format(name, clip.path)
        check_writable(results / "summary.json")
        jobs = Jobs()
        request = {"model": self.model, "method": list(self.methods), **_fields(self.options)}
        summary = folder.run(
            self.client,
            clips,
            Batch(results, request, wanted),
            lambda clip: self.explained(
                lambda request: jobs.run(self.client.submit(clip.path, **request))
            ),
            title=" ".join(self.methods),
            model=self.model,
            options=self.options,
            run=run,
            stop=jobs.cancel,
        )
        self._report_missing()
        return summary

    def explained(self, send: Callable[[dict[str, Any]], Explained]) -> Explained:
        """Explain one clip in as many requests as needed, and merge the answers.

        Raises:
            InvalidParameter: a method's parameter is wrong; raised before the first request.
            MissingExtra, UnsuitableMethod: no method is left.
        """
        groups = list(_groups(self.methods, maps_each=len(self.options["target"])))
        fields = [_fields(of_methods(names, self.methods, self.options)) for names in groups]
        parts: list[Explained] = []
        for names, options in zip(groups, fields, strict=True):
            try:
                parts.append(send({"model": self.model, "method": one_or_all(names), **options}))
            except (MissingExtra, UnsuitableMethod) as error:
                if not self.skip_missing:
                    raise
                self._missing[names[0]] = error
        if not parts:
            raise next(iter(self._missing.values()))
        explanations = [each for part in parts for each in part.explanations]
        order = {name: index for index, name in enumerate(self.methods)}
        explanations.sort(key=lambda each: order.get(each.method, len(order)))
        # A server's signature is of one answer, so of several that are merged it is none.
        signed = parts[0].answer.evidence if len(parts) == 1 else None
        update = {"explanations": explanations, "evidence": signed}
        answer = parts[0].answer.model_copy(update=update)
        return replace(parts[0], answer=answer)

    def _report_missing(self) -> None:
        for error in self._missing.values():
            log.print(f"left out: {error.message}", markup=False, soft_wrap=True)


def explain_folder(
    place: Place,
    clips: Collection,
    model: str,
    methods: Sequence[str],
    options: dict[str, Any],
    results: Path,
    run: RunOptions,
    files: Files | None = None,
) -> list[dict[str, Any]]:
    """Explain a folder of clips by each method, into RESULTS/METHOD/MODEL; one summary each."""
    with place.open() as client:
        explainers = [
            Explainer(client, model, [name], of_methods([name], methods, options))
            for name in methods
        ]
        return [
            explainer.many(clips, results / name / model, run, files)
            for name, explainer in zip(methods, explainers, strict=True)
        ]


def known(methods: Sequence[str]) -> list[str]:
    """The catalogue's names of the methods, or of the default method if none is given.

    Raises:
        UnknownMethod: the catalogue has no such method.
    """
    return [catalogue.find(name).name for name in methods] or [catalogue.DEFAULT]


def of_methods(
    names: Sequence[str], methods: Sequence[str], options: dict[str, Any]
) -> dict[str, Any]:
    """The options for some of several methods, without the parameters of the others.

    Raises:
        InvalidParameter: none of all the methods has a parameter, or its value is wrong.
    """
    if len(methods) == 1:
        return options
    parameters = {name: set(catalogue.find(name).parameters.model_fields) for name in methods}
    general = {*Options.model_fields, "partial"}
    for name in given(options).keys() - general.union(*parameters.values()):
        known = [name for own in parameters.values() for name in own]
        raise InvalidParameter(
            f"None of {', '.join(methods)} has a parameter {name!r}.{did_you_mean(name, known)}",
            parameter=name,
        )
    for method in names:
        own = given(options).keys() & parameters[method]
        catalogue.find(method).parse({name: options[name] for name in own})
    allowed = general.union(*(parameters[method] for method in names))
    return {name: value for name, value in options.items() if name in allowed}


def check_signing(key: Path | None, output: Sequence[Path]) -> None:
    """Check, before the work, that there is a record to sign, and that the key can sign it.

    Raises:
        InvalidParameter, MissingExtra: the key can't be used.
    """
    if key is None:
        return
    if not any(is_record_name(path) for path in output):
        raise click.UsageError(f"--sign-with is for a record. Name one with -o {RECORD_SUFFIX}.")
    SigningKey.read(key)


def folder_files(formats: Sequence[str], key: Path | None) -> Files:
    """The files of a folder of clips, their records signed with a key.

    Raises:
        InvalidParameter, MissingExtra: the key can't be used.
    """
    if RECORD not in formats:
        if key is not None:
            raise click.UsageError(f"--sign-with is for records. Add --format {RECORD}.")
        return Files(formats)
    chosen = SigningKey.chosen(key)
    signed = "not signed here: no key is given" if chosen is None else f"signed by {chosen.id}"
    log.print(f"records: {signed}", soft_wrap=True, markup=False)
    return Files(formats, chosen)


def save(
    result: Explained,
    paths: Sequence[Path],
    columns: int | Sequence[float] | None,
    key: Path | None = None,
) -> None:
    """Save a result to files, stills with `columns`, records signed with a key, and report them."""
    for path in paths:
        is_record = is_record_name(path)
        saved = result.save(path, key=key if is_record else None, columns=columns)
        signed = f", {_signers(result, key)}" if is_record else ""
        log.print(f"wrote {saved}{signed}", soft_wrap=True, markup=False)


def _signers(result: Explained, key: Path | None) -> str:
    """Who has signed a record, or that nobody has."""
    own = SigningKey.chosen(key)
    server = [] if result.answer.evidence is None else result.answer.evidence.signatures
    signers = dict.fromkeys([*(each.keyid for each in server), *([own.id] if own else [])])
    return f"signed by {', '.join(signers)}" if signers else "not signed: neither side has a key"


def _groups(methods: Sequence[str], maps_each: int) -> Iterator[Sequence[str]]:
    """The methods of each request, as many as fit one answer.

    A method that needs an extra, or attention, gets a request of its own, so that it fails no other
    where the extra is missing or the model has no attention.
    """
    entries = {name: catalogue.find(name) for name in methods}
    alone = [name for name, entry in entries.items() if entry.extra or "attention" in entry.needs]
    own = [name for name in methods if name not in alone]
    yield from ([name] for name in alone)
    size = max(1, MAPS // maps_each)
    yield from (own[start : start + size] for start in range(0, len(own), size))


def _fields(options: dict[str, Any]) -> dict[str, Any]:
    return given({**options, "target": one_or_all(options["target"])})
