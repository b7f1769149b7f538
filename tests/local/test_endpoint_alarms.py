"""Alarms over single requests: what trips them, what does not, and what they say."""

import pytest

from pipeline.errors import UsageError
from pipeline.local import Alarm
from pipeline.local.alarms import Requests


def ended(*pairs):
    """Requests that have ended: (latency in microseconds, status) each."""
    requests = Requests()
    for latency, status in pairs:
        with requests.one() as request:
            request.status = status
        request.latency = latency
    return requests


def failing(failed, total):
    return ended(*[(1, 500)] * failed, *[(1, 200)] * (total - failed))


HUNDRED = ended(*[(each, 200) for each in range(1, 101)])


@pytest.mark.parametrize(
    ("alarm", "requests", "value"),
    [
        (Alarm("Invocation5XXErrors", 0.1), failing(1, 10), None),
        (Alarm("Invocation5XXErrors", 0.1), failing(2, 10), "0.2"),
        (Alarm("Invocation5XXErrors", 0.2), failing(2, 10), None),
        (
            Alarm("Invocation5XXErrors", 0.2, comparison_operator="GreaterThanOrEqualToThreshold"),
            failing(2, 10),
            "0.2",
        ),
        (Alarm("Invocation5XXErrors", 3, statistic="Sum"), failing(4, 100), "4"),
        (Alarm("Invocation5XXErrors", 0.1, minimum_requests=11), failing(10, 10), None),
        (Alarm("Invocation5XXErrors", 0.5), ended((1, None), (1, None), (1, 400)), "0.666667"),
        (Alarm("Invocation4XXErrors", 0), ended((1, 404), (1, 500)), "0.5"),
        (Alarm("ModelLatency", 100, "Maximum"), ended((90, 200), (110, 500)), "110 microseconds"),
        (Alarm("ModelLatency", 100), ended((90, 200), (110, 200)), None),
        (
            Alarm("ModelLatency", 98, "p99"),
            HUNDRED,
            "99 microseconds",
        ),
        (
            Alarm("ModelLatency", 49, "p50"),
            HUNDRED,
            "50 microseconds",
        ),
        (
            Alarm("ModelLatency", 99, "p99.9"),
            HUNDRED,
            "100 microseconds",
        ),
        (
            Alarm("ModelLatency", 10, "Minimum", "LessThanThreshold"),
            ended((9, 200), (20, 200)),
            "9 microseconds",
        ),
        (Alarm("ModelLatency", 0), ended(), None),
    ],
    ids=str,
)
def test_it_is_in_alarm_beyond_the_threshold_and_names_the_value(alarm, requests, value):
    said = alarm.tripped(requests)
    if value is None:
        assert said is None
    else:
        assert said.startswith(f"{alarm.statistic} of {alarm.metric_name} is {value} over ")


def test_a_request_that_hangs_counts_as_slow_once_it_is_and_not_before():
    requests = Requests()
    with requests.one():
        assert Alarm("ModelLatency", 0).tripped(requests)
        assert Alarm("ModelLatency", 60e6).tripped(requests) is None
        assert Alarm("Invocation5XXErrors", 0).tripped(requests) is None


def test_a_request_that_raises_is_a_failure_to_answer():
    requests = Requests()
    with pytest.raises(OSError), requests.one():
        raise OSError("the server is gone")
    assert Alarm("Invocation5XXErrors", 0).tripped(requests)


@pytest.mark.parametrize(
    ("members", "message"),
    [
        ({"metric_name": "Mood", "threshold": 1}, "an alarm knows no 'Mood'; use one of Invocation4XXErrors"),
        ({"metric_name": "ModelLatency", "threshold": 1, "statistic": "p101"}, "no statistic 'p101'"),
        ({"metric_name": "ModelLatency", "threshold": 1, "statistic": "Median"}, "no statistic 'Median'"),
        ({"metric_name": "ModelLatency", "threshold": 1, "comparison_operator": ">"}, "knows no '>'"),
        ({"metric_name": "ModelLatency", "threshold": 1, "minimum_requests": 0}, "at least 1 request"),
    ],
)
def test_an_alarm_that_cannot_be(members, message):
    with pytest.raises(UsageError, match=message):
        Alarm(**members)
