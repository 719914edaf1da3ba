fairvisor explain --help
