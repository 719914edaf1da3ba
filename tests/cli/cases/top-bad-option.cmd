fairvisor top --all
