fairvisor version --help
