fairvisor help
