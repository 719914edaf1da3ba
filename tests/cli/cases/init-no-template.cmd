fairvisor init policy.json
