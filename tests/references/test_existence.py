"""Whether what a reference names is there, asked of real repositories, buckets, tables and registries."""

from __future__ import annotations

import base64
import json
import re
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache, partial
from pathlib import Path
from typing import Any

import pytest

import lockgate
from environments.build import environment
from helpers.fakes import facts
from helpers.web import Request, reply, serving
from lockgate.evaluation.provenance.complete import Provenance
from lockgate.hashing import sha256
from lockgate.references import Kind, Reference, parse
from lockgate.references.existence import look_up
from lockgate.registries.ports import ModelVersion

from .conftest import BUNDLE, FIRST, SECOND, git

DATA = {
    "data/holdout.csv": "id,label\n1,0\n2,1\n3,1\n",
    "data/parts/a.csv": "a\n1\n",
    "data/parts/deep/b.csv": "a\n2\n",
}


def ask(text: str, root: Path, kind: Kind = "data") -> Reference:
    """What is looked up; what a remedy says to write is pinned, and there."""
    reference = look_up(parse(text, kind=kind), root)
    written = re.match(r"write (\S+), which ", reference.remedy)
    if written is not None:
        followed = look_up(parse(written[1], kind=kind), root)
        assert (followed.pinned, followed.exists, followed.remedy) == (True, True, "")
    return reference


def test_a_commit_is_looked_for_in_the_checkout(checkout: Path) -> None:
    """A commit, of it a file, and not a tree, nor one that nobody has."""
    tree = git(checkout, "rev-parse", "HEAD^{tree}")

    assert ask(FIRST, checkout, "code").exists
    assert ask(f"git:dvc.yaml@{FIRST}", checkout).exists
    assert ask(f"data/holdout.csv@{FIRST}", checkout).exists  # which DVC kept
    lost = ask("1" * 40, checkout, "code")
    assert (lost.pinned, lost.exists, lost.why) == (True, False, f"this repository has no commit {'1' * 12}")
    assert f"git fetch origin {'1' * 40}" in lost.remedy
    assert ask(tree, checkout, "code").why == "it is no commit, it is a tree"
    for path in ("none.csv", "../x", "/etc/passwd", "a\nb"):
        assert not ask(f"git:{path}@{FIRST}", checkout).exists


def test_a_branch_is_told_the_commit_that_it_is_now(checkout: Path) -> None:
    """Also in the middle of a reference; a name that is none here keeps its remedy."""
    git(checkout, "tag", "v1", FIRST)

    assert ask("main", checkout, "code").remedy == f"write {SECOND}, which main is in this checkout now"
    assert ask("v1", checkout, "code").remedy == f"write {FIRST}, which v1 is in this checkout now"
    assert ask(FIRST[:9], checkout, "code").remedy.startswith(f"write {FIRST}, ")
    assert ask("dvc:data/parts@main", checkout).remedy.startswith(f"write dvc:data/parts@{SECOND}, ")
    assert "git rev-parse other" in ask("other", checkout, "code").remedy


def test_what_a_checkout_cannot_tell_is_left_open(checkout: Path, tmp_path: Path) -> None:
    """Outside of one, in a clone that was cut, of another repository; its own is known by its address."""
    git(checkout, "remote", "set-url", "origin", "git@github.com:org/fraud.git")
    shallow = tmp_path / "shallow"
    subprocess.run(["git", "clone", "-q", "--depth=1", f"file://{checkout.parent}", str(shallow)], check=True)

    assert ask(f"https://github.com/org/fraud/commit/{FIRST}", checkout).exists
    for text, root, reason in [
        (FIRST, tmp_path, "there is no checkout here"),
        (FIRST, shallow, "this clone was cut"),
        (f"https://github.com/org/other/commit/{FIRST}", checkout, "it is in another repository"),
    ]:
        left = ask(text, root, "code")
        assert (left.exists, left.pinned) == (None, True)
        assert reason in left.why


@pytest.mark.parametrize(
    ("path", "md5"),
    [
        ("data/holdout.csv", "eeda42b20ed3b944a74c84b1400831da"),
        ("data/clean.csv", "b3082012a3021455c451963ccdcf1fde"),
        ("data/parts", "18a378d814b5b8a7826f8b807104c695.dir"),
        ("data/parts/deep/b.csv", "18a378d814b5b8a7826f8b807104c695.dir"),
    ],
)
def test_what_dvc_kept_is_read_from_git(checkout: Path, path: str, md5: str) -> None:
    """From a .dvc file, of the folder above too, and from dvc.lock; neither DVC nor the data are there."""
    reference = ask(f"dvc:{path}@{SECOND}", checkout)

    assert (reference.exists, reference.parts["md5"]) == (True, md5)
    assert ask(f"{path}.dvc@{SECOND}", checkout) == Reference(**{**vars(reference), "text": f"{path}.dvc@{SECOND}"})


