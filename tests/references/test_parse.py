"""What pins a reference, and what does not: by its form alone, nothing is opened."""

from __future__ import annotations

import json

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from lockgate.references import Kind, Reference, parse, parse_dataset
from lockgate.text import without_secrets

COMMIT = "759cd935f1a2b3c4d5e6f708192a3b4c5d6e7f80"
DIGEST = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"
MD5 = "3b9bcffa0123456789abcdef01234567"

PINNED = [
    # git
    (COMMIT, "code", "git"),
    (COMMIT.upper(), "code", "git"),
    (DIGEST, "code", "git"),
    (f"git:{COMMIT}", "code", "git"),
    (f"git+https://github.com/org/fraud@{COMMIT}#subdirectory=x", "code", "git"),
    (f"https://github.com/org/fraud/commit/{COMMIT}", "code", "git"),
    (f"https://gitlab.example/group/fraud/-/tree/{COMMIT}/src", "code", "git"),
    (f"https://raw.githubusercontent.com/org/fraud/{COMMIT}/data/train.csv", "data", "git"),
    (f"data/train.csv@{COMMIT}", "data", "git"),
    (f"git:data/train.csv@{COMMIT}", "data", "git"),
    (COMMIT, "data", "git"),
    # stores
    ("s3://bucket/train.csv?versionId=3sL4kqtJlcpXroDTDmJ.rmSpXd3dIbrHY", "data", "s3"),
    ("s3a://bucket/latest/train.csv?versionId=3sL4kqtJ", "data", "s3"),
    ("https://bucket.s3.eu-west-1.amazonaws.com/train.csv?versionId=3sL4kqtJ", "data", "s3"),
    ("https://s3.amazonaws.com/bucket/train.csv?versionId=3sL4kqtJ", "data", "s3"),
    (f"s3://bucket/train.csv#sha256={DIGEST}", "data", "s3"),
    ("gs://bucket/train.csv#1700000000123456", "data", "gcs"),
    ("gs://bucket/train.csv?generation=1700000000123456", "data", "gcs"),
    ("https://storage.googleapis.com/bucket/train.csv?generation=1700000000123456", "data", "gcs"),
    ("abfss://box@account.dfs.core.windows.net/t.csv?versionId=2024-01-15T10:00:00.1234567Z", "data", "azure"),
    ("https://account.blob.core.windows.net/box/t.csv?snapshot=2024-01-15T10:00:00.1234567Z&sig=secret", "data", "azure"),
    (f"https://host.example/train.csv#sha256={DIGEST}", "data", "http"),
    (f"https://host.example/latest/train.csv#sha256:{DIGEST}", "data", "http"),
    (f"https://host.example/data/raw/train.csv#sha256={DIGEST}", "data", "http"),
    (f"https://git.example/org/fraud/raw/{COMMIT}/train.csv", "data", "git"),
    (f"sha256:{DIGEST}", "data", "file"),
    (DIGEST, "data", "file"),
    (f"data/train.csv#sha256={DIGEST}", "data", "file"),
    (f"my data.csv@sha256:{DIGEST}", "data", "file"),
    (f"file:///data/train.csv#sha256={DIGEST}", "data", "file"),
    # dvc
    (f"dvc:data/train.csv@{COMMIT}", "data", "dvc"),
    (f"dvc://data/train@{COMMIT}", "data", "dvc"),
    (f"dvc://data/train.csv?rev={COMMIT}", "data", "dvc"),
    (f"data/train.csv.dvc@{COMMIT}", "data", "dvc"),
    (f"md5:{MD5}", "data", "dvc"),
    (f"md5:{MD5}.dir", "data", "dvc"),
    (f"s3://remote/files/md5/{MD5[:2]}/{MD5[2:]}", "data", "dvc"),
    (f"/srv/dvc/files/md5/{MD5[:2]}/{MD5[2:]}.dir", "data", "dvc"),
    # tables
    ("bq://project.dataset.table$20240115", "data", "bigquery"),
    ("bq://project.dataset.table$2024011507", "data", "bigquery"),
    ("bigquery://my-project.dataset.table@1700000000000", "data", "bigquery"),
    ("project:dataset.table$202401", "data", "bigquery"),
    ("/lake/holdout@v3", "data", "delta"),
    ("delta:lake/holdout@v3", "data", "delta"),
    ("s3://lake/holdout@v0", "data", "delta"),
    ("main.fraud.train@v12", "data", "delta"),
    ("delta:main.fraud.train@v12", "data", "delta"),
    ("delta://lake/holdout?version=3", "data", "delta"),
    ("s3://lake/holdout?versionAsOf=3", "data", "delta"),
    ("main.fraud.train VERSION AS OF 12", "data", "delta"),
    ("delta.`/lake/holdout` version as of 12", "data", "delta"),
    ("iceberg:catalog.fraud.train@8744736658442914487", "data", "iceberg"),
    ("iceberg://fraud.train?snapshot_id=8744736658442914487", "data", "iceberg"),
    ("fraud.train FOR SYSTEM_VERSION AS OF 8744736658442914487", "data", "iceberg"),
    ("s3://lake/t/metadata/00003-9c1a0e6e-3b0e-4b7e-9d4c-0a1b2c3d4e5f.metadata.json", "data", "iceberg"),
    # hubs
    ("wandb-artifact://org/fraud/train:v3", "data", "wandb"),
    ("wandb:org/fraud/train:v3", "data", "wandb"),
    ("org/fraud/train:v0", "data", "wandb"),
    ("https://wandb.ai/org/fraud/artifacts/dataset/train/v3", "data", "wandb"),
    (f"hf://datasets/org/fraud@{COMMIT}/train.csv", "data", "huggingface"),
    (f"https://huggingface.co/datasets/org/fraud/resolve/{COMMIT}/train.csv", "data", "huggingface"),
    # images
    (f"python@sha256:{DIGEST}", "image", "docker"),
    (f"registry.example:5000/serving/fraud:1.0@sha256:{DIGEST}", "image", "docker"),
    (f"docker://serving/fraud@sha256:{DIGEST}", "data", "docker"),
]  # fmt: skip

