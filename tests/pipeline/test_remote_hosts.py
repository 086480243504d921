"""Rows go to hosts that a pipeline names, whatever a variable holds."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lockgate.errors import PipelineError
from lockgate.models.server.client import HttpClient
from lockgate.models.target_spec import Server
from lockgate.pipeline import loader, remote_hosts
from lockgate.pipeline.remote_hosts import misfit

SPARED = (Path(__file__).parents[1] / "pipelines/good/target_spared.yaml").read_text()
WRITTEN = (
    "${URL}", "http://${HOST}", "http://models.example.org:${PORT}/x", "http://models.example.org${TAIL}",
    "http://${USER}@models.example.org", "${URL:-http://models.example.org}",
)  # fmt: skip


def load(text: str, folder: Path, **environ: str) -> Server:
    pipeline = loader.read(text, name="p.yaml", root=folder, environ=environ)
    assert isinstance(pipeline.target, Server)
    return pipeline.target


@pytest.mark.parametrize(
    "address",
    ["http://127.0.0.1:${PORT}", "http://localhost:${PORT}", "http://[::1]:8080", "${URL:-https://models.example.org/x}", "https://MODELS.example.org", "https://u:${PW}@models.example.org/"],
)  # fmt: skip
def test_this_machine_and_hosts_that_are_spelled_out_need_no_list(address: str, tmp_path: Path) -> None:
    text = SPARED.replace("  hosts: [models.example.org, staging.example.org]\n", "")
    text = text.replace("${CANDIDATE:-https://models.example.org/new}", f'"{address}"')

    assert load(text, tmp_path, PORT="8080", PW="s3cret").candidate


def test_a_variable_chooses_among_the_hosts_that_are_named(tmp_path: Path) -> None:
    """Without a list it chooses none; what a user or password is, no message says."""
    assert (
        load(SPARED, tmp_path, CANDIDATE="https://staging.example.org/x").candidate == "https://staging.example.org/x"
    )
    with pytest.raises(PipelineError) as caught:
        load(SPARED, tmp_path, CANDIDATE="https://u:s3cret@evil.example/x")
    assert caught.value.complaints == (
        "p.yaml:13:14: rows would be sent to evil.example, which hosts does not name: models.example.org, staging.example.org",
    )

    unlisted = SPARED.replace("  hosts: [models.example.org, staging.example.org]\n", "")
    with pytest.raises(PipelineError) as caught:
        load(unlisted, tmp_path, CANDIDATE="https://u:s3cret@evil.example/x")
    assert caught.value.complaints == (
        "p.yaml:13:14: rows would be sent to evil.example, which a variable chooses and this pipeline names nowhere; "
        "write hosts: [evil.example] if they may go there",
    )


def test_a_host_that_is_not_known_yet_is_worth_a_note(tmp_path: Path) -> None:
    """`gate check` reads no variables; none where the list names hosts, or the address has a default or a host of its own."""

    def notes(address: str, *, listed: bool = False) -> list[str]:
        text = SPARED if listed else SPARED.replace("  hosts: [models.example.org, staging.example.org]\n", "")
        text = text.replace("${CANDIDATE:-https://models.example.org/new}", f'"{address}"')
        target = loader.read(text, name="p.yaml", root=tmp_path, environ=None).target
        assert isinstance(target, Server)
        return list(remote_hosts.notes([("target", target)]))

    assert notes("${URL}") == [
        "target.candidate: a variable chooses the host, so rows go there on this machine alone; "
        "write hosts: [NAME] where they may go to another"
    ]
    assert [
        len(notes(address)) for address in ("http://${HOST}/x", "${URL:-http://a.example}", "http://localhost:${PORT}")
    ] == [1, 0, 0]
    assert notes("${URL}", listed=True) == []


def test_hosts_bind_addresses_that_are_spelled_out_too(tmp_path: Path) -> None:
    """So that a policy that others extend can lock where rows go."""
    with pytest.raises(PipelineError, match=r"evil\.example, which hosts does not name"):
        load(SPARED.replace("https://models.example.org/old", "https://evil.example/old"), tmp_path)


@settings(max_examples=300, deadline=None)
@given(
    st.sampled_from(WRITTEN),
    st.one_of(
        st.sampled_from(
            [
                "80@evil.example", ".evil.example", "@evil.example", "evil.example/", "http://evil.example", "\\@evil.example",
                "127.0.0.1", "127.0.0.1.evil.example", "localhost@evil.example", "evil.example#", "[::1]", "8080/x",
            ]
        ),
        st.text("aZ09.:/@#?[]%\\-$ {}", max_size=20),
    ),
)  # fmt: skip
def test_no_value_of_a_variable_leads_elsewhere(written: str, value: str) -> None:
    """What is let through is asked at this machine, or at the host that the pipeline spells out."""
    address = written
    for name in ("URL:-http://models.example.org", "URL", "HOST", "PORT", "TAIL", "USER"):
        address = address.replace(f"${{{name}}}", value)
    try:
        server = Server(protocol="v1", candidate=address)
        host = HttpClient(server.candidate, name="candidate")._host
    except ValueError:
        return
    if not host or "${" in host or misfit(server.candidate, written=written, hosts=None) is not None:
        return  # what is no name of a host is asked nowhere

    assert host == "models.example.org" or host == "localhost" or host == "::1" or host.startswith("127.")
    assert not host.endswith("evil.example")
