"""Both adapters of the handler, in front of one model server that a test can make fail."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from browser import browser, tab, visit, visiting  # noqa: F401  fixtures of the page in a browser
from moto.server import ThreadedMotoServer
from pages import BUCKET, ENDPOINT, PREFIX, LambdaPage, LocalPage, Page, client
from upstream import Upstream, good

from web import lambda_function

ADAPTERS = ("local", "lambda", "lambda-base64")


@pytest.fixture(scope="session")
def model_server() -> Iterator[Upstream]:
    with Upstream().serving() as upstream:
        yield upstream


@pytest.fixture
def upstream(model_server: Upstream) -> Upstream:
    model_server.answers = good
    model_server.asked.clear()
    return model_server


@pytest.fixture(scope="session")
def s3_url() -> Iterator[str]:
    running = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    running.start()
    yield "http://{}:{}".format(*running.get_host_and_port())
    running.stop()


@pytest.fixture(scope="session")
def local_page(model_server: Upstream, tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalPage]:
    page = LocalPage(model_server.url, tmp_path_factory.mktemp("s3"))
    yield page
    page.close()


@pytest.fixture
def new_local_page(model_server: Upstream, tmp_path: Path) -> Iterator[Callable[..., LocalPage]]:
    """Makes another one, of other settings."""
    made: list[LocalPage] = []

    def make(runtime_url: str = model_server.url, **settings: object) -> LocalPage:
        made.append(LocalPage(runtime_url, tmp_path / "s3", **settings))
        return made[-1]

    yield make
    for page in made:
        page.close()


@pytest.fixture
def lambda_variables(model_server: Upstream, s3_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the function finds in its environment, and an S3 that holds no correction yet."""
    variables = {
        "ENDPOINT_NAME": ENDPOINT,
        "CORRECTIONS_URI": f"s3://{BUCKET}/{PREFIX}",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_ACCESS_KEY_ID": "none",
        "AWS_SECRET_ACCESS_KEY": "none",
        "AWS_ENDPOINT_URL_SAGEMAKER_RUNTIME": model_server.url,
        "AWS_ENDPOINT_URL_S3": s3_url,
    }
    for name, value in variables.items():
        monkeypatch.setenv(name, value)


@pytest.fixture
def fresh_function(lambda_variables: None) -> Iterator[None]:
    """One that makes its clients anew, and leaves none of them to other tests."""
    lambda_function._handler.cache_clear()
    yield
    lambda_function._handler.cache_clear()


@pytest.fixture(scope="session")
def bucket(s3_url: str) -> Iterator[object]:
    s3 = client("s3", s3_url)
    s3.create_bucket(Bucket=BUCKET)
    yield s3
    s3.close()


@pytest.fixture(params=ADAPTERS)
def page(request: pytest.FixtureRequest, upstream: Upstream) -> Page:
    if request.param == "local":
        return request.getfixturevalue("local_page")
    request.getfixturevalue("lambda_variables")
    return LambdaPage(request.getfixturevalue("bucket"), in_base64=request.param == "lambda-base64")
