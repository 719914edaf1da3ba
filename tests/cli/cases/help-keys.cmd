fairvisor help keys
