fairvisor keys
