fairvisor connect --push policy.json
