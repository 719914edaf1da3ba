# SPDX-License-Identifier: MPL-2.0
"""Bundles and parts of them, as small as can be."""

import copy


def one_rule(rate=5, burst=10, keys=("ip:address",), prefix="/", policy="demo-rate-limit", rule="global-rps",
             version=1):
    """The smallest bundle: one policy, one token bucket."""
    return {
        "bundle_version": version,
        "issued_at": "2026-01-01T00:00:00Z",
        "policies": [{
            "id": policy,
            "spec": {
                "selector": {"pathPrefix": prefix},
                "mode": "enforce",
                "rules": [token_bucket(rule, rate, burst, keys)],
            },
        }],
        "kill_switches": [],
    }


def held_budget(delay_ms, budget, prefix, policy, keys=("ip:address",)):
    """A policy that holds each answer back, and whose RateLimit-Remaining tells what has been charged."""
    stages = [{"threshold_percent": 0, "action": "throttle", "delay_ms": delay_ms}, {"threshold_percent": 100, "action": "reject"}]
    config = {"budget": budget, "period": "month", "cost_key": "fixed", "fixed_cost": 1, "staged_actions": stages}
    rule = {"name": "held", "limit_keys": list(keys), "algorithm": "cost_based", "algorithm_config": config}
    return {"id": policy, "spec": {"selector": {"pathPrefix": prefix}, "mode": "enforce", "rules": [rule]}}


def token_bucket(name, rate, burst, keys=("ip:address",), **more):
    return {
        "name": name,
        "limit_keys": list(keys),
        "algorithm": "token_bucket",
        "algorithm_config": {"tokens_per_second": rate, "burst": burst},
        **more,
    }


def with_version(bundle, version):
    changed = copy.deepcopy(bundle)
    changed["bundle_version"] = version
    return changed
