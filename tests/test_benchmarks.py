"""The benchmark holds the promises; what it measured last keeps them."""

import copy
import json

import pytest

from benchmarks import explanation, page, plan, serving
from benchmarks.local_run import PROMISES, RESULTS, broken
from benchmarks.record import broken as beyond

SERVED = json.loads(serving.RESULTS.read_text())["figures"]
PLANNED = json.loads(plan.RESULTS.read_text())
KEPT = json.loads(RESULTS.read_text())


def test_the_last_result_keeps_every_promise():
    assert broken(KEPT) == []


@pytest.mark.parametrize("figure", PROMISES)
def test_a_figure_beyond_its_limit_is_named(figure):
    result = copy.deepcopy(KEPT)
    bound, limit = PROMISES[figure]
    result["figures"][figure]["median"] = limit
    assert broken(result) == []
    result["figures"][figure]["median"] = limit * (1.01 if bound == "at most" else 0.99)
    (line,) = broken(result)
    assert figure in line and bound in line


def test_a_job_that_ran_again_and_a_gate_that_did_not_shut_are_named():
    lines = broken({**KEPT, "again_cached": ["Preprocess"], "gated_statuses": ["Succeeded"]})
    assert ["cache" in lines[0], "threshold" in lines[1]] == [True, True]


def test_the_last_plan_keeps_every_promise():
    assert plan.broken(PLANNED) == []


@pytest.mark.parametrize("figure", plan.PROMISES)
def test_a_plan_that_takes_too_long_is_named(figure):
    result = copy.deepcopy(PLANNED)
    result["figures"][figure]["median"] = plan.PROMISES[figure] * 1.01
    assert [line.partition(" ")[0] for line in plan.broken(result)] == [figure]


@pytest.mark.parametrize("benchmark", [serving, page, explanation])
def test_what_was_measured_last_keeps_every_promise(benchmark):
    figures = json.loads(benchmark.RESULTS.read_text())["figures"]
    assert benchmark.PROMISES.keys() <= figures.keys()
    assert beyond(figures, benchmark.PROMISES) == []


def test_the_servers_memory_was_watched_for_half_an_hour():
    assert SERVED["memory_minutes"] >= 30 and SERVED["memory_requests"] > 700_000


@pytest.mark.parametrize("figure", serving.PROMISES)
def test_a_figure_of_the_server_beyond_its_limit_is_named(figure):
    bound, limit = serving.PROMISES[figure]
    figures = {**SERVED, figure: limit + 1 if bound == "at most" else limit - 1}
    assert [line.partition(" ")[0] for line in beyond(figures, serving.PROMISES)] == [figure]
