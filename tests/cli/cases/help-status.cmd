fairvisor status --help