def test_what_dvc_did_not_keep_is_said(checkout: Path) -> None:
    """At another commit, of another path, and of a commit that nobody has."""
    assert "git add nothing.csv.dvc" in ask(f"dvc:nothing.csv@{FIRST}", checkout).remedy
    assert ask(f"dvc:data/holdout.csv@{'1' * 40}", checkout).exists is False
    assert ask("md5:eeda42b20ed3b944a74c84b1400831da", checkout).exists is None
    named = checkout / "data" / "other.dvc"
    named.write_text("outs:\n- {md5: 0a, path: rows.csv}\n")
    git(checkout, "add", "-f", ".")
    git(checkout, "-c", "user.name=D", "-c", "user.email=d@example.org", "commit", "-qm", "three")
    assert ask(f"dvc:data/rows.csv@{git(checkout, 'rev-parse', 'HEAD')}", checkout).parts["md5"] == "0a"


def test_an_object_is_looked_for_in_its_version(s3: Any, tmp_path: Path) -> None:
    """Written over, deleted and never there; of one without a version, the current one is named."""
    s3.create_bucket(Bucket="kept")
    s3.put_bucket_versioning(Bucket="kept", VersioningConfiguration={"Status": "Enabled"})
    first = s3.put_object(Bucket="kept", Key="train.csv", Body=b"1")["VersionId"]
    second = s3.put_object(Bucket="kept", Key="train.csv", Body=b"2")["VersionId"]
    s3.put_object(Bucket="kept", Key="gone.csv", Body=b"1")
    mark = s3.delete_object(Bucket="kept", Key="gone.csv")["VersionId"]
    s3.create_bucket(Bucket="plain")
    s3.put_object(Bucket="plain", Key="train.csv", Body=b"1")

    old = ask(f"s3://kept/train.csv?versionId={first}", tmp_path)
    assert (old.exists, old.pinned) == (True, True)
    assert "it was written at 20" in old.why
    assert ask("s3://kept/train.csv", tmp_path).remedy == (
        f"write s3://kept/train.csv?versionId={second}, which is its current version"
    )
    for text in ("train.csv?versionId=3sL4kqtJ", f"gone.csv?versionId={mark}", "gone.csv", "never.csv"):
        assert ask(f"s3://kept/{text}", tmp_path).exists is False
    s3.put_object(Bucket="plain", Key="summed.csv", Body=b"1", ChecksumAlgorithm="SHA256")
    assert ask(f"s3://plain/summed.csv#{sha256(b'1').replace(':', '=')}", tmp_path).exists
    other = ask(f"s3://plain/summed.csv#{sha256(b'2').replace(':', '=')}", tmp_path)
    assert (other.exists, other.why) == (False, f"the object has the digest {sha256(b'1')}")
    assert "the bucket keeps no versions" in ask("s3://plain/train.csv", tmp_path).why
    assert ask("s3://kept/", tmp_path).exists is None


