# SPDX-License-Identifier: MPL-2.0
"""The preflight: a limiter that does not refuse when its limit is small must not be measured."""

import bench_scenarios
import bench_servers
import harness

ASKED = 60


def ask(server, request):
    return harness.request(server.address, request.method, request.target, request.headers, request.body)


def prove_limit(make, scenario, limit):
    """With one small limit: some requests pass, then most are refused with 429, for the limit's own reason."""
    server = make(scenario, limit)
    try:
        answers = [ask(server, scenario.request) for _ in range(ASKED)]
        allowed = sum(answer.status in (200, 204) for answer in answers)
        refused = [answer for answer in answers if answer.status == 429]
        if allowed + len(refused) != ASKED or not 1 <= allowed <= ASKED // 2:
            raise RuntimeError(f"{server.name} does not limit {limit}: {[answer.status for answer in answers]}")
        reasons = {answer.header("X-Fairvisor-Reason", scenario.limits[limit]) for answer in refused}
        if reasons != {scenario.limits[limit]}:
            raise RuntimeError(f"{server.name} refuses for {reasons} where {limit} is small")
        return f"{limit} {allowed}/{ASKED}"
    finally:
        server.remove()


def prove_open(make, scenario):
    """Without a small limit everything passes, and nothing with a token that does not verify."""
    server = make(scenario, None)
    try:
        statuses = {ask(server, scenario.request).status for _ in range(ASKED)}
        if not statuses <= {200, 204}:
            raise RuntimeError(f"{server.name} refuses without a small limit: {statuses}")
        if scenario.name == "complex" and server.proves:
            forged = scenario.request.with_headers(("Authorization", f"Bearer {bench_scenarios.BAD_TOKEN}"))
            status = ask(server, forged).status
            if status != 401:
                raise RuntimeError(f"{server.name} answers {status} to a forged token")
            return "a forged token is refused with 401"
        return "all pass"
    finally:
        server.remove()


def prove(make, scenario):
    probe = make(scenario, None)
    proves = probe.proves
    probe.remove()
    lines = [prove_limit(make, scenario, limit) for limit in proves]
    lines.append(prove_open(make, scenario))
    if make not in (bench_servers.NginxServer, bench_servers.NginxProxy) and not proves:
        raise RuntimeError(f"{make.name} proves nothing")
    print(f"preflight: {make.name}: {', '.join(lines)}", flush=True)
