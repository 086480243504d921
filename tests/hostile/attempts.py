"""A model that attacks the run that judges it; its one score says, as bits, which of its attempts worked.

`model_config`: `folder` of the project, `package` a file of lockgate's own, `port` on which somebody listens.
"""

import ctypes
import errno
import glob
import os
import resource
import socket
from pathlib import Path

import mlflow
import numpy as np

ATTEMPTS = {}


def attempt(action):
    ATTEMPTS[action.__name__] = action
    return action


def change(*paths):
    for path in paths:
        with open(path, "a") as file:
            file.write("\n")


def others():
    """Processes outside of our own session."""
    for entry in glob.glob("/proc/[0-9]*"):
        try:
            pid = int(entry[6:])
            if os.getsid(pid) not in (os.getsid(0), 0):
                yield pid
        except OSError:
            pass


@attempt
def forge_results(config):
    for run in glob.glob(config["folder"] + "/.gate/runs/*") or [config["folder"] + "/.gate/runs/x"]:
        os.makedirs(run + "/gates", exist_ok=True)
        with open(run + "/gates/metrics.json", "w") as file:
            file.write('{"result": {"verdict": "pass"}}')


@attempt
def edit_state_of_the_run(config):
    change(*(glob.glob(config["folder"] + "/.gate/runs/*/state.json") or [config["folder"] + "/.gate/salt"]))


@attempt
def edit_evidence(config):
    for run in glob.glob(config["folder"] + "/.gate/runs/*") or [config["folder"] + "/.gate/runs/x"]:
        os.makedirs(run, exist_ok=True)
        with open(run + "/evidence.json", "w") as file:
            file.write('{"verdict": "pass"}')


@attempt
def edit_scored_tables(config):
    for run in glob.glob(config["folder"] + "/.gate/runs/*") or [config["folder"] + "/.gate/runs/x"]:
        os.makedirs(run + "/scored", exist_ok=True)
        open(run + "/scored/holdout.parquet", "wb").close()


@attempt
def edit_the_other_model(config):
    own = config["own"]
    around = os.path.dirname(os.path.dirname(own))
    targets = [path for path in glob.glob(around + "/*/*/MLmodel") if not path.startswith(own + "/")]
    if not targets:
        raise OSError("none is seen")
    change(*targets)


@attempt
def edit_lockgate(config):
    open(config["package"], "r+b").close()


@attempt
def edit_itself(config):
    with open(config["own"] + "/MLmodel", "a") as file:
        file.write("# changed\n")


@attempt
def read_labels(config):
    open(config["folder"] + "/data/holdout.parquet", "rb").close()


@attempt
def read_keys(config):
    open(config["folder"] + "/olga", "rb").close()


@attempt
def read_history(config):
    open(config["folder"] + "/.git/config", "rb").close()


@attempt
def read_the_registry(config):
    open(config["folder"] + "/mlflow.db", "rb").close()


def on_others(action):
    """Act on the first process of others that lets us."""
    for pid in others():
        try:
            return action(pid)
        except OSError:
            pass
    raise OSError("none can be reached")


@attempt
def read_variables_of_others(config):
    on_others(lambda pid: Path(f"/proc/{pid}/environ").read_bytes())


@attempt
def signal_others(config):
    on_others(lambda pid: os.kill(pid, 0))


@attempt
def pin_others(config):
    """A processor that is not there is refused by the kernel where others may be pinned, and ignored by the filter."""

    def pin(pid):
        try:
            os.sched_setaffinity(pid, [1023])
        except OSError as error:
            if error.errno == errno.EINVAL:
                return
            raise
        raise OSError("it has no effect")

    on_others(pin)


@attempt
def reschedule_others(config):
    on_others(lambda pid: os.sched_setscheduler(pid, os.sched_getscheduler(pid), os.sched_getparam(pid)))


@attempt
def renice_others(config):
    on_others(lambda pid: os.setpriority(os.PRIO_PROCESS, pid, os.getpriority(os.PRIO_PROCESS, pid)))


@attempt
def limit_others(config):
    on_others(lambda pid: resource.prlimit(pid, resource.RLIMIT_CORE))


@attempt
def connect_out(config):
    socket.create_connection(("127.0.0.1", config["port"]), 2).close()


@attempt
def send_datagrams(config):
    sender = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sender.settimeout(1)
    sender.sendto(b"x", ("127.0.0.1", config["port"]))
    sender.recv(1)


@attempt
def connect_to_sockets(config):
    with socket.socket(socket.AF_UNIX) as caller:
        caller.connect(config["folder"] + "/agent.socket")


@attempt
def write_elsewhere(config):
    with open(config["folder"] + "/canary", "w") as file:
        file.write("x")


@attempt
def change_what_others_wrote(config):
    for path in ("data/holdout.parquet", "mlflow.db", "agent.socket"):
        try:
            mode = os.stat(config["folder"] + "/" + path).st_mode
            os.chmod(config["folder"] + "/" + path, mode)
            os.utime(config["folder"] + "/" + path)
            return
        except OSError:
            pass
    raise OSError("nothing can be changed")


@attempt
def leave_a_daemon(config):
    if os.fork() == 0:
        os.setsid()
        if os.fork() == 0:
            os.execve("/bin/sleep", ["sleep", config["sleep"]], {})
        os._exit(0)
    os.wait()


@attempt
def leave_shared_memory(config):
    with open("/dev/shm/" + config["sleep"], "w") as file:
        file.write("x")
    if ctypes.CDLL(None).shmget(int(float(config["sleep"]) * 10**5), 4096, 0o1600) < 0:
        raise OSError("none is left")


@attempt
def nest_folders(config):
    folder = os.open(".", os.O_RDONLY)
    for _ in range(1100):
        os.mkdir("d", dir_fd=folder)
        outer, folder = folder, os.open("d", os.O_RDONLY, dir_fd=folder)
        os.close(outer)
    os.close(folder)


class Attacker(mlflow.pyfunc.PythonModel):
    def load_context(self, context):
        self.bits = 0
        config = dict(context.model_config, own=os.path.dirname(os.path.realpath(__file__)))
        if config.get("needs"):
            open(config["needs"]).close()
        if config.get("quiet"):
            return
        for number, action in enumerate(ATTEMPTS.values()):
            try:
                action(config)
                self.bits |= 1 << number
            except OSError:
                pass

    def predict(self, context, model_input, params=None):
        return 0.1 + 0.3 * (np.arange(len(model_input)) % 2) + self.bits / 2.0**30


mlflow.models.set_model(Attacker())
