"""The operations of the local service, by AWS's names. What is not here is answered as not implemented."""

from collections.abc import Callable

from pipeline.local.backend import Backend
from pipeline.local.operations import executions, hosting, jobs, logs, pipelines, registry, tags
from pipeline.local.store import Document

Operation = Callable[[Backend, Document], Document]

SAGEMAKER: dict[str, Operation] = {
    "CreatePipeline": pipelines.create,
    "UpdatePipeline": pipelines.update,
    "DescribePipeline": pipelines.describe,
    "ListPipelines": pipelines.list_all,
    "DeletePipeline": pipelines.delete,
    "StartPipelineExecution": executions.start,
    "StopPipelineExecution": executions.stop,
    "RetryPipelineExecution": executions.retry,
    "DescribePipelineExecution": executions.describe,
    "ListPipelineExecutions": executions.list_all,
    "ListPipelineExecutionSteps": executions.list_steps,
    "ListPipelineParametersForExecution": executions.list_parameters,
    "DescribePipelineDefinitionForExecution": executions.describe_definition,
    "CreateModelPackageGroup": registry.create_group,
    "DescribeModelPackageGroup": registry.describe_group,
    "ListModelPackageGroups": registry.list_groups,
    "DeleteModelPackageGroup": registry.delete_group,
    "CreateModelPackage": registry.create_package,
    "DescribeModelPackage": registry.describe_package,
    "ListModelPackages": registry.list_packages,
    "UpdateModelPackage": registry.update_package,
    "DeleteModelPackage": registry.delete_package,
    "CreateModel": hosting.create_model,
    "DescribeModel": hosting.describe_model,
    "ListModels": hosting.list_models,
    "DeleteModel": hosting.delete_model,
    "CreateEndpointConfig": hosting.create_endpoint_config,
    "DescribeEndpointConfig": hosting.describe_endpoint_config,
    "ListEndpointConfigs": hosting.list_endpoint_configs,
    "DeleteEndpointConfig": hosting.delete_endpoint_config,
    "CreateEndpoint": hosting.create_endpoint,
    "UpdateEndpoint": hosting.update_endpoint,
    "DescribeEndpoint": hosting.describe_endpoint,
    "ListEndpoints": hosting.list_endpoints,
    "DeleteEndpoint": hosting.delete_endpoint,
    "DescribeProcessingJob": jobs.describe_processing_job,
    "DescribeTrainingJob": jobs.describe_training_job,
    "DescribeTransformJob": jobs.describe_transform_job,
    "ListTags": tags.list_all,
    "AddTags": tags.add,
    "DeleteTags": tags.delete,
}

LOGS: dict[str, Operation] = {
    "DescribeLogStreams": logs.describe_log_streams,
    "GetLogEvents": logs.get_log_events,
}
