"""The pages name files, modules, links and pipelines that there are."""

from __future__ import annotations

import base64
import hashlib
import re
from importlib import import_module
from importlib.metadata import entry_points
from importlib.util import find_spec
from pathlib import Path

import pytest

from lockgate.pipeline import loader

ROOT = Path(__file__).resolve().parents[1]
PAGES = [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *(ROOT / ".github").glob("*.md")]
PACKAGE = ROOT / "src" / "lockgate"
READERS_OWN = (".site/", "gates/", "metrics/", "votes/", ".gate/", "mlruns/", "mlartifacts/")
NO_MODULES = re.compile(
    r"lockgate\.(state|holder|metric|metrics|metrics_by_slice|provenance|gates|registries|classes)\b(?!\.[a-z])"
)  # tags, keys, entry points

SKELETON = {
    "model": "model: fraud",
    "task": "task: binary",
    "threshold": "threshold: 0.5",
    "registry": 'registry: {uri: "sqlite:///mlflow.db"}',
    "champion": "champion: {alias: production, else: none}",
    "data": """\
data:
  holdout: {path: holdout.parquet, label: is_fraud, slices: [{column: country, values: [US, BR]}, group]}
  traffic: {path: traffic.jsonl, id: request_id, time: received}
""",
    "gates": "gates: [{gate: metadata}]",
    "signoff": 'signoff: {groups: {owners: [{key: "ssh-ed25519 AAAA… olga"}]}, require: {owners: 1}}',
}


def texts(pages: list[Path]) -> dict[str, str]:
    return {str(path.relative_to(ROOT)): path.read_text(encoding="utf-8") for path in pages}


def yaml_blocks() -> list[tuple[str, str]]:
    """Page and text of each block of a pipeline; a key that stands there again begins an alternative of its own."""
    blocks = []
    for name, text in texts(PAGES).items():
        for block in re.findall(r"^```yaml\n(.*?)^```", text, re.DOTALL | re.MULTILINE):
            if "env:\n" in block or "uses:" in block or "schema_type:" in block:  # of a workflow, of pandera
                continue
            head = re.match(r"\w+:", block)
            again = f"(?m)^(?={head[0]})" if head and len(re.findall(f"(?m)^{head[0]}", block)) > 1 else r"\Z\A"
            blocks += [(name, part) for part in re.split(again, block) if part.strip()]
    return blocks


def whole(block: str) -> str:
    """The pipeline of which the block is a part, with a key of a person's own for each shortened one."""
    if re.match(r" *- gate:", block):
        block = "gates:\n" + block
    if block.startswith("require:"):
        block = "gates:\n- gate: metrics\n  data: holdout\n" + re.sub("(?m)^", "  ", block).rstrip() + "\n"
    keys = set(re.findall(r"^(\w+):", block, re.MULTILINE))
    if re.search(r"^task: (?!binary)", block, re.MULTILINE):
        keys.add("threshold")
    if "scores: {candidate: {" in block:
        keys |= {"task", "threshold"}
        block += "task: multiclass\n"
    text = block + "\n".join(part for key, part in SKELETON.items() if key not in keys)
    return re.sub("ssh-ed25519 AAAA…( ?)", lambda match: f"{public_key(match.start())}{match[1]}", text).replace(
        "sha256:…", "sha256:" + "0" * 64
    )


def public_key(seed: int) -> str:
    fields = (b"ssh-ed25519", hashlib.sha256(str(seed).encode()).digest())
    return "ssh-ed25519 " + base64.b64encode(b"".join(len(part).to_bytes(4, "big") + part for part in fields)).decode()


@pytest.mark.parametrize(("page", "block"), yaml_blocks())
def test_every_pipeline_is_accepted(tmp_path: Path, page: str, block: str) -> None:
    """Each YAML block of a pipeline, the rest of it filled in, passes `gate check`."""
    (tmp_path / ".git").mkdir()
    path = tmp_path / "gates" / "fraud.yaml"
    path.parent.mkdir()
    for source in re.findall(r"```python\n(.*?)```", (ROOT / page).read_text(encoding="utf-8"), re.DOTALL):
        if "(Gate)" in source:
            (path.parent / "size.py").write_text(source, encoding="utf-8")
    path.write_text(whole(block), encoding="utf-8")

    assert loader.load(path, environ=None).gates


@pytest.mark.parametrize(("page", "text"), texts(PAGES).items(), ids=texts(PAGES))
def test_every_path_is_there(page: str, text: str) -> None:
    """`tests/…` and `src/…` from the root; other folders and Python files from the root, the package or one of its rooms."""
    paths = re.findall(r"(?:tests|src)/[\w/.-]*[\w/]", text)
    prose = re.sub(r"^```.*?^```", "", text, flags=re.DOTALL | re.MULTILINE)
    paths += [path for path in re.findall(r"`([\w./-]*/(?:[\w.-]+\.py)?)`", prose) if not path.startswith(READERS_OWN)]
    bases = (ROOT, PACKAGE, *(folder for folder in PACKAGE.iterdir() if folder.is_dir()))
    named = [path for path in paths if "NAME" not in path]

    assert not [path for path in named if not any((base / path).exists() for base in bases)], page


@pytest.mark.parametrize(("page", "text"), texts(PAGES).items(), ids=texts(PAGES))
def test_every_module_is_there(page: str, text: str) -> None:
    """`lockgate.x.y` is a module, or a name in one."""
    names = set(re.findall(r"\blockgate(?:\.[a-z_]+)+", text))

    assert not [name for name in names if not NO_MODULES.match(name) and not resolves(name)], page


def test_every_gate_has_its_page() -> None:
    """Named as its entry point is, which its heading begins with; no page is of something else."""
    gates = {gate.name for gate in entry_points(group="lockgate.gates")}
    pages = {path.stem: path.read_text(encoding="utf-8") for path in (ROOT / "docs" / "gates").glob("*.md")}

    assert {name for name, text in pages.items() if text.startswith(f"# {name}: ")} == set(pages) == gates


def resolves(name: str) -> bool:
    parent, _, last = name.rpartition(".")
    home = import_module(parent)  # not the module itself: former names would hide functions in `lockgate`
    return hasattr(home, last) or find_spec(name) is not None


@pytest.mark.parametrize(("page", "text"), texts(PAGES).items(), ids=texts(PAGES))
def test_every_link_leads_to_a_page_and_a_heading(page: str, text: str) -> None:
    """Relative links; what stands behind # is a heading, as GitHub writes its anchors."""
    for target, anchor in re.findall(r"\]\((?!https?:)([^)#]*)#?([^)]*)\)", text):
        path = (ROOT / page).parent / target if target else ROOT / page
        assert path.exists(), target
        assert not anchor or anchor in anchors(path), f"{target}#{anchor}"


def anchors(path: Path) -> set[str]:
    headings = re.findall(r"^#+ (.+)$", path.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}