NOT_PINNED = [
    # (text, kind, scheme, a part of why, a part of the remedy)
    ("main", "code", "git", "main is the name of a branch, which moves", "git rev-parse main"),
    ("v1.2", "code", "git", "v1.2 is the name of a branch or a tag", "git rev-parse v1.2"),
    ("HEAD", "code", "git", "which moves", "git rev-parse HEAD"),
    ("--upload-pack=x", "code", "git", "a branch or a tag", "git rev-parse HEAD"),
    ("759cd93", "code", "git", "a short hash", "git rev-parse 759cd93"),
    (COMMIT[:39], "code", "git", "a short hash", "all 40 digits"),
    ("0" * 40, "code", "git", "there is no commit", "git rev-parse HEAD"),
    (f"{COMMIT}-dirty", "code", "git", "files differed from the commit", "commit them, and train again"),
    (f"{COMMIT}+dirty", "data", "git", "files differed from the commit", "commit them"),
    ("git+https://github.com/org/fraud@main", "code", "git", "main is the name of a branch", "rev-parse main"),
    ("https://github.com/org/fraud/tree/main/src", "code", "git", "main is the name of a branch", "rev-parse main"),
    ("https://raw.githubusercontent.com/org/fraud/main/train.csv", "data", "git", "a branch", "rev-parse main"),
    ("git:data/train.csv@main", "data", "git", "a branch", "rev-parse main"),
    ("s3://bucket/fraud/train.csv", "data", "s3", "it names no version id", "aws s3api head-object --bucket bucket --key fraud/train.csv"),
    ("s3://bucket/fraud/latest/train.csv", "data", "s3", "latest is a name for whatever is newest", "?versionId="),
    ("https://host.example/data/raw/train.csv", "data", "http", "it names no digest", "curl -sL"),
    ("https://git.example/org/fraud/raw/main/train.csv", "code", "git", "main is the name of a branch", "rev-parse main"),
    ("s3://bucket/fraud/Latest.csv", "data", "s3", "Latest.csv is a name for whatever is newest", "?versionId="),
    ("s3://bucket/fraud/dt=latest/", "data", "s3", "dt=latest is a name", "versionId"),
    ("s3://bucket/fraud/train/", "data", "s3", "it is a folder", "name one object with its version id"),
    ("s3://bucket/fraud/*.csv", "data", "s3", "it is a folder", "name one object"),
    ("s3://bucket", "data", "s3", "it is a folder", "name one object"),
    ("s3://bucket/train.csv?versionId=null", "data", "s3", "the version null is written over", "switch versioning on"),
    ("s3://bucket/train.csv?versionId=latest", "data", "s3", "it names no version id", "head-object"),
    ("s3://bucket/train.csv?versionId={version}", "data", "s3", "it names no version id", "head-object"),
    ("s3://bucket/train.csv?versionId=None", "data", "s3", "it names no version id", "head-object"),
    ("s3://bucket/train.csv?versionId=null&versionId=3sL4kqtJ", "data", "s3", "one key twice", "each key of its query once"),
    ("s3://bucket/train.csv?versionId=3sL4kqtJ&VersionID=9xYz", "data", "s3", "one key twice", "each key of its query once"),
    (f"https://github.com/org/fraud/tree/{COMMIT}/../main", "code", "git", "its path leads back", "after redirects"),
    (f"https://github.com/org/fraud/blob/{COMMIT}/%2e%2e/main/t.csv", "data", "git", "its path leads back", "after redirects"),
    ("s3://bucket/train.csv?versionId=…", "data", "s3", "it names no version id", "head-object"),
    ("s3://bucket/train.csv?versionId=", "data", "s3", "it names no version id", "head-object"),
    ("s3://bucket/2024-01-15/v3/", "data", "s3", "the policy takes no dated path", "name one object"),
    ("gs://bucket/train.csv", "data", "gcs", "it names no generation", "gcloud storage objects describe gs://bucket/train.csv"),
    ("gs://bucket/train.csv#0", "data", "gcs", "it names no generation", "#…"),
    ("abfss://box@account.dfs.core.windows.net/t.csv", "data", "azure", "no version id", "--container-name box --name t.csv"),
    ("https://account.blob.core.windows.net/box/t.csv?versionId=x", "data", "azure", "no version id", "az storage blob show"),
    ("https://bucket.example/fraud/latest/train.csv", "data", "http", "latest is a name", "#sha256="),
    ("https://bucket.example/2024-01-15/train.csv", "data", "http", "it names no digest", "curl -sL"),
    ("data/train.csv", "data", "file", "it names no digest", "sha256sum data/train.csv"),
    ("train.csv", "data", "file", "it names no digest", "train.csv#sha256="),
    ("/dbfs/current/train", "data", "file", "current is a name", "sha256sum"),
    ("dvc:data/train.csv", "data", "dvc", "it names no commit", "write data/train.csv.dvc@…"),
    ("dvc:data/train.csv@main", "data", "dvc", "main is the name of a branch", "rev-parse main"),
    ("data/train.csv.dvc@v1", "data", "dvc", "v1 is the name of", "rev-parse v1"),
    ("bq://project.dataset.table", "data", "bigquery", "it is a table, whose rows may change", "CREATE SNAPSHOT TABLE"),
    ("bq://project.dataset.table@-3600000", "data", "bigquery", "counts back from now", "$YYYYMMDD"),
    ("bq://project.dataset.table@17", "data", "bigquery", "no time in milliseconds", "$YYYYMMDD"),
    ("bq://project.dataset.table$__NULL__", "data", "bigquery", "no partition by time", "$YYYYMMDD"),
    ("bq://table", "data", "bigquery", "names no table of BigQuery", "project.dataset.table"),
    ("data/train@v3", "data", "delta", "or a tag of Git", "write delta:data/train@v3, or data/train.dvc@"),
    ("data/train.csv@v3", "data", "file", "it names no digest", "sha256sum data/train.csv@v3"),
    ("s3://bucket/train.csv@v3", "data", "s3", "it names no version id", "?versionId="),
    ("delta:main.fraud.train", "data", "delta", "it names no version of the table", "DESCRIBE HISTORY"),
    ("lake/holdout@20190101000000000", "data", "delta", "which a copy of the table changes", "lake/holdout@v"),
    ("t TIMESTAMP AS OF '2024-01-01'", "data", "delta", "a moment is looked up", "t@v"),
    ("iceberg:catalog.fraud.train", "data", "iceberg", "it names no snapshot", "snapshot_id"),
    ("iceberg:catalog.fraud.train@main", "data", "iceberg", "main is a branch or a tag", "snapshot_id"),
    ("main.fraud.train", "data", "table", "no version, snapshot or partition", "main.fraud.train@v3 for Delta"),
    ("wandb-artifact://org/fraud/train:latest", "data", "wandb", "latest is an alias", "org/fraud/train:latest"),
    ("org/fraud/train:best", "data", "wandb", "best is an alias", "wandb-artifact://org/fraud/train:vN"),
    ("wandb:org/fraud/train", "data", "wandb", "then takes latest", "wandb.Api()"),
    ("hf://datasets/org/fraud", "data", "huggingface", "it names no commit", "repo_info('org/fraud'"),
    ("https://huggingface.co/datasets/org/fraud/resolve/main/t.csv", "data", "huggingface", "main is a branch", "repo_info"),
    ("python:3.11", "image", "docker", "3.11 is a tag", "docker://python:3.11"),
    ("python", "image", "docker", "neither tag nor digest", "docker://python:latest"),
    ("localhost:5000/serving/fraud", "image", "docker", "neither tag nor digest", "docker://localhost:5000/serving/fraud:latest"),
    ("docker://serving/fraud:latest", "data", "docker", "latest is a tag", "write serving/fraud@sha256:"),
    ("-v /:/x", "image", "docker", "it names no image", "RepoDigests"),
    ("snowflake://db/table", "data", "", "snowflake:// is no scheme that is known", "write where it lies"),
    ("train", "data", "", "it has no form that is known", "write where it lies"),
    ("the usual data", "data", "", "it has no form that is known", "write where it lies"),
    ("", "data", "", "nothing is written", "write where it lies"),
    ("  ", "code", "", "nothing is written", "git rev-parse HEAD"),
    ("http://[", "data", "", "", ""),
    # numbers that are too long for one, a version of no table, and what no path and no address holds
    (f"gs://bucket/train.csv#{'9' * 5000}", "data", "gcs", "it names no generation", "#…"),
    (f"delta:lake/train?versionAsOf={'9' * 5000}", "data", "delta", "it names no version", "DESCRIBE HISTORY"),
    ("delta:?versionAsOf=3", "data", "delta", "it names no table", "write delta:TABLE@v"),
    (f"git:train\0.csv@{COMMIT}", "data", "", "it has a NUL in it", "write where it lies"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "kind", "scheme"), PINNED)
