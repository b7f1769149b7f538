"""Every way in which a request is not answered, with the status and the code that its client sees."""

STATUS = {  # code: HTTP status
    "invalid_request": 400,
    "not_found": 404,
    "method_not_allowed": 405,
    "body_too_slow": 408,
    "too_large": 413,
    "unsupported_media_type": 415,
    "throttled": 429,
    "internal_error": 500,
    "upstream_failed": 502,
    "busy": 503,
    "not_deployed": 503,
    "upstream_timeout": 504,
}


class Refusal(Exception):
    """The message is for the client; `cause` is for the log, and never holds anything of a review."""

    def __init__(self, code: str, message: str, *, cause: str = "", **headers: str) -> None:
        super().__init__(message)
        self.code, self.status = code, STATUS[code]
        self.cause = cause
        self.headers = {name.replace("_", "-"): value for name, value in headers.items()}


def later(code: str, message: str, seconds: float = 1, cause: str = "") -> Refusal:
    """One that says when to come again."""
    return Refusal(code, message, cause=cause, Retry_After=str(max(1, round(seconds))))
