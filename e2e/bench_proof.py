# SPDX-License-Identifier: MPL-2.0
"""The preflight: a limiter that does not refuse when its limit is small must not be measured."""

import bench_peers
import bench_scenarios
import harness

MOST = 60  # questions before the preflight gives up
ENOUGH = 5  # refusals


def ask(server, request):
    return harness.request(server.address, request.method, request.target, request.headers, request.body)


def ask_until_refused(server, request):
    answers = []
    while len(answers) < MOST and sum(answer.status == 429 for answer in answers) < ENOUGH:
        answers.append(ask(server, request))
    return answers


def prove_limit(make, scenario, limit):
    """With one small limit: some requests pass, then they are refused with 429, for the limit's own reason."""
    server = make(scenario, limit)
    try:
        answers = ask_until_refused(server, scenario.probe)
        allowed = sum(answer.status in (200, 204) for answer in answers)
        refused = [answer for answer in answers if answer.status == 429]
        if answers[0].status not in (200, 204) or len(refused) < ENOUGH or allowed + len(refused) != len(answers):
            raise RuntimeError(f"{server.name} does not limit {limit}: {[answer.status for answer in answers]}")
        reasons = {answer.header("X-Fairvisor-Reason", scenario.limits[limit]) for answer in refused}
        if reasons != {scenario.limits[limit]}:
            raise RuntimeError(f"{server.name} refuses for {reasons} where {limit} is small")
        return f"{limit} after {allowed}"
    finally:
        server.remove()


def prove_open(server, scenario):
    """Without a small limit everything passes, and nothing with a token that does not verify."""
    statuses = {ask(server, scenario.probe).status for _ in range(MOST)}
    if not statuses <= {200, 204}:
        raise RuntimeError(f"{server.name} refuses without a small limit: {statuses}")
    if scenario.name == "complex" and server.proves:
        forged = scenario.request.with_headers(("Authorization", f"Bearer {bench_scenarios.BAD_TOKEN}"))
        status = ask(server, forged).status
        if status != 401:
            raise RuntimeError(f"{server.name} answers {status} to a forged token")
        return "a forged token is refused with 401"
    return "otherwise all pass"


def prove(make, server, scenario):
    """SERVER is the one that MAKE gave to be measured: no limit of it is small."""
    if make not in bench_peers.BASES and not server.proves:
        raise RuntimeError(f"{make.name} proves nothing")
    lines = [prove_limit(make, scenario, limit) for limit in server.proves]
    lines.append(prove_open(server, scenario))
    print(f"preflight: {make.name}: {', '.join(lines)}", flush=True)
