fairvisor explain --boundle x GET /
