"""A server that somebody else runs, in every way in which it can be wrong, each against a real one."""

from __future__ import annotations

import gzip
import itertools
import socket
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from helpers.web import Answer, Request, closed_port, reply, self_signed, serving
from lockgate.errors import ModelFault
from lockgate.models.model import LoadPlan
from lockgate.models.server.client import HttpClient
from lockgate.models.server.model import ServerModel
from lockgate.models.server.pace import Pace
from lockgate.models.server.protocol_mlflow import MlflowProtocol

ROWS = pa.RecordBatch.from_pydict({"a": [1.0, None], "b": ["x", "y"]})
SECRET = "tok-5c0ffee-and-more"


def model(url: str, *, ready_s: float = 5.0, **more: Any) -> ServerModel:
    headers = {"Authorization": f"Bearer {SECRET}"}
    return ServerModel(HttpClient(url, name="candidate", headers=headers, **more), MlflowProtocol(), ready_s=ready_s)


def on_post(answer: Callable[[Request, socket.socket], bytes | None]) -> Answer:
    """Ready at once; what a test is about is what the POST is answered with."""
    return lambda request, line: reply(200, b"ok") if request.method == "GET" else answer(request, line)


def says(status: int, body: Any = b"", **headers: str) -> Answer:
    return on_post(lambda request, line: reply(status, body, **headers))


def fault_of(answer: Answer, **more: Any) -> ModelFault:
    """What is said of a server that answers so; the token is in none of it."""
    with serving(answer) as web, pytest.raises(ModelFault) as caught:
        list(model(web.url, **more).predict([ROWS]))
    text = f"{caught.value} {caught.value.stderr}".replace(str(web.port), "PORT")
    assert SECRET not in text
    return ModelFault(text, alive=caught.value.alive)


def test_rows_go_out_as_json_and_predictions_come_back() -> None:
    """Missing values are null; the header goes along; two batches use one connection."""
    with serving(says(200, {"predictions": [0.5, 1]})) as web:
        answers = [answer.to_pydict() for answer in model(web.url).predict([ROWS, ROWS])]

    assert answers == [{"prediction": [0.5, 1.0]}] * 2
    assert [one.path for one in web.asked] == ["/ping", "/version", "/invocations", "/invocations"]
    assert web.posts[0].json == {"dataframe_split": {"columns": ["a", "b"], "data": [[1.0, "x"], [None, "y"]]}}
    assert web.posts[0].headers["authorization"] == f"Bearer {SECRET}"
    assert web.connections == 1


def test_a_large_batch_is_asked_in_parts() -> None:
    """Servers have limits of their own; the answer is one."""
    many = pa.RecordBatch.from_pydict({"a": [float(row) for row in range(2500)]})

    def echo(request: Request, line: socket.socket) -> bytes:
        return reply(200, {"predictions": [row[0] for row in request.json["dataframe_split"]["data"]]})

    with serving(on_post(echo)) as web:
        (answer,) = model(web.url).predict([many])

    assert answer.column(0).to_pylist() == many.column(0).to_pylist()
    assert len(web.posts) == 3


def test_a_server_that_is_spared_gets_its_rows_a_second_at_a_time() -> None:
    """Each request waits for those before it; the answer is one."""
    waited: list[int] = []

    class Noted(Pace):
        def wait(self, rows: int) -> None:
            waited.append(rows)

    many = pa.RecordBatch.from_pydict({"a": [float(row) for row in range(7)]})

    def echo(request: Request, line: socket.socket) -> bytes:
        return reply(200, {"predictions": [row[0] for row in request.json["dataframe_split"]["data"]]})

    with serving(on_post(echo)) as web:
        spared = ServerModel(
            HttpClient(web.url, name="candidate"), MlflowProtocol(), pace=Noted(3.5, cancelled=lambda: False)
        )
        (answer,) = spared.predict([many])

    assert answer.column(0).to_pylist() == many.column(0).to_pylist()
    assert (waited, len(web.posts)) == ([3, 3, 1], 3)