def test_what_can_only_be_one_thing_is_pinned(text: str, kind: Kind, scheme: str) -> None:
    """It says by what, and nothing needs to be changed."""
    reference = parse(f" {text}\n", kind=kind)

    assert (reference.scheme, reference.pinned, reference.remedy) == (scheme, True, "")
    assert reference.why.startswith("it ")


@pytest.mark.parametrize(("text", "kind", "scheme"), PINNED)
def test_what_people_see_of_a_pin_pins_too(text: str, kind: Kind, scheme: str) -> None:
    """It can be copied from a report into a pipeline; of an address that signs somebody in, what it names is left."""
    signed = text.replace("://", "://me:hunter22@", 1) if scheme in ("s3", "gcs", "http") else text
    seen = parse(signed, kind=kind).text

    assert "hunter22" not in seen
    assert (parse(seen, kind=kind).pinned, parse(seen, kind=kind).scheme) == (True, scheme)


@pytest.mark.parametrize(("text", "kind", "scheme", "reason", "remedy"), NOT_PINNED)
def test_what_may_be_another_thing_tomorrow_is_not(
    text: str, kind: Kind, scheme: str, reason: str, remedy: str
) -> None:
    """It says why, and what to write instead."""
    reference = parse(text, kind=kind)

    assert not reference.pinned
    if text != "http://[":
        assert reference.scheme == scheme
    assert reason in reference.why
    assert remedy in reference.remedy
    assert reference.why
    assert reference.remedy


