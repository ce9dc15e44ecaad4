"""What other systems send is measured into a file and into a PostgreSQL, each beside its plain baseline."""

import os
from pathlib import Path

import psycopg
import pytest

from kiosk.bench import centre, postgres
from kiosk.bench.figures import BenchImpossible
from tests.support.postgres import server

METRICS = {"base.{}.events", "centre.events.{}@10", "centre.events.8.{}@10", "centre.vs_{}@10"}


def measured(database: str = "") -> tuple[set[str], list[BenchImpossible]]:
    missing: list[BenchImpossible] = []
    found = centre.events(
        1, database=database, counts=(10,), sample=5, report_missing=missing.append
    )
    assert all(figure.median > 0 for figure in found.values())
    return set(found), missing


def named(*databases: str) -> set[str]:
    return {metric.format(database) for metric in METRICS for database in databases}


def test_both_databases_are_measured_in_one_run_each_beside_its_baseline() -> None:
    metrics, missing = measured()

    assert (metrics, missing) == (named("sqlite", "postgresql"), [])


def test_without_the_programs_of_postgresql_that_is_said_in_one_line_and_the_rest_measured(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    real = postgres.server
    monkeypatch.setattr(postgres, "server", lambda: real(tmp_path))

    metrics, missing = measured()

    assert metrics == named("sqlite")
    (said,) = missing
    assert str(said) == f"PostgreSQL was not measured: there is no initdb below {tmp_path}."


def test_a_database_that_is_named_is_measured_and_no_server_started(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with server() as running:
        monkeypatch.setattr(postgres, "server", None)

        metrics, missing = measured(running.address("postgres"))

        assert (metrics, missing) == (named("sqlite", "postgresql"), [])
        assert running.run_sql("SELECT COUNT(*) FROM event") == [(15,)]


def test_the_server_of_a_bench_keeps_what_it_commits_and_leaves_nothing() -> None:
    with postgres.server() as address:
        folder = Path(address.partition("host=")[2])
        with psycopg.connect(address) as connection:
            found = connection.execute(
                "SELECT current_setting('fsync'), current_setting('listen_addresses'), pg_backend_pid()"
            ).fetchone()
        assert found is not None
        assert found[:2] == ("on", "")
        server_pid = int((folder / "data/postmaster.pid").read_text().split()[0])

    assert not folder.exists()
    with pytest.raises(ProcessLookupError):
        os.kill(server_pid, 0)
