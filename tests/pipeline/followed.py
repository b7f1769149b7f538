"""A command that follows an execution without end, for tests that interrupt it: python followed.py dev|local

It prints what it asked of AWS and ends with follow's exit code. On a terminal, the terminal is its own.
"""

import os
import sys

from scenes import ARN, Moments, ran, settings_of

from pipeline.cli.follow import follow
from pipeline.places import Console

environment = sys.argv[1]
if sys.stdin.isatty():
    os.open(os.ttyname(0), os.O_RDWR)  # the first terminal that a session opens is the one it obeys
settings = settings_of(environment).model_copy(update={"poll_seconds": 0.05})
scene = Moments(
    ("Executing", [ran("Evaluate", "Executing", seconds=None)], []),
    ("Stopping", [ran("Evaluate", "Stopping", seconds=None)], []),
    ("Stopped", [ran("Evaluate", "Stopped")], []),
    places=Console(settings) if environment != "local" else None,
    outlives=environment != "local",
)


def after_a_stop_it_ends(**_: object) -> None:
    if scene.at == 1:
        scene.at = 2


scene.clients.sagemaker.meta.events.register(
    "after-call.sagemaker.ListPipelineExecutionSteps", after_a_stop_it_ends
)
code = follow(scene.clients, ARN, settings, as_json=False, timeout=60)
print(f"stopped {scene.called('StopPipelineExecution')} times")
sys.exit(code)
