fairvisor logs --lines 3 -
