"""Whose turn it is, by simulation: thousands of jobs, no network, time that is only counted."""

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


def asking(
    steps: int, clips: int = 1, *, gradient: bool = False, side: int = CLIP[-1]
) -> Work[None]:
    """Ask so many times for so many clips."""
    targets = torch.zeros(clips, dtype=torch.long) if gradient else None
    for _ in range(steps):
        yield Probe(torch.zeros(clips, *CLIP[:-1], side), targets, gradient=gradient)


def seconds_a_clip(kind: Kind) -> float:
    return GRADIENT_S if kind.gradient else SCORES_S


@dataclass
class Simulation:
    """One lane, whose passes cost what `seconds_a_clip` says."""

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
                if job.urgent:
                    self.waits.append(self.now - self._came[job.number])
            else:
                self.scheduler.add(job)
        return True


def test_shares_of_the_time_follow_priorities_whatever_a_step_costs() -> None:
    simulation = Simulation()
    jobs = {
        priority: simulation.add(Job(asking(10**6, gradient=priority > 0), priority=priority))
        for priority in (-1, 0, 2)
    }
    simulation.run(until=200)
    used = {priority: simulation.used[job.number] for priority, job in jobs.items()}
    assert used == {
        priority: pytest.approx(200 * share / 11, rel=0.02)
        for priority, share in {-1: 1, 0: 2, 2: 8}.items()
    }


def test_a_job_of_large_probes_gets_no_more_than_one_of_small() -> None:
    simulation = Simulation(room=8)
    large = simulation.add(Job(asking(10**6, 32)))
    small = simulation.add(Job(asking(10**6, 1, side=5)))
    simulation.run(until=100)
    assert simulation.used[small.number] == pytest.approx(simulation.used[large.number], rel=0.02)


def test_a_large_probe_is_read_over_several_steps() -> None:
    simulation = Simulation(room=8)
    job = simulation.add(Job(asking(1, 20)))
    sizes = []
    simulation.scheduler.add(job)
    simulation.step()
    while (step := simulation.scheduler.take(lambda _: 8)) is not None:
        sizes.append(step.clips)
        job.take(Reading(torch.zeros(step.clips, 2)))
        if not job.stop_if_due():
            simulation.scheduler.add(job)
    assert sizes == [8, 8, 4]


def test_a_newcomer_does_not_catch_up_on_what_it_missed() -> None:
    simulation = Simulation()
    old = simulation.add(Job(asking(10**6)))
    new = simulation.add(Job(asking(10**6)), at=50)
    simulation.run(until=51)
    assert simulation.used[new.number] == pytest.approx(0.5, abs=0.02)
    assert simulation.used[old.number] == pytest.approx(50.5, abs=0.02)


def test_urgent_jobs_go_first_in_order_of_arrival() -> None:
    scheduler = Scheduler()
    scheduler.add(Job(asking(1), priority=3))
    first, second = Job(asking(1), urgent=True), Job(asking(1), urgent=True)
    for job in (first, second):
        scheduler.add(job)
    taken = [scheduler.take(lambda _: 1) for _ in range(2)]
    assert [step.pieces[0][0] for step in taken if step is not None] == [first, second]


def begun(*jobs: Job[None]) -> Scheduler:
    scheduler = Scheduler()
    for job in jobs:
        job.advance(None)
        scheduler.add(job)
    return scheduler


def test_a_step_packs_what_is_of_one_kind_classifications_first() -> None:
    classifying = [Job(asking(1), urgent=True) for _ in range(2)]
    scoring = [Job(asking(1, 3)) for _ in range(3)]
    others = [Job(asking(1, gradient=True)), Job(asking(1, side=5))]
    scheduler = begun(*scoring, *others, *classifying)
    step = scheduler.take(lambda _: 8)
    assert step is not None
    assert [(job, count) for job, count in step.pieces] == [
        (classifying[0], 1),
        (classifying[1], 1),
        (scoring[0], 3),
        (scoring[1], 3),
    ]
    assert len(scheduler) == 3


def test_a_foreign_method_shares_its_pass_with_nobody() -> None:
    def foreign() -> Work[None]:
        clips = torch.zeros(1, *CLIP)
        yield Probe(clips, torch.zeros(1).long(), apply=lambda _network, clips, _targets: clips)

    scheduler = begun(Job(foreign()), Job(foreign()))
    step = scheduler.take(lambda _: 8)
    assert step is not None
    assert step.clips == 1


def test_a_lane_takes_only_what_it_is_for() -> None:
    patient, urgent = Job(asking(1)), Job(asking(1), urgent=True)
    scheduler = begun(patient, urgent)
    step = scheduler.take(lambda _: 8, urgent=False)
    assert step is not None
    assert step.pieces == [(patient, 1)]
    assert scheduler.take(lambda _: 8, urgent=False) is None
    assert scheduler.take(lambda _: 8, patient=False) is not None


def test_a_flood_of_classifications_leaves_explanations_their_reserve() -> None:
    simulation = Simulation()
    explanation = simulation.add(Job(asking(10**6, gradient=True)))
    for number in range(12_000):
        simulation.add(Job(asking(1), urgent=True), at=number * SCORES_S)
    simulation.run(until=100)
    assert simulation.used[explanation.number] == pytest.approx(RESERVE * 100, rel=0.05)


def test_a_classification_waits_for_one_step_at_most() -> None:
    simulation = Simulation()
    for _ in range(20):
        simulation.add(Job(asking(10**6, gradient=True)))
    for number in range(200):
        simulation.add(Job(asking(1), urgent=True), at=0.005 + number / 2)
    simulation.run(stop=lambda: len(simulation.waits) == 200)
    # The step under way, one that the explanations are owed, and its own.
    assert max(simulation.waits) <= 2 * GRADIENT_S + SCORES_S + 1e-9


@pytest.mark.parametrize("room", [1, 8])
def test_thousands_of_jobs_all_end_and_none_waits_beyond_its_share(room: int) -> None:
    rng = random.Random(room)
    simulation = Simulation(room=room)
    work: dict[int, float] = {}
    for _ in range(2500):
        steps, clips = rng.randint(1, 12), rng.choice([1, 1, 2, 9])
        gradient = rng.random() < 0.5
        job = Job(asking(steps, clips, gradient=gradient), priority=rng.randint(-3, 3))
        work[job.number] = steps * clips * (GRADIENT_S if gradient else SCORES_S)
        simulation.add(job, at=rng.uniform(0, 1600))
    for _ in range(2500):
        simulation.add(Job(asking(1), urgent=True), at=rng.uniform(0, 1600))
    simulation.run()
    assert len(simulation.ended) == 5000
    assert {number: simulation.used[number] for number in work} == pytest.approx(work)
    assert len(simulation.scheduler) == 0
    # A step of the largest probes, one that explanations are owed, and the classifications before.
    assert sorted(simulation.waits)[-30] <= 3 * room * GRADIENT_S