def test_only_the_columns_of_the_signature_are_sent() -> None:
    """In its order and types; a label beside them stays here."""
    rows = pa.RecordBatch.from_pydict({"y": [1], "b": [2], "a": [3]})
    signature = [{"name": "a", "type": "double"}, {"name": "b", "type": "long"}]
    with serving(says(200, {"predictions": [1.0]})) as web:
        list(ServerModel(HttpClient(web.url, name="candidate"), MlflowProtocol(), signature=signature).predict([rows]))
        with pytest.raises(ModelFault, match="candidate cannot predict: the signature requires 'b'"):
            list(
                ServerModel(HttpClient(web.url, name="candidate"), MlflowProtocol(), signature=signature).predict(
                    [rows.select(["a"])]
                )
            )

    assert web.posts[0].json["dataframe_split"] == {"columns": ["a", "b"], "data": [[3.0, 2]]}


def test_nobody_there() -> None:
    """The address is named, and what to look at."""
    port = closed_port()

    with pytest.raises(ModelFault) as caught:
        model(f"http://127.0.0.1:{port}", ready_s=0.0).load()

    assert str(caught.value) == (
        f"candidate at http://127.0.0.1:{port}/ping was not ready within 0 s: the connection is refused; "
        "is the server started, and the address right? ready: 2m waits longer"
    )


def test_a_host_that_is_not_known() -> None:
    """Said as that."""
    with pytest.raises(ModelFault, match="was not ready within 0 s: the host is unknown"):
        model("http://nowhere.invalid", ready_s=0.0).load()


def test_a_server_that_never_becomes_ready() -> None:
    """What it answered last is repeated."""
    with (
        serving(lambda request, line: reply(503, {"detail": "model is loading"})) as web,
        pytest.raises(ModelFault, match=r"not ready within 0 s: it answers with status 503: \{\"detail\": \"model is"),
    ):
        model(web.url, ready_s=0.0).load()


def test_a_server_is_waited_for() -> None:
    """Until it says that it is ready."""
    said = iter([503, 404, 200, 200])
    with serving(lambda request, line: reply(next(said), b"")) as web:
        model(web.url, ready_s=30.0).load()

    assert [one.path for one in web.asked] == ["/ping"] * 3 + ["/version"]


def test_a_wrong_token_is_not_waited_out() -> None:
    """It will be as wrong in a minute."""
    with (
        serving(lambda request, line: reply(401, f"no: {request.headers['authorization']}".encode())) as web,
        pytest.raises(ModelFault) as caught,
    ):
        model(web.url, ready_s=30.0).load()

    assert "is not called, because it answers with status 401: no: ***" in str(caught.value)
    assert len(web.asked) == 1


def test_a_request_that_is_refused() -> None:
    """Its reason is shortened, on one line, and the model may be asked on: another row may be right."""
    fault = fault_of(says(400, "no such column " + "at all " * 1000))

    assert str(fault).startswith(
        "candidate at http://127.0.0.1:PORT/invocations refused the request (status 400) while predicting 2 rows: "
        "no such column at all"
    )
    assert len(str(fault)) < 600
    assert fault.alive


@pytest.mark.parametrize(
    ("status", "what", "alive"),
    [
        (401, "refused us (status 401)", False),
        (404, "has nothing that takes a POST there (status 404)", False),
        (413, "refused the request (status 413)", True),
        (429, "was too busy, or what is behind it is down (status 429)", False),
        (500, "broke (status 500) while predicting 2 rows: Traceback: …", True),
        (503, "was too busy, or what is behind it is down (status 503)", False),
    ],
)
def test_each_status_has_its_sentence(status: int, what: str, alive: bool) -> None:
    """And the POST went out once."""
    posts = []

    def answer(request: Request, line: socket.socket) -> bytes:
        posts.append(request)
        return reply(status, b"Traceback:\nboom")

    fault = fault_of(on_post(answer))

    assert what in str(fault)
    assert fault.alive is alive
    assert len(posts) == 1


def test_a_redirect_is_not_followed() -> None:
    """Rows and token go nowhere that the pipeline does not name; a query of the new address is not shown."""
    fault = fault_of(says(307, location="https://elsewhere.example/login?session=abc"))

    assert "answered with a redirect to https://elsewhere.example/login (status 307) while predicting 2 rows" in str(
        fault
    )
    assert "abc" not in str(fault)


