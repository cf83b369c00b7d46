"""The scheduler in simulation: thousands of jobs, no network, simulated time."""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field

import pytest
import torch

from videovisual.engine.batch import Kind
from videovisual.engine.job import Job
from videovisual.engine.probe import Probe, Reading, Work
from videovisual.engine.scheduler import RESERVE, Scheduler

CLIP = (3, 2, 4, 4)
SCORES_S, GRADIENT_S = 0.01, 0.03


def probing(
    steps: int, clips: int = 1, *, gradient: bool = False, side: int = CLIP[-1]
) -> Work[None]:
    """Yield `steps` probes of `clips` clips each."""
    targets = torch.zeros(clips, dtype=torch.long) if gradient else None
    for _ in range(steps):
        yield Probe(torch.zeros(clips, *CLIP[:-1], side), targets, gradient=gradient)


def seconds_a_clip(kind: Kind) -> float:
    return GRADIENT_S if kind.gradient else SCORES_S


@dataclass
class Simulation:
    """One worker, whose passes take `seconds_a_clip`."""

    room: int = 1
    now: float = 0.0
    scheduler: Scheduler = field(default_factory=Scheduler)
    used: defaultdict[int, float] = field(default_factory=lambda: defaultdict(float))
    ended: dict[int, float] = field(default_factory=dict)
    waits: list[float] = field(default_factory=list)
    arrivals: list[tuple[float, Job[None]]] = field(default_factory=list)
    _came: dict[int, float] = field(default_factory=dict)

    def add(self, job: Job[None], at: float = 0.0) -> Job[None]:
        self.arrivals.append((at, job))
        return job

    def run(self, until: float = float("inf"), stop: Callable[[], bool] = lambda: False) -> None:
        self.arrivals.sort(key=lambda pair: (pair[0], pair[1].number))
        coming = iter(self.arrivals)
        following = next(coming, None)
        while self.now < until and not stop():
            while following is not None and following[0] <= self.now:
                self._came[following[1].number] = following[0]
                self.scheduler.add(following[1])
                following = next(coming, None)
            if self.step():
                continue
            if following is None:
                return
            self.now = following[0]

    def step(self) -> bool:
        step = self.scheduler.take(lambda _: self.room)
        if step is None:
            return False
        if step.kind is not None:
            each = seconds_a_clip(step.kind)
            self.now += each * step.clips
        for job, count in step.pieces:
            cost = 0.0
            if step.kind is None:
                job.advance(None)
            else:
                cost = each * count
                job.take(Reading(torch.zeros(count, 2), torch.zeros(count)))
            self.used[job.number] += cost
            self.scheduler.charge(job, cost)
            if job.stop_if_due():
                self.ended[job.number] = self.now
                if job.classification:
                    self.waits.append(self.now - self._came[job.number])
            else:
                self.scheduler.add(job)
        return True


def test_shares_of_the_time_follow_priorities() -> None:
    simulation = Simulation()
    jobs = {
        priority: simulation.add(Job(probing(10**6, gradient=priority > 0), priority=priority))
        for priority in (-1, 0, 2)
    }
    simulation.run(until=200)
    used = {priority: simulation.used[job.number] for priority, job in jobs.items()}
    assert used == {
        priority: pytest.approx(200 * share / 11, rel=0.02)
        for priority, share in {-1: 1, 0: 2, 2: 8}.items()
    }


def test_a_job_of_large_probes_gets_no_larger_share() -> None:
    simulation = Simulation(room=8)
    large = simulation.add(Job(probing(10**6, 32)))
    small = simulation.add(Job(probing(10**6, 1, side=5)))
    simulation.run(until=100)
    assert simulation.used[small.number] == pytest.approx(simulation.used[large.number], rel=0.02)


def test_a_large_probe_is_read_over_several_steps() -> None:
    simulation = Simulation(room=8)
    job = simulation.add(Job(probing(1, 20)))
    sizes = []
    simulation.scheduler.add(job)
    simulation.step()
    while (step := simulation.scheduler.take(lambda _: 8)) is not None:
        sizes.append(step.clips)
        job.take(Reading(torch.zeros(step.clips, 2)))
        if not job.stop_if_due():
            simulation.scheduler.add(job)
    assert sizes == [8, 8, 4]


