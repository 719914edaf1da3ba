fairvisor top --interval 10ms