@pytest.mark.parametrize(
    ("body", "what"),
    [
        (b"<html>Welcome</html>", "answered with something that is not JSON while predicting 2 rows: Welcome"),
        ({"predictions": [1.0]}, "it gave 1 predictions for 2 rows"),
        ({"predictions": []}, "it gave 0 predictions for 2 rows"),
        ({"predictions": 1.0}, "it is numbers, and no list of predictions"),
        ({"predictions": {"a": 1}}, "it is an object with 'a', and no predictions"),
        ({"predictions": [1.0, "high"]}, "values of no one type: numbers and texts"),
        ({"predictions": [[1.0], [1.0, 2.0]]}, "its predictions are lists of different lengths"),
        ({"predictions": [[[1.0]], [[2.0]]]}, "nested deeper"),
        ({"predictions": [{"p": 1.0}, {"q": 1.0}]}, "objects with different keys"),
        ({"outputs": [1.0, 2.0]}, "it has no `predictions`, as MLflow's answers have"),
        ([1.0, 2.0], "it has no `predictions`, as MLflow's answers have"),
    ],
)
def test_an_answer_that_cannot_be_used(body: Any, what: str) -> None:
    """What it is instead is said."""
    assert what in str(fault_of(says(200, body)))


def test_an_answer_of_another_kind_than_the_first_is_refused() -> None:
    """A text where a number was; compressed answers are read, and only what differs is refused."""
    zipped = gzip.compress(b'{"predictions": [0.5, null]}')
    said = iter([reply(200, zipped, Content_Encoding="gzip"), reply(200, {"predictions": ["busy", "busy"]})])
    with serving(on_post(lambda request, line: next(said))) as web:
        server = model(web.url)
        (answer,) = server.predict([ROWS])
        with pytest.raises(
            ModelFault, match=r"\('prediction'\) are texts, and those of the first answer are numb"
        ) as caught:
            list(server.predict([ROWS]))

    assert answer.to_pydict() == {"prediction": [0.5, None]}
    assert caught.value.alive


@pytest.mark.parametrize("loop", [{"rate": 2000.0}, {"concurrency": 2}])
def test_a_load_counts_answers_that_are_no_predictions(loop: dict[str, Any]) -> None:
    """Whatever their status: an error, an empty body, a page, a null; those that are compressed or in pieces are read."""
    good = b'{"predictions": [0.5]}'
    pieces = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n16\r\n" + good + b"\r\n0\r\n\r\n"
    usual = [reply(200, good), reply(200, gzip.compress(good), Content_Encoding="gzip"), pieces]
    bad = [
        *(
            reply(200, body)
            for body in ({"error": "overloaded"}, b"", b"<html>Sign in</html>", {"predictions": [None]})
        ),
        *(reply(200, {"predictions": values}) for values in ([], [0.5, 0.5], ["busy"])),
        reply(200, good, Content_Encoding="gzip"),
        reply(202, {"job": 7}),
    ]
    said = itertools.chain([reply(200, good)], itertools.cycle([*usual, *bad]))
    lock = threading.Lock()

    def answer(request: Request, line: socket.socket) -> bytes:
        with lock:
            return next(said)

    with serving(on_post(answer)) as web:
        drive = model(web.url).drive(LoadPlan(requests=48, **loop), ROWS.slice(0, 1))

    assert int(drive.failed.sum()) == 36
    # which of the bad ones is the first depends on how the connections take turns
    assert "an answer with a status of 2xx is no prediction: " in (drive.first_error or "")


def test_a_prediction_that_is_not_a_number_arrives_as_none_or_nan() -> None:
    """`output` refuses it where a score is needed, and names the row."""
    with serving(says(200, b'{"predictions": [null, NaN]}')) as web:
        (answer,) = model(web.url).predict([ROWS])

    assert [str(value) for value in answer.column(0).to_pylist()] == ["None", "nan"]


def test_an_answer_that_is_too_large() -> None:
    """It is not read to its end."""
    fault = fault_of(says(200, {"predictions": "x" * 3 * 2**20}), most_bytes=2**20)

    assert "answered with more than 1 MiB while predicting 2 rows" in str(fault)