@pytest.mark.parametrize(
    "path",
    [
        "training/2024-01-15/v3/",
        "dt=2024-01-15/t.csv",
        "2024/01/15/",
        "year=2024/month=01/day=15/t.csv",
        "t_20240115.csv",
    ],
)
def test_a_dated_path_is_pinned_where_the_policy_takes_it(path: str) -> None:
    """By custom nobody writes there again; nothing holds anybody to it."""
    for start in ("s3://bucket", "gs://bucket", "abfss://box@account.dfs.core.windows.net", "/mnt"):
        assert not parse(f"{start}/{path}").pinned
        assert (
            parse(f"{start}/{path}", dated=True).why
            == "it is of 2024-01-15, and the policy takes a dated path for a pin"
        )


@pytest.mark.parametrize(
    "path", ["latest/2024-01-15/", "2024-01-15/latest.csv", "2024-13-45/", "120240115/", "v3/t.csv"]
)
def test_a_dated_path_needs_a_day_and_nothing_that_moves(path: str) -> None:
    """Nor is a day on someone else's server one."""
    assert not parse(f"s3://bucket/{path}", dated=True).pinned
    assert not parse("https://host.example/2024-01-15/t.csv", dated=True).pinned


@pytest.mark.parametrize(
    "text", ["s3://bucket/latest_prices/2024-01-01/", "s3://b/prod/main/2024-01-01/current-account.csv"]
)
def test_a_word_inside_of_a_name_moves_nothing(text: str) -> None:
    """Whole parts of a path count."""
    assert parse(text, dated=True).pinned


