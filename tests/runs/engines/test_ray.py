"""A cluster of Ray: the same bits as one process, whatever happens to workers and nodes."""

from __future__ import annotations

import os
import time

import numpy as np
import pytest

from ratewise.choose import choose, compare
from ratewise.schedule import ScheduleError
from tests.choose.valley import Valley
from tests.runs.engines.tasks import Failing, Slow, mixed, same
from tests.runs.journal.tasks import ASKED, SCHEDULES, TOTAL, Bowl, records

ray = pytest.importorskip("ray")
from ray.cluster_utils import Cluster  # noqa: E402

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def cluster():
    """A cluster of two nodes on this machine, the first of them the driver's."""
    # Ray joins a cluster that it finds by itself with a token, if there is one in the user's home.
    patch = pytest.MonkeyPatch()
    patch.setenv("RAY_AUTH_MODE", "disabled")
    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 1})
    try:
        ray.init(address=cluster.address, log_to_driver=False, logging_level="ERROR")
        yield cluster
    finally:
        ray.shutdown()
        cluster.shutdown()
        patch.undo()


def test_a_cluster_gives_the_same_bits(cluster):
    """27 mixed candidates: as many updates, the same losses and metrics."""
    result = compare(Bowl(), mixed(), peaks=[0.05], engine="ray")
    alone = compare(Bowl(), mixed(), peaks=[0.05])
    assert same(result, alone)
    assert result.trained == alone.trained <= 12_500


def test_a_choice_on_a_cluster_is_of_the_same_bits(cluster):
    """Asked for four at a time and trained by Ray, each run is the one that it is alone."""
    options = {"total": 60, "seeds": 2, "peaks": [0.05, 0.1, 0.2], "budget": 600}
    here = choose(Valley(), **options)
    there = choose(Valley(), engine="ray", **options)
    known = {(t.name, t.peak): t.metric for t in here.trials}
    both = [t for t in there.trials if (t.name, t.peak) in known]
    assert len(both) >= 3
    ends = [known[t.name, t.peak] for t in both], [t.metric for t in both]
    assert np.array_equal(*ends, equal_nan=True)
    assert there.trained <= there.budget


def test_a_killed_worker_is_made_up_for(cluster, truth, tmp_path):
    """SIGKILL of a worker in the middle of a stretch: it is trained again."""
    task = Bowl(kill=60, once=tmp_path / "killed")
    result = compare(task, SCHEDULES, **ASKED, engine="ray", journal=tmp_path / "runs.db")
    assert (tmp_path / "killed").exists()
    assert records(result) == records(truth)
    assert result.trained - truth.trained <= TOTAL


class Nodes(Slow):
    """A task that asks for what only one node has, and so is trained there while it lives."""

    resources = {"num_cpus": 1}  # noqa: RUF012


def test_a_lost_node_is_made_up_for(cluster, truth, tmp_path):
    """A node is killed while it trains: its stretches go on elsewhere, from the last states."""
    node = cluster.add_node(num_cpus=2)
    cluster.wait_for_nodes()
    killed: list[int] = []

    def kill(done: int, planned: int, what: str) -> None:
        if done >= 300 and not killed:
            killed.append(done)
            cluster.remove_node(node, allow_graceful=False)

    path = tmp_path / "runs.db"
    result = compare(Nodes(), SCHEDULES, **ASKED, engine="ray", journal=path, progress=kill)
    assert killed
    assert [run.error for run in result.runs] == [None] * len(result.runs)
    assert [run.losses.tobytes() for run in result.runs] == [
        run.losses.tobytes() for run in truth.runs
    ]


def test_a_task_asks_for_what_it_needs(cluster):
    """Stretches are trained where there is what the task names in `resources`."""
    node = cluster.add_node(num_cpus=1, resources={"special": 1})
    try:
        cluster.wait_for_nodes()
        task = Slow()
        task.resources = {"num_cpus": 1, "special": 1}
        result = compare(task, {"late": SCHEDULES["late"]}, total=TOTAL, engine="ray")
        assert result.runs[0].metrics["process"] != os.getpid()
        assert result.runs[0].error is None
    finally:
        cluster.remove_node(node)


def test_a_task_that_fails_on_a_cluster_is_one_error(cluster):
    """The frames are the user's, wherever they were met."""
    asked = {"total": TOTAL, "peaks": [0.2]}
    result = compare(Failing(), {"late": SCHEDULES["late"]}, **asked, engine="ray")
    (run,) = result.failures
    assert "raised RuntimeError (out of memory)" in str(run.failure)
    assert run.error.splitlines()[-1] == "RuntimeError: out of memory"
    files = [line.split('"')[1] for line in run.error.splitlines() if 'File "' in line]
    assert [os.path.basename(file) for file in files] == ["tasks.py"]


def test_a_closure_can_go_to_a_cluster(cluster):
    """Ray sends functions by value: a task of a notebook needs no module."""

    class Local(Bowl):
        pass

    result = compare(Local(), {"late": SCHEDULES["late"]}, total=TOTAL, engine="ray")
    alone = compare(Bowl(), {"late": SCHEDULES["late"]}, total=TOTAL)
    assert same(result, alone)


def test_a_machine_that_has_not_what_is_asked_for_says_so(cluster):
    """Without a cluster to wait for, too much is refused before anything is trained."""
    address = cluster.address
    ray.shutdown()
    try:
        task = Bowl()
        task.resources = {"num_cpus": 1, "unobtainium": 1}
        with pytest.raises(ScheduleError, match="which this machine has not"):
            compare(task, SCHEDULES, **ASKED, engine="ray")
        assert not ray.is_initialized()
        began = time.monotonic()
        result = compare(Bowl(), {"late": SCHEDULES["late"]}, total=TOTAL, engine="ray")
        assert result.runs[0].error is None, began
        assert not ray.is_initialized()
    finally:
        ray.init(address=address, log_to_driver=False, logging_level="ERROR")
