"""Every exception of the pipeline. A message says what is wrong, which value, and what to do next.

PipelineError             exit code 1: the work did not succeed
├── ObjectNotFound        an s3:// URI that names nothing
├── Interrupted           Ctrl-C, where something may have been done already
├── WaitTimeout           an execution that had not ended in time
├── Fault                 an AWS error that the local service answers; its code names the client's exception
├── ExpressionError       an expression of a definition that has no value
│   └── StepNotExecuted   it refers to a step that was not executed
├── EngineFailed          the container engine: missing, or it refused
├── JobFailed             a job that failed, with the type of error that SageMaker would give it
├── ModelServerFailed     a model server that did not come up, or died
├── Stopped               what was asked to stop before it was done
├── StepFailed            a step of a local execution that failed
├── UsageError            exit code 2: what was asked for cannot be done as it was asked
│   ├── SettingsError     a config file, an environment variable or a flag
│   ├── ParameterError    --set: an unknown, ill-typed or out-of-range pipeline parameter
│   ├── DefinitionError   a pipeline definition that CreatePipeline, or the local executor, would reject
│   ├── DataError         the reviews given with --data
│   ├── FileChanged       a file that is no longer what it was when it was hashed
│   ├── StateFolderError  the state folder: no room, not writable, written by a newer version
│   ├── ArchiveError      an archive that is truncated or hostile
│   ├── NotFound          an execution or an endpoint that does not exist
│   └── NotOurs           a pipeline of that name that something else made
└── AwsRefused            exit code 3: credentials, permissions, or an error that AWS answered
"""


class PipelineError(Exception):
    """The root. Commands print the message, without a stack trace, and end with `exit_code`."""

    exit_code = 1


class ObjectNotFound(PipelineError):
    pass


class Interrupted(PipelineError):
    pass


class WaitTimeout(PipelineError):
    pass


class Fault(PipelineError):
    """code is AWS's name for the error (ResourceNotFound, ValidationException …), status the HTTP status."""

    def __init__(self, code: str, message: str, status: int = 400, **fields: object) -> None:
        super().__init__(message)
        self.code = code
        self.status = status
        self.fields = fields  # further members of the answer, such as OriginalStatusCode of a ModelError


class ExpressionError(PipelineError):
    pass


class StepNotExecuted(ExpressionError):
    def __init__(self, step: str) -> None:
        super().__init__(f"step {step} was not executed")
        self.step = step


class StepFailed(PipelineError):
    """error_type is the name that a RetryPolicy goes by (SageMaker.CAPACITY_ERROR …); None: never retried."""

    def __init__(self, reason: str, error_type: str | None = None) -> None:
        super().__init__(reason)
        self.error_type = error_type


class EngineFailed(PipelineError):
    pass


class JobFailed(PipelineError):
    """error_type is what a RetryPolicy of a pipeline names, such as SageMaker.JOB_INTERNAL_ERROR."""

    def __init__(self, message: str, error_type: str = "AlgorithmError") -> None:
        super().__init__(message)
        self.error_type = error_type


class ModelServerFailed(PipelineError):
    pass


class Stopped(PipelineError):
    pass


class UsageError(PipelineError):
    exit_code = 2


class SettingsError(UsageError):
    pass


class ParameterError(UsageError):
    pass


class DefinitionError(UsageError):
    pass


class DataError(UsageError):
    pass


class FileChanged(UsageError):
    pass


class StateFolderError(UsageError):
    pass


class ArchiveError(UsageError):
    pass


class NotFound(UsageError):
    pass


class NotOurs(UsageError):
    pass


class AwsRefused(PipelineError):
    """code is AWS's name for the error (AccessDeniedException …), or the class of botocore's."""

    exit_code = 3

    def __init__(self, message: str, operation: str = "", code: str = "") -> None:
        super().__init__(message)
        self.operation = operation
        self.code = code
