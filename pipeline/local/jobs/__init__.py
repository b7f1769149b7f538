"""Jobs without AWS: the container contract of SageMaker's jobs, kept on this machine.

A job is a request (CreateProcessingJob …), resolved; its files come from and go to a storage. Nothing here
knows of pipelines. A `Runner` runs its command, as a process or as a container.
"""

from pipeline.local.jobs.container import ContainerRunner
from pipeline.local.jobs.folders import job_folder, sweep
from pipeline.local.jobs.job import Job, JobContext, JobResult, Outcome, Runner
from pipeline.local.jobs.model_server import ServedModel, serve_model
from pipeline.local.jobs.processing import run_processing
from pipeline.local.jobs.runner import ProcessRunner
from pipeline.local.jobs.support import unsupported
from pipeline.local.jobs.training import run_training
from pipeline.local.jobs.transform import run_transform

__all__ = [
    "ContainerRunner",
    "Job",
    "JobContext",
    "JobResult",
    "Outcome",
    "ProcessRunner",
    "Runner",
    "ServedModel",
    "job_folder",
    "run_processing",
    "run_training",
    "run_transform",
    "serve_model",
    "sweep",
    "unsupported",
]