def _half(request: Request, line: socket.socket) -> None:
    line.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{")


def test_a_connection_that_breaks_in_the_middle_of_an_answer() -> None:
    """Half an answer is none."""
    assert "the connection broke in the middle of the answer" in str(fault_of(on_post(_half)))


def test_a_connection_that_is_closed_without_an_answer() -> None:
    """A POST is not sent again."""
    asked: list[Request] = []

    def close(request: Request, line: socket.socket) -> None:
        asked.append(request)

    assert "it closed the connection without an answer" in str(fault_of(on_post(close)))
    assert len(asked) == 1


@pytest.mark.parametrize("begun", [b"", b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{"])
def test_a_server_that_hangs(begun: bytes) -> None:
    """Before its answer or in the middle of it."""

    def hang(request: Request, line: socket.socket) -> None:
        line.sendall(begun)
        web.stop.wait()

    with serving(on_post(hang)) as web, pytest.raises(ModelFault) as caught:
        list(model(web.url, timeout_s=0.3).predict([ROWS]))

    assert "did not answer within 0.3 s while predicting 2 rows; timeout: 5m in target waits longer" in str(
        caught.value
    )


def test_a_server_that_answers_a_byte_at_a_time_is_bounded_too() -> None:
    """Every byte would be in time; the answer is not."""

    def drip(request: Request, line: socket.socket) -> None:
        line.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n")
        while not web.stop.wait(0.02):
            line.sendall(b" ")

    with serving(on_post(drip)) as web, pytest.raises(ModelFault, match=r"did not answer within 0\.3 s"):
        list(model(web.url, timeout_s=0.3).predict([ROWS]))


def test_a_cancelled_run_does_not_wait_for_the_server() -> None:
    """However long the answer may take."""
    asked = False

    def hang(request: Request, line: socket.socket) -> None:
        nonlocal asked
        asked = True
        web.stop.wait()

    with serving(on_post(hang)) as web, pytest.raises(ModelFault, match="candidate was cancelled while predicting"):
        list(model(web.url, timeout_s=600.0, cancelled=lambda: asked).predict([ROWS]))


def test_what_is_not_http() -> None:
    """Another service on that port."""
    with (
        serving(lambda request, line: b"SSH-2.0-OpenSSH_9.6\r\n") as web,
        pytest.raises(ModelFault, match="what it answers is not HTTP"),
    ):
        model(web.url, ready_s=0.0).load()


def test_a_connection_that_the_server_closed_meanwhile_is_opened_anew() -> None:
    """Nothing was sent on it, so nothing is repeated."""
    closed = threading.Semaphore(0)

    def once(request: Request, line: socket.socket) -> bytes:
        line.sendall(reply(200, {"predictions": [1, 2]}))
        line.shutdown(socket.SHUT_RDWR)
        closed.release()
        return b""

    with serving(on_post(once)) as web:
        asked = model(web.url)
        for _ in range(3):
            assert next(iter(asked.predict([ROWS]))).num_rows == 2
            closed.acquire()

    assert len(web.posts) == 3


def test_a_certificate_that_nobody_vouches_for_is_refused(tmp_path: Path) -> None:
    """At once, with the key that helps."""
    with (
        serving(says(200, {"predictions": [1, 2]}), certificate=self_signed(tmp_path)) as web,
        pytest.raises(ModelFault, match=r"is not trusted: self-signed certificate; .* ca: FILE in target"),
    ):
        model(web.url, ready_s=30.0).load()

    assert web.asked == []


def test_a_certificate_that_the_pipeline_names_is_trusted(tmp_path: Path) -> None:
    """And the file of another one is not enough; neither is one that is not there."""
    certificate = self_signed(tmp_path)
    (tmp_path / "other").mkdir()
    other = self_signed(tmp_path / "other")
    with serving(says(200, {"predictions": [1, 2]}), certificate=certificate) as web:
        (answer,) = model(web.url, ca_file=str(certificate)).predict([ROWS])
        assert answer.num_rows == 2
        with pytest.raises(ModelFault, match="is not trusted"):
            model(web.url, ca_file=str(other)).load()
        with pytest.raises(ModelFault, match="cannot be read"):
            model(web.url, ca_file=str(tmp_path / "none.pem")).load()


def test_tls_where_none_is_spoken() -> None:
    """A wrong scheme is said as that."""
    with (
        serving(lambda request, line: reply(400, b"")) as web,
        pytest.raises(ModelFault, match="is not trusted: TLS failed"),
    ):
        model(web.url.replace("http:", "https:"), ready_s=30.0).load()


def test_user_and_password_of_an_address_are_sent_and_never_shown() -> None:
    """As basic authentication."""
    with serving(says(500, b"broken for ann with s3cret")) as web:
        client = HttpClient(web.url.replace("//", "//ann:s3cret@"), name="candidate")
        with pytest.raises(ModelFault) as caught:
            list(ServerModel(client, MlflowProtocol()).predict([ROWS]))
    fault = caught.value

    assert web.posts[0].headers["authorization"] == "Basic YW5uOnMzY3JldA=="
    assert "s3cret" not in str(fault)
    assert f"at {web.url}/invocations broke" in str(fault)


def test_no_proxy_and_no_netrc(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """What answers is what the pipeline names, with the headers that it names."""
    (tmp_path / ".netrc").write_text("machine 127.0.0.1 login bob password builder\n")
    monkeypatch.setenv("NETRC", str(tmp_path / ".netrc"))
    monkeypatch.setenv("HTTP_PROXY", f"http://127.0.0.1:{closed_port()}")
    monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{closed_port()}")
    with serving(says(200, {"predictions": [1, 2]})) as web:
        list(ServerModel(HttpClient(web.url, name="candidate"), MlflowProtocol()).predict([ROWS]))

    assert "authorization" not in web.posts[0].headers


def test_a_method_cannot_be_called_over_there() -> None:
    """Said before anything is sent."""
    with serving(says(200)) as web, pytest.raises(ModelFault, match="'predict_proba' cannot be called"):
        list(model(web.url).predict([ROWS], method="predict_proba"))

    assert web.posts == []


def test_what_json_cannot_say_is_not_sent() -> None:
    """An infinite number."""
    rows = pa.RecordBatch.from_pydict({"a": [float("inf")]})
    with serving(says(200)) as web, pytest.raises(ModelFault, match="column 'a' holds an infinite number"):
        list(model(web.url).predict([rows]))

    assert web.posts == []


def test_where_it_answered_is_told_without_secrets() -> None:
    """What the server says of itself is kept; what it uses is not known."""
    with serving(lambda request, line: reply(200, b"3.17.2" if request.path == "/version" else b"")) as web:
        asked = model(web.url.replace("//", "//ann:s3cret@"))
        facts, used = asked.load(), asked.usage()
        asked.close()
        with pytest.raises(ModelFault, match="candidate is closed"):
            asked.load()

    assert facts.where == f"over HTTP: POST {web.url}/invocations, from our machine and back"
    assert facts.versions == {"mlflow": "3.17.2"}
    assert (facts.load_seconds, facts.python, used.rss_bytes, used.cpu_seconds) == (None, None, None, None)


def test_a_load_is_sent_from_real_rows_in_turn() -> None:
    """Each request has the plan's rows; one answer was read beforehand."""
    rows = pa.RecordBatch.from_pydict({"a": [1.0, 2.0, 3.0, 4.0, 5.0]})
    with serving(says(200, {"predictions": [1, 2]})) as web:
        drive = model(web.url).drive(LoadPlan(requests=6, rows=2), rows)

    sent = [one.json["dataframe_split"]["data"] for one in web.posts]
    assert sent[0] == [[1.0], [2.0]]
    assert sent[1:] == [[[1.0], [2.0]], [[3.0], [4.0]]] * 3
    assert all(one.headers["authorization"] == f"Bearer {SECRET}" for one in web.posts)
    assert len(drive.latency_ms) == 6
    assert not any(drive.failed)


def test_a_load_is_not_sent_to_a_server_whose_answers_cannot_be_used() -> None:
    """Under load only the status is looked at."""
    with (
        serving(says(200, {"predictions": [1]})) as web,
        pytest.raises(ModelFault, match="it gave 1 predictions for 2 rows"),
    ):
        model(web.url).drive(LoadPlan(requests=50, rows=2), ROWS)

    assert len(web.posts) == 1
