fairvisor top --by policy
