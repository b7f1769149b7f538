"""local serve: the local service on its own."""

import threading
from contextlib import suppress
from typing import TextIO

from pipeline import sessions, settings


def serve(port: int, stream: TextIO) -> None:
    """Say how other clients find it, and serve until Ctrl-C."""
    config = settings.load("local")
    with (
        suppress(KeyboardInterrupt),
        sessions.local_service(config, sessions.state_folder(), port) as url,
    ):
        print(
            f"the local service listens on {url}; Ctrl-C ends it\n\n"
            f"export AWS_ENDPOINT_URL_SAGEMAKER={url} AWS_ENDPOINT_URL_SAGEMAKER_RUNTIME={url}\n"
            f"export AWS_DEFAULT_REGION={config.region} AWS_ACCESS_KEY_ID=none AWS_SECRET_ACCESS_KEY=none\n"
            "export SAGEMAKER_VALIDATE_ROLE=false",  # else the SageMaker SDK asks AWS about the role
            file=stream,
            flush=True,
        )
        threading.Event().wait()
