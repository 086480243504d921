"""Buckets and databases that the client reads itself: whatever their libraries raise is a sentence, and exit 4."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

import pytest

from helpers.proxy import Proxy, Reply
from helpers.servers import free_port
from lockgate.cli import main
from lockgate.errors import Denied, LockgateError, NotFound, RegistryError, Unavailable, UnknownOutcome
from lockgate.registries.mlflow import faults, session
from lockgate.registries.mlflow.client import MlflowClient
from lockgate.registries.mlflow.registry import MlflowRegistry

BUCKETS = {
    "s3://bucket/models/1": ("boto3", "s3"),
    "gs://bucket/models/1": ("google.cloud", "gcs"),
    "wasbs://models@acme.blob.core.windows.net/1": ("azure", "azure"),
    "abfss://models@acme.dfs.core.windows.net/1": ("azure", "azure"),
}


@pytest.fixture
def uri(blank: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A database of MLflow, on a machine without credentials for anything."""
    shutil.copy(blank, tmp_path / "mlflow.db")
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE", "GOOGLE_APPLICATION_CREDENTIALS"):
        monkeypatch.delenv(name, raising=False)
    for name in ("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"):
        monkeypatch.setenv(name, str(tmp_path / "absent"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-west-1")
    return f"sqlite:///{tmp_path}/mlflow.db"


def fetch(uri: str, source: str, folder: Path) -> LockgateError:
    """What fetching a version fails with whose files lie there."""
    from mlflow import MlflowClient as Client

    client = Client(uri, uri)
    client.create_registered_model("fraud")
    client.create_model_version("fraud", source)
    registry = MlflowRegistry(uri)
    with pytest.raises(LockgateError) as raised:
        registry.fetch(registry.version("fraud", "1"), folder)
    return raised.value


@pytest.mark.parametrize("source", BUCKETS)
def test_a_library_that_is_missing_is_named_with_its_extra(
    uri: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, source: str
) -> None:
    """Before anything is asked of the store, which is named with its bucket."""
    module, extra = BUCKETS[source]
    monkeypatch.setitem(sys.modules, module, None)

    error = fetch(uri, source, tmp_path / "files")

    assert f"the store at {source} needs {module}" in error.message
    assert "which is not installed, while reading the files of fraud version 1" in error.message
    assert error.remedy == f'pip install "lockgate[{extra}]"'


def test_credentials_that_are_missing_are_told_as_such(
    uri: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By boto3 itself, which finds none."""
    import boto3
    from mlflow.store.artifact import s3_artifact_repo

    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    for name in ("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"):
        monkeypatch.setenv(name, str(tmp_path / "absent"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setattr(boto3, "DEFAULT_SESSION", None)  # another test's has credentials
    s3_artifact_repo._cached_get_s3_client.cache_clear()
    error = fetch(uri, "s3://bucket/models/1", tmp_path / "files")

    assert type(error) is Denied
    assert "the store at s3://bucket/models/1 does not let us in while reading the files of fraud" in error.message
    assert "Unable to locate credentials" in error.message
    assert "AWS_" in str(error.remedy)


@pytest.mark.parametrize(
    ("source", "problem", "remedy"),
    [
        ("hdfs://namenode:8020/models/1", "needs a shared library that is not on this machine", "JAVA_HOME"),
        ("dbfs:/models/1", "cannot be used from here", "DATABRICKS_"),
    ],
)
def test_what_this_machine_lacks_for_a_store_is_told_at_once(
    uri: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, source: str, problem: str, remedy: str
) -> None:
    """Nothing that passes: it is not waited for."""
    monkeypatch.setattr(session, "give_up", lambda address: pytest.fail("it was taken for a fault that may pass"))
    monkeypatch.setenv(session.BUDGET, "0.01")
    monkeypatch.setenv("HADOOP_HOME", str(tmp_path))
    monkeypatch.setenv("JAVA_HOME", str(tmp_path))

    error = fetch(uri, source, tmp_path / "files")

    assert type(error) is RegistryError
    assert f"the store at {source} {problem} while reading the files of fraud version 1" in error.message
    assert remedy in str(error.remedy)


@pytest.mark.parametrize(
    ("status", "code", "kind"),
    [
        (403, "AccessDenied", Denied),
        (404, "NoSuchBucket", NotFound),
        (500, "InternalError", Unavailable),
        (0, "", Unavailable),
    ],
)
def test_what_a_bucket_answers_becomes_our_words(
    uri: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, status: int, code: str, kind: type[RegistryError]
) -> None:
    """By its HTTP status, which the libraries of all clouds carry; 0: nobody is there."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", f"key-{status}")  # MLflow keeps one client for each
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "s3cret")
    body = f"<Error><Code>{code}</Code><Message>no</Message></Error>".encode()
    with Proxy("http://127.0.0.1:9", lambda asked: Reply(status, body)) as store:
        monkeypatch.setenv("MLFLOW_S3_ENDPOINT_URL", store.uri if status else f"http://127.0.0.1:{free_port()}")
        error = fetch(uri, "s3://bucket/models/1", tmp_path / "files")

    assert type(error) is kind, error
    assert error.message.startswith("the store at s3://bucket/models/1 ")
    assert (code or "the connection is refused") in error.message
    assert "s3cret" not in str(error)


@pytest.mark.parametrize(
    ("address", "module", "remedy"),
    [
        ("postgresql://u:s3cret@127.0.0.1/db", "psycopg", 'pip install "lockgate[postgresql]"'),
        ("postgresql+psycopg2://u:s3cret@127.0.0.1/db", "psycopg2", 'pip install "lockgate[postgresql]"'),
        ("mysql+pymysql://u:s3cret@127.0.0.1/db", "pymysql", 'pip install "lockgate[mysql]"'),
        ("mysql://u:s3cret@127.0.0.1/db", "MySQLdb", "write mysql+pymysql://"),
        ("mssql+pyodbc:///?odbc_connect=PWD%3Ds3cret", "pyodbc", "pip install pyodbc"),
    ],
)
def test_a_driver_that_is_missing_is_named(
    monkeypatch: pytest.MonkeyPatch, address: str, module: str, remedy: str
) -> None:
    """With the extra, where there is one, and without the password."""
    monkeypatch.setitem(sys.modules, module, None)

    with pytest.raises(RegistryError, match=f"needs {module}, which is not installed") as raised:
        MlflowRegistry(address).aliases("fraud")

    assert remedy in str(raised.value.remedy)
    assert "s3cret" not in str(raised.value)


def test_a_database_that_is_gone_costs_seconds() -> None:
    """MLflow alone would try for more than a minute and a half."""
    with pytest.raises(Unavailable, match="Connection refused") as raised:
        MlflowRegistry(f"postgresql+psycopg2://u:s3cret@127.0.0.1:{free_port()}/db").aliases("fraud")

    assert "s3cret" not in str(raised.value)


@pytest.mark.parametrize(
    "raised", [KeyError("Contents"), RuntimeError("two\nlines"), TypeError(), OSError("disk"), Exception("x")]
)
def test_whatever_a_library_raises_is_a_sentence(uri: str, raised: Exception) -> None:
    """A net, no list: with the name of its type; of a write nobody knows whether it happened."""

    def call(stores: object) -> None:
        raise raised

    client = MlflowClient(uri)
    with pytest.raises(RegistryError, match=f"while reading it: {type(raised).__name__}"):
        client.read("it", call)
    with pytest.raises(UnknownOutcome, match=f"while writing it.*{type(raised).__name__}"):
        client.write("it", call)


def test_a_store_that_cannot_be_read_ends_with_4(
    uri: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """1 would say that the candidate failed."""
    monkeypatch.setitem(sys.modules, "google.cloud", None)
    monkeypatch.chdir(tmp_path)
    fetch(uri, "gs://bucket/models/1", tmp_path / "files")
    pipeline = f"model: fraud\ntask: binary\nregistry: {{uri: '{uri}'}}\ncandidate: {{version: 1}}\ngates: [{{gate: signature}}]\n"
    (tmp_path / "fraud.yaml").write_text(
        f"{pipeline}signoff: {{require: {{owners: 0}}, separation_of_duties: false}}\nchampion: {{alias: production, else: none}}\n"
    )

    code = main.run(["run", "fraud.yaml"])

    shown = capsys.readouterr().err
    assert (code, "Traceback" in shown) == (4, False), shown
    assert 'pip install "lockgate[gcs]"' in shown


@pytest.mark.parametrize(
    ("address", "shown"),
    [
        ("http://ana:hunter2@host:5000/x?token=t#f", "http://host:5000/x"),
        ("http://ana:hun@ter2@host/x", "http://host/x"),
        ("https://t0ken@host", "https://host"),
        ("wasbs://models@acme.blob.core.windows.net/1", "wasbs://models@acme.blob.core.windows.net/1"),
        ("wasbs://models:key@acme.blob.core.windows.net/1", "wasbs://acme.blob.core.windows.net/1"),
        ("mssql+pyodbc:///?odbc_connect=PWD%3Dx", "mssql+pyodbc:///"),
        ("sqlite:////tmp/a@b.db", "sqlite:////tmp/a@b.db"),
        ("http://[::1", "http://[::1"),
    ],
)
def test_addresses_are_shown_without_what_opens_them(address: str, shown: str) -> None:
    """User, password and query go, however the address is written."""
    assert faults.redacted(address) == shown