@pytest.mark.parametrize(
    ("source_type", "source", "expected"),
    [
        ("s3", {"uri": "s3://bucket/train.csv?versionId=3sL4"}, ("s3", True)),
        ("s3", {"uri": "s3://bucket/train.csv"}, ("s3", False)),
        ("http", {"url": "https://bucket.example/fraud/latest/train.csv"}, ("http", False)),
        ("local", {"uri": "/home/me/train.csv"}, ("file", False)),
        ("delta_table", {"path": "/lake/t", "delta_table_version": 3}, ("delta", True)),
        ("delta_table", {"delta_table_name": "main.fraud.train", "delta_table_version": "3"}, ("delta", True)),
        ("delta_table", {"path": "/lake/t"}, ("delta", False)),
        ("hugging_face", {"path": "org/fraud", "config_name": None, "revision": COMMIT}, ("huggingface", True)),
        ("hugging_face", {"path": "org/fraud", "config_name": None, "revision": None}, ("huggingface", False)),
        ("spark", {"path": "s3://bucket/train/"}, ("s3", False)),
        ("spark", {"table_name": "fraud.train"}, ("table", False)),
        ("spark", {"sql": "select * from t"}, ("", False)),
        ("uc_volume", {"path": "/Volumes/main/fraud/v/train.csv"}, ("file", False)),
        ("mlflow_evaluation_dataset", {"dataset_id": "d-1"}, ("", False)),
        ("code", {"tags": {"mlflow.source.name": "train.py"}}, ("", False)),
    ],
)
def test_a_dataset_that_mlflow_logged_is_read(source_type: str, source: dict[str, object], expected: object) -> None:
    """From its fields, from them as JSON, and from its source alone where that says enough."""
    dataset = {"name": "train", "digest": "f00dcafe", "source_type": source_type, "source": json.dumps(source)}
    reference = parse_dataset(dataset)

    assert (reference.scheme, reference.pinned) == expected
    assert parse(json.dumps(dataset)) == reference
    assert bool(reference.remedy) is not reference.pinned
    if not reference.pinned or source_type != "delta_table":
        assert parse_dataset({"source": source}).pinned is reference.pinned


def test_a_digest_of_mlflow_pins_nothing() -> None:
    """It is eight digits over a part of the rows."""
    assert not parse_dataset({"digest": "f00dcafe", "source_type": "local"}).pinned
    assert not parse("f00dcafe").pinned


