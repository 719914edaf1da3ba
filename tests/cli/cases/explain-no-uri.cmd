fairvisor explain GET
