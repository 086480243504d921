"""Ask an emulator of BigQuery, with Google's own client: run by the interpreter of the emulator's environment."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import duckdb_extensions
from google.auth.credentials import AnonymousCredentials
from google.cloud import bigquery

from lockgate.references import parse
from lockgate.references.existence.bigquery import look_up

STATEMENTS = (
    "CREATE TABLE p.fraud.train (id INT64, day DATE) PARTITION BY day",
    "INSERT INTO p.fraud.train VALUES (1, '2024-01-15'), (2, '2024-01-15'), (3, '2024-01-16')",
    "CREATE SNAPSHOT TABLE p.fraud.train_20240115 CLONE p.fraud.train",
)


def main(texts: list[str]) -> None:
    duckdb_extensions.import_extension("spatial")
    program = Path(sys.executable).with_name("bqemulator")
    command = [program, "start", "--rest-port", "0", "--grpc-port", "0", "--log-format", "json"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as emulator:
        try:
            print(json.dumps(answers(texts, address(emulator))))
        finally:
            emulator.terminate()


def address(emulator: subprocess.Popen[str]) -> str:
    for line in emulator.stdout or ():
        print(line, file=sys.stderr, end="")
        match = re.search(r"http://127\.0\.0\.1:\d+|rest_port\D+(\d+)", line)
        if match is not None:
            return match[0] if match[1] is None else f"http://127.0.0.1:{match[1]}"
    raise SystemExit("the emulator did not start")


def answers(texts: list[str], url: str) -> list[list[object]]:
    client = bigquery.Client("p", credentials=AnonymousCredentials(), client_options={"api_endpoint": url})
    client.create_dataset("fraud")
    for statement in STATEMENTS:
        client.query(statement).result()
    looked_up = [look_up(parse(text), Path(), client) for text in texts]
    return [[reference.pinned, reference.exists, reference.why] for reference in looked_up]


if __name__ == "__main__":
    main(sys.argv[1:])
