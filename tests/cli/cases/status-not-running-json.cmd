fairvisor status -c /dev/null --json
