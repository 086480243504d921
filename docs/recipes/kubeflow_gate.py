"""Kubeflow Pipelines: evaluate a candidate as a step, and promote it in a later run. Copy; change image, project and names.

`gate run` fails the step where a candidate failed (1), the pipeline or the call is wrong (2) or the environment broke (4);
what is undecided (3) is an output, `verdict`. Leave retries of the step off: Kubeflow would repeat a candidate that failed.
"""

from typing import NamedTuple

from kfp import compiler, dsl

IMAGE = (
    "registry.example.org/lockgate-fraud:1"  # with kfp, lockgate, the models' environment, and the checkout in /project
)


@dsl.component(base_image=IMAGE, install_kfp_package=False)
def gate_run(
    project: str,
    evidence: dsl.Output[dsl.Artifact],
    report: dsl.Output[dsl.HTML],
    pipeline: str = "",
    candidate: str = "",
    gate: str = "gate",
) -> NamedTuple("Run", [("digest", str), ("verdict", str), ("opens", str)]):
    """Run every gate and stage what may be approved.

    project: the checkout with `gates/`. candidate: a version; else the pipeline's own. gate: the command, or its path.
    """
    import json
    import shutil
    import subprocess

    named = [pipeline] * bool(pipeline) + ["--candidate", candidate] * bool(candidate)
    command = [gate, "run", *named, "--stage", "--json"]
    ended = subprocess.run(command, cwd=project, stdout=subprocess.PIPE, text=True, check=False)
    document = json.loads(ended.stdout or "{}")
    files = (document.get("run") or {}).get("files", {})
    for kind, artifact in (("evidence", evidence), ("html", report)):
        if kind in files:
            shutil.copyfile(files[kind], artifact.path)
    if ended.returncode not in (0, 3):
        raise RuntimeError(f"{' '.join(command)} ended with {ended.returncode}; see the log above")
    evidence.metadata.update({name: document[name] for name in ("digest", "verdict", "model", "candidate")})
    return document["digest"], document["verdict"], document["opens"]


@dsl.component(base_image=IMAGE, install_kfp_package=False)
def gate_promote(project: str, digest: str, gate: str = "gate"):
    """Promote the evidence of a digest; the step fails (3) while approvals are missing, and is run again once they are there."""
    import subprocess

    subprocess.run([gate, "promote", digest], cwd=project, check=True)


@dsl.pipeline(name="evaluate-fraud")
def evaluate(candidate: str = "", project: str = "/project"):
    """Owners approve the digest that it puts out, by `gate approve` or by comment."""
    gate_run(project=project, candidate=candidate).set_caching_options(False)


@dsl.pipeline(name="promote-fraud")
def promote(digest: str, project: str = "/project"):
    """Make it Production, once its owners have approved it."""
    gate_promote(project=project, digest=digest).set_caching_options(False)


if __name__ == "__main__":
    for pipeline in (evaluate, promote):
        compiler.Compiler().compile(pipeline, f"{pipeline.name}.yaml")