def test_a_store_that_cannot_be_asked_leaves_it_open(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Nobody listens there, or the package is missing."""
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        port = closed.getsockname()[1]
        monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{port}")
        for text, kind in [("s3://kept/t.csv?versionId=1", "data"), (f"127.0.0.1:{port}/a:1", "image")]:
            assert ask(text, tmp_path, kind).exists is None  # type: ignore[arg-type]
    for package, text in [("botocore", "s3://b/k"), ("deltalake", "delta:lake@v1"), ("google.cloud", "bq://p.d.t")]:
        monkeypatch.setitem(sys.modules, package, None)
        assert "is not installed" in ask(text, tmp_path).why


def test_a_delta_table_is_looked_for_in_its_version(tmp_path: Path) -> None:
    """By its log; of one without a version, the newest is named."""
    deltalake = pytest.importorskip("deltalake", reason="needs lockgate[delta]")
    import pyarrow as pa

    for _ in range(2):
        deltalake.write_deltalake(str(tmp_path / "lake"), pa.table({"a": [1]}), mode="append")

    assert ask("delta:lake@v0", tmp_path).exists
    assert (
        ask(f"delta:{tmp_path}/lake", tmp_path).remedy == f"write delta:{tmp_path}/lake@v1, which is its newest version"
    )
    beyond, nowhere = ask("delta:lake@v2", tmp_path), ask("delta:./none@v2", tmp_path)
    assert (beyond.exists, beyond.remedy) == (False, "name one that its log has; the newest is 1")
    assert (nowhere.exists, nowhere.why) == (False, "there is no Delta table")
    assert ask("main.fraud.train@v2", tmp_path).exists is None


def test_bigquery_is_asked_by_what_describes_its_tables(tmp_path: Path) -> None:
    """A partition has rows or is none, and a snapshot is pinned by what it is; asked of an emulator by Google's client."""
    python = environment("bqemulator") / "bin" / "python"
    names = ["train$20240115", "train$20240117", "train_20240115", "train", "none"]
    story = subprocess.run(
        [python, Path(__file__).with_name("bigquery_story.py"), *(f"bq://p.fraud.{name}" for name in names)],
        capture_output=True, text=True, check=False, env={"PYTHONPATH": str(Path(lockgate.__file__).parents[1]), "HOME": str(tmp_path)},
    )  # fmt: skip

    assert story.returncode == 0, story.stderr
    assert json.loads(story.stdout.splitlines()[-1]) == [
        [True, True, "it is the partition 20240115 of p.fraud.train; it has 2 rows"],
        [True, False, "p.fraud.train has no partition 20240117"],
        [True, True, "it is a snapshot, which is never written again"],
        [False, True, "it is a table, whose rows may change"],
        [False, False, "BigQuery has no table p.fraud.none"],
    ]


@contextmanager
def registry(folder: Path, settings: str = "") -> Iterator[str]:
    """The address of a real registry of images, of which nothing is stored yet."""
    for program in ("docker-registry", "skopeo", "umoci"):
        if shutil.which(program) is None:
            pytest.skip(f"{program} is not installed")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    (folder / "registry.yml").write_text(
        f"version: 0.1\nstorage: {{filesystem: {{rootdirectory: {folder}/store}}}}\nhttp: {{addr: '127.0.0.1:{port}'}}\n{settings}"
    )
    server = subprocess.Popen(["docker-registry", "serve", str(folder / "registry.yml")], stderr=subprocess.DEVNULL)
    try:
        yield f"127.0.0.1:{port}"
    finally:
        server.terminate()
        server.wait()


def pushed(host: str, folder: Path) -> str:
    """The digest of serving/fraud:1.0, an image that is made and pushed there, with what `skopeo login` stored."""
    subprocess.run(["umoci", "init", "--layout", "image"], cwd=folder, check=True)
    subprocess.run(["umoci", "new", "--image", "image:base"], cwd=folder, check=True)
    copy = ["skopeo", "copy", "-q", "--retry-times", "5", "--dest-tls-verify=false", "--digestfile", "digest"]
    subprocess.run([*copy, "oci:image:base", f"docker://{host}/serving/fraud:1.0"], cwd=folder, check=True)
    return (folder / "digest").read_text().strip()


def test_an_image_is_looked_for_by_its_digest(tmp_path: Path) -> None:
    """In a real registry; a tag is resolved, and the remedy names its digest."""
    with registry(tmp_path) as host:
        digest = pushed(host, tmp_path)

        assert ask(f"{host}/serving/fraud@{digest}", tmp_path, "image").exists
        tag = ask(f"{host}/serving/fraud:1.0", tmp_path, "image")
        assert (tag.pinned, tag.exists) == (False, True)
        assert tag.remedy == f"write {host}/serving/fraud@{digest}, which 1.0 stands for now"
        for missing in (f"fraud@sha256:{'0' * 64}", "fraud:2.0", "other:1.0"):
            assert ask(f"{host}/serving/{missing}", tmp_path, "image").exists is False


def test_a_registry_that_wants_a_login_is_asked_by_skopeo(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With the credentials that it stored; without them nobody can tell."""
    (tmp_path / "users").write_text("dana:$2b$04$QiyMvrFjRh55J6RfPy26G.KzwLCcmzB3Im4GlDqVRLkAwLeSzM./2\n")
    with registry(tmp_path, f"auth: {{htpasswd: {{realm: r, path: {tmp_path}/users}}}}\n") as host:
        monkeypatch.setenv("REGISTRY_AUTH_FILE", str(tmp_path / "auth.json"))
        encoded = base64.b64encode(b"dana:testing-secret").decode()
        (tmp_path / "auth.json").write_text(json.dumps({"auths": {host: {"auth": encoded}}}))
        digest = pushed(host, tmp_path)

        assert ask(f"{host}/serving/fraud:1.0", tmp_path, "image").remedy.startswith(
            f"write {host}/serving/fraud@{digest}, "
        )
        assert ask(f"{host}/serving/fraud:2.0", tmp_path, "image").exists is False
        (tmp_path / "auth.json").write_text("{}")
        stranger = ask(f"{host}/serving/fraud@{digest}", tmp_path, "image")
        assert (stranger.exists, "the job must be logged in to it" in stranger.why) == (None, True)


def test_a_registry_that_hands_out_tokens_is_asked_with_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As those of Docker and GitHub do, to anybody; a realm that is not its own kind of address is not asked."""
    digest = f"sha256:{'a' * 64}"

    def answer(request: Request, _: socket.socket) -> bytes:
        if request.path.startswith("/odd"):
            return reply(200, ["no map"])
        if request.path.startswith("/token"):
            return reply(200, {"token": request.path})
        token = "Bearer /token?service=r&scope=repository%3Aserving%2Ffraud%3Apull"
        if request.headers.get("authorization") == token and "index.v1+json" in request.headers["accept"]:
            return reply(200, Docker_Content_Digest=digest)
        elsewhere = {"evil": "http://192.0.2.1", "broken": "https://[", "odd": f"{web.url}/odd"}
        realm = elsewhere.get(request.path.split("/")[3], web.url)
        scope = 'service="r",scope="repository:serving/fraud:pull"'
        return reply(401, WWW_Authenticate=f'Bearer realm="{realm}/token",{scope}')

    monkeypatch.setenv("PATH", "")  # without skopeo
    with serving(answer) as web:
        host = web.url.partition("://")[2]
        assert ask(f"{host}/serving/fraud:1.0", tmp_path, "image").remedy.startswith(
            f"write {host}/serving/fraud@{digest}, "
        )
        for name in ("evil", "broken", "odd"):
            assert ask(f"{host}/serving/{name}:1.0", tmp_path, "image").exists is None


def test_a_remedy_is_a_command_that_says_what_to_write(checkout: Path) -> None:
    """Followed as it is written, in place of its ellipsis, it pins the reference."""
    (checkout / "my rows.csv").write_text(DATA["data/holdout.csv"])
    for text, kind in [("main", "code"), (FIRST[:8], "code"), ("my rows.csv", "data"), ("./data/rows.csv", "data")]:
        (checkout / "data" / "rows.csv").write_text("a\n1\n")
        remedy = parse(text, kind=kind).remedy  # type: ignore[arg-type]
        command = (re.search(r"`(.+)`", remedy) or re.search(r": (git rev-parse .+)", remedy))[1]  # type: ignore[index]
        said = subprocess.run(command, shell=True, cwd=checkout, capture_output=True, text=True, check=True).stdout
        form = re.match(r"write (.+?)…", remedy)
        assert parse(f"{form[1] if form else ''}{said.split()[0]}", kind=kind).pinned  # type: ignore[arg-type]


def test_what_nobody_can_be_asked_about_stays_open(tmp_path: Path) -> None:
    """No request is sent for it."""
    for text in ("https://host.example/t.csv", "wandb:org/fraud/train:v3", "train", "s3://bucket/part/"):
        assert ask(text, tmp_path) == parse(text)
    assert BUNDLE.stat().st_size < 4096


def test_the_facts_of_a_version_are_held_against_what_is_there(checkout: Path, tmp_path: Path) -> None:
    """A commit that nobody has is none, nor data that DVC did not keep; what it kept is, and its code too."""
    kept, lost = f"data/holdout.csv.dvc@{SECOND}", f"data/none.csv.dvc@{SECOND}"
    for source, commit, counts in [(kept, SECOND, (1, 1)), (lost, "1" * 40, (0, 0))]:
        logged = ({"name": "train", "source_type": "local", "source": json.dumps({"uri": source})},)
        version = facts(ModelVersion("fraud", "7"), tmp_path, commit=commit, datasets=logged)
        look_up_once = cache(partial(look_up, root=checkout))
        for _ in ("of one gate", "of another"):
            subjects = ["training_data", "code_commit"]
            collected = Provenance(version, look_up=look_up_once).collect(subjects, needed=subjects)
            assert (collected["training_data"].count, collected["code_commit"].count) == counts
        assert look_up_once.cache_info().misses == len(subjects)
    assert "git fetch origin 1111" in collected["code_commit"].remedy
    assert "dvc add data/none.csv" in collected["training_data"].remedy
