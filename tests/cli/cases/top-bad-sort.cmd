fairvisor top --sort name
