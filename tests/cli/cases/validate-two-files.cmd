fairvisor validate a b
