fairvisor logs a b
