"""Several processes that train together on this machine, as TF_CONFIG has them."""

import contextlib
import json
import os
import socket
import subprocess
import sys
from collections.abc import Sequence

from tests.support import REPOSITORY

TIMEOUT = 1800  # against a hang: a crowded machine may take ten times the usual time


def free_ports(count: int) -> list[int]:
    """Ports that nobody listens on at the moment."""
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in sockets]


def run_workers(
    arguments: Sequence[Sequence[object]], cwd=REPOSITORY
) -> list[subprocess.CompletedProcess]:
    """Run one process for each list of arguments of Python, to the end of all of them."""
    addresses = [f"127.0.0.1:{port}" for port in free_ports(len(arguments))]
    processes = []
    for index, command in enumerate(arguments):
        setting = {"cluster": {"worker": addresses}, "task": {"type": "worker", "index": index}}
        environment = {**os.environ, "TF_CONFIG": json.dumps(setting)}
        environment["TF_CPP_MIN_LOG_LEVEL"] = "3"
        processes.append(
            subprocess.Popen(
                [sys.executable, *map(str, command)],
                cwd=cwd,
                env=environment,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
            )
        )
    try:
        # Little is printed, far less than a pipe holds, so that one can be waited for by itself.
        outputs = [process.communicate(timeout=TIMEOUT) for process in processes]
    finally:
        for process in processes:
            process.kill()
    return [
        subprocess.CompletedProcess(process.args, process.returncode, *output)
        for process, output in zip(processes, outputs, strict=True)
    ]
