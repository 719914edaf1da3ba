fairvisor connect
