fairvisor top --json
