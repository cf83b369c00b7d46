"""Builds an engine from settings: the worker threads of each device."""

from collections.abc import Callable, Sequence

import torch

from videovisual.engine.device import Pass
from videovisual.engine.engine import Engine
from videovisual.engine.model_runner import ModelRunner
from videovisual.engine.optimise.cuda_graphs import CudaCapture, Recorder
from videovisual.engine.scores import Scores
from videovisual.engine.worker import Worker
from videovisual.server.settings import Settings
from videovisual.zoo import Classifier

GPU_BATCH = 16
BACKGROUND = 19
"""`nice` value of explanations on a processor, below classifications."""


def engine(
    copies: Sequence[Classifier], settings: Settings, on_pass: Callable[[Pass], None]
) -> Engine:
    """On a processor one worker for classifications, which goes first, and `lanes` workers for
    explanations; on a GPU one worker, whose steps mix them."""
    gpu = copies[0].device.type == "cuda"
    cores = torch.get_num_threads()
    threads = settings.threads or max(1, cores // settings.lanes)
    alone = settings.threads or cores
    first = Worker(explanations=False, threads=threads, lone_threads=alone)
    others = Worker(
        classifications=False,
        threads=threads,
        lone_threads=alone,
        nice=BACKGROUND,
        idle=settings.idle,
    )
    workers = [Worker()] if gpu else [first, *[others] * settings.lanes]
    runners = [runner(each, settings) for each in copies]
    return Engine(runners, workers, settings.step_s, on_pass)


def runner(classifier: Classifier, settings: Settings) -> ModelRunner:
    """A runner; on a GPU several clips share a pass, and searches are recorded as CUDA graphs."""
    device = classifier.device
    gpu = device.type == "cuda"
    return ModelRunner(
        classifier.network,
        device,
        settings.batch or (GPU_BATCH if gpu else classifier.batch),
        settings.precision,
        Recorder(CudaCapture(device)) if gpu and settings.cuda_graphs else None,
        Scores(classifier.card.scores),
    )
