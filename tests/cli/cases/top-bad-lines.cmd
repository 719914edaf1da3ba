fairvisor top --lines 0
