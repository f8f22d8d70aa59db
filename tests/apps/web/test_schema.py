"""Requests drawn from the OpenAPI document, right ones and wrong ones: none brings a 500, and every answer is as described."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, given, seed, settings, strategies
from tests.apps.web.conftest import Services

from clearvision.apps.web.app import create_app

schemathesis = pytest.importorskip("schemathesis")

EXAMPLES = 30  # of every operation, right and wrong each


@pytest.mark.parametrize("right", [True, False], ids=["right", "wrong"])
def test_every_answer_is_as_described_and_none_is_a_fault(service_of: Services, photo: Path, right: bool) -> None:
    from schemathesis.specs.openapi.checks import negative_data_rejection, positive_data_acceptance

    app = create_app(service_of(max_waiting=10**6, client_waiting=10**6))
    schema = schemathesis.openapi.from_wsgi("/openapi.json", app)
    mode = schemathesis.GenerationMode.POSITIVE if right else schemathesis.GenerationMode.NEGATIVE
    asked = set()
    for found in schema.get_all_operations():
        operation = found.ok()
        if not right and not (operation.query or operation.body or operation.path_parameters):
            continue  # nothing about it can be wrong

        @seed(1)
        @settings(
            max_examples=EXAMPLES, deadline=None, database=None, phases=[Phase.generate], suppress_health_check=list(HealthCheck)
        )
        @given(case=operation.as_strategy(generation_mode=mode), whole=strategies.booleans())
        def ask(case: schemathesis.Case, whole: bool) -> None:
            if whole and isinstance(case.body, dict):
                case.body["file"] = photo.read_bytes()
            elif whole and isinstance(case.body, bytes):
                case.body = photo.read_bytes()
            # that a file is a picture cannot be said in a schema; that options left empty count as not given is not said either
            answer = case.call_and_validate(excluded_checks=[positive_data_acceptance, negative_data_rejection])
            asked.add((case.method, answer.status_code))

        ask()
    assert {("POST", 200), ("POST", 202)} <= asked or not right
    assert ("POST", 422) in asked
