"""SCM on a bad day: one bad answer fails no pass, and a service that stays bad is told and given up in time."""

from __future__ import annotations

import pytest

from .places import NAME
from .scm_bench import declare, standing  # noqa: F401  (a fixture is found by its name)


@pytest.mark.parametrize("fault", [
    {"kind": "throttle", "times": 1, "retryAfter": "1"},
    {"kind": "status", "status": 500, "times": 1},
    {"kind": "status", "status": 502, "html": True, "times": 1},
    {"kind": "cut", "times": 1},
    {"kind": "dropBefore", "times": 1},
    {"kind": "dropAfter", "times": 1},
    {"kind": "slow", "seconds": 0.5},
    {"kind": "contentType", "contentType": "text/plain"},
], ids=lambda fault: str(fault["kind"]) + str(fault.get("status", "")))
@pytest.mark.parametrize("operation", ["ListCertificates", "ExportCertificate"])
def test_one_bad_answer_does_not_fail_a_pass(bench, huawei, standing, fault, operation) -> None:
    made = huawei.add(NAME, kind="ec")
    huawei.fault(operation=operation, **fault)
    declare(bench, huawei, standing)
    result = bench.apply()
    assert result.code == 0, result
    assert standing.served() == made["certificate"]["sha256"]


@pytest.mark.parametrize(("fault", "reasons"), [
    ({"kind": "throttle", "retryAfter": "1"}, {"Throttled"}),
    ({"kind": "status", "status": 503}, {"Unreachable"}),
    ({"kind": "status", "status": 200, "body": "[1, 2"}, {"Unreachable", "InternalError"}),
    ({"kind": "status", "status": 200, "body": '{"certificates": "none"}'}, {"Unreachable", "InternalError"}),
    ({"kind": "dropBefore"}, {"Unreachable"}),
], ids=["throttled", "503", "cut-json", "odd-json", "dropped"])
def test_a_service_that_stays_bad_is_told_and_given_up_in_time(bench, huawei, standing, fault, reasons) -> None:
    huawei.add(NAME, kind="ec")
    huawei.fault(operation="ListCertificates", **fault)
    declare(bench, huawei, standing)
    served = standing.served()
    result = bench.apply()
    assert result.code == 1 and result.binding.verdict()[1] in reasons, result
    assert standing.served() == served
    assert "Reconciling" in result.binding.conditions
    assert huawei.calls()["ListCertificates"] <= 10 and result.seconds < 45
    huawei.mend()
    assert bench.apply().code == 0
