"""A model that does what the column `do` of the first row says; while it loads, what TRICKSTER_LOAD says."""

import contextlib
import ctypes
import json
import os
import pathlib
import signal
import subprocess
import sys
import time

import mlflow
import numpy as np
import pandas as pd


class Trickster(mlflow.pyfunc.PythonModel):
    calls = 0

    def load_context(self, context):
        self.act(os.environ.get("TRICKSTER_LOAD", "answer"), 0)

    def predict(self, context, model_input, params=None):
        self.calls += 1
        return self.act(model_input["do"].iloc[0], len(model_input))

    def act(self, do, rows):
        answer = np.arange(rows, dtype=float)
        if do.startswith("SIG"):
            os.kill(os.getpid(), getattr(signal, do))
        elif do == "crash":
            print("about to crash", file=sys.stderr, flush=True)
            ctypes.string_at(0)
        elif do == "hang":
            time.sleep(600)
        elif do == "hang with the lock":
            ctypes.PyDLL(None).sleep(600)
        elif do == "ignore SIGTERM and hang":
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
            time.sleep(600)
        elif do == "script":
            sys.modules["__main__"].flatten  # noqa: B018  # as a pickle asks for a function of the script that wrote it
        elif do == "exit":
            sys.exit(0)
        elif do == "exit at once":
            os._exit(0)
        elif do == "raise":
            raise ValueError("no such merchant")
        elif do.startswith("quote "):
            print(f"asked about {do[6:]}", file=sys.stderr, flush=True)
            raise ValueError(f"bad row of {do[6:]}")
        elif do == "import":
            import surely_absent.tree  # noqa: F401
        elif do == "run out of memory":
            return np.zeros(2**55)
        elif do == "print":
            os.write(1, b"written to descriptor 1\n")
            for line in range(20_000):
                print("line", line)
            print("the last line", flush=True)
        elif do == "write into every pipe":
            for descriptor in range(3, 1024):
                with contextlib.suppress(OSError):
                    os.write(descriptor, b"x" * 64)
        elif do == "close every descriptor":
            os.closerange(3, 1024)
            time.sleep(600)
        elif do == "one row less":
            return answer[1:]
        elif do == "scalar":
            return 3.0
        elif do == "cube":
            return np.zeros((rows, 2, 2))
        elif do == "not a number":
            return np.array([np.nan, np.inf, -np.inf])
        elif do == "frame":
            return pd.DataFrame({"label": ["a"] * rows, "score": answer})
        elif do == "series":
            return pd.Series(answer[::-1], index=range(rows)[::-1], name="whatever")
        elif do == "matrix":
            return np.column_stack([answer, -answer])
        elif do == "list":
            return ["yes"] * rows
        elif do == "dicts":
            return [{"p": 0.5}] * rows
        elif do == "same name twice":
            return pd.DataFrame([[1, 2]] * rows, columns=["p", "p"])
        elif do == "mixed":
            return ["a", 1, None][:rows]
        elif do == "stall":
            time.sleep(0.05)
        elif do == "calls":
            return [self.calls] * rows
        elif do == "environ":
            return [json.dumps(dict(os.environ))] * rows
        elif do == "modules":
            return [json.dumps([str(pathlib.Path.cwd()), *sys.path])] * rows
        elif do == "start children":
            command = ["sleep", "600"]
            subprocess.Popen(command)
            subprocess.Popen(command, start_new_session=True)
        return answer


mlflow.models.set_model(Trickster())
