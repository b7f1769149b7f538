"""The jobs that executions have started, as Describe* answers them."""

from pipeline.local.backend import Backend
from pipeline.local.store import Document


def describe_processing_job(backend: Backend, request: Document) -> Document:
    return backend.find("ProcessingJob", request["ProcessingJobName"], "Processing job")


def describe_training_job(backend: Backend, request: Document) -> Document:
    return backend.find("TrainingJob", request["TrainingJobName"], "Training job")


def describe_transform_job(backend: Backend, request: Document) -> Document:
    return backend.find("TransformJob", request["TransformJobName"], "Transform job")