def test_a_new_job_does_not_catch_up_on_earlier_time() -> None:
    simulation = Simulation()
    old = simulation.add(Job(probing(10**6)))
    new = simulation.add(Job(probing(10**6)), at=50)
    simulation.run(until=51)
    assert simulation.used[new.number] == pytest.approx(0.5, abs=0.02)
    assert simulation.used[old.number] == pytest.approx(50.5, abs=0.02)


def test_classifications_go_first_in_order_of_arrival() -> None:
    scheduler = Scheduler()
    scheduler.add(Job(probing(1), priority=3))
    first, second = Job(probing(1), classification=True), Job(probing(1), classification=True)
    for job in (first, second):
        scheduler.add(job)
    taken = [scheduler.take(lambda _: 1) for _ in range(2)]
    assert [step.pieces[0][0] for step in taken if step is not None] == [first, second]


def started(*jobs: Job[None]) -> Scheduler:
    scheduler = Scheduler()
    for job in jobs:
        job.advance(None)
        scheduler.add(job)
    return scheduler


def test_a_step_takes_jobs_of_one_kind_classifications_first() -> None:
    classifying = [Job(probing(1), classification=True) for _ in range(2)]
    scoring = [Job(probing(1, 3)) for _ in range(3)]
    others = [Job(probing(1, gradient=True)), Job(probing(1, side=5))]
    scheduler = started(*scoring, *others, *classifying)
    step = scheduler.take(lambda _: 8)
    assert step is not None
    assert [(job, count) for job, count in step.pieces] == [
        (classifying[0], 1),
        (classifying[1], 1),
        (scoring[0], 3),
        (scoring[1], 3),
    ]
    assert len(scheduler) == 3


def test_a_library_function_does_not_share_its_pass() -> None:
    def apply_function() -> Work[None]:
        clips = torch.zeros(1, *CLIP)
        yield Probe(clips, torch.zeros(1).long(), apply=lambda _network, clips, _targets: clips)

    scheduler = started(Job(apply_function()), Job(apply_function()))
    step = scheduler.take(lambda _: 8)
    assert step is not None
    assert step.clips == 1


def test_a_worker_takes_only_its_kind_of_jobs() -> None:
    explanation, classification = Job(probing(1)), Job(probing(1), classification=True)
    scheduler = started(explanation, classification)
    step = scheduler.take(lambda _: 8, classifications=False)
    assert step is not None
    assert step.pieces == [(explanation, 1)]
    assert scheduler.take(lambda _: 8, classifications=False) is None
    assert scheduler.take(lambda _: 8, explanations=False) is not None


def test_a_flood_of_classifications_leaves_explanations_their_reserve() -> None:
    simulation = Simulation()
    explanation = simulation.add(Job(probing(10**6, gradient=True)))
    for number in range(12_000):
        simulation.add(Job(probing(1), classification=True), at=number * SCORES_S)
    simulation.run(until=100)
    assert simulation.used[explanation.number] == pytest.approx(RESERVE * 100, rel=0.05)


def test_a_classification_waits_for_at_most_one_step() -> None:
    simulation = Simulation()
    for _ in range(20):
        simulation.add(Job(probing(10**6, gradient=True)))
    for number in range(200):
        simulation.add(Job(probing(1), classification=True), at=0.005 + number / 2)
    simulation.run(stop=lambda: len(simulation.waits) == 200)
    # The running step, one step owed to explanations, and the classification itself.
    assert max(simulation.waits) <= 2 * GRADIENT_S + SCORES_S + 1e-9


@pytest.mark.parametrize("room", [1, 8])
def test_thousands_of_jobs_end_and_none_waits_beyond_its_share(room: int) -> None:
    rng = random.Random(room)
    simulation = Simulation(room=room)
    work: dict[int, float] = {}
    for _ in range(2500):
        steps, clips = rng.randint(1, 12), rng.choice([1, 1, 2, 9])
        gradient = rng.random() < 0.5
        job = Job(probing(steps, clips, gradient=gradient), priority=rng.randint(-3, 3))
        work[job.number] = steps * clips * (GRADIENT_S if gradient else SCORES_S)
        simulation.add(job, at=rng.uniform(0, 1600))
    for _ in range(2500):
        simulation.add(Job(probing(1), classification=True), at=rng.uniform(0, 1600))
    simulation.run()
    assert len(simulation.ended) == 5000
    assert {number: simulation.used[number] for number in work} == pytest.approx(work)
    assert len(simulation.scheduler) == 0
    # A step of the largest probes, one step owed to explanations, and earlier classifications.
    assert sorted(simulation.waits)[-30] <= 3 * room * GRADIENT_S