@pytest.mark.parametrize(
    ("text", "visible"),
    [
        ("https://user:word@host.example/t.csv?sig=word", "https://host.example/t.csv?…"),
        ("s3://key:word@bucket/t.csv?versionId=3sL4&sig=word", "s3://bucket/t.csv?versionId=3sL4&…"),
        ("https://a.blob.core.windows.net/b/t?snapshot=2024-01-15T10:00:00Z&sig=word",
         "https://a.blob.core.windows.net/b/t?snapshot=2024-01-15T10:00:00Z&…"),
        ("https://host.example/t.csv#word", "https://host.example/t.csv?…"),
        ("git+https://x:word@host.example/r@main", "git+https://host.example/r@main"),
        ("snowflake://me:word@db/t?word", "snowflake://db/t?…"),
        ("delta://x:word@lake/t", "delta://lake/t"),
    ],
)  # fmt: skip
def test_no_secret_of_an_address_is_told(text: str, visible: str) -> None:
    """Neither in its text, nor in why and remedy; what pins it is told."""
    reference = parse(text)

    assert reference.text == visible
    assert "word" not in repr(reference)


@given(
    st.sampled_from(
        [
            "https",
            "s3",
            "gs",
            "abfss",
            "wasbs",
            "delta",
            "git+https",
            "iceberg",
            "dvc",
            "bq",
            "hf",
            "docker",
            "wandb",
            "x",
        ]
    ),
    st.sampled_from(["https://{}", "{}", '{{"uri": "{}"}}', "{}@v3", "{}@main", "git:{}@x", "dvc:{}@x", "{}-dirty"]),
    st.sampled_from(["t.csv", "latest/", "", "o/n/tree/main/x", "2024-01-15/", "files/md5/ab/" + "0" * 30]),
    st.sampled_from(["data", "code", "image"]),
)
def test_a_password_is_never_told(scheme: str, form: str, path: str, kind: Kind) -> None:
    """Whatever the scheme makes of the address."""
    address = form.format(f"{scheme}://me:hunter22@host.example/{path}?sig=hunter22#hunter22")

    assert "hunter22" not in repr(parse(address, kind=kind))


SPICES = st.sampled_from(
    ["s3://", "gs://", "dvc:", "bq://", "git+https://", "@", "#", "?versionId=", "://", "{", '{"source":', "[", ":v1", ".",
     "iceberg:", "delta:", "hf://", "wandb:", "/", "latest", "2024-01-15", "sha256:", "docker://", "\0", "\ud800", COMMIT]
)  # fmt: skip


@given(st.lists(SPICES | st.text(max_size=12), max_size=8).map("".join), st.sampled_from(["data", "code", "image"]))
@example("{" * 10_000, "data")
@example("[" * 50_000 + '{"source": "x"}', "data")
@example("s3://" + "a" * 100_000, "data")
@example("a/" * 10_000 + "@", "data")
@example("x" + " " * 60_000 + "version as of", "data")
def test_no_text_raises(text: str, kind: Kind) -> None:
    """It is a reference, pinned or with the remedy that pins it."""
    for dated in (False, True):
        reference = parse(text, kind=kind, dated=dated)
        assert isinstance(reference, Reference)
        assert reference.why
        assert bool(reference.remedy) is not reference.pinned


@pytest.mark.parametrize(
    ("text", "form"),
    [
        ("s3://b/latest/train.csv", "s3://b/latest/train.csv?versionId=…"),
        ("gs://b/latest/train.csv", "gs://b/latest/train.csv#…"),
        ("https://host.example/latest/train.csv", "https://host.example/latest/train.csv#sha256=…"),
        ("s3://b/x.csv?versionId=null", "s3://b/x.csv?versionId=…"),
    ],
)
def test_a_remedy_shows_the_form_of_a_pin_where_addresses_are_hidden(text: str, form: str) -> None:
    """What stands for the pin that is to be written is no secret; reports cut what may be one."""
    remedy = parse(text, kind="data").remedy

    assert form in remedy
    assert without_secrets(remedy) == remedy
